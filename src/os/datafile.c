/* pwrite, then fdatasync: it waits for the size, too, when that has changed. */
#include "os/datafile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int lat_datafile_open(int *out, const char *path)
{
	/* O_NONBLOCK: opening a fifo must not wait for its other end. */
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW), rc;
	struct stat st;

	if (fd < 0)
		return errno == EISDIR ? -EINVAL : -errno;
	rc = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (rc < 0)
		close(fd);
	else
		*out = fd;
	return rc;
}

bool lat_datafile_has_name(int fd, const char *path)
{
	struct stat st, named;

	return fstat(fd, &st) == 0 && stat(path, &named) == 0 && st.st_dev == named.st_dev &&
	       st.st_ino == named.st_ino;
}

void lat_datafile_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int64_t lat_datafile_read(int fd, uint64_t at, void *buf, size_t max)
{
	unsigned char *p = buf;
	size_t total = 0;

	while (total < max) {
		ssize_t n = pread(fd, p + total, max - total, (off_t)(at + total));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		total += (size_t)n;
	}
	return (int64_t)total;
}

int lat_datafile_write(int fd, uint64_t at, const void *data, size_t bytes)
{
	const unsigned char *p = data;

	for (size_t done = 0; done < bytes;) {
		ssize_t n = pwrite(fd, p + done, bytes - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

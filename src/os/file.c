/*
 * The order that makes a replacement atomic and durable: write the temporary file, fsync it (its bytes), rename it
 * over the name, fsync the directory (the name).
 */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens the directory that @path lies in; *name is the rest. The fd, or a negative errno. */
static int open_parent(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	size_t bytes;
	int fd;

	*name = slash == NULL ? path : slash + 1;
	if (**name == '\0')
		return -EINVAL;
	if (slash == NULL) {
		bytes = 1;
		dir[0] = '.';
	} else {
		bytes = slash == path ? 1 : (size_t)(slash - path);
		if (bytes >= sizeof(dir))
			return -ENAMETOOLONG;
		memcpy(dir, path, bytes);
	}
	dir[bytes] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const void *data, size_t bytes)
{
	const unsigned char *p = data;

	while (bytes > 0) {
		ssize_t n = write(fd, p, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int lat_file_write(const char *path, const void *data, size_t bytes, mode_t mode)
{
	char temp[NAME_MAX + 1];
	const char *name;
	int dir, fd = -1, rc, length;

	dir = open_parent(path, &name);
	if (dir < 0)
		return dir;
	length = snprintf(temp, sizeof(temp), ".%s.new", name);
	if (length < 0 || (size_t)length >= sizeof(temp)) {
		close(dir);
		return -ENAMETOOLONG;
	}
	/* Unlinked first, so that a link that somebody planted is not followed and old permissions are not kept. */
	(void)unlinkat(dir, temp, 0);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0700);
	if (fd < 0) {
		rc = -errno;
		close(dir);
		return rc;
	}
	rc = write_all(fd, data, bytes);
	if (rc < 0)
		goto fail;
	rc = fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -errno : 0;
	if (rc < 0)
		goto fail;
	rc = renameat(dir, temp, dir, name) < 0 ? -errno : 0;
	if (rc < 0)
		goto fail;
	close(fd);
	rc = fsync(dir) < 0 ? -errno : 0;
	close(dir);
	return rc;
fail:
	(void)unlinkat(dir, temp, 0);
	close(fd);
	close(dir);
	return rc;
}

/* Whether only root and @owner could have written it. */
static bool is_trusted(const struct stat *st, uid_t owner)
{
	return (st->st_uid == 0 || st->st_uid == owner) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* @owner: NULL, whoever may write it. */
static ssize_t read_file(const char *path, void *buf, size_t max, const uid_t *owner)
{
	/* O_NONBLOCK: opening a fifo must not wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;
	unsigned char extra, *p = buf;
	size_t total = 0;
	struct stat st;

	if (fd < 0) {
		rc = -errno;
		goto fail;
	}
	rc = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (rc == 0 && owner != NULL && !is_trusted(&st, *owner))
		rc = -EPERM;
	if (rc < 0)
		goto fail;
	for (;;) { /* until the end, past what fits: the size may change under us */
		ssize_t n = total < max ? read(fd, p + total, max - total) : read(fd, &extra, 1);

		if (n < 0 && errno == EINTR)
			continue;
		rc = n < 0 ? -errno : n > 0 && total == max ? -EFBIG : 0;
		if (rc < 0)
			goto fail;
		if (n == 0)
			break;
		total += (size_t)n;
	}
	close(fd);
	return (ssize_t)total;
fail:
	if (fd >= 0)
		close(fd);
	lat_wipe(buf, max);
	return rc;
}

ssize_t lat_file_read(const char *path, void *buf, size_t max)
{
	return read_file(path, buf, max, NULL);
}

ssize_t lat_file_read_of(const char *path, void *buf, size_t max, uid_t owner)
{
	return read_file(path, buf, max, &owner);
}

int lat_file_remove(const char *path)
{
	const char *name;
	int rc, dir = open_parent(path, &name);

	if (dir < 0)
		return dir;
	rc = unlinkat(dir, name, 0) < 0 || fsync(dir) < 0 ? -errno : 0;
	close(dir);
	return rc;
}

/* One directory, and its name on the disk. */
static int make_dir(const char *path)
{
	const char *name;
	struct stat st;
	int parent;

	if (mkdir(path, 0700) < 0) {
		int rc = -errno;

		/* A read-only or foreign parent says EROFS or EACCES even of what exists. */
		if (stat(path, &st) < 0)
			return rc == -EEXIST ? -ENOTDIR : rc;
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	}
	parent = open_parent(path, &name);
	if (parent >= 0) {
		(void)fsync(parent);
		close(parent);
	}
	return 0;
}

int lat_file_make_dirs(const char *path)
{
	char prefix[PATH_MAX];
	size_t bytes = strlen(path);

	if (bytes == 0)
		return -EINVAL;
	if (bytes >= sizeof(prefix))
		return -ENAMETOOLONG;
	memcpy(prefix, path, bytes + 1);
	while (bytes > 1 && prefix[bytes - 1] == '/')
		prefix[--bytes] = '\0';
	for (char *slash = strchr(prefix + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		int rc;

		*slash = '\0';
		rc = make_dir(prefix);
		*slash = '/';
		if (rc < 0)
			return rc;
	}
	return make_dir(prefix);
}

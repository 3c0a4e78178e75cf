/*
 * memfd_create(2) and its seals. Why they make a peer's memory safe to map: SHRINK means that no page of it
 * can go away (a truncated mapping faults), GROW that its size stays the one that was checked, FUTURE_WRITE
 * that nobody but the writer's first mapping can change it, SEAL that none of this can be taken back.
 */
#include "os/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ /* Linux 5.14, and headers that are older */
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* 0 when it does not fit. */
static size_t whole_pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return bytes > (SIZE_MAX >> 1) ? 0 : (bytes + page - 1) & ~(page - 1);
}

int lat_memfd_create(int *fd, void **map, size_t bytes, const char *name)
{
	size_t size = whole_pages(bytes);
	void *made = MAP_FAILED;
	int memfd, rc;

	if (bytes == 0)
		return -EINVAL;
	if (size == 0)
		return -ENOMEM;
	memfd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (memfd < 0 && errno == EINVAL)
		memfd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		return -errno;
	if (ftruncate(memfd, (off_t)size) < 0)
		goto fail;
	made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (made == MAP_FAILED)
		goto fail;
	/* After the map: this is the last writable one. */
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
		goto fail;
	*fd = memfd;
	*map = made;
	return 0;
fail:
	rc = errno == EFBIG ? -ENOMEM : -errno;
	if (made != MAP_FAILED)
		munmap(made, size);
	close(memfd);
	return rc;
}

int lat_memfd_map_peer(int fd, size_t bytes, const void **map)
{
	const int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;
	size_t size = whole_pages(bytes);
	struct statfs fs;
	struct stat st;
	void *made;
	int seals;

	if (bytes == 0)
		return -EINVAL;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & size_seals) != size_seals ||
	    (seals & (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)) == 0)
		return -EPERM;
	/* Huge pages can run out under a reader, whatever the seals: ordinary ones only. */
	if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
		return -EPERM;
	if (fstat(fd, &st) < 0 || size == 0 || st.st_size != (off_t)size)
		return -EPROTO;
	made = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (made == MAP_FAILED)
		return errno == EACCES ? -EPERM : -ENOMEM; /* EACCES: opened for writing only */
	*map = made;
	return 0;
}

int lat_memfd_map_own(int fd, uint64_t offset, uint64_t bytes, void **map)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct stat st;
	void *made;
	int seals;

	if (bytes == 0 || bytes % page != 0 || offset % page != 0 || bytes > INT64_MAX ||
	    offset > INT64_MAX - bytes)
		return -EINVAL;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return errno == EBADF ? -EBADF : -EPERM;
	if ((seals & F_SEAL_SHRINK) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return -EPERM;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < offset + bytes)
		return -EINVAL;
	made = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (made == MAP_FAILED)
		return errno == EACCES || errno == EPERM ? -EACCES : -ENOMEM;
	*map = made;
	return 0;
}

static int populate(const void *at, size_t bytes, int advice)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)at & ~(page - 1);
	int rc;

	do
		rc = madvise((void *)start, (uintptr_t)at + bytes - start, advice);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -ENOMEM : 0; /* EFAULT: an access would have been a SIGBUS */
}

int lat_memfd_commit(void *at, size_t bytes)
{
	return populate(at, bytes, MADV_POPULATE_WRITE);
}

int lat_memfd_populate(const void *at, size_t bytes)
{
	return populate(at, bytes, MADV_POPULATE_READ);
}

void lat_memfd_hide(void *map, size_t bytes)
{
	(void)madvise(map, whole_pages(bytes), MADV_DONTFORK);
}

void lat_memfd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void lat_memfd_unmap(const void *map, size_t bytes)
{
	if (map != NULL)
		munmap((void *)(uintptr_t)map, whole_pages(bytes));
}

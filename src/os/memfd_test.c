/* What sealing takes away from everybody, and what mapping a peer's memory refuses. */
#include "os/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

enum { BYTES = 10000 }; /* not whole pages on purpose */

static size_t pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

TEST(the_writer_goes_on_writing_and_the_peer_sees_it)
{
	const void *peer;
	struct stat st;
	void *map;
	int fd;

	CHECK_EQ(lat_memfd_create(&fd, &map, BYTES, "test"), 0);
	CHECK_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, pages(BYTES));
	CHECK_EQ(((unsigned char *)map)[BYTES - 1], 0);
	CHECK_EQ(lat_memfd_map_peer(fd, BYTES, &peer), 0);
	CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC); /* still open, still ours */
	close(fd);
	memset(map, 0x42, pages(BYTES));
	CHECK_MEM(peer, map, pages(BYTES));
	lat_memfd_unmap(map, BYTES);
	CHECK_EQ(((const unsigned char *)peer)[0], 0x42); /* lives as long as a mapping does */
	lat_memfd_unmap(peer, BYTES);
	lat_memfd_unmap(NULL, BYTES);
}

static intmax_t pages_held(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : (intmax_t)st.st_blocks * 512 / sysconf(_SC_PAGESIZE);
}

TEST(pages_are_committed_where_asked_and_nowhere_else)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const unsigned char *from_peer;
	unsigned char *own;
	const void *peer;
	void *map;
	int fd;

	CHECK_EQ(lat_memfd_create(&fd, &map, 64 * page, "test"), 0);
	CHECK_EQ(lat_memfd_map_peer(fd, 64 * page, &peer), 0);
	own = map;
	from_peer = peer;
	CHECK_EQ(pages_held(fd), 0);
	CHECK_EQ(lat_memfd_commit(own + page + 7, 1), 0);
	CHECK_EQ(pages_held(fd), 1);
	CHECK_EQ(lat_memfd_commit(own + 2 * page - 1, 2), 0);
	CHECK_EQ(pages_held(fd), 2);
	CHECK_EQ(lat_memfd_populate(from_peer + page, 2 * page), 0); /* what the writer committed */
	CHECK_EQ(pages_held(fd), 2);
	CHECK_EQ(lat_memfd_populate(from_peer + 63 * page, page), 0);
	CHECK_EQ(pages_held(fd), 3);
	lat_memfd_unmap(map, 64 * page);
	CHECK_EQ(lat_memfd_populate(from_peer, 64 * page), 0);
	lat_memfd_unmap(peer, 64 * page);
	CHECK_EQ(lat_memfd_populate(from_peer, 64 * page), -ENOMEM); /* nothing is mapped there */
	lat_memfd_close(fd);
	lat_memfd_close(-1);
}

TEST(a_forked_child_does_not_have_what_was_hidden)
{
	void *map;
	int fd, status;
	pid_t child;

	CHECK_EQ(lat_memfd_create(&fd, &map, BYTES, "test"), 0);
	lat_memfd_hide(map, BYTES);
	*(volatile unsigned char *)map = 1;
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(lat_memfd_commit(map, BYTES) == -ENOMEM ? 0 : 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	lat_memfd_unmap(map, BYTES);
	lat_memfd_close(fd);
}

static int map_rw(int fd)
{
	void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, BYTES);
	return 0;
}

TEST(nobody_gets_a_second_writable_map)
{
	char path[64];
	const void *peer;
	void *map;
	int fd, again;

	CHECK_EQ(lat_memfd_create(&fd, &map, BYTES, "test"), 0);
	CHECK_EQ(map_rw(fd), -EPERM);
	CHECK_EQ(lat_memfd_map_peer(fd, BYTES, &peer), 0);
	CHECK_EQ(mprotect((void *)(uintptr_t)peer, BYTES, PROT_READ | PROT_WRITE), -1);
	CHECK_EQ(errno, EACCES);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* what the same uid can do to an O_RDONLY fd */
	again = open(path, O_RDWR | O_CLOEXEC);
	CHECK(again >= 0);
	CHECK_EQ(map_rw(again), -EPERM);
	CHECK_EQ(write(again, "x", 1), -1);
	CHECK_EQ(errno, EPERM);
	close(again);
	again = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(again >= 0);
	CHECK_EQ(map_rw(again), -EACCES);
	close(again);

	CHECK_EQ(pwrite(fd, "x", 1, 0), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(ftruncate(fd, 0), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(ftruncate(fd, 1 << 20), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	CHECK_EQ(errno, EPERM);
	((unsigned char *)map)[0] = 1; /* ours is still writable */
	lat_memfd_unmap(map, BYTES);
	lat_memfd_unmap(peer, BYTES);
	close(fd);
}

TEST(creation_refusals)
{
	static const char long_name[300] = { [0 ... 298] = 'x' };
	void *map = &map;
	int fd = -7;

	CHECK_EQ(lat_memfd_create(&fd, &map, 0, "test"), -EINVAL);
	CHECK_EQ(lat_memfd_create(&fd, &map, SIZE_MAX, "test"), -ENOMEM);
	CHECK_EQ(lat_memfd_create(&fd, &map, SIZE_MAX / 2 - 8191, "test"), -ENOMEM);
	CHECK_EQ(lat_memfd_create(&fd, &map, 1, long_name), -EINVAL);
	CHECK_EQ(fd, -7);
	CHECK(map == &map);
}

TEST(a_peers_memory_is_checked_before_it_is_mapped)
{
	enum { S = F_SEAL_SHRINK, G = F_SEAL_GROW, F = F_SEAL_FUTURE_WRITE, W = F_SEAL_WRITE };
	static const struct {
		const char *why;
		int seals;
		size_t size, asked; /* in pages; asked in bytes */
		int want;
	} rows[] = {
		{ "as made here", S | G | F, 2, 8192, 0 },
		{ "rounded up as made here", S | G | F, 2, 4097, 0 },
		{ "a finished block", S | G | W, 2, 8192, 0 },
		{ "sealed for good too", S | G | F | F_SEAL_SEAL, 2, 8192, 0 },
		{ "no seal", 0, 2, 8192, -EPERM },
		{ "could shrink", G | F, 2, 8192, -EPERM },
		{ "could grow", S | F, 2, 8192, -EPERM },
		{ "could be mapped for writing", S | G, 2, 8192, -EPERM },
		{ "too small", S | G | F, 1, 8192, -EPROTO },
		{ "too large", S | G | F, 3, 8192, -EPROTO },
		{ "empty", S | G | F, 0, 8192, -EPROTO },
		{ "absurd", S | G | F, 2, SIZE_MAX, -EPROTO },
		{ "nothing asked", S | G | F, 2, 0, -EINVAL },
	};

	if (sysconf(_SC_PAGESIZE) != 4096)
		TEST_SKIP("rows are written for pages of 4096 bytes");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd = memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		const void *map = &rows[i];

		CHECK_ROW(rows[i].why, fd >= 0);
		CHECK_EQ_ROW(rows[i].why, ftruncate(fd, (off_t)rows[i].size * 4096), 0);
		CHECK_EQ_ROW(rows[i].why, fcntl(fd, F_ADD_SEALS, rows[i].seals), 0);
		CHECK_EQ_ROW(rows[i].why, lat_memfd_map_peer(fd, rows[i].asked, &map), rows[i].want);
		if (rows[i].want == 0)
			lat_memfd_unmap(map, rows[i].asked);
		else
			CHECK_ROW(rows[i].why, map == &rows[i]);
		close(fd);
	}
}

TEST(only_memfds_of_ordinary_pages)
{
	const void *map = NULL;
	int fd[2];

	CHECK_EQ(pipe2(fd, O_CLOEXEC), 0);
	CHECK_EQ(lat_memfd_map_peer(fd[0], 4096, &map), -EPERM);
	close(fd[0]);
	close(fd[1]);
	fd[0] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(lat_memfd_map_peer(fd[0], 4096, &map), -EPERM);
	close(fd[0]);
	CHECK_EQ(lat_memfd_map_peer(-1, 4096, &map), -EPERM);

	fd[0] = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	if (fd[0] < 0)
		return; /* a kernel without them */
	if (ftruncate(fd[0], 1 << 21) == 0 &&
	    fcntl(fd[0], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) == 0)
		CHECK_EQ(lat_memfd_map_peer(fd[0], 1 << 21, &map), -EPERM);
	close(fd[0]);
}

TEST_MAIN

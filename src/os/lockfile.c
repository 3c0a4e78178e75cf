/*
 * flock(2) is on the open file, not on the name. The file is never unlinked here; if somebody else replaced
 * it between our open and our lock, we hold a file that nobody will find, and start again.
 */
#include "os/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PID_TEXT_MAX = 32, TRIES_MAX = 8 };

static pid_t read_holder(int fd)
{
	char text[PID_TEXT_MAX], *end;
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
	long pid;

	if (got <= 0)
		return 0;
	text[got] = '\0';
	pid = strtol(text, &end, 10);
	return end != text && *end == '\n' && pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static int write_holder(int fd)
{
	char text[PID_TEXT_MAX];
	int bytes = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	ssize_t n;

	if (ftruncate(fd, 0) < 0)
		return -errno;
	n = pwrite(fd, text, (size_t)bytes, 0);
	if (n == bytes)
		return 0;
	return n < 0 ? -errno : -ENOSPC;
}

/* Nothing that we write is that long: it is somebody's file, who did not mean us. 0, -EEXIST. */
static int is_lock(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && st.st_size <= PID_TEXT_MAX ? 0 : -EEXIST;
}

/* 1: @fd is the file that @path names now, 0: it is not, or a negative errno. */
static int still_named(int fd, const char *path)
{
	struct stat ours, named;

	if (fstat(fd, &ours) < 0)
		return -errno;
	if (lstat(path, &named) < 0)
		return errno == ENOENT ? 0 : -errno;
	return ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static int try_lock(int *fd, const char *path, pid_t *holder)
{
	int rc, file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (file < 0)
		return -errno;
	if (flock(file, LOCK_EX | LOCK_NB) < 0) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (rc == -EBUSY && holder != NULL)
			*holder = read_holder(file);
		goto fail;
	}
	rc = still_named(file, path);
	if (rc <= 0) {
		rc = rc == 0 ? -EAGAIN : rc;
		goto fail;
	}
	rc = is_lock(file);
	if (rc == 0)
		rc = write_holder(file);
	if (rc < 0)
		goto fail;
	*fd = file;
	return 0;
fail:
	close(file);
	return rc;
}

int lat_lockfile_open(int *fd, const char *path, pid_t *holder)
{
	int rc = -EAGAIN;

	for (int i = 0; i < TRIES_MAX && rc == -EAGAIN; i++)
		rc = try_lock(fd, path, holder);
	if (rc == -EAGAIN) { /* somebody keeps replacing the file */
		if (holder != NULL)
			*holder = 0;
		rc = -EBUSY;
	}
	return rc;
}

void lat_lockfile_close(int fd)
{
	if (fd < 0)
		return;
	(void)!ftruncate(fd, 0);
	(void)flock(fd, LOCK_UN); /* a forked child may hold a copy of the fd */
	close(fd);
}

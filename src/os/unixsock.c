/* Names in a directory are reached by way of /proc/self/fd: struct sockaddr_un has room for 108 bytes. */
#include "os/unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/poll.h"

enum { BACKLOG = 8, BACKLOG_PACKETS = 512 };

int lat_unixsock_vacant(const char *dir, const char *name)
{
	int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), rc = 0;
	struct stat st;

	if (folder < 0)
		return -errno;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		rc = errno == ENOENT ? 0 : -errno;
	else if (!S_ISSOCK(st.st_mode))
		rc = -EEXIST;
	close(folder);
	return rc;
}

static int listen_on(struct lat_unixsock *s, const char *dir, const char *name, int type, int backlog)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int rc;

	*s = LAT_UNIXSOCK_CLOSED;
	if (strlen(name) >= sizeof(s->name))
		return -ENAMETOOLONG;
	rc = lat_unixsock_vacant(dir, name);
	if (rc < 0)
		return rc;
	s->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->fd = s->dir < 0 ? -1 : socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0) {
		rc = -errno;
		goto fail;
	}
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", s->dir, name);
	/* The mode of the socket before it has a name is the mode that the name gets. */
	if ((unlinkat(s->dir, name, 0) < 0 && errno != ENOENT) || fchmod(s->fd, 0600) < 0 ||
	    bind(s->fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		rc = -errno;
		goto fail;
	}
	memcpy(s->name, name, strlen(name) + 1);
	if (listen(s->fd, backlog) == 0)
		return 0;
	rc = -errno;
fail:
	lat_unixsock_close(s);
	return rc;
}

int lat_unixsock_listen(struct lat_unixsock *s, const char *dir, const char *name)
{
	return listen_on(s, dir, name, SOCK_STREAM, BACKLOG);
}

int lat_unixsock_listen_packets(struct lat_unixsock *s, const char *dir, const char *name)
{
	return listen_on(s, dir, name, SOCK_SEQPACKET, BACKLOG_PACKETS);
}

int lat_unixsock_let_in(const struct lat_unixsock *s)
{
	char path[32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", s->dir);
	if (fchmodat(s->dir, s->name, 0666, 0) < 0 || fstat(s->dir, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IXOTH) == 0 && st.st_uid == geteuid() &&
	    chmod(path, (st.st_mode & 07777) | S_IXGRP | S_IXOTH) < 0)
		return -errno;
	return 0;
}

int lat_unixsock_connect_packets(int *fd, const char *dir, const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int folder, sock, rc;

	if (strlen(name) >= LAT_UNIXSOCK_NAME)
		return -ENAMETOOLONG;
	folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", folder, name);
	rc = sock < 0 || connect(sock, (const struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
	close(folder);
	if (rc == 0)
		*fd = sock;
	else if (sock >= 0)
		close(sock);
	return rc;
}

int lat_unixsock_pair(int fds[2], bool packets)
{
	int type = packets ? SOCK_SEQPACKET : SOCK_STREAM;

	return socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ? -errno : 0;
}

void lat_unixsock_close(struct lat_unixsock *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->dir >= 0) {
		if (s->name[0] != '\0')
			(void)unlinkat(s->dir, s->name, 0);
		close(s->dir);
	}
	*s = LAT_UNIXSOCK_CLOSED;
}

int lat_unixsock_accept(const struct lat_unixsock *s)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED ? -EAGAIN : -errno;
	return fd;
}

void lat_unixsock_hang_up(int fd)
{
	if (fd >= 0)
		close(fd);
}

int lat_unixsock_send(int fd, const void *data, size_t bytes, int stop, uint64_t deadline_ns)
{
	const unsigned char *at = data;
	struct pollfd wait[2] = { { .fd = fd, .events = POLLOUT }, { .fd = stop, .events = POLLIN } };

	while (bytes > 0) {
		ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
		int rc;

		if (n >= 0) {
			at += n;
			bytes -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return -errno;
		rc = lat_poll_until(wait, 2, deadline_ns);
		if (rc < 0 && rc != -EINTR)
			return rc;
		if (rc > 0 && wait[1].revents != 0)
			return -ECANCELED;
	}
	return 0;
}

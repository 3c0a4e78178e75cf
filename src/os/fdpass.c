/*
 * SCM_RIGHTS. The receiver's rule: from the moment recvmsg(2) returns, every fd in the control data is ours to
 * give on or to close, whatever else is wrong with the packet.
 */
#include "os/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for the fds and for what a socket option may add (credentials, a security label). */
union control {
	struct cmsghdr align;
	unsigned char
		bytes[CMSG_SPACE(LAT_FDPASS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)) + 256];
};

int lat_fdpass_send(int sock, const void *data, size_t bytes, const int *fds, size_t count)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t sent;

	if (bytes == 0 || count > LAT_FDPASS_MAX)
		return -EINVAL;
	if (count > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	switch (errno) {
	case EWOULDBLOCK:
	case ENOBUFS:
		return -EAGAIN;
	case ECONNRESET:
	case ENOTCONN:
		return -EPIPE;
	}
	return -errno;
}

/* Moves the fds of @msg to @fds while they fit and closes the others. How many came. */
static size_t take_fds(struct msghdr *msg, int *fds, size_t max)
{
	size_t came = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (const unsigned char *)c + at, sizeof(fd));
			if (came < max)
				fds[came] = fd;
			else
				close(fd);
			came++;
		}
	}
	return came;
}

ssize_t lat_fdpass_recv(int sock, void *data, size_t bytes, int *fds, size_t *count)
{
	struct iovec iov = { .iov_base = data, .iov_len = bytes };
	union control control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	int got[LAT_FDPASS_MAX];
	size_t came, max = *count;
	ssize_t n;

	if (bytes == 0 || max > LAT_FDPASS_MAX)
		return -EINVAL;
	/* ECONNRESET says, once, that the peer went with our words unread; its own last ones are still to come. */
	do {
		msg.msg_controllen = sizeof(control);
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	came = take_fds(&msg, got, max);
	if (came > max || (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0 || (n == 0 && came > 0)) {
		for (size_t i = 0; i < came && i < max; i++)
			close(got[i]);
		/* There is room for more than @max in the control data, so what was cut there had no number to get. */
		return came <= max && n > 0 && (msg.msg_flags & MSG_TRUNC) == 0 ? -EMFILE : -EPROTO;
	}
	if (came > 0)
		memcpy(fds, got, came * sizeof(int));
	*count = came;
	return n;
}

int lat_fdpass_copy(int *out, const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		out[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (out[i] < 0) {
			int rc = -errno;

			lat_fdpass_close(out, i);
			return rc;
		}
	}
	return 0;
}

void lat_fdpass_close(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

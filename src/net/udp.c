#include "net/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "wire/limits.h"

void lat_udp_init(struct lat_udp *u, struct lat_io *io)
{
	*u = (struct lat_udp){ .io = io, .fd = { -1, -1 } };
}

void lat_udp_fini(struct lat_udp *u)
{
	for (size_t i = 0; i < ARRAY_LEN(u->fd); i++) {
		if (u->fd[i] >= 0)
			close(u->fd[i]);
		u->fd[i] = -1;
	}
	free(u->buf);
	u->buf = NULL;
}

int lat_udp_adopt(struct lat_udp *u, int family, int fd)
{
	u->fd[family] = fd;
	if (u->buf == NULL)
		u->buf = malloc((size_t)LAT_UDP_BATCH * LAT_IO_BUF);
	if (u->buf == NULL)
		return -ENOMEM;
	return lat_io_watch(u->io, EPOLL_CTL_ADD, fd, EPOLLIN, LAT_IO_UDP, (uint32_t)family);
}

int lat_udp_send(struct lat_udp *u, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	struct sockaddr_storage addr;
	int addr_bytes = lat_sock_addr_encode(&addr, to);
	int family = lat_sock_index(to), fd, rc;

	if (addr_bytes < 0)
		return addr_bytes;
	if (bytes > LAT_UDP_MAX)
		return -EMSGSIZE;
	fd = u->fd[family];
	if (fd < 0)
		return -EAFNOSUPPORT;
	for (;;) {
		if (sendto(fd, packet, bytes, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&addr,
			   (socklen_t)addr_bytes) >= 0) {
			lat_io_count(u->io, LAT_NET_UDP_OUT);
			return 0;
		}
		if (errno != EINTR)
			break;
	}
	rc = -errno;
	if (rc == -EAGAIN || rc == -ENOBUFS) {
		/* The I/O thread takes the watch back before it calls writable, so this cannot be forgotten. */
		rc = lat_io_watch(u->io, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT, LAT_IO_UDP, (uint32_t)family);
		return rc < 0 ? rc : -EAGAIN;
	}
	lat_io_count(u->io, LAT_NET_UDP_ERROR);
	return rc;
}

static void receive(struct lat_udp *u, int fd)
{
	struct sockaddr_storage from[LAT_UDP_BATCH] = { 0 };
	struct mmsghdr msgs[LAT_UDP_BATCH];
	struct iovec iov[LAT_UDP_BATCH];
	int count;

	for (int i = 0; i < LAT_UDP_BATCH; i++) {
		iov[i] = (struct iovec){ .iov_base = u->buf + (size_t)i * LAT_IO_BUF, .iov_len = LAT_IO_BUF };
		msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[i],
							 .msg_namelen = sizeof(from[i]),
							 .msg_iov = &iov[i],
							 .msg_iovlen = 1 } };
	}
	/* One batch a turn: level-triggered, so the rest comes with the next one, and TCP and timers get theirs before. */
	count = recvmmsg(fd, msgs, LAT_UDP_BATCH, MSG_DONTWAIT, NULL);
	if (count < 0) {
		if (errno != EAGAIN && errno != EINTR)
			lat_io_count(u->io, LAT_NET_UDP_ERROR);
		return;
	}
	for (int i = 0; i < count; i++) {
		struct lat_path path;

		lat_io_count(u->io, LAT_NET_UDP_IN);
		if ((msgs[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
			lat_io_count(u->io, LAT_NET_UDP_TRUNCATED);
			continue;
		}
		if (lat_sock_addr_decode(&path, LAT_PROTO_UDP, &from[i]) < 0)
			continue;
		(void)u->io->ops->packet(u->io->ctx, &path, iov[i].iov_base, msgs[i].msg_len);
	}
}

void lat_udp_event(struct lat_udp *u, uint32_t family, uint32_t events)
{
	if (family >= LAT_SOCK_FAMILIES || u->fd[family] < 0)
		return;
	if ((events & (EPOLLIN | EPOLLERR)) != 0)
		receive(u, u->fd[family]); /* reading also takes a pending error off the socket */
	if ((events & EPOLLOUT) != 0) {
		/* Failing only means to be called again. */
		(void)!lat_io_watch(u->io, EPOLL_CTL_MOD, u->fd[family], EPOLLIN, LAT_IO_UDP, family);
		u->io->ops->writable(u->io->ctx, 0);
	}
}

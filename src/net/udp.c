#include "net/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "wire/limits.h"

/* ---- set-up ---- */

static struct lat_udp_in *in_open(void);

int lat_udp_init(struct lat_udp *u, struct lat_io *io)
{
	*u = (struct lat_udp){ .io = io, .fd = { -1, -1 }, .gso = { true, true } };
	pthread_mutex_init(&u->lock, NULL); /* cannot fail on Linux: it only writes the memory */
	return lat_batch_init(&u->out);
}

void lat_udp_fini(struct lat_udp *u)
{
	for (size_t i = 0; i < ARRAY_LEN(u->fd); i++) {
		if (u->fd[i] >= 0)
			close(u->fd[i]);
		u->fd[i] = -1;
	}
	free(u->in);
	u->in = NULL;
	lat_batch_fini(&u->out);
}

int lat_udp_adopt(struct lat_udp *u, int family, int fd)
{
	u->fd[family] = fd;
	if (u->in == NULL)
		u->in = in_open();
	if (u->in == NULL)
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

/* ---- posting ---- */

/* 0, or -EAGAIN: something is left, for which the kernel has no room. What it refuses is lost, as on the way. */
static int flush_locked(struct lat_udp *u)
{
	int family = lat_sock_index(&u->out.to), rc = 0;

	while (u->out.count > 0 && !u->no_room) {
		bool gso = u->gso[family];
		size_t sent;

		rc = lat_batch_send(&u->out, u->fd[family], &u->gso[family], &sent);
		lat_io_count_many(u->io, LAT_NET_UDP_OUT, sent);
		if (gso && !u->gso[family])
			lat_io_count(u->io, LAT_NET_UDP_NO_GSO);
		if (rc == -EAGAIN)
			u->no_room = lat_io_watch(u->io, EPOLL_CTL_MOD, u->fd[family], EPOLLIN | EPOLLOUT,
						  LAT_IO_UDP, (uint32_t)family) == 0;
		if (rc == -EAGAIN && !u->no_room)
			u->out.count = u->out.bytes = 0; /* nobody would tell us of room */
		if (rc < 0 && rc != -EAGAIN)
			lat_io_count(u->io, LAT_NET_UDP_ERROR);
		if (rc == -EMSGSIZE)
			u->carried = 0; /* the next one is told */
	}
	return u->out.count > 0 ? -EAGAIN : 0;
}

void lat_udp_flush(struct lat_udp *u)
{
	pthread_mutex_lock(&u->lock);
	(void)flush_locked(u);
	pthread_mutex_unlock(&u->lock);
}

int lat_udp_post(struct lat_udp *u, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	bool longer;
	int rc = 0;

	if (bytes == 0 || bytes > LAT_UDP_MAX || (to->family != 4 && to->family != 6) ||
	    u->fd[lat_sock_index(to)] < 0)
		return lat_udp_send(u, to, packet, bytes);
	pthread_mutex_lock(&u->lock);
	longer = bytes > u->carried;
	if (longer || u->no_room || !lat_batch_fits(&u->out, to, bytes))
		rc = flush_locked(u);
	/* Whether a way carries a length is found out by one packet that goes alone: its sender wants to know. */
	if (rc == 0 && longer)
		rc = lat_udp_send(u, to, packet, bytes);
	else if (rc == 0)
		lat_batch_put(&u->out, to, packet, bytes);
	if (rc == 0 && longer)
		u->carried = bytes;
	pthread_mutex_unlock(&u->lock);
	return rc;
}

/* ---- receiving ---- */

enum { READS = 8 }; /* by one system call; each may be many datagrams that the kernel gathered */

/* What recvmmsg(2) is given, made once. */
struct lat_udp_in {
	struct mmsghdr msgs[READS];
	struct iovec iov[READS];
	struct sockaddr_storage from[READS];
	_Alignas(struct cmsghdr) uint8_t control[READS][CMSG_SPACE(sizeof(int))];
	uint8_t buf[READS][LAT_IO_BUF];
};

static struct lat_udp_in *in_open(void)
{
	struct lat_udp_in *in = malloc(sizeof(*in));

	if (in == NULL)
		return NULL;
	for (size_t i = 0; i < READS; i++) {
		in->iov[i] = (struct iovec){ .iov_base = in->buf[i], .iov_len = LAT_IO_BUF };
		in->from[i] = (struct sockaddr_storage){ 0 };
		in->msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &in->from[i],
							     .msg_iov = &in->iov[i],
							     .msg_iovlen = 1,
							     .msg_control = in->control[i] } };
	}
	return in;
}

/* How long each of the datagrams is that lie in one buffer, but for the last; 0: there is only one. */
static size_t segment_of(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		int segment;

		if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO ||
		    c->cmsg_len < CMSG_LEN(sizeof(segment)))
			continue;
		memcpy(&segment, CMSG_DATA(c), sizeof(segment));
		return segment > 0 ? (size_t)segment : 0;
	}
	return 0;
}

static void take(struct lat_udp *u, size_t i)
{
	struct msghdr *msg = &u->in->msgs[i].msg_hdr;
	size_t left = u->in->msgs[i].msg_len, segment = segment_of(msg);
	uint8_t *at = u->in->buf[i];
	struct lat_path path;
	bool known = lat_sock_addr_decode(&path, LAT_PROTO_UDP, &u->in->from[i]) == 0;

	if ((msg->msg_flags & MSG_TRUNC) != 0) {
		lat_io_count(u->io, LAT_NET_UDP_IN);
		lat_io_count(u->io, LAT_NET_UDP_TRUNCATED);
		return;
	}
	do {
		size_t bytes = segment > 0 && segment < left ? segment : left;

		lat_io_count(u->io, LAT_NET_UDP_IN);
		if (known)
			(void)u->io->ops->packet(u->io->ctx, &path, at, bytes);
		at += bytes;
		left -= bytes;
	} while (left > 0);
}

static bool receive(struct lat_udp *u, int fd)
{
	int count;

	for (size_t i = 0; i < READS; i++) {
		struct msghdr *msg = &u->in->msgs[i].msg_hdr;

		msg->msg_namelen = sizeof(u->in->from[i]);
		msg->msg_controllen = sizeof(u->in->control[i]);
		msg->msg_flags = 0;
	}
	/* One batch a turn: level-triggered, so the rest comes with the next one, and TCP and timers get theirs before. */
	count = recvmmsg(fd, u->in->msgs, READS, MSG_DONTWAIT, NULL);
	if (count < 0) {
		if (errno != EAGAIN && errno != EINTR)
			lat_io_count(u->io, LAT_NET_UDP_ERROR);
		return false;
	}
	for (size_t i = 0; i < (size_t)count; i++)
		take(u, i);
	return count > 0;
}

bool lat_udp_look(struct lat_udp *u)
{
	bool some = false;

	for (size_t i = 0; i < ARRAY_LEN(u->fd); i++)
		if (u->fd[i] >= 0 && receive(u, u->fd[i]))
			some = true;
	return some;
}

void lat_udp_event(struct lat_udp *u, uint32_t family, uint32_t events)
{
	if (family >= LAT_SOCK_FAMILIES || u->fd[family] < 0)
		return;
	if ((events & (EPOLLIN | EPOLLERR)) != 0)
		(void)receive(u, u->fd[family]); /* reading also takes a pending error off the socket */
	if ((events & EPOLLOUT) != 0) {
		/* Failing only means to be called again. */
		(void)!lat_io_watch(u->io, EPOLL_CTL_MOD, u->fd[family], EPOLLIN, LAT_IO_UDP, family);
		pthread_mutex_lock(&u->lock);
		u->no_room = false;
		(void)flush_locked(u);
		pthread_mutex_unlock(&u->lock);
		u->io->ops->writable(u->io->ctx, 0);
	}
}

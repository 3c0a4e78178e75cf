#include "net/batch.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/sock.h"

int lat_batch_init(struct lat_batch *b)
{
	*b = (struct lat_batch){ .buf = malloc(LAT_BATCH_BYTES) };
	return b->buf == NULL ? -ENOMEM : 0;
}

void lat_batch_fini(struct lat_batch *b)
{
	free(b->buf);
	b->buf = NULL;
	b->count = b->bytes = 0;
}

static bool same_place(const struct lat_path *a, const struct lat_path *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

bool lat_batch_fits(const struct lat_batch *b, const struct lat_path *to, size_t bytes)
{
	if (b->count == 0)
		return true;
	return !b->ended && b->count < LAT_BATCH_MAX && bytes <= b->segment &&
	       b->bytes + bytes <= LAT_BATCH_BYTES && same_place(&b->to, to);
}

void lat_batch_put(struct lat_batch *b, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	if (b->count == 0) {
		b->to = *to;
		b->segment = bytes;
		b->ended = false;
	}
	memcpy(b->buf + b->bytes, packet, bytes);
	b->len[b->count++] = (uint16_t)bytes;
	b->bytes += bytes;
	b->ended = bytes < b->segment;
}

/* The first @count. What is left may begin with a shorter one than before. */
static void drop(struct lat_batch *b, size_t count)
{
	size_t bytes = 0;

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		bytes += b->len[i];
	b->count -= count;
	b->bytes -= bytes;
	memmove(b->buf, b->buf + bytes, b->bytes);
	memmove(b->len, b->len + count, b->count * sizeof(b->len[0]));
	if (b->count > 0)
		b->segment = b->len[0];
	b->ended = b->count > 0 && b->len[b->count - 1] < b->segment;
}

/* All as one buffer. 0 or -errno. */
static int send_as_one(const struct lat_batch *b, int fd, struct sockaddr_storage *to, socklen_t to_bytes)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = { 0 };
	struct iovec iov = { .iov_base = b->buf, .iov_len = b->bytes };
	struct msghdr msg = { .msg_name = to, .msg_namelen = to_bytes, .msg_iov = &iov, .msg_iovlen = 1 };
	uint16_t segment = (uint16_t)b->segment;

	if (b->count > 1) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	}
	while (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Each by itself. How many were taken, or -errno: the first was not. */
static int send_each(const struct lat_batch *b, int fd, struct sockaddr_storage *to, socklen_t to_bytes)
{
	struct mmsghdr msgs[LAT_BATCH_MAX];
	struct iovec iov[LAT_BATCH_MAX];
	size_t at = 0;

	for (size_t i = 0; i < b->count; i++) {
		iov[i] = (struct iovec){ .iov_base = b->buf + at, .iov_len = b->len[i] };
		msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = to,
							 .msg_namelen = to_bytes,
							 .msg_iov = &iov[i],
							 .msg_iovlen = 1 } };
		at += b->len[i];
	}
	for (;;) {
		int taken = sendmmsg(fd, msgs, (unsigned int)b->count, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (taken >= 0)
			return taken;
		if (errno != EINTR)
			return -errno;
	}
}

/* Refused as a whole: by a kernel that knows nothing of it, a device that does not cut, or a way that carries less. */
static bool cannot_cut(int rc)
{
	return rc == -EIO || rc == -EINVAL || rc == -EMSGSIZE || rc == -EOPNOTSUPP || rc == -ENOPROTOOPT;
}

int lat_batch_send(struct lat_batch *b, int fd, bool *gso, size_t *sent)
{
	struct sockaddr_storage to;
	int to_bytes = b->count > 0 ? lat_sock_addr_encode(&to, &b->to) : 0;
	bool refused = false; /* as one, and not yet tried each by itself */

	*sent = 0;
	while (b->count > 0) {
		bool one = b->count == 1 || (*gso && !refused);
		int rc = to_bytes < 0 ? to_bytes
			 : one        ? send_as_one(b, fd, &to, (socklen_t)to_bytes)
				      : send_each(b, fd, &to, (socklen_t)to_bytes);
		size_t taken = one && rc == 0 ? b->count : rc > 0 ? (size_t)rc : 0;

		if (b->count > 1 && one && cannot_cut(rc)) {
			refused = true;
			continue;
		}
		if (refused && taken > 0)
			*gso = false; /* the datagrams are fine: it was the cutting */
		refused = false;
		*sent += taken;
		drop(b, taken);
		if (taken > 0)
			continue;
		if (rc == -EAGAIN || rc == -ENOBUFS)
			return -EAGAIN;
		drop(b, 1);
		return rc;
	}
	return 0;
}

#include "net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/limits.h"

enum { AT_ONCE_BYTES = 16 << 10 }; /* what is longer costs more to copy than the call that is spared */

struct lat_conn *lat_conn_open(int fd, uint32_t id, const struct lat_path *peer, bool outgoing)
{
	struct lat_conn *c = calloc(1, sizeof(*c));
	/* Whom we call ourselves is bounded by our configuration, so it gets the memory at once. */
	size_t cap = outgoing ? LAT_STREAM_BUF : LAT_TCP_UNAUTH_BYTES;

	if (c == NULL)
		return NULL;
	c->in_buf = malloc(cap);
	if (c->in_buf == NULL) {
		free(c);
		return NULL;
	}
	lat_stream_init(&c->in, c->in_buf, cap);
	c->fd = fd;
	c->id = id;
	c->peer = *peer;
	c->peer.conn = id;
	c->peer.node = 0;
	c->outgoing = outgoing;
	c->deadline = UINT64_MAX;
	c->idle_at = UINT64_MAX;
	c->stall_at = UINT64_MAX;
	return c;
}

void lat_conn_close(struct lat_conn *c)
{
	if (c == NULL)
		return;
	close(c->fd);
	lat_outq_fini(&c->out);
	free(c->in_buf);
	free(c);
}

int lat_conn_enlarge(struct lat_conn *c)
{
	uint8_t *buf;
	int rc;

	if (c->in.cap >= LAT_STREAM_BUF)
		return 0;
	buf = malloc(LAT_STREAM_BUF);
	if (buf == NULL)
		return -ENOMEM;
	rc = lat_stream_move(&c->in, buf, LAT_STREAM_BUF);
	if (rc < 0) {
		free(buf);
		return rc;
	}
	free(c->in_buf);
	c->in_buf = buf;
	return 0;
}

/* Bytes taken (0: no room now), or a negative errno. Never a signal: the peer decides when a write fails. */
static ssize_t write_pieces(int fd, struct iovec *pieces, size_t count)
{
	struct msghdr msg = { .msg_iov = pieces, .msg_iovlen = count };

	for (;;) {
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

/* What comes before @bytes is cut off the pieces. */
static void cut(struct iovec *pieces, size_t count, size_t bytes)
{
	for (size_t i = 0; i < count; i++) {
		size_t part = bytes < pieces[i].iov_len ? bytes : pieces[i].iov_len;

		pieces[i].iov_base = (uint8_t *)pieces[i].iov_base + part;
		pieces[i].iov_len -= part;
		bytes -= part;
	}
}

int lat_conn_send_locked(struct lat_conn *c, const uint8_t *packet, size_t bytes, size_t max, bool may_wait)
{
	uint8_t prefix[LAT_STREAM_PREFIX];
	/* sendmsg and the queue only read what an iovec points to. */
	struct iovec own[2] = { { .iov_base = prefix, .iov_len = sizeof(prefix) },
				{ .iov_base = (void *)packet, .iov_len = bytes } };
	struct iovec pieces[4];
	size_t held, before = c->out.used, taken, of_queue;
	ssize_t n;
	int rc;

	if (lat_stream_prefix_encode(prefix, bytes) < 0 || LAT_STREAM_PREFIX + bytes > max)
		return -EMSGSIZE;
	c->waiting = may_wait && !c->watching_out && bytes < AT_ONCE_BYTES;
	if (c->watching_out || c->waiting) {
		rc = lat_outq_put(&c->out, own, 2, max);
		if (rc != -EAGAIN || c->watching_out)
			return rc;
		c->waiting = false;
	}
	held = lat_outq_peek(&c->out, pieces);
	pieces[held] = own[0];
	pieces[held + 1] = own[1];
	n = write_pieces(c->fd, pieces, held + 2);
	if (n < 0)
		return (int)n;
	taken = (size_t)n;
	of_queue = taken < before ? taken : before;
	if (of_queue > 0)
		lat_outq_drop(&c->out, of_queue);
	taken -= of_queue;
	if (taken == LAT_STREAM_PREFIX + bytes)
		return 0;
	cut(own, 2, taken);
	rc = lat_outq_put(&c->out, own, 2, max);
	/* It was begun, so nothing else is queued, and max holds a frame: -EAGAIN cannot be. */
	return rc == -EAGAIN && taken > 0 ? -ENOMEM : rc;
}

int lat_conn_flush_locked(struct lat_conn *c)
{
	struct iovec pieces[2];
	size_t count;
	int total = 0;

	c->waiting = false;
	while ((count = lat_outq_peek(&c->out, pieces)) > 0) {
		ssize_t n = write_pieces(c->fd, pieces, count);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		lat_outq_drop(&c->out, (size_t)n);
		total += (int)n;
	}
	return total;
}

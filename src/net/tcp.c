#include "net/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <utlist.h>

#include "net/kept.h"
#include "os/clock.h"
#include "wire/limits.h"

enum {
	QUEUE_BYTES_DEFAULT = 1 << 20,
	ACCEPTS_PER_TURN = 16,
	LAST_READS = 128, /* when we end a connection */
};

/* How long the listeners rest when the process has no descriptor or memory for one more connection. */
#define ACCEPT_REST_NS ((uint64_t)(100 * LAT_NS_PER_MS))

/* ---- set-up ---- */

int lat_tcp_init(struct lat_tcp *t, struct lat_io *io, const struct lat_driver_config *cfg)
{
	const size_t least = LAT_STREAM_PREFIX + LAT_TCP_MAX_PKT;

	*t = (struct lat_tcp){ .io = io, .listener = { -1, -1 }, .accept_at = UINT64_MAX, .due = UINT64_MAX };
	pthread_mutex_init(&t->lock, NULL); /* cannot fail on Linux: it only writes the memory */
	t->queue_bytes = cfg->tcp_queue_bytes == 0 ? QUEUE_BYTES_DEFAULT : cfg->tcp_queue_bytes;
	if (t->queue_bytes < least)
		t->queue_bytes = least;
	t->unauth_ns = cfg->unauth_ns == 0 ? LAT_TCP_UNAUTH_NS : cfg->unauth_ns;
	t->idle_ns = cfg->idle_ns == 0 ? LAT_TCP_IDLE_NS : cfg->idle_ns;
	t->stall_ns = cfg->stall_ns == 0 ? LAT_DEAD_NS : cfg->stall_ns;
	t->buf = malloc(LAT_IO_BUF);
	return t->buf == NULL ? -ENOMEM : 0;
}

int lat_tcp_adopt(struct lat_tcp *t, int family, int fd)
{
	t->listener[family] = fd;
	return lat_io_watch(t->io, EPOLL_CTL_ADD, fd, EPOLLIN, LAT_IO_LISTEN, (uint32_t)family);
}

static void reap(struct lat_tcp *t)
{
	struct lat_conn *c;

	pthread_mutex_lock(&t->lock);
	c = t->dead;
	t->dead = NULL;
	pthread_mutex_unlock(&t->lock);
	while (c != NULL) {
		struct lat_conn *next = c->next_dead;

		lat_conn_close(c);
		c = next;
	}
}

/* A goodbye must not be lost to a reset, which is what closing with bytes unread sends. */
static void say_goodbye_locked(struct lat_conn *c)
{
	char unread[8192];

	if (c->connecting || lat_conn_flush_locked(c) < 0 || shutdown(c->fd, SHUT_WR) < 0)
		return;
	for (int i = 0; i < LAST_READS; i++)
		if (recv(c->fd, unread, sizeof(unread), MSG_DONTWAIT) <= 0)
			return;
}

void lat_tcp_shutdown(struct lat_tcp *t)
{
	struct lat_conn *c, *c_next;
	struct lat_kept *k;

	pthread_mutex_lock(&t->lock);
	t->down = true;
	for (size_t i = 0; i < ARRAY_LEN(t->listener); i++) {
		if (t->listener[i] >= 0)
			close(t->listener[i]);
		t->listener[i] = -1;
	}
	t->noted = NULL;
	k = t->kept;
	HASH_CLEAR(hh, t->kept); /* they stay chained */
	while (k != NULL) {
		struct lat_kept *next = k->hh.next;

		free(k);
		k = next;
	}
	HASH_ITER(hh, t->conns, c, c_next) {
		say_goodbye_locked(c);
		lat_tcp_conn_kill_locked(t, c);
	}
	pthread_mutex_unlock(&t->lock);
	reap(t);
}

void lat_tcp_fini(struct lat_tcp *t)
{
	lat_tcp_shutdown(t);
	free(t->buf);
	t->buf = NULL;
	pthread_mutex_destroy(&t->lock);
}

/* ---- sending ---- */

static void conn_watch_out_locked(struct lat_tcp *t, struct lat_conn *c, bool on)
{
	if (c->watching_out == on)
		return;
	/* Were it to fail, the stall limit would end the connection. */
	if (lat_io_watch(t->io, EPOLL_CTL_MOD, c->fd, on ? EPOLLIN | EPOLLOUT : EPOLLIN, LAT_IO_CONN,
			 c->id) == 0)
		c->watching_out = on;
}

/* Looked at again and again, so it is closed after one to two times idle_ns. */
static void idle_watch_locked(struct lat_tcp *t, struct lat_conn *c, uint64_t now)
{
	c->used = false;
	c->idle_at = lat_tcp_after(now, t->idle_ns);
	lat_tcp_due_locked(t, c->idle_at);
}

/* Whether a connection of @node's, or one just opened for it, is at *out. */
static int send_via_locked(struct lat_tcp *t, const struct lat_path *to, struct lat_conn **out)
{
	struct lat_kept *k;
	int rc;

	if (to->conn != 0) {
		*out = lat_tcp_conn_find_locked(t, to->conn);
		if (*out == NULL || (*out)->leaving)
			return -ENOTCONN;
		return (*out)->connecting ? -EAGAIN : 0;
	}
	if (to->node == LAT_NODE_NONE)
		return -EINVAL;
	k = lat_kept_find_locked(t, to->node);
	if (to->family != 0) {
		struct lat_path address = *to;
		bool same;

		rc = lat_kept_get_locked(t, to->node, &k);
		if (rc < 0)
			return rc;
		address.conn = 0;
		same = k->to.proto != 0 && k->to.family == to->family && k->to.port == to->port &&
		       k->to.scope == to->scope && memcmp(k->to.addr, to->addr, sizeof(to->addr)) == 0;
		k->to = address;
		/* A wait that the old address has earned is not the new one's. */
		if (k->conn == NULL && (!same || k->reopen_at == UINT64_MAX)) {
			if (!same)
				k->backoff_ns = LAT_TCP_REOPEN_NS;
			lat_kept_dial_locked(t, k, lat_clock_boottime_ns());
		}
	}
	if (k == NULL || (k->conn == NULL && k->to.proto == 0))
		return -ENOTCONN;
	if (k->conn == NULL || k->conn->connecting)
		return -EAGAIN;
	*out = k->conn;
	if (k->to.transient && k->conn->outgoing && k->conn->idle_at == UINT64_MAX)
		idle_watch_locked(t, k->conn, lat_clock_boottime_ns());
	k->conn->used = true;
	return 0;
}

static size_t queue_max(const struct lat_tcp *t, const struct lat_conn *c)
{
	return c->outgoing || c->proven ? t->queue_bytes : LAT_TCP_UNAUTH_BYTES;
}

/* Something is queued that the kernel has no room for. */
static void await_room_locked(struct lat_tcp *t, struct lat_conn *c)
{
	if (c->stall_at != UINT64_MAX)
		return;
	conn_watch_out_locked(t, c, true);
	c->stall_at = lat_tcp_after(lat_clock_boottime_ns(), t->stall_ns);
	lat_tcp_due_locked(t, c->stall_at);
}

static int hand_over(struct lat_tcp *t, const struct lat_path *to, const uint8_t *packet, size_t bytes,
		     bool may_wait)
{
	struct lat_conn *c = NULL;
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = t->down ? -ESHUTDOWN : send_via_locked(t, to, &c);
	if (rc < 0)
		goto unlock;
	rc = lat_conn_send_locked(c, packet, bytes, queue_max(t, c), may_wait);
	if (rc == -EAGAIN) {
		c->want_room = true;
		lat_io_count(t->io, LAT_NET_TCP_QUEUE_FULL);
	} else if (rc < 0 && rc != -EMSGSIZE) {
		lat_tcp_conn_fail_locked(t, c, rc);
		/* Towards a node it is opened again, and writable will follow; a connection meant by its number is gone. */
		rc = to->conn == 0 && lat_kept_find_locked(t, to->node)->to.proto != 0 ? -EAGAIN : -ENOTCONN;
	} else if (rc == 0) {
		lat_io_count(t->io, LAT_NET_TCP_OUT);
	}
	if ((rc == 0 || rc == -EAGAIN) && !c->dead && c->out.used > 0 && !c->waiting)
		await_room_locked(t, c);
	if (rc == 0 && c->waiting && !c->posted) {
		DL_APPEND2(t->posted, c, posted_prev, posted_next);
		c->posted = true;
	}
unlock:
	pthread_mutex_unlock(&t->lock);
	return rc;
}

int lat_tcp_send(struct lat_tcp *t, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	return hand_over(t, to, packet, bytes, false);
}

int lat_tcp_post(struct lat_tcp *t, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	return hand_over(t, to, packet, bytes, true);
}

void lat_tcp_flush(struct lat_tcp *t)
{
	struct lat_conn *c;

	pthread_mutex_lock(&t->lock);
	while ((c = t->posted) != NULL) {
		int rc;

		DL_DELETE2(t->posted, c, posted_prev, posted_next);
		c->posted = false;
		if (c->watching_out)
			continue;
		rc = lat_conn_flush_locked(c);
		if (rc < 0)
			lat_tcp_conn_fail_locked(t, c, rc);
		else if (c->out.used > 0)
			await_room_locked(t, c);
	}
	pthread_mutex_unlock(&t->lock);
}

void lat_tcp_prove(struct lat_tcp *t, uint32_t conn, uint32_t node, bool prefer)
{
	struct lat_conn *c, *other;
	struct lat_kept *k;
	uint64_t now = lat_clock_boottime_ns();
	int rc;

	pthread_mutex_lock(&t->lock);
	c = lat_tcp_conn_find_locked(t, conn);
	if (c == NULL || c->leaving || node == LAT_NODE_NONE || (c->proven && c->node == node))
		goto unlock;
	rc = lat_kept_get_locked(t, node, &k);
	if (rc < 0) {
		lat_tcp_conn_fail_locked(t, c, rc);
		goto unlock;
	}
	if (c->node != 0 && c->node != node) {
		struct lat_kept *meant = lat_kept_find_locked(t, c->node);

		if (meant != NULL && meant->conn == c)
			lat_kept_lost_locked(t, meant, now, -ECONNABORTED);
	}
	if (!c->proven && !c->outgoing)
		t->strangers--;
	c->proven = true;
	c->node = node;
	c->peer.node = node;
	c->deadline = UINT64_MAX;
	other = k->conn;
	if (other != NULL && other != c) {
		/* Numbers wrap: the newer of two is the one that is ahead by less than half of them. */
		bool newer = c->id - other->id < UINT32_MAX / 2;
		bool wins = other->connecting ? true : other->outgoing == c->outgoing ? newer : prefer;

		lat_tcp_conn_kill_locked(t, wins ? other : c);
		if (!wins)
			goto unlock;
	}
	k->conn = c;
	k->reopen_at = UINT64_MAX;
	k->backoff_ns = LAT_TCP_REOPEN_NS;
	k->good_ns = c->since;
	if (other != c)
		lat_kept_note_up_locked(t, k);
unlock:
	pthread_mutex_unlock(&t->lock);
}

bool lat_tcp_outgoing(struct lat_tcp *t, uint32_t conn)
{
	struct lat_conn *c;
	bool outgoing;

	pthread_mutex_lock(&t->lock);
	c = lat_tcp_conn_find_locked(t, conn);
	outgoing = c != NULL && c->outgoing;
	pthread_mutex_unlock(&t->lock);
	return outgoing;
}

void lat_tcp_renew(struct lat_tcp *t, uint32_t node)
{
	struct lat_kept *k;

	pthread_mutex_lock(&t->lock);
	k = lat_kept_find_locked(t, node);
	if (k != NULL && k->conn != NULL && !k->conn->connecting)
		lat_tcp_conn_fail_locked(t, k->conn, -ETIMEDOUT);
	pthread_mutex_unlock(&t->lock);
}

void lat_tcp_rest(struct lat_tcp *t, uint32_t node)
{
	struct lat_kept *k;
	struct lat_conn *c;

	pthread_mutex_lock(&t->lock);
	k = lat_kept_find_locked(t, node);
	if (k == NULL || !k->to.transient)
		goto unlock;
	k->reopen_at = UINT64_MAX;
	c = k->conn;
	if (c == NULL || !c->outgoing || c->out.used > 0)
		goto unlock;
	k->conn = NULL;
	lat_io_count(t->io, LAT_NET_TCP_RESTED);
	if (c->connecting || shutdown(c->fd, SHUT_WR) < 0) {
		lat_tcp_conn_kill_locked(t, c);
		goto unlock;
	}
	c->leaving = true;
	c->idle_at = UINT64_MAX;
	c->deadline = lat_tcp_after(lat_clock_boottime_ns(), t->unauth_ns);
	lat_tcp_due_locked(t, c->deadline);
unlock:
	pthread_mutex_unlock(&t->lock);
}

void lat_tcp_forget(struct lat_tcp *t, uint32_t node)
{
	struct lat_kept *k;

	pthread_mutex_lock(&t->lock);
	k = lat_kept_find_locked(t, node);
	if (k != NULL) {
		if (k->conn != NULL) {
			say_goodbye_locked(k->conn);
			lat_tcp_conn_kill_locked(t, k->conn);
		}
		if (k->noted)
			DL_DELETE(t->noted, k);
		HASH_DEL(t->kept, k);
		free(k);
	}
	pthread_mutex_unlock(&t->lock);
}

/* ---- receiving ---- */

static void rest(struct lat_tcp *t)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < ARRAY_LEN(t->listener); i++)
		if (t->listener[i] >= 0)
			lat_io_unwatch(t->io, t->listener[i]);
	t->accept_at = lat_tcp_after(lat_clock_boottime_ns(), ACCEPT_REST_NS);
	lat_tcp_due_locked(t, t->accept_at);
	pthread_mutex_unlock(&t->lock);
}

static void admit(struct lat_tcp *t, int fd, const struct sockaddr_storage *addr)
{
	struct lat_path peer;
	struct lat_conn *c;

	if (lat_sock_addr_decode(&peer, LAT_PROTO_TCP, addr) < 0) {
		close(fd);
		return;
	}
	lat_sock_tune_tcp(fd, t->stall_ns);
	pthread_mutex_lock(&t->lock);
	if (t->strangers >= LAT_TCP_UNAUTH_CONNS) {
		lat_io_count(t->io, LAT_NET_TCP_UNAUTH_FULL);
		close(fd);
	} else if ((c = lat_tcp_conn_add_locked(t, fd, &peer, false)) != NULL) {
		t->strangers++;
		c->since = lat_clock_boottime_ns();
		c->deadline = lat_tcp_after(c->since, t->unauth_ns);
		lat_tcp_due_locked(t, c->deadline);
		lat_io_count(t->io, LAT_NET_TCP_ACCEPTED);
	}
	pthread_mutex_unlock(&t->lock);
}

void lat_tcp_listen_event(struct lat_tcp *t, uint32_t family)
{
	if (family >= LAT_SOCK_FAMILIES || t->listener[family] < 0)
		return;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage addr = { 0 };
		socklen_t bytes = sizeof(addr);
		int fd = accept4(t->listener[family], (struct sockaddr *)&addr, &bytes,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			admit(t, fd, &addr);
		else if (errno == EAGAIN)
			return;
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			rest(t); /* or the listener would wake us without end */
			return;
		}
		/* Others speak of the one connection that was waiting: it is gone. */
	}
}

static void fail(struct lat_tcp *t, struct lat_conn *c, int err)
{
	pthread_mutex_lock(&t->lock);
	lat_tcp_conn_fail_locked(t, c, err);
	pthread_mutex_unlock(&t->lock);
}

/* What of @c may change while no lock is held, at one time. */
struct standing {
	bool dead, stranger;
	struct lat_path from;
};

static struct standing standing_of(struct lat_tcp *t, struct lat_conn *c)
{
	struct standing s;

	pthread_mutex_lock(&t->lock);
	s = (struct standing){ .dead = c->dead, .stranger = !c->proven && !c->outgoing, .from = c->peer };
	pthread_mutex_unlock(&t->lock);
	return s;
}

/* Hands out the packets in [in, in + len). 0, or why the connection must end. */
static int take(struct lat_tcp *t, struct lat_conn *c, uint8_t *in, size_t len)
{
	for (;;) {
		struct standing s = standing_of(t, c);
		uint8_t *packet;
		size_t bytes;
		int rc;

		if (s.dead)
			return 0;
		if (!s.stranger) {
			rc = lat_conn_enlarge(c);
			if (rc < 0)
				return rc;
		}
		rc = lat_stream_next(&c->in, &in, &len, &packet, &bytes);
		if (rc == 0)
			return 0;
		if (rc < 0) {
			lat_io_count(t->io, rc == -EMSGSIZE ? LAT_NET_TCP_UNAUTH_BYTES : LAT_NET_TCP_FRAMING);
			return -EPROTO;
		}
		lat_io_count(t->io, LAT_NET_TCP_IN);
		rc = t->io->ops->packet(t->io->ctx, &s.from, packet, bytes);
		if (rc < 0)
			return rc;
	}
}

static void receive(struct lat_tcp *t, struct lat_conn *c)
{
	struct standing s = standing_of(t, c);
	size_t room = LAT_IO_BUF;
	ssize_t n;
	int rc;

	if (s.dead)
		return;
	if (s.stranger && room > LAT_TCP_UNAUTH_BYTES - c->taken)
		room = LAT_TCP_UNAUTH_BYTES - c->taken;
	n = recv(c->fd, t->buf, room, MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			fail(t, c, -errno);
		return;
	}
	rc = n == 0 ? -ECONNRESET : take(t, c, t->buf, (size_t)n);
	if (rc == 0 && s.stranger) {
		c->taken += (size_t)n;
		s = standing_of(t, c);
		if (s.stranger && !s.dead && c->taken >= LAT_TCP_UNAUTH_BYTES) {
			lat_io_count(t->io, LAT_NET_TCP_UNAUTH_BYTES);
			rc = -EPROTO;
		}
	}
	if (rc < 0)
		fail(t, c, rc);
}

static void connected_locked(struct lat_tcp *t, struct lat_conn *c)
{
	struct lat_kept *k = lat_kept_find_locked(t, c->node);
	int rc = lat_sock_connected(c->fd);

	if (rc == 0)
		rc = lat_io_watch(t->io, EPOLL_CTL_MOD, c->fd, EPOLLIN, LAT_IO_CONN, c->id);
	if (rc < 0) {
		lat_tcp_conn_fail_locked(t, c, rc);
		return;
	}
	c->connecting = false;
	c->since = lat_clock_boottime_ns();
	/* Whoever answers there proves something in time, or we try again: a handshake is only resent on a new connection. */
	c->deadline = lat_tcp_after(c->since, t->unauth_ns);
	lat_tcp_due_locked(t, c->deadline);
	lat_io_count(t->io, LAT_NET_TCP_CONNECTED);
	if (k != NULL && k->conn == c)
		lat_kept_note_up_locked(t, k);
}

static void flush_locked(struct lat_tcp *t, struct lat_conn *c)
{
	struct lat_kept *k;
	int rc = lat_conn_flush_locked(c);

	if (rc < 0) {
		lat_tcp_conn_fail_locked(t, c, rc);
		return;
	}
	if (c->out.used == 0) {
		conn_watch_out_locked(t, c, false);
		c->stall_at = UINT64_MAX;
	} else if (rc > 0) {
		c->stall_at = lat_tcp_after(lat_clock_boottime_ns(), t->stall_ns);
	}
	/* Not at the first free byte, or each packet would cost a wake-up. */
	if (!c->want_room || c->out.used > queue_max(t, c) / 2)
		return;
	c->want_room = false;
	k = c->node == 0 ? NULL : lat_kept_find_locked(t, c->node);
	if (k != NULL && k->conn == c) {
		k->room = true;
		lat_kept_note_locked(t, k);
	}
}

void lat_tcp_conn_event(struct lat_tcp *t, uint32_t conn, uint32_t events)
{
	struct lat_conn *c;
	bool readable = false;

	pthread_mutex_lock(&t->lock);
	c = lat_tcp_conn_find_locked(t, conn); /* NULL: closed since epoll saw it */
	if (c != NULL && c->connecting) {
		connected_locked(t, c);
	} else if (c != NULL) {
		if ((events & EPOLLOUT) != 0)
			flush_locked(t, c);
		readable = (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
		c->used = true;
	}
	pthread_mutex_unlock(&t->lock);
	if (readable)
		receive(t, c); /* stays valid: only this thread frees */
}

/* ---- once a turn ---- */

static void conn_overdue_locked(struct lat_tcp *t, struct lat_conn *c, uint64_t now)
{
	if (now >= c->stall_at) {
		lat_io_count(t->io, LAT_NET_TCP_STALLED);
		lat_tcp_conn_fail_locked(t, c, -ETIMEDOUT);
	} else if (now >= c->deadline) {
		if (!c->connecting && !c->leaving)
			lat_io_count(t->io, LAT_NET_TCP_UNAUTH_TIME);
		lat_tcp_conn_fail_locked(t, c, -ETIMEDOUT);
	} else {
		struct lat_kept *k = lat_kept_find_locked(t, c->node);
		bool used = c->used;

		c->idle_at = UINT64_MAX;
		if (k == NULL || k->conn != c || !k->to.transient)
			return;
		idle_watch_locked(t, c, now);
		if (!used) {
			k->idle = true;
			lat_kept_note_locked(t, k);
		}
	}
}

static void run_due_locked(struct lat_tcp *t, uint64_t now)
{
	struct lat_conn *c, *c_next;
	struct lat_kept *k, *k_next;
	uint64_t due = UINT64_MAX;

	/* What these plan lowers t->due again: start from never. */
	t->due = UINT64_MAX;
	HASH_ITER(hh, t->conns, c, c_next) {
		uint64_t first = c->stall_at < c->deadline ? c->stall_at : c->deadline;

		if (c->idle_at < first)
			first = c->idle_at;
		if (now >= first)
			conn_overdue_locked(t, c, now);
		else if (first < due)
			due = first;
	}
	HASH_ITER(hh, t->kept, k, k_next) {
		if (now >= k->reopen_at)
			lat_kept_dial_locked(t, k, now);
		else if (k->reopen_at < due)
			due = k->reopen_at;
	}
	if (now >= t->accept_at) {
		t->accept_at = UINT64_MAX;
		for (size_t i = 0; i < ARRAY_LEN(t->listener); i++)
			if (t->listener[i] >= 0 && lat_io_watch(t->io, EPOLL_CTL_ADD, t->listener[i], EPOLLIN,
								LAT_IO_LISTEN, (uint32_t)i) < 0)
				t->accept_at = lat_tcp_after(now, ACCEPT_REST_NS);
	}
	if (t->accept_at < due)
		due = t->accept_at;
	if (due < t->due)
		t->due = due;
}

/* Tells what is noted of one node. False: nothing is. */
static bool tell_one(struct lat_tcp *t)
{
	const struct lat_driver_ops *ops = t->io->ops;
	struct lat_kept *k, said;

	pthread_mutex_lock(&t->lock);
	k = t->noted;
	if (k != NULL) {
		DL_DELETE(t->noted, k);
		said = *k;
		k->noted = k->down = k->up = k->room = k->idle = false;
	}
	pthread_mutex_unlock(&t->lock);
	if (k == NULL)
		return false;
	if (said.down)
		ops->conn_down(t->io->ctx, said.node, said.down_err);
	if (said.up)
		ops->conn_up(t->io->ctx, said.node);
	if (said.room)
		ops->writable(t->io->ctx, said.node);
	if (said.idle)
		ops->idle(t->io->ctx, said.node);
	return true;
}

bool lat_tcp_busy(struct lat_tcp *t)
{
	bool busy;

	pthread_mutex_lock(&t->lock);
	busy = t->conns != NULL || t->kept != NULL || t->dead != NULL;
	pthread_mutex_unlock(&t->lock);
	return busy;
}

uint64_t lat_tcp_turn(struct lat_tcp *t)
{
	uint64_t now = lat_clock_boottime_ns(), due;
	unsigned int nodes;

	pthread_mutex_lock(&t->lock);
	if (now >= t->due)
		run_due_locked(t, now);
	nodes = HASH_COUNT(t->kept);
	pthread_mutex_unlock(&t->lock);
	/* Telling may note more: that waits for the next turn, which noting has asked for. */
	for (unsigned int i = 0; i < nodes && tell_one(t); i++)
		;
	reap(t);
	pthread_mutex_lock(&t->lock);
	due = t->due;
	pthread_mutex_unlock(&t->lock);
	return due;
}

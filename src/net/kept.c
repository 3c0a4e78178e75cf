#include "net/kept.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <utlist.h>

#include "os/clock.h"
#include "wire/limits.h"

void lat_tcp_due_locked(struct lat_tcp *t, uint64_t when)
{
	if (when >= t->due)
		return;
	t->due = when;
	lat_timer_lower(&t->io->timer, when);
}

/* ---- connections ---- */

struct lat_conn *lat_tcp_conn_find_locked(struct lat_tcp *t, uint32_t id)
{
	struct lat_conn *c = NULL;

	HASH_FIND(hh, t->conns, &id, sizeof(id), c);
	return c;
}

/*
 * A number that no connection of this process had, so that a path kept from before cannot mean a new one, be it in another
 * driver. After 2^32 - 1 of them they come again; what lives is passed over.
 */
static uint32_t conn_number_locked(struct lat_tcp *t)
{
	static _Atomic uint32_t last;
	uint32_t id;

	do {
		id = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
	} while (id == 0 || lat_tcp_conn_find_locked(t, id) != NULL);
	return id;
}

struct lat_conn *lat_tcp_conn_add_locked(struct lat_tcp *t, int fd, const struct lat_path *peer,
					 bool outgoing)
{
	struct lat_conn *c = lat_conn_open(fd, conn_number_locked(t), peer, outgoing);

	if (c == NULL) {
		close(fd);
		return NULL;
	}
	HASH_ADD(hh, t->conns, id, sizeof(c->id), c);
	if (c->hh.tbl == NULL) {
		lat_conn_close(c);
		return NULL;
	}
	if (lat_io_watch(t->io, EPOLL_CTL_ADD, fd, outgoing ? EPOLLOUT : EPOLLIN, LAT_IO_CONN, c->id) < 0) {
		HASH_DEL(t->conns, c);
		lat_conn_close(c);
		return NULL;
	}
	return c;
}

void lat_tcp_conn_kill_locked(struct lat_tcp *t, struct lat_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	if (c->posted)
		DL_DELETE2(t->posted, c, posted_prev, posted_next);
	c->posted = false;
	HASH_DEL(t->conns, c);
	if (!c->outgoing && !c->proven)
		t->strangers--;
	lat_io_unwatch(t->io, c->fd);
	/* The number of the descriptor stays taken until then, the connection ends now. */
	(void)shutdown(c->fd, SHUT_RDWR);
	c->next_dead = t->dead;
	t->dead = c;
	lat_timer_lower(&t->io->timer, 0);
}

/* ---- nodes ---- */

struct lat_kept *lat_kept_find_locked(struct lat_tcp *t, uint32_t node)
{
	struct lat_kept *k = NULL;

	HASH_FIND(hh, t->kept, &node, sizeof(node), k);
	return k;
}

int lat_kept_get_locked(struct lat_tcp *t, uint32_t node, struct lat_kept **out)
{
	struct lat_kept *k = lat_kept_find_locked(t, node);

	if (k == NULL) {
		if (HASH_COUNT(t->kept) >= LAT_DRIVER_KEPT_MAX)
			return -ENOBUFS;
		k = calloc(1, sizeof(*k));
		if (k == NULL)
			return -ENOMEM;
		k->node = node;
		k->reopen_at = UINT64_MAX;
		k->backoff_ns = LAT_TCP_REOPEN_NS;
		HASH_ADD(hh, t->kept, node, sizeof(k->node), k);
		if (k->hh.tbl == NULL) {
			free(k);
			return -ENOMEM;
		}
	}
	*out = k;
	return 0;
}

void lat_kept_note_locked(struct lat_tcp *t, struct lat_kept *k)
{
	if (k->noted)
		return;
	k->noted = true;
	DL_APPEND(t->noted, k);
	lat_timer_lower(&t->io->timer, 0);
}

static void note_down_locked(struct lat_tcp *t, struct lat_kept *k, int err)
{
	k->down = true;
	k->up = false;
	k->room = false;
	k->idle = false;
	k->down_err = err;
	lat_kept_note_locked(t, k);
}

void lat_kept_note_up_locked(struct lat_tcp *t, struct lat_kept *k)
{
	k->up = true;
	k->room = true;
	lat_kept_note_locked(t, k);
}

static void reopen_plan_locked(struct lat_tcp *t, struct lat_kept *k, uint64_t now)
{
	if (k->to.proto == 0 || t->down)
		return;
	if (k->good_ns != 0 && !k->to.transient) { /* whether a transient one is wanted is asked first */
		/* At once, but not more often than when we wait: one that ends as soon as it is good must not keep us busy. */
		k->reopen_at = lat_tcp_after(k->good_ns, LAT_TCP_REOPEN_NS);
		if (k->reopen_at < now)
			k->reopen_at = now;
	} else {
		k->reopen_at = lat_tcp_after(now, k->backoff_ns);
		k->backoff_ns *= 2;
		if (k->backoff_ns > LAT_TCP_REOPEN_CAP_NS)
			k->backoff_ns = LAT_TCP_REOPEN_CAP_NS;
	}
	k->good_ns = 0;
	lat_tcp_due_locked(t, k->reopen_at);
}

void lat_kept_lost_locked(struct lat_tcp *t, struct lat_kept *k, uint64_t now, int err)
{
	k->conn = NULL;
	note_down_locked(t, k, err);
	reopen_plan_locked(t, k, now);
}

void lat_tcp_conn_fail_locked(struct lat_tcp *t, struct lat_conn *c, int err)
{
	struct lat_kept *k;

	if (c->dead)
		return;
	lat_tcp_conn_kill_locked(t, c);
	k = c->node == 0 ? NULL : lat_kept_find_locked(t, c->node);
	if (k == NULL || k->conn != c)
		return;
	if (c->connecting)
		lat_io_count(t->io, LAT_NET_TCP_CONNECT_FAILED);
	lat_kept_lost_locked(t, k, lat_clock_boottime_ns(), err);
}

void lat_kept_dial_locked(struct lat_tcp *t, struct lat_kept *k, uint64_t now)
{
	struct lat_conn *c;
	int fd = lat_sock_connect(&k->to, &t->local, t->stall_ns);

	k->reopen_at = UINT64_MAX;
	if (fd < 0) {
		lat_io_count(t->io, LAT_NET_TCP_CONNECT_FAILED);
		lat_kept_lost_locked(t, k, now, fd);
		return;
	}
	c = lat_tcp_conn_add_locked(t, fd, &k->to, true);
	if (c == NULL) {
		lat_kept_lost_locked(t, k, now, -ENOMEM);
		return;
	}
	c->node = k->node;
	c->connecting = true;
	c->deadline = lat_tcp_after(now, t->unauth_ns);
	lat_tcp_due_locked(t, c->deadline);
	k->conn = c;
}

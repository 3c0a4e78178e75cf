/* The relays' table and thread. */
#include <errno.h>
#include <stdlib.h>

#include "node/relay_impl.h"
#include "node/stats.h"
#include "os/eventfd.h"
#include "os/watch.h"

enum { EVENTS = 64 };

int lat_relay_enter_locked(struct lat_relays *rs, struct lat_relay *r)
{
	if (rs->closed)
		return -ESHUTDOWN;
	if (rs->count == LAT_RELAYS_MAX) {
		lat_relay_count(&rs->refused, 1);
		return -ENOBUFS;
	}
	rs->count++;
	r->rs = rs;
	r->next = rs->all;
	r->at = &rs->all;
	if (r->next != NULL)
		r->next->at = &r->next;
	rs->all = r;
	return 0;
}

void lat_relay_queue_locked(struct lat_relay *r)
{
	struct lat_relays *rs = r->rs;

	if (r->queued || rs->closed)
		return;
	r->queued = true;
	r->todo = NULL;
	if (rs->first == NULL)
		lat_eventfd_signal(rs->poke);
	*rs->last = r;
	rs->last = &r->todo;
}

void lat_relay_queue(struct lat_relay *r)
{
	pthread_mutex_lock(&r->rs->lock);
	lat_relay_queue_locked(r);
	pthread_mutex_unlock(&r->rs->lock);
}

void lat_relay_queue_all(struct lat_relays *rs)
{
	pthread_mutex_lock(&rs->lock);
	for (struct lat_relay *r = rs->all; r != NULL; r = r->next)
		lat_relay_queue_locked(r);
	pthread_mutex_unlock(&rs->lock);
}

/* The first whose turn it is, or NULL. */
static struct lat_relay *pop(struct lat_relays *rs)
{
	struct lat_relay *r;

	pthread_mutex_lock(&rs->lock);
	r = rs->first;
	if (r != NULL) {
		rs->first = r->todo;
		if (rs->first == NULL)
			rs->last = &rs->first;
		r->queued = false;
	}
	pthread_mutex_unlock(&rs->lock);
	return r;
}

static void unqueue_locked(struct lat_relays *rs, const struct lat_relay *r)
{
	struct lat_relay **at = &rs->first;

	while (*at != r)
		at = &(*at)->todo;
	*at = r->todo;
	if (*at == NULL)
		rs->last = at;
}

/* Out of the tables. One that is over tells of no event any more, but this turn's may name it: so it goes after that. */
static void bury(struct lat_relays *rs)
{
	struct lat_relay *r, *next, *dead = NULL;

	pthread_mutex_lock(&rs->lock);
	for (r = rs->all; r != NULL; r = next) {
		next = r->next;
		if (!r->over)
			continue;
		if (r->queued)
			unqueue_locked(rs, r);
		r->queued = true; /* and stays out of the list */
		*r->at = r->next;
		if (r->next != NULL)
			r->next->at = r->at;
		rs->count--;
		r->todo = dead;
		dead = r;
	}
	pthread_mutex_unlock(&rs->lock);
	while ((r = dead) != NULL) {
		dead = r->todo;
		r->release(r);
	}
	lat_relay_ears_bury(rs);
}

static void run(void *arg)
{
	struct lat_watch_event events[EVENTS];
	struct lat_relays *rs = arg;
	struct lat_relay *r;

	while (!atomic_load_explicit(&rs->stopping, memory_order_acquire)) {
		size_t n = lat_watch_wait(rs->watch, events, EVENTS, UINT64_MAX);

		for (size_t i = 0; i < n; i++) {
			r = events[i].data;
			if (r == NULL)
				lat_eventfd_clear(rs->poke);
			else if (!r->over)
				r->turn(r);
		}
		while ((r = pop(rs)) != NULL)
			if (!r->over)
				r->turn(r);
		bury(rs);
	}
}

int lat_relays_open(struct lat_relays **out, struct lattice_node *node)
{
	struct lat_relays *rs = calloc(1, sizeof(*rs));
	int rc;

	*out = NULL;
	if (rs == NULL)
		return -ENOMEM;
	pthread_mutex_init(&rs->lock, NULL);
	rs->node = node;
	rs->last = &rs->first;
	rs->watch = rs->poke = -1;
	rc = lat_watch_open(&rs->watch);
	if (rc == 0)
		rc = lat_eventfd_open(&rs->poke);
	if (rc == 0)
		rc = lat_watch_add(rs->watch, rs->poke, false, NULL);
	if (rc == 0)
		rc = lat_thread_start(&rs->thread, "lattice-relay", run, rs);
	if (rc < 0) {
		lat_relays_close(rs);
		return rc;
	}
	*out = rs;
	return 0;
}

void lat_relays_shutdown(struct lat_relays *rs)
{
	struct lat_relay *r, *all;

	if (rs == NULL)
		return;
	atomic_store_explicit(&rs->stopping, true, memory_order_release);
	lat_eventfd_signal(rs->poke);
	lat_thread_join(&rs->thread);
	pthread_mutex_lock(&rs->lock);
	rs->closed = true; /* none is added or queued any more */
	all = rs->all;
	pthread_mutex_unlock(&rs->lock);
	for (r = all; r != NULL; r = r->next) {
		if (!r->over)
			r->stop(r);
		r->over = true;
	}
	bury(rs);
}

void lat_relays_close(struct lat_relays *rs)
{
	if (rs == NULL)
		return;
	lat_watch_close(rs->watch);
	lat_eventfd_close(rs->poke);
	pthread_mutex_destroy(&rs->lock);
	free(rs);
}

void lat_relays_stats(struct lat_relays *rs, struct lat_stats *s)
{
	const struct {
		const char *name, *text;
		const _Atomic(uint64_t) *value;
	} rows[] = {
		{ "relay.out", "channels of other processes here to other nodes", &rs->outs },
		{ "relay.in", "channels of other nodes to other processes here", &rs->ins },
		{ "relay.passed_out", "messages passed on to other nodes", &rs->passed_out },
		{ "relay.passed_in", "messages passed on to other processes", &rs->passed_in },
		{ "relay.full_out", "times one had to wait: the other node, or the way to it, was full",
		  &rs->full_out },
		{ "relay.full_in", "times one had to wait: the other process did not read", &rs->full_in },
		{ "relay.refused", "channels refused, there are as many as there may be", &rs->refused },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		lat_stats_put(s, rows[i].name, rows[i].text,
			      atomic_load_explicit(rows[i].value, memory_order_relaxed));
}

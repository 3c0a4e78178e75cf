/*
 * A queue is made when a peer's first packet comes and stays while it is a peer: there are as many as peers are configured, and ourselves. Those
 * that hold something stand in line, and whoever takes one packet sends the queue to the line's end.
 *
 * The callback's thread: started with the first callback, it ends at shutdown. `run` is the number of the call that it is in, so
 * that who changes the callback can wait for just that one.
 */
#include "node/packets.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "node/stats.h"
#include "node/waitq.h"
#include "os/random.h"
#include "os/thread.h"
#include "session/idmap.h"

struct packet {
	struct packet *next;
	size_t bytes;
	uint8_t data[];
};

struct queue { /* of one peer */
	lattice_node_id node;
	struct packet *first, *last;
	uint32_t count;
	struct queue *prev, *next; /* in line */
	struct queue *all;
};

enum drop { DROP_OLDEST, DROP_NEWEST, DROP_MEMORY, DROP_CLEARED, DROP_REMOVED, DROP_CLOSED, DROPS };

struct lat_packets {
	pthread_mutex_t lock;
	struct lat_packets_config cfg;
	struct lat_idmap queues;
	struct queue *all, *line;
	struct lat_waitq arrived; /* receivers */
	pthread_cond_t work;      /* the callback's thread */
	pthread_cond_t called;    /* who waits for a call of the callback, or for its thread, to end */
	bool closed;

	lattice_net_recv_fn fn;
	void *fn_ctx;
	struct lat_thread thread;
	bool started, ended;
	uint64_t run, runs; /* 0: not in a call */

	uint64_t received, taken, dropped[DROPS];
};

static _Thread_local const struct lat_packets *calling;

const struct lat_packets *lat_packets_calling(void)
{
	return calling;
}

/* ---- queues: the lock is held ---- */

static struct packet *take(struct lat_packets *p, struct queue *q)
{
	struct packet *first = q->first;

	q->first = first->next;
	if (q->first == NULL)
		q->last = NULL;
	q->count--;
	DL_DELETE(p->line, q);
	if (q->count > 0)
		DL_APPEND(p->line, q);
	return first;
}

static void drop_first(struct lat_packets *p, struct queue *q, enum drop why)
{
	free(take(p, q));
	p->dropped[why]++;
}

static struct queue *queue_of(struct lat_packets *p, lattice_node_id node)
{
	struct queue *q = lat_idmap_get(&p->queues, node);

	if (q != NULL)
		return q;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	q->node = node;
	if (lat_idmap_put(&p->queues, node, q) < 0) {
		free(q);
		return NULL;
	}
	q->all = p->all;
	p->all = q;
	return q;
}

/* Makes room for one more by the rule. False: the new one is dropped. */
static bool make_room(struct lat_packets *p, struct queue *q)
{
	struct packet *oldest;

	if (q->count < p->cfg.max_queue)
		return true;
	if (p->cfg.overflow == LATTICE_DROP_NEWEST) {
		p->dropped[DROP_NEWEST]++;
		return false;
	}
	/* Its place in line stays: who sends much must not wait longer for it, or never come first. */
	oldest = q->first;
	q->first = oldest->next;
	if (q->first == NULL)
		q->last = NULL;
	q->count--;
	free(oldest);
	p->dropped[DROP_OLDEST]++;
	return true;
}

static void put(struct lat_packets *p, lattice_node_id node, const void *data, size_t bytes)
{
	struct queue *q;
	struct packet *packet;

	p->received++;
	if (p->closed) {
		p->dropped[DROP_CLOSED]++;
		return;
	}
	q = queue_of(p, node);
	packet = malloc(sizeof(*packet) + bytes);
	if (q == NULL || packet == NULL) {
		free(packet);
		p->dropped[DROP_MEMORY]++;
		return;
	}
	packet->next = NULL;
	packet->bytes = bytes;
	if (bytes > 0)
		memcpy(packet->data, data, bytes);
	if (q->count == 0)
		DL_APPEND(p->line, q);
	if (!make_room(p, q)) {
		free(packet);
		return;
	}
	if (q->last != NULL)
		q->last->next = packet;
	else
		q->first = packet;
	q->last = packet;
	q->count++;
	pthread_cond_signal(&p->work);
	lat_waitq_wake(&p->arrived);
}

void lat_packets_put(struct lat_packets *p, lattice_node_id node, const void *data, size_t bytes)
{
	pthread_mutex_lock(&p->lock);
	put(p, node, data, bytes);
	pthread_mutex_unlock(&p->lock);
}

void lat_packets_clear(struct lat_packets *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->line != NULL)
		drop_first(p, p->line, DROP_CLEARED);
	pthread_mutex_unlock(&p->lock);
}

void lat_packets_forget(struct lat_packets *p, lattice_node_id node)
{
	struct queue *q, **at = &p->all;

	pthread_mutex_lock(&p->lock);
	q = lat_idmap_get(&p->queues, node);
	if (q != NULL) {
		while (q->count > 0)
			drop_first(p, q, DROP_REMOVED);
		while (*at != q)
			at = &(*at)->all;
		*at = q->all;
		lat_idmap_del(&p->queues, node);
		free(q);
	}
	pthread_mutex_unlock(&p->lock);
}

/* ---- receiving ---- */

/* The lock is held. 0, -ENOMSG, -EMSGSIZE, -EBUSY, -ESHUTDOWN. */
static int try_recv(struct lat_packets *p, struct lattice_packet *packet, void *buf, size_t bytes)
{
	struct queue *q = p->line;
	struct packet *first;

	if (p->closed)
		return -ESHUTDOWN;
	if (p->fn != NULL)
		return -EBUSY;
	if (q == NULL)
		return -ENOMSG;
	if (q->first->bytes > bytes) {
		packet->len = q->first->bytes;
		return -EMSGSIZE;
	}
	first = take(p, q);
	p->taken++;
	if (first->bytes > 0)
		memcpy(buf, first->data, first->bytes);
	*packet = (struct lattice_packet){ .node = q->node, .data = buf, .len = first->bytes };
	free(first);
	return 0;
}

int lat_packets_recv(struct lat_packets *p, struct lattice_packet *packet, void *buf, size_t bytes,
		     uint64_t deadline_ns)
{
	int rc;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		int waited;

		rc = try_recv(p, packet, buf, bytes);
		if (rc != -ENOMSG || deadline_ns == 0)
			break;
		waited = lat_waitq_wait(&p->arrived, &p->lock, deadline_ns);
		if (waited == 0)
			continue;
		rc = try_recv(p, packet, buf, bytes); /* it may have come with the deadline */
		if (rc == -ENOMSG)
			rc = waited;
		break;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* ---- the callback ---- */

static void call(struct lat_packets *p)
{
	struct queue *q = p->line;
	lattice_net_recv_fn fn = p->fn;
	void *ctx = p->fn_ctx;
	struct packet *first = take(p, q);
	struct lattice_packet packet = { .node = q->node, .data = first->data, .len = first->bytes };

	p->taken++;
	p->run = ++p->runs;
	pthread_mutex_unlock(&p->lock);
	fn(ctx, &packet);
	free(first);
	pthread_mutex_lock(&p->lock);
	p->run = 0;
	pthread_cond_broadcast(&p->called);
}

static void run_calls(void *arg)
{
	struct lat_packets *p = arg;
	void (*ended)(void *ctx) = p->cfg.ended;
	void *ctx = p->cfg.ctx;

	calling = p;
	pthread_mutex_lock(&p->lock);
	while (!p->closed) {
		if (p->fn != NULL && p->line != NULL)
			call(p);
		else
			pthread_cond_wait(&p->work, &p->lock);
	}
	p->ended = true;
	pthread_cond_broadcast(&p->called);
	pthread_mutex_unlock(&p->lock);
	if (ended != NULL)
		ended(ctx); /* p may be gone now */
}

/* The lock is held. */
static int start_thread(struct lat_packets *p)
{
	int rc;

	if (p->started)
		return 0;
	if (p->cfg.start != NULL)
		p->cfg.start(p->cfg.ctx);
	rc = lat_thread_start(&p->thread, "lattice-recv", run_calls, p);
	p->started = rc == 0;
	return rc;
}

int lat_packets_callback(struct lat_packets *p, lattice_net_recv_fn fn, void *ctx)
{
	uint64_t run;
	bool tried;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	tried = fn != NULL && !p->started && !p->closed;
	if (p->closed)
		rc = -ESHUTDOWN;
	else if (fn != NULL)
		rc = start_thread(p);
	if (rc < 0) {
		pthread_mutex_unlock(&p->lock);
		if (tried && p->cfg.ended != NULL)
			p->cfg.ended(p->cfg.ctx);
		return rc;
	}
	p->fn = fn;
	p->fn_ctx = ctx;
	pthread_cond_signal(&p->work);
	lat_waitq_wake(&p->arrived); /* receivers: -EBUSY now */
	run = p->run;
	while (run != 0 && p->run == run && calling != p && !p->closed)
		pthread_cond_wait(&p->called, &p->lock);
	if (run != 0 && p->run == run && calling != p)
		rc = -ESHUTDOWN;
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* ---- life ---- */

int lat_packets_open(struct lat_packets **out, const struct lat_packets_config *cfg)
{
	struct lat_packets *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	uint64_t random;

	*out = NULL;
	if (p == NULL)
		return -ENOMEM;
	p->cfg = *cfg;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->work, &attr);
	pthread_cond_init(&p->called, &attr);
	pthread_condattr_destroy(&attr);
	lat_random(&random, sizeof(random));
	lat_idmap_init(&p->queues, random);
	*out = p;
	return 0;
}

void lat_packets_shutdown(struct lat_packets *p)
{
	pthread_mutex_lock(&p->lock);
	p->closed = true;
	while (p->line != NULL)
		drop_first(p, p->line, DROP_CLOSED);
	lat_waitq_wake(&p->arrived);
	pthread_cond_broadcast(&p->work);
	pthread_cond_broadcast(&p->called);
	pthread_mutex_unlock(&p->lock);
}

void lat_packets_join(struct lat_packets *p, uint64_t deadline_ns)
{
	struct timespec until = { .tv_sec = (time_t)(deadline_ns / LAT_NS_PER_S),
				  .tv_nsec = (long)(deadline_ns % LAT_NS_PER_S) };
	bool ended;

	pthread_mutex_lock(&p->lock);
	while (p->started && !p->ended && pthread_cond_timedwait(&p->called, &p->lock, &until) == 0)
		;
	ended = p->ended;
	pthread_mutex_unlock(&p->lock);
	if (ended)
		lat_thread_join(&p->thread);
	else
		lat_thread_detach(&p->thread);
}

void lat_packets_leave(struct lat_packets *p)
{
	lat_thread_detach(&p->thread);
	calling = NULL;
}

void lat_packets_close(struct lat_packets *p)
{
	struct queue *next;

	if (p == NULL)
		return;
	while (p->line != NULL)
		drop_first(p, p->line, DROP_CLOSED);
	for (struct queue *q = p->all; q != NULL; q = next) {
		next = q->all;
		free(q);
	}
	lat_idmap_fini(&p->queues);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->called);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void lat_packets_stats(struct lat_packets *p, struct lat_stats *s)
{
	static const struct {
		const char *name, *text;
	} drops[DROPS] = {
		[DROP_OLDEST] = { "packets.dropped_oldest",
				  "packets dropped from a full queue for a newer one" },
		[DROP_NEWEST] = { "packets.dropped_newest", "packets dropped that came to a full queue" },
		[DROP_MEMORY] = { "packets.dropped_memory", "packets dropped for want of memory" },
		[DROP_CLEARED] = { "packets.dropped_reset", "packets dropped from the queues by a reset" },
		[DROP_REMOVED] = { "packets.dropped_removed",
				   "packets dropped because their peer was removed" },
		[DROP_CLOSED] = { "packets.dropped_closed", "packets dropped because the node was closing" },
	};

	pthread_mutex_lock(&p->lock);
	lat_stats_put(s, "packets.received", "packets that came from peers and from this node itself",
		      p->received);
	lat_stats_put(s, "packets.taken", "packets handed to a receiver or to the callback", p->taken);
	for (int i = 0; i < DROPS; i++)
		lat_stats_put(s, drops[i].name, drops[i].text, p->dropped[i]);
	pthread_mutex_unlock(&p->lock);
}

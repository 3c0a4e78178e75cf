/* The process's default node: one at a time, from opening to the last reference. */
#include "node/default.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lattice/state.h>

#include "node/explain.h"
#include "node/node.h"
#include "node/packets.h"
#include "node/routes.h"
#include "os/clock.h"
#include "os/fork.h"

enum {
	MAX_QUEUE_MAX = 1 << 20,
	LOCAL_MSG_MAX = 256, /* of a node that has no network: only messages of 64 bytes are sent there */
	DIR_ROOM = 4096,
};

static const int64_t callback_ns = 2 * LAT_NS_PER_S; /* how long shutdown waits for a callback to return */
static const int64_t closing_ns = 6 * LAT_NS_PER_S;  /* and others for the shutdown */

enum phase { NONE, OPENING, OPEN, CLOSING, CLOSED };

static struct {
	pthread_once_t once;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* the phase */
	enum phase phase;
	struct lat_default *at; /* OPEN, CLOSING */
	_Atomic(uint64_t)
		owner; /* OPENING to CLOSING: the process that does it, as it is numbered below; else 0 */
} process = { .once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER };

static void init_changed(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&process.changed, &attr);
	pthread_condattr_destroy(&attr);
}

/* Somebody who is not in the child may have held the lock, or waited. */
static void in_child(void)
{
	pthread_mutex_init(&process.lock, NULL);
	init_changed();
}

static void init_process(void)
{
	init_changed();
	(void)pthread_atfork(NULL, NULL, in_child);
}

static uint64_t this_process(void)
{
	return UINT64_C(1) + lat_fork_generation();
}

/* The parent has a default node, opens one, or closes it. */
static bool is_forked(void)
{
	uint64_t owner = atomic_load_explicit(&process.owner, memory_order_relaxed);

	return owner != 0 && owner != this_process();
}

static int forked_why(void)
{
	return lat_why(
		NULL, -EPERM,
		"the default node is the parent process's: a child made by fork uses none, or runs another program first");
}

/* The lock is held. Waits for another phase than this. False: it takes too long. */
static bool wait_while(enum phase phase)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), closing_ns);
	struct timespec until = { .tv_sec = (time_t)(deadline / LAT_NS_PER_S),
				  .tv_nsec = (long)(deadline % LAT_NS_PER_S) };

	while (process.phase == phase)
		if (pthread_cond_timedwait(&process.changed, &process.lock, &until) != 0)
			return process.phase != phase;
	return true;
}

/* The lock is held. */
static void set_phase(enum phase phase, struct lat_default *at)
{
	process.phase = phase;
	process.at = at;
	pthread_cond_broadcast(&process.changed);
}

/* ---- references ---- */

static void free_default(struct lat_default *d)
{
	lat_routes_close(d->routes);
	if (d->node != NULL)
		lat_node_put(d->node);
	lat_packets_close(d->packets);
	free(d->state_dir);
	free(d);
}

static void put(struct lat_default *d, uint32_t count)
{
	if (atomic_fetch_sub_explicit(&d->refs, count, memory_order_acq_rel) == count)
		free_default(d);
}

void lat_default_put(struct lat_default *d)
{
	put(d, 1);
}

static void hold(void *ctx)
{
	struct lat_default *d = ctx;

	(void)atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
}

/* ---- closing ---- */

/*
 * The phase is CLOSING, and the caller the one who does it: the reference of being open is his to give up.
 * @in_callback: on the callback's thread, which is at its end.
 */
static void close_now(struct lat_default *d, bool in_callback)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), callback_ns);

	if (d->packets != NULL)
		lat_packets_shutdown(d->packets);
	lattice_node_close(d->node); /* ours is another reference */
	if (d->packets != NULL && in_callback)
		lat_packets_leave(d->packets);
	else if (d->packets != NULL)
		lat_packets_join(d->packets, deadline);
	pthread_mutex_lock(&process.lock);
	set_phase(CLOSED, NULL);
	atomic_store_explicit(&process.owner, 0, memory_order_relaxed);
	pthread_mutex_unlock(&process.lock);
}

/* The callback's thread ends. */
static void callback_ended(void *ctx)
{
	struct lat_default *d = ctx;
	bool mine;

	pthread_mutex_lock(&process.lock);
	mine = d->deferred;
	d->deferred = false;
	pthread_mutex_unlock(&process.lock);
	if (mine)
		close_now(d, true);
	put(d, mine ? 2 : 1); /* the thread's own, too */
}

void lat_default_shutdown(void)
{
	const struct lat_packets *calling = lat_packets_calling();
	struct lat_default *d = NULL;
	bool defer = false;

	if (is_forked())
		return;
	(void)pthread_once(&process.once, init_process);
	pthread_mutex_lock(&process.lock);
	if (process.phase == OPENING && calling == NULL)
		(void)wait_while(OPENING);
	if (process.phase == OPEN && (calling == NULL || calling == process.at->packets)) {
		d = process.at;
		defer = calling != NULL;
		d->deferred = defer;
		set_phase(CLOSING, d);
		if (defer)
			hold(d);
	} else if (process.phase == CLOSING && calling == NULL && process.at->deferred) {
		d = process.at; /* the callback has not returned yet: it need not be waited for */
		d->deferred = false;
	} else if (process.phase == CLOSING && calling == NULL) {
		(void)wait_while(CLOSING);
	}
	pthread_mutex_unlock(&process.lock);
	if (d == NULL)
		return;
	if (defer)
		lat_packets_shutdown(d->packets); /* the thread ends after this call of the callback */
	else
		close_now(d, false);
	lat_default_put(d);
}

/* ---- opening ---- */

static int open_packets(struct lat_default *d, const struct lattice_net_config *cfg)
{
	struct lat_packets_config pc = {
		.max_queue = cfg->max_queue != 0 ? cfg->max_queue : LATTICE_MAX_QUEUE_DEFAULT,
		.overflow = cfg->overflow,
		.start = hold,
		.ended = callback_ended,
		.ctx = d,
	};

	if (cfg->overflow != LATTICE_DROP_OLDEST && cfg->overflow != LATTICE_DROP_NEWEST)
		return lat_why(NULL, -EINVAL, "overflow is %d, not of enum lattice_overflow",
			       (int)cfg->overflow);
	if (pc.max_queue > MAX_QUEUE_MAX)
		return lat_why(NULL, -EINVAL, "max_queue %u is over %d", pc.max_queue, MAX_QUEUE_MAX);
	return lat_packets_open(&d->packets, &pc);
}

static int open_network(struct lat_default *d, const struct lattice_net_config *cfg,
			struct lattice_node_config *nc)
{
	char dir[DIR_ROOM];
	int rc;

	*nc = (struct lattice_node_config){
		.host = LATTICE_HOST_SELF,
		.node_id = cfg->node_id,
		.port = cfg->port,
		.bind_host = cfg->bind_host,
		.allow_unlocked_keys = cfg->allow_unlocked_keys,
	};
	if (cfg->state_dir == NULL) {
		rc = lattice_state_dir(dir, sizeof(dir));
		if (rc < 0)
			return rc;
	}
	d->state_dir = strdup(cfg->state_dir == NULL ? dir : cfg->state_dir);
	if (d->state_dir == NULL)
		return -ENOMEM;
	nc->state_dir = d->state_dir;
	return open_packets(d, cfg);
}

/* @cfg NULL: without the network. */
static int make(struct lat_default **out, const struct lattice_net_config *cfg)
{
	struct lattice_node_config nc = { .host = LATTICE_HOST_AUTO, .max_msg_bytes = LOCAL_MSG_MAX };
	struct lat_default *d = calloc(1, sizeof(*d));
	int rc = 0;

	if (d == NULL)
		return -ENOMEM;
	atomic_init(&d->refs, 1);
	if (cfg != NULL)
		rc = open_network(d, cfg, &nc);
	if (rc == 0)
		rc = lat_node_open(&d->node, &nc, d->packets);
	if (rc < 0)
		goto fail;
	rc = lat_routes_open(&d->routes, d->node);
	if (rc < 0) {
		struct lattice_node *node = d->node;

		d->node = NULL;
		lattice_node_close(node);
		goto fail;
	}
	(void)lat_node_get(d->node); /* close takes the other one */
	*out = d;
	return 0;
fail:
	lat_default_put(d);
	return rc;
}

/* The lock is held, and released meanwhile; the phase is NONE or CLOSED. */
static int open_now(const struct lattice_net_config *cfg)
{
	enum phase before = process.phase;
	struct lat_default *d = NULL;
	int rc = lat_fork_watch();

	if (rc < 0)
		return rc;
	set_phase(OPENING, NULL);
	atomic_store_explicit(&process.owner, this_process(), memory_order_relaxed);
	pthread_mutex_unlock(&process.lock);
	rc = make(&d, cfg);
	pthread_mutex_lock(&process.lock);
	if (rc < 0)
		atomic_store_explicit(&process.owner, 0, memory_order_relaxed);
	set_phase(rc == 0 ? OPEN : before, d);
	return rc;
}

/* The lock is held: why it cannot be opened now. */
static int busy_why(void)
{
	if (process.phase == CLOSING)
		return lat_why(NULL, -EBUSY, "the default node is still being closed");
	if (process.at != NULL && process.at->packets == NULL)
		return lat_why(
			NULL, -EBUSY,
			"the default node is open without the network: call lattice_net_init() before the first call of "
			"<lattice/ipc.h>, or lattice_net_shutdown() between them");
	return lat_why(NULL, -EBUSY, "the default node is open already: lattice_net_shutdown() closes it");
}

int lat_default_open(const struct lattice_net_config *cfg)
{
	int rc;

	if (is_forked())
		return forked_why();
	if (lat_packets_calling() != NULL)
		return lat_why(NULL, -EBUSY,
			       "a receive callback cannot open the default node: it returns first");
	(void)pthread_once(&process.once, init_process);
	pthread_mutex_lock(&process.lock);
	while ((process.phase == OPENING || process.phase == CLOSING) && wait_while(process.phase))
		;
	rc = process.phase == NONE || process.phase == CLOSED ? open_now(cfg) : busy_why();
	pthread_mutex_unlock(&process.lock);
	return rc;
}

/* The lock is held. */
static int get_locked(struct lat_default **out, enum lat_default_need need)
{
	const struct lat_packets *calling = lat_packets_calling();
	int rc = 0;

	while (process.phase == OPENING && wait_while(OPENING))
		;
	if (process.phase == NONE && need == LAT_DEFAULT_MAKE)
		rc = open_now(NULL);
	if (rc < 0)
		return rc;
	if (process.phase == NONE)
		return lat_why(NULL, -ENOTCONN,
			       need == LAT_DEFAULT_NETWORK
				       ? "the default node is not open: lattice_net_init() opens it"
				       : "nobody has listened or connected yet");
	/* A callback that outlived its node must not find the next one. */
	if (process.phase != OPEN || (calling != NULL && calling != process.at->packets))
		return lat_why(NULL, -ESHUTDOWN, "the default node was closed");
	if (need == LAT_DEFAULT_NETWORK && process.at->packets == NULL)
		return lat_why(
			NULL, -ENOTCONN,
			"the default node was opened without the network: call lattice_net_init() before the first call of "
			"<lattice/ipc.h>");
	*out = process.at;
	hold(*out);
	return 0;
}

int lat_default_get(struct lat_default **out, enum lat_default_need need)
{
	int rc;

	*out = NULL;
	lat_why_forget(); /* a sentence about another call's error is not about this one's */
	if (is_forked())
		return forked_why();
	(void)pthread_once(&process.once, init_process);
	pthread_mutex_lock(&process.lock);
	rc = get_locked(out, need);
	pthread_mutex_unlock(&process.lock);
	return rc;
}

/* What relay.c, relay_out.c and relay_in.c share. */
#ifndef LAT_NODE_RELAY_IMPL_H
#define LAT_NODE_RELAY_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/relay.h"
#include "session/engine.h"
#include "os/thread.h"

struct lat_lane;
struct lat_network;
struct lat_outbound;
struct lat_relay_ask;
struct lat_relay_ear;

struct lat_relay {
	struct lat_relays *rs;
	void (*turn)(struct lat_relay *r);    /* something of it changed; the thread */
	void (*stop)(struct lat_relay *r);    /* the node closes: it is to be over after this; the same */
	void (*release)(struct lat_relay *r); /* out of all tables */
	bool over;                            /* the thread's: to be released after the turn */

	/* The lock's. */
	struct lat_relay *next, **at; /* all */
	struct lat_relay *todo;       /* those whose turn comes */
	bool queued;
};

struct lat_relays {
	struct lattice_node *node;
	int watch, poke;
	struct lat_thread thread;
	atomic_bool stopping;
	struct lat_relay_ear *ears, *deaf; /* the thread's; deaf: an event of this turn may name it */
	bool meeting;                      /* the thread's: somebody is being introduced to a member */

	pthread_mutex_t lock;
	struct lat_relay *all, *first, **last;
	uint32_t count;
	bool closed;
	_Atomic(uint64_t) outs, ins, passed_out, passed_in, full_out, full_in, refused;
};

/* Into the table. 0, -ENOBUFS, -ESHUTDOWN. The lock is held. */
LAT_MUST_CHECK int lat_relay_enter_locked(struct lat_relays *rs, struct lat_relay *r);
/* Its turn comes. Any thread, whatever locks it holds. */
void lat_relay_queue(struct lat_relay *r);
void lat_relay_queue_locked(struct lat_relay *r);
void lat_relay_queue_all(struct lat_relays *rs);

/* ---- relay_ear.c: the thread, but for full ---- */

/* The ear of the lane's link. 0, -ENOMEM, -ENOSPC. */
LAT_MUST_CHECK int lat_relay_ear_get(struct lat_relay_ear **out, struct lat_relays *rs,
				     struct lat_lane *lane);
/* NULL is fine. */
void lat_relay_ear_put(struct lat_relay_ear *ear);
/* After the turn. */
void lat_relay_ears_bury(struct lat_relays *rs);
/* One more lane is full, before it is tried once more; or one less. The network's lock is held. */
void lat_relay_ear_full(struct lat_relay_ear *ear, bool is);

/* ---- relay_asks.c: a member's calls to another node that are not over. The network's lock's, but for the thread's ---- */

struct lat_relay_asks { /* all zero but for the first three: none */
	struct lat_network *net;
	struct lat_outbound *o;
	struct lat_inbox *inbox;
	struct lat_relay_ask *first;
};
/*
 * Passes on call @token of the inbox's, and gives up those that nobody waits for any more. 0, also when its caller was told why not;
 * -EAGAIN: no room; -ESHUTDOWN. The thread.
 */
LAT_MUST_CHECK int lat_relay_ask_pass(struct lat_relay_asks *as, uint64_t token,
				      const struct lat_engine_msg *request);
/* Gives up all; nobody is told. No lock is held. */
void lat_relay_asks_end(struct lat_relay_asks *as);

static inline void lat_relay_count(_Atomic(uint64_t) *counter, uint64_t add)
{
	(void)atomic_fetch_add_explicit(counter, add, memory_order_relaxed);
}

#endif

/*
 * The network side of a node: the protocol machine (session/engine.h) and the driver (net/driver.h) under one lock, which makes
 * calls on the machine one at a time. The machine's clock, random bytes, key memory and packets come from here.
 *
 * Locks: network before node (its pid table) before an inbox; the driver's own lock is innermost. The driver calls without a lock.
 */
#ifndef LAT_NODE_NETWORK_H
#define LAT_NODE_NETWORK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lattice/node.h>

#include "base/util.h"
#include "node/waitq.h"
#include "session/engine.h"

struct lat_arena;
struct lat_driver;
struct lat_inbound;
struct lat_outbound;
struct lat_ping;
struct lat_state;
struct lat_stats;
struct lattice_node;

struct lat_network {
	pthread_mutex_t lock;
	struct lattice_node *node;
	struct lat_arena *arena;
	struct lat_state *state;
	uint8_t *seed;                 /* in the arena */
	struct lat_engine *engine;     /* NULL once closed */
	struct lat_driver *driver;     /* NULL once closed */
	struct lat_waitq changed;      /* a peer's state, an answered ping */
	struct lat_ping *pings;        /* waiting */
	struct lat_outbound *outbound; /* all of them */
	struct lat_inbound *inbound;   /* all of them */
	uint64_t ping_token;
	unsigned turning; /* callers in lat_network_turn() */
	bool no_thread;
	bool closing;
	atomic_bool starved; /* the machine holds a message for a full inbox (inbound.c) */
};

/* Everything that lattice_node_open() says of LATTICE_HOST_SELF. *id: the node's number, 0 in: kept or derived. */
int lat_network_open(struct lat_network **out, struct lattice_node *node,
		     const struct lattice_node_config *cfg, lattice_node_id *id) LAT_MUST_CHECK;
/* Waits for what was accepted (bounded), says goodbye, stops the thread, ends every channel. Calls then return -ESHUTDOWN. */
void lat_network_shutdown(struct lat_network *net);
/* Frees. Nobody may use it any more. NULL is fine. */
void lat_network_free(struct lat_network *net);

/*
 * Between these two the caller owns the machine. begin: 0, or -ESHUTDOWN with the lock released. *now: the machine's time.
 * end runs what is due and tells the driver when it wants to be called.
 */
int lat_network_begin(struct lat_network *net, uint64_t *now) LAT_MUST_CHECK;
void lat_network_end(struct lat_network *net);
/* Sleeps on @q inside begin and end. 0 (look again), -ETIMEDOUT, -ESHUTDOWN, -EMFILE...; still inside in every case. */
int lat_network_wait(struct lat_network *net, struct lat_waitq *q, uint64_t deadline_ns) LAT_MUST_CHECK;

/*
 * no_thread only, without the lock: waits until the driver has something to do, @fd (-1: none) is readable or @deadline_ns of
 * CLOCK_MONOTONIC has come, and does it. 0 (look again), -ETIMEDOUT, -ESHUTDOWN.
 */
int lat_network_turn(struct lat_network *net, int fd, uint64_t deadline_ns) LAT_MUST_CHECK;
/* The machine's time. */
uint64_t lat_network_now(void);

int lat_network_set_remote(struct lat_network *net, lattice_node_id peer, const char *endpoint,
			   enum lattice_proto proto);
int lat_network_connect(struct lat_network *net, lattice_node_id peer, int64_t timeout_ns);
int lat_network_ping(struct lat_network *net, lattice_node_id peer, uint64_t *rtt_ns, int64_t timeout_ns);
int lat_network_peer(struct lat_network *net, lattice_node_id peer, struct lattice_peer_stats *out);
void lat_network_stats(struct lat_network *net, struct lat_stats *s);
/* The bound port; 0 once closed. */
uint16_t lat_network_port(struct lat_network *net);

#endif

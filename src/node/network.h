/*
 * The network side of a node: the protocol machine (session/engine.h) and the driver (net/driver.h) under one lock, which makes
 * calls on the machine one at a time. The machine's clock, random bytes, key memory and packets come from here.
 *
 * Locks: network before node (its pid table) before an inbox; the driver's own lock is innermost. The driver calls without a lock.
 *
 * Life: until lat_network_shutdown() the machine runs; after it every call returns -ESHUTDOWN. The driver, though deaf, stays
 * until lat_network_free(), so that who waits for its descriptor waits for one that exists.
 */
#ifndef LAT_NODE_NETWORK_H
#define LAT_NODE_NETWORK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lattice/node.h>
#include <lattice/state.h>

#include "base/util.h"
#include "fastpath/spin.h"
#include "fastpath/tiers.h"
#include "node/waitq.h"
#include "session/engine.h"

struct lat_arena;
struct lat_driver;
struct lat_inbound;
struct lat_issuer;
struct lat_netsend;
struct lat_outbound;
struct lat_ping;
struct lat_question;
struct lat_state;
struct lat_statsock;
struct lat_stats;
struct lattice_node;
struct lattice_peer;

/*
 * What the node keeps about a peer whose key it knows; the machine has the rest. Guarded by the network's lock. When the peer is
 * removed it stays for as long as a ring of a channel from it does.
 */
struct lat_neighbour {
	struct lat_network *net;
	_Atomic(uint32_t) refs; /* the table's, and one of each ring */
	lattice_node_id node;
	struct lat_path call;            /* where it is called; proto 0: nowhere */
	_Atomic(uint64_t) inbound_bytes; /* of channels from it (inbound.c) */
};

/* What decides on capabilities that other nodes show, and is told of their end. */
struct lat_network_rights {
	struct lat_issuer *issuer;
	const _Atomic(uint32_t) *lives; /* its table's words */
	/* A sender on @node knows that @life has ended. The network's lock is held. NULL: nobody wants to know. */
	void (*told)(void *ctx, lattice_node_id node, struct lat_cap_ref life);
	void *ctx;
};

struct lat_network {
	pthread_mutex_t lock;
	struct lattice_node *node;
	struct lat_arena *arena;
	struct lat_state *state;
	struct lat_kem_key *key;   /* in the arena */
	struct lat_engine *engine; /* NULL once closed */
	struct lat_driver *driver;
	uint64_t ran_ns;                   /* when the engine last ran */
	size_t held_bytes;                 /* accepted since, waiting for more */
	uint64_t looked_ns;                /* at the clock, for one that may be held */
	unsigned int unlooked;             /* those since */
	struct lat_spin spin;              /* of who runs the network himself */
	struct lat_waitq changed;          /* a peer's state, an answered ping, acknowledgements */
	struct lat_neighbour **neighbours; /* in order of numbers */
	size_t neighbour_count, neighbour_room;
	struct lat_ping *pings; /* waiting */
	uint64_t last_ping;
	struct lat_question *questions; /* for services of other nodes (names.h), waiting */
	uint32_t last_question;
	struct lat_outbound *outbound;        /* all of them */
	struct lat_inbound *inbound;          /* all of them */
	struct lat_inbound *starving;         /* of them, those for which the machine holds a message */
	struct lat_tiers_sizes inbound_sizes; /* of each channel from another node */
	uint64_t refused;                     /* channels, for LAT_INBOUND_*_BYTES */
	struct lat_statsock *window;          /* NULL: none */
	struct lat_waitq room;       /* something came or went: who wants to send a packet looks again */
	struct lat_netsend *sending; /* those */
	struct lat_engine_ops ops;   /* what the machine calls */
	struct lat_network_rights rights;
	int keylog;       /* -1: none */
	int64_t drain_ns; /* how long shutdown waits for acknowledgements */
	bool no_thread;
	bool closing;
	bool acks_wanted;    /* somebody wants to hear of acknowledgements (lat_outbound_look()) */
	atomic_bool starved; /* one is starving (inbound.c) */
	_Atomic(uint64_t) inbound_bytes; /* of all neighbours */
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
/* As begin, to send one that may be held: of several in a row one looks at the clock, which costs as much as the lock. */
int lat_network_begin_held(struct lat_network *net, uint64_t *now) LAT_MUST_CHECK;
/*
 * The same, after a message of @bytes was accepted behind others that are on their way: it may wait for more, so that they share a
 * packet, 20 to 50 us from when something was last sent, or until there are some packets' worth of them.
 */
void lat_network_end_held(struct lat_network *net, uint64_t now, size_t bytes);
/*
 * Sleeps on @q inside begin and end. 0 (look again), -ETIMEDOUT, -ESHUTDOWN (the network is closed, or the calling task's
 * scheduler is stopped), -EMFILE, -ENFILE, -ENOMEM; still inside in every case.
 */
int lat_network_wait(struct lat_network *net, struct lat_waitq *q, uint64_t deadline_ns) LAT_MUST_CHECK;

/*
 * no_thread only, without the lock: waits until the driver has something to do, @fd (-1: none) is readable or @deadline_ns of
 * CLOCK_MONOTONIC has come, and does it. 0 (look again) or as lat_network_wait().
 */
int lat_network_turn(struct lat_network *net, int fd, uint64_t deadline_ns) LAT_MUST_CHECK;
/* The machine's time. */
uint64_t lat_network_now(void);

void lat_network_stats(struct lat_network *net, struct lat_stats *s);
/* The bound port; stays when it is closed. */
uint16_t lat_network_port(const struct lat_network *net);
/*
 * Says goodbye to every peer, waits until they have heard it (a second at most), forgets their connections. Addresses stay. 0,
 * -ESHUTDOWN.
 */
int lat_network_reset(struct lat_network *net);

/* Reads the node's policy file, and has it decide from now on. As lat_judge_read(), and -ESHUTDOWN; then what decided goes on. */
LAT_MUST_CHECK int lat_network_rule(struct lat_network *net);

/* ---- rights.c ---- */

/* From now on. Without it this node has given no capability. All of it outlives the network. */
void lat_network_set_rights(struct lat_network *net, const struct lat_network_rights *rights);
/*
 * Lives have ended: what other nodes opened by them is over when this returns, and they are told. No lock is held. How many channels
 * those were.
 */
uint32_t lat_network_revoked(struct lat_network *net);

/* ---- peers.c ---- */

/* Makes the table of neighbours and tells the machine of them. As lattice_node_open(). */
int lat_network_peers_open(struct lat_network *net) LAT_MUST_CHECK;
void lat_network_peers_free(struct lat_network *net);
/* As lattice_node_add_peer(), with the sentence for the handle NULL. */
int lat_network_add_peer(struct lat_network *net, const struct lattice_peer *peer);
/* As lattice_node_remove_peer(), without the sentence. */
int lat_network_remove_peer(struct lat_network *net, lattice_node_id node);
/* NULL: no such peer. It is there while the lock is held. */
struct lat_neighbour *lat_network_neighbour(const struct lat_network *net, lattice_node_id node);
/* A ring's reference. put: any thread, whatever locks it holds. */
void lat_neighbour_get(struct lat_neighbour *n);
void lat_neighbour_put(struct lat_neighbour *n);
/* The known peer with the smallest number above @after. false: there is none, or the node is closed. */
struct lat_network_peer {
	struct lattice_peer_stats stats;
	char name[LATTICE_NAME_MAX + 1], endpoint[LATTICE_ENDPOINT_MAX + 1]; /* as configured */
	bool has_key;
};
bool lat_network_next_peer(struct lat_network *net, lattice_node_id after, struct lat_network_peer *out);
/* The sentence for @handle that belongs to -ENOKEY, which is returned. No lock is held. */
int lat_network_key_why(struct lat_network *net, const void *handle, lattice_node_id node);
/* " at udp 192.0.2.1:15000", for sentences; "" when no address is known. Whether there is a session. No lock is held. */
bool lat_network_where(struct lat_network *net, lattice_node_id node, char *out, size_t bytes);
/* What a caller is told for the reason why a peer is down: of all there are, those that the public headers name. */
int lat_network_reason(int err);
/* What the machine calls (struct lat_engine_ops), ctx being the network. */
void lat_network_on_pong(void *ctx, uint32_t node, uint64_t token, const struct lat_round_trip *trip);

int lat_network_set_remote(struct lat_network *net, lattice_node_id peer, const char *endpoint,
			   enum lattice_proto proto);
/* Inside begin and end: waits until there is a session. As lat_network_connect(). */
int lat_network_wait_up(struct lat_network *net, lattice_node_id peer, uint64_t deadline_ns) LAT_MUST_CHECK;
int lat_network_connect(struct lat_network *net, lattice_node_id peer, int64_t timeout_ns);
int lat_network_ping(struct lat_network *net, lattice_node_id peer, struct lattice_round_trip *out,
		     int64_t timeout_ns);
int lat_network_peer(struct lat_network *net, lattice_node_id peer, struct lattice_peer_stats *out);

/* ---- netsend.c ---- */

/*
 * Sends one packet (a NET frame) to another node, waiting for the session, the connection and room. @deadline_ns of CLOCK_MONOTONIC.
 * As lattice_net_send(), without the sentence; -ETIMEDOUT.
 */
int lat_network_net_send(struct lat_network *net, lattice_node_id node, const void *data, size_t bytes,
			 uint64_t deadline_ns) LAT_MUST_CHECK;
/* A connection of @node's failed: those that wait to send to it hear of it. The network's lock is held. */
void lat_netsend_failed(struct lat_network *net, uint32_t node, int err);

#endif

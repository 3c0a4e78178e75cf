/*
 * Relays: how the members of this machine's node reach other nodes, and other nodes their pids, through the process that hosts with a
 * network.
 *
 *   member                        that process                              other node
 *   channel to it (far.h)  lane   relay_out: an inbox, then an outbound  -> its engine
 *   endpoint         <-    lane   relay_in: an inbound, then a lane     <-  its engine
 *
 * One thread has all of a node's, and waits for none: where there is no room (the other node gives no credit, the member does not
 * read) it stops taking from that channel until it is told that there is, so what waits is held by whoever sends. What the
 * other node has received is what the member's end is told (CHAN_FAR, CHAN_GONE).
 *
 * Locks: the relays' is innermost but for a post's and the driver's. The network's is never taken under the links'.
 */
#ifndef LAT_NODE_RELAY_H
#define LAT_NODE_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "node/note.h"

struct lat_delivery;
struct lat_inbound;
struct lat_inbox;
struct lat_pair;
struct lat_relay_in;
struct lat_relay_out;
struct lat_relays;
struct lat_stats;
struct lattice_node;

enum { LAT_RELAYS_MAX = 4096 }; /* of a node, both ways */
/* What channels of one member's to other nodes may hold in queues here, counted in full when one opens. Over it: -ENOBUFS. */
#define LAT_RELAY_MEMBER_BYTES (UINT64_C(512) << 20)

/* @node has a network, and its attach is not open yet. 0, -ENOMEM, -EMFILE, -ENFILE, -EAGAIN (no thread to be had). */
LAT_MUST_CHECK int lat_relays_open(struct lat_relays **out, struct lattice_node *node);
/* Ends all: members are told that who ran the network is gone. The network is shut down, the attach is not. NULL is fine. */
void lat_relays_shutdown(struct lat_relays *rs);
/* The links are closed. NULL is fine. */
void lat_relays_close(struct lat_relays *rs);
void lat_relays_stats(struct lat_relays *rs, struct lat_stats *s);

/* ---- out: a member's channel to another node ---- */

/*
 * CHAN_OPEN of @p to n->node, by the right that it shows if it does: that is this channel's alone. The caller has a reference. 0,
 * -ENETUNREACH (no network; @rs is NULL or shut down), -ENOKEY, -EDESTADDRREQ, -EACCES (the right is none), -ENOBUFS, -ENOMEM,
 * -EINVAL (flags), -EMFILE, -ENFILE.
 */
LAT_MUST_CHECK int lat_relay_out_open(struct lat_relay_out **out, struct lat_relays *rs, struct lat_pair *p,
				      const struct lat_note *n);
struct lat_inbox *lat_relay_inbox(const struct lat_relay_out *r);
/* Where it leads. */
uint32_t lat_relay_node(const struct lat_relay_out *r);
/* The member was told that it is open; NULL is fine. */
void lat_relay_start(struct lat_relay_out *r);
/* The member's end asks for an answer as soon as more than @known was received there. Whatever locks are held. */
void lat_relay_ask(struct lat_relay_out *r, uint64_t known);
/* GONE is about to be told: its reason and number. */
void lat_relay_verdict(struct lat_relay_out *r, struct lat_note *n);
/* Nothing comes any more; gives the reference back. NULL is fine. */
void lat_relay_left(struct lat_relay_out *r);

/* ---- in: a channel from another node to a member's pid. The network's lock is held ---- */

struct lat_relay_in_config {
	struct lat_inbound *in;
	int32_t src, dst;
	uint32_t origin;
	struct lat_cap_ref
		life; /* of the right that it was opened by, of this node's issuer; {0, 0}: it needs none */
	uint32_t badge, rate;      /* what goes with it */
	void (*freed)(void *user); /* it holds no memory any more; any thread, whatever locks it holds */
	void *user;
};
/* 0, -ECONNREFUSED (no member receives as dst), -ENOBUFS (LAT_RELAYS_MAX), -ENOMEM. */
LAT_MUST_CHECK int lat_relay_in_open(struct lat_relay_in **out, struct lat_relays *rs,
				     const struct lat_relay_in_config *cfg);
/* 0, -EAGAIN: the member has no room, or is not there yet; lat_inbound_drain() follows, or lat_inbound_refuse(). */
LAT_MUST_CHECK int lat_relay_in_deliver(struct lat_relay_in *r, const struct lat_delivery *msg);
/*
 * Its right has ended: how many of its messages the member has received, as far as it has said. One that it is just receiving may not be
 * among them.
 */
uint64_t lat_relay_in_received(const struct lat_relay_in *r);
/* The other node sends no more: what was delivered is received, then it frees itself. */
void lat_relay_in_end(struct lat_relay_in *r);

#endif

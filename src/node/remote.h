/*
 * Channels to and from other nodes: what the protocol machine's channel handles are to this node. Outbound: what a
 * lattice_channel sends on. Inbound: a feeder of an endpoint's inbox.
 */
#ifndef LAT_NODE_REMOTE_H
#define LAT_NODE_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include <lattice/channel.h>

#include "base/util.h"
#include "session/engine.h"

struct lat_call;
struct lat_inbound;
struct lat_network;
struct lat_outbound;
struct lat_stats;
struct lat_tiers_sizes;
struct lattice_endpoint;

/* ---- outbound ---- */

enum { LAT_OUTBOUND_FLAGS = LATTICE_CHANNEL_LOSSY | LATTICE_CHANNEL_TOKEN_FULL };
/* The machine's word for them. */
uint16_t lat_outbound_cflags(uint32_t flags);
/* @right: by which it is opened, copied; NULL: as who this node is. */
int lat_outbound_open(struct lat_outbound **out, struct lat_network *net, int32_t src, int32_t dst,
		      uint32_t node, uint16_t cflags, const struct lat_cap_right *right) LAT_MUST_CHECK;
/* As lattice_channel_send() and lattice_channel_flush(), without the sentence; deadlines as in lat_chan_send(). */
int lat_outbound_send(struct lat_outbound *o, int32_t type, const void *data, size_t bytes,
		      uint64_t deadline_ns) LAT_MUST_CHECK;
/* With @right, which goes with the message; -EINVAL: not without TOKEN_FULL. */
int lat_outbound_send_cap(struct lat_outbound *o, int32_t type, const void *data, size_t bytes,
			  const struct lat_cap_right *right, uint64_t deadline_ns) LAT_MUST_CHECK;
int lat_outbound_flush(struct lat_outbound *o, uint64_t deadline_ns) LAT_MUST_CHECK;
/* As lattice_channel_call(), without the sentence. Of a reply that is too long, call->reply_len is over call->cap. */
int lat_outbound_ask(struct lat_outbound *o, struct lat_call *call, uint64_t deadline_ns) LAT_MUST_CHECK;
/*
 * For who waits for nothing (relay.h). over is told, once, unless it was given up: with the reply, or @rc says why there is none. Under the
 * network's lock; what it points to is the caller's again.
 */
struct lat_outbound_asked {
	void (*over)(struct lat_outbound_asked *a, int rc, const struct lat_delivery *reply);
	struct lat_outbound *o;
	struct lat_outbound_asked *next;
	uint64_t id;
};
/* As lat_outbound_ask(), and -EAGAIN. @a, zeroed but for over, is kept. Inside begin and end. */
int lat_outbound_ask_begin(struct lat_outbound *o, uint64_t now, const struct lat_engine_msg *request,
			   struct lat_outbound_asked *a) LAT_MUST_CHECK;
/* The network's lock is held; inside begin and end, if that can be. */
void lat_outbound_ask_give_up(struct lat_outbound_asked *a);
/*
 * From now on a send on one that has ended opens it again, counting anew. But if messages were accepted and not received, the
 * first send says so, by the reason for the end.
 */
void lat_outbound_keep(struct lat_outbound *o);
/* Messages accepted; *received (may be NULL): acknowledged, or what the channel's end said. */
uint64_t lat_outbound_sent(struct lat_outbound *o, uint64_t *received);
/* The owner lets go; what was accepted still goes out, then it frees itself. NULL is fine. */
void lat_outbound_close(struct lat_outbound *o);
/*
 * For who passes on what others send, and waits for nothing (relay.h): told when it opens, ends, has room again, when its node comes
 * or goes, and when more is acknowledged than was said to be wanted. Under the network's lock: short, and calls nothing of it.
 */
struct lat_outbound_watch {
	void (*changed)(struct lat_outbound_watch *w);
};
/* NULL: no more. */
void lat_outbound_watch(struct lat_outbound *o, struct lat_outbound_watch *w);
struct lat_outbound_state {
	bool over;
	int rc; /* 0 open, -EAGAIN it is being opened, or why it cannot be now; over: why */
	uint64_t received;
};
/* More acknowledged than @wanted is told of; UINT64_MAX: not. */
void lat_outbound_look(struct lat_outbound *o, uint64_t wanted, struct lat_outbound_state *out);
/* Calls a node that is down once more. */
void lat_outbound_call(struct lat_outbound *o);
/* Something may have been acknowledged. The network's lock is held. */
void lat_outbound_acked(struct lat_network *net);
/* Something accepted on some channel is not acknowledged yet. The network's lock is held. */
bool lat_outbound_any_unacked(const struct lat_network *net);

/* The network's lock is held. */
void lat_outbound_stats(struct lat_network *net, struct lat_stats *s);

/* The node's state changed: who waits for it looks again. The network's lock is held. */
void lat_outbound_wake(struct lat_network *net, uint32_t node);

/* What the machine calls (struct lat_engine_ops), ctx being the network. */
void lat_outbound_on_opened(void *ctx, void *user);
void lat_outbound_on_ended(void *ctx, void *user, int err, uint64_t last_seq);
void lat_outbound_on_room(void *ctx, void *user);
void lat_outbound_on_call_over(void *ctx, void *user, int err, const struct lat_delivery *reply);

/* ---- inbound ---- */

/*
 * Memory that peers can make us hold in channels, counted in full at open, though it is made as it is needed. A channel
 * counts until what a closed channel left in it was received. Over the limit a channel is refused: -ENOBUFS to its opener.
 */
#define LAT_INBOUND_PEER_BYTES (UINT64_C(512) << 20)
#define LAT_INBOUND_ALL_BYTES  (UINT64_C(4) << 30)

/* The tiers of a channel that two messages of @len_max fit into, and how many bytes they are when all are made. */
void lat_inbound_sizes(uint32_t len_max, struct lat_tiers_sizes *out);
uint64_t lat_inbound_bytes(const struct lat_tiers_sizes *sizes);
/* The network's lock is held. */
void lat_inbound_stats(struct lat_network *net, struct lat_stats *s);

/* Each channel from another node: from which, and its pids. No lock is held; the network's is while @fn is called. */
void lat_inbound_each(struct lat_network *net,
		      void (*fn)(void *ctx, uint32_t origin, int32_t src, int32_t dst), void *ctx);

int lat_inbound_on_open(void *ctx, uint32_t handle, const struct lat_open_ask *ask,
			const struct lat_open_grant *grant, uint16_t cflags, void **user);
int lat_inbound_on_deliver(void *ctx, void *user, const struct lat_delivery *msg);
uint64_t lat_inbound_on_cut(void *ctx, void *user, uint64_t taken);
void lat_inbound_on_ended(void *ctx, void *user, int err);

/* A message that came from another node was taken out of an inbox: if one waits for that room, it is let in. No lock is held. */
void lat_inbound_taken(struct lat_network *net);
/* Offers what waits; refuses the channel, which is forgotten. Inside begin and end. */
void lat_inbound_drain(struct lat_inbound *in, uint64_t now);
void lat_inbound_refuse(struct lat_inbound *in, uint64_t now, enum lat_code code);
/*
 * Answers a call of another node's that @ep received. As lattice_endpoint_reply(), without the sentence. No lock is held.
 */
int lat_inbound_reply(struct lat_network *net, const struct lattice_endpoint *ep, uint64_t token,
		      const struct lat_engine_msg *reply) LAT_MUST_CHECK;
/* The endpoint closes: resets every channel that leads to it. No lock is held. */
void lat_inbound_reset_to(struct lat_network *net, const struct lattice_endpoint *ep);
/* The node closes: resets every channel, and refuses those that are asked for from here on. Inside begin and end. */
void lat_inbound_reset_all(struct lat_network *net, uint64_t now);

/* ---- what others may ---- */

int lat_rights_on_key(void *ctx, const uint8_t desc[LAT_CAP_DESC], const uint8_t *caveats, size_t count,
		      uint8_t k[LAT_CAP_KEY]);
int lat_rights_on_admit(void *ctx, const struct lat_open_ask *ask, struct lat_open_grant *out);
void lat_rights_on_proof_wrong(void *ctx, const struct lat_open_ask *ask);
bool lat_rights_on_live(void *ctx, struct lat_cap_ref life);
void lat_rights_on_told(void *ctx, uint32_t node, struct lat_cap_ref life);

/* The machine is gone: ends what is left. The network's lock is held. */
void lat_outbound_end_all(struct lat_network *net);

#endif

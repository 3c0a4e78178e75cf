/*
 * Channels from other nodes: each feeds the inbox of the endpoint it leads to, as a local channel does. All state but the
 * `starved` flag and the counts of bytes is guarded by the network's lock.
 *
 * A full channel: the machine keeps the message and is asked again when a receiver has made room. No wake is lost, because both sides
 * exchange the network's flag: if the receiver's exchange [r] comes after the deliverer's [d], it sees the flag and asks
 * again; if it comes before, [d] acquires what [r] released, and the second try sees the room.
 *
 * What is taken out of a channel, and when, is for receivers to say, and they run beside all this; so the bytes are given back by
 * whoever lets go of a channel last.
 */
#include <errno.h>
#include <stdlib.h>

#include "fastpath/channel.h"
#include "fastpath/sender.h"
#include "node/attach.h"
#include "node/carried.h"
#include "node/endpoint.h"
#include "node/feed.h"
#include "node/network.h"
#include "node/node.h"
#include "node/refusal.h"
#include "node/relay.h"
#include "node/remote.h"
#include "node/stats.h"

enum { L2_SLOTS = 2048 };

struct lat_inbound {
	struct lat_network *net;
	struct lat_inbound *next, **at;                   /* at: what points to this one */
	struct lat_inbound *starving_next, **starving_at; /* NULL: it is not starving */
	struct lattice_endpoint *ep;                      /* a reference. NULL: a member's */
	struct lat_chan *chan;
	struct lat_feed *feed;      /* the channel's */
	struct lat_relay_in *relay; /* the member's */
	uint32_t handle;
	uint32_t origin; /* the node that it comes from */
	int32_t src, dst;
	uint64_t received; /* starving: by the endpoint, when there was no room */
};

/* ---- those for which the machine holds a message ---- */

static void starve(struct lat_inbound *in)
{
	struct lat_inbound **list = &in->net->starving;

	if (in->starving_at != NULL)
		return;
	in->starving_next = *list;
	in->starving_at = list;
	if (*list != NULL)
		(*list)->starving_at = &in->starving_next;
	*list = in;
}

static void unstarve(struct lat_inbound *in)
{
	if (in->starving_at == NULL)
		return;
	*in->starving_at = in->starving_next;
	if (in->starving_next != NULL)
		in->starving_next->starving_at = in->starving_at;
	in->starving_at = NULL;
}

/* ---- memory ---- */

void lat_inbound_sizes(uint32_t len_max, struct lat_tiers_sizes *out)
{
	*out = (struct lat_tiers_sizes){
		.slots = { [LAT_TIER_L2] = L2_SLOTS },
		.spill_bytes = ((uint64_t)len_max * 2 + LAT_BLOCK_UNIT) / LAT_BLOCK_UNIT * LAT_BLOCK_UNIT,
	};
}

uint64_t lat_inbound_bytes(const struct lat_tiers_sizes *sizes)
{
	return (uint64_t)(LAT_TIERS_L1_SLOTS + sizes->slots[LAT_TIER_L2]) * LAT_RING_SLOT +
	       sizes->spill_bytes;
}

/* Only this adds, under the network's lock, so the limits hold though others subtract meanwhile. */
static bool charge(struct lat_neighbour *n)
{
	struct lat_network *net = n->net;
	uint64_t bytes = lat_inbound_bytes(&net->inbound_sizes);

	if (atomic_load_explicit(&n->inbound_bytes, memory_order_relaxed) + bytes > LAT_INBOUND_PEER_BYTES ||
	    atomic_load_explicit(&net->inbound_bytes, memory_order_relaxed) + bytes > LAT_INBOUND_ALL_BYTES) {
		net->refused++;
		return false;
	}
	(void)atomic_fetch_add_explicit(&n->inbound_bytes, bytes, memory_order_relaxed);
	(void)atomic_fetch_add_explicit(&net->inbound_bytes, bytes, memory_order_relaxed);
	lat_neighbour_get(n);
	return true;
}

/* Any thread, whatever locks it holds. The endpoint's reference to the node keeps the network. */
static void uncharge(void *user)
{
	struct lat_neighbour *n = user;
	uint64_t bytes = lat_inbound_bytes(&n->net->inbound_sizes);

	(void)atomic_fetch_sub_explicit(&n->net->inbound_bytes, bytes, memory_order_relaxed);
	(void)atomic_fetch_sub_explicit(&n->inbound_bytes, bytes, memory_order_relaxed);
	lat_neighbour_put(n);
}

/* The channel's memory has gone. */
static void freed(void *user)
{
	struct lat_feed *feed = user;

	uncharge(feed->user);
	free(feed);
}

/* ---- what the machine calls ---- */

static void forget(struct lat_inbound *in)
{
	unstarve(in);
	*in->at = in->next;
	if (in->next != NULL)
		in->next->at = in->at;
	lat_chan_close(in->chan); /* what it holds is still received */
	if (in->ep != NULL)
		lat_endpoint_put(in->ep);
	if (in->relay != NULL)
		lat_relay_in_end(in->relay);
	free(in);
}

/* What its messages are looked at for. */
static struct lat_life life_of(const struct lat_network *net, struct lat_cap_ref life)
{
	if (life.gen == 0)
		return (struct lat_life){ 0 };
	return (struct lat_life){ .word = &net->rights.lives[life.slot], .gen = life.gen };
}

/* 0, or the code to refuse with. in->ep is set. */
static int open_channel(struct lat_inbound *in, const struct lat_open_ask *ask,
			const struct lat_open_grant *grant)
{
	struct lat_network *net = in->net;
	struct lat_neighbour *n = lat_network_neighbour(net, ask->node);
	struct lat_feed *feed = calloc(1, sizeof(*feed));
	const struct lat_chan_config cfg = {
		.sizes = &net->inbound_sizes,
		.len_max = net->node->len_max,
		.from = { .pid = ask->src_pid, .node = ask->node, .badge = grant->badge },
		.life = life_of(net, grant->life),
		.call = lat_feed_taken,
		.asks = feed == NULL ? NULL : &feed->asks,
		.user = feed,
		.freed = freed,
	};
	int rc;

	if (feed == NULL || n == NULL || !charge(n)) {
		free(feed);
		return LAT_CODE_ENOBUFS;
	}
	feed->user = n;
	feed->handle = in->handle;
	in->feed = feed;
	rc = lat_chan_open(&in->chan, in->ep->inbox, &cfg);
	if (rc == 0)
		return LAT_CODE_OK;
	freed(feed);
	return rc == -ESHUTDOWN ? LAT_CODE_ECONNREFUSED : LAT_CODE_ENOBUFS;
}

/* The same, to a pid that a member receives as. */
static int open_relay(struct lat_inbound *in, const struct lat_open_ask *ask,
		      const struct lat_open_grant *grant)
{
	struct lat_network *net = in->net;
	struct lat_neighbour *n = lat_network_neighbour(net, ask->node);
	/* The machine holds to its rate. */
	const struct lat_relay_in_config cfg = { .in = in,
						 .src = ask->src_pid,
						 .dst = ask->dst_pid,
						 .origin = ask->node,
						 .life = grant->life,
						 .badge = grant->badge,
						 .freed = uncharge,
						 .user = n };
	int rc;

	if (lat_node_attach(net->node) == NULL)
		return LAT_CODE_ECONNREFUSED;
	if (n == NULL || !charge(n))
		return LAT_CODE_ENOBUFS;
	rc = lat_relay_in_open(&in->relay, net->node->relays, &cfg);
	if (rc == 0)
		return LAT_CODE_OK;
	uncharge(n);
	return rc == -ECONNREFUSED ? LAT_CODE_ECONNREFUSED : LAT_CODE_ENOBUFS;
}

int lat_inbound_on_open(void *ctx, uint32_t handle, const struct lat_open_ask *ask,
			const struct lat_open_grant *grant, uint16_t cflags, void **user)
{
	struct lat_network *net = ctx;
	struct lat_inbound *in;
	int code;

	(void)cflags;
	if (net->closing)
		return LAT_CODE_ESHUTDOWN;
	in = calloc(1, sizeof(*in));
	if (in == NULL)
		return LAT_CODE_ENOBUFS;
	in->net = net;
	in->handle = handle;
	in->origin = ask->node;
	in->src = ask->src_pid;
	in->dst = ask->dst_pid;
	in->ep = lat_endpoint_find(net->node, ask->dst_pid);
	code = in->ep != NULL ? open_channel(in, ask, grant) : open_relay(in, ask, grant);
	if (code != LAT_CODE_OK) {
		if (in->ep != NULL)
			lat_endpoint_put(in->ep);
		free(in);
		return code;
	}
	in->next = net->inbound;
	in->at = &net->inbound;
	if (in->next != NULL)
		in->next->at = &in->next;
	net->inbound = in;
	*user = in;
	return LAT_CODE_OK;
}

/* Into the ring of an endpoint of this process, with what goes with it. 0, -EAGAIN, or as lat_chan_send(). */
static int put(struct lat_inbound *in, const struct lat_delivery *msg)
{
	struct lat_carry *c;
	int rc;

	if (msg->right == NULL)
		return lat_chan_send(in->chan, msg->type, msg->data, msg->bytes, 0);
	rc = lat_carried_make(&c, msg->right);
	if (rc < 0)
		return -EAGAIN;
	rc = lat_chan_send_carry(in->chan, msg->type, msg->data, msg->bytes, c, 0);
	if (rc < 0)
		lat_carry_drop(c);
	return rc;
}

/* The same, marked as the call that it may be. */
static int pass(struct lat_inbound *in, const struct lat_delivery *msg)
{
	int rc;

	if (msg->call != 0 && !lat_feed_put(in->feed, lat_chan_sent(in->chan, NULL) + 1, msg->call))
		return -EAGAIN;
	rc = put(in, msg);
	if (rc < 0 && msg->call != 0)
		lat_feed_undo(in->feed);
	return rc;
}

int lat_inbound_on_deliver(void *ctx, void *user, const struct lat_delivery *msg)
{
	struct lat_network *net = ctx;
	struct lat_inbound *in = user;
	int rc;

	if (in->relay != NULL && msg->call != 0)
		return -EOPNOTSUPP;
	if (in->relay != NULL)
		return lat_relay_in_deliver(in->relay, msg);
	lat_sender_set_lost(lat_chan_sender(in->chan), msg->lost);
	rc = pass(in, msg);
	if (rc == -EAGAIN) {
		starve(in);
		(void)atomic_exchange_explicit(&net->starved, true, memory_order_acq_rel); /* [d] */
		(void)lat_chan_sent(in->chan, &in->received);
		rc = pass(in, msg);
	}
	if (rc == -EAGAIN)
		return rc;
	unstarve(in);
	return 0; /* other errors: the inbox was closed, and the reset of this channel is on its way */
}

uint64_t lat_inbound_on_cut(void *ctx, void *user, uint64_t taken)
{
	struct lat_inbound *in = user;
	uint64_t received, sent = 0;

	(void)ctx;
	if (in->relay != NULL) {
		received = lat_relay_in_received(in->relay);
	} else {
		lat_chan_revoke(in->chan);
		sent = lat_chan_sent(in->chan, &received);
		/* What cancelled a call was a message of the machine's, but none here. */
		if (received == sent)
			return taken;
	}
	return received < taken ? received : taken;
}

void lat_inbound_on_ended(void *ctx, void *user, int err)
{
	const struct lat_inbound *in = user;

	if (err == -EMSGSIZE || err == -EPERM || err == -EACCES || err == -EKEYEXPIRED)
		lat_refusal_peer(ctx, &(struct lat_refusal_peer){ .node = in->origin,
								  .act = LAT_AUDIT_SEND,
								  .src = in->src,
								  .dst = in->dst,
								  .rc = err });
	forget(user);
}

/* ---- what endpoints call ---- */

void lat_inbound_taken(struct lat_network *net)
{
	struct lat_inbound *todo, *in;
	uint64_t now, received;

	if (!atomic_exchange_explicit(&net->starved, false, memory_order_acq_rel)) /* [r] */
		return;
	if (lat_network_begin(net, &now) < 0)
		return;
	/*
	 * On a list of its own, from which one that ends takes itself out, and one that is still starving goes back to the
	 * other: draining one channel may end the session, and with it all of the peer's.
	 */
	todo = net->starving;
	net->starving = NULL;
	if (todo != NULL) {
		todo->starving_at = &todo;
		(void)atomic_exchange_explicit(&net->starved, true, memory_order_acq_rel); /* [d] */
	}
	while ((in = todo) != NULL) {
		unstarve(in);
		(void)lat_chan_sent(in->chan, &received);
		if (received == in->received)
			starve(in); /* it was another that made room */
		else
			lat_engine_drain(net->engine, now, in->handle);
	}
	lat_network_end(net);
}

/* Those to @ep; NULL: all. Inside begin and end. */
static void reset(struct lat_network *net, uint64_t now, const struct lattice_endpoint *ep)
{
	struct lat_inbound *in, *next;

	for (in = net->inbound; in != NULL; in = next) {
		next = in->next; /* a reset calls nothing back */
		if (ep != NULL && in->ep != ep)
			continue;
		lat_engine_inbound_reset(net->engine, now, in->handle, LAT_CODE_ESHUTDOWN);
		forget(in);
	}
}

void lat_inbound_reset_to(struct lat_network *net, const struct lattice_endpoint *ep)
{
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	reset(net, now, ep);
	lat_network_end(net);
}

int lat_inbound_reply(struct lat_network *net, const struct lattice_endpoint *ep, uint64_t token,
		      const struct lat_engine_msg *reply)
{
	const struct lat_inbound *in;
	uint64_t now, last = 0;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	in = lat_engine_inbound_user(net->engine, lat_feed_handle(token), &last);
	if (in != NULL && in->ep != ep)
		rc = -EINVAL;
	else
		rc = lat_engine_call_reply(net->engine, now, lat_feed_handle(token),
					   lat_feed_call(token, last), reply);
	lat_network_end(net);
	return rc;
}

/* ---- what its relay calls ---- */

void lat_inbound_drain(struct lat_inbound *in, uint64_t now)
{
	lat_engine_drain(in->net->engine, now, in->handle);
}

void lat_inbound_refuse(struct lat_inbound *in, uint64_t now, enum lat_code code)
{
	lat_engine_inbound_reset(in->net->engine, now, in->handle, code);
	in->relay = NULL;
	forget(in);
}

/* ---- the rest ---- */

void lat_inbound_stats(struct lat_network *net, struct lat_stats *s)
{
	lat_stats_put(s, "recv.remote_bytes", "bytes that channels from other nodes may come to hold",
		      atomic_load_explicit(&net->inbound_bytes, memory_order_relaxed));
	lat_stats_put(s, "recv.remote_refused",
		      "channels refused, their peer or all may hold as much as they may", net->refused);
}

void lat_inbound_each(struct lat_network *net,
		      void (*fn)(void *ctx, uint32_t origin, int32_t src, int32_t dst), void *ctx)
{
	pthread_mutex_lock(&net->lock);
	for (const struct lat_inbound *in = net->inbound; in != NULL; in = in->next)
		fn(ctx, in->origin, in->src, in->dst);
	pthread_mutex_unlock(&net->lock);
}

void lat_inbound_reset_all(struct lat_network *net, uint64_t now)
{
	reset(net, now, NULL);
}

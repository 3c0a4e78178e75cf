/*
 * Channels from other nodes: each feeds the inbox of the endpoint it leads to, as a local channel does. All state but the
 * `starved` flag is guarded by the network's lock.
 *
 * A full ring: the machine keeps the message and is asked again when a receiver has made room. No wake is lost, because both sides
 * exchange the network's flag: if the receiver's exchange [r] comes after the deliverer's [d], it sees the flag and asks
 * again; if it comes before, [d] acquires what [r] released, and the second try sees the room.
 */
#include <errno.h>
#include <stdlib.h>

#include "fastpath/channel.h"
#include "node/endpoint.h"
#include "node/network.h"
#include "node/node.h"
#include "node/remote.h"

struct lat_inbound {
	struct lat_network *net;
	struct lat_inbound *next;
	struct lattice_endpoint *ep; /* a reference */
	struct lat_chan *chan;
	uint32_t handle;
	bool starved; /* the machine holds a message for it */
	bool gone;    /* the endpoint was closed; the reset is on its way */
};

static void forget(struct lat_inbound *in)
{
	struct lat_inbound **at = &in->net->inbound;

	while (*at != NULL && *at != in)
		at = &(*at)->next;
	if (*at != NULL)
		*at = in->next;
	lat_chan_close(in->chan); /* what it holds is still received */
	lat_endpoint_put(in->ep);
	free(in);
}

int lat_inbound_on_open(void *ctx, uint32_t node, uint32_t handle, int32_t src_pid, int32_t dst_pid,
			uint16_t cflags, void **user)
{
	struct lat_network *net = ctx;
	struct lat_chan_config cfg = {
		.slots = lat_ring_slots_for(net->node->len_max),
		.len_max = net->node->len_max,
		.from = { .pid = src_pid, .node = node },
	};
	struct lat_inbound *in;
	int rc;

	(void)cflags;
	in = calloc(1, sizeof(*in));
	if (in == NULL)
		return LAT_CODE_ENOBUFS;
	in->ep = lat_endpoint_find(net->node, dst_pid);
	if (in->ep == NULL) {
		free(in);
		return LAT_CODE_ECONNREFUSED;
	}
	in->net = net;
	in->handle = handle;
	rc = lat_chan_open(&in->chan, in->ep->inbox, &cfg);
	if (rc < 0) {
		lat_endpoint_put(in->ep);
		free(in);
		return rc == -ESHUTDOWN ? LAT_CODE_ECONNREFUSED : LAT_CODE_ENOBUFS;
	}
	in->next = net->inbound;
	net->inbound = in;
	*user = in;
	return LAT_CODE_OK;
}

int lat_inbound_on_deliver(void *ctx, void *user, const struct lat_delivery *msg)
{
	struct lat_network *net = ctx;
	struct lat_inbound *in = user;
	int rc = lat_chan_send(in->chan, msg->type, msg->data, msg->bytes, 0);

	if (rc == -EAGAIN) {
		in->starved = true;
		(void)atomic_exchange_explicit(&net->starved, true, memory_order_acq_rel); /* [d] */
		rc = lat_chan_send(in->chan, msg->type, msg->data, msg->bytes, 0);
	}
	if (rc == -EAGAIN)
		return rc;
	in->starved = false;
	if (rc < 0)
		in->gone = true; /* nobody will receive it: the endpoint's close resets the channel */
	return 0;
}

void lat_inbound_on_ended(void *ctx, void *user, int err)
{
	(void)ctx;
	(void)err;
	forget(user);
}

void lat_inbound_taken(struct lat_network *net)
{
	struct lat_inbound *next;
	uint64_t now;

	if (!atomic_exchange_explicit(&net->starved, false, memory_order_acq_rel)) /* [r] */
		return;
	if (lat_network_begin(net, &now) < 0)
		return;
	for (struct lat_inbound *in = net->inbound; in != NULL; in = next) {
		next = in->next; /* draining may end this one, never another */
		if (in->starved)
			lat_engine_drain(net->engine, now, in->handle);
	}
	lat_network_end(net);
}

void lat_inbound_reset_all(struct lat_network *net, const struct lattice_endpoint *ep)
{
	struct lat_inbound *next;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	for (struct lat_inbound *in = net->inbound; in != NULL; in = next) {
		next = in->next;
		if (in->ep != ep)
			continue;
		lat_engine_inbound_reset(net->engine, now, in->handle, LAT_CODE_ESHUTDOWN);
		forget(in);
	}
	lat_network_end(net);
}

void lat_inbound_end_all(struct lat_network *net)
{
	while (net->inbound != NULL)
		forget(net->inbound);
}

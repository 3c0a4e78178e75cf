/* The driver's calls: each on the default node, while it is open. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lattice/net.h>
#include <lattice/state.h>

#include "node/default.h"
#include "node/explain.h"
#include "node/keyfile.h"
#include "node/network.h"
#include "node/node.h"
#include "node/packets.h"
#include "os/clock.h"

static const int64_t send_ns = 5 * LAT_NS_PER_S;

int lattice_net_init(const struct lattice_net_config *cfg)
{
	static const struct lattice_net_config defaults;

	return lat_default_open(cfg != NULL ? cfg : &defaults);
}

void lattice_net_shutdown(void)
{
	lat_default_shutdown();
}

lattice_node_id lattice_net_local_node(void)
{
	struct lat_default *d;
	lattice_node_id id;

	if (lat_default_get(&d, LAT_DEFAULT_OPEN) < 0)
		return 0;
	id = lattice_node_number(d->node);
	lat_default_put(d);
	return id;
}

uint16_t lattice_net_port(void)
{
	struct lat_default *d;
	uint16_t port;

	if (lat_default_get(&d, LAT_DEFAULT_NETWORK) < 0)
		return 0;
	port = lattice_node_port(d->node);
	lat_default_put(d);
	return port;
}

size_t lattice_net_stats(struct lattice_stat *out, size_t max)
{
	struct lat_default *d;
	size_t count;

	if (lat_default_get(&d, LAT_DEFAULT_OPEN) < 0)
		return 0;
	count = lattice_node_stats(d->node, out, max);
	lat_default_put(d);
	return count;
}

/* ---- peers ---- */

static int form_remote(const struct lat_default *d, lattice_node_id node, const char *host, int port,
		       enum lattice_proto proto, char out[static LATTICE_ENDPOINT_MAX + 1])
{
	bool v6 = host != NULL && strchr(host, ':') != NULL && host[0] != '[';
	int length;

	if (node == 0 || node == UINT32_MAX || node == lattice_node_number(d->node))
		return lat_why(NULL, -EINVAL, "node %u is %s, and no other node", node,
			       node == UINT32_MAX ? "a number that no node has" : "this one");
	if (host == NULL || host[0] == '\0')
		return lat_why(NULL, -EINVAL, "node %u: a name or an address is needed", node);
	if (port < 1 || port > UINT16_MAX)
		return lat_why(NULL, -EINVAL, "node %u: port %d is not in 1..65535", node, port);
	if (!lat_proto_valid(proto))
		return lat_why(NULL, -EINVAL, "node %u: protocol %d is not of enum lattice_proto", node,
			       (int)proto);
	length = snprintf(out, LATTICE_ENDPOINT_MAX + 1, v6 ? "[%s]:%d" : "%s:%d", host, port);
	if (length < 0 || length > LATTICE_ENDPOINT_MAX)
		return lat_why(NULL, -EINVAL, "node %u: the name is too long", node);
	return 0;
}

/* A peer whose file came into the state directory since the node was opened. */
static int add_new(struct lat_default *d, lattice_node_id node, const char *endpoint,
		   enum lattice_proto proto)
{
	struct lattice_peer peer;
	int rc = lattice_state_peer_get(d->state_dir, node, &peer);

	if (rc == -ENOENT)
		return lat_network_key_why(d->node->network, NULL, node);
	if (rc < 0)
		return rc;
	(void)snprintf(peer.endpoint, sizeof(peer.endpoint), "%s", endpoint);
	peer.proto = proto;
	rc = lat_network_add_peer(d->node->network, &peer);
	lat_wipe(&peer, sizeof(peer));
	return rc;
}

int lattice_net_add_remote(lattice_node_id node, const char *host, int port, enum lattice_proto proto)
{
	char endpoint[LATTICE_ENDPOINT_MAX + 1];
	struct lat_default *d;
	int rc = lat_default_get(&d, LAT_DEFAULT_NETWORK);

	if (rc < 0)
		return rc;
	rc = form_remote(d, node, host, port, proto, endpoint);
	if (rc == 0) {
		rc = lattice_node_set_remote(d->node, node, endpoint, proto);
		(void)lat_why_hand(d->node, NULL, rc);
	}
	if (rc == -ENOKEY)
		rc = add_new(d, node, endpoint, proto);
	if (rc == -ESHUTDOWN)
		(void)lat_why(NULL, rc, "the default node was closed");
	lat_default_put(d);
	return rc;
}

int lattice_net_remove_remote(lattice_node_id node)
{
	struct lat_default *d;
	int rc = lat_default_get(&d, LAT_DEFAULT_NETWORK);

	if (rc < 0)
		return rc;
	rc = lattice_node_remove_peer(d->node, node);
	(void)lat_why_hand(d->node, NULL, rc);
	if (rc == -ESHUTDOWN)
		(void)lat_why(NULL, rc, "the default node was closed");
	lat_default_put(d);
	return rc;
}

int lattice_net_reset(void)
{
	struct lat_default *d;
	int rc = lat_default_get(&d, LAT_DEFAULT_NETWORK);

	if (rc < 0)
		return rc;
	rc = lat_network_reset(d->node->network);
	lat_packets_clear(d->packets);
	if (rc == -ESHUTDOWN)
		(void)lat_why(NULL, rc, "the default node was closed");
	lat_default_put(d);
	return rc;
}

/* ---- packets ---- */

int lattice_net_send(lattice_node_id node, const void *data, size_t bytes)
{
	struct lat_default *d;
	int rc = lat_default_get(&d, LAT_DEFAULT_NETWORK);

	if (rc < 0)
		return rc;
	if (data == NULL && bytes > 0) {
		rc = lat_why(NULL, -EINVAL, "a length of %zu bytes without data", bytes);
	} else if (bytes > LATTICE_PACKET_MAX) {
		rc = lat_why(NULL, -EMSGSIZE, "%zu bytes are over the %d of a packet", bytes,
			     LATTICE_PACKET_MAX);
	} else if (node == 0 || node == lattice_node_number(d->node)) {
		lat_packets_put(d->packets, lattice_node_number(d->node), data, bytes);
	} else {
		rc = lat_network_net_send(d->node->network, node, data, bytes,
					  lat_clock_deadline(lat_clock_monotonic_ns(), send_ns));
		rc = lat_peer_why(d->node, NULL, node, rc);
	}
	lat_default_put(d);
	return rc;
}

int lattice_net_recv(struct lattice_packet *packet, void *buf, size_t bytes, int64_t timeout_ns)
{
	uint64_t deadline = lat_clock_until(timeout_ns);
	struct lat_default *d;
	int rc = lat_default_get(&d, LAT_DEFAULT_NETWORK);

	if (rc < 0)
		return rc;
	if (packet == NULL || (buf == NULL && bytes > 0)) {
		lat_default_put(d);
		return lat_why(NULL, -EINVAL, "no packet, or a length without a buffer");
	}
	rc = lat_packets_recv(d->packets, packet, buf, bytes, deadline);
	lat_default_put(d);
	switch (rc) {
	case -EMSGSIZE:
		return lat_why(NULL, rc, "the next packet has %zu bytes, the buffer %zu", packet->len, bytes);
	case -EBUSY:
		return lat_why(NULL, rc,
			       "a callback receives: lattice_net_set_recv_callback(NULL, NULL) ends that");
	case -ESHUTDOWN:
		return lat_why(NULL, rc, "the default node was closed");
	default:
		return rc;
	}
}

int lattice_net_set_recv_callback(lattice_net_recv_fn fn, void *ctx)
{
	struct lat_default *d;
	int rc = lat_default_get(&d, LAT_DEFAULT_NETWORK);

	if (rc < 0)
		return rc;
	rc = lat_packets_callback(d->packets, fn, ctx);
	lat_default_put(d);
	if (rc == -ESHUTDOWN)
		return lat_why(NULL, rc, "the default node was closed");
	if (rc == -EAGAIN)
		return lat_why(NULL, rc, "no thread can be started for the callback");
	return rc;
}

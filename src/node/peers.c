/*
 * The other nodes: their table, their addresses, sessions and pings asked for by callers.
 *
 * A ping or its answer may be lost with its datagram, or with the session, and the machine sends neither again. So the caller
 * that waits asks anew every second; each question has a token of its own, and any answer to one of them will do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/error.h>
#include <lattice/state.h>

#include "base/log.h"
#include "net/resolve.h"
#include "node/explain.h"
#include "node/network.h"
#include "node/node.h"
#include "node/state.h"
#include "os/clock.h"

enum {
	PATHS_MAX = 8,
	PING_BITS = 20, /* of a token: which question of this ping it is */
};

static const uint64_t ping_again_ns = (uint64_t)LAT_NS_PER_S;

struct lat_ping { /* on the caller's stack */
	uint64_t id, rtt_ns;
	bool answered;
	struct lat_ping *next;
};

/* ---- addresses ---- */

static uint8_t proto_of(enum lattice_proto proto)
{
	return proto == LATTICE_TCP ? LAT_PROTO_TCP : LAT_PROTO_UDP;
}

/* @handle: for the sentence. Resolves "host:port" to a path. */
static int resolve(const void *handle, const char *endpoint, enum lattice_proto proto, uint32_t node,
		   struct lat_path *path)
{
	struct lat_path found[PATHS_MAX];
	char host[LAT_HOST_TEXT];
	uint16_t port;
	int rc = lat_endpoint_parse(endpoint, host, &port);

	if (rc < 0)
		return lat_why(handle, rc, "node %u: '%s' is not HOST:PORT or [IPV6]:PORT", node, endpoint);
	rc = lat_resolve(host, port, proto_of(proto), found, PATHS_MAX);
	if (rc == -ENOENT)
		return lat_why(handle, rc, "node %u: the name '%s' does not resolve", node, host);
	if (rc < 0) /* the name service, or what it is made of, failed: another time it may not */
		return lat_why(handle, rc == -ENOMEM ? rc : -EAGAIN,
			       "node %u: the name '%s' cannot be resolved now", node, host);
	*path = found[0];
	path->node = node;
	return 0;
}

static int add_peer(struct lat_neighbour *n, const struct lattice_peer *peer)
{
	struct lat_peer_config pc = { .node = peer->node };
	int rc;

	memcpy(pc.pk, peer->key, sizeof(pc.pk));
	memcpy(pc.psk, peer->psk, sizeof(pc.psk));
	if (peer->endpoint[0] != '\0') {
		rc = resolve(NULL, peer->endpoint, peer->proto, peer->node, &pc.path);
		if (rc == -EINVAL)
			goto out;
		if (rc < 0) { /* a name that does not resolve today must not keep the node from starting */
			lat_log(LAT_LOG_WARN, "node %u: '%s' does not resolve; it can call us", peer->node,
				peer->endpoint);
			memset(&pc.path, 0, sizeof(pc.path));
		}
	}
	rc = lat_engine_peer_add(n->net->engine, &pc);
	if (rc < 0)
		(void)lat_why(NULL, rc, "peer %u cannot be added: %s", peer->node,
			      rc == -EINVAL ? "its number or key is this node's own"
					    : lattice_error_name(rc));
	n->node = peer->node;
	n->call = pc.path;
out:
	lat_wipe(&pc, sizeof(pc));
	return rc;
}

int lat_network_peers_open(struct lat_network *net)
{
	size_t count = lat_state_peer_count(net->state);
	int rc = 0;

	net->neighbours = calloc(count + 1, sizeof(*net->neighbours));
	if (net->neighbours == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count && rc == 0; i++) {
		net->neighbours[i].net = net;
		rc = add_peer(&net->neighbours[i], lat_state_peer_at(net->state, i));
	}
	if (rc == 0)
		net->neighbour_count = count;
	return rc;
}

struct lat_neighbour *lat_network_neighbour(const struct lat_network *net, lattice_node_id node)
{
	size_t from = 0, to = net->neighbour_count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (net->neighbours[middle].node == node)
			return &net->neighbours[middle];
		if (net->neighbours[middle].node < node)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

int lat_network_reason(int err)
{
	static const int named[] = { -ECONNREFUSED, -ENETUNREACH, -EPROTO };

	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (named[i] == err)
			return err;
	return -EHOSTUNREACH;
}

int lat_network_set_remote(struct lat_network *net, lattice_node_id peer, const char *endpoint,
			   enum lattice_proto proto)
{
	struct lat_neighbour *n = lat_network_neighbour(net, peer);
	struct lat_path path;
	uint64_t now;
	int rc;

	if (n == NULL)
		return -ENOKEY;
	if (endpoint != NULL) {
		rc = resolve(net->node, endpoint, proto, peer, &path);
		if (rc < 0)
			return rc;
	}
	rc = lat_network_begin(net, &now);
	if (rc < 0)
		return rc;
	if (endpoint == NULL) { /* not where a connection of the peer's own came from: nobody listens there */
		path = n->call;
		path.proto = proto_of(proto);
		if (n->call.proto == 0)
			rc = -EDESTADDRREQ;
	}
	if (rc == 0)
		rc = lat_engine_peer_path(net->engine, peer, &path);
	if (rc == 0)
		n->call = path;
	lat_network_end(net);
	return rc;
}

/* ---- sessions ---- */

/* 0: up. Inside begin and end. */
static int wait_up(struct lat_network *net, lattice_node_id peer, uint64_t deadline)
{
	struct lat_peer_info info = { .state = LAT_PEER_IDLE };
	int rc;

	for (;;) {
		/* Idle again: it said goodbye while we waited. */
		rc = info.state == LAT_PEER_IDLE
			     ? lat_engine_peer_connect(net->engine, lat_network_now(), peer)
			     : 0;
		if (rc == 0)
			rc = lat_engine_peer_info(net->engine, lat_network_now(), peer, &info);
		if (rc < 0)
			return rc;
		if (info.state == LAT_PEER_UP)
			return 0;
		if (info.state == LAT_PEER_DOWN)
			return lat_network_reason(info.err);
		rc = lat_network_wait(net, &net->changed, deadline);
		if (rc == 0)
			rc = lat_engine_peer_info(net->engine, lat_network_now(), peer, &info);
		if (rc < 0)
			return rc;
	}
}

int lat_network_connect(struct lat_network *net, lattice_node_id peer, int64_t timeout_ns)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns), now;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	rc = wait_up(net, peer, deadline);
	lat_network_end(net);
	return rc;
}

void lat_network_on_pong(void *ctx, uint32_t node, uint64_t token, uint64_t rtt_ns)
{
	struct lat_network *net = ctx;

	(void)node;
	for (struct lat_ping *p = net->pings; p != NULL; p = p->next) {
		if (p->id != token >> PING_BITS)
			continue;
		p->answered = true;
		p->rtt_ns = rtt_ns;
		lat_waitq_wake(&net->changed);
	}
}

/* One question, and until its answer, the deadline or the time to ask again. 0: look at @ping. Inside begin and end. */
static int ask(struct lat_network *net, const struct lat_ping *ping, lattice_node_id peer, uint64_t token,
	       uint64_t deadline)
{
	uint64_t again = lat_clock_monotonic_ns() + ping_again_ns,
		 until = again < deadline ? again : deadline;
	int rc = lat_engine_ping(net->engine, lat_network_now(), peer, token);

	if (rc == -EAGAIN) /* the session went this moment */
		rc = 0;
	while (rc == 0 && !ping->answered)
		rc = lat_network_wait(net, &net->changed, until);
	return rc == -ETIMEDOUT && until < deadline ? 0 : rc;
}

int lat_network_ping(struct lat_network *net, lattice_node_id peer, uint64_t *rtt_ns, int64_t timeout_ns)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns), now, token;
	struct lat_ping ping = { 0 }, **at;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	ping.id = ++net->last_ping;
	ping.next = net->pings;
	net->pings = &ping;
	token = ping.id << PING_BITS;
	while (rc == 0 && !ping.answered) {
		rc = wait_up(net, peer, deadline);
		if (rc == 0)
			rc = ask(net, &ping, peer, token++, deadline);
	}
	for (at = &net->pings; *at != &ping; at = &(*at)->next)
		;
	*at = ping.next;
	if (ping.answered) {
		*rtt_ns = ping.rtt_ns;
		rc = 0;
	}
	lat_network_end(net);
	return rc;
}

int lat_network_peer(struct lat_network *net, lattice_node_id peer, struct lattice_peer_stats *out)
{
	struct lat_peer_info info;
	uint64_t now;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	rc = lat_engine_peer_info(net->engine, now, peer, &info);
	lat_network_end(net);
	if (rc < 0)
		return rc;
	*out = (struct lattice_peer_stats){
		.node = peer,
		.up = info.state == LAT_PEER_UP,
		.initiator = info.initiator,
		.proto = info.path.proto == LAT_PROTO_TCP ? LATTICE_TCP : LATTICE_UDP,
		.handshake_ns = info.handshake_ns,
		.session_age_ns = info.session_age_ns,
		.rtt_ns = info.srtt_ns,
		.handshakes = info.handshakes,
		.packets_in = info.packets_in,
		.packets_out = info.packets_out,
		.bytes_in = info.bytes_in,
		.bytes_out = info.bytes_out,
	};
	return 0;
}

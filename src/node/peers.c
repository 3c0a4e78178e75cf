/*
 * The other nodes: their table, their addresses, sessions and pings asked for by callers.
 *
 * A ping or its answer may be lost with its datagram, or with the session, and the machine sends neither again. So the caller
 * that waits asks anew every second; each question has a token of its own, and any answer to one of them will do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/error.h>
#include <lattice/state.h>

#include "base/log.h"
#include "net/driver.h"
#include "net/resolve.h"
#include "node/explain.h"
#include "node/keyfile.h"
#include "node/network.h"
#include "node/node.h"
#include "node/packets.h"
#include "node/state.h"
#include "os/clock.h"

enum {
	PATHS_MAX = 8,
	PING_BITS = 20, /* of a token: which question of this ping it is */
};

static const uint64_t ping_again_ns = (uint64_t)LAT_NS_PER_S;

struct lat_ping { /* on the caller's stack */
	uint64_t id;
	struct lat_round_trip trip;
	bool answered;
	struct lat_ping *next;
};

/* ---- addresses ---- */

static uint8_t proto_of(enum lattice_proto proto)
{
	return proto == LATTICE_UDP ? LAT_PROTO_UDP : LAT_PROTO_TCP;
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
	path->transient = proto == LATTICE_TCP_TRANSIENT;
	return 0;
}

/* ---- who they are ---- */

/* Where @node stands in the table, or would. */
static size_t place(const struct lat_network *net, lattice_node_id node)
{
	size_t from = 0, to = net->neighbour_count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (net->neighbours[middle]->node < node)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

struct lat_neighbour *lat_network_neighbour(const struct lat_network *net, lattice_node_id node)
{
	size_t at = place(net, node);

	return at < net->neighbour_count && net->neighbours[at]->node == node ? net->neighbours[at] : NULL;
}

void lat_neighbour_get(struct lat_neighbour *n)
{
	(void)atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
}

void lat_neighbour_put(struct lat_neighbour *n)
{
	if (atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) == 1)
		free(n);
}

static int grow(struct lat_network *net)
{
	size_t room = net->neighbour_room == 0 ? 16 : 2 * net->neighbour_room;
	struct lat_neighbour **more;

	if (net->neighbour_count < net->neighbour_room)
		return 0;
	more = realloc(net->neighbours, room * sizeof(struct lat_neighbour *));
	if (more == NULL)
		return -ENOMEM;
	net->neighbours = more;
	net->neighbour_room = room;
	return 0;
}

/* Tells the machine of a peer, and the table when the machine takes it. */
static int enter(struct lat_network *net, const struct lat_peer_config *pc)
{
	struct lat_neighbour *n;
	size_t at;
	int rc = grow(net);

	if (rc < 0)
		return rc;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	rc = lat_engine_peer_add(net->engine, pc);
	if (rc < 0) {
		free(n);
		return rc;
	}
	n->net = net;
	atomic_init(&n->refs, 1);
	n->node = pc->node;
	n->call = pc->path;
	at = place(net, pc->node);
	memmove(net->neighbours + at + 1, net->neighbours + at,
		(net->neighbour_count - at) * sizeof(struct lat_neighbour *));
	net->neighbours[at] = n;
	net->neighbour_count++;
	return 0;
}

static int enter_kept(struct lat_network *net, const struct lattice_peer *peer)
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
	rc = enter(net, &pc);
	if (rc < 0)
		(void)lat_why(NULL, rc, "peer %u cannot be added: %s", peer->node,
			      rc == -EINVAL ? "its number or key is this node's own"
					    : lattice_error_name(rc));
out:
	lat_wipe(&pc, sizeof(pc));
	return rc;
}

int lat_network_peers_open(struct lat_network *net)
{
	int rc = 0;

	for (size_t i = 0; i < lat_state_peer_count(net->state) && rc == 0; i++) {
		const struct lattice_peer *peer = lat_state_peer_at(net->state, i);

		if (lat_peer_has_key(peer)) /* else it is known by its fingerprint, and waits for the key */
			rc = enter_kept(net, peer);
	}
	return rc;
}

void lat_network_peers_free(struct lat_network *net)
{
	for (size_t i = 0; i < net->neighbour_count; i++)
		lat_neighbour_put(net->neighbours[i]);
	free(net->neighbours);
}

/* One that is known by the same key only gets the new place. Inside begin and end. */
static int admit(struct lat_network *net, const struct lattice_peer *peer, const struct lat_peer_config *pc)
{
	const struct lattice_peer *known = lat_state_peer_find(net->state, peer->node);
	struct lat_neighbour *n = lat_network_neighbour(net, peer->node);
	int rc;

	if (known != NULL && memcmp(known->fingerprint, peer->fingerprint, sizeof(known->fingerprint)) != 0)
		return lat_key_rejected(peer->node, known->fingerprint, peer->fingerprint,
					"Compare with 'lattice id' there");
	if (n != NULL) {
		if (pc->path.proto == 0)
			return 0;
		n->call = pc->path;
		return lat_engine_peer_path(net->engine, peer->node, &pc->path);
	}
	rc = enter(net, pc);
	if (rc == -EKEYREJECTED)
		return lat_why(NULL, -EEXIST,
			       "the key of node %u is known as another node's: one key has one number",
			       peer->node);
	if (rc == -EINVAL)
		return lat_why(NULL, rc, "node %u: its number or key is this node's own", peer->node);
	if (rc == 0)
		rc = lat_state_peer_keep(net->state, peer);
	return rc;
}

int lat_network_add_peer(struct lat_network *net, const struct lattice_peer *peer)
{
	struct lat_peer_config pc = { .node = peer->node };
	struct lattice_peer full = *peer;
	uint64_t now;
	int rc = lat_peer_check(&full);

	if (rc == 0 && !lat_peer_has_key(&full))
		rc = lat_why(NULL, -ENOKEY,
			     "node %u: a fingerprint without a key: ask for 'lattice id --key' there",
			     peer->node);
	if (rc == 0 && full.endpoint[0] != '\0')
		rc = resolve(NULL, full.endpoint, full.proto, full.node, &pc.path);
	if (rc == 0)
		rc = lat_network_begin(net, &now);
	if (rc == 0) {
		memcpy(pc.pk, full.key, sizeof(pc.pk));
		memcpy(pc.psk, full.psk, sizeof(pc.psk));
		rc = admit(net, &full, &pc);
		lat_network_end(net);
	}
	lat_wipe(&pc, sizeof(pc));
	lat_wipe(&full, sizeof(full));
	return rc;
}

/* Inside begin and end. */
static void forget(struct lat_network *net, struct lat_neighbour *n, uint64_t now)
{
	size_t at = place(net, n->node);

	(void)lat_engine_peer_remove(net->engine, now, n->node); /* its goodbye goes by the connection */
	lat_driver_forget(net->driver, n->node);
	net->neighbour_count--;
	memmove(net->neighbours + at, net->neighbours + at + 1,
		(net->neighbour_count - at) * sizeof(struct lat_neighbour *));
	lat_neighbour_put(n);
}

int lat_network_remove_peer(struct lat_network *net, lattice_node_id node)
{
	struct lat_neighbour *n;
	uint64_t now;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	n = lat_network_neighbour(net, node);
	if (n != NULL)
		forget(net, n, now);
	else if (lat_state_peer_find(net->state, node) == NULL) /* nor by its fingerprint alone */
		rc = -ENOKEY;
	if (rc == 0) {
		lat_state_peer_forget(net->state, node);
		if (net->node->packets != NULL)
			lat_packets_forget(net->node->packets, node);
		lat_waitq_wake(&net->changed);
		lat_waitq_wake(&net->room);
	}
	lat_network_end(net);
	return rc;
}

/* Whether only the fingerprint of @node is known. */
static bool pinned(struct lat_network *net, lattice_node_id node)
{
	const struct lattice_peer *peer;
	uint64_t now;
	bool is;

	if (lat_network_begin(net, &now) < 0)
		return false;
	peer = lat_state_peer_find(net->state, node);
	is = peer != NULL && !lat_peer_has_key(peer);
	lat_network_end(net);
	return is;
}

int lat_network_key_why(struct lat_network *net, const void *handle, lattice_node_id node)
{
	if (pinned(net, node))
		return lat_why(
			handle, -ENOKEY,
			"node %u: its fingerprint is known, its key is missing: ask for 'lattice id --key' there, and "
			"'lattice peers add' that here",
			node);
	return lat_why(
		handle, -ENOKEY,
		"no key is known for node %u: run 'lattice id --key' there, and 'lattice peers add' its output here",
		node);
}

/* ---- where they are ---- */

bool lat_network_where(struct lat_network *net, lattice_node_id node, char *out, size_t bytes)
{
	struct lat_peer_info info;
	char text[LAT_PATH_TEXT];
	uint64_t now;
	int rc = lat_network_begin(net, &now);

	out[0] = '\0';
	if (rc < 0)
		return false;
	rc = lat_engine_peer_info(net->engine, now, node, &info);
	lat_network_end(net);
	if (rc == 0 && info.path.family != 0)
		(void)snprintf(out, bytes, " at %s", lat_path_format(&info.path, text, sizeof(text)));
	return rc == 0 && info.state == LAT_PEER_UP;
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
	struct lat_neighbour *n;
	struct lat_path path;
	uint64_t now;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	n = lat_network_neighbour(net, peer);
	lat_network_end(net);
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
	n = lat_network_neighbour(net, peer); /* it may have been removed meanwhile */
	if (n == NULL) {
		rc = -ENOKEY;
	} else if (endpoint ==
		   NULL) { /* not where a connection of the peer's own came from: nobody listens there */
		path = n->call;
		path.proto = proto_of(proto);
		path.transient = proto == LATTICE_TCP_TRANSIENT;
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

int lat_network_wait_up(struct lat_network *net, lattice_node_id peer, uint64_t deadline_ns)
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
		rc = lat_network_wait(net, &net->changed, deadline_ns);
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
	rc = lat_network_wait_up(net, peer, deadline);
	lat_network_end(net);
	return rc;
}

void lat_network_on_pong(void *ctx, uint32_t node, uint64_t token, const struct lat_round_trip *trip)
{
	struct lat_network *net = ctx;

	(void)node;
	for (struct lat_ping *p = net->pings; p != NULL; p = p->next) {
		if (p->id != token >> PING_BITS)
			continue;
		p->answered = true;
		p->trip = *trip;
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
	while (rc == 0 && !ping->answered) {
		rc = lat_network_wait(net, &net->changed, until);
		if (rc == 0 && lat_network_neighbour(net, peer) == NULL)
			rc = -ENOKEY;
	}
	return rc == -ETIMEDOUT && until < deadline ? 0 : rc;
}

int lat_network_ping(struct lat_network *net, lattice_node_id peer, struct lattice_round_trip *out,
		     int64_t timeout_ns)
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
		rc = lat_network_wait_up(net, peer, deadline);
		if (rc == 0)
			rc = ask(net, &ping, peer, token++, deadline);
	}
	for (at = &net->pings; *at != &ping; at = &(*at)->next)
		;
	*at = ping.next;
	if (ping.answered) {
		*out = (struct lattice_round_trip){
			.rtt_ns = ping.trip.rtt_ns,
			.queue_ns = ping.trip.queue_ns,
			.crypto_ns = ping.trip.crypto_ns,
			.wire_ns = ping.trip.rtt_ns - ping.trip.queue_ns - ping.trip.crypto_ns,
		};
		rc = 0;
	}
	lat_network_end(net);
	return rc;
}

/* ---- what is said of them ---- */

static_assert((int)LATTICE_PEER_UP == LAT_PEER_UP && (int)LATTICE_PEER_DOWN == LAT_PEER_DOWN, "one order");

const char *lattice_peer_state_name(enum lattice_peer_state state)
{
	static const char *const names[] = { "idle", "connecting", "up", "down", "closing" };

	return (size_t)state < ARRAY_LEN(names) ? names[state] : "";
}

static const struct {
	const char *name;
	enum lat_engine_counter counter;
} drops[LATTICE_DROP_COUNT] = {
	[LATTICE_DROP_REPLAY] = { "replay", LAT_COUNT_REPLAY },
	[LATTICE_DROP_FORGED] = { "forged", LAT_COUNT_DATA_OPEN },
	[LATTICE_DROP_CHANNEL] = { "channel", LAT_COUNT_CHAN },
	[LATTICE_DROP_TOKEN] = { "token", LAT_COUNT_TOKEN },
	[LATTICE_DROP_DOUBLE] = { "double", LAT_COUNT_DUP_MSG },
	[LATTICE_DROP_MEMORY] = { "memory", LAT_COUNT_REASM_DROP },
	[LATTICE_DROP_ROOM] = { "room", LAT_COUNT_LOSSY_DROP },
	[LATTICE_DROP_MISSING] = { "missing", LAT_COUNT_LOSSY_GAP },
	[LATTICE_DROP_REFUSED] = { "refused", LAT_COUNT_OPEN_REFUSED },
	[LATTICE_DROP_RULE] = { "rule", LAT_COUNT_PROTO },
};

const char *lattice_drop_name(enum lattice_drop cause)
{
	return (size_t)cause < LATTICE_DROP_COUNT ? drops[cause].name : "";
}

/* "udp 192.0.2.2:15000" without the protocol. */
static void put_address(struct lattice_peer_stats *out, const struct lat_path *path)
{
	char text[LAT_PATH_TEXT];
	const char *at = path->family != 0 ? strchr(lat_path_format(path, text, sizeof(text)), ' ') : NULL;

	if (at != NULL && strlen(at + 1) < sizeof(out->address))
		memcpy(out->address, at + 1, strlen(at));
}

/* Inside begin and end. */
static int peer_stats(struct lat_network *net, uint64_t now, lattice_node_id peer,
		      struct lattice_peer_stats *out)
{
	struct lat_peer_info info;
	int rc = lat_engine_peer_info(net->engine, now, peer, &info);

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
		.state = info.closing ? LATTICE_PEER_CLOSING : (enum lattice_peer_state)info.state,
		.err = info.state == LAT_PEER_DOWN ? info.err : 0,
		.packet_max = info.packet_max,
		.rtt_min_ns = info.min_rtt_ns,
		.window_bytes = info.window_bytes,
		.flight_bytes = info.flight_bytes,
		.rekeys = info.rekeys,
		.messages_in = info.messages_in,
		.messages_out = info.messages_out,
		.message_bytes_in = info.message_bytes_in,
		.message_bytes_out = info.message_bytes_out,
		.lost = info.counters[LAT_COUNT_LOST],
		.late = info.counters[LAT_COUNT_SPURIOUS],
		.resent = info.counters[LAT_COUNT_RESENT],
		.probes = info.counters[LAT_COUNT_PTO],
	};
	put_address(out, &info.path);
	for (size_t i = 0; i < LATTICE_DROP_COUNT; i++)
		out->dropped[i] = info.counters[drops[i].counter] +
				  (i == LATTICE_DROP_CHANNEL ? info.counters[LAT_COUNT_IDX] : 0);
	return 0;
}

int lat_network_peer(struct lat_network *net, lattice_node_id peer, struct lattice_peer_stats *out)
{
	uint64_t now;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	rc = peer_stats(net, now, peer, out);
	lat_network_end(net);
	return rc;
}

bool lat_network_next_peer(struct lat_network *net, lattice_node_id after, struct lat_network_peer *out)
{
	const struct lattice_peer *peer = NULL;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return false;
	for (size_t i = 0; i < lat_state_peer_count(net->state) && peer == NULL; i++)
		if (lat_state_peer_at(net->state, i)->node > after)
			peer = lat_state_peer_at(net->state, i);
	if (peer != NULL) {
		*out = (struct lat_network_peer){ .has_key = lat_peer_has_key(peer) };
		memcpy(out->name, peer->name, sizeof(out->name));
		memcpy(out->endpoint, peer->endpoint, sizeof(out->endpoint));
		if (peer_stats(net, now, peer->node, &out->stats) < 0)
			out->stats = (struct lattice_peer_stats){ .node = peer->node, .proto = peer->proto };
	}
	lat_network_end(net);
	return peer != NULL;
}

/*
 * The machine and the driver joined. Every entry is begin ... end: the lock, the time, the call, then what became due.
 */
#include "node/network.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/error.h>
#include <lattice/state.h>

#include "base/log.h"
#include "net/driver.h"
#include "net/resolve.h"
#include "node/explain.h"
#include "node/node.h"
#include "node/remote.h"
#include "node/state.h"
#include "node/stats.h"
#include "os/arena.h"
#include "os/clock.h"
#include "os/poll.h"
#include "os/random.h"

enum {
	ARENA_SLOTS_MAX = 32768, /* 8 MiB of keys */
	PATHS_MAX = 8,
};

static const int64_t drain_ns = 2 * LAT_NS_PER_S; /* how long shutdown waits for acknowledgements */

struct lat_ping { /* on the caller's stack */
	uint64_t token, rtt_ns;
	bool answered;
	struct lat_ping *next;
};

/* ---- one call at a time ---- */

uint64_t lat_network_now(void)
{
	return lat_clock_boottime_ns();
}

int lat_network_begin(struct lat_network *net, uint64_t *now)
{
	pthread_mutex_lock(&net->lock);
	if (net->engine == NULL) {
		pthread_mutex_unlock(&net->lock);
		return -ESHUTDOWN;
	}
	*now = lat_network_now();
	return 0;
}

void lat_network_end(struct lat_network *net)
{
	if (net->engine != NULL)
		lat_driver_wake(net->driver, lat_engine_tick(net->engine, lat_network_now()));
	pthread_mutex_unlock(&net->lock);
}

int lat_network_wait(struct lat_network *net, struct lat_waitq *q, uint64_t deadline_ns)
{
	int rc;

	lat_driver_wake(net->driver, lat_engine_tick(net->engine, lat_network_now()));
	if (!net->no_thread) {
		rc = lat_waitq_wait(q, &net->lock, deadline_ns);
	} else {
		pthread_mutex_unlock(&net->lock);
		rc = lat_network_turn(net, -1, deadline_ns);
		pthread_mutex_lock(&net->lock);
	}
	if (net->engine == NULL)
		return -ESHUTDOWN;
	return rc;
}

int lat_network_turn(struct lat_network *net, int fd, uint64_t deadline_ns)
{
	struct pollfd pfd[2] = { { .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	int rc;

	pthread_mutex_lock(&net->lock);
	if (net->engine == NULL) {
		pthread_mutex_unlock(&net->lock);
		return -ESHUTDOWN;
	}
	pfd[0].fd = lat_driver_fd(net->driver);
	net->turning++; /* shutdown waits for us */
	pthread_mutex_unlock(&net->lock);

	rc = lat_poll_until(pfd, fd < 0 ? 1 : 2, deadline_ns);
	if (rc >= 0)
		rc = lat_driver_turn(net->driver, 0); /* -EBUSY: another caller is at it */

	pthread_mutex_lock(&net->lock);
	net->turning--;
	lat_waitq_wake(&net->changed);
	pthread_mutex_unlock(&net->lock);
	return rc == -ETIMEDOUT ? rc : 0;
}

/* ---- what the machine asks for ---- */

static void on_random(void *ctx, void *buf, size_t bytes)
{
	(void)ctx;
	lat_random(buf, bytes);
}

static void *on_secret_get(void *ctx)
{
	struct lat_network *net = ctx;

	return lat_arena_get(net->arena);
}

static void on_secret_put(void *ctx, void *slot)
{
	struct lat_network *net = ctx;

	lat_arena_put(net->arena, slot);
}

static int on_transmit(void *ctx, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	struct lat_network *net = ctx;

	return lat_driver_send(net->driver, to, packet, bytes);
}

/* Section 7: of two connections the one opened by the smaller id is kept; of two opened by one node, the newer. */
static void on_path_proven(void *ctx, const struct lat_path *from, uint32_t node)
{
	struct lat_network *net = ctx;
	bool ours;

	if (from->proto != LAT_PROTO_TCP)
		return;
	ours = lat_driver_conn_outgoing(net->driver, from->conn);
	lat_driver_conn_prove(net->driver, from->conn, node,
			      ours == lat_engine_smaller_id(net->engine, node));
}

static void on_peer_state(void *ctx, uint32_t node, enum lat_peer_state state, int err)
{
	struct lat_network *net = ctx;

	if (state == LAT_PEER_UP)
		lat_log(LAT_LOG_INFO, "node %u: session up", node);
	else if (state == LAT_PEER_DOWN)
		lat_log(LAT_LOG_INFO, "node %u: down (%s)", node, lattice_error_name(err));
	lat_waitq_wake(&net->changed);
	lat_outbound_wake(net, node);
}

static void on_net_frame(void *ctx, uint32_t node, const uint8_t *data, size_t bytes)
{
	(void)ctx;
	(void)node;
	(void)data;
	(void)bytes; /* nobody can ask for driver frames yet */
}

static void on_pong(void *ctx, uint32_t node, uint64_t token, uint64_t rtt_ns)
{
	struct lat_network *net = ctx;

	(void)node;
	for (struct lat_ping *p = net->pings; p != NULL; p = p->next) {
		if (p->token != token)
			continue;
		p->answered = true;
		p->rtt_ns = rtt_ns;
		lat_waitq_wake(&net->changed);
	}
}

static const struct lat_engine_ops engine_ops = {
	.random = on_random,
	.secret_get = on_secret_get,
	.secret_put = on_secret_put,
	.transmit = on_transmit,
	.path_proven = on_path_proven,
	.peer_state = on_peer_state,
	.inbound_open = lat_inbound_on_open,
	.deliver = lat_inbound_on_deliver,
	.inbound_ended = lat_inbound_on_ended,
	.outbound_opened = lat_outbound_on_opened,
	.outbound_ended = lat_outbound_on_ended,
	.outbound_room = lat_outbound_on_room,
	.net_frame = on_net_frame,
	.pong = on_pong,
};

/* ---- what the driver brings: no lock is held ---- */

static int drv_packet(void *ctx, const struct lat_path *from, uint8_t *packet, size_t bytes)
{
	struct lat_network *net = ctx;
	uint64_t now;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return 0;
	rc = lat_engine_packet(net->engine, now, from, packet, bytes);
	lat_network_end(net);
	return rc;
}

static void drv_conn_up(void *ctx, uint32_t node)
{
	struct lat_network *net = ctx;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	lat_engine_conn_up(net->engine, now, node);
	lat_network_end(net);
}

static void drv_conn_down(void *ctx, uint32_t node, int err)
{
	struct lat_network *net = ctx;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	lat_engine_conn_down(net->engine, now, node, err);
	lat_network_end(net);
}

static void drv_writable(void *ctx, uint32_t node)
{
	struct lat_network *net = ctx;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	lat_engine_writable(net->engine, now, node);
	lat_network_end(net);
}

static uint64_t drv_tick(void *ctx)
{
	struct lat_network *net = ctx;
	uint64_t now, next;

	if (lat_network_begin(net, &now) < 0)
		return UINT64_MAX;
	next = lat_engine_tick(net->engine, now);
	pthread_mutex_unlock(&net->lock);
	return next;
}

static const struct lat_driver_ops driver_ops = {
	.packet = drv_packet,
	.conn_up = drv_conn_up,
	.conn_down = drv_conn_down,
	.writable = drv_writable,
	.tick = drv_tick,
};

/* ---- peers ---- */

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
	if (rc < 0)
		return lat_why(handle, rc, "node %u: the name '%s' cannot be resolved now", node, host);
	*path = found[0];
	path->node = node;
	return 0;
}

static int add_peer(struct lat_network *net, const struct lattice_peer *peer)
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
	rc = lat_engine_peer_add(net->engine, &pc);
	if (rc < 0)
		(void)lat_why(NULL, rc, "peer %u cannot be added: %s", peer->node,
			      rc == -EINVAL ? "its number or key is this node's own"
					    : lattice_error_name(rc));
out:
	lat_wipe(&pc, sizeof(pc));
	return rc;
}

int lat_network_set_remote(struct lat_network *net, lattice_node_id peer, const char *endpoint,
			   enum lattice_proto proto)
{
	struct lat_peer_info info;
	struct lat_path path;
	uint64_t now;
	int rc;

	if (endpoint != NULL) {
		rc = resolve(net->node, endpoint, proto, peer, &path);
		if (rc < 0)
			return rc;
	}
	rc = lat_network_begin(net, &now);
	if (rc < 0)
		return rc;
	if (endpoint == NULL) {
		rc = lat_engine_peer_info(net->engine, now, peer, &info);
		if (rc == 0 && info.path.family == 0)
			rc = -EDESTADDRREQ;
		if (rc == 0) {
			path = info.path;
			path.proto = proto_of(proto);
			path.conn = 0;
		}
	}
	if (rc == 0)
		rc = lat_engine_peer_path(net->engine, peer, &path);
	lat_network_end(net);
	return rc;
}

/* 0: up. Inside begin and end. */
static int wait_up(struct lat_network *net, uint64_t now, lattice_node_id peer, uint64_t deadline)
{
	struct lat_peer_info info;
	int rc = lat_engine_peer_connect(net->engine, now, peer);

	for (;;) {
		if (rc < 0)
			return rc;
		rc = lat_engine_peer_info(net->engine, lat_network_now(), peer, &info);
		if (rc < 0)
			return rc;
		if (info.state == LAT_PEER_UP)
			return 0;
		if (info.state == LAT_PEER_DOWN)
			return info.err < 0 ? info.err : -EHOSTUNREACH;
		rc = lat_network_wait(net, &net->changed, deadline);
	}
}

int lat_network_connect(struct lat_network *net, lattice_node_id peer, int64_t timeout_ns)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns), now;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	rc = wait_up(net, now, peer, deadline);
	lat_network_end(net);
	return rc;
}

int lat_network_ping(struct lat_network *net, lattice_node_id peer, uint64_t *rtt_ns, int64_t timeout_ns)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns), now;
	struct lat_ping ping = { 0 }, **at;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	rc = wait_up(net, now, peer, deadline);
	if (rc < 0) {
		lat_network_end(net);
		return rc;
	}
	ping.token = ++net->ping_token;
	ping.next = net->pings;
	net->pings = &ping;
	rc = lat_engine_ping(net->engine, lat_network_now(), peer, ping.token);
	while (rc == 0 && !ping.answered)
		rc = lat_network_wait(net, &net->changed, deadline);
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

void lat_network_stats(struct lat_network *net, struct lat_stats *s)
{
	struct lat_arena_stats keys;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	for (int i = 0; i < LAT_COUNT_MAX; i++) {
		enum lat_engine_counter c = (enum lat_engine_counter)i;

		lat_stats_put(s, lat_engine_counter_name(c), lat_engine_counter_text(c),
			      lat_engine_counter(net->engine, c));
	}
	for (int i = 0; i < LAT_NET_COUNTERS; i++) {
		enum lat_driver_counter c = (enum lat_driver_counter)i;

		lat_stats_put(s, lat_driver_counter_name(c), lat_driver_counter_text(c),
			      lat_driver_counter(net->driver, c));
	}
	lat_arena_stats(net->arena, &keys);
	lat_stats_put(s, "keys.used", "slots of the key arena in use", keys.slots_used);
	lat_stats_put(s, "keys.locked", "1: the key arena is locked in memory", keys.locked);
	lat_network_end(net);
}

uint16_t lat_network_port(struct lat_network *net)
{
	uint16_t port = 0;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return 0;
	port = lat_driver_port(net->driver);
	lat_network_end(net);
	return port;
}

/* ---- life ---- */

static int open_engine(struct lat_network *net, const struct lattice_node_config *cfg)
{
	struct lat_engine_config ec = { .node = lat_state_node(net->state),
					.seed = net->seed,
					.max_msg = cfg->max_msg_bytes };
	int rc;

	lat_random(&ec.boot_id, sizeof(ec.boot_id));
	memcpy(ec.pk, lat_state_public_key(net->state), sizeof(ec.pk));
	memcpy(ec.mesh_key, lat_state_mesh_key(net->state), sizeof(ec.mesh_key));
	rc = lat_engine_open(&net->engine, &ec, &engine_ops, net, lat_network_now());
	lat_wipe(&ec, sizeof(ec));
	return rc;
}

static int open_driver(struct lat_network *net, const struct lattice_node_config *cfg)
{
	struct lat_driver_config dc = {
		.port = (uint16_t)(cfg->port == LATTICE_PORT_ANY ? 0
				   : cfg->port == 0              ? LATTICE_PORT_DEFAULT
								 : cfg->port),
		.bind_host = cfg->bind_host,
		.no_thread = cfg->no_threads,
	};
	int rc = lat_driver_open(&net->driver, &dc, &driver_ops, net);

	if (rc < 0)
		return lat_why(NULL, rc, "port %u%s%s cannot be bound (UDP and TCP): %s", dc.port,
			       dc.bind_host != NULL ? " of " : "", dc.bind_host != NULL ? dc.bind_host : "",
			       rc == -EADDRINUSE ? "another program has it; choose another port"
						 : lattice_error_name(rc));
	return 0;
}

int lat_network_open(struct lat_network **out, struct lattice_node *node,
		     const struct lattice_node_config *cfg, lattice_node_id *id)
{
	struct lat_network *net = calloc(1, sizeof(*net));
	int rc;

	if (net == NULL)
		return -ENOMEM;
	pthread_mutex_init(&net->lock, NULL);
	net->node = node;
	net->no_thread = cfg->no_threads;

	rc = lat_arena_open(&net->arena, ARENA_SLOTS_MAX, cfg->allow_unlocked_keys);
	if (rc < 0) {
		(void)lat_why(
			NULL, rc,
			"the memory for keys cannot be locked: raise 'ulimit -l', or set allow_unlocked_keys");
		goto fail;
	}
	net->seed = lat_arena_get(net->arena);
	if (net->seed == NULL) {
		rc = lat_why(
			NULL, -EPERM,
			"the memory for keys cannot be locked: raise 'ulimit -l', or set allow_unlocked_keys");
		goto fail;
	}
	rc = lat_state_open(&net->state, cfg->state_dir, cfg->node_id, net->seed);
	if (rc < 0)
		goto fail;
	rc = open_engine(net, cfg);
	if (rc < 0)
		goto fail;
	for (size_t i = 0; i < lat_state_peer_count(net->state); i++) {
		rc = add_peer(net, lat_state_peer_at(net->state, i));
		if (rc < 0)
			goto fail;
	}
	*id = lat_state_node(net->state);
	*out = net; /* the I/O thread may call us as soon as it runs */
	pthread_mutex_lock(&net->lock);
	rc = open_driver(net, cfg);
	pthread_mutex_unlock(&net->lock);
	if (rc == 0)
		return 0;
	*out = NULL;
fail:
	lat_network_free(net);
	return rc;
}

/* Waits for acknowledgements of what was accepted, then sends CLOSE to every peer. Inside begin and end. */
static void say_goodbye(struct lat_network *net, uint64_t now)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), drain_ns);
	int rc = 0;

	while (rc == 0 && lat_outbound_any_unacked(net))
		rc = lat_network_wait(net, &net->changed, deadline);
	if (rc == -ESHUTDOWN)
		return;
	for (size_t i = 0; i < lat_state_peer_count(net->state); i++)
		(void)lat_engine_peer_close(net->engine, now, lat_state_peer_at(net->state, i)->node,
					    LAT_CODE_ESHUTDOWN);
	(void)lat_engine_tick(net->engine, lat_network_now());
}

void lat_network_shutdown(struct lat_network *net)
{
	struct lat_driver *driver;
	struct lat_engine *engine;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	if (net->closing) {
		pthread_mutex_unlock(&net->lock);
		return;
	}
	net->closing = true;
	say_goodbye(net, now);
	engine = net->engine;
	driver = net->driver;
	net->engine = NULL; /* from now on begin refuses, the driver's calls too */
	lat_outbound_end_all(net);
	lat_inbound_end_all(net);
	lat_waitq_wake(&net->changed);
	while (net->turning > 0) { /* each leaves when it has looked once */
		lat_driver_wake(driver, 0);
		pthread_mutex_unlock(&net->lock);
		(void)sched_yield();
		pthread_mutex_lock(&net->lock);
	}
	pthread_mutex_unlock(&net->lock);

	lat_driver_close(driver); /* joins the thread */
	pthread_mutex_lock(&net->lock);
	net->driver = NULL;
	lat_engine_close(engine);
	lat_state_close(net->state); /* unlocks the directory */
	net->state = NULL;
	lat_arena_close(net->arena);
	net->arena = NULL;
	pthread_mutex_unlock(&net->lock);
}

void lat_network_free(struct lat_network *net)
{
	if (net == NULL)
		return;
	lat_driver_close(net->driver);
	lat_engine_close(net->engine);
	lat_state_close(net->state);
	lat_arena_close(net->arena);
	pthread_mutex_destroy(&net->lock);
	free(net);
}

/*
 * The machine and the driver joined. Every entry is begin ... end: the lock, the time, the call, then what became due.
 */
#include "node/network.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/state.h>

#include "base/log.h"
#include "fastpath/wait.h"
#include "net/driver.h"
#include "node/explain.h"
#include "node/grants.h"
#include "node/issuer.h"
#include "node/judge.h"
#include "node/keyfile.h"
#include "node/keylog.h"
#include "node/names.h"
#include "node/node.h"
#include "node/packets.h"
#include "node/remote.h"
#include "node/state.h"
#include "node/stats.h"
#include "node/statsock.h"
#include "os/arena.h"
#include "os/clock.h"
#include "os/random.h"
#include "wire/packet.h"

enum {
	ARENA_SLOTS_MAX = 32768, /* 8 MiB of keys */
	HOLD_BYTES = 32 << 10,   /* of messages that wait for others */
	LOOK_EVERY = 8,          /* of them at the clock */
};

static const char keys_unlocked[] =
	"the memory for keys cannot be locked: raise 'ulimit -l', or set allow_unlocked_keys";
static const uint64_t hold_ns = 20 * (uint64_t)LAT_NS_PER_US, hold_max_ns = 50 * (uint64_t)LAT_NS_PER_US;

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

int lat_network_begin_held(struct lat_network *net, uint64_t *now)
{
	pthread_mutex_lock(&net->lock);
	if (net->engine == NULL) {
		pthread_mutex_unlock(&net->lock);
		return -ESHUTDOWN;
	}
	/* Where there is no thread, nobody else would end the wait in time. */
	if (net->held_bytes == 0 || net->no_thread || ++net->unlooked == LOOK_EVERY) {
		net->looked_ns = lat_network_now();
		net->unlooked = 0;
	}
	*now = net->looked_ns;
	return 0;
}

/* What is due goes out, all that goes to one place together. */
static uint64_t run_engine(struct lat_network *net, uint64_t now)
{
	uint64_t next = lat_engine_tick(net->engine, now);

	lat_driver_flush(net->driver);
	net->ran_ns = now;
	net->held_bytes = 0;
	return next;
}

void lat_network_end(struct lat_network *net)
{
	if (net->engine != NULL)
		lat_driver_wake(net->driver, run_engine(net, lat_network_now()));
	pthread_mutex_unlock(&net->lock);
}

void lat_network_end_held(struct lat_network *net, uint64_t now, size_t bytes)
{
	net->held_bytes += bytes;
	if (now - net->ran_ns >= hold_ns || net->held_bytes >= HOLD_BYTES) {
		lat_network_end(net);
		/* Credit has come meanwhile, and nobody else reads it: who only sends would use his up, and then wait. */
		if (net->no_thread)
			(void)!lat_driver_turn(net->driver, 0);
		return;
	}
	/* Later than who goes on sending will see to it himself: a thread that is woken for it costs more than it brings. */
	lat_driver_wake(net->driver, net->ran_ns + hold_max_ns);
	pthread_mutex_unlock(&net->lock);
}

static void mark(struct lat_waiter *w)
{
	w->woken = true;
}

/* no_thread only: runs the network for a while instead of sleeping, where that pays. Whether it was woken. */
static bool spin(struct lat_network *net, struct lat_waitq *q, uint64_t deadline_ns)
{
	struct lat_waiter w = { .wake = mark };
	uint64_t now = lat_clock_monotonic_ns(), until = now + LAT_SPIN_NS;
	bool over = false;

	if (lat_wait_hooked() || now >= deadline_ns || !lat_spin_pays(&net->spin, LAT_CPU_UNKNOWN))
		return false;
	lat_waitq_add(q, &w);
	while (!w.woken && !over && net->engine != NULL) {
		pthread_mutex_unlock(&net->lock);
		over = lat_driver_turn(net->driver, 0) < 0 || (now = lat_clock_monotonic_ns()) >= until ||
		       now >= deadline_ns;
		pthread_mutex_lock(&net->lock);
	}
	lat_waitq_remove(q, &w);
	lat_spin_ended(&net->spin, !w.woken);
	return w.woken;
}

int lat_network_wait(struct lat_network *net, struct lat_waitq *q, uint64_t deadline_ns)
{
	struct lat_waiter w;
	int rc;

	lat_driver_wake(net->driver, run_engine(net, lat_network_now()));
	if (net->no_thread && spin(net, q, deadline_ns)) {
		rc = 0;
	} else if (!net->no_thread) {
		rc = lat_waitq_wait(q, &net->lock, deadline_ns);
	} else {
		/* What we wait for may also come by a turn of another caller's. */
		rc = lat_waitq_enter(q, &w);
		if (rc < 0)
			return rc;
		pthread_mutex_unlock(&net->lock);
		rc = lat_network_turn(net, w.fd, deadline_ns);
		pthread_mutex_lock(&net->lock);
		lat_waitq_leave(q, &w);
	}
	return net->engine == NULL ? -ESHUTDOWN : rc;
}

int lat_network_turn(struct lat_network *net, int fd, uint64_t deadline_ns)
{
	int rc = deadline_ns == 0 ? 0 : lat_wait_readable(lat_driver_fd(net->driver), fd, deadline_ns);

	if (rc == 0)
		rc = lat_driver_turn(net->driver, 0);
	return rc == -EBUSY ? 0 : rc; /* another caller is at it */
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

	/* Of a handshake the engine wants to know whether the kernel refuses it; what is lost of the rest is sent again. */
	if (bytes > 0 && packet[LAT_PKT_TYPE] == LAT_PKT_DATA)
		return lat_driver_post(net->driver, to, packet, bytes);
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

/* What the kernel takes and nobody answers looks like a good connection to it: section 8.1 knows better. */
static void on_path_silent(void *ctx, uint32_t node)
{
	struct lat_network *net = ctx;

	lat_driver_renew(net->driver, node);
}

static void on_peer_state(void *ctx, uint32_t node, enum lat_peer_state state, int err)
{
	struct lat_network *net = ctx;

	if (state == LAT_PEER_UP)
		lat_log(LAT_LOG_INFO, "node %u: session up", node);
	else if (state == LAT_PEER_DOWN)
		lat_log(LAT_LOG_INFO, "node %u: down (%s)", node, lattice_error_name(err));
	lat_waitq_wake(&net->changed);
	lat_waitq_wake(&net->room);
	lat_outbound_wake(net, node);
}

static void on_net_frame(void *ctx, uint32_t node, const uint8_t *data, size_t bytes)
{
	struct lat_network *net = ctx;

	if (net->node->packets != NULL) /* else nobody asked for them */
		lat_packets_put(net->node->packets, node, data, bytes);
}

static uint64_t on_clock(void *ctx)
{
	(void)ctx;
	return lat_network_now();
}

static uint64_t on_wall_s(void *ctx)
{
	(void)ctx;
	return lat_clock_wall_s();
}

static void on_keylog(void *ctx, uint32_t idx, uint16_t chan, const uint8_t subkey[32])
{
	const struct lat_network *net = ctx;

	lat_keylog_write(net->keylog, idx, chan, subkey);
}

static const struct lat_engine_ops engine_ops = {
	.random = on_random,
	.secret_get = on_secret_get,
	.secret_put = on_secret_put,
	.transmit = on_transmit,
	.path_proven = on_path_proven,
	.path_silent = on_path_silent,
	.peer_state = on_peer_state,
	.cap_key = lat_rights_on_key,
	.cap_admit = lat_rights_on_admit,
	.proof_wrong = lat_rights_on_proof_wrong,
	.cap_live = lat_rights_on_live,
	.inbound_cut = lat_inbound_on_cut,
	.wall_s = on_wall_s,
	.revoked_told = lat_rights_on_told,
	.inbound_open = lat_inbound_on_open,
	.deliver = lat_inbound_on_deliver,
	.inbound_ended = lat_inbound_on_ended,
	.outbound_opened = lat_outbound_on_opened,
	.outbound_ended = lat_outbound_on_ended,
	.outbound_room = lat_outbound_on_room,
	.call_over = lat_outbound_on_call_over,
	.net_frame = on_net_frame,
	.pong = lat_network_on_pong,
	.resolve = lat_names_on_resolve,
	.resolved = lat_names_on_resolved,
	.clock = on_clock,
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
	lat_waitq_wake(&net->room); /* it may have acknowledged */
	lat_outbound_acked(net);
	pthread_mutex_unlock(&net->lock); /* what is due now goes out at the end of the turn, in drv_tick() */
	return rc;
}

/* No transient connection stays, or is opened again, that the machine does not want. */
static void rest(struct lat_network *net, uint32_t node)
{
	if (lat_engine_peer_rest(net->engine, node))
		lat_driver_rest(net->driver, node);
}

static void drv_idle(void *ctx, uint32_t node)
{
	struct lat_network *net = ctx;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	rest(net, node);
	lat_network_end(net);
}

static void drv_conn_up(void *ctx, uint32_t node)
{
	struct lat_network *net = ctx;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	lat_engine_conn_up(net->engine, now, node);
	lat_waitq_wake(&net->room);
	lat_network_end(net);
}

static void drv_conn_down(void *ctx, uint32_t node, int err)
{
	struct lat_network *net = ctx;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	lat_engine_conn_down(net->engine, now, node, err);
	lat_netsend_failed(net, node, err);
	rest(net, node);
	lat_network_end(net);
}

static void drv_writable(void *ctx, uint32_t node)
{
	struct lat_network *net = ctx;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	lat_engine_writable(net->engine, now, node);
	lat_waitq_wake(&net->room);
	lat_network_end(net);
}

static uint64_t drv_tick(void *ctx)
{
	struct lat_network *net = ctx;
	uint64_t now, next;

	if (lat_network_begin(net, &now) < 0)
		return UINT64_MAX;
	next = run_engine(net, now);
	lat_waitq_wake(&net->room);
	pthread_mutex_unlock(&net->lock);
	return next;
}

static const struct lat_driver_ops driver_ops = {
	.packet = drv_packet,
	.conn_up = drv_conn_up,
	.conn_down = drv_conn_down,
	.writable = drv_writable,
	.idle = drv_idle,
	.tick = drv_tick,
};

/* ---- what is said about it ---- */

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
	lat_outbound_stats(net, s);
	lat_inbound_stats(net, s);
	lat_stats_put(s, "keys.used", "slots of the key arena in use", keys.slots_used);
	lat_stats_put(s, "keys.locked", "1: the key arena is locked in memory", keys.locked);
	lat_network_end(net);
}

int lat_network_rule(struct lat_network *net)
{
	struct lat_policy *policy = NULL;
	int rc;

	pthread_mutex_lock(&net->lock); /* of the peers, whose names it may say */
	rc = net->state != NULL ? lat_judge_read(&policy, net->node->policy_file, net->state) : -ESHUTDOWN;
	pthread_mutex_unlock(&net->lock);
	if (rc == 0)
		rc = lat_node_audit_to(net->node, lat_policy_audit(policy));
	if (rc == 0)
		lat_judge_rule(net->node->judge, policy);
	else
		lat_policy_free(policy);
	return rc;
}

uint16_t lat_network_port(const struct lat_network *net)
{
	return lat_driver_port(net->driver);
}

/* ---- life ---- */

static int open_engine(struct lat_network *net, const struct lattice_node_config *cfg)
{
	struct lat_engine_config ec = { .node = lat_state_node(net->state),
					.key = net->key,
					.max_msg = cfg->max_msg_bytes };
	int rc;

	lat_random(&ec.boot_id, sizeof(ec.boot_id));
	memcpy(ec.pk, lat_state_public_key(net->state), sizeof(ec.pk));
	memcpy(ec.mesh_key, lat_state_mesh_key(net->state), sizeof(ec.mesh_key));
	net->ops = engine_ops;
	net->keylog = lat_keylog_open(lat_state_dir(net->state));
	if (net->keylog >= 0)
		net->ops.keylog = on_keylog;
	rc = lat_engine_open(&net->engine, &ec, &net->ops, net, lat_network_now());
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
			       : rc == -EINVAL   ? "bind_host is not a literal address"
						 : lattice_error_name(rc));
	return 0;
}

/* The node runs without it: a read-only disk, a system that has no more threads. */
static void open_window(struct lat_network *net)
{
	int rc;

	if (net->no_thread)
		return;
	rc = lat_statsock_open(&net->window, net->node, lat_state_dir(net->state));
	if (rc < 0)
		lat_log(LAT_LOG_WARN, "%s/" LAT_STATSOCK_NAME " cannot be opened: %s",
			lat_state_dir(net->state), lattice_error_name(rc));
}

static void on_told(void *ctx, lattice_node_id node, struct lat_cap_ref life)
{
	lat_grants_told(ctx, node, life);
}

/* What this node gave out when it ran before is good from the first packet on. */
static int open_issuer(struct lat_network *net)
{
	struct lat_network_rights rights = { .told = on_told, .ctx = net->node->grants };
	char path[PATH_MAX];
	uint8_t id[LATTICE_FINGERPRINT_BYTES];
	int n = snprintf(path, sizeof(path), "%s/capabilities", lat_state_dir(net->state));

	if (n < 0 || (size_t)n >= sizeof(path))
		return lat_why(NULL, -ENAMETOOLONG, "the state directory's path is too long");
	lat_key_fingerprint(id, lat_state_public_key(net->state));
	n = lat_grants_make(net->node->grants, path, id, &rights.issuer);
	if (n < 0)
		return n;
	rights.lives = lat_issuer_lives(rights.issuer);
	lat_network_set_rights(net, &rights);
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
	net->keylog = -1;
	net->drain_ns = 2 * LAT_NS_PER_S;
	net->no_thread = cfg->no_threads;
	lat_inbound_sizes(node->len_max, &net->inbound_sizes);

	rc = lat_arena_open(&net->arena, ARENA_SLOTS_MAX, cfg->allow_unlocked_keys);
	if (rc == -EPERM)
		(void)lat_why(NULL, rc, "%s", keys_unlocked);
	if (rc < 0)
		goto fail;
	net->key = lat_arena_get_long(net->arena, sizeof(*net->key));
	if (net->key == NULL) {
		rc = lat_why(NULL, -EPERM, "%s", keys_unlocked);
		goto fail;
	}
	rc = lat_state_open(&net->state, cfg->state_dir, cfg->node_id, net->key->seed);
	if (rc == 0)
		rc = lat_kem_key_init(net->key, net->key->seed);
	if (rc < 0)
		goto fail;
	rc = open_engine(net, cfg);
	if (rc < 0)
		goto fail;
	rc = lat_network_peers_open(net);
	lat_state_wipe_secrets(net->state); /* the machine has them, in the arena */
	if (rc < 0)
		goto fail;
	*id = lat_state_node(net->state);
	node->id = *id;
	rc = open_issuer(net);
	if (rc < 0)
		goto fail;
	*out = net; /* the I/O thread may call us as soon as it runs */
	pthread_mutex_lock(&net->lock);
	rc = open_driver(net, cfg);
	pthread_mutex_unlock(&net->lock);
	if (rc == 0) {
		open_window(net);
		return 0;
	}
	*out = NULL;
fail:
	lat_network_free(net);
	return rc;
}

/*
 * Waits until the peers have acknowledged what was accepted here, and have heard how much of theirs was; then sends CLOSE to each.
 * Inside begin and end.
 */
static void say_goodbye(struct lat_network *net)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), net->drain_ns);
	int rc = 0;

	lat_inbound_reset_all(net, lat_network_now());
	while (rc == 0 && (lat_outbound_any_unacked(net) || lat_engine_any_reset_unacked(net->engine)))
		rc = lat_network_wait(net, &net->room, deadline);
	for (size_t i = 0; i < net->neighbour_count; i++)
		(void)lat_engine_peer_close(net->engine, lat_network_now(), net->neighbours[i]->node,
					    LAT_CODE_ESHUTDOWN);
	(void)run_engine(net, lat_network_now());
}

void lat_network_shutdown(struct lat_network *net)
{
	struct lat_engine *engine;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	if (net->closing) {
		pthread_mutex_unlock(&net->lock);
		return;
	}
	net->closing = true;
	say_goodbye(net);
	engine = net->engine;
	net->engine = NULL; /* from now on begin refuses, the driver's calls too */
	lat_outbound_end_all(net);
	lat_waitq_wake(&net->changed);
	lat_waitq_wake(&net->room);
	pthread_mutex_unlock(&net->lock);

	lat_statsock_close(net->window);
	net->window = NULL;
	lat_driver_shutdown(net->driver); /* joins the thread */
	lat_driver_wake(net->driver, 0);  /* who waits for a turn of theirs: there is none any more */
	pthread_mutex_lock(&net->lock);
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
	lat_network_peers_free(net);
	if (net->keylog >= 0)
		close(net->keylog);
	pthread_mutex_destroy(&net->lock);
	free(net);
}

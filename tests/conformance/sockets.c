/*
 * The engines of a test's world over real sockets: each node has a driver on a port of 127.0.0.1. One thread turns them all, and the
 * world's time is CLOCK_BOOTTIME.
 */
#include <poll.h>

#include "conformance.h"
#include "net/driver.h"
#include "os/clock.h"

struct sockets {
	struct lat_driver *driver[WORLD_NODES];
	uint16_t port[WORLD_NODES];
};

static struct lat_driver **driver_of(const struct world_node *n)
{
	struct sockets *s = n->world->carrier_ctx;

	return &s->driver[n->index];
}

/* ---- what the driver calls ---- */

static uint64_t now_of(struct world_node *n)
{
	n->world->now = lat_clock_boottime_ns();
	return world_time(n);
}

static int on_packet(void *ctx, const struct lat_path *from, uint8_t *packet, size_t bytes)
{
	struct world_node *n = ctx;

	return n->engine == NULL ? 0 : lat_engine_packet(n->engine, now_of(n), from, packet, bytes);
}

static void on_conn_up(void *ctx, uint32_t node)
{
	struct world_node *n = ctx;

	if (n->engine != NULL)
		lat_engine_conn_up(n->engine, now_of(n), node);
}

static void on_conn_down(void *ctx, uint32_t node, int err)
{
	struct world_node *n = ctx;

	if (n->engine != NULL)
		lat_engine_conn_down(n->engine, now_of(n), node, err);
}

static void on_writable(void *ctx, uint32_t node)
{
	struct world_node *n = ctx;

	for (uint32_t i = 1; n->engine != NULL && i <= (uint32_t)n->world->nodes; i++)
		if (node == 0 || node == i)
			lat_engine_writable(n->engine, now_of(n), i);
}

static void on_idle(void *ctx, uint32_t node)
{
	(void)ctx;
	(void)node;
}

static uint64_t on_tick(void *ctx)
{
	struct world_node *n = ctx;

	if (n->engine == NULL)
		return UINT64_MAX;
	(void)now_of(n);
	world_tick(n->world, n->index);
	return n->tick_at;
}

static const struct lat_driver_ops driver_ops = { .packet = on_packet,
						  .conn_up = on_conn_up,
						  .conn_down = on_conn_down,
						  .writable = on_writable,
						  .idle = on_idle,
						  .tick = on_tick };

/* ---- the carrier ---- */

/* The same port again, after the first time. */
static void boot(struct world_node *n)
{
	struct sockets *s = n->world->carrier_ctx;
	const struct lat_driver_config cfg = { .port = s->port[n->index],
					       .bind_host = "127.0.0.1",
					       .no_thread = true };

	CHECK_EQ(lat_driver_open(driver_of(n), &cfg, &driver_ops, n), 0);
	s->port[n->index] = lat_driver_port(*driver_of(n));
}

static void crash(struct world_node *n)
{
	struct lat_driver **d = driver_of(n);

	lat_driver_close(*d);
	*d = NULL;
}

static void open_sockets(struct world *w)
{
	w->carrier_ctx = calloc(1, sizeof(struct sockets));
	w->now = lat_clock_boottime_ns();
	for (int i = 0; i < w->nodes; i++) {
		w->node[i].world = w;
		w->node[i].index = i;
		boot(&w->node[i]);
	}
}

static void close_sockets(struct world *w)
{
	for (int i = 0; i < w->nodes; i++)
		crash(&w->node[i]);
	free(w->carrier_ctx);
}

static struct lat_path path(struct world *w, int index, uint8_t proto)
{
	const struct sockets *s = w->carrier_ctx;

	return (struct lat_path){ .proto = proto,
				  .family = 4,
				  .port = s->port[index],
				  .addr = { 127, 0, 0, 1 },
				  .node = world_node_number(index) };
}

static int transmit(struct world_node *n, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	int rc = lat_driver_send(*driver_of(n), to, packet, bytes);

	/* As the node does: of a handshake the engine wants to know whether it is refused, the rest is lost like any other. */
	return to->proto == LAT_PROTO_UDP && rc < 0 && rc != -EMSGSIZE && packet[0] == LAT_PKT_DATA ? 0 : rc;
}

static void proven(struct world_node *n, const struct lat_path *from, uint32_t node)
{
	struct lat_driver *d = *driver_of(n);

	if (from->proto == LAT_PROTO_TCP)
		lat_driver_conn_prove(d, from->conn, node,
				      lat_driver_conn_outgoing(d, from->conn) ==
					      lat_engine_smaller_id(n->engine, node));
}

static void silent(struct world_node *n, uint32_t node)
{
	lat_driver_renew(*driver_of(n), node);
}

static void wake(struct world_node *n)
{
	lat_driver_wake(*driver_of(n), n->tick_at);
}

static void run_sockets(struct world *w, uint64_t until)
{
	struct sockets *s = w->carrier_ctx;

	do {
		struct pollfd fds[WORLD_NODES];
		nfds_t count = 0;

		for (int i = 0; i < w->nodes; i++)
			if (s->driver[i] != NULL)
				fds[count++] = (struct pollfd){ .fd = lat_driver_fd(s->driver[i]),
								.events = POLLIN };
		(void)poll(fds, count, 1);
		for (int i = 0; i < w->nodes; i++)
			if (s->driver[i] != NULL)
				CHECK_EQ(lat_driver_turn(s->driver[i], 0), 0);
		w->now = lat_clock_boottime_ns();
	} while (w->now < until);
}

const struct world_carrier conformance_sockets = {
	.open = open_sockets,
	.close = close_sockets,
	.path = path,
	.transmit = transmit,
	.proven = proven,
	.silent = silent,
	.run = run_sockets,
	.crash = crash,
	.boot = boot,
	.wake = wake,
};

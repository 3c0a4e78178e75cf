/*
 * A small world for tests of the protocol machine: up to four engines, datagrams and streams between them, all in
 * virtual time, everything drawn from one seed. For test files only.
 *
 * UDP loses, doubles and reorders as told. TCP keeps order and has little room, so that -EAGAIN happens; a connection
 * can be cut, which loses what is on the way.
 */
#ifndef LAT_SESSION_ENGINE_HARNESS_H
#define LAT_SESSION_ENGINE_HARNESS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/test.h"
#include "base/util.h"
#include "crypto/aead.h"
#include "session/engine.h"
#include "wire/control.h"
#include "wire/limits.h"
#include "wire/packet.h"
#include "wire/stream.h"

enum {
	WORLD_NODES = 4,
	WORLD_STREAM_ROOM = 256 << 10,
	WORLD_CHANS = 512,
	WORLD_PORT = 15000,
};

#define MS  ((uint64_t)LAT_NS_PER_MS)
#define SEC ((uint64_t)LAT_NS_PER_S)

struct world;

struct world_packet {
	struct world_packet *next;
	uint64_t at, order;
	uint32_t conn; /* TCP */
	int from, to;
	uint8_t proto;
	size_t bytes;
	uint8_t data[];
};

/* What an application at a node saw of one channel. */
struct world_chan {
	bool used, outbound, open, ended;
	int err;
	uint64_t last_seq;
	uint32_t handle;
	uint64_t tag;  /* what its messages are made of */
	uint64_t sent; /* accepted by the engine */
	uint64_t got, next_seq, skipped;
	uint64_t room; /* messages that it still takes */
	bool wants_room;
	int32_t src, dst;
};

struct world_node {
	struct world *world;
	int index;
	struct lat_engine *engine;
	uint8_t seed[32], pk[LAT_KEM_PK];
	uint64_t boot_id, tick_at;
	int secrets;
	enum lat_peer_state state[WORLD_NODES];
	int state_err[WORLD_NODES];
	int ups[WORLD_NODES], downs[WORLD_NODES], silences[WORLD_NODES];
	uint64_t pongs, last_pong, last_rtt;
	uint64_t nets, net_bytes, net_bad;
	bool refuse;   /* nobody listens */
	uint64_t room; /* of channels opened to us */
	struct world_chan chan[WORLD_CHANS];
	uint64_t sent_packets, bad;
};

struct world {
	uint64_t now, rng, order;
	uint64_t delay, jitter;
	uint32_t loss, dup, corrupt; /* of 1000 */
	int nodes;
	struct world_node node[WORLD_NODES];
	struct world_packet *queue;
	struct {
		bool up;
		uint32_t conn;
		bool known[2]; /* lower, higher node knows who is there */
		bool blocked[2];
		size_t queued[2];
		uint64_t last_at[2], up_at;
		size_t strange; /* bytes of a caller that has proved nothing: bounded, as the driver does */
	} stream[WORLD_NODES][WORLD_NODES];
	uint32_t next_conn;
	uint64_t streams_opened, streams_refused;
	bool unreachable;
	/* True: swallow it. */
	bool (*filter)(struct world *w, int from, int to, const uint8_t *packet, size_t bytes);
	void *filter_ctx;
	uint64_t packets_of_type[8];
};

static inline uint64_t world_random(struct world *w)
{
	uint64_t z = (w->rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint32_t world_node_number(int index)
{
	return (uint32_t)index + 1;
}

static inline struct lat_path world_path(int index, uint8_t proto)
{
	return (struct lat_path){ .proto = proto,
				  .family = 4,
				  .port = WORLD_PORT,
				  .addr = { 10, 0, 0, (uint8_t)(index + 1) },
				  .node = world_node_number(index) };
}

/* How many seeds a loop takes: LATTICE_TEST_SEEDS for a long run, else the test's own number. */
static inline uint64_t world_seeds(uint64_t usual)
{
	const char *env = getenv("LATTICE_TEST_SEEDS");

	return env != NULL ? strtoull(env, NULL, 10) : usual;
}

/* ---- operations ---- */

static inline void world_op_random(void *ctx, void *buf, size_t bytes)
{
	struct world_node *n = ctx;
	uint8_t *p = buf;

	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)world_random(n->world);
}

static inline void *world_op_secret_get(void *ctx)
{
	struct world_node *n = ctx;

	n->secrets++;
	return calloc(1, LAT_SECRET_SLOT);
}

static inline void world_op_secret_put(void *ctx, void *slot)
{
	struct world_node *n = ctx;

	n->secrets--;
	free(slot);
}

static inline void world_enqueue(struct world *w, int from, int to, uint8_t proto, uint32_t conn, uint64_t at,
				 const uint8_t *data, size_t bytes)
{
	struct world_packet *p = malloc(sizeof(*p) + bytes), **link = &w->queue;

	*p = (struct world_packet){ .at = at,
				    .order = ++w->order,
				    .conn = conn,
				    .from = from,
				    .to = to,
				    .proto = proto,
				    .bytes = bytes };
	memcpy(p->data, data, bytes);
	while (*link != NULL && ((*link)->at < at || ((*link)->at == at && (*link)->order < p->order)))
		link = &(*link)->next;
	p->next = *link;
	*link = p;
}

static inline bool world_chance(struct world *w, uint32_t of_1000)
{
	return of_1000 != 0 && world_random(w) % 1000 < of_1000;
}

static inline int world_send_udp(struct world_node *n, int to, const uint8_t *data, size_t bytes)
{
	struct world *w = n->world;
	int copies = 1 + world_chance(w, w->dup);

	if (bytes > LAT_UDP_BASE)
		n->bad++;
	for (int i = 0; i < copies; i++) {
		uint64_t at = w->now + w->delay + (w->jitter == 0 ? 0 : world_random(w) % w->jitter);

		if (world_chance(w, w->loss))
			continue;
		world_enqueue(w, n->index, to, LAT_PROTO_UDP, 0, at, data, bytes);
		if (world_chance(w, w->corrupt)) {
			struct world_packet *p = w->queue;

			while (p->order != w->order)
				p = p->next;
			p->data[world_random(w) % bytes] ^= (uint8_t)(1U << world_random(w) % 8);
		}
	}
	return 0;
}

static inline int world_send_tcp(struct world_node *n, int to, uint32_t conn, const uint8_t *data,
				 size_t bytes)
{
	struct world *w = n->world;
	int lo = n->index < to ? n->index : to, hi = n->index < to ? to : n->index, side = n->index == hi;

	if (conn != 0 && (!w->stream[lo][hi].up || w->stream[lo][hi].conn != conn))
		return -ENOTCONN;
	if (!w->stream[lo][hi].up) {
		if (w->stream[lo][hi].up_at == 0)
			w->stream[lo][hi].up_at = w->now + 2 * w->delay + 1;
		w->stream[lo][hi].blocked[side] = true;
		w->stream[lo][hi].known[side] = true; /* it calls, so it knows whom */
		return -EAGAIN;
	}
	if (w->stream[lo][hi].queued[side] > 0 &&
	    w->stream[lo][hi].queued[side] + bytes > WORLD_STREAM_ROOM) {
		w->stream[lo][hi].blocked[side] = true;
		return -EAGAIN;
	}
	w->stream[lo][hi].queued[side] += bytes;
	if (w->stream[lo][hi].last_at[side] < w->now + w->delay)
		w->stream[lo][hi].last_at[side] = w->now + w->delay;
	world_enqueue(w, n->index, to, LAT_PROTO_TCP, w->stream[lo][hi].conn, w->stream[lo][hi].last_at[side],
		      data, bytes);
	return 0;
}

static inline int world_op_transmit(void *ctx, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	struct world_node *n = ctx;
	struct world *w = n->world;
	int index = to->addr[3] - 1, rc;

	n->sent_packets++;
	if (w->unreachable)
		return -ECONNREFUSED;
	if (index < 0 || index >= w->nodes)
		return 0; /* nobody there */
	if (w->filter != NULL && w->filter(w, n->index, index, packet, bytes))
		return 0;
	rc = to->proto == LAT_PROTO_TCP ? world_send_tcp(n, index, to->conn, packet, bytes)
					: world_send_udp(n, index, packet, bytes);
	if (rc == 0 && packet[0] < ARRAY_LEN(w->packets_of_type))
		w->packets_of_type[packet[0]]++;
	return rc;
}

static inline void world_op_path_proven(void *ctx, const struct lat_path *from, uint32_t node)
{
	struct world_node *n = ctx;
	int other = (int)node - 1, lo = n->index < other ? n->index : other,
	    hi = n->index < other ? other : n->index;

	if (from->proto == LAT_PROTO_TCP && n->world->stream[lo][hi].conn == from->conn)
		n->world->stream[lo][hi].known[n->index == hi] = true;
}

static inline void world_op_path_silent(void *ctx, uint32_t node)
{
	struct world_node *n = ctx;

	n->silences[node - 1]++;
}

static inline void world_op_peer_state(void *ctx, uint32_t node, enum lat_peer_state state, int err)
{
	struct world_node *n = ctx;

	n->state[node - 1] = state;
	n->state_err[node - 1] = err;
	n->ups[node - 1] += state == LAT_PEER_UP;
	n->downs[node - 1] += state == LAT_PEER_DOWN;
}

static inline struct world_chan *world_chan_new(struct world_node *n)
{
	for (int i = 0; i < WORLD_CHANS; i++) {
		if (n->chan[i].used)
			continue;
		n->chan[i] = (struct world_chan){ .used = true, .next_seq = 1, .room = UINT64_MAX };
		return &n->chan[i];
	}
	return NULL;
}

static inline int world_op_inbound_open(void *ctx, uint32_t node, uint32_t handle, int32_t src_pid,
					int32_t dst_pid, uint16_t cflags, void **user)
{
	struct world_node *n = ctx;
	struct world_chan *c;

	(void)cflags;
	if (n->refuse)
		return LAT_CODE_ECONNREFUSED;
	c = world_chan_new(n);
	if (c == NULL)
		return LAT_CODE_ENOBUFS;
	c->handle = handle;
	c->open = true;
	c->src = src_pid;
	c->dst = dst_pid;
	c->room = n->room;
	c->tag = (uint64_t)node << 32 | (uint32_t)src_pid;
	*user = c;
	return LAT_CODE_OK;
}

/* The bytes of message @seq of the channel: length and content follow from the tag. */
static inline uint8_t world_byte(uint64_t tag, uint64_t seq, size_t i)
{
	return (uint8_t)(tag * 31 + seq * 7 + i * 13 + (i >> 8));
}

static inline int world_op_deliver(void *ctx, void *user, const struct lat_delivery *msg)
{
	struct world_node *n = ctx;
	struct world_chan *c = user;

	if (c->room == 0) {
		c->wants_room = true;
		return -EAGAIN;
	}
	if (c->room != UINT64_MAX)
		c->room--;
	if (msg->seq < c->next_seq || c->ended || !c->open || msg->src_pid != c->src ||
	    msg->dst_pid != c->dst || msg->type != (int32_t)msg->seq)
		n->bad++;
	c->skipped += msg->seq - c->next_seq;
	c->next_seq = msg->seq + 1;
	c->got++;
	for (size_t i = 0; i < msg->bytes; i++)
		if (msg->data[i] != world_byte(c->tag, msg->seq, i)) {
			n->bad++;
			break;
		}
	return 0;
}

/* Lossy channels may be out of order: they come with room for that. */
static inline void world_ended(struct world_node *n, struct world_chan *c, int err, uint64_t last_seq)
{
	n->bad += c->ended;
	c->ended = true;
	c->open = false;
	c->err = err;
	c->last_seq = last_seq;
}

static inline void world_op_inbound_ended(void *ctx, void *user, int err)
{
	world_ended(ctx, user, err, 0);
}

static inline void world_op_outbound_opened(void *ctx, void *user)
{
	struct world_node *n = ctx;
	struct world_chan *c = user;

	n->bad += c->open || c->ended;
	c->open = true;
}

static inline void world_op_outbound_ended(void *ctx, void *user, int err, uint64_t last_seq)
{
	world_ended(ctx, user, err, last_seq);
}

static inline void world_op_outbound_room(void *ctx, void *user)
{
	struct world_chan *c = user;

	(void)ctx;
	c->wants_room = false;
}

static inline void world_op_net_frame(void *ctx, uint32_t node, const uint8_t *data, size_t bytes)
{
	struct world_node *n = ctx;

	n->nets++;
	n->net_bytes += bytes;
	for (size_t i = 0; i < bytes; i++)
		n->net_bad += data[i] != (uint8_t)(node + i);
}

static inline void world_op_pong(void *ctx, uint32_t node, uint64_t token, uint64_t rtt_ns)
{
	struct world_node *n = ctx;

	(void)node;
	n->pongs++;
	n->last_pong = token;
	n->last_rtt = rtt_ns;
}

static const struct lat_engine_ops world_ops = {
	.random = world_op_random,
	.secret_get = world_op_secret_get,
	.secret_put = world_op_secret_put,
	.transmit = world_op_transmit,
	.path_proven = world_op_path_proven,
	.path_silent = world_op_path_silent,
	.peer_state = world_op_peer_state,
	.inbound_open = world_op_inbound_open,
	.deliver = world_op_deliver,
	.inbound_ended = world_op_inbound_ended,
	.outbound_opened = world_op_outbound_opened,
	.outbound_ended = world_op_outbound_ended,
	.outbound_room = world_op_outbound_room,
	.net_frame = world_op_net_frame,
	.pong = world_op_pong,
};

/* ---- the world ---- */

struct world_options {
	uint8_t proto;
	uint32_t max_msg;
	uint32_t sendq_max;
	uint8_t mesh_key[WORLD_NODES]; /* first byte */
	bool passive;                  /* only node 0 has the others' paths */
	bool transient;                /* those paths are */
};

static inline void world_node_open(struct world *w, int i, const struct world_options *o)
{
	struct world_node *n = &w->node[i];
	struct lat_engine_config cfg = { .node = world_node_number(i),
					 .boot_id = ++n->boot_id + (uint64_t)i * 1000,
					 .seed = n->seed,
					 .max_msg = o->max_msg,
					 .sendq_max = o->sendq_max };

	cfg.mesh_key[0] = o->mesh_key[i];
	memcpy(cfg.pk, n->pk, sizeof(cfg.pk));
	CHECK_EQ(lat_engine_open(&n->engine, &cfg, &world_ops, n, w->now), 0);
	n->tick_at = w->now;
}

/* Node @i knows node @j. */
static inline void world_know(struct world *w, int i, int j, const struct world_options *o)
{
	struct lat_peer_config cfg = { .node = world_node_number(j) };

	memcpy(cfg.pk, w->node[j].pk, sizeof(cfg.pk));
	if (!o->passive || i == 0)
		cfg.path = world_path(j, o->proto);
	cfg.path.transient = o->transient;
	CHECK_EQ(lat_engine_peer_add(w->node[i].engine, &cfg), 0);
}

static inline struct world *world_open(int nodes, uint64_t seed, const struct world_options *o)
{
	struct world *w = calloc(1, sizeof(*w));

	CHECK_EQ(lat_crypto_init(), 0);
	w->now = 1000 * SEC;
	w->rng = seed;
	w->nodes = nodes;
	w->delay = MS;
	for (int i = 0; i < nodes; i++) {
		struct world_node *n = &w->node[i];

		n->world = w;
		n->index = i;
		n->room = UINT64_MAX;
		memset(n->seed, 0x41 + i, sizeof(n->seed));
		CHECK_EQ(lat_kem_keypair(n->pk, n->seed), 0);
		world_node_open(w, i, o);
	}
	for (int i = 0; i < nodes; i++)
		for (int j = 0; j < nodes; j++)
			if (i != j)
				world_know(w, i, j, o);
	return w;
}

static inline void world_close(struct world *w)
{
	for (int i = 0; i < w->nodes; i++) {
		lat_engine_close(w->node[i].engine);
		CHECK_EQ(w->node[i].secrets, 0);
	}
	while (w->queue != NULL) {
		struct world_packet *p = w->queue;

		w->queue = p->next;
		free(p);
	}
	free(w);
}

static inline void world_tick(struct world *w, int i)
{
	w->node[i].tick_at = lat_engine_tick(w->node[i].engine, w->now);
}

/* Cuts the connection: what is on the way is lost, both sides that know of each other are told. */
static inline void world_cut(struct world *w, int a, int b)
{
	int lo = a < b ? a : b, hi = a < b ? b : a;
	struct world_packet **link = &w->queue;

	if (!w->stream[lo][hi].up)
		return;
	while (*link != NULL) {
		struct world_packet *p = *link;

		if (p->proto == LAT_PROTO_TCP && p->conn == w->stream[lo][hi].conn) {
			*link = p->next;
			free(p);
		} else {
			link = &p->next;
		}
	}
	w->stream[lo][hi].up = false;
	w->stream[lo][hi].up_at = 0;
	w->stream[lo][hi].queued[0] = w->stream[lo][hi].queued[1] = 0;
	for (int side = 0; side < 2; side++) {
		struct world_node *n = &w->node[side == 0 ? lo : hi];

		if (w->stream[lo][hi].known[side] && n->engine != NULL)
			lat_engine_conn_down(n->engine, w->now, world_node_number(side == 0 ? hi : lo),
					     -ECONNRESET);
		w->stream[lo][hi].known[side] = false;
		if (n->engine != NULL)
			world_tick(w, n->index);
	}
	/* Who called calls again: here always the lower. */
	w->stream[lo][hi].known[0] = true;
	w->stream[lo][hi].up_at = w->now + 2 * w->delay + 1;
}

/*
 * Node @a ends the connection to @b, if nothing is due: what is on the way still arrives. Whether it did. Nobody calls again by
 * himself.
 */
static inline bool world_rest(struct world *w, int a, int b)
{
	int lo = a < b ? a : b, hi = a < b ? b : a;

	if (!w->stream[lo][hi].up || !lat_engine_peer_rest(w->node[a].engine, world_node_number(b)))
		return false;
	w->stream[lo][hi].up = false;
	w->stream[lo][hi].up_at = 0;
	lat_engine_conn_down(w->node[b].engine, w->now, world_node_number(a), -ECONNRESET);
	world_tick(w, b);
	return true;
}

static inline void world_stream_up(struct world *w, int lo, int hi)
{
	w->stream[lo][hi].up = true;
	w->stream[lo][hi].up_at = 0;
	w->stream[lo][hi].conn = ++w->next_conn;
	w->stream[lo][hi].strange = 0;
	w->streams_opened++;
	for (int side = 0; side < 2; side++) {
		int i = side == 0 ? lo : hi;

		w->stream[lo][hi].blocked[side] = false;
		if (w->stream[lo][hi].known[side])
			lat_engine_conn_up(w->node[i].engine, w->now, world_node_number(side == 0 ? hi : lo));
		world_tick(w, i);
	}
}

static inline void world_deliver(struct world *w, struct world_packet *p)
{
	struct lat_path from = world_path(p->from, p->proto);
	int lo = p->from < p->to ? p->from : p->to, hi = p->from < p->to ? p->to : p->from,
	    to_side = p->to == hi;
	int rc;

	from.node = 0;
	if (p->proto == LAT_PROTO_TCP) {
		from.conn = p->conn;
		if (w->stream[lo][hi].known[to_side])
			from.node = world_node_number(p->from);
		w->stream[lo][hi].queued[!to_side] -= p->bytes;
		if (!w->stream[lo][hi].known[to_side])
			w->stream[lo][hi].strange += p->bytes + LAT_STREAM_PREFIX;
		if (w->stream[lo][hi].strange > LAT_TCP_UNAUTH_BYTES) {
			w->streams_refused++;
			world_cut(w, p->from, p->to);
			return;
		}
	}
	rc = lat_engine_packet(w->node[p->to].engine, w->now, &from, p->data, p->bytes);
	world_tick(w, p->to);
	if (p->proto != LAT_PROTO_TCP)
		return;
	if (rc == -EPROTO)
		world_cut(w, p->from, p->to);
	else if (w->stream[lo][hi].blocked[!to_side] &&
		 w->stream[lo][hi].queued[!to_side] < WORLD_STREAM_ROOM / 2) {
		w->stream[lo][hi].blocked[!to_side] = false;
		lat_engine_writable(w->node[p->from].engine, w->now, world_node_number(p->to));
		world_tick(w, p->from);
	}
	/* The one that was called knows its caller now: the driver tells the engine that the way is there. */
	(void)to_side;
}

/* Runs everything up to and including @until. */
static inline void world_run_until(struct world *w, uint64_t until)
{
	for (;;) {
		uint64_t next = UINT64_MAX;

		for (int i = 0; i < w->nodes; i++) {
			if (w->node[i].tick_at < next)
				next = w->node[i].tick_at;
			for (int j = i + 1; j < w->nodes; j++)
				if (w->stream[i][j].up_at != 0 && w->stream[i][j].up_at < next)
					next = w->stream[i][j].up_at;
		}
		if (w->queue != NULL && w->queue->at < next)
			next = w->queue->at;
		if (next > until)
			break;
		if (next > w->now)
			w->now = next;
		for (int i = 0; i < w->nodes; i++)
			for (int j = i + 1; j < w->nodes; j++)
				if (w->stream[i][j].up_at != 0 && w->stream[i][j].up_at <= w->now)
					world_stream_up(w, i, j);
		if (w->queue != NULL && w->queue->at <= w->now) {
			struct world_packet *p = w->queue;

			w->queue = p->next;
			world_deliver(w, p);
			free(p);
			continue;
		}
		for (int i = 0; i < w->nodes; i++)
			if (w->node[i].tick_at <= w->now)
				world_tick(w, i);
	}
	w->now = until;
}

static inline void world_run(struct world *w, uint64_t ns)
{
	world_run_until(w, w->now + ns);
}

/* ---- applications ---- */

static inline void world_connect(struct world *w, int from, int to)
{
	CHECK_EQ(lat_engine_peer_connect(w->node[from].engine, w->now, world_node_number(to)), 0);
	world_tick(w, from);
}

static inline struct world_chan *world_chan_open(struct world *w, int from, int to, int32_t src,
						 uint16_t cflags)
{
	struct world_node *n = &w->node[from];
	struct world_chan *c = world_chan_new(n);

	CHECK(c != NULL);
	c->outbound = true;
	c->src = src;
	c->dst = 7;
	c->tag = (uint64_t)world_node_number(from) << 32 | (uint32_t)src;
	CHECK_EQ(lat_engine_chan_open(n->engine, w->now, world_node_number(to), src, 7, cflags, c,
				      &c->handle),
		 0);
	world_tick(w, from);
	return c;
}

/* Sends the next message, @bytes long. */
static inline int world_chan_send(struct world *w, int from, struct world_chan *c, size_t bytes)
{
	static uint8_t data[2 << 20];
	uint64_t seq = 0;
	int rc;

	for (size_t i = 0; i < bytes; i++)
		data[i] = world_byte(c->tag, c->sent + 1, i);
	rc = lat_engine_chan_send(w->node[from].engine, w->now, c->handle, (int32_t)(c->sent + 1), data,
				  bytes, &seq);
	if (rc == 0) {
		c->sent++;
		CHECK_EQ(seq, c->sent);
	}
	world_tick(w, from);
	return rc;
}

/*
 * The other end of a channel: the one at @to with the same origin. A request that was given up may have left more, which
 * never got anything.
 */
static inline struct world_chan *world_chan_at(struct world *w, int to, const struct world_chan *c)
{
	struct world_chan *found = NULL;

	for (int i = 0; i < WORLD_CHANS; i++) {
		struct world_chan *in = &w->node[to].chan[i];

		if (in->used && !in->outbound && in->tag == c->tag &&
		    (found == NULL || in->got > found->got || (in->got == found->got && !in->ended)))
			found = in;
	}
	return found;
}

static inline struct lat_peer_info world_info(struct world *w, int i, int j)
{
	struct lat_peer_info info;

	CHECK_EQ(lat_engine_peer_info(w->node[i].engine, w->now, world_node_number(j), &info), 0);
	return info;
}

static inline uint64_t world_count(struct world *w, int i, enum lat_engine_counter c)
{
	return lat_engine_counter(w->node[i].engine, c);
}

/* Sends @count messages of up to @bytes_max on each channel from its side, as room comes, for at most @limit. */
static inline bool world_pump(struct world *w, struct world_chan *const *chans, const int *from, int n,
			      uint64_t count, size_t bytes_max, uint64_t limit)
{
	uint64_t until = w->now + limit;

	while (w->now < until) {
		bool done = true;

		for (int i = 0; i < n; i++) {
			for (int burst = 0; burst < 8 && chans[i]->sent < count; burst++)
				if (world_chan_send(w, from[i], chans[i],
						    world_random(w) % (bytes_max + 1)) != 0)
					break;
			done = done && chans[i]->sent >= count &&
			       lat_engine_chan_unacked(w->node[from[i]].engine, chans[i]->handle) == 0;
		}
		if (done)
			return true;
		world_run(w, MS);
	}
	return false;
}

/* Stops a node as kill -9 does, and starts it again: a new boot_id, no memory. */
static inline void world_restart(struct world *w, int i, const struct world_options *o)
{
	struct world_node *n = &w->node[i];

	lat_engine_close(n->engine);
	n->engine = NULL;
	CHECK_EQ(n->secrets, 0);
	memset(n->chan, 0, sizeof(n->chan));
	for (int j = 0; j < w->nodes; j++)
		if (j != i)
			world_cut(w, i, j);
	world_node_open(w, i, o);
	for (int j = 0; j < w->nodes; j++)
		if (j != i)
			world_know(w, i, j, o);
}

/* For a failing test's author. */
static inline void world_dump(struct world *w)
{
	for (int i = 0; i < w->nodes; i++) {
		fprintf(stderr, "node %d: sent %llu, bad %llu, nets %llu;", i + 1,
			(unsigned long long)w->node[i].sent_packets, (unsigned long long)w->node[i].bad,
			(unsigned long long)w->node[i].nets);
		for (int k = 0; k < LAT_COUNT_MAX; k++)
			if (world_count(w, i, (enum lat_engine_counter)k) != 0)
				fprintf(stderr, " %s %llu",
					lat_engine_counter_name((enum lat_engine_counter)k),
					(unsigned long long)world_count(w, i, (enum lat_engine_counter)k));
		fprintf(stderr, "\n");
	}
}

#endif

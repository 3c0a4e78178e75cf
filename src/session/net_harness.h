/*
 * The network of the tests' world: datagrams and streams between up to four nodes, in virtual time, everything drawn
 * from one seed. For test files only; they include engine_harness.h.
 *
 * UDP loses (also in bursts), doubles, reorders, cuts off, corrupts and holds up as told; a pipe may be black, or narrow with
 * a queue before it. TCP keeps order and has little room, so that -EAGAIN happens; a connection can be cut, which loses
 * what is on the way.
 */
#ifndef LAT_SESSION_NET_HARNESS_H
#define LAT_SESSION_NET_HARNESS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "base/util.h"
#include "crypto/kem.h"
#include "session/engine.h"
#include "wire/limits.h"

enum {
	WORLD_NODES = 4,
	WORLD_STREAM_ROOM = 256 << 10,
	WORLD_CHANS = 512,
	WORLD_PORT = 15000,
	WORLD_MTU = 1472,         /* UDP payload; most paths' */
	WORLD_SEEN_MAX = 1 << 20, /* bytes of a channel's bitmap of numbers seen */
};

#define MS  ((uint64_t)LAT_NS_PER_MS)
#define SEC ((uint64_t)LAT_NS_PER_S)

struct world;

struct world_packet {
	uint64_t at, order;
	uint32_t conn; /* TCP */
	int from, to;
	uint8_t proto;
	size_t bytes;
	uint8_t data[];
};

/* One direction between two nodes. With a rate it is a bottleneck: what is sent waits in a queue, or is dropped. */
struct world_pipe {
	struct world_pipe *through; /* another one whose rate and queue it shares; NULL: its own */
	bool black;                 /* nothing gets through */
	bool in_burst;
	uint64_t rate; /* bytes a second; 0: any */
	size_t queue_max;
	uint64_t free_at; /* when what waits has been sent */
	size_t queued_max;
	uint64_t bytes, dropped; /* sent on; packets that found the queue full */
};

/* What an application at a node saw of one channel. */
struct world_chan {
	bool used, outbound, open, ended, lossy;
	int err;
	uint64_t last_seq;
	uint32_t handle;
	uint64_t tag;  /* what its messages are made of */
	uint64_t sent; /* accepted by the engine */
	uint64_t got, next_seq, skipped, bytes, lost;
	uint64_t room; /* messages that it still takes */
	bool wants_room;
	int32_t src, dst;
	uint8_t *seen; /* lossy: a bit for each number received */
	size_t seen_bytes;
};

struct world_node {
	struct world *world;
	int index;
	struct lat_engine *engine; /* NULL: it crashed */
	uint8_t seed[32], pk[LAT_KEM_PK];
	uint64_t boot_id, tick_at;
	uint64_t skew; /* its clock is ahead of the world's by this */
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
	uint32_t loss, dup, corrupt, truncate, late; /* of 1000; late: held up by ten times the delay */
	uint32_t burst_in,
		burst_out; /* of 1000: a packet that is lost with those after it, until one of them is not */
	size_t mtu;        /* longer datagrams vanish */
	bool mtu_lies;     /* and now and then the node is told so of one that is not longer */
	int nodes;
	struct world_node node[WORLD_NODES];
	struct world_pipe pipe[WORLD_NODES][WORLD_NODES];
	struct world_packet **queue; /* a heap: queue[0] is the next */
	size_t queued, queue_cap;
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

static inline bool world_chance(struct world *w, uint32_t of_1000)
{
	return of_1000 != 0 && world_random(w) % 1000 < of_1000;
}

/* How many seeds a loop takes: LATTICE_TEST_SEEDS for a long run, else the test's own number. */
static inline uint64_t world_seeds(uint64_t usual)
{
	const char *env = getenv("LATTICE_TEST_SEEDS");

	return env != NULL ? strtoull(env, NULL, 10) : usual;
}

/* ---- what is on its way ---- */

static inline bool world_before(const struct world_packet *a, const struct world_packet *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static inline void world_queue_up(struct world *w, size_t i)
{
	struct world_packet *p = w->queue[i];

	for (; i > 0 && world_before(p, w->queue[(i - 1) / 2]); i = (i - 1) / 2)
		w->queue[i] = w->queue[(i - 1) / 2];
	w->queue[i] = p;
}

static inline void world_queue_down(struct world *w, size_t i)
{
	struct world_packet *p = w->queue[i];

	for (size_t child; (child = 2 * i + 1) < w->queued; i = child) {
		if (child + 1 < w->queued && world_before(w->queue[child + 1], w->queue[child]))
			child++;
		if (!world_before(w->queue[child], p))
			break;
		w->queue[i] = w->queue[child];
	}
	w->queue[i] = p;
}

static inline struct world_packet *world_enqueue(struct world *w, int from, int to, uint8_t proto,
						 uint32_t conn, uint64_t at, const uint8_t *data,
						 size_t bytes)
{
	struct world_packet *p = malloc(sizeof(*p) + bytes);

	*p = (struct world_packet){ .at = at,
				    .order = ++w->order,
				    .conn = conn,
				    .from = from,
				    .to = to,
				    .proto = proto,
				    .bytes = bytes };
	memcpy(p->data, data, bytes);
	if (w->queued == w->queue_cap) {
		w->queue_cap = w->queue_cap == 0 ? 64 : 2 * w->queue_cap;
		w->queue = realloc(w->queue, w->queue_cap * sizeof(struct world_packet *));
		CHECK(w->queue != NULL);
	}
	w->queue[w->queued++] = p;
	world_queue_up(w, w->queued - 1);
	return p;
}

/* Takes the next one off. The caller frees it. */
static inline struct world_packet *world_dequeue(struct world *w)
{
	struct world_packet *p = w->queue[0];

	w->queue[0] = w->queue[--w->queued];
	if (w->queued > 0)
		world_queue_down(w, 0);
	return p;
}

/* Takes off those that @gone says; it may free them or keep them. */
static inline void world_queue_remove(struct world *w, bool (*gone)(const struct world_packet *p, void *ctx),
				      void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->queued; i++)
		if (!gone(w->queue[i], ctx))
			w->queue[kept++] = w->queue[i];
	w->queued = kept;
	for (size_t i = kept / 2; i-- > 0;)
		world_queue_down(w, i);
}

/* ---- datagrams ---- */

/* When the pipe has let it through; UINT64_MAX: its queue was full. */
static inline uint64_t world_squeeze(struct world *w, struct world_pipe *p, size_t bytes)
{
	uint64_t start = p->free_at > w->now ? p->free_at : w->now;
	size_t waits;

	if (p->rate == 0)
		return w->now;
	waits = (size_t)((start - w->now) * p->rate / SEC) + bytes;
	if (waits > p->queue_max) {
		p->dropped++;
		return UINT64_MAX;
	}
	if (waits > p->queued_max)
		p->queued_max = waits;
	p->bytes += bytes;
	p->free_at = start + bytes * SEC / p->rate;
	return p->free_at;
}

static inline bool world_loses(struct world *w, struct world_pipe *p)
{
	p->in_burst = p->in_burst ? !world_chance(w, w->burst_out) : world_chance(w, w->burst_in);
	return p->black || p->in_burst || world_chance(w, w->loss);
}

static inline int world_send_udp(struct world_node *n, int to, const uint8_t *data, size_t bytes)
{
	struct world *w = n->world;
	struct world_pipe *pipe = &w->pipe[n->index][to];
	int copies = 1 + world_chance(w, w->dup);

	if (w->mtu_lies && world_chance(w, 20))
		return -EMSGSIZE;
	for (int i = 0; i < copies; i++) {
		uint64_t out = world_squeeze(w, pipe->through != NULL ? pipe->through : pipe, bytes);
		uint64_t at = out + w->delay + (w->jitter == 0 ? 0 : world_random(w) % w->jitter);
		struct world_packet *p;
		size_t kept = bytes;

		if (out == UINT64_MAX || world_loses(w, pipe) || bytes > w->mtu)
			continue;
		if (world_chance(w, w->late))
			at += 10 * w->delay;
		if (world_chance(w, w->truncate))
			kept = world_random(w) % bytes;
		p = world_enqueue(w, n->index, to, LAT_PROTO_UDP, 0, at, data, kept);
		if (kept > 0 && world_chance(w, w->corrupt))
			p->data[world_random(w) % kept] ^= (uint8_t)(1U << world_random(w) % 8);
	}
	return 0;
}

/* ---- streams ---- */

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
	(void)!world_enqueue(w, n->index, to, LAT_PROTO_TCP, w->stream[lo][hi].conn,
			     w->stream[lo][hi].last_at[side], data, bytes);
	return 0;
}

#endif

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

#include "base/airborne_harness.h"
#include "base/faults_harness.h"
#include "base/test.h"
#include "base/util.h"
#include "crypto/kem.h"
#include "session/engine.h"
#include "wire/limits.h"

enum {
	WORLD_NODES = 4,
	WORLD_STREAM_ROOM = 256 << 10,
	WORLD_CHANS = 512,
	WORLD_CALLS = 64,
	WORLD_PORT = 15000,
	WORLD_MTU = 1472,         /* UDP payload; most paths' */
	WORLD_SEEN_MAX = 1 << 20, /* bytes of a channel's bitmap of numbers seen */
};

#define MS  ((uint64_t)LAT_NS_PER_MS)
#define SEC ((uint64_t)LAT_NS_PER_S)

struct world;

struct world_packet {
	struct lat_airborne fly;
	uint32_t conn; /* TCP */
	int from, to;
	uint8_t proto;
	size_t bytes;
	uint8_t data[];
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
	struct lat_cap_ref life; /* inbound: after its end nothing may come */
	uint32_t badge;
	uint64_t call[WORLD_CALLS]; /* inbound: not answered yet, the newest last */
	uint32_t calls;
	uint64_t asked;             /* of those that came, the last */
	uint64_t rights;            /* that came with messages */
	struct lat_cap_right right; /* the last of them */
	uint8_t *seen;              /* lossy: a bit for each number received */
	size_t seen_bytes;
};

/* A call that a node has made. */
struct world_call {
	uint64_t id, tag; /* what its reply is made of */
	bool over;
	int err;
	int32_t type;
	size_t bytes;
};

enum { WORLD_REQS = 256 };

struct world_resolved { /* an answer */
	uint32_t node, req;
	int err;
	int32_t pid;
};

struct world_node {
	struct world *world;
	int index;
	struct lat_engine *engine; /* NULL: it crashed */
	struct lat_kem_key key;
	uint8_t pk[LAT_KEM_PK];
	uint64_t boot_id, tick_at;
	uint64_t skew; /* its clock is ahead of the world's by this */
	int secrets;
	enum lat_peer_state state[WORLD_NODES];
	int state_err[WORLD_NODES];
	int ups[WORLD_NODES], downs[WORLD_NODES], silences[WORLD_NODES];
	uint64_t pongs, last_pong, last_rtt;
	struct lat_round_trip last_trip;
	uint64_t asked, resolved; /* for services: by others, and answered to us */
	struct world_resolved last_resolved;
	bool resolved_req[WORLD_REQS];
	uint64_t nets, net_bytes, net_bad;
	struct world_issuer *issuer;
	bool refuse;   /* nobody listens */
	uint64_t room; /* of channels opened to us */
	struct world_chan chan[WORLD_CHANS];
	uint64_t sent_packets, bad;
};

/*
 * What carries the packets in place of the simulated network, in the time that it really is (tests/conformance/sockets.h). Each node's
 * engine, as it is.
 */
struct world_carrier {
	void (*open)(struct world *w);
	void (*close)(struct world *w);
	struct lat_path (*path)(struct world *w, int index, uint8_t proto);
	int (*transmit)(struct world_node *n, const struct lat_path *to, const uint8_t *packet, size_t bytes);
	void (*proven)(struct world_node *n, const struct lat_path *from, uint32_t node);
	void (*silent)(struct world_node *n, uint32_t node);
	void (*run)(struct world *w, uint64_t until);
	void (*crash)(struct world_node *n);
	void (*boot)(struct world_node *n);
	void (*wake)(struct world_node *n); /* its tick_at has changed */
};

struct world {
	uint64_t now, rng;
	struct lat_faults faults; /* of datagrams, and the delay of everything */
	int nodes;
	struct world_node node[WORLD_NODES];
	struct lat_pipe pipe[WORLD_NODES][WORLD_NODES];
	struct lat_air air;
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
	/* A request was handed up; NULL: the channel keeps its number. */
	void (*called)(void *ctx, struct world_chan *in, const struct lat_delivery *d);
	void *called_ctx;
	const struct world_carrier *carrier; /* NULL: the simulated network */
	void *carrier_ctx;
	uint64_t packets_of_type[8];
};

static inline uint64_t world_random(struct world *w)
{
	return lat_faults_random(&w->rng);
}

/* How many seeds a loop takes: LATTICE_TEST_SEEDS for a long run, else the test's own number. */
static inline uint64_t world_seeds(uint64_t usual)
{
	const char *env = getenv("LATTICE_TEST_SEEDS");

	return env != NULL ? strtoull(env, NULL, 10) : usual;
}

/* ---- what is on its way ---- */

static inline struct world_packet *world_enqueue(struct world *w, int from, int to, uint8_t proto,
						 uint32_t conn, uint64_t at, const uint8_t *data,
						 size_t bytes)
{
	struct world_packet *p = malloc(sizeof(*p) + bytes);

	*p = (struct world_packet){
		.fly.at = at, .conn = conn, .from = from, .to = to, .proto = proto, .bytes = bytes
	};
	memcpy(p->data, data, bytes);
	CHECK(lat_air_add(&w->air, &p->fly));
	return p;
}

/* ---- datagrams ---- */

static inline int world_send_udp(struct world_node *n, int to, const uint8_t *data, size_t bytes)
{
	struct world *w = n->world;

	if (w->faults.mtu_lies && lat_faults_chance(&w->rng, 20))
		return -EMSGSIZE;
	for (int copies = lat_faults_copies(&w->faults, &w->rng); copies > 0; copies--) {
		struct lat_fate fate = lat_faults_fate(&w->faults, &w->pipe[n->index][to], &w->rng, w->now,
						       bytes);
		struct world_packet *p;

		if (fate.kind != LAT_FATE_ARRIVES)
			continue;
		p = world_enqueue(w, n->index, to, LAT_PROTO_UDP, 0, fate.at, data, fate.kept);
		if (fate.flipped)
			p->data[fate.flip_at] ^= fate.flip;
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
			w->stream[lo][hi].up_at = w->now + 2 * w->faults.delay + 1;
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
	if (w->stream[lo][hi].last_at[side] < w->now + w->faults.delay)
		w->stream[lo][hi].last_at[side] = w->now + w->faults.delay;
	(void)!world_enqueue(w, n->index, to, LAT_PROTO_TCP, w->stream[lo][hi].conn,
			     w->stream[lo][hi].last_at[side], data, bytes);
	return 0;
}

#endif

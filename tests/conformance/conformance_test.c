/* The rows, and the ways that they are run on. */
#include "conformance.h"

#include "session/machine.h"

static const struct way ways[] = {
	{ "simulated datagrams", LAT_PROTO_UDP, NULL },
	{ "simulated streams", LAT_PROTO_TCP, NULL },
	{ "UDP", LAT_PROTO_UDP, &conformance_sockets },
	{ "TCP", LAT_PROTO_TCP, &conformance_sockets },
};

/* ---- conditions ---- */

static bool opened(struct world *w, void *ctx)
{
	const struct world_chan *c = ctx;

	(void)w;
	return c->open;
}

static bool ended(struct world *w, void *ctx)
{
	const struct world_chan *c = ctx;

	(void)w;
	return c->ended;
}

static bool up(struct world *w, void *ctx)
{
	(void)ctx;
	return world_info(w, 0, 1).state == LAT_PEER_UP && world_info(w, 1, 0).state == LAT_PEER_UP;
}

static bool two_frames(struct world *w, void *ctx)
{
	(void)ctx;
	return w->node[1].nets == 2;
}

/* Messages of many sizes both ways, each of which arrives once and in order; on channels that are open already or not. */
static void exchange(struct world *w, struct world_chan *c[2], uint64_t count, const char *why)
{
	const int from[2] = { 0, 1 };

	if (!world_pump(w, c, from, 2, count, 3000, 60 * SEC)) {
		print_error("%s\n", why);
		world_dump(w);
		CHECK(false);
	}
	for (int side = 0; side < 2; side++) {
		const struct world_chan *in = world_chan_at(w, !side, c[side]);

		CHECK_EQ_ROW(why, in->got, count);
		CHECK_EQ_ROW(why, in->skipped, 0);
		CHECK_EQ_ROW(why, w->node[side].bad, 0);
	}
}

static void open_both(struct world *w, struct world_chan *c[2])
{
	for (int side = 0; side < 2; side++)
		c[side] = world_chan_open(w, side, !side, 10 + side, LAT_CFLAG_RELIABLE);
}

/* ---- rows ---- */

static void driver_frames(const struct way *way)
{
	struct world *w = way_open(way, 2, 0);
	uint8_t data[1000];

	for (size_t k = 0; k < sizeof(data); k++)
		data[k] = (uint8_t)(1 + k);
	CHECK_EQ(lat_engine_net_send(w->node[0].engine, w->now, 2, data, sizeof(data)), -EAGAIN);
	world_tick(w, 0);
	CHECK_ROW(way->why, way_until(w, up, NULL));
	CHECK_EQ_ROW(way->why, lat_engine_net_send(w->node[0].engine, w->now, 2, data, sizeof(data)), 0);
	CHECK_EQ_ROW(way->why, lat_engine_net_send(w->node[0].engine, w->now, 2, data, 0), 0);
	CHECK_EQ(lat_engine_net_send(w->node[0].engine, w->now, 9, data, 0), -ENOKEY);
	CHECK_EQ(lat_engine_net_send(w->node[0].engine, w->now, 2, data, 70000), -EMSGSIZE);
	world_tick(w, 0);
	CHECK_ROW(way->why, way_until(w, two_frames, NULL));
	CHECK_EQ_ROW(way->why, w->node[1].net_bytes, sizeof(data));
	CHECK_EQ_ROW(way->why, w->node[1].net_bad, 0);
	world_close(w);
}

static const struct {
	const char *why;
	uint16_t cflags;
	size_t bytes;
	uint64_t count;
} sizes[] = {
	{ "empty messages", LAT_CFLAG_RELIABLE, 0, 50 },
	{ "small messages share packets", LAT_CFLAG_RELIABLE, 52, 500 },
	{ "tokens over the bytes too", LAT_CFLAG_RELIABLE | LAT_CFLAG_TOKEN_FULL, 52, 500 },
	{ "one packet each", LAT_CFLAG_RELIABLE, 1100, 200 },
	{ "a few fragments", LAT_CFLAG_RELIABLE, 5000, 100 },
	{ "a few fragments, tokens over the bytes", LAT_CFLAG_RELIABLE | LAT_CFLAG_TOKEN_FULL, 5000, 100 },
	{ "the largest that there is", LAT_CFLAG_RELIABLE, LAT_MAX_MSG_DEFAULT - 12, 3 },
};

static void all_sizes_both_ways(const struct way *way)
{
	struct world *w = way_open(way, 3, 0);

	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		struct world_chan *c[2], *in[2];

		for (int side = 0; side < 2; side++)
			c[side] = world_chan_open(w, side, !side, 100 + (int)k, sizes[k].cflags);
		CHECK_EQ(world_chan_send(w, 0, c[0], 1), -EAGAIN);
		for (int side = 0; side < 2; side++)
			CHECK_ROW(sizes[k].why, way_until(w, opened, c[side]));
		for (uint64_t m = 0; m < sizes[k].count; m++)
			for (int side = 0; side < 2; side++)
				while (world_chan_send(w, side, c[side], sizes[k].bytes) == -EAGAIN)
					world_run(w, MS);
		for (int side = 0; side < 2; side++) {
			in[side] = world_chan_at(w, !side, c[side]);
			CHECK_EQ(lat_engine_chan_close(w->node[side].engine, w->now, c[side]->handle), 0);
			world_tick(w, side);
		}
		for (int side = 0; side < 2; side++) {
			CHECK_ROW(sizes[k].why,
				  way_until(w, ended, c[side]) && way_until(w, ended, in[side]));
			CHECK_EQ_ROW(sizes[k].why, in[side]->got, sizes[k].count);
			CHECK_EQ_ROW(sizes[k].why, in[side]->skipped, 0);
			CHECK_EQ_ROW(sizes[k].why, c[side]->err, 0);
			CHECK_EQ_ROW(sizes[k].why, in[side]->err, 0);
			CHECK_EQ_ROW(sizes[k].why, c[side]->last_seq, sizes[k].count);
			CHECK_EQ(world_chan_send(w, side, c[side], 1), -ENOENT);
		}
	}
	CHECK_EQ_ROW(way->why, w->node[0].bad + w->node[1].bad, 0);
	if (way->carrier == NULL)
		CHECK_EQ(world_count(w, 0, LAT_COUNT_RESENT) + world_count(w, 1, LAT_COUNT_RESENT), 0);
	world_close(w);
}

struct lossy {
	struct world_chan *c, *in;
};

static bool all_known(struct world *w, void *ctx)
{
	struct lossy *l = ctx;

	/* What was lost is told with what comes later. */
	CHECK_EQ(world_chan_send(w, 0, l->c, 100), 0);
	if (l->in == NULL)
		l->in = world_chan_at(w, 1, l->c);
	return l->in != NULL && l->in->lost > 0 && l->in->got + l->in->lost + 1 >= l->c->sent;
}

/* The receiver has no room for a while. */
static void gaps_of_a_lossy_channel_are_told(const struct way *way)
{
	struct world *w = way_open(way, 4, 0);
	struct lossy l = { .c = world_chan_open(w, 0, 1, 1, 0) };

	CHECK_ROW(way->why, way_until(w, opened, l.c));
	l.in = world_chan_at(w, 1, l.c);
	l.in->room = 5;
	for (int i = 0; i < 50; i++)
		CHECK_EQ(world_chan_send(w, 0, l.c, i % 10 == 0 ? 3000 : 100), 0);
	world_run(w, 50 * MS);
	l.in->room = UINT64_MAX;
	CHECK_ROW(way->why, way_until(w, all_known, &l));
	CHECK_EQ_ROW(way->why, w->node[1].bad, 0);
	CHECK_EQ_ROW(way->why, world_count(w, 0, LAT_COUNT_RESENT), 0);
	world_close(w);
}

enum { LONG_CHANS = 16, LONG_BYTES = 2000000 };

static const struct lat_budget *budget(const struct world *w, int at, int of)
{
	return &lat_peer_find(w->node[at].engine, world_node_number(of))->budget;
}

struct sixteen {
	struct world_chan *c[LONG_CHANS];
	size_t most;
};

static bool all_open(struct world *w, void *ctx)
{
	struct sixteen *s = ctx;

	(void)w;
	for (int i = 0; i < LONG_CHANS; i++)
		if (!s->c[i]->open)
			return false;
	return true;
}

static bool all_got_one(struct world *w, void *ctx)
{
	struct sixteen *s = ctx;

	if (budget(w, 0, 1)->used > s->most)
		s->most = budget(w, 0, 1)->used;
	for (int i = 0; i < LONG_CHANS; i++)
		if (world_chan_at(w, 0, s->c[i])->got != 1)
			return false;
	return true;
}

/* Sixteen times two megabytes, and sixteen megabytes for all of them: they take turns. */
static void sixteen_messages_longer_than_the_credit(const struct way *way)
{
	bool lossy = way->carrier == NULL && way->proto == LAT_PROTO_UDP;

	for (uint32_t loss = 0; loss <= (lossy ? 50 : 0); loss += 50) {
		struct world *w = way_open(way, 12, LONG_BYTES + 100);
		struct sixteen s = { .most = 0 };

		for (int i = 0; i < LONG_CHANS; i++)
			s.c[i] = world_chan_open(w, 1, 0, i + 1, LAT_CFLAG_RELIABLE);
		CHECK_ROW(way->why, way_until(w, all_open, &s));
		w->faults.loss = loss;
		for (int i = 0; i < LONG_CHANS; i++)
			CHECK_EQ(world_chan_send(w, 1, s.c[i], LONG_BYTES), 0);
		CHECK_ROW(way->why, way_until(w, all_got_one, &s));
		CHECK_EQ_ROW(way->why, w->node[0].bad, 0);
		CHECK_ROW(way->why, s.most <= budget(w, 0, 1)->max);
		world_close(w);
	}
}

/* Both call at once, or one a little later. */
static void two_sessions_cross(const struct way *way)
{
	uint64_t seeds = way->carrier == NULL ? world_seeds(40) : 8;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct world *w = way_open(way, seed, 0);
		struct world_chan *c[2];
		struct lat_peer_info a, b;

		if (way->carrier == NULL && way->proto == LAT_PROTO_UDP && seed % 2 == 0) {
			w->faults.loss = 200;
			w->faults.jitter = 3 * MS;
		}
		world_connect(w, 0, 1);
		if (seed != 1)
			world_run(w, world_random(w) % (6 * MS));
		world_connect(w, 1, 0);
		open_both(w, c);
		exchange(w, c, 50, way->why);
		w->faults.loss = 0;
		CHECK_ROW(way->why, way_until(w, up, NULL));
		world_run(w, way->carrier == NULL ? SEC : 50 * MS);
		a = world_info(w, 0, 1);
		b = world_info(w, 1, 0);
		CHECK_MEM_ROW(way->why, a.sid, b.sid, sizeof(a.sid));
		CHECK_NE(a.initiator, b.initiator);
		world_close(w);
	}
}

/* New keys, again and again, while messages are on their way both ways. */
static void keys_are_renewed_in_mid_transfer(const struct way *way)
{
	struct world *w = way_open(way, 11, 0);
	struct world_chan *c[2];

	open_both(w, c);
	exchange(w, c, 10, way->why);
	for (uint64_t round = 1; round <= 10; round++) {
		struct lat_peer *p = lat_peer_find(w->node[round % 2].engine,
						   world_node_number(round % 2 == 0));

		for (int k = 0; k < 20; k++)
			for (int side = 0; side < 2; side++)
				if (c[side]->sent < 10 + round * 30)
					(void)!world_chan_send(w, side, c[side], 2000);
		p->want_rekey = true;
		lat_peer_touch(p);
		world_tick(w, (int)(round % 2));
		exchange(w, c, 10 + round * 30, way->why);
	}
	CHECK_ROW(way->why, world_info(w, 0, 1).rekeys >= 5);
	CHECK_EQ_ROW(way->why, w->node[0].ups[1], 1);
	CHECK_EQ_ROW(way->why, world_count(w, 0, LAT_COUNT_PROTO) + world_count(w, 1, LAT_COUNT_PROTO), 0);
	world_close(w);
}

static void a_peer_restarts(const struct way *way)
{
	for (int who = 0; who < 2; who++) {
		const struct world_options o = { .proto = way->proto, .carrier = way->carrier };
		struct world *w = way_open(way, 13, 0);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE), *in, *again;
		const int from = 0;

		CHECK_ROW(way->why, world_pump(w, &c, &from, 1, 10, 100, 10 * SEC));
		in = world_chan_at(w, 1, c);
		CHECK_EQ(in->got, 10);
		world_restart(w, who, &o);
		if (who == 1) {
			uint64_t start = w->now;

			CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
			CHECK_ROW(way->why, way_until(w, ended, c));
			/* STALE tells at once: no waiting for DEAD. */
			if (way->carrier == NULL)
				CHECK_ROW(way->why, w->now - start < 2 * SEC);
			CHECK_EQ_ROW(way->why, c->err, -ECONNRESET);
			CHECK_EQ_ROW(way->why, c->last_seq, 10);
		} else {
			world_connect(w, 0, 1);
			CHECK_ROW(way->why, way_until(w, ended, in));
			CHECK_EQ_ROW(way->why, in->err, -ECONNRESET);
		}
		again = world_chan_open(w, 0, 1, 2, LAT_CFLAG_RELIABLE);
		CHECK_ROW(way->why, world_pump(w, &again, &from, 1, 10, 100, 60 * SEC));
		CHECK_EQ(world_chan_at(w, 1, again)->got, 10);
		CHECK_EQ_ROW(way->why, w->node[0].bad + w->node[1].bad, 0);
		world_close(w);
	}
}

/* It comes back with another key: nothing goes to it, and it gets nothing, until its new key is known. */
static void a_peer_comes_back_with_another_key(const struct way *way)
{
	const struct world_options o = { .proto = way->proto, .carrier = way->carrier };
	struct world *w = way_open(way, 14, 0);
	struct world_chan *c[2];
	const int from = 0;

	open_both(w, c);
	exchange(w, c, 10, way->why);
	world_crash(w, 1);
	memset(w->node[1].key.seed, 0x77, sizeof(w->node[1].key.seed));
	CHECK_EQ(lat_kem_key_init(&w->node[1].key, w->node[1].key.seed), 0);
	CHECK_EQ(lat_kem_keypair(w->node[1].pk, w->node[1].key.seed), 0);
	world_boot(w, 1, &o);
	(void)!world_chan_send(w, 0, c[0], 100);
	world_run(w, way->carrier == NULL ? 30 * SEC : 500 * MS);
	CHECK_ROW(way->why, world_info(w, 1, 0).state != LAT_PEER_UP);
	CHECK_EQ_ROW(way->why, world_info(w, 1, 0).messages_in, 0);
	CHECK_EQ(lat_engine_peer_remove(w->node[0].engine, world_time(&w->node[0]), 2), 0);
	world_tick(w, 0);
	world_know(w, 0, 1, &o);
	c[0] = world_chan_open(w, 0, 1, 20, LAT_CFLAG_RELIABLE);
	CHECK_ROW(way->why, world_pump(w, &c[0], &from, 1, 10, 100, 60 * SEC));
	CHECK_EQ_ROW(way->why, world_chan_at(w, 1, c[0])->got, 10);
	CHECK_EQ_ROW(way->why, w->node[1].bad, 0);
	world_close(w);
}

/* A machine slept for a year: sessions are over, what was accepted arrives all the same, once. */
static void a_clock_jumps_a_year(const struct way *way)
{
	for (int who = 0; who < 2; who++) {
		struct world *w = way_open(way, 15, 0);
		struct world_chan *c[2];

		open_both(w, c);
		exchange(w, c, 20, way->why);
		for (int side = 0; side < 2; side++)
			for (int k = 0; k < 10; k++)
				CHECK_EQ(world_chan_send(w, side, c[side], 3000), 0);
		w->node[who].skew = 365 * 86400 * SEC;
		world_tick(w, who);
		exchange(w, c, 60, way->why);
		CHECK_ROW(way->why, !c[0]->ended && !c[1]->ended);
		world_close(w);
	}
}

enum { REFLECTED = 200 };

static struct {
	size_t count;
	struct {
		size_t bytes;
		uint8_t data[2048];
	} packet[REFLECTED];
} mirror;

static bool keep(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	(void)w;
	(void)to;
	if (from == 0 && mirror.count < REFLECTED && bytes <= sizeof(mirror.packet[0].data)) {
		memcpy(mirror.packet[mirror.count].data, packet, bytes);
		mirror.packet[mirror.count++].bytes = bytes;
	}
	return false;
}

/* What a node has sent comes back to it, as if it were the peer's. */
static void packets_are_reflected(const struct way *way)
{
	struct world *w = way_open(way, 16, 0);
	struct world_chan *c[2];
	struct lat_path from;

	mirror.count = 0;
	w->filter = keep;
	open_both(w, c);
	exchange(w, c, 20, way->why);
	w->filter = NULL;
	CHECK(mirror.count > 10);
	from = world_info(w, 0, 1).path;
	from.conn = way->proto == LAT_PROTO_TCP ? 999 : 0; /* another connection */
	for (size_t i = 0; i < mirror.count; i++) {
		(void)!lat_engine_packet(w->node[0].engine, world_time(&w->node[0]), &from,
					 mirror.packet[i].data, mirror.packet[i].bytes);
		world_tick(w, 0);
	}
	exchange(w, c, 60, way->why);
	CHECK_EQ_ROW(way->why, world_info(w, 0, 1).handshakes, 1);
	CHECK_EQ_ROW(way->why, world_count(w, 0, LAT_COUNT_PROTO), 0);
	world_close(w);
}

/* ---- each on each ---- */

#define ROW(name)                                            \
	TEST(name##_on_each)                                 \
	{                                                    \
		for (size_t i = 0; i < ARRAY_LEN(ways); i++) \
			name(&ways[i]);                      \
	}

ROW(driver_frames)
ROW(all_sizes_both_ways)
ROW(gaps_of_a_lossy_channel_are_told)
ROW(sixteen_messages_longer_than_the_credit)
ROW(two_sessions_cross)
ROW(keys_are_renewed_in_mid_transfer)
ROW(a_peer_restarts)
ROW(a_peer_comes_back_with_another_key)
ROW(a_clock_jumps_a_year)
ROW(packets_are_reflected)
ROW(broken_rules)

TEST_MAIN

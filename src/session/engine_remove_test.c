/* A peer that is forgotten while the engine runs, and known again. */
#include "session/engine_harness.h"

static const struct {
	const char *why;
	uint8_t proto;
	bool lost;     /* its goodbye */
	uint64_t room; /* of the channel from it, of 50 messages */
	bool again;    /* added again, before what waits is drained */
} rows[] = {
	{ "over UDP", LAT_PROTO_UDP, false, UINT64_MAX, false },
	{ "over UDP, the goodbye is lost", LAT_PROTO_UDP, true, UINT64_MAX, false },
	{ "over UDP, and known again", LAT_PROTO_UDP, false, UINT64_MAX, true },
	{ "over UDP, the goodbye lost, and known again", LAT_PROTO_UDP, true, UINT64_MAX, true },
	{ "over UDP, no room", LAT_PROTO_UDP, false, 3, false },
	{ "over UDP, no room, and known again", LAT_PROTO_UDP, false, 3, true },
	{ "over TCP", LAT_PROTO_TCP, false, UINT64_MAX, false },
	{ "over TCP, and known again", LAT_PROTO_TCP, false, UINT64_MAX, true },
	{ "over TCP, no room", LAT_PROTO_TCP, false, 3, false },
	{ "over TCP, no room, and known again", LAT_PROTO_TCP, false, 3, true },
};

static bool swallow(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	(void)w;
	(void)to;
	(void)packet;
	(void)bytes;
	return from == 0;
}

TEST(a_peer_is_removed)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct world_options o = { .proto = rows[i].proto };
		struct world *w = world_open(2, 31, &o);
		struct world_chan *to = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE), *opening, *from, *in;
		struct lat_peer_info info;
		const int a = 0, b = 1;
		int before;

		w->node[0].room = rows[i].room;
		from = world_chan_open(w, 1, 0, 2, LAT_CFLAG_RELIABLE);
		CHECK_ROW(rows[i].why, world_pump(w, &to, &a, 1, 20, 100, 10 * SEC));
		CHECK_ROW(rows[i].why, world_pump(w, &from, &b, 1, 50, 20, 10 * SEC));
		in = world_chan_at(w, 0, from);
		opening = world_chan_open(w, 0, 1, 3, LAT_CFLAG_RELIABLE);
		if (rows[i].lost)
			w->filter = swallow;
		before = w->node[0].secrets;
		CHECK_EQ_ROW(rows[i].why, lat_engine_peer_remove(w->node[0].engine, w->now, 2), 0);
		w->filter = NULL;

		/* At once: nothing of it is known, and what it wrote is still to be had. */
		CHECK_EQ_ROW(rows[i].why, to->ended ? to->err : 0, -ENOKEY);
		CHECK_EQ_ROW(rows[i].why, to->last_seq, 20);
		CHECK_EQ_ROW(rows[i].why, opening->ended ? opening->err : 0, -ENOKEY);
		CHECK_EQ_ROW(rows[i].why, in->ended, rows[i].room == UINT64_MAX);
		CHECK_ROW(rows[i].why, w->node[0].secrets < before);
		CHECK_EQ(lat_engine_peer_remove(w->node[0].engine, w->now, 2), -ENOKEY);
		CHECK_EQ(lat_engine_peer_info(w->node[0].engine, w->now, 2, &info), -ENOKEY);
		CHECK_EQ(lat_engine_peer_connect(w->node[0].engine, w->now, 2), -ENOKEY);
		CHECK_EQ(lat_engine_peer_close(w->node[0].engine, w->now, 2, LAT_CODE_ESHUTDOWN), -ENOKEY);
		CHECK_EQ(lat_engine_ping(w->node[0].engine, w->now, 2, 1), -ENOKEY);
		CHECK_EQ(lat_engine_chan_send(w->node[0].engine, w->now, to->handle, 1, "", 0, NULL),
			 -ENOENT);
		world_tick(w, 0);
		if (rows[i].again)
			world_know(w, 0, 1, &o);
		world_run(w, SEC);
		if (!rows[i].lost) {
			CHECK_EQ_ROW(rows[i].why, from->ended ? from->err : 0, -ESHUTDOWN);
			CHECK_EQ_ROW(rows[i].why, from->last_seq, 50);
		}
		if (rows[i].again) {
			const int way[2] = { 0, 1 };
			struct world_chan *c[2] = { world_chan_open(w, 0, 1, 4, LAT_CFLAG_RELIABLE), NULL };

			w->node[0].room = UINT64_MAX;
			CHECK_ROW(rows[i].why, world_pump(w, c, way, 1, 20, 100, 60 * SEC));
			c[1] = world_chan_open(w, 1, 0, 5, LAT_CFLAG_RELIABLE);
			CHECK_ROW(rows[i].why, world_pump(w, c, way, 2, 40, 100, 60 * SEC));
		} else {
			world_run(w, 200 * SEC); /* it calls, and gets no answer */
			CHECK_EQ_ROW(rows[i].why, w->node[1].state[0] != LAT_PEER_UP, true);
		}
		in->room = UINT64_MAX;
		lat_engine_drain(w->node[0].engine, w->now, in->handle);
		world_tick(w, 0);
		CHECK_EQ_ROW(rows[i].why, in->got, 50);
		CHECK_EQ_ROW(rows[i].why, in->ended ? in->err : 0, -ENOKEY);
		CHECK_EQ_ROW(rows[i].why, w->node[0].bad + w->node[1].bad, 0);
		if (!rows[i].again) /* its own alone */
			CHECK_EQ_ROW(rows[i].why, w->node[0].secrets, 1);
		world_close(w);
	}
}

/* The number is free for another key, and the key for another number. */
TEST(what_a_removed_peer_leaves_is_free)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(3, 32, &o);
	struct lat_engine *e = w->node[0].engine;
	struct lat_peer_config cfg = { .node = 2, .path = world_path(2, LAT_PROTO_UDP) };

	memcpy(cfg.pk, w->node[2].pk, sizeof(cfg.pk));
	CHECK_EQ(lat_engine_peer_add(e, &cfg), -EEXIST);
	CHECK_EQ(lat_engine_peer_remove(e, w->now, 2), 0);
	CHECK_EQ(lat_engine_peer_add(e, &cfg), -EKEYREJECTED); /* it is 3's */
	CHECK_EQ(lat_engine_peer_remove(e, w->now, 3), 0);
	CHECK_EQ(lat_engine_peer_add(e, &cfg), 0);
	cfg.node = 3;
	memcpy(cfg.pk, w->node[1].pk, sizeof(cfg.pk));
	CHECK_EQ(lat_engine_peer_add(e, &cfg), 0);
	world_close(w);
}

/* Closed with something left to drain: nothing is called, everything is given back. */
TEST(an_engine_closes_over_a_peer_that_is_leaving)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 33, &o);
	struct world_chan *c;
	const int b = 1;

	w->node[0].room = 1;
	c = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
	CHECK(world_pump(w, &c, &b, 1, 30, 20, 10 * SEC));
	CHECK_EQ(lat_engine_peer_remove(w->node[0].engine, w->now, 2), 0);
	CHECK(!world_chan_at(w, 0, c)->ended);
	world_tick(w, 0);
	world_close(w);
}

/* ---- what was said before, and after ---- */

static const struct {
	const char *why;
	uint8_t proto;
	int who;     /* ends it all: 0 the receiver, 1 the sender */
	bool remove; /* it forgets the other, and knows it again */
	bool lost;   /* its goodbye */
} ends[] = {
	{ "the sender resets", LAT_PROTO_UDP, 1, false, false },
	{ "the sender resets, its goodbye is lost", LAT_PROTO_UDP, 1, false, true },
	{ "the sender resets, TCP", LAT_PROTO_TCP, 1, false, false },
	{ "the receiver resets", LAT_PROTO_UDP, 0, false, false },
	{ "the receiver resets, its goodbye is lost", LAT_PROTO_UDP, 0, false, true },
	{ "the sender removes the receiver", LAT_PROTO_UDP, 1, true, false },
	{ "the receiver removes the sender", LAT_PROTO_UDP, 0, true, false },
	{ "the receiver removes the sender, TCP", LAT_PROTO_TCP, 0, true, false },
	{ "the receiver removes the sender, the goodbye is lost", LAT_PROTO_UDP, 0, true, true },
};

static bool swallow_all(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	(void)w;
	(void)from;
	(void)to;
	(void)packet;
	(void)bytes;
	return true;
}

/* What was acknowledged on the channel before is handed up before anything of the one between the same pids after it. */
TEST(the_old_channel_is_drained_before_the_new_one)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		const char *why = ends[i].why;
		const struct world_options o = { .proto = ends[i].proto };
		struct world *w = world_open(2, 51, &o);
		struct lat_engine *e = w->node[ends[i].who].engine;
		uint32_t other = world_node_number(!ends[i].who);
		struct world_chan *old, *new, *first, *second = NULL;
		const int b = 1;

		w->node[0].room = 3;
		old = world_chan_open(w, 1, 0, 5, LAT_CFLAG_RELIABLE);
		CHECK_ROW(why, world_pump(w, &old, &b, 1, 20, 50, 10 * SEC));
		first = world_chan_at(w, 0, old);
		CHECK_EQ_ROW(why, first->got, 3);
		if (ends[i].lost)
			w->filter = swallow_all;
		if (ends[i].remove)
			CHECK_EQ(lat_engine_peer_remove(e, w->now, other), 0);
		else
			CHECK_EQ(lat_engine_peer_close(e, w->now, other, LAT_CODE_ECONNRESET), 0);
		world_tick(w, ends[i].who);
		world_run(w, ends[i].lost ? 30 * SEC : SEC);
		w->filter = NULL;
		if (ends[i].remove)
			world_know(w, ends[i].who, !ends[i].who, &o);
		CHECK_EQ(lat_engine_peer_connect(e, w->now, other), 0);
		world_tick(w, ends[i].who);
		w->node[0].room = UINT64_MAX;
		world_run(w, 30 * SEC);
		CHECK_ROW(why, old->ended);
		new = world_chan_open(w, 1, 0, 5, LAT_CFLAG_RELIABLE);
		CHECK_ROW(why, world_pump(w, &new, &b, 1, 5, 50, 60 * SEC));
		world_run(w, SEC);
		for (int k = 0; k < WORLD_CHANS; k++) {
			struct world_chan *c = &w->node[0].chan[k];

			if (c->used && !c->outbound && c != first && c->src == 5 && !c->ended)
				second = c;
		}
		CHECK_ROW(why, second != NULL && !first->ended);
		CHECK_EQ_ROW(why, second->got, 0); /* though it has room */
		first->room = 5;
		lat_engine_drain(w->node[0].engine, w->now, first->handle);
		world_tick(w, 0);
		CHECK_EQ_ROW(why, first->got, 8);
		CHECK_EQ_ROW(why, second->got, 0);
		first->room = UINT64_MAX;
		lat_engine_drain(w->node[0].engine, w->now, first->handle);
		world_tick(w, 0);
		CHECK_EQ_ROW(why, first->got, 20);
		CHECK_ROW(why, first->ended);
		CHECK_EQ_ROW(why, second->got, 5);
		CHECK_EQ_ROW(why, w->node[0].bad + w->node[1].bad, 0);
		world_close(w);
	}
}

TEST_MAIN

/* TCP connections that are closed when nothing is due on them, and opened again by what is. */
#include "session/engine_harness.h"

static const struct {
	const char *why;
	bool passive; /* only node 0 knows where the other is */
} rows[] = {
	{ "both know where the other is", false },
	{ "one is only called", true },
};

static struct world *open_world(uint64_t seed, bool passive, bool transient)
{
	const struct world_options o = { .proto = LAT_PROTO_TCP, .passive = passive, .transient = transient };

	return world_open(2, seed, &o);
}

TEST(nothing_is_lost_or_doubled_over_rests)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (uint64_t seed = 1; seed <= world_seeds(20); seed++) {
			struct world *w = open_world(seed, rows[i].passive, true);
			struct world_chan *c[2];
			const int from[2] = { 0, 1 };
			uint64_t rests = 0, want[2] = { 0, 0 };

			world_connect(w, 0, 1);
			for (int k = 0; k < 2; k++)
				c[k] = world_chan_open(w, k, !k, 10 + k, LAT_CFLAG_RELIABLE);
			for (int round = 0; round < 60; round++) {
				/* Who is only called writes when the other has just done so. */
				for (int k = 0; k < 2; k++) {
					want[k] = c[k]->sent + world_random(w) % 4;
					while (c[k]->sent < want[k] &&
					       world_chan_send(w, k, c[k], world_random(w) % 5000) == 0)
						;
				}
				world_run(w, world_random(w) % 200 * MS);
				rests += world_rest(w, 0, 1);
				world_run(w, world_random(w) % 5 * MS);
			}
			CHECK_ROW(rows[i].why, rests > 5);
			/* The last word is of one who may call. */
			CHECK_EQ_ROW(rows[i].why, world_chan_send(w, 0, c[0], 10), 0);
			world_run(w, 5 * SEC);
			if (!world_pump(w, c, from, 2, c[0]->sent, 100, 60 * SEC)) {
				print_error("seed %llu\n", (unsigned long long)seed);
				world_dump(w);
				CHECK_ROW(rows[i].why, false);
			}
			for (int k = 0; k < 2; k++) {
				const struct world_chan *in = world_chan_at(w, !k, c[k]);

				CHECK_EQ_ROW(rows[i].why, in->got, c[k]->sent);
				CHECK_EQ_ROW(rows[i].why, in->skipped, 0);
				CHECK(!in->ended && !c[k]->ended);
				CHECK_EQ_ROW(rows[i].why, w->node[k].bad, 0);
				CHECK_EQ_ROW(rows[i].why, w->node[k].downs[!k], 0);
				CHECK_EQ_ROW(rows[i].why, w->node[k].silences[!k], 0);
				CHECK_EQ_ROW(rows[i].why, w->node[k].ups[!k], 1);
			}
			world_close(w);
		}
}

/* A packet is not sent again, so what opens the connection for it is not the packet itself. */
TEST(a_packet_over_a_rest)
{
	struct world *w = open_world(41, false, true);
	uint8_t data[100];
	int rc = -EAGAIN;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(1 + i);
	world_connect(w, 0, 1);
	world_run(w, SEC);
	for (uint64_t n = 1; n <= 10; n++) {
		CHECK(world_rest(w, 0, 1));
		world_run(w, SEC);
		for (int tries = 0; tries < 1000; tries++) {
			rc = lat_engine_net_send(w->node[0].engine, w->now, 2, data, sizeof(data));
			world_tick(w, 0);
			if (rc == 0)
				break;
			CHECK_EQ(rc, -EAGAIN);
			world_run(w, MS);
		}
		CHECK_EQ(rc, 0);
		world_run(w, SEC);
		CHECK_EQ(w->node[1].nets, n);
	}
	CHECK_EQ(w->node[1].net_bad, 0);
	world_close(w);
}

/* Nothing happens while it rests: no renewal, no keepalive; the session ends in its time and a send makes another. */
TEST(a_rest_of_hours)
{
	struct world *w = open_world(42, false, true);
	struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
	const int from = 0;
	uint64_t packets;

	CHECK(world_pump(w, &c, &from, 1, 10, 100, 10 * SEC));
	world_run(w, 5 * SEC);
	CHECK(world_rest(w, 0, 1));
	world_run(w, 2 * SEC);
	packets = w->node[0].sent_packets;
	world_run(w, 3600 * SEC);
	CHECK_EQ(w->node[0].sent_packets, packets);
	CHECK(w->node[0].tick_at == UINT64_MAX);
	CHECK_EQ(w->node[0].state[1], LAT_PEER_IDLE);
	CHECK_EQ(w->node[0].downs[1] + w->node[1].downs[0], 0);
	CHECK(world_pump(w, &c, &from, 1, 20, 100, 10 * SEC));
	world_run(w, SEC);
	CHECK_EQ(world_chan_at(w, 1, c)->got, 20);
	CHECK_EQ(w->node[0].bad + w->node[1].bad, 0);
	world_close(w);
}

/* What had no room on a connection is not held back by that when the peer comes by UDP. */
TEST(no_room_on_the_way_before)
{
	struct world *w = open_world(45, true, false);
	struct lat_path udp = world_path(1, LAT_PROTO_UDP), tcp = world_path(0, LAT_PROTO_TCP);
	struct world_chan *c = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
	const int b = 1;

	world_connect(w, 0, 1);
	CHECK(world_pump(w, &c, &b, 1, 5, 100, 10 * SEC));
	CHECK_EQ(lat_engine_peer_path(w->node[1].engine, 1, &tcp), 0); /* it has an address now */
	world_run(w, SEC);
	w->stream[0][1].up = false;
	while (world_chan_send(w, 1, c, 100) == 0 && w->stream[0][1].up_at == 0)
		world_run(w, MS);
	w->stream[0][1].up_at = 0;
	CHECK_EQ(lat_engine_peer_path(w->node[0].engine, 2, &udp), 0);
	world_tick(w, 0);
	for (int i = 0; i < 30; i++) { /* no connection, ever */
		world_run(w, SEC);
		w->stream[0][1].up_at = 0;
	}
	CHECK_EQ(world_chan_at(w, 0, c)->got, c->sent);
	world_close(w);
}

static void nothing(struct world *w)
{
	(void)w;
}

static void waits_for_credit(struct world *w)
{
	struct world_chan *c;

	w->node[1].room = 0;
	c = world_chan_open(w, 0, 1, 5, LAT_CFLAG_RELIABLE);
	world_run(w, SEC);
	while (world_chan_send(w, 0, c, 60000) == 0)
		world_run(w, MS);
	world_run(w, 10 * SEC);
}

static void unsent(struct world *w)
{
	struct world_chan *c = world_chan_open(w, 0, 1, 5, LAT_CFLAG_RELIABLE);

	world_run(w, SEC);
	CHECK_EQ(lat_engine_chan_send(w->node[0].engine, w->now, c->handle, 1, "", 0, NULL), 0);
}

static void unacknowledged(struct world *w)
{
	unsent(w);
	world_tick(w, 0);
}

static void a_channel_opens(struct world *w)
{
	(void)world_chan_open(w, 0, 1, 5, LAT_CFLAG_RELIABLE);
}

static void a_ping(struct world *w)
{
	CHECK_EQ(lat_engine_ping(w->node[0].engine, w->now, 2, 1), 0);
}

static void a_handshake(struct world *w)
{
	CHECK_EQ(lat_engine_peer_close(w->node[0].engine, w->now, 2, LAT_CODE_ESHUTDOWN), 0);
	world_run(w, SEC);
	CHECK_EQ(lat_engine_peer_connect(w->node[0].engine, w->now, 2), 0);
}

static void a_goodbye(struct world *w)
{
	CHECK_EQ(lat_engine_peer_close(w->node[0].engine, w->now, 2, LAT_CODE_ESHUTDOWN), 0);
}

static const struct {
	const char *why;
	bool transient;
	void (*make_busy)(struct world *w);
	bool want;
} busy_rows[] = {
	{ "nothing is due", true, nothing, true },
	{ "a path that is kept", false, nothing, false },
	{ "the receiver gives no credit", true, waits_for_credit, false },
	{ "something is unsent", true, unsent, false },
	{ "something is unacknowledged", true, unacknowledged, false },
	{ "a channel opens", true, a_channel_opens, false },
	{ "a ping", true, a_ping, false },
	{ "a handshake", true, a_handshake, false },
	{ "a goodbye", true, a_goodbye, false },
};

TEST(what_keeps_a_connection)
{
	for (size_t i = 0; i < ARRAY_LEN(busy_rows); i++) {
		struct world *w = open_world(43, false, busy_rows[i].transient);

		world_connect(w, 0, 1);
		world_run(w, SEC);
		busy_rows[i].make_busy(w);
		CHECK_EQ_ROW(busy_rows[i].why, lat_engine_peer_rest(w->node[0].engine, 2), busy_rows[i].want);
		world_close(w);
	}
}

TEST_MAIN

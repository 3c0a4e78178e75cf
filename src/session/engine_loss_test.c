/* The protocol machine over a network that loses, doubles, reorders and corrupts. A seed that fails replays. */
#include "session/engine_harness.h"

/* Swallows the first copies of one kind of packet. */
struct drop {
	uint8_t type;
	int copies;
};

static bool drop_some(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	struct drop *d = w->filter_ctx;

	(void)from;
	(void)to;
	(void)bytes;
	if (packet[0] != d->type || d->copies == 0)
		return false;
	d->copies--;
	return true;
}

static const struct {
	const char *why;
	uint8_t type;
	int copies;
	uint64_t up_within;
} losses[] = {
	{ "nothing lost", 0, 0, 10 * LAT_NS_PER_MS },
	{ "M1 lost", LAT_PKT_M1, 1, 400 * LAT_NS_PER_MS },
	{ "M2 lost", LAT_PKT_M2, 1, 400 * LAT_NS_PER_MS },
	{ "M3 lost", LAT_PKT_M3, 1, 400 * LAT_NS_PER_MS },
	{ "M4 lost", LAT_PKT_M4, 1, 400 * LAT_NS_PER_MS },
	{ "the confirmation lost", LAT_PKT_DATA, 1, 400 * LAT_NS_PER_MS },
	{ "M1 lost ten times", LAT_PKT_M1, 10, 12 * LAT_NS_PER_S },
	{ "M4 lost ten times", LAT_PKT_M4, 10, 12 * LAT_NS_PER_S },
	{ "the confirmation lost ten times", LAT_PKT_DATA, 10, 12 * LAT_NS_PER_S },
};

TEST(each_handshake_packet_may_be_lost)
{
	for (size_t i = 0; i < ARRAY_LEN(losses); i++) {
		const struct world_options o = { .proto = LAT_PROTO_UDP };
		struct world *w = world_open(2, i, &o);
		struct drop d = { losses[i].type, losses[i].copies };
		struct lat_peer_info a, b;

		w->filter = drop_some;
		w->filter_ctx = &d;
		world_connect(w, 0, 1);
		world_run(w, losses[i].up_within);
		a = world_info(w, 0, 1);
		b = world_info(w, 1, 0);
		CHECK_EQ_ROW(losses[i].why, a.state, LAT_PEER_UP);
		CHECK_EQ_ROW(losses[i].why, b.state, LAT_PEER_UP);
		CHECK_MEM_ROW(losses[i].why, a.sid, b.sid, sizeof(a.sid));
		CHECK_EQ_ROW(losses[i].why, a.handshakes, 1);
		CHECK_EQ_ROW(losses[i].why, b.handshakes, 1);
		world_close(w);
	}
}

TEST(nobody_answers)
{
	static const struct {
		const char *why;
		uint8_t proto;
		bool refused;
		int err;
	} rows[] = {
		{ "UDP into the void", LAT_PROTO_UDP, false, -EHOSTUNREACH },
		{ "UDP refused", LAT_PROTO_UDP, true, -ECONNREFUSED },
		{ "TCP refused", LAT_PROTO_TCP, true, -ECONNREFUSED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct world_options o = { .proto = rows[i].proto };
		struct world *w = world_open(2, 1, &o);
		struct world_chan *c;

		w->faults.loss = 1000;
		w->unreachable = rows[i].refused;
		c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
		CHECK_EQ(w->node[0].state[1], LAT_PEER_CONNECTING);
		world_run(w, 19 * SEC);
		CHECK_EQ_ROW(rows[i].why, w->node[0].state[1], LAT_PEER_CONNECTING);
		world_run(w, 2 * SEC);
		CHECK_EQ_ROW(rows[i].why, w->node[0].state[1], LAT_PEER_DOWN);
		CHECK_EQ_ROW(rows[i].why, w->node[0].state_err[1], rows[i].err);
		CHECK_ROW(rows[i].why, !c->ended);
		/* The channel is held for 90 s, while attempts go on. */
		world_run(w, 92 * SEC);
		CHECK_ROW(rows[i].why, c->ended);
		CHECK_EQ_ROW(rows[i].why, c->err, -EHOSTUNREACH);
		/* Nobody wants anything any more: the attempt under way ends, and then there is silence. */
		world_run(w, 100 * SEC);
		w->node[0].sent_packets = 0;
		world_run(w, 100 * SEC);
		CHECK_EQ_ROW(rows[i].why, w->node[0].sent_packets, 0);
		/* It comes back. */
		w->faults.loss = 0;
		w->unreachable = false;
		world_connect(w, 0, 1);
		world_run(w, 100 * MS);
		CHECK_EQ_ROW(rows[i].why, w->node[0].state[1], LAT_PEER_UP);
		world_close(w);
	}
}

/* Who flushes a lossy channel waits until all is sent, and no acknowledgement need ever come of it. */
TEST(what_is_lost_for_good_is_flushed)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 1, &o);
	struct world_chan *c = world_chan_open(w, 0, 1, 1, 0);

	world_run(w, SEC);
	CHECK(c->open);
	w->faults.loss = 1000;
	c->wants_room = true;
	CHECK_EQ(world_chan_send(w, 0, c, 3000), 0);
	world_run(w, SEC);
	CHECK_EQ(lat_engine_chan_unacked(w->node[0].engine, c->handle), 0);
	CHECK(!c->wants_room);
	world_close(w);
}

static void rough_sea(const char *why, uint64_t seed, uint32_t loss, uint32_t dup, uint32_t corrupt,
		      uint64_t jitter)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, seed, &o);
	struct world_chan *c[2], *in;
	const int from[2] = { 0, 1 };

	w->faults.loss = loss;
	w->faults.dup = dup;
	w->faults.corrupt = corrupt;
	w->faults.jitter = jitter;
	for (int i = 0; i < 2; i++)
		c[i] = world_chan_open(w, i, !i, 10 + i, LAT_CFLAG_RELIABLE);
	if (!world_pump(w, c, from, 2, 60, 3000, 120 * SEC)) {
		print_error("%s, seed %llu\n", why, (unsigned long long)seed);
		world_dump(w);
		CHECK(false);
	}
	for (int i = 0; i < 2; i++) {
		lat_engine_chan_close(w->node[i].engine, w->now, c[i]->handle);
		world_tick(w, i);
	}
	world_run(w, 20 * SEC);
	for (int i = 0; i < 2; i++) {
		in = world_chan_at(w, !i, c[i]);
		if (in == NULL || in->got != 60 || in->skipped != 0 || w->node[i].bad != 0 || !in->ended ||
		    in->err != 0 || !c[i]->ended || c[i]->err != 0) {
			print_error("%s, seed %llu: end %d\n", why, (unsigned long long)seed, i);
			world_dump(w);
			CHECK(false);
		}
	}
	world_close(w);
}

static const struct {
	const char *why;
	uint32_t loss, dup, corrupt;
	uint64_t jitter;
} seas[] = {
	{ "5 % lost", 50, 0, 0, 0 },      { "20 % lost", 200, 0, 0, 0 },
	{ "10 % doubled", 0, 100, 0, 0 }, { "reordered by up to 5 ms", 0, 0, 0, 5 * LAT_NS_PER_MS },
	{ "1 % corrupted", 0, 0, 10, 0 }, { "everything", 200, 100, 10, 20 * LAT_NS_PER_MS },
};

TEST(nothing_is_lost_or_doubled_in_a_rough_sea)
{
	for (size_t i = 0; i < ARRAY_LEN(seas); i++)
		for (uint64_t seed = 1; seed <= world_seeds(12); seed++)
			rough_sea(seas[i].why, seed, seas[i].loss, seas[i].dup, seas[i].corrupt,
				  seas[i].jitter);
}

TEST(lossy_channel)
{
	for (uint64_t seed = 1; seed <= world_seeds(6); seed++) {
		const struct world_options o = { .proto = LAT_PROTO_UDP };
		struct world *w = world_open(2, seed, &o);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, 0), *in;

		world_run(w, 100 * MS);
		CHECK(c->open);
		w->faults.loss = seed % 2 == 0 ? 100 : 0;
		for (int i = 0; i < 300; i++) {
			CHECK_EQ(world_chan_send(w, 0, c, i % 10 == 0 ? 3000 : 100), 0);
			world_run(w, MS);
		}
		w->faults.loss = 0;
		world_run(w, 3 * SEC);
		in = world_chan_at(w, 1, c);
		CHECK(in != NULL);
		CHECK_EQ(w->node[1].bad, 0);
		CHECK_EQ(in->got + in->skipped + (300 - (in->next_seq - 1)), 300);
		if (w->faults.loss == 0 && seed % 2 == 1)
			CHECK_EQ(in->got, 300);
		CHECK(in->got > 200);
		/* Once the window of 256 has passed over them, the receiver knows how many it did not get. */
		for (int i = 0; i < 300; i++) {
			CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
			world_run(w, MS);
		}
		world_run(w, 100 * MS);
		CHECK_EQ(in->got + in->lost, 600);
		CHECK_EQ(world_count(w, 0, LAT_COUNT_RESENT), 0);
		/* The receiver has no room: dropped, counted, not offered again. */
		in->room = 0;
		CHECK_EQ(world_chan_send(w, 0, c, 10), 0);
		world_run(w, 100 * MS);
		CHECK_EQ(world_count(w, 1, LAT_COUNT_LOSSY_DROP), 1);
		CHECK_EQ(lat_engine_chan_close(w->node[0].engine, w->now, c->handle), 0);
		world_tick(w, 0);
		world_run(w, 100 * MS);
		CHECK(c->ended && in->ended);
		world_close(w);
	}
}

TEST_MAIN

/* What happens to sessions and channels in the course of their lives: renewal, expiry, restarts, cuts, refusals, ends. */
#include "session/engine_harness.h"

static const struct {
	const char *why;
	uint8_t proto;
} protos[] = {
	{ "over UDP", LAT_PROTO_UDP },
	{ "over TCP", LAT_PROTO_TCP },
};

TEST(keys_are_renewed_under_traffic)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 11, &o);
		struct world_chan *c[2], *in;
		const int from[2] = { 0, 1 };
		struct lat_peer_info info;

		for (int k = 0; k < 2; k++)
			c[k] = world_chan_open(w, k, !k, 10 + k, LAT_CFLAG_RELIABLE);
		for (uint64_t m = 1; m <= 100; m++) {
			CHECK_ROW(protos[i].why, world_pump(w, c, from, 2, m * 5, 3000, 10 * SEC));
			world_run(w, 6 * SEC);
		}
		info = world_info(w, 0, 1);
		CHECK_ROW(protos[i].why, info.rekeys >= 4);
		CHECK_ROW(protos[i].why, info.session_age_ns < 140 * SEC);
		CHECK_EQ_ROW(protos[i].why, w->node[0].ups[1], 1);
		for (int k = 0; k < 2; k++) {
			in = world_chan_at(w, !k, c[k]);
			CHECK_EQ_ROW(protos[i].why, in->got, 500);
			CHECK_EQ(in->skipped, 0);
			CHECK(!in->ended && !c[k]->ended);
			CHECK_EQ(w->node[k].bad, 0);
			CHECK_EQ(world_count(w, k, LAT_COUNT_CHAN), 0);
			CHECK_EQ(world_count(w, k, LAT_COUNT_PROTO), 0);
		}
		world_close(w);
	}
}

TEST(idle_sessions_expire_and_channels_do_not)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 12, &o);
		struct world_chan *c, *in;
		uint64_t packets;

		world_connect(w, 0, 1);
		world_run(w, 10 * SEC);
		packets = w->node[0].sent_packets + w->node[1].sent_packets;
		world_run(w, 165 * SEC);
		CHECK_EQ_ROW(protos[i].why, w->node[0].state[1], LAT_PEER_UP);
		CHECK_EQ_ROW(protos[i].why, w->node[0].sent_packets + w->node[1].sent_packets, packets);
		world_run(w, 6 * SEC);
		CHECK_EQ_ROW(protos[i].why, w->node[0].state[1], LAT_PEER_IDLE);
		CHECK_EQ_ROW(protos[i].why, w->node[1].state[0], LAT_PEER_IDLE);
		CHECK(w->node[0].tick_at == UINT64_MAX && w->node[1].tick_at == UINT64_MAX);

		c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
		world_run(w, SEC);
		CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
		world_run(w, 1000 * SEC);
		CHECK_EQ_ROW(protos[i].why, w->node[0].state[1], LAT_PEER_IDLE);
		CHECK(!c->ended);
		CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
		world_run(w, SEC);
		in = world_chan_at(w, 1, c);
		CHECK_EQ_ROW(protos[i].why, in->got, 2);
		CHECK_EQ(w->node[1].bad, 0);
		world_close(w);
	}
}

TEST(a_connection_is_cut_in_the_middle)
{
	for (uint64_t seed = 1; seed <= world_seeds(10); seed++) {
		const struct world_options o = { .proto = LAT_PROTO_TCP };
		struct world *w = world_open(2, seed, &o);
		struct world_chan *c[2], *in;
		const int from[2] = { 0, 1 };

		for (int k = 0; k < 2; k++)
			c[k] = world_chan_open(w, k, !k, 10 + k, LAT_CFLAG_RELIABLE);
		for (uint64_t m = 1; m <= 30; m++) {
			world_pump(w, c, from, 2, m * 20, 20000, world_random(w) % 5 * MS);
			world_cut(w, 0, 1);
		}
		if (!world_pump(w, c, from, 2, 600, 20000, 60 * SEC)) {
			print_error("seed %llu\n", (unsigned long long)seed);
			world_dump(w);
			CHECK(false);
		}
		world_run(w, SEC);
		for (int k = 0; k < 2; k++) {
			in = world_chan_at(w, !k, c[k]);
			CHECK_EQ(in->got, 600);
			CHECK_EQ(in->skipped, 0);
			CHECK_EQ(w->node[k].bad, 0);
		}
		CHECK_EQ(w->streams_refused, 0);
		world_close(w);
	}
}

/* The side that was called closes what proves nothing: a new connection has to speak though there is nothing to say. */
TEST(a_new_connection_proves_itself)
{
	const struct world_options o = { .proto = LAT_PROTO_TCP };
	struct world *w = world_open(2, 1, &o);
	uint64_t handshakes;

	CHECK_EQ(lat_engine_peer_connect(w->node[0].engine, w->now, 2), 0);
	world_tick(w, 0);
	world_run(w, SEC);
	CHECK_EQ(w->stream[0][1].known[1], true);
	handshakes = w->packets_of_type[LAT_PKT_M1];
	world_cut(w, 0, 1);
	CHECK_EQ(w->stream[0][1].known[1], false);
	world_run(w, SEC);
	CHECK_EQ(w->stream[0][1].known[1], true);
	CHECK_EQ(w->packets_of_type[LAT_PKT_M1], handshakes);
	world_close(w);
}

static bool swallow(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	(void)w;
	(void)from;
	(void)to;
	(void)packet;
	(void)bytes;
	return true;
}

static bool swallow_mine(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	return from == 0 && swallow(w, from, to, packet, bytes);
}

/* What the other side sends does not hide for long that nothing gets there. */
TEST(a_connection_falls_silent_one_way)
{
	const struct world_options o = { .proto = LAT_PROTO_TCP };
	struct world *w = world_open(2, 22, &o);
	struct world_chan *c[2];
	const int from[2] = { 0, 1 };

	for (int k = 0; k < 2; k++)
		c[k] = world_chan_open(w, k, !k, 10 + k, LAT_CFLAG_RELIABLE);
	CHECK(world_pump(w, c, from, 2, 5, 100, 10 * SEC));
	world_run(w, SEC);
	w->filter = swallow_mine;
	CHECK_EQ(world_chan_send(w, 0, c[0], 100), 0);
	world_run(w, SEC);
	CHECK_EQ(world_chan_send(w, 1, c[1], 100), 0);
	world_run(w, (uint64_t)LAT_DEAD_NS + 2 * SEC);
	CHECK_EQ(w->node[0].silences[1], 1);
	w->filter = NULL;
	world_cut(w, 0, 1);
	world_run(w, 5 * SEC);
	for (int k = 0; k < 2; k++) {
		CHECK_EQ(world_chan_at(w, !k, c[k])->got, 6);
		CHECK(!c[k]->ended);
	}
	world_close(w);
}

/* A connection that takes everything and brings nothing: its owner is told once, and the next one carries on. */
TEST(a_connection_falls_silent)
{
	const struct world_options o = { .proto = LAT_PROTO_TCP };
	struct world *w = world_open(2, 21, &o);
	struct world_chan *c = world_chan_open(w, 0, 1, 10, LAT_CFLAG_RELIABLE), *in;
	const int from = 0;

	CHECK(world_pump(w, &c, &from, 1, 5, 100, 10 * SEC));
	world_run(w, SEC);
	CHECK_EQ(w->node[0].silences[1], 0);
	w->filter = swallow;
	CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
	world_run(w, (uint64_t)LAT_DEAD_NS - SEC);
	CHECK_EQ(w->node[0].silences[1], 0);
	world_run(w, 2 * SEC);
	CHECK_EQ(w->node[0].silences[1], 1);
	CHECK_EQ(w->node[1].silences[0], 0);
	w->filter = NULL;
	world_cut(w, 0, 1);
	world_run(w, 5 * SEC);
	in = world_chan_at(w, 1, c);
	CHECK_EQ(in->got, 6);
	CHECK_EQ(in->skipped, 0);
	CHECK(!in->ended && !c->ended);
	CHECK_EQ(w->node[0].silences[1], 1);
	world_close(w);
}

TEST(nobody_listens)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 15, &o);
	struct world_chan *c;

	w->node[1].refuse = true;
	c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
	world_run(w, 100 * MS);
	CHECK(c->ended && c->err == -ECONNREFUSED);
	CHECK_EQ(world_count(w, 1, LAT_COUNT_OPEN_REFUSED), 1);
	w->node[1].refuse = false;
	c = world_chan_open(w, 0, 1, 2, LAT_CFLAG_TCP_ONLY);
	world_run(w, 100 * MS);
	CHECK(c->ended && c->err == -EACCES);
	/* Given up before it was granted. */
	c = world_chan_open(w, 0, 1, 3, LAT_CFLAG_RELIABLE);
	CHECK_EQ(lat_engine_chan_close(w->node[0].engine, w->now, c->handle), 0);
	CHECK(c->ended && c->err == 0);
	world_tick(w, 0);
	world_run(w, 100 * MS);
	CHECK(world_chan_at(w, 1, c) == NULL || world_chan_at(w, 1, c)->ended);
	world_close(w);
}

TEST(many_channels_at_once)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 25, &o);
		struct world_chan *c[400];

		/* More than the peer grants in a burst: the rest waits its turn, and what is open does not wait for it. */
		for (size_t k = 0; k < ARRAY_LEN(c); k++)
			c[k] = world_chan_open(w, 0, 1, (int32_t)k + 1, LAT_CFLAG_RELIABLE);
		world_run(w, 200 * MS);
		CHECK_ROW(protos[i].why, c[0]->open && !c[399]->open);
		CHECK_EQ(world_chan_send(w, 0, c[0], 100), 0);
		world_run(w, 50 * MS);
		CHECK_EQ_ROW(protos[i].why, world_chan_at(w, 1, c[0])->got, 1);
		world_run(w, 6 * SEC);
		for (size_t k = 0; k < ARRAY_LEN(c); k++)
			CHECK_ROW(protos[i].why, c[k]->open);
		CHECK_EQ(world_count(w, 1, LAT_COUNT_OPEN_REFUSED), 0);
		world_close(w);
	}
}

TEST(too_long)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP, .max_msg = 10000 };
	struct world *w = world_open(2, 16, &o);
	struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);

	world_run(w, 100 * MS);
	CHECK_EQ(world_chan_send(w, 0, c, 10000 - 12 + 1), -EMSGSIZE);
	CHECK_EQ(world_chan_send(w, 0, c, 10000 - 12), 0);
	world_run(w, 100 * MS);
	CHECK_EQ(world_chan_at(w, 1, c)->got, 1);
	world_close(w);
}

TEST(a_slow_receiver_holds_the_sender_back)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto, .max_msg = 100000 };
		struct world *w = world_open(2, 17, &o);
		struct world_chan *c, *in;
		uint64_t held;
		int rc = 0;

		w->node[1].room = 3;
		c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
		world_run(w, 100 * MS);
		in = world_chan_at(w, 1, c);
		for (int k = 0; k < 5000; k++) {
			rc = world_chan_send(w, 0, c, 1000);
			if (rc != 0)
				break;
			world_run(w, MS);
		}
		CHECK_EQ_ROW(protos[i].why, rc, -EAGAIN);
		CHECK_EQ_ROW(protos[i].why, in->got, 3);
		/* Bounded at both ends: the queue of the sender, the credit of the receiver. */
		CHECK_ROW(protos[i].why, c->sent < 600);
		held = lat_engine_chan_unacked(w->node[0].engine, c->handle);
		CHECK_ROW(protos[i].why, held > 0);
		for (int k = 0; k < 3000 && in->got < c->sent; k++) {
			in->room = 1;
			lat_engine_drain(w->node[1].engine, w->now, in->handle);
			world_tick(w, 1);
			world_run(w, 5 * MS);
		}
		CHECK_EQ_ROW(protos[i].why, in->got, c->sent);
		CHECK_EQ(in->skipped, 0);
		CHECK_EQ(w->node[1].bad, 0);
		CHECK_EQ(lat_engine_chan_unacked(w->node[0].engine, c->handle), 0);
		world_close(w);
	}
}

TEST(closing_waits_for_the_receiver)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 18, &o);
	struct world_chan *c, *in;

	w->node[1].room = 0;
	c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
	world_run(w, 100 * MS);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
	CHECK_EQ(lat_engine_chan_close(w->node[0].engine, w->now, c->handle), 0);
	world_tick(w, 0);
	world_run(w, SEC);
	in = world_chan_at(w, 1, c);
	CHECK(in->got == 0 && !in->ended);
	in->room = 5;
	lat_engine_drain(w->node[1].engine, w->now, in->handle);
	CHECK(in->got == 5 && in->ended && in->err == 0);
	world_tick(w, 1);
	world_run(w, SEC);
	CHECK(c->ended && c->err == 0 && c->last_seq == 5);
	world_close(w);
}

TEST(the_receiver_has_enough)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 19, &o);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE), *in;

		world_run(w, 100 * MS);
		in = world_chan_at(w, 1, c);
		for (int k = 0; k < 5; k++)
			CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
		world_run(w, 100 * MS);
		lat_engine_inbound_reset(w->node[1].engine, w->now, in->handle, LAT_CODE_EREVOKED);
		world_tick(w, 1);
		CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
		world_run(w, 200 * MS);
		CHECK_ROW(protos[i].why, c->ended);
		CHECK_EQ_ROW(protos[i].why, c->err, -EKEYREVOKED);
		CHECK_EQ_ROW(protos[i].why, c->last_seq, 5);
		CHECK_EQ(in->got, 5);
		CHECK(!in->ended);
		world_close(w);
	}
}

static bool from_the_receiver(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	(void)w, (void)to, (void)packet, (void)bytes;
	return from == 1;
}

/* The reset is lost, and then the line: what came between the two was not taken, and counts as little as what never came. */
TEST(what_comes_after_a_reset_is_not_acknowledged)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 21, &o);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE), *in;

		world_run(w, 100 * MS);
		in = world_chan_at(w, 1, c);
		for (int k = 0; k < 5; k++)
			CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
		world_run(w, 100 * MS);
		w->filter = from_the_receiver;
		lat_engine_inbound_reset(w->node[1].engine, w->now, in->handle, LAT_CODE_EREVOKED);
		world_tick(w, 1);
		w->filter = NULL;
		for (int k = 0; k < 10; k++)
			CHECK_EQ(world_chan_send(w, 0, c, 1000), 0);
		world_run(w, 2 * MS + 1);
		w->unreachable = true;
		world_cut(w, 0, 1);
		world_run(w, 150 * SEC);
		CHECK_ROW(protos[i].why, c->ended && c->err == -ECONNRESET);
		CHECK_EQ_ROW(protos[i].why, c->last_seq, 5);
		CHECK_EQ(in->got, 5);
		world_close(w);
	}
}

TEST(out_of_reach_for_too_long)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 23, &o);
		struct world_chan *c[2], *in[2];
		const int from[2] = { 0, 1 };

		for (int k = 0; k < 2; k++)
			c[k] = world_chan_open(w, k, !k, 10 + k, LAT_CFLAG_RELIABLE);
		CHECK(world_pump(w, c, from, 2, 10, 100, 10 * SEC));
		for (int k = 0; k < 2; k++)
			in[k] = world_chan_at(w, !k, c[k]);
		/* Two that were acknowledged, but not yet taken. */
		in[0]->room = 0;
		for (int k = 0; k < 2; k++)
			CHECK_EQ(world_chan_send(w, 0, c[0], 100), 0);
		world_run(w, SEC);
		w->unreachable = true;
		world_cut(w, 0, 1);
		for (int k = 0; k < 2; k++)
			CHECK_EQ(world_chan_send(w, k, c[k], 100), 0);
		world_run(w, 60 * SEC);
		CHECK_EQ_ROW(protos[i].why, w->node[0].state[1], LAT_PEER_DOWN);
		CHECK_ROW(protos[i].why, !c[0]->ended && !c[1]->ended && !in[0]->ended && !in[1]->ended);
		world_run(w, 90 * SEC);
		CHECK_ROW(protos[i].why, c[0]->ended && c[0]->err == -ECONNRESET && c[0]->last_seq == 12);
		CHECK_ROW(protos[i].why, c[1]->ended && c[1]->err == -ECONNRESET && c[1]->last_seq == 10);
		CHECK_ROW(protos[i].why, in[1]->ended && in[1]->err == -ECONNRESET);
		/* Nothing acknowledged is dropped: the end comes after it. */
		CHECK_ROW(protos[i].why, !in[0]->ended && in[0]->got == 10);
		in[0]->room = 5;
		lat_engine_drain(w->node[1].engine, w->now, in[0]->handle);
		CHECK_ROW(protos[i].why, in[0]->ended && in[0]->err == -ECONNRESET && in[0]->got == 12);
		/* Nobody is called for the sake of what is over. */
		world_run(w, 100 * SEC);
		w->node[0].sent_packets = w->node[1].sent_packets = 0;
		world_run(w, 500 * SEC);
		CHECK_EQ_ROW(protos[i].why, w->node[0].sent_packets + w->node[1].sent_packets, 0);
		w->unreachable = false;
		c[0] = world_chan_open(w, 0, 1, 20, LAT_CFLAG_RELIABLE);
		CHECK_ROW(protos[i].why, world_pump(w, c, from, 1, 10, 100, 70 * SEC));
		CHECK_EQ(w->node[0].bad + w->node[1].bad, 0);
		world_close(w);
	}
}

TEST(only_one_side_lost_patience)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 24, &o);
	struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE), *in;
	const int from = 0;

	/* The sender is silent and never notices; the receiver wanted something and gave it up. It tells when they meet. */
	CHECK(world_pump(w, &c, &from, 1, 10, 100, 10 * SEC));
	in = world_chan_at(w, 1, c);
	world_run(w, 400 * SEC);
	w->unreachable = true;
	world_connect(w, 1, 0);
	world_run(w, 150 * SEC);
	CHECK(in->ended && in->err == -ECONNRESET && !c->ended);
	w->unreachable = false;
	CHECK_EQ(world_chan_send(w, 0, c, 100), 0);
	world_run(w, SEC);
	CHECK(c->ended && c->err == -ECONNRESET && c->last_seq == 10);
	world_close(w);
}

/* Nothing is on its way: the receiver gives no credit, restarts, and has no reason to call. Over TCP the connection tells. */
TEST(who_waits_for_credit_notices_a_restart)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 26, &o);
	struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE), *in;
	uint64_t idle;

	world_run(w, 100 * MS);
	in = world_chan_at(w, 1, c);
	in->room = 0;
	while (world_chan_send(w, 0, c, 1000) == 0)
		world_run(w, MS);
	world_run(w, SEC);
	CHECK(lat_engine_chan_unacked(w->node[0].engine, c->handle) > 0);
	idle = w->node[0].sent_packets;
	world_run(w, 100 * SEC);
	CHECK(w->node[0].sent_packets - idle <= 20); /* it asks now and then */
	CHECK(!c->ended);
	world_crash(w, 1);
	world_boot(w, 1, &o);
	world_run(w, 12 * SEC);
	CHECK(c->ended && c->err == -ECONNRESET);
	world_close(w);
}

TEST(goodbye)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 20, &o);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE), *in;
		const int from = 0;

		CHECK(world_pump(w, &c, &from, 1, 10, 100, 10 * SEC));
		in = world_chan_at(w, 1, c);
		CHECK_EQ(lat_engine_peer_close(w->node[0].engine, w->now, 2, LAT_CODE_ESHUTDOWN), 0);
		world_tick(w, 0);
		CHECK(c->ended && c->err == -ESHUTDOWN && c->last_seq == 10);
		world_run(w, 100 * MS);
		CHECK_ROW(protos[i].why, in->ended && in->err == -ESHUTDOWN);
		CHECK_EQ(w->node[0].state[1], LAT_PEER_IDLE);
		CHECK_EQ(w->node[1].state[0], LAT_PEER_IDLE);
		/* And on again. */
		c = world_chan_open(w, 1, 0, 2, LAT_CFLAG_RELIABLE);
		world_run(w, SEC);
		CHECK_ROW(protos[i].why, c->open);
		world_close(w);
	}
}

static bool swallow_close_reply;

static bool no_answers_from_1(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	(void)w;
	(void)to;
	(void)packet;
	(void)bytes;
	return from == 1 && swallow_close_reply;
}

/* While a CLOSE is repeated nothing else is said: a new session made in between would be taken down with the old one. */
TEST(a_hello_while_closing_waits)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 11, &o);

	world_connect(w, 0, 1);
	world_run(w, SEC);
	CHECK_EQ(w->node[0].state[1], LAT_PEER_UP);
	swallow_close_reply = true; /* its answer to the CLOSE gets lost */
	w->filter = no_answers_from_1;
	CHECK_EQ(lat_engine_peer_close(w->node[0].engine, w->now, 2, LAT_CODE_ESHUTDOWN), 0);
	world_tick(w, 0);
	world_run(w, 5 * MS);
	swallow_close_reply = false;
	world_connect(w, 1, 0);
	world_run(w, 3 * SEC);
	CHECK_EQ(w->node[0].state[1], LAT_PEER_UP);
	CHECK_EQ(w->node[1].state[0], LAT_PEER_UP);
	CHECK_EQ(world_info(w, 1, 0).handshakes, 2);
	world_close(w);
}

TEST(a_peer_that_calls_us)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto, .passive = true };
		struct world *w = world_open(2, 21, &o);
		struct world_chan *c;
		const int from = 1;

		CHECK_EQ(lat_engine_peer_connect(w->node[1].engine, w->now, 1), -EDESTADDRREQ);
		CHECK_EQ(lat_engine_ping(w->node[1].engine, w->now, 1, 1), -EDESTADDRREQ);
		c = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
		world_run(w, SEC);
		CHECK(!c->open);
		CHECK_EQ(w->node[1].sent_packets, 0);
		world_connect(w, 0, 1);
		for (uint64_t m = 1; m <= 60; m++) {
			CHECK_ROW(protos[i].why, world_pump(w, &c, &from, 1, m, 100, 10 * SEC));
			world_run(w, 6 * SEC);
		}
		CHECK_ROW(protos[i].why, world_info(w, 1, 0).rekeys >= 2);
		CHECK_EQ(world_chan_at(w, 0, c)->got, 60);
		/* The other end of its TCP connection is no place where it could be called. */
		CHECK_EQ_ROW(protos[i].why, world_info(w, 1, 0).path.family,
			     o.proto == LAT_PROTO_TCP ? 0 : 4);
		world_close(w);
	}
}

TEST(three_nodes)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(3, 22, &o);
		struct world_chan *c[6];
		int from[6], to[6], n = 0;

		for (int a = 0; a < 3; a++)
			for (int b = 0; b < 3; b++) {
				if (a == b)
					continue;
				from[n] = a;
				to[n] = b;
				c[n++] = world_chan_open(w, a, b, 10 + b, LAT_CFLAG_RELIABLE);
			}
		CHECK_ROW(protos[i].why, world_pump(w, c, from, 6, 50, 3000, 60 * SEC));
		for (int k = 0; k < 6; k++) {
			CHECK_EQ_ROW(protos[i].why, world_chan_at(w, to[k], c[k])->got, 50);
			CHECK_EQ(w->node[to[k]].bad, 0);
		}
		world_close(w);
	}
}

TEST_MAIN

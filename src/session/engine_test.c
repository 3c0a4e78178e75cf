/* The protocol machine between engines in a small world: the ordinary ways. See engine_loss_test.c for the others. */
#include "session/engine_harness.h"

static const struct {
	const char *why;
	uint8_t proto;
} protos[] = {
	{ "over UDP", LAT_PROTO_UDP },
	{ "over TCP", LAT_PROTO_TCP },
};

TEST(handshake_and_ping)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 1, &o);
		struct lat_peer_info a, b;

		CHECK_EQ(lat_engine_ping(w->node[0].engine, w->now, 2, 5), -EAGAIN);
		world_tick(w, 0);
		world_run(w, 100 * MS);
		a = world_info(w, 0, 1);
		b = world_info(w, 1, 0);
		CHECK_EQ_ROW(protos[i].why, a.state, LAT_PEER_UP);
		CHECK_EQ_ROW(protos[i].why, b.state, LAT_PEER_UP);
		CHECK(a.initiator && !b.initiator);
		CHECK_MEM(a.sid, b.sid, sizeof(a.sid));
		CHECK_EQ(lat_engine_ping(w->node[0].engine, w->now, 2, 77), 0);
		CHECK_EQ(lat_engine_ping(w->node[1].engine, w->now, 1, 78), 0);
		world_tick(w, 0);
		world_tick(w, 1);
		world_run(w, 100 * MS);
		CHECK_EQ_ROW(protos[i].why, w->node[0].last_pong, 77);
		CHECK_EQ_ROW(protos[i].why, w->node[1].last_pong, 78);
		CHECK_EQ(w->node[0].last_rtt, 2 * w->faults.delay);
		CHECK_EQ_ROW("here only the wire takes time",
			     w->node[0].last_trip.queue_ns + w->node[0].last_trip.crypto_ns, 0);
		for (int t = 1; t <= 4; t++)
			CHECK_EQ_ROW(protos[i].why, w->packets_of_type[t], 1);
		world_close(w);
	}
}

/* What is about a peer is counted with it, and for all of them. */
TEST(the_peers_counters_add_up)
{
	static const enum lat_engine_counter which[] = { LAT_COUNT_LOST,   LAT_COUNT_RESENT,
							 LAT_COUNT_REPLAY, LAT_COUNT_DUP_MSG,
							 LAT_COUNT_PTO,    LAT_COUNT_SPURIOUS };
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(3, 5, &o);
	struct world_chan *c[2] = { world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE),
				    world_chan_open(w, 0, 2, 2, LAT_CFLAG_RELIABLE) };
	uint64_t sent = 0;

	world_run(w, SEC);
	w->faults.loss = w->faults.dup = 100;
	for (int i = 0; i < 200; i++) {
		for (int k = 0; k < 2; k++)
			sent += world_chan_send(w, 0, c[k], 2000) == 0;
		world_run(w, 20 * MS);
	}
	world_run(w, 10 * SEC);
	for (size_t i = 0; i < ARRAY_LEN(which); i++) {
		uint64_t one = world_info(w, 0, 1).counters[which[i]],
			 two = world_info(w, 0, 2).counters[which[i]];

		CHECK_EQ_ROW(lat_engine_counter_name(which[i]), one + two, world_count(w, 0, which[i]));
	}
	CHECK(world_info(w, 0, 1).counters[LAT_COUNT_LOST] > 0 &&
	      world_info(w, 0, 2).counters[LAT_COUNT_LOST] > 0);
	CHECK_EQ(world_info(w, 0, 1).messages_out + world_info(w, 0, 2).messages_out, sent);
	CHECK_EQ(world_info(w, 1, 0).messages_in + world_info(w, 2, 0).messages_in, sent);
	CHECK_EQ(world_info(w, 1, 0).message_bytes_in + world_info(w, 2, 0).message_bytes_in, sent * 2000);
	world_close(w);
}

TEST_MAIN

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
		for (int t = 1; t <= 4; t++)
			CHECK_EQ_ROW(protos[i].why, w->packets_of_type[t], 1);
		world_close(w);
	}
}

TEST(driver_frames)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 2, &o);
		uint8_t data[1000];

		for (size_t k = 0; k < sizeof(data); k++)
			data[k] = (uint8_t)(1 + k);
		CHECK_EQ(lat_engine_net_send(w->node[0].engine, w->now, 2, data, sizeof(data)), -EAGAIN);
		world_tick(w, 0);
		world_run(w, 50 * MS);
		CHECK_EQ(lat_engine_net_send(w->node[0].engine, w->now, 2, data, sizeof(data)), 0);
		CHECK_EQ(lat_engine_net_send(w->node[0].engine, w->now, 2, data, 0), 0);
		CHECK_EQ(lat_engine_net_send(w->node[0].engine, w->now, 9, data, 0), -ENOKEY);
		CHECK_EQ(lat_engine_net_send(w->node[0].engine, w->now, 2, data, 70000), -EMSGSIZE);
		world_tick(w, 0);
		world_run(w, 50 * MS);
		CHECK_EQ_ROW(protos[i].why, w->node[1].nets, 2);
		CHECK_EQ(w->node[1].net_bytes, sizeof(data));
		CHECK_EQ(w->node[1].net_bad, 0);
		world_close(w);
	}
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

TEST(messages_of_all_sizes_both_ways)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		const struct world_options o = { .proto = protos[i].proto };
		struct world *w = world_open(2, 3, &o);

		for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
			struct world_chan *c[2], *in;

			for (int side = 0; side < 2; side++)
				c[side] = world_chan_open(w, side, !side, 100 + (int)k, sizes[k].cflags);
			CHECK_EQ(world_chan_send(w, 0, c[0], 1), -EAGAIN);
			world_run(w, 100 * MS);
			CHECK_ROW(sizes[k].why, c[0]->open && c[1]->open);
			for (uint64_t m = 0; m < sizes[k].count; m++)
				for (int side = 0; side < 2; side++) {
					while (world_chan_send(w, side, c[side], sizes[k].bytes) == -EAGAIN)
						world_run(w, MS);
				}
			world_run(w, SEC);
			for (int side = 0; side < 2; side++) {
				in = world_chan_at(w, !side, c[side]);
				CHECK_ROW(sizes[k].why, in != NULL);
				CHECK_EQ_ROW(sizes[k].why, in->got, sizes[k].count);
				CHECK_EQ(in->skipped, 0);
				CHECK_EQ(lat_engine_chan_unacked(w->node[side].engine, c[side]->handle), 0);
				CHECK_EQ(lat_engine_chan_close(w->node[side].engine, w->now, c[side]->handle),
					 0);
				world_tick(w, side);
			}
			world_run(w, 100 * MS);
			for (int side = 0; side < 2; side++) {
				in = world_chan_at(w, !side, c[side]);
				CHECK_ROW(sizes[k].why, c[side]->ended && in->ended);
				CHECK_EQ(c[side]->err, 0);
				CHECK_EQ(in->err, 0);
				CHECK_EQ(c[side]->last_seq, sizes[k].count);
				CHECK_EQ(world_chan_send(w, side, c[side], 1), -ENOENT);
			}
		}
		CHECK_EQ(w->node[0].bad + w->node[1].bad, 0);
		CHECK_EQ(world_count(w, 0, LAT_COUNT_RESENT) + world_count(w, 1, LAT_COUNT_RESENT), 0);
		world_close(w);
	}
}

TEST_MAIN

/* What idle nodes send: nothing, but for what keeps a session or renews it. In virtual time. */
#include "session/engine_harness.h"
#include "session/machine.h"

enum {
	MINUTES = 60,
	MINUTE_S = 60,
	RENEWED_AT = LAT_REKEY_AFTER_TIME_INITIATOR_NS / LAT_NS_PER_S / MINUTE_S
};

static const struct {
	const char *why;
	uint8_t proto;
	size_t bytes; /* of a message each way before; 0: none */
	uint16_t cflags;
	uint32_t loss; /* of 1000, while there is something to lose */
} rows[] = {
	{ "UDP, a session and no more", LAT_PROTO_UDP, 0, 0, 0 },
	{ "TCP, a session and no more", LAT_PROTO_TCP, 0, 0, 0 },
	{ "UDP, after short messages", LAT_PROTO_UDP, 10, LAT_CFLAG_RELIABLE, 0 },
	{ "TCP, after short messages", LAT_PROTO_TCP, 10, LAT_CFLAG_RELIABLE, 0 },
	{ "UDP, after long ones: the search for the path's maximum is left where it is", LAT_PROTO_UDP,
	  100000, LAT_CFLAG_RELIABLE, 0 },
	{ "UDP, after losses", LAT_PROTO_UDP, 100000, LAT_CFLAG_RELIABLE, 100 },
	{ "UDP, after lossy messages and losses", LAT_PROTO_UDP, 5000, 0, 100 },
};

static uint64_t sent(const struct world *w)
{
	return w->node[0].sent_packets + w->node[1].sent_packets;
}

/* A session in which something was sent is renewed once; who then has nothing to say lets it end. */
TEST(idle_nodes_send_nothing)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct world_options o = { .proto = rows[i].proto };
		struct world *w = world_open(2, 40 + i, &o);
		struct world_chan *c[2] = { NULL, NULL };

		world_connect(w, 0, 1);
		w->faults.loss = rows[i].loss;
		for (int side = 0; side < 2 && rows[i].bytes != 0; side++)
			c[side] = world_chan_open(w, side, !side, 1, rows[i].cflags);
		world_run(w, 5 * SEC);
		for (int side = 0; side < 2 && rows[i].bytes != 0; side++)
			for (int m = 0; m < 10; m++)
				CHECK_EQ_ROW(rows[i].why, world_chan_send(w, side, c[side], rows[i].bytes),
					     0);
		world_run(w, 15 * SEC);
		w->faults.loss = 0;
		world_run(w, 20 * SEC);
		for (int minute = 0; minute < MINUTES; minute++) {
			uint64_t before = sent(w);
			bool renewed = rows[i].bytes != 0 && minute + 1 >= RENEWED_AT && minute <= RENEWED_AT;

			world_run(w, MINUTE_S * SEC);
			if (renewed)
				CHECK_ROW(rows[i].why, sent(w) - before <= 16);
			else
				CHECK_EQ_ROW(rows[i].why, sent(w) - before, 0);
		}
		CHECK_ROW("nobody is woken",
			  w->node[0].tick_at == UINT64_MAX && w->node[1].tick_at == UINT64_MAX);
		CHECK_EQ_ROW(rows[i].why, w->node[0].bad + w->node[1].bad, 0);
		world_close(w);
	}
}

/* A message a second: enough to find what the path carries, and little is sent for it. */
static const struct {
	const char *why;
	size_t path, found;
} lights[] = {
	{ "no more than every path carries", 1232, 1232 },
	{ "a tunnel", 1440, 1432 },
	{ "Ethernet", 1472, 1472 },
	{ "jumbo frames", 8972, 8952 },
};

TEST(light_traffic_finds_the_path_maximum)
{
	for (size_t i = 0; i < ARRAY_LEN(lights); i++) {
		const struct world_options o = { .proto = LAT_PROTO_UDP };
		struct world *w = world_open(2, 60 + i, &o);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
		uint64_t packets;

		w->faults.mtu = lights[i].path;
		world_run(w, SEC);
		for (int m = 0; m < 20; m++) {
			CHECK_EQ(world_chan_send(w, 0, c, 10), 0);
			world_run(w, SEC);
		}
		CHECK_EQ_ROW(lights[i].why, lat_peer_find(w->node[0].engine, 2)->pmtu.now, lights[i].found);
		packets = sent(w);
		for (int m = 0; m < 60; m++) {
			CHECK_EQ(world_chan_send(w, 0, c, 10), 0);
			world_run(w, SEC);
		}
		/* A message, its ACK with CREDIT, and the ACK of that; a few times three probes, and what asks after them. */
		CHECK_ROW(lights[i].why, sent(w) - packets <= 3 * 60 + 40);
		CHECK_EQ(w->node[1].bad, 0);
		world_close(w);
	}
}

TEST_MAIN

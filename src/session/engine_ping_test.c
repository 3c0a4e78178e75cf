/* PINGs that somebody waits for, where the way to the peer is not clear. */
#include "session/engine_harness.h"
#include "session/machine.h"

TEST(a_ping_is_not_lost_with_a_probe_of_the_path)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 9, &o);
	struct lat_peer *p;

	w->faults.mtu = LAT_UDP_BASE; /* every probe is lost, and nothing else */
	CHECK_EQ(lat_engine_ping(w->node[0].engine, w->now, 2, 5), -EAGAIN);
	world_tick(w, 0);
	world_run(w, 100 * MS);
	p = lat_peer_find(w->node[0].engine, 2);
	p->pmtu.used = true;               /* a search is due */
	p->rec.pace_ns = w->now + 10 * MS; /* and what is not a probe has to wait */
	CHECK_EQ(lat_engine_ping(w->node[0].engine, w->now, 2, 6), 0);
	world_tick(w, 0);
	world_run(w, 20 * MS);
	CHECK_EQ(w->node[0].pongs, 1);
	CHECK_EQ(w->node[0].last_pong, 6);
	CHECK(p->pmtu.probe != 0); /* it was made all the same */
	world_close(w);
}

/* As where there was no memory to send it: its time on the way cannot be told, and only a liar answers it. */
TEST(a_ping_that_never_left_is_not_answered)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 10, &o);
	struct lat_ping *ping;

	CHECK_EQ(lat_engine_ping(w->node[0].engine, w->now, 2, 5), -EAGAIN);
	world_tick(w, 0);
	world_run(w, 100 * MS);
	CHECK_EQ(lat_engine_ping(w->node[0].engine, w->now, 2, 6), 0);
	world_tick(w, 0);
	ping = &lat_peer_find(w->node[0].engine, 2)->pings[0];
	CHECK(ping->token == 6 && ping->sent);
	ping->sealed_ns = ping->handed_ns = ping->crypto_ns = 0;
	world_run(w, 100 * MS);
	CHECK_EQ(w->node[0].pongs, 0);
	world_close(w);
}

TEST_MAIN

/* Who is not meant to be heard: wrong keys, noise, cut packets, floods. Nothing goes out, nothing is disturbed. */
#include "session/engine_harness.h"
#include "session/machine.h"

/* ---- keys that do not fit ---- */

/* Node 0 calls node 1; what each knows is told by the row. */
static const struct {
	const char *why;
	bool wrong_peer_key; /* 0 has another key for 1 */
	bool wrong_mesh;
	bool unknown; /* 1 does not know 0 */
	bool wrong_psk;
	bool wrong_number; /* 1 has 0's key under another number */
	bool up;
	bool answered; /* M2 gives away that 0's id is known; nothing else ever answers */
	enum lat_engine_counter counter;
} keys[] = {
	{ .why = "all fits", .up = true, .answered = true, .counter = LAT_COUNT_MAX },
	{ .why = "wrong key of the called", .wrong_peer_key = true, .counter = LAT_COUNT_MAC1 },
	{ .why = "wrong mesh key", .wrong_mesh = true, .counter = LAT_COUNT_MAC1 },
	{ .why = "unknown caller", .unknown = true, .counter = LAT_COUNT_UNKNOWN_ID },
	{ .why = "wrong psk", .wrong_psk = true, .answered = true, .counter = LAT_COUNT_MAX },
	{ .why = "wrong number", .wrong_number = true, .counter = LAT_COUNT_HS_PARAMS },
};

TEST(keys_that_do_not_fit)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		for (int tcp = 0; tcp < 2; tcp++) {
			const struct world_options o = { .proto = tcp ? LAT_PROTO_TCP : LAT_PROTO_UDP,
							 .mesh_key = { 0, keys[i].wrong_mesh } };
			struct world *w = world_open(2, 1, &o);
			struct lat_peer_config cfg = { .node = 2, .path = world_path(1, o.proto) };
			uint8_t other[32] = { 9 };

			CHECK_EQ(lat_engine_peer_remove(w->node[0].engine, w->now, 2), 0);
			CHECK_EQ(lat_engine_peer_remove(w->node[1].engine, w->now, 1), 0);
			memcpy(cfg.pk, w->node[1].pk, sizeof(cfg.pk));
			if (keys[i].wrong_peer_key)
				CHECK_EQ(lat_kem_keypair(cfg.pk, other), 0);
			CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), 0);
			cfg = (struct lat_peer_config){ .node = keys[i].wrong_number ? 3 : 1,
							.psk = { keys[i].wrong_psk } };
			memcpy(cfg.pk, w->node[0].pk, sizeof(cfg.pk));
			if (!keys[i].unknown)
				CHECK_EQ(lat_engine_peer_add(w->node[1].engine, &cfg), 0);
			world_connect(w, 0, 1);
			world_run(w, 5 * SEC);
			CHECK_EQ_ROW(keys[i].why, w->node[0].state[1] == LAT_PEER_UP, keys[i].up);
			CHECK_EQ_ROW(keys[i].why, w->node[1].sent_packets != 0, keys[i].answered);
			if (keys[i].counter != LAT_COUNT_MAX)
				CHECK_ROW(keys[i].why, world_count(w, 1, keys[i].counter) > 0);
			world_close(w);
		}
}

TEST(peers_that_cannot_be_added)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 1, &o);
	struct lat_peer_config cfg = { .node = 2 };
	uint8_t other[32] = { 9 };

	memcpy(cfg.pk, w->node[1].pk, sizeof(cfg.pk));
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EEXIST);
	cfg.node = 3;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EKEYREJECTED);
	memcpy(cfg.pk, w->node[0].pk, sizeof(cfg.pk));
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EINVAL);
	CHECK_EQ(lat_kem_keypair(cfg.pk, other), 0);
	cfg.node = 1;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EINVAL);
	cfg.node = 0;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EINVAL);
	cfg.node = 0xffffffff;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EINVAL);
	cfg.node = 3;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), 0);
	CHECK_EQ(lat_engine_peer_remove(w->node[0].engine, w->now, 3), 0);
	CHECK_EQ(lat_engine_peer_remove(w->node[0].engine, w->now, 3), -ENOKEY);
	world_close(w);
}

/* ---- noise beside a live session ---- */

enum { KEPT_MAX = 64 };

static struct {
	size_t count;
	struct {
		int to;
		size_t bytes;
		uint8_t data[LAT_UDP_BASE];
	} packet[KEPT_MAX];
} kept;

static bool keep_some(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	(void)w;
	(void)from;
	if (kept.count < KEPT_MAX && bytes <= LAT_UDP_BASE) {
		kept.packet[kept.count].to = to;
		kept.packet[kept.count].bytes = bytes;
		memcpy(kept.packet[kept.count++].data, packet, bytes);
	}
	return false;
}

static struct world *live_world(struct world_chan **c)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 5, &o);
	const int from = 0;

	kept.count = 0;
	w->filter = keep_some;
	*c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
	CHECK(world_pump(w, c, &from, 1, 10, 2000, 10 * SEC));
	w->filter = NULL;
	world_run(w, 100 * MS);
	return w;
}

static void still_well(struct world *w, struct world_chan *c, const char *why)
{
	const int from = 0;

	if (!world_pump(w, &c, &from, 1, c->sent + 10, 2000, 10 * SEC) ||
	    world_chan_at(w, 1, c)->got != c->sent || w->node[1].bad != 0 || w->node[0].ups[1] != 1 ||
	    world_info(w, 0, 1).handshakes != 1) {
		print_error("%s\n", why);
		world_dump(w);
		CHECK(false);
	}
}

/* Hands bytes to a node from a stranger's address. */
static void inject(struct world *w, int to, const uint8_t *data, size_t bytes, uint8_t last_addr)
{
	struct lat_path from = world_path(last_addr - 1, LAT_PROTO_UDP);
	uint8_t copy[2048];

	from.node = 0;
	memcpy(copy, data, bytes);
	(void)!lat_engine_packet(w->node[to].engine, w->now, &from, copy, bytes);
	world_tick(w, to);
}

TEST(random_bytes)
{
	struct world_chan *c;
	struct world *w = live_world(&c);
	uint64_t before = w->node[1].sent_packets, counted = 0, after = 0;
	uint8_t data[1400];

	for (int k = 0; k < LAT_COUNT_MAX; k++)
		counted += world_count(w, 1, (enum lat_engine_counter)k);
	for (int i = 0; i < 100000; i++) {
		size_t bytes = world_random(w) % sizeof(data);

		for (size_t k = 0; k < bytes && k < 64; k++)
			data[k] = (uint8_t)world_random(w);
		if (i % 4 != 0 && bytes >= 2) { /* past the first look */
			static const size_t lengths[8] = { 0,          LAT_M1_LEN, LAT_M2_LEN,
							   LAT_M3_LEN, LAT_M4_LEN, LAT_COOKIE_LEN };

			data[0] = (uint8_t)(i % 7 + 1);
			data[1] = LAT_LWP_VERSION;
			data[2] = data[3] = 0;
			if (lengths[data[0]] != 0)
				bytes = lengths[data[0]];
		}
		inject(w, 1, data, bytes, (uint8_t)(100 + i % 100));
	}
	for (int k = 0; k < LAT_COUNT_MAX; k++)
		after += world_count(w, 1, (enum lat_engine_counter)k);
	CHECK_EQ(w->node[1].sent_packets, before);
	CHECK_EQ(after - counted, 100000);
	still_well(w, c, "after random bytes");
	world_close(w);
}

TEST(every_truncation_and_replay_of_real_packets)
{
	struct world_chan *c;
	struct world *w = live_world(&c);
	uint64_t before;

	CHECK(kept.count > 10);
	for (size_t i = 0; i < kept.count; i++)
		for (size_t cut = 0; cut < kept.packet[i].bytes; cut++) {
			before = w->node[kept.packet[i].to].sent_packets;
			inject(w, kept.packet[i].to, kept.packet[i].data, cut, 200);
			CHECK_EQ(w->node[kept.packet[i].to].sent_packets, before);
		}
	still_well(w, c, "after truncations");
	/* Whole ones again: M1 gets the stored M2 or a new one, all else silence. */
	for (size_t i = 0; i < kept.count; i++) {
		uint64_t got = world_chan_at(w, 1, c)->got;

		before = w->node[kept.packet[i].to].sent_packets;
		inject(w, kept.packet[i].to, kept.packet[i].data, kept.packet[i].bytes, 200);
		if (kept.packet[i].data[0] != LAT_PKT_M1)
			CHECK_EQ(w->node[kept.packet[i].to].sent_packets, before);
		CHECK_EQ(world_chan_at(w, 1, c)->got, got);
	}
	still_well(w, c, "after replays");
	world_run(w, 30 * SEC);
	still_well(w, c, "after the half-open entries went");
	world_close(w);
}

TEST(one_bit_of_a_live_packet)
{
	struct world_chan *c;
	struct world *w = live_world(&c);

	for (size_t i = 0; i < kept.count; i++) {
		if (kept.packet[i].data[0] != LAT_PKT_DATA)
			continue;
		for (size_t bit = 0; bit < kept.packet[i].bytes * 8 && bit < 2000; bit++) {
			uint64_t before = w->node[kept.packet[i].to].sent_packets;
			uint8_t data[LAT_UDP_BASE];

			memcpy(data, kept.packet[i].data, kept.packet[i].bytes);
			data[bit / 8] ^= (uint8_t)(1U << bit % 8);
			inject(w, kept.packet[i].to, data, kept.packet[i].bytes, 200);
			CHECK_EQ(w->node[kept.packet[i].to].sent_packets, before);
		}
	}
	still_well(w, c, "after flipped bits");
	world_close(w);
}

/* ---- floods with a right mac1 and a known id ---- */

/* A third engine with node 1's peer's key makes hellos that are as good as an identity's can be without M3. */
static void flood(struct world *w, int hellos, uint64_t every, uint8_t first_addr, int addrs)
{
	struct lat_hs_public me, peer;
	const uint8_t mesh[32] = { 0 };
	const struct lat_hs_params p1 = { .ver_max = 1, .ver_min = 1, .node = 1 };

	lat_hs_public_init(&me, w->node[0].pk, mesh);
	lat_hs_public_init(&peer, w->node[1].pk, mesh);
	for (int i = 0; i < hellos; i++) {
		struct lat_hs_initiator_random rnd;
		struct lat_hs_initiator hs;
		uint8_t m1[LAT_M1_LEN], e_m[LAT_WIRE_EM];

		world_op_random(&w->node[0], &rnd, sizeof(rnd));
		CHECK_EQ(lat_hs_m1_make(&hs, m1, e_m, &me, &peer, mesh, &p1, (uint32_t)i + 1, &rnd), 0);
		inject(w, 1, m1, sizeof(m1), (uint8_t)(first_addr + i % addrs));
		world_run(w, every);
	}
}

TEST(hello_rate_of_one_address)
{
	struct world_chan *c;
	struct world *w = live_world(&c);

	/* A burst of 5, then 20 a second. */
	flood(w, 50, MS, 200, 1);
	CHECK(world_count(w, 1, LAT_COUNT_RATE) >= 40);
	still_well(w, c, "after a flood");
	world_close(w);
}

TEST(cookies_are_demanded)
{
	struct world_chan *c;
	struct world *w = live_world(&c);
	uint64_t m2 = w->packets_of_type[LAT_PKT_M2], cookies;

	/* Many addresses: four half-open entries of one identity, and then the fifth must show a cookie. */
	flood(w, 40, 10 * MS, 100, 40);
	CHECK_EQ(world_count(w, 1, LAT_COUNT_HALF_FULL), 36);
	CHECK_EQ(w->packets_of_type[LAT_PKT_M2], m2); /* those addresses are not in this world */
	still_well(w, c, "after a flood");
	/* An honest caller shows it and comes through: node 0, restarted, while the table is full. */
	cookies = w->packets_of_type[LAT_PKT_COOKIE];
	{
		const struct world_options o = { .proto = LAT_PROTO_UDP };

		world_restart(w, 0, &o);
	}
	world_connect(w, 0, 1);
	world_run(w, 3 * SEC);
	CHECK_EQ(w->node[0].state[1], LAT_PEER_UP);
	CHECK(w->packets_of_type[LAT_PKT_COOKIE] > cookies);
	world_close(w);
}

/*
 * Over TCP there are no cookies: who keeps half-open entries of a peer's by forged datagrams, from anywhere or with its own
 * address in them, must not lock that peer out.
 */
TEST(a_peer_over_tcp_finds_its_place)
{
	const struct world_options o = { .proto = LAT_PROTO_TCP };

	for (uint8_t addr = 1; addr <= 100; addr = (uint8_t)(addr + 99)) {
		struct world *w = world_open(2, 5, &o);

		world_connect(w, 0, 1);
		world_run(w, SEC);
		CHECK_EQ(w->node[0].state[1], LAT_PEER_UP);
		flood(w, 60, 2 * MS, addr, addr == 1 ? 1 : 40);
		CHECK(world_count(w, 1, LAT_COUNT_HALF_FULL) > 0);
		world_restart(w, 0, &o);
		world_connect(w, 0, 1);
		world_run(w, SEC);
		CHECK_EQ(w->node[0].state[1], LAT_PEER_UP);
		world_close(w);
	}
}

/* Who forges a caller's own address, all the time, does not use up its rate: that is for those who have shown a cookie. */
TEST(forged_hellos_from_the_callers_own_address)
{
	struct world_chan *c;
	struct world *w = live_world(&c);
	const struct world_options o = { .proto = LAT_PROTO_UDP };

	flood(w, 300, MS, 1, 1);
	world_restart(w, 0, &o);
	world_connect(w, 0, 1);
	flood(w, 3000, MS, 1, 1);
	CHECK_EQ(w->node[0].state[1], LAT_PEER_UP);
	world_close(w);
}

TEST(under_load_everybody_shows_a_cookie)
{
	struct world_chan *c;
	struct world *w = live_world(&c);
	const struct world_options o = { .proto = LAT_PROTO_UDP };

	flood(w, 230, MS, 50, 150);
	world_restart(w, 0, &o);
	world_connect(w, 0, 1);
	world_run(w, 2 * SEC);
	CHECK_EQ(w->node[0].state[1], LAT_PEER_UP);
	CHECK(w->packets_of_type[LAT_PKT_COOKIE] > 0);
	world_close(w);
}

TEST_MAIN

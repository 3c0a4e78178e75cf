#include "session/pmtu.h"

#include "base/test.h"
#include "wire/limits.h"

static struct lat_pmtu fresh(uint16_t most)
{
	struct lat_pmtu m;

	lat_pmtu_init(&m);
	lat_pmtu_limit(&m, most);
	return m;
}

enum { NEAR = 1000 };

/* The next probe of a search, which begins if it may. */
static uint16_t probe(struct lat_pmtu *m, uint64_t now)
{
	lat_pmtu_used(m, now);
	return lat_pmtu_next(m, now);
}

static const struct {
	const char *why;
	uint16_t path, peer, found;
} searches[] = {
	{ "nothing but what every path carries", 1232, 65507, 1232 },
	{ "one byte less than the first step", 1431, 65507, 1232 },
	{ "a tunnel", 1432, 65507, 1432 },
	{ "Ethernet, IPv6", 1452, 65507, 1452 },
	{ "Ethernet, IPv4", 1472, 65507, 1472 },
	{ "jumbo frames, IPv6", 8932, 65507, 8932 },
	{ "no path too long", 65507, 65507, 8952 },
	{ "the peer takes less", 65507, 1460, 1452 },
	{ "the peer takes no more", 65507, 1232, 1232 },
};

TEST(the_search)
{
	for (size_t i = 0; i < ARRAY_LEN(searches); i++) {
		struct lat_pmtu m = fresh(searches[i].peer);
		uint64_t now = 1;
		uint16_t bytes;

		CHECK_EQ_ROW("nothing was sent", lat_pmtu_next(&m, now), 0);
		while ((bytes = probe(&m, ++now)) != 0) {
			CHECK_EQ_ROW("one at a time", probe(&m, now), 0);
			if (bytes <= searches[i].path)
				lat_pmtu_probe_acked(&m, bytes);
			else
				lat_pmtu_probe_lost(&m, now, bytes, NEAR);
		}
		CHECK_EQ_ROW(searches[i].why, m.now, searches[i].found);
		CHECK_ROW(searches[i].why, now < 12);
	}
}

/* Three are lost alone; then there is a pause, each time twice as long, up to a limit. */
TEST(it_looks_again_later)
{
	struct lat_pmtu m = fresh(65507);
	uint64_t now = 5, pause = (uint64_t)LAT_PMTU_AGAIN_NS;

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < LAT_PMTU_PROBE_FAILS; i++)
			lat_pmtu_probe_lost(&m, now, probe(&m, now), NEAR);
		CHECK_EQ(probe(&m, now + pause - 1), 0);
		now += pause;
		pause = pause * 2 < (uint64_t)LAT_PMTU_RAISE_NS ? pause * 2 : (uint64_t)LAT_PMTU_RAISE_NS;
	}
	CHECK_EQ(pause, (uint64_t)LAT_PMTU_RAISE_NS);
	lat_pmtu_probe_acked(&m, probe(&m, now));
	CHECK_EQ(m.now, 1432);
	for (int i = 0; i < LAT_PMTU_PROBE_FAILS; i++)
		lat_pmtu_probe_lost(&m, now, probe(&m, now), NEAR);
	CHECK_EQ_ROW("a step: short pauses again", probe(&m, now + (uint64_t)LAT_PMTU_AGAIN_NS), 1452);
}

static const struct {
	const char *why;
	uint64_t others, lost; /* when others were lost, and the probe */
	int tries;
} losses[] = {
	{ "together", 500, 500, 0 },
	{ "a little later", 500, 500 + NEAR, 0 },
	{ "long after", 500, 501 + NEAR, 1 },
	{ "nothing else", 0, 500, 1 },
};

TEST(a_probe_that_is_lost_beside_others_says_nothing)
{
	for (size_t i = 0; i < ARRAY_LEN(losses); i++) {
		struct lat_pmtu m = fresh(65507);
		uint16_t bytes = probe(&m, 1);

		if (losses[i].others != 0)
			lat_pmtu_others_lost(&m, losses[i].others);
		lat_pmtu_probe_lost(&m, losses[i].lost, bytes, NEAR);
		CHECK_EQ_ROW(losses[i].why, m.tries, losses[i].tries);
		CHECK_EQ_ROW(losses[i].why, probe(&m, losses[i].lost) != 0, losses[i].tries != 0);
	}
}

TEST(on_a_crowded_path_it_tries_ever_later)
{
	struct lat_pmtu m = fresh(65507);
	uint64_t now = 1, wait = (uint64_t)LAT_PMTU_CROWDED_NS;

	for (int i = 0; i < 20; i++) {
		uint16_t bytes = probe(&m, now);

		CHECK_EQ(bytes, 1432);
		lat_pmtu_others_lost(&m, now);
		lat_pmtu_probe_lost(&m, now, bytes, NEAR);
		CHECK_EQ(probe(&m, now + wait - 1), 0);
		now += wait;
		wait = i < LAT_PMTU_CROWDED_SHIFT_MAX ? wait * 2 : wait;
	}
	lat_pmtu_probe_acked(&m, probe(&m, now));
	CHECK_EQ(m.now, 1432);
}

TEST(a_black_hole)
{
	struct lat_pmtu m = fresh(65507);

	lat_pmtu_probe_acked(&m, probe(&m, 1));
	lat_pmtu_silent(&m, 2);
	lat_pmtu_silent(&m, 2);
	lat_pmtu_acked(&m, LAT_UDP_BASE); /* says nothing */
	CHECK_EQ(m.now, 1432);
	lat_pmtu_acked(&m, LAT_UDP_BASE + 1);
	lat_pmtu_silent(&m, 2);
	lat_pmtu_silent(&m, 2);
	CHECK_EQ(m.now, 1432);
	lat_pmtu_silent(&m, 2);
	CHECK_EQ(m.now, LAT_UDP_BASE);
	CHECK_EQ(probe(&m, (uint64_t)LAT_PMTU_AGAIN_NS), 0);
	CHECK_EQ(probe(&m, (uint64_t)LAT_PMTU_AGAIN_NS + 2), 1432);
	/* At the base there is nothing to fall back to. */
	for (int i = 0; i < 10; i++)
		lat_pmtu_silent(&m, 3);
	CHECK_EQ(m.probe, 1432);
}

TEST(the_interface_refuses)
{
	struct lat_pmtu m = fresh(65507);

	lat_pmtu_refused(&m, 1, LAT_UDP_BASE); /* a lie */
	CHECK_EQ(m.now, LAT_UDP_BASE);
	lat_pmtu_probe_acked(&m, probe(&m, 1));
	lat_pmtu_refused(&m, 1, probe(&m, 1));
	CHECK_EQ(m.now, 1432);
	CHECK_EQ(probe(&m, 2), 0);
	lat_pmtu_refused(&m, 1, 1400);
	CHECK_EQ(m.now, LAT_UDP_BASE);
	/* It comes late, and is true all the same. */
	lat_pmtu_probe_acked(&m, 1452);
	CHECK_EQ(m.now, 1452);
}

TEST_MAIN

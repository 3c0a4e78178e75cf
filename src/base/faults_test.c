/* What the simulated network and lattice-chaos do to packets: that it happens, as often as asked, and not otherwise. */
#include <stdlib.h>

#include "base/airborne_harness.h"
#include "base/faults_harness.h"
#include "base/test.h"

enum { PACKETS = 100000, BYTES = 1000 };
#define MS ((uint64_t)LAT_NS_PER_MS)

struct tally {
	uint32_t kind[LAT_FATE_TOO_LONG + 1];
	uint32_t sent, late, cut_off, flipped, longest_burst;
	uint64_t first, last; /* the earliest and the latest to arrive, from when it was sent */
};

static struct tally run(const struct lat_faults *f, struct lat_pipe *p, uint64_t rng)
{
	struct tally t = { .first = UINT64_MAX };
	uint32_t burst = 0;

	for (int i = 0; i < PACKETS; i++)
		for (int copies = lat_faults_copies(f, &rng); copies > 0; copies--) {
			struct lat_fate fate = lat_faults_fate(f, p, &rng, MS, BYTES);

			t.sent++;
			t.kind[fate.kind]++;
			burst = fate.kind == LAT_FATE_BURST ? burst + 1 : 0;
			t.longest_burst = burst > t.longest_burst ? burst : t.longest_burst;
			if (fate.kind != LAT_FATE_ARRIVES)
				continue;
			t.late += fate.late;
			t.cut_off += fate.kept < BYTES;
			t.flipped += fate.flipped;
			if (fate.flipped)
				CHECK(fate.flip_at < fate.kept && __builtin_popcount(fate.flip) == 1);
			t.first = fate.at - MS < t.first ? fate.at - MS : t.first;
			t.last = fate.at - MS > t.last ? fate.at - MS : t.last;
		}
	return t;
}

static bool about(uint32_t have, uint32_t of_1000)
{
	uint32_t want = PACKETS / 1000 * of_1000;

	return have >= want - want / 10 && have <= want + want / 10;
}

TEST(each_fault_comes_as_often_as_asked)
{
	static const struct {
		const char *why;
		struct lat_faults f;
		uint32_t lost, doubled, late, cut_off, flipped; /* of 1000 */
	} rows[] = {
		{ "none", { 0 }, 0, 0, 0, 0, 0 },
		{ "loss", { .loss = 50 }, 50, 0, 0, 0, 0 },
		{ "all is lost", { .loss = 1000 }, 1000, 0, 0, 0, 0 },
		{ "doubled", { .dup = 100 }, 0, 100, 0, 0, 0 },
		{ "late", { .late = 250 }, 0, 0, 250, 0, 0 },
		{ "cut off", { .truncate = 30 }, 0, 0, 0, 30, 0 },
		{ "damaged", { .corrupt = 10 }, 0, 0, 0, 0, 10 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_pipe p = { 0 };
		struct tally t = run(&rows[i].f, &p, 7);

		CHECK_ROW(rows[i].why, about(t.kind[LAT_FATE_LOST], rows[i].lost));
		CHECK_ROW(rows[i].why, about(t.sent - PACKETS, rows[i].doubled));
		CHECK_ROW(rows[i].why, about(t.late, rows[i].late));
		CHECK_ROW(rows[i].why, about(t.cut_off, rows[i].cut_off));
		CHECK_ROW(rows[i].why, about(t.flipped, rows[i].flipped));
		CHECK_EQ_ROW(rows[i].why, t.kind[LAT_FATE_LOST] + t.kind[LAT_FATE_ARRIVES], t.sent);
	}
}

TEST(bursts_are_as_long_as_asked)
{
	const struct lat_faults f = { .burst_in = 5, .burst_out = 20 }; /* of 50 packets */
	struct lat_pipe p = { 0 };
	struct tally t = run(&f, &p, 7);

	CHECK(t.longest_burst > 100);
	CHECK(about(t.kind[LAT_FATE_BURST], 200)); /* 50 of the 250 from one burst to the next */
}

TEST(when_it_arrives)
{
	static const struct {
		const char *why;
		struct lat_faults f;
		uint64_t first, last;
	} rows[] = {
		{ "at once", { 0 }, 0, 0 },
		{ "a delay", { .delay = 5 * MS }, 5 * MS, 5 * MS },
		{ "jitter is on top of it", { .delay = 5 * MS, .jitter = 2 }, 5 * MS, 5 * MS + 1 },
		{ "late by ten delays", { .delay = MS, .late = 1000 }, 11 * MS, 11 * MS },
		{ "late by what is said", { .delay = MS, .late = 1000, .late_by = 2 * MS }, 3 * MS, 3 * MS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_pipe p = { 0 };
		struct tally t = run(&rows[i].f, &p, 7);

		CHECK_EQ_ROW(rows[i].why, t.first, rows[i].first);
		CHECK_EQ_ROW(rows[i].why, t.last, rows[i].last);
	}
}

TEST(what_gets_through)
{
	static const struct {
		const char *why;
		struct lat_faults f;
		struct lat_pipe p;
		enum lat_fate_kind want; /* of the third packet at one time */
	} rows[] = {
		{ "a black pipe: nothing", { 0 }, { .black = true }, LAT_FATE_BLACK },
		{ "as long as the MTU", { .mtu = BYTES }, { 0 }, LAT_FATE_ARRIVES },
		{ "a byte longer", { .mtu = BYTES - 1 }, { 0 }, LAT_FATE_TOO_LONG },
		{ "room for three", { 0 }, { .rate = 1000, .queue_max = 3 * BYTES }, LAT_FATE_ARRIVES },
		{ "a byte less", { 0 }, { .rate = 1000, .queue_max = 3 * BYTES - 1 }, LAT_FATE_FULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_pipe p = rows[i].p;
		struct lat_fate fate;
		uint64_t rng = 7;

		for (int packet = 0; packet < 3; packet++)
			fate = lat_faults_fate(&rows[i].f, &p, &rng, MS, BYTES);
		CHECK_EQ_ROW(rows[i].why, fate.kind, rows[i].want);
	}
}

TEST(a_seed_does_the_same_again)
{
	struct lat_faults f[2] = { { 0 } };
	uint64_t rng[2] = { 7, 7 };

	for (int i = 0; i < 100; i++) {
		struct lat_pipe p[2] = { { 0 } };

		for (int k = 0; k < 2; k++)
			lat_weather_change(&f[k], &rng[k]);
		CHECK_EQ(f[0].loss, f[1].loss);
		CHECK_EQ(f[0].delay, f[1].delay);
		CHECK_EQ(lat_faults_fate(&f[0], &p[0], &rng[0], 0, BYTES).at,
			 lat_faults_fate(&f[1], &p[1], &rng[1], 0, BYTES).at);
		CHECK_EQ(rng[0], rng[1]);
	}
}

static bool odd(struct lat_airborne *p, void *ctx)
{
	(void)ctx;
	if (p->at % 2 == 0)
		return false;
	free(p);
	return true;
}

TEST(the_air_gives_them_in_order_of_time)
{
	struct lat_air air = { 0 };
	uint64_t rng = 7, last_at = 0, last_order = 0, next = UINT64_MAX;

	CHECK_EQ(lat_air_at(&air), UINT64_MAX);
	for (int i = 0; i < 1000; i++) {
		struct lat_airborne *p = calloc(1, sizeof(*p));

		CHECK(p != NULL);
		p->at = lat_faults_random(&rng) % 100;
		next = p->at < next ? p->at : next;
		CHECK(lat_air_add(&air, p));
		CHECK_EQ(lat_air_at(&air), next);
	}
	lat_air_remove(&air, odd, NULL);
	CHECK(air.queued > 400 && air.queued < 600);
	while (air.queued > 1) {
		struct lat_airborne *p = lat_air_next(&air);

		CHECK(p->at % 2 == 0);
		CHECK(p->at > last_at || (p->at == last_at && p->order > last_order));
		last_at = p->at;
		last_order = p->order;
		free(p);
	}
	lat_air_fini(&air);
}

TEST_MAIN

/* The machine's small tables: numbers to pointers, deadlines, channel numbers. Each against a plain model. */
#include <errno.h>

#include "base/test.h"
#include "session/channum.h"
#include "session/due.h"
#include "session/idmap.h"
#include "wire/limits.h"

static uint64_t rng = 1;

static uint64_t draw(void)
{
	uint64_t z = (rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

TEST(idmap_is_a_map)
{
	enum { KEYS = 300 };
	static char what[2][KEYS];
	void *model[KEYS] = { NULL };
	struct lat_idmap m;
	uint32_t count = 0;

	lat_idmap_init(&m, draw());
	CHECK(lat_idmap_get(&m, 7) == NULL);
	lat_idmap_del(&m, 7);
	for (int i = 0; i < 20000; i++) {
		uint32_t k = (uint32_t)(draw() % KEYS);
		uint32_t key = k * 0x10001 + 1; /* spread, and never 0 */

		if (draw() % 2 == 0) {
			void *v = &what[draw() % 2][k];

			count += model[k] == NULL;
			model[k] = v;
			CHECK_EQ(lat_idmap_put(&m, key, v), 0);
		} else {
			count -= model[k] != NULL;
			model[k] = NULL;
			lat_idmap_del(&m, key);
		}
		CHECK_EQ(m.count, count);
		k = (uint32_t)(draw() % KEYS);
		CHECK(lat_idmap_get(&m, k * 0x10001 + 1) == model[k]);
	}
	for (uint32_t k = 0; k < KEYS; k++)
		CHECK(lat_idmap_get(&m, k * 0x10001 + 1) == model[k]);
	lat_idmap_fini(&m);
}

TEST(numtab_is_a_map)
{
	struct lat_numtab t = { 0 };
	int a, b;

	CHECK(lat_numtab_get(&t, 65535) == NULL);
	lat_numtab_del(&t, 65535);
	CHECK_EQ(lat_numtab_put(&t, 65535, &a), 0);
	CHECK_EQ(lat_numtab_put(&t, 1, &b), 0);
	CHECK_EQ(lat_numtab_put(&t, 1, &a), 0);
	CHECK_EQ(t.count, 2);
	CHECK(lat_numtab_get(&t, 65535) == &a);
	CHECK(lat_numtab_get(&t, 1) == &a);
	CHECK(lat_numtab_get(&t, 2) == NULL);
	lat_numtab_del(&t, 1);
	CHECK(lat_numtab_get(&t, 1) == NULL);
	CHECK_EQ(t.count, 1);
	lat_numtab_fini(&t);
}

TEST(the_earliest_is_first)
{
	enum { ENTRIES = 100 };
	struct lat_dues d = { 0 };
	struct lat_due e[ENTRIES];
	bool in[ENTRIES] = { false };

	CHECK(lat_dues_first(&d) == NULL);
	for (int i = 0; i < 20000; i++) {
		size_t k = draw() % ENTRIES;
		uint64_t first = UINT64_MAX;
		size_t count = 0;

		if (!in[k]) {
			CHECK_EQ(lat_dues_add(&d, &e[k], &e[k]), 0);
			in[k] = true;
			CHECK_EQ(e[k].at_ns, UINT64_MAX);
		} else if (draw() % 4 == 0) {
			lat_dues_remove(&d, &e[k]);
			lat_dues_remove(&d, &e[k]); /* twice does nothing */
			in[k] = false;
		} else {
			lat_dues_set(&d, &e[k], draw() % 1000);
		}
		for (size_t n = 0; n < ENTRIES; n++) {
			count += in[n];
			if (in[n] && e[n].at_ns < first)
				first = e[n].at_ns;
		}
		CHECK_EQ(d.count, count);
		if (count > 0)
			CHECK_EQ(lat_dues_first(&d)->at_ns, first);
	}
	lat_dues_fini(&d);
}

TEST(channel_numbers_rest)
{
	struct lat_channum n = { 0 };
	const uint64_t rest = (uint64_t)LAT_CHAN_REUSE_NS;
	int num;

	for (int i = 1; i <= 65535; i++)
		CHECK_EQ(lat_channum_get(&n, 0), i);
	CHECK_EQ(lat_channum_get(&n, 0), -ENOBUFS);
	lat_channum_put(&n, 100, 7);
	lat_channum_put(&n, 200, 9);
	CHECK_EQ(lat_channum_get(&n, 100 + rest - 1), -ENOBUFS);
	CHECK_EQ(lat_channum_get(&n, 100 + rest), 7);
	CHECK_EQ(lat_channum_get(&n, 100 + rest), -ENOBUFS);
	CHECK_EQ(lat_channum_get(&n, 200 + rest), 9);
	/* One at a time, for ever. */
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t now = 1000 * rest + i * rest;

		lat_channum_put(&n, now, (uint16_t)(i + 1));
		num = lat_channum_get(&n, now + rest);
		CHECK_EQ(num, i + 1);
	}
	lat_channum_fini(&n);
}

TEST_MAIN

/* The channel table: both keys find, limits hold, handles are never used again. */
#include <errno.h>
#include <inttypes.h>

#include "base/test.h"
#include "graph/channels.h"

TEST(by_handle_and_by_key)
{
	static const struct {
		const char *why;
		struct lat_channels_key key;
		int want;
	} rows[] = {
		{ "a first one", { 1, 2, 0 }, 0 },
		{ "the same", { 1, 2, 0 }, -EEXIST },
		{ "the other way", { 2, 1, 0 }, 0 },
		{ "another node", { 1, 2, 7 }, 0 },
		{ "another destination", { 1, 3, 0 }, 0 },
		{ "the ends of the range", { INT32_MAX, INT32_MIN, UINT32_MAX }, 0 },
		{ "one too many", { 9, 9, 9 }, -ENOBUFS },
	};
	int things[ARRAY_LEN(rows)];
	struct lat_channels *t;
	uint64_t handles[ARRAY_LEN(rows)] = { 0 }, again;

	CHECK_EQ(lat_channels_open(&t, 5), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ_ROW(rows[i].why, lat_channels_insert(t, &rows[i].key, &things[i], &handles[i]),
			     rows[i].want);
		CHECK_ROW(rows[i].why, (handles[i] != 0) == (rows[i].want == 0));
	}
	CHECK_EQ(lat_channels_count(t), 5);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].want != 0)
			continue;
		CHECK_ROW(rows[i].why, lat_channels_find(t, handles[i]) == &things[i]);
		CHECK_ROW(rows[i].why, lat_channels_find_key(t, &rows[i].key) == &things[i]);
	}
	CHECK(lat_channels_find(t, 0) == NULL);
	CHECK(lat_channels_find_key(t, &rows[6].key) == NULL);
	CHECK(lat_channels_remove(t, handles[0]) == &things[0]);
	CHECK(lat_channels_remove(t, handles[0]) == NULL);
	CHECK(lat_channels_find_key(t, &rows[0].key) == NULL);
	CHECK_EQ(lat_channels_insert(t, &rows[0].key, &things[1], &again), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(again != handles[i]);
	lat_channels_close(t);
	lat_channels_close(NULL);
}

struct walk {
	struct lat_channels *t;
	uint64_t last;
	uint32_t seen, stop_after;
};

static int step(void *ctx, uint64_t handle, const struct lat_channels_key *key, void *channel)
{
	struct walk *w = ctx;

	if (handle <= w->last || key->src != (int32_t)handle || channel != (void *)(uintptr_t)handle)
		return -1;
	w->last = handle;
	w->seen++;
	if (handle % 2 == 0 && lat_channels_remove(w->t, handle) == NULL)
		return -2;
	return w->seen == w->stop_after ? 3 : 0;
}

TEST(each)
{
	struct walk w = { 0 };
	uint64_t handle;

	CHECK_EQ(lat_channels_open(&w.t, 0), 0);
	for (int32_t i = 1; i <= 1000; i++) {
		struct lat_channels_key key = { i, 1, 0 };

		CHECK_EQ(lat_channels_insert(w.t, &key, (void *)(uintptr_t)i, &handle), 0);
	}
	CHECK_EQ(lat_channels_each(w.t, step, &w), 0);
	CHECK_EQ(w.seen, 1000);
	CHECK_EQ(lat_channels_count(w.t), 500);
	w.last = w.seen = 0;
	w.stop_after = 10;
	CHECK_EQ(lat_channels_each(w.t, step, &w), 3);
	CHECK_EQ(w.seen, 10);
	CHECK_EQ(w.last, 19);
	lat_channels_close(w.t);
}

/* Random inserts and removes over few keys, against an array. */
TEST(agrees_with_a_model)
{
	enum { KEYS = 64, OPERATIONS = 100000 };
	uint64_t seed = 0x13198a2e03707344u, handles[KEYS] = { 0 }, last = 0;
	int things[KEYS];
	struct lat_channels *t;
	uint32_t count = 0;

	print_message("seed %016" PRIx64 "\n", seed);
	CHECK_EQ(lat_channels_open(&t, KEYS / 2), 0);
	for (uint32_t op = 0; op < OPERATIONS; op++) {
		struct lat_channels_key key;
		uint32_t k;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		k = (uint32_t)(seed >> 8) % KEYS;
		key = (struct lat_channels_key){ (int32_t)(k % 4), (int32_t)(k / 4 % 4), k / 16 };
		CHECK(lat_channels_find_key(t, &key) == (handles[k] != 0 ? &things[k] : NULL));
		if (seed >> 63) {
			int want = handles[k] != 0 ? -EEXIST : count == KEYS / 2 ? -ENOBUFS : 0;
			uint64_t got = 0;

			CHECK_EQ(lat_channels_insert(t, &key, &things[k], &got), want);
			if (want == 0) {
				CHECK(got > last);
				last = handles[k] = got;
				count++;
			}
		} else if (handles[k] != 0) {
			CHECK(lat_channels_find(t, handles[k]) == &things[k]);
			CHECK(lat_channels_remove(t, handles[k]) == &things[k]);
			handles[k] = 0;
			count--;
		}
		CHECK_EQ(lat_channels_count(t), count);
	}
	lat_channels_close(t);
}

TEST_MAIN

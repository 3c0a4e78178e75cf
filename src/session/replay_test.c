#include "session/replay.h"

#include <errno.h>

#include "base/test.h"
#include "session/test_random.h"

enum { W = LAT_WINDOW_USABLE };

/* check, and mark when it says 0: what a packet that opens does. */
static int take(struct lat_replay *w, uint64_t counter)
{
	int rc = lat_replay_check(w, counter);

	if (rc == 0)
		lat_replay_mark(w, counter);
	return rc;
}

static const struct {
	const char *why;
	bool fresh;
	uint64_t counter;
	int want;
} rows[] = {
	{ "first packet", true, 0, 0 },
	{ "exact replay", false, 0, -EALREADY },
	{ "a gap is fine", false, 9, 0 },
	{ "late, inside the window", false, 8, 0 },
	{ "late, twice", false, 8, -EALREADY },
	{ "into the next word", false, 64, 0 },
	{ "last bit of the word before", false, 63, 0 },
	{ "newest, 1 the oldest still inside", false, W, 0 },
	{ "oldest still inside", false, 1, 0 },
	{ "one past the edge", false, 0, -ESTALE },
	{ "the window moves by one", false, W + 1, 0 },
	{ "what was the oldest is past the edge", false, 1, -ESTALE },
	{ "the new oldest", false, 2, 0 },

	{ "a late start", true, 1000000, 0 },
	{ "before it, inside", false, 1000000 - W + 1, 0 },
	{ "before it, outside", false, 1000000 - W, -ESTALE },
	{ "a jump by more than the ring", false, 2000000, 0 },
	{ "nothing of one ring ago is left over", false, 2000000 - LAT_WINDOW_RING_BITS + W, 0 },
	{ "old ones are out", false, 1000000, -ESTALE },
	{ "a jump by exactly the ring", false, 2000000 + LAT_WINDOW_RING_BITS, 0 },
	{ "and one less than the newest is still free", false, 2000000 + LAT_WINDOW_RING_BITS - 1, 0 },

	{ "first packet at the end of a word", true, 63, 0 },
	{ "next word after a full one", false, 64, 0 },
	{ "last counter there is", true, LAT_REJECT_AFTER_PACKETS - 1, 0 },
	{ "its replay", false, LAT_REJECT_AFTER_PACKETS - 1, -EALREADY },
	{ "the ceiling", false, LAT_REJECT_AFTER_PACKETS, -EOVERFLOW },
	{ "far over the ceiling", false, UINT64_MAX, -EOVERFLOW },
	{ "the ceiling on a fresh window", true, LAT_REJECT_AFTER_PACKETS, -EOVERFLOW },
};

TEST(window)
{
	struct lat_replay w;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].fresh)
			lat_replay_init(&w);
		CHECK_EQ_ROW(rows[i].why, take(&w, rows[i].counter), rows[i].want);
	}
}

TEST(check_changes_nothing)
{
	struct lat_replay w, before;

	lat_replay_init(&w);
	lat_replay_mark(&w, 5000);
	before = w;
	for (uint64_t c = 0; c < 20000; c++)
		CHECK_EQ(lat_replay_check(&w, c) == 0 || c <= 5000, true);
	CHECK_MEM(&w, &before, sizeof(w));
}

enum { MODEL = 60000 };

/* Against the definition: seen or not, and how far below the highest. */
TEST(equals_the_definition)
{
	static bool seen[MODEL];
	struct test_random rnd;
	struct lat_replay w;

	for (uint64_t i = 0; test_random_init(&rnd, i, 8); i++) {
		uint64_t highest = 0, base = 0;
		bool any = false;

		memset(seen, 0, sizeof(seen));
		lat_replay_init(&w);
		for (int step = 0; step < 20000; step++) {
			uint64_t c = base + test_random_below(&rnd, 300);
			int want = 0;

			if (test_random_chance(&rnd, 5))
				c = test_random_below(&rnd, (uint32_t)base + 1);
			if (test_random_chance(&rnd, 2))
				base += test_random_below(&rnd, i % 2 == 0 ? 60 : 200);
			if (test_random_chance(&rnd, 1) && base + 10000 < MODEL / 2)
				base += test_random_below(&rnd, 10000);
			if (c >= MODEL)
				break;
			if (any && c <= highest && highest - c >= W)
				want = -ESTALE;
			else if (seen[c])
				want = -EALREADY;
			CHECK_EQ_ROW(rnd.why, take(&w, c), want);
			seen[c] = true;
			highest = c > highest ? c : highest;
			any = true;
		}
	}
}

TEST_MAIN

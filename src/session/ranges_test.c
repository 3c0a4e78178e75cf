#include "session/ranges.h"

#include <errno.h>

#include "base/test.h"
#include "session/test_random.h"

static const struct {
	const char *why;
	uint64_t in[12];
	size_t in_count;
	struct lat_range want[6];
	uint16_t want_count;
	bool gap;
} rows[] = {
	{ "one", { 0 }, 1, { { 0, 0 } }, 1, false },
	{ "in order", { 0, 1, 2 }, 3, { { 0, 2 } }, 1, false },
	{ "a hole", { 0, 2 }, 2, { { 2, 2 }, { 0, 0 } }, 2, true },
	{ "the first is missing", { 1 }, 1, { { 1, 1 } }, 1, true },
	{ "a hole is filled", { 0, 2, 1 }, 3, { { 0, 2 } }, 1, true },
	{ "grows downward", { 5, 4 }, 2, { { 4, 5 } }, 1, true },
	{ "grows upward", { 5, 1, 2 }, 3, { { 5, 5 }, { 1, 2 } }, 2, true },
	{ "grows downward in the middle", { 9, 5, 1, 4 }, 4, { { 9, 9 }, { 4, 5 }, { 1, 1 } }, 3, true },
	{ "joins below", { 9, 5, 3, 4 }, 4, { { 9, 9 }, { 3, 5 } }, 2, true },
	{ "lowest of all", { 9, 0 }, 2, { { 9, 9 }, { 0, 0 } }, 2, true },
	{ "the same again", { 3, 3 }, 2, { { 3, 3 } }, 1, true },
	{ "inside again", { 1, 2, 3, 2 }, 4, { { 1, 3 } }, 1, true },
};

TEST(what_has_arrived)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_frame_ack ack;
		struct lat_ranges r;

		lat_ranges_init(&r);
		for (size_t k = 0; k < rows[i].in_count; k++)
			lat_ranges_add(&r, rows[i].in[k], 0, 100, true);
		CHECK_EQ_ROW(rows[i].why, lat_ranges_ack(&r, 7, 0, &ack), 0);
		CHECK_EQ_ROW(rows[i].why, ack.chan, 7);
		CHECK_EQ_ROW(rows[i].why, ack.count, rows[i].want_count);
		CHECK_MEM_ROW(rows[i].why, ack.range, rows[i].want, ack.count * sizeof(ack.range[0]));
		CHECK_EQ_ROW(rows[i].why, r.gap, rows[i].gap);
		CHECK_EQ_ROW(rows[i].why, r.eliciting, rows[i].in_count);
		CHECK_EQ_ROW(rows[i].why, r.eliciting_bytes, 100 * rows[i].in_count);
	}
}

TEST(counts_what_asks_for_an_ack)
{
	struct lat_frame_ack ack;
	struct lat_ranges r;

	lat_ranges_init(&r);
	CHECK_EQ(lat_ranges_ack(&r, 0, 0, &ack), -ENOENT);
	CHECK(lat_ranges_add(&r, 0, 1000, 50, false));
	CHECK(!lat_ranges_pending(&r));
	CHECK(lat_ranges_add(&r, 1, 5000, 60, true));
	CHECK(lat_ranges_add(&r, 2, 9000, 70, true));
	CHECK(lat_ranges_pending(&r));
	CHECK_EQ(r.first_ns, 5000);
	CHECK_EQ(r.eliciting_bytes, 130);
	CHECK_EQ(lat_ranges_ack(&r, 0, 12999, &ack), 0);
	CHECK_EQ(ack.delay_us, 3);
	CHECK_EQ(lat_ranges_ack(&r, 0, UINT64_MAX, &ack), 0);
	CHECK_EQ(ack.delay_us, UINT32_MAX);
	lat_ranges_sent(&r);
	CHECK(!lat_ranges_pending(&r));
	CHECK_EQ(r.eliciting_all, 2);
	CHECK(lat_ranges_add(&r, 3, 20000, 60, true));
	CHECK_EQ(r.first_ns, 20000);
	CHECK(!lat_ranges_add(&r, 3, 20000, 60, true));
}

TEST(the_oldest_range_is_forgotten)
{
	struct lat_frame_ack ack;
	struct lat_ranges r;

	lat_ranges_init(&r);
	for (uint64_t c = 0; c < LAT_MAX_RANGES; c++)
		CHECK(lat_ranges_add(&r, 2 * c, 0, 1, true));
	CHECK_EQ(r.count, LAT_MAX_RANGES);
	CHECK(lat_ranges_add(&r, 200, 0, 1, true));
	CHECK_EQ(lat_ranges_ack(&r, 0, 0, &ack), 0);
	CHECK_EQ(ack.count, LAT_MAX_RANGES);
	CHECK_EQ(ack.range[0].hi, 200);
	CHECK_EQ(ack.range[LAT_MAX_RANGES - 1].lo, 2);
	CHECK(lat_ranges_add(&r, 0, 0, 1, true)); /* no room for it: not remembered, nothing else lost */
	CHECK_EQ(r.range[LAT_MAX_RANGES - 1].lo, 2);
	CHECK_EQ(r.count, LAT_MAX_RANGES);
}

TEST(below_the_floor_nothing_is_said)
{
	struct lat_ranges r;

	lat_ranges_init(&r);
	for (uint64_t c = 0; c < 10; c++)
		lat_ranges_add(&r, c == 5 ? 15 : c, 0, 1, true);
	lat_ranges_forget_below(&r, 5);
	CHECK_EQ(r.count, 2);
	CHECK_EQ(r.range[1].lo, 6);
	lat_ranges_forget_below(&r, 8);
	CHECK_EQ(r.range[1].lo, 8);
	lat_ranges_forget_below(&r, 100);
	CHECK_EQ(r.count, 1);
	CHECK_EQ(r.range[0].hi, 15);
	lat_ranges_sent(&r);
	CHECK(!lat_ranges_add(&r, 5, 0, 1, true));
	CHECK(lat_ranges_pending(&r));
	lat_ranges_forget_below(&r, 3);
	CHECK_EQ(r.floor, 100);
}

/* Lengths and gaps have 32 bits in the frame: what we fill in always encodes. */
TEST(far_counters_still_encode)
{
	static const struct {
		const char *why;
		struct lat_range range[2];
		uint16_t want;
	} lists[] = {
		{ "longest range", { { 1, UINT64_C(0xffffffff) } }, 1 },
		{ "too long a range is cut", { { 0, UINT64_C(0xffffffff) }, { 0, 0 } }, 1 },
		{ "longest gap", { { UINT64_C(0x100000000), UINT64_C(0x100000000) }, { 0, 0 } }, 2 },
		{ "a longer gap ends the list",
		  { { UINT64_C(0x100000005), UINT64_C(0x100000005) }, { 0, 0 } },
		  1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		uint8_t buf[600];
		struct lat_frame_ack ack, back;
		struct lat_frame_cursor cur;
		struct lat_frame f;
		struct lat_ranges r;
		struct lat_writer w;
		uint32_t node;

		lat_ranges_init(&r);
		memcpy(r.range, lists[i].range, sizeof(lists[i].range));
		r.count = i == 2 || i == 3 ? 2 : 1;
		CHECK_EQ_ROW(lists[i].why, lat_ranges_ack(&r, 1, 0, &ack), 0);
		CHECK_EQ_ROW(lists[i].why, ack.count, lists[i].want);
		CHECK_EQ(lat_writer_init(&w, buf, sizeof(buf), 1), 0);
		CHECK_EQ_ROW(lists[i].why, lat_frame_ack_encode(&w, &ack), 0);
		CHECK_EQ(lat_frame_cursor_init(&cur, &node, buf, w.len), 0);
		CHECK_EQ(lat_frame_next(&cur, &f), 1);
		CHECK_EQ_ROW(lists[i].why, lat_frame_ack_decode(&back, &f), 0);
		CHECK_MEM_ROW(lists[i].why, back.range, ack.range, ack.count * sizeof(ack.range[0]));
	}
}

enum { MODEL = 2000 };

/* Every counter said is one that arrived; ranges fall and never touch; the newest are never missing. */
TEST(says_the_truth)
{
	struct test_random rnd;

	for (uint64_t i = 0; test_random_init(&rnd, i, 20); i++) {
		static bool seen[MODEL];
		struct lat_ranges r;

		memset(seen, 0, sizeof(seen));
		lat_ranges_init(&r);
		for (uint64_t base = 0; base < MODEL - 70; base += test_random_below(&rnd, 3)) {
			uint64_t c = base + test_random_below(&rnd, i % 2 == 0 ? 4 : 70);
			uint64_t said = 0, have = 0;

			lat_ranges_add(&r, c, 0, 1, true);
			seen[c] = true;
			for (uint32_t k = 0; k < r.count; k++) {
				CHECK_ROW(rnd.why, r.range[k].lo <= r.range[k].hi);
				CHECK_ROW(rnd.why, k == 0 || r.range[k].hi + 1 < r.range[k - 1].lo);
				for (uint64_t s = r.range[k].lo; s <= r.range[k].hi; s++)
					CHECK_ROW(rnd.why, seen[s]);
				said += r.range[k].hi - r.range[k].lo + 1;
			}
			for (uint64_t s = r.range[r.count - 1].lo; s < MODEL; s++)
				have += seen[s];
			CHECK_EQ_ROW(rnd.why, said, have);
			CHECK_ROW(rnd.why, r.count == LAT_MAX_RANGES || r.count > 0);
		}
	}
}

TEST_MAIN

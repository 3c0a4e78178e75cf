/* Blocks: where they lie, what is free, and a consumer that turns bits that are not its to turn. */
#include <errno.h>

#include "base/test.h"
#include "fastpath/blocks.h"

enum { REGION = 1 << 20 };

struct bits {
	_Atomic(uint64_t) word[LAT_BLOCKS_WORDS];
};

static void bits_turn(struct bits *bits, uint32_t number)
{
	lat_blocks_release(bits->word, number);
}

TEST(regions)
{
	static const struct {
		const char *why;
		uint64_t bytes;
		int want;
	} rows[] = {
		{ "no memory", 0, -EINVAL },
		{ "less than a unit", LAT_BLOCK_UNIT - 1, -EINVAL },
		{ "a unit", LAT_BLOCK_UNIT, 0 },
		{ "the longest", LAT_BLOCKS_BYTES_MAX, 0 },
		{ "too long", LAT_BLOCKS_BYTES_MAX + 1, -EINVAL },
	};
	struct bits bits = { 0 };
	struct lat_blocks b;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lat_blocks_init(&b, rows[i].bytes, bits.word), rows[i].want);
}

TEST(lowest_address_that_fits)
{
	/* Steps on one region of 16 units: a size allocates, a negative number frees that block. */
	static const struct {
		const char *why;
		int64_t bytes, free;
		int want;
		uint64_t at;
	} rows[] = {
		{ "longer than all of it", 16 * 64 + 1, -1, -EMSGSIZE, 0 },
		{ "one byte takes a unit", 1, -1, 0, 0 },
		{ "no byte as well", 0, -1, 1, 64 },
		{ "a unit and a byte take two", 65, -1, 2, 128 },
		{ "the rest", 12 * 64, -1, 3, 256 },
		{ "full", 1, -1, -EAGAIN, 0 },
		{ "a hole in the middle", 0, 1, 0, 0 },
		{ "too small for two units", 128, -1, -EAGAIN, 0 },
		{ "right for one", 64, -1, 1, 64 },
		{ "the first one goes", 0, 0, 0, 0 },
		{ "and its neighbour: one hole", 0, 1, 0, 0 },
		{ "which takes two", 128, -1, 0, 0 },
		{ "the last one goes", 0, 3, 0, 0 },
		{ "one unit too many", 12 * 64 + 1, -1, -EAGAIN, 0 },
		{ "as much as there is", 12 * 64, -1, 1, 256 },
	};
	struct bits bits = { 0 };
	struct lat_blocks b;

	CHECK_EQ(lat_blocks_init(&b, 16 * 64, bits.word), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].free >= 0) {
			lat_blocks_free(&b, (uint32_t)rows[i].free);
			continue;
		}
		CHECK_EQ_ROW(rows[i].why, lat_blocks_alloc(&b, (uint64_t)rows[i].bytes), rows[i].want);
		if (rows[i].want >= 0)
			CHECK_EQ_ROW(rows[i].why, lat_blocks_at(&b, (uint32_t)rows[i].want), rows[i].at);
	}
	CHECK_EQ(b.top, 16);
	CHECK_EQ(b.units_used, 16);
}

TEST(as_many_as_there_may_be)
{
	struct bits bits = { 0 };
	struct lat_blocks b;

	CHECK_EQ(lat_blocks_init(&b, REGION, bits.word), 0);
	for (int i = 0; i < LAT_BLOCKS_MAX; i++)
		CHECK_EQ(lat_blocks_alloc(&b, 1), i);
	CHECK_EQ(lat_blocks_alloc(&b, 1), -EAGAIN);
	lat_blocks_out(&b, 77);
	bits_turn(&bits, 77);
	CHECK_EQ(lat_blocks_collect(&b, bits.word), 1);
	CHECK_EQ(lat_blocks_alloc(&b, 1), 77);
}

/* Whether the list, the table and the sums say the same. */
static bool consistent(const struct lat_blocks *b)
{
	uint32_t count = 0, warms = 0, units = 0, end = 0;

	for (uint16_t i = b->first; i != LAT_BLOCKS_MAX; i = b->block[i].next) {
		bool warm = b->block[i].state == LAT_BLOCK_WARM;

		if (b->block[i].state == LAT_BLOCK_FREE || b->block[i].at < end)
			return false;
		end = b->block[i].at + b->block[i].units;
		units += warm ? 0 : b->block[i].units;
		count += !warm;
		warms += warm;
	}
	for (uint32_t i = 0; i < b->warm_count; i++)
		if (b->block[b->warm[i]].state != LAT_BLOCK_WARM)
			return false;
	return warms == b->warm_count && count == b->count && units == b->units_used && end == b->top &&
	       end <= b->units;
}

TEST(random_use)
{
	uint64_t state = 88172645463325252;
	struct bits bits = { 0 };
	struct lat_blocks b;
	uint32_t out = 0;

	CHECK_EQ(lat_blocks_init(&b, REGION, bits.word), 0);
	for (int step = 0; step < 200000; step++) {
		uint32_t number;
		int rc;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		number = (uint32_t)(state >> 20) % LAT_BLOCKS_MAX;
		switch (state % 5) {
		case 0:
		case 1:
			rc = lat_blocks_alloc(&b, step % 3 == 0 ? (state >> 30) % (REGION / 16) : 3000);
			CHECK(rc >= 0 || rc == -EAGAIN);
			break;
		case 2:
			if (lat_blocks_held(&b, number)) {
				lat_blocks_out(&b, number);
				out++;
			}
			break;
		case 3:
			if (b.block[number].state == LAT_BLOCK_OUT) {
				bits_turn(&bits, number);
				CHECK_EQ(lat_blocks_collect(&b, bits.word), 1);
				out--;
			}
			break;
		default:
			if (lat_blocks_held(&b, number))
				lat_blocks_free(&b, number);
		}
		if (step % 64 == 0)
			CHECK(consistent(&b));
	}
	lat_blocks_reclaim(&b);
	for (uint32_t i = 0; i < LAT_BLOCKS_MAX; i++)
		CHECK_NE(b.block[i].state, LAT_BLOCK_OUT);
	CHECK(consistent(&b));
	CHECK(out > 0);
}

TEST(bits_that_lie)
{
	static const struct {
		const char *why;
		enum lat_block_state state;
		int want;
	} rows[] = {
		{ "a block that nobody has", LAT_BLOCK_FREE, -EPROTO },
		{ "a block that was not published", LAT_BLOCK_HELD, -EPROTO },
		{ "a block that was", LAT_BLOCK_OUT, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bits bits = { { 5 } };
		struct lat_blocks b;

		CHECK_EQ(lat_blocks_init(&b, REGION, bits.word), 0);
		CHECK_EQ_ROW(rows[i].why, lat_blocks_collect(&b, bits.word), 0);
		if (rows[i].state != LAT_BLOCK_FREE)
			CHECK_EQ(lat_blocks_alloc(&b, 100), 0);
		if (rows[i].state == LAT_BLOCK_OUT)
			lat_blocks_out(&b, 0);
		bits_turn(&bits, 0);
		CHECK_EQ_ROW(rows[i].why, lat_blocks_collect(&b, bits.word), rows[i].want);
	}
}

TEST_MAIN

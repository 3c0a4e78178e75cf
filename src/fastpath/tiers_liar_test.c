/* The tiers, when the other side lies: what is read is checked, and nothing else is read. */
#include <errno.h>

#include "base/test.h"
#include "fastpath/tiers_harness.h"

static void lie_slot_note(struct pair *p, uint32_t extent, uint32_t block, uint32_t at, uint32_t len)
{
	const uint32_t note[4] = { extent, block, at, len };

	CHECK_EQ(lat_ring_publish(&p->tx.ring[LAT_TIER_L1], 0, 1, note, LAT_RING_NOTE | LAT_RING_NOTE_LEN),
		 0);
}

TEST(notes_that_lie)
{
	static const struct {
		const char *why;
		uint32_t extent, block, at, len;
		int want;
	} rows[] = {
		{ "the truth", 1, 0, 0, 64, 0 },
		{ "the last byte of the region", 1, 0, SPILL / 64 - 1, 64, 0 },
		{ "one byte over the end", 1, 0, SPILL / 64 - 1, 65, -EPROTO },
		{ "all of it", 1, 0, 0, SPILL, 0 },
		{ "more than that", 1, 0, 0, SPILL + 1, -EPROTO },
		{ "as long as can be said", 1, 0, 0, UINT32_MAX, -EPROTO },
		{ "begins behind the end", 1, 0, SPILL / 64, 1, -EPROTO },
		{ "as far as can be said", 1, 0, UINT32_MAX, UINT32_MAX, -EPROTO },
		{ "a block that has no bit", 1, LAT_BLOCKS_MAX, 0, 64, -EPROTO },
		{ "the last that has one", 1, LAT_BLOCKS_MAX - 1, 0, 64, 0 },
		{ "another extent", 2, 0, 0, 64, -EPROTO },
		{ "no extent", 0, 0, 0, 64, -EPROTO },
	};
	static unsigned char buf[SPILL];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_ring_msg m;
		struct pair p;
		void *data;

		pair_open(&p, &pair_sizes, false);
		CHECK(lat_tiers_loan(&p.tx, 1, &data) >= 0); /* makes the region */
		lie_slot_note(&p, rows[i].extent, rows[i].block, rows[i].at, rows[i].len);
		CHECK_EQ_ROW(rows[i].why, lat_tiers_consume(&p.rx, buf, sizeof(buf), &m), rows[i].want);
		if (rows[i].want < 0)
			CHECK_EQ_ROW(rows[i].why, lat_tiers_peek(&p.rx, &m), -EPROTO);
		pair_close(&p);
	}
}

TEST(a_note_without_a_region)
{
	struct lat_ring_msg m;
	struct pair p;

	pair_open(&p, &pair_sizes, false);
	lie_slot_note(&p, 1, 0, 0, 1);
	CHECK_EQ(lat_tiers_peek(&p.rx, &m), -EPROTO);
	pair_close(&p);
}

TEST(offers_that_cannot_be)
{
	static const struct {
		const char *why;
		enum lat_tier tier;
		uint32_t number;
		uint64_t bytes;
	} rows[] = {
		{ "L1 is no extent", LAT_TIER_L1, 1, 4096 },
		{ "no such tier", LAT_TIERS, 1, 4096 },
		{ "no number", LAT_TIER_L2, 0, 4096 },
		{ "no slots", LAT_TIER_L2, 1, 0 },
		{ "not whole slots", LAT_TIER_L2, 1, 4096 + 1 },
		{ "not a power of two", LAT_TIER_L2, 1, 64 * 24 },
		{ "too few slots", LAT_TIER_L3, 1, 64 * 4 },
		{ "too many", LAT_TIER_L3, 1, (uint64_t)64 * LAT_RING_SLOTS_MAX * 2 },
		{ "as many again when cut to 32 bits", LAT_TIER_L3, 1, ((uint64_t)64 << 32) + 4096 },
		{ "a region of nothing", LAT_TIER_SPILL, 1, 0 },
		{ "a region too long", LAT_TIER_SPILL, 1, LAT_BLOCKS_BYTES_MAX + 64 },
	};
	static struct lat_ring_slot mem[64];
	struct pair p;

	pair_open(&p, &pair_sizes, false);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why,
			     lat_tiers_rx_offer(&p.rx, rows[i].tier, rows[i].number, mem, rows[i].bytes),
			     -EPROTO);
	CHECK_EQ(lat_tiers_rx_offer(&p.rx, LAT_TIER_L2, 1, mem, sizeof(mem)), 0);
	pair_close(&p);
}

TEST(a_producer_that_says_it_made_something)
{
	struct lat_ring_msg m;
	struct pair p;

	pair_open(&p, &pair_sizes, false);
	atomic_store_explicit(&p.mem.front->made[LAT_TIER_L2 - 1], 9, memory_order_relaxed);
	atomic_store_explicit(&p.mem.front->epoch, 1, memory_order_relaxed);
	CHECK_EQ(pair_publish(&p, 1, 1), 0);
	CHECK_EQ(pair_publish(&p, 3, 1), 0);
	CHECK_EQ(pair_consume(&p, 1, 1), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(lat_tiers_peek(&p.rx, &m), -ENOMSG); /* it holds itself up */
	atomic_store_explicit(&p.mem.front->made[LAT_TIER_L2 - 1], 0, memory_order_relaxed);
	CHECK_EQ(lat_tiers_peek(&p.rx, &m), -EPROTO);
	pair_close(&p);
}

TEST(a_consumer_that_lies)
{
	static const struct {
		const char *why;
		uint32_t len;
		enum lat_tier head; /* whose head it writes; LAT_TIER_SPILL: it turns a bit */
		uint32_t value;
	} rows[] = {
		{ "released more of L1 than there was", 48, LAT_TIER_L1, 65 },
		{ "released more of L2", 1000, LAT_TIER_L2, 1000 },
		{ "gave back a block that it has not", 20000, LAT_TIER_SPILL, 100 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t n = 1;
		struct pair p;
		int rc = 0;

		pair_open(&p, &pair_sizes, false);
		CHECK_EQ(pair_publish(&p, n++, rows[i].len), 0);
		if (rows[i].head == LAT_TIER_SPILL)
			lat_blocks_release(p.mem.back->released, rows[i].value);
		else
			atomic_store_explicit(&p.mem.back->head[rows[i].head], rows[i].value,
					      memory_order_relaxed);
		while (n < 4 * L3 && rc == 0)
			rc = pair_publish(&p, n++, rows[i].len);
		CHECK_EQ_ROW(rows[i].why, rc, -EPROTO);
		CHECK_EQ_ROW(rows[i].why, pair_publish(&p, n, rows[i].len), -EPROTO);
		pair_close(&p);
	}
}

/* Nothing is sent any more, whatever was lied about, and whichever way it would go. */
TEST(a_consumer_that_lied_once)
{
	static const struct {
		const char *why;
		bool bits;
		uint32_t after; /* length of what is sent then */
	} rows[] = {
		{ "about L1, and a block would do", false, 20000 },
		{ "about a block, and L1 would do", true, 10 },
		{ "about a block, and slots of L1", true, 200 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t n = 1;
		struct pair p;
		void *data;
		int rc = 0;

		pair_open(&p, &pair_sizes, false);
		CHECK_EQ(lat_tiers_loan(&p.tx, 20000, &data), 0);
		if (rows[i].bits) {
			lat_blocks_release(p.mem.back->released, 100);
			lat_tiers_collect(&p.tx);
		} else {
			atomic_store_explicit(&p.mem.back->head[LAT_TIER_L1], 65, memory_order_relaxed);
			while (n < 4 * L3 && rc == 0)
				rc = pair_publish(&p, n++, 48);
			CHECK_EQ_ROW(rows[i].why, rc, -EPROTO);
		}
		CHECK_EQ_ROW(rows[i].why, pair_publish(&p, n, rows[i].after), -EPROTO);
		CHECK_EQ_ROW(rows[i].why, lat_tiers_loan(&p.tx, 1, &data), -EPROTO);
		pair_close(&p);
	}
}

/* Everything that the consumer reads is noise: it never reads elsewhere (the sanitizer sees to that), and ends. */
TEST(noise)
{
	static unsigned char buf[SPILL];
	uint64_t state = 0x9e3779b97f4a7c15;

	for (int round = 0; round < 2000; round++) {
		struct lat_ring_msg m;
		struct pair p;

		pair_open(&p, &pair_sizes, round % 2 == 0);
		for (uint32_t n = 1; n <= 80; n++)
			(void)pair_publish(&p, n, test_len(n + (uint32_t)round));
		for (int i = 0; i < 40; i++) {
			uint32_t *words = (uint32_t *)(void *)p.mem.l1;

			state = test_mix(state + 1);
			if (p.tx.mem[1 + i % 2] != NULL && i % 3 == 0)
				words = p.tx.mem[1 + i % 2];
			else if (i % 7 == 0)
				words = (uint32_t *)(void *)p.mem.front;
			words[state % (words == (void *)p.mem.front ? LAT_TIERS : 512)] =
				state >> 63 ? (uint32_t)(state >> 32) % 100 : (uint32_t)(state >> 32);
		}
		for (int i = 0; i < 200; i++)
			if (lat_tiers_consume(&p.rx, buf, sizeof(buf), &m) == 0)
				CHECK(m.len <= SPILL);
		pair_close(&p);
	}
}

TEST_MAIN

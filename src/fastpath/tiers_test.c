/* The tiers inside one process: which tier takes what, order across them, and memory that comes and goes. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "base/test.h"
#include "fastpath/tiers_harness.h"

TEST(the_nearest_that_fits_and_has_room)
{
	static const struct {
		const char *why;
		uint32_t before, before_len; /* messages that lie there already */
		uint32_t len;
		enum lat_tier want;
		uint32_t spills[LAT_TIER_RINGS]; /* who had no room for it */
	} rows[] = {
		{ "nothing", 0, 0, 0, LAT_TIER_L1, { 0 } },
		{ "one line", 0, 0, 48, LAT_TIER_L1, { 0 } },
		{ "the longest for L1", 0, 0, LAT_TIERS_L1_LEN, LAT_TIER_L1, { 0 } },
		{ "one byte more", 0, 0, LAT_TIERS_L1_LEN + 1, LAT_TIER_SPILL, { 0 } },
		{ "all there is", 0, 0, SPILL, LAT_TIER_SPILL, { 0 } },
		{ "the last slot of L1", 63, 1, 1, LAT_TIER_L1, { 0 } },
		{ "L1 is full", 64, 1, 1, LAT_TIER_L2, { 1 } },
		{ "L1 has room, but not for this", 63, 1, 49, LAT_TIER_L2, { 1 } },
		{ "L1 and L2 are full", 64 + L2, 1, 1, LAT_TIER_L3, { 1, 1 } },
		{ "as many blocks as there may be: L2 takes what it can",
		  LAT_BLOCKS_MAX,
		  1000,
		  1000,
		  LAT_TIER_L2,
		  { 0 } },
		{ "and L3", LAT_BLOCKS_MAX, 3000, 3000, LAT_TIER_L3, { 0 } },
		{ "a note goes where there is room", 64, 1, 10000, LAT_TIER_SPILL, { 0 } },
		{ "L1 and L2 are full for a note as well", 64 + L2, 1, 10000, LAT_TIER_SPILL, { 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_tier_stats before[LAT_TIERS], after[LAT_TIERS];
		uint32_t n = 1;
		struct pair p;

		pair_open(&p, &pair_sizes, false);
		for (; n <= rows[i].before; n++)
			CHECK_EQ_ROW(rows[i].why, pair_publish(&p, n, rows[i].before_len), 0);
		lat_tiers_stats(&p.tx, n - 1, before);
		CHECK_EQ_ROW(rows[i].why, pair_publish(&p, n, rows[i].len), 0);
		lat_tiers_stats(&p.tx, n, after);
		for (int t = 0; t < LAT_TIERS; t++) {
			CHECK_EQ_ROW(rows[i].why, after[t].hits - before[t].hits, t == (int)rows[i].want);
			CHECK_EQ_ROW(rows[i].why, after[t].spills - before[t].spills,
				     t < LAT_TIER_RINGS ? rows[i].spills[t] : 0);
			CHECK_ROW(rows[i].why, t != (int)rows[i].want || after[t].used > 0);
		}
		for (uint32_t k = 1; k < n; k++)
			CHECK_EQ_ROW(rows[i].why, pair_consume(&p, k, rows[i].before_len), 0);
		CHECK_EQ_ROW(rows[i].why, pair_consume(&p, n, rows[i].len), 0);
		CHECK_EQ_ROW(rows[i].why, pair_consume(&p, n + 1, 0), -ENOMSG);
		CHECK_EQ_ROW(rows[i].why, lat_tiers_tidy(&p.tx, &p.rx), p.made[LAT_TIER_L3] > 0);
		CHECK_ROW(rows[i].why, lat_tiers_drained(&p.tx));
		lat_tiers_stats(&p.tx, n, after);
		for (int t = 0; t < LAT_TIERS; t++) {
			CHECK_EQ_ROW(rows[i].why, after[t].used, 0);
			CHECK_ROW(rows[i].why, t != LAT_TIER_L3 || after[t].bytes == 0);
		}
		pair_close(&p);
	}
}

TEST(full_everywhere)
{
	static const struct {
		const char *why;
		struct lat_tiers_sizes sizes;
		uint32_t len, fit;
	} rows[] = {
		{ "L1 alone", { .spill_bytes = 0 }, 1, 64 },
		{ "L1 alone, no bytes", { .spill_bytes = 0 }, 0, 64 },
		{ "L1 alone, five slots each", { .spill_bytes = 0 }, LAT_TIERS_L1_LEN, 12 },
		{ "L1 and L2", { .slots = { 0, L2 } }, 1, 64 + L2 },
		{ "without L2", { .slots = { 0, 0, L3 } }, 1, 64 + L3 },
		{ "notes fill L1", { .spill_bytes = SPILL }, 300, 64 },
		{ "blocks, then L2", { .slots = { 0, L2 }, .spill_bytes = SPILL }, 1000, LAT_BLOCKS_MAX + 3 },
		{ "blocks fill the region", { .spill_bytes = 10 * 4096 }, 4096, 10 },
		{ "as many blocks as there may be",
		  { .slots = { 0, L2 }, .spill_bytes = SPILL },
		  4096,
		  LAT_BLOCKS_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t n = 1;
		struct pair p;

		pair_open(&p, &rows[i].sizes, false);
		while (n < 4 * L3 && pair_publish(&p, n, rows[i].len) == 0)
			n++;
		CHECK_EQ_ROW(rows[i].why, n - 1, rows[i].fit);
		CHECK_EQ_ROW(rows[i].why, pair_publish(&p, n, rows[i].len), -EAGAIN);
		CHECK_EQ_ROW(rows[i].why, pair_consume(&p, 1, rows[i].len), 0);
		CHECK_EQ_ROW(rows[i].why, pair_publish(&p, n, rows[i].len), 0);
		for (uint32_t k = 2; k <= n; k++)
			CHECK_EQ_ROW(rows[i].why, pair_consume(&p, k, rows[i].len), 0);
		CHECK_EQ_ROW(rows[i].why, pair_consume(&p, 0, 0), -ENOMSG);
		pair_close(&p);
	}
}

TEST(lengths)
{
	static const struct {
		const char *why;
		struct lat_tiers_sizes sizes;
		uint64_t want;
	} rows[] = {
		{ "L1 alone", { .spill_bytes = 0 }, 48 + 63 * 60 },
		{ "L2", { .slots = { 0, L2 } }, 48 + 31 * 60 },
		{ "L3", { .slots = { 0, L2, L3 } }, 48 + 127 * 60 },
		{ "all", { .slots = { 0, L2, L3 }, .spill_bytes = SPILL }, SPILL },
	};
	unsigned char few[4];
	struct lat_ring_msg m;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pair p;

		pair_open(&p, &rows[i].sizes, false);
		CHECK_EQ_ROW(rows[i].why, lat_tiers_len_max(&rows[i].sizes), rows[i].want);
		if (rows[i].want < SPILL)
			CHECK_EQ_ROW(rows[i].why, pair_publish(&p, 1, (uint32_t)rows[i].want + 1), -EMSGSIZE);
		CHECK_EQ_ROW(rows[i].why, pair_publish(&p, 1, (uint32_t)rows[i].want), 0);
		CHECK_EQ_ROW(rows[i].why, lat_tiers_consume(&p.rx, few, sizeof(few), &m), -EMSGSIZE);
		CHECK_EQ_ROW(rows[i].why, m.len, rows[i].want);
		CHECK_EQ_ROW(rows[i].why, lat_tiers_peek(&p.rx, &m), 0);
		CHECK_EQ_ROW(rows[i].why, m.len, rows[i].want);
		CHECK_EQ_ROW(rows[i].why, pair_consume(&p, 1, (uint32_t)rows[i].want), 0);
		pair_close(&p);
	}
}

TEST(sizes_that_cannot_be)
{
	static const struct {
		const char *why;
		struct lat_tiers_sizes sizes;
	} rows[] = {
		{ "not a power of two", { .slots = { 0, 24 } } },
		{ "too few", { .slots = { 0, 0, 4 } } },
		{ "too many", { .slots = { 0, 2 * LAT_RING_SLOTS_MAX } } },
		{ "too long a region", { .spill_bytes = LAT_BLOCKS_BYTES_MAX + 64 } },
		{ "not whole units", { .spill_bytes = 100 } },
	};
	struct lat_tiers_tx tx;
	struct lat_tiers_mem mem = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lat_tiers_tx_init(&tx, &mem, &rows[i].sizes, &pair_ops, NULL),
			     -EINVAL);
}

TEST(no_memory_is_no_room)
{
	struct pair p;

	pair_open(&p, &pair_sizes, false);
	p.refuse = true;
	CHECK_EQ(pair_publish(&p, 1, 10000), -ENOMEM); /* no use to wait: nothing will be taken */
	for (uint32_t n = 1; n <= 64; n++)
		CHECK_EQ(pair_publish(&p, n, 1), 0);
	CHECK_EQ(pair_publish(&p, 65, 1), -EAGAIN);
	CHECK_EQ(pair_publish(&p, 65, 10000), -EAGAIN);
	p.refuse = false;
	CHECK_EQ(pair_publish(&p, 65, 10000), 0);
	for (uint32_t n = 1; n <= 64; n++)
		CHECK_EQ(pair_consume(&p, n, 1), 0);
	CHECK_EQ(pair_consume(&p, 65, 10000), 0);
	pair_close(&p);
}

TEST(an_extent_that_comes_late_is_no_gap)
{
	struct pair p;
	uint32_t n = 1;

	pair_open(&p, &pair_sizes, false);
	p.keep = true;
	for (; n <= 66; n++)
		CHECK_EQ(pair_publish(&p, n, 1), 0); /* the last two into L2 */
	for (n = 1; n <= 64; n++)
		CHECK_EQ(pair_consume(&p, n, 1), 0);
	CHECK_EQ(pair_publish(&p, 67, 20000), 0); /* into a block, its note into L1 */
	CHECK_EQ(pair_consume(&p, 65, 1), -ENOMSG);
	CHECK_EQ(lat_tiers_rx_offer(&p.rx, LAT_TIER_L2, 1, p.late[LAT_TIER_L2], L2 * LAT_RING_SLOT), 0);
	CHECK_EQ(pair_consume(&p, 65, 1), 0);
	CHECK_EQ(pair_consume(&p, 66, 1), 0);
	CHECK_EQ(pair_consume(&p, 67, 20000), -ENOMSG);
	CHECK_EQ(lat_tiers_rx_offer(&p.rx, LAT_TIER_SPILL, 1, p.late[LAT_TIER_SPILL], SPILL), 0);
	CHECK_EQ(pair_consume(&p, 67, 20000), 0);
	pair_close(&p);
}

static void *offer_late(void *arg)
{
	struct pair *p = arg;

	if (p->late[LAT_TIER_L2] != NULL)
		(void)!lat_tiers_rx_offer(&p->rx, LAT_TIER_L2, 1, p->late[LAT_TIER_L2], L2 * LAT_RING_SLOT);
	(void)!lat_tiers_rx_offer(&p->rx, LAT_TIER_SPILL, 1, p->late[LAT_TIER_SPILL], SPILL);
	return NULL;
}

/* It is not to matter when, of all the moments of a look. */
TEST(an_extent_that_comes_while_it_is_looked_for)
{
	static const struct {
		const char *why;
		uint32_t before; /* short ones */
	} rows[] = {
		{ "the first message is a note", 0 },
		{ "one of L2 comes first", LAT_TIERS_L1_SLOTS + 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int round = 0; round < 300; round++) {
			pthread_t thread;
			struct pair p;
			int rc;

			pair_open(&p, &pair_sizes, false);
			p.keep = true;
			for (uint32_t n = 1; n <= rows[i].before; n++)
				CHECK_EQ_ROW(rows[i].why, pair_publish(&p, n, 1), 0);
			CHECK_EQ_ROW(rows[i].why, pair_publish(&p, rows[i].before + 1, 500), 0);
			CHECK_EQ(pthread_create(&thread, NULL, offer_late, &p), 0);
			for (uint32_t n = 1; n <= rows[i].before + 1; n += rc == 0) {
				rc = pair_consume(&p, n, n <= rows[i].before ? 1 : 500);
				CHECK_ROW(rows[i].why, rc == 0 || rc == -ENOMSG);
			}
			CHECK_EQ(pthread_join(thread, NULL), 0);
			pair_close(&p);
		}
	}
}

TEST(memory_comes_and_goes)
{
	static const struct lat_tiers_sizes big = { .slots = { 0, L2, L3 },
						    .spill_bytes = 2 * LAT_TIERS_KEEP_BYTES };
	static unsigned char much[LAT_TIERS_KEEP_BYTES + 1];
	uint32_t n = 1;
	struct pair p;

	pair_open(&p, &big, false);
	for (int burst = 0; burst < 20; burst++) {
		struct lat_ring_msg m;
		uint32_t first = n;

		for (uint32_t i = 0; i < 64 + L2 + 100; i++, n++)
			CHECK_EQ(pair_publish(&p, n, i % 90), 0);
		CHECK_EQ(pair_publish(&p, n++, LONGEST), 0);
		CHECK_EQ(lat_tiers_publish(&p.tx, 0, n++, much, sizeof(much) - (burst % 2 == 0)), 0);
		CHECK(!lat_tiers_drained(&p.tx));
		CHECK(!lat_tiers_tidy(&p.tx, &p.rx));
		for (uint32_t i = 0; first < n - 2; i++, first++)
			CHECK_EQ(pair_consume(&p, first, i % 90), 0);
		CHECK_EQ(pair_consume(&p, first, LONGEST), 0);
		CHECK_EQ(lat_tiers_consume(&p.rx, much, sizeof(much), &m), 0);
		CHECK(lat_tiers_drained(&p.tx) || p.tx.blocks->count > 0); /* not collected yet */
		CHECK(lat_tiers_untidy(&p.rx));
		CHECK(lat_tiers_tidy(&p.tx, &p.rx));
		CHECK(lat_tiers_drained(&p.tx));
		CHECK_EQ(p.made[LAT_TIER_L2], 1);
		CHECK_EQ(p.retired[LAT_TIER_L2], 0);
		CHECK_EQ(p.retired[LAT_TIER_L3], burst + 1);
		CHECK_EQ(p.retired[LAT_TIER_SPILL], burst + 1);
	}
	CHECK_EQ(pair_publish(&p, n, LONGEST), 0);
	CHECK_EQ(pair_consume(&p, n, LONGEST), 0);
	CHECK(!lat_tiers_tidy(&p.tx, &p.rx)); /* not so much that it is worth it */
	pair_close(&p);
}

TEST(in_place)
{
	struct lat_ring_msg m;
	const void *data;
	uint32_t block;
	void *mine;
	int loan, other;
	struct pair p;

	pair_open(&p, &pair_sizes, false);
	loan = lat_tiers_loan(&p.tx, 1 << 20, &mine);
	CHECK(loan >= 0);
	pair_fill(mine, 1 << 20, 7);
	CHECK_EQ(pair_publish(&p, 1, 5), 0);
	CHECK_EQ(lat_tiers_publish_loan(&p.tx, 3, 2, (uint32_t)loan, 1000), 0);
	CHECK_EQ(lat_tiers_take(&p.rx, &data, &block, &m), -EOPNOTSUPP);
	CHECK_EQ(pair_consume(&p, 1, 5), 0);
	CHECK_EQ(lat_tiers_take(&p.rx, &data, &block, &m), 0);
	CHECK_EQ(m.len, 1000);
	CHECK_EQ(m.type, 3);
	CHECK(data == mine);
	CHECK_EQ(lat_tiers_take(&p.rx, &data, &block, &m), -ENOMSG);
	CHECK(!lat_tiers_tidy(&p.tx, &p.rx));
	other = lat_tiers_loan(&p.tx, 64, &mine);
	CHECK(other >= 0 && other != loan);
	lat_tiers_release(&p.rx, block);
	CHECK(!lat_tiers_drained(&p.tx));
	lat_tiers_discard(&p.tx, (uint32_t)other);
	CHECK(!lat_tiers_tidy(&p.tx, &p.rx));
	CHECK(lat_tiers_drained(&p.tx));
	CHECK_EQ(lat_tiers_loan(&p.tx, SPILL + 1, &mine), -EMSGSIZE);
	pair_close(&p);
}

TEST(a_dead_consumers_blocks_come_back)
{
	struct lat_tier_stats st[LAT_TIERS];
	void *data;
	struct pair p;

	pair_open(&p, &pair_sizes, false);
	CHECK_EQ(pair_publish(&p, 1, SPILL / 2), 0);
	CHECK_EQ(pair_publish(&p, 2, SPILL / 2), 0);
	CHECK_EQ(lat_tiers_loan(&p.tx, 1, &data), -EAGAIN);
	lat_tiers_reclaim(&p.tx);
	lat_tiers_stats(&p.tx, 2, st);
	CHECK_EQ(st[LAT_TIER_SPILL].used, 0);
	CHECK(lat_tiers_loan(&p.tx, SPILL, &data) >= 0);
	pair_close(&p);
}

TEST(gaps)
{
	static const struct {
		const char *why;
		bool lossy;
		uint32_t second, third;
		int want;
		uint64_t gaps;
	} rows[] = {
		{ "none", false, 2, 3, 0, 0 },
		{ "one number skipped: a lie", false, 2, 4, -EPROTO, 0 },
		{ "the same number again: a lie", false, 2, 2, -EPROTO, 0 },
		{ "lossy, none", true, 2, 3, 0, 0 },
		{ "lossy: counted", true, 2, 4, 0, 1 },
		{ "lossy: counted twice", true, 5, 10, 0, 7 },
		{ "lossy, but the same number again: a lie", true, 2, 2, -EPROTO, 0 },
		{ "lossy, but back: a lie", true, 5, 4, -EPROTO, 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pair p;

		pair_open(&p, &pair_sizes, rows[i].lossy);
		CHECK_EQ(pair_publish(&p, 1, 1), 0);
		CHECK_EQ(pair_publish(&p, rows[i].second, 1000), 0); /* another tier */
		CHECK_EQ(pair_publish(&p, rows[i].third, 1000), 0);
		CHECK_EQ_ROW(rows[i].why, pair_consume(&p, 1, 1), 0);
		CHECK_EQ_ROW(rows[i].why, pair_consume(&p, rows[i].second, 1000), 0);
		CHECK_EQ_ROW(rows[i].why, pair_consume(&p, rows[i].third, 1000), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, pair_consume(&p, 0, 0), rows[i].want < 0 ? -EPROTO : -ENOMSG);
		CHECK_EQ_ROW(rows[i].why, atomic_load_explicit(&p.rx.gaps, memory_order_relaxed),
			     rows[i].gaps);
		pair_close(&p);
	}
}

/* --- two threads ---------------------------------------------------------------------------------- */

enum pace { FAST, SLOW, STUTTER };

struct stream {
	struct pair p;
	enum pace sender, receiver;
	uint32_t messages;
};

static void pace(enum pace how, uint32_t n)
{
	if (how == FAST)
		return;
	if (how == SLOW ? n % 8 == 0 : n % 5000 < 20)
		sched_yield();
	for (volatile int i = 0; how == SLOW && i < 100; i++)
		;
}

static void *run_sender(void *ctx)
{
	unsigned char *buf = malloc(LONGEST);
	struct stream *s = ctx;

	for (uint32_t n = 1; buf != NULL && n <= s->messages;) {
		uint32_t len = test_len(n);
		int rc;

		memset(buf, (int)n, len);
		rc = lat_tiers_publish(&s->p.tx, (int32_t)n, n, buf, len);
		if (rc == 0)
			pace(s->sender, n++);
		else if (rc == -EAGAIN)
			sched_yield();
		else
			break;
	}
	free(buf);
	return NULL;
}

TEST(order_whatever_the_pace)
{
	static const struct {
		const char *why;
		enum pace sender, receiver;
	} rows[] = {
		{ "both fast", FAST, FAST },
		{ "a slow receiver", FAST, SLOW },
		{ "a slow sender", SLOW, FAST },
		{ "a stuttering receiver", FAST, STUTTER },
		{ "a stuttering sender", STUTTER, FAST },
	};
	/* More by hand: LATTICE_TIERS_MESSAGES=20000000. */
	const char *more = getenv("LATTICE_TIERS_MESSAGES");
	uint32_t messages = more != NULL ? (uint32_t)strtoul(more, NULL, 10) : 30000;
	unsigned char *got = malloc(LONGEST);

	CHECK(got != NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stream s = { .sender = rows[i].sender,
				    .receiver = rows[i].receiver,
				    .messages = messages };
		struct lat_tier_stats st[LAT_TIERS];
		pthread_t thread;

		pair_open(&s.p, &pair_sizes, false);
		s.p.tx.user = &s.p;
		CHECK_EQ(pthread_create(&thread, NULL, run_sender, &s), 0);
		for (uint32_t n = 1; n <= messages;) {
			struct lat_ring_msg m;
			int rc = lat_tiers_consume(&s.p.rx, got, LONGEST, &m);

			if (rc == -ENOMSG) {
				sched_yield();
				continue;
			}
			CHECK_EQ_ROW(rows[i].why, rc, 0);
			CHECK_EQ_ROW(rows[i].why, m.seq, n);
			CHECK_EQ_ROW(rows[i].why, m.type, n);
			CHECK_EQ_ROW(rows[i].why, m.len, test_len(n));
			CHECK_ROW(rows[i].why, m.len == 0 || (got[0] == (unsigned char)n &&
							      memcmp(got, got + 1, m.len - 1) == 0));
			pace(rows[i].receiver, n++);
		}
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ_ROW(rows[i].why, lat_tiers_peek(&s.p.rx, &(struct lat_ring_msg){ 0 }), -ENOMSG);
		lat_tiers_stats(&s.p.tx, messages, st);
		CHECK(st[LAT_TIER_SPILL].hits > 0 && st[LAT_TIER_L1].hits > 0);
		pair_close(&s.p);
	}
	free(got);
}

TEST_MAIN

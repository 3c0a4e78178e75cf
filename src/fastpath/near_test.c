/* The inline ways of sending and receiving one message, against those that do everything: on what is there, and on noise. */
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

#include "base/test.h"
#include "fastpath/inbox_fast.h"
#include "fastpath/sender_fast.h"
#include "fastpath/tiers_harness.h"
#include "os/membarrier.h"

enum { SLOTS = 16, BUF = 512 };

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint32_t draw(uint32_t below)
{
	seed = test_mix(seed + 1);
	return (uint32_t)(seed >> 32) % below;
}

/* --- a ring's producer -------------------------------------------------------------------------- */

struct ring {
	alignas(LAT_CACHELINE) struct lat_ring_slot slots[SLOTS];
	_Atomic(uint32_t) head;
	struct lat_ring_tx tx;
};

static void ring_open(struct ring *r, uint32_t start)
{
	memset(r, 0, sizeof(*r));
	atomic_store_explicit(&r->head, start, memory_order_relaxed);
	lat_ring_tx_over(&r->tx, r->slots, SLOTS, start, &r->head);
}

static bool publish_near(struct ring *r, uint32_t seq, const void *data, uint32_t len)
{
	return len > LAT_RING_TWO_DATA ? lat_ring_publish_long(&r->tx, 7, seq, data, len)
				       : lat_ring_publish_near(&r->tx, 7, seq, data, len);
}

TEST(published_near_and_far)
{
	static const uint32_t starts[] = { 0, UINT32_MAX - 5 };
	static struct ring a, b;
	unsigned char data[BUF];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + 1);
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		uint32_t taken = starts[i];

		ring_open(&a, starts[i]);
		ring_open(&b, starts[i]);
		for (uint32_t seq = 1; seq <= 2000; seq++) {
			uint32_t len = draw(4) == 0 ? draw(300) : draw(LAT_RING_TWO_DATA + 1);
			int rc = lat_ring_publish(&a.tx, 7, seq, data, len);

			if (!publish_near(&b, seq, data, len))
				CHECK_EQ(lat_ring_publish(&b.tx, 7, seq, data, len), rc);
			else
				CHECK_EQ(rc, 0);
			CHECK_EQ(memcmp(a.slots, b.slots, sizeof(a.slots)), 0);
			CHECK_EQ(atomic_load_explicit(&a.tx.sent, memory_order_relaxed),
				 atomic_load_explicit(&b.tx.sent, memory_order_relaxed));
			if (draw(3) == 0) /* the consumer takes some slots */
				taken += draw(atomic_load_explicit(&a.tx.sent, memory_order_relaxed) - taken +
					      1);
			atomic_store_explicit(&a.head, taken, memory_order_release);
			atomic_store_explicit(&b.head, taken, memory_order_release);
		}
	}
}

TEST(nothing_near_after_a_lie)
{
	static struct ring r;
	unsigned char data[BUF] = { 0 };

	ring_open(&r, 0);
	CHECK(publish_near(&r, 1, data, 48));
	atomic_store_explicit(&r.head, 5, memory_order_release); /* more than was published */
	CHECK_EQ(lat_ring_used(&r.tx), SLOTS);
	CHECK(!publish_near(&r, 2, data, 48));
	CHECK(!publish_near(&r, 2, data, 100));
	CHECK_EQ(lat_ring_publish(&r.tx, 7, 2, data, 48), -EPROTO);
}

/* --- a consumer, of noise ----------------------------------------------------------------------- */

static void same_memory(struct pair *to, const struct pair *from)
{
	memcpy(to->mem.l1, from->mem.l1, LAT_TIERS_L1_SLOTS * LAT_RING_SLOT);
}

/* What a producer may write: the truth, mostly. */
static void write_noise(struct pair *p, uint32_t seq)
{
	uint32_t at = p->rx.ring[LAT_TIER_L1].taken;

	for (uint32_t i = 0; i < 6; i++) {
		struct lat_ring_slot *s = &p->mem.l1[(at + i) % LAT_TIERS_L1_SLOTS];

		atomic_store_explicit(&s->seq, draw(20) == 0 ? draw(UINT32_MAX) : at + 1 + i,
				      memory_order_relaxed);
		for (size_t k = 0; k < sizeof(s->first.data); k++)
			s->first.data[k] = (unsigned char)draw(256);
		s->first.type = (int32_t)draw(UINT32_MAX);
		s->first.len = draw(12) == 0 ? draw(UINT32_MAX) : draw(4) == 0 ? draw(320) : draw(110);
		if (draw(30) == 0)
			s->first.len = LAT_RING_NOTE | LAT_RING_NOTE_LEN;
		s->first.msg_seq = draw(20) == 0 ? draw(UINT32_MAX) : seq;
	}
}

TEST(consumed_near_and_far)
{
	static const size_t caps[] = { 0, 16, 47, 48, 49, 300, BUF };
	uint32_t near = 0, lies = 0;

	for (int i = 0; i < 300; i++) {
		uint32_t seq = 0;
		struct pair a, b;
		int rc;

		pair_open(&a, &pair_sizes, false);
		pair_open(&b, &pair_sizes, false);
		do {
			unsigned char one[BUF] = { 0 }, two[BUF] = { 0 };
			struct lat_ring_msg m = { 0 }, n = { 0 };
			size_t cap = caps[draw(ARRAY_LEN(caps))];
			bool single = draw(2) == 0;

			write_noise(&a, seq + 1);
			same_memory(&b, &a);
			rc = lat_tiers_consume(&a.rx, one, cap, &m);
			if (lat_tiers_consume_near(&b.rx, seq + 1, two, cap, single, &n)) {
				CHECK_EQ(rc, 0);
				CHECK(!single || n.len <= LAT_RING_TWO_DATA);
				near++;
			} else {
				CHECK_EQ(lat_tiers_consume(&b.rx, two, cap, &n), rc);
			}
			if (rc == 0 || rc == -EMSGSIZE) {
				CHECK_EQ(m.type, n.type);
				CHECK_EQ(m.seq, n.seq);
				CHECK_EQ(m.len, n.len);
			}
			if (rc == 0)
				CHECK_EQ(memcmp(one, two, m.len), 0);
			CHECK_EQ(a.rx.seq, b.rx.seq);
			CHECK_EQ(a.rx.ring[LAT_TIER_L1].taken, b.rx.ring[LAT_TIER_L1].taken);
			CHECK_EQ(atomic_load_explicit(&a.mem.back->head[LAT_TIER_L1], memory_order_relaxed),
				 atomic_load_explicit(&b.mem.back->head[LAT_TIER_L1], memory_order_relaxed));
			CHECK_EQ(a.rx.poisoned, b.rx.poisoned);
			seq += rc == 0;
			lies += rc == -EPROTO;
			if (rc == -EPROTO) /* for good, whatever comes */
				CHECK(!lat_tiers_consume_near(&b.rx, seq + 1, two, BUF, false, &n));
		} while (rc != -EPROTO);
		pair_close(&a);
		pair_close(&b);
	}
	CHECK(near > 300 && lies == 300);
}

/* Notes, mostly true: of blocks of the one extent there is. */
static void write_notes(struct pair *p, uint32_t seq)
{
	uint32_t note[4] = { draw(20) == 0 ? draw(3) : 1, draw(30) == 0 ? draw(400) : draw(LAT_BLOCKS_MAX),
			     draw(20) == 0 ? draw(UINT32_MAX) : draw(SPILL / LAT_BLOCK_UNIT),
			     draw(20) == 0 ? draw(UINT32_MAX) : draw(4096) };
	struct lat_ring_slot *s = &p->mem.l1[p->rx.ring[LAT_TIER_L1].taken % LAT_TIERS_L1_SLOTS];

	write_noise(p, seq);
	memcpy(s->first.data, note, sizeof(note));
	if (draw(12) != 0)
		s->first.len = LAT_RING_NOTE | LAT_RING_NOTE_LEN;
}

TEST(taken_near_and_far)
{
	uint32_t near = 0, lies = 0;

	for (int i = 0; i < 600; i++) {
		uint32_t seq = 0, left = 200;
		struct pair a, b;
		int rc;

		pair_open(&a, &pair_sizes, false);
		pair_open(&b, &pair_sizes, false);
		if (draw(10) != 0) { /* else there is no region yet */
			void *mine;

			CHECK_EQ(lat_tiers_loan(&a.tx, 1, &mine), 0);
			CHECK_EQ(lat_tiers_loan(&b.tx, 1, &mine), 0);
		}
		do {
			const unsigned char *one = NULL, *two = NULL;
			struct lat_ring_msg m = { 0 }, n = { 0 };
			uint32_t block = 0, other = 0;

			write_notes(&a, seq + 1);
			same_memory(&b, &a);
			rc = lat_tiers_take(&a.rx, (const void **)&one, &block, &m);
			if (lat_tiers_take_near(&b.rx, seq + 1, (const void **)&two, &other, &n)) {
				CHECK_EQ(rc, 0);
				near++;
			} else {
				CHECK_EQ(lat_tiers_take(&b.rx, (const void **)&two, &other, &n), rc);
			}
			if (rc == 0) {
				CHECK_EQ(one - a.rx.spill, two - b.rx.spill);
				CHECK(one + m.len <= a.rx.spill + SPILL);
				CHECK_EQ(block, other);
				CHECK_EQ(m.type, n.type);
				CHECK_EQ(m.seq, n.seq);
				CHECK_EQ(m.len, n.len);
				seq++;
			}
			CHECK_EQ(a.rx.held, b.rx.held);
			CHECK_EQ(a.rx.seq, b.rx.seq);
			CHECK_EQ(atomic_load_explicit(&a.mem.back->head[LAT_TIER_L1], memory_order_relaxed),
				 atomic_load_explicit(&b.mem.back->head[LAT_TIER_L1], memory_order_relaxed));
			CHECK_EQ(a.rx.poisoned, b.rx.poisoned);
			lies += rc == -EPROTO;
			if (rc == -EPROTO) /* for good, whatever comes */
				CHECK(!lat_tiers_take_near(&b.rx, seq + 1, (const void **)&two, &other, &n));
		} while (rc != -EPROTO && --left > 0);
		pair_close(&a);
		pair_close(&b);
	}
	CHECK(near > 600 && lies > 300);
}

/* What a loan, its publishing and its way back come to does not depend on whether they are near. */
TEST(lent_near_and_far)
{
	static const uint32_t sizes[] = { 1, 300, 300, 5000, 5000, 5000, 200000 };
	struct {
		uint32_t block, bytes;
		void *a, *b;
	} mine[8] = { 0 };
	uint32_t seq = 0, near = 0, count = 0;
	struct pair a, b;

	pair_open(&a, &pair_sizes, false);
	pair_open(&b, &pair_sizes, false);
	for (int step = 0; step < 30000; step++) {
		uint32_t bytes = sizes[draw(8) == 0 ? draw(ARRAY_LEN(sizes))
						    : (uint32_t)step / 500 % ARRAY_LEN(sizes)],
			 i = count > 0 ? draw(count) : 0, block, taken[2];
		const void *data[2];
		struct lat_ring_msg m;
		void *at;
		int rc;

		switch (draw(3)) {
		case 0:
			if (count == ARRAY_LEN(mine))
				break;
			rc = lat_tiers_loan(&a.tx, bytes, &mine[count].a);
			if (lat_tiers_loan_near(&b.tx, bytes, &at, &block)) {
				CHECK_EQ(block, rc);
				near++;
			} else {
				CHECK_EQ(lat_tiers_loan(&b.tx, bytes, &at), rc);
				block = (uint32_t)rc;
			}
			if (rc == -EAGAIN) /* too many are on their way */
				break;
			CHECK(rc >= 0);
			CHECK_EQ((char *)at - (char *)b.tx.mem[LAT_TIER_SPILL],
				 (char *)mine[count].a - (char *)a.tx.mem[LAT_TIER_SPILL]);
			mine[count].b = at;
			mine[count].bytes = bytes;
			mine[count++].block = block;
			break;
		case 1:
			if (count == 0)
				break;
			rc = lat_tiers_publish_loan(&a.tx, step, ++seq, mine[i].block, mine[i].bytes);
			CHECK_EQ(rc, 0);
			CHECK(!lat_tiers_publish_loan_near(&b.tx, step, seq, mine[i].block, mine[i].a, 1));
			CHECK(!lat_tiers_publish_loan_near(&b.tx, step, seq, LAT_BLOCKS_MAX, mine[i].b, 1));
			if (lat_tiers_publish_loan_near(&b.tx, step, seq, mine[i].block, mine[i].b,
							mine[i].bytes))
				lat_tiers_published(&b.tx);
			else
				CHECK_EQ(lat_tiers_publish_loan(&b.tx, step, seq, mine[i].block,
								mine[i].bytes),
					 0);
			CHECK(!lat_tiers_publish_loan_near(&b.tx, step, seq, mine[i].block, mine[i].b, 1));
			mine[i] = mine[--count];
			break;
		default:
			rc = lat_tiers_take(&a.rx, &data[0], &taken[0], &m);
			CHECK_EQ(lat_tiers_take(&b.rx, &data[1], &taken[1], &m), rc);
			if (rc < 0)
				break;
			CHECK_EQ(taken[0], taken[1]);
			lat_tiers_release(&a.rx, taken[0]);
			lat_tiers_release(&b.rx, taken[1]);
		}
		CHECK_EQ(a.tx.blocks != NULL ? a.tx.blocks->units_used : 0,
			 b.tx.blocks != NULL ? b.tx.blocks->units_used : 0);
	}
	CHECK(near > 1000);
	pair_close(&a);
	pair_close(&b);
}

/* --- a turn ------------------------------------------------------------------------------------- */

TEST(a_turn_that_is_tried)
{
	struct lat_turn t = { 0 };

	CHECK(lat_turn_try_as(&t, false));
	CHECK(!lat_turn_try_as(&t, false));
	lat_turn_end_as(&t, false);
	if (!lat_membarrier_works(LAT_MEMBARRIER_PROCESS))
		return;
	lat_turn_set_single(&t, true);
	CHECK(lat_turn_try_as(&t, true));
	lat_turn_end_as(&t, true);
	lat_turn_take(&t);
	CHECK(!lat_turn_try_as(&t, true));
	CHECK_EQ(atomic_load_explicit(&t.inside, memory_order_relaxed), 0);
	lat_turn_give(&t);
	CHECK(lat_turn_try_as(&t, true));
	lat_turn_end_as(&t, true);
}

static int none_to_commit(void *user, void *mem, size_t bytes)
{
	(void)user;
	(void)mem;
	(void)bytes;
	return -ENOMEM;
}

static int extend_by_malloc(void *user, enum lat_tier tier, uint32_t number, size_t bytes, void **mem)
{
	(void)user;
	(void)tier;
	(void)number;
	*mem = aligned_alloc(4096, bytes);
	return *mem != NULL ? 0 : -ENOMEM;
}

static void retract_by_free(void *user, enum lat_tier tier, void *mem, size_t bytes)
{
	(void)user;
	(void)tier;
	(void)bytes;
	free(mem);
}

TEST(what_has_no_memory_is_not_lent_the_short_way)
{
	static const struct lat_tiers_ops ops = { extend_by_malloc, none_to_commit, retract_by_free };
	static alignas(64) struct lat_ring_slot slots[64];
	static struct lat_tiers_front front;
	static struct lat_tiers_back back;
	static struct lat_tiers_tx tx;
	const struct lat_tiers_mem mem = { &front, slots, &back };
	const struct lat_tiers_sizes sizes = { .spill_bytes = 16 << 20 };
	uint32_t block;
	void *data;

	CHECK_EQ(lat_tiers_tx_init(&tx, &mem, &sizes, &ops, NULL), 0);
	CHECK_EQ(lat_tiers_loan(&tx, 8 << 20, &data), -ENOMEM);
	CHECK(!lat_tiers_loan_near(&tx, 8 << 20, &data, &block));
	lat_tiers_tx_fini(&tx);
}

TEST_MAIN

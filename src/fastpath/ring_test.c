/* The ring inside one process: edges, wrap-around, two threads, and an other side that lies. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>

#include "base/test.h"
#include "fastpath/ring.h"

enum { SLOTS = 16, LONGEST = LAT_RING_FIRST_DATA + (SLOTS - 1) * LAT_RING_NEXT_DATA };

struct pair {
	struct lat_ring_tx tx;
	struct lat_ring_rx rx;
	unsigned char *tx_seg, *rx_seg; /* exactly as long as they must be, so that ASan sees one byte more */
	size_t tx_bytes, rx_bytes;
};

static void pair_init(struct pair *p, uint32_t slots, uint32_t start)
{
	p->tx_bytes = lat_ring_tx_bytes(slots);
	p->rx_bytes = lat_ring_rx_bytes();
	p->tx_seg = aligned_alloc(LAT_CACHELINE, p->tx_bytes);
	p->rx_seg = aligned_alloc(LAT_CACHELINE, p->rx_bytes);
	CHECK(p->tx_seg != NULL && p->rx_seg != NULL);
	memset(p->tx_seg, 0, p->tx_bytes);
	memset(p->rx_seg, 0, p->rx_bytes);
	CHECK_EQ(lat_ring_tx_init(&p->tx, p->tx_seg, p->tx_bytes, slots, start), 0);
	CHECK_EQ(lat_ring_rx_init(&p->rx, p->rx_seg, p->rx_bytes, p->tx_seg, p->tx_bytes), 0);
	CHECK_EQ(lat_ring_tx_attach(&p->tx, p->rx_seg, p->rx_bytes), 0);
}

static void pair_fini(struct pair *p)
{
	free(p->tx_seg);
	free(p->rx_seg);
}

static uint64_t rand_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fill(unsigned char *buf, size_t len, uint32_t n)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)(n * 31 + i * 7 + (i >> 8));
}

static uint32_t len_of(uint32_t n)
{
	return (uint32_t)((uint64_t)n * 2654435761u >> 7) % (LONGEST + 1);
}

/* The n-th message: its length, type and bytes follow from n. */
static int publish_nth(struct lat_ring_tx *tx, uint32_t n)
{
	unsigned char buf[LONGEST];
	uint32_t len = len_of(n);

	fill(buf, len, n);
	return lat_ring_publish(tx, (int32_t)~n, n, buf, len);
}

/* 0, what consume returned, or 1: it is not the n-th message. */
static int consume_nth(struct lat_ring_rx *rx, uint32_t n)
{
	unsigned char got[LONGEST], want[LONGEST];
	struct lat_ring_msg m;
	int rc = lat_ring_consume(rx, got, sizeof(got), &m);

	if (rc < 0)
		return rc;
	fill(want, len_of(n), n);
	return m.seq != n || m.len != len_of(n) || m.type != (int32_t)~n || memcmp(got, want, m.len) != 0;
}

TEST(geometry)
{
	static const struct {
		const char *why;
		uint32_t slots;
		size_t bytes;
	} rows[] = {
		{ "no slots", 0, 0 },
		{ "below the least", 4, 0 },
		{ "the least", 8, 64 + 8 * 64 },
		{ "not a power of two", 24, 0 },
		{ "the default", LAT_RING_SLOTS_DEFAULT, 64 + 65536 * 64 },
		{ "the most", LAT_RING_SLOTS_MAX, 64 + (1 << 20) * 64 },
		{ "over the most", LAT_RING_SLOTS_MAX * 2, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lat_ring_tx_bytes(rows[i].slots), rows[i].bytes);
	CHECK(lat_ring_len_max(LAT_RING_SLOTS_DEFAULT) >= 1 << 20);
}

TEST(slots_for_a_length)
{
	const uint32_t half = lat_ring_len_max(LAT_RING_SLOTS_DEFAULT / 2);
	const uint32_t most = lat_ring_len_max(LAT_RING_SLOTS_MAX / 2);
	const struct {
		const char *why;
		uint32_t len, want;
	} rows[] = {
		{ "short ones fit the default", 0, LAT_RING_SLOTS_DEFAULT },
		{ "twice in the default", half, LAT_RING_SLOTS_DEFAULT },
		{ "not twice in the default", half + 1, LAT_RING_SLOTS_DEFAULT * 2 },
		{ "twice in the largest", most, LAT_RING_SLOTS_MAX },
		{ "not twice in the largest", most + 1, 0 },
		{ "absurd", UINT32_MAX, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lat_ring_slots_for(rows[i].len), rows[i].want);
}

TEST(lengths)
{
	static const struct {
		const char *why;
		uint32_t len;
		int rc;
		uint32_t slots;
	} rows[] = {
		{ "nothing but a type", 0, 0, 1 },
		{ "one byte", 1, 0, 1 },
		{ "one short of a slot", 47, 0, 1 },
		{ "fills the first slot", 48, 0, 1 },
		{ "one byte in the second", 49, 0, 2 },
		{ "fills the second", 108, 0, 2 },
		{ "one byte in the third", 109, 0, 3 },
		{ "fills the ring", LONGEST, 0, SLOTS },
		{ "one over the ring", LONGEST + 1, -EMSGSIZE, 0 },
		{ "absurd", UINT32_MAX, -EMSGSIZE, 0 },
	};
	static unsigned char out[LONGEST + 1];

	fill(out, sizeof(out), 9);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_ring_msg m = { 0 };
		struct pair p;
		unsigned char *in;

		pair_init(&p, SLOTS, 0);
		CHECK_EQ_ROW(rows[i].why, lat_ring_publish(&p.tx, -5, 77, out, rows[i].len), rows[i].rc);
		CHECK_EQ_ROW(rows[i].why, lat_ring_used(&p.tx), rows[i].slots);
		if (rows[i].rc < 0) {
			CHECK_EQ_ROW(rows[i].why, lat_ring_peek(&p.rx, &m), -ENOMSG);
			pair_fini(&p);
			continue;
		}
		in = malloc(rows[i].len + 1);
		CHECK(in != NULL);
		if (rows[i].len > 0) {
			CHECK_EQ_ROW(rows[i].why, lat_ring_consume(&p.rx, in, rows[i].len - 1, &m),
				     -EMSGSIZE);
			CHECK_EQ_ROW(rows[i].why, m.len, rows[i].len);
		}
		CHECK_EQ_ROW(rows[i].why, lat_ring_peek(&p.rx, &m), 0);
		CHECK_EQ_ROW(rows[i].why, m.len, rows[i].len);
		m = (struct lat_ring_msg){ 0 };
		CHECK_EQ_ROW(rows[i].why, lat_ring_consume(&p.rx, in, rows[i].len, &m), 0);
		CHECK_EQ_ROW(rows[i].why, m.len, rows[i].len);
		CHECK_EQ_ROW(rows[i].why, m.type, -5);
		CHECK_EQ_ROW(rows[i].why, m.seq, 77);
		CHECK_MEM_ROW(rows[i].why, in, out, rows[i].len);
		CHECK_EQ_ROW(rows[i].why, lat_ring_consume(&p.rx, in, rows[i].len, &m), -ENOMSG);
		CHECK_EQ_ROW(rows[i].why, lat_ring_used(&p.tx), 0);
		free(in);
		pair_fini(&p);
	}
}

TEST(full_and_room_again)
{
	struct lat_ring_msg m;
	struct pair p;
	unsigned char b[49] = { 0 };

	pair_init(&p, 8, 0);
	for (uint32_t i = 1; i <= 7; i++)
		CHECK_EQ(lat_ring_publish(&p.tx, 0, i, b, 48), 0);
	CHECK_EQ(lat_ring_publish(&p.tx, 0, 8, b, 49), -EAGAIN); /* two slots, one is free */
	CHECK_EQ(lat_ring_publish(&p.tx, 0, 8, b, 48), 0);
	CHECK_EQ(lat_ring_publish(&p.tx, 0, 9, NULL, 0), -EAGAIN);
	CHECK_EQ(lat_ring_consume(&p.rx, b, sizeof(b), &m), 0);
	CHECK_EQ(m.seq, 1);
	CHECK_EQ(lat_ring_publish(&p.tx, 0, 9, NULL, 0), 0);
	for (uint32_t i = 2; i <= 9; i++) {
		CHECK_EQ(lat_ring_consume(&p.rx, b, sizeof(b), &m), 0);
		CHECK_EQ(m.seq, i);
	}
	CHECK_EQ(lat_ring_consume(&p.rx, b, sizeof(b), &m), -ENOMSG);
	pair_fini(&p);
}

TEST(published_before_attach)
{
	struct lat_ring_msg m;
	struct pair p;

	pair_init(&p, 8, 0);
	p.tx.peer_head = NULL;
	for (uint32_t i = 1; i <= 8; i++)
		CHECK_EQ(lat_ring_publish(&p.tx, 0, i, NULL, 0), 0);
	CHECK_EQ(lat_ring_consume(&p.rx, NULL, 0, &m), 0);
	CHECK_EQ(lat_ring_publish(&p.tx, 0, 9, NULL, 0), -EAGAIN);
	CHECK_EQ(lat_ring_tx_attach(&p.tx, p.rx_seg, p.rx_bytes), 0);
	CHECK_EQ(lat_ring_publish(&p.tx, 0, 9, NULL, 0), 0);
	pair_fini(&p);
}

TEST(numbers_wrap)
{
	static const struct {
		const char *why;
		uint32_t start;
	} rows[] = {
		{ "from nothing", 0 },
		{ "from the first", 1 },
		{ "last number at once", UINT32_MAX },
		{ "wraps inside the first lap", UINT32_MAX - 5 },
		{ "number 0 is the last slot of a lap", UINT32_MAX - (SLOTS - 1) },
		{ "wraps after some laps", UINT32_MAX - 5 * SLOTS - 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t seed = 88172645463325252u + i;
		uint32_t sent = 0, taken = 0;
		struct pair p;

		pair_init(&p, SLOTS, rows[i].start);
		while (taken < 500) {
			int rc = rand_next(&seed) % 2 == 0 ? publish_nth(&p.tx, sent) : 1;

			if (rc == 0)
				sent++;
			else if (rc < 0)
				CHECK_EQ_ROW(rows[i].why, rc, -EAGAIN);
			if (rand_next(&seed) % 2 == 0) {
				CHECK_EQ_ROW(rows[i].why, consume_nth(&p.rx, taken),
					     taken < sent ? 0 : -ENOMSG);
				taken += taken < sent;
			}
		}
		pair_fini(&p);
	}
}

static void put32(unsigned char *seg, size_t at, uint32_t v)
{
	memcpy(seg + at, &v, sizeof(v));
}

TEST(segments_are_checked)
{
	static const struct {
		const char *why;
		bool consumer; /* whose segment is bent */
		size_t at;
		uint32_t value;
		size_t cut; /* bytes missing at the end */
		int want;
	} rows[] = {
		{ "as it was", false, 4, SLOTS, 0, 0 },
		{ "the producer is not done", false, 0, 0, 0, -EAGAIN },
		{ "another version", false, 0, UINT32_C(0x4c520002), 0, -EPROTO },
		{ "no slots", false, 4, 0, 0, -EPROTO },
		{ "not a power of two", false, 4, SLOTS - 1, 0, -EPROTO },
		{ "more slots than are mapped", false, 4, SLOTS * 2, 0, -EPROTO },
		{ "more slots than can be", false, 4, UINT32_C(1) << 31, 0, -EPROTO },
		{ "fewer slots are fine", false, 4, SLOTS / 2, 0, 0 },
		{ "a slot is not mapped", false, 4, SLOTS, 1, -EPROTO },
		{ "only a piece of the header", false, 4, SLOTS, 64 + SLOTS * 64 - 8, -EPROTO },
		{ "as it was", true, 4, SLOTS, 0, 0 },
		{ "the consumer is not done", true, 0, 0, 0, -EAGAIN },
		{ "another version", true, 0, UINT32_C(0x4c520002), 0, -EPROTO },
		{ "another geometry", true, 4, SLOTS * 2, 0, -EPROTO },
		{ "cut", true, 4, SLOTS, 1, -EPROTO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pair p;
		int rc;

		pair_init(&p, SLOTS, 0);
		put32(rows[i].consumer ? p.rx_seg : p.tx_seg, rows[i].at, rows[i].value);
		if (rows[i].consumer)
			rc = lat_ring_tx_attach(&p.tx, p.rx_seg, p.rx_bytes - rows[i].cut);
		else
			rc = lat_ring_rx_init(&p.rx, p.rx_seg, p.rx_bytes, p.tx_seg,
					      p.tx_bytes - rows[i].cut);
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		pair_fini(&p);
	}
}

TEST(a_consumer_that_lies)
{
	static const struct {
		const char *why;
		uint32_t start, publish, take, head; /* head: counted from start */
		int want;
	} rows[] = {
		{ "all released", 0, 8, 0, 8, 0 },
		{ "one more than published", 0, 8, 0, 9, -EPROTO },
		{ "released before the start", 0, 8, 0, UINT32_MAX, -EPROTO },
		{ "half the numbers ahead", 0, 8, 0, UINT32_C(1) << 31, -EPROTO },
		{ "nothing released", 0, 8, 0, 0, -EAGAIN },
		{ "took a release back", 0, 8, 4, 3, -EPROTO },
		{ "stays where it was", 0, 8, 4, 4, -EAGAIN },
		{ "all released, wrapped", UINT32_MAX - 3, 8, 0, 8, 0 },
		{ "one more, wrapped", UINT32_MAX - 3, 8, 0, 9, -EPROTO },
		{ "taken back, wrapped", UINT32_MAX - 3, 8, 4, 3, -EPROTO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pair p;
		int rc;

		pair_init(&p, 8, rows[i].start);
		for (uint32_t n = 0; n < rows[i].publish; n++)
			CHECK_EQ(lat_ring_publish(&p.tx, 0, n, NULL, 0), 0);
		put32(p.rx_seg, LAT_CACHELINE, rows[i].start + rows[i].take);
		CHECK_EQ_ROW(rows[i].why, lat_ring_used(&p.tx), rows[i].publish - rows[i].take);
		while (lat_ring_used(&p.tx) < 8)
			CHECK_EQ_ROW(rows[i].why, lat_ring_publish(&p.tx, 0, 0, NULL, 0), 0);
		put32(p.rx_seg, LAT_CACHELINE, rows[i].start + rows[i].head);
		rc = lat_ring_publish(&p.tx, 0, 0, NULL, 0);
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		if (rc == -EPROTO) { /* for good, whatever the consumer says now */
			put32(p.rx_seg, LAT_CACHELINE, rows[i].start + rows[i].publish);
			CHECK_EQ_ROW(rows[i].why, lat_ring_publish(&p.tx, 0, 0, NULL, 0), -EPROTO);
			CHECK_EQ_ROW(rows[i].why, lat_ring_used(&p.tx), 8);
		}
		pair_fini(&p);
	}
}

/* Seen whenever the head is read, also while there is room enough. */
TEST(a_release_taken_back)
{
	struct pair p;

	pair_init(&p, 8, 0);
	for (uint32_t n = 0; n < 6; n++)
		CHECK_EQ(lat_ring_publish(&p.tx, 0, n, NULL, 0), 0);
	put32(p.rx_seg, LAT_CACHELINE, 4);
	CHECK_EQ(lat_ring_used(&p.tx), 2);
	put32(p.rx_seg, LAT_CACHELINE, 3);
	CHECK_EQ(lat_ring_used(&p.tx), 8);
	CHECK_EQ(lat_ring_publish(&p.tx, 0, 6, NULL, 0), -EPROTO);
	pair_fini(&p);
}

TEST(a_producer_that_lies)
{
	static const struct {
		const char *why;
		uint32_t slot; /* of the three of a message of 150 bytes */
		size_t at;
		uint32_t value;
		int want;
	} rows[] = {
		{ "the truth", 0, 0, 1, 0 },
		{ "not published", 0, 0, 0, -ENOMSG },
		{ "last lap's number", 0, 0, 1 - (uint32_t)SLOTS, -ENOMSG },
		{ "the next number", 0, 0, 2, -EPROTO },
		{ "next lap's number", 0, 0, 1 + SLOTS, -EPROTO },
		{ "one byte longer, as many slots", 0, 4, 151, 0 },
		{ "longer: one slot more, which was never published", 0, 4, 48 + 2 * 60 + 1, -EPROTO },
		{ "as long as the ring", 0, 4, LONGEST, -EPROTO },
		{ "longer than the ring", 0, 4, LONGEST + 1, -EPROTO },
		{ "absurdly long", 0, 4, UINT32_MAX, -EPROTO },
		{ "second slot's number is last lap's", 1, 0, 2 - (uint32_t)SLOTS, -EPROTO },
		{ "second slot's number is 0", 1, 0, 0, -EPROTO },
		{ "third slot's number is the second's", 2, 0, 2, -EPROTO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned char buf[LONGEST], data[150] = { 0 };
		struct lat_ring_msg m;
		struct pair p;
		int rc;

		pair_init(&p, SLOTS, 0);
		CHECK_EQ(lat_ring_publish(&p.tx, 0, 1, data, sizeof(data)), 0);
		put32(p.tx_seg, LAT_CACHELINE + rows[i].slot * LAT_RING_SLOT + rows[i].at, rows[i].value);
		rc = lat_ring_consume(&p.rx, buf, sizeof(buf), &m);
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		if (rc == -EPROTO) {
			put32(p.tx_seg, LAT_CACHELINE + LAT_RING_SLOT, 2);
			CHECK_EQ_ROW(rows[i].why, lat_ring_peek(&p.rx, &m), -EPROTO);
			CHECK_EQ_ROW(rows[i].why, lat_ring_consume(&p.rx, buf, sizeof(buf), &m), -EPROTO);
		}
		pair_fini(&p);
	}
}

/*
 * Anything may be written anywhere in the other side's segment: never a byte outside ours (ASan), never out
 * of a lie again.
 */
TEST(scribbled_at_random)
{
	static const uint32_t likely[] = {
		0, 1, 2, 7, 8, 9, 47, 48, 49, 500, LONGEST, LONGEST + 1, UINT32_MAX
	};
	uint64_t seed = 0x9e3779b97f4a7c15u;

	print_message("seed %016" PRIx64 "\n", seed);
	for (uint32_t round = 0; round < 3000; round++) {
		bool producer_lies = rand_next(&seed) % 2 == 0;
		bool tx_dead = false, rx_dead = false;
		struct pair p;

		pair_init(&p, SLOTS, (uint32_t)rand_next(&seed));
		for (uint32_t step = 0; step < 40; step++) {
			uint64_t r = rand_next(&seed);
			size_t cap = (r >> 8) % (LONGEST + 1);
			unsigned char out[LONGEST], *in = malloc(cap + 1);
			struct lat_ring_msg m;
			uint32_t value = r >> 63 ? likely[(r >> 32) % ARRAY_LEN(likely)]
						 : atomic_load_explicit(&p.tx.sent, memory_order_relaxed) +
							   (uint32_t)((r >> 40) % 8) - 4;
			int rc;

			CHECK(in != NULL);
			memset(out, 0x5a, sizeof(out));
			if (r % 4 == 0 && producer_lies)
				put32(p.tx_seg, LAT_CACHELINE + (r >> 20) % (SLOTS * 16) * 4, value);
			else if (r % 4 == 0)
				put32(p.rx_seg, LAT_CACHELINE, value);
			rc = lat_ring_publish(&p.tx, 1, step, out, (uint32_t)((r >> 12) % 300));
			CHECK(rc == 0 || rc == -EAGAIN || (rc == -EPROTO && !producer_lies));
			CHECK(!tx_dead || rc == -EPROTO);
			tx_dead = rc == -EPROTO;
			rc = lat_ring_consume(&p.rx, in, cap, &m);
			/*
			 * A release of what was not taken lets the producer write over it: the consumer's own
			 * doing.
			 */
			CHECK(rc == 0 || rc == -ENOMSG || rc == -EMSGSIZE || rc == -EPROTO);
			CHECK(!rx_dead || rc == -EPROTO);
			CHECK(rc != 0 || m.len <= cap);
			CHECK(rc != -EMSGSIZE || (m.len > cap && m.len <= LONGEST));
			rx_dead = rc == -EPROTO;
			free(in);
		}
		pair_fini(&p);
	}
}

enum { MESSAGES = 40000 };

static void *produce(void *arg)
{
	struct pair *p = arg;

	for (uint32_t n = 0; n < MESSAGES;) {
		int rc = publish_nth(&p->tx, n);

		if (rc == 0)
			n++;
		else if (rc == -EAGAIN)
			sched_yield();
		else
			return (void *)(intptr_t)rc;
	}
	return NULL;
}

TEST(two_threads)
{
	struct pair p;
	pthread_t thread;
	void *verdict;

	pair_init(&p, SLOTS, UINT32_MAX - 1000);
	CHECK_EQ(pthread_create(&thread, NULL, produce, &p), 0);
	for (uint32_t n = 0; n < MESSAGES;) {
		int rc = consume_nth(&p.rx, n);

		if (rc == 0) {
			n++;
			continue;
		}
		CHECK_EQ(rc, -ENOMSG);
		sched_yield();
	}
	CHECK_EQ(pthread_join(thread, &verdict), 0);
	CHECK_EQ((intptr_t)verdict, 0);
	pair_fini(&p);
}

TEST(a_full_slot_is_not_idle_whatever_its_number)
{
	enum { RING_OF = 8 };
	static alignas(64) struct lat_ring_slot slots[RING_OF];
	_Atomic(uint32_t) head = UINT32_MAX - 3;
	struct lat_ring_tx tx;
	struct lat_ring_rx rx;

	lat_ring_tx_over(&tx, slots, RING_OF, UINT32_MAX - 3, &head);
	lat_ring_rx_over(&rx, slots, RING_OF, UINT32_MAX - 3, &head);
	for (uint32_t i = 0; i < 2 * RING_OF; i++) { /* the number 0 among them */
		struct lat_ring_msg m;
		char byte = 0;

		CHECK(lat_ring_idle(&rx));
		CHECK_EQ(lat_ring_publish(&tx, 1, i + 1, "x", 1), 0);
		CHECK(!lat_ring_idle(&rx));
		CHECK_EQ(lat_ring_consume(&rx, &byte, 1, &m), 0);
		CHECK_EQ(byte, 'x');
	}
}

TEST_MAIN

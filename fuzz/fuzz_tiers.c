/*
 * The tiers of one channel whose other end lies: input = how u8, then deeds of both ends, and words written into what the one
 * that lies may write: slots, headers, notes, which extents there are (the producer); heads and the blocks' bits (the consumer).
 *
 * (1) Nothing is read or written but the segments, the extents that were offered and are not let go of, and the caller's buffer, of
 *     which no more than was said.
 * (2) Whatever the producer writes, a reliable channel's messages are received in the order of their numbers, each once; a lossy one's
 *     in rising order.
 * (3) Who saw a lie (-EPROTO) sees nothing else from then on.
 * (4) Whatever the consumer writes, blocks on loan lie apart, inside the region, and stay what they are.
 * (5) Every extent is made and retired once, every offer let go of once.
 * (6) Where nobody lies, everything that was published is received, with the bytes that it had.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "fastpath/tiers.h"

enum {
	L2 = 16,
	L3 = 32,
	SPILL = 8 << 10,
	EXTENTS = 64,
	LOANS = 16,
	TAKEN = 16,
	DEEDS_MAX = 400,
	BUF = SPILL + 64,
	PAGE = 4096,
	PERIOD = 251
};

struct extent {
	unsigned char *mem;
	uint64_t bytes;
	enum lat_tier tier;
	bool offered, made; /* the consumer's end may use it; it is the producer's */
};

static struct {
	struct lat_tiers_mem mem;
	struct lat_tiers_tx tx;
	struct lat_tiers_rx rx;
	struct extent extent[EXTENTS];
	bool bad_producer, bad_consumer, lossy;
	bool tx_poisoned, rx_poisoned;
	uint32_t published, received;
	struct {
		uint32_t block, bytes;
		unsigned char *data; /* NULL: none */
	} loan[LOANS];
	struct {
		uint32_t block;
		bool used;
	} taken[TAKEN];
} t;
static uint32_t lens[DEEDS_MAX + 1]; /* of each number, where nobody lies */
static unsigned char buf[BUF];

/* The bytes of message @seq: a table, from another place on for each. */
static const unsigned char *bytes_of(uint32_t seq)
{
	static unsigned char table[BUF + PERIOD];

	for (size_t i = 0; table[1] == 0 && i < sizeof(table); i++)
		table[i] = (unsigned char)(i * i + i * 7);
	return table + seq % PERIOD;
}

static void *zeroed(size_t bytes)
{
	void *mem = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);

	FUZZ_REQUIRE(mem != NULL);
	memset(mem, 0, bytes);
	return mem;
}

static struct extent *extent_new(enum lat_tier tier, uint64_t bytes)
{
	for (size_t i = 0; i < EXTENTS; i++)
		if (t.extent[i].mem == NULL) {
			t.extent[i] = (struct extent){ .mem = zeroed(bytes), .bytes = bytes, .tier = tier };
			return &t.extent[i];
		}
	return NULL;
}

static struct extent *extent_at(const void *mem)
{
	for (size_t i = 0; i < EXTENTS; i++)
		if (t.extent[i].mem != NULL && t.extent[i].mem == mem)
			return &t.extent[i];
	return NULL;
}

static void extent_free(struct extent *x)
{
	if (x->offered || x->made)
		return;
	free(x->mem);
	*x = (struct extent){ 0 };
}

static int extend(void *user, enum lat_tier tier, uint32_t number, size_t bytes, void **mem)
{
	struct extent *x = extent_new(tier, bytes);

	(void)user;
	if (x == NULL)
		return -ENOMEM;
	x->made = x->offered = true;
	*mem = x->mem;
	FUZZ_REQUIRE(lat_tiers_rx_offer(&t.rx, tier, number, x->mem, bytes) == 0);
	return 0;
}

static void retire(void *user, enum lat_tier tier, void *mem, size_t bytes)
{
	struct extent *x = extent_at(mem);

	(void)user;
	FUZZ_REQUIRE(x != NULL && x->made && x->tier == tier && x->bytes == bytes);
	x->made = false;
	extent_free(x);
}

static void let_go(void *user, const void *mem, uint64_t bytes)
{
	struct extent *x = extent_at(mem);

	(void)user;
	FUZZ_REQUIRE(x != NULL && x->offered && x->bytes == bytes);
	x->offered = false;
	extent_free(x);
}

static const struct lat_tiers_ops ops = { .extend = extend, .retire = retire };

/* ---- the producer's end ---- */

/*
 * Who lied to the other end about what is where reads, or is given back, what comes of it: his own end is no better than the one that
 * is lied to.
 */
static bool somebody_lies(void)
{
	return t.bad_producer || t.bad_consumer;
}

static void tx_said(int rc)
{
	FUZZ_REQUIRE(rc >= 0 || rc == -EAGAIN || rc == -EMSGSIZE || rc == -EPROTO || rc == -ENOMEM);
	FUZZ_REQUIRE(rc != -EPROTO || somebody_lies());
	FUZZ_REQUIRE(rc == -EPROTO || rc == -EMSGSIZE || !t.tx_poisoned);
	t.tx_poisoned = t.tx_poisoned || rc == -EPROTO;
}

static void publish(struct fuzz_input *in)
{
	uint32_t len = (uint32_t)fuzz_take(in, 2) % BUF, seq = t.published + 1;
	int rc;
	rc = lat_tiers_publish(&t.tx, (int32_t)~seq, seq, bytes_of(seq), len);
	tx_said(rc);
	if (rc < 0)
		return;
	t.published = seq;
	lens[seq] = len;
}

static void loan(struct fuzz_input *in)
{
	uint32_t bytes = (uint32_t)fuzz_take(in, 2);
	size_t free_one = 0;
	void *data;
	int block;

	while (free_one < LOANS && t.loan[free_one].data != NULL)
		free_one++;
	if (free_one == LOANS)
		return;
	block = lat_tiers_loan(&t.tx, bytes, &data);
	tx_said(block);
	if (block < 0)
		return;
	FUZZ_REQUIRE(lat_tiers_loaned(&t.tx, (uint32_t)block, data));
	for (size_t i = 0; i < LOANS; i++) {
		const unsigned char *other = t.loan[i].data, *at = data;

		FUZZ_REQUIRE(other == NULL || at >= other + t.loan[i].bytes || other >= at + bytes);
	}
	memset(data, (int)(block + 1), bytes); /* all of it is there */
	t.loan[free_one].data = data;
	t.loan[free_one].bytes = bytes;
	t.loan[free_one].block = (uint32_t)block;
}

static void end_loan(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), which = how % LOANS, seq = t.published + 1;
	unsigned char *data = t.loan[which].data;
	int rc;

	if (data == NULL)
		return;
	if (!t.bad_producer)
		FUZZ_REQUIRE(fuzz_all(data, (int)(t.loan[which].block + 1), t.loan[which].bytes));
	if ((how & 0x80) != 0) {
		lat_tiers_discard(&t.tx, t.loan[which].block);
	} else {
		memcpy(data, bytes_of(seq), t.loan[which].bytes);
		rc = lat_tiers_publish_loan(&t.tx, (int32_t)~seq, seq, t.loan[which].block,
					    t.loan[which].bytes);
		tx_said(rc);
		if (rc < 0) {
			memset(data, (int)(t.loan[which].block + 1), t.loan[which].bytes);
			return;
		}
		t.published = seq;
		lens[seq] = t.loan[which].bytes;
	}
	t.loan[which].data = NULL;
}

/* ---- the consumer's end ---- */

/* A header that was told, or a message that came (@taken). */
static void rx_said(int rc, const struct lat_ring_msg *m, bool taken)
{
	FUZZ_REQUIRE(rc == 0 || rc == -ENOMSG || rc == -EMSGSIZE || rc == -EPROTO || rc == -EOPNOTSUPP);
	FUZZ_REQUIRE(rc == -EPROTO || !t.rx_poisoned);
	FUZZ_REQUIRE(rc != -EPROTO || somebody_lies());
	t.rx_poisoned = rc == -EPROTO;
	if (rc < 0 && rc != -EMSGSIZE)
		return;
	FUZZ_REQUIRE(t.lossy ? (int32_t)(m->seq - t.received) > 0 : m->seq == t.received + 1);
	FUZZ_REQUIRE((m->len & LAT_RING_NOTE) == 0 || somebody_lies());
	if (!somebody_lies())
		FUZZ_REQUIRE(m->seq <= t.published && m->type == (int32_t)~m->seq && m->len == lens[m->seq]);
	if (taken)
		t.received = m->seq;
}

static void check_bytes(const struct lat_ring_msg *m, const unsigned char *data)
{
	bool same = m->len == 0 ||
		    memcmp(data, bytes_of(m->seq), m->len) == 0; /* and all of it may be read */

	FUZZ_REQUIRE(somebody_lies() || same);
}

static void consume(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);
	size_t cap = (how & 3) != 0 ? SPILL : how >> 2;
	struct lat_ring_msg m;
	int rc;

	memset(buf, 0xee, sizeof(buf));
	rc = lat_tiers_consume(&t.rx, buf, cap, &m);
	rx_said(rc, &m, rc == 0);
	FUZZ_REQUIRE(fuzz_all(buf + cap, 0xee, sizeof(buf) - cap));
	if (rc == -EMSGSIZE)
		FUZZ_REQUIRE(m.len > cap);
	if (rc != 0)
		return;
	FUZZ_REQUIRE(m.len <= cap && fuzz_all(buf + m.len, 0xee, cap - m.len));
	check_bytes(&m, buf);
}

static void peek(struct fuzz_input *in)
{
	struct lat_ring_msg m;
	int rc = lat_tiers_peek(&t.rx, &m);

	(void)in;
	rx_said(rc, &m, false);
	FUZZ_REQUIRE(rc == -ENOMSG || !lat_tiers_idle(&t.rx));
}

static void take(struct fuzz_input *in)
{
	struct lat_ring_msg m;
	const struct extent *x;
	const void *data;
	uint32_t block;
	size_t i = 0;
	int rc;

	(void)in;
	while (i < TAKEN && t.taken[i].used)
		i++;
	if (i == TAKEN)
		return;
	rc = lat_tiers_take(&t.rx, &data, &block, &m);
	rx_said(rc, &m, rc == 0);
	if (rc != 0)
		return;
	x = extent_at(t.rx.mem[LAT_TIER_SPILL]);
	FUZZ_REQUIRE(x != NULL && x->offered && x->tier == LAT_TIER_SPILL);
	FUZZ_REQUIRE((const unsigned char *)data >= x->mem &&
		     (uint64_t)((const unsigned char *)data - x->mem) + m.len <= x->bytes);
	check_bytes(&m, data);
	t.taken[i].used = true;
	t.taken[i].block = block;
}

static void release(struct fuzz_input *in)
{
	size_t i = fuzz_take(in, 1) % TAKEN;

	if (!t.taken[i].used)
		return;
	lat_tiers_release(&t.rx, t.taken[i].block);
	t.taken[i].used = false;
}

static void tidy(struct fuzz_input *in)
{
	struct lat_tier_stats s[LAT_TIERS];

	(void)in;
	for (size_t i = 0; i < LOANS; i++)
		if (t.loan[i].data != NULL)
			return;
	lat_tiers_collect(&t.tx);
	(void)lat_tiers_tidy(&t.tx, &t.rx);
	lat_tiers_stats(&t.tx, t.published, s);
	for (size_t i = 0; i < LAT_TIERS; i++)
		FUZZ_REQUIRE(t.bad_producer || s[i].used <= s[i].bytes); /* he lied about his own */
	t.tx_poisoned = t.tx_poisoned || t.tx.poisoned;
	FUZZ_REQUIRE(somebody_lies() || !t.tx.poisoned);
}

/* ---- lies ---- */

/* A number that could be right, or any. */
static uint32_t number(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), by = (how & 7) - 3;

	switch (how >> 3 & 7) {
	case 0:
		return (uint32_t)fuzz_take(in, 4);
	case 1:
		return t.rx.seq + by;
	case 2:
		return t.rx.ring[LAT_TIER_L1].taken + by;
	case 3:
		return atomic_load_explicit(&t.tx.ring[LAT_TIER_L1].sent, memory_order_relaxed) + by;
	case 4:
		return LAT_RING_NOTE | LAT_RING_NOTE_LEN;
	case 5:
		return (SPILL >> (how >> 6 << 1)) + by;
	default:
		return (uint32_t)fuzz_take(in, 1);
	}
}

static void put(void *words, size_t count, struct fuzz_input *in)
{
	_Atomic(uint32_t) *w = words;
	size_t at = fuzz_take(in, 2) % count;

	atomic_store_explicit(&w[at], number(in), memory_order_relaxed);
}

/* The producer's slots, of any ring there is. */
static struct lat_ring_slot *slots(uint32_t which, uint32_t *count, uint32_t *taken)
{
	const struct lat_ring_rx *r = &t.rx.ring[which % LAT_TIER_RINGS];

	if ((t.rx.rings >> which % LAT_TIER_RINGS & 1) == 0)
		r = &t.rx.ring[LAT_TIER_L1];
	*count = r->count;
	*taken = r->taken;
	return (struct lat_ring_slot *)(uintptr_t)r->slots;
}

static void lie_word(struct fuzz_input *in)
{
	uint32_t where = (uint32_t)fuzz_take(in, 1), count, taken;
	struct lat_ring_slot *s;

	if (t.bad_consumer && (!t.bad_producer || (where & 1) != 0)) {
		put(t.mem.back, sizeof(*t.mem.back) / 4, in);
	} else if (t.bad_producer && (where & 2) != 0) {
		put(t.mem.front, sizeof(*t.mem.front) / 4, in);
	} else if (t.bad_producer) {
		s = slots(where >> 2, &count, &taken);
		put(s, (size_t)count * LAT_RING_SLOT / 4, in);
	}
}

/* A message as it should be at the next place, but for what is said in it. */
static void lie_message(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), count, taken, words[4];
	struct lat_ring_slot *s;

	if (!t.bad_producer)
		return;
	s = slots(how & 3, &count, &taken);
	s += taken & (count - 1);
	s->first.len = number(in);
	s->first.msg_seq = number(in);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		words[i] = (how >> 4 >> i & 1) != 0 ? number(in) : i == 0 ? t.rx.made[LAT_TIER_SPILL] : 0;
	memcpy(s->first.data, words, sizeof(words));
	atomic_store_explicit(&s->seq, taken + 1 + ((how & 8) != 0 ? number(in) % 4 : 0),
			      memory_order_release);
}

static void lie_bytes(struct fuzz_input *in)
{
	uint32_t where = (uint32_t)fuzz_take(in, 1), count, taken;
	struct lat_ring_slot *s;
	size_t at;

	if (!t.bad_producer)
		return;
	s = slots(where, &count, &taken);
	at = fuzz_take(in, 2) % (count * LAT_RING_SLOT);
	(void)fuzz_take_bytes(in, (uint8_t *)s + at, fuzz_take(in, 1) % (count * LAT_RING_SLOT - at));
}

/* Memory that the producer says it added. */
static void lie_offer(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), no = (uint32_t)fuzz_take(in, 1);
	enum lat_tier tier = (enum lat_tier)(how % 5);
	uint64_t bytes = (how & 0x80) != 0 ? fuzz_take(in, 8) : (uint64_t)LAT_RING_SLOT << (how >> 3 & 7);
	struct extent *x;

	if (!t.bad_producer)
		return;
	if (!lat_tiers_offer_valid(tier, bytes) || no == 0) {
		FUZZ_REQUIRE(lat_tiers_rx_offer(&t.rx, tier, no, buf, bytes) == -EPROTO);
		return;
	}
	if (bytes > SPILL)
		return;
	x = extent_new(tier, bytes);
	if (x == NULL)
		return;
	x->offered = true;
	FUZZ_REQUIRE(lat_tiers_rx_offer(&t.rx, tier, no, x->mem, bytes) == 0);
	if ((how & 0x40) != 0) { /* and that it is in use */
		atomic_store_explicit(&t.mem.front->made[tier - 1], no, memory_order_relaxed);
		(void)atomic_fetch_add_explicit(&t.mem.front->epoch, 1, memory_order_release);
	}
}

/* ---- life ---- */

static void open_pair(uint32_t how)
{
	static const struct lat_tiers_sizes sizes = { .slots = { 0, L2, L3 }, .spill_bytes = SPILL };

	memset(&t, 0, sizeof(t));
	t.bad_producer = (how & 1) != 0;
	t.bad_consumer = (how & 2) != 0;
	t.lossy = (how & 4) != 0;
	t.mem = (struct lat_tiers_mem){ .front = zeroed(sizeof(*t.mem.front)),
					.l1 = zeroed(LAT_TIERS_L1_SLOTS * LAT_RING_SLOT),
					.back = zeroed(sizeof(*t.mem.back)) };
	lat_tiers_rx_init(&t.rx, &t.mem,
			  &(struct lat_tiers_rx_config){
				  .foreign = (how & 8) != 0, .lossy = t.lossy, .let_go = let_go });
	FUZZ_REQUIRE(lat_tiers_tx_init(&t.tx, &t.mem, &sizes, &ops, NULL) == 0);
}

static void drain(void)
{
	struct lat_ring_msg m;
	int rc;

	while ((rc = lat_tiers_consume(&t.rx, buf, SPILL, &m)) == 0) {
		rx_said(rc, &m, true);
		check_bytes(&m, buf);
	}
	FUZZ_REQUIRE(rc == -ENOMSG && t.received == t.published);
}

static void close_pair(void)
{
	if (!somebody_lies())
		drain();
	for (size_t i = 0; i < TAKEN; i++)
		if (t.taken[i].used)
			lat_tiers_release(&t.rx, t.taken[i].block);
	if (!somebody_lies()) {
		for (size_t i = 0; i < LOANS; i++)
			if (t.loan[i].data != NULL)
				lat_tiers_discard(&t.tx, t.loan[i].block);
		lat_tiers_collect(&t.tx);
		FUZZ_REQUIRE(lat_tiers_drained(&t.tx));
	}
	lat_tiers_reclaim(&t.tx);
	lat_tiers_rx_fini(&t.rx);
	lat_tiers_tx_fini(&t.tx);
	for (size_t i = 0; i < EXTENTS; i++)
		FUZZ_REQUIRE(t.extent[i].mem == NULL);
	free(t.mem.front);
	free(t.mem.l1);
	free(t.mem.back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const deeds[])(struct fuzz_input * in) = {
		publish,  publish, consume,  consume,     peek,      take,      release,  loan,
		end_loan, tidy,    lie_word, lie_message, lie_bytes, lie_offer, lie_word, lie_message,
	};
	struct fuzz_input in = { data, data + size };

	open_pair((uint32_t)fuzz_take(&in, 1));
	for (int i = 0; i < DEEDS_MAX && fuzz_more(&in); i++)
		deeds[fuzz_take(&in, 1) % ARRAY_LEN(deeds)](&in);
	close_pair();
	return 0;
}

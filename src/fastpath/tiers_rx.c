/*
 * Order across the tiers. The producer publishes in the order of the numbers, each message with a release
 * store into the ring that takes it (ring.c, [P]). The consumer that sees number c at a ring's head with
 * acquire therefore sees, when it looks again, every number before c: if none of the heads is the next number
 * then, that number was never published. The same holds for the extents:
 *   [M] made and epoch stored, release (tiers_tx.c) -> [m] loaded, acquire, after a number was found missing
 *   [U] -> [L] of the lock of offers (sync/mutex.h) : where the extent lies
 * An extent that was made but has not been offered to this end yet (it comes over a socket) holds what is
 * missing: that is no gap, but nothing to receive for now. It may be offered at any moment of a look, so what is missing
 * decides nothing before it is known that all was offered, and was looked at after that.
 */
#include <errno.h>
#include <string.h>

#include "fastpath/tiers.h"
#include "os/memfd.h"

/* One writer at a time, so a load and a store do. */
static void count(_Atomic(uint64_t) *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

void lat_tiers_rx_init(struct lat_tiers_rx *rx, const struct lat_tiers_mem *mem,
		       const struct lat_tiers_rx_config *cfg)
{
	*rx = (struct lat_tiers_rx){ .front = mem->front,
				     .back = mem->back,
				     .rings = 1u << LAT_TIER_L1,
				     .at = &rx->ring[LAT_TIER_L1],
				     .foreign = cfg->foreign,
				     .lossy = cfg->lossy,
				     .let_go = cfg->let_go,
				     .user = cfg->user };
	lat_ring_rx_over(&rx->ring[LAT_TIER_L1], mem->l1, lat_tiers_l1_slots(cfg->l1_slots), 0,
			 &mem->back->head[LAT_TIER_L1]);
}

bool lat_tiers_offer_valid(enum lat_tier tier, uint64_t bytes)
{
	if (tier <= LAT_TIER_L1 || tier >= LAT_TIERS)
		return false;
	if (tier == LAT_TIER_SPILL)
		return bytes >= LAT_BLOCK_UNIT && bytes <= LAT_BLOCKS_BYTES_MAX;
	return bytes > 0 && bytes / LAT_RING_SLOT <= LAT_RING_SLOTS_MAX && bytes % LAT_RING_SLOT == 0 &&
	       lat_tiers_slots_valid((uint32_t)(bytes / LAT_RING_SLOT));
}

/* Puts @number (0: none) in the place of the offer there is, which is let go of. */
static void put_offer(struct lat_tiers_rx *rx, enum lat_tier tier, uint32_t number, const void *mem,
		      uint64_t bytes)
{
	const void *old_mem;
	uint64_t old_bytes;
	bool old;

	lat_mutex_lock(&rx->offers);
	old = atomic_load_explicit(&rx->offer[tier].number, memory_order_relaxed) != 0;
	old_mem = rx->offer[tier].mem;
	old_bytes = rx->offer[tier].bytes;
	rx->offer[tier].mem = mem;
	rx->offer[tier].bytes = bytes;
	atomic_store_explicit(&rx->offer[tier].number, number, memory_order_relaxed);
	lat_mutex_unlock(&rx->offers);
	if (old && rx->let_go != NULL)
		rx->let_go(rx->user, old_mem, old_bytes);
}

int lat_tiers_rx_offer(struct lat_tiers_rx *rx, enum lat_tier tier, uint32_t number, const void *mem,
		       uint64_t bytes)
{
	if (number == 0 || !lat_tiers_offer_valid(tier, bytes))
		return -EPROTO;
	put_offer(rx, tier, number, mem, bytes);
	return 0;
}

static void give_up(struct lat_tiers_rx *rx, enum lat_tier tier)
{
	if (rx->made[tier] == 0)
		return;
	rx->rings &= ~(1u << tier);
	rx->at = &rx->ring[LAT_TIER_L1];
	rx->made[tier] = 0;
	if (tier == LAT_TIER_SPILL)
		rx->spill = NULL;
	if (rx->let_go != NULL)
		rx->let_go(rx->user, rx->mem[tier], rx->bytes[tier]);
}

int lat_tiers_rx_forget(struct lat_tiers_rx *rx, enum lat_tier tier)
{
	if (tier == LAT_TIER_SPILL && rx->held != 0)
		return -EBUSY;
	give_up(rx, tier);
	put_offer(rx, tier, 0, NULL, 0);
	return 0;
}

void lat_tiers_rx_fini(struct lat_tiers_rx *rx)
{
	for (enum lat_tier t = LAT_TIER_L2; t < LAT_TIERS; t++) {
		give_up(rx, t);
		put_offer(rx, t, 0, NULL, 0);
	}
}

static int poison_rx(struct lat_tiers_rx *rx)
{
	rx->poisoned = true;
	for (enum lat_tier t = LAT_TIER_L1; t < LAT_TIER_RINGS; t++)
		rx->ring[t].poisoned = true;
	return -EPROTO;
}

/* Takes offer @number, and nothing else. false: it is not there. */
static bool take_offer(struct lat_tiers_rx *rx, enum lat_tier tier, uint32_t number, const void **mem,
		       uint64_t *bytes)
{
	bool there;

	if (atomic_load_explicit(&rx->offer[tier].number, memory_order_relaxed) != number)
		return false;
	lat_mutex_lock(&rx->offers);
	there = atomic_load_explicit(&rx->offer[tier].number, memory_order_relaxed) == number;
	if (there) {
		*mem = rx->offer[tier].mem;
		*bytes = rx->offer[tier].bytes;
		atomic_store_explicit(&rx->offer[tier].number, 0, memory_order_relaxed);
	}
	lat_mutex_unlock(&rx->offers);
	return there;
}

/* Takes extent @number of @tier into use. false: it was not offered yet. */
static bool adopt_one(struct lat_tiers_rx *rx, enum lat_tier tier, uint32_t number)
{
	const void *mem;
	uint64_t bytes;

	if (!take_offer(rx, tier, number, &mem, &bytes))
		return false;
	rx->made[tier] = number;
	rx->mem[tier] = mem;
	rx->bytes[tier] = bytes;
	if (tier == LAT_TIER_SPILL) {
		rx->spill = mem;
		rx->spill_bytes = bytes;
		rx->populated = rx->foreign ? 0 : bytes;
		return true;
	}
	lat_ring_rx_over(&rx->ring[tier], mem, (uint32_t)(bytes / LAT_RING_SLOT), rx->ring[tier].taken,
			 &rx->back->head[tier]);
	rx->rings |= 1u << tier;
	return true;
}

/*
 * Lets go of what the producer says it has given back, and takes into use what it says is made. false: not all
 * of it was offered yet.
 */
static bool adopt(struct lat_tiers_rx *rx)
{
	uint32_t epoch = atomic_load_explicit(&rx->front->epoch, memory_order_acquire); /* [m] */
	bool all = true;

	if (epoch == rx->epoch)
		return true;
	for (enum lat_tier t = LAT_TIER_L2; t < LAT_TIERS; t++) {
		uint32_t made = atomic_load_explicit(&rx->front->made[t - 1], memory_order_acquire); /* [m] */

		if (made == rx->made[t])
			continue;
		if (t == LAT_TIER_SPILL && rx->held != 0) {
			(void)poison_rx(rx); /* it cannot be given back: we hold blocks of it */
			return true;
		}
		give_up(rx, t);
		if (made != 0 && !adopt_one(rx, t, made))
			all = false;
	}
	if (all)
		rx->epoch = epoch;
	return all;
}

/* The ring with the least number at its head, and *m that message's header; -ENOMSG, -EPROTO. */
static int least(struct lat_tiers_rx *rx, struct lat_ring_msg *m)
{
	int found = -ENOMSG;

	for (enum lat_tier t = LAT_TIER_L1; t < LAT_TIER_RINGS; t++) {
		struct lat_ring_msg head;
		int rc;

		if ((rx->rings & 1u << t) == 0)
			continue;
		rc = lat_ring_peek(&rx->ring[t], &head);
		if (rc == -EPROTO)
			return poison_rx(rx);
		if (rc < 0 || (found >= 0 && (int32_t)(head.seq - m->seq) >= 0))
			continue;
		found = (int)t;
		*m = head;
	}
	return found;
}

/* The ring that holds the next message. */
static int find(struct lat_tiers_rx *rx, struct lat_ring_msg *m)
{
	int32_t ahead;
	bool all;
	int t;

	(void)adopt(rx);
	t = least(rx, m);
	if (t < 0 || m->seq == rx->seq + 1)
		return t;
	all = adopt(rx);
	t = least(rx, m);
	if (t < 0 || m->seq == rx->seq + 1)
		return t;
	ahead = (int32_t)(m->seq - rx->seq);
	if (ahead > 0 && !all)
		return -ENOMSG;
	return ahead > 0 && rx->lossy ? t : poison_rx(rx);
}

static bool spill_is(const struct lat_tiers_rx *rx, uint32_t extent)
{
	return rx->spill != NULL && rx->made[LAT_TIER_SPILL] == extent;
}

/* Checks a note and makes sure of what it points at. 0, -ENOMSG (the region has not come), -EPROTO. */
static int note_check(struct lat_tiers_rx *rx, const struct lat_tiers_note *n)
{
	uint64_t from = (uint64_t)n->at * LAT_BLOCK_UNIT, end = from + n->len;

	if (!spill_is(rx, n->extent)) {
		bool all = adopt(rx);

		if (!spill_is(rx, n->extent))
			return all ? poison_rx(rx) : -ENOMSG;
	}
	if (n->block >= LAT_BLOCKS_MAX || end > rx->spill_bytes)
		return poison_rx(rx);
	if (end > rx->populated) {
		if (lat_memfd_populate(rx->spill + rx->populated, (size_t)(end - rx->populated)) < 0)
			return poison_rx(rx);
		rx->populated = end;
	}
	return 0;
}

/* The ring of the next message; m->len its length in bytes; *n, when *noted, where they are. */
static int next(struct lat_tiers_rx *rx, struct lat_ring_msg *m, struct lat_tiers_note *n)
{
	int t = rx->poisoned ? -EPROTO : find(rx, m), rc;

	if (t < 0 || (m->len & LAT_RING_NOTE) == 0)
		return t;
	if (lat_ring_copy(&rx->ring[t], m, n) < 0)
		return poison_rx(rx);
	rc = note_check(rx, n);
	return rc < 0 ? rc : t;
}

/* What the caller is told of a message; the ring's own header has the length of the note. */
static struct lat_ring_msg told(const struct lat_ring_msg *m, const struct lat_tiers_note *n)
{
	struct lat_ring_msg out = *m;

	if ((m->len & LAT_RING_NOTE) != 0)
		out.len = n->len;
	return out;
}

int lat_tiers_peek(struct lat_tiers_rx *rx, struct lat_ring_msg *msg)
{
	struct lat_ring_msg m;
	struct lat_tiers_note n;
	int t = next(rx, &m, &n);

	if (t < 0)
		return t;
	*msg = told(&m, &n);
	return 0;
}

static void taken(struct lat_tiers_rx *rx, int t, const struct lat_ring_msg *m)
{
	count(&rx->gaps, m->seq - rx->seq - 1);
	rx->seq = m->seq;
	rx->at = &rx->ring[t];
	lat_ring_release(&rx->ring[t], m);
}

static int consume_far(struct lat_tiers_rx *rx, void *buf, size_t cap, struct lat_ring_msg *msg)
{
	struct lat_ring_msg m;
	struct lat_tiers_note n;
	int t = next(rx, &m, &n);

	if (t < 0)
		return t;
	*msg = told(&m, &n);
	if (msg->len > cap)
		return -EMSGSIZE;
	if ((m.len & LAT_RING_NOTE) == 0) {
		if (lat_ring_copy(&rx->ring[t], &m, buf) < 0)
			return poison_rx(rx);
	} else {
		if (n.len > 0)
			memcpy(buf, rx->spill + (uint64_t)n.at * LAT_BLOCK_UNIT, n.len);
		lat_blocks_release(rx->back->released, n.block);
	}
	taken(rx, t, &m);
	return 0;
}

int lat_tiers_consume(struct lat_tiers_rx *rx, void *buf, size_t cap, struct lat_ring_msg *msg)
{
	struct lat_ring_rx *ring = rx->at;
	struct lat_ring_msg m;

	/* The usual case: the next message is where the last one was. Anything else is sorted out further on. */
	if (rx->poisoned || lat_ring_peek(ring, &m) < 0 || m.seq != rx->seq + 1 || m.len > cap ||
	    (m.len & LAT_RING_NOTE) != 0)
		return consume_far(rx, buf, cap, msg);
	if (lat_ring_copy(ring, &m, buf) < 0)
		return poison_rx(rx);
	lat_ring_release(ring, &m);
	rx->seq = m.seq;
	*msg = m;
	return 0;
}

int lat_tiers_take(struct lat_tiers_rx *rx, const void **data, uint32_t *block, struct lat_ring_msg *msg)
{
	struct lat_ring_msg m;
	struct lat_tiers_note n;
	int t = next(rx, &m, &n);

	if (t < 0)
		return t;
	if ((m.len & LAT_RING_NOTE) == 0)
		return -EOPNOTSUPP;
	rx->held++;
	*msg = told(&m, &n);
	*data = rx->spill + (uint64_t)n.at * LAT_BLOCK_UNIT;
	*block = n.block;
	taken(rx, t, &m);
	return 0;
}

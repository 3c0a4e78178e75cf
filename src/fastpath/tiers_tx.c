/*
 * Publishing: the nearest tier that fits and has room. The numbers' order and the extents' are the consumer's
 * to keep (tiers_rx.c); what it relies on:
 *   [P] the message, release, in the order of the numbers (ring.c)
 *   [M] made and epoch stored, release, before anything is published in the extent
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fastpath/tiers_fast.h"

enum {
	COMMIT_STEP = 1 << 20,
	L1_PAUSE = 16, /* messages that go to L2 at once after L1 was found full */
};

static_assert(sizeof(struct lat_tiers_note) == LAT_RING_NOTE_LEN, "a note is what the ring takes for one");
static_assert(sizeof(struct lat_tiers_back) == LAT_CACHELINE, "one line comes back");

bool lat_tiers_slots_valid(uint32_t slots)
{
	return slots == 0 ||
	       (slots >= LAT_RING_SLOTS_MIN && slots <= LAT_RING_SLOTS_MAX && (slots & (slots - 1)) == 0);
}

/* An eighth of it, so that a few fit. */
static uint32_t ring_len(uint32_t slots)
{
	return slots == 0 ? 0 : lat_ring_len_max(slots / 8);
}

/* By itself it takes what it can hold. */
static uint32_t l1_len(const struct lat_tiers_sizes *sizes)
{
	uint32_t most = lat_ring_len_max(lat_tiers_l1_slots(sizes->slots[LAT_TIER_L1]));

	if (sizes->slots[LAT_TIER_L2] == 0 && sizes->slots[LAT_TIER_L3] == 0 && sizes->spill_bytes == 0)
		return most;
	return most < LAT_TIERS_L1_LEN ? most : LAT_TIERS_L1_LEN;
}

uint64_t lat_tiers_len_max(const struct lat_tiers_sizes *sizes)
{
	uint64_t most = l1_len(sizes);

	for (enum lat_tier t = LAT_TIER_L2; t < LAT_TIER_RINGS; t++)
		if (ring_len(sizes->slots[t]) > most)
			most = ring_len(sizes->slots[t]);
	return sizes->spill_bytes > most ? sizes->spill_bytes : most;
}

int lat_tiers_tx_init(struct lat_tiers_tx *tx, const struct lat_tiers_mem *mem,
		      const struct lat_tiers_sizes *sizes, const struct lat_tiers_ops *ops, void *user)
{
	if (!lat_tiers_slots_valid(sizes->slots[LAT_TIER_L1]) ||
	    !lat_tiers_slots_valid(sizes->slots[LAT_TIER_L2]) ||
	    !lat_tiers_slots_valid(sizes->slots[LAT_TIER_L3]) || sizes->spill_bytes > LAT_BLOCKS_BYTES_MAX ||
	    sizes->spill_bytes % LAT_BLOCK_UNIT != 0)
		return -EINVAL;
	*tx = (struct lat_tiers_tx){
		.front = mem->front, .back = mem->back, .sizes = *sizes, .ops = ops, .user = user
	};
	lat_ring_tx_over(&tx->ring[LAT_TIER_L1], mem->l1, lat_tiers_l1_slots(sizes->slots[LAT_TIER_L1]), 0,
			 &mem->back->head[LAT_TIER_L1]);
	tx->ring_len[LAT_TIER_L1] = l1_len(sizes);
	for (enum lat_tier t = LAT_TIER_L2; t < LAT_TIER_RINGS; t++)
		tx->ring_len[t] = ring_len(sizes->slots[t]);
	tx->len_max = lat_tiers_len_max(sizes);
	return 0;
}

static size_t extent_bytes(const struct lat_tiers_tx *tx, enum lat_tier tier)
{
	return tier == LAT_TIER_SPILL ? (size_t)tx->sizes.spill_bytes
				      : (size_t)tx->sizes.slots[tier] * LAT_RING_SLOT;
}

static void retire(struct lat_tiers_tx *tx, enum lat_tier tier)
{
	uint32_t epoch = atomic_load_explicit(&tx->front->epoch, memory_order_relaxed) + 1;
	void *mem = tx->mem[tier];

	if (mem == NULL)
		return;
	atomic_store_explicit(&tx->front->made[tier - 1], 0, memory_order_release);
	atomic_store_explicit(&tx->front->epoch, epoch, memory_order_release);
	tx->mem[tier] = NULL;
	if (tier == LAT_TIER_SPILL) {
		free(tx->blocks);
		tx->blocks = NULL;
		tx->committed = 0;
	}
	tx->ops->retire(tx->user, tier, mem, extent_bytes(tx, tier));
}

void lat_tiers_tx_fini(struct lat_tiers_tx *tx)
{
	for (enum lat_tier t = LAT_TIER_L2; t < LAT_TIERS; t++)
		retire(tx, t);
}

static int poison_tx(struct lat_tiers_tx *tx)
{
	tx->poisoned = true;
	for (enum lat_tier t = LAT_TIER_L1; t < LAT_TIER_RINGS; t++)
		lat_ring_tx_poison(&tx->ring[t]);
	return -EPROTO;
}

/* Makes the tier's extent, unless it is there. 0, or what extend says. */
static int extend(struct lat_tiers_tx *tx, enum lat_tier tier)
{
	uint32_t number = tx->number[tier] + 1 != 0 ? tx->number[tier] + 1 : 1;
	uint32_t epoch = atomic_load_explicit(&tx->front->epoch, memory_order_relaxed) + 1;
	struct lat_blocks *blocks = NULL;
	void *mem;
	int rc;

	if (tx->mem[tier] != NULL)
		return 0;
	if (tier == LAT_TIER_SPILL) {
		blocks = malloc(sizeof(*blocks));
		if (blocks == NULL)
			return -ENOMEM;
		rc = lat_blocks_init(blocks, tx->sizes.spill_bytes, tx->back->released);
		LAT_ASSERT(rc == 0);
	}
	rc = tx->ops->extend(tx->user, tier, number, extent_bytes(tx, tier), &mem);
	if (rc < 0) {
		free(blocks);
		return rc;
	}
	if (tier == LAT_TIER_SPILL)
		tx->blocks = blocks;
	else /* numbers of slots go on where the extent before ended: the consumer's head is there */
		lat_ring_tx_over(&tx->ring[tier], mem, tx->sizes.slots[tier],
				 atomic_load_explicit(&tx->ring[tier].sent, memory_order_relaxed),
				 &tx->back->head[tier]);
	tx->mem[tier] = mem;
	tx->number[tier] = number;
	atomic_store_explicit(&tx->front->made[tier - 1], number, memory_order_release); /* [M] */
	atomic_store_explicit(&tx->front->epoch, epoch, memory_order_release);           /* [M] */
	return 0;
}

/* There is no memory: that will pass when something is taken, unless there is nothing to take. */
static int no_memory(struct lat_tiers_tx *tx, int rc)
{
	return rc != -EAGAIN && lat_tiers_drained(tx) ? rc : -EAGAIN;
}

static void blocks_changed(struct lat_tiers_tx *tx)
{
	atomic_store_explicit(&tx->block_units, tx->blocks->units_used, memory_order_relaxed);
}

static int collect(struct lat_tiers_tx *tx)
{
	if (tx->blocks == NULL || tx->blocks->count == 0)
		return 0;
	if (lat_blocks_collect(tx->blocks, tx->back->released) < 0)
		return poison_tx(tx);
	blocks_changed(tx);
	return 0;
}

/* Room for a note in the nearest ring that has some. 0, -EAGAIN, -EPROTO. */
static int publish_note(struct lat_tiers_tx *tx, int32_t type, uint32_t seq, uint32_t block, uint32_t len)
{
	const struct lat_tiers_note n = {
		.extent = tx->number[LAT_TIER_SPILL],
		.block = block,
		.at = (uint32_t)(lat_blocks_at(tx->blocks, block) / LAT_BLOCK_UNIT),
		.len = len,
	};
	int rc = -EAGAIN;

	for (enum lat_tier t = LAT_TIER_L1; t < LAT_TIER_RINGS && rc == -EAGAIN; t++) {
		if (t != LAT_TIER_L1 && (tx->sizes.slots[t] == 0 || extend(tx, t) < 0))
			continue;
		rc = lat_ring_publish(&tx->ring[t], type, seq, &n, LAT_RING_NOTE | LAT_RING_NOTE_LEN);
	}
	if (rc == -EPROTO)
		return poison_tx(tx);
	if (rc == 0) {
		lat_blocks_out(tx->blocks, block);
		lat_tiers_published(tx);
	}
	return rc;
}

int lat_tiers_loan(struct lat_tiers_tx *tx, uint64_t bytes, void **data)
{
	size_t end;
	int block, rc;

	if (tx->poisoned)
		return -EPROTO;
	if (tx->sizes.spill_bytes == 0)
		return -EOPNOTSUPP;
	if (bytes > tx->sizes.spill_bytes)
		return -EMSGSIZE;
	rc = extend(tx, LAT_TIER_SPILL);
	if (rc < 0)
		return no_memory(tx, rc);
	block = lat_blocks_alloc(tx->blocks, bytes);
	if (block == -EAGAIN) {
		if (collect(tx) < 0)
			return -EPROTO;
		block = lat_blocks_alloc(tx->blocks, bytes);
	}
	if (block < 0)
		return block;
	end = (size_t)tx->blocks->top * LAT_BLOCK_UNIT;
	if (end > tx->committed) {
		end = (end + COMMIT_STEP - 1) / COMMIT_STEP * COMMIT_STEP;
		if (end > tx->sizes.spill_bytes)
			end = (size_t)tx->sizes.spill_bytes;
		rc = tx->ops->commit != NULL ? tx->ops->commit(tx->user, tx->mem[LAT_TIER_SPILL], end) : 0;
		if (rc < 0) {
			lat_blocks_free(tx->blocks, (uint32_t)block);
			lat_blocks_let_warm_go(
				tx->blocks); /* what is warm is lent without a look at its memory */
			return no_memory(tx, rc);
		}
		tx->committed = end;
	}
	blocks_changed(tx);
	*data = (unsigned char *)tx->mem[LAT_TIER_SPILL] + lat_blocks_at(tx->blocks, (uint32_t)block);
	return block;
}

int lat_tiers_spill_size(struct lat_tiers_tx *tx, uint64_t bytes)
{
	if (bytes < LAT_BLOCK_UNIT || bytes > LAT_BLOCKS_BYTES_MAX || bytes % LAT_BLOCK_UNIT != 0)
		return -EINVAL;
	if (tx->mem[LAT_TIER_SPILL] != NULL)
		return -EBUSY;
	tx->sizes.spill_bytes = bytes;
	tx->len_max = lat_tiers_len_max(&tx->sizes);
	return 0;
}

int lat_tiers_publish_loan(struct lat_tiers_tx *tx, int32_t type, uint32_t seq, uint32_t block, uint32_t len)
{
	int rc;

	if (tx->poisoned)
		return -EPROTO;
	LAT_ASSERT(lat_blocks_held(tx->blocks, block) && len <= lat_blocks_bytes(tx->blocks, block));
	rc = publish_note(tx, type, seq, block, len);
	if (rc == 0)
		lat_tiers_count(&tx->hits[LAT_TIER_SPILL], 1);
	return rc;
}

void lat_tiers_discard(struct lat_tiers_tx *tx, uint32_t block)
{
	lat_blocks_free(tx->blocks, block);
	blocks_changed(tx);
}

/* Into a block, with a note of it. */
static int publish_block(struct lat_tiers_tx *tx, int32_t type, uint32_t seq, const void *data, uint32_t len)
{
	void *block_data;
	int block = lat_tiers_loan(tx, len, &block_data), rc;

	if (block < 0)
		return block;
	if (len > 0)
		memcpy(block_data, data, len);
	rc = publish_note(tx, type, seq, (uint32_t)block, len);
	if (rc < 0)
		lat_tiers_discard(tx, (uint32_t)block);
	return rc;
}

/* Into L2 or L3: as publish_block(), and which it was in *t, or LAT_TIER_SPILL. *full: those that it fits, without room. */
static int publish_ring(struct lat_tiers_tx *tx, int32_t type, uint32_t seq, const void *data, uint32_t len,
			bool full[LAT_TIERS], enum lat_tier *t)
{
	int rc = -EAGAIN, why = 0;

	for (*t = LAT_TIER_L2; *t < LAT_TIER_RINGS; ++*t) {
		if (tx->sizes.slots[*t] == 0 || len > tx->ring_len[*t])
			continue;
		why = extend(tx, *t);
		rc = why < 0 ? -EAGAIN : lat_ring_publish(&tx->ring[*t], type, seq, data, len);
		if (rc == -EPROTO)
			return poison_tx(tx);
		if (rc == 0)
			return 0;
		full[*t] = true;
	}
	return why < 0 ? no_memory(tx, why) : -EAGAIN;
}

/*
 * L1 has no room, or the message does not fit it. What fits L1 goes to the bigger rings and, if they are full, to a
 * block; what does not is copied faster into a block than into slots, and a note of it fits L1.
 */
static int publish_far(struct lat_tiers_tx *tx, int32_t type, uint32_t seq, const void *data, uint32_t len)
{
	bool fits = len <= tx->ring_len[LAT_TIER_L1], full[LAT_TIERS] = { fits };
	enum lat_tier t = LAT_TIER_SPILL;
	int rc = -EAGAIN, block = -EAGAIN;

	if (len > tx->len_max)
		return -EMSGSIZE;
	if (!fits && tx->sizes.spill_bytes > 0)
		rc = block = publish_block(tx, type, seq, data, len);
	if (rc < 0 && rc != -EPROTO)
		rc = publish_ring(tx, type, seq, data, len, full, &t);
	if (fits && rc < 0 && rc != -EPROTO && tx->sizes.spill_bytes > 0)
		rc = block = publish_block(tx, type, seq, data, len);
	if (rc < 0)
		return rc == -EAGAIN ? block : rc;
	lat_tiers_count(&tx->hits[t], 1);
	for (enum lat_tier i = LAT_TIER_L1; i < t; i++)
		if (full[i])
			lat_tiers_count(&tx->spills[i], 1);
	return 0;
}

static int publish_l1(struct lat_tiers_tx *tx, int32_t type, uint32_t seq, const void *data, uint32_t len)
{
	int rc = lat_ring_publish(&tx->ring[LAT_TIER_L1], type, seq, data, len);

	return rc == -EPROTO ? poison_tx(tx) : rc;
}

int lat_tiers_publish(struct lat_tiers_tx *tx, int32_t type, uint32_t seq, const void *data, uint32_t len)
{
	bool fits = len <= tx->ring_len[LAT_TIER_L1];
	int rc;

	if (fits && tx->l1_pause == 0) {
		rc = publish_l1(tx, type, seq, data, len);
		if (rc != -EAGAIN)
			return rc;
		/* The head is in a line that the consumer writes: not to be looked at for every message. */
		if (tx->mem[LAT_TIER_L2] != NULL)
			tx->l1_pause = L1_PAUSE;
	}
	if (tx->poisoned)
		return -EPROTO;
	rc = publish_far(tx, type, seq, data, len);
	if (tx->l1_pause == 0)
		return rc;
	tx->l1_pause--;
	return fits && rc == -EAGAIN ? publish_l1(tx, type, seq, data, len) : rc;
}

static bool tier_drained(struct lat_tiers_tx *tx, enum lat_tier tier)
{
	if (tier != LAT_TIER_SPILL)
		return lat_ring_used(&tx->ring[tier]) == 0;
	return tx->blocks->count == 0;
}

bool lat_tiers_drained(struct lat_tiers_tx *tx)
{
	for (enum lat_tier t = LAT_TIER_L1; t < LAT_TIERS; t++)
		if ((t == LAT_TIER_L1 || tx->mem[t] != NULL) && !tier_drained(tx, t))
			return false;
	return true;
}

bool lat_tiers_tidy(struct lat_tiers_tx *tx, struct lat_tiers_rx *forget)
{
	bool any = false;

	if (collect(tx) < 0)
		return false;
	for (enum lat_tier t = LAT_TIER_L3; t < LAT_TIERS; t++) {
		if (tx->mem[t] == NULL || !tier_drained(tx, t) ||
		    (t == LAT_TIER_SPILL && tx->committed <= LAT_TIERS_KEEP_BYTES) ||
		    (forget != NULL && lat_tiers_rx_forget(forget, t) < 0))
			continue;
		retire(tx, t);
		any = true;
	}
	return any;
}

void lat_tiers_collect(struct lat_tiers_tx *tx)
{
	(void)collect(tx); /* a lie is told to the next send */
}

void lat_tiers_reclaim(struct lat_tiers_tx *tx)
{
	if (tx->blocks == NULL)
		return;
	lat_blocks_reclaim(tx->blocks);
	blocks_changed(tx);
}

/* What may be bigger than it can be for a moment, because its two words are read one after the other. */
static uint64_t ring_used(const struct lat_tiers_tx *tx, enum lat_tier t, uint32_t slots)
{
	uint32_t head = atomic_load_explicit(&tx->back->head[t], memory_order_acquire);
	uint32_t used = atomic_load_explicit(&tx->ring[t].sent, memory_order_relaxed) - head;

	return (uint64_t)LAT_RING_SLOT * (used < slots ? used : slots);
}

void lat_tiers_stats(const struct lat_tiers_tx *tx, uint64_t messages, struct lat_tier_stats out[LAT_TIERS])
{
	for (enum lat_tier t = LAT_TIER_L1; t < LAT_TIERS; t++) {
		struct lat_tier_stats *s = &out[t];

		*s = (struct lat_tier_stats){
			.hits = atomic_load_explicit(&tx->hits[t], memory_order_relaxed),
			.spills = atomic_load_explicit(&tx->spills[t], memory_order_relaxed),
		};
		messages -= s->hits;
		if (t == LAT_TIER_L1)
			s->bytes = lat_tiers_l1_slots(tx->sizes.slots[t]) * LAT_RING_SLOT;
		else if (atomic_load_explicit(&tx->front->made[t - 1], memory_order_acquire) != 0)
			s->bytes = extent_bytes(tx, t);
		if (t == LAT_TIER_SPILL)
			s->used = (uint64_t)LAT_BLOCK_UNIT *
				  atomic_load_explicit(&tx->block_units, memory_order_relaxed);
		else
			s->used = ring_used(tx, t, (uint32_t)(s->bytes / LAT_RING_SLOT));
	}
	out[LAT_TIER_L1].hits = messages;
}

/*
 * The tiers' usual cases, inline: the next message lies whole where the last one did, or in a block; a block is lent that came back last,
 * and there is room for a note of it.
 */
#ifndef LAT_FASTPATH_TIERS_FAST_H
#define LAT_FASTPATH_TIERS_FAST_H

#include "fastpath/ring_fast.h"
#include "fastpath/tiers.h"

/*
 * As lat_tiers_consume() of message @seq, which is the next, where that comes to 0; in at most two slots, if it has to be @shorter. false:
 * nothing was done.
 */
LAT_FAST_INLINE bool lat_tiers_consume_near(struct lat_tiers_rx *rx, uint32_t seq, void *buf, size_t cap,
					    bool shorter, struct lat_ring_msg *msg)
{
	if (!lat_ring_consume_near(rx->at, seq, shorter ? LAT_RING_TWO_DATA : LAT_TIERS_L1_LEN, buf, cap,
				   msg))
		return false;
	rx->seq = seq;
	return true;
}

/* As lat_tiers_take() of message @seq, which is the next, where that comes to 0. false: nothing was done. */
LAT_FAST_INLINE bool lat_tiers_take_near(struct lat_tiers_rx *rx, uint32_t seq, const void **data,
					 uint32_t *block, struct lat_ring_msg *msg)
{
	struct lat_tiers_note n;
	uint32_t words[LAT_RING_NOTE_LEN / 4];
	int32_t type;

	if (!lat_ring_note_near(rx->at, seq, &type, words))
		return false;
	n = (struct lat_tiers_note){ .extent = words[0], .block = words[1], .at = words[2], .len = words[3] };
	if (rx->spill == NULL || n.extent != rx->made[LAT_TIER_SPILL] || n.block >= LAT_BLOCKS_MAX ||
	    (uint64_t)n.at * LAT_BLOCK_UNIT + n.len > rx->populated)
		return false;
	lat_ring_note_taken(rx->at);
	rx->seq = seq;
	rx->held++;
	*data = rx->spill + (uint64_t)n.at * LAT_BLOCK_UNIT;
	*block = n.block;
	*msg = (struct lat_ring_msg){ .type = type, .seq = seq, .len = n.len };
	return true;
}

/* One writer at a time, so a load and a store do. */
LAT_FAST_INLINE void lat_tiers_count(_Atomic(uint64_t) *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* As lat_tiers_loan(), where that comes to a number at once. false: nothing was done. */
LAT_FAST_INLINE bool lat_tiers_loan_near(struct lat_tiers_tx *tx, uint64_t bytes, void **data,
					 uint32_t *block)
{
	struct lat_blocks *b = tx->blocks;

	if (b == NULL || tx->poisoned || !lat_blocks_alloc_warm(b, bytes, block))
		return false;
	atomic_store_explicit(&tx->block_units, b->units_used, memory_order_relaxed);
	*data = (unsigned char *)tx->mem[LAT_TIER_SPILL] + lat_blocks_at(b, *block);
	return true;
}

enum {
	LAT_TIERS_COLLECT_COUNT =
		64, /* blocks out before their bits are looked at, a line that the consumer writes */
	LAT_TIERS_COLLECT_UNITS = (256 << 10) / LAT_BLOCK_UNIT, /* or so much in them, */
	LAT_TIERS_COLLECT_LEAST = 4,                            /* but not for fewer blocks */
};

/* After a block was published: while its note is on the way, there is time to look what has come back. */
LAT_FAST_INLINE void lat_tiers_published(struct lat_tiers_tx *tx)
{
	const struct lat_blocks *b = tx->blocks;

	if (b->count >= LAT_TIERS_COLLECT_LEAST &&
	    (b->units_used >= LAT_TIERS_COLLECT_UNITS || b->count >= LAT_TIERS_COLLECT_COUNT))
		lat_tiers_collect(tx);
}

/*
 * As lat_tiers_publish_loan() of a loan that lies at @data, where that comes to 0 and L1 has room; lat_tiers_published() is to follow. false:
 * nothing was done.
 */
LAT_FAST_INLINE bool lat_tiers_publish_loan_near(struct lat_tiers_tx *tx, int32_t type, uint32_t seq,
						 uint32_t block, const void *data, uint32_t len)
{
	uint32_t note[LAT_RING_NOTE_LEN / 4]; /* as struct lat_tiers_note */

	if (tx->poisoned || !lat_tiers_loaned(tx, block, data))
		return false;
	note[0] = tx->number[LAT_TIER_SPILL];
	note[1] = block;
	note[2] = tx->blocks->block[block].at;
	note[3] = len;
	if (!lat_ring_publish_note(&tx->ring[LAT_TIER_L1], type, seq, note))
		return false;
	lat_blocks_out(tx->blocks, block);
	lat_tiers_count(&tx->hits[LAT_TIER_SPILL], 1);
	return true;
}

#endif

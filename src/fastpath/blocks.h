/*
 * The blocks of a spill region, as the producer sees them: memory of any size, given out at the lowest
 * address that fits, so that what is in use stays together and in the cache. Blocks that came back are warm: they keep their place, and
 * the last of them is the next one given out, if it has the right size. Everything in here is the producer's own; nothing of it
 * lies in the region or can be reached by the consumer.
 *
 * A block that was published comes back when the consumer turns its bit: one bit a block, in the consumer's
 * memory. A bit that turns though its block is not out is a lie (-EPROTO).
 *
 * One thread at a time, except where it says otherwise.
 */
#ifndef LAT_FASTPATH_BLOCKS_H
#define LAT_FASTPATH_BLOCKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum {
	LAT_BLOCKS_MAX = 256, /* of one channel, at a time */
	LAT_BLOCKS_WORDS = LAT_BLOCKS_MAX / 64,
	LAT_BLOCKS_WARM = 64, /* at most */
	LAT_BLOCK_UNIT = 64,  /* bytes: what sizes are rounded up to, and blocks aligned to */
};

/* The longest region, so that units count in 32 bits with room to spare. */
#define LAT_BLOCKS_BYTES_MAX (UINT64_C(1) << 32)

enum lat_block_state { LAT_BLOCK_FREE, LAT_BLOCK_HELD, LAT_BLOCK_OUT, LAT_BLOCK_WARM };

struct lat_blocks {
	uint32_t units; /* of the region */
	uint32_t top;   /* units up to the end of the highest block in use, or warm */
	uint16_t first; /* of these, lowest address; LAT_BLOCKS_MAX: none */
	uint16_t count; /* in use */
	uint32_t units_used;
	uint32_t warm_count;
	uint16_t warm[LAT_BLOCKS_WARM];  /* the last one came back last */
	uint64_t seen[LAT_BLOCKS_WORDS]; /* the consumer's bits as they were */
	uint64_t free[LAT_BLOCKS_WORDS]; /* bit: an entry that is neither in use nor warm */
	struct lat_block {
		uint32_t at, units;
		uint16_t next, prev; /* in use or warm, by address; LAT_BLOCKS_MAX: none */
		uint8_t state;
	} block[LAT_BLOCKS_MAX];
};

/* For a region of @bytes (rounded down to units); @bits as the consumer's are now. 0, -EINVAL (too long, or none). */
LAT_MUST_CHECK int lat_blocks_init(struct lat_blocks *b, uint64_t bytes, const _Atomic(uint64_t) *bits);

/*
 * A block of @bytes: its number, held by the caller. -EAGAIN (none free now), -EMSGSIZE (longer than the region).
 * 0 bytes are a block as well.
 */
LAT_MUST_CHECK int lat_blocks_alloc(struct lat_blocks *b, uint64_t bytes);

/* As lat_blocks_alloc(), where the last one that came back is as long. false: it is not, and nothing is done. */
static inline bool lat_blocks_alloc_warm(struct lat_blocks *b, uint64_t bytes, uint32_t *number)
{
	uint32_t last = b->warm_count - 1;
	struct lat_block *block;

	if (b->warm_count == 0)
		return false;
	*number = b->warm[last];
	block = &b->block[*number];
	if (block->units != (bytes + LAT_BLOCK_UNIT - 1) / LAT_BLOCK_UNIT)
		return false;
	b->warm_count = last;
	block->state = LAT_BLOCK_HELD;
	b->count++;
	b->units_used += block->units;
	return true;
}

/* Where a block in use lies, in bytes from the region's beginning, and how long it is (rounded up). */
static inline uint64_t lat_blocks_at(const struct lat_blocks *b, uint32_t number)
{
	return (uint64_t)b->block[number].at * LAT_BLOCK_UNIT;
}

static inline uint64_t lat_blocks_bytes(const struct lat_blocks *b, uint32_t number)
{
	return (uint64_t)b->block[number].units * LAT_BLOCK_UNIT;
}

/* Whether @number is a block that the caller holds. */
static inline bool lat_blocks_held(const struct lat_blocks *b, uint32_t number)
{
	return number < LAT_BLOCKS_MAX && b->block[number].state == LAT_BLOCK_HELD;
}

/* From now on it is the consumer's, until its bit turns. It is held. */
static inline void lat_blocks_out(struct lat_blocks *b, uint32_t number)
{
	LAT_ASSERT(lat_blocks_held(b, number));
	b->block[number].state = LAT_BLOCK_OUT;
}

/* Those that are warm are free as the others are. */
void lat_blocks_let_warm_go(struct lat_blocks *b);

/* A held block is free again. */
void lat_blocks_free(struct lat_blocks *b, uint32_t number);

/* Takes back what the consumer has let go of. How many, or -EPROTO. */
LAT_MUST_CHECK int lat_blocks_collect(struct lat_blocks *b, const _Atomic(uint64_t) *bits);

/* The consumer is dead and reads no more: what it had is free. */
void lat_blocks_reclaim(struct lat_blocks *b);

/* Consumer's side: lets go of block @number, once a block. One thread at a time. Bits are the consumer's. */
static inline void lat_blocks_release(_Atomic(uint64_t) *bits, uint32_t number)
{
	_Atomic(uint64_t) *word = &bits[number / 64];
	uint64_t now = atomic_load_explicit(word, memory_order_relaxed);

	atomic_store_explicit(word, now ^ UINT64_C(1) << (number % 64), memory_order_release); /* [B] */
}

#endif

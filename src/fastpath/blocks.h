/*
 * The blocks of a spill region, as the producer sees them: memory of any size, given out at the lowest
 * address that fits, so that what is in use stays together and in the cache. Everything in here is the
 * producer's own; nothing of it lies in the region or can be reached by the consumer.
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
	LAT_BLOCK_UNIT = 64, /* bytes: what sizes are rounded up to, and blocks aligned to */
};

/* The longest region, so that units count in 32 bits with room to spare. */
#define LAT_BLOCKS_BYTES_MAX (UINT64_C(1) << 32)

enum lat_block_state { LAT_BLOCK_FREE, LAT_BLOCK_HELD, LAT_BLOCK_OUT };

struct lat_blocks {
	uint32_t units; /* of the region */
	uint32_t top;   /* units up to the end of the highest block in use */
	uint16_t first; /* in use, lowest address; LAT_BLOCKS_MAX: none */
	uint16_t count; /* in use */
	uint32_t units_used;
	uint64_t seen[LAT_BLOCKS_WORDS]; /* the consumer's bits as they were */
	uint64_t free[LAT_BLOCKS_WORDS]; /* bit: an entry that is not in use */
	struct lat_block {
		uint32_t at, units;
		uint16_t next, prev; /* in use, by address; LAT_BLOCKS_MAX: none */
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

/* Where a block in use lies, in bytes from the region's beginning, and how long it is (rounded up). */
uint64_t lat_blocks_at(const struct lat_blocks *b, uint32_t number);
uint64_t lat_blocks_bytes(const struct lat_blocks *b, uint32_t number);

/* Whether @number is a block that the caller holds. */
bool lat_blocks_held(const struct lat_blocks *b, uint32_t number);

/* From now on it is the consumer's, until its bit turns. It is held. */
void lat_blocks_out(struct lat_blocks *b, uint32_t number);

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

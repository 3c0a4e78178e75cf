/*
 * The blocks in use and the warm ones form a list by address, and what lies between two of them is free: so there is nothing to
 * merge. It has at most LAT_BLOCKS_MAX members, which bounds the search. Warm ones are let go before there is one.
 *   [B] bit turned, release -> [b] bits loaded, acquire : the block may be written again
 */
#include <errno.h>

#include "fastpath/blocks.h"

enum { NONE = LAT_BLOCKS_MAX };

int lat_blocks_init(struct lat_blocks *b, uint64_t bytes, const _Atomic(uint64_t) *bits)
{
	if (bytes < LAT_BLOCK_UNIT || bytes > LAT_BLOCKS_BYTES_MAX)
		return -EINVAL;
	*b = (struct lat_blocks){ .units = (uint32_t)(bytes / LAT_BLOCK_UNIT), .first = NONE };
	for (size_t i = 0; i < LAT_BLOCKS_WORDS; i++) {
		b->seen[i] = atomic_load_explicit(&bits[i], memory_order_acquire);
		b->free[i] = UINT64_MAX;
	}
	return 0;
}

static uint16_t entry_find(const struct lat_blocks *b)
{
	for (uint16_t i = 0; i < LAT_BLOCKS_WORDS; i++)
		if (b->free[i] != 0)
			return (uint16_t)(i * 64 + __builtin_ctzll(b->free[i]));
	return NONE;
}

/* Out of the list, and its entry is free. */
static void unlink_block(struct lat_blocks *b, uint32_t number)
{
	struct lat_block *gone = &b->block[number];

	if (gone->prev == NONE)
		b->first = gone->next;
	else
		b->block[gone->prev].next = gone->next;
	if (gone->next != NONE)
		b->block[gone->next].prev = gone->prev;
	else
		b->top = gone->prev == NONE ? 0 : b->block[gone->prev].at + b->block[gone->prev].units;
	gone->state = LAT_BLOCK_FREE;
	b->free[number / 64] |= UINT64_C(1) << (number % 64);
}

/* It is not in use any more. */
static void give_back(struct lat_blocks *b, uint32_t number)
{
	struct lat_block *block = &b->block[number];

	b->count--;
	b->units_used -= block->units;
	if (b->warm_count == LAT_BLOCKS_WARM) {
		unlink_block(b, number);
		return;
	}
	block->state = LAT_BLOCK_WARM;
	b->warm[b->warm_count++] = (uint16_t)number;
}

void lat_blocks_let_warm_go(struct lat_blocks *b)
{
	while (b->warm_count > 0)
		unlink_block(b, b->warm[--b->warm_count]);
}

int lat_blocks_alloc(struct lat_blocks *b, uint64_t bytes)
{
	uint16_t number, before = NONE, after;
	uint32_t units, warm, at = 0;

	if (bytes > (uint64_t)b->units * LAT_BLOCK_UNIT)
		return -EMSGSIZE;
	if (lat_blocks_alloc_warm(b, bytes, &warm))
		return (int)warm;
	lat_blocks_let_warm_go(b);
	after = b->first;
	units = bytes == 0 ? 1 : (uint32_t)((bytes + LAT_BLOCK_UNIT - 1) / LAT_BLOCK_UNIT);
	number = entry_find(b);
	if (number == NONE)
		return -EAGAIN;
	while (after != NONE && b->block[after].at - at < units) {
		at = b->block[after].at + b->block[after].units;
		before = after;
		after = b->block[after].next;
	}
	if (after == NONE && b->units - at < units)
		return -EAGAIN;
	b->block[number] = (struct lat_block){
		.at = at, .units = units, .next = after, .prev = before, .state = LAT_BLOCK_HELD
	};
	b->free[number / 64] &= ~(UINT64_C(1) << (number % 64));
	if (before == NONE)
		b->first = number;
	else
		b->block[before].next = number;
	if (after != NONE)
		b->block[after].prev = number;
	b->count++;
	if (after == NONE)
		b->top = at + units;
	b->units_used += units;
	return number;
}

void lat_blocks_free(struct lat_blocks *b, uint32_t number)
{
	LAT_ASSERT(lat_blocks_held(b, number));
	give_back(b, number);
}

int lat_blocks_collect(struct lat_blocks *b, const _Atomic(uint64_t) *bits)
{
	int back = 0;

	for (uint32_t i = 0; i < LAT_BLOCKS_WORDS; i++) {
		uint64_t now = atomic_load_explicit(&bits[i], memory_order_acquire); /* [b] */

		for (uint64_t turned = now ^ b->seen[i]; turned != 0; turned &= turned - 1) {
			uint32_t number = i * 64 + (uint32_t)__builtin_ctzll(turned);

			if (b->block[number].state != LAT_BLOCK_OUT)
				return -EPROTO;
			give_back(b, number);
			back++;
		}
		b->seen[i] = now;
	}
	return back;
}

void lat_blocks_reclaim(struct lat_blocks *b)
{
	for (uint32_t i = 0; i < LAT_BLOCKS_MAX; i++)
		if (b->block[i].state == LAT_BLOCK_OUT)
			give_back(b, i);
}

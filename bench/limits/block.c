/*
 * What no copy costs, and what a copy does. A block of 1 MiB lies in shared memory; its descriptor (24 bytes: where, how long, a
 * mark) goes there and that of another block comes back, by a line each way, both sides polling. The writer of a block writes
 * its first and last word, the reader reads them: as much as a program touches at least.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "limits/limits.h"

enum { BLOCK = 1 << 20 };

struct descriptor {
	alignas(64) _Atomic(uint32_t) seq;
	uint32_t mark;
	uint64_t offset, len;
};

struct blocks {
	struct descriptor there, back;
	alignas(64) uint32_t near, far;
	alignas(64) unsigned char memory[2 * BLOCK];
};

static void put(struct descriptor *d, struct blocks *b, size_t at, uint32_t seq)
{
	memcpy(b->memory + at, &seq, sizeof(seq));
	memcpy(b->memory + at + BLOCK - sizeof(seq), &seq, sizeof(seq));
	d->offset = at;
	d->len = BLOCK;
	d->mark = seq;
	atomic_store_explicit(&d->seq, seq, memory_order_release);
}

static int get(struct descriptor *d, const struct blocks *b, uint32_t seq)
{
	uint32_t first, last;

	while (atomic_load_explicit(&d->seq, memory_order_acquire) != seq)
		bench_pause();
	if (d->offset > sizeof(b->memory) - BLOCK || d->len != BLOCK)
		return -EPROTO;
	memcpy(&first, b->memory + d->offset, sizeof(first));
	memcpy(&last, b->memory + d->offset + BLOCK - sizeof(last), sizeof(last));
	return first == seq && last == seq ? 0 : -EPROTO;
}

static int block_near(struct bench_side *side, uint64_t n)
{
	struct blocks *b = side->shared;
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		b->near++;
		put(&b->there, b, 0, b->near);
		rc = get(&b->back, b, b->near);
	}
	return rc;
}

static int block_far(struct bench_side *side, uint64_t n)
{
	struct blocks *b = side->shared;
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		b->far++;
		rc = get(&b->there, b, b->far);
		put(&b->back, b, BLOCK, b->far);
	}
	return rc;
}

const struct bench_subject limit_block = {
	.name = "block",
	.what = "1 MiB by descriptor, not copied, two processes",
	.limit = "line",
	.kind = BENCH_TRIP,
	.with = BENCH_PROCESS,
	.place = BENCH_APART,
	.group = 32,
	.shared_bytes = sizeof(struct blocks),
	.near = block_near,
	.far = block_far,
};

/* ---- memcpy ---- */

static int memcpy_enter(struct bench_side *side)
{
	side->own = aligned_alloc(4096, (size_t)2 * BLOCK);
	if (side->own == NULL)
		return -ENOMEM;
	memset(side->own, 1, (size_t)2 * BLOCK);
	return 0;
}

static int memcpy_near(struct bench_side *side, uint64_t n)
{
	unsigned char *memory = side->own;

	for (; n > 0; n--) {
		memcpy(memory + BLOCK, memory, BLOCK);
		__asm__ volatile("" : : "r"(memory) : "memory");
	}
	return 0;
}

static void memcpy_leave(struct bench_side *side)
{
	free(side->own);
}

const struct bench_subject limit_memcpy = {
	.name = "memcpy",
	.what = "1 MiB copied once, one core",
	.kind = BENCH_TRIP,
	.with = BENCH_ALONE,
	.place = BENCH_APART,
	.enter = memcpy_enter,
	.near = memcpy_near,
	.leave = memcpy_leave,
};

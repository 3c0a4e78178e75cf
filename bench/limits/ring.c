/*
 * One way as fast as it goes, one writer and one reader in two processes, both polling. The ring is deep, and a reader that
 * finds it empty looks again only after a while: a line that both are at moves twice, and lines that lie ready are fetched ahead.
 *   ring48, ring64  a slot holds the sequence and the message; the reader gives slots back in batches
 *   ring64-index    the slots hold nothing but messages, and the writer tells how far it is every 16: a message may wait for
 *                   those after it, so no channel may work like this, but it is what two cores can move
 *
 *   [P] seq or index store, release -> [C] its load, acquire : the bytes
 *   [c] head store, release         -> [p] its load, acquire : the slot may be written again
 */
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/clock.h"
#include "limits/limits.h"

enum { SLOTS = 16384, BACK = 1024, BATCH = 16, MOST = 64, STRIDE48 = 64, STRIDE64 = 80, PAUSES = 64 };

struct ring {
	alignas(64) _Atomic(uint32_t) head;  /* the reader's */
	alignas(64) _Atomic(uint32_t) index; /* the writer's */
	alignas(64) uint32_t sent;           /* each side's, kept between slices */
	alignas(64) uint32_t taken;
	alignas(64) unsigned char slots[SLOTS * STRIDE64];
};

#define INLINE static inline __attribute__((always_inline))

static void await_room(const struct ring *r, uint32_t sent, uint32_t *head)
{
	while (sent - *head >= SLOTS) {
		*head = atomic_load_explicit(&r->head, memory_order_acquire); /* [p] */
		if (sent - *head >= SLOTS)
			bench_pause();
	}
}

static void wait_a_while(void)
{
	for (int i = 0; i < PAUSES; i++)
		bench_pause();
}

/* Keeps the compiler from leaving a copy out. */
INLINE void use(const void *bytes)
{
	__asm__ volatile("" : : "r"(bytes) : "memory");
}

INLINE int send_seq(struct ring *r, uint64_t n, size_t bytes, size_t stride)
{
	unsigned char from[MOST] = { 1 };
	uint32_t sent = r->sent, head = sent - SLOTS;

	for (; n > 0; n--) {
		unsigned char *slot = r->slots + (size_t)(sent % SLOTS) * stride;

		if (sent - head >= SLOTS)
			await_room(r, sent, &head);
		use(from);
		memcpy(slot + 8, from, bytes);
		atomic_store_explicit((_Atomic(uint32_t) *)(void *)slot, ++sent,
				      memory_order_release); /* [P] */
	}
	r->sent = sent;
	return 0;
}

INLINE int take_seq(struct ring *r, uint64_t n, size_t bytes, size_t stride)
{
	unsigned char into[MOST];
	uint32_t taken = r->taken;

	for (; n > 0; n--) {
		unsigned char *slot = r->slots + (size_t)(taken % SLOTS) * stride;

		while (atomic_load_explicit((_Atomic(uint32_t) *)(void *)slot, memory_order_acquire) !=
		       taken + 1) /* [C] */
			wait_a_while();
		memcpy(into, slot + 8, bytes);
		use(into);
		if (++taken % BACK == 0 || n == 1)
			atomic_store_explicit(&r->head, taken, memory_order_release); /* [c] */
	}
	r->taken = taken;
	return 0;
}

static int send48(struct bench_side *side, uint64_t n)
{
	return send_seq(side->shared, n, 48, STRIDE48);
}

static int take48(struct bench_side *side, uint64_t n)
{
	return take_seq(side->shared, n, 48, STRIDE48);
}

static int send64(struct bench_side *side, uint64_t n)
{
	return send_seq(side->shared, n, 64, STRIDE64);
}

static int take64(struct bench_side *side, uint64_t n)
{
	return take_seq(side->shared, n, 64, STRIDE64);
}

static int send64_index(struct bench_side *side, uint64_t n)
{
	struct ring *r = side->shared;
	unsigned char from[MOST] = { 1 };
	uint32_t sent = r->sent, head = sent - SLOTS;

	for (; n > 0; n--) {
		if (sent - head >= SLOTS)
			await_room(r, sent, &head);
		use(from);
		memcpy(r->slots + (size_t)(sent % SLOTS) * 64, from, 64);
		if (++sent % BATCH == 0 || n == 1)
			atomic_store_explicit(&r->index, sent, memory_order_release); /* [P] */
	}
	r->sent = sent;
	return 0;
}

static int take64_index(struct bench_side *side, uint64_t n)
{
	struct ring *r = side->shared;
	unsigned char into[MOST];
	uint32_t taken = r->taken, index = taken;

	for (; n > 0; n--) {
		while (index == taken) {
			index = atomic_load_explicit(&r->index, memory_order_acquire); /* [C] */
			if (index == taken)
				wait_a_while();
		}
		memcpy(into, r->slots + (size_t)(taken % SLOTS) * 64, 64);
		use(into);
		if (++taken % BACK == 0 || n == 1)
			atomic_store_explicit(&r->head, taken, memory_order_release); /* [c] */
	}
	r->taken = taken;
	return 0;
}

#define RING(name_, what_, near_, far_)                                                                   \
	{                                                                                                 \
		.name = (name_), .what = (what_), .kind = BENCH_RATE, .with = BENCH_PROCESS,              \
		.place = BENCH_APART, .shared_bytes = sizeof(struct ring), .near = (near_), .far = (far_) \
	}

const struct bench_subject limit_ring48 = RING("ring48", "own ring, 48 B, sequence in the slot", send48,
					       take48);
const struct bench_subject limit_ring64 = RING("ring64", "own ring, 64 B, sequence in the slot", send64,
					       take64);
const struct bench_subject limit_ring64_index = RING("ring64-index", "64 B, index told every 16 messages",
						     send64_index, take64_index);

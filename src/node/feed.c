/*
 * A ring with one writer and one reader. The message is published after its entry, so that who has taken the message sees the entry; an
 * entry whose message was not sent is never looked for, and is written again.
 */
#include "node/feed.h"

bool lat_feed_put(struct lat_feed *f, uint64_t seq, uint64_t call)
{
	uint32_t tail = atomic_load_explicit(&f->tail, memory_order_relaxed);

	if (tail - atomic_load_explicit(&f->head, memory_order_acquire) == LAT_FEED_CALLS)
		return false;
	atomic_store_explicit(&f->at[tail % LAT_FEED_CALLS].call, call, memory_order_relaxed);
	atomic_store_explicit(&f->at[tail % LAT_FEED_CALLS].seq, seq, memory_order_relaxed);
	atomic_store_explicit(&f->tail, tail + 1, memory_order_relaxed);
	atomic_store_explicit(&f->asks, 1, memory_order_relaxed);
	return true;
}

void lat_feed_undo(struct lat_feed *f)
{
	uint32_t tail = atomic_load_explicit(&f->tail, memory_order_relaxed) - 1;

	atomic_store_explicit(&f->at[tail % LAT_FEED_CALLS].seq, 0, memory_order_relaxed);
	atomic_store_explicit(&f->tail, tail, memory_order_relaxed);
}

uint64_t lat_feed_taken(void *feed, uint64_t seq)
{
	struct lat_feed *f = feed;
	uint32_t head = atomic_load_explicit(&f->head, memory_order_relaxed);
	uint64_t call;

	if (atomic_load_explicit(&f->at[head % LAT_FEED_CALLS].seq, memory_order_relaxed) != seq)
		return 0;
	call = atomic_load_explicit(&f->at[head % LAT_FEED_CALLS].call, memory_order_relaxed);
	atomic_store_explicit(&f->head, head + 1, memory_order_release);
	return LAT_FEED_TOKEN | (uint64_t)f->handle << LAT_FEED_CALL_BITS |
	       (call & ((UINT64_C(1) << LAT_FEED_CALL_BITS) - 1));
}

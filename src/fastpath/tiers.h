/*
 * The buffers of one channel, nearest first: L1, a ring of 64 one-line slots; L2 and L3, bigger rings, made
 * at first need and given back after a burst; and the spill region, where a message of any size lies in a
 * block while a note of it travels in a ring. A message goes into the nearest that fits it and has room. Each
 * carries its number, and the consumer takes the least one first, so order does not depend on the tier.
 *
 *   producer's memory   front: which extents are made   |  L1: slot 1 | ... | slot 64
 *                       extents: L2's slots, L3's slots, the spill region, one each, at first need
 *   consumer's memory   back: heads of the rings, bits of the blocks
 *
 * The same code serves one process and two that distrust each other: then front, L1 and back lie in the two
 * segments, an extent is a memfd, and what the other side writes is loaded once and checked. A lie poisons
 * the end that saw it, for good (-EPROTO).
 */
#ifndef LAT_FASTPATH_TIERS_H
#define LAT_FASTPATH_TIERS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/blocks.h"
#include "fastpath/ring.h"
#include "sync/mutex.h"

enum lat_tier {
	LAT_TIER_L1,
	LAT_TIER_L2,
	LAT_TIER_L3,
	LAT_TIER_SPILL,
	LAT_TIERS,
	LAT_TIER_RINGS = LAT_TIER_SPILL, /* the first of them are rings */
};

enum {
	LAT_TIERS_KEEP_BYTES = 4 << 20, /* of the spill region: what a channel keeps, once it has it */
	LAT_TIERS_L1_SLOTS = 64,
	LAT_TIERS_L1_LEN = LAT_RING_FIRST_DATA +
			   4 * LAT_RING_NEXT_DATA, /* longest message in L1, where there is more: 5 slots */
};

/* The producer writes, rarely. Zeroed. */
struct lat_tiers_front {
	_Atomic(uint32_t) epoch; /* changes with made */
	_Atomic(uint32_t)
		made[LAT_TIERS - 1]; /* of L2, L3, spill: number of the extent in use, from 1; 0 none */
};

/* The consumer writes. Zeroed, cache-line aligned. */
struct lat_tiers_back {
	alignas(LAT_CACHELINE) _Atomic(uint32_t) head[LAT_TIER_RINGS];
	_Atomic(uint64_t) released[LAT_BLOCKS_WORDS];
};

/* What travels in a ring for a message that lies in a block. The consumer believes none of it. */
struct lat_tiers_note {
	uint32_t extent;
	uint32_t block;
	uint32_t at; /* units from the region's beginning */
	uint32_t len;
};

/* How big the tiers get. An extent's bytes are what ops->extend() is asked for. */
struct lat_tiers_sizes {
	/* A power of two. 0: L1 has LAT_TIERS_L1_SLOTS, L2 and L3 are not there. */
	uint32_t slots[LAT_TIER_RINGS];
	uint64_t spill_bytes; /* 0: no blocks */
};

/* What the producer's end asks of its owner, on the producer's thread. */
struct lat_tiers_ops {
	/*
	 * Makes @bytes of zeroed memory, page aligned, and sees to it that the consumer's end is offered it as
	 * extent @number of @tier (lat_tiers_rx_offer()), now or later. 0 and *mem, -EAGAIN (not now), -ENOMEM and
	 * the like (not now either).
	 */
	int (*extend)(void *user, enum lat_tier tier, uint32_t number, size_t bytes, void **mem);
	/*
	 * The first @bytes of the spill region are about to be written: 0, or the memory is not there. NULL: they
	 * are there.
	 */
	int (*commit)(void *user, void *mem, size_t bytes);
	/* The producer has let go of @mem, and everything in it was taken. */
	void (*retire)(void *user, enum lat_tier tier, void *mem, size_t bytes);
};

/* Live. */
struct lat_tier_stats {
	uint64_t hits;   /* messages that it took */
	uint64_t spills; /* messages that it would have taken, had it had room, and that went further on */
	uint64_t used, bytes; /* occupied now; its size now, 0 while it is not made */
};

struct lat_tiers_tx {
	struct lat_ring_tx ring[LAT_TIER_RINGS];
	struct lat_tiers_front *front;
	const struct lat_tiers_back *back;
	const struct lat_tiers_ops *ops;
	void *user;
	struct lat_tiers_sizes sizes;
	void *mem[LAT_TIERS];
	uint32_t number[LAT_TIERS];        /* of the last extent made */
	uint32_t ring_len[LAT_TIER_RINGS]; /* longest message in each */
	uint64_t len_max;                  /* longest message */
	uint32_t l1_pause;                 /* how many messages more do not look whether L1 has room */
	struct lat_blocks *blocks;         /* with the spill region */
	size_t committed;
	bool poisoned;
	_Atomic(uint32_t) block_units;                        /* in use */
	_Atomic(uint64_t) hits[LAT_TIERS], spills[LAT_TIERS]; /* hits of L1 are the rest of all messages */
};

struct lat_tiers_rx {
	struct lat_ring_rx ring[LAT_TIER_RINGS];
	const struct lat_tiers_front *front;
	struct lat_tiers_back *back;
	uint32_t seq;   /* of the last message taken */
	uint32_t epoch; /* of front, when everything in it was adopted */
	uint32_t rings; /* bit t: ring t is there */
	struct lat_ring_rx
		*at; /* the ring that the last message came from: there the next one is looked for first */
	uint32_t made[LAT_TIERS]; /* number of the extent in use, 0 none */
	const void *mem[LAT_TIERS];
	uint64_t bytes[LAT_TIERS];
	const unsigned char *spill;
	uint64_t spill_bytes, populated;
	void (*let_go)(void *user, const void *mem, uint64_t bytes);
	void *user;
	bool foreign, lossy, poisoned;
	uint32_t held;          /* blocks taken in place and not released */
	_Atomic(uint64_t) gaps; /* lossy: numbers that never came */
	struct lat_mutex offers;
	struct {
		_Atomic(uint32_t)
			number; /* 0: taken into use, or none. Under the lock, but for a look whether it is the one */
		const void *mem;
		uint64_t bytes;
	} offer[LAT_TIERS];
};

/* Where the two ends meet. Which of it is read-only depends on the side. */
struct lat_tiers_mem {
	struct lat_tiers_front *front;
	struct lat_ring_slot *l1; /* zeroed */
	struct lat_tiers_back *back;
};

/* 0, or -EINVAL: sizes that cannot be. */
LAT_MUST_CHECK int lat_tiers_tx_init(struct lat_tiers_tx *tx, const struct lat_tiers_mem *mem,
				     const struct lat_tiers_sizes *sizes, const struct lat_tiers_ops *ops,
				     void *user);

/* Retires all extents. Nothing of the consumer's is looked at. */
void lat_tiers_tx_fini(struct lat_tiers_tx *tx);

/* Whether a tier can have so many slots; 0 is none. */
bool lat_tiers_slots_valid(uint32_t slots);

/* How many L1 has. */
static inline uint32_t lat_tiers_l1_slots(uint32_t slots)
{
	return slots != 0 ? slots : LAT_TIERS_L1_SLOTS;
}

/* The longest message that these sizes carry. */
uint64_t lat_tiers_len_max(const struct lat_tiers_sizes *sizes);

/* What of the consumer's end is not the producer's to say. */
struct lat_tiers_rx_config {
	bool foreign; /* another process's memory: pages that it says are there are made sure of before they are read */
	uint32_t l1_slots; /* 0: LAT_TIERS_L1_SLOTS */
	bool lossy;        /* numbers may be skipped: counted; otherwise that is a lie */
	/* An extent that was offered is not needed any more: on the consumer's thread, or by fini. NULL: nobody is told. */
	void (*let_go)(void *user, const void *mem, uint64_t bytes);
	void *user;
};

void lat_tiers_rx_init(struct lat_tiers_rx *rx, const struct lat_tiers_mem *mem,
		       const struct lat_tiers_rx_config *cfg);

/* Lets go of all extents. Nobody is at work in @rx, nor holds a block. */
void lat_tiers_rx_fini(struct lat_tiers_rx *rx);

/*
 * Publishes one message whole, or nothing. @seq is its number: one more than the last one's (more, on a lossy
 * channel). One thread at a time. Never blocks, but may make memory.
 * 0, or
 *   -EAGAIN    no room now, or no memory now
 *   -EMSGSIZE  longer than the sizes allow
 *   -EPROTO    the consumer lied
 *   -ENOMEM and the like, from extend: nothing is there to be taken, so it would not help to wait
 */
LAT_MUST_CHECK int lat_tiers_publish(struct lat_tiers_tx *tx, int32_t type, uint32_t seq, const void *data,
				     uint32_t len);

/*
 * A block to write a message into: its number, and *data. It stays the caller's until it is published or given back.
 * Errors as above, or -EOPNOTSUPP (no spill region).
 */
LAT_MUST_CHECK int lat_tiers_loan(struct lat_tiers_tx *tx, uint64_t bytes, void **data);

/* Whether @block is on loan, and @data where it lies. */
static inline bool lat_tiers_loaned(const struct lat_tiers_tx *tx, uint32_t block, const void *data)
{
	return tx->blocks != NULL && lat_blocks_held(tx->blocks, block) &&
	       (const unsigned char *)tx->mem[LAT_TIER_SPILL] + lat_blocks_at(tx->blocks, block) == data;
}

/* Publishes a loan of which @len bytes were written. 0, -EAGAIN (no room for its note; it stays the caller's), -EPROTO. */
LAT_MUST_CHECK int lat_tiers_publish_loan(struct lat_tiers_tx *tx, int32_t type, uint32_t seq, uint32_t block,
					  uint32_t len);
void lat_tiers_discard(struct lat_tiers_tx *tx, uint32_t block);

/* What the spill region is from its next making on. 0, -EBUSY (it is made), -EINVAL (no size for one). */
LAT_MUST_CHECK int lat_tiers_spill_size(struct lat_tiers_tx *tx, uint64_t bytes);

/* Everything that was published was taken, and every block is back (the consumer's word for it). */
bool lat_tiers_drained(struct lat_tiers_tx *tx);

/*
 * Gives back L3, and the spill region when it has grown over LAT_TIERS_KEEP_BYTES, if they hold nothing. The consumer's end must not be at work in them: in one process it
 * is told lat_tiers_rx_forget() by whoever keeps both ends still; between two each unmaps its own.
 * @forget, if not NULL, is that end. true: something was given back.
 */
bool lat_tiers_tidy(struct lat_tiers_tx *tx, struct lat_tiers_rx *forget);

/* The consumer's end has seen memory that lat_tiers_tidy() may give back. */
static inline bool lat_tiers_untidy(const struct lat_tiers_rx *rx)
{
	return rx->made[LAT_TIER_L3] != 0 || rx->made[LAT_TIER_SPILL] != 0;
}

/* Takes blocks back that the consumer has let go of, as publishing does from time to time, and a loan that finds none free. */
void lat_tiers_collect(struct lat_tiers_tx *tx);

/* The consumer is dead: what it had is free. */
void lat_tiers_reclaim(struct lat_tiers_tx *tx);

/* @messages: how many were published. Any thread. */
void lat_tiers_stats(const struct lat_tiers_tx *tx, uint64_t messages, struct lat_tier_stats out[LAT_TIERS]);

/* Whether an extent of @tier can have that size: to be asked before its pages are. */
bool lat_tiers_offer_valid(enum lat_tier tier, uint64_t bytes);

/*
 * Offers the consumer's end the producer's extent @number of @tier, mapped at @mem. Any thread. It is taken into use when the
 * producer says so, and stays until the producer says otherwise, or lat_tiers_rx_forget(). One that was offered before and not taken into
 * use is let go of: the producer has given it back, with nothing in it. 0, or -EPROTO: no such tier, or a size that is none.
 */
LAT_MUST_CHECK int lat_tiers_rx_offer(struct lat_tiers_rx *rx, enum lat_tier tier, uint32_t number,
				      const void *mem, uint64_t bytes);

/*
 * Lets go of what @tier has, so that it may be unmapped. No other thread is at work in @rx. 0 (also when there was
 * nothing), or -EBUSY: blocks of it were taken in place and are not released; nothing is done.
 */
LAT_MUST_CHECK int lat_tiers_rx_forget(struct lat_tiers_rx *rx, enum lat_tier tier);

/* Nothing is published, as far as a few loads tell; false: look. For who looks again at once. */
static inline bool lat_tiers_idle(const struct lat_tiers_rx *rx)
{
	for (uint32_t t = LAT_TIER_L1; rx->rings >> t != 0; t++)
		if ((rx->rings >> t & 1) != 0 && !lat_ring_idle(&rx->ring[t]))
			return false;
	return !rx->poisoned && atomic_load_explicit(&rx->front->epoch, memory_order_relaxed) == rx->epoch;
}

/*
 * The next message's header, without taking it. One thread at a time. Never blocks.
 * 0, -ENOMSG (nothing, or its extent has not come), -EPROTO (the producer lied).
 */
LAT_MUST_CHECK int lat_tiers_peek(struct lat_tiers_rx *rx, struct lat_ring_msg *msg);

/*
 * Takes the next message: its bytes into @buf (@cap bytes), each read once. One thread at a time. Never blocks.
 * 0, or
 *   -ENOMSG    as above
 *   -EMSGSIZE  it is longer than @cap; *msg is filled in, the message stays
 *   -EPROTO    the producer lied; what is in @buf means nothing
 */
LAT_MUST_CHECK int lat_tiers_consume(struct lat_tiers_rx *rx, void *buf, size_t cap,
				     struct lat_ring_msg *msg);

/*
 * Takes the next message where it lies, if that is a block: *data stays readable until lat_tiers_release() of *block.
 * Between processes its producer may still change it. 0, or as lat_tiers_peek(), or -EOPNOTSUPP: it is not in a block, and
 * stays.
 */
LAT_MUST_CHECK int lat_tiers_take(struct lat_tiers_rx *rx, const void **data, uint32_t *block,
				  struct lat_ring_msg *msg);

/* Once a block. One thread at a time. @rx has not been given up meanwhile. */
static inline void lat_tiers_release(struct lat_tiers_rx *rx, uint32_t block)
{
	rx->held--;
	lat_blocks_release(rx->back->released, block);
}

/* The same when the producer is not there any more, or is another one. */
static inline void lat_tiers_forget_block(struct lat_tiers_rx *rx)
{
	rx->held--;
}

#endif

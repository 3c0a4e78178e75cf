/*
 * One channel's ring: one producer, one consumer, cache-line slots that carry the message inline and its
 * number in the same line. A message takes as many consecutive slots as it needs; the first carries its
 * header and is published last.
 *
 * Laid out for two processes: the producer's segment (slots) is written by the producer only, the consumer's
 * segment (head) by the consumer only, and each may be mapped read-only by the other (LOCAL 2, 4, 7).
 * Pointer-free and versioned. In one process both ends use one mapping of each segment.
 *
 *   producer's segment   | version, slot count, start |  slot  |  slot  | ...      one cache line each
 *   consumer's segment   | version, slot count        |  head  |
 *
 * Nobody believes the other side: an index, a length or a slot number that cannot be poisons the end that saw
 * it, for good (-EPROTO from every later call on it). A hostile peer can stall its own channel or be caught;
 * it cannot make us read or write outside the segment and the caller's buffer.
 */
#ifndef LAT_FASTPATH_RING_H
#define LAT_FASTPATH_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum {
	LAT_RING_VERSION = 1,
	LAT_RING_SLOT = 64,
	LAT_RING_FIRST_DATA = 48, /* message bytes in the first slot */
	LAT_RING_NEXT_DATA = 60,  /* and in each that follows */
	LAT_RING_TWO_DATA = LAT_RING_FIRST_DATA + LAT_RING_NEXT_DATA,
	LAT_RING_SLOTS_MIN = 8,
	LAT_RING_SLOTS_MAX = 1 << 20,
	LAT_RING_SLOTS_DEFAULT = 1 << 16, /* 4 MiB, committed as it is touched */
};

/*
 * In the length of a message: it is a note, and says where the bytes are (blocks.h). A note has
 * LAT_RING_NOTE_LEN bytes, so it takes one slot.
 */
#define LAT_RING_NOTE     (UINT32_C(1) << 31)
#define LAT_RING_NOTE_LEN 16

/* What travels with the bytes. */
struct lat_ring_msg {
	int32_t type;
	uint32_t seq; /* low 32 bits of the channel's message number */
	uint32_t len; /* as published: perhaps with LAT_RING_NOTE */
};

/* One cache line of the producer's segment. */
struct lat_ring_slot {
	union {
		struct {
			/* Number of this slot in the channel's life, from start + 1, modulo 2^32. */
			_Atomic(uint32_t) seq;
			union {
				struct {
					uint32_t len;
					int32_t type;
					uint32_t msg_seq;
					unsigned char data[LAT_RING_FIRST_DATA];
				} first;
				unsigned char next[LAT_RING_NEXT_DATA];
			};
		};
		_Atomic(uint64_t) head; /* of a first slot: seq and len, as they lie, in one access */
	};
};

/* Producer's private end. Fields are the ring's own; read them through the functions. */
struct lat_ring_tx {
	struct lat_ring_slot *slots;
	const _Atomic(uint32_t) *peer_head; /* consumer's segment, read-only here; NULL until attached */
	uint32_t count, mask;               /* slots, a power of two; and one less */
	_Atomic(uint32_t) sent; /* number of the last slot published; written by the producer only */
	uint32_t head;          /* last valid head seen */
	bool poisoned;
};

/* Consumer's private end. */
struct lat_ring_rx {
	const struct lat_ring_slot *slots; /* producer's segment, read-only here */
	_Atomic(uint32_t) *head;
	uint32_t count, mask;
	uint32_t taken; /* number of the last slot released */
	bool poisoned;
};

/*
 * The two ends over bare slots, for whoever keeps the geometry elsewhere: @count, a power of two within the
 * limits, zeroed, cache-line aligned; @start is the number of the last slot before these, and what @head holds.
 */
void lat_ring_tx_over(struct lat_ring_tx *tx, struct lat_ring_slot *slots, uint32_t count, uint32_t start,
		      const _Atomic(uint32_t) *head);
void lat_ring_rx_over(struct lat_ring_rx *rx, const struct lat_ring_slot *slots, uint32_t count,
		      uint32_t start, _Atomic(uint32_t) *head);

/* Bytes of the two segments. @slots: a power of two from LAT_RING_SLOTS_MIN to _MAX, else 0. */
size_t lat_ring_tx_bytes(uint32_t slots);
size_t lat_ring_rx_bytes(void);

/* The longest message a ring of @slots carries, in bytes. */
uint32_t lat_ring_len_max(uint32_t slots);

/*
 * A count for a ring that holds two messages of @len bytes: the default one unless more are needed. 0: none
 * is enough.
 */
uint32_t lat_ring_slots_for(uint32_t len);

/*
 * Makes the producer's segment in @seg (cache-line aligned, zeroed, @bytes of it) and the producer's end.
 * @start is the slot number before the first one: 0 but in tests of wrap-around. Until lat_ring_tx_attach()
 * one ring full of messages can be published.
 * 0, or -EINVAL: @slots is no count a ring can have, or @bytes are too few.
 */
LAT_MUST_CHECK int lat_ring_tx_init(struct lat_ring_tx *tx, void *seg, size_t bytes, uint32_t slots,
				    uint32_t start);

/*
 * Makes the consumer's segment in @seg (cache-line aligned, zeroed) for the producer's segment @peer, of
 * which @peer_bytes are mapped, and the consumer's end. Everything in @peer is checked.
 * 0, or
 *   -EAGAIN  the producer has not finished lat_ring_tx_init()
 *   -EPROTO  @peer is of another version, or its geometry is none or does not fit @peer_bytes
 *   -EINVAL  @bytes are too few
 */
LAT_MUST_CHECK int lat_ring_rx_init(struct lat_ring_rx *rx, void *seg, size_t bytes, const void *peer,
				    size_t peer_bytes);

/*
 * Joins the producer's end to the consumer's segment @peer. 0, -EAGAIN (the consumer has not finished
 * lat_ring_rx_init()), -EPROTO (another version, another geometry, too short).
 */
LAT_MUST_CHECK int lat_ring_tx_attach(struct lat_ring_tx *tx, const void *peer, size_t peer_bytes);

/*
 * Publishes one message whole, or nothing. @data may be NULL when @len is 0. @len is LAT_RING_NOTE_LEN with
 * LAT_RING_NOTE for a note.
 * One thread at a time. Never blocks.
 * 0, or
 *   -EAGAIN    no room now
 *   -EMSGSIZE  @len is over lat_ring_len_max(): it never will have room
 *   -EPROTO    the consumer released what was never published, or took a release back
 */
LAT_MUST_CHECK int lat_ring_publish(struct lat_ring_tx *tx, int32_t type, uint32_t seq, const void *data,
				    uint32_t len);

/* The consumer lied about something else: from now on nothing is published, as if it had been about this ring. */
void lat_ring_tx_poison(struct lat_ring_tx *tx);

/* Slots that hold messages not taken yet (a lie of the consumer's counts as full). One thread at a time. */
uint32_t lat_ring_used(struct lat_ring_tx *tx);

/*
 * Reads the next message's header, without taking it. One thread at a time. Never blocks.
 * 0, -ENOMSG (nothing published), -EPROTO (the producer wrote what cannot be).
 */
LAT_MUST_CHECK int lat_ring_peek(struct lat_ring_rx *rx, struct lat_ring_msg *msg);

/*
 * The bytes of the message @msg that lat_ring_peek() told of, which stays: into @buf, each read once. 0 or
 * -EPROTO (the producer changed its mind).
 */
LAT_MUST_CHECK int lat_ring_copy(struct lat_ring_rx *rx, const struct lat_ring_msg *msg, void *buf);

/* Gives the slots of the message @msg that lat_ring_peek() told of back to the producer. */
void lat_ring_release(struct lat_ring_rx *rx, const struct lat_ring_msg *msg);

/*
 * Nothing is published, as far as one load tells; false: look. What was published before something else that the caller has seen, is
 * found by lat_ring_peek() only.
 */
static inline bool lat_ring_idle(const struct lat_ring_rx *rx)
{
	uint32_t want = rx->taken + 1;
	uint32_t seq = atomic_load_explicit(&rx->slots[rx->taken & rx->mask].seq, memory_order_acquire);

	return seq != want && (seq == want - rx->count || seq == 0);
}

/*
 * Takes the next message: its bytes into @buf (@cap bytes), each read once; its slots go back to the
 * producer. One thread at a time. Never blocks.
 * 0, or
 *   -ENOMSG    nothing published
 *   -EMSGSIZE  it is longer than @cap; *msg is filled in, the message stays
 *   -EPROTO    the producer wrote what cannot be; what is in @buf means nothing
 */
LAT_MUST_CHECK int lat_ring_consume(struct lat_ring_rx *rx, void *buf, size_t cap, struct lat_ring_msg *msg);

#endif

/* A ring's usual steps, inline: a message that finds room, and one that lies there whole (see ring.c for the edges). */
#ifndef LAT_FASTPATH_RING_FAST_H
#define LAT_FASTPATH_RING_FAST_H

#include <string.h>

#include "fastpath/ring.h"

/* Bytes that move at once, wherever they lie. */
typedef uint64_t lat_ring_words __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t lat_ring_word __attribute__((aligned(1), may_alias));
typedef uint32_t lat_ring_half __attribute__((aligned(1), may_alias));

LAT_FAST_INLINE void lat_ring_move16(unsigned char *to, const unsigned char *from)
{
	*(lat_ring_words *)to = *(const lat_ring_words *)from;
}

/*
 * As memcpy(), for the bytes of one slot: a few moves that may overlap instead of a loop. So a byte may be read twice;
 * nothing is decided by it.
 */
LAT_FAST_INLINE void lat_ring_move(void *buf, const void *bytes, uint32_t n)
{
	const unsigned char *from = bytes;
	unsigned char *to = buf;

	if (n >= 16) {
		lat_ring_move16(to, from);
		if (n > 32)
			lat_ring_move16(to + 16, from + 16);
		if (n > 48)
			lat_ring_move16(to + 32, from + 32);
		lat_ring_move16(to + n - 16, from + n - 16);
	} else if (n >= 8) {
		*(lat_ring_word *)to = *(const lat_ring_word *)from;
		*(lat_ring_word *)(to + n - 8) = *(const lat_ring_word *)(from + n - 8);
	} else if (n >= 4) {
		*(lat_ring_half *)to = *(const lat_ring_half *)from;
		*(lat_ring_half *)(to + n - 4) = *(const lat_ring_half *)(from + n - 4);
	} else if (n > 0) {
		to[0] = from[0];
		to[n / 2] = from[n / 2];
		to[n - 1] = from[n - 1];
	}
}

/* A first slot that is full. */
LAT_FAST_INLINE void lat_ring_move_full(void *buf, const void *bytes)
{
	const unsigned char *from = bytes;
	unsigned char *to = buf;

	lat_ring_move16(to, from);
	lat_ring_move16(to + 16, from + 16);
	lat_ring_move16(to + 32, from + 32);
}

/* One load of a word that the other side may be changing. */
LAT_FAST_INLINE uint32_t lat_ring_load(const void *word)
{
	return *(const volatile uint32_t *)word;
}

/* Slots that a message of @len bytes takes. */
LAT_FAST_INLINE uint32_t lat_ring_slots(uint32_t len)
{
	if (len <= LAT_RING_FIRST_DATA)
		return 1;
	return 1 + (len - LAT_RING_FIRST_DATA - 1) / LAT_RING_NEXT_DATA + 1;
}

/* Two words as they lie side by side. */
LAT_FAST_INLINE uint64_t lat_ring_pair(uint32_t first, uint32_t second)
{
	const uint32_t words[2] = { first, second };
	uint64_t pair;

	memcpy(&pair, words, sizeof(pair));
	return pair;
}

/*
 * What a first slot says of itself, loaded once: its number, and *word, the length of its message, perhaps with LAT_RING_NOTE, which means
 * something when the number is the one that is looked for.
 */
LAT_FAST_INLINE uint32_t lat_ring_head(const struct lat_ring_slot *slot, uint32_t *word)
{
	uint64_t head = atomic_load_explicit(&slot->head, memory_order_acquire); /* [C] */
	uint32_t words[2];

	memcpy(words, &head, sizeof(words));
	*word = words[1];
	return words[0];
}

/* Says that the message in the first slot is there. @word: its length, perhaps with LAT_RING_NOTE. */
LAT_FAST_INLINE void lat_ring_tell(struct lat_ring_tx *tx, struct lat_ring_slot *first, int32_t type,
				   uint32_t seq, uint32_t word, uint32_t sent, uint32_t slots)
{
	first->first.type = type;
	first->first.msg_seq = seq;
	atomic_store_explicit(&first->head, lat_ring_pair(sent + 1, word), memory_order_release); /* [P] */
	atomic_store_explicit(&tx->sent, sent + slots, memory_order_relaxed);
}

/*
 * As lat_ring_publish(), where nothing has to be looked at but our own memory, for a message of several slots. @len is at most
 * lat_ring_len_max(). false: there may be no room.
 */
bool lat_ring_publish_long(struct lat_ring_tx *tx, int32_t type, uint32_t seq, const void *data,
			   uint32_t len);

/* As lat_ring_publish_long() for a message of one slot. */
LAT_FAST_INLINE bool lat_ring_publish_one(struct lat_ring_tx *tx, int32_t type, uint32_t seq,
					  const void *data, uint32_t len)
{
	uint32_t sent = atomic_load_explicit(&tx->sent, memory_order_relaxed);
	struct lat_ring_slot *first = &tx->slots[sent & tx->mask];

	if (sent - tx->head > tx->mask)
		return false;
	if (LAT_LIKELY(len == LAT_RING_FIRST_DATA))
		lat_ring_move_full(first->first.data, data);
	else
		lat_ring_move(first->first.data, data, len);
	lat_ring_tell(tx, first, type, seq, len, sent, 1);
	return true;
}

/* The same for one of two. */
LAT_FAST_INLINE bool lat_ring_publish_two(struct lat_ring_tx *tx, int32_t type, uint32_t seq,
					  const void *data, uint32_t len)
{
	uint32_t sent = atomic_load_explicit(&tx->sent, memory_order_relaxed);
	struct lat_ring_slot *first = &tx->slots[sent & tx->mask],
			     *second = &tx->slots[(sent + 1) & tx->mask];

	if (sent - tx->head >= tx->mask)
		return false;
	lat_ring_move(second->next, (const unsigned char *)data + LAT_RING_FIRST_DATA,
		      len - LAT_RING_FIRST_DATA);
	atomic_store_explicit(&second->seq, sent + 2, memory_order_relaxed);
	lat_ring_move_full(first->first.data, data);
	lat_ring_tell(tx, first, type, seq, len, sent, 2);
	return true;
}

/* The same for either. */
LAT_FAST_INLINE bool lat_ring_publish_near(struct lat_ring_tx *tx, int32_t type, uint32_t seq,
					   const void *data, uint32_t len)
{
	return LAT_LIKELY(len <= LAT_RING_FIRST_DATA) ? lat_ring_publish_one(tx, type, seq, data, len)
						      : lat_ring_publish_two(tx, type, seq, data, len);
}

/* The same for a note, word by word: who has just put it together has it in registers. */
LAT_FAST_INLINE bool lat_ring_publish_note(struct lat_ring_tx *tx, int32_t type, uint32_t seq,
					   const uint32_t note[LAT_RING_NOTE_LEN / 4])
{
	uint32_t sent = atomic_load_explicit(&tx->sent, memory_order_relaxed);
	struct lat_ring_slot *first = &tx->slots[sent & tx->mask];
	lat_ring_half *to = (lat_ring_half *)first->first.data;

	if (sent - tx->head > tx->mask)
		return false;
	for (uint32_t i = 0; i < LAT_RING_NOTE_LEN / 4; i++)
		to[i] = note[i];
	lat_ring_tell(tx, first, type, seq, LAT_RING_NOTE | LAT_RING_NOTE_LEN, sent, 1);
	return true;
}

/* The bytes in the slots after the first: @buf is that of the whole message. 0, or -EPROTO (the producer changed its mind). */
LAT_MUST_CHECK int lat_ring_copy_rest(struct lat_ring_rx *rx, void *buf, uint32_t len);

/*
 * As lat_ring_consume(), where that comes to 0, for the message of number @seq, of at most @most bytes: two slots of them, or more.
 * false: it is not so, or not there, and nothing is done.
 */
LAT_FAST_INLINE bool lat_ring_consume_near(struct lat_ring_rx *rx, uint32_t seq, uint32_t most, void *buf,
					   size_t cap, struct lat_ring_msg *msg)
{
	uint32_t taken = rx->taken, len;
	const struct lat_ring_slot *first = &rx->slots[taken & rx->mask];

	if (lat_ring_head(first, &len) != taken + 1)
		return false;
	if (len > cap || lat_ring_load(&first->first.msg_seq) != seq || rx->poisoned)
		return false;
	if (LAT_LIKELY(len == LAT_RING_FIRST_DATA)) {
		lat_ring_move_full(buf, first->first.data);
		taken++;
	} else if (len < LAT_RING_FIRST_DATA) {
		lat_ring_move(buf, first->first.data, len);
		taken++;
	} else if (len <= LAT_RING_TWO_DATA) {
		const struct lat_ring_slot *second = &rx->slots[(taken + 1) & rx->mask];

		if (atomic_load_explicit(&second->seq, memory_order_relaxed) != taken + 2)
			return false;
		lat_ring_move_full(buf, first->first.data);
		lat_ring_move((unsigned char *)buf + LAT_RING_FIRST_DATA, second->next,
			      len - LAT_RING_FIRST_DATA);
		taken += 2;
	} else {
		if (len > most || lat_ring_copy_rest(rx, buf, len) < 0)
			return false;
		lat_ring_move_full(buf, first->first.data);
		taken += lat_ring_slots(len);
	}
	msg->type = (int32_t)lat_ring_load(&first->first.type);
	msg->seq = seq;
	msg->len = len;
	rx->taken = taken;
	atomic_store_explicit(rx->head, taken, memory_order_release); /* [c] */
	return true;
}

/*
 * The next message, of number @seq, is a note, and here it is, each word read once; it is not taken yet. false: it is not so, or not
 * there.
 */
LAT_FAST_INLINE bool lat_ring_note_near(const struct lat_ring_rx *rx, uint32_t seq, int32_t *type,
					uint32_t note[LAT_RING_NOTE_LEN / 4])
{
	const struct lat_ring_slot *first = &rx->slots[rx->taken & rx->mask];
	uint32_t word;

	if (lat_ring_head(first, &word) != rx->taken + 1 || word != (LAT_RING_NOTE | LAT_RING_NOTE_LEN) ||
	    lat_ring_load(&first->first.msg_seq) != seq || rx->poisoned)
		return false;
	*type = (int32_t)lat_ring_load(&first->first.type);
	for (uint32_t i = 0; i < LAT_RING_NOTE_LEN / 4; i++)
		note[i] = lat_ring_load(first->first.data + 4 * i);
	return true;
}

/* That note is taken. */
LAT_FAST_INLINE void lat_ring_note_taken(struct lat_ring_rx *rx)
{
	atomic_store_explicit(rx->head, ++rx->taken, memory_order_release); /* [c] */
}

#endif

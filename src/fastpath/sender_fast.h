/*
 * Sending, as far as it is the usual case: the message fits L1, which has room, and the receiving end polls. Everything else is
 * lat_sender_send()'s.
 */
#ifndef LAT_FASTPATH_SENDER_FAST_H
#define LAT_FASTPATH_SENDER_FAST_H

#include "fastpath/ring_fast.h"
#include "fastpath/sender.h"
#include "fastpath/tiers_fast.h"

/* One writer at a time, so a load and a store do. */
LAT_FAST_INLINE void lat_sender_count(_Atomic(uint64_t) *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* A message was published, and after that the receiving end did not poll. In the sender's turn. */
void lat_sender_announce_locked(struct lat_sender *s);

/* The same, and the turn of the one thread that sends ends. 0. */
int lat_sender_announce_end(struct lat_sender *s);

/* Message @seq, of @len bytes, was published: the receiving end's word after it. In the sender's turn. */
LAT_FAST_INLINE uint32_t lat_sender_sent_locked(struct lat_sender *s, uint64_t seq, uint32_t len)
{
	lat_sender_count(&s->sent_bytes, len);
	atomic_store_explicit(&s->sent, seq, memory_order_relaxed);
	lat_membarrier_light();
	return atomic_load_explicit(&s->peer->hot, memory_order_relaxed); /* [h] */
}

/* Publishes a message of at most two slots or (@longer) of more. In the sender's turn. false: nothing was done. */
LAT_FAST_INLINE bool lat_sender_publish_near(struct lat_sender *s, int32_t type, const void *data,
					     uint32_t len, bool longer, uint32_t *hot)
{
	struct lat_ring_tx *l1 = &s->tx.ring[LAT_TIER_L1];
	uint64_t seq = atomic_load_explicit(&s->sent, memory_order_relaxed) + 1;

	if (atomic_load_explicit(&s->dead, memory_order_acquire) != 0 || s->tx.l1_pause != 0 ||
	    lat_life_ended(&s->life))
		return false;
	if (!(longer ? lat_ring_publish_long(l1, type, (uint32_t)seq, data, len)
		     : lat_ring_publish_near(l1, type, (uint32_t)seq, data, len)))
		return false;
	*hot = lat_sender_sent_locked(s, seq, len);
	return true;
}

/* May lat_sender_send_short()? */
LAT_FAST_INLINE bool lat_sender_sends_short(const struct lat_sender *s, size_t len)
{
	return len <= s->short_max && lat_turn_is_single(&s->turn);
}

enum lat_near {
	LAT_NEAR_DONE,
	LAT_NEAR_NOT,  /* nothing was done */
	LAT_NEAR_COLD, /* it is done and the turn goes on, for lat_sender_announce_end() */
};

/* As lat_sender_send(), where that comes to 0 at once, for a message of at most two slots on a channel of one thread. Calls nothing. */
LAT_FAST_INLINE enum lat_near lat_sender_send_short(struct lat_sender *s, int32_t type, const void *data,
						    size_t len)
{
	uint32_t hot;

	if (!lat_turn_try_as(&s->turn, true))
		return LAT_NEAR_NOT;
	if (!lat_sender_publish_near(s, type, data, (uint32_t)len, false, &hot)) {
		lat_turn_end_as(&s->turn, true);
		return LAT_NEAR_NOT;
	}
	if (LAT_UNLIKELY((hot & 1) == 0))
		return LAT_NEAR_COLD;
	lat_turn_end_as(&s->turn, true);
	return LAT_NEAR_DONE;
}

/* The same for all that fit L1, on any channel. 0, or 1: nothing was done. */
int lat_sender_send_near(struct lat_sender *s, int32_t type, const void *data, size_t len);

/* As lat_sender_loan(), where that comes to 0 at once: a block of that size came back last. false: nothing was done. */
LAT_FAST_INLINE bool lat_sender_loan_near(struct lat_sender *s, size_t bytes, struct lat_sender_loan *loan)
{
	bool single = lat_turn_is_single(&s->turn), lent;

	if (bytes > s->len_max || !lat_turn_try_as(&s->turn, single))
		return false;
	lent = atomic_load_explicit(&s->dead, memory_order_acquire) == 0 && !lat_life_ended(&s->life) &&
	       lat_tiers_loan_near(&s->tx, bytes, &loan->data, &loan->block);
	loan->bytes = (uint32_t)bytes;
	lat_turn_end_as(&s->turn, single);
	return lent;
}

/* As lat_sender_publish(), where that comes to 0 at once. false: nothing was done. */
LAT_FAST_INLINE bool lat_sender_publish_loan_near(struct lat_sender *s, int32_t type,
						  const struct lat_sender_loan *loan, size_t len)
{
	bool single = lat_turn_is_single(&s->turn), sent;
	uint64_t seq;

	if (len > loan->bytes || !lat_turn_try_as(&s->turn, single))
		return false;
	seq = atomic_load_explicit(&s->sent, memory_order_relaxed) + 1;
	sent = atomic_load_explicit(&s->dead, memory_order_acquire) == 0 && !lat_life_ended(&s->life) &&
	       lat_tiers_publish_loan_near(&s->tx, type, (uint32_t)seq, loan->block, loan->data,
					   (uint32_t)len);
	if (sent) {
		if ((lat_sender_sent_locked(s, seq, (uint32_t)len) & 1) == 0)
			lat_sender_announce_locked(s);
		lat_tiers_published(&s->tx);
	}
	lat_turn_end_as(&s->turn, single);
	return sent;
}

#endif

/*
 * Receiving, as far as it is worth being inline: where a flow stops and goes on, each return on its way out is mispredicted
 * (sched/switch.h).
 */
#ifndef LAT_FASTPATH_INBOX_FAST_H
#define LAT_FASTPATH_INBOX_FAST_H

#include "base/cpu.h"
#include "fastpath/inbox_state.h"
#include "fastpath/tiers_fast.h"

/* For the wait-for graph: who calls here waits for this flow, or for one of several. */
LAT_FAST_INLINE bool lat_inbox_is_server(const struct lat_inbox *inbox)
{
	uint64_t server = atomic_load_explicit(&inbox->server, memory_order_relaxed);

	return server == LAT_SERVERS_MANY ||
	       (lat_waits_current != NULL && lat_waits_id(lat_waits_current) == server);
}

/* The calling flow is the one that is known to receive here, and no other does. */
LAT_FAST_INLINE bool lat_inbox_is_only_server(const struct lat_inbox *inbox)
{
	uint64_t server = atomic_load_explicit(&inbox->server, memory_order_relaxed);

	return lat_waits_current != NULL && lat_waits_id(lat_waits_current) == server;
}

LAT_FAST_INLINE void lat_inbox_note_server(struct lat_inbox *inbox)
{
	if (!lat_inbox_is_server(inbox))
		lat_inbox_serve(inbox);
}

LAT_FAST_INLINE void lat_flow_wait_init(struct lat_flow_wait *w, struct lat_inbox_take *take, void *flow)
{
	w->flow = flow;
	w->take = take;
	w->waiter = lat_waits_current != NULL ? lat_waits_id(lat_waits_current) : 0;
	w->listed = w->handed = w->inside = false;
	take->flow = w;
}

/*
 * A flow that waited here before finds the inbox as it left it, if nothing was announced since: nothing is ready and nothing hot
 * (see park.c), so it waits at once. It is listed before it looks at armed, so who announces after that finds it. 0: look again, or it was
 * handed a message; or why the wait ended. The calling thread is home.
 */
LAT_FAST_INLINE int lat_flows_rest(struct lat_inbox *inbox, struct lat_flow_wait *w, void *ctx,
				   int (*wait)(void *ctx, int fd, short events, uint64_t deadline_ns),
				   uint64_t deadline_ns)
{
	struct lat_flows *f = &inbox->flows;
	bool waits;
	int rc;

	w->inside = true;
	lat_turn_begin(&f->turn);
	f->inside++;
	waits = !f->closed && !f->bells && atomic_load_explicit(&inbox->armed, memory_order_relaxed) == 1;
	if (waits)
		lat_flows_list(f, w);
	lat_turn_end(&f->turn);
	if (!waits)
		return 0;
	rc = wait(ctx, -1, 0, deadline_ns);
	if (!w->handed) {
		lat_turn_begin(&f->turn);
		lat_flows_unlist(f, w);
		lat_turn_end(&f->turn);
	}
	return rc;
}

/* lat_inbox_recv() and the like. */
LAT_FAST_INLINE int lat_inbox_receive_fast(struct lat_inbox *inbox, struct lat_inbox_take *take,
					   uint64_t deadline_ns)
{
	struct lat_flow_wait w;
	const struct lattice_sched_hook *hook;
	void *flow;
	int waited = 0;

	lat_inbox_note_server(inbox);
	if (lat_wait_hook == NULL || deadline_ns == 0)
		return lat_inbox_receive(inbox, take, deadline_ns);
	hook = lat_wait_flow(&flow);
	if (hook == NULL || hook->wake == NULL)
		return lat_inbox_receive(inbox, take, deadline_ns);
	lat_flow_wait_init(&w, take, flow);
	if (lat_flows_at_home(&inbox->flows)) {
		waited = lat_flows_rest(inbox, &w, hook->ctx, hook->wait, deadline_ns);
		if (w.handed)
			return 0;
	}
	return lat_flows_receive(inbox, take, &w, waited, deadline_ns);
}

/* --- the usual case ------------------------------------------------------------------------------ */

enum {
	LAT_NEAR_LOOKS = 64, /* at most, before everything else that could have happened is looked at */
	LAT_NEAR_ASIDE = 8,  /* of those, between two looks at what else is seen at once */
};

/* A bell has rung since it was last looked at. */
static inline bool lat_inbox_rang_locked(const struct lat_inbox *inbox)
{
	for (uint32_t i = 0; i < inbox->bells_count; i++)
		if (atomic_load_explicit(inbox->bells[i].word, memory_order_acquire) != inbox->bells[i].seen)
			return true;
	return false;
}

/* Something was announced that has not been taken in. */
LAT_FAST_INLINE bool lat_inbox_told_locked(const struct lat_inbox *inbox)
{
	return atomic_load_explicit(&inbox->stack, memory_order_relaxed) != NULL ||
	       lat_inbox_rang_locked(inbox);
}

/* The sending end has come to want to be told of room. */
LAT_FAST_INLINE bool lat_inbox_room_wanted(const struct lat_inbox_source *src)
{
	return atomic_load_explicit(&src->peer->room_wanted, memory_order_relaxed) != /* [w] */
	       atomic_load_explicit(&src->room_told, memory_order_relaxed);
}

/* Tells it of room, if it wants to be told. In a turn. */
void lat_inbox_tell_room(struct lat_inbox_source *src);

/* The next message of @src was taken. true: lat_inbox_settle_locked() is to follow. */
LAT_FAST_INLINE bool lat_inbox_taken_near_locked(struct lat_inbox *inbox, struct lat_inbox_source *src,
						 uint32_t len)
{
	uint64_t seq = src->seq + 1;

	src->seq = seq;
	atomic_store_explicit(&src->received, seq, memory_order_release);
	atomic_store_explicit(&src->bytes, atomic_load_explicit(&src->bytes, memory_order_relaxed) + len,
			      memory_order_relaxed);
	inbox->next = src->next; /* the others come first */
	inbox->stats.messages++;
	inbox->stats.bytes += len;
	atomic_store_explicit(&src->words->received, (uint32_t)seq, memory_order_release); /* [V] */
	lat_membarrier_light();
	return atomic_load_explicit(&src->calls, memory_order_acquire) != NULL ||
	       atomic_load_explicit(src->asks, memory_order_relaxed) != 0 || lat_inbox_room_wanted(src);
}

/*
 * As lat_inbox_take_locked() for the source whose turn it is, where that comes to 0 and concerns nobody else: it is hot, so its sending end
 * is there and announces nothing; its next message lies whole in a ring, in at most two slots if it has to be @shorter; nobody sleeps. What was
 * announced by others is not looked at. false: nothing was done. *settle: lat_inbox_settle_locked() is to follow.
 */
LAT_FAST_INLINE bool lat_inbox_take_near_locked(struct lat_inbox *inbox, void *buf, size_t cap, bool shorter,
						struct lat_ring_msg *m, bool *settle)
{
	struct lat_inbox_source *src = inbox->next;

	if (src == NULL || !src->near ||
	    !lat_tiers_consume_near(src->rx, (uint32_t)(src->seq + 1), buf, cap, shorter, m) ||
	    lat_life_ended(&src->life)) /* then it is taken and not received, and the long way detaches */
		return false;
	*settle = lat_inbox_taken_near_locked(inbox, src, m->len);
	return true;
}

/* The same without a buffer, for a message in a block of a source that is kept already. */
LAT_FAST_INLINE bool lat_inbox_hold_near_locked(struct lat_inbox *inbox, struct lat_inbox_hold *hold,
						bool shared, struct lat_ring_msg *m, bool *settle)
{
	struct lat_inbox_source *src = inbox->next;

	if (src == NULL || !src->near || !src->kept || (src->rx->foreign && !shared) ||
	    !lat_tiers_take_near(src->rx, (uint32_t)(src->seq + 1), &hold->data, &hold->block, m))
		return false;
	if (lat_life_ended(&src->life)) {
		lat_tiers_forget_block(src->rx);
		return false;
	}
	hold->src = src;
	*settle = lat_inbox_taken_near_locked(inbox, src, m->len);
	return true;
}

/* As lat_inbox_release(), of one receiver's inbox, by that. false: nothing was done. */
LAT_FAST_INLINE bool lat_inbox_release_near(struct lat_inbox *inbox, const struct lat_inbox_hold *hold)
{
	struct lat_inbox_source *src = hold->src;

	if (src == NULL || !lat_turn_is_single(&inbox->turn) || !lat_inbox_is_only_server(inbox) ||
	    !lat_turn_try_single(&inbox->turn))
		return false;
	if (!src->near) {
		lat_turn_end_single(&inbox->turn);
		return false;
	}
	lat_tiers_release(src->rx, hold->block);
	lat_membarrier_light();
	if (LAT_UNLIKELY(lat_inbox_room_wanted(src)))
		lat_inbox_tell_room(src);
	lat_turn_end_single(&inbox->turn);
	return true;
}

/* Of the message that was just taken: which call it is, to *call, if it is one. And tells of room. */
void lat_inbox_settle_locked(struct lat_inbox *inbox, uint64_t *call);

/* Waits a little, if the receiver that waited last spun. true: look again. */
LAT_FAST_INLINE bool lat_inbox_poll_near_locked(struct lat_inbox *inbox)
{
	if (!inbox->polls || inbox->listed > LAT_INBOX_FEW)
		return false;
	for (uint32_t looks = 0; looks < LAT_NEAR_LOOKS; looks++) {
		struct lat_inbox_source *src = inbox->next;

		if (src == NULL || !src->near)
			return false;
		if (!lat_ring_idle(src->rx->at)) /* first, because it is what is waited for */
			return true;
		if (looks % LAT_NEAR_ASIDE == 0 &&
		    (lat_turn_wanted(&inbox->turn) || lat_inbox_told_locked(inbox)))
			return false;
		if (looks % LAT_NEAR_ASIDE == 1 && !lat_tiers_idle(src->rx))
			return true;
		lat_cpu_relax();
		inbox->next = src->next;
	}
	return false;
}

#endif

/*
 * The hand-off and the calls of flows of one thread, inline: these few steps are the whole of a call, and where a flow stops and goes on,
 * each return on its way out is mispredicted (sched/switch.h). How flows switch is a parameter, so that who knows the scheduler has
 * that inline too. See execute.h and call.h.
 */
#ifndef LAT_FASTPATH_CALL_FAST_H
#define LAT_FASTPATH_CALL_FAST_H

#include <errno.h>
#include <string.h>

#include "fastpath/channel_state.h"
#include "fastpath/inbox_fast.h"

enum { LAT_CALL_PHASE_BITS = 2, LAT_CALL_PHASE = 3 };

/* Of the hook's, with its ctx. */
struct lat_flow_ops {
	void *ctx;
	void *self; /* the calling flow */
	bool (*may_hand_off)(void *ctx, void *flow);
	int (*hand_off)(void *ctx, void *flow, uint64_t deadline_ns);
	int (*wait)(void *ctx, int fd, short events, uint64_t deadline_ns);
};

/* --- the conditions ----------------------------------------------------------------------------- */

/*
 * P2, P3, P8, and of P4 who is asked: what the channel itself says. LAT_CONDITIONS: all hold. P1 always does: there is no capability in a
 * message.
 */
LAT_FAST_INLINE enum lat_condition lat_execute_look(const struct lat_chan *ch, size_t len,
						    int (*admit)(void *user))
{
	if (len > LAT_EXECUTE_LEN_MAX)
		return LAT_P2_FITS;
	if (atomic_load_explicit(&ch->sender.dead, memory_order_relaxed) != 0)
		return LAT_P3_HEALTHY;
	if (ch->admit != admit || (admit != NULL && admit(ch->src.user) < 0))
		return LAT_P4_RIGHT;
	if ((uint32_t)atomic_load_explicit(&ch->sender.sent, memory_order_relaxed) !=
		    atomic_load_explicit(&ch->rx_words.received, memory_order_relaxed) ||
	    atomic_load_explicit(&ch->src.second, memory_order_relaxed))
		return LAT_P8_FIRST;
	return LAT_CONDITIONS;
}

/*
 * The rest of them, in the turn of the inbox's flows; the calling thread is home to them. LAT_CONDITIONS: all hold, and *to is who is handed
 * to. Nothing is changed.
 */
LAT_FAST_INLINE enum lat_condition lat_execute_look_locked(const struct lat_chan *ch, size_t len,
							   const struct lat_flow_ops *ops,
							   struct lat_flow_wait **to)
{
	struct lat_flow_wait *w = ch->src.inbox->flows.first;

	if (lat_life_ended(&ch->src.life))
		return LAT_P4_RIGHT;
	if (w == NULL)
		return LAT_P5_WAITING;
	if (w->take->hold != NULL || len > w->take->cap)
		return LAT_P2_FITS;
	if (ops->may_hand_off != NULL && !ops->may_hand_off(ops->ctx, w->flow))
		return LAT_P6_PRIORITY;
	*to = w;
	return LAT_CONDITIONS;
}

/* The point of no return, in that turn: the receiver is nobody else's any more. */
LAT_FAST_INLINE void lat_execute_commit(struct lat_chan *ch, struct lat_flow_wait *to)
{
	struct lat_flows *f = &ch->src.inbox->flows;

	lat_flows_unlist_first(f, to);
	to->handed = true;
	f->inside--; /* it does not come back to the inbox */
	atomic_store_explicit(&ch->counts.handed,
			      atomic_load_explicit(&ch->counts.handed, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

LAT_FAST_INLINE void lat_put_in_hands(const struct lat_inbox_source *src, const struct lat_inbox_take *take,
				      int32_t type, const void *data, uint32_t len, uint64_t seq,
				      uint64_t call)
{
	struct lat_inbox_info *info = take->info;

	info->user = src->user;
	info->from = src->from;
	info->type = type;
	info->len = len;
	info->seq = seq;
	info->call = call;
	info->lost = 0;
	lat_ring_move(take->buf, data, len);
}

/* --- calls -------------------------------------------------------------------------------------- */

LAT_FAST_INLINE uint64_t lat_call_token(const struct lat_call_slot *s, uint32_t state)
{
	return (uint64_t)(s->index + 1) << 32 | state >> LAT_CALL_PHASE_BITS;
}

LAT_FAST_INLINE struct lat_call_slot *lat_call_slot_of(const struct lat_calls *c, uint64_t token)
{
	uint32_t index = (uint32_t)(token >> 32) - 1;
	struct lat_call_slot *chunk;

	if (c == NULL || index >= atomic_load_explicit(&c->made, memory_order_acquire))
		return NULL; /* the token 0 as well */
	chunk = atomic_load_explicit(&c->chunks[index / LAT_CALL_CHUNK], memory_order_acquire);
	return &chunk[index % LAT_CALL_CHUNK];
}

LAT_FAST_INLINE bool lat_call_is_home(const struct lat_call_slot *s)
{
	return atomic_load_explicit(&s->home, memory_order_relaxed);
}

LAT_FAST_INLINE uint32_t lat_call_next_life(uint32_t state)
{
	return ((state >> LAT_CALL_PHASE_BITS) + 1) << LAT_CALL_PHASE_BITS | LAT_CALL_IDLE;
}

/* What the replier says, where the caller finds it. */
LAT_FAST_INLINE void lat_call_answer(struct lat_call_slot *s, void *where, int rc, int32_t type,
				     const void *data, size_t len)
{
	struct lat_waits *waiter = atomic_load_explicit(&s->waiter, memory_order_relaxed);

	s->type = type;
	s->len = (uint32_t)len;
	s->rc = rc == 0 && len > s->cap ? -EMSGSIZE : rc;
	if (s->rc == 0 && len <= LAT_EXECUTE_LEN_MAX)
		lat_ring_move(where, data, (uint32_t)len);
	else if (s->rc == 0)
		memcpy(where, data, len);
	if (waiter != NULL)
		lat_waitgraph_remove(waiter);
}

/* Ends a call in the turn of the flows: what it came to. @rc: what its wait came to. */
LAT_FAST_INLINE int lat_call_home_ended(struct lat_flows *f, struct lat_call_slot *s, struct lat_call *call,
					int rc)
{
	uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);

	if ((state & LAT_CALL_PHASE) == LAT_CALL_ANSWERED) {
		call->reply_type = s->type;
		call->reply_len = s->len;
		rc = s->rc;
	} else if (lat_waits_current != NULL) {
		lat_waitgraph_remove(lat_waits_current);
	}
	atomic_store_explicit(&s->state, lat_call_next_life(state), memory_order_relaxed);
	s->next = f->idle;
	f->idle = s;
	return rc;
}

/* The rest of a call whose flow has waited: what that came to is @rc. */
LAT_FAST_INLINE int lat_call_home_wait(struct lat_flows *f, struct lat_call_slot *s, struct lat_call *call,
				       uint64_t deadline_ns, const struct lat_flow_ops *ops, int rc)
{
	lat_turn_begin(&f->turn);
	while (rc == 0 &&
	       (atomic_load_explicit(&s->state, memory_order_relaxed) & LAT_CALL_PHASE) == LAT_CALL_ASKED) {
		lat_turn_end(&f->turn);
		rc = ops->wait(ops->ctx, -1, 0, deadline_ns);
		lat_turn_begin(&f->turn);
	}
	rc = lat_call_home_ended(f, s, call, rc);
	lat_turn_end(&f->turn);
	return rc;
}

/*
 * A call by a flow whose thread is home to the receivers. -EAGAIN: a condition does not hold, which is counted, or it is the
 * first; it has to go through the channel.
 */
LAT_FAST_INLINE int lat_call_home(struct lat_chan *ch, struct lat_call *call, uint64_t deadline_ns,
				  const struct lat_flow_ops *ops)
{
	struct lat_flows *f = &ch->src.inbox->flows;
	enum lat_condition why = lat_execute_look(ch, call->len, ch->admit);
	struct lat_call_slot *s;
	struct lat_flow_wait *to;
	uint32_t asked;
	int rc;

	if (why != LAT_CONDITIONS)
		return lat_execute_refused(ch, why);
	if (f->idle == NULL && !lat_call_home_slot(ch->src.inbox)) /* only this thread takes them out */
		return -EAGAIN;
	lat_turn_begin(&f->turn);
	why = lat_execute_look_locked(ch, call->len, ops, &to);
	if (why != LAT_CONDITIONS) {
		lat_turn_end(&f->turn);
		return lat_execute_refused(ch, why);
	}
	lat_execute_commit(ch, to);
	s = f->idle;
	f->idle = s->next;
	atomic_store_explicit(&s->ch, ch, memory_order_relaxed);
	s->buf = call->buf;
	s->cap = call->cap;
	s->reply = NULL;
	atomic_store_explicit(&s->waiter, lat_waits_current, memory_order_relaxed);
	s->flow = ops->self;
	asked = atomic_load_explicit(&s->state, memory_order_relaxed) | LAT_CALL_ASKED;
	atomic_store_explicit(&s->state, asked, memory_order_relaxed);
	if (lat_waits_current != NULL)
		lat_waitgraph_add_idle(lat_waits_current, to->waiter);
	lat_turn_end(&f->turn);
	lat_put_in_hands(&ch->src, to->take, call->type, call->data, (uint32_t)call->len, 0,
			 lat_call_token(s, asked));
	rc = ops->hand_off(ops->ctx, to->flow, deadline_ns);
	return lat_call_home_wait(f, s, call, deadline_ns, ops, rc);
}

/*
 * The reply to such a call, in the turn of the inbox's flows: 0, and then its flow, which is in s->flow, is to be woken in that
 * turn; or -EALREADY.
 */
LAT_FAST_INLINE int lat_call_reply_home_locked(struct lat_call_slot *s, uint64_t token, int why, int32_t type,
					       const void *data, size_t len)
{
	uint32_t asked = (uint32_t)token << LAT_CALL_PHASE_BITS | LAT_CALL_ASKED;

	if (atomic_load_explicit(&s->state, memory_order_relaxed) != asked)
		return -EALREADY;
	lat_call_answer(s, s->buf, why, type, data, len);
	atomic_store_explicit(&s->state, asked - LAT_CALL_ASKED + LAT_CALL_ANSWERED, memory_order_relaxed);
	return 0;
}

#endif

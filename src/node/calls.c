/* Calls and their replies. */
#include <errno.h>
#include <stdio.h>

#include "fastpath/call_fast.h"
#include "fastpath/link_seg.h"
#include "node/channel.h"
#include "node/channel_right.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/far.h"
#include "node/feed.h"
#include "node/links.h"
#include "node/names.h"
#include "node/node.h"
#include "node/remote.h"
#include "os/clock.h"
#include "sched/park.h"
#include "sched/point.h"
#include "session/opencalls.h"
#include "sync/waitgraph.h"

/* "a -> b -> a", where each of the ring is a service; else as the graph says it. */
static void ring_text(const struct lattice_channel *ch, const struct lat_wait_path *path, char *buf,
		      size_t bytes)
{
	size_t len = 0;

	for (uint32_t i = 0; i <= path->count; i++) {
		char name[LATTICE_SERVICE_MAX + 1];
		int n;

		lat_names_of(ch->node, path->at[i < path->count ? i : 0].pid, name);
		if (name[0] == '\0') {
			(void)lat_wait_path_text(path, buf, bytes);
			return;
		}
		n = snprintf(buf + len, bytes - len, "%s%s",
			     i == 0                                          ? ""
			     : i == path->count && path->total > path->count ? " -> ... -> "
									     : " -> ",
			     name);
		len += n > 0 ? (size_t)n : 0;
		len = len < bytes ? len : bytes - 1;
	}
}

/* What a call to another node is told beside what all are. */
static int remote_why(const struct lattice_channel *ch, int rc)
{
	int32_t src = ch->key.src, dst = ch->key.dst;
	lattice_node_id node = ch->key.node;

	switch (rc) {
	case -EACCES:
		return lat_why(
			ch, rc,
			"call %d->%d@%u: node %u does not allow it, or allows the channel but no calls on it: ask its owner "
			"for a right with 'call'",
			src, dst, node, node);
	case -ENOBUFS:
		return lat_why(ch, rc,
			       "call %d->%d@%u: %d calls are under way on the channel, or a node has no room",
			       src, dst, node, LAT_OPENCALLS_MAX);
	default:
		return lat_why(
			ch, rc,
			"call %d->%d@%u: the channel is lossy, or that pid is of a process there that has not the network "
			"itself: send, and receive the answer as a message",
			src, dst, node);
	}
}

static int call_why(const struct lattice_channel *ch, const struct lat_call *call, size_t bytes, int rc)
{
	char ring[768];

	if ((ch->remote != NULL || ch->far != NULL) && (rc == -EACCES || rc == -ENOBUFS || rc == -EOPNOTSUPP))
		return remote_why(ch, rc);
	switch (rc) {
	case -EDEADLK:
		ring_text(ch, &call->path, ring, sizeof(ring));
		return lat_why(ch, rc, "call %d->%d: nobody would ever answer: %s", ch->key.src, ch->key.dst,
			       ring);
	case -ETIMEDOUT:
		return lat_why(ch, rc, "call %d->%d: no reply in time", ch->key.src, ch->key.dst);
	case -ENOMEM:
		return lat_why(ch, rc, "call %d->%d: there was no memory for it, or for its reply",
			       ch->key.src, ch->key.dst);
	case -EMSGSIZE:
		if (call->reply_len <= bytes)
			return lat_channel_why(ch, rc);
		return lat_why(ch, rc, "call %d->%d: the reply has %u bytes, the buffer %zu", ch->key.src,
			       ch->key.dst, call->reply_len, bytes);
	case -ENOBUFS:
		if (ch->lane != NULL)
			return lat_why(ch, rc,
				       "call %d->%d: the call %d before it on the channel has no end yet",
				       ch->key.src, ch->key.dst, LAT_SEG_CALLS);
		return lat_why(ch, rc, "call %d->%d: %d calls to that pid are under way", ch->key.src,
			       ch->key.dst, LAT_CALLS_MAX);
	case -EOPNOTSUPP:
		return lat_why(
			ch, rc,
			"call %d->%d: this thread's scheduler hook cannot wake a flow: set its wake function",
			ch->key.src, ch->key.dst);
	default:
		return lat_channel_why(ch, rc);
	}
}

/* What a call came to, told. */
static int call_over(struct lattice_channel *ch, const struct lat_call *call, struct lattice_msg *reply,
		     int rc)
{
	if (rc < 0) {
		rc = lat_channel_local_rc(rc);
		if (rc == -EMSGSIZE)
			reply->len = call->reply_len;
		return call_why(ch, call, call->cap, rc);
	}
	*reply = (struct lattice_msg){
		.source = ch->key.dst, .type = call->reply_type, .data = call->buf, .len = call->reply_len
	};
	return 0;
}

static __attribute__((noinline)) int call_any(struct lattice_channel *ch, const struct lattice_msg *request,
					      struct lattice_msg *reply, void *buf, size_t bytes,
					      int64_t timeout_ns)
{
	struct lat_call call;
	int rc;

	if (ch == NULL || request == NULL || reply == NULL || (request->data == NULL && request->len > 0) ||
	    (buf == NULL && bytes > 0) || timeout_ns == 0)
		return lat_why(ch, -EINVAL,
			       "no channel, no request or reply, a length without data, or no time to wait");
	rc = lat_node_check(ch->node, ch);
	if (rc < 0)
		return rc;
	if (ch->no_calls)
		return lat_channel_right_refuses(ch, "calls, only messages");
	lat_sched_point();
	call.type = request->type;
	call.data = request->data;
	call.len = request->len;
	call.buf = buf;
	call.cap = bytes;
	call.reply_len = 0;
	if (ch->lane != NULL)
		rc = lat_lane_call(ch->lane, &call, lat_clock_until(timeout_ns));
	else if (ch->remote != NULL)
		rc = lat_outbound_ask(ch->remote, &call, lat_clock_until(timeout_ns));
	else if (ch->far != NULL)
		rc = lat_far_call(ch->far, &call, lat_clock_until(timeout_ns));
	else
		rc = lat_chan_call(ch->local, &call, lat_clock_until(timeout_ns));
	return call_over(ch, &call, reply, rc);
}

#ifdef LAT_TASKS_PARK

/* A parked caller goes on: its call was not ended in its place. */
static int parked_call_over(void *task)
{
	struct lattice_task *self = task;
	struct lat_call_slot *slot = self->park.slot;
	struct lattice_channel *ch = self->park.in;
	struct lat_call call = { .buf = slot->buf, .cap = slot->cap };
	const struct lat_flow_ops ops = { .ctx = self->sched, .self = self, .wait = lat_sched_wait };
	int rc;

	self->park.now = false;
	rc = lat_call_home_wait(&ch->local->src.inbox->flows, slot, &call, self->deadline_ns, &ops, self->rc);
	return call_over(ch, &call, self->park.msg, rc);
}

/*
 * P1 to P9 (fastpath/execute.h) for a call between tasks of @s: who gets it, in whose turn; or NULL, in none, and nothing was done. The
 * ordinary way finds out, and counts, why.
 */
LAT_FAST_INLINE struct lattice_task *may_call_locked(const struct lattice_sched *s,
						     const struct lattice_task *self, struct lat_chan *ch,
						     size_t len)
{
	struct lat_flows *f = &ch->src.inbox->flows;
	struct lattice_task *to;

	if (!lat_task_may_park(s, self) || s->turns == 0 || f->idle == NULL ||
	    lat_execute_look(ch, len, NULL) != LAT_CONDITIONS)
		return NULL;
	if (!lat_turn_try_single(&f->turn))
		return NULL;
	if (f->first != NULL && !lat_life_ended(&ch->src.life)) {
		to = f->first->flow;
		if (lat_task_is_parked(to) && len <= to->park.take.cap && to->priority >= self->priority)
			return to;
	}
	lat_turn_end_single(&f->turn);
	return NULL;
}

LAT_FAST_INLINE int call_parked(struct lattice_channel *ch, const struct lattice_msg *request,
				struct lattice_msg *reply, void *buf, size_t bytes, int64_t timeout_ns,
				uint64_t deadline)
{
	struct lattice_sched *s = lat_sched_of_thread;
	struct lattice_task *self, *to;
	struct lat_call_slot *slot;
	struct lattice_msg *msg;
	struct lat_chan *local;
	struct lat_flows *f;
	uint32_t asked;

	if (s == NULL || ch == NULL || request == NULL || reply == NULL || request->data == NULL ||
	    buf == NULL)
		return call_any(ch, request, reply, buf, bytes, timeout_ns);
	local = ch->local;
	self = s->current;
	if (local == NULL || self == NULL || ch->no_calls ||
	    !lat_flows_near(&local->src.inbox->flows, &s->hook))
		return call_any(ch, request, reply, buf, bytes, timeout_ns);
	to = may_call_locked(s, self, local, request->len);
	if (to == NULL)
		return call_any(ch, request, reply, buf, bytes, timeout_ns);

	/* The point of no return. */
	f = &local->src.inbox->flows;
	lat_execute_commit(local, &to->park.wait);
	slot = f->idle;
	f->idle = slot->next;
	atomic_store_explicit(&slot->ch, local, memory_order_relaxed);
	slot->buf = buf;
	slot->cap = bytes;
	slot->reply = reply;
	slot->source = ch->key.dst;
	atomic_store_explicit(&slot->waiter, self->waiter, memory_order_relaxed);
	slot->flow = self;
	asked = atomic_load_explicit(&slot->state, memory_order_relaxed) | LAT_CALL_ASKED;
	atomic_store_explicit(&slot->state, asked, memory_order_relaxed);
	lat_waitgraph_add_idle(self->waiter, to->park.wait.waiter);
	lat_turn_end_single(&f->turn);
	msg = to->park.msg; /* by its fields: compilers would clear it first */
	msg->source = local->src.from.pid;
	msg->type = request->type;
	msg->badge = local->src.from.badge;
	msg->node = (lattice_node_id)local->src.from.node;
	msg->seq = 0;
	msg->data = to->park.take.buf;
	msg->len = request->len;
	msg->call = lat_call_token(slot, asked);
	msg->lost = 0;
	lat_ring_move(to->park.take.buf, request->data, (uint32_t)request->len);
	lat_task_end_park(s, to);
	self->park.in = ch;
	self->park.msg = reply;
	self->park.slot = slot;
	lat_task_put_to_park(s, self, deadline);
	return lat_task_park_for(s, self, to, parked_call_over);
}

static __attribute__((noinline)) int call_until(struct lattice_channel *ch, const struct lattice_msg *request,
						struct lattice_msg *reply, void *buf, size_t bytes,
						int64_t timeout_ns)
{
	return timeout_ns == 0
		       ? call_any(ch, request, reply, buf, bytes, 0)
		       : call_parked(ch, request, reply, buf, bytes, timeout_ns, lat_clock_until(timeout_ns));
}

int lattice_channel_call(struct lattice_channel *ch, const struct lattice_msg *request,
			 struct lattice_msg *reply, void *buf, size_t bytes, int64_t timeout_ns)
{
	if (timeout_ns >= 0)
		return call_until(ch, request, reply, buf, bytes, timeout_ns);
	return call_parked(ch, request, reply, buf, bytes, timeout_ns, UINT64_MAX);
}

/* Ends a parked caller's call in its place. false: it is none, or that cannot be, and nothing was done. */
LAT_FAST_INLINE bool reply_parked(struct lat_inbox *inbox, uint64_t token, const struct lattice_msg *reply)
{
	struct lattice_sched *s = lat_sched_of_thread;
	struct lat_flows *f = &inbox->flows;
	struct lat_call_slot *slot;
	struct lattice_task *to;
	struct lattice_msg *msg;
	uint32_t asked = (uint32_t)token << LAT_CALL_PHASE_BITS | LAT_CALL_ASKED;

	if (s == NULL || !lat_flows_near(f, &s->hook) || reply->len > LAT_EXECUTE_LEN_MAX)
		return false;
	slot = lat_call_slot_of(atomic_load_explicit(&inbox->calls, memory_order_relaxed), token);
	if (slot == NULL || !lat_call_is_home(slot))
		return false;
	if (!lat_turn_try_single(&f->turn))
		return false;
	to = slot->flow;
	if (atomic_load_explicit(&slot->state, memory_order_relaxed) != asked || slot->reply == NULL ||
	    reply->len > slot->cap || !lat_task_is_parked(to)) {
		lat_turn_end_single(&f->turn);
		return false;
	}
	msg = slot->reply;
	msg->source = slot->source;
	msg->type = reply->type;
	msg->badge = 0;
	msg->node = 0;
	msg->seq = 0;
	msg->data = slot->buf;
	msg->len = reply->len;
	msg->call = 0;
	msg->lost = 0;
	lat_ring_move(slot->buf, reply->data, (uint32_t)reply->len);
	lat_waitgraph_remove(to->waiter);
	atomic_store_explicit(&slot->state, lat_call_next_life(asked), memory_order_relaxed);
	slot->next = f->idle;
	f->idle = slot;
	lat_turn_end_single(&f->turn);
	lat_task_end_park(s, to);
	lat_task_ready(s, to);
	return true;
}

#else

int lattice_channel_call(struct lattice_channel *ch, const struct lattice_msg *request,
			 struct lattice_msg *reply, void *buf, size_t bytes, int64_t timeout_ns)
{
	return call_any(ch, request, reply, buf, bytes, timeout_ns);
}

LAT_FAST_INLINE bool reply_parked(struct lat_inbox *inbox, uint64_t token, const struct lattice_msg *reply)
{
	(void)inbox;
	(void)token;
	(void)reply;
	return false;
}

#endif

static __attribute__((noinline)) int reply_any(struct lattice_endpoint *ep, const struct lattice_msg *msg,
					       const struct lattice_msg *reply)
{
	int rc;

	if (ep == NULL || msg == NULL || reply == NULL || (reply->data == NULL && reply->len > 0))
		return lat_why(ep, -EINVAL, "no endpoint, no message or reply, or a length without data");
	rc = lat_node_check_ours(ep->node, ep);
	if (rc < 0)
		return rc;
	if (!lat_feed_is_call(msg->call))
		rc = lat_inbox_reply(ep->inbox, msg->call, reply->type, reply->data, reply->len);
	else if (ep->node->network == NULL)
		rc = -EINVAL;
	else
		rc = lat_inbound_reply(ep->node->network, ep, msg->call,
				       &(struct lat_engine_msg){ reply->type, reply->data, reply->len });
	if (rc == -EINVAL)
		return lat_why(ep, rc, "pid %d received no such call", ep->pid);
	if (rc == -EALREADY)
		return lat_why(ep, rc, "the call was answered before, or its caller has given up or is gone");
	if (rc == -EAGAIN)
		return lat_why(ep, rc,
			       "as many bytes are on their way to the caller's node as may be: reply again");
	if (rc == -EMSGSIZE)
		return lat_why(ep, rc, "the reply is longer than the caller's node takes");
	if (rc == -ENOMEM)
		return lat_why(ep, rc, "there was no memory for the reply; the caller was told so");
	return rc;
}

int lattice_endpoint_reply(struct lattice_endpoint *ep, const struct lattice_msg *msg,
			   const struct lattice_msg *reply)
{
	if (ep != NULL && msg != NULL && reply != NULL && reply->data != NULL &&
	    !lat_node_foreign(ep->node) && reply_parked(ep->inbox, msg->call, reply))
		return 0;
	return reply_any(ep, msg, reply);
}

/* Calls and their replies, within a process. */
#include <errno.h>

#include "fastpath/call_fast.h"
#include "node/channel.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/node.h"
#include "os/clock.h"
#include "sched/switch.h"
#include "sync/waitgraph.h"

static int call_why(const struct lattice_channel *ch, const struct lat_call *call, size_t bytes, int rc)
{
	char ring[512];

	switch (rc) {
	case -EDEADLK:
		(void)lat_wait_path_text(&call->path, ring, sizeof(ring));
		return lat_why(ch, rc, "call %d->%d: nobody would ever answer: %s", ch->key.src, ch->key.dst,
			       ring);
	case -ETIMEDOUT:
		return lat_why(ch, rc, "call %d->%d: no reply in time", ch->key.src, ch->key.dst);
	case -EMSGSIZE:
		if (call->reply_len <= bytes)
			return lat_channel_why(ch, rc);
		return lat_why(ch, rc, "call %d->%d: the reply has %u bytes, the buffer %zu", ch->key.src,
			       ch->key.dst, call->reply_len, bytes);
	case -ENOBUFS:
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

/* Between tasks of our own scheduler all of it is inline: it is a handful of steps. */
LAT_FAST_INLINE int call_local(struct lat_chan *ch, struct lat_call *call, uint64_t deadline_ns)
{
	struct lattice_sched *s = lat_sched_of_thread;
	int rc;

	if (s == NULL || s->current == NULL ||
	    atomic_load_explicit(&ch->src.inbox->flows.home, memory_order_relaxed) != &s->hook)
		return lat_chan_call(ch, call, deadline_ns);
	rc = lat_call_home(ch, call, deadline_ns,
			   &(const struct lat_flow_ops){ s, s->current, lat_sched_may_hand_off_now,
							 lat_sched_hand_off_now, lat_sched_wait_now });
	return rc == -EAGAIN ? lat_chan_call_through(ch, call, deadline_ns) : rc;
}

/* -ENOENT: it is not such a call, as far as can be seen at a glance. */
LAT_FAST_INLINE int reply_local(struct lat_inbox *inbox, uint64_t token, const struct lattice_msg *reply)
{
	struct lattice_sched *s = lat_sched_of_thread;
	struct lat_call_slot *slot;
	int rc;

	if (s == NULL || atomic_load_explicit(&inbox->flows.home, memory_order_relaxed) != &s->hook)
		return -ENOENT;
	slot = lat_call_slot_of(atomic_load_explicit(&inbox->calls, memory_order_acquire), token);
	if (slot == NULL || !lat_call_is_home(slot))
		return -ENOENT;
	lat_turn_begin(&inbox->flows.turn);
	rc = lat_call_reply_home_locked(slot, token, 0, reply->type, reply->data, reply->len);
	if (rc == 0)
		lat_task_wake(s, slot->flow);
	lat_turn_end(&inbox->flows.turn);
	return rc == 0 ? 0 : -ENOENT; /* to be counted */
}

int lattice_channel_call(struct lattice_channel *ch, const struct lattice_msg *request,
			 struct lattice_msg *reply, void *buf, size_t bytes, int64_t timeout_ns)
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
	if (ch->local == NULL)
		return lat_why(
			ch, -EOPNOTSUPP,
			"call %d->%d@%u: calls reach pids of the same process only; send, and receive the answer as a message",
			ch->key.src, ch->key.dst, ch->key.node);
	lat_sched_point();
	call.type = request->type;
	call.data = request->data;
	call.len = request->len;
	call.buf = buf;
	call.cap = bytes;
	call.reply_len = 0;
	rc = call_local(ch->local, &call, lat_clock_until(timeout_ns));
	if (rc < 0) {
		rc = lat_channel_local_rc(rc);
		if (rc == -EMSGSIZE)
			reply->len = call.reply_len;
		return call_why(ch, &call, bytes, rc);
	}
	*reply = (struct lattice_msg){
		.source = ch->key.dst, .type = call.reply_type, .data = buf, .len = call.reply_len
	};
	return 0;
}

int lattice_endpoint_reply(struct lattice_endpoint *ep, const struct lattice_msg *msg,
			   const struct lattice_msg *reply)
{
	int rc;

	if (ep == NULL || msg == NULL || reply == NULL || (reply->data == NULL && reply->len > 0))
		return lat_why(ep, -EINVAL, "no endpoint, no message or reply, or a length without data");
	rc = lat_node_check_ours(ep->node, ep);
	if (rc < 0)
		return rc;
	if (reply_local(ep->inbox, msg->call, reply) == 0)
		return 0;
	rc = lat_inbox_reply(ep->inbox, msg->call, reply->type, reply->data, reply->len);
	if (rc == -EINVAL)
		return lat_why(ep, rc, "pid %d received no such call", ep->pid);
	if (rc == -EALREADY)
		return lat_why(ep, rc, "the call was answered before, or its caller has given up");
	return rc;
}

/* Receiving without a copy: the public calls that take a message where it lies, and release it. */
#include <errno.h>

#include <lattice/endpoint.h>

#include "fastpath/inbox_fast.h"
#include "fastpath/wait.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/node.h"
#include "node/remote.h"

/* lattice_endpoint_take(), whatever it takes. */
static int __attribute__((noinline)) take_far(struct lattice_endpoint *ep, struct lattice_msg *msg,
					      struct lattice_hold *hold, uint32_t flags, int64_t timeout_ns)
{
	struct lat_inbox_hold held = { 0 };
	const struct lat_endpoint_place to = { .hold = &held, .shared = (flags & LATTICE_TAKE_SHARED) != 0 };
	int rc;

	if (ep == NULL || msg == NULL || hold == NULL || (flags & ~(uint32_t)LATTICE_TAKE_SHARED) != 0)
		return lat_why(ep, -EINVAL, "no endpoint, no message or hold to fill in, or unknown flags");
	rc = lat_endpoint_receive(ep, msg, &to, timeout_ns);
	if (rc == 0)
		*hold = (struct lattice_hold){ .data = held.data, .source = held.src, .block = held.block };
	return rc;
}

/* As lat_inbox_hold_near_locked(). */
LAT_FAST_INLINE bool take_near_locked(struct lat_inbox *inbox, struct lattice_msg *msg,
				      struct lattice_hold *hold, bool shared, bool *settle)
{
	struct lat_inbox_hold held;
	struct lat_ring_msg m;

	if (!lat_inbox_hold_near_locked(inbox, &held, shared, &m, settle))
		return false;
	msg->source = held.src->from.pid;
	msg->type = m.type;
	msg->badge = held.src->from.badge;
	msg->node = 0;
	msg->seq = held.src->seq;
	msg->data = held.data;
	msg->len = m.len;
	msg->call = 0;
	msg->lost = 0;
	*hold = (struct lattice_hold){ .data = held.data, .source = held.src, .block = held.block };
	return true;
}

/* The usual case first, as of lattice_endpoint_recv(): a thread that is known to receive here, and a message that is there or soon comes. */
int lattice_endpoint_take(struct lattice_endpoint *ep, struct lattice_msg *msg, struct lattice_hold *hold,
			  uint32_t flags, int64_t timeout_ns)
{
	bool shared = (flags & LATTICE_TAKE_SHARED) != 0, single, got = false, keep, settle = false;
	struct lat_inbox *inbox;
	int rc;

	if (ep == NULL || msg == NULL || hold == NULL || (flags & ~(uint32_t)LATTICE_TAKE_SHARED) != 0 ||
	    lat_wait_hook != NULL || lat_node_foreign(ep->node) || !lat_inbox_is_server(ep->inbox))
		return take_far(ep, msg, hold, flags, timeout_ns);
	inbox = ep->inbox;
	single = lat_turn_is_single(&inbox->turn);
	if (!lat_turn_try_as(&inbox->turn, single))
		return take_far(ep, msg, hold, flags, timeout_ns);
	/* What was told comes first, or it would never come while there is always something near. */
	if (inbox->stats.messages % LAT_BELL_EVERY != 0 || !lat_inbox_told_locked(inbox))
		got = take_near_locked(inbox, msg, hold, shared, &settle) ||
		      (timeout_ns != 0 && lat_inbox_poll_near_locked(inbox) &&
		       take_near_locked(inbox, msg, hold, shared, &settle));
	if (got && LAT_UNLIKELY(settle))
		lat_inbox_settle_locked(inbox, &msg->call);
	keep = !got && lat_endpoint_keep_locked(ep, timeout_ns, single);
	lat_turn_end_as(&inbox->turn, single);
	if (got)
		return 0;
	rc = take_far(ep, msg, hold, flags, timeout_ns);
	if (keep)
		lat_endpoint_put(ep);
	return rc;
}

void lattice_endpoint_release(struct lattice_endpoint *ep, struct lattice_hold *hold)
{
	struct lat_inbox_hold held;

	if (ep == NULL || hold == NULL || hold->data == NULL || lat_node_foreign(ep->node))
		return;
	held = (struct lat_inbox_hold){ .data = hold->data, .src = hold->source, .block = hold->block };
	*hold = (struct lattice_hold){ 0 };
	if (!lat_inbox_release_near(ep->inbox, &held))
		lat_inbox_release(ep->inbox, &held);
	if (ep->node->network != NULL)
		lat_inbound_taken(ep->node->network);
}

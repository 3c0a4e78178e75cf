#include "fastpath/execute.h"

#include "fastpath/call_fast.h"

int lat_execute_refused(struct lat_chan *ch, enum lat_condition why)
{
	(void)atomic_fetch_add_explicit(&ch->counts.refused[why], 1, memory_order_relaxed);
	return -EAGAIN;
}

bool lat_execute_near(struct lat_chan *ch, struct lat_flow_ops *ops, enum lat_condition *refused)
{
	const struct lat_flows *f = &ch->src.inbox->flows;
	const struct lattice_sched_hook *hook = lat_wait_hook;
	enum lat_condition why = LAT_P7_DOMAIN;

	*refused = why;
	if (hook == NULL)
		return false;
	if (!lat_flows_at_home(f))
		why = atomic_load_explicit(&f->home, memory_order_relaxed) == NULL ? LAT_P5_WAITING
										   : LAT_P9_SCHEDULER;
	else if (hook->hand_off != NULL && lat_wait_flow(&ops->self) != NULL)
		why = LAT_CONDITIONS;
	if (why != LAT_CONDITIONS) {
		*refused = why;
		(void)lat_execute_refused(ch, why);
		return false;
	}
	ops->ctx = hook->ctx;
	ops->may_hand_off = hook->may_hand_off;
	ops->hand_off = hook->hand_off;
	ops->wait = hook->wait;
	return true;
}

/*
 * The message gets a number, like any other, so both ends' turns are taken first: nobody sends or receives on the channel while
 * it is decided.
 */
int lat_chan_execute(struct lat_chan *ch, int32_t type, const void *data, size_t len,
		     enum lat_condition *refused)
{
	struct lat_inbox *inbox = ch->src.inbox;
	struct lat_flow_wait *to = NULL;
	struct lat_flow_ops ops;
	enum lat_condition why;

	if (!lat_execute_near(ch, &ops, refused))
		return -EAGAIN;
	lat_turn_begin(&ch->sender.turn);
	lat_turn_begin(&inbox->turn);
	lat_turn_begin(&inbox->flows.turn);
	why = lat_execute_look(ch, len, ch->admit);
	if (why == LAT_CONDITIONS)
		why = lat_execute_look_locked(ch, len, &ops, &to);
	if (why == LAT_CONDITIONS) {
		lat_execute_commit(ch, to);
		lat_sender_handed_locked(&ch->sender, len);
		lat_inbox_handed_locked(inbox, &ch->src, (uint32_t)len);
		lat_put_in_hands(&ch->src, to->take, type, data, (uint32_t)len, ch->src.seq, 0);
	}
	lat_turn_end(&inbox->flows.turn);
	lat_turn_end(&inbox->turn);
	lat_turn_end(&ch->sender.turn);
	if (why != LAT_CONDITIONS) {
		*refused = why;
		return lat_execute_refused(ch, why);
	}
	(void)ops.hand_off(ops.ctx, to->flow, 0); /* what the sender's own turn comes to means nothing */
	return 0;
}

void lat_chan_execute_stats(const struct lat_chan *ch, struct lat_execute_stats *out)
{
	out->handed = atomic_load_explicit(&ch->counts.handed, memory_order_relaxed);
	for (size_t i = 0; i < LAT_CONDITIONS; i++)
		out->refused[i] = atomic_load_explicit(&ch->counts.refused[i], memory_order_relaxed);
}

#include "fastpath/execute.h"

#include <errno.h>
#include <string.h>

#include "fastpath/channel_state.h"
#include "fastpath/inbox_state.h"

static bool refused(struct lat_chan *ch, enum lat_condition why)
{
	(void)atomic_fetch_add_explicit(&ch->counts.refused[why], 1, memory_order_relaxed);
	return false;
}

/* P3, P4, P8: what the channel itself says. LAT_CONDITIONS: all hold. */
static enum lat_condition look_at_channel(const struct lat_chan *ch)
{
	if (atomic_load_explicit(&ch->sender.dead, memory_order_relaxed) != 0)
		return LAT_P3_HEALTHY;
	if (ch->admit != NULL && ch->admit(ch->src.user) < 0)
		return LAT_P4_RIGHT;
	if ((uint32_t)atomic_load_explicit(&ch->sender.sent, memory_order_relaxed) !=
		    atomic_load_explicit(&ch->rx_words.received, memory_order_relaxed) ||
	    atomic_load_explicit(&ch->src.second, memory_order_relaxed))
		return LAT_P8_FIRST;
	return LAT_CONDITIONS;
}

/* The receivers are flows of this thread: without that the turns are not to be touched. */
bool lat_execute_near(struct lat_chan *ch)
{
	const struct lat_flows *f = &ch->src.inbox->flows;

	if (lat_flows_at_home(f))
		return true;
	if (lat_wait_hook == NULL)
		return false;
	return refused(ch, atomic_load_explicit(&f->home, memory_order_relaxed) == NULL ? LAT_P5_WAITING
											: LAT_P9_SCHEDULER);
}

bool lat_execute_check(struct lat_chan *ch, size_t len, struct lat_execute *x)
{
	struct lat_flows *f = &ch->src.inbox->flows;
	const struct lattice_sched_hook *hook = lat_wait_hook;
	enum lat_condition why;

	if (len > LAT_EXECUTE_LEN_MAX)
		return refused(ch, LAT_P2_FITS);
	why = look_at_channel(ch);
	if (why != LAT_CONDITIONS)
		return refused(ch, why);
	x->hook = lat_wait_flow(&x->self);
	if (x->hook == NULL || hook->hand_off == NULL)
		return refused(ch, LAT_P7_DOMAIN);
	lat_turn_begin(&f->turn);
	x->to = f->first;
	if (x->to == NULL)
		why = LAT_P5_WAITING;
	else if (x->to->take->hold != NULL || len > x->to->take->cap)
		why = LAT_P2_FITS;
	else if (hook->may_hand_off != NULL && !hook->may_hand_off(hook->ctx, x->to->flow))
		why = LAT_P6_PRIORITY;
	if (why == LAT_CONDITIONS)
		return true;
	lat_turn_end(&f->turn);
	return refused(ch, why);
}

void lat_execute_commit(struct lat_chan *ch, struct lat_execute *x)
{
	struct lat_flows *f = &ch->src.inbox->flows;

	lat_flows_unlist(f, x->to);
	x->to->handed = true;
	f->inside--; /* it does not come back to the inbox */
	atomic_store_explicit(&ch->counts.handed,
			      atomic_load_explicit(&ch->counts.handed, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/*
 * The message gets a number, like any other, so both ends' turns are taken first: nobody sends or receives on the channel while
 * it is decided.
 */
int lat_chan_execute(struct lat_chan *ch, int32_t type, const void *data, size_t len)
{
	struct lat_inbox *inbox = ch->src.inbox;
	struct lat_execute x;
	bool held;

	if (!lat_execute_near(ch))
		return -EAGAIN;
	lat_turn_begin(&ch->sender.turn);
	lat_turn_begin(&inbox->turn);
	held = lat_execute_check(ch, len, &x);
	if (held) {
		lat_execute_commit(ch, &x);
		lat_sender_handed_locked(&ch->sender, len);
		lat_inbox_handed_locked(inbox, &ch->src, x.to->take, type, data, (uint32_t)len);
		lat_turn_end(&inbox->flows.turn);
	}
	lat_turn_end(&inbox->turn);
	lat_turn_end(&ch->sender.turn);
	if (!held)
		return -EAGAIN;
	(void)x.hook->hand_off(x.hook->ctx, x.to->flow,
			       0); /* what the sender's own turn comes to means nothing */
	return 0;
}

void lat_chan_execute_stats(const struct lat_chan *ch, struct lat_execute_stats *out)
{
	out->handed = atomic_load_explicit(&ch->counts.handed, memory_order_relaxed);
	for (size_t i = 0; i < LAT_CONDITIONS; i++)
		out->refused[i] = atomic_load_explicit(&ch->counts.refused[i], memory_order_relaxed);
}

#include "fastpath/flows.h"

#include <errno.h>

#include "fastpath/inbox_state.h"

bool lat_flows_bind(struct lat_flows *f)
{
	const struct lattice_sched_hook *none = NULL, *hook = lat_wait_hook;

	if (hook == NULL || hook->wake == NULL)
		return false;
	if (!atomic_compare_exchange_strong_explicit(&f->home, &none, hook, memory_order_relaxed,
						     memory_order_relaxed))
		return none == hook;
	lat_turn_set_single(&f->turn, true);
	if (lat_turn_is_single(&f->turn))
		atomic_store_explicit(&f->near, hook, memory_order_relaxed);
	return true;
}

/* Within the turn: a flow that is listed cannot end before it has had a turn of its own. */
void lat_flows_wake(struct lat_flows *f, bool all)
{
	const struct lattice_sched_hook *hook = atomic_load_explicit(&f->home, memory_order_acquire);
	bool home = lat_flows_begin(f);

	while (f->first != NULL) {
		struct lat_flow_wait *w = f->first;

		lat_flows_unlist(f, w);
		hook->wake(hook->ctx, w->flow);
		if (!all)
			break;
	}
	lat_flows_end(f, home);
}

bool lat_flows_enter_locked(struct lat_inbox *inbox, struct lat_flow_wait *w)
{
	struct lat_flows *f = &inbox->flows;
	bool first;

	if (!lat_flows_bind(f))
		return false;
	lat_turn_begin(&f->turn);
	first = !f->kept;
	f->kept = true;
	f->inside += !w->inside;
	w->inside = true;
	lat_flows_list(f, w);
	lat_turn_end(&f->turn);
	if (first) {
		inbox->has_flows = true;
		inbox->refs++;
		if (inbox->keep != NULL)
			inbox->keep(inbox->owner);
	}
	return true;
}

void lat_flows_woken(struct lat_flows *f, struct lat_flow_wait *w)
{
	lat_turn_begin(&f->turn);
	lat_flows_unlist(f, w);
	lat_turn_end(&f->turn);
}

bool lat_flows_close(struct lat_flows *f)
{
	bool home = lat_flows_begin(f), left;

	f->closed = true;
	left = f->kept && f->inside == 0;
	f->kept = f->kept && !left;
	lat_flows_end(f, home);
	return left;
}

void lat_flows_left(struct lat_inbox *inbox)
{
	if (inbox->drop != NULL)
		inbox->drop(inbox->owner);
	lat_inbox_put(inbox);
}

void lat_flows_set_bells(struct lat_flows *f, bool bells)
{
	bool home = lat_flows_begin(f);

	f->bells = bells;
	lat_flows_end(f, home);
}

/* On its way out. */
static void leave(struct lat_inbox *inbox)
{
	struct lat_flows *f = &inbox->flows;
	bool left;

	lat_turn_begin(&f->turn);
	f->inside--;
	left = f->closed && f->kept && f->inside == 0;
	f->kept = f->kept && !left;
	lat_turn_end(&f->turn);
	if (left)
		lat_flows_left(inbox);
}

int lat_flows_receive(struct lat_inbox *inbox, struct lat_inbox_take *take, struct lat_flow_wait *w,
		      int waited, uint64_t deadline_ns)
{
	int rc = lat_inbox_receive(inbox, take, waited < 0 ? 0 : deadline_ns);

	if (w->inside && !w->handed)
		leave(inbox);
	return rc == -ENOMSG && waited < 0 ? waited : rc;
}

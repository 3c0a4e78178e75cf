/*
 * Receiving, as far as it is worth being inline: where a flow stops and goes on, each return on its way out is mispredicted
 * (sched/switch.h).
 */
#ifndef LAT_FASTPATH_INBOX_FAST_H
#define LAT_FASTPATH_INBOX_FAST_H

#include "fastpath/inbox_state.h"

#define LAT_FAST_INLINE static inline __attribute__((always_inline))

/* For the wait-for graph: who calls here waits for this flow. */
LAT_FAST_INLINE void lat_inbox_note_server(struct lat_inbox *inbox)
{
	uint64_t server = atomic_load_explicit(&inbox->server, memory_order_relaxed);

	if (server != LAT_SERVERS_MANY &&
	    (lat_waits_current == NULL || lat_waits_id(lat_waits_current) != server))
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

#endif

/*
 * Flows of control (tasks) that wait in an inbox, all of one thread: its home, the first whose flow waits there. They are waked
 * without a descriptor, and may be handed a message, or a call, on the spot. Flows of other threads wait on descriptors.
 *
 * What is here is changed in a turn that the home thread gets by two plain stores (fastpath/turn.h); it calls nobody meanwhile. The
 * innermost of all locks but for the wait-for graph's.
 *
 * Life: while flows may be inside (waiting, or back from it and on their way out), the inbox and its owner stay.
 */
#ifndef LAT_FASTPATH_FLOWS_H
#define LAT_FASTPATH_FLOWS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fastpath/turn.h"
#include "fastpath/wait.h"

struct lat_call_slot;
struct lat_inbox_take;

struct lat_flow_wait { /* on the flow's stack */
	struct lat_flow_wait *next, *prev;
	void *flow;
	const struct lat_inbox_take *take; /* where a message may be put */
	uint64_t waiter;                   /* its id in the wait-for graph; 0: none */
	bool listed, handed;
	bool inside; /* counted for all of the call */
};

struct lat_flows { /* all zero: none */
	struct lat_turn turn;
	_Atomic(const struct lattice_sched_hook *) home; /* set once */
	_Atomic(const struct lattice_sched_hook *)
		near;                       /* the same, if that thread's turns are two plain stores */
	struct lat_flow_wait *first, *last; /* those that wait, the longest first */
	_Atomic(bool) waiting;              /* some are listed */
	uint32_t inside;                    /* listed, or on their way in or out */
	bool closed, kept, bells;
	struct lat_call_slot *idle; /* of calls by flows of the same thread */
};

/* The calling thread is home to flows that wait in it. */
static inline bool lat_flows_at_home(const struct lat_flows *f)
{
	const struct lattice_sched_hook *hook = lat_wait_hook;

	return hook != NULL && atomic_load_explicit(&f->home, memory_order_relaxed) == hook;
}

/* The same, for the thread of @hook: its turns are lat_turn_begin_single(). */
static inline bool lat_flows_near(const struct lat_flows *f, const struct lattice_sched_hook *hook)
{
	return atomic_load_explicit(&f->near, memory_order_relaxed) == hook;
}

/* A turn of whichever thread calls, which has none. */
static inline bool lat_flows_begin(struct lat_flows *f)
{
	bool home = lat_flows_at_home(f);

	if (home)
		lat_turn_begin(&f->turn);
	else
		lat_turn_take(&f->turn);
	return home;
}

static inline void lat_flows_end(struct lat_flows *f, bool home)
{
	if (home)
		lat_turn_end(&f->turn);
	else
		lat_turn_give(&f->turn);
}

/* The calling thread becomes home, if none is. Whether it is now. */
bool lat_flows_bind(struct lat_flows *f);

/* Somebody waits. Any thread; a hint. */
static inline bool lat_flows_waiting(const struct lat_flows *f)
{
	return atomic_load_explicit(&f->waiting, memory_order_relaxed);
}

/* The one that waits longest. In a turn. */
static inline void lat_flows_unlist_first(struct lat_flows *f, struct lat_flow_wait *w)
{
	w->listed = false;
	f->first = w->next;
	if (w->next != NULL) {
		w->next->prev = NULL;
		return;
	}
	f->last = NULL;
	atomic_store_explicit(&f->waiting, false, memory_order_relaxed);
}

/* In a turn. */
static inline void lat_flows_unlist(struct lat_flows *f, struct lat_flow_wait *w)
{
	if (!w->listed)
		return;
	if (w == f->first) {
		lat_flows_unlist_first(f, w);
		return;
	}
	w->listed = false;
	w->prev->next = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	else
		f->last = w->prev;
}

static inline void lat_flows_list(struct lat_flows *f, struct lat_flow_wait *w)
{
	w->listed = true;
	w->next = NULL;
	w->prev = f->last;
	f->last = w;
	if (w->prev != NULL) {
		w->prev->next = w;
		return;
	}
	f->first = w;
	atomic_store_explicit(&f->waiting, true, memory_order_relaxed);
}

/* Wakes the one that has waited longest, or all. Any thread. */
void lat_flows_wake(struct lat_flows *f, bool all);

#endif

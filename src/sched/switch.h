/*
 * Who runs next, and the switch to it. All inline: where one task stops and another goes on, each return on the way out of the
 * library is one that the processor mispredicts, so the way is to be short.
 */
#ifndef LAT_SCHED_SWITCH_H
#define LAT_SCHED_SWITCH_H

#include <errno.h>

#include "os/fork.h"
#include "sched/task.h"

enum { LAT_TURNS = 64 }; /* from task to task, until the dispatcher looks around */

#define LAT_SWITCH_INLINE static inline __attribute__((always_inline))

LAT_SWITCH_INLINE void lat_task_runs(struct lattice_sched *s, struct lattice_task *task)
{
	task->state = LAT_TASK_RUNNING;
	s->current = task;
	lat_waits_current = task->waiter;
}

/*
 * The current task, which has been put where it belongs, does not run on, but @to does, who was ready or waiting and is in no queue any
 * more; after many such switches in a row it only takes its turn among the ready ones. Returns when @self runs again.
 */
LAT_SWITCH_INLINE void lat_task_switch(struct lattice_sched *s, struct lattice_task *self,
				       struct lattice_task *to)
{
	struct lat_fiber *next = &to->fiber;

	if (s->turns > 0) {
		s->turns--;
		lat_task_runs(s, to);
		if (to == self)
			return;
	} else {
		lat_task_ready(s, to);
		s->current = NULL;
		next = &s->dispatcher;
	}
	lat_fiber_switch(&self->fiber, next);
}

/* Who is to run next, and does from now on; the dispatcher if that is nobody. */
LAT_SWITCH_INLINE struct lat_fiber *lat_task_next(struct lattice_sched *s)
{
	struct lattice_task *to = s->alone;

	if (s->turns == 0 || (to == NULL && s->ready_bits == 0)) {
		s->current = NULL;
		return &s->dispatcher;
	}
	s->turns--;
	if (to != NULL) {
		s->alone = NULL;
	} else {
		to = lat_task_first(s);
		lat_task_unready(s, to);
	}
	lat_task_runs(s, to);
	return &to->fiber;
}

/* The same, and whoever is to run next does. */
LAT_SWITCH_INLINE void lat_task_give_way(struct lattice_sched *s, struct lattice_task *self)
{
	struct lat_fiber *next = lat_task_next(s);

	if (next != &self->fiber)
		lat_fiber_switch(&self->fiber, next);
}

/* 0, or why no task of it waits any more. */
LAT_SWITCH_INLINE int lat_sched_may_wait(const struct lattice_sched *s)
{
	if (lat_sched_is_stopped(s))
		return -ESHUTDOWN;
	return s->generation == lat_fork_generation() ? 0 : -EPERM;
}

/* In no queue, if it has no deadline. */
LAT_SWITCH_INLINE void lat_task_put_to_wait(struct lattice_sched *s, struct lattice_task *task,
					    uint64_t deadline_ns)
{
	task->state = LAT_TASK_WAITING;
	task->deadline_ns = deadline_ns;
	if (deadline_ns != UINT64_MAX) {
		if (deadline_ns < s->nearest_ns)
			s->nearest_ns = deadline_ns;
		lat_task_queue_push(&s->timed, task);
	}
}

/* Puts the current task to wait; as lattice_sched_hook.wait without a descriptor. */
LAT_SWITCH_INLINE int lat_task_wait(struct lattice_sched *s, struct lattice_task *self, uint64_t deadline_ns)
{
	int rc = lat_sched_may_wait(s);

	if (rc < 0)
		return rc;
	if (self->permit) {
		self->permit = false;
		return 0;
	}
	lat_task_put_to_wait(s, self, deadline_ns);
	lat_task_give_way(s, self);
	return self->rc;
}

/* Ends the wait of a waiting task, which is in no queue then. */
LAT_SWITCH_INLINE void lat_task_unwait(struct lattice_sched *s, struct lattice_task *task, int rc)
{
	if (task->in != NULL) {
		s->on_fds_count -= task->in == &s->on_fds;
		lat_task_queue_remove(task);
	}
	task->rc = rc;
}

LAT_SWITCH_INLINE void lat_task_wake(struct lattice_sched *s, struct lattice_task *task)
{
	if (task->state == LAT_TASK_WAITING) {
		lat_task_unwait(s, task, 0);
		lat_task_ready(s, task);
	} else {
		task->permit = true;
	}
}

/* lattice_sched_hook's, for who knows that it is this. */
LAT_SWITCH_INLINE void lat_sched_wake_now(void *ctx, void *flow)
{
	if (lat_sched_of_thread == ctx)
		lat_task_wake(ctx, flow);
	else
		lat_sched_push_woken(flow, LAT_WOKEN);
}

/* Without a descriptor. */
LAT_SWITCH_INLINE int lat_sched_wait_now(void *ctx, int fd, short events, uint64_t deadline_ns)
{
	struct lattice_sched *s = ctx;

	(void)fd;
	(void)events;
	return lat_task_wait(s, s->current, deadline_ns);
}

LAT_SWITCH_INLINE bool lat_sched_may_hand_off_now(void *ctx, void *flow)
{
	const struct lattice_sched *s = ctx;
	const struct lattice_task *to = flow;

	/* One that was woken meanwhile is ready, and takes its turn. */
	return to->state == LAT_TASK_WAITING && to->priority >= s->current->priority &&
	       !lat_sched_is_stopped(s);
}

LAT_SWITCH_INLINE int lat_sched_hand_off_now(void *ctx, void *flow, uint64_t deadline_ns)
{
	struct lattice_sched *s = ctx;
	struct lattice_task *self = s->current, *to = flow;
	int rc = deadline_ns == 0 ? 0 : lat_sched_may_wait(s);

	LAT_ASSERT(to->sched == s && to->state == LAT_TASK_WAITING);
	if (rc < 0) {
		lat_task_wake(s, to);
		return rc;
	}
	lat_task_unwait(s, to, 0);
	if (deadline_ns == 0 || self->permit) {
		self->permit = self->permit && deadline_ns == 0;
		self->rc = 0;
		lat_task_ready(s, self);
	} else {
		lat_task_put_to_wait(s, self, deadline_ns);
	}
	lat_task_switch(s, self, to);
	return self->rc;
}

#endif

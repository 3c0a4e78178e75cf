/*
 * Calls of the library in which a task stops as its last step, keeping nothing on its stack (sched/context.h): who has all that it waits
 * for writes that where it belongs and ends the call in its place. It goes on in the program's own code.
 *
 * Where contexts cannot park, and under sanitizers, which have to be told of each switch on either side of it, such calls wait in the
 * ordinary way.
 */
#ifndef LAT_SCHED_PARK_H
#define LAT_SCHED_PARK_H

#include "sched/switch.h"

#if defined(LAT_CONTEXT_PARKS) && !defined(LAT_FIBER_SANITIZED)
#define LAT_TASKS_PARK 1
#endif

static inline void lat_park_init(struct lattice_task *task)
{
	struct lat_park *p = &task->park;

	p->wait = (struct lat_flow_wait){
		.flow = task, .take = &p->take, .waiter = lat_waits_id(task->waiter), .inside = true
	};
	p->take = (struct lat_inbox_take){ .info = &p->info, .flow = &p->wait };
}

#ifdef LAT_TASKS_PARK

/* The current task may stop now, and there is nothing else that it is to do first. */
LAT_SWITCH_INLINE bool lat_task_may_park(const struct lattice_sched *s, const struct lattice_task *self)
{
	return !self->permit && !lat_sched_is_stopped(s) &&
	       !atomic_load_explicit(&s->preempt, memory_order_relaxed) &&
	       s->generation == lat_fork_generation();
}

/* The current task waits, parked. To be followed by lat_task_park() or lat_task_park_for(). */
LAT_SWITCH_INLINE void lat_task_put_to_park(struct lattice_sched *s, struct lattice_task *self,
					    uint64_t deadline_ns)
{
	self->park.now = true;
	lat_task_put_to_wait(s, self, deadline_ns);
}

/* Whoever is to run next does. To be returned: what go_on(task) returns, or 0 (lat_task_end_park()). */
LAT_SWITCH_INLINE int lat_task_park(struct lattice_sched *s, struct lattice_task *self,
				    int (*go_on)(void *task))
{
	return lat_context_park(&self->fiber.context, &lat_task_next(s)->context, go_on, self);
}

/* The same, and @to does, who waits. s->turns is not 0. */
LAT_SWITCH_INLINE int lat_task_park_for(struct lattice_sched *s, struct lattice_task *self,
					struct lattice_task *to, int (*go_on)(void *task))
{
	s->turns--;
	lat_task_runs(s, to);
	return lat_context_park(&self->fiber.context, &to->fiber.context, go_on, self);
}

/* Whether @task waits parked and nobody has woken it. */
LAT_SWITCH_INLINE bool lat_task_is_parked(const struct lattice_task *task)
{
	return task->park.now && task->state == LAT_TASK_WAITING;
}

/* Ends its wait, and its call: that returns 0. It is in no queue then. */
LAT_SWITCH_INLINE void lat_task_end_park(struct lattice_sched *s, struct lattice_task *task)
{
	task->park.now = false;
	lat_context_end_park(&task->fiber.context);
	lat_task_unwait(s, task, 0);
}

#endif

#endif

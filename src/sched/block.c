/* What tasks do to each other: the specification's calls on the ready queue and the wait-for graph. */
#include <errno.h>

#include <lattice/sched.h>

#include "base/why.h"
#include "os/clock.h"
#include "sched/switch.h"

/* The calling task if @task is of its scheduler, else NULL. */
static struct lattice_task *beside(const struct lattice_task *task)
{
	struct lattice_sched *s = lat_sched_of_thread;

	return s != NULL && task->sched == s ? s->current : NULL;
}

static int stopped_or_0(const struct lattice_sched *s)
{
	return lat_sched_is_stopped(s) ? -ESHUTDOWN : 0;
}

int lattice_sched_yield(void)
{
	struct lattice_task *self = lattice_task_current();

	if (self == NULL)
		return -EPERM;
	atomic_store_explicit(&self->sched->preempt, false, memory_order_relaxed);
	lat_task_ready(self->sched, self);
	lat_task_give_way(self->sched, self);
	return stopped_or_0(self->sched);
}

void lattice_sched_preempt(struct lattice_sched *s)
{
	atomic_store_explicit(&s->preempt, true, memory_order_relaxed);
}

int lattice_sched_enqueue(struct lattice_task *task)
{
	if (task->state == LAT_TASK_WAITING)
		return -EBUSY;
	if (task->state != LAT_TASK_NEW)
		return -EALREADY;
	lat_task_ready(task->sched, task);
	return 0;
}

int lattice_sched_yield_to(struct lattice_task *task)
{
	struct lattice_task *self = beside(task);

	if (self == NULL)
		return -EPERM;
	if (self == task)
		return -EINVAL;
	if (task->state == LAT_TASK_WAITING)
		return -EBUSY;
	if (task->state == LAT_TASK_READY)
		lat_task_unready(self->sched, task);
	lat_task_ready(self->sched, self);
	lat_task_switch(self->sched, self, task);
	return stopped_or_0(self->sched);
}

bool lattice_sched_is_blocked(const struct lattice_task *task)
{
	return task->state == LAT_TASK_WAITING;
}

struct lattice_task *lattice_sched_pick(const struct lattice_sched *s)
{
	return lat_task_first(s);
}

/* --- blocking ----------------------------------------------------------------------------------- */

static int add_edge(struct lattice_task *self, struct lattice_task *on)
{
	struct lat_wait_path path;
	char text[512];

	if (lat_waitgraph_add(self->waiter, lat_waits_id(on->waiter), &path) == 0)
		return 0;
	(void)lat_wait_path_text(&path, text, sizeof(text));
	return lat_why(NULL, -EDEADLK, "nobody would ever wake: %s", text);
}

static void begin(struct lattice_task *self, struct lattice_task *on)
{
	self->blocking = true;
	self->on = on;
	if (on != NULL)
		on->waited_for++;
}

/* What the wait came to, when it was woken with @rc. */
static int end(struct lattice_task *self, bool had, int rc)
{
	if (self->on != NULL) {
		self->on->waited_for--;
		lat_waitgraph_remove(self->waiter);
	} else if (had) {
		lat_waitgraph_remove(self->waiter);
	}
	if (self->unblocked)
		rc = 0;
	else if (had && self->on == NULL)
		rc = -EOWNERDEAD;
	self->blocking = self->unblocked = false;
	self->on = NULL;
	return rc;
}

static uint64_t deadline(int64_t timeout_ns)
{
	return timeout_ns == LATTICE_FOREVER ? UINT64_MAX
					     : lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns);
}

/* Until it is unblocked, or whom it waits for has ended. */
static int block(struct lattice_task *self, bool had, uint64_t deadline_ns)
{
	int rc = 0;

	while (rc == 0 && !self->unblocked && !(had && self->on == NULL))
		rc = lat_task_wait(self->sched, self, deadline_ns);
	return end(self, had, rc);
}

int lattice_sched_block_on(struct lattice_task *task, int64_t timeout_ns)
{
	struct lattice_task *self = task == NULL ? lattice_task_current() : beside(task);
	int rc = 0;

	if (self == NULL)
		return -EPERM;
	if (self->unblocked) {
		self->unblocked = false;
		return 0;
	}
	if (task != NULL)
		rc = add_edge(self, task);
	if (rc < 0)
		return rc;
	begin(self, task);
	if (timeout_ns == 0)
		return end(self, task != NULL, -ETIMEDOUT);
	return block(self, task != NULL, deadline(timeout_ns));
}

int lattice_sched_unblock(struct lattice_task *task)
{
	struct lattice_sched *s = task->sched;

	if (lat_sched_of_thread != s) {
		lat_sched_push_woken(task, LAT_UNBLOCKED);
		return 0;
	}
	task->unblocked = true;
	if (task->blocking && task->state == LAT_TASK_WAITING) {
		lat_task_unwait(s, task, 0);
		lat_task_ready(s, task);
	}
	return 0;
}

int lattice_sched_direct_handoff(struct lattice_task *task, int64_t timeout_ns)
{
	struct lattice_task *self;
	uint64_t until;
	int rc;

	if (task == NULL)
		return -EINVAL;
	self = beside(task);
	if (self == NULL)
		return -EPERM;
	if (self == task)
		return -EINVAL;
	if (task->state == LAT_TASK_NEW || (task->state == LAT_TASK_WAITING && !task->blocking))
		return -EBUSY;
	if (timeout_ns == 0 || self->unblocked || task->state != LAT_TASK_WAITING) {
		(void)lattice_sched_unblock(task);
		return lattice_sched_block_on(task, timeout_ns);
	}
	if (lat_sched_is_stopped(self->sched))
		return -ESHUTDOWN;
	/* It waits for nobody from here on, so the caller may wait for it without closing a ring. */
	task->unblocked = true;
	lat_waitgraph_remove(task->waiter);
	lat_waitgraph_add_idle(self->waiter, lat_waits_id(task->waiter));
	begin(self, task);
	until = deadline(timeout_ns);
	rc = lat_sched_hand_off(self->sched, task, until);
	return rc < 0 ? end(self, true, rc) : block(self, true, until);
}

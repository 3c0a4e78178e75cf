/*
 * Tasks on one thread: their life, and who runs. A task that stops running switches to the one that is to run next. The
 * thread's own flow of control is the dispatcher: it runs when nobody is ready, and after so many switches, to look at what
 * tasks wait for, and when a task has ended, to take it apart.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include <lattice/sched.h>

#include "base/util.h"
#include "os/eventfd.h"
#include "os/fork.h"
#include "sched/park.h"

_Thread_local struct lattice_sched *lat_sched_of_thread;
_Thread_local _Atomic(bool) *lat_sched_asked;

/* --- a task's life ------------------------------------------------------------------------------ */

static void entry(void *arg)
{
	struct lattice_task *task = arg;

	task->fn(task->arg);
	task->state = LAT_TASK_ENDED;
	lat_fiber_leave(&task->fiber, &task->sched->dispatcher);
}

static void task_free(struct lattice_task *task)
{
	lat_fiber_fini(&task->fiber);
	lat_waits_close(task->waiter);
	free(task);
}

static void tell_blocked(struct lattice_sched *s, struct lattice_task *ended)
{
	for (struct lattice_task *t = s->all; t != NULL && ended->waited_for > 0; t = t->all_next) {
		if (!t->blocking || t->on != ended)
			continue;
		t->on = NULL;
		ended->waited_for--;
		if (t->state == LAT_TASK_WAITING) {
			lat_task_unwait(s, t, -EOWNERDEAD);
			lat_task_ready(s, t);
		}
	}
}

static void task_ended(struct lattice_sched *s, struct lattice_task *task)
{
	if (atomic_load_explicit(&task->woken, memory_order_acquire) != 0)
		lat_sched_take_woken(s);
	tell_blocked(s, task);
	if (task->all_prev != NULL)
		task->all_prev->all_next = task->all_next;
	else
		s->all = task->all_next;
	if (task->all_next != NULL)
		task->all_next->all_prev = task->all_prev;
	else
		s->all_last = task->all_prev;
	s->tasks--;
	task_free(task);
}

/* Runs @task, and whoever runs after it. */
static void dispatch(struct lattice_sched *s, struct lattice_task *task)
{
	lat_task_unready(s, task);
	lat_task_runs(s, task);
	lat_fiber_switch(&s->dispatcher, &task->fiber);
}

static int make(struct lattice_task **out, struct lattice_sched *s, size_t stack_bytes)
{
	struct lattice_task *task = aligned_alloc(alignof(struct lattice_task), sizeof(*task));
	int rc;

	if (task == NULL)
		return -ENOMEM;
	*task = (struct lattice_task){ .sched = s, .priority = LATTICE_TASK_PRIORITY_DEFAULT };
	rc = lat_fiber_init(&task->fiber, stack_bytes, entry, task);
	if (rc < 0) {
		free(task);
		return rc;
	}
	*out = task;
	return 0;
}

int lattice_task_open(struct lattice_task **out, struct lattice_sched *s, int32_t pid, lattice_task_fn fn,
		      void *arg, size_t stack_bytes)
{
	struct lattice_task *task;
	int rc;

	*out = NULL;
	if (pid < 0 || fn == NULL)
		return -EINVAL;
	if (s->generation != lat_fork_generation())
		return -EPERM;
	if (lat_sched_is_stopped(s))
		return -ESHUTDOWN;
	if (s->tasks == LATTICE_SCHED_TASKS_MAX)
		return -ENOBUFS;
	if (stack_bytes == 0)
		stack_bytes = LATTICE_TASK_STACK_DEFAULT;
	else if (stack_bytes < LATTICE_TASK_STACK_MIN)
		stack_bytes = LATTICE_TASK_STACK_MIN;
	rc = make(&task, s, stack_bytes);
	if (rc < 0)
		return rc;
	rc = lat_waits_open(&task->waiter, pid);
	if (rc < 0) {
		task_free(task);
		return rc;
	}
	lat_park_init(task);
	task->pid = pid;
	task->fn = fn;
	task->arg = arg;
	task->all_prev = s->all_last;
	if (s->all_last != NULL)
		s->all_last->all_next = task;
	else
		s->all = task;
	s->all_last = task;
	s->tasks++;
	*out = task;
	return 0;
}

int lattice_task_spawn(struct lattice_sched *s, int32_t pid, lattice_task_fn fn, void *arg,
		       size_t stack_bytes)
{
	struct lattice_task *task;
	int rc = lattice_task_open(&task, s, pid, fn, arg, stack_bytes);

	if (rc == 0)
		lat_task_ready(s, task);
	return rc;
}

struct lattice_task *lattice_task_current(void)
{
	return lat_sched_of_thread == NULL ? NULL : lat_sched_of_thread->current;
}

int32_t lattice_task_pid(const struct lattice_task *task)
{
	return task == NULL ? 0 : task->pid;
}

int lattice_task_priority(const struct lattice_task *task)
{
	return task == NULL ? -1 : task->priority;
}

int lattice_task_set_priority(struct lattice_task *task, int priority)
{
	bool queued = task->in != NULL && task->state == LAT_TASK_READY;

	if (priority < 0 || priority > LATTICE_TASK_PRIORITY_MAX)
		return -EINVAL;
	if (queued)
		lat_task_unready(task->sched, task);
	task->priority = (uint8_t)priority;
	if (queued)
		lat_task_ready(task->sched, task);
	return 0;
}

/* --- the scheduler's life ----------------------------------------------------------------------- */

int lattice_sched_open(struct lattice_sched **out)
{
	struct lattice_sched *s = aligned_alloc(alignof(struct lattice_sched), sizeof(*s));
	int rc;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	*s = (struct lattice_sched){ .wake_fd = -1, .nearest_ns = UINT64_MAX };
	s->hook = (struct lattice_sched_hook){
		.ctx = s,
		.current = lat_sched_current,
		.wait = lat_sched_wait,
		.wake = lat_sched_wake,
		.may_hand_off = lat_sched_may_hand_off,
		.hand_off = lat_sched_hand_off,
	};
	rc = lat_fork_watch();
	if (rc == 0)
		rc = lat_eventfd_open(&s->wake_fd);
	if (rc == 0)
		rc = lat_polls_reserve(&s->polls, 1, s->wake_fd);
	if (rc < 0) {
		lat_eventfd_close(s->wake_fd);
		free(s);
		return rc;
	}
	s->generation = lat_fork_generation();
	*out = s;
	return 0;
}

int lattice_sched_close(struct lattice_sched *s)
{
	if (s == NULL || s->generation != lat_fork_generation())
		return 0;
	if (atomic_load_explicit(&s->running, memory_order_acquire) ||
	    (s->tasks > 0 && lat_sched_of_thread != NULL))
		return -EBUSY;
	lattice_sched_stop(s);
	if (s->tasks > 0 && lattice_sched_run(s) < 0)
		return -EBUSY;
	while (atomic_load_explicit(&s->pushers, memory_order_acquire) > 0)
		(void)sched_yield(); /* what they still do is short, and they hold no lock */
	lat_eventfd_close(s->wake_fd);
	lat_polls_fini(&s->polls);
	free(s);
	return 0;
}

int lattice_sched_run(struct lattice_sched *s)
{
	const struct lattice_sched_hook *hook;
	struct lattice_task *task;
	struct lat_waits *waiter;

	if (s->generation != lat_fork_generation())
		return -EPERM;
	if (atomic_exchange_explicit(&s->running, true, memory_order_acq_rel))
		return -EBUSY;
	if (lat_sched_of_thread != NULL) {
		atomic_store_explicit(&s->running, false, memory_order_release);
		return -EPERM;
	}
	lat_fiber_adopt(&s->dispatcher);
	lat_sched_of_thread = s;
	lat_sched_asked = &s->preempt;
	hook = lat_wait_hook_set(&s->hook);
	waiter = lat_waits_current;
	while (s->tasks > 0) {
		lat_sched_take_woken(s);
		lat_sched_look(s);
		s->turns = LAT_TURNS;
		task = lat_task_first(s);
		if (task == NULL)
			continue;
		dispatch(s, task);
		if (s->current != NULL) {
			task = s->current;
			s->current = NULL;
			task_ended(s, task);
		}
	}
	lat_waits_current = waiter;
	(void)lat_wait_hook_set(hook);
	lat_sched_of_thread = NULL;
	lat_sched_asked = NULL;
	atomic_store_explicit(&s->running, false, memory_order_release);
	return 0;
}

void lattice_sched_stop(struct lattice_sched *s)
{
	atomic_store_explicit(&s->stopped, true, memory_order_release);
	lat_eventfd_signal(s->wake_fd);
}

size_t lattice_sched_tasks(const struct lattice_sched *s)
{
	return s->tasks;
}

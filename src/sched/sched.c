/*
 * Tasks on one thread. The thread's own flow of control is the dispatcher: it switches to the task that has
 * been ready longest, and every task switches back to it when it yields, waits or ends. Everything but
 * stopped, running and wake_fd belongs to that thread.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <lattice/sched.h>

#include "base/util.h"
#include "fastpath/wait.h"
#include "os/clock.h"
#include "os/eventfd.h"
#include "os/poll.h"
#include "sched/fiber.h"

struct lattice_task {
	struct lat_fiber fiber;
	struct lattice_sched *sched;
	struct lattice_task *next; /* in the ready queue or the list of waiting ones */
	lattice_task_fn fn;
	void *arg;
	int32_t pid;
	bool ended;
	/* While it waits, and what the wait came to. */
	int fd;
	short events;
	uint64_t deadline_ns;
	size_t place; /* of fd in polls */
	int rc;
};

struct queue {
	struct lattice_task *first, **end;
	size_t count;
};

struct lattice_sched {
	struct lat_fiber dispatcher;
	struct lat_wait_hook hook;
	struct queue ready, waiting;
	struct lattice_task *current;
	size_t tasks;
	struct pollfd *polls; /* [0] is wake_fd; each descriptor is there once, however many wait for it */
	size_t polls_max;
	uint32_t *place_of_fd; /* a hint, checked against polls */
	size_t fds_max;
	int wake_fd;
	_Atomic(bool) stopped;
	_Atomic(bool) running;
};

static _Thread_local struct lattice_sched *thread_sched;

static void queue_init(struct queue *q)
{
	*q = (struct queue){ .end = &q->first };
}

static void queue_push(struct queue *q, struct lattice_task *task)
{
	task->next = NULL;
	*q->end = task;
	q->end = &task->next;
	q->count++;
}

static struct lattice_task *queue_pop(struct queue *q)
{
	struct lattice_task *task = q->first;

	if (task == NULL)
		return NULL;
	q->first = task->next;
	if (q->first == NULL)
		q->end = &q->first;
	q->count--;
	return task;
}

static bool is_stopped(const struct lattice_sched *s)
{
	return atomic_load_explicit(&s->stopped, memory_order_acquire);
}

/* Room to poll for one more task, on @fd. 0, -ENOMEM. */
static int polls_reserve(struct lattice_sched *s, int fd)
{
	size_t want = s->waiting.count + 2;

	if (want > s->polls_max) {
		struct pollfd *polls = realloc(s->polls, 2 * want * sizeof(*polls));

		if (polls == NULL)
			return -ENOMEM;
		s->polls = polls;
		s->polls_max = 2 * want;
	}
	if ((size_t)fd >= s->fds_max) {
		size_t fds = 2 * ((size_t)fd + 1);
		uint32_t *places = realloc(s->place_of_fd, fds * sizeof(*places));

		if (places == NULL)
			return -ENOMEM;
		for (size_t i = s->fds_max; i < fds; i++)
			places[i] = 0;
		s->place_of_fd = places;
		s->fds_max = fds;
	}
	return 0;
}

/* lat_wait_hook: the running task waits, the others run. */
static int wait_fd(void *ctx, int fd, short events, uint64_t deadline_ns)
{
	struct lattice_sched *s = ctx;
	struct lattice_task *task = s->current;
	int rc;

	if (is_stopped(s))
		return -ESHUTDOWN;
	if (fd < 0)
		return -EBADF;
	rc = polls_reserve(s, fd);
	if (rc < 0)
		return rc;
	task->fd = fd;
	task->events = events;
	task->deadline_ns = deadline_ns;
	queue_push(&s->waiting, task);
	lat_fiber_switch(&task->fiber, &s->dispatcher);
	return task->rc;
}

static void make_ready(struct lattice_sched *s, struct lattice_task *task, int rc)
{
	task->rc = rc;
	queue_push(&s->ready, task);
}

/* Fills polls from the waiting tasks: how many. *nearest is the nearest deadline. */
static size_t polls_fill(struct lattice_sched *s, uint64_t *nearest)
{
	size_t count = 1;

	s->polls[0] = (struct pollfd){ .fd = s->wake_fd, .events = POLLIN };
	*nearest = UINT64_MAX;
	for (struct lattice_task *t = s->waiting.first; t != NULL; t = t->next) {
		uint32_t place = s->place_of_fd[t->fd];

		if (t->deadline_ns < *nearest)
			*nearest = t->deadline_ns;
		if (place == 0 || place >= count || s->polls[place].fd != t->fd) {
			place = (uint32_t)count++;
			s->place_of_fd[t->fd] = place;
			s->polls[place] = (struct pollfd){ .fd = t->fd };
		}
		s->polls[place].events |= t->events;
		t->place = place;
	}
	return count;
}

/* Makes those ready whose wait is over; sleeps until there is one, unless a task is ready already. */
static void look_at_waiting(struct lattice_sched *s)
{
	struct queue still;
	struct lattice_task *task;
	bool stopped = is_stopped(s), polled = false;
	uint64_t nearest, now = 0;

	if (!stopped) {
		size_t count = polls_fill(s, &nearest);

		/* -EINTR and -ENOMEM: the caller comes again. */
		polled = lat_poll_until(s->polls, count, s->ready.count > 0 ? 0 : nearest) > 0;
		stopped = is_stopped(s);
		now = nearest == UINT64_MAX ? 0 : lat_clock_monotonic_ns();
	}
	queue_init(&still);
	while ((task = queue_pop(&s->waiting)) != NULL) {
		if (stopped)
			make_ready(s, task, -ESHUTDOWN);
		else if (polled &&
			 (s->polls[task->place].revents & (task->events | POLLERR | POLLHUP | POLLNVAL)) != 0)
			make_ready(s, task, 0);
		else if (task->deadline_ns <= now)
			make_ready(s, task, -ETIMEDOUT);
		else
			queue_push(&still, task);
	}
	while ((task = queue_pop(&still)) != NULL)
		queue_push(&s->waiting, task);
}

static void task_entry(void *arg)
{
	struct lattice_task *task = arg;

	task->fn(task->arg);
	task->ended = true;
	lat_fiber_leave(&task->fiber, &task->sched->dispatcher);
}

static void task_free(struct lattice_task *task)
{
	lat_fiber_fini(&task->fiber);
	free(task);
}

static void dispatch(struct lattice_sched *s, struct lattice_task *task)
{
	s->current = task;
	lat_fiber_switch(&s->dispatcher, &task->fiber);
	s->current = NULL;
	if (task->ended) {
		s->tasks--;
		task_free(task);
	}
}

int lattice_sched_open(struct lattice_sched **out)
{
	struct lattice_sched *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	queue_init(&s->ready);
	queue_init(&s->waiting);
	s->hook = (struct lat_wait_hook){ .ctx = s, .wait_fd = wait_fd };
	s->wake_fd = -1;
	rc = lat_eventfd_open(&s->wake_fd);
	if (rc < 0) {
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

int lattice_sched_close(struct lattice_sched *s)
{
	if (s == NULL)
		return 0;
	if (atomic_load_explicit(&s->running, memory_order_acquire) || (s->tasks > 0 && thread_sched != NULL))
		return -EBUSY;
	lattice_sched_stop(s);
	if (s->tasks > 0 && lattice_sched_run(s) < 0)
		return -EBUSY;
	lat_eventfd_close(s->wake_fd);
	free(s->polls);
	free(s->place_of_fd);
	free(s);
	return 0;
}

int lattice_task_spawn(struct lattice_sched *s, int32_t pid, lattice_task_fn fn, void *arg,
		       size_t stack_bytes)
{
	struct lattice_task *task;
	int rc;

	if (pid < 0 || fn == NULL)
		return -EINVAL;
	if (is_stopped(s))
		return -ESHUTDOWN;
	if (s->tasks == LATTICE_SCHED_TASKS_MAX)
		return -ENOBUFS;
	if (stack_bytes == 0)
		stack_bytes = LATTICE_TASK_STACK_DEFAULT;
	else if (stack_bytes < LATTICE_TASK_STACK_MIN)
		stack_bytes = LATTICE_TASK_STACK_MIN;
	task = calloc(1, sizeof(*task));
	if (task == NULL)
		return -ENOMEM;
	task->sched = s;
	task->pid = pid;
	task->fn = fn;
	task->arg = arg;
	rc = lat_fiber_init(&task->fiber, stack_bytes, task_entry, task);
	if (rc < 0) {
		free(task);
		return rc;
	}
	s->tasks++;
	queue_push(&s->ready, task);
	return 0;
}

int lattice_sched_run(struct lattice_sched *s)
{
	const struct lat_wait_hook *hook;

	if (atomic_exchange_explicit(&s->running, true, memory_order_acq_rel))
		return -EBUSY;
	if (thread_sched != NULL) {
		atomic_store_explicit(&s->running, false, memory_order_release);
		return -EPERM;
	}
	lat_fiber_adopt(&s->dispatcher);
	thread_sched = s;
	hook = lat_wait_hook_set(&s->hook);
	while (s->tasks > 0) {
		/*
		 * One round is of those that are ready now, so that tasks which only yield do not keep others
		 * from being woken.
		 */
		for (size_t round = s->ready.count; round > 0; round--)
			dispatch(s, queue_pop(&s->ready));
		if (s->waiting.count > 0)
			look_at_waiting(s);
	}
	(void)lat_wait_hook_set(hook);
	thread_sched = NULL;
	atomic_store_explicit(&s->running, false, memory_order_release);
	return 0;
}

void lattice_sched_stop(struct lattice_sched *s)
{
	atomic_store_explicit(&s->stopped, true, memory_order_release);
	lat_eventfd_signal(s->wake_fd);
}

int lattice_sched_yield(void)
{
	struct lattice_task *task = lattice_task_current();

	if (task == NULL)
		return -EPERM;
	make_ready(task->sched, task, 0);
	lat_fiber_switch(&task->fiber, &task->sched->dispatcher);
	return is_stopped(task->sched) ? -ESHUTDOWN : 0;
}

struct lattice_task *lattice_task_current(void)
{
	return thread_sched == NULL ? NULL : thread_sched->current;
}

int32_t lattice_task_pid(const struct lattice_task *task)
{
	return task == NULL ? 0 : task->pid;
}

size_t lattice_sched_tasks(const struct lattice_sched *s)
{
	return s->tasks;
}

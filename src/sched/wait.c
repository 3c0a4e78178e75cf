/*
 * How tasks wait: what the library's calls reach through the hook, other threads' wake-ups, and the scheduler's own sleep.
 *
 * Another thread that wakes a task sets a bit in the task's word; who set the first one pushes the task on the
 * scheduler's stack, and then exchanges sleeping with 0 and signals wake_fd if it was 1. The scheduler sets sleeping, looks
 * at the stack once more, and only then sleeps:
 *   [S] sleeping exchange 0, acq_rel -> [s] sleeping exchange 1, acq_rel : what was pushed before is seen after
 *   [P] stack exchange, release -> [p] stack exchange, acquire : the link of a pushed task
 *   [F] woken exchange 0, release -> woken or, acquire : the link may be written again
 *   [B] woken or, release -> [b] woken exchange, acquire : what the waker did before is seen by the task
 */
#include <errno.h>
#include <poll.h>

#include "os/clock.h"
#include "os/eventfd.h"
#include "os/poll.h"
#include "sched/switch.h"

enum { LOOK_NS = 50000 }; /* while tasks are ready, descriptors and deadlines are looked at this often */

/* --- the hook ----------------------------------------------------------------------------------- */

void *lat_sched_current(void *ctx)
{
	struct lattice_sched *s = ctx;

	return s->current;
}

static int wait_on_fd(struct lattice_sched *s, struct lattice_task *self, int fd, short events,
		      uint64_t deadline_ns)
{
	int rc = lat_sched_may_wait(s);

	if (rc == 0)
		rc = lat_polls_reserve(&s->polls, s->on_fds_count + 2, fd > s->wake_fd ? fd : s->wake_fd);
	if (rc < 0)
		return rc;
	self->polled = (struct lat_polled){ .fd = fd, .events = events };
	self->state = LAT_TASK_WAITING;
	self->deadline_ns = deadline_ns;
	lat_task_queue_push(&s->on_fds, self);
	s->on_fds_count++;
	lat_task_give_way(s, self);
	return self->rc;
}

int lat_sched_wait(void *ctx, int fd, short events, uint64_t deadline_ns)
{
	struct lattice_sched *s = ctx;

	if (fd < 0)
		return lat_task_wait(s, s->current, deadline_ns);
	return wait_on_fd(s, s->current, fd, events, deadline_ns);
}

void lat_sched_wake(void *ctx, void *flow)
{
	lat_sched_wake_now(ctx, flow);
}

bool lat_sched_may_hand_off(void *ctx, void *flow)
{
	return lat_sched_may_hand_off_now(ctx, flow);
}

int lat_sched_hand_off(void *ctx, void *flow, uint64_t deadline_ns)
{
	return lat_sched_hand_off_now(ctx, flow, deadline_ns);
}

/* --- other threads ------------------------------------------------------------------------------ */

void lat_sched_push_woken(struct lattice_task *task, uint32_t bits)
{
	struct lattice_sched *s = task->sched;
	struct lattice_task *top;

	atomic_fetch_add_explicit(&s->pushers, 1, memory_order_relaxed);
	if (atomic_fetch_or_explicit(&task->woken, bits, memory_order_acq_rel) != 0) { /* [B] */
		atomic_fetch_sub_explicit(&s->pushers, 1, memory_order_release);
		return;
	}
	top = atomic_load_explicit(&s->stack, memory_order_relaxed);
	do
		task->pushed = top;
	while (!atomic_compare_exchange_weak_explicit(&s->stack, &top, task, memory_order_release, /* [P] */
						      memory_order_relaxed));
	if (atomic_exchange_explicit(&s->sleeping, 0, memory_order_acq_rel) == 1) /* [S] */
		lat_eventfd_signal(s->wake_fd);
	atomic_fetch_sub_explicit(&s->pushers, 1, memory_order_release);
}

void lat_sched_take_woken(struct lattice_sched *s)
{
	struct lattice_task *task, *in_order = NULL;

	if (atomic_load_explicit(&s->stack, memory_order_relaxed) == NULL)
		return;
	task = atomic_exchange_explicit(&s->stack, NULL, memory_order_acquire); /* [p] */
	while (task != NULL) {
		struct lattice_task *below = task->pushed;

		task->pushed = in_order;
		in_order = task;
		task = below;
	}
	while (in_order != NULL) {
		uint32_t bits;

		task = in_order;
		in_order = task->pushed; /* from the exchange on it may be pushed again */
		bits = atomic_exchange_explicit(&task->woken, 0, memory_order_acq_rel); /* [b] [F] */
		if ((bits & LAT_UNBLOCKED) != 0)
			task->unblocked = true;
		if ((bits & LAT_WOKEN) != 0 || task->blocking)
			lat_task_wake(s, task);
	}
}

/* --- the scheduler's sleep ---------------------------------------------------------------------- */

static void end_wait(struct lattice_sched *s, struct lattice_task *task, int rc)
{
	lat_task_unwait(s, task, rc);
	lat_task_ready(s, task);
}

/* Every wait is over, for good; and all tasks run to their ends. */
static void tell_stopped(struct lattice_sched *s)
{
	if (s->told_stopped)
		return;
	s->told_stopped = true;
	for (struct lattice_task *t = s->all; t != NULL; t = t->all_next) {
		if (t->state == LAT_TASK_WAITING)
			end_wait(s, t, -ESHUTDOWN);
		else if (t->state == LAT_TASK_NEW)
			lat_task_ready(s, t);
	}
}

static uint64_t nearest(const struct lattice_sched *s)
{
	uint64_t at = UINT64_MAX;

	for (const struct lattice_task *t = s->timed.first; t != NULL; t = t->next)
		at = t->deadline_ns < at ? t->deadline_ns : at;
	return at;
}

static void end_timed(struct lattice_sched *s, uint64_t now)
{
	if (now < s->nearest_ns)
		return;
	for (struct lattice_task *t = s->timed.first, *next; t != NULL; t = next) {
		next = t->next;
		if (t->deadline_ns <= now)
			end_wait(s, t, -ETIMEDOUT);
	}
	s->nearest_ns = nearest(s);
}

/* What poll(2) is to look at, and until when: the nearest deadline of all. */
static uint64_t fill_polls(struct lattice_sched *s, struct lat_polled *woken)
{
	uint64_t until = s->nearest_ns;

	lat_polls_restart(&s->polls);
	*woken = (struct lat_polled){ .fd = s->wake_fd, .events = POLLIN };
	lat_polls_add(&s->polls, woken);
	for (struct lattice_task *t = s->on_fds.first; t != NULL; t = t->next) {
		until = t->deadline_ns < until ? t->deadline_ns : until;
		lat_polls_add(&s->polls, &t->polled);
	}
	return until;
}

static void end_polled(struct lattice_sched *s, bool polled, uint64_t now)
{
	for (struct lattice_task *t = s->on_fds.first, *next; t != NULL; t = next) {
		next = t->next;
		if (polled && lat_polls_over(&s->polls, &t->polled))
			end_wait(s, t, 0);
		else if (t->deadline_ns <= now)
			end_wait(s, t, -ETIMEDOUT);
	}
}

/* true: other threads woke somebody, or it was stopped; nobody is to sleep. */
static bool announce_sleep(struct lattice_sched *s)
{
	atomic_exchange_explicit(&s->sleeping, 1, memory_order_acq_rel); /* [s] */
	return atomic_load_explicit(&s->stack, memory_order_relaxed) != NULL || lat_sched_is_stopped(s);
}

void lat_sched_look(struct lattice_sched *s)
{
	bool busy = lat_task_first(s) != NULL, polled;
	struct lat_polled woken;
	uint64_t until, now;

	if (lat_sched_is_stopped(s))
		tell_stopped(s);
	if (s->timed.first == NULL)
		s->nearest_ns = UINT64_MAX;
	if (busy) {
		if (s->timed.first == NULL && s->on_fds.first == NULL)
			return;
		now = lat_clock_monotonic_ns();
		if (now - s->polled_ns < LOOK_NS)
			return;
		s->polled_ns = now;
	}
	until = fill_polls(s, &woken);
	if (!busy && announce_sleep(s))
		busy = true;
	/* -EINTR and -ENOMEM: the caller comes again. */
	polled = lat_polls_sleep(&s->polls, busy ? 0 : until) > 0;
	atomic_store_explicit(&s->sleeping, 0, memory_order_relaxed);
	if (polled && lat_polls_over(&s->polls, &woken) && !lat_sched_is_stopped(s))
		lat_eventfd_clear(s->wake_fd);
	now = until == UINT64_MAX ? 0 : lat_clock_monotonic_ns();
	end_timed(s, now);
	end_polled(s, polled, now);
}

/* A scheduler and its tasks, for the files that share them. Who needs more than the public calls is in this room. */
#ifndef LAT_SCHED_TASK_H
#define LAT_SCHED_TASK_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lattice/sched.h>

#include "base/util.h"
#include "fastpath/inbox_state.h"
#include "fastpath/wait.h"
#include "sched/fiber.h"
#include "sched/point.h"
#include "sched/polls.h"
#include "sync/waitgraph.h"

enum { LAT_PRIORITIES = LATTICE_TASK_PRIORITY_MAX + 1 };

/*
 * A task that stopped in lat_context_park() (sched/park.h): all that its call of the library needs to go on, or that others need to end
 * it.
 */
struct lat_park {
	bool now;
	void *in;                /* the endpoint or channel of the call */
	struct lattice_msg *msg; /* for what is received, or for the reply */
	struct lat_call_slot *slot;
	struct lat_flow_wait wait; /* these three: of a receiver */
	struct lat_inbox_take take;
	struct lat_inbox_info info;
};

enum lat_task_state { LAT_TASK_NEW, LAT_TASK_READY, LAT_TASK_RUNNING, LAT_TASK_WAITING, LAT_TASK_ENDED };

struct lat_task_queue {
	struct lattice_task *first, *last;
};

struct lattice_task {
	struct lat_fiber fiber;
	struct lattice_sched *sched;
	struct lat_waits *waiter;
	struct lat_task_queue
		*in; /* the one queue that it is in: ready, timed or on descriptors; NULL: none */
	struct lattice_task *next, *prev;
	enum lat_task_state state;
	uint8_t priority;
	bool permit;    /* woken while it did not wait: its next wait is none */
	bool blocking;  /* in lattice_sched_block_on() */
	bool unblocked; /* lattice_sched_unblock() was called for it */
	int rc;         /* what its wait came to */
	uint64_t deadline_ns;
	struct lattice_task *on; /* whom it is blocked on */
	uint32_t waited_for;     /* how many are blocked on it */
	struct lat_polled polled;
	struct lat_park park;

	lattice_task_fn fn;
	void *arg;
	int32_t pid;
	struct lattice_task *all_next, *all_prev;
	/* Other threads'. */
	_Atomic(uint32_t) woken;     /* bits of enum lat_woken; not 0: it is on the scheduler's stack */
	struct lattice_task *pushed; /* next on that */
};

enum lat_woken { LAT_WOKEN = 1, LAT_UNBLOCKED = 2 };

struct lattice_sched {
	struct lat_fiber dispatcher;
	struct lattice_sched_hook hook;
	struct lattice_task *current;
	struct lattice_task *alone; /* ready, and nobody else is: in no queue */
	struct lat_task_queue ready[LAT_PRIORITIES];
	uint32_t ready_bits; /* bit p: ready[p] is not empty */
	uint32_t turns;      /* switches from task to task until the dispatcher is to look around */
	struct lat_task_queue timed, on_fds;
	size_t on_fds_count;
	uint64_t nearest_ns; /* no deadline of timed is before this */
	uint64_t polled_ns;  /* when descriptors were last looked at */
	struct lat_polls polls;
	struct lattice_task *all, *all_last; /* in the order in which they were made */
	size_t tasks;
	uint32_t generation; /* of the process that opened it */
	bool told_stopped;
	int wake_fd;
	/* Other threads'. */
	alignas(LAT_CACHELINE) _Atomic(struct lattice_task *) stack; /* tasks that they woke */
	_Atomic(uint32_t) sleeping;                                  /* 1: who pushes signals wake_fd */
	_Atomic(uint32_t) pushers; /* who are still at it: what they woke may have ended meanwhile */
	_Atomic(bool) stopped, running, preempt;
};

/* The scheduler that this thread runs, or NULL. */
extern _Thread_local struct lattice_sched *lat_sched_of_thread __attribute__((tls_model("initial-exec")));

static inline bool lat_sched_is_stopped(const struct lattice_sched *s)
{
	return atomic_load_explicit(&s->stopped, memory_order_acquire);
}

static inline void lat_task_queue_push(struct lat_task_queue *q, struct lattice_task *task)
{
	task->in = q;
	task->next = NULL;
	task->prev = q->last;
	if (q->last != NULL)
		q->last->next = task;
	else
		q->first = task;
	q->last = task;
}

static inline void lat_task_queue_remove(struct lattice_task *task)
{
	struct lat_task_queue *q = task->in;

	if (task->prev != NULL)
		task->prev->next = task->next;
	else
		q->first = task->next;
	if (task->next != NULL)
		task->next->prev = task->prev;
	else
		q->last = task->prev;
	task->in = NULL;
}

static inline void lat_task_enqueue(struct lattice_sched *s, struct lattice_task *task)
{
	s->ready_bits |= UINT32_C(1) << task->priority;
	lat_task_queue_push(&s->ready[task->priority], task);
}

/* The caller's task may run: at the end of the queue of its priority. */
static inline void lat_task_ready(struct lattice_sched *s, struct lattice_task *task)
{
	struct lattice_task *alone = s->alone;

	task->state = LAT_TASK_READY;
	if (alone == NULL && s->ready_bits == 0) {
		s->alone = task;
		return;
	}
	s->alone = NULL;
	if (alone != NULL)
		lat_task_enqueue(s, alone);
	lat_task_enqueue(s, task);
}

/* Who is to run next, or NULL. */
static inline struct lattice_task *lat_task_first(const struct lattice_sched *s)
{
	if (s->ready_bits == 0)
		return s->alone;
	return s->ready[31 - __builtin_clz(s->ready_bits)].first;
}

/* A ready one is ready no more. */
static inline void lat_task_unready(struct lattice_sched *s, struct lattice_task *task)
{
	if (s->alone == task) {
		s->alone = NULL;
		return;
	}
	lat_task_queue_remove(task);
	if (s->ready[task->priority].first == NULL)
		s->ready_bits &= ~(UINT32_C(1) << task->priority);
}

/* lattice_sched_hook */
void *lat_sched_current(void *ctx);
int lat_sched_wait(void *ctx, int fd, short events, uint64_t deadline_ns);
void lat_sched_wake(void *ctx, void *flow);
bool lat_sched_may_hand_off(void *ctx, void *flow);
int lat_sched_hand_off(void *ctx, void *flow, uint64_t deadline_ns);

/* Takes in what other threads woke. */
void lat_sched_take_woken(struct lattice_sched *s);
/* Sets @bits for @task and, if its scheduler sleeps, wakes that. Any thread; the task does not end meanwhile. */
void lat_sched_push_woken(struct lattice_task *task, uint32_t bits);
/* Makes those ready whose wait is over; sleeps until there is one, unless a task is ready already. */
void lat_sched_look(struct lattice_sched *s);

#endif

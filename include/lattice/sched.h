/*
 * Tasks in user space: many flows of control on one thread, each with a stack of its own, switched without
 * the kernel. A task that waits in a receive, for a reply or for room to send lets the others run; when all wait, the
 * thread sleeps.
 *
 * A scheduler belongs to the thread that calls lattice_sched_run(). Others may call only lattice_sched_stop(),
 * lattice_sched_preempt() and lattice_sched_unblock(). Tasks of several schedulers, each on a thread of its own, send
 * each other messages like threads.
 *
 * A task is new, ready, running, blocked (in lattice_sched_block_on(), or in any other call that waits) or has ended. The
 * ready ones run in the order of their priorities and, of one priority, the longest ready first. A running task goes on
 * until it waits, yields or ends. A direct switch to a certain task passes the queue by, but not more than 64 times in a row
 * while others are ready.
 */
#ifndef LATTICE_SCHED_H
#define LATTICE_SCHED_H

#include <stdbool.h>

#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lattice_sched;
struct lattice_task;

typedef void (*lattice_task_fn)(void *arg);

#define LATTICE_SCHED_TASKS_MAX \
	16384 /* of one scheduler at a time: each stack takes two of the process's 65530 mappings */
#define LATTICE_TASK_STACK_DEFAULT 262144 /* bytes; committed as they are touched */
#define LATTICE_TASK_STACK_MIN     16384

/* A ready task of a higher priority runs before any of a lower one. */
#define LATTICE_TASK_PRIORITY_MAX     7
#define LATTICE_TASK_PRIORITY_DEFAULT 3

/**
 * Opens a scheduler. It has no thread of its own: lattice_sched_run() lends it the caller's.
 * @param out  the scheduler; NULL on failure
 * @return 0, -ENOMEM, -EMFILE
 */
LATTICE_API
LATTICE_MUST_USE
int lattice_sched_open(struct lattice_sched **out);

/**
 * Closes a scheduler and frees it.
 *
 * Every task that was spawned returns first, on this thread: tasks that have not ended are run to their end,
 * and from now on no task of it waits (as lattice_sched_stop() says). So a stack is never torn down under a
 * function that still uses it; a task that ignores -ESHUTDOWN for ever keeps this call from returning. NULL
 * is fine.
 *
 * @return 0, or -EBUSY: called by one of its tasks, while another thread is in lattice_sched_run(), or with
 *   tasks left, by a task of another scheduler; nothing was done
 */
LATTICE_API
int lattice_sched_close(struct lattice_sched *s);

/**
 * Makes a task that will call fn(arg) and end when that returns. It is put at the end of the ready queue and
 * runs in lattice_sched_run(), not before.
 *
 * Below the stack lies a page that may not be touched: a stack that overflows is a SIGSEGV, not a silent
 * corruption. (A frame larger than that page can jump over it: compile tasks with -fstack-clash-protection.)
 *
 * @param pid          the pid the task receives as, for lattice_task_pid(); 0: none
 * @param stack_bytes  rounded up to pages; 0: LATTICE_TASK_STACK_DEFAULT; less than LATTICE_TASK_STACK_MIN is
 *                     raised to it
 *
 * Threads: the scheduler's, in a task or outside lattice_sched_run().
 * @return 0, or
 *   -EINVAL     pid below 0, fn NULL, or an absurd stack_bytes
 *   -ENOBUFS    LATTICE_SCHED_TASKS_MAX tasks have not ended
 *   -ENOMEM     no memory for the stack
 *   -ESHUTDOWN  stopped
 */
LATTICE_API
LATTICE_MUST_USE
int lattice_task_spawn(struct lattice_sched *s, int32_t pid, lattice_task_fn fn, void *arg,
		       size_t stack_bytes);

/**
 * The same, but the task is new: it runs once lattice_sched_enqueue() has made it ready. lattice_sched_run() does not return
 * before that and its end.
 * @param out  the task, valid until it ends; NULL on failure
 * @return as lattice_task_spawn()
 */
LATTICE_API
LATTICE_MUST_USE
int lattice_task_open(struct lattice_task **out, struct lattice_sched *s, int32_t pid, lattice_task_fn fn,
		      void *arg, size_t stack_bytes);

/**
 * Runs tasks, the longest ready first, until every task has ended, those spawned meanwhile too. Sleeps when
 * all wait.
 *
 * While it runs, the calls of a task that take a time-out (receiving, sending, flushing, connecting, ...) wait for it
 * without keeping the thread, and with a node opened with no_threads they do its network's work meanwhile. Any other
 * call that blocks, blocks all tasks.
 *
 * @return 0, or
 *   -EBUSY   it is running: called by one of its tasks, or by a second thread
 *   -EPERM   this thread runs another scheduler: a task cannot run a scheduler
 */
LATTICE_API
LATTICE_MUST_USE
int lattice_sched_run(struct lattice_sched *s);

/**
 * Ends the waiting: from now on each wait of its tasks returns -ESHUTDOWN at once, those under way too, and
 * no task is spawned; lattice_sched_run() returns when all tasks have. For good.
 *
 * Threads: any. Does not block.
 */
LATTICE_API
void lattice_sched_stop(struct lattice_sched *s);

/**
 * Lets the other ready tasks of its priority or a higher one run; the caller goes to the end of the ready queue.
 * @return 0, -EPERM (the caller is not a task), -ESHUTDOWN (they have run, and the scheduler is stopped:
 *   the task should end)
 */
LATTICE_API
int lattice_sched_yield(void);

/*
 * Asks the task that runs, whichever it is, to yield: it does so in its next call that may wait (a receive, a call, a wait for
 * room, any of this page). For timers and watchdogs of programs whose tasks compute for long.
 *
 * Threads: any, and signal handlers. Does not block.
 */
LATTICE_API
void lattice_sched_preempt(struct lattice_sched *s);

/**
 * Makes a new task ready, at the end of the ready queue.
 * Threads: the scheduler's.
 * @return 0, -EALREADY (it is ready or running), -EBUSY (it is blocked: see lattice_sched_unblock())
 */
LATTICE_API
int lattice_sched_enqueue(struct lattice_task *task);

/**
 * Runs @task now; the caller goes to the end of the ready queue. Priorities are not looked at.
 * @return 0 (it has run, or runs now, as do the others before the caller's turn came),
 *   -EPERM      the caller is not a task of the same scheduler
 *   -EINVAL     @task is the caller
 *   -EBUSY      @task is blocked
 *   -ESHUTDOWN  as lattice_sched_yield()
 */
LATTICE_API
int lattice_sched_yield_to(struct lattice_task *task);

/**
 * The caller waits until lattice_sched_unblock() is called for it (or was, since its last such wait).
 *
 * @param task        whom it waits for: noted in the wait-for graph. NULL: for nobody in particular
 * @param timeout_ns  longest wait; 0 does not wait, LATTICE_FOREVER does not give up
 * @return 0, or
 *   -EDEADLK     @task waits, through however many others, for the caller: all of them would wait for ever.
 *                lattice_explain(NULL, ...) names the ring
 *   -ETIMEDOUT   nobody unblocked it
 *   -EOWNERDEAD  @task ended
 *   -EPERM       the caller is not a task, or @task is not of the same scheduler
 *   -ESHUTDOWN   stopped
 */
LATTICE_API
LATTICE_MUST_USE
int lattice_sched_block_on(struct lattice_task *task, int64_t timeout_ns);

/**
 * Ends @task's lattice_sched_block_on() with 0, or its next one if it is in none.
 * Threads: any, while @task has not ended.
 * @return 0
 */
LATTICE_API
int lattice_sched_unblock(struct lattice_task *task);

/* Whether @task waits, in lattice_sched_block_on() or in another call. The scheduler's thread. */
LATTICE_API
bool lattice_sched_is_blocked(const struct lattice_task *task);

/* Who would run next if the caller waited now; NULL: nobody is ready. It stays where it is. The scheduler's thread. */
LATTICE_API
struct lattice_task *lattice_sched_pick(const struct lattice_sched *s);

/**
 * Hands the processor to @task: unblocks it, blocks the caller on it and switches, in one step. Two tasks that hand off to each other
 * are a call and its reply. Priorities are not looked at.
 * @return as lattice_sched_block_on(); besides
 *   -EBUSY   @task waits in another call than lattice_sched_block_on(), or is new: nothing was done
 *   -EINVAL  @task is NULL or the caller
 */
LATTICE_API
LATTICE_MUST_USE
int lattice_sched_direct_handoff(struct lattice_task *task, int64_t timeout_ns);

/* The task that calls, or NULL outside tasks. Valid until it ends. */
LATTICE_API
struct lattice_task *lattice_task_current(void);

/**
 * How soon a task runs: 0 to LATTICE_TASK_PRIORITY_MAX, at first LATTICE_TASK_PRIORITY_DEFAULT. One that is ready goes to the end of the
 * queue of its new priority.
 * Threads: the scheduler's.
 * @return 0, -EINVAL (out of range)
 */
LATTICE_API
int lattice_task_set_priority(struct lattice_task *task, int priority);

/* -1 for NULL. */
LATTICE_API
int lattice_task_priority(const struct lattice_task *task);

/* The pid a task was spawned with; 0 for none and for NULL. */
LATTICE_API
int32_t lattice_task_pid(const struct lattice_task *task);

/* How many tasks have not ended. The scheduler's thread. */
LATTICE_API
size_t lattice_sched_tasks(const struct lattice_sched *s);

/*
 * How the flows of control of one thread wait for each other. lattice_sched_run() puts its own in place while it runs; a
 * program that has a scheduler or an event loop of its own (fibers, coroutines) puts this in place instead, and then the
 * library's calls that wait keep only the flow that called. All functions are called on the thread that the hook was set
 * for, but for wake.
 */
struct lattice_sched_hook {
	void *ctx; /* handed to each */
	/* The flow that calls, not NULL; or NULL: none, the thread itself waits. This function may be NULL: every call is one flow's. */
	void *(*current)(void *ctx);
	/*
	 * The current flow waits, while others run, until @fd (unless it is -1) has one of @events (POLLIN, POLLOUT) or is broken, or wake()
	 * is called for it, or until @deadline_ns of CLOCK_MONOTONIC (UINT64_MAX: no limit). 0 (also for no reason: the library looks
	 * again), -ETIMEDOUT, or another negative errno, which the library's call then returns.
	 */
	int (*wait)(void *ctx, int fd, short events, uint64_t deadline_ns);
	/*
	 * Ends @flow's wait() or, if it is in none, its next one. Any thread; short, does not block, switches to nobody. While it is
	 * called, @flow is in a call of the library. NULL: the library gives wait() descriptors only.
	 */
	void (*wake)(void *ctx, void *flow);
	/* Whether @flow, which is in wait(), may run before the current one goes on: its priority is not lower. NULL: it may. */
	bool (*may_hand_off)(void *ctx, void *flow);
	/*
	 * Ends the wait() of @flow, which is of this thread, and runs it now, in place of the current flow. That waits meanwhile, as in wait() without a
	 * descriptor; or, @deadline_ns being 0, runs again when its turn comes. Returns what wait() does. NULL: the library wakes and waits
	 * instead.
	 */
	int (*hand_off)(void *ctx, void *flow, uint64_t deadline_ns);
};

/**
 * Sets the calling thread's hook; NULL: none.
 * @param hook  copied
 * @return 0, -EINVAL (no wait function), -EBUSY (in a task of a scheduler)
 */
LATTICE_API
int lattice_sched_hook_set(const struct lattice_sched_hook *hook);

#ifdef __cplusplus
}
#endif

#endif

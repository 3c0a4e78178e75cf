/*
 * Tasks in user space: many flows of control on one thread, each with a stack of its own, switched without
 * the kernel. A task that waits in a receive or for room to send lets the others run; when all wait, the
 * thread sleeps.
 *
 * A scheduler belongs to the thread that calls lattice_sched_run(). Only lattice_sched_stop() may be called
 * by others.
 */
#ifndef LATTICE_SCHED_H
#define LATTICE_SCHED_H

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
 * Lets the other ready tasks run; the caller goes to the end of the ready queue.
 * @return 0, -EPERM (the caller is not a task), -ESHUTDOWN (they have run, and the scheduler is stopped:
 *   the task should end)
 */
LATTICE_API
int lattice_sched_yield(void);

/* The task that calls, or NULL outside tasks. Valid until it ends. */
LATTICE_API
struct lattice_task *lattice_task_current(void);

/* The pid a task was spawned with; 0 for none and for NULL. */
LATTICE_API
int32_t lattice_task_pid(const struct lattice_task *task);

/* How many tasks have not ended. The scheduler's thread. */
LATTICE_API
size_t lattice_sched_tasks(const struct lattice_sched *s);

#ifdef __cplusplus
}
#endif

#endif

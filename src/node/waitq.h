/*
 * Waiting for a condition under a mutex, in a way that a scheduler can turn into running another task: a condition
 * variable whose sleepers sleep on a file descriptor (fastpath/wait.h).
 */
#ifndef LAT_NODE_WAITQ_H
#define LAT_NODE_WAITQ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct lat_waiter { /* on the sleeper's stack */
	int fd;
	bool woken;
	void (*wake)(struct lat_waiter
			     *w); /* in place of the descriptor: with the mutex held, short; NULL: none */
	struct lat_waiter *next;
};

struct lat_waitq { /* all zero is empty; guarded by the mutex given to lat_waitq_wait */
	struct lat_waiter *first;
};

/*
 * For a sleeper that waits for something else as well: between enter and leave @w->fd is readable once lat_waitq_wake()
 * was called. Both with the mutex held. 0, -EMFILE, -ENFILE, -ENOMEM.
 */
int lat_waitq_enter(struct lat_waitq *q, struct lat_waiter *w) LAT_MUST_CHECK;
void lat_waitq_leave(struct lat_waitq *q, struct lat_waiter *w);

/* For one that is called: @w->wake is. Both with the mutex held. */
void lat_waitq_add(struct lat_waitq *q, struct lat_waiter *w);
void lat_waitq_remove(struct lat_waitq *q, struct lat_waiter *w);

/*
 * Sleeps until lat_waitq_wake() or @deadline_ns of CLOCK_MONOTONIC. @lock is held by the caller, released while sleeping and
 * held again on return. Look at the condition in a loop. 0, -ETIMEDOUT, -ESHUTDOWN (the calling task's scheduler is stopped),
 * -EMFILE, -ENFILE, -ENOMEM.
 */
int lat_waitq_wait(struct lat_waitq *q, pthread_mutex_t *lock, uint64_t deadline_ns) LAT_MUST_CHECK;

/* Wakes all. The mutex is held. */
void lat_waitq_wake(struct lat_waitq *q);

#endif

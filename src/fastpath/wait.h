/*
 * How a thread waits. By default it sleeps; a scheduler of tasks puts a hook in its place while it runs, so that a task
 * that waits lets the others run. The hook's functions are as <lattice/sched.h> says.
 */
#ifndef LAT_FASTPATH_WAIT_H
#define LAT_FASTPATH_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lattice/sched.h>

#include "base/util.h"

/* The calling thread's; NULL: none. Its address tells threads apart: no two share one. */
extern _Thread_local const struct lattice_sched_hook *lat_wait_hook
	__attribute__((tls_model("initial-exec")));

/*
 * Sets the calling thread's hook (NULL: none) and returns the one before it. @hook stays the caller's while
 * it is set.
 */
const struct lattice_sched_hook *lat_wait_hook_set(const struct lattice_sched_hook *hook);

/* The hook, if it has a say in what the caller does now: the caller is a flow of it. *flow (may be NULL) is which. */
static inline const struct lattice_sched_hook *lat_wait_flow(void **flow)
{
	const struct lattice_sched_hook *hook = lat_wait_hook;
	void *self = NULL;

	if (hook == NULL)
		return NULL;
	self = hook->current != NULL ? hook->current(hook->ctx) : hook->ctx;
	if (self == NULL && hook->current != NULL)
		return NULL;
	if (flow != NULL)
		*flow = self;
	return hook;
}

/* The calling flow's thread has others to run: it may only sleep on descriptors. */
bool lat_wait_hooked(void);

/*
 * Waits until @fd has one of @events (POLLIN, POLLOUT) or is broken, at most until @deadline_ns of
 * CLOCK_MONOTONIC (UINT64_MAX: no limit). Signals do not end it. The caller holds no lock.
 * 0 (look again), -ETIMEDOUT, -ESHUTDOWN (from a hook: the scheduler is being closed), -ENOMEM.
 */
LAT_MUST_CHECK int lat_wait_fd(int fd, short events, uint64_t deadline_ns);

/*
 * The same, until @a or @b (-1: none) is readable. Also -EMFILE, -ENFILE: a task needs a descriptor to wait for two.
 */
LAT_MUST_CHECK int lat_wait_readable(int a, int b, uint64_t deadline_ns);

#endif

/*
 * How a thread waits for a file descriptor. By default it sleeps in poll(2); a scheduler of tasks puts a hook
 * in its place while it runs, so that a task that waits lets the others run.
 */
#ifndef LAT_FASTPATH_WAIT_H
#define LAT_FASTPATH_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct lat_wait_hook {
	void *ctx;
	/* As lat_wait_fd(). */
	int (*wait_fd)(void *ctx, int fd, short events, uint64_t deadline_ns);
};

/*
 * Sets the calling thread's hook (NULL: poll) and returns the one before it. @hook stays the caller's while
 * it is set.
 */
const struct lat_wait_hook *lat_wait_hook_set(const struct lat_wait_hook *hook);

/* The calling thread has a hook: it may only sleep on descriptors. */
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

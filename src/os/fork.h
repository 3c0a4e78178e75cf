/* Telling a forked child from the process it was forked from. */
#ifndef LAT_OS_FORK_H
#define LAT_OS_FORK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/util.h"

/* From now on children made by fork(2) are told apart. Any thread, any number of times. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_fork_watch(void);

/* Forks from the first process that watched to this one. */
extern _Atomic(uint32_t) lat_fork_count;

/* A number that is the same for the life of a process and another in each child. No system call. Any thread. */
static inline uint32_t lat_fork_generation(void)
{
	/* A child has one thread, the one that counted it: nothing is ordered by it. */
	return atomic_load_explicit(&lat_fork_count, memory_order_relaxed);
}

/*
 * A descriptor that a forked child closes at once: its copy would keep a lock held, or a socket listening, when this process is
 * gone. Any thread. 0, -ENOBUFS (too many), -ENOMEM.
 */
LAT_MUST_CHECK int lat_fork_close_in_child(int fd);
/* Before @fd is closed here. One that was not given is fine. */
void lat_fork_forget(int fd);

#endif

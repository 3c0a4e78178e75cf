/* Where a task that was asked to yield does so: first in the library's calls that may wait. */
#ifndef LAT_SCHED_POINT_H
#define LAT_SCHED_POINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <lattice/sched.h>

/* While the thread runs a scheduler: whether its running task is asked to. */
extern _Thread_local _Atomic(bool) *lat_sched_asked __attribute__((tls_model("initial-exec")));

static inline void lat_sched_point(void)
{
	if (lat_sched_asked != NULL && atomic_load_explicit(lat_sched_asked, memory_order_relaxed))
		(void)lattice_sched_yield();
}

#endif

/*
 * A counter that the C library advances in every child (pthread_atfork(3)). A child made by a bare clone(2) is not
 * noticed.
 */
#include "os/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static _Atomic(uint32_t) generation;
static int watch_rc;

static void in_child(void)
{
	(void)atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
}

static void watch(void)
{
	watch_rc = pthread_atfork(NULL, NULL, in_child) == 0 ? 0 : -ENOMEM;
}

int lat_fork_watch(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, watch);
	return watch_rc;
}

uint32_t lat_fork_generation(void)
{
	/* A child has one thread, the one that ran in_child(): nothing is ordered by it. */
	return atomic_load_explicit(&generation, memory_order_relaxed);
}

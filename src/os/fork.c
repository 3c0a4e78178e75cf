/*
 * A counter that the C library advances in every child (pthread_atfork(3)). A child made by a bare clone(2) is not
 * noticed.
 */
#include "os/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

enum { CLOSED_MAX = 256 };

_Atomic(uint32_t) lat_fork_count;
static int watch_rc;
static _Atomic(int) closed_in_child[CLOSED_MAX]; /* fd + 1; 0: free */

static void in_child(void)
{
	(void)atomic_fetch_add_explicit(&lat_fork_count, 1, memory_order_relaxed);
	for (int i = 0; i < CLOSED_MAX; i++) {
		int fd = atomic_exchange_explicit(&closed_in_child[i], 0, memory_order_relaxed) - 1;

		if (fd >= 0)
			close(fd);
	}
}

static bool swap(int from, int to)
{
	for (int i = 0; i < CLOSED_MAX; i++) {
		int was = from;

		if (atomic_compare_exchange_strong_explicit(&closed_in_child[i], &was, to,
							    memory_order_relaxed, memory_order_relaxed))
			return true;
	}
	return false;
}

int lat_fork_close_in_child(int fd)
{
	int rc = lat_fork_watch();

	if (rc < 0)
		return rc;
	return swap(0, fd + 1) ? 0 : -ENOBUFS;
}

void lat_fork_forget(int fd)
{
	(void)swap(fd + 1, 0);
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

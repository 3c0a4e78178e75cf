/* A program's own scheduler or event loop in place of ours. */
#include <errno.h>

#include <lattice/sched.h>

#include "sched/task.h"
#include "sync/waitgraph.h"

/* Of the thread, because its address tells the threads apart (fastpath/wait.h). */
static _Thread_local struct lattice_sched_hook own;

int lattice_sched_hook_set(const struct lattice_sched_hook *hook)
{
	if (lat_sched_of_thread != NULL)
		return -EBUSY;
	if (hook != NULL && hook->wait == NULL)
		return -EINVAL;
	if (hook != NULL)
		own = *hook;
	lat_waits_thread_unknown(hook != NULL);
	(void)lat_wait_hook_set(hook == NULL ? NULL : &own);
	return 0;
}

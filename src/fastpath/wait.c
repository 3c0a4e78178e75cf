/* The hook is per thread, so setting it needs no lock and a scheduler sees only its own tasks. */
#include <errno.h>
#include <stddef.h>

#include "fastpath/wait.h"
#include "os/poll.h"

static _Thread_local const struct lat_wait_hook *thread_hook;

const struct lat_wait_hook *lat_wait_hook_set(const struct lat_wait_hook *hook)
{
	const struct lat_wait_hook *before = thread_hook;

	thread_hook = hook;
	return before;
}

int lat_wait_fd(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	int rc;

	if (thread_hook != NULL)
		return thread_hook->wait_fd(thread_hook->ctx, fd, events, deadline_ns);
	do
		rc = lat_poll_until(&p, 1, deadline_ns);
	while (rc == -EINTR);
	return rc < 0 ? rc : 0;
}

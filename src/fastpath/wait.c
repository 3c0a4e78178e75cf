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

bool lat_wait_hooked(void)
{
	return thread_hook != NULL;
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

int lat_wait_readable(int a, int b, uint64_t deadline_ns)
{
	struct pollfd p[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	int rc, both;

	if (b < 0)
		return lat_wait_fd(a, POLLIN, deadline_ns);
	if (thread_hook != NULL) {
		rc = lat_poll_join(&both, a, b);
		if (rc < 0)
			return rc == -ENOSPC ? -ENOMEM : rc; /* no memory for watches, then */
		rc = thread_hook->wait_fd(thread_hook->ctx, both, POLLIN, deadline_ns);
		lat_poll_join_close(both);
		return rc;
	}
	do
		rc = lat_poll_until(p, ARRAY_LEN(p), deadline_ns);
	while (rc == -EINTR);
	return rc < 0 ? rc : 0;
}

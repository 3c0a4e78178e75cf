/* The hook is per thread, so setting it needs no lock and a scheduler sees only its own tasks. */
#include <errno.h>
#include <stddef.h>

#include "fastpath/wait.h"
#include "os/poll.h"

_Thread_local const struct lattice_sched_hook *lat_wait_hook;

const struct lattice_sched_hook *lat_wait_hook_set(const struct lattice_sched_hook *hook)
{
	const struct lattice_sched_hook *before = lat_wait_hook;

	lat_wait_hook = hook;
	return before;
}

bool lat_wait_hooked(void)
{
	return lat_wait_flow(NULL) != NULL;
}

int lat_wait_fd(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	const struct lattice_sched_hook *hook = lat_wait_flow(NULL);
	int rc;

	if (hook != NULL)
		return hook->wait(hook->ctx, fd, events, deadline_ns);
	do
		rc = lat_poll_until(&p, 1, deadline_ns);
	while (rc == -EINTR);
	return rc < 0 ? rc : 0;
}

int lat_wait_readable(int a, int b, uint64_t deadline_ns)
{
	struct pollfd p[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	const struct lattice_sched_hook *hook;
	int rc, both;

	if (b < 0)
		return lat_wait_fd(a, POLLIN, deadline_ns);
	hook = lat_wait_flow(NULL);
	if (hook != NULL) {
		rc = lat_poll_join(&both, a, b);
		if (rc < 0)
			return rc;
		rc = hook->wait(hook->ctx, both, POLLIN, deadline_ns);
		lat_poll_join_close(both);
		return rc;
	}
	do
		rc = lat_poll_until(p, ARRAY_LEN(p), deadline_ns);
	while (rc == -EINTR);
	return rc < 0 ? rc : 0;
}

/* epoll(7). */
#include "os/watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "os/poll.h"

enum { EVENTS_MAX = 64 };

static int control(int watch, int op, int fd, bool in, bool out, void *data)
{
	struct epoll_event ev = { .events = (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u), .data.ptr = data };

	return epoll_ctl(watch, op, fd, &ev) < 0 ? -errno : 0;
}

int lat_watch_open(int *watch)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	*watch = fd;
	return 0;
}

void lat_watch_close(int watch)
{
	if (watch >= 0)
		close(watch);
}

int lat_watch_add(int watch, int fd, bool out, void *data)
{
	return control(watch, EPOLL_CTL_ADD, fd, true, out, data);
}

void lat_watch_change(int watch, int fd, bool in, bool out, void *data)
{
	int rc = control(watch, EPOLL_CTL_MOD, fd, in, out, data);

	(void)rc; /* it is watched, and changing needs no memory */
}

void lat_watch_remove(int watch, int fd)
{
	int rc = control(watch, EPOLL_CTL_DEL, fd, false, false, NULL);

	(void)rc;
}

size_t lat_watch_wait(int watch, struct lat_watch_event *events, size_t max, uint64_t deadline_ns)
{
	struct pollfd wait = { .fd = watch, .events = POLLIN }; /* epoll_wait(2) counts in milliseconds */
	struct epoll_event got[EVENTS_MAX];
	int n;

	if (lat_poll_until(&wait, 1, deadline_ns) <= 0)
		return 0;
	n = epoll_wait(watch, got, max < EVENTS_MAX ? (int)max : EVENTS_MAX, 0);
	for (int i = 0; i < n; i++)
		events[i] = (struct lat_watch_event){
			.data = got[i].data.ptr,
			.in = (got[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0,
			.out = (got[i].events & EPOLLOUT) != 0,
		};
	return n > 0 ? (size_t)n : 0;
}

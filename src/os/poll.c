/* ppoll(2), with the time left worked out from the deadline; epoll(7) where one descriptor must do for two. */
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/poll.h"

int lat_poll_until(struct pollfd *fds, size_t count, uint64_t deadline_ns)
{
	uint64_t now = deadline_ns == 0 || deadline_ns == UINT64_MAX ? 0 : lat_clock_monotonic_ns();
	uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec ts = { .tv_sec = (time_t)(left / (uint64_t)LAT_NS_PER_S),
			       .tv_nsec = (long)(left % (uint64_t)LAT_NS_PER_S) };
	int rc = ppoll(fds, count, deadline_ns == UINT64_MAX ? NULL : &ts, NULL);

	if (rc < 0)
		return -errno;
	return rc == 0 ? -ETIMEDOUT : rc;
}

int lat_poll_join(int *out, int a, int b)
{
	int set = -1, rc = lat_poll_set_open(&set);

	if (rc < 0)
		return rc;
	rc = lat_poll_set_add(set, a);
	if (rc == 0)
		rc = lat_poll_set_add(set, b);
	if (rc < 0)
		close(set);
	else
		*out = set;
	return rc;
}

void lat_poll_join_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int lat_poll_set_open(int *out)
{
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (set < 0)
		return -errno;
	*out = set;
	return 0;
}

int lat_poll_set_add(int set, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev) == 0)
		return 0;
	return errno == ENOSPC ? -ENOMEM : -errno; /* no memory for watches, then */
}

void lat_poll_set_remove(int set, int fd)
{
	(void)epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
}

void lat_poll_set_close(int set)
{
	if (set >= 0)
		close(set);
}

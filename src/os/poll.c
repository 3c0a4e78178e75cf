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
	const int fds[2] = { a, b };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		struct epoll_event ev = { .events = EPOLLIN };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &ev) < 0) {
			int rc = -errno;

			close(epoll);
			return rc;
		}
	}
	*out = epoll;
	return 0;
}

void lat_poll_join_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

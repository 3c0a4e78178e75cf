/* ppoll(2), with the time left worked out from the deadline. */
#include <errno.h>
#include <time.h>

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

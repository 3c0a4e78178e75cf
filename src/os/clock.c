/* clock_gettime(2); it cannot fail for these clocks on any kernel we run on. */
#include <time.h>

#include "base/util.h"
#include "os/clock.h"

static uint64_t read_ns(clockid_t clock)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * (uint64_t)LAT_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t lat_clock_boottime_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

uint64_t lat_clock_monotonic_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t lat_clock_wall_s(void)
{
	return read_ns(CLOCK_REALTIME) / (uint64_t)LAT_NS_PER_S;
}

uint64_t lat_clock_deadline(uint64_t now_ns, int64_t timeout_ns)
{
	if (timeout_ns < 0 || (uint64_t)timeout_ns > UINT64_MAX - now_ns)
		return UINT64_MAX;
	return now_ns + (uint64_t)timeout_ns;
}

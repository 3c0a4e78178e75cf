/* clock_gettime(2). The clocks exist on every kernel that runs Lattice, so it cannot fail. */
#include "os/clock.h"

#include <time.h>

#include "base/util.h"

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
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec < 0 ? 0 : (uint64_t)ts.tv_sec;
}

uint64_t lat_clock_deadline(uint64_t now_ns, int64_t timeout_ns)
{
	if (timeout_ns < 0 || (uint64_t)timeout_ns > UINT64_MAX - now_ns)
		return UINT64_MAX;
	return now_ns + (uint64_t)timeout_ns;
}

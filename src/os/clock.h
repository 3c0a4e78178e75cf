/*
 * The clocks. Timers run on BOOTTIME, which goes on through suspend (PROTOCOL section 0). Reading one does not enter
 * the kernel where the vDSO has it, cannot fail, and is fine from any thread.
 */
#ifndef LAT_OS_CLOCK_H
#define LAT_OS_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_BOOTTIME: protocol timers. */
uint64_t lat_clock_boottime_ns(void);
/* Nanoseconds of CLOCK_MONOTONIC: callers' time-outs. */
uint64_t lat_clock_monotonic_ns(void);
/* Seconds of the wall clock: capability expiry, nothing else. */
uint64_t lat_clock_wall_s(void);
/* now + timeout, saturating at UINT64_MAX ("no limit"), which a negative timeout (LATTICE_FOREVER) gives too. */
uint64_t lat_clock_deadline(uint64_t now_ns, int64_t timeout_ns);
/* The same from now on, as a call that waits wants it: 0 (do not wait) stays 0. Looks at the clock only if it has to. */
static inline uint64_t lat_clock_until(int64_t timeout_ns)
{
	if (timeout_ns <= 0)
		return timeout_ns == 0 ? 0 : UINT64_MAX;
	return lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns);
}

#endif

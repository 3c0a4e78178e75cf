/* The two clocks. Timers run on BOOTTIME, which goes on through suspend (PROTOCOL section 0). */
#ifndef LAT_OS_CLOCK_H
#define LAT_OS_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_BOOTTIME: protocol timers. */
uint64_t lat_clock_boottime_ns(void);
/* Nanoseconds of CLOCK_MONOTONIC: callers' time-outs. */
uint64_t lat_clock_monotonic_ns(void);
/* Seconds of the wall clock: capability expiry, nothing else. */
uint64_t lat_clock_wall_s(void);
/* now + timeout, saturating; a negative timeout (LATTICE_FOREVER) gives UINT64_MAX. */
uint64_t lat_clock_deadline(uint64_t now_ns, int64_t timeout_ns);

#endif

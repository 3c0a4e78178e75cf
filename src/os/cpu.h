/* Processors: how many, and which one this is. */
#ifndef LAT_OS_CPU_H
#define LAT_OS_CPU_H

#include <stdint.h>

enum { LAT_CPU_UNKNOWN = 0 };

/* How many this process may run on, as of the first call; 1 at least. */
uint32_t lat_cpu_count(void);

/*
 * The one that the calling thread runs on, from 1, as of a moment ago; LAT_CPU_UNKNOWN: it costs a system call to know. A load or two.
 */
uint32_t lat_cpu_now(void);

/* Binds the calling thread to @cpu (as lat_cpu_now()). 0, -EINVAL: it may not run there. */
int lat_cpu_bind(uint32_t cpu);

#endif

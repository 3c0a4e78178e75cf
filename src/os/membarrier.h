/*
 * The costly half of an asymmetric barrier. Two threads each store one word and then load the other's; one of the two loads
 * must see the other's store. If the frequent side does both with plain instructions, the rare side calls
 * lat_membarrier() between its own two: the kernel puts a full barrier into every running thread it reaches, at some point
 * during the call. A frequent load after that point sees the rare store; a frequent store before it is seen by the rare
 * load.
 */
#ifndef LAT_OS_MEMBARRIER_H
#define LAT_OS_MEMBARRIER_H

#include <stdbool.h>

enum lat_membarrier_reach {
	LAT_MEMBARRIER_PROCESS, /* the threads of this process */
	LAT_MEMBARRIER_MACHINE, /* those of every process that asked lat_membarrier_works(), this one among them */
};

/*
 * Registers this process at the first call. false, always the same: the kernel refuses, so both sides must order their
 * accesses themselves. Any thread.
 */
bool lat_membarrier_works(enum lat_membarrier_reach reach);

/* Only where lat_membarrier_works(@reach) said true. Some microseconds. */
void lat_membarrier(enum lat_membarrier_reach reach);

/* The frequent side's half, between its store and its load: only the compiler has to be kept from changing their order. */
static inline void lat_membarrier_light(void)
{
	__asm__ volatile("" ::: "memory");
}

#endif

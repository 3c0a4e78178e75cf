/*
 * Whether to spin before sleeping. It pays when the other side runs on another processor right now and answers within
 * what a sleep costs; whether it does, the last waits tell. One that spun in vain makes the next ones sleep at once, more of them
 * each time; one that did not is followed by another.
 */
#ifndef LAT_FASTPATH_SPIN_H
#define LAT_FASTPATH_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#include "os/cpu.h"

enum {
	LAT_SPIN_NS = 30000,
	LAT_SPIN_SKIP_MAX = 5, /* the logarithm of the most waits that are not spun */
};

struct lat_spin {
	uint8_t failed; /* in a row */
	uint8_t skip;   /* waits before the next try */
};

/* @peer_cpu: as lat_cpu_now() said of the other side last. */
static inline bool lat_spin_pays(struct lat_spin *s, uint32_t peer_cpu)
{
	if (lat_cpu_count() < 2 || (peer_cpu != LAT_CPU_UNKNOWN && peer_cpu == lat_cpu_now()))
		return false;
	if (s->skip == 0)
		return true;
	s->skip--;
	return false;
}

static inline void lat_spin_ended(struct lat_spin *s, bool in_vain)
{
	if (!in_vain) {
		s->failed = 0;
		return;
	}
	if (s->failed < LAT_SPIN_SKIP_MAX)
		s->failed++;
	s->skip = (uint8_t)((1U << s->failed) - 1);
}

#endif

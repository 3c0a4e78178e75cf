/*
 * The one timer of a driver: a descriptor that becomes readable at a time of CLOCK_BOOTTIME. The I/O thread sets it
 * each turn; any thread may bring it forward, which is also how that thread is woken.
 *
 * What was brought forward while a turn runs is not lost: lat_timer_begin() marks the turn's start, and lat_timer_set() at
 * its end takes the earlier of its own time and all that was asked since.
 */
#ifndef LAT_NET_TIMER_H
#define LAT_NET_TIMER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct lat_timer {
	pthread_mutex_t lock;
	int fd;
	uint64_t armed; /* what the descriptor is set to; UINT64_MAX never */
	uint64_t asked; /* the earliest lower since begin */
};

/* 0, -EMFILE, -ENFILE, -ENOMEM. */
LAT_MUST_CHECK int lat_timer_init(struct lat_timer *t);
/* Also on a timer whose init failed. */
void lat_timer_fini(struct lat_timer *t);

/* Ring no later than @when (0: at once). Any thread. */
void lat_timer_lower(struct lat_timer *t, uint64_t when);
/* The I/O thread, before it looks at what is due. */
void lat_timer_begin(struct lat_timer *t);
/* Whether it rings at @now. Any thread. */
bool lat_timer_due(struct lat_timer *t, uint64_t now);
/*
 * The I/O thread, at the end of its turn, at @now: ring at @when (UINT64_MAX never) or sooner if that was asked meanwhile. One that is
 * set to ring sooner is left so, once: most times move on with every packet, and setting them is a system call.
 */
void lat_timer_set(struct lat_timer *t, uint64_t when, uint64_t now);

#endif

/* A wake-up that can be polled: readable from a signal until it is cleared. */
#ifndef LAT_OS_EVENTFD_H
#define LAT_OS_EVENTFD_H

#include <stdint.h>

#include "base/util.h"

/* Non-blocking, close-on-exec, not signalled. 0, -EMFILE, -ENFILE, -ENOMEM. */
LAT_MUST_CHECK int lat_eventfd_open(int *fd);
/* -1 is fine. */
void lat_eventfd_close(int fd);
/* Makes it readable, whatever it was. Any thread. Does not block. */
void lat_eventfd_signal(int fd);
/* Makes it unreadable, whatever it was. Does not block. */
void lat_eventfd_clear(int fd);
/*
 * Sleeps until it is readable, at most until @deadline_ns of CLOCK_MONOTONIC (UINT64_MAX: no limit). 0,
 * -ETIMEDOUT, -EINTR.
 */
LAT_MUST_CHECK int lat_eventfd_wait(int fd, uint64_t deadline_ns);

#endif

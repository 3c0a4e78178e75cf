/* Sleeping on file descriptors with an absolute deadline. */
#ifndef LAT_OS_POLL_H
#define LAT_OS_POLL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/*
 * poll(2) until @deadline_ns of CLOCK_MONOTONIC: UINT64_MAX has no limit, one that has passed (or 0) looks
 * without sleeping. How many of @fds have revents, -ETIMEDOUT, -EINTR (a signal came), -ENOMEM, -EINVAL (over
 * RLIMIT_NOFILE).
 */
LAT_MUST_CHECK int lat_poll_until(struct pollfd *fds, size_t count, uint64_t deadline_ns);

#endif

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

/*
 * One descriptor that is readable while @a or @b is, for those who can wait for one only. 0, -EMFILE, -ENFILE,
 * -ENOMEM (the user's limit of watches, too).
 */
LAT_MUST_CHECK int lat_poll_join(int *out, int a, int b);
/* -1 is fine. */
void lat_poll_join_close(int fd);

/*
 * The same for any number, that come and go: a descriptor that is readable while one of its members is. 0, -EMFILE, -ENFILE,
 * -ENOMEM.
 */
LAT_MUST_CHECK int lat_poll_set_open(int *out);
LAT_MUST_CHECK int lat_poll_set_add(int set, int fd);
void lat_poll_set_remove(int set, int fd); /* before @fd is closed */
void lat_poll_set_close(int set);          /* -1 is fine */

#endif

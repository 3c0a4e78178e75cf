/* One thread waits for many file descriptors: epoll(7), level-triggered. */
#ifndef LAT_OS_WATCH_H
#define LAT_OS_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct lat_watch_event {
	void *data;
	bool in;  /* readable, or broken: reading tells */
	bool out; /* writable */
};

/* Close-on-exec. 0, -EMFILE, -ENFILE, -ENOMEM. */
LAT_MUST_CHECK int lat_watch_open(int *watch);
/* -1 is fine. */
void lat_watch_close(int watch);

/*
 * Watches @fd for being readable, and if @out for being writable too. Any thread. 0, -ENOMEM, -ENOSPC (the user's limit),
 * -EPERM (a file that cannot be waited for), -EEXIST.
 */
LAT_MUST_CHECK int lat_watch_add(int watch, int fd, bool out, void *data);
/* Any thread; @fd is watched. */
void lat_watch_change(int watch, int fd, bool in, bool out, void *data);
/* Before @fd is closed: a copy of it elsewhere would keep it watched. One that is not watched is fine. */
void lat_watch_remove(int watch, int fd);

/*
 * Waits until something happens or @deadline_ns of CLOCK_MONOTONIC (UINT64_MAX: no limit; 0: look). The number of events,
 * 0 when none came; signals are 0 as well.
 */
size_t lat_watch_wait(int watch, struct lat_watch_event *events, size_t max, uint64_t deadline_ns);

#endif

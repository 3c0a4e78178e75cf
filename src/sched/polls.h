/* The descriptors that tasks wait for, for poll(2): each is there once, however many wait for it. */
#ifndef LAT_SCHED_POLLS_H
#define LAT_SCHED_POLLS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct lat_polls { /* all zero: none */
	struct pollfd *fds;
	size_t fds_max, count;
	uint32_t *place_of_fd; /* a hint, checked against fds */
	size_t places_max;
};

struct lat_polled { /* one wait */
	int fd;
	short events;
	size_t place;
};

/* Room for @count descriptors, @fd among them. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_polls_reserve(struct lat_polls *p, size_t count, int fd);
void lat_polls_fini(struct lat_polls *p);

/* Room is reserved for all that are added between two restarts. */
void lat_polls_restart(struct lat_polls *p);
void lat_polls_add(struct lat_polls *p, struct lat_polled *w);

/* As lat_poll_until(). */
LAT_MUST_CHECK int lat_polls_sleep(struct lat_polls *p, uint64_t deadline_ns);
/* After a sleep that returned more than 0: @w's descriptor has what it waits for. */
bool lat_polls_over(const struct lat_polls *p, const struct lat_polled *w);

#endif

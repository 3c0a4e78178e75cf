#include "sched/polls.h"

#include <errno.h>
#include <stdlib.h>

#include "os/poll.h"

int lat_polls_reserve(struct lat_polls *p, size_t count, int fd)
{
	if (count > p->fds_max) {
		struct pollfd *fds = realloc(p->fds, 2 * count * sizeof(*fds));

		if (fds == NULL)
			return -ENOMEM;
		p->fds = fds;
		p->fds_max = 2 * count;
	}
	if ((size_t)fd >= p->places_max) {
		size_t max = 2 * ((size_t)fd + 1);
		uint32_t *places = realloc(p->place_of_fd, max * sizeof(*places));

		if (places == NULL)
			return -ENOMEM;
		for (size_t i = p->places_max; i < max; i++)
			places[i] = 0;
		p->place_of_fd = places;
		p->places_max = max;
	}
	return 0;
}

void lat_polls_fini(struct lat_polls *p)
{
	free(p->fds);
	free(p->place_of_fd);
	*p = (struct lat_polls){ 0 };
}

void lat_polls_restart(struct lat_polls *p)
{
	p->count = 0;
}

void lat_polls_add(struct lat_polls *p, struct lat_polled *w)
{
	uint32_t place = p->place_of_fd[w->fd];

	if (place >= p->count || p->fds[place].fd != w->fd) {
		place = (uint32_t)p->count++;
		p->place_of_fd[w->fd] = place;
		p->fds[place] = (struct pollfd){ .fd = w->fd };
	}
	p->fds[place].events |= w->events;
	w->place = place;
}

int lat_polls_sleep(struct lat_polls *p, uint64_t deadline_ns)
{
	return lat_poll_until(p->fds, p->count, deadline_ns);
}

bool lat_polls_over(const struct lat_polls *p, const struct lat_polled *w)
{
	return (p->fds[w->place].revents & (w->events | POLLERR | POLLHUP | POLLNVAL)) != 0;
}

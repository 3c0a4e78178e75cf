/* Every sleeper has an eventfd of its own, so that a wake is neither lost nor taken by another. */
#include "node/waitq.h"

#include <errno.h>
#include <poll.h>

#include "fastpath/wait.h"
#include "os/eventfd.h"

struct lat_waiter { /* on the sleeper's stack */
	int fd;
	struct lat_waiter *next;
};

static void unlink_waiter(struct lat_waitq *q, const struct lat_waiter *w)
{
	struct lat_waiter **at = &q->first;

	while (*at != NULL && *at != w)
		at = &(*at)->next;
	if (*at != NULL)
		*at = w->next;
}

int lat_waitq_wait(struct lat_waitq *q, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	struct lat_waiter w = { .fd = -1, .next = q->first };
	int rc = lat_eventfd_open(&w.fd);

	if (rc < 0)
		return rc;
	q->first = &w;
	pthread_mutex_unlock(lock);
	rc = lat_wait_fd(w.fd, POLLIN, deadline_ns);
	pthread_mutex_lock(lock);
	unlink_waiter(q, &w);
	lat_eventfd_close(w.fd);
	return rc == -ETIMEDOUT ? rc : 0;
}

void lat_waitq_wake(struct lat_waitq *q)
{
	for (struct lat_waiter *w = q->first; w != NULL; w = w->next)
		lat_eventfd_signal(w->fd);
}

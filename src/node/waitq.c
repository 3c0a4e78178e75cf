/* Every sleeper has an eventfd of its own, so that a wake is neither lost nor taken by another. */
#include "node/waitq.h"

#include <poll.h>

#include "fastpath/wait.h"
#include "os/eventfd.h"

int lat_waitq_enter(struct lat_waitq *q, struct lat_waiter *w)
{
	int rc = lat_eventfd_open(&w->fd);

	if (rc < 0)
		return rc;
	w->woken = false;
	w->next = q->first;
	q->first = w;
	return 0;
}

void lat_waitq_leave(struct lat_waitq *q, struct lat_waiter *w)
{
	struct lat_waiter **at = &q->first;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	lat_eventfd_close(w->fd);
}

int lat_waitq_wait(struct lat_waitq *q, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	struct lat_waiter w;
	int rc = lat_waitq_enter(q, &w);

	if (rc < 0)
		return rc;
	pthread_mutex_unlock(lock);
	rc = lat_wait_fd(w.fd, POLLIN, deadline_ns);
	pthread_mutex_lock(lock);
	lat_waitq_leave(q, &w);
	return rc;
}

void lat_waitq_wake(struct lat_waitq *q)
{
	for (struct lat_waiter *w = q->first; w != NULL; w = w->next)
		if (!w->woken) {
			w->woken = true; /* once is enough: it looks again when it has the lock */
			lat_eventfd_signal(w->fd);
		}
}

/* Every sleeper that is not called has an eventfd of its own, so that a wake is neither lost nor taken by another. */
#include "node/waitq.h"

#include <poll.h>

#include "fastpath/wait.h"
#include "os/eventfd.h"

/* Not inline: gcc does not see that the sleeper on the stack is taken out again, and warns. */
static __attribute__((noinline)) void insert(struct lat_waitq *q, struct lat_waiter *w)
{
	w->woken = false;
	w->next = q->first;
	q->first = w;
}

static void take_out(struct lat_waitq *q, const struct lat_waiter *w)
{
	struct lat_waiter **at = &q->first;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

int lat_waitq_enter(struct lat_waitq *q, struct lat_waiter *w)
{
	int rc = lat_eventfd_open(&w->fd);

	if (rc < 0)
		return rc;
	w->wake = NULL;
	insert(q, w);
	return 0;
}

void lat_waitq_leave(struct lat_waitq *q, struct lat_waiter *w)
{
	take_out(q, w);
	lat_eventfd_close(w->fd);
}

void lat_waitq_add(struct lat_waitq *q, struct lat_waiter *w)
{
	insert(q, w);
}

void lat_waitq_remove(struct lat_waitq *q, struct lat_waiter *w)
{
	take_out(q, w);
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
		if (w->wake != NULL) {
			w->wake(w);
		} else if (!w->woken) {
			w->woken = true; /* once is enough: it looks again when it has the lock */
			lat_eventfd_signal(w->fd);
		}
}

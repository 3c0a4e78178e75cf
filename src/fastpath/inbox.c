/*
 * What is told without a lock, and the order that makes it safe:
 *
 * ready, a word per source. 1: the source is on the stack of newly ready ones or on the list. A producer
 * publishes, then exchanges it with 1, and pushes the source if it was 0. A receiver that finds a listed
 * source empty unlists it, exchanges the word with 0, and looks once more. Two exchanges of one word are
 * ordered: either the receiver's comes first, then the producer reads 0 and pushes; or the producer's does,
 * then the receiver's acquire makes it see the message.
 *   [R] ready exchange, acq_rel -> [r] ready exchange, acq_rel : what was published before is seen after
 *
 * armed, a word per inbox, in the same way between a push and a receiver about to sleep (or to return
 * -ENOMSG):
 *   [A] armed exchange 0, acq_rel -> [a] armed exchange 1, acq_rel : what was pushed before is seen after
 * Who exchanges a 1 for 0 signals the file descriptor. So, but for a push still in progress:
 *   armed 1 : nothing is ready, the descriptor is clear
 *   armed 0 : the descriptor is signalled, or nobody looks at it (see watched)
 *
 * A signal is an exchange and then a write, and a receiver may arm again in between: the descriptor is then
 * readable though armed. written counts the writes done, cleared the ones known when the descriptor was last
 * cleared; a receiver that finds nothing clears whenever they differ, so such a late write is seen as ready
 * once and not for ever.
 *   [S] push, release -> [s] stack exchange, acquire : the link of a pushed source
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "fastpath/inbox.h"
#include "fastpath/wait.h"
#include "os/eventfd.h"

struct lat_inbox {
	alignas(LAT_CACHELINE) _Atomic(struct lat_inbox_source *) stack;
	_Atomic(uint32_t) armed;
	_Atomic(uint32_t) written;
	/* All from here on under the lock; fd never changes. What a receive writes has lines of its own. */
	struct lat_inbox_source *all;
	int fd;
	uint32_t cleared; /* value of written */
	bool closed;
	bool watched; /* somebody has asked for the descriptor: it must be true though no receiver sleeps */
	alignas(LAT_CACHELINE) pthread_mutex_t lock;
	struct lat_inbox_source *first, *last; /* the ready ones, in turn */
	struct lat_inbox_stats stats;
	uint32_t refs; /* owner, receivers inside, sources not yet ended or detached */
};

/* Sources that were detached under the lock and are told about it after. */
struct gone_list {
	struct lat_inbox_source *first, **end;
};

static void list_append(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	src->listed = true;
	src->next = NULL;
	src->prev = inbox->last;
	if (inbox->last != NULL)
		inbox->last->next = src;
	else
		inbox->first = src;
	inbox->last = src;
}

static void list_remove(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	if (!src->listed)
		return;
	src->listed = false;
	if (src->prev != NULL)
		src->prev->next = src->next;
	else
		inbox->first = src->next;
	if (src->next != NULL)
		src->next->prev = src->prev;
	else
		inbox->last = src->prev;
}

static void signal_fd(struct lat_inbox *inbox)
{
	lat_eventfd_signal(inbox->fd);
	atomic_fetch_add_explicit(&inbox->written, 1, memory_order_release);
}

/*
 * Moves the newly ready sources to the list, the longest ready first. A source detached meanwhile is dropped
 * here.
 */
static void drain_stack_locked(struct lat_inbox *inbox)
{
	struct lat_inbox_source *src, *in_order = NULL;

	if (atomic_load_explicit(&inbox->stack, memory_order_relaxed) == NULL)
		return;
	src = atomic_exchange_explicit(&inbox->stack, NULL, memory_order_acquire); /* [s] */
	while (src != NULL) {
		struct lat_inbox_source *below = src->pushed;

		src->pushed = in_order;
		in_order = src;
		src = below;
	}
	while (in_order != NULL) {
		src = in_order;
		in_order = src->pushed;
		if (src->attached)
			list_append(inbox, src);
		else
			atomic_store_explicit(&src->ready, 0, memory_order_release);
	}
}

static void detach_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	list_remove(inbox, src);
	if (src->all_prev != NULL)
		src->all_prev->all_next = src->all_next;
	else
		inbox->all = src->all_next;
	if (src->all_next != NULL)
		src->all_next->all_prev = src->all_prev;
	src->attached = false;
	inbox->stats.sources--;
}

static void gone_locked(struct lat_inbox *inbox, struct lat_inbox_source *src, int why,
			struct gone_list *gone)
{
	detach_locked(inbox, src);
	if (src->ended)
		inbox->refs--; /* never the last: the caller has one */
	src->why = why;
	src->next = NULL;
	*gone->end = src;
	gone->end = &src->next;
}

/* No lock is held. A source may be freed by its gone. */
static void tell_gone(struct gone_list *gone)
{
	struct lat_inbox_source *src;

	while ((src = gone->first) != NULL) {
		gone->first = src->next;
		if (src->ops != NULL && src->ops->gone != NULL)
			src->ops->gone(src, src->why);
	}
	gone->end = &gone->first;
}

static void unlock_put(struct lat_inbox *inbox)
{
	bool last = --inbox->refs == 0;

	pthread_mutex_unlock(&inbox->lock);
	if (!last)
		return;
	lat_eventfd_close(inbox->fd);
	pthread_mutex_destroy(&inbox->lock);
	free(inbox);
}

int lat_inbox_open(struct lat_inbox **out)
{
	struct lat_inbox *inbox = aligned_alloc(alignof(struct lat_inbox), sizeof(*inbox));
	int rc;

	*out = NULL;
	if (inbox == NULL)
		return -ENOMEM;
	*inbox = (struct lat_inbox){ .refs = 1 };
	rc = lat_eventfd_open(&inbox->fd);
	if (rc < 0) {
		free(inbox);
		return rc;
	}
	pthread_mutex_init(&inbox->lock, NULL);
	*out = inbox;
	return 0;
}

void lat_inbox_shutdown(struct lat_inbox *inbox)
{
	struct gone_list gone = { .end = &gone.first };

	pthread_mutex_lock(&inbox->lock);
	inbox->closed = true;
	while (inbox->all != NULL)
		gone_locked(inbox, inbox->all, -ESHUTDOWN, &gone);
	signal_fd(inbox); /* for good: who finds it closed does not clear it */
	pthread_mutex_unlock(&inbox->lock);
	tell_gone(&gone);
}

void lat_inbox_close(struct lat_inbox *inbox)
{
	if (inbox == NULL)
		return;
	lat_inbox_shutdown(inbox);
	pthread_mutex_lock(&inbox->lock);
	unlock_put(inbox);
}

/* Sees what its producer wrote before it set the word to 1, so one more look decides. */
static void unready_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	struct lat_ring_msg m;

	list_remove(inbox, src);
	atomic_exchange_explicit(&src->ready, 0, memory_order_acq_rel); /* [r] */
	if (lat_ring_peek(src->rx, &m) == -ENOMSG)
		return;
	if (atomic_exchange_explicit(&src->ready, 1, memory_order_acq_rel) == 0)
		list_append(inbox, src); /* else the producer has pushed it */
}

/* The slots of the last message taken are given back. */
static void tell_room(struct lat_inbox_source *src)
{
	if (src->words != NULL)
		atomic_store_explicit(&src->words->received, (uint32_t)src->seq,
				      src->barriers ? memory_order_release : memory_order_seq_cst); /* [V] */
	if (src->peer != NULL) {
		uint32_t wanted = atomic_load_explicit(&src->peer->room_wanted,
						       src->barriers ? memory_order_relaxed
								     : memory_order_seq_cst); /* [w] */
		if (wanted == src->room_told)
			return;
		src->room_told = wanted;
	}
	if (src->ops != NULL && src->ops->room != NULL)
		src->ops->room(src);
}

/* One message of the source whose turn it is: 0, -EMSGSIZE, -ENOMSG (no source has any). */
static int take_locked(struct lat_inbox *inbox, void *buf, size_t cap, struct lat_inbox_info *info,
		       struct gone_list *gone)
{
	struct lat_inbox_source *src;
	struct lat_ring_msg m;
	int rc;

	for (;;) {
		drain_stack_locked(inbox);
		src = inbox->first;
		if (src == NULL)
			return -ENOMSG;
		rc = lat_ring_consume(src->rx, buf, cap, &m);
		if (rc == -ENOMSG) {
			if (src->ended)
				gone_locked(inbox, src, 0, gone);
			else
				unready_locked(inbox, src);
			continue;
		}
		/* A reliable channel's numbers have no gaps. */
		if (rc == -EPROTO || m.seq != (uint32_t)(src->seq + 1)) {
			inbox->stats.poisoned++;
			gone_locked(inbox, src, -EPROTO, gone);
			continue;
		}
		if (rc == 0 && src->ops != NULL && src->ops->admit != NULL) {
			int why = src->ops->admit(src);

			if (why < 0) {
				inbox->stats.refused++;
				gone_locked(inbox, src, why, gone);
				continue;
			}
		}
		*info = (struct lat_inbox_info){ .user = src->user,
						 .from = src->from,
						 .type = m.type,
						 .len = m.len,
						 .seq = src->seq + 1 };
		if (rc < 0)
			return rc; /* -EMSGSIZE: it stays the first */
		break;
	}
	src->seq++;
	list_remove(inbox, src); /* to the end: the others come first */
	list_append(inbox, src);
	inbox->stats.messages++;
	inbox->stats.bytes += m.len;
	/* One writer at a time (the lock), so a load and a store do for an addition. */
	atomic_store_explicit(&src->messages, atomic_load_explicit(&src->messages, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	atomic_store_explicit(&src->bytes, atomic_load_explicit(&src->bytes, memory_order_relaxed) + m.len,
			      memory_order_relaxed);
	atomic_store_explicit(&src->received, src->seq, memory_order_release);
	tell_room(src);
	return 0;
}

/* true: something may have come before it was armed, so look once more. */
static bool arm_locked(struct lat_inbox *inbox)
{
	uint32_t written = atomic_load_explicit(&inbox->written, memory_order_acquire);
	bool cleared = written != inbox->cleared;

	if (cleared) {
		lat_eventfd_clear(inbox->fd);
		inbox->cleared = written;
	}
	return atomic_exchange_explicit(&inbox->armed, 1, memory_order_acq_rel) == 0 || cleared; /* [a] */
}

static void disarm_locked(struct lat_inbox *inbox)
{
	if (atomic_exchange_explicit(&inbox->armed, 0, memory_order_acq_rel) == 1)
		signal_fd(inbox);
}

int lat_inbox_recv(struct lat_inbox *inbox, void *buf, size_t cap, struct lat_inbox_info *info,
		   uint64_t deadline_ns)
{
	struct gone_list gone = { .end = &gone.first };
	int waited = 0, rc;

	pthread_mutex_lock(&inbox->lock);
	inbox->refs++;
	for (;;) {
		rc = inbox->closed ? -ESHUTDOWN : take_locked(inbox, buf, cap, info, &gone);
		if (rc != -ENOMSG)
			break;
		if (waited < 0) {
			rc = waited;
			break;
		}
		if ((deadline_ns != 0 || inbox->watched) && arm_locked(inbox)) {
			rc = take_locked(inbox, buf, cap, info, &gone);
			if (rc != -ENOMSG) {
				disarm_locked(inbox); /* there may be more, and nobody else will say so */
				break;
			}
		}
		if (deadline_ns == 0)
			break;
		inbox->stats.sleeps++;
		pthread_mutex_unlock(&inbox->lock);
		tell_gone(&gone);
		waited = lat_wait_fd(inbox->fd, POLLIN, deadline_ns);
		pthread_mutex_lock(&inbox->lock);
	}
	unlock_put(inbox);
	tell_gone(&gone);
	return rc;
}

int lat_inbox_fd(struct lat_inbox *inbox)
{
	pthread_mutex_lock(&inbox->lock);
	if (!inbox->watched) {
		/* It may not have been kept true so far: say "look", and the first look makes it true. */
		inbox->watched = true;
		atomic_exchange_explicit(&inbox->armed, 0, memory_order_acq_rel);
		signal_fd(inbox);
	}
	pthread_mutex_unlock(&inbox->lock);
	return inbox->fd;
}

int lat_inbox_attach(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	struct lat_ring_msg m;
	bool full;
	int rc = 0;

	pthread_mutex_lock(&inbox->lock);
	if (inbox->closed)
		rc = -ESHUTDOWN;
	else if (src->attached)
		rc = -EBUSY;
	else if (inbox->stats.sources == LAT_INBOX_SOURCES_MAX)
		rc = -ENOBUFS;
	if (rc < 0) {
		pthread_mutex_unlock(&inbox->lock);
		return rc;
	}
	src->inbox = inbox;
	src->ended = src->listed = false;
	src->attached = true;
	src->seq = 0;
	src->room_told = 0;
	atomic_store_explicit(&src->ready, 0, memory_order_relaxed);
	src->all_prev = NULL;
	src->all_next = inbox->all;
	if (inbox->all != NULL)
		inbox->all->all_prev = src;
	inbox->all = src;
	inbox->stats.sources++;
	inbox->refs++;
	full = lat_ring_peek(src->rx, &m) != -ENOMSG;
	pthread_mutex_unlock(&inbox->lock);
	if (full)
		lat_inbox_source_ready(src);
	return 0;
}

void lat_inbox_source_ready(struct lat_inbox_source *src)
{
	struct lat_inbox *inbox = src->inbox;
	struct lat_inbox_source *top;

	if (atomic_exchange_explicit(&src->ready, 1, memory_order_acq_rel) != 0) /* [R] */
		return;
	top = atomic_load_explicit(&inbox->stack, memory_order_relaxed);
	do
		src->pushed = top;
	while (!atomic_compare_exchange_weak_explicit(&inbox->stack, &top, src,
						      memory_order_release, /* [S] */
						      memory_order_relaxed));
	if (atomic_exchange_explicit(&inbox->armed, 0, memory_order_acq_rel) == 1) /* [A] */
		signal_fd(inbox);
}

void lat_inbox_source_end(struct lat_inbox_source *src)
{
	struct gone_list gone = { .end = &gone.first };
	struct lat_inbox *inbox = src->inbox;
	struct lat_ring_msg m;

	pthread_mutex_lock(&inbox->lock);
	drain_stack_locked(inbox); /* if it was detached, it is on the stack at most, and off it now */
	if (!src->attached) {
		unlock_put(inbox);
		return;
	}
	inbox->refs++;
	src->ended = true;
	if (lat_ring_peek(src->rx, &m) == -ENOMSG) {
		gone_locked(inbox, src, 0, &gone);
	} else if (!src->listed) { /* published, and never said so: it is received all the same */
		atomic_store_explicit(&src->ready, 1, memory_order_relaxed);
		list_append(inbox, src);
		disarm_locked(inbox);
	}
	unlock_put(inbox);
	tell_gone(&gone);
}

bool lat_inbox_detach(struct lat_inbox_source *src)
{
	struct lat_inbox *inbox = src->inbox;
	bool attached;

	if (inbox == NULL)
		return false;
	pthread_mutex_lock(&inbox->lock);
	drain_stack_locked(inbox);
	attached = src->attached;
	if (attached)
		detach_locked(inbox, src);
	src->inbox = NULL;
	unlock_put(inbox);
	return attached;
}

void lat_inbox_source_stats(const struct lat_inbox_source *src, struct lat_inbox_source_stats *out)
{
	*out = (struct lat_inbox_source_stats){
		.messages = atomic_load_explicit(&src->messages, memory_order_relaxed),
		.bytes = atomic_load_explicit(&src->bytes, memory_order_relaxed),
		.seq = atomic_load_explicit(&src->received, memory_order_acquire),
	};
}

void lat_inbox_stats(struct lat_inbox *inbox, struct lat_inbox_stats *out)
{
	pthread_mutex_lock(&inbox->lock);
	*out = inbox->stats;
	pthread_mutex_unlock(&inbox->lock);
	out->signals = atomic_load_explicit(&inbox->written, memory_order_relaxed);
}

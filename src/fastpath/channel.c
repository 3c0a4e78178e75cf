/*
 * The sender's side of a channel inside one process, and what joins it to the inbox.
 *
 * Waiting for room: a sender clears the descriptor, exchanges room_armed with 1 and tries once more; the
 * receiver gives slots back (or detaches the source) and exchanges it with 0, and signals the descriptor if
 * it was 1.
 *   [F] room_armed exchange 0, acq_rel -> [f] room_armed exchange 1, acq_rel : slots freed before are seen
 *   after
 * A sender that cleared the descriptor and then needs it no more signals it again when others sleep on it:
 * the signal it took may have been theirs.
 *
 * References: one of the producer, one of the inbox until gone, one of each sender inside. Lock order:
 * channel, then inbox.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

#include "fastpath/channel.h"
#include "fastpath/ring.h"
#include "fastpath/wait.h"
#include "os/eventfd.h"
#include "os/region.h"
#include "sync/qlock.h"

struct lat_chan {
	struct lat_inbox_source src;
	/* The receiver's, under the inbox's lock; room_armed is the senders' too, when there is no room. */
	struct lat_ring_rx rx;
	_Atomic(uint64_t) wakes;
	_Atomic(uint32_t) room_armed;
	int (*admit)(void *user);
	void (*freed)(void *user);
	void *map;

	struct lat_qlock lock; /* the senders' side; fair, so they go first come, first served */
	struct lat_ring_tx tx;
	size_t map_bytes;
	_Atomic(uint64_t) sent, sent_bytes, full, waits;
	uint32_t len_max;
	int room_fd;       /* -1 until somebody waits */
	uint32_t sleepers; /* on room_fd */
	_Atomic(uint32_t) refs;
	_Atomic(int) dead; /* 0, or what sends return from now on */
	bool watched;      /* room_fd was given away */
	bool closed;
};

struct outgoing {
	int32_t type;
	const void *data;
	uint32_t len;
};

/* One writer at a time, so a load and a store do. */
static void count(_Atomic(uint64_t) *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* 0, or -ENOTRECOVERABLE: something wrote over the channel. */
static int chan_lock(struct lat_chan *ch, struct lat_qlock_hold *hold)
{
	return lat_qlock_lock(&ch->lock, lat_qlock_thread(), hold);
}

/* A release that is wrong is refused and counted by the lock itself. */
static void chan_unlock(struct lat_chan *ch, struct lat_qlock_hold *hold)
{
	int rc = lat_qlock_unlock(&ch->lock, lat_qlock_thread(), hold);

	(void)rc;
}

static void chan_get(struct lat_chan *ch)
{
	atomic_fetch_add_explicit(&ch->refs, 1, memory_order_relaxed);
}

static void chan_put(struct lat_chan *ch)
{
	if (atomic_fetch_sub_explicit(&ch->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (ch->room_fd >= 0)
		lat_eventfd_close(ch->room_fd);
	lat_region_unmap(ch->map, ch->map_bytes);
	if (ch->freed != NULL)
		ch->freed(ch->src.user);
	free(ch);
}

static_assert(offsetof(struct lat_chan, src) == 0, "of_source");

static struct lat_chan *of_source(struct lat_inbox_source *src)
{
	return (struct lat_chan *)src; /* its first member */
}

static void wake_senders(struct lat_chan *ch)
{
	if (atomic_exchange_explicit(&ch->room_armed, 0, memory_order_acq_rel) != 1) /* [F] */
		return;
	atomic_fetch_add_explicit(&ch->wakes, 1, memory_order_relaxed);
	lat_eventfd_signal(ch->room_fd);
}

static void source_room(struct lat_inbox_source *src)
{
	wake_senders(of_source(src));
}

static int source_admit(struct lat_inbox_source *src)
{
	return of_source(src)->admit(src->user);
}

static void source_gone(struct lat_inbox_source *src, int why)
{
	struct lat_chan *ch = of_source(src);

	if (why == -ESHUTDOWN)
		why = -EPIPE; /* the other side's shutdown */
	else if (why == 0)
		why = -ESHUTDOWN; /* our own */
	atomic_store_explicit(&ch->dead, why, memory_order_release);
	wake_senders(ch);
	chan_put(ch);
}

static const struct lat_inbox_source_ops ops = { .room = source_room, .gone = source_gone };
static const struct lat_inbox_source_ops ops_admit = { .room = source_room,
						       .admit = source_admit,
						       .gone = source_gone };

/* The consumer's segment, then the producer's: an idle channel has touched one page. */
static int ring_map(struct lat_chan *ch, uint32_t slots)
{
	size_t rx_bytes = lat_ring_rx_bytes(), tx_bytes = lat_ring_tx_bytes(slots);
	unsigned char *map;
	void *region;
	int rc;

	if (tx_bytes == 0)
		return -EINVAL;
	rc = lat_region_map(&region, rx_bytes + tx_bytes);
	if (rc < 0)
		return rc;
	ch->map = map = region;
	ch->map_bytes = rx_bytes + tx_bytes;
	rc = lat_ring_tx_init(&ch->tx, map + rx_bytes, tx_bytes, slots, 0);
	if (rc == 0)
		rc = lat_ring_rx_init(&ch->rx, map, rx_bytes, map + rx_bytes, tx_bytes);
	if (rc == 0)
		rc = lat_ring_tx_attach(&ch->tx, map, rx_bytes);
	return rc;
}

int lat_chan_open(struct lat_chan **out, struct lat_inbox *inbox, const struct lat_chan_config *cfg)
{
	uint32_t slots = cfg->slots == 0 ? LAT_RING_SLOTS_DEFAULT : cfg->slots;
	struct lat_chan *ch = aligned_alloc(alignof(struct lat_chan), sizeof(*ch));
	int rc;

	*out = NULL;
	if (ch == NULL)
		return -ENOMEM;
	*ch = (struct lat_chan){ .refs = 1, .room_fd = -1, .admit = cfg->admit };
	lat_qlock_init(&ch->lock, false);
	rc = ring_map(ch, slots);
	if (rc < 0)
		goto fail;
	ch->len_max = cfg->len_max == 0 ? lat_ring_len_max(slots) : cfg->len_max;
	rc = -EINVAL;
	if (ch->len_max > lat_ring_len_max(slots))
		goto fail;
	ch->src.rx = &ch->rx;
	ch->src.ops = cfg->admit == NULL ? &ops : &ops_admit;
	ch->src.user = cfg->user;
	ch->src.from = cfg->from;
	ch->freed = cfg->freed;
	chan_get(ch);
	rc = lat_inbox_attach(inbox, &ch->src);
	if (rc < 0) {
		ch->freed = NULL;
		atomic_store_explicit(&ch->refs, 1, memory_order_relaxed); /* nobody else has seen it */
		goto fail;
	}
	*out = ch;
	return 0;
fail:
	chan_put(ch);
	return rc;
}

/* 0, -EAGAIN, or why it will never be. */
static int send_locked(struct lat_chan *ch, const struct outgoing *m)
{
	uint64_t seq = atomic_load_explicit(&ch->sent, memory_order_relaxed) + 1;
	int rc = atomic_load_explicit(&ch->dead, memory_order_acquire);

	if (ch->closed)
		return -ESHUTDOWN;
	if (rc < 0)
		return rc;
	rc = lat_ring_publish(&ch->tx, m->type, (uint32_t)seq, m->data, m->len);
	if (rc < 0)
		return rc;
	count(&ch->sent_bytes, m->len);
	atomic_store_explicit(&ch->sent, seq, memory_order_relaxed);
	lat_inbox_source_ready(&ch->src);
	return 0;
}

static int drained_locked(struct lat_chan *ch, uint64_t upto)
{
	int rc = atomic_load_explicit(&ch->dead, memory_order_acquire);

	if (atomic_load_explicit(&ch->src.received, memory_order_acquire) >= upto)
		return 0;
	if (ch->closed)
		return -ESHUTDOWN;
	return rc < 0 ? rc : -EAGAIN;
}

/*
 * Tries to send @m or, when it is NULL, whether everything up to @upto was received, until that or
 * @deadline_ns. The lock is not held while it sleeps.
 */
static int until_locked(struct lat_chan *ch, struct lat_qlock_hold *hold, const struct outgoing *m,
			uint64_t upto, uint64_t deadline_ns)
{
	int rc = m != NULL ? send_locked(ch, m) : drained_locked(ch, upto);
	int waited, fd;

	if (rc != -EAGAIN)
		return rc;
	if (m != NULL)
		count(&ch->full, 1);
	if (deadline_ns == 0 && !ch->watched)
		return -EAGAIN;
	if (ch->room_fd < 0) {
		rc = lat_eventfd_open(&ch->room_fd);
		if (rc < 0)
			return rc;
	}
	for (;;) {
		lat_eventfd_clear(ch->room_fd);
		atomic_exchange_explicit(&ch->room_armed, 1, memory_order_acq_rel); /* [f] */
		rc = m != NULL ? send_locked(ch, m) : drained_locked(ch, upto);
		if (rc != -EAGAIN) {
			if (ch->sleepers > 0 || ch->watched)
				lat_eventfd_signal(ch->room_fd);
			return rc;
		}
		if (deadline_ns == 0)
			return -EAGAIN;
		ch->sleepers++;
		count(&ch->waits, 1);
		fd = ch->room_fd;
		chan_unlock(ch, hold);
		waited = lat_wait_fd(fd, POLLIN, deadline_ns);
		rc = chan_lock(ch, hold);
		if (rc < 0)
			return rc;
		ch->sleepers--;
		rc = m != NULL ? send_locked(ch, m) : drained_locked(ch, upto);
		if (rc != -EAGAIN)
			return rc;
		if (waited < 0)
			return waited;
	}
}

int lat_chan_send(struct lat_chan *ch, int32_t type, const void *data, size_t len, uint64_t deadline_ns)
{
	struct outgoing m = { .type = type, .data = data };
	struct lat_qlock_hold hold;
	int rc;

	if (len > ch->len_max)
		return -EMSGSIZE;
	m.len = (uint32_t)len;
	chan_get(ch);
	rc = chan_lock(ch, &hold);
	if (rc == 0) {
		rc = until_locked(ch, &hold, &m, 0, deadline_ns);
		chan_unlock(ch, &hold);
	}
	chan_put(ch);
	return rc;
}

int lat_chan_flush(struct lat_chan *ch, uint64_t deadline_ns)
{
	struct lat_qlock_hold hold;
	int rc;

	chan_get(ch);
	rc = chan_lock(ch, &hold);
	if (rc == 0) {
		rc = until_locked(ch, &hold, NULL, atomic_load_explicit(&ch->sent, memory_order_relaxed),
				  deadline_ns);
		chan_unlock(ch, &hold);
	}
	chan_put(ch);
	return rc;
}

int lat_chan_room_fd(struct lat_chan *ch)
{
	struct lat_qlock_hold hold;
	int rc = chan_lock(ch, &hold);

	if (rc < 0)
		return rc;
	if (ch->room_fd < 0)
		rc = lat_eventfd_open(&ch->room_fd);
	if (rc == 0 && !ch->watched) {
		/* Whether there is room is not known to who watches: the first -EAGAIN makes it true. */
		ch->watched = true;
		lat_eventfd_signal(ch->room_fd);
	}
	if (rc == 0)
		rc = ch->room_fd;
	chan_unlock(ch, &hold);
	return rc;
}

uint64_t lat_chan_sent(struct lat_chan *ch, uint64_t *received)
{
	if (received != NULL)
		*received = atomic_load_explicit(&ch->src.received, memory_order_acquire);
	return atomic_load_explicit(&ch->sent, memory_order_relaxed);
}

void lat_chan_stats(struct lat_chan *ch, struct lat_chan_stats *out)
{
	struct lat_qlock_state lock;

	lat_qlock_state(&ch->lock, &lock);
	*out = (struct lat_chan_stats){
		.sent = atomic_load_explicit(&ch->sent, memory_order_relaxed),
		.sent_bytes = atomic_load_explicit(&ch->sent_bytes, memory_order_relaxed),
		.received = atomic_load_explicit(&ch->src.messages, memory_order_relaxed),
		.received_bytes = atomic_load_explicit(&ch->src.bytes, memory_order_relaxed),
		.full = atomic_load_explicit(&ch->full, memory_order_relaxed),
		.waits = atomic_load_explicit(&ch->waits, memory_order_relaxed),
		.wakes = atomic_load_explicit(&ch->wakes, memory_order_relaxed),
		.lock_wrong = lock.wrong,
	};
}

void lat_chan_close(struct lat_chan *ch)
{
	struct lat_qlock_hold hold;
	int rc;

	if (ch == NULL)
		return;
	rc = chan_lock(ch, &hold);
	ch->closed = true;
	if (ch->room_fd >= 0)
		lat_eventfd_signal(ch->room_fd);
	if (rc == 0)
		chan_unlock(ch, &hold);
	lat_inbox_source_end(&ch->src); /* no sender pushes it any more: closed is looked at under the lock */
	chan_put(ch);
}

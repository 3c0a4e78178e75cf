/*
 * The edges are in the header. Who pokes the descriptor makes a second entry after it: whoever clears the descriptor
 * and then finds the log as he knows it would otherwise be poked late, for what he has heard, and never know it.
 */
#include <assert.h>
#include <limits.h>

#include "fastpath/doorbell.h"
#include "os/futex.h"
#include "os/poke.h"

enum {
	WHAT_BITS = 1,
	CHAN_BITS = 14,
	LAP_SHIFT = WHAT_BITS + CHAN_BITS,
};

static_assert(LAT_LINK_CHANS_MAX == 1 << CHAN_BITS, "an entry holds any number of a channel");
static_assert((LAT_SEG_LOG & (LAT_SEG_LOG - 1)) == 0, "entries are found by masking");

/* @number: of the entry, from 1. */
static uint32_t lap_of(uint32_t number)
{
	return (number - 1) / LAT_SEG_LOG << LAP_SHIFT;
}

static uint32_t slot_of(uint32_t number)
{
	return (number - 1) & (LAT_SEG_LOG - 1);
}

void lat_doorbell_init(struct lat_doorbell *d, struct lat_seg *own, const struct lat_seg *peer, int fd)
{
	*d = (struct lat_doorbell){ .own = own, .peer = peer, .fd = fd };
	pthread_mutex_init(&d->lock, NULL);
}

void lat_doorbell_fini(struct lat_doorbell *d)
{
	pthread_mutex_destroy(&d->lock);
}

static void count(_Atomic(uint64_t) *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void log_entry(struct lat_doorbell *d, enum lat_doorbell_what what, uint32_t chan)
{
	struct lat_seg *own = d->own;

	pthread_mutex_lock(&d->lock);
	d->rung++;
	atomic_store_explicit(&own->log[slot_of(d->rung)],
			      lap_of(d->rung) | chan << WHAT_BITS | (uint32_t)what, memory_order_relaxed);
	(void)atomic_exchange_explicit(&own->rung, d->rung, memory_order_seq_cst); /* [L], [A] */
	pthread_mutex_unlock(&d->lock);
}

void lat_doorbell_ring(struct lat_doorbell *d, enum lat_doorbell_what what, uint32_t chan)
{
	uint32_t armed;

	log_entry(d, what, chan);
	count(&d->rings);
	armed = atomic_load_explicit(&d->peer->armed, memory_order_seq_cst); /* [A] */
	if (armed == 0)
		return;
	count(&d->woken);
	if (armed % LAT_SEG_WATCHER != 0)
		(void)lat_futex_wake(&d->own->rung, INT_MAX, true);
	if (armed >= LAT_SEG_WATCHER) {
		lat_poke(d->fd);
		log_entry(d, what, chan);
	}
}

bool lat_doorbell_hear(struct lat_doorbell *d, const struct lat_doorbell_ears *ears, void *ctx)
{
	uint32_t rung = atomic_load_explicit(&d->peer->rung, memory_order_seq_cst); /* [l], [A] */
	uint32_t count = rung - d->heard;

	if (count == 0)
		return false;
	for (uint32_t n = d->heard + 1; count <= LAT_SEG_LOG && n != rung + 1; n++) {
		uint32_t entry = atomic_load_explicit(&d->peer->log[slot_of(n)], memory_order_relaxed);

		if (((entry ^ lap_of(n)) >> LAP_SHIFT) != 0) {
			count = LAT_SEG_LOG + 1; /* written over meanwhile, or a lie */
			break;
		}
		d->entries++;
		ears->one(ctx, (enum lat_doorbell_what)(entry % (1 << WHAT_BITS)),
			  (entry >> WHAT_BITS) % LAT_LINK_CHANS_MAX);
	}
	d->heard = rung;
	if (count > LAT_SEG_LOG) {
		d->lagged++;
		ears->all(ctx);
	}
	return true;
}

int lat_doorbell_clear(struct lat_doorbell *d)
{
	return lat_poke_clear(d->fd);
}

static uint32_t weight(enum lat_bell_sleep how)
{
	return how == LAT_BELL_FD ? LAT_SEG_WATCHER : LAT_SEG_SLEEPER;
}

void lat_doorbell_arm(struct lat_doorbell *d, enum lat_bell_sleep how)
{
	atomic_fetch_add_explicit(&d->own->armed, weight(how), memory_order_seq_cst); /* [A] */
}

void lat_doorbell_disarm(struct lat_doorbell *d, enum lat_bell_sleep how)
{
	atomic_fetch_sub_explicit(&d->own->armed, weight(how), memory_order_seq_cst);
}

bool lat_doorbell_watched(const struct lat_doorbell *d)
{
	return atomic_load_explicit(&d->own->armed, memory_order_relaxed) >= LAT_SEG_WATCHER;
}

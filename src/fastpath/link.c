/*
 * The link itself: its two segments, its bell, its end. The ends of its channels are in link_out.c and link_in.c.
 *
 * References: the link has its owner's and one of each end. A sending end has its owner's and, once accepted, its
 * sender's until freed; a receiving end its owner's, the inbox's until gone, and one of each message held in place.
 *
 * Lock order: an inbox's or a sender's, then the link's, then the doorbell's. gone, and what may call it, is called
 * under none of them.
 */
#include "fastpath/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "fastpath/link_impl.h"
#include "os/membarrier.h"
#include "os/memfd.h"
#include "os/poke.h"
#include "os/region.h"

static_assert(offsetof(struct lat_link, bell) == 0, "of_bell");

static struct lat_link *of_bell(struct lat_bell *bell)
{
	return (struct lat_link *)bell;
}

void lat_link_put(struct lat_link *link)
{
	if (!lat_link_unref(&link->refs))
		return;
	if (link->peer != NULL)
		lat_doorbell_fini(&link->doorbell);
	lat_seg_close(link->own);
	lat_seg_close(link->peer);
	lat_poke_close(link->doorbell.fd);
	lat_region_unmap(link->table, sizeof(*link->table));
	pthread_mutex_destroy(&link->lock);
	pthread_mutex_destroy(&link->made.lock);
	pthread_mutex_destroy(&link->mapped.lock);
	free(link);
}

/* --- the bell ---------------------------------------------------------------------------------------- */

static void broken_locked(struct lat_link *link, int why)
{
	if (link->broken || link->dead < 0 || link->ops == NULL)
		return;
	link->broken = true;
	link->ops->broken(link->user, why);
}

static void heard_one(void *ctx, enum lat_doorbell_what what, uint32_t chan)
{
	if (what == LAT_DOORBELL_MESSAGE)
		lat_link_message_locked(ctx, chan);
	else
		lat_link_room_locked(ctx, chan);
}

static void heard_all(void *ctx)
{
	struct lat_link *link = ctx;

	for (uint32_t chan = 0; chan < link->ins_top; chan++)
		lat_link_message_locked(link, chan);
	for (uint32_t chan = 0; chan < link->outs_top; chan++)
		lat_link_room_locked(link, chan);
}

static const struct lat_doorbell_ears ears = { heard_one, heard_all };

static bool bell_drain(struct lat_bell *bell)
{
	struct lat_link *link = of_bell(bell);
	bool any;

	pthread_mutex_lock(&link->lock);
	/* Before the log is read: what is rung in between signals it again. */
	if (lat_doorbell_watched(&link->doorbell) && lat_doorbell_clear(&link->doorbell) < 0)
		broken_locked(link, -EOWNERDEAD);
	any = lat_doorbell_hear(&link->doorbell, &ears, link);
	pthread_mutex_unlock(&link->lock);
	return any;
}

static void bell_arm(struct lat_bell *bell, enum lat_bell_sleep how)
{
	lat_doorbell_arm(&of_bell(bell)->doorbell, how);
}

static void bell_disarm(struct lat_bell *bell, enum lat_bell_sleep how)
{
	lat_doorbell_disarm(&of_bell(bell)->doorbell, how);
}

static const _Atomic(uint32_t) *bell_word(struct lat_bell *bell)
{
	return &of_bell(bell)->peer->rung;
}

static int bell_fd(struct lat_bell *bell)
{
	return of_bell(bell)->doorbell.fd;
}

static const struct lat_bell_ops bell_ops = {
	.drain = bell_drain,
	.arm = bell_arm,
	.disarm = bell_disarm,
	.word = bell_word,
	.fd = bell_fd,
};

/* --- the link ---------------------------------------------------------------------------------------- */

int lat_link_open(struct lat_link **out, const struct lat_link_config *cfg, int *fd)
{
	uint32_t flags = lat_membarrier_works(LAT_MEMBARRIER_MACHINE) ? LAT_SEG_EXPEDITED : 0;
	struct lat_link *link;
	void *table;
	int rc;

	*out = NULL;
	if (lat_poke_check(cfg->bell_fd) < 0)
		return -EINVAL;
	link = calloc(1, sizeof(*link));
	if (link == NULL)
		return -ENOMEM;
	rc = lat_region_map(&table, sizeof(*link->table));
	if (rc < 0)
		goto fail;
	rc = lat_seg_open(&link->own, flags, fd);
	if (rc < 0)
		goto fail_table;
	link->bell.ops = &bell_ops;
	link->table = table;
	link->ops = cfg->ops;
	link->user = cfg->user;
	link->doorbell.fd = cfg->bell_fd;
	atomic_init(&link->refs, 1);
	pthread_mutex_init(&link->lock, NULL);
	pthread_mutex_init(&link->made.lock, NULL);
	pthread_mutex_init(&link->mapped.lock, NULL);
	*out = link;
	return 0;
fail_table:
	lat_region_unmap(table, sizeof(*link->table));
fail:
	free(link);
	return rc;
}

int lat_link_join(struct lat_link *link, const int *fds, size_t count)
{
	const struct lat_seg *peer = NULL;
	int rc = count == 1 ? lat_seg_join(&peer, fds[0]) : -EPROTO;
	uint32_t both;

	for (size_t i = 0; i < count; i++)
		lat_memfd_close(fds[i]);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&link->lock);
	if (link->peer != NULL) {
		pthread_mutex_unlock(&link->lock);
		lat_seg_close(peer);
		return -EBUSY;
	}
	lat_doorbell_init(&link->doorbell, link->own, peer, link->doorbell.fd);
	both = atomic_load_explicit(&peer->flags, memory_order_relaxed) &
	       atomic_load_explicit(&link->own->flags, memory_order_relaxed);
	link->barriers = (both & LAT_SEG_EXPEDITED) != 0;
	link->peer = peer;
	pthread_mutex_unlock(&link->lock);
	return 0;
}

int lat_link_ready_locked(const struct lat_link *link)
{
	if (link->dead < 0)
		return link->dead;
	return link->peer == NULL ? -ENOTCONN : 0;
}

void lat_link_dead(struct lat_link *link, int why)
{
	uint32_t top;

	pthread_mutex_lock(&link->lock);
	if (link->dead < 0) {
		pthread_mutex_unlock(&link->lock);
		return;
	}
	link->dead = why;
	for (uint32_t chan = 0; chan < link->outs_top; chan++)
		if (link->table->out[chan] != NULL)
			lat_sender_end(&link->table->out[chan]->sender, why);
	top = link->ins_top; /* no more are opened */
	pthread_mutex_unlock(&link->lock);
	for (uint32_t chan = 0; chan < top; chan++) {
		struct lat_link_in *in;

		pthread_mutex_lock(&link->lock);
		in = link->table->in[chan];
		if (in != NULL)
			lat_link_in_end_unlock(in, why);
		else
			pthread_mutex_unlock(&link->lock);
	}
}

void lat_link_retry(struct lat_link *link)
{
	pthread_mutex_lock(&link->lock);
	for (uint32_t chan = 0; chan < link->outs_top; chan++)
		if (link->table->out[chan] != NULL)
			lat_sender_room(&link->table->out[chan]->sender);
	pthread_mutex_unlock(&link->lock);
}

void lat_link_close(struct lat_link *link)
{
	if (link == NULL)
		return;
	lat_link_dead(link, -ESHUTDOWN);
	pthread_mutex_lock(&link->lock);
	link->ops = NULL;
	pthread_mutex_unlock(&link->lock);
	lat_link_put(link);
}

static void add_extents(struct lat_link_stats *out, struct lat_link_extents *e)
{
	pthread_mutex_lock(&e->lock);
	out->extents += e->count;
	out->extent_bytes += e->bytes;
	pthread_mutex_unlock(&e->lock);
}

void lat_link_stats(struct lat_link *link, struct lat_link_stats *out)
{
	const struct lat_doorbell *d = &link->doorbell;

	pthread_mutex_lock(&link->lock);
	*out = (struct lat_link_stats){
		.rung = atomic_load_explicit(&d->rings, memory_order_relaxed),
		.woken = atomic_load_explicit(&d->woken, memory_order_relaxed),
		.heard = d->entries,
		.lagged = d->lagged,
		.outs = link->outs,
		.ins = link->ins,
	};
	pthread_mutex_unlock(&link->lock);
	add_extents(out, &link->made);
	add_extents(out, &link->mapped);
}

int lat_link_extents_add(struct lat_link_extents *e, uint64_t bytes)
{
	int rc = 0;

	pthread_mutex_lock(&e->lock);
	if (e->count == LAT_LINK_EXTENTS_MAX || bytes > LAT_LINK_EXTENT_BYTES_MAX - e->bytes) {
		rc = -ENOBUFS;
	} else {
		e->count++;
		e->bytes += bytes;
	}
	pthread_mutex_unlock(&e->lock);
	return rc;
}

void lat_link_extents_remove(struct lat_link_extents *e, uint64_t bytes)
{
	pthread_mutex_lock(&e->lock);
	e->count--;
	e->bytes -= bytes;
	pthread_mutex_unlock(&e->lock);
}

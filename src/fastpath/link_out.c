/*
 * The sending ends of a link's channels, and the memory that they add to them: each extent is a memfd, made at first
 * need, committed before it is written (LOCAL 3), and passed to the peer by the link's owner.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "fastpath/link_calls.h"
#include "fastpath/link_impl.h"
#include "fastpath/sizes.h"
#include "os/memfd.h"

/* Of the spill region, unless a longer message must fit: all channels of a link share LAT_LINK_EXTENT_BYTES_MAX. */
enum { SPILL_BYTES = 16 << 20 };

static_assert(offsetof(struct lat_link_out, sender) == 0, "of_sender");

static struct lat_link_out *of_sender(struct lat_sender *s)
{
	return (struct lat_link_out *)s;
}

void lat_link_room_locked(struct lat_link *link, uint32_t chan)
{
	struct lat_link_out *out = link->table->out[chan];

	if (out == NULL)
		return;
	lat_sender_room(&out->sender);
	lat_sender_tidy(&out->sender, NULL);
	if (!out->gave_back)
		return;
	out->gave_back = false;
	lat_doorbell_ring(&link->doorbell, LAT_DOORBELL_MESSAGE,
			  chan); /* so that the other side lets go, too */
}

/* --- extents ---------------------------------------------------------------------------------------- */

static int tiers_commit(void *user, void *mem, size_t bytes)
{
	(void)user;
	return lat_memfd_commit(mem, bytes);
}

/* Has the link's owner pass it to the peer. */
static int tell(struct lat_link_out *out, enum lat_tier tier, size_t bytes, int fd)
{
	const struct lat_link_extent x = { .chan = out->chan, .tier = tier, .bytes = bytes };
	struct lat_link *link = out->link;
	int rc;

	pthread_mutex_lock(&link->lock);
	rc = link->ops == NULL ? -ESHUTDOWN : link->ops->extend(link->user, &x, fd);
	pthread_mutex_unlock(&link->lock);
	return rc;
}

static int tiers_extend(void *user, enum lat_tier tier, uint32_t number, size_t bytes, void **mem)
{
	struct lat_link_out *out = user;
	struct lat_link *link = out->link;
	int rc, fd;

	(void)number; /* they are told in their order */
	rc = lat_link_extents_add(&link->made, bytes);
	if (rc < 0)
		return rc;
	rc = lat_memfd_create(&fd, mem, bytes, "lattice-extent");
	if (rc < 0)
		goto fail;
	lat_memfd_hide(*mem, bytes);
	if (tier != LAT_TIER_SPILL)
		rc = lat_memfd_commit(*mem, bytes);
	if (rc == 0)
		rc = tell(out, tier, bytes, fd);
	lat_memfd_close(fd);
	if (rc == 0)
		return 0;
	lat_memfd_unmap(*mem, bytes);
fail:
	lat_link_extents_remove(&link->made, bytes);
	return rc;
}

static void tiers_retire(void *user, enum lat_tier tier, void *mem, size_t bytes)
{
	struct lat_link_out *out = user;

	(void)tier;
	lat_memfd_unmap(mem, bytes);
	lat_link_extents_remove(&out->link->made, bytes);
	out->gave_back = true;
}

static const struct lat_tiers_ops tiers_ops = { .extend = tiers_extend,
						.commit = tiers_commit,
						.retire = tiers_retire };

/* 0, or -EINVAL: no tier carries a message of @len_max. */
static int sizes_for(struct lat_tiers_sizes *sizes, const struct lat_tiers_sizes *wanted, uint32_t len_max)
{
	if (wanted != NULL)
		*sizes = *wanted;
	else
		lat_sizes_here(sizes);
	sizes->slots[LAT_TIER_L1] = 0;
	if (sizes->spill_bytes > SPILL_BYTES && len_max <= SPILL_BYTES)
		sizes->spill_bytes = SPILL_BYTES;
	if (len_max > sizes->spill_bytes)
		sizes->spill_bytes = ((uint64_t)len_max + LAT_BLOCK_UNIT - 1) / LAT_BLOCK_UNIT *
				     LAT_BLOCK_UNIT;
	return sizes->spill_bytes > LAT_BLOCKS_BYTES_MAX ? -EINVAL : 0;
}

/* --- channels --------------------------------------------------------------------------------------- */

static void number_put_locked(struct lat_link *link, uint32_t chan)
{
	link->table->spare[link->spare++] = (uint16_t)chan;
	link->outs--;
}

static int number_get_locked(struct lat_link *link, uint32_t *chan)
{
	if (link->spare > 0)
		*chan = link->table->spare[--link->spare];
	else if (link->outs_top < LAT_LINK_CHANS_MAX)
		*chan = link->outs_top++;
	else
		return -ENOBUFS;
	link->outs++;
	return 0;
}

static void out_put(struct lat_link_out *out)
{
	struct lat_link *link = out->link;

	if (!lat_link_unref(&out->refs))
		return;
	if (out->accepted) {
		lat_sender_fini(&out->sender);
		lat_tiers_tx_fini(&out->sender.tx);
	}
	pthread_mutex_lock(&link->lock);
	number_put_locked(
		link,
		out->chan); /* last: what was written above in the segment is the next one's from here on */
	pthread_mutex_unlock(&link->lock);
	lat_link_asks_free(out);
	free(out);
	lat_link_put(link);
}

static void sender_announce(struct lat_sender *s)
{
	struct lat_link_out *out = of_sender(s);

	lat_doorbell_ring(&out->link->doorbell, LAT_DOORBELL_MESSAGE, out->chan);
}

static void sender_freed(struct lat_sender *s)
{
	struct lat_link_out *out = of_sender(s);

	pthread_mutex_lock(&out->link->lock);
	out->link->table->out[out->chan] = NULL;
	pthread_mutex_unlock(&out->link->lock);
	out_put(out);
}

static const struct lat_sender_ops sender_ops = { .announce = sender_announce, .freed = sender_freed };

int lat_link_out_open(struct lat_link_out **out, struct lat_link *link, const struct lat_link_out_config *cfg)
{
	struct lat_link_out *o = aligned_alloc(alignof(struct lat_link_out), sizeof(*o));
	int rc;

	*out = NULL;
	if (o == NULL)
		return -ENOMEM;
	*o = (struct lat_link_out){ .link = link, .single = cfg->single, .life = cfg->life, .refs = 1 };
	rc = sizes_for(&o->sizes, cfg->sizes, cfg->len_max);
	o->sender.len_max = cfg->len_max == 0 ? (uint32_t)lat_tiers_len_max(&o->sizes) : cfg->len_max;
	pthread_mutex_lock(&link->lock);
	if (rc == 0)
		rc = lat_link_ready_locked(link);
	if (rc == 0)
		rc = number_get_locked(link, &o->chan);
	pthread_mutex_unlock(&link->lock);
	if (rc < 0) {
		free(o);
		return rc;
	}
	lat_link_get(&link->refs);
	rc = lat_seg_ready_out(link->own, o->chan);
	if (rc == 0)
		rc = lat_seg_ready_peer_in(link->peer, o->chan);
	if (rc < 0) {
		out_put(o);
		return rc;
	}
	*out = o;
	return 0;
}

uint32_t lat_link_out_chan(const struct lat_link_out *out)
{
	return out->chan;
}

void lat_link_out_accept(struct lat_link_out *out)
{
	struct lat_link *link = out->link;
	const struct lat_tiers_mem mem = {
		.front = &link->own->tx[out->chan].front,
		.l1 = link->own->l1[out->chan],
		.back = (struct lat_tiers_back *)(uintptr_t)&link->peer->rx[out->chan].back,
	};
	struct lat_sender_config cfg = {
		.ops = &sender_ops,
		.peer = &link->peer->rx[out->chan].words,
		.words = &link->own->tx[out->chan].words,
		.bell = &link->bell,
		.len_max = out->sender.len_max,
		.barriers = link->barriers,
		.single = out->single,
		.life = out->life,
	};
	int rc;

	rc = lat_tiers_tx_init(&out->sender.tx, &mem, &out->sizes, &tiers_ops, out);
	LAT_ASSERT(rc == 0);
	(void)rc;
	lat_sender_init(&out->sender, &cfg);
	lat_link_get(&out->refs);
	pthread_mutex_lock(&link->lock);
	out->accepted = true;
	link->table->out[out->chan] = out;
	if (link->dead < 0 || out->why < 0)
		lat_sender_end(&out->sender, link->dead < 0 ? link->dead : out->why);
	pthread_mutex_unlock(&link->lock);
}

struct lat_sender *lat_link_out_sender(struct lat_link_out *out)
{
	return &out->sender;
}

/* true: it is to be closed now, by the caller. */
static bool out_closing(struct lat_link_out *out)
{
	bool closing;

	pthread_mutex_lock(&out->link->lock);
	closing = out->accepted && !out->closed;
	out->closed = true;
	pthread_mutex_unlock(&out->link->lock);
	return closing;
}

void lat_link_out_end(struct lat_link_out *out, int why)
{
	if (why == 0) {
		if (out_closing(out))
			lat_sender_close(&out->sender);
		return;
	}
	pthread_mutex_lock(&out->link->lock);
	if (out->link->table->out[out->chan] == out)
		lat_sender_end(&out->sender, why);
	else if (out->why == 0)
		out->why = why;
	pthread_mutex_unlock(&out->link->lock);
}

void lat_link_out_close(struct lat_link_out *out)
{
	if (out == NULL)
		return;
	if (out_closing(out))
		lat_sender_close(&out->sender);
	out_put(out);
}

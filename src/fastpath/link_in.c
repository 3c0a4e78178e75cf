/*
 * The receiving ends of a link's channels, and the extents that their senders add: checked, mapped read-only, made
 * sure of (LOCAL 5), and offered to the tiers, which take them into use and let go of them.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "fastpath/link_calls.h"
#include "fastpath/link_impl.h"
#include "os/memfd.h"

static_assert(offsetof(struct lat_link_in, src) == 0, "of_source");

static struct lat_link_in *of_source(struct lat_inbox_source *src)
{
	return (struct lat_link_in *)src;
}

void lat_link_message_locked(struct lat_link *link, uint32_t chan)
{
	struct lat_link_in *in = link->table->in[chan];

	if (in != NULL && in->state == LAT_LINK_IN_OPEN)
		lat_inbox_source_ready(&in->src);
}

static void in_put(struct lat_link_in *in)
{
	struct lat_link *link = in->link;

	if (!lat_link_unref(&in->refs))
		return;
	lat_link_caller_end(in);
	lat_tiers_rx_fini(&in->rx);
	lat_carry_drop(in->src.carry);
	free(in);
	pthread_mutex_lock(&link->lock);
	link->ins--;
	pthread_mutex_unlock(&link->lock);
	lat_link_put(link);
}

void lat_link_in_end_unlock(struct lat_link_in *in, int why)
{
	bool end = in->state == LAT_LINK_IN_OPEN;

	if (end) {
		in->state = LAT_LINK_IN_ENDED;
		in->why = why;
		lat_link_get(&in->refs);
		if (why < 0) /* nobody is bound to stop publishing */
			atomic_store_explicit(&in->left, in->slots, memory_order_relaxed);
	}
	pthread_mutex_unlock(&in->link->lock);
	if (!end)
		return;
	lat_inbox_source_end(&in->src);
	in_put(in);
}

static void source_room(struct lat_inbox_source *src)
{
	struct lat_link_in *in = of_source(src);

	lat_doorbell_ring(&in->link->doorbell, LAT_DOORBELL_ROOM, in->chan);
}

static int source_admit(struct lat_inbox_source *src)
{
	struct lat_link_in *in = of_source(src);
	uint32_t left = atomic_load_explicit(&in->left, memory_order_relaxed);

	if (left != UINT32_MAX) {
		if (left == 0)
			return in->why;
		atomic_store_explicit(&in->left, left - 1, memory_order_relaxed);
	}
	if (in->only_calls && !lat_link_call_is_next(in))
		return -EACCES;
	return in->admit == NULL ? 0 : in->admit(src->user);
}

static void source_gone(struct lat_inbox_source *src, int why)
{
	struct lat_link_in *in = of_source(src);

	in->gone(src->user, why == 0 ? in->why : why);
	in_put(in);
}

static void source_keep(struct lat_inbox_source *src)
{
	lat_link_get(&of_source(src)->refs);
}

static void source_drop(struct lat_inbox_source *src)
{
	in_put(of_source(src));
}

/* The sender may give memory back. It is told once for what there is now. */
static void source_idle(struct lat_inbox_source *src)
{
	struct lat_link_in *in = of_source(src);

	if (!lat_tiers_untidy(&in->rx) || in->room_epoch == in->rx.epoch)
		return;
	in->room_epoch = in->rx.epoch;
	lat_doorbell_ring(&in->link->doorbell, LAT_DOORBELL_ROOM, in->chan);
}

static const struct lat_inbox_source_ops source_ops = {
	.room = source_room,
	.keep = source_keep,
	.drop = source_drop,
	.idle = source_idle,
	.admit = source_admit,
	.call = lat_link_call_taken,
	.gone = source_gone,
};

/* Nothing is received from it any more, in the inbox's turn or after the end of @in. */
static void extent_let_go(void *user, const void *mem, uint64_t bytes)
{
	struct lat_link *link = user;

	lat_memfd_unmap(mem, bytes);
	lat_link_extents_remove(&link->mapped, bytes);
}

/* Takes @chan for @in. */
static int in_enter(struct lat_link *link, struct lat_link_in *in)
{
	int rc;

	pthread_mutex_lock(&link->lock);
	rc = lat_link_ready_locked(link);
	if (rc == 0 && (in->chan >= LAT_LINK_CHANS_MAX || link->table->in[in->chan] != NULL))
		rc = -EPROTO;
	if (rc == 0) {
		link->table->in[in->chan] = in;
		if (link->ins_top <= in->chan)
			link->ins_top = in->chan + 1;
		link->ins++;
		lat_link_get(&link->refs);
	}
	pthread_mutex_unlock(&link->lock);
	return rc;
}

static void in_leave(struct lat_link_in *in)
{
	pthread_mutex_lock(&in->link->lock);
	in->link->table->in[in->chan] = NULL;
	pthread_mutex_unlock(&in->link->lock);
}

/* It is attached: what is announced from now on is passed on, and what was announced before is looked for. */
static void in_opened(struct lat_link_in *in)
{
	struct lat_link *link = in->link;

	pthread_mutex_lock(&link->lock);
	if (in->state == LAT_LINK_IN_OPENING) { /* else gone has closed it already */
		in->state = LAT_LINK_IN_OPEN;
		lat_link_message_locked(link, in->chan);
	}
	if (link->dead < 0)
		lat_link_in_end_unlock(in, link->dead);
	else
		pthread_mutex_unlock(&link->lock);
}

int lat_link_in_open(struct lat_link_in **out, struct lat_link *link, uint32_t chan, struct lat_inbox *inbox,
		     const struct lat_link_in_config *cfg)
{
	struct lat_link_in *in = aligned_alloc(alignof(struct lat_link_in), sizeof(*in));
	int rc;

	*out = NULL;
	if (in == NULL)
		return -ENOMEM;
	*in = (struct lat_link_in){ .link = link,
				    .chan = chan,
				    .admit = cfg->admit,
				    .gone = cfg->gone,
				    .no_calls = cfg->no_calls,
				    .only_calls = cfg->only_calls,
				    .refs = 3, /* the owner's, the inbox's, ours */
				    .left = UINT32_MAX,
				    .slots = LAT_TIERS_L1_SLOTS };
	rc = in_enter(link, in);
	if (rc < 0)
		goto fail;
	rc = lat_seg_ready_in(link->own, chan);
	if (rc == 0 && link->table->replied[chan])
		rc = lat_seg_ready_replies(link->own,
					   chan); /* what the caller before was told is not told again */
	if (rc == 0)
		rc = lat_seg_ready_peer_out(link->peer, chan);
	if (rc < 0)
		goto fail_entered;
	lat_tiers_rx_init(&in->rx,
			  &(struct lat_tiers_mem){
				  .front = (struct lat_tiers_front *)(uintptr_t)&link->peer->tx[chan].front,
				  .l1 = (struct lat_ring_slot *)(uintptr_t)link->peer->l1[chan],
				  .back = &link->own->rx[chan].back,
			  },
			  &(struct lat_tiers_rx_config){
				  .foreign = true, .let_go = extent_let_go, .user = link });
	in->src.rx = &in->rx;
	in->src.ops = &source_ops;
	in->src.user = cfg->user;
	in->src.from = cfg->from;
	in->src.life = cfg->life;
	in->src.len_max = cfg->len_max;
	in->src.words = &link->own->rx[chan].words;
	in->src.peer = &link->peer->tx[chan].words;
	in->src.bell = &link->bell;
	in->src.barriers = link->barriers;
	in->src.admits = cfg->admit == NULL && !cfg->only_calls;
	in->src.asks = &link->peer->tx[chan].asks;
	*out = in;
	rc = lat_inbox_attach(inbox, &in->src);
	if (rc < 0)
		goto fail_entered;
	in_opened(in);
	in_put(in); /* NOLINT(clang-analyzer-unix.Malloc): ours of three */
	return 0;
fail_entered:
	in_leave(in);
	atomic_store_explicit(&in->refs, 1, memory_order_relaxed); /* nobody else has seen it */
	in_put(in);
	*out = NULL;
	return rc;
fail:
	free(in);
	return rc;
}

void lat_link_in_end(struct lat_link_in *in)
{
	pthread_mutex_lock(&in->link->lock);
	lat_link_in_end_unlock(in, 0);
}

void lat_link_in_carry(struct lat_link_in *in, struct lat_carry *carry)
{
	bool open;

	pthread_mutex_lock(&in->link->lock);
	open = in->state == LAT_LINK_IN_OPEN;
	if (open)
		lat_link_get(&in->refs);
	pthread_mutex_unlock(&in->link->lock);
	if (!open || !lat_inbox_source_carry(&in->src, carry))
		lat_carry_drop(carry);
	if (open)
		in_put(in);
}

/* One that has ended is drained, message by message, and each is looked at. */
void lat_link_in_revoke(struct lat_link_in *in)
{
	bool open;

	pthread_mutex_lock(&in->link->lock);
	open = in->state == LAT_LINK_IN_OPEN;
	if (open) {
		in->state = LAT_LINK_IN_ENDED;
		in->why = -EKEYREVOKED;
		lat_link_get(&in->refs);
	}
	pthread_mutex_unlock(&in->link->lock);
	if (!open)
		return;
	lat_inbox_source_revoke(&in->src);
	in_put(in);
}

bool lat_link_in_set_life(struct lat_link_in *in, struct lat_life life)
{
	return lat_inbox_source_set_life(&in->src, life);
}

uint64_t lat_link_in_received(const struct lat_link_in *in)
{
	struct lat_inbox_source_stats stats;

	lat_inbox_source_stats(&in->src, &stats);
	return stats.seq;
}

bool lat_link_in_close(struct lat_link_in *in)
{
	struct lat_link *link = in->link;
	bool detached = false, ended;

	pthread_mutex_lock(&link->lock);
	ended = in->state == LAT_LINK_IN_ENDED;
	in->state = LAT_LINK_IN_CLOSED;
	link->table->in[in->chan] = NULL;
	pthread_mutex_unlock(&link->lock);
	if (!ended)
		detached = lat_inbox_detach(&in->src);
	lat_link_caller_end(in);
	if (detached)
		in_put(in);
	in_put(in); /* NOLINT(clang-analyzer-unix.Malloc): the owner's, which we still hold */
	return detached;
}

/* --- extents ---------------------------------------------------------------------------------------- */

/* Maps and offers it. 0, -EPROTO, -EPERM, -ENOMEM. */
static int extent_take(struct lat_link_in *in, const struct lat_link_extent *x, int fd)
{
	struct lat_link *link = in->link;
	const void *mem = NULL;
	int rc;

	if (lat_link_extents_add(&link->mapped, x->bytes) < 0)
		return -ENOMEM; /* he may have kept to it: we still have what he gave back and we have not looked at since */
	rc = lat_memfd_map_peer(fd, x->bytes, &mem);
	if (rc == 0 && x->tier != LAT_TIER_SPILL)
		rc = lat_memfd_populate(mem, x->bytes); /* of the spill region, what he uses of it */
	if (rc == 0)
		rc = lat_tiers_rx_offer(&in->rx, x->tier, ++in->offered[x->tier], mem, x->bytes);
	if (rc < 0) {
		extent_let_go(link, mem, x->bytes);
		return rc;
	}
	pthread_mutex_lock(&link->lock);
	if (x->tier != LAT_TIER_SPILL)
		in->slots += (uint32_t)(x->bytes / LAT_RING_SLOT);
	lat_link_message_locked(link, in->chan); /* what is in it may have been looked for before it came */
	pthread_mutex_unlock(&link->lock);
	return 0;
}

/* For want of memory the channel is over, not the link. */
static void extent_missed(struct lat_link_in *in)
{
	bool open;

	pthread_mutex_lock(&in->link->lock);
	open = in->state == LAT_LINK_IN_OPEN;
	if (open)
		in->state = LAT_LINK_IN_ENDED;
	pthread_mutex_unlock(&in->link->lock);
	if (!open || !lat_inbox_detach(&in->src))
		return;
	in->gone(in->src.user, -ENOMEM);
	in_put(in);
}

void lat_link_extent_lost(struct lat_link *link, uint32_t chan)
{
	struct lat_link_in *in = NULL;

	pthread_mutex_lock(&link->lock);
	if (chan < LAT_LINK_CHANS_MAX)
		in = link->table->in[chan];
	if (in != NULL)
		lat_link_get(&in->refs);
	pthread_mutex_unlock(&link->lock);
	if (in == NULL)
		return;
	extent_missed(in);
	in_put(in); /* NOLINT(clang-analyzer-unix.Malloc): ours, of above */
}

int lat_link_extend(struct lat_link *link, const struct lat_link_extent *x, const int *fds, size_t count)
{
	bool sane = count == 1 && x->chan < LAT_LINK_CHANS_MAX && x->bytes <= LAT_LINK_EXTENT_BYTES_MAX &&
		    lat_tiers_offer_valid(x->tier, x->bytes);
	struct lat_link_in *in = NULL;
	int rc = sane ? 0 : -EPROTO;

	pthread_mutex_lock(&link->lock);
	if (sane)
		in = link->table->in[x->chan];
	if (in != NULL && in->state == LAT_LINK_IN_OPEN)
		lat_link_get(&in->refs);
	else
		in = NULL; /* it has just ended here */
	pthread_mutex_unlock(&link->lock);
	if (in != NULL) {
		rc = extent_take(in, x, fds[0]);
		if (rc == -ENOMEM) {
			extent_missed(in);
			rc = 0;
		}
		in_put(in); /* NOLINT(clang-analyzer-unix.Malloc): ours, of above */
	}
	for (size_t i = 0; i < count; i++)
		lat_memfd_close(fds[i]);
	return rc;
}

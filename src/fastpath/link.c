/*
 * The two ends of a link's channels, and what joins them to senders, inboxes and the doorbells.
 *
 * References: the link has its owner's and one of each end. A sending end has its owner's and, once accepted, its
 * sender's until freed; a receiving end its owner's and the inbox's until gone.
 *
 * Lock order: an inbox's or a sender's, then the link's, then the doorbell's. gone, and what may call it, is called
 * under none of them.
 */
#include "fastpath/link.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fastpath/doorbell.h"
#include "fastpath/link_seg.h"
#include "os/membarrier.h"
#include "os/memfd.h"
#include "os/poke.h"
#include "os/region.h"

struct lat_link {
	struct lat_bell bell;
	struct lat_seg *own;
	const struct lat_seg *peer; /* NULL until joined */
	bool barriers;              /* both sides are reached by lat_membarrier() */
	_Atomic(uint32_t) refs;

	pthread_mutex_t lock;
	const struct lat_link_ops *ops; /* NULL: the owner has let go */
	void *user;
	int dead; /* 0, or why */
	bool broken;
	struct lat_doorbell doorbell;
	struct table *table;
	uint32_t outs, ins;         /* ends there are */
	uint32_t outs_top, ins_top; /* one above the highest number ever used */
	uint32_t spare;             /* numbers below outs_top that are free */
};

/* By number. In memory that is committed as it is touched. */
struct table {
	struct lat_link_out *out[LAT_LINK_CHANS_MAX]; /* accepted and not freed */
	struct lat_link_in *in[LAT_LINK_CHANS_MAX];
	uint16_t spare[LAT_LINK_CHANS_MAX];
};

struct lat_link_out {
	struct lat_sender sender;
	struct lat_link *link;
	uint32_t chan;
	bool single;
	_Atomic(uint32_t) refs;
	/* Under the link's lock. */
	bool accepted, closed;
	int why; /* ended before it was accepted */
};

enum in_state { IN_OPENING, IN_OPEN, IN_ENDED, IN_CLOSED };

struct lat_link_in {
	struct lat_inbox_source src;
	struct lat_tiers_rx rx;
	struct lat_link *link;
	uint32_t chan;
	int (*admit)(void *user);
	void (*gone)(void *user, int why);
	_Atomic(uint32_t) refs;
	_Atomic(uint32_t) left; /* messages that a dead peer may still have published */
	/* Under the link's lock. */
	enum in_state state;
	int why; /* it is ended for; after that it does not change */
};

static_assert(offsetof(struct lat_link, bell) == 0, "of_bell");
static_assert(offsetof(struct lat_link_out, sender) == 0, "of_sender");
static_assert(offsetof(struct lat_link_in, src) == 0, "of_source");

static struct lat_link *of_bell(struct lat_bell *bell)
{
	return (struct lat_link *)bell;
}

static struct lat_link_out *of_sender(struct lat_sender *s)
{
	return (struct lat_link_out *)s;
}

static struct lat_link_in *of_source(struct lat_inbox_source *src)
{
	return (struct lat_link_in *)src;
}

static void get(_Atomic(uint32_t) *refs)
{
	atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* true: it was the last. */
static bool put(_Atomic(uint32_t) *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

static void link_put(struct lat_link *link)
{
	if (!put(&link->refs))
		return;
	if (link->peer != NULL)
		lat_doorbell_fini(&link->doorbell);
	lat_seg_close(link->own);
	lat_seg_close(link->peer);
	lat_poke_close(link->doorbell.fd);
	lat_region_unmap(link->table, sizeof(*link->table));
	pthread_mutex_destroy(&link->lock);
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

static void message_locked(struct lat_link *link, uint32_t chan)
{
	struct lat_link_in *in = link->table->in[chan];

	if (in != NULL && in->state == IN_OPEN)
		lat_inbox_source_ready(&in->src);
}

static void room_locked(struct lat_link *link, uint32_t chan)
{
	struct lat_link_out *out = link->table->out[chan];

	if (out != NULL)
		lat_sender_room(&out->sender);
}

static void heard_one(void *ctx, enum lat_doorbell_what what, uint32_t chan)
{
	if (what == LAT_DOORBELL_MESSAGE)
		message_locked(ctx, chan);
	else
		room_locked(ctx, chan);
}

static void heard_all(void *ctx)
{
	struct lat_link *link = ctx;

	for (uint32_t chan = 0; chan < link->ins_top; chan++)
		message_locked(link, chan);
	for (uint32_t chan = 0; chan < link->outs_top; chan++)
		room_locked(link, chan);
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

/* 0, or why no end can be opened. */
static int ready_locked(const struct lat_link *link)
{
	if (link->dead < 0)
		return link->dead;
	return link->peer == NULL ? -ENOTCONN : 0;
}

static void in_put(struct lat_link_in *in)
{
	struct lat_link *link = in->link;

	if (!put(&in->refs))
		return;
	free(in);
	pthread_mutex_lock(&link->lock);
	link->ins--;
	pthread_mutex_unlock(&link->lock);
	link_put(link);
}

/* Ends @in for @why, unless it is ended. Takes a reference of it, and unlocks. */
static void in_end_unlock(struct lat_link_in *in, int why)
{
	bool end = in->state == IN_OPEN;

	if (end) {
		in->state = IN_ENDED;
		in->why = why;
		get(&in->refs);
		if (why < 0) /* nobody is bound to stop publishing */
			atomic_store_explicit(&in->left, LAT_TIERS_L1_SLOTS, memory_order_relaxed);
	}
	pthread_mutex_unlock(&in->link->lock);
	if (!end)
		return;
	lat_inbox_source_end(&in->src);
	in_put(in);
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
			in_end_unlock(in, why);
		else
			pthread_mutex_unlock(&link->lock);
	}
}

void lat_link_close(struct lat_link *link)
{
	if (link == NULL)
		return;
	lat_link_dead(link, -ESHUTDOWN);
	pthread_mutex_lock(&link->lock);
	link->ops = NULL;
	pthread_mutex_unlock(&link->lock);
	link_put(link);
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
}

/* --- sending ------------------------------------------------------------------------------------------ */

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

	if (!put(&out->refs))
		return;
	pthread_mutex_lock(&link->lock);
	number_put_locked(link, out->chan);
	pthread_mutex_unlock(&link->lock);
	if (out->accepted)
		lat_sender_fini(&out->sender);
	free(out);
	link_put(link);
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

static const struct lat_tiers_sizes sizes; /* L1 only */

int lat_link_out_open(struct lat_link_out **out, struct lat_link *link, const struct lat_link_out_config *cfg)
{
	struct lat_link_out *o = aligned_alloc(alignof(struct lat_link_out), sizeof(*o));
	uint32_t len_max = (uint32_t)lat_tiers_len_max(&sizes);
	int rc;

	*out = NULL;
	if (o == NULL)
		return -ENOMEM;
	*o = (struct lat_link_out){ .link = link, .single = cfg->single, .refs = 1 };
	pthread_mutex_lock(&link->lock);
	rc = ready_locked(link);
	if (rc == 0 && cfg->len_max > len_max)
		rc = -EINVAL;
	if (rc == 0)
		rc = number_get_locked(link, &o->chan);
	pthread_mutex_unlock(&link->lock);
	if (rc < 0) {
		free(o);
		return rc;
	}
	get(&link->refs);
	o->sender.len_max = cfg->len_max == 0 ? len_max : cfg->len_max;
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
		.once = link->barriers,
		.single = out->single,
	};
	int rc;

	rc = lat_tiers_tx_init(&out->sender.tx, &mem, &sizes, NULL, NULL);
	LAT_ASSERT(rc == 0);
	(void)rc;
	lat_sender_init(&out->sender, &cfg);
	get(&out->refs);
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

/* --- receiving ---------------------------------------------------------------------------------------- */

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
	return in->admit == NULL ? 0 : in->admit(src->user);
}

static void source_gone(struct lat_inbox_source *src, int why)
{
	struct lat_link_in *in = of_source(src);

	in->gone(src->user, why == 0 ? in->why : why);
	in_put(in);
}

static const struct lat_inbox_source_ops source_ops = { .room = source_room,
							.admit = source_admit,
							.gone = source_gone };

/* Takes @chan for @in. */
static int in_enter(struct lat_link *link, struct lat_link_in *in)
{
	int rc;

	pthread_mutex_lock(&link->lock);
	rc = ready_locked(link);
	if (rc == 0 && (in->chan >= LAT_LINK_CHANS_MAX || link->table->in[in->chan] != NULL))
		rc = -EPROTO;
	if (rc == 0) {
		link->table->in[in->chan] = in;
		if (link->ins_top <= in->chan)
			link->ins_top = in->chan + 1;
		link->ins++;
		get(&link->refs);
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
	if (in->state == IN_OPENING) { /* else gone has closed it already */
		in->state = IN_OPEN;
		message_locked(link, in->chan);
	}
	if (link->dead < 0)
		in_end_unlock(in, link->dead);
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
				    .refs = 3, /* the owner's, the inbox's, ours */
				    .left = UINT32_MAX };
	rc = in_enter(link, in);
	if (rc < 0)
		goto fail;
	rc = lat_seg_ready_in(link->own, chan);
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
			  &(struct lat_tiers_rx_config){ .foreign = true });
	in->src.rx = &in->rx;
	in->src.ops = &source_ops;
	in->src.user = cfg->user;
	in->src.from = cfg->from;
	in->src.words = &link->own->rx[chan].words;
	in->src.peer = &link->peer->tx[chan].words;
	in->src.bell = &link->bell;
	in->src.barriers = link->barriers;
	*out = in;
	rc = lat_inbox_attach(inbox, &in->src);
	if (rc < 0)
		goto fail_entered;
	in_opened(in);
	in_put(in);
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
	in_end_unlock(in, 0);
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
	ended = in->state == IN_ENDED;
	in->state = IN_CLOSED;
	link->table->in[in->chan] = NULL;
	pthread_mutex_unlock(&link->lock);
	if (!ended)
		detached = lat_inbox_detach(&in->src);
	if (detached)
		in_put(in);
	in_put(in);
	return detached;
}

int lat_link_extend(struct lat_link *link, const struct lat_link_extent *x, const int *fds, size_t count)
{
	(void)link, (void)x;
	for (size_t i = 0; i < count; i++)
		lat_memfd_close(fds[i]);
	return -EPROTO;
}

/*
 * Both ends of a channel in one allocation. References: the owner's, the sender's until it is freed, the inbox's until gone.
 */
#include "fastpath/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fastpath/channel_state.h"
#include "fastpath/inbox_state.h"
#include "fastpath/sizes.h"
#include "os/membarrier.h"
#include "os/memfd.h"
#include "os/region.h"

static_assert(offsetof(struct lat_chan, src) == 0, "of_source");

static struct lat_chan *of_source(struct lat_inbox_source *src)
{
	return (struct lat_chan *)src; /* its first member */
}

static struct lat_chan *of_sender(struct lat_sender *s)
{
	return (struct lat_chan *)((char *)s - offsetof(struct lat_chan, sender));
}

static void chan_free(struct lat_chan *ch)
{
	lat_sender_fini(&ch->sender);
	lat_tiers_tx_fini(&ch->sender.tx);
	lat_memfd_unmap(ch->region, (size_t)ch->region_bytes);
	free(atomic_load_explicit(&ch->src.calls, memory_order_relaxed));
	lat_carry_drop(ch->src.carry);
	free(ch);
}

static void chan_put(struct lat_chan *ch)
{
	void (*freed)(void *user) = ch->freed;
	void *user = ch->src.user;

	if (atomic_fetch_sub_explicit(&ch->refs, 1, memory_order_acq_rel) != 1)
		return;
	chan_free(ch);
	if (freed != NULL)
		freed(user);
}

static void source_room(struct lat_inbox_source *src)
{
	lat_sender_room(&of_source(src)->sender);
}

static uint64_t source_call(struct lat_inbox_source *src, uint64_t seq)
{
	return of_source(src)->call(src->user, seq);
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
	lat_sender_end(&ch->sender, why);
	if (why != -ESHUTDOWN)
		lat_calls_fail(src->inbox, ch, why == -EPIPE ? -EOWNERDEAD : why);
	chan_put(ch);
}

static void sender_announce(struct lat_sender *s)
{
	lat_inbox_source_ready(&of_sender(s)->src);
}

static void sender_freed(struct lat_sender *s)
{
	chan_put(of_sender(s));
}

static void source_keep(struct lat_inbox_source *src)
{
	(void)atomic_fetch_add_explicit(&of_source(src)->refs, 1, memory_order_relaxed);
}

static void source_drop(struct lat_inbox_source *src)
{
	chan_put(of_source(src));
}

static void source_idle(struct lat_inbox_source *src)
{
	if (lat_tiers_untidy(src->rx))
		lat_sender_tidy(&of_source(src)->sender, src->rx);
}

#define SOURCE_OPS                                                                          \
	.room = source_room, .gone = source_gone, .keep = source_keep, .drop = source_drop, \
	.idle = source_idle
static const struct lat_inbox_source_ops source_ops = { SOURCE_OPS };
static const struct lat_inbox_source_ops source_ops_admit = { SOURCE_OPS, .admit = source_admit };
static const struct lat_inbox_source_ops source_ops_call = { SOURCE_OPS, .call = source_call };
static const struct lat_sender_ops sender_ops = { .announce = sender_announce, .freed = sender_freed };

/* --- memory: L1 lies in the channel, the rest is mapped when it is needed -------------------------- */

static int tiers_extend(void *user, enum lat_tier tier, uint32_t number, size_t bytes, void **mem)
{
	struct lat_chan *ch = user;
	bool callers = tier == LAT_TIER_SPILL && ch->region != NULL;
	int rc = 0;

	if (callers)
		*mem = ch->region;
	else
		rc = lat_region_map(mem, bytes);
	if (rc < 0)
		return rc;
	rc = lat_tiers_rx_offer(&ch->rx, tier, number, *mem, bytes);
	if (rc < 0 && !callers)
		lat_region_unmap(*mem, bytes);
	return rc;
}

static void tiers_retire(void *user, enum lat_tier tier, void *mem, size_t bytes)
{
	struct lat_chan *ch = user;

	if (tier != LAT_TIER_SPILL || ch->region == NULL)
		lat_region_unmap(mem, bytes);
}

static const struct lat_tiers_ops tiers_ops = { .extend = tiers_extend, .retire = tiers_retire };

static int tiers_make(struct lat_chan *ch, const struct lat_tiers_sizes *sizes)
{
	const struct lat_tiers_mem mem = { .front = &ch->front, .l1 = ch->l1, .back = &ch->back };

	lat_tiers_rx_init(&ch->rx, &mem,
			  &(struct lat_tiers_rx_config){ .l1_slots = sizes->slots[LAT_TIER_L1] });
	return lat_tiers_tx_init(&ch->sender.tx, &mem, sizes, &tiers_ops, ch);
}

/* Zeroed, with room for L1. */
static struct lat_chan *chan_alloc(const struct lat_tiers_sizes *sizes)
{
	size_t bytes = sizeof(struct lat_chan) +
		       (size_t)lat_tiers_l1_slots(sizes->slots[LAT_TIER_L1]) * LAT_RING_SLOT;
	struct lat_chan *ch = aligned_alloc(alignof(struct lat_chan), bytes);

	if (ch != NULL)
		memset(ch, 0, bytes);
	return ch;
}

int lat_chan_open(struct lat_chan **out, struct lat_inbox *inbox, const struct lat_chan_config *cfg)
{
	struct lat_sender_config sender = {
		.ops = &sender_ops, .len_max = cfg->len_max, .single = cfg->single, .life = cfg->life
	};
	struct lat_tiers_sizes sizes;
	struct lat_chan *ch;
	int rc;

	*out = NULL;
	if (cfg->sizes != NULL)
		sizes = *cfg->sizes;
	else
		lat_sizes_here(&sizes);
	if (!lat_tiers_slots_valid(sizes.slots[LAT_TIER_L1]) || cfg->len_max > lat_tiers_len_max(&sizes))
		return -EINVAL;
	if (sender.len_max == 0)
		sender.len_max = (uint32_t)lat_tiers_len_max(&sizes);
	ch = chan_alloc(&sizes);
	if (ch == NULL)
		return -ENOMEM;
	atomic_init(&ch->refs, 3);
	ch->admit = cfg->admit;
	ch->call = cfg->call;
	ch->freed = cfg->freed;
	rc = tiers_make(ch, &sizes);
	sender.peer = &ch->rx_words;
	sender.words = &ch->tx_words;
	sender.barriers = lat_membarrier_works(LAT_MEMBARRIER_PROCESS);
	lat_sender_init(&ch->sender, &sender);
	if (rc < 0)
		goto fail;
	ch->src.rx = &ch->rx;
	ch->src.ops = &source_ops;
	if (cfg->admit != NULL)
		ch->src.ops = &source_ops_admit;
	else if (cfg->call != NULL)
		ch->src.ops = &source_ops_call;
	ch->src.asks = cfg->asks;
	ch->src.user = cfg->user;
	ch->src.from = cfg->from;
	ch->src.life = cfg->life;
	ch->src.words = &ch->rx_words;
	ch->src.peer = &ch->tx_words;
	ch->src.barriers = sender.barriers;
	rc = lat_inbox_attach(inbox, &ch->src);
	if (rc < 0)
		goto fail;
	*out = ch;
	return 0;
fail:
	chan_free(ch);
	return rc;
}

int lat_chan_send(struct lat_chan *ch, int32_t type, const void *data, size_t len, uint64_t deadline_ns)
{
	enum lat_condition why;

	/* Only for tasks: others are spared a look at what is the receivers'. */
	if (lat_wait_hook != NULL && lat_chan_execute(ch, type, data, len, &why) == 0)
		return 0;
	return lat_sender_send(&ch->sender, type, data, len, deadline_ns);
}

struct carry_mark {
	struct lat_sender_mark mark; /* first */
	struct lat_chan *chan;
	struct lat_carry *carry;
};

static int carry_put(struct lat_sender_mark *mark, uint64_t seq)
{
	struct carry_mark *m = (struct carry_mark *)mark;

	m->carry->seq = seq;
	return lat_inbox_source_carry(&m->chan->src, m->carry) ? 0
							       : -EAGAIN; /* its end is about to be told */
}

static void carry_undo(struct lat_sender_mark *mark)
{
	const struct carry_mark *m = (const struct carry_mark *)mark;

	lat_inbox_source_uncarry(&m->chan->src, m->carry);
}

int lat_chan_send_carry(struct lat_chan *ch, int32_t type, const void *data, size_t len,
			struct lat_carry *carry, uint64_t deadline_ns)
{
	struct carry_mark m = { { carry_put, carry_undo }, ch, carry };

	return lat_sender_send_carry(&ch->sender, type, data, len, &m.mark, deadline_ns);
}

int lat_chan_queue(struct lat_chan *ch)
{
	struct lat_call_queue *q = atomic_load_explicit(&ch->src.calls, memory_order_acquire), *made;

	if (q != NULL)
		return 0;
	made = aligned_alloc(alignof(struct lat_call_queue), sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	memset(made, 0, sizeof(*made));
	if (!atomic_compare_exchange_strong_explicit(&ch->src.calls, &q, made, memory_order_acq_rel,
						     memory_order_acquire))
		free(made);
	return 0;
}

struct lat_sender *lat_chan_sender(struct lat_chan *ch)
{
	return &ch->sender;
}

int lat_chan_set_region(struct lat_chan *ch, int fd, uint64_t offset, uint64_t bytes)
{
	void *map;
	int rc = lat_memfd_map_own(fd, offset, bytes, &map);

	if (rc < 0)
		return rc;
	lat_turn_take(&ch->sender.turn);
	if (ch->region != NULL)
		rc = -EBUSY;
	else if (bytes < ch->sender.len_max)
		rc = -EINVAL;
	else
		rc = lat_tiers_spill_size(&ch->sender.tx, bytes);
	if (rc == 0) {
		ch->region = map;
		ch->region_bytes = bytes;
	}
	lat_turn_give(&ch->sender.turn);
	if (rc < 0)
		lat_memfd_unmap(map, (size_t)bytes);
	return rc;
}

int lat_chan_flush(struct lat_chan *ch, uint64_t deadline_ns)
{
	return lat_sender_flush(&ch->sender, deadline_ns);
}

int lat_chan_room_fd(struct lat_chan *ch)
{
	return lat_sender_room_fd(&ch->sender);
}

void lat_chan_revoke(struct lat_chan *ch)
{
	lat_inbox_source_refuse(&ch->src);
}

/* Who hands off looks at it in the turn of the inbox's flows. */
bool lat_chan_set_life(struct lat_chan *ch, struct lat_life life)
{
	struct lat_inbox *inbox = ch->src.inbox;
	bool home, lives;

	lat_turn_take(&ch->sender.turn);
	lat_turn_take(&inbox->turn);
	home = lat_flows_begin(&inbox->flows);
	lives = !lat_life_ended(&ch->src.life);
	if (lives)
		ch->sender.life = ch->src.life = lat_life_or_none(life);
	lat_flows_end(&inbox->flows, home);
	lat_turn_give(&inbox->turn);
	lat_turn_give(&ch->sender.turn);
	return lives;
}

uint64_t lat_chan_sent(struct lat_chan *ch, uint64_t *received)
{
	if (received != NULL)
		*received = atomic_load_explicit(&ch->src.received, memory_order_acquire);
	return lat_sender_sent(&ch->sender, NULL);
}

uint64_t lat_chan_published(const struct lat_chan *ch)
{
	return atomic_load_explicit(&ch->sender.sent, memory_order_relaxed) -
	       atomic_load_explicit(&ch->sender.handed, memory_order_relaxed);
}

void lat_chan_stats(struct lat_chan *ch, struct lat_chan_stats *out)
{
	struct lat_sender_stats sender;

	lat_sender_stats(&ch->sender, &sender);
	*out = (struct lat_chan_stats){
		.sent = sender.sent,
		.sent_bytes = sender.sent_bytes,
		.received = atomic_load_explicit(&ch->src.received, memory_order_relaxed),
		.received_bytes = atomic_load_explicit(&ch->src.bytes, memory_order_relaxed),
		.full = sender.full,
		.waits = sender.waits,
		.wakes = sender.wakes,
		.lock_wrong = sender.lock_wrong,
	};
}

void lat_chan_close(struct lat_chan *ch)
{
	if (ch == NULL)
		return;
	lat_sender_close(&ch->sender);
	lat_inbox_source_end(&ch->src);
	chan_put(ch);
}

/*
 * Both ends of a channel in one allocation. References: the owner's, the sender's until it is freed, the inbox's until gone.
 */
#include "fastpath/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

#include "fastpath/ring.h"
#include "fastpath/sender.h"
#include "os/membarrier.h"
#include "os/region.h"

struct lat_chan {
	struct lat_inbox_source src;
	struct lat_ring_rx rx;
	alignas(LAT_CACHELINE) struct lat_rx_words rx_words; /* the receiver's line */
	int (*admit)(void *user);
	void (*freed)(void *user);
	alignas(LAT_CACHELINE) struct lat_sender sender; /* the senders' lines */
	alignas(LAT_CACHELINE) struct lat_tx_words tx_words;
	_Atomic(uint32_t) refs;
	size_t map_bytes;
	void *map;
};

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
	lat_region_unmap(ch->map, ch->map_bytes);
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

static const struct lat_inbox_source_ops source_ops = { .room = source_room, .gone = source_gone };
static const struct lat_inbox_source_ops source_ops_admit = { .room = source_room,
							      .admit = source_admit,
							      .gone = source_gone };
static const struct lat_sender_ops sender_ops = { .announce = sender_announce, .freed = sender_freed };

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
	rc = lat_ring_tx_init(&ch->sender.tx, map + rx_bytes, tx_bytes, slots, 0);
	if (rc == 0)
		rc = lat_ring_rx_init(&ch->rx, map, rx_bytes, map + rx_bytes, tx_bytes);
	if (rc == 0)
		rc = lat_ring_tx_attach(&ch->sender.tx, map, rx_bytes);
	return rc;
}

int lat_chan_open(struct lat_chan **out, struct lat_inbox *inbox, const struct lat_chan_config *cfg)
{
	uint32_t slots = cfg->slots == 0 ? LAT_RING_SLOTS_DEFAULT : cfg->slots;
	struct lat_chan *ch = aligned_alloc(alignof(struct lat_chan), sizeof(*ch));
	struct lat_sender_config sender = { .ops = &sender_ops, .len_max = cfg->len_max };
	int rc;

	*out = NULL;
	if (ch == NULL)
		return -ENOMEM;
	*ch = (struct lat_chan){ .refs = 3, .admit = cfg->admit, .freed = cfg->freed };
	rc = ring_map(ch, slots);
	if (sender.len_max == 0)
		sender.len_max = lat_ring_len_max(slots);
	sender.peer = &ch->rx_words;
	sender.words = &ch->tx_words;
	sender.single = cfg->single;
	sender.barriers = lat_membarrier_works(LAT_MEMBARRIER_PROCESS);
	lat_sender_init(&ch->sender, &sender);
	if (rc < 0)
		goto fail;
	rc = -EINVAL;
	if (sender.len_max > lat_ring_len_max(slots))
		goto fail;
	ch->src.rx = &ch->rx;
	ch->src.ops = cfg->admit == NULL ? &source_ops : &source_ops_admit;
	ch->src.user = cfg->user;
	ch->src.from = cfg->from;
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
	return lat_sender_send(&ch->sender, type, data, len, deadline_ns);
}

int lat_chan_flush(struct lat_chan *ch, uint64_t deadline_ns)
{
	return lat_sender_flush(&ch->sender, deadline_ns);
}

int lat_chan_room_fd(struct lat_chan *ch)
{
	return lat_sender_room_fd(&ch->sender);
}

uint64_t lat_chan_sent(struct lat_chan *ch, uint64_t *received)
{
	if (received != NULL)
		*received = atomic_load_explicit(&ch->src.received, memory_order_acquire);
	return lat_sender_sent(&ch->sender, NULL);
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

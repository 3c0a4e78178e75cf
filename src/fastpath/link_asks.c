/* Calling over a link (link_calls.h): the side that asks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "fastpath/link_calls.h"
#include "fastpath/link_impl.h"
#include "os/clock.h"
#include "os/memfd.h"

enum { SPIN_NS = 1000000, LOOKS_PER_CLOCK = 16 };

/* Of a sending end. */
struct lat_link_asks {
	uint32_t count; /* calls so far. In the sender's turn */
	_Atomic(bool) busy[LAT_SEG_CALLS];
	_Atomic(const unsigned char *) blocks; /* NULL until REPLIES came */
	_Atomic(bool) no_blocks;               /* it came, and there was no memory for it */
	_Atomic(bool) spins;                   /* who answered last polls */
};

struct ask {
	struct lat_sender_mark mark; /* first */
	struct lat_link_out *out;
	struct lat_link_asks *asks;
	uint32_t number;
};

static uint32_t place_of(uint32_t number)
{
	return number % LAT_SEG_CALLS;
}

/* Made, and the memory that both sides read, if need be. */
static int asks_of(struct lat_link_out *out, struct lat_link_asks **asks)
{
	struct lat_link_asks *made = atomic_load_explicit(&out->asks, memory_order_acquire);
	struct lat_link *link = out->link;
	int rc = 0;

	if (made != NULL) {
		*asks = made;
		return 0;
	}
	pthread_mutex_lock(&link->lock);
	made = atomic_load_explicit(&out->asks, memory_order_relaxed);
	if (made == NULL) {
		made = calloc(1, sizeof(*made));
		rc = made == NULL ? -ENOMEM : lat_seg_ready_asks(link->own, out->chan);
		if (rc == 0)
			rc = lat_memfd_populate(link->peer->replies[out->chan],
						sizeof(link->peer->replies[out->chan]));
		if (rc < 0) {
			free(made);
			made = NULL;
		} else {
			atomic_store_explicit(&link->own->tx[out->chan].asks, 1,
					      memory_order_relaxed); /* [Q] */
			atomic_store_explicit(&out->asks, made, memory_order_release);
		}
	}
	pthread_mutex_unlock(&link->lock);
	*asks = made;
	return rc;
}

static int mark_put(struct lat_sender_mark *mark, uint64_t seq)
{
	struct ask *a = (struct ask *)mark;
	uint32_t number = a->asks->count + 1, place = place_of(number);

	if (atomic_load_explicit(&a->asks->busy[place], memory_order_acquire))
		return -ENOBUFS;
	atomic_store_explicit(&a->asks->busy[place], true, memory_order_relaxed);
	a->asks->count = a->number = number;
	atomic_store_explicit(&a->out->link->own->asked[a->out->chan].at[place], seq,
			      memory_order_relaxed); /* [Q] */
	return 0;
}

static void mark_undo(struct lat_sender_mark *mark)
{
	struct ask *a = (struct ask *)mark;
	uint32_t place = place_of(a->number);

	atomic_store_explicit(&a->out->link->own->asked[a->out->chan].at[place], 0, memory_order_relaxed);
	atomic_store_explicit(&a->asks->busy[place], false, memory_order_relaxed);
	a->asks->count--;
}

static const struct lat_seg_reply *line_of(const struct ask *a)
{
	return &a->out->link->peer->replies[a->out->chan][place_of(a->number)];
}

static uint32_t where_of(const struct lat_seg_reply *line)
{
	return atomic_load_explicit(&line->where, memory_order_relaxed) & ~(uint32_t)LAT_SEG_SPINS;
}

static bool over(void *ctx)
{
	const struct ask *a = ctx;
	const struct lat_seg_reply *line = line_of(a);

	if (atomic_load_explicit(&line->number, memory_order_seq_cst) != a->number) /* [r] [W] */
		return false;
	return where_of(line) != LAT_SEG_IN_BLOCK ||
	       atomic_load_explicit(&a->asks->blocks, memory_order_acquire) != NULL ||
	       atomic_load_explicit(&a->asks->no_blocks, memory_order_relaxed);
}

/* The bytes of a reply: there are as many as fit, and the peer may change them while they are read. */
static int copy_reply(const struct ask *a, void *buf, uint32_t len, uint32_t where)
{
	const struct lat_seg_reply *line = line_of(a);
	const unsigned char *blocks = atomic_load_explicit(&a->asks->blocks, memory_order_acquire);
	uint32_t at = atomic_load_explicit(&line->at, memory_order_relaxed);

	if (where == LAT_SEG_HERE) {
		if (len > LAT_SEG_REPLY)
			return -EPROTO;
		if (len > 0)
			memcpy(buf, line->data, len);
		return 0;
	}
	if (blocks == NULL && atomic_load_explicit(&a->asks->no_blocks, memory_order_relaxed))
		return -ENOMEM;
	if (blocks == NULL || at > LAT_LINK_REPLIES_BYTES || len > LAT_LINK_REPLIES_BYTES - at)
		return -EPROTO;
	if (lat_memfd_populate(blocks + at, len) < 0)
		return -ENOMEM;
	memcpy(buf, blocks + at, len);
	return 0;
}

/* Why there is no reply, as the other side says. */
static int failure(int32_t why)
{
	switch (why) {
	case -EACCES:
	case -EBUSY:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -EKEYEXPIRED:
	case -EKEYREVOKED:
	case -EMSGSIZE:
	case -ENOBUFS:
	case -ENOKEY:
	case -ENOMEM:
	case -EOPNOTSUPP:
	case -EOWNERDEAD:
		return why;
	default:
		return -EPROTO;
	}
}

static int take_reply(const struct ask *a, struct lat_call *call)
{
	const struct lat_seg_reply *line = line_of(a);
	uint32_t where = atomic_load_explicit(&line->where, memory_order_relaxed);

	atomic_store_explicit(&a->asks->spins, (where & LAT_SEG_SPINS) != 0, memory_order_relaxed);
	where &= ~(uint32_t)LAT_SEG_SPINS;
	call->reply_type = atomic_load_explicit(&line->type, memory_order_relaxed);
	call->reply_len = atomic_load_explicit(&line->len, memory_order_relaxed);
	if (where > LAT_SEG_FAILED)
		return -EPROTO;
	if (where == LAT_SEG_FAILED) {
		call->reply_len = 0;
		return failure(call->reply_type);
	}
	if (call->reply_len > call->cap)
		return -EMSGSIZE;
	if (where == LAT_SEG_LOST)
		return -ENOMEM;
	return copy_reply(a, call->buf, call->reply_len, where);
}

/* Where who answers polls, a thread does so too, for a while: it has only his word for it. */
static void spin(struct ask *a, uint64_t deadline_ns)
{
	uint64_t until;

	if (!atomic_load_explicit(&a->asks->spins, memory_order_relaxed) || lat_wait_hooked())
		return;
	until = lat_clock_monotonic_ns() + SPIN_NS;
	if (deadline_ns < until)
		until = deadline_ns;
	for (uint32_t looks = 1; !over(a); looks++) {
		lat_cpu_relax();
		if (looks % LOOKS_PER_CLOCK == 0 && lat_clock_monotonic_ns() >= until)
			return;
	}
}

int lat_link_call(struct lat_link_out *out, struct lat_call *call, uint64_t deadline_ns)
{
	struct ask a = { .mark = { mark_put, mark_undo }, .out = out };
	int rc;

	rc = asks_of(out, &a.asks);
	if (rc == 0)
		rc = lat_sender_call(&out->sender, call->type, call->data, call->len, &a.mark, deadline_ns);
	if (rc < 0)
		return rc;
	spin(&a, deadline_ns);
	rc = lat_sender_await(&out->sender, over, &a, deadline_ns);
	if (rc == 0)
		rc = take_reply(&a, call);
	/* Whatever it came to: who answers later is told that it is too late. */
	atomic_store_explicit(&out->link->own->asked[out->chan].done[place_of(a.number)], a.number,
			      memory_order_release); /* [D] */
	atomic_store_explicit(&a.asks->busy[place_of(a.number)], false, memory_order_release);
	return rc;
}

uint32_t lat_link_calls_open(const struct lat_link_out *out)
{
	const struct lat_link_asks *asks = atomic_load_explicit(&out->asks, memory_order_acquire);
	uint32_t count = 0;

	for (uint32_t i = 0; asks != NULL && i < LAT_SEG_CALLS; i++)
		count += atomic_load_explicit(&asks->busy[i], memory_order_relaxed);
	return count;
}

/* Without room for it, who waits for a long reply is told. 0, -EPERM, -EPROTO. */
static int take_blocks(struct lat_link *link, struct lat_link_asks *asks, uint64_t bytes, int fd)
{
	const void *mem = NULL;
	int rc = lat_link_extents_add(&link->mapped, bytes) < 0 ? -ENOMEM : 0;

	if (rc == 0) {
		rc = lat_memfd_map_peer(fd, bytes, &mem);
		if (rc < 0)
			lat_link_extents_remove(&link->mapped, bytes);
		else
			atomic_store_explicit(&asks->blocks, mem, memory_order_release);
	}
	if (rc != -ENOMEM)
		return rc;
	atomic_store_explicit(&asks->no_blocks, true, memory_order_relaxed);
	return 0;
}

int lat_link_replies(struct lat_link *link, uint32_t chan, uint64_t bytes, const int *fds, size_t count)
{
	bool sane = count == 1 && chan < LAT_LINK_CHANS_MAX && bytes == LAT_LINK_REPLIES_BYTES;
	struct lat_link_out *out;
	struct lat_link_asks *asks = NULL;
	int rc = sane ? 0 : -EPROTO;

	pthread_mutex_lock(&link->lock);
	out = sane ? link->table->out[chan] : NULL;
	if (out != NULL)
		asks = atomic_load_explicit(&out->asks, memory_order_acquire);
	if (asks != NULL && atomic_load_explicit(&asks->blocks, memory_order_relaxed) != NULL)
		rc = -EPROTO;
	else if (asks != NULL)
		rc = take_blocks(link, asks, bytes, fds[0]);
	if (asks != NULL && rc == 0)
		lat_sender_room(&out->sender);
	pthread_mutex_unlock(&link->lock);
	for (size_t i = 0; i < count; i++)
		lat_memfd_close(fds[i]);
	return rc;
}

void lat_link_asks_free(struct lat_link_out *out)
{
	struct lat_link_asks *asks = atomic_load_explicit(&out->asks, memory_order_relaxed);
	const unsigned char *blocks;

	if (asks == NULL)
		return;
	blocks = atomic_load_explicit(&asks->blocks, memory_order_relaxed);
	if (blocks != NULL) {
		lat_memfd_unmap(blocks, LAT_LINK_REPLIES_BYTES);
		lat_link_extents_remove(&out->link->mapped, LAT_LINK_REPLIES_BYTES);
	}
	free(asks);
}

/*
 * Calling over a link (link_calls.h): the side that answers. What is known of a channel's caller is found by the number in a token, which
 * is never given again, so that a token which is kept too long finds nothing.
 *
 * Lock order: the table's, then a caller's, then the link's, then the doorbell's. A caller's are taken in an inbox's turn.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "fastpath/inbox_state.h"
#include "fastpath/link_calls.h"
#include "fastpath/link_impl.h"
#include "os/memfd.h"

enum { IDS_MAX = INT32_MAX, BLOCK_UNIT = 64 };

struct lat_link_caller {
	uint32_t id;
	_Atomic(uint32_t) refs; /* the end's, and of each that is at work on it */
	const struct lat_inbox *inbox;
	struct lat_link *link; /* a reference */
	uint32_t chan;
	uint32_t taken; /* calls so far. In the inbox's turn */

	pthread_mutex_t lock; /* of the rest */
	bool closed;
	uint32_t told; /* value of the caller's room_wanted that was rung for */
	unsigned char *blocks;
	struct {
		uint32_t number;
		bool open;        /* asked, and not answered */
		uint32_t at, len; /* of blocks, while the reply may be read. len 0: none */
	} calls[LAT_SEG_CALLS];
	UT_hash_handle hh;
};

static struct {
	pthread_mutex_t lock;
	struct lat_link_caller *callers; /* by id */
	uint32_t ids;
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void caller_put(struct lat_link_caller *c)
{
	if (!lat_link_unref(&c->refs))
		return;
	if (c->blocks != NULL) {
		lat_memfd_unmap(c->blocks, LAT_LINK_REPLIES_BYTES);
		lat_link_extents_remove(&c->link->made, LAT_LINK_REPLIES_BYTES);
	}
	pthread_mutex_destroy(&c->lock);
	lat_link_put(c->link);
	free(c);
}

static int enter(struct lat_link_caller *c)
{
	int rc = -ENOBUFS;

	pthread_mutex_lock(&table.lock);
	if (table.ids < IDS_MAX) {
		c->id = ++table.ids;
		HASH_ADD(hh, table.callers, id, sizeof(c->id), c);
		rc = c->hh.tbl != NULL ? 0 : -ENOMEM;
	}
	pthread_mutex_unlock(&table.lock);
	return rc;
}

static void leave(struct lat_link_caller *c)
{
	pthread_mutex_lock(&table.lock);
	HASH_DEL(table.callers, c);
	pthread_mutex_unlock(&table.lock);
}

static struct lat_link_caller *find(uint32_t id)
{
	struct lat_link_caller *c;

	pthread_mutex_lock(&table.lock);
	HASH_FIND(hh, table.callers, &id, sizeof(id), c);
	if (c != NULL)
		lat_link_get(&c->refs);
	pthread_mutex_unlock(&table.lock);
	return c;
}

/* --- taking calls ----------------------------------------------------------------------------------- */

/* NULL: there is no memory, and its calls are messages like others. */
static struct lat_link_caller *caller_make(struct lat_link_in *in)
{
	struct lat_link *link = in->link;
	struct lat_link_caller *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	if (lat_memfd_populate(&link->peer->asked[in->chan], sizeof(link->peer->asked[in->chan])) < 0 ||
	    lat_seg_ready_replies(link->own, in->chan) < 0) {
		free(c);
		return NULL;
	}
	atomic_init(&c->refs, 1);
	pthread_mutex_init(&c->lock, NULL);
	c->inbox = in->src.inbox;
	c->link = link;
	c->chan = in->chan;
	lat_link_get(&link->refs);
	if (enter(c) < 0) {
		caller_put(c);
		return NULL;
	}
	link->table->replied[in->chan] = true;
	atomic_store_explicit(&in->caller, c, memory_order_release);
	return c;
}

/* Whether message @seq is the next call of @in. *c: its caller. */
static bool is_call(struct lat_link_in *in, uint64_t seq, struct lat_link_caller **c)
{
	const struct lat_seg *peer = in->link->peer;

	*c = atomic_load_explicit(&in->caller, memory_order_relaxed);
	if (*c == NULL && atomic_load_explicit(&peer->tx[in->chan].asks, memory_order_relaxed) != 0) /* [Q] */
		*c = caller_make(in);
	return *c != NULL &&
	       atomic_load_explicit(&peer->asked[in->chan].at[((*c)->taken + 1) % LAT_SEG_CALLS],
				    memory_order_relaxed) == seq; /* [Q] */
}

bool lat_link_call_is_next(struct lat_link_in *in)
{
	struct lat_link_caller *c;

	return is_call(in, in->src.seq + 1, &c);
}

uint64_t lat_link_call_taken(struct lat_inbox_source *src, uint64_t seq)
{
	struct lat_link_in *in = (struct lat_link_in *)src; /* its first member */
	struct lat_link_caller *c;
	uint32_t number, place;

	if (in->no_calls || !is_call(in, seq, &c))
		return 0;
	number = c->taken + 1;
	place = number % LAT_SEG_CALLS;
	c->taken = number;
	pthread_mutex_lock(&c->lock);
	c->calls[place].number = number; /* the one before has come to an end, or its caller is a liar */
	c->calls[place].open = true;
	c->calls[place].len = 0;
	pthread_mutex_unlock(&c->lock);
	return UINT64_C(1) << 63 | (uint64_t)c->id << 32 | number;
}

void lat_link_caller_end(struct lat_link_in *in)
{
	struct lat_link_caller *c = atomic_exchange_explicit(&in->caller, NULL, memory_order_acq_rel);

	if (c == NULL)
		return;
	leave(c);
	pthread_mutex_lock(&c->lock);
	c->closed = true; /* from now on the place may be another channel's */
	pthread_mutex_unlock(&c->lock);
	caller_put(c);
}

/* --- answering -------------------------------------------------------------------------------------- */

static bool done_locked(const struct lat_link_caller *c, uint32_t place)
{
	return atomic_load_explicit(&c->link->peer->asked[c->chan].done[place], memory_order_acquire) ==
	       c->calls[place].number; /* [d] */
}

/* Where @len bytes would be free from @at on: @at itself, or the end of a block that lies there. */
static uint64_t free_from_locked(const struct lat_link_caller *c, uint64_t at, uint32_t len)
{
	for (uint32_t i = 0; i < LAT_SEG_CALLS; i++) {
		uint64_t from = c->calls[i].at, to = from + c->calls[i].len;

		if (c->calls[i].len > 0 && at < to && from < at + len)
			return (to + BLOCK_UNIT - 1) / BLOCK_UNIT * BLOCK_UNIT;
	}
	return at;
}

/* The lowest place for @len bytes that nobody reads. 0, -ENOMEM. */
static int allot_locked(struct lat_link_caller *c, uint32_t len, uint32_t *out)
{
	uint64_t at = 0, next;

	for (uint32_t i = 0; i < LAT_SEG_CALLS; i++)
		if (c->calls[i].len > 0 && done_locked(c, i))
			c->calls[i].len = 0;
	while ((next = free_from_locked(c, at, len)) != at)
		at = next;
	if (len > LAT_LINK_REPLIES_BYTES || at > LAT_LINK_REPLIES_BYTES - len)
		return -ENOMEM;
	*out = (uint32_t)at;
	return 0;
}

/* The memory, made at the first long reply, and the caller's process told of it. */
static int blocks_locked(struct lat_link_caller *c)
{
	struct lat_link *link = c->link;
	void *mem;
	int fd, rc;

	if (c->blocks != NULL)
		return 0;
	rc = lat_link_extents_add(&link->made, LAT_LINK_REPLIES_BYTES);
	if (rc < 0)
		return rc;
	rc = lat_memfd_create(&fd, &mem, LAT_LINK_REPLIES_BYTES, "lattice-replies");
	if (rc == 0) {
		lat_memfd_hide(mem, LAT_LINK_REPLIES_BYTES);
		pthread_mutex_lock(&link->lock);
		rc = link->ops == NULL ? -ESHUTDOWN
				       : link->ops->replies(link->user, c->chan, LAT_LINK_REPLIES_BYTES, fd);
		pthread_mutex_unlock(&link->lock);
		lat_memfd_close(fd);
		if (rc < 0)
			lat_memfd_unmap(mem, LAT_LINK_REPLIES_BYTES);
	}
	if (rc < 0)
		lat_link_extents_remove(&link->made, LAT_LINK_REPLIES_BYTES);
	else
		c->blocks = mem;
	return rc;
}

/* Puts the bytes where the line will say. 0, -ENOMEM. */
static int put_long_locked(struct lat_link_caller *c, uint32_t place, struct lat_seg_reply *line,
			   const void *data, uint32_t len)
{
	uint32_t at;

	if (blocks_locked(c) < 0 || allot_locked(c, len, &at) < 0 ||
	    lat_memfd_commit(c->blocks + at, len) < 0)
		return -ENOMEM;
	memcpy(c->blocks + at, data, len);
	atomic_store_explicit(&line->at, at, memory_order_relaxed);
	c->calls[place].at = at;
	c->calls[place].len = len;
	return 0;
}

/* @where: LAT_SEG_HERE, or LAT_SEG_FAILED without bytes. */
static int answer_locked(struct lat_link_caller *c, uint32_t place, uint32_t where, int32_t type,
			 const void *data, uint32_t len)
{
	struct lat_link *link = c->link;
	struct lat_seg_reply *line = &link->own->replies[c->chan][place];
	uint32_t wanted;
	int rc = 0;

	if (len > LAT_SEG_REPLY) {
		rc = put_long_locked(c, place, line, data, len);
		where = rc == 0 ? LAT_SEG_IN_BLOCK : LAT_SEG_LOST;
	} else if (len > 0) {
		memcpy(line->data, data, len);
	}
	if (atomic_load_explicit(&c->inbox->callers_spin, memory_order_relaxed))
		where |= LAT_SEG_SPINS;
	atomic_store_explicit(&line->type, type, memory_order_relaxed);
	atomic_store_explicit(&line->len, len, memory_order_relaxed);
	atomic_store_explicit(&line->where, where, memory_order_relaxed);
	atomic_store_explicit(&line->number, c->calls[place].number, memory_order_seq_cst); /* [R] */
	wanted = atomic_load_explicit(&link->peer->tx[c->chan].words.room_wanted,
				      memory_order_seq_cst); /* [w] */
	if (wanted != c->told) {
		c->told = wanted;
		lat_doorbell_ring(&link->doorbell, LAT_DOORBELL_ROOM, c->chan);
	}
	return rc;
}

static int reply(struct lat_link_caller *c, uint32_t number, uint32_t where, int32_t type, const void *data,
		 uint32_t len)
{
	uint32_t place = number % LAT_SEG_CALLS;
	int rc = -EALREADY;

	pthread_mutex_lock(&c->lock);
	if (!c->closed && c->calls[place].open && c->calls[place].number == number) {
		c->calls[place].open = false;
		if (!done_locked(c, place)) /* else it has given up */
			rc = answer_locked(c, place, where, type, data, len);
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static int reply_to(const struct lat_inbox *inbox, uint64_t token, uint32_t where, int32_t type,
		    const void *data, uint32_t len)
{
	uint32_t id = (uint32_t)(token >> 32) & IDS_MAX;
	struct lat_link_caller *c = find(id);
	int rc;

	if (c == NULL) {
		/* One that there was has gone with its process, or its channel. */
		pthread_mutex_lock(&table.lock);
		rc = id == 0 || id > table.ids ? -EINVAL : -EALREADY;
		pthread_mutex_unlock(&table.lock);
		return rc;
	}
	rc = c->inbox == inbox ? reply(c, (uint32_t)token, where, type, data, len) : -EINVAL;
	caller_put(c);
	return rc;
}

int lat_link_reply(const struct lat_inbox *inbox, uint64_t token, int32_t type, const void *data,
		   uint32_t len)
{
	return reply_to(inbox, token, LAT_SEG_HERE, type, data, len);
}

void lat_link_reply_fail(const struct lat_inbox *inbox, uint64_t token, int why)
{
	(void)!reply_to(inbox, token, LAT_SEG_FAILED, why, NULL, 0);
}

bool lat_link_given_up(uint64_t token)
{
	struct lat_link_caller *c = find((uint32_t)(token >> 32) & IDS_MAX);
	uint32_t number = (uint32_t)token, place = number % LAT_SEG_CALLS;
	bool is = true;

	if (c == NULL)
		return true;
	pthread_mutex_lock(&c->lock);
	if (!c->closed && c->calls[place].open && c->calls[place].number == number)
		is = done_locked(c, place);
	pthread_mutex_unlock(&c->lock);
	caller_put(c);
	return is;
}

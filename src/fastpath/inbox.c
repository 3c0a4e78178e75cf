/*
 * Sources, their list, and taking from it.
 *
 * ready, a word per source. 1: the source is on the stack of newly ready ones or listed. A producer that
 * announces has published, exchanges it with 1, and pushes the source if it was 0. A receiver that finds a
 * listed source empty unlists it, exchanges the word with 0, and looks once more. Two exchanges of one word are
 * ordered: either the receiver's comes first, then the producer reads 0 and pushes; or the producer's does,
 * then the receiver's acquire makes it see the message.
 *   [R] ready exchange, acq_rel -> [r] ready exchange, acq_rel : what was published before is seen after
 *   [S] push, release -> [s] stack exchange, acquire : the link of a pushed source
 *
 * A hot source stays listed, found empty or not, and its producer announces nothing. It is made hot while receivers poll, and
 * not while one sleeps; park.c cools it. Where somebody watches the descriptor, bells write to it with each announcement, whoever
 * polls: there a source of another process is hot from its first one on, so that the next ones are spared.
 */
#include "fastpath/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fastpath/inbox_fast.h"

enum {
	HOT_STREAK = 8,        /* messages in a row that make a source hot */
	IDLE_LOOKS_MAX = 1024, /* at empty hot sources: about what cooling them costs */
};

static const _Atomic(uint32_t) never; /* asked */
const _Atomic(uint32_t) lat_life_needed_none;

void lat_inbox_list_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	struct lat_inbox_source *next = inbox->next;

	src->held = src->behind != NULL;
	if (src->held)
		return;
	if (next == NULL) {
		src->next = src->prev = inbox->next = src;
	} else {
		src->next = next;
		src->prev = next->prev;
		src->prev->next = next->prev = src;
	}
	src->listed = true;
	src->streak = 0;
	inbox->listed++;
	if (src->peer != NULL)
		inbox->peer_cpu = atomic_load_explicit(&src->peer->cpu, memory_order_relaxed);
	if (src->bell != NULL && inbox->watched)
		lat_inbox_heat_locked(inbox, src);
}

/* Who is about to sleep cools all first, and then nothing is near. */
static void near_locked(const struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	src->near = src->hot && inbox->sleepers == 0 && !inbox->has_flows && src->peer != NULL &&
		    src->from.node == 0 && src->len_max == 0 &&
		    (src->admits || src->ops == NULL || src->ops->admit == NULL);
}

void lat_inbox_heat_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	uint32_t hot;

	/* While a receiver sleeps, every publish is announced. */
	if (src->hot || src->ended || !src->barriers || inbox->sleepers > 0)
		return;
	hot = atomic_load_explicit(&src->words->hot, memory_order_relaxed);
	atomic_store_explicit(&src->words->hot, hot + 1, memory_order_relaxed);
	src->hot = true;
	inbox->hot++;
	near_locked(inbox, src);
}

static void make_cold(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	uint32_t hot = atomic_load_explicit(&src->words->hot, memory_order_relaxed);

	atomic_store_explicit(&src->words->hot, hot + 1, memory_order_relaxed); /* [H] */
	src->hot = src->near = false;
	inbox->hot--;
}

void lat_inbox_unlist_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	if (!src->listed)
		return;
	src->listed = false;
	inbox->listed--;
	if (src->hot)
		make_cold(inbox, src);
	src->next->prev = src->prev;
	src->prev->next = src->next;
	if (inbox->next == src)
		inbox->next = inbox->listed > 0 ? src->next : NULL;
}

/*
 * Moves the newly ready sources to the list, the longest ready first. A source detached meanwhile is dropped
 * here.
 */
bool lat_inbox_drain_locked(struct lat_inbox *inbox)
{
	struct lat_inbox_source *src, *in_order = NULL;

	if (atomic_load_explicit(&inbox->stack, memory_order_relaxed) == NULL)
		return false;
	src = atomic_exchange_explicit(&inbox->stack, NULL, memory_order_acquire); /* [s] */
	while (src != NULL) {
		struct lat_inbox_source *below = src->pushed;

		src->pushed = in_order;
		in_order = src;
		src = below;
	}
	while (in_order != NULL) {
		src = in_order;
		in_order = src->pushed;
		if (src->attached)
			lat_inbox_list_locked(inbox, src);
		else
			atomic_store_explicit(&src->ready, 0, memory_order_release);
	}
	return true;
}

/* Its producer has announced what it published before the exchange, so one more look decides. */
static void leave_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	struct lat_ring_msg m;

	lat_inbox_unlist_locked(inbox, src);
	atomic_exchange_explicit(&src->ready, 0, memory_order_acq_rel); /* [r] */
	if (lat_tiers_peek(src->rx, &m) == -ENOMSG) {
		if (src->ops != NULL && src->ops->idle != NULL)
			src->ops->idle(src);
		return;
	}
	if (atomic_exchange_explicit(&src->ready, 1, memory_order_acq_rel) == 0)
		lat_inbox_list_locked(inbox, src); /* else the producer has pushed it */
}

/* The words are changed, then comes one barrier for all, then the look: [H] and [h] of fastpath/bell.h. */
void lat_inbox_cool_locked(struct lat_inbox *inbox, bool idle_only)
{
	struct lat_inbox_source *src = inbox->next, *cooled = NULL;
	bool machine = false;

	for (uint32_t left = inbox->hot > 0 ? inbox->listed : 0; left > 0; left--, src = src->next) {
		bool idle = src->seq == src->seq_before;

		src->seq_before = src->seq;
		if (!src->hot || (idle_only && !idle))
			continue;
		make_cold(inbox, src);
		machine = machine || src->bell != NULL;
		src->pushed = cooled; /* free while it is listed */
		cooled = src;
	}
	inbox->idle_looks = 0;
	if (machine)                                    /* its source would not be hot if there were none */
		lat_membarrier(LAT_MEMBARRIER_MACHINE); /* reaches this process as well */
	else if (cooled != NULL)
		lat_membarrier(LAT_MEMBARRIER_PROCESS);
	while ((src = cooled) != NULL) {
		cooled = src->pushed;
		leave_locked(inbox, src);
	}
}

/* --- sources of one sender ---------------------------------------------------------------------- */

static bool same_sender(const struct lat_inbox_source *a, const struct lat_inbox_source *b)
{
	return a->from.pid == b->from.pid && a->from.node == b->from.node && a->from.pid != 0;
}

static void put_behind_locked(struct lat_inbox *inbox, struct lat_inbox_source *src,
			      struct lat_inbox_source *first)
{
	bool hot = src->hot;

	if (src->behind != NULL)
		src->behind->followers--;
	src->behind = first;
	atomic_store_explicit(&src->second, first != NULL, memory_order_relaxed);
	if (first == NULL)
		return;
	first->followers++;
	if (!src->listed)
		return;
	lat_inbox_unlist_locked(inbox, src);
	src->held = true;
	if (hot) /* what is published from now on is announced: [H] and [h] */
		lat_membarrier(src->bell != NULL ? LAT_MEMBARRIER_MACHINE : LAT_MEMBARRIER_PROCESS);
}

/* Whoever waits for @src waits for what that waits for, if for anything. */
static void release_followers_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	for (struct lat_inbox_source *s = inbox->all; s != NULL && src->followers > 0; s = s->all_next) {
		if (s->behind != src)
			continue;
		put_behind_locked(inbox, s, src->behind);
		if (s->behind != NULL || !s->held)
			continue;
		lat_inbox_list_locked(inbox, s);
		lat_inbox_disarm(inbox);
	}
	put_behind_locked(inbox, src, NULL);
}

/* @src is being attached: the youngest of the ended ones of its sender comes first. */
static void line_up_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	struct lat_inbox_source *first = NULL;

	src->behind = NULL;
	atomic_store_explicit(&src->second, false, memory_order_relaxed);
	src->followers = 0;
	src->held = src->left = false;
	src->born = ++inbox->born;
	for (struct lat_inbox_source *s = inbox->left > 0 ? inbox->all : NULL; s != NULL; s = s->all_next)
		if (s->left && same_sender(s, src) && (first == NULL || s->born > first->born))
			first = s;
	put_behind_locked(inbox, src, first);
}

/* @src has ended, and not all of it was received: younger ones of its sender wait. */
static void go_first_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	src->left = true;
	inbox->left++;
	for (struct lat_inbox_source *s = inbox->all; s != NULL; s = s->all_next)
		if (s->born > src->born && same_sender(s, src) &&
		    (s->behind == NULL || s->behind->born < src->born))
			put_behind_locked(inbox, s, src);
}

/* --- sources that go ---------------------------------------------------------------------------- */

static void detach_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	lat_inbox_unlist_locked(inbox, src);
	src->held = false;
	release_followers_locked(inbox, src);
	inbox->left -= src->left;
	src->left = false;
	if (src->all_prev != NULL)
		src->all_prev->all_next = src->all_next;
	else
		inbox->all = src->all_next;
	if (src->all_next != NULL)
		src->all_next->all_prev = src->all_prev;
	src->attached = false;
	if (src->kept && src->rx->held == 0) {
		src->kept = false;
		src->ops->drop(src); /* not the last: the inbox has one until gone, or who detaches */
	}
	inbox->stats.sources--;
	if (src->bell != NULL)
		lat_inbox_bell_put_locked(inbox, src->bell);
}

static void gone_locked(struct lat_inbox *inbox, struct lat_inbox_source *src, int why,
			struct lat_gone_list *gone)
{
	detach_locked(inbox, src);
	if (src->ended)
		inbox->refs--; /* never the last: the caller has one */
	src->why = why;
	src->next = NULL;
	*gone->end = src;
	gone->end = &src->next;
}

/* A source may be freed by its gone. */
void lat_inbox_tell_gone(struct lat_gone_list *gone)
{
	struct lat_inbox_source *src;

	while ((src = gone->first) != NULL) {
		gone->first = src->next;
		if (src->ops != NULL && src->ops->gone != NULL)
			src->ops->gone(src, src->why);
	}
	gone->end = &gone->first;
}

/* --- life --------------------------------------------------------------------------------------- */

/* @owner: of the turn that ends here. */
static void put_end(struct lat_inbox *inbox, bool owner)
{
	bool last = --inbox->refs == 0;

	if (owner)
		lat_turn_end(&inbox->turn);
	else
		lat_turn_give(&inbox->turn);
	if (!last)
		return;
	lat_inbox_close_fd(inbox);
	lat_calls_free(atomic_load_explicit(&inbox->calls, memory_order_relaxed));
	free(inbox->bells);
	free(inbox);
}

int lat_inbox_open(struct lat_inbox **out)
{
	struct lat_inbox *inbox = aligned_alloc(alignof(struct lat_inbox), sizeof(*inbox));

	*out = NULL;
	if (inbox == NULL)
		return -ENOMEM;
	*inbox = (struct lat_inbox){ .refs = 1, .eventfd = -1, .epoll = -1 };
	*out = inbox;
	return 0;
}

void lat_inbox_shutdown(struct lat_inbox *inbox)
{
	struct lat_gone_list gone = { .end = &gone.first };
	bool left;

	lat_turn_take(&inbox->turn);
	inbox->closed = true;
	while (inbox->all != NULL)
		gone_locked(inbox, inbox->all, -ESHUTDOWN, &gone);
	lat_inbox_wake(inbox, true); /* for good: who finds it closed does not clear the descriptor */
	lat_turn_give(&inbox->turn);
	left = lat_flows_close(&inbox->flows);
	lat_calls_fail(inbox, NULL, -EOWNERDEAD);
	lat_inbox_tell_gone(&gone);
	if (left)
		lat_flows_left(inbox);
}

void lat_inbox_put(struct lat_inbox *inbox)
{
	lat_turn_take(&inbox->turn);
	put_end(inbox, false);
}

void lat_inbox_set_owner(struct lat_inbox *inbox, void (*keep)(void *owner), void (*drop)(void *owner),
			 void *owner)
{
	inbox->keep = keep;
	inbox->drop = drop;
	inbox->owner = owner;
}

void lat_inbox_set_pid(struct lat_inbox *inbox, int32_t pid)
{
	inbox->pid = pid;
}

bool lat_inbox_at_home(const struct lat_inbox *inbox)
{
	return lat_flows_at_home(&inbox->flows);
}

void lat_inbox_close(struct lat_inbox *inbox)
{
	if (inbox == NULL)
		return;
	lat_inbox_shutdown(inbox);
	lat_turn_take(&inbox->turn);
	put_end(inbox, false);
}

/* --- receiving ---------------------------------------------------------------------------------- */

/* What the sending end may write to again was given back. */
void lat_inbox_tell_room(struct lat_inbox_source *src)
{
	if (src->peer != NULL) {
		uint32_t wanted;

		lat_membarrier_light();
		wanted = atomic_load_explicit(&src->peer->room_wanted,
					      src->barriers ? memory_order_relaxed
							    : memory_order_seq_cst); /* [w] */
		if (wanted == atomic_load_explicit(&src->room_told, memory_order_relaxed))
			return;
		atomic_store_explicit(&src->room_told, wanted, memory_order_relaxed);
	}
	if (src->ops != NULL && src->ops->room != NULL)
		src->ops->room(src);
}

/* The slots of the last message taken are given back. */
static void tell_received(struct lat_inbox_source *src)
{
	if (src->words != NULL)
		atomic_store_explicit(&src->words->received, (uint32_t)src->seq,
				      src->barriers ? memory_order_release : memory_order_seq_cst); /* [V] */
	lat_inbox_tell_room(src);
}

/* One writer at a time (the turn), so a load and a store do for an addition. */
static void count(_Atomic(uint64_t) *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void taken_locked(struct lat_inbox *inbox, struct lat_inbox_source *src, uint32_t len,
			 struct lat_gone_list *gone)
{
	struct lat_ring_msg m;

	src->seq++;
	inbox->next = src->next; /* the others come first */
	inbox->stats.messages++;
	inbox->stats.bytes += len;
	count(&src->bytes, len);
	atomic_store_explicit(&src->received, src->seq, memory_order_release);
	if (src->peer != NULL)
		inbox->peer_cpu = atomic_load_explicit(&src->peer->cpu, memory_order_relaxed);
	tell_received(src);
	if (!src->hot && ++src->streak == HOT_STREAK)
		lat_inbox_heat_locked(inbox, src);
	near_locked(inbox, src);
	if (src->ended && lat_tiers_peek(src->rx, &m) == -ENOMSG)
		gone_locked(inbox, src, 0, gone); /* that was the last */
}

bool lat_inbox_bells_locked(struct lat_inbox *inbox)
{
	bool rang = false;

	for (uint32_t i = 0; i < inbox->bells_count; i++) {
		struct lat_inbox_bell *b = &inbox->bells[i];
		uint32_t word = atomic_load_explicit(b->word, memory_order_seq_cst);

		if (word == b->seen)
			continue;
		b->seen = word;
		(void)b->bell->ops->drain(b->bell);
		rang = true;
	}
	return rang;
}

/* The source whose turn it is had nothing. true: it is hot, and stays. */
static bool empty_locked(struct lat_inbox *inbox, struct lat_inbox_source *src, bool poll,
			 struct lat_gone_list *gone)
{
	if (src->ended) {
		gone_locked(inbox, src, 0, gone);
		return false;
	}
	src->streak = 0;
	if (poll)
		lat_inbox_heat_locked(inbox, src);
	if (src->hot) {
		inbox->next = src->next;
		return true;
	}
	leave_locked(inbox, src);
	return false;
}

bool lat_inbox_look_locked(struct lat_inbox *inbox)
{
	struct lat_ring_msg m;

	(void)lat_inbox_drain_locked(inbox);
	for (uint32_t left = inbox->listed; left > 0; left--) {
		struct lat_inbox_source *src = inbox->next;

		if (lat_tiers_peek(src->rx, &m) != -ENOMSG || src->ended)
			return true;
		if (src->hot)
			inbox->next = src->next;
		else
			leave_locked(inbox, src);
	}
	return inbox->listed > inbox->hot;
}

/*
 * The source whose turn it is was looked at, and gave a message (@got) that is not received yet: 0, or it is refused, and detached. A life
 * that ended decides, whatever else was found: the short way may have dropped one.
 */
static int admit_locked(struct lat_inbox *inbox, struct lat_inbox_source *src, bool got,
			struct lat_gone_list *gone)
{
	int why = 0;

	if (lat_life_ended(&src->life))
		why = -EKEYREVOKED;
	else if (got && src->ops != NULL && src->ops->admit != NULL)
		why = src->ops->admit(src);
	if (why < 0) {
		inbox->stats.refused++;
		gone_locked(inbox, src, why, gone);
	}
	return why;
}

/* As lat_tiers_consume(), without a buffer; or -ENOMEM, *m filled in. */
static int hold_locked(struct lat_inbox_source *src, const struct lat_inbox_take *take,
		       struct lat_ring_msg *m)
{
	struct lat_inbox_hold *hold = take->hold;
	void *copy;
	int rc = -EOPNOTSUPP;

	if (src->ops != NULL && src->ops->keep != NULL && (!src->rx->foreign || take->shared))
		rc = lat_tiers_take(src->rx, &hold->data, &hold->block, m);
	if (rc == 0) {
		hold->src = src;
		if (!src->kept)
			src->ops->keep(src);
		src->kept = true;
	}
	if (rc != -EOPNOTSUPP)
		return rc;
	rc = lat_tiers_peek(src->rx, m);
	if (rc < 0)
		return rc;
	copy = malloc(m->len > 0 ? m->len : 1);
	if (copy == NULL)
		return -ENOMEM;
	rc = lat_tiers_consume(src->rx, copy, m->len, m);
	if (rc < 0) {
		free(copy);
		return -EPROTO; /* it was there, and that long */
	}
	*hold = (struct lat_inbox_hold){ .data = copy };
	return 0;
}

/* Takes the next message of @src, but for what the inbox counts. */
static int consume_locked(struct lat_inbox_source *src, const struct lat_inbox_take *take,
			  struct lat_ring_msg *m)
{
	return take->hold != NULL ? hold_locked(src, take, m)
				  : lat_tiers_consume(src->rx, take->buf, take->cap, m);
}

/* Of a source that was detached. true: that was the last of it, and drop is to follow. */
static bool forget_locked(struct lat_inbox_source *src)
{
	lat_tiers_forget_block(src->rx);
	src->kept = src->rx->held > 0;
	return !src->kept;
}

/* true: as above. */
static bool release_locked(struct lat_inbox_source *src, uint32_t block)
{
	if (!src->attached)
		return forget_locked(src);
	lat_tiers_release(src->rx, block);
	tell_received(src);
	return false;
}

void lat_inbox_release(struct lat_inbox *inbox, struct lat_inbox_hold *hold)
{
	struct lat_inbox_source *src = hold->src;
	bool owner = lat_inbox_is_only_server(inbox) && lat_turn_is_single(&inbox->turn), drop;

	if (src == NULL) {
		free((void *)(uintptr_t)hold->data);
		return;
	}
	if (owner)
		lat_turn_begin_single(&inbox->turn);
	else
		lat_turn_take(&inbox->turn);
	drop = release_locked(src, hold->block);
	if (owner)
		lat_turn_end_single(&inbox->turn);
	else
		lat_turn_give(&inbox->turn);
	if (drop)
		src->ops->drop(src);
}

/* What was taken is not received: its source has just been detached, so that drop is not the last. */
static void refuse_locked(struct lat_inbox_hold *hold)
{
	if (hold->src == NULL)
		free((void *)(uintptr_t)hold->data);
	else if (forget_locked(hold->src))
		hold->src->ops->drop(hold->src);
}

/* The publish of the message that was taken orders the load: it tells of all that was lost before. */
static uint64_t lost_of(const struct lat_inbox_source *src)
{
	return src->from.node == 0 || src->peer == NULL
		       ? 0
		       : atomic_load_explicit(&src->peer->lost, memory_order_relaxed);
}

static void note_call_locked(const struct lat_inbox *inbox, const struct lat_inbox_source *src,
			     struct lat_inbox_info *info)
{
	struct lat_call_queue *queue = atomic_load_explicit(&src->calls, memory_order_acquire);

	if (queue != NULL)
		info->call = lat_calls_taken(atomic_load_explicit(&inbox->calls, memory_order_acquire), queue,
					     info->seq);
	else if (src->ops != NULL && src->ops->call != NULL)
		info->call = src->ops->call((struct lat_inbox_source *)(uintptr_t)src, info->seq);
}

void lat_inbox_settle_locked(struct lat_inbox *inbox, uint64_t *call)
{
	struct lat_inbox_source *src = inbox->next->prev; /* it had its turn last */
	struct lat_inbox_info info = { .seq = src->seq };

	note_call_locked(inbox, src, &info);
	*call = info.call;
	lat_inbox_tell_room(src);
}

/* What is to go with the next message of @src has not come. */
static bool carry_missing(const struct lat_inbox_source *src)
{
	uint64_t next = src->seq + 1;
	struct lat_ring_msg m;

	return src->peer != NULL && !src->ended && lat_tiers_peek(src->rx, &m) == 0 && /* [c] */
	       atomic_load_explicit(&src->peer->carries, memory_order_relaxed) == next &&
	       (src->carry == NULL || src->carry->seq != next);
}

/* Until lat_inbox_source_carry(), which announces it as its producer does. */
static void set_aside_locked(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	bool hot = src->hot;

	lat_inbox_unlist_locked(inbox, src);
	if (hot) /* [H] and [h] */
		lat_membarrier(src->bell != NULL ? LAT_MEMBARRIER_MACHINE : LAT_MEMBARRIER_PROCESS);
	atomic_exchange_explicit(&src->ready, 0, memory_order_acq_rel);
}

/* Of the message that was just taken. */
static struct lat_carry *carry_of_locked(struct lat_inbox_source *src, uint64_t seq)
{
	struct lat_carry *c = src->carry;

	if (c == NULL || c->seq != seq || src->peer == NULL ||
	    atomic_load_explicit(&src->peer->carries, memory_order_relaxed) != seq)
		return NULL;
	src->carry = NULL;
	return c;
}

/* What @src did wrong with @m, of which @rc was said; 0: nothing. */
static int lie_of(const struct lat_inbox_source *src, const struct lat_ring_msg *m, int rc)
{
	if (rc == -EPROTO ||
	    m->seq != (uint32_t)(src->seq + 1)) /* a reliable channel's numbers have no gaps */
		return -EPROTO;
	return src->len_max != 0 && m->len > src->len_max ? -EMSGSIZE : 0;
}

int lat_inbox_take_locked(struct lat_inbox *inbox, const struct lat_inbox_take *take, bool poll)
{
	struct lat_inbox_source *src;
	struct lat_ring_msg m;
	uint32_t empty = 0; /* hot ones in a row that had nothing */
	int rc, why;

	if (inbox->bells_count > 0 && inbox->stats.messages % LAT_BELL_EVERY == 0)
		(void)lat_inbox_bells_locked(inbox);
	for (;;) {
		if (lat_inbox_drain_locked(inbox))
			empty = 0;
		if (empty >= inbox->listed) {
			if (inbox->bells_count > 0 && lat_inbox_bells_locked(inbox))
				continue;
			return -ENOMSG;
		}
		src = inbox->next;
		if (LAT_UNLIKELY(take->carry != NULL) && carry_missing(src)) {
			set_aside_locked(inbox, src);
			continue;
		}
		rc = consume_locked(src, take, &m);
		if (admit_locked(inbox, src, rc == 0 && m.seq == (uint32_t)(src->seq + 1), take->gone) < 0) {
			if (rc == 0 && take->hold != NULL)
				refuse_locked(take->hold);
			continue;
		}
		if (rc == -ENOMSG) {
			empty = empty_locked(inbox, src, poll, take->gone) ? empty + 1 : 0;
			continue;
		}
		why = lie_of(src, &m, rc);
		if (why < 0) {
			inbox->stats.poisoned++;
			gone_locked(inbox, src, why, take->gone);
			if (rc == 0 && take->hold != NULL)
				refuse_locked(take->hold);
			continue;
		}
		*take->info = (struct lat_inbox_info){ .user = src->user,
						       .from = src->from,
						       .type = m.type,
						       .len = m.len,
						       .seq = src->seq + 1,
						       .lost = lost_of(src) };
		if (rc == 0)
			note_call_locked(inbox, src, take->info);
		if (rc == 0 && take->carry != NULL)
			*take->carry = carry_of_locked(src, src->seq + 1);
		if (rc == 0)
			taken_locked(inbox, src, m.len, take->gone); /* otherwise it stays the next */
		break;
	}
	inbox->idle_looks += empty;
	if (inbox->idle_looks >= IDLE_LOOKS_MAX)
		lat_inbox_cool_locked(inbox, true);
	return rc;
}

void lat_inbox_handed_locked(struct lat_inbox *inbox, struct lat_inbox_source *src, uint32_t len)
{
	src->seq++;
	src->rx->seq++;
	inbox->stats.messages++;
	inbox->stats.bytes += len;
	count(&src->bytes, len);
	atomic_store_explicit(&src->received, src->seq, memory_order_release);
	tell_received(src);
}

void lat_inbox_serve(struct lat_inbox *inbox)
{
	struct lat_waits *self = lat_waits_self();
	uint64_t server = 0, id = self == NULL ? LAT_SERVERS_MANY : lat_waits_id(self);

	if (self != NULL)
		lat_waits_name(self, inbox->pid);
	if (atomic_compare_exchange_strong_explicit(&inbox->server, &server, id, memory_order_relaxed,
						    memory_order_relaxed))
		return;
	if (server != id)
		atomic_store_explicit(&inbox->server, lat_waits_is_alive(server) ? LAT_SERVERS_MANY : id,
				      memory_order_relaxed);
}

bool lat_inbox_idle_locked(struct lat_inbox *inbox)
{
	if (inbox->listed != inbox->hot || inbox->listed > LAT_INBOX_FEW || inbox->closed ||
	    atomic_load_explicit(&inbox->stack, memory_order_acquire) != NULL || lat_inbox_rang_locked(inbox))
		return false;
	for (uint32_t left = inbox->listed; left > 0; left--) {
		if (!lat_tiers_idle(inbox->next->rx) || inbox->next->ended)
			return false;
		inbox->next = inbox->next->next;
	}
	return true;
}

int lat_inbox_receive(struct lat_inbox *inbox, struct lat_inbox_take *take, uint64_t deadline_ns)
{
	struct lat_gone_list gone = { .end = &gone.first };
	bool held = false;
	int rc;

	take->gone = &gone;
	lat_turn_begin(&inbox->turn);
	if (deadline_ns == 0 && !inbox->watched && lat_inbox_idle_locked(inbox)) {
		lat_turn_end(&inbox->turn);
		take->gone = NULL;
		return -ENOMSG;
	}
	rc = inbox->closed
		     ? -ESHUTDOWN
		     : lat_inbox_take_locked(inbox, take, deadline_ns == 0 ? !inbox->watched : inbox->polls);
	if (rc == -ENOMSG)
		rc = lat_inbox_park_locked(inbox, take, deadline_ns, &held);
	if ((inbox->sleepers > 0 || lat_flows_waiting(&inbox->flows)) && !inbox->closed)
		lat_inbox_pass_on_locked(inbox);
	if (held)
		put_end(inbox, true);
	else
		lat_turn_end(&inbox->turn);
	lat_inbox_tell_gone(&gone);
	take->gone = NULL;
	return rc;
}

int lat_inbox_recv(struct lat_inbox *inbox, void *buf, size_t cap, struct lat_inbox_info *info,
		   uint64_t deadline_ns)
{
	struct lat_inbox_take take = { .buf = buf, .cap = cap, .info = info };

	return lat_inbox_receive_fast(inbox, &take, deadline_ns);
}

int lat_inbox_take(struct lat_inbox *inbox, struct lat_inbox_hold *hold, bool shared,
		   struct lat_inbox_info *info, uint64_t deadline_ns)
{
	struct lat_inbox_take take = { .hold = hold, .shared = shared, .info = info };

	return lat_inbox_receive_fast(inbox, &take, deadline_ns);
}

int lat_inbox_recv_carry(struct lat_inbox *inbox, void *buf, size_t cap, struct lat_inbox_info *info,
			 struct lat_carry **carry, uint64_t deadline_ns)
{
	struct lat_inbox_take take = { .buf = buf, .cap = cap, .info = info, .carry = carry };

	*carry = NULL;
	return lat_inbox_receive_fast(inbox, &take, deadline_ns);
}

int lat_inbox_take_carry(struct lat_inbox *inbox, struct lat_inbox_hold *hold, bool shared,
			 struct lat_inbox_info *info, struct lat_carry **carry, uint64_t deadline_ns)
{
	struct lat_inbox_take take = { .hold = hold, .shared = shared, .info = info, .carry = carry };

	*carry = NULL;
	return lat_inbox_receive_fast(inbox, &take, deadline_ns);
}

/* --- sources ------------------------------------------------------------------------------------ */

int lat_inbox_attach(struct lat_inbox *inbox, struct lat_inbox_source *src)
{
	struct lat_ring_msg m;
	bool full;
	int rc = 0;

	lat_turn_take(&inbox->turn);
	if (inbox->closed)
		rc = -ESHUTDOWN;
	else if (src->attached)
		rc = -EBUSY;
	else if (inbox->stats.sources == LAT_INBOX_SOURCES_MAX)
		rc = -ENOBUFS;
	else if (src->bell != NULL)
		rc = lat_inbox_bell_get_locked(inbox, src->bell);
	if (rc < 0) {
		lat_turn_give(&inbox->turn);
		return rc;
	}
	src->inbox = inbox;
	if (src->asks == NULL)
		src->asks = &never;
	src->life = lat_life_or_none(src->life);
	src->ended = src->listed = src->hot = src->near = false;
	src->attached = true;
	src->seq = src->seq_before = 0;
	atomic_store_explicit(&src->room_told, 0, memory_order_relaxed);
	line_up_locked(inbox, src);
	atomic_store_explicit(&src->ready, 0, memory_order_relaxed);
	src->all_prev = NULL;
	src->all_next = inbox->all;
	if (inbox->all != NULL)
		inbox->all->all_prev = src;
	inbox->all = src;
	inbox->stats.sources++;
	inbox->refs++;
	full = lat_tiers_peek(src->rx, &m) != -ENOMSG;
	lat_turn_give(&inbox->turn);
	if (full)
		lat_inbox_source_ready(src);
	return 0;
}

void lat_inbox_source_ready(struct lat_inbox_source *src)
{
	struct lat_inbox *inbox = src->inbox;
	struct lat_inbox_source *top;

	if (atomic_exchange_explicit(&src->ready, 1, memory_order_acq_rel) != 0) /* [R] */
		return;
	top = atomic_load_explicit(&inbox->stack, memory_order_relaxed);
	do
		src->pushed = top;
	while (!atomic_compare_exchange_weak_explicit(&inbox->stack, &top, src,
						      memory_order_release, /* [S] */
						      memory_order_relaxed));
	lat_inbox_disarm(inbox);
}

bool lat_inbox_source_carry(struct lat_inbox_source *src, struct lat_carry *carry)
{
	struct lat_inbox *inbox = src->inbox;
	struct lat_carry *old = NULL;
	bool attached;

	lat_turn_take(&inbox->turn);
	attached = src->attached;
	if (attached) {
		old = src->carry;
		src->carry = carry;
	}
	lat_turn_give(&inbox->turn);
	lat_carry_drop(old);
	if (attached)
		lat_inbox_source_ready(src);
	return attached;
}

void lat_inbox_source_uncarry(struct lat_inbox_source *src, const struct lat_carry *carry)
{
	struct lat_inbox *inbox = src->inbox;

	lat_turn_take(&inbox->turn);
	if (src->carry == carry)
		src->carry = NULL;
	lat_turn_give(&inbox->turn);
}

void lat_inbox_source_end(struct lat_inbox_source *src)
{
	struct lat_gone_list gone = { .end = &gone.first };
	struct lat_inbox *inbox = src->inbox;
	struct lat_ring_msg m;

	lat_turn_take(&inbox->turn);
	lat_inbox_drain_locked(inbox); /* if it was detached, it is on the stack at most, and off it now */
	if (!src->attached) {
		put_end(inbox, false);
		return;
	}
	inbox->refs++;
	src->ended = true;
	if (src->hot)
		make_cold(inbox, src); /* nothing follows, so nothing has to be waited for */
	if (lat_tiers_peek(src->rx, &m) == -ENOMSG) {
		gone_locked(inbox, src, 0, &gone);
	} else {
		go_first_locked(inbox, src);
		if (!src->listed) { /* published, and never said so: it is received all the same */
			atomic_store_explicit(&src->ready, 1, memory_order_relaxed);
			lat_inbox_list_locked(inbox, src);
			lat_inbox_disarm(inbox);
		}
	}
	put_end(inbox, false);
	lat_inbox_tell_gone(&gone);
}

/* The turn is taken here, and kept. */
static void revoke_begin(struct lat_inbox_source *src, struct lat_gone_list *gone)
{
	struct lat_inbox *inbox = src->inbox;

	lat_turn_take(&inbox->turn);
	lat_inbox_drain_locked(inbox);
	if (src->attached) {
		inbox->stats.refused++;
		gone_locked(inbox, src, -EKEYREVOKED, gone);
	}
}

void lat_inbox_source_refuse(struct lat_inbox_source *src)
{
	struct lat_gone_list gone = { .end = &gone.first };
	struct lat_inbox *inbox = src->inbox;

	revoke_begin(src, &gone);
	lat_turn_give(&inbox->turn);
	lat_inbox_tell_gone(&gone);
}

void lat_inbox_source_revoke(struct lat_inbox_source *src)
{
	struct lat_gone_list gone = { .end = &gone.first };
	struct lat_inbox *inbox = src->inbox;

	revoke_begin(src, &gone);
	put_end(inbox, false);
	lat_inbox_tell_gone(&gone);
}

bool lat_inbox_source_set_life(struct lat_inbox_source *src, struct lat_life life)
{
	struct lat_inbox *inbox = src->inbox;
	bool lives;

	lat_turn_take(&inbox->turn);
	lives = !lat_life_ended(&src->life);
	if (lives)
		src->life = lat_life_or_none(life);
	lat_turn_give(&inbox->turn);
	return lives;
}

bool lat_inbox_detach(struct lat_inbox_source *src)
{
	struct lat_inbox *inbox = src->inbox;
	bool attached;

	if (inbox == NULL)
		return false;
	lat_turn_take(&inbox->turn);
	lat_inbox_drain_locked(inbox);
	attached = src->attached;
	if (attached)
		detach_locked(inbox, src);
	src->inbox = NULL;
	put_end(inbox, false);
	return attached;
}

/* --- the rest ----------------------------------------------------------------------------------- */

void lat_inbox_tune(struct lat_inbox *inbox, const struct lat_inbox_tuning *tuning)
{
	lat_turn_take(&inbox->turn);
	inbox->wait = tuning->wait;
	atomic_store_explicit(&inbox->callers_spin, tuning->wait == LAT_WAIT_SPIN, memory_order_relaxed);
	lat_turn_give(&inbox->turn);
	lat_turn_set_single(&inbox->turn, tuning->single);
}

void lat_inbox_source_stats(const struct lat_inbox_source *src, struct lat_inbox_source_stats *out)
{
	uint64_t seq = atomic_load_explicit(&src->received, memory_order_acquire);

	*out = (struct lat_inbox_source_stats){
		.messages = seq, /* no number is left out */
		.bytes = atomic_load_explicit(&src->bytes, memory_order_relaxed),
		.seq = seq,
	};
}

void lat_inbox_stats(struct lat_inbox *inbox, struct lat_inbox_stats *out)
{
	lat_turn_take(&inbox->turn);
	*out = inbox->stats;
	lat_turn_give(&inbox->turn);
	out->signals = atomic_load_explicit(&inbox->wake, memory_order_relaxed);
}

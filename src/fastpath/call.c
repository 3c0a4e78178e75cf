/*
 * Who may touch a slot: its caller while it is idle, then the caller and whoever has the token. Of a home slot everything is in
 * the turn of the inbox's flows. Of another the state decides: a replier changes asked to answering, and then has it; a caller
 * that gives up changes asked to idle, and then has it. A replier wakes a flow before it says answered, because after
 * that the flow may have ended.
 *   [E] sleeps store 1; state load : seq_cst, as are state store answered; sleeps load. Either the caller sees the reply, or
 *       the replier that somebody sleeps
 *   [C] closed store; state load : seq_cst, as are state store asked; closed load. Either the call is failed, or it sees that
 *       nobody will answer it
 */
#include "fastpath/call.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "fastpath/call_fast.h"
#include "fastpath/link_calls.h"
#include "os/clock.h"
#include "os/futex.h"

enum { LOOKS_PER_CLOCK = 16 };

/* In a queued token: the caller is to wait for whoever takes it. No slot has so high a number. */
#define UNSERVED (UINT64_C(1) << 62)

/* Whom a caller waits for while its request is in a channel that several receive from: nobody yet. No flow's id. */
#define QUEUED (UINT64_C(1) << 63)

static void count(_Atomic(uint64_t) *counter)
{
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* --- slots -------------------------------------------------------------------------------------- */

static struct lat_call_slot *slot_at(const struct lat_calls *c, uint32_t index)
{
	struct lat_call_slot *chunk = atomic_load_explicit(&c->chunks[index / LAT_CALL_CHUNK],
							   memory_order_acquire);

	return &chunk[index % LAT_CALL_CHUNK];
}

/* The inbox's, made if need be; NULL: no memory. */
static struct lat_calls *calls_of(struct lat_inbox *inbox)
{
	struct lat_calls *c = atomic_load_explicit(&inbox->calls, memory_order_acquire), *made;

	if (c != NULL)
		return c;
	made = calloc(1, sizeof(*made));
	if (made != NULL && !atomic_compare_exchange_strong_explicit(
				    &inbox->calls, &c, made, memory_order_acq_rel, memory_order_acquire)) {
		free(made);
		made = c;
	}
	return made;
}

static int make_chunk_locked(struct lat_calls *c)
{
	uint32_t made = atomic_load_explicit(&c->made, memory_order_relaxed);
	struct lat_call_slot *chunk;

	if (made == LAT_CALLS_MAX)
		return -ENOBUFS;
	chunk = aligned_alloc(alignof(struct lat_call_slot), LAT_CALL_CHUNK * sizeof(*chunk));
	if (chunk == NULL)
		return -ENOMEM;
	memset(chunk, 0, LAT_CALL_CHUNK * sizeof(*chunk));
	for (uint32_t i = LAT_CALL_CHUNK; i-- > 0;) {
		chunk[i].index = made + i;
		chunk[i].next = c->idle;
		c->idle = &chunk[i];
	}
	atomic_store_explicit(&c->chunks[made / LAT_CALL_CHUNK], chunk, memory_order_release);
	atomic_store_explicit(&c->made, made + LAT_CALL_CHUNK, memory_order_release);
	return 0;
}

/* 0, -ENOBUFS, -ENOMEM, -EOWNERDEAD (the inbox is closed). */
static int slot_get(struct lat_calls *c, struct lat_call_slot **out)
{
	int rc = 0;

	*out = NULL;
	lat_mutex_lock(&c->lock);
	if (atomic_load_explicit(&c->closed, memory_order_relaxed))
		rc = -EOWNERDEAD;
	else if (c->idle == NULL)
		rc = make_chunk_locked(c);
	if (rc == 0) {
		*out = c->idle;
		c->idle = c->idle->next;
	}
	lat_mutex_unlock(&c->lock);
	return rc;
}

static void slot_put(struct lat_calls *c, struct lat_call_slot *s)
{
	lat_mutex_lock(&c->lock);
	if (s->next != c->idle) /* see ask() */
		s->next = c->idle;
	c->idle = s;
	lat_mutex_unlock(&c->lock);
}

static void ask(struct lat_call_slot *s, const struct lat_chan *ch, const struct lat_call *call,
		struct lat_waits *waiter, const struct lattice_sched_hook *hook, void *flow)
{
	/* Mostly it is as it was, and who replies has it in its cache. */
	if (atomic_load_explicit(&s->ch, memory_order_relaxed) != ch)
		atomic_store_explicit(&s->ch, ch, memory_order_relaxed);
	if (s->buf != call->buf)
		s->buf = call->buf;
	if (s->cap != call->cap)
		s->cap = call->cap;
	if (atomic_load_explicit(&s->waiter, memory_order_relaxed) != waiter)
		atomic_store_explicit(&s->waiter, waiter, memory_order_relaxed);
	if (s->hook != hook)
		s->hook = hook;
	if (s->flow != flow)
		s->flow = flow;
}

static int answered(const struct lat_call_slot *s, struct lat_call *call)
{
	if (s->rc == 0 && s->len <= LAT_CALL_INLINE && s->len > 0)
		memcpy(call->buf, s->data, s->len);
	call->reply_type = s->type;
	call->reply_len = s->len;
	return s->rc;
}

/* --- in the hands of a flow that waits ---------------------------------------------------------- */

bool lat_call_home_slot(struct lat_inbox *inbox)
{
	struct lat_calls *c = atomic_load_explicit(&inbox->calls, memory_order_acquire);
	struct lat_call_slot *s;

	if (c == NULL || slot_get(c, &s) != 0)
		return false;
	atomic_store_explicit(&s->home, true, memory_order_relaxed);
	lat_turn_begin(&inbox->flows.turn);
	s->next = inbox->flows.idle;
	inbox->flows.idle = s;
	lat_turn_end(&inbox->flows.turn);
	return true;
}

static int reply_home(struct lat_inbox *inbox, struct lat_call_slot *s, uint64_t token, int why, int32_t type,
		      const void *data, size_t len)
{
	const struct lattice_sched_hook *hook = atomic_load_explicit(&inbox->flows.home,
								     memory_order_acquire);
	bool home = lat_flows_begin(&inbox->flows);
	int rc = lat_call_reply_home_locked(s, token, why, type, data, len);

	if (rc == 0)
		hook->wake(hook->ctx, s->flow);
	lat_flows_end(&inbox->flows, home);
	return rc;
}

/* --- through the channel ------------------------------------------------------------------------ */

static uint32_t phase_of(const struct lat_call_slot *s)
{
	return atomic_load_explicit(&s->state, memory_order_acquire) & LAT_CALL_PHASE; /* [R] */
}

/* The caller is to wait for whoever receives there, if that is one; else for whoever will have received it. */
static int add_edge(const struct lat_inbox *inbox, struct lat_waits *waiter, uint64_t *token,
		    struct lat_wait_path *path)
{
	uint64_t server = atomic_load_explicit(&inbox->server, memory_order_relaxed);
	bool one = server != 0 && server != LAT_SERVERS_MANY;
	int rc;

	if (waiter == NULL)
		return 0;
	rc = lat_waitgraph_add(waiter, one ? server : QUEUED | *token, path);
	if (!one)
		*token |= UNSERVED;
	return rc;
}

/* A replier is about to say answered: it is between two of its instructions, though perhaps not on a processor. */
static void wait_for_replier(const struct lat_call_slot *s)
{
	for (uint32_t looks = 0; phase_of(s) == LAT_CALL_ANSWERING; looks++) {
		if (looks < LOOKS_PER_CLOCK)
			lat_cpu_relax();
		else
			(void)sched_yield();
	}
}

/* The caller gives up: false, it was answered or is about to be. */
static bool give_up(struct lat_call_slot *s, uint32_t asked)
{
	uint32_t state = asked;

	if (atomic_compare_exchange_strong_explicit(&s->state, &state, lat_call_next_life(asked),
						    memory_order_acq_rel, memory_order_acquire))
		return true;
	return false;
}

static int wait_as_flow(struct lat_call_slot *s, uint64_t deadline_ns)
{
	int rc = 0;

	while (rc == 0 && phase_of(s) == LAT_CALL_ASKED)
		rc = s->hook->wait(s->hook->ctx, -1, 0, deadline_ns);
	return rc;
}

/* true: it was answered. */
static bool spin_until(const struct lat_call_slot *s, uint64_t until_ns)
{
	for (uint32_t looks = 1; phase_of(s) == LAT_CALL_ASKED; looks++) {
		lat_cpu_relax();
		if (looks % LOOKS_PER_CLOCK == 0 && until_ns != UINT64_MAX &&
		    lat_clock_monotonic_ns() >= until_ns)
			return phase_of(s) != LAT_CALL_ASKED;
	}
	return true;
}

static bool spin_if_it_pays(const struct lat_call_slot *s, uint64_t deadline_ns)
{
	static _Thread_local struct lat_spin pays;
	uint64_t until;
	bool answered;

	if (!lat_spin_pays(&pays, LAT_CPU_UNKNOWN))
		return false;
	until = lat_clock_monotonic_ns() + LAT_SPIN_NS;
	answered = spin_until(s, until < deadline_ns ? until : deadline_ns);
	lat_spin_ended(&pays, !answered);
	return answered;
}

static int wait_as_thread(const struct lat_inbox *inbox, struct lat_call_slot *s, uint32_t asked,
			  uint64_t deadline_ns)
{
	int rc = 0;

	if (atomic_load_explicit(&inbox->callers_spin, memory_order_relaxed))
		return spin_until(s, deadline_ns) ? 0 : -ETIMEDOUT;
	if (spin_if_it_pays(s, deadline_ns))
		return 0;
	atomic_store_explicit(&s->sleeps, 1, memory_order_seq_cst); /* [E] */
	while (rc != -ETIMEDOUT && atomic_load_explicit(&s->state, memory_order_seq_cst) == asked)
		rc = lat_futex_wait(&s->state, asked, deadline_ns, false);
	atomic_store_explicit(&s->sleeps, 0, memory_order_relaxed);
	return rc == -ETIMEDOUT ? rc : 0;
}

/* It was answered, or is about to be. */
static int ended(struct lat_call *call, struct lat_call_slot *s, uint32_t asked)
{
	int rc;

	wait_for_replier(s);
	rc = answered(s, call);
	atomic_store_explicit(&s->state, lat_call_next_life(asked), memory_order_relaxed);
	return rc;
}

struct queued_call {
	struct lat_sender_mark mark; /* first */
	struct lat_call_queue *queue;
	uint64_t token;
};

/* What the receiving end takes from the queue is decided by the message's number, once that is published. */
static int queue_call(struct lat_sender_mark *mark, uint64_t seq)
{
	const struct queued_call *c = (const struct queued_call *)mark;
	struct lat_call_queue *q = c->queue;
	uint32_t place = q->tail % LAT_CALL_QUEUE_MAX;

	if (q->tail - q->head_seen == LAT_CALL_QUEUE_MAX)
		q->head_seen = atomic_load_explicit(&q->head, memory_order_acquire);
	if (q->tail - q->head_seen == LAT_CALL_QUEUE_MAX)
		return -EAGAIN;
	q->at[place].token = c->token;
	atomic_store_explicit(&q->at[place].seq, seq, memory_order_relaxed); /* [T] */
	q->tail++;
	return 0;
}

static void unqueue_call(struct lat_sender_mark *mark)
{
	struct lat_call_queue *q = ((const struct queued_call *)mark)->queue;

	q->tail--;
	atomic_store_explicit(&q->at[q->tail % LAT_CALL_QUEUE_MAX].seq, 0, memory_order_relaxed);
}

/* Sends, and waits. The slot is idle again. */
static int ask_and_wait(struct lat_chan *ch, struct lat_call *call, struct lat_call_slot *s, uint32_t asked,
			uint64_t token, uint64_t deadline_ns)
{
	struct queued_call queued = { { queue_call, unqueue_call },
				      atomic_load_explicit(&ch->src.calls, memory_order_relaxed),
				      token };
	int rc = lat_sender_call(&ch->sender, call->type, call->data, call->len, &queued.mark, deadline_ns);

	if (rc == 0)
		rc = s->flow != NULL ? wait_as_flow(s, deadline_ns)
				     : wait_as_thread(ch->src.inbox, s, asked, deadline_ns);
	if (rc < 0 && give_up(s, asked))
		return rc;
	return ended(call, s, asked);
}

int lat_chan_call_through(struct lat_chan *ch, struct lat_call *call, uint64_t deadline_ns)
{
	struct lat_inbox *inbox = ch->src.inbox;
	struct lat_calls *c = calls_of(inbox);
	struct lat_waits *waiter = lat_waits_self();
	struct lat_call_slot *s;
	uint64_t token;
	uint32_t asked;
	const struct lattice_sched_hook *hook;
	void *flow = NULL;
	int rc;

	if (c == NULL)
		return -ENOMEM;
	rc = slot_get(c, &s);
	if (rc != 0)
		return rc;
	hook = lat_wait_flow(&flow);
	ask(s, ch, call, waiter, hook, flow);
	asked = atomic_load_explicit(&s->state, memory_order_relaxed) | LAT_CALL_ASKED;
	token = lat_call_token(s, asked);
	rc = hook != NULL && hook->wake == NULL ? -EOPNOTSUPP : 0;
	if (rc == 0)
		rc = lat_chan_queue(ch);
	if (rc == 0)
		rc = add_edge(inbox, waiter, &token, &call->path);
	if (rc == 0) {
		atomic_store_explicit(&s->state, asked, memory_order_seq_cst); /* [C] */
		count(&c->queued);
		if (!atomic_load_explicit(&c->closed, memory_order_seq_cst))
			rc = ask_and_wait(ch, call, s, asked, token, deadline_ns);
		else
			rc = give_up(s, asked) ? -EOWNERDEAD : ended(call, s, asked);
		if (waiter != NULL)
			lat_waitgraph_remove(waiter);
	}
	slot_put(c, s);
	return rc;
}

static int reply_through(struct lat_call_slot *s, uint64_t token, int why, int32_t type, const void *data,
			 size_t len)
{
	uint32_t state = (uint32_t)token << LAT_CALL_PHASE_BITS | LAT_CALL_ASKED;

	if (!atomic_compare_exchange_strong_explicit(
		    &s->state, &state, (uint32_t)token << LAT_CALL_PHASE_BITS | LAT_CALL_ANSWERING,
		    memory_order_acq_rel, memory_order_relaxed))
		return -EALREADY;
	lat_call_answer(s, len > LAT_CALL_INLINE ? s->buf : s->data, why, type, data, len);
	if (s->flow != NULL)
		s->hook->wake(s->hook->ctx, s->flow);
	atomic_store_explicit(&s->state, (uint32_t)token << LAT_CALL_PHASE_BITS | LAT_CALL_ANSWERED,
			      memory_order_seq_cst); /* [R] [E] */
	if (atomic_load_explicit(&s->sleeps, memory_order_seq_cst) != 0)
		(void)lat_futex_wake(&s->state, INT_MAX, false);
	return 0;
}

/* --- what others see ---------------------------------------------------------------------------- */

int lat_chan_call(struct lat_chan *ch, struct lat_call *call, uint64_t deadline_ns)
{
	enum lat_condition why;
	struct lat_flow_ops ops;
	int rc = -EAGAIN;

	if (lat_execute_near(ch, &ops, &why))
		rc = lat_call_home(ch, call, deadline_ns, &ops);
	return rc == -EAGAIN ? lat_chan_call_through(ch, call, deadline_ns) : rc;
}

static int reply(struct lat_inbox *inbox, struct lat_call_slot *s, uint64_t token, int why, int32_t type,
		 const void *data, size_t len)
{
	return lat_call_is_home(s) ? reply_home(inbox, s, token, why, type, data, len)
				   : reply_through(s, token, why, type, data, len);
}

int lat_inbox_reply(struct lat_inbox *inbox, uint64_t token, int32_t type, const void *data, size_t len)
{
	struct lat_calls *c = atomic_load_explicit(&inbox->calls, memory_order_acquire);
	struct lat_call_slot *s;
	int rc;

	if (len > UINT32_MAX)
		return -EINVAL;
	if (lat_link_is_call(token)) {
		rc = lat_link_reply(inbox, token, type, data, (uint32_t)len);
		c = rc == -EALREADY ? calls_of(inbox) : NULL;
	} else {
		s = lat_call_slot_of(c, token);
		rc = s == NULL ? -EINVAL : reply(inbox, s, token, 0, type, data, len);
	}
	if (rc == -EALREADY && c != NULL)
		count(&c->late);
	return rc;
}

uint64_t lat_calls_taken(const struct lat_calls *c, struct lat_call_queue *queue, uint64_t seq)
{
	uint32_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
	struct lat_waits *self = lat_waits_current, *waiter;
	const struct lat_call_slot *slot;
	uint64_t token, queued;

	if (atomic_load_explicit(&queue->at[head % LAT_CALL_QUEUE_MAX].seq, memory_order_relaxed) !=
	    seq) /* [t] */
		return 0;
	token = queue->at[head % LAT_CALL_QUEUE_MAX].token;
	atomic_store_explicit(&queue->head, head + 1, memory_order_release);
	slot = lat_call_slot_of(c, token & ~UNSERVED);
	__builtin_prefetch(slot, 1); /* for the reply */
	if ((token & UNSERVED) == 0)
		return token;
	token &= ~UNSERVED;
	waiter = atomic_load_explicit(&slot->waiter, memory_order_relaxed);
	queued = QUEUED | token; /* no other call's, so a caller that gave up meanwhile is not made to wait */
	if (self != NULL && waiter != NULL)
		(void)atomic_compare_exchange_strong_explicit(&waiter->on, &queued, lat_waits_id(self),
							      memory_order_acq_rel, memory_order_relaxed);
	return token;
}

void lat_calls_fail(struct lat_inbox *inbox, const struct lat_chan *ch, int why)
{
	struct lat_calls *c = atomic_load_explicit(&inbox->calls, memory_order_acquire);
	uint32_t made;

	if (c == NULL)
		return;
	if (ch == NULL)
		atomic_store_explicit(&c->closed, true, memory_order_seq_cst); /* [C] */
	else
		lat_flows_end(&inbox->flows,
			      lat_flows_begin(&inbox->flows)); /* who had a turn before has asked */
	made = atomic_load_explicit(&c->made, memory_order_acquire);
	for (uint32_t i = 0; i < made; i++) {
		struct lat_call_slot *s = slot_at(c, i);
		uint32_t state = atomic_load_explicit(&s->state, memory_order_seq_cst); /* [C] */

		if ((state & LAT_CALL_PHASE) == LAT_CALL_ASKED &&
		    (ch == NULL || atomic_load_explicit(&s->ch, memory_order_relaxed) == ch))
			(void)reply(inbox, s, lat_call_token(s, state), why, 0, NULL, 0);
	}
}

void lat_calls_free(struct lat_calls *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < atomic_load_explicit(&c->made, memory_order_relaxed) / LAT_CALL_CHUNK; i++)
		free(atomic_load_explicit(&c->chunks[i], memory_order_relaxed));
	free(c);
}

void lat_inbox_calls_stats(const struct lat_inbox *inbox, struct lat_calls_stats *out)
{
	const struct lat_calls *c = atomic_load_explicit(&inbox->calls, memory_order_acquire);

	*out = (struct lat_calls_stats){ 0 };
	if (c == NULL)
		return;
	out->queued = atomic_load_explicit(&c->queued, memory_order_relaxed);
	out->late = atomic_load_explicit(&c->late, memory_order_relaxed);
}

/*
 * What bounds the memory of a reliable channel is the stream: message n + 1 begins where message n ends,
 * and nothing may have been sent at or over the limit. For the newest message held (top) that says
 *
 *     sum of msg_len of the others held + 8 for each one missing before it + end of its last byte <= limit
 *     - consumed
 *
 * (a body is never shorter than 8). A sender within its credit always satisfies it; without missing
 * messages it is exact. So the bodies held never take more than what was charged when the credit was given,
 * and the span of sequence numbers is bounded too.
 */
#include "session/reasm_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/fault.h"

enum {
	RING_FIRST = 16,
	/*
	 * How far beyond the limit of 6.4 a peer may stretch what messages cost beside their bytes. With messages of a few
	 * bytes that is many times what the credit for them was charged. The last part is for the next in order, so that a
	 * channel goes on.
	 */
	STRETCH = 2,
	STRETCH_NEXT = 3,
};

/* Form alone, by section 6.4. */
static bool well_formed(const struct lat_reasm *r, const struct lat_reasm_frag *f)
{
	return f->seq != 0 && f->msg_len >= LAT_PIDS_LEN && f->msg_len <= r->max_msg && f->len > 0 &&
	       f->off % LAT_UNIT == 0 && f->off < f->msg_len && f->len <= f->msg_len - f->off &&
	       (f->len % LAT_UNIT == 0 || f->off + f->len == f->msg_len);
}

/* --------------------------------------------------------------------------------------------- reliable */

static struct lat_reasm_msg *ring_get(const struct lat_reasm *r, uint64_t seq)
{
	if (seq < r->next || seq > r->top)
		return NULL;
	return r->ring[seq & r->ring_mask];
}

static size_t stretch(const struct lat_reasm *r, uint64_t seq)
{
	return seq == r->next ? STRETCH_NEXT : STRETCH;
}

static size_t ring_bytes(const struct lat_reasm *r)
{
	return r->ring == NULL ? 0 : (size_t)(r->ring_mask + 1) * sizeof(struct lat_reasm_msg *);
}

static void ring_free(struct lat_reasm *r)
{
	lat_budget_release(r->budgets, ring_bytes(r));
	free(r->ring);
	r->ring = NULL;
	r->ring_mask = 0;
}

/* Makes [next, seq] fit. 0 or -ENOMEM. */
static int ring_reach(struct lat_reasm *r, uint64_t seq)
{
	uint64_t size = r->ring == NULL ? RING_FIRST : r->ring_mask + 1;
	size_t before = ring_bytes(r);
	struct lat_reasm_msg **ring;

	while (size <= seq - r->next)
		size *= 2;
	if (r->ring != NULL && size == r->ring_mask + 1)
		return 0;
	if (lat_budget_stretch(r->budgets, size * sizeof(struct lat_reasm_msg *), stretch(r, seq)) != 0)
		return -ENOMEM;
	ring = calloc(size, sizeof(struct lat_reasm_msg *));
	if (ring == NULL) {
		lat_budget_release(r->budgets, size * sizeof(struct lat_reasm_msg *));
		return -ENOMEM;
	}
	lat_budget_release(r->budgets, before);
	for (uint64_t i = r->next; i <= r->top; i++)
		ring[i & (size - 1)] = ring_get(r, i);
	free(r->ring);
	r->ring = ring;
	r->ring_mask = size - 1;
	return 0;
}

/*
 * The most bytes of the top message that the sender may have sent, with @f taken. Negative: it has sent
 * past the limit.
 */
static int64_t top_room(const struct lat_reasm *r, const struct lat_reasm_frag *f,
			const struct lat_reasm_msg *m)
{
	uint64_t room = r->limit - r->consumed, held = r->held + (m == NULL ? 1 : 0);
	uint64_t top = f->seq > r->top ? f->seq : r->top;
	uint64_t below = r->held_bytes + (m == NULL ? f->msg_len : 0);
	uint64_t missing = top - r->next + 1 - held;

	below -= top == f->seq ? f->msg_len : ring_get(r, top)->msg_len;
	if (missing > room / LAT_PIDS_LEN || below + missing * LAT_PIDS_LEN > room)
		return -1;
	return (int64_t)(room - below - missing * LAT_PIDS_LEN);
}

static int reliable_check(const struct lat_reasm *r, const struct lat_reasm_frag *f)
{
	struct lat_reasm_msg *m = ring_get(r, f->seq);
	int64_t room;
	uint32_t extent;

	if (f->seq < r->next)
		return -EALREADY;
	if (m != NULL && (m->msg_len != f->msg_len || m->flags != f->flags))
		return -EPROTO;
	room = top_room(r, f, m);
	extent = f->seq >= r->top ? f->off + f->len : ring_get(r, r->top)->extent;
	if (room < (int64_t)extent)
		return -EPROTO;
	return m != NULL && !lat_reasm_msg_news(m, f) ? -EALREADY : 0;
}

static int reliable_add(struct lat_reasm *r, uint64_t now, const struct lat_reasm_frag *f)
{
	struct lat_reasm_msg *m = ring_get(r, f->seq), *fresh = NULL;
	size_t overhead = lat_reasm_msg_overhead(f->msg_len, lat_reasm_frag_whole(f));
	uint32_t cap = f->msg_len;
	int64_t room = top_room(r, f, m);

	/* The top message may end beyond the limit: only what the credit paid for is allocated. */
	if (f->seq >= r->top && room < (int64_t)cap)
		cap = (uint32_t)room;
	if (m == NULL) {
		if (ring_reach(r, f->seq) != 0 ||
		    lat_budget_stretch(r->budgets, overhead, stretch(r, f->seq)) != 0)
			return -ENOMEM;
		fresh = m = lat_reasm_msg_new(f, now);
		if (m == NULL) {
			lat_budget_release(r->budgets, overhead);
			return -ENOMEM;
		}
		m->charged = overhead;
	}
	if (f->off + f->len > m->cap && lat_reasm_msg_extend(m, cap) != 0) {
		if (fresh != NULL)
			lat_reasm_msg_free(r, fresh);
		return -ENOMEM;
	}
	if (fresh != NULL) {
		if (f->seq > r->top)
			r->top = f->seq;
		r->ring[f->seq & r->ring_mask] = m;
		r->held++;
		r->held_bytes += f->msg_len;
	}
	lat_reasm_msg_fill(m, f);
	return m->units_missing == 0 ? 1 : 0;
}

static uint64_t charge_for(const struct lat_reasm *r, uint64_t limit)
{
	uint64_t open = limit - r->consumed;

	return open > LAT_CREDIT_MIN_BYTES ? open : LAT_CREDIT_MIN_BYTES;
}

static void ring_remove(struct lat_reasm *r, uint64_t seq)
{
	struct lat_reasm_msg *m = ring_get(r, seq);

	if (m == NULL)
		return;
	r->ring[seq & r->ring_mask] = NULL;
	r->held--;
	r->held_bytes -= m->msg_len;
	lat_reasm_msg_free(r, m);
	if (r->held > 0)
		return;
	r->top = 0;
	ring_free(r);
}

static void reliable_done(struct lat_reasm *r, uint64_t seq, uint32_t msg_len)
{
	uint64_t charge;

	ring_remove(r, seq);
	r->next = seq + 1;
	r->consumed += msg_len;
	charge = charge_for(r, r->limit);
	lat_budget_release(r->budgets, (size_t)(r->charged - charge));
	r->charged = charge;
}

/* ----------------------------------------------------------------------------------------------- credit */

/*
 * How far 6.4 obliges us to open the stream: some bytes ahead, and all of the next message once its length
 * is known.
 */
static uint64_t credit_owed(const struct lat_reasm *r)
{
	const struct lat_reasm_msg *m = ring_get(r, r->next);
	uint64_t ahead = LAT_CREDIT_MIN_BYTES;

	if (m != NULL && m->units_missing > 0 && m->msg_len > ahead)
		ahead = m->msg_len;
	return r->consumed + ahead;
}

bool lat_reasm_credit_due(const struct lat_reasm *r)
{
	if (lat_fault(LAT_FAULT_CREDIT_LATE))
		return r->reliable && r->limit == r->consumed;
	return r->reliable && (r->limit < credit_owed(r) || r->limit - r->consumed < r->window / 2);
}

/* Windows may take half of a budget; the other half is for the messages that must go through (6.4). */
static bool half_free(struct lat_budgets b, uint64_t more)
{
	return b.peer->used + more <= b.peer->max / 2 && b.all->used + more <= b.all->max / 2;
}

static int raise_to(struct lat_reasm *r, uint64_t limit)
{
	uint64_t charge = charge_for(r, limit);

	if (charge > r->charged) {
		int rc = lat_budget_charge(r->budgets, (size_t)(charge - r->charged));

		if (rc != 0)
			return rc;
		r->charged = charge;
	}
	r->limit = limit;
	return 0;
}

/* What the window is to be: an active channel gets twice as much each time it has used it up. */
static uint64_t next_window(const struct lat_reasm *r, uint64_t now, uint64_t rtt_ns)
{
	uint64_t most = LAT_CREDIT_WINDOW_BYTES;

	if (r->consumed - r->used_at < r->window)
		return r->window;
	if (now - r->used_ns < 4 * rtt_ns)
		most = LAT_CREDIT_WINDOW_MAX_BYTES;
	return r->window < most ? 2 * r->window : r->window;
}

int lat_reasm_credit_raise(struct lat_reasm *r, uint64_t now, uint64_t rtt_ns, uint64_t *limit)
{
	uint64_t owed = credit_owed(r), window, want, charge;

	if (!r->reliable)
		return -EINVAL;
	window = next_window(r, now, rtt_ns);
	want = r->consumed + window;
	charge = charge_for(r, want);
	if (want > r->limit) {
		if (half_free(r->budgets, charge > r->charged ? charge - r->charged : 0) &&
		    raise_to(r, want) == 0) {
			if (r->consumed - r->used_at >= r->window) {
				r->used_at = r->consumed;
				r->used_ns = now;
			}
			r->window = window;
		} else {
			r->window = LAT_CREDIT_MIN_BYTES; /* memory is short: back to what is owed */
			r->used_at = r->consumed;
			r->used_ns = now;
		}
	}
	if (owed > r->limit) {
		int rc = raise_to(r, owed);

		if (rc != 0)
			return rc;
	}
	*limit = r->limit;
	return 0;
}

/* ------------------------------------------------------------------------------------------------ lossy */

static bool seen_get(const struct lat_reasm *r, uint64_t seq)
{
	return (r->seen[seq / 64 % (LAT_SEQ_WINDOW / 64)] >> (seq % 64) & 1) != 0;
}

static int open_index(const struct lat_reasm *r, uint64_t seq)
{
	for (int i = 0; i < LAT_REASM_OPEN_MAX; i++) {
		if (r->open[i] != NULL && r->open[i]->seq == seq)
			return i;
	}
	return -1;
}

static void open_free(struct lat_reasm *r, int i)
{
	lat_reasm_msg_free(r, r->open[i]);
	r->open[i] = NULL;
}

/* The number is done with, whether handed up or given up: nothing of it is taken again. */
static void mark_seen(struct lat_reasm *r, uint64_t seq)
{
	uint64_t old = r->highest;

	if (seq > old) {
		uint64_t slide = seq - old < LAT_SEQ_WINDOW ? seq - old : LAT_SEQ_WINDOW;

		/* Each bit serves another number now: look at whom it belonged to before clearing it. */
		for (uint64_t left = slide; left > 0; left--) { /* seq may be the last number there is */
			uint64_t s = seq - left + 1, back = (old - s) % LAT_SEQ_WINDOW;

			if (back < old && !seen_get(r, s)) {
				r->missed++;
				r->holes--;
			}
			r->seen[s / 64 % (LAT_SEQ_WINDOW / 64)] &= ~(UINT64_C(1) << (s % 64));
		}
		if (seq - old > LAT_SEQ_WINDOW)
			r->missed += seq - old - LAT_SEQ_WINDOW;
		r->holes += slide - 1;
		r->highest = seq;
	} else if (!seen_get(r, seq)) {
		r->holes--;
	}
	r->seen[seq / 64 % (LAT_SEQ_WINDOW / 64)] |= UINT64_C(1) << (seq % 64);
}

static bool too_old(const struct lat_reasm *r, uint64_t seq)
{
	return r->highest >= LAT_SEQ_WINDOW && seq <= r->highest - LAT_SEQ_WINDOW;
}

static void give_up(struct lat_reasm *r, int i)
{
	uint64_t seq = r->open[i]->seq;

	open_free(r, i);
	if (too_old(r, seq)) /* it counted as missed when it left the window */
		return;
	r->given_up++;
	mark_seen(r, seq);
}

static void lossy_done(struct lat_reasm *r, uint64_t seq)
{
	int i = open_index(r, seq);

	if (i >= 0)
		open_free(r, i);
	if (!too_old(r, seq))
		mark_seen(r, seq);
	for (i = 0; i < LAT_REASM_OPEN_MAX; i++) {
		if (r->open[i] != NULL && too_old(r, r->open[i]->seq))
			give_up(r, i);
	}
}

static int lossy_check(const struct lat_reasm *r, const struct lat_reasm_frag *f)
{
	int i = open_index(r, f->seq);

	if (too_old(r, f->seq) || (f->seq <= r->highest && seen_get(r, f->seq)))
		return -EALREADY;
	if (i < 0)
		return 0;
	if (r->open[i]->msg_len != f->msg_len || r->open[i]->flags != f->flags)
		return -EPROTO;
	return lat_reasm_msg_news(r->open[i], f) ? 0 : -EALREADY;
}

static int open_slot(struct lat_reasm *r)
{
	int oldest = 0;

	for (int i = 0; i < LAT_REASM_OPEN_MAX; i++) {
		if (r->open[i] == NULL)
			return i;
		if (r->open[i]->since_ns < r->open[oldest]->since_ns ||
		    (r->open[i]->since_ns == r->open[oldest]->since_ns &&
		     r->open[i]->seq < r->open[oldest]->seq))
			oldest = i;
	}
	give_up(r, oldest);
	return oldest;
}

static int lossy_add(struct lat_reasm *r, uint64_t now, const struct lat_reasm_frag *f)
{
	int i = open_index(r, f->seq);
	struct lat_reasm_msg *m;
	size_t charge = f->msg_len + lat_reasm_msg_overhead(f->msg_len, lat_reasm_frag_whole(f));

	if (i < 0) {
		i = open_slot(r);
		if (lat_budget_charge(r->budgets, charge) != 0)
			return -ENOBUFS;
		m = lat_reasm_msg_new(f, now);
		if (m == NULL || lat_reasm_msg_extend(m, f->msg_len) != 0) {
			lat_budget_release(r->budgets, charge);
			if (m != NULL)
				lat_reasm_msg_free(r, m); /* nothing charged to it yet */
			return -ENOMEM;
		}
		m->charged = charge;
		r->open[i] = m;
	}
	lat_reasm_msg_fill(r->open[i], f);
	return r->open[i]->units_missing == 0 ? 1 : 0;
}

/* Gives up what is missing up to @last. A partial message ends by itself. */
static void give_up_holes(struct lat_reasm *r, uint64_t last)
{
	uint64_t seq = r->highest > LAT_SEQ_WINDOW ? r->highest - LAT_SEQ_WINDOW + 1 : 1;

	for (; seq <= last && seq < r->highest; seq++) {
		if (seen_get(r, seq) || open_index(r, seq) >= 0)
			continue;
		mark_seen(r, seq);
		r->missed++;
	}
}

static uint64_t expire_holes(struct lat_reasm *r, uint64_t now)
{
	if (r->holes_to != 0 && now >= r->holes_end_ns) {
		give_up_holes(r, r->holes_to);
		r->holes_to = 0;
	}
	if (r->holes == 0) {
		r->holes_to = 0;
		return UINT64_MAX;
	}
	if (r->holes_to == 0) {
		r->holes_to = r->highest;
		r->holes_end_ns = now + (uint64_t)LAT_REASM_TIME_NS;
	}
	return r->holes_end_ns;
}

void lat_reasm_end(struct lat_reasm *r, uint64_t final)
{
	for (int i = 0; i < LAT_REASM_OPEN_MAX; i++)
		if (r->open[i] != NULL)
			give_up(r, i);
	if (final > r->highest) {
		mark_seen(r, final);
		r->missed++;
	}
	give_up_holes(r, r->highest);
}

uint64_t lat_reasm_expire(struct lat_reasm *r, uint64_t now)
{
	uint64_t due = UINT64_MAX, holes_due;

	for (int i = 0; i < LAT_REASM_OPEN_MAX; i++) {
		uint64_t end;

		if (r->open[i] == NULL)
			continue;
		end = r->open[i]->since_ns + (uint64_t)LAT_REASM_TIME_NS;
		if (end <= now)
			give_up(r, i);
		else if (end < due)
			due = end;
	}
	holes_due = expire_holes(r, now);
	return holes_due < due ? holes_due : due;
}

/* ------------------------------------------------------------------------------------------------- both */

int lat_reasm_init(struct lat_reasm *r, bool reliable, uint32_t max_msg, struct lat_budgets budgets)
{
	if (reliable && lat_budget_charge(budgets, LAT_CREDIT_MIN_BYTES) != 0)
		return -ENOBUFS;
	memset(r, 0, sizeof(*r));
	r->reliable = reliable;
	r->max_msg = max_msg;
	r->budgets = budgets;
	r->next = 1;
	if (reliable)
		r->limit = r->charged = r->window = LAT_CREDIT_MIN_BYTES;
	return 0;
}

void lat_reasm_fini(struct lat_reasm *r)
{
	for (uint64_t seq = r->next; r->held > 0; seq++)
		ring_remove(r, seq);
	for (int i = 0; i < LAT_REASM_OPEN_MAX; i++) {
		if (r->open[i] != NULL)
			open_free(r, i);
	}
	if (r->charged > 0)
		lat_budget_release(r->budgets, (size_t)r->charged);
	if (r->ring != NULL) /* else it may be zeroed memory, without a budget */
		ring_free(r);
	memset(r, 0, sizeof(*r));
}

int lat_reasm_check(const struct lat_reasm *r, const struct lat_reasm_frag *f)
{
	if (!well_formed(r, f))
		return -EPROTO;
	return r->reliable ? reliable_check(r, f) : lossy_check(r, f);
}

int lat_reasm_add(struct lat_reasm *r, uint64_t now, const struct lat_reasm_frag *f)
{
	int rc = lat_reasm_check(r, f);

	if (rc != 0)
		return rc;
	return r->reliable ? reliable_add(r, now, f) : lossy_add(r, now, f);
}

struct lat_reasm_msg *lat_reasm_find(const struct lat_reasm *r, uint64_t seq)
{
	int i;

	if (r->reliable)
		return ring_get(r, seq);
	i = open_index(r, seq);
	return i < 0 ? NULL : r->open[i];
}

struct lat_reasm_msg *lat_reasm_head(const struct lat_reasm *r)
{
	struct lat_reasm_msg *m = r->reliable ? ring_get(r, r->next) : NULL;

	return m != NULL && m->units_missing == 0 ? m : NULL;
}

void lat_reasm_pass(struct lat_reasm *r, uint64_t seq, uint32_t msg_len)
{
	if (!r->reliable)
		lossy_done(r, seq);
	else if (seq == r->next && msg_len <= r->limit - r->consumed)
		reliable_done(r, seq, msg_len);
}

void lat_reasm_consume(struct lat_reasm *r, uint64_t seq)
{
	const struct lat_reasm_msg *m = lat_reasm_find(r, seq);

	if (m != NULL && (!r->reliable || m == lat_reasm_head(r)))
		lat_reasm_pass(r, seq, m->msg_len);
}

/*
 * Each message has two bitmaps over its units: need (to be sent) and acked. A unit is in need when it was
 * never sent or was lost, and never when it is acknowledged. need_seq points at the first message with a
 * unit in need, so that looking for work is cheap however many messages wait for their acknowledgement.
 */
#include "session/sendq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum {
	RING_FIRST = 16,
	SPAN_MAX = 1 << 20, /* sequence numbers from the oldest held to the newest */
	RUN_MAX = 128,      /* messages in one run: beyond, another token costs nothing */
	CUT_ROOM = 512,   /* a piece that a fresh packet takes whole is not cut to fill less room than this */
	FRESH_FIT = 1152, /* data bytes of a first fragment in a packet of LAT_UDP_BASE */
	TYPE_LEN = 4,
	BODY_MIN = LAT_PIDS_LEN + TYPE_LEN,
};

struct lat_sendq_msg {
	uint64_t stream; /* offset of its first byte in the channel's stream */
	uint32_t len, units;
	uint32_t need, unacked; /* units */
	uint32_t hint;          /* no unit below it is in need */
	bool has_token;
	uint8_t flags; /* of its frames */
	uint8_t token[LAT_WIRE_TOKEN];
	uint8_t *body;
	uint64_t bits[]; /* need, then acked, words(units) each; then the body */
};

static_assert(sizeof(struct lat_sendq_msg) + 2 * sizeof(uint64_t) <= LAT_SENDQ_MSG_COST,
	      "what a message costs");

static size_t words(uint32_t units)
{
	return (units + 63u) / 64u;
}

static uint64_t *need_bits(struct lat_sendq_msg *m)
{
	return m->bits;
}

static uint64_t *acked_bits(struct lat_sendq_msg *m)
{
	return m->bits + words(m->units);
}

static bool bit_get(const uint64_t *bits, uint32_t i)
{
	return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static void bit_set(uint64_t *bits, uint32_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static void bit_clear(uint64_t *bits, uint32_t i)
{
	bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

void lat_sendq_init(struct lat_sendq *q, bool reliable, int32_t src_pid, int32_t dst_pid, size_t bytes_max)
{
	memset(q, 0, sizeof(*q));
	q->reliable = reliable;
	q->src_pid = src_pid;
	q->dst_pid = dst_pid;
	q->bytes_max = bytes_max;
	q->first_seq = q->next_seq = q->need_seq = 1;
	q->limit = reliable ? 0 : UINT64_MAX;
}

static struct lat_sendq_msg *msg_of(const struct lat_sendq *q, uint64_t seq)
{
	if (q->ring == NULL || seq < q->first_seq || seq >= q->next_seq)
		return NULL;
	return q->ring[seq & q->ring_mask];
}

static void msg_drop(struct lat_sendq *q, uint64_t seq)
{
	struct lat_sendq_msg *m = msg_of(q, seq);

	q->bytes_held -= m->len + (size_t)LAT_SENDQ_MSG_COST;
	q->need_units -= m->need;
	q->held--;
	q->cancels -= m->flags == LAT_MSG_CANCEL;
	q->ring[seq & q->ring_mask] = NULL;
	if ((m->flags & LAT_MSG_CAPS) != 0)
		lat_wipe(m->body, m->len);
	free(m);
}

void lat_sendq_fini(struct lat_sendq *q)
{
	for (uint64_t seq = q->first_seq; seq < q->next_seq; seq++) {
		if (msg_of(q, seq) != NULL)
			msg_drop(q, seq);
	}
	free(q->ring);
	memset(q, 0, sizeof(*q));
}

/* Moves the two cursors past what is done. */
static void settle(struct lat_sendq *q)
{
	while (q->first_seq < q->next_seq && msg_of(q, q->first_seq) == NULL)
		q->first_seq++;
	if (q->need_seq < q->first_seq)
		q->need_seq = q->first_seq;
	while (q->need_seq < q->next_seq &&
	       (msg_of(q, q->need_seq) == NULL || msg_of(q, q->need_seq)->need == 0))
		q->need_seq++;
}

static int ring_grow(struct lat_sendq *q)
{
	uint64_t size = q->ring == NULL ? RING_FIRST : (q->ring_mask + 1) * 2;
	struct lat_sendq_msg **ring = calloc(size, sizeof(struct lat_sendq_msg *));

	if (ring == NULL)
		return -ENOMEM;
	for (uint64_t seq = q->first_seq; seq < q->next_seq; seq++)
		ring[seq & (size - 1)] = msg_of(q, seq);
	free(q->ring);
	q->ring = ring;
	q->ring_mask = size - 1;
	return 0;
}

/* The body of a message: its length. */
static size_t body_len(const struct lat_sendq_head *head, size_t bytes)
{
	return LAT_PIDS_LEN + head->before.bytes + (head->bare ? 0 : TYPE_LEN + bytes);
}

static void body_fill(const struct lat_sendq *q, uint8_t *out, const struct lat_sendq_head *head,
		      int32_t type, const void *data, size_t bytes)
{
	lat_msg_pids_encode(out, q->src_pid, q->dst_pid);
	out += LAT_PIDS_LEN;
	if (head->before.bytes > 0)
		memcpy(out, head->before.data, head->before.bytes);
	out += head->before.bytes;
	if (head->bare)
		return;
	lat_put_le32(out, (uint32_t)type);
	if (bytes > 0)
		memcpy(out + TYPE_LEN, data, bytes);
}

int lat_sendq_push(struct lat_sendq *q, int32_t type, const void *data, size_t bytes, uint64_t *seq)
{
	static const struct lat_sendq_head plain;

	return lat_sendq_push_head(q, &plain, type, data, bytes, seq);
}

int lat_sendq_push_head(struct lat_sendq *q, const struct lat_sendq_head *head, int32_t type,
			const void *data, size_t bytes, uint64_t *seq)
{
	struct lat_sendq_msg *m;
	size_t len, map;

	if (bytes > LAT_MAX_MSG_HARD - BODY_MIN - head->before.bytes)
		return -EMSGSIZE;
	len = body_len(head, bytes);
	if (q->held > 0 && !head->force &&
	    (q->bytes_held >= q->bytes_max || len + LAT_SENDQ_MSG_COST > q->bytes_max - q->bytes_held))
		return -EAGAIN;
	if (q->next_seq - q->first_seq >= SPAN_MAX)
		return -EAGAIN;
	if ((q->ring == NULL || q->next_seq - q->first_seq > q->ring_mask) && ring_grow(q) != 0)
		return -ENOMEM;
	map = words((uint32_t)((len + LAT_UNIT - 1) / LAT_UNIT));
	m = malloc(sizeof(*m) + 2 * map * sizeof(uint64_t) + len);
	if (m == NULL)
		return -ENOMEM;
	*m = (struct lat_sendq_msg){ .stream = q->stream_end, .len = (uint32_t)len, .flags = head->flags };
	m->units = m->need = m->unacked = (uint32_t)((len + LAT_UNIT - 1) / LAT_UNIT);
	memset(m->bits, 0, 2 * map * sizeof(uint64_t));
	for (uint32_t i = 0; i < m->units; i++)
		bit_set(need_bits(m), i);
	m->body = (uint8_t *)(m->bits + 2 * map);
	body_fill(q, m->body, head, type, data, bytes);

	q->ring[q->next_seq & q->ring_mask] = m;
	if (seq != NULL)
		*seq = q->next_seq;
	q->next_seq++;
	q->stream_end += len;
	q->bytes_held += len + LAT_SENDQ_MSG_COST;
	q->held++;
	q->cancels += m->flags == LAT_MSG_CANCEL;
	q->need_units += m->need;
	settle(q);
	return 0;
}

bool lat_sendq_credit(struct lat_sendq *q, uint64_t limit)
{
	if (limit <= q->limit)
		return false;
	q->limit = limit;
	return true;
}

/* Data bytes of @m from @off on that lie below the limit, on the grid unless they reach the end. */
static uint32_t below_limit(const struct lat_sendq *q, const struct lat_sendq_msg *m, uint32_t off)
{
	uint64_t room;

	if (q->limit <= m->stream)
		return 0;
	room = q->limit - m->stream;
	if (room >= m->len)
		return m->len - off;
	room -= room % LAT_UNIT;
	return room > off ? (uint32_t)room - off : 0;
}

/* From @from on the first unit whose bit is @set; @units: none. */
static uint32_t next_unit(const uint64_t *bits, uint32_t units, uint32_t from, bool set)
{
	while (from < units) {
		uint64_t word = (set ? bits[from / 64] : ~bits[from / 64]) >> (from % 64);

		if (word != 0) {
			from += (uint32_t)__builtin_ctzll(word);
			return from < units ? from : units;
		}
		from = (from | 63) + 1;
	}
	return units;
}

/* Where its first unit in need is. */
static uint32_t first_need(struct lat_sendq_msg *m)
{
	m->hint = next_unit(need_bits(m), m->units, m->hint, true);
	return m->hint * LAT_UNIT;
}

/* How many bytes from there on are in need. */
static uint32_t run_of_need(struct lat_sendq_msg *m)
{
	uint32_t end = next_unit(need_bits(m), m->units, m->hint, false);

	return (end == m->units ? m->len : end * LAT_UNIT) - m->hint * LAT_UNIT;
}

static uint32_t sendable(const struct lat_sendq *q)
{
	struct lat_sendq_msg *m = msg_of(q, q->need_seq);

	return m != NULL ? below_limit(q, m, first_need(m)) : 0;
}

bool lat_sendq_ready(const struct lat_sendq *q)
{
	return q->need_units > 0 && sendable(q) > 0;
}

bool lat_sendq_blocked(const struct lat_sendq *q)
{
	return q->need_units > 0 && sendable(q) == 0;
}

/* Nothing of it was sent, or all of that was lost: it may go in a run of those with @flags. */
static bool whole(const struct lat_sendq *q, const struct lat_sendq_msg *m, uint8_t flags)
{
	return m != NULL && m->flags == flags && (flags & LAT_MSG_CAPS) == 0 && m->need == m->units &&
	       m->len <= UINT16_MAX && below_limit(q, m, 0) == m->len;
}

static void mark_sent(struct lat_sendq *q, struct lat_sendq_msg *m, uint32_t off, uint32_t len)
{
	uint32_t end = (off + len + LAT_UNIT - 1) / LAT_UNIT;

	for (uint32_t i = off / LAT_UNIT; i < end; i++)
		bit_clear(need_bits(m), i);
	m->need -= end - off / LAT_UNIT;
	q->need_units -= end - off / LAT_UNIT;
	if (m->hint == off / LAT_UNIT)
		m->hint = end;
}

/* 1: a MSGS was appended; 0: fewer than two messages can share one here. */
static int take_run(struct lat_sendq *q, const struct lat_token_key *key, struct lat_writer *w,
		    struct lat_sent_frame *ref)
{
	struct lat_bytes bodies[RUN_MAX];
	struct lat_msgs_builder b;
	uint8_t token[LAT_WIRE_TOKEN], *to;
	uint64_t first = q->need_seq;
	uint8_t flags = msg_of(q, first) != NULL ? msg_of(q, first)->flags : 0;
	uint16_t count = 0;

	if (!whole(q, msg_of(q, first), flags) || !whole(q, msg_of(q, first + 1), flags) ||
	    lat_msgs_builder_init(&b, w, flags, first) != 0)
		return 0;
	while (count < RUN_MAX && whole(q, msg_of(q, first + count), flags)) {
		struct lat_sendq_msg *m = msg_of(q, first + count);

		if (lat_msgs_builder_reserve(&b, m->len, &to) != 0)
			break;
		memcpy(to, m->body, m->len);
		bodies[count++] = (struct lat_bytes){ m->body, m->len };
	}
	if (count < 2) {
		lat_msgs_builder_cancel(&b);
		return 0;
	}
	lat_token_of_run(token, key, first, bodies, count);
	if (lat_msgs_builder_finish(&b, token) != 0) {
		lat_msgs_builder_cancel(&b);
		return 0;
	}
	for (uint16_t i = 0; i < count; i++) {
		struct lat_sendq_msg *m = msg_of(q, first + i);

		mark_sent(q, m, 0, m->len);
		if (!q->reliable)
			msg_drop(q, first + i);
	}
	*ref = (struct lat_sent_frame){ .kind = LAT_SENT_RUN, .seq = first, .count = count };
	return 1;
}

static int take_fragment(struct lat_sendq *q, const struct lat_token_key *key, struct lat_writer *w,
			 struct lat_sent_frame *ref)
{
	struct lat_sendq_msg *m = msg_of(q, q->need_seq);
	struct lat_frame_msg f = { .flags = m->flags, .seq = q->need_seq, .msg_len = m->len };
	uint32_t fit;

	f.frag_off = first_need(m);
	f.len = run_of_need(m);
	fit = below_limit(q, m, f.frag_off);
	if (f.len > fit)
		f.len = fit;
	fit = lat_frame_msg_fit(lat_writer_room(w), m->len, f.frag_off);
	if (f.len > fit) {
		if (f.len <= FRESH_FIT && lat_writer_room(w) < CUT_ROOM)
			return 0;
		f.len = fit;
	}
	if (f.len == 0)
		return 0;
	f.data = m->body + f.frag_off;
	if (f.frag_off == 0) {
		if (!m->has_token)
			lat_token_of_msg(m->token, key, f.seq, m->body, m->len);
		m->has_token = true;
		f.token = m->token;
	}
	if (lat_frame_msg_encode(w, &f) != 0)
		return 0;
	*ref = (struct lat_sent_frame){
		.kind = LAT_SENT_FRAGMENT, .seq = f.seq, .off = f.frag_off, .len = f.len
	};
	mark_sent(q, m, f.frag_off, f.len);
	if (!q->reliable && m->need == 0)
		msg_drop(q, f.seq);
	return 1;
}

int lat_sendq_take(struct lat_sendq *q, const struct lat_token_key *key, struct lat_writer *w,
		   struct lat_sent_frame *ref)
{
	int rc;

	if (!lat_sendq_ready(q))
		return 0;
	rc = take_run(q, key, w, ref);
	if (rc == 0)
		rc = take_fragment(q, key, w, ref);
	settle(q);
	return rc;
}

/* The units [from, end) of what @ref says about @m; an empty range for a ref that is not of this message. */
static void units_of(const struct lat_sent_frame *ref, const struct lat_sendq_msg *m, uint32_t *from,
		     uint32_t *end)
{
	*from = 0;
	*end = m->units;
	if (ref->kind == LAT_SENT_RUN)
		return;
	if (ref->off % LAT_UNIT != 0 || ref->off >= m->len || ref->len > m->len - ref->off) {
		*end = 0;
		return;
	}
	*from = ref->off / LAT_UNIT;
	*end = (ref->off + ref->len + LAT_UNIT - 1) / LAT_UNIT;
}

static void msg_acked(struct lat_sendq *q, uint64_t seq, const struct lat_sent_frame *ref)
{
	struct lat_sendq_msg *m = msg_of(q, seq);
	uint32_t from, end;

	if (m == NULL)
		return;
	units_of(ref, m, &from, &end);
	for (uint32_t i = from; i < end; i++) {
		if (bit_get(acked_bits(m), i))
			continue;
		bit_set(acked_bits(m), i);
		m->unacked--;
		if (bit_get(need_bits(m), i)) {
			bit_clear(need_bits(m), i);
			m->need--;
			q->need_units--;
		}
	}
	if (m->unacked == 0)
		msg_drop(q, seq);
}

static void msg_lost(struct lat_sendq *q, uint64_t seq, const struct lat_sent_frame *ref)
{
	struct lat_sendq_msg *m = msg_of(q, seq);
	uint32_t from, end;

	if (m == NULL)
		return;
	units_of(ref, m, &from, &end);
	for (uint32_t i = from; i < end; i++) {
		if (bit_get(acked_bits(m), i) || bit_get(need_bits(m), i))
			continue;
		bit_set(need_bits(m), i);
		m->need++;
		q->need_units++;
		if (i < m->hint)
			m->hint = i;
	}
	if (m->need > 0 && seq < q->need_seq)
		q->need_seq = seq;
}

static uint64_t ref_count(const struct lat_sent_frame *ref)
{
	switch (ref->kind) {
	case LAT_SENT_RUN:
		return ref->count;
	case LAT_SENT_FRAGMENT:
		return 1;
	default:
		return 0;
	}
}

void lat_sendq_acked(struct lat_sendq *q, const struct lat_sent_frame *ref)
{
	for (uint64_t i = 0; q->reliable && i < ref_count(ref); i++)
		msg_acked(q, ref->seq + i, ref);
	settle(q);
}

void lat_sendq_lost(struct lat_sendq *q, const struct lat_sent_frame *ref)
{
	for (uint64_t i = 0; q->reliable && i < ref_count(ref); i++)
		msg_lost(q, ref->seq + i, ref);
	settle(q);
}

void lat_sendq_requeue(struct lat_sendq *q)
{
	const struct lat_sent_frame everything = { .kind = LAT_SENT_RUN };

	for (uint64_t seq = q->first_seq; q->reliable && seq < q->next_seq; seq++)
		msg_lost(q, seq, &everything);
	settle(q);
}

bool lat_sendq_drop_oldest(struct lat_sendq *q)
{
	for (uint64_t seq = q->first_seq; !q->reliable && seq < q->next_seq; seq++) {
		struct lat_sendq_msg *m = msg_of(q, seq);

		if (m != NULL && m->need == m->units) {
			msg_drop(q, seq);
			settle(q);
			return true;
		}
	}
	return false;
}

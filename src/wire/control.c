/*
 * Offsets are those of the pictures in the header; each pair of functions is the only place that knows
 * them.
 */
#include "wire/control.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"

static_assert(LAT_BODY_CHAN_OPEN == 104 + LAT_WIRE_PROOF, "caveats lie between desc and proof");

static bool all_zero(const uint8_t *p, size_t bytes)
{
	uint8_t any = 0;

	for (size_t i = 0; i < bytes; i++)
		any |= p[i];
	return any == 0;
}

static void put_i32(uint8_t *p, int32_t v)
{
	lat_put_le32(p, (uint32_t)v);
}

static int32_t get_i32(const uint8_t *p)
{
	return (int32_t)lat_get_le32(p);
}

/* PING, PONG: 0 token u64 */

int lat_frame_ping_encode(struct lat_writer *w, uint64_t token)
{
	uint8_t *b;
	int rc = lat_frame_reserve(w, LAT_FRAME_PING, 0, LAT_BODY_PING, &b);

	if (rc == 0)
		lat_put_le64(b, token);
	return rc;
}

int lat_frame_ping_decode(uint64_t *token, const struct lat_frame *f)
{
	if (f->len < LAT_BODY_PING)
		return -EPROTO;
	*token = lat_get_le64(f->body);
	return 0;
}

enum { PONG_TOKEN = 0, PONG_QUEUE = 8, PONG_CRYPTO = 12 };

int lat_frame_pong_encode(struct lat_writer *w, const struct lat_frame_pong *pong)
{
	uint8_t *b;
	int rc = lat_frame_reserve(w, LAT_FRAME_PONG, 0, LAT_BODY_PONG, &b);

	if (rc == 0) {
		lat_put_le64(b + PONG_TOKEN, pong->token);
		lat_put_le32(b + PONG_QUEUE, pong->queue_ns);
		lat_put_le32(b + PONG_CRYPTO, pong->crypto_ns);
	}
	return rc;
}

int lat_frame_pong_decode(struct lat_frame_pong *pong, const struct lat_frame *f)
{
	if (f->len < LAT_BODY_PONG)
		return -EPROTO;
	*pong = (struct lat_frame_pong){ .token = lat_get_le64(f->body + PONG_TOKEN),
					 .queue_ns = lat_get_le32(f->body + PONG_QUEUE),
					 .crypto_ns = lat_get_le32(f->body + PONG_CRYPTO) };
	return 0;
}

/* ACK: 0 chan u16  2 n u16  4 delay_us u32  8 largest u64  16 first u32  20 n x (gap u32, len u32) */

enum {
	ACK_CHAN = 0,
	ACK_N = 2,
	ACK_DELAY = 4,
	ACK_LARGEST = 8,
	ACK_FIRST = 16,
	ACK_RANGES = 20,
};

/* Can the ranges be written as counts of 32 bits, falling and apart? */
static bool ack_encodable(const struct lat_frame_ack *a)
{
	if (a->count < 1 || a->count > LAT_MAX_RANGES)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct lat_range *r = &a->range[i];

		if (r->lo > r->hi || r->hi - r->lo >= UINT32_MAX)
			return false;
		if (i == 0)
			continue;
		/* at least one counter lies between them, and not more than a gap can say */
		if (r[-1].lo < 2 || r->hi > r[-1].lo - 2 || r[-1].lo - r->hi - 1 > UINT32_MAX)
			return false;
	}
	return true;
}

int lat_frame_ack_encode(struct lat_writer *w, const struct lat_frame_ack *a)
{
	uint8_t *b;
	int rc;

	if (!ack_encodable(a))
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_ACK, 0,
			       LAT_BODY_ACK + (a->count - 1U) * (size_t)LAT_BODY_ACK_RANGE, &b);
	if (rc < 0)
		return rc;
	lat_put_le16(b + ACK_CHAN, a->chan);
	lat_put_le16(b + ACK_N, (uint16_t)(a->count - 1));
	lat_put_le32(b + ACK_DELAY, a->delay_us);
	lat_put_le64(b + ACK_LARGEST, a->range[0].hi);
	lat_put_le32(b + ACK_FIRST, (uint32_t)(a->range[0].hi - a->range[0].lo + 1));
	b += ACK_RANGES;
	for (size_t i = 1; i < a->count; i++, b += LAT_BODY_ACK_RANGE) {
		const struct lat_range *r = &a->range[i];

		lat_put_le32(b, (uint32_t)(r[-1].lo - r->hi - 1));
		lat_put_le32(b + 4, (uint32_t)(r->hi - r->lo + 1));
	}
	return 0;
}

/* The @len counters that end at @hi, or -EPROTO when there are none or they reach below 0. */
static int ack_range(struct lat_range *r, uint64_t hi, uint32_t len)
{
	if (len == 0 || len - 1 > hi)
		return -EPROTO;
	*r = (struct lat_range){ .lo = hi - (len - 1), .hi = hi };
	return 0;
}

int lat_frame_ack_decode(struct lat_frame_ack *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;
	struct lat_frame_ack a = { 0 };
	uint16_t n;

	if (f->len < LAT_BODY_ACK)
		return -EPROTO;
	n = lat_get_le16(b + ACK_N);
	if (n > LAT_MAX_RANGES - 1 || f->len < LAT_BODY_ACK + n * (size_t)LAT_BODY_ACK_RANGE)
		return -EPROTO;
	a.chan = lat_get_le16(b + ACK_CHAN);
	a.count = (uint16_t)(n + 1);
	a.delay_us = lat_get_le32(b + ACK_DELAY);
	if (ack_range(&a.range[0], lat_get_le64(b + ACK_LARGEST), lat_get_le32(b + ACK_FIRST)) < 0)
		return -EPROTO;
	b += ACK_RANGES;
	for (size_t i = 1; i < a.count; i++, b += LAT_BODY_ACK_RANGE) {
		uint64_t above = a.range[i - 1].lo;
		uint64_t gap = lat_get_le32(b);

		if (gap == 0 || gap >= above)
			return -EPROTO;
		if (ack_range(&a.range[i], above - gap - 1, lat_get_le32(b + 4)) < 0)
			return -EPROTO;
	}
	*out = a;
	return 0;
}

/* PARAMS: 0 stale_token[16]  16 max_chan u32  20 rcv_mem u32 */

int lat_frame_params_encode(struct lat_writer *w, const struct lat_frame_params *p)
{
	uint8_t *b;
	int rc = lat_frame_reserve(w, LAT_FRAME_PARAMS, 0, LAT_BODY_PARAMS, &b);

	if (rc < 0)
		return rc;
	memcpy(b, p->stale_token, sizeof(p->stale_token));
	lat_put_le32(b + 16, p->max_chan);
	lat_put_le32(b + 20, p->rcv_mem);
	return 0;
}

int lat_frame_params_decode(struct lat_frame_params *out, const struct lat_frame *f)
{
	if (f->len < LAT_BODY_PARAMS)
		return -EPROTO;
	memcpy(out->stale_token, f->body, sizeof(out->stale_token));
	out->max_chan = lat_get_le32(f->body + 16);
	out->rcv_mem = lat_get_le32(f->body + 20);
	return 0;
}

/*
 * CHAN_OPEN: 0 req u32  4 src_pid i32  8 dst_pid i32  12 cflags u16  14 ncav u8  15 zero u8  16 rank u32
 *            20 rev_chan u16  22 zero u16  24 nonce_s[16]  40 desc[64]  104 cav[24 ncav]  then proof[32]
 */

enum {
	OPEN_REQ = 0,
	OPEN_SRC = 4,
	OPEN_DST = 8,
	OPEN_CFLAGS = 12,
	OPEN_NCAV = 14,
	OPEN_ZERO1 = 15,
	OPEN_RANK = 16,
	OPEN_REV_CHAN = 20,
	OPEN_ZERO2 = 22,
	OPEN_NONCE = 24,
	OPEN_DESC = 40,
	OPEN_CAV = 104,
};

static bool rev_chan_fits(uint16_t cflags, uint16_t rev_chan)
{
	return ((cflags & LAT_CFLAG_REVERSE) != 0) == (rev_chan != 0);
}

int lat_frame_chan_open_encode(struct lat_writer *w, const struct lat_frame_chan_open *o)
{
	size_t cav = o->ncav * (size_t)LAT_WIRE_CAVEAT;
	uint8_t *b;
	int rc;

	if (o->ncav > LAT_MAX_CAVEATS || (o->cflags & ~LAT_CFLAG_ALL) != 0 ||
	    !rev_chan_fits(o->cflags, o->rev_chan))
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_CHAN_OPEN, 0, LAT_BODY_CHAN_OPEN + cav, &b);
	if (rc < 0)
		return rc;
	lat_put_le32(b + OPEN_REQ, o->req);
	put_i32(b + OPEN_SRC, o->src_pid);
	put_i32(b + OPEN_DST, o->dst_pid);
	lat_put_le16(b + OPEN_CFLAGS, o->cflags);
	b[OPEN_NCAV] = o->ncav;
	b[OPEN_ZERO1] = 0;
	lat_put_le32(b + OPEN_RANK, o->rank);
	lat_put_le16(b + OPEN_REV_CHAN, o->rev_chan);
	lat_put_le16(b + OPEN_ZERO2, 0);
	memcpy(b + OPEN_NONCE, o->nonce_s, sizeof(o->nonce_s));
	memcpy(b + OPEN_DESC, o->desc, sizeof(o->desc));
	memcpy(b + OPEN_CAV, o->cav, cav);
	memcpy(b + OPEN_CAV + cav, o->proof, sizeof(o->proof));
	return 0;
}

int lat_frame_chan_open_decode(struct lat_frame_chan_open *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;
	size_t cav;
	uint16_t cflags, rev_chan;

	if (f->len < LAT_BODY_CHAN_OPEN)
		return -EPROTO;
	cav = b[OPEN_NCAV] * (size_t)LAT_WIRE_CAVEAT;
	if (f->len != LAT_BODY_CHAN_OPEN + cav || b[OPEN_ZERO1] != 0 || lat_get_le16(b + OPEN_ZERO2) != 0)
		return -EPROTO;
	cflags = lat_get_le16(b + OPEN_CFLAGS);
	rev_chan = lat_get_le16(b + OPEN_REV_CHAN);
	if (!rev_chan_fits(cflags, rev_chan))
		return -EPROTO;
	if (b[OPEN_NCAV] > LAT_MAX_CAVEATS || (cflags & ~LAT_CFLAG_ALL) != 0)
		return -EACCES;
	*out = (struct lat_frame_chan_open){
		.req = lat_get_le32(b + OPEN_REQ),
		.src_pid = get_i32(b + OPEN_SRC),
		.dst_pid = get_i32(b + OPEN_DST),
		.cflags = cflags,
		.ncav = b[OPEN_NCAV],
		.rank = lat_get_le32(b + OPEN_RANK),
		.rev_chan = rev_chan,
	};
	memcpy(out->nonce_s, b + OPEN_NONCE, sizeof(out->nonce_s));
	memcpy(out->desc, b + OPEN_DESC, sizeof(out->desc));
	memcpy(out->cav, b + OPEN_CAV, cav);
	memcpy(out->proof, b + OPEN_CAV + cav, sizeof(out->proof));
	return 0;
}

uint32_t lat_frame_chan_open_req(const struct lat_frame *f)
{
	return lat_get_le32(f->body + OPEN_REQ);
}

/* CHAN_ACK: 0 req u32  4 chan u16  6 cflags u16  8 credit u64  16 next_seq u64  24 nonce_r[16] */

int lat_frame_chan_ack_encode(struct lat_writer *w, const struct lat_frame_chan_ack *a)
{
	uint8_t *b;
	int rc;

	if (a->chan == 0)
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_CHAN_ACK, 0, LAT_BODY_CHAN_ACK, &b);
	if (rc < 0)
		return rc;
	lat_put_le32(b, a->req);
	lat_put_le16(b + 4, a->chan);
	lat_put_le16(b + 6, a->cflags);
	lat_put_le64(b + 8, a->credit);
	lat_put_le64(b + 16, a->next_seq);
	memcpy(b + 24, a->nonce_r, sizeof(a->nonce_r));
	return 0;
}

int lat_frame_chan_ack_decode(struct lat_frame_chan_ack *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;

	if (f->len < LAT_BODY_CHAN_ACK || lat_get_le16(b + 4) == 0)
		return -EPROTO;
	out->req = lat_get_le32(b);
	out->chan = lat_get_le16(b + 4);
	out->cflags = lat_get_le16(b + 6);
	out->credit = lat_get_le64(b + 8);
	out->next_seq = lat_get_le64(b + 16);
	memcpy(out->nonce_r, b + 24, sizeof(out->nonce_r));
	return 0;
}

/* CHAN_NAK: 0 req u32  4 code u16  6 zero u16 */

int lat_frame_chan_nak_encode(struct lat_writer *w, const struct lat_frame_chan_nak *n)
{
	uint8_t *b;
	int rc = lat_frame_reserve(w, LAT_FRAME_CHAN_NAK, 0, LAT_BODY_CHAN_NAK, &b);

	if (rc < 0)
		return rc;
	lat_put_le32(b, n->req);
	lat_put_le16(b + 4, n->code);
	lat_put_le16(b + 6, 0);
	return 0;
}

int lat_frame_chan_nak_decode(struct lat_frame_chan_nak *out, const struct lat_frame *f)
{
	if (f->len < LAT_BODY_CHAN_NAK || !all_zero(f->body + 6, 2))
		return -EPROTO;
	out->req = lat_get_le32(f->body);
	out->code = lat_get_le16(f->body + 4);
	return 0;
}

/* CREDIT: 0 chan u16  2 zero u16  4 zero u32  8 limit u64 */

int lat_frame_credit_encode(struct lat_writer *w, const struct lat_frame_credit *c)
{
	uint8_t *b;
	int rc;

	if (c->chan == 0)
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_CREDIT, 0, LAT_BODY_CREDIT, &b);
	if (rc < 0)
		return rc;
	lat_put_le16(b, c->chan);
	memset(b + 2, 0, 6);
	lat_put_le64(b + 8, c->limit);
	return 0;
}

int lat_frame_credit_decode(struct lat_frame_credit *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;

	if (f->len < LAT_BODY_CREDIT || lat_get_le16(b) == 0 || !all_zero(b + 2, 6))
		return -EPROTO;
	out->chan = lat_get_le16(b);
	out->limit = lat_get_le64(b + 8);
	return 0;
}

/* CHAN_CLOSE: 0 chan u16  2 code u16  4 zero u32  8 final_seq u64 */

int lat_frame_chan_close_encode(struct lat_writer *w, const struct lat_frame_chan_close *c)
{
	uint8_t *b;
	int rc;

	if (c->chan == 0)
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_CHAN_CLOSE, 0, LAT_BODY_CHAN_CLOSE, &b);
	if (rc < 0)
		return rc;
	lat_put_le16(b, c->chan);
	lat_put_le16(b + 2, c->code);
	lat_put_le32(b + 4, 0);
	lat_put_le64(b + 8, c->final_seq);
	return 0;
}

int lat_frame_chan_close_decode(struct lat_frame_chan_close *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;

	if (f->len < LAT_BODY_CHAN_CLOSE || lat_get_le16(b) == 0 || !all_zero(b + 4, 4))
		return -EPROTO;
	out->chan = lat_get_le16(b);
	out->code = lat_get_le16(b + 2);
	out->final_seq = lat_get_le64(b + 8);
	return 0;
}

/* CHAN_RESET: 0 chan u16  2 code u16  4 side u8  5 zero[3]  8 next_seq u64 */

int lat_frame_chan_reset_encode(struct lat_writer *w, const struct lat_frame_chan_reset *r)
{
	uint8_t *b;
	int rc;

	if (r->chan == 0 || r->side > 1)
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_CHAN_RESET, 0, LAT_BODY_CHAN_RESET, &b);
	if (rc < 0)
		return rc;
	lat_put_le16(b, r->chan);
	lat_put_le16(b + 2, r->code);
	b[4] = r->side;
	memset(b + 5, 0, 3);
	lat_put_le64(b + 8, r->next_seq);
	return 0;
}

int lat_frame_chan_reset_decode(struct lat_frame_chan_reset *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;

	if (f->len < LAT_BODY_CHAN_RESET || lat_get_le16(b) == 0 || b[4] > 1 || !all_zero(b + 5, 3))
		return -EPROTO;
	out->chan = lat_get_le16(b);
	out->code = lat_get_le16(b + 2);
	out->side = b[4];
	out->next_seq = lat_get_le64(b + 8);
	return 0;
}

/* CLOSE: 0 code u16  2 zero u16 */

int lat_frame_close_encode(struct lat_writer *w, uint16_t code)
{
	uint8_t *b;
	int rc = lat_frame_reserve(w, LAT_FRAME_CLOSE, 0, LAT_BODY_CLOSE, &b);

	if (rc < 0)
		return rc;
	lat_put_le16(b, code);
	lat_put_le16(b + 2, 0);
	return 0;
}

int lat_frame_close_decode(uint16_t *code, const struct lat_frame *f)
{
	if (f->len < LAT_BODY_CLOSE || !all_zero(f->body + 2, 2))
		return -EPROTO;
	*code = lat_get_le16(f->body);
	return 0;
}

int lat_frame_net_encode(struct lat_writer *w, const void *data, size_t len)
{
	return lat_frame_encode(w, LAT_FRAME_NET, 0, data, len);
}

/* RESOLVE: 0 req u32  4 n u8  5 name[n] */

int lat_frame_resolve_encode(struct lat_writer *w, const struct lat_frame_resolve *r)
{
	uint8_t *b;
	int rc;

	if (r->len > LAT_MAX_RESOLVE_NAME)
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_RESOLVE, 0, (size_t)LAT_BODY_RESOLVE + r->len, &b);
	if (rc < 0)
		return rc;
	lat_put_le32(b, r->req);
	b[4] = r->len;
	if (r->len > 0)
		memcpy(b + LAT_BODY_RESOLVE, r->name, r->len);
	return 0;
}

int lat_frame_resolve_decode(struct lat_frame_resolve *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;

	if (f->len < LAT_BODY_RESOLVE || b[4] > LAT_MAX_RESOLVE_NAME || f->len - LAT_BODY_RESOLVE < b[4])
		return -EPROTO;
	out->req = lat_get_le32(b);
	out->len = b[4];
	out->name = b + LAT_BODY_RESOLVE;
	return 0;
}

/* RESOLVED: 0 req u32  4 pid i32  8 code u16  10 zero u16 */

int lat_frame_resolved_encode(struct lat_writer *w, const struct lat_frame_resolved *r)
{
	uint8_t *b;
	int rc = lat_frame_reserve(w, LAT_FRAME_RESOLVED, 0, LAT_BODY_RESOLVED, &b);

	if (rc < 0)
		return rc;
	lat_put_le32(b, r->req);
	put_i32(b + 4, r->pid);
	lat_put_le16(b + 8, r->code);
	lat_put_le16(b + 10, 0);
	return 0;
}

int lat_frame_resolved_decode(struct lat_frame_resolved *out, const struct lat_frame *f)
{
	if (f->len < LAT_BODY_RESOLVED || !all_zero(f->body + 10, 2))
		return -EPROTO;
	out->req = lat_get_le32(f->body);
	out->pid = get_i32(f->body + 4);
	out->code = lat_get_le16(f->body + 8);
	return 0;
}

/* PROBE: 0 initiator u32  4 wait u64  12 hops u8  13 zero[3]  16 waiting i32  20 blocked_on i32 */

int lat_frame_probe_encode(struct lat_writer *w, const struct lat_frame_probe *p)
{
	uint8_t *b;
	int rc;

	if (p->hops > LAT_MAX_PROBE_HOPS)
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_PROBE, 0, LAT_BODY_PROBE, &b);
	if (rc < 0)
		return rc;
	lat_put_le32(b, p->initiator);
	lat_put_le64(b + 4, p->wait);
	b[12] = p->hops;
	memset(b + 13, 0, 3);
	put_i32(b + 16, p->waiting);
	put_i32(b + 20, p->blocked_on);
	return 0;
}

int lat_frame_probe_decode(struct lat_frame_probe *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;

	if (f->len < LAT_BODY_PROBE || b[12] > LAT_MAX_PROBE_HOPS || !all_zero(b + 13, 3))
		return -EPROTO;
	out->initiator = lat_get_le32(b);
	out->wait = lat_get_le64(b + 4);
	out->hops = b[12];
	out->waiting = get_i32(b + 16);
	out->blocked_on = get_i32(b + 20);
	return 0;
}

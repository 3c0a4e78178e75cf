#include "wire/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"

static_assert(LAT_MAX_MSG_HARD % LAT_UNIT == 0 && (LAT_UNIT & (LAT_UNIT - 1)) == 0, "the fragment grid");

static uint32_t msg_hdr_len(uint32_t frag_off)
{
	return frag_off == 0 ? LAT_MSG_HDR_FIRST : LAT_MSG_HDR_LATER;
}

/* The rules of PROTOCOL 6.4 that one fragment shows by itself. Sender and receiver ask the same function. */
static bool msg_valid(uint8_t flags, uint64_t seq, uint32_t msg_len, uint32_t frag_off, size_t len)
{
	if ((flags & ~LAT_MSG_FLAGS) != 0 || seq == 0)
		return false;
	if (msg_len < LAT_PIDS_LEN || msg_len > LAT_MAX_MSG_HARD)
		return false;
	if (frag_off % LAT_UNIT != 0 || frag_off >= msg_len)
		return false;
	if (len == 0 || len > msg_len - frag_off)
		return false;
	return len % LAT_UNIT == 0 || len == msg_len - frag_off;
}

int lat_frame_msg_reserve(struct lat_writer *w, const struct lat_frame_msg *m, uint8_t **data)
{
	uint32_t hdr = msg_hdr_len(m->frag_off);
	uint8_t *b;
	int rc;

	if (!msg_valid(m->flags, m->seq, m->msg_len, m->frag_off, m->len) ||
	    (m->frag_off == 0 && m->token == NULL))
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_MSG, m->flags, (size_t)hdr + m->len, &b);
	if (rc < 0)
		return rc;
	lat_put_le64(b + LAT_MSG_SEQ, m->seq);
	lat_put_le32(b + LAT_MSG_LEN, m->msg_len);
	lat_put_le32(b + LAT_MSG_FRAG_OFF, m->frag_off);
	if (m->frag_off == 0)
		memcpy(b + LAT_MSG_TOKEN, m->token, LAT_WIRE_TOKEN);
	*data = b + hdr;
	return 0;
}

int lat_frame_msg_encode(struct lat_writer *w, const struct lat_frame_msg *m)
{
	uint8_t *data;
	int rc = lat_frame_msg_reserve(w, m, &data);

	if (rc == 0)
		memcpy(data, m->data, m->len);
	return rc;
}

int lat_frame_msg_decode(struct lat_frame_msg *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;
	uint32_t msg_len, frag_off, hdr;
	uint64_t seq;

	if (f->len < LAT_MSG_HDR_LATER)
		return -EPROTO;
	seq = lat_get_le64(b + LAT_MSG_SEQ);
	msg_len = lat_get_le32(b + LAT_MSG_LEN);
	frag_off = lat_get_le32(b + LAT_MSG_FRAG_OFF);
	hdr = msg_hdr_len(frag_off);
	if (f->len < hdr || !msg_valid(f->flags, seq, msg_len, frag_off, f->len - hdr))
		return -EPROTO;
	*out = (struct lat_frame_msg){
		.flags = f->flags,
		.seq = seq,
		.msg_len = msg_len,
		.frag_off = frag_off,
		.len = f->len - hdr,
		.token = frag_off == 0 ? b + LAT_MSG_TOKEN : NULL,
		.data = b + hdr,
	};
	return 0;
}

uint32_t lat_frame_msg_fit(size_t room, uint32_t msg_len, uint32_t frag_off)
{
	uint32_t hdr = msg_hdr_len(frag_off);
	uint32_t left = msg_len - frag_off;
	size_t fit;

	if (room <= LAT_FRAME_HDR + hdr)
		return 0;
	fit = room - LAT_FRAME_HDR - hdr;
	if (fit > LAT_FRAME_BODY_MAX - hdr)
		fit = LAT_FRAME_BODY_MAX - hdr;
	if (fit >= left)
		return left;
	return (uint32_t)(fit - fit % LAT_UNIT);
}

/* Steps over one item of @items. 1, 0 at the end, -EPROTO when the item is too short or runs past the end. */
static int item_next(const uint8_t *items, size_t items_len, size_t *pos, const uint8_t **body, uint16_t *len)
{
	size_t left = items_len - *pos;
	uint16_t n;

	if (left == 0)
		return 0;
	if (left < LAT_MSGS_ITEM_HDR)
		return -EPROTO;
	n = lat_get_le16(items + *pos);
	if (n < LAT_PIDS_LEN || n > left - LAT_MSGS_ITEM_HDR)
		return -EPROTO;
	*body = items + *pos + LAT_MSGS_ITEM_HDR;
	*len = n;
	*pos += LAT_MSGS_ITEM_HDR + (size_t)n;
	return 1;
}

static bool msgs_valid(uint8_t flags, uint64_t first_seq, uint16_t count)
{
	return (flags & ~LAT_MSGS_FLAGS) == 0 && first_seq != 0 &&
	       count - UINT64_C(1) <= UINT64_MAX - first_seq;
}

int lat_frame_msgs_decode(struct lat_frame_msgs *out, const struct lat_frame *f)
{
	const uint8_t *b = f->body;
	struct lat_frame_msgs m;
	const uint8_t *body;
	size_t pos = 0;
	uint16_t len;

	if (f->len < LAT_MSGS_HDR || lat_get_le16(b + LAT_MSGS_ZERO) != 0)
		return -EPROTO;
	m = (struct lat_frame_msgs){
		.flags = f->flags,
		.first_seq = lat_get_le64(b + LAT_MSGS_FIRST_SEQ),
		.count = lat_get_le16(b + LAT_MSGS_COUNT),
		.token = b + LAT_MSGS_TOKEN,
		.items = b + LAT_MSGS_HDR,
		.items_len = (size_t)f->len - LAT_MSGS_HDR,
	};
	if (m.count < 2 || !msgs_valid(m.flags, m.first_seq, m.count))
		return -EPROTO;
	for (uint32_t i = 0; i < m.count; i++) {
		if (item_next(m.items, m.items_len, &pos, &body, &len) != 1)
			return -EPROTO;
		m.total += len;
	}
	if (pos != m.items_len)
		return -EPROTO;
	*out = m;
	return 0;
}

int lat_frame_msgs_next(const struct lat_frame_msgs *m, size_t *pos, const uint8_t **body, uint16_t *len)
{
	return item_next(m->items, m->items_len, pos, body, len);
}

int lat_msgs_builder_init(struct lat_msgs_builder *b, struct lat_writer *w, uint8_t flags, uint64_t first_seq)
{
	size_t start = w->len;
	uint8_t *body;
	int rc;

	if (!msgs_valid(flags, first_seq, 1))
		return -EINVAL;
	rc = lat_frame_reserve(w, LAT_FRAME_MSGS, flags, LAT_MSGS_HDR, &body);
	if (rc < 0)
		return rc;
	*b = (struct lat_msgs_builder){ .w = w, .start = start, .first_seq = first_seq, .flags = flags };
	return 0;
}

int lat_msgs_builder_reserve(struct lat_msgs_builder *b, size_t len, uint8_t **body)
{
	struct lat_writer *w = b->w;
	size_t frame_body = w->len - b->start - LAT_FRAME_HDR;
	uint8_t *at = w->buf + w->len;

	if (len < LAT_PIDS_LEN || !msgs_valid(b->flags, b->first_seq, (uint16_t)(b->count + 1)))
		return -EINVAL;
	if (len > LAT_FRAME_BODY_MAX || frame_body + LAT_MSGS_ITEM_HDR + len > LAT_FRAME_BODY_MAX ||
	    LAT_MSGS_ITEM_HDR + len > lat_writer_room(w))
		return -EMSGSIZE;
	lat_put_le16(at, (uint16_t)len);
	w->len += LAT_MSGS_ITEM_HDR + len;
	b->count++;
	b->total += (uint32_t)len;
	*body = at + LAT_MSGS_ITEM_HDR;
	return 0;
}

int lat_msgs_builder_finish(struct lat_msgs_builder *b, const uint8_t token[static LAT_WIRE_TOKEN])
{
	uint8_t *frame = b->w->buf + b->start;
	uint8_t *body = frame + LAT_FRAME_HDR;

	if (b->count < 2)
		return -EINVAL;
	lat_put_le16(frame + LAT_FRAME_LEN, (uint16_t)(b->w->len - b->start - LAT_FRAME_HDR));
	lat_put_le64(body + LAT_MSGS_FIRST_SEQ, b->first_seq);
	lat_put_le16(body + LAT_MSGS_COUNT, b->count);
	lat_put_le16(body + LAT_MSGS_ZERO, 0);
	memcpy(body + LAT_MSGS_TOKEN, token, LAT_WIRE_TOKEN);
	return 0;
}

void lat_msgs_builder_cancel(struct lat_msgs_builder *b)
{
	b->w->len = b->start;
}

void lat_msg_pids_encode(uint8_t out[static LAT_PIDS_LEN], int32_t src_pid, int32_t dst_pid)
{
	lat_put_le32(out, (uint32_t)src_pid);
	lat_put_le32(out + 4, (uint32_t)dst_pid);
}

int lat_msg_body_decode(struct lat_msg_body *out, const uint8_t *body, size_t len)
{
	if (len < LAT_PIDS_LEN)
		return -EPROTO;
	*out = (struct lat_msg_body){
		.src_pid = (int32_t)lat_get_le32(body),
		.dst_pid = (int32_t)lat_get_le32(body + 4),
		.payload = body + LAT_PIDS_LEN,
		.len = len - LAT_PIDS_LEN,
	};
	return 0;
}

/* call: 0 call_id u64  8 deadline_us u32  12 prio u8  13 zero[3] */

void lat_msg_call_encode(uint8_t out[static LAT_CALL_LEN], const struct lat_msg_call *c)
{
	lat_put_le64(out, c->call_id);
	lat_put_le32(out + 8, c->deadline_us);
	out[12] = c->prio;
	memset(out + 13, 0, 3);
}

int lat_msg_call_decode(struct lat_msg_call *out, const uint8_t *payload, size_t len)
{
	if (len < LAT_CALL_LEN || (payload[13] | payload[14] | payload[15]) != 0)
		return -EPROTO;
	*out = (struct lat_msg_call){
		.call_id = lat_get_le64(payload),
		.deadline_us = lat_get_le32(payload + 8),
		.prio = payload[12],
	};
	return 0;
}

size_t lat_msg_cap_encode(uint8_t out[static LAT_MSG_CAP_LEN], const struct lat_msg_cap *c)
{
	size_t caveats = (size_t)c->caveat_count * LAT_MSG_CAP_CAVEAT;
	uint8_t *at = out;

	*at++ = LAT_MSG_CAPS_MAX;
	memcpy(at, c->desc, LAT_MSG_CAP_DESC);
	at += LAT_MSG_CAP_DESC;
	*at++ = c->caveat_count;
	if (caveats > 0)
		memcpy(at, c->caveats, caveats);
	at += caveats;
	memcpy(at, c->key, LAT_MSG_CAP_KEY);
	return (size_t)(at - out) + LAT_MSG_CAP_KEY;
}

int lat_msg_cap_decode(struct lat_msg_cap *out, const uint8_t *payload, size_t len)
{
	const size_t head = 2 + LAT_MSG_CAP_DESC;
	size_t caveats;

	if (len < head || payload[0] != LAT_MSG_CAPS_MAX || payload[head - 1] > LAT_MSG_CAP_CAVEATS)
		return -EPROTO;
	caveats = (size_t)payload[head - 1] * LAT_MSG_CAP_CAVEAT;
	if (len < head + caveats + LAT_MSG_CAP_KEY)
		return -EPROTO;
	*out = (struct lat_msg_cap){ .desc = payload + 1,
				     .caveats = payload + head,
				     .key = payload + head + caveats,
				     .caveat_count = payload[head - 1] };
	return (int)(head + caveats + LAT_MSG_CAP_KEY);
}

#include "wire/frame.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/control.h"
#include "wire/message.h"
#include "wire/packet.h"

#define CONTROL   LAT_FRAME_ON_CONTROL
#define CHANNEL   LAT_FRAME_ON_CHANNEL
#define ANYWHERE  LAT_FRAME_ANYWHERE
#define NEVER     LAT_RESEND_NEVER
#define ALWAYS    LAT_RESEND_ALWAYS
#define RELIABLE  LAT_RESEND_RELIABLE
#define UNWRITTEN LAT_RESEND_UNWRITTEN

/* PROTOCOL section 5. A type that is not here, reserved ones among them, is unknown. */
/* clang-format off */
static const struct lat_frame_rule frame_rules[] = {
	/* type                    name          shortest body        where     resend     eliciting */
	[LAT_FRAME_PAD]        = { "PAD",        0,                   ANYWHERE, NEVER,     false },
	[LAT_FRAME_PING]       = { "PING",       LAT_BODY_PING,       CONTROL,  NEVER,     true },
	[LAT_FRAME_PONG]       = { "PONG",       LAT_BODY_PONG,       CONTROL,  NEVER,     false },
	[LAT_FRAME_ACK]        = { "ACK",        LAT_BODY_ACK,        ANYWHERE, NEVER,     false },
	[LAT_FRAME_PARAMS]     = { "PARAMS",     LAT_BODY_PARAMS,     CONTROL,  ALWAYS,    true },
	[LAT_FRAME_CHAN_OPEN]  = { "CHAN_OPEN",  LAT_BODY_CHAN_OPEN,  CONTROL,  ALWAYS,    true },
	[LAT_FRAME_CHAN_ACK]   = { "CHAN_ACK",   LAT_BODY_CHAN_ACK,   CONTROL,  ALWAYS,    true },
	[LAT_FRAME_CHAN_NAK]   = { "CHAN_NAK",   LAT_BODY_CHAN_NAK,   CONTROL,  ALWAYS,    true },
	[LAT_FRAME_CREDIT]     = { "CREDIT",     LAT_BODY_CREDIT,     ANYWHERE, ALWAYS,    true },
	[LAT_FRAME_CHAN_CLOSE] = { "CHAN_CLOSE", LAT_BODY_CHAN_CLOSE, CONTROL,  ALWAYS,    true },
	[LAT_FRAME_CHAN_RESET] = { "CHAN_RESET", LAT_BODY_CHAN_RESET, CONTROL,  ALWAYS,    true },
	[LAT_FRAME_CLOSE]      = { "CLOSE",      LAT_BODY_CLOSE,      CONTROL,  ALWAYS,    true },
	[LAT_FRAME_NET]        = { "NET",        0,                   CONTROL,  UNWRITTEN, true },
	[LAT_FRAME_RESOLVE]    = { "RESOLVE",    LAT_BODY_RESOLVE,    CONTROL,  ALWAYS,    true },
	[LAT_FRAME_RESOLVED]   = { "RESOLVED",   LAT_BODY_RESOLVED,   CONTROL,  ALWAYS,    true },
	[LAT_FRAME_PROBE]      = { "PROBE",      LAT_BODY_PROBE,      CONTROL,  NEVER,     true },
	[LAT_FRAME_MSG]        = { "MSG",        LAT_MSG_HDR_LATER,   CHANNEL,  RELIABLE,  true },
	[LAT_FRAME_MSGS]       = { "MSGS",       LAT_MSGS_HDR,        CHANNEL,  RELIABLE,  true },
};
/* clang-format on */

const struct lat_frame_rule *lat_frame_rule(uint8_t type)
{
	if (type >= ARRAY_LEN(frame_rules) || frame_rules[type].name == NULL)
		return NULL;
	return &frame_rules[type];
}

int lat_frame_cursor_init(struct lat_frame_cursor *c, uint32_t *local_node, const uint8_t *plain, size_t len)
{
	if (len < LAT_DATA_NODE_LEN)
		return -EPROTO;
	*local_node = lat_get_le32(plain);
	c->pos = plain + LAT_DATA_NODE_LEN;
	c->end = plain + len;
	return 0;
}

int lat_frame_next(struct lat_frame_cursor *c, struct lat_frame *f)
{
	size_t left = (size_t)(c->end - c->pos);
	uint16_t len;

	if (left == 0)
		return 0;
	if (left < LAT_FRAME_HDR)
		return -EPROTO;
	len = lat_get_le16(c->pos + LAT_FRAME_LEN);
	if (len > left - LAT_FRAME_HDR)
		return -EPROTO;
	*f = (struct lat_frame){
		.type = c->pos[LAT_FRAME_TYPE],
		.flags = c->pos[LAT_FRAME_FLAGS],
		.len = len,
		.body = c->pos + LAT_FRAME_HDR,
	};
	c->pos += LAT_FRAME_HDR + len;
	return 1;
}

int lat_frame_check(const struct lat_frame *f, uint16_t chan)
{
	const struct lat_frame_rule *rule = lat_frame_rule(f->type);

	if (rule == NULL)
		return (f->type & LAT_FRAME_SKIP_BIT) != 0 ? 0 : -EPROTO;
	if ((rule->where & (chan == 0 ? LAT_FRAME_ON_CONTROL : LAT_FRAME_ON_CHANNEL)) == 0)
		return -EPROTO;
	return f->len < rule->body_min ? -EPROTO : 1;
}

int lat_writer_init(struct lat_writer *w, uint8_t *buf, size_t cap, uint32_t local_node)
{
	if (cap < LAT_DATA_NODE_LEN)
		return -EMSGSIZE;
	lat_put_le32(buf, local_node);
	*w = (struct lat_writer){ .buf = buf, .cap = cap, .len = LAT_DATA_NODE_LEN };
	return 0;
}

int lat_frame_reserve(struct lat_writer *w, uint8_t type, uint8_t flags, size_t len, uint8_t **body)
{
	size_t room = lat_writer_room(w);
	uint8_t *at;

	if (len > LAT_FRAME_BODY_MAX || room < LAT_FRAME_HDR || room - LAT_FRAME_HDR < len)
		return -EMSGSIZE;
	at = w->buf + w->len;
	at[LAT_FRAME_TYPE] = type;
	at[LAT_FRAME_FLAGS] = flags;
	lat_put_le16(at + LAT_FRAME_LEN, (uint16_t)len);
	w->len += LAT_FRAME_HDR + len;
	*body = at + LAT_FRAME_HDR;
	return 0;
}

int lat_frame_encode(struct lat_writer *w, uint8_t type, uint8_t flags, const void *body, size_t len)
{
	uint8_t *at;
	int rc = lat_frame_reserve(w, type, flags, len, &at);

	if (rc == 0 && len > 0)
		memcpy(at, body, len);
	return rc;
}

int lat_frame_pad_encode(struct lat_writer *w, size_t len)
{
	uint8_t *at;
	int rc = lat_frame_reserve(w, LAT_FRAME_PAD, 0, len, &at);

	if (rc == 0 && len > 0)
		memset(at, 0, len);
	return rc;
}

/*
 * Frames: what lies in the plaintext of a DATA packet (PROTOCOL section 5).
 *
 *   plaintext  0 local_node u32   4 frames, none or more
 *   frame      0 type u8   1 flags u8   2 len u16   4 body[len]
 *
 * This file has the cursor that walks them, the writer that appends them and the table of what each type
 * may do. Bodies: control.h and message.h.
 */
#ifndef LAT_WIRE_FRAME_H
#define LAT_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/limits.h"

enum lat_frame_type {
	LAT_FRAME_PAD = 0x00,
	LAT_FRAME_PING = 0x01,
	LAT_FRAME_PONG = 0x02,
	LAT_FRAME_ACK = 0x03,
	LAT_FRAME_PARAMS = 0x04,
	LAT_FRAME_CHAN_OPEN = 0x05,
	LAT_FRAME_CHAN_ACK = 0x06,
	LAT_FRAME_CHAN_NAK = 0x07,
	LAT_FRAME_CREDIT = 0x08,
	LAT_FRAME_CHAN_CLOSE = 0x09,
	LAT_FRAME_CHAN_RESET = 0x0a,
	LAT_FRAME_CLOSE = 0x0d,
	LAT_FRAME_NET = 0x0e,
	LAT_FRAME_RESOLVE = 0x10,
	LAT_FRAME_RESOLVED = 0x11,
	LAT_FRAME_PROBE = 0x12,
	LAT_FRAME_MSG = 0x20,
	LAT_FRAME_MSGS = 0x21,

	LAT_FRAME_SKIP_BIT = 0x80, /* an unknown type with this bit is skipped, any other is an error */
};

enum {
	LAT_FRAME_TYPE = 0,
	LAT_FRAME_FLAGS = 1,
	LAT_FRAME_LEN = 2,
	LAT_FRAME_HDR = 4,
	LAT_FRAME_BODY_MAX = 65535,
};

/* ------------------------------------------------------------------ the table */

enum lat_frame_where { LAT_FRAME_ON_CONTROL = 1, LAT_FRAME_ON_CHANNEL = 2, LAT_FRAME_ANYWHERE = 3 };

enum lat_frame_resend {
	LAT_RESEND_NEVER,
	LAT_RESEND_ALWAYS,    /* when lost, or when the session changes */
	LAT_RESEND_RELIABLE,  /* as its channel is */
	LAT_RESEND_UNWRITTEN, /* TCP after a reconnect, if no byte of its packet was written; UDP never */
};

struct lat_frame_rule {
	const char *name;
	uint16_t body_min; /* a shorter body is -EPROTO */
	uint8_t where;     /* enum lat_frame_where: bits */
	uint8_t resend;    /* enum lat_frame_resend */
	bool eliciting;    /* asks for an ACK, counts for loss and congestion, starts timers */
};

/* NULL: unknown or reserved type. */
const struct lat_frame_rule *lat_frame_rule(uint8_t type);

/* ------------------------------------------------------------------ reading */

struct lat_frame {
	uint8_t type, flags;
	uint16_t len;
	const uint8_t *body; /* into the plaintext; never NULL */
};

struct lat_frame_cursor {
	const uint8_t *pos, *end;
};

/*
 * Starts at the first frame. 0 with the sender's node number, or -EPROTO when @len is below 4 (nothing is
 * touched).
 */
LAT_MUST_CHECK int lat_frame_cursor_init(struct lat_frame_cursor *c, uint32_t *local_node,
					 const uint8_t *plain, size_t len);

/*
 * 1 with the next frame; 0 at the end; -EPROTO when a frame runs past the packet (the cursor stays). Known
 * and unknown types alike: ask lat_frame_check() next.
 */
LAT_MUST_CHECK int lat_frame_next(struct lat_frame_cursor *c, struct lat_frame *f);

/*
 * May this frame stand in a packet of channel @chan? 1: yes, decode it; 0: an unknown type to be skipped;
 * -EPROTO: unknown and not to be skipped, not on this channel, or its body is shorter than the type needs.
 */
LAT_MUST_CHECK int lat_frame_check(const struct lat_frame *f, uint16_t chan);

/* ------------------------------------------------------------------ writing */

/* Appends to @buf, at most @cap bytes, @len of them written. An encoder that fails writes nothing. */
struct lat_writer {
	uint8_t *buf;
	size_t cap, len;
};

static inline size_t lat_writer_room(const struct lat_writer *w)
{
	return w->cap - w->len;
}

/* Starts a plaintext: empties @w and writes local_node. 0, or -EMSGSIZE when cap is below 4. */
LAT_MUST_CHECK int lat_writer_init(struct lat_writer *w, uint8_t *buf, size_t cap, uint32_t local_node);

/*
 * Appends a frame header and leaves @len bytes of body at *body for the caller to fill, all of them.
 * 0, or -EMSGSIZE (no room, or len over 65535).
 */
LAT_MUST_CHECK int lat_frame_reserve(struct lat_writer *w, uint8_t type, uint8_t flags, size_t len,
				     uint8_t **body);

/* One whole frame from its bytes. 0, or -EMSGSIZE. For NET and for frames that were kept as bytes. */
LAT_MUST_CHECK int lat_frame_encode(struct lat_writer *w, uint8_t type, uint8_t flags, const void *body,
				    size_t len);

/*
 * PAD with @len zero bytes of body: 4 + len in all. 0, or -EMSGSIZE. A PAD's body is not looked at on
 * receipt.
 */
LAT_MUST_CHECK int lat_frame_pad_encode(struct lat_writer *w, size_t len);

#endif

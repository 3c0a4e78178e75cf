/*
 * MSG and MSGS: messages in frames (PROTOCOL sections 5, 6.3, 6.4). Integers little-endian.
 *
 *   MSG    0 seq u64  8 msg_len u32  12 frag_off u32  [16 token[16], only if frag_off = 0]  data
 *   MSGS   0 first_seq u64  8 count u16  10 zero u16  12 token[16]  28 count x { len u16, body[len] }
 *   body   0 src_pid i32  4 dst_pid i32  8 payload          msg_len counts all of it
 *   call   0 call_id u64  8 deadline_us u32 (REPLY: code)  12 prio u8  13 zero[3]
 *          first in the payload with CALL, REPLY or CANCEL
 *
 * One MSG carries a fragment: data starts at a multiple of 64 bytes and is a multiple of 64 long unless it
 * ends the message. One MSGS carries whole messages in a row under one token.
 */
#ifndef LAT_WIRE_MESSAGE_H
#define LAT_WIRE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/frame.h"
#include "wire/limits.h"

enum lat_msg_flag {
	LAT_MSG_CALL = 1,
	LAT_MSG_REPLY = 2,
	LAT_MSG_CANCEL = 4,
	LAT_MSG_CAPS = 8, /* MSG only */
	LAT_MSG_FLAGS = 15,
	LAT_MSGS_FLAGS = 7,
};

enum {
	LAT_WIRE_TOKEN = 16,
	LAT_MSG_SEQ = 0,
	LAT_MSG_LEN = 8,
	LAT_MSG_FRAG_OFF = 12,
	LAT_MSG_TOKEN = 16,
	LAT_MSG_HDR_FIRST = 32, /* before the data of a first fragment */
	LAT_MSG_HDR_LATER = 16, /* of a later one */
	LAT_MSGS_FIRST_SEQ = 0,
	LAT_MSGS_COUNT = 8,
	LAT_MSGS_ZERO = 10,
	LAT_MSGS_TOKEN = 12,
	LAT_MSGS_HDR = 28,
	LAT_MSGS_ITEM_HDR = 2,
	LAT_PIDS_LEN = 8, /* the shortest body */
	LAT_CALL_LEN = 16,
	LAT_MSG_CAPS_MAX = 1, /* capabilities in a message */
	LAT_MSG_CAP_CAVEATS = 8,
	LAT_MSG_CAP_DESC = 64,
	LAT_MSG_CAP_CAVEAT = 24,
	LAT_MSG_CAP_KEY = 32,
	LAT_MSG_CAP_LEN = 2 + LAT_MSG_CAP_DESC + LAT_MSG_CAP_CAVEATS * LAT_MSG_CAP_CAVEAT +
			  LAT_MSG_CAP_KEY, /* at most */
};

/* ------------------------------------------------------------------ MSG */

struct lat_frame_msg {
	uint8_t flags;    /* enum lat_msg_flag: bits */
	uint64_t seq;     /* from 1 */
	uint32_t msg_len; /* of the whole body, 8..LAT_MAX_MSG_HARD */
	uint32_t frag_off;
	uint32_t len;         /* data bytes here, at least 1 */
	const uint8_t *token; /* 16 bytes; NULL unless frag_off is 0 */
	const uint8_t *data;
};

/*
 * 0; -EMSGSIZE when it does not fit; -EINVAL when decode would refuse it, or token is NULL in a first
 * fragment.
 */
LAT_MUST_CHECK int lat_frame_msg_encode(struct lat_writer *w, const struct lat_frame_msg *m);

/* The same without m->data: leaves m->len bytes at *data for the caller to fill, all of them. */
LAT_MUST_CHECK int lat_frame_msg_reserve(struct lat_writer *w, const struct lat_frame_msg *m, uint8_t **data);

/*
 * 0 with pointers into the frame, or -EPROTO with *out untouched: unknown flag, seq 0, msg_len below 8 or
 * over LAT_MAX_MSG_HARD, no data, frag_off off the 64-byte grid, data past msg_len, or a length off the
 * grid before the end.
 */
LAT_MUST_CHECK int lat_frame_msg_decode(struct lat_frame_msg *out, const struct lat_frame *f);

/*
 * How many data bytes of a message, from @frag_off (on the grid, < msg_len) on, one MSG takes in @room
 * bytes; perhaps 0.
 */
uint32_t lat_frame_msg_fit(size_t room, uint32_t msg_len, uint32_t frag_off);

/* ------------------------------------------------------------------ MSGS */

struct lat_frame_msgs {
	uint8_t flags; /* without LAT_MSG_CAPS */
	uint64_t first_seq;
	uint16_t count;       /* at least 2 */
	uint32_t total;       /* sum of the body lengths, for the token */
	const uint8_t *token; /* 16 bytes */
	const uint8_t *items;
	size_t items_len;
};

/*
 * 0 with pointers into the frame, every item checked; or -EPROTO with *out untouched: unknown flag,
 * first_seq 0 or the last seq past 2^64 - 1, count below 2, zero that is not, an item below 8 bytes or past
 * the frame, bytes left over.
 */
LAT_MUST_CHECK int lat_frame_msgs_decode(struct lat_frame_msgs *out, const struct lat_frame *f);

/*
 * Walks the bodies of a decoded MSGS: *pos starts at 0 and is the walk's state. 1 with a body and its
 * length; 0 after the last.
 */
LAT_MUST_CHECK int lat_frame_msgs_next(const struct lat_frame_msgs *m, size_t *pos, const uint8_t **body,
				       uint16_t *len);

/*
 * Builds a MSGS in place: start, add each body, finish with the token, which needs count and total. Nothing
 * else may be written to @w meanwhile. To give up, cancel: @w is as before start.
 */
struct lat_msgs_builder {
	struct lat_writer *w;
	size_t start; /* of the frame in w */
	uint64_t first_seq;
	uint8_t flags;
	uint16_t count;
	uint32_t total;
};

/* 0; -EMSGSIZE; -EINVAL for first_seq 0 or an unknown flag. */
LAT_MUST_CHECK int lat_msgs_builder_init(struct lat_msgs_builder *b, struct lat_writer *w, uint8_t flags,
					 uint64_t first_seq);
/*
 * Leaves @len bytes at *body for the caller to fill. 0; -EMSGSIZE when it does not fit; -EINVAL when len is
 * below 8.
 */
LAT_MUST_CHECK int lat_msgs_builder_reserve(struct lat_msgs_builder *b, size_t len, uint8_t **body);
/* 0, or -EINVAL with fewer than 2 bodies (then cancel and send a MSG). */
LAT_MUST_CHECK int lat_msgs_builder_finish(struct lat_msgs_builder *b,
					   const uint8_t token[static LAT_WIRE_TOKEN]);
void lat_msgs_builder_cancel(struct lat_msgs_builder *b);

/* ------------------------------------------------------------------ bodies */

struct lat_msg_body {
	int32_t src_pid, dst_pid;
	const uint8_t *payload;
	size_t len;
};

void lat_msg_pids_encode(uint8_t out[static LAT_PIDS_LEN], int32_t src_pid, int32_t dst_pid);
/* 0 with payload pointing into @body, or -EPROTO below 8 bytes with *out untouched. */
LAT_MUST_CHECK int lat_msg_body_decode(struct lat_msg_body *out, const uint8_t *body, size_t len);

struct lat_msg_call {
	uint64_t call_id;
	union {
		uint32_t deadline_us; /* CALL: what is left of it; 0: none */
		uint32_t
			code; /* REPLY: enum lat_code; not OK: it could not be answered, and nothing follows */
	};
	uint8_t prio;
};

void lat_msg_call_encode(uint8_t out[static LAT_CALL_LEN], const struct lat_msg_call *c);
/*
 * @payload of a message with CALL, REPLY or CANCEL. 0, or -EPROTO: below 16 bytes, a zero field that is
 * not.
 */
LAT_MUST_CHECK int lat_msg_call_decode(struct lat_msg_call *out, const uint8_t *payload, size_t len);

/*
 * What comes before the type in the payload of a message with CAPS:
 *   0 count u8 = 1   1 desc[64]  65 ncav u8  66 caveats[24 ncav]  key[32]
 */
struct lat_msg_cap {
	const uint8_t *desc, *caveats, *key;
	uint8_t caveat_count;
};

/* @c->caveat_count is at most LAT_MSG_CAP_CAVEATS. Returns how many bytes. */
size_t lat_msg_cap_encode(uint8_t out[static LAT_MSG_CAP_LEN], const struct lat_msg_cap *c);
/* How many bytes of @payload it takes, with pointers into them; or -EPROTO: none or more than one, too many caveats, cut. */
LAT_MUST_CHECK int lat_msg_cap_decode(struct lat_msg_cap *out, const uint8_t *payload, size_t len);

#endif

/*
 * For tests and fuzz targets only: takes a frame apart and puts it together again. What decodes must encode
 * to the bytes it came from; only bytes behind a fixed body, flags and the contents of a PAD may differ,
 * because a receiver ignores them.
 */
#ifndef LAT_WIRE_ROUNDTRIP_H
#define LAT_WIRE_ROUNDTRIP_H

#include <errno.h>
#include <string.h>

#include "wire/control.h"
#include "wire/frame.h"
#include "wire/message.h"

static inline int roundtrip_msgs(struct lat_writer *w, const struct lat_frame *f)
{
	struct lat_frame_msgs m;
	struct lat_msgs_builder b;
	const uint8_t *body;
	uint8_t *room;
	size_t pos = 0;
	uint16_t len;
	int rc = lat_frame_msgs_decode(&m, f);

	if (rc < 0)
		return rc;
	rc = lat_msgs_builder_init(&b, w, m.flags, m.first_seq);
	if (rc < 0)
		return rc;
	while (rc == 0 && lat_frame_msgs_next(&m, &pos, &body, &len) == 1) {
		rc = lat_msgs_builder_reserve(&b, len, &room);
		if (rc == 0)
			memcpy(room, body, len);
	}
	if (rc == 0 && (b.count != m.count || b.total != m.total))
		rc = -EBADMSG;
	if (rc == 0)
		rc = lat_msgs_builder_finish(&b, m.token);
	if (rc < 0)
		lat_msgs_builder_cancel(&b);
	return rc;
}

/*
 * 0 with the frame appended to @w; else what its decode or encode said. @f has passed lat_frame_check()
 * with 1.
 */
static inline int roundtrip_frame(struct lat_writer *w, const struct lat_frame *f)
{
	union {
		uint64_t token;
		struct lat_frame_pong pong;
		uint16_t code;
		struct lat_frame_ack ack;
		struct lat_frame_params params;
		struct lat_frame_chan_open chan_open;
		struct lat_frame_chan_ack chan_ack;
		struct lat_frame_chan_nak chan_nak;
		struct lat_frame_credit credit;
		struct lat_frame_chan_close chan_close;
		struct lat_frame_chan_reset chan_reset;
		struct lat_frame_resolve resolve;
		struct lat_frame_resolved resolved;
		struct lat_frame_probe probe;
		struct lat_frame_msg msg;
	} u;
	int rc;

	switch ((enum lat_frame_type)f->type) {
	case LAT_FRAME_PAD:
		return lat_frame_pad_encode(w, f->len);
	case LAT_FRAME_PING:
		rc = lat_frame_ping_decode(&u.token, f);
		return rc < 0 ? rc : lat_frame_ping_encode(w, u.token);
	case LAT_FRAME_PONG:
		rc = lat_frame_pong_decode(&u.pong, f);
		return rc < 0 ? rc : lat_frame_pong_encode(w, &u.pong);
	case LAT_FRAME_ACK:
		rc = lat_frame_ack_decode(&u.ack, f);
		return rc < 0 ? rc : lat_frame_ack_encode(w, &u.ack);
	case LAT_FRAME_PARAMS:
		rc = lat_frame_params_decode(&u.params, f);
		return rc < 0 ? rc : lat_frame_params_encode(w, &u.params);
	case LAT_FRAME_CHAN_OPEN:
		rc = lat_frame_chan_open_decode(&u.chan_open, f);
		return rc < 0 ? rc : lat_frame_chan_open_encode(w, &u.chan_open);
	case LAT_FRAME_CHAN_ACK:
		rc = lat_frame_chan_ack_decode(&u.chan_ack, f);
		return rc < 0 ? rc : lat_frame_chan_ack_encode(w, &u.chan_ack);
	case LAT_FRAME_CHAN_NAK:
		rc = lat_frame_chan_nak_decode(&u.chan_nak, f);
		return rc < 0 ? rc : lat_frame_chan_nak_encode(w, &u.chan_nak);
	case LAT_FRAME_CREDIT:
		rc = lat_frame_credit_decode(&u.credit, f);
		return rc < 0 ? rc : lat_frame_credit_encode(w, &u.credit);
	case LAT_FRAME_CHAN_CLOSE:
		rc = lat_frame_chan_close_decode(&u.chan_close, f);
		return rc < 0 ? rc : lat_frame_chan_close_encode(w, &u.chan_close);
	case LAT_FRAME_CHAN_RESET:
		rc = lat_frame_chan_reset_decode(&u.chan_reset, f);
		return rc < 0 ? rc : lat_frame_chan_reset_encode(w, &u.chan_reset);
	case LAT_FRAME_CLOSE:
		rc = lat_frame_close_decode(&u.code, f);
		return rc < 0 ? rc : lat_frame_close_encode(w, u.code);
	case LAT_FRAME_NET:
		return lat_frame_net_encode(w, f->body, f->len);
	case LAT_FRAME_RESOLVE:
		rc = lat_frame_resolve_decode(&u.resolve, f);
		return rc < 0 ? rc : lat_frame_resolve_encode(w, &u.resolve);
	case LAT_FRAME_RESOLVED:
		rc = lat_frame_resolved_decode(&u.resolved, f);
		return rc < 0 ? rc : lat_frame_resolved_encode(w, &u.resolved);
	case LAT_FRAME_PROBE:
		rc = lat_frame_probe_decode(&u.probe, f);
		return rc < 0 ? rc : lat_frame_probe_encode(w, &u.probe);
	case LAT_FRAME_MSG:
		rc = lat_frame_msg_decode(&u.msg, f);
		return rc < 0 ? rc : lat_frame_msg_encode(w, &u.msg);
	case LAT_FRAME_MSGS:
		return roundtrip_msgs(w, f);
	case LAT_FRAME_SKIP_BIT:
		break;
	}
	return -EPROTO;
}

/* May bytes follow the body, to be ignored? */
static inline bool roundtrip_tail_ignored(uint8_t type)
{
	return type != LAT_FRAME_CHAN_OPEN && type != LAT_FRAME_MSG && type != LAT_FRAME_MSGS &&
	       type != LAT_FRAME_NET && type != LAT_FRAME_PAD;
}

#endif

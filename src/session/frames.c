/* What is inside an opened DATA packet (PROTOCOL section 5): walks the frames and hands each to its noun. */
#include "session/machine.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"

static int on_ping(struct lat_session *s, uint64_t now, const struct lat_frame *f)
{
	struct lat_peer *p = s->peer;
	struct lat_pong pong = { .came_ns = now, .crypto_ns = p->engine->open_ns };
	int rc = lat_frame_ping_decode(&pong.token, f);

	if (rc == 0 && p->pong_count < LAT_PONGS_MAX)
		p->pongs[p->pong_count++] = pong;
	return rc;
}

/* The other side may say anything: the parts are never more than the whole. */
static struct lat_round_trip split(const struct lat_engine *e, const struct lat_ping *ping, uint64_t came_ns,
				   const struct lat_frame_pong *pong)
{
	uint64_t over = lat_engine_clock(e), rtt = over > ping->asked_ns ? over - ping->asked_ns : 0, here,
		 there, wire;
	uint64_t crypto = ping->crypto_ns + e->open_ns, out = ping->handed_ns - ping->asked_ns,
		 in = over > came_ns ? over - came_ns : 0;

	here = out + in > crypto ? out + in - crypto : 0;
	wire = rtt > out + in ? rtt - out - in : 0;
	there = pong->crypto_ns < wire ? pong->crypto_ns : wire;
	wire -= there;
	return (struct lat_round_trip){
		.rtt_ns = rtt,
		.queue_ns = here + (pong->queue_ns < wire ? pong->queue_ns : wire),
		.crypto_ns = crypto + there,
	};
}

static int on_pong(struct lat_session *s, uint64_t now, const struct lat_frame *f)
{
	struct lat_peer *p = s->peer;
	struct lat_engine *e = p->engine;
	struct lat_frame_pong pong;
	int rc = lat_frame_pong_decode(&pong, f);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < p->ping_count; i++) {
		struct lat_ping ping = p->pings[i];
		struct lat_round_trip trip;

		if (ping.sealed_ns == 0 || ping.token != pong.token) /* one that never left is not answered */
			continue;
		p->ping_count--;
		memmove(&p->pings[i], &p->pings[i + 1], (p->ping_count - i) * sizeof(p->pings[0]));
		trip = split(e, &ping, now, &pong);
		e->ops->pong(e->ctx, p->node, ping.token, &trip);
		break;
	}
	return 0;
}

static int on_params(struct lat_session *s, const struct lat_frame *f)
{
	struct lat_frame_params params;
	int rc = lat_frame_params_decode(&params, f);

	if (rc == 0) {
		memcpy(s->peer_stale, params.stale_token, sizeof(s->peer_stale));
		s->peer_stale_known = true;
	}
	return rc;
}

static int on_chan_reset(struct lat_peer *p, const struct lat_frame *f)
{
	struct lat_frame_chan_reset r;
	int rc = lat_frame_chan_reset_decode(&r, f);

	if (rc < 0)
		return rc;
	if (r.side == 1) {
		struct lat_chan_out *co = lat_numtab_get(&p->nums_out, r.chan);

		if (co != NULL && co->c.reverse)
			return -EPROTO;
		if (co != NULL)
			lat_chan_out_reset(co, r.code, r.next_seq);
	} else {
		struct lat_chan_in *ci = lat_numtab_get(&p->nums_in, r.chan);
		int err = lat_code_to_errno(r.code);

		if (ci != NULL && ci->c.reverse)
			return -EPROTO;
		if (ci != NULL)
			lat_chan_in_end(ci, err == 0 ? -ECONNRESET : err, true);
	}
	return 0;
}

/* Frames of channels that are decoded here and handled there. */
static int on_channel_frame(struct lat_session *s, uint64_t now, const struct lat_frame *f)
{
	struct lat_peer *p = s->peer;
	union {
		struct lat_frame_chan_ack ack;
		struct lat_frame_chan_nak nak;
		struct lat_frame_credit credit;
		struct lat_frame_chan_close close;
	} u;
	int rc;

	switch (f->type) {
	case LAT_FRAME_CHAN_OPEN:
		return lat_chan_in_open(s, now, f);
	case LAT_FRAME_CHAN_ACK:
		rc = lat_frame_chan_ack_decode(&u.ack, f);
		return rc < 0 ? rc : lat_chan_out_acked(p, s, &u.ack);
	case LAT_FRAME_CHAN_NAK:
		rc = lat_frame_chan_nak_decode(&u.nak, f);
		return rc < 0 ? rc : lat_chan_out_naked(p, &u.nak);
	case LAT_FRAME_CREDIT:
		rc = lat_frame_credit_decode(&u.credit, f);
		return rc < 0 ? rc : lat_chan_out_credit(p, &u.credit);
	case LAT_FRAME_CHAN_CLOSE:
		rc = lat_frame_chan_close_decode(&u.close, f);
		return rc < 0 ? rc : lat_chan_in_close(p, &u.close);
	default:
		return on_chan_reset(p, f);
	}
}

static int on_ack(struct lat_session *s, uint64_t now, const struct lat_frame *f)
{
	struct lat_frame_ack ack;
	int rc = lat_frame_ack_decode(&ack, f);

	return rc < 0 ? rc : lat_ack_process(s, now, &ack);
}

static int on_close(struct lat_session *s, uint64_t now, const struct lat_frame *f)
{
	uint16_t code;
	int rc = lat_frame_close_decode(&code, f);

	if (rc < 0)
		return rc;
	lat_peer_close_received(s->peer, now, s, code);
	return LAT_FRAMES_GONE;
}

/* Nobody here has a use for it yet, and it has to be right all the same (section 14). */
static int check_probe(const struct lat_frame *f)
{
	struct lat_frame_probe probe;

	return lat_frame_probe_decode(&probe, f);
}

static int on_frame(struct lat_rx_lane *lane, uint64_t now, const struct lat_frame *f)
{
	struct lat_session *s = lane->session;
	struct lat_engine *e = s->peer->engine;

	switch (f->type) {
	case LAT_FRAME_PAD:
		return 0;
	case LAT_FRAME_RESOLVE:
		return lat_resolve_asked(s, now, f);
	case LAT_FRAME_RESOLVED:
		return lat_resolve_answered(s, f);
	case LAT_FRAME_PROBE:
		return check_probe(f);
	case LAT_FRAME_PING:
		return on_ping(s, now, f);
	case LAT_FRAME_PONG:
		return on_pong(s, now, f);
	case LAT_FRAME_ACK:
		return on_ack(s, now, f);
	case LAT_FRAME_PARAMS:
		return on_params(s, f);
	case LAT_FRAME_CLOSE:
		return on_close(s, now, f);
	case LAT_FRAME_NET:
		e->ops->net_frame(e->ctx, s->peer->node, f->body, f->len);
		return 0;
	case LAT_FRAME_MSG:
		return lat_chan_in_msg(lane->chan, now, f);
	case LAT_FRAME_MSGS:
		return lat_chan_in_msgs(lane->chan, now, f);
	default:
		return on_channel_frame(s, now, f);
	}
}

int lat_frames_process(struct lat_rx_lane *lane, uint64_t now, const uint8_t *plain, size_t bytes,
		       bool *eliciting)
{
	struct lat_peer *p = lane->session->peer;
	struct lat_frame_cursor c;
	struct lat_frame f;
	uint32_t node;
	int end = LAT_FRAMES_OK;
	int rc;

	if (lat_frame_cursor_init(&c, &node, plain, bytes) < 0 || node != p->node)
		return -EPROTO;
	while ((rc = lat_frame_next(&c, &f)) == 1) {
		const struct lat_frame_rule *rule = lat_frame_rule(f.type);

		rc = lat_frame_check(&f, lane->num);
		if (rc < 0)
			return -EPROTO;
		/* An unknown frame that may be skipped asks for an ACK: it is none of PAD, ACK, PONG. */
		*eliciting = *eliciting || rule == NULL || rule->eliciting;
		if (rc == 0 || (p->closing && f.type != LAT_FRAME_CLOSE))
			continue;
		rc = on_frame(lane, now, &f);
		if (rc == -ENOMEM)
			end = LAT_FRAMES_NO_MEMORY;
		else if (rc < 0)
			return -EPROTO;
		else if (rc == LAT_FRAMES_GONE)
			return LAT_FRAMES_GONE;
	}
	return rc < 0 ? -EPROTO : end;
}

/*
 * Acknowledgements both ways (PROTOCOL sections 5 and 7), and recovery by time: over UDP whatever is unacknowledged for
 * longer than the PTO is queued again in new packets. TCP loses nothing but connections, so there it never runs.
 */
#include "session/machine.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"

/* Counters this far below what the peer knows we have are still spoken of: they may only be late. */
enum { REORDER_SLACK = 256 };

static bool tcp(const struct lat_peer *p)
{
	return p->path.proto == LAT_PROTO_TCP;
}

/* ---- what we acknowledge ---- */

static bool ack_now(const struct lat_rx_lane *lane, uint64_t now)
{
	const struct lat_ranges *r = &lane->ranges;
	uint32_t every = LAT_ACK_EVERY;

	if (tcp(lane->session->peer))
		return r->eliciting_bytes >= LAT_ACK_EVERY_TCP_BYTES;
	if (r->eliciting_all <= LAT_ACK_EARLY_PKTS || now < lane->gap_until_ns)
		every = LAT_ACK_EVERY_EARLY;
	return r->gap || r->eliciting >= every;
}

void lat_ack_note(struct lat_rx_lane *lane, uint64_t now, uint64_t counter, size_t bytes, bool eliciting)
{
	struct lat_session *s = lane->session;
	struct lat_peer *p = s->peer;
	uint64_t due;

	lat_ranges_add(&lane->ranges, counter, now, bytes, eliciting);
	if (lane->ranges.gap)
		lane->gap_until_ns = now + (uint64_t)LAT_ACK_AFTER_GAP_NS;
	if (!lat_ranges_pending(&lane->ranges))
		return;
	if (p->owe_since_ns == 0)
		p->owe_since_ns = now;
	if (!lane->ack_listed) {
		DL_APPEND2(s->acks, lane, ack_prev, ack_next);
		lane->ack_listed = true;
	}
	due = ack_now(lane, now)
		      ? now
		      : lane->ranges.first_ns + (uint64_t)(tcp(p) ? LAT_ACK_DELAY_TCP_NS : LAT_ACK_DELAY_NS);
	if (due < s->ack_due_ns)
		s->ack_due_ns = due;
}

void lat_ack_append(struct lat_out *o, uint64_t now)
{
	struct lat_session *s = o->session;
	struct lat_rx_lane *lane, *tmp;

	DL_FOREACH_SAFE2(s->acks, lane, tmp, ack_next)
	{
		struct lat_frame_ack ack;
		int rc = lat_ranges_ack(&lane->ranges, lane->num, now, &ack);

		while (rc == 0 && (rc = lat_frame_ack_encode(&o->w, &ack)) == -EMSGSIZE && ack.count > 1) {
			ack.count = (uint16_t)(ack.count / 2);
			rc = 0;
		}
		if (rc == -EMSGSIZE || lat_out_full(o))
			return;
		if (rc == 0) /* so that what the peer knows we have is not said for ever */
			lat_out_note(o, LAT_FRAME_ACK, ack.range[0].hi, lane->num, NULL, 0);
		lat_ranges_sent(&lane->ranges);
		DL_DELETE2(s->acks, lane, ack_prev, ack_next);
		lane->ack_listed = false;
	}
	s->ack_due_ns = UINT64_MAX;
}

/* ---- what is acknowledged to us ---- */

struct ack_ctx {
	struct lat_tx_lane *lane;
	uint64_t newest_ns; /* when the newest of the newly acknowledged was sent */
	uint64_t newest_counter;
	bool any;
};

static struct lat_rx_lane *rx_lane(const struct lat_session *s, uint16_t num)
{
	const struct lat_chan_in *ci;

	if (num == 0)
		return (struct lat_rx_lane *)&s->rx;
	ci = lat_numtab_get(&s->peer->nums_in, num);
	return ci == NULL ? NULL : ci->lane[s->place];
}

static void control_acked(struct lat_tx_lane *lane, const struct lat_sent_frame *ref)
{
	struct lat_session *s = lane->session;
	struct lat_engine *e = s->peer->engine;
	struct lat_chan *c;

	if (ref->type == LAT_FRAME_ACK) {
		struct lat_rx_lane *rx = rx_lane(s, (uint16_t)ref->off);

		if (rx != NULL)
			lat_ranges_forget_below(&rx->ranges,
						ref->seq > REORDER_SLACK ? ref->seq - REORDER_SLACK : 0);
		return;
	}
	if (ref->len != 0)
		return;
	c = ref->type == LAT_FRAME_CHAN_CLOSE || ref->type == LAT_FRAME_CHAN_RESET
		    ? lat_chan_find(e, (uint32_t)ref->seq)
		    : NULL;
	if (c == NULL)
		return;
	if (ref->type == LAT_FRAME_CHAN_CLOSE && !c->inbound) {
		struct lat_chan_out *co = (struct lat_chan_out *)c;

		lat_chan_out_end(co, 0, lat_sendq_acked_seq(&co->q));
	} else if (ref->type == LAT_FRAME_CHAN_RESET && c->inbound) {
		lat_chan_in_reset_acked((struct lat_chan_in *)c);
	} else if (ref->type == LAT_FRAME_CHAN_RESET) {
		lat_chan_bury(c);
	}
}

static void acked_record(void *ctx, const struct lat_sent_record *rec)
{
	struct ack_ctx *a = ctx;
	struct lat_tx_lane *lane = a->lane;
	struct lat_chan_out *co = lane->chan;

	if (!rec->lost)
		lane->session->peer->flight_bytes -= rec->bytes;
	if (!a->any || rec->counter > a->newest_counter) {
		a->any = true;
		a->newest_counter = rec->counter;
		a->newest_ns = rec->time_ns;
	}
	for (uint16_t i = 0; i < rec->count; i++) {
		if (rec->frames[i].kind == LAT_SENT_CONTROL)
			control_acked(lane, &rec->frames[i]);
		else if (co != NULL && co->q_init)
			lat_sendq_acked(&co->q, &rec->frames[i]);
	}
}

static void control_lost(struct lat_tx_lane *lane, const struct lat_sent_frame *ref)
{
	struct lat_session *s = lane->session;
	struct lat_chan *c;
	uint8_t want = 0;

	if (ref->len != 0) {
		(void)!lat_out_answer(s->peer, ref->type, ref->body, ref->len);
		return;
	}
	if (ref->type == LAT_FRAME_PARAMS) {
		s->want_params = s->peer->slot[LAT_SLOT_CURRENT] == s;
		return;
	}
	c = lat_chan_find(s->peer->engine, (uint32_t)ref->seq);
	if (c == NULL)
		return;
	switch (ref->type) {
	case LAT_FRAME_CHAN_OPEN:
		want = !c->inbound && ((struct lat_chan_out *)c)->state == LAT_OUT_OPENING &&
				       c->req == ref->off
			       ? LAT_WANT_OPEN
			       : 0;
		break;
	case LAT_FRAME_CHAN_ACK:
		want = LAT_WANT_ACK;
		break;
	case LAT_FRAME_CREDIT:
		want = LAT_WANT_CREDIT;
		break;
	case LAT_FRAME_CHAN_CLOSE:
		want = LAT_WANT_CLOSE;
		break;
	case LAT_FRAME_CHAN_RESET:
		want = LAT_WANT_RESET;
		break;
	default:
		break;
	}
	lat_chan_want(c, want);
}

void lat_ack_lost_record(void *ctx, const struct lat_sent_record *rec)
{
	struct lat_tx_lane *lane = ctx;
	struct lat_chan_out *co = lane->chan;

	lane->session->peer->flight_bytes -= rec->bytes;
	for (uint16_t i = 0; i < rec->count; i++) {
		if (rec->frames[i].kind == LAT_SENT_CONTROL) {
			control_lost(lane, &rec->frames[i]);
		} else if (co != NULL && co->q_init) {
			lat_count(lane->session->peer->engine, LAT_COUNT_RESENT);
			lat_sendq_lost(&co->q, &rec->frames[i]);
		}
	}
	if (co != NULL)
		lat_chan_out_update(co);
	lat_peer_touch(lane->session->peer);
}

static void rtt_sample(struct lat_peer *p, uint64_t rtt, uint64_t delay)
{
	uint64_t diff;

	if (delay > (uint64_t)LAT_ACK_DELAY_NS * 2)
		delay = (uint64_t)LAT_ACK_DELAY_NS * 2;
	rtt = rtt > delay ? rtt - delay : 1;
	if (p->srtt_ns == 0) {
		p->srtt_ns = rtt;
		p->rttvar_ns = rtt / 2;
		return;
	}
	diff = rtt > p->srtt_ns ? rtt - p->srtt_ns : p->srtt_ns - rtt;
	p->rttvar_ns = (3 * p->rttvar_ns + diff) / 4;
	p->srtt_ns = (7 * p->srtt_ns + rtt) / 8;
}

int lat_ack_process(struct lat_session *s, uint64_t now, const struct lat_frame_ack *ack)
{
	struct lat_peer *p = s->peer;
	struct ack_ctx a = { .lane = &s->tx };
	int64_t n;

	if (ack->chan != 0) {
		const struct lat_chan_out *co = lat_numtab_get(&p->nums_out, ack->chan);

		/* Unknown: its channel is over, or it was not used in this session. */
		a.lane = co == NULL ? NULL : co->lane[s->place];
		if (a.lane == NULL)
			return co == NULL ? 0 : -EPROTO;
	}
	n = lat_sent_ack(&a.lane->sent, ack->range, ack->count, acked_record, &a);
	if (n < 0)
		return -EPROTO;
	if (n == 0)
		return 0;
	if (a.newest_counter == ack->range[0].hi)
		rtt_sample(p, now - a.newest_ns, (uint64_t)ack->delay_us * 1000);
	if (a.lane->chan != NULL && !a.lane->chan->c.buried) {
		lat_chan_out_room(a.lane->chan);
		lat_chan_out_update(a.lane->chan);
	}
	if (p->flight_bytes == 0)
		p->await_since_ns = 0;
	lat_peer_touch(p);
	return 0;
}

/* ---- PTO ---- */

uint64_t lat_pto_ns(const struct lat_peer *p)
{
	uint64_t srtt = p->srtt_ns != 0 ? p->srtt_ns : (uint64_t)LAT_RTT_FIRST_NS;
	uint64_t var = p->srtt_ns != 0 ? 4 * p->rttvar_ns : 0;
	uint32_t shift = p->pto_count < 6 ? p->pto_count : 6;

	if (var < (uint64_t)LAT_RTTVAR_MIN_NS)
		var = (uint64_t)LAT_RTTVAR_MIN_NS;
	return (srtt + var + 2 * (uint64_t)LAT_ACK_DELAY_NS) << shift;
}

void lat_pto_run(struct lat_peer *p, uint64_t now)
{
	uint64_t pto = lat_pto_ns(p), oldest = UINT64_MAX;
	size_t lost = 0;

	if (tcp(p) || now < p->pto_at_ns)
		return;
	for (int i = 0; i < LAT_SLOT_COUNT; i++) {
		struct lat_tx_lane *lane;

		if (p->slot[i] == NULL)
			continue;
		DL_FOREACH(p->slot[i]->tx_lanes, lane) {
			uint64_t sent;

			if (now >= pto)
				lost += lat_sent_lose(&lane->sent, now - pto, UINT64_MAX, lat_ack_lost_record,
						      lane);
			sent = lat_sent_oldest(&lane->sent);
			if (sent < oldest)
				oldest = sent;
		}
	}
	if (lost > 0) {
		p->pto_count++;
		if (p->pto_count >= LAT_DEAD_PTOS)
			p->want_rekey = true;
		pto = lat_pto_ns(p);
	}
	p->pto_at_ns = oldest == UINT64_MAX ? UINT64_MAX : oldest + pto;
	if (p->pto_at_ns <= now)
		p->pto_at_ns = now + 1;
}

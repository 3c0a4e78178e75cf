/* Acknowledgements both ways (PROTOCOL sections 5 and 7). What is not acknowledged is loss.c's. */
#include "session/machine.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"
#include "session/fault.h"

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
	uint64_t now;
	/* of those that were in flight: when the oldest and the newest was sent */
	uint64_t oldest_ns, newest_ns;
	uint64_t newest_counter;
	size_t bytes; /* 0: none was */
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
	if (ref->type == LAT_FRAME_PAD) {
		lat_pmtu_probe_acked(&s->peer->pmtu, (uint16_t)ref->off);
		s->peer->rec.cc->packet_bytes = s->peer->pmtu.now;
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

/* It counted as lost. That is news only in the session in which it was looked for. */
static void acked_late(const struct ack_ctx *a, const struct lat_sent_record *rec)
{
	struct lat_peer *p = a->lane->session->peer;

	if (tcp(p) || a->lane->session != p->slot[LAT_SLOT_CURRENT])
		return;
	lat_peer_count(p, LAT_COUNT_SPURIOUS);
	lat_recovery_late(&p->rec, a->now, rec->time_ns);
}

static void acked_record(void *ctx, const struct lat_sent_record *rec)
{
	struct ack_ctx *a = ctx;
	struct lat_tx_lane *lane = a->lane;
	struct lat_chan_out *co = lane->chan;

	if (rec->lost) {
		acked_late(a, rec);
	} else {
		lane->session->peer->rec.flight_bytes -= rec->bytes;
		lat_pmtu_acked(&lane->session->peer->pmtu, rec->bytes);
		if (a->bytes == 0 || rec->counter > a->newest_counter) {
			a->newest_counter = rec->counter;
			a->newest_ns = rec->time_ns;
		}
		if (a->bytes == 0 || rec->time_ns < a->oldest_ns)
			a->oldest_ns = rec->time_ns;
		a->bytes += rec->bytes;
	}
	for (uint16_t i = 0; i < rec->count; i++) {
		if (rec->frames[i].kind == LAT_SENT_CONTROL)
			control_acked(lane, &rec->frames[i]);
		else if (co != NULL && co->q_init)
			lat_sendq_acked(&co->q, &rec->frames[i]);
	}
}

/* What the ACK says about the way to the peer. */
static void measure(struct lat_peer *p, const struct ack_ctx *a, const struct lat_frame_ack *ack)
{
	struct lat_recovery *r = &p->rec;
	struct lat_cc_ack acked = { .bytes = a->bytes, .sent_ns = a->newest_ns, .limited = r->limited };

	if (a->bytes == 0)
		return;
	lat_recovery_woken(r, a->now);
	if (a->newest_counter == ack->range[0].hi && a->now > a->newest_ns && a->newest_ns > r->slept_ns)
		acked.rtt_ns = lat_recovery_rtt(r, a->now - a->newest_ns, (uint64_t)ack->delay_us * 1000);
	if (tcp(p))
		return;
	lat_recovery_acked(r, a->now, a->oldest_ns, a->newest_ns);
	acked.newest_ns = r->stamp_ns;
	acked.srtt_ns = r->srtt_ns;
	r->cc->ops->acked(r->cc, a->now, &acked);
	lat_recovery_rearm(r, a->now);
	p->look_for_losses = true;
}

int lat_ack_process(struct lat_session *s, uint64_t now, const struct lat_frame_ack *ack)
{
	struct lat_peer *p = s->peer;
	struct ack_ctx a = { .lane = &s->tx, .now = now };
	int64_t n;

	if (lat_fault(LAT_FAULT_ACK_SESSION) && p->slot[LAT_SLOT_CURRENT] != NULL) {
		s = p->slot[LAT_SLOT_CURRENT];
		a.lane = &s->tx;
	}
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
	measure(p, &a, ack);
	if (a.lane->chan != NULL && !a.lane->chan->c.buried) {
		lat_chan_out_room(a.lane->chan);
		lat_chan_out_update(a.lane->chan);
	}
	if (p->rec.flight_bytes == 0)
		p->await_since_ns = 0;
	lat_peer_touch(p);
	return 0;
}

/*
 * What is unacknowledged over UDP (PROTOCOL section 7): found lost by time, or asked for by probes, and queued again in new
 * packets. recovery.c says when; here are the packets. TCP loses nothing but connections, so there it never runs.
 */
#include "session/machine.h"

#include <utlist.h>

#include "base/util.h"
#include "session/fault.h"

enum { PROBE_PACKETS = 2 };

void lat_loss_watch(struct lat_tx_lane *lane)
{
	if (lane->flying)
		return;
	DL_APPEND2(lane->session->flying, lane, flying_prev, flying_next);
	lane->flying = true;
}

void lat_loss_unwatch(struct lat_tx_lane *lane)
{
	if (!lane->flying)
		return;
	DL_DELETE2(lane->session->flying, lane, flying_prev, flying_next);
	lane->flying = false;
}

/* ---- again ---- */

static void control_lost(struct lat_tx_lane *lane, const struct lat_sent_frame *ref)
{
	struct lat_session *s = lane->session;
	struct lat_chan *c;
	uint8_t want = 0;

	if (ref->len != 0) {
		(void)!lat_out_answer(s->peer, ref->type, ref->body, ref->len);
		return;
	}
	if (ref->type == LAT_FRAME_PAD) {
		lat_pmtu_probe_forgotten(&s->peer->pmtu);
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

/* Queues its frames again. */
static void again(struct lat_tx_lane *lane, const struct lat_sent_record *rec)
{
	struct lat_chan_out *co = lane->chan;

	for (uint16_t i = 0; i < rec->count; i++) {
		if (rec->frames[i].kind == LAT_SENT_CONTROL) {
			control_lost(lane, &rec->frames[i]);
		} else if (co != NULL && co->q_init) {
			lat_peer_count(lane->session->peer, LAT_COUNT_RESENT);
			if (lat_fault(LAT_FAULT_FORGET_LOST) && rec->frames[i].kind == LAT_SENT_RUN)
				continue;
			lat_sendq_lost(&co->q, &rec->frames[i]);
		}
	}
	if (co != NULL)
		lat_chan_out_update(co);
	lat_peer_touch(lane->session->peer);
}

void lat_loss_record(void *ctx, const struct lat_sent_record *rec)
{
	struct lat_tx_lane *lane = ctx;

	lane->session->peer->rec.flight_bytes -= rec->bytes;
	again(lane, rec);
}

/* ---- losses ---- */

struct losses {
	struct lat_tx_lane *lane;
	uint64_t now;
	bool big;        /* one was longer than every path carries */
	uint64_t lo, hi; /* when the oldest and the newest was sent */
	size_t count;
	uint16_t probe; /* bytes of a probe for the path's maximum */
};

/* Its bytes, if it was sent to find the path's maximum; else 0. */
static uint16_t probe_of(const struct lat_sent_record *rec)
{
	for (uint16_t i = 0; i < rec->count; i++)
		if (rec->frames[i].kind == LAT_SENT_CONTROL && rec->frames[i].type == LAT_FRAME_PAD)
			return (uint16_t)rec->frames[i].off;
	return 0;
}

static void lost_by_time(void *ctx, const struct lat_sent_record *rec)
{
	struct losses *l = ctx;
	struct lat_peer *p = l->lane->session->peer;

	if (probe_of(rec) != 0) { /* says something about its length, not about the others */
		l->probe = probe_of(rec);
		p->rec.flight_bytes -= rec->bytes;
		return;
	}
	lat_peer_count(p, LAT_COUNT_LOST);
	l->big = l->big || rec->bytes > LAT_UDP_BASE;
	if (l->count == 0 || rec->time_ns < l->lo)
		l->lo = rec->time_ns;
	if (l->count == 0 || rec->time_ns > l->hi)
		l->hi = rec->time_ns;
	l->count++;
	lat_loss_record(l->lane, rec);
}

/* Nothing that was longer than every path carries got through, again. */
static void nothing_long(struct lat_peer *p, uint64_t now)
{
	lat_pmtu_silent(&p->pmtu, now);
	p->rec.cc->packet_bytes = p->pmtu.now;
}

static void find_losses(struct lat_session *s, uint64_t now)
{
	struct lat_recovery *r = &s->peer->rec;
	struct losses l = { .now = now };
	uint64_t before = lat_recovery_lost_before(r, now);
	struct lat_tx_lane *tmp;

	r->lost_at_ns = UINT64_MAX;
	DL_FOREACH_SAFE2(s->flying, l.lane, tmp, flying_next)
	{
		uint64_t oldest, at;

		lat_sent_lose(&l.lane->sent, before, UINT64_MAX, lost_by_time, &l);
		oldest = lat_sent_oldest(&l.lane->sent);
		if (oldest == UINT64_MAX) {
			lat_loss_unwatch(l.lane);
			continue;
		}
		at = lat_recovery_lost_at(r, oldest);
		if (at < r->lost_at_ns)
			r->lost_at_ns = at;
	}
	if (l.count > 0) {
		lat_recovery_lost(r, l.lo, l.hi, l.count);
		lat_pmtu_others_lost(&s->peer->pmtu, now);
	}
	if (l.probe != 0)
		lat_pmtu_probe_lost(&s->peer->pmtu, now, l.probe, r->srtt_ns);
	if (l.big)
		nothing_long(s->peer, now);
}

/* ---- probes ---- */

static void probe_with(void *ctx, const struct lat_sent_record *rec)
{
	struct lat_tx_lane *lane = ctx;
	struct lat_peer *p = lane->session->peer;

	if (probe_of(rec) != 0) /* stays in flight until what is sent later says whether it arrived */
		return;
	if (rec->bytes > LAT_UDP_BASE)
		nothing_long(p, p->engine->now);
	again(lane, rec);
}

/* Nothing was acknowledged for a while: the oldest goes out once more, whatever the window says. It stays in flight. */
static void probe(struct lat_session *s, uint64_t now)
{
	struct lat_peer *p = s->peer;
	struct lat_tx_lane *lane, *first = NULL;

	lat_peer_count(p, LAT_COUNT_PTO);
	p->rec.pto_count++;
	if (p->rec.pto_count >= LAT_DEAD_PTOS)
		p->want_rekey = true;
	DL_FOREACH2(s->flying, lane, flying_next)
	if (lat_sent_oldest(&lane->sent) != UINT64_MAX &&
	    (first == NULL || lat_sent_oldest(&lane->sent) < lat_sent_oldest(&first->sent)))
		first = lane;
	if (first != NULL)
		lat_sent_probe(&first->sent, probe_with, first);
	lat_out_probe(p);
	p->rec.probes = PROBE_PACKETS;
	lat_recovery_rearm(&p->rec, now);
}

uint64_t lat_loss_run(struct lat_peer *p, uint64_t now)
{
	struct lat_session *s = p->slot[LAT_SLOT_CURRENT];
	struct lat_recovery *r = &p->rec;

	if (p->path.proto == LAT_PROTO_TCP)
		return UINT64_MAX;
	if (s != NULL && (p->look_for_losses || now >= r->lost_at_ns))
		find_losses(s, now);
	p->look_for_losses = false;
	if (r->flight_bytes == 0 || s == NULL) {
		r->pto_at_ns = r->lost_at_ns = UINT64_MAX;
		r->probes = 0;
		return UINT64_MAX;
	}
	lat_recovery_woken(r, now);
	if (now >= r->pto_at_ns)
		probe(s, now);
	return r->pto_at_ns < r->lost_at_ns ? r->pto_at_ns : r->lost_at_ns;
}

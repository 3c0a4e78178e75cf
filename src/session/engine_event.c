/* What happens to an engine: packets, of which each goes to its noun, time, and the transport's news. */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"
#include "session/fault.h"

static int on_data(struct lat_engine *e, uint64_t now, const struct lat_path *from, uint8_t *packet,
		   size_t bytes)
{
	struct lat_data_hdr hdr;
	struct lat_owner *o;
	const struct lat_peer *p;

	if (lat_data_hdr_decode(&hdr, packet, bytes) < 0) {
		lat_count(e, LAT_COUNT_FORM);
		return -EPROTO;
	}
	o = lat_idmap_get(&e->index, hdr.idx);
	if (o != NULL && o->kind == LAT_OWNER_SESSION)
		return lat_session_data((struct lat_session *)o, now, from, &hdr, packet, bytes);
	lat_count(e, LAT_COUNT_IDX);
	if (o == NULL)
		lat_peer_stale_answer(e, now, from, hdr.idx);
	p = lat_peer_find(e, from->node);
	return p != NULL && p->proven_conn == from->conn ? 0 : -EPROTO;
}

static int on_m3(struct lat_engine *e, uint64_t now, const struct lat_path *from, const uint8_t *packet,
		 size_t bytes)
{
	struct lat_m3_hdr hdr;
	struct lat_owner *o;

	if (lat_m3_hdr_decode(&hdr, packet, bytes) == 0) {
		o = lat_idmap_get(&e->index, hdr.idx_r);
		if (o != NULL && o->kind == LAT_OWNER_HALF)
			return lat_half_m3((struct lat_half *)o, now, from, packet);
		if (o != NULL && o->kind == LAT_OWNER_SESSION && ((struct lat_session *)o)->half != NULL)
			return lat_half_m3(((struct lat_session *)o)->half, now, from, packet);
	}
	lat_count(e, LAT_COUNT_HS_STATE);
	return -EPROTO;
}

/* M2, M4 and COOKIE carry our own index at the same place for the two last, elsewhere in the first. */
static int on_reply(struct lat_engine *e, uint64_t now, const struct lat_path *from, int type,
		    const uint8_t *packet, size_t bytes)
{
	struct lat_m2_hdr m2;
	struct lat_m4_hdr m4;
	struct lat_cookie_hdr cookie;
	struct lat_owner *o;
	uint32_t idx = 0;

	if (type == LAT_PKT_M2 && lat_m2_hdr_decode(&m2, packet, bytes) == 0)
		idx = m2.idx_i;
	else if (type == LAT_PKT_M4 && lat_m4_hdr_decode(&m4, packet, bytes) == 0)
		idx = m4.idx_i;
	else if (type == LAT_PKT_COOKIE && lat_cookie_hdr_decode(&cookie, packet, bytes) == 0)
		idx = cookie.idx_i;
	o = lat_idmap_get(&e->index, idx);
	if (lat_fault(LAT_FAULT_M2_OLD) && o == NULL && type == LAT_PKT_M2 && e->peer_list->attempt != NULL)
		o = &e->peer_list->attempt->owner;
	if (o == NULL || o->kind != LAT_OWNER_ATTEMPT) {
		lat_count(e, LAT_COUNT_HS_STATE);
		return 0;
	}
	lat_attempt_packet((struct lat_attempt *)o, now, from, type, packet);
	return 0;
}

int lat_engine_packet(struct lat_engine *e, uint64_t now, const struct lat_path *from, uint8_t *packet,
		      size_t bytes)
{
	int type = lat_packet_type(packet, bytes);

	e->now = now;
	switch (type) {
	case LAT_PKT_DATA:
		return on_data(e, now, from, packet, bytes);
	case LAT_PKT_M1:
		return lat_half_m1(e, now, from, packet);
	case LAT_PKT_M3:
		return on_m3(e, now, from, packet, bytes);
	case LAT_PKT_M2:
	case LAT_PKT_M4:
	case LAT_PKT_COOKIE:
		return on_reply(e, now, from, type, packet, bytes);
	case LAT_PKT_STALE:
		lat_peer_stale(e, now, from, packet, bytes);
		return 0;
	default:
		lat_count(e, LAT_COUNT_FORM);
		return -EPROTO;
	}
}

static void run_peer(struct lat_peer *p, uint64_t now)
{
	uint64_t due;
	int rc;

	p->touched = true; /* what it touches of its own is served by this very run */
	rc = lat_chan_in_release(p);
	(void)lat_chan_in_run_rights(p, now, &rc);
	if (p->leaving) {
		lat_chan_reap(p);
		p->touched = false;
		if (p->chans == NULL)
			lat_engine_peer_free(p);
		else
			lat_dues_set(&p->engine->dues, &p->due, p->rights_due_ns);
		return;
	}
	if (rc == -EPROTO) {
		lat_peer_count(p, LAT_COUNT_PROTO);
		lat_peer_close_start(p, now, LAT_CODE_EPROTO);
	}
	due = lat_peer_run(p, now);
	due = p->rights_due_ns < due ? p->rights_due_ns : due;
	p->touched = false;
	/* Something that cannot be served now (no memory) is not a reason to spin. */
	if (due <= now)
		due = now + (uint64_t)LAT_NS_PER_MS;
	lat_dues_set(&p->engine->dues, &p->due, due);
}

uint64_t lat_engine_tick(struct lat_engine *e, uint64_t now)
{
	struct lat_due *first;
	uint64_t due;

	e->now = now;
	due = lat_half_expire(e, now);
	if (e->hungry != NULL)
		lat_chan_in_credit_retry(e);
	while ((first = lat_dues_first(&e->dues)) != NULL && first->at_ns <= now) {
		lat_dues_set(&e->dues, first, UINT64_MAX);
		lat_peer_touch(first->what);
	}
	while (e->touched != NULL) {
		struct lat_peer *p = e->touched;

		e->touched = p->touched_next;
		run_peer(p, now);
	}
	first = lat_dues_first(&e->dues);
	if (first != NULL && first->at_ns < due)
		due = first->at_ns;
	return due;
}

void lat_engine_writable(struct lat_engine *e, uint64_t now, uint32_t node)
{
	struct lat_peer *p = lat_peer_find(e, node);

	if (p == NULL)
		return;
	e->now = now;
	p->blocked = false;
	if (p->attempt != NULL && p->attempt->unsent)
		lat_attempt_resend(p->attempt, now);
	else if (p->attempt == NULL && p->state == LAT_PEER_DOWN && p->err == -ECONNREFUSED)
		p->attempt_after_ns = 0;
	lat_peer_touch(p);
}

void lat_engine_conn_up(struct lat_engine *e, uint64_t now, uint32_t node)
{
	struct lat_peer *p = lat_peer_find(e, node);

	if (p == NULL)
		return;
	e->now = now;
	p->conn_down = false;
	p->unconnected = false;
	p->blocked = false;
	p->proven_conn = 0; /* it may replace one that nobody has told us is gone */
	free(p->stash);
	p->stash = NULL;
	for (int i = 0; i < LAT_SLOT_COUNT; i++)
		if (p->slot[i] != NULL)
			lat_session_requeue(p->slot[i]);
	if (p->slot[LAT_SLOT_CURRENT] != NULL)
		p->slot[LAT_SLOT_CURRENT]->want_confirm =
			true; /* it has to prove itself soon, with or without traffic */
	if (p->attempt != NULL && p->attempt->path.proto == LAT_PROTO_TCP)
		lat_attempt_resend(p->attempt, now);
	lat_peer_touch(p);
}

void lat_engine_conn_down(struct lat_engine *e, uint64_t now, uint32_t node, int err)
{
	struct lat_peer *p = lat_peer_find(e, node);

	if (p == NULL)
		return;
	e->now = now;
	p->conn_down = true;
	p->unconnected = true;
	p->blocked = false; /* by what is gone */
	p->conn_retry_ns = now + (uint64_t)LAT_NS_PER_S;
	p->proven_conn = 0;
	free(p->stash);
	p->stash = NULL;
	for (int i = 0; i < LAT_SLOT_COUNT; i++)
		if (p->slot[i] != NULL)
			lat_session_requeue(p->slot[i]);
	if (p->attempt != NULL) {
		p->attempt->unsent = true;
		if (err < 0)
			p->attempt->err = err;
		/* Who waits is told at once; should somebody listen later, conn_up() begins again. */
		if (err == -ECONNREFUSED && p->attempt->path.proto == LAT_PROTO_TCP &&
		    p->attempt->state == LAT_ATTEMPT_SENT1)
			p->attempt->giveup_ns = now;
	}
	/* Twice in a row and nothing has opened: perhaps it forgot the session (section 7). */
	if (++p->closes_in_a_row >= LAT_CLOSES_MAX && p->slot[LAT_SLOT_CURRENT] != NULL)
		p->want_rekey = true;
	lat_peer_touch(p);
}

static bool quiet(const struct lat_peer *p)
{
	if (p->attempt != NULL || p->half_count > 0 || p->slot[LAT_SLOT_NEXT] != NULL || p->closing ||
	    p->want_connect || p->want_rekey)
		return false;
	if (p->rec.flight_bytes > 0 || p->stash != NULL || p->todo != NULL || p->ready != NULL ||
	    p->busy_count > 0 || p->answer_count > 0 || p->pong_count > 0 ||
	    (p->ping_count > 0 && !p->pings[p->ping_count - 1].sent))
		return false;
	for (int i = 0; i < LAT_SLOT_COUNT; i++) {
		const struct lat_session *s = p->slot[i];

		if (s != NULL &&
		    (s->acks != NULL || s->want_params || s->want_confirm || s->want_keepalive || !s->opened))
			return false;
	}
	return true;
}

bool lat_engine_peer_rest(struct lat_engine *e, uint32_t node)
{
	struct lat_peer *p = lat_peer_find(e, node);

	if (p == NULL || p->path.proto != LAT_PROTO_TCP || p->path.family == 0 || !p->path.transient ||
	    !quiet(p))
		return false;
	p->unconnected = true;
	p->blocked = false;
	p->proven_conn = 0; /* the next one has to prove itself */
	return true;
}

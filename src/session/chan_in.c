/* Channels that we receive on: granted, credited, ended (PROTOCOL 6.2 to 6.4). Their messages: chan_take.c. */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/bytes.h"
#include "base/util.h"
#include "cap/chain.h"

/* ---- opening ---- */

static int refuse(struct lat_peer *p, uint32_t req, uint16_t code)
{
	uint8_t buf[LAT_FRAME_HDR + LAT_BODY_CHAN_NAK];
	struct lat_writer w = { .buf = buf, .cap = sizeof(buf) };
	const struct lat_frame_chan_nak f = { .req = req, .code = code };

	lat_peer_count(p, LAT_COUNT_OPEN_REFUSED);
	if (lat_frame_chan_nak_encode(&w, &f) == 0)
		(void)!lat_out_answer(p, LAT_FRAME_CHAN_NAK, buf + LAT_FRAME_HDR, LAT_BODY_CHAN_NAK);
	return 0;
}

static void derive_keys(struct lat_chan_in *ci, const struct lat_frame_chan_open *f,
			const uint8_t k[LAT_CAP_KEY])
{
	struct lat_peer *p = ci->c.peer;
	struct lat_chan_ctx ctx = { .src_pid = f->src_pid, .dst_pid = f->dst_pid };

	memcpy(ctx.nonce_s, f->nonce_s, sizeof(ctx.nonce_s));
	memcpy(ctx.nonce_r, ci->nonce_r, sizeof(ctx.nonce_r));
	memcpy(ctx.id_sender, p->pub.fp, sizeof(ctx.id_sender));
	memcpy(ctx.id_receiver, p->engine->me.fp, sizeof(ctx.id_receiver));
	lat_cap_channel_keys(ci->c.secret->tk, ci->c.secret->bind, k, &ctx);
}

/* 0, or the code to refuse with. */
static uint16_t build(struct lat_chan_in *ci, const struct lat_frame_chan_open *f,
		      const uint8_t k[LAT_CAP_KEY])
{
	struct lat_chan *c = &ci->c;
	struct lat_peer *p = c->peer;
	struct lat_engine *e = p->engine;
	struct lat_open_ask ask;
	uint16_t code = lat_chan_in_admit(ci, f, &ask);
	int num;

	if (code != LAT_CODE_OK)
		return code;
	c->secret = e->ops->secret_get(e->ctx);
	if (c->secret == NULL) {
		lat_count(e, LAT_COUNT_SECRETS);
		return LAT_CODE_ENOBUFS;
	}
	if (lat_reasm_init(&ci->reasm, (f->cflags & LAT_CFLAG_RELIABLE) != 0, e->max_msg,
			   (struct lat_budgets){ &p->budget, &e->budget }) < 0)
		return LAT_CODE_ENOBUFS;
	num = lat_channum_get(&p->numbers, e->now);
	if (num < 0)
		return LAT_CODE_ENOBUFS;
	c->num = (uint16_t)num;
	if (lat_numtab_put(&p->nums_in, c->num, c) < 0 || lat_idmap_put(&p->reqs_in, c->req, c) < 0)
		return LAT_CODE_ENOBUFS;
	c->handle = lat_engine_handle(e, c);
	if (c->handle == 0)
		return LAT_CODE_ENOBUFS;
	e->ops->random(e->ctx, ci->nonce_r, sizeof(ci->nonce_r));
	derive_keys(ci, f, k);
	return (uint16_t)e->ops->inbound_open(e->ctx, c->handle, &ask, &ci->grant, c->cflags, &c->user);
}

/*
 * What was acknowledged on a channel that is over is handed up before anything of one that was opened after it, between the same
 * pids: by this peer, or as what it was before it was removed.
 */
static uint32_t draining(const struct lat_peer *p, const struct lat_chan_in *ci)
{
	struct lat_chan *c;
	uint32_t handle = 0;

	DL_FOREACH(p->chans, c)
		if (c->inbound && ((struct lat_chan_in *)c)->draining && c->src_pid == ci->c.src_pid &&
		    c->dst_pid == ci->c.dst_pid)
			handle = c->handle; /* the newest comes last */
	return handle;
}

static void line_up(struct lat_chan_in *ci)
{
	struct lat_peer *p = ci->c.peer, *left;
	uint32_t own;

	if (!ci->reasm.reliable)
		return;
	DL_FOREACH(p->engine->leaving, left) { /* the last removed comes last */
		uint32_t before = left->node == p->node ? draining(left, ci) : 0;

		ci->after = before != 0 ? before : ci->after;
	}
	own = draining(p, ci);
	ci->after = own != 0 ? own : ci->after;
	if (ci->after != 0) {
		ci->blocked = true;
		p->after_count++;
	}
}

bool lat_chan_in_waits(const struct lat_chan_in *ci)
{
	return ci->after != 0 && lat_chan_find(ci->c.peer->engine, ci->after) != NULL;
}

static int grant(struct lat_session *s, const struct lat_frame_chan_open *f, const uint8_t k[LAT_CAP_KEY])
{
	struct lat_peer *p = s->peer;
	struct lat_chan_in *ci = calloc(1, sizeof(*ci));
	uint16_t code;

	if (ci == NULL)
		return refuse(p, f->req, LAT_CODE_ENOBUFS);
	ci->c.peer = p;
	ci->c.inbound = true;
	ci->c.cflags = f->cflags;
	ci->c.src_pid = f->src_pid;
	ci->c.dst_pid = f->dst_pid;
	ci->c.req = f->req;
	ci->rev_num = f->rev_chan;
	ci->c.open_serial = s->serial;
	ci->offer_at_ns = UINT64_MAX;
	p->in_count++;
	DL_APPEND(p->chans, &ci->c);
	code = build(ci, f, k);
	if (code != LAT_CODE_OK) {
		lat_chan_bury(&ci->c);
		return refuse(p, f->req, code);
	}
	line_up(ci);
	lat_chan_in_watch(ci);
	lat_chan_want(&ci->c, LAT_WANT_ACK);
	return 0;
}

/* Calls have one order and get one answer each: a channel that may lose has none. */
static bool calls_cannot(const struct lat_frame_chan_open *f)
{
	return (f->cflags & LAT_CFLAG_REVERSE) != 0 && (f->cflags & LAT_CFLAG_RELIABLE) == 0;
}

int lat_chan_in_open(struct lat_session *s, uint64_t now, const struct lat_frame *f)
{
	struct lat_peer *p = s->peer;
	struct lat_frame_chan_open open;
	struct lat_chan *known;
	uint8_t k[LAT_CAP_KEY];
	int rc = lat_frame_chan_open_decode(&open, f);

	if (rc == -EACCES)
		return refuse(p, lat_frame_chan_open_req(f), LAT_CODE_EACCES);
	if (rc < 0 || open.req == 0)
		return -EPROTO;
	known = lat_idmap_get(&p->reqs_in, open.req);
	if (known != NULL) {
		lat_chan_want(known, LAT_WANT_ACK);
		return 0;
	}
	if (!lat_chan_in_proof(s, &open, k)) {
		lat_peer_count(p, LAT_COUNT_PROOF);
		lat_chan_in_tell_wrong(s, &open);
		rc = refuse(p, open.req, LAT_CODE_EACCES);
	} else if (!lat_bucket_take(&p->open_rate, now, LAT_CHAN_OPEN_RATE_PER_S, LAT_CHAN_OPEN_BURST)) {
		rc = refuse(p, open.req, LAT_CODE_EBUSY);
	} else if (calls_cannot(&open) ||
		   ((open.cflags & LAT_CFLAG_TCP_ONLY) != 0 && p->path.proto != LAT_PROTO_TCP)) {
		rc = refuse(p, open.req, LAT_CODE_EACCES);
	} else if (p->in_count >= LAT_MAX_CHAN) {
		rc = refuse(p, open.req, LAT_CODE_ENOBUFS);
	} else {
		rc = grant(s, &open, k);
	}
	lat_wipe(k, sizeof(k));
	return rc;
}

static void wait_for_memory(struct lat_chan_in *ci)
{
	struct lat_peer *p = ci->c.peer;

	if (ci->credit_waits)
		return;
	if (p->credit_waiters == NULL)
		DL_APPEND2(p->engine->hungry, p, hungry_prev, hungry_next);
	DL_APPEND2(p->credit_waiters, ci, credit_prev, credit_next);
	ci->credit_waits = true;
}

static void stop_waiting(struct lat_chan_in *ci)
{
	struct lat_peer *p = ci->c.peer;

	if (!ci->credit_waits)
		return;
	DL_DELETE2(p->credit_waiters, ci, credit_prev, credit_next);
	ci->credit_waits = false;
	if (p->credit_waiters == NULL)
		DL_DELETE2(p->engine->hungry, p, hungry_prev, hungry_next);
}

void lat_chan_in_free(struct lat_chan_in *ci)
{
	struct lat_engine *e = ci->c.peer->engine;

	if (!ci->c.reverse)
		lat_chan_reverse_free(&ci->c);
	lat_opencalls_fini(&ci->calls);
	for (int i = 0; i < LAT_PLACES; i++) {
		struct lat_rx_lane *lane = ci->lane[i];

		if (lane == NULL)
			continue;
		if (lane->ack_listed)
			DL_DELETE2(lane->session->acks, lane, ack_prev, ack_next);
		DL_DELETE(lane->session->rx_lanes, lane);
		free(lane);
	}
	stop_waiting(ci);
	lat_reasm_fini(&ci->reasm);
	if (ci->c.secret != NULL)
		e->ops->secret_put(e->ctx, ci->c.secret);
	free(ci);
}

/* ---- the end ---- */

/* The application is told, or will be when it has taken what was acknowledged: that is never dropped (6.3). */
static void tell(struct lat_chan_in *ci, int err, bool drain)
{
	struct lat_engine *e = ci->c.peer->engine;

	if (ci->told)
		return;
	if (drain && ci->reasm.reliable && lat_reasm_head(&ci->reasm) != NULL) {
		ci->draining = true;
		ci->end_err = err;
		return;
	}
	ci->draining = false;
	ci->told = true;
	lat_reasm_fini(&ci->reasm);
	e->ops->inbound_ended(e->ctx, ci->c.user, err);
}

void lat_chan_in_end(struct lat_chan_in *ci, int err, bool drain)
{
	if (ci->state == LAT_IN_DONE)
		return;
	lat_chan_reverse_end(&ci->c);
	lat_chan_detach(&ci->c);
	ci->state = LAT_IN_GONE;
	tell(ci, ci->draining ? ci->end_err : err, drain);
	if (ci->told)
		lat_chan_bury(&ci->c);
}

/* The first sequence number that the application will not get. */
static uint64_t next_seq(const struct lat_chan_in *ci, bool drain)
{
	const struct lat_reasm *r = &ci->reasm;
	const struct lat_reasm_msg *m;
	uint64_t seq = r->next;

	if (!r->reliable)
		return r->highest + 1;
	while (drain && (m = lat_reasm_find(r, seq)) != NULL && m->units_missing == 0)
		seq++;
	return seq;
}

static void start_reset(struct lat_chan_in *ci, uint16_t code, bool drain)
{
	struct lat_engine *e = ci->c.peer->engine;

	ci->state = LAT_IN_RESET;
	ci->reset_code = code;
	ci->final_seq = next_seq(ci, drain);
	if (code == LAT_CODE_EREVOKED && ci->reasm.reliable)
		ci->final_seq = e->ops->inbound_cut(e->ctx, ci->c.user, ci->final_seq - 1) + 1;
	lat_chan_unwant(&ci->c, LAT_WANT_CREDIT);
	/* Who answers and then goes has answered. */
	ci->reset_waits = code == LAT_CODE_ESHUTDOWN && lat_chan_replies_wait(ci);
	if (ci->reset_waits)
		return;
	lat_chan_reverse_end(&ci->c);
	lat_chan_want(&ci->c, LAT_WANT_RESET);
}

void lat_chan_in_replied(struct lat_chan_in *ci)
{
	if (!ci->reset_waits || ci->state != LAT_IN_RESET)
		return;
	ci->reset_waits = false;
	lat_chan_reverse_end(&ci->c);
	lat_chan_want(&ci->c, LAT_WANT_RESET);
}

void lat_chan_in_reset(struct lat_chan_in *ci, uint16_t code)
{
	if (ci->state == LAT_IN_DONE)
		return;
	if (ci->state == LAT_IN_OPEN)
		start_reset(ci, code, false);
	ci->draining = false;
	ci->told = true; /* it asked for it */
	lat_reasm_fini(&ci->reasm);
	if (ci->state == LAT_IN_GONE)
		lat_chan_bury(&ci->c);
}

void lat_chan_in_drained(struct lat_chan_in *ci)
{
	tell(ci, ci->end_err, false);
	if (ci->state == LAT_IN_GONE)
		lat_chan_bury(&ci->c);
}

void lat_chan_in_abandon(struct lat_chan_in *ci, uint16_t code, bool drain)
{
	if (ci->c.reverse) { /* it goes with its channel */
		lat_chan_out_abandon((struct lat_chan_out *)ci->c.pair, lat_code_to_errno(code));
		return;
	}
	if (ci->state == LAT_IN_OPEN)
		start_reset(ci, code, drain);
	tell(ci, lat_code_to_errno(code), drain);
	if (ci->state == LAT_IN_GONE && ci->told)
		lat_chan_bury(&ci->c);
}

void lat_chan_in_reset_acked(struct lat_chan_in *ci)
{
	struct lat_engine *e = ci->c.peer->engine;

	if (ci->state != LAT_IN_RESET)
		return;
	if (ci->reset_code == LAT_CODE_EREVOKED)
		e->ops->revoked_told(e->ctx, ci->c.peer->node, ci->grant.life);
	lat_chan_detach(&ci->c);
	ci->state = LAT_IN_GONE;
	if (ci->told)
		lat_chan_bury(&ci->c);
}

void lat_chan_in_end_if_final(struct lat_chan_in *ci)
{
	if (ci->state == LAT_IN_OPEN && ci->final_known &&
	    (!ci->reasm.reliable || ci->reasm.next > ci->final_seq)) {
		if (!ci->reasm.reliable) {
			lat_reasm_end(&ci->reasm, ci->final_seq);
			lat_chan_in_count_lossy(ci);
		}
		lat_chan_in_end(ci, 0, false);
	}
}

int lat_chan_in_close(struct lat_peer *p, const struct lat_frame_chan_close *f)
{
	struct lat_chan_in *ci = lat_numtab_get(&p->nums_in, f->chan);

	if (ci == NULL || ci->state != LAT_IN_OPEN)
		return 0;
	if (ci->c.reverse)
		return -EPROTO;
	/* Below what has been taken, or is held and acknowledged. */
	if (ci->reasm.reliable && (f->final_seq < ci->reasm.next - 1 || f->final_seq < ci->reasm.top))
		return -EPROTO;
	ci->final_known = true;
	ci->final_seq = f->final_seq;
	lat_chan_in_end_if_final(ci);
	return 0;
}

/* ---- control frames ---- */

static int say_ack(struct lat_chan_in *ci, struct lat_out *o)
{
	struct lat_frame_chan_ack f = { .req = ci->c.req,
					.chan = ci->c.num,
					.cflags = ci->c.cflags,
					.credit = ci->reasm.reliable ? LAT_CREDIT_MIN_BYTES : 0,
					.next_seq = 1 };

	/* The same answer each time: what has changed since is said by CREDIT. */
	memcpy(f.nonce_r, ci->nonce_r, sizeof(f.nonce_r));
	if (lat_frame_chan_ack_encode(&o->w, &f) < 0)
		return -EMSGSIZE;
	lat_out_note(o, LAT_FRAME_CHAN_ACK, ci->c.handle, 0, NULL, 0);
	return 0;
}

static int raise_credit(struct lat_chan_in *ci)
{
	const struct lat_peer *p = ci->c.peer;
	uint64_t limit;

	return lat_reasm_credit_raise(&ci->reasm, p->engine->now, p->rec.min_rtt_ns, &limit);
}

static int say_credit(struct lat_chan_in *ci, struct lat_out *o)
{
	struct lat_frame_credit f = { .chan = ci->c.num };

	if (lat_writer_room(&o->w) < LAT_FRAME_HDR + LAT_BODY_CREDIT)
		return -EMSGSIZE;
	if (lat_reasm_credit_due(&ci->reasm) && raise_credit(ci) < 0)
		wait_for_memory(ci);
	f.limit = ci->reasm.limit;
	if (lat_frame_credit_encode(&o->w, &f) < 0)
		return -EMSGSIZE;
	lat_out_note(o, LAT_FRAME_CREDIT, ci->c.handle, 0, NULL, 0);
	return 0;
}

/*
 * Behind the answer, in one packet: a number that it has not heard of yet says nothing to the sender, who then would go on when the
 * answer comes.
 */
static int say_reset(struct lat_chan_in *ci, struct lat_out *o)
{
	const size_t both = 2 * LAT_FRAME_HDR + LAT_BODY_CHAN_ACK + LAT_BODY_CHAN_RESET;
	const struct lat_frame_chan_reset f = {
		.chan = ci->c.num, .code = ci->reset_code, .side = 1, .next_seq = ci->final_seq
	};

	if (lat_writer_room(&o->w) < both || say_ack(ci, o) < 0 || lat_out_full(o))
		return -EMSGSIZE;
	if (lat_frame_chan_reset_encode(&o->w, &f) < 0)
		return -EMSGSIZE;
	lat_out_note(o, LAT_FRAME_CHAN_RESET, ci->c.handle, 0, NULL, 0);
	return 0;
}

bool lat_chan_in_control(struct lat_chan_in *ci, struct lat_out *o)
{
	static const struct {
		uint8_t want;
		int (*say)(struct lat_chan_in *ci, struct lat_out *o);
	} what[] = {
		{ LAT_WANT_ACK, say_ack },
		{ LAT_WANT_CREDIT, say_credit },
		{ LAT_WANT_RESET, say_reset },
	};

	for (size_t i = 0; i < ARRAY_LEN(what); i++) {
		if ((ci->c.want & what[i].want) == 0)
			continue;
		if (lat_out_full(o) || what[i].say(ci, o) < 0)
			return false;
		lat_chan_unwant(&ci->c, what[i].want);
	}
	return true;
}

/* The first of the peer's that waits: does it get what it is owed now? */
static bool serve_one(struct lat_peer *p)
{
	struct lat_chan_in *ci = p->credit_waiters;

	if (ci->state == LAT_IN_OPEN && lat_reasm_credit_due(&ci->reasm)) {
		if (raise_credit(ci) < 0)
			return false;
		lat_chan_want(&ci->c, LAT_WANT_CREDIT);
	}
	stop_waiting(ci);
	return true;
}

/* However many channels one peer lets wait, a look at its first is enough to know whether there is memory for it. */
void lat_chan_in_credit_retry(struct lat_engine *e)
{
	struct lat_peer *p, *tmp;
	bool served;

	do {
		served = false;
		DL_FOREACH_SAFE2(e->hungry, p, tmp, hungry_next)
		served = serve_one(p) || served;
	} while (served);
}

/* Channels that we send on: asked for, opened, filled, ended (PROTOCOL 6.2 to 6.4). */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/bytes.h"
#include "base/util.h"
#include "cap/chain.h"

/* Takes @right as what the channel is asked for with. */
static int claim(struct lat_chan_out *co, const struct lat_cap_right *right)
{
	struct lat_cap_desc allows;
	int rc;

	co->max_msg = UINT32_MAX;
	if (right == NULL)
		return 0;
	rc = lat_cap_right_allows(right, &allows);
	if (rc < 0)
		return rc;
	co->claim = calloc(1, sizeof(*co->claim));
	if (co->claim == NULL)
		return -ENOMEM;
	memcpy(co->claim->desc, right->desc, sizeof(co->claim->desc));
	co->claim->caveat_count = right->caveat_count;
	memcpy(co->claim->caveats, right->caveats, (size_t)right->caveat_count * LAT_CAP_CAVEAT);
	memcpy(co->c.secret->tk, right->key, sizeof(right->key));
	co->rights = allows.rights;
	co->max_msg = lat_cap_msg_max(allows.rights, allows.max_msg);
	return 0;
}

int lat_chan_out_new(struct lat_chan_out **out, struct lat_peer *p, const struct lat_open_want *want,
		     void *user)
{
	struct lat_engine *e = p->engine;
	struct lat_chan_out *co;
	int rc;

	if (p->out_count >= LAT_MAX_CHAN)
		return -ENOBUFS;
	co = calloc(1, sizeof(*co));
	if (co == NULL)
		return -ENOMEM;
	co->c.secret = e->ops->secret_get(e->ctx);
	if (co->c.secret == NULL) {
		lat_count(e, LAT_COUNT_SECRETS);
		free(co);
		return -ENOBUFS;
	}
	co->c.peer = p;
	rc = claim(co, want->right);
	if (rc == 0)
		co->c.handle = lat_engine_handle(e, &co->c);
	if (co->c.handle == 0) {
		e->ops->secret_put(e->ctx, co->c.secret);
		free(co->claim);
		free(co);
		return rc < 0 ? rc : -ENOBUFS;
	}
	co->c.cflags = want->cflags;
	co->c.src_pid = want->src_pid;
	co->c.dst_pid = want->dst_pid;
	co->c.user = user;
	p->out_count++;
	DL_APPEND(p->chans, &co->c);
	lat_chan_want(&co->c, LAT_WANT_OPEN);
	lat_chan_out_update(co);
	*out = co;
	return 0;
}

void lat_chan_out_free(struct lat_chan_out *co)
{
	struct lat_peer *p = co->c.peer;
	struct lat_engine *e = p->engine;

	if (!co->c.reverse)
		lat_chan_reverse_free(&co->c);
	for (int i = 0; i < LAT_PLACES; i++) {
		struct lat_tx_lane *lane = co->lane[i];

		if (lane == NULL)
			continue;
		lane->chan = NULL; /* nothing of it is to be queued again */
		lat_sent_lose(&lane->sent, UINT64_MAX, UINT64_MAX, lat_loss_record, lane);
		DL_DELETE(lane->session->tx_lanes, lane);
		lat_loss_unwatch(lane);
		lat_sent_fini(&lane->sent);
		free(lane);
	}
	if (co->q_init)
		lat_sendq_fini(&co->q);
	if (co->c.secret != NULL)
		e->ops->secret_put(e->ctx, co->c.secret);
	lat_opencalls_fini(&co->calls);
	free(co->claim);
	free(co);
}

void lat_chan_out_update(struct lat_chan_out *co)
{
	struct lat_peer *p = co->c.peer;
	bool open = co->state == LAT_OUT_OPEN || co->state == LAT_OUT_CLOSING;
	bool ready = open && lat_sendq_ready(&co->q);
	bool busy = co->state == LAT_OUT_OPENING || co->state == LAT_OUT_CLOSING ||
		    (open && (lat_sendq_unacked(&co->q) > 0 || co->calls.count > 0));

	if (ready && !co->ready)
		DL_APPEND2(p->ready, co, ready_prev, ready_next);
	else if (!ready && co->ready)
		DL_DELETE2(p->ready, co, ready_prev, ready_next);
	co->ready = ready;
	if (busy != co->busy)
		p->busy_count += busy ? 1U : UINT32_MAX;
	co->busy = busy;
	/* CHAN_CLOSE goes out when all before it is acknowledged, so it is the last word on the channel. */
	if (co->state == LAT_OUT_CLOSING && lat_sendq_unacked(&co->q) == 0)
		lat_chan_want(&co->c, LAT_WANT_CLOSE);
	if (co->c.reverse && open && lat_sendq_unacked(&co->q) == 0)
		lat_chan_in_replied((struct lat_chan_in *)co->c.pair);
	if (ready)
		lat_peer_touch(p);
}

void lat_chan_out_room(struct lat_chan_out *co)
{
	struct lat_engine *e = co->c.peer->engine;
	bool room = co->starved && co->q.bytes_held <= co->q.bytes_max / 2;

	/* Whoever flushes waits for the last acknowledgement, though nobody was ever out of room. */
	if (co->c.reverse || co->state != LAT_OUT_OPEN || (!room && lat_sendq_unacked(&co->q) > 0))
		return;
	co->starved = false;
	e->ops->outbound_room(e->ctx, co->c.user);
}

/* ---- opening ---- */

/* The number of the channel that replies will come by. */
static int keep_number(struct lat_chan_out *co)
{
	struct lat_peer *p = co->c.peer;
	int num = lat_channum_get(&p->numbers, p->engine->now);

	if (num > 0)
		co->rev_num = (uint16_t)num;
	return num < 0 ? num : 0;
}

static int ask(struct lat_chan_out *co, struct lat_out *o)
{
	struct lat_chan *c = &co->c;
	struct lat_peer *p = c->peer;
	struct lat_engine *e = p->engine;
	struct lat_session *s = o->session;
	struct lat_frame_chan_open f = { .src_pid = c->src_pid, .dst_pid = c->dst_pid, .cflags = c->cflags };

	if (co->claim != NULL) {
		f.ncav = co->claim->caveat_count;
		memcpy(f.desc, co->claim->desc, sizeof(f.desc));
		memcpy(f.cav, co->claim->caveats, sizeof(f.cav));
	}
	if (lat_writer_room(&o->w) < LAT_FRAME_HDR + LAT_BODY_CHAN_OPEN + (size_t)f.ncav * LAT_WIRE_CAVEAT)
		return -EMSGSIZE;
	if ((c->cflags & LAT_CFLAG_REVERSE) != 0 && co->rev_num == 0 && keep_number(co) < 0)
		return -ENOMEM;
	f.rev_chan = co->rev_num;
	if (c->open_serial != s->serial) {
		if (!lat_bucket_take(&p->ask_rate, e->now, LAT_ASK_RATE_PER_S, LAT_ASK_BURST)) {
			p->ask_at_ns = e->now + (uint64_t)LAT_NS_PER_S / LAT_ASK_RATE_PER_S;
			return -EAGAIN;
		}
		/* A new session, a new question: the old one is given up. */
		if (lat_idmap_get(&p->reqs_out, c->req) == c)
			lat_idmap_del(&p->reqs_out, c->req);
		if (++p->next_req == 0)
			p->next_req = 1;
		if (lat_idmap_put(&p->reqs_out, p->next_req, c) < 0)
			return -ENOMEM;
		c->req = p->next_req;
		c->open_serial = s->serial;
		e->ops->random(e->ctx, co->nonce_s, sizeof(co->nonce_s));
		/* k_n waits where tk will be. */
		if (co->claim == NULL)
			lat_grant_key(c->secret->tk, s->secret->sess);
	}
	f.req = c->req;
	memcpy(f.nonce_s, co->nonce_s, sizeof(f.nonce_s));
	lat_cap_proof(f.proof, c->secret->tk, s->secret->sid, f.req, f.src_pid, f.dst_pid, f.nonce_s);
	if (lat_frame_chan_open_encode(&o->w, &f) < 0)
		return -EMSGSIZE;
	lat_out_note(o, LAT_FRAME_CHAN_OPEN, c->handle, c->req, NULL, 0);
	return 0;
}

void lat_chan_out_reopen(struct lat_chan_out *co)
{
	if (co->state == LAT_OUT_OPENING)
		lat_chan_want(&co->c, LAT_WANT_OPEN);
}

bool lat_chan_out_control(struct lat_chan_out *co, struct lat_out *o)
{
	struct lat_chan *c = &co->c;

	if (lat_out_full(o))
		return false;
	if (c->want & LAT_WANT_OPEN) {
		int rc = ask(co, o);

		if (rc == -EAGAIN)
			return true; /* its turn will come; others have theirs */
		if (rc < 0)
			return false;
		lat_chan_unwant(c, LAT_WANT_OPEN);
	}
	if (c->want & LAT_WANT_CLOSE) {
		const struct lat_frame_chan_close f = { .chan = c->num,
							.code = LAT_CODE_OK,
							.final_seq = co->q.next_seq - 1 };

		if (lat_frame_chan_close_encode(&o->w, &f) < 0)
			return false;
		lat_out_note(o, LAT_FRAME_CHAN_CLOSE, c->handle, 0, NULL, 0);
		lat_chan_unwant(c, LAT_WANT_CLOSE);
	}
	if (c->want & LAT_WANT_RESET) {
		const struct lat_frame_chan_reset f = {
			.chan = c->num, .code = LAT_CODE_ECONNRESET, .side = 0, .next_seq = co->q.next_seq
		};

		if (lat_out_full(o) || lat_frame_chan_reset_encode(&o->w, &f) < 0)
			return false;
		lat_out_note(o, LAT_FRAME_CHAN_RESET, c->handle, 0, NULL, 0);
		lat_chan_unwant(c, LAT_WANT_RESET);
	}
	return true;
}

/* A channel that nobody here wants (any more): ended before it began. */
static int decline(struct lat_peer *p, uint16_t num)
{
	uint8_t buf[LAT_FRAME_HDR + LAT_BODY_CHAN_CLOSE];
	struct lat_writer w = { .buf = buf, .cap = sizeof(buf) };
	const struct lat_frame_chan_close f = { .chan = num, .code = LAT_CODE_OK, .final_seq = 0 };
	int rc = lat_frame_chan_close_encode(&w, &f);

	if (rc == 0)
		(void)!lat_out_answer(p, LAT_FRAME_CHAN_CLOSE, buf + LAT_FRAME_HDR, LAT_BODY_CHAN_CLOSE);
	return rc;
}

int lat_chan_out_acked(struct lat_peer *p, struct lat_session *s, const struct lat_frame_chan_ack *f)
{
	struct lat_chan *c = lat_idmap_get(&p->reqs_out, f->req);
	struct lat_chan_out *co = (struct lat_chan_out *)c;
	struct lat_engine *e = p->engine;
	struct lat_chan_ctx ctx;
	uint8_t k[LAT_CAP_KEY];

	(void)s;
	if (f->req == 0)
		return -EPROTO;
	/* Not asked for, or said twice. A number that is in use is not to be closed by that. */
	if (c == NULL || co->state != LAT_OUT_OPENING)
		return lat_numtab_get(&p->nums_out, f->chan) == NULL ? decline(p, f->chan) : 0;
	if (lat_numtab_get(&p->nums_out, f->chan) != NULL)
		return -EPROTO;
	if (f->cflags != c->cflags || f->next_seq != 1) {
		lat_chan_out_end(co, -EPROTO, 0);
		return decline(p, f->chan);
	}
	if (lat_numtab_put(&p->nums_out, f->chan, c) < 0)
		return -ENOMEM;
	c->num = f->chan;
	memcpy(ctx.nonce_s, co->nonce_s, sizeof(ctx.nonce_s));
	memcpy(ctx.nonce_r, f->nonce_r, sizeof(ctx.nonce_r));
	ctx.src_pid = c->src_pid;
	ctx.dst_pid = c->dst_pid;
	memcpy(ctx.id_sender, e->me.fp, sizeof(ctx.id_sender));
	memcpy(ctx.id_receiver, p->pub.fp, sizeof(ctx.id_receiver));
	memcpy(k, c->secret->tk, sizeof(k));
	lat_cap_channel_keys(c->secret->tk, c->secret->bind, k, &ctx);
	lat_wipe(k, sizeof(k));
	free(co->claim);
	co->claim = NULL;
	lat_chan_unwant(c, LAT_WANT_OPEN);
	lat_sendq_init(&co->q, (c->cflags & LAT_CFLAG_RELIABLE) != 0, c->src_pid, c->dst_pid, e->sendq_max);
	co->q_init = true;
	lat_sendq_credit(&co->q, f->credit);
	co->state = co->state == LAT_OUT_OPENING ? LAT_OUT_OPEN : co->state;
	e->ops->outbound_opened(e->ctx, c->user);
	if (co->starved) {
		co->starved = false;
		e->ops->outbound_room(e->ctx, c->user);
	}
	lat_chan_out_update(co);
	return 0;
}

int lat_chan_out_naked(struct lat_peer *p, const struct lat_frame_chan_nak *f)
{
	struct lat_chan_out *co = lat_idmap_get(&p->reqs_out, f->req);
	int err = lat_code_to_errno(f->code);

	if (co != NULL && co->state == LAT_OUT_OPENING)
		lat_chan_out_end(co, err == 0 ? -EACCES : err, 0);
	return 0;
}

/* ---- sending ---- */

void lat_chan_out_data(struct lat_chan_out *co, struct lat_out *o)
{
	const struct lat_token_key key = { .tk = co->c.secret->tk,
					   .cflags = co->c.cflags,
					   .rights = co->rights };
	struct lat_sent_frame ref;

	while (!lat_out_full(o) && lat_sendq_take(&co->q, &key, &o->w, &ref) == 1) {
		o->eliciting = true;
		o->real = true;
		if (co->q.reliable)
			o->ref[o->refs++] = ref;
	}
	if (!co->q.reliable) /* its end need not be acknowledged: whoever flushes waits for no more than this */
		lat_chan_out_room(co);
}

int lat_chan_out_credit(struct lat_peer *p, const struct lat_frame_credit *f)
{
	struct lat_chan_out *co = lat_numtab_get(&p->nums_out, f->chan);

	if (co != NULL && co->q_init && lat_sendq_credit(&co->q, f->limit))
		lat_chan_out_update(co);
	return 0;
}

/* ---- the end ---- */

void lat_chan_out_end(struct lat_chan_out *co, int err, uint64_t last_seq)
{
	struct lat_engine *e = co->c.peer->engine;
	bool told = co->state == LAT_OUT_RESET;

	if (co->state == LAT_OUT_DONE)
		return;
	lat_chan_bury(&co->c);
	lat_chan_calls_fail(co, err);
	if (!told)
		e->ops->outbound_ended(e->ctx, co->c.user, err, last_seq);
}

void lat_chan_out_abandon(struct lat_chan_out *co, int err)
{
	struct lat_engine *e = co->c.peer->engine;
	uint64_t acked, next;

	if (co->state == LAT_OUT_OPENING) {
		lat_chan_out_end(co, err, 0);
		return;
	}
	if (co->state == LAT_OUT_RESET || co->state == LAT_OUT_DONE)
		return;
	co->state = LAT_OUT_RESET;
	lat_chan_unwant(&co->c, co->c.want);
	lat_chan_out_update(co);
	lat_chan_want(&co->c, LAT_WANT_RESET);
	acked = lat_sendq_acked_seq(&co->q);
	next = co->q.next_seq;
	lat_sendq_fini(&co->q);
	co->q_init = false;
	co->q.next_seq = next; /* for the frame */
	lat_chan_reverse_end(&co->c);
	lat_chan_calls_fail(co, err);
	e->ops->outbound_ended(e->ctx, co->c.user, err, acked);
}

void lat_chan_out_reset(struct lat_chan_out *co, uint16_t code, uint64_t next_seq)
{
	int err = lat_code_to_errno(code);
	uint64_t last = next_seq == 0 ? 0 : next_seq - 1;

	/* The receiver knows best what it took, but it cannot have taken what was never sent. */
	if (last >= co->q.next_seq)
		last = co->q.next_seq - 1;
	lat_chan_out_end(co, err == 0 ? -ECONNRESET : err, last);
}

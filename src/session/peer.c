/*
 * One peer: its three session slots and which of them is used (PROTOCOL section 3), its timers (sections 4, 8, 10),
 * and its end (section 8.3).
 *
 * Timers, all derived from what is stored and looked at in lat_peer_run():
 *   HS_RETRY, HS_GIVEUP   attempt.c
 *   HS_RETRY              PARAMS and PING until the session that we made is confirmed
 *   REKEY_AFTER_TIME      a new attempt beside a session that was used; REJECT_AFTER_TIME: the session is erased
 *   PTO                   ack.c; KEEPALIVE, DEAD: section 8.1
 *   hold                  a peer that is down loses its channels after it
 *   CLOSE                 repeated each PTO
 */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"
#include "session/fault.h"

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void lat_peer_state_set(struct lat_peer *p, enum lat_peer_state state, int err)
{
	if (p->state == state && p->err == err)
		return;
	p->state = state;
	p->err = err;
	p->engine->ops->peer_state(p->engine->ctx, p->node, state, err);
}

int lat_peer_new(struct lat_peer **out, struct lat_engine *e, const struct lat_peer_config *cfg)
{
	struct lat_peer *p = calloc(1, sizeof(*p));
	uint64_t random;

	if (p == NULL)
		return -ENOMEM;
	p->psk = e->ops->secret_get(e->ctx);
	if (p->psk == NULL) {
		free(p);
		return -ENOBUFS;
	}
	if (lat_recovery_init(&p->rec, e->cc, LAT_UDP_BASE) < 0) {
		e->ops->secret_put(e->ctx, p->psk);
		free(p);
		return -ENOMEM;
	}
	lat_pmtu_init(&p->pmtu);
	p->engine = e;
	p->node = cfg->node;
	p->own_boot_id = e->boot_id;
	memcpy(p->psk, cfg->psk, sizeof(cfg->psk));
	lat_hs_public_init(&p->pub, cfg->pk, e->secret->mesh_key);
	p->call = cfg->path;
	p->call.node = cfg->node;
	if (p->call.proto != 0)
		p->path = p->call;
	p->lossy_due_ns = UINT64_MAX;
	p->rights_due_ns = UINT64_MAX;
	p->budget.max = LAT_REASM_PEER_BYTES;
	/* max_msg is announced as at most half of it (section 0). */
	if (p->budget.max / 2 < e->max_msg)
		p->budget.max = (size_t)e->max_msg * 2;
	e->ops->random(e->ctx, &random, sizeof(random));
	lat_idmap_init(&p->reqs_in, random);
	lat_idmap_init(&p->reqs_out, random >> 1);
	*out = p;
	return 0;
}

void lat_peer_free(struct lat_peer *p)
{
	struct lat_chan *c, *tmp;

	if (p == NULL)
		return;
	DL_FOREACH_SAFE(p->chans, c, tmp)
		lat_chan_bury(c);
	lat_chan_reap(p);
	lat_peer_sessions_end(p);
	free(p->stash);
	free(p->answers);
	lat_idmap_fini(&p->reqs_in);
	lat_idmap_fini(&p->reqs_out);
	lat_numtab_fini(&p->nums_in);
	lat_numtab_fini(&p->nums_out);
	lat_channum_fini(&p->numbers);
	lat_recovery_fini(&p->rec);
	if (p->psk != NULL)
		p->engine->ops->secret_put(p->engine->ctx, p->psk);
	free(p);
}

/* ---- slots ---- */

static void put_previous(struct lat_peer *p, struct lat_session *s)
{
	if (p->slot[LAT_SLOT_PREVIOUS] != NULL)
		lat_session_erase(p->slot[LAT_SLOT_PREVIOUS]);
	p->slot[LAT_SLOT_PREVIOUS] = s;
}

static void reopen_waiting(struct lat_peer *p)
{
	struct lat_chan *c;

	DL_FOREACH(p->chans, c)
		if (!c->inbound)
			lat_chan_out_reopen((struct lat_chan_out *)c);
}

static void check_boot(struct lat_peer *p, const struct lat_session *s)
{
	bool changed = p->boot_known && p->boot_id != s->boot_id;

	p->boot_known = true;
	p->boot_id = s->boot_id;
	if (!changed)
		return;
	/* It lost its state: what was open is gone, and the old sessions are deaf. */
	lat_peer_chans_end(p, -ECONNRESET, false, true);
	p->answer_count = 0;
	for (int i = 0; i < LAT_SLOT_COUNT; i++)
		if (p->slot[i] != NULL && p->slot[i] != s && p->slot[i]->boot_id != s->boot_id)
			lat_session_erase(p->slot[i]);
}

static void make_current(struct lat_peer *p, struct lat_session *s)
{
	struct lat_session *old;

	check_boot(p, s);
	old = p->slot[LAT_SLOT_CURRENT];
	if (old != NULL) {
		p->rekeys++;
		put_previous(p, old);
	}
	p->slot[LAT_SLOT_CURRENT] = s;
	p->handshakes++;
	if (!lat_path_equal(&p->path, &s->path)) {
		lat_recovery_restart(&p->rec);
		lat_pmtu_init(&p->pmtu);
	}
	lat_pmtu_limit(&p->pmtu, s->udp_max);
	p->path = s->path;
	if (s->path.proto == LAT_PROTO_TCP && !s->initiator) {
		/* Who called has a port of no meaning: it is called where the configuration says, or not at all. */
		p->path.family = 0;
		if (p->call.proto == LAT_PROTO_TCP)
			p->path = p->call;
	}
	p->path.node = p->node;
	p->path.conn = 0;
	p->good = s->path;
	p->max_msg = s->max_msg;
	p->want_connect = false;
	p->want_rekey = false;
	p->backoff_ns = 0;
	p->attempt_after_ns = 0;
	p->down_since_ns = 0;
	p->held_out = false;
	p->rec.pto_count = 0;
	p->await_since_ns = 0;
	p->heard_ns = p->engine->now;
	p->conn_down = false;
	p->blocked = false; /* the way before may have been another */
	s->want_params = true;
	if (old != NULL) {
		old->want_params = false;
		old->want_confirm = false;
		lat_session_requeue(old);
	}
	reopen_waiting(p);
	lat_peer_state_set(p, LAT_PEER_UP, 0);
	lat_peer_touch(p);
}

static void make_loser(struct lat_peer *p, struct lat_session *s)
{
	s->loser = true;
	put_previous(p, s);
}

static bool theirs_wins(const struct lat_peer *p)
{
	return memcmp(p->pub.fp, p->engine->me.fp, LAT_ID) < 0;
}

void lat_peer_session_made(struct lat_peer *p, uint64_t now, struct lat_session *s)
{
	const struct lat_session *cur = p->slot[LAT_SLOT_CURRENT];
	/* Crossed: they were confirmed here only after our M1 went out. The same process, or it is a restart. */
	bool crossed = cur != NULL && !cur->initiator && cur->boot_id == s->boot_id && cur->opened &&
		       cur->first_open_ns >= s->m1_ns;

	p->handshake_ns = now - s->m1_ns;
	if (crossed && theirs_wins(p) && !lat_fault(LAT_FAULT_CROSSED)) {
		make_loser(p, s);
		return;
	}
	s->want_confirm = true;
	s->confirm_retry_ns = (uint64_t)LAT_HS_RETRY_NS;
	make_current(p, s);
}

void lat_peer_session_next(struct lat_peer *p, struct lat_session *s)
{
	if (p->slot[LAT_SLOT_NEXT] != NULL)
		lat_session_erase(p->slot[LAT_SLOT_NEXT]);
	if (lat_fault(LAT_FAULT_UNCONFIRMED))
		make_current(p, s);
	else
		p->slot[LAT_SLOT_NEXT] = s;
}

void lat_peer_session_opened(struct lat_peer *p, uint64_t now, struct lat_session *s)
{
	const struct lat_session *cur = p->slot[LAT_SLOT_CURRENT];
	bool crossed;

	if (s->half != NULL) {
		struct lat_half *h = s->half;

		p->handshake_ns = now - h->born_ns;
		h->session = NULL;
		h->idx = 0; /* the session keeps it */
		s->half = NULL;
		lat_half_drop(h);
	}
	if (p->slot[LAT_SLOT_NEXT] != s)
		return;
	p->slot[LAT_SLOT_NEXT] = NULL;
	/* Crossed: their M1 came before anything of theirs had opened in ours. */
	crossed = cur != NULL && cur->initiator && cur->boot_id == s->boot_id &&
		  (!cur->opened || cur->first_open_ns > s->m1_ns);
	if (crossed && (!theirs_wins(p) || lat_fault(LAT_FAULT_CROSSED))) {
		make_loser(p, s);
		return;
	}
	if (p->attempt != NULL && theirs_wins(p))
		lat_attempt_drop(p); /* it could only lose */
	make_current(p, s);
}

void lat_peer_sessions_end(struct lat_peer *p)
{
	lat_attempt_drop(p);
	lat_half_drop_peer(p);
	for (int i = 0; i < LAT_SLOT_COUNT; i++)
		if (p->slot[i] != NULL)
			lat_session_erase(p->slot[i]);
	p->closing = false;
	free(p->stash);
	p->stash = NULL;
	p->rec.pto_at_ns = UINT64_MAX;
	p->await_since_ns = 0;
	p->owe_since_ns = 0;
	p->ping_count = 0;
	p->pong_count = 0;
	p->answer_count = 0;
}

void lat_peer_chans_end(struct lat_peer *p, int err, bool opening_too, bool drain)
{
	struct lat_chan *c, *tmp;

	DL_FOREACH_SAFE(p->chans, c, tmp) {
		struct lat_chan_out *co = (struct lat_chan_out *)c;

		if (c->inbound)
			lat_chan_in_end((struct lat_chan_in *)c, err, drain);
		else if (co->state != LAT_OUT_OPENING)
			lat_chan_out_end(co, err, lat_sendq_acked_seq(&co->q));
		else if (opening_too)
			lat_chan_out_end(co, err == -ECONNRESET ? -EHOSTUNREACH : err, 0);
	}
}

/* ---- CLOSE ---- */

static void send_close(struct lat_peer *p, uint64_t now)
{
	struct lat_session *s = p->slot[LAT_SLOT_CURRENT];

	p->close_at_ns = now + lat_recovery_pto(&p->rec);
	if (s != NULL)
		(void)!lat_out_close(s, now, p->close_code);
}

static int close_errno(uint16_t code)
{
	int err = lat_code_to_errno(code);

	return err == 0 ? -ESHUTDOWN : err;
}

static void after_eproto(struct lat_peer *p, uint64_t now, uint16_t code)
{
	if (code == LAT_CODE_EPROTO) {
		p->attempt_after_ns = now + (uint64_t)LAT_HS_AFTER_EPROTO_NS;
		lat_peer_state_set(p, LAT_PEER_DOWN, -EPROTO);
	} else {
		lat_peer_state_set(p, LAT_PEER_IDLE, 0);
	}
}

void lat_peer_close_start(struct lat_peer *p, uint64_t now, uint16_t code)
{
	uint64_t last = 3 * lat_recovery_pto(&p->rec);
	struct lat_session *cur = p->slot[LAT_SLOT_CURRENT];

	if (p->closing)
		return;
	lat_peer_chans_end(p, close_errno(code), true, true);
	lat_attempt_drop(p);
	lat_half_drop_peer(p);
	for (int i = 0; i < LAT_SLOT_COUNT; i++)
		if (p->slot[i] != NULL && p->slot[i] != cur)
			lat_session_erase(p->slot[i]);
	p->want_connect = false;
	p->want_rekey = false;
	p->own_boot_id = ++p->engine->boot_id;
	after_eproto(p, now, code);
	if (cur == NULL) {
		lat_peer_sessions_end(p);
		return;
	}
	p->closing = true;
	p->close_code = code;
	p->close_until_ns = now + (last > (uint64_t)LAT_CLOSE_MIN_NS ? last : (uint64_t)LAT_CLOSE_MIN_NS);
	send_close(p, now);
	lat_peer_touch(p);
}

void lat_peer_close_received(struct lat_peer *p, uint64_t now, struct lat_session *s, uint16_t code)
{
	if (!p->closing) {
		if (lat_session_may_send(s))
			(void)!lat_out_close(s, now, code);
		lat_peer_chans_end(p, close_errno(code), true, true);
		p->want_connect = false;
		p->want_rekey = false;
		after_eproto(p, now, code);
	}
	lat_peer_sessions_end(p);
	lat_peer_touch(p);
}

void lat_peer_closing_packet(struct lat_peer *p, uint64_t now)
{
	/* It has not heard yet. Once a millisecond is often enough. */
	if (p->close_at_ns > now + (uint64_t)LAT_NS_PER_MS)
		p->close_at_ns = now + (uint64_t)LAT_NS_PER_MS;
	lat_peer_touch(p);
}

static uint64_t run_closing(struct lat_peer *p, uint64_t now)
{
	if (now >= p->close_until_ns) {
		lat_peer_sessions_end(p);
		return now;
	}
	if (now >= p->close_at_ns)
		send_close(p, now);
	return min64(p->close_until_ns, p->close_at_ns);
}

/* ---- STALE ---- */

static bool is_from(const struct lat_peer *p, const struct lat_path *from)
{
	if (from->proto == LAT_PROTO_TCP) /* who called has a port of no meaning */
		return from->node == p->node || (from->node == 0 && lat_path_same_source(from, &p->call));
	return lat_path_equal(from, &p->path) || lat_path_equal(from, &p->call);
}

/* Anybody may ask us to look through all peers; so not more often than this. */
static bool look_rate(struct lat_engine *e, uint64_t now)
{
	return lat_bucket_take(&e->stale_look_rate, now, LAT_STALE_LOOKS_PER_S, LAT_STALE_LOOKS_PER_S);
}

void lat_peer_stale(struct lat_engine *e, uint64_t now, const struct lat_path *from, const uint8_t *packet,
		    size_t bytes)
{
	struct lat_stale stale;
	struct lat_peer *p;

	if (lat_stale_decode(&stale, packet, bytes) < 0 || !look_rate(e, now)) {
		lat_count(e, LAT_COUNT_HS_STATE);
		return;
	}
	DL_FOREACH(e->peer_list, p) {
		if (!is_from(p, from))
			continue;
		for (int i = 0; i < LAT_SLOT_COUNT; i++) {
			struct lat_session *s = p->slot[i];

			if (s == NULL || s->idx_remote != stale.idx || !s->peer_stale_known ||
			    !lat_equal_ct(s->peer_stale, stale.token, sizeof(stale.token)))
				continue;
			p->want_connect = p->want_connect || (i == LAT_SLOT_CURRENT && !p->closing);
			lat_session_erase(s);
			return;
		}
	}
	lat_count(e, LAT_COUNT_HS_STATE);
}

void lat_peer_stale_answer(struct lat_engine *e, uint64_t now, const struct lat_path *from, uint32_t idx)
{
	struct lat_stale stale = { .idx = idx };
	uint8_t packet[LAT_STALE_LEN];
	struct lat_peer *p;

	if (!look_rate(e, now))
		return;
	DL_FOREACH(e->peer_list, p)
		if (is_from(p, from))
			break;
	if (p == NULL ||
	    (p->stale_sent_ns != 0 &&
	     now - p->stale_sent_ns < (uint64_t)LAT_NS_PER_S / LAT_STALE_RATE_ADDR_PER_S) ||
	    !lat_bucket_take(&e->stale_rate, now, LAT_STALE_RATE_ALL_PER_S, LAT_STALE_RATE_ALL_PER_S))
		return;
	p->stale_sent_ns = now;
	lat_hs_stale_token(stale.token, e->key->seed, idx);
	lat_stale_encode(packet, &stale);
	(void)!lat_engine_reply(e, from, packet, sizeof(packet));
}

/* ---- what is due ---- */

static bool needs_session(const struct lat_peer *p)
{
	if (p->want_connect || p->busy_count > 0)
		return true;
	/* While it is down, its channels are a reason to find out whether it still is. */
	return !p->held_out && (p->todo != NULL || (p->down_since_ns != 0 && p->chans != NULL));
}

static void expire_sessions(struct lat_peer *p, uint64_t now)
{
	for (int i = 0; i < LAT_SLOT_COUNT; i++) {
		struct lat_session *s = p->slot[i];

		if (s != NULL && now - s->born_ns >= (uint64_t)LAT_REJECT_AFTER_TIME_NS)
			lat_session_erase(s);
	}
	if (p->slot[LAT_SLOT_CURRENT] == NULL && p->state == LAT_PEER_UP) {
		p->await_since_ns = 0;
		p->owe_since_ns = 0;
		lat_peer_state_set(p, p->attempt != NULL ? LAT_PEER_CONNECTING : LAT_PEER_IDLE, 0);
	}
}

static uint64_t rekey_at(const struct lat_session *s)
{
	/* A transient connection is not opened for that: it will be renewed when it is used. */
	if (!s->sent_data || (s->peer->unconnected && s->peer->path.transient))
		return UINT64_MAX;
	return s->born_ns + (uint64_t)(s->initiator ? LAT_REKEY_AFTER_TIME_INITIATOR_NS
						    : LAT_REKEY_AFTER_TIME_RESPONDER_NS);
}

static uint64_t dead_at(const struct lat_peer *p)
{
	return p->await_since_ns == 0 ? UINT64_MAX : p->await_since_ns + (uint64_t)LAT_DEAD_NS;
}

static uint64_t keepalive_at(const struct lat_peer *p)
{
	return p->owe_since_ns == 0 ? UINT64_MAX : p->owe_since_ns + (uint64_t)LAT_KEEPALIVE_NS;
}

/*
 * Something is open, and all of it waits for the peer, for credit say: nothing is on its way whose loss would be noticed. A peer that has
 * forgotten the session is found out by asking.
 */
static uint64_t ask_at(const struct lat_peer *p)
{
	return p->busy_count == 0 || p->rec.flight_bytes > 0 || p->await_since_ns != 0
		       ? UINT64_MAX
		       : p->heard_ns + (uint64_t)LAT_KEEPALIVE_NS;
}

static void run_current(struct lat_peer *p, uint64_t now)
{
	struct lat_session *s = p->slot[LAT_SLOT_CURRENT];

	if (s == NULL)
		return;
	if (s->initiator && !s->opened && now >= s->confirm_at_ns)
		s->want_confirm = true;
	if (now >= keepalive_at(p)) {
		p->owe_since_ns = now;
		s->want_keepalive = true;
	}
	if (now >= ask_at(p)) {
		p->heard_ns = now;
		s->want_params = true; /* it is to be acknowledged */
	}
	if (now >= dead_at(p) && !p->want_rekey && p->attempt == NULL)
		p->engine->ops->path_silent(p->engine->ctx, p->node);
	if (now >= rekey_at(s) || now >= dead_at(p))
		p->want_rekey = true;
}

/* Starts an attempt where one is wanted; when one may be started, if not now. */
static uint64_t run_wanted(struct lat_peer *p, uint64_t now)
{
	bool live = p->slot[LAT_SLOT_CURRENT] != NULL;
	int rc;

	if (p->attempt != NULL || !(live ? p->want_rekey : needs_session(p)))
		return UINT64_MAX;
	if (now < p->attempt_after_ns)
		return p->attempt_after_ns;
	rc = lat_attempt_start(p, now);
	if (rc == 0)
		return UINT64_MAX;
	if (rc == -EDESTADDRREQ) {
		/* It has to call us. */
		if (p->down_since_ns == 0 && !live)
			p->down_since_ns = now;
		return UINT64_MAX;
	}
	p->attempt_after_ns = now + (uint64_t)LAT_NS_PER_S;
	return p->attempt_after_ns;
}

static uint64_t run_hold(struct lat_peer *p, uint64_t now)
{
	uint64_t end = p->down_since_ns + (uint64_t)LAT_HOLD_NS;
	struct lat_chan *c, *tmp;

	if (p->down_since_ns == 0 || p->chans == NULL || p->held_out)
		return UINT64_MAX;
	if (now < end)
		return end;
	p->held_out = true;
	DL_FOREACH_SAFE(p->chans, c, tmp) {
		struct lat_chan_out *co = (struct lat_chan_out *)c;

		if (c->inbound)
			lat_chan_in_abandon((struct lat_chan_in *)c, LAT_CODE_ECONNRESET, true);
		else
			lat_chan_out_abandon(co, co->state == LAT_OUT_OPENING ? -EHOSTUNREACH : -ECONNRESET);
	}
	return UINT64_MAX;
}

static uint64_t session_due(const struct lat_peer *p, int slot)
{
	const struct lat_session *s = p->slot[slot];
	uint64_t due;

	if (s == NULL)
		return UINT64_MAX;
	due = s->born_ns + (uint64_t)LAT_REJECT_AFTER_TIME_NS;
	if (!p->blocked && !p->conn_down && lat_session_may_send(s))
		due = min64(due, s->ack_due_ns);
	if (slot != LAT_SLOT_CURRENT)
		return due;
	if (s->initiator && !s->opened)
		due = min64(due, s->confirm_at_ns);
	due = min64(due, min64(keepalive_at(p), ask_at(p)));
	if (p->attempt == NULL && !p->want_rekey)
		due = min64(due, min64(rekey_at(s), dead_at(p)));
	return due;
}

uint64_t lat_peer_run(struct lat_peer *p, uint64_t now)
{
	uint64_t due = UINT64_MAX;

	lat_chan_reap(p);
	if (p->closing)
		return run_closing(p, now);
	lat_attempt_run(p, now);
	expire_sessions(p, now);
	due = min64(due, lat_loss_run(p, now));
	run_current(p, now);
	due = min64(due, run_wanted(p, now));
	due = min64(due, run_hold(p, now));
	due = min64(due, lat_chan_in_expire(p, now));
	lat_out_flush(p, now);
	lat_chan_reap(p);

	due = min64(due, lat_attempt_due(p));
	if (p->path.proto != LAT_PROTO_TCP)
		due = min64(due, min64(p->rec.pto_at_ns, lat_recovery_pace_at(&p->rec)));
	if (p->ask_at_ns > now && p->slot[LAT_SLOT_CURRENT] != NULL)
		due = min64(due, p->ask_at_ns);
	if (p->conn_down && p->slot[LAT_SLOT_CURRENT] != NULL)
		due = min64(due, p->conn_retry_ns);
	for (int i = 0; i < LAT_SLOT_COUNT; i++)
		due = min64(due, session_due(p, i));
	return due;
}

/*
 * Packets on their way out: what goes into one, in which order, and what happens when the transport has no room. All
 * DATA is made here. A packet is sealed only when it is about to be handed over, and one that the transport does not
 * take is kept, because over TCP nothing else would send it again.
 */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"

static const uint64_t conn_retry_ns = (uint64_t)LAT_NS_PER_S;

static bool tcp(const struct lat_peer *p)
{
	return p->path.proto == LAT_PROTO_TCP;
}

static bool may_send(struct lat_peer *p, uint64_t now)
{
	return tcp(p) ? p->rec.flight_bytes < LAT_FLIGHT_TCP_BYTES : lat_recovery_may_send(&p->rec, now);
}

size_t lat_out_window(const struct lat_peer *p)
{
	return tcp(p) ? (size_t)LAT_FLIGHT_TCP_BYTES : p->rec.cc->window;
}

/* Is so much in flight that nothing fits, however slowly? */
static bool full(const struct lat_peer *p)
{
	return p->rec.flight_bytes >= lat_out_window(p);
}

size_t lat_out_packet_max(const struct lat_session *s)
{
	/* The side that was called bounds a connection that has proved nothing (section 7): begin with something small. */
	if (tcp(s->peer))
		return s->peer->proven_conn != 0 ? LAT_TCP_MAX_PKT : LAT_UDP_BASE;
	return s->udp_max >= LAT_DATA_MIN_LEN + LAT_UNIT && s->udp_max < LAT_UDP_BASE ? s->udp_max
										      : s->peer->pmtu.now;
}

int lat_out_begin(struct lat_out *o, struct lat_session *s, struct lat_tx_lane *lane)
{
	struct lat_engine *e = s->peer->engine;
	uint64_t counter = lat_sent_counter(&lane->sent);
	int rc;

	if (counter >= LAT_REJECT_AFTER_PACKETS)
		return -EOVERFLOW;
	if (counter >= LAT_REKEY_AFTER_PACKETS)
		s->peer->want_rekey = true;
	rc = lat_sent_reserve(&lane->sent);
	if (rc < 0)
		return rc;
	o->session = s;
	o->lane = lane;
	o->refs = 0;
	o->eliciting = false;
	o->real = false;
	o->timed = false;
	return lat_writer_init(&o->w, e->packet + LAT_DATA_HDR, lat_out_packet_max(s) - LAT_DATA_OVERHEAD,
			       e->node);
}

bool lat_out_empty(const struct lat_out *o)
{
	return o->w.len <= LAT_DATA_NODE_LEN;
}

bool lat_out_full(const struct lat_out *o)
{
	return o->refs >= LAT_SENT_FRAMES_MAX;
}

void lat_out_note(struct lat_out *o, uint8_t type, uint64_t seq, uint32_t off, const void *body, uint32_t len)
{
	o->ref[o->refs++] = (struct lat_sent_frame){
		.kind = LAT_SENT_CONTROL, .type = type, .seq = seq, .off = off, .body = body, .len = len
	};
	if (type == LAT_FRAME_ACK)
		return;
	o->eliciting = true;
	o->real = o->real || (type != LAT_FRAME_PARAMS && type != LAT_FRAME_PAD);
}

/* The transport refused. Over UDP the packet counts as lost; over TCP all goes again on the next connection. */
static void path_failed(struct lat_peer *p, uint64_t now)
{
	if (!tcp(p))
		return;
	p->conn_down = true;
	p->conn_retry_ns = now + conn_retry_ns;
	for (int i = 0; i < LAT_SLOT_COUNT; i++)
		if (p->slot[i] != NULL)
			lat_session_requeue(p->slot[i]);
}

static int transmit(struct lat_peer *p, uint64_t now, const uint8_t *packet, size_t bytes)
{
	struct lat_engine *e = p->engine;
	struct lat_path to = p->path;
	int rc;

	to.node = p->node;
	rc = e->ops->transmit(e->ctx, &to, packet, bytes);
	if (rc == 0) {
		p->unconnected = false;
		p->packets_out++;
		p->bytes_out += bytes;
	} else if (rc != -EAGAIN) {
		path_failed(p, now);
	}
	return rc;
}

static int stash(struct lat_peer *p, uint64_t now, const uint8_t *packet, size_t bytes)
{
	p->blocked = true;
	/* Only a CLOSE goes out past one that is kept, and after it nothing else counts. */
	free(p->stash);
	p->stash = malloc(bytes);
	if (p->stash == NULL) {
		path_failed(p, now);
		return -ENOMEM;
	}
	memcpy(p->stash, packet, bytes);
	p->stash_bytes = bytes;
	return -EAGAIN;
}

/* The PINGs of a packet that was sealed from @begin to @end and handed over just now. */
static void time_pings(struct lat_peer *p, uint64_t begin, uint64_t end)
{
	for (uint32_t i = 0; i < p->ping_count; i++) {
		struct lat_ping *ping = &p->pings[i];

		if (!ping->sent || ping->sealed_ns != 0)
			continue;
		ping->sealed_ns = begin;
		ping->crypto_ns = end - begin;
		ping->handed_ns = lat_engine_clock(p->engine);
	}
}

int lat_out_finish(struct lat_out *o, uint64_t now)
{
	struct lat_session *s = o->session;
	struct lat_peer *p = s->peer;
	struct lat_engine *e = p->engine;
	uint64_t counter = lat_sent_counter(&o->lane->sent);
	uint64_t begin = o->timed ? lat_engine_clock(e) : 0;
	size_t n = lat_data_seal(o->lane->key, e->packet, o->lane->num, s->idx_remote, counter, o->w.len);
	uint64_t end = o->timed ? lat_engine_clock(e) : 0;
	size_t refs = o->eliciting ? o->refs : 0;
	uint64_t sent_ns;
	int rc;

	sent_ns = lat_recovery_stamp(&p->rec, now);
	if (o->eliciting) {
		lat_recovery_sent(&p->rec, now, n);
		lat_loss_watch(o->lane);
	}
	rc = lat_sent_add(&o->lane->sent, sent_ns, (uint32_t)n, o->eliciting, o->ref, refs);
	if (rc < 0 && o->eliciting) {
		const struct lat_sent_record rec = { .counter = counter,
						     .time_ns = sent_ns,
						     .bytes = (uint32_t)n,
						     .eliciting = true,
						     .count = (uint16_t)refs,
						     .frames = o->ref };

		lat_loss_record(o->lane, &rec);
		return rc;
	}
	p->owe_since_ns = 0;
	s->sent_data = s->sent_data || o->real;
	if (o->eliciting && p->await_since_ns == 0)
		p->await_since_ns = now;
	if (o->real)
		lat_pmtu_used(&p->pmtu, now);
	rc = transmit(p, now, e->packet, n);
	if (o->timed)
		time_pings(p, begin, end);
	if (rc == -EMSGSIZE && !tcp(p))
		lat_pmtu_refused(&p->pmtu, now, n);
	return rc == -EAGAIN ? stash(p, now, e->packet, n) : rc;
}

/* False: there is something kept, and still no room for it. */
static bool flush_stash(struct lat_peer *p, uint64_t now)
{
	int rc;

	if (p->stash == NULL)
		return true;
	rc = transmit(p, now, p->stash, p->stash_bytes);
	if (rc == -EAGAIN) {
		p->blocked = true;
		return false;
	}
	free(p->stash);
	p->stash = NULL;
	return rc == 0;
}

/* ---- control packets ---- */

bool lat_out_answer(struct lat_peer *p, uint8_t type, const void *body, size_t len)
{
	struct lat_answer *a;

	if (p->answers == NULL)
		p->answers = calloc(LAT_ANSWERS_MAX, sizeof(*p->answers));
	if (p->answers == NULL || p->answer_count == LAT_ANSWERS_MAX || len > sizeof(a->body))
		return false;
	a = &p->answers[p->answer_count++];
	a->type = type;
	a->len = (uint8_t)len;
	memcpy(a->body, body, len);
	lat_peer_touch(p);
	return true;
}

static bool unsent_ping(const struct lat_peer *p)
{
	return p->ping_count > 0 && !p->pings[p->ping_count - 1].sent;
}

void lat_out_ping(struct lat_peer *p, uint64_t token, bool internal)
{
	if (p->ping_count == LAT_PINGS_MAX) { /* the oldest will not be answered any more */
		p->ping_count--;
		memmove(&p->pings[0], &p->pings[1], p->ping_count * sizeof(p->pings[0]));
	}
	p->pings[p->ping_count++] = (struct lat_ping){
		.token = token, .internal = internal, .asked_ns = internal ? 0 : lat_engine_clock(p->engine)
	};
	lat_peer_touch(p);
}

static bool control_pending(const struct lat_session *s)
{
	const struct lat_peer *p = s->peer;

	return s->want_params || s->want_confirm || p->todo != NULL || p->answer_count > 0 ||
	       p->pong_count > 0 || unsent_ping(p);
}

static void append_params(struct lat_out *o)
{
	struct lat_session *s = o->session;
	struct lat_engine *e = s->peer->engine;
	struct lat_frame_params params = { .max_chan = LAT_MAX_CHAN,
					   .rcv_mem = (uint32_t)s->peer->budget.max };

	if (!s->want_params)
		return;
	lat_hs_stale_token(params.stale_token, e->key->seed, s->idx_local);
	if (lat_frame_params_encode(&o->w, &params) < 0)
		return;
	lat_out_note(o, LAT_FRAME_PARAMS, 0, 0, NULL, 0);
	s->want_params = false;
}

static uint32_t as_u32(uint64_t ns)
{
	return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static void append_pongs(struct lat_out *o)
{
	struct lat_peer *p = o->session->peer;
	uint64_t clock = p->pong_count > 0 ? lat_engine_clock(p->engine) : 0;
	uint32_t done = 0;

	for (; done < p->pong_count; done++) {
		const struct lat_pong *pong = &p->pongs[done];
		uint64_t held = clock > pong->came_ns ? clock - pong->came_ns : 0;
		const struct lat_frame_pong f = {
			.token = pong->token,
			.queue_ns = as_u32(held > pong->crypto_ns ? held - pong->crypto_ns : 0),
			.crypto_ns = as_u32(pong->crypto_ns),
		};

		if (lat_frame_pong_encode(&o->w, &f) < 0)
			break;
	}
	p->pong_count -= done;
	memmove(p->pongs, p->pongs + done, p->pong_count * sizeof(p->pongs[0]));
}

static void append_pings(struct lat_out *o)
{
	struct lat_peer *p = o->session->peer;
	uint32_t kept = 0;
	bool room = true;

	for (uint32_t i = 0; i < p->ping_count; i++) {
		struct lat_ping *ping = &p->pings[i];

		if (!ping->sent && room && (room = lat_frame_ping_encode(&o->w, ping->token) == 0)) {
			ping->sent = true;
			o->eliciting = true;
			o->timed = o->timed || !ping->internal;
			o->real = o->real || !ping->internal;
		}
		if (!ping->internal || !ping->sent) /* nobody waits for the answer to one of our own */
			p->pings[kept++] = *ping;
	}
	p->ping_count = kept;
}

/* Returns how many went in. The notes point into the table, so they are taken out of it when the packet is finished. */
static uint32_t append_answers(struct lat_out *o)
{
	const struct lat_peer *p = o->session->peer;
	uint32_t done = 0;

	while (done < p->answer_count && !lat_out_full(o)) {
		const struct lat_answer *a = &p->answers[done];

		if (lat_frame_encode(&o->w, a->type, 0, a->body, a->len) < 0)
			break;
		lat_out_note(o, a->type, 0, 0, a->body, a->len);
		done++;
	}
	return done;
}

static void answers_sent(struct lat_peer *p, uint32_t done)
{
	p->answer_count -= done;
	if (p->answer_count > 0)
		memmove(p->answers, p->answers + done, p->answer_count * sizeof(p->answers[0]));
}

static void own_ping(struct lat_peer *p)
{
	uint64_t token;

	p->engine->ops->random(p->engine->ctx, &token, sizeof(token));
	lat_out_ping(p, token, true);
}

void lat_out_probe(struct lat_peer *p)
{
	if (p->todo == NULL && p->ready == NULL && p->answer_count == 0 && !unsent_ping(p))
		own_ping(p);
}

/* Confirmation (section 3): PARAMS, then PING if there is nothing else, again and again until DATA arrives. */
static void append_confirm(struct lat_out *o, uint64_t now)
{
	struct lat_session *s = o->session;
	struct lat_peer *p = s->peer;

	if (!s->want_confirm)
		return;
	s->want_confirm = false;
	s->confirm_at_ns = tcp(p) ? UINT64_MAX : now + lat_engine_jitter(p->engine, s->confirm_retry_ns);
	s->confirm_retry_ns *= 2;
	if (s->confirm_retry_ns > (uint64_t)LAT_HS_RETRY_CAP_NS)
		s->confirm_retry_ns = (uint64_t)LAT_HS_RETRY_CAP_NS;
	s->want_params = true;
	append_params(o);
	if (p->todo != NULL || p->ready != NULL || p->ping_count > 0)
		return;
	own_ping(p);
}

static int build_control(struct lat_session *s, uint64_t now, bool all)
{
	struct lat_peer *p = s->peer;
	struct lat_out o;
	struct lat_chan *c, *tmp;
	uint32_t answers = 0;
	int rc = lat_out_begin(&o, s, &s->tx);

	if (rc < 0)
		return rc;
	lat_ack_append(&o, now);
	if (all) {
		append_confirm(&o, now);
		append_params(&o);
		DL_FOREACH_SAFE2(p->todo, c, tmp, todo_next)
		{
			bool fits = c->inbound ? lat_chan_in_control((struct lat_chan_in *)c, &o)
					       : lat_chan_out_control((struct lat_chan_out *)c, &o);

			if (!fits)
				break;
		}
		answers = append_answers(&o);
		append_pongs(&o);
		append_pings(&o);
	}
	if (lat_out_empty(&o) && !s->want_keepalive)
		return 0;
	s->want_keepalive = false;
	rc = lat_out_finish(&o, now);
	answers_sent(p, answers);
	return rc < 0 ? rc : 1;
}

/* ---- data packets ---- */

static int build_data(struct lat_session *s, uint64_t now)
{
	struct lat_peer *p = s->peer;
	struct lat_chan_out *co = p->ready;
	struct lat_tx_lane *lane = lat_session_tx_lane(s, co);
	struct lat_out o;
	int rc;

	/* Round robin: whoever had his packet goes to the end. */
	DL_DELETE2(p->ready, co, ready_prev, ready_next);
	DL_APPEND2(p->ready, co, ready_prev, ready_next);
	if (lane == NULL)
		return -ENOMEM;
	rc = lat_out_begin(&o, s, lane);
	if (rc < 0)
		return rc;
	lat_ack_append(&o, now);
	lat_chan_out_data(co, &o);
	lat_chan_out_update(co);
	if (lat_out_empty(&o))
		return 0;
	rc = lat_out_finish(&o, now);
	return rc < 0 ? rc : 1;
}

/* A PING, filled up to what is tried (section 7). */
static void build_probe(struct lat_session *s, uint64_t now)
{
	struct lat_peer *p = s->peer;
	uint16_t bytes = unsent_ping(p)
				 ? 0
				 : lat_pmtu_next(&p->pmtu, now); /* it would take others' PINGs along */
	struct lat_out o;
	size_t pad;

	if (bytes == 0)
		return;
	if (lat_out_begin(&o, s, &s->tx) < 0) {
		lat_pmtu_probe_forgotten(&p->pmtu);
		return;
	}
	o.w.cap = bytes - LAT_DATA_OVERHEAD;
	own_ping(p);
	append_pings(&o);
	pad = lat_writer_room(&o.w);
	if (pad >= LAT_FRAME_HDR && lat_frame_pad_encode(&o.w, pad - LAT_FRAME_HDR) == 0)
		lat_out_note(&o, LAT_FRAME_PAD, 0, bytes, NULL, 0);
	(void)!lat_out_finish(&o, now);
}

void lat_out_flush(struct lat_peer *p, uint64_t now)
{
	struct lat_session *s;

	if (p->conn_down && now >= p->conn_retry_ns)
		p->conn_down = false;
	if (p->conn_down || p->blocked || !flush_stash(p, now))
		return;
	for (int i = 0; i < LAT_SLOT_COUNT; i++) {
		s = p->slot[i];
		if (s == NULL || i == LAT_SLOT_CURRENT || s->ack_due_ns > now || !lat_session_may_send(s))
			continue;
		if (build_control(s, now, false) < 0)
			return;
	}
	s = p->slot[LAT_SLOT_CURRENT];
	if (s == NULL)
		return;
	/* The peer closes whatever brings DATA that it cannot open: let the handshake through first (section 7). */
	if (tcp(p) && p->attempt != NULL && p->closes_in_a_row >= LAT_CLOSES_MAX)
		return;
	while ((control_pending(s) || p->ready != NULL) && may_send(p, now)) {
		int rc;

		rc = control_pending(s) ? build_control(s, now, true) : 0;
		if (rc == 0 && p->ready != NULL)
			rc = build_data(s, now);
		if (rc < 0)
			return;
		if (rc == 0)
			break;
	}
	if (!tcp(p) && !p->blocked && p->rec.flight_bytes < p->rec.cc->window)
		build_probe(s, now);
	if (s->ack_due_ns <= now || s->want_keepalive)
		(void)!build_control(s, now, false);
}

int lat_out_close(struct lat_session *s, uint64_t now, uint16_t code)
{
	struct lat_out o;
	int rc = lat_out_begin(&o, s, &s->tx);

	if (rc < 0)
		return rc;
	rc = lat_frame_close_encode(&o.w, code);
	return rc < 0 ? rc : lat_out_finish(&o, now);
}

int lat_out_net(struct lat_peer *p, uint64_t now, const void *data, size_t bytes)
{
	struct lat_session *s = p->slot[LAT_SLOT_CURRENT];
	struct lat_out o;
	int rc;

	if (bytes > lat_out_packet_max(s) - LAT_DATA_OVERHEAD - LAT_DATA_NODE_LEN - LAT_FRAME_HDR)
		return -EMSGSIZE;
	if (p->conn_down || p->blocked || full(p))
		return -EAGAIN;
	/* What asks for a connection is not sent by it as it is, and this would not be sent again. */
	if (p->unconnected)
		s->want_confirm = true;
	if (control_pending(s))
		lat_out_flush(p, now); /* PARAMS come first in a session */
	if (p->unconnected || p->conn_down || p->blocked || !flush_stash(p, now))
		return -EAGAIN;
	rc = lat_out_begin(&o, s, &s->tx);
	if (rc < 0)
		return -EAGAIN;
	rc = lat_frame_net_encode(&o.w, data, bytes);
	if (rc < 0)
		return rc;
	o.eliciting = true;
	o.real = true;
	lat_ack_append(&o, now);
	rc = lat_out_finish(&o, now);
	/* Kept, or as good as lost on the way: accepted either way. */
	return rc == -ENOMEM || rc == -ENOBUFS ? -EAGAIN : 0;
}

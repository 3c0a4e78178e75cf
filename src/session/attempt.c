/*
 * The calling side of a handshake (PROTOCOL section 3, table of section 10): one attempt per peer, and the only side
 * with timers. What cannot be opened changes nothing.
 */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "session/fault.h"

struct attempt_input {
	uint64_t now;
	const uint8_t *packet; /* of the event, or NULL */
};

void lat_hs_own_params(const struct lat_peer *p, struct lat_hs_params *out)
{
	const struct lat_engine *e = p->engine;

	*out = (struct lat_hs_params){
		.ver_max = LAT_LWP_VERSION,
		.ver_min = LAT_LWP_VERSION,
		.node = e->node,
		.boot_id = p->own_boot_id,
		.udp_max = e->udp_max,
		.max_msg = e->max_msg,
	};
}

int lat_hs_check_params(const struct lat_peer *p, const struct lat_hs_params *params)
{
	if (params->node != p->node || params->ver_min > LAT_LWP_VERSION || params->ver_max < LAT_LWP_VERSION)
		return -EPROTO;
	return 0;
}

static void send_packet(struct lat_attempt *a)
{
	int rc = lat_engine_reply(a->peer->engine, &a->path, a->packet, LAT_M1_LEN);

	a->unsent = rc < 0;
	if (rc == 0) {
		a->peer->packets_out++;
		a->peer->bytes_out += LAT_M1_LEN;
	} else if (rc != -EAGAIN && rc != -ENOTCONN) { /* no connection: it does not answer */
		a->err = rc;
	}
}

static void arm(struct lat_attempt *a, uint64_t now)
{
	a->retry_at_ns = now + lat_engine_jitter(a->peer->engine, a->retry_ns);
}

static int start(struct lat_attempt *a, const struct attempt_input *in)
{
	struct lat_peer *p = a->peer;
	struct lat_engine *e = p->engine;
	struct lat_hs_initiator_random rnd;
	struct lat_hs_params p1;
	uint32_t idx;
	int rc;

	a->hs = e->ops->secret_get(e->ctx);
	if (a->hs == NULL) {
		lat_count(e, LAT_COUNT_SECRETS);
		return -ENOBUFS;
	}
	idx = lat_engine_idx(e, &a->owner);
	if (idx == 0)
		return -ENOMEM;
	a->idx = idx;
	lat_hs_own_params(p, &p1);
	e->ops->random(e->ctx, &rnd, sizeof(rnd));
	rc = lat_hs_m1_make(a->hs, a->packet, a->e_m, &e->me, &p->pub, e->secret->mesh_key, &p1, idx, &rnd);
	lat_wipe(&rnd, sizeof(rnd));
	if (rc < 0)
		return rc;
	a->start_ns = in->now;
	a->giveup_ns = in->now + (uint64_t)LAT_HS_GIVEUP_NS;
	a->retry_ns = (uint64_t)LAT_HS_RETRY_NS;
	arm(a, in->now);
	send_packet(a);
	return 0;
}

/*
 * HS_RETRY. Over TCP only what the transport has not taken is tried again: the rest it will deliver, or the
 * connection will break and lat_attempt_resend() be called (section 7).
 */
static int resend(struct lat_attempt *a, const struct attempt_input *in)
{
	a->retry_ns *= 2;
	if (a->retry_ns > (uint64_t)LAT_HS_RETRY_CAP_NS)
		a->retry_ns = (uint64_t)LAT_HS_RETRY_CAP_NS;
	arm(a, in->now);
	if (a->path.proto != LAT_PROTO_TCP || a->unsent)
		send_packet(a);
	return 0;
}

static int take_cookie(struct lat_attempt *a, const struct attempt_input *in)
{
	uint8_t cookie[LAT_WIRE_COOKIE];
	int rc;

	if (a->cookie_taken)
		return -EPROTO;
	rc = lat_hs_cookie_open(cookie, &a->peer->pub, in->packet, a->packet);
	if (rc < 0)
		return rc;
	/* mac1 stays, so the same M1 goes out with mac2 at the next timer tick. */
	lat_hs_m1_set_mac2(a->packet, cookie);
	a->cookie_taken = true;
	lat_wipe(cookie, sizeof(cookie));
	return 0;
}

static int accept_m4(struct lat_attempt *a, const struct attempt_input *in);

static int accept_m2(struct lat_attempt *a, const struct attempt_input *in)
{
	struct lat_peer *p = a->peer;
	struct lat_engine *e = p->engine;
	struct lat_hs_params p3;
	int rc;

	lat_hs_own_params(p, &p3);
	rc = lat_hs_m2_open_m3_make(a->hs, in->packet, a->packet, a->e_m, e->key, p->psk, &p3);
	if (rc < 0 && lat_fault(LAT_FAULT_M2_OLD)) {
		a->hs->idx_r = lat_get_le32(in->packet + LAT_M2_IDX_R);
		a->hs->peer = p3;
		a->hs->peer.node = p->node;
	} else if (rc < 0) {
		return rc;
	}
	a->retry_ns = (uint64_t)LAT_HS_RETRY_NS;
	arm(a, in->now);
	send_packet(a);
	return lat_fault(LAT_FAULT_M4_SKIPPED) ? accept_m4(a, in) : 0;
}

static int accept_m4(struct lat_attempt *a, const struct attempt_input *in)
{
	struct lat_peer *p = a->peer;
	struct lat_hs_result *r = p->engine->ops->secret_get(p->engine->ctx);
	struct lat_session *s = NULL;
	uint32_t idx_i = a->hs->idx_i, idx_r = a->hs->idx_r;
	int rc;

	if (r == NULL) {
		lat_count(p->engine, LAT_COUNT_SECRETS);
		return -ENOBUFS;
	}
	rc = lat_hs_m4_open(a->hs, in->packet, r);
	if (rc == 0)
		rc = lat_session_new(&s, p, in->now, r, true, idx_i, idx_r);
	if (rc == 0) {
		s->m1_ns = a->start_ns;
		s->path = a->path;
		s->peer_stale_known = true;
		memcpy(s->peer_stale, r->peer_stale_token, sizeof(s->peer_stale));
		a->idx = 0; /* the session's now */
		lat_peer_session_made(p, in->now, s);
	}
	p->engine->ops->secret_put(p->engine->ctx, r);
	return rc;
}

static int give_up(struct lat_attempt *a, const struct attempt_input *in)
{
	struct lat_peer *p = a->peer;
	int err = a->err != 0 ? a->err : -EHOSTUNREACH;

	p->backoff_ns = p->backoff_ns == 0 ? (uint64_t)LAT_HS_BACKOFF_NS : p->backoff_ns * 2;
	if (p->backoff_ns > (uint64_t)LAT_HS_BACKOFF_CAP_NS)
		p->backoff_ns = (uint64_t)LAT_HS_BACKOFF_CAP_NS;
	p->attempt_after_ns = in->now + p->backoff_ns;
	p->want_connect = false;
	if (p->down_since_ns == 0)
		p->down_since_ns = in->now;
	lat_peer_state_set(p, LAT_PEER_DOWN, err);
	return 0;
}

/* An unlisted pair is refused. */
static const struct {
	int (*act)(struct lat_attempt *a, const struct attempt_input *in);
	enum lat_attempt_state to;
} table[LAT_ATTEMPT_STATES][LAT_ATTEMPT_EVENTS] = {
	[LAT_ATTEMPT_IDLE] = { [LAT_ATTEMPT_EV_START] = { start, LAT_ATTEMPT_SENT1 } },
	[LAT_ATTEMPT_SENT1] = { [LAT_ATTEMPT_EV_TIMER] = { resend, LAT_ATTEMPT_SENT1 },
				[LAT_ATTEMPT_EV_COOKIE] = { take_cookie, LAT_ATTEMPT_SENT1 },
				[LAT_ATTEMPT_EV_M2] = { accept_m2, LAT_ATTEMPT_SENT3 },
				[LAT_ATTEMPT_EV_GIVEUP] = { give_up, LAT_ATTEMPT_IDLE } },
	[LAT_ATTEMPT_SENT3] = { [LAT_ATTEMPT_EV_TIMER] = { resend, LAT_ATTEMPT_SENT3 },
				[LAT_ATTEMPT_EV_M4] = { accept_m4, LAT_ATTEMPT_IDLE },
				[LAT_ATTEMPT_EV_GIVEUP] = { give_up, LAT_ATTEMPT_IDLE } },
};

/* 0, -EPROTO where the table has nothing, or the action's error; the state moves only on success. */
static int step(struct lat_attempt *a, enum lat_attempt_event ev, uint64_t now, const uint8_t *packet)
{
	const struct attempt_input in = { .now = now, .packet = packet };
	enum lat_attempt_state from = a->state;
	int rc;

	if (table[from][ev].act == NULL)
		return -EPROTO;
	rc = table[from][ev].act(a, &in);
	if (rc == 0)
		a->state = table[from][ev].to;
	return rc;
}

static void wipe(struct lat_attempt *a)
{
	struct lat_engine *e = a->peer->engine;

	lat_idmap_del(&e->index, a->idx);
	if (a->hs != NULL)
		e->ops->secret_put(e->ctx, a->hs);
	lat_wipe(a, sizeof(*a));
	free(a);
}

int lat_attempt_start(struct lat_peer *p, uint64_t now)
{
	struct lat_attempt *a;
	struct lat_path path = p->call;
	int rc;

	if (p->attempt != NULL)
		return -EBUSY;
	/* A peer that calls us is called only to renew a live session, over the way that works. */
	if (path.proto == 0 && p->slot[LAT_SLOT_CURRENT] != NULL)
		path = p->path;
	if (path.proto == 0)
		return -EDESTADDRREQ;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	a->owner.kind = LAT_OWNER_ATTEMPT;
	a->peer = p;
	a->path = path;
	rc = step(a, LAT_ATTEMPT_EV_START, now, NULL);
	if (rc < 0) {
		wipe(a);
		return rc;
	}
	p->attempt = a;
	p->want_rekey = false;
	if (p->slot[LAT_SLOT_CURRENT] == NULL && p->state != LAT_PEER_DOWN)
		lat_peer_state_set(p, LAT_PEER_CONNECTING, 0);
	lat_peer_touch(p);
	return 0;
}

void lat_attempt_drop(struct lat_peer *p)
{
	struct lat_attempt *a = p->attempt;

	if (a == NULL)
		return;
	p->attempt = NULL;
	wipe(a);
	lat_peer_touch(p);
}

uint64_t lat_attempt_due(const struct lat_peer *p)
{
	const struct lat_attempt *a = p->attempt;

	if (a == NULL)
		return UINT64_MAX;
	return a->retry_at_ns < a->giveup_ns ? a->retry_at_ns : a->giveup_ns;
}

void lat_attempt_run(struct lat_peer *p, uint64_t now)
{
	struct lat_attempt *a = p->attempt;

	if (a == NULL)
		return;
	if (now >= a->giveup_ns) {
		(void)!step(a, LAT_ATTEMPT_EV_GIVEUP, now, NULL);
		lat_attempt_drop(p);
	} else if (now >= a->retry_at_ns) {
		(void)!step(a, LAT_ATTEMPT_EV_TIMER, now, NULL);
	}
}

void lat_attempt_resend(struct lat_attempt *a, uint64_t now)
{
	send_packet(a);
	arm(a, now);
}

void lat_attempt_packet(struct lat_attempt *a, uint64_t now, const struct lat_path *from, int type,
			const uint8_t *packet)
{
	static const enum lat_attempt_event events[] = {
		[LAT_PKT_M2] = LAT_ATTEMPT_EV_M2,
		[LAT_PKT_M4] = LAT_ATTEMPT_EV_M4,
		[LAT_PKT_COOKIE] = LAT_ATTEMPT_EV_COOKIE,
	};
	struct lat_peer *p = a->peer;
	struct lat_engine *e = p->engine;
	enum lat_attempt_event ev = events[type];
	int rc = step(a, ev, now, packet);

	if (rc < 0) {
		lat_count(e, rc == -EBADMSG ? LAT_COUNT_HS_OPEN : LAT_COUNT_HS_STATE);
		return;
	}
	if (ev == LAT_ATTEMPT_EV_M2 && lat_hs_check_params(p, &a->hs->peer) < 0) {
		/* Authentic and yet not what was configured: no resend will mend it. */
		lat_count(e, LAT_COUNT_HS_PARAMS);
		p->attempt_after_ns = now + (uint64_t)LAT_HS_AFTER_EPROTO_NS;
		p->want_connect = false;
		if (p->down_since_ns == 0)
			p->down_since_ns = now;
		lat_peer_state_set(p, LAT_PEER_DOWN, -EPROTO);
		lat_attempt_drop(p);
	} else if (ev == LAT_ATTEMPT_EV_M4) {
		e->ops->path_proven(e->ctx, from, p->node);
		lat_attempt_drop(p);
	}
	lat_peer_touch(p);
}

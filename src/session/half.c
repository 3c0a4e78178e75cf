/*
 * The called side of a handshake (PROTOCOL section 3, "Order of work at R"): entries that hold what M1 brought until
 * M3 proves who sent it. Until mac1 is right nothing is done and nothing is kept for a stranger; all tables are bounded.
 */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/bytes.h"
#include "base/util.h"
#include "crypto/hash.h"
#include "session/fault.h"

static void digest(uint8_t out[16], const uint8_t *data, size_t bytes)
{
	uint8_t h[LAT_HASH];

	lat_sha256(h, &(struct lat_bytes){ data, bytes }, 1);
	memcpy(out, h, 16);
}

/* ---- limits before any expensive work ---- */

static bool rate_ok(struct lat_engine *e, uint64_t now, const struct lat_path *from)
{
	uint8_t source[1 + 8 + 4] = { (uint8_t)(from->family | from->proto << 4) };
	uint8_t h[4];
	size_t bytes = from->family == 6 ? 8 : 4;

	memcpy(source + 1, from->addr, bytes);
	if (from->family == 6)
		lat_put_le32(source + 9, from->scope);
	/* Over TCP a source is what it says; nobody who forges datagrams uses its rate up. */
	/* Sources that share a bucket share its rate; the key makes it impossible to choose whom to share with. */
	lat_blake2b(h, sizeof(h), e->secret->source_key, sizeof(e->secret->source_key),
		    &(struct lat_bytes){ source, sizeof(source) }, 1);
	return lat_bucket_take(&e->rate[lat_get_le32(h) % LAT_RATE_BUCKETS], now, LAT_HS_RATE_PER_S,
			       LAT_HS_RATE_BURST);
}

static bool under_load(struct lat_engine *e, uint64_t now)
{
	if (now - e->m1_second_ns >= (uint64_t)LAT_NS_PER_S) {
		e->m1_second_ns = now;
		e->m1_in_second = 0;
	}
	if (++e->m1_in_second > LAT_UNDER_LOAD_PER_S)
		e->load_until_ns = now + (uint64_t)LAT_UNDER_LOAD_HOLD_NS;
	return now < e->load_until_ns;
}

static void renew_cookie_secret(struct lat_engine *e, uint64_t now)
{
	uint64_t age = now - e->cookie_born_ns;

	if (age < (uint64_t)LAT_COOKIE_SECRET_AGE_NS && e->cookie_born_ns != 0)
		return;
	memcpy(e->secret->cookie[1], e->secret->cookie[0], 32);
	if (e->cookie_born_ns == 0 ||
	    age >= (uint64_t)(LAT_COOKIE_SECRET_AGE_NS + LAT_COOKIE_SECRET_PREVIOUS_NS))
		e->ops->random(e->ctx, e->secret->cookie[1], 32);
	e->ops->random(e->ctx, e->secret->cookie[0], 32);
	e->cookie_born_ns = now == 0 ? 1 : now;
}

static void cookie_of(uint8_t cookie[16], struct lat_engine *e, int which, const struct lat_path *from)
{
	lat_hs_cookie(cookie, e->secret->cookie[which], from->family, from->addr, from->family == 6 ? 16 : 4,
		      from->port);
}

static bool mac2_right(struct lat_engine *e, uint64_t now, const struct lat_path *from, const uint8_t *m1)
{
	static const uint8_t none[LAT_WIRE_MAC];
	uint8_t cookie[16];
	bool right = false;

	if (memcmp(m1 + LAT_M1_MAC2, none, sizeof(none)) == 0)
		return false;
	renew_cookie_secret(e, now);
	for (int i = 0; i < 2 && !right; i++) {
		cookie_of(cookie, e, i, from);
		right = lat_hs_mac2_check(m1, cookie) == 0;
	}
	lat_wipe(cookie, sizeof(cookie));
	return right;
}

/* A sender must show that it receives at its address. Over TCP it has shown it, so there is nothing to send. */
static void demand_cookie(struct lat_engine *e, uint64_t now, const struct lat_path *from, const uint8_t *m1)
{
	uint8_t packet[LAT_COOKIE_LEN], cookie[16], nonce[24];

	if (from->proto == LAT_PROTO_TCP)
		return;
	/* Sending costs more than all else that a hello does: what is up must not starve for it. */
	if (!lat_bucket_take(&e->cookie_rate, now, LAT_COOKIE_RATE_PER_S, LAT_COOKIE_RATE_BURST)) {
		lat_count(e, LAT_COUNT_RATE);
		return;
	}
	renew_cookie_secret(e, now);
	cookie_of(cookie, e, 0, from);
	e->ops->random(e->ctx, nonce, sizeof(nonce));
	lat_hs_cookie_make(packet, &e->me, m1, nonce, cookie);
	(void)!lat_engine_reply(e, from, packet, sizeof(packet));
	lat_wipe(cookie, sizeof(cookie));
}

/* ---- the table ---- */

static struct lat_half *find_dup(const struct lat_engine *e, const uint8_t dup[16])
{
	uint64_t first = lat_get_le64(dup);

	for (uint32_t i = 0; i < e->half_count; i++)
		if (e->half_dup[i] == first && memcmp(e->half_at[i]->dup, dup, 16) == 0)
			return e->half_at[i];
	return NULL;
}

void lat_half_drop(struct lat_half *h)
{
	struct lat_engine *e = h->peer->engine;

	for (uint32_t i = 0; i < e->half_count; i++) {
		if (e->half_at[i] != h)
			continue;
		e->half_count--;
		e->half_at[i] = e->half_at[e->half_count];
		e->half_dup[i] = e->half_dup[e->half_count];
		break;
	}
	DL_DELETE(e->halves, h);
	h->peer->half_count--;
	if (h->session != NULL) {
		h->session->half = NULL;
		if (!h->session->opened)
			lat_session_erase(h->session);
	} else {
		lat_idmap_del(&e->index, h->idx);
	}
	if (h->hs != NULL)
		e->ops->secret_put(e->ctx, h->hs);
	lat_wipe(h, sizeof(*h));
	free(h);
}

void lat_half_drop_peer(struct lat_peer *p)
{
	struct lat_half *h, *tmp;

	DL_FOREACH_SAFE(p->engine->halves, h, tmp) {
		if (h->peer == p)
			lat_half_drop(h);
	}
}

uint64_t lat_half_expire(struct lat_engine *e, uint64_t now)
{
	while (e->halves != NULL) {
		uint64_t end = e->halves->born_ns + (uint64_t)LAT_HALF_LIFE_NS;

		if (end > now)
			return end;
		lat_half_drop(e->halves);
	}
	return UINT64_MAX;
}

/* The same transport too: an address over UDP may be forged, and must not use up the places of one over TCP. */
static bool same_caller(const struct lat_path *a, const struct lat_path *b)
{
	return a->proto == b->proto && lat_path_same_source(a, b);
}

/* Is it the one entry that is kept for the address its peer last completed a handshake from? */
static bool kept(const struct lat_half *h)
{
	return same_caller(&h->from, &h->peer->good);
}

/*
 * Makes room under the limits of section 0: the oldest entry under the limit that is hit goes, if it is older than
 * 1 s. False: there is no room.
 */
static bool make_room(struct lat_peer *p, uint64_t now, const struct lat_path *from)
{
	struct lat_engine *e = p->engine;
	struct lat_half *h, *oldest_source = NULL, *oldest_peer = NULL, *oldest = NULL, *victim;
	uint32_t same_source = 0;
	bool good = same_caller(from, &p->good);

	DL_FOREACH(e->halves, h) {
		bool own = h->peer == p;

		if (own && same_caller(&h->from, from)) {
			same_source++;
			if (oldest_source == NULL)
				oldest_source = h;
		}
		if (own && oldest_peer == NULL && !kept(h))
			oldest_peer = h;
		if (oldest == NULL && !kept(h))
			oldest = h;
	}
	if (same_source >= LAT_HALF_MAX_SOURCE)
		victim = oldest_source;
	else if (good && same_source == 0)
		return e->half_count < ARRAY_LEN(e->half_at);
	else if (p->half_count >= LAT_HALF_MAX_PEER)
		victim = oldest_peer;
	else if (e->half_count >= LAT_HALF_MAX_ALL)
		victim = oldest;
	else
		return true;
	if (victim == NULL || now - victim->born_ns < (uint64_t)LAT_HALF_REPLACE_AGE_NS)
		return false;
	lat_half_drop(victim);
	return true;
}

/* ---- M1 ---- */

static int add_entry(struct lat_peer *p, uint64_t now, const struct lat_path *from, const uint8_t dup[16],
		     const struct lat_hs_responder *opened)
{
	struct lat_engine *e = p->engine;
	struct lat_half *h = calloc(1, sizeof(*h));
	struct lat_hs_params p2;
	uint8_t salt[LAT_WIRE_SALT], enc[LAT_KEM_ENC_SEED];
	int rc;

	if (h == NULL)
		return -ENOMEM;
	h->owner.kind = LAT_OWNER_HALF;
	h->peer = p;
	h->from = *from;
	h->from.node = 0;
	h->born_ns = now;
	memcpy(h->dup, dup, 16);
	h->hs = e->ops->secret_get(e->ctx);
	if (h->hs == NULL) {
		lat_count(e, LAT_COUNT_SECRETS);
		free(h);
		return -ENOBUFS;
	}
	memcpy(h->hs, opened, sizeof(*opened));
	h->idx = lat_engine_idx(e, &h->owner);
	rc = h->idx == 0 ? -ENOMEM : 0;
	if (rc == 0) {
		lat_hs_own_params(h->peer, &p2);
		e->ops->random(e->ctx, salt, sizeof(salt));
		e->ops->random(e->ctx, enc, sizeof(enc));
		rc = lat_hs_m2_make(h->hs, h->reply, &p->pub, p->psk, &p2, h->idx, salt, enc);
		lat_wipe(enc, sizeof(enc));
	}
	if (rc < 0) {
		lat_idmap_del(&e->index, h->idx);
		e->ops->secret_put(e->ctx, h->hs);
		free(h);
		return rc;
	}
	e->half_at[e->half_count] = h;
	e->half_dup[e->half_count] = lat_get_le64(dup);
	e->half_count++;
	p->half_count++;
	DL_APPEND(e->halves, h);
	return lat_engine_reply(e, &h->from, h->reply, LAT_M2_LEN);
}

/*
 * Does the caller receive where it says it is? By a cookie; or over TCP, where nothing is to be shown, by calling from the
 * place that is kept for the peer.
 */
static bool is_there(const struct lat_peer *p, uint64_t now, const struct lat_path *from, const uint8_t *m1)
{
	if (from->proto == LAT_PROTO_TCP)
		return same_caller(from, &p->good);
	return mac2_right(p->engine, now, from, m1);
}

static int admit(struct lat_engine *e, uint64_t now, const struct lat_path *from, const uint8_t *m1,
		 const uint8_t dup[16], struct lat_hs_responder *hs)
{
	uint8_t id[LAT_ID];
	struct lat_hs_params p1;
	struct lat_peer *p;

	if (lat_hs_m1_open(hs, m1, &e->me, e->key, e->secret->mesh_key, id, &p1) < 0) {
		lat_count(e, LAT_COUNT_M1_OPEN);
		return -EPROTO;
	}
	p = lat_engine_peer_by_id(e, id);
	if (p == NULL) {
		lat_count(e, LAT_COUNT_UNKNOWN_ID);
		return -EPROTO;
	}
	if (lat_hs_check_params(p, &p1) < 0) {
		lat_count(e, LAT_COUNT_HS_PARAMS);
		return -EPROTO;
	}
	if (p->closing) { /* until it is over we say nothing but CLOSE (section 8.3) */
		lat_count(e, LAT_COUNT_HS_STATE);
		return 0;
	}
	if (p->half_count >= LAT_HALF_COOKIE_OVER && !is_there(p, now, from, m1)) {
		lat_count(e, LAT_COUNT_HALF_FULL);
		demand_cookie(e, now, from, m1);
		return 0;
	}
	if (!make_room(p, now, from)) {
		lat_count(e, LAT_COUNT_HALF_FULL);
		return 0;
	}
	if (lat_fault(LAT_FAULT_DISRUPTED) && p->slot[LAT_SLOT_CURRENT] != NULL)
		lat_session_erase(p->slot[LAT_SLOT_CURRENT]);
	(void)!add_entry(p, now, from, dup, hs);
	return 0;
}

int lat_half_m1(struct lat_engine *e, uint64_t now, const struct lat_path *from, const uint8_t *m1)
{
	uint8_t dup[16];
	struct lat_half *h;
	struct lat_hs_responder *hs;
	int rc;

	if (lat_hs_mac1_check(&e->me, m1) < 0) {
		lat_count(e, LAT_COUNT_MAC1);
		return -EPROTO;
	}
	/* Before the rate: who forges addresses must not use up that of others. */
	if (under_load(e, now) && from->proto != LAT_PROTO_TCP && !mac2_right(e, now, from, m1)) {
		demand_cookie(e, now, from, m1);
		return 0;
	}
	if (!rate_ok(e, now, from)) {
		lat_count(e, LAT_COUNT_RATE);
		return 0;
	}
	digest(dup, m1, LAT_M1_MAC2);
	h = find_dup(e, dup);
	if (h != NULL) {
		if (h->state == LAT_HALF_WAIT3) {
			/* A TCP initiator resends on a new connection. */
			h->from = *from;
			h->from.node = 0;
			(void)!lat_engine_reply(e, &h->from, h->reply, LAT_M2_LEN);
		} else {
			lat_count(e, LAT_COUNT_HS_STATE);
		}
		return 0;
	}
	hs = e->ops->secret_get(e->ctx);
	if (hs == NULL) {
		lat_count(e, LAT_COUNT_SECRETS);
		return 0;
	}
	rc = admit(e, now, from, m1, dup, hs);
	e->ops->secret_put(e->ctx, hs);
	return rc;
}

/* ---- M3 ---- */

static int confirm(struct lat_half *h, uint64_t now, const struct lat_path *from, const uint8_t *m3,
		   struct lat_hs_result *r)
{
	struct lat_peer *p = h->peer;
	struct lat_engine *e = p->engine;
	uint8_t enc[LAT_KEM_ENC_SEED], token[LAT_WIRE_STALE_TOKEN];
	uint8_t m4[LAT_M4_LEN];
	uint32_t idx_i = h->hs->idx_i;
	struct lat_session *s;
	int rc;

	lat_hs_stale_token(token, e->key->seed, h->idx);
	e->ops->random(e->ctx, enc, sizeof(enc));
	rc = lat_hs_m3_open_m4_make(h->hs, m3, m4, token, enc, r);
	lat_wipe(enc, sizeof(enc));
	if (rc < 0) {
		lat_count(e, LAT_COUNT_HS_OPEN);
		return -EPROTO;
	}
	/* The initiator is authentic from here on, and the entry's secrets are used up. */
	if (lat_hs_check_params(p, &r->peer) < 0) {
		lat_count(e, LAT_COUNT_HS_PARAMS);
		lat_half_drop(h);
		return -EPROTO;
	}
	rc = lat_session_new(&s, p, now, r, false, h->idx, idx_i);
	if (rc < 0) {
		lat_half_drop(h);
		return 0;
	}
	e->ops->secret_put(e->ctx, h->hs);
	h->hs = NULL;
	h->state = LAT_HALF_SENT4;
	h->session = s;
	h->from = *from;
	digest(h->m3_hash, m3, LAT_M3_LEN);
	memcpy(h->reply, m4, LAT_M4_LEN);
	s->half = h;
	s->m1_ns = h->born_ns;
	s->path = *from;
	s->path.node = p->node;
	s->path.conn = 0;
	lat_peer_session_next(p, s);
	e->ops->path_proven(e->ctx, from, p->node);
	(void)!lat_engine_reply(e, from, h->reply, LAT_M4_LEN);
	return 0;
}

int lat_half_m3(struct lat_half *h, uint64_t now, const struct lat_path *from, const uint8_t *m3)
{
	struct lat_engine *e = h->peer->engine;
	struct lat_hs_result *r;
	uint8_t hash[16];
	int rc;

	if (h->state == LAT_HALF_SENT4) {
		digest(hash, m3, LAT_M3_LEN);
		if (memcmp(hash, h->m3_hash, 16) != 0) {
			lat_count(e, LAT_COUNT_HS_STATE);
			return -EPROTO;
		}
		/* A copy proves nothing about where it comes from; the DATA that follows M4 will. */
		h->from = *from;
		(void)!lat_engine_reply(e, from, h->reply, LAT_M4_LEN);
		return 0;
	}
	r = e->ops->secret_get(e->ctx);
	if (r == NULL) {
		lat_count(e, LAT_COUNT_SECRETS);
		return 0;
	}
	rc = confirm(h, now, from, m3, r);
	e->ops->secret_put(e->ctx, r);
	return rc;
}

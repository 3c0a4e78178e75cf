/*
 * What a channel that we receive on was opened with: shown, admitted, asked for each message, ended (PROTOCOL 6.2, 6.3). Who may
 * what is for the node to say (lat_engine_ops); here it is held to.
 */
#include "session/machine.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"
#include "cap/chain.h"
#include "session/fault.h"

/* The wall clock may be set: expiry is looked at again after at most so long. */
static const uint64_t look_again_ns = 3600 * (uint64_t)LAT_NS_PER_S;

/* A burst is a second's worth, of at most so many. */
enum { BURST_MAX = 1000000 };

static const uint64_t coalesce_ns = (uint64_t)LAT_NS_PER_MS;

static bool by_identity(const struct lat_frame_chan_open *f)
{
	static const uint8_t no_desc[LAT_WIRE_DESC];

	return memcmp(f->desc, no_desc, sizeof(no_desc)) == 0;
}

bool lat_chan_in_proof(const struct lat_session *s, const struct lat_frame_chan_open *f,
		       uint8_t k[LAT_CAP_KEY])
{
	struct lat_engine *e = s->peer->engine;
	uint8_t proof[LAT_WIRE_PROOF];

	if (!by_identity(f)) {
		if (e->ops->cap_key(e->ctx, f->desc, f->cav, f->ncav, k) < 0)
			return false;
	} else {
		if (f->ncav != 0)
			return false;
		lat_grant_key(k, s->secret->sess);
	}
	lat_cap_proof(proof, k, s->secret->sid, f->req, f->src_pid, f->dst_pid, f->nonce_s);
	return lat_equal_ct(proof, f->proof, sizeof(proof));
}

/* Of its tokens: what both ends know, and the issuer's table does not change. */
static int token_rights(const struct lat_frame_chan_open *f, uint16_t *out)
{
	struct lat_cap_right shown = { .caveat_count = f->ncav };
	struct lat_cap_desc allows;
	int rc;

	memcpy(shown.desc, f->desc, sizeof(shown.desc));
	memcpy(shown.caveats, f->cav, sizeof(shown.caveats));
	rc = lat_cap_right_allows(&shown, &allows);
	*out = rc < 0 ? 0 : allows.rights;
	return rc;
}

static struct lat_open_ask ask_of(const struct lat_peer *p, const struct lat_frame_chan_open *f)
{
	return (struct lat_open_ask){
		.node = p->node,
		.id = p->pub.fp,
		.src_pid = f->src_pid,
		.dst_pid = f->dst_pid,
		.desc = by_identity(f) ? NULL : f->desc,
		.caveats = f->cav,
		.caveat_count = f->ncav,
	};
}

void lat_chan_in_tell_wrong(const struct lat_session *s, const struct lat_frame_chan_open *f)
{
	const struct lat_open_ask ask = ask_of(s->peer, f);
	const struct lat_engine *e = s->peer->engine;

	if (e->ops->proof_wrong != NULL)
		e->ops->proof_wrong(e->ctx, &ask);
}

uint16_t lat_chan_in_admit(struct lat_chan_in *ci, const struct lat_frame_chan_open *f,
			   struct lat_open_ask *ask)
{
	struct lat_peer *p = ci->c.peer;
	struct lat_engine *e = p->engine;
	bool identity = by_identity(f);
	int rc;

	*ask = ask_of(p, f);
	rc = e->ops->cap_admit(e->ctx, ask, &ci->grant);
	if (rc < 0)
		return lat_code_from_errno(rc);
	if ((ci->grant.rights & LAT_RIGHT_OPEN) == 0 || (!identity && token_rights(f, &ci->rights) < 0))
		return LAT_CODE_EACCES;
	ci->grant.max_msg = lat_cap_msg_max(ci->grant.rights, ci->grant.max_msg);
	return LAT_CODE_OK;
}

/* ---- each message ---- */

static bool expired(const struct lat_chan_in *ci)
{
	struct lat_engine *e = ci->c.peer->engine;

	return ci->grant.not_after != 0 && e->ops->wall_s(e->ctx) > ci->grant.not_after;
}

bool lat_chan_in_dead(const struct lat_chan_in *ci)
{
	struct lat_engine *e = ci->c.peer->engine;

	return ci->grant.life.gen != 0 && !lat_fault(LAT_FAULT_DEAD_RIGHT) &&
	       !e->ops->cap_live(e->ctx, ci->grant.life);
}

static void due_at(struct lat_peer *p, uint64_t at)
{
	if (at < p->rights_due_ns) {
		p->rights_due_ns = at;
		lat_peer_touch(p);
	}
}

/* One of the messages that its rate allows: 0; -EAGAIN: none now. */
static int spend(struct lat_chan_in *ci)
{
	uint32_t rate = ci->grant.rate, burst = rate < BURST_MAX ? rate : BURST_MAX;
	struct lat_peer *p = ci->c.peer;
	uint64_t now = p->engine->now;

	if (rate == 0 || lat_bucket_take(&ci->rate, now, rate, burst))
		return 0;
	if (ci->reasm.reliable) {
		ci->offer_at_ns = now + coalesce_ns +
				  (1000 - ci->rate.milli) * (uint64_t)(LAT_NS_PER_S / 1000) / rate;
		due_at(p, ci->offer_at_ns);
	}
	return -EAGAIN;
}

void lat_chan_in_unspend(struct lat_chan_in *ci)
{
	if (ci->grant.rate != 0)
		ci->rate.milli += 1000;
}

int lat_chan_in_may(struct lat_chan_in *ci, uint16_t right, uint32_t msg_len)
{
	if (lat_chan_in_dead(ci))
		return -EKEYREVOKED;
	if (expired(ci))
		return -EKEYEXPIRED;
	if ((ci->grant.rights & right) == 0)
		return -EACCES;
	if (msg_len > ci->grant.max_msg)
		return -EMSGSIZE;
	return spend(ci);
}

/* ---- the end ---- */

static void cut(struct lat_chan_in *ci, uint16_t code)
{
	lat_peer_count(ci->c.peer, LAT_COUNT_ENDED_RIGHT);
	lat_chan_in_abandon(ci, code, false);
	lat_peer_touch(ci->c.peer);
}

static uint32_t revoke_of(struct lat_peer *p)
{
	struct lat_chan *c, *tmp;
	uint32_t count = 0;

	DL_FOREACH_SAFE(p->chans, c, tmp) {
		struct lat_chan_in *ci = (struct lat_chan_in *)c;

		if (!c->inbound || !lat_chan_in_dead(ci))
			continue;
		/* Its receiver may have been quicker, and have ended it for that reason. */
		if (!ci->counted && (ci->state == LAT_IN_OPEN ||
				     (ci->state == LAT_IN_RESET && ci->reset_code == LAT_CODE_EREVOKED)))
			count++;
		ci->counted = true;
		if (!ci->told)
			cut(ci, LAT_CODE_EREVOKED);
	}
	return count;
}

uint32_t lat_engine_revoke(struct lat_engine *e, uint64_t now)
{
	struct lat_peer *p;
	uint32_t count = 0;

	e->now = now;
	DL_FOREACH(e->peer_list, p)
		count += revoke_of(p);
	DL_FOREACH(e->leaving, p)
		count += revoke_of(p);
	return count;
}

/* When it expires, or is to be looked at again; UINT64_MAX: never. */
static uint64_t expires_at(const struct lat_chan_in *ci)
{
	const struct lat_engine *e = ci->c.peer->engine;
	uint64_t wall, left;

	if (ci->grant.not_after == 0 || ci->told)
		return UINT64_MAX;
	wall = e->ops->wall_s(e->ctx);
	left = ci->grant.not_after < wall ? 0 : ci->grant.not_after - wall;
	if (left >= look_again_ns / (uint64_t)LAT_NS_PER_S)
		return e->now + look_again_ns;
	return e->now + (left + 1) * (uint64_t)LAT_NS_PER_S;
}

void lat_chan_in_watch(struct lat_chan_in *ci)
{
	due_at(ci->c.peer, expires_at(ci));
}

uint64_t lat_chan_in_run_rights(struct lat_peer *p, uint64_t now, int *rc)
{
	struct lat_chan *c, *tmp;

	if (now < p->rights_due_ns)
		return p->rights_due_ns;
	p->rights_due_ns = UINT64_MAX;
	DL_FOREACH_SAFE(p->chans, c, tmp) {
		struct lat_chan_in *ci = (struct lat_chan_in *)c;

		if (!c->inbound || ci->told)
			continue;
		if (expired(ci)) {
			cut(ci, LAT_CODE_EEXPIRED);
			continue;
		}
		due_at(p, expires_at(ci));
		if (now < ci->offer_at_ns) {
			due_at(p, ci->offer_at_ns);
			continue;
		}
		ci->offer_at_ns = UINT64_MAX;
		if (*rc == 0)
			*rc = lat_chan_in_offer(ci);
	}
	return p->rights_due_ns;
}

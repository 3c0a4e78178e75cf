/* Sentences are constants: what a record says of others' choosing are numbers, and names that it escapes. */
#include "node/refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "node/capability.h"
#include "node/grants.h"
#include "node/network.h"
#include "node/node.h"
#include "node/state.h"
#include "os/clock.h"

/* ---- capabilities ---- */

static void right_of(const struct lat_issuer_ask *ask, const uint8_t *key, struct lat_cap_right *out)
{
	*out = (struct lat_cap_right){ .caveat_count = 0 };
	memcpy(out->desc, ask->desc, sizeof(out->desc));
	if (ask->count <= LAT_CAP_CAVEATS_MAX) {
		out->caveat_count = (uint8_t)ask->count;
		memcpy(out->caveats, ask->caveats, ask->count * LAT_CAP_CAVEAT);
	}
	if (key != NULL)
		memcpy(out->key, key, sizeof(out->key));
}

static bool is_forged(struct lat_issuer *iss, const struct lat_issuer_ask *ask, const uint8_t *key)
{
	uint8_t k[LAT_CAP_KEY];
	bool forged = lat_issuer_key(iss, ask->desc, ask->caveats, ask->count, k) < 0 ||
		      (key != NULL && !lat_equal_ct(k, key, sizeof(k)));

	lat_wipe(k, sizeof(k));
	return forged;
}

const char *lat_refusal_of_right(struct lat_issuer *iss, const struct lat_issuer_ask *ask, const uint8_t *key,
				 int rc)
{
	static const uint8_t any[LAT_CAP_HOLDER];
	struct lat_cap_right right;
	struct lat_cap_desc d;
	bool fits;

	if (rc == -EKEYREVOKED)
		return "the capability, or one that it was made of, was revoked";
	if (rc == -EKEYEXPIRED)
		return "the capability has expired, or no use of it is left";
	if (rc != -EACCES)
		return "the capability's use could not be kept";
	right_of(ask, NULL, &right);
	fits = ask->count <= LAT_CAP_CAVEATS_MAX && lat_cap_right_allows(&right, &d) == 0;
	if (iss == NULL || is_forged(iss, ask, key))
		return "the capability was not made by this node, or was changed: forged";
	if (!fits)
		return "the capability has a limit of no known kind, or limits that contradict each other";
	if (memcmp(d.holder, any, sizeof(any)) != 0 && memcmp(d.holder, ask->holder, sizeof(any)) != 0)
		return "the capability is another holder's";
	if (d.dst_pid != ask->dst)
		return "the capability is for another pid";
	if (d.src_pid != LAT_CAP_ANY_PID && d.src_pid != ask->src)
		return "the capability is for another sender's pid";
	if ((d.rights & LAT_RIGHT_OPEN) == 0 || (d.rights & LAT_RIGHT_SEND) == 0)
		return "the capability has not the right to open a channel and send";
	return "the capability does not allow it";
}

/* Its id, as its bytes say. */
static struct lat_cap_ref id_of(const struct lat_issuer_ask *ask)
{
	struct lat_cap_ref life = { 0, 0 };
	struct lat_cap_right right;
	struct lat_cap_desc d;

	if (lat_cap_desc_decode(&d, ask->desc) < 0)
		return life;
	life = (struct lat_cap_ref){ d.slot, d.gen };
	right_of(ask, NULL, &right);
	lat_capability_life(&right, &life.slot, &life.gen);
	return life;
}

/* ---- processes ---- */

static const char *member_why(enum lat_audit_act act, int rc)
{
	if (rc == -ENOBUFS)
		return "too many of this user's";
	if (rc == -EPROTO || rc == -EPERM)
		return "it broke a rule, and was dropped";
	if (rc == -ETIMEDOUT)
		return "it connected and said nothing, and was dropped";
	switch (act) {
	case LAT_AUDIT_ATTACH:
		return "no line of the policy lets this user attach";
	case LAT_AUDIT_LISTEN:
		return "no line of the policy lets this user listen as that";
	case LAT_AUDIT_OPEN:
		return "no line of the policy lets this user send to that, or speak as that pid";
	case LAT_AUDIT_RESOLVE:
		return "no line of the policy lets this user send to that service";
	case LAT_AUDIT_REACH:
		return "no line of the policy lets this user reach that node";
	case LAT_AUDIT_GRAPH:
		return "the node's graph is for its own user, and root";
	case LAT_AUDIT_STAY:
		return "the policy that was read again does not allow it any more";
	default:
		return "it may not";
	}
}

void lat_refusal_member(struct lat_audit *a, struct lat_issuer *iss, const struct lat_credentials *who,
			enum lat_audit_act act, const struct lat_note *in, int rc)
{
	struct lat_audit_record r = { .who = { .uid = (uint32_t)who->process.uid,
					       .gid = (uint32_t)who->process.gid,
					       .process = (int32_t)who->process.pid },
				      .act = act,
				      .rc = rc,
				      .why = member_why(act, rc) };

	if (!lat_audit_begin(a, &r.who, lat_clock_monotonic_ns()))
		return;
	if (in != NULL) {
		r.src = in->src;
		r.dst = in->dst;
		r.node = in->node;
		(void)snprintf(r.service, sizeof(r.service), "%.*s", (int)sizeof(r.service) - 1, in->name);
	}
	if (in != NULL && act == LAT_AUDIT_OPEN && lat_note_has_right(in)) {
		struct lat_issuer_ask ask = { .desc = in->right.desc,
					      .caveats = in->right.caveats[0],
					      .count = in->right.caveat_count,
					      .src = in->src,
					      .dst = in->dst };

		lat_cap_holder_uid(ask.holder, who->process.uid);
		r.cap = id_of(&ask);
		r.why = lat_refusal_of_right(iss, &ask, in->right.key, rc);
	}
	lat_audit_put(a, &r);
}

static const char *message_why(int rc)
{
	switch (rc) {
	case -EMSGSIZE:
		return "a message was longer than it may send; the channel was cut";
	case -EKEYEXPIRED:
		return "the right of the channel has expired; it was cut";
	case -EPERM:
		return "a message had a wrong token: another holder's, channel's, session's, or number's; the channel was cut";
	case -EINVAL:
		return "a capability went with a message on a channel whose tokens do not cover it; the channel was cut";
	case -EPROTO:
		return "what it wrote broke a rule; the channel was cut";
	default:
		return "a message was of a kind that it has no right to; the channel was cut";
	}
}

void lat_refusal_sender(struct lat_audit *a, const struct lat_audit_who *who, enum lat_audit_act act,
			int32_t src, int32_t dst, uint32_t node, int rc)
{
	const struct lat_audit_record r = { .who = *who,
					    .act = act,
					    .src = src,
					    .dst = dst,
					    .node = node,
					    .rc = rc,
					    .why = act == LAT_AUDIT_SEND ? message_why(rc)
									 : member_why(act, rc) };

	if (lat_audit_begin(a, who, lat_clock_monotonic_ns()))
		lat_audit_put(a, &r);
}

void lat_refusal_issue(struct lat_audit *a, uint32_t uid, uint32_t gid, int32_t process, int what, int rc)
{
	static const char derive_why[] =
		"the capability to derive of is forged, revoked, expired or another holder's, has not the right "
		"'grant', or allows less than was asked for";
	static const char *const whys[LAT_ISSUES] = {
		[LAT_ISSUE_GRANT] = "making a capability is for the node's own user",
		[LAT_ISSUE_DERIVE] = derive_why,
		[LAT_ISSUE_REVOKE] = "revoking a capability is for the node's own user",
		[LAT_ISSUE_REVOKE_SHOWN] = "revoking a capability is for the node's own user",
		[LAT_ISSUE_REVOKE_HOLDER] = "revoking what a holder has is for the node's own user",
		[LAT_ISSUE_TOLD] = "who was told of a revocation is for the node's own user to know",
		[LAT_ISSUE_NEXT] = "listing capabilities is for the node's own user",
	};
	const struct lat_audit_record r = { .who = { .uid = uid, .gid = gid, .process = process },
					    .act = LAT_AUDIT_ISSUE,
					    .rc = rc,
					    .why = rc == -ENOBUFS ? "too many questions of this user's wait"
						   : what >= 0 && what < LAT_ISSUES
							   ? whys[what]
							   : "it asked for what there is not" };

	if (lat_audit_begin(a, &r.who, lat_clock_monotonic_ns()))
		lat_audit_put(a, &r);
}

/* ---- peers ---- */

static const char *peer_why(const struct lat_network *net, const struct lat_refusal_peer *r)
{
	if (r->ask != NULL && r->forged)
		return "it has not the key of the capability that it showed, or this node never made it: forged";
	if (r->forged)
		return "it did not prove that the channel is for this session";
	if (r->ask != NULL)
		return lat_refusal_of_right(net->rights.issuer, r->ask, NULL, r->rc);
	if (r->act != LAT_AUDIT_SEND)
		return r->rc == -EACCES ? "no line of the policy lets this peer send to that"
					: "too many are granted by the policy";
	return message_why(r->rc);
}

/* Its name and key, if this node knows them. */
static void fill_in(const struct lat_network *net, struct lat_audit_who *who)
{
	const struct lattice_peer *peer = net->state != NULL ? lat_state_peer_find(net->state, who->node)
							     : NULL;

	if (peer == NULL)
		return;
	(void)snprintf(who->name, sizeof(who->name), "%s", peer->name);
	if (!who->has_id)
		memcpy(who->id, peer->fingerprint, sizeof(who->id));
	who->has_id = true;
}

void lat_refusal_peer(const struct lat_network *net, const struct lat_refusal_peer *p)
{
	struct lat_audit_record r = { .who = { .is_peer = true, .node = p->node, .has_id = p->id != NULL },
				      .act = p->act,
				      .src = p->src,
				      .dst = p->dst,
				      .rc = p->rc };

	if (!lat_audit_begin(net->node->audit, &r.who, lat_clock_monotonic_ns()))
		return;
	if (p->id != NULL)
		memcpy(r.who.id, p->id, sizeof(r.who.id));
	fill_in(net, &r.who);
	if (p->service != NULL)
		(void)snprintf(r.service, sizeof(r.service), "%s", p->service);
	if (p->ask != NULL)
		r.cap = id_of(p->ask);
	r.why = peer_why(net, p);
	lat_audit_put(net->node->audit, &r);
}

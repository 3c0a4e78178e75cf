/*
 * What a host says about channels between its members: who may open one, who that is from, where the two meet. Under the host's lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cap/chain.h"
#include "node/grants.h"
#include "node/host_impl.h"
#include "node/issuer.h"
#include "node/node.h"
#include "node/standing.h"
#include "os/clock.h"
#include "os/fdpass.h"
#include "os/random.h"

/* ---- those that wait for a claim ---- */

static void waiting_free(struct waiting *w)
{
	lat_wipe(&w->note.right, sizeof(w->note.right));
	free(w);
}

void lat_host_forget_waiting(struct lat_host *h, const struct member *m)
{
	struct waiting **at = &h->waiting;

	while (*at != NULL) {
		struct waiting *w = *at;

		if (w->member != m) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		h->waiting_count--;
		waiting_free(w);
	}
}

static bool waits_for(const struct waiting *w, const struct lat_note *claim)
{
	return w->note.kind == LAT_NOTE_RESOLVE ? strcmp(w->note.name, claim->name) == 0
						: w->note.dst == claim->dst;
}

static void go_on(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	if (in->kind == LAT_NOTE_OPEN)
		lat_host_on_open(h, m, in);
	else if (in->kind == LAT_NOTE_RENEW)
		lat_host_on_renew(h, m, in);
	else
		lat_host_on_resolve(h, m, in);
}

/* Those who waited for what is claimed; NULL: all. */
void lat_host_go_on(struct lat_host *h, const struct lat_note *claim)
{
	struct waiting **at = &h->waiting, *due = NULL, *w;

	while ((w = *at) != NULL) {
		if (claim != NULL && !waits_for(w, claim)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		h->waiting_count--;
		w->next = due;
		due = w;
	}
	while ((w = due) != NULL) {
		due = w->next;
		if (!w->member->gone)
			go_on(h, w->member, &w->note);
		waiting_free(w);
	}
}

/* true: it waits for its pid, or name, to be claimed. */
bool lat_host_wait_for_claim(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct waiting *w;

	if (h->grace_ns == 0 || h->waiting_count == LAT_HOST_WAITING_MAX)
		return false;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return false;
	*w = (struct waiting){ .next = h->waiting, .member = m, .note = *in };
	h->waiting = w;
	h->waiting_count++;
	return true;
}

/* ---- opening ---- */

static int may_open(const struct lat_host *h, const struct member *m, const struct lat_note *in)
{
	return in->node != 0 ? lat_claims_may(h->claims, &m->cred, LAT_ACT_REACH, (int32_t)in->node, "")
			     : lat_claims_may(h->claims, &m->cred, LAT_ACT_OPEN, in->dst, "");
}

static int by_right(const struct lat_host *h, const struct member *m, const struct lat_note *in,
		    struct lat_admission *may)
{
	struct lat_issuer *issuer = h->grants != NULL ? lat_grants_issuer(h->grants) : NULL;
	uint8_t holder[LAT_CAP_HOLDER];

	if (in->node != 0 || issuer == NULL) /* another node's, which decides; or none was given out here */
		return -EACCES;
	lat_cap_holder_uid(holder, m->cred.process.uid);
	return lat_issuer_present_sender(issuer, &in->right, holder, in->src, in->dst, lat_clock_wall_s(),
					 may);
}

/* For who it is, as long as the policy says so. Nobody gets a life for what is not there. */
static int by_policy(const struct lat_host *h, const struct member *m, const struct lat_note *in,
		     const struct member *other, struct lat_admission *may)
{
	const struct lat_subject who = lat_credentials_subject(&m->cred);
	uint8_t holder[LAT_CAP_HOLDER];
	int rc = may_open(h, m, in);

	if (rc == 0 && (other == NULL || other == m))
		rc = -ECONNREFUSED;
	if (rc < 0 || h->standing == NULL)
		return rc;
	lat_cap_holder_uid(holder, m->cred.process.uid);
	rc = in->node != 0 ? lat_standing_reach(h->standing, lat_grants_issuer(h->grants), &who, holder,
						in->node, may)
			   : lat_standing_admit(h->standing, lat_grants_issuer(h->grants), &who, holder,
						in->dst, lat_claims_name(h->claims, in->dst), may);
	may->max_msg = lat_cap_msg_max((uint16_t)may->rights, may->max_msg);
	return rc;
}

/*
 * Whether a channel to @other (NULL: nobody receives there) is opened for @m, by the right that is shown or for who it is, and what goes with
 * it. 0, -EACCES, -ECONNREFUSED, -EKEYREVOKED, -EKEYEXPIRED, -ENOBUFS, or why a use of the right could not be kept. Whether somebody is there
 * is told to those who may send to him; within itself a member asks for a right alone.
 */
static int judge_open(const struct lat_host *h, const struct member *m, const struct lat_note *in,
		      const struct member *other, struct lat_admission *may)
{
	int rc = lat_claims_may(h->claims, &m->cred, LAT_ACT_SEND, in->src, "");

	*may = (struct lat_admission){ .max_msg = UINT32_MAX };
	if (rc < 0)
		return rc;
	if (!lat_note_has_right(in))
		return by_policy(h, m, in, other, may);
	rc = by_right(h, m, in, may);
	return rc == 0 && other == NULL ? -ECONNREFUSED : rc;
}

/* 0: any length. */
static uint64_t len_max_of(const struct lat_admission *may, uint64_t else_max)
{
	uint64_t len = may->max_msg > LAT_MSG_OVERHEAD ? may->max_msg - LAT_MSG_OVERHEAD : 1;

	if (may->max_msg == UINT32_MAX)
		return else_max;
	return else_max != 0 && else_max < len ? else_max : len;
}

/* The receiver hears who comes before the sender hears that it may. */
void lat_host_on_open(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note grant = { .kind = LAT_NOTE_GRANT,
				  .member = m->cred.member,
				  .src = in->src,
				  .dst = in->dst,
				  .node = in->node };
	struct lat_note out = { .kind = LAT_NOTE_OPENED, .token = in->token };
	uint64_t holder = in->node != 0 ? h->uplink : lat_claims_holder(h->claims, in->dst);
	struct member *other = holder != 0 ? lat_host_member(h, holder) : NULL;
	struct lat_admission may;

	if (in->node == 0 && other == NULL && (lat_note_has_right(in) || may_open(h, m, in) == 0) &&
	    lat_host_wait_for_claim(h, m, in))
		return;
	while (grant.grant == 0)
		lat_random(&grant.grant, sizeof(grant.grant));
	out.rc = in->node != 0 && h->uplink == 0 ? -ENETUNREACH : judge_open(h, m, in, other, &may);
	if (out.rc == -EACCES || out.rc == -EKEYREVOKED || out.rc == -EKEYEXPIRED)
		lat_host_refused(h, m, LAT_AUDIT_OPEN, in, out.rc);
	if (out.rc == 0) {
		grant.number = len_max_of(&may, 0);
		grant.life = out.life = may.life;
		grant.badge = out.badge = may.badge;
		grant.rate = out.rate = may.rate;
		if (may.life.gen != 0)
			grant.rights = out.rights = may.rights;
		if (other != m && lat_host_say(h, other, &grant) < 0)
			out = (struct lat_note){ .kind = out.kind, .token = out.token, .rc = -ECONNREFUSED };
	}
	if (out.rc == 0) {
		out.member = holder;
		out.grant = grant.grant;
		out.number = len_max_of(&may, in->node != 0 ? h->uplink_len_max : 0);
	}
	(void)lat_host_say(h, m, &out);
}

/*
 * One that an earlier host granted to @m: the right is shown again, and both ends hear what it is now. Whose it is they know by the
 * grant's number, and that it comes from @m.
 */
void lat_host_on_renew(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_RENEWED,
				.member = in->member,
				.grant = in->grant,
				.src = in->src,
				.dst = in->dst };
	struct member *other = lat_host_member(h, in->member);
	struct lat_admission may;

	if (in->node == 0 && (other == NULL || lat_claims_holder(h->claims, in->dst) == 0) &&
	    lat_host_wait_for_claim(h, m,
				    in)) /* the receiver comes back after its sender: it has to hear, too */
		return;
	out.rc = in->node == 0 ? judge_open(h, m, in, other, &may) : -EACCES; /* those end with the host */
	if (out.rc == -EACCES || out.rc == -EKEYREVOKED || out.rc == -EKEYEXPIRED)
		lat_host_refused(h, m, LAT_AUDIT_OPEN, in, out.rc);
	if (out.rc == 0) {
		out.life = may.life;
		out.badge = may.badge;
		out.rate = may.rate;
	}
	(void)lat_host_say(h, m, &out);
	out.member = m->cred.member;
	if (other != NULL && other != m)
		(void)lat_host_say(h, other, &out);
}

int lat_host_bring(struct lat_host *h, struct lat_note *n)
{
	struct lat_note grant = { .kind = LAT_NOTE_GRANT,
				  .member = h->uplink,
				  .src = n->src,
				  .dst = n->dst,
				  .origin = n->origin,
				  .number = n->number,
				  .life = n->life,
				  .badge = n->badge,
				  .rate = n->rate };
	struct member *other;
	uint64_t holder;
	int rc;

	while (grant.grant == 0)
		lat_random(&grant.grant, sizeof(grant.grant));
	pthread_mutex_lock(&h->lock);
	holder = lat_claims_holder(h->claims, n->dst);
	other = holder != 0 && holder != h->uplink ? lat_host_member(h, holder) : NULL;
	rc = other == NULL || lat_host_say(h, other, &grant) < 0 ? -ECONNREFUSED : 0;
	pthread_mutex_unlock(&h->lock);
	n->member = holder;
	n->grant = grant.grant;
	return rc;
}

/* ---- meeting ---- */

/* A pair of sockets for notes and one for the bell: an end of each to each, with what tells of the other's end. */
static int introduce(struct lat_host *h, struct member *to, struct member *who, uint32_t token, int notes,
		     int bell)
{
	const int fds[LAT_NOTE_FDS] = { notes, bell, who->pidfd };
	struct lat_note out = { .kind = LAT_NOTE_PEER,
				.token = token,
				.member = who->cred.member,
				.number = (uint64_t)who->cred.process.uid << 32 | who->cred.process.gid,
				.process = (int32_t)who->cred.process.pid };
	int rc = lat_post_send(&to->post, &out, fds, who->pidfd >= 0 ? 3 : 2);

	if (rc < 0 && rc != -EPIPE && rc != -EMFILE && rc != -ENFILE && rc != -ENOMEM && rc != -ETOOMANYREFS)
		lat_host_drop(h, to, rc);
	return rc;
}

void lat_host_on_meet(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note failed = { .kind = LAT_NOTE_PEER, .token = in->token };
	struct member *other = lat_host_member(h, in->member);
	int notes[2], bell[2], rc = other != NULL && other != m ? 0 : -ECONNREFUSED;

	if (rc == 0)
		rc = lat_unixsock_pair(notes, true);
	if (rc == 0) {
		rc = lat_unixsock_pair(bell, false);
		if (rc < 0)
			lat_fdpass_close(notes, 2);
	}
	if (rc == 0) {
		rc = introduce(h, other, m, 0, notes[0], bell[0]);
		if (rc == 0)
			rc = introduce(h, m, other, in->token, notes[1], bell[1]);
		lat_fdpass_close(notes, 2);
		lat_fdpass_close(bell, 2);
	}
	if (rc == 0) {
		lat_host_count(&h->introduced);
		return;
	}
	failed.rc = rc == -EPIPE ? -ECONNREFUSED : rc;
	(void)lat_host_say(h, m, &failed);
}

/* The calls on a node's issuer: of this process where it hosts or is alone, else of the one that hosts. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <lattice/cap.h>
#include <lattice/error.h>

#include "base/why.h"
#include "node/attach.h"
#include "node/capability.h"
#include "node/grants.h"
#include "node/issue.h"
#include "node/node.h"
#include "node/waitq.h"
#include "os/clock.h"

enum { TOLD_POLL_MS = 2 }; /* between two questions to the host, who was told */

static int sentence(const struct lattice_node *node, int rc)
{
	switch (rc) {
	case -EACCES:
		return lat_why(
			node, rc,
			"this user may not make, see or end capabilities of node %u: only the one whose process hosts it",
			node->id);
	case -ENOBUFS:
		return lat_why(
			node, rc,
			"node %u has %d capabilities that live, or %d that were made of one, or too many are being asked "
			"for: revoke some",
			node->id, LAT_CAPTABLE_MAX, LAT_CAPTABLE_BELOW_MAX);
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
	case -EFBIG:
	case -EIO:
		return lat_why(
			node, rc,
			"the file 'capabilities' in the state directory of node %u cannot be written: %s",
			node->id, strerror(-rc));
	case -ETIMEDOUT:
		return lat_why(node, rc, "the process that hosts does not answer: is it stopped?");
	case -ESHUTDOWN:
		return lat_why(node, rc, "the node was closed");
	default:
		return rc;
	}
}

/* Whether this process answers. Who is alone does. */
static bool is_ours(struct lattice_node *node)
{
	struct lattice_node_host host;

	return lat_node_attach(node) == NULL ||
	       (lat_attach_host(lat_node_attach(node), &host) == 0 && host.self);
}

/* Asked of whoever issues. The answer is the caller's to wipe. */
static int ask(struct lattice_node *node, const struct lat_issue_request *q, struct lat_issue_answer *out)
{
	const struct lat_grants_asker us = { .uid = (uint32_t)geteuid(), .owner = true };
	struct lat_note n;
	int rc;

	if (is_ours(node))
		return lat_grants_do(node->grants, &us, q, out);
	lat_issue_put_request(&n, q);
	rc = lat_attach_ask(lat_node_attach(node), &n,
			    lat_clock_deadline(lat_clock_monotonic_ns(), LAT_ATTACH_PATIENCE_NS));
	if (rc == 0)
		rc = lat_issue_get_answer(out, &n);
	if (rc == 0)
		rc = n.rc;
	lat_wipe(&n, sizeof(n));
	return rc;
}

static int begin(struct lattice_node *node)
{
	int rc;

	lat_why_forget();
	if (node == NULL)
		return -EINVAL;
	rc = lat_node_check(node, node);
	if (rc == 0)
		(void)lat_node_get(node);
	return rc;
}

/* @terms as a descriptor. */
static int wanted(const struct lattice_node *node, const struct lattice_cap_terms *terms, bool derived,
		  struct lat_cap_desc *out)
{
	static const uint8_t nobody[LAT_CAP_HOLDER];
	bool named = memcmp(terms->holder, nobody, sizeof(nobody)) != 0;

	if (terms->rights == 0 || (terms->rights & ~(uint32_t)UINT16_MAX) != 0)
		return lat_why(node, -EINVAL, "which rights? (enum lattice_right)");
	for (uint32_t right = 1; right <= UINT16_MAX; right <<= 1)
		if ((terms->rights & right) != 0 && lat_right_name(right) == NULL)
			return lat_why(node, -EINVAL, "there is no right with the number %u", right);
	if (terms->dst < (derived ? 0 : 1) || terms->src < LATTICE_CAP_ANY)
		return lat_why(node, -EINVAL, "pids are 1 or more");
	if (named == terms->bearer)
		return lat_why(
			node, -EINVAL,
			"a capability names its holder, or is a bearer's, which whoever gets hold of it can use: one of both");
	*out = (struct lat_cap_desc){
		.rights = (uint16_t)terms->rights,
		.dst_pid = terms->dst,
		.src_pid = terms->src == 0 ? LAT_CAP_ANY_PID : terms->src,
		.not_after = terms->expires,
		.max_msg = terms->max_msg_bytes,
		.rate = terms->rate_per_s,
	};
	memcpy(out->holder, terms->holder, sizeof(out->holder));
	return 0;
}

static int make(struct lattice_cap **out, struct lattice_node *node, struct lat_issue_request *q,
		const struct lattice_cap_terms *terms)
{
	struct lat_issue_answer answer = { .revocation = 0 };
	int rc = wanted(node, terms, q->what == LAT_ISSUE_DERIVE, &q->want);

	q->badge = terms->badge;
	q->uses = terms->uses != 0 ? terms->uses : LAT_CAP_UNLIMITED;
	if (rc == 0) {
		rc = ask(node, q, &answer);
		if (rc == -EACCES && q->what == LAT_ISSUE_DERIVE)
			rc = lat_why(
				node, rc,
				"the capability is none of node %u's, names another holder, has not the right "
				"'grant', or allows less than is wanted; or another badge is wanted, which only the user whose "
				"process hosts may give: 'lattice cap show' tells what it allows",
				node->id);
		else if (rc == -EKEYEXPIRED || (rc == -EKEYREVOKED && q->what == LAT_ISSUE_DERIVE))
			rc = lat_why(
				node, rc,
				"the capability %s: ask the node's owner for another ('lattice cap grant')",
				rc == -EKEYEXPIRED ? "has expired"
						   : "was revoked, or one that it was made of");
		else
			rc = sentence(node, rc);
	}
	if (rc == 0)
		rc = lat_capability_make(out, &answer.right);
	lat_wipe(&answer, sizeof(answer));
	return rc;
}

int lattice_cap_grant(struct lattice_cap **out, struct lattice_node *node,
		      const struct lattice_cap_terms *terms)
{
	struct lat_issue_request q = { .what = LAT_ISSUE_GRANT };
	int rc;

	if (out != NULL)
		*out = NULL;
	rc = out != NULL && terms != NULL ? begin(node) : -EINVAL;
	if (rc < 0)
		return rc;
	rc = make(out, node, &q, terms);
	lat_node_put(node);
	return rc;
}

int lattice_cap_derive(struct lattice_cap **out, struct lattice_node *node, const struct lattice_cap *parent,
		       const struct lattice_cap_terms *terms)
{
	struct lat_issue_request q = { .what = LAT_ISSUE_DERIVE };
	int rc;

	if (out != NULL)
		*out = NULL;
	rc = out != NULL && parent != NULL && terms != NULL ? begin(node) : -EINVAL;
	if (rc < 0)
		return rc;
	rc = lat_why_hand(NULL, node, lat_capability_take(parent, &q.parent));
	if (rc == 0)
		rc = make(out, node, &q, terms);
	lat_wipe(&q, sizeof(q));
	lat_node_put(node);
	return rc;
}

/* Until the senders know, or the time is over. What the host said last stands when it does not answer. */
static void wait_told(struct lattice_node *node, uint64_t revocation, struct lattice_cap_told *told,
		      int64_t timeout_ns)
{
	const struct lat_issue_request q = { .what = LAT_ISSUE_TOLD, .number = revocation };
	const uint64_t deadline = lat_clock_until(timeout_ns);
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct lat_issue_answer answer;
	struct lat_waitq never = { NULL };
	int rc = 0;

	if (is_ours(node)) {
		(void)!lat_grants_wait_told(node->grants, revocation, deadline, told);
		return;
	}
	while (rc == 0 && told->told < told->channels) {
		uint64_t now = lat_clock_monotonic_ns();
		uint64_t next = lat_clock_deadline(now, TOLD_POLL_MS * LAT_NS_PER_MS);

		if (now >= deadline)
			return;
		pthread_mutex_lock(&lock);
		rc = lat_waitq_wait(&never, &lock, next < deadline ? next : deadline);
		pthread_mutex_unlock(&lock);
		rc = rc == -ETIMEDOUT ? ask(node, &q, &answer) : rc;
		if (rc == 0)
			*told = answer.told;
	}
}

static int end_lives(struct lattice_node *node, const struct lat_issue_request *q,
		     struct lattice_cap_told *told, int64_t timeout_ns)
{
	struct lat_issue_answer answer = { .revocation = 0 };
	int rc = begin(node);

	if (told != NULL)
		*told = answer.told;
	if (rc < 0)
		return rc;
	rc = ask(node, q, &answer);
	if (rc == -EKEYREVOKED)
		rc = lat_why(node, rc, "node %u has no such capability, or it was revoked before", node->id);
	else if (rc == -EBADMSG)
		rc = lat_why(
			node, rc,
			"node %u did not make this capability, or not as it is now: it is forged, or was changed, or was made before the "
			"file 'capabilities' was. 'lattice cap list' has the ids of those that live",
			node->id);
	else if (answer.told.ended > 0 && rc < 0)
		rc = lat_why(
			node, rc,
			"it has ended, but that could not be written to the disk of node %u (%s): should its "
			"process end before the next capability is made or revoked, it lives again",
			node->id, strerror(-rc));
	else
		rc = sentence(node, rc);
	if (answer.revocation != 0 && timeout_ns != 0)
		wait_told(node, answer.revocation, &answer.told, timeout_ns);
	if (told != NULL)
		*told = answer.told;
	lat_node_put(node);
	return rc;
}

int lattice_cap_revoke(struct lattice_node *node, uint32_t slot, uint32_t gen, struct lattice_cap_told *told,
		       int64_t timeout_ns)
{
	return end_lives(node,
			 &(struct lat_issue_request){ .what = LAT_ISSUE_REVOKE,
						      .want = { .slot = slot, .gen = gen } },
			 told, timeout_ns);
}

int lattice_cap_revoke_shown(struct lattice_node *node, const struct lattice_cap *cap,
			     struct lattice_cap_told *told, int64_t timeout_ns)
{
	struct lat_issue_request q = { .what = LAT_ISSUE_REVOKE_SHOWN };
	int rc = node != NULL && cap != NULL ? 0 : -EINVAL;

	if (rc == 0)
		rc = lat_why_hand(NULL, node, lat_capability_take(cap, &q.parent));
	if (rc == 0)
		rc = end_lives(node, &q, told, timeout_ns);
	else if (told != NULL)
		*told = (struct lattice_cap_told){ 0 };
	lat_wipe(&q, sizeof(q));
	return rc;
}

int lattice_cap_revoke_holder(struct lattice_node *node, const uint8_t holder[LATTICE_CAP_HOLDER_BYTES],
			      struct lattice_cap_told *told, int64_t timeout_ns)
{
	static const uint8_t nobody[LAT_CAP_HOLDER];
	struct lat_issue_request q = { .what = LAT_ISSUE_REVOKE_HOLDER };

	if (holder == NULL || memcmp(holder, nobody, sizeof(nobody)) == 0)
		return -EINVAL;
	memcpy(q.want.holder, holder, sizeof(q.want.holder));
	return end_lives(node, &q, told, timeout_ns);
}

int lattice_cap_next(struct lattice_node *node, int64_t after, struct lattice_cap_info *out)
{
	struct lat_issue_request q = { .what = LAT_ISSUE_NEXT,
				       .number = after < 0 ? 0 : (uint64_t)after + 1 };
	struct lat_issue_answer answer = { 0 };
	int rc = out != NULL && after <= UINT32_MAX ? begin(node) : -EINVAL;

	if (rc < 0)
		return rc;
	rc = sentence(node, ask(node, &q, &answer));
	if (rc == 0) {
		lat_capability_info(out, &answer.entry.desc);
		out->badge = answer.entry.badge;
		out->uses = answer.entry.uses;
		out->parent_slot = answer.entry.parent.slot;
		out->parent_gen = answer.entry.parent.gen;
	}
	lat_node_put(node);
	return rc;
}

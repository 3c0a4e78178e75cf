#include "node/names.h"

#include <errno.h>
#include <string.h>

#include <lattice/endpoint.h>
#include <lattice/node.h>

#include "base/name.h"
#include "node/attach.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/judge.h"
#include "node/network.h"
#include "node/node.h"
#include "node/probe.h"
#include "node/refusal.h"
#include "os/clock.h"

static_assert((int)LATTICE_SERVICE_MAX == (int)LAT_SERVICE_MAX &&
		      (int)LAT_SERVICE_MAX == (int)LAT_MAX_RESOLVE_NAME,
	      "one length");

static const uint64_t again_ns = (uint64_t)LAT_NS_PER_S, again_soon_ns = 100 * (uint64_t)LAT_NS_PER_MS;

struct lat_question {
	lattice_node_id node;
	uint32_t req;
	bool answered;
	int rc;
	int32_t pid;
	struct lat_question *next;
};

int lat_names_why(const void *handle, const char *name)
{
	return lat_why(handle, -EINVAL,
		       "'%.*s' is no service's name: 1 to %d of a-z A-Z 0-9 - _ . and not digits only",
		       LAT_SERVICE_MAX + 1, name != NULL ? name : "", LAT_SERVICE_MAX);
}

int32_t lattice_service_pid(const char *name)
{
	return name != NULL && lat_name_valid(name, LAT_SERVICE_MAX) ? lat_service_pid(name, 0) : 0;
}

/* ---- asking another node ---- */

/* One question, and until its answer, the deadline or the time to ask again. 0: look at @q. Inside begin and end. */
static int ask(struct lat_network *net, struct lat_question *q, const char *name, uint64_t deadline)
{
	uint64_t again = lat_clock_monotonic_ns() + (q->rc == -EBUSY ? again_soon_ns : again_ns),
		 until = again < deadline ? again : deadline;
	int rc = q->rc == -EBUSY ? 0
				 : lat_engine_resolve(net->engine, lat_network_now(), q->node, q->req, name);

	if (rc == -EAGAIN) /* the session went this moment */
		rc = 0;
	q->rc = 0;
	while (rc == 0 && !q->answered) {
		rc = lat_network_wait(net, &net->changed, until);
		if (rc == 0 && lat_network_neighbour(net, q->node) == NULL)
			rc = -ENOKEY;
	}
	if (q->answered && q->rc == -EBUSY) /* it cannot say yet */
		q->answered = false;
	return rc == -ETIMEDOUT && until < deadline ? 0 : rc;
}

int lat_network_resolve(struct lat_network *net, lattice_node_id peer, const char *name, int32_t *pid,
			int64_t timeout_ns)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns), now;
	struct lat_question q = { .node = peer }, **at;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	q.req = ++net->last_question;
	q.next = net->questions;
	net->questions = &q;
	while (rc == 0 && !q.answered) {
		rc = lat_network_wait_up(net, peer, deadline);
		if (rc == 0)
			rc = ask(net, &q, name, deadline);
	}
	for (at = &net->questions; *at != &q; at = &(*at)->next)
		;
	*at = q.next;
	lat_network_end(net);
	if (q.answered)
		rc = q.rc;
	if (rc == 0)
		*pid = q.pid;
	return rc;
}

void lat_names_on_resolved(void *ctx, uint32_t node, uint32_t req, int err, int32_t pid)
{
	struct lat_network *net = ctx;

	for (struct lat_question *q = net->questions; q != NULL; q = q->next) {
		if (q->req != req || q->node != node || q->answered)
			continue;
		q->answered = true;
		q->rc = err;
		q->pid = pid;
		lat_waitq_wake(&net->changed);
	}
}

/* ---- answering one ---- */

void lat_names_of(struct lattice_node *node, int32_t pid, char name[LATTICE_SERVICE_MAX + 1])
{
	struct lattice_endpoint *own = lat_endpoint_find(node, pid);

	name[0] = '\0';
	if (own != NULL)
		memcpy(name, own->name, sizeof(own->name));
	else if (lat_node_attach(node) != NULL)
		lat_attach_name_of(lat_node_attach(node), pid, name);
	if (own != NULL)
		lat_endpoint_put(own);
}

/* Whoever may open a channel to it may know it. */
int lat_names_on_resolve(void *ctx, uint32_t node, const char *name, int32_t *pid)
{
	const struct lat_subject who = { .is_peer = true, .node = node };
	const struct lat_network *net = ctx;
	struct lat_attach *attach = lat_node_attach(net->node);
	int32_t is = lat_endpoint_named(net->node, name);
	int rc = 0;

	if (is == 0)
		rc = attach != NULL ? lat_attach_named(attach, name, &is) : -ENOENT;
	if (rc == 0 || rc == -EBUSY) {
		int may = lat_judge_may(net->node->judge, &who, LAT_JUDGE_SEND, is, name);

		if (may < 0)
			lat_refusal_peer(net, &(struct lat_refusal_peer){ .node = node,
									  .act = LAT_AUDIT_RESOLVE,
									  .dst = is,
									  .service = name,
									  .rc = may });
		rc = may < 0 ? may : rc;
	}
	if (rc == 0)
		*pid = is;
	return rc;
}

/* ---- the call ---- */

static int resolve_here(struct lattice_node *node, const char *name, int32_t *pid)
{
	int32_t own = lat_endpoint_named(node, name);
	int rc = -ENOENT;

	if (own != 0) {
		*pid = own;
		return 0;
	}
	if (lat_node_attach(node) != NULL)
		rc = lat_attach_resolve(lat_node_attach(node), name, pid,
					lat_clock_deadline(lat_clock_monotonic_ns(), LAT_ATTACH_PATIENCE_NS));
	switch (rc) {
	case -ENOENT:
		return lat_why(
			node, rc,
			"no service of this node is called '%s': 'lattice node status' shows those that are, "
			"'lattice recv %s' is one",
			name, name);
	case -EACCES:
		return lat_why(
			node, rc,
			"this user may not send to the service '%s', if there is one: 'allow = user ...: send' under "
			"'[service %s]' in the file of 'lattice node run -c' would let it",
			name, name);
	case -ETIMEDOUT:
		return lat_why(node, rc, "the process that hosts does not answer: is it stopped?");
	case -ESHUTDOWN:
		return lat_why(node, rc, "the node was closed");
	default:
		return rc;
	}
}

static int resolve_there(struct lattice_node *node, const char *name, lattice_node_id peer, int32_t *pid,
			 int64_t timeout_ns)
{
	int rc = -EOPNOTSUPP;

	if (node->network != NULL)
		rc = lat_network_resolve(node->network, peer, name, pid, timeout_ns);
	else if (lat_node_attach(node) != NULL)
		rc = lat_probe_resolve(lat_node_attach(node), peer, name, pid, lat_clock_until(timeout_ns));
	else
		return lat_why(node, rc, "this node has no network: open it with LATTICE_HOST_SELF");
	if (rc == -ENOENT)
		return lat_why(node, rc,
			       "node %u has no service '%s', or none for this node. Is it running there "
			       "('lattice recv %s'), and does that node's policy allow this one?",
			       peer, name, name);
	return lat_peer_why(node, node, peer, rc);
}

int lattice_node_resolve(struct lattice_node *node, const char *name, lattice_node_id node_id, int32_t *pid,
			 int64_t timeout_ns)
{
	int rc;

	lat_why_forget();
	if (node == NULL || pid == NULL)
		return -EINVAL;
	rc = lat_node_check(node, node);
	if (rc < 0)
		return rc;
	if (name == NULL || !lat_name_valid(name, LAT_SERVICE_MAX))
		return lat_names_why(node, name);
	if (timeout_ns == 0)
		return lat_why(node, -EINVAL, "no time to wait");
	(void)lat_node_get(node);
	rc = node_id == 0 || node_id == node->id ? resolve_here(node, name, pid)
						 : resolve_there(node, name, node_id, pid, timeout_ns);
	lat_node_put(node);
	return rc;
}

/* What other nodes may: the machine asks, this node's rules answer. The network's lock is held. */
#include <errno.h>

#include "node/judge.h"
#include "node/network.h"
#include "node/node.h"
#include "node/remote.h"

int lat_rights_on_key(void *ctx, const uint8_t desc[LAT_CAP_DESC], const uint8_t *caveats, size_t count,
		      uint8_t k[LAT_CAP_KEY])
{
	(void)ctx;
	(void)desc;
	(void)caveats;
	(void)count;
	(void)k;
	return -EACCES; /* this node has given none */
}

/* A peer may by being who it is what the policy says; without one, send to every endpoint that is open. */
int lat_rights_on_admit(void *ctx, const struct lat_open_ask *ask, struct lat_open_grant *out)
{
	const struct lat_subject who = { .is_peer = true, .node = ask->node };
	struct lat_network *net = ctx;
	struct lat_policy_grant grant;
	int rc = ask->desc != NULL ? -EACCES
				   : lat_judge_grant(net->node->judge, &who, ask->dst_pid, NULL, &grant);

	if (rc < 0)
		return rc;
	*out = (struct lat_open_grant){ .rights = grant.rights,
					.badge = grant.badge,
					.max_msg = grant.max_msg == UINT32_MAX ? 0 : grant.max_msg,
					.rate = grant.rate };
	return 0;
}

bool lat_rights_on_live(void *ctx, struct lat_cap_ref life)
{
	(void)ctx;
	(void)life;
	return true; /* none ends */
}

void lat_rights_on_told(void *ctx, uint32_t node, struct lat_cap_ref life)
{
	(void)ctx;
	(void)node;
	(void)life;
}

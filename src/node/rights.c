/* What other nodes may: the machine asks, this node's issuer answers. But where it says otherwise the network's lock is held. */
#include <errno.h>
#include <string.h>

#include "node/issuer.h"
#include "node/names.h"
#include "node/network.h"
#include "node/node.h"
#include "node/refusal.h"
#include "node/remote.h"
#include "node/standing.h"
#include "os/clock.h"

void lat_network_set_rights(struct lat_network *net, const struct lat_network_rights *rights)
{
	pthread_mutex_lock(&net->lock);
	net->rights = *rights;
	pthread_mutex_unlock(&net->lock);
}

uint32_t lat_network_revoked(struct lat_network *net)
{
	uint32_t count;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return 0;
	count = lat_engine_revoke(net->engine, now);
	lat_network_end(net);
	return count;
}

int lat_rights_on_key(void *ctx, const uint8_t desc[LAT_CAP_DESC], const uint8_t *caveats, size_t count,
		      uint8_t k[LAT_CAP_KEY])
{
	const struct lat_network *net = ctx;

	return net->rights.issuer == NULL ? -EACCES
					  : lat_issuer_key(net->rights.issuer, desc, caveats, count, k);
}

static struct lat_issuer_ask shown_by(const struct lat_open_ask *ask)
{
	struct lat_issuer_ask shown = { .desc = ask->desc,
					.caveats = ask->caveats,
					.count = ask->caveat_count,
					.src = ask->src_pid,
					.dst = ask->dst_pid,
					.now_unix = lat_clock_wall_s() };

	memcpy(shown.holder, ask->id, sizeof(shown.holder));
	return shown;
}

/* @name: of the pid that it asks for; NULL: not looked up. */
static void record(const struct lat_network *net, const struct lat_open_ask *ask, const char *name,
		   bool forged, int rc)
{
	struct lat_issuer_ask shown = { .count = 0 };

	if (ask->desc != NULL)
		shown = shown_by(ask);
	lat_refusal_peer(net, &(struct lat_refusal_peer){ .node = ask->node,
							  .id = ask->id,
							  .act = LAT_AUDIT_OPEN,
							  .src = ask->src_pid,
							  .dst = ask->dst_pid,
							  .service = name,
							  .ask = ask->desc != NULL ? &shown : NULL,
							  .forged = forged,
							  .rc = rc });
}

void lat_rights_on_proof_wrong(void *ctx, const struct lat_open_ask *ask)
{
	record(ctx, ask, NULL, true, -EACCES);
}

static int admit(const struct lat_network *net, const struct lat_open_ask *ask, struct lat_open_grant *out)
{
	const struct lat_issuer_ask shown = shown_by(ask);
	struct lat_admission a;
	int rc = lat_issuer_admit(net->rights.issuer, &shown, &a);

	if (rc < 0) {
		record(net, ask, NULL, false, rc);
		return rc == -EKEYREVOKED || rc == -EKEYEXPIRED ? rc : -EACCES;
	}
	*out = (struct lat_open_grant){ .life = a.life,
					.rights = (uint16_t)a.rights,
					.badge = a.badge,
					.max_msg = a.max_msg,
					.rate = a.rate,
					.not_after = a.not_after };
	return 0;
}

/* A peer may by being who it is what the policy says; without one, send to every endpoint that is open. */
int lat_rights_on_admit(void *ctx, const struct lat_open_ask *ask, struct lat_open_grant *out)
{
	const struct lat_subject who = { .is_peer = true, .node = ask->node };
	struct lat_network *net = ctx;
	char name[LATTICE_SERVICE_MAX + 1];
	struct lat_admission a;
	int rc;

	if (ask->desc != NULL)
		return admit(net, ask, out);
	lat_names_of(net->node, ask->dst_pid, name);
	rc = lat_standing_admit(net->node->standing, net->rights.issuer, &who, ask->id, ask->dst_pid, name,
				&a);
	if (rc < 0) {
		record(net, ask, name, false, rc);
		return rc == -EACCES ? rc : -ENOBUFS;
	}
	*out = (struct lat_open_grant){ .life = a.life,
					.rights = (uint16_t)a.rights,
					.badge = a.badge,
					.max_msg = a.max_msg == UINT32_MAX ? 0 : a.max_msg,
					.rate = a.rate };
	return 0;
}

bool lat_rights_on_live(void *ctx, struct lat_cap_ref life)
{
	const struct lat_network *net = ctx;

	return lat_issuer_live(net->rights.issuer, life);
}

void lat_rights_on_told(void *ctx, uint32_t node, struct lat_cap_ref life)
{
	const struct lat_network *net = ctx;

	if (net->rights.told != NULL)
		net->rights.told(net->rights.ctx, node, life);
}

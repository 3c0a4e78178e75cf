/* What other nodes may: the machine asks, this node's rules answer. The network's lock is held. */
#include <errno.h>

#include "node/network.h"
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

/* A peer whose key is configured may send to every endpoint that is open. */
int lat_rights_on_admit(void *ctx, const struct lat_open_ask *ask, struct lat_open_grant *out)
{
	(void)ctx;
	if (ask->desc != NULL)
		return -EACCES;
	*out = (struct lat_open_grant){ .rights = LAT_RIGHT_OPEN | LAT_RIGHT_SEND | LAT_RIGHT_BULK };
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

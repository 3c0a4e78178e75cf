/* One message of a megabyte from pid 1 to pid 7 of this process, written and read where it lies: nothing is copied. */
#include <stdio.h>
#include <string.h>

#include <lattice/lattice.h>

enum { BYTES = 1000000 };

static int failed(const void *handle, int rc, const char *what)
{
	char why[512];

	lattice_explain(handle, rc, why, sizeof(why));
	fprintf(stderr, "loan: %s: %s\n", what, why);
	return rc;
}

static int send_one(struct lattice_channel *channel)
{
	struct lattice_block block;
	int rc = lattice_channel_loan(channel, BYTES, &block, LATTICE_FOREVER);

	if (rc < 0)
		return failed(channel, rc, "loan");
	memset(block.data, 'x', block.bytes);
	rc = lattice_channel_publish(channel, &block, 1, block.bytes, LATTICE_FOREVER);
	return rc < 0 ? failed(channel, rc, "publish") : 0;
}

static int take_one(struct lattice_endpoint *inbox)
{
	struct lattice_msg msg;
	struct lattice_hold hold;
	int rc = lattice_endpoint_take(inbox, &msg, &hold, 0, LATTICE_FOREVER);

	if (rc < 0)
		return failed(inbox, rc, "take");
	printf("pid 7 has %zu bytes of pid %d, the last one is '%c'\n", msg.len, msg.source,
	       ((const char *)msg.data)[msg.len - 1]);
	lattice_endpoint_release(inbox, &hold);
	return 0;
}

int main(void)
{
	struct lattice_node *node;
	struct lattice_endpoint *inbox = NULL;
	struct lattice_channel *channel = NULL;
	struct lattice_tier_stats tier[LATTICE_TIERS];
	int rc;

	rc = lattice_node_open(&node, NULL);
	if (rc < 0)
		return failed(NULL, rc, "node") < 0;
	rc = lattice_endpoint_open(&inbox, node, 7);
	if (rc == 0)
		rc = lattice_channel_open(&channel, node, 1, 7, 0, 0);
	if (rc < 0)
		failed(node, rc, "set-up");
	if (rc == 0)
		rc = send_one(channel);
	if (rc == 0)
		rc = take_one(inbox);
	if (rc == 0 && lattice_fastpath_stats(channel, tier) == 0)
		printf("blocks used: %llu\n", (unsigned long long)tier[LATTICE_TIER_SPILL].hits);
	lattice_channel_close(channel);
	lattice_endpoint_close(inbox);
	lattice_node_close(node);
	return rc < 0;
}

/*
 * lattice-bench-life (copied | single | lent) MESSAGES: sends that many messages on a channel within this process and receives each at
 * once, by the short ways; prints the nanoseconds of one. scripts/bench-revoke-cost runs it built with and without the check of the life
 * of a right, and counts its instructions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lattice/lattice.h>

enum { BYTES = 48, BLOCK = 65536 };

static int copied(struct lattice_channel *ch, struct lattice_endpoint *ep)
{
	char data[BYTES] = { 0 }, buf[BYTES];
	struct lattice_msg msg = { .type = 1, .data = data, .len = sizeof(data) };
	int rc = lattice_channel_send(ch, &msg, 0);

	return rc < 0 ? rc : lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0);
}

static int lent(struct lattice_channel *ch, struct lattice_endpoint *ep)
{
	struct lattice_block block;
	struct lattice_hold hold;
	struct lattice_msg msg;
	int rc = lattice_channel_loan(ch, BLOCK, &block, 0);

	if (rc == 0)
		rc = lattice_channel_publish(ch, &block, 1, BLOCK, 0);
	if (rc == 0)
		rc = lattice_endpoint_take(ep, &msg, &hold, 0, 0);
	if (rc == 0)
		lattice_endpoint_release(ep, &hold);
	return rc;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int run(const char *how, long count)
{
	bool single = strcmp(how, "copied") != 0;
	int (*one)(struct lattice_channel *, struct lattice_endpoint *) = strcmp(how, "lent") == 0 ? lent
												   : copied;
	struct lattice_node *node = NULL;
	struct lattice_endpoint *ep = NULL;
	struct lattice_channel *ch = NULL;
	int rc = lattice_node_open(&node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE });
	double began;

	if (rc == 0)
		rc = lattice_endpoint_open(&ep, node, 7);
	if (rc == 0)
		rc = lattice_endpoint_tune(ep, &(struct lattice_tuning){ .wait = LATTICE_WAIT_SPIN,
									 .single = single });
	if (rc == 0)
		rc = lattice_channel_open(&ch, node, 1, 7, 0, single ? LATTICE_CHANNEL_SINGLE : 0);
	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = one(ch, ep);
	began = now_ns();
	for (long i = 0; i < count && rc == 0; i++)
		rc = one(ch, ep);
	if (rc == 0)
		printf("%.2f\n", (now_ns() - began) / (double)count);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	lattice_node_close(node);
	return rc;
}

int main(int argc, char **argv)
{
	char why[256];
	long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	int rc;

	if (count <= 0) {
		fprintf(stderr, "usage: %s (copied | single | lent) MESSAGES\n", argv[0]);
		return 2;
	}
	rc = run(argv[1], count);
	if (rc < 0) {
		lattice_explain(NULL, rc, why, sizeof(why));
		fprintf(stderr, "%s\n", why);
	}
	return rc < 0;
}

/*
 * Twelve small services of one appliance, each a task that answers calls and, for its answer, calls others. One arrow is wrong: billing
 * asks orders, which waits for it. So an order would hang all three; instead billing is told, with the names, and answers without.
 *
 *   appliance        the wrong arrow is there: prints the ring, exit status 1
 *   appliance fixed  without it: prints the answer, exit status 0
 *   appliance stay   the first, as part of this machine's node: to be looked at by 'lattice graph', until its standard input ends
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <lattice/lattice.h>

enum { SERVICES = 12, ASKS_MAX = 3, GATE = 0, BILLING = 4 };

static struct service {
	const char *name;
	int asks[ASKS_MAX + 1]; /* from 1: services[asks - 1]; 0 ends */
	struct lattice_endpoint *inbox;
	struct lattice_channel *ask[ASKS_MAX];
} services[SERVICES] = {
	{ .name = "gate", .asks = { 2, 7 } },
	{ .name = "orders", .asks = { 3, 4 } },
	{ .name = "catalogue", .asks = { 10 } },
	{ .name = "stock", .asks = { 5, 6 } },
	{ .name = "billing", .asks = { 8, 2 } },
	{ .name = "shipping", .asks = { 9 } },
	{ .name = "users", .asks = { 10 } },
	{ .name = "prices", .asks = { 10 } },
	{ .name = "maps", .asks = { 11 } },
	{ .name = "store", .asks = { 11, 12 } },
	{ .name = "clock" },
	{ .name = "disk" },
};

static struct lattice_sched *sched;
static char ring[512];
static int failed;

static void fail(const void *handle, int rc, const char *what)
{
	char why[512];

	lattice_explain(handle, rc, why, sizeof(why));
	fprintf(stderr, "appliance: %s: %s\n", what, why);
	failed = 1;
}

/* What all whom it asks come to, and one for itself. */
static int answer(struct service *s)
{
	int sum = 1;

	for (int i = 0; s->asks[i] != 0; i++) {
		struct lattice_msg msg = { .type = 1 };
		int rc = lattice_channel_call(s->ask[i], &msg, &msg, NULL, 0, LATTICE_FOREVER);

		if (rc == -EDEADLK)
			lattice_explain(s->ask[i], rc, ring, sizeof(ring));
		else if (rc < 0)
			fail(s->ask[i], rc, s->name);
		else
			sum += msg.type;
	}
	return sum;
}

static void serve(void *arg)
{
	struct service *s = arg;
	struct lattice_msg msg;

	while (lattice_endpoint_recv(s->inbox, &msg, NULL, 0, LATTICE_FOREVER) == 0) {
		struct lattice_msg reply = { .type = answer(s) };
		int rc = lattice_endpoint_reply(s->inbox, &msg, &reply);

		if (rc < 0)
			fail(s->inbox, rc, s->name);
	}
}

/* One order comes in at the gate, when all services receive. */
static void order(void *arg)
{
	struct lattice_channel *gate = arg;
	struct lattice_msg msg = { .type = 1 };
	int rc;

	(void)lattice_sched_yield();
	rc = lattice_channel_call(gate, &msg, &msg, NULL, 0, LATTICE_FOREVER);
	if (rc < 0)
		fail(gate, rc, "the order");
	else
		printf("the order is answered, by the work of %d\n", msg.type);
	lattice_sched_stop(sched);
}

static int open_services(struct lattice_node *node)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < SERVICES; i++)
		rc = lattice_endpoint_open_name(&services[i].inbox, node, services[i].name, i + 1);
	for (int i = 0; rc == 0 && i < SERVICES; i++) {
		struct service *s = &services[i];

		for (int k = 0; rc == 0 && s->asks[k] != 0; k++)
			rc = lattice_channel_open(&s->ask[k], node, i + 1, s->asks[k], 0, 0);
		if (rc == 0)
			rc = lattice_task_spawn(sched, i + 1, serve, s, 0);
	}
	return rc;
}

static void close_services(void)
{
	for (int i = 0; i < SERVICES; i++) {
		for (int k = 0; k < ASKS_MAX; k++)
			lattice_channel_close(services[i].ask[k]);
		lattice_endpoint_close(services[i].inbox);
	}
}

int main(int argc, char **argv)
{
	bool stays = argc > 1 && strcmp(argv[1], "stay") == 0;
	const struct lattice_node_config own = { .host = stays ? LATTICE_HOST_AUTO : LATTICE_HOST_PRIVATE };
	struct lattice_channel *gate = NULL;
	struct lattice_node *node = NULL;
	int rc;

	if (argc > 1 && strcmp(argv[1], "fixed") == 0)
		services[BILLING].asks[1] = 0;
	rc = lattice_node_open(&node, &own);
	if (rc == 0)
		rc = lattice_sched_open(&sched);
	if (rc == 0)
		rc = open_services(node);
	if (rc == 0)
		rc = lattice_channel_open(&gate, node, 100, GATE + 1, 0, 0);
	if (rc == 0)
		rc = lattice_task_spawn(sched, 100, order, gate, 0);
	if (rc == 0)
		rc = lattice_sched_run(sched);
	if (rc < 0)
		fail(NULL, rc, "set-up");
	if (ring[0] != '\0')
		printf("%s\n", ring);
	if (stays) {
		fflush(stdout);
		while (getchar() != EOF)
			;
	}
	lattice_sched_close(sched);
	close_services();
	lattice_channel_close(gate);
	lattice_node_close(node);
	return failed || ring[0] != '\0';
}

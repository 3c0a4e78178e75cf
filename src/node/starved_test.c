/* A process that has no file descriptors left keeps what it has: its pid, and its host. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"

enum { PID = 7, STATS = 256 };

static uint64_t stat_of(struct lattice_node *node, const char *name)
{
	struct lattice_stat stats[STATS];
	size_t count = lattice_node_stats(node, stats, STATS);

	for (size_t i = 0; i < count && i < STATS; i++)
		if (strcmp(stats[i].name, name) == 0)
			return stats[i].value;
	return 0;
}

/* Hosts; for each byte that comes opens a channel to PID, sends if it can, and says how opening went. */
static void host(int orders, int answers)
{
	struct lattice_msg msg = { .type = 3, .data = "hello", .len = 5 };
	struct lattice_channel *ch = NULL;
	struct lattice_node *node;
	int rc = lattice_node_open(&node, NULL);
	char order;

	if (write(answers, &rc, sizeof(rc)) != (ssize_t)sizeof(rc))
		_exit(1);
	while (read(orders, &order, 1) == 1) {
		rc = lattice_channel_open(&ch, node, 1, PID, 0, 0);
		if (rc == 0)
			rc = lattice_channel_send(ch, &msg, LATTICE_FOREVER);
		if (write(answers, &rc, sizeof(rc)) != (ssize_t)sizeof(rc))
			_exit(1);
	}
	_exit(0);
}

static int order(int orders, int answers)
{
	int rc = 1;

	CHECK_EQ(write(orders, "x", 1), 1);
	CHECK_EQ(read(answers, &rc, sizeof(rc)), sizeof(rc));
	return rc;
}

TEST(a_member_without_descriptors)
{
	struct lattice_endpoint *ep;
	struct lattice_node *node;
	struct lattice_msg msg;
	struct rlimit was, none;
	int orders[2], answers[2], next, rc = 1;
	char buf[16];
	pid_t child;

	CHECK_EQ(pipe(orders), 0);
	CHECK_EQ(pipe(answers), 0);
	child = fork();
	if (child == 0) {
		close(orders[1]);
		host(orders[0], answers[1]);
	}
	CHECK_EQ(read(answers[0], &rc, sizeof(rc)), sizeof(rc));
	CHECK_EQ(rc, 0);
	CHECK_EQ(lattice_node_open(&node, NULL), 0);
	CHECK_EQ(lattice_endpoint_open(&ep, node, PID), 0);

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &was), 0);
	for (int spare = 0; spare < 4; spare++) { /* a link takes four */
		next = dup(0);
		close(next);
		none = (struct rlimit){ (rlim_t)(next + spare), was.rlim_max };
		CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
		CHECK_EQ(order(orders[1], answers[0]), -ECONNREFUSED);
		CHECK_EQ(setrlimit(RLIMIT_NOFILE, &was), 0);
	}
	CHECK_EQ(order(orders[1], answers[0]), 0);
	CHECK_EQ(stat_of(node, "local.attached"), 1);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), LATTICE_FOREVER), 0);
	CHECK_EQ(msg.source, 1);

	close(orders[1]);
	CHECK_EQ(waitpid(child, &rc, 0), child);
	lattice_endpoint_close(ep);
	lattice_node_close(node);
	close(orders[0]);
	close(answers[0]);
	close(answers[1]);
}

TEST_MAIN

/* Who has no file descriptors left keeps what he has: a member its pid and its host, a host its door open. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "node/door.h"

enum { PID = 7, STATS = 256, CROWD = 40 };

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

/* Connects to the host as often as it may wait for, says nothing, and attaches after that. */
static void crowd(int orders, int answers)
{
	struct lattice_node *node;
	struct lat_process process;
	struct lat_door door;
	int rc, fd;
	char go;

	if (read(orders, &go, 1) != 1 || lat_door_find(&door) < 0)
		_exit(1);
	for (int i = 0; i < CROWD; i++)
		if (lat_door_knock(&door, &fd, &process) < 0) /* stays open */
			_exit(1);
	rc = lattice_node_open(&node, NULL);
	_exit(write(answers, &rc, sizeof(rc)) == (ssize_t)sizeof(rc) ? 0 : 1);
}

TEST(a_host_whose_descriptors_the_silent_have)
{
	struct lattice_node *node;
	struct rlimit was, few;
	int orders[2], answers[2], next, status;
	pid_t child;

	CHECK_EQ(pipe(orders), 0);
	CHECK_EQ(pipe(answers), 0);
	child = fork();
	if (child == 0)
		crowd(orders[0], answers[1]);
	CHECK_EQ(lattice_node_open(&node, NULL), 0);
	next = dup(0);
	close(next);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = (struct rlimit){ (rlim_t)next + CROWD, was.rlim_max }; /* each takes two */
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	CHECK_EQ(order(orders[1], answers[0]), 0);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &was), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	lattice_node_close(node);
	for (int i = 0; i < 2; i++) {
		close(orders[i]);
		close(answers[i]);
	}
}

TEST_MAIN

/* What lattice_graph_read() says of a node that only this process has, and of one that others may meet. Of several processes: tests/proc. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"

enum { A = 11, B = 12, C = 13, ASKER = 20 };

static struct {
	struct lattice_node *node;
	struct lattice_endpoint *a, *b, *c;
	struct lattice_channel *ab, *ba, *ask;
	struct lattice_sched *s;
	struct lattice_graph *during; /* read while calls wait */
	int refused;
} t;

static void open_scene(enum lattice_host host)
{
	struct lattice_node_config cfg = { .host = host };

	memset(&t, 0, sizeof(t));
	CHECK_EQ(lattice_node_open(&t.node, &cfg), 0);
	CHECK_EQ(lattice_endpoint_open_name(&t.a, t.node, "first", A), 0);
	CHECK_EQ(lattice_endpoint_open_name(&t.b, t.node, "second", B), 0);
	CHECK_EQ(lattice_endpoint_open(&t.c, t.node, C), 0);
	CHECK_EQ(lattice_channel_open(&t.ab, t.node, A, B, 0, 0), 0);
	CHECK_EQ(lattice_channel_open(&t.ba, t.node, B, A, 0, 0), 0);
	CHECK_EQ(lattice_channel_open(&t.ask, t.node, ASKER, A, 0, 0), 0);
	CHECK_EQ(lattice_sched_open(&t.s), 0);
}

static void close_scene(void)
{
	lattice_graph_free(t.during);
	CHECK_EQ(lattice_sched_close(t.s), 0);
	lattice_channel_close(t.ask);
	lattice_channel_close(t.ba);
	lattice_channel_close(t.ab);
	lattice_endpoint_close(t.c);
	lattice_endpoint_close(t.b);
	lattice_endpoint_close(t.a);
	lattice_node_close(t.node);
}

/* Asks on @ch for what it was asked itself, once. */
static void pass_on(struct lattice_endpoint *ep, struct lattice_channel *ch)
{
	struct lattice_msg in, msg = { .type = 1 };

	if (lattice_endpoint_recv(ep, &in, NULL, 0, LATTICE_FOREVER) < 0)
		return;
	t.refused += lattice_channel_call(ch, &msg, &msg, NULL, 0, LATTICE_FOREVER) == -EDEADLK;
	if (ch == t.ba && lattice_graph_read(&t.during, t.node, LATTICE_FOREVER) < 0)
		t.during = NULL;
	msg = (struct lattice_msg){ .type = 2 };
	if (lattice_endpoint_reply(ep, &in, &msg) < 0)
		t.refused = -1;
}

static void first(void *arg)
{
	(void)arg;
	pass_on(t.a, t.ab);
}

static void second(void *arg)
{
	(void)arg;
	pass_on(t.b, t.ba);
}

static void asker(void *arg)
{
	struct lattice_msg msg = { .type = 1 };

	(void)arg;
	(void)lattice_sched_yield();
	if (lattice_channel_call(t.ask, &msg, &msg, NULL, 0, LATTICE_FOREVER) < 0)
		t.refused = -1;
}

/* asker -> first -> second, which asks first again and is refused; meanwhile the graph is read. */
static void run_ring(void)
{
	CHECK_EQ(lattice_task_spawn(t.s, A, first, NULL, 0), 0);
	CHECK_EQ(lattice_task_spawn(t.s, B, second, NULL, 0), 0);
	CHECK_EQ(lattice_task_spawn(t.s, ASKER, asker, NULL, 0), 0);
	CHECK_EQ(lattice_sched_run(t.s), 0);
	CHECK_EQ(t.refused, 1);
	CHECK(t.during != NULL);
}

static uint32_t calls_on(const struct lattice_graph *g, int32_t src, int32_t dst)
{
	for (size_t i = 0; i < g->channel_count; i++)
		if (g->channels[i].src == src && g->channels[i].dst == dst)
			return g->channels[i].calls;
	return UINT32_MAX;
}

static bool waits(const struct lattice_graph *g, int32_t pid, int32_t on)
{
	for (size_t i = 0; i < g->wait_count; i++)
		if (g->waits[i].pid == pid && g->waits[i].on == on)
			return true;
	return false;
}

/* The refused ring with pid @from first, as often as it was; 0: it is not there. Rings are the process's, whatever the node. */
static uint64_t refused(const struct lattice_graph *g, int32_t from, int32_t to)
{
	for (size_t i = 0; i < g->ring_count; i++)
		if (g->rings[i].count == 2 && g->rings[i].total == 2 && g->rings[i].pid[0] == from &&
		    g->rings[i].pid[1] == to)
			return g->rings[i].times;
	return 0;
}

static void check_graph(enum lattice_host host, uint64_t times)
{
	struct lattice_graph *g;

	open_scene(host);
	CHECK_EQ(lattice_channel_add_dep(t.ab, t.ba), 0);
	run_ring();
	g = t.during;
	CHECK_EQ(g->node, lattice_node_number(t.node));
	CHECK(!g->cut);
	CHECK_EQ(g->process_count, 1);
	CHECK_EQ(g->processes[0].process, getpid());
	CHECK(!g->processes[0].silent);
	CHECK_EQ(g->pid_count, 3);
	CHECK_EQ(g->pids[0].pid, A);
	CHECK_STR(g->pids[0].name, "first");
	CHECK_EQ(g->pids[2].pid, C);
	CHECK_STR(g->pids[2].name, "");
	CHECK_EQ(g->pids[2].process, getpid());
	CHECK_EQ(g->channel_count, 3);
	CHECK_EQ(calls_on(g, ASKER, A), 1);
	CHECK_EQ(calls_on(g, A, B), 1);
	CHECK_EQ(calls_on(g, B, A), 0);
	CHECK(waits(g, ASKER, A));
	CHECK(waits(g, A, B));
	CHECK(!waits(g, B, A));
	CHECK_EQ(refused(g, B, A), times);
	CHECK_EQ(g->order_count, 1);
	CHECK_EQ(g->orders[0].first.src, A);
	CHECK_EQ(g->orders[0].first.dst, B);
	CHECK_EQ(g->orders[0].then.src, B);
	CHECK_EQ(g->orders[0].then.dst, A);

	CHECK_EQ(lattice_graph_read(&g, t.node, LATTICE_FOREVER), 0);
	CHECK_EQ(g->wait_count, 0);
	CHECK_EQ(calls_on(g, ASKER, A), 0);
	CHECK_EQ(refused(g, B, A), times);
	lattice_graph_free(g);
	close_scene();
}

TEST(of_a_private_node)
{
	check_graph(LATTICE_HOST_PRIVATE, 1);
}

TEST(of_a_node_that_this_process_hosts)
{
	check_graph(LATTICE_HOST_AUTO, 2);
}

TEST(what_is_wrong)
{
	struct lattice_graph *g = (struct lattice_graph *)1;

	CHECK_EQ(lattice_graph_read(NULL, NULL, 0), -EINVAL);
	CHECK_EQ(lattice_graph_read(&g, NULL, 0), -EINVAL);
	CHECK(g == NULL);
	lattice_graph_free(NULL);
}

TEST_MAIN

/* The specification's calls used wrongly, what is said of them, and processes that fork around the default node. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "node/explain.h"
#include "node/nodes_harness.h"

/* ---- arguments ---- */

TEST(what_is_not_there)
{
	struct lattice_packet packet;
	struct lattice_message m = { 0 };
	struct side a;

	make_side(&a, 1);
	CHECK_EQ(init_default(&a), 0);
	CHECK_EQ(lattice_connect(1, 2, 0), 0);

	const struct {
		const char *why;
		int rc;
	} rows[] = {
		{ "a packet of a length without data", lattice_net_send(0, NULL, 1) },
		{ "to another node, too", lattice_net_send(2, NULL, 1) },
		{ "no packet to fill in", lattice_net_recv(NULL, NULL, 0, 0) },
		{ "no buffer", lattice_net_recv(&packet, NULL, 1, 0) },
		{ "no message to send", lattice_send(1, 2, NULL, 0) },
		{ "no message to fill in", lattice_recv(2, NULL, 0) },
		{ "work of pids that are not joined", lattice_channel_submit(lattice_channel_between(1, 3)) },
		{ "work for them", lattice_channel_set_work(NULL, NULL, NULL) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, rows[i].rc, -EINVAL);
	CHECK_EQ(lattice_send(1, 2, NULL, 0), -EINVAL);
	CHECK(explained(-EINVAL, "no message"));
	CHECK_EQ(lattice_net_send(0, NULL, 1), -EINVAL);
	CHECK(explained(-EINVAL, "without data"));
	/* What needs none of it. */
	CHECK_EQ(lattice_net_send(0, NULL, 0), 0);
	CHECK_EQ(lattice_net_recv(&packet, NULL, 0, 0), 0);
	CHECK_EQ(lattice_send(1, 2, &m, 0), 0);
	CHECK_EQ(lattice_recv(2, &m, 0), 0);
	CHECK_EQ(lattice_channel_submit(lattice_channel_between(1, 2)), 0);
	lattice_net_shutdown();
	remove_dir(a.dir);
}

/* ---- sentences ---- */

static void check_own_sentence(const char *why, int rc, const char *others)
{
	char text[1024];

	(void)lattice_explain(NULL, rc, text, sizeof(text));
	CHECK_ROW(why, strstr(text, others) == NULL);
}

TEST(a_sentence_is_about_the_call_that_failed)
{
	struct lattice_packet packet;
	struct lattice_message m;
	struct side a, b;

	make_side(&a, 1);
	make_side(&b, 2);
	introduce(&a, &b);
	CHECK_EQ(init_default(&a), 0);
	CHECK_EQ(lattice_listen(7), 0);
	(void)lat_why(NULL, -ETIMEDOUT, "node 2 does not answer");
	CHECK(explained(-ETIMEDOUT, "node 2"));
	CHECK_EQ(lattice_net_recv(&packet, NULL, 0, 1), -ETIMEDOUT);
	check_own_sentence("no packet came", -ETIMEDOUT, "node 2");
	(void)lat_why(NULL, -ETIMEDOUT, "node 2 does not answer");
	CHECK_EQ(lattice_recv(7, &m, 0), -ETIMEDOUT);
	check_own_sentence("no message came", -ETIMEDOUT, "node 2");
	lattice_net_shutdown();
	remove_dir(a.dir);
	remove_dir(b.dir);
}

/* ---- fork ---- */

/* In a child: 0 when the default node can be opened there, used and closed. */
static int use_default(const struct side *s)
{
	struct lattice_packet packet;
	char byte;

	if (init_default(s) != 0)
		return 1;
	if (lattice_net_send(0, "x", 1) != 0 || lattice_net_recv(&packet, &byte, 1, LATTICE_FOREVER) != 0)
		return 2;
	lattice_net_shutdown();
	return lattice_net_send(0, "x", 1) == -ESHUTDOWN ? 0 : 3;
}

static int ended_with(pid_t child)
{
	int status = -1;

	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_child_of_one_who_has_closed_it)
{
	struct side a;
	pid_t child;

	make_side(&a, 1);
	CHECK_EQ(init_default(&a), 0);
	child = fork();
	if (child == 0)
		_exit(lattice_net_init(NULL) == -EPERM ? 0 : 1);
	CHECK_EQ(ended_with(child), 0);
	lattice_net_shutdown();
	child = fork();
	if (child == 0)
		_exit(use_default(&a));
	CHECK_EQ(ended_with(child), 0);
	CHECK_EQ(init_default(&a), 0); /* as the parent may */
	lattice_net_shutdown();
	remove_dir(a.dir);
}

static atomic_bool enough;

/* Opens and closes, so that forks come at every moment of it. */
static void *open_and_close(void *arg)
{
	while (!atomic_load_explicit(&enough, memory_order_relaxed)) {
		if (init_default(arg) == 0)
			lattice_net_shutdown();
	}
	return NULL;
}

static void *ask(void *arg)
{
	(void)arg;
	while (!atomic_load_explicit(&enough, memory_order_relaxed))
		(void)lattice_net_port();
	return NULL;
}

TEST(forks_at_any_moment)
{
	struct side a, b;
	pthread_t threads[2];

	make_side(&a, 1);
	make_side(&b, 2);
	atomic_store_explicit(&enough, false, memory_order_relaxed);
	CHECK_EQ(pthread_create(&threads[0], NULL, open_and_close, &a), 0);
	CHECK_EQ(pthread_create(&threads[1], NULL, ask, NULL), 0);
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();

		if (child == 0) {
			int rc = lattice_net_add_remote(2, "", 1, LATTICE_UDP);

			/* At once, whatever the parent's threads were at: theirs, or nobody's. */
			alarm(60);
			lattice_net_shutdown();
			_exit(rc == -EPERM || rc == -ENOTCONN || rc == -ESHUTDOWN ? 0 : 1);
		}
		CHECK_EQ(ended_with(child), 0);
	}
	atomic_store_explicit(&enough, true, memory_order_relaxed);
	CHECK_EQ(pthread_join(threads[0], NULL), 0);
	CHECK_EQ(pthread_join(threads[1], NULL), 0);
	lattice_net_shutdown();
	remove_dir(a.dir);
	remove_dir(b.dir);
}

TEST_MAIN

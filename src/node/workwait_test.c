/* Waiting for submitted work: whichever thread runs it, how it ends, and what may not be waited for. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "os/clock.h"

enum { CHANNELS = 4 };

static const int64_t patience_ns = 60 * LAT_NS_PER_S;

struct unit {
	struct lattice_channel *ch;
	struct lattice_channel *wait; /* its work waits for that one's */
	int64_t timeout_ns;
	int waited, rc;
	_Atomic(uint32_t) *meet; /* work that meets that of another thread */
	_Atomic(bool) *gate;     /* runs until this is open */
	_Atomic(bool) inside;
};

static struct {
	struct lattice_node *node;
	struct lattice_endpoint *ep;
	struct unit unit[CHANNELS];
} t;

static void until(const _Atomic(bool) *what)
{
	while (!atomic_load_explicit(what, memory_order_acquire))
		(void)sched_yield();
}

static int work(void *ctx, struct lattice_channel *ch)
{
	struct unit *u = ctx;

	(void)ch;
	atomic_store_explicit(&u->inside, true, memory_order_release);
	if (u->gate != NULL)
		until(u->gate);
	if (u->meet != NULL) {
		(void)atomic_fetch_add_explicit(u->meet, 1, memory_order_acq_rel);
		while (atomic_load_explicit(u->meet, memory_order_acquire) < 2)
			(void)sched_yield();
	}
	if (u->wait != NULL)
		u->waited = lattice_channel_wait_work(u->wait, u->timeout_ns);
	return u->rc;
}

static void open_all(void)
{
	memset(&t, 0, sizeof(t));
	CHECK_EQ(lattice_node_open(&t.node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }),
		 0);
	CHECK_EQ(lattice_endpoint_open(&t.ep, t.node, 1000), 0);
	for (int32_t i = 0; i < CHANNELS; i++) {
		CHECK_EQ(lattice_channel_open(&t.unit[i].ch, t.node, i + 1, 1000, 0, 0), 0);
		CHECK_EQ(lattice_channel_set_work(t.unit[i].ch, work, &t.unit[i]), 0);
	}
}

static void close_all(void)
{
	for (int i = 0; i < CHANNELS; i++)
		lattice_channel_close(t.unit[i].ch);
	lattice_endpoint_close(t.ep);
	lattice_node_close(t.node);
}

static void *submit(void *arg)
{
	struct unit *u = arg;

	return (void *)(intptr_t)lattice_channel_submit(u->ch);
}

static int joined(pthread_t thread)
{
	void *rc;

	CHECK_EQ(pthread_join(thread, &rc), 0);
	return (int)(intptr_t)rc;
}

TEST(what_has_no_end_yet)
{
	char why[256];

	open_all();
	CHECK_EQ(lattice_channel_wait_work(NULL, 0), -EINVAL);
	CHECK_EQ(lattice_channel_wait_work(t.unit[0].ch, 0), -EAGAIN);
	(void)lattice_explain(t.unit[0].ch, -EAGAIN, why, sizeof(why));
	CHECK(strstr(why, "1->1000@0") != NULL);
	CHECK_EQ(lattice_channel_wait_work(t.unit[0].ch, 1), -ETIMEDOUT);
	CHECK_EQ(lattice_channel_submit(t.unit[0].ch), 0);
	CHECK_EQ(lattice_channel_wait_work(t.unit[0].ch, 0), 0);
	t.unit[0].rc = -ENODATA;
	CHECK_EQ(lattice_channel_submit(t.unit[0].ch), -ENODATA);
	CHECK_EQ(lattice_channel_wait_work(t.unit[0].ch, LATTICE_FOREVER), -ENODATA);
	CHECK_EQ(lattice_channel_add_dep(t.unit[0].ch, t.unit[1].ch), 0);
	CHECK_EQ(lattice_channel_set_work(t.unit[1].ch, NULL, NULL), 0);
	CHECK_EQ(lattice_channel_wait_work(t.unit[1].ch, 0), -ENODATA); /* by what is behind it */
	CHECK_EQ(lattice_channel_remove_dep(t.unit[0].ch, t.unit[1].ch), 0);
	CHECK_EQ(lattice_channel_wait_work(t.unit[1].ch, 0), 0);
	CHECK_EQ(lattice_channel_remove_dep(t.unit[0].ch, t.unit[1].ch), -ENOENT);
	CHECK_EQ(lattice_channel_remove_dep(NULL, t.unit[1].ch), -EINVAL);
	CHECK_EQ(lattice_channel_set_priority(t.unit[1].ch, LATTICE_WORK_PRIORITY_MAX), 0);
	CHECK_EQ(lattice_channel_set_priority(t.unit[1].ch, LATTICE_WORK_PRIORITY_MAX + 1), -EINVAL);
	CHECK_EQ(lattice_channel_set_priority(t.unit[1].ch, -1), -EINVAL);
	CHECK_EQ(lattice_channel_set_priority(NULL, 0), -EINVAL);
	close_all();
}

TEST(work_on_another_thread)
{
	_Atomic(bool) open = false;
	pthread_t thread;

	open_all();
	CHECK_EQ(lattice_channel_add_dep(t.unit[0].ch, t.unit[1].ch), 0);
	CHECK_EQ(lattice_channel_submit(t.unit[1].ch), 0); /* pending on what the other thread will run */
	t.unit[0].gate = &open;
	t.unit[1].rc = -ENODATA;
	CHECK_EQ(pthread_create(&thread, NULL, submit, &t.unit[0]), 0);
	until(&t.unit[0].inside);
	CHECK_EQ(lattice_channel_wait_work(t.unit[1].ch, 0), -EAGAIN);
	CHECK_EQ(lattice_channel_wait_work(t.unit[1].ch, 1), -ETIMEDOUT);
	atomic_store_explicit(&open, true, memory_order_release);
	CHECK_EQ(lattice_channel_wait_work(t.unit[1].ch, patience_ns), -ENODATA);
	CHECK_EQ(joined(thread), 0);
	close_all();
}

static void *wait_for(void *arg)
{
	struct unit *u = arg;

	return (void *)(intptr_t)lattice_channel_wait_work(u->ch, patience_ns);
}

/* What ends a wait besides work: that a dependency goes, a parent, or the node. */
TEST(what_else_ends_it)
{
	pthread_t thread;

	for (int how = 0; how < 3; how++) {
		open_all();
		CHECK_EQ(lattice_channel_add_dep(t.unit[0].ch, t.unit[1].ch), 0);
		CHECK_EQ(lattice_channel_submit(t.unit[1].ch), 0);
		CHECK_EQ(pthread_create(&thread, NULL, wait_for, &t.unit[1]), 0);
		if (how == 0)
			CHECK_EQ(lattice_channel_remove_dep(t.unit[0].ch, t.unit[1].ch), 0);
		if (how == 1)
			lattice_channel_close(t.unit[0].ch);
		if (how == 1)
			t.unit[0].ch = NULL;
		if (how == 2)
			lattice_node_close(t.node);
		if (how == 2)
			t.node = NULL;
		CHECK_EQ(joined(thread), how == 0 ? 0 : -ESHUTDOWN);
		close_all();
	}
}

TEST(work_that_waits_for_what_needs_it)
{
	static const struct {
		const char *why;
		int on, parent, child; /* 0's work waits for @on's */
		int64_t timeout_ns;
		int want;
	} rows[] = {
		{ "itself", 0, -1, -1, LATTICE_FOREVER, -EDEADLK },
		{ "a deadline does not make it legal", 0, -1, -1, 1000, -EDEADLK },
		{ "nor does not waiting", 0, -1, -1, 0, -EDEADLK },
		{ "what depends on it", 1, 0, 1, LATTICE_FOREVER, -EDEADLK },
		{ "what nobody submitted, and does not", 1, -1, -1, 0, -EAGAIN },
		{ "what it depends on", 1, 1, 0, LATTICE_FOREVER, 0 },
		{ "what has ended", 2, -1, -1, LATTICE_FOREVER, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char why[256];

		open_all();
		CHECK_EQ(lattice_channel_submit(t.unit[2].ch), 0);
		t.unit[0].wait = t.unit[rows[i].on].ch;
		t.unit[0].timeout_ns = rows[i].timeout_ns;
		if (rows[i].parent >= 0)
			CHECK_EQ(lattice_channel_add_dep(t.unit[rows[i].parent].ch, t.unit[rows[i].child].ch),
				 0);
		if (rows[i].parent == 1)
			CHECK_EQ(lattice_channel_submit(t.unit[1].ch), 0);
		CHECK_EQ(lattice_channel_submit(t.unit[0].ch), 0);
		CHECK_EQ_ROW(rows[i].why, t.unit[0].waited, rows[i].want);
		(void)lattice_explain(t.unit[rows[i].on].ch, -EDEADLK, why, sizeof(why));
		if (rows[i].want == -EDEADLK)
			CHECK(strstr(why, "cannot end before") != NULL);
		close_all();
	}
}

/* Two threads, each in work that waits for the other's: one is refused, and so the other's wait ends. */
TEST(two_that_wait_for_each_other)
{
	for (int round = 0; round < 50; round++) {
		_Atomic(uint32_t) meet = 0;
		pthread_t thread[2];
		int refused = 0;

		open_all();
		for (int i = 0; i < 2; i++) {
			t.unit[i].wait = t.unit[1 - i].ch;
			t.unit[i].timeout_ns = patience_ns;
			t.unit[i].meet = &meet;
		}
		for (int i = 0; i < 2; i++)
			CHECK_EQ(pthread_create(&thread[i], NULL, submit, &t.unit[i]), 0);
		for (int i = 0; i < 2; i++) {
			CHECK_EQ(joined(thread[i]), 0);
			CHECK(t.unit[i].waited == 0 || t.unit[i].waited == -EDEADLK);
			refused += t.unit[i].waited == -EDEADLK;
		}
		CHECK_EQ(refused, 1);
		close_all();
	}
}

static struct lattice_sched *tasks;

static void waiting_task(void *arg)
{
	struct unit *u = arg;

	u->waited = lattice_channel_wait_work(u->ch, patience_ns);
}

static void submitting_task(void *arg)
{
	struct unit *u = arg;

	(void)lattice_sched_yield(); /* after the others wait */
	u->rc = lattice_channel_submit(u->ch);
}

/* One waits, and the other runs meanwhile. */
TEST(tasks_of_one_thread)
{
	open_all();
	CHECK_EQ(lattice_sched_open(&tasks), 0);
	t.unit[2].waited = 1;
	CHECK_EQ(lattice_task_spawn(tasks, 0, waiting_task, &t.unit[2], 0), 0);
	CHECK_EQ(lattice_task_spawn(tasks, 0, submitting_task, &t.unit[2], 0), 0);
	CHECK_EQ(lattice_sched_run(tasks), 0);
	CHECK_EQ(t.unit[2].waited, 0);
	CHECK_EQ(t.unit[2].rc, 0);
	CHECK_EQ(lattice_sched_close(tasks), 0);
	close_all();
}

TEST_MAIN

/* What tasks do to each other: order and priorities, blocking and unblocking, rings, hand-off, preemption; a hook; a fork. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lattice/sched.h>

#include "base/test.h"
#include "base/why.h"
#include "os/eventfd.h"
#include "sched/task.h"

enum { TASKS = 5 };

/* CHECK may not be used on a task's stack: tasks leave their verdicts here, and the case checks them. */
static struct {
	struct lattice_sched *s;
	struct lattice_task *task[TASKS];
	char text[256];
	size_t len;
	int rc[TASKS];
	char why[512];
} t;

static void note(char c)
{
	if (t.len < sizeof(t.text) - 1) {
		t.text[t.len++] = c;
		t.text[t.len] = 0;
	}
}

static void open_sched(void)
{
	memset(&t, 0, sizeof(t));
	CHECK_EQ(lattice_sched_open(&t.s), 0);
}

/* A new task, pid @i + 1. */
static void make(uint32_t i, lattice_task_fn fn, void *arg)
{
	CHECK_EQ(lattice_task_open(&t.task[i], t.s, (int32_t)i + 1, fn, arg, 0), 0);
}

/* The same, ready. */
static void ready(uint32_t i, lattice_task_fn fn, void *arg)
{
	make(i, fn, arg);
	CHECK_EQ(lattice_sched_enqueue(t.task[i]), 0);
}

static void run_all(void)
{
	CHECK_EQ(lattice_sched_run(t.s), 0);
	CHECK_EQ(lattice_sched_tasks(t.s), 0);
	CHECK_EQ(lattice_sched_close(t.s), 0);
}

/* --- the ready queue ---------------------------------------------------------------------------- */

static void letters(void *arg)
{
	for (const char *c = arg; *c != 0; c++) {
		note(*c);
		(void)lattice_sched_yield();
	}
}

TEST(priorities)
{
	static const struct {
		const char *why;
		int priority[3];
		const char *want;
	} rows[] = {
		{ "all alike: in turn", { 3, 3, 3 }, "adgbehcfi" },
		{ "the last is first", { 2, 2, 5 }, "ghiadbecf" },
		{ "each its own", { 0, LATTICE_TASK_PRIORITY_MAX, 1 }, "defghiabc" },
		{ "one behind two", { 4, 0, 4 }, "agbhcidef" },
	};
	static char texts[3][4] = { "abc", "def", "ghi" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		open_sched();
		for (uint32_t n = 0; n < 3; n++) {
			make(n, letters, texts[n]);
			CHECK_EQ(lattice_task_priority(t.task[n]), LATTICE_TASK_PRIORITY_DEFAULT);
			if (n == 1) /* before it is ready, or after: alike */
				CHECK_EQ(lattice_task_set_priority(t.task[n], rows[i].priority[n]), 0);
			CHECK_EQ(lattice_sched_enqueue(t.task[n]), 0);
			CHECK_EQ(lattice_task_set_priority(t.task[n], rows[i].priority[n]), 0);
			CHECK_EQ(lattice_task_priority(t.task[n]), rows[i].priority[n]);
		}
		CHECK_EQ(lattice_task_set_priority(t.task[0], -1), -EINVAL);
		CHECK_EQ(lattice_task_set_priority(t.task[0], LATTICE_TASK_PRIORITY_MAX + 1), -EINVAL);
		CHECK_EQ(lattice_task_priority(NULL), -1);
		run_all();
		CHECK_STR_ROW(rows[i].why, t.text, rows[i].want);
	}
}

static void look_at_queue(void *arg)
{
	(void)arg;
	t.rc[0] = lattice_sched_enqueue(t.task[0]); /* itself */
	t.rc[1] = lattice_sched_enqueue(t.task[1]); /* new */
	t.rc[2] = lattice_sched_enqueue(t.task[1]); /* ready */
	t.rc[3] = lattice_sched_pick(t.s) == t.task[1] ? 1 : 0;
	t.rc[4] = lattice_sched_yield_to(t.task[0]);
	note('a');
	(void)lattice_sched_enqueue(t.task[2]);
	(void)lattice_sched_yield_to(t.task[2]);
	note('b');
}

TEST(enqueue_pick_yield_to)
{
	static char one[] = "1", two[] = "2";

	open_sched();
	CHECK(lattice_sched_pick(t.s) == NULL);
	ready(0, look_at_queue, NULL);
	make(1, letters, one);
	make(2, letters, two);
	CHECK(lattice_sched_pick(t.s) == t.task[0]);
	CHECK_EQ(lattice_sched_yield_to(t.task[0]), -EPERM);
	run_all();
	CHECK_EQ(t.rc[0], -EALREADY);
	CHECK_EQ(t.rc[1], 0);
	CHECK_EQ(t.rc[2], -EALREADY);
	CHECK_EQ(t.rc[3], 1);
	CHECK_EQ(t.rc[4], -EINVAL);
	CHECK_STR(t.text, "a21b");
}

/* --- blocking ----------------------------------------------------------------------------------- */

static void block_on(void *arg)
{
	uint32_t self = (uint32_t)(uintptr_t)arg, on = (self + 1) % 3;

	note((char)('a' + self));
	t.rc[self] = lattice_sched_block_on(t.task[on], LATTICE_FOREVER);
	if (t.rc[self] == -EDEADLK)
		(void)snprintf(t.why, sizeof(t.why), "%s", lat_why_last(NULL, -EDEADLK));
	note((char)('A' + self));
}

/* Three block on each other in a ring; the last is refused, and its end frees the second, whose end frees the first. */
TEST(a_ring_is_refused_by_name)
{
	open_sched();
	for (uint32_t i = 0; i < 3; i++)
		ready(i, block_on, (void *)(uintptr_t)i);
	run_all();
	CHECK_EQ(t.rc[2], -EDEADLK);
	CHECK_EQ(t.rc[1], -EOWNERDEAD);
	CHECK_EQ(t.rc[0], -EOWNERDEAD);
	CHECK_STR(t.text, "abcCBA");
	CHECK_STR(
		t.why,
		"nobody would ever wake: pid 3 waits for pid 1, which waits for pid 2, which waits for pid 3");
}

static void block_on_self(void *arg)
{
	(void)arg;
	t.rc[0] = lattice_sched_block_on(t.task[0], LATTICE_FOREVER);
	t.rc[1] = lattice_sched_block_on(t.task[1], 0);
	t.rc[2] = lattice_sched_block_on(t.task[1], 1000000);
	t.rc[3] = lattice_sched_block_on(NULL, 1000000);
}

static void wait_to_be_unblocked(void *arg)
{
	(void)arg;
	t.rc[4] = lattice_sched_block_on(NULL, LATTICE_FOREVER);
	note('u');
}

static void unblock_first(void *arg)
{
	(void)arg;
	while (!lattice_sched_is_blocked(t.task[1]))
		(void)lattice_sched_yield();
	note('x');
	(void)lattice_sched_unblock(t.task[1]);
	note(lattice_sched_is_blocked(t.task[1]) ? '!' : 'y');
	if (lattice_sched_enqueue(t.task[1]) == -EALREADY)
		note('z');
}

TEST(what_blocking_comes_to)
{
	open_sched();
	CHECK_EQ(lattice_sched_block_on(NULL, 0), -EPERM);
	ready(0, block_on_self, NULL);
	ready(1, wait_to_be_unblocked, NULL);
	CHECK_EQ(lattice_sched_block_on(t.task[1], 0), -EPERM);
	ready(2, unblock_first, NULL);
	CHECK_EQ(lattice_task_set_priority(t.task[2], 0), 0); /* when the others wait */
	run_all();
	CHECK_EQ(t.rc[0], -EDEADLK);
	CHECK_EQ(t.rc[1], -ETIMEDOUT);
	CHECK(t.rc[2] == -ETIMEDOUT || t.rc[2] == -EOWNERDEAD); /* the other ends in between */
	CHECK_EQ(t.rc[3], -ETIMEDOUT);
	CHECK_EQ(t.rc[4], 0);
	CHECK_STR(t.text, "xyzu");
}

static void unblocked_before(void *arg)
{
	(void)arg;
	t.rc[0] = lattice_sched_block_on(NULL, LATTICE_FOREVER);
	t.rc[1] = lattice_sched_block_on(NULL, 0);
}

TEST(an_unblock_is_not_lost)
{
	open_sched();
	ready(0, unblocked_before, NULL);
	CHECK_EQ(lattice_sched_unblock(t.task[0]), 0);
	CHECK_EQ(lattice_sched_unblock(t.task[0]), 0);
	run_all();
	CHECK_EQ(t.rc[0], 0);
	CHECK_EQ(t.rc[1], -ETIMEDOUT);
}

enum { UNBLOCKS = 20000 };

static _Atomic(uint32_t) asked, answered;

static void be_unblocked_often(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < UNBLOCKS && t.rc[0] == 0; i++) {
		atomic_store_explicit(&asked, i + 1, memory_order_release);
		t.rc[0] = lattice_sched_block_on(NULL, LATTICE_FOREVER);
		if (atomic_load_explicit(&answered, memory_order_acquire) != i + 1)
			t.rc[0] = -EBADMSG;
	}
}

static void *unblock_often(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < UNBLOCKS; i++) {
		while (atomic_load_explicit(&asked, memory_order_acquire) != i + 1)
			sched_yield();
		atomic_store_explicit(&answered, i + 1, memory_order_release);
		(void)lattice_sched_unblock(t.task[0]);
	}
	return NULL;
}

/* The scheduler sleeps or not, as it comes; no wake-up is lost. */
TEST(another_thread_unblocks)
{
	pthread_t thread;

	open_sched();
	atomic_store_explicit(&asked, 0, memory_order_relaxed);
	atomic_store_explicit(&answered, 0, memory_order_relaxed);
	ready(0, be_unblocked_often, NULL);
	CHECK_EQ(pthread_create(&thread, NULL, unblock_often, NULL), 0);
	run_all();
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(t.rc[0], 0);
	CHECK_EQ(atomic_load_explicit(&answered, memory_order_relaxed), UNBLOCKS);
}

static void stop_waiting(void *arg)
{
	t.rc[0] = lattice_sched_block_on(arg, LATTICE_FOREVER);
	t.rc[1] = lattice_sched_block_on(NULL, LATTICE_FOREVER);
	t.rc[2] = lat_wait_fd(t.s->wake_fd, POLLIN, UINT64_MAX);
}

static void stop_them(void *arg)
{
	lattice_sched_stop(arg);
	note('s');
	t.rc[3] = lattice_sched_yield();
}

TEST(stopping_ends_blocking)
{
	open_sched();
	ready(0, stop_waiting, NULL);
	ready(1, stop_them, t.s);
	make(2, letters, (char[]){ "n" }); /* never enqueued: runs all the same */
	run_all();
	for (uint32_t i = 0; i < 4; i++)
		CHECK_EQ(t.rc[i], -ESHUTDOWN);
	CHECK_STR(t.text, "sn");
}

/* --- hand-off ----------------------------------------------------------------------------------- */

enum { ROUNDS = 10000 };

static uint32_t ball;

static void volley(void *arg)
{
	uint32_t self = (uint32_t)(uintptr_t)arg;

	if (self == 1) /* waits for the serve */
		t.rc[1] = lattice_sched_block_on(NULL, LATTICE_FOREVER);
	while (t.rc[self] == 0 && ball < ROUNDS) {
		if (ball % 2 != self)
			t.rc[self] = -EBADMSG;
		ball++;
		if (t.rc[self] == 0)
			t.rc[self] = lattice_sched_direct_handoff(t.task[1 - self], LATTICE_FOREVER);
	}
	t.task[self] = NULL; /* from its end on, nobody may use it */
	if (t.task[1 - self] != NULL)
		(void)lattice_sched_unblock(t.task[1 - self]);
}

static void beside_them(void *arg)
{
	(void)arg;
	while (ball < ROUNDS && t.rc[2] < ROUNDS) {
		t.rc[2]++;
		(void)lattice_sched_yield();
	}
}

/* Two that hand off to each other do not keep a third from running. */
TEST(a_volley_of_hand_offs)
{
	open_sched();
	ball = 0;
	ready(1, volley, (void *)1); /* waits first */
	ready(0, volley, (void *)0);
	ready(2, beside_them, NULL);
	run_all();
	CHECK_EQ(ball, ROUNDS);
	CHECK(t.rc[0] == 0 || t.rc[0] == -EOWNERDEAD);
	CHECK(t.rc[1] == 0 || t.rc[1] == -EOWNERDEAD);
	CHECK(t.rc[2] > 1);
}

static void hand_off_wrongly(void *arg)
{
	(void)arg;
	t.rc[0] = lattice_sched_direct_handoff(NULL, 0);
	t.rc[1] = lattice_sched_direct_handoff(t.task[0], 0);
	t.rc[2] = lattice_sched_direct_handoff(t.task[1], 0); /* new */
	(void)lattice_sched_enqueue(t.task[1]);
	t.rc[3] = lattice_sched_direct_handoff(t.task[1],
					       LATTICE_FOREVER); /* ready: it is unblocked for later */
	t.rc[4] = lattice_sched_direct_handoff(t.task[2], LATTICE_FOREVER);
	lat_eventfd_signal(*(int *)arg);
}

static void wait_for_fd(void *arg)
{
	if (lat_wait_fd(*(int *)arg, POLLIN, UINT64_MAX) == 0)
		note('f');
}

TEST(hand_offs_that_are_refused)
{
	int fd;

	open_sched();
	CHECK_EQ(lat_eventfd_open(&fd), 0);
	CHECK_EQ(lattice_sched_direct_handoff(NULL, 0), -EINVAL);
	ready(2, wait_for_fd, &fd);
	ready(0, hand_off_wrongly, &fd);
	make(1, unblocked_before, NULL);
	CHECK_EQ(lattice_sched_direct_handoff(t.task[0], 0), -EPERM);
	run_all();
	CHECK_EQ(t.rc[2], -EBUSY);
	CHECK_EQ(t.rc[3], -EOWNERDEAD);
	CHECK_EQ(t.rc[4], -EBUSY);
	CHECK_STR(t.text, "f");
	lat_eventfd_close(fd);
}

/* --- preemption --------------------------------------------------------------------------------- */

static void compute(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < 4; i++) {
		note((char)('0' + i));
		lat_sched_point(); /* as every call of the library that may wait */
	}
}

static void ask(void *arg)
{
	note('p');
	lattice_sched_preempt(arg);
	lat_sched_point();
	note('q');
}

TEST(preemption)
{
	open_sched();
	ready(0, ask, t.s);
	ready(1, compute, NULL);
	run_all();
	CHECK_STR(t.text, "p0123q");
	open_sched();
	ready(0, compute, NULL);
	ready(1, letters, (char[]){ "x" });
	lattice_sched_preempt(t.s);
	run_all();
	CHECK_STR(t.text, "0x123");
}

/* --- a hook ------------------------------------------------------------------------------------- */

struct loop {
	int fd, woken;
	uint32_t waits, wakes;
	bool flow;
};

static void *loop_current(void *ctx)
{
	struct loop *l = ctx;

	return l->flow ? l : NULL;
}

static int loop_wait(void *ctx, int fd, short events, uint64_t deadline_ns)
{
	struct loop *l = ctx;

	(void)events;
	l->waits++;
	l->fd = fd;
	return deadline_ns == 7 ? -ETIMEDOUT : 0;
}

static void set_in_task(void *arg)
{
	t.rc[0] = lattice_sched_hook_set(arg);
}

TEST(a_hook_of_the_programs)
{
	struct loop loop = { .flow = true };
	struct lattice_sched_hook hook = { .ctx = &loop, .current = loop_current };
	int fd;

	CHECK_EQ(lattice_sched_hook_set(&hook), -EINVAL);
	hook.wait = loop_wait;
	CHECK_EQ(lattice_sched_hook_set(&hook), 0);
	hook.wait = NULL; /* it was copied */
	CHECK_EQ(lat_wait_fd(99, POLLIN, 7), -ETIMEDOUT);
	CHECK_EQ(lat_wait_fd(98, POLLIN, UINT64_MAX), 0);
	CHECK_EQ(loop.waits, 2);
	CHECK_EQ(loop.fd, 98);
	loop.flow = false; /* the thread itself waits */
	CHECK_EQ(lat_eventfd_open(&fd), 0);
	lat_eventfd_signal(fd);
	CHECK_EQ(lat_wait_fd(fd, POLLIN, UINT64_MAX), 0);
	CHECK_EQ(loop.waits, 2);
	/* A scheduler takes its place while it runs. */
	open_sched();
	ready(0, set_in_task, &hook);
	run_all();
	CHECK_EQ(t.rc[0], -EBUSY);
	loop.flow = true;
	CHECK_EQ(lat_wait_fd(fd, POLLIN, UINT64_MAX), 0);
	CHECK_EQ(loop.waits, 3);
	CHECK_EQ(lattice_sched_hook_set(NULL), 0);
	CHECK_EQ(lat_wait_fd(fd, POLLIN, UINT64_MAX), 0);
	CHECK_EQ(loop.waits, 3);
	lat_eventfd_close(fd);
}

/* --- a fork ------------------------------------------------------------------------------------- */

static void fork_in_task(void *arg)
{
	pid_t child = fork();
	int status;

	(void)arg;
	if (child == 0) {
		struct lattice_task *task;
		bool fine = lattice_sched_run(t.s) == -EPERM &&
			    lattice_task_open(&task, t.s, 0, letters, NULL, 0) == -EPERM &&
			    lattice_sched_block_on(NULL, LATTICE_FOREVER) == -EPERM &&
			    lat_wait_fd(t.s->wake_fd, POLLIN, UINT64_MAX) == -EPERM &&
			    lattice_sched_close(t.s) == 0;

		_exit(fine ? 0 : 1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		t.rc[0] = -errno;
	else
		t.rc[0] = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_forked_child_runs_no_tasks)
{
	open_sched();
	ready(0, fork_in_task, NULL);
	ready(1, letters, (char[]){ "ab" });
	run_all();
	CHECK_EQ(t.rc[0], 0);
	CHECK_STR(t.text, "ab");
}

TEST_MAIN

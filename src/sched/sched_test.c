/*
 * Tasks: their order, waiting in inboxes and for room, stopping, and what happens to a stack that overflows.
 */
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lattice/sched.h>

#include "base/test.h"
#include "fastpath/channel.h"
#include "os/clock.h"
#include "sched/fiber.h"

/*
 * CHECK leaves by longjmp, which may not cross stacks: tasks keep their verdicts here, and the case checks
 * them.
 */
static struct log {
	char text[256];
	size_t len;
} order;

static void note(char c)
{
	if (order.len < sizeof(order.text) - 1) {
		order.text[order.len++] = c;
		order.text[order.len] = 0;
	}
}

static void run_all(struct lattice_sched *s)
{
	CHECK_EQ(lattice_sched_run(s), 0);
	CHECK_EQ(lattice_sched_tasks(s), 0);
	CHECK_EQ(lattice_sched_close(s), 0);
}

/* A letter, then a yield, as often as the string has letters. */
static void letters(void *arg)
{
	for (const char *c = arg; *c != 0; c++) {
		note(*c);
		if (lattice_sched_yield() != 0)
			note('!');
	}
}

TEST(first_ready_first_run)
{
	static char a[] = "abc", b[] = "12345", c[] = "X";
	struct lattice_sched *s;

	order = (struct log){ 0 };
	CHECK_EQ(lattice_sched_open(&s), 0);
	CHECK_EQ(lattice_task_spawn(s, 0, letters, a, 0), 0);
	CHECK_EQ(lattice_task_spawn(s, 0, letters, b, 0), 0);
	CHECK_EQ(lattice_task_spawn(s, 0, letters, c, 0), 0);
	CHECK_EQ(lattice_sched_tasks(s), 3);
	CHECK_STR(order.text, "");
	run_all(s);
	CHECK_STR(order.text, "a1Xb2c345");
}

TEST(spawn_refuses)
{
	static const struct {
		const char *why;
		int32_t pid;
		lattice_task_fn fn;
		size_t stack;
		int want;
	} rows[] = {
		{ "a pid below 0", -1, letters, 0, -EINVAL },
		{ "no function", 0, NULL, 0, -EINVAL },
		{ "an absurd stack", 0, letters, SIZE_MAX, -EINVAL },
		{ "more stack than addresses", 0, letters, SIZE_MAX / 4, -ENOMEM },
		{ "the least", 0, letters, 1, 0 },
		{ "a pid", INT32_MAX, letters, 0, 0 },
	};
	static char none[] = "";
	struct lattice_sched *s;

	CHECK_EQ(lattice_sched_open(&s), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lattice_task_spawn(s, rows[i].pid, rows[i].fn, none, rows[i].stack),
			     rows[i].want);
	run_all(s);
	CHECK_EQ(lattice_sched_close(NULL), 0);
}

/* --- what a task sees --------------------------------------------------------------------------- */

struct seen {
	struct lattice_sched *s, *other;
	struct lattice_task *self;
	int32_t pid;
	int run, run_other, close, spawn, close_other;
};

static void look_around(void *arg)
{
	static char more[] = "m";
	struct seen *seen = arg;

	seen->self = lattice_task_current();
	seen->pid = lattice_task_pid(seen->self);
	seen->run = lattice_sched_run(seen->s);
	seen->run_other = lattice_sched_run(seen->other);
	seen->close = lattice_sched_close(seen->s);
	seen->close_other = lattice_sched_close(seen->other);
	seen->spawn = lattice_task_spawn(seen->s, 0, letters, more, 0);
}

TEST(inside_and_outside)
{
	static char none[] = "";
	struct seen seen = { 0 };

	order = (struct log){ 0 };
	CHECK_EQ(lattice_sched_open(&seen.s), 0);
	CHECK_EQ(lattice_sched_open(&seen.other), 0);
	CHECK(lattice_task_current() == NULL);
	CHECK_EQ(lattice_task_pid(NULL), 0);
	CHECK_EQ(lattice_sched_yield(), -EPERM);
	CHECK_EQ(lattice_task_spawn(seen.other, 0, letters, none, 0), 0);
	CHECK_EQ(lattice_task_spawn(seen.s, 42, look_around, &seen, 0), 0);
	CHECK_EQ(lattice_sched_run(seen.s), 0);
	CHECK(seen.self != NULL);
	CHECK_EQ(seen.pid, 42);
	CHECK_EQ(seen.run, -EBUSY);
	CHECK_EQ(seen.run_other, -EPERM);
	CHECK_EQ(seen.close, -EBUSY);
	CHECK_EQ(seen.close_other, -EBUSY);
	CHECK_EQ(seen.spawn, 0);
	CHECK_STR(order.text, "m");
	CHECK(lattice_task_current() == NULL);
	CHECK_EQ(lattice_sched_run(seen.s), 0); /* nothing to do */
	CHECK_EQ(lattice_sched_close(seen.s), 0);
	CHECK_EQ(lattice_sched_close(seen.other), 0);
}

/* --- messages between tasks --------------------------------------------------------------------- */

struct player {
	struct lat_inbox *in;
	struct lat_chan *out;
	uint32_t rounds, done;
	bool serves;
	int rc;
};

static void play(void *arg)
{
	struct player *p = arg;
	struct lat_inbox_info info;
	uint32_t ball = 0;

	if (p->serves)
		p->rc = lat_chan_send(p->out, 1, &ball, sizeof(ball), UINT64_MAX);
	while (p->rc == 0 && p->done < p->rounds) {
		p->rc = lat_inbox_recv(p->in, &ball, sizeof(ball), &info, UINT64_MAX);
		if (p->rc == 0 && ball != p->done)
			p->rc = -EBADMSG;
		if (p->rc != 0)
			break;
		ball += p->serves;
		p->done++;
		if (!p->serves || p->done < p->rounds)
			p->rc = lat_chan_send(p->out, 1, &ball, sizeof(ball), UINT64_MAX);
	}
}

static void open_players(struct player p[2], uint32_t rounds)
{
	struct lat_chan_config cfg = { .sizes = &(struct lat_tiers_sizes){ .slots = { 8 } } };

	for (uint32_t i = 0; i < 2; i++) {
		p[i] = (struct player){ .rounds = rounds, .serves = i == 0 };
		CHECK_EQ(lat_inbox_open(&p[i].in), 0);
	}
	for (uint32_t i = 0; i < 2; i++)
		CHECK_EQ(lat_chan_open(&p[i].out, p[1 - i].in, &cfg), 0);
}

static void close_players(struct player p[2])
{
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_EQ(p[i].rc, 0);
		CHECK_EQ(p[i].done, p[i].rounds);
		lat_chan_close(p[i].out);
	}
	for (uint32_t i = 0; i < 2; i++)
		lat_inbox_close(p[i].in);
}

TEST(ping_pong_on_one_thread)
{
	struct lattice_sched *s;
	struct player p[2];

	open_players(p, 2000);
	CHECK_EQ(lattice_sched_open(&s), 0);
	CHECK_EQ(lattice_task_spawn(s, 1, play, &p[0], 0), 0);
	CHECK_EQ(lattice_task_spawn(s, 2, play, &p[1], 0), 0);
	run_all(s);
	close_players(p);
}

static void *play_outside(void *arg)
{
	play(arg);
	return NULL;
}

TEST(ping_pong_with_another_thread)
{
	struct lattice_sched *s;
	struct player p[2];
	pthread_t thread;

	open_players(p, 500);
	CHECK_EQ(pthread_create(&thread, NULL, play_outside, &p[1]), 0);
	CHECK_EQ(lattice_sched_open(&s), 0);
	CHECK_EQ(lattice_task_spawn(s, 1, play, &p[0], 0), 0);
	run_all(s);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	close_players(p);
}

enum { FLOOD = 500 };

static void flood(void *arg)
{
	struct player *p = arg;

	for (uint32_t n = 0; n < FLOOD && p->rc == 0; n++)
		p->rc = lat_chan_send(p->out, (int32_t)n, NULL, 0, UINT64_MAX);
}

static void drain(void *arg)
{
	struct player *p = arg;
	struct lat_inbox_info info;

	for (uint32_t n = 0; n < FLOOD && p->rc == 0; n++) {
		p->rc = lat_inbox_recv(p->in, NULL, 0, &info, UINT64_MAX);
		if (p->rc == 0 && info.type != (int32_t)n)
			p->rc = -EBADMSG;
	}
}

TEST(a_task_waits_for_room)
{
	struct lat_chan_stats stats;
	struct lattice_sched *s;
	struct player p[2];

	open_players(p, 0);
	CHECK_EQ(lattice_sched_open(&s), 0);
	CHECK_EQ(lattice_task_spawn(s, 1, flood, &p[0], 0), 0);
	CHECK_EQ(lattice_task_spawn(s, 2, drain, &p[1], 0), 0);
	run_all(s);
	lat_chan_stats(p[0].out, &stats);
	CHECK_EQ(stats.received, FLOOD);
	CHECK(stats.waits > 0);
	close_players(p);
}

static void yield_then_send(void *arg)
{
	struct player *p = arg;

	for (uint32_t n = 0; n < 100; n++)
		(void)lattice_sched_yield();
	flood(p);
}

/* A scheduler that slept because one task waits would never get there. */
TEST(who_waits_holds_nobody_up)
{
	struct lattice_sched *s;
	struct player p[2];

	open_players(p, 0);
	CHECK_EQ(lattice_sched_open(&s), 0);
	CHECK_EQ(lattice_task_spawn(s, 1, drain, &p[1], 0), 0);
	CHECK_EQ(lattice_task_spawn(s, 2, yield_then_send, &p[0], 0), 0);
	run_all(s);
	close_players(p);
}

/* --- deadlines ---------------------------------------------------------------------------------- */

static bool waiter_done;

static void wait_briefly(void *arg)
{
	struct player *p = arg;
	struct lat_inbox_info info;

	p->rc = lat_inbox_recv(p->in, NULL, 0, &info, lat_clock_monotonic_ns() + 2000000);
	waiter_done = true;
}

static void yield_until_done(void *arg)
{
	uint32_t *yields = arg;

	for (*yields = 1; !waiter_done; ++*yields)
		(void)lattice_sched_yield();
}

TEST(deadlines)
{
	static const struct {
		const char *why;
		bool busy;
	} rows[] = {
		{ "while another task is busy", true },
		{ "while the thread sleeps", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lattice_sched *s;
		struct player p[2];
		uint32_t yields = 0;

		waiter_done = false;
		open_players(p, 0);
		CHECK_EQ(lattice_sched_open(&s), 0);
		CHECK_EQ(lattice_task_spawn(s, 0, wait_briefly, &p[0], 0), 0);
		CHECK_EQ(lattice_task_spawn(s, 0, wait_briefly, &p[1], 0), 0);
		if (rows[i].busy)
			CHECK_EQ(lattice_task_spawn(s, 0, yield_until_done, &yields, 0), 0);
		run_all(s);
		CHECK_EQ_ROW(rows[i].why, p[0].rc, -ETIMEDOUT);
		CHECK_EQ_ROW(rows[i].why, p[1].rc, -ETIMEDOUT);
		CHECK_ROW(rows[i].why, (yields > 0) == rows[i].busy);
		p[0].rc = p[1].rc = 0;
		close_players(p);
	}
}

/* --- stopping ----------------------------------------------------------------------------------- */

static void wait_for_ever(void *arg)
{
	struct player *p = arg;
	struct lat_inbox_info info;

	p->rc = lat_inbox_recv(p->in, NULL, 0, &info, UINT64_MAX);
	note('w');
	p->done = (uint32_t)-lat_inbox_recv(p->in, NULL, 0, &info, UINT64_MAX);
}

static void fill_for_ever(void *arg)
{
	struct player *p = arg;

	do
		p->rc = lat_chan_send(p->out, 0, NULL, 0, UINT64_MAX);
	while (p->rc == 0);
	note('f');
	p->done = (uint32_t)-lattice_sched_yield();
}

static void stop_it(void *arg)
{
	static char none[] = "";

	lattice_sched_stop(arg);
	if (lattice_task_spawn(arg, 0, letters, none, 0) == -ESHUTDOWN)
		note('s');
}

static void *stop_outside(void *arg)
{
	lattice_sched_stop(arg);
	return NULL;
}

TEST(stopping_ends_every_wait)
{
	enum { BY_TASK, BY_THREAD, BY_CLOSE };
	static const struct {
		const char *why;
		int by;
		const char *order; /* NULL: it depends on who sleeps already when it comes */
	} rows[] = {
		{ "by a task", BY_TASK, "swwf" },
		{ "by another thread", BY_THREAD, NULL },
		{ "by close, before they ever ran", BY_CLOSE, "wwf" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lattice_sched *s;
		struct player p[2], second;
		pthread_t thread;

		order = (struct log){ 0 };
		open_players(p, ESHUTDOWN); /* done: the second refusal */
		second = p[0];
		CHECK_EQ(lattice_sched_open(&s), 0);
		CHECK_EQ(lattice_task_spawn(s, 0, wait_for_ever, &p[0], 0), 0);
		CHECK_EQ(lattice_task_spawn(s, 0, wait_for_ever, &second, 0), 0);
		CHECK_EQ(lattice_task_spawn(s, 0, fill_for_ever, &p[1], 0), 0);
		/*
		 * Nobody takes what is sent, so the filler waits too: its channel leads to an inbox of its
		 * own.
		 */
		lat_chan_close(p[1].out);
		CHECK_EQ(lat_chan_open(&p[1].out, p[1].in,
				       &(struct lat_chan_config){
					       .sizes = &(struct lat_tiers_sizes){ .slots = { 8 } } }),
			 0);
		if (rows[i].by == BY_TASK)
			CHECK_EQ(lattice_task_spawn(s, 0, stop_it, s, 0), 0);
		if (rows[i].by == BY_THREAD)
			CHECK_EQ(pthread_create(&thread, NULL, stop_outside, s), 0);
		if (rows[i].by != BY_CLOSE)
			CHECK_EQ_ROW(rows[i].why, lattice_sched_run(s), 0);
		if (rows[i].by == BY_THREAD)
			CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ_ROW(rows[i].why, lattice_sched_close(s), 0);
		if (rows[i].order != NULL)
			CHECK_STR_ROW(rows[i].why, order.text, rows[i].order);
		CHECK_EQ_ROW(rows[i].why, strlen(order.text), rows[i].by == BY_TASK ? 4 : 3);
		CHECK_EQ_ROW(rows[i].why, p[0].rc, -ESHUTDOWN);
		CHECK_EQ_ROW(rows[i].why, second.rc, -ESHUTDOWN);
		CHECK_EQ_ROW(rows[i].why, p[1].rc, -ESHUTDOWN);
		CHECK_EQ_ROW(rows[i].why, second.done, ESHUTDOWN);
		p[0].rc = p[1].rc = 0;
		close_players(p);
	}
}

static void close_inbox(void *arg)
{
	lat_inbox_close(arg);
}

TEST(closing_an_inbox_wakes_its_task)
{
	struct lattice_sched *s;
	struct player p[2];

	order = (struct log){ 0 };
	open_players(p, 0);
	CHECK_EQ(lattice_sched_open(&s), 0);
	CHECK_EQ(lattice_task_spawn(s, 0, drain, &p[0], 0), 0);
	CHECK_EQ(lattice_task_spawn(s, 0, close_inbox, p[0].in, 0), 0);
	run_all(s);
	CHECK_EQ(p[0].rc, -ESHUTDOWN);
	CHECK_EQ(lat_chan_send(p[1].out, 0, NULL, 0, 0), -EPIPE);
	lat_chan_close(p[0].out);
	lat_chan_close(p[1].out);
	lat_inbox_close(p[1].in);
}

/* --- stacks ------------------------------------------------------------------------------------- */

static uint32_t nest(uint32_t depth)
{
	volatile unsigned char frame[64];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (unsigned char)depth;
	if (depth % 16 == 0)
		(void)lattice_sched_yield();
	if (depth == 0)
		return 0;
	return nest(depth - 1) + (frame[depth % sizeof(frame)] == (unsigned char)depth);
}

static void nest_deep(void *arg)
{
	uint32_t *depth = arg;

	*depth = nest(*depth);
}

TEST(deep_calls_switch_too)
{
	uint32_t depth[4] = { 400, 300, 399, 1 };
	struct lattice_sched *s;

	CHECK_EQ(lattice_sched_open(&s), 0);
	for (size_t i = 0; i < ARRAY_LEN(depth); i++)
		CHECK_EQ(lattice_task_spawn(s, 0, nest_deep, &depth[i], 1 << 20), 0);
	run_all(s);
	CHECK_EQ(depth[0], 400);
	CHECK_EQ(depth[1], 300);
	CHECK_EQ(depth[2], 399);
	CHECK_EQ(depth[3], 1);
}

static void overflow(void *arg)
{
	(void)arg;
	(void)nest(UINT32_MAX - 1);
}

TEST(an_overflow_is_a_fault)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		struct lattice_sched *s;

		/* Sanitizers and cmocka would catch it and talk. */
		signal(SIGSEGV, SIG_DFL);
		if (lattice_sched_open(&s) < 0 || lattice_task_spawn(s, 0, overflow, NULL, 65536) < 0)
			_exit(2);
		_exit(lattice_sched_run(s) == 0 ? 3 : 4);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

/* --- floating point ----------------------------------------------------------------------------- */

struct rounding {
	int own, inherited;
	bool lost;
};

static void round_own_way(void *arg)
{
	static volatile double third[2] = { 1, 3 };
	struct rounding *r = arg;
	double less;

	r->lost = fegetround() != r->inherited || fesetround(r->own) != 0;
	less = third[0] / third[1];
	for (uint32_t i = 0; i < 10; i++) {
		(void)lattice_sched_yield();
		r->lost = r->lost || fegetround() != r->own || third[0] / third[1] != less;
	}
}

/* A task starts with the modes of who spawned it, and its own stay its own. */
TEST(rounding_is_a_tasks_own)
{
	static const int ways[] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO };
	struct rounding r[ARRAY_LEN(ways)];
	struct lattice_sched *s;

	CHECK_EQ(lattice_sched_open(&s), 0);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		r[i] = (struct rounding){ .own = ways[i], .inherited = ways[ARRAY_LEN(ways) - 1 - i] };
		CHECK_EQ(fesetround(r[i].inherited), 0);
		CHECK_EQ(lattice_task_spawn(s, 0, round_own_way, &r[i], 0), 0);
	}
	CHECK_EQ(fesetround(FE_TONEAREST), 0);
	run_all(s);
	CHECK_EQ(fegetround(), FE_TONEAREST);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		CHECK(!r[i].lost);
}

/* --- many --------------------------------------------------------------------------------------- */

static void count_up(void *arg)
{
	for (uint32_t i = 0; i < 3; i++) {
		++*(uint32_t *)arg;
		(void)lattice_sched_yield();
	}
}

/* ThreadSanitizer knows at most some 8000 flows of control. */
#ifdef LAT_FIBER_SANITIZED
enum { MANY = 1000 };
#else
enum { MANY = LATTICE_SCHED_TASKS_MAX };
#endif

TEST(as_many_tasks_as_there_may_be)
{
	struct lattice_sched *s;
	uint32_t count = 0;

	CHECK_EQ(lattice_sched_open(&s), 0);
	for (uint32_t i = 0; i < MANY; i++)
		CHECK_EQ(lattice_task_spawn(s, 0, count_up, &count, LATTICE_TASK_STACK_MIN), 0);
	CHECK_EQ(lattice_sched_tasks(s), MANY);
	if (MANY == LATTICE_SCHED_TASKS_MAX)
		CHECK_EQ(lattice_task_spawn(s, 0, count_up, &count, 0), -ENOBUFS);
	run_all(s);
	CHECK_EQ(count, 3 * MANY);
}

struct herd {
	struct lat_inbox *inbox;
	uint32_t got, failed;
};

static void graze(void *arg)
{
	struct herd *h = arg;
	struct lat_inbox_info info;

	if (lat_inbox_recv(h->inbox, NULL, 0, &info, UINT64_MAX) == 0)
		h->got++;
	else
		h->failed++;
}

/* One descriptor, one place in the poll, however many wait on it; each message goes to one of them. */
TEST(many_wait_on_one_inbox)
{
	struct herd h = { 0 };
	struct player p = { 0 };
	struct lattice_sched *s;

	CHECK_EQ(lat_inbox_open(&h.inbox), 0);
	CHECK_EQ(lat_chan_open(&p.out, h.inbox,
			       &(struct lat_chan_config){
				       .sizes = &(struct lat_tiers_sizes){ .slots = { 0, 512 } } }),
		 0);
	CHECK_EQ(lattice_sched_open(&s), 0);
	for (uint32_t i = 0; i < FLOOD; i++)
		CHECK_EQ(lattice_task_spawn(s, 0, graze, &h, LATTICE_TASK_STACK_MIN * 2), 0);
	CHECK_EQ(lattice_task_spawn(s, 0, flood, &p, 0), 0);
	run_all(s);
	CHECK_EQ(p.rc, 0);
	CHECK_EQ(h.got, FLOOD);
	CHECK_EQ(h.failed, 0);
	lat_chan_close(p.out);
	lat_inbox_close(h.inbox);
}

TEST_MAIN

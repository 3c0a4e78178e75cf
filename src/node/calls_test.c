/* Calls within a process: tasks of one thread, threads, both; what they come to; rings; hand-offs beside the ordinary way. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <lattice/lattice.h>
#include <lattice/sched.h>

#include "base/test.h"
#include "node/channel.h"
#include "node/endpoint.h"
#include "fastpath/channel.h"
#include "fastpath/execute.h"

enum { PIDS = 5, BYTES = 200000 };

/* CHECK may not be used on a task's stack or another thread: verdicts are kept here, and the case checks them. */
static struct {
	struct lattice_node *node;
	struct lattice_endpoint *ep[PIDS];
	struct lattice_channel *ch[PIDS][PIDS]; /* from, to */
	struct lattice_sched *s;
	int rc[PIDS];
	char why[512];
	uint32_t done[PIDS];
	unsigned char big[BYTES];
} t;

static void open_node(void)
{
	struct lattice_node_config cfg = { .host = LATTICE_HOST_PRIVATE };

	memset(&t, 0, sizeof(t));
	for (size_t i = 0; i < BYTES; i++)
		t.big[i] = (unsigned char)(i * 7 + i / 256);
	CHECK_EQ(lattice_node_open(&t.node, &cfg), 0);
	for (int32_t i = 0; i < PIDS; i++)
		CHECK_EQ(lattice_endpoint_open(&t.ep[i], t.node, i + 1), 0);
	for (int32_t i = 0; i < PIDS; i++)
		for (int32_t j = 0; j < PIDS; j++)
			CHECK_EQ(lattice_channel_open(&t.ch[i][j], t.node, i + 1, j + 1, 0, 0), 0);
	CHECK_EQ(lattice_sched_open(&t.s), 0);
}

static void close_node(void)
{
	CHECK_EQ(lattice_sched_close(t.s), 0);
	for (int32_t i = 0; i < PIDS; i++)
		for (int32_t j = 0; j < PIDS; j++)
			lattice_channel_close(t.ch[i][j]);
	for (int32_t i = 0; i < PIDS; i++)
		lattice_endpoint_close(t.ep[i]);
	lattice_node_close(t.node);
}

static void spawn(int32_t i, lattice_task_fn fn)
{
	CHECK_EQ(lattice_task_spawn(t.s, i + 1, fn, (void *)(uintptr_t)i, 1 << 20), 0);
}

enum { STOP = -1 };

/* Answers each call on pid @i with its bytes reversed and its type + 1, until STOP. */
static int serve(uint32_t i)
{
	static _Thread_local unsigned char in[BYTES], out[BYTES];
	struct lattice_msg m, r;
	int rc;

	for (;;) {
		rc = lattice_endpoint_recv(t.ep[i], &m, in, sizeof(in), LATTICE_FOREVER);
		if (rc < 0 || m.type == STOP)
			return rc;
		t.done[i]++;
		for (size_t n = 0; n < m.len; n++)
			out[n] = in[m.len - 1 - n];
		r = (struct lattice_msg){ .type = m.type + 1, .data = out, .len = m.len };
		if (m.call != 0)
			rc = lattice_endpoint_reply(t.ep[i], &m, &r);
		if (rc < 0)
			return rc;
	}
}

static void server(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;

	t.rc[i] = serve(i);
}

static void *server_thread(void *arg)
{
	server(arg);
	return NULL;
}

static int stop(uint32_t from, uint32_t to)
{
	return lattice_channel_send(t.ch[from][to], &(struct lattice_msg){ .type = STOP }, LATTICE_FOREVER);
}

/* One call of @len bytes: 0, or what was wrong. */
static int call_once(uint32_t from, uint32_t to, int32_t type, size_t len)
{
	static _Thread_local unsigned char back[BYTES];
	struct lattice_msg q = { .type = type, .data = t.big, .len = len }, r;
	int rc = lattice_channel_call(t.ch[from][to], &q, &r, back, sizeof(back), LATTICE_FOREVER);

	if (rc < 0)
		return rc;
	if (r.type != type + 1 || r.len != len || r.data != back || r.source != (int32_t)to + 1)
		return -EBADMSG;
	for (size_t n = 0; n < len; n++)
		if (back[n] != t.big[len - 1 - n])
			return -EILSEQ;
	return 0;
}

static const size_t lengths[] = { 0, 1, 16, 47, 48, 49, 64, 255, 256, 257, 4096, 60000, BYTES };

static int call_all(uint32_t from, uint32_t to)
{
	int rc = 0;

	for (uint32_t round = 0; rc == 0 && round < 20; round++)
		for (size_t i = 0; rc == 0 && i < ARRAY_LEN(lengths); i++)
			rc = call_once(from, to, (int32_t)(round * 100 + i), lengths[i]);
	return rc;
}

static void client(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;

	t.rc[i] = call_all(i, 0);
	if (t.rc[i] == 0)
		t.rc[i] = stop(i, 0);
}

static void *client_thread(void *arg)
{
	client(arg);
	return NULL;
}

TEST(every_length_between)
{
	static const struct {
		const char *why;
		bool task_serves, task_calls;
		enum lattice_wait wait;
	} rows[] = {
		{ "two tasks of one thread", true, true, LATTICE_WAIT_AUTO },
		{ "two threads", false, false, LATTICE_WAIT_AUTO },
		{ "two threads that poll", false, false, LATTICE_WAIT_SPIN },
		{ "two threads that sleep", false, false, LATTICE_WAIT_PARK },
		{ "a thread, of a task", true, false, LATTICE_WAIT_AUTO },
		{ "a thread that polls, of a task", true, false, LATTICE_WAIT_SPIN },
		{ "a task, of a thread", false, true, LATTICE_WAIT_AUTO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_execute_stats stats;
		pthread_t thread[2];

		open_node();
		CHECK_EQ(lattice_endpoint_tune(t.ep[0], &(struct lattice_tuning){ .wait = rows[i].wait }), 0);
		if (rows[i].task_serves)
			spawn(0, server);
		else
			CHECK_EQ(pthread_create(&thread[0], NULL, server_thread, (void *)0), 0);
		if (rows[i].task_calls)
			spawn(1, client);
		else
			CHECK_EQ(pthread_create(&thread[1], NULL, client_thread, (void *)1), 0);
		CHECK_EQ(lattice_sched_run(t.s), 0);
		if (!rows[i].task_serves)
			CHECK_EQ(pthread_join(thread[0], NULL), 0);
		if (!rows[i].task_calls)
			CHECK_EQ(pthread_join(thread[1], NULL), 0);
		CHECK_EQ_ROW(rows[i].why, t.rc[0], 0);
		CHECK_EQ_ROW(rows[i].why, t.rc[1], 0);
		CHECK_EQ_ROW(rows[i].why, t.done[0], 20 * ARRAY_LEN(lengths));
		lat_chan_execute_stats(t.ch[1][0]->local, &stats);
		CHECK_ROW(rows[i].why, (stats.handed > 0) == (rows[i].task_serves && rows[i].task_calls));
		close_node();
	}
}

/* --- what a call comes to ----------------------------------------------------------------------- */

static struct lattice_msg kept[4];

/* Receives three calls; answers the second, then the first, the second again, and the third in too many words. */
static void odd_server(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;
	struct lattice_msg r = { .type = 5, .data = "reply", .len = 5 }, none = { 0 };
	char buf[64];
	int rc = 0;

	for (uint32_t n = 0; n < 3 && rc == 0; n++)
		rc = lattice_endpoint_recv(t.ep[i], &kept[n], buf, sizeof(buf), LATTICE_FOREVER);
	t.rc[4] = rc;
	t.rc[0] = lattice_endpoint_reply(t.ep[i], &none, &r);
	if (t.rc[4] == 0)
		t.rc[4] = lattice_endpoint_reply(t.ep[i], &kept[1], &r);
	if (t.rc[4] == 0)
		t.rc[4] = lattice_endpoint_reply(t.ep[i], &kept[1], &r) == -EALREADY ? 0 : -EBADE;
	if (t.rc[4] == 0)
		t.rc[4] = lattice_endpoint_reply(t.ep[i], &kept[0], &r);
	r.data = t.big;
	r.len = 100;
	if (t.rc[4] == 0)
		t.rc[4] = lattice_endpoint_reply(t.ep[i], &kept[2], &r);
}

static void odd_client(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;
	struct lattice_msg q = { .type = 1 }, r = { 0 };
	char buf[16];

	t.rc[i] = lattice_channel_call(t.ch[i][0], &q, &r, buf, sizeof(buf), LATTICE_FOREVER);
	t.done[i] = (uint32_t)r.len;
}

static void *odd_client_thread(void *arg)
{
	odd_client(arg);
	return NULL;
}

TEST(answered_in_any_order_once)
{
	for (uint32_t threads = 0; threads < 2; threads++) {
		pthread_t thread[4];

		open_node();
		spawn(0, odd_server);
		for (int32_t i = 1; i <= 3; i++) {
			if (threads == 0)
				spawn(i, odd_client);
			else
				CHECK_EQ(pthread_create(&thread[i], NULL, odd_client_thread,
							(void *)(uintptr_t)i),
					 0);
		}
		CHECK_EQ(lattice_sched_run(t.s), 0);
		for (uint32_t i = 1; threads == 1 && i <= 3; i++)
			CHECK_EQ(pthread_join(thread[i], NULL), 0);
		CHECK_EQ(t.rc[0], -EINVAL);
		CHECK_EQ(t.rc[4], 0);
		/* One of the three got too long a reply, and was told how long. */
		CHECK_EQ(t.rc[1] + t.rc[2] + t.rc[3], -EMSGSIZE);
		CHECK_EQ(t.done[1] + t.done[2] + t.done[3], 110);
		close_node();
	}
}

static void late_server(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;
	struct lattice_msg r = { .type = 5 };

	t.rc[i] = lattice_endpoint_recv(t.ep[i], &kept[0], NULL, 0, LATTICE_FOREVER);
	while (t.rc[i] == 0 && t.rc[1] == 0)
		(void)lattice_sched_yield();
	t.rc[2] = lattice_endpoint_reply(t.ep[i], &kept[0], &r);
}

static void impatient(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;
	struct lattice_msg q = { .type = 1 }, r;

	t.rc[i] = lattice_channel_call(t.ch[i][0], &q, &r, NULL, 0, 2000000);
}

static void call_on_nobody(void *arg)
{
	struct lattice_msg q = { .type = 1 }, r;

	(void)arg;
	t.rc[3] = lattice_channel_call(t.ch[3][4], &q, &r, NULL, 0, 2000000);
	t.rc[4] = lattice_channel_call(t.ch[3][4], &q, &r, NULL, 0, 0);
}

TEST(a_late_reply_is_dropped)
{
	for (uint32_t warm = 0; warm < 2; warm++) {
		open_node();
		if (warm) { /* the first call of an inbox goes through the channel */
			spawn(0, server);
			spawn(1, client);
			CHECK_EQ(lattice_sched_run(t.s), 0);
			CHECK_EQ(t.rc[1], 0);
		}
		spawn(0, late_server);
		spawn(1, impatient);
		spawn(3, call_on_nobody);
		CHECK_EQ(lattice_sched_run(t.s), 0);
		CHECK_EQ(t.rc[0], 0);
		CHECK_EQ(t.rc[1], -ETIMEDOUT);
		CHECK_EQ(t.rc[2], -EALREADY);
		CHECK_EQ(t.rc[3], -ETIMEDOUT);
		CHECK_EQ(t.rc[4], -EINVAL);
		close_node();
	}
}

static _Atomic(uint32_t) begun;

static void closing_server(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;

	t.rc[i] = lattice_endpoint_recv(t.ep[i], &kept[0], NULL, 0, LATTICE_FOREVER);
	while (atomic_load_explicit(&begun, memory_order_acquire) < 2)
		(void)lattice_sched_yield();
	lattice_endpoint_close(t.ep[i]); /* one call taken, one not */
	t.ep[i] = NULL;
}

static void caller(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;
	struct lattice_msg q = { .type = 1 }, r;

	(void)atomic_fetch_add_explicit(&begun, 1, memory_order_release);
	t.rc[i] = lattice_channel_call(t.ch[i][0], &q, &r, NULL, 0, LATTICE_FOREVER);
	t.rc[i + 2] = lattice_channel_call(t.ch[i][0], &q, &r, NULL, 0, LATTICE_FOREVER);
}

static void *caller_thread(void *arg)
{
	caller(arg);
	return NULL;
}

TEST(closing_the_endpoint_fails_the_calls)
{
	for (uint32_t threads = 0; threads < 2; threads++) {
		pthread_t thread[3];

		open_node();
		atomic_store_explicit(&begun, 0, memory_order_relaxed);
		spawn(0, closing_server);
		for (int32_t i = 1; i <= 2; i++) {
			if (threads == 0)
				spawn(i, caller);
			else
				CHECK_EQ(pthread_create(&thread[i], NULL, caller_thread,
							(void *)(uintptr_t)i),
					 0);
		}
		CHECK_EQ(lattice_sched_run(t.s), 0);
		for (uint32_t i = 1; threads == 1 && i <= 2; i++)
			CHECK_EQ(pthread_join(thread[i], NULL), 0);
		for (uint32_t i = 1; i < PIDS; i++)
			CHECK_EQ(t.rc[i], -EOWNERDEAD);
		close_node();
	}
}

/* --- calls in somebody's hands that do not just come back ---------------------------------------- */

/* Of a call that was handed off, by task 1 to task 0. */
static struct odd_end {
	const char *why;
	enum { REPLY, REPLY_LATER, REPLY_BY_THREAD, REPLY_TWICE, CLOSE, STOP_ALL, LEAVE_IT } end;
	size_t len, cap;
	int64_t timeout_ns;
	int want, want_reply; /* of the call, of the last reply; 1: there is none */
} odd_ends[] = {
	{ "48 bytes", REPLY, 48, 48, LATTICE_FOREVER, 0, 0 },
	{ "none", REPLY, 0, 48, LATTICE_FOREVER, 0, 0 },
	{ "in time", REPLY, 48, 48, INT64_C(3600000000000), 0, 0 },
	{ "longer than a hand-off", REPLY, 100, 100, LATTICE_FOREVER, 0, 0 },
	{ "longer than there is room", REPLY, 48, 47, LATTICE_FOREVER, -EMSGSIZE, 0 },
	{ "much longer", REPLY, 100, 48, LATTICE_FOREVER, -EMSGSIZE, 0 },
	{ "after others have run", REPLY_LATER, 48, 48, LATTICE_FOREVER, 0, 0 },
	{ "by another thread", REPLY_BY_THREAD, 48, 48, LATTICE_FOREVER, 0, 0 },
	{ "long, by another thread", REPLY_BY_THREAD, 100, 100, LATTICE_FOREVER, 0, 0 },
	{ "twice", REPLY_TWICE, 48, 48, LATTICE_FOREVER, 0, -EALREADY },
	{ "the endpoint is closed", CLOSE, 0, 48, LATTICE_FOREVER, -EOWNERDEAD, 1 },
	{ "the scheduler is stopped", STOP_ALL, 0, 48, LATTICE_FOREVER, -ESHUTDOWN, 1 },
	{ "too late", LEAVE_IT, 48, 48, 1000000, -ETIMEDOUT, -EALREADY },
};

static void *reply_thread(void *arg)
{
	const struct odd_end *row = arg;
	struct lattice_msg r = { .type = 2, .data = t.big, .len = row->len };

	t.rc[2] = lattice_endpoint_reply(t.ep[0], &kept[0], &r);
	return NULL;
}

static void odd_end(const struct odd_end *row)
{
	struct lattice_msg r = { .type = 2, .data = t.big, .len = row->len };
	pthread_t thread;

	for (uint32_t i = 0; i < 100 && row->end == REPLY_LATER; i++)
		(void)lattice_sched_yield();
	while (row->end == LEAVE_IT && t.rc[1] == 1)
		(void)lattice_sched_yield();
	switch (row->end) {
	case REPLY:
	case REPLY_LATER:
	case LEAVE_IT:
	case REPLY_TWICE:
		t.rc[2] = lattice_endpoint_reply(t.ep[0], &kept[0], &r);
		if (row->end == REPLY_TWICE && t.rc[2] == 0)
			t.rc[2] = lattice_endpoint_reply(t.ep[0], &kept[0], &r);
		return;
	case REPLY_BY_THREAD:
		t.rc[4] = pthread_create(&thread, NULL, reply_thread, (void *)(uintptr_t)row);
		if (t.rc[4] == 0)
			t.rc[4] = pthread_join(thread, NULL);
		return;
	case CLOSE:
		lattice_endpoint_close(t.ep[0]);
		t.ep[0] = NULL;
		return;
	case STOP_ALL:
		lattice_sched_stop(t.s);
		return;
	}
}

static void odd_end_server(void *arg)
{
	char buf[64];

	t.rc[3] = lattice_endpoint_recv(t.ep[0], &kept[0], buf, sizeof(buf), LATTICE_FOREVER);
	if (t.rc[3] == 0) /* the first goes through the channel */
		t.rc[3] = lattice_endpoint_reply(t.ep[0], &kept[0], &(struct lattice_msg){ .type = 1 });
	if (t.rc[3] == 0) /* finds nothing, so that it can be handed something */
		t.rc[3] = lattice_endpoint_recv(t.ep[0], &kept[0], buf, sizeof(buf), LATTICE_FOREVER);
	if (t.rc[3] == 0)
		odd_end(arg);
}

static void odd_end_client(void *arg)
{
	const struct odd_end *row = arg;
	struct lattice_msg q = { .type = 1, .data = t.big, .len = 48 }, r;
	unsigned char back[100];

	t.rc[1] = lattice_channel_call(t.ch[1][0], &q, &r, back, sizeof(back), LATTICE_FOREVER);
	if (t.rc[1] < 0)
		return;
	t.rc[1] = 1;
	t.rc[1] = lattice_channel_call(t.ch[1][0], &q, &r, back, row->cap, row->timeout_ns);
	t.done[1] = (uint32_t)r.len;
	if (t.rc[1] == 0 && (r.type != 2 || r.source != 1 || r.call != 0 || r.data != back ||
			     memcmp(back, t.big, row->len) != 0))
		t.rc[1] = -EBADMSG;
}

TEST(a_call_in_hand_ends_one_way)
{
	for (size_t i = 0; i < ARRAY_LEN(odd_ends); i++) {
		struct odd_end *row = &odd_ends[i];
		struct lat_execute_stats stats;

		open_node();
		t.rc[2] = 1;
		CHECK_EQ(lattice_task_spawn(t.s, 1, odd_end_server, row, 0), 0);
		CHECK_EQ(lattice_task_spawn(t.s, 2, odd_end_client, row, 0), 0);
		CHECK_EQ(lattice_sched_run(t.s), 0);
		CHECK_EQ_ROW(row->why, t.rc[1], row->want);
		CHECK_EQ_ROW(row->why, t.rc[2], row->want_reply);
		CHECK_EQ_ROW(row->why, t.rc[3], 0);
		CHECK_EQ_ROW(row->why, t.rc[4], 0);
		if (row->want == 0 || row->want == -EMSGSIZE)
			CHECK_EQ_ROW(row->why, t.done[1], row->len);
		lat_chan_execute_stats(t.ch[1][0]->local, &stats);
		CHECK_EQ_ROW(row->why, stats.handed, 1);
		close_node();
	}
}

/* --- rings -------------------------------------------------------------------------------------- */

/* Serves one call; before it answers, calls the next pid. */
static void ring_server(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg, next = (i + 1) % 3;
	struct lattice_msg m, r = { .type = 1 };
	char ring[256];

	t.rc[i] = lattice_endpoint_recv(t.ep[i], &m, NULL, 0, LATTICE_FOREVER);
	if (t.rc[i] < 0)
		return;
	t.rc[i] = lattice_channel_call(t.ch[i][next], &r, &r, NULL, 0, LATTICE_FOREVER);
	if (t.rc[i] == -EDEADLK) {
		lattice_explain(t.ch[i][next], -EDEADLK, ring, sizeof(ring));
		(void)snprintf(t.why, sizeof(t.why), "%s", ring);
	}
	if (m.call != 0)
		t.done[i] = lattice_endpoint_reply(t.ep[i], &m, &r) == 0;
}

static void *ring_thread(void *arg)
{
	ring_server(arg);
	return NULL;
}

static void kick(void *arg)
{
	(void)arg;
	t.rc[4] = lattice_channel_send(t.ch[4][0], &(struct lattice_msg){ .type = 1 }, LATTICE_FOREVER);
}

TEST(a_ring_of_calls_is_refused)
{
	open_node();
	for (int32_t i = 0; i < 3; i++)
		spawn(i, ring_server);
	spawn(4, kick);
	CHECK_EQ(lattice_sched_run(t.s), 0);
	CHECK_EQ(t.rc[0], 0);
	CHECK_EQ(t.rc[1], 0);
	CHECK_EQ(t.rc[2], -EDEADLK);
	CHECK_EQ(t.done[0] + t.done[1] + t.done[2], 2);
	CHECK_STR(t.why, "call 3->1: nobody would ever answer: pid 3 waits for pid 1, which waits for pid 2, "
			 "which waits for pid 3 (EDEADLK)");
	close_node();
}

TEST(a_ring_of_threads_is_refused)
{
	pthread_t thread[3];

	open_node();
	for (uint32_t i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, ring_thread, (void *)(uintptr_t)i), 0);
	kick(NULL);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(t.rc[0], 0);
	CHECK_EQ(t.rc[1], 0);
	CHECK_EQ(t.rc[2], -EDEADLK);
	CHECK_EQ(t.done[0] + t.done[1] + t.done[2], 2);
	/* Threads are called by what they receive as. */
	CHECK_STR(t.why, "call 3->1: nobody would ever answer: pid 3 waits for pid 1, which waits for pid 2, "
			 "which waits for pid 3 (EDEADLK)");
	close_node();
}

/* --- the fast way and the slow one -------------------------------------------------------------- */

enum { STEPS = 400, SENDERS = 3 };

static struct trace {
	uint32_t source, type, len, sum;
	uint64_t seq;
} traces[2][SENDERS][STEPS];
static uint32_t traced[SENDERS], way;
static uint64_t seed;

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Receives from all, yields and waits as the seed says; each sender's messages in a trace of their own. */
static void tracer(void *arg)
{
	unsigned char buf[600];
	uint64_t x = seed;
	struct lattice_msg m;
	uint32_t ended = 0;

	(void)arg;
	while (ended < SENDERS && t.rc[4] == 0) {
		struct trace *tr;
		uint32_t from;

		if (next_random(&x) % 4 == 0)
			(void)lattice_sched_yield();
		t.rc[4] = lattice_endpoint_recv(t.ep[4], &m, buf, sizeof(buf), LATTICE_FOREVER);
		if (t.rc[4] < 0)
			break;
		from = (uint32_t)m.source - 1;
		tr = &traces[way][from][traced[from]++];
		*tr = (struct trace){ from, (uint32_t)m.type, (uint32_t)m.len, 0, m.seq };
		for (size_t i = 0; i < m.len; i++)
			tr->sum = tr->sum * 31 + buf[i];
		ended += m.type == STEPS - 1;
	}
}

static void tracee(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;
	uint64_t x = seed * (i + 3);

	for (uint32_t n = 0; n < STEPS && t.rc[i] == 0; n++) {
		size_t len = next_random(&x) % (next_random(&x) % 2 == 0 ? 49 : 600);
		struct lattice_msg m = { .type = (int32_t)n, .data = t.big + i, .len = len };

		t.rc[i] = lattice_channel_send(t.ch[i][4], &m, LATTICE_FOREVER);
		if (next_random(&x) % 8 == 0)
			(void)lattice_sched_yield();
	}
}

static void *tracee_thread(void *arg)
{
	tracee(arg);
	return NULL;
}

/* Tasks beside the receiver hand their messages off, threads do not: what is received is the same. */
TEST(handed_off_or_not_is_the_same)
{
	uint64_t handed = 0;

	for (uint32_t round = 0; round < 20; round++) {
		seed = 0x2545f4914f6cdd1du + round * 0x9e3779b97f4a7c15u;
		print_message("seed %016" PRIx64 "\n", seed);
		for (way = 0; way < 2; way++) {
			pthread_t thread[SENDERS];

			open_node();
			memset(traced, 0, sizeof(traced));
			spawn(4, tracer);
			for (int32_t i = 0; i < SENDERS; i++) {
				if (way == 0)
					spawn(i, tracee);
				else
					CHECK_EQ(pthread_create(&thread[i], NULL, tracee_thread,
								(void *)(uintptr_t)i),
						 0);
			}
			CHECK_EQ(lattice_sched_run(t.s), 0);
			for (uint32_t i = 0; i < SENDERS; i++) {
				struct lat_execute_stats stats;

				if (way == 1)
					CHECK_EQ(pthread_join(thread[i], NULL), 0);
				CHECK_EQ(t.rc[i], 0);
				CHECK_EQ(traced[i], STEPS);
				lat_chan_execute_stats(t.ch[i][4]->local, &stats);
				handed += stats.handed;
				CHECK(way == 0 || stats.handed == 0);
			}
			CHECK_EQ(t.rc[4], 0);
			close_node();
		}
		CHECK_MEM(traces[0], traces[1], sizeof(traces[0]));
	}
	CHECK(handed > 0);
}

/* --- one message -------------------------------------------------------------------------------- */

static void execute_some(void *arg)
{
	struct lattice_msg m = { .type = 1, .data = t.big, .len = 49 };
	struct lattice_handoff_stats stats;

	(void)arg;
	t.rc[4] = lattice_fastpath_execute(t.ch[1][0], &m);
	(void)lattice_explain(t.ch[1][0], t.rc[4], t.why, sizeof(t.why));
	m.len = 48;
	t.rc[1] = lattice_fastpath_execute(t.ch[1][3], &m); /* nobody is there */
	t.rc[2] = lattice_fastpath_execute(t.ch[1][0], &m);
	t.done[1] = t.done[0]; /* it has run */
	if (lattice_fastpath_handoffs(t.ch[1][0], &stats) == 0 && stats.handed == 1 &&
	    stats.refused[LATTICE_P2_FITS] == 1 && stats.refused[LATTICE_P5_WAITING] == 0)
		t.done[2] = 1;
	t.rc[3] = stop(1, 0);
}

TEST(execute_hands_off_or_does_nothing)
{
	struct lattice_handoff_stats stats;
	struct lattice_msg m = { .type = 1 };

	open_node();
	CHECK_EQ(lattice_fastpath_execute(t.ch[1][0], &m), -EAGAIN); /* by a thread */
	CHECK_EQ(lattice_fastpath_execute(NULL, &m), -EINVAL);
	spawn(0, server);
	spawn(1, execute_some);
	CHECK_EQ(lattice_sched_run(t.s), 0);
	CHECK_EQ(t.rc[1], -EAGAIN);
	CHECK_EQ(t.rc[2], 0);
	CHECK_EQ(t.rc[3], 0);
	CHECK_EQ(t.done[0], 1);
	CHECK_EQ(t.done[1], 1);
	CHECK_EQ(t.done[2], 1);
	CHECK(strstr(t.why, "48 bytes") != NULL);
	CHECK_EQ(lattice_fastpath_handoffs(t.ch[1][3], &stats), 0);
	CHECK_EQ(stats.handed, 0);
	CHECK_EQ(stats.refused[LATTICE_P5_WAITING], 1);
	CHECK_STR(lattice_condition_text(-1), "");
	CHECK_STR(lattice_condition_text(LATTICE_CONDITIONS), "");
	CHECK(strlen(lattice_condition_text(LATTICE_P5_WAITING)) > 0);
	close_node();
}

TEST_MAIN

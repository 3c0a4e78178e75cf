/*
 * Who calls whom, drawn at random: every ring of calls is told at once to exactly one of it, and nobody else is told of one.
 *
 * Each party is a task or a thread and receives as a pid of its own. All call at the same time, each at most one other; then
 * each answers who calls it. So nobody in a ring is answered before its ring is broken, and the oracle, which only follows
 * arrows on paper, knows what every call comes to. LATTICE_CALL_PATTERNS=N: so many patterns. LATTICE_CALL_SEED=S: the first.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include <lattice/lattice.h>

#include "base/test.h"

enum { PARTIES_MAX = 100, PATTERNS_DEFAULT = 1500, NOBODY = -1, STARTER = 5000 };

enum kind {
	ANSWERS,
	ANSWERS_TWICE,
	NEVER, /* answers; who calls it has a deadline */
	DIES,  /* closes its endpoint after its own call */
	HELPED /* a second thread receives as its pid, and calls nobody */
};

struct party {
	int32_t next; /* whom it calls */
	enum kind kind;
	bool thread;
	int64_t timeout_ns;
	/* what came of it */
	struct lattice_endpoint *ep;
	struct lattice_channel *call, *stop;
	int rc, second;
	char why[160];
	pthread_t id, helper;
};

static struct {
	struct lattice_node *node;
	struct lattice_sched *s;
	struct party party[PARTIES_MAX];
	int32_t count;
	uint32_t flows;
	_Atomic(uint32_t) ready, left;
} t;

static uint64_t seed;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed >> 11;
}

/* --- parties ------------------------------------------------------------------------------------ */

static void give_way(void)
{
	if (lattice_sched_yield() == -EPERM)
		(void)sched_yield();
}

/* Says that it receives here, and waits until all do. */
static void line_up(const struct party *p)
{
	struct lattice_msg m;

	(void)!lattice_endpoint_recv(p->ep, &m, NULL, 0, 0);
	(void)atomic_fetch_add_explicit(&t.ready, 1, memory_order_acq_rel);
	while (atomic_load_explicit(&t.ready, memory_order_acquire) < t.flows)
		give_way();
}

/* Until it is stopped, which comes by a message that is no call. */
static void serve(struct party *p)
{
	struct lattice_msg m, reply = { .type = 2 };

	while (lattice_endpoint_recv(p->ep, &m, NULL, 0, LATTICE_FOREVER) == 0 && m.call != 0) {
		if (p->kind == NEVER)
			continue;
		(void)!lattice_endpoint_reply(p->ep, &m, &reply);
		if (p->kind == ANSWERS_TWICE && lattice_endpoint_reply(p->ep, &m, &reply) != -EALREADY)
			p->second = -EPROTO;
	}
}

static void take_part(void *arg)
{
	struct party *p = arg;
	struct lattice_msg m = { .type = 1 };

	line_up(p);
	if (p->call != NULL) {
		p->rc = lattice_channel_call(p->call, &m, &m, NULL, 0, p->timeout_ns);
		if (p->rc == -EDEADLK)
			(void)lattice_explain(p->call, p->rc, p->why, sizeof(p->why));
		(void)atomic_fetch_sub_explicit(&t.left, 1, memory_order_acq_rel);
	}
	if (p->kind != DIES) {
		serve(p);
	} else {
		lattice_endpoint_close(p->ep);
		p->ep = NULL;
	}
}

static void *thread_main(void *arg)
{
	take_part(arg);
	return NULL;
}

static void *helper_main(void *arg)
{
	line_up(arg);
	serve(arg);
	return NULL;
}

static void stop(const struct party *p)
{
	const struct lattice_msg m = { .type = 3 };

	if (p->kind != DIES)
		(void)!lattice_channel_send(p->stop, &m, LATTICE_FOREVER);
	if (p->kind == HELPED)
		(void)!lattice_channel_send(p->stop, &m, LATTICE_FOREVER);
}

/* When every call has come to an end, all are told to stop. */
static void *stop_all(void *arg)
{
	(void)arg;
	while (atomic_load_explicit(&t.ready, memory_order_acquire) < t.flows ||
	       atomic_load_explicit(&t.left, memory_order_acquire) > 0)
		(void)sched_yield();
	for (int32_t i = 0; i < t.count; i++)
		stop(&t.party[i]);
	return NULL;
}

static bool calls(const struct party *p)
{
	return p->next != NOBODY;
}

static void run_pattern(void)
{
	pthread_t stopper;
	uint32_t callers = 0;

	t.flows = 0;
	atomic_store_explicit(&t.ready, 0, memory_order_relaxed);
	CHECK_EQ(lattice_sched_open(&t.s), 0);
	for (int32_t i = 0; i < t.count; i++)
		CHECK_EQ(lattice_endpoint_open(&t.party[i].ep, t.node, i + 1), 0);
	for (int32_t i = 0; i < t.count; i++) {
		struct party *p = &t.party[i];

		p->rc = p->second = 0;
		p->why[0] = '\0';
		p->call = NULL;
		CHECK_EQ(lattice_channel_open(&p->stop, t.node, STARTER, i + 1, 0, 0), 0);
		if (calls(p))
			CHECK_EQ(lattice_channel_open(&p->call, t.node, i + 1, p->next + 1, 0, 0), 0);
		callers += calls(p);
		t.flows += p->kind == HELPED ? 2 : 1;
	}
	atomic_store_explicit(&t.left, callers, memory_order_relaxed);
	for (int32_t i = 0; i < t.count; i++) {
		struct party *p = &t.party[i];

		if (p->thread)
			CHECK_EQ(pthread_create(&p->id, NULL, thread_main, p), 0);
		else
			CHECK_EQ(lattice_task_spawn(t.s, i + 1, take_part, p, 65536), 0);
		if (p->kind == HELPED)
			CHECK_EQ(pthread_create(&p->helper, NULL, helper_main, p), 0);
	}
	CHECK_EQ(pthread_create(&stopper, NULL, stop_all, NULL), 0);
	CHECK_EQ(lattice_sched_run(t.s), 0);
	CHECK_EQ(pthread_join(stopper, NULL), 0);
	for (int32_t i = 0; i < t.count; i++) {
		struct party *p = &t.party[i];

		if (p->thread)
			CHECK_EQ(pthread_join(p->id, NULL), 0);
		if (p->kind == HELPED)
			CHECK_EQ(pthread_join(p->helper, NULL), 0);
	}
	for (int32_t i = 0; i < t.count; i++) {
		lattice_channel_close(t.party[i].call);
		lattice_channel_close(t.party[i].stop);
	}
	for (int32_t i = 0; i < t.count; i++)
		lattice_endpoint_close(t.party[i].ep);
	CHECK_EQ(lattice_sched_close(t.s), 0);
}

/* --- the oracle --------------------------------------------------------------------------------- */

/* Whom @i's call makes it wait for: a party that cannot answer before its own call ends. */
static int32_t waits_for(int32_t i)
{
	const struct party *p = &t.party[i];

	if (p->next == NOBODY || p->timeout_ns == 0)
		return NOBODY;
	return t.party[p->next].kind == HELPED ? NOBODY : p->next;
}

/* The one of the ring that @i is in, which has the least number; NOBODY: it is in none. */
static int32_t ring_of(int32_t i, bool *short_of_time)
{
	int32_t at = i, least = i;

	*short_of_time = false;
	for (int32_t steps = 0; steps < t.count; steps++) {
		*short_of_time = *short_of_time || t.party[at].timeout_ns == 1;
		at = waits_for(at);
		if (at == NOBODY)
			return NOBODY;
		if (at == i)
			return least;
		least = at < least ? at : least;
	}
	return NOBODY;
}

/* What @i's call may come to when it is not told of a ring. */
static bool fits(const struct party *p)
{
	const struct party *to = p->next == NOBODY ? NULL : &t.party[p->next];

	if (to == NULL)
		return p->rc == 0;
	if (p->timeout_ns == 0)
		return p->rc == -EINVAL;
	if (p->rc == -ETIMEDOUT)
		return p->timeout_ns == 1;
	if (to->kind == DIES)
		return p->rc == -EOWNERDEAD;
	return p->rc == 0 && to->kind != NEVER;
}

static uint64_t rings, told;

static void check_pattern(uint64_t number)
{
	uint32_t told_in[PARTIES_MAX] = { 0 };
	char say[200];

	for (int32_t i = 0; i < t.count; i++) {
		const struct party *p = &t.party[i];
		bool hurried;
		int32_t ring = ring_of(i, &hurried);

		(void)snprintf(say, sizeof(say),
			       "pattern %" PRIu64 ": party %d of %d (%s, kind %d) calls %d: %d %s", number, i,
			       t.count, p->thread ? "thread" : "task", p->kind, p->next, p->rc, p->why);
		CHECK_EQ_ROW(say, p->second, 0);
		if (p->rc != -EDEADLK) {
			CHECK_EQ_ROW(say, fits(p), true);
			continue;
		}
		CHECK_EQ_ROW(say, ring != NOBODY, true);
		told_in[ring]++;
		told++;
	}
	for (int32_t i = 0; i < t.count; i++) {
		bool hurried;

		if (ring_of(i, &hurried) != i)
			continue;
		rings++;
		(void)snprintf(say, sizeof(say), "pattern %" PRIu64 ": the ring of party %d", number, i);
		if (hurried) /* who gave up may have broken it */
			CHECK_EQ_ROW(say, told_in[i] <= 1, true);
		else
			CHECK_EQ_ROW(say, told_in[i], 1);
	}
}

/* --- patterns ----------------------------------------------------------------------------------- */

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void open_node(void)
{
	CHECK_EQ(lattice_node_open(&t.node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }),
		 0);
}

static void draw(void)
{
	static const int64_t timeouts[] = { LATTICE_FOREVER, LATTICE_FOREVER, INT64_C(3600000000000), 1, 0 };
	uint64_t mostly = next_random() % 3; /* tasks, threads, or both */

	t.count = 1 + (int32_t)(next_random() % 7);
	for (int32_t i = 0; i < t.count; i++) {
		struct party *p = &t.party[i];
		uint64_t r = next_random() % 100;

		*p = (struct party){ .next = (int32_t)(next_random() % (uint64_t)(t.count + 1)) - 1 };
		p->kind = r < 60 ? ANSWERS : r < 70 ? ANSWERS_TWICE : r < 78 ? NEVER : r < 88 ? DIES : HELPED;
		p->thread = mostly == 1 || (mostly == 2 && next_random() % 2 == 0);
		p->timeout_ns = timeouts[next_random() % ARRAY_LEN(timeouts)];
	}
	for (int32_t i = 0; i < t.count; i++) {
		struct party *p = &t.party[i];

		if (p->kind == HELPED)
			p->thread = true; /* a task's endpoint is at home with its tasks */
		if (p->next != NOBODY && t.party[p->next].kind == NEVER && p->timeout_ns != 0)
			p->timeout_ns = 1;
	}
}

TEST(drawn_at_random)
{
	uint64_t patterns = number("LATTICE_CALL_PATTERNS", PATTERNS_DEFAULT);

	seed = number("LATTICE_CALL_SEED", 0x452821e638d01377u);
	open_node();
	for (uint64_t i = 0; i < patterns; i++) {
		draw();
		run_pattern();
		check_pattern(i);
	}
	print_message("%" PRIu64 " patterns, %" PRIu64 " rings, %" PRIu64 " told\n", patterns, rings, told);
	CHECK(told > patterns / 10); /* else it has shown nothing */
	lattice_node_close(t.node);
}

/* All of a ring call at once, so it closes from everywhere. */
TEST(rings_of_all_lengths)
{
	static const int32_t lengths[] = { 1, 2, 3, 100 };

	open_node();
	for (uint32_t how = 0; how < 3; how++) {
		for (size_t k = 0; k < ARRAY_LEN(lengths); k++) {
			for (uint64_t round = 0; round < (lengths[k] > 3 ? 2u : 50u); round++) {
				t.count = lengths[k];
				for (int32_t i = 0; i < t.count; i++)
					t.party[i] = (struct party){ .next = (i + 1) % t.count,
								     .thread = how == 1 ||
									       (how == 2 && i % 2 == 0),
								     .timeout_ns = LATTICE_FOREVER };
				run_pattern();
				check_pattern(round);
			}
		}
	}
	lattice_node_close(t.node);
}

TEST_MAIN

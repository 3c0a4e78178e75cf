/*
 * The dependency graph under many threads, against an oracle that shares nothing with it: a matrix of bits and a sort.
 *
 * Steps come in rounds; in a round several threads open, connect, disconnect, submit and close at random. Each edge is one
 * thread's to add and remove, and each channel one thread's to close, so after a round it is known exactly which edges there
 * are. Then: they hold no cycle; what was refused as one was closed by edges that were there at some moment of the round;
 * and each edge is there, and no other. Every second round has one thread, and there the answers are known one by one.
 *
 * LATTICE_GRAPH_STEPS=N: so many steps. LATTICE_GRAPH_SEED=S: another run of them.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <lattice/lattice.h>

#include "base/test.h"

enum { CHANNELS = 48, THREADS = 4, PER_THREAD = 12, STEPS_DEFAULT = 30000, SERVER = 1000 };

struct slot {
	pthread_rwlock_t lock; /* write: to open and close it */
	struct lattice_channel *ch;
	_Atomic(uint64_t) runs; /* of this channel, to a good end */
	_Atomic(uint64_t) gone; /* bit per parent that was connected or disconnected in this round */
	uint32_t life;          /* how often it was opened */
};

struct edge { /* its owner's between two rounds */
	bool is;
	uint32_t parent_life, child_life;
};

struct refusal {
	uint32_t parent, child;
};

static struct {
	struct lattice_node *node;
	struct slot slot[CHANNELS];
	struct edge edge[CHANNELS][CHANNELS]; /* by parent, child */
	uint64_t before[CHANNELS];            /* the oracle's: children, as bits, when the round began */
	_Atomic(uint64_t) added[CHANNELS];    /* children that were connected in the round */
	struct refusal refused[THREADS][PER_THREAD];
	uint32_t refused_count[THREADS];
	uint64_t random[THREADS];
	pthread_barrier_t begin, end;
	uint32_t threads; /* that have a part in this round */
	_Atomic(uint32_t) wrong;
	uint64_t refusals, edges, ran;
	bool over;
} t;

static void wrong(const char *what)
{
	if (atomic_fetch_add_explicit(&t.wrong, 1, memory_order_relaxed) < 10)
		print_error("%s\n", what);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* --- the oracle --------------------------------------------------------------------------------- */

/* Whether @to can be reached from @from along @children. */
static bool reaches(const uint64_t *children, uint32_t from, uint32_t to)
{
	uint64_t seen = UINT64_C(1) << from, fresh = seen;

	while (fresh != 0 && !(seen >> to & 1)) {
		uint64_t next = 0;

		for (uint64_t left = fresh; left != 0; left &= left - 1)
			next |= children[__builtin_ctzll(left)];
		fresh = next & ~seen;
		seen |= next;
	}
	return seen >> to & 1;
}

/* Takes away what has no children left, until nothing can be. */
static bool is_acyclic(const uint64_t *children)
{
	uint64_t left = (UINT64_C(1) << CHANNELS) - 1, before;

	do {
		before = left;
		for (uint32_t v = 0; v < CHANNELS; v++)
			if ((children[v] & left) == 0)
				left &= ~(UINT64_C(1) << v);
	} while (left != before);
	return left == 0;
}

static void collect(uint64_t *children)
{
	for (uint32_t p = 0; p < CHANNELS; p++) {
		children[p] = 0;
		for (uint32_t c = 0; c < CHANNELS; c++) {
			const struct edge *e = &t.edge[p][c];

			if (e->is && e->parent_life == t.slot[p].life && e->child_life == t.slot[c].life &&
			    t.slot[p].ch != NULL && t.slot[c].ch != NULL)
				children[p] |= UINT64_C(1) << c;
		}
	}
}

/* --- steps -------------------------------------------------------------------------------------- */

/* Each parent has run by now, unless it was connected in this round, or disconnected. */
static int work(void *ctx, struct lattice_channel *ch)
{
	struct slot *self = ctx;
	uint32_t c = (uint32_t)(self - t.slot);

	(void)ch;
	for (uint32_t p = 0; p < CHANNELS; p++)
		if ((t.before[p] >> c & 1) &&
		    !(atomic_load_explicit(&self->gone, memory_order_acquire) >> p & 1) &&
		    atomic_load_explicit(&t.slot[p].runs, memory_order_acquire) == 0)
			wrong("work ran before that of a parent");
	(void)atomic_fetch_add_explicit(&self->runs, 1, memory_order_acq_rel);
	return 0;
}

static void open_or_close(uint32_t me, uint64_t r)
{
	uint32_t c = (uint32_t)(r % (CHANNELS / THREADS)) * THREADS + me;
	struct slot *s = &t.slot[c];
	int rc;

	pthread_rwlock_wrlock(&s->lock);
	if (s->ch != NULL && (r >> 20) % 4 == 0) {
		for (uint32_t i = 0; i < CHANNELS; i++)
			(void)atomic_fetch_or_explicit(&t.slot[i].gone, UINT64_C(1) << c,
						       memory_order_acq_rel);
		lattice_channel_close(s->ch);
		s->ch = NULL;
		atomic_store_explicit(&s->runs, 0, memory_order_release);
	} else if (s->ch == NULL) {
		s->life++;
		atomic_store_explicit(&s->gone, UINT64_MAX, memory_order_release);
		rc = lattice_channel_open(&s->ch, t.node, (int32_t)c + 1, SERVER, 0, 0);
		if (rc == 0)
			rc = lattice_channel_set_work(s->ch, work, s);
		if (rc != 0)
			wrong("a channel that does not open");
	}
	pthread_rwlock_unlock(&s->lock);
}

/* Both locks, in order. false: one of the channels is closed. */
static bool take(uint32_t a, uint32_t b)
{
	pthread_rwlock_rdlock(&t.slot[a < b ? a : b].lock);
	pthread_rwlock_rdlock(&t.slot[a < b ? b : a].lock);
	return t.slot[a].ch != NULL && t.slot[b].ch != NULL;
}

static void give(uint32_t a, uint32_t b)
{
	pthread_rwlock_unlock(&t.slot[a].lock);
	pthread_rwlock_unlock(&t.slot[b].lock);
}

/* What the answer must be is known where this thread is alone. */
static int known(uint32_t p, uint32_t c, bool there, bool add)
{
	uint64_t now[CHANNELS];

	if (!add)
		return there ? 0 : -ENOENT;
	collect(now);
	return there ? 0 : reaches(now, c, p) ? -ELOOP : 0;
}

static void connect_or_not(uint32_t me, uint64_t r, bool add)
{
	uint32_t p = (uint32_t)(r % CHANNELS), c = (uint32_t)(r >> 10) % CHANNELS;
	struct edge *e = &t.edge[p][c];
	bool there;
	int rc, want = 1;

	if (p == c || (p + c) % THREADS != me)
		return;
	if (!take(p, c)) {
		give(p, c);
		return;
	}
	there = e->is && e->parent_life == t.slot[p].life && e->child_life == t.slot[c].life;
	if (t.threads == 1)
		want = known(p, c, there, add);
	(void)atomic_fetch_or_explicit(&t.slot[c].gone, UINT64_C(1) << p, memory_order_acq_rel);
	rc = add ? lattice_channel_add_dep(t.slot[p].ch, t.slot[c].ch)
		 : lattice_channel_remove_dep(t.slot[p].ch, t.slot[c].ch);
	if (want != 1 && rc != want)
		wrong(add ? "alone: connecting was answered wrongly" : "alone: disconnecting, too");
	if (!add && rc != (there ? 0 : -ENOENT))
		wrong("an edge is there that should not be, or not");
	if (add && there && rc != 0)
		wrong("an edge that is there was refused");
	if (add && rc == 0) {
		*e = (struct edge){ true, t.slot[p].life, t.slot[c].life };
		(void)atomic_fetch_or_explicit(&t.added[p], UINT64_C(1) << c, memory_order_relaxed);
	} else if (add && rc == -ELOOP) {
		t.refused[me][t.refused_count[me]++] = (struct refusal){ p, c };
	} else if (add) {
		wrong("connecting failed");
	} else {
		e->is = false;
	}
	give(p, c);
}

static void submit(uint64_t r)
{
	uint32_t c = (uint32_t)(r % CHANNELS);
	struct slot *s = &t.slot[c];
	int rc = 0;

	pthread_rwlock_rdlock(&s->lock);
	if (s->ch != NULL && (r >> 30) % 4 != 0)
		rc = lattice_channel_submit(s->ch);
	else if (s->ch != NULL)
		rc = lattice_channel_wait_work(s->ch, 0);
	if (rc != 0 && rc != -EALREADY && rc != -ESHUTDOWN && rc != -EAGAIN)
		wrong("submitting failed");
	pthread_rwlock_unlock(&s->lock);
}

static void one_round(uint32_t me)
{
	uint64_t *x = &t.random[me];

	for (uint32_t i = 0; i < PER_THREAD; i++) {
		uint64_t r = next_random(x) >> 8, what = next_random(x) >> 8;

		/* In a round of one thread it plays all parts. */
		if (t.threads == 1)
			me = (uint32_t)(next_random(x) >> 8) % THREADS;
		if (what % 100 < 4)
			open_or_close(me, r);
		else if (what % 100 < 60)
			connect_or_not(me, r, true);
		else if (what % 100 < 75)
			connect_or_not(me, r, false);
		else
			submit(r);
	}
}

static void *thread_main(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;

	for (;;) {
		pthread_barrier_wait(&t.begin);
		if (t.over)
			return NULL;
		if (me < t.threads)
			one_round(me);
		pthread_barrier_wait(&t.end);
	}
}

/* Nobody is at it. */
static void check_round(void)
{
	uint64_t now[CHANNELS], ever[CHANNELS];

	collect(now);
	if (!is_acyclic(now))
		wrong("a cycle was accepted");
	for (uint32_t v = 0; v < CHANNELS; v++)
		ever[v] = t.before[v] | atomic_load_explicit(&t.added[v], memory_order_relaxed);
	for (uint32_t i = 0; i < THREADS; i++)
		for (uint32_t k = 0; k < t.refused_count[i]; k++, t.refusals++)
			if (!reaches(ever, t.refused[i][k].child, t.refused[i][k].parent))
				wrong("a dependency that closes no cycle was refused");
	memcpy(t.before, now, sizeof(now));
	for (uint32_t v = 0; v < CHANNELS; v++) {
		t.edges += (uint64_t)__builtin_popcountll(now[v]);
		atomic_store_explicit(&t.added[v], 0, memory_order_relaxed);
		atomic_store_explicit(&t.slot[v].gone, 0, memory_order_relaxed);
	}
	memset(t.refused_count, 0, sizeof(t.refused_count));
}

TEST(no_cycle_is_accepted_and_nothing_else_refused)
{
	uint64_t steps = number("LATTICE_GRAPH_STEPS", STEPS_DEFAULT);
	uint64_t seed = number("LATTICE_GRAPH_SEED", 1), rounds = 0, done = 0;
	struct lattice_endpoint *server;
	pthread_t thread[THREADS];

	print_message("seed %" PRIu64 "\n", seed);
	CHECK_EQ(lattice_node_open(&t.node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }),
		 0);
	CHECK_EQ(lattice_endpoint_open(&server, t.node, SERVER), 0);
	for (uint32_t i = 0; i < CHANNELS; i++)
		CHECK_EQ(pthread_rwlock_init(&t.slot[i].lock, NULL), 0);
	CHECK_EQ(pthread_barrier_init(&t.begin, NULL, THREADS + 1), 0);
	CHECK_EQ(pthread_barrier_init(&t.end, NULL, THREADS + 1), 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		t.random[i] = seed * 0x9e3779b97f4a7c15u + (i + 1) * 0xbf58476d1ce4e5b9u;
		CHECK_EQ(pthread_create(&thread[i], NULL, thread_main, (void *)(uintptr_t)i), 0);
	}
	for (; done < steps && atomic_load_explicit(&t.wrong, memory_order_relaxed) == 0; rounds++) {
		t.threads = rounds % 2 == 0 ? THREADS : 1;
		pthread_barrier_wait(&t.begin);
		pthread_barrier_wait(&t.end);
		done += t.threads * PER_THREAD;
		check_round();
	}
	t.over = true;
	pthread_barrier_wait(&t.begin);
	for (uint32_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	for (uint32_t i = 0; i < CHANNELS; i++) {
		t.ran += atomic_load_explicit(&t.slot[i].runs, memory_order_relaxed);
		lattice_channel_close(t.slot[i].ch);
	}
	print_message("%" PRIu64 " steps, %" PRIu64 " refused as cycles, %" PRIu64 " edges on average\n",
		      done, t.refusals, t.edges / rounds);
	CHECK_EQ(atomic_load_explicit(&t.wrong, memory_order_relaxed), 0);
	CHECK(t.refusals > steps / 100 && t.ran > 0); /* else it has shown nothing */
	lattice_endpoint_close(server);
	lattice_node_close(t.node);
}

TEST_MAIN

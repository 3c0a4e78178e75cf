/* Exclusion, order, depth, and every release that must be refused. */
#include "sync/qlock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "os/clock.h"

enum { ME = 1, OTHER = 2, THREADS = 4, ROUNDS = 5000 };

static struct lat_qlock_state state_of(const struct lat_qlock *q)
{
	struct lat_qlock_state s;

	lat_qlock_state(q, &s);
	return s;
}

static void is_free(const struct lat_qlock *q)
{
	CHECK_EQ(state_of(q).owner, 0);
	CHECK_EQ(state_of(q).depth, 0);
	CHECK_EQ(state_of(q).queued, 0);
	CHECK(lat_quat_equal(q->orientation, LAT_QUAT_IDENTITY));
	CHECK_EQ(q->top, 0);
}

TEST(lock_and_unlock)
{
	static const struct lat_qlock_hold nothing;
	struct lat_qlock_hold h;
	struct lat_qlock q;

	lat_qlock_init(&q, false);
	is_free(&q);
	for (int i = 0; i < 3 * LAT_QUAT_TICKETS; i++) {
		CHECK_EQ(lat_qlock_lock(&q, ME, &h), 0);
		CHECK_EQ(state_of(&q).owner, ME);
		CHECK_EQ(state_of(&q).depth, 1);
		CHECK(!lat_quat_equal(q.orientation, LAT_QUAT_IDENTITY));
		CHECK_EQ(lat_qlock_unlock(&q, ME, &h), 0);
		CHECK_MEM(&h, &nothing, sizeof(h));
		is_free(&q);
	}
	CHECK_EQ(lat_qlock_lock(&q, 0, &h), -EINVAL);
	CHECK_EQ(lat_qlock_trylock(&q, 0, &h), -EINVAL);
	CHECK_EQ(lat_qlock_lock_until(&q, 0, &h, 0), -EINVAL);
	CHECK_EQ(state_of(&q).wrong, 0);
}

TEST(the_owner_goes_deeper)
{
	static struct lat_qlock_hold h[LAT_QLOCK_DEPTH_MAX + 1];
	struct lat_qlock q;

	lat_qlock_init(&q, false);
	for (uint32_t i = 0; i < LAT_QLOCK_DEPTH_MAX; i++) {
		int rc = i % 3 == 0   ? lat_qlock_lock(&q, ME, &h[i])
			 : i % 3 == 1 ? lat_qlock_trylock(&q, ME, &h[i])
				      : lat_qlock_lock_until(&q, ME, &h[i], 0);

		CHECK_EQ(rc, 0);
		CHECK_EQ(state_of(&q).depth, i + 1);
	}
	CHECK_EQ(lat_qlock_lock(&q, ME, &h[LAT_QLOCK_DEPTH_MAX]), -ENOBUFS);
	for (uint32_t i = LAT_QLOCK_DEPTH_MAX; i-- > 0;) {
		CHECK_EQ(lat_qlock_trylock(&q, OTHER, &h[LAT_QLOCK_DEPTH_MAX]), -EBUSY);
		CHECK_EQ(lat_qlock_unlock(&q, ME, &h[i]), 0);
		CHECK_EQ(state_of(&q).depth, i);
	}
	is_free(&q);
}

/* Each row is tried against a lock that ME holds twice; none may change a byte of it but the count. */
TEST(wrong_releases_change_nothing)
{
	struct lat_qlock_hold outer, inner, stale, foreign, forged, no = { 0 };
	struct lat_qlock q, was, elsewhere;

	lat_qlock_init(&q, false);
	lat_qlock_init(&elsewhere, false);
	CHECK_EQ(lat_qlock_lock(&elsewhere, ME, &foreign), 0);
	CHECK_EQ(lat_qlock_lock(&q, ME, &stale), 0); /* number 1, as foreign's, and released below */
	forged = stale;
	CHECK_EQ(lat_qlock_unlock(&q, ME, &stale), 0);
	stale = forged;
	CHECK_EQ(lat_qlock_lock(&q, ME, &outer), 0);
	CHECK_EQ(lat_qlock_lock(&q, ME, &inner), 0);
	forged = inner;
	forged.before = LAT_QUAT_IDENTITY; /* the right number and another orientation */

	struct {
		const char *why;
		uint32_t owner;
		struct lat_qlock_hold *hold;
	} rows[] = {
		{ "another owner, with the right hold", OTHER, &inner },
		{ "nobody", 0, &inner },
		{ "the outer one first", ME, &outer },
		{ "released long ago", ME, &stale },
		{ "of another lock", ME, &foreign },
		{ "never acquired", ME, &no },
		{ "the counter agrees, the orientation does not", ME, &forged },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_qlock_hold hold_was = *rows[i].hold;

		memcpy(&was, &q, sizeof(q));
		CHECK_EQ_ROW(rows[i].why, lat_qlock_unlock(&q, rows[i].owner, rows[i].hold), -EPERM);
		CHECK_MEM_ROW(rows[i].why, rows[i].hold, &hold_was, sizeof(hold_was));
		CHECK_EQ_ROW(rows[i].why, state_of(&q).wrong, i + 1);
		atomic_store_explicit(&was.wrong, i + 1, memory_order_relaxed);
		CHECK_MEM_ROW(rows[i].why, &q, &was, sizeof(q));
	}
	CHECK_EQ(lat_qlock_unlock(&q, ME, &inner), 0);
	CHECK_EQ(lat_qlock_unlock(&q, ME, &inner), -EPERM); /* twice */
	CHECK_EQ(lat_qlock_unlock(&q, ME, &outer), 0);
	is_free(&q);
	CHECK_EQ(lat_qlock_unlock(&q, ME, &outer), -EPERM); /* of a free lock */
	is_free(&q);
	CHECK_EQ(lat_qlock_unlock(&elsewhere, ME, &foreign), 0);
}

/* A hold whose ticket is the same, because a whole round of tickets went by, is still another's. */
TEST(the_same_ticket_a_round_later_is_refused)
{
	struct lat_qlock_hold h, old = { 0 };
	struct lat_qlock q;

	lat_qlock_init(&q, false);
	for (int i = 0; i <= LAT_QUAT_TICKETS; i++) {
		CHECK_EQ(lat_qlock_lock(&q, ME, &h), 0);
		if (i == 0)
			old = h;
		if (i < LAT_QUAT_TICKETS)
			CHECK_EQ(lat_qlock_unlock(&q, ME, &h), 0);
	}
	CHECK_EQ(lat_qlock_unlock(&q, ME, &old), -EPERM);
	CHECK_EQ(lat_qlock_unlock(&q, ME, &h), 0);
	is_free(&q);
}

TEST(an_overwritten_lock_is_told)
{
	struct lat_qlock_hold h;
	struct lat_qlock q;

	lat_qlock_init(&q, false);
	q.orientation.y = 1;
	CHECK_EQ(lat_qlock_lock(&q, ME, &h), -ENOTRECOVERABLE);
	CHECK_EQ(lat_qlock_trylock(&q, ME, &h), -ENOTRECOVERABLE);
	CHECK_EQ(lat_qlock_lock_until(&q, ME, &h, 0), -ENOTRECOVERABLE);
	CHECK_EQ(state_of(&q).owner, 0); /* and nobody hangs on it */
}

TEST(trying_does_not_wait)
{
	struct lat_qlock_hold h, other;
	struct lat_qlock q;

	lat_qlock_init(&q, false);
	CHECK_EQ(lat_qlock_trylock(&q, ME, &h), 0);
	CHECK_EQ(lat_qlock_trylock(&q, OTHER, &other), -EBUSY);
	CHECK_EQ(lat_qlock_lock_until(&q, OTHER, &other, 0), -ETIMEDOUT);
	CHECK_EQ(lat_qlock_lock_until(&q, OTHER, &other, lat_clock_monotonic_ns() + 1000000), -ETIMEDOUT);
	CHECK_EQ(state_of(&q).queued, 0); /* who gave up is in nobody's way */
	CHECK_EQ(lat_qlock_unlock(&q, ME, &h), 0);
	CHECK_EQ(lat_qlock_lock_until(&q, OTHER, &other, 0),
		 0); /* free: a deadline that passed is no obstacle */
	CHECK_EQ(lat_qlock_unlock(&q, OTHER, &other), 0);
	is_free(&q);
}

static struct {
	struct lat_qlock q;
	uint64_t counter; /* under q; plain, so that TSan sees a hole in the exclusion */
	uint32_t order[THREADS], served;
	int failed[THREADS];
} shared;

static void *count_up(void *arg)
{
	size_t n = (size_t)arg;
	struct lat_qlock_hold h, inner;
	int failed = 0;

	for (int i = 0; i < ROUNDS; i++) {
		int rc;

		switch ((i + (int)n) % 4) {
		case 0:
			do {
				rc = lat_qlock_trylock(&shared.q, lat_qlock_thread(), &h);
				if (rc == -EBUSY)
					sched_yield();
			} while (rc == -EBUSY);
			break;
		case 1:
			rc = lat_qlock_lock_until(&shared.q, lat_qlock_thread(), &h, UINT64_MAX);
			break;
		default:
			rc = lat_qlock_lock(&shared.q, lat_qlock_thread(), &h);
			break;
		}
		failed |= rc;
		shared.counter++;
		if (i % 8 == 0) {
			failed |= lat_qlock_lock(&shared.q, lat_qlock_thread(), &inner);
			failed |= lat_qlock_unlock(&shared.q, lat_qlock_thread(), &inner);
		}
		failed |= lat_qlock_unlock(&shared.q, lat_qlock_thread(), &h);
	}
	shared.failed[n] = failed;
	return NULL;
}

static void count_with_threads(void)
{
	pthread_t thread[THREADS];

	shared.counter = 0;
	for (size_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, count_up, (void *)i), 0);
	for (size_t i = 0; i < THREADS; i++) {
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
		CHECK_EQ(shared.failed[i], 0);
	}
	CHECK_EQ(shared.counter, THREADS * ROUNDS);
	CHECK_EQ(state_of(&shared.q).wrong, 0);
	is_free(&shared.q);
}

TEST(one_at_a_time)
{
	lat_qlock_init(&shared.q, false);
	count_with_threads();
}

TEST(turns_wrap)
{
	lat_qlock_init(&shared.q, false);
	atomic_store_explicit(&shared.q.next, UINT32_MAX - 100, memory_order_relaxed);
	atomic_store_explicit(&shared.q.serving, UINT32_MAX - 100, memory_order_relaxed);
	count_with_threads();
}

static void *queue_up(void *arg)
{
	size_t n = (size_t)arg;
	struct lat_qlock_hold h;
	int failed = lat_qlock_lock(&shared.q, lat_qlock_thread(), &h);

	shared.order[shared.served++] = (uint32_t)n;
	failed |= lat_qlock_unlock(&shared.q, lat_qlock_thread(), &h);
	shared.failed[n] = failed;
	return NULL;
}

TEST(first_come_first_served)
{
	pthread_t thread[THREADS];
	struct lat_qlock_hold h, other;

	lat_qlock_init(&shared.q, false);
	for (int round = 0; round < 20; round++) {
		shared.served = 0;
		CHECK_EQ(lat_qlock_lock(&shared.q, lat_qlock_thread(), &h), 0);
		for (size_t i = 0; i < THREADS; i++) {
			CHECK_EQ(pthread_create(&thread[i], NULL, queue_up, (void *)i), 0);
			while (state_of(&shared.q).queued != i + 1) /* until its turn is taken */
				sched_yield();
			/* Who gives up between two who queue keeps neither from their turn. */
			CHECK_EQ(lat_qlock_lock_until(&shared.q, UINT32_MAX, &other, 0), -ETIMEDOUT);
			CHECK_EQ(lat_qlock_trylock(&shared.q, UINT32_MAX, &other), -EBUSY);
		}
		CHECK_EQ(lat_qlock_unlock(&shared.q, lat_qlock_thread(), &h), 0);
		for (size_t i = 0; i < THREADS; i++) {
			CHECK_EQ(pthread_join(thread[i], NULL), 0);
			CHECK_EQ(shared.failed[i], 0);
		}
		for (uint32_t i = 0; i < THREADS; i++)
			CHECK_EQ(shared.order[i], i);
		is_free(&shared.q);
	}
}

static void *wait_without_a_turn(void *arg)
{
	struct lat_qlock_hold h;

	(void)arg;
	shared.failed[0] = lat_qlock_lock_until(&shared.q, lat_qlock_thread(), &h, UINT64_MAX);
	if (shared.failed[0] == 0)
		shared.failed[0] = lat_qlock_unlock(&shared.q, lat_qlock_thread(), &h);
	return NULL;
}

TEST(a_timed_waiter_is_woken)
{
	struct lat_qlock_hold h;
	pthread_t thread;

	lat_qlock_init(&shared.q, false);
	CHECK_EQ(lat_qlock_lock(&shared.q, ME, &h), 0);
	CHECK_EQ(pthread_create(&thread, NULL, wait_without_a_turn, NULL), 0);
	while (atomic_load_explicit(&shared.q.sleepers, memory_order_relaxed) == 0)
		sched_yield();
	CHECK_EQ(lat_qlock_unlock(&shared.q, ME, &h), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(shared.failed[0], 0);
	is_free(&shared.q);
}

static void *unlock_for_the_other(void *arg)
{
	shared.failed[0] = lat_qlock_unlock(&shared.q, lat_qlock_thread(), arg);
	return NULL;
}

TEST(another_thread_cannot_unlock)
{
	struct lat_qlock_hold h;
	pthread_t thread;

	lat_qlock_init(&shared.q, false);
	CHECK_EQ(lat_qlock_lock(&shared.q, lat_qlock_thread(), &h), 0);
	CHECK_EQ(pthread_create(&thread, NULL, unlock_for_the_other, &h), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(shared.failed[0], -EPERM);
	CHECK_EQ(state_of(&shared.q).owner, lat_qlock_thread());
	CHECK_EQ(lat_qlock_unlock(&shared.q, lat_qlock_thread(), &h), 0);
	CHECK_EQ(state_of(&shared.q).wrong, 1);
}

struct region { /* mapped by several processes of one trust domain */
	struct lat_qlock q;
	uint64_t counter;
};

static int count_in_a_child(struct region *r)
{
	struct lat_qlock_hold h;

	if (lat_qlock_thread() != (uint32_t)getpid())
		return 1; /* the parent's token would be no other */
	for (int i = 0; i < ROUNDS; i++) {
		if (lat_qlock_lock(&r->q, lat_qlock_thread(), &h) != 0)
			return 2;
		r->counter++;
		if (lat_qlock_unlock(&r->q, lat_qlock_thread(), &h) != 0)
			return 3;
	}
	return 0;
}

TEST(processes_of_one_trust_domain)
{
	struct region *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[3];
	int status;

	CHECK(r != MAP_FAILED);
	lat_qlock_init(&r->q, true);
	CHECK_EQ(lat_qlock_thread(), gettid());
	for (size_t i = 0; i < ARRAY_LEN(pid); i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(count_in_a_child(r));
		CHECK(pid[i] > 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(pid); i++) {
		CHECK_EQ(waitpid(pid[i], &status, 0), pid[i]);
		CHECK_EQ(status, 0);
	}
	CHECK_EQ(r->counter, ARRAY_LEN(pid) * ROUNDS);
	is_free(&r->q);
	munmap(r, sizeof(*r));
}

TEST_MAIN

/* One at a time, and everybody gets in. */
#include "sync/mutex.h"

#include <pthread.h>
#include <sched.h>

#include "base/test.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct {
	struct lat_mutex lock;
	uint64_t count; /* plain: guarded, or ThreadSanitizer says so and the sum is wrong */
} shared;

static void *add(void *arg)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		lat_mutex_lock(&shared.lock);
		shared.count++;
		lat_mutex_unlock(&shared.lock);
	}
	return arg;
}

TEST(one_at_a_time)
{
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, add, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	CHECK_EQ(shared.count, (uint64_t)THREADS * ROUNDS);
}

static void *hold_it_once(void *arg)
{
	struct lat_mutex *m = arg;

	lat_mutex_lock(m);
	lat_mutex_unlock(m);
	return NULL;
}

TEST(a_sleeper_is_seen_and_woken)
{
	struct lat_mutex m = { 0 };
	pthread_t thread;

	CHECK(lat_mutex_trylock(&m));
	CHECK(!lat_mutex_trylock(&m));
	CHECK(!lat_mutex_wanted(&m));
	CHECK_EQ(pthread_create(&thread, NULL, hold_it_once, &m), 0);
	while (!lat_mutex_wanted(&m))
		(void)sched_yield();
	lat_mutex_unlock(&m);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(lat_mutex_trylock(&m));
	lat_mutex_unlock(&m);
}

TEST_MAIN

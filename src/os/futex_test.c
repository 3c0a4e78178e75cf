/* Sleeping and waking, within a thread's memory and across two mappings of one memfd. */
#include "os/futex.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "base/test.h"
#include "os/clock.h"
#include "os/memfd.h"

TEST(a_word_that_differs_does_not_sleep)
{
	_Atomic(uint32_t) word = 7;

	CHECK_EQ(lat_futex_wait(&word, 8, UINT64_MAX, false), 0);
	CHECK_EQ(lat_futex_wait(&word, 8, UINT64_MAX, true), 0);
	CHECK_EQ(lat_futex_wait(&word, 8, 0, false), 0); /* the word is looked at before the clock */
}

TEST(deadlines_end_the_sleep)
{
	_Atomic(uint32_t) word = 7;
	uint64_t deadline;

	CHECK_EQ(lat_futex_wait(&word, 7, 0, false), -ETIMEDOUT);
	CHECK_EQ(lat_futex_wait(&word, 7, lat_clock_monotonic_ns(), true), -ETIMEDOUT);
	deadline = lat_clock_monotonic_ns() + 2 * (uint64_t)LAT_NS_PER_MS;
	CHECK_EQ(lat_futex_wait(&word, 7, deadline, false), -ETIMEDOUT);
	CHECK(lat_clock_monotonic_ns() >= deadline);
}

TEST(nobody_to_wake)
{
	_Atomic(uint32_t) word = 7;

	CHECK_EQ(lat_futex_wake(&word, 1, false), 0);
	CHECK_EQ(lat_futex_wake(&word, INT_MAX, true), 0);
}

struct sleeper {
	_Atomic(uint32_t) *word;
	bool shared;
	int rc;
};

static void *sleep_on_it(void *arg)
{
	struct sleeper *s = arg;

	s->rc = lat_futex_wait(s->word, 7, UINT64_MAX, s->shared);
	return NULL;
}

TEST(a_sleeper_is_woken)
{
	_Atomic(uint32_t) word = 7;
	struct sleeper s = { &word, false, 1 };
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, sleep_on_it, &s), 0);
	while (lat_futex_wake(&word, 1, false) == 0) /* until it sleeps, and is counted */
		sched_yield();
	pthread_join(thread, NULL);
	CHECK_EQ(s.rc, 0);
}

/* The word's writer is woken by somebody who may only read it: LOCAL 9. */
TEST(a_read_only_mapping_wakes)
{
	const void *peer;
	void *map;
	int fd;

	CHECK_EQ(lat_memfd_create(&fd, &map, sizeof(uint32_t), "futex"), 0);
	CHECK_EQ(lat_memfd_map_peer(fd, sizeof(uint32_t), &peer), 0);
	struct sleeper s = { map, true, 1 };
	pthread_t thread;

	atomic_store_explicit(s.word, 7, memory_order_relaxed);
	CHECK_EQ(pthread_create(&thread, NULL, sleep_on_it, &s), 0);
	while (lat_futex_wake((_Atomic(uint32_t) *)(uintptr_t)peer, 1, true) == 0)
		sched_yield();
	pthread_join(thread, NULL);
	CHECK_EQ(s.rc, 0);
	lat_memfd_unmap(map, sizeof(uint32_t));
	lat_memfd_unmap(peer, sizeof(uint32_t));
	close(fd);
}

static void *sleep_with_bits(void *arg)
{
	struct sleeper *s = arg;

	s->rc = lat_futex_wait_bits(s->word, 7, 2, UINT64_MAX, s->shared);
	return NULL;
}

TEST(bits_choose_who_is_woken)
{
	_Atomic(uint32_t) word = 7;
	struct sleeper s = { &word, false, 1 };
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, sleep_with_bits, &s), 0);
	do { /* asleep or not yet: other bits wake nobody */
		CHECK_EQ(lat_futex_wake_bits(&word, INT_MAX, ~2u, false), 0);
		sched_yield();
	} while (lat_futex_wake_bits(&word, INT_MAX, 2 | 4, false) == 0);
	pthread_join(thread, NULL);
	CHECK_EQ(s.rc, 0);
	CHECK_EQ(lat_futex_wait_bits(&word, 7, 0, UINT64_MAX, false), -EINVAL);
}

static void ignore(int signal)
{
	(void)signal;
}

static _Atomic(bool) woke;

static void *sleep_until_signal(void *arg)
{
	sleep_on_it(arg);
	atomic_store_explicit(&woke, true, memory_order_release);
	return NULL;
}

TEST(a_signal_is_told)
{
	_Atomic(uint32_t) word = 7;
	struct sleeper s = { &word, false, 1 };
	struct sigaction act = { .sa_handler = ignore }, was;
	pthread_t thread;

	CHECK_EQ(sigaction(SIGUSR1, &act, &was), 0);
	CHECK_EQ(pthread_create(&thread, NULL, sleep_until_signal, &s), 0);
	while (!atomic_load_explicit(&woke, memory_order_acquire)) {
		pthread_kill(thread, SIGUSR1);
		sched_yield();
	}
	pthread_join(thread, NULL);
	CHECK_EQ(s.rc, -EINTR);
	CHECK_EQ(sigaction(SIGUSR1, &was, NULL), 0);
}

/* --- several words ------------------------------------------------------------------------------ */

TEST(any_of_several_words)
{
	_Atomic(uint32_t) words[3] = { 1, 2, 3 };
	static const struct {
		const char *why;
		uint32_t expected[3];
		int want;
	} rows[] = {
		{ "all as expected", { 1, 2, 3 }, -ETIMEDOUT },
		{ "the first differs", { 9, 2, 3 }, 0 },
		{ "the last differs", { 1, 2, 9 }, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_futex_word any[3];

		for (size_t n = 0; n < ARRAY_LEN(any); n++)
			any[n] = (struct lat_futex_word){ &words[n], rows[i].expected[n], n == 1 };
		CHECK_EQ_ROW(rows[i].why,
			     lat_futex_wait_any(any, ARRAY_LEN(any),
						lat_clock_monotonic_ns() + (uint64_t)LAT_NS_PER_MS),
			     rows[i].want);
	}
}

static void *sleep_on_several(void *arg)
{
	_Atomic(uint32_t) *words = arg;
	struct lat_futex_word any[] = { { &words[0], 7, false }, { &words[1], 7, true } };

	return lat_futex_wait_any(any, ARRAY_LEN(any), UINT64_MAX) == 0 ? NULL : arg;
}

TEST(each_of_several_words_wakes)
{
	for (size_t by = 0; by < 2; by++) {
		_Atomic(uint32_t) words[2] = { 7, 7 };
		pthread_t thread;
		void *verdict;

		CHECK_EQ(pthread_create(&thread, NULL, sleep_on_several, words), 0);
		while (lat_futex_wake(&words[by], 1, by == 1) == 0) /* not asleep yet */
			(void)sched_yield();
		CHECK_EQ(pthread_join(thread, &verdict), 0);
		CHECK(verdict == NULL);
	}
}

TEST_MAIN

/*
 * Sleeping on a 32-bit word. The word only decides whether to sleep: what was published is read, with its own
 * acquire, after the wait returned.
 */
#ifndef LAT_OS_FUTEX_H
#define LAT_OS_FUTEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Sleeps while *word == expected, at most until @deadline_ns of CLOCK_MONOTONIC (UINT64_MAX: no limit).
 * @shared: the word lies in memory shared between processes.
 * 0 when woken or *word differed (and, rarely, for no reason: look again), -ETIMEDOUT, -EINTR (a signal came).
 */
int lat_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, uint64_t deadline_ns, bool shared);

/*
 * Wakes at most @count sleepers (INT_MAX: all). How many were woken; -EFAULT: the word is not mapped. A read-only
 * mapping is enough when @shared.
 */
int lat_futex_wake(_Atomic(uint32_t) *word, int count, bool shared);

/*
 * The same, among sleepers that gave @bits (not 0): a waker reaches only those whose bits meet its own. A word that many
 * wait on, each for a value of its own, then wakes the one whose turn it is.
 */
int lat_futex_wait_bits(_Atomic(uint32_t) *word, uint32_t expected, uint32_t bits, uint64_t deadline_ns,
			bool shared);
int lat_futex_wake_bits(_Atomic(uint32_t) *word, int count, uint32_t bits, bool shared);

enum { LAT_FUTEX_WORDS_MAX = 128 };

/* One of several words to sleep on. A read-only mapping is enough. */
struct lat_futex_word {
	const _Atomic(uint32_t) *word;
	uint32_t expected;
	bool shared;
};

/*
 * Sleeps while each of @count words (1 to LAT_FUTEX_WORDS_MAX) has the value expected of it, at most until @deadline_ns.
 * 0 when one was woken or differed (look again), -ETIMEDOUT, -EINTR, -ENOMEM.
 */
int lat_futex_wait_any(const struct lat_futex_word *words, size_t count, uint64_t deadline_ns);

#endif

/*
 * futex(2) and futex_waitv(2). WAIT_BITSET, because its deadline is absolute: a signal or a lost race costs no recomputation.
 */
#include "os/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / (uint64_t)LAT_NS_PER_S),
				  .tv_nsec = (long)(ns % (uint64_t)LAT_NS_PER_S) };
}

int lat_futex_wait_bits(_Atomic(uint32_t) *word, uint32_t expected, uint32_t bits, uint64_t deadline_ns,
			bool shared)
{
	int op = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
	struct timespec ts = timespec_of(deadline_ns);

	if (syscall(SYS_futex, word, op, expected, deadline_ns == UINT64_MAX ? NULL : &ts, NULL, bits) == 0)
		return 0;
	return errno == EAGAIN ? 0 : -errno;
}

int lat_futex_wake_bits(_Atomic(uint32_t) *word, int count, uint32_t bits, bool shared)
{
	int op = FUTEX_WAKE_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
	long woken = syscall(SYS_futex, word, op, count, NULL, NULL, bits);

	return woken < 0 ? -errno : (int)woken;
}

int lat_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, uint64_t deadline_ns, bool shared)
{
	return lat_futex_wait_bits(word, expected, FUTEX_BITSET_MATCH_ANY, deadline_ns, shared);
}

int lat_futex_wake(_Atomic(uint32_t) *word, int count, bool shared)
{
	return lat_futex_wake_bits(word, count, FUTEX_BITSET_MATCH_ANY, shared);
}

int lat_futex_wait_any(const struct lat_futex_word *words, size_t count, uint64_t deadline_ns)
{
	struct futex_waitv waiters[LAT_FUTEX_WORDS_MAX];
	struct timespec ts = timespec_of(deadline_ns);

	LAT_ASSERT(count >= 1 && count <= LAT_FUTEX_WORDS_MAX);
	for (size_t i = 0; i < count; i++)
		waiters[i] = (struct futex_waitv){
			.uaddr = (uintptr_t)words[i].word,
			.val = words[i].expected,
			.flags = FUTEX_32 | (words[i].shared ? 0 : FUTEX_PRIVATE_FLAG),
		};
	if (syscall(SYS_futex_waitv, waiters, count, 0, deadline_ns == UINT64_MAX ? NULL : &ts,
		    CLOCK_MONOTONIC) >= 0)
		return 0;
	return errno == EAGAIN ? 0 : -errno;
}

/* futex(2). WAIT_BITSET, because its deadline is absolute: a signal or a lost race costs no recomputation. */
#include "os/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

int lat_futex_wait_bits(_Atomic(uint32_t) *word, uint32_t expected, uint32_t bits, uint64_t deadline_ns,
			bool shared)
{
	int op = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
	struct timespec ts = { .tv_sec = (time_t)(deadline_ns / (uint64_t)LAT_NS_PER_S),
			       .tv_nsec = (long)(deadline_ns % (uint64_t)LAT_NS_PER_S) };

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

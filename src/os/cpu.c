/* The kernel keeps the number in each thread's rseq area, which the C library registers where both can. */
#include "os/cpu.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

static uint32_t processors;

static void count_them(void)
{
	cpu_set_t set;

	processors = sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

uint32_t lat_cpu_count(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, count_them);
	return processors;
}

uint32_t lat_cpu_now(void)
{
#ifdef RSEQ_SIG
	if (__rseq_size > 0) {
		const volatile struct rseq *r =
			(const struct rseq *)((const char *)__builtin_thread_pointer() + __rseq_offset);
		int32_t cpu = (int32_t)r->cpu_id;

		if (cpu >= 0)
			return (uint32_t)cpu + 1;
	}
#endif
	return LAT_CPU_UNKNOWN;
}

int lat_cpu_bind(uint32_t cpu)
{
	cpu_set_t set;

	if (cpu == LAT_CPU_UNKNOWN || cpu > CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu - 1, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}

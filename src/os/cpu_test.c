/* The number is the one that the kernel says. */
#include "os/cpu.h"

#include <errno.h>
#include <sched.h>

#include "base/test.h"

TEST(which_one)
{
	cpu_set_t before;

	CHECK_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
	CHECK_EQ(lat_cpu_count(), CPU_COUNT(&before));
	if (lat_cpu_now() == LAT_CPU_UNKNOWN)
		TEST_SKIP("rseq");
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &before))
			continue;
		CHECK_EQ(lat_cpu_bind(cpu + 1), 0);
		CHECK_EQ(sched_getcpu(), cpu);
		CHECK_EQ(lat_cpu_now(), cpu + 1);
	}
	CHECK_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

TEST(where_it_may_not_run)
{
	CHECK_EQ(lat_cpu_bind(LAT_CPU_UNKNOWN), -EINVAL);
	CHECK_EQ(lat_cpu_bind(CPU_SETSIZE + 1), -EINVAL);
	CHECK_EQ(lat_cpu_bind(CPU_SETSIZE), -EINVAL); /* nobody has so many */
}

TEST_MAIN

/* Machines in hwloc's words, and this one. */
#include <errno.h>
#include <unistd.h>

#include "base/test.h"
#include "os/topology.h"

TEST(synthetic_machines)
{
	static const struct {
		const char *why, *machine;
		int want;
		struct lat_topology got;
	} rows[] = {
		{ "one core",
		  "pack:1 l3:1(size=8388608) l2:1(size=524288) l1d:1(size=32768) core:1 pu:1",
		  0,
		  { 1, 1, 1, 1, { { 32768, 1 }, { 524288, 1 }, { 8388608, 1 } } } },
		{ "two sockets of four cores, two threads each",
		  "pack:2 l3:1(size=16777216) l2:4(size=1048576) l1d:1(size=32768) core:1 pu:2",
		  0,
		  { 16, 8, 2, 1, { { 32768, 1 }, { 1048576, 1 }, { 16777216, 4 } } } },
		{ "four NUMA nodes",
		  "pack:4 [numa] l3:1(size=16777216) l2:4(size=1048576) l1d:1(size=32768) core:1 pu:1",
		  0,
		  { 16, 16, 4, 4, { { 32768, 1 }, { 1048576, 1 }, { 16777216, 4 } } } },
		{ "a level-2 cache for two cores, no level 3",
		  "pack:1 l2:2(size=2097152) core:2 pu:1",
		  0,
		  { 4, 4, 1, 1, { { 0, 0 }, { 2097152, 2 }, { 0, 0 } } } },
		{ "nothing but processors", "pu:2", 0, { 2, 0, 0, 1, { { 0, 0 } } } },
		{ "no machine", "nonsense", -EINVAL, { 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_topology got = { 0 };
		const struct lat_topology *want = &rows[i].got;

		CHECK_EQ_ROW(rows[i].why, lat_topology_read(&got, rows[i].machine), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, got.cpus, want->cpus);
		CHECK_EQ_ROW(rows[i].why, got.cores, want->cores);
		CHECK_EQ_ROW(rows[i].why, got.sockets, want->sockets);
		CHECK_EQ_ROW(rows[i].why, got.memories, want->memories);
		for (size_t level = 0; level < LAT_CACHE_LEVELS; level++) {
			CHECK_EQ_ROW(rows[i].why, got.cache[level].bytes, want->cache[level].bytes);
			CHECK_EQ_ROW(rows[i].why, got.cache[level].cores, want->cache[level].cores);
		}
	}
}

TEST(this_machine)
{
	struct lat_topology got;

	CHECK_EQ(lat_topology_read(&got, NULL), 0);
	CHECK(got.cpus >= 1);
	CHECK(got.cpus <= (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
}

TEST_MAIN

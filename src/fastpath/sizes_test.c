/* Sizes of tiers on machines of several kinds. */
#include "base/test.h"
#include "fastpath/sizes.h"

TEST(machines)
{
	static const struct {
		const char *why, *machine;
		uint32_t l2_bytes, l3_bytes;
	} rows[] = {
		{ "one core", "pack:1 l3:1(size=8388608) l2:1(size=524288) l1d:1(size=32768) core:1 pu:1",
		  128 << 10, 4 << 20 },
		{ "two sockets of four cores: a core has its share",
		  "pack:2 l3:1(size=16777216) l2:4(size=1048576) l1d:1(size=32768) core:1 pu:2", 256 << 10,
		  2 << 20 },
		{ "four NUMA nodes", "pack:4 [numa] l3:1(size=16777216) l2:4(size=1048576) core:1 pu:1",
		  256 << 10, 2 << 20 },
		{ "a level-2 cache for two, no level 3", "pack:1 l2:2(size=2097152) core:2 pu:1", 256 << 10,
		  LAT_SIZES_L3_DEFAULT },
		{ "huge caches", "pack:1 l3:1(size=1073741824) l2:1(size=67108864) core:1 pu:1",
		  LAT_SIZES_L2_MAX, LAT_SIZES_L3_MAX },
		{ "tiny ones", "pack:1 l3:1(size=65536) l2:1(size=16384) core:1 pu:1", LAT_SIZES_L2_MIN,
		  LAT_SIZES_L3_MIN },
		{ "sizes that are no powers of two",
		  "pack:1 l3:1(size=6291456) l2:1(size=1310720) core:1 pu:1", 256 << 10, 2 << 20 },
		{ "nothing known", "pu:2", LAT_SIZES_L2_DEFAULT, LAT_SIZES_L3_DEFAULT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_topology machine;
		struct lat_tiers_sizes got;

		CHECK_EQ_ROW(rows[i].why, lat_topology_read(&machine, rows[i].machine), 0);
		lat_sizes_of(&machine, &got);
		CHECK_EQ_ROW(rows[i].why, got.slots[LAT_TIER_L2] * LAT_RING_SLOT, rows[i].l2_bytes);
		CHECK_EQ_ROW(rows[i].why, got.slots[LAT_TIER_L3] * LAT_RING_SLOT, rows[i].l3_bytes);
		CHECK_EQ_ROW(rows[i].why, got.spill_bytes, LAT_SIZES_SPILL_BYTES);
	}
}

TEST(this_machine)
{
	struct lat_tiers_sizes got, again;

	lat_sizes_here(&got);
	CHECK(lat_tiers_slots_valid(got.slots[LAT_TIER_L2]) && got.slots[LAT_TIER_L2] != 0);
	CHECK(lat_tiers_slots_valid(got.slots[LAT_TIER_L3]) &&
	      got.slots[LAT_TIER_L3] > got.slots[LAT_TIER_L2]);
	lat_sizes_here(&again);
	CHECK_MEM(&got, &again, sizeof(got));
}

TEST_MAIN

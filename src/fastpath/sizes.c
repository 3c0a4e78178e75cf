/* From the machine's caches to the sizes of tiers. */
#include <pthread.h>

#include "fastpath/sizes.h"

static struct lat_tiers_sizes here;

/* Slots of the largest ring of at most @bytes, a power of two of them. 0 bytes: @otherwise. */
static uint32_t slots_of(uint64_t bytes, uint64_t least, uint64_t most, uint64_t otherwise)
{
	uint64_t ring = least;

	if (bytes == 0)
		bytes = otherwise;
	while (ring * 2 <= bytes && ring * 2 <= most)
		ring *= 2;
	return (uint32_t)(ring / LAT_RING_SLOT);
}

static uint64_t share(const struct lat_cache *cache)
{
	return cache->cores == 0 ? 0 : cache->bytes / cache->cores;
}

void lat_sizes_of(const struct lat_topology *machine, struct lat_tiers_sizes *out)
{
	*out = (struct lat_tiers_sizes){
		.slots = { [LAT_TIER_L2] = slots_of(share(&machine->cache[1]) / 4, LAT_SIZES_L2_MIN,
						    LAT_SIZES_L2_MAX, LAT_SIZES_L2_DEFAULT),
			   [LAT_TIER_L3] = slots_of(share(&machine->cache[2]) / 2, LAT_SIZES_L3_MIN,
						    LAT_SIZES_L3_MAX, LAT_SIZES_L3_DEFAULT) },
		.spill_bytes = LAT_SIZES_SPILL_BYTES,
	};
}

static void read_here(void)
{
	struct lat_topology machine;

	if (lat_topology_read(&machine, NULL) < 0)
		machine = (struct lat_topology){ 0 };
	lat_sizes_of(&machine, &here);
}

void lat_sizes_here(struct lat_tiers_sizes *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, read_here);
	*out = here;
}

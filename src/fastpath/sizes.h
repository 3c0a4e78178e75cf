/* How big the tiers of a channel are on this machine. */
#ifndef LAT_FASTPATH_SIZES_H
#define LAT_FASTPATH_SIZES_H

#include <stdint.h>

#include "fastpath/tiers.h"
#include "os/topology.h"

/* Bytes of L2 and L3 at the least, at the most, and where nothing is known of the machine. */
enum {
	LAT_SIZES_L2_MIN = 64 << 10,
	LAT_SIZES_L2_MAX = 512 << 10,
	LAT_SIZES_L2_DEFAULT = 128 << 10,
	LAT_SIZES_L3_MIN = 512 << 10,
	LAT_SIZES_L3_MAX = 4 << 20,
	LAT_SIZES_L3_DEFAULT = 1 << 20,
};
#define LAT_SIZES_SPILL_BYTES (UINT64_C(64) << 20) /* a channel's limit of memory in blocks */

/*
 * L2: a quarter of a core's level-2 cache, so that what else the two ends work with stays there too. L3: half of a core's share of
 * the last-level cache. Both a power of two, within their limits.
 */
void lat_sizes_of(const struct lat_topology *machine, struct lat_tiers_sizes *out);

/* For the machine this runs on. Reads it at the first call. Any thread. */
void lat_sizes_here(struct lat_tiers_sizes *out);

#endif

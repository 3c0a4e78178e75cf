/* What the machine is made of: its processors and their caches, as hwloc tells. */
#ifndef LAT_OS_TOPOLOGY_H
#define LAT_OS_TOPOLOGY_H

#include <stdint.h>

#include "base/util.h"

enum { LAT_CACHE_LEVELS = 3 };

/* 0 where it is not known. */
struct lat_topology {
	uint32_t cpus, cores, sockets, memories; /* memories: NUMA nodes */
	struct lat_cache {
		uint64_t bytes;    /* of one such cache */
		uint32_t cores;    /* that share it */
	} cache[LAT_CACHE_LEVELS]; /* [0]: level 1, for data */
};

/*
 * Reads it, a millisecond or so. @synthetic: a machine in hwloc's words, for tests; NULL: this one. 0, -ENODATA (there is
 * nothing to be read), -EINVAL (no such machine), -ENOMEM.
 */
LAT_MUST_CHECK int lat_topology_read(struct lat_topology *out, const char *synthetic);

#endif

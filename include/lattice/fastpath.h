/*
 * What is under a channel to a pid of this machine: its tiers. A message goes into the nearest that fits it and has room: L1, a ring
 * of 64 cache lines; L2 and L3, bigger rings, sized by the machine's caches and made when they are needed; and blocks of a spill
 * region. The order of messages does not depend on it.
 */
#ifndef LATTICE_FASTPATH_H
#define LATTICE_FASTPATH_H

#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lattice_channel;

enum lattice_tier {
	LATTICE_TIER_L1 = 0,
	LATTICE_TIER_L2 = 1,
	LATTICE_TIER_L3 = 2,
	LATTICE_TIER_SPILL = 3,
	LATTICE_TIERS = 4
};

/* Of one tier of a channel. Live. */
struct lattice_tier_stats {
	uint64_t hits;       /* messages that it took */
	uint64_t spills;     /* messages that fit it, but found no room, and went further on */
	uint64_t used_bytes; /* taken up now */
	uint64_t bytes;      /* its size; 0 while it is not made */
};

/**
 * Reads the counters of a channel's tiers; lattice_node_stats() has the sums of all channels. May be called at any time, and disturbs
 * nobody: each number is right for some moment, and all together once the channel is quiet.
 *
 * @param out  of LATTICE_TIERS
 *
 * Threads: any.
 * @return 0, -EINVAL, -EOPNOTSUPP (a channel to another node has no tiers), -ESHUTDOWN (the node was closed)
 */
LATTICE_API LATTICE_MUST_USE int lattice_fastpath_stats(const struct lattice_channel *ch,
							struct lattice_tier_stats out[LATTICE_TIERS]);

/* Memory of the caller's. */
struct lattice_message_region {
	int memfd;       /* of memfd_create(2), with MFD_ALLOW_SEALING */
	uint64_t offset; /* of whole pages */
	uint64_t bytes;  /* of whole pages, at most 4 GiB */
};

/**
 * Makes a channel put its blocks into memory of the caller's in place of its own: huge pages, for example, or memory that a
 * device writes to. What is lent by lattice_channel_loan() then lies there, from the region's beginning up, and a region may be longer than the
 * 64 MiB that a channel has by itself.
 *
 * The library maps the region, and seals the memfd against being shortened; the descriptor stays the caller's and may be
 * closed. One region serves one channel at a time. It is unmapped when the channel is closed and everything in it was received and released.
 *
 * @param ch      a channel to a pid of this process that has sent or lent nothing in a block yet
 * @param region  copied
 *
 * Threads: any.
 * @return 0, or
 *   -EINVAL      no whole pages, longer than 4 GiB or shorter than the channel's longest message, or past the end of the memfd
 *   -EBUSY       the channel has blocks in use, or another region
 *   -EPERM       not a memfd, or sealed against being sealed
 *   -EACCES      the descriptor is not open for reading and writing
 *   -EBADF       not a descriptor
 *   -EOPNOTSUPP  a channel to another process or node
 *   -ENOMEM      address space, or the process's limit of mappings
 *   -ESHUTDOWN   the node was closed
 */
LATTICE_API LATTICE_MUST_USE int lattice_fastpath_set_message_region(
	struct lattice_channel *ch, const struct lattice_message_region *region);

#ifdef __cplusplus
}
#endif

#endif

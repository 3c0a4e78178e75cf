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

/*
 * The nine conditions under which a message, or a call, is handed off: put into the hands of a task of the same thread that waits for it,
 * and that runs at once.
 */
enum lattice_condition {
	LATTICE_P1_NO_CAPABILITY = 0, /* none travels in the message */
	LATTICE_P2_FITS = 1,          /* it has at most 48 bytes, and the receiver's buffer takes it */
	LATTICE_P3_HEALTHY = 2,       /* the channel is open at both ends */
	LATTICE_P4_RIGHT = 3,         /* the capability is for this, and current */
	LATTICE_P5_WAITING = 4,       /* a receiver waits there */
	LATTICE_P6_PRIORITY = 5,      /* its priority is not lower than the sender's */
	LATTICE_P7_DOMAIN = 6,        /* the sender is a task, or a flow that can be switched from */
	LATTICE_P8_FIRST = 7,         /* nothing is queued before it */
	LATTICE_P9_SCHEDULER = 8,     /* sender and receiver are of one scheduler */
	LATTICE_CONDITIONS = 9
};

/* Of a channel. Live. */
struct lattice_handoff_stats {
	uint64_t handed;                      /* messages and calls that were handed off */
	uint64_t refused[LATTICE_CONDITIONS]; /* that were not, by the first condition that did not hold */
};

/**
 * Hands a message off, if all nine conditions hold: it is received before this call returns. lattice_channel_send() does the same first, and
 * otherwise queues the message.
 *
 * Threads: as lattice_channel_send().
 * @return 0, or
 *   -EAGAIN      a condition does not hold: nothing was sent. lattice_explain() says which
 *   -EOPNOTSUPP  a channel to another process or node
 *   -EINVAL, -ESHUTDOWN  as lattice_channel_send()
 */
LATTICE_API LATTICE_MUST_USE int lattice_fastpath_execute(struct lattice_channel *ch,
							  const struct lattice_msg *msg);

/**
 * Reads a channel's counters of hand-offs; lattice_node_stats() has the sums of all channels. Any time, any thread.
 * @return 0, -EINVAL, -EOPNOTSUPP (a channel to another process or node), -ESHUTDOWN (the node was closed)
 */
LATTICE_API LATTICE_MUST_USE int lattice_fastpath_handoffs(const struct lattice_channel *ch,
							   struct lattice_handoff_stats *out);

/* Why a message was not handed off when @condition did not hold, as part of a sentence; "" for a number that is none. */
LATTICE_API const char *lattice_condition_text(int condition);

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

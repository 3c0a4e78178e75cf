/*
 * One channel's ring: one producer, one consumer, cache-line slots that carry the message inline and its number in the
 * same line. A message takes as many consecutive slots as it needs; the first carries its header and is published last.
 *
 * Laid out for two processes: the producer's segment (slots) is written by the producer only, the consumer's segment (head)
 * by the consumer only, and each may be mapped read-only by the other (LOCAL 2, 4, 7). Pointer-free and versioned.
 */
#ifndef LAT_FASTPATH_RING_H
#define LAT_FASTPATH_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum {
	LAT_RING_VERSION = 1,
	LAT_RING_SLOT = 64,
	LAT_RING_FIRST_DATA = 48, /* message bytes in the first slot */
	LAT_RING_NEXT_DATA = 60, /* and in each that follows */
	LAT_RING_SLOTS_MIN = 8,
	LAT_RING_SLOTS_MAX = 1 << 20,
};

/* What travels with the bytes. */
struct lat_ring_msg {
	int32_t type;
	uint32_t seq; /* low 32 bits of the channel's message number */
	uint32_t len;
};

struct lat_ring_tx; /* producer's private end */
struct lat_ring_rx; /* consumer's private end */

#endif

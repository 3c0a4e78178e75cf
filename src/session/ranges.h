/*
 * Which counters of one (session, channel, direction) have arrived, for the ACK frame that says so
 * (PROTOCOL section 5). At most LAT_MAX_RANGES ranges are remembered; the oldest is forgotten first, its
 * packets will be sent again. When an ACK is due is the caller's policy: this file only counts what it
 * needs.
 */
#ifndef LAT_SESSION_RANGES_H
#define LAT_SESSION_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/control.h"
#include "wire/limits.h"

struct lat_ranges {
	struct lat_range range[LAT_MAX_RANGES]; /* falling, disjoint, never adjacent; [0] holds the largest */
	uint32_t count;
	uint32_t eliciting;       /* ack-eliciting packets since the last lat_ranges_sent() */
	uint64_t eliciting_bytes; /* and their bytes */
	uint64_t eliciting_all;   /* ack-eliciting packets ever */
	uint64_t first_ns;        /* when the first of `eliciting` arrived; void while eliciting is 0 */
	uint64_t largest_ns;      /* when the largest counter arrived */
	uint64_t floor;           /* counters below are no longer spoken of */
	bool gap; /* since the last lat_ranges_sent() a counter was skipped or a hole was filled */
};

void lat_ranges_init(struct lat_ranges *r);

/*
 * A packet has opened. @bytes: its length. Returns true when the counter was not remembered yet (after the
 * replay window it never is, unless forgotten).
 */
bool lat_ranges_add(struct lat_ranges *r, uint64_t counter, uint64_t now, size_t bytes, bool eliciting);

/* Is there anything ack-eliciting that no ACK has spoken of? */
static inline bool lat_ranges_pending(const struct lat_ranges *r)
{
	return r->eliciting != 0;
}

/*
 * Fills an ACK of what has arrived, largest first. delay_us: how long ago the largest arrived. The caller
 * may lower ack->count (never below 1) where room is short. 0, or -ENOENT: nothing has arrived.
 */
LAT_MUST_CHECK int lat_ranges_ack(const struct lat_ranges *r, uint16_t chan, uint64_t now,
				  struct lat_frame_ack *ack);

/* The ACK is in a packet: starts counting anew. */
void lat_ranges_sent(struct lat_ranges *r);

/*
 * The peer has acknowledged one of our ACKs, whose largest counter was below @floor: what lies below need
 * not be said again. Counters below the floor are still taken by add, which then returns false and still
 * counts ack-eliciting.
 */
void lat_ranges_forget_below(struct lat_ranges *r, uint64_t floor);

#endif

/*
 * The replay window of one (session, channel, direction): RFC 6479's ring of words (PROTOCOL section 5).
 * Looking and marking are two calls because a packet may change nothing before its tag has verified.
 */
#ifndef LAT_SESSION_REPLAY_H
#define LAT_SESSION_REPLAY_H

#include <stdint.h>

#include "base/util.h"
#include "wire/limits.h"

enum { LAT_REPLAY_WORDS = LAT_WINDOW_RING_BITS / 64 };

struct lat_replay {
	uint64_t next; /* the highest counter marked + 1; 0: none yet */
	uint64_t ring[LAT_REPLAY_WORDS];
};

void lat_replay_init(struct lat_replay *w);

/*
 * May a packet with this counter be opened? Reads only.
 * 0, or
 *   -EALREADY   marked before
 *   -ESTALE     LAT_WINDOW_USABLE or more below the highest marked
 *   -EOVERFLOW  at or over LAT_REJECT_AFTER_PACKETS
 */
LAT_MUST_CHECK int lat_replay_check(const struct lat_replay *w, uint64_t counter);

/* Marks a counter for which check said 0 and whose packet has opened since, with no other mark in between. */
void lat_replay_mark(struct lat_replay *w, uint64_t counter);

#endif

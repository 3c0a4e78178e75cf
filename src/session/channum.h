/*
 * Channel numbers that we give out: 1..65535, one at a time per channel, and a number that was given back rests for
 * LAT_CHAN_REUSE_NS so that no packet of its old life can meet a key of its new one (PROTOCOL 6.2).
 */
#ifndef LAT_SESSION_CHANNUM_H
#define LAT_SESSION_CHANNUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct lat_channum_rest {
	uint64_t until_ns;
	uint16_t num;
};

struct lat_channum {
	uint64_t *taken; /* bitmap: in use or at rest; NULL until the first */
	uint16_t last;
	struct lat_channum_rest *rest; /* ring, oldest first */
	size_t rest_head, rest_count, rest_cap;
};

void lat_channum_fini(struct lat_channum *n);
/* A number, or -ENOBUFS (all in use or at rest), -ENOMEM. */
LAT_MUST_CHECK int lat_channum_get(struct lat_channum *n, uint64_t now);
/* Gives it back. Without memory to note the time, it is never used again. */
void lat_channum_put(struct lat_channum *n, uint64_t now, uint16_t num);

#endif

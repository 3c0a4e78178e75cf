/*
 * The open calls of one channel, at either end: by their numbers, which rise by one from call to call, so that no number is ever
 * used twice. What is not in the table is over, or never was.
 */
#ifndef LAT_SESSION_OPENCALLS_H
#define LAT_SESSION_OPENCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum { LAT_OPENCALLS_MAX = 1024 }; /* of a channel */

struct lat_opencall {
	uint64_t id;
	uint64_t deadline_ns; /* where it is answered: no later; UINT64_MAX: none */
	void *user;           /* where it was made */
};

struct lat_opencalls { /* all zero: none */
	struct lat_opencall *at;
	uint32_t count, cap;
	uint64_t last; /* number of the last one added */
};

void lat_opencalls_fini(struct lat_opencalls *t);
/* Room for one more. 0, -ENOBUFS: there are LAT_OPENCALLS_MAX, -ENOMEM. */
LAT_MUST_CHECK int lat_opencalls_reserve(struct lat_opencalls *t);
/* After lat_opencalls_reserve(). Its number is one more than the last. */
uint64_t lat_opencalls_add(struct lat_opencalls *t, uint64_t deadline_ns, void *user);
/* NULL: it is not open. */
struct lat_opencall *lat_opencalls_find(const struct lat_opencalls *t, uint64_t id);
void lat_opencalls_remove(struct lat_opencalls *t, struct lat_opencall *call);

#endif

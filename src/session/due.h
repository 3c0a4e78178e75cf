/* A heap of deadlines: which of many things is due first. The entries live in what they belong to. */
#ifndef LAT_SESSION_DUE_H
#define LAT_SESSION_DUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct lat_due {
	uint64_t at_ns; /* UINT64_MAX: never */
	size_t pos;     /* in the heap, from 1; 0: not in it */
	void *what;
};

struct lat_dues {
	struct lat_due **heap; /* [1..count] */
	size_t count, cap;
};

void lat_dues_fini(struct lat_dues *d);
/* Puts the entry in, at UINT64_MAX. 0, or -ENOMEM. */
LAT_MUST_CHECK int lat_dues_add(struct lat_dues *d, struct lat_due *entry, void *what);
void lat_dues_remove(struct lat_dues *d, struct lat_due *entry);
void lat_dues_set(struct lat_dues *d, struct lat_due *entry, uint64_t at_ns);
/* The earliest; NULL: none. */
struct lat_due *lat_dues_first(const struct lat_dues *d);

#endif

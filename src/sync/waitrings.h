/* The rings of waits that were refused lately in this process, to be shown. Any thread; the lock is innermost. */
#ifndef LAT_SYNC_WAITRINGS_H
#define LAT_SYNC_WAITRINGS_H

#include <stddef.h>
#include <stdint.h>

#include "sync/waitgraph.h"

enum {
	LAT_WAITRINGS_KEPT = 16
}; /* different ones; of more, the one that was refused longest ago is forgotten */

struct lat_waitring {
	struct lat_wait_path path;
	uint64_t times; /* that it was refused */
};

/* A wait that would have closed @path was refused. */
void lat_waitrings_put(const struct lat_wait_path *path);
/* Those that are kept, the one refused last first, @max at most. How many. */
size_t lat_waitrings_list(struct lat_waitring *out, size_t max);

#endif

/*
 * The table of a node's open channels: by handle, and by who sends to whom. Bounded. Pids come from peers
 * too, so the second key is hashed under a random key of the table's.
 *
 * Threads: the caller lets one call in at a time.
 */
#ifndef LAT_GRAPH_CHANNELS_H
#define LAT_GRAPH_CHANNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum { LAT_CHANNELS_DEFAULT = 65536 };

struct lat_channels;

struct lat_channels_key {
	int32_t src, dst; /* pids */
	uint32_t node;    /* the other node, 0 for this one */
};

/* 0, -ENOMEM. @max channels at a time, 0: LAT_CHANNELS_DEFAULT. */
LAT_MUST_CHECK int lat_channels_open(struct lat_channels **out, uint32_t max);
/* Forgets all entries; what they point to is the caller's. NULL is fine. */
void lat_channels_close(struct lat_channels *t);

/*
 * Inserts @channel (not NULL). *handle is its number: from 1, never used again in the table's life.
 * 0, -EEXIST (this src, dst and node have one), -ENOBUFS (the table's limit), -ENOMEM.
 */
LAT_MUST_CHECK int lat_channels_insert(struct lat_channels *t, const struct lat_channels_key *key,
				       void *channel, uint64_t *handle);

/* What was inserted, or NULL. */
void *lat_channels_find(const struct lat_channels *t, uint64_t handle);
void *lat_channels_find_key(const struct lat_channels *t, const struct lat_channels_key *key);

/* Removes; what was inserted, or NULL when there is no such handle. */
void *lat_channels_remove(struct lat_channels *t, uint64_t handle);

/*
 * Calls @fn for each in the order of insertion, until it returns other than 0 (which is returned). @fn may
 * remove the one it is called for.
 */
int lat_channels_each(struct lat_channels *t,
		      int (*fn)(void *ctx, uint64_t handle, const struct lat_channels_key *key,
				void *channel),
		      void *ctx);

uint32_t lat_channels_count(const struct lat_channels *t);

#endif

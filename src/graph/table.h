/*
 * uthash for this room: a table that cannot grow says so instead of ending the process, and keys of 64 bits
 * that we number ourselves are hashed by one multiplication. (Keys that peers choose bring a keyed hash of
 * their own.)
 *
 * An element has a member "unlisted", false at first, which is true after it could not be added.
 */
#ifndef LAT_GRAPH_TABLE_H
#define LAT_GRAPH_TABLE_H

#include <stdint.h>
#include <string.h>

static inline unsigned lat_table_hash_id(const void *key)
{
	uint64_t id;

	memcpy(&id, key, sizeof(id));
	return (unsigned)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

#define HASH_NONFATAL_OOM                      1
#define HASH_FUNCTION(keyptr_, keylen_, hash_) ((void)(keylen_), (hash_) = lat_table_hash_id(keyptr_))
#define uthash_nonfatal_oom(elt_)              ((elt_)->unlisted = true)

#include <uthash.h>

#endif

/*
 * Hash tables over uthash, by numbers of 32 or 64 bits that we give out or that our configuration names (keys that peers
 * choose bring a keyed hash of their own): one multiplication spreads consecutive numbers. A table that cannot grow
 * refuses the new entry, whose handle's tbl is NULL then; uthash's default would end the process.
 */
#ifndef LAT_BASE_TABLE_H
#define LAT_BASE_TABLE_H

#include <stdint.h>
#include <string.h>

static inline unsigned int lat_table_hash(const void *key, unsigned bytes)
{
	uint64_t k = 0;

	memcpy(&k, key, bytes < sizeof(k) ? bytes : sizeof(k));
	return (unsigned int)(k * UINT64_C(0x9e3779b97f4a7c15) >> 32); /* 2^64 / golden ratio */
}

#define HASH_NONFATAL_OOM                      1
#define HASH_FUNCTION(keyptr_, keylen_, hash_) ((hash_) = lat_table_hash(keyptr_, (unsigned)(keylen_)))

#include <uthash.h>

#endif

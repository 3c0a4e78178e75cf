/*
 * Hash tables by u32, over uthash. A table that cannot grow refuses the new entry, whose hh.tbl is NULL then: uthash's default
 * would end the process. Keys are numbers that we give out or that our configuration names, never a peer's
 * choice, so the hash needs no key: one multiplication spreads consecutive numbers.
 */
#ifndef LAT_NET_TABLE_H
#define LAT_NET_TABLE_H

#include <stdint.h>
#include <string.h>

static inline unsigned int lat_table_hash(const void *key)
{
	uint32_t k;

	memcpy(&k, key, sizeof(k));
	k *= UINT32_C(0x9e3779b1); /* 2^32 / golden ratio */
	return k ^ k >> 16;        /* uthash takes the low bits */
}

#define HASH_NONFATAL_OOM                      1
#define HASH_FUNCTION(keyptr_, keylen_, hash_) ((void)(keylen_), (hash_) = lat_table_hash(keyptr_))

#include <uthash.h>

#endif

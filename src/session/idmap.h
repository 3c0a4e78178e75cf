/*
 * Numbers to pointers. idmap: any nonzero u32, open addressing with a secret multiplier, so that a peer who chooses
 * numbers cannot choose collisions. numtab: 1..65535, for channel numbers, in two levels of 256.
 */
#ifndef LAT_SESSION_IDMAP_H
#define LAT_SESSION_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct lat_idmap {
	uint64_t mul;  /* odd, secret */
	uint32_t *key; /* 0: free */
	void **value;
	uint32_t count, cap; /* cap: 0 or a power of two */
};

/* @random: 64 fresh random bits. Allocates nothing yet. */
void lat_idmap_init(struct lat_idmap *m, uint64_t random);
/* Frees the table, not what it points to. */
void lat_idmap_fini(struct lat_idmap *m);
/* NULL: not there. */
void *lat_idmap_get(const struct lat_idmap *m, uint32_t key);
/* Adds, or replaces the pointer. 0, or -ENOMEM with nothing changed. key is not 0, value not NULL. */
LAT_MUST_CHECK int lat_idmap_put(struct lat_idmap *m, uint32_t key, void *value);
/* Does nothing when it is not there. */
void lat_idmap_del(struct lat_idmap *m, uint32_t key);

struct lat_numtab {
	void **page[256];
	uint32_t count;
};

void lat_numtab_fini(struct lat_numtab *t);
void *lat_numtab_get(const struct lat_numtab *t, uint16_t num);
/* Adds, or replaces. 0, or -ENOMEM. value is not NULL. */
LAT_MUST_CHECK int lat_numtab_put(struct lat_numtab *t, uint16_t num, void *value);
void lat_numtab_del(struct lat_numtab *t, uint16_t num);

#endif

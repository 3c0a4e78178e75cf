/*
 * The key arena (LOCAL 13): every secret of a node lies in slots of LAT_ARENA_SLOT bytes in locked pages
 * between guard pages, kept out of core dumps (MADV_DONTDUMP) and zeroed in a forked child
 * (MADV_WIPEONFORK). A slot is zero when got and wiped when put.
 *
 * Threads: any, under a mutex of the arena's; a slot's bytes belong to whoever got it. Nothing here blocks for
 * long: growing costs a few system calls. A forked child may only close its copy.
 */
#ifndef LAT_OS_ARENA_H
#define LAT_OS_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

enum { LAT_ARENA_SLOT = 256 };

struct lat_arena;

struct lat_arena_stats {
	size_t slots_used, slots_max;
	bool locked; /* false: mlock was refused for some of it and the caller allowed that */
};

/*
 * Grows in chunks of 64 KiB, which stay until the arena is closed, up to @slots_max. 0, or with *out NULL:
 *   -EINVAL  slots_max is 0
 *   -ENOMEM  memory, or the process's limit of mappings
 *   -EPERM   mlock was refused (RLIMIT_MEMLOCK) and @allow_unlocked was false
 *   -ENOSYS  the kernel cannot keep memory out of dumps or children
 */
LAT_MUST_CHECK int lat_arena_open(struct lat_arena **out, size_t slots_max, bool allow_unlocked);
/* Wipes and unmaps everything, slots still in use too. NULL is fine. */
void lat_arena_close(struct lat_arena *a);
/*
 * One zeroed slot of LAT_ARENA_SLOT bytes, 64-byte aligned; NULL when @slots_max are in use, memory is short, or a
 * new chunk cannot be locked and must be.
 */
LAT_MUST_CHECK void *lat_arena_get(struct lat_arena *a);
/* Wipes and gives back. NULL is fine; anything else must have come from this arena's get, once. */
void lat_arena_put(struct lat_arena *a, void *slot);
/* The same for a secret that is longer than a slot: slots that follow each other. At most 64 KiB. */
LAT_MUST_CHECK void *lat_arena_get_long(struct lat_arena *a, size_t bytes);
void lat_arena_put_long(struct lat_arena *a, void *slots, size_t bytes);
void lat_arena_stats(struct lat_arena *a, struct lat_arena_stats *out);

#endif

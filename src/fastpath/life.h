/*
 * The life of the right that a channel was opened by (LOCAL 14): a word that the issuer's node writes, in memory that all who send or
 * receive may read, and the generation that lives. Both ends look at it with every message:
 *   [G] the word is changed, before revoking returns -> [g] a receiver loads it after it has copied a message out : that
 *       load decides. Whatever is received after that return, its slot's own edge or the caller's order puts the load after the change
 */
#ifndef LAT_FASTPATH_LIFE_H
#define LAT_FASTPATH_LIFE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct lat_life {
	const _Atomic(uint32_t) *word; /* of its slot; &lat_life_needed_none */
	uint32_t gen;
};

/* What a channel looks at that needs no right: it is 0, and so is the generation. */
extern const _Atomic(uint32_t) lat_life_needed_none;

/* One that is zeroed needs no right. */
static inline struct lat_life lat_life_or_none(struct lat_life life)
{
	return life.word != NULL ? life : (struct lat_life){ .word = &lat_life_needed_none };
}

#ifdef LAT_LIFE_UNCHECKED /* scripts/bench-revoke-cost only: to be compared with */
static inline bool lat_life_ended(const struct lat_life *life)
{
	(void)life;
	return false;
}
#else
static inline bool lat_life_ended(const struct lat_life *life)
{
	return LAT_UNLIKELY(atomic_load_explicit(life->word, memory_order_acquire) != life->gen); /* [g] */
}
#endif

#endif

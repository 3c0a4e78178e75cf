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

#ifdef LAT_LIFE_UNCHECKED /* scripts/bench-revoke-cost, to be compared with; and a fault that "make revoke-mutants" must notice */
static inline bool lat_life_ended(const struct lat_life *life)
{
	(void)life;
	return false;
}
#elif defined( \
	LAT_LIFE_STALE) /* another: what a thread has seen before it copied the message is what decides */
static inline bool lat_life_ended(const struct lat_life *life)
{
	static _Thread_local struct {
		struct lat_life of;
		bool ended;
	} seen[64];
	uint32_t at = (uint32_t)((uintptr_t)life->word / sizeof(*life->word)) % ARRAY_LEN(seen);
	bool now = atomic_load_explicit(life->word, memory_order_acquire) != life->gen, before = now;

	if (seen[at].of.word == life->word && seen[at].of.gen == life->gen)
		before = seen[at].ended;
	seen[at].of = *life;
	seen[at].ended = now;
	return before;
}
#else
static inline bool lat_life_ended(const struct lat_life *life)
{
	return LAT_UNLIKELY(atomic_load_explicit(life->word, memory_order_acquire) != life->gen); /* [g] */
}
#endif

#endif

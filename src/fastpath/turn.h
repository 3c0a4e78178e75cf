/*
 * Whose turn it is: the lock of what is mostly used by one thread, its owner. By default any thread may be the owner, and it is a
 * mutex. With `single` it is always the same thread, or others by agreement: its turns are two plain stores and a load, and whoever
 * else wants a turn pays for both with lat_membarrier().
 *
 *   [I] inside store; [o] wanted load           the owner's, plain
 *   [O] wanted store; lat_membarrier(); [i] inside load : either [o] sees the wish, or [i] sees it inside and waits
 *   [L] inside store 0, release -> [i] inside load, acquire : what the owner wrote in its turn is visible
 *   [E] wanted store 0, release -> [o] wanted load, acquire : the same, the other way round
 */
#ifndef LAT_FASTPATH_TURN_H
#define LAT_FASTPATH_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "os/membarrier.h"
#include "sync/mutex.h"

/* All zero is free, and not single. */
struct lat_turn {
	struct lat_mutex lock;
	_Atomic(uint32_t) inside; /* single: 1 while the owner has it */
	_Atomic(uint32_t) wanted; /* single: somebody else has it, or waits for it; the lock's */
	_Atomic(bool) single;
};

/* The rare half of lat_turn_begin(). */
void lat_turn_wait(struct lat_turn *t);

/*
 * Whether its owner is always the same thread. Called before there is one, or by it outside its turns. Has no effect where the kernel has
 * no membarrier.
 */
void lat_turn_set_single(struct lat_turn *t, bool single);

/* It does not change while somebody has the turn. */
static inline bool lat_turn_is_single(const struct lat_turn *t)
{
	return atomic_load_explicit(&t->single, memory_order_relaxed);
}

/* The owner's turn, where that is always the same thread. */
static inline void lat_turn_begin_single(struct lat_turn *t)
{
	atomic_store_explicit(&t->inside, 1, memory_order_relaxed); /* [I] */
	lat_membarrier_light();
	if (atomic_load_explicit(&t->wanted, memory_order_acquire) != 0) /* [o] */
		lat_turn_wait(t);
}

/* The same for who can do something else instead. false: somebody else wants a turn, and there is none. */
static inline __attribute__((always_inline)) bool lat_turn_try_single(struct lat_turn *t)
{
	atomic_store_explicit(&t->inside, 1, memory_order_relaxed); /* [I] */
	lat_membarrier_light();
	if (atomic_load_explicit(&t->wanted, memory_order_acquire) == 0) /* [o] */
		return true;
	atomic_store_explicit(&t->inside, 0, memory_order_release); /* [L] */
	return false;
}

static inline void lat_turn_end_single(struct lat_turn *t)
{
	atomic_store_explicit(&t->inside, 0, memory_order_release); /* [L]; t may be gone after it */
}

/* The owner's turn, where lat_turn_is_single() has said @single. */
static inline void lat_turn_begin_as(struct lat_turn *t, bool single)
{
	if (single)
		lat_turn_begin_single(t);
	else
		lat_mutex_lock(&t->lock);
}

static inline void lat_turn_end_as(struct lat_turn *t, bool single)
{
	if (single)
		lat_turn_end_single(t);
	else
		lat_mutex_unlock(&t->lock);
}

/* As lat_turn_try_single(). */
static inline bool lat_turn_try_as(struct lat_turn *t, bool single)
{
	return single ? lat_turn_try_single(t) : lat_mutex_trylock(&t->lock);
}

/* The owner's turn. */
static inline void lat_turn_begin(struct lat_turn *t)
{
	lat_turn_begin_as(t, lat_turn_is_single(t));
}

static inline void lat_turn_end(struct lat_turn *t)
{
	lat_turn_end_as(t, lat_turn_is_single(t));
}

/* In the owner's turn: somebody waits for it. A hint. */
static inline bool lat_turn_wanted(const struct lat_turn *t)
{
	return lat_mutex_wanted(&t->lock) || atomic_load_explicit(&t->wanted, memory_order_relaxed) != 0;
}

/* Anybody else's turn. It waits for the owner's to end, which are short. */
void lat_turn_take(struct lat_turn *t);
void lat_turn_give(struct lat_turn *t);

#endif

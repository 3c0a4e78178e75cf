/*
 * A lock in one word, for short sections of private memory: one exchange when nobody else wants it, and a sleep when
 * somebody does. Neither fair nor recursive; whoever knows what it guards may release it. Where a wrong release has to be
 * caught, or turns have to be kept, there is sync/qlock.h. All zero is free.
 *
 *   [U] word exchange, release -> [L] word exchange, acquire : what was written under the lock is visible
 */
#ifndef LAT_SYNC_MUTEX_H
#define LAT_SYNC_MUTEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lat_mutex {
	_Atomic(uint32_t) word; /* 0 free, 1 held, 2 held and somebody may sleep */
};

/* The rare halves of lock and unlock. */
void lat_mutex_wait(struct lat_mutex *m);
void lat_mutex_wake(struct lat_mutex *m);

static inline bool lat_mutex_trylock(struct lat_mutex *m)
{
	uint32_t free = 0;

	return atomic_compare_exchange_strong_explicit(&m->word, &free, 1, memory_order_acquire, /* [L] */
						       memory_order_relaxed);
}

static inline void lat_mutex_lock(struct lat_mutex *m)
{
	if (!lat_mutex_trylock(m))
		lat_mutex_wait(m);
}

static inline void lat_mutex_unlock(struct lat_mutex *m)
{
	if (atomic_exchange_explicit(&m->word, 0, memory_order_release) == 2) /* [U] */
		lat_mutex_wake(m);
}

/* Held by the caller: does somebody sleep for it? A hint. */
static inline bool lat_mutex_wanted(const struct lat_mutex *m)
{
	return atomic_load_explicit(&m->word, memory_order_relaxed) == 2;
}

#endif

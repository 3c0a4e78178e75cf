/* The rare halves of fastpath/turn.h. Who is not the owner holds the lock throughout, so it is one at a time. */
#include "fastpath/turn.h"

#include <sched.h>

#include "os/clock.h"
#include "os/futex.h"

enum { YIELDS_MAX = 64, NAP_NS = 100000 };

void lat_turn_set_single(struct lat_turn *t, bool single)
{
	lat_turn_take(t);
	single = single && lat_membarrier_works(LAT_MEMBARRIER_PROCESS);
	/* Nobody is the owner now, and who comes next reads it after our release of the lock, or is this thread. */
	atomic_store_explicit(&t->single, single, memory_order_relaxed);
	atomic_store_explicit(&t->wanted, 0, memory_order_release); /* [E] */
	lat_mutex_unlock(&t->lock);
}

void lat_turn_wait(struct lat_turn *t)
{
	do {
		lat_turn_end(t);
		lat_mutex_lock(&t->lock); /* until the other has had its turn */
		lat_mutex_unlock(&t->lock);
		atomic_store_explicit(&t->inside, 1, memory_order_relaxed); /* [I] */
		lat_membarrier_light();
	} while (atomic_load_explicit(&t->wanted, memory_order_acquire) != 0); /* [o] */
}

void lat_turn_take(struct lat_turn *t)
{
	lat_mutex_lock(&t->lock);
	if (!atomic_load_explicit(&t->single, memory_order_relaxed))
		return;
	atomic_store_explicit(&t->wanted, 1, memory_order_relaxed); /* [O] */
	lat_membarrier(LAT_MEMBARRIER_PROCESS);
	/* The owner does not say when it leaves: that would be one more access to memory that may be gone. */
	for (uint32_t looks = 0; atomic_load_explicit(&t->inside, memory_order_acquire) != 0;
	     looks++) { /* [i] */
		if (looks < YIELDS_MAX)
			(void)sched_yield();
		else /* it may have to wait for this thread's processor */
			(void)lat_futex_wait(&t->inside, 1, lat_clock_monotonic_ns() + NAP_NS, false);
	}
}

void lat_turn_give(struct lat_turn *t)
{
	if (atomic_load_explicit(&t->single, memory_order_relaxed))
		atomic_store_explicit(&t->wanted, 0, memory_order_release); /* [E] */
	lat_mutex_unlock(&t->lock);
}

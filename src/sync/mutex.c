/* Spins a little, because what it guards is short, then sleeps. A sleeper leaves the word at 2, so that an unlock wakes. */
#include "sync/mutex.h"

#include "base/cpu.h"
#include "os/futex.h"

enum { SPINS_MAX = 64 };

void lat_mutex_wait(struct lat_mutex *m)
{
	for (uint32_t spins = 0; spins < SPINS_MAX; spins++) {
		lat_cpu_relax();
		if (atomic_load_explicit(&m->word, memory_order_relaxed) == 0 && lat_mutex_trylock(m))
			return;
	}
	while (atomic_exchange_explicit(&m->word, 2, memory_order_acquire) != 0) /* [L] */
		(void)lat_futex_wait(&m->word, 2, UINT64_MAX, false);
}

void lat_mutex_wake(struct lat_mutex *m)
{
	(void)lat_futex_wake(&m->word, 1, false);
}

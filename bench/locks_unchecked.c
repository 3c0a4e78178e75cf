/*
 * The lock's own source, compiled once more under other names and without the orientation: what remains is a ticket lock that
 * knows its owner and depth. The difference to the real one is what the check costs.
 */
#include "locks.h"

#define lat_qlock_init       unchecked_init
#define lat_qlock_thread     unchecked_thread
#define lat_qlock_lock       unchecked_lock
#define lat_qlock_trylock    unchecked_trylock
#define lat_qlock_lock_until unchecked_lock_until
#define lat_qlock_unlock     unchecked_unlock
/* Declared again under those names, by the header that has been read already. */
void unchecked_init(struct lat_qlock *q, bool shared);
uint32_t unchecked_thread(void);
int unchecked_trylock(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold);
int unchecked_lock_until(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold,
			 uint64_t deadline_ns);

/* This one shares its name with a struct, which must keep it: the name of a call is what a parenthesis follows. */
#define lat_qlock_state(q, out) unchecked_state(q, out)
void unchecked_state(const struct lat_qlock *q, struct lat_qlock_state *out);

#define lat_quat_mul(a, b)    (a)
#define lat_quat_conjugate(a) (a)
#define lat_quat_equal(a, b)  ((void)(a), true)

#include "sync/qlock.c"

/*
 * The quaternion spinlock. A fair ticket lock (who comes first is served first) that spins briefly, then sleeps; knows
 * its owner and depth; and carries an orientation, a quaternion that every acquisition multiplies by a ticket of its own
 * and every release by that ticket's inverse. Matched and in order, the orientation comes back to the identity exactly;
 * anything else is refused at the release that is wrong, where both the counters and the orientation must agree.
 *
 * For private memory, or memory shared inside one trust domain: whoever can write these words can unlock (LOCAL 6). A
 * holder that dies keeps the lock. Not for signal handlers. An unlock may still look at the lock after the next owner
 * has it, so its memory stays until every unlock has returned.
 */
#ifndef LAT_SYNC_QLOCK_H
#define LAT_SYNC_QLOCK_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "sync/quat.h"

enum { LAT_QLOCK_DEPTH_MAX = 256 };

struct lat_qlock {
	alignas(LAT_CACHELINE) _Atomic(uint32_t) next; /* the turn that who comes now will get */
	_Atomic(uint32_t) serving;                     /* the turn whose lock it is; slept on */
	_Atomic(uint32_t) sleepers;
	_Atomic(uint32_t) owner; /* 0: free. The owner writes this and all below */
	_Atomic(uint32_t) depth;
	bool shared;         /* fixed by init */
	uint64_t top, count; /* the last acquisition not yet released; all of them so far */
	struct lat_quat orientation;
	_Atomic(uint64_t) wrong; /* refused releases, counted by whoever tried */
};

/* What one acquisition must show to be released. The holder's, on its stack as a rule; not to be written. */
struct lat_qlock_hold {
	uint64_t number, outer;
	struct lat_quat before;
};

/* @shared: the memory is mapped by several processes (of one trust domain). A lock needs no fini. */
void lat_qlock_init(struct lat_qlock *q, bool shared);

/* A token for the calling thread, never 0: its kernel id, good among the processes of one pid namespace. */
uint32_t lat_qlock_thread(void);

/*
 * Acquires, in the order of calls. @owner (not 0) says for whom: lat_qlock_thread(), or any token of the caller's that
 * one thread at a time uses; all who use one lock take the same kind. Who owns the lock already gets it again, one deeper. Spins a little when next in line,
 * else sleeps, without a limit. Everything written under the lock before is visible. 0, or with nothing acquired:
 *   -EINVAL           owner is 0
 *   -ENOBUFS          LAT_QLOCK_DEPTH_MAX deep already
 *   -ENOTRECOVERABLE  it is free and its orientation is not the identity: somebody wrote over it
 */
LAT_MUST_CHECK int lat_qlock_lock(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold);

/* The same without waiting; -EBUSY: somebody else has it, or waits for it. */
LAT_MUST_CHECK int lat_qlock_trylock(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold);

/*
 * The same until @deadline_ns of CLOCK_MONOTONIC (UINT64_MAX: no limit); -ETIMEDOUT. A turn once taken cannot be given
 * back, so this one takes none: it tries again whenever the lock changes hands, and gets it only when nobody queues. It
 * never delays those who queue, and may starve behind them.
 */
LAT_MUST_CHECK int lat_qlock_lock_until(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold,
					uint64_t deadline_ns);

/*
 * Releases the last acquisition of @owner, which @hold is of; *hold is all zero afterwards. 0, or -EPERM, counted and
 * with nothing changed: the lock is free, another's, or @hold is not the last one (an outer one, one already released, a
 * copy of it, another lock's).
 */
LAT_MUST_CHECK int lat_qlock_unlock(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold);

struct lat_qlock_state {
	uint32_t owner, depth; /* 0, 0: free */
	uint32_t queued;       /* turns taken and not yet served, sleeping or not */
	uint64_t wrong;
};

/* For people and tests: each field is true, though not all of the same moment. Any thread. */
void lat_qlock_state(const struct lat_qlock *q, struct lat_qlock_state *out);

#endif

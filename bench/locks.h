/* The quaternion lock without its check: everything else is the same code. */
#ifndef BENCH_LOCKS_H
#define BENCH_LOCKS_H

#include "sync/qlock.h"

int unchecked_lock(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold);
int unchecked_unlock(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold);

#endif

/*
 * Edges:
 *   [R] serving store, seq_cst    -> [A] serving load, acquire : what was written under the lock, the plain
 *                                    fields of struct lat_qlock among it, is visible to the next owner
 *   [R] serving store, seq_cst; [r] sleepers load, seq_cst
 *   [S] sleepers add, seq_cst;  [s] serving load, seq_cst
 *       In the one order of these four either [r] sees the sleeper and wakes it, or [s] sees the new turn; what
 *       comes between [s] and the sleep, the kernel sees when it compares the word again.
 * Plain fields belong to the owner. Only who stored its own token in owner can read it back, so a relaxed load tells
 * a caller for certain whether it is the owner, and nothing else.
 */
#include "sync/qlock.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cpu.h"
#include "os/clock.h"
#include "os/futex.h"

enum { SPINS_MAX = 256 };
static const uint32_t any_turn = UINT32_MAX;

static _Thread_local uint32_t thread_token;

static void forget_token(void)
{
	thread_token = 0;
}

static void forget_token_in_children(void)
{
	(void)pthread_atfork(NULL, NULL, forget_token);
}

uint32_t lat_qlock_thread(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (thread_token == 0) {
		pthread_once(&once, forget_token_in_children);
		thread_token = (uint32_t)gettid();
	}
	return thread_token;
}

void lat_qlock_init(struct lat_qlock *q, bool shared)
{
	atomic_init(&q->next, 0);
	atomic_init(&q->serving, 0);
	atomic_init(&q->sleepers, 0);
	atomic_init(&q->owner, 0);
	atomic_init(&q->depth, 0);
	atomic_init(&q->wrong, 0);
	q->shared = shared;
	q->top = 0;
	q->count = 0;
	q->orientation = LAT_QUAT_IDENTITY;
}

/* Turns share 32 bits; a collision wakes one too many, who looks and sleeps again. */
static uint32_t turn_bit(uint32_t turn)
{
	return UINT32_C(1) << (turn & 31);
}

/* Sleeps while the turn is @serving. 0 or -EINTR: look again; -ETIMEDOUT. */
static int sleep_while(struct lat_qlock *q, uint32_t serving, uint32_t bits, uint64_t deadline_ns)
{
	int rc = 0;

	atomic_fetch_add_explicit(&q->sleepers, 1, memory_order_seq_cst);       /* [S] */
	if (atomic_load_explicit(&q->serving, memory_order_seq_cst) == serving) /* [s] */
		rc = lat_futex_wait_bits(&q->serving, serving, bits, deadline_ns, q->shared);
	atomic_fetch_sub_explicit(&q->sleepers, 1, memory_order_relaxed);
	return rc;
}

static void wait_for_turn(struct lat_qlock *q, uint32_t turn)
{
	unsigned spins = 0;

	for (;;) {
		uint32_t serving = atomic_load_explicit(&q->serving, memory_order_acquire); /* [A] */

		if (serving == turn)
			return;
		if (turn - serving == 1 && spins++ < SPINS_MAX) /* further back, spinning only burns */
			lat_cpu_relax();
		else
			(void)sleep_while(q, serving, turn_bit(turn), UINT64_MAX);
	}
}

static void next_turn(struct lat_qlock *q)
{
	uint32_t turn = atomic_load_explicit(&q->serving, memory_order_relaxed) + 1;

	atomic_store_explicit(&q->serving, turn, memory_order_seq_cst);   /* [R] */
	if (atomic_load_explicit(&q->sleepers, memory_order_seq_cst) > 0) /* [r] */
		(void)lat_futex_wake_bits(&q->serving, INT_MAX, turn_bit(turn), q->shared);
}

/* Takes the turn that is being served, if it is still to be had: nobody holds the lock, nobody waits. */
static bool take_free_turn(struct lat_qlock *q)
{
	uint32_t turn = atomic_load_explicit(&q->serving, memory_order_acquire); /* [A] */
	uint32_t expected = turn;

	if (!atomic_compare_exchange_strong_explicit(&q->next, &expected, turn + 1, memory_order_relaxed,
						     memory_order_relaxed))
		return false;
	wait_for_turn(q, turn); /* no wait, unless 2^32 turns went by since the load */
	return true;
}

static void push(struct lat_qlock *q, struct lat_qlock_hold *hold)
{
	*hold = (struct lat_qlock_hold){ .number = ++q->count, .outer = q->top, .before = q->orientation };
	q->top = hold->number;
	q->orientation = lat_quat_mul(q->orientation, lat_quat_tickets[hold->number % LAT_QUAT_TICKETS]);
}

/* 0 when @owner has the lock and got it once more, -EBUSY when it has not. */
static int nest(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold)
{
	uint32_t depth;

	if (owner == 0)
		return -EINVAL;
	if (atomic_load_explicit(&q->owner, memory_order_relaxed) != owner)
		return -EBUSY;
	depth = atomic_load_explicit(&q->depth, memory_order_relaxed);
	if (depth == LAT_QLOCK_DEPTH_MAX)
		return -ENOBUFS;
	push(q, hold);
	atomic_store_explicit(&q->depth, depth + 1, memory_order_relaxed);
	return 0;
}

/* It is our turn. */
static int begin(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold)
{
	if (!lat_quat_equal(q->orientation, LAT_QUAT_IDENTITY)) {
		next_turn(q);
		return -ENOTRECOVERABLE;
	}
	push(q, hold);
	atomic_store_explicit(&q->owner, owner, memory_order_relaxed);
	atomic_store_explicit(&q->depth, 1, memory_order_relaxed);
	return 0;
}

int lat_qlock_lock(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold)
{
	int rc = nest(q, owner, hold);

	if (rc != -EBUSY)
		return rc;
	wait_for_turn(q, atomic_fetch_add_explicit(&q->next, 1, memory_order_relaxed));
	return begin(q, owner, hold);
}

int lat_qlock_trylock(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold)
{
	int rc = nest(q, owner, hold);

	if (rc != -EBUSY || !take_free_turn(q))
		return rc;
	return begin(q, owner, hold);
}

int lat_qlock_lock_until(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold,
			 uint64_t deadline_ns)
{
	int rc = nest(q, owner, hold);
	unsigned spins = 0;

	if (rc != -EBUSY)
		return rc;
	for (;;) {
		uint32_t serving = atomic_load_explicit(&q->serving, memory_order_relaxed);

		if (take_free_turn(q))
			return begin(q, owner, hold);
		if (spins++ < SPINS_MAX) {
			lat_cpu_relax();
			continue;
		}
		if (deadline_ns != UINT64_MAX && lat_clock_monotonic_ns() >= deadline_ns)
			return -ETIMEDOUT;
		(void)sleep_while(q, serving, any_turn, deadline_ns);
	}
}

int lat_qlock_unlock(struct lat_qlock *q, uint32_t owner, struct lat_qlock_hold *hold)
{
	struct lat_quat back;
	uint32_t depth;

	if (owner == 0 || atomic_load_explicit(&q->owner, memory_order_relaxed) != owner)
		goto wrong;
	back = lat_quat_mul(q->orientation,
			    lat_quat_conjugate(lat_quat_tickets[hold->number % LAT_QUAT_TICKETS]));
	depth = atomic_load_explicit(&q->depth, memory_order_relaxed);
	if (hold->number != q->top || !lat_quat_equal(back, hold->before))
		goto wrong;
	if (depth == 1 && !lat_quat_equal(back, LAT_QUAT_IDENTITY))
		goto wrong;

	/* The point of no return. */
	q->orientation = back;
	q->top = hold->outer;
	*hold = (struct lat_qlock_hold){ 0 };
	atomic_store_explicit(&q->depth, depth - 1, memory_order_relaxed);
	if (depth == 1) {
		atomic_store_explicit(&q->owner, 0, memory_order_relaxed);
		next_turn(q);
	}
	return 0;
wrong:
	atomic_fetch_add_explicit(&q->wrong, 1, memory_order_relaxed);
	return -EPERM;
}

void lat_qlock_state(const struct lat_qlock *q, struct lat_qlock_state *out)
{
	uint32_t serving = atomic_load_explicit(&q->serving,
						memory_order_acquire); /* first: next is never behind it */
	uint32_t owner = atomic_load_explicit(&q->owner, memory_order_relaxed);
	uint32_t taken = atomic_load_explicit(&q->next, memory_order_relaxed) - serving;

	out->owner = owner;
	out->depth = atomic_load_explicit(&q->depth, memory_order_relaxed);
	out->queued = taken - (taken > 0 && owner != 0);
	out->wrong = atomic_load_explicit(&q->wrong, memory_order_relaxed);
}

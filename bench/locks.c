/*
 * lattice-bench-locks: the quaternion lock, the same lock without its check, and what the C library has, taken and given back
 * as fast as 1 to 8 threads can, for five turns each time. The lock guards two words. How fair a lock is, is the spread of what the threads got: the
 * most less the fewest, in proportion to their mean.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/main.h"
#include "locks.h"

enum { THREADS_MAX = 8, BETWEEN_CLOCKS = 64 };
enum which { QLOCK, UNCHECKED, MUTEX, SPIN, LOCKS };

struct member {
	pthread_t id;
	struct contest *contest;
	int core;
	alignas(64) uint64_t got;
	int rc;
};

struct contest {
	alignas(64) _Atomic(uint32_t) stop;
	uint32_t wanted;
	pthread_barrier_t ready; /* of the threads and who started them */
	alignas(64) struct lat_qlock qlock;
	alignas(64) pthread_mutex_t mutex;
	alignas(64) pthread_spinlock_t spin;
	alignas(64) volatile uint64_t guarded[2];
	struct member members[THREADS_MAX];
};

/* The spread of each contest, for the subject that follows it. NAN: not held. */
static double spreads[LOCKS][THREADS_MAX + 1];

static inline void work(struct contest *c)
{
	c->guarded[0] = c->guarded[0] + 1;
	c->guarded[1] = c->guarded[1] + 1;
}

/* The same loop for each lock, with nothing between it and the calls. */
#define TURNS(name, take, give)                                                                \
	static void *name(void *arg)                                                           \
	{                                                                                      \
		struct member *m = arg;                                                        \
		struct contest *c = m->contest;                                                \
		uint32_t self = lat_qlock_thread();                                            \
		struct lat_qlock_hold hold;                                                    \
		uint64_t got = 0;                                                              \
		int rc = 0;                                                                    \
                                                                                               \
		(void)self;                                                                    \
		(void)hold;                                                                    \
		bench_place_nth(m->core);                                                      \
		(void)pthread_barrier_wait(&c->ready);                                         \
		while (rc == 0 && atomic_load_explicit(&c->stop, memory_order_relaxed) == 0) { \
			rc = (take);                                                           \
			work(c);                                                               \
			rc |= (give);                                                          \
			got++;                                                                 \
		}                                                                              \
		m->got = got;                                                                  \
		m->rc = rc;                                                                    \
		return NULL;                                                                   \
	}

TURNS(turns_qlock, lat_qlock_lock(&c->qlock, self, &hold), lat_qlock_unlock(&c->qlock, self, &hold))
TURNS(turns_unchecked, unchecked_lock(&c->qlock, self, &hold), unchecked_unlock(&c->qlock, self, &hold))
TURNS(turns_mutex, pthread_mutex_lock(&c->mutex), pthread_mutex_unlock(&c->mutex))
TURNS(turns_spin, pthread_spin_lock(&c->spin), pthread_spin_unlock(&c->spin))

static void *(*const turns[LOCKS])(void *) = { turns_qlock, turns_unchecked, turns_mutex, turns_spin };

static double spread(const struct contest *c)
{
	double most = 0, fewest = INFINITY, sum = 0;

	for (uint32_t i = 0; i < c->wanted; i++) {
		double got = (double)c->members[i].got;

		most = fmax(most, got);
		fewest = fmin(fewest, got);
		sum += got;
	}
	return sum > 0 ? (most - fewest) / (sum / c->wanted) * 100 : NAN;
}

static void wait_until(uint64_t n)
{
	const struct timespec until = { .tv_sec = (time_t)(n / 1000000000),
					.tv_nsec = (long)(n % 1000000000) };

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* A contest of five times @n nanoseconds. The figure: millions of acquisitions a second, of all threads together. */
static int hold(struct bench_side *side, uint64_t n)
{
	static struct contest c;
	size_t which = side->subject->arg / 16, count = side->subject->arg % 16;
	uint64_t begin, sum = 0;
	double took;
	int rc = 0;

	memset(&c, 0, sizeof(c));
	lat_qlock_init(&c.qlock, false);
	(void)pthread_mutex_init(&c.mutex, NULL);
	(void)pthread_spin_init(&c.spin, PTHREAD_PROCESS_PRIVATE);
	(void)pthread_barrier_init(&c.ready, NULL, (unsigned int)count + 1);
	c.wanted = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		c.members[i] = (struct member){ .contest = &c, .core = (int)i };
		rc = -pthread_create(&c.members[i].id, NULL, turns[which], &c.members[i]);
		if (rc < 0)
			return rc; /* those that there are wait until the program ends, which is soon */
	}
	(void)pthread_barrier_wait(&c.ready);
	begin = bench_now_ns();
	wait_until(begin + 5 * n);
	atomic_store_explicit(&c.stop, 1, memory_order_relaxed);
	for (size_t i = 0; i < count; i++) {
		(void)pthread_join(c.members[i].id, NULL);
		sum += c.members[i].got;
		rc = rc == 0 && c.members[i].rc != 0 ? -EPROTO : rc;
	}
	took = (double)(bench_now_ns() - begin);
	if (rc == 0 && (c.guarded[0] != sum || c.guarded[1] != sum))
		rc = -EPROTO; /* it did not exclude */
	side->figure = (double)sum / took * 1000;
	spreads[which][count] = spread(&c);
	(void)pthread_mutex_destroy(&c.mutex);
	(void)pthread_spin_destroy(&c.spin);
	(void)pthread_barrier_destroy(&c.ready);
	return rc;
}

static int tell_spread(struct bench_side *side, uint64_t n)
{
	(void)n;
	side->figure = spreads[side->subject->arg / 16][side->subject->arg % 16];
	return isnan(side->figure) ? -ENODATA : 0;
}

/* ---- what the arithmetic costs by itself ---- */

static int multiply(struct bench_side *side, uint64_t n)
{
	struct lat_quat q = LAT_QUAT_IDENTITY;

	for (uint64_t i = 0; i < n; i++) {
		struct lat_quat ticket = lat_quat_tickets[i % LAT_QUAT_TICKETS];

		q = lat_quat_mul(q, ticket);
		q = lat_quat_mul(q, lat_quat_conjugate(ticket));
	}
	(void)side;
	return lat_quat_equal(q, LAT_QUAT_IDENTITY) ? 0 : -EPROTO;
}

#define CONTEST(name_, what_, limit_, which_, count_)                                                     \
	&(const struct bench_subject)                                                                     \
	{                                                                                                 \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_FIGURE, .unit = "M/s", \
		.place = BENCH_FREE, .arg = (which_)*16 + (count_), .near = hold                          \
	}
#define SPREAD(name_, which_, count_)                                                                     \
	&(const struct bench_subject)                                                                     \
	{                                                                                                 \
		.name = (name_), .what = "  the most less the fewest, of the mean", .kind = BENCH_FIGURE, \
		.unit = "%", .place = BENCH_FREE, .arg = (which_)*16 + (count_), .near = tell_spread      \
	}
#define CONTESTS(n, of)                                                                                      \
	CONTEST("mutex-" #n, "pthread_mutex, " of, NULL, MUTEX, n), SPREAD("mutex-" #n "-spread", MUTEX, n), \
		CONTEST("spin-" #n, "pthread_spinlock, " of, "mutex-" #n, SPIN, n),                          \
		SPREAD("spin-" #n "-spread", SPIN, n),                                                       \
		CONTEST("unchecked-" #n, "quaternion lock, check left out, " of, "mutex-" #n, UNCHECKED, n), \
		SPREAD("unchecked-" #n "-spread", UNCHECKED, n),                                             \
		CONTEST("qlock-" #n, "quaternion lock, " of, "mutex-" #n, QLOCK, n),                         \
		SPREAD("qlock-" #n "-spread", QLOCK, n)

static const struct bench_subject *const subjects[] = {
	&(const struct bench_subject){ .name = "quaternions",
				       .what = "two products, as a lock and its release make",
				       .kind = BENCH_TRIP,
				       .group = 256,
				       .place = BENCH_APART,
				       .near = multiply },
	CONTEST("mutex-1", "pthread_mutex, 1 thread", NULL, MUTEX, 1),
	CONTEST("spin-1", "pthread_spinlock, 1 thread", "mutex-1", SPIN, 1),
	CONTEST("unchecked-1", "quaternion lock, check left out, 1 thread", "mutex-1", UNCHECKED, 1),
	CONTEST("qlock-1", "quaternion lock, 1 thread", "mutex-1", QLOCK, 1),
	CONTESTS(2, "2 threads"),
	CONTESTS(4, "4 threads"),
	CONTESTS(8, "8 threads"),
	NULL,
};

int main(int argc, char **argv)
{
	static const struct bench_plan plan = { .title = "The quaternion lock, beside the C library's",
						.subjects = subjects };

	return bench_main(&plan, argc, argv);
}

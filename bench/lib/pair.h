/* The two sides of a subject: the far one is started here, told what to do, and waited for. */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <pthread.h>
#include <sys/types.h>

#include "lib/subject.h"

struct bench_pair {
	struct bench_side near, far;
	pthread_t thread;
	pid_t process;
	bool entered;
};

/* Memory, and the far process, if it is to be one: all of them are made before the first thread is. 0, or a negative errno. */
int bench_pair_make(struct bench_pair *p, const struct bench_subject *subject);
/* Both sides enter. 0, or what one of them said. */
int bench_pair_enter(struct bench_pair *p);
/*
 * The far side begins to do far(n), @times one after the other, at most BENCH_TIMES_MAX. Returns when it is about to. 0,
 * -ETIMEDOUT.
 */
enum { BENCH_TIMES_MAX = 64 };
int bench_pair_begin(struct bench_pair *p, uint64_t n, uint32_t times);
/* Waits until all have returned: what the last of them said. */
int bench_pair_end(struct bench_pair *p);
/* When the far side was through with each, of bench_ticks(). */
const uint64_t *bench_pair_stamps(const struct bench_pair *p);
/*
 * Both sides leave, what was made is undone. All zero is fine. @broken: the far side may never come back, so a process is
 * ended, and a thread is left alone with what it uses.
 */
void bench_pair_close(struct bench_pair *p, bool broken);

/* Ends the far process, and forgets the rest: the near side may be in the middle of anything. */
void bench_pair_abandon(struct bench_pair *p);

/* A process that streams through memory, wherever the scheduler puts it. It sleeps until it is told to. */
int bench_stream_make(void);
void bench_stream(bool on);
void bench_stream_close(void);

#endif

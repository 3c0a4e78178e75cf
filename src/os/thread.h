/* Threads of the library: named, and deaf to signals, which belong to the program. */
#ifndef LAT_OS_THREAD_H
#define LAT_OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/util.h"

enum { LAT_THREAD_NAME_MAX = 16 }; /* the kernel's, its terminating zero included; longer names are cut */

struct lat_thread { /* all zero: not started. May not move or go away between start and join */
	pthread_t id;
	bool started;
	char name[LAT_THREAD_NAME_MAX];
	void (*fn)(void *arg);
	void *arg;
};

/*
 * Runs fn(arg) in a new thread, with every signal blocked except those that a fault in the thread itself raises. What
 * happened before start is visible to fn. 0, or -EAGAIN: memory, or the limit of threads; then *t is all zero.
 */
LAT_MUST_CHECK int lat_thread_start(struct lat_thread *t, const char *name, void (*fn)(void *arg), void *arg);

/*
 * Waits, without a limit, until fn returned; what fn did is visible afterwards. All zero is fine, so twice is. Not from
 * the thread itself.
 */
void lat_thread_join(struct lat_thread *t);

/*
 * Instead of join: nobody waits for it. *t has to stay until fn has begun, and may go away as soon as fn, or whoever it tells, says
 * so. From any thread, also itself; once. All zero is fine.
 */
void lat_thread_detach(struct lat_thread *t);

#endif

/* A flow of control with a stack of its own, and the switch between two of them on one thread. */
#ifndef LAT_SCHED_FIBER_H
#define LAT_SCHED_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"
#include "os/stack.h"
#include "sched/context.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LAT_FIBER_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LAT_FIBER_SANITIZED 1
#endif
#endif

struct lat_fiber { /* does not move between init (or adopt) and fini */
	struct lat_context context;
	struct lat_stack stack; /* zero: the thread's own */
	void (*fn)(void *arg);
	void *arg;
	/* For sanitizers: they must be told whose stack this is. */
	struct lat_fiber *back; /* who switched here last */
	void *fake_stack;
	const void *bottom;
	size_t bytes;
	void *tsan;
};

/* Makes @f stand for what the calling thread is doing now. */
void lat_fiber_adopt(struct lat_fiber *f);

/*
 * A fiber that will call fn(arg) when it is first switched to. fn must not return: it ends by
 * lat_fiber_leave(). 0, -ENOMEM, -EINVAL (stack_bytes).
 */
LAT_MUST_CHECK int lat_fiber_init(struct lat_fiber *f, size_t stack_bytes, void (*fn)(void *arg), void *arg);

/* Gives back what lat_fiber_init() took. Not the running one. All zero, and adopted ones, are fine. */
void lat_fiber_fini(struct lat_fiber *f);

/*
 * Stops @from, which is the running one, and goes on with @to. Returns when somebody switches back to @from.
 */
#ifdef LAT_FIBER_SANITIZED
void lat_fiber_switch(struct lat_fiber *from, struct lat_fiber *to);
#else
static inline void lat_fiber_switch(struct lat_fiber *from, struct lat_fiber *to)
{
	lat_context_switch(&from->context, &to->context);
}
#endif

/* As lat_fiber_switch(), for good: @from is never switched to again. */
_Noreturn void lat_fiber_leave(struct lat_fiber *from, struct lat_fiber *to);

#endif

/*
 * The switch itself is context.h's; what is done here besides is for the sanitizers, and nothing without them.
 *
 * AddressSanitizer is told of each switch before and after it, ThreadSanitizer before it; to the latter a
 * fiber is a thread of its own, and a switch orders what came before it before what comes after.
 */
#include <stddef.h>

#include "sched/fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>

static void before_switch(struct lat_fiber *from, const struct lat_fiber *to, bool for_good)
{
	__sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack, to->bottom, to->bytes);
}

/*
 * @self runs now. The stack of the fiber that switched here is learned on the way: of the thread's own,
 * nobody knows it before.
 */
static void after_switch(struct lat_fiber *self)
{
	__sanitizer_finish_switch_fiber(self->fake_stack, &self->back->bottom, &self->back->bytes);
}
#else
static void before_switch(struct lat_fiber *from, const struct lat_fiber *to, bool for_good)
{
	(void)from;
	(void)to;
	(void)for_good;
}

static void after_switch(struct lat_fiber *self)
{
	(void)self;
}
#endif

#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>

static void tsan_adopt(struct lat_fiber *f)
{
	f->tsan = __tsan_get_current_fiber();
}

static void tsan_init(struct lat_fiber *f)
{
	f->tsan = __tsan_create_fiber(0);
}

static void tsan_fini(struct lat_fiber *f)
{
	__tsan_destroy_fiber(f->tsan);
}

/* Inlined always: a function's entry would be noted in one fiber, and its end in the other. */
static inline __attribute__((always_inline)) void tsan_switch(const struct lat_fiber *to)
{
	__tsan_switch_to_fiber(to->tsan, 0);
}
#else
static void tsan_adopt(struct lat_fiber *f)
{
	(void)f;
}

static void tsan_init(struct lat_fiber *f)
{
	(void)f;
}

static void tsan_fini(struct lat_fiber *f)
{
	(void)f;
}

static void tsan_switch(const struct lat_fiber *to)
{
	(void)to;
}
#endif

static_assert(offsetof(struct lat_fiber, context) == 0, "entry");

static void entry(struct lat_context *ctx)
{
	struct lat_fiber *f = (struct lat_fiber *)ctx; /* its first member */

	after_switch(f);
	f->fn(f->arg);
	LAT_ASSERT(false); /* fn leaves, it does not return */
}

void lat_fiber_adopt(struct lat_fiber *f)
{
	*f = (struct lat_fiber){ 0 };
	tsan_adopt(f);
}

int lat_fiber_init(struct lat_fiber *f, size_t stack_bytes, void (*fn)(void *arg), void *arg)
{
	int rc;

	*f = (struct lat_fiber){ .fn = fn, .arg = arg };
	rc = lat_stack_map(&f->stack, stack_bytes);
	if (rc < 0)
		return rc;
	f->bottom = f->stack.base;
	f->bytes = f->stack.bytes;
	lat_context_init(&f->context, f->stack.base, f->stack.bytes, entry);
	tsan_init(f);
	return 0;
}

void lat_fiber_fini(struct lat_fiber *f)
{
	if (f->stack.base == NULL)
		return;
	tsan_fini(f);
	lat_stack_unmap(&f->stack);
}

#ifdef LAT_FIBER_SANITIZED
void lat_fiber_switch(struct lat_fiber *from, struct lat_fiber *to)
{
	to->back = from;
	before_switch(from, to, false);
	tsan_switch(to);
	lat_context_switch(&from->context, &to->context);
	after_switch(from);
}
#endif

_Noreturn void lat_fiber_leave(struct lat_fiber *from, struct lat_fiber *to)
{
	to->back = from;
	before_switch(from, to, true);
	tsan_switch(to);
	lat_context_switch(&from->context, &to->context);
	__builtin_unreachable();
}

/*
 * A flow of control that does not run: its stack pointer, and on its stack what the processor's calling
 * convention lets a function rely on across a call. Signal masks stay as they are.
 *
 * One of context_x86_64.S, context_aarch64.S and context_ucontext.c is built in (meson option
 * context_switch); tests/context runs the same test over each.
 */
#ifndef LAT_SCHED_CONTEXT_H
#define LAT_SCHED_CONTEXT_H

#include <stddef.h>

#ifdef LAT_CONTEXT_UCONTEXT
#include <ucontext.h>

struct lat_context {
	ucontext_t saved;
	void (*entry)(struct lat_context *ctx);
};
#else
struct lat_context {
	void *sp;
};
#endif

/*
 * @ctx will call entry(ctx) on the stack [@base, @base + @bytes) when it is first switched to, with the calling
 * thread's floating-point modes of now. entry must not return. At least 4096 bytes.
 */
void lat_context_init(struct lat_context *ctx, void *base, size_t bytes,
		      void (*entry)(struct lat_context *ctx));

/*
 * Stops the running flow, keeping it in @from, and goes on with @to. Returns when somebody switches to @from. Kept:
 * callee-saved registers and floating-point modes (rounding, exception masks). @to is used up: it is saved anew by
 * its next switch.
 */
void lat_context_switch(struct lat_context *from, struct lat_context *to);

#if defined(__x86_64__) && !defined(LAT_CONTEXT_UCONTEXT)
#define LAT_CONTEXT_PARKS 1
/*
 * The same for who has nothing left to do but to return what others will have made of it. When @from goes on, it calls
 * go_on(arg) and returns what that returns; or, if lat_context_end_park() was called for it meanwhile, it returns 0. As the last step of a function
 * it is a jump: then neither leaves a return behind that the processor has predicted for another stack. Nothing on the caller's stack
 * may be used by go_on.
 */
int lat_context_park(struct lat_context *from, struct lat_context *to, int (*go_on)(void *arg), void *arg);

void lat_context_returned(void);

/* @parked stopped in lat_context_park() and has not gone on. */
static inline void lat_context_end_park(struct lat_context *parked)
{
	enum { GOES_ON_AT = 7 };

	((void (**)(void))parked->sp)[GOES_ON_AT] = lat_context_returned;
}
#endif

#endif

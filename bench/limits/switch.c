/*
 * Two switches of user-space stacks on one thread, there and back: the registers that a call keeps, and the stack pointer;
 * no floating-point state, nothing to decide.
 */
#include <errno.h>
#include <stdlib.h>

#include "limits/limits.h"

#if defined(__x86_64__)
__asm__(".text\n"
	".p2align 4\n"
	".type bench_switch, @function\n"
	"bench_switch:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	popq %rbp\n"
	"	popq %rcx\n"
	"	jmpq *%rcx\n" /* a return would be predicted by who called last, which is the other stack */
	".size bench_switch, . - bench_switch\n");
enum { SAVED = 6 };
#elif defined(__aarch64__)
__asm__(".text\n"
	".p2align 4\n"
	".type bench_switch, %function\n"
	"bench_switch:\n"
	"	stp x19, x20, [sp, #-96]!\n	stp x21, x22, [sp, #16]\n	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n	stp x27, x28, [sp, #64]\n	stp x29, x30, [sp, #80]\n"
	"	mov x9, sp\n	str x9, [x0]\n	mov sp, x1\n"
	"	ldp x21, x22, [sp, #16]\n	ldp x23, x24, [sp, #32]\n	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n	ldp x29, x30, [sp, #80]\n	ldp x19, x20, [sp], #96\n"
	"	br x30\n"
	".size bench_switch, . - bench_switch\n");
enum { SAVED = 11 };
#endif

#if defined(__x86_64__) || defined(__aarch64__)

enum { STACK = 65536 };

/* Saves where this stack is in *@from, goes on with @to. */
void bench_switch(void **from, void *to);

static struct {
	void *near, *far; /* where each stopped */
	void *stack;
} coroutine;

#if defined(__SANITIZE_THREAD__)
#define UNWATCHED __attribute__((no_sanitize("thread")))
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNWATCHED __attribute__((no_sanitize("thread")))
#endif
#endif
#ifndef UNWATCHED
#define UNWATCHED
#endif

UNWATCHED static void far_body(void)
{
	for (;;)
		bench_switch(&coroutine.far, coroutine.near);
}

static int enter(struct bench_side *side)
{
	void **top;

	(void)side;
	coroutine.stack = aligned_alloc(64, STACK);
	if (coroutine.stack == NULL)
		return -ENOMEM;
	/* As a switch leaves it: zero registers below the address to go on at. */
	top = (void **)((char *)coroutine.stack + STACK) - 16;
	*top = (void *)(uintptr_t)far_body;
	for (int i = 1; i <= SAVED; i++)
		top[-i] = NULL;
#if defined(__x86_64__)
	top[1] = NULL; /* what a call would have left: the stack is aligned as the function expects */
	coroutine.far = top - SAVED;
#else
	coroutine.far = top - SAVED;
#endif
	return 0;
}

static int near(struct bench_side *side, uint64_t n)
{
	(void)side;
	for (; n > 0; n--)
		bench_switch(&coroutine.near, coroutine.far);
	return 0;
}

static void leave(struct bench_side *side)
{
	(void)side;
	free(coroutine.stack);
	coroutine.stack = NULL;
}

#else

static int enter(struct bench_side *side)
{
	(void)side;
	return -EOPNOTSUPP;
}

static int near(struct bench_side *side, uint64_t n)
{
	(void)side;
	(void)n;
	return -EOPNOTSUPP;
}

#define leave NULL

#endif

const struct bench_subject limit_switch = {
	.name = "switch",
	.what = "two bare switches of stacks, there and back",
	.kind = BENCH_TRIP,
	.with = BENCH_ALONE,
	.place = BENCH_APART,
	.group = 256,
	.enter = enter,
	.near = near,
	.leave = leave,
};

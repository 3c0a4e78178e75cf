/* context.h for processors that have no assembly here, by ucontext(3): two system calls a switch, for the signal mask. */
#include "sched/context.h"

void lat_context_init(struct lat_context *ctx, void *base, size_t bytes, void (*entry)(void))
{
	(void)getcontext(&ctx->saved); /* has no error */
	ctx->saved.uc_stack.ss_sp = base;
	ctx->saved.uc_stack.ss_size = bytes;
	ctx->saved.uc_link = NULL;
	makecontext(&ctx->saved, entry, 0);
}

void lat_context_switch(struct lat_context *from, const struct lat_context *to)
{
	(void)swapcontext(&from->saved, &to->saved); /* fails only for a stack that is too small */
}

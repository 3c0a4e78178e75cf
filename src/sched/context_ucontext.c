/* context.h for processors that have no assembly here, by ucontext(3): two system calls a switch, for the signal mask. */
#include "sched/context.h"

static _Thread_local struct lat_context *entering;

/* makecontext() passes ints only, so who is switched to is noted at the switch. */
static void start(void)
{
	struct lat_context *self = entering;

	self->entry(self);
}

void lat_context_init(struct lat_context *ctx, void *base, size_t bytes,
		      void (*entry)(struct lat_context *ctx))
{
	ctx->entry = entry;
	(void)getcontext(&ctx->saved); /* has no error */
	ctx->saved.uc_stack.ss_sp = base;
	ctx->saved.uc_stack.ss_size = bytes;
	ctx->saved.uc_link = NULL;
	makecontext(&ctx->saved, start, 0);
}

void lat_context_switch(struct lat_context *from, struct lat_context *to)
{
	entering = to;
	(void)swapcontext(&from->saved, &to->saved); /* fails only for a stack that is too small */
}

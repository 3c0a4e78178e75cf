/*
 * What sched/context.h promises, over whichever implementation is linked. A program of its own, without the test
 * library, so that a cross compiler and an emulator are enough to run it for another processor. Sanitizers are not
 * told of these switches, so it has no case in which one would notice.
 */
#include <fenv.h>
#include <math.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sched/context.h"

enum { STACK = 65536, OTHERS = 3, ROUNDS = 1000 };

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                   \
		}                                                                  \
	} while (0)

static struct lat_context home, other[OTHERS];
static alignas(64) unsigned char stacks[OTHERS][STACK];
static char order[64];
static size_t noted;
static uint64_t seen[OTHERS];

static void note(char c)
{
	if (noted < sizeof(order) - 1)
		order[noted++] = c;
}

static void restart(void)
{
	memset(order, 0, sizeof(order));
	noted = 0;
}

/* --- who runs when ------------------------------------------------------------------------------ */

static void first(struct lat_context *self)
{
	CHECK(self == &other[0]);
	note('a');
	lat_context_switch(&other[0], &other[1]);
	note('d');
	lat_context_switch(&other[0], &home);
	abort();
}

static void second(struct lat_context *self)
{
	CHECK(self == &other[1]);
	note('b');
	lat_context_switch(&other[1], &home);
	note('c');
	lat_context_switch(&other[1], &other[0]);
	abort();
}

static void in_order(void)
{
	restart();
	lat_context_init(&other[0], stacks[0], STACK, first);
	lat_context_init(&other[1], stacks[1], STACK, second);
	CHECK(noted == 0);
	lat_context_switch(&home, &other[0]);
	CHECK(strcmp(order, "ab") == 0);
	lat_context_switch(&home, &other[1]);
	CHECK(strcmp(order, "abcd") == 0);
}

/* --- registers ---------------------------------------------------------------------------------- */

/*
 * More live values than there are callee-saved registers, whole and floating, in each of four flows: some lie in
 * each register. Volatile sources, so that none is a constant.
 */
static volatile uint64_t whole = 3;
static volatile double real = 1.5;

static uint64_t churn(struct lat_context *self, struct lat_context *to, uint64_t n)
{
	uint64_t a = whole + n, b = a * 3, c = b ^ 5, d = c * 7, e = d + 11, f = e * 13, g = f ^ 17,
		 h = g * 19;
	double p = real + (double)n, q = p * 2, r = q + 3, s = r * 4, t = s + 5, u = t * 6, v = u + 7,
	       w = v * 8;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		lat_context_switch(self, to);
		a += b, b ^= c, c += d, d ^= e, e += f, f ^= g, g += h, h ^= a;
		p += 1, q += p, r -= 2, s += 3, t -= 4, u += 5, v -= 6, w += 7;
	}
	return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ (uint64_t)(p + r + s + t + u + v + w) ^ (uint64_t)q;
}

/* The same alone: it switches to a flow that switches back at once. */
static void mirror(struct lat_context *self)
{
	for (;;)
		lat_context_switch(self, &home);
}

static void churn_0(struct lat_context *self)
{
	seen[0] = churn(self, &other[1], 100);
	lat_context_switch(&other[0], &other[1]);
	abort();
}

static void churn_1(struct lat_context *self)
{
	seen[1] = churn(self, &home, 200);
	lat_context_switch(&other[1], &home);
	abort();
}

static void registers_are_kept(void)
{
	uint64_t alone[OTHERS];

	lat_context_init(&other[2], stacks[2], STACK, mirror);
	for (uint64_t n = 0; n < OTHERS; n++)
		alone[n] = churn(&home, &other[2], n * 100);
	lat_context_init(&other[0], stacks[0], STACK, churn_0);
	lat_context_init(&other[1], stacks[1], STACK, churn_1);
	CHECK(churn(&home, &other[0], 0) == alone[0]);
	lat_context_switch(&home, &other[0]);
	CHECK(seen[0] == alone[1]);
	CHECK(seen[1] == alone[2]);
}

/* --- floating-point modes ----------------------------------------------------------------------- */

static volatile double third[2] = { 1, 3 };

static void round_down(struct lat_context *self)
{
	CHECK(fegetround() == FE_UPWARD); /* of who made it */
	CHECK(fesetround(FE_DOWNWARD) == 0);
	for (;;) {
		double less = third[0] / third[1];

		lat_context_switch(self, &home);
		CHECK(fegetround() == FE_DOWNWARD);
		CHECK(third[0] / third[1] == less);
	}
}

static void modes_are_kept(void)
{
	double nearest = third[0] / third[1], up;
#ifdef __x86_64__
	volatile long double x87[2] = { 1, 3 };
	long double x87_up;
#endif

	CHECK(fesetround(FE_UPWARD) == 0);
	up = third[0] / third[1];
	CHECK(up > nearest);
#ifdef __x86_64__
	x87_up = x87[0] / x87[1];
#endif
	lat_context_init(&other[0], stacks[0], STACK, round_down);
	for (uint32_t i = 0; i < 3; i++) {
		lat_context_switch(&home, &other[0]);
		CHECK(fegetround() == FE_UPWARD);
		CHECK(third[0] / third[1] == up);
#ifdef __x86_64__
		CHECK(x87[0] / x87[1] == x87_up);
#endif
	}
	CHECK(fesetround(FE_TONEAREST) == 0);
	CHECK(third[0] / third[1] == nearest);
}

/* --- parking ------------------------------------------------------------------------------------ */

#ifdef LAT_CONTEXT_PARKS

static volatile int parked_rc, parked_went_on;

static int go_on(void *arg)
{
	alignas(16) unsigned char frame[32];
	unsigned char *at = frame;

	CHECK((uintptr_t)at % 16 == 0);
	CHECK(at >= stacks[0] && at < stacks[0] + STACK);
	parked_went_on++;
	return *(int *)arg;
}

/* As the calls of the library do it: the last step, in a function of its own. */
static __attribute__((noinline)) int park(struct lat_context *self, int *arg)
{
	return lat_context_park(self, &home, go_on, arg);
}

static void parks(struct lat_context *self)
{
	int forty_two = 42;
	double kept = real, less;

	CHECK(fesetround(FE_DOWNWARD) == 0);
	less = third[0] / third[1];
	for (;;) {
		parked_rc = park(self, &forty_two);
		CHECK(kept == real);
		CHECK(third[0] / third[1] == less);
	}
}

/* Each round it is ended in its place, or goes on by itself. */
static void parked_ones_return(void)
{
	static const bool ended[] = { false, true, true, false, true, false, false };

	lat_context_init(&other[0], stacks[0], STACK, parks);
	lat_context_switch(&home, &other[0]);
	for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++) {
		parked_rc = -1;
		parked_went_on = 0;
		if (ended[i])
			lat_context_end_park(&other[0]);
		lat_context_switch(&home, &other[0]);
		CHECK(parked_rc == (ended[i] ? 0 : 42));
		CHECK(parked_went_on == !ended[i]);
		CHECK(fegetround() == FE_TONEAREST);
	}
}

#else

static void parked_ones_return(void)
{
}

#endif

/* --- the stack ---------------------------------------------------------------------------------- */

static void look_at_stack(struct lat_context *self)
{
	alignas(16) unsigned char frame[32];
	unsigned char *at = frame;
	char text[64];

	CHECK((uintptr_t)at % 16 == 0);
	CHECK(at >= stacks[1] && at < stacks[1] + STACK);
	/* Aligned vector stores, in a function that takes a variable number of arguments. */
	CHECK(snprintf(text, sizeof(text), "%.2f %.2f %Lf", 1.25, sqrt(real + 0.75), (long double)real) > 0);
	CHECK(strcmp(text, "1.25 1.50 1.500000") == 0);
	note('s');
	lat_context_switch(self, &home);
	abort();
}

static void stack_is_right(void)
{
	for (size_t odd = 0; odd < 32; odd++) {
		restart();
		lat_context_init(&other[1], stacks[1], STACK - odd, look_at_stack);
		lat_context_switch(&home, &other[1]);
		CHECK(strcmp(order, "s") == 0);
	}
}

static uint32_t nest(uint32_t depth)
{
	volatile uint32_t mark = depth;

	if (depth == 0)
		return 0;
	if (depth % 7 == 0)
		lat_context_switch(&other[0], &home);
	return nest(depth - 1) + (mark == depth);
}

static void nest_deep(struct lat_context *self)
{
	seen[0] = nest(300);
	for (;;)
		lat_context_switch(self, &home);
}

static void deep_calls(void)
{
	seen[0] = 0;
	lat_context_init(&other[0], stacks[0], STACK, nest_deep);
	for (uint32_t i = 0; i < 300 / 7 + 1; i++)
		lat_context_switch(&home, &other[0]);
	CHECK(seen[0] == 300);
}

/* --- how long ----------------------------------------------------------------------------------- */

static double now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void tell_the_time(void)
{
	enum { SWITCHES = 1000000 };
	double best = INFINITY;

	lat_context_init(&other[2], stacks[2], STACK, mirror);
	for (uint32_t run = 0; run < 5; run++) {
		double start = now_ns(), took;

		for (uint32_t i = 0; i < SWITCHES; i++)
			lat_context_switch(&home, &other[2]);
		took = (now_ns() - start) / (2 * SWITCHES);
		best = took < best ? took : best;
	}
	printf("%.1f ns a switch\n", best);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--time") == 0) {
		tell_the_time();
		return 0;
	}
	in_order();
	registers_are_kept();
	modes_are_kept();
	parked_ones_return();
	stack_is_right();
	deep_calls();
	puts("contexts: fine");
	return 0;
}

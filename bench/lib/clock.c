#include "lib/clock.h"

double bench_ns_per_tick = 1;

#if defined(__x86_64__)
/* The least of some tries: one that was interrupted between its two clocks is longer. */
static void both(uint64_t *ns, uint64_t *ticks)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 50; i++) {
		uint64_t before = bench_ticks(), now = bench_now_ns(), after = bench_ticks();

		if (after - before < best) {
			best = after - before;
			*ns = now;
			*ticks = before + (after - before) / 2;
		}
	}
}

void bench_clock_init(void)
{
	uint64_t ns0 = 0, ns1 = 0, ticks0 = 0, ticks1 = 0;

	both(&ns0, &ticks0);
	while (bench_now_ns() - ns0 < 20000000)
		bench_pause();
	both(&ns1, &ticks1);
	bench_ns_per_tick = (double)(ns1 - ns0) / (double)(ticks1 - ticks0);
}
#else
void bench_clock_init(void)
{
}
#endif

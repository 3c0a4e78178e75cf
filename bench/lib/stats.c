#include "lib/stats.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double bench_quantile(double *v, size_t count, double q)
{
	double at, whole, part;
	size_t i;

	if (count == 0)
		return NAN;
	qsort(v, count, sizeof(*v), by_value);
	at = q * (double)(count - 1);
	part = modf(at, &whole);
	i = (size_t)whole;
	return i + 1 < count ? v[i] + part * (v[i + 1] - v[i]) : v[i];
}

double bench_median(double *v, size_t count)
{
	return bench_quantile(v, count, 0.5);
}

/* Below BENCH_HIST_STEPS each value has a bucket; above, each doubling has BENCH_HIST_STEPS of them. */
static size_t bucket(uint64_t value)
{
	unsigned int shift;
	size_t i;

	if (value < BENCH_HIST_STEPS)
		return (size_t)value;
	shift = 63U - (unsigned int)__builtin_clzll(value) - 6U;
	i = (size_t)(shift + 1) * BENCH_HIST_STEPS + (size_t)((value >> shift) - BENCH_HIST_STEPS);
	return i < BENCH_HIST_BUCKETS ? i : BENCH_HIST_BUCKETS - 1;
}

static double middle(size_t i)
{
	size_t shift = i / BENCH_HIST_STEPS, step = i % BENCH_HIST_STEPS;

	if (shift == 0)
		return (double)step;
	return ldexp((double)(BENCH_HIST_STEPS + step) + 0.5, (int)shift - 1);
}

void bench_hist_add(struct bench_hist *h, uint64_t value)
{
	h->in[bucket(value)]++;
	h->total++;
}

void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from)
{
	for (size_t i = 0; i < BENCH_HIST_BUCKETS; i++)
		into->in[i] += from->in[i];
	into->total += from->total;
}

double bench_hist_quantile(const struct bench_hist *h, double q)
{
	double want = q * (double)h->total, seen = 0;

	for (size_t i = 0; i < BENCH_HIST_BUCKETS; i++) {
		seen += (double)h->in[i];
		if (h->in[i] > 0 && seen >= want)
			return middle(i);
	}
	return NAN;
}

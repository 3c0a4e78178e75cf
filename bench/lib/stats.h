/* Figures out of samples: medians, percentiles, and a histogram for the tail. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

/* The value below which the share @q (0 to 1) of @v lies. Sorts @v. NAN for none. */
double bench_quantile(double *v, size_t count, double q);
double bench_median(double *v, size_t count);

enum { BENCH_HIST_STEPS = 64, BENCH_HIST_BUCKETS = 40 * BENCH_HIST_STEPS };

/* Counts values by magnitude, 64 steps to each doubling: a quantile is true to 1.6 %. All zero is empty. */
struct bench_hist {
	uint64_t total;
	uint32_t in[BENCH_HIST_BUCKETS];
};

void bench_hist_add(struct bench_hist *h, uint64_t value);
void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from);
/* The middle of the bucket in which the share @q ends. NAN while it is empty. */
double bench_hist_quantile(const struct bench_hist *h, double q);

#endif

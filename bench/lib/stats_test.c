#include <math.h>

#include "base/test.h"
#include "lib/stats.h"

static const struct {
	const char *why;
	size_t count;
	double v[5], q, want;
} rows[] = {
	{ "one value is every quantile", 1, { 7 }, 0.99, 7 },
	{ "the middle of three, whatever their order", 3, { 9, 1, 4 }, 0.5, 4 },
	{ "between the middle two of four", 4, { 4, 1, 3, 2 }, 0.5, 2.5 },
	{ "none is below the least", 5, { 5, 4, 3, 2, 1 }, 0, 1 },
	{ "nor above the greatest", 5, { 5, 4, 3, 2, 1 }, 1, 5 },
	{ "part of the way", 5, { 10, 20, 30, 40, 50 }, 0.9, 46 },
};

TEST(quantiles)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double v[5];

		memcpy(v, rows[i].v, sizeof(v));
		CHECK_EQ_ROW(rows[i].why,
			     fabs(bench_quantile(v, rows[i].count, rows[i].q) - rows[i].want) < 1e-9, true);
	}
	CHECK(isnan(bench_median(NULL, 0)));
}

/* Each value is found again within the width of its bucket, which is a sixty-fourth of it. */
TEST(buckets)
{
	static const uint64_t values[] = { 0,   1,    63,   64,   65,      127,
					   128, 1000, 4095, 4096, 1000000, UINT64_C(1) << 40 };

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		static struct bench_hist h;
		double is = (double)values[i];

		h = (struct bench_hist){ 0 };
		bench_hist_add(&h, values[i]);
		CHECK(fabs(bench_hist_quantile(&h, 0.5) - is) <= is / 64 + 0.5);
	}
}

TEST(tail)
{
	static struct bench_hist h, more;

	CHECK(isnan(bench_hist_quantile(&h, 0.5)));
	for (uint64_t i = 1; i <= 999; i++)
		bench_hist_add(&h, 10);
	bench_hist_add(&more, 50);
	bench_hist_merge(&h, &more);
	CHECK_EQ(h.total, 1000);
	CHECK(bench_hist_quantile(&h, 0.5) == 10);
	CHECK(bench_hist_quantile(&h, 0.999) == 10);
	CHECK(bench_hist_quantile(&h, 1) == 50);
	bench_hist_add(&h, UINT64_MAX); /* longer than anything that is waited for: counted all the same */
	CHECK_EQ(h.total, 1001);
}

TEST_MAIN

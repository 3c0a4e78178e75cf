/* What came of a run: medians, ratios by round, whether a goal holds. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/run.h"

const struct bench_result *bench_result_of(const struct bench_run *run, const char *name)
{
	for (size_t i = 0; name != NULL && i < run->count; i++)
		if (strcmp(run->results[i].subject->name, name) == 0)
			return &run->results[i];
	return NULL;
}

static double median_of(const double *v, size_t count)
{
	double copy[BENCH_ROUNDS_MAX];
	size_t known = 0;

	for (size_t i = 0; i < count; i++)
		if (!isnan(v[i]))
			copy[known++] = v[i];
	return bench_median(copy, known);
}

double bench_result_value(const struct bench_result *r)
{
	return r == NULL ? NAN : median_of(r->p50, r->rounds);
}

const char *bench_result_unit(const struct bench_result *r)
{
	if (r == NULL || r->subject->kind == BENCH_TRIP)
		return "ns";
	if (r->subject->kind == BENCH_FIGURE)
		return r->subject->unit;
	return r->subject->bytes > 0 ? "MB/s" : "M/s";
}

double bench_result_tail(const struct bench_result *r, double q)
{
	if (r == NULL)
		return NAN;
	if (r->tail.total > 0)
		return bench_hist_quantile(&r->tail, q) / 1000;
	return median_of(q > 0.995 ? r->p999 : r->p99, r->rounds);
}

double bench_result_ratio(const struct bench_result *r, const struct bench_result *limit, enum bench_of of)
{
	double ratio[BENCH_ROUNDS_MAX];
	size_t rounds;

	if (r == NULL || limit == NULL)
		return NAN;
	rounds = r->rounds < limit->rounds ? r->rounds : limit->rounds;
	for (size_t i = 0; i < rounds; i++)
		ratio[i] = of == BENCH_OF_P999 ? r->p999[i] / limit->p999[i] : r->p50[i] / limit->p50[i];
	return median_of(ratio, rounds);
}

static double figure(const struct bench_result *r, enum bench_of of)
{
	return of == BENCH_OF_P999 ? median_of(r->p999, r->rounds) : bench_result_value(r);
}

/* Of the limits that were measured, the one that does best; NULL: none was. */
static const struct bench_result *best_limit(const struct bench_run *run, const struct bench_goal *goal)
{
	const struct bench_result *best = NULL;

	for (size_t i = 0; i < sizeof(goal->limits) / sizeof(goal->limits[0]) && goal->limits[i] != NULL;
	     i++) {
		const struct bench_result *r = bench_result_of(run, goal->limits[i]);
		double is;

		if (r == NULL || r->rounds == 0)
			continue;
		is = figure(r, goal->of);
		if (best == NULL ||
		    (goal->at_least ? is > figure(best, goal->of) : is < figure(best, goal->of)))
			best = r;
	}
	return best;
}

static bool planned(const struct bench_run *run, const char *name)
{
	for (size_t i = 0; run->plan->subjects[i] != NULL; i++)
		if (strcmp(run->plan->subjects[i]->name, name) == 0)
			return true;
	return false;
}

struct bench_verdict bench_goal_verdict(const struct bench_run *run, const struct bench_goal *goal)
{
	const struct bench_result *r = bench_result_of(run, goal->subject), *limit = best_limit(run, goal);
	struct bench_verdict v = { .value = NAN,
				   .limit = NAN,
				   .ratio = NAN,
				   .unit = "",
				   .note = "",
				   .wanted = goal->at_least ? ">=" : "<=" };

	if (limit != NULL) {
		v.limit = figure(limit, goal->of);
		v.unit = bench_result_unit(limit);
	} else if (goal->fixed > 0) {
		v.limit = goal->fixed;
	}
	if (r == NULL) {
		v.note = planned(run, goal->subject) ? "not chosen" : "not built";
		return v;
	}
	if (r->rounds == 0) {
		v.note = r->rc < 0 ? r->why : "not measured";
		return v;
	}
	v.unit = bench_result_unit(r);
	v.value = figure(r, goal->of);
	v.ratio = goal->fixed > 0 ? v.value / v.limit : bench_result_ratio(r, limit, goal->of);
	v.known = !isnan(v.ratio);
	v.holds = v.known && (goal->at_least ? v.ratio >= goal->goal : v.ratio <= goal->goal);
	if (!v.known)
		v.note = "too few samples";
	return v;
}

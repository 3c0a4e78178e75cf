/*
 * A run: rounds, in each of which every subject has its slice, one after the other. A subject and its limit so see the same
 * machine, however that drifts, and a ratio is the median of what it was in each round.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "lib/pair.h"
#include "lib/stats.h"
#include "lib/subject.h"

enum { BENCH_ROUNDS_MAX = 1000, BENCH_WHY = 160 };

struct bench_config {
	uint32_t rounds;
	uint64_t slice_ns, warm_up_ns; /* of each subject in each round */
	const char *only;              /* names and commas, or NULL: all */
	const char *cores;
};

/* What came of a subject. Figures by round: nanoseconds, millions a second, or the subject's unit. */
struct bench_result {
	const struct bench_subject *subject;
	struct bench_pair own, *pair; /* pair: its own, or that of whom it rides with */
	int rc;
	char why[BENCH_WHY]; /* when rc < 0 */
	size_t rounds;
	double *p50, *p99, *p999; /* of each round; NAN: not measured */
	struct bench_hist tail;   /* of all rounds, in picoseconds */
	double each_ns;           /* an estimate, for the next slice */
};

/* Programs beside this one that have subjects of their own; each is run once a round. */
struct bench_peer {
	const char *program;                  /* "lattice-bench-zeromq" */
	const char *what;                     /* for people: what it needs */
	const struct bench_subject *subjects; /* what it measures: name, what, limit and kind */
	size_t count;
};

struct bench_plan {
	const char *title;
	const struct bench_subject *const *subjects; /* until NULL */
	const struct bench_peer *peers;              /* until one without program */
	const struct bench_goal *goals;              /* until one without name */
};

struct bench_run {
	const struct bench_plan *plan;
	struct bench_config cfg;
	struct bench_result *results;
	size_t count;
	double load; /* of the machine when it began: processes that run */
};

/*
 * What is to hold: a subject's figure in proportion to the limit's of the same run. Of several limits the one that does best
 * counts.
 */
enum bench_of { BENCH_OF_MEDIAN, BENCH_OF_P999 };

struct bench_goal {
	const char *name, *what, *than; /* than: the limit, for people */
	const char *subject;
	const char *limits[4];
	double fixed; /* a limit that is a number and no subject; 0: none */
	double goal;
	bool at_least; /* the ratio is to be no less; else no more */
	enum bench_of of;
};

struct bench_verdict {
	double value, limit, ratio; /* NAN: not known */
	const char *unit, *note;    /* note: "" or why it is not known */
	const char *wanted;         /* how the ratio is compared with the goal: "<=", ">=" */
	bool known, holds;
};

/* Measures. 0, or a negative errno: nothing could be measured. A subject that fails says so in its result. */
int bench_run(struct bench_run *run);
void bench_run_free(struct bench_run *run);

/* NULL: there is none, or it was not chosen. */
const struct bench_result *bench_result_of(const struct bench_run *run, const char *name);
/* The median over the rounds; NAN: nothing was measured. */
double bench_result_value(const struct bench_result *r);
const char *bench_result_unit(const struct bench_result *r);
/* Over all rounds; NAN: not measured. */
double bench_result_tail(const struct bench_result *r, double q);
/* The median of what @r was to @limit in each round. */
double bench_result_ratio(const struct bench_result *r, const struct bench_result *limit, enum bench_of of);

struct bench_verdict bench_goal_verdict(const struct bench_run *run, const struct bench_goal *goal);

#endif

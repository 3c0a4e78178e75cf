#include "lib/run.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/peer.h"

enum { GROUPS_MAX = 1 << 15, SINGLES_MAX = 1 << 20, FIRST = 64, FIRST_BYTES = 1 << 19 };
enum { WATCH_SECONDS = 20, ENTER_SECONDS = 60 };

/* One slice; for subjects with an inside it is run there. */
struct slice {
	struct bench_result *r;
	uint64_t warm, groups, group, singles;
	double *by_group;
	struct bench_hist *tail;
	int rc;
};

/* The subject that runs, and where to go on when it does not come to an end. */
static const char *volatile running = "nothing";
static sigjmp_buf given_up;
static volatile sig_atomic_t may_give_up;

static void watch_over(int sig)
{
	static const char text[] = "bench: does not come to an end: ";

	(void)sig;
	if (may_give_up)
		siglongjmp(given_up, 1);
	if (write(2, text, sizeof(text) - 1) < 0 || write(2, running, strlen(running)) < 0 ||
	    write(2, "\n", 1) < 0)
		_exit(2);
	_exit(1);
}

static bool named(const char *only, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = only; at != NULL && (at = strstr(at, name)) != NULL; at++)
		if ((at == only || at[-1] == ',') && (at[length] == '\0' || at[length] == ','))
			return true;
	return only == NULL;
}

/* Named, or what a goal that is named goes by, or what rides with it is. */
static bool chosen(const struct bench_run *run, const char *name)
{
	if (named(run->cfg.only, name))
		return true;
	for (size_t i = 0; run->plan->subjects[i] != NULL; i++) {
		const struct bench_subject *rider = run->plan->subjects[i];

		if (rider->rides != NULL && strcmp(rider->rides->name, name) == 0 && chosen(run, rider->name))
			return true;
	}
	for (const struct bench_goal *g = run->plan->goals; g != NULL && g->name != NULL; g++) {
		if (!named(run->cfg.only, g->name))
			continue;
		if (strcmp(g->subject, name) == 0)
			return true;
		for (size_t i = 0; i < sizeof(g->limits) / sizeof(g->limits[0]) && g->limits[i] != NULL; i++)
			if (strcmp(g->limits[i], name) == 0)
				return true;
	}
	return false;
}

static void fail(struct bench_result *r, int rc)
{
	r->rc = rc;
	if (r->why[0] == '\0')
		(void)snprintf(r->why, sizeof(r->why), "%s",
			       rc == -ETIMEDOUT ? "does not come to an end" : strerror(-rc));
}

static uint64_t picoseconds(uint64_t ticks)
{
	return (uint64_t)((double)ticks * bench_ns_per_tick * 1000);
}

/* The near side's part of a slice of trips. */
static void trips(void *arg)
{
	struct slice *s = arg;
	struct bench_side *near = &s->r->pair->near;
	int (*go)(struct bench_side *, uint64_t) = near->subject->near;
	uint64_t before;

	s->rc = s->warm > 0 ? go(near, s->warm) : 0;
	before = bench_ticks();
	for (uint64_t i = 0; i < s->groups && s->rc == 0; i++) {
		uint64_t now;

		s->rc = go(near, s->group);
		now = bench_ticks();
		s->by_group[i] = (double)(now - before) * bench_ns_per_tick / (double)s->group;
		before = now;
	}
	before = bench_ticks();
	for (uint64_t i = 0; i < s->singles && s->rc == 0; i++) {
		uint64_t now;

		s->rc = go(near, 1);
		now = bench_ticks();
		bench_hist_add(s->tail, picoseconds(now - before));
		before = now;
	}
}

static uint64_t within(double want, uint64_t least, uint64_t most)
{
	return want < (double)least ? least : want > (double)most ? most : (uint64_t)want;
}

static int settle(struct bench_pair *p)
{
	return p->near.subject->settle != NULL ? p->near.subject->settle(&p->near) : 0;
}

static int slice_of_trips(struct slice *s)
{
	struct bench_pair *p = s->r->pair;
	uint64_t total = s->warm + s->groups * s->group + s->singles;
	int rc;

	if (p->near.subject->inside != NULL) {
		rc = p->near.subject->inside(&p->near, total, trips, s);
		return rc < 0 ? rc : s->rc;
	}
	rc = bench_pair_begin(p, total, 1);
	if (rc < 0)
		return rc;
	trips(s);
	rc = s->rc == 0 ? settle(p) : s->rc;
	return rc < 0 ? rc : bench_pair_end(p);
}

/* How long one takes, about: before the first round. */
static int estimate(struct bench_result *r)
{
	struct slice s = { .r = r, .warm = FIRST };
	uint64_t before = bench_now_ns();
	int rc = slice_of_trips(&s);

	r->each_ns = (double)(bench_now_ns() - before) / FIRST;
	return rc;
}

static int measure_trips(struct bench_result *r, const struct bench_config *cfg, size_t round)
{
	const struct bench_subject *subject = r->subject;
	struct slice s = { .r = r, .group = subject->group };
	struct bench_hist *tail = calloc(1, sizeof(*tail));
	double each, half = (double)cfg->slice_ns / (subject->group > 0 ? 2 : 1);
	int rc = 0;

	if (tail == NULL)
		return -ENOMEM;
	if (r->each_ns <= 0)
		rc = estimate(r);
	each = r->each_ns > 1 ? r->each_ns : 1;
	s.tail = tail;
	s.warm = within((double)cfg->warm_up_ns / each, cfg->warm_up_ns > 0 ? 1 : 0, SINGLES_MAX);
	s.groups = s.group > 0 ? within(half / each / (double)s.group, 3, GROUPS_MAX) : 0;
	s.singles = within(half / each, 10, SINGLES_MAX);
	s.by_group = calloc(s.groups + 1, sizeof(*s.by_group));
	if (s.by_group == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = slice_of_trips(&s);
	if (rc == 0) {
		r->p50[round] = s.groups > 0 ? bench_median(s.by_group, s.groups)
					     : bench_hist_quantile(tail, 0.5) / 1000;
		r->p99[round] = bench_hist_quantile(tail, 0.99) / 1000;
		r->p999[round] = s.singles >= 1000 ? bench_hist_quantile(tail, 0.999) / 1000 : NAN;
		bench_hist_merge(&r->tail, tail);
		r->each_ns = r->p50[round];
	}
	free(s.by_group);
	free(tail);
	return rc;
}

/* Nanoseconds from one stamp to the next, the median: a part in which somebody else had a core says nothing. */
static double between(const uint64_t *stamps, uint32_t count)
{
	double parts[BENCH_TIMES_MAX];

	for (uint32_t i = 1; i < count; i++)
		parts[i - 1] = (double)(stamps[i] - stamps[i - 1]) * bench_ns_per_tick;
	return bench_median(parts, count - 1);
}

/*
 * @parts times @n one way, nanoseconds each. Who lags can be faster for a while, until what lies ready is gone: of the two sides
 * the slower one counts.
 */
static int one_way(struct bench_result *r, uint64_t n, uint32_t parts, double *each_ns)
{
	uint64_t stamps[BENCH_TIMES_MAX];
	int rc = bench_pair_begin(r->pair, n, parts), far;

	for (uint32_t i = 0; i < parts && rc == 0; i++) {
		rc = r->subject->near(&r->pair->near, n);
		stamps[i] = bench_ticks();
	}
	if (rc == 0)
		rc = settle(r->pair);
	if (rc < 0)
		return rc;
	far = bench_pair_end(r->pair);
	*each_ns = fmax(between(stamps, parts), between(bench_pair_stamps(r->pair), parts)) / (double)n;
	return far;
}

/* Of those that are long fewer will do, or a turn would take its time where others have most of the machine. */
static uint64_t least_of(const struct bench_subject *subject)
{
	uint64_t count = subject->bytes > 0 ? FIRST_BYTES / subject->bytes + 1 : FIRST;

	return count < FIRST ? count : FIRST;
}

static int measure_rate(struct bench_result *r, const struct bench_config *cfg, size_t round)
{
	uint64_t least = least_of(r->subject);
	uint32_t parts;
	double each = 0;
	int rc = 0;

	if (r->each_ns <= 0) {
		rc = one_way(r, r->subject->bytes > 0 ? least : FIRST * FIRST, 3, &each);
		r->each_ns = each;
	}
	if (rc == 0 && cfg->warm_up_ns > 0)
		rc = one_way(r, within((double)cfg->warm_up_ns / 3 / r->each_ns, least, UINT32_MAX), 3,
			     &each);
	/* Parts of a millisecond, about. */
	parts = (uint32_t)within((double)cfg->slice_ns / 1e6, 3, BENCH_TIMES_MAX);
	if (rc == 0)
		rc = one_way(r, within((double)cfg->slice_ns / parts / r->each_ns, least, UINT32_MAX), parts,
			     &each);
	if (rc < 0)
		return rc;
	r->each_ns = fmax(each, 0.1);
	r->p50[round] = 1000 / r->each_ns * (r->subject->bytes > 0 ? (double)r->subject->bytes : 1);
	r->p99[round] = r->p999[round] = NAN;
	return 0;
}

static int measure_figure(struct bench_result *r, const struct bench_config *cfg, size_t round)
{
	int rc = r->subject->near(&r->pair->near, cfg->slice_ns);

	r->p50[round] = r->pair->near.figure;
	r->p99[round] = r->p999[round] = NAN;
	return rc;
}

static int measure_kind(struct bench_result *r, const struct bench_config *cfg)
{
	if (r->subject->kind == BENCH_TRIP)
		return measure_trips(r, cfg, r->rounds);
	if (r->subject->kind == BENCH_RATE)
		return measure_rate(r, cfg, r->rounds);
	return measure_figure(r, cfg, r->rounds);
}

/*
 * One with a process of its own that does not come to an end is left where it is, whatever it holds, and not touched again; of
 * threads, one would go on disturbing the others.
 */
static void measure(struct bench_result *r, const struct bench_config *cfg)
{
	int rc;

	running = r->subject->name;
	if (r->pair->near.ctl == NULL) { /* whom it rides with has been abandoned */
		fail(r, -ETIMEDOUT);
		return;
	}
	if (sigsetjmp(given_up, 1) != 0) {
		may_give_up = false;
		bench_stream(false);
		fail(r, -ETIMEDOUT);
		bench_pair_abandon(r->pair);
		return;
	}
	may_give_up = r->subject->with == BENCH_PROCESS;
	(void)alarm(WATCH_SECONDS);
	r->pair->near.subject = r->subject;
	bench_place_move(r->subject->place, false);
	bench_stream(r->subject->streamed);
	rc = measure_kind(r, cfg);
	(void)alarm(0);
	may_give_up = false;
	bench_stream(false);
	if (rc < 0)
		fail(r, rc);
	else
		r->rounds++;
}

static bool make_result(struct bench_result *r, const struct bench_subject *subject, uint32_t rounds)
{
	*r = (struct bench_result){ .subject = subject,
				    .p50 = calloc(rounds, sizeof(double)),
				    .p99 = calloc(rounds, sizeof(double)),
				    .p999 = calloc(rounds, sizeof(double)) };
	r->pair = &r->own;
	return r->p50 != NULL && r->p99 != NULL && r->p999 != NULL;
}

/* Those that ride, with whom. */
static void join_riders(struct bench_run *run)
{
	for (size_t i = 0; i < run->count; i++)
		for (size_t k = 0; k < i; k++)
			if (run->results[k].subject == run->results[i].subject->rides)
				run->results[i].pair = &run->results[k].own;
}

/* 0, or why that which it rides with cannot. */
static int carried(struct bench_run *run, struct bench_result *r)
{
	for (size_t k = 0; k < run->count; k++) {
		const struct bench_result *carrier = &run->results[k];

		if (carrier->subject == r->subject->rides && carrier->rc < 0) {
			(void)snprintf(r->why, sizeof(r->why), "%s", carrier->why);
			return carrier->rc;
		}
	}
	return 0;
}

static int choose(struct bench_run *run)
{
	const struct bench_plan *plan = run->plan;
	size_t max = 0;

	for (size_t i = 0; plan->subjects[i] != NULL; i++)
		max++;
	for (size_t i = 0; plan->peers != NULL && plan->peers[i].program != NULL; i++)
		max += plan->peers[i].count;
	run->results = calloc(max + 1, sizeof(*run->results));
	if (run->results == NULL)
		return -ENOMEM;
	for (size_t i = 0; plan->subjects[i] != NULL; i++)
		if (chosen(run, plan->subjects[i]->name) &&
		    !make_result(&run->results[run->count++], plan->subjects[i], run->cfg.rounds))
			return -ENOMEM;
	for (size_t i = 0; plan->peers != NULL && plan->peers[i].program != NULL; i++)
		for (size_t k = 0; k < plan->peers[i].count; k++)
			if (chosen(run, plan->peers[i].subjects[k].name) &&
			    !make_result(&run->results[run->count++], &plan->peers[i].subjects[k],
					 run->cfg.rounds))
				return -ENOMEM;
	join_riders(run);
	return run->count > 0 ? 0 : -ENOENT;
}

/* A subject of a program beside this one. */
static bool elsewhere(const struct bench_result *r)
{
	return r->subject->near == NULL;
}

static void enter(struct bench_run *run, struct bench_result *r)
{
	int rc;

	running = r->subject->name;
	if (sigsetjmp(given_up, 1) != 0) {
		may_give_up = false;
		fail(r, -ETIMEDOUT);
		bench_pair_abandon(r->pair);
		return;
	}
	may_give_up = r->subject->with == BENCH_PROCESS;
	(void)alarm(ENTER_SECONDS);
	rc = r->subject->rides != NULL ? carried(run, r) : bench_pair_enter(&r->own);
	(void)alarm(0);
	may_give_up = false;
	if (rc < 0)
		fail(r, rc);
}

int bench_run(struct bench_run *run)
{
	struct sigaction over = { .sa_handler = watch_over };
	bool streamed = false;
	int rc = bench_place_init(run->cfg.cores);

	if (rc == 0)
		rc = choose(run);
	if (rc < 0)
		return rc;
	if (getloadavg(&run->load, 1) < 1)
		run->load = NAN;
	bench_clock_init();
	(void)sigaction(SIGALRM, &over, NULL);
	for (size_t i = 0; i < run->count; i++)
		streamed |= run->results[i].subject->streamed;
	if (streamed)
		rc = bench_stream_make();
	if (rc < 0)
		return rc;
	/* Every process is made before the first thread is. */
	for (size_t i = 0; i < run->count; i++) {
		struct bench_result *r = &run->results[i];

		if (r->subject->place == BENCH_APART && r->subject->with != BENCH_ALONE &&
		    bench_place_count() < 2) {
			(void)snprintf(r->why, sizeof(r->why), "needs two cores");
			fail(r, -EOPNOTSUPP);
			continue;
		}
		rc = elsewhere(r) || r->subject->rides != NULL ? 0 : bench_pair_make(&r->own, r->subject);
		if (rc < 0)
			fail(r, rc);
	}
	for (size_t i = 0; i < run->count; i++) {
		struct bench_result *r = &run->results[i];

		if (elsewhere(r) || r->rc < 0)
			continue;
		enter(run, r);
	}
	for (uint32_t round = 0; round < run->cfg.rounds; round++) {
		for (size_t i = 0; i < run->count; i++)
			if (run->results[i].rc == 0 && !elsewhere(&run->results[i]) &&
			    (!run->results[i].subject->once || round == 0))
				measure(&run->results[i], &run->cfg);
		for (size_t i = 0; run->plan->peers != NULL && run->plan->peers[i].program != NULL; i++)
			bench_peer_measure(&run->plan->peers[i], run);
	}
	return 0;
}

static void close_pair(struct bench_result *r)
{
	running = r->subject->name;
	if (sigsetjmp(given_up, 1) == 0) {
		may_give_up = r->subject->with == BENCH_PROCESS;
		(void)alarm(ENTER_SECONDS);
		bench_pair_close(&r->own, r->rc < 0);
		(void)alarm(0);
	} else {
		bench_pair_abandon(&r->own);
	}
	may_give_up = false;
}

void bench_run_free(struct bench_run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct bench_result *r = &run->results[i];

		close_pair(r);
		free(r->p50);
		free(r->p99);
		free(r->p999);
	}
	bench_stream_close();
	free(run->results);
	run->results = NULL;
	run->count = 0;
}

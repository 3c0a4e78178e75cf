#include "lib/report.h"

#include <math.h>
#include <string.h>

#include "lib/place.h"

static const char *three(char out[32], double value, const char *unit)
{
	double size = fabs(value);

	(void)snprintf(out, 32, "%.*f%s%s",
		       size >= 100  ? 0
		       : size >= 10 ? 1
				    : 2,
		       value, *unit != '\0' ? " " : "", unit);
	return out;
}

const char *bench_text(char out[32], double value, const char *unit)
{
	if (isnan(value)) {
		(void)snprintf(out, 32, "-");
		return out;
	}
	if (strcmp(unit, "ns") == 0 && value >= 999500)
		return three(out, value / 1e6, "ms");
	if (strcmp(unit, "ns") == 0 && value >= 999.5)
		return three(out, value / 1e3, "us");
	if (strcmp(unit, "B") == 0 && value >= 9999.5)
		return three(out, value / 1024, "KiB");
	return three(out, value, unit);
}

static void table_of_subjects(FILE *to, const struct bench_run *run)
{
	fprintf(to, "\n%-20s %-54s %10s %10s %10s  %s\n", "", "", "median", "p99", "p99.9", "to its limit");
	for (size_t i = 0; i < run->count; i++) {
		const struct bench_result *r = &run->results[i];
		const char *unit = bench_result_unit(r);
		char p50[32], p99[32], p999[32], ratio[32];

		fprintf(to, "%-20s %-54s ", r->subject->name, r->subject->what);
		if (r->rounds == 0) {
			fprintf(to, "%s\n", r->rc < 0 ? r->why : "not measured");
			continue;
		}
		fprintf(to, "%10s %10s %10s", bench_text(p50, bench_result_value(r), unit),
			bench_text(p99, bench_result_tail(r, 0.99), unit),
			bench_text(p999, bench_result_tail(r, 0.999), unit));
		if (!isnan(bench_result_ratio(r, bench_result_of(run, r->subject->limit), BENCH_OF_MEDIAN)))
			fprintf(to, "  %s of %s",
				bench_text(ratio,
					   bench_result_ratio(r, bench_result_of(run, r->subject->limit),
							      BENCH_OF_MEDIAN),
					   ""),
				r->subject->limit);
		if (r->rc < 0)
			fprintf(to, "  (then: %s)", r->why);
		fputc('\n', to);
	}
}

static void table_of_goals(FILE *to, const struct bench_run *run)
{
	size_t holding = 0, known = 0, all = 0;

	for (const struct bench_goal *g = run->plan->goals; g != NULL && g->name != NULL; g++) {
		struct bench_verdict v = bench_goal_verdict(run, g);
		char value[32], limit[32], ratio[32];

		if (run->cfg.only != NULL && !v.known && v.note[0] != '\0' && isnan(v.value))
			continue; /* nobody asked */
		if (all++ == 0)
			fprintf(to, "\n%-5s %-50s %10s  %-36s %10s %7s %8s\n", "goal", "", "median", "limit",
				"", "ratio", "wanted");
		fprintf(to, "%-5s %-50s %10s  %-36s %10s %7s  %s %.2f  %s\n", g->name, g->what,
			bench_text(value, v.value, v.unit), g->than, bench_text(limit, v.limit, v.unit),
			bench_text(ratio, v.ratio, ""), v.wanted, g->goal,
			!v.known  ? v.note
			: v.holds ? "holds"
				  : "MISSED");
		known += v.known;
		holding += v.holds;
	}
	if (all > 0)
		fprintf(to, "\n%zu of %zu hold, %zu are missed, %zu could not be measured\n", holding, all,
			known - holding, all - known);
}

void bench_report_table(FILE *to, const struct bench_run *run)
{
	char machine[320];

	bench_place_describe(machine, sizeof(machine));
	fprintf(to,
		"%s\n%s\n%u round%s; in each, every subject has %.0f ms, after %.0f ms to warm up. Cores %d and %d.\n",
		run->plan->title, machine, run->cfg.rounds, run->cfg.rounds == 1 ? "" : "s",
		(double)run->cfg.slice_ns / 1e6, (double)run->cfg.warm_up_ns / 1e6, bench_place_core(false),
		bench_place_core(true));
	if (run->load > 0.5)
		fprintf(to,
			"The machine was busy with other things before it began (load %.1f): the figures suffer.\n",
			run->load);
	table_of_subjects(to, run);
	table_of_goals(to, run);
}

/* ---- JSON ---- */

static void json_text(FILE *to, const char *name, const char *text)
{
	fprintf(to, ",\"%s\":\"", name);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
	}
	fputc('"', to);
}

static void json_number(FILE *to, const char *name, double value)
{
	if (isfinite(value))
		fprintf(to, ",\"%s\":%.6g", name, value);
	else
		fprintf(to, ",\"%s\":null", name);
}

static void json_line(FILE *to, const char *name, const char *what, const struct bench_verdict *v,
		      double goal, double p99, double p999)
{
	fprintf(to, "{\"name\":\"%s\"", name);
	json_number(to, "value", v->value);
	json_number(to, "limit", v->limit);
	json_text(to, "unit", v->unit);
	json_number(to, "ratio", v->ratio);
	json_number(to, "goal", goal);
	fprintf(to, ",\"holds\":%s", !v->known || isnan(goal) ? "null" : v->holds ? "true" : "false");
	json_number(to, "p99", p99);
	json_number(to, "p999", p999);
	json_text(to, "wanted", v->wanted != NULL ? v->wanted : "");
	json_text(to, "what", what);
	json_text(to, "note", v->note);
	fprintf(to, "}\n");
}

void bench_report_json(FILE *to, const struct bench_run *run)
{
	char machine[320];
	struct bench_verdict v = {
		.value = bench_place_count(), .limit = NAN, .ratio = NAN, .unit = "cores", .note = ""
	};

	bench_place_describe(machine, sizeof(machine));
	json_line(to, "machine", machine, &v, NAN, NAN, NAN);
	for (size_t i = 0; i < run->count; i++) {
		const struct bench_result *r = &run->results[i],
					  *limit = bench_result_of(run, r->subject->limit);

		v = (struct bench_verdict){ .value = bench_result_value(r),
					    .limit = bench_result_value(limit),
					    .ratio = bench_result_ratio(r, limit, BENCH_OF_MEDIAN),
					    .unit = bench_result_unit(r),
					    .note = r->rc < 0 ? r->why : "" };
		json_line(to, r->subject->name, r->subject->what, &v, NAN, bench_result_tail(r, 0.99),
			  bench_result_tail(r, 0.999));
	}
	for (const struct bench_goal *g = run->plan->goals; g != NULL && g->name != NULL; g++) {
		const struct bench_result *r = bench_result_of(run, g->subject);

		v = bench_goal_verdict(run, g);
		json_line(to, g->name, g->what, &v, g->goal, bench_result_tail(r, 0.99),
			  bench_result_tail(r, 0.999));
	}
}

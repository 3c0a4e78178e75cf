/* A run told: as a table, as JSON, as a picture. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "lib/run.h"

void bench_report_table(FILE *to, const struct bench_run *run);

/*
 * An object a line:
 * {"name":..,"value":..,"limit":..,"unit":..,"ratio":..,"goal":..,"holds":..,"p99":..,"p999":..,"wanted":..,"what":..,"note":..}
 * for the machine (its value is the number of cores), for each subject (its goal is null) and for each goal. What is not
 * known is null.
 */
void bench_report_json(FILE *to, const struct bench_run *run);

/* The goals as SVG: a bar for each, from the goal to where it is. */
void bench_plot(FILE *to, const struct bench_run *run);

/* "107 ns", "4.82 us", "115 M/s": three figures. */
const char *bench_text(char out[32], double value, const char *unit);

#endif

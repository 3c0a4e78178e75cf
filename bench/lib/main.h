/* The whole of a benchmark program: options, run, report. */
#ifndef BENCH_MAIN_H
#define BENCH_MAIN_H

#include "lib/run.h"

/* Returns the exit status: 0 when it was measured, whether goals hold or not; 1 when not; 2 for wrong usage. */
int bench_main(const struct bench_plan *plan, int argc, char **argv);

#endif

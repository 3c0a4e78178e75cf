/* Lattice through its public calls. */
#ifndef BENCH_SUBJECTS_LATTICE_H
#define BENCH_SUBJECTS_LATTICE_H

#include <lattice/lattice.h>

#include "lib/subject.h"

extern const struct bench_subject lattice_tasks;
extern const struct bench_subject lattice_threads, lattice_threads_rate48, lattice_threads_rate64;
extern const struct bench_subject lattice_threads_one, lattice_threads_free;
extern const struct bench_subject lattice_second, lattice_last, lattice_idle;

#endif

/* Where things run: the two cores of a run, pinning, and what the machine is, in words. */
#ifndef BENCH_PLACE_H
#define BENCH_PLACE_H

#include <stdbool.h>
#include <stdio.h>

enum bench_place {
	BENCH_APART,    /* each side on a core of its own */
	BENCH_TOGETHER, /* both on one */
	BENCH_FREE,     /* wherever the scheduler puts them */
};

/*
 * Chooses the two cores: @list is "A,B", or NULL for the first two that this process may use and that are not threads of one
 * core. 0, or -EINVAL: not such a list, or not cores of ours. With one core only both are that one.
 */
int bench_place_init(const char *list);

/* How many cores there are to use; the two chosen ones. */
int bench_place_count(void);
int bench_place_core(bool far);

/* Moves the calling thread to where its side belongs. */
void bench_place_move(enum bench_place place, bool far);
/* Moves it to core number @i, modulo how many there are, of those that may be used. */
void bench_place_nth(int i);

/* "2 cores, model, L1d 32K L2 1024K L3 32768K, Linux 6.1 x86_64, in a virtual machine" */
void bench_place_describe(char *out, size_t room);

#endif

/* Subjects that live in a program of their own, because they link what this one may not. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "lib/run.h"

/* Runs the program for one round and takes its figures into the results of its subjects. */
void bench_peer_measure(const struct bench_peer *peer, struct bench_run *run);

#endif

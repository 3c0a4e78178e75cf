/* The limits: what the machine can do, with nothing of Lattice in it. What each is stands in its file. */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include "lib/subject.h"

extern const struct bench_subject limit_switch;
extern const struct bench_subject limit_line_thread, limit_line, limit_line_streamed, limit_slot_thread,
	limit_slot;
extern const struct bench_subject limit_ring48, limit_ring64, limit_ring64_index;
extern const struct bench_subject limit_futex, limit_eventfd, limit_pipe, limit_seqpacket;
extern const struct bench_subject limit_futex_one, limit_eventfd_one, limit_pipe_one, limit_seqpacket_one;
extern const struct bench_subject limit_block, limit_memcpy;
extern const struct bench_subject limit_rpc;

#endif

/* Lattice between two nodes of this machine, through its public calls. */
#ifndef BENCH_SUBJECTS_REMOTE_H
#define BENCH_SUBJECTS_REMOTE_H

#include "lib/subject.h"

extern const struct bench_subject remote_udp_polled, remote_udp, remote_tcp_polled, remote_tcp;
extern const struct bench_subject remote_udp_64, remote_udp_64_threads, remote_tcp_64, remote_tcp_64_threads;
extern const struct bench_subject remote_udp_64k, remote_udp_64k_threads, remote_tcp_64k,
	remote_tcp_64k_threads;
extern const struct bench_subject remote_udp_call, remote_tcp_call;
extern const struct bench_subject remote_handshake, remote_handshake_time;

#endif

/* The limits of what goes between nodes, with nothing of Lattice in them. What each is stands in its file. */
#ifndef BENCH_LIMITS_NET_H
#define BENCH_LIMITS_NET_H

#include "lib/subject.h"

extern const struct bench_subject limit_udp, limit_udp_sealed, limit_udp_asleep, limit_udp_stream;
extern const struct bench_subject limit_seal_udp, limit_seal_tcp;
extern const struct bench_subject limit_handshake;

#endif

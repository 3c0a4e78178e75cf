/*
 * How long a datagram the path to one peer carries (PROTOCOL section 7, in the manner of RFC 8899): found by probes that
 * somebody acknowledges, and given up when nothing longer than LAT_UDP_BASE gets through any more. What routers say
 * is not listened to. Pure, and without a timer: a search begins when the peer is sent something for somebody's sake, and goes on
 * by itself to its end. So who is idle begins none.
 *
 * A probe that is lost beside others says that the path is crowded, not that it is too narrow: it is tried again, ever later. One that
 * is lost alone counts; three end the search, for a while that doubles.
 */
#ifndef LAT_SESSION_PMTU_H
#define LAT_SESSION_PMTU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lat_pmtu {
	uint16_t now;        /* bytes of UDP payload that packets may have */
	uint16_t most;       /* that the peer takes */
	uint16_t probe;      /* bytes of the probe that is in flight; 0: none is */
	uint8_t tries;       /* probes of that length that were lost */
	uint8_t silent;      /* times in a row that nothing longer than LAT_UDP_BASE got through */
	bool used;           /* something was sent: there is a search, unless there is nothing to find */
	uint8_t crowded;     /* probes of that length that were lost beside others */
	uint64_t at_ns;      /* no probe before that */
	uint64_t pause_ns;   /* how long the next pause will be */
	uint64_t crowded_ns; /* when something that was no probe was last found lost; 0: never */
};

/* A new path. */
void lat_pmtu_init(struct lat_pmtu *m);
/* What the peer says it takes. */
void lat_pmtu_limit(struct lat_pmtu *m, uint16_t udp_max);
/* Something goes out that somebody wanted sent. */
void lat_pmtu_used(struct lat_pmtu *m, uint64_t now);
/* Bytes of a probe to be sent now, or 0. It is in flight until one of the next three. */
uint16_t lat_pmtu_next(struct lat_pmtu *m, uint64_t now);
void lat_pmtu_probe_acked(struct lat_pmtu *m, uint16_t bytes);
/* @near_ns: how long ago others may have been lost for the path to be crowded. Tell of those first. */
void lat_pmtu_probe_lost(struct lat_pmtu *m, uint64_t now, uint16_t bytes, uint64_t near_ns);
/* Packets that were no probes were lost. */
void lat_pmtu_others_lost(struct lat_pmtu *m, uint64_t now);
/* Nobody will hear of it: its session is over. */
void lat_pmtu_probe_forgotten(struct lat_pmtu *m);
/* A packet of @bytes was acknowledged. */
void lat_pmtu_acked(struct lat_pmtu *m, size_t bytes);
/* Packets longer than LAT_UDP_BASE were lost, or a probe time-out passed over one. */
void lat_pmtu_silent(struct lat_pmtu *m, uint64_t now);
/* The interface does not take a packet of @bytes, a probe or not. */
void lat_pmtu_refused(struct lat_pmtu *m, uint64_t now, size_t bytes);

#endif

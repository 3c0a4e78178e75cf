/*
 * What is known of the way to one peer over UDP (PROTOCOL section 7): round trips, how much is in flight, when that counts
 * as lost (in the shape of RFC 8985), when to probe, and when the next packet may go. Pure: knows no packets, only their
 * times and lengths. What was sent where is the lanes' to know (sent.h).
 */
#ifndef LAT_SESSION_RECOVERY_H
#define LAT_SESSION_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "session/cc.h"

struct lat_recovery {
	struct lat_cc *cc;
	size_t flight_bytes;
	uint64_t srtt_ns, rttvar_ns; /* srtt 0: not known */
	uint64_t min_rtt_ns;         /* the shortest of this path; 0: not known */
	uint64_t slept_ns;           /* what was sent until then measures no round trip: the machine slept */
	uint64_t stamp_ns;           /* when the newest packet was sent */
	uint64_t eliciting_ns;       /* the newest that elicits an ACK */

	/* losses by time */
	uint64_t newest_ns;   /* when the newest packet that is acknowledged was sent */
	uint64_t rtt_ns;      /* and how long its acknowledgement took */
	uint64_t lost_at_ns;  /* the next one in flight is lost then; UINT64_MAX: none is */
	uint32_t reorder;     /* quarters of a round trip that packets may be late */
	uint32_t in_order;    /* cuts since one was late */
	uint64_t widened_ns;  /* when `reorder` last grew */
	uint64_t acked_lo_ns; /* when the oldest was sent that the last ACK was the first to acknowledge */
	/* the last cut of the window: for packets sent in between, and how many of them were late, not lost */
	uint64_t cut_lo_ns, cut_hi_ns, cut_lost, cut_late;

	/* probes */
	uint64_t pto_at_ns; /* UINT64_MAX: nothing is in flight */
	uint32_t pto_count; /* since the last packet from there */
	uint32_t probes;    /* packets that may go beyond the window */

	/* pace */
	uint64_t pace_ns; /* all of what was sent will have gone by then, at the rate that was allowed */
	bool limited;     /* something was kept back since the last acknowledgement */
	bool paced;       /* by the pace: ask again at lat_recovery_pace_at() */
};

/* 0 or -ENOMEM. */
LAT_MUST_CHECK int lat_recovery_init(struct lat_recovery *r, const struct lat_cc_ops *ops,
				     size_t packet_bytes);
void lat_recovery_fini(struct lat_recovery *r);
/* Another path, or the peer is another process: begins anew, but for what is in flight. Should memory lack, goes on. */
void lat_recovery_restart(struct lat_recovery *r);

/* The time to note for a packet that is sent now: rises with each. */
uint64_t lat_recovery_stamp(struct lat_recovery *r, uint64_t now);
/* A packet of that many bytes that elicits an ACK goes out. */
void lat_recovery_sent(struct lat_recovery *r, uint64_t now, size_t bytes);
/* May another such packet go now? Notes why not. */
bool lat_recovery_may_send(struct lat_recovery *r, uint64_t now);
/* When the pace allows the next one; UINT64_MAX: it is not the pace that holds it. */
uint64_t lat_recovery_pace_at(const struct lat_recovery *r);

/* To be called before anything else of an ACK, or of the probe timer: a timer this late means that the machine slept. */
void lat_recovery_woken(struct lat_recovery *r, uint64_t now);
/* An ACK took @rtt, of which the other side says that @delay was its own. Returns what the way took. */
uint64_t lat_recovery_rtt(struct lat_recovery *r, uint64_t rtt, uint64_t delay);
/* Packets sent at @lo, at @hi and perhaps in between were acknowledged for the first time. */
void lat_recovery_acked(struct lat_recovery *r, uint64_t now, uint64_t lo, uint64_t hi);
/* A packet counts as lost when it was sent at this time or before. */
uint64_t lat_recovery_lost_before(const struct lat_recovery *r, uint64_t now);
/* The oldest in flight was sent at @sent_ns: when is it lost? UINT64_MAX: nothing that was sent later arrived yet. */
uint64_t lat_recovery_lost_at(const struct lat_recovery *r, uint64_t sent_ns);
/* Packets sent from @lo to @hi were lost. Tells the controller. */
void lat_recovery_lost(struct lat_recovery *r, uint64_t lo, uint64_t hi, size_t count);
/* One that counted as lost was acknowledged after all: packets may be later from now on. */
void lat_recovery_late(struct lat_recovery *r, uint64_t now, uint64_t sent_ns);

/* Until a probe goes out, at present. */
uint64_t lat_recovery_pto(const struct lat_recovery *r);
/* Sets the probe timer anew: something was acknowledged, or a probe was sent. */
void lat_recovery_rearm(struct lat_recovery *r, uint64_t now);
/* Something came from the peer: no need to wait ever longer. */
void lat_recovery_heard(struct lat_recovery *r, uint64_t now);

#endif

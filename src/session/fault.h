/*
 * Deliberate faults, for the tests alone: "make sim-mutants" and "make interleave-mutants" build the engine once with each, and
 * the storms, or the search, must notice.
 * Without LAT_FAULT, as everywhere else, there is none, and the compiler leaves all of it out.
 */
#ifndef LAT_SESSION_FAULT_H
#define LAT_SESSION_FAULT_H

#include <stdbool.h>

enum lat_fault {
	LAT_FAULT_NONE,
	LAT_FAULT_DUPLICATE,   /* a message that was taken is handed up again when it comes again */
	LAT_FAULT_ACK_TOO_FAR, /* an ACK speaks of one packet more than arrived */
	LAT_FAULT_ACK_SESSION, /* an ACK of an old session counts in the new one */
	LAT_FAULT_CREDIT_LATE, /* credit is raised only when all of it is used up */
	LAT_FAULT_FORGET_LOST, /* a run of messages that was lost is not sent again */
	LAT_FAULT_ORDER,       /* a whole message is handed up though one before it is missing */
	LAT_FAULT_DEAD_RIGHT,  /* what was opened by a right goes on when that has ended */
	LAT_FAULT_REPLY_TWICE, /* a call that was answered may be answered again */
	LAT_FAULT_REPLY_OTHER, /* a reply goes to who has waited longest */
	LAT_FAULT_CALL_LEFT,   /* who waits on a channel that ends is not told */
	LAT_FAULT_DEAF_CANCEL, /* who gave up is told what comes after all */
	LAT_FAULT_M4_SKIPPED,  /* the caller takes the session for made when it has sent M3 */
	LAT_FAULT_M2_OLD,      /* an M2 that answers a former M1 is taken */
	LAT_FAULT_UNCONFIRMED, /* the called uses a session before DATA has opened in it */
	LAT_FAULT_CROSSED,     /* of two handshakes that cross each side keeps its own */
	LAT_FAULT_DISRUPTED,   /* an M1 ends the session that is there */
	LAT_FAULT_COUNT,
};

#ifndef LAT_FAULT
#define LAT_FAULT LAT_FAULT_NONE
#endif

static inline bool lat_fault(enum lat_fault fault)
{
	return (int)fault == (int)(LAT_FAULT);
}

#endif

/*
 * Deliberate faults, for the tests alone: "make sim-mutants" builds the engine once with each, and the storms must notice.
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

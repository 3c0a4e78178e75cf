/*
 * The hand-off: a message, or a call, put into the hands of a task that waits for it, which runs at once. Nine conditions decide;
 * to look at them changes nothing. Then comes the point of no return, and after it only steps that cannot fail. When a condition
 * does not hold, it is counted, and the message goes the ordinary way, to the same effect but later.
 */
#ifndef LAT_FASTPATH_EXECUTE_H
#define LAT_FASTPATH_EXECUTE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/flows.h"

/* In the order in which they are looked at, and by their numbers. */
enum lat_condition {
	LAT_P1_NO_CAPABILITY, /* none travels in the message */
	LAT_P2_FITS,          /* one slot carries it, and the receiver's buffer takes it */
	LAT_P3_HEALTHY,       /* the channel is open at both ends */
	LAT_P4_RIGHT,         /* the capability is for this, and current */
	LAT_P5_WAITING,       /* a receiver waits in the inbox */
	LAT_P6_PRIORITY,      /* one that may run before the sender goes on */
	LAT_P7_DOMAIN,        /* sender and receiver are tasks, or flows that can be switched to */
	LAT_P8_FIRST,         /* nothing is queued before it */
	LAT_P9_SCHEDULER,     /* of one scheduler */
	LAT_CONDITIONS
};

enum { LAT_EXECUTE_LEN_MAX = 48 }; /* P2 */

struct lat_execute_counts {
	_Atomic(uint64_t) handed;
	_Atomic(uint64_t) refused[LAT_CONDITIONS]; /* by the first that did not hold */
};

struct lat_chan;

struct lat_flow_ops;

/*
 * P5, P7, P9, as far as they can be told from afar: the caller is a flow, and the receivers are flows of its thread; *ops says how
 * these switch. Otherwise *why, and it is counted; but not for a thread without flows, which that costs nothing.
 */
bool lat_execute_near(struct lat_chan *ch, struct lat_flow_ops *ops, enum lat_condition *why);

/* Counts @why: -EAGAIN. */
int lat_execute_refused(struct lat_chan *ch, enum lat_condition why);

/*
 * Hands a message off: 0, the receiver has it and runs or ran. -EAGAIN: a condition does not hold, *why says which; nothing was
 * done.
 */
LAT_MUST_CHECK int lat_chan_execute(struct lat_chan *ch, int32_t type, const void *data, size_t len,
				    enum lat_condition *why);

struct lat_execute_stats {
	uint64_t handed, refused[LAT_CONDITIONS];
};
void lat_chan_execute_stats(const struct lat_chan *ch, struct lat_execute_stats *out);

#endif

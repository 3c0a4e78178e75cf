/*
 * A lane: the sending end of a channel to another member. One that is far leads on from there, to another node (far.h). For the
 * files that share it.
 */
#ifndef LAT_NODE_LANE_H
#define LAT_NODE_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/pair.h"

struct lat_lane {
	struct lat_pair *pair; /* a reference */
	struct lat_link_out *out;
	uint32_t chan;
	bool far;
	uint64_t grant;
	struct lat_cap_ref life; /* of the right that it was opened by; the attach thread's */
	struct lat_lives *lives; /* the page of that; NULL: it needs none. A reference */
	uint32_t rights;         /* as of struct lat_note */

	/* The lock's. */
	enum { LANE_ASKED, LANE_OPEN, LANE_REFUSED } state;
	int rc;        /* refused: why */
	bool owned;    /* somebody will call lat_lane_close(), or waits for the answer */
	bool gone;     /* out of the table */
	bool finished; /* the other was told that no more is sent */
	struct lat_waitq changed;
	UT_hash_handle hh;
	bool asked;       /* far: an answer is on its way */
	int far_rc;       /* why the other node cannot be reached now; 0: not known */
	uint64_t far_got; /* what it has received */

	atomic_bool far_open;       /* it has opened */
	_Atomic(uint64_t) received; /* what the other said at the end + 1; 0: nothing yet */
};

struct lat_lane_to {
	int32_t src, dst;
	uint32_t node, origin;             /* of dst and of src, 0: this one */
	uint32_t flags;                    /* far: enum lattice_channel_flag */
	const struct lat_cap_right *right; /* to be shown, to @node's issuer; NULL: none is */
};

/* What the host said of a channel: its grant, and the right that it is opened by. */
struct lat_lane_grant {
	uint64_t grant;
	struct lat_cap_ref life;
	struct lat_lives *lives; /* the page of that; NULL: it needs none. Who asks keeps his reference */
	uint32_t rights;         /* as of struct lat_note */
};

/*
 * Asks for the channel that the host has granted; lane->changed tells of the answer. 0, -EAGAIN (the pair went), -ENOBUFS, -ENOMEM.
 * Then lat_lane_close() ends it, answered or not.
 */
LAT_MUST_CHECK int lat_lane_ask(struct lat_lane **out, struct lat_pair *p, const struct lat_lane_to *to,
				const struct lat_lane_grant *grant, const struct lat_link_out_config *cfg);
/* 0 it is open, -EINPROGRESS, -EAGAIN (to be asked for again from the beginning), or why it was refused. The links' lock is held. */
LAT_MUST_CHECK int lat_lane_answer_locked(const struct lat_lane *lane);
/* As lat_lane_open(), without the sentence; -ENETUNREACH: the host has no network. */
LAT_MUST_CHECK int lat_lane_try(struct lat_lane **out, struct lat_links *ls, const struct lat_lane_to *to,
				const struct lat_link_out_config *cfg);
/* Open, or gone: no more is sent, and lane->gone tells when the other has taken or dropped all. Nobody is in a call on it. */
void lat_lane_finish(struct lat_lane *lane);

#endif

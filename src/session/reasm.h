/*
 * The incoming messages of one channel: puts fragments together, refuses repeats, keeps order (PROTOCOL
 * 6.3, 6.4). Two kinds behind one interface:
 *
 *   reliable  held out of order within the credit given out; handed up exactly in order. Credit is charged
 *             when it is given, so what is held never needs memory that is not there. limit - consumed
 *             bytes are charged, and never less than LAT_CREDIT_MIN_BYTES, so a channel can always go on.
 *   lossy     handed up when complete, in any order, each sequence number at most once; at most
 *             LAT_REASM_OPEN_MAX partial messages, each for LAT_REASM_TIME; charged when the first fragment
 *             comes.
 *
 * Tokens, liveness and rates are the caller's: it looks at a message when it is complete.
 */
#ifndef LAT_SESSION_REASM_H
#define LAT_SESSION_REASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "session/budget.h"
#include "wire/limits.h"
#include "wire/message.h"

/* A piece of a message as it arrived: a MSG, or one body of a MSGS (off 0, len == msg_len). */
struct lat_reasm_frag {
	uint64_t seq; /* from 1 */
	uint32_t msg_len, off, len;
	const uint8_t *data;
	const uint8_t *token; /* LAT_WIRE_TOKEN bytes with off 0, else NULL; NULL too for a body of a run */
	bool verified;        /* a body of a run whose token was right, or a MSG already checked */
	uint8_t flags;        /* of the frame; kept with the message */
};

/* A message held. */
struct lat_reasm_msg {
	uint64_t seq;
	uint32_t msg_len;
	uint32_t units_missing; /* 0: complete */
	uint8_t *body;          /* cap bytes; msg_len when complete */
	uint32_t cap;
	uint32_t extent;   /* end of the last byte seen */
	uint64_t *bitmap;  /* unit held; NULL when complete or when small fits */
	uint64_t small;    /* the bitmap of a message of at most 64 units */
	uint64_t since_ns; /* lossy: when its first fragment came */
	size_t charged;    /* bytes; reliable: beside those that credit pays for */
	bool has_token, verified;
	uint8_t flags;
	uint8_t token[LAT_WIRE_TOKEN];
};

struct lat_reasm {
	bool reliable;
	uint32_t max_msg; /* longest msg_len that this node announced */
	struct lat_budgets budgets;
	/* reliable */
	uint64_t next;               /* the next sequence number to be handed up; all below were */
	uint64_t consumed;           /* bytes of the stream handed up */
	uint64_t limit;              /* bytes of the stream that the peer may send below */
	uint64_t charged;            /* max(limit - consumed, LAT_CREDIT_MIN_BYTES) */
	uint64_t window;             /* credit beyond consumed that is aimed at */
	uint64_t used_at, used_ns;   /* consumed when a window was last used up, and when that was */
	struct lat_reasm_msg **ring; /* by sequence number, from next on */
	uint64_t ring_mask;
	uint64_t top;              /* highest sequence number held; 0: nothing held */
	uint64_t held, held_bytes; /* messages, and the sum of their msg_len */
	/* lossy */
	struct lat_reasm_msg *open[LAT_REASM_OPEN_MAX];
	uint64_t highest;                   /* highest sequence number done with */
	uint64_t seen[LAT_SEQ_WINDOW / 64]; /* ring of bits by seq */
	uint64_t holes;                     /* numbers in the window below highest that are not done with */
	uint64_t holes_to, holes_end_ns;    /* those up to this one are given up then; 0: there are none */
	uint64_t missed;                    /* sequence numbers that were given up unseen */
	uint64_t given_up;                  /* partial messages forgotten */
};

/* 0; reliable: -ENOBUFS when not even LAT_CREDIT_MIN_BYTES can be charged. next_seq starts at 1. */
LAT_MUST_CHECK int lat_reasm_init(struct lat_reasm *r, bool reliable, uint32_t max_msg,
				  struct lat_budgets budgets);
/* Frees and releases all. Fine on zeroed memory. */
void lat_reasm_fini(struct lat_reasm *r);

/*
 * May this piece be taken? Changes nothing. For a whole message that is next (or any, on a lossy channel)
 * the caller may then check its token and hand it up from the packet itself, and say so with
 * lat_reasm_pass().
 * 0, or
 *   -EALREADY  held or handed up before, lossy: or too old: ignore it
 *   -EPROTO    not a fragment of PROTOCOL 6.4, another msg_len than before, msg_len over max_msg, past the
 *              credit
 */
LAT_MUST_CHECK int lat_reasm_check(const struct lat_reasm *r, const struct lat_reasm_frag *f);

/*
 * Takes it. The bytes are copied.
 * 1: the message f->seq is complete now: lat_reasm_find() it; 0: taken, not complete;
 *   -EALREADY  nothing new in it
 *   -EPROTO    as lat_reasm_check()
 *   -ENOMEM    no memory, or the peer has stretched its budget too far by holding very many messages: nothing was taken, so do
 *              not acknowledge the packet
 *   -ENOBUFS   lossy: no charge for it: dropped
 */
LAT_MUST_CHECK int lat_reasm_add(struct lat_reasm *r, uint64_t now, const struct lat_reasm_frag *f);

/*
 * The message with that number, complete or not; NULL: not held. Valid until the next call that is not a
 * look-up.
 */
struct lat_reasm_msg *lat_reasm_find(const struct lat_reasm *r, uint64_t seq);
/* Reliable: the next message in order if it is complete, else NULL. */
struct lat_reasm_msg *lat_reasm_head(const struct lat_reasm *r);
/*
 * Done with a held message: reliable: it must be the head, and its bytes count as consumed; lossy: any.
 * Frees it.
 */
void lat_reasm_consume(struct lat_reasm *r, uint64_t seq);
/*
 * Done with a whole message that was never held (reliable: seq must be next). A partial of it is forgotten.
 */
void lat_reasm_pass(struct lat_reasm *r, uint64_t seq, uint32_t msg_len);

/* Reliable: does the peer need a CREDIT frame by the rules of 6.4? False on a lossy channel. */
bool lat_reasm_credit_due(const struct lat_reasm *r);
/*
 * Raises the limit as far as charge allows and 6.4 asks. @rtt_ns: the shortest round trip to the peer, 0 unknown: a window that is
 * used up within four of them holds the channel up, and may grow beyond the usual. 0 with *limit for the CREDIT frame, which then
 * must be sent;
 * -ENOBUFS: nothing could be charged now, try again when memory was released.
 */
LAT_MUST_CHECK int lat_reasm_credit_raise(struct lat_reasm *r, uint64_t now, uint64_t rtt_ns,
					  uint64_t *limit);

/*
 * Lossy: gives up partial messages older than LAT_REASM_TIME, and numbers that have been missing below a later one at two calls
 * that are as far from each other. When something is due next; UINT64_MAX: nothing is. After messages were taken, ask again.
 */
uint64_t lat_reasm_expire(struct lat_reasm *r, uint64_t now);
/* Lossy: all up to @final were sent, and nothing more is taken: what is missing was missed. */
void lat_reasm_end(struct lat_reasm *r, uint64_t final);

#endif

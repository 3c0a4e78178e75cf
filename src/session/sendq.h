/*
 * The outgoing stream of one channel: messages accepted and not yet acknowledged, in order. It owns the
 * bodies, cuts them into fragments and runs, makes their tokens, and keeps for each unit of 64 bytes
 * whether it is to be sent or acknowledged (PROTOCOL 6.3, 6.4). It outlives sessions. On a lossy channel a
 * message is forgotten when it was sent.
 */
#ifndef LAT_SESSION_SENDQ_H
#define LAT_SESSION_SENDQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "session/sent.h"
#include "session/token.h"
#include "wire/frame.h"
#include "wire/message.h"

struct lat_sendq_msg;

struct lat_sendq {
	bool reliable;
	int32_t src_pid, dst_pid;
	size_t bytes_max;            /* bound on bytes_held */
	size_t bytes_held;           /* bodies and LAT_SENDQ_MSG_COST for each */
	struct lat_sendq_msg **ring; /* by sequence number */
	uint64_t ring_mask;
	uint64_t first_seq;  /* oldest message held; == next_seq: none */
	uint64_t next_seq;   /* of the next message accepted */
	uint64_t need_seq;   /* no message below it has anything to send */
	uint64_t stream_end; /* stream offset behind the newest message accepted */
	uint64_t limit;      /* bytes of the stream may be sent below it */
	uint64_t cancels;    /* of those held: that only say that a call was given up */
	uint64_t held;       /* messages held: accepted, not wholly acknowledged (lossy: not wholly sent) */
	uint64_t need_units; /* units to be sent, regardless of the limit */
};

enum { LAT_SENDQ_MSG_COST = 96 }; /* what a message costs beside its body, roughly, in bytes */

/* The first message has sequence number 1. The limit starts at 0; lossy channels have none. */
void lat_sendq_init(struct lat_sendq *q, bool reliable, int32_t src_pid, int32_t dst_pid, size_t bytes_max);
/* Frees all; nothing is reported. */
void lat_sendq_fini(struct lat_sendq *q);

/* What else a message may be than one. */
struct lat_sendq_head {
	uint8_t flags;           /* of its frames */
	bool bare;               /* no type, no data */
	bool force;              /* there is always room */
	struct lat_bytes before; /* with flags: first in its payload; copied */
};

/*
 * Accepts one message: body = pids || type i32 || @bytes of @data, copied. A message is always accepted
 * when nothing is held. @seq may be NULL. 0 with *seq, or
 *   -EAGAIN    over bytes_max, or 2^20 sequence numbers behind the oldest held: wait for acknowledgements
 *   -EMSGSIZE  a body over LAT_MAX_MSG_HARD; the channel's own limit is the caller's to check
 *   -ENOMEM
 */
LAT_MUST_CHECK int lat_sendq_push(struct lat_sendq *q, int32_t type, const void *data, size_t bytes,
				  uint64_t *seq);

/*
 * The same for one of another kind: body = pids || what is before || type || data. One with LAT_MSG_CAPS is wiped when it is forgotten.
 */
LAT_MUST_CHECK int lat_sendq_push_head(struct lat_sendq *q, const struct lat_sendq_head *head, int32_t type,
				       const void *data, size_t bytes, uint64_t *seq);

/* The peer's credit. A lower limit than before is ignored. Returns true when it grew. */
bool lat_sendq_credit(struct lat_sendq *q, uint64_t limit);

/* Is there something to send below the limit? */
bool lat_sendq_ready(const struct lat_sendq *q);
/* Is there something to send that only the limit holds back? */
bool lat_sendq_blocked(const struct lat_sendq *q);

/*
 * Appends the next frame (MSG or MSGS) to the packet and notes it as sent; *ref says what it was, for
 * lat_sent_add().
 * 1: appended; 0: nothing to send below the limit, or w has too little room for more of it (nothing was
 * written). Call again until 0. On a lossy channel ref is filled but not to be remembered.
 */
LAT_MUST_CHECK int lat_sendq_take(struct lat_sendq *q, const struct lat_token_key *key, struct lat_writer *w,
				  struct lat_sent_frame *ref);

/* A FRAGMENT or RUN arrived: frees what is wholly acknowledged. What is not held any more is ignored. */
void lat_sendq_acked(struct lat_sendq *q, const struct lat_sent_frame *ref);
/* It was lost (or its packet was not sent): what of it is unacknowledged is to be sent again. */
void lat_sendq_lost(struct lat_sendq *q, const struct lat_sent_frame *ref);
/* Everything unacknowledged is to be sent again (new session, reconnect). */
void lat_sendq_requeue(struct lat_sendq *q);
/* Lossy: forgets the oldest message that is not yet sent in part, to make room. False: there is none. */
bool lat_sendq_drop_oldest(struct lat_sendq *q);

/* Messages accepted and not acknowledged. */
static inline uint64_t lat_sendq_unacked(const struct lat_sendq *q)
{
	return q->held;
}

/* Every message up to and including this sequence number is acknowledged. */
static inline uint64_t lat_sendq_acked_seq(const struct lat_sendq *q)
{
	return q->first_seq - 1;
}

#endif

/*
 * Calls: a request, and a reply to it, exactly one or an error. For channels within a process.
 *
 * Between flows of one thread, when the receiver waits: the request is put into its hands and it runs at once; the reply is
 * written where the caller wants it. Nothing is locked, and nothing queued. Otherwise the request travels in the channel, as a message that
 * is known to be a call by its number, and up to 48 bytes of the reply come back in one cache line, on which the caller
 * looks.
 *
 * A call is a slot of the inbox that it goes to, and its token is the slot's number and life. A token that is old is
 * recognised: a slot's memory stays a slot's.
 */
#ifndef LAT_FASTPATH_CALL_H
#define LAT_FASTPATH_CALL_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/wait.h"
#include "sync/mutex.h"
#include "sync/waitgraph.h"

enum {
	LAT_CALL_INLINE = 48,   /* bytes of a reply that come in the slot's line */
	LAT_CALLS_MAX = 65536,  /* of one inbox at a time */
	LAT_CALL_CHUNK = 32,    /* slots that are made together */
	LAT_CALL_QUEUE_MAX = 64 /* of one channel, sent and not yet received */
};

struct lat_chan;
struct lat_inbox;
struct lattice_msg;

/*
 * state: life << 2 | phase. The first line is what caller and replier share; the rest is written by the caller before it asks.
 *   [Q] asked: the message's own edge -> whoever receives it
 *   [R] state store answered, release -> [r] state load, acquire : the reply
 */
enum lat_call_phase { LAT_CALL_IDLE, LAT_CALL_ASKED, LAT_CALL_ANSWERING, LAT_CALL_ANSWERED };

struct lat_call_slot {
	alignas(LAT_CACHELINE) _Atomic(uint32_t) state;
	int32_t type;
	int32_t rc; /* of the call */
	uint32_t len;
	unsigned char data[LAT_CALL_INLINE];

	/* Fixed: caller and receiver are of one thread, and all of it is in the turn of the inbox's flows. */
	alignas(LAT_CACHELINE) _Atomic(bool) home;
	uint32_t index;
	_Atomic(const struct lat_chan *) ch;
	void *flow; /* the caller; NULL: a plain thread */
	const struct lattice_sched_hook *hook;
	_Atomic(struct lat_waits *) waiter; /* NULL: unknown to the wait-for graph */
	void *buf;
	size_t cap;
	struct lattice_msg *
		reply; /* the caller is parked, and this is all that it waits for (node/calls.c); NULL: it looks itself */
	int32_t source;             /* for that */
	struct lat_call_slot *next; /* idle */
	_Atomic(uint32_t) sleeps;   /* 1: a plain thread, on state */
};

static_assert(offsetof(struct lat_call_slot, home) == LAT_CACHELINE, "a reply is one line");

/* Of an inbox, made at its first call. All zero: no slots yet. */
struct lat_calls {
	struct lat_mutex lock; /* of idle, made and closed, and of making chunks */
	struct lat_call_slot *idle;
	_Atomic(bool) closed;
	_Atomic(uint32_t) made;
	_Atomic(uint64_t) queued, late;
	_Atomic(struct lat_call_slot *) chunks[LAT_CALLS_MAX / LAT_CALL_CHUNK];
};

/*
 * Calls that are in a channel: which of its messages are calls. One producer (the sender's turn), one consumer (the inbox's).
 *   [T] an entry, before its message is published -> [t] after that was taken : the message's own edge
 */
struct lat_call_queue {
	struct {
		_Atomic(uint64_t) seq; /* of its message; one that is not the message's is old */
		uint64_t token;
	} at[LAT_CALL_QUEUE_MAX];
	alignas(LAT_CACHELINE) uint32_t tail; /* the producer's */
	uint32_t head_seen;
	alignas(LAT_CACHELINE) _Atomic(uint32_t) head;
};

/* A call, for who makes it. */
struct lat_call {
	int32_t type;
	const void *data;
	size_t len;
	void *buf; /* for the reply */
	size_t cap;
	/* Filled in. */
	int32_t reply_type;
	uint32_t reply_len;
	struct lat_wait_path path; /* with -EDEADLK */
};

/*
 * Calls: sends the request and waits for the reply.
 *
 * @deadline_ns  of CLOCK_MONOTONIC, UINT64_MAX does not give up; not 0
 *
 * Threads: any number. 0, or as lat_chan_send(), or
 *   -ETIMEDOUT   no reply until then; one that comes later is dropped
 *   -EMSGSIZE    the request is over the channel's limit; or the reply is longer than @cap: call->reply_len says how long, and it is lost
 *   -EOWNERDEAD  the inbox was closed
 *   -EDEADLK     who receives there waits, through however many others, for the caller
 *   -ENOBUFS     LAT_CALLS_MAX
 */
LAT_MUST_CHECK int lat_chan_call(struct lat_chan *ch, struct lat_call *call, uint64_t deadline_ns);

/*
 * Answers a call that was received from @inbox (lat_inbox_info.call). Any thread, once. Does not block.
 * 0 (also when the reply was too long for the caller), -EALREADY (it was answered, or its caller gave up: counted), -EINVAL (no call).
 */
LAT_MUST_CHECK int lat_inbox_reply(struct lat_inbox *inbox, uint64_t token, int32_t type, const void *data,
				   size_t len);

/* The same, whatever flows there are. */
LAT_MUST_CHECK int lat_chan_call_through(struct lat_chan *ch, struct lat_call *call, uint64_t deadline_ns);

/* One more slot for calls between flows of the calling thread, which is home. In no turn. false: none, it is no loss. */
bool lat_call_home_slot(struct lat_inbox *inbox);

/* For the inbox. The calling flow took message @seq out of a channel: its token if it is a call, else 0. In the inbox's turn. */
uint64_t lat_calls_taken(const struct lat_calls *c, struct lat_call_queue *queue, uint64_t seq);

/* The calls of @ch, NULL: all, that are under way fail with @why. No turn. */
void lat_calls_fail(struct lat_inbox *inbox, const struct lat_chan *ch, int why);
/* There will be no more, and there are none. NULL is fine. */
void lat_calls_free(struct lat_calls *c);

struct lat_calls_stats {
	uint64_t queued; /* calls that went through a channel, and were not handed off */
	uint64_t late;   /* replies whose caller had given up, or had one already */
};
void lat_inbox_calls_stats(const struct lat_inbox *inbox, struct lat_calls_stats *out);

/*
 * Which channels of this process have a call to @inbox that waits for its reply, one entry for each such call, @max at most: addresses to
 * compare with, whose channels may be gone. How many. Any thread.
 */
size_t lat_calls_open(const struct lat_inbox *inbox, uintptr_t *out, size_t max);

#endif

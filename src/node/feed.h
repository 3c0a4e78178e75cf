/*
 * What the receiving end reads of a channel from another node: which of its messages are calls. It outlives the channel here (inbound.c)
 * until what that left was received.
 */
#ifndef LAT_NODE_FEED_H
#define LAT_NODE_FEED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lat_inbox_source;

enum { LAT_FEED_CALLS = 64 }; /* that were not received yet */

struct lat_feed {
	void *user;
	uint32_t handle; /* the machine's */
	struct {
		_Atomic(uint64_t) seq; /* of the message */
		_Atomic(uint64_t) call;
	} at[LAT_FEED_CALLS];
	_Atomic(uint32_t) head, tail;
	_Atomic(uint32_t) asks; /* 1: there have been calls */
};

/*
 * Message @seq, which is sent next, is @call. false: no room, it is not to be sent. undo: it was not sent. Both by one thread at a time.
 */
bool lat_feed_put(struct lat_feed *f, uint64_t seq, uint64_t call);
void lat_feed_undo(struct lat_feed *f);

/* lat_chan_config.call: the token of message @seq; 0: it is no call. In the inbox's turn. */
uint64_t lat_feed_taken(void *feed, uint64_t seq);

/*
 * Tokens of calls from other nodes: the channel's handle, and as much of the call's number as tells it from all others that can be open.
 * Others have not this bit (fastpath/call.h, fastpath/link_calls.h).
 */
#define LAT_FEED_TOKEN (UINT64_C(1) << 62)

enum { LAT_FEED_CALL_BITS = 30 };

static inline bool lat_feed_is_call(uint64_t token)
{
	return token >> 62 == 1;
}

static inline uint32_t lat_feed_handle(uint64_t token)
{
	return (uint32_t)(token >> LAT_FEED_CALL_BITS);
}

/* Its number, when @last is that of the channel's last call. */
static inline uint64_t lat_feed_call(uint64_t token, uint64_t last)
{
	return last - ((last - token) & ((UINT64_C(1) << LAT_FEED_CALL_BITS) - 1));
}

#endif

/*
 * Calls over a link. The request is a message of the channel; the n-th call of a channel is told by the number of its message, in place
 * n % LAT_SEG_CALLS of what the caller writes (lat_seg_asked). Its reply is written to the same place of a table that only the
 * other side writes (lat_seg_reply): up to 48 bytes in its one line, longer ones in memory of the channel's for replies, which is made at the
 * first such. So the next call in a place waits until the one before has an end.
 *
 *   [Q] the request's message [P] -> [C] : its number in at[], and that there are calls
 *   [R] number store -> [r] number load : the reply's line, and its block
 *   [W] room_wanted store; number load | number store; room_wanted load [w] : all seq_cst. Either the caller sees the reply, or the
 *       replier that somebody sleeps, and rings
 *   [D] done store, release -> [d] done load, acquire : the block is not read any more
 *
 * Each side believes the other nothing: what it loads is loaded once and checked, and can only spoil calls of that channel. The
 * replier never waits for the caller.
 */
#ifndef LAT_FASTPATH_LINK_CALLS_H
#define LAT_FASTPATH_LINK_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/call.h"
#include "fastpath/link.h"

/* Of a channel's memory for long replies: the longest, and all that were not read yet. Committed as it is touched. */
#define LAT_LINK_REPLIES_BYTES (UINT64_C(16) << 20)

struct lat_inbox_source;

/*
 * Calls: as lat_chan_call(), but waits for others are unknown to the wait-for graph, and
 *   -ENOBUFS  the call LAT_SEG_CALLS before this one on the channel has no end yet
 *   -ENOMEM   also: the other side had no memory for the reply, which is lost
 *   -EPROTO   also: the other side lied about it
 *   or why the other side says that there is none (lat_link_reply_fail())
 */
LAT_MUST_CHECK int lat_link_call(struct lat_link_out *out, struct lat_call *call, uint64_t deadline_ns);

/*
 * REPLIES came for channel @chan of ours, with @fds, @count of them: closed in any case. 0, or the peer is to be dropped: -EPROTO,
 * -EPERM as lat_link_extend(). For a channel that has just ended, or where there is no memory for it, it is 0, and dropped.
 */
LAT_MUST_CHECK int lat_link_replies(struct lat_link *link, uint32_t chan, uint64_t bytes, const int *fds,
				    size_t count);

/* Whether @token is of a call over a link. */
static inline bool lat_link_is_call(uint64_t token)
{
	return token >> 63 != 0;
}

/* As lat_inbox_reply(); also -ENOMEM: the caller was told that there was no memory for it. */
LAT_MUST_CHECK int lat_link_reply(const struct lat_inbox *inbox, uint64_t token, int32_t type,
				  const void *data, uint32_t len);

/* There is no reply, and never will be: its caller is told @why, one of the reasons for which lattice_channel_call() fails. */
void lat_link_reply_fail(const struct lat_inbox *inbox, uint64_t token, int why);
/* Whether nobody waits for a reply to it any more. Any thread. */
bool lat_link_given_up(uint64_t token);

/* lat_inbox_source_ops.call of a receiving end. */
uint64_t lat_link_call_taken(struct lat_inbox_source *src, uint64_t seq);

/* Whether the next message of @in is a call. In the inbox's turn, when that message has come. */
bool lat_link_call_is_next(struct lat_link_in *in);

/* No call of @in is answered any more, nor taken. Any number of times. */
void lat_link_caller_end(struct lat_link_in *in);
/* The sending end is freed. */
void lat_link_asks_free(struct lat_link_out *out);

/* How many calls of @out wait for their reply. Any thread. */
uint32_t lat_link_calls_open(const struct lat_link_out *out);

#endif

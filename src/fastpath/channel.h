/*
 * A channel inside one process: a sender and an inbox's source in one. Any number of threads (and tasks) send on it, the
 * inbox receives.
 */
#ifndef LAT_FASTPATH_CHANNEL_H
#define LAT_FASTPATH_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/inbox.h"

struct lat_chan;

struct lat_chan_config {
	const struct lat_tiers_sizes *sizes; /* of its tiers; NULL: as this machine's caches say */
	uint32_t len_max;                    /* longest message; 0: what they carry */
	bool single;                         /* as lat_sender_config */
	void *user;                          /* in lat_inbox_info */
	struct lat_inbox_from from;          /* in lat_inbox_info */
	/* As lat_inbox_source_ops.admit, with @user; NULL: every message is received. Not with call. */
	int (*admit)(void *user);
	/* As lat_inbox_source_ops.call, with @user, while *asks is not 0. NULL: what lat_chan_call() has sent. */
	uint64_t (*call)(void *user, uint64_t seq);
	const _Atomic(uint32_t) *asks;
	struct lat_life life; /* of the right that it is opened by; zeroed: it needs none */
	/*
	 * The memory of a channel that was opened has gone: both sides have let go, and what it held was received or
	 * is lost. With @user, once, on whichever thread let go last, perhaps before lat_chan_close() returns. NULL:
	 * nobody is told. Short, does not block.
	 */
	void (*freed)(void *user);
};

/* Live; each number is exact once both sides are quiet. */
struct lat_chan_stats {
	uint64_t sent, sent_bytes;
	uint64_t received, received_bytes;
	uint64_t full;       /* sends that found no room at first */
	uint64_t waits;      /* times a sender went to sleep */
	uint64_t wakes;      /* times the receiver had to wake senders */
	uint64_t lock_wrong; /* releases that the channel's lock refused: 0, or a bug */
};

/*
 * Opens a channel into @inbox. L1 comes with it, the other tiers' memory when it is needed.
 * 0, -EINVAL (sizes that cannot be, or len_max over what they carry), -ENOMEM, -EMFILE, -ENFILE, -ENOBUFS (the inbox's
 * limit), -ESHUTDOWN (the inbox is closed).
 */
LAT_MUST_CHECK int lat_chan_open(struct lat_chan **out, struct lat_inbox *inbox,
				 const struct lat_chan_config *cfg);

/*
 * Sends one message; its bytes are copied before return.
 *
 * @deadline_ns  of CLOCK_MONOTONIC: how long to wait for room; 0 does not wait, UINT64_MAX does not give up
 *
 * Threads: any number. Waits through fastpath/wait.h, holding no lock. Several threads' messages are in the
 * order of their numbers; which of several that wait for room goes first is open.
 * 0, or
 *   -EAGAIN      no room, and deadline_ns was 0
 *   -ETIMEDOUT   no room until deadline_ns
 *   -EMSGSIZE    @len is over the channel's limit
 *   -EPIPE       the inbox was closed
 *   -EPROTO      the ring was found damaged; or admit's reason
 *   -EKEYREVOKED the right that it was opened by has ended
 *   -ESHUTDOWN   the channel was closed meanwhile, or the calling task's scheduler is closing
 *   -ENOTRECOVERABLE  the channel's lock was found overwritten
 *   -ENOMEM, -EMFILE, -ENFILE   it has to wait and there is no file descriptor to wait on
 */
LAT_MUST_CHECK int lat_chan_send(struct lat_chan *ch, int32_t type, const void *data, size_t len,
				 uint64_t deadline_ns);

/*
 * As lat_chan_send(), with @carry (fastpath/carry.h), which is the channel's once this has returned 0. Waits until what went with a message
 * before was received with it, as for room.
 */
LAT_MUST_CHECK int lat_chan_send_carry(struct lat_chan *ch, int32_t type, const void *data, size_t len,
				       struct lat_carry *carry, uint64_t deadline_ns);

/* What loans, and tells of the tiers (fastpath/sender.h). As long as @ch is open. */
struct lat_sender *lat_chan_sender(struct lat_chan *ch);

/*
 * From now on its blocks lie in @bytes of the memfd @fd, from @offset on. The descriptor stays the caller's. Any thread.
 * 0, -EINVAL, -EPERM, -EACCES, -EBADF, -ENOMEM as lat_memfd_map_own(), or
 *   -EINVAL  shorter than the longest message, or longer than a spill region can be
 *   -EBUSY   it has a spill region already
 */
LAT_MUST_CHECK int lat_chan_set_region(struct lat_chan *ch, int fd, uint64_t offset, uint64_t bytes);

/*
 * Waits until everything accepted so far was received. 0, -EAGAIN (it was not, and deadline_ns was 0),
 * -ETIMEDOUT, or why the channel ended, as lat_chan_send().
 */
LAT_MUST_CHECK int lat_chan_flush(struct lat_chan *ch, uint64_t deadline_ns);

/*
 * A level-triggered file descriptor for a sender that does not wait: after a send returned -EAGAIN it becomes
 * readable when there may be room (or the channel ended); another -EAGAIN clears it. Made at the first call;
 * the channel's own. The descriptor, or -ENOMEM, -EMFILE, -ENFILE.
 */
LAT_MUST_CHECK int lat_chan_room_fd(struct lat_chan *ch);

/*
 * The right that it was opened by has ended: what was not received is dropped, who waits (for room, for a reply, to flush) is told
 * -EKEYREVOKED, and after return the number of the last one received does not change. Any thread; not closed meanwhile.
 */
void lat_chan_revoke(struct lat_chan *ch);

/* Another word and generation for that right. false: it has ended, and stays so. Any thread; not closed meanwhile. */
bool lat_chan_set_life(struct lat_chan *ch, struct lat_life life);

/* Numbers of the last message accepted, and (*received, may be NULL) of the last one received. Any thread. */
uint64_t lat_chan_sent(struct lat_chan *ch, uint64_t *received);

/* How many messages went through its tiers. Any thread. */
uint64_t lat_chan_published(const struct lat_chan *ch);

void lat_chan_stats(struct lat_chan *ch, struct lat_chan_stats *out);

/*
 * Closes the sending side. What was accepted is still received, then the memory goes; the inbox may be closed
 * before or after. Senders blocked in it return -ESHUTDOWN; nobody begins a new call. NULL is fine.
 */
void lat_chan_close(struct lat_chan *ch);

#endif

/*
 * A link: what two processes that distrust each other share, and all channels between them. Each side owns
 * one sealed memfd, its segment, that only it writes and that the other maps read-only; bigger tiers come
 * later, as memfds of their own (extents). Whatever the peer writes is loaded once and bound-checked: a lie
 * ends its channel (-EPROTO) or, where it is the link's own, the link.
 *
 * The link moves no words over a socket: its owner does, and calls what stands on each side, in this order:
 *
 *   sender's process                                        receiver's process
 *   lat_link_open, lat_link_join          <- HELLO fd ->    lat_link_open, lat_link_join
 *   lat_link_out_open                     -- OPEN chan ->   lat_link_in_open
 *   lat_link_out_accept                   <- ACCEPT chan -- (or REFUSE: lat_link_out_close)
 *   ops->extend                           -- EXTENT fd ->   lat_link_extend
 *   lat_link_replies                      <- REPLIES fd --  ops->replies
 *   lat_link_out_end(0)                   -- CLOSE chan ->  lat_link_in_end ... gone(0)
 *   lat_link_out_end(why, was it not 0)   <- GONE chan --   gone(why), lat_link_in_close
 *   lat_link_out_close
 *   lat_link_dead                         (hang-up)         lat_link_dead ... gone(-EOWNERDEAD)
 *
 * GONE is sent once for each channel that was accepted, whoever ended it first: only then is chan free again.
 * Calls may be made by any thread unless they say otherwise; none blocks, except to wait for a lock that is
 * held briefly.
 */
#ifndef LAT_FASTPATH_LINK_H
#define LAT_FASTPATH_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/inbox.h"
#include "fastpath/sender.h"

enum {
	LAT_LINK_CHANS_MAX = 16384,  /* in each direction */
	LAT_LINK_EXTENTS_MAX = 8192, /* mapped at a time, of each side's */
};
#define LAT_LINK_EXTENT_BYTES_MAX (UINT64_C(1) << 32) /* of all extents of one side */

struct lat_link;
struct lat_link_out; /* the sending end of a channel */
struct lat_link_in;  /* its receiving end */

/* Memory that a sender adds to its channel (EXTENT): the numbers that go with the fd. */
struct lat_link_extent {
	uint32_t chan;
	uint32_t tier;
	uint64_t
		bytes; /* the size of the memfd; 0: what the tier has is given back, and no fd goes with it */
};

/* What a link asks of its owner. On any thread, under locks: neither blocks nor calls anything of the link. */
struct lat_link_ops {
	/*
	 * Tells the peer: its lat_link_extend() gets *x and a duplicate of @fd, which stays the link's.
	 * 0, -EAGAIN (not now: lat_link_retry() follows), or why never (-EPIPE).
	 */
	int (*extend)(void *user, const struct lat_link_extent *x, int fd);
	/* The same for memory of @bytes where long replies to calls on @chan will lie: its lat_link_replies(). */
	int (*replies)(void *user, uint32_t chan, uint64_t bytes, int fd);
	/*
	 * The peer broke a rule of the link itself (-EPROTO), or hung up its bell (-EOWNERDEAD): to be treated as
	 * dead, by lat_link_dead() on another thread. Once.
	 */
	void (*broken)(void *user, int why);
};

struct lat_link_config {
	const struct lat_link_ops *ops;
	void *user;
	/*
	 * One end of a connected AF_UNIX SOCK_STREAM pair whose other end the peer has, and that an introducer
	 * whom both trust made: it carries wake-ups to those that poll, nothing else. Becomes the link's with
	 * success. (No eventfd: who shares one can make the other's write to it block.)
	 */
	int bell_fd;
};

/*
 * Makes this side's segment. *fd is the caller's: to pass to the peer, then to close.
 * 0, -ENOMEM, -EMFILE, -ENFILE, -EINVAL (bell_fd is no such socket).
 */
LAT_MUST_CHECK int lat_link_open(struct lat_link **out, const struct lat_link_config *cfg, int *fd);

/*
 * Joins the peer's segment. @fds are the @count fds that came with its HELLO: closed in any case. Once.
 * 0, or the peer is to be dropped:
 *   -EPROTO   not exactly one fd; another size, another version
 *   -EPERM    not a memfd of ordinary pages, or not sealed
 *   -EBUSY    joined already
 *   -ENOMEM   address space, or mappings
 */
LAT_MUST_CHECK int lat_link_join(struct lat_link *link, const int *fds, size_t count);

/*
 * The peer is gone, or is to be treated as if: senders get @why (-EOWNERDEAD) at once, sources drain what
 * was published and are then gone with @why. Nothing of the peer's wakes anybody any more. Any number of
 * times, the first counts. Calls gone of those that are drained already, on this thread.
 */
void lat_link_dead(struct lat_link *link, int why);

/* ops->extend() is worth another try. Any thread. */
void lat_link_retry(struct lat_link *link);

/*
 * Gives up the owner's hold, as lat_link_dead(-ESHUTDOWN) if it was not dead: the memory goes with the last
 * end of a channel. ops are not called any more. NULL is fine.
 */
void lat_link_close(struct lat_link *link);

/* --- sending ---------------------------------------------------------------------------------------- */

struct lat_link_out_config {
	uint32_t len_max;                    /* longest message; 0: what the biggest tier carries */
	bool single;                         /* as lat_sender_config.single */
	const struct lat_tiers_sizes *sizes; /* of its tiers but L1; NULL: as this machine's caches say */
	struct lat_life life;                /* of the right that it is opened by; zeroed: it needs none */
};

/*
 * Readies a channel's memory, so that the peer may be told its number. Nothing can be sent yet.
 * 0, -ENOBUFS (LAT_LINK_CHANS_MAX), -ENOTCONN (not joined), -EOWNERDEAD or whatever it is dead of, -ENOMEM (the
 * pages are committed here: later there is no fault for want of memory), -EINVAL (len_max).
 */
LAT_MUST_CHECK int lat_link_out_open(struct lat_link_out **out, struct lat_link *link,
				     const struct lat_link_out_config *cfg);

/* Its number: the receiver's lat_link_in_open() wants it. 0 to LAT_LINK_CHANS_MAX - 1. */
uint32_t lat_link_out_chan(const struct lat_link_out *out);

/* The receiver has its end (ACCEPT): from now on lat_link_out_sender() sends. Once. */
void lat_link_out_accept(struct lat_link_out *out);

/* What sends, waits for room and tells numbers (fastpath/sender.h). Lives as long as @out. */
struct lat_sender *lat_link_out_sender(struct lat_link_out *out);

/*
 * No more is sent. @why is 0: our own end. Waiting senders get -ESHUTDOWN, nobody begins a new call of the
 * sender's but to ask for numbers, and CLOSE may be sent: everything that was accepted is published. Else GONE
 * came: senders get @why (-EPIPE, -EPROTO, -EKEYREVOKED) from now on. The first @why counts; 0 may follow, once.
 */
void lat_link_out_end(struct lat_link_out *out, int why);

/*
 * Frees the end, and its number for another channel: when GONE (or REFUSE) has come, or the link is dead,
 * or it was never told to the peer. No call of its sender's is in progress or follows. NULL is fine.
 */
void lat_link_out_close(struct lat_link_out *out);

/* --- receiving -------------------------------------------------------------------------------------- */

struct lat_link_in_config {
	void *user;                 /* in lat_inbox_info */
	struct lat_inbox_from from; /* in lat_inbox_info */
	/* As lat_inbox_source_ops.admit, with @user; NULL: every message is received. Under the inbox's lock. */
	int (*admit)(void *user);
	struct lat_life life; /* of the right that it was opened by; zeroed: it needs none */
	uint32_t len_max;     /* a longer message is refused (-EMSGSIZE); 0: whatever the tiers carry */
	bool no_calls;   /* that right does not allow any: what comes as a call is a message like others */
	bool only_calls; /* it allows nothing else: what is none is refused (-EACCES) */
	/*
	 * The channel is over: @why is 0 (lat_link_in_end() and drained), -EPROTO (the sender lied), -EMSGSIZE (over len_max),
	 * -ESHUTDOWN (the inbox was closed), -EKEYREVOKED (its life has ended), -EACCES (only_calls), admit's reason, -ENOMEM (lat_link_extend()), or the reason of lat_link_dead(). Once, under no lock,
	 * on whichever thread saw it, perhaps before lat_link_in_open() (*out is set by then) or _end() return; it
	 * may call lat_link_in_close(). The channel's number is free for the peer once GONE was sent: so close first.
	 */
	void (*gone)(void *user, int why);
};

/*
 * Opens channel @chan that the peer sends on, into @inbox, which is not closed meanwhile (shut down, perhaps).
 * 0, or
 *   -EPROTO     @chan is no number of a channel, or open already: the peer is to be dropped
 *   -ENOTCONN   not joined
 *   -EOWNERDEAD or whatever the link is dead of
 *   -ESHUTDOWN, -ENOBUFS  as lat_inbox_attach()
 *   -ENOMEM     ours, or the peer's memory that it said was there
 */
LAT_MUST_CHECK int lat_link_in_open(struct lat_link_in **out, struct lat_link *link, uint32_t chan,
				    struct lat_inbox *inbox, const struct lat_link_in_config *cfg);

/* The peer sends no more (CLOSE came): gone(0) once everything was received, perhaps now. Once. */
void lat_link_in_end(struct lat_link_in *in);

/*
 * The right that it was opened by has ended: what was not received is dropped, and gone(-EKEYREVOKED) called now, unless the channel is
 * over. Not closed meanwhile. Any number of times.
 */
void lat_link_in_revoke(struct lat_link_in *in);

/*
 * @carry came, to go with message carry->seq (fastpath/carry.h; lat_sender_send_carry() at the other side). The channel's from now on. Not
 * closed meanwhile.
 */
void lat_link_in_carry(struct lat_link_in *in, struct lat_carry *carry);

/* Another word and generation for that right. false: it has ended, and stays so. Not closed meanwhile. */
bool lat_link_in_set_life(struct lat_link_in *in, struct lat_life life);

/* Number of the last message received; 0 none. For GONE. */
uint64_t lat_link_in_received(const struct lat_link_in *in);

/*
 * Gives up the end: what it holds is not received, unless it had ended and is draining. Once. true: gone has not
 * been called and will not be. false: it has been, is being or will be called; the memory goes after that.
 */
bool lat_link_in_close(struct lat_link_in *in);

/*
 * EXTENT came with @fds, @count of them: closed in any case. What was sent in it is received from now on.
 * 0, or the peer is to be dropped:
 *   -EPROTO  no such channel or tier, not the fds that go with it, a size that is none
 *   -EPERM   not a memfd of ordinary pages, or not sealed
 * An extent for a channel that has just ended here is 0, and dropped. Where there is no memory for it, or LAT_LINK_EXTENTS_MAX or
 * LAT_LINK_EXTENT_BYTES_MAX is reached (what the peer has given back counts until its channel is looked at again), the channel is
 * gone(-ENOMEM).
 */
LAT_MUST_CHECK int lat_link_extend(struct lat_link *link, const struct lat_link_extent *x, const int *fds,
				   size_t count);
/* EXTENT came, and this process had no room for its fd: the channel is gone(-ENOMEM), if there is one of that number. */
void lat_link_extent_lost(struct lat_link *link, uint32_t chan);

/* --- counters --------------------------------------------------------------------------------------- */

struct lat_link_stats {
	uint64_t rung;                  /* announcements made */
	uint64_t woken;                 /* of them, those that found somebody asleep */
	uint64_t heard;                 /* announcements of the peer's */
	uint64_t lagged;                /* times the peer's log had gone round: all channels were looked at */
	uint64_t extents, extent_bytes; /* mapped now, of both sides */
	uint32_t outs, ins;
};

void lat_link_stats(struct lat_link *link, struct lat_link_stats *out);

#endif

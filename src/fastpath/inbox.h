/*
 * An inbox: the receiving side of an endpoint. Many sources (the consumers' ends of channels) lead into it;
 * receivers take messages from the sources in turn, whole, each source's in its order. One level-triggered
 * file descriptor tells that there is something.
 *
 * A source of somebody (pid and node) who has an ended one that is not drained yet waits until it is: what was sent on the old one
 * is received first.
 *
 * The cost of a receive does not depend on the number of sources: a producer that publishes into a source
 * which is not yet on the inbox's list of ready sources puts it there.
 *
 * Life: the inbox lives until its owner closed it and every source has left; a receiver blocked in it keeps
 * it as well.
 */
#ifndef LAT_FASTPATH_INBOX_H
#define LAT_FASTPATH_INBOX_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/bell.h"
#include "fastpath/carry.h"
#include "fastpath/life.h"
#include "fastpath/tiers.h"

enum { LAT_INBOX_SOURCES_MAX = 65536 }; /* of one inbox */

struct lat_call_queue;
struct lat_inbox;
struct lat_inbox_source;

/*
 * Who sends on a source; the receiver gets a copy, so it holds after the source has gone. The room gives it
 * no meaning.
 */
struct lat_inbox_from {
	int32_t pid;
	uint32_t badge;
	uint64_t node;
};

/*
 * What the inbox tells a source's owner. All may be NULL. room and admit run under the inbox's lock: they are
 * short, do not block and call no lat_inbox_ function. gone runs without it.
 */
struct lat_inbox_source_ops {
	/*
	 * A message was taken, and since the last call the sending end has come to want to be told (@peer NULL: a message was
	 * taken). Any receiving thread.
	 */
	void (*room)(struct lat_inbox_source *src);
	/*
	 * Receivers hold messages in place, and when it has been detached do so no more: until then @src and what its rx points to stay. keep
	 * in the inbox's turn, drop by any thread. NULL: its messages are not held, but copied.
	 */
	void (*keep)(struct lat_inbox_source *src);
	void (*drop)(struct lat_inbox_source *src);
	/* It was found empty and is not looked at any more until it is announced: the time to give memory back. */
	void (*idle)(struct lat_inbox_source *src);
	/*
	 * A message was copied out and is about to be received: 0, or the reason (-EKEYREVOKED) why it is
	 * not; then it is dropped and the source detached for that reason.
	 */
	int (*admit)(struct lat_inbox_source *src);
	/*
	 * Message @seq was taken: its token if it is a call (fastpath/call.h), else 0. NULL: calls says. In the inbox's turn.
	 */
	uint64_t (*call)(struct lat_inbox_source *src, uint64_t seq);
	/*
	 * The source was detached, and not by lat_inbox_detach(): @why is 0 (ended, and drained), -ESHUTDOWN
	 * (the inbox was closed), -EPROTO (poisoned), -EMSGSIZE (over len_max), -EKEYREVOKED (its life has ended), or admit's reason. Once. Unless it was ended before,
	 * its producer may still be in lat_inbox_source_ready(), and ends or detaches it when that is over.
	 */
	void (*gone)(struct lat_inbox_source *src, int why);
};

/* Counters of a source, readable at any time. */
struct lat_inbox_source_stats {
	uint64_t messages, bytes;
	uint64_t seq; /* number of the last message received; 0 none */
};

/*
 * Embedded in its owner, zeroed (mind the alignment). Set what comes first, then lat_inbox_attach(). The
 * rest is the inbox's. Whatever becomes of it, an attached source is ended or detached once: until then it
 * keeps the inbox.
 */
struct lat_inbox_source {
	struct lat_tiers_rx *rx;
	const struct lat_inbox_source_ops *ops;
	void *user;
	struct lat_inbox_from from;
	struct lat_rx_words *words;      /* ours, zeroed, which the sending end reads; NULL: it reads none */
	const struct lat_tx_words *peer; /* the sending end's; NULL: it has none */
	struct lat_bell
		*bell; /* what rings when it announces; NULL: it calls lat_inbox_source_ready() by itself */
	/*
	 * The sending end reads words->hot after each publish, and lat_membarrier() works between both (of the process or, with
	 * a bell, of the machine): the source may be hot. Else every publish is announced.
	 */
	bool barriers;
	bool admits;          /* until it has ended, ops->admit() says 0 */
	struct lat_life life; /* of the right that it was opened by; zeroed: it needs none */
	uint32_t len_max;     /* a longer message poisons; 0: whatever the tiers carry */
	/* While it is 0, ops->call() says 0. NULL: it always does. The sending end's. */
	const _Atomic(uint32_t) *asks;

	_Atomic(struct lat_call_queue *)
		calls; /* which messages are calls; NULL: none. The sending end's to set */

	struct lat_inbox *inbox;
	struct lat_inbox_source *pushed;      /* next on the stack of newly ready ones */
	struct lat_inbox_source *next, *prev; /* ring of those that may have messages */
	struct lat_inbox_source *all_next, *all_prev;
	struct lat_inbox_source *behind; /* ended, of the same sender: is drained first */
	_Atomic(bool) second;            /* behind is one: for who looks without a turn */
	uint32_t followers;              /* those behind this one */
	uint64_t born;                   /* its number among those attached so far */
	uint64_t seq;                    /* of the last message taken */
	uint64_t seq_before;             /* when idle ones were last looked for */
	_Atomic(uint32_t) room_told;     /* value of peer->room_wanted that was told */
	uint32_t streak;                 /* messages taken since it was found empty */
	int why;
	bool attached, ended, listed, hot;
	bool near; /* hot, and what is in L1 can be received at once (inbox_fast.h) */
	bool left; /* ended, and not drained then */
	bool held; /* would be listed, but is behind another */
	bool kept; /* ops->keep() was called, and drop was not */
	struct lat_carry
		*carry; /* what came to go with a message; NULL: nothing. The owner drops it at the end */
	_Atomic(uint64_t) bytes, received;
	alignas(LAT_CACHELINE) _Atomic(uint32_t) ready; /* 1: on the stack or listed */
};

/* A message that was received where it lies, or in a buffer of its own, until lat_inbox_release(). */
struct lat_inbox_hold {
	const void *data;
	struct lat_inbox_source *src; /* NULL: data was allocated for it */
	uint32_t block;
};

/* What a receive tells about its message. */
struct lat_inbox_info {
	void *user; /* the source's; valid as long as the source's owner keeps it */
	struct lat_inbox_from from;
	int32_t type;
	uint32_t len;
	uint64_t seq;  /* on its channel, from 1; 0: a call that was handed off, which has none */
	uint64_t call; /* not 0: the sender waits for a reply (fastpath/call.h) */
	uint64_t
		lost; /* of another node's: how many of its messages were lost so far (lat_sender_set_lost()) */
};

struct lat_inbox_stats {
	uint64_t messages, bytes; /* received */
	uint64_t signals;         /* times a producer or receiver had to wake */
	uint64_t sleeps;          /* times a receiver went to sleep */
	uint64_t poisoned;        /* sources detached because their producer lied */
	uint64_t refused;         /* sources detached because their life had ended, or admit said so */
	uint32_t sources;         /* attached now */
};

/* How a receiver waits. */
enum lat_wait_policy {
	LAT_WAIT_AUTO,    /* spins a little where that pays, then sleeps */
	LAT_WAIT_SPIN,    /* never sleeps */
	LAT_WAIT_PARK,    /* sleeps at once */
	LAT_WAIT_HANDOFF, /* sleeps at once, on the sender's processor */
};

struct lat_inbox_tuning {
	enum lat_wait_policy wait;
	bool single; /* one thread receives, or several that agree on whose turn it is, and when they release: no lock */
};

/* No descriptor is used until somebody needs one. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_inbox_open(struct lat_inbox **out);

/*
 * Ends it: receivers blocked in it return -ESHUTDOWN and so does every later call, every source is detached
 * (gone with -ESHUTDOWN), the file descriptor stays readable. Any thread, any number of times; the inbox
 * stays the owner's.
 */
void lat_inbox_shutdown(struct lat_inbox *inbox);

/*
 * Shuts down and gives up the owner's hold: the memory goes with the last receiver and source. Nobody begins
 * a new call on it afterwards except through its sources. NULL is fine.
 */
void lat_inbox_close(struct lat_inbox *inbox);

/*
 * Who is kept, besides the inbox, while flows of control may be in lat_inbox_recv() (fastpath/flows.h): @keep is called at most once,
 * then @drop, when the inbox was shut down and the last has left. Before anybody receives.
 */
void lat_inbox_set_owner(struct lat_inbox *inbox, void (*keep)(void *owner), void (*drop)(void *owner),
			 void *owner);
/* What flows of no other pid are called, that receive here. Before anybody does. */
void lat_inbox_set_pid(struct lat_inbox *inbox, int32_t pid);

/* The calling thread's flows wait in it without a descriptor, and keep its owner. */
bool lat_inbox_at_home(const struct lat_inbox *inbox);

/* While nobody receives, or by the single receiver. */
void lat_inbox_tune(struct lat_inbox *inbox, const struct lat_inbox_tuning *tuning);

/*
 * Receives one message.
 *
 * @buf, @cap     where its bytes go; undefined unless 0 is returned
 * @info          filled in with 0 and with -EMSGSIZE
 * @deadline_ns   of CLOCK_MONOTONIC; 0 does not wait, UINT64_MAX does not give up
 *
 * Threads: any number; each message goes to one. A thread with a hook (fastpath/wait.h) sleeps on a descriptor, others on a
 * futex; neither holds a lock. A call that does not sleep keeps no hold on the inbox: its caller has one.
 * 0, or
 *   -ENOMSG     nothing there, and deadline_ns was 0. The file descriptor is not readable until something
 *               comes
 *   -ETIMEDOUT  nothing came until deadline_ns
 *   -EMSGSIZE   the next message is longer than @cap: info->len says how long; it stays and is the next
 *   -ESHUTDOWN  closed, or the calling task's scheduler is closing
 *   -EMFILE, -ENFILE, -ENOMEM   it has to sleep on a descriptor and there is none
 */
LAT_MUST_CHECK int lat_inbox_recv(struct lat_inbox *inbox, void *buf, size_t cap, struct lat_inbox_info *info,
				  uint64_t deadline_ns);

/*
 * Receives one message without a buffer: in place, when it lies in a block of this process, or of another one and
 * @shared says that its sender may still change the bytes; else in memory allocated for it. *hold is the caller's, to release. Else as
 * lat_inbox_recv(), but for
 *   -ENOMEM  there is no memory to copy it to; it stays and is the next
 */
LAT_MUST_CHECK int lat_inbox_take(struct lat_inbox *inbox, struct lat_inbox_hold *hold, bool shared,
				  struct lat_inbox_info *info, uint64_t deadline_ns);

/*
 * As lat_inbox_recv(), with *carry what goes with the message: the caller's, or NULL. A message that something is to go with waits for it, and
 * with it its source, unless that has ended. Without this call what goes with a message is dropped, sooner or later.
 */
LAT_MUST_CHECK int lat_inbox_recv_carry(struct lat_inbox *inbox, void *buf, size_t cap,
					struct lat_inbox_info *info, struct lat_carry **carry,
					uint64_t deadline_ns);
/* As lat_inbox_take(), likewise. */
LAT_MUST_CHECK int lat_inbox_take_carry(struct lat_inbox *inbox, struct lat_inbox_hold *hold, bool shared,
					struct lat_inbox_info *info, struct lat_carry **carry,
					uint64_t deadline_ns);

/*
 * Gives *hold back, to the inbox that it was taken from: once, also after that was shut down. Any thread; but of a single inbox, those that
 * receive do one at a time what they do there.
 */
void lat_inbox_release(struct lat_inbox *inbox, struct lat_inbox_hold *hold);

/*
 * Level-triggered, for poll: while a message is queued it is readable; once lat_inbox_recv() has returned
 * -ENOMSG it is not, until a source has something new. (A send that is still in progress, or a source that
 * ends, may show as readable once more with nothing to receive.) The inbox's own: not to be read, written or
 * closed. Made at the first call. The descriptor, or -EMFILE, -ENFILE, -ENOMEM.
 */
LAT_MUST_CHECK int lat_inbox_fd(struct lat_inbox *inbox);

/*
 * Adds a source. Messages published before are received too. Any thread, while others receive.
 * 0, -ESHUTDOWN (closed), -ENOBUFS (LAT_INBOX_SOURCES_MAX), -EBUSY (it is attached); with a bell also -ENOMEM.
 */
LAT_MUST_CHECK int lat_inbox_attach(struct lat_inbox *inbox, struct lat_inbox_source *src);

/*
 * The producer's half of a wake-up: after a publish into @src's ring, each one unless the source may be hot (see
 * fastpath/bell.h). Any thread while @src is not detached by its owner; takes no lock.
 */
void lat_inbox_source_ready(struct lat_inbox_source *src);

/*
 * @carry goes with message carry->seq of @src, which has it from now on; what was there before and nobody took is dropped. false: the source is
 * detached, and @carry the caller's. Any thread, while it is not ended or detached by others.
 */
LAT_MUST_CHECK bool lat_inbox_source_carry(struct lat_inbox_source *src, struct lat_carry *carry);
/* It does not, after all, and is the caller's again, unless it was taken or dropped. Likewise. */
void lat_inbox_source_uncarry(struct lat_inbox_source *src, const struct lat_carry *carry);

/*
 * The producer publishes no more and calls lat_inbox_source_ready() no more: once everything it published has
 * been received, @src is detached, and gone(0) called; at once, by this thread, if that is already so. If
 * @src has been detached, gone is not called again. Follow it by nothing, except by lat_inbox_detach() while
 * gone has not been called.
 */
void lat_inbox_source_end(struct lat_inbox_source *src);

/*
 * Takes @src out now, what it holds is not received (its stats say up to which message was). No
 * lat_inbox_source_ready() is in progress or follows. gone is not called; after return the inbox does not
 * touch @src. true if it was attached, false if it had been detached (or never attached).
 */
bool lat_inbox_detach(struct lat_inbox_source *src);

/*
 * Its life has ended: what it holds is not received, and gone(-EKEYREVOKED) is called, by this thread, unless it was detached. To be
 * called soon after, by anybody: until then nothing is received either, but nobody is told. refuse: while it is not ended or detached by
 * others, which is to follow. revoke: instead of lat_inbox_source_end(), and with its promise.
 */
void lat_inbox_source_refuse(struct lat_inbox_source *src);
void lat_inbox_source_revoke(struct lat_inbox_source *src);

/* Another word and generation from now on. false: it has ended, and stays so. Any thread, while it is not ended or detached by others. */
bool lat_inbox_source_set_life(struct lat_inbox_source *src, struct lat_life life);

void lat_inbox_source_stats(const struct lat_inbox_source *src, struct lat_inbox_source_stats *out);
void lat_inbox_stats(struct lat_inbox *inbox, struct lat_inbox_stats *out);

#endif

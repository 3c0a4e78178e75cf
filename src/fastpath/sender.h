/*
 * The sending end of a channel: the tiers' producer, whom to tell, and waiting for room. Any number of threads (and tasks)
 * send on it. Embedded in a channel within the process (fastpath/channel.h) or in a channel of a link to another.
 */
#ifndef LAT_FASTPATH_SENDER_H
#define LAT_FASTPATH_SENDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/bell.h"
#include "fastpath/life.h"
#include "fastpath/tiers.h"
#include "fastpath/spin.h"
#include "fastpath/turn.h"
#include "sync/qlock.h"

struct lat_sender;

struct lat_sender_ops {
	/*
	 * A message was published and the receiving end does not poll: tell it. In the sender's turn, so by one thread
	 * at a time; short, does not block, takes no lock.
	 */
	void (*announce)(struct lat_sender *s);
	/*
	 * It was closed, and the last thread that slept in it has left. Once, on whichever thread that was, perhaps before
	 * lat_sender_close() returns.
	 */
	void (*freed)(struct lat_sender *s);
};

struct lat_sender_config {
	const struct lat_sender_ops *ops;
	const struct lat_rx_words *peer; /* the receiving end's */
	struct lat_tx_words *words;      /* ours, zeroed */
	struct lat_bell
		*bell;    /* what rings when there is room; NULL: lat_sender_room() is called by itself */
	uint32_t len_max; /* longest message, at most what the tiers carry */
	bool barriers; /* both ends have lat_membarrier(), of the process or, with a bell, of the machine; else all is seq_cst */
	bool single; /* one thread sends and flushes, or several that agree on whose turn it is: no lock */
	struct lat_life life; /* of the right that it was opened by; zeroed: it needs none */
};

struct lat_sender_stats {
	uint64_t sent, sent_bytes;
	uint64_t full;       /* sends that found no room at first */
	uint64_t waits;      /* times a sender went to sleep */
	uint64_t wakes;      /* times it was told of room */
	uint64_t lock_wrong; /* releases that the lock refused: 0, or a bug */
};

/*
 * All but tx is the sender's own. tx is its owner's until lat_sender_init(), and then nobody else's. A turn is what publishes; the rarely taken
 * quaternion lock guards what controls the channel: its descriptor and its end.
 */
struct lat_sender {
	struct lat_tiers_tx tx;
	struct lat_turn turn;
	uint32_t cpu; /* value of words->cpu */
	uint32_t len_max;
	uint32_t near_max, short_max; /* the longest message that L1 takes, and two slots of it */
	bool barriers;
	const struct lat_rx_words *peer;
	struct lat_life life; /* the turn's */
	_Atomic(int) dead;    /* 0, or what sends return from now on */
	_Atomic(uint64_t) sent, sent_bytes;
	_Atomic(uint64_t) handed; /* of those sent: that were not published */
	const struct lat_sender_ops *ops;
	struct lat_tx_words *words;
	struct lat_bell *bell;

	/* Of those that wait. The turn's, but for wake, room_fd and refs. */
	_Atomic(uint32_t) wake; /* counts lat_sender_room(); slept on */
	_Atomic(int) room_fd;   /* -1 until somebody needs one; the control lock makes it */
	_Atomic(uint32_t) refs; /* of the owner, and of each sleeper */
	uint32_t fd_sleepers;   /* on room_fd */
	uint32_t cleared;       /* value of wake when room_fd was last cleared */
	bool watched;           /* room_fd was given away */
	struct lat_spin spin;
	_Atomic(uint64_t) full, waits, wakes;
	struct lat_qlock control;
};

/* @s zeroed (mind the alignment) but for tx, which has been made. */
void lat_sender_init(struct lat_sender *s, const struct lat_sender_config *cfg);

/* After freed, and when nobody calls lat_sender_room() or lat_sender_end() any more: gives the descriptor back. */
void lat_sender_fini(struct lat_sender *s);

/*
 * Sends one message; its bytes are copied before return.
 *
 * @deadline_ns  of CLOCK_MONOTONIC: how long to wait for room; 0 does not wait, UINT64_MAX does not give up
 *
 * Threads: any number. Sleeps holding no lock. Several threads' messages are in the order of their numbers; which of
 * several that wait for room goes first is open.
 * 0, or
 *   -EAGAIN      no room, and deadline_ns was 0
 *   -ETIMEDOUT   no room until deadline_ns
 *   -EMSGSIZE    @len is over the channel's limit
 *   -EPROTO      the receiving end lied, or memory was found damaged
 *   -ESHUTDOWN   it was closed meanwhile, or the calling task's scheduler is closing
 *   -ENOTRECOVERABLE  its lock was found overwritten
 *   -ENOMEM, -EMFILE, -ENFILE   it has to wait and there is no file descriptor to wait on
 *   -EKEYREVOKED the right that it was opened by has ended
 *   or what lat_sender_end() was given
 */
LAT_MUST_CHECK int lat_sender_send(struct lat_sender *s, int32_t type, const void *data, size_t len,
				   uint64_t deadline_ns);

/*
 * The same for the request of a call: @mark is told its number in the sender's turn, before it is published. What put says (-EAGAIN: as
 * if there were no room) is why it is not sent; undo: it was not, after all.
 */
struct lat_sender_mark {
	int (*put)(struct lat_sender_mark *mark, uint64_t seq);
	void (*undo)(struct lat_sender_mark *mark);
};
LAT_MUST_CHECK int lat_sender_call(struct lat_sender *s, int32_t type, const void *data, size_t len,
				   struct lat_sender_mark *mark, uint64_t deadline_ns);

/*
 * The same for a message that something goes with (fastpath/carry.h): @mark brings it to the receiving end, under that number, perhaps more
 * than once. Waits until the last one that went with a message was received, as for room.
 */
LAT_MUST_CHECK int lat_sender_send_carry(struct lat_sender *s, int32_t type, const void *data, size_t len,
					 struct lat_sender_mark *mark, uint64_t deadline_ns);

/*
 * Waits until @over says so, which is asked in the sender's turn: after lat_sender_room(), or when the other process has rung because it
 * saw words->room_wanted change. 0, -EAGAIN (deadline_ns is 0), -ETIMEDOUT, or why the channel is dead, or what it cannot wait for.
 */
LAT_MUST_CHECK int lat_sender_await(struct lat_sender *s, bool (*over)(void *ctx), void *ctx,
				    uint64_t deadline_ns);

/* In the sender's turn: a message of @len bytes was received without having been published. It has a number all the same. */
void lat_sender_handed_locked(struct lat_sender *s, size_t len);

/* A block to write a message into. */
struct lat_sender_loan {
	void *data;
	uint32_t block;
	uint32_t bytes;
};

/*
 * Loans a block of @bytes: it is the caller's until it is published or discarded, or the sender is gone. Threads and errors as
 * lat_sender_send(); or -EOPNOTSUPP: the channel has no blocks.
 */
LAT_MUST_CHECK int lat_sender_loan(struct lat_sender *s, size_t bytes, struct lat_sender_loan *loan,
				   uint64_t deadline_ns);

/*
 * Sends the first @len bytes of a loan, where they are. As lat_sender_send(), or -EINVAL: it is no loan (any more). With an error it
 * stays the caller's.
 */
LAT_MUST_CHECK int lat_sender_publish(struct lat_sender *s, int32_t type, struct lat_sender_loan *loan,
				      size_t len, uint64_t deadline_ns);

/* Gives a loan back. */
void lat_sender_discard(struct lat_sender *s, const struct lat_sender_loan *loan);

/*
 * Gives back what memory the tiers hold and do not need, if no send is in progress. The caller keeps the receiving end, @rx,
 * still. Not for a sender of one thread (single), which may be at work at any time.
 */
void lat_sender_tidy(struct lat_sender *s, struct lat_tiers_rx *rx);

/*
 * Waits until everything accepted so far was received. 0, -EAGAIN (it was not, and deadline_ns was 0), -ETIMEDOUT, or why it
 * ended, as lat_sender_send().
 */
LAT_MUST_CHECK int lat_sender_flush(struct lat_sender *s, uint64_t deadline_ns);

/*
 * A level-triggered file descriptor for a sender that does not wait: after a send returned -EAGAIN it becomes readable when
 * there may be room (or the channel ended); another -EAGAIN clears it. Made at the first call; the sender's own. The descriptor,
 * or -ENOMEM, -EMFILE, -ENFILE, -ENOTRECOVERABLE.
 */
LAT_MUST_CHECK int lat_sender_room_fd(struct lat_sender *s);

/*
 * Room was wanted, and slots came back or a message was received. Any thread, until lat_sender_fini(); takes no lock, does not
 * block.
 */
void lat_sender_room(struct lat_sender *s);

/*
 * The receiving end is gone: from now on sends and flushes return @why (negative), those asleep too. The first @why stays.
 * Any thread, until lat_sender_fini(); takes no lock, does not block.
 */
void lat_sender_end(struct lat_sender *s, int why);

/* Another word and generation from now on. false: it has ended, and stays so. Any thread. */
bool lat_sender_set_life(struct lat_sender *s, struct lat_life life);

/* 0, or what lat_sender_end() was given. Any thread. */
static inline int lat_sender_dead(const struct lat_sender *s)
{
	return atomic_load_explicit(&s->dead, memory_order_acquire);
}

/* So many messages were lost before they came to this end; who receives from now on is told. One thread at a time. */
static inline void lat_sender_set_lost(struct lat_sender *s, uint64_t lost)
{
	atomic_store_explicit(&s->words->lost, lost, memory_order_relaxed);
}

/* Numbers of the last message accepted, and (*received, may be NULL) of the last one received. Any thread. */
uint64_t lat_sender_sent(const struct lat_sender *s, uint64_t *received);

void lat_sender_stats(const struct lat_sender *s, struct lat_sender_stats *out);

/* Of the tiers. Any thread. */
void lat_sender_tiers(struct lat_sender *s, struct lat_tier_stats out[LAT_TIERS]);

/*
 * Who sleeps in it returns -ESHUTDOWN; nobody begins a new call, and nothing is published or announced after this returned.
 * Then, sooner or later, freed.
 */
void lat_sender_close(struct lat_sender *s);

#endif

/*
 * How the two ends of a channel wake each other, alike within a process and between two (LOCAL 9).
 *
 * Each end has words that only its side writes and the other reads. While the receiving end polls a channel (hot), a
 * publish is one store of the slot's number and one load of `hot`, and nothing else moves. While it does not (cold), the
 * sending end announces each publish; the receiving end tells of room once for each value of `room_wanted`. Whoever stops polling, or
 * wants room, pays for both: it changes its word, calls lat_membarrier(), looks once more, and only then sleeps. Where there is no
 * such barrier, a channel is never hot. Who only ever sleeps makes nothing hot, and pays nothing.
 *
 * Ordering edges (the slot's own are in ring.c):
 *   [H] hot store, then lat_membarrier() -> [h] hot load after a publish : who still reads "hot" has published what the
 *       look after the barrier finds
 *   [W] room_wanted store, then lat_membarrier() -> [w] room_wanted load after slots were given back : the same, mirrored
 */
#ifndef LAT_FASTPATH_BELL_H
#define LAT_FASTPATH_BELL_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

/* The receiving end's words; the sending end reads them. */
struct lat_rx_words {
	/* Bit 0: polled. It counts up with each change. */
	_Atomic(uint32_t) hot;
	/* Low half of the number of the last message received. Written with each, so not where the sending end looks. */
	alignas(LAT_CACHELINE) _Atomic(uint32_t) received;
};

/* The sending end's; the receiving end reads them. */
struct lat_tx_words {
	_Atomic(uint32_t) room_wanted; /* counts the times a sender has found no room and wants to be told */
	_Atomic(uint32_t) cpu;         /* where the last message was sent from, as lat_cpu_now() */
	_Atomic(uint64_t)
		lost; /* messages that never came to this end, and never will: stored before a publish */
	_Atomic(uint64_t)
		carries; /* the last message that something goes with (fastpath/carry.h): stored before its publish */
};

/*
 * What rings when the other process of a link announces something. Whoever sleeps in this process and has a channel over
 * the link sleeps on the bell as well as on its own word: arm; load *word, seq_cst; drain; look; sleep while *word is what was loaded, or
 * until fd is readable; disarm. No barrier is needed for the bell: it is rung, armed and looked at by seq_cst accesses
 * (doorbell.h, [A]). Any thread, several at once. drain takes neither an inbox's nor a sender's lock: it is called under them.
 */
struct lat_bell;

enum lat_bell_sleep {
	LAT_BELL_FUTEX, /* in lat_futex_wait_any() on the word, which is shared */
	LAT_BELL_FD,    /* in poll or epoll on the descriptor, or not asleep, but somebody looks at it */
};

struct lat_bell_ops {
	/*
	 * Takes in what was announced since the last time: lat_inbox_source_ready() for each channel that has
	 * messages, lat_sender_room() for each that has room. Clears the descriptor. true: there was something.
	 */
	bool (*drain)(struct lat_bell *bell);
	/* One more sleeper, one less: the peer rings while there is one. */
	void (*arm)(struct lat_bell *bell, enum lat_bell_sleep how);
	void (*disarm)(struct lat_bell *bell, enum lat_bell_sleep how);
	/* The peer's count of announcements, mapped read-only; the same for the bell's life. */
	const _Atomic(uint32_t) *(*word)(struct lat_bell *bell);
	/* Readable when the peer rang while a sleeper of that kind was armed. The bell's own, for its life. */
	int (*fd)(struct lat_bell *bell);
};

/* Embedded in the link, which outlives every source and sender that names it. */
struct lat_bell {
	const struct lat_bell_ops *ops;
};

#endif

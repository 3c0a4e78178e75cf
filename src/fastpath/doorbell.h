/*
 * The doorbells of a link: how one side tells the other which channels it published on, or made room in,
 * while that side was not looking. Each side writes the log of its own segment and reads the other's.
 *
 *   [L] log entry, then rung, release -> [l] rung, acquire : the entry, and what was published before it
 *   [A] armed added to, seq_cst, then rung loaded  |  [a] rung exchanged, seq_cst, then armed loaded :
 *       one of the two sees the other, so that no sleeper is missed
 *
 * An entry holds the lap of the log in which it was written: a reader that was overtaken sees that, and
 * looks at everything instead. A peer that lies wakes us for nothing, or fails to wake us.
 */
#ifndef LAT_FASTPATH_DOORBELL_H
#define LAT_FASTPATH_DOORBELL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/bell.h"
#include "fastpath/link_seg.h"

enum lat_doorbell_what {
	LAT_DOORBELL_MESSAGE, /* on a channel that the ringing side sends */
	LAT_DOORBELL_ROOM,    /* in a channel that the ringing side receives */
};

/* Private. One side's end of both directions. */
struct lat_doorbell {
	struct lat_seg *own;
	const struct lat_seg *peer;
	int fd; /* see lat_link_config.bell_fd */
	/* Ringing, under the lock. */
	pthread_mutex_t lock;
	uint32_t rung;
	_Atomic(uint64_t) rings, woken;
	/* Hearing: the caller lets one thread at a time in. */
	uint32_t heard;
	uint64_t entries, lagged;
};

/* @own and @peer: neither has rung yet. */
void lat_doorbell_init(struct lat_doorbell *d, struct lat_seg *own, const struct lat_seg *peer, int fd);
void lat_doorbell_fini(struct lat_doorbell *d);

/* Announces, and wakes whoever sleeps over there. Any thread. Does not block, but for other ringers. */
void lat_doorbell_ring(struct lat_doorbell *d, enum lat_doorbell_what what, uint32_t chan);

/* Who hears. Under no lock of the doorbell's. */
struct lat_doorbell_ears {
	void (*one)(void *ctx, enum lat_doorbell_what what, uint32_t chan); /* chan < LAT_LINK_CHANS_MAX */
	void (*all)(
		void *ctx); /* the log has come round: any channel may have been announced, for both reasons */
};

/*
 * Tells what the peer has announced since the last time, at most LAT_SEG_LOG entries or all() once, however fast it
 * rings. One thread at a time. true: there was something.
 */
bool lat_doorbell_hear(struct lat_doorbell *d, const struct lat_doorbell_ears *ears, void *ctx);

/* Makes the descriptor unreadable: before hearing, not after. 0, or -EPIPE: the peer hung up. */
LAT_MUST_CHECK int lat_doorbell_clear(struct lat_doorbell *d);

/* One more thread that sleeps, one less. Any thread. */
void lat_doorbell_arm(struct lat_doorbell *d, enum lat_bell_sleep how);
void lat_doorbell_disarm(struct lat_doorbell *d, enum lat_bell_sleep how);
bool lat_doorbell_watched(const struct lat_doorbell *d);

#endif

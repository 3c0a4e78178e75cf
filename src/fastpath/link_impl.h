/* A link's inside, for the files that share it: link.c, link_out.c (the sending ends), link_in.c (the receiving ends). */
#ifndef LAT_FASTPATH_LINK_IMPL_H
#define LAT_FASTPATH_LINK_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fastpath/doorbell.h"
#include "fastpath/link.h"
#include "fastpath/link_seg.h"
#include "fastpath/tiers.h"

/* Memory beside the segments that one side has made. */
struct lat_link_extents {
	pthread_mutex_t lock; /* innermost */
	uint32_t count;
	uint64_t bytes;
};

/* Ends by number. In memory that is committed as it is touched. */
struct lat_link_table {
	struct lat_link_out *out[LAT_LINK_CHANS_MAX]; /* accepted and not freed */
	struct lat_link_in *in[LAT_LINK_CHANS_MAX];
	uint16_t spare[LAT_LINK_CHANS_MAX];
	bool replied[LAT_LINK_CHANS_MAX]; /* calls were answered there: of a channel that may have gone */
};

struct lat_link {
	struct lat_bell bell;
	struct lat_seg *own;
	const struct lat_seg *peer; /* NULL until joined */
	bool barriers;              /* both sides are reached by lat_membarrier() */
	_Atomic(uint32_t) refs;

	pthread_mutex_t lock;
	const struct lat_link_ops *ops; /* NULL: the owner has let go */
	void *user;
	int dead; /* 0, or why */
	bool broken;
	struct lat_doorbell doorbell;
	struct lat_link_table *table;
	uint32_t outs, ins;                   /* ends there are */
	uint32_t outs_top, ins_top;           /* one above the highest number ever used */
	uint32_t spare;                       /* numbers below outs_top that are free */
	struct lat_link_extents made, mapped; /* ours, the peer's */
};

struct lat_link_out {
	struct lat_sender sender;
	struct lat_link *link;
	uint32_t chan;
	bool single;
	struct lat_life life;
	_Atomic(uint32_t) refs;
	struct lat_tiers_sizes sizes;
	bool gave_back; /* an extent, and the peer was not told yet. In the sender's turn */
	_Atomic(struct lat_link_asks *) asks; /* NULL: no calls yet */
	/* Under the link's lock. */
	bool accepted, closed;
	int why; /* ended before it was accepted */
};

enum lat_link_in_state { LAT_LINK_IN_OPENING, LAT_LINK_IN_OPEN, LAT_LINK_IN_ENDED, LAT_LINK_IN_CLOSED };

struct lat_link_in {
	struct lat_inbox_source src;
	struct lat_tiers_rx rx;
	struct lat_link *link;
	uint32_t chan;
	int (*admit)(void *user);
	void (*gone)(void *user, int why);
	bool no_calls, only_calls;
	_Atomic(uint32_t) refs;
	_Atomic(uint32_t) left; /* messages that a dead peer may still have published; UINT32_MAX: it lives */
	_Atomic(struct lat_link_caller *) caller; /* NULL: no calls yet */
	uint32_t room_epoch; /* of the tiers, when the sender was last told that it could give memory back */
	/* Under the link's lock. */
	enum lat_link_in_state state;
	int why;                     /* it is ended for; after that it does not change */
	uint32_t offered[LAT_TIERS]; /* extents of each tier that came */
	uint32_t
		slots; /* of all rings there were: no more messages can have been published and not received */
};

static inline void lat_link_get(_Atomic(uint32_t) *refs)
{
	atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* true: it was the last. */
static inline bool lat_link_unref(_Atomic(uint32_t) *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

void lat_link_put(struct lat_link *link);

/* 0, or why no end can be opened. */
int lat_link_ready_locked(const struct lat_link *link);

/* Accounts for one more, one less. 0, or -ENOBUFS. */
LAT_MUST_CHECK int lat_link_extents_add(struct lat_link_extents *e, uint64_t bytes);
void lat_link_extents_remove(struct lat_link_extents *e, uint64_t bytes);

/* The peer has announced something on @chan: messages; or room, or that memory is not needed. */
void lat_link_message_locked(struct lat_link *link, uint32_t chan);
void lat_link_room_locked(struct lat_link *link, uint32_t chan);

/* Ends @in for @why, unless it is ended, and unlocks. */
void lat_link_in_end_unlock(struct lat_link_in *in, int why);

#endif

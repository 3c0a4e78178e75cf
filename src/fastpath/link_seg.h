/*
 * What two linked processes see of each other: the segment, a memfd of one fixed layout that its owner writes
 * and the other side maps read-only. Sparse: an idle link has touched a few pages, an idle channel one and
 * its share of some lines.
 *
 *   version    what it is, and how its owner's sends are ordered
 *   rung       how many announcements its owner has made; slept on by the other side
 *   armed      how many of its owner's threads sleep, and on what
 *   log        which channels were announced
 *   tx         per channel that the owner sends: what wakes its receiver (fastpath/bell.h), which extents there are
 *   rx         per channel that the owner receives: what wakes its sender, and what it has given back
 *   l1         a ring per channel that the owner sends
 *   asked      per channel that the owner sends and calls on: which messages are calls (link_calls.h)
 *   replies    per channel that the owner receives calls on: a line for each reply
 *
 * Words that change rarely lie beside their neighbours; what changes with every message has lines of its own. Everything in a peer's segment may change while it is read, and be any number.
 */
#ifndef LAT_FASTPATH_LINK_SEG_H
#define LAT_FASTPATH_LINK_SEG_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "fastpath/bell.h"
#include "fastpath/link.h"
#include "fastpath/ring.h"
#include "fastpath/tiers.h"

enum {
	LAT_SEG_VERSION = 5,
	LAT_SEG_PAGE = 4096, /* of the layout, whatever the kernel's is */
	LAT_SEG_LOG = 4096,  /* entries, a power of two */
	LAT_SEG_CALLS = 64,  /* of a channel, from the first that is not answered */
	LAT_SEG_REPLY = 48,  /* bytes of a reply in its line */

	LAT_SEG_EXPEDITED = 1 << 0, /* flags: global expedited barriers reach the owner */

	LAT_SEG_SLEEPER = 1,       /* armed: added for each thread that sleeps on the other side's rung */
	LAT_SEG_WATCHER = 1 << 16, /* and for each that polls the bell */
};

struct lat_seg_tx {
	struct lat_tx_words words;
	struct lat_tiers_front front;
	_Atomic(uint32_t) asks; /* 1: there are calls, and asked is there */
};

/* Call n has place n % LAT_SEG_CALLS. */
struct lat_seg_asked {
	_Atomic(uint64_t) at[LAT_SEG_CALLS];   /* the number of its message */
	_Atomic(uint32_t) done[LAT_SEG_CALLS]; /* n, once its reply is not looked at any more */
};

struct lat_seg_reply {
	alignas(LAT_CACHELINE) _Atomic(uint32_t) number; /* n, stored last */
	_Atomic(int32_t) type;
	_Atomic(uint32_t) len;
	_Atomic(uint32_t) where; /* as enum lat_seg_where */
	union {
		unsigned char data[LAT_SEG_REPLY];
		_Atomic(uint32_t) at; /* LAT_SEG_IN_BLOCK: bytes from the beginning */
	};
};
static_assert(sizeof(struct lat_seg_reply) == LAT_CACHELINE, "a reply is one line");

enum lat_seg_where {
	LAT_SEG_HERE,           /* in the line */
	LAT_SEG_IN_BLOCK,       /* in the channel's memory for replies */
	LAT_SEG_LOST,           /* there was no memory for it */
	LAT_SEG_FAILED,         /* there is none, and type says why */
	LAT_SEG_SPINS = 1 << 8, /* besides: who answers here polls */
};

struct lat_seg_rx {
	alignas(LAT_CACHELINE) struct lat_rx_words words;
	struct lat_tiers_back back; /* lines of its own */
};

struct lat_seg {
	alignas(LAT_SEG_PAGE) _Atomic(uint32_t) magic;
	_Atomic(uint32_t) flags;
	alignas(LAT_CACHELINE) _Atomic(uint32_t) rung;
	alignas(LAT_CACHELINE) _Atomic(uint32_t) armed;
	alignas(LAT_SEG_PAGE) _Atomic(uint32_t) log[LAT_SEG_LOG];
	alignas(LAT_SEG_PAGE) struct lat_seg_tx tx[LAT_LINK_CHANS_MAX];
	alignas(LAT_SEG_PAGE) struct lat_seg_rx rx[LAT_LINK_CHANS_MAX];
	alignas(LAT_SEG_PAGE) struct lat_ring_slot l1[LAT_LINK_CHANS_MAX][LAT_TIERS_L1_SLOTS];
	alignas(LAT_SEG_PAGE) struct lat_seg_asked asked[LAT_LINK_CHANS_MAX];
	alignas(LAT_SEG_PAGE) struct lat_seg_reply replies[LAT_LINK_CHANS_MAX][LAT_SEG_CALLS];
};

/*
 * Makes our own, with @flags, and *fd to pass to the peer, which is the caller's. Without the mapping in a forked
 * child. 0, -ENOMEM, -EMFILE, -ENFILE.
 */
LAT_MUST_CHECK int lat_seg_open(struct lat_seg **out, uint32_t flags, int *fd);

/*
 * Maps a peer's and checks it. @fd stays the caller's. 0, -EPERM (not a memfd of ordinary pages, or not
 * sealed), -EPROTO (another size or version), -ENOMEM.
 */
LAT_MUST_CHECK int lat_seg_join(const struct lat_seg **out, int fd);

/* NULL is fine. */
void lat_seg_close(const struct lat_seg *seg);

/* Readies what we send (_out) and receive (_in) on @chan in our own segment: committed, zeroed. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_seg_ready_out(struct lat_seg *seg, uint32_t chan);
LAT_MUST_CHECK int lat_seg_ready_in(struct lat_seg *seg, uint32_t chan);

/* The same for calls that we make (_asks) and answer (_replies) there. */
LAT_MUST_CHECK int lat_seg_ready_asks(struct lat_seg *seg, uint32_t chan);
LAT_MUST_CHECK int lat_seg_ready_replies(struct lat_seg *seg, uint32_t chan);

/* Readies reading what the peer sends and receives on @chan in its segment. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_seg_ready_peer_out(const struct lat_seg *peer, uint32_t chan);
LAT_MUST_CHECK int lat_seg_ready_peer_in(const struct lat_seg *peer, uint32_t chan);

#endif

/* A channel's inside, for the files that share it: channel.c, execute.c (handing off) and call.c. */
#ifndef LAT_FASTPATH_CHANNEL_STATE_H
#define LAT_FASTPATH_CHANNEL_STATE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "fastpath/call.h"
#include "fastpath/channel.h"
#include "fastpath/execute.h"
#include "fastpath/sender.h"

struct lat_chan {
	struct lat_inbox_source src;
	struct lat_tiers_rx rx;
	alignas(LAT_CACHELINE) struct lat_rx_words rx_words; /* the receiver's line */
	int (*admit)(void *user);
	uint64_t (*call)(void *user, uint64_t seq);
	void (*freed)(void *user);
	alignas(LAT_CACHELINE) struct lat_sender sender; /* the senders' lines */
	alignas(LAT_CACHELINE) struct lat_tx_words tx_words;
	_Atomic(uint32_t) refs;
	void *region; /* the caller's memory for blocks; NULL: there is none. In the sender's turn */
	uint64_t region_bytes;
	struct lat_execute_counts counts;
	struct lat_tiers_front front;
	struct lat_tiers_back back; /* a line of its own */
	alignas(LAT_CACHELINE) struct lat_ring_slot l1[];
};

/* Makes what calls through it need. 0, -ENOMEM. */
int lat_chan_queue(struct lat_chan *ch);

#endif

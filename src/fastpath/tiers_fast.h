/* The tiers' usual case, inline: the next message lies whole where the last one did. */
#ifndef LAT_FASTPATH_TIERS_FAST_H
#define LAT_FASTPATH_TIERS_FAST_H

#include "fastpath/ring_fast.h"
#include "fastpath/tiers.h"

/* As lat_tiers_consume() of message @seq, which is the next, where that comes to 0; in one slot, if it has to be @one. false: nothing was done. */
LAT_FAST_INLINE bool lat_tiers_consume_near(struct lat_tiers_rx *rx, uint32_t seq, void *buf, size_t cap,
					    bool one, struct lat_ring_msg *msg)
{
	if (!lat_ring_consume_near(rx->at, seq, one ? LAT_RING_FIRST_DATA : LAT_TIERS_L1_LEN, buf, cap, msg))
		return false;
	rx->seq = seq;
	return true;
}

#endif

/*
 * Capabilities that go with messages (fastpath/carry.h): within a process as they are, to another one of this machine by a note over the
 * pair's sockets, to another node inside the sealed message.
 */
#ifndef LAT_NODE_CARRIED_H
#define LAT_NODE_CARRIED_H

#include <stdint.h>

#include "base/util.h"
#include "cap/right.h"
#include "fastpath/carry.h"
#include "fastpath/sender.h"

struct lat_pair;
struct lattice_cap;

/* A copy of @right, its key in locked memory, to go with a message. 0, -ENOMEM and the like. */
LAT_MUST_CHECK int lat_carried_make(struct lat_carry **out, const struct lat_cap_right *right);
/* What was carried, the caller's; @c is gone. NULL for NULL. */
struct lattice_cap *lat_carried_take(struct lat_carry *c);
/* As lat_capability_take(). */
LAT_MUST_CHECK int lat_carried_look(const struct lat_carry *c, struct lat_cap_right *out);

/* Brings @right to the other end of channel @chan of @p, as what goes with a message (lat_sender_send_carry()). */
struct lat_carried_note {
	struct lat_sender_mark mark; /* first */
	struct lat_pair *pair;
	uint32_t chan;
	const struct lat_cap_right *right;
};
void lat_carried_note_init(struct lat_carried_note *n, struct lat_pair *p, uint32_t chan,
			   const struct lat_cap_right *right);

#endif

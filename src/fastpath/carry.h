/*
 * What goes with a message beside its bytes, and does not travel in a ring: shared memory holds no secrets (LOCAL 13). It is brought to the
 * receiving end by other means, before or after the message, which waits for it (if whoever receives wants it).
 *
 *   words->carries store, relaxed; publish, release -> [c] peek, acquire; carries load : who sees the message knows that something goes
 *       with it
 *
 * One at a time on a channel: the next is not sent before the last one's message was received.
 */
#ifndef LAT_FASTPATH_CARRY_H
#define LAT_FASTPATH_CARRY_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in what is carried. */
struct lat_carry {
	uint64_t seq;                      /* of its message */
	void (*drop)(struct lat_carry *c); /* nobody took it */
};

/* NULL is fine. */
static inline void lat_carry_drop(struct lat_carry *c)
{
	if (c != NULL)
		c->drop(c);
}

#endif

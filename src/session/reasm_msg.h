/*
 * One message being put together from its pieces (PROTOCOL 6.4), whatever its channel. Private to reasm.c, which has
 * looked at the form of every piece before.
 */
#ifndef LAT_SESSION_REASM_MSG_H
#define LAT_SESSION_REASM_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "session/reasm.h"

/* Is the piece all of its message? */
bool lat_reasm_frag_whole(const struct lat_reasm_frag *f);
/* What a message costs beside its bytes. */
size_t lat_reasm_msg_overhead(uint32_t msg_len, bool whole);
/* For the message that @f is of; without room for bytes, and nothing charged to it. NULL: no memory. */
struct lat_reasm_msg *lat_reasm_msg_new(const struct lat_reasm_frag *f, uint64_t now);
/* Releases what was charged to it. */
void lat_reasm_msg_free(struct lat_reasm *r, struct lat_reasm_msg *m);
/* Room for the bytes below @bytes. 0 or -ENOMEM. */
LAT_MUST_CHECK int lat_reasm_msg_extend(struct lat_reasm_msg *m, uint32_t bytes);
/* Is there anything in the piece that is not held? */
bool lat_reasm_msg_news(struct lat_reasm_msg *m, const struct lat_reasm_frag *f);
/* The piece's bytes, for which there is room: the first write of a unit wins, a whole body replaces all. */
void lat_reasm_msg_fill(struct lat_reasm_msg *m, const struct lat_reasm_frag *f);

#endif

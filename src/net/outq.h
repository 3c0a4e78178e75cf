/*
 * What a TCP connection has accepted and the kernel has not taken yet: a bounded ring of bytes. Memory is taken when
 * bytes are held; when none are, all but 4096 bytes is given back. Not thread-safe: the connection's lock covers it.
 */
#ifndef LAT_NET_OUTQ_H
#define LAT_NET_OUTQ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/util.h"

struct lat_outq {
	uint8_t *buf;
	size_t cap, head, used;
};

/* A zeroed struct is an empty queue. fini frees; what was held is dropped. */
void lat_outq_fini(struct lat_outq *q);

/*
 * Appends the pieces, all or nothing; the queue never holds more than @max bytes. 0, -EAGAIN: no room under @max, or -ENOMEM.
 */
LAT_MUST_CHECK int lat_outq_put(struct lat_outq *q, const struct iovec *pieces, size_t count, size_t max);

/* Where the held bytes lie, in order: the number of pieces, 0 to 2. Valid until the next call on @q. */
size_t lat_outq_peek(const struct lat_outq *q, struct iovec out[static 2]);
/* The first @bytes were written. At most what is held. */
void lat_outq_drop(struct lat_outq *q, size_t bytes);

#endif

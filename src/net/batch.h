/*
 * Datagrams that go to one place by one system call: as one buffer that the kernel or the device cuts (GSO), where all but the last
 * are of one length, else by sendmmsg(2). Not thread-safe: udp.h's lock covers it.
 */
#ifndef LAT_NET_BATCH_H
#define LAT_NET_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/path.h"

enum {
	LAT_BATCH_MAX = 64, /* datagrams: what every kernel cuts a buffer into at most */
	LAT_BATCH_BYTES = 65507,
};

struct lat_batch {
	struct lat_path to;
	size_t segment; /* the length of the first; of each that is in one buffer but the last */
	size_t bytes, count;
	bool ended; /* its last is shorter: nothing fits behind it */
	uint8_t *buf;
	uint16_t len[LAT_BATCH_MAX];
};

/* Makes it empty. 0 or -ENOMEM. */
LAT_MUST_CHECK int lat_batch_init(struct lat_batch *b);
/* All zero is fine. */
void lat_batch_fini(struct lat_batch *b);

/* Whether @bytes to @to can go by the same call as what it holds. An empty one takes any datagram of 1 to LAT_BATCH_BYTES. */
bool lat_batch_fits(const struct lat_batch *b, const struct lat_path *to, size_t bytes);
/* What fits. */
void lat_batch_put(struct lat_batch *b, const struct lat_path *to, const uint8_t *packet, size_t bytes);

/*
 * Sends what it holds by @fd. *gso: whether one buffer may be tried; it becomes false when the kernel or the device refuses that.
 * *sent: how many datagrams the kernel took. 0: it is empty; -EAGAIN: what the kernel had
 * no room for is still held; else -errno: the first that is left was refused, and is dropped, the rest is still held.
 */
LAT_MUST_CHECK int lat_batch_send(struct lat_batch *b, int fd, bool *gso, size_t *sent);

#endif

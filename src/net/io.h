/* What the driver lends its transports: whom to call, what to count, where to wait. Internal to the room. */
#ifndef LAT_NET_IO_H
#define LAT_NET_IO_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "net/driver.h"
#include "net/timer.h"

enum { LAT_IO_BUF = 1 << 16 }; /* one read; holds any UDP packet */

/* What an epoll event speaks of: the kind in the upper half of its data, the number in the lower. */
enum lat_io_kind { LAT_IO_TIMER, LAT_IO_UDP, LAT_IO_LISTEN, LAT_IO_CONN };

struct lat_io {
	const struct lat_driver_ops *ops;
	void *ctx;
	int epoll;
	struct lat_timer timer;
	_Atomic uint64_t counters[LAT_NET_COUNTERS]; /* relaxed: nothing is ordered by them */
};

static inline void lat_io_count(struct lat_io *io, enum lat_driver_counter c)
{
	atomic_fetch_add_explicit(&io->counters[c], 1, memory_order_relaxed);
}

static inline void lat_io_count_many(struct lat_io *io, enum lat_driver_counter c, size_t count)
{
	atomic_fetch_add_explicit(&io->counters[c], count, memory_order_relaxed);
}

/* @op: EPOLL_CTL_ADD or EPOLL_CTL_MOD. 0, -ENOMEM, -ENOSPC (the user's limit of watches). Any thread. */
LAT_MUST_CHECK int lat_io_watch(struct lat_io *io, int op, int fd, uint32_t events, enum lat_io_kind kind,
				uint32_t number);
/* Any thread. Events already taken from the kernel may still be seen afterwards. */
void lat_io_unwatch(struct lat_io *io, int fd);

#endif

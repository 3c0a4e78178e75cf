#include "net/io.h"

#include <errno.h>
#include <sys/epoll.h>

int lat_io_watch(struct lat_io *io, int op, int fd, uint32_t events, enum lat_io_kind kind, uint32_t number)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)kind << 32 | number };

	return epoll_ctl(io->epoll, op, fd, &ev) < 0 ? -errno : 0;
}

void lat_io_unwatch(struct lat_io *io, int fd)
{
	struct epoll_event none = { 0 };

	(void)epoll_ctl(io->epoll, EPOLL_CTL_DEL, fd, &none); /* ENOENT: it was not watched */
}

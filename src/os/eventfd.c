/* eventfd(2) as a flag: the count does not matter, only whether it is 0. */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/eventfd.h"
#include "os/poll.h"

int lat_eventfd_open(int *fd)
{
	int got = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (got < 0)
		return -errno;
	*fd = got;
	return 0;
}

void lat_eventfd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void lat_eventfd_signal(int fd)
{
	uint64_t one = 1;
	ssize_t n;

	/* -EAGAIN means that the count is at its top: readable, which is all that is wanted. */
	do
		n = write(fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

void lat_eventfd_clear(int fd)
{
	uint64_t count;
	struct iovec iov = { &count, sizeof(count) };
	ssize_t n;

	do /* RWF_NOWAIT: a peer who shares it can clear O_NONBLOCK (LOCAL 9) */
		n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
	while (n < 0 && errno == EINTR);
}

int lat_eventfd_wait(int fd, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int rc = lat_poll_until(&p, 1, deadline_ns);

	return rc < 0 ? rc : 0;
}

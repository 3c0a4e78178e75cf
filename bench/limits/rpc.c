/*
 * A call as programs make it without a library: a request with a header of its number and length over a Unix stream socket, read as a
 * stream is read, and a reply of the same form. Two processes, asleep while they wait, wherever the scheduler puts them.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "limits/limits.h"

enum { BYTES = 48 };

struct header {
	uint64_t number;
	uint32_t bytes;
	int32_t type;
};

struct ends {
	int near, far;
};

static int make(struct bench_side *near)
{
	struct ends *e = near->shared;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*e = (struct ends){ fds[0], fds[1] };
	return 0;
}

static int put(int fd, const struct header *head, const unsigned char *bytes)
{
	struct iovec parts[2];

	/* It writes to neither, though its prototype does not say so. */
	parts[0] = (struct iovec){ .iov_base = (void *)(uintptr_t)head, .iov_len = sizeof(*head) };
	parts[1] = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes, .iov_len = head->bytes };
	return writev(fd, parts, 2) == (ssize_t)(sizeof(*head) + head->bytes) ? 0 : -EIO;
}

static int get(int fd, struct header *head, unsigned char bytes[BYTES])
{
	unsigned char in[sizeof(*head) + BYTES];
	size_t got = 0, wanted = sizeof(*head);

	while (got < wanted) {
		ssize_t n = read(fd, in + got, sizeof(in) - got);

		if (n <= 0)
			return n == 0 ? -EPIPE : -errno;
		got += (size_t)n;
		if (got < sizeof(*head))
			continue;
		memcpy(head, in, sizeof(*head));
		if (head->bytes > BYTES)
			return -EMSGSIZE;
		wanted = sizeof(*head) + head->bytes;
	}
	memcpy(bytes, in + sizeof(*head), head->bytes);
	return 0;
}

static int call_near(struct bench_side *side, uint64_t n)
{
	const struct ends *e = side->shared;
	unsigned char bytes[BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		const struct header request = { .number = n, .bytes = sizeof(bytes), .type = 1 };
		struct header reply;

		rc = put(e->near, &request, bytes);
		if (rc == 0)
			rc = get(e->near, &reply, bytes);
		if (rc == 0 && reply.number != n)
			rc = -EPROTO;
	}
	return rc;
}

static int call_far(struct bench_side *side, uint64_t n)
{
	const struct ends *e = side->shared;
	unsigned char bytes[BYTES];
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		struct header request;

		rc = get(e->far, &request, bytes);
		if (rc == 0)
			rc = put(e->far, &request, bytes);
	}
	return rc;
}

static void leave(struct bench_side *side)
{
	const struct ends *e = side->shared;

	(void)close(e->near);
	(void)close(e->far);
}

const struct bench_subject limit_rpc = {
	.name = "unix-rpc",
	.what = "a call by hand over a Unix stream socket, 48 B, asleep",
	.limit = "futex",
	.kind = BENCH_TRIP,
	.with = BENCH_PROCESS,
	.place = BENCH_FREE,
	.shared_bytes = sizeof(struct ends),
	.make = make,
	.near = call_near,
	.far = call_far,
	.leave = leave,
};

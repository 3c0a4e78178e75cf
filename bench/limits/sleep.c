/*
 * 48 bytes there and 48 back, each side asleep until it is woken: by a futex or an eventfd beside a line in shared memory, or
 * through a pipe or a Unix socket that carry the bytes themselves. Two processes, wherever the scheduler puts them, or on one core.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "limits/limits.h"

enum { BYTES = 48 };

struct half { /* one way */
	alignas(64) _Atomic(uint32_t) seq;
	unsigned char data[BYTES];
	alignas(64) uint32_t count; /* how many its reader has taken */
	int in, out;                /* what its reader reads and its writer writes; -1: none */
};

struct both {
	struct half there, back;
};

static int make_none(struct bench_side *near)
{
	struct both *b = near->shared;

	b->there.in = b->there.out = b->back.in = b->back.out = -1;
	return 0;
}

static int make_eventfds(struct bench_side *near)
{
	struct both *b = near->shared;

	b->there.in = b->there.out = eventfd(0, EFD_CLOEXEC);
	b->back.in = b->back.out = eventfd(0, EFD_CLOEXEC);
	return b->there.in < 0 || b->back.in < 0 ? -errno : 0;
}

static int make_pipes(struct bench_side *near)
{
	struct both *b = near->shared;
	int there[2], back[2];

	if (pipe(there) < 0 || pipe(back) < 0)
		return -errno;
	b->there.in = there[0];
	b->there.out = there[1];
	b->back.in = back[0];
	b->back.out = back[1];
	return 0;
}

static int make_socket(struct bench_side *near)
{
	struct both *b = near->shared;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	b->there.out = b->back.in = ends[0];
	b->back.out = b->there.in = ends[1];
	return 0;
}

static int futex_put(struct half *h, const unsigned char *bytes)
{
	uint32_t seq = atomic_load_explicit(&h->seq, memory_order_relaxed);

	memcpy(h->data, bytes, BYTES);
	atomic_store_explicit(&h->seq, seq + 1, memory_order_release);
	return syscall(SYS_futex, &h->seq, FUTEX_WAKE, 1, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int futex_get(struct half *h, unsigned char *bytes)
{
	while (atomic_load_explicit(&h->seq, memory_order_acquire) == h->count)
		(void)syscall(SYS_futex, &h->seq, FUTEX_WAIT, h->count, NULL, NULL, 0);
	h->count++;
	memcpy(bytes, h->data, BYTES);
	return 0;
}

static int eventfd_put(struct half *h, const unsigned char *bytes)
{
	memcpy(h->data, bytes, BYTES);
	return eventfd_write(h->out, 1) < 0 ? -errno : 0;
}

static int eventfd_get(struct half *h, unsigned char *bytes)
{
	eventfd_t count;

	if (eventfd_read(h->in, &count) < 0)
		return -errno;
	memcpy(bytes, h->data, BYTES);
	return 0;
}

static int fd_put(struct half *h, const unsigned char *bytes)
{
	return write(h->out, bytes, BYTES) == BYTES ? 0 : -EIO;
}

static int fd_get(struct half *h, unsigned char *bytes)
{
	return read(h->in, bytes, BYTES) == BYTES ? 0 : -EIO;
}

static inline __attribute__((always_inline)) int near_by(struct bench_side *side, uint64_t n,
							 int (*put)(struct half *, const unsigned char *),
							 int (*get)(struct half *, unsigned char *))
{
	struct both *b = side->shared;
	unsigned char bytes[BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = put(&b->there, bytes);
		if (rc == 0)
			rc = get(&b->back, bytes);
	}
	return rc;
}

static inline __attribute__((always_inline)) int far_by(struct bench_side *side, uint64_t n,
							int (*put)(struct half *, const unsigned char *),
							int (*get)(struct half *, unsigned char *))
{
	struct both *b = side->shared;
	unsigned char bytes[BYTES] = { 0 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = get(&b->there, bytes);
		if (rc == 0)
			rc = put(&b->back, bytes);
	}
	return rc;
}

static int futex_near(struct bench_side *side, uint64_t n)
{
	return near_by(side, n, futex_put, futex_get);
}

static int futex_far(struct bench_side *side, uint64_t n)
{
	return far_by(side, n, futex_put, futex_get);
}

static int eventfd_near(struct bench_side *side, uint64_t n)
{
	return near_by(side, n, eventfd_put, eventfd_get);
}

static int eventfd_far(struct bench_side *side, uint64_t n)
{
	return far_by(side, n, eventfd_put, eventfd_get);
}

static int fd_near(struct bench_side *side, uint64_t n)
{
	return near_by(side, n, fd_put, fd_get);
}

static int fd_far(struct bench_side *side, uint64_t n)
{
	return far_by(side, n, fd_put, fd_get);
}

static void leave(struct bench_side *side)
{
	struct both *b = side->shared;
	const int fds[] = { b->there.in, b->there.out, b->back.in, b->back.out };

	for (size_t i = 0; i < 4; i++) {
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= fds[k] == fds[i];
		if (!again && fds[i] >= 0)
			(void)close(fds[i]);
	}
}

#define SLEEP(name_, what_, place_, limit_, make_, near_, far_)                                \
	{                                                                                      \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_TRIP,       \
		.with = BENCH_PROCESS, .place = (place_), .shared_bytes = sizeof(struct both), \
		.make = (make_), .near = (near_), .far = (far_), .leave = leave                \
	}

const struct bench_subject limit_futex = SLEEP("futex", "futex, asleep, placed freely", BENCH_FREE, "line",
					       make_none, futex_near, futex_far);
const struct bench_subject limit_eventfd = SLEEP("eventfd", "eventfd, asleep, placed freely", BENCH_FREE,
						 "line", make_eventfds, eventfd_near, eventfd_far);
const struct bench_subject limit_pipe = SLEEP("pipe", "pipe, asleep, placed freely", BENCH_FREE, "line",
					      make_pipes, fd_near, fd_far);
const struct bench_subject limit_seqpacket = SLEEP("seqpacket", "Unix seqpacket, asleep, placed freely",
						   BENCH_FREE, "line", make_socket, fd_near, fd_far);
const struct bench_subject limit_futex_one = SLEEP("futex-1", "futex, asleep, both on one core",
						   BENCH_TOGETHER, "line", make_none, futex_near, futex_far);
const struct bench_subject limit_eventfd_one = SLEEP("eventfd-1", "eventfd, asleep, both on one core",
						     BENCH_TOGETHER, "line", make_eventfds, eventfd_near,
						     eventfd_far);
const struct bench_subject limit_pipe_one = SLEEP("pipe-1", "pipe, asleep, both on one core", BENCH_TOGETHER,
						  "line", make_pipes, fd_near, fd_far);
const struct bench_subject limit_seqpacket_one = SLEEP("seqpacket-1",
						       "Unix seqpacket, asleep, both on one core",
						       BENCH_TOGETHER, "line", make_socket, fd_near, fd_far);

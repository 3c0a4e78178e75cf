/* Two threads of one process, an endpoint each and a channel each way; polled, asleep, and one way. */
#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "subjects/lattice.h"

enum { NEAR = 1, FAR = 2, BYTES = 48, MOST = 64 };

struct threads {
	struct lattice_node *node;
	struct lattice_endpoint *inbox[2];  /* near's, far's */
	struct lattice_channel *channel[2]; /* from near, from far */
};

static int enter(struct bench_side *side)
{
	struct threads *t = side->shared;
	int rc;

	if (side->far)
		return bench_meet(side);
	rc = lattice_node_open(&t->node, NULL);
	if (rc == 0)
		rc = lattice_endpoint_open(&t->inbox[0], t->node, NEAR);
	if (rc == 0)
		rc = lattice_endpoint_open(&t->inbox[1], t->node, FAR);
	if (rc == 0)
		rc = lattice_channel_open(&t->channel[0], t->node, NEAR, FAR, 0, 0);
	if (rc == 0)
		rc = lattice_channel_open(&t->channel[1], t->node, FAR, NEAR, 0, 0);
	return rc < 0 ? rc : bench_meet(side);
}

static void leave(struct bench_side *side)
{
	struct threads *t = side->shared;

	if (side->far)
		return;
	for (int i = 0; i < 2; i++)
		lattice_channel_close(t->channel[i]);
	for (int i = 0; i < 2; i++)
		lattice_endpoint_close(t->inbox[i]);
	lattice_node_close(t->node);
}

static int send(struct lattice_channel *channel, const void *bytes, size_t len)
{
	const struct lattice_msg msg = { .type = 1, .data = bytes, .len = len };

	return lattice_channel_send(channel, &msg, LATTICE_FOREVER);
}

static int recv_polling(struct lattice_endpoint *inbox, void *bytes, size_t room)
{
	struct lattice_msg msg;
	int rc;

	while ((rc = lattice_endpoint_recv(inbox, &msg, bytes, room, 0)) == -ENOMSG)
		bench_pause();
	return rc;
}

static int recv_sleeping(struct lattice_endpoint *inbox, void *bytes, size_t room)
{
	struct lattice_msg msg;

	return lattice_endpoint_recv(inbox, &msg, bytes, room, LATTICE_FOREVER);
}

static int near_by(struct bench_side *side, uint64_t n,
		   int (*recv)(struct lattice_endpoint *, void *, size_t))
{
	struct threads *t = side->shared;
	unsigned char bytes[BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = send(t->channel[0], bytes, sizeof(bytes));
		if (rc == 0)
			rc = recv(t->inbox[0], bytes, sizeof(bytes));
	}
	return rc;
}

static int far_by(struct bench_side *side, uint64_t n, int (*recv)(struct lattice_endpoint *, void *, size_t))
{
	struct threads *t = side->shared;
	unsigned char bytes[BYTES];
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = recv(t->inbox[1], bytes, sizeof(bytes));
		if (rc == 0)
			rc = send(t->channel[1], bytes, sizeof(bytes));
	}
	return rc;
}

static int polling_near(struct bench_side *side, uint64_t n)
{
	return near_by(side, n, recv_polling);
}

static int polling_far(struct bench_side *side, uint64_t n)
{
	return far_by(side, n, recv_polling);
}

static int sleeping_near(struct bench_side *side, uint64_t n)
{
	return near_by(side, n, recv_sleeping);
}

static int sleeping_far(struct bench_side *side, uint64_t n)
{
	return far_by(side, n, recv_sleeping);
}

static int rate_near(struct bench_side *side, uint64_t n)
{
	struct threads *t = side->shared;
	unsigned char bytes[MOST] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = send(t->channel[0], bytes, side->subject->arg);
	return rc;
}

static int rate_far(struct bench_side *side, uint64_t n)
{
	struct threads *t = side->shared;
	unsigned char bytes[MOST];
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = recv_polling(t->inbox[1], bytes, sizeof(bytes));
	return rc;
}

#define THREADS(name_, what_, limit_, kind_, place_, near_, far_, ...)                                      \
	{                                                                                                   \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = (kind_), .with = BENCH_THREAD, \
		.place = (place_), .shared_bytes = sizeof(struct threads), .enter = enter, .near = (near_), \
		.far = (far_), .leave = leave, __VA_ARGS__                                                  \
	}

const struct bench_subject lattice_threads = THREADS("threads", "Lattice, 48 B, two threads, polling",
						     "line-thread", BENCH_TRIP, BENCH_APART, polling_near,
						     polling_far, .group = 32);
const struct bench_subject lattice_threads_rate48 =
	THREADS("threads-48", "Lattice, 48 B one way, two threads, polling", "ring48", BENCH_RATE,
		BENCH_APART, rate_near, rate_far, .arg = 48);
const struct bench_subject lattice_threads_rate64 =
	THREADS("threads-64", "Lattice, 64 B one way, two threads, polling", "ring64", BENCH_RATE,
		BENCH_APART, rate_near, rate_far, .arg = 64);
const struct bench_subject lattice_threads_one =
	THREADS("threads-1", "Lattice, 48 B, two threads asleep, on one core", "futex-1", BENCH_TRIP,
		BENCH_TOGETHER, sleeping_near, sleeping_far, .group = 0);
const struct bench_subject lattice_threads_free =
	THREADS("threads-free", "Lattice, 48 B, two threads asleep, placed freely", "futex", BENCH_TRIP,
		BENCH_FREE, sleeping_near, sleeping_far, .group = 0);

/*
 * Two parties with an endpoint each and a channel each way: two threads of one process, or two processes that share a node. They
 * poll or sleep; messages go there and back, or one way.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "subjects/lattice.h"

enum { BYTES = 48, MOST = 64 };

struct party {
	struct lattice_node *node;
	struct lattice_endpoint *inbox;
	struct lattice_channel *channel; /* to the other */
};

struct talk {
	struct party party[2]; /* near, far; of processes each uses its own */
	int32_t pid[2];
};

static char folder[] = "/tmp/lattice-bench-XXXXXX";

static void remove_folder(void)
{
	static const char *const names[] = { "node.sock", "node.lock" };
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
}

/* Before there are processes: they will all meet at a place of this run's own, and no two subjects have a pid in common. */
static int make(struct bench_side *near)
{
	static char socket[64];
	static int32_t pids;
	struct talk *t = near->shared;

	if (socket[0] == '\0') {
		if (mkdtemp(folder) == NULL)
			return -errno;
		(void)atexit(remove_folder); /* not run by the processes that are forked */
		(void)snprintf(socket, sizeof(socket), "%s/node.sock", folder);
		if (setenv("LATTICE_SOCKET", socket, 1) < 0)
			return -errno;
	}
	t->pid[0] = ++pids;
	t->pid[1] = ++pids;
	return 0;
}

static int open_channel(struct talk *t, bool far)
{
	struct party *p = &t->party[far];

	return lattice_channel_open(&p->channel, p->node, t->pid[far], t->pid[!far], 0, 0);
}

/* All by the near side, in one node that nobody else sees. */
static int enter_threads(struct bench_side *side)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_PRIVATE };
	struct talk *t = side->shared;
	int rc;

	side->own = &t->party[side->far];
	if (side->far)
		return bench_meet(side);
	rc = lattice_node_open(&t->party[0].node, &cfg);
	t->party[1].node = t->party[0].node;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = lattice_endpoint_open(&t->party[i].inbox, t->party[i].node, t->pid[i]);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = open_channel(t, i == 1);
	return rc < 0 ? rc : bench_meet(side);
}

static void close_party(struct party *p)
{
	lattice_channel_close(p->channel);
	lattice_endpoint_close(p->inbox);
	p->channel = NULL;
	p->inbox = NULL;
}

static void leave_threads(struct bench_side *side)
{
	struct talk *t = side->shared;

	if (side->far)
		return;
	close_party(&t->party[0]);
	close_party(&t->party[1]);
	lattice_node_close(t->party[0].node);
}

/* Each by itself; the other's endpoint must be there before a channel to it is opened. */
static int enter_process(struct bench_side *side)
{
	struct talk *t = side->shared;
	struct party *p = &t->party[side->far];
	int rc;

	side->own = p;
	rc = lattice_node_open(&p->node, NULL);
	if (rc == 0)
		rc = lattice_endpoint_open(&p->inbox, p->node, t->pid[side->far]);
	if (rc == 0)
		rc = bench_meet(side);
	if (rc == 0)
		rc = open_channel(t, side->far);
	return rc < 0 ? rc : bench_meet(side);
}

static void leave_process(struct bench_side *side)
{
	struct talk *t = side->shared;
	struct party *p = &t->party[side->far];

	close_party(p);
	lattice_node_close(p->node);
}

#define INLINE static inline __attribute__((always_inline))

INLINE int near_by(struct bench_side *side, uint64_t n, int (*get)(struct lattice_endpoint *, void *, size_t))
{
	const struct party *p = side->own;
	unsigned char bytes[BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = lattice_put(p->channel, bytes, sizeof(bytes));
		if (rc == 0)
			rc = get(p->inbox, bytes, sizeof(bytes));
	}
	return rc;
}

INLINE int far_by(struct bench_side *side, uint64_t n, int (*get)(struct lattice_endpoint *, void *, size_t))
{
	const struct party *p = side->own;
	unsigned char bytes[BYTES];
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = get(p->inbox, bytes, sizeof(bytes));
		if (rc == 0)
			rc = lattice_put(p->channel, bytes, sizeof(bytes));
	}
	return rc;
}

static int polling_near(struct bench_side *side, uint64_t n)
{
	return near_by(side, n, lattice_get);
}

static int polling_far(struct bench_side *side, uint64_t n)
{
	return far_by(side, n, lattice_get);
}

static int sleeping_near(struct bench_side *side, uint64_t n)
{
	return near_by(side, n, lattice_await);
}

static int sleeping_far(struct bench_side *side, uint64_t n)
{
	return far_by(side, n, lattice_await);
}

static int rate_near(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	unsigned char bytes[MOST] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = lattice_put(p->channel, bytes, side->subject->arg);
	return rc;
}

static int rate_far(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	unsigned char bytes[MOST];
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = lattice_get(p->inbox, bytes, sizeof(bytes));
	return rc;
}

#define TALK(name_, what_, limit_, kind_, place_, near_, far_, ...)                              \
	.name = (name_), .what = (what_), .limit = (limit_), .kind = (kind_), .place = (place_), \
	.make = make, .near = (near_), .far = (far_), .shared_bytes = sizeof(struct talk), __VA_ARGS__
#define THREADS(...)                                                                                     \
	{                                                                                                \
		TALK(__VA_ARGS__), .with = BENCH_THREAD, .enter = enter_threads, .leave = leave_threads, \
	}
#define PROCESSES(...)                                                                                    \
	{                                                                                                 \
		TALK(__VA_ARGS__), .with = BENCH_PROCESS, .enter = enter_process, .leave = leave_process, \
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

const struct bench_subject lattice_processes = PROCESSES("process", "Lattice, 48 B, two processes, polling",
							 "line", BENCH_TRIP, BENCH_APART, polling_near,
							 polling_far, .group = 32);
const struct bench_subject lattice_processes_streamed =
	PROCESSES("process-streamed", "the same beside a process that streams", "line-streamed", BENCH_TRIP,
		  BENCH_APART, polling_near, polling_far, .group = 32, .streamed = true);
const struct bench_subject lattice_processes_rate48 =
	PROCESSES("process-48", "Lattice, 48 B one way, two processes, polling", "ring48", BENCH_RATE,
		  BENCH_APART, rate_near, rate_far, .arg = 48);
const struct bench_subject lattice_processes_rate64 =
	PROCESSES("process-64", "Lattice, 64 B one way, two processes, polling", "ring64", BENCH_RATE,
		  BENCH_APART, rate_near, rate_far, .arg = 64);
const struct bench_subject lattice_processes_one =
	PROCESSES("process-1", "Lattice, 48 B, two processes asleep, on one core", "futex-1", BENCH_TRIP,
		  BENCH_TOGETHER, sleeping_near, sleeping_far, .group = 0);
const struct bench_subject lattice_processes_free =
	PROCESSES("process-free", "Lattice, 48 B, two processes asleep, placed freely", "futex", BENCH_TRIP,
		  BENCH_FREE, sleeping_near, sleeping_far, .group = 0);

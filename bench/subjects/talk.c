/*
 * Two parties with an endpoint each and a channel each way: two threads of one process, or two processes that share a node. They
 * poll or sleep; messages go there and back, or one way, or are lent and taken.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "subjects/lattice.h"

enum { BYTES = 48, MOST = 64, BLOCK = 1 << 20 };

/* A subject's arg: how it waits, whether each end is one thread's, and the bytes of a message where that varies. */
#define HOW(wait, single, bytes) ((size_t)(wait) << 16 | (size_t)(single) << 24 | (size_t)(bytes))
#define LENT                     ((size_t)1 << 25) /* messages of BLOCK bytes */

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

int lattice_meeting_place(void)
{
	static char socket[64];

	if (socket[0] != '\0')
		return 0;
	if (mkdtemp(folder) == NULL)
		return -errno;
	(void)atexit(remove_folder); /* not run by the processes that are forked */
	(void)snprintf(socket, sizeof(socket), "%s/node.sock", folder);
	return setenv("LATTICE_SOCKET", socket, 1) < 0 ? -errno : 0;
}

/* No two subjects have a pid in common. */
static int make(struct bench_side *near)
{
	static int32_t pids;
	struct talk *t = near->shared;

	t->pid[0] = ++pids;
	t->pid[1] = ++pids;
	return lattice_meeting_place();
}

static int open_inbox(const struct bench_side *side, bool far)
{
	struct talk *t = side->shared;
	struct party *p = &t->party[far];
	size_t how = side->subject->arg;
	int rc = lattice_endpoint_open(&p->inbox, p->node, t->pid[far]);

	if (rc < 0)
		return rc;
	return lattice_endpoint_tune(p->inbox,
				     &(struct lattice_tuning){ .wait = (enum lattice_wait)(how >> 16 & 0xff),
							       .single = (how >> 24 & 1) != 0 });
}

static int open_channel(const struct bench_side *side, bool far)
{
	struct talk *t = side->shared;
	struct party *p = &t->party[far];

	return lattice_channel_open(&p->channel, p->node, t->pid[far], t->pid[!far], 0,
				    (side->subject->arg >> 24 & 1) != 0 ? LATTICE_CHANNEL_SINGLE : 0);
}

static struct lattice_node_config config(const struct bench_side *side, enum lattice_host host)
{
	return (struct lattice_node_config){ .host = host,
					     .max_msg_bytes = (side->subject->arg & LENT) != 0 ? 2 * BLOCK
											       : 0 };
}

/* All by the near side, in one node that nobody else sees. */
static int enter_threads(struct bench_side *side)
{
	const struct lattice_node_config cfg = config(side, LATTICE_HOST_PRIVATE);
	struct talk *t = side->shared;
	int rc;

	side->own = &t->party[side->far];
	if (side->far)
		return bench_meet(side);
	rc = lattice_node_open(&t->party[0].node, &cfg);
	t->party[1].node = t->party[0].node;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = open_inbox(side, i == 1);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = open_channel(side, i == 1);
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
	const struct lattice_node_config cfg = config(side, LATTICE_HOST_AUTO);
	struct talk *t = side->shared;
	struct party *p = &t->party[side->far];
	int rc;

	side->own = p;
	rc = lattice_node_open(&p->node, &cfg);
	if (rc == 0)
		rc = open_inbox(side, side->far);
	if (rc == 0)
		rc = bench_meet(side);
	if (rc == 0)
		rc = open_channel(side, side->far);
	return rc < 0 ? rc : bench_meet(side);
}

static void leave_process(struct bench_side *side)
{
	struct talk *t = side->shared;
	struct party *p = &t->party[side->far];

	close_party(p);
	lattice_node_close(p->node);
}

static int trip_near(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	unsigned char bytes[BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = lattice_put(p->channel, bytes, sizeof(bytes));
		if (rc == 0)
			rc = lattice_await(p->inbox, bytes, sizeof(bytes));
	}
	return rc;
}

static int trip_far(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	unsigned char bytes[BYTES];
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = lattice_await(p->inbox, bytes, sizeof(bytes));
		if (rc == 0)
			rc = lattice_put(p->channel, bytes, sizeof(bytes));
	}
	return rc;
}

static int call_near(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	unsigned char bytes[BYTES] = { 1 };
	const struct lattice_msg request = { .type = 1, .data = bytes, .len = sizeof(bytes) };
	struct lattice_msg reply;
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = lattice_channel_call(p->channel, &request, &reply, bytes, sizeof(bytes),
					  LATTICE_FOREVER);
	return rc;
}

static int call_far(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	unsigned char bytes[BYTES];
	struct lattice_msg msg;
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = lattice_endpoint_recv(p->inbox, &msg, bytes, sizeof(bytes), LATTICE_FOREVER);
		if (rc == 0)
			rc = lattice_endpoint_reply(p->inbox, &msg, &msg);
	}
	return rc;
}

static int rate_near(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	unsigned char bytes[MOST] = { 1 };
	size_t len = side->subject->arg & 0xffff;
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = lattice_put(p->channel, bytes, len);
	return rc;
}

static int rate_far(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	unsigned char bytes[MOST];
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = lattice_await(p->inbox, bytes, sizeof(bytes));
	return rc;
}

/* As limits/block.c: the first and the last word are written and read. */
static int put_block(const struct party *p, uint32_t mark)
{
	struct lattice_block block;
	int rc = lattice_channel_loan(p->channel, BLOCK, &block, LATTICE_FOREVER);

	if (rc < 0)
		return rc;
	memcpy(block.data, &mark, sizeof(mark));
	memcpy((char *)block.data + BLOCK - sizeof(mark), &mark, sizeof(mark));
	return lattice_channel_publish(p->channel, &block, 1, BLOCK, LATTICE_FOREVER);
}

static int get_block(const struct party *p, uint32_t *mark)
{
	struct lattice_hold hold;
	struct lattice_msg msg;
	uint32_t last = 0;
	int rc = lattice_endpoint_take(p->inbox, &msg, &hold, LATTICE_TAKE_SHARED, LATTICE_FOREVER);

	if (rc < 0)
		return rc;
	if (msg.len == BLOCK) {
		memcpy(mark, msg.data, sizeof(*mark));
		memcpy(&last, (const char *)msg.data + BLOCK - sizeof(last), sizeof(last));
	}
	lattice_endpoint_release(p->inbox, &hold);
	return msg.len == BLOCK && last == *mark ? 0 : -EPROTO;
}

static int block_near(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	uint32_t mark = 0;
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = put_block(p, (uint32_t)n);
		if (rc == 0)
			rc = get_block(p, &mark);
		if (rc == 0 && mark != (uint32_t)n)
			rc = -EPROTO;
	}
	return rc;
}

static int block_far(struct bench_side *side, uint64_t n)
{
	const struct party *p = side->own;
	uint32_t mark = 0;
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = get_block(p, &mark);
		if (rc == 0)
			rc = put_block(p, mark);
	}
	return rc;
}

#define BLOCKS(name_, what_)                                                                          \
	.name = (name_), .what = (what_), .limit = "block", .kind = BENCH_TRIP, .place = BENCH_APART, \
	.make = make, .near = block_near, .far = block_far, .arg = POLLING(0) | LENT,                 \
	.shared_bytes = sizeof(struct talk), .group = 32
#define TRIP(name_, what_, limit_, place_, how_, ...)                                               \
	.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_TRIP, .place = (place_), \
	.make = make, .near = trip_near, .far = trip_far, .arg = (how_),                            \
	.shared_bytes = sizeof(struct talk), __VA_ARGS__
#define RATE(name_, what_, limit_, place_, how_)                                                    \
	.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_RATE, .place = (place_), \
	.make = make, .near = rate_near, .far = rate_far, .arg = (how_), .shared_bytes = sizeof(struct talk)
#define THREADS(...)                                                                               \
	{                                                                                          \
		__VA_ARGS__, .with = BENCH_THREAD, .enter = enter_threads, .leave = leave_threads, \
	}
#define PROCESSES(...)                                                                              \
	{                                                                                           \
		__VA_ARGS__, .with = BENCH_PROCESS, .enter = enter_process, .leave = leave_process, \
	}
#define POLLING(bytes) HOW(LATTICE_WAIT_SPIN, true, bytes)

const struct bench_subject lattice_threads =
	THREADS(TRIP("threads", "Lattice, 48 B, two threads polling, single", "line-thread", BENCH_APART,
		     POLLING(0), .group = 32));
const struct bench_subject lattice_threads_rate48 =
	THREADS(RATE("threads-48", "Lattice, 48 B one way, two threads polling, single", "ring48",
		     BENCH_APART, POLLING(48)));
const struct bench_subject lattice_threads_rate64 =
	THREADS(RATE("threads-64", "Lattice, 64 B one way, two threads polling, single", "ring64",
		     BENCH_APART, POLLING(64)));
const struct bench_subject lattice_threads_one =
	THREADS(TRIP("threads-1", "Lattice, 48 B, two threads asleep, on one core", "futex-1", BENCH_TOGETHER,
		     0, .group = 0));
const struct bench_subject lattice_threads_free =
	THREADS(TRIP("threads-free", "Lattice, 48 B, two threads asleep, placed freely", "futex", BENCH_FREE,
		     0, .group = 0));
const struct bench_subject lattice_threads_locked =
	THREADS(TRIP("threads-locked", "the same, not single: with the locks", "line-thread", BENCH_APART,
		     HOW(LATTICE_WAIT_SPIN, false, 0), .group = 32));

const struct bench_subject lattice_processes = PROCESSES(TRIP("process",
							      "Lattice, 48 B, two processes polling, single",
							      "line", BENCH_APART, POLLING(0), .group = 32));
const struct bench_subject lattice_processes_streamed =
	PROCESSES(TRIP("process-streamed", "the same beside a process that streams", "line-streamed",
		       BENCH_APART, POLLING(0), .group = 32, .streamed = true));
const struct bench_subject lattice_processes_rate48 =
	PROCESSES(RATE("process-48", "Lattice, 48 B one way, two processes polling, single", "ring48",
		       BENCH_APART, POLLING(48)));
const struct bench_subject lattice_processes_rate64 =
	PROCESSES(RATE("process-64", "Lattice, 64 B one way, two processes polling, single", "ring64",
		       BENCH_APART, POLLING(64)));
const struct bench_subject lattice_processes_one =
	PROCESSES(TRIP("process-1", "Lattice, 48 B, two processes asleep, on one core", "futex-1",
		       BENCH_TOGETHER, 0, .group = 0));
const struct bench_subject lattice_processes_free =
	PROCESSES(TRIP("process-free", "Lattice, 48 B, two processes asleep, placed freely", "futex",
		       BENCH_FREE, 0, .group = 0));
const struct bench_subject lattice_processes_handoff =
	PROCESSES(TRIP("process-handoff", "Lattice, 48 B, two processes, hand-off, placed freely", "futex-1",
		       BENCH_FREE, HOW(LATTICE_WAIT_HANDOFF, true, 0), .group = 0));

const struct bench_subject lattice_threads_block =
	THREADS(BLOCKS("threads-block", "Lattice, 1 MiB lent and taken, two threads"));
const struct bench_subject lattice_processes_block =
	PROCESSES(BLOCKS("process-block", "Lattice, 1 MiB lent and taken, two processes"));
#define CALL(name_, what_, limit_, place_, how_, group_)                                            \
	.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_TRIP, .place = (place_), \
	.make = make, .near = call_near, .far = call_far, .arg = (how_),                            \
	.shared_bytes = sizeof(struct talk), .group = (group_)

const struct bench_subject lattice_threads_call =
	THREADS(CALL("threads-call", "Lattice, call and reply, 48 B, two threads polling", "slot-thread",
		     BENCH_APART, POLLING(0), 32));
const struct bench_subject lattice_processes_call =
	PROCESSES(CALL("process-call", "Lattice, call and reply, 48 B, two processes polling", "line",
		       BENCH_APART, POLLING(0), 32));
const struct bench_subject lattice_threads_call_free = THREADS(CALL(
	"threads-call-free", "Lattice, call and reply, 48 B, two threads asleep", "futex", BENCH_FREE, 0, 0));
const struct bench_subject lattice_processes_call_free =
	PROCESSES(CALL("process-call-free", "Lattice, call and reply, 48 B, two processes asleep", "futex",
		       BENCH_FREE, 0, 0));
const struct bench_subject lattice_processes_call_handoff =
	PROCESSES(CALL("process-call-handoff", "Lattice, call and reply, 48 B, two processes, hand-off",
		       "futex-1", BENCH_FREE, HOW(LATTICE_WAIT_HANDOFF, true, 0), 0));

/*
 * Two tasks of one thread: a message each way, by an endpoint and a channel of each; or a call and its reply, by one, which was opened by a
 * capability or without.
 */
#include <errno.h>

#include "subjects/lattice.h"

enum {
	NEAR = 1,
	FAR = 2,
	BYTES = 48,
	ALL_RIGHTS = LATTICE_RIGHT_SEND | LATTICE_RIGHT_OPEN | LATTICE_RIGHT_CALL
};

struct tasks {
	struct lattice_node *node;
	struct lattice_endpoint *inbox[2];
	struct lattice_channel *channel[2];
	struct lattice_sched *sched;
	/* A slice, while one runs. */
	uint64_t count;
	void (*slice)(void *arg);
	void *arg;
	int far_rc;
};

static int enter(struct bench_side *side)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_PRIVATE };
	struct tasks *t = side->shared;
	int rc = lattice_node_open(&t->node, &cfg);

	if (rc == 0)
		rc = lattice_endpoint_open(&t->inbox[0], t->node, NEAR);
	if (rc == 0)
		rc = lattice_endpoint_open(&t->inbox[1], t->node, FAR);
	if (rc == 0)
		rc = lattice_channel_open(&t->channel[0], t->node, NEAR, FAR, 0, 0);
	if (rc == 0)
		rc = lattice_channel_open(&t->channel[1], t->node, FAR, NEAR, 0, 0);
	if (rc == 0)
		rc = lattice_sched_open(&t->sched);
	return rc;
}

/* By a capability that could be revoked at any time, and that limits nothing else. */
static int open_by_right(struct tasks *t)
{
	const struct lattice_cap_terms terms = { .dst = FAR, .rights = ALL_RIGHTS, .bearer = true };
	struct lattice_cap *cap;
	int rc = lattice_cap_grant(&cap, t->node, &terms);

	if (rc < 0)
		return rc;
	rc = lattice_channel_open_cap(&t->channel[0], t->node, NEAR, FAR, 0, 0, cap);
	lattice_cap_free(cap);
	return rc;
}

static int enter_by_right(struct bench_side *side)
{
	struct tasks *t = side->shared;
	int rc = enter(side);

	if (rc < 0)
		return rc;
	lattice_channel_close(t->channel[0]);
	t->channel[0] = NULL;
	return open_by_right(t);
}

static void leave(struct bench_side *side)
{
	struct tasks *t = side->shared;

	(void)lattice_sched_close(t->sched);
	for (int i = 0; i < 2; i++)
		lattice_channel_close(t->channel[i]);
	for (int i = 0; i < 2; i++)
		lattice_endpoint_close(t->inbox[i]);
	lattice_node_close(t->node);
}

static int near(struct bench_side *side, uint64_t n)
{
	struct tasks *t = side->shared;
	unsigned char bytes[BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = lattice_put(t->channel[0], bytes, sizeof(bytes));
		if (rc == 0)
			rc = lattice_await(t->inbox[0], bytes, sizeof(bytes));
	}
	return rc;
}

static int call(struct bench_side *side, uint64_t n)
{
	struct tasks *t = side->shared;
	unsigned char bytes[BYTES] = { 1 };
	const struct lattice_msg request = { .type = 1, .data = bytes, .len = sizeof(bytes) };
	struct lattice_msg reply;
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = lattice_channel_call(t->channel[0], &request, &reply, bytes, sizeof(bytes),
					  LATTICE_FOREVER);
	return rc;
}

static void near_task(void *arg)
{
	struct tasks *t = arg;

	t->slice(t->arg);
}

static void far_task(void *arg)
{
	struct tasks *t = arg;
	unsigned char bytes[BYTES];
	int rc = 0;

	for (uint64_t n = t->count; n > 0 && rc == 0; n--) {
		rc = lattice_await(t->inbox[1], bytes, sizeof(bytes));
		if (rc == 0)
			rc = lattice_put(t->channel[1], bytes, sizeof(bytes));
	}
	t->far_rc = rc;
}

static void answering_task(void *arg)
{
	struct tasks *t = arg;
	unsigned char bytes[BYTES];
	struct lattice_msg msg;
	int rc = 0;

	for (uint64_t n = t->count; n > 0 && rc == 0; n--) {
		rc = lattice_endpoint_recv(t->inbox[1], &msg, bytes, sizeof(bytes), LATTICE_FOREVER);
		if (rc == 0)
			rc = lattice_endpoint_reply(t->inbox[1], &msg, &msg);
	}
	t->far_rc = rc;
}

static int inside(struct bench_side *side, uint64_t n, void (*slice)(void *arg), void *arg)
{
	struct tasks *t = side->shared;
	int rc;

	t->count = n;
	t->slice = slice;
	t->arg = arg;
	rc = lattice_task_spawn(t->sched, FAR, side->subject->near == call ? answering_task : far_task, t, 0);
	if (rc == 0)
		rc = lattice_task_spawn(t->sched, NEAR, near_task, t, 0);
	if (rc == 0)
		rc = lattice_sched_run(t->sched);
	return rc < 0 ? rc : t->far_rc;
}

#define TASKS(name_, what_, enter_, near_)                                                                \
	{                                                                                                 \
		.name = (name_), .what = (what_), .limit = "switch", .kind = BENCH_TRIP,                  \
		.with = BENCH_ALONE, .place = BENCH_APART, .group = 32,                                   \
		.shared_bytes = sizeof(struct tasks), .enter = (enter_), .near = (near_), .leave = leave, \
		.inside = inside                                                                          \
	}

const struct bench_subject lattice_tasks = TASKS("tasks", "Lattice, 48 B each way, two tasks of one thread",
						 enter, near);
const struct bench_subject lattice_call =
	TASKS("call", "Lattice, call and reply, 48 B, two tasks of one thread", enter, call);
const struct bench_subject lattice_call_by_right =
	TASKS("call-by-right", "the same, the channel opened by a capability", enter_by_right, call);

/*
 * Two parties, two threads of one process or two processes that share a node, with 10,000 channels from the one to the other and
 * one back: the round trip by the second and by the last of them, polling, and what an idle one costs in memory, the kernel's
 * included.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subjects/lattice.h"

enum { MANY = 10000, BYTES = 48, FEW = 100 };
/* Far from the pids of others, and from each other. */
enum { PID_BACK = 1000000, PID_FAR = 1000001, PID_FIRST = 1000010, PROCESSES = 100000 };

struct many {
	struct party {
		struct lattice_node *node;
		struct lattice_endpoint *inbox;
	} near, far;
	struct lattice_channel *back;
	struct lattice_channel *channel[MANY]; /* the near side's */
	double before, after;                  /* memory that there is, FEW channels open, and all */
	double far_kib;                        /* what the far side of two processes says of itself */
};

/* What a file says, in KiB. NAN: nothing. */
static double field_of(const char *path, const char *field)
{
	FILE *from = fopen(path, "r");
	size_t length = strlen(field);
	char line[256];
	double is = NAN;

	while (from != NULL && fgets(line, sizeof(line), from) != NULL)
		if (strncmp(line, field, length) == 0 && sscanf(line + length, "%lf", &is) == 1)
			break;
	if (from != NULL)
		(void)fclose(from);
	return is;
}

/* This process's memory, but for what is shared, and the kernel's page tables for it. */
static double own_kib(void)
{
	return field_of("/proc/self/smaps_rollup", "Pss_Anon:") + field_of("/proc/self/status", "VmPTE:");
}

/* What processes share, and what the kernel has objects for: the whole machine's, so others' doings are in it. */
static double machine_kib(void)
{
	return field_of("/proc/meminfo", "Shmem:") + field_of("/proc/meminfo", "Slab:");
}

/* Between two meetings, so both sides hold still: the near side adds up. */
static int take_stock(struct bench_side *side, double *kib)
{
	struct many *m = side->shared;
	bool two = side->subject->with == BENCH_PROCESS;
	int rc;

	if (side->far && two)
		m->far_kib = own_kib();
	rc = bench_meet(side);
	if (rc == 0 && !side->far)
		*kib = own_kib() + machine_kib() + (two ? m->far_kib : 0);
	return rc == 0 ? bench_meet(side) : rc;
}

static int open_party(struct bench_side *side, struct party *p, int32_t pid)
{
	const struct lattice_node_config cfg = { .host = side->subject->with == BENCH_PROCESS
								 ? LATTICE_HOST_AUTO
								 : LATTICE_HOST_PRIVATE };
	int rc = p->node == NULL ? lattice_node_open(&p->node, &cfg) : 0;

	if (rc == 0)
		rc = lattice_endpoint_open(&p->inbox, p->node, pid);
	if (rc == 0)
		rc = lattice_endpoint_tune(p->inbox, &(struct lattice_tuning){ .wait = LATTICE_WAIT_SPIN,
									       .single = true });
	return rc;
}

/* Pids are apart from the other subject's by its number. */
static int32_t pid_of(const struct bench_side *side, int32_t pid)
{
	return pid + (side->subject->with == BENCH_PROCESS ? PROCESSES : 0);
}

static int open_channels(struct bench_side *side, int from, int to)
{
	struct many *m = side->shared;
	int rc = 0;

	for (int i = from; i < to && rc == 0; i++)
		rc = lattice_channel_open(&m->channel[i], m->near.node, pid_of(side, PID_FIRST + i),
					  pid_of(side, PID_FAR), 0, LATTICE_CHANNEL_SINGLE);
	return rc;
}

static int make(struct bench_side *near)
{
	(void)near;
	return lattice_meeting_place();
}

static int enter(struct bench_side *side)
{
	struct many *m = side->shared;
	bool two = side->subject->with == BENCH_PROCESS;
	int rc = 0;

	if (!side->far)
		rc = open_party(side, &m->near, pid_of(side, PID_BACK));
	if (rc == 0 && !two && !side->far)
		m->far.node = m->near.node;
	if (rc == 0 && side->far == two)
		rc = open_party(side, &m->far, pid_of(side, PID_FAR));
	if (rc == 0)
		rc = bench_meet(side);
	if (rc == 0 && side->far == two)
		rc = lattice_channel_open(&m->back, m->far.node, pid_of(side, PID_FAR),
					  pid_of(side, PID_BACK), 0, LATTICE_CHANNEL_SINGLE);
	/* The first ones find room that there was already. */
	if (rc == 0 && !side->far)
		rc = open_channels(side, 0, FEW);
	if (rc == 0)
		rc = take_stock(side, &m->before);
	if (rc == 0 && !side->far)
		rc = open_channels(side, FEW, MANY);
	return rc == 0 ? take_stock(side, &m->after) : rc;
}

static void leave(struct bench_side *side)
{
	struct many *m = side->shared;
	bool two = side->subject->with == BENCH_PROCESS;

	for (int i = 0; i < MANY && !side->far; i++)
		lattice_channel_close(m->channel[i]);
	if (side->far == two) {
		lattice_channel_close(m->back);
		lattice_endpoint_close(m->far.inbox);
	}
	if (!side->far)
		lattice_endpoint_close(m->near.inbox);
	if (!side->far || two)
		lattice_node_close(side->far ? m->far.node : m->near.node);
}

static int near(struct bench_side *side, uint64_t n)
{
	struct many *m = side->shared;
	struct lattice_channel *channel = m->channel[side->subject->arg - 1];
	unsigned char bytes[BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = lattice_put(channel, bytes, sizeof(bytes));
		if (rc == 0)
			rc = lattice_await(m->near.inbox, bytes, sizeof(bytes));
	}
	return rc;
}

static int far(struct bench_side *side, uint64_t n)
{
	struct many *m = side->shared;
	unsigned char bytes[BYTES];
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = lattice_await(m->far.inbox, bytes, sizeof(bytes));
		if (rc == 0)
			rc = lattice_put(m->back, bytes, sizeof(bytes));
	}
	return rc;
}

static int idle(struct bench_side *side, uint64_t n)
{
	const struct many *m = side->shared;

	(void)n;
	if (isnan(m->after - m->before))
		return -EOPNOTSUPP;
	side->figure = fmax(m->after - m->before, 0) * 1024 / (MANY - FEW);
	return 0;
}

#define SECOND(name_, what_, limit_, with_)                                                               \
	{                                                                                                 \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_TRIP, .with = (with_), \
		.place = BENCH_APART, .group = 32, .arg = 2, .shared_bytes = sizeof(struct many),         \
		.make = make, .enter = enter, .near = near, .far = far, .leave = leave                    \
	}
#define LAST(name_, what_, limit_, with_, rides_)                                                           \
	{                                                                                                   \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_TRIP, .with = (with_),   \
		.place = BENCH_APART, .group = 32, .arg = MANY, .rides = (rides_), .near = near, .far = far \
	}
#define IDLE(name_, what_, with_, rides_)                                                          \
	{                                                                                          \
		.name = (name_), .what = (what_), .kind = BENCH_FIGURE, .unit = "B", .once = true, \
		.with = (with_), .place = BENCH_APART, .rides = (rides_), .near = idle             \
	}

const struct bench_subject lattice_threads_second = SECOND(
	"threads-2nd", "Lattice, by the 2nd of 10,000 channels, two threads", "line-thread", BENCH_THREAD);
const struct bench_subject lattice_threads_last = LAST("threads-10000th", "Lattice, by the last of them",
						       "threads-2nd", BENCH_THREAD, &lattice_threads_second);
const struct bench_subject lattice_threads_idle = IDLE("threads-idle",
						       "Lattice, memory of an idle one, kernel's included",
						       BENCH_THREAD, &lattice_threads_second);
const struct bench_subject lattice_processes_second =
	SECOND("process-2nd", "Lattice, by the 2nd of 10,000 channels, two processes", "line", BENCH_PROCESS);
const struct bench_subject lattice_processes_last = LAST("process-10000th", "Lattice, by the last of them",
							 "process-2nd", BENCH_PROCESS,
							 &lattice_processes_second);
const struct bench_subject lattice_processes_idle = IDLE("process-idle",
							 "Lattice, memory of an idle one, kernel's included",
							 BENCH_PROCESS, &lattice_processes_second);

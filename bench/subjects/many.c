/*
 * A node with 10,000 channels: the round trip by the second and by the last one, two threads polling, and what an idle channel
 * costs in memory, the kernel's included.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "subjects/lattice.h"

enum { MANY = 10000, NEAR = 1, FAR = 2, BYTES = 48, WHICH_SECOND = 2, WHICH_LAST = MANY, LEAST = 100 };

/* Both subjects, and the one of memory, are about one node, that of whoever enters first. */
static struct {
	struct lattice_node *node;
	struct lattice_endpoint *inbox[2];
	struct lattice_channel *channel[MANY]; /* to far, each from a pid of its own */
	struct lattice_channel *back;
	double idle_bytes;
	int users, rc;
} many;

/* Bytes that this process has, and what the kernel has for it and others: page tables and objects. NAN: cannot be known. */
static double memory_now(void)
{
	static const struct {
		const char *path, *field;
	} parts[] = {
		{ "/proc/self/smaps_rollup", "Pss:" },
		{ "/proc/self/status", "VmPTE:" },
		{ "/proc/meminfo", "Slab:" },
	};
	double kib = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		FILE *from = fopen(parts[i].path, "r");
		size_t length = strlen(parts[i].field);
		char line[256];
		bool found = false;
		double is = 0;

		while (from != NULL && !found && fgets(line, sizeof(line), from) != NULL)
			found = strncmp(line, parts[i].field, length) == 0 &&
				sscanf(line + length, "%lf", &is) == 1;
		if (from != NULL)
			(void)fclose(from);
		if (!found)
			return NAN;
		kib += is;
	}
	return kib * 1024;
}

static int open_many(void)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_PRIVATE };
	double before = 0;
	int rc = lattice_node_open(&many.node, &cfg);

	if (rc == 0)
		rc = lattice_endpoint_open(&many.inbox[0], many.node, NEAR);
	if (rc == 0)
		rc = lattice_endpoint_open(&many.inbox[1], many.node, FAR);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = lattice_endpoint_tune(many.inbox[i], &(struct lattice_tuning){ .wait = LATTICE_WAIT_SPIN,
										    .single = true });
	if (rc == 0)
		rc = lattice_channel_open(&many.back, many.node, FAR, NEAR, 0, LATTICE_CHANNEL_SINGLE);
	for (int i = 0; i < MANY && rc == 0; i++) {
		if (i == LEAST) /* the first ones find room that there was already */
			before = memory_now();
		rc = lattice_channel_open(&many.channel[i], many.node, NEAR + FAR + i, FAR, 0,
					  LATTICE_CHANNEL_SINGLE);
	}
	many.idle_bytes = (memory_now() - before) / (MANY - LEAST);
	return rc;
}

static int enter(struct bench_side *side)
{
	if (!side->far && many.users++ == 0)
		many.rc = open_many();
	if (!side->far && many.rc < 0)
		return many.rc;
	return side->subject->with == BENCH_ALONE ? 0 : bench_meet(side);
}

static void leave(struct bench_side *side)
{
	if (side->far || --many.users > 0)
		return;
	for (int i = 0; i < MANY; i++)
		lattice_channel_close(many.channel[i]);
	lattice_channel_close(many.back);
	for (int i = 0; i < 2; i++)
		lattice_endpoint_close(many.inbox[i]);
	lattice_node_close(many.node);
}

static int near(struct bench_side *side, uint64_t n)
{
	struct lattice_channel *channel = many.channel[side->subject->arg - 1];
	unsigned char bytes[BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = lattice_put(channel, bytes, sizeof(bytes));
		if (rc == 0)
			rc = lattice_await(many.inbox[0], bytes, sizeof(bytes));
	}
	return rc;
}

static int far(struct bench_side *side, uint64_t n)
{
	unsigned char bytes[BYTES];
	int rc = 0;

	(void)side;
	for (; n > 0 && rc == 0; n--) {
		rc = lattice_await(many.inbox[1], bytes, sizeof(bytes));
		if (rc == 0)
			rc = lattice_put(many.back, bytes, sizeof(bytes));
	}
	return rc;
}

static int idle(struct bench_side *side, uint64_t n)
{
	(void)n;
	side->figure = many.idle_bytes;
	return isnan(many.idle_bytes) ? -EOPNOTSUPP : 0;
}

#define MANY_OF(name_, what_, limit_, which_)                                                             \
	{                                                                                                 \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_TRIP,                  \
		.with = BENCH_THREAD, .place = BENCH_APART, .group = 32, .arg = (which_), .enter = enter, \
		.near = near, .far = far, .leave = leave                                                  \
	}

const struct bench_subject lattice_second = MANY_OF("channel-2",
						    "Lattice, 48 B by the 2nd channel of 10,000, polling",
						    "line-thread", WHICH_SECOND);
const struct bench_subject lattice_last =
	MANY_OF("channel-10000", "Lattice, 48 B by the last of them, polling", "channel-2", WHICH_LAST);
const struct bench_subject lattice_idle = {
	.name = "channel-idle",
	.what = "Lattice, memory of an idle one, kernel's included",
	.kind = BENCH_FIGURE,
	.once = true,
	.unit = "B",
	.with = BENCH_ALONE,
	.place = BENCH_APART,
	.enter = enter,
	.near = idle,
	.leave = leave,
};

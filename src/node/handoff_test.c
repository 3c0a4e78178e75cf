/*
 * Waiting by LATTICE_WAIT_HANDOFF: the thread that receives moves to the processor of whom it received from, and stays. Told by what it
 * may run on, and where it runs.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "os/clock.h"

enum { STOP = -1, SERVER = 7, CLIENT = 1, STATS = 256 };

static struct {
	struct lattice_node *node;
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	/* Of the server. */
	int rc, bound;
	cpu_set_t may;
	_Atomic(int) ran_on; /* at the last message */
} t;

static void *serve(void *arg)
{
	struct lattice_msg m = { 0 };

	(void)arg;
	while (t.rc == 0 && m.type != STOP) {
		t.rc = lattice_endpoint_recv(t.ep, &m, NULL, 0, LATTICE_FOREVER);
		atomic_store_explicit(&t.ran_on, sched_getcpu(), memory_order_relaxed);
		if (t.rc == 0 && m.call != 0)
			t.rc = lattice_endpoint_reply(t.ep, &m, &(struct lattice_msg){ .type = 1 });
	}
	t.bound = pthread_getaffinity_np(pthread_self(), sizeof(t.may), &t.may);
	return NULL;
}

static uint64_t sleeps(void)
{
	struct lattice_stat stats[STATS];
	size_t count = lattice_node_stats(t.node, stats, STATS);

	for (size_t i = 0; i < count && i < STATS; i++)
		if (strcmp(stats[i].name, "recv.sleeps") == 0)
			return stats[i].value;
	return 0;
}

/* The server has gone to sleep so often. */
static void until_sleeps(uint64_t count)
{
	uint64_t end = lat_clock_monotonic_ns() + (uint64_t)(60 * LAT_NS_PER_S);

	while (sleeps() < count) {
		CHECK(lat_clock_monotonic_ns() < end);
		(void)sched_yield();
	}
}

/* The first and the last processor that this process may use. */
static int processors(int cpu[2])
{
	cpu_set_t may;
	int count = 0;

	CHECK_EQ(sched_getaffinity(0, sizeof(may), &may), 0);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET((size_t)i, &may)) {
			cpu[count > 0] = i;
			count++;
		}
	return count;
}

static void run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	CHECK_EQ(pthread_setaffinity_np(pthread_self(), sizeof(one), &one), 0);
}

static void send_one(int32_t type)
{
	CHECK_EQ(lattice_channel_send(t.ch, &(struct lattice_msg){ .type = type }, LATTICE_FOREVER), 0);
}

static void call_one(int32_t type)
{
	struct lattice_msg reply;

	CHECK_EQ(lattice_channel_call(t.ch, &(struct lattice_msg){ .type = type }, &reply, NULL, 0,
				      LATTICE_FOREVER),
		 0);
}

TEST(the_receiver_moves_to_where_it_is_sent_from)
{
	static const struct {
		const char *why;
		enum lattice_wait wait;
		void (*say)(int32_t type);
		bool moves;
	} rows[] = {
		{ "messages", LATTICE_WAIT_HANDOFF, send_one, true },
		{ "calls", LATTICE_WAIT_HANDOFF, call_one, true },
		{ "who parks stays", LATTICE_WAIT_PARK, call_one, false },
	};
	int cpu[2];
	cpu_set_t all;

	if (processors(cpu) < 2) {
		print_message("one processor: skipped\n");
		return;
	}
	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		int here = cpu[i % 2], there = cpu[1 - i % 2];
		pthread_t server;

		memset(&t, 0, sizeof(t));
		CHECK_EQ(lattice_node_open(&t.node,
					   &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }),
			 0);
		CHECK_EQ(lattice_endpoint_open(&t.ep, t.node, SERVER), 0);
		CHECK_EQ(lattice_endpoint_tune(t.ep, &(struct lattice_tuning){ .wait = rows[i / 2].wait }),
			 0);
		CHECK_EQ(lattice_channel_open(&t.ch, t.node, CLIENT, SERVER, 0, 0), 0);
		run_on(there); /* which the server has from us */
		CHECK_EQ(pthread_create(&server, NULL, serve, NULL), 0);
		run_on(here);
		until_sleeps(1);
		rows[i / 2].say(1); /* it learns where from */
		until_sleeps(2);    /* and has moved before it slept again */
		rows[i / 2].say(2);
		until_sleeps(3);
		CHECK_EQ_ROW(rows[i / 2].why, atomic_load_explicit(&t.ran_on, memory_order_relaxed),
			     rows[i / 2].moves ? here : there);
		send_one(STOP);
		CHECK_EQ(pthread_join(server, NULL), 0);
		CHECK_EQ_ROW(rows[i / 2].why, t.rc, 0);
		CHECK_EQ(t.bound, 0);
		CHECK_EQ_ROW(rows[i / 2].why, CPU_COUNT(&t.may), 1);
		CHECK_ROW(rows[i / 2].why, CPU_ISSET((size_t)(rows[i / 2].moves ? here : there), &t.may));
		CHECK_EQ(pthread_setaffinity_np(pthread_self(), sizeof(all), &all), 0);
		lattice_channel_close(t.ch);
		lattice_endpoint_close(t.ep);
		lattice_node_close(t.node);
	}
}

TEST_MAIN

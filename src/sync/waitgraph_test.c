/* The wait-for graph: every ring is refused, nothing else is, and flows that ended are no one's business. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "base/test.h"
#include "sync/waitgraph.h"

enum { FLOWS = 6 };

static struct lat_waits *flow[FLOWS];

static void open_flows(void)
{
	for (int32_t i = 0; i < FLOWS; i++)
		CHECK_EQ(lat_waits_open(&flow[i], i + 1), 0);
}

static void close_flows(void)
{
	for (uint32_t i = 0; i < FLOWS; i++)
		lat_waits_close(flow[i]);
}

TEST(rings_are_refused)
{
	static const struct {
		const char *why;
		struct {
			uint32_t from, to;
		} edges[FLOWS]; /* until from == to == 0 */
		uint32_t from, to;
		int want;
		const char *text;
	} rows[] = {
		{ "alone", { { 0 } }, 1, 2, 0, NULL },
		{ "itself", { { 0 } }, 3, 3, -EDEADLK, "pid 4 waits for pid 4" },
		{ "each other",
		  { { 2, 1 } },
		  1,
		  2,
		  -EDEADLK,
		  "pid 2 waits for pid 3, which waits for pid 2" },
		{ "the same one as another", { { 2, 1 } }, 3, 1, 0, NULL },
		{ "one who waits", { { 2, 1 } }, 3, 2, 0, NULL },
		{ "a ring of four",
		  { { 1, 2 }, { 2, 3 }, { 3, 4 } },
		  4,
		  1,
		  -EDEADLK,
		  "pid 5 waits for pid 2, which waits for pid 3, which waits for pid 4, which waits for pid 5" },
		{ "a chain of four", { { 1, 2 }, { 2, 3 }, { 3, 4 } }, 5, 1, 0, NULL },
		{ "instead of the old one", { { 1, 2 }, { 3, 1 } }, 1, 4, 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_wait_path path;
		char text[256];
		uint64_t before;

		open_flows();
		for (size_t e = 0; e < FLOWS && rows[i].edges[e].from + rows[i].edges[e].to > 0; e++)
			CHECK_EQ(lat_waitgraph_add(flow[rows[i].edges[e].from],
						   lat_waits_id(flow[rows[i].edges[e].to]), NULL),
				 0);
		before = atomic_load_explicit(&flow[rows[i].from]->on, memory_order_relaxed);
		CHECK_EQ_ROW(rows[i].why,
			     lat_waitgraph_add(flow[rows[i].from], lat_waits_id(flow[rows[i].to]), &path),
			     rows[i].want);
		if (rows[i].want < 0) {
			int len = lat_wait_path_text(&path, text, sizeof(text));

			CHECK_STR_ROW(rows[i].why, text, rows[i].text);
			CHECK_EQ_ROW(rows[i].why, len, strlen(text));
			CHECK_EQ_ROW(rows[i].why,
				     atomic_load_explicit(&flow[rows[i].from]->on, memory_order_relaxed),
				     before);
			CHECK_EQ_ROW(rows[i].why, lat_wait_path_text(&path, text, 10), len);
			CHECK_EQ_ROW(rows[i].why, strlen(text), 9);
			CHECK_EQ_ROW(rows[i].why, lat_wait_path_text(&path, NULL, 0), len);
		}
		close_flows();
	}
}

TEST(a_wait_that_is_over)
{
	open_flows();
	lat_waitgraph_add_idle(flow[0], lat_waits_id(flow[1]));
	CHECK_EQ(lat_waitgraph_add(flow[1], lat_waits_id(flow[0]), NULL), -EDEADLK);
	lat_waitgraph_remove(flow[0]);
	CHECK_EQ(lat_waitgraph_add(flow[1], lat_waits_id(flow[0]), NULL), 0);
	close_flows();
}

/* Its memory is another flow's now; who waited for it does not wait for that one. */
TEST(a_flow_that_ended)
{
	struct lat_waits *again;
	uint64_t id;

	open_flows();
	id = lat_waits_id(flow[1]);
	CHECK_EQ(lat_waitgraph_add(flow[0], id, NULL), 0);
	lat_waits_close(flow[1]);
	CHECK_EQ(lat_waits_open(&again, 9), 0);
	CHECK(again == flow[1]);
	CHECK(lat_waits_id(again) != id);
	CHECK_EQ(lat_waitgraph_add(again, lat_waits_id(flow[0]), NULL), 0);
	CHECK_EQ(lat_waitgraph_add(flow[2], id, NULL), 0);
	flow[1] = again;
	close_flows();
	lat_waits_close(NULL);
}

TEST(a_long_ring_is_cut_short)
{
	enum { LONG = 1000 };
	struct lat_waits *w[LONG];
	struct lat_wait_path path;
	char text[512];

	for (int32_t i = 0; i < LONG; i++)
		CHECK_EQ(lat_waits_open(&w[i], 100 + i), 0);
	for (uint32_t i = 0; i + 1 < LONG; i++)
		CHECK_EQ(lat_waitgraph_add(w[i], lat_waits_id(w[i + 1]), NULL), 0);
	CHECK_EQ(lat_waitgraph_add(w[LONG - 1], lat_waits_id(w[0]), &path), -EDEADLK);
	CHECK_EQ(path.count, LAT_WAIT_PATH_MAX);
	CHECK_EQ(path.total, LONG);
	CHECK(lat_wait_path_text(&path, text, sizeof(text)) > 0);
	CHECK(strstr(text, "pid 1099 waits for pid 100, which waits for pid 101,") == text);
	CHECK(strstr(text, "pid 106, and so on, 1000 in all, back to pid 1099") != NULL);
	for (uint32_t i = 0; i < LONG; i++)
		lat_waits_close(w[i]);
}

TEST(who_waits_is_shown)
{
	struct lat_wait_row rows[4];

	open_flows();
	lat_waits_name(flow[1], 77); /* has a pid already */
	CHECK_EQ(lat_waitgraph_list(rows, ARRAY_LEN(rows)), 0);
	CHECK_EQ(lat_waitgraph_add(flow[1], lat_waits_id(flow[2]), NULL), 0);
	CHECK_EQ(lat_waitgraph_add(flow[3], UINT64_C(1) << 63, NULL), 0); /* no flow's */
	CHECK_EQ(lat_waitgraph_list(rows, ARRAY_LEN(rows)), 2);
	for (size_t i = 0; i < 2; i++) {
		CHECK(rows[i].number != 0 && (rows[i].pid == 2 || rows[i].pid == 4));
		CHECK_EQ(rows[i].on_pid, rows[i].pid == 2 ? 3 : 0);
		CHECK_EQ(rows[i].on_number != 0, rows[i].pid == 2);
	}
	CHECK_EQ(lat_waitgraph_list(rows, 1), 1);
	close_flows();
}

/* --- against a model ---------------------------------------------------------------------------- */

TEST(agrees_with_a_model)
{
	uint32_t on[FLOWS] = { 0 }; /* index + 1; 0 nobody */
	uint64_t seed = 0x243f6a8885a308d3u;

	print_message("seed %016" PRIx64 "\n", seed);
	open_flows();
	for (uint32_t op = 0; op < 100000; op++) {
		uint32_t from, to, at;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		from = (uint32_t)(seed >> 8) % FLOWS;
		to = (uint32_t)(seed >> 24) % FLOWS;
		if (seed >> 62 == 0) {
			lat_waitgraph_remove(flow[from]);
			on[from] = 0;
			continue;
		}
		for (at = to; at != from && on[at] != 0;)
			at = on[at] - 1;
		CHECK_EQ(lat_waitgraph_add(flow[from], lat_waits_id(flow[to]), NULL),
			 at == from ? -EDEADLK : 0);
		if (at != from)
			on[from] = to + 1;
	}
	close_flows();
}

/* --- threads ------------------------------------------------------------------------------------ */

static void *whose(void *arg)
{
	struct lat_waits **out = arg;

	*out = lat_waits_self();
	return (void *)(uintptr_t)(*out != NULL && *out == lat_waits_self());
}

TEST(each_thread_is_a_flow)
{
	struct lat_waits *mine = lat_waits_self(), *theirs;
	pthread_t thread;
	void *same;

	CHECK(mine != NULL);
	CHECK_EQ(pthread_create(&thread, NULL, whose, &theirs), 0);
	CHECK_EQ(pthread_join(thread, &same), 0);
	CHECK(same != NULL);
	CHECK(theirs != mine);
	CHECK_EQ(lat_waits_id(theirs), 0); /* it has ended */
}

enum { RINGS = 3000 };

struct ring {
	struct lat_waits *mine, *next;
	pthread_barrier_t *barrier;
	uint32_t refused;
};

/* All try to close the ring at the same time: at least one is refused, at least one is not. */
static void *close_ring(void *arg)
{
	struct ring *r = arg;

	for (uint32_t i = 0; i < RINGS; i++) {
		pthread_barrier_wait(r->barrier);
		r->refused += lat_waitgraph_add(r->mine, lat_waits_id(r->next), NULL) == -EDEADLK;
		pthread_barrier_wait(r->barrier);
		lat_waitgraph_remove(r->mine);
	}
	return NULL;
}

TEST(one_of_many_is_refused)
{
	enum { THREADS = 3 };
	struct ring rings[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t barrier;
	uint32_t refused = 0;

	open_flows();
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		rings[i] = (struct ring){ flow[i], flow[(i + 1) % THREADS], &barrier, 0 };
		CHECK_EQ(pthread_create(&threads[i], NULL, close_ring, &rings[i]), 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
		refused += rings[i].refused;
	}
	CHECK_EQ(refused, RINGS);
	pthread_barrier_destroy(&barrier);
	close_flows();
}

TEST_MAIN

/* Rows that other processes tell: which are believed. */
#include "node/graphrow.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/test.h"
#include "os/memfd.h"

TEST(what_a_member_may_tell)
{
	static const struct {
		const char *why;
		struct lat_graph_row row;
		bool want;
	} rows[] = {
		{ "a channel", { .kind = LAT_GRAPH_CHANNEL, .pid = { 1, 2 }, .count = 3 }, true },
		{ "a channel to another node",
		  { .kind = LAT_GRAPH_CHANNEL, .pid = { 1, 2 }, .node = { 0, 9 } },
		  true },
		{ "a wait", { .kind = LAT_GRAPH_WAIT, .pid = { 1, 2 } }, true },
		{ "a ring",
		  { .kind = LAT_GRAPH_RING, .pid = { 1, 0 }, .count = 2, .total = 2, .times = 1 },
		  true },
		{ "a ring of more than are told",
		  { .kind = LAT_GRAPH_RING, .pid = { 1 }, .count = 1, .total = 9, .times = 1 },
		  true },
		{ "an order", { .kind = LAT_GRAPH_ORDER, .pid = { 1, 2, 3, 4 } }, true },
		{ "a channel from nobody", { .kind = LAT_GRAPH_CHANNEL, .pid = { 0, 2 } }, false },
		{ "a channel to nobody", { .kind = LAT_GRAPH_CHANNEL, .pid = { 1 } }, false },
		{ "a negative pid", { .kind = LAT_GRAPH_WAIT, .pid = { 1, -2 } }, false },
		{ "a third pid of a wait", { .kind = LAT_GRAPH_WAIT, .pid = { 1, 2, 3 } }, false },
		{ "a wait with a count", { .kind = LAT_GRAPH_WAIT, .pid = { 1, 2 }, .count = 1 }, false },
		{ "a wait for another node",
		  { .kind = LAT_GRAPH_WAIT, .pid = { 1, 2 }, .node = { 0, 9 } },
		  false },
		{ "a ring of none", { .kind = LAT_GRAPH_RING, .total = 1, .times = 1 }, false },
		{ "a ring of more pids than a row has",
		  { .kind = LAT_GRAPH_RING, .pid = { 1 }, .count = LAT_GRAPH_PIDS + 1, .total = 99 },
		  false },
		{ "a ring that tells more than it has",
		  { .kind = LAT_GRAPH_RING, .pid = { 1, 2 }, .count = 2, .total = 1 },
		  false },
		{ "another's process", { .kind = LAT_GRAPH_WAIT, .pid = { 1, 2 }, .process = 1 }, false },
		{ "a name", { .kind = LAT_GRAPH_WAIT, .pid = { 1, 2 }, .name = "store" }, false },
		{ "who receives, which the host knows", { .kind = LAT_GRAPH_PID, .pid = { 1 } }, false },
		{ "a process", { .kind = LAT_GRAPH_PROCESS }, false },
		{ "a kind that there is not", { .kind = LAT_GRAPH_KINDS }, false },
		{ "nor this one", { .kind = UINT32_MAX }, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lat_graph_row_is_members(&rows[i].row), rows[i].want);
}

static int count_row(void *ctx, const struct lat_graph_row *row)
{
	uint32_t *sum = ctx;

	*sum += row->count;
	return 0;
}

enum { MAX = 64 };

TEST(rows_that_came)
{
	static const struct {
		const char *why;
		size_t rows;
		int64_t more; /* bytes that are said beyond them */
		bool open;    /* its size is not sealed */
		int want;
		uint32_t sum;
	} rows[] = {
		{ "as many as there may be", MAX, 0, false, 0, MAX * (MAX + 1) / 2 },
		{ "one more", MAX + 1, 0, false, -EPROTO, 0 },
		{ "no whole rows", 2, -8, false, -EPROTO, 0 },
		{ "more than there are", 1, 40 * (int64_t)sizeof(struct lat_graph_row), false, -EPROTO, 0 },
		{ "so many that none could be", 1, INT64_MIN, false, -EPROTO, 0 },
		{ "memory that could be cut", 2, 0, true, -EPERM, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_graph_rows made = { 0 };
		uint64_t bytes;
		uint32_t sum = 0;
		int fd, rc;

		for (uint32_t k = 0; k < rows[i].rows; k++)
			CHECK_EQ(lat_graph_rows_add(&made,
						    &(struct lat_graph_row){ .kind = LAT_GRAPH_CHANNEL,
									     .count = k + 1 },
						    SIZE_MAX),
				 0);
		CHECK_EQ(lat_graph_rows_pack(&made, &fd, &bytes), 0);
		if (rows[i].open) {
			lat_memfd_close(fd);
			fd = memfd_create("open", MFD_CLOEXEC);
			CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
		}
		rc = lat_graph_rows_unpack(fd, bytes + (uint64_t)rows[i].more, MAX, count_row, &sum);
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		CHECK_EQ_ROW(rows[i].why, sum, rows[i].sum);
		lat_memfd_close(fd);
		lat_graph_rows_free(&made);
	}
}

TEST(of_more_than_there_may_be_it_is_said)
{
	struct lat_graph_rows made = { 0 };

	for (int i = 0; i < MAX + 1; i++)
		CHECK_EQ(lat_graph_rows_add(&made, &(struct lat_graph_row){ .kind = LAT_GRAPH_WAIT }, MAX),
			 0);
	CHECK_EQ(made.count, MAX);
	CHECK(made.cut);
	lat_graph_rows_free(&made);
}

TEST(none_need_no_memory)
{
	struct lat_graph_rows none = { 0 };
	uint64_t bytes = 1;
	int fd = 0;

	CHECK_EQ(lat_graph_rows_pack(&none, &fd, &bytes), 0);
	CHECK_EQ(fd, -1);
	CHECK_EQ(bytes, 0);
}

TEST_MAIN

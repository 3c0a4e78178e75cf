/* What was refused is kept, counted, and in the end forgotten. */
#include "sync/waitrings.h"

#include <errno.h>

#include "base/test.h"

static struct lat_wait_path ring(int32_t first)
{
	return (struct lat_wait_path){ .at = { { first, 1 }, { first + 1, 2 } }, .count = 2, .total = 2 };
}

static void refuse(int32_t first)
{
	struct lat_wait_path path = ring(first);

	lat_waitrings_put(&path);
}

TEST(the_last_ones_are_kept_the_last_first)
{
	struct lat_waitring out[LAT_WAITRINGS_KEPT + 1];

	CHECK_EQ(lat_waitrings_list(out, ARRAY_LEN(out)), 0);
	for (int32_t i = 0; i < LAT_WAITRINGS_KEPT; i++)
		refuse(10 * (i + 1));
	refuse(10); /* the first again */
	CHECK_EQ(lat_waitrings_list(out, ARRAY_LEN(out)), LAT_WAITRINGS_KEPT);
	CHECK_EQ(out[0].path.at[0].pid, 10);
	CHECK_EQ(out[0].times, 2);
	CHECK_EQ(out[1].path.at[0].pid, 10 * LAT_WAITRINGS_KEPT);
	CHECK_EQ(out[1].times, 1);
	refuse(5); /* one more: that of pid 20 is the oldest */
	CHECK_EQ(lat_waitrings_list(out, ARRAY_LEN(out)), LAT_WAITRINGS_KEPT);
	CHECK_EQ(out[0].path.at[0].pid, 5);
	CHECK_EQ(out[LAT_WAITRINGS_KEPT - 1].path.at[0].pid, 30);
	CHECK_EQ(lat_waitrings_list(out, 1), 1);
}

TEST(a_wait_that_is_refused_gets_there)
{
	struct lat_waitring out;
	struct lat_waits *a, *b;

	CHECK_EQ(lat_waits_open(&a, 71), 0);
	CHECK_EQ(lat_waits_open(&b, 72), 0);
	CHECK_EQ(lat_waitgraph_add(a, lat_waits_id(b), NULL), 0);
	CHECK_EQ(lat_waitgraph_add(b, lat_waits_id(a), NULL), -EDEADLK);
	CHECK_EQ(lat_waitrings_list(&out, 1), 1);
	CHECK_EQ(out.path.total, 2);
	CHECK_EQ(out.path.at[0].pid, 72);
	CHECK_EQ(out.path.at[1].pid, 71);
	lat_waits_close(a);
	lat_waits_close(b);
}

TEST_MAIN

/* Which calls are open, whatever the order in which they end. */
#include <errno.h>

#include "base/test.h"
#include "session/opencalls.h"

TEST(numbers_rise_and_are_used_once)
{
	struct lat_opencalls t = { 0 };

	CHECK(lat_opencalls_find(&t, 0) == NULL);
	CHECK(lat_opencalls_find(&t, 1) == NULL);
	for (uint64_t id = 1; id <= 100; id++) {
		CHECK_EQ(lat_opencalls_reserve(&t), 0);
		CHECK_EQ(lat_opencalls_add(&t, id, &t), id);
		CHECK_EQ(lat_opencalls_find(&t, id)->deadline_ns, id);
	}
	for (uint64_t id = 100; id != 1; id -= 3) { /* from the end */
		lat_opencalls_remove(&t, lat_opencalls_find(&t, id));
		CHECK(lat_opencalls_find(&t, id) == NULL);
	}
	for (uint64_t id = 1; id <= 101; id++)
		CHECK_EQ(lat_opencalls_find(&t, id) != NULL, id <= 100 && (id % 3 != 1 || id == 1));
	CHECK_EQ(lat_opencalls_reserve(&t), 0);
	CHECK_EQ(lat_opencalls_add(&t, 0, NULL), 101);
	lat_opencalls_fini(&t);
	CHECK(lat_opencalls_find(&t, 101) == NULL);
	CHECK_EQ(t.last, 101);
}

TEST(there_is_an_end)
{
	struct lat_opencalls t = { 0 };

	for (int i = 0; i < LAT_OPENCALLS_MAX; i++) {
		CHECK_EQ(lat_opencalls_reserve(&t), 0);
		(void)lat_opencalls_add(&t, 0, NULL);
	}
	CHECK_EQ(lat_opencalls_reserve(&t), -ENOBUFS);
	lat_opencalls_remove(&t, lat_opencalls_find(&t, 500));
	CHECK_EQ(lat_opencalls_reserve(&t), 0);
	lat_opencalls_fini(&t);
}

TEST_MAIN

/* Readiness by epoll: level-triggered, changed and removed while others wait. */
#include "os/watch.h"

#include <errno.h>
#include <unistd.h>

#include "base/test.h"
#include "os/clock.h"
#include "os/eventfd.h"
#include "os/unixsock.h"

TEST(what_is_ready_is_told_until_it_is_not)
{
	struct lat_watch_event ev[4];
	int watch, a, b, pair[2], tag_a, tag_b, tag_c;

	CHECK_EQ(lat_watch_open(&watch), 0);
	CHECK_EQ(lat_eventfd_open(&a), 0);
	CHECK_EQ(lat_eventfd_open(&b), 0);
	CHECK_EQ(lat_unixsock_pair(pair, true), 0);
	CHECK_EQ(lat_watch_add(watch, a, false, &tag_a), 0);
	CHECK_EQ(lat_watch_add(watch, a, false, &tag_a), -EEXIST);
	CHECK_EQ(lat_watch_add(watch, b, false, &tag_b), 0);
	CHECK_EQ(lat_watch_wait(watch, ev, 4, 0), 0);
	CHECK_EQ(lat_watch_wait(watch, ev, 4, lat_clock_monotonic_ns() + 1000), 0);
	lat_eventfd_signal(b);
	for (int i = 0; i < 2; i++) { /* level-triggered */
		CHECK_EQ(lat_watch_wait(watch, ev, 4, UINT64_MAX), 1);
		CHECK(ev[0].data == &tag_b && ev[0].in && !ev[0].out);
	}
	lat_eventfd_signal(a);
	CHECK_EQ(lat_watch_wait(watch, ev, 1, UINT64_MAX), 1);
	CHECK_EQ(lat_watch_wait(watch, ev, 4, UINT64_MAX), 2);
	lat_watch_remove(watch, a);
	lat_watch_remove(watch, a);
	lat_watch_remove(watch, b);
	CHECK_EQ(lat_watch_wait(watch, ev, 4, 0), 0);
	CHECK_EQ(lat_watch_add(watch, pair[0], true, &tag_c), 0);
	CHECK_EQ(lat_watch_wait(watch, ev, 4, UINT64_MAX), 1);
	CHECK(ev[0].data == &tag_c && !ev[0].in && ev[0].out);
	lat_watch_change(watch, pair[0], true, false, &tag_c);
	CHECK_EQ(lat_watch_wait(watch, ev, 4, 0), 0);
	lat_unixsock_hang_up(pair[1]);
	CHECK_EQ(lat_watch_wait(watch, ev, 4, UINT64_MAX), 1);
	CHECK(ev[0].in);
	lat_watch_close(watch);
	lat_unixsock_hang_up(pair[0]);
	lat_eventfd_close(a);
	lat_eventfd_close(b);
	lat_watch_close(-1);
}

TEST_MAIN

#include "net/timer.h"

#include <poll.h>

#include "base/test.h"
#include "os/clock.h"

/* @timeout_ms only bounds a failing test, or is 0 to look. */
static bool rings(const struct lat_timer *t, int timeout_ms)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

enum { PATIENCE_MS = 20000 };

TEST(at_once_and_never)
{
	struct lat_timer t;

	CHECK_EQ(lat_timer_init(&t), 0);
	CHECK(!rings(&t, 0));
	lat_timer_lower(&t, 0);
	CHECK(rings(&t, PATIENCE_MS));
	lat_timer_begin(&t);
	lat_timer_set(&t, UINT64_MAX, lat_clock_boottime_ns());
	CHECK(!rings(&t, 0));
	lat_timer_set(&t, lat_clock_boottime_ns() + 1000000, lat_clock_boottime_ns());
	CHECK(rings(&t, PATIENCE_MS));
	CHECK(lat_clock_boottime_ns() >= t.armed);
	lat_timer_fini(&t);
}

TEST(lower_only_lowers)
{
	struct lat_timer t;
	uint64_t far = lat_clock_boottime_ns() + UINT64_C(3600000000000);

	CHECK_EQ(lat_timer_init(&t), 0);
	lat_timer_set(&t, far, lat_clock_boottime_ns());
	lat_timer_lower(&t, far + 1);
	CHECK_EQ(t.armed, far);
	lat_timer_lower(&t, far - 1);
	CHECK_EQ(t.armed, far - 1);
	CHECK(!rings(&t, 0));
	lat_timer_fini(&t);
}

/* A wake that comes while a turn runs outlives the time the turn ends with. */
TEST(asked_during_a_turn)
{
	struct lat_timer t;
	uint64_t far = lat_clock_boottime_ns() + UINT64_C(3600000000000);

	CHECK_EQ(lat_timer_init(&t), 0);
	lat_timer_begin(&t);
	lat_timer_lower(&t, 0);
	lat_timer_set(&t, far, lat_clock_boottime_ns());
	CHECK(rings(&t, PATIENCE_MS));
	/* The next turn has served it. */
	lat_timer_begin(&t);
	lat_timer_set(&t, far, lat_clock_boottime_ns());
	CHECK(!rings(&t, 0));
	lat_timer_fini(&t);
}

/* What rings sooner is set later only once it has rung. */
TEST(later_is_lazy)
{
	uint64_t far = lat_clock_boottime_ns() + UINT64_C(3600000000000);
	struct lat_timer t;

	CHECK_EQ(lat_timer_init(&t), 0);
	lat_timer_set(&t, far, far - 2);
	lat_timer_set(&t, far + 1, far - 1);
	CHECK_EQ(t.armed, far);
	CHECK(!lat_timer_due(&t, far - 1));
	CHECK(lat_timer_due(&t, far));
	lat_timer_set(&t, far + 1, far);
	CHECK_EQ(t.armed, far + 1);
	lat_timer_fini(&t);
}

TEST_MAIN

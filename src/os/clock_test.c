/* Clocks run forward; deadlines saturate. */
#include "os/clock.h"

#include "base/test.h"

TEST(clocks_run_forward)
{
	uint64_t mono = lat_clock_monotonic_ns(), boot = lat_clock_boottime_ns();

	CHECK(mono > 0 && boot > 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t mono_next = lat_clock_monotonic_ns(), boot_next = lat_clock_boottime_ns();

		CHECK(mono_next >= mono && boot_next >= boot);
		mono = mono_next;
		boot = boot_next;
	}
	CHECK(lat_clock_boottime_ns() >= mono); /* it counts suspend too */
	CHECK(lat_clock_wall_s() > 1600000000);
}

TEST(deadlines)
{
	static const struct {
		const char *why;
		uint64_t now;
		int64_t timeout;
		uint64_t want;
	} rows[] = {
		{ "now", 100, 0, 100 },
		{ "later", 100, 1, 101 },
		{ "for ever", 100, -1, UINT64_MAX },
		{ "for ever, whatever negative", 100, INT64_MIN, UINT64_MAX },
		{ "the longest", 0, INT64_MAX, INT64_MAX },
		{ "last that fits", UINT64_MAX - 5, 5, UINT64_MAX },
		{ "one over saturates", UINT64_MAX - 5, 6, UINT64_MAX },
		{ "far over saturates", UINT64_MAX - 5, INT64_MAX, UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_ROW(rows[i].why, lat_clock_deadline(rows[i].now, rows[i].timeout) == rows[i].want);
}

TEST(until)
{
	uint64_t before = lat_clock_monotonic_ns(), until = lat_clock_until(LAT_NS_PER_S);

	CHECK_EQ(lat_clock_until(0), 0);
	CHECK(lat_clock_until(-1) == UINT64_MAX);
	CHECK(until >= before + (uint64_t)LAT_NS_PER_S);
	CHECK(until <= lat_clock_monotonic_ns() + (uint64_t)LAT_NS_PER_S);
}

TEST_MAIN

/* Polling until a deadline: what is ready, and both sides of every deadline. */
#include <errno.h>
#include <unistd.h>

#include "base/test.h"
#include "os/clock.h"
#include "os/poll.h"

TEST(deadlines)
{
	static const struct {
		const char *why;
		bool ready;
		int64_t from_now_ns; /* INT64_MIN: the deadline is 0; INT64_MAX: there is none */
		int want;
	} rows[] = {
		{ "ready, not to sleep", true, INT64_MIN, 1 },
		{ "ready, long past", true, -LAT_NS_PER_S, 1 },
		{ "ready, without limit", true, INT64_MAX, 1 },
		{ "not ready, not to sleep", false, INT64_MIN, -ETIMEDOUT },
		{ "not ready, long past", false, -LAT_NS_PER_S, -ETIMEDOUT },
		{ "not ready, soon", false, LAT_NS_PER_MS, -ETIMEDOUT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t now = lat_clock_monotonic_ns();
		uint64_t deadline = now + (uint64_t)rows[i].from_now_ns;
		struct pollfd p = { .events = POLLIN };
		int fds[2];

		if (rows[i].from_now_ns == INT64_MIN)
			deadline = 0;
		if (rows[i].from_now_ns == INT64_MAX)
			deadline = UINT64_MAX;
		CHECK_EQ(pipe(fds), 0);
		p.fd = fds[0];
		if (rows[i].ready)
			CHECK_EQ(write(fds[1], "x", 1), 1);
		CHECK_EQ_ROW(rows[i].why, lat_poll_until(&p, 1, deadline), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, p.revents, rows[i].ready ? POLLIN : 0);
		if (rows[i].from_now_ns > 0 && rows[i].from_now_ns != INT64_MAX)
			CHECK_ROW(rows[i].why, lat_clock_monotonic_ns() >= deadline);
		close(fds[0]);
		close(fds[1]);
	}
}

TEST(counts_those_that_are_ready)
{
	struct pollfd p[3];
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	p[0] = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	p[1] = (struct pollfd){ .fd = fds[1], .events = POLLOUT };
	p[2] = (struct pollfd){ .fd = fds[1], .events = POLLIN };
	CHECK_EQ(lat_poll_until(p, ARRAY_LEN(p), UINT64_MAX), 2);
	close(fds[0]);
	close(fds[1]);
}

TEST(two_joined_in_one)
{
	static const struct {
		const char *why;
		bool a, b;
	} rows[] = {
		{ "neither", false, false },
		{ "the first", true, false },
		{ "the second", false, true },
		{ "both", true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pollfd p = { .events = POLLIN };
		int a[2], b[2];
		char byte;

		CHECK_EQ(pipe(a), 0);
		CHECK_EQ(pipe(b), 0);
		CHECK_EQ_ROW(rows[i].why, lat_poll_join(&p.fd, a[0], b[0]), 0);
		if (rows[i].a)
			CHECK_EQ(write(a[1], "x", 1), 1);
		if (rows[i].b)
			CHECK_EQ(write(b[1], "x", 1), 1);
		CHECK_EQ_ROW(rows[i].why, lat_poll_until(&p, 1, 0), rows[i].a || rows[i].b ? 1 : -ETIMEDOUT);
		/* Level: it goes when they do. */
		if (rows[i].a)
			CHECK_EQ(read(a[0], &byte, 1), 1);
		if (rows[i].b)
			CHECK_EQ(read(b[0], &byte, 1), 1);
		CHECK_EQ_ROW(rows[i].why, lat_poll_until(&p, 1, 0), -ETIMEDOUT);
		lat_poll_join_close(p.fd);
		close(a[0]);
		close(a[1]);
		close(b[0]);
		close(b[1]);
	}
	lat_poll_join_close(-1);
}

TEST_MAIN

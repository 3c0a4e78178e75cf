/* The wake-up is a level: readable from the first signal to the clearing. */
#include "os/eventfd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/test.h"
#include "os/clock.h"
#include "os/poll.h"

TEST(a_level_not_an_edge)
{
	int fd;

	CHECK_EQ(lat_eventfd_open(&fd), 0);
	CHECK_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	CHECK_EQ(lat_eventfd_wait(fd, 0), -ETIMEDOUT);
	lat_eventfd_signal(fd);
	lat_eventfd_signal(fd);
	CHECK_EQ(lat_eventfd_wait(fd, 0), 0);
	CHECK_EQ(lat_eventfd_wait(fd, UINT64_MAX), 0); /* waiting does not consume */
	lat_eventfd_clear(fd);
	CHECK_EQ(lat_eventfd_wait(fd, 0), -ETIMEDOUT);
	lat_eventfd_close(fd);
	lat_eventfd_close(-1);
}

/* The peer shares the open file, and with it the flags. */
TEST(clearing_never_blocks)
{
	int fd;

	CHECK_EQ(lat_eventfd_open(&fd), 0);
	lat_eventfd_clear(fd);
	CHECK_EQ(fcntl(fd, F_SETFL, 0), 0);
	lat_eventfd_clear(fd);
	lat_eventfd_signal(fd);
	lat_eventfd_clear(fd);
	lat_eventfd_clear(fd);
	CHECK_EQ(lat_eventfd_wait(fd, 0), -ETIMEDOUT);
	lat_eventfd_close(fd);
}

TEST(signalling_a_full_one_changes_nothing)
{
	uint64_t full = UINT64_MAX - 1;
	int fd;

	CHECK_EQ(lat_eventfd_open(&fd), 0);
	CHECK_EQ(write(fd, &full, sizeof(full)), sizeof(full));
	lat_eventfd_signal(fd);
	CHECK_EQ(lat_eventfd_wait(fd, 0), 0);
	lat_eventfd_clear(fd);
	CHECK_EQ(lat_eventfd_wait(fd, 0), -ETIMEDOUT);
	lat_eventfd_close(fd);
}

TEST(deadlines)
{
	uint64_t deadline = lat_clock_monotonic_ns() + 2 * (uint64_t)LAT_NS_PER_MS;
	int fd;

	CHECK_EQ(lat_eventfd_open(&fd), 0);
	CHECK_EQ(lat_eventfd_wait(fd, deadline), -ETIMEDOUT);
	CHECK(lat_clock_monotonic_ns() >= deadline);
	CHECK_EQ(lat_eventfd_wait(fd, deadline), -ETIMEDOUT); /* passed already */
	lat_eventfd_close(fd);
}

static void *signal_it(void *arg)
{
	lat_eventfd_signal(*(int *)arg);
	return NULL;
}

TEST(another_thread_wakes)
{
	pthread_t thread;
	int fd;

	CHECK_EQ(lat_eventfd_open(&fd), 0);
	CHECK_EQ(pthread_create(&thread, NULL, signal_it, &fd), 0);
	CHECK_EQ(lat_eventfd_wait(fd, UINT64_MAX), 0);
	pthread_join(thread, NULL);
	lat_eventfd_close(fd);
}

TEST(poll_counts_what_is_ready)
{
	struct pollfd p[3];
	int fd[3];

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(lat_eventfd_open(&fd[i]), 0);
		p[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
	}
	CHECK_EQ(lat_poll_until(p, 3, 0), -ETIMEDOUT);
	lat_eventfd_signal(fd[0]);
	lat_eventfd_signal(fd[2]);
	CHECK_EQ(lat_poll_until(p, 3, UINT64_MAX), 2);
	CHECK(p[0].revents == POLLIN && p[1].revents == 0 && p[2].revents == POLLIN);
	CHECK_EQ(lat_poll_until(NULL, 0, 0), -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		lat_eventfd_close(fd[i]);
}

TEST_MAIN

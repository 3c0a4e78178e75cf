/* What can be made of somebody else's end, and what he can make of ours. */
#include "os/poke.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

TEST(readable_from_a_poke_until_it_is_cleared)
{
	int fds[2];

	CHECK_EQ(lat_poke_pair(fds), 0);
	CHECK_NE(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
	CHECK(!readable(fds[1]));
	CHECK_EQ(lat_poke_clear(fds[1]), 0);
	for (int i = 0; i < 3; i++)
		lat_poke(fds[0]);
	CHECK(readable(fds[1]) && !readable(fds[0]));
	CHECK_EQ(lat_poke_clear(fds[1]), 0);
	CHECK(!readable(fds[1]));
	lat_poke(fds[1]);
	CHECK(readable(fds[0]));
	lat_poke_close(fds[0]);
	lat_poke_close(fds[1]);
	lat_poke_close(-1);
}

TEST(an_end_whose_holder_never_reads_does_not_block_us)
{
	int fds[2];

	CHECK_EQ(lat_poke_pair(fds), 0);
	CHECK_EQ(fcntl(fds[1], F_SETFL, 0), 0); /* his own flags are not ours */
	for (int i = 0; i < 100000; i++)
		lat_poke(fds[0]);
	CHECK(readable(fds[1]));
	lat_poke_close(fds[0]);
	lat_poke_close(fds[1]);
}

TEST(an_end_that_was_hung_up)
{
	int fds[2];

	CHECK_EQ(lat_poke_pair(fds), 0);
	lat_poke(fds[0]);
	CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
	CHECK_EQ(lat_poke_clear(fds[1]), 0); /* what came before */
	CHECK_EQ(lat_poke_clear(fds[1]), -EPIPE);
	lat_poke_close(fds[0]);
	lat_poke(fds[1]); /* no SIGPIPE */
	lat_poke_close(fds[1]);
	CHECK_EQ(lat_poke_pair(fds), 0);
	lat_poke(fds[1]);
	lat_poke_close(fds[0]); /* with ours unread: a reset */
	CHECK_EQ(lat_poke_clear(fds[1]), -EPIPE);
	lat_poke_close(fds[1]);
}

TEST(what_is_no_end_of_a_pair)
{
	int fds[2], fd;

	CHECK_EQ(lat_poke_pair(fds), 0);
	CHECK_EQ(lat_poke_check(fds[0]), 0);
	lat_poke_close(fds[0]);
	lat_poke_close(fds[1]);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	CHECK_EQ(lat_poke_check(fds[0]), -EINVAL);
	close(fds[0]);
	close(fds[1]);
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	CHECK_EQ(lat_poke_check(fds[0]), -EINVAL);
	close(fds[0]);
	close(fds[1]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0);
	CHECK_EQ(lat_poke_check(fd), -EINVAL); /* with no other end */
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0);
	CHECK_EQ(lat_poke_check(fd), -EINVAL);
	close(fd);
	fd = eventfd(0, EFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(lat_poke_check(fd), -EINVAL);
	close(fd);
	CHECK_EQ(lat_poke_check(-1), -EINVAL);
}

TEST_MAIN

/* Who is at the other end, and its end. */
#include "os/process.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "os/poll.h"
#include "os/unixsock.h"

static char dir[] = "/tmp/lattice-process-XXXXXX";

TEST(a_process_is_known_at_the_other_end_and_so_is_its_death)
{
	static const gid_t groups[] = { 77, 4000000 };
	struct lat_process self, peer;
	struct lat_unixsock s;
	uint32_t *in = NULL;
	size_t in_count = 0;
	struct pollfd wait = { .events = POLLIN };
	int fd, caller, pidfd;
	pid_t child;

	CHECK(mkdtemp(dir) != NULL);
	CHECK_EQ(lat_unixsock_listen_packets(&s, dir, "x"), 0);
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && setgroups(ARRAY_LEN(groups), groups) < 0)
			_exit(2);
		if (lat_unixsock_connect_packets(&caller, dir, "x") < 0)
			_exit(1);
		for (;;)
			pause();
	}
	do
		fd = lat_unixsock_accept(&s);
	while (fd == -EAGAIN);
	CHECK(fd >= 0);
	CHECK_EQ(lat_process_of_peer(fd, &peer), 0);
	lat_process_self(&self);
	CHECK_EQ(peer.pid, child);
	CHECK_EQ(peer.uid, self.uid);
	CHECK_EQ(peer.gid, self.gid);
	CHECK_EQ(lat_process_groups_of_peer(fd, &in, &in_count), 0);
	CHECK_EQ(lat_process_groups_of_peer(-1, &in, &in_count), -EBADF);
	if (geteuid() == 0) {
		CHECK_EQ(in_count, ARRAY_LEN(groups));
		CHECK_MEM(in, groups, sizeof(groups));
	}
	free(in);
	CHECK(self.started > 0 && peer.started >= self.started);
	CHECK_EQ(lat_process_watch_peer(&pidfd, fd), 0);
	wait.fd = pidfd;
	CHECK_EQ(lat_poll_until(&wait, 1, 0), -ETIMEDOUT);
	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(lat_poll_until(&wait, 1, UINT64_MAX), 1);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	close(pidfd);
	/* Of one that has ended: none, or one that says so. */
	if (lat_process_watch_peer(&wait.fd, fd) == 0) {
		CHECK_EQ(lat_poll_until(&wait, 1, 0), 1);
		close(wait.fd);
	}
	lat_unixsock_hang_up(fd);
	lat_unixsock_close(&s);
	CHECK_EQ(rmdir(dir), 0);
}

TEST(what_is_no_socket)
{
	struct lat_process peer;

	CHECK_EQ(lat_process_of_peer(STDIN_FILENO, &peer) < 0, true);
	CHECK_EQ(lat_process_of_peer(-1, &peer), -EBADF);
}

TEST_MAIN

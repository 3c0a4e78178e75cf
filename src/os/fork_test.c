/* A process keeps its number, its children and theirs have others. */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "os/fork.h"

TEST(a_child_has_another_number)
{
	uint32_t mine;
	int status;
	pid_t pid;

	CHECK_EQ(lat_fork_watch(), 0);
	CHECK_EQ(lat_fork_watch(), 0);
	mine = lat_fork_generation();
	pid = fork();
	if (pid == 0) {
		uint32_t child = lat_fork_generation();
		pid_t grandchild = fork();

		if (grandchild == 0)
			_exit(lat_fork_generation() != child && lat_fork_generation() != mine ? 0 : 1);
		_exit(waitpid(grandchild, &status, 0) == grandchild && status == 0 && child != mine ? 0 : 1);
	}
	CHECK_EQ(pid > 0, true);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(lat_fork_generation(), mine);
}

TEST(a_child_closes_what_it_was_told_to)
{
	int fds[2], status;
	pid_t pid;

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(lat_fork_close_in_child(fds[0]), 0);
	CHECK_EQ(lat_fork_close_in_child(fds[1]), 0);
	lat_fork_forget(fds[1]);
	pid = fork();
	if (pid == 0)
		_exit(fcntl(fds[0], F_GETFD) < 0 && fcntl(fds[1], F_GETFD) >= 0 ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(fcntl(fds[0], F_GETFD) >= 0);
	lat_fork_forget(fds[0]);
	lat_fork_forget(fds[0]);
	close(fds[0]);
	close(fds[1]);
}

TEST_MAIN

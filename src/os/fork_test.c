/* A process keeps its number, its children and theirs have others. */
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

TEST_MAIN

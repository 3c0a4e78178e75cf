/* One holder; the second learns who; death gives the lock back. */
#include "os/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "os/file.h"

static char dir[] = "lat-lock-XXXXXX";
static char path[64], other[64];

static void begin(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/node.lock", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
}

static void end(void)
{
	unlink(path);
	unlink(other);
	CHECK_EQ(rmdir(dir), 0);
}

TEST(one_holder_at_a_time)
{
	pid_t holder = -7;
	struct stat st;
	char text[64];
	int fd, second = -7;

	begin();
	CHECK_EQ(lat_lockfile_open(&fd, path, &holder), 0);
	CHECK_EQ(holder, -7);
	CHECK_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_EQ(lat_lockfile_open(&second, path, &holder), -EBUSY);
	CHECK_EQ(holder, getpid());
	CHECK_EQ(second, -7);
	CHECK_EQ(lat_lockfile_open(&second, path, NULL), -EBUSY);
	lat_lockfile_close(fd);
	CHECK_EQ(lat_file_read(path, text, sizeof(text)), 0); /* nobody holds it: no pid in it */
	CHECK_EQ(lat_lockfile_open(&fd, path, NULL), 0);
	lat_lockfile_close(fd);
	lat_lockfile_close(-1);
	end();
}

TEST(killing_the_holder_frees_it)
{
	int ready[2], fd;
	pid_t holder = 0, pid;
	char byte;

	begin();
	CHECK_EQ(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (lat_lockfile_open(&fd, path, NULL) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	CHECK(pid > 0);
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	CHECK_EQ(lat_lockfile_open(&fd, path, &holder), -EBUSY);
	CHECK_EQ(holder, pid);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(lat_lockfile_open(&fd, path, &holder),
		 0); /* its pid is still in the file, and means nothing */
	lat_lockfile_close(fd);
	close(ready[0]);
	close(ready[1]);
	end();
}

TEST(a_file_that_does_not_say_who)
{
	static const struct {
		const char *why, *text;
		pid_t want;
	} rows[] = {
		{ "a pid", "123\n", 123 },
		{ "empty", "", 0 },
		{ "not complete", "123", 0 },
		{ "no number", "hello\n", 0 },
		{ "zero", "0\n", 0 },
		{ "negative", "-5\n", 0 },
		{ "too large", "99999999999\n", 0 },
		{ "too long", "00000000000000000000000000000000000000000000000123\n", 0 },
	};
	int fd, writer, second;

	begin();
	CHECK_EQ(lat_lockfile_open(&fd, path, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		pid_t holder = -7;

		writer = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		CHECK_EQ_ROW(rows[i].why, write(writer, rows[i].text, strlen(rows[i].text)),
			     strlen(rows[i].text));
		close(writer);
		CHECK_EQ_ROW(rows[i].why, lat_lockfile_open(&second, path, &holder), -EBUSY);
		CHECK_EQ_ROW(rows[i].why, holder, rows[i].want);
	}
	lat_lockfile_close(fd);
	end();
}

TEST(refusals)
{
	int fd = -7;

	begin();
	CHECK_EQ(symlink("elsewhere", path), 0);
	CHECK_EQ(lat_lockfile_open(&fd, path, NULL), -ELOOP);
	CHECK_EQ(lat_lockfile_open(&fd, "no/such/directory/lock", NULL), -ENOENT);
	CHECK_EQ(fd, -7);
	end();
}

/* A child that forked while the lock was held has a copy of the fd; closing gives the lock back all the same. */
TEST(a_copy_in_a_child_does_not_keep_it)
{
	int fd, hold[2];
	pid_t pid;
	char byte;

	begin();
	CHECK_EQ(lat_lockfile_open(&fd, path, NULL), 0);
	CHECK_EQ(pipe2(hold, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1); /* until the parent says so */
	}
	CHECK(pid > 0);
	lat_lockfile_close(fd);
	CHECK_EQ(lat_lockfile_open(&fd, path, NULL), 0);
	lat_lockfile_close(fd);
	close(hold[1]);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	close(hold[0]);
	end();
}

TEST_MAIN

/* What was written is there; what cannot be opened or written says why. */
#include "os/datafile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

static char dir[] = "/tmp/lattice-datafile-XXXXXX";

static const char *path_of(const char *name, char out[96])
{
	(void)snprintf(out, 96, "%s/%s", dir, name);
	return out;
}

TEST(open)
{
	char path[96], link[96], fifo[96];
	int fd = -1, made;

	CHECK(mkdtemp(dir) != NULL);
	CHECK_EQ(lat_datafile_open(&fd, path_of("none", path)), -ENOENT);
	CHECK_EQ(lat_datafile_open(&fd, dir), -EINVAL);
	CHECK_EQ(mkfifo(path_of("fifo", fifo), 0600), 0);
	CHECK_EQ(lat_datafile_open(&fd, fifo), -EINVAL);
	made = open(path_of("file", path), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(made >= 0);
	close(made);
	CHECK_EQ(symlink(path, path_of("link", link)), 0);
	CHECK_EQ(lat_datafile_open(&fd, link), -ELOOP);
	CHECK_EQ(fd, -1);
	CHECK_EQ(lat_datafile_open(&fd, path), 0);
	CHECK(lat_datafile_has_name(fd, path));
	CHECK(!lat_datafile_has_name(fd, fifo));
	CHECK(!lat_datafile_has_name(fd, path_of("none", link)));
	CHECK(lat_datafile_has_name(fd, path_of("link", link)));
	lat_datafile_close(fd);
	lat_datafile_close(-1);
	CHECK_EQ(unlink(link), 0);
	CHECK_EQ(unlink(fifo), 0);
}

TEST(read_and_write)
{
	char path[96], buf[16] = "";
	int fd;

	CHECK_EQ(lat_datafile_open(&fd, path_of("file", path)), 0);
	CHECK_EQ(lat_datafile_read(fd, 0, buf, sizeof(buf)), 0);
	CHECK_EQ(lat_datafile_write(fd, 4, "abcd", 4), 0);
	CHECK_EQ(lat_datafile_read(fd, 0, buf, sizeof(buf)), 8);
	CHECK_MEM(buf, "\0\0\0\0abcd", 8);
	CHECK_EQ(lat_datafile_write(fd, 0, "efgh", 4), 0);
	CHECK_EQ(lat_datafile_read(fd, 2, buf, 4), 4);
	CHECK_MEM(buf, "ghab", 4);
	CHECK_EQ(lat_datafile_read(fd, 100, buf, 4), 0);
	lat_datafile_close(fd);
}

/* A limit of the process's stands for a full disk: its own child, so that only that one has it. */
TEST(no_room)
{
	const struct rlimit limit = { 10, 10 };
	char path[96];
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		int fd, rc;

		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || lat_datafile_open(&fd, path_of("file", path)) < 0)
			_exit(1);
		rc = lat_datafile_write(fd, 8, "12345678", 8);
		_exit(rc == -EFBIG ? 0 : 2);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(unlink(path_of("file", path)), 0);
	CHECK_EQ(rmdir(dir), 0);
}

TEST_MAIN

/* Where the door is, who has it, and what is no place for one. */
#include "node/door.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

static char base[] = "/tmp/lattice-door-XXXXXX";

static const char *in_base(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

static void begin(void)
{
	memcpy(base + strlen(base) - 6, "XXXXXX", 6);
	CHECK(mkdtemp(base) != NULL);
}

static void end(void)
{
	static const char *const names[] = { "run/lattice/node.lock",
					     "run/lattice/node.key",
					     "run/lattice/node.sock",
					     "run/lattice",
					     "run",
					     "x.lock",
					     "x.key",
					     "x.sock",
					     "" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)remove(in_base(names[i]));
}

TEST(where_it_is)
{
	static const struct {
		const char *why, *socket, *runtime; /* below the base; NULL: not set */
		int want;
		const char *path; /* below the base */
	} rows[] = {
		{ "as it is named", "x.sock", "run", 0, "x.sock" },
		{ "beside the runtime directory's others", NULL, "run", 0, "run/lattice/node.sock" },
		{ "a directory of a name that is missing", "a/b/x.sock", NULL, -ENOENT, NULL },
		{ "no name", "run/", NULL, -EINVAL, NULL },
		{ "too long a name", "0123456789012345678901234567.sock", NULL, -EINVAL, NULL },
		{ "a file in its way", "x.lock/x.sock", NULL, -ENOTDIR, NULL },
	};

	begin();
	CHECK_EQ(mkdir(in_base("run"), 0700), 0);
	close(open(in_base("x.lock"), O_CREAT | O_WRONLY, 0600));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_door d;

		(void)unsetenv("LATTICE_SOCKET");
		(void)unsetenv("XDG_RUNTIME_DIR");
		if (rows[i].socket != NULL)
			(void)setenv("LATTICE_SOCKET", in_base(rows[i].socket), 1);
		if (rows[i].runtime != NULL)
			(void)setenv("XDG_RUNTIME_DIR", in_base(rows[i].runtime), 1);
		CHECK_EQ_ROW(rows[i].why, lat_door_find(&d), rows[i].want);
		if (rows[i].want == 0)
			CHECK_STR(d.path, in_base(rows[i].path));
		lat_door_leave(&d);
	}
	end();
}

TEST(one_has_it_and_leaves_nothing_of_a_socket)
{
	struct lat_door d;
	struct lat_door_held held, second;
	struct lat_process host;
	uint8_t key[LAT_CLAIMS_KEY];
	pid_t holder = 0;
	struct stat st;
	int fd;

	begin();
	(void)setenv("LATTICE_SOCKET", in_base("x.sock"), 1);
	CHECK_EQ(lat_door_find(&d), 0);
	CHECK_EQ(lat_door_knock(&d, &fd, &host), -ENOENT);
	CHECK_EQ(lat_door_take(&d, &held, &holder), 0);
	CHECK(!held.after);
	CHECK_EQ(stat(in_base("x.sock"), &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_EQ(stat(in_base("x.key"), &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_EQ(lat_door_take(&d, &second, &holder), -EBUSY);
	CHECK_EQ(holder, getpid());
	CHECK_EQ(lat_door_knock(&d, &fd, &host), 0);
	CHECK_EQ(host.pid, getpid());
	lat_unixsock_hang_up(fd);
	memcpy(key, held.key, sizeof(key));
	lat_door_give(&held, false);
	CHECK_EQ(stat(in_base("x.sock"), &st), -1);
	CHECK_EQ(lat_door_take(&d, &held, &holder), 0);
	CHECK_MEM(key, held.key, sizeof(key));
	lat_door_give(&held, true); /* those who are with it still will come */
	CHECK_EQ(lat_door_knock(&d, &fd, &host), -ECONNREFUSED);
	CHECK_EQ(lat_door_take(&d, &held, &holder), 0);
	CHECK(held.after);
	lat_door_give(&held, false);

	CHECK_EQ(chmod(in_base("x.key"), 0644), 0); /* others may have read it: another one */
	CHECK_EQ(lat_door_take(&d, &held, &holder), 0);
	CHECK(memcmp(key, held.key, sizeof(key)) != 0);
	lat_door_give(&held, false);
	lat_door_leave(&d);
	end();
}

TEST(what_a_dead_one_left_is_taken)
{
	struct lat_door_held held;
	struct lat_process host;
	struct lat_door d;
	pid_t holder;
	int fd;

	begin();
	(void)setenv("LATTICE_SOCKET", in_base("x.sock"), 1);
	CHECK_EQ(lat_door_find(&d), 0);
	holder = fork();
	if (holder == 0)
		_exit(lat_door_take(&d, &held, NULL) == 0 ? 0 : 1); /* and gives nothing back */
	CHECK_EQ(waitpid(holder, &fd, 0), holder);
	CHECK_EQ(fd, 0);
	CHECK_EQ(lat_door_knock(&d, &fd, &host), -ECONNREFUSED);
	CHECK_EQ(lat_door_take(&d, &held, &holder), 0);
	CHECK(held.after);
	CHECK_EQ(lat_door_knock(&d, &fd, &host), 0);
	lat_unixsock_hang_up(fd);

	/* A child does not keep it. */
	holder = fork();
	if (holder == 0) {
		(void)pause();
		_exit(0);
	}
	lat_door_give(&held, false);
	CHECK_EQ(lat_door_take(&d, &held, NULL), 0);
	lat_door_give(&held, false);
	CHECK_EQ(kill(holder, 9), 0);
	CHECK_EQ(waitpid(holder, NULL, 0), holder);
	lat_door_leave(&d);
	end();
}

/* LATTICE_SOCKET may be a slip: what is not ours is not touched. */
TEST(files_of_somebody_else_stay)
{
	static const struct {
		const char *why, *file;
		size_t bytes;
	} rows[] = {
		{ "where the socket would be", "x.sock", 0 },
		{ "where the lock would be", "x.lock", 100 },
		{ "where the key would be: longer", "x.key", 100 },
		{ "where the key would be: shorter", "x.key", 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_door_held held;
		struct lat_door d;
		char bytes[100];
		struct stat st;
		int fd;

		begin();
		memset(bytes, 'x', sizeof(bytes));
		fd = open(in_base(rows[i].file), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		CHECK_EQ(write(fd, bytes, rows[i].bytes), rows[i].bytes);
		close(fd);
		(void)setenv("LATTICE_SOCKET", in_base("x.sock"), 1);
		CHECK_EQ(lat_door_find(&d), 0);
		CHECK_EQ_ROW(rows[i].why, lat_door_take(&d, &held, NULL), -EEXIST);
		CHECK_EQ(stat(in_base(rows[i].file), &st), 0);
		CHECK(S_ISREG(st.st_mode));
		CHECK_EQ_ROW(rows[i].why, st.st_size, rows[i].bytes);
		CHECK_EQ(unlink(in_base(rows[i].file)), 0);
		CHECK_EQ_ROW(rows[i].why, lat_door_take(&d, &held, NULL), 0);
		lat_door_give(&held, false);
		lat_door_leave(&d);
		end();
	}
}

TEST_MAIN

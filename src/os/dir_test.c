/* Listing a directory's numbers, and its lock. */
#include "os/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "os/clock.h"

static char dir[] = "/tmp/lattice-dir-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void make(const char *name)
{
	int fd = open(in_dir(name), O_CREAT | O_WRONLY, 0600);

	CHECK_ROW(name, fd >= 0);
	close(fd);
}

TEST(only_numbers_in_order)
{
	static const char *const names[] = { "10", "9",     "4294967295", "1",          "4294967296",
					     "0",  "01",    "-1",         "1x",         "x1",
					     " 1", "1.tmp", ".hide",      "99999999999" };
	static const uint32_t want[] = { 1, 9, 10, UINT32_MAX };
	uint32_t *list = NULL;
	size_t count = 99;

	CHECK(mkdtemp(dir) != NULL);
	CHECK_EQ(lat_dir_numbers(dir, &list, &count), 0);
	CHECK_EQ(count, 0);
	CHECK(list == NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		make(names[i]);
	CHECK_EQ(lat_dir_numbers(dir, &list, &count), 0);
	CHECK_EQ(count, ARRAY_LEN(want));
	CHECK_MEM(list, want, sizeof(want));
	free(list);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		CHECK_EQ(unlink(in_dir(names[i])), 0);
}

TEST(many_numbers)
{
	uint32_t *list = NULL;
	size_t count = 0;
	char name[16];

	for (int i = 1; i <= 100; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		make(name);
	}
	CHECK_EQ(lat_dir_numbers(dir, &list, &count), 0);
	CHECK_EQ(count, 100);
	for (uint32_t i = 0; i < 100; i++)
		CHECK_EQ(list[i], i + 1);
	free(list);
	for (int i = 1; i <= 100; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		CHECK_EQ(unlink(in_dir(name)), 0);
	}
}

TEST(what_is_not_there_or_no_directory)
{
	uint32_t *list = NULL;
	size_t count = 7;

	CHECK_EQ(lat_dir_numbers(in_dir("none"), &list, &count), -ENOENT);
	make("file");
	CHECK_EQ(lat_dir_numbers(in_dir("file"), &list, &count), -ENOTDIR);
	CHECK_EQ(count, 7);
	CHECK_EQ(lat_path_mode(in_dir("file")), 0600);
	CHECK_EQ(lat_path_mode(in_dir("none")), -ENOENT);
	CHECK_EQ(unlink(in_dir("file")), 0);
}

TEST(one_holds_the_lock)
{
	int mine = -1, other = -1, status;
	pid_t child;

	CHECK_EQ(lat_dir_lock(&mine, in_dir("lock"), 0), 0);
	CHECK_EQ(lat_dir_lock(&other, in_dir("lock"), 0), -EBUSY);
	CHECK_EQ(lat_dir_lock(&other, in_dir("lock"), lat_clock_monotonic_ns() + 3000000), -EBUSY);
	CHECK_EQ(other, -1);
	lat_dir_unlock(mine);
	CHECK_EQ(lat_dir_lock(&mine, in_dir("lock"), 0), 0);
	lat_dir_unlock(mine);

	/* One who dies with it leaves it free. */
	child = fork();
	if (child == 0)
		_exit(lat_dir_lock(&mine, in_dir("lock"), 0) == 0 ? 0 : 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(lat_dir_lock(&mine, in_dir("lock"), 0), 0);
	lat_dir_unlock(mine);
	CHECK_EQ(unlink(in_dir("lock")), 0);
	CHECK_EQ(rmdir(dir), 0);
}

enum { NOBODY = 65534 };

TEST(where_processes_meet)
{
	static const struct {
		const char *why, *name, *link; /* link: to that, made before */
		int mode;                      /* 0: it is not there */
		uid_t owner;
		int want;
	} rows[] = {
		{ "it is made", "new", NULL, 0, 0, 0 },
		{ "it is as it was left, for a group too", "group", NULL, 0770, 0, 0 },
		{ "everybody may write, nobody may replace", "sticky", NULL, 01777, 0, 0 },
		{ "everybody may replace what is in it", "open", NULL, 0777, 0, -EPERM },
		{ "a stranger's", "strange", NULL, 0700, NOBODY, -EPERM },
		{ "our link", "ours", "sticky", 0, 0, 0 },
		{ "a stranger's link", "theirs", "sticky", 0, NOBODY, -ELOOP },
		{ "our link to what everybody may replace", "bad", "open", 0, 0, -EPERM },
		{ "below what everybody may replace", "open/below", NULL, 0, 0, -EPERM },
		{ "two names are missing", "one/two", NULL, 0, 0, -ENOENT },
	};
	struct stat st;
	int fd;

	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	CHECK(mkdtemp(dir) != NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *path = in_dir(rows[i].name);

		if (rows[i].owner != 0 && geteuid() != 0)
			continue;
		if (rows[i].mode != 0)
			CHECK_ROW(rows[i].why,
				  mkdir(path, 0700) == 0 && chmod(path, (mode_t)rows[i].mode) == 0);
		if (rows[i].link != NULL)
			CHECK_ROW(rows[i].why, symlink(rows[i].link, path) == 0);
		if (rows[i].owner != 0)
			CHECK_ROW(rows[i].why, lchown(path, rows[i].owner, rows[i].owner) == 0);
		CHECK_EQ_ROW(rows[i].why, lat_dir_meet(&fd, path), rows[i].want);
		if (rows[i].want == 0)
			lat_dir_leave(fd);
	}
	CHECK_EQ(stat(in_dir("new"), &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0700);
	CHECK_EQ(stat(in_dir("group"), &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0770);
	make("file");
	CHECK_EQ(lat_dir_meet(&fd, in_dir("file")), -ENOTDIR);
	CHECK_EQ(lat_dir_meet(&fd, in_dir("file/below")), -ENOTDIR);
	CHECK_EQ(unlink(in_dir("file")), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		(void)!(rows[i].link != NULL ? unlink(in_dir(rows[i].name)) : rmdir(in_dir(rows[i].name)));
	CHECK_EQ(rmdir(dir), 0);
}

TEST_MAIN

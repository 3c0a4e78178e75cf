/* Small files: whole or old, exact mode, bounded reads, directories on the way. */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

static char dir[] = "lat-file-XXXXXX";
static char path[64], temp[64], other[64];

static void begin(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/key", dir);
	snprintf(temp, sizeof(temp), "%s/.key.new", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
}

static void end(void)
{
	unlink(path);
	unlink(other);
	CHECK_EQ(unlink(temp), -1); /* nothing is left behind */
	CHECK_EQ(rmdir(dir), 0);
}

static void plant(const char *at, const char *text, mode_t mode)
{
	int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void holds(const char *at, const char *text)
{
	char buf[64];

	CHECK_EQ(lat_file_read(at, buf, sizeof(buf)), strlen(text));
	CHECK_MEM(buf, text, strlen(text));
}

TEST(written_and_read_back)
{
	static const struct {
		const char *why;
		mode_t mode, mask;
	} rows[] = {
		{ "secret", 0600, 022 },
		{ "public, in spite of the umask", 0644, 077 },
		{ "read-only", 0400, 0 },
		{ "nobody but group", 0640, 0777 },
	};
	struct stat st;

	begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		mode_t was = umask(rows[i].mask);
		int rc = lat_file_write(path, rows[i].why, strlen(rows[i].why), rows[i].mode);

		umask(was);
		CHECK_EQ_ROW(rows[i].why, rc, 0);
		CHECK_EQ_ROW(rows[i].why, stat(path, &st), 0);
		CHECK_EQ_ROW(rows[i].why, st.st_mode & 07777, rows[i].mode);
		holds(path, rows[i].why);
	}
	CHECK_EQ(lat_file_write(path, NULL, 0, 0600), 0);
	holds(path, "");
	end();
}

TEST(reading_is_bounded)
{
	static const struct {
		const char *why, *text;
		size_t max;
		ssize_t want;
	} rows[] = {
		{ "room to spare", "12345678", 9, 8 },
		{ "just fits", "12345678", 8, 8 },
		{ "one too many", "12345678", 7, -EFBIG },
		{ "empty, no room", "", 0, 0 },
		{ "no room", "1", 0, -EFBIG },
	};
	char buf[10];

	begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		memset(buf, 0x5a, sizeof(buf));
		plant(path, rows[i].text, 0600);
		CHECK_EQ_ROW(rows[i].why, lat_file_read(path, buf, rows[i].max), rows[i].want);
		for (size_t at = 0; at < rows[i].max && rows[i].want < 0; at++)
			CHECK_EQ_ROW(rows[i].why, buf[at], 0); /* a failed read leaves no half of a secret */
		CHECK_EQ_ROW(rows[i].why, buf[rows[i].max], 0x5a);
	}
	end();
}

TEST(reading_what_only_some_may_write)
{
	static const struct {
		const char *why;
		mode_t mode;
		uid_t uid; /* whose it is: root may give it away */
		ssize_t want;
	} rows[] = {
		{ "his own", 0600, 0, 1 },
		{ "that all may read", 0644, 0, 1 },
		{ "that its group may write", 0620, 0, -EPERM },
		{ "that all may write", 0602, 0, -EPERM },
		{ "another user's", 0644, 65533, -EPERM },
		{ "the owner's", 0644, 65534, 1 },
		{ "the owner's, that its group may write", 0664, 65534, -EPERM },
	};
	char buf[4];

	begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uid_t owner = geteuid() == 0 ? 65534 : geteuid();

		if (rows[i].uid != 0 && geteuid() != 0)
			continue;
		plant(path, "1", 0600);
		CHECK_EQ_ROW(rows[i].why, chmod(path, rows[i].mode), 0);
		if (rows[i].uid != 0)
			CHECK_EQ_ROW(rows[i].why, chown(path, rows[i].uid, (gid_t)-1), 0);
		CHECK_EQ_ROW(rows[i].why, lat_file_read_of(path, buf, sizeof(buf), owner), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, unlink(path), 0);
	}
	CHECK_EQ(lat_file_read_of(path, buf, sizeof(buf), geteuid()), -ENOENT);
	end();
}

TEST(reading_refusals)
{
	char buf[4];

	begin();
	CHECK_EQ(lat_file_read(path, buf, sizeof(buf)), -ENOENT);
	CHECK_EQ(lat_file_read(dir, buf, sizeof(buf)), -EINVAL);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ(lat_file_read(path, buf, sizeof(buf)), -EINVAL); /* and does not wait for a writer */
	CHECK_EQ(lat_file_read("/dev/zero", buf, sizeof(buf)), -EINVAL);
	end();
}

TEST(writing_refusals)
{
	char long_path[400];

	begin();
	memset(long_path, 'x', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	CHECK_EQ(lat_file_write("", "x", 1, 0600), -EINVAL);
	CHECK_EQ(lat_file_write("/", "x", 1, 0600), -EINVAL);
	CHECK_EQ(lat_file_write("lat-no-such-dir/", "x", 1, 0600), -EINVAL);
	CHECK_EQ(lat_file_write("lat-no-such-dir/x", "x", 1, 0600), -ENOENT);
	CHECK_EQ(lat_file_write(long_path, "x", 1, 0600), -ENAMETOOLONG);
	CHECK_EQ(mkdir(path, 0700), 0);
	CHECK_EQ(lat_file_write(path, "x", 1, 0600), -EISDIR);
	CHECK_EQ(rmdir(path), 0);
	end();
}

TEST(links_are_replaced_and_never_followed)
{
	struct stat st;

	begin();
	plant(other, "other", 0600);
	CHECK_EQ(symlink("other", path), 0);
	CHECK_EQ(symlink("other", temp), 0); /* planted where the new file is made */
	CHECK_EQ(lat_file_write(path, "new", 3, 0600), 0);
	CHECK_EQ(lstat(path, &st), 0);
	CHECK(S_ISREG(st.st_mode));
	holds(path, "new");
	holds(other, "other");
	end();
}

TEST(what_a_crash_left_is_overwritten)
{
	begin();
	plant(temp, "half of somethi", 0644);
	CHECK_EQ(lat_file_write(path, "whole", 5, 0600), 0);
	holds(path, "whole");
	end();
}

/* A child that may not write more than 4 bytes to a file. 0, or the number of the step that went wrong. */
static int fill_the_disk(void)
{
	const struct rlimit four = { 4, 4 };

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &four) < 0)
		return 1;
	return lat_file_write(path, "too long", 8, 0600) == -EFBIG ? 0 : 2;
}

TEST(a_full_disk_leaves_the_old_file)
{
	int status = -1;
	pid_t pid;

	begin();
	CHECK_EQ(lat_file_write(path, "old", 3, 0600), 0);
	pid = fork();
	if (pid == 0)
		_exit(fill_the_disk());
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	holds(path, "old");
	end(); /* which finds no temporary file */
}

TEST(directories_on_the_way)
{
	static const char *const made[] = { "/a/b/c", "/a/b", "/a" };
	char deep[96], text[8];
	struct stat st;

	begin();
	snprintf(deep, sizeof(deep), "%s//a/b/c//", dir);
	CHECK_EQ(lat_file_make_dirs(deep), 0);
	CHECK_EQ(lat_file_make_dirs(deep), 0);
	CHECK_EQ(lat_file_make_dirs(dir), 0);
	CHECK_EQ(lat_file_make_dirs("/"), 0);
	CHECK_EQ(lat_file_make_dirs("."), 0);
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		snprintf(deep, sizeof(deep), "%s%s", dir, made[i]);
		CHECK_EQ(stat(deep, &st), 0);
		CHECK_EQ(st.st_mode & 0777, 0700);
		CHECK_EQ(rmdir(deep), 0);
	}
	plant(path, "file", 0600);
	CHECK_EQ(lat_file_make_dirs(path), -ENOTDIR);
	snprintf(deep, sizeof(deep), "%s/below", path);
	CHECK_EQ(lat_file_make_dirs(deep), -ENOTDIR);
	CHECK_EQ(lat_file_make_dirs(""), -EINVAL);
	CHECK_EQ(symlink("nowhere", other), 0);
	CHECK_EQ(lat_file_make_dirs(other), -ENOTDIR);
	CHECK_EQ(lat_file_read(path, text, sizeof(text)), 4);
	end();
}

TEST_MAIN

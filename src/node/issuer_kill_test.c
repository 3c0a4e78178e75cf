/*
 * The process is killed at each system call that making, deriving and revoking capabilities takes, before it and after it. The next
 * issuer knows all that was said to be done: no capability that was revoked lives, and none that was given out is lost.
 *
 * What the kernel has taken survives kill -9, so the order in which it reaches the disk is another test's: the last one, which cuts the file
 * where a power failure could.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "node/issuer.h"

enum { NODE = 9, CAPS = 12, POINTS_MAX = 20000, DST = 7 };
static const uint8_t her[LAT_CAP_HOLDER] = { 2 };

/* One step: makes @cap (of @parent, if that is not itself), or ends it. */
static const struct step {
	enum { MAKE, END } what;
	int cap, parent;
} steps[] = {
	{ MAKE, 0, 0 }, { MAKE, 1, 1 }, { MAKE, 2, 0 }, { MAKE, 3, 2 },  { END, 1, 1 },   { MAKE, 4, 4 },
	{ MAKE, 5, 4 }, { END, 2, 2 },  { MAKE, 6, 6 }, { END, 6, 6 },   { MAKE, 7, 0 },  { MAKE, 8, 8 },
	{ END, 8, 8 },  { MAKE, 9, 9 }, { END, 4, 4 },  { MAKE, 10, 9 }, { MAKE, 11, 7 }, { END, 7, 7 },
};

static char dir[] = "/tmp/lattice-issuer-XXXXXX", path[64];

/* What the process that is killed has said to be done. */
struct said {
	int step;
	struct lat_cap_right right;
};

static int open_issuer(struct lat_issuer **iss)
{
	const struct lat_issuer_config cfg = {
		.node = NODE, .id = her, .path = path, .count = 64, .slack = 3
	};

	return lat_issuer_open(iss, &cfg);
}

static int show(struct lat_issuer *iss, const struct lat_cap_right *r)
{
	struct lat_admission got;

	return lat_issuer_present(iss, r, her, 1, DST, 1000, &got);
}

static struct lat_cap_ref life_of(const struct lat_cap_right *r)
{
	struct lat_cap_desc d = { 0 };

	(void)!lat_cap_right_allows(r, &d);
	return (struct lat_cap_ref){ d.slot, d.gen };
}

static int do_step(struct lat_issuer *iss, const struct step *s, struct lat_cap_right caps[CAPS])
{
	const struct lat_cap_desc want = { .rights = LAT_RIGHT_OPEN | LAT_RIGHT_GRANT,
					   .dst_pid = DST,
					   .src_pid = LAT_CAP_ANY_PID,
					   .max_msg = 100 };

	if (s->what == END)
		return lat_issuer_revoke(iss, life_of(&caps[s->cap]), NULL);
	if (s->parent == s->cap)
		return lat_issuer_mint(iss, &want, (uint32_t)s->cap, LAT_CAP_UNLIMITED, &caps[s->cap]);
	return lat_issuer_derive(iss, &caps[s->parent], her, &want, (uint32_t)s->cap, LAT_CAP_UNLIMITED, 1000,
				 &caps[s->cap]);
}

/* The child: all steps, each said when it is done. */
static void work(int to)
{
	struct lat_cap_right caps[CAPS];
	struct lat_issuer *iss;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(2);
	(void)raise(SIGSTOP);
	if (open_issuer(&iss) < 0)
		_exit(3);
	for (int i = 0; i < (int)ARRAY_LEN(steps); i++) {
		struct said said = { .step = i };

		if (do_step(iss, &steps[i], caps) < 0)
			_exit(4);
		said.right = caps[steps[i].cap];
		if (write(to, &said, sizeof(said)) != sizeof(said))
			_exit(5);
	}
	_exit(0);
}

/* Lets the child run to the @point-th stop at a system call and kills it. Whether it came to its end before. */
static bool run_to(pid_t child, int point)
{
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSTOPPED(status));
	for (int i = 0;; i++) {
		if (i == point) {
			CHECK_EQ(kill(child, SIGKILL), 0);
			CHECK_EQ(waitpid(child, &status, 0), child);
			CHECK(WIFSIGNALED(status));
			return false;
		}
		CHECK_EQ(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		if (WIFEXITED(status)) {
			CHECK_EQ(WEXITSTATUS(status), 0);
			return true;
		}
		CHECK(WIFSTOPPED(status));
	}
}

/* Whether steps up to @done have ended cap @i: it, or one that it was made of. */
static bool ended_by(int cap, int done)
{
	bool ended[CAPS] = { false };
	int parent[CAPS];

	for (int i = 0; i < CAPS; i++)
		parent[i] = i;
	for (int i = 0; i <= done; i++) {
		if (steps[i].what == MAKE)
			parent[steps[i].cap] = steps[i].parent;
		else
			ended[steps[i].cap] = true;
	}
	for (; !ended[cap] && parent[cap] != cap; cap = parent[cap])
		;
	return ended[cap];
}

/* What the next issuer says of all that was said to be done. How many steps those were. */
static int check_after(int from)
{
	const struct step again = { MAKE, 0, 0 };
	struct lat_cap_right caps[CAPS], next[CAPS];
	bool made[CAPS] = { false };
	struct lat_issuer *iss;
	struct said said;
	int done = -1;

	while (read(from, &said, sizeof(said)) == sizeof(said)) {
		done = said.step;
		caps[steps[done].cap] = said.right;
		made[steps[done].cap] = made[steps[done].cap] || steps[done].what == MAKE;
	}
	CHECK_EQ(open_issuer(&iss), 0);
	for (int i = 0; i < CAPS; i++) {
		int rc;

		if (!made[i])
			continue;
		rc = show(iss, &caps[i]);
		if (ended_by(i, done))
			CHECK_EQ_ROW("revoked", rc, -EKEYREVOKED);
		else if (done + 1 < (int)ARRAY_LEN(steps) && ended_by(i, done + 1))
			CHECK_ROW("being revoked", rc == 0 || rc == -EKEYREVOKED);
		else
			CHECK_EQ_ROW("given out", rc, 0);
	}
	/* It goes on, and no life comes twice. */
	for (int n = 0; n < 2; n++) {
		CHECK_EQ(do_step(iss, &again, next), 0);
		for (int i = 0; i < CAPS; i++)
			CHECK(!made[i] || life_of(&caps[i]).slot != life_of(&next[0]).slot ||
			      life_of(&caps[i]).gen != life_of(&next[0]).gen);
	}
	lat_issuer_close(iss);
	return done + 1;
}

static void forget_file(void)
{
	char temp[96];

	(void)unlink(path);
	(void)snprintf(temp, sizeof(temp), "%s/.caps.new", dir);
	(void)unlink(temp);
}

TEST(killed_at_each_system_call)
{
	int point = 0, steps_seen = 0;
	bool over = false;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/caps", dir);
	for (; !over && point < POINTS_MAX; point++) {
		int pipes[2], done;
		pid_t child;

		forget_file();
		CHECK_EQ(pipe2(pipes, O_CLOEXEC), 0);
		child = fork();
		if (child == 0)
			work(pipes[1]);
		CHECK(child > 0);
		close(pipes[1]);
		over = run_to(child, point);
		done = check_after(pipes[0]);
		close(pipes[0]);
		if (done > steps_seen)
			steps_seen = done;
	}
	CHECK(over);
	CHECK_EQ(steps_seen, ARRAY_LEN(steps));
	CHECK(point > 8 * (int)ARRAY_LEN(steps)); /* two writes and two syncs each, before and after */
	forget_file();
}

/* A disk that is full: nothing is given out that would be lost, and what is revoked ends all the same, loudly. */
TEST(a_full_disk)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		const struct step more = { MAKE, 3, 3 };
		struct lat_cap_right caps[CAPS];
		struct rlimit limit;
		struct lat_issuer *iss;
		struct stat st;
		uint32_t count = 0;

		(void)signal(SIGXFSZ, SIG_IGN);
		if (open_issuer(&iss) < 0 || do_step(iss, &steps[0], caps) < 0 ||
		    do_step(iss, &steps[1], caps) < 0 || stat(path, &st) < 0)
			_exit(1);
		limit = (struct rlimit){ (rlim_t)st.st_size + 60, RLIM_INFINITY };
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
			_exit(2);
		if (do_step(iss, &more, caps) != -EFBIG)
			_exit(3);
		if (lat_issuer_revoke(iss, life_of(&caps[0]), &count) != -EFBIG || count != 1)
			_exit(4);
		if (show(iss, &caps[0]) != -EKEYREVOKED || show(iss, &caps[1]) != 0)
			_exit(5);
		limit.rlim_cur = RLIM_INFINITY;
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
			_exit(6);
		if (do_step(iss, &more, caps) <
		    0) /* there is room again: the end that was owed goes with it */
			_exit(7);
		lat_issuer_close(iss);
		if (open_issuer(&iss) < 0 || show(iss, &caps[0]) != -EKEYREVOKED ||
		    show(iss, &caps[1]) != 0 || show(iss, &caps[3]) != 0)
			_exit(8);
		lat_issuer_close(iss);
		_exit(0);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
	forget_file();
}

/* The file, as a power failure may leave it in the middle of a change, and as it may not. */
TEST(a_file_that_was_cut)
{
	enum { HEAD = 2048, MADE = 5 };
	struct lat_cap_right caps[CAPS];
	uint8_t bytes[8192];
	struct lat_issuer *iss;
	struct stat st;
	int fd;

	CHECK_EQ(open_issuer(&iss), 0);
	for (int i = 0; i < MADE; i++)
		CHECK_EQ(do_step(iss, &(struct step){ MAKE, i, i }, caps), 0);
	lat_issuer_close(iss);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_size, HEAD + MADE * LAT_CAPTABLE_RECORD);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_EQ(read(fd, bytes, sizeof(bytes)), st.st_size);
	close(fd);
	for (off_t length = 0; length <= st.st_size; length++) {
		bool whole = length == st.st_size;

		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		CHECK(fd >= 0);
		CHECK_EQ(write(fd, bytes, (size_t)length), length);
		close(fd);
		CHECK_EQ(open_issuer(&iss), whole ? 0 : -EBADMSG); /* each record was said to be there */
		lat_issuer_close(iss);
	}
	/* One more, of which the mark does not say that it is there: whole it counts, in pieces it does not. */
	CHECK_EQ(open_issuer(&iss), 0);
	CHECK_EQ(do_step(iss, &(struct step){ MAKE, MADE, MADE }, caps), 0);
	lat_issuer_close(iss);
	for (off_t more = 0; more <= LAT_CAPTABLE_RECORD; more++) {
		uint8_t record[LAT_CAPTABLE_RECORD];

		fd = open(path, O_RDONLY | O_CLOEXEC);
		CHECK_EQ(pread(fd, record, sizeof(record), st.st_size), sizeof(record));
		close(fd);
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		CHECK_EQ(write(fd, bytes, (size_t)st.st_size), st.st_size);
		CHECK_EQ(write(fd, record, (size_t)more), more);
		close(fd);
		CHECK_EQ(open_issuer(&iss), 0);
		CHECK_EQ(show(iss, &caps[MADE]), more == LAT_CAPTABLE_RECORD ? 0 : -EKEYREVOKED);
		CHECK_EQ(show(iss, &caps[0]), 0);
		lat_issuer_close(iss);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		CHECK_EQ(pwrite(fd, record, sizeof(record), st.st_size), sizeof(record));
		close(fd);
	}
	forget_file();
	CHECK_EQ(rmdir(dir), 0);
}

TEST_MAIN

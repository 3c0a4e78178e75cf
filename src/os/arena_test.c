/* Key memory: zero when got, wiped when put, in a child, and out of dumps; locked or refused. */
#include "os/arena.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

enum { CHUNK = 65536 / LAT_ARENA_SLOT };

static bool all_zero(const void *p, size_t bytes)
{
	const unsigned char *b = p;
	unsigned char any = 0;

	for (size_t i = 0; i < bytes; i++)
		any |= b[i];
	return any == 0;
}

/* The wait status of a child that returned @fn(arg) from main, so to speak. */
static int in_child(int (*fn)(void *arg), void *arg)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(arg));
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

TEST(zero_when_got_wiped_when_put)
{
	struct lat_arena_stats st;
	struct lat_arena *a;
	unsigned char *slot, *again;

	CHECK_EQ(lat_arena_open(&a, 10, true), 0);
	slot = lat_arena_get(a);
	CHECK(slot != NULL);
	CHECK_EQ((uintptr_t)slot % 64, 0);
	CHECK(all_zero(slot, LAT_ARENA_SLOT));
	lat_arena_stats(a, &st);
	CHECK_EQ(st.slots_used, 1);
	CHECK_EQ(st.slots_max, 10);
	memset(slot, 0xa5, LAT_ARENA_SLOT);
	lat_arena_put(a, slot);
	CHECK(all_zero(slot, LAT_ARENA_SLOT)); /* the page is still mapped */
	lat_arena_stats(a, &st);
	CHECK_EQ(st.slots_used, 0);
	again = lat_arena_get(a);
	CHECK(all_zero(again, LAT_ARENA_SLOT));
	lat_arena_put(a, again);
	lat_arena_put(a, NULL);
	lat_arena_close(a);
	lat_arena_close(NULL);
}

/* Slots that follow each other, among others that come and go. */
TEST(longer_secrets)
{
	enum { LONG = 10 * LAT_ARENA_SLOT - 7 };
	struct lat_arena_stats st;
	struct lat_arena *a;
	unsigned char *slot[3], *secret[3];

	CHECK_EQ(lat_arena_open(&a, (size_t)2 * CHUNK, true), 0);
	CHECK(lat_arena_get_long(a, (size_t)CHUNK * LAT_ARENA_SLOT + 1) == NULL);
	for (int i = 0; i < 3; i++) {
		slot[i] = lat_arena_get(a);
		secret[i] = lat_arena_get_long(a, LONG);
		CHECK(slot[i] != NULL && secret[i] != NULL && all_zero(secret[i], LONG));
		memset(slot[i], i + 1, LAT_ARENA_SLOT);
		memset(secret[i], i + 11, LONG);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(slot[i][0], i + 1);
		CHECK_EQ(slot[i][LAT_ARENA_SLOT - 1], i + 1);
		CHECK_EQ(secret[i][0], i + 11);
		CHECK_EQ(secret[i][LONG - 1], i + 11);
	}
	lat_arena_stats(a, &st);
	CHECK_EQ(st.slots_used, 33);
	lat_arena_put(a, slot[1]); /* a gap of one is none for ten */
	lat_arena_put_long(a, secret[0], LONG);
	CHECK(all_zero(secret[0], LONG));
	CHECK(lat_arena_get_long(a, LONG) == secret[0]);
	CHECK(lat_arena_get(a) == slot[1]);
	secret[1] = lat_arena_get_long(a, (size_t)CHUNK * LAT_ARENA_SLOT); /* a chunk of its own */
	CHECK(secret[1] != NULL);
	CHECK(lat_arena_get_long(a, (size_t)CHUNK * LAT_ARENA_SLOT) == NULL);
	lat_arena_stats(a, &st);
	CHECK_EQ(st.slots_used, 33 + CHUNK);
	lat_arena_put_long(a, NULL, LONG);
	lat_arena_close(a);
}

TEST(putting_one_leaves_its_neighbours)
{
	struct lat_arena *a;
	unsigned char *slot[3];

	CHECK_EQ(lat_arena_open(&a, 3, true), 0);
	for (int i = 0; i < 3; i++) {
		slot[i] = lat_arena_get(a);
		memset(slot[i], i + 1, LAT_ARENA_SLOT);
	}
	lat_arena_put(a, slot[1]);
	CHECK(slot[0][0] == 1 && slot[0][LAT_ARENA_SLOT - 1] == 1);
	CHECK(slot[2][0] == 3 && slot[2][LAT_ARENA_SLOT - 1] == 3);
	CHECK(lat_arena_get(a) == slot[1]);
	lat_arena_close(a); /* slots in use are wiped and unmapped too */
}

TEST(grows_to_its_limit_and_no_further)
{
	static const size_t limits[] = { 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK - 5 };
	static unsigned char *slots[3 * CHUNK];

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct lat_arena_stats st;
		struct lat_arena *a;

		CHECK_EQ(lat_arena_open(&a, limits[i], true), 0);
		for (size_t n = 0; n < limits[i]; n++) {
			slots[n] = lat_arena_get(a);
			CHECK(slots[n] != NULL && all_zero(slots[n], LAT_ARENA_SLOT));
			memset(slots[n], 0xff, LAT_ARENA_SLOT); /* a slot given twice would not be zero */
		}
		CHECK(lat_arena_get(a) == NULL);
		lat_arena_stats(a, &st);
		CHECK_EQ(st.slots_used, limits[i]);
		for (size_t n = 0; n < limits[i]; n++)
			lat_arena_put(a, slots[n]);
		for (size_t n = 0; n < limits[i]; n++)
			CHECK(lat_arena_get(a) != NULL);
		CHECK(lat_arena_get(a) == NULL);
		lat_arena_close(a);
	}
}

TEST(no_slots_is_no_arena)
{
	struct lat_arena *a = (struct lat_arena *)&a;

	CHECK_EQ(lat_arena_open(&a, 0, true), -EINVAL);
	CHECK(a == NULL);
}

static int reads_zeros(void *slot)
{
	return all_zero(slot, LAT_ARENA_SLOT) ? 0 : 1;
}

TEST(a_child_sees_zeros)
{
	struct lat_arena *a;
	unsigned char *slot;

	CHECK_EQ(lat_arena_open(&a, 1, true), 0);
	slot = lat_arena_get(a);
	memset(slot, 0xa5, LAT_ARENA_SLOT);
	CHECK_EQ(in_child(reads_zeros, slot), 0);
	CHECK_EQ(slot[0], 0xa5);
	lat_arena_close(a);
}

static int write_to(void *at)
{
	signal(SIGSEGV, SIG_DFL); /* the sanitizers have one of their own */
	signal(SIGBUS, SIG_DFL);
	*(volatile unsigned char *)at = 1;
	return 0;
}

TEST(overruns_hit_a_guard)
{
	struct lat_arena *a;
	unsigned char *first;
	int status;

	CHECK_EQ(lat_arena_open(&a, CHUNK, true), 0);
	first = lat_arena_get(a);
	CHECK_EQ(in_child(write_to, first), 0);
	status = in_child(write_to, first - 1);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = in_child(write_to, first + 65536);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	lat_arena_close(a);
}

/* Copies the VmFlags line of the mapping that holds @at. */
static bool vm_flags(const void *at, char *out, size_t max)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long from, to;
	bool inside = false, found = false;
	char line[512];

	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (uintptr_t)at >= from && (uintptr_t)at < to;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = snprintf(out, max, "%s", line + 8) > 0;
	}
	fclose(f);
	return found;
}

TEST(locked_out_of_dumps_and_out_of_children)
{
	struct lat_arena_stats st;
	struct lat_arena *a;
	char flags[512];
	void *slot;

	CHECK_EQ(lat_arena_open(&a, 1, true), 0);
	slot = lat_arena_get(a);
	if (!vm_flags(slot, flags, sizeof(flags)))
		TEST_SKIP("no VmFlags in /proc/self/smaps");
	CHECK(strstr(flags, " dd") != NULL);
	CHECK(strstr(flags, " wf") != NULL);
	lat_arena_stats(a, &st);
	CHECK_EQ(strstr(flags, " lo") != NULL, st.locked);
	lat_arena_close(a);
}

/* In a child: nothing may be locked any more. 0, or the number of the step that went wrong. */
static int without_the_right_to_lock(void *arg)
{
	const struct rlimit none = { 0, 0 };
	struct lat_arena_stats st;
	struct lat_arena *a;

	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0)
		return 1;
	if (geteuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
		return 2;
	if (lat_arena_open(&a, 10, false) != -EPERM || a != NULL)
		return 3;
	if (lat_arena_open(&a, 10, true) != 0)
		return 4;
	lat_arena_stats(a, &st);
	if (st.locked || lat_arena_get(a) == NULL)
		return 5;
	lat_arena_close(a);
	return 0;
}

TEST(a_refused_lock_is_an_error_unless_allowed)
{
	CHECK_EQ(in_child(without_the_right_to_lock, NULL), 0);
}

/* The limit lets one chunk in and not the second. */
static int with_room_for_one_chunk(void *arg)
{
	const struct rlimit one = { 65536, 65536 };
	struct lat_arena *a;

	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &one) < 0)
		return 1;
	if (geteuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
		return 2;
	if (lat_arena_open(&a, 2 * CHUNK, false) != 0)
		return 3;
	for (int i = 0; i < CHUNK; i++)
		if (lat_arena_get(a) == NULL)
			return 4;
	if (lat_arena_get(a) != NULL)
		return 5;
	lat_arena_close(a);
	return 0;
}

TEST(growing_obeys_the_limit)
{
	CHECK_EQ(in_child(with_room_for_one_chunk, NULL), 0);
}

TEST_MAIN

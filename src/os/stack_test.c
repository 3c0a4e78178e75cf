/* Stacks and regions: whole pages, zeroed, usable to the last byte, and nothing below a stack. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "os/region.h"
#include "os/stack.h"

TEST(sizes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const struct {
		const char *why;
		size_t bytes;
		int want;
		size_t usable;
	} rows[] = {
		{ "nothing", 0, -EINVAL, 0 },
		{ "one byte", 1, 0, page },
		{ "a page", page, 0, page },
		{ "a byte more", page + 1, 0, 2 * page },
		{ "more than there are addresses", SIZE_MAX / 4, -ENOMEM, 0 },
		{ "a sum that would wrap", SIZE_MAX, -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_stack stack = { 0 };

		CHECK_EQ_ROW(rows[i].why, lat_stack_map(&stack, rows[i].bytes), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, stack.bytes, rows[i].usable);
		if (rows[i].want == 0) {
			unsigned char *base = stack.base;

			CHECK_ROW(rows[i].why, base[0] == 0 && base[stack.bytes - 1] == 0);
			memset(base, 0x5a, stack.bytes);
		}
		lat_stack_unmap(&stack);
		CHECK_ROW(rows[i].why, stack.base == NULL && stack.bytes == 0);
		lat_stack_unmap(&stack);
	}
}

TEST(below_a_stack_is_nothing)
{
	static const struct {
		const char *why;
		int at; /* from the lowest byte */
		bool faults;
	} rows[] = {
		{ "the lowest byte", 0, false },
		{ "one below it", -1, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int status;
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			struct lat_stack stack;

			signal(SIGSEGV, SIG_DFL);
			if (lat_stack_map(&stack, 4096) < 0)
				_exit(2);
			((volatile unsigned char *)stack.base)[rows[i].at] = 1;
			_exit(0);
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ_ROW(rows[i].why, WIFSIGNALED(status), rows[i].faults);
		if (rows[i].faults)
			CHECK_EQ_ROW(rows[i].why, WTERMSIG(status), SIGSEGV);
		else
			CHECK_EQ_ROW(rows[i].why, status, 0);
	}
}

TEST(regions)
{
	void *map = NULL;

	CHECK_EQ(lat_region_map(&map, 0), -EINVAL);
	CHECK_EQ(lat_region_map(&map, SIZE_MAX / 2), -ENOMEM);
	CHECK(map == NULL);
	CHECK_EQ(lat_region_map(&map, 100000), 0);
	CHECK_EQ((uintptr_t)map % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
	for (size_t i = 0; i < 100000; i++)
		CHECK_EQ(((unsigned char *)map)[i], 0);
	memset(map, 1, 100000);
	lat_region_unmap(map, 100000);
	lat_region_unmap(NULL, 100000);
}

TEST_MAIN

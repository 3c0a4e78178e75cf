/*
 * Tests in rows, over cmocka. For test files only: nothing else includes this.
 *
 *   TEST(name) { ... }   one test case; it registers itself
 *   TEST_MAIN            once, at the end of the file
 *
 * A CHECK that fails prints where, the row's sentence and both values, and ends its test case. It leaves by
 * longjmp, so only the thread that cmocka runs the case on may CHECK: another thread returns its
 * verdict, and the case checks it after the join. Arguments are evaluated once.
 */
#ifndef LAT_BASE_TEST_H
#define LAT_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

enum {
	TEST_CASES_MAX = 128, /* in one file */
	TEST_DUMP_BYTES = 16, /* shown of each side when memory differs */
};

static struct CMUnitTest check_cases[TEST_CASES_MAX];
static size_t check_case_count;

static inline void check_register(const char *name, CMUnitTestFunction run)
{
	if (check_case_count == TEST_CASES_MAX) {
		print_error("more than %d test cases in one file\n", TEST_CASES_MAX);
		_Exit(1);
	}
	check_cases[check_case_count++] = (struct CMUnitTest){ .name = name, .test_func = run };
}

#define TEST(name_)                                                          \
	static void test_case_##name_(void);                                 \
	static void test_run_##name_(void **state)                           \
	{                                                                    \
		(void)state;                                                 \
		test_case_##name_();                                         \
	}                                                                    \
	__attribute__((constructor)) static void test_register_##name_(void) \
	{                                                                    \
		check_register(#name_, test_run_##name_);                    \
	}                                                                    \
	static void test_case_##name_(void)

/* The number of failed cases, never 0 when no case ran. */
#define TEST_MAIN                                                                                    \
	int main(void)                                                                               \
	{                                                                                            \
		if (check_case_count == 0)                                                           \
			return 1;                                                                    \
		return _cmocka_run_group_tests(__FILE__, check_cases, check_case_count, NULL, NULL); \
	}

/* Ends the case as skipped. @why: what this machine lacks. */
#define TEST_SKIP(why)                                 \
	do {                                           \
		print_message("skipped: %s\n", (why)); \
		skip();                                \
	} while (0)

static inline void check_say_row(const char *why)
{
	if (why != NULL)
		print_error("row \"%s\":\n", why);
}

static inline void check_true(const char *file, int line, const char *why, const char *expr, bool got)
{
	if (got)
		return;
	check_say_row(why);
	print_error("%s does not hold\n", expr);
	_fail(file, line);
}

static inline const char *check_errno_name(intmax_t value)
{
	const char *name = value < 0 && value > -4096 ? strerrorname_np((int)-value) : NULL;

	return name == NULL ? "" : name;
}

static inline void check_eq(const char *file, int line, const char *why, const char *expr, intmax_t got,
			    intmax_t want)
{
	if (got == want)
		return;
	check_say_row(why);
	print_error("%s: got %jd %s, want %jd %s\n", expr, got, check_errno_name(got), want,
		    check_errno_name(want));
	_fail(file, line);
}

static inline void check_ne(const char *file, int line, const char *why, const char *expr, intmax_t got,
			    intmax_t other)
{
	if (got != other)
		return;
	check_say_row(why);
	print_error("%s: got %jd %s, want anything else\n", expr, got, check_errno_name(got));
	_fail(file, line);
}

static inline void check_dump(const char *side, const unsigned char *bytes, size_t from, size_t end)
{
	print_error("  %s", side);
	for (size_t i = from; i < end && i < from + TEST_DUMP_BYTES; i++)
		print_error(" %02x", bytes[i]);
	print_error("\n");
}

static inline void check_mem(const char *file, int line, const char *why, const char *expr, const void *got,
			     const void *want, size_t bytes)
{
	const unsigned char *g = (const unsigned char *)got;
	const unsigned char *w = (const unsigned char *)want;
	size_t at = 0;

	while (at < bytes && g[at] == w[at])
		at++;
	if (at == bytes)
		return;
	check_say_row(why);
	print_error("%s: differs from byte %zu of %zu\n", expr, at, bytes);
	check_dump("got ", g, at, bytes);
	check_dump("want", w, at, bytes);
	_fail(file, line);
}

static inline void check_str(const char *file, int line, const char *why, const char *expr, const char *got,
			     const char *want)
{
	if (got == want || (got != NULL && want != NULL && strcmp(got, want) == 0))
		return;
	check_say_row(why);
	print_error("%s: got \"%s\", want \"%s\"\n", expr, got == NULL ? "(null)" : got,
		    want == NULL ? "(null)" : want);
	_fail(file, line);
}

#define CHECK_ROW(why, cond) check_true(__FILE__, __LINE__, (why), #cond, (cond))
#define CHECK_EQ_ROW(why, got, want) \
	check_eq(__FILE__, __LINE__, (why), #got, (intmax_t)(got), (intmax_t)(want))
#define CHECK_NE_ROW(why, got, other) \
	check_ne(__FILE__, __LINE__, (why), #got, (intmax_t)(got), (intmax_t)(other))
#define CHECK_MEM_ROW(why, got, want, bytes) \
	check_mem(__FILE__, __LINE__, (why), #got, (got), (want), (bytes))
#define CHECK_STR_ROW(why, got, want) check_str(__FILE__, __LINE__, (why), #got, (got), (want))

#define CHECK(cond)                 CHECK_ROW(NULL, cond)
#define CHECK_EQ(got, want)         CHECK_EQ_ROW(NULL, got, want)
#define CHECK_NE(got, other)        CHECK_NE_ROW(NULL, got, other)
#define CHECK_MEM(got, want, bytes) CHECK_MEM_ROW(NULL, got, want, bytes)
#define CHECK_STR(got, want)        CHECK_STR_ROW(NULL, got, want)

#endif

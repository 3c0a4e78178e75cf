/* What a name is, and which pid a service's name stands for. */
#include "base/name.h"

#include "base/test.h"

#define TEN "abcdefghij"

TEST(names)
{
	static const struct {
		const char *why, *name;
		bool want;
	} rows[] = {
		{ "a word", "store", true },
		{ "one letter", "s", true },
		{ "all that may be in it", "Store-2_b.x", true },
		{ "begins with a digit", "2store", true },
		{ "nothing", "", false },
		{ "a number", "42", false },
		{ "a space", "my store", false },
		{ "what divides it from the node", "store@two", false },
		{ "a slash", "a/b", false },
		{ "a line's end", "store\n", false },
		{ "a letter of another alphabet", "caf\xc3\xa9", false },
		{ "the longest", TEN TEN TEN TEN TEN TEN "abcd", true },
		{ "one too long", TEN TEN TEN TEN TEN TEN "abcde", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lat_name_valid(rows[i].name, LAT_SERVICE_MAX), rows[i].want);
}

/* Rights name them: they stay what they are from one version to the next. */
TEST(pids_of_names)
{
	static const struct {
		const char *why, *name;
		unsigned int again;
		int32_t want;
	} rows[] = {
		{ "a name", "store", 0, 1206369325 },
		{ "the same, where that pid is taken", "store", 1, 1206369326 },
		{ "another", "stora", 0, 1273479801 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ_ROW(rows[i].why, lat_service_pid(rows[i].name, rows[i].again), rows[i].want);
		CHECK_ROW(rows[i].why, rows[i].want >= LAT_SERVICE_PID_MIN);
	}
}

TEST_MAIN

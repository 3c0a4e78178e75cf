/* Narrowing only narrows, and text says the same again or nothing. */
#include "cap/right.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/test.h"
#include "vectors/lwp1_kat.h"

static const struct lat_cap_desc desc = { .rights = LAT_RIGHT_SEND | LAT_RIGHT_OPEN | LAT_RIGHT_CALL,
					  .node = 41,
					  .dst_pid = 7,
					  .src_pid = LAT_CAP_ANY_PID,
					  .slot = 3,
					  .gen = 2,
					  .cap_id = 12,
					  .max_msg = 65536 };
static const uint8_t root[LAT_CAP_KEY] = { 5, 6, 7 };

static struct lat_cap_right issued(void)
{
	struct lat_cap_right r;

	lat_cap_right_issue(&r, root, &desc);
	return r;
}

TEST(the_keys_are_those_of_the_known_answers)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];
		struct lat_cap_right r;
		struct lat_cap_desc d;

		CHECK_EQ(lat_cap_desc_decode(&d, kat->cap.desc), 0);
		lat_cap_right_issue(&r, kat->cap.K_root, &d);
		CHECK_MEM_ROW(kat->name, r.key, kat->cap.k[0], LAT_CAP_KEY);
		for (size_t c = 0; c < kat->cap.caveats_count; c++) {
			struct lat_caveat caveat;

			CHECK_EQ(lat_caveat_decode(&caveat, kat->cap.caveats[c]), 0);
			CHECK_EQ(lat_cap_right_narrow(&r, &caveat), 0);
			CHECK_MEM_ROW(kat->name, r.key, kat->cap.k[c + 1], LAT_CAP_KEY);
		}
	}
}

TEST(it_can_be_narrowed_until_there_is_no_room)
{
	const uint8_t him[LAT_CAP_HOLDER] = { 1 }, her[LAT_CAP_HOLDER] = { 2 };
	const struct {
		const char *why;
		struct lat_caveat caveat;
		int want;
	} rows[] = {
		{ "only to send and to open",
		  lat_caveat_number(LAT_CAVEAT_RIGHTS, LAT_RIGHT_SEND | LAT_RIGHT_OPEN), 0 },
		{ "for a time", lat_caveat_number(LAT_CAVEAT_NOT_AFTER, 1000), 0 },
		{ "by him", lat_caveat_holder(him), 0 },
		{ "by her, which he is not", lat_caveat_holder(her), -EACCES },
		{ "from a pid", lat_caveat_number(LAT_CAVEAT_SRC_PID, 5), 0 },
		{ "from another", lat_caveat_number(LAT_CAVEAT_SRC_PID, 6), -EACCES },
		{ "of a kind that is none", { .type = 99, .size = 2 }, -EACCES },
		{ "not much", lat_caveat_number(LAT_CAVEAT_MAX_MSG, 100), 0 },
		{ "not often", lat_caveat_number(LAT_CAVEAT_RATE, 3), 0 },
		{ "while a slot lives", lat_caveat_slot(9, 1), 0 },
		{ "not more, which it was not to be", lat_caveat_number(LAT_CAVEAT_MAX_MSG, 200), 0 },
		{ "one too many", lat_caveat_number(LAT_CAVEAT_RATE, 1), -ENOBUFS },
	};
	struct lat_cap_right r = issued();
	struct lat_cap_desc d;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_cap_right before = r;

		CHECK_EQ_ROW(rows[i].why, lat_cap_right_narrow(&r, &rows[i].caveat), rows[i].want);
		if (rows[i].want < 0)
			CHECK_MEM_ROW(rows[i].why, &before, &r, sizeof(r));
	}
	CHECK_EQ(r.caveat_count, LAT_CAP_CAVEATS_MAX);
	CHECK_EQ(lat_cap_right_allows(&r, &d), 0);
	CHECK_EQ(d.rights, LAT_RIGHT_SEND | LAT_RIGHT_OPEN);
	CHECK_EQ(d.not_after, 1000);
	CHECK_MEM(d.holder, him, sizeof(him));
	CHECK_EQ(d.src_pid, 5);
	CHECK_EQ(d.max_msg, 100);
	CHECK_EQ(d.rate, 3);
}

TEST(text_says_the_same_again)
{
	struct lat_cap_right r = issued(), again;

	for (int n = 0; n <= LAT_CAP_CAVEATS_MAX; n++) {
		const struct lat_caveat c = lat_caveat_number(LAT_CAVEAT_MAX_MSG, (uint64_t)(1000 - n));
		char text[LAT_CAP_TEXT_MAX], file[LAT_CAP_TEXT_MAX + 64];
		size_t length = lat_cap_right_format(&r, text);
		int bytes;

		CHECK_EQ(strlen(text), length);
		memset(&again, 0, sizeof(again));
		CHECK_EQ(lat_cap_right_parse(&again, text, length), 0);
		CHECK_MEM(&r, &again, sizeof(r));
		bytes = snprintf(file, sizeof(file), "# send to 7\n\n \t%s \r\n# that is all", text);
		CHECK_EQ(lat_cap_right_parse(&again, file, (size_t)bytes), 0);
		CHECK_MEM(&r, &again, sizeof(r));
		/* Cut anywhere, or with any character changed, it is none. */
		for (size_t at = 1; at < length; at++)
			CHECK(lat_cap_right_parse(&again, text, at) < 0);
		for (size_t at = 0; at < length; at++) {
			text[at] = text[at] == 'A' ? 'B' : 'A';
			CHECK(lat_cap_right_parse(&again, text, length) < 0);
			(void)lat_cap_right_format(&r, text);
		}
		if (n < LAT_CAP_CAVEATS_MAX)
			CHECK_EQ(lat_cap_right_narrow(&r, &c), 0);
	}
}

TEST(what_is_no_capability)
{
	struct lat_cap_right r = issued(), untouched = r;
	char good[LAT_CAP_TEXT_MAX], other[LAT_CAP_TEXT_MAX + 32], two[2 * LAT_CAP_TEXT_MAX + 2];
	size_t length = lat_cap_right_format(&r, good);
	const struct {
		const char *why, *text;
		int want;
	} rows[] = {
		{ "nothing", "", -ENOENT },
		{ "words for people only", "# a\n\n  # b\n", -ENOENT },
		{ "a text", "hello", -EBADMSG },
		{ "the beginning only", "lattice-cap:", -EBADMSG },
		{ "no base64", "lattice-cap:****", -EBADMSG },
		{ "two of them", two, -EEXIST },
		{ "something behind it", other, -EBADMSG },
	};

	(void)snprintf(two, sizeof(two), "%s\n%s\n", good, good);
	(void)snprintf(other, sizeof(other), "%s\nhello\n", good);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ_ROW(rows[i].why, lat_cap_right_parse(&r, rows[i].text, strlen(rows[i].text)),
			     rows[i].want);
		CHECK_MEM_ROW(rows[i].why, &untouched, &r, sizeof(r));
	}
	good[0] = '\0';
	CHECK_EQ(lat_cap_right_parse(&r, good, length), -EBADMSG); /* zeros in a file */
}

TEST_MAIN

/* Capabilities as handles, text and files: what is said is what was there, or one error with its cause. */
#include "node/capability.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lattice/error.h>

#include "base/test.h"

static const uint8_t root[LAT_CAP_KEY] = { 9, 9, 9 };
static const struct lat_cap_desc plain = { .rights = LAT_RIGHT_SEND | LAT_RIGHT_OPEN | LAT_RIGHT_CALL,
					   .node = 41,
					   .dst_pid = 7,
					   .src_pid = LAT_CAP_ANY_PID,
					   .slot = 3,
					   .gen = 2,
					   .cap_id = 0x300000002,
					   .not_after = 2000,
					   .max_msg = 65536,
					   .rate = 100 };

static struct lattice_cap *made(const struct lat_cap_desc *desc)
{
	struct lat_cap_right right;
	struct lattice_cap *cap = NULL;

	lat_cap_right_issue(&right, root, desc);
	CHECK_EQ(lat_capability_make(&cap, &right), 0);
	return cap;
}

static void text_of(const struct lattice_cap *cap, char text[LATTICE_CAP_TEXT_MAX])
{
	CHECK(lattice_cap_text(cap, text, LATTICE_CAP_TEXT_MAX) > 0);
}

TEST(it_says_what_it_allows)
{
	struct lattice_cap *cap = made(&plain);
	struct lattice_cap_info info;

	CHECK_EQ(lattice_cap_info(cap, &info), 0);
	CHECK_EQ(info.node, 41);
	CHECK_EQ(info.dst, 7);
	CHECK_EQ(info.src, LATTICE_CAP_ANY);
	CHECK_EQ(info.rights, LATTICE_RIGHT_SEND | LATTICE_RIGHT_OPEN | LATTICE_RIGHT_CALL);
	CHECK_EQ(info.id, 0x300000002);
	CHECK_EQ(info.slot, 3);
	CHECK_EQ(info.gen, 2);
	CHECK_EQ(info.expires, 2000);
	CHECK_EQ(info.max_msg_bytes, 65536);
	CHECK_EQ(info.rate_per_s, 100);
	CHECK(info.bearer);
	CHECK_EQ(info.caveat_count, 0);
	CHECK_EQ(info.badge, 0);
	lattice_cap_free(cap);
	lattice_cap_free(NULL);
}

TEST(a_slot_that_a_caveat_names_is_its_life)
{
	const struct lat_caveat child = lat_caveat_slot(12, 5);
	struct lattice_cap_info info;
	struct lat_cap_right right;
	struct lattice_cap *cap;

	lat_cap_right_issue(&right, root, &plain);
	CHECK_EQ(lat_cap_right_narrow(&right, &child), 0);
	CHECK_EQ(lat_capability_make(&cap, &right), 0);
	CHECK_EQ(lattice_cap_info(cap, &info), 0);
	CHECK_EQ(info.slot, 12);
	CHECK_EQ(info.gen, 5);
	CHECK_EQ(info.caveat_count, 1);
	lattice_cap_free(cap);
}

TEST(it_is_narrowed_and_never_widened)
{
	const struct {
		const char *why;
		struct lattice_cap_terms terms;
		int want;
	} rows[] = {
		{ "fewer rights", { .rights = LATTICE_RIGHT_SEND | LATTICE_RIGHT_OPEN }, 0 },
		{ "a right that it has not",
		  { .rights = LATTICE_RIGHT_SEND | LATTICE_RIGHT_GRANT },
		  -EACCES },
		{ "a right that there is not", { .rights = 1u << 20 }, -EACCES },
		{ "a right of 17 bits, whose low ones it has", { .rights = 0x10001 }, -EACCES },
		{ "as long as it lasts", { .expires = 2000 }, 0 },
		{ "a second longer", { .expires = 2001 }, -EACCES },
		{ "shorter messages", { .max_msg_bytes = 65536 }, 0 },
		{ "a byte longer", { .max_msg_bytes = 65537 }, -EACCES },
		{ "as many a second", { .rate_per_s = 100 }, 0 },
		{ "one more a second", { .rate_per_s = 101 }, -EACCES },
		{ "one sender", { .src = 3 }, 0 },
		{ "any sender, which is nothing new", { .src = LATTICE_CAP_ANY }, -EINVAL },
		{ "a pid that there is not", { .src = -2 }, -EINVAL },
		{ "a holder of what was a bearer's", { .holder = { 1 } }, 0 },
		{ "all at once",
		  { .rights = 1,
		    .expires = 1,
		    .max_msg_bytes = 1,
		    .rate_per_s = 1,
		    .src = 1,
		    .holder = { 1 } },
		  0 },
		{ "nothing", { 0 }, -EINVAL },
		{ "a bearer's", { .bearer = true }, -EINVAL },
		{ "another receiver", { .rights = 1, .dst = 8 }, -EINVAL },
		{ "another badge", { .rights = 1, .badge = 8 }, -EINVAL },
		{ "uses", { .rights = 1, .uses = 8 }, -EINVAL },
	};
	struct lattice_cap *cap = made(&plain), *less;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ_ROW(rows[i].why, lattice_cap_attenuate(&less, cap, &rows[i].terms), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, less != NULL, rows[i].want == 0);
		lattice_cap_free(less);
	}
	lattice_cap_free(cap);
}

TEST(what_was_narrowed_stays_so)
{
	const struct lattice_cap_terms first = { .src = 3, .holder = { 1 } }, other_src = { .src = 4 },
				       other_holder = { .holder = { 2 } }, same = { .src = 3 };
	struct lattice_cap *cap = made(&plain), *narrow, *next;
	struct lattice_cap_info info;

	CHECK_EQ(lattice_cap_attenuate(&narrow, cap, &first), 0);
	CHECK_EQ(lattice_cap_info(narrow, &info), 0);
	CHECK_EQ(info.src, 3);
	CHECK(!info.bearer);
	CHECK_EQ(info.holder[0], 1);
	CHECK_EQ(info.caveat_count, 2);
	CHECK_EQ(lattice_cap_attenuate(&next, narrow, &other_src), -EACCES);
	CHECK_EQ(lattice_cap_attenuate(&next, narrow, &other_holder), -EACCES);
	for (int i = 0; i < 6; i++) { /* each is a caveat */
		CHECK_EQ(lattice_cap_attenuate(&next, narrow, &same), 0);
		lattice_cap_free(narrow);
		narrow = next;
	}
	CHECK_EQ(lattice_cap_attenuate(&next, narrow, &same), -ENOBUFS);
	CHECK(next == NULL);
	lattice_cap_free(narrow);
	lattice_cap_free(cap);
}

TEST(text_comes_back_the_same)
{
	char text[LATTICE_CAP_TEXT_MAX], again[LATTICE_CAP_TEXT_MAX];
	struct lattice_cap *cap = made(&plain), *back;

	text_of(cap, text);
	CHECK_EQ(lattice_cap_parse(&back, text, strlen(text)), 0);
	text_of(back, again);
	CHECK_STR(again, text);
	CHECK_EQ(lattice_cap_text(cap, again, strlen(text)), -ENOBUFS);
	CHECK_EQ(lattice_cap_text(cap, again, strlen(text) + 1), (int)strlen(text));
	lattice_cap_free(back);
	lattice_cap_free(cap);
}

TEST(text_that_is_none)
{
	char text[LATTICE_CAP_TEXT_MAX], two[2 * LATTICE_CAP_TEXT_MAX + 2], buf[256];
	struct lattice_cap *cap = made(&plain), *got;

	text_of(cap, text);
	(void)snprintf(two, sizeof(two), "%s\n%s\n", text, text);
	{
		const struct {
			const char *why, *text;
			size_t bytes;
			int want;
		} rows[] = {
			{ "nothing", "", 0, -ENOENT },
			{ "only a comment", "# hello\n\n", 9, -ENOENT },
			{ "something else", "hello\n", 6, -EBADMSG },
			{ "two", two, strlen(two), -EEXIST },
			{ "cut in the middle", text, strlen(text) / 2, -EBADMSG },
			{ "cut by one", text, strlen(text) - 1, -EBADMSG },
			{ "its name only", text, 12, -EBADMSG },
		};

		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			got = cap;
			CHECK_EQ_ROW(rows[i].why, lattice_cap_parse(&got, rows[i].text, rows[i].bytes),
				     rows[i].want);
			CHECK_ROW(rows[i].why, got == NULL);
			CHECK_ROW(rows[i].why, lattice_explain(NULL, rows[i].want, buf, sizeof(buf)) > 0 &&
						       strncmp(buf, "the text: ", 10) == 0);
		}
	}
	for (size_t at = 12; at < strlen(text); at++) { /* any one character mistyped */
		char was = text[at];

		text[at] = was == 'A' ? 'B' : 'A';
		CHECK(lattice_cap_parse(&got, text, strlen(text)) < 0);
		text[at] = was;
	}
	CHECK_EQ(lattice_cap_parse(&got, NULL, 4), -EINVAL);
	lattice_cap_free(cap);
}

TEST(files)
{
	char dir[] = "/tmp/lattice-cap-XXXXXX", path[64], link[64], missing[64];
	struct lattice_cap *cap = made(&plain), *got;
	char text[LATTICE_CAP_TEXT_MAX], again[LATTICE_CAP_TEXT_MAX];
	static const struct {
		const char *why;
		mode_t mode;
		int want;
	} modes[] = {
		{ "only the owner", 0600, 0 },         { "only to be read", 0400, 0 },
		{ "the group reads", 0640, -EACCES },  { "the world reads", 0644, -EACCES },
		{ "the world writes", 0602, -EACCES },
	};
	struct stat st;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/cap", dir);
	(void)snprintf(link, sizeof(link), "%s/link", dir);
	(void)snprintf(missing, sizeof(missing), "%s/no/cap", dir);
	CHECK_EQ(lattice_cap_read(&got, path), -ENOENT);
	CHECK_EQ(lattice_cap_write(cap, missing), -ENOENT);
	CHECK_EQ(lattice_cap_write(cap, path), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	text_of(cap, text);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		CHECK_EQ(chmod(path, modes[i].mode), 0);
		CHECK_EQ_ROW(modes[i].why, lattice_cap_read(&got, path), modes[i].want);
		if (got != NULL) {
			text_of(got, again);
			CHECK_STR_ROW(modes[i].why, again, text);
		}
		lattice_cap_free(got);
	}
	CHECK_EQ(lattice_cap_write(cap, path), 0); /* over the one that others could use */
	CHECK_EQ(lattice_cap_read(&got, path), 0);
	lattice_cap_free(got);
	CHECK_EQ(truncate(path, 100), 0);
	CHECK_EQ(lattice_cap_read(&got, path), -ENOENT); /* the comment is longer */
	CHECK_EQ(lattice_cap_write(cap, path), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(truncate(path, st.st_size - 2), 0);
	CHECK_EQ(lattice_cap_read(&got, path), -EBADMSG);
	CHECK_EQ(truncate(path, 5000), 0);
	CHECK_EQ(lattice_cap_read(&got, path), -EBADMSG);
	CHECK_EQ(chmod(dir, 0700), 0);
	CHECK_EQ(lattice_cap_read(&got, dir), -EBADMSG);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(symlink(path, link), 0);
	CHECK_EQ(lattice_cap_read(&got, link), -ENOENT);
	CHECK_EQ(unlink(link), 0);
	CHECK_EQ(rmdir(dir), 0);
	lattice_cap_free(cap);
}

/* A child has the handle, and no key. */
TEST(a_child_has_not_got_it)
{
	struct lattice_cap *cap = made(&plain), *less = NULL;
	const struct lattice_cap_terms terms = { .src = 3 };
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		char text[LATTICE_CAP_TEXT_MAX];
		struct lattice_cap *own = NULL;
		struct lat_cap_right right;
		int bad = lattice_cap_text(cap, text, sizeof(text)) != -EPERM;

		bad |= lattice_cap_attenuate(&less, cap, &terms) != -EPERM;
		lat_cap_right_issue(&right, root, &plain);
		bad |= lat_capability_make(&own, &right) != 0; /* its own work */
		bad |= lattice_cap_text(own, text, sizeof(text)) <= 0;
		lattice_cap_free(own);
		lattice_cap_free(cap);
		_exit(bad);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(lattice_cap_attenuate(&less, cap, &terms), 0);
	lattice_cap_free(less);
	lattice_cap_free(cap);
}

TEST(rights_have_names)
{
	char buf[LAT_RIGHTS_TEXT_MAX];

	for (uint32_t right = 1; right != 0; right <<= 1) {
		const char *name = lattice_right_name(right);

		if (name != NULL)
			CHECK_EQ(lattice_right_of(name), right);
	}
	CHECK_EQ(lattice_right_of("grant-reply"), LATTICE_RIGHT_GRANT_REPLY);
	CHECK_EQ(lattice_right_of(""), 0);
	CHECK_EQ(lattice_right_of(NULL), 0);
	CHECK(lattice_right_name(8) == NULL);
	CHECK(lattice_right_name(3) == NULL);
	CHECK_STR(lat_rights_text(LATTICE_RIGHT_SEND | LATTICE_RIGHT_CALL, buf), "send, call");
	CHECK_STR(lat_rights_text(0, buf), "nothing");
	CHECK_STR(lat_rights_text(UINT32_MAX, buf),
		  "send, open, grant, bulk, call, grant-reply, listen, receive");
}

TEST(holders_that_are_users)
{
	uint8_t holder[LATTICE_CAP_HOLDER_BYTES];
	uint32_t uid = 1;

	lattice_cap_holder_user(holder, 65534);
	CHECK_MEM(holder, "lattice uid\0\xfe\xff\0\0", sizeof(holder));
	CHECK(lattice_cap_holder_is_user(holder, &uid));
	CHECK_EQ(uid, 65534);
	holder[0] = 'L';
	CHECK(!lattice_cap_holder_is_user(holder, &uid));
}

TEST_MAIN

/* How often who is told of, that nothing is lost unsaid, what a line looks like, and where it is written. */
#include "node/audit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"
#include "os/clock.h"
#include "os/poll.h"

static const uint64_t period = LAT_AUDIT_PERIOD_NS, all_period = LAT_AUDIT_ALL_PERIOD_NS;

static struct lat_audit_who user(uint32_t uid)
{
	return (struct lat_audit_who){ .uid = uid, .gid = 100, .process = 77 };
}

static bool refuse(struct lat_audit *a, uint32_t uid, uint64_t now)
{
	const struct lat_audit_record r = {
		.who = user(uid), .act = LAT_AUDIT_OPEN, .src = 1, .dst = 7, .rc = -EACCES, .why = "so"
	};

	if (!lat_audit_begin(a, &r.who, now))
		return false;
	lat_audit_put(a, &r);
	return true;
}

TEST(a_flood_is_bounded_and_counted)
{
	struct lat_audit_record r;
	struct lat_audit *a;
	uint64_t now = 1000 * period, at = 0, told = 0, counted = 0;

	CHECK_EQ(lat_audit_open(&a), 0);
	for (int i = 0; i < 100000; i++)
		told += refuse(a, 7, now);
	CHECK_EQ(told, LAT_AUDIT_BURST);
	CHECK(refuse(a, 8, now)); /* another is heard all the same */
	CHECK_EQ(lat_audit_settle(a, now), now + period);
	CHECK_EQ(lat_audit_settle(a, now + period - 1), now + period);
	CHECK_EQ(lat_audit_count(a).records, LAT_AUDIT_BURST + 1);
	CHECK_EQ(lat_audit_settle(a, now + period), UINT64_MAX);
	while (lat_audit_next(a, at, &r)) {
		CHECK_EQ(r.number, at + 1);
		at = r.number;
		counted += r.suppressed;
	}
	CHECK_EQ(r.act, LAT_AUDIT_SUPPRESSED);
	CHECK_EQ(r.who.uid, 7);
	CHECK_EQ(counted + told, 100000);
	CHECK_EQ(lat_audit_count(a).suppressed, counted);
	/* Without anybody who settles, the count comes before the next one. */
	CHECK(!refuse(a, 7, now + period));
	CHECK(refuse(a, 7, now + 3 * period));
	CHECK(lat_audit_next(a, at, &r));
	CHECK_EQ(r.suppressed, 1);
	CHECK(lat_audit_next(a, at + 1, &r));
	CHECK_EQ(r.act, LAT_AUDIT_OPEN);
	lat_audit_close(a);
}

TEST(all_together_are_bounded_too)
{
	struct lat_audit *a;
	uint64_t told = 0, now = 1000 * period, counted = 0, next;
	struct lat_audit_record r;

	CHECK_EQ(lat_audit_open(&a), 0);
	for (uint32_t uid = 0; uid < 10000; uid++)
		for (int i = 0; i < 3; i++)
			told += refuse(a, uid, now);
	CHECK_EQ(told, LAT_AUDIT_ALL_BURST);
	for (int rounds = 0; (next = lat_audit_settle(a, now)) != UINT64_MAX; rounds++) {
		CHECK(next > now && next <= now + LAT_AUDIT_BURST * period);
		CHECK(rounds < 1000);
		now = next;
	}
	for (uint64_t at = 0; lat_audit_next(a, at, &r); at = r.number)
		counted += r.suppressed;
	CHECK_EQ(counted, 30000 - told);
	CHECK(now - 1000 * period < 1000 * all_period);
	lat_audit_close(a);
	lat_audit_close(NULL);
}

TEST(the_oldest_make_room_and_a_reader_is_told)
{
	struct lat_audit *a;
	struct lat_audit_record r;
	struct pollfd wait = { .events = POLLIN };

	CHECK_EQ(lat_audit_open(&a), 0);
	wait.fd = lat_audit_fd(a);
	CHECK(wait.fd >= 0);
	CHECK_EQ(lat_audit_fd(a), wait.fd);
	CHECK_EQ(poll(&wait, 1, 0), 0);
	for (uint64_t i = 0; i < LAT_AUDIT_RING + 10; i++)
		CHECK(refuse(a, 1, i * period));
	CHECK_EQ(poll(&wait, 1, 0), 1);
	CHECK(lat_audit_read(a, 0, &r));
	CHECK_EQ(r.number, 11);
	CHECK(lat_audit_read(a, LAT_AUDIT_RING + 9, &r));
	CHECK_EQ(poll(&wait, 1, 0), 1);
	CHECK(!lat_audit_read(a, LAT_AUDIT_RING + 10, &r));
	CHECK_EQ(poll(&wait, 1, 0), 0);
	CHECK(!lat_audit_begin(NULL, &r.who, 0));
	lat_audit_close(a);
}

static const struct {
	const char *why;
	struct lat_audit_record r;
	const char *text, *json;
} lines[] = {
	{ "a process",
	  { .number = 5,
	    .who = { .uid = 1000, .gid = 100, .process = 42 },
	    .act = LAT_AUDIT_OPEN,
	    .src = 1,
	    .dst = 7,
	    .rc = -EACCES,
	    .cap = { 3, 1 },
	    .why = "forged" },
	  "1970-01-01T00:00:00Z refused open: uid 1000 gid 100 process 42, from pid 1 to pid 7, by capability 3.1: EACCES: forged\n",
	  "{\"time\":\"1970-01-01T00:00:00Z\",\"record\":5,\"act\":\"open\",\"uid\":1000,\"gid\":100,\"process\":42,\"from\":1,\"to\":7,"
	  "\"node\":0,\"service\":\"\",\"capability\":\"3.1\",\"error\":\"EACCES\",\"why\":\"forged\"}\n" },
	{ "a peer, and names that are made to harm",
	  { .number = 6,
	    .who = { .is_peer = true, .has_id = true, .node = 9, .name = "e\x1b[2J\"\n" },
	    .act = LAT_AUDIT_RESOLVE,
	    .rc = -EKEYREVOKED,
	    .service = "a\nb\\\x7f\xff",
	    .why = "so" },
	  "1970-01-01T00:00:00Z refused resolve: peer 9 (e\\x1b[2J\\x22\\x0a) fingerprint 00000000000000000000000000000000..., service "
	  "a\\x0ab\\x5c\\x7f\\xff: EKEYREVOKED: so\n",
	  "{\"time\":\"1970-01-01T00:00:00Z\",\"record\":6,\"act\":\"resolve\",\"peer\":9,\"name\":\"e\\u001b[2J\\u0022\\u000a\","
	  "\"fingerprint\":\"00000000000000000000000000000000\",\"from\":0,\"to\":0,\"node\":0,\"service\":\"a\\u000ab\\u005c\\u007f\\u00ff\","
	  "\"error\":\"EKEYREVOKED\",\"why\":\"so\"}\n" },
	{ "what was left out",
	  { .number = 7,
	    .who = { .is_peer = true, .node = 9 },
	    .act = LAT_AUDIT_SUPPRESSED,
	    .suppressed = 1234,
	    .why = "" },
	  "1970-01-01T00:00:00Z ... 1234 more suppressed: peer 9\n",
	  "{\"time\":\"1970-01-01T00:00:00Z\",\"record\":7,\"act\":\"suppressed\",\"peer\":9,\"name\":\"\",\"suppressed\":1234}\n" },
};

TEST(a_record_is_a_line)
{
	char out[LAT_AUDIT_LINE];

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		CHECK_EQ_ROW(lines[i].why, lat_audit_text(&lines[i].r, out), strlen(lines[i].text));
		CHECK_STR(out, lines[i].text);
		CHECK_EQ_ROW(lines[i].why, lat_audit_json(&lines[i].r, out), strlen(lines[i].json));
		CHECK_STR(out, lines[i].json);
	}
}

TEST(the_longest_record_fits)
{
	struct lat_audit_record r = {
		.who = { .is_peer = true, .has_id = true, .node = UINT32_MAX },
		.act = LAT_AUDIT_RESOLVE,
		.number = UINT64_MAX,
		.wall_s = INT64_C(253402300799),
		.src = INT32_MIN,
		.dst = INT32_MIN,
		.node = UINT32_MAX,
		.rc = -EKEYREVOKED,
		.cap = { UINT32_MAX, UINT32_MAX },
		.why = "the capability to derive of is forged, revoked, expired or another holder's, has not the "
		       "right 'grant', or allows less than was asked for"
	};
	char out[LAT_AUDIT_LINE];
	size_t length;

	memset(r.who.name, '\n', sizeof(r.who.name) - 1);
	memset(r.service, 0xff, sizeof(r.service) - 1);
	length = lat_audit_json(&r, out);
	CHECK(length > 600 && length < sizeof(out));
	CHECK_EQ(out[length - 2], '}');
	CHECK(lat_audit_text(&r, out) < sizeof(out));
	CHECK(strstr(out, "asked for\n") != NULL);
}

/* ---- files ---- */

enum { PATIENCE_MS = 20000 };
static char folder[] = "/tmp/lattice-audit-XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static size_t size_of(const char *name)
{
	struct stat st;

	return stat(in_folder(name), &st) == 0 ? (size_t)st.st_size : 0;
}

TEST(written_to_a_file_that_is_moved_away)
{
	const char *other;
	struct lat_audit *a;
	struct stat st;

	CHECK(mkdtemp(folder) != NULL);
	CHECK_EQ(lat_audit_open(&a), 0);
	CHECK_EQ(lat_audit_log_to(a, in_folder("one"), false), 0);
	CHECK_EQ(stat(in_folder("one"), &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK(refuse(a, 1, 0));
	for (int i = 0; i < PATIENCE_MS && size_of("one") == 0; i++)
		(void)!lat_poll_until(&(struct pollfd){ .fd = -1 }, 1,
				      lat_clock_monotonic_ns() + LAT_NS_PER_MS);
	CHECK(size_of("one") > 0);
	other = strdup(in_folder("one.1"));
	CHECK_EQ(rename(in_folder("one"), other), 0);
	CHECK_EQ(lat_audit_log_to(a, in_folder("one"), true), 0);
	CHECK(refuse(a, 1, 0));
	CHECK_EQ(symlink(other, in_folder("link")), 0);
	CHECK_EQ(lat_audit_log_to(a, in_folder("link"), true), -ELOOP);
	CHECK_EQ(lat_audit_log_to(a, folder, true), -EISDIR);
	CHECK_EQ(lat_audit_log_to(a, "/dev/null", true), -EINVAL);
	CHECK_EQ(lat_audit_log_to(a, in_folder("no/such"), true), -ENOENT);
	CHECK_EQ(chmod(other, 0622), 0);
	CHECK_EQ(lat_audit_log_to(a, other, true), -EACCES);
	/* A file that is full gets no more, and it is known how many. */
	lat_audit_close(a); /* what waits is written */
	CHECK(size_of("one") > 0);
	CHECK_EQ(lat_audit_open(&a), 0);
	CHECK_EQ(truncate(in_folder("one"), (off_t)LAT_AUDIT_FILE_BYTES - 10), 0);
	CHECK_EQ(lat_audit_log_to(a, in_folder("one"), true), 0);
	CHECK(refuse(a, 1, 0));
	for (int i = 0; i < PATIENCE_MS && lat_audit_count(a).unwritten == 0; i++)
		(void)!lat_poll_until(&(struct pollfd){ .fd = -1 }, 1,
				      lat_clock_monotonic_ns() + LAT_NS_PER_MS);
	CHECK(lat_audit_count(a).unwritten > 0);
	CHECK_EQ(size_of("one"), LAT_AUDIT_FILE_BYTES - 10);
	CHECK_EQ(lat_audit_log_to(a, "none", false), 0);
	lat_audit_close(a);
	for (size_t i = 0; i < 3; i++)
		(void)unlink(in_folder((const char *const[]){ "one", "one.1", "link" }[i]));
	CHECK_EQ(rmdir(folder), 0);
	free((char *)other);
}

TEST_MAIN

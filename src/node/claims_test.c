/* Who gets a pid: users, tickets, and when a ticket counts. */
#include "node/claims.h"

#include <errno.h>

#include "base/test.h"

static const uint8_t key[LAT_CLAIMS_KEY] = "the host's key", other_key[LAT_CLAIMS_KEY] = "another one's";

enum { UID = 1000 };

static struct lat_credentials member(uint64_t id, uid_t uid)
{
	return (struct lat_credentials){ .process = { .pid = 5, .uid = uid, .started = 77 + id },
					 .member = id };
}

static int take_name(struct lat_claims *c, uint64_t id, int32_t pid, const char *name, uint8_t *ticket,
		     uint64_t now, struct lat_claims_holder losers[2])
{
	const struct lat_credentials who = member(id, UID);

	return lat_claims_take(c, &who, pid, name, ticket, now, losers);
}

static int take(struct lat_claims *c, uint64_t id, int32_t pid, uint8_t *ticket, uint64_t now,
		uint64_t *loser)
{
	struct lat_claims_holder losers[2];
	int rc = take_name(c, id, pid, "", ticket, now, losers);

	CHECK_EQ(losers[1].member, 0);
	*loser = losers[0].member;
	return rc;
}

TEST(a_pid_is_of_one_member_at_a_time)
{
	uint8_t ticket[LAT_NOTE_TICKET] = { 0 }, none[LAT_NOTE_TICKET] = { 0 };
	const struct lat_credentials one = member(1, UID), two = member(2, UID),
				     stranger = member(3, UID + 1);
	struct lat_claims_holder losers[2];
	struct lat_claims *c;
	uint64_t loser;

	CHECK_EQ(lat_claims_open(&c, key, UID, 0), 0);
	CHECK_EQ(take(c, 1, 7, ticket, 0, &loser), 0);
	CHECK_EQ(loser, 0);
	CHECK_EQ(lat_claims_holder(c, 7), 1);
	CHECK_EQ(take(c, 1, 7, none, 0, &loser), 0);
	memset(none, 0, sizeof(none));
	CHECK_EQ(take(c, 2, 7, none, 0, &loser), -EADDRINUSE);
	CHECK_EQ(loser, 1);
	CHECK_EQ(lat_claims_take(c, &stranger, 8, "", none, 0, losers), -EACCES);
	CHECK_EQ(losers[0].member, 0);
	CHECK_EQ(lat_claims_may(c, &stranger, LAT_ACT_ATTACH, 0, ""), -EACCES);
	CHECK_EQ(lat_claims_may(c, &stranger, LAT_ACT_SEND, 9, ""), -EACCES);
	CHECK_EQ(lat_claims_may(c, &one, LAT_ACT_SEND, 7, ""), 0);
	CHECK_EQ(lat_claims_may(c, &two, LAT_ACT_SEND, 7, ""), -EACCES);
	CHECK_EQ(lat_claims_may(c, &two, LAT_ACT_SEND, 8, ""), 0);
	lat_claims_give(c, 2, 7);
	CHECK_EQ(lat_claims_count(c), 1);
	lat_claims_give_all(c, 2);
	CHECK_EQ(lat_claims_count(c), 1);
	CHECK_EQ(take(c, 2, 9, none, 0, &loser), 0);
	CHECK_EQ(lat_claims_next(c, 0, &loser), 7);
	CHECK_EQ(loser, 1);
	CHECK_EQ(lat_claims_next(c, 7, &loser), 9);
	CHECK_EQ(loser, 2);
	CHECK_EQ(lat_claims_next(c, 9, &loser), 0);
	CHECK_EQ(take(c, 3, 8, none, 0, &loser), 0); /* while they are listed */
	CHECK_EQ(lat_claims_next(c, 7, &loser), 8);
	lat_claims_give(c, 3, 8);
	CHECK_EQ(lat_claims_next(c, 8, &loser), 9);
	lat_claims_give(c, 2, 9);
	lat_claims_give_all(c, 1);
	CHECK_EQ(lat_claims_count(c), 0);
	CHECK_EQ(take(c, 2, 7, none, 0, &loser), 0);
	lat_claims_close(c);
	lat_claims_close(NULL);
}

TEST(a_ticket_wins_for_a_while)
{
	static const struct {
		const char *why;
		const uint8_t *key; /* of the next host */
		uint64_t who;       /* comes with the ticket of member 1 for pid 7 */
		int32_t pid;
		uint64_t now;        /* since the next host began */
		bool held, ticketed; /* another came before; with a ticket of its own */
		int want;
	} rows[] = {
		{ "the pid is free", key, 1, 7, 0, false, false, 0 },
		{ "another came without a ticket", key, 1, 7, 0, true, false, 0 },
		{ "just in time", key, 1, 7, LAT_CLAIMS_TICKETS_NS - 1, true, false, 0 },
		{ "too late", key, 1, 7, LAT_CLAIMS_TICKETS_NS, true, false, -EADDRINUSE },
		{ "another has a ticket too", key, 1, 7, 0, true, true, -EADDRINUSE },
		{ "of a host with another key", other_key, 1, 7, 0, true, false, -EADDRINUSE },
		{ "of another member", key, 3, 7, 0, true, false, -EADDRINUSE },
		{ "for another pid", key, 1, 8, 0, true, false, -EADDRINUSE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t first[LAT_NOTE_TICKET] = { 0 }, second[LAT_NOTE_TICKET] = { 0 };
		struct lat_claims *c;
		uint64_t loser;

		CHECK_EQ(lat_claims_open(&c, key, UID, 0), 0);
		CHECK_EQ(take(c, 1, 7, first, 0, &loser), 0);
		lat_claims_give(c, 1, 7);
		CHECK_EQ(take(c, 2, rows[i].pid, second, 0, &loser), 0);
		lat_claims_close(c);

		CHECK_EQ(lat_claims_open(&c, rows[i].key, UID, 1000), 0);
		if (!rows[i].ticketed)
			memset(second, 0, sizeof(second));
		if (rows[i].held)
			CHECK_EQ_ROW(rows[i].why, take(c, 2, rows[i].pid, second, 1000, &loser), 0);
		CHECK_EQ_ROW(rows[i].why,
			     take(c, rows[i].who, rows[i].pid, first, 1000 + rows[i].now, &loser),
			     rows[i].want);
		CHECK_EQ_ROW(rows[i].why, loser, rows[i].held ? 2 : 0);
		CHECK_EQ_ROW(rows[i].why, lat_claims_holder(c, rows[i].pid),
			     rows[i].want == 0 ? rows[i].who : 2);
		lat_claims_close(c);
	}
}

/* One deed after the other on one table: a name is of one pid, and lives with it. */
TEST(a_name_is_of_one_pid)
{
	static const struct {
		const char *why;
		uint64_t who; /* 0: nobody, pid is given back */
		int32_t pid;
		const char *name;
		int want;
		uint64_t loser_of_pid, loser_of_name;
		int32_t store, other; /* who they are then */
	} rows[] = {
		{ "a name", 1, 7, "store", 0, 0, 0, 7, 0 },
		{ "the same again", 1, 7, "store", 0, 0, 0, 7, 0 },
		{ "of another member", 2, 8, "store", -EEXIST, 0, 1, 7, 0 },
		{ "for another pid of the same member", 1, 8, "store", -EEXIST, 0, 1, 7, 0 },
		{ "its pid, without it, by another", 2, 7, "", -EADDRINUSE, 1, 0, 7, 0 },
		{ "its pid under another name, by another", 2, 7, "other", -EADDRINUSE, 1, 0, 7, 0 },
		{ "another name", 2, 8, "other", 0, 0, 0, 7, 8 },
		{ "both are somebody's", 3, 7, "other", -EEXIST, 0, 2, 7, 8 },
		{ "one takes another name", 1, 7, "third", 0, 0, 0, 0, 8 },
		{ "what it was is free", 3, 9, "store", 0, 0, 0, 9, 8 },
		{ "one gives its name up", 3, 9, "", 0, 0, 0, 0, 8 },
		{ "a name that begins alike", 3, 9, "stor", 0, 0, 0, 0, 8 },
		{ "the pid is given back", 0, 8, "", 0, 0, 0, 0, 0 },
		{ "and taken as nothing", 3, 8, "", 0, 0, 0, 0, 0 },
	};
	struct lat_claims *c;

	CHECK_EQ(lat_claims_open(&c, key, UID, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t ticket[LAT_NOTE_TICKET] = { 0 };
		struct lat_claims_holder losers[2] = { { 0 } };
		int rc = 0;

		if (rows[i].who == 0)
			lat_claims_give(c, 2, rows[i].pid);
		else
			rc = take_name(c, rows[i].who, rows[i].pid, rows[i].name, ticket, 0, losers);
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		CHECK_EQ_ROW(rows[i].why, losers[0].member, rows[i].loser_of_pid);
		CHECK_EQ_ROW(rows[i].why, losers[1].member, rows[i].loser_of_name);
		CHECK_EQ_ROW(rows[i].why, lat_claims_named(c, "store"), rows[i].store);
		CHECK_EQ_ROW(rows[i].why, lat_claims_named(c, "other"), rows[i].other);
		if (rc == 0 && rows[i].who != 0)
			CHECK_STR_ROW(rows[i].why, lat_claims_name(c, rows[i].pid), rows[i].name);
	}
	CHECK_STR(lat_claims_name(c, 99), "");
	lat_claims_give_all(c, 1);
	lat_claims_give_all(c, 3);
	CHECK_EQ(lat_claims_named(c, "third"), 0);
	CHECK_EQ(lat_claims_count(c), 0);
	lat_claims_close(c);
}

TEST(a_ticket_is_for_its_name)
{
	static const struct {
		const char *why;
		int32_t pid; /* member 1 comes with its ticket for this */
		const char *name;
		int32_t other_pid; /* and finds what member 2 has taken meanwhile */
		const char *other_name;
		int want;
		uint64_t loser_of_pid, loser_of_name;
		int32_t loser_pid; /* of the name */
	} rows[] = {
		{ "nobody came", 7, "store", 9, "", 0, 0, 0, 0 },
		{ "another took the pid", 7, "store", 7, "", 0, 2, 0, 0 },
		{ "another took the pid and the name", 7, "store", 7, "store", 0, 2, 0, 0 },
		{ "another took the name", 7, "store", 8, "store", 0, 0, 2, 8 },
		{ "it is not for another name", 7, "other", 7, "", -EADDRINUSE, 2, 0, 0 },
		{ "nor for that of another", 7, "other", 8, "other", -EEXIST, 0, 2, 8 },
		{ "nor for none", 7, "", 7, "", -EADDRINUSE, 2, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t ticket[LAT_NOTE_TICKET] = { 0 }, none[LAT_NOTE_TICKET] = { 0 };
		struct lat_claims_holder losers[2];
		struct lat_claims *c;

		CHECK_EQ(lat_claims_open(&c, key, UID, 0), 0);
		CHECK_EQ(take_name(c, 1, 7, "store", ticket, 0, losers), 0);
		lat_claims_close(c);
		CHECK_EQ(lat_claims_open(&c, key, UID, 1000), 0);
		CHECK_EQ(take_name(c, 2, rows[i].other_pid, rows[i].other_name, none, 1000, losers), 0);
		CHECK_EQ_ROW(rows[i].why, take_name(c, 1, rows[i].pid, rows[i].name, ticket, 1000, losers),
			     rows[i].want);
		CHECK_EQ_ROW(rows[i].why, losers[0].member, rows[i].loser_of_pid);
		CHECK_EQ_ROW(rows[i].why, losers[1].member, rows[i].loser_of_name);
		CHECK_EQ_ROW(rows[i].why, losers[1].pid, rows[i].loser_pid);
		if (rows[i].want == 0) {
			CHECK_EQ_ROW(rows[i].why, lat_claims_named(c, "store"), 7);
			CHECK_EQ_ROW(rows[i].why, lat_claims_holder(c, 7), 1);
		}
		if (rows[i].want == 0 && rows[i].loser_pid != 0)
			CHECK_EQ_ROW(rows[i].why, lat_claims_holder(c, rows[i].loser_pid), 0);
		lat_claims_close(c);
	}
}

TEST(as_many_pids_as_there_may_be)
{
	uint8_t ticket[LAT_NOTE_TICKET];
	struct lat_claims *c;
	uint64_t loser;

	CHECK_EQ(lat_claims_open(&c, key, UID, 0), 0);
	for (int32_t pid = 1; pid <= LAT_CLAIMS_MAX; pid++)
		CHECK_EQ(take(c, 1, pid, ticket, 0, &loser), 0);
	CHECK_EQ(take(c, 1, LAT_CLAIMS_MAX + 1, ticket, 0, &loser), -ENOBUFS);
	CHECK_EQ(lat_claims_holder(c, LAT_CLAIMS_MAX + 1), 0);
	lat_claims_give(c, 1, 7);
	CHECK_EQ(take(c, 1, LAT_CLAIMS_MAX + 1, ticket, 0, &loser), 0);
	CHECK_EQ(lat_claims_count(c), LAT_CLAIMS_MAX);
	lat_claims_close(c);
}

TEST_MAIN

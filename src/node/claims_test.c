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

static int take(struct lat_claims *c, uint64_t id, int32_t pid, uint8_t *ticket, uint64_t now,
		uint64_t *loser)
{
	const struct lat_credentials who = member(id, UID);

	return lat_claims_take(c, &who, pid, ticket, now, loser);
}

TEST(a_pid_is_of_one_member_at_a_time)
{
	uint8_t ticket[LAT_NOTE_TICKET] = { 0 }, none[LAT_NOTE_TICKET] = { 0 };
	const struct lat_credentials one = member(1, UID), two = member(2, UID),
				     stranger = member(3, UID + 1);
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
	CHECK_EQ(lat_claims_take(c, &stranger, 8, none, 0, &loser), -EACCES);
	CHECK_EQ(lat_claims_may(c, &stranger, LAT_ACT_ATTACH, 0), -EACCES);
	CHECK_EQ(lat_claims_may(c, &stranger, LAT_ACT_SEND, 9), -EACCES);
	CHECK_EQ(lat_claims_may(c, &one, LAT_ACT_SEND, 7), 0);
	CHECK_EQ(lat_claims_may(c, &two, LAT_ACT_SEND, 7), -EACCES);
	CHECK_EQ(lat_claims_may(c, &two, LAT_ACT_SEND, 8), 0);
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

/*
 * The host's table of who receives as which pid and as which service: input = deeds of a few members, on a few pids and names.
 *
 * (1) The table is what a plain array says: who has a pid, which comes next, how many there are.
 * (2) A pid has one holder. It changes hands only by a ticket that this pid was given to this very member, and not twice.
 * (3) A ticket that is not right, in any bit, of another member or pid, or too late, is worth nothing.
 * (4) A name is that of one pid, which has one name; it is had as a pid is, and given back with it.
 * (5) Another user may nothing; nobody speaks as a pid that another member has.
 */
#include "fuzz.h"

#include <errno.h>

#include "crypto/aead.h"
#include "node/claims.h"

enum { PIDS = 6, MEMBERS = 4, NAMES = 3 /* "" one of them */, DEEDS_MAX = 200, OWNER = 1000 };

static const uint64_t began_ns = 77;

static struct {
	struct lat_claims *claims;
	uint64_t now;
	struct {
		uint64_t member;
		bool ticketed;
		uint32_t name;
	} pid[PIDS];
	uint8_t ticket[MEMBERS][PIDS][NAMES][LAT_NOTE_TICKET];
	bool has[MEMBERS][PIDS][NAMES];
} t;

static const char *const names[NAMES] = { "", "a", "store" };

static struct lat_credentials who(uint32_t member, bool stranger)
{
	return (struct lat_credentials){
		.process = { .pid = 5, .uid = stranger ? OWNER + 1 : OWNER, .started = 9 },
		.member = member + 1
	};
}

/* The pid that has the name; PIDS: none. */
static uint32_t named(uint32_t name)
{
	for (uint32_t i = 0; i < PIDS; i++)
		if (name != 0 && t.pid[i].member != 0 && t.pid[i].name == name)
			return i;
	return PIDS;
}

static bool may(uint64_t member, uint32_t pid, bool ticketed)
{
	return t.pid[pid].member != member && ticketed && !t.pid[pid].ticketed;
}

static void take(uint32_t member, uint32_t pid, uint32_t how, struct fuzz_input *in)
{
	struct lat_credentials cred = who(member, how % 16 == 15);
	uint8_t ticket[LAT_NOTE_TICKET] = { 0 }, given[LAT_NOTE_TICKET];
	uint32_t name = (uint32_t)fuzz_take(in, 1) % NAMES, has_name = named(name);
	struct lat_claims_holder losers[2];
	bool right = false, ticketed;
	uint64_t holder = t.pid[pid].member;
	int rc, want = 0;

	if ((how & 1) != 0 && t.has[member][pid][name]) {
		memcpy(ticket, t.ticket[member][pid][name], sizeof(ticket));
		right = true;
	} else if ((how & 2) != 0) { /* one that is right for something else */
		memcpy(ticket, t.ticket[(member + 1) % MEMBERS][pid][name], sizeof(ticket));
	} else if ((how & 8) != 0) {
		memcpy(ticket, t.ticket[member][pid][(name + 1) % NAMES], sizeof(ticket));
	}
	if ((how & 4) != 0) {
		ticket[fuzz_take(in, 1) % sizeof(ticket)] ^= (uint8_t)(1 << (how >> 5));
		right = false;
	}
	ticketed = right && t.now - began_ns < (uint64_t)LAT_CLAIMS_TICKETS_NS;
	memcpy(given, ticket, sizeof(given));
	rc = lat_claims_take(t.claims, &cred, (int32_t)pid + 1, names[name], given, t.now, losers);
	if (how % 16 == 15)
		want = -EACCES;
	else if (has_name != PIDS && has_name != pid && !may(cred.member, has_name, ticketed))
		want = -EEXIST;
	else if (holder != 0 && holder != cred.member && !may(cred.member, pid, ticketed))
		want = -EADDRINUSE;
	FUZZ_REQUIRE(rc == want);
	if (rc < 0) {
		FUZZ_REQUIRE(memcmp(given, ticket, sizeof(given)) == 0);
		FUZZ_REQUIRE(losers[0].member == (rc == -EADDRINUSE ? holder : 0));
		FUZZ_REQUIRE(losers[1].member == (rc == -EEXIST ? t.pid[has_name].member : 0));
		return;
	}
	FUZZ_REQUIRE(losers[0].member == (holder == cred.member ? 0 : holder));
	FUZZ_REQUIRE(!t.has[member][pid][name] ||
		     memcmp(given, t.ticket[member][pid][name], sizeof(given)) == 0);
	if (has_name != PIDS && has_name != pid) {
		FUZZ_REQUIRE(losers[1].member == t.pid[has_name].member &&
			     losers[1].pid == (int32_t)has_name + 1);
		t.pid[has_name].member = 0;
	} else {
		FUZZ_REQUIRE(losers[1].member == 0);
	}
	t.pid[pid].ticketed = (holder != 0 && t.pid[pid].ticketed) || ticketed;
	t.pid[pid].member = cred.member;
	t.pid[pid].name = name;
	memcpy(t.ticket[member][pid][name], given, sizeof(given));
	t.has[member][pid][name] = true;
}

static void give(uint32_t member, uint32_t pid, bool all)
{
	if (all)
		lat_claims_give_all(t.claims, member + 1);
	else
		lat_claims_give(t.claims, member + 1, (int32_t)pid + 1);
	for (uint32_t i = 0; i < PIDS; i++)
		if ((all || i == pid) && t.pid[i].member == member + 1)
			t.pid[i].member = 0;
}

static void check(uint32_t member)
{
	struct lat_credentials cred = who(member, false), stranger = who(member, true);
	uint32_t count = 0;
	uint64_t holder;
	int32_t after = 0;

	for (uint32_t i = 0; i < PIDS; i++) {
		int32_t pid = (int32_t)i + 1;
		bool theirs = t.pid[i].member != 0 && t.pid[i].member != cred.member;

		FUZZ_REQUIRE(lat_claims_holder(t.claims, pid) == t.pid[i].member);
		FUZZ_REQUIRE(lat_claims_may(t.claims, &cred, LAT_ACT_SEND, pid, "") ==
			     (theirs ? -EACCES : 0));
		FUZZ_REQUIRE(lat_claims_may(t.claims, &stranger, LAT_ACT_SEND, pid, "") == -EACCES);
		FUZZ_REQUIRE(strcmp(lat_claims_name(t.claims, pid),
				    t.pid[i].member != 0 ? names[t.pid[i].name] : "") == 0);
		if (t.pid[i].member == 0)
			continue;
		count++;
		after = lat_claims_next(t.claims, after, &holder);
		FUZZ_REQUIRE(after == pid && holder == t.pid[i].member);
	}
	FUZZ_REQUIRE(lat_claims_next(t.claims, after, &holder) == 0 && holder == 0);
	for (uint32_t i = 1; i < NAMES; i++)
		FUZZ_REQUIRE(lat_claims_named(t.claims, names[i]) == (int32_t)((named(i) + 1) % (PIDS + 1)));
	FUZZ_REQUIRE(lat_claims_count(t.claims) == count);
	FUZZ_REQUIRE(lat_claims_may(t.claims, &stranger, LAT_ACT_ATTACH, 0, "") == -EACCES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, data + size };
	uint8_t key[LAT_CLAIMS_KEY];

	FUZZ_REQUIRE(lat_crypto_init() == 0);
	memset(&t, 0, sizeof(t));
	memset(key, 3, sizeof(key));
	t.now = began_ns;
	FUZZ_REQUIRE(lat_claims_open(&t.claims, key, OWNER, began_ns) == 0);
	for (int i = 0; i < DEEDS_MAX && fuzz_more(&in); i++) {
		uint32_t what = (uint32_t)fuzz_take(&in, 1), how = (uint32_t)fuzz_take(&in, 1);
		uint32_t member = what >> 3 & 3, pid = (what >> 5 & 7) % PIDS;

		switch (what & 7) {
		case 0:
			t.now += how * (uint64_t)LAT_NS_PER_MS * 16;
			break;
		case 1:
			give(member, pid, false);
			break;
		case 2:
			give(member, pid, true);
			break;
		case 3: /* the host ends, and another takes its place, with the same key: tickets hold */
			lat_claims_close(t.claims);
			memset(t.pid, 0, sizeof(t.pid));
			t.now = began_ns;
			FUZZ_REQUIRE(lat_claims_open(&t.claims, key, OWNER, began_ns) == 0);
			break;
		default:
			take(member, pid, how, &in);
			break;
		}
		check(member);
	}
	lat_claims_close(t.claims);
	return 0;
}

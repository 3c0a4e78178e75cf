/* What a policy grants lives as long as it is granted. */
#include "node/standing.h"

#include <errno.h>

#include "base/test.h"
#include "crypto/aead.h"
#include "node/judge.h"

enum { ALICE = 1001, BOB = 1002, OPS = 50, OWNER = 1000 };

static const struct lat_policy_lookup nobody;
static const uint8_t holder[LAT_CAP_HOLDER] = "somebody";
static uint32_t ends;

static void ended(void *ctx, struct lat_cap_ref life)
{
	(void)ctx;
	(void)life;
	ends++;
}

static struct {
	struct lat_judge *judge;
	struct lat_issuer *issuer;
	struct lat_standing *standing;
} t;

static void rule(const char *text)
{
	struct lat_policy *p;

	CHECK_EQ(lat_policy_parse(&p, "policy", text, strlen(text), &nobody), 0);
	lat_judge_rule(t.judge, p);
}

static void open_all(const char *text)
{
	const struct lat_issuer_config cfg = { .node = 1, .ended = ended };

	CHECK_EQ(lat_crypto_init(), 0);
	ends = 0;
	CHECK_EQ(lat_issuer_open(&t.issuer, &cfg), 0);
	CHECK_EQ(lat_judge_open(&t.judge, OWNER, true), 0);
	CHECK_EQ(lat_standing_open(&t.standing, t.judge), 0);
	rule(text);
}

static void close_all(void)
{
	lat_standing_close(t.standing);
	lat_issuer_close(t.issuer);
	lat_judge_close(t.judge);
}

static int admit(const struct lat_subject *who, int32_t dst, struct lat_admission *out)
{
	return lat_standing_admit(t.standing, t.issuer, who, holder, dst, NULL, out);
}

static bool same(struct lat_cap_ref a, struct lat_cap_ref b)
{
	return a.slot == b.slot && a.gen == b.gen;
}

TEST(each_subject_and_pid_has_its_life_and_no_other)
{
	static const uint32_t ops[] = { OPS }, others[] = { OPS + 1 };
	static const struct lat_subject alice = { .uid = ALICE }, bob = { .uid = BOB },
					peer = { .is_peer = true, .node = ALICE },
					grouped = { .uid = ALICE, .groups = ops, .group_count = 1 },
					elsewhere = { .uid = ALICE, .groups = others, .group_count = 1 },
					owner = { .uid = OWNER };
	struct lat_admission first, again, other;

	open_all("[node]\nallow = uid 1001, peers, gid 50: send, rate 7/s, size 100, badge 3\n");
	CHECK_EQ(admit(&alice, 7, &first), 0);
	CHECK(first.life.gen != 0 && lat_issuer_live(t.issuer, first.life));
	CHECK_EQ(first.rights, LAT_RIGHT_OPEN | LAT_RIGHT_SEND);
	CHECK_EQ(first.rate, 7);
	CHECK_EQ(first.max_msg, 100);
	CHECK_EQ(first.badge, 3);
	CHECK_EQ(admit(&alice, 7, &again), 0);
	CHECK(same(first.life, again.life));
	CHECK_EQ(admit(&alice, 8, &other), 0);
	CHECK(!same(first.life, other.life));
	CHECK_EQ(admit(&peer, 7, &other), 0);
	CHECK(!same(first.life, other.life));
	CHECK_EQ(admit(&grouped, 7, &other), 0);
	CHECK(!same(first.life, other.life));
	CHECK_EQ(admit(&elsewhere, 7, &again), 0);
	CHECK(!same(other.life, again.life) && !same(first.life, again.life));
	CHECK_EQ(admit(&bob, 7, &other), -EACCES);
	CHECK_EQ(admit(&owner, 7, &other), 0);
	CHECK_EQ(other.life.gen, 0);
	/* Revoked by its life, as any other, and then asked for again. */
	CHECK_EQ(lat_issuer_revoke(t.issuer, first.life, NULL), 0);
	CHECK_EQ(admit(&alice, 7, &again), 0);
	CHECK(!same(first.life, again.life) && lat_issuer_live(t.issuer, again.life));
	close_all();
}

TEST(a_policy_that_changes_ends_what_it_does_not_allow_and_keeps_the_rest)
{
	static const uint32_t ops[] = { OPS };
	static const char before[] =
		"[node]\nallow = uid 1001: call, rate 10/s, size 100\nallow = gid 50: send\n";
	static const struct {
		const char *why, *after;
		bool alice, bob; /* still live */
	} rows[] = {
		{ "the same", before, true, true },
		{ "in other words",
		  "[node]\nallow = gid 50: send\nallow = uid 1001: send, call, size 100, rate 10/s\n", true,
		  true },
		{ "wider", "[node]\nallow = uid 1001: call, bulk\nallow = uid 1002: send\n", true, true },
		{ "not one", "[node]\nallow = gid 50: send\n", false, true },
		{ "not the other", "[node]\nallow = uid 1001: call, rate 10/s, size 100\n", true, false },
		{ "no calls", "[node]\nallow = uid 1001: send, rate 10/s, size 100\nallow = gid 50: send\n",
		  false, true },
		{ "slower", "[node]\nallow = uid 1001: call, rate 9/s, size 100\nallow = gid 50: send\n",
		  false, true },
		{ "shorter", "[node]\nallow = uid 1001: call, rate 10/s, size 99\nallow = gid 50: send\n",
		  false, true },
		{ "another badge",
		  "[node]\nallow = uid 1001: call, rate 10/s, size 100, badge 1\nallow = gid 50: send\n",
		  false, true },
		{ "another pid",
		  "[peer 5]\nallow = any: send\n[service a]\npid = 8\nallow = uid 1001, gid 50: call\n",
		  false, false },
		{ "nothing", "", false, false },
	};
	static const struct lat_subject alice = { .uid = ALICE },
					bob = { .uid = BOB, .gid = 1, .groups = ops, .group_count = 1 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_admission a, b;
		uint32_t gone = (uint32_t)!rows[i].alice + (uint32_t)!rows[i].bob;

		open_all(before);
		CHECK_EQ_ROW(rows[i].why, admit(&alice, 7, &a), 0);
		CHECK_EQ_ROW(rows[i].why, admit(&bob, 7, &b), 0);
		rule(rows[i].after);
		CHECK_EQ_ROW(rows[i].why, lat_standing_review(t.standing, t.issuer), gone);
		CHECK_EQ_ROW(rows[i].why, lat_issuer_live(t.issuer, a.life), rows[i].alice);
		CHECK_EQ_ROW(rows[i].why, lat_issuer_live(t.issuer, b.life), rows[i].bob);
		CHECK_EQ_ROW(rows[i].why, ends, gone);
		CHECK_EQ_ROW(rows[i].why, lat_standing_review(t.standing, t.issuer), 0);
		close_all();
	}
}

TEST(what_reaches_another_node_is_granted_like_the_rest)
{
	static const struct lat_subject alice = { .uid = ALICE }, bob = { .uid = BOB };
	struct lat_admission send, reach, other;

	open_all("[node]\nallow = uid 1001: send\nreach = uid 1001\n");
	CHECK_EQ(admit(&alice, 7, &send), 0);
	CHECK_EQ(lat_standing_reach(t.standing, t.issuer, &alice, holder, 7, &reach), 0);
	CHECK(reach.life.gen != 0 && !same(send.life, reach.life));
	CHECK_EQ(reach.max_msg, UINT32_MAX);
	CHECK_EQ(lat_standing_reach(t.standing, t.issuer, &alice, holder, 7, &other), 0);
	CHECK(same(other.life, reach.life));
	CHECK_EQ(lat_standing_reach(t.standing, t.issuer, &bob, holder, 7, &other), -EACCES);
	rule("[node]\nallow = uid 1001: send\n[peer 8]\nreach = uid 1001\n");
	CHECK_EQ(lat_standing_review(t.standing, t.issuer), 1);
	CHECK(lat_issuer_live(t.issuer, send.life) && !lat_issuer_live(t.issuer, reach.life));
	CHECK_EQ(lat_standing_reach(t.standing, t.issuer, &alice, holder, 7, &other), -EACCES);
	close_all();
}

TEST(nobody_uses_up_the_grants_of_the_others)
{
	static const struct lat_subject alice = { .uid = ALICE }, bob = { .uid = BOB };
	struct lat_admission a;

	open_all("[node]\nallow = uid 1001, uid 1002: send\n");
	for (int32_t pid = 1; pid <= LAT_STANDING_EACH_MAX; pid++)
		CHECK_EQ(admit(&alice, pid, &a), 0);
	CHECK_EQ(admit(&alice, LAT_STANDING_EACH_MAX + 1, &a), -ENOBUFS);
	CHECK_EQ(admit(&alice, 1, &a), 0);
	CHECK_EQ(admit(&bob, 1, &a), 0);
	rule("[node]\nallow = uid 1002: send\n");
	CHECK_EQ(lat_standing_review(t.standing, t.issuer), LAT_STANDING_EACH_MAX);
	CHECK_EQ(admit(&alice, 1, &a), -EACCES);
	CHECK(lat_issuer_live(t.issuer, (admit(&bob, 1, &a) == 0 ? a.life : (struct lat_cap_ref){ 0 })));
	close_all();
}

TEST(before_there_is_an_issuer)
{
	static const struct lat_subject alice = { .uid = ALICE };
	struct lat_admission a;

	open_all("[node]\nallow = uid 1001: send\n");
	CHECK_EQ(lat_standing_admit(t.standing, NULL, &alice, holder, 7, "a", &a), 0);
	CHECK_EQ(a.life.gen, 0);
	CHECK_EQ(lat_standing_review(t.standing, NULL), 0);
	close_all();
	lat_standing_close(NULL);
}

TEST_MAIN

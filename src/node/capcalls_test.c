/* Capabilities made, seen and ended, by a process that hosts, by one that is attached, and by one that is alone. */
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lattice/cap.h>
#include <lattice/error.h>
#include <lattice/node.h>

#include "base/test.h"
#include "node/capability.h"
#include "node/grants.h"
#include "node/issue.h"
#include "node/issuer.h"
#include "node/network.h"
#include "node/node.h"

enum { PID = 7 };

static const struct lattice_cap_terms plain = {
	.dst = PID, .rights = LATTICE_RIGHT_SEND | LATTICE_RIGHT_OPEN, .badge = 5, .bearer = true
};

static struct lattice_node *opened(enum lattice_host host, const char *dir)
{
	const struct lattice_node_config cfg = {
		.host = host, .port = LATTICE_PORT_ANY, .bind_host = "127.0.0.1", .state_dir = dir
	};
	struct lattice_node *node;
	char why[256] = "";
	int rc = lattice_node_open(&node, &cfg);

	if (rc < 0)
		(void)lattice_explain(NULL, rc, why, sizeof(why));
	CHECK_STR(why, "");
	return node;
}

/* What the issuer, which is @host's, says to it. */
static int shown(const struct lattice_node *host, const struct lattice_cap *cap)
{
	static const uint8_t someone[LAT_CAP_HOLDER] = { 3 };
	struct lat_admission got;
	struct lat_cap_right right;
	int rc;

	CHECK_EQ(lat_capability_take(cap, &right), 0);
	rc = lat_issuer_present(lat_grants_issuer(host->grants), &right, someone, 1, PID, 1000, &got);
	return rc < 0 ? rc : (int)got.badge;
}

static uint32_t listed(struct lattice_node *node)
{
	struct lattice_cap_info info;
	uint32_t count = 0;

	for (int64_t at = -1; lattice_cap_next(node, at, &info) == 0; at = info.slot)
		count++;
	return count;
}

/* From @asker, of the node that @host hosts. */
static void whole_life(struct lattice_node *host, struct lattice_node *asker)
{
	struct lattice_cap_terms terms = plain;
	struct lattice_cap *cap, *child, *less;
	struct lattice_cap_info info, entry;
	struct lattice_cap_told told;

	CHECK_EQ(listed(asker), 0);
	CHECK_EQ(lattice_cap_next(asker, -1, &entry), -ENOENT);
	CHECK_EQ(lattice_cap_revoke(asker, 0, 1, &told, 0), -EKEYREVOKED);

	terms.rights |= LATTICE_RIGHT_GRANT;
	CHECK_EQ(lattice_cap_grant(&cap, asker, &terms), 0);
	CHECK_EQ(lattice_cap_info(cap, &info), 0);
	CHECK_EQ(info.node, lattice_node_number(host));
	CHECK_EQ(info.dst, PID);
	CHECK_EQ(info.src, LATTICE_CAP_ANY);
	CHECK_EQ(info.max_msg_bytes, 1 << 20);
	CHECK_EQ(shown(host, cap), 5);
	CHECK_EQ(listed(asker), 1);
	CHECK_EQ(lattice_cap_next(asker, -1, &entry), 0);
	CHECK_EQ(entry.slot, info.slot);
	CHECK_EQ(entry.gen, info.gen);
	CHECK_EQ(entry.id, info.id);
	CHECK_EQ(entry.badge, 5);
	CHECK_EQ(entry.uses == UINT64_MAX, true);
	CHECK_EQ(entry.parent_gen, 0);

	terms = (struct lattice_cap_terms){ .rights = LATTICE_RIGHT_OPEN, .badge = 6, .bearer = true };
	CHECK_EQ(lattice_cap_derive(&child, asker, cap, &terms), 0);
	CHECK_EQ(shown(host, child), 6);
	CHECK_EQ(lattice_cap_next(asker, info.slot, &entry), 0);
	CHECK_EQ(entry.parent_slot, info.slot);
	CHECK_EQ(entry.parent_gen, info.gen);
	terms.rights |= LATTICE_RIGHT_BULK;
	CHECK_EQ(lattice_cap_derive(&less, asker, cap, &terms), -EACCES);
	CHECK(less == NULL);
	terms.rights = LATTICE_RIGHT_OPEN;
	CHECK_EQ(lattice_cap_derive(&less, asker, child, &terms), -EACCES); /* it has not the right GRANT */
	CHECK_EQ(lattice_cap_attenuate(&less, cap,
				       &(struct lattice_cap_terms){ .rights = LATTICE_RIGHT_OPEN }),
		 0);
	CHECK_EQ(shown(host, less), 5);

	CHECK_EQ(lattice_cap_revoke(asker, info.slot, info.gen, &told, LATTICE_FOREVER), 0);
	CHECK_EQ(told.ended, 2);
	CHECK_EQ(told.channels, 0);
	CHECK_EQ(shown(host, cap), -EKEYREVOKED);
	CHECK_EQ(shown(host, child), -EKEYREVOKED);
	CHECK_EQ(shown(host, less), -EKEYREVOKED);
	lattice_cap_free(child);
	CHECK_EQ(lattice_cap_revoke(asker, info.slot, info.gen, &told, 0), -EKEYREVOKED);
	CHECK_EQ(told.ended, 0);
	CHECK_EQ(lattice_cap_derive(&child, asker, cap, &terms), -EKEYREVOKED);
	CHECK_EQ(listed(asker), 0);
	lattice_cap_free(cap);
	lattice_cap_free(less);
	/* By itself; and by what another node of that number made, which is none of this one's. */
	{
		struct lattice_node *stranger = opened(LATTICE_HOST_PRIVATE, NULL);

		CHECK_EQ(lattice_cap_grant(&cap, asker, &plain), 0);
		CHECK_EQ(lattice_cap_grant(&child, stranger, &plain), 0);
		CHECK_EQ(lattice_cap_revoke_shown(asker, child, &told, LATTICE_FOREVER), -EBADMSG);
		CHECK_EQ(told.ended, 0);
		CHECK_EQ(shown(host, cap), 5);
		CHECK_EQ(lattice_cap_attenuate(&less, cap, &(struct lattice_cap_terms){ .rate_per_s = 9 }),
			 0);
		CHECK_EQ(lattice_cap_revoke_shown(asker, less, &told, LATTICE_FOREVER), 0);
		CHECK_EQ(told.ended, 1);
		CHECK_EQ(shown(host, cap), -EKEYREVOKED);
		CHECK_EQ(lattice_cap_revoke_shown(asker, cap, NULL, 0), -EKEYREVOKED);
		CHECK_EQ(lattice_cap_revoke_shown(asker, NULL, NULL, 0), -EINVAL);
		lattice_cap_free(cap);
		lattice_cap_free(child);
		lattice_cap_free(less);
		lattice_node_close(stranger);
	}
	/* By its holder. */
	terms = (struct lattice_cap_terms){ .dst = PID, .rights = LATTICE_RIGHT_OPEN, .holder = { 3 } };
	CHECK_EQ(lattice_cap_grant(&cap, asker, &terms), 0);
	CHECK_EQ(lattice_cap_grant(&child, asker, &plain), 0);
	CHECK_EQ(lattice_cap_revoke_holder(asker, terms.holder, &told, 0), 0);
	CHECK_EQ(told.ended, 1);
	CHECK_EQ(shown(host, cap), -EKEYREVOKED);
	CHECK_EQ(shown(host, child), 5);
	lattice_cap_free(cap);
	lattice_cap_free(child);
	CHECK_EQ(lattice_cap_next(asker, -1, &entry), 0);
	CHECK_EQ(lattice_cap_revoke(asker, entry.slot, entry.gen, NULL, 0), 0);
}

TEST(alone)
{
	struct lattice_node *node = opened(LATTICE_HOST_PRIVATE, NULL);

	whole_life(node, node);
	lattice_node_close(node);
}

TEST(hosting_and_attached)
{
	struct lattice_node *host = opened(LATTICE_HOST_AUTO, NULL),
			    *member = opened(LATTICE_HOST_AUTO, NULL);

	whole_life(host, host);
	whole_life(host, member);
	lattice_node_close(member);
	lattice_node_close(host);
}

TEST(what_cannot_be_granted)
{
	struct lattice_node *node = opened(LATTICE_HOST_PRIVATE, NULL);
	const struct {
		const char *why;
		struct lattice_cap_terms terms;
	} rows[] = {
		{ "to nobody's pid", { .rights = 1, .bearer = true } },
		{ "to a pid that there is not", { .dst = -1, .rights = 1, .bearer = true } },
		{ "by a pid that there is not", { .dst = 1, .src = -2, .rights = 1, .bearer = true } },
		{ "no rights", { .dst = 1, .bearer = true } },
		{ "the right that is reserved", { .dst = 1, .rights = 8, .bearer = true } },
		{ "a right that there is not", { .dst = 1, .rights = 513, .bearer = true } },
		{ "a right of more than 16 bits", { .dst = 1, .rights = 0x10001, .bearer = true } },
		{ "to nobody", { .dst = 1, .rights = 1 } },
		{ "to somebody and to anybody", { .dst = 1, .rights = 1, .holder = { 1 }, .bearer = true } },
	};
	const uint8_t nobody[LATTICE_CAP_HOLDER_BYTES] = { 0 };
	struct lattice_cap *cap;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char why[256];

		CHECK_EQ_ROW(rows[i].why, lattice_cap_grant(&cap, node, &rows[i].terms), -EINVAL);
		CHECK_ROW(rows[i].why, cap == NULL);
		(void)lattice_explain(node, -EINVAL, why, sizeof(why));
		CHECK_ROW(rows[i].why, strncmp(why, "an argument", 11) != 0); /* one of its own */
	}
	CHECK_EQ(lattice_cap_revoke_holder(node, nobody, NULL, 0), -EINVAL);
	CHECK_EQ(lattice_cap_grant(NULL, node, &plain), -EINVAL);
	CHECK_EQ(lattice_cap_grant(&cap, NULL, &plain), -EINVAL);
	CHECK_EQ(lattice_cap_next(node, -1, NULL), -EINVAL);
	lattice_node_close(node);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* A node with a state directory knows after a restart what it gave out, and what it took back. */
TEST(a_restart)
{
	char dir[] = "/tmp/lattice-capcalls-XXXXXX", path[96];
	struct lattice_node *node;
	struct lattice_cap *kept, *gone, *brief;
	struct lattice_cap_info info;
	struct lattice_cap_terms terms = plain;
	struct stat st;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/capabilities", dir);
	node = opened(LATTICE_HOST_SELF, dir);
	CHECK(stat(path, &st) < 0); /* there is none before there is a capability */
	CHECK_EQ(lattice_cap_grant(&kept, node, &plain), 0);
	CHECK_EQ(lattice_cap_grant(&gone, node, &plain), 0);
	terms.uses = 3;
	CHECK_EQ(lattice_cap_grant(&brief, node, &terms), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_EQ(lattice_cap_info(gone, &info), 0);
	CHECK_EQ(lattice_cap_revoke(node, info.slot, info.gen, NULL, 0), 0);
	CHECK_EQ(shown(node, brief), 5);
	lattice_node_close(node);

	node = opened(LATTICE_HOST_SELF, dir);
	CHECK_EQ(shown(node, kept), 5);
	CHECK_EQ(shown(node, gone), -EKEYREVOKED);
	CHECK_EQ(shown(node, brief), -EKEYEXPIRED); /* those that were set aside are lost, none comes back */
	CHECK_EQ(listed(node), 2);
	lattice_node_close(node);

	/* Without its file, all are void. */
	CHECK_EQ(unlink(path), 0);
	node = opened(LATTICE_HOST_SELF, dir);
	CHECK_EQ(shown(node, kept), -EACCES);
	CHECK_EQ(listed(node), 0);
	lattice_node_close(node);
	lattice_cap_free(kept);
	lattice_cap_free(gone);
	lattice_cap_free(brief);
	CHECK_EQ(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Another user of this machine: shows what it holds, and no more. */
TEST(who_may)
{
	const struct lat_grants_asker owner = { .uid = 1, .owner = true }, his = { .uid = 65534 },
				      hers = { .uid = 2 };
	struct lattice_node *node = opened(LATTICE_HOST_PRIVATE, NULL);
	struct lat_issue_request grant = { .what = LAT_ISSUE_GRANT,
					   .want = { .rights = LAT_RIGHT_OPEN | LAT_RIGHT_GRANT,
						     .dst_pid = PID,
						     .src_pid = LAT_CAP_ANY_PID },
					   .uses = LAT_CAP_UNLIMITED },
				 derive = { .what = LAT_ISSUE_DERIVE,
					    .want = { .rights = LAT_RIGHT_OPEN, .src_pid = LAT_CAP_ANY_PID },
					    .uses = LAT_CAP_UNLIMITED };
	struct lat_issue_answer answer;

	lat_cap_holder_uid(grant.want.holder, his.uid);
	CHECK_EQ(lat_grants_do(node->grants, &owner, &grant, &answer), 0);
	derive.parent = answer.right;
	{
		const struct {
			const char *why;
			const struct lat_grants_asker *who;
			struct lat_issue_request q;
			int want;
		} rows[] = {
			{ "another user grants", &his, grant, -EACCES },
			{ "lists", &his, { .what = LAT_ISSUE_NEXT }, -EACCES },
			{ "asks who was told", &his, { .what = LAT_ISSUE_TOLD, .number = 1 }, -EACCES },
			{ "ends one", &his, { .what = LAT_ISSUE_REVOKE, .want = { .gen = 1 } }, -EACCES },
			{ "ends a holder's",
			  &his,
			  { .what = LAT_ISSUE_REVOKE_HOLDER, .want = grant.want },
			  -EACCES },
			{ "derives of what it holds", &his, derive, 0 },
			{ "of what another holds", &hers, derive, -EACCES },
			{ "the owner, too, holds it not", &owner, derive, -EACCES },
			{ "a revocation that there was not",
			  &owner,
			  { .what = LAT_ISSUE_TOLD, .number = 9 },
			  -ENOENT },
			{ "a revocation 0", &owner, { .what = LAT_ISSUE_TOLD }, -ENOENT },
		};

		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			CHECK_EQ_ROW(rows[i].why,
				     lat_grants_do(node->grants, rows[i].who, &rows[i].q, &answer),
				     rows[i].want);
	}
	lattice_node_close(node);
}

/* Handles that outlive the node. */
TEST(a_node_that_was_closed)
{
	struct lattice_node *node = opened(LATTICE_HOST_PRIVATE, NULL);
	struct lattice_cap *cap;
	struct lattice_cap_info info;

	CHECK_EQ(lattice_cap_grant(&cap, node, &plain), 0);
	lattice_cap_free(cap);
	(void)lat_node_get(node);
	lattice_node_close(node);
	CHECK_EQ(lattice_cap_grant(&cap, node, &plain), -ESHUTDOWN);
	CHECK_EQ(lattice_cap_revoke(node, 0, 1, NULL, 0), -ESHUTDOWN);
	CHECK_EQ(lattice_cap_next(node, -1, &info), -ESHUTDOWN);
	lat_node_put(node);
}

static void put_derive(struct lat_note *n, const struct lat_cap_right *parent, uint32_t badge)
{
	lat_issue_put_request(n, &(struct lat_issue_request){
					 .what = LAT_ISSUE_DERIVE,
					 .want = { .rights = LAT_RIGHT_OPEN, .src_pid = LAT_CAP_ANY_PID },
					 .badge = badge,
					 .uses = LAT_CAP_UNLIMITED,
					 .parent = *parent });
	n->token = 1;
}

/* What no call of ours asks: members may say anything. */
TEST(what_a_member_may_say)
{
	static const uint64_t slots[] = { UINT32_MAX, UINT64_C(1) << 32, UINT64_C(1) << 63,
					  (UINT64_C(1) << 63) + 7, UINT64_MAX };
	const struct lat_grants_asker owner = { .member = 1, .owner = true },
				      other = { .member = 2, .uid = 9 };
	struct lattice_node *node = opened(LATTICE_HOST_PRIVATE, NULL);
	struct lattice_cap_terms terms = plain;
	struct lat_issue_request q = { .what = LAT_ISSUE_NEXT };
	struct lat_issue_answer answer;
	struct lat_admission got;
	struct lattice_cap *cap;
	struct lat_note n;

	terms.rights |= LATTICE_RIGHT_GRANT;
	CHECK_EQ(lattice_cap_grant(&cap, node, &terms), 0);
	for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
		q.number = slots[i];
		CHECK_EQ(lat_grants_do(node->grants, &owner, &q, &answer), -ENOENT);
	}
	/* Who derives does not choose whom receivers take him for. */
	CHECK_EQ(lat_capability_take(cap, &q.parent), 0);
	for (uint32_t badge = 0; badge < 7; badge++) {
		put_derive(&n, &q.parent, badge);
		CHECK_EQ(lat_issue_get_request(&q, &n), 0);
		CHECK_EQ(lat_grants_do(node->grants, &other, &q, &answer), badge == 0 ? 0 : -EACCES);
		if (badge != 0)
			continue;
		CHECK_EQ(lat_issuer_present(lat_grants_issuer(node->grants), &answer.right, q.want.holder, 1,
					    PID, 1000, &got),
			 0);
		CHECK_EQ(got.badge, 5);
	}
	lattice_cap_free(cap);
	lattice_node_close(node);
}

/* One who asks and asks is not heard before the owner who would stop him. */
TEST(another_user_does_not_keep_the_owner_from_revoking)
{
	struct lattice_node *node = opened(LATTICE_HOST_SELF, NULL);
	struct lattice_cap *cap;
	struct lat_cap_right right;
	struct lat_note n;

	CHECK_EQ(lattice_cap_grant(&cap, node, &plain), 0);
	CHECK_EQ(lat_capability_take(cap, &right), 0);
	pthread_mutex_lock(&node->network->lock); /* a revocation waits for it */
	lat_issue_put_request(&n, &(struct lat_issue_request){ .what = LAT_ISSUE_REVOKE });
	CHECK_EQ(lat_grants_ask(node->grants, &(struct lat_grants_asker){ .owner = true }, &n), 0);
	put_derive(&n, &right, 0);
	for (uint32_t i = 0; i < 2 * LAT_GRANTS_WAITING_MAX; i++) {
		const struct lat_grants_asker who = { .member = i + 1, .uid = 9 };

		CHECK_EQ(lat_grants_ask(node->grants, &who, &n), i < LAT_GRANTS_MEMBER_MAX ? 0 : -ENOBUFS);
	}
	for (uint32_t uid = 10; uid < 100; uid++) {
		const struct lat_grants_asker who = { .member = uid, .uid = uid };

		CHECK_EQ(lat_grants_ask(node->grants, &who, &n), 0);
	}
	for (uint32_t uid = 100; uid < 1000; uid++)
		(void)!lat_grants_ask(node->grants, &(struct lat_grants_asker){ .member = uid, .uid = uid },
				      &n);
	lat_issue_put_request(&n, &(struct lat_issue_request){ .what = LAT_ISSUE_REVOKE });
	CHECK_EQ(lat_grants_ask(node->grants, &(struct lat_grants_asker){ .owner = true }, &n), 0);
	pthread_mutex_unlock(&node->network->lock);
	lattice_cap_free(cap);
	lattice_node_close(node);
}

TEST_MAIN

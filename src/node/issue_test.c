/* What is asked and answered is the same behind a note; what a member may say is refused or harmless. */
#include "node/issue.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"

static const struct lat_cap_desc want = { .rights = LAT_RIGHT_OPEN,
					  .dst_pid = 7,
					  .src_pid = 3,
					  .slot = 5,
					  .gen = 6,
					  .not_after = 1000,
					  .max_msg = 500,
					  .rate = 9,
					  .holder = { 1, 2 } };

static struct lat_cap_right parent_of(uint8_t caveats)
{
	struct lat_cap_right r;
	const uint8_t root[LAT_CAP_KEY] = { 4 };
	const struct lat_caveat c = lat_caveat_number(LAT_CAVEAT_RATE, 3);

	lat_cap_right_issue(&r, root, &want);
	for (uint8_t i = 0; i < caveats; i++)
		CHECK_EQ(lat_cap_right_narrow(&r, &c), 0);
	return r;
}

TEST(requests)
{
	for (uint32_t what = 0; what < LAT_ISSUES; what++) {
		struct lat_issue_request q = { .what = (enum lat_note_issue)what, .want = want, .badge = 77 },
					 got;
		struct lat_note n;

		q.uses = q.number = 1234;
		if (what == LAT_ISSUE_DERIVE || what == LAT_ISSUE_REVOKE_SHOWN)
			q.parent = parent_of(LAT_CAP_CAVEATS_MAX);
		lat_issue_put_request(&n, &q);
		n.version = LAT_NOTE_VERSION;
		n.token = 3;
		CHECK_EQ(lat_note_check(&n, sizeof(n), 0, LAT_NOTE_FROM_MEMBER), 0);
		CHECK_EQ(lat_issue_get_request(&got, &n), 0);
		CHECK_EQ(got.what, what);
		CHECK_MEM(&got.want.holder, want.holder, sizeof(want.holder));
		CHECK_EQ(got.want.slot, 5);
		CHECK_EQ(got.want.gen, 6);
		CHECK_EQ(got.want.not_after, 1000);
		CHECK_EQ(got.badge, 77);
		CHECK_EQ(got.uses, 1234);
		CHECK_EQ(got.number, 1234);
		CHECK_EQ(got.parent.caveat_count, q.parent.caveat_count);
		CHECK_MEM(got.parent.key, q.parent.key, sizeof(q.parent.key));
		CHECK_MEM(got.parent.desc, q.parent.desc, sizeof(q.parent.desc));
		CHECK_MEM(got.parent.caveats, q.parent.caveats, sizeof(q.parent.caveats));
	}
}

TEST(what_members_may_say)
{
	struct lat_issue_request q = { .what = LAT_ISSUE_GRANT, .want = want }, got;
	struct lat_note good, n;

	lat_issue_put_request(&good, &q);
	n = good;
	n.flags = LAT_ISSUES;
	CHECK_EQ(lat_issue_get_request(&got, &n), -EINVAL);
	n = good;
	n.flags = UINT32_MAX;
	CHECK_EQ(lat_issue_get_request(&got, &n), -EINVAL);
	n = good;
	n.chan = LAT_CAP_CAVEATS_MAX + 1;
	CHECK_EQ(lat_issue_get_request(&got, &n), -EINVAL);
	n = good;
	n.chan = UINT32_MAX;
	CHECK_EQ(lat_issue_get_request(&got, &n), -EINVAL);
	n = good;
	memset(n.counts, 0, sizeof(n.counts)); /* no descriptor */
	CHECK_EQ(lat_issue_get_request(&got, &n), -EINVAL);
	memset(n.counts, 0xff, sizeof(n.counts));
	CHECK_EQ(lat_issue_get_request(&got, &n), -EINVAL);
}

TEST(answers)
{
	struct lat_issue_answer a = { .right = parent_of(0) }, got;
	struct lat_note n;

	lat_issue_put_answer(&n, &a, 0);
	CHECK_EQ(n.rc, 0);
	CHECK_EQ(lat_issue_get_answer(&got, &n), 0);
	CHECK_MEM(got.right.desc, a.right.desc, sizeof(a.right.desc));
	CHECK_MEM(got.right.key, a.right.key, sizeof(a.right.key));
	CHECK_EQ(got.right.caveat_count, 0);

	a = (struct lat_issue_answer){ .entry = { .desc = want, .badge = 4, .uses = 8, .parent = { 2, 3 } } };
	lat_issue_put_answer(&n, &a, 0);
	CHECK_EQ(lat_issue_get_answer(&got, &n), 0);
	CHECK_EQ(got.entry.desc.slot, 5);
	CHECK_EQ(got.entry.badge, 4);
	CHECK_EQ(got.entry.uses, 8);
	CHECK_EQ(got.entry.parent.slot, 2);
	CHECK_EQ(got.entry.parent.gen, 3);

	a = (struct lat_issue_answer){
		.revocation = 21, .told = { .ended = 1, .channels = 5, .told = 4, .nodes = 3, .ns = 6 }
	};
	lat_issue_put_answer(&n, &a, -ENOSPC);
	CHECK_EQ(n.rc, -ENOSPC);
	CHECK_EQ(lat_issue_get_answer(&got, &n), 0);
	CHECK_EQ(got.revocation, 21);
	CHECK_EQ(got.told.ended, 1);
	CHECK_EQ(got.told.channels, 5);
	CHECK_EQ(got.told.told, 4);
	CHECK_EQ(got.told.nodes, 3);
	CHECK_EQ(got.told.ns, 6);
	memset(n.counts, 0xff, sizeof(n.counts));
	CHECK_EQ(lat_issue_get_answer(&got, &n), -EPROTO);
}

TEST_MAIN

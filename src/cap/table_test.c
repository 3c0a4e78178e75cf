/* What may be made of what, what ends with what, and that a journal cut at any record tells the same story. */
#include "cap/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static const uint8_t key[LAT_CAP_KEY] = { 1, 2, 3 };

struct journal {
	uint8_t (*records)[LAT_CAPTABLE_RECORD];
	size_t count, max, ended;
	int fail; /* what keep() says from now on */
	bool installed;
};

static int keep(void *ctx, const uint8_t *record)
{
	struct journal *j = ctx;

	if (j->fail < 0)
		return j->fail;
	if (record == NULL) {
		j->installed = true;
		return 0;
	}
	if (j->count == j->max) {
		j->max = j->max * 2 + 16;
		j->records = realloc(j->records, j->max * sizeof(*j->records));
		CHECK(j->records != NULL);
	}
	memcpy(j->records[j->count++], record, LAT_CAPTABLE_RECORD);
	return 0;
}

static void ended(void *ctx, const struct lat_cap_entry *e)
{
	struct journal *j = ctx;

	CHECK(e->desc.gen != 0);
	j->ended++;
}

static const struct lat_captable_ops ops = { .keep = keep, .ended = ended };

static struct lat_captable *open_table(uint32_t slots, struct journal *j)
{
	struct lat_captable *t;

	CHECK_EQ(lat_captable_open(&t, 9, slots, NULL, key, &ops, j), 0);
	return t;
}

static struct lat_captable *replayed(const struct journal *j, size_t count, uint32_t slots,
				     struct journal *next)
{
	struct lat_captable *t = open_table(slots, next);

	for (size_t i = 0; i < count; i++)
		CHECK_EQ(lat_captable_replay(t, j->records[i]), 0);
	return t;
}

static struct lat_cap_desc wanted(uint16_t rights)
{
	return (struct lat_cap_desc){
		.rights = rights, .dst_pid = 7, .src_pid = LAT_CAP_ANY_PID, .max_msg = 1000
	};
}

static struct lat_cap_ref ref(const struct lat_cap_desc *d)
{
	return (struct lat_cap_ref){ d->slot, d->gen };
}

static struct lat_cap_ref mint(struct lat_captable *t, const struct lat_cap_ref *parent, uint16_t rights)
{
	const struct lat_cap_desc want = wanted(rights);
	struct lat_cap_desc got;

	CHECK_EQ(lat_captable_mint(t, parent, &want, 0, LAT_CAP_UNLIMITED, &got), 0);
	return ref(&got);
}

enum { SEND = LAT_RIGHT_SEND, ALL = LAT_RIGHT_SEND | LAT_RIGHT_OPEN | LAT_RIGHT_GRANT };

TEST(a_child_has_no_more_than_its_parent)
{
	static const struct lat_cap_desc parent = { .rights = ALL,
						    .dst_pid = 7,
						    .src_pid = 5,
						    .not_after = 100,
						    .max_msg = 1000,
						    .rate = 10,
						    .holder = { 1 } };
	static const struct {
		const char *why;
		struct lat_cap_desc want;
		uint64_t uses;
		int rc;
	} rows[] = {
#define BASE .dst_pid = 7, .src_pid = 5
		{ "the same", { ALL, BASE, .not_after = 100, .max_msg = 1000, .rate = 10 }, 1, 0 },
		{ "less of each", { SEND, BASE, .not_after = 99, .max_msg = 1, .rate = 1 }, 1, 0 },
		{ "for another",
		  { SEND, BASE, .not_after = 1, .max_msg = 1, .rate = 1, .holder = { 2 } },
		  1,
		  0 },
		{ "a right more",
		  { ALL | LAT_RIGHT_CALL, BASE, .not_after = 1, .max_msg = 1, .rate = 1 },
		  1,
		  -EACCES },
		{ "to another pid",
		  { SEND, .dst_pid = 8, .src_pid = 5, .not_after = 1, .max_msg = 1, .rate = 1 },
		  1,
		  -EACCES },
		{ "from another pid",
		  { SEND, .dst_pid = 7, .src_pid = 6, .not_after = 1, .max_msg = 1, .rate = 1 },
		  1,
		  -EACCES },
		{ "from any pid",
		  { SEND, .dst_pid = 7, .src_pid = -1, .not_after = 1, .max_msg = 1, .rate = 1 },
		  1,
		  -EACCES },
		{ "longer", { SEND, BASE, .not_after = 101, .max_msg = 1, .rate = 1 }, 1, -EACCES },
		{ "for ever", { SEND, BASE, .not_after = 0, .max_msg = 1, .rate = 1 }, 1, -EACCES },
		{ "larger", { SEND, BASE, .not_after = 1, .max_msg = 1001, .rate = 1 }, 1, -EACCES },
		{ "faster", { SEND, BASE, .not_after = 1, .max_msg = 1, .rate = 11 }, 1, -EACCES },
		{ "at any rate", { SEND, BASE, .not_after = 1, .max_msg = 1, .rate = 0 }, 1, -EACCES },
		{ "no right", { 0, BASE, .not_after = 1, .max_msg = 1, .rate = 1 }, 1, -EINVAL },
		{ "one that there is not",
		  { SEND | 8, BASE, .not_after = 1, .max_msg = 1, .rate = 1 },
		  1,
		  -EINVAL },
		{ "no message", { SEND, BASE, .not_after = 1, .max_msg = 0, .rate = 1 }, 1, -EINVAL },
		{ "no use", { SEND, BASE, .not_after = 1, .max_msg = 1, .rate = 1 }, 0, -EINVAL },
#undef BASE
	};
	struct journal j = { 0 };
	struct lat_captable *t = open_table(0, &j);
	struct lat_cap_desc top, got;
	struct lat_cap_entry e;
	struct lat_cap_ref from;

	CHECK_EQ(lat_captable_mint(t, NULL, &parent, 77, LAT_CAP_UNLIMITED, &top), 0);
	CHECK_EQ(top.node, 9);
	CHECK(top.cap_id != 0);
	from = ref(&top);
	CHECK_EQ(lat_captable_get(t, from, &e), 0);
	CHECK_EQ(e.badge, 77);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t kept = j.count;

		CHECK_EQ_ROW(rows[i].why, lat_captable_mint(t, &from, &rows[i].want, 0, rows[i].uses, &got),
			     rows[i].rc);
		CHECK_EQ_ROW(rows[i].why, j.count - kept, rows[i].rc == 0);
		if (rows[i].rc == 0)
			CHECK_EQ(lat_captable_get(t, ref(&got), &e), 0);
	}
	from = mint(t, NULL, SEND);
	CHECK_EQ(lat_captable_mint(t, &from, &rows[1].want, 0, 1, &got), -EACCES); /* it may not hand on */
	CHECK_EQ(lat_captable_revoke(t, from, NULL), 0);
	CHECK_EQ(lat_captable_mint(t, &from, &rows[1].want, 0, 1, &got), -EKEYREVOKED);
	lat_captable_close(t);
	free(j.records);
}

TEST(what_was_made_of_it_ends_with_it_and_nothing_else)
{
	struct journal j = { 0 };
	struct lat_captable *t = open_table(64, &j);
	struct lat_cap_ref a = mint(t, NULL, ALL), b = mint(t, NULL, ALL), a1 = mint(t, &a, ALL),
			   a2 = mint(t, &a, ALL), a11 = mint(t, &a1, ALL), a12 = mint(t, &a1, ALL),
			   b1 = mint(t, &b, ALL);
	uint32_t count = 0;

	CHECK_EQ(lat_captable_revoke(t, a1, &count), 0);
	CHECK_EQ(count, 3);
	CHECK_EQ(j.ended, 3);
	CHECK(!lat_captable_live(t, a1) && !lat_captable_live(t, a11) && !lat_captable_live(t, a12));
	CHECK(lat_captable_live(t, a) && lat_captable_live(t, a2) && lat_captable_live(t, b1));
	CHECK_EQ(lat_captable_revoke(t, a11, &count), -EKEYREVOKED);
	CHECK_EQ(lat_captable_revoke(t, a, &count), 0);
	CHECK_EQ(count, 2);
	CHECK_EQ(lat_captable_count(t), 2);
	CHECK_EQ(lat_captable_revoke(t, (struct lat_cap_ref){ 64, 1 }, NULL), -EKEYREVOKED);
	CHECK_EQ(lat_captable_revoke(t, (struct lat_cap_ref){ 0, 0 }, NULL), -EKEYREVOKED);
	lat_captable_close(t);
	free(j.records);
}

TEST(a_deep_and_a_wide_tree_end)
{
	enum { MANY = LAT_CAPTABLE_BELOW_MAX + 1 };
	struct lat_captable *t = NULL;

	for (int deep = 0; deep < 2; deep++) {
		struct lat_cap_ref first, at;
		const struct lat_captable_ops none = { 0 };
		const struct lat_cap_desc want = wanted(ALL);
		struct lat_cap_desc got;
		uint32_t count;

		CHECK_EQ(lat_captable_open(&t, 9, MANY, NULL, key, &none, NULL), 0);
		first = at = mint(t, NULL, ALL);
		for (int i = 1; i < MANY; i++)
			at = mint(t, deep ? &at : &first, ALL);
		CHECK_EQ(lat_captable_mint(t, NULL, &want, 0, 1, &got), -ENOBUFS);
		CHECK_EQ(lat_captable_revoke(t, first, &count), 0);
		CHECK_EQ(count, MANY);
		CHECK(!lat_captable_live(t, at));
		CHECK_EQ(lat_captable_count(t), 0);
		lat_captable_close(t);
	}
}

TEST(one_holder_does_not_use_up_the_table)
{
	struct journal j = { 0 };
	struct lat_captable *t = open_table(3 * LAT_CAPTABLE_BELOW_MAX, &j);
	const struct lat_cap_desc want = wanted(ALL);
	struct lat_cap_ref root = mint(t, NULL, ALL), child = mint(t, &root, ALL), last = child;
	struct lat_cap_desc got;

	/* Whether they are its children, or theirs: all that were made of it count. */
	for (uint32_t i = 1; i < LAT_CAPTABLE_BELOW_MAX; i++)
		last = mint(t, i % 2 == 0 ? &root : &child, ALL);
	CHECK_EQ(lat_captable_mint(t, &root, &want, 0, LAT_CAP_UNLIMITED, &got), -ENOBUFS);
	CHECK_EQ(lat_captable_mint(t, &child, &want, 0, LAT_CAP_UNLIMITED, &got), -ENOBUFS);
	CHECK_EQ(lat_captable_mint(t, &last, &want, 0, LAT_CAP_UNLIMITED, &got), -ENOBUFS);
	(void)mint(t, NULL, ALL); /* of nobody else's */
	CHECK_EQ(lat_captable_revoke(t, last, NULL), 0);
	(void)mint(t, &child, ALL);
	CHECK_EQ(lat_captable_mint(t, &root, &want, 0, LAT_CAP_UNLIMITED, &got), -ENOBUFS);
	CHECK_EQ(lat_captable_revoke(t, child, NULL), 0);
	for (uint32_t i = 0; i < LAT_CAPTABLE_BELOW_MAX / 2; i++)
		(void)mint(t, &root, SEND);
	lat_captable_close(t);
	free(j.records);
}

TEST(a_generation_never_comes_back)
{
	struct journal j = { 0 }, k = { 0 };
	struct lat_captable *t = open_table(2, &j);
	struct lat_cap_ref seen[64];

	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		seen[i] = mint(t, NULL, SEND);
		for (size_t o = 0; o < i; o++)
			CHECK(!lat_captable_live(t, seen[o]) &&
			      (seen[o].slot != seen[i].slot || seen[o].gen != seen[i].gen));
		CHECK_EQ(lat_captable_revoke(t, seen[i], NULL), 0);
	}
	/* Also not after the journal was rewritten. */
	CHECK_EQ(lat_captable_snapshot(t, keep, &k), 0);
	CHECK(k.installed);
	CHECK_EQ(k.count, 2);
	lat_captable_close(t);
	t = replayed(&k, k.count, 2, &j);
	CHECK_EQ(mint(t, NULL, SEND).gen, 33);
	lat_captable_close(t);
	CHECK_EQ(lat_captable_open(&t, 9, LAT_CAPTABLE_MAX + 1, NULL, key, &ops, &j), -EINVAL);
	free(j.records);
	free(k.records);
}

static struct lat_cap_ref transient(struct lat_captable *t)
{
	const struct lat_cap_desc want = wanted(SEND);
	struct lat_cap_desc got;

	CHECK_EQ(lat_captable_mint_transient(t, &want, 3, &got), 0);
	return ref(&got);
}

TEST(what_is_transient_is_not_in_the_journal)
{
	const struct lat_cap_desc grants = wanted(ALL), want = wanted(SEND);
	struct journal j = { 0 }, next = { 0 };
	struct lat_captable *t = open_table(4, &j), *again;
	struct lat_cap_ref kept = mint(t, NULL, ALL), brief = transient(t), other = transient(t), later;
	struct lat_cap_desc got;
	struct lat_cap_entry e;

	CHECK_EQ(lat_captable_mint_transient(t, &grants, 0, &got), -EINVAL);
	CHECK_EQ(lat_captable_mint(t, &brief, &want, 0, LAT_CAP_UNLIMITED, &got), -EACCES);
	CHECK_EQ(j.count, 1);
	CHECK_EQ(lat_captable_get(t, brief, &e), 0);
	CHECK(e.transient);
	CHECK_EQ(e.badge, 3);
	CHECK_EQ(lat_captable_use(t, brief), 0);
	CHECK_EQ(lat_captable_revoke(t, brief, NULL), 0);
	CHECK(!lat_captable_live(t, brief));
	CHECK_EQ(j.count, 1);
	later = mint(t, NULL, SEND); /* maybe where it was */
	while (later.slot != brief.slot) {
		CHECK_EQ(lat_captable_revoke(t, later, NULL), 0);
		later = mint(t, NULL, SEND);
	}
	CHECK(later.gen > brief.gen);
	again = replayed(&j, j.count, 4, &next);
	CHECK(lat_captable_live(again, kept));
	CHECK(lat_captable_live(again, later));
	CHECK(!lat_captable_live(again, other));
	lat_captable_close(again);
	/* A snapshot keeps its generation, so that it is not given out again. */
	j.count = 0;
	CHECK_EQ(lat_captable_snapshot(t, keep, &j), 0);
	again = replayed(&j, j.count, 4, &next);
	CHECK(lat_captable_live(again, later));
	CHECK(!lat_captable_live(again, other));
	CHECK_EQ(lat_captable_count(again), 2);
	lat_captable_close(again);
	lat_captable_close(t);
	free(j.records);
	free(next.records);
}

TEST(what_is_transient_leaves_an_end_that_is_owed_alone)
{
	struct journal j = { 0 }, next = { 0 };
	struct lat_captable *t = open_table(2, &j), *again;
	struct lat_cap_ref a = mint(t, NULL, SEND), b;

	j.fail = -ENOSPC;
	CHECK_EQ(lat_captable_revoke(t, a, NULL), -ENOSPC);
	b = transient(t);
	CHECK(b.slot != a.slot);
	j.fail = 0;
	(void)mint(t, NULL, SEND); /* in a's slot, after a's end */
	again = replayed(&j, j.count, 2, &next);
	CHECK(!lat_captable_live(again, a));
	CHECK_EQ(lat_captable_count(again), 1);
	lat_captable_close(again);
	lat_captable_close(t);
	free(j.records);
	free(next.records);
}

TEST(uses_are_counted_and_a_crash_gives_none_back)
{
	static const uint64_t rows[] = { 1, 2, 63, 64, 65, 200 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct journal j = { 0 }, next = { 0 };
		struct lat_captable *t = open_table(8, &j), *again;
		struct lat_cap_desc want = wanted(ALL), got;
		struct lat_cap_ref top, child;

		CHECK_EQ(lat_captable_mint(t, NULL, &want, 0, rows[i], &got), 0);
		top = ref(&got);
		child = mint(t, &top, SEND);
		for (uint64_t used = 0; used < rows[i]; used++) {
			struct lat_cap_entry e;

			CHECK_EQ(lat_captable_use(t, used % 2 == 0 ? top : child), 0);
			again = replayed(&j, j.count, 8, &next);
			CHECK_EQ(lat_captable_get(again, top, &e), 0);
			CHECK(e.uses <= rows[i] - used - 1);
			CHECK(e.uses + 64 > rows[i] - used - 1);
			lat_captable_close(again);
		}
		CHECK_EQ(lat_captable_use(t, top), -EKEYEXPIRED);
		CHECK_EQ(lat_captable_use(t, child), -EKEYEXPIRED);
		CHECK_EQ(lat_captable_revoke(t, top, NULL), 0);
		CHECK_EQ(lat_captable_use(t, child), -EKEYREVOKED);
		lat_captable_close(t);
		free(j.records);
		free(next.records);
	}
}

TEST(what_the_journal_does_not_keep)
{
	struct journal j = { 0 };
	struct lat_captable *t = open_table(8, &j), *again;
	struct lat_cap_desc want = wanted(SEND), got = { .slot = 99 };
	struct lat_cap_ref a = mint(t, NULL, ALL), b = mint(t, &a, SEND), c;

	j.fail = -ENOSPC;
	CHECK_EQ(lat_captable_mint(t, NULL, &want, 0, 1, &got), -ENOSPC);
	CHECK_EQ(got.slot, 99);
	CHECK_EQ(lat_captable_count(t), 2);
	CHECK_EQ(lat_captable_revoke(t, a, NULL), -ENOSPC); /* it says so, and has ended them */
	CHECK(!lat_captable_live(t, a) && !lat_captable_live(t, b));
	CHECK_EQ(lat_captable_snapshot(t, keep, &j), -ENOSPC);
	again = replayed(&j, j.count, 8, &(struct journal){ 0 });
	CHECK(lat_captable_live(again, a) && lat_captable_live(again, b)); /* the journal does not know */
	lat_captable_close(again);
	j.fail = 0;
	for (int i = 0; i < 8; i++) /* every slot is used again */
		c = mint(t, NULL, SEND);
	again = replayed(&j, j.count, 8, &(struct journal){ 0 });
	CHECK(lat_captable_live(again, c) && !lat_captable_live(again, a) && !lat_captable_live(again, b));
	lat_captable_close(again);
	lat_captable_close(t);
	free(j.records);
}

TEST(ends_that_are_owed_may_be_of_one_tree)
{
	struct journal j = { 0 };
	struct lat_captable *t = open_table(8, &j), *again;
	struct lat_cap_ref parent = mint(t, NULL, ALL), child = mint(t, &parent, ALL), next;

	j.fail = -ENOSPC;
	CHECK_EQ(lat_captable_revoke(t, child, NULL), -ENOSPC);
	CHECK_EQ(lat_captable_revoke(t, parent, NULL), -ENOSPC);
	j.fail = 0;
	next = mint(t, NULL, SEND);
	again = replayed(&j, j.count, 8, &(struct journal){ 0 });
	CHECK(lat_captable_live(again, next) && !lat_captable_live(again, parent) &&
	      !lat_captable_live(again, child));
	lat_captable_close(again);
	lat_captable_close(t);
	free(j.records);
}

TEST(a_record_that_is_not_the_next_is_refused)
{
	struct journal j = { 0 }, next = { 0 };
	struct lat_captable *t = open_table(8, &j), *other;
	struct lat_cap_ref a = mint(t, NULL, ALL), b = mint(t, &a, ALL);
	uint8_t changed[LAT_CAPTABLE_RECORD];
	uint8_t wrong[LAT_CAP_KEY] = { 1, 2, 4 };

	CHECK_EQ(lat_captable_revoke(t, b, NULL), 0);
	lat_captable_close(t);
	CHECK_EQ(j.count, 3);
	for (size_t bit = 0; bit < (size_t)LAT_CAPTABLE_RECORD * 8; bit++) {
		t = replayed(&j, 2, 8, &next);
		memcpy(changed, j.records[2], sizeof(changed));
		changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(lat_captable_replay(t, changed), -EBADMSG);
		CHECK_EQ(lat_captable_replay(t, j.records[2]), 0);
		lat_captable_close(t);
	}
	t = replayed(&j, 1, 8, &next);
	CHECK_EQ(lat_captable_replay(t, j.records[0]), -EBADMSG); /* once more */
	CHECK_EQ(lat_captable_replay(t, j.records[2]), -EBADMSG); /* one left out */
	lat_captable_close(t);
	CHECK_EQ(lat_captable_open(&other, 8, 8, NULL, key, &ops, &next), 0);
	CHECK_EQ(lat_captable_replay(other, j.records[0]), -EBADMSG); /* another node's */
	lat_captable_close(other);
	CHECK_EQ(lat_captable_open(&other, 9, 8, NULL, wrong, &ops, &next), 0);
	CHECK_EQ(lat_captable_replay(other, j.records[0]), -EBADMSG); /* of another key */
	lat_captable_close(other);
	CHECK_EQ(lat_captable_open(&other, 9, 1, NULL, key, &ops, &next), 0);
	CHECK_EQ(lat_captable_replay(other, j.records[0]), 0);
	CHECK_EQ(lat_captable_replay(other, j.records[1]), -EBADMSG); /* of a larger table */
	lat_captable_close(other);
	free(j.records);
	free(next.records);
}

/* ---- against a model that knows nothing of slots ---- */

enum { LIVES = 600, SLOTS = 24 };

static struct model {
	struct lat_cap_ref ref;
	int parent; /* -1: none */
	bool lives;
} model[LIVES];

static bool lives_in_model(int i)
{
	for (; i >= 0; i = model[i].parent)
		if (!model[i].lives)
			return false;
	return true;
}

static void check_model(const struct lat_captable *t, int count)
{
	uint32_t live = 0;

	for (int i = 0; i < count; i++) {
		CHECK_EQ(lat_captable_live(t, model[i].ref), lives_in_model(i));
		live += lives_in_model(i);
	}
	CHECK_EQ(lat_captable_count(t), live);
}

static uint32_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)seed * below >> 32);
}

TEST(a_model_lives_and_dies_the_same_through_crashes)
{
	for (uint32_t run = 1; run <= 40; run++) {
		struct journal j = { 0 }, next = { 0 };
		struct lat_captable *t = open_table(SLOTS, &j);
		bool owed = false; /* a crash would make it live again */
		int count = 0;

		seed = run;
		while (count < LIVES) {
			uint32_t what = any(10);
			int at = count == 0 ? -1 : (int)any((uint32_t)count);

			if (what < 6) {
				const struct lat_cap_desc want = wanted(ALL);
				const struct lat_cap_ref *parent = at >= 0 && what < 4 ? &model[at].ref
										       : NULL;
				struct lat_cap_desc got;
				int rc = lat_captable_mint(t, parent, &want, 0, LAT_CAP_UNLIMITED, &got);

				if (parent != NULL && !lives_in_model(at)) {
					CHECK_EQ(rc, -EKEYREVOKED);
				} else if (lat_captable_count(t) == SLOTS && rc != 0) {
					CHECK_EQ(rc, -ENOBUFS);
				} else {
					CHECK_EQ(rc, 0);
					model[count++] = (struct model){ ref(&got), parent != NULL ? at : -1,
									 true };
				}
			} else if (what < 9 && at >= 0) {
				CHECK_EQ(lat_captable_revoke(t, model[at].ref, NULL),
					 lives_in_model(at) ? 0 : -EKEYREVOKED);
				model[at].lives = false;
			} else if (at >= 0 && any(2) == 0) { /* the disk is full for a moment */
				const struct lat_cap_desc want = wanted(ALL);
				struct lat_cap_desc got;

				j.fail = -ENOSPC;
				CHECK(lat_captable_mint(t, NULL, &want, 0, 1, &got) < 0);
				CHECK_EQ(lat_captable_revoke(t, model[at].ref, NULL),
					 lives_in_model(at) ? -ENOSPC : -EKEYREVOKED);
				model[at].lives = false;
				owed = true;
				j.fail = 0;
			} else if (any(8) == 0) {
				struct journal k = { 0 };

				if (owed || any(2) == 0) { /* a journal that was rewritten */
					CHECK_EQ(lat_captable_snapshot(t, keep, &k), 0);
					free(j.records);
					j = k;
					owed = false;
				}
				lat_captable_close(t);
				t = replayed(&j, j.count, SLOTS, &j);
			}
			if (any(16) == 0)
				check_model(t, count);
		}
		check_model(t, count);
		lat_captable_close(t);
		free(j.records);
		free(next.records);
	}
}

/* The journal ends with any of its records: what was revoked before is dead, what was made before is not lost. */
TEST(a_journal_cut_after_any_record)
{
	struct journal j = { 0 }, next = { 0 };
	struct lat_captable *t = open_table(SLOTS, &j);
	struct {
		struct lat_cap_ref ref;
		size_t made, ended; /* after how many records */
	} all[64];
	size_t count = 0;

	seed = 7;
	while (count < ARRAY_LEN(all)) {
		size_t at = count == 0 ? 0 : any((uint32_t)count);

		if (lat_captable_count(t) < SLOTS && any(3) != 0) {
			all[count].ref = mint(t, NULL, ALL);
			all[count].made = j.count;
			all[count++].ended = SIZE_MAX;
		} else if (count > 0 && all[at].ended == SIZE_MAX) {
			CHECK_EQ(lat_captable_revoke(t, all[at].ref, NULL), 0);
			all[at].ended = j.count;
		}
	}
	lat_captable_close(t);
	for (size_t cut = 0; cut <= j.count; cut++) {
		t = replayed(&j, cut, SLOTS, &next);
		for (size_t i = 0; i < count; i++)
			CHECK_EQ(lat_captable_live(t, all[i].ref), all[i].made <= cut && all[i].ended > cut);
		lat_captable_close(t);
	}
	free(j.records);
	free(next.records);
}

TEST_MAIN

/* What is shown to an issuer: allowed, or the exact error. What ends ends at once, with what was made of it. */
#include "node/issuer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/test.h"

enum { NODE = 9, NOW = 1000 };
enum { OPEN = LAT_RIGHT_OPEN | LAT_RIGHT_SEND, GRANT = OPEN | LAT_RIGHT_GRANT };
static const uint8_t him[LAT_CAP_HOLDER] = { 1 }, her[LAT_CAP_HOLDER] = { 2 };

static struct {
	struct lat_cap_ref lives[64];
	size_t count;
} told;

static void ended(void *ctx, struct lat_cap_ref life)
{
	CHECK(!lat_issuer_live(*(struct lat_issuer **)ctx, life));
	told.lives[told.count++ % ARRAY_LEN(told.lives)] = life;
}

static struct lat_issuer *the_issuer;

static struct lat_issuer *opened(uint32_t slots)
{
	const struct lat_issuer_config cfg = {
		.node = NODE, .id = him, .count = slots, .ended = ended, .ctx = &the_issuer
	};

	told.count = 0;
	CHECK_EQ(lat_issuer_open(&the_issuer, &cfg), 0);
	return the_issuer;
}

static struct lat_cap_desc wanted(uint16_t rights)
{
	return (struct lat_cap_desc){
		.rights = rights, .dst_pid = 7, .src_pid = LAT_CAP_ANY_PID, .max_msg = 1000
	};
}

static struct lat_cap_right minted(struct lat_issuer *iss, const struct lat_cap_desc *want, uint32_t badge)
{
	struct lat_cap_right r;

	CHECK_EQ(lat_issuer_mint(iss, want, badge, LAT_CAP_UNLIMITED, &r), 0);
	return r;
}

static struct lat_cap_ref life_of(const struct lat_cap_right *r)
{
	struct lat_cap_desc d;

	CHECK_EQ(lat_cap_right_allows(r, &d), 0);
	return (struct lat_cap_ref){ d.slot, d.gen };
}

TEST(what_is_shown)
{
	struct lat_issuer *iss = opened(16);
	const struct lat_cap_desc plain = wanted(OPEN), send = wanted(LAT_RIGHT_SEND);
	struct lat_cap_desc his = plain, timed = plain, from = plain;
	const struct lat_caveat less = lat_caveat_number(LAT_CAVEAT_RIGHTS, LAT_RIGHT_OPEN),
				closed = lat_caveat_number(LAT_CAVEAT_RIGHTS, LAT_RIGHT_SEND),
				hers = lat_caveat_holder(her),
				shorter = lat_caveat_number(LAT_CAVEAT_MAX_MSG, 10),
				slow = lat_caveat_number(LAT_CAVEAT_RATE, 5),
				before = lat_caveat_number(LAT_CAVEAT_NOT_AFTER, NOW - 1),
				until = lat_caveat_number(LAT_CAVEAT_NOT_AFTER, NOW);
	struct lat_admission got;

	memcpy(his.holder, him, sizeof(his.holder));
	timed.not_after = NOW;
	from.src_pid = 3;
	{
		const struct {
			const char *why;
			const struct lat_cap_desc *want;
			const struct lat_caveat *caveat;
			const uint8_t *holder;
			int32_t src, dst;
			uint64_t now;
			int rc;
		} rows[] = {
			{ "a bearer's", &plain, NULL, her, 1, 7, NOW, 0 },
			{ "its holder's", &his, NULL, him, 1, 7, NOW, 0 },
			{ "by another", &his, NULL, her, 1, 7, NOW, -EACCES },
			{ "to another pid", &plain, NULL, her, 1, 8, NOW, -EACCES },
			{ "as the pid that it names", &from, NULL, her, 3, 7, NOW, 0 },
			{ "as another", &from, NULL, her, 4, 7, NOW, -EACCES },
			{ "in its last second", &timed, NULL, her, 1, 7, NOW, 0 },
			{ "a second later", &timed, NULL, her, 1, 7, NOW + 1, -EKEYEXPIRED },
			{ "by another, and late: that it is late is first", &timed, &hers, him, 1, 7, NOW + 1,
			  -EKEYEXPIRED },
			{ "not to open", &send, NULL, her, 1, 7, NOW, -EACCES },
			{ "narrowed, to open still", &plain, &less, her, 1, 7, NOW, 0 },
			{ "narrowed, to open no more", &plain, &closed, her, 1, 7, NOW, -EACCES },
			{ "narrowed to her", &plain, &hers, her, 1, 7, NOW, 0 },
			{ "narrowed to her, by him", &plain, &hers, him, 1, 7, NOW, -EACCES },
			{ "narrowed until now", &plain, &until, her, 1, 7, NOW, 0 },
			{ "narrowed until before now", &plain, &before, her, 1, 7, NOW, -EKEYEXPIRED },
			{ "shorter", &plain, &shorter, her, 1, 7, NOW, 0 },
			{ "slower", &plain, &slow, her, 1, 7, NOW, 0 },
		};

		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct lat_cap_right r = minted(iss, rows[i].want, 40 + (uint32_t)i);
			struct lat_cap_ref life = life_of(&r);

			if (rows[i].caveat != NULL)
				CHECK_EQ(lat_cap_right_narrow(&r, rows[i].caveat), 0);
			CHECK_EQ_ROW(rows[i].why,
				     lat_issuer_present(iss, &r, rows[i].holder, rows[i].src, rows[i].dst,
							rows[i].now, &got),
				     rows[i].rc);
			if (rows[i].rc == 0) {
				CHECK_EQ_ROW(rows[i].why, got.badge, 40 + i);
				CHECK_EQ_ROW(rows[i].why, got.life.slot, life.slot);
				CHECK_EQ_ROW(rows[i].why, got.life.gen, life.gen);
				CHECK_EQ_ROW(rows[i].why, got.max_msg,
					     rows[i].caveat == &shorter ? 10 : 1000);
				CHECK_EQ_ROW(rows[i].why, got.rate, rows[i].caveat == &slow ? 5 : 0);
				CHECK_EQ_ROW(rows[i].why, got.rights,
					     rows[i].caveat == &less ? LAT_RIGHT_OPEN : OPEN);
			}
			CHECK_EQ(lat_issuer_revoke(iss, life, NULL), 0);
			CHECK_EQ_ROW("revoked",
				     lat_issuer_present(iss, &r, rows[i].holder, rows[i].src, rows[i].dst,
							rows[i].now, &got),
				     -EKEYREVOKED);
		}
	}
	lat_issuer_close(iss);
}

/* Each bit of what is shown, turned: nobody can make one of these. */
TEST(what_was_changed_is_refused)
{
	struct lat_issuer *iss = opened(16);
	const struct lat_cap_desc want = wanted(OPEN);
	const struct lat_caveat less = lat_caveat_number(LAT_CAVEAT_RIGHTS, LAT_RIGHT_OPEN),
				src = lat_caveat_number(LAT_CAVEAT_SRC_PID, 1);
	struct lat_cap_right good = minted(iss, &want, 0), bad;
	struct lat_admission got;

	CHECK_EQ(lat_cap_right_narrow(&good, &less), 0);
	CHECK_EQ(lat_cap_right_narrow(&good, &src), 0);
	CHECK_EQ(lat_issuer_present(iss, &good, her, 1, 7, NOW, &got), 0);
	for (size_t bit = 0; bit < 8 * (size_t)LAT_CAP_DESC; bit++) {
		bad = good;
		bad.desc[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(lat_issuer_present(iss, &bad, her, 1, 7, NOW, &got), -EACCES);
	}
	for (size_t bit = 0; bit < 8 * (size_t)LAT_CAP_KEY; bit++) {
		bad = good;
		bad.key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(lat_issuer_present(iss, &bad, her, 1, 7, NOW, &got), -EACCES);
	}
	for (size_t bit = 0; bit < 2 * 8 * (size_t)LAT_CAP_CAVEAT; bit++) {
		bad = good;
		bad.caveats[bit / (8 * LAT_CAP_CAVEAT)][bit / 8 % LAT_CAP_CAVEAT] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(lat_issuer_present(iss, &bad, her, 1, 7, NOW, &got), -EACCES);
	}
	bad = good;
	bad.caveat_count--; /* cut */
	CHECK_EQ(lat_issuer_present(iss, &bad, her, 1, 7, NOW, &got), -EACCES);
	bad = good;
	memcpy(bad.caveats[2], bad.caveats[1], LAT_CAP_CAVEAT); /* doubled */
	bad.caveat_count++;
	CHECK_EQ(lat_issuer_present(iss, &bad, her, 1, 7, NOW, &got), -EACCES);
	bad = good;
	memcpy(bad.caveats[0], good.caveats[1], LAT_CAP_CAVEAT); /* in another order */
	memcpy(bad.caveats[1], good.caveats[0], LAT_CAP_CAVEAT);
	CHECK_EQ(lat_issuer_present(iss, &bad, her, 1, 7, NOW, &got), -EACCES);
	bad = good;
	bad.caveat_count = 9;
	CHECK_EQ(lat_issuer_present(iss, &bad, her, 1, 7, NOW, &got), -EACCES);
	CHECK_EQ(lat_issuer_present(iss, &good, her, 1, 7, NOW, &got), 0);
	lat_issuer_close(iss);
	iss = opened(16); /* another key */
	CHECK_EQ(lat_issuer_present(iss, &good, her, 1, 7, NOW, &got), -EACCES);
	lat_issuer_close(iss);
}

/* A caveat of no known kind, with a key that is right for it: refused, as a limit that is not understood must be. */
TEST(caveats_that_are_none_are_refused_with_their_key)
{
	struct lat_issuer *iss = opened(16);
	const struct lat_cap_desc want = wanted(OPEN);
	static const struct {
		const char *why;
		uint8_t type, size, last;
		int rc;
	} rows[] = {
		{ "rights, as they are written", LAT_CAVEAT_RIGHTS, 2, 0, 0 },
		{ "no kind", 0, 2, 0, -EACCES },
		{ "a kind that is not known", 8, 2, 0, -EACCES },
		{ "one that is, of another size", LAT_CAVEAT_RIGHTS, 3, 0, -EACCES },
		{ "and with something behind it", LAT_CAVEAT_RIGHTS, 2, 1, -EACCES },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_cap_right r = minted(iss, &want, 0);
		uint8_t *c = r.caveats[0];
		struct lat_admission got;

		c[0] = rows[i].type;
		c[1] = rows[i].size;
		c[4] = OPEN;
		c[LAT_CAP_CAVEAT - 1] = rows[i].last;
		r.caveat_count = 1;
		lat_cap_key_next(r.key, r.key, c);
		CHECK_EQ_ROW(rows[i].why, lat_issuer_present(iss, &r, her, 1, 7, NOW, &got), rows[i].rc);
	}
	lat_issuer_close(iss);
}

TEST(what_is_derived)
{
	struct lat_issuer *iss = opened(16);
	struct lat_cap_desc parent_want = wanted(GRANT), want;
	const struct lat_caveat no_grant = lat_caveat_number(LAT_CAVEAT_RIGHTS, OPEN),
				shorter = lat_caveat_number(LAT_CAVEAT_MAX_MSG, 10);
	struct lat_cap_right parent, narrow, child, grandchild;
	struct lat_admission got;
	struct lat_cap_desc d;

	memcpy(parent_want.holder, him, sizeof(him));
	parent_want.not_after = NOW;
	parent_want.rate = 50;
	parent = minted(iss, &parent_want, 1);
	want = (struct lat_cap_desc){ .rights = GRANT, .src_pid = LAT_CAP_ANY_PID };
	memcpy(want.holder, her, sizeof(her));
	CHECK_EQ(lat_issuer_derive(iss, &parent, him, &want, 2, LAT_CAP_UNLIMITED, NOW, &child), 0);
	CHECK_EQ(lat_cap_right_allows(&child, &d), 0);
	CHECK_EQ(d.rate, 50);
	CHECK_EQ(d.not_after, NOW);
	CHECK_EQ(d.max_msg, 1000);
	CHECK_EQ(d.dst_pid, 7);
	CHECK_EQ(lat_issuer_present(iss, &child, her, 1, 7, NOW, &got), 0);
	CHECK_EQ(got.badge, 2);
	CHECK_EQ(lat_issuer_present(iss, &child, him, 1, 7, NOW, &got), -EACCES);
	CHECK_EQ(lat_issuer_derive(iss, &child, her, &want, 0, LAT_CAP_UNLIMITED, NOW, &grandchild), 0);
	CHECK_EQ(lat_issuer_present(iss, &grandchild, her, 1, 7, NOW, &got), 0);
	CHECK_EQ(got.badge, 2);

	{
		struct lat_cap_desc more = want, later = want, longer = want, faster = want, elsewhere = want;

		more.rights |= LAT_RIGHT_BULK;
		later.not_after = NOW + 1;
		longer.max_msg = 1001;
		faster.rate = 51;
		elsewhere.dst_pid = 8;
		const struct {
			const char *why;
			const struct lat_cap_desc *want;
			const uint8_t *holder;
			uint64_t now;
			int rc;
		} rows[] = {
			{ "by another than its holder", &want, her, NOW, -EACCES },
			{ "a right more", &more, him, NOW, -EACCES },
			{ "a second more", &later, him, NOW, -EACCES },
			{ "a byte more", &longer, him, NOW, -EACCES },
			{ "one a second more", &faster, him, NOW, -EACCES },
			{ "another receiver", &elsewhere, him, NOW, -EACCES },
			{ "too late", &want, him, NOW + 1, -EKEYEXPIRED },
		};
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			CHECK_EQ_ROW(rows[i].why,
				     lat_issuer_derive(iss, &parent, rows[i].holder, rows[i].want, 0,
						       LAT_CAP_UNLIMITED, rows[i].now, &narrow),
				     rows[i].rc);
	}
	/* What a caveat took away is not given back, though the parent's slot has it. */
	narrow = parent;
	CHECK_EQ(lat_cap_right_narrow(&narrow, &no_grant), 0);
	CHECK_EQ(lat_issuer_derive(iss, &narrow, him, &want, 0, LAT_CAP_UNLIMITED, NOW, &narrow), -EACCES);
	narrow = parent;
	CHECK_EQ(lat_cap_right_narrow(&narrow, &shorter), 0);
	want.max_msg = 11;
	CHECK_EQ(lat_issuer_derive(iss, &narrow, him, &want, 0, LAT_CAP_UNLIMITED, NOW, &narrow), -EACCES);
	want.max_msg = 0;
	/* A forged parent makes nothing. */
	narrow = parent;
	narrow.key[0] ^= 1;
	CHECK_EQ(lat_issuer_derive(iss, &narrow, him, &want, 0, LAT_CAP_UNLIMITED, NOW, &narrow), -EACCES);

	/* All that was made of it ends with it, parents first. */
	CHECK_EQ(lat_issuer_revoke(iss, life_of(&parent), NULL), 0);
	CHECK_EQ(told.count, 3);
	CHECK_EQ(told.lives[0].slot, life_of(&parent).slot);
	CHECK_EQ(told.lives[2].slot, life_of(&grandchild).slot);
	CHECK_EQ(lat_issuer_present(iss, &child, her, 1, 7, NOW, &got), -EKEYREVOKED);
	CHECK_EQ(lat_issuer_present(iss, &grandchild, her, 1, 7, NOW, &got), -EKEYREVOKED);
	CHECK_EQ(lat_issuer_derive(iss, &child, her, &want, 0, LAT_CAP_UNLIMITED, NOW, &grandchild),
		 -EKEYREVOKED);
	CHECK_EQ(lat_issuer_revoke(iss, life_of(&parent), NULL), -EKEYREVOKED);
	lat_issuer_close(iss);
}

/* A SLOT caveat puts a capability under another life of the same tree, never under one beside it. */
TEST(slots_in_caveats)
{
	struct lat_issuer *iss = opened(16);
	const struct lat_cap_desc want = wanted(GRANT);
	struct lat_cap_desc small = { .rights = OPEN, .src_pid = 3, .max_msg = 5 };
	struct lat_cap_right top = minted(iss, &want, 1), other = minted(iss, &want, 9), middle, low, r;
	struct lat_admission got;
	struct lat_cap_ref t = life_of(&top), o = life_of(&other), m, l;

	CHECK_EQ(lat_issuer_derive(iss, &top, him, &(struct lat_cap_desc){ .rights = GRANT, .src_pid = -1 },
				   2, LAT_CAP_UNLIMITED, NOW, &middle),
		 0);
	CHECK_EQ(lat_issuer_derive(iss, &middle, him, &small, 3, LAT_CAP_UNLIMITED, NOW, &low), 0);
	m = life_of(&middle);
	l = life_of(&low);
	{
		const struct {
			const char *why;
			struct lat_cap_ref slots[3];
			size_t count;
			int rc;
		} rows[] = {
			{ "its child", { m }, 1, 0 },
			{ "its grandchild", { l }, 1, 0 },
			{ "down by one at a time", { m, l }, 2, 0 },
			{ "itself", { t }, 1, 0 },
			{ "one twice", { m, m, l }, 3, 0 },
			{ "up again", { l, m }, 2, -EACCES },
			{ "another's", { o }, 1, -EACCES },
			{ "another's, then its own child", { o, m }, 2, -EACCES },
			{ "a life that there was not", { { m.slot, m.gen + 1 } }, 1, -EKEYREVOKED },
			{ "no life", { { m.slot, 0 } }, 1, -EKEYREVOKED },
			{ "a slot beyond all", { { UINT32_MAX, 1 } }, 1, -EKEYREVOKED },
		};

		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			r = top;
			for (size_t k = 0; k < rows[i].count; k++) {
				const struct lat_caveat c = lat_caveat_slot(rows[i].slots[k].slot,
									    rows[i].slots[k].gen);

				CHECK_EQ(lat_cap_right_narrow(&r, &c), 0);
			}
			CHECK_EQ_ROW(rows[i].why, lat_issuer_present(iss, &r, him, 3, 7, NOW, &got),
				     rows[i].rc);
		}
	}
	/* The last one's limits count. */
	r = top;
	CHECK_EQ(lat_cap_right_narrow(&r, &(struct lat_caveat){ 0 }), -EACCES);
	{
		const struct lat_caveat c = lat_caveat_slot(l.slot, l.gen);

		CHECK_EQ(lat_cap_right_narrow(&r, &c), 0);
	}
	CHECK_EQ(lat_issuer_present(iss, &r, him, 4, 7, NOW, &got), -EACCES);
	CHECK_EQ(lat_issuer_present(iss, &r, him, 3, 7, NOW, &got), 0);
	CHECK_EQ(got.max_msg, 5);
	CHECK_EQ(got.badge, 3);
	CHECK_EQ(got.rights, OPEN);
	CHECK_EQ(got.life.slot, l.slot);
	/* The end of that life is not the end of what it was taken from. */
	CHECK_EQ(lat_issuer_revoke(iss, m, NULL), 0);
	CHECK_EQ(lat_issuer_present(iss, &r, him, 3, 7, NOW, &got), -EKEYREVOKED);
	CHECK_EQ(lat_issuer_present(iss, &top, him, 3, 7, NOW, &got), 0);
	lat_issuer_close(iss);
}

/* Nobody has another's capability ended by bytes of his own making. */
TEST(revoked_by_what_is_shown)
{
	static const struct {
		const char *why;
		size_t at; /* of the byte that is turned; SIZE_MAX: none */
		int rc;
	} rows[] = {
		{ "as it is", SIZE_MAX, 0 },
		{ "its slot", offsetof(struct lat_cap_right, desc) + 16, -EBADMSG },
		{ "its generation", offsetof(struct lat_cap_right, desc) + 20, -EBADMSG },
		{ "another node's", offsetof(struct lat_cap_right, desc) + 4, -EBADMSG },
		{ "no version", offsetof(struct lat_cap_right, desc), -EBADMSG },
		{ "its caveat", offsetof(struct lat_cap_right, caveats) + 4, -EBADMSG },
		{ "a caveat of no kind", offsetof(struct lat_cap_right, caveats), -EBADMSG },
		{ "its key", offsetof(struct lat_cap_right, key) + 31, -EBADMSG },
	};
	const struct lat_caveat over = lat_caveat_number(LAT_CAVEAT_NOT_AFTER, 1);
	const struct lat_cap_desc want = wanted(GRANT);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_issuer *iss = opened(16);
		struct lat_cap_right r = minted(iss, &want, 1), other = minted(iss, &want, 2);
		bool ends = rows[i].rc == 0;
		uint32_t count = 0;

		CHECK_EQ(lat_cap_right_narrow(&r, &over), 0);
		if (rows[i].at != SIZE_MAX)
			((uint8_t *)&r)[rows[i].at] ^= 1;
		CHECK_EQ_ROW(rows[i].why, lat_issuer_revoke_shown(iss, &r, &count), rows[i].rc);
		CHECK_EQ_ROW(rows[i].why, count, ends);
		CHECK_EQ_ROW(rows[i].why, lat_issuer_count(iss), ends ? 1 : 2);
		CHECK_ROW(rows[i].why, lat_issuer_live(iss, life_of(&other)));
		if (ends)
			CHECK_EQ(lat_issuer_revoke_shown(iss, &r, &count), -EKEYREVOKED);
		lat_issuer_close(iss);
	}
}

/* A chain ends the life that it lives by, and one beside it never. */
TEST(revoked_by_what_names_a_slot)
{
	struct lat_issuer *iss = opened(16);
	const struct lat_cap_desc want = wanted(GRANT);
	struct lat_cap_right top = minted(iss, &want, 1), other = minted(iss, &want, 2), below, r = top;
	struct lat_caveat c = lat_caveat_slot(life_of(&other).slot, life_of(&other).gen);

	CHECK_EQ(lat_issuer_derive(iss, &top, him, &(struct lat_cap_desc){ .rights = OPEN, .src_pid = -1 }, 0,
				   LAT_CAP_UNLIMITED, NOW, &below),
		 0);
	CHECK_EQ(lat_cap_right_narrow(&r, &c), 0);
	CHECK_EQ(lat_issuer_revoke_shown(iss, &r, NULL), -EBADMSG);
	CHECK_EQ(lat_issuer_count(iss), 3);
	r = top;
	c = lat_caveat_slot(life_of(&below).slot, life_of(&below).gen);
	CHECK_EQ(lat_cap_right_narrow(&r, &c), 0);
	CHECK_EQ(lat_issuer_revoke_shown(iss, &r, NULL), 0);
	CHECK(!lat_issuer_live(iss, life_of(&below)));
	CHECK(lat_issuer_live(iss, life_of(&top)) && lat_issuer_live(iss, life_of(&other)));
	lat_issuer_shutdown(iss);
	CHECK_EQ(lat_issuer_revoke_shown(iss, &top, NULL), -EBADMSG);
	lat_issuer_close(iss);
}

TEST(uses_run_out)
{
	struct lat_issuer *iss = opened(16);
	const struct lat_cap_desc want = wanted(OPEN);
	struct lat_cap_right r;
	struct lat_admission got;

	CHECK_EQ(lat_issuer_mint(iss, &want, 0, 2, &r), 0);
	CHECK_EQ(lat_issuer_present(iss, &r, her, 1, 8, NOW, &got), -EACCES); /* is no use of it */
	CHECK_EQ(lat_issuer_present(iss, &r, her, 1, 7, NOW, &got), 0);
	CHECK_EQ(lat_issuer_present(iss, &r, her, 1, 7, NOW, &got), 0);
	CHECK_EQ(lat_issuer_present(iss, &r, her, 1, 7, NOW, &got), -EKEYEXPIRED);
	lat_issuer_close(iss);
}

TEST(what_has_expired_makes_room)
{
	struct lat_issuer *iss = opened(4);
	struct lat_cap_desc want = wanted(OPEN), old = want;
	struct lat_cap_right r;

	old.not_after = 1;
	(void)minted(iss, &old, 0);
	(void)minted(iss, &old, 0);
	(void)minted(iss, &want, 0);
	(void)minted(iss, &want, 0);
	(void)minted(iss, &want, 0);
	(void)minted(iss, &want, 0);
	CHECK_EQ(told.count, 2);
	CHECK_EQ(lat_issuer_mint(iss, &want, 0, LAT_CAP_UNLIMITED, &r), -ENOBUFS);
	lat_issuer_close(iss);
}

TEST(what_has_expired_makes_room_for_what_a_policy_grants)
{
	struct lat_issuer *iss = opened(2);
	struct lat_cap_desc timed = wanted(OPEN), plain = wanted(OPEN);
	struct lat_cap_ref life, other;
	struct lat_cap_right r;

	timed.not_after = 1;
	(void)minted(iss, &timed, 0);
	r = minted(iss, &plain, 0);
	CHECK_EQ(lat_issuer_grant_identity(iss, &plain, 5, &life), 0);
	CHECK_EQ(lat_issuer_grant_identity(iss, &plain, 5, &other), -ENOBUFS);
	CHECK_EQ(told.count, 0); /* its caller may hold locks */
	CHECK_EQ(lat_issuer_revoke(iss, life_of(&r), NULL), 0);
	CHECK_EQ(told.count, 2);
	CHECK(lat_issuer_live(iss, life));
	lat_issuer_close(iss);
}

TEST(a_holder_loses_all_that_is_his)
{
	struct lat_issuer *iss = opened(16);
	struct lat_cap_desc his = wanted(GRANT), hers = wanted(OPEN), by_rule = wanted(OPEN);
	struct lat_cap_right a, b, c;
	struct lat_cap_ref rule;
	uint32_t count = 0;

	memcpy(his.holder, him, sizeof(him));
	memcpy(by_rule.holder, him, sizeof(him));
	memcpy(hers.holder, her, sizeof(her));
	a = minted(iss, &his, 0);
	b = minted(iss, &hers, 0);
	CHECK_EQ(lat_issuer_derive(iss, &a, him, &(struct lat_cap_desc){ .rights = OPEN, .src_pid = -1 }, 0,
				   LAT_CAP_UNLIMITED, NOW, &c),
		 0);
	CHECK_EQ(lat_issuer_grant_identity(iss, &by_rule, 4, &rule), 0);
	CHECK_EQ(lat_issuer_revoke_holder(iss, him, &count), 0);
	CHECK_EQ(count, 3);
	CHECK_EQ(told.count, 3);
	CHECK(!lat_issuer_live(iss, rule));
	CHECK(!lat_issuer_live(iss, life_of(&a)));
	CHECK(!lat_issuer_live(iss, life_of(&c)));
	CHECK(lat_issuer_live(iss, life_of(&b)));
	CHECK_EQ(lat_issuer_revoke_holder(iss, him, &count), 0);
	CHECK_EQ(count, 0);
	lat_issuer_close(iss);
}

/* What is revoked while others show it: whoever was let in before knows a life that is over. */
static void *present_many(void *arg)
{
	const struct lat_cap_right *r = arg;
	struct lat_admission got;
	int rc = 0;

	while (rc == 0)
		rc = lat_issuer_present(the_issuer, r, her, 1, 7, NOW, &got);
	return rc == -EKEYREVOKED ? NULL : the_issuer;
}

TEST(threads_show_what_another_revokes)
{
	struct lat_issuer *iss = opened(16);
	const struct lat_cap_desc want = wanted(GRANT);

	for (int i = 0; i < 50; i++) {
		struct lat_cap_right r = minted(iss, &want, 0), child;
		struct lat_admission got;
		pthread_t threads[2];
		void *wrong;
		int rc;

		for (size_t t = 0; t < ARRAY_LEN(threads); t++)
			CHECK_EQ(pthread_create(&threads[t], NULL, present_many, &r), 0);
		rc = lat_issuer_derive(iss, &r, her, &(struct lat_cap_desc){ .rights = OPEN, .src_pid = -1 },
				       0, LAT_CAP_UNLIMITED, NOW, &child);
		CHECK_EQ(rc, 0);
		CHECK_EQ(lat_issuer_revoke(iss, life_of(&r), NULL), 0);
		CHECK_EQ(lat_issuer_present(iss, &child, her, 1, 7, NOW, &got), -EKEYREVOKED);
		for (size_t t = 0; t < ARRAY_LEN(threads); t++) {
			CHECK_EQ(pthread_join(threads[t], &wrong), 0);
			CHECK(wrong == NULL);
		}
	}
	lat_issuer_close(iss);
}

TEST(keys_are_those_of_the_chain)
{
	struct lat_issuer *iss = opened(16);
	const struct lat_cap_desc want = wanted(OPEN);
	const struct lat_caveat src = lat_caveat_number(LAT_CAVEAT_SRC_PID, 1);
	struct lat_cap_right r = minted(iss, &want, 0);
	struct lat_cap_desc d;
	uint8_t k[LAT_CAP_KEY], elsewhere[LAT_CAP_DESC];

	CHECK_EQ(lat_cap_right_narrow(&r, &src), 0);
	CHECK_EQ(lat_issuer_key(iss, r.desc, r.caveats[0], 1, k), 0);
	CHECK_MEM(k, r.key, sizeof(k));
	CHECK_EQ(lat_issuer_key(iss, r.desc, r.caveats[0], 9, k), -EACCES);
	CHECK_EQ(lat_cap_desc_decode(&d, r.desc), 0);
	d.node++;
	lat_cap_desc_encode(elsewhere, &d);
	CHECK_EQ(lat_issuer_key(iss, elsewhere, NULL, 0, k), -EACCES);
	memset(elsewhere, 0, sizeof(elsewhere));
	CHECK_EQ(lat_issuer_key(iss, elsewhere, NULL, 0, k), -EACCES);
	lat_issuer_close(iss);
	lat_issuer_close(NULL);
}

TEST_MAIN

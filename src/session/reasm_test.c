#include "session/reasm.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/test.h"

enum { MAX = 1 << 20 };

static uint8_t bytes[MAX];
static const uint8_t token[LAT_WIRE_TOKEN] = "a token of 16 b";
static struct lat_budget peer, all;

static void fresh(struct lat_reasm *r, bool reliable)
{
	peer = (struct lat_budget){ .max = LAT_REASM_PEER_BYTES };
	all = (struct lat_budget){ .max = LAT_REASM_ALL_BYTES };
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i / 64 + 1);
	CHECK_EQ(lat_reasm_init(r, reliable, MAX, (struct lat_budgets){ &peer, &all }), 0);
}

static void done(struct lat_reasm *r)
{
	lat_reasm_fini(r);
	CHECK_EQ_ROW("every charge was given back", peer.used, 0);
	CHECK_EQ_ROW("every charge was given back", all.used, 0);
}

static struct lat_reasm_frag frag(uint64_t seq, uint32_t msg_len, uint32_t off, uint32_t len)
{
	return (struct lat_reasm_frag){ .seq = seq,
					.msg_len = msg_len,
					.off = off,
					.len = len,
					.data = bytes + (off < MAX ? off : 0),
					.token = off == 0 ? token : NULL };
}

static int add(struct lat_reasm *r, uint64_t seq, uint32_t msg_len, uint32_t off, uint32_t len)
{
	const struct lat_reasm_frag f = frag(seq, msg_len, off, len);

	return lat_reasm_add(r, 0, &f);
}

/* ---- form: the same for both kinds ---- */

static const struct {
	const char *why;
	uint64_t seq;
	uint32_t msg_len, off, len;
	int want;
} forms[] = {
	{ "whole", 1, 100, 0, 100, 1 },
	{ "shortest body", 1, 8, 0, 8, 1 },
	{ "shorter than the pids", 1, 7, 0, 7, -EPROTO },
	{ "number 0", 0, 100, 0, 100, -EPROTO },
	{ "no data", 1, 100, 0, 0, -EPROTO },
	{ "first of two", 1, 100, 0, 64, 0 },
	{ "last of two", 1, 100, 64, 36, 0 },
	{ "off the grid", 1, 100, 32, 68, -EPROTO },
	{ "length off the grid before the end", 1, 200, 0, 100, -EPROTO },
	{ "past the end", 1, 100, 64, 37, -EPROTO },
	{ "at the end", 1, 128, 128, 64, -EPROTO },
	{ "end overflows", 1, 100, 0xffffffc0u, 64, -EPROTO },
	{ "longest", 1, MAX, 0, 64, 0 },
	{ "longer than announced", 1, MAX + 1, 0, 64, -EPROTO },
};

TEST(form)
{
	for (int reliable = 0; reliable < 2; reliable++) {
		for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
			const struct lat_reasm_frag f = frag(forms[i].seq, forms[i].msg_len, forms[i].off,
							     forms[i].len);
			struct lat_reasm r;

			fresh(&r, reliable != 0);
			CHECK_EQ_ROW(forms[i].why, lat_reasm_check(&r, &f), forms[i].want < 0 ? -EPROTO : 0);
			CHECK_EQ_ROW(forms[i].why,
				     add(&r, forms[i].seq, forms[i].msg_len, forms[i].off, forms[i].len),
				     forms[i].want);
			done(&r);
		}
	}
}

/* ---- a sequence of pieces and what each gives ---- */

struct step {
	const char *why;
	uint64_t seq;
	uint32_t msg_len, off, len;
	int want;
};

static void play(struct lat_reasm *r, const struct step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		CHECK_EQ_ROW(steps[i].why, add(r, steps[i].seq, steps[i].msg_len, steps[i].off, steps[i].len),
			     steps[i].want);
}

TEST(pieces_of_one_message)
{
	static const struct step steps[] = {
		{ "the end first", 1, 300, 256, 44, 0 },
		{ "the end again", 1, 300, 256, 44, -EALREADY },
		{ "another length, longer", 1, 301, 0, 64, -EPROTO },
		{ "another length, shorter", 1, 299, 0, 64, -EPROTO },
		{ "the middle", 1, 300, 64, 64, 0 },
		{ "overlapping the middle", 1, 300, 64, 192, 0 },
		{ "wholly held", 1, 300, 128, 128, -EALREADY },
		{ "the rest", 1, 300, 0, 64, 1 },
		{ "after it is complete", 1, 300, 0, 64, -EALREADY },
		{ "whole after it is complete", 1, 300, 0, 300, -EALREADY },
	};

	for (int reliable = 0; reliable < 2; reliable++) {
		struct lat_reasm_msg *m;
		struct lat_reasm r;

		fresh(&r, reliable != 0);
		play(&r, steps, ARRAY_LEN(steps));
		m = lat_reasm_find(&r, 1);
		CHECK(m != NULL && m->units_missing == 0 && m->has_token);
		CHECK_MEM(m->body, bytes, 300);
		CHECK_MEM(m->token, token, sizeof(token));
		lat_reasm_consume(&r, 1);
		CHECK(lat_reasm_find(&r, 1) == NULL);
		CHECK_EQ_ROW("handed up", add(&r, 1, 300, 0, 300), -EALREADY);
		done(&r);
	}
}

TEST(the_first_write_of_a_unit_wins_but_a_whole_body_replaces_it)
{
	for (int whole = 0; whole < 2; whole++) {
		uint8_t other[192];
		struct lat_reasm_frag f = frag(1, 192, 0, 192);
		struct lat_reasm_msg *m;
		struct lat_reasm r;

		fresh(&r, true);
		memset(other, 0xcc, sizeof(other));
		CHECK_EQ(add(&r, 1, 192, 64, 64), 0);
		f.data = other;
		f.verified = true;
		f.token = NULL;
		if (whole == 0) {
			f.len = 128;
			f.token = token;
			CHECK_EQ(lat_reasm_add(&r, 0, &f), 0);
			f.off = 64;
			f.token = NULL;
		}
		CHECK_EQ(lat_reasm_add(&r, 0, &f), 1);
		m = lat_reasm_head(&r);
		CHECK(m != NULL);
		CHECK_MEM(m->body, other, 64);
		CHECK_MEM(m->body + 64, whole != 0 ? other : bytes + 64, 64);
		CHECK_MEM(m->body + 128, other, 64);
		CHECK_EQ(m->has_token, whole == 0);
		CHECK_EQ(m->verified, true);
		done(&r);
	}
}

/* ---- reliable ---- */

TEST(order)
{
	static const struct step steps[] = {
		{ "ahead", 3, 30, 0, 30, 1 },
		{ "further ahead, partial", 4, 100, 0, 64, 0 },
		{ "the second", 2, 20, 0, 20, 1 },
		{ "the second again", 2, 20, 0, 20, -EALREADY },
	};
	struct lat_reasm r;

	fresh(&r, true);
	play(&r, steps, ARRAY_LEN(steps));
	CHECK(lat_reasm_head(&r) == NULL);
	lat_reasm_consume(&r, 2); /* not the head: nothing */
	CHECK(lat_reasm_find(&r, 2) != NULL);
	CHECK_EQ(add(&r, 1, 10, 0, 10), 1);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		CHECK(lat_reasm_head(&r) != NULL);
		CHECK_EQ(lat_reasm_head(&r)->seq, seq);
		lat_reasm_consume(&r, seq);
	}
	CHECK(lat_reasm_head(&r) == NULL);
	CHECK_EQ(r.consumed, 60);
	CHECK_EQ(add(&r, 2, 20, 0, 20), -EALREADY);
	lat_reasm_pass(&r, 4, 100); /* came whole: the partial one is forgotten */
	CHECK(lat_reasm_find(&r, 4) == NULL);
	CHECK_EQ(r.next, 5);
	CHECK_EQ(r.held, 0);
	done(&r);
}

/* The stream: what may have been sent with 2048 bytes of credit, and what not. */
TEST(credit_bounds_what_may_arrive)
{
	static const struct {
		const char *why;
		struct step steps[4];
		size_t count;
	} rows[] = {
		{ "all of it", { { "", 1, 2048, 0, 2048, 1 } }, 1 },
		{ "a byte more", { { "", 1, 2049, 0, 2049, -EPROTO } }, 1 },
		{ "the part of a long one below the limit", { { "", 1, 5000, 0, 2048, 0 } }, 1 },
		{ "a unit of it over the limit", { { "", 1, 5000, 2048, 64, -EPROTO } }, 1 },
		{ "two that fill it", { { "", 1, 1000, 0, 1000, 1 }, { "", 2, 1048, 0, 1048, 1 } }, 2 },
		{ "two that overflow it",
		  { { "", 1, 1000, 0, 1000, 1 }, { "", 2, 1049, 0, 1049, -EPROTO } },
		  2 },
		{ "the other order", { { "", 2, 1049, 0, 1049, 1 }, { "", 1, 1000, 0, 1000, -EPROTO } }, 2 },
		{ "a missing one has 8 bytes at least", { { "", 2, 2040, 0, 2040, 1 } }, 1 },
		{ "and not 7", { { "", 2, 2041, 0, 2041, -EPROTO } }, 1 },
		{ "as far ahead as can be", { { "", 256, 8, 0, 8, 1 } }, 1 },
		{ "one further", { { "", 257, 8, 0, 8, -EPROTO } }, 1 },
		{ "absurdly far", { { "", UINT64_MAX, 8, 0, 8, -EPROTO } }, 1 },
		{ "behind one that ends beyond the limit",
		  { { "", 1, 5000, 0, 64, 0 }, { "", 2, 8, 0, 8, -EPROTO } },
		  2 },
		{ "before it, where there is no room left",
		  { { "", 2, 5000, 0, 1984, 0 }, { "", 1, 65, 0, 65, -EPROTO } },
		  2 },
		{ "before it, where there is", { { "", 2, 5000, 0, 1984, 0 }, { "", 1, 64, 0, 64, 1 } }, 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_reasm r;

		fresh(&r, true);
		for (size_t k = 0; k < rows[i].count; k++) {
			const struct step *s = &rows[i].steps[k];

			CHECK_EQ_ROW(rows[i].why, add(&r, s->seq, s->msg_len, s->off, s->len), s->want);
		}
		done(&r);
	}
}

TEST(credit_follows_consumption)
{
	uint64_t limit = 0;
	struct lat_reasm r;

	fresh(&r, true);
	CHECK_EQ(peer.used, 2048);
	CHECK(!lat_reasm_credit_due(&r));
	lat_reasm_pass(&r, 1, 100);
	CHECK(lat_reasm_credit_due(&r));
	CHECK_EQ_ROW("2 KiB stay charged for it", peer.used, 2048);
	CHECK_EQ(lat_reasm_credit_raise(&r, 0, 0, &limit), 0);
	CHECK_EQ(limit, 2148);
	CHECK(!lat_reasm_credit_due(&r));

	/* A channel in use gets a window of its own, up to 256 KiB, and pays for it. */
	for (int i = 0; i < 4000; i++) {
		lat_reasm_pass(&r, r.next, 100);
		if (lat_reasm_credit_due(&r))
			CHECK_EQ(lat_reasm_credit_raise(&r, 0, 0, &limit), 0);
		CHECK(r.limit >= r.consumed + LAT_CREDIT_MIN_BYTES);
		CHECK_EQ(peer.used, r.limit - r.consumed);
	}
	CHECK_EQ(r.window, LAT_CREDIT_WINDOW_BYTES);
	done(&r);
}

/* Beyond the usual window only for who uses it up within four round trips. */
static const struct {
	const char *why;
	uint64_t rtt_ms, each_ms;
	uint64_t window;
} growth_rows[] = {
	{ "slower than that", 10, 40, LAT_CREDIT_WINDOW_BYTES },
	{ "just fast enough", 10, 39, LAT_CREDIT_WINDOW_MAX_BYTES },
	{ "the round trip is not known", 0, 1, LAT_CREDIT_WINDOW_BYTES },
};

TEST(credit_grows_with_round_trip_and_rate)
{
	for (size_t i = 0; i < ARRAY_LEN(growth_rows); i++) {
		struct lat_reasm r;
		uint64_t limit, now = 0, seq = 1;

		fresh(&r, true);
		peer.max = all.max = 16 << 20;
		for (int rounds = 0; rounds < 40; rounds++) {
			for (uint64_t end = r.consumed + r.window;
			     r.consumed < end && r.limit - r.consumed >= 64;)
				lat_reasm_pass(&r, seq++, 64);
			now += growth_rows[i].each_ms * (uint64_t)LAT_NS_PER_MS;
			CHECK_EQ(lat_reasm_credit_raise(
					 &r, now, growth_rows[i].rtt_ms * (uint64_t)LAT_NS_PER_MS, &limit),
				 0);
		}
		CHECK_EQ_ROW(growth_rows[i].why, r.window, growth_rows[i].window);
		done(&r);
	}
}

TEST(credit_reaches_the_end_of_the_next_message)
{
	uint64_t limit = 0;
	struct lat_reasm r;

	fresh(&r, true);
	CHECK_EQ(add(&r, 1, 500000, 0, 1152), 0);
	CHECK(lat_reasm_credit_due(&r));
	CHECK_EQ(lat_reasm_find(&r, 1)->cap, 2048);
	CHECK_EQ(lat_reasm_credit_raise(&r, 0, 0, &limit), 0);
	CHECK_EQ(limit, 500000);
	CHECK(!lat_reasm_credit_due(&r));
	CHECK_EQ_ROW("allocated as it comes", add(&r, 1, 500000, 1152, 64000), 0);
	CHECK_EQ(lat_reasm_find(&r, 1)->cap, 500000);
	CHECK_EQ(add(&r, 1, 500000, 65152, 434848), 1);
	CHECK_MEM(lat_reasm_head(&r)->body, bytes, 500000);
	CHECK_ROW("nothing more while the queue is full", !lat_reasm_credit_due(&r));
	lat_reasm_consume(&r, 1);
	CHECK_EQ(peer.used, 2048);
	CHECK(lat_reasm_credit_due(&r));
	done(&r);
}

TEST(no_charge_no_credit)
{
	uint64_t limit = 7;
	struct lat_reasm r, s;

	fresh(&r, true);
	peer.max = 100000;
	CHECK_EQ(add(&r, 1, 200000, 0, 64), 0);
	CHECK_EQ(lat_reasm_credit_raise(&r, 0, 0, &limit), -ENOBUFS);
	CHECK_EQ(limit, 7);
	CHECK(lat_reasm_credit_due(&r));
	peer.max = 300000;
	CHECK_EQ(lat_reasm_credit_raise(&r, 0, 0, &limit), 0);
	CHECK_EQ(limit, 200000);

	peer.max = peer.used + LAT_CREDIT_MIN_BYTES - 1;
	CHECK_EQ(lat_reasm_init(&s, true, MAX, (struct lat_budgets){ &peer, &all }), -ENOBUFS);
	peer.max++;
	all.max = all.used + LAT_CREDIT_MIN_BYTES - 1;
	CHECK_EQ(lat_reasm_init(&s, true, MAX, (struct lat_budgets){ &peer, &all }), -ENOBUFS);
	all.max++;
	CHECK_EQ(lat_reasm_init(&s, true, MAX, (struct lat_budgets){ &peer, &all }), 0);

	/* Memory is used up, and still a channel with its 2 KiB goes on for ever. */
	for (int i = 0; i < 1000; i++) {
		lat_reasm_pass(&s, s.next, 2000);
		CHECK_EQ(lat_reasm_credit_raise(&s, 0, 0, &limit), 0);
		CHECK(!lat_reasm_credit_due(&s));
		CHECK_EQ(limit, s.consumed + LAT_CREDIT_MIN_BYTES);
	}
	lat_reasm_fini(&s);
	done(&r);
}

TEST(windows_leave_half_of_the_memory_to_messages)
{
	struct lat_reasm r[40];
	uint64_t limit;

	fresh(&r[0], true);
	peer.max = 1 << 20;
	for (size_t i = 1; i < ARRAY_LEN(r); i++)
		CHECK_EQ(lat_reasm_init(&r[i], true, MAX, (struct lat_budgets){ &peer, &all }), 0);
	for (size_t k = 0; k < 400 * ARRAY_LEN(r); k++) {
		struct lat_reasm *one = &r[k % ARRAY_LEN(r)];

		lat_reasm_pass(one, one->next, 2000);
		CHECK_EQ(lat_reasm_credit_raise(one, 0, 0, &limit), 0);
		CHECK(!lat_reasm_credit_due(one));
		CHECK(peer.used <= (1 << 19));
	}
	CHECK_EQ(add(&r[0], r[0].next, 1 << 19, 0, 64), 0);
	CHECK_EQ_ROW("the longest message still goes through", lat_reasm_credit_raise(&r[0], 0, 0, &limit),
		     0);
	CHECK_EQ(limit, r[0].consumed + (1 << 19));
	for (size_t i = 1; i < ARRAY_LEN(r); i++)
		lat_reasm_fini(&r[i]);
	done(&r[0]);
}

enum { HOARDS = 40 };

/*
 * A peer with wide windows fills them with the shortest messages, behind one that is missing. What they cost is many
 * times their bytes; it is bounded, and the missing ones still come through.
 */
TEST(many_short_messages_held)
{
	static struct lat_reasm hoard[HOARDS];
	static uint64_t last[HOARDS];
	uint64_t limit;

	fresh(&hoard[0], true);
	for (int i = 1; i < HOARDS; i++)
		CHECK_EQ(lat_reasm_init(&hoard[i], true, MAX, (struct lat_budgets){ &peer, &all }), 0);
	for (int i = 0; i < HOARDS; i++) {
		struct lat_reasm *r = &hoard[i];

		for (int k = 0; k < 4000; k++) {
			lat_reasm_pass(r, r->next, 1000);
			if (lat_reasm_credit_due(r))
				CHECK_EQ(lat_reasm_credit_raise(r, 0, 0, &limit), 0);
		}
	}
	CHECK(peer.used > peer.max / 3 && peer.used <= peer.max / 2);
	for (int i = 0; i < HOARDS; i++) {
		int rc;

		last[i] = hoard[i].next;
		do
			rc = add(&hoard[i], last[i] + 1, 8, 0, 8);
		while (rc == 1 && ++last[i] != 0);
		CHECK_ROW("not acknowledged, or over the credit", rc == -ENOMEM || rc == -EPROTO);
	}
	CHECK(peer.used > peer.max && peer.used <= 2 * peer.max);
	for (int i = 0; i < HOARDS; i++) {
		struct lat_reasm *r = &hoard[i];

		CHECK_EQ_ROW("the next finds a place", add(r, r->next, 8, 0, 8), 1);
		while (lat_reasm_head(r) != NULL)
			lat_reasm_consume(r, r->next);
		CHECK_EQ(r->next, last[i] + 1);
	}
	CHECK(peer.used <= peer.max / 2);
	for (int i = 1; i < HOARDS; i++)
		lat_reasm_fini(&hoard[i]);
	done(&hoard[0]);
}

/* ---- lossy ---- */

static const struct {
	const char *why;
	bool fresh;
	uint64_t seq;
	int want;        /* of lat_reasm_check */
	uint64_t missed; /* afterwards */
} seqs[] = {
	{ "first", true, 1, 0, 0 },
	{ "repeat", false, 1, -EALREADY, 0 },
	{ "a gap", false, 5, 0, 0 },
	{ "late, inside", false, 3, 0, 0 },
	{ "late, again", false, 3, -EALREADY, 0 },
	{ "newest of which 2 is the oldest inside", false, 257, 0, 0 },
	{ "oldest inside", false, 2, 0, 0 },
	{ "past the edge", false, 1, -EALREADY, 0 },
	{ "4 leaves unseen", false, 260, 0, 1 },
	{ "4 is too old", false, 4, -EALREADY, 1 },
	{ "far ahead: the whole window, unseen but for 5, 257 and 260, and those between", false, 10000, 0,
	  10000 - 256 - 6 },
	{ "the window behind it is empty", false, 9999, 0, 10000 - 256 - 6 },
	{ "one below it", false, 9744, -EALREADY, 10000 - 256 - 6 },
	{ "the oldest in it", false, 9745, 0, 10000 - 256 - 6 },

	{ "far ahead at once", true, 1000, 0, 744 },
	{ "and its window", false, 745, 0, 744 },
	{ "256 further: all but two were missed", false, 1256, 0, 744 + 254 },

	{ "the last number there is", true, UINT64_MAX, 0, UINT64_MAX - 256 },
	{ "and its window", false, UINT64_MAX - 255, 0, UINT64_MAX - 256 },
	{ "the last one again", false, UINT64_MAX, -EALREADY, UINT64_MAX - 256 },
};

TEST(sequence_window)
{
	struct lat_reasm r;
	bool live = false;

	for (size_t i = 0; i < ARRAY_LEN(seqs); i++) {
		const struct lat_reasm_frag f = frag(seqs[i].seq, 50, 0, 50);

		if (seqs[i].fresh) {
			if (live)
				done(&r);
			fresh(&r, false);
			live = true;
		}
		CHECK_EQ_ROW(seqs[i].why, lat_reasm_check(&r, &f), seqs[i].want);
		if (seqs[i].want == 0)
			lat_reasm_pass(&r, f.seq, 50);
		CHECK_EQ_ROW(seqs[i].why, r.missed, seqs[i].missed);
	}
	done(&r);
}

TEST(at_most_four_are_open)
{
	struct lat_reasm r;

	fresh(&r, false);
	for (uint64_t seq = 1; seq <= 4; seq++) {
		const struct lat_reasm_frag f = frag(seq, 100, 0, 64);

		CHECK_EQ(lat_reasm_add(&r, 10 - seq, &f), 0); /* 4 is the oldest */
	}
	CHECK_EQ_ROW("the fifth", add(&r, 5, 100, 0, 64), 0);
	CHECK_EQ(r.given_up, 1);
	CHECK_EQ_ROW("the oldest was given up", add(&r, 4, 100, 64, 36), -EALREADY);
	CHECK_EQ_ROW("the others were not", add(&r, 1, 100, 64, 36), 1);
	lat_reasm_consume(&r, 1);
	CHECK_EQ_ROW("room again", add(&r, 6, 100, 0, 64), 0);
	CHECK_EQ(r.given_up, 1);
	CHECK_EQ_ROW("an open one falls out of the window", add(&r, 400, 8, 0, 8), 1);
	lat_reasm_consume(&r, 400);
	CHECK(lat_reasm_find(&r, 2) == NULL && lat_reasm_find(&r, 6) == NULL);
	CHECK_EQ_ROW("and no other number is taken for it", add(&r, 2 + LAT_SEQ_WINDOW, 8, 0, 8), 1);
	done(&r);
}

/* What is missing is given up after it was missing for as long as a partial message may live; then it is not taken any more. */
static const struct {
	const char *why;
	uint64_t at;          /* in units of LAT_REASM_TIME_NS */
	uint64_t seq;         /* taken then; 0: none */
	int want;             /* of lat_reasm_check */
	uint64_t missed, due; /* afterwards; due 0: nothing is */
} holes[] = {
	{ "nothing is missing", 0, 1, 0, 0, 0 },
	{ "2 and 3 are", 1, 4, 0, 0, 2 },
	{ "2 was late", 1, 2, 0, 0, 2 },
	{ "8 does not put it off, and waits for its own", 1, 8, 0, 0, 2 },
	{ "3 is given up", 2, 0, 0, 1, 3 },
	{ "3 is too late", 2, 3, -EALREADY, 1, 3 },
	{ "6 is not", 2, 6, 0, 1, 3 },
	{ "5 and 7 are given up", 3, 0, 0, 3, 0 },
	{ "nothing more is missing", 4, 9, 0, 3, 0 },
};

TEST(what_is_missing_is_given_up)
{
	struct lat_reasm r;
	uint64_t due = UINT64_MAX;

	fresh(&r, false);
	for (size_t i = 0; i < ARRAY_LEN(holes); i++) {
		const struct lat_reasm_frag f = frag(holes[i].seq, 50, 0, 50);

		if (f.seq != 0) {
			CHECK_EQ_ROW(holes[i].why, lat_reasm_check(&r, &f), holes[i].want);
			if (holes[i].want == 0)
				lat_reasm_pass(&r, f.seq, 50);
		}
		due = lat_reasm_expire(&r, holes[i].at * LAT_REASM_TIME_NS);
		CHECK_EQ_ROW(holes[i].why, r.missed, holes[i].missed);
		CHECK_EQ_ROW(holes[i].why, due,
			     holes[i].due == 0 ? UINT64_MAX : holes[i].due * LAT_REASM_TIME_NS);
	}
	done(&r);
}

TEST(at_the_end_what_is_missing_was_missed)
{
	struct lat_reasm r;

	fresh(&r, false);
	lat_reasm_pass(&r, 3, 50);
	CHECK_EQ(add(&r, 5, 100, 0, 64), 0);
	lat_reasm_end(&r, 7);
	CHECK_EQ_ROW("1, 2, 4, 6 and 7", r.missed, 5);
	CHECK_EQ_ROW("the partial one", r.given_up, 1);
	lat_reasm_end(&r, 7);
	CHECK_EQ_ROW("they are counted once", r.missed, 5);
	done(&r);
}

TEST(partial_ones_live_two_seconds)
{
	struct lat_reasm_frag f = frag(1, 100, 0, 64);
	struct lat_reasm r;

	fresh(&r, false);
	CHECK_EQ(lat_reasm_expire(&r, 0), UINT64_MAX);
	CHECK_EQ(lat_reasm_add(&r, 1000, &f), 0);
	f.seq = 2;
	CHECK_EQ(lat_reasm_add(&r, 2000, &f), 0);
	CHECK_EQ(lat_reasm_expire(&r, 1000 + LAT_REASM_TIME_NS - 1), 1000 + LAT_REASM_TIME_NS);
	CHECK_EQ(lat_reasm_expire(&r, 1000 + LAT_REASM_TIME_NS), 2000 + LAT_REASM_TIME_NS);
	CHECK(lat_reasm_find(&r, 1) == NULL && lat_reasm_find(&r, 2) != NULL);
	CHECK_EQ(lat_reasm_expire(&r, UINT64_MAX), UINT64_MAX);
	CHECK_EQ(r.given_up, 2);
	done(&r);
}

TEST(lossy_memory_is_charged_before_it_is_taken)
{
	struct lat_reasm r;

	fresh(&r, false);
	peer.max = 1000;
	CHECK_EQ(add(&r, 1, 2000, 0, 64), -ENOBUFS);
	CHECK_EQ(peer.used, 0);
	CHECK(lat_reasm_find(&r, 1) == NULL);
	all.max = 100;
	peer.max = 100000;
	CHECK_EQ(add(&r, 1, 2000, 0, 64), -ENOBUFS);
	all.max = 100000;
	CHECK_EQ(add(&r, 1, 2000, 0, 64), 0);
	CHECK(peer.used >= 2000 && peer.used < 2500);
	done(&r);
}

TEST(fini_takes_anything)
{
	struct lat_reasm r = { 0 };

	lat_reasm_fini(&r);
	fresh(&r, true);
	CHECK_EQ(add(&r, 3, 500, 0, 64), 0);
	CHECK_EQ(add(&r, 1, 50, 0, 50), 1);
	done(&r);
	lat_reasm_fini(&r);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* What was charged and then was not to be had is not charged, whichever piece it was. */
TEST(no_memory_after_all)
{
	struct rlimit was, none;
	struct lat_reasm r;

	if (SANITIZED)
		TEST_SKIP("a sanitizer ends the program where there is no memory");
	for (int reliable = 0; reliable < 2; reliable++) {
		fresh(&r, reliable);
		lat_reasm_fini(&r);
		peer.max = all.max = UINT64_C(1) << 40;
		CHECK_EQ(lat_reasm_init(&r, reliable, LAT_MAX_MSG_HARD, (struct lat_budgets){ &peer, &all }),
			 0);
		CHECK_EQ(getrlimit(RLIMIT_AS, &was), 0);
		none = (struct rlimit){ .rlim_cur = 0, .rlim_max = was.rlim_max };
		CHECK_EQ(setrlimit(RLIMIT_AS, &none), 0);
		(void)!add(&r, 1, LAT_MAX_MSG_HARD, 0, 64); /* which of it came is not to be noted down */
		(void)!add(&r, 1, MAX, MAX - 64, 64);       /* nor is there room for the body, in pieces */
		(void)!add(&r, 2, MAX, 0, MAX);             /* nor for all of it */
		CHECK_EQ(setrlimit(RLIMIT_AS, &was), 0);    /* before anything may fail */
		done(&r);
	}
}

TEST(what_is_lost_in_part_counts_once)
{
	struct lat_budget peer_budget = { .max = 1 << 20 }, all_budget = { .max = 1 << 20 };
	uint8_t data[64] = { 0 };
	const struct lat_reasm_frag f = { .seq = 1, .msg_len = 128, .data = data, .len = sizeof(data) };
	struct lat_reasm r;

	CHECK_EQ(lat_reasm_init(&r, false, 1 << 16, (struct lat_budgets){ &peer_budget, &all_budget }), 0);
	CHECK_EQ(lat_reasm_add(&r, 1, &f), 0);
	for (uint64_t seq = 2; seq <= 300; seq++)
		lat_reasm_pass(&r, seq, 8);
	CHECK_EQ(r.missed + r.given_up, 1);
	lat_reasm_fini(&r);
}

TEST_MAIN

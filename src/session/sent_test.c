#include "session/sent.h"

#include <errno.h>

#include "base/test.h"
#include "session/test_random.h"

/* What a callback was given. */
struct heard {
	uint64_t counter[64];
	bool lost[64];
	uint16_t frames[64];
	size_t count;
	uint8_t body[64]; /* of the last control frame */
	uint32_t body_bytes;
	uint64_t seq; /* of the last frame */
};

static void hear(void *ctx, const struct lat_sent_record *rec)
{
	struct heard *h = ctx;

	if (h->count < ARRAY_LEN(h->counter)) {
		h->counter[h->count] = rec->counter;
		h->lost[h->count] = rec->lost;
		h->frames[h->count] = rec->count;
	}
	h->count++;
	for (uint16_t i = 0; i < rec->count; i++) {
		h->seq = rec->frames[i].seq;
		if (rec->frames[i].kind == LAT_SENT_CONTROL) {
			h->body_bytes = rec->frames[i].len;
			memcpy(h->body, rec->frames[i].body, rec->frames[i].len);
		}
	}
}

static void send_one(struct lat_sent *s, uint64_t now)
{
	const struct lat_sent_frame f = { .kind = LAT_SENT_FRAGMENT, .seq = lat_sent_counter(s), .len = 64 };

	CHECK_EQ(lat_sent_add(s, now, 100, true, &f, 1), 0);
}

static int64_t ack(struct lat_sent *s, uint64_t lo, uint64_t hi, struct heard *h)
{
	memset(h, 0, sizeof(*h));
	return lat_sent_ack(s, &(struct lat_range){ lo, hi }, 1, hear, h);
}

TEST(each_record_is_acknowledged_once)
{
	struct lat_sent s;
	struct heard h;

	lat_sent_init(&s);
	CHECK_EQ(lat_sent_oldest(&s), UINT64_MAX);
	for (uint64_t c = 0; c < 10; c++)
		send_one(&s, 1000 + c);
	CHECK_EQ(s.flying, 10);
	CHECK_EQ(s.flying_bytes, 1000);
	CHECK_EQ(lat_sent_oldest(&s), 1000);

	CHECK_EQ(ack(&s, 2, 4, &h), 3);
	CHECK_EQ(h.count, 3);
	CHECK_EQ(h.counter[0], 2);
	CHECK_EQ(h.counter[2], 4);
	CHECK_EQ(s.flying, 7);
	CHECK_EQ(s.acked_end, 5);
	CHECK_EQ(ack(&s, 2, 4, &h), 0);
	CHECK_EQ(ack(&s, 0, 3, &h), 2);
	CHECK_EQ(lat_sent_oldest(&s), 1005);
	CHECK_EQ(s.base, 5);
	CHECK_EQ(s.acked_end, 5);
	CHECK_EQ(ack(&s, 0, 9, &h), 5);
	CHECK_EQ(s.flying, 0);
	CHECK_EQ(s.flying_bytes, 0);
	CHECK_EQ(lat_sent_oldest(&s), UINT64_MAX);
	lat_sent_fini(&s);
}

TEST(an_ack_of_the_unsent_is_refused_whole)
{
	const struct lat_range ranges[] = { { 3, 3 }, { 0, 1 } }, beyond[] = { { 2, 2 }, { 3, 3 } };
	struct lat_sent s;
	struct heard h = { 0 };

	lat_sent_init(&s);
	CHECK_EQ_ROW("nothing was ever sent", ack(&s, 0, 0, &h), -EPROTO);
	for (int i = 0; i < 3; i++)
		send_one(&s, 0);
	CHECK_EQ_ROW("one past the last", lat_sent_ack(&s, ranges, 2, hear, &h), -EPROTO);
	CHECK_EQ_ROW("a later range past the last", lat_sent_ack(&s, beyond, 2, hear, &h), -EPROTO);
	CHECK_EQ(h.count, 0);
	CHECK_EQ(s.flying, 3);
	CHECK_EQ_ROW("the last", lat_sent_ack(&s, (struct lat_range[]){ { 2, 2 }, { 0, 0 } }, 2, hear, &h),
		     2);
	CHECK_EQ_ROW("rising across the end", ack(&s, 1, UINT64_MAX, &h), -EPROTO);
	CHECK_EQ_ROW("no range at all", ack(&s, 2, 1, &h), -EPROTO);
	lat_sent_fini(&s);
}

TEST(lost_once_and_acknowledged_late)
{
	struct lat_sent s;
	struct heard h = { 0 };

	lat_sent_init(&s);
	for (uint64_t c = 0; c < 6; c++)
		send_one(&s, 10 * c);
	CHECK_EQ_ROW("sent at 20 or before", lat_sent_lose(&s, 20, UINT64_MAX, hear, &h), 3);
	CHECK_EQ(h.counter[0], 0);
	CHECK_EQ(h.counter[2], 2);
	CHECK_EQ(h.lost[0], false);
	CHECK_EQ(s.flying, 3);
	CHECK_EQ(s.flying_bytes, 300);
	CHECK_EQ_ROW("not twice", lat_sent_lose(&s, 20, UINT64_MAX, hear, &h), 0);
	CHECK_EQ(lat_sent_oldest(&s), 30);
	CHECK_EQ_ROW("a late acknowledgement", ack(&s, 1, 1, &h), 1);
	CHECK_EQ(h.lost[0], true);
	CHECK_EQ(h.frames[0], 1);
	CHECK_EQ_ROW("its bytes were no longer in flight", s.flying_bytes, 300);
	CHECK_EQ_ROW("below a counter only", lat_sent_lose(&s, UINT64_MAX, 5, hear, &h), 2);
	CHECK_EQ_ROW("all that is left", lat_sent_lose(&s, UINT64_MAX, UINT64_MAX, hear, &h), 1);
	CHECK_EQ(s.flying, 0);
	CHECK_EQ_ROW("all may still arrive", ack(&s, 0, 5, &h), 5);
	lat_sent_fini(&s);
}

TEST(frames_are_copied)
{
	uint8_t body[3] = { 1, 2, 3 };
	const struct lat_sent_frame frames[] = {
		{ .kind = LAT_SENT_CONTROL, .type = 8, .len = 3, .body = body },
		{ .kind = LAT_SENT_RUN, .seq = 42, .count = 7 },
		{ .kind = LAT_SENT_CONTROL, .type = 9, .len = 0 },
	};
	struct lat_sent_frame many[LAT_SENT_FRAMES_MAX + 1] = { 0 };
	struct lat_sent s;
	struct heard h;

	lat_sent_init(&s);
	CHECK_EQ(lat_sent_add(&s, 0, 50, true, frames, 2), 0);
	body[0] = 99;
	CHECK_EQ(ack(&s, 0, 0, &h), 1);
	CHECK_EQ(h.frames[0], 2);
	CHECK_EQ(h.body_bytes, 3);
	CHECK_MEM(h.body, ((uint8_t[]){ 1, 2, 3 }), 3);
	CHECK_EQ(h.seq, 42);
	CHECK_EQ(lat_sent_add(&s, 0, 50, true, frames, 3), 0);
	CHECK_EQ(ack(&s, 1, 1, &h), 1);
	CHECK_EQ(h.body_bytes, 0);

	CHECK_EQ_ROW("one frame too many", lat_sent_add(&s, 0, 50, true, many, LAT_SENT_FRAMES_MAX + 1),
		     -EINVAL);
	CHECK_EQ_ROW("but its counter is gone", lat_sent_counter(&s), 3);
	CHECK_EQ(s.flying, 0);
	CHECK_EQ_ROW("as many as fit", lat_sent_add(&s, 0, 50, true, many, LAT_SENT_FRAMES_MAX), 0);
	lat_sent_fini(&s);
}

TEST(packets_that_ask_for_no_ack_are_only_counted)
{
	struct lat_sent s;
	struct heard h;

	lat_sent_init(&s);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(lat_sent_add(&s, 0, 40, false, NULL, 0), 0);
	CHECK_EQ(s.flying, 0);
	CHECK_EQ_ROW("no room is taken by them", s.ring_mask < 1000, true);
	CHECK_EQ(ack(&s, 0, 999, &h), 0);
	CHECK_EQ(ack(&s, 1000, 1000, &h), -EPROTO);
	CHECK_EQ_ROW("a PING: eliciting, nothing to resend", lat_sent_add(&s, 7, 40, true, NULL, 0), 0);
	CHECK_EQ(ack(&s, 1000, 1000, &h), 1);
	CHECK_EQ(h.frames[0], 0);
	lat_sent_fini(&s);
}

TEST(memory_is_bounded)
{
	struct lat_sent s;
	struct heard h;

	lat_sent_init(&s);
	for (uint64_t c = 0; c < LAT_SENT_MAX; c++)
		send_one(&s, c);
	CHECK_EQ(lat_sent_reserve(&s), -ENOBUFS);
	CHECK_EQ_ROW("one acknowledged in the middle is no room", ack(&s, 5, 5, &h), 1);
	CHECK_EQ(lat_sent_reserve(&s), -ENOBUFS);
	CHECK_EQ_ROW("the oldest is", ack(&s, 0, 0, &h), 1);
	CHECK_EQ(lat_sent_reserve(&s), 0);
	send_one(&s, LAT_SENT_MAX);
	CHECK_EQ_ROW("lost ones give way", lat_sent_lose(&s, 100, UINT64_MAX, NULL, NULL), 99);
	CHECK_EQ(lat_sent_reserve(&s), 0);
	CHECK_EQ(s.base, 101);
	CHECK_EQ_ROW("and are forgotten", ack(&s, 0, 100, &h), 0);
	for (uint64_t c = 0; c < 100; c++)
		send_one(&s, LAT_SENT_MAX + 1 + c);
	CHECK_EQ_ROW("full, and still a counter is used once", lat_sent_add(&s, 0, 1, true, NULL, 0),
		     -ENOBUFS);
	CHECK_EQ(lat_sent_counter(&s), LAT_SENT_MAX + 102);
	lat_sent_fini(&s);
}

/*
 * The oldest is never acknowledged, all others are, by every way to say so. Looking at each slot again each time would take
 * this minutes.
 */
TEST(acknowledging_again_costs_nothing)
{
	struct lat_sent s;
	struct heard h;

	lat_sent_init(&s);
	for (uint64_t c = 0; c < LAT_SENT_MAX; c++)
		send_one(&s, c);
	for (uint64_t c = 1; c < LAT_SENT_MAX; c += 2) /* one by one, every second */
		CHECK_EQ(ack(&s, c, c, &h), 1);
	CHECK_EQ(ack(&s, 1, LAT_SENT_MAX - 1, &h), LAT_SENT_MAX / 2 - 1);
	for (uint64_t i = 0; i < 200000; i++) {
		uint64_t lo = 1 + i % (LAT_SENT_MAX - 2), hi = LAT_SENT_MAX - 1 - i / 100;

		CHECK_EQ(ack(&s, 1, hi, &h), 0);
		CHECK_EQ(ack(&s, lo, LAT_SENT_MAX - 1, &h), 0);
	}
	CHECK_EQ(s.flying, 1);
	CHECK_EQ(ack(&s, 0, LAT_SENT_MAX - 1, &h), 1);
	lat_sent_fini(&s);
}

enum { MODEL = 4000 };
enum fate { UNSENT, PLAIN, FLYING, LOST, DONE };

struct model {
	enum fate fate[MODEL];
	struct test_random *rnd;
	bool losing;
};

static void model_hear(void *ctx, const struct lat_sent_record *rec)
{
	struct model *m = ctx;

	CHECK_ROW(m->rnd->why, rec->counter < MODEL);
	CHECK_EQ_ROW(m->rnd->why, m->fate[rec->counter], rec->lost ? LOST : FLYING);
	CHECK_EQ_ROW(m->rnd->why, rec->frames[0].seq, rec->counter);
	m->fate[rec->counter] = m->losing ? LOST : DONE;
}

/* Random sending, losing and acknowledging against a plain list. */
TEST(equals_a_plain_list)
{
	struct test_random rnd;

	for (uint64_t i = 0; test_random_init(&rnd, i, 20); i++) {
		static struct model m;
		uint64_t sent = 0, flying = 0;
		struct lat_sent s;

		memset(&m, 0, sizeof(m));
		m.rnd = &rnd;
		lat_sent_init(&s);
		while (sent < MODEL - 1) {
			uint32_t dice = test_random_below(&rnd, 100);

			if (dice < 80) {
				bool eliciting = test_random_chance(&rnd, 90);
				const struct lat_sent_frame f = { .kind = LAT_SENT_FRAGMENT, .seq = sent };

				CHECK_EQ(lat_sent_add(&s, sent, 10, eliciting, &f, 1), 0);
				m.fate[sent++] = eliciting ? FLYING : PLAIN;
			} else if (dice < 96 && sent > 0) {
				uint64_t hi = sent - 1 -
					      test_random_below(&rnd, (uint32_t)(sent < 30 ? sent : 30));
				uint64_t wide = test_random_chance(&rnd, 10) ? hi + 1 : 8;
				uint64_t lo = hi -
					      test_random_below(&rnd, (uint32_t)(hi < wide ? hi + 1 : wide));

				m.losing = false;
				CHECK_ROW(rnd.why, lat_sent_ack(&s, &(struct lat_range){ lo, hi }, 1,
								model_hear, &m) >= 0);
				for (uint64_t c = lo; c <= hi; c++)
					/* what was lost long ago may have made way */
					CHECK_ROW(rnd.why, m.fate[c] == DONE || m.fate[c] == PLAIN ||
								   (wide != 8 && m.fate[c] == LOST));
			} else {
				uint64_t before = sent > 40 ? sent - 40 : 0;

				m.losing = true;
				lat_sent_lose(&s, before, UINT64_MAX, model_hear, &m);
			}
			flying = 0;
			for (uint64_t c = sent > 200 ? sent - 200 : 0; c < sent; c++)
				flying += m.fate[c] == FLYING;
			CHECK_ROW(rnd.why, s.flying >= flying && s.flying_bytes == 10 * s.flying);
		}
		flying = 0;
		for (uint64_t c = 0; c < sent; c++)
			flying += m.fate[c] == FLYING;
		CHECK_EQ_ROW(rnd.why, s.flying, flying);
		lat_sent_fini(&s);
	}
}

TEST_MAIN

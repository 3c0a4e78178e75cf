#include "session/cc.h"

#include "base/test.h"

enum { PKT = 1000 };

static const uint64_t ms = (uint64_t)LAT_NS_PER_MS;

/* Acknowledges a whole window each round trip of @rtt, until @until. Sent after the last cut, and limited by the window. */
static void rounds(struct lat_cc *cc, uint64_t *now, uint64_t until, uint64_t rtt)
{
	while (*now < until) {
		size_t left = cc->window;
		uint64_t step = rtt / (cc->window / PKT + 1);

		while (left >= PKT && *now < until) {
			const struct lat_cc_ack a = { .bytes = PKT,
						      .sent_ns = *now - rtt + 2,
						      .newest_ns = *now,
						      .rtt_ns = rtt,
						      .srtt_ns = rtt,
						      .limited = true };

			cc->ops->acked(cc, *now, &a);
			left -= PKT;
			*now += step;
		}
	}
}

TEST(slow_start_doubles_and_a_loss_takes_three_tenths)
{
	struct lat_cc *cc = lat_cc_cubic.open(PKT);
	uint64_t now = 1000 * ms;
	size_t before;

	CHECK_EQ(cc->window, 10 * PKT);
	CHECK_EQ(cc->pace_percent, 200);
	rounds(cc, &now, now + 95 * ms, 100 * ms);
	CHECK(cc->window >= 18 * PKT && cc->window <= 22 * PKT);
	before = cc->window;
	cc->ops->lost(cc, now, now, false);
	CHECK_EQ(cc->window, before * 7 / 10);
	CHECK_EQ(cc->pace_percent, 125);
	/* Once a round trip: what was sent before the cut is about the same queue. */
	cc->ops->lost(cc, now - 1, now + 1, false);
	CHECK_EQ(cc->window, before * 7 / 10);
	/* And it had only been late. */
	cc->ops->undo(cc);
	CHECK_EQ(cc->window, before);
	cc->ops->close(cc);
}

TEST(what_is_persistent_leaves_the_least)
{
	struct lat_cc *cc = lat_cc_cubic.open(PKT);

	cc->ops->lost(cc, 5, 9, true);
	CHECK_EQ(cc->window, 2 * PKT);
	cc->ops->undo(cc);
	CHECK_EQ(cc->window, 2 * PKT);
	for (uint64_t t = 10; t < 1000; t += 10)
		cc->ops->lost(cc, t, t, false);
	CHECK_EQ(cc->window, 2 * PKT);
	cc->ops->close(cc);
}

TEST(nobody_grows_a_window_that_is_not_used)
{
	struct lat_cc *cc = lat_cc_cubic.open(PKT);
	const struct lat_cc_ack a = { .bytes = PKT, .sent_ns = 2, .newest_ns = 3, .srtt_ns = ms };

	for (int i = 0; i < 100; i++)
		cc->ops->acked(cc, 10 * ms, &a);
	CHECK_EQ(cc->window, 10 * PKT);
	cc->ops->close(cc);
}

TEST(after_a_pause_it_begins_small)
{
	struct lat_cc *cc = lat_cc_cubic.open(PKT);
	uint64_t now = 1000 * ms;

	rounds(cc, &now, now + 300 * ms, 100 * ms);
	CHECK(cc->window > 40 * PKT);
	cc->ops->idle(cc);
	CHECK_EQ(cc->window, 10 * PKT);
	cc->ops->idle(cc);
	CHECK_EQ(cc->window, 10 * PKT);
	cc->ops->close(cc);
}

/* W_max = 1000 packets, cut to 700: K = cbrt(300 / 0.4) = 9.086 s (RFC 9438, 4.2). */
static const struct {
	const char *why;
	uint64_t after_ms;
	size_t least, most; /* packets */
} cubic_rows[] = {
	{ "just cut", 0, 700, 705 },
	{ "half way: 1000 - 0.4 * 4.543^3", 4543, 955, 970 },
	{ "at K it is back", 9086, 990, 1005 },
	{ "5 s later it is beyond: 1000 + 0.4 * 5^3", 14086, 1035, 1060 },
};

TEST(the_cubic_function)
{
	for (size_t i = 0; i < ARRAY_LEN(cubic_rows); i++) {
		struct lat_cc *cc = lat_cc_cubic.open(PKT);
		uint64_t now = 1000 * ms, rtt = 100 * ms;

		while (cc->window < 1000 * PKT) { /* without samples no HyStart */
			const struct lat_cc_ack a = { .bytes = PKT,
						      .sent_ns = now,
						      .newest_ns = now,
						      .srtt_ns = rtt,
						      .limited = true };

			cc->ops->acked(cc, now, &a);
		}
		cc->ops->lost(cc, now, now, false);
		now += rtt;
		rounds(cc, &now, now + cubic_rows[i].after_ms * ms, rtt);
		CHECK_ROW(cubic_rows[i].why, cc->window >= cubic_rows[i].least * PKT);
		CHECK_ROW(cubic_rows[i].why, cc->window <= cubic_rows[i].most * PKT);
		cc->ops->close(cc);
	}
}

/* With a short round trip Reno would be faster than the cubic function: then it is Reno. */
TEST(never_slower_than_reno)
{
	struct lat_cc *cc = lat_cc_cubic.open(PKT);
	uint64_t now = 1000 * ms;

	cc->ops->lost(cc, now, now, false); /* 7 packets */
	now += ms;
	rounds(cc, &now, now + 100 * ms, ms); /* 100 round trips: 0.53 of a packet each, then one */
	CHECK(cc->window > 50 * PKT);
	CHECK(cc->window < 115 * PKT);
	cc->ops->close(cc);
}

/* Round trips that grow end slow start without a loss (RFC 9406). */
TEST(slow_start_ends_when_a_queue_is_felt)
{
	struct lat_cc *cc = lat_cc_cubic.open(PKT);
	uint64_t now = 1000 * ms, rtt = 40 * ms;

	for (int i = 0; i < 12 && cc->pace_percent == 200; i++) {
		rounds(cc, &now, now + rtt, rtt);
		rtt += 6 * ms;
	}
	CHECK_EQ(cc->pace_percent, 125);
	CHECK(cc->window < 400 * PKT);
	cc->ops->close(cc);
}

TEST_MAIN

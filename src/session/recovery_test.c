#include "session/recovery.h"

#include "base/test.h"

static const uint64_t ms = (uint64_t)LAT_NS_PER_MS;

static struct lat_recovery fresh(void)
{
	struct lat_recovery r;

	CHECK_EQ(lat_recovery_init(&r, &lat_cc_cubic, 1000), 0);
	return r;
}

TEST(send_times_rise)
{
	struct lat_recovery r = fresh();

	CHECK_EQ(lat_recovery_stamp(&r, 100), 100);
	CHECK_EQ(lat_recovery_stamp(&r, 100), 101);
	CHECK_EQ(lat_recovery_stamp(&r, 99), 102);
	CHECK_EQ(lat_recovery_stamp(&r, 200), 200);
	lat_recovery_fini(&r);
}

TEST(probe_time_out)
{
	struct lat_recovery r = fresh();

	CHECK_EQ(lat_recovery_pto(&r), 111 * ms); /* 100 + 1 + 2 * 5 */
	CHECK_EQ(lat_recovery_rtt(&r, 24 * ms, 4 * ms), 20 * ms);
	CHECK_EQ(r.srtt_ns, 20 * ms);
	CHECK_EQ(lat_recovery_pto(&r), 70 * ms); /* 20 + 4 * 10 + 10 */
	r.pto_count = 2;
	CHECK_EQ(lat_recovery_pto(&r), 280 * ms);
	r.pto_count = 100;
	CHECK_EQ(lat_recovery_pto(&r), 64 * 70 * ms);
	r.flight_bytes = 1;
	lat_recovery_rearm(&r, 1000 * ms);
	lat_recovery_heard(&r, 1000 * ms);
	CHECK_EQ(r.pto_at_ns, 1070 * ms);
	r.flight_bytes = 0;
	lat_recovery_rearm(&r, 1000 * ms);
	CHECK_EQ(r.pto_at_ns, UINT64_MAX);
	/* A delay that nobody was allowed is not believed. */
	CHECK_EQ(lat_recovery_rtt(&r, 30 * ms, 29 * ms), 20 * ms);
	lat_recovery_fini(&r);
}

TEST(lost_by_time)
{
	struct lat_recovery r = fresh();

	CHECK_EQ(lat_recovery_lost_before(&r, 5000 * ms), 0); /* nothing was acknowledged yet */
	CHECK_EQ(lat_recovery_lost_at(&r, 1), UINT64_MAX);
	/* The one sent at 1000 is acknowledged at 1020. */
	(void)lat_recovery_rtt(&r, 20 * ms, 0);
	lat_recovery_acked(&r, 1020 * ms, 1000 * ms, 1000 * ms);
	CHECK_EQ(lat_recovery_lost_at(&r, 999 * ms), 1024 * ms); /* a round trip and a quarter */
	CHECK_EQ(lat_recovery_lost_at(&r, 1000 * ms), UINT64_MAX);
	CHECK_EQ(lat_recovery_lost_at(&r, 1001 * ms), UINT64_MAX);
	CHECK_EQ(lat_recovery_lost_before(&r, 1020 * ms), 995 * ms);
	CHECK_EQ(lat_recovery_lost_before(&r, 1024 * ms), 999 * ms);
	CHECK_EQ(lat_recovery_lost_before(&r, 9000 * ms), 1000 * ms - 1);
	/* An older one that is acknowledged later changes nothing. */
	lat_recovery_acked(&r, 1500 * ms, 900 * ms, 900 * ms);
	CHECK_EQ(lat_recovery_lost_at(&r, 999 * ms), 1024 * ms);
	lat_recovery_fini(&r);
}

/* It sent something, slept for an hour, and then the answer was there: that was no round trip of an hour. */
TEST(a_machine_that_slept)
{
	struct lat_recovery r = fresh();
	uint64_t sent = lat_recovery_stamp(&r, 1000 * ms), woken = 3600 * 1000 * ms;

	lat_recovery_sent(&r, sent, 1000);
	lat_recovery_woken(&r, r.pto_at_ns + 1000 * ms);
	CHECK(sent > r.slept_ns); /* late, not asleep */
	lat_recovery_woken(&r, woken);
	CHECK(sent <= r.slept_ns);
	lat_recovery_acked(&r, woken, sent, sent);
	CHECK_EQ(r.rtt_ns, 100 * ms);
	sent = lat_recovery_stamp(&r, woken);
	CHECK(sent > r.slept_ns);
	lat_recovery_acked(&r, woken + 20 * ms, sent, sent);
	CHECK_EQ(r.rtt_ns, 20 * ms);
	lat_recovery_fini(&r);
}

TEST(the_window_widens_for_what_is_late_and_narrows_again)
{
	struct lat_recovery r = fresh();

	(void)lat_recovery_rtt(&r, 20 * ms, 0);
	lat_recovery_acked(&r, 1020 * ms, 1000 * ms, 1000 * ms);
	lat_recovery_late(&r, 1100 * ms, 1);
	CHECK_EQ(lat_recovery_lost_at(&r, 999 * ms), 1029 * ms);
	lat_recovery_late(&r, 1101 * ms, 1); /* once a round trip */
	CHECK_EQ(lat_recovery_lost_at(&r, 999 * ms), 1029 * ms);
	for (uint64_t i = 2; i < 40; i++)
		lat_recovery_late(&r, 1100 * ms + i * 50 * ms, 1);
	CHECK_EQ(lat_recovery_lost_at(&r, 999 * ms), 1039 * ms); /* never more than a round trip */
	for (uint64_t i = 0; i < 16; i++) {
		(void)lat_recovery_stamp(&r, 4000 * ms + i);
		lat_recovery_lost(&r, r.stamp_ns, r.stamp_ns, 1);
	}
	CHECK_EQ(lat_recovery_lost_at(&r, 999 * ms), 1024 * ms);
	lat_recovery_fini(&r);
}

TEST(a_cut_is_taken_back_when_all_were_late)
{
	struct lat_recovery r = fresh();
	size_t window = r.cc->window;

	(void)lat_recovery_rtt(&r, 20 * ms, 0);
	(void)lat_recovery_stamp(&r, 1000 * ms);
	lat_recovery_lost(&r, 990 * ms, 995 * ms, 2);
	CHECK(r.cc->window < window);
	lat_recovery_late(&r, 1030 * ms, 990 * ms);
	CHECK(r.cc->window < window);
	lat_recovery_late(&r, 1030 * ms, 995 * ms);
	CHECK_EQ(r.cc->window, window);
	lat_recovery_fini(&r);
}

static const struct {
	const char *why;
	uint64_t lo_ms, hi_ms, acked_ms;
	size_t window; /* after 10 packets of 1000 */
} persistent_rows[] = {
	{ "a burst", 1000, 1100, 1300, 7000 },
	{ "three probe time-outs: 3 * (20 + 40 + 5)", 1000, 1195, 1300, 7000 },
	{ "longer", 1000, 1196, 1300, 2000 },
	{ "longer, but something got through", 1000, 1196, 1100, 7000 },
};

TEST(persistent_congestion)
{
	for (size_t i = 0; i < ARRAY_LEN(persistent_rows); i++) {
		struct lat_recovery r = fresh();

		(void)lat_recovery_rtt(&r, 20 * ms, 0);
		(void)lat_recovery_stamp(&r, 1300 * ms);
		lat_recovery_acked(&r, 1320 * ms, persistent_rows[i].acked_ms * ms, 1300 * ms);
		lat_recovery_lost(&r, persistent_rows[i].lo_ms * ms, persistent_rows[i].hi_ms * ms, 5);
		CHECK_EQ_ROW(persistent_rows[i].why, r.cc->window, persistent_rows[i].window);
		lat_recovery_fini(&r);
	}
}

TEST(the_window_and_the_pace)
{
	struct lat_recovery r = fresh();
	uint64_t now = 1000 * ms;
	int sent = 0;

	/* No round trip is known: as the window allows. */
	for (; lat_recovery_may_send(&r, now); sent++)
		lat_recovery_sent(&r, now, 1000);
	CHECK_EQ(sent, 10);
	CHECK_EQ(lat_recovery_pace_at(&r), UINT64_MAX);
	CHECK(r.limited);
	/* A probe goes beyond it. */
	r.probes = 1;
	CHECK(lat_recovery_may_send(&r, now));
	lat_recovery_sent(&r, now, 1000);
	CHECK(!lat_recovery_may_send(&r, now));
	/* 100 ms, 10 packets, twice as fast: one in 5 ms, after those of a quarter of the window, whose time has gone by. */
	(void)lat_recovery_rtt(&r, 100 * ms, 0);
	r.flight_bytes = 0;
	now += 100 * ms;
	for (sent = 0; lat_recovery_may_send(&r, now); sent++)
		lat_recovery_sent(&r, now, 1000);
	CHECK_EQ(sent, 3);
	CHECK_EQ(lat_recovery_pace_at(&r), now + 5 * ms / 2);
	CHECK(!lat_recovery_may_send(&r, now + ms));
	CHECK(lat_recovery_may_send(&r, now + 5 * ms / 2));
	lat_recovery_sent(&r, now + 5 * ms / 2, 1000);
	CHECK(!lat_recovery_may_send(&r, now + 5 * ms / 2));
	CHECK_EQ(lat_recovery_pace_at(&r), now + 15 * ms / 2);
	/* Nothing was sent for long: the window begins small again. */
	r.flight_bytes = 0;
	r.cc->ops->acked(r.cc, now, &(struct lat_cc_ack){ .bytes = 90000, .sent_ns = now, .limited = true });
	CHECK(r.cc->window > 50000);
	lat_recovery_sent(&r, now + 10000 * ms, 1000);
	CHECK_EQ(r.cc->window, 10000);
	lat_recovery_fini(&r);
}

TEST_MAIN

/* Which messages are calls, and what their tokens say. */
#include "base/test.h"
#include "fastpath/call_fast.h"
#include "fastpath/link_calls.h"
#include "node/feed.h"

TEST(calls_are_known_by_their_messages)
{
	struct lat_feed f = { .handle = UINT32_MAX };

	CHECK_EQ(lat_feed_taken(&f, 1), 0);
	for (uint64_t seq = 2; seq < 2 + 2 * LAT_FEED_CALLS; seq += 2)
		CHECK(lat_feed_put(&f, seq, seq / 2));
	CHECK(!lat_feed_put(&f, 1000, 1000));
	for (uint64_t seq = 1; seq < 2 + 2 * LAT_FEED_CALLS; seq++) {
		uint64_t token = lat_feed_taken(&f, seq);

		CHECK_EQ(token != 0, seq % 2 == 0);
		if (token == 0)
			continue;
		CHECK(lat_feed_is_call(token) && !lat_link_is_call(token));
		CHECK_EQ(lat_feed_handle(token), UINT32_MAX);
		CHECK_EQ(lat_feed_call(token, LAT_FEED_CALLS), seq / 2);
	}
	CHECK_EQ(lat_feed_taken(&f, 1000), 0);
}

TEST(what_was_not_sent_is_no_call)
{
	struct lat_feed f = { .handle = 5 };

	CHECK(lat_feed_put(&f, 1, 1));
	lat_feed_undo(&f);
	CHECK_EQ(lat_feed_taken(&f, 1), 0);
	CHECK(lat_feed_put(&f, 2, 2));
	CHECK_EQ(lat_feed_call(lat_feed_taken(&f, 2), 2), 2);
}

TEST(numbers_go_on_above_what_a_token_holds)
{
	const uint64_t far = UINT64_C(5) << 30;
	struct lat_feed f = { .handle = 7 };
	uint64_t token;

	for (uint64_t call = far - 2; call < far + 2; call++) {
		CHECK(lat_feed_put(&f, call, call));
		token = lat_feed_taken(&f, call);
		CHECK_EQ(lat_feed_handle(token), 7);
		for (uint64_t last = call; last < call + 1024; last++)
			CHECK_EQ(lat_feed_call(token, last), call);
	}
}

TEST_MAIN

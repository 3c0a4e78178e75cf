/* Memory that a channel's sender adds to a link, and gives back. */
#include <pthread.h>
#include <sys/stat.h>

#include "fastpath/link_pair_harness.h"
#include "os/clock.h"

static void may_pass(bool may)
{
	atomic_store_explicit(&pass_rc, may ? 0 : -EAGAIN, memory_order_relaxed);
}

static uint64_t extents(struct lat_link *link)
{
	struct lat_link_stats stats;

	lat_link_stats(link, &stats);
	return stats.extents;
}

static int wait_int(struct lat_inbox_info *info)
{
	int n;

	return lat_inbox_recv(inbox, &n, sizeof(n), info,
			      lat_clock_deadline(lat_clock_monotonic_ns(), LAT_NS_PER_MS));
}

static void drain(struct lat_link *link)
{
	struct lat_bell *bell = (struct lat_bell *)link; /* its first member */

	(void)bell->ops->drain(bell);
}

TEST(memory_comes_with_a_burst_and_goes_after_it)
{
	static unsigned char buf[50000];
	struct lat_inbox_info info;
	struct lat_link_out *out;
	struct receiver r;

	pair_open();
	may_pass(true);
	out = chan_opened(&r);
	for (int round = 0; round < 3; round++) {
		int sent = 0;

		for (; extents(a) < 3; sent++) /* L2, L3 and blocks */
			CHECK_EQ(lat_sender_send(lat_link_out_sender(out), sent, buf,
						 sent % 2 == 0 ? 1000 : sizeof(buf), 0),
				 0);
		CHECK_EQ(extents(b), 3);
		for (int i = 0; i < sent; i++) {
			CHECK_EQ(lat_inbox_recv(inbox, buf, sizeof(buf), &info, 0), 0);
			CHECK_EQ(info.type, i);
		}
		CHECK_EQ(wait_int(&info),
			 -ETIMEDOUT); /* going to sleep, b says that it has taken everything */
		drain(a);
		CHECK(extents(a) < 3);
		CHECK_EQ(wait_int(&info), -ETIMEDOUT);
		CHECK_EQ(extents(b), extents(a));
	}
	lat_link_out_end(out, 0);
	lat_link_in_end(r.in);
	CHECK_EQ(r.gone, 1);
	lat_link_out_close(out);
	CHECK_EQ(extents(a), 0);
	CHECK_EQ(extents(b), 0);
	pair_close();
}

TEST(a_peers_extent_is_checked)
{
	enum { BYTES = 64 << 10, TOO_MANY = 128 << 20 };
	static const struct {
		const char *why;
		struct lat_link_extent x;
		size_t count, bytes;
		int seals, want;
	} rows[] = {
		{ "as it should be", { 0, 1, BYTES }, 1, BYTES, SEALS, 0 },
		{ "the same tier before it was used, in its place", { 0, 1, BYTES }, 1, BYTES, SEALS, 0 },
		{ "blocks", { 0, 3, BYTES }, 1, BYTES, SEALS, 0 },
		{ "a channel that is not open", { 5, 1, BYTES }, 1, BYTES, SEALS, 0 },
		{ "no number of a channel", { LAT_LINK_CHANS_MAX, 1, BYTES }, 1, BYTES, SEALS, -EPROTO },
		{ "L1", { 0, 0, BYTES }, 1, BYTES, SEALS, -EPROTO },
		{ "no tier", { 0, 4, BYTES }, 1, BYTES, SEALS, -EPROTO },
		{ "no bytes", { 0, 2, 0 }, 1, BYTES, SEALS, -EPROTO },
		{ "no size of a ring", { 0, 2, BYTES - 4096 }, 1, BYTES - 4096, SEALS, -EPROTO },
		{ "a ring of more slots than there are", { 0, 1, TOO_MANY }, 1, TOO_MANY, SEALS, -EPROTO },
		{ "another size than it says", { 0, 2, BYTES }, 1, BYTES / 2, SEALS, -EPROTO },
		{ "more than a link may have",
		  { 0, 3, LAT_LINK_EXTENT_BYTES_MAX + 4096 },
		  1,
		  BYTES,
		  SEALS,
		  -EPROTO },
		{ "not sealed", { 0, 2, BYTES }, 1, BYTES, 0, -EPERM },
		{ "no descriptor", { 0, 2, BYTES }, 0, 0, 0, -EPROTO },
		{ "two descriptors", { 0, 2, BYTES }, 2, BYTES, SEALS, -EPROTO },
		{ "and all is well after that", { 0, 2, BYTES }, 1, BYTES, SEALS, 0 },
	};
	struct lat_link_out *out;
	struct receiver r;

	pair_open();
	out = chan_opened(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fds[2], before = fds_open(), kept;
		struct stat st;

		for (size_t k = 0; k < rows[i].count; k++)
			fds[k] = segment(rows[i].bytes, rows[i].seals, false);
		kept = rows[i].count > 0 ? dup(fds[0]) : -1;
		CHECK_EQ_ROW(rows[i].why, lat_link_extend(b, &rows[i].x, fds, rows[i].count), rows[i].want);
		if (kept >= 0) { /* who is refused has not had his pages made here */
			CHECK_EQ(fstat(kept, &st), 0);
			CHECK_ROW(rows[i].why, rows[i].want == 0 || st.st_blocks == 0);
			close(kept);
		}
		CHECK_EQ_ROW(rows[i].why, fds_open(), before);
	}
	CHECK_EQ(extents(b), 3);
	CHECK(lat_link_in_close(r.in));
	CHECK_EQ(extents(b), 0);
	lat_link_out_end(out, -EPIPE);
	lat_link_out_close(out);
	pair_close();
}

/* For want of room for it a channel is over, not the link. */
TEST(more_memory_than_a_link_may_have)
{
	const struct lat_link_extent most = { 0, 3, LAT_LINK_EXTENT_BYTES_MAX }, more = { 0, 1, 64 << 10 };
	struct lat_link_out *out;
	struct receiver r;
	int before = fds_open(), fd;

	pair_open();
	out = chan_opened(&r);
	fd = segment(most.bytes, SEALS, false); /* none of its pages are there */
	CHECK_EQ(lat_link_extend(b, &most, &fd, 1), 0);
	CHECK_EQ(r.gone, 0);
	fd = segment(more.bytes, SEALS, false);
	CHECK_EQ(lat_link_extend(b, &more, &fd, 1), 0);
	CHECK_EQ(r.gone, 1);
	CHECK_EQ(r.why, -ENOMEM);
	fd = segment(more.bytes, SEALS, false);
	CHECK_EQ(lat_link_extend(b, &more, &fd, 1), 0); /* of a channel that has ended: dropped */
	CHECK_EQ(extents(b), 0);
	lat_link_out_end(out, -EPIPE);
	lat_link_out_close(out);
	pair_close();
	CHECK_EQ(fds_open(), before);
}

/* More than what is kept of the blocks, so that it is given back; nothing of it is ever sent. */
static void lend_and_discard(struct lat_link_out *out)
{
	struct lat_sender *s = lat_link_out_sender(out);
	struct lat_sender_loan loan;

	CHECK_EQ(lat_sender_loan(s, LAT_TIERS_KEEP_BYTES + 1, &loan, 0), 0);
	lat_sender_discard(s, &loan);
}

TEST(memory_that_was_given_back_before_the_other_side_looked)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	struct receiver r;

	pair_open();
	may_pass(true);
	out = chan_opened(&r);
	CHECK(lat_sender_room_fd(lat_link_out_sender(out)) >= 0); /* it will want to be told of room */
	for (int round = 0; round < 3; round++) {
		lend_and_discard(out);
		CHECK_EQ(extents(a), 1);
		for (int i = 1; i <= 60; i++)
			CHECK_EQ(send_int(out, i), 0);
		CHECK_EQ(lat_sender_flush(lat_link_out_sender(out), 0), -EAGAIN);
		for (int i = 1; i <= 60; i++)
			CHECK_EQ(recv_int(&info), i); /* by L1 alone, so the rest is not looked at */
		drain(a);
		CHECK_EQ(extents(a), 0);
		CHECK_EQ(extents(b), 1); /* the next one takes its place */
	}
	CHECK_EQ(recv_int(&info), -ENOMSG);
	lat_link_out_end(out, 0);
	lat_link_in_end(r.in);
	lat_link_out_close(out);
	CHECK_EQ(extents(b), 0);
	pair_close();
}

/* Block 0 of a channel of its own, taken. */
static struct lat_link_out *lend_and_take(struct receiver *r, struct lat_inbox_hold *hold)
{
	struct lat_link_out *out = chan_opened(r);
	struct lat_sender_loan loan;
	struct lat_inbox_info info;

	CHECK_EQ(lat_sender_loan(lat_link_out_sender(out), 100, &loan, 0), 0);
	CHECK_EQ(lat_sender_publish(lat_link_out_sender(out), 1, &loan, 100, 0), 0);
	CHECK_EQ(lat_inbox_take(inbox, hold, true, &info, 0), 0);
	return out;
}

static uint64_t lent(struct lat_link_out *out)
{
	struct lat_tier_stats tiers[LAT_TIERS];

	lat_sender_tiers(lat_link_out_sender(out), tiers);
	return tiers[LAT_TIER_SPILL].used;
}

/* The number of a channel, and its place in the segments, are the next one's when it has gone. */
TEST(what_is_held_over_the_end_of_a_channel_is_not_the_next_ones)
{
	struct lat_inbox_hold old, hold;
	struct lat_inbox_info info;
	struct lat_link_out *out;
	struct receiver r;
	uint32_t chan;

	pair_open();
	may_pass(true);
	out = lend_and_take(&r, &old);
	chan = lat_link_out_chan(out);
	lat_link_out_end(out, 0);
	lat_link_in_end(r.in);
	CHECK_EQ(r.gone, 1);
	lat_link_out_close(out);
	CHECK_EQ(extents(b), 1); /* it is held */
	out = lend_and_take(&r, &hold);
	CHECK_EQ(lat_link_out_chan(out), chan);
	lat_inbox_release(inbox, &old);
	CHECK_EQ(extents(b), 1);
	CHECK_EQ(lent(out), 128);
	lat_inbox_release(inbox, &hold);
	CHECK_EQ(lent(out), 0);
	CHECK_EQ(recv_int(&info), -ENOMSG);
	CHECK_EQ(send_int(out, 5), 0);
	CHECK_EQ(recv_int(&info), 5);
	lat_link_out_end(out, 0);
	lat_link_in_end(r.in);
	lat_link_out_close(out);
	CHECK_EQ(extents(b), 0);
	pair_close();
}

static void *send_long(void *arg)
{
	static const unsigned char buf[50000];

	return (void *)(intptr_t)lat_sender_send(lat_link_out_sender(arg), 1, buf, sizeof(buf), UINT64_MAX);
}

/* Nothing was sent, so no room will come of itself. */
TEST(who_waits_to_pass_memory_is_told_when_to_try_again)
{
	struct lat_sender_stats stats;
	struct lat_link_out *out;
	struct receiver r;
	pthread_t thread;
	void *rc;

	pair_open();
	may_pass(false);
	out = chan_opened(&r);
	CHECK_EQ(pthread_create(&thread, NULL, send_long, out), 0);
	do
		lat_sender_stats(lat_link_out_sender(out), &stats);
	while (stats.waits == 0);
	may_pass(true);
	lat_link_retry(a);
	pthread_join(thread, &rc);
	CHECK_EQ((intptr_t)rc, 0);
	CHECK_EQ(extents(b), 1);
	lat_link_out_end(out, -EPIPE);
	lat_link_out_close(out);
	pair_close();
}

TEST_MAIN

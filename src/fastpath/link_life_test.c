/* What opens, ends and refuses: both sides of a link in one process, and no thread but this one. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "fastpath/inbox_state.h"
#include "fastpath/link_pair_harness.h"
#include "os/membarrier.h"

/* --- joining ------------------------------------------------------------------------------------------ */

TEST(a_peers_segment_is_checked)
{
	static const struct {
		const char *why;
		size_t count, bytes;
		int seals;
		bool begun;
		int want;
	} rows[] = {
		{ "as it should be", 1, sizeof(struct lat_seg), SEALS, true, 0 },
		{ "none came", 0, 0, 0, false, -EPROTO },
		{ "one too many", 2, sizeof(struct lat_seg), SEALS, true, -EPROTO },
		{ "not sealed", 1, sizeof(struct lat_seg), 0, true, -EPERM },
		{ "could shrink", 1, sizeof(struct lat_seg), F_SEAL_GROW | F_SEAL_FUTURE_WRITE, true,
		  -EPERM },
		{ "could grow", 1, sizeof(struct lat_seg), F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE, true,
		  -EPERM },
		{ "we could write", 1, sizeof(struct lat_seg), F_SEAL_SHRINK | F_SEAL_GROW, true, -EPERM },
		{ "a page short", 1, sizeof(struct lat_seg) - 4096, SEALS, true, -EPROTO },
		{ "a page long", 1, sizeof(struct lat_seg) + 4096, SEALS, true, -EPROTO },
		{ "empty", 1, 0, SEALS, false, -EPROTO },
		{ "of no version", 1, sizeof(struct lat_seg), SEALS, false, -EPROTO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_link_config cfg = { &ops, NULL, -1 };
		int bell[2], fds[2], fd, before = fds_open();
		struct lat_link *link;

		CHECK_EQ(lat_poke_pair(bell), 0);
		cfg.bell_fd = bell[0];
		CHECK_EQ(lat_link_open(&link, &cfg, &fd), 0);
		lat_memfd_close(fd);
		for (size_t k = 0; k < rows[i].count; k++)
			fds[k] = segment(rows[i].bytes, rows[i].seals, rows[i].begun);
		CHECK_EQ_ROW(rows[i].why, lat_link_join(link, fds, rows[i].count), rows[i].want);
		if (rows[i].want == 0) {
			fds[0] = segment(rows[i].bytes, rows[i].seals, true);
			CHECK_EQ(lat_link_join(link, fds, 1), -EBUSY);
		}
		lat_link_close(link);
		lat_poke_close(bell[1]);
		CHECK_EQ_ROW(rows[i].why, fds_open(), before);
	}
}

TEST(a_link_without_a_descriptor_for_its_segment)
{
	struct lat_link_config cfg = { &ops, NULL, -1 };
	struct rlimit was, none;
	struct lat_link *link;
	int bell[2], fd, rc;

	CHECK_EQ(lat_poke_pair(bell), 0);
	cfg.bell_fd = bell[0];
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = was.rlim_max };
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	rc = lat_link_open(&link, &cfg, &fd);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &was), 0); /* before anything may fail */
	CHECK_EQ(rc, -EMFILE);
	CHECK(link == NULL);
	lat_poke_close(bell[0]); /* it is not the link's */
	lat_poke_close(bell[1]);
}

TEST(what_is_no_bell_is_refused)
{
	struct lat_link_config cfg = { &ops, NULL, -1 };
	struct lat_link *link = (struct lat_link *)&cfg;
	int fds[2], fd = -7;

	CHECK_EQ(lat_link_open(&link, &cfg, &fd), -EINVAL);
	CHECK(link == NULL);
	CHECK_EQ(pipe(fds), 0);
	cfg.bell_fd = fds[0];
	CHECK_EQ(lat_link_open(&link, &cfg, &fd), -EINVAL);
	CHECK_EQ(fd, -7);
	CHECK_EQ(close(fds[0]), 0); /* still the caller's */
	close(fds[1]);
	lat_link_close(NULL);
}

/* --- channels ----------------------------------------------------------------------------------------- */

TEST(a_channel_ends_when_what_was_sent_is_received)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	struct receiver r;

	pair_open();
	/* The same number over and over, each time with another amount in the ring. */
	for (int round = 0; round < 100; round++) {
		uint64_t received;

		out = chan_opened(&r);
		CHECK_EQ(lat_link_out_chan(out), 0);
		for (int i = 1; i <= round % 65; i++)
			CHECK_EQ(send_int(out, i), 0);
		if (round % 65 == 64)
			CHECK_EQ(send_int(out, 65), -EAGAIN);
		lat_link_out_end(out, 0);
		lat_link_in_end(r.in);
		CHECK_EQ(lat_sender_sent(lat_link_out_sender(out), &received), round % 65);
		CHECK_EQ(received, 0);
		for (int i = 1; i <= round % 65; i++) {
			CHECK_EQ(r.gone, 0);
			CHECK_EQ(recv_int(&info), i);
			CHECK_EQ(info.from.pid, 7);
			CHECK(info.user == &r);
		}
		CHECK_EQ(recv_int(&info), -ENOMSG);
		CHECK_EQ(r.gone, 1);
		CHECK_EQ(r.why, 0);
		CHECK_EQ(lat_sender_sent(lat_link_out_sender(out), &received), round % 65);
		CHECK_EQ(received, round % 65);
		lat_link_out_close(out);
	}
	pair_close();
}

TEST(what_was_sent_before_the_receiver_looked_is_received)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	struct receiver r;

	pair_open();
	out = chan_opened(&r);
	CHECK_EQ(send_int(out, 5), 0);
	lat_link_in_end(r.in); /* nobody drained the bell */
	CHECK_EQ(recv_int(&info), 5);
	CHECK_EQ(recv_int(&info), -ENOMSG);
	CHECK_EQ(r.gone, 1);
	lat_link_out_close(out);
	pair_close();
}

/* The steps are those of wake_test.c, the announcements those that were made. */
TEST(who_sleeps_makes_nothing_hot)
{
	static const struct {
		const char *why, *steps;
		uint64_t announced;
	} rows[] = {
		{ "sleeping at once never makes hot", "tsrctsrctc", 2 },
		{ "each one is announced to who does not poll", "tsssrrrc", 3 },
		{ "a poll makes hot, and the next are not announced", "srnhsrsrn", 1 },
		{ "sleeping cools", "srnhtcsr", 2 },
		{ "where somebody watches, it is hot from the first on", "fnssrhsrrnc", 2 },
	};

	if (!lat_membarrier_works(LAT_MEMBARRIER_MACHINE))
		TEST_SKIP("membarrier");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = rows[i].why;
		struct lat_link_stats stats;
		struct lat_inbox_info info;
		struct lat_link_out *out;
		struct receiver r;
		int n = 0, got = 0;

		pair_open();
		lat_inbox_tune(inbox, &(struct lat_inbox_tuning){ .wait = LAT_WAIT_PARK });
		out = chan_opened(&r);
		for (const char *step = rows[i].steps; *step != 0; step++) {
			if (*step == 's')
				CHECK_EQ_ROW(why, send_int(out, ++n), 0);
			else if (*step == 'r')
				CHECK_EQ_ROW(why, recv_int(&info), ++got);
			else if (*step == 'n')
				CHECK_EQ_ROW(why, recv_int(&info), -ENOMSG);
			else if (*step == 'f')
				CHECK_ROW(why, lat_inbox_fd(inbox) >= 0);
			else if (*step == 'h' || *step == 'c')
				CHECK_EQ_ROW(why, inbox->hot, *step == 'h');
			else if (*step == 't')
				CHECK_EQ_ROW(why, lat_inbox_recv(inbox, NULL, 0, &info, 1), -ETIMEDOUT);
		}
		lat_link_stats(a, &stats);
		CHECK_EQ_ROW(why, stats.rung, rows[i].announced);
		lat_link_out_end(out, -EPIPE);
		lat_link_out_close(out);
		pair_close();
	}
}

TEST(the_receiver_ends_it)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	struct receiver r;

	pair_open();
	out = chan_opened(&r);
	CHECK_EQ(send_int(out, 5), 0);
	CHECK(lat_link_in_close(r.in));
	CHECK_EQ(r.gone, 0);
	lat_link_out_end(out, -EPIPE);
	CHECK_EQ(send_int(out, 6), -EPIPE);
	lat_link_out_end(out, -EPROTO); /* the first counts */
	CHECK_EQ(send_int(out, 6), -EPIPE);
	CHECK_EQ(recv_int(&info), -ENOMSG);
	lat_link_out_close(out);

	out = chan_opened(&r); /* by closing its inbox */
	lat_inbox_shutdown(inbox);
	CHECK_EQ(r.gone, 1);
	CHECK_EQ(r.why, -ESHUTDOWN);
	lat_link_out_end(out, -EPIPE);
	lat_link_out_close(out);
	pair_close();
}

TEST(what_is_not_admitted_is_not_received)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	struct receiver r;

	pair_open();
	out = chan_opened(&r);
	CHECK_EQ(send_int(out, 5), 0);
	CHECK_EQ(send_int(out, 6), 0);
	lat_link_in_end(r.in);
	CHECK_EQ(recv_int(&info), 5);
	r.admit = -EKEYREVOKED;
	CHECK_EQ(recv_int(&info), -ENOMSG);
	CHECK_EQ(r.why, -EKEYREVOKED);
	lat_link_out_close(out);
	pair_close();
}

TEST(refused_and_never_told)
{
	struct lat_link_out *out, *other;

	pair_open();
	out = out_opened();
	lat_link_out_end(out, -EPIPE); /* before it was accepted */
	lat_link_out_close(out);
	out = out_opened();
	other = out_opened();
	CHECK_EQ(lat_link_out_chan(out), 0);
	CHECK_EQ(lat_link_out_chan(other), 1);
	lat_link_out_end(out, -EACCES);
	lat_link_out_accept(out);
	CHECK_EQ(send_int(out, 1), -EACCES);
	lat_link_out_close(out);
	lat_link_out_close(other);
	lat_link_out_close(NULL);
	pair_close();
}

TEST(numbers_that_a_peer_may_not_name)
{
	struct receiver r, other;

	pair_open();
	CHECK_EQ(receiver_open(&other, LAT_LINK_CHANS_MAX), -EPROTO);
	CHECK_EQ(receiver_open(&other, UINT32_MAX), -EPROTO);
	CHECK_EQ(receiver_open(&r, LAT_LINK_CHANS_MAX - 1), 0);
	CHECK_EQ(receiver_open(&other, LAT_LINK_CHANS_MAX - 1), -EPROTO);
	CHECK(other.in == NULL);
	CHECK(lat_link_in_close(r.in));
	CHECK_EQ(receiver_open(&r, LAT_LINK_CHANS_MAX - 1), 0);
	CHECK(lat_link_in_close(r.in));
	lat_inbox_shutdown(inbox);
	CHECK_EQ(receiver_open(&r, 3), -ESHUTDOWN);
	CHECK(r.in == NULL);
	pair_close();
}

TEST(a_link_that_is_not_joined_or_dead_has_no_channels)
{
	const struct lat_link_out_config cfg = { 0 };
	struct lat_link_config link_cfg = { &ops, NULL, -1 };
	struct lat_link_out *out;
	struct receiver r;
	int bell[2], fd;

	CHECK_EQ(lat_poke_pair(bell), 0);
	link_cfg.bell_fd = bell[0];
	CHECK_EQ(lat_link_open(&a, &link_cfg, &fd), 0);
	CHECK_EQ(lat_link_out_open(&out, a, &cfg), -ENOTCONN);
	CHECK(out == NULL);
	lat_link_close(a);
	lat_poke_close(bell[1]);
	lat_memfd_close(fd);

	pair_open();
	lat_link_dead(a, -EOWNERDEAD);
	lat_link_dead(b, -EOWNERDEAD);
	lat_link_dead(b, -EPROTO); /* the first counts */
	CHECK_EQ(lat_link_out_open(&out, a, &cfg), -EOWNERDEAD);
	CHECK_EQ(receiver_open(&r, 0), -EOWNERDEAD);
	pair_close();
}

TEST(as_many_channels_as_there_may_be)
{
	static struct lat_link_out *outs[LAT_LINK_CHANS_MAX];
	const struct lat_link_out_config cfg = { 0 };
	struct lat_link_out *more;
	struct lat_link_stats stats;

	pair_open();
	for (size_t i = 0; i < LAT_LINK_CHANS_MAX; i++)
		outs[i] = out_opened();
	CHECK_EQ(lat_link_out_open(&more, a, &cfg), -ENOBUFS);
	lat_link_out_close(outs[77]);
	outs[77] = out_opened();
	CHECK_EQ(lat_link_out_chan(outs[77]), 77);
	lat_link_stats(a, &stats);
	CHECK_EQ(stats.outs, LAT_LINK_CHANS_MAX);
	for (size_t i = 0; i < LAT_LINK_CHANS_MAX; i++)
		lat_link_out_close(outs[i]);
	lat_link_stats(a, &stats);
	CHECK_EQ(stats.outs, 0);
	pair_close();
}

/* --- death -------------------------------------------------------------------------------------------- */

static void *wait_for_room(void *arg)
{
	int n = 0;

	return (void *)(intptr_t)lat_sender_send(lat_link_out_sender(arg), 1, &n, sizeof(n), UINT64_MAX);
}

TEST(the_dead_are_drained_and_their_senders_told_at_once)
{
	struct lat_inbox_info info;
	struct lat_sender_stats stats;
	struct lat_link_out *out;
	struct receiver r;
	pthread_t thread;
	void *rc;

	pair_open();
	out = chan_opened(&r);
	for (int i = 1; i <= 64; i++)
		CHECK_EQ(send_int(out, i), 0);
	CHECK_EQ(pthread_create(&thread, NULL, wait_for_room, out), 0);
	do
		lat_sender_stats(lat_link_out_sender(out), &stats);
	while (stats.full == 0);
	lat_link_dead(a, -EOWNERDEAD);
	pthread_join(thread, &rc);
	CHECK_EQ((intptr_t)rc, -EOWNERDEAD);
	CHECK_EQ(send_int(out, 1), -EOWNERDEAD);
	lat_link_dead(b, -EOWNERDEAD);
	CHECK_EQ(r.gone, 0);
	for (int i = 1; i <= 64; i++)
		CHECK_EQ(recv_int(&info), i);
	CHECK_EQ(recv_int(&info), -ENOMSG);
	CHECK_EQ(r.gone, 1);
	CHECK_EQ(r.why, -EOWNERDEAD);
	lat_link_out_close(out);
	pair_close();
}

TEST(one_that_is_dead_and_goes_on_publishing_ends_all_the_same)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	struct receiver r;
	int got = 0;

	pair_open();
	out = chan_opened(&r);
	CHECK_EQ(send_int(out, 1), 0);
	lat_link_dead(b, -EOWNERDEAD);
	while (r.gone == 0 && got <= 1000) {
		CHECK_EQ(send_int(out, 1), 0); /* as what was mapped in a child of his may */
		got += recv_int(&info) == 1;
	}
	CHECK_EQ(got, 64);
	CHECK_EQ(r.why, -EOWNERDEAD);
	lat_link_out_close(out);
	pair_close();
}

TEST(a_link_is_closed_under_its_ends)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	struct receiver r, idle;
	int before = fds_open();

	pair_open();
	out = chan_opened(&r);
	lat_link_out_close(chan_opened(&idle));
	CHECK_EQ(send_int(out, 1), 0);
	lat_link_close(a);
	lat_link_close(b);
	CHECK_EQ(send_int(out, 2), -ESHUTDOWN);
	CHECK_EQ(idle.why, -ESHUTDOWN);
	CHECK_EQ(recv_int(&info), 1);
	CHECK_EQ(recv_int(&info), -ENOMSG);
	CHECK_EQ(r.gone, 1);
	CHECK_EQ(r.why, -ESHUTDOWN);
	lat_link_out_close(out);
	lat_inbox_close(inbox);
	CHECK_EQ(fds_open(), before);
}

TEST_MAIN

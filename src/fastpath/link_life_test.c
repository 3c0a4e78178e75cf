/* What opens, ends and refuses: both sides of a link in one process, and no thread but this one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"
#include "fastpath/link.h"
#include "fastpath/link_seg.h"
#include "os/clock.h"
#include "os/memfd.h"
#include "os/poke.h"

static struct lat_link *a, *b; /* a sends, b receives into inbox */
static struct lat_inbox *inbox;
static int broken;

static int pass_rc = -EAGAIN; /* 0: what a adds is passed to b */

static int pass_extend(void *user, const struct lat_link_extent *x, int fd)
{
	int copy;

	(void)user;
	if (pass_rc < 0)
		return pass_rc;
	copy = dup(fd);
	return lat_link_extend(b, x, &copy, 1);
}

static void is_broken(void *user, int why)
{
	(void)user;
	broken = why;
}

static const struct lat_link_ops ops = { pass_extend, is_broken };

static void pair_open(void)
{
	struct lat_link_config cfg = { &ops, NULL, -1 };
	int bell[2], fd_a, fd_b;

	CHECK_EQ(lat_poke_pair(bell), 0);
	cfg.bell_fd = bell[0];
	CHECK_EQ(lat_link_open(&a, &cfg, &fd_a), 0);
	cfg.bell_fd = bell[1];
	CHECK_EQ(lat_link_open(&b, &cfg, &fd_b), 0);
	CHECK_EQ(lat_link_join(a, &fd_b, 1), 0);
	CHECK_EQ(lat_link_join(b, &fd_a, 1), 0);
	CHECK_EQ(lat_inbox_open(&inbox), 0);
}

static void pair_close(void)
{
	lat_inbox_close(inbox);
	lat_link_close(a);
	lat_link_close(b);
}

static int fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* --- joining ------------------------------------------------------------------------------------------ */

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE };

static int segment(size_t bytes, int seals, bool begun)
{
	int fd = memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int own_fd;

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
	if (begun) { /* with what a real one begins with */
		struct lat_seg *seg;

		CHECK_EQ(lat_seg_open(&seg, 0, &own_fd), 0);
		CHECK_EQ(pwrite(fd, seg, 4096, 0), 4096);
		lat_seg_close(seg);
		lat_memfd_close(own_fd);
	}
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

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

struct receiver {
	struct lat_link_in *in;
	int gone; /* times */
	int why;
	bool close; /* at gone, as one does */
	int admit;
};

static void receiver_gone(void *user, int why)
{
	struct receiver *r = user;

	r->gone++;
	r->why = why;
	if (r->close) {
		CHECK(!lat_link_in_close(r->in));
		r->in = NULL;
	}
}

static int receiver_admit(void *user)
{
	return ((struct receiver *)user)->admit;
}

static int receiver_open(struct receiver *r, uint32_t chan)
{
	const struct lat_link_in_config cfg = {
		.user = r, .from = { .pid = 7 }, .gone = receiver_gone, .admit = receiver_admit
	};

	*r = (struct receiver){ .close = true };
	return lat_link_in_open(&r->in, b, chan, inbox, &cfg);
}

static struct lat_link_out *out_opened(void)
{
	const struct lat_link_out_config cfg = { 0 };
	struct lat_link_out *out;

	CHECK_EQ(lat_link_out_open(&out, a, &cfg), 0);
	return out;
}

static struct lat_link_out *chan_opened(struct receiver *r)
{
	struct lat_link_out *out = out_opened();

	CHECK_EQ(receiver_open(r, lat_link_out_chan(out)), 0);
	lat_link_out_accept(out);
	return out;
}

static int send_int(struct lat_link_out *out, int n)
{
	return lat_sender_send(lat_link_out_sender(out), 1, &n, sizeof(n), 0);
}

static int recv_int(struct lat_inbox_info *info)
{
	int n = 0;
	int rc = lat_inbox_recv(inbox, &n, sizeof(n), info, 0);

	return rc < 0 ? rc : n;
}

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

/* --- extents ------------------------------------------------------------------------------------------ */

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
	pass_rc = 0;
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
	pass_rc = -EAGAIN;
	pair_close();
}

TEST(a_peers_extent_is_checked)
{
	enum { BYTES = 64 << 10 };
	static const struct {
		const char *why;
		struct lat_link_extent x;
		size_t count, bytes;
		int seals, want;
	} rows[] = {
		{ "as it should be", { 0, 1, BYTES }, 1, BYTES, SEALS, 0 },
		{ "the same tier before it was used", { 0, 1, BYTES }, 1, BYTES, SEALS, -EPROTO },
		{ "blocks", { 0, 3, BYTES }, 1, BYTES, SEALS, 0 },
		{ "a channel that is not open", { 5, 1, BYTES }, 1, BYTES, SEALS, 0 },
		{ "no number of a channel", { LAT_LINK_CHANS_MAX, 1, BYTES }, 1, BYTES, SEALS, -EPROTO },
		{ "L1", { 0, 0, BYTES }, 1, BYTES, SEALS, -EPROTO },
		{ "no tier", { 0, 4, BYTES }, 1, BYTES, SEALS, -EPROTO },
		{ "no bytes", { 0, 2, 0 }, 1, BYTES, SEALS, -EPROTO },
		{ "no size of a ring", { 0, 2, BYTES - 4096 }, 1, BYTES - 4096, SEALS, -EPROTO },
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
		int fds[2], before = fds_open();

		for (size_t k = 0; k < rows[i].count; k++)
			fds[k] = segment(rows[i].bytes, rows[i].seals, false);
		CHECK_EQ_ROW(rows[i].why, lat_link_extend(b, &rows[i].x, fds, rows[i].count), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, fds_open(), before);
	}
	CHECK_EQ(extents(b), 3);
	CHECK(lat_link_in_close(r.in));
	CHECK_EQ(extents(b), 0);
	lat_link_out_end(out, -EPIPE);
	lat_link_out_close(out);
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

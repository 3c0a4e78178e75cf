/* Calls over a link whose two sides are this process: what each makes of what the other writes. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/test.h"
#include "fastpath/link_calls.h"
#include "fastpath/link_impl.h"
#include "os/clock.h"
#include "os/memfd.h"
#include "os/poke.h"

enum { CAP = 100 };

/* a calls, b answers. */
static struct {
	struct lat_link *a, *b;
	struct lat_inbox *inbox;
	struct lat_link_out *out;
	struct lat_link_in *in;
} t;

static int no_extend(void *user, const struct lat_link_extent *x, int fd)
{
	(void)user;
	(void)x;
	(void)fd;
	return -EPIPE;
}

static int pass_replies(void *user, uint32_t chan, uint64_t bytes, int fd)
{
	(void)user;
	(void)chan;
	(void)bytes;
	(void)fd;
	return 0; /* it does not arrive, or not yet */
}

static void not_broken(void *user, int why)
{
	(void)user;
	(void)why;
}

static int gone;

static void is_gone(void *user, int why)
{
	(void)user;
	gone = why;
}

static const struct lat_link_ops ops = { .extend = no_extend, .replies = pass_replies, .broken = not_broken };

static void open_channel_for(bool no_calls, bool only_calls)
{
	const struct lat_link_in_config in = { .gone = is_gone,
					       .no_calls = no_calls,
					       .only_calls = only_calls };

	gone = 1;
	CHECK_EQ(lat_link_out_open(&t.out, t.a, &(struct lat_link_out_config){ .len_max = CAP }), 0);
	CHECK_EQ(lat_link_in_open(&t.in, t.b, lat_link_out_chan(t.out), t.inbox, &in), 0);
	lat_link_out_accept(t.out);
}

static void open_channel(void)
{
	open_channel_for(false, false);
}

static void close_channel(void)
{
	lat_link_out_end(t.out, 0);
	(void)lat_link_in_close(t.in);
	lat_link_out_close(t.out);
}

static void open_link(void)
{
	struct lat_link_config cfg = { &ops, NULL, -1 };
	int bell[2], fd_a, fd_b;

	CHECK_EQ(lat_poke_pair(bell), 0);
	cfg.bell_fd = bell[0];
	CHECK_EQ(lat_link_open(&t.a, &cfg, &fd_a), 0);
	cfg.bell_fd = bell[1];
	CHECK_EQ(lat_link_open(&t.b, &cfg, &fd_b), 0);
	CHECK_EQ(lat_link_join(t.a, &fd_b, 1), 0);
	CHECK_EQ(lat_link_join(t.b, &fd_a, 1), 0);
	CHECK_EQ(lat_inbox_open(&t.inbox), 0);
	open_channel();
}

static void close_link(void)
{
	close_channel();
	lat_inbox_close(t.inbox);
	lat_link_close(t.a);
	lat_link_close(t.b);
}

static struct asked {
	uint64_t deadline_ns;
	size_t cap;
	unsigned char buf[CAP];
	struct lat_call call;
	int rc;
} asked;

static void *ask(void *arg)
{
	struct asked *a = arg;

	a->call = (struct lat_call){ .type = 1, .data = "q", .len = 1, .buf = a->buf, .cap = a->cap };
	a->rc = lat_link_call(t.out, &a->call, a->deadline_ns);
	return NULL;
}

static uint64_t take(void)
{
	struct lat_inbox_info info;
	char buf[CAP];

	CHECK_EQ(lat_inbox_recv(t.inbox, buf, sizeof(buf), &info, UINT64_MAX), 0);
	CHECK(info.call != 0);
	return info.call;
}

/* A memfd like those that a peer gives; sealed as said. */
static int memory(uint64_t bytes, bool sealed)
{
	void *map;
	int fd;

	if (sealed) {
		CHECK_EQ(lat_memfd_create(&fd, &map, bytes, "test"), 0);
		memset(map, 'x', CAP);
		lat_memfd_unmap(map, bytes);
		return fd;
	}
	fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static uint64_t soon(void)
{
	return lat_clock_deadline(lat_clock_monotonic_ns(), 20 * LAT_NS_PER_MS);
}

TEST(what_a_line_says_is_checked)
{
	enum { NONE, GIVEN, NO_ROOM };
	static const struct {
		const char *why;
		uint32_t behind; /* the number in the line is so many calls behind */
		uint32_t len, where, at;
		int memory;
		size_t cap;
		int want;
	} rows[] = {
		{ "nothing", 0, 0, LAT_SEG_HERE, 0, NONE, CAP, 0 },
		{ "a line full", 0, 48, LAT_SEG_HERE, 0, NONE, CAP, 0 },
		{ "as much as there is room", 0, 48, LAT_SEG_HERE, 0, NONE, 48, 0 },
		{ "more than there is room", 0, 48, LAT_SEG_HERE, 0, NONE, 47, -EMSGSIZE },
		{ "more than a line", 0, 49, LAT_SEG_HERE, 0, NONE, CAP, -EPROTO },
		{ "very much", 0, UINT32_MAX, LAT_SEG_HERE, 0, NONE, CAP, -EMSGSIZE },
		{ "lost", 0, 49, LAT_SEG_LOST, 0, NONE, CAP, -ENOMEM },
		{ "lost, and too long", 0, CAP + 1, LAT_SEG_LOST, 0, NONE, CAP, -EMSGSIZE },
		{ "none, for a reason that there is", 0, 0, LAT_SEG_FAILED, 0, NONE, CAP, -EPROTO },
		{ "nowhere", 0, 10, LAT_SEG_FAILED + 1, 0, NONE, CAP, -EPROTO },
		{ "in memory that has not come", 0, 49, LAT_SEG_IN_BLOCK, 0, NONE, CAP, -ETIMEDOUT },
		{ "in memory", 0, 49, LAT_SEG_IN_BLOCK, 0, GIVEN, CAP, 0 },
		{ "in memory for which there is no room", 0, 49, LAT_SEG_IN_BLOCK, 0, NO_ROOM, CAP, -ENOMEM },
		{ "at its end", 0, 64, LAT_SEG_IN_BLOCK, LAT_LINK_REPLIES_BYTES - 64, GIVEN, CAP, 0 },
		{ "over its end", 0, 64, LAT_SEG_IN_BLOCK, LAT_LINK_REPLIES_BYTES - 63, GIVEN, CAP, -EPROTO },
		{ "far over its end", 0, 64, LAT_SEG_IN_BLOCK, UINT32_MAX - 10, GIVEN, CAP, -EPROTO },
		{ "for another call", 1, 0, LAT_SEG_HERE, 0, NONE, CAP, -ETIMEDOUT },
		{ "for the call of that place before", LAT_SEG_CALLS, 0, LAT_SEG_HERE, 0, NONE, CAP,
		  -ETIMEDOUT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_seg_reply *line;
		pthread_t thread;
		int fd;

		open_link();
		asked = (struct asked){ .cap = rows[i].cap,
					.deadline_ns = rows[i].want == -ETIMEDOUT ? soon() : UINT64_MAX };
		CHECK_EQ(pthread_create(&thread, NULL, ask, &asked), 0);
		(void)take();
		if (rows[i].memory == NO_ROOM)
			CHECK_EQ(lat_link_extents_add(&t.a->mapped, LAT_LINK_EXTENT_BYTES_MAX), 0);
		if (rows[i].memory != NONE) {
			fd = memory(LAT_LINK_REPLIES_BYTES, true);
			CHECK_EQ(lat_link_replies(t.a, lat_link_out_chan(t.out), LAT_LINK_REPLIES_BYTES, &fd,
						  1),
				 0);
		}
		line = &t.b->own->replies[lat_link_out_chan(t.out)][1];
		atomic_store_explicit(&line->len, rows[i].len, memory_order_relaxed);
		atomic_store_explicit(&line->where, rows[i].where, memory_order_relaxed);
		atomic_store_explicit(&line->at, rows[i].at, memory_order_relaxed);
		atomic_store_explicit(&line->number, 1 - rows[i].behind, memory_order_seq_cst);
		lat_doorbell_ring(&t.b->doorbell, LAT_DOORBELL_ROOM, lat_link_out_chan(t.out));
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ_ROW(rows[i].why, asked.rc, rows[i].want);
		if (rows[i].memory == NO_ROOM)
			lat_link_extents_remove(&t.a->mapped, LAT_LINK_EXTENT_BYTES_MAX);
		if (rows[i].want == 0)
			CHECK_EQ_ROW(rows[i].why, asked.call.reply_len, rows[i].len);
		if (rows[i].want == 0 && rows[i].memory && rows[i].at == 0)
			CHECK_EQ_ROW(rows[i].why, asked.buf[48], 'x');
		close_link();
	}
}

TEST(memory_for_replies_is_checked)
{
	static const struct {
		const char *why;
		uint32_t chan;
		uint64_t said, bytes;
		bool sealed;
		size_t count;
		int want;
	} rows[] = {
		{ "as it should be", 0, LAT_LINK_REPLIES_BYTES, LAT_LINK_REPLIES_BYTES, true, 1, 0 },
		{ "none", 0, LAT_LINK_REPLIES_BYTES, 0, true, 0, -EPROTO },
		{ "a channel that is none", LAT_LINK_CHANS_MAX, LAT_LINK_REPLIES_BYTES,
		  LAT_LINK_REPLIES_BYTES, true, 1, -EPROTO },
		{ "one that has ended", 1, LAT_LINK_REPLIES_BYTES, LAT_LINK_REPLIES_BYTES, true, 1, 0 },
		{ "less", 0, 4096, 4096, true, 1, -EPROTO },
		{ "less than it says", 0, LAT_LINK_REPLIES_BYTES, 4096, true, 1, -EPROTO },
		{ "not sealed", 0, LAT_LINK_REPLIES_BYTES, LAT_LINK_REPLIES_BYTES, false, 1, -EPERM },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		pthread_t thread;
		int fd = -1;

		open_link();
		asked = (struct asked){ .cap = CAP, .deadline_ns = UINT64_MAX };
		CHECK_EQ(pthread_create(&thread, NULL, ask, &asked), 0);
		CHECK_EQ(lat_inbox_reply(t.inbox, take(), 1, "r", 1), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		if (rows[i].count > 0)
			fd = memory(rows[i].bytes, rows[i].sealed);
		CHECK_EQ_ROW(rows[i].why,
			     lat_link_replies(t.a, rows[i].chan, rows[i].said, &fd, rows[i].count),
			     rows[i].want);
		if (rows[i].want == 0 && rows[i].chan == 0) {
			fd = memory(LAT_LINK_REPLIES_BYTES, true);
			CHECK_EQ_ROW("a second time", lat_link_replies(t.a, 0, rows[i].said, &fd, 1),
				     -EPROTO);
		}
		close_link();
	}
}

TEST(a_place_is_used_again_when_its_call_has_an_end)
{
	struct lat_call call = { .data = "q", .len = 1 };
	pthread_t thread;
	uint64_t first;

	open_link();
	asked = (struct asked){ .cap = CAP, .deadline_ns = UINT64_MAX };
	CHECK_EQ(pthread_create(&thread, NULL, ask, &asked), 0);
	first = take();
	for (uint32_t i = 1; i < LAT_SEG_CALLS; i++) {
		CHECK_EQ(lat_link_call(t.out, &call, 0), -EAGAIN); /* which is given up at once */
		CHECK_EQ(lat_inbox_reply(t.inbox, take(), 1, NULL, 0), -EALREADY);
	}
	CHECK_EQ(lat_link_call(t.out, &call, 0), -ENOBUFS);
	CHECK_EQ(lat_inbox_reply(t.inbox, first, 1, "r", 1), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(asked.rc, 0);
	CHECK_EQ(lat_link_call(t.out, &call, 0), -EAGAIN);
	CHECK_EQ(lat_inbox_reply(t.inbox, first, 1, "r", 1), -EALREADY);
	(void)take();
	close_link();
}

TEST(tokens_are_checked)
{
	struct lat_inbox *another;
	pthread_t thread;
	uint64_t token;

	CHECK_EQ(lat_inbox_open(&another), 0);
	open_link();
	asked = (struct asked){ .cap = CAP, .deadline_ns = UINT64_MAX };
	CHECK_EQ(pthread_create(&thread, NULL, ask, &asked), 0);
	token = take();
	CHECK_EQ(lat_inbox_reply(another, token, 1, NULL, 0), -EINVAL);
	CHECK_EQ(lat_inbox_reply(t.inbox, token + (UINT64_C(1) << 32), 1, NULL, 0), -EINVAL);
	CHECK_EQ(lat_inbox_reply(t.inbox, token + 1, 1, NULL, 0), -EALREADY);
	CHECK_EQ(lat_inbox_reply(t.inbox, UINT64_C(1) << 63, 1, NULL, 0), -EINVAL);
	CHECK_EQ(lat_inbox_reply(t.inbox, token, 1, NULL, 0), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(asked.rc, 0);

	/* The channel that has its number after it is another. */
	asked = (struct asked){ .cap = CAP, .deadline_ns = soon() };
	CHECK_EQ(pthread_create(&thread, NULL, ask, &asked), 0);
	token = take();
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(asked.rc, -ETIMEDOUT);
	close_channel();
	open_channel();
	CHECK_EQ(lat_link_out_chan(t.out), 0);
	CHECK_EQ(lat_inbox_reply(t.inbox, token, 1, NULL, 0), -EALREADY);
	asked = (struct asked){ .cap = CAP, .deadline_ns = UINT64_MAX };
	CHECK_EQ(pthread_create(&thread, NULL, ask, &asked), 0);
	CHECK_EQ(lat_inbox_reply(t.inbox, take(), 1, "new", 3), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(asked.rc, 0);
	CHECK_EQ(asked.call.reply_len, 3);
	close_link();
	lat_inbox_close(another);
}

TEST(a_death_is_told)
{
	pthread_t thread;

	open_link();
	asked = (struct asked){ .cap = CAP, .deadline_ns = UINT64_MAX };
	CHECK_EQ(pthread_create(&thread, NULL, ask, &asked), 0);
	(void)take();
	lat_link_dead(t.a, -EOWNERDEAD);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(asked.rc, -EOWNERDEAD);
	close_link();
}

/* The sender's process may do as it likes: it is the receiver who holds it to its right. */
TEST(who_may_only_send_or_only_call)
{
	static const struct {
		const char *why;
		bool no_calls, only_calls, asks;
		int recv, gone; /* gone 1: it goes on */
		bool call;
	} rows[] = {
		{ "both: a message", false, false, false, 0, 1, false },
		{ "both: a call", false, false, true, 0, 1, true },
		{ "only messages: a message", true, false, false, 0, 1, false },
		{ "only messages: a call is one", true, false, true, 0, 1, false },
		{ "only calls: a message", false, true, false, -ENOMSG, -EACCES, false },
		{ "only calls: a call", false, true, true, 0, 1, true },
	};

	open_link();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct asked a = { .deadline_ns = lat_clock_monotonic_ns() + 1, .cap = CAP };
		struct lat_inbox_info info;
		char buf[CAP];

		close_channel();
		open_channel_for(rows[i].no_calls, rows[i].only_calls);
		for (int n = 0; n < 3 && gone == 1; n++) {
			if (rows[i].asks) { /* nobody answers */
				(void)ask(&a);
				CHECK_EQ_ROW(rows[i].why, a.rc, -ETIMEDOUT);
			} else {
				CHECK_EQ_ROW(rows[i].why,
					     lat_sender_send(lat_link_out_sender(t.out), 1, "m", 1, 0), 0);
			}
			CHECK_EQ_ROW(rows[i].why, lat_inbox_recv(t.inbox, buf, sizeof(buf), &info, 0),
				     rows[i].recv);
			if (rows[i].recv == 0)
				CHECK_EQ_ROW(rows[i].why, info.call != 0, rows[i].call);
		}
		CHECK_EQ_ROW(rows[i].why, gone, rows[i].gone);
	}
	close_link();
}

TEST_MAIN

/* Channels in one process: limits, waiting for room, ends, and many threads at once. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/test.h"
#include "fastpath/channel.h"
#include "fastpath/wait.h"
#include "os/clock.h"
#include "os/poll.h"

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return lat_poll_until(&p, 1, 0) == 1;
}

static void open_pair(struct lat_inbox **inbox, struct lat_chan **ch, uint32_t slots)
{
	const struct lat_tiers_sizes sizes = { .slots = { slots } };
	struct lat_chan_config cfg = { .sizes = &sizes, .user = inbox, .from = { .pid = 3, .badge = 5 } };

	CHECK_EQ(lat_inbox_open(inbox), 0);
	CHECK_EQ(lat_chan_open(ch, *inbox, &cfg), 0);
}

static int recv_one(struct lat_inbox *inbox, struct lat_inbox_info *info)
{
	unsigned char buf[128];

	return lat_inbox_recv(inbox, buf, sizeof(buf), info, 0);
}

TEST(configurations)
{
	static const struct {
		const char *why;
		uint32_t slots, len_max;
		int want;
	} rows[] = {
		{ "L1 of the usual size", 0, 0, 0 },
		{ "the least", LAT_RING_SLOTS_MIN, 0, 0 },
		{ "not a power of two", 100, 0, -EINVAL },
		{ "too few", 4, 0, -EINVAL },
		{ "all that L1 carries", 8, 48 + 7 * 60, 0 },
		{ "more than L1 carries", 8, 48 + 7 * 60 + 1, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct lat_tiers_sizes sizes = { .slots = { rows[i].slots } };
		struct lat_chan_config cfg = { .sizes = &sizes, .len_max = rows[i].len_max };
		struct lat_inbox *inbox;
		struct lat_chan *ch;

		CHECK_EQ(lat_inbox_open(&inbox), 0);
		CHECK_EQ_ROW(rows[i].why, lat_chan_open(&ch, inbox, &cfg), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, ch != NULL, rows[i].want == 0);
		lat_chan_close(ch);
		lat_inbox_close(inbox);
	}
}

TEST(lengths)
{
	static const struct {
		const char *why;
		uint32_t slots, len_max, len;
		int want;
	} rows[] = {
		{ "empty", 8, 0, 0, 0 },
		{ "L1's longest", 8, 0, 48 + 7 * 60, 0 },
		{ "over it", 8, 0, 48 + 7 * 60 + 1, -EMSGSIZE },
		{ "the channel's longest", 8, 100, 100, 0 },
		{ "over it", 8, 100, 101, -EMSGSIZE },
		{ "1 MiB by default", 0, 0, 1 << 20, 0 },
	};
	static unsigned char out[1 << 20], in[1 << 20];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 13 + (i >> 9));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct lat_tiers_sizes sizes = { .slots = { rows[i].slots } };
		struct lat_chan_config cfg = { .sizes = rows[i].len > 1000 ? NULL : &sizes,
					       .len_max = rows[i].len_max };
		struct lat_inbox_info info;
		struct lat_inbox *inbox;
		struct lat_chan *ch;

		CHECK_EQ(lat_inbox_open(&inbox), 0);
		CHECK_EQ(lat_chan_open(&ch, inbox, &cfg), 0);
		CHECK_EQ_ROW(rows[i].why, lat_chan_send(ch, 4, out, rows[i].len, 0), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, lat_inbox_recv(inbox, in, sizeof(in), &info, 0),
			     rows[i].want == 0 ? 0 : -ENOMSG);
		if (rows[i].want == 0) {
			CHECK_EQ_ROW(rows[i].why, info.len, rows[i].len);
			CHECK_EQ_ROW(rows[i].why, info.type, 4);
			CHECK_MEM_ROW(rows[i].why, in, out, rows[i].len);
		}
		lat_chan_close(ch);
		lat_inbox_close(inbox);
	}
}

TEST(no_room)
{
	struct lat_chan_stats stats;
	struct lat_inbox_info info;
	struct lat_inbox *inbox;
	struct lat_chan *ch;
	uint64_t received;

	open_pair(&inbox, &ch, 8);
	for (uint32_t i = 0; i < 8; i++)
		CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 0), 0);
	CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 0), -EAGAIN);
	CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 1), -ETIMEDOUT);
	CHECK_EQ(lat_chan_send(ch, 0, "x", 1, lat_clock_monotonic_ns() + 1000000), -ETIMEDOUT);
	CHECK_EQ(lat_chan_flush(ch, 0), -EAGAIN);
	CHECK_EQ(lat_chan_flush(ch, 1), -ETIMEDOUT);
	CHECK_EQ(recv_one(inbox, &info), 0);
	CHECK_EQ(info.from.pid, 3);
	CHECK_EQ(info.from.badge, 5);
	CHECK(info.user == &inbox);
	CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 0), 0);
	for (uint32_t i = 0; i < 8; i++)
		CHECK_EQ(recv_one(inbox, &info), 0);
	CHECK_EQ(info.seq, 9);
	CHECK_EQ(lat_chan_flush(ch, 0), 0);
	CHECK_EQ(lat_chan_sent(ch, &received), 9);
	CHECK_EQ(received, 9);
	lat_chan_stats(ch, &stats);
	CHECK_EQ(stats.sent, 9);
	CHECK_EQ(stats.sent_bytes, 9);
	CHECK_EQ(stats.received, 9);
	CHECK_EQ(stats.received_bytes, 9);
	CHECK_EQ(stats.full, 3);
	CHECK_EQ(stats.lock_wrong, 0);
	lat_chan_close(ch);
	lat_inbox_close(inbox);
}

TEST(room_is_pollable)
{
	struct lat_inbox_info info;
	struct lat_inbox *inbox;
	struct lat_chan *ch;
	int fd;

	open_pair(&inbox, &ch, 8);
	fd = lat_chan_room_fd(ch);
	CHECK(fd >= 0);
	CHECK(readable(fd));
	for (uint32_t i = 0; i < 8; i++)
		CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 0), 0);
	CHECK(readable(fd)); /* no send has failed yet */
	CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 0), -EAGAIN);
	CHECK(!readable(fd));
	CHECK_EQ(recv_one(inbox, &info), 0);
	CHECK(readable(fd));
	CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 0), 0);
	CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 0), -EAGAIN);
	CHECK(!readable(fd));
	lat_inbox_close(inbox);
	CHECK(readable(fd));
	CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 0), -EPIPE);
	CHECK(readable(fd));
	lat_chan_close(ch);
}

TEST(ends)
{
	struct lat_inbox_info info;
	struct lat_inbox *inbox;
	struct lat_chan *ch;
	uint64_t received;

	/* The sender goes first: what it sent is received. */
	open_pair(&inbox, &ch, 8);
	CHECK_EQ(lat_chan_send(ch, 1, "a", 1, 0), 0);
	CHECK_EQ(lat_chan_send(ch, 2, "b", 1, 0), 0);
	lat_chan_close(ch);
	CHECK_EQ(recv_one(inbox, &info), 0);
	CHECK_EQ(info.type, 1);
	CHECK_EQ(recv_one(inbox, &info), 0);
	CHECK_EQ(info.type, 2);
	CHECK_EQ(recv_one(inbox, &info), -ENOMSG);
	lat_inbox_close(inbox);

	/* The sender goes first, nobody receives. */
	open_pair(&inbox, &ch, 8);
	CHECK_EQ(lat_chan_send(ch, 1, "a", 1, 0), 0);
	lat_chan_close(ch);
	lat_inbox_close(inbox);

	/* The receiver goes first: the sender is told, and how far it came. */
	open_pair(&inbox, &ch, 8);
	CHECK_EQ(lat_chan_send(ch, 1, "a", 1, 0), 0);
	CHECK_EQ(lat_chan_send(ch, 2, "b", 1, 0), 0);
	CHECK_EQ(recv_one(inbox, &info), 0);
	lat_inbox_close(inbox);
	CHECK_EQ(lat_chan_send(ch, 3, "c", 1, 0), -EPIPE);
	CHECK_EQ(lat_chan_flush(ch, UINT64_MAX), -EPIPE);
	CHECK_EQ(lat_chan_sent(ch, &received), 2);
	CHECK_EQ(received, 1);
	lat_chan_close(ch);
	lat_chan_close(NULL);
}

static int refuse(void *user)
{
	return *(int *)user;
}

static void count_freed(void *user)
{
	++*(int *)user;
}

TEST(the_owner_is_told_when_the_memory_goes)
{
	struct lat_inbox *inbox;
	struct lat_inbox_info info;
	struct lat_chan *ch;
	int freed = 0;
	struct lat_chan_config cfg = { .sizes = &(struct lat_tiers_sizes){ .slots = { 8 } },
				       .user = &freed,
				       .freed = count_freed };

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	CHECK_EQ(lat_chan_open(&ch, inbox, &cfg), 0);
	lat_chan_close(ch);
	CHECK_EQ(freed, 1); /* it was empty */

	CHECK_EQ(lat_chan_open(&ch, inbox, &cfg), 0);
	CHECK_EQ(lat_chan_send(ch, 1, "x", 1, 0), 0);
	lat_chan_close(ch);
	CHECK_EQ(freed, 1); /* a message is still there */
	CHECK_EQ(recv_one(inbox, &info), 0);
	CHECK_EQ(freed, 2); /* that was the last */
	CHECK_EQ(recv_one(inbox, &info), -ENOMSG);

	CHECK_EQ(lat_chan_open(&ch, inbox, &cfg), 0);
	lat_inbox_shutdown(inbox);
	CHECK_EQ(freed, 2);
	lat_chan_close(ch);
	CHECK_EQ(freed, 3);
	CHECK_EQ(lat_chan_open(&ch, inbox, &cfg), -ESHUTDOWN); /* and not of what was never opened */
	CHECK_EQ(freed, 3);
	lat_inbox_close(inbox);
}

TEST(refused_by_the_receiver)
{
	int verdict = 0;
	struct lat_chan_config cfg = { .sizes = &(struct lat_tiers_sizes){ .slots = { 8 } },
				       .user = &verdict,
				       .admit = refuse };
	struct lat_inbox_info info;
	struct lat_inbox *inbox;
	struct lat_chan *ch;
	uint64_t received;

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	CHECK_EQ(lat_chan_open(&ch, inbox, &cfg), 0);
	CHECK_EQ(lat_chan_send(ch, 1, "a", 1, 0), 0);
	CHECK_EQ(lat_chan_send(ch, 2, "b", 1, 0), 0);
	CHECK_EQ(recv_one(inbox, &info), 0);
	verdict = -EKEYREVOKED;
	CHECK_EQ(recv_one(inbox, &info), -ENOMSG);
	CHECK_EQ(lat_chan_send(ch, 3, "c", 1, 0), -EKEYREVOKED);
	CHECK_EQ(lat_chan_sent(ch, &received), 2);
	CHECK_EQ(received, 1);
	lat_chan_close(ch);
	lat_inbox_close(inbox);
}

/* --- senders that sleep ------------------------------------------------------------------------- */

struct sleeper {
	struct lat_chan *ch;
	bool flush;
	int asleep[2];
	pthread_t thread;
	int rc;
};

static int tell_and_sleep(void *ctx, int fd, short events, uint64_t deadline_ns)
{
	struct sleeper *s = ctx;
	struct pollfd p = { .fd = fd, .events = events };
	int rc;

	if (write(s->asleep[1], "z", 1) != 1)
		return -EIO;
	rc = lat_poll_until(&p, 1, deadline_ns);
	return rc < 0 ? rc : 0;
}

static void *sleep_in_send(void *arg)
{
	struct sleeper *s = arg;
	struct lattice_sched_hook hook = { .ctx = s, .wait = tell_and_sleep };

	lat_wait_hook_set(&hook);
	s->rc = s->flush ? lat_chan_flush(s->ch, UINT64_MAX) : lat_chan_send(s->ch, 9, "s", 1, UINT64_MAX);
	lat_wait_hook_set(NULL);
	return NULL;
}

static void sleeper_start(struct sleeper *s, struct lat_chan *ch, bool flush)
{
	char c;

	*s = (struct sleeper){ .ch = ch, .flush = flush, .rc = 1 };
	CHECK_EQ(pipe(s->asleep), 0);
	CHECK_EQ(pthread_create(&s->thread, NULL, sleep_in_send, s), 0);
	CHECK_EQ(read(s->asleep[0], &c, 1), 1);
}

static int sleeper_join(struct sleeper *s)
{
	CHECK_EQ(pthread_join(s->thread, NULL), 0);
	close(s->asleep[0]);
	close(s->asleep[1]);
	return s->rc;
}

TEST(sleeping_senders_are_woken)
{
	enum { BY_ROOM, BY_INBOX_CLOSE, BY_CHANNEL_CLOSE };
	static const struct {
		const char *why;
		bool flush;
		int by, want;
	} rows[] = {
		{ "a send, by room", false, BY_ROOM, 0 },
		{ "a send, by the inbox's end", false, BY_INBOX_CLOSE, -EPIPE },
		{ "a send, by the channel's end", false, BY_CHANNEL_CLOSE, -ESHUTDOWN },
		{ "a flush, by the last message taken", true, BY_ROOM, 0 },
		{ "a flush, by the inbox's end", true, BY_INBOX_CLOSE, -EPIPE },
		{ "a flush, by the channel's end", true, BY_CHANNEL_CLOSE, -ESHUTDOWN },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_inbox_info info;
		struct lat_inbox *inbox;
		struct lat_chan *ch;
		struct sleeper s[3];

		open_pair(&inbox, &ch, 8);
		for (uint32_t n = 0; n < 8; n++)
			CHECK_EQ(lat_chan_send(ch, 0, "x", 1, 0), 0);
		for (size_t n = 0; n < ARRAY_LEN(s); n++)
			sleeper_start(&s[n], ch, rows[i].flush);
		if (rows[i].by == BY_INBOX_CLOSE)
			lat_inbox_close(inbox);
		else if (rows[i].by == BY_CHANNEL_CLOSE)
			lat_chan_close(ch);
		else
			for (uint32_t n = 0; n < 8; n++)
				CHECK_EQ(recv_one(inbox, &info), 0);
		for (size_t n = 0; n < ARRAY_LEN(s); n++)
			CHECK_EQ_ROW(rows[i].why, sleeper_join(&s[n]), rows[i].want);
		if (rows[i].by != BY_CHANNEL_CLOSE)
			lat_chan_close(ch);
		if (rows[i].by != BY_INBOX_CLOSE)
			lat_inbox_close(inbox);
	}
}

/* --- one look per wake-up ----------------------------------------------------------------------- */

enum { STREAM = 30000 };

static void *stream(void *arg)
{
	for (int32_t n = 0; n < STREAM; n++)
		if (lat_chan_send(arg, n, NULL, 0, UINT64_MAX) != 0)
			return arg;
	return NULL;
}

/*
 * Level-triggered use: poll, receive one, poll again. A descriptor that was not true once would stop it for
 * good.
 */
TEST(a_poll_before_every_receive)
{
	struct lat_inbox *inbox;
	struct lat_chan *ch;
	pthread_t thread;
	struct pollfd p = { .events = POLLIN };
	void *verdict;

	open_pair(&inbox, &ch, 16);
	p.fd = lat_inbox_fd(inbox);
	CHECK_EQ(pthread_create(&thread, NULL, stream, ch), 0);
	for (int32_t n = 0; n < STREAM;) {
		struct lat_inbox_info info;
		int rc;

		CHECK_EQ(lat_poll_until(&p, 1, UINT64_MAX), 1);
		rc = recv_one(inbox, &info);
		if (rc == -ENOMSG)
			continue;
		CHECK_EQ(rc, 0);
		CHECK_EQ(info.type, n);
		n++;
	}
	CHECK_EQ(pthread_join(thread, &verdict), 0);
	CHECK(verdict == NULL);
	lat_chan_close(ch);
	lat_inbox_close(inbox);
}

/* --- many threads ------------------------------------------------------------------------------- */

enum {
	SENDERS = 4,
	RECEIVERS = 3,
	LIVES = 12,
	EACH = 400,
	CHANNELS = SENDERS / 2 * LIVES,
	PER_CHANNEL = 2 * EACH
};

/* Pairs of senders share a channel; channels come and go while receivers receive. */
static struct crowd {
	struct lat_inbox *inbox;
	struct lat_chan *shared[SENDERS / 2];
	pthread_barrier_t meet[SENDERS / 2];
	_Atomic(uint32_t) failures;
	_Atomic(uint32_t) left; /* messages not yet received */
	_Atomic(uint8_t) got[CHANNELS][PER_CHANNEL + 1];
} crowd;

struct sender {
	pthread_t thread;
	uint32_t pair;
	bool opens;
};

static void failed(void)
{
	atomic_fetch_add_explicit(&crowd.failures, 1, memory_order_relaxed);
}

static void *send_lives(void *arg)
{
	struct sender *s = arg;

	for (uint32_t life = 0; life < LIVES; life++) {
		uint32_t number = s->pair * LIVES + life;
		struct lat_chan_config cfg = { .sizes = &(struct lat_tiers_sizes){ .slots = { 16, 16 },
										   .spill_bytes = 4096 },
					       .from = { .badge = number } };
		unsigned char buf[300] = { 0 };

		if (s->opens && lat_chan_open(&crowd.shared[s->pair], crowd.inbox, &cfg) < 0)
			failed();
		pthread_barrier_wait(&crowd.meet[s->pair]);
		for (uint32_t n = 0; n < EACH; n++)
			if (lat_chan_send(crowd.shared[s->pair], (int32_t)number, buf, n % sizeof(buf),
					  UINT64_MAX) != 0)
				failed();
		pthread_barrier_wait(&crowd.meet[s->pair]);
		if (s->opens)
			lat_chan_close(crowd.shared[s->pair]);
	}
	return NULL;
}

static void *receive_all(void *arg)
{
	uint64_t last[CHANNELS] = { 0 };
	struct lat_inbox_info info;
	unsigned char buf[300];

	(void)arg;
	for (;;) {
		int rc = lat_inbox_recv(crowd.inbox, buf, sizeof(buf), &info, UINT64_MAX);

		if (rc == -ESHUTDOWN)
			return NULL;
		if (rc < 0 || info.from.badge >= CHANNELS || info.seq > PER_CHANNEL ||
		    info.type != (int32_t)info.from.badge || info.seq <= last[info.from.badge] ||
		    atomic_exchange_explicit(&crowd.got[info.from.badge][info.seq], 1,
					     memory_order_relaxed) != 0) {
			failed();
			return NULL;
		}
		last[info.from.badge] = info.seq;
		atomic_fetch_sub_explicit(&crowd.left, 1, memory_order_release);
	}
}

TEST(a_crowd)
{
	pthread_t receivers[RECEIVERS];
	struct sender senders[SENDERS];
	struct lat_inbox_stats stats;

	CHECK_EQ(lat_inbox_open(&crowd.inbox), 0);
	atomic_store_explicit(&crowd.left, CHANNELS * PER_CHANNEL, memory_order_relaxed);
	for (uint32_t i = 0; i < SENDERS / 2; i++)
		CHECK_EQ(pthread_barrier_init(&crowd.meet[i], NULL, 2), 0);
	for (uint32_t i = 0; i < RECEIVERS; i++)
		CHECK_EQ(pthread_create(&receivers[i], NULL, receive_all, NULL), 0);
	for (uint32_t i = 0; i < SENDERS; i++) {
		senders[i].pair = i / 2;
		senders[i].opens = i % 2 == 0;
		CHECK_EQ(pthread_create(&senders[i].thread, NULL, send_lives, &senders[i]), 0);
	}
	for (uint32_t i = 0; i < SENDERS; i++)
		CHECK_EQ(pthread_join(senders[i].thread, NULL), 0);
	while (atomic_load_explicit(&crowd.left, memory_order_acquire) != 0 &&
	       atomic_load_explicit(&crowd.failures, memory_order_relaxed) == 0)
		sched_yield();
	lat_inbox_stats(crowd.inbox, &stats);
	lat_inbox_close(crowd.inbox);
	for (uint32_t i = 0; i < RECEIVERS; i++)
		CHECK_EQ(pthread_join(receivers[i], NULL), 0);
	CHECK_EQ(atomic_load_explicit(&crowd.failures, memory_order_relaxed), 0);
	CHECK_EQ(stats.messages, CHANNELS * PER_CHANNEL);
	CHECK_EQ(stats.poisoned, 0);
	for (uint32_t i = 0; i < SENDERS / 2; i++)
		pthread_barrier_destroy(&crowd.meet[i]);
}

TEST_MAIN

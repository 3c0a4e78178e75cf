/* The inbox over bare rings: turns, the truth of its descriptor, sources that end, lie or are refused. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/test.h"
#include "fastpath/inbox.h"
#include "fastpath/wait.h"
#include "os/clock.h"
#include "os/poll.h"

enum { SLOTS = 16 };

/* A source, its ring, and what the inbox told it. */
struct feed {
	struct lat_inbox_source src;
	struct lat_tiers_tx tx;
	struct lat_tiers_rx rx;
	struct lat_tiers_front front;
	struct lat_tiers_back back;
	struct lat_ring_slot l1[SLOTS];
	uint32_t seq;
	uint32_t rooms, gones;
	int why;
	int admit; /* what admit returns from message admit_upto + 1 on */
	uint32_t admit_upto, admits;
};

static void feed_room(struct lat_inbox_source *src)
{
	((struct feed *)src)->rooms++;
}

static int feed_admit(struct lat_inbox_source *src)
{
	struct feed *f = (struct feed *)src;

	return ++f->admits > f->admit_upto ? f->admit : 0;
}

static void feed_gone(struct lat_inbox_source *src, int why)
{
	((struct feed *)src)->gones++;
	((struct feed *)src)->why = why;
}

static const struct lat_inbox_source_ops feed_ops = { .room = feed_room,
						      .admit = feed_admit,
						      .gone = feed_gone };

static void feed_init(struct feed *f, struct lat_inbox *inbox, int32_t pid)
{
	const struct lat_tiers_mem mem = { .front = &f->front, .l1 = f->l1, .back = &f->back };
	const struct lat_tiers_sizes sizes = { .slots = { SLOTS } };

	memset(f, 0, sizeof(*f));
	f->src.ops = &feed_ops;
	f->src.user = f;
	f->src.from = (struct lat_inbox_from){ .pid = pid, .badge = 7, .node = 9 };
	lat_tiers_rx_init(&f->rx, &mem, &(struct lat_tiers_rx_config){ .l1_slots = SLOTS });
	CHECK_EQ(lat_tiers_tx_init(&f->tx, &mem, &sizes, NULL, NULL), 0);
	f->src.rx = &f->rx;
	if (inbox != NULL)
		CHECK_EQ(lat_inbox_attach(inbox, &f->src), 0);
}

static void feed_publish(struct feed *f, const char *text)
{
	CHECK_EQ(lat_tiers_publish(&f->tx, 1, ++f->seq, text, (uint32_t)strlen(text)), 0);
}

static void feed_send(struct feed *f, const char *text)
{
	feed_publish(f, text);
	lat_inbox_source_ready(&f->src);
}

static void expect(struct lat_inbox *inbox, const char *why, int32_t pid, uint64_t seq, const char *text)
{
	struct lat_inbox_info info = { 0 };
	char buf[64];

	CHECK_EQ_ROW(why, lat_inbox_recv(inbox, buf, sizeof(buf), &info, 0), 0);
	CHECK_EQ_ROW(why, info.from.pid, pid);
	CHECK_EQ_ROW(why, info.from.badge, 7);
	CHECK_EQ_ROW(why, info.from.node, 9);
	CHECK_EQ_ROW(why, info.seq, seq);
	CHECK_EQ_ROW(why, info.len, strlen(text));
	CHECK_MEM_ROW(why, buf, text, strlen(text));
}

static void expect_nothing(struct lat_inbox *inbox, const char *why)
{
	struct lat_inbox_info info;
	char buf[64];

	CHECK_EQ_ROW(why, lat_inbox_recv(inbox, buf, sizeof(buf), &info, 0), -ENOMSG);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return lat_poll_until(&p, 1, 0) == 1;
}

TEST(nothing_there)
{
	struct lat_inbox_info info;
	struct lat_inbox *inbox;
	char buf[8];

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	expect_nothing(inbox, "no source");
	CHECK_EQ(lat_inbox_recv(inbox, buf, sizeof(buf), &info, 1), -ETIMEDOUT);
	CHECK_EQ(lat_inbox_recv(inbox, buf, sizeof(buf), &info, lat_clock_monotonic_ns() + 1000000),
		 -ETIMEDOUT);
	lat_inbox_close(inbox);
	lat_inbox_close(NULL);
}

/*
 * f: ask for the descriptor; a, b: send on a source; r: receive one; n: receive, there is nothing; t: receive
 * until a past deadline, nothing; y: the descriptor is readable; x: it is not; z: too small a buffer.
 */
TEST(the_descriptor_is_true)
{
	static const struct {
		const char *why, *steps;
	} rows[] = {
		{ "nothing yet", "fnx" },
		{ "asked for before a message", "fnxay" },
		{ "asked for after a message", "afyrnx" },
		{ "stays readable while something is queued", "fnaayryrnx" },
		{ "another source", "fnaybyryrnx" },
		{ "again and again", "fnxayrnxayrnxbyrnx" },
		{ "what a small buffer leaves is still there", "fnayzyzyrnx" },
		{ "asked for between receives", "arafyrnx" },
		{ "a time-out arms as well", "ftxayrtx" },
		{ "a time-out before anybody asked", "tafyrnx" },
		{ "received before anybody asked", "arnfnxay" },
		{ "two looks in a row", "fnnxnxay" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = rows[i].why;
		struct lat_inbox_info info;
		struct lat_inbox *inbox;
		struct feed a, b;
		char buf[8];
		int fd = -1;

		CHECK_EQ(lat_inbox_open(&inbox), 0);
		feed_init(&a, inbox, 1);
		feed_init(&b, inbox, 2);
		for (const char *step = rows[i].steps; *step != 0; step++) {
			if (*step == 'f')
				fd = lat_inbox_fd(inbox);
			else if (*step == 'a' || *step == 'b')
				feed_send(*step == 'a' ? &a : &b, "xy");
			else if (*step == 'r' || *step == 'n')
				CHECK_EQ_ROW(why, lat_inbox_recv(inbox, buf, sizeof(buf), &info, 0),
					     *step == 'r' ? 0 : -ENOMSG);
			else if (*step == 't')
				CHECK_EQ_ROW(why, lat_inbox_recv(inbox, buf, sizeof(buf), &info, 1),
					     -ETIMEDOUT);
			else if (*step == 'z')
				CHECK_EQ_ROW(why, lat_inbox_recv(inbox, buf, 1, &info, 0), -EMSGSIZE);
			else if (*step == 'x' || *step == 'y')
				CHECK_EQ_ROW(why, readable(fd), *step == 'y');
		}
		CHECK(lat_inbox_detach(&a.src));
		CHECK(lat_inbox_detach(&b.src));
		lat_inbox_close(inbox);
	}
}

TEST(sources_take_turns)
{
	struct lat_inbox *inbox;
	struct feed f[3];

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	for (int32_t i = 0; i < 3; i++)
		feed_init(&f[i], inbox, i + 1);
	for (int32_t i = 0; i < 3; i++)
		for (uint32_t n = 0; n < 3; n++)
			feed_send(&f[i], "x");
	for (uint32_t n = 1; n <= 3; n++)
		for (int32_t i = 0; i < 3; i++)
			expect(inbox, "first ready, first served, then in turn", i + 1, n, "x");
	feed_send(&f[0], "flood");
	feed_send(&f[0], "flood");
	feed_send(&f[2], "late");
	expect(inbox, "first come", 1, 4, "flood");
	expect(inbox, "a flood waits for the other", 3, 4, "late");
	expect(inbox, "the rest", 1, 5, "flood");
	expect_nothing(inbox, "all received");
	CHECK_EQ(f[0].rooms, 5);
	lat_inbox_close(inbox);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_EQ(f[i].gones, 1);
		CHECK_EQ(f[i].why, -ESHUTDOWN);
		CHECK(!lat_inbox_detach(&f[i].src));
	}
}

TEST(too_long_a_message_stays)
{
	struct lat_inbox_info info = { 0 };
	struct lat_inbox *inbox;
	struct feed a, b;
	char buf[4];

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	feed_init(&a, inbox, 1);
	feed_init(&b, inbox, 2);
	feed_send(&a, "12345");
	feed_send(&b, "x");
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_EQ(lat_inbox_recv(inbox, buf, sizeof(buf), &info, 0), -EMSGSIZE);
		CHECK_EQ(info.len, 5);
		CHECK_EQ(info.from.pid, 1);
		CHECK_EQ(info.seq, 1);
	}
	expect(inbox, "the same one is next", 1, 1, "12345");
	expect(inbox, "then the other", 2, 1, "x");
	CHECK(lat_inbox_detach(&a.src) && lat_inbox_detach(&b.src));
	lat_inbox_close(inbox);
}

TEST(a_liar_disturbs_nobody)
{
	static const struct {
		const char *why;
		bool scribble; /* else a wrong message number */
		uint32_t seq;
	} rows[] = {
		{ "a slot that cannot be", true, 0 },
		{ "a number skipped", false, 4 },
		{ "a number again", false, 2 },
		{ "a number from before", false, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_inbox_stats stats;
		struct lat_inbox *inbox;
		struct feed bad, good;

		CHECK_EQ(lat_inbox_open(&inbox), 0);
		feed_init(&bad, inbox, 1);
		feed_init(&good, inbox, 2);
		feed_send(&bad, "one");
		feed_send(&bad, "two");
		feed_send(&good, "x");
		if (rows[i].scribble) {
			feed_publish(&bad, "three");
			memset(&bad.l1[2], 0xff, 4);
		} else {
			CHECK_EQ(lat_tiers_publish(&bad.tx, 1, rows[i].seq, "three", 5), 0);
		}
		lat_inbox_source_ready(&bad.src);
		feed_send(&good, "y");
		expect(inbox, rows[i].why, 1, 1, "one");
		expect(inbox, rows[i].why, 2, 1, "x");
		expect(inbox, rows[i].why, 1, 2, "two");
		expect(inbox, rows[i].why, 2, 2, "y");
		CHECK_EQ_ROW(rows[i].why, bad.gones, 0);
		expect_nothing(inbox, rows[i].why);
		CHECK_EQ_ROW(rows[i].why, bad.gones, 1);
		CHECK_EQ_ROW(rows[i].why, bad.why, -EPROTO);
		lat_inbox_stats(inbox, &stats);
		CHECK_EQ_ROW(rows[i].why, stats.poisoned, 1);
		CHECK_EQ_ROW(rows[i].why, stats.sources, 1);
		CHECK_EQ_ROW(rows[i].why, stats.messages, 4);
		lat_inbox_source_ready(&bad.src); /* it may not know yet */
		expect_nothing(inbox, rows[i].why);
		lat_inbox_source_ready(&bad.src);
		CHECK_EQ_ROW(rows[i].why, lat_inbox_detach(&bad.src), false);
		feed_send(&good, "z");
		expect(inbox, rows[i].why, 2, 3, "z");
		CHECK(lat_inbox_detach(&good.src));
		lat_inbox_close(inbox);
	}
}

TEST(refused_after_the_copy)
{
	struct lat_inbox_source_stats stats;
	struct lat_inbox *inbox;
	struct feed f;

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	feed_init(&f, inbox, 1);
	f.admit_upto = 2;
	f.admit = -EKEYREVOKED;
	for (uint32_t i = 0; i < 4; i++)
		feed_send(&f, "x");
	expect(inbox, "still allowed", 1, 1, "x");
	expect(inbox, "still allowed", 1, 2, "x");
	expect_nothing(inbox, "revoked");
	CHECK_EQ(f.gones, 1);
	CHECK_EQ(f.why, -EKEYREVOKED);
	lat_inbox_source_stats(&f.src, &stats);
	CHECK_EQ(stats.seq, 2);
	CHECK_EQ(stats.messages, 2);
	CHECK(!lat_inbox_detach(&f.src));
	lat_inbox_close(inbox);
}

/*
 * Sources 0, 1 and 2 are of one sender, 3 is of another. + attach, s send, e end, d detach, r the next message is of this one
 * (- nothing is there), p its ring lies.
 */
static const struct {
	const char *why, *script;
} turns[] = {
	{ "both open: in turn", "+0 +1 s0 s0 s1 s1 r0 r1 r0 r1 r- e0 e1" },
	{ "the old one ended first", "+0 s0 s0 e0 +1 s1 s1 r0 r0 r1 r1 r- e1" },
	{ "the new one was there before the old one ended", "+0 s0 s0 +1 e0 s1 r0 r0 r1 r- e1" },
	{ "and had something already", "+0 s0 s0 +1 s1 e0 r0 r0 r1 r- e1" },
	{ "the old one ended empty", "+0 s0 r0 e0 +1 s1 r1 r- e1" },
	{ "drained before the new one has anything", "+0 s0 e0 +1 r0 r- s1 r1 r- e1" },
	{ "another sender does not wait", "+0 s0 s0 e0 +1 +3 s1 s3 s3 r0 r3 r0 r3 r1 r- e1 e3" },
	{ "three in a row", "+0 s0 e0 +1 s1 e1 +2 s2 r0 r1 r2 r- e2" },
	{ "the one in the middle ended last", "+0 s0 s0 +1 s1 +2 s2 e0 e1 r0 r0 r1 r2 r- e2" },
	{ "the new one ends before the old one is drained", "+0 s0 s0 e0 +1 s1 e1 r0 r0 r1 r-" },
	{ "the old one is detached", "+0 s0 e0 +1 s1 d0 r1 r- e1" },
	{ "the one in the middle is detached", "+0 s0 s0 e0 +1 s1 e1 +2 s2 d1 r0 r0 r2 r- e2" },
	{ "the new one is detached", "+0 s0 s0 e0 +1 s1 r0 d1 r0 r-" },
	{ "the old one lies", "+0 s0 p0 e0 +1 s1 r0 r1 r- e1" },
};

TEST(an_old_source_of_a_sender_is_drained_before_its_new_one)
{
	static const char *const texts[] = { "0", "1", "2", "3" };

	for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
		const char *why = turns[i].why;
		struct lat_inbox *inbox;
		struct feed f[4];

		CHECK_EQ(lat_inbox_open(&inbox), 0);
		for (int k = 0; k < 4; k++)
			feed_init(&f[k], NULL, k < 3 ? 5 : 6);
		for (const char *op = turns[i].script; *op != '\0'; op += op[2] == ' ' ? 3 : 2) {
			int k = op[1] - '0';
			struct lat_inbox_info info;
			char buf[8];

			switch (op[0]) {
			case '+':
				CHECK_EQ_ROW(why, lat_inbox_attach(inbox, &f[k].src), 0);
				break;
			case 's':
				feed_send(&f[k], texts[k]);
				break;
			case 'p':
				CHECK_EQ(lat_tiers_publish(&f[k].tx, 1, 77, "x", 1), 0);
				break;
			case 'e':
				lat_inbox_source_end(&f[k].src);
				break;
			case 'd':
				CHECK_ROW(why, lat_inbox_detach(&f[k].src));
				break;
			default:
				CHECK_EQ_ROW(why, lat_inbox_recv(inbox, buf, sizeof(buf), &info, 0),
					     op[1] == '-' ? -ENOMSG : 0);
				if (op[1] != '-')
					CHECK_EQ_ROW(why, buf[0], op[1]);
				break;
			}
		}
		lat_inbox_close(inbox);
	}
}

TEST(what_was_published_is_received_first)
{
	static const struct {
		const char *why;
		uint32_t messages;
		bool told; /* the producer said that they are there */
	} rows[] = {
		{ "nothing published: gone at once", 0, true },
		{ "one message", 1, true },
		{ "several", 3, true },
		{ "published, and the wake-up never came", 2, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_inbox *inbox;
		struct feed f;

		CHECK_EQ(lat_inbox_open(&inbox), 0);
		feed_init(&f, inbox, 1);
		expect_nothing(inbox, rows[i].why);
		CHECK_ROW(rows[i].why, readable(lat_inbox_fd(inbox)));
		expect_nothing(inbox, rows[i].why);
		for (uint32_t n = 0; n < rows[i].messages; n++) {
			if (rows[i].told)
				feed_send(&f, "last words");
			else
				feed_publish(&f, "last words");
		}
		lat_inbox_source_end(&f.src);
		CHECK_EQ_ROW(rows[i].why, readable(lat_inbox_fd(inbox)), rows[i].messages > 0);
		for (uint32_t n = 1; n <= rows[i].messages; n++) {
			CHECK_EQ_ROW(rows[i].why, f.gones, 0);
			expect(inbox, rows[i].why, 1, n, "last words");
		}
		CHECK_EQ_ROW(rows[i].why, f.gones, 1);
		CHECK_EQ_ROW(rows[i].why, f.why, 0);
		lat_inbox_close(inbox);
		CHECK_EQ_ROW(rows[i].why, f.gones, 1);
	}
}

TEST(attach_and_detach)
{
	struct lat_inbox_source_stats stats;
	struct lat_inbox *inbox;
	struct feed f;

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	feed_init(&f, NULL, 1);
	CHECK(!lat_inbox_detach(&f.src));
	feed_publish(&f, "early");
	CHECK_EQ(lat_inbox_attach(inbox, &f.src), 0);
	CHECK_EQ(lat_inbox_attach(inbox, &f.src), -EBUSY);
	expect(inbox, "published before it was attached", 1, 1, "early");
	feed_send(&f, "never received");
	CHECK(lat_inbox_detach(&f.src));
	CHECK(!lat_inbox_detach(&f.src));
	expect_nothing(inbox, "detached");
	CHECK_EQ(f.gones, 0);
	lat_inbox_source_stats(&f.src, &stats);
	CHECK_EQ(stats.seq, 1);
	CHECK_EQ(stats.bytes, 5);
	lat_inbox_close(inbox);
}

/* --- a receiver that sleeps --------------------------------------------------------------------- */

/* The receiver's hook tells the test each time when it is about to sleep, so no test waits for a clock. */
struct sleeper {
	struct lat_inbox *inbox;
	int asleep[2]; /* pipe */
	pthread_t thread;
	struct lat_inbox_info info;
	char buf[64];
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

static void *sleep_in_inbox(void *arg)
{
	struct sleeper *s = arg;
	struct lattice_sched_hook hook = { .ctx = s, .wait = tell_and_sleep };

	lat_wait_hook_set(&hook);
	s->rc = lat_inbox_recv(s->inbox, s->buf, sizeof(s->buf), &s->info, UINT64_MAX);
	lat_wait_hook_set(NULL);
	return NULL;
}

static void sleeper_start(struct sleeper *s, struct lat_inbox *inbox)
{
	char c;

	*s = (struct sleeper){ .inbox = inbox, .rc = 1 };
	CHECK_EQ(pipe(s->asleep), 0);
	CHECK_EQ(pthread_create(&s->thread, NULL, sleep_in_inbox, s), 0);
	CHECK_EQ(read(s->asleep[0], &c, 1), 1);
}

static void sleeper_join(struct sleeper *s)
{
	CHECK_EQ(pthread_join(s->thread, NULL), 0);
	close(s->asleep[0]);
	close(s->asleep[1]);
}

TEST(a_message_wakes)
{
	struct lat_inbox *inbox;
	struct sleeper s;
	struct feed f;

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	feed_init(&f, inbox, 1);
	sleeper_start(&s, inbox);
	feed_send(&f, "hello");
	sleeper_join(&s);
	CHECK_EQ(s.rc, 0);
	CHECK_MEM(s.buf, "hello", 5);
	CHECK(lat_inbox_detach(&f.src));
	lat_inbox_close(inbox);
}

TEST(closing_wakes_everybody)
{
	struct lat_inbox *inbox;
	struct sleeper s[3];

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		sleeper_start(&s[i], inbox);
	lat_inbox_close(inbox);
	for (size_t i = 0; i < ARRAY_LEN(s); i++) {
		sleeper_join(&s[i]);
		CHECK_EQ(s[i].rc, -ESHUTDOWN);
	}
}

TEST(shut_down_and_still_ours)
{
	struct lat_inbox_info info;
	struct lat_inbox *inbox;
	struct feed f, late;
	char buf[8];

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	feed_init(&f, inbox, 1);
	feed_send(&f, "lost");
	for (uint32_t i = 0; i < 2; i++) {
		lat_inbox_shutdown(inbox);
		CHECK_EQ(lat_inbox_recv(inbox, buf, sizeof(buf), &info, 0), -ESHUTDOWN);
		CHECK_EQ(lat_inbox_recv(inbox, buf, sizeof(buf), &info, UINT64_MAX), -ESHUTDOWN);
		CHECK_EQ(f.gones, 1);
		CHECK_EQ(f.why, -ESHUTDOWN);
		CHECK(readable(lat_inbox_fd(inbox)));
	}
	feed_init(&late, NULL, 2);
	CHECK_EQ(lat_inbox_attach(inbox, &late.src), -ESHUTDOWN);
	lat_inbox_source_ready(&f.src); /* it may not know yet */
	lat_inbox_close(inbox);
	lat_inbox_source_ready(&f.src);
	CHECK(!lat_inbox_detach(&f.src)); /* and now the inbox goes */
}

/* A source of any number, ready or not, costs a receive nothing; and each is found. */
TEST(many_sources)
{
	enum { MANY = 500 };
	static struct feed f[MANY];
	struct lat_inbox_stats stats;
	struct lat_inbox *inbox;

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	for (int32_t i = 0; i < MANY; i++)
		feed_init(&f[i], inbox, i + 1);
	lat_inbox_stats(inbox, &stats);
	CHECK_EQ(stats.sources, MANY);
	for (int32_t i = MANY - 1; i >= 0; i -= 7)
		feed_send(&f[i], "x");
	for (int32_t i = MANY - 1; i >= 0; i -= 7)
		expect(inbox, "in the order they became ready", i + 1, 1, "x");
	expect_nothing(inbox, "all received");
	for (int32_t i = 0; i < MANY; i++) {
		CHECK(lat_inbox_detach(&f[i].src));
	}
	lat_inbox_close(inbox);
}

TEST_MAIN

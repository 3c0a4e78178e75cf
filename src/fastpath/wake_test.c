/*
 * Waking: what is hot moves nothing, what is cold is announced, and no wake is lost, whoever waits and however. The races at the
 * end run for as many rounds as LATTICE_WAKE_ROUNDS says, few when it says nothing.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/test.h"
#include "fastpath/channel.h"
#include "fastpath/inbox_state.h"
#include "fastpath/wait.h"
#include "os/clock.h"
#include "os/membarrier.h"
#include "os/poll.h"

static int recv_now(struct lat_inbox *inbox)
{
	struct lat_inbox_info info;

	return lat_inbox_recv(inbox, NULL, 0, &info, 0);
}

static void open_pair(struct lat_inbox **inbox, struct lat_chan **ch, bool single)
{
	CHECK_EQ(lat_inbox_open(inbox), 0);
	CHECK_EQ(lat_chan_open(ch, *inbox,
			       &(struct lat_chan_config){
				       .sizes = &(struct lat_tiers_sizes){ .slots = { 64 } },
				       .single = single }),
		 0);
}

static void send_one(struct lat_chan *ch)
{
	CHECK_EQ(lat_chan_send(ch, 0, NULL, 0, 0), 0);
}

/*
 * s: send; r: receive one; n: there is nothing; f: ask for the descriptor; h: hot, c: none is; a: armed, u: not; t: wait in vain, a
 * moment, sleeping at once.
 */
TEST(hot_while_it_is_polled)
{
	static const struct {
		const char *why, *steps;
	} rows[] = {
		{ "cold at first", "c" },
		{ "a poll makes hot what it finds empty", "srnhu" },
		{ "hot stays hot, and nothing is armed", "srnhsrnhsrnhu" },
		{ "what was never heard of is not looked at", "nnnc" },
		{ "sleeping cools", "srnhtcsr" },
		{ "sleeping at once never makes hot", "srtcsrtc" },
		{ "who watches must be told", "srnhfncasrnca" },
		{ "many at once make hot, watched or not", "fsssssssssrrrrrrrrhrnca" },
	};

	if (!lat_membarrier_works(LAT_MEMBARRIER_PROCESS))
		TEST_SKIP("membarrier");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int single = 0; single < 2; single++) {
			struct lat_inbox_tuning tuning = { .wait = LAT_WAIT_PARK, .single = single };
			const char *why = rows[i].why;
			struct lat_inbox_info info;
			struct lat_inbox *inbox;
			struct lat_chan *ch;

			open_pair(&inbox, &ch, single);
			lat_inbox_tune(inbox, &tuning);
			for (const char *step = rows[i].steps; *step != 0; step++) {
				if (*step == 's')
					send_one(ch);
				else if (*step == 'r' || *step == 'n')
					CHECK_EQ_ROW(why, recv_now(inbox), *step == 'r' ? 0 : -ENOMSG);
				else if (*step == 'f')
					CHECK_ROW(why, lat_inbox_fd(inbox) >= 0);
				else if (*step == 'h' || *step == 'c')
					CHECK_EQ_ROW(why, inbox->hot, *step == 'h');
				else if (*step == 'a' || *step == 'u')
					CHECK_EQ_ROW(why,
						     atomic_load_explicit(&inbox->armed,
									  memory_order_relaxed),
						     *step == 'a');
				else if (*step == 't')
					CHECK_EQ_ROW(why, lat_inbox_recv(inbox, NULL, 0, &info, 1),
						     -ETIMEDOUT);
			}
			lat_chan_close(ch);
			lat_inbox_close(inbox);
		}
	}
}

/* Those that have nothing are left to announce themselves, so that the others do not pay for them. */
TEST(idle_ones_are_cooled)
{
	enum { CHANNELS = 40, ROUNDS = 2000 };
	struct lat_chan *ch[CHANNELS];
	struct lat_inbox *inbox;

	if (!lat_membarrier_works(LAT_MEMBARRIER_PROCESS))
		TEST_SKIP("membarrier");
	CHECK_EQ(lat_inbox_open(&inbox), 0);
	for (size_t i = 0; i < CHANNELS; i++) {
		CHECK_EQ(lat_chan_open(&ch[i], inbox,
				       &(struct lat_chan_config){
					       .sizes = &(struct lat_tiers_sizes){ .slots = { 8 } } }),
			 0);
		send_one(ch[i]);
	}
	for (size_t i = 0; i < CHANNELS; i++)
		CHECK_EQ(recv_now(inbox), 0);
	CHECK_EQ(recv_now(inbox), -ENOMSG);
	CHECK_EQ(inbox->hot, CHANNELS);
	for (size_t i = 0; i < ROUNDS; i++) {
		send_one(ch[7]);
		CHECK_EQ(recv_now(inbox), 0);
	}
	CHECK_EQ(inbox->hot, 1);
	for (size_t i = 0; i < CHANNELS; i++)
		send_one(ch[i]);
	for (size_t i = 0; i < CHANNELS; i++)
		CHECK_EQ(recv_now(inbox), 0);
	CHECK_EQ(recv_now(inbox), -ENOMSG);
	for (size_t i = 0; i < CHANNELS; i++)
		lat_chan_close(ch[i]);
	lat_inbox_close(inbox);
}

/* --- no descriptor unless somebody needs one ---------------------------------------------------- */

static void *recv_one(void *arg)
{
	struct lat_inbox_info info;

	return lat_inbox_recv(arg, NULL, 0, &info, UINT64_MAX) == 0 ? NULL : arg;
}

static void wait_for_sleepers(struct lat_inbox *inbox, uint64_t count)
{
	struct lat_inbox_stats stats;

	do {
		(void)sched_yield();
		lat_inbox_stats(inbox, &stats);
	} while (stats.sleeps < count);
}

TEST(threads_sleep_without_a_descriptor)
{
	struct lat_inbox *inbox;
	struct lat_chan *ch;
	pthread_t thread;
	void *verdict;

	open_pair(&inbox, &ch, false);
	CHECK_EQ(pthread_create(&thread, NULL, recv_one, inbox), 0);
	wait_for_sleepers(inbox, 1);
	send_one(ch);
	CHECK_EQ(pthread_join(thread, &verdict), 0);
	CHECK(verdict == NULL);
	CHECK_EQ(inbox->eventfd, -1);
	lat_chan_close(ch);
	lat_inbox_close(inbox);
}

/* Somebody asks for the descriptor while others sleep without one: both are told of what comes. */
TEST(a_sleeper_and_one_who_watches)
{
	struct lat_inbox *inbox;
	struct lat_chan *ch;
	struct pollfd p = { .events = POLLIN };
	pthread_t thread;
	void *verdict;

	open_pair(&inbox, &ch, false);
	CHECK_EQ(pthread_create(&thread, NULL, recv_one, inbox), 0);
	wait_for_sleepers(inbox, 1);
	p.fd = lat_inbox_fd(inbox);
	CHECK(p.fd >= 0);
	CHECK_EQ(recv_now(inbox), -ENOMSG);
	CHECK_EQ(lat_poll_until(&p, 1, 0), -ETIMEDOUT);
	send_one(ch);
	send_one(ch);
	CHECK_EQ(pthread_join(thread, &verdict), 0);
	CHECK(verdict == NULL);
	CHECK_EQ(lat_poll_until(&p, 1, 0), 1);
	CHECK_EQ(recv_now(inbox), 0);
	CHECK_EQ(recv_now(inbox), -ENOMSG);
	lat_chan_close(ch);
	lat_inbox_close(inbox);
}

/* Each message wakes a receiver of its own, though one wake-up is for all that was published together. */
TEST(several_sleep_and_several_come)
{
	enum { MANY = 4 };
	struct lat_inbox *inbox;
	struct lat_chan *ch;
	pthread_t threads[MANY];
	void *verdict;

	open_pair(&inbox, &ch, false);
	for (size_t i = 0; i < MANY; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, recv_one, inbox), 0);
	wait_for_sleepers(inbox, MANY);
	for (size_t i = 0; i < MANY; i++)
		send_one(ch);
	for (size_t i = 0; i < MANY; i++) {
		CHECK_EQ(pthread_join(threads[i], &verdict), 0);
		CHECK(verdict == NULL);
	}
	lat_chan_close(ch);
	lat_inbox_close(inbox);
}

/* --- races -------------------------------------------------------------------------------------- */

static uint32_t rounds_default = 4000;

static uint32_t rounds(void)
{
	const char *asked = getenv("LATTICE_WAKE_ROUNDS");

	return asked != NULL ? (uint32_t)strtoul(asked, NULL, 10) : rounds_default;
}

/* How a receiver of the race waits. */
enum way { BY_POLICY, BY_WATCHING, BY_TASK };

static int poll_until(void *ctx, int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	int rc = lat_poll_until(&p, 1, deadline_ns);

	(void)ctx;
	return rc < 0 ? rc : 0;
}

static int recv_in_a_way(struct lat_inbox *inbox, enum way way)
{
	static const struct lattice_sched_hook hook = { .ctx = &rounds_default, .wait = poll_until };
	struct pollfd p = { .events = POLLIN };
	struct lat_inbox_info info;
	int rc;

	if (way == BY_POLICY)
		return lat_inbox_recv(inbox, NULL, 0, &info, UINT64_MAX);
	if (way == BY_TASK) {
		(void)lat_wait_hook_set(&hook);
		rc = lat_inbox_recv(inbox, NULL, 0, &info, UINT64_MAX);
		(void)lat_wait_hook_set(NULL);
		return rc;
	}
	p.fd = lat_inbox_fd(inbox);
	while ((rc = recv_now(inbox)) == -ENOMSG)
		if (lat_poll_until(&p, 1, UINT64_MAX) != 1)
			return -EIO;
	return rc;
}

/* Two threads hand a message to and fro, so each arms while the other publishes. A wake that is lost stops both for good. */
struct player {
	struct lat_inbox *inbox;
	struct lat_chan *to;
	enum way way;
	uint32_t rounds;
	bool serves;
	int rc;
};

static void *play(void *arg)
{
	struct player *p = arg;

	for (uint32_t n = 0; n < p->rounds && p->rc == 0; n++) {
		if (p->serves)
			p->rc = lat_chan_send(p->to, 0, NULL, 0, UINT64_MAX);
		if (p->rc == 0)
			p->rc = recv_in_a_way(p->inbox, p->way);
		if (p->rc == 0 && !p->serves)
			p->rc = lat_chan_send(p->to, 0, NULL, 0, UINT64_MAX);
	}
	return NULL;
}

TEST(no_wake_is_lost_between_two)
{
	static const struct {
		const char *why;
		enum lat_wait_policy wait;
		enum way way;
		bool single;
	} rows[] = {
		{ "asleep at once", LAT_WAIT_PARK, BY_POLICY, false },
		{ "asleep at once, without a lock", LAT_WAIT_PARK, BY_POLICY, true },
		{ "by the usual policy", LAT_WAIT_AUTO, BY_POLICY, false },
		{ "by the usual policy, without a lock", LAT_WAIT_AUTO, BY_POLICY, true },
		{ "watching the descriptor", LAT_WAIT_AUTO, BY_WATCHING, false },
		{ "as a task does", LAT_WAIT_AUTO, BY_TASK, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_inbox_tuning tuning = { .wait = rows[i].wait, .single = rows[i].single };
		struct lat_chan *ch[2];
		struct player p[2];
		pthread_t threads[2];

		for (size_t n = 0; n < 2; n++) {
			p[n] = (struct player){ .way = rows[i].way,
						.rounds = rounds() / ARRAY_LEN(rows),
						.serves = n == 0 };
			open_pair(&p[n].inbox, &ch[n], rows[i].single);
			lat_inbox_tune(p[n].inbox, &tuning);
		}
		p[0].to = ch[1];
		p[1].to = ch[0];
		for (size_t n = 0; n < 2; n++)
			CHECK_EQ(pthread_create(&threads[n], NULL, play, &p[n]), 0);
		for (size_t n = 0; n < 2; n++)
			CHECK_EQ(pthread_join(threads[n], NULL), 0);
		for (size_t n = 0; n < 2; n++) {
			CHECK_EQ_ROW(rows[i].why, p[n].rc, 0);
			lat_chan_close(ch[n]);
			lat_inbox_close(p[n].inbox);
		}
	}
}

/*
 * The narrow place: a receiver polls, so that the channel is hot, and then goes to sleep; the sender publishes at every phase of
 * that. Without the barrier this stops for good within some thousand rounds, where two processors run the two.
 */
static void *publish_at_every_phase(void *arg)
{
	struct player *p = arg;

	for (uint32_t n = 0; n < p->rounds && p->rc == 0; n++) {
		uint64_t received;

		for (uint32_t looks = 1; lat_chan_sent(p->to, &received) != received; looks++)
			if (looks % 1024 == 0)
				(void)sched_yield();
		for (uint32_t i = 0; i < n % 97; i++)
			lat_cpu_relax();
		p->rc = lat_chan_send(p->to, 0, NULL, 0, UINT64_MAX);
	}
	return NULL;
}

TEST(no_wake_is_lost_going_to_sleep)
{
	for (int single = 0; single < 2; single++) {
		struct lat_inbox_tuning tuning = { .wait = LAT_WAIT_PARK, .single = single };
		struct player p = { .rounds = rounds() };
		struct lat_inbox_info info;
		pthread_t thread;

		open_pair(&p.inbox, &p.to, single);
		lat_inbox_tune(p.inbox, &tuning);
		CHECK_EQ(pthread_create(&thread, NULL, publish_at_every_phase, &p), 0);
		for (uint32_t n = 0; n < p.rounds; n++) {
			int rc = recv_now(p.inbox);

			if (rc == -ENOMSG)
				rc = lat_inbox_recv(p.inbox, NULL, 0, &info, UINT64_MAX);
			CHECK_EQ(rc, 0);
		}
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(p.rc, 0);
		lat_chan_close(p.to);
		lat_inbox_close(p.inbox);
	}
}

/* And room, the other way round: the ring has eight slots. */
struct stream {
	struct lat_chan *ch;
	uint32_t count;
	uint32_t at_once; /* messages sent before it looks whether all were taken */
	int rc;
};

static void *send_stream(void *arg)
{
	struct stream *s = arg;

	for (uint32_t n = 1; n <= s->count && s->rc == 0; n++) {
		s->rc = lat_chan_send(s->ch, 0, NULL, 0, UINT64_MAX);
		if (s->rc == 0 && n % s->at_once == 0)
			s->rc = lat_chan_flush(s->ch, UINT64_MAX);
	}
	return NULL;
}

static void *recv_stream(void *arg)
{
	struct lat_inbox *inbox = arg;
	struct lat_inbox_info info;
	int rc;

	do
		rc = lat_inbox_recv(inbox, NULL, 0, &info, UINT64_MAX);
	while (rc == 0);
	return rc == -ESHUTDOWN ? NULL : arg;
}

TEST(no_wake_is_lost_for_want_of_room)
{
	static const struct {
		const char *why;
		uint32_t receivers, senders, at_once;
		enum lat_wait_policy wait;
	} rows[] = {
		{ "each message taken before the next", 1, 1, 1, LAT_WAIT_PARK },
		{ "each message taken before the next, spinning", 1, 1, 1, LAT_WAIT_AUTO },
		{ "a ring that is full", 1, 1, 1000, LAT_WAIT_PARK },
		{ "a ring that is full, spinning", 1, 1, 1000, LAT_WAIT_AUTO },
		{ "several of each", 3, 3, 7, LAT_WAIT_PARK },
		{ "several of each, spinning", 3, 3, 7, LAT_WAIT_AUTO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_inbox_tuning tuning = { .wait = rows[i].wait };
		pthread_t receivers[3], senders[3];
		struct stream s[3];
		struct lat_inbox *inbox;
		void *verdict;

		CHECK_EQ(lat_inbox_open(&inbox), 0);
		lat_inbox_tune(inbox, &tuning);
		for (size_t n = 0; n < rows[i].receivers; n++)
			CHECK_EQ(pthread_create(&receivers[n], NULL, recv_stream, inbox), 0);
		for (size_t n = 0; n < rows[i].senders; n++) {
			s[n] = (struct stream){ .count = rounds() / 8 / rows[i].senders,
						.at_once = rows[i].at_once };
			CHECK_EQ(
				lat_chan_open(&s[n].ch, inbox,
					      &(struct lat_chan_config){
						      .sizes = &(struct lat_tiers_sizes){ .slots = { 8 } } }),
				0);
			CHECK_EQ(pthread_create(&senders[n], NULL, send_stream, &s[n]), 0);
		}
		for (size_t n = 0; n < rows[i].senders; n++) {
			CHECK_EQ(pthread_join(senders[n], NULL), 0);
			CHECK_EQ_ROW(rows[i].why, s[n].rc, 0);
			CHECK_EQ_ROW(rows[i].why, lat_chan_flush(s[n].ch, UINT64_MAX), 0);
			lat_chan_close(s[n].ch);
		}
		lat_inbox_shutdown(inbox);
		for (size_t n = 0; n < rows[i].receivers; n++) {
			CHECK_EQ(pthread_join(receivers[n], &verdict), 0);
			CHECK_ROW(rows[i].why, verdict == NULL);
		}
		lat_inbox_close(inbox);
	}
}

/* While one receives without a lock, others do all that others may. */
TEST(others_come_between)
{
	struct lat_inbox_stats stats;
	struct lat_inbox *inbox;
	pthread_t thread;
	void *verdict;

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	lat_inbox_tune(inbox, &(struct lat_inbox_tuning){ .single = true });
	CHECK_EQ(pthread_create(&thread, NULL, recv_stream, inbox), 0);
	for (uint32_t i = 0; i < 200; i++) {
		struct lat_chan *ch;

		CHECK_EQ(lat_chan_open(&ch, inbox,
				       &(struct lat_chan_config){
					       .sizes = &(struct lat_tiers_sizes){ .slots = { 8 } } }),
			 0);
		for (uint32_t n = 0; n < i % 5; n++)
			send_one(ch);
		lat_inbox_stats(inbox, &stats);
		if (i % 3 == 0)
			CHECK_EQ(lat_chan_flush(ch, UINT64_MAX), 0);
		if (i == 100)
			CHECK(lat_inbox_fd(inbox) >= 0);
		lat_chan_close(ch);
	}
	lat_inbox_shutdown(inbox);
	CHECK_EQ(pthread_join(thread, &verdict), 0);
	CHECK(verdict == NULL);
	lat_inbox_close(inbox);
}

TEST_MAIN

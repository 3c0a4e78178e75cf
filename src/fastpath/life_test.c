/* Channels whose right ends: what is received, what the sender is told, and who is woken. Within a process; over a link. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fastpath/call.h"
#include "fastpath/channel.h"
#include "fastpath/inbox_fast.h"
#include "fastpath/link_pair_harness.h"
#include "os/clock.h"
#include "os/membarrier.h"

enum { GEN = 7, BLOCK = 4096, TOKEN = 64 };

static _Atomic(uint32_t) word;

static void live(void)
{
	atomic_store_explicit(&word, GEN, memory_order_release);
}

static void end_life(void)
{
	atomic_store_explicit(&word, GEN + 1, memory_order_release);
}

static const struct lat_life life = { &word, GEN };

/* --- within a process --------------------------------------------------------------------------- */

enum way { COPIED, HELD, SHORT_BUFFER };

static struct lat_chan *life_opened(bool single)
{
	const struct lat_chan_config cfg = { .single = single, .from = { .pid = 3 }, .life = life };
	struct lat_chan *ch;

	CHECK_EQ(lat_inbox_open(&inbox), 0);
	lat_inbox_tune(inbox, &(struct lat_inbox_tuning){ .wait = LAT_WAIT_SPIN, .single = single });
	live();
	CHECK_EQ(lat_chan_open(&ch, inbox, &cfg), 0);
	return ch;
}

static int recv_some(size_t cap, uint64_t deadline_ns)
{
	unsigned char buf[TOKEN];
	struct lat_inbox_info info;

	return lat_inbox_recv(inbox, buf, cap, &info, deadline_ns);
}

TEST(what_is_queued_is_not_received)
{
	static const struct {
		const char *why;
		enum way way;
		bool single;
		uint32_t before, after, len;
	} rows[] = {
		{ "nothing was received before", COPIED, false, 0, 3, 4 },
		{ "some were", COPIED, false, 2, 3, 4 },
		{ "nothing is queued", COPIED, false, 2, 0, 4 },
		{ "in place", HELD, false, 3, 3, BLOCK },
		{ "in place, copied", HELD, false, 3, 3, 4 },
		{ "not even how long it is", SHORT_BUFFER, false, 2, 1, 60 },
	};
	static unsigned char data[BLOCK];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_chan *ch = life_opened(rows[i].single);
		struct lat_inbox_hold hold;
		struct lat_inbox_stats stats;
		struct lat_inbox_info info;
		uint64_t received;
		size_t cap = rows[i].way == SHORT_BUFFER ? 4 : TOKEN;

		for (uint32_t n = 0; n < rows[i].before; n++) {
			CHECK_EQ_ROW(rows[i].why, lat_chan_send(ch, 1, data, cap == 4 ? 4 : rows[i].len, 0),
				     0);
			if (rows[i].way == HELD) {
				CHECK_EQ(lat_inbox_take(inbox, &hold, false, &info, UINT64_MAX), 0);
				lat_inbox_release(inbox, &hold);
			} else {
				CHECK_EQ_ROW(rows[i].why, recv_some(cap, UINT64_MAX), 0);
			}
		}
		for (uint32_t n = 0; n < rows[i].after; n++)
			CHECK_EQ(lat_chan_send(ch, 1, data, rows[i].len, 0), 0);
		end_life();
		if (rows[i].way == HELD)
			CHECK_EQ_ROW(rows[i].why, lat_inbox_take(inbox, &hold, false, &info, 0), -ENOMSG);
		else
			CHECK_EQ_ROW(rows[i].why, recv_some(cap, 0), -ENOMSG);
		CHECK_EQ_ROW(rows[i].why, lat_chan_send(ch, 1, data, 4, 0), -EKEYREVOKED);
		lat_chan_revoke(ch);
		lat_chan_revoke(ch);
		CHECK_EQ_ROW(rows[i].why, recv_some(cap, 0), -ENOMSG);
		CHECK_EQ_ROW(rows[i].why, lat_chan_sent(ch, &received), rows[i].before + rows[i].after);
		CHECK_EQ_ROW(rows[i].why, received, rows[i].before);
		CHECK_EQ(lat_chan_flush(ch, UINT64_MAX), rows[i].after == 0 ? 0 : -EKEYREVOKED);
		lat_inbox_stats(inbox, &stats);
		CHECK_EQ_ROW(rows[i].why, stats.refused, 1);
		CHECK_EQ_ROW(rows[i].why, stats.poisoned, 0);
		CHECK_EQ_ROW(rows[i].why, stats.sources, 0);
		lat_chan_close(ch);
		lat_inbox_close(inbox);
	}
}

/* lattice_endpoint_recv() and _take() try this first. */
TEST(the_short_way)
{
	static const struct {
		const char *why;
		uint32_t len, queued;
		bool held;
	} rows[] = {
		{ "one slot", 4, 3, false },
		{ "two slots", 60, 3, false },
		{ "the last of all", 4, 1, false },
		{ "in place", BLOCK, 3, true },
		{ "in place, the last", BLOCK, 1, true },
	};
	static unsigned char data[BLOCK], buf[BLOCK];

	if (!lat_membarrier_works(LAT_MEMBARRIER_PROCESS))
		TEST_SKIP("no membarrier: nothing is hot");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int ended = 0; ended < 2; ended++) {
			struct lat_chan *ch = life_opened(false);
			struct lat_inbox_hold hold;
			struct lat_inbox_info info;
			struct lat_ring_msg m;
			bool got, settle;

			for (uint32_t n = 0; n < 100; n++) {
				CHECK_EQ(lat_chan_send(ch, 1, data, rows[i].len, 0), 0);
				CHECK_EQ(lat_inbox_take(inbox, &hold, false, &info, 0), 0);
				lat_inbox_release(inbox, &hold);
			}
			for (uint32_t n = 0; n < rows[i].queued; n++)
				CHECK_EQ(lat_chan_send(ch, 1, data, rows[i].len, 0), 0);
			if (ended)
				end_life();
			lat_turn_begin(&inbox->turn);
			CHECK_ROW(rows[i].why, inbox->next != NULL && inbox->next->near);
			got = rows[i].held ? lat_inbox_hold_near_locked(inbox, &hold, false, &m, &settle)
					   : lat_inbox_take_near_locked(inbox, buf, sizeof(buf), true, &m,
									&settle);
			lat_turn_end(&inbox->turn);
			CHECK_EQ_ROW(rows[i].why, got, !ended);
			if (got && rows[i].held)
				lat_inbox_release(inbox, &hold);
			if (ended) {
				CHECK_EQ_ROW(rows[i].why, recv_some(TOKEN, 0), -ENOMSG);
				lat_chan_revoke(ch);
			}
			lat_chan_close(ch);
			lat_inbox_close(inbox);
		}
	}
}

TEST(loans_stop)
{
	struct lat_chan *ch = life_opened(false);
	struct lat_sender *s = lat_chan_sender(ch);
	struct lat_sender_loan loan, other;
	struct lat_inbox_hold hold;
	struct lat_inbox_info info;

	CHECK_EQ(lat_sender_loan(s, BLOCK, &loan, 0), 0);
	memset(loan.data, 1, BLOCK);
	CHECK_EQ(lat_sender_publish(s, 1, &loan, BLOCK, 0), 0);
	CHECK_EQ(lat_inbox_take(inbox, &hold, false, &info, 0), 0);
	CHECK_EQ(lat_sender_loan(s, BLOCK, &loan, 0), 0);
	end_life();
	CHECK_EQ(lat_sender_publish(s, 1, &loan, BLOCK, 0), -EKEYREVOKED);
	CHECK_EQ(lat_sender_loan(s, BLOCK, &other, 0), -EKEYREVOKED);
	lat_sender_discard(s, &loan);
	lat_chan_revoke(ch);
	CHECK_EQ(((const unsigned char *)hold.data)[BLOCK - 1], 1); /* what was received stays */
	lat_chan_close(ch);
	lat_inbox_release(inbox, &hold);
	lat_inbox_close(inbox);
}

struct waiter {
	struct lat_chan *ch;
	enum { SENDS, FLUSHES, CALLS } what;
	pthread_t thread;
	int rc;
};

static void *wait_in(void *arg)
{
	struct waiter *w = arg;
	unsigned char buf[8];
	struct lat_call call = { .data = "c", .len = 1, .buf = buf, .cap = sizeof(buf) };

	if (w->what == SENDS)
		do
			w->rc = lat_chan_send(w->ch, 1, "s", 1, UINT64_MAX);
		while (w->rc == 0);
	else if (w->what == FLUSHES)
		w->rc = lat_chan_flush(w->ch, UINT64_MAX);
	else
		w->rc = lat_chan_call(w->ch, &call, UINT64_MAX);
	return NULL;
}

/* Whether it has begun to wait cannot be seen of all three: it must be told in either case. */
TEST(who_waits_is_told)
{
	static const struct {
		const char *why;
		int what;
		bool taken;
	} rows[] = {
		{ "for room", SENDS, false },
		{ "until all was received", FLUSHES, false },
		{ "for a reply, and nobody has the request", CALLS, false },
		{ "for a reply, and somebody has it", CALLS, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct waiter w = { .ch = life_opened(false), .what = (__typeof__(w.what))rows[i].what };
		unsigned char buf[8];
		struct lat_inbox_info info = { 0 };

		if (w.what == FLUSHES)
			CHECK_EQ(lat_chan_send(w.ch, 1, "s", 1, 0), 0);
		CHECK_EQ(pthread_create(&w.thread, NULL, wait_in, &w), 0);
		while (w.what != FLUSHES && lat_chan_sent(w.ch, NULL) == 0)
			sched_yield();
		if (rows[i].taken)
			CHECK_EQ(lat_inbox_recv(inbox, buf, sizeof(buf), &info, UINT64_MAX), 0);
		end_life();
		lat_chan_revoke(w.ch);
		CHECK_EQ(pthread_join(w.thread, NULL), 0);
		CHECK_EQ_ROW(rows[i].why, w.rc, -EKEYREVOKED);
		if (rows[i].taken)
			CHECK_EQ_ROW(rows[i].why, lat_inbox_reply(inbox, info.call, 1, "r", 1), -EALREADY);
		lat_chan_close(w.ch);
		lat_inbox_close(inbox);
	}
}

TEST(another_word)
{
	static _Atomic(uint32_t) newer;
	const struct lat_life next = { &newer, 3 };
	struct lat_chan *ch = life_opened(false);

	atomic_store_explicit(&newer, 3, memory_order_release);
	CHECK_EQ(lat_chan_send(ch, 1, "a", 1, 0), 0);
	CHECK(lat_chan_set_life(ch, next));
	end_life(); /* says nothing any more */
	CHECK_EQ(lat_chan_send(ch, 1, "b", 1, 0), 0);
	CHECK_EQ(recv_some(TOKEN, 0), 0);
	atomic_store_explicit(&newer, 4, memory_order_release);
	CHECK_EQ(recv_some(TOKEN, 0), -ENOMSG);
	CHECK(!lat_chan_set_life(ch, (struct lat_life){ 0 })); /* what has ended stays so */
	CHECK_EQ(lat_chan_send(ch, 1, "c", 1, 0), -EKEYREVOKED);
	lat_chan_close(ch);
	lat_inbox_close(inbox);
}

/* --- over a link -------------------------------------------------------------------------------- */

static struct lat_link_out *link_opened(struct receiver *r)
{
	const struct lat_link_out_config out_cfg = { .life = life };
	const struct lat_link_in_config in_cfg = { .user = r, .gone = receiver_gone, .life = life };
	struct lat_link_out *out;

	live();
	CHECK_EQ(lat_link_out_open(&out, a, &out_cfg), 0);
	*r = (struct receiver){ .close = true };
	CHECK_EQ(lat_link_in_open(&r->in, b, lat_link_out_chan(out), inbox, &in_cfg), 0);
	lat_link_out_accept(out);
	return out;
}

static int link_send(struct lat_link_out *out)
{
	return lat_sender_send(lat_link_out_sender(out), 1, "s", 1, 0);
}

TEST(over_a_link)
{
	enum { RECEIVED, TOLD, CLOSED };
	static const struct {
		const char *why;
		int by;
		uint32_t before, after;
	} rows[] = {
		{ "found by who receives", RECEIVED, 2, 3 },
		{ "told, while nobody receives", TOLD, 2, 3 },
		{ "told, and nothing is queued", TOLD, 2, 0 },
		{ "its sender has closed it before, and what is left is drained", CLOSED, 2, 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_link_out *out;
		struct receiver r;
		uint64_t received;

		pair_open();
		out = link_opened(&r);
		r.close = false;
		for (uint32_t n = 0; n < rows[i].before; n++) {
			CHECK_EQ(link_send(out), 0);
			CHECK_EQ(recv_some(TOKEN, 0), 0);
		}
		for (uint32_t n = 0; n < rows[i].after; n++)
			CHECK_EQ(link_send(out), 0);
		if (rows[i].by == CLOSED)
			lat_link_in_end(r.in);
		end_life();
		CHECK_EQ_ROW(rows[i].why, link_send(out), -EKEYREVOKED);
		if (rows[i].by != RECEIVED)
			lat_link_in_revoke(r.in);
		CHECK_EQ_ROW(rows[i].why, recv_some(TOKEN, 0), -ENOMSG);
		CHECK_EQ_ROW(rows[i].why, r.gone, 1);
		CHECK_EQ_ROW(rows[i].why, r.why, -EKEYREVOKED);
		lat_link_in_revoke(r.in); /* again */
		CHECK_EQ_ROW(rows[i].why, r.gone, 1);
		(void)lat_sender_sent(lat_link_out_sender(out), &received);
		CHECK_EQ_ROW(rows[i].why, received, rows[i].before);
		CHECK_EQ_ROW(rows[i].why, lat_link_in_received(r.in), rows[i].before);
		CHECK(!lat_link_in_close(r.in));
		lat_link_out_end(out, -EKEYREVOKED);
		CHECK_EQ_ROW(rows[i].why, lat_sender_flush(lat_link_out_sender(out), UINT64_MAX),
			     rows[i].after == 0 ? 0 : -EKEYREVOKED);
		lat_link_out_close(out);
		pair_close();
	}
}

/* The number is not told before the receiving end has said the last one: a flush waits for that. */
TEST(a_flush_waits_for_the_receivers_word)
{
	struct lat_link_out *out;
	struct receiver r;

	pair_open();
	out = link_opened(&r);
	CHECK_EQ(link_send(out), 0);
	end_life();
	CHECK_EQ(link_send(out), -EKEYREVOKED);
	CHECK_EQ(lat_sender_flush(lat_link_out_sender(out), 0), -EAGAIN);
	lat_link_in_revoke(r.in);
	lat_link_out_end(out, -EKEYREVOKED);
	CHECK_EQ(lat_sender_flush(lat_link_out_sender(out), 0), -EKEYREVOKED);
	lat_link_out_close(out);
	pair_close();
}

TEST_MAIN

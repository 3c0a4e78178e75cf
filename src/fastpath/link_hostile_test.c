/*
 * A peer that writes what it likes into its side of the link, as fast as it can, while we receive from it and send to
 * it. We neither crash nor read outside (run it under AddressSanitizer), keep our deadlines, and go on talking with
 * another peer that behaves.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "fastpath/link_harness.h"
#include "fastpath/link_seg.h"

enum {
	CHANS = 6,      /* in each direction, with the one who misbehaves */
	ROUNDS = 2000,  /* with the one who behaves, meanwhile */
	REOPENED = 100, /* channels that were poisoned and opened again at most, in each direction */
};

/* --- the one who misbehaves: the segment and the words of the owner, nothing in between ---------------- */

static struct {
	struct lat_seg *own;
	const struct lat_seg *peer;
	int sock, bell;
	uint64_t random;
} bad;

static uint32_t any(void)
{
	bad.random = bad.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(bad.random >> 32);
}

static void put(_Atomic(uint32_t) *word, uint32_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static void scribble_all(uint32_t chan)
{
	_Atomic(uint32_t) *ring = (_Atomic(uint32_t) *)bad.own->l1[chan];
	_Atomic(uint32_t) *rx = (_Atomic(uint32_t) *)&bad.own->rx[chan];
	_Atomic(uint32_t) *tx = (_Atomic(uint32_t) *)&bad.own->tx[chan];

	for (size_t i = 0; i < 64; i++)
		put(&ring[any() % (sizeof(bad.own->l1[chan]) / 4)], any());
	for (size_t i = 0; i < sizeof(struct lat_seg_rx) / 4; i++)
		put(&rx[i], any());
	for (size_t i = 0; i < sizeof(struct lat_seg_tx) / 4; i++)
		put(&tx[i], any());
	put(&bad.own->log[any() % LAT_SEG_LOG], any());
	put(&bad.own->rung, any());
	put(&bad.own->armed, any());
	put(&bad.own->magic, any());
	put(&bad.own->flags, any());
}

/* Numbers that fit, and headers that do not. */
static void scribble_headers(uint32_t chan)
{
	static uint32_t next[CHANS];
	uint32_t seq = next[chan]++ % 200 + 1;
	struct lat_ring_slot *slot = &bad.own->l1[chan][(seq - 1) % LAT_TIERS_L1_SLOTS];

	slot->first.len = any() >> any() % 32;
	slot->first.type = (int32_t)any();
	slot->first.msg_seq = any() % 2 == 0 ? seq : any();
	atomic_store_explicit(&slot->seq, seq, memory_order_release);
}

/* Headers and numbers that fit, of messages that change while they are read. */
static void scribble_bytes(uint32_t chan)
{
	static uint32_t next[CHANS];
	uint32_t seq = ++next[chan];
	struct lat_ring_slot *slot = &bad.own->l1[chan][(seq - 1) % LAT_TIERS_L1_SLOTS];

	if (atomic_load_explicit(&bad.own->l1[chan][0].seq, memory_order_relaxed) == 0)
		seq = next[chan] = 1; /* opened again */
	slot = &bad.own->l1[chan][(seq - 1) % LAT_TIERS_L1_SLOTS];
	slot->first.len = any() % 100;
	slot->first.msg_seq = seq;
	atomic_store_explicit(&slot->seq, seq, memory_order_release);
	slot->first.len = any();
	memset(slot->first.data, (int)any(), sizeof(slot->first.data));
}

static void scribble_rings(uint32_t chan)
{
	for (size_t i = 0; i < 100; i++) {
		uint32_t rung = atomic_load_explicit(&bad.own->rung, memory_order_relaxed);

		put(&bad.own->log[any() % LAT_SEG_LOG],
		    any() % 4 == 0 ? any() : (rung >> 12 << 15 | chan << 1));
		atomic_store_explicit(&bad.own->rung, rung + any() % 3, memory_order_release);
	}
	if (any() % 16 == 0)
		put(&bad.own->rung, any());
	(void)!lat_poke_clear(bad.bell);
	lat_poke(bad.bell);
}

static void scribble_armed(uint32_t chan)
{
	(void)chan;
	put(&bad.own->armed, any() >> any() % 32);
}

/* The last slot that the victim sent. */
static uint32_t sent_on(uint32_t chan)
{
	uint32_t sent = 0;

	for (size_t i = 0; i < LAT_TIERS_L1_SLOTS; i++) {
		uint32_t seq = atomic_load_explicit(&bad.peer->l1[chan][i].seq, memory_order_relaxed);

		if (seq > sent)
			sent = seq;
	}
	return sent;
}

static void scribble_back(uint32_t chan)
{
	struct lat_seg_rx *rx = &bad.own->rx[chan];
	uint32_t sent = sent_on(chan); /* now and then what may be true */

	put(&rx->back.head[0], any() % 8 == 0 ? any() : sent);
	put(&rx->words.received, any());
	put(&rx->words.hot, any());
}

static void scribble_wishes(uint32_t chan)
{
	put(&bad.own->tx[chan].words.room_wanted, any());
	atomic_store_explicit(&bad.own->tx[chan].words.lost, any(), memory_order_relaxed);
	for (size_t i = 0; i < sizeof(bad.own->tx[chan].front) / 4; i++)
		put((_Atomic(uint32_t) *)&bad.own->tx[chan].front + i, any() % 4);
	scribble_bytes(chan);
}

/* Floods the bell without reading it. */
static void scribble_bell(uint32_t chan)
{
	scribble_rings(chan);
	for (size_t i = 0; i < 10; i++)
		(void)!send(bad.bell, bad.own, 4000, MSG_DONTWAIT | MSG_NOSIGNAL);
}

enum { EXTENT_SLOTS = 128, EXTENT_BYTES = EXTENT_SLOTS * LAT_RING_SLOT };

/* Adds memory, real or not, and writes what it likes into that. */
static void scribble_extents(uint32_t chan)
{
	static _Atomic(uint32_t) *extent[8];
	static size_t made;
	uint32_t tier = any() % 5;
	struct party_msg m = { .word = WORD_EXTENT, .extent = { chan, tier, EXTENT_BYTES } };
	size_t one = any() % ARRAY_LEN(extent);
	int fd = -1;
	void *map;

	if (made < 200 && any() % 256 == 0) {
		if (any() % 4 == 0)
			m.extent.bytes = any();
		if (lat_memfd_create(&fd, &map, EXTENT_BYTES, "bad") < 0)
			return;
		lat_memfd_unmap(extent[one], EXTENT_BYTES);
		extent[one] = map;
		made++;
		(void)!lat_fdpass_send(bad.sock, &m, sizeof(m), &fd, 1);
		lat_memfd_close(fd);
	}
	for (size_t i = 0; extent[one] != NULL && i < 32; i++)
		put(&extent[one][any() % (EXTENT_BYTES / 4)], any() % 2 == 0 ? any() % EXTENT_SLOTS : any());
	for (size_t i = 0; i < LAT_TIERS - 1; i++)
		put(&bad.own->tx[chan].front.made[i], any() % 3);
	put(&bad.own->tx[chan].front.epoch, any());
	scribble_bytes(chan);
}

/* A message that is one. */
static void publish(uint32_t chan, uint32_t seq)
{
	struct lat_ring_slot *slot = &bad.own->l1[chan][(seq - 1) % LAT_TIERS_L1_SLOTS];

	slot->first.len = any() % 40;
	slot->first.msg_seq = seq;
	atomic_store_explicit(&slot->seq, seq, memory_order_release);
}

/* Calls that are none, replies to what was asked and not, and memory for them. */
static void scribble_calls(uint32_t chan)
{
	uint32_t taken = atomic_load_explicit(&bad.peer->rx[chan].words.received, memory_order_relaxed),
		 next = taken + 1;
	_Atomic(uint32_t) *asked = (_Atomic(uint32_t) *)&bad.own->asked[chan];
	struct lat_seg_rx *rx = &bad.own->rx[chan];
	static size_t given;
	int fd;

	for (size_t i = 0; i < LAT_SEG_CALLS; i++) {
		struct lat_seg_reply *line = &bad.own->replies[chan][i];

		atomic_store_explicit(&bad.own->asked[chan].at[i], next, memory_order_relaxed);
		put(&line->len, any() >> any() % 32);
		put(&line->where, any() % 5);
		put(&line->at, any() >> any() % 32);
		put(&line->number, (uint32_t)i + (any() % 4) * LAT_SEG_CALLS);
	}
	put(&rx->back.head[0], sent_on(chan)); /* so that there are more */
	put(&rx->words.received, sent_on(chan));
	if (any() % 8 == 0)
		put(&asked[any() % (sizeof(struct lat_seg_asked) / 4)], any());
	put(&bad.own->tx[chan].asks, any() % 8 != 0);
	put(&bad.own->tx[chan].words.room_wanted, any());
	if (given < 40 && any() % 64 == 0) {
		struct party_msg m = { .word = WORD_REPLIES,
				       .chan = any() % (CHANS + 1),
				       .received = any() % 4 == 0 ? any() : LAT_LINK_REPLIES_BYTES };
		void *map;

		if (lat_memfd_create(&fd, &map, LAT_LINK_REPLIES_BYTES, "bad") < 0)
			return;
		given++;
		(void)!lat_fdpass_send(bad.sock, &m, sizeof(m), &fd, 1);
		lat_memfd_close(fd);
		lat_memfd_unmap(map, LAT_LINK_REPLIES_BYTES);
	}
	publish(chan, next);
}

static const struct mode {
	const char *why;
	void (*scribble)(uint32_t chan);
} modes[] = {
	{ "every word", scribble_all },
	{ "headers", scribble_headers },
	{ "bytes, and headers after they were seen", scribble_bytes },
	{ "the log", scribble_rings },
	{ "whether it sleeps", scribble_armed },
	{ "what it gave back", scribble_back },
	{ "what it wants, and its extents", scribble_wishes },
	{ "the bell", scribble_bell },
	{ "memory that it adds", scribble_extents },
	{ "calls and replies", scribble_calls },
};

static int bad_hello(const struct meeting *m)
{
	size_t count = 1;
	int fd, got, rc;
	char c;

	bad.sock = m->sock[1];
	bad.bell = m->bell[1];
	bad.random = 12345;
	rc = lat_seg_open(&bad.own, LAT_SEG_EXPEDITED, &fd);
	if (rc == 0)
		rc = lat_fdpass_send(bad.sock, "h", 1, &fd, 1);
	if (rc == 0)
		rc = lat_fdpass_recv(bad.sock, &c, 1, &got, &count) == 1 ? 0 : -EPIPE;
	if (rc == 0)
		rc = lat_seg_join(&bad.peer, got);
	return rc;
}

static void bad_say(uint32_t word, uint32_t chan)
{
	struct party_msg m = { .word = word, .chan = chan };

	(void)!send(bad.sock, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Accepts what is opened, opens again what was closed. false: hung up. */
static bool bad_answer(void)
{
	struct party_msg m;
	ssize_t n;

	while ((n = recv(bad.sock, &m, sizeof(m), MSG_DONTWAIT)) == (ssize_t)sizeof(m)) {
		if (m.word == WORD_OPEN)
			bad_say(WORD_ACCEPT, m.chan);
		else if (m.word == WORD_GONE)
			bad_say(WORD_OPEN, m.chan);
		else if (m.word == WORD_CLOSE)
			bad_say(WORD_GONE, m.chan);
	}
	return n != 0;
}

static int run_bad(const struct meeting *m, const struct mode *mode)
{
	if (bad_hello(m) < 0)
		return 2;
	for (uint32_t chan = 0; chan < CHANS; chan++) {
		if (lat_seg_ready_out(bad.own, chan) < 0 || lat_seg_ready_in(bad.own, chan) < 0 ||
		    lat_seg_ready_asks(bad.own, chan) < 0 || lat_seg_ready_replies(bad.own, chan) < 0)
			return 3;
		bad_say(WORD_OPEN, chan);
	}
	(void)!poll(&(struct pollfd){ .fd = bad.sock, .events = POLLIN }, 1, -1); /* he has joined */
	while (bad_answer())
		for (size_t i = 0; i < 50; i++)
			mode->scribble(any() % CHANS);
	return 0;
}

/* --- the one who behaves --------------------------------------------------------------------------------- */

static struct party self, other; /* our links with the two; other is the one who misbehaves */

static int run_good(const struct meeting *m)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	uint64_t n;

	if (lat_inbox_open(&self.inbox) < 0 || party_meet(&self, m, 1, self.inbox) < 0 ||
	    party_open(&self, &out, 0) < 0)
		return 2;
	for (uint64_t want = 1; want <= ROUNDS; want++) {
		if (lat_inbox_recv(self.inbox, &n, sizeof(n), &info, UINT64_MAX) < 0 || n != want)
			return 3;
		if (lat_sender_send(lat_link_out_sender(out), 0, &n, sizeof(n), UINT64_MAX) < 0)
			return 4;
	}
	party_close(&self, out, NULL);
	party_leave(&self);
	lat_inbox_close(self.inbox);
	return 0;
}

/* --- and us, between them ---------------------------------------------------------------------------------- */

/* The channels to the one who misbehaves: sent on, waited for, and opened again when they are poisoned. */
static struct {
	struct lat_link_out *out[CHANS];
	uint32_t reopened;
} victim;

/* Closes an end of which the other may yet say something. */
static void out_close(struct party *p, struct lat_link_out *out)
{
	if (out == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->out[lat_link_out_chan(out)].out = NULL;
	pthread_mutex_unlock(&p->lock);
	lat_link_out_close(out);
}

static void victim_open(size_t i)
{
	/* Waits for no answer: what is not accepted yet is not sent on. */
	if (victim.reopened++ < REOPENED && party_ask(&other, &victim.out[i], 0) < 0)
		victim.out[i] = NULL;
}

/* What a reply comes to, is nobody's fault but his. */
static int victim_call(struct lat_link_out *out, uint64_t deadline_ns)
{
	unsigned char back[200];
	struct lat_call call = { .data = back, .buf = back, .cap = sizeof(back) };
	int rc = lat_link_call(out, &call, deadline_ns);

	CHECK(rc != 0 || call.reply_len <= sizeof(back));
	return rc == -ENOMEM || rc == -EPROTO || rc == -EMSGSIZE || rc == -ENOBUFS ? 0 : rc;
}

/* Whatever it says that it asked is answered. */
static void victim_answer(const struct lat_inbox_info *info)
{
	static const unsigned char bytes[3000];
	int rc;

	if (info->call == 0)
		return;
	rc = lat_inbox_reply(other.inbox, info->call, 1, bytes, info->len % sizeof(bytes));
	CHECK(rc == 0 || rc == -EALREADY || rc == -ENOMEM);
}

static void victim_send(size_t i, uint64_t deadline_ns)
{
	struct lat_link_out *out = victim.out[i];
	unsigned char buf[300] = { 0 };
	struct party_end *end;
	bool accepted;
	int rc;

	if (out == NULL)
		return;
	end = &other.out[lat_link_out_chan(out)];
	pthread_mutex_lock(&other.lock);
	accepted = end->accepted;
	pthread_mutex_unlock(&other.lock);
	if (!accepted)
		return;
	rc = lat_sender_send(lat_link_out_sender(out), 0, buf, sizeof(buf), deadline_ns);
	if (rc == 0)
		rc = victim_call(out, deadline_ns);
	if (rc == 0 || rc == -ETIMEDOUT)
		rc = lat_sender_flush(lat_link_out_sender(out), deadline_ns);
	if (rc == 0 || rc == -EAGAIN || rc == -ETIMEDOUT)
		return;
	CHECK(rc == -EPROTO);
	out_close(&other, out); /* the number may be in use over there still: his affair */
	victim.out[i] = NULL;
	victim_open(i);
}

/* Messages of anybody's until the one that we wait for has come from the one who behaves. */
static void recv_good(uint64_t want)
{
	for (;;) {
		unsigned char buf[5000];
		struct lat_inbox_info info;
		uint64_t n;

		CHECK_EQ(lat_inbox_recv(self.inbox, buf, sizeof(buf), &info, UINT64_MAX), 0);
		CHECK(info.len <= sizeof(buf));
		if (((struct party_end *)info.user)->party != &self) {
			victim_answer(&info);
			continue;
		}
		CHECK_EQ(info.len, sizeof(n));
		memcpy(&n, buf, sizeof(n));
		CHECK_EQ(n, want);
		return;
	}
}

/* Goes on receiving until the one who behaves has ended and is told so. */
static void recv_end(void)
{
	unsigned char buf[5000];
	struct lat_inbox_info info;

	while (party_ins_gone(&self) == 0) {
		int rc = lat_inbox_recv(self.inbox, buf, sizeof(buf), &info, 0);

		CHECK(rc == 0 || rc == -ENOMSG);
		CHECK(rc < 0 || ((struct party_end *)info.user)->party == &other);
		sched_yield();
	}
	CHECK_EQ(party_last_why(&self), 0);
}

static pid_t forked(int (*run)(const struct meeting *m, const struct mode *mode), const struct mode *mode,
		    struct meeting *m)
{
	pid_t child;

	meeting_open(m);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		party_fork_close(m, 1);
		_exit(run(m, mode));
	}
	party_fork_close(m, 0);
	return child;
}

static int run_good_mode(const struct meeting *m, const struct mode *mode)
{
	(void)mode;
	return run_good(m);
}

TEST(nothing_that_a_peer_writes_harms_us)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		struct meeting with_good, with_bad;
		struct lat_link_out *out;
		int status;
		pid_t good, worse;

		memset(&self, 0, sizeof(self));
		memset(&other, 0, sizeof(other));
		memset(&victim, 0, sizeof(victim));
		good = forked(run_good_mode, NULL, &with_good);
		worse = forked(run_bad, &modes[i], &with_bad);
		CHECK_EQ(lat_inbox_open(&self.inbox), 0);
		CHECK_EQ(party_meet(&self, &with_good, 0, self.inbox), 0);
		CHECK_EQ_ROW(modes[i].why, party_meet(&other, &with_bad, 0, self.inbox), 0);
		CHECK_EQ(party_open(&self, &out, 0), 0);
		for (size_t k = 0; k < CHANS; k++)
			victim_open(k);
		for (uint64_t n = 1; n <= ROUNDS; n++) {
			CHECK_EQ_ROW(modes[i].why,
				     lat_sender_send(lat_link_out_sender(out), 0, &n, sizeof(n), UINT64_MAX),
				     0);
			victim_send(n % CHANS, n % 8 == 0 ? lat_clock_deadline(lat_clock_monotonic_ns(),
									       100 * LAT_NS_PER_US)
							  : 0);
			recv_good(n);
		}
		recv_end();
		CHECK_EQ(waitpid(good, &status, 0), good);
		CHECK_EQ_ROW(modes[i].why, status, 0);
		lat_link_dead(other.link, -EPROTO);
		for (size_t k = 0; k < CHANS; k++)
			out_close(&other, victim.out[k]);
		out_close(&self, out);
		party_leave(&other); /* at which he hangs up, too */
		party_leave(&self);
		lat_inbox_close(self.inbox);
		CHECK_EQ(waitpid(worse, &status, 0), worse);
		CHECK_EQ_ROW(modes[i].why, status, 0);
	}
}

/* Alone with it: whatever it rings, a call comes back. That it comes back at all is what is tested. */
TEST(deadlines_are_kept)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		struct meeting with_bad;
		struct pollfd p = { .events = POLLIN };
		unsigned char buf[5000];
		struct lat_inbox_info info;
		int status;
		pid_t worse;

		memset(&other, 0, sizeof(other));
		memset(&victim, 0, sizeof(victim));
		worse = forked(run_bad, &modes[i], &with_bad);
		CHECK_EQ(lat_inbox_open(&other.inbox), 0);
		CHECK_EQ_ROW(modes[i].why, party_meet(&other, &with_bad, 0, other.inbox), 0);
		for (size_t k = 0; k < CHANS; k++)
			victim_open(k);
		for (size_t n = 0; n < 30; n++) {
			uint64_t until = lat_clock_deadline(lat_clock_monotonic_ns(), LAT_NS_PER_MS);
			int rc = 0;

			while (rc == 0 && lat_clock_monotonic_ns() < until)
				rc = lat_inbox_recv(other.inbox, buf, sizeof(buf), &info, until);
			if (rc == 0)
				victim_answer(&info);
			CHECK_ROW(modes[i].why, rc == 0 || rc == -ETIMEDOUT);
			victim_send(n % CHANS, lat_clock_deadline(lat_clock_monotonic_ns(), LAT_NS_PER_MS));
		}
		p.fd = lat_inbox_fd(other.inbox); /* from now on the bell's descriptor counts, too */
		CHECK(p.fd >= 0);
		for (size_t n = 0; n < 300; n++) {
			int rc = lat_inbox_recv(other.inbox, buf, sizeof(buf), &info, 0);

			CHECK_ROW(modes[i].why, rc == 0 || rc == -ENOMSG);
			(void)!poll(&p, 1, 1);
		}
		lat_link_dead(other.link, -EPROTO);
		for (size_t k = 0; k < CHANS; k++)
			out_close(&other, victim.out[k]);
		party_leave(&other);
		lat_inbox_close(other.inbox);
		CHECK_EQ(waitpid(worse, &status, 0), worse);
		CHECK_EQ_ROW(modes[i].why, status, 0);
	}
}

TEST_MAIN

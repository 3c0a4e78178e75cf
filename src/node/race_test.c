/*
 * Everything at once, on two nodes: endpoints that come and go, channels to them from both sides, and callers who ask, change and
 * count meanwhile; in the end the nodes close under all of them. What comes of a call is left to chance, but only what its
 * contract names may come; messages of a channel arrive in order, without gaps, and what flush said had arrived has.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "node/pair_harness.h"

enum {
	PIDS = 2,    /* on each node: 10 and 11 on A, 20 and 21 on B */
	SENDERS = 3, /* on each node */
	ROUNDS = 40, /* of a sender: channels it opens */
	BURST = 40,  /* messages at most on each */
	ASKERS = 2,
	TURNERS = 2,
	INSTANCES = 2 * SENDERS * ROUNDS + 2 * SENDERS,
	BYTES_MAX = 3000,
};

struct world {
	struct pair p;
	bool turn_b; /* B has no thread of its own */
	atomic_bool stop, closing;
	_Atomic(uint32_t) next_instance;
	_Atomic(uint32_t) received[INSTANCES]; /* of each channel; one receiver at a time */
};

/* A thread and its verdict: 0, or the error that its call may not return. */
struct actor {
	struct world *w;
	pthread_t thread;
	void (*act)(struct actor *a);
	struct lattice_node *node;
	int32_t pid;
	uint32_t seed;
	struct lattice_endpoint *ep; /* what it still has when the nodes have closed */
	struct lattice_channel *ch;
	const char *where;
	int verdict;
};

struct content { /* the beginning of each message */
	uint32_t instance, index;
};

static uint32_t draw(struct actor *a, uint32_t below)
{
	a->seed ^= a->seed << 13;
	a->seed ^= a->seed >> 17;
	a->seed ^= a->seed << 5;
	return a->seed % below;
}

/* Whether @rc is none of @may (ended by 0, which always may be). The first surprise is kept. */
static bool surprised(struct actor *a, const char *where, int rc, const int *may)
{
	if (rc == 0)
		return false;
	for (; *may != 0; may++)
		if (*may == rc)
			return false;
	if (a->verdict == 0) {
		a->verdict = rc;
		a->where = where;
	}
	return true;
}
#define SURPRISED(a_, where_, rc_, ...) surprised((a_), (where_), (rc_), (const int[]){ __VA_ARGS__, 0 })

static bool closing(const struct actor *a)
{
	return atomic_load_explicit(&a->w->closing, memory_order_acquire);
}

static bool stopped(const struct actor *a)
{
	return closing(a) || atomic_load_explicit(&a->w->stop, memory_order_acquire);
}

static int64_t some_time(struct actor *a)
{
	static const int64_t times[] = { 0, 1, LAT_NS_PER_MS, 20 * LAT_NS_PER_MS };

	return times[draw(a, ARRAY_LEN(times))];
}

/* ---- receivers ---- */

static int take_one(struct actor *a, int64_t timeout_ns)
{
	unsigned char buf[BYTES_MAX];
	struct lattice_msg msg;
	struct content c;
	int rc = lattice_endpoint_recv(a->ep, &msg, buf, sizeof(buf), timeout_ns);

	if (rc < 0)
		return rc;
	memcpy(&c, buf, sizeof(c));
	if (msg.len < sizeof(c) || c.instance >= INSTANCES || msg.seq != (uint64_t)c.index + 1 ||
	    atomic_fetch_add_explicit(&a->w->received[c.instance], 1, memory_order_acq_rel) != c.index) {
		a->where = "order";
		a->verdict = -EILSEQ;
	}
	return 0;
}

static void receives(struct actor *a)
{
	int rc = 0;

	while (rc != -ESHUTDOWN && a->verdict == 0) {
		if (a->ep == NULL) {
			rc = lattice_endpoint_open(&a->ep, a->node, a->pid);
			if (rc < 0) {
				(void)SURPRISED(a, "endpoint_open", closing(a) && rc == -ESHUTDOWN ? 0 : rc,
						0);
				return;
			}
		}
		for (uint32_t n = draw(a, 4 * BURST); n > 0 && rc != -ESHUTDOWN && a->verdict == 0; n--) {
			rc = take_one(a, stopped(a) ? LATTICE_FOREVER : some_time(a));
			(void)SURPRISED(a, "recv", rc, -ENOMSG, -ETIMEDOUT,
					closing(a) ? -ESHUTDOWN : -ENOMSG);
		}
		/* Those that are there in the end stay, for the nodes to close under them. */
		if (!stopped(a) && draw(a, 3) == 0) {
			lattice_endpoint_close(a->ep);
			a->ep = NULL;
		}
	}
}

/* ---- senders ---- */

static void send_burst(struct actor *a, uint32_t instance, int64_t timeout_ns)
{
	unsigned char data[BYTES_MAX] = { 0 };
	uint64_t received = 0;
	uint32_t sent = 0;
	bool flushed = false;
	int rc = 0;

	for (uint32_t n = draw(a, BURST); n > 0 && rc == 0; n--) {
		struct content c = { .instance = instance, .index = sent };
		struct lattice_msg msg = { .data = data, .len = sizeof(c) + draw(a, BYTES_MAX - sizeof(c)) };

		memcpy(data, &c, sizeof(c));
		rc = lattice_channel_send(a->ch, &msg, timeout_ns);
		sent += rc == 0;
	}
	if (SURPRISED(a, "send", rc, -EAGAIN, -ETIMEDOUT, -ECONNREFUSED, -EOWNERDEAD, -ECONNRESET,
		      -EHOSTUNREACH, closing(a) ? -ESHUTDOWN : -EAGAIN))
		return;
	if (draw(a, 2) == 0) {
		rc = lattice_channel_flush(a->ch, some_time(a));
		flushed = rc == 0;
		(void)SURPRISED(a, "flush", rc, -EAGAIN, -ETIMEDOUT, -ECONNREFUSED, -EOWNERDEAD, -ECONNRESET,
				-EHOSTUNREACH, closing(a) ? -ESHUTDOWN : -EAGAIN);
	}
	if (lattice_channel_sent(a->ch, &received) != sent || received > sent ||
	    (flushed && received != sent)) {
		a->where = "sent";
		a->verdict = -ERANGE;
	}
}

static void sends(struct actor *a)
{
	for (int i = 0; i < ROUNDS && a->verdict == 0; i++) {
		uint32_t to = draw(a, 2 * PIDS);
		int32_t dst = (int32_t)(to < PIDS ? 10 + to : 20 + to - PIDS);
		int rc = lattice_channel_open(&a->ch, a->node, a->pid, dst, to < PIDS ? 1 : 2, 0);

		if (SURPRISED(a, "channel_open", rc, -ECONNREFUSED))
			return;
		if (rc < 0)
			continue;
		if (draw(a, 8) > 0)
			send_burst(a,
				   atomic_fetch_add_explicit(&a->w->next_instance, 1, memory_order_relaxed),
				   draw(a, 3) > 0 ? SECONDS(1) : some_time(a));
		lattice_channel_close(a->ch);
		a->ch = NULL;
	}
}

/* Sends until the node closes: at last nobody reads, and it blocks. */
static void sends_for_ever(struct actor *a)
{
	const struct content c = { .instance = atomic_fetch_add_explicit(&a->w->next_instance, 1,
									 memory_order_relaxed) };
	struct lattice_msg msg = { .data = &c, .len = sizeof(c) };
	int rc;

	/* To a pid of its own: nothing else may wait for this one's messages. */
	do
		rc = lattice_channel_send(a->ch, &msg, LATTICE_FOREVER);
	while (rc == 0);
	/* A peer that closed first is told of as that; over TCP, where it was there is nobody. */
	(void)SURPRISED(a, "send", rc, -ESHUTDOWN, -EOWNERDEAD, -ECONNRESET, -EHOSTUNREACH, -ECONNREFUSED);
}

/* ---- those who ask ---- */

static void asks(struct actor *a)
{
	struct lattice_stat stats[256];
	struct lattice_peer_stats peer;
	uint64_t rtt;
	int rc = 0;

	while (rc != -ESHUTDOWN && a->verdict == 0) {
		switch (draw(a, 6)) {
		case 0:
			rc = lattice_node_ping(a->node, 2, &rtt, closing(a) ? LATTICE_FOREVER : SECONDS(1));
			break;
		case 1:
			rc = lattice_node_connect(a->node, 2, closing(a) ? LATTICE_FOREVER : some_time(a));
			break;
		case 2:
			rc = draw(a, 20) > 0 ? 0 : lattice_node_set_remote(a->node, 2, NULL, LATTICE_UDP);
			break;
		case 3:
			rc = draw(a, 20) > 0 ? 0 : lattice_node_set_remote(a->node, 2, NULL, LATTICE_TCP);
			break;
		case 4:
			rc = lattice_node_peer(a->node, 2, &peer);
			break;
		default:
			(void)lattice_node_stats(a->node, stats, ARRAY_LEN(stats));
			rc = 0;
			break;
		}
		if (rc == 0)
			rc = lattice_node_ping(a->node, 2, &rtt, some_time(a));
		(void)SURPRISED(a, "ask", rc, -ETIMEDOUT, -EHOSTUNREACH, -ECONNREFUSED,
				closing(a) ? -ESHUTDOWN : -ETIMEDOUT);
	}
}

static void turns(struct actor *a)
{
	int rc;

	do
		rc = lattice_node_poll(a->node, LATTICE_FOREVER);
	while (rc == 0);
	(void)SURPRISED(a, "poll", closing(a) && rc == -ESHUTDOWN ? 0 : rc, 0);
}

/* ---- the play ---- */

static void *run(void *arg)
{
	struct actor *a = arg;

	a->act(a);
	return NULL;
}

static void enter(struct world *w, struct actor *a, void (*act)(struct actor *), struct lattice_node *node,
		  int32_t pid)
{
	*a = (struct actor){
		.w = w, .act = act, .node = node, .pid = pid, .seed = 7919u * (uint32_t)(pid + 1)
	};
	CHECK_EQ(pthread_create(&a->thread, NULL, run, a), 0);
}

static void leave(struct actor *a, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		pthread_join(a[i].thread, NULL);
		CHECK_EQ_ROW(a[i].where, a[i].verdict, 0);
	}
}

static void put(struct actor *a, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		lattice_channel_close(a[i].ch);
		lattice_endpoint_close(a[i].ep);
	}
}

static void play(bool turn_b, bool a_first)
{
	static struct world w; /* what the threads share outlives a case that fails */
	static struct actor receivers[2 * PIDS], senders[2 * SENDERS], askers[ASKERS], turners[TURNERS],
		stuck[3];
	struct lattice_endpoint *held_a, *held_b; /* keep the nodes' memory for those who ask after the end */
	struct lattice_node *a, *b;

	memset(&w, 0, sizeof(w));
	make_pair(&w.p);
	w.p.b.no_threads = turn_b;
	open_acquainted(&w.p, "127.0.0.1", LATTICE_UDP);
	point(&w.p.b, &w.p.a, "127.0.0.1", LATTICE_UDP);
	a = w.p.a.node;
	b = w.p.b.node;
	CHECK_EQ(lattice_endpoint_open(&held_a, a, 99), 0);
	CHECK_EQ(lattice_endpoint_open(&held_b, b, 99), 0);

	for (int i = 0; i < TURNERS && turn_b; i++)
		enter(&w, &turners[i], turns, b, 400 + i);
	for (int i = 0; i < 2 * PIDS; i++)
		enter(&w, &receivers[i], receives, i < PIDS ? a : b, i < PIDS ? 10 + i : 20 + i - PIDS);
	for (int i = 0; i < ASKERS; i++)
		enter(&w, &askers[i], asks, a, 300 + i);
	for (int i = 0; i < 2 * SENDERS; i++)
		enter(&w, &senders[i], sends, i % 2 == 0 ? a : b, 100 + i);
	leave(senders, 2 * SENDERS);
	atomic_store_explicit(&w.stop, true, memory_order_release);

	/* And under those who wait for ever, here and there, the nodes close. */
	for (int i = 0; i < 3; i++) {
		struct lattice_node *from = i == 2 ? b : a;

		stuck[i] = (struct actor){ .w = &w, .act = sends_for_ever, .node = from };
		CHECK_EQ(lattice_channel_open(&stuck[i].ch, from, 200 + i, 99,
					      i == 0   ? 1
					      : i == 1 ? 2
						       : 1,
					      0),
			 0);
		CHECK_EQ(pthread_create(&stuck[i].thread, NULL, run, &stuck[i]), 0);
	}
	while (stat_of(a, "recv.channels") < 2) /* the last of them has opened */
		;
	atomic_store_explicit(&w.closing, true, memory_order_release);
	lattice_node_close(a_first ? a : b);
	lattice_node_close(a_first ? b : a);
	w.p.a.node = w.p.b.node = NULL;
	leave(stuck, ARRAY_LEN(stuck));
	leave(receivers, 2 * PIDS);
	leave(askers, ASKERS);
	leave(turners, turn_b ? TURNERS : 0);
	put(stuck, ARRAY_LEN(stuck));
	put(receivers, 2 * PIDS);
	lattice_endpoint_close(held_a);
	lattice_endpoint_close(held_b);
	close_pair(&w.p);
}

TEST(with_threads)
{
	play(false, true);
}

TEST(with_callers_who_turn)
{
	play(true, false);
}

TEST_MAIN

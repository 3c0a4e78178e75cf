/* Asking for peers: addresses, waits and their ends; the network of a node without a thread; forked children. */
#include <pthread.h>
#include <sys/wait.h>

#include "fastpath/wait.h"
#include "node/pair_harness.h"
#include "os/poll.h"

/* A calls B, which does not know A and is silent. */
static void meet_silence(struct pair *p)
{
	make_pair(p);
	introduce(&p->a, &p->b);
	open_pair(p);
	point(&p->a, &p->b, "127.0.0.1", LATTICE_UDP);
}

TEST(an_address_that_is_kept)
{
	uint64_t rtt;
	struct pair p;

	for (int i = 0; i < 2; i++) {
		enum lattice_proto proto = i == 0 ? LATTICE_TCP : LATTICE_UDP,
				   other = i == 0 ? LATTICE_UDP : LATTICE_TCP;
		struct lattice_peer_stats stats;

		meet(&p, "127.0.0.1", proto);
		CHECK_EQ(lattice_node_ping(p.a.node, 2, &rtt, SECONDS(20)),
			 0); /* then both have the session */
		CHECK_EQ(lattice_node_ping(p.b.node, 1, &rtt, SECONDS(20)), 0);
		/* Where A's session came from is no address to call A at. */
		CHECK_EQ(lattice_node_set_remote(p.b.node, 1, NULL, other), -EDESTADDRREQ);
		CHECK_EQ(lattice_node_set_remote(p.a.node, 2, NULL, other), 0);
		do {
			CHECK_EQ(lattice_node_ping(p.a.node, 2, &rtt, SECONDS(20)), 0);
			CHECK_EQ(lattice_node_peer(p.a.node, 2, &stats), 0);
		} while (stats.proto != other);
		close_pair(&p);
	}
}

static const struct {
	const char *why;
	enum lattice_proto proto;
	uint32_t packet_least;
} ways[] = {
	{ "UDP", LATTICE_UDP, 1232 },
	{ "TCP", LATTICE_TCP, 65535 },
};

enum { SENT = 10, EACH = 100 };

TEST(what_is_known_of_a_peer)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct lattice_peer_stats a, b;
		struct lattice_endpoint *ep;
		struct lattice_channel *ch;
		char data[EACH] = { 0 }, at[LATTICE_ADDRESS_MAX];
		struct lattice_msg msg;
		struct pair p;

		meet(&p, "127.0.0.1", ways[i].proto);
		CHECK_EQ(lattice_node_peer(p.a.node, 2, &a), 0);
		CHECK_EQ_ROW(ways[i].why, a.state, LATTICE_PEER_IDLE);
		CHECK_EQ_ROW(ways[i].why, a.packet_max, 0);
		CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 20), 0);
		CHECK_EQ(lattice_channel_open(&ch, p.a.node, 10, 20, 2, 0), 0);
		for (int k = 0; k < SENT; k++) {
			msg = (struct lattice_msg){ .data = data, .len = sizeof(data) };
			CHECK_EQ(lattice_channel_send(ch, &msg, SECONDS(20)), 0);
			CHECK_EQ(lattice_endpoint_recv(ep, &msg, data, sizeof(data), SECONDS(20)), 0);
		}
		CHECK_EQ(lattice_channel_flush(ch, SECONDS(20)), 0);
		CHECK_EQ(lattice_node_peer(p.a.node, 2, &a), 0);
		CHECK_EQ(lattice_node_peer(p.b.node, 1, &b), 0);
		(void)snprintf(at, sizeof(at), "127.0.0.1:%u", lattice_node_port(p.b.node));
		CHECK_ROW(ways[i].why, strcmp(a.address, at) == 0);
		CHECK_EQ_ROW(ways[i].why, a.state, LATTICE_PEER_UP);
		CHECK_EQ_ROW(ways[i].why, a.err, 0);
		CHECK_EQ_ROW(ways[i].why, a.messages_out, SENT);
		CHECK_EQ_ROW(ways[i].why, a.message_bytes_out, SENT * EACH);
		CHECK_EQ_ROW(ways[i].why, a.messages_in, 0);
		CHECK_EQ_ROW(ways[i].why, b.messages_in, SENT);
		CHECK_EQ_ROW(ways[i].why, b.message_bytes_in, SENT * EACH);
		CHECK_ROW(ways[i].why, a.packet_max >= ways[i].packet_least);
		CHECK_ROW(ways[i].why, a.window_bytes > 0 && a.flight_bytes <= a.window_bytes);
		CHECK_ROW(ways[i].why, a.rtt_min_ns <= a.rtt_ns);
		CHECK_EQ_ROW(ways[i].why, a.rekeys, 0);
		for (int k = 0; k < LATTICE_DROP_COUNT; k++)
			CHECK_ROW(lattice_drop_name((enum lattice_drop)k),
				  k == LATTICE_DROP_DOUBLE || (a.dropped[k] == 0 && b.dropped[k] == 0));
		lattice_channel_close(ch);
		lattice_endpoint_close(ep);
		close_pair(&p);
	}
	CHECK(strcmp(lattice_peer_state_name(LATTICE_PEER_CLOSING), "closing") == 0);
	CHECK(strcmp(lattice_peer_state_name((enum lattice_peer_state)5), "") == 0);
	CHECK(strcmp(lattice_drop_name(LATTICE_DROP_COUNT), "") == 0);
}

TEST(a_round_trip_has_three_parts)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct lattice_round_trip t;
		bool whole = false;
		struct pair p;

		meet(&p, "127.0.0.1", ways[i].proto);
		CHECK_EQ(lattice_node_round_trip(p.a.node, 2, NULL, SECONDS(20)), -EINVAL);
		for (int k = 0; k < 20; k++) {
			CHECK_EQ_ROW(ways[i].why, lattice_node_round_trip(p.a.node, 2, &t, SECONDS(20)), 0);
			CHECK_EQ_ROW(ways[i].why, t.queue_ns + t.crypto_ns + t.wire_ns, t.rtt_ns);
			whole = whole || (t.queue_ns > 0 && t.crypto_ns > 0 && t.wire_ns > 0);
		}
		CHECK_ROW(ways[i].why, whole); /* of one on a busy machine a part may be lost in another */
		close_pair(&p);
	}
}

/* ---- the node closes while somebody waits ---- */

enum what { CONNECTS, PINGS, SENDS };

struct asker {
	struct lattice_node *node;
	struct lattice_channel *ch;
	enum what what;
	pthread_t thread;
	int rc;
};

static void *ask_for_ever(void *arg)
{
	struct asker *a = arg;
	struct lattice_msg msg = { 0 };
	uint64_t rtt;

	switch (a->what) {
	case CONNECTS:
		a->rc = lattice_node_connect(a->node, 2, LATTICE_FOREVER);
		break;
	case PINGS:
		a->rc = lattice_node_ping(a->node, 2, &rtt, LATTICE_FOREVER);
		break;
	case SENDS:
		a->rc = lattice_channel_send(a->ch, &msg, LATTICE_FOREVER);
		break;
	}
	return NULL;
}

TEST(closing_ends_what_others_ask)
{
	static const struct {
		const char *why;
		bool no_threads;
		enum what what;
	} rows[] = {
		{ "connects", false, CONNECTS },   { "pings", false, PINGS },
		{ "sends", false, SENDS },         { "connects, turning", true, CONNECTS },
		{ "pings, turning", true, PINGS }, { "sends, turning", true, SENDS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct asker a = { 0 };
		struct pair p;

		make_pair(&p);
		introduce(&p.a, &p.b);
		p.a.no_threads = rows[i].no_threads;
		open_pair(&p);
		point(&p.a, &p.b, "127.0.0.1", LATTICE_UDP);
		a.what = rows[i].what;
		a.node = p.a.node;
		if (a.what == SENDS)
			CHECK_EQ(lattice_channel_open(&a.ch, p.a.node, 1, 20, 2, 0), 0);
		CHECK_EQ(pthread_create(&a.thread, NULL, ask_for_ever, &a), 0);
		/* Its hello is out, so it is in the call (a channel's handle would do in any case). */
		while (stat_of(p.a.node, "net.udp_out") == 0)
			;
		lattice_node_close(p.a.node);
		p.a.node = NULL;
		pthread_join(a.thread, NULL);
		CHECK_EQ_ROW(rows[i].why, a.rc, -ESHUTDOWN);
		lattice_channel_close(a.ch);
		close_pair(&p);
	}
}

/* ---- tasks ---- */

static void task_connects(void *arg)
{
	struct asker *a = arg;

	a->rc = lattice_node_connect(a->node, 2, LATTICE_FOREVER);
}

static void task_stops(void *arg)
{
	lattice_sched_stop(arg);
}

TEST(a_stopped_scheduler_ends_waits)
{
	for (int i = 0; i < 2; i++) {
		struct lattice_sched *s;
		struct asker a = { 0 };
		struct pair p;

		make_pair(&p);
		introduce(&p.a, &p.b);
		p.a.no_threads = i == 1;
		open_pair(&p);
		point(&p.a, &p.b, "127.0.0.1", LATTICE_UDP);
		a.node = p.a.node;
		CHECK_EQ(lattice_sched_open(&s), 0);
		CHECK_EQ(lattice_task_spawn(s, 0, task_connects, &a, 0), 0);
		CHECK_EQ(lattice_task_spawn(s, 0, task_stops, s, 0), 0);
		CHECK_EQ(lattice_sched_run(s), 0);
		CHECK_EQ(a.rc, -ESHUTDOWN);
		CHECK_EQ(lattice_sched_close(s), 0);
		close_pair(&p);
	}
}

enum { ROUNDS = 20 };

struct talk {
	struct pair p;
	struct lattice_endpoint *at_a, *at_b;
	struct lattice_channel *ab, *ba;
	int rc_a, rc_b;
};

static int bounce(struct lattice_channel *out, struct lattice_endpoint *in, bool first)
{
	int32_t value = 0;
	int rc = 0;

	for (int i = 0; i < ROUNDS && rc == 0; i++) {
		struct lattice_msg msg = { .type = i, .data = &value, .len = sizeof(value) };

		if (first)
			rc = lattice_channel_send(out, &msg, SECONDS(20));
		if (rc == 0)
			rc = lattice_endpoint_recv(in, &msg, &value, sizeof(value), SECONDS(20));
		value++;
		msg = (struct lattice_msg){ .type = i, .data = &value, .len = sizeof(value) };
		if (rc == 0 && !first)
			rc = lattice_channel_send(out, &msg, SECONDS(20));
	}
	if (rc == 0)
		rc = lattice_channel_flush(out, SECONDS(20));
	return rc < 0 ? rc : value;
}

static void task_a(void *arg)
{
	struct talk *t = arg;

	t->rc_a = bounce(t->ab, t->at_a, true);
}

static void task_b(void *arg)
{
	struct talk *t = arg;

	t->rc_b = lattice_channel_open(&t->ba, t->p.b.node, 20, 10, 1, 0);
	if (t->rc_b == 0)
		t->rc_b = bounce(t->ba, t->at_b, false);
}

/* Two nodes without threads of their own, and the two who talk, all on this thread. */
TEST(tasks_share_a_thread_with_the_network)
{
	struct talk t = { 0 };
	struct lattice_sched *s;

	make_pair(&t.p);
	t.p.a.no_threads = t.p.b.no_threads = true;
	open_acquainted(&t.p, "127.0.0.1", LATTICE_UDP);
	point(&t.p.b, &t.p.a, "127.0.0.1", LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&t.at_a, t.p.a.node, 10), 0);
	CHECK_EQ(lattice_endpoint_open(&t.at_b, t.p.b.node, 20), 0);
	CHECK_EQ(lattice_channel_open(&t.ab, t.p.a.node, 10, 20, 2, 0), 0);
	CHECK_EQ(lattice_sched_open(&s), 0);
	CHECK_EQ(lattice_task_spawn(s, 10, task_a, &t, 0), 0);
	CHECK_EQ(lattice_task_spawn(s, 20, task_b, &t, 0), 0);
	CHECK_EQ(lattice_sched_run(s), 0);
	CHECK_EQ(t.rc_a, 2 * ROUNDS);
	CHECK_EQ(t.rc_b, 2 * ROUNDS - 1);
	CHECK_EQ(lattice_sched_close(s), 0);
	lattice_channel_close(t.ab);
	lattice_channel_close(t.ba);
	lattice_endpoint_close(t.at_a);
	lattice_endpoint_close(t.at_b);
	close_pair(&t.p);
}

/* ---- who waits for a turn that another caller takes ---- */

struct stolen {
	struct lattice_sched_hook hook;
	struct lattice_node *node;
	struct lattice_channel *ch;
	int waits, readable;
};

/* Before the sleep, all that it is for has happened, by somebody else's turns. */
static int steal(void *ctx, int fd, short events, uint64_t deadline_ns)
{
	struct stolen *s = ctx;
	struct pollfd pfd = { .fd = fd, .events = events };
	uint64_t received = 0;

	(void)deadline_ns;
	(void)lat_wait_hook_set(NULL);
	while (lattice_channel_sent(s->ch, &received) != received)
		(void)lattice_node_poll(s->node, LAT_NS_PER_S);
	while (lattice_node_poll(s->node, 0) == 0 && lat_poll_until(&pfd, 1, 0) == 0)
		;
	s->waits++;
	s->readable += lat_poll_until(&pfd, 1, 0) == 1;
	(void)lat_wait_hook_set(&s->hook);
	return s->waits > 3 ? -ESHUTDOWN : 0;
}

TEST(a_turn_of_another_caller_wakes_who_waits)
{
	struct lattice_msg msg = { .type = 8 };
	struct lattice_endpoint *ep;
	struct stolen s = { 0 };
	struct pair p;
	int rc;

	make_pair(&p);
	p.a.no_threads = true;
	open_acquainted(&p, "127.0.0.1", LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 20), 0);
	CHECK_EQ(lattice_channel_open(&s.ch, p.a.node, 10, 20, 2, 0), 0);
	CHECK_EQ(lattice_channel_send(s.ch, &msg, SECONDS(20)), 0);
	s.node = p.a.node;
	s.hook = (struct lattice_sched_hook){ .ctx = &s, .wait = steal };
	(void)lat_wait_hook_set(&s.hook);
	rc = lattice_channel_flush(s.ch, LATTICE_FOREVER);
	(void)lat_wait_hook_set(NULL);
	CHECK_EQ(rc, 0);
	CHECK_EQ(s.waits, 1);
	CHECK_EQ(s.readable, 1);
	lattice_channel_close(s.ch);
	lattice_endpoint_close(ep);
	close_pair(&p);
}

/* ---- fork ---- */

/* 0, or the number of the call that did not do what it should. */
static int child(const struct pair *p, struct lattice_endpoint *ep, struct lattice_channel *local,
		 struct lattice_channel *remote)
{
	struct lattice_node *node = p->a.node, *mine;
	struct lattice_msg msg = { 0 };
	struct lattice_endpoint *new_ep;
	struct lattice_channel *new_ch;
	struct lattice_peer_stats stats;
	uint64_t number;
	char buf[8], text[200];
	const struct {
		int got, want;
	} calls[] = {
		{ lattice_channel_send(local, &msg, 0), -EPERM },
		{ lattice_channel_send(remote, &msg, 0), -EPERM },
		{ lattice_channel_flush(local, 0), -EPERM },
		{ lattice_channel_flush(remote, LATTICE_FOREVER), -EPERM },
		{ lattice_channel_add_dep(local, remote), -EPERM },
		{ (int)lattice_channel_sent(local, &number), 0 },
		{ (int)lattice_channel_sent(remote, &number), 0 },
		{ lattice_channel_open(&new_ch, node, 7, 20, 2, 0), -EPERM },
		{ lattice_channel_open(&new_ch, node, 7, 10, 0, 0), -EPERM },
		{ lattice_endpoint_open(&new_ep, node, 77), -EPERM },
		{ lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), -EPERM },
		{ lattice_endpoint_fd(ep), -EPERM },
		{ lattice_node_poll(node, 0), -EPERM },
		{ lattice_node_set_remote(node, 2, "127.0.0.1:1", LATTICE_UDP), -EPERM },
		{ lattice_node_connect(node, 2, LATTICE_FOREVER), -EPERM },
		{ lattice_node_ping(node, 2, &number, LATTICE_FOREVER), -EPERM },
		{ lattice_node_peer(node, 2, &stats), -EPERM },
		{ (int)lattice_node_stats(node, NULL, 0), 0 },
		{ lattice_node_number(node) == 1 ? 0 : -1, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (calls[i].got != calls[i].want)
			return (int)i + 1;
	(void)lattice_node_poll(node, 0);
	(void)lattice_explain(node, -EPERM, text, sizeof(text));
	if (strstr(text, "fork") == NULL)
		return 100;
	/* The parent runs on that directory; elsewhere a child may have a node of its own. */
	if (lattice_node_open(&mine, &(struct lattice_node_config){ .host = LATTICE_HOST_SELF,
								    .port = LATTICE_PORT_ANY,
								    .state_dir = p->a.dir,
								    .allow_unlocked_keys = true }) != -EBUSY)
		return 101;
	if (lattice_node_open(&mine, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }) < 0 ||
	    lattice_endpoint_open(&new_ep, mine, 10) < 0 ||
	    lattice_channel_open(&new_ch, mine, 1, 10, 0, 0) < 0 ||
	    lattice_channel_send(new_ch, &msg, 0) < 0 ||
	    lattice_endpoint_recv(new_ep, &msg, buf, sizeof(buf), 0) < 0)
		return 102;
	lattice_channel_close(new_ch);
	lattice_endpoint_close(new_ep);
	lattice_node_close(mine);
	lattice_channel_close(local);
	lattice_channel_close(remote);
	lattice_endpoint_close(ep);
	lattice_node_close(node);
	return 0;
}

TEST(a_forked_child_does_not_touch_the_node)
{
	struct lattice_channel *local, *remote;
	struct lattice_endpoint *ep, *far;
	struct lattice_msg msg = { .type = 4 };
	struct pair p;
	int status;
	char buf[8];
	pid_t pid;

	meet(&p, "127.0.0.1", LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&ep, p.a.node, 10), 0);
	CHECK_EQ(lattice_endpoint_open(&far, p.b.node, 20), 0);
	CHECK_EQ(lattice_channel_open(&local, p.a.node, 1, 10, 0, 0), 0);
	CHECK_EQ(lattice_channel_open(&remote, p.a.node, 1, 20, 2, 0), 0);
	CHECK_EQ(lattice_channel_send(local, &msg, 0), 0);
	CHECK_EQ(lattice_channel_send(remote, &msg, SECONDS(20)), 0);
	pid = fork();
	if (pid == 0)
		_exit(child(&p, ep, local, remote));
	CHECK_EQ(pid > 0, true);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	/* And the parent goes on. */
	CHECK_EQ(lattice_channel_send(remote, &msg, SECONDS(20)), 0);
	CHECK_EQ(lattice_channel_flush(remote, SECONDS(20)), 0);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), 0);
	CHECK_EQ(lattice_endpoint_recv(far, &msg, buf, sizeof(buf), SECONDS(20)), 0);
	CHECK_EQ(lattice_endpoint_recv(far, &msg, buf, sizeof(buf), SECONDS(20)), 0);
	lattice_channel_close(local);
	lattice_channel_close(remote);
	lattice_endpoint_close(ep);
	lattice_endpoint_close(far);
	close_pair(&p);
}

TEST(a_peer_that_is_silent)
{
	struct lattice_channel *ch;
	struct lattice_msg msg = { 0 };
	uint64_t rtt = 7;
	struct pair p;

	meet_silence(&p);
	CHECK_EQ(lattice_node_connect(p.a.node, 2, 0), -ETIMEDOUT);
	CHECK_EQ(lattice_node_ping(p.a.node, 2, &rtt, LAT_NS_PER_MS), -ETIMEDOUT);
	CHECK_EQ(rtt, 7);
	CHECK_EQ(lattice_channel_open(&ch, p.a.node, 1, 20, 2, 0), 0);
	CHECK_EQ(lattice_channel_send(ch, &msg, 0), -EAGAIN);
	CHECK_EQ(lattice_channel_send(ch, &msg, LAT_NS_PER_MS), -ETIMEDOUT);
	CHECK_EQ(lattice_channel_flush(ch, 0), 0); /* nothing was accepted */
	lattice_channel_close(ch);
	close_pair(&p);
}

TEST_MAIN

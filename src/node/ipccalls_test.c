/* The specification's calls, alone and with another node over real sockets. The default node is one for the process. */
#include <pthread.h>
#include <stdatomic.h>

#include "node/nodes_harness.h"

static struct lattice_message message(int32_t type, const char *text)
{
	struct lattice_message m = { .m_type = type };

	memcpy(m.m_payload, text, strlen(text));
	return m;
}

/* Until something comes: a receive waits a tenth of a second. */
static int recv_patiently(int32_t pid, struct lattice_message *m)
{
	int rc;

	do {
		rc = lattice_poll_network();
		if (rc == 0)
			rc = lattice_recv(pid, m, 0);
	} while (rc == -ETIMEDOUT);
	return rc;
}

/* ---- without the network; first, because nothing has opened the default node yet ---- */

TEST(before_anything)
{
	struct lattice_message m = message(1, "x");

	CHECK_EQ(lattice_recv(1, &m, LATTICE_NONBLOCK), -ENOTCONN);
	CHECK_EQ(lattice_send(1, 2, &m, 0), -ENOTCONN);
	CHECK(explained(-ENOTCONN, "listened or connected"));
	CHECK_EQ(lattice_poll_network(), 0);
	CHECK(lattice_channel_between(1, 2) == NULL);
	CHECK_EQ(lattice_net_local_node(), 0);
	CHECK_EQ(lattice_listen(0), -EINVAL); /* and the default node is open */
	CHECK(lattice_net_local_node() != 0);
}

static const struct {
	const char *why;
	int32_t src, dst;
	lattice_node_id node;
	int want;
	const char *says;
} connect_rows[] = {
	{ "a pid of 0", 0, 1, 0, -EINVAL, "pid 0" },
	{ "a pid below", 1, -1, 0, -EINVAL, "pid -1" },
	{ "another node without the network", 1, 2, 77, -EOPNOTSUPP, "lattice_net_init" },
	{ "nobody was heard of", 1, 2, LATTICE_ANY_NODE, -EDESTADDRREQ, "pid 2" },
	{ "this node", 1, 2, 0, 0, NULL },
	{ "again", 1, 2, 0, 0, NULL },
	{ "the other way, which is there", 2, 1, 0, 0, NULL },
	{ "the same pids on another node", 1, 2, 77, -EEXIST, "joined to pid 2" },
	{ "to itself", 3, 3, 0, 0, NULL },
};

TEST(connecting_here)
{
	for (size_t i = 0; i < ARRAY_LEN(connect_rows); i++) {
		int rc = lattice_connect(connect_rows[i].src, connect_rows[i].dst, connect_rows[i].node);

		CHECK_EQ_ROW(connect_rows[i].why, rc, connect_rows[i].want);
		if (connect_rows[i].says != NULL)
			CHECK_ROW(connect_rows[i].why, explained(rc, connect_rows[i].says));
	}
}

TEST(sending_and_receiving_here)
{
	struct lattice_message m = message(42, "hello"), got;

	CHECK_EQ(lattice_connect(1, 2, 0), 0);
	CHECK_EQ(lattice_recv(2, &got, LATTICE_NONBLOCK), -ENOMSG);
	CHECK_EQ(lattice_recv(2, &got, 0), -ETIMEDOUT);
	CHECK_EQ(lattice_recv(2, &got, 2), -EINVAL);
	CHECK_EQ(lattice_recv(9, &got, 0), -ENOTCONN);
	CHECK(explained(-ENOTCONN, "pid 9"));
	CHECK_EQ(lattice_send(1, 2, &m, 4), -EINVAL);
	CHECK_EQ(lattice_send(1, 9, &m, 0), -ENOTCONN);
	CHECK(explained(-ENOTCONN, "pid 9"));
	CHECK_EQ(lattice_send(0, 2, &m, 0), -EINVAL);

	CHECK_EQ(lattice_send(1, 2, &m, LATTICE_NONBLOCK), 0);
	CHECK_EQ(lattice_send(2, 1, &m, 0), 0);
	memset(&got, 0xff, sizeof(got));
	CHECK_EQ(lattice_recv(2, &got, LATTICE_NONBLOCK), 0);
	CHECK_EQ(got.m_source, 1);
	CHECK_EQ(got.m_type, 42);
	CHECK_MEM(got.m_payload, m.m_payload, sizeof(m.m_payload));
	CHECK_EQ(lattice_recv(1, &got, 0), 0);
	CHECK_EQ(got.m_source, 2);
	CHECK_EQ(lattice_recv(1, &got, LATTICE_NONBLOCK), -ENOMSG);
	CHECK_EQ(lattice_send(3, 3, &m, 0), 0); /* joined to itself above */
	CHECK_EQ(lattice_recv(3, &got, 0), 0);
	CHECK_EQ(got.m_source, 3);
}

TEST(a_full_channel)
{
	struct lattice_message m = message(0, ""), got;
	int32_t sent = 0;

	CHECK_EQ(lattice_connect(10, 11, 0), 0);
	for (;; sent++) {
		m.m_type = sent;
		if (lattice_send(10, 11, &m, LATTICE_NONBLOCK) == -EAGAIN)
			break;
	}
	CHECK(sent > 0);
	for (int32_t i = 0; i < sent; i++) {
		CHECK_EQ(lattice_recv(11, &got, LATTICE_NONBLOCK), 0);
		CHECK_EQ(got.m_type, i);
	}
	CHECK_EQ(lattice_send(10, 11, &m, LATTICE_NONBLOCK), 0);
	CHECK_EQ(lattice_recv(11, &got, LATTICE_NONBLOCK), 0);
}

TEST(channels_in_turn)
{
	struct lattice_message m = message(0, ""), got;
	int32_t from[6];

	for (int32_t src = 21; src <= 23; src++)
		CHECK_EQ(lattice_connect(src, 20, 0), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(lattice_send(21, 20, &m, 0), 0);
	CHECK_EQ(lattice_send(22, 20, &m, 0), 0);
	CHECK_EQ(lattice_send(23, 20, &m, 0), 0);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(lattice_recv(20, &got, LATTICE_NONBLOCK), 0);
		from[i] = got.m_source;
	}
	/* Nobody's second before everybody's first. */
	CHECK_EQ(from[0] + from[1] + from[2], 21 + 22 + 23);
	CHECK(from[3] == 21 && from[4] == 21);
}

struct waiter {
	int32_t pid;
	struct lattice_message got;
	int rc;
};

static void *wait_for_one(void *arg)
{
	struct waiter *w = arg;

	w->rc = recv_patiently(w->pid, &w->got);
	return NULL;
}

TEST(straight_to_whoever_waits)
{
	struct lattice_message m = message(5, "direct");

	CHECK_EQ(lattice_listen(31), 0);
	CHECK_EQ(lattice_listen(31), 0);
	CHECK_EQ(lattice_connect(30, 31, 0), 0);
	for (int i = 0; i < 200; i++) {
		struct waiter w = { .pid = 31 };
		pthread_t thread;

		CHECK_EQ(pthread_create(&thread, NULL, wait_for_one, &w), 0);
		m.m_type = i;
		CHECK_EQ(lattice_send(30, 31, &m, 0), 0);
		pthread_join(thread, NULL);
		CHECK_EQ(w.rc, 0);
		CHECK_EQ(w.got.m_type, i);
	}
}

TEST(submitting_between_pids)
{
	struct lattice_channel *ab, *ba;

	CHECK_EQ(lattice_connect(40, 41, 0), 0);
	ab = lattice_channel_between(40, 41);
	ba = lattice_channel_between(41, 40);
	CHECK(ab != NULL && ba != NULL && lattice_channel_between(40, 42) == NULL);
	CHECK_EQ(lattice_channel_add_dep(ab, ba), 0);
	CHECK_EQ(lattice_channel_add_dep(ba, ab), -ELOOP);
	CHECK_EQ(lattice_channel_submit(ba), 0);
}

TEST(the_network_comes_too_late)
{
	CHECK_EQ(lattice_net_init(NULL), -EBUSY);
	CHECK(explained(-EBUSY, "before the first call of <lattice/ipc.h>"));
	CHECK_EQ(lattice_net_send(0, "x", 1), -ENOTCONN);
	CHECK(explained(-ENOTCONN, "without the network"));
	CHECK_EQ(lattice_net_port(), 0);
}

/* The last one of the node without the network. */
TEST(closing_while_others_wait)
{
	enum { THREADS = 4 };
	struct waiter w[THREADS];
	pthread_t thread[THREADS];
	struct lattice_message m = message(0, "");

	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct waiter){ .pid = 50 + i };
		CHECK_EQ(lattice_listen(w[i].pid), 0);
		CHECK_EQ(pthread_create(&thread[i], NULL, wait_for_one, &w[i]), 0);
	}
	lattice_net_shutdown();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		CHECK_EQ(w[i].rc, -ESHUTDOWN);
	}
	lattice_net_shutdown();
	CHECK_EQ(lattice_listen(1), -ESHUTDOWN); /* a thread that is late opens nothing new */
	CHECK_EQ(lattice_connect(1, 2, 0), -ESHUTDOWN);
	CHECK_EQ(lattice_send(1, 2, &m, 0), -ESHUTDOWN);
	CHECK_EQ(lattice_recv(1, &m, 0), -ESHUTDOWN);
	CHECK_EQ(lattice_poll_network(), -ESHUTDOWN);
	CHECK(explained(-ESHUTDOWN, "closed"));
	CHECK(lattice_channel_between(1, 2) == NULL);
	CHECK_EQ(lattice_net_local_node(), 0);
}

/* ---- with another node ---- */

TEST(both_ways)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct lattice_message m = message(42, "ping"), got;
		struct lattice_endpoint *ep;
		struct lattice_channel *ch;
		struct lattice_msg msg;
		struct side a, b;
		char buf[64];

		meet(&a, &b, w);
		CHECK_EQ(lattice_endpoint_open(&ep, b.node, 1), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_connect(1, 1, 2), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_connect(1, 1, 2), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_connect(1, 1, 0), -EEXIST);
		CHECK_EQ_ROW(ways[w].why, lattice_send(1, 1, &m, 0), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
		CHECK_EQ_ROW(ways[w].why, msg.len, sizeof(m.m_payload));
		CHECK_EQ_ROW(ways[w].why, msg.type, 42);
		CHECK_EQ_ROW(ways[w].why, msg.source, 1);
		CHECK_EQ_ROW(ways[w].why, msg.node, 1);
		CHECK_MEM_ROW(ways[w].why, buf, m.m_payload, sizeof(m.m_payload));

		CHECK_EQ_ROW(ways[w].why, lattice_channel_open(&ch, b.node, 1, 1, 1, 0), 0);
		msg = (struct lattice_msg){ .type = 43, .data = "pong", .len = 4 };
		CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
		CHECK_EQ_ROW(ways[w].why, recv_patiently(1, &got), 0);
		CHECK_EQ_ROW(ways[w].why, got.m_type, 43);
		m = message(43, "pong"); /* and zeros */
		CHECK_MEM_ROW(ways[w].why, got.m_payload, m.m_payload, sizeof(m.m_payload));

		/* One that does not fit is dropped, and the next one comes. */
		msg = (struct lattice_msg){
			.type = 44,
			.data = "012345678901234567890123456789012345678901234567890123456",
			.len = 57
		};
		CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
		msg = (struct lattice_msg){ .type = 45 };
		CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
		CHECK_EQ_ROW(ways[w].why, recv_patiently(1, &got), -EMSGSIZE);
		CHECK_ROW(ways[w].why, explained(-EMSGSIZE, "57 bytes"));
		CHECK_EQ_ROW(ways[w].why, recv_patiently(1, &got), 0);
		CHECK_EQ_ROW(ways[w].why, got.m_type, 45);
		lattice_channel_close(ch);
		lattice_endpoint_close(ep);
		part(&a, &b);
	}
}

TEST(answers_find_their_way)
{
	struct lattice_message m = message(1, "answer"), got;
	struct lattice_endpoint *at_b, *at_c;
	struct lattice_channel *bc, *ch[2];
	struct lattice_msg msg = { .type = 9 };
	struct lattice_packet packet;
	struct side a, b, c;
	char buf[64];

	meet(&a, &b, 0);
	make_side(&c, 3);
	introduce(&a, &c);
	introduce(&c, &a);
	open_side(&c, 0);
	CHECK_EQ(lattice_net_add_remote(3, "127.0.0.1", lattice_node_port(c.node), LATTICE_TCP),
		 0); /* which is new to it */
	CHECK_EQ(lattice_node_connect(b.node, 1, 1), -EDESTADDRREQ);
	CHECK_EQ(lattice_net_send(2, "x", 1), 0);
	CHECK_EQ(lattice_net_send(3, "x", 1), 0);
	CHECK_EQ(side_recv(&b, &packet, buf, sizeof(buf)), 0); /* now they may call */
	CHECK_EQ(side_recv(&c, &packet, buf, sizeof(buf)), 0);
	CHECK_EQ(lattice_endpoint_open(&at_b, b.node, 7), 0);
	CHECK_EQ(lattice_endpoint_open(&at_c, c.node, 7), 0);
	CHECK_EQ(lattice_listen(5), 0);
	CHECK_EQ(lattice_send(5, 7, &m, 0), -ENOTCONN);
	CHECK_EQ(lattice_connect(6, 7, LATTICE_ANY_NODE), -EDESTADDRREQ);
	CHECK_EQ(lattice_channel_open(&ch[0], b.node, 7, 5, 1, 0), 0);
	CHECK_EQ(lattice_channel_open(&ch[1], c.node, 7, 5, 1, 0), 0);
	/* Both write from pid 7: the answer goes to the one that was received from last. */
	for (int i = 0; i < 6; i++) {
		struct lattice_endpoint *ep = i % 2 == 0 ? at_b : at_c;

		CHECK_EQ(lattice_channel_send(ch[i % 2], &msg, SECONDS(20)), 0);
		CHECK_EQ(recv_patiently(5, &got), 0);
		CHECK_EQ(got.m_source, 7);
		m.m_type = i;
		CHECK_EQ(lattice_send(5, 7, &m, 0), 0);
		CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
		CHECK_EQ(msg.type, i);
		CHECK_EQ(msg.source, 5);
		msg = (struct lattice_msg){ .type = 9 };
	}
	CHECK(lattice_channel_between(5, 7) == NULL);
	CHECK_EQ(lattice_connect(5, 7, LATTICE_ANY_NODE), 0); /* node 3 was last */
	bc = lattice_channel_between(5, 7);
	CHECK(bc != NULL);
	CHECK_EQ(lattice_send(5, 7, &m, 0), 0);
	CHECK_EQ(lattice_endpoint_recv(at_c, &msg, buf, sizeof(buf), SECONDS(20)), 0);
	CHECK_EQ(lattice_connect(5, 7, 2), -EEXIST);
	lattice_channel_close(ch[0]);
	lattice_channel_close(ch[1]);
	lattice_endpoint_close(at_b);
	lattice_endpoint_close(at_c);
	shut_side(&c);
	remove_dir(c.dir);
	part(&a, &b);
}

TEST(errors_of_other_nodes)
{
	struct lattice_message m = message(1, "x");
	struct side a, b;

	meet(&a, &b, 0);
	CHECK_EQ(lattice_connect(1, 1, 99), -ENOKEY);
	CHECK(explained(-ENOKEY, "node 99"));
	shut_side(&b);
	CHECK_EQ(lattice_net_reset(), 0);
	/* Nobody receives as that pid. */
	open_side(&b, 0);
	CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", lattice_node_port(b.node), LATTICE_TCP), 0);
	CHECK_EQ(lattice_connect(1, 77, 2), 0);
	CHECK_EQ(lattice_send(1, 77, &m, 0), -ECONNREFUSED);
	CHECK(explained(-ECONNREFUSED, "pid 77"));
	/* Nothing listens at that port. */
	shut_side(&b);
	CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", free_port(), LATTICE_TCP), 0);
	CHECK_EQ(lattice_send(1, 77, &m, 0), -ECONNREFUSED);
	part(&a, &b);
}

TEST(the_next_send_after_a_restart_arrives)
{
	for (size_t w = 0; w < 2; w++) {
		struct lattice_message m = message(1, "x");
		struct lattice_channel *ch;
		struct lattice_endpoint *ep;
		struct lattice_msg msg;
		struct side a, b;
		char buf[64];
		int port;

		meet(&a, &b, w);
		port = lattice_node_port(b.node);
		CHECK_EQ(lattice_endpoint_open(&ep, b.node, 2), 0);
		CHECK_EQ(lattice_connect(1, 2, 2), 0);
		ch = lattice_channel_between(1, 2);
		for (int i = 0; i < 3; i++) {
			m.m_type = i;
			CHECK_EQ_ROW(ways[w].why, lattice_send(1, 2, &m, 0), 0);
			CHECK_EQ_ROW(ways[w].why,
				     lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
			CHECK_EQ_ROW(ways[w].why, msg.type, i);
			CHECK_EQ_ROW(ways[w].why, lattice_channel_flush(ch, SECONDS(20)), 0);
			lattice_endpoint_close(ep);
			shut_side(&b);
			open_side(&b, port);
			CHECK_EQ(lattice_endpoint_open(&ep, b.node, 2), 0);
			until_answered(ways[w].why, 2);
			CHECK(lattice_channel_between(1, 2) == ch);
		}
		lattice_endpoint_close(ep);
		shut_side(&b);
		part(&a, &b);
	}
}

TEST(a_reset_is_survived)
{
	struct lattice_message m = message(1, "x");
	struct lattice_endpoint *ep;
	struct lattice_msg msg;
	struct side a, b;
	char buf[64];

	for (size_t w = 0; w < 2; w++) {
		meet(&a, &b, w);
		CHECK_EQ(lattice_endpoint_open(&ep, b.node, 2), 0);
		CHECK_EQ(lattice_connect(1, 2, 2), 0);
		for (int i = 0; i < 3; i++) {
			m.m_type = i;
			CHECK_EQ_ROW(ways[w].why, lattice_send(1, 2, &m, 0), 0);
			CHECK_EQ_ROW(ways[w].why,
				     lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
			CHECK_EQ_ROW(ways[w].why, msg.type, i);
			CHECK_EQ_ROW(ways[w].why,
				     lattice_channel_flush(lattice_channel_between(1, 2), SECONDS(20)), 0);
			CHECK_EQ_ROW(ways[w].why, lattice_net_reset(), 0);
		}
		lattice_endpoint_close(ep);
		part(&a, &b);
	}
}

/* ---- a peer whose network stands still ---- */

struct turner {
	struct lattice_node *node;
	pthread_t thread;
	atomic_bool stop;
};

static void *turn(void *arg)
{
	struct turner *t = arg;

	while (!atomic_load_explicit(&t->stop, memory_order_acquire) &&
	       lattice_node_poll(t->node, LAT_NS_PER_S / 50) == 0)
		;
	return NULL;
}

static void start_turning(struct turner *t, struct lattice_node *node)
{
	t->node = node;
	atomic_store_explicit(&t->stop, false, memory_order_release);
	CHECK_EQ(pthread_create(&t->thread, NULL, turn, t), 0);
}

static void stop_turning(struct turner *t)
{
	atomic_store_explicit(&t->stop, true, memory_order_release);
	pthread_join(t->thread, NULL);
}

TEST(what_was_accepted_and_lost_is_told_once)
{
	struct lattice_node_config cfg = { .host = LATTICE_HOST_SELF,
					   .port = LATTICE_PORT_ANY,
					   .no_threads = true,
					   .allow_unlocked_keys = true };
	struct lattice_message m = message(1, "x");
	struct lattice_channel *ch;
	struct lattice_endpoint *ep;
	struct lattice_msg msg;
	struct side a, b;
	struct turner t;
	uint64_t received;
	char buf[64];
	int port;

	meet(&a, &b, 0);
	port = lattice_node_port(b.node);
	shut_side(&b);
	cfg.port = port;
	cfg.state_dir = b.dir;
	CHECK_EQ(lattice_node_open(&b.node, &cfg), 0);
	CHECK_EQ(lattice_endpoint_open(&ep, b.node, 2), 0);
	start_turning(&t, b.node);
	CHECK_EQ(lattice_connect(1, 2, 2), 0);
	ch = lattice_channel_between(1, 2);
	CHECK_EQ(lattice_send(1, 2, &m, 0), 0);
	CHECK_EQ(lattice_channel_flush(ch, SECONDS(20)), 0);
	stop_turning(&t);

	m.m_type = 2;
	CHECK_EQ(lattice_send(1, 2, &m, 0), 0); /* nobody will take it */
	CHECK_EQ(lattice_net_reset(), 0);
	CHECK_EQ(lattice_send(1, 2, &m, 0), -ECONNRESET);
	CHECK_EQ(lattice_channel_sent(ch, &received), 2);
	CHECK_EQ(received, 1);
	start_turning(&t, b.node);
	m.m_type = 3;
	CHECK_EQ(lattice_send(1, 2, &m, 0), 0);
	do {
		CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
	} while (msg.type != 3); /* what the socket still had may come before */
	lattice_endpoint_close(ep);
	lattice_net_shutdown(); /* while somebody hears the goodbye */
	stop_turning(&t);
	lattice_node_close(b.node);
	remove_dir(a.dir);
	remove_dir(b.dir);
}

/* ---- many threads ---- */

enum { SENDERS = 4, EACH = 300 };

struct sender {
	int32_t pid;
	atomic_bool *stop;
	int rc;
};

static void *send_many(void *arg)
{
	struct sender *s = arg;
	struct lattice_message m = message(0, "many");

	s->rc = lattice_connect(s->pid, 100, 2);
	for (int32_t i = 0; i < EACH && s->rc == 0; i++) {
		m.m_type = i;
		s->rc = lattice_send(s->pid, 100, &m, 0);
	}
	return NULL;
}

TEST(many_threads_share_the_node)
{
	struct sender s[SENDERS];
	pthread_t thread[SENDERS];
	int32_t next[SENDERS] = { 0 };
	struct lattice_endpoint *ep;
	struct lattice_msg msg;
	struct side a, b;
	char buf[64];

	meet(&a, &b, 1);
	CHECK_EQ(lattice_endpoint_open(&ep, b.node, 100), 0);
	for (int32_t i = 0; i < SENDERS; i++) {
		s[i] = (struct sender){ .pid = i + 1 };
		CHECK_EQ(pthread_create(&thread[i], NULL, send_many, &s[i]), 0);
	}
	for (int i = 0; i < SENDERS * EACH; i++) {
		CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
		CHECK_EQ(msg.type, next[msg.source - 1]++);
	}
	for (int i = 0; i < SENDERS; i++) {
		pthread_join(thread[i], NULL);
		CHECK_EQ(s[i].rc, 0);
	}
	lattice_endpoint_close(ep);
	part(&a, &b);
}

/* Anything may be returned but what only a broken library would. */
static bool allowed(int rc)
{
	static const int known[] = { 0,       -ESHUTDOWN,    -ENOTCONN,     -ETIMEDOUT,
				     -ENOMSG, -EAGAIN,       -ECONNRESET,   -EOWNERDEAD,
				     -EEXIST, -ECONNREFUSED, -EHOSTUNREACH, -EDESTADDRREQ };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (rc == known[i])
			return true;
	return false;
}

static void *use_all(void *arg)
{
	struct sender *s = arg;
	struct lattice_message m = message(0, "");
	int rc[6] = { 0 };

	while (!atomic_load_explicit(s->stop, memory_order_acquire) && s->rc == 0) {
		rc[0] = lattice_listen(s->pid);
		rc[1] = lattice_connect(s->pid, s->pid % 4 + 1, 0);
		rc[2] = lattice_connect(s->pid, 50, 2);
		rc[3] = lattice_send(s->pid, s->pid % 4 + 1, &m, LATTICE_NONBLOCK);
		rc[4] = lattice_send(s->pid, 50, &m, LATTICE_NONBLOCK);
		rc[5] = lattice_recv(s->pid, &m, LATTICE_NONBLOCK);
		for (int i = 0; i < 6; i++)
			if (!allowed(rc[i]))
				s->rc = rc[i];
		(void)lattice_channel_between(s->pid, 50);
		(void)lattice_poll_network();
	}
	return NULL;
}

TEST(closing_and_opening_under_way)
{
	struct sender s[SENDERS];
	pthread_t thread[SENDERS];
	struct lattice_endpoint *ep;
	atomic_bool stop = false;
	struct side a, b;

	meet(&a, &b, 0);
	CHECK_EQ(lattice_endpoint_open(&ep, b.node, 50), 0);
	for (int32_t i = 0; i < SENDERS; i++) {
		s[i] = (struct sender){ .pid = i + 1, .stop = &stop };
		CHECK_EQ(pthread_create(&thread[i], NULL, use_all, &s[i]), 0);
	}
	for (int i = 0; i < 15; i++) {
		lattice_net_shutdown();
		CHECK_EQ(init_default(&a), 0);
		CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", lattice_node_port(b.node), LATTICE_UDP), 0);
	}
	lattice_endpoint_close(ep);
	shut_side(&b); /* so that nothing is left to wait for */
	atomic_store_explicit(&stop, true, memory_order_release);
	for (int i = 0; i < SENDERS; i++) {
		pthread_join(thread[i], NULL);
		CHECK_EQ(s[i].rc, 0);
	}
	part(&a, &b);
}

TEST_MAIN

/* Peers that a node forgets while it runs: what becomes of who waits for them, of channels, of packets, and when they come back. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "node/nodes_harness.h"

static struct lattice_peer peer_at(const struct side *s, int port, enum lattice_proto proto)
{
	struct lattice_peer p = { .node = s->id.node, .proto = proto };

	memcpy(p.key, s->id.key, sizeof(p.key));
	(void)snprintf(p.endpoint, sizeof(p.endpoint), "127.0.0.1:%d", port);
	return p;
}

static bool says(const void *handle, int rc, const char *part)
{
	char text[1024];

	(void)lattice_explain(handle, rc, text, sizeof(text));
	if (strstr(text, part) == NULL)
		print_error("'%s' is not in: %s\n", part, text);
	return strstr(text, part) != NULL;
}

/* ---- who waits ---- */

struct waiter {
	struct lattice_node *node;
	int rc;
	bool said;
};

static int wait_connect(struct waiter *w)
{
	return lattice_node_connect(w->node, 2, LATTICE_FOREVER);
}

static int wait_ping(struct waiter *w)
{
	uint64_t rtt;

	return lattice_node_ping(w->node, 2, &rtt, LATTICE_FOREVER);
}

static int wait_send(struct waiter *w)
{
	struct lattice_channel *ch;
	const struct lattice_msg msg = { .type = 1 };
	int rc = lattice_channel_open(&ch, w->node, 1, 7, 2, 0);

	if (rc < 0)
		return rc;
	rc = lattice_channel_send(ch, &msg, LATTICE_FOREVER);
	w->said = says(ch, rc, "channel 1->7@2: node 2 was removed here");
	lattice_channel_close(ch);
	return rc;
}

static int wait_packet(struct waiter *w)
{
	return lat_network_net_send(w->node->network, 2, "x", 1, UINT64_MAX);
}

static const struct {
	const char *why;
	int (*wait)(struct waiter *w);
} waits[] = {
	{ "connect", wait_connect },
	{ "ping", wait_ping },
	{ "send", wait_send },
	{ "a packet", wait_packet },
};

struct call {
	struct waiter w;
	size_t row;
};

static void *run_call(void *arg)
{
	struct call *c = arg;

	c->w.rc = waits[c->row].wait(&c->w);
	return NULL;
}

TEST(who_waits_for_a_peer_is_told)
{
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t length = sizeof(at);
		struct side a, silent;
		struct lattice_peer p;
		struct call c;
		pthread_t thread;
		char packet[2048];
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		CHECK_EQ(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
		CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &length), 0);
		make_side(&a, 1);
		make_side(&silent, 2);
		open_side(&a, 0);
		p = peer_at(&silent, ntohs(at.sin_port), LATTICE_UDP);
		CHECK_EQ(lattice_node_add_peer(a.node, &p), 0);
		c = (struct call){ .w = { .node = a.node, .said = true }, .row = i };
		CHECK_EQ(pthread_create(&thread, NULL, run_call, &c), 0);
		CHECK(recv(fd, packet, sizeof(packet), 0) > 0); /* it is in the call */
		CHECK_EQ_ROW(waits[i].why, lattice_node_remove_peer(a.node, 2), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ_ROW(waits[i].why, c.w.rc, -ENOKEY);
		CHECK_ROW(waits[i].why, c.w.said);
		close(fd);
		close_side(&a);
		remove_dir(silent.dir);
	}
}

TEST(what_cannot_be_removed)
{
	struct side a, b;
	struct lattice_node *local;
	struct lattice_peer pin;

	make_side(&a, 1);
	make_side(&b, 2);
	pin = peer_at(&b, 1, LATTICE_UDP);
	memset(pin.key, 0, sizeof(pin.key));
	memcpy(pin.fingerprint, b.id.fingerprint, sizeof(pin.fingerprint));
	CHECK_EQ(lattice_state_peer_add(a.dir, &pin), 0);
	CHECK_EQ(lattice_node_remove_peer(NULL, 2), -EINVAL);
	CHECK_EQ(lattice_node_open(&local, NULL), 0);
	CHECK_EQ(lattice_node_remove_peer(local, 2), -EOPNOTSUPP);
	lattice_node_close(local);
	CHECK_EQ(lattice_net_remove_remote(2), -ENOTCONN);
	open_side(&a, 0);
	CHECK_EQ(lattice_node_remove_peer(a.node, 1), -ENOKEY);
	CHECK_EQ(lattice_node_remove_peer(a.node, 3), -ENOKEY);
	CHECK(says(a.node, -ENOKEY, "node 3 is no peer of this node"));
	/* Known by its fingerprint alone, it is a peer: without it, any key will do. */
	CHECK_EQ(lattice_node_remove_peer(a.node, 2), 0);
	CHECK_EQ(lattice_node_remove_peer(a.node, 2), -ENOKEY);
	pin = peer_at(&a, 1, LATTICE_UDP);
	pin.node = 2;
	CHECK_EQ(lattice_node_add_peer(a.node, &pin), -EINVAL); /* but our own */
	close_side(&a);
	remove_dir(b.dir);
}

/* ---- channels ---- */

enum { MESSAGES = 200, BYTES = 20000 };

static struct lattice_channel *channel_to(struct lattice_node *node, lattice_node_id to)
{
	struct lattice_channel *ch;

	CHECK_EQ(lattice_channel_open(&ch, node, 1, 7, to, 0), 0);
	return ch;
}

static int send_one(struct lattice_channel *ch, int32_t type, int64_t timeout_ns)
{
	static const char data[BYTES];
	const struct lattice_msg msg = { .type = type, .data = data, .len = sizeof(data) };

	return lattice_channel_send(ch, &msg, timeout_ns);
}

static void check_received(const char *why, struct lattice_endpoint *ep, int32_t from, int32_t to)
{
	static char buf[BYTES];
	struct lattice_msg msg;

	for (int32_t type = from; type <= to; type++) {
		CHECK_EQ_ROW(why, lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
		CHECK_EQ_ROW(why, msg.type, type);
	}
	CHECK_EQ_ROW(why, lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), -ENOMSG);
}

/*
 * More than the rings hold has been acknowledged to either: it is received, whoever was removed. Then they know each other again,
 * by the same keys, and go on.
 */
TEST(channels_of_a_removed_peer)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		const char *why = ways[i].why;
		struct side a, b;
		struct lattice_endpoint *at_a, *at_b;
		struct lattice_channel *to_a, *to_b;
		struct lattice_peer of_a, of_b;
		uint64_t sent_a, got_a = 0, sent_b, got_b = 0, rtt;
		int rc = 0;

		if (strcmp(ways[i].host, "127.0.0.1") != 0)
			continue;
		make_side(&a, 1);
		make_side(&b, 2);
		open_side(&a, 0);
		open_side(&b, 0);
		of_a = peer_at(&a, lattice_node_port(a.node), ways[i].proto);
		of_b = peer_at(&b, lattice_node_port(b.node), ways[i].proto);
		CHECK_EQ_ROW(why, lattice_node_add_peer(a.node, &of_b), 0);
		CHECK_EQ_ROW(why, lattice_node_add_peer(b.node, &of_a), 0);
		CHECK_EQ(lattice_endpoint_open(&at_a, a.node, 7), 0);
		CHECK_EQ(lattice_endpoint_open(&at_b, b.node, 7), 0);
		to_a = channel_to(b.node, 1);
		to_b = channel_to(a.node, 2);
		for (int32_t type = 1; type <= MESSAGES && rc == 0; type++)
			rc = send_one(to_a, type, LAT_NS_PER_S); /* the last ones find no room */
		CHECK_ROW(why, rc == 0 || rc == -ETIMEDOUT);
		rc = 0;
		for (int32_t type = 1; type <= MESSAGES / 4 && rc == 0; type++)
			rc = send_one(to_b, type, SECONDS(20));
		CHECK_EQ_ROW(why, rc, 0);

		CHECK_EQ_ROW(why, lattice_node_remove_peer(a.node, 2), 0);
		CHECK_EQ_ROW(why, send_one(to_b, 0, LATTICE_FOREVER), -ENOKEY);
		CHECK_ROW(why, says(to_b, -ENOKEY, "node 2 was removed here"));
		CHECK_EQ_ROW(why, lattice_node_ping(a.node, 2, &rtt, SECONDS(20)), -ENOKEY);
		CHECK_ROW(why, says(a.node, -ENOKEY, "no key is known for node 2"));
		CHECK_EQ_ROW(why, lattice_node_set_remote(a.node, 2, NULL, LATTICE_UDP), -ENOKEY);
		sent_a = lattice_channel_sent(to_b, &got_a);
		CHECK_ROW(why, got_a <= sent_a && sent_a == MESSAGES / 4);
		/* The goodbye goes before anything else; on loopback it is not lost. */
		do
			rc = send_one(to_a, 0, SECONDS(20));
		while (rc == 0);
		CHECK_EQ_ROW(why, rc, -EOWNERDEAD);
		sent_b = lattice_channel_sent(to_a, &got_b);
		CHECK_ROW(why, got_b > 0 && got_b <= sent_b);

		/* What was acknowledged: all of it, and perhaps what was on the way. */
		for (uint64_t seq = 1; seq <= got_b; seq++) {
			static char buf[BYTES];
			struct lattice_msg msg;

			CHECK_EQ_ROW(why, lattice_endpoint_recv(at_a, &msg, buf, sizeof(buf), SECONDS(20)),
				     0);
			CHECK_EQ_ROW(why, msg.seq, seq);
		}
		CHECK_EQ_ROW(why, lattice_channel_flush(to_b, 0), got_a < sent_a ? -ENOKEY : 0);
		lattice_channel_close(to_a);
		lattice_channel_close(to_b);
		lattice_endpoint_close(at_a);
		lattice_endpoint_close(at_b);

		CHECK_EQ(lattice_endpoint_open(&at_b, b.node, 7), 0);
		CHECK_EQ_ROW(why, lattice_node_add_peer(a.node, &of_b), 0);
		CHECK_EQ_ROW(why, lattice_node_connect(a.node, 2, SECONDS(20)), 0);
		to_b = channel_to(a.node, 2);
		for (int32_t type = 1; type <= 10; type++)
			CHECK_EQ_ROW(why, send_one(to_b, type, SECONDS(20)), 0);
		check_received(why, at_b, 1, 10);
		lattice_channel_close(to_b);
		lattice_endpoint_close(at_b);
		close_side(&a);
		close_side(&b);
	}
}

/* ---- the default node's ---- */

static int send_packet(lattice_node_id node)
{
	return lattice_net_send(node, "packet", 6);
}

TEST(packets_of_a_removed_peer_are_dropped_and_counted)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		const char *why = ways[i].why;
		struct side a, b, other;
		struct lattice_packet packet;
		char buf[64];

		meet(&a, &b, i);
		CHECK_EQ_ROW(why, send_packet(2), 0);
		CHECK_EQ_ROW(why, side_recv(&b, &packet, buf, sizeof(buf)), 0);
		for (int n = 0; n < 5; n++)
			CHECK_EQ_ROW(why, send_packet(1), 0);
		for (uint64_t n = 1; n <= 3; n++) {
			CHECK_EQ_ROW(why, side_send(&b, 1, "to you", 6), 0);
			while (default_stat("packets.received") < 5 + n)
				until_answered(why, 2);
		}
		CHECK_EQ_ROW(why, lattice_net_remove_remote(2), 0);
		CHECK_EQ_ROW(why, default_stat("packets.dropped_removed"), 3);
		for (int n = 0; n < 5; n++) { /* ours stay */
			CHECK_EQ_ROW(why, lattice_net_recv(&packet, buf, sizeof(buf), 0), 0);
			CHECK_EQ_ROW(why, packet.node, 1);
		}
		CHECK_EQ_ROW(why, lattice_net_recv(&packet, buf, sizeof(buf), 0), -ENOMSG);
		CHECK_EQ_ROW(why, send_packet(2), -ENOKEY);
		CHECK_EQ_ROW(why, lattice_connect(1, 7, 2), -ENOKEY);
		CHECK_EQ_ROW(why, lattice_net_remove_remote(2), -ENOKEY);
		CHECK_ROW(why, explained(-ENOKEY, "node 2 is no peer of this node"));

		/* Known again, by the key that is in the state directory. */
		CHECK_EQ_ROW(
			why,
			lattice_net_add_remote(2, ways[i].host, lattice_node_port(b.node), ways[i].proto), 0);
		CHECK_EQ_ROW(why, send_packet(2), 0);
		CHECK_EQ_ROW(why, side_recv(&b, &packet, buf, sizeof(buf)), 0);

		/* Then another has the number. */
		make_side(&other, 2);
		introduce(&other, &a);
		open_side(&other, 0);
		CHECK_EQ(lattice_state_peer_remove(a.dir, 2), 0);
		introduce(&a, &other);
		CHECK_EQ_ROW(why, lattice_net_remove_remote(2), 0);
		CHECK_EQ_ROW(why,
			     lattice_net_add_remote(2, ways[i].host, lattice_node_port(other.node),
						    ways[i].proto),
			     0);
		CHECK_EQ_ROW(why, send_packet(2), 0);
		CHECK_EQ_ROW(why, side_recv(&other, &packet, buf, sizeof(buf)), 0);
		close_side(&other);
		part(&a, &b);
	}
}

/* The short calls: who is joined stays joined. */
TEST(short_calls_and_a_removed_peer)
{
	struct lattice_message msg = { .m_type = 5 };
	struct lattice_endpoint *ep;
	struct lattice_msg got;
	struct side a, b;
	char buf[64];

	meet(&a, &b, 0);
	CHECK_EQ(lattice_endpoint_open(&ep, b.node, 7), 0);
	CHECK_EQ(lattice_connect(1, 7, 2), 0);
	CHECK_EQ(lattice_send(1, 7, &msg, 0), 0);
	CHECK_EQ(lattice_endpoint_recv(ep, &got, buf, sizeof(buf), SECONDS(20)), 0);
	until_answered("what was sent is acknowledged", 2);
	CHECK_EQ(lattice_net_remove_remote(2), 0);
	CHECK_EQ(lattice_send(1, 7, &msg, 0), -ENOKEY);
	CHECK(explained(-ENOKEY, "node 2"));
	CHECK_EQ(lattice_send(1, 7, &msg, LATTICE_NONBLOCK), -ENOKEY);
	CHECK_EQ(lattice_net_add_remote(2, ways[0].host, lattice_node_port(b.node), ways[0].proto), 0);
	CHECK_EQ(lattice_send(1, 7, &msg, 0), 0);
	CHECK_EQ(lattice_endpoint_recv(ep, &got, buf, sizeof(buf), SECONDS(20)), 0);
	lattice_endpoint_close(ep);
	part(&a, &b);
}

/* ---- everything at once ---- */

enum { ROUNDS = 60 };

struct storm {
	const struct side *b;
	const char *host;
	int port;
	enum lattice_proto proto;
	atomic_bool stop;
	_Atomic(int) surprise;
};

static void expect(struct storm *s, int rc, const int *may)
{
	for (; *may != 1; may++)
		if (rc == *may)
			return;
	atomic_store_explicit(&s->surprise, rc, memory_order_relaxed);
}
#define EXPECT(s_, rc_, ...) expect((s_), (rc_), (const int[]){ 0, -ESHUTDOWN, -ENOTCONN, __VA_ARGS__, 1 })

static bool stopped(struct storm *s)
{
	return atomic_load_explicit(&s->stop, memory_order_relaxed);
}

static void *storm_send(void *arg)
{
	struct storm *s = arg;
	struct lattice_message msg = { .m_type = 5 };

	while (!stopped(s)) {
		EXPECT(s, lattice_connect(1, 7, 2), -ENOKEY);
		for (int i = 0; i < 5; i++)
			EXPECT(s, lattice_send(1, 7, &msg, LATTICE_NONBLOCK), -ENOKEY, -EAGAIN, -EOWNERDEAD,
			       -ECONNRESET, -ECONNREFUSED, -EHOSTUNREACH, -EBUSY, -EDESTADDRREQ);
		EXPECT(s, lattice_net_send(2, "x", 1), -ENOKEY, -ETIMEDOUT, -EHOSTUNREACH, -EDESTADDRREQ,
		       -ECONNREFUSED);
	}
	return NULL;
}

static void *storm_add(void *arg)
{
	struct storm *s = arg;

	while (!stopped(s))
		EXPECT(s, lattice_net_add_remote(2, s->host, s->port, s->proto), -ENOKEY);
	return NULL;
}

static void *storm_reset(void *arg)
{
	struct storm *s = arg;

	while (!stopped(s))
		EXPECT(s, lattice_net_reset(), 0);
	return NULL;
}

TEST(removed_added_reset_sent_to_and_shut_down_at_once)
{
	static void *(*const acts[])(void *) = { storm_send, storm_send, storm_add, storm_reset };

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct lattice_endpoint *ep;
		pthread_t threads[ARRAY_LEN(acts)];
		struct side a, b;
		struct storm s;

		if (strcmp(ways[i].host, "127.0.0.1") != 0)
			continue;
		meet(&a, &b, i);
		CHECK_EQ(lattice_endpoint_open(&ep, b.node, 7), 0);
		s = (struct storm){ .b = &b,
				    .host = ways[i].host,
				    .port = lattice_node_port(b.node),
				    .proto = ways[i].proto };
		for (size_t n = 0; n < ARRAY_LEN(acts); n++)
			CHECK_EQ(pthread_create(&threads[n], NULL, acts[n], &s), 0);
		for (int n = 0; n < ROUNDS; n++) {
			EXPECT(&s, lattice_net_remove_remote(2), -ENOKEY);
			CHECK_EQ_ROW(ways[i].why, side_send(&b, 1, "x", 1) != -ENOKEY, true);
		}
		lattice_net_shutdown();
		atomic_store_explicit(&s.stop, true, memory_order_relaxed);
		for (size_t n = 0; n < ARRAY_LEN(acts); n++)
			CHECK_EQ(pthread_join(threads[n], NULL), 0);
		CHECK_EQ_ROW(ways[i].why, atomic_load_explicit(&s.surprise, memory_order_relaxed), 0);
		lattice_endpoint_close(ep);
		part(&a, &b);
	}
}

TEST_MAIN

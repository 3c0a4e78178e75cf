/* Nodes that meet over real sockets on loopback: what arrives, and what does not. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "node/pair_harness.h"
#include "os/random.h"
#include "wire/packet.h"

static const struct {
	const char *why, *host;
	enum lattice_proto proto;
} ways[] = {
	{ "UDP over IPv4", "127.0.0.1", LATTICE_UDP },
	{ "TCP over IPv4", "127.0.0.1", LATTICE_TCP },
	{ "UDP over IPv6", "[::1]", LATTICE_UDP },
	{ "TCP over IPv6", "[::1]", LATTICE_TCP },
};

TEST(messages_both_ways)
{
	static unsigned char out[1 << 20], in[1 << 20];
	static const size_t lens[] = { 0, 1, 48, 1152, 1153, 5000, (1 << 20) - 12 };

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 7 + i / 253);
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct lattice_endpoint *at_a, *at_b;
		struct lattice_channel *ab, *ba;
		struct lattice_peer_stats stats;
		struct lattice_msg msg;
		struct pair p;
		uint64_t rtt = 0, received;

		meet(&p, ways[w].host, ways[w].proto);
		CHECK_EQ_ROW(ways[w].why, lattice_node_connect(p.a.node, 2, SECONDS(20)), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_node_ping(p.a.node, 2, &rtt, SECONDS(20)), 0);
		CHECK_EQ_ROW(ways[w].why, rtt > 0, true);
		CHECK_EQ_ROW(ways[w].why, lattice_node_peer(p.a.node, 2, &stats), 0);
		CHECK_EQ_ROW(ways[w].why, stats.up && stats.initiator && stats.handshake_ns > 0, true);
		CHECK_EQ_ROW(ways[w].why, stats.proto, ways[w].proto);

		CHECK_EQ(lattice_endpoint_open(&at_a, p.a.node, 10), 0);
		CHECK_EQ(lattice_endpoint_open(&at_b, p.b.node, 20), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_channel_open(&ab, p.a.node, 10, 20, 2, 0), 0);
		/* B learnt the way from A's session. */
		CHECK_EQ_ROW(ways[w].why, lattice_channel_open(&ba, p.b.node, 20, 10, 1, 0), 0);
		for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
			msg = (struct lattice_msg){ .type = -5, .data = out, .len = lens[i] };
			CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ab, &msg, SECONDS(20)), 0);
			CHECK_EQ_ROW(ways[w].why,
				     lattice_endpoint_recv(at_b, &msg, in, sizeof(in), SECONDS(20)), 0);
			CHECK_EQ_ROW(ways[w].why, msg.len, lens[i]);
			CHECK_EQ_ROW(ways[w].why, msg.source, 10);
			CHECK_EQ_ROW(ways[w].why, msg.node, 1);
			CHECK_EQ_ROW(ways[w].why, msg.type, -5);
			CHECK_EQ_ROW(ways[w].why, msg.seq, i + 1);
			CHECK_MEM_ROW(ways[w].why, in, out, lens[i]);
			msg = (struct lattice_msg){ .type = 6, .data = out, .len = lens[i] };
			CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ba, &msg, SECONDS(20)), 0);
			CHECK_EQ_ROW(ways[w].why,
				     lattice_endpoint_recv(at_a, &msg, in, sizeof(in), SECONDS(20)), 0);
			CHECK_EQ_ROW(ways[w].why, msg.len, lens[i]);
			CHECK_EQ_ROW(ways[w].why, msg.node, 2);
		}
		msg = (struct lattice_msg){ .data = out, .len = sizeof(out) };
		CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ab, &msg, SECONDS(20)), -EMSGSIZE);
		CHECK_EQ_ROW(ways[w].why, lattice_channel_flush(ab, SECONDS(20)), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_channel_sent(ab, &received), ARRAY_LEN(lens));
		CHECK_EQ_ROW(ways[w].why, received, ARRAY_LEN(lens));
		lattice_channel_close(ab);
		lattice_channel_close(ba);
		lattice_endpoint_close(at_a);
		lattice_endpoint_close(at_b);
		close_pair(&p);
	}
}

TEST(a_full_receiver_holds_the_sender_back)
{
	static unsigned char data[60000], in[60000];
	struct lattice_msg msg = { .data = data, .len = sizeof(data) };
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	uint32_t sent = 0;
	struct pair p;
	int rc;

	for (size_t w = 0; w < 2; w++) {
		meet(&p, ways[w].host, ways[w].proto);
		CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 20), 0);
		CHECK_EQ(lattice_channel_open(&ch, p.a.node, 10, 20, 2, 0), 0);
		for (sent = 0;; sent++) {
			memcpy(data, &sent, sizeof(sent));
			rc = lattice_channel_send(ch, &msg, sent == 0 ? SECONDS(20) : LAT_NS_PER_S / 2);
			if (rc < 0)
				break;
			CHECK_EQ_ROW(ways[w].why, sent < 10000, true);
		}
		CHECK_EQ_ROW(ways[w].why, rc, -ETIMEDOUT);
		for (uint32_t i = 0; i < sent; i++) {
			CHECK_EQ_ROW(ways[w].why,
				     lattice_endpoint_recv(ep, &msg, in, sizeof(in), SECONDS(20)), 0);
			CHECK_MEM_ROW(ways[w].why, in, &i, sizeof(i));
		}
		msg = (struct lattice_msg){ .data = data, .len = sizeof(data) };
		CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_endpoint_recv(ep, &msg, in, sizeof(in), SECONDS(20)), 0);
		msg = (struct lattice_msg){ .data = data, .len = sizeof(data) };
		lattice_channel_close(ch);
		lattice_endpoint_close(ep);
		close_pair(&p);
	}
}

TEST(who_may_not_talk)
{
	enum wrong { NOTHING, KEY_AT_A, KEY_AT_B, MESH, UNKNOWN_TO_B };
	static const struct {
		const char *why;
		enum wrong wrong;
		int want;
	} rows[] = {
		{ "all is right", NOTHING, 0 },
		{ "A has another key for B", KEY_AT_A, -ETIMEDOUT },
		{ "B has another key for A", KEY_AT_B, -ETIMEDOUT },
		{ "another mesh key", MESH, -ETIMEDOUT },
		{ "B does not know A", UNKNOWN_TO_B, -ETIMEDOUT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct side stranger;
		struct pair p;
		char path[96];
		FILE *f;

		make_pair(&p);
		make_side(&stranger, rows[i].wrong == KEY_AT_A ? 2 : 1);
		introduce(&p.a, rows[i].wrong == KEY_AT_A ? &stranger : &p.b);
		if (rows[i].wrong != UNKNOWN_TO_B)
			introduce(&p.b, rows[i].wrong == KEY_AT_B ? &stranger : &p.a);
		if (rows[i].wrong == MESH) {
			(void)snprintf(path, sizeof(path), "%s/mesh_key", p.b.dir);
			f = fopen(path, "w");
			CHECK_EQ_ROW(rows[i].why, f != NULL, true);
			CHECK_EQ_ROW(rows[i].why,
				     fputs("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n", f) > 0, true);
			CHECK_EQ_ROW(rows[i].why, fclose(f), 0);
			CHECK_EQ_ROW(rows[i].why, chmod(path, 0600), 0);
		}
		open_pair(&p);
		point(&p.a, &p.b, "127.0.0.1", LATTICE_UDP);
		CHECK_EQ_ROW(rows[i].why,
			     lattice_node_connect(p.a.node, 2,
						  rows[i].want == 0 ? SECONDS(20) : LAT_NS_PER_S),
			     rows[i].want);
		if (rows[i].want < 0) /* silence */
			CHECK_EQ_ROW(rows[i].why, stat_of(p.b.node, "net.udp_out"),
				     rows[i].wrong == NOTHING ? 1 : 0);
		CHECK_EQ_ROW(rows[i].why, nftw(stranger.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
		close_pair(&p);
	}
}

TEST(errors_of_peers)
{
	struct lattice_channel *ch;
	struct lattice_msg msg = { 0 };
	uint64_t rtt, from;
	struct pair p;
	char text[300];
	int port, rc;

	meet(&p, "127.0.0.1", LATTICE_TCP);
	CHECK_EQ(lattice_node_connect(p.a.node, 99, SECONDS(1)), -ENOKEY);
	(void)lattice_explain(p.a.node, -ENOKEY, text, sizeof(text));
	CHECK_EQ(strstr(text, "node 99") != NULL && strstr(text, "peers add") != NULL, true);
	CHECK_EQ(lattice_node_ping(p.a.node, 99, &rtt, SECONDS(1)), -ENOKEY);
	CHECK_EQ(lattice_channel_open(&ch, p.a.node, 1, 1, 99, 0), -ENOKEY);
	CHECK_EQ(lattice_node_connect(p.b.node, 1, SECONDS(1)), -EDESTADDRREQ);
	CHECK_EQ(lattice_channel_open(&ch, p.b.node, 1, 1, 1, 0), -EDESTADDRREQ);
	CHECK_EQ(lattice_node_set_remote(p.a.node, 2, "127.0.0.1", LATTICE_UDP), -EINVAL);
	CHECK_EQ(lattice_node_set_remote(p.a.node, 99, "127.0.0.1:1", LATTICE_UDP), -ENOKEY);
	CHECK_EQ(lattice_node_set_remote(p.b.node, 1, NULL, LATTICE_UDP), -EDESTADDRREQ);

	/* Nobody receives as that pid. */
	CHECK_EQ(lattice_channel_open(&ch, p.a.node, 1, 77, 2, 0), 0);
	CHECK_EQ(lattice_channel_send(ch, &msg, SECONDS(20)), -ECONNREFUSED);
	CHECK_EQ(lattice_channel_sent(ch, &from), 0);
	lattice_channel_close(ch);

	/* Nothing listens at that port: the peer's own, once it is closed. */
	port = lattice_node_port(p.b.node);
	close_side(&p.b);
	(void)snprintf(text, sizeof(text), "127.0.0.1:%d", port);
	CHECK_EQ(lattice_node_set_remote(p.a.node, 2, text, LATTICE_TCP), 0);
	rc = lattice_node_connect(p.a.node, 2, SECONDS(20));
	CHECK_EQ(rc, -ECONNREFUSED);
	(void)lattice_explain(p.a.node, rc, text, sizeof(text));
	CHECK_EQ(strstr(text, "nothing listens") != NULL, true);
	close_side(&p.a);
}

TEST(one_node_per_state_directory)
{
	struct lattice_node *second;
	struct pair p;
	char text[300], pid[16];

	make_pair(&p);
	CHECK_EQ(open_side(&p.a), 0);
	CHECK_EQ(lattice_node_open(&second, &(struct lattice_node_config){ .host = LATTICE_HOST_SELF,
									   .port = LATTICE_PORT_ANY,
									   .state_dir = p.a.dir,
									   .allow_unlocked_keys = true }),
		 -EBUSY);
	CHECK_EQ(second == NULL, true);
	(void)lattice_explain(NULL, -EBUSY, text, sizeof(text));
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CHECK_EQ(strstr(text, pid) != NULL, true);
	close_pair(&p);
}

TEST(a_restarted_peer_is_found_again)
{
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	struct lattice_msg msg = { .type = 1 };
	struct pair p;
	char buf[8];

	for (size_t w = 0; w < 2; w++) {
		meet(&p, ways[w].host, ways[w].proto);
		CHECK_EQ_ROW(ways[w].why, lattice_endpoint_open(&ep, p.b.node, 20), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_channel_open(&ch, p.a.node, 10, 20, 2, 0), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
		lattice_endpoint_close(ep);
		lattice_node_close(p.b.node);
		/* Its goodbye ended the channel. */
		CHECK_EQ_ROW(ways[w].why, lattice_channel_flush(ch, SECONDS(20)) <= 0, true);
		lattice_channel_close(ch);

		CHECK_EQ_ROW(ways[w].why, open_side(&p.b), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_endpoint_open(&ep, p.b.node, 20), 0);
		point(&p.a, &p.b, ways[w].host, ways[w].proto);
		CHECK_EQ_ROW(ways[w].why, lattice_channel_open(&ch, p.a.node, 10, 20, 2, 0), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ch, &msg, SECONDS(30)), 0);
		CHECK_EQ_ROW(ways[w].why, lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
		lattice_channel_close(ch);
		lattice_endpoint_close(ep);
		close_pair(&p);
	}
}

/* ---- strangers ---- */

static int udp_to(const struct side *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	to.sin_port = htons(lattice_node_port(s->node));
	CHECK_EQ(fd >= 0, true);
	CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* An answer from B comes after what was in its socket before the question. */
static void settle(struct lattice_node *from)
{
	uint64_t rtt;

	for (int i = 0; i < 3; i++)
		CHECK_EQ(lattice_node_ping(from, 2, &rtt, SECONDS(20)), 0);
}

/* The first hello that a node sends to a socket of ours. */
static ssize_t catch_hello(const struct side *a, const struct side *b, uint8_t *buf, size_t bytes)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);
	struct timeval tv = { .tv_sec = 20 };
	char where[64];
	ssize_t got;

	CHECK_EQ(fd >= 0, true);
	CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", ntohs(at.sin_port));
	CHECK_EQ(lattice_node_set_remote(a->node, b->id.node, where, LATTICE_UDP), 0);
	CHECK_EQ(lattice_node_connect(a->node, b->id.node, 1), -ETIMEDOUT);
	got = recv(fd, buf, bytes, 0);
	close(fd);
	return got;
}

TEST(noise_gets_no_reply_and_disturbs_nobody)
{
	enum { RANDOM = 100000 };
	struct lattice_peer_stats before, after;
	uint8_t noise[1500], hello[1500], back[64];
	ssize_t hello_bytes;
	struct pair p;
	int fd;

	make_pair(&p);
	introduce(&p.a, &p.b);
	introduce(&p.b, &p.a);
	open_pair(&p);
	hello_bytes = catch_hello(&p.a, &p.b, hello, sizeof(hello));
	CHECK_EQ(hello_bytes, LAT_M1_LEN);
	point(&p.a, &p.b, "127.0.0.1", LATTICE_UDP);
	CHECK_EQ(lattice_node_connect(p.a.node, 2, SECONDS(20)), 0);
	settle(p.a.node);
	CHECK_EQ(lattice_node_peer(p.b.node, 1, &before), 0);
	CHECK_EQ(before.handshakes, 1);

	fd = udp_to(&p.b);
	lat_random(noise, sizeof(noise));
	for (uint32_t i = 0; i < RANDOM; i++) {
		size_t at = i % 251, bytes = (i * 7919u) % (sizeof(noise) - 251);

		if (i % 4 == 1) { /* the form of a hello */
			bytes = LAT_M1_LEN;
			memcpy(noise + at, (uint8_t[]){ LAT_PKT_M1, 1, 0, 0 }, 4);
		} else if (i % 4 == 2) { /* and of data */
			memcpy(noise + at, (uint8_t[]){ LAT_PKT_DATA, 1 }, 2);
		}
		(void)send(fd, noise + at, bytes, 0);
	}
	for (ssize_t cut = 0; cut < hello_bytes; cut++)
		(void)send(fd, hello, (size_t)cut, 0);
	settle(p.a.node);
	CHECK_EQ(recv(fd, back, sizeof(back), 0), -1); /* not a byte */
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(stat_of(p.b.node, "session.form") > 0, true);
	CHECK_EQ(stat_of(p.b.node, "session.mac1") + stat_of(p.b.node, "session.idx") > 0, true);
	CHECK_EQ(lattice_node_peer(p.b.node, 1, &after), 0);
	CHECK_EQ(after.up, true);
	CHECK_EQ(after.handshakes, before.handshakes);
	close(fd);
	close_pair(&p);
}

static int tcp_to(const struct side *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons(lattice_node_port(s->node));
	CHECK_EQ(fd >= 0, true);
	CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

TEST(strangers_over_tcp)
{
	static const struct {
		const char *why;
		uint8_t bytes[4];
		size_t count;
		const char *counter;
	} rows[] = {
		{ "nothing at all", { 0 }, 0, "net.tcp_unauth_time" },
		{ "half a frame", { 0x50, 0x00, 0x01 }, 3, "net.tcp_unauth_time" },
		{ "a huge length", { 0xff, 0xff, 0x06, 0x01 }, 4, "net.tcp_unauth_time" },
		{ "a length too small", { 0x17, 0x00, 0x06, 0x01 }, 4, "net.tcp_framing" },
		{ "an unknown type", { 0x50, 0x00, 0x7f, 0x01 }, 4, "net.tcp_framing" },
	};
	int fd[ARRAY_LEN(rows)];
	uint64_t rtt;
	struct pair p;

	meet(&p, "127.0.0.1", LATTICE_TCP);
	CHECK_EQ(lattice_node_connect(p.a.node, 2, SECONDS(20)), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fd[i] = tcp_to(&p.b);
		CHECK_EQ_ROW(rows[i].why, send(fd[i], rows[i].bytes, rows[i].count, MSG_NOSIGNAL),
			     rows[i].count);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pollfd poll_fd = { .fd = fd[i], .events = POLLIN };
		char byte;

		/* Closed in silence: within 5 s, nothing read. */
		CHECK_EQ_ROW(rows[i].why, poll(&poll_fd, 1, 20000), 1);
		CHECK_EQ_ROW(rows[i].why, recv(fd[i], &byte, 1, 0) <= 0, true);
		CHECK_EQ_ROW(rows[i].why, stat_of(p.b.node, rows[i].counter) > 0, true);
		close(fd[i]);
	}
	CHECK_EQ(lattice_node_ping(p.a.node, 2, &rtt, SECONDS(20)), 0);
	close_pair(&p);
}

/* ---- a node whose caller runs the network ---- */

struct turner {
	struct lattice_node *node;
	pthread_t thread;
	atomic_bool stop;
};

static void *turn(void *arg)
{
	struct turner *t = arg;

	while (!atomic_load_explicit(&t->stop, memory_order_acquire))
		if (lattice_node_poll(t->node, LAT_NS_PER_S / 50) < 0)
			break;
	return NULL;
}

TEST(without_threads)
{
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	struct lattice_msg msg = { .type = 8, .data = "hello", .len = 5 };
	struct turner t = { 0 };
	struct pair p;
	char buf[8];

	make_pair(&p);
	introduce(&p.a, &p.b);
	introduce(&p.b, &p.a);
	p.a.no_threads = p.b.no_threads = true;
	open_pair(&p);
	point(&p.a, &p.b, "127.0.0.1", LATTICE_UDP);
	t.node = p.a.node;
	CHECK_EQ(pthread_create(&t.thread, NULL, turn, &t), 0);
	CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 20), 0);
	CHECK_EQ(lattice_channel_open(&ch, p.a.node, 10, 20, 2, 0), 0);
	CHECK_EQ(lattice_channel_send(ch, &msg, 0), -EAGAIN);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), LAT_NS_PER_S / 4),
		 -ETIMEDOUT); /* and B's network ran */
	msg = (struct lattice_msg){ .type = 8, .data = "hello", .len = 5 };
	CHECK_EQ(lattice_channel_send(ch, &msg, SECONDS(20)), 0);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
	CHECK_MEM(buf, "hello", 5);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	close_side(&p.b); /* its goodbye is heard by the turner */
	atomic_store_explicit(&t.stop, true, memory_order_release);
	pthread_join(t.thread, NULL);
	close_side(&p.a);
}

TEST_MAIN

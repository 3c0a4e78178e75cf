/* The driver between honest ends: echo, ports, reopening, back-pressure, shutting down. Strangers are in stranger_test.c. */
#include "net/driver.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>

#include "net/driver_harness.h"
#include "os/clock.h"
#include "os/thread.h"

static const struct lat_driver_config plain_config;
/* Where a plain socket that proves nothing is called, and the limit for that is not what is tested. */
static const uint64_t patience_ns = 10 * TEST_PATIENCE_S * (uint64_t)LAT_NS_PER_S;
static uint8_t packet[LAT_TCP_MAX_PKT + 2];

/* ---- UDP ---- */

static const struct {
	const char *why;
	uint8_t family;
	size_t bytes;
} udp_rows[] = {
	{ "v4, nothing in it", 4, 0 },
	{ "v4, one byte", 4, 1 },
	{ "v4, what every path carries", 4, LAT_UDP_BASE },
	{ "v4, the largest", 4, LAT_UDP_MAX },
	{ "v6, what every path carries", 6, LAT_UDP_BASE },
	{ "v6, 60000 bytes", 6, 60000 },
};

TEST(udp_echo)
{
	struct end a, b;
	unsigned int sent = 0;
	bool v6 = have_v6();

	end_open(&a, &plain_config);
	end_open(&b, &plain_config);
	b.echo = true;
	for (size_t i = 0; i < ARRAY_LEN(udp_rows); i++) {
		struct lat_path to, from;

		if (udp_rows[i].family == 6 && !v6) {
			print_message("no IPv6: \"%s\" left out\n", udp_rows[i].why);
			continue;
		}
		to = loopback(LAT_PROTO_UDP, udp_rows[i].family, lat_driver_port(b.d));
		packet_fill(packet, udp_rows[i].bytes, (uint32_t)i);
		CHECK_EQ_ROW(udp_rows[i].why, lat_driver_send(a.d, &to, packet, udp_rows[i].bytes), 0);
		sent++;
		CHECK_ROW(udp_rows[i].why, end_wait(&a, TOLD_PACKET, sent));
		end_expect_last(&a, udp_rows[i].why, packet, udp_rows[i].bytes);
		from = end_from(&a, sent - 1);
		CHECK_ROW(udp_rows[i].why, lat_path_equal(&from, &to));
	}
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_UDP_OUT), sent);
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_UDP_IN), sent);
	end_close(&a);
	end_close(&b);
}

/* A length that the way does not carry is told, and what follows it goes. */
TEST(posted_too_long)
{
	struct lat_path to;
	struct end a, b;

	end_open(&a, &plain_config);
	end_open(&b, &plain_config);
	to = loopback(LAT_PROTO_UDP, 4, lat_driver_port(b.d));
	packet_fill(packet, LAT_UDP_BASE, 1);
	CHECK_EQ(lat_driver_post(a.d, &to, packet, LAT_UDP_BASE), 0);
	CHECK_EQ(lat_driver_post(a.d, &to, packet, LAT_UDP_BASE), 0);
	CHECK_EQ(lat_driver_post(a.d, &to, packet, LAT_UDP_MAX + 1), -EMSGSIZE);
	CHECK_EQ(lat_driver_post(a.d, &to, packet, LAT_UDP_BASE), 0);
	lat_driver_flush(a.d);
	CHECK(end_wait(&b, TOLD_PACKET, 3));
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_UDP_NO_GSO), 0);
	end_close(&a);
	end_close(&b);
}

/* By one system call or many, each arrives as it was; those to another place, and those of another length, do not mix with the rest. */
TEST(posted)
{
	enum { POSTED = 100 };
	struct end a, b, c;
	struct lat_path to_b, to_c;
	unsigned int bytes = 0;

	end_open(&a, &plain_config);
	end_open(&b, &plain_config);
	end_open(&c, &plain_config);
	to_b = loopback(LAT_PROTO_UDP, 4, lat_driver_port(b.d));
	to_c = loopback(LAT_PROTO_UDP, 4, lat_driver_port(c.d));
	for (unsigned int i = 0; i < POSTED; i++) {
		bool other = i % 10 == 9;

		bytes = i % 7 == 6 ? 24 + i : LAT_UDP_BASE;
		packet_fill(packet, bytes, i);
		CHECK_EQ(lat_driver_post(a.d, other ? &to_c : &to_b, packet, bytes), 0);
	}
	packet_fill(packet, LAT_UDP_BASE, POSTED);
	CHECK_EQ(lat_driver_post(a.d, &to_b, packet, LAT_UDP_BASE), 0);
	lat_driver_flush(a.d);
	CHECK(end_wait(&b, TOLD_PACKET, POSTED - POSTED / 10 + 1));
	CHECK(end_wait(&c, TOLD_PACKET, POSTED / 10));
	end_expect_last(&b, "the last", packet, LAT_UDP_BASE);
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_UDP_OUT), POSTED + 1);
	lat_driver_flush(a.d); /* nothing */
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_UDP_OUT), POSTED + 1);
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_UDP_ERROR), 0);
	end_close(&a);
	end_close(&b);
	end_close(&c);
}

/* ---- TCP ---- */

static const struct {
	const char *why;
	size_t bytes;
} tcp_rows[] = {
	{ "the shortest", 24 },
	{ "a hello", 1232 },
	{ "two pages", 8192 },
	{ "one less than the longest", LAT_TCP_MAX_PKT - 1 },
	{ "the longest", LAT_TCP_MAX_PKT },
};

static void tcp_echo_over(uint8_t family)
{
	struct end a, b;
	struct lat_path to;
	uint32_t conn = 0;

	end_open(&a, &plain_config);
	end_open(&b, &plain_config);
	b.echo = true;
	b.prove_as = 1;
	a.prove_as = 2;
	to = node_at(2, family, lat_driver_port(b.d));
	for (size_t i = 0; i < ARRAY_LEN(tcp_rows); i++) {
		struct lat_path from;

		packet_fill(packet, tcp_rows[i].bytes, (uint32_t)i);
		if (i == 0)
			CHECK_EQ(lat_driver_send(a.d, &to, packet, tcp_rows[i].bytes), -EAGAIN);
		CHECK_EQ_ROW(tcp_rows[i].why, end_send_patiently(&a, &to, packet, tcp_rows[i].bytes), 0);
		CHECK_ROW(tcp_rows[i].why, end_wait(&a, TOLD_PACKET, (unsigned int)i + 1));
		end_expect_last(&a, tcp_rows[i].why, packet, tcp_rows[i].bytes);
		from = end_from(&a, (unsigned int)i);
		CHECK_EQ_ROW(tcp_rows[i].why, from.node, i == 0 ? 0 : 2);
		CHECK_ROW(tcp_rows[i].why, lat_driver_conn_outgoing(a.d, from.conn));
		from = end_from(&b, (unsigned int)i);
		CHECK_EQ_ROW(tcp_rows[i].why, from.node, i == 0 ? 0 : 1);
		CHECK_EQ_ROW(tcp_rows[i].why, from.family, family);
		CHECK_ROW(tcp_rows[i].why, !lat_driver_conn_outgoing(b.d, from.conn));
		CHECK_ROW(tcp_rows[i].why, i == 0 || from.conn == conn);
		conn = from.conn;
	}
	/* Told of on both sides, once. */
	CHECK(end_wait(&b, TOLD_UP, 1));
	CHECK_EQ(end_told(&a, TOLD_UP), 1);
	CHECK_EQ(end_told(&b, TOLD_UP), 1);
	CHECK_EQ(end_told(&a, TOLD_DOWN), 0);
	/* B knows no address of A's, and needs none. */
	to = (struct lat_path){ .proto = LAT_PROTO_TCP, .node = 1 };
	packet_fill(packet, 100, 99);
	CHECK_EQ(lat_driver_send(b.d, &to, packet, 100), 0);
	CHECK(end_wait(&a, TOLD_PACKET, ARRAY_LEN(tcp_rows) + 1));
	/* Closing one is an end to the other. */
	end_close(&a);
	CHECK(end_wait(&b, TOLD_DOWN, 1));
	CHECK_EQ(end_last_err(&b), -ECONNRESET);
	CHECK_EQ(lat_driver_send(b.d, &to, packet, 100), -ENOTCONN);
	to.conn = conn;
	CHECK_EQ(lat_driver_send(b.d, &to, packet, 100), -ENOTCONN);
	end_close(&b);
}

TEST(tcp_echo_v4)
{
	tcp_echo_over(4);
}

TEST(tcp_echo_v6)
{
	if (!have_v6())
		TEST_SKIP("the kernel has no IPv6");
	tcp_echo_over(6);
}

/* One frame a byte at a time, several in one piece, one cut in the middle of its length. */
TEST(tcp_reassembly)
{
	static uint8_t stream[4 * 70000];
	const size_t sizes[] = { 24, 25, 1232, 700, LAT_TCP_MAX_PKT };
	struct end b;
	size_t bytes = 0, small;
	int fd;

	end_open(&b, &plain_config);
	b.prove_as = 1;
	for (size_t i = 0; i < 4; i++)
		bytes += frame_fill(stream + bytes, sizes[i], (uint32_t)i);
	small = bytes;
	bytes += frame_fill(stream + bytes, sizes[4], 4);
	fd = plain_connect(4, lat_driver_port(b.d));
	for (size_t i = 0; i < small; i++)
		plain_write(fd, stream + i, 1);
	plain_write(fd, stream + small, bytes - small);
	CHECK(end_wait(&b, TOLD_PACKET, 5));
	packet_fill(packet, sizes[4], 4);
	end_expect_last(&b, "byte by byte", packet, sizes[4]);

	plain_write(fd, stream, small + 1);
	plain_write(fd, stream + small + 1, bytes - small - 1);
	CHECK(end_wait(&b, TOLD_PACKET, 10));
	end_expect_last(&b, "all at once", packet, sizes[4]);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_IN), 10);
	close(fd);
	CHECK(end_wait(&b, TOLD_DOWN, 1));
	end_close(&b);
}

/* ---- refusals ---- */

static const struct {
	const char *why;
	struct lat_path to;
	size_t bytes;
	int want;
} send_rows[] = {
	{ "no transport", { .family = 4, .port = 9, .addr = { 127, 0, 0, 1 } }, 100, -EINVAL },
	{ "UDP without an address", { .proto = LAT_PROTO_UDP, .node = 1 }, 100, -EAFNOSUPPORT },
	{ "UDP over the maximum",
	  { .proto = LAT_PROTO_UDP, .family = 4, .port = 9, .addr = { 127, 0, 0, 1 } },
	  LAT_UDP_MAX + 1,
	  -EMSGSIZE },
	{ "TCP with neither connection nor node",
	  { .proto = LAT_PROTO_TCP, .family = 4, .port = 9, .addr = { 127, 0, 0, 1 } },
	  100,
	  -EINVAL },
	{ "a connection that never was", { .proto = LAT_PROTO_TCP, .conn = 0xfffffff0 }, 100, -ENOTCONN },
	{ "a node without address or connection", { .proto = LAT_PROTO_TCP, .node = 1 }, 100, -ENOTCONN },
};

TEST(send_refusals)
{
	struct end a;

	end_open(&a, &plain_config);
	for (size_t i = 0; i < ARRAY_LEN(send_rows); i++)
		CHECK_EQ_ROW(send_rows[i].why,
			     lat_driver_send(a.d, &send_rows[i].to, packet, send_rows[i].bytes),
			     send_rows[i].want);
	end_close(&a);
}

TEST(tcp_sizes)
{
	struct end a, b;
	struct lat_path to;

	end_open(&a, &plain_config);
	end_open(&b, &plain_config);
	b.prove_as = 1;
	to = node_at(2, 4, lat_driver_port(b.d));
	packet_fill(packet, sizeof(packet), 0);
	CHECK_EQ(end_send_patiently(&a, &to, packet, 24), 0);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 23), -EMSGSIZE);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 0), -EMSGSIZE);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, LAT_TCP_MAX_PKT + 1), -EMSGSIZE);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, LAT_TCP_MAX_PKT), 0);
	CHECK(end_wait(&b, TOLD_PACKET, 2));
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_TCP_OUT), 2);
	end_close(&a);
	end_close(&b);
}

static const struct {
	const char *why;
	struct lat_driver_config cfg;
	int want;
} open_rows[] = {
	{ "no transport at all", { .no_udp = true, .no_tcp = true }, -EINVAL },
	{ "a name to bind", { .bind_host = "localhost" }, -EINVAL },
	{ "somebody else's address", { .bind_host = "192.0.2.1" }, -EADDRNOTAVAIL },
	{ "UDP alone", { .no_tcp = true }, 0 },
	{ "TCP alone", { .no_udp = true }, 0 },
	{ "one address", { .bind_host = "127.0.0.1" }, 0 },
	{ "no thread", { .no_thread = true }, 0 },
};

TEST(open_rows)
{
	struct lat_driver_ops missing = end_ops;
	struct lat_driver *d = (struct lat_driver *)&missing;

	for (size_t i = 0; i < ARRAY_LEN(open_rows); i++) {
		struct end a;

		CHECK_EQ_ROW(open_rows[i].why, end_try_open(&a, &open_rows[i].cfg), open_rows[i].want);
		CHECK_ROW(open_rows[i].why, (a.d != NULL) == (open_rows[i].want == 0));
		CHECK_ROW(open_rows[i].why, a.d == NULL || lat_driver_port(a.d) != 0);
		end_close(&a);
	}
	missing.writable = NULL;
	CHECK_EQ(lat_driver_open(&d, &plain_config, &missing, NULL), -EINVAL);
	CHECK(d == NULL);
	lat_driver_close(NULL);
}

TEST(left_out)
{
	const struct lat_driver_config only_v4 = { .bind_host = "127.0.0.1", .no_udp = true };
	struct end a;
	struct lat_path to;

	end_open(&a, &only_v4);
	to = loopback(LAT_PROTO_UDP, 4, 9);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 100), -EAFNOSUPPORT);
	to = loopback(LAT_PROTO_UDP, 6, 9);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 100), -EAFNOSUPPORT);
	end_close(&a);
}

/* Taken by a driver for all sockets; taken by somebody for one of them only. */
TEST(port_in_use)
{
	struct end a, b;
	struct lat_driver_config cfg = { 0 };
	uint16_t port;
	int fd = plain_listen(&port, 0);

	cfg.port = port;
	CHECK_EQ(end_try_open(&b, &cfg), -EADDRINUSE);
	close(fd);
	CHECK_EQ(end_try_open(&a, &cfg), 0);
	CHECK_EQ(lat_driver_port(a.d), port);
	end_close(&b);
	CHECK_EQ(end_try_open(&b, &cfg), -EADDRINUSE);
	end_close(&b);
	end_close(&a);
	/* Given back at once, connections that were in use or not. */
	CHECK_EQ(end_try_open(&a, &cfg), 0);
	end_close(&a);
}

/* ---- connections come and go ---- */

TEST(refused_then_there)
{
	struct end a, b;
	struct lat_driver_config cfg = { 0 };
	struct lat_path to;

	end_open(&b, &plain_config);
	cfg.port = lat_driver_port(b.d);
	end_close(&b);
	end_open(&a, &plain_config);
	to = node_at(2, 4, cfg.port);
	packet_fill(packet, 100, 1);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 100), -EAGAIN);
	CHECK(end_wait(&a, TOLD_DOWN, 2)); /* tried again by itself */
	CHECK_EQ(end_last_err(&a), -ECONNREFUSED);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 100), -EAGAIN);
	CHECK(lat_driver_counter(a.d, LAT_NET_TCP_CONNECT_FAILED) >= 2);
	CHECK_EQ(end_told(&a, TOLD_UP), 0);

	end_open(&b, &cfg);
	b.prove_as = 1;
	CHECK(end_wait(&a, TOLD_UP, 1));
	CHECK_EQ(end_send_patiently(&a, &to, packet, 100), 0);
	CHECK(end_wait(&b, TOLD_PACKET, 1));
	end_expect_last(&b, "after the wait", packet, 100);
	end_close(&a);
	end_close(&b);
}

TEST(peer_restarts)
{
	struct end a, b;
	struct lat_driver_config cfg = { 0 };
	struct lat_path to;

	end_open(&a, &plain_config);
	a.prove_as = 2;
	end_open(&b, &cfg);
	cfg.port = lat_driver_port(b.d);
	to = node_at(2, 4, cfg.port);
	for (unsigned int life = 1; life <= 3; life++) {
		b.prove_as = 1;
		b.echo = true;
		packet_fill(packet, 1000, life);
		CHECK_EQ(end_send_patiently(&a, &to, packet, 1000), 0);
		CHECK(end_wait(&a, TOLD_PACKET, life));
		end_expect_last(&a, "each life answers", packet, 1000);
		CHECK_EQ(end_told(&a, TOLD_UP), life);
		end_close(&b);
		CHECK(end_wait(&a, TOLD_DOWN, life));
		end_open(&b, &cfg);
		CHECK(end_wait(&a, TOLD_UP, life + 1));
	}
	/* Nobody is called again once it is forgotten. */
	lat_driver_forget(a.d, 2);
	CHECK_EQ(lat_driver_send(a.d, &(struct lat_path){ .proto = LAT_PROTO_TCP, .node = 2 }, packet, 100),
		 -ENOTCONN);
	end_close(&a);
	end_close(&b);
}

/* A new address replaces the old one, and does not wait because of it. */
TEST(address_changes)
{
	struct end a, b;
	struct lat_path to;
	uint16_t nobody;
	int fd = plain_listen(&nobody, 0);

	close(fd);
	end_open(&a, &plain_config);
	end_open(&b, &plain_config);
	to = node_at(2, 4, nobody);
	packet_fill(packet, 100, 1);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 100), -EAGAIN);
	CHECK(end_wait(&a, TOLD_DOWN, 1));
	to = node_at(2, 4, lat_driver_port(b.d));
	CHECK_EQ(end_send_patiently(&a, &to, packet, 100), 0);
	CHECK(end_wait(&b, TOLD_PACKET, 1));
	end_close(&a);
	end_close(&b);
}

/*
 * Two connections for one node, at B. "out" is the one B opened to a plain listener; "in" come from plain sockets. What
 * survives is told by who sees the end of the stream.
 */
static const struct {
	const char *why;
	bool first_out, second_out; /* the second one is always proved last */
	bool prefer;
	bool second_wins;
} both_rows[] = {
	{ "two of theirs: the newer", false, false, false, true },
	{ "ours, theirs is preferred", true, false, true, true },
	{ "ours, theirs is not preferred", true, false, false, false },
};

TEST(two_connections)
{
	for (size_t i = 0; i < ARRAY_LEN(both_rows); i++) {
		const char *why = both_rows[i].why;
		struct lat_path to, by_node = { .proto = LAT_PROTO_TCP, .node = 1 };
		uint8_t frame[2 + 100];
		size_t bytes = frame_fill(frame, 100, 7);
		struct end b;
		uint16_t port;
		unsigned int ups = 1;
		int listener = plain_listen(&port, 0), first, second;

		end_open(&b, &plain_config);
		b.prove_as = 1;
		b.prefer = both_rows[i].prefer;
		if (both_rows[i].first_out) {
			to = node_at(1, 4, port);
			CHECK_EQ_ROW(why, lat_driver_send(b.d, &to, packet, 100), -EAGAIN);
			first = plain_accept(listener);
		} else {
			first = plain_connect(4, lat_driver_port(b.d));
		}
		plain_write(first, frame, bytes);
		CHECK_ROW(why, end_wait(&b, TOLD_PACKET, 1));
		CHECK_ROW(why, end_wait(&b, TOLD_UP, ups));
		second = plain_connect(4, lat_driver_port(b.d));
		plain_write(second, frame, bytes);
		CHECK_ROW(why, end_wait(&b, TOLD_PACKET, 2));
		plain_expect_end(why, both_rows[i].second_wins ? first : second);
		if (both_rows[i].second_wins)
			CHECK_ROW(why, end_wait(&b, TOLD_UP, ++ups));
		/* What is kept is used, and nobody was told of a loss. */
		packet_fill(packet, 100, 8);
		CHECK_EQ_ROW(why, lat_driver_send(b.d, &by_node, packet, 100), 0);
		plain_expect_frame(why, both_rows[i].second_wins ? second : first, 100, 8);
		CHECK_EQ_ROW(why, end_told(&b, TOLD_DOWN), 0);
		CHECK_EQ_ROW(why, end_told(&b, TOLD_UP), ups);
		end_close(&b);
		close(first);
		close(second);
		close(listener);
	}
}

/* Until something was told after @before: a packet, or that the connection is another one. */
static bool wait_news(struct end *e, unsigned int before)
{
	struct timespec until = test_deadline();
	bool ok = true;

	pthread_mutex_lock(&e->lock);
	while (ok && e->told[TOLD_PACKET] + e->told[TOLD_UP] + e->told[TOLD_DOWN] == before)
		ok = pthread_cond_timedwait(&e->changed, &e->lock, &until) == 0;
	pthread_mutex_unlock(&e->lock);
	return ok;
}

/* Both open one at the same time. They end with one connection, the same on both sides, and it carries both ways. */
TEST(both_open_at_once)
{
	for (int round = 0; round < 20; round++) {
		struct lat_path to_b, to_a, from;
		struct end a, b;
		bool answered = false;
		int rc;

		end_open(&a, &plain_config);
		end_open(&b, &plain_config);
		a.self = b.prove_as = 1;
		b.self = a.prove_as = 2;
		a.by_rule = b.by_rule = a.hello = b.hello = true;
		to_b = node_at(2, 4, lat_driver_port(b.d));
		to_a = node_at(1, 4, lat_driver_port(a.d));
		packet_fill(packet, 100, 1);
		CHECK_EQ(lat_driver_send(a.d, &to_b, packet, 100), -EAGAIN);
		rc = lat_driver_send(b.d, &to_a, packet, 100);
		CHECK(rc == -EAGAIN || rc == 0); /* A's may be there already */
		CHECK(end_wait(&a, TOLD_PACKET, 1));
		CHECK(end_wait(&b, TOLD_PACKET, 1));
		/* A probe may be lost while one replaces the other, then there is news of that. */
		pthread_mutex_lock(&b.lock);
		b.echo = true;
		pthread_mutex_unlock(&b.lock);
		for (int probe = 0; !answered; probe++) {
			unsigned int before = end_told(&a, TOLD_PACKET) + end_told(&a, TOLD_UP) +
					      end_told(&a, TOLD_DOWN);

			CHECK(probe < 20);
			packet_fill(packet, 200, (uint32_t)probe);
			CHECK_EQ(end_send_patiently(&a, &to_b, packet, 200), 0);
			CHECK(wait_news(&a, before));
			pthread_mutex_lock(&a.lock);
			from = a.from[a.told[TOLD_PACKET] - 1];
			answered = a.last_bytes == 200;
			pthread_mutex_unlock(&a.lock);
		}
		CHECK_EQ(from.node, 2);
		CHECK(lat_driver_counter(a.d, LAT_NET_TCP_CONNECTED) +
			      lat_driver_counter(b.d, LAT_NET_TCP_CONNECTED) <=
		      6);
		end_close(&a);
		end_close(&b);
	}
}

/* Who answers at node 2's address is node 3. */
TEST(proves_to_be_another)
{
	struct end a, b;
	struct lat_path to;

	end_open(&a, &plain_config);
	a.prove_as = 3;
	end_open(&b, &plain_config);
	b.echo = true;
	b.prove_as = 1;
	to = node_at(2, 4, lat_driver_port(b.d));
	packet_fill(packet, 100, 1);
	CHECK_EQ(end_send_patiently(&a, &to, packet, 100), 0);
	CHECK(end_wait(&a, TOLD_DOWN, 1));
	CHECK_EQ(end_last_err(&a), -ECONNABORTED);
	CHECK_EQ(lat_driver_send(a.d, &(struct lat_path){ .proto = LAT_PROTO_TCP, .node = 3 }, packet, 100),
		 0);
	end_close(&a);
	end_close(&b);
}

/* ---- back-pressure ---- */

/* Short ones wait, long ones do not, and whatever goes takes along what waited before it: the order stays. */
TEST(posted_over_tcp)
{
	static const struct {
		const char *why;
		size_t bytes;
		bool post, flush, goes; /* goes: what was posted arrives now */
	} rows[] = {
		{ "waits", 24, .post = true },
		{ "waits behind it", LAT_UDP_BASE, .post = true },
		{ "by the flush", 25, .post = true, .flush = true, .goes = true },
		{ "waits again", 26, .post = true },
		{ "long", LAT_TCP_MAX_PKT, .post = true, .goes = true },
		{ "waits for one that is sent", 27, .post = true },
		{ "sent", 28, .goes = true },
	};
	uint16_t port;
	int listener = plain_listen(&port, 0), fd;
	struct lat_path to;
	struct end a;
	size_t read = 0;
	uint8_t byte;

	end_open(&a, &plain_config);
	to = node_at(2, 4, port);
	packet_fill(packet, 24, 100);
	CHECK_EQ(end_send_patiently(&a, &to, packet, 24), 0);
	fd = plain_accept(listener);
	plain_expect_frame("the first", fd, 24, 100);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		packet_fill(packet, rows[i].bytes, (uint32_t)i);
		CHECK_EQ_ROW(rows[i].why,
			     rows[i].post ? lat_driver_post(a.d, &to, packet, rows[i].bytes)
					  : lat_driver_send(a.d, &to, packet, rows[i].bytes),
			     0);
		if (rows[i].flush)
			lat_driver_flush(a.d);
		if (!rows[i].goes)
			CHECK_EQ_ROW(rows[i].why, recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
		for (; rows[i].goes && read <= i; read++)
			plain_expect_frame(rows[read].why, fd, rows[read].bytes, (uint32_t)read);
	}
	lat_driver_flush(a.d); /* nothing */
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_TCP_OUT), ARRAY_LEN(rows) + 1);
	/* What waits when its connection ends is lost with it, and is in nobody's way. */
	packet_fill(packet, 24, 0);
	CHECK_EQ(lat_driver_post(a.d, &to, packet, 24), 0);
	lat_driver_renew(a.d, 2);
	lat_driver_flush(a.d);
	CHECK(end_wait(&a, TOLD_DOWN, 1));
	plain_expect_end("renewed", fd);
	end_close(&a);
	close(fd);
	close(listener);
}

/*
 * The peer accepts and does not read: sends are refused when the queue is full, and what was accepted arrives whole and
 * in order once it reads.
 */
TEST(peer_does_not_read)
{
	const struct lat_driver_config cfg = { .tcp_queue_bytes = 256 << 10, .unauth_ns = patience_ns };
	struct end a;
	struct lat_path to;
	uint16_t port;
	uint32_t sent = 0;
	unsigned int room;
	int listener = plain_listen(&port, 4096), fd, rc;

	end_open(&a, &cfg);
	to = node_at(2, 4, port);
	packet_fill(packet, LAT_TCP_MAX_PKT, sent);
	CHECK_EQ(end_send_patiently(&a, &to, packet, LAT_TCP_MAX_PKT), 0);
	sent++;
	fd = plain_accept(listener);
	for (;;) {
		room = end_told(&a, TOLD_ROOM);
		packet_fill(packet, LAT_TCP_MAX_PKT, sent);
		rc = lat_driver_send(a.d, &to, packet, LAT_TCP_MAX_PKT);
		if (rc < 0)
			break;
		sent++;
		CHECK(sent < 1000); /* 64 MiB: far more than queue and kernel hold */
	}
	CHECK_EQ(rc, -EAGAIN);
	CHECK(sent > 3); /* the queue alone holds three */
	CHECK(lat_driver_counter(a.d, LAT_NET_TCP_QUEUE_FULL) >= 1);
	for (uint32_t i = 0; i < sent; i++)
		plain_expect_frame("in order", fd, LAT_TCP_MAX_PKT, i);
	CHECK(end_wait(&a, TOLD_ROOM, room + 1));
	packet_fill(packet, 24, sent);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 24), 0);
	plain_expect_frame("after the jam", fd, 24, sent);
	CHECK_EQ(end_told(&a, TOLD_DOWN), 0);
	end_close(&a);
	close(fd);
	close(listener);
}

/*
 * A connection that stops in mid-frame is given up, by us or by the peer, and the next one begins with a whole frame: nothing of the
 * cut one is on it. No SIGPIPE comes of it.
 */
static _Atomic int sigpipes;

static void count_sigpipe(int sig)
{
	(void)sig;
	atomic_fetch_add_explicit(&sigpipes, 1, memory_order_relaxed);
}

static void cut_in_mid_frame(bool reset)
{
	const struct lat_driver_config cfg = { .stall_ns = reset ? 0 : (uint64_t)(50 * LAT_NS_PER_MS),
					       .unauth_ns = patience_ns };
	struct end a;
	struct lat_path to;
	uint16_t port;
	int listener = plain_listen(&port, 4096), fd, rc;
	unsigned int downs;

	end_open(&a, &cfg);
	to = node_at(2, 4, port);
	packet_fill(packet, LAT_TCP_MAX_PKT, 1);
	CHECK_EQ(end_send_patiently(&a, &to, packet, LAT_TCP_MAX_PKT), 0);
	fd = plain_accept(listener);
	do
		rc = lat_driver_send(a.d, &to, packet, LAT_TCP_MAX_PKT);
	while (rc == 0);
	CHECK_EQ(rc, -EAGAIN);
	if (reset)
		plain_reset(fd);
	CHECK(end_wait(&a, TOLD_DOWN, 1));
	rc = end_last_err(&a);
	CHECK(reset ? rc == -ECONNRESET || rc == -EPIPE : rc == -ETIMEDOUT);
	if (!reset)
		close(fd);
	downs = 1;
	fd = plain_accept(listener);
	packet_fill(packet, 500, 2);
	CHECK(end_wait(&a, TOLD_UP, downs + 1));
	CHECK_EQ(end_send_patiently(&a, &to, packet, 500), 0);
	plain_expect_frame("the first of the next connection", fd, 500, 2);
	end_close(&a);
	close(fd);
	close(listener);
}

TEST(stalls_in_mid_frame)
{
	cut_in_mid_frame(false);
}

TEST(reset_in_mid_frame)
{
	struct sigaction count = { .sa_handler = count_sigpipe }, before;

	CHECK_EQ(sigaction(SIGPIPE, &count, &before), 0);
	cut_in_mid_frame(true);
	CHECK_EQ(sigaction(SIGPIPE, &before, NULL), 0);
	CHECK_EQ(atomic_load_explicit(&sigpipes, memory_order_relaxed), 0);
}

/* The other direction: half a frame, then the end or a reset. The next connection is read from its start. */
TEST(half_a_frame)
{
	uint8_t frame[2 + 1000];
	size_t bytes = frame_fill(frame, 1000, 3);
	struct end b;

	end_open(&b, &plain_config);
	b.prove_as = 1;
	for (unsigned int i = 0; i < 4; i++) {
		int fd = plain_connect(4, lat_driver_port(b.d));

		plain_write(fd, frame, bytes);
		CHECK(end_wait(&b, TOLD_PACKET, i + 1));
		plain_write(fd, frame, i < 2 ? 1 : bytes / 2);
		if (i % 2 == 0)
			close(fd);
		else
			plain_reset(fd);
		CHECK(end_wait(&b, TOLD_DOWN, i + 1));
		CHECK_EQ(end_last_err(&b), -ECONNRESET);
		CHECK_EQ(end_told(&b, TOLD_PACKET), i + 1);
	}
	packet_fill(packet, 1000, 3);
	end_expect_last(&b, "whole ones only", packet, 1000);
	end_close(&b);
}

/* ---- time, turns, threads ---- */

TEST(ticks)
{
	struct end a;
	unsigned int ticks;

	end_open(&a, &plain_config);
	CHECK(end_wait(&a, TOLD_TICK, 1)); /* the first comes unasked */
	ticks = end_told(&a, TOLD_TICK);
	pthread_mutex_lock(&a.lock);
	a.more_ticks = 5;
	pthread_mutex_unlock(&a.lock);
	lat_driver_wake(a.d, 0); /* the one that comes of this asks for the next */
	CHECK(end_wait(&a, TOLD_TICK, ticks + 6));
	ticks = end_told(&a, TOLD_TICK);
	lat_driver_wake(a.d, lat_clock_boottime_ns() + 1000000);
	CHECK(end_wait(&a, TOLD_TICK, ticks + 1));
	end_close(&a);
}

TEST(turns)
{
	const struct lat_driver_config cfg = { .no_thread = true };
	struct end a, b;
	struct lat_path to;

	end_open(&a, &cfg);
	end_open(&b, &plain_config);
	b.echo = true;
	b.prove_as = 1;
	CHECK_EQ(lat_driver_turn(b.d, 0), -EBUSY);
	CHECK_EQ(lat_driver_turn(a.d, 0), 0);
	CHECK_EQ(end_told(&a, TOLD_TICK), 1);
	to = node_at(2, 4, lat_driver_port(b.d));
	packet_fill(packet, 5000, 1);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 1000), -EAGAIN);
	for (int i = 0; i < 100 && end_told(&a, TOLD_UP) == 0; i++) {
		struct pollfd work = { .fd = lat_driver_fd(a.d), .events = POLLIN };

		CHECK_EQ(poll(&work, 1, TEST_PATIENCE_S * 1000), 1);
		CHECK_EQ(lat_driver_turn(a.d, 0), 0);
	}
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 1000), 0);
	to.proto = LAT_PROTO_UDP;
	CHECK_EQ(lat_driver_send(a.d, &to, packet, 5000), 0);
	for (int i = 0; i < 100 && end_told(&a, TOLD_PACKET) < 2; i++)
		CHECK_EQ(lat_driver_turn(a.d, -1), 0);
	CHECK_EQ(end_told(&a, TOLD_PACKET), 2);
	lat_driver_shutdown(a.d);
	lat_driver_shutdown(a.d);
	CHECK_EQ(lat_driver_turn(a.d, -1), -ESHUTDOWN);
	end_close(&a);
	end_close(&b);
}

struct sender {
	struct lat_thread thread;
	struct lat_driver *d;
	struct lat_path to;
	int rc;
	uint64_t sent;
};

static void send_until_down(void *arg)
{
	struct sender *s = arg;
	uint8_t bytes[1000];

	packet_fill(bytes, sizeof(bytes), 1);
	do {
		s->rc = lat_driver_send(s->d, &s->to, bytes, sizeof(bytes));
		s->sent += s->rc == 0;
	} while (s->rc == 0 || s->rc == -EAGAIN || s->rc == -ENOTCONN);
}

/* Threads that send into a driver which shuts down get -ESHUTDOWN, and none of its packets are cut. */
TEST(shutdown_while_threads_send)
{
	struct sender senders[4];
	struct end a, b;

	end_open(&a, &plain_config);
	end_open(&b, &plain_config);
	b.prove_as = 1;
	for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
		senders[i] = (struct sender){ .d = a.d, .to = node_at(2, 4, lat_driver_port(b.d)) };
		if (i % 2 == 1)
			senders[i].to.proto = LAT_PROTO_UDP;
		CHECK_EQ(lat_thread_start(&senders[i].thread, "sender", send_until_down, &senders[i]), 0);
	}
	CHECK(end_wait_counter(&b, LAT_NET_TCP_IN, 50));
	CHECK(end_wait_counter(&b, LAT_NET_UDP_IN, 50));
	lat_driver_shutdown(a.d);
	for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
		lat_thread_join(&senders[i].thread);
		CHECK_EQ(senders[i].rc, -ESHUTDOWN);
	}
	CHECK_EQ(lat_driver_send(a.d, &senders[0].to, packet, 100), -ESHUTDOWN);
	CHECK(end_wait(&b, TOLD_DOWN, 1));
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_FRAMING), 0);
	CHECK(lat_driver_counter(b.d, LAT_NET_TCP_IN) <= lat_driver_counter(a.d, LAT_NET_TCP_OUT));
	end_close(&a);
	end_close(&b);
}

/* What was sent before the driver closes is handed over. */
TEST(goodbye_arrives)
{
	struct end a, b;
	struct lat_path to;

	end_open(&a, &plain_config);
	end_open(&b, &plain_config);
	b.prove_as = 1;
	to = node_at(2, 4, lat_driver_port(b.d));
	for (uint32_t i = 0; i < 100; i++) {
		packet_fill(packet, 2000, i);
		CHECK_EQ(end_send_patiently(&a, &to, packet, 2000), 0);
	}
	lat_driver_shutdown(a.d);
	CHECK(end_wait(&b, TOLD_PACKET, 100));
	end_expect_last(&b, "the last one", packet, 2000);
	end_close(&a);
	end_close(&b);
}

TEST(counters_have_names)
{
	for (int i = 0; i < LAT_NET_COUNTERS; i++) {
		CHECK(lat_driver_counter_name((enum lat_driver_counter)i) != NULL);
		CHECK(lat_driver_counter_text((enum lat_driver_counter)i) != NULL);
		for (int j = 0; j < i; j++)
			CHECK(strcmp(lat_driver_counter_name((enum lat_driver_counter)i),
				     lat_driver_counter_name((enum lat_driver_counter)j)) != 0);
	}
	CHECK(lat_driver_counter_name(LAT_NET_COUNTERS) == NULL);
}

/* All the ways a descriptor comes into being, and none is left. */
TEST(no_descriptor_leaks)
{
	unsigned int before = fd_count();
	struct lat_driver_config cfg = { 0 };
	struct end a, b, c;
	struct lat_path to;
	int fd;

	for (uint32_t i = 0; i < 3; i++) {
		end_open(&a, &plain_config);
		end_open(&b, &cfg);
		cfg.port = lat_driver_port(b.d);
		b.prove_as = 1;
		CHECK_EQ(end_try_open(&c, &cfg), -EADDRINUSE);
		end_close(&c);
		to = node_at(2, 4, cfg.port);
		packet_fill(packet, 100, i);
		CHECK_EQ(end_send_patiently(&a, &to, packet, 100), 0);
		CHECK(end_wait(&b, TOLD_PACKET, 1));
		fd = plain_connect(4, cfg.port);
		close(fd);
		end_close(&b);
		CHECK(end_wait(&a, TOLD_DOWN, 1));
		end_close(&a);
	}
	CHECK_EQ(fd_count(), before);
}

TEST_MAIN

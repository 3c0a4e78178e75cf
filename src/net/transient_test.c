/* Connections to a transient path: said to be idle, let go, opened again by the next send. */
#include "net/driver.h"

#include "net/driver_harness.h"
#include "wire/stream.h"

static const struct lat_driver_config plain_config, quick = { .idle_ns = 20 * LAT_NS_PER_MS };
static uint8_t packet[1000];

static struct lat_path transient_at(uint32_t node, uint16_t port)
{
	struct lat_path to = node_at(node, 4, port);

	to.transient = true;
	return to;
}

/* Each time the connection is gone the next send opens another; only its other end is told of the loss. */
TEST(an_idle_connection_is_let_go)
{
	struct end a, b;
	struct lat_path to;

	end_open(&a, &quick);
	end_open(&b, &plain_config);
	a.prove_as = 2;
	b.prove_as = 1;
	b.echo = true;
	end_let_rest(&a);
	to = transient_at(2, lat_driver_port(b.d));
	for (unsigned int life = 1; life <= 5; life++) {
		packet_fill(packet, sizeof(packet), life);
		CHECK_EQ(end_send_patiently(&a, &to, packet, sizeof(packet)), 0);
		CHECK(end_wait(&a, TOLD_PACKET, life));
		end_expect_last(&a, "each life answers", packet, sizeof(packet));
		CHECK(end_wait(&b, TOLD_DOWN, life));
		CHECK_EQ(end_last_err(&b), -ECONNRESET);
		CHECK_EQ(end_told(&a, TOLD_DOWN), 0);
		CHECK_EQ(end_told(&a, TOLD_UP), life);
	}
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_TCP_RESTED), 5);
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_TCP_CONNECTED), 5);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_ACCEPTED), 5);
	CHECK_EQ(lat_driver_counter(a.d, LAT_NET_TCP_UNAUTH_TIME), 0);
	end_close(&a);
	end_close(&b);
}

/* Idle is said again and again of the transient one, never of one that is kept nor of one that the peer opened. */
TEST(which_are_said_to_be_idle)
{
	struct end a, b, c;
	struct lat_path to_b, to_c, to_a;

	end_open(&a, &quick);
	end_open(&b, &quick);
	end_open(&c, &plain_config);
	a.prove_as = 2;
	b.prove_as = 1;
	c.prove_as = 1;
	to_b = transient_at(2, lat_driver_port(b.d));
	to_c = node_at(3, 4, lat_driver_port(c.d));
	packet_fill(packet, sizeof(packet), 1);
	CHECK_EQ(end_send_patiently(&a, &to_b, packet, sizeof(packet)), 0);
	CHECK_EQ(end_send_patiently(&a, &to_c, packet, sizeof(packet)), 0);
	CHECK(end_wait(&b, TOLD_PACKET, 1));
	to_a = transient_at(1, lat_driver_port(a.d)); /* by the connection that A opened */
	CHECK_EQ(lat_driver_send(b.d, &to_a, packet, sizeof(packet)), 0);
	CHECK(end_wait(&a, TOLD_PACKET, 1));
	CHECK(end_wait(&a, TOLD_IDLE, 5));
	CHECK_EQ(end_idle_node(&a), 2);
	CHECK_EQ(end_told(&b, TOLD_IDLE), 0);
	/* Who asks for it all the same is not heard. */
	lat_driver_rest(b.d, 1);
	lat_driver_rest(a.d, 3);
	lat_driver_rest(a.d, 4);
	packet_fill(packet, sizeof(packet), 2);
	CHECK_EQ(lat_driver_send(a.d, &to_b, packet, sizeof(packet)), 0);
	CHECK_EQ(lat_driver_send(a.d, &to_c, packet, sizeof(packet)), 0);
	CHECK(end_wait(&b, TOLD_PACKET, 2));
	CHECK(end_wait(&c, TOLD_PACKET, 2));
	CHECK_EQ(end_told(&a, TOLD_DOWN) + end_told(&b, TOLD_DOWN) + end_told(&c, TOLD_DOWN), 0);
	end_close(&a);
	end_close(&b);
	end_close(&c);
}

/* The peer wrote before it saw the end: that is handed out, while the next connection is there already. */
TEST(what_comes_after_the_end)
{
	uint8_t frame[LAT_STREAM_PREFIX + sizeof(packet)], byte;
	struct lat_path to;
	struct end a;
	uint16_t port;
	int listener = plain_listen(&port, 0), first, second;
	ssize_t n;

	end_open(&a, &quick);
	a.prove_as = 2;
	to = transient_at(2, port);
	packet_fill(packet, sizeof(packet), 1);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, sizeof(packet)), -EAGAIN);
	first = plain_accept(listener);
	CHECK_EQ(end_send_patiently(&a, &to, packet, sizeof(packet)), 0);
	plain_write(first, frame, frame_fill(frame, 100, 2)); /* it proves itself */
	CHECK(end_wait(&a, TOLD_PACKET, 1));
	CHECK(end_wait(&a, TOLD_IDLE, 1));
	lat_driver_rest(a.d, 2);
	do
		n = recv(first, &byte, 1, 0); /* what it was sent */
	while (n > 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, sizeof(packet)), -EAGAIN);
	second = plain_accept(listener);
	plain_write(first, frame, frame_fill(frame, 200, 3));
	CHECK(end_wait(&a, TOLD_PACKET, 2));
	packet_fill(packet, 200, 3);
	end_expect_last(&a, "after the end", packet, 200);
	close(first);
	CHECK_EQ(end_send_patiently(&a, &to, packet, sizeof(packet)), 0);
	CHECK_EQ(end_told(&a, TOLD_DOWN), 0);
	close(second);
	close(listener);
	end_close(&a);
}

/* A peer that does not end its side is not waited for. */
TEST(a_peer_that_holds_on)
{
	struct lat_driver_config cfg = quick;
	uint8_t frame[LAT_STREAM_PREFIX + sizeof(packet)];
	struct lat_path to;
	struct end a;
	uint16_t port;
	int listener = plain_listen(&port, 0), fd;
	size_t bytes = frame_fill(frame, 100, 2);

	cfg.unauth_ns = 200 * LAT_NS_PER_MS;
	end_open(&a, &cfg);
	a.prove_as = 2;
	end_let_rest(&a);
	to = transient_at(2, port);
	packet_fill(packet, sizeof(packet), 1);
	CHECK_EQ(lat_driver_send(a.d, &to, packet, sizeof(packet)), -EAGAIN);
	fd = plain_accept(listener);
	plain_write(fd, frame, bytes);
	CHECK_EQ(end_send_patiently(&a, &to, packet, sizeof(packet)), 0);
	CHECK(end_wait(&a, TOLD_IDLE, 1));
	while (send(fd, frame, bytes, MSG_NOSIGNAL) > 0)
		;
	CHECK(errno == EPIPE || errno == ECONNRESET);
	close(fd);
	close(listener);
	end_close(&a);
}

/* One that breaks is opened again, unless nothing is due. */
TEST(a_transient_connection_breaks)
{
	struct end a, b;
	struct lat_path to;

	end_open(&a, &plain_config);
	end_open(&b, &plain_config);
	a.prove_as = 2;
	b.prove_as = 1;
	b.echo = true;
	to = transient_at(2, lat_driver_port(b.d));
	packet_fill(packet, sizeof(packet), 1);
	CHECK_EQ(end_send_patiently(&a, &to, packet, sizeof(packet)), 0);
	CHECK(end_wait(&a, TOLD_PACKET, 1));
	lat_driver_forget(b.d, 1); /* it ends it */
	CHECK(end_wait(&a, TOLD_DOWN, 1));
	CHECK(end_wait(&a, TOLD_UP, 2));
	CHECK_EQ(end_send_patiently(&a, &to, packet, sizeof(packet)), 0);
	CHECK(end_wait(&a, TOLD_PACKET, 2));

	end_let_rest(&a);
	lat_driver_forget(b.d, 1);
	CHECK(end_wait(&a, TOLD_DOWN, 2));
	CHECK_EQ(end_send_patiently(&a, &to, packet, sizeof(packet)), 0);
	CHECK(end_wait(&a, TOLD_PACKET, 3));
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_ACCEPTED), 3);
	end_close(&a);
	end_close(&b);
}

TEST_MAIN

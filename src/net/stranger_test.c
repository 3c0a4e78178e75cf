/* What somebody who has proved nothing can do to a driver by TCP, and where it ends (PROTOCOL section 7, TCP_UNAUTH). */
#include "net/driver.h"

#include <sys/resource.h>

#include "net/driver_harness.h"

static const struct lat_driver_config plain_config;
static const struct lat_driver_config hasty_config = { .unauth_ns = (uint64_t)(50 * LAT_NS_PER_MS) };

TEST(says_nothing)
{
	struct end b;
	int fd;

	end_open(&b, &hasty_config);
	fd = plain_connect(4, lat_driver_port(b.d));
	plain_expect_end("closed in time", fd);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_UNAUTH_TIME), 1);
	close(fd);
	CHECK_EQ(end_told(&b, TOLD_DOWN), 0); /* no node of ours lost anything */
	end_close(&b);
}

/* Talking does not help, proving does. */
TEST(proves_nothing)
{
	uint8_t frame[2 + 100];
	size_t bytes = frame_fill(frame, 100, 1);
	struct end b;
	int known, stranger;

	end_open(&b, &hasty_config);
	b.prove_as = 1;
	known = plain_connect(4, lat_driver_port(b.d));
	plain_write(known, frame, bytes);
	CHECK(end_wait(&b, TOLD_UP, 1));
	pthread_mutex_lock(&b.lock);
	b.prove_as = 0;
	pthread_mutex_unlock(&b.lock);
	stranger = plain_connect(4, lat_driver_port(b.d));
	plain_write(stranger, frame, bytes);
	CHECK(end_wait(&b, TOLD_PACKET, 2));
	plain_expect_end("the younger is closed", stranger);
	plain_write(known, frame, bytes);
	CHECK(end_wait(&b, TOLD_PACKET, 3));
	CHECK_EQ(end_from(&b, 2).node, 1);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_UNAUTH_TIME), 1);
	close(known);
	close(stranger);
	end_close(&b);
}

/* Whom we called ourselves, and who answers nothing, is called again. */
TEST(called_and_silent)
{
	struct end a;
	struct lat_path to;
	uint16_t port;
	int listener = plain_listen(&port, 0), fd;
	uint8_t packet[100], byte;

	end_open(&a, &hasty_config);
	to = node_at(2, 4, port);
	packet_fill(packet, sizeof(packet), 1);
	CHECK_EQ(end_send_patiently(&a, &to, packet, sizeof(packet)), 0);
	fd = plain_accept(listener);
	while (recv(fd, &byte, 1, MSG_PEEK) <=
	       0) { /* given up before we came to send: the packet is the next one's */
		close(fd);
		fd = plain_accept(listener);
	}
	plain_expect_frame("was said", fd, sizeof(packet), 1);
	plain_expect_end("no answer", fd);
	close(fd);
	CHECK(end_wait(&a, TOLD_DOWN, 1));
	CHECK_EQ(end_last_err(&a), -ETIMEDOUT);
	close(plain_accept(listener));
	end_close(&a);
	close(listener);
}

static const struct {
	const char *why;
	size_t first; /* bytes of the first packet */
	bool taken;
} size_rows[] = {
	{ "fits a stranger's memory", LAT_TCP_UNAUTH_BYTES - 2, true },
	{ "one byte more", LAT_TCP_UNAUTH_BYTES - 1, false },
	{ "the longest there is", LAT_TCP_MAX_PKT, false },
};

TEST(first_packet)
{
	static uint8_t frame[2 + LAT_TCP_MAX_PKT];

	for (size_t i = 0; i < ARRAY_LEN(size_rows); i++) {
		struct end b;
		int fd;

		frame_fill(frame, size_rows[i].first, 1);
		end_open(&b, &plain_config);
		b.prove_as = 1;
		fd = plain_connect(4, lat_driver_port(b.d));
		plain_write(fd, frame, 3); /* the length is enough to know */
		if (size_rows[i].taken) {
			plain_write(fd, frame + 3, size_rows[i].first - 1);
			CHECK_ROW(size_rows[i].why, end_wait(&b, TOLD_PACKET, 1));
			/* Proved: what follows may be of any size. */
			plain_write(fd, frame, frame_fill(frame, LAT_TCP_MAX_PKT, 2));
			CHECK_ROW(size_rows[i].why, end_wait(&b, TOLD_PACKET, 2));
			end_expect_last(&b, size_rows[i].why, frame + 2, LAT_TCP_MAX_PKT);
		} else {
			plain_expect_end(size_rows[i].why, fd);
			CHECK_EQ_ROW(size_rows[i].why, lat_driver_counter(b.d, LAT_NET_TCP_UNAUTH_BYTES), 1);
			CHECK_EQ_ROW(size_rows[i].why, end_told(&b, TOLD_PACKET), 0);
		}
		close(fd);
		end_close(&b);
	}
}

/* Many small ones that prove nothing: open up to the last byte but one. */
TEST(bytes_in_all)
{
	uint8_t frame[2 + 1232];
	size_t bytes = frame_fill(frame, 1232, 1);
	struct end b;
	int fd;

	end_open(&b, &plain_config);
	fd = plain_connect(4, lat_driver_port(b.d));
	for (unsigned int i = 1; i <= 3; i++) {
		plain_write(fd, frame, bytes);
		CHECK(end_wait(&b, TOLD_PACKET, i));
	}
	plain_write(fd, frame, LAT_TCP_UNAUTH_BYTES - 3 * bytes - 1);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_UNAUTH_BYTES), 0);
	plain_write(fd, frame, 1);
	plain_expect_end("the last byte", fd);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_UNAUTH_BYTES), 1);
	CHECK_EQ(end_told(&b, TOLD_PACKET), 3);
	close(fd);
	end_close(&b);
}

/* A short proof and a long packet in one piece: the limit looks at what was proved, not at what has arrived. */
TEST(proof_then_bulk)
{
	static uint8_t stream[2 + 24 + 2 + LAT_TCP_MAX_PKT];
	size_t bytes = frame_fill(stream, 24, 1);
	struct end b;
	int fd;

	bytes += frame_fill(stream + bytes, LAT_TCP_MAX_PKT, 2);
	end_open(&b, &plain_config);
	b.prove_as = 1;
	fd = plain_connect(4, lat_driver_port(b.d));
	plain_write(fd, stream, bytes);
	CHECK(end_wait(&b, TOLD_PACKET, 2));
	end_expect_last(&b, "the bulk", stream + 2 + 24 + 2, LAT_TCP_MAX_PKT);
	close(fd);
	end_close(&b);
}

static const struct {
	const char *why;
	uint8_t bytes[16];
	size_t count;
	enum lat_driver_counter counter;
} garbage_rows[] = {
	{ "length 0", { 0, 0, 6 }, 3, LAT_NET_TCP_FRAMING },
	{ "length 23", { 23, 0, 6 }, 3, LAT_NET_TCP_FRAMING },
	{ "type 0", { 24, 0, 0 }, 3, LAT_NET_TCP_FRAMING },
	{ "type 8", { 24, 0, 8 }, 3, LAT_NET_TCP_FRAMING },
	{ "an SSH greeting", "SSH-2.0-x", 9, LAT_NET_TCP_FRAMING },
	{ "an HTTP request", "GET / HTTP/1.1\r", 15, LAT_NET_TCP_FRAMING },
	{ "length 65535", { 0xff, 0xff, 6 }, 3, LAT_NET_TCP_UNAUTH_BYTES },
};

TEST(garbage)
{
	struct end b;

	end_open(&b, &plain_config);
	for (size_t i = 0; i < ARRAY_LEN(garbage_rows); i++) {
		uint64_t before = lat_driver_counter(b.d, garbage_rows[i].counter);
		int fd = plain_connect(4, lat_driver_port(b.d));

		plain_write(fd, garbage_rows[i].bytes, garbage_rows[i].count);
		plain_expect_end(garbage_rows[i].why, fd);
		CHECK_EQ_ROW(garbage_rows[i].why, lat_driver_counter(b.d, garbage_rows[i].counter),
			     before + 1);
		close(fd);
	}
	CHECK_EQ(end_told(&b, TOLD_PACKET), 0);
	end_close(&b);
}

/* Of a node's connection too: it is closed, and the node hears why. */
TEST(garbage_after_proof)
{
	uint8_t frame[2 + 100];
	size_t bytes = frame_fill(frame, 100, 1);
	struct end b;
	int fd;

	end_open(&b, &plain_config);
	b.prove_as = 1;
	fd = plain_connect(4, lat_driver_port(b.d));
	plain_write(fd, frame, bytes);
	CHECK(end_wait(&b, TOLD_UP, 1));
	plain_write(fd, garbage_rows[0].bytes, garbage_rows[0].count);
	plain_expect_end("framing lost", fd);
	CHECK(end_wait(&b, TOLD_DOWN, 1));
	CHECK_EQ(end_last_err(&b), -EPROTO);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_FRAMING), 1);
	close(fd);
	end_close(&b);
}

TEST(refused_by_the_operation)
{
	uint8_t frame[2 + 100];
	size_t bytes = frame_fill(frame, 100, 1);
	struct end b;
	int fd;

	end_open(&b, &plain_config);
	b.verdict = -EPROTO;
	fd = plain_connect(4, lat_driver_port(b.d));
	plain_write(fd, frame, bytes);
	plain_expect_end("closed, silently", fd);
	CHECK_EQ(end_told(&b, TOLD_PACKET), 1);
	close(fd);
	end_close(&b);
}

/* The table of strangers is full, until one of them proves something or goes. */
TEST(too_many)
{
	int fds[LAT_TCP_UNAUTH_CONNS + 1], late;
	uint8_t frame[2 + 100];
	size_t bytes = frame_fill(frame, 100, 1);
	struct end b;

	end_open(&b, &plain_config);
	for (unsigned int i = 0; i < LAT_TCP_UNAUTH_CONNS; i++)
		fds[i] = plain_connect(4, lat_driver_port(b.d));
	CHECK(end_wait_counter(&b, LAT_NET_TCP_ACCEPTED, LAT_TCP_UNAUTH_CONNS));
	fds[LAT_TCP_UNAUTH_CONNS] = plain_connect(4, lat_driver_port(b.d));
	plain_expect_end("one too many", fds[LAT_TCP_UNAUTH_CONNS]);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_UNAUTH_FULL), 1);

	b.prove_as = 1;
	plain_write(fds[0], frame, bytes);
	CHECK(end_wait(&b, TOLD_UP, 1));
	late = plain_connect(4, lat_driver_port(b.d));
	CHECK(end_wait_counter(&b, LAT_NET_TCP_ACCEPTED, LAT_TCP_UNAUTH_CONNS + 1));
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_UNAUTH_FULL), 1);

	close(late);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	end_close(&b);
}

/* No descriptor left for one more connection: it waits, the others go on, and no turn is spent on it meanwhile. */
TEST(no_descriptors)
{
	uint8_t frame[2 + 100];
	size_t bytes = frame_fill(frame, 100, 1);
	struct sockaddr_storage addr;
	struct rlimit before, none;
	struct lat_path to;
	unsigned int ticks;
	struct end b;
	int known, fd, next;

	end_open(&b, &plain_config);
	b.prove_as = 1;
	known = plain_connect(4, lat_driver_port(b.d));
	plain_write(known, frame, bytes);
	CHECK(end_wait(&b, TOLD_PACKET, 1));
	to = loopback(LAT_PROTO_TCP, 4, lat_driver_port(b.d));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0);
	plain_patience(fd);
	next = dup(fd);
	CHECK(next >= 0);
	close(next);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)next;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	ticks = end_told(&b, TOLD_TICK);
	next = connect(fd, (struct sockaddr *)&addr, (socklen_t)lat_sock_addr_encode(&addr, &to));
	plain_write(fd, frame, bytes);
	plain_write(known, frame, bytes);
	(void)end_wait(&b, TOLD_TICK, ticks + 1);
	(void)end_wait(&b, TOLD_PACKET, 2);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0); /* before anything may fail */
	CHECK_EQ(next, 0);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_ACCEPTED), 1);
	CHECK(end_wait(&b, TOLD_PACKET, 3));
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_ACCEPTED), 2);
	close(known);
	close(fd);
	end_close(&b);
}

/* It asks and never reads the answers: what we hold for it ends at a stranger's memory. */
TEST(never_reads)
{
	static uint8_t packet[LAT_TCP_UNAUTH_BYTES];
	uint8_t frame[2 + 100];
	size_t bytes = frame_fill(frame, 100, 1), sent = 0;
	struct lat_path to;
	struct end b;
	int fd, rc;

	end_open(&b, &plain_config);
	fd = plain_connect(4, lat_driver_port(b.d));
	plain_write(fd, frame, bytes);
	CHECK(end_wait(&b, TOLD_PACKET, 1));
	to = end_from(&b, 0);
	packet_fill(packet, sizeof(packet), 2);
	CHECK_EQ(lat_driver_send(b.d, &to, packet, LAT_TCP_UNAUTH_BYTES - 1), -EMSGSIZE);
	do {
		rc = lat_driver_send(b.d, &to, packet, 1232);
		sent++;
		CHECK(sent < 100000); /* more than a kernel holds */
	} while (rc == 0);
	CHECK_EQ(rc, -EAGAIN);
	CHECK_EQ(lat_driver_counter(b.d, LAT_NET_TCP_QUEUE_FULL), 1);
	close(fd);
	end_close(&b);
}

TEST_MAIN

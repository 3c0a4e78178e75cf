/*
 * What the driver's tests share: a driver that remembers what its operations were told, and plain blocking sockets that play the
 * other side, honest or not. For test files only.
 *
 * Nothing here sleeps to synchronise: an end is waited for by its condition, a plain socket by its own blocking; both
 * give up after TEST_PATIENCE_S, which only a failing test does.
 */
#ifndef LAT_NET_DRIVER_HARNESS_H
#define LAT_NET_DRIVER_HARNESS_H

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/test.h"
#include "net/driver.h"
#include "net/sock.h"
#include "os/clock.h"
#include "wire/limits.h"
#include "wire/packet.h"

enum { TEST_PATIENCE_S = 20, TEST_PATH_MAX = 128 };

/* What an end counts, to be waited for. */
enum told { TOLD_PACKET, TOLD_UP, TOLD_DOWN, TOLD_ROOM, TOLD_IDLE, TOLD_TICK, TOLD_COUNT };

struct end {
	struct lat_driver *d;
	pthread_mutex_t lock; /* as the engine's: held in operations and around sends from them */
	pthread_cond_t changed;
	unsigned int told[TOLD_COUNT];
	int last_err;                        /* of conn_down */
	uint32_t last_node;                  /* of conn_up and conn_down */
	struct lat_path from[TEST_PATH_MAX]; /* of the first packets */
	uint8_t last[LAT_TCP_MAX_PKT];       /* the last packet */
	size_t last_bytes;
	/* What it does with packets. */
	bool echo, prefer;
	bool by_rule;       /* prefers the connection opened by the smaller node number, as nodes do */
	uint32_t self;      /* our node number, for by_rule */
	bool hello;         /* says something as soon as a connection is up, as nodes do */
	uint32_t prove_as;  /* the first packet of a connection proves it to be this node's */
	uint32_t idle_node; /* of the last idle */
	bool rest;          /* lets what is idle go */
	int verdict;
	unsigned int more_ticks; /* so many times it asks for another one in a millisecond */
};

static int end_packet(void *ctx, const struct lat_path *from, uint8_t *packet, size_t bytes)
{
	struct end *e = ctx;
	int verdict;

	pthread_mutex_lock(&e->lock);
	if (e->told[TOLD_PACKET] < TEST_PATH_MAX)
		e->from[e->told[TOLD_PACKET]] = *from;
	e->last_bytes = bytes;
	if (bytes > 0)
		memcpy(e->last, packet, bytes);
	e->told[TOLD_PACKET]++;
	if (from->conn != 0 && from->node == 0 && e->prove_as != 0) {
		bool ours = lat_driver_conn_outgoing(e->d, from->conn);
		bool smaller_opened = ours == (e->self < e->prove_as);

		lat_driver_conn_prove(e->d, from->conn, e->prove_as, e->by_rule ? smaller_opened : e->prefer);
	}
	if (e->echo)
		(void)!lat_driver_send(e->d, from, packet, bytes);
	if (bytes > 0)
		memset(packet, 0xaa, bytes); /* it may be written to */
	verdict = e->verdict;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	return verdict;
}

static void end_tell(struct end *e, enum told what, uint32_t node, int err)
{
	pthread_mutex_lock(&e->lock);
	e->told[what]++;
	if (what == TOLD_UP || what == TOLD_DOWN)
		e->last_node = node;
	if (what == TOLD_IDLE)
		e->idle_node = node;
	if (what == TOLD_DOWN)
		e->last_err = err;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

static void end_conn_up(void *ctx, uint32_t node)
{
	const struct lat_path to = { .proto = LAT_PROTO_TCP, .node = node };
	uint8_t hello[LAT_PKT_MIN_LEN] = { LAT_PKT_DATA };
	struct end *e = ctx;

	end_tell(e, TOLD_UP, node, 0);
	pthread_mutex_lock(&e->lock);
	if (e->hello)
		(void)!lat_driver_send(e->d, &to, hello, sizeof(hello));
	pthread_mutex_unlock(&e->lock);
}

static void end_may_rest(struct end *e, uint32_t node)
{
	pthread_mutex_lock(&e->lock);
	if (e->rest)
		lat_driver_rest(e->d, node);
	pthread_mutex_unlock(&e->lock);
}

static void end_conn_down(void *ctx, uint32_t node, int err)
{
	struct end *e = ctx;

	end_may_rest(e, node);
	end_tell(ctx, TOLD_DOWN, node, err);
}

static void end_writable(void *ctx, uint32_t node)
{
	end_tell(ctx, TOLD_ROOM, node, 0);
}

static void end_idle(void *ctx, uint32_t node)
{
	struct end *e = ctx;

	end_may_rest(e, node);
	end_tell(e, TOLD_IDLE, node, 0);
}

static uint64_t end_tick(void *ctx)
{
	struct end *e = ctx;
	uint64_t next;

	pthread_mutex_lock(&e->lock);
	e->told[TOLD_TICK]++;
	next = UINT64_MAX;
	if (e->more_ticks > 0) {
		e->more_ticks--;
		next = lat_clock_boottime_ns() + (uint64_t)LAT_NS_PER_MS;
	}
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	return next;
}

static const struct lat_driver_ops end_ops = { end_packet,   end_conn_up, end_conn_down,
					       end_writable, end_idle,    end_tick };

static inline int end_try_open(struct end *e, const struct lat_driver_config *cfg)
{
	pthread_condattr_t attr;
	int rc;

	*e = (struct end){ 0 };
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_lock(&e->lock); /* operations may run before e->d is set */
	rc = lat_driver_open(&e->d, cfg, &end_ops, e);
	pthread_mutex_unlock(&e->lock);
	return rc;
}

static inline void end_open(struct end *e, const struct lat_driver_config *cfg)
{
	CHECK_EQ(end_try_open(e, cfg), 0);
}

static inline void end_close(struct end *e)
{
	lat_driver_close(e->d);
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
}

static inline struct timespec test_deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += TEST_PATIENCE_S;
	return t;
}

/* Until @what was told @count times in all. */
static inline bool end_wait(struct end *e, enum told what, unsigned int count)
{
	struct timespec until = test_deadline();
	bool ok;

	pthread_mutex_lock(&e->lock);
	while (e->told[what] < count && pthread_cond_timedwait(&e->changed, &e->lock, &until) == 0)
		;
	ok = e->told[what] >= count;
	pthread_mutex_unlock(&e->lock);
	return ok;
}

/* Until the driver's counter is at least @count: counters move in turns, and each turn ends with a tick. */
static inline bool end_wait_counter(struct end *e, enum lat_driver_counter c, uint64_t count)
{
	struct timespec until = test_deadline();
	bool ok;

	pthread_mutex_lock(&e->lock);
	while (lat_driver_counter(e->d, c) < count &&
	       pthread_cond_timedwait(&e->changed, &e->lock, &until) == 0)
		;
	ok = lat_driver_counter(e->d, c) >= count;
	pthread_mutex_unlock(&e->lock);
	return ok;
}

static inline unsigned int end_told(struct end *e, enum told what)
{
	unsigned int count;

	pthread_mutex_lock(&e->lock);
	count = e->told[what];
	pthread_mutex_unlock(&e->lock);
	return count;
}

static inline void end_let_rest(struct end *e)
{
	pthread_mutex_lock(&e->lock);
	e->rest = true;
	pthread_mutex_unlock(&e->lock);
}

static inline uint32_t end_idle_node(struct end *e)
{
	uint32_t node;

	pthread_mutex_lock(&e->lock);
	node = e->idle_node;
	pthread_mutex_unlock(&e->lock);
	return node;
}

static inline int end_last_err(struct end *e)
{
	int err;

	pthread_mutex_lock(&e->lock);
	err = e->last_err;
	pthread_mutex_unlock(&e->lock);
	return err;
}

static inline struct lat_path end_from(struct end *e, unsigned int packet)
{
	struct lat_path from;

	pthread_mutex_lock(&e->lock);
	from = e->from[packet];
	pthread_mutex_unlock(&e->lock);
	return from;
}

/* The last packet is these bytes. */
static inline void end_expect_last(struct end *e, const char *why, const uint8_t *want, size_t bytes)
{
	static uint8_t got[LAT_TCP_MAX_PKT];
	size_t got_bytes;

	pthread_mutex_lock(&e->lock);
	got_bytes = e->last_bytes;
	memcpy(got, e->last, got_bytes);
	pthread_mutex_unlock(&e->lock);
	CHECK_EQ_ROW(why, got_bytes, bytes);
	CHECK_MEM_ROW(why, got, want, bytes);
}

static inline struct lat_path loopback(uint8_t proto, uint8_t family, uint16_t port)
{
	struct lat_path path;

	CHECK_EQ(lat_sock_literal(&path, family == 6 ? "::1" : "127.0.0.1", port, proto), 0);
	return path;
}

static inline struct lat_path node_at(uint32_t node, uint8_t family, uint16_t port)
{
	struct lat_path path = loopback(LAT_PROTO_TCP, family, port);

	path.node = node;
	return path;
}

static inline bool have_v6(void)
{
	struct lat_path path = loopback(LAT_PROTO_UDP, 6, 0);
	int fd = lat_sock_bind(&path);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A packet that passes as DATA as far as framing looks, told apart by @seed. */
static inline void packet_fill(uint8_t *packet, size_t bytes, uint32_t seed)
{
	for (size_t i = 0; i < bytes; i++)
		packet[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8));
	if (bytes > 0)
		packet[0] = LAT_PKT_DATA;
	if (bytes >= 12)
		lat_put_le32(packet + 8, seed);
}

/* Sends to a node until it is not told -EAGAIN: the connection is awaited. */
static inline int end_send_patiently(struct end *e, const struct lat_path *to, const uint8_t *packet,
				     size_t bytes)
{
	for (;;) {
		unsigned int room = end_told(e, TOLD_ROOM);
		int rc = lat_driver_send(e->d, to, packet, bytes);

		if (rc != -EAGAIN)
			return rc;
		if (!end_wait(e, TOLD_ROOM, room + 1))
			return -ETIMEDOUT;
	}
}

/* ---- plain sockets ---- */

static inline void plain_patience(int fd)
{
	struct timeval tv = { .tv_sec = TEST_PATIENCE_S };
	int on = 1;

	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static inline int plain_connect(uint8_t family, uint16_t port)
{
	struct lat_path to = loopback(LAT_PROTO_TCP, family, port);
	struct sockaddr_storage addr;
	int bytes = lat_sock_addr_encode(&addr, &to);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	plain_patience(fd);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, (socklen_t)bytes), 0);
	return fd;
}

/* @receive_bytes: of the buffer of what it accepts, 0 the kernel's own. */
static inline int plain_listen(uint16_t *port, int receive_bytes)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	plain_patience(fd);
	if (receive_bytes > 0)
		CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)), 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(listen(fd, 16), 0);
	*port = lat_sock_port(fd);
	return fd;
}

static inline int plain_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	CHECK(fd >= 0);
	plain_patience(fd);
	return fd;
}

static inline void plain_write(int fd, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);

		CHECK(n > 0);
		bytes += n;
		count -= (size_t)n;
	}
}

/* Bytes read: fewer than asked for at the end of the stream, or when the other side reset it. */
static inline size_t plain_read(int fd, uint8_t *bytes, size_t count)
{
	size_t got = 0;

	while (got < count) {
		ssize_t n = recv(fd, bytes + got, count - got, 0);

		if (n < 0)
			CHECK_EQ(errno, ECONNRESET);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

/* The other side has closed: nothing but the end is left to read. */
static inline void plain_expect_end(const char *why, int fd)
{
	uint8_t byte;

	CHECK_EQ_ROW(why, plain_read(fd, &byte, 1), 0);
}

/* Closes with a reset instead of an end. */
static inline void plain_reset(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fd);
}

/* A packet as a frame at @out; its length. */
static inline size_t frame_fill(uint8_t *out, size_t packet_bytes, uint32_t seed)
{
	lat_put_le16(out, (uint16_t)packet_bytes);
	packet_fill(out + 2, packet_bytes, seed);
	return packet_bytes + 2;
}

/* Reads one whole frame and checks that it is that of @seed. */
static inline void plain_expect_frame(const char *why, int fd, size_t packet_bytes, uint32_t seed)
{
	static uint8_t got[2 + LAT_TCP_MAX_PKT], want[2 + LAT_TCP_MAX_PKT];
	size_t bytes = frame_fill(want, packet_bytes, seed);

	CHECK_EQ_ROW(why, plain_read(fd, got, bytes), bytes);
	CHECK_MEM_ROW(why, got, want, bytes);
}

/* Open descriptors of this process. */
static inline unsigned int fd_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

#endif

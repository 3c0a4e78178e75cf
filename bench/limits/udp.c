/*
 * What UDP over the loopback can do, with nothing of Lattice in it: an echo, bare or sealed as a packet between nodes is
 * (ChaCha20-Poly1305 under a subkey, a counter as nonce, 16 bytes of header), and one way with many datagrams a call (GSO, GRO).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "limits/net.h"

enum {
	BYTES = 64,
	HEADER = 16,
	TAG = crypto_aead_chacha20poly1305_ietf_ABYTES,
	NONCE = crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
	ROOM = 1 << 16,
	SEGMENT = 1400, /* one datagram of those that go one way */
	AT_ONCE = 45,   /* of them by one call: what 64 KiB hold */
	AHEAD = 3 * AT_ONCE,
};

enum { POLLED = 1, SEALED = 2, STREAM = 4 }; /* a subject's arg */

struct talk {
	in_port_t port[2];
	alignas(64) _Atomic(uint64_t) received; /* of those that go one way: how far the far side is */
	alignas(64) uint64_t sent;
};

struct half {
	int fd;
	uint64_t counter_out, counter_in;
};

static struct half halves[2][8]; /* near, far: by subject */

static int open_socket(struct half *h, in_port_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int room = 4 << 20, on = 1;
	socklen_t len = sizeof(at);

	h->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (h->fd < 0 || bind(h->fd, (const struct sockaddr *)&at, len) < 0 ||
	    getsockname(h->fd, (struct sockaddr *)&at, &len) < 0)
		return -errno;
	(void)setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	(void)setsockopt(h->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	(void)setsockopt(h->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	*port = at.sin_port;
	return 0;
}

static int enter(struct bench_side *side)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct half *h = &halves[side->far][side->subject->arg];
	struct talk *t = side->shared;
	int rc;

	h->fd = -1;
	side->own = h;
	rc = sodium_init() < 0 ? -ENOSYS : open_socket(h, &t->port[side->far]);
	if (rc == 0)
		rc = bench_meet(side);
	if (rc < 0)
		return rc;
	to.sin_port = t->port[!side->far];
	return connect(h->fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : bench_meet(side);
}

static void leave(struct bench_side *side)
{
	struct half *h = side->own;

	if (h != NULL && h->fd >= 0)
		(void)close(h->fd);
	side->own = NULL;
}

/* ---- there and back ---- */

static const unsigned char key[crypto_aead_chacha20poly1305_ietf_KEYBYTES] = { 1, 2, 3 };

static void nonce_of(unsigned char nonce[NONCE], bool far, uint64_t counter)
{
	memset(nonce, 0, NONCE);
	nonce[0] = far; /* one key serves both ways here */
	memcpy(nonce + 4, &counter, sizeof(counter));
}

static int put(struct half *h, bool far, bool sealed, const unsigned char bytes[BYTES])
{
	unsigned char packet[HEADER + BYTES + TAG], nonce[NONCE];
	size_t len = BYTES;

	if (sealed) {
		memset(packet, 0, HEADER);
		memcpy(packet + 8, &h->counter_out, sizeof(h->counter_out));
		nonce_of(nonce, far, h->counter_out++);
		(void)crypto_aead_chacha20poly1305_ietf_encrypt(packet + HEADER, NULL, bytes, BYTES, packet,
								HEADER, NULL, nonce, key);
		len = sizeof(packet);
	}
	return send(h->fd, sealed ? packet : bytes, len, 0) == (ssize_t)len ? 0 : -EIO;
}

static int get(struct half *h, bool far, bool sealed, bool polled, unsigned char bytes[BYTES])
{
	unsigned char packet[HEADER + BYTES + TAG], nonce[NONCE];
	ssize_t want = sealed ? (ssize_t)sizeof(packet) : BYTES, len;

	while ((len = recv(h->fd, sealed ? packet : bytes, (size_t)want, polled ? MSG_DONTWAIT : 0)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		bench_pause();
	}
	if (len != want)
		return -EIO;
	if (!sealed)
		return 0;
	nonce_of(nonce, !far, h->counter_in++);
	return crypto_aead_chacha20poly1305_ietf_decrypt(bytes, NULL, NULL, packet + HEADER, BYTES + TAG,
							 packet, HEADER, nonce, key) == 0
		       ? 0
		       : -EBADMSG;
}

static int trip_near(struct bench_side *side, uint64_t n)
{
	bool polled = (side->subject->arg & POLLED) != 0, sealed = (side->subject->arg & SEALED) != 0;
	unsigned char bytes[BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = put(side->own, false, sealed, bytes);
		if (rc == 0)
			rc = get(side->own, false, sealed, polled, bytes);
	}
	return rc;
}

static int trip_far(struct bench_side *side, uint64_t n)
{
	bool polled = (side->subject->arg & POLLED) != 0, sealed = (side->subject->arg & SEALED) != 0;
	unsigned char bytes[BYTES];
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = get(side->own, true, sealed, polled, bytes);
		if (rc == 0)
			rc = put(side->own, true, sealed, bytes);
	}
	return rc;
}

/* ---- one way ---- */

/* Never more ahead than the receiver's buffer holds: what is lost would be waited for. */
static int stream_near(struct bench_side *side, uint64_t n)
{
	static unsigned char bytes[AT_ONCE * SEGMENT];
	struct half *h = side->own;
	struct talk *t = side->shared;
	const int segment = SEGMENT;

	if (setsockopt(h->fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0)
		return -errno;
	while (n > 0) {
		uint64_t now = n < AT_ONCE ? n : AT_ONCE;
		size_t len = (size_t)now * SEGMENT;

		while (t->sent + now > atomic_load_explicit(&t->received, memory_order_acquire) + AHEAD)
			bench_pause();
		if (send(h->fd, bytes, len, 0) != (ssize_t)len)
			return -EIO;
		t->sent += now;
		n -= now;
	}
	return 0;
}

static int stream_far(struct bench_side *side, uint64_t n)
{
	static unsigned char bytes[ROOM];
	struct half *h = side->own;
	struct talk *t = side->shared;
	uint64_t taken = atomic_load_explicit(&t->received, memory_order_relaxed), until = taken + n;

	while (taken < until) {
		ssize_t len = recv(h->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (len < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (len < 0) {
			bench_pause();
			continue;
		}
		taken += (uint64_t)len / SEGMENT;
		atomic_store_explicit(&t->received, taken, memory_order_release);
	}
	return 0;
}

#define ECHO(name_, what_, limit_, place_, how_, group_)                                                    \
	{                                                                                                   \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_TRIP,                    \
		.with = BENCH_PROCESS, .place = (place_), .group = (group_), .arg = (how_), .enter = enter, \
		.near = trip_near, .far = trip_far, .leave = leave, .shared_bytes = sizeof(struct talk)     \
	}

const struct bench_subject limit_udp = ECHO("udp", "UDP, 64 B, bare, both polling", NULL, BENCH_APART, POLLED,
					    8);
const struct bench_subject limit_udp_sealed = ECHO("udp-sealed", "UDP, 64 B, sealed, both polling", "udp",
						   BENCH_APART, POLLED | SEALED, 8);
const struct bench_subject limit_udp_asleep = ECHO("udp-asleep", "UDP, 64 B, bare, asleep, placed freely",
						   "udp", BENCH_FREE, 0, 0);
const struct bench_subject limit_udp_stream = {
	.name = "udp-1400",
	.what = "UDP one way, 1400 B, GSO and GRO, bare",
	.kind = BENCH_RATE,
	.with = BENCH_PROCESS,
	.place = BENCH_APART,
	.arg = STREAM,
	.bytes = SEGMENT,
	.enter = enter,
	.near = stream_near,
	.far = stream_far,
	.leave = leave,
	.shared_bytes = sizeof(struct talk),
};

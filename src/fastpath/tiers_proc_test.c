/*
 * The tiers between two processes: each writes its own memory only, extents are memfds that come over a socket, late.
 * Then with a producer that is killed, and with one that writes noise over everything that it may.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "fastpath/tiers_harness.h"
#include "os/fdpass.h"
#include "os/memfd.h"

enum { MESSAGES = 20000, FRONT_BYTES = 64 + LAT_TIERS_L1_SLOTS * LAT_RING_SLOT };

/* Made before the fork; then the producer reads the consumer's memory only, and the other way round. */
struct shared {
	int front_fd, back_fd, sock[2];
	void *front, *back;
	const void *peer;
	/* producer */
	void *extent[LAT_TIERS];
	/* consumer */
	struct {
		const void *mem;
		size_t bytes;
	} mapped[LAT_TIERS];
};

/* What goes with an extent's fd. */
struct offer {
	uint32_t tier, number;
	uint64_t bytes;
};

static struct lat_tiers_mem mem_of(const void *front, const void *back)
{
	return (struct lat_tiers_mem){ .front = (struct lat_tiers_front *)(uintptr_t)front,
				       .l1 = (struct lat_ring_slot *)((uintptr_t)front + 64),
				       .back = (struct lat_tiers_back *)(uintptr_t)back };
}

static int extend(void *user, enum lat_tier tier, uint32_t number, size_t bytes, void **mem)
{
	const struct offer offer = { .tier = tier, .number = number, .bytes = bytes };
	struct shared *s = user;
	int fd, rc = lat_memfd_create(&fd, mem, bytes, "extent");

	if (rc < 0)
		return rc;
	rc = tier == LAT_TIER_SPILL ? 0 : lat_memfd_commit(*mem, bytes);
	if (rc == 0)
		rc = lat_fdpass_send(s->sock[1], &offer, sizeof(offer), &fd, 1);
	close(fd);
	if (rc == 0)
		s->extent[tier] = *mem;
	else
		lat_memfd_unmap(*mem, bytes);
	return rc;
}

static int commit(void *user, void *mem, size_t bytes)
{
	(void)user;
	return lat_memfd_commit(mem, bytes);
}

static void retire(void *user, enum lat_tier tier, void *mem, size_t bytes)
{
	struct shared *s = user;

	s->extent[tier] = NULL;
	lat_memfd_unmap(mem, bytes);
}

static const struct lat_tiers_ops ops = { .extend = extend, .commit = commit, .retire = retire };

static void shared_open(struct shared *s)
{
	*s = (struct shared){ 0 };
	CHECK_EQ(lat_memfd_create(&s->front_fd, &s->front, FRONT_BYTES, "front"), 0);
	CHECK_EQ(lat_memfd_create(&s->back_fd, &s->back, sizeof(struct lat_tiers_back), "back"), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->sock), 0);
	CHECK_EQ(fcntl(s->sock[0], F_SETFL, O_NONBLOCK), 0);
}

/* In the child. false: a step failed. */
static bool become_producer(struct shared *s, struct lat_tiers_tx *tx)
{
	struct lat_tiers_mem mem;

	lat_memfd_unmap(s->back, sizeof(struct lat_tiers_back));
	if (lat_memfd_map_peer(s->back_fd, sizeof(struct lat_tiers_back), &s->peer) < 0)
		return false;
	mem = mem_of(s->front, s->peer);
	return lat_tiers_tx_init(tx, &mem, &pair_sizes, &ops, s) == 0;
}

static void become_consumer(struct shared *s, struct lat_tiers_rx *rx)
{
	struct lat_tiers_mem mem;

	lat_memfd_unmap(s->front, FRONT_BYTES);
	CHECK_EQ(lat_memfd_map_peer(s->front_fd, FRONT_BYTES, &s->peer), 0);
	close(s->sock[1]);
	mem = mem_of(s->peer, s->back);
	lat_tiers_rx_init(rx, &mem, &(struct lat_tiers_rx_config){ .foreign = true });
}

/* Takes in one extent that came, if any. true: one did. */
static bool offered(struct shared *s, struct lat_tiers_rx *rx)
{
	struct offer offer;
	size_t count = 1;
	int fd = -1;

	if (lat_fdpass_recv(s->sock[0], &offer, sizeof(offer), &fd, &count) != (ssize_t)sizeof(offer) ||
	    count != 1)
		return false;
	CHECK(offer.tier > LAT_TIER_L1 && offer.tier < LAT_TIERS && s->mapped[offer.tier].mem == NULL);
	CHECK_EQ(lat_memfd_map_peer(fd, offer.bytes, &s->mapped[offer.tier].mem), 0);
	close(fd);
	s->mapped[offer.tier].bytes = offer.bytes;
	CHECK_EQ(lat_tiers_rx_offer(rx, offer.tier, offer.number, s->mapped[offer.tier].mem, offer.bytes), 0);
	return true;
}

static void shared_close(struct shared *s)
{
	for (enum lat_tier t = LAT_TIER_L2; t < LAT_TIERS; t++)
		lat_memfd_unmap(s->mapped[t].mem, s->mapped[t].bytes);
	lat_memfd_unmap(s->peer, FRONT_BYTES);
	lat_memfd_unmap(s->back, sizeof(struct lat_tiers_back));
	close(s->front_fd);
	close(s->back_fd);
	close(s->sock[0]);
}

/* Publishes @messages (UINT32_MAX: for ever). An exit status. */
static int run_producer(struct shared *s, uint32_t messages)
{
	static unsigned char buf[LONGEST];
	struct lat_tiers_tx tx;

	if (!become_producer(s, &tx))
		return 2;
	for (uint32_t n = 1; n <= messages;) {
		uint32_t len = test_len(n);
		int rc;

		memset(buf, (int)n, len);
		rc = lat_tiers_publish(&tx, (int32_t)n, n, buf, len);
		if (rc == 0)
			n++;
		else if (rc == -EAGAIN)
			sched_yield();
		else
			return 3;
	}
	return 0;
}

static pid_t forked(struct shared *s, int (*run)(struct shared *s, uint32_t n), uint32_t n)
{
	pid_t child = fork();

	if (child == 0)
		_exit(run(s, n));
	CHECK(child > 0);
	return child;
}

/* Receives number @n whole: 0, or what consume said. */
static int consume_nth(struct lat_tiers_rx *rx, uint32_t n)
{
	static unsigned char got[LONGEST];
	struct lat_ring_msg m;
	int rc = lat_tiers_consume(rx, got, sizeof(got), &m);

	if (rc < 0)
		return rc;
	CHECK_EQ(m.seq, n);
	CHECK_EQ(m.type, n);
	CHECK_EQ(m.len, test_len(n));
	CHECK(m.len == 0 || (got[0] == (unsigned char)n && memcmp(got, got + 1, m.len - 1) == 0));
	return 0;
}

TEST(two_processes)
{
	struct lat_tiers_rx rx;
	struct shared s;
	int status;
	pid_t child;

	shared_open(&s);
	child = forked(&s, run_producer, MESSAGES);
	become_consumer(&s, &rx);
	for (uint32_t n = 1; n <= MESSAGES;) {
		int rc = consume_nth(&rx, n);

		if (rc == 0) {
			n++;
			continue;
		}
		CHECK_EQ(rc, -ENOMSG);
		if (!offered(&s, &rx))
			sched_yield();
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK(s.mapped[LAT_TIER_SPILL].mem != NULL);
	shared_close(&s);
}

TEST(what_a_killed_producer_published_is_received)
{
	for (uint32_t after = 0; after < 20; after++) {
		struct lat_tiers_rx rx;
		struct shared s;
		uint32_t n = 1;
		int status, rc;
		pid_t child;

		shared_open(&s);
		child = forked(&s, run_producer, UINT32_MAX);
		become_consumer(&s, &rx);
		while (n <= after * 100) {
			rc = consume_nth(&rx, n);
			CHECK(rc == 0 || rc == -ENOMSG);
			if (rc == 0)
				n++;
			else
				(void)offered(&s, &rx);
		}
		CHECK_EQ(kill(child, SIGKILL), 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		do {
			rc = consume_nth(&rx, n);
			n += rc == 0;
		} while (rc == 0 || (rc == -ENOMSG && offered(&s, &rx)));
		CHECK_EQ(rc, -ENOMSG);
		shared_close(&s);
	}
}

/* Publishes, and in between writes noise over front, L1 and the rings. @seed: not 0. */
static int run_scribbler(struct shared *s, uint32_t seed)
{
	static unsigned char buf[LONGEST];
	struct lat_tiers_tx tx;
	uint64_t state = seed;

	if (!become_producer(s, &tx))
		return 2;
	for (uint32_t n = 1; n < 400; n++) {
		uint32_t *words;

		if (lat_tiers_publish(&tx, 0, n, buf, test_len(n + seed)) == -EMSGSIZE)
			return 3;
		state = test_mix(state + n);
		if (n < 20 || state % 8 != 0)
			continue;
		words = s->front;
		if (state >> 60 == 0 && s->extent[LAT_TIER_L2] != NULL)
			words = s->extent[LAT_TIER_L2];
		words[(state >> 8) % (FRONT_BYTES / 4)] = state >> 63 ? (uint32_t)(state >> 32) % 100
								      : (uint32_t)(state >> 32);
	}
	return 0;
}

TEST(noise)
{
	static unsigned char got[SPILL];

	for (uint32_t seed = 1; seed <= 150; seed++) {
		struct lat_tiers_rx rx;
		struct lat_ring_msg m;
		struct shared s;
		int status, rc;
		bool done;
		pid_t child;

		shared_open(&s);
		child = forked(&s, run_scribbler, seed);
		become_consumer(&s, &rx);
		do {
			done = waitpid(child, &status, WNOHANG) == child;
			do {
				rc = lat_tiers_consume(&rx, got, sizeof(got), &m);
				CHECK(rc < 0 || m.len <= SPILL);
			} while (rc == 0);
			CHECK(rc == -ENOMSG || rc == -EPROTO || rc == -EMSGSIZE);
			while (offered(&s, &rx))
				;
		} while (!done);
		CHECK_EQ(status, 0);
		shared_close(&s);
	}
}

/* A note that points into a hole of the region, where nothing was committed: no fault, and not for nothing. */
TEST(holes_are_filled_before_they_are_read)
{
	const struct lat_tiers_note note = { .extent = 1, .at = SPILL / 2 / LAT_BLOCK_UNIT, .len = 10000 };
	static unsigned char got[LONGEST];
	struct lat_tiers_rx rx;
	struct lat_tiers_tx tx;
	struct lat_ring_msg m;
	struct lat_tiers_mem mem;
	struct shared s;
	void *data;

	shared_open(&s);
	mem = mem_of(s.front, s.back);
	lat_tiers_rx_init(&rx, &mem, &(struct lat_tiers_rx_config){ .foreign = true });
	CHECK_EQ(lat_tiers_tx_init(&tx, &mem, &pair_sizes, &ops, &s), 0);
	CHECK(lat_tiers_loan(&tx, 1, &data) >= 0);
	CHECK(offered(&s, &rx));
	CHECK_EQ(lat_ring_publish(&tx.ring[LAT_TIER_L1], 0, 1, &note, LAT_RING_NOTE | LAT_RING_NOTE_LEN), 0);
	CHECK_EQ(lat_tiers_consume(&rx, got, sizeof(got), &m), 0);
	CHECK_EQ(m.len, 10000);
	CHECK_EQ(got[9999], 0);
	lat_tiers_tx_fini(&tx);
	close(s.sock[1]);
	lat_memfd_unmap(s.front, FRONT_BYTES);
	s.peer = NULL;
	shared_close(&s);
}

TEST_MAIN

/* The log and its sleepers, over two real segments: in one process, then between two. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "fastpath/doorbell.h"
#include "os/fdpass.h"
#include "os/futex.h"
#include "os/memfd.h"
#include "os/poke.h"

struct side {
	struct lat_doorbell bell;
	struct lat_seg *own;
	const struct lat_seg *peer; /* the other's, mapped as the other process would */
	int seg_fd;
};

static struct side a, b;

static void sides_open(void)
{
	int fds[2];

	CHECK_EQ(lat_poke_pair(fds), 0);
	CHECK_EQ(lat_seg_open(&a.own, 0, &a.seg_fd), 0);
	CHECK_EQ(lat_seg_open(&b.own, 0, &b.seg_fd), 0);
	CHECK_EQ(lat_seg_join(&a.peer, b.seg_fd), 0);
	CHECK_EQ(lat_seg_join(&b.peer, a.seg_fd), 0);
	lat_doorbell_init(&a.bell, a.own, a.peer, fds[0]);
	lat_doorbell_init(&b.bell, b.own, b.peer, fds[1]);
}

static void side_close(struct side *s)
{
	lat_poke_close(s->bell.fd);
	lat_doorbell_fini(&s->bell);
	lat_seg_close(s->own);
	lat_seg_close(s->peer);
	lat_memfd_close(s->seg_fd);
}

struct heard {
	uint32_t ones, alls;
	uint32_t first, last; /* channels */
	uint32_t rooms;
};

static void heard_one(void *ctx, enum lat_doorbell_what what, uint32_t chan)
{
	struct heard *h = ctx;

	if (h->ones++ == 0)
		h->first = chan;
	h->last = chan;
	h->rooms += what == LAT_DOORBELL_ROOM;
}

static void heard_all(void *ctx)
{
	((struct heard *)ctx)->alls++;
}

static const struct lat_doorbell_ears ears = { heard_one, heard_all };

/* Both ends as if @number announcements had been made and heard. */
static void start_at(uint32_t number)
{
	a.bell.rung = b.bell.heard = number;
	atomic_store_explicit(&a.own->rung, number, memory_order_relaxed);
}

TEST(what_was_rung_is_heard_once_and_in_order)
{
	static const struct {
		const char *why;
		uint32_t start, rings, ones, alls;
	} rows[] = {
		{ "nothing", 0, 0, 0, 0 },
		{ "one", 0, 1, 1, 0 },
		{ "the log full", 0, LAT_SEG_LOG, LAT_SEG_LOG, 0 },
		{ "one more: look at everything", 0, LAT_SEG_LOG + 1, 0, 1 },
		{ "far behind", 0, 10 * LAT_SEG_LOG, 0, 1 },
		{ "across the log's end", LAT_SEG_LOG - 2, 5, 5, 0 },
		{ "the log full, from its middle", 1000, LAT_SEG_LOG, LAT_SEG_LOG, 0 },
		{ "across the counter's end", UINT32_MAX - 2, 5, 5, 0 },
		{ "full, across the counter's end", UINT32_MAX - 2, LAT_SEG_LOG, LAT_SEG_LOG, 0 },
		{ "overtaken across the counter's end", UINT32_MAX - 2, LAT_SEG_LOG + 1, 0, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct heard h = { 0 }, again = { 0 };

		sides_open();
		start_at(rows[i].start);
		for (uint32_t n = 0; n < rows[i].rings; n++)
			lat_doorbell_ring(&a.bell, n % 2 == 0 ? LAT_DOORBELL_MESSAGE : LAT_DOORBELL_ROOM,
					  (n + 7) % LAT_LINK_CHANS_MAX);
		CHECK_EQ_ROW(rows[i].why, lat_doorbell_hear(&b.bell, &ears, &h), rows[i].rings > 0);
		CHECK_EQ_ROW(rows[i].why, h.ones, rows[i].ones);
		CHECK_EQ_ROW(rows[i].why, h.alls, rows[i].alls);
		CHECK_EQ_ROW(rows[i].why, h.rooms, rows[i].ones / 2);
		if (rows[i].ones > 0) {
			CHECK_EQ_ROW(rows[i].why, h.first, 7);
			CHECK_EQ_ROW(rows[i].why, h.last, rows[i].ones + 6);
		}
		CHECK_ROW(rows[i].why, !lat_doorbell_hear(&b.bell, &ears, &again));
		lat_doorbell_ring(&a.bell, LAT_DOORBELL_MESSAGE, LAT_LINK_CHANS_MAX - 1);
		CHECK_ROW(rows[i].why, lat_doorbell_hear(&b.bell, &ears, &again));
		CHECK_EQ_ROW(rows[i].why, again.ones, 1);
		CHECK_EQ_ROW(rows[i].why, again.last, LAT_LINK_CHANS_MAX - 1);
		side_close(&a);
		side_close(&b);
	}
}

TEST(a_lie_is_looked_into_once_and_forgotten)
{
	static const struct {
		const char *why;
		uint32_t heard, rung, entry; /* every entry of the log is that */
	} rows[] = {
		{ "the counter went back", 100, 99, 0 },
		{ "the counter leapt", 100, 100 + (UINT32_C(1) << 31), 0 },
		{ "an entry of another lap", 100, 101, UINT32_MAX },
		{ "an entry of the lap before", LAT_SEG_LOG + 100, LAT_SEG_LOG + 101, 77 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct heard h = { 0 };

		sides_open();
		start_at(rows[i].heard);
		atomic_store_explicit(&a.own->rung, rows[i].rung, memory_order_relaxed);
		for (size_t n = 0; n < LAT_SEG_LOG; n++)
			atomic_store_explicit(&a.own->log[n], rows[i].entry, memory_order_relaxed);
		CHECK_ROW(rows[i].why, lat_doorbell_hear(&b.bell, &ears, &h));
		CHECK_EQ_ROW(rows[i].why, h.alls, 1);
		CHECK_EQ_ROW(rows[i].why, h.ones, 0);
		CHECK_ROW(rows[i].why, !lat_doorbell_hear(&b.bell, &ears, &h));
		side_close(&a);
		side_close(&b);
	}
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

TEST(only_who_is_armed_is_woken)
{
	struct heard h = { 0 };

	sides_open();
	lat_doorbell_ring(&a.bell, LAT_DOORBELL_MESSAGE, 1);
	CHECK_EQ(atomic_load_explicit(&a.bell.woken, memory_order_relaxed), 0);
	CHECK(!readable(b.bell.fd));
	lat_doorbell_arm(&b.bell, LAT_BELL_FUTEX);
	lat_doorbell_ring(&a.bell, LAT_DOORBELL_MESSAGE, 1);
	CHECK_EQ(atomic_load_explicit(&a.bell.woken, memory_order_relaxed), 1);
	CHECK(!readable(b.bell.fd));
	CHECK(!lat_doorbell_watched(&b.bell));
	lat_doorbell_arm(&b.bell, LAT_BELL_FD);
	CHECK(lat_doorbell_watched(&b.bell));
	lat_doorbell_ring(&a.bell, LAT_DOORBELL_MESSAGE, 1);
	CHECK(readable(b.bell.fd));
	CHECK(lat_doorbell_hear(&b.bell, &ears, &h));
	CHECK_EQ(lat_doorbell_clear(&b.bell), 0);
	CHECK(!readable(b.bell.fd));
	lat_doorbell_disarm(&b.bell, LAT_BELL_FD);
	lat_doorbell_disarm(&b.bell, LAT_BELL_FUTEX);
	lat_doorbell_ring(&a.bell, LAT_DOORBELL_MESSAGE, 1);
	CHECK(!readable(b.bell.fd));
	CHECK_EQ(atomic_load_explicit(&a.bell.woken, memory_order_relaxed), 2);
	CHECK_EQ(atomic_load_explicit(&a.bell.rings, memory_order_relaxed), 4);
	side_close(&a);
	side_close(&b);
}

TEST(a_poke_that_comes_late_is_told_of)
{
	struct heard h = { 0 };

	sides_open();
	lat_doorbell_arm(&b.bell, LAT_BELL_FD);
	lat_doorbell_ring(&a.bell, LAT_DOORBELL_MESSAGE, 1);
	CHECK(lat_doorbell_hear(&b.bell, &ears, &h));
	CHECK_EQ(h.ones, 2); /* one before the poke, one after */
	CHECK_EQ(lat_doorbell_clear(&b.bell), 0);
	lat_poke_close(a.bell.fd);
	a.bell.fd = -1;
	CHECK_EQ(lat_doorbell_clear(&b.bell), -EPIPE);
	side_close(&a);
	side_close(&b);
}

/* --- two processes ------------------------------------------------------------------------------- */

enum { STRESS_CHANS = 300, STRESS_ROUNDS = 400 };

/* One of two processes: makes its own segment, and gets the other's. */
static int side_meet(struct side *s, int sock, int bell_fd)
{
	size_t count = 1;
	int fd = -1, rc;
	char c = 0;

	rc = lat_seg_open(&s->own, 0, &s->seg_fd);
	if (rc == 0)
		rc = lat_fdpass_send(sock, "s", 1, &s->seg_fd, 1);
	if (rc == 0)
		rc = lat_fdpass_recv(sock, &c, 1, &fd, &count) == 1 && count == 1 ? 0 : -EPROTO;
	if (rc == 0)
		rc = lat_seg_join(&s->peer, fd);
	lat_memfd_close(fd);
	if (rc == 0)
		lat_doorbell_init(&s->bell, s->own, s->peer, bell_fd);
	return rc;
}

/* The child publishes a number per channel (in a word that means something else elsewhere), then rings. */
static int run_ringer(int sock, int bell_fd)
{
	if (side_meet(&a, sock, bell_fd) < 0 || lat_seg_ready_out(a.own, STRESS_CHANS - 1) < 0)
		return 2;
	for (uint32_t round = 1; round <= STRESS_ROUNDS; round++) {
		for (uint32_t chan = 0; chan < STRESS_CHANS; chan++) {
			atomic_store_explicit(&a.own->tx[chan].words.room_wanted, round,
					      memory_order_release);
			lat_doorbell_ring(&a.bell, LAT_DOORBELL_MESSAGE, chan);
		}
	}
	return 0;
}

static struct {
	uint32_t seen[STRESS_CHANS];
	uint32_t done;
} stress;

static void stress_look(uint32_t chan)
{
	uint32_t now = atomic_load_explicit(&b.peer->tx[chan].words.room_wanted, memory_order_acquire);

	if (now != stress.seen[chan] && now == STRESS_ROUNDS)
		stress.done++;
	stress.seen[chan] = now;
}

static void stress_one(void *ctx, enum lat_doorbell_what what, uint32_t chan)
{
	(void)ctx, (void)what;
	if (chan < STRESS_CHANS)
		stress_look(chan);
}

static void stress_all(void *ctx)
{
	(void)ctx;
	for (uint32_t chan = 0; chan < STRESS_CHANS; chan++)
		stress_look(chan);
}

/* Looks only at what was rung, and sleeps whenever it was not: a lost entry or a lost wake would hang. */
static void hear_it_all(enum lat_bell_sleep how)
{
	static const struct lat_doorbell_ears stress_ears = { stress_one, stress_all };

	while (stress.done < STRESS_CHANS) {
		uint32_t before;

		lat_doorbell_arm(&b.bell, how);
		if (how == LAT_BELL_FD)
			(void)!lat_doorbell_clear(&b.bell); /* it may have gone, all said */
		before = atomic_load_explicit(&b.peer->rung, memory_order_seq_cst);
		if (!lat_doorbell_hear(&b.bell, &stress_ears, NULL)) {
			if (how == LAT_BELL_FUTEX) {
				(void)lat_futex_wait((_Atomic(uint32_t) *)(uintptr_t)&b.peer->rung, before,
						     UINT64_MAX, true);
			} else {
				struct pollfd p = { .fd = b.bell.fd, .events = POLLIN };

				(void)!poll(&p, 1, -1);
			}
		}
		lat_doorbell_disarm(&b.bell, how);
	}
}

TEST(no_ring_is_lost_between_two_processes)
{
	static const enum lat_bell_sleep hows[] = { LAT_BELL_FUTEX, LAT_BELL_FD };

	for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
		int status, sock[2], bell[2];
		pid_t child;

		memset(&stress, 0, sizeof(stress));
		CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock), 0);
		CHECK_EQ(lat_poke_pair(bell), 0);
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			close(sock[1]);
			close(bell[1]);
			_exit(run_ringer(sock[0], bell[0]));
		}
		close(sock[0]);
		close(bell[0]);
		CHECK_EQ(side_meet(&b, sock[1], bell[1]), 0);
		hear_it_all(hows[i]);
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ(status, 0);
		side_close(&b);
		close(sock[1]);
	}
}

TEST_MAIN

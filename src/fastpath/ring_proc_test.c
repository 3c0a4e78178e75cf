/* The ring between two processes, each with one segment of its own and the other's mapped read-only. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "fastpath/ring.h"
#include "os/memfd.h"

enum { SLOTS = 64, MESSAGES = 50000, LONGEST = 700 };

/* Made before the fork; then each side gives up its writable mapping of what is not its own. */
struct link {
	int tx_fd, rx_fd;
	void *tx_seg, *rx_seg;
	const void *peer;
	size_t tx_bytes, rx_bytes;
	int to_parent[2], to_child[2]; /* pipes */
};

static size_t pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static void link_open(struct link *l)
{
	l->tx_bytes = pages(lat_ring_tx_bytes(SLOTS));
	l->rx_bytes = pages(lat_ring_rx_bytes());
	CHECK_EQ(lat_memfd_create(&l->tx_fd, &l->tx_seg, l->tx_bytes, "ring-tx"), 0);
	CHECK_EQ(lat_memfd_create(&l->rx_fd, &l->rx_seg, l->rx_bytes, "ring-rx"), 0);
	CHECK_EQ(pipe(l->to_parent), 0);
	CHECK_EQ(pipe(l->to_child), 0);
}

/* The child is the producer. false: a step failed. */
static bool become_producer(struct link *l, struct lat_ring_tx *tx)
{
	char c;

	lat_memfd_unmap(l->rx_seg, l->rx_bytes);
	return lat_ring_tx_init(tx, l->tx_seg, l->tx_bytes, SLOTS, 0) == 0 &&
	       write(l->to_parent[1], "i", 1) == 1 && read(l->to_child[0], &c, 1) == 1 &&
	       lat_memfd_map_peer(l->rx_fd, l->rx_bytes, &l->peer) == 0 &&
	       lat_ring_tx_attach(tx, l->peer, l->rx_bytes) == 0;
}

static void become_consumer(struct link *l, struct lat_ring_rx *rx)
{
	char c;

	lat_memfd_unmap(l->tx_seg, l->tx_bytes);
	CHECK_EQ(lat_memfd_map_peer(l->tx_fd, l->tx_bytes, &l->peer), 0);
	CHECK_EQ(read(l->to_parent[0], &c, 1), 1);
	CHECK_EQ(lat_ring_rx_init(rx, l->rx_seg, l->rx_bytes, l->peer, l->tx_bytes), 0);
	CHECK_EQ(write(l->to_child[1], "i", 1), 1);
}

static void link_close_consumer(struct link *l)
{
	lat_memfd_unmap(l->rx_seg, l->rx_bytes);
	lat_memfd_unmap(l->peer, l->tx_bytes);
	close(l->tx_fd);
	close(l->rx_fd);
	for (size_t i = 0; i < 2; i++) {
		close(l->to_parent[i]);
		close(l->to_child[i]);
	}
}

static uint32_t len_of(uint32_t n)
{
	return (uint32_t)((uint64_t)n * 2654435761u >> 9) % (LONGEST + 1);
}

static void fill(unsigned char *buf, size_t len, uint32_t n)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)(n * 17 + i * 3);
}

static int run_producer(struct link *l)
{
	struct lat_ring_tx tx;
	unsigned char buf[LONGEST];

	if (!become_producer(l, &tx))
		return 2;
	for (uint32_t n = 1; n <= MESSAGES;) {
		int rc;

		fill(buf, len_of(n), n);
		rc = lat_ring_publish(&tx, (int32_t)n, n, buf, len_of(n));
		if (rc == 0)
			n++;
		else if (rc == -EAGAIN)
			sched_yield();
		else
			return 3;
	}
	return 0;
}

TEST(two_processes)
{
	unsigned char got[LONGEST], want[LONGEST];
	struct lat_ring_rx rx;
	struct link l;
	int status;
	pid_t child;

	link_open(&l);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(run_producer(&l));
	become_consumer(&l, &rx);
	for (uint32_t n = 1; n <= MESSAGES;) {
		struct lat_ring_msg m;
		int rc = lat_ring_consume(&rx, got, sizeof(got), &m);

		if (rc == -ENOMSG) {
			CHECK_EQ(waitpid(child, &status, WNOHANG) == child && status != 0, 0);
			sched_yield();
			continue;
		}
		CHECK_EQ(rc, 0);
		CHECK_EQ(m.seq, n);
		CHECK_EQ(m.type, n);
		CHECK_EQ(m.len, len_of(n));
		fill(want, m.len, n);
		CHECK_MEM(got, want, m.len);
		n++;
	}
	(void)waitpid(child, &status, 0);
	link_close_consumer(&l);
}

/* --- a producer that dies while it writes -------------------------------------------------------- */

static int marked_pipe;

/* The producer has touched the page that ends the copy: it stands in the middle of its message. */
static void at_mark(int sig)
{
	(void)sig;
	(void)!write(marked_pipe, "m", 1);
	for (;;)
		pause();
}

static const struct stop {
	const char *why;
	bool from_front;   /* the unreadable page holds the message's first bytes, else its last ones */
	uint32_t readable; /* bytes of the message outside that page */
} stops[] = {
	{ "before any byte", false, 0 },
	{ "nothing but the second slot begun", false, 48 + 10 },
	{ "the second slot written", false, 48 + 60 },
	{ "in the last slot", false, 48 + 4 * 60 - 1 },
	{ "all but the first slot", true, 4 * 60 },
	{ "all but half of the first slot", true, 4 * 60 + 24 },
};

enum { TORN = 48 + 4 * 60, WHOLE = 5 };

static int run_torn(struct link *l, const struct stop *stop)
{
	struct sigaction act = { .sa_handler = at_mark };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const unsigned char *data;
	unsigned char whole[200];
	struct lat_ring_tx tx;

	if (map == MAP_FAILED || !become_producer(l, &tx))
		return 2;
	for (uint32_t n = 1; n <= WHOLE; n++) {
		fill(whole, sizeof(whole), n);
		if (lat_ring_publish(&tx, 0, n, whole, sizeof(whole)) < 0)
			return 3;
	}
	marked_pipe = l->to_parent[1];
	sigaction(SIGSEGV, &act, NULL);
	if (stop->from_front)
		data = map + page - (TORN - stop->readable);
	else
		data = map + page - stop->readable;
	if (mprotect(stop->from_front ? map : map + page, page, PROT_NONE) < 0)
		return 4;
	return lat_ring_publish(&tx, 0, WHOLE + 1, data, TORN) < 0 ? 5 : 6;
}

TEST(killed_in_mid_write)
{
	for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
		unsigned char got[LONGEST], want[200];
		struct lat_ring_msg m;
		struct lat_ring_rx rx;
		struct link l;
		int status;
		char mark = 0;
		pid_t child;

		link_open(&l);
		child = fork();
		CHECK(child >= 0);
		if (child == 0)
			_exit(run_torn(&l, &stops[i]));
		close(l.to_parent[1]); /* so that a child that ends early is an end of file */
		l.to_parent[1] = -1;
		become_consumer(&l, &rx);
		CHECK_EQ_ROW(stops[i].why, read(l.to_parent[0], &mark, 1), 1);
		CHECK_EQ_ROW(stops[i].why, mark, 'm');
		CHECK_EQ(kill(child, SIGKILL), 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_ROW(stops[i].why, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		for (uint32_t n = 1; n <= WHOLE; n++) {
			CHECK_EQ_ROW(stops[i].why, lat_ring_consume(&rx, got, sizeof(got), &m), 0);
			CHECK_EQ_ROW(stops[i].why, m.seq, n);
			fill(want, sizeof(want), n);
			CHECK_MEM_ROW(stops[i].why, got, want, sizeof(want));
		}
		CHECK_EQ_ROW(stops[i].why, lat_ring_consume(&rx, got, sizeof(got), &m), -ENOMSG);
		link_close_consumer(&l);
	}
}

TEST_MAIN

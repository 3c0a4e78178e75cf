/*
 * A process that has a capability made for it and sends that with its messages is killed at each system call which that takes its thread, before it
 * and after it. The process that hosts, and receives, never has a message twice, out of order, or with another's capability; it loses
 * nothing of an honest process's, and has as many descriptors and links as before. What was made, and handed to nobody, ends with what it was made of.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lattice/cap.h>
#include <lattice/lattice.h>

#include "base/test.h"
#include "os/clock.h"

enum {
	INBOX = 7,
	VICTIM = 1,
	HONEST = 2,
	STORE = 9,
	SENT = 6,
	LENGTHS = 100,
	MEMBERS = 2,
	POINTS_MAX = 20000,
	STATS = 256
};

static const uint64_t wait_ns = (uint64_t)(60 * LAT_NS_PER_S); /* reached only when something is broken */

/* ---- in a child: what cannot be said there by a check ends it ---- */

static void need(bool holds, int line)
{
	if (holds)
		return;
	(void)dprintf(2, "carrier_kill_test: a child ends at line %d\n", line);
	_exit(1);
}
#define NEED(cond) need(cond, __LINE__)

static struct lattice_cap *parsed(const char *text)
{
	struct lattice_cap *cap;

	NEED(lattice_cap_parse(&cap, text, strlen(text)) == 0);
	return cap;
}

/* Every second message brings one that was made for it; what that allows says which. */
static void send_all(struct lattice_node *node, int32_t from, const struct lattice_cap *parent)
{
	struct lattice_cap_terms terms = { .dst = STORE,
					   .rights = LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND |
						     LATTICE_RIGHT_GRANT,
					   .bearer = true };
	struct lattice_channel *ch;

	NEED(lattice_channel_open(&ch, node, from, INBOX, 0, 0) == 0);
	for (uint32_t i = 0; i < SENT; i++) {
		const struct lattice_msg msg = { .type = 3, .data = &i, .len = sizeof(i) };
		struct lattice_cap *cap;

		terms.max_msg_bytes = LENGTHS + (uint32_t)from * SENT + i;
		if (i % 2 == 0) {
			NEED(lattice_channel_send(ch, &msg, LATTICE_FOREVER) == 0);
			continue;
		}
		NEED(lattice_cap_derive(&cap, node, parent, &terms) == 0);
		NEED(lattice_channel_send_cap(ch, &msg, cap, LATTICE_FOREVER) == 0);
		lattice_cap_free(cap);
	}
	NEED(lattice_channel_flush(ch, LATTICE_FOREVER) == 0);
	lattice_channel_close(ch);
}

static void be_victim(const char *text)
{
	static const struct lattice_node_config cfg = { .host = LATTICE_HOST_ATTACH };
	struct lattice_cap *parent = parsed(text);
	struct lattice_channel *first;
	struct lattice_node *node;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	NEED(lattice_node_open(&node, &cfg) == 0);
	NEED(lattice_channel_open(&first, node, VICTIM, INBOX, 0, 0) ==
	     0); /* who reads the machine's sizes */
	lattice_channel_close(first);
	NEED(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	(void)raise(SIGSTOP);
	send_all(node, VICTIM, parent);
	lattice_node_close(node);
	_exit(0);
}

/* ---- who hosts and receives ---- */

struct host {
	struct lattice_node *node, *honest;
	struct lattice_endpoint *ep;
	struct lattice_cap *parent;
	uint32_t next[HONEST + 1]; /* of each sender's messages */
	int fds;                   /* after the first round */
};

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int count = 0;

	NEED(d != NULL);
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count;
}

static uint64_t stat_of(struct lattice_node *node, const char *name)
{
	struct lattice_stat stats[STATS];
	size_t count = lattice_node_stats(node, stats, STATS);

	for (size_t i = 0; i < count && i < STATS; i++)
		if (strcmp(stats[i].name, name) == 0)
			return stats[i].value;
	return 0;
}

/* The next message that is there, which has to be the next of its sender's, with what went with that one or nothing. false: there is none. */
static bool take_one(struct host *h, int64_t timeout_ns)
{
	struct lattice_cap_info info;
	struct lattice_cap *cap;
	struct lattice_msg msg;
	uint32_t i = UINT32_MAX;
	int rc = lattice_endpoint_recv_cap(h->ep, &msg, &i, sizeof(i), &cap, timeout_ns);

	if (rc == -ENOMSG)
		return false;
	NEED(rc == 0 && (msg.source == VICTIM || msg.source == HONEST));
	NEED(i == h->next[msg.source]++);
	NEED((cap != NULL) == (i % 2 == 1));
	if (cap != NULL) {
		NEED(lattice_cap_info(cap, &info) == 0);
		NEED(info.max_msg_bytes == LENGTHS + (uint32_t)msg.source * SENT + i);
		lattice_cap_free(cap);
	}
	return true;
}

static void *be_honest(void *arg)
{
	struct host *h = arg;

	send_all(h->honest, HONEST, h->parent);
	return NULL;
}

/* A round: an honest process sends all of its own, meanwhile or after; then nothing is left of the other. */
static void check(struct host *h)
{
	uint64_t deadline = lat_clock_monotonic_ns() + wait_ns;
	struct lattice_cap_info info;
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, be_honest, h) == 0);
	while (h->next[HONEST] < SENT)
		(void)take_one(h, LATTICE_FOREVER);
	NEED(pthread_join(thread, NULL) == 0);
	while (take_one(h, 0) || stat_of(h->node, "host.members") > MEMBERS ||
	       stat_of(h->node, "links.in") > 0 || (h->fds != 0 && open_fds() > h->fds)) {
		NEED(lat_clock_monotonic_ns() < deadline);
		(void)poll(NULL, 0, 1);
	}
	h->fds = h->fds == 0 ? open_fds() : h->fds;
	NEED(lattice_cap_info(h->parent, &info) == 0);
	NEED(lattice_cap_revoke(h->node, info.slot, info.gen, NULL, 0) == 0);
	NEED(stat_of(h->node, "cap.live") == 0);
	lattice_cap_free(h->parent);
}

static void begin(struct host *h, char text[LATTICE_CAP_TEXT_MAX])
{
	const struct lattice_cap_terms terms = { .dst = STORE,
						 .rights = LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND |
							   LATTICE_RIGHT_GRANT,
						 .bearer = true };

	memset(h->next, 0, sizeof(h->next));
	NEED(lattice_cap_grant(&h->parent, h->node, &terms) == 0);
	NEED(lattice_cap_text(h->parent, text, LATTICE_CAP_TEXT_MAX) > 0);
}

/* For each byte that it is told, first a capability for the one who will be killed, then what came of that one. */
static void be_host(int told, int says)
{
	static const struct lattice_node_config cfg = { .host = LATTICE_HOST_ATTACH };
	struct host h = { 0 };
	char what;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	NEED(lattice_node_open(&h.node, NULL) == 0);
	NEED(lattice_endpoint_open(&h.ep, h.node, INBOX) == 0);
	NEED(lattice_node_open(&h.honest, &cfg) == 0);
	for (;;) {
		struct pollfd word = { .fd = told, .events = POLLIN };
		char text[LATTICE_CAP_TEXT_MAX] = { 0 };

		if (poll(&word, 1, 1) == 0) { /* who sends waits until the one before was received */
			(void)take_one(&h, 0);
			continue;
		}
		if (read(told, &what, 1) != 1)
			break;
		if (what == 'g') {
			begin(&h, text);
			NEED(write(says, text, sizeof(text)) == (ssize_t)sizeof(text));
			continue;
		}
		check(&h);
		NEED(write(says, &h.next[VICTIM], sizeof(h.next[VICTIM])) == (ssize_t)sizeof(h.next[VICTIM]));
	}
	lattice_node_close(h.honest);
	lattice_endpoint_close(h.ep);
	lattice_node_close(h.node);
	_exit(0);
}

/* ---- who kills: it has no threads, and is the only one that forks ---- */

static pid_t host;
static int tell, hear;

static void start_host(void)
{
	int to[2], from[2];

	CHECK_EQ(pipe2(to, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(from, O_CLOEXEC), 0);
	host = fork();
	if (host == 0) {
		close(to[1]);
		close(from[0]);
		be_host(to[0], from[1]);
	}
	CHECK(host > 0);
	close(to[0]);
	close(from[1]);
	tell = to[1];
	hear = from[0];
}

static void ask(char what, void *answer, size_t bytes)
{
	CHECK_EQ(write(tell, &what, 1), 1);
	CHECK_EQ(read(hear, answer, bytes), bytes);
}

/* Lets the child run to the @point-th stop at a system call and kills it. Whether it came to its end before. */
static bool run_to(pid_t child, int point)
{
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSTOPPED(status));
	for (int i = 0;; i++) {
		if (i == point) {
			CHECK_EQ(kill(child, SIGKILL), 0);
			CHECK_EQ(waitpid(child, &status, 0), child);
			CHECK(WIFSIGNALED(status));
			return false;
		}
		CHECK_EQ(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		if (WIFEXITED(status)) {
			CHECK_EQ(WEXITSTATUS(status), 0);
			return true;
		}
		CHECK(WIFSTOPPED(status));
	}
}

TEST(killed_at_each_system_call)
{
	uint32_t arrived[SENT + 1] = { 0 }, ways = 0;
	bool over = false;
	int status;

	start_host();
	for (int point = 0; !over; point++) {
		char text[LATTICE_CAP_TEXT_MAX];
		uint32_t got;
		pid_t child;

		CHECK(point < POINTS_MAX);
		ask('g', text, sizeof(text));
		child = fork();
		if (child == 0) {
			close(tell);
			be_victim(text);
		}
		CHECK(child > 0);
		over = run_to(child, point);
		ask('c', &got, sizeof(got));
		CHECK(got <= SENT);
		CHECK(!over || got == SENT);
		arrived[got]++;
	}
	for (uint32_t i = 0; i <= SENT; i++)
		ways += arrived[i] > 0;
	CHECK(ways > SENT / 2); /* before the first, after the last, and between those that bring something */
	close(tell);
	CHECK_EQ(waitpid(host, &status, 0), host);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_MAIN

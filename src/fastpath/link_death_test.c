/*
 * One of two linked processes is killed at any instruction of what it does: it is stepped there by ptrace(2). The other
 * one receives what was published, whole, is told, and has nothing left over.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/ptrace.h>

#include "fastpath/link_harness.h"

enum {
	BEFORE = 5,  /* messages that come before the one in question */
	POINTS = 25, /* at which each deed is cut off, spread over its instructions */
	STEPS_MAX = 200000,
	LEN = 200,
	LONG = 4000, /* needs memory of its own */
};

static struct party self;
static struct lat_link_out *out;

static void fill(unsigned char *buf, size_t len, uint32_t n)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)(n * 17 + i * 3);
}

static int send_one(uint32_t n, size_t len)
{
	unsigned char buf[LONG];

	fill(buf, len, n);
	return lat_sender_send(lat_link_out_sender(out), (int32_t)n, buf, len, 0);
}

/* The next message: its number, -ENOMSG, or -EBADMSG when it is not whole. */
static int recv_one(void)
{
	static unsigned char got[LONG], want[LONG];
	struct lat_inbox_info info;
	int rc = lat_inbox_recv(self.inbox, got, sizeof(got), &info, 0);

	if (rc < 0)
		return rc;
	fill(want, info.len, (uint32_t)info.seq);
	return (info.len == LEN || info.len == LONG) && memcmp(got, want, info.len) == 0 ? (int)info.seq
											 : -EBADMSG;
}

/* --- the deeds of a victim, and what its survivor sees ------------------------------------------------- */

static unsigned char last[LONG]; /* filled before */

static int victim_send(void)
{
	return lat_sender_send(lat_link_out_sender(out), 0, last, LEN, 0);
}

static int victim_send_long(void)
{
	return lat_sender_send(lat_link_out_sender(out), 0, last, LONG, 0);
}

static int victim_recv(void)
{
	return recv_one() > 0 ? 0 : -EBADMSG;
}

static int victim_end(void)
{
	party_end_out(&self, out);
	return 0;
}

static int victim_open(void)
{
	const struct lat_link_out_config cfg = { 0 };
	struct lat_link_out *more;

	return lat_link_out_open(&more, self.link, &cfg);
}

static int victim_leave(void)
{
	lat_link_close(self.link);
	return 0;
}

static const struct deed {
	const char *why;
	int (*deed)(void);
	bool sends;
	bool sleeper; /* the survivor sleeps meanwhile, to be woken */
} deeds[] = {
	{ "sends to one that sleeps", victim_send, true, true },
	{ "sends to one that does not look", victim_send, true, false },
	{ "adds memory", victim_send_long, true, false },
	{ "receives", victim_recv, false, false },
	{ "ends a channel", victim_end, false, false },
	{ "opens a channel", victim_open, false, false },
	{ "gives up the link", victim_leave, false, false },
};

static const struct deed *deed;

/* Stops before the deed, and after. */
static int run_victim(void)
{
	int rc = 0;

	if (party_open(&self, &out, 0) < 0)
		return 2;
	for (uint32_t n = 1; n <= BEFORE; n++)
		if (send_one(n, LEN) < 0)
			return 3;
	while (rc == 0) { /* until the survivor's messages have come */
		struct lat_bell *bell = (struct lat_bell *)self.link;
		struct lat_sender *s = lat_link_out_sender(out);
		uint64_t received;

		(void)bell->ops->drain(bell);
		(void)lat_sender_sent(s, &received);
		rc = recv_one();
		if (rc == -ENOMSG)
			rc = 0;
	}
	fill(last, LONG, BEFORE + 1);
	if (rc != 1 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		return 4;
	raise(SIGSTOP);
	rc = deed->deed();
	raise(SIGSTOP);
	return rc < 0 ? 5 : 0;
}

static void *sleep_in_recv(void *arg)
{
	struct lat_inbox_info info;

	(void)arg;
	/* Nobody can receive into it; woken, it says that there is something, and lets it lie. */
	for (;;) {
		int rc = lat_inbox_recv(self.inbox, NULL, 0, &info, UINT64_MAX);

		if (rc == -ESHUTDOWN)
			return NULL;
		sched_yield();
	}
}

static int fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Kills after @steps instructions of the deed; how many were taken: fewer, if it was over before. */
static long one_death(long steps)
{
	int status, before = fds_open();
	struct lat_link_out *own;
	pthread_t sleeper;
	struct meeting m;
	int rc, next = 1;
	long taken = 0;
	pid_t child;

	memset(&self, 0, sizeof(self));
	meeting_open(&m);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		struct lat_inbox *inbox;

		party_fork_close(&m, 1);
		if (lat_inbox_open(&inbox) < 0 || party_meet(&self, &m, 1, inbox) < 0)
			_exit(100);
		_exit(run_victim());
	}
	party_fork_close(&m, 0);
	CHECK_EQ(lat_inbox_open(&self.inbox), 0);
	CHECK_EQ(party_meet(&self, &m, 0, self.inbox), 0);
	CHECK_EQ(party_open(&self, &own, 0), 0);
	out = own;
	for (uint32_t n = 1; n <= BEFORE; n++)
		CHECK_EQ(send_one(n, LEN), 0);
	if (deed->sleeper) {
		while (next <= BEFORE) {
			rc = recv_one();
			CHECK(rc == -ENOMSG || rc == next);
			next += rc > 0;
		}
		CHECK_EQ(pthread_create(&sleeper, NULL, sleep_in_recv, NULL), 0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 4)
		TEST_SKIP("this machine lets nobody trace its children");
	CHECK_ROW(deed->why, WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	for (; taken < steps; taken++) {
		CHECK_EQ(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_ROW(deed->why, WIFSTOPPED(status));
		if (WSTOPSIG(status) != SIGTRAP)
			break;
	}
	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_ROW(deed->why, WIFSIGNALED(status));

	/* At once, and for good: no deadline is needed. */
	while ((rc = lat_sender_flush(lat_link_out_sender(own), UINT64_MAX)) == 0)
		CHECK_EQ(send_one(BEFORE + 1, LEN), 0);
	CHECK_EQ_ROW(deed->why, rc, -EOWNERDEAD);
	while (party_ins_gone(&self) == 0) {
		rc = recv_one();
		CHECK_ROW(deed->why, rc == -ENOMSG || rc == next);
		next += rc > 0;
	}
	CHECK_ROW(deed->why, next == BEFORE + 1 || (deed->sends && next == BEFORE + 2));
	CHECK_ROW(deed->why, party_last_why(&self) == -EOWNERDEAD ||
				     (deed->deed == victim_end && party_last_why(&self) == 0));
	lat_link_out_close(own);
	lat_inbox_shutdown(self.inbox);
	if (deed->sleeper)
		pthread_join(sleeper, NULL);
	party_leave(&self);
	lat_inbox_close(self.inbox);
	CHECK_EQ_ROW(deed->why, fds_open(), before);
	return taken;
}

TEST(killed_at_any_instruction)
{
	for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
		long whole;

		deed = &deeds[i];
		whole = one_death(STEPS_MAX);
		CHECK_ROW(deed->why, whole > 0 && whole < STEPS_MAX);
		for (long point = 0; point < POINTS; point++)
			(void)one_death(whole * point / POINTS);
	}
}

TEST_MAIN

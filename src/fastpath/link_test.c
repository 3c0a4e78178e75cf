/* Channels over a link between two processes that behave. */
#include <poll.h>
#include <sched.h>
#include <signal.h>

#include "base/cpu.h"
#include "fastpath/link_harness.h"

static struct party self; /* of whichever process looks */

/* Makes the child run @run as side 1, and us side 0 with @inbox. The child's exit status must be 0 in the end. */
static pid_t part(int (*run)(void))
{
	struct lat_inbox *inbox;
	struct meeting m;
	pid_t child;

	memset(&self, 0, sizeof(self));
	meeting_open(&m);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		party_fork_close(&m, 1);
		if (lat_inbox_open(&inbox) < 0 || party_meet(&self, &m, 1, inbox) < 0)
			_exit(100);
		_exit(run());
	}
	party_fork_close(&m, 0);
	CHECK_EQ(lat_inbox_open(&inbox), 0);
	CHECK_EQ(party_meet(&self, &m, 0, inbox), 0);
	return child;
}

static void unite(pid_t child, int want)
{
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), want);
	party_leave(&self);
	lat_inbox_close(self.inbox);
}

static int send_number(struct lat_link_out *out, uint64_t n)
{
	return lat_sender_send(lat_link_out_sender(out), (int32_t)n, &n, sizeof(n), UINT64_MAX);
}

/* The next number, or a negative errno. */
static int64_t recv_number(struct lat_inbox_info *info, uint64_t deadline_ns)
{
	uint64_t n = 0;
	int rc = lat_inbox_recv(self.inbox, &n, sizeof(n), info, deadline_ns);

	return rc < 0 ? rc : (int64_t)n;
}

/* --- both directions -------------------------------------------------------------------------------- */

enum { ROUNDS = 3000 };

static int run_echo(void)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;

	if (party_open(&self, &out, 0) < 0)
		return 2;
	for (uint64_t n = 1; n <= ROUNDS; n++)
		if (recv_number(&info, UINT64_MAX) != (int64_t)n || info.seq != n ||
		    send_number(out, n + 1) < 0)
			return 3;
	party_close(&self, out, NULL);
	return 0;
}

TEST(there_and_back)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	pid_t child = part(run_echo);

	CHECK_EQ(party_open(&self, &out, 0), 0);
	for (uint64_t n = 1; n <= ROUNDS; n++) {
		CHECK_EQ(send_number(out, n), 0);
		CHECK_EQ(recv_number(&info, UINT64_MAX), n + 1);
		CHECK_EQ(info.seq, n);
		CHECK_EQ(info.len, sizeof(uint64_t));
	}
	lat_link_out_close(out);
	unite(child, 0);
}

TEST(there_and_back_by_a_descriptor)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	pid_t child = part(run_echo);
	struct pollfd p = { .fd = lat_inbox_fd(self.inbox), .events = POLLIN };

	CHECK(p.fd >= 0);
	CHECK_EQ(party_open(&self, &out, 0), 0);
	for (uint64_t n = 1; n <= ROUNDS; n++) {
		int64_t got;

		CHECK_EQ(send_number(out, n), 0);
		while ((got = recv_number(&info, 0)) == -ENOMSG)
			CHECK_EQ(poll(&p, 1, -1), 1);
		CHECK_EQ(got, n + 1);
	}
	lat_link_out_close(out);
	unite(child, 0);
}

/* Both go to sleep at once, and send after a pause of any length: sooner or later while the other is at each step of it. */
static uint64_t races(void)
{
	const char *rounds = getenv("LATTICE_WAKE_ROUNDS");

	return rounds != NULL ? strtoull(rounds, NULL, 10) : 5000;
}

static int race(struct lat_link_out *out, uint64_t n)
{
	for (uint64_t pause = n * 2654435761 % 4093; pause > 0; pause--)
		lat_cpu_relax();
	return send_number(out, n);
}

static int run_racer(void)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;

	lat_inbox_tune(self.inbox, &(struct lat_inbox_tuning){ .wait = LAT_WAIT_PARK });
	if (party_open(&self, &out, 0) < 0)
		return 2;
	for (uint64_t n = 1; n <= races(); n++)
		if (recv_number(&info, UINT64_MAX) != (int64_t)n || race(out, n) < 0)
			return 3;
	party_close(&self, out, NULL);
	return 0;
}

TEST(no_wake_is_lost_at_any_phase)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	pid_t child = part(run_racer);

	lat_inbox_tune(self.inbox, &(struct lat_inbox_tuning){ .wait = LAT_WAIT_PARK });
	CHECK_EQ(party_open(&self, &out, 0), 0);
	for (uint64_t n = 1; n <= races(); n++) {
		CHECK_EQ(race(out, n), 0);
		CHECK_EQ(recv_number(&info, UINT64_MAX), n);
	}
	lat_link_out_close(out);
	unite(child, 0);
}

/* --- a peer that is stopped is not dead ------------------------------------------------------------- */

static int run_counter(void)
{
	struct lat_inbox_info info;

	for (int64_t n = 1;; n++) {
		int64_t got = recv_number(&info, UINT64_MAX);

		if (got == 0)
			return 0;
		if (got != n)
			return 3;
	}
}

TEST(who_is_stopped_keeps_nobody_beyond_his_deadline)
{
	struct lat_inbox_info info;
	struct lat_link_out *out;
	uint64_t n = 0, soon;
	pid_t child = part(run_counter);
	int rc;

	CHECK_EQ(party_open(&self, &out, 0), 0);
	CHECK_EQ(kill(child, SIGSTOP), 0);
	do {
		n++;
		rc = lat_sender_send(lat_link_out_sender(out), 0, &n, sizeof(n), 0);
	} while (rc == 0);
	CHECK_EQ(rc, -EAGAIN);
	soon = lat_clock_deadline(lat_clock_monotonic_ns(), 5 * LAT_NS_PER_MS);
	CHECK_EQ(lat_sender_send(lat_link_out_sender(out), 0, &n, sizeof(n), soon), -ETIMEDOUT);
	CHECK_EQ(lat_sender_flush(lat_link_out_sender(out), soon), -ETIMEDOUT);
	CHECK_EQ(recv_number(&info, soon), -ETIMEDOUT);
	CHECK_EQ(kill(child, SIGCONT), 0);
	for (uint64_t end = n + 1000; n < end; n++)
		CHECK_EQ(send_number(out, n), 0);
	CHECK_EQ(lat_sender_flush(lat_link_out_sender(out), UINT64_MAX), 0);
	CHECK_EQ(send_number(out, 0), 0);
	unite(child, 0);
	lat_link_out_close(out);
}

/* --- one way, faster than it is taken ------------------------------------------------------------------ */

enum { STREAM = 100000, STREAM_LEN_MAX = 1000 };

static uint32_t len_of(uint64_t n)
{
	return (uint32_t)(n * 2654435761u >> 9) % (STREAM_LEN_MAX + 1);
}

static void fill(unsigned char *buf, size_t len, uint64_t n)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)(n * 17 + i * 3);
}

static int run_stream(void)
{
	unsigned char buf[STREAM_LEN_MAX];
	struct lat_link_out *out;
	uint64_t received = 0;

	if (party_open(&self, &out, STREAM_LEN_MAX) < 0)
		return 2;
	for (uint64_t n = 1; n <= STREAM; n++) {
		fill(buf, len_of(n), n);
		if (lat_sender_send(lat_link_out_sender(out), (int32_t)n, buf, len_of(n), UINT64_MAX) < 0)
			return 3;
	}
	if (lat_sender_flush(lat_link_out_sender(out), UINT64_MAX) < 0)
		return 4;
	party_close(&self, out, &received);
	return received == STREAM ? 0 : 5;
}

TEST(every_message_once_and_whole)
{
	unsigned char got[STREAM_LEN_MAX], want[STREAM_LEN_MAX];
	pid_t child = part(run_stream);

	for (uint64_t n = 1; n <= STREAM; n++) {
		struct lat_inbox_info info;

		CHECK_EQ(lat_inbox_recv(self.inbox, got, sizeof(got), &info, UINT64_MAX), 0);
		CHECK_EQ(info.seq, n);
		CHECK_EQ(info.type, (int32_t)n);
		CHECK_EQ(info.len, len_of(n));
		fill(want, info.len, n);
		CHECK_MEM(got, want, info.len);
	}
	party_wait_gone(&self, 1);
	CHECK_EQ(party_last_why(&self), 0);
	unite(child, 0);
}

/* --- messages that need more memory, and memory that is given back ---------------------------------------- */

enum { LONG = 2000, LONG_LEN_MAX = 400000 };

/* Short ones, middling ones, long ones. */
static uint32_t long_len_of(uint64_t n)
{
	static const uint32_t most[] = { 48, 300, 3000, 30000, LONG_LEN_MAX };

	return (uint32_t)(n * 2654435761u >> 5) % (most[n % ARRAY_LEN(most)] + 1);
}

static int run_long(void)
{
	unsigned char *buf = malloc(LONG_LEN_MAX);
	struct lat_inbox_info info;
	struct lat_link_out *out;

	if (buf == NULL || party_open(&self, &out, LONG_LEN_MAX) < 0)
		return 2;
	for (uint64_t n = 1; n <= LONG; n++) {
		fill(buf, long_len_of(n), n);
		if (lat_sender_send(lat_link_out_sender(out), (int32_t)n, buf, long_len_of(n), UINT64_MAX) <
		    0)
			return 3;
	}
	free(buf);
	/* Asleep, so that it hears that the other side has taken everything. */
	return recv_number(&info, UINT64_MAX) == 1 ? 0 : 5;
}

TEST(long_messages_among_short_ones)
{
	unsigned char *got = malloc(LONG_LEN_MAX), *want = malloc(LONG_LEN_MAX);
	struct lat_inbox_info info;
	struct lat_link_out *out;
	pid_t child = part(run_long);

	CHECK(got != NULL && want != NULL);
	CHECK_EQ(party_open(&self, &out, 0), 0);
	for (uint64_t n = 1; n <= LONG; n++) {
		CHECK_EQ(lat_inbox_recv(self.inbox, got, LONG_LEN_MAX, &info, UINT64_MAX), 0);
		CHECK_EQ(info.seq, n);
		CHECK_EQ(info.len, long_len_of(n));
		fill(want, info.len, n);
		CHECK_MEM(got, want, info.len);
	}
	CHECK_EQ(send_number(out, 1), 0);
	lat_link_out_close(out);
	unite(child, 0);
	free(got);
	free(want);
}

/* --- many channels ------------------------------------------------------------------------------------- */

enum { MANY = 10000, EACH = 5 };

static struct lat_link_out *many[MANY];

static int open_many(void)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < MANY; i++)
		rc = party_ask(&self, &many[i], 0);
	for (size_t i = 0; rc == 0 && i < MANY; i++)
		rc = party_accepted(&self, many[i]);
	return rc;
}

static int run_many(void)
{
	if (open_many() < 0)
		return 2;
	for (uint64_t n = 1; n <= EACH; n++)
		for (uint64_t i = 0; i < MANY; i++)
			if (send_number(many[i], i << 8 | n) < 0)
				return 3;
	for (size_t i = 0; i < MANY; i++)
		party_end_out(&self, many[i]);
	for (size_t i = 0; i < MANY; i++)
		party_gone_out(&self, many[i], NULL);
	return 0;
}

TEST(ten_thousand_channels)
{
	static uint64_t last[MANY];
	struct lat_link_stats stats;
	pid_t child = part(run_many);

	memset(last, 0, sizeof(last));
	for (size_t k = 0; k < (size_t)MANY * EACH; k++) {
		struct lat_inbox_info info;
		int64_t got = recv_number(&info, UINT64_MAX);

		CHECK(got > 0 && got >> 8 < MANY);
		CHECK_EQ(got & 0xff, last[got >> 8] + 1);
		CHECK_EQ(info.seq, got & 0xff);
		last[got >> 8]++;
	}
	party_wait_gone(&self, MANY);
	do { /* it is told that they are gone, and then they go */
		sched_yield();
		lat_link_stats(self.link, &stats);
	} while (stats.ins > 0);
	unite(child, 0);
}

/* --- a receiver that lags -------------------------------------------------------------------------------- */

static int run_burst(void)
{
	struct lat_inbox_info info;

	if (open_many() < 0)
		return 2;
	for (uint64_t i = 0; i < MANY; i++)
		if (send_number(many[i], i + 1) < 0)
			return 3;
	/* All said: the other side begins to look only now. */
	if (send_number(many[0], MANY + 1) < 0 || recv_number(&info, UINT64_MAX) != 1)
		return 4;
	return 0;
}

TEST(a_log_that_came_round_loses_nothing)
{
	static bool seen[MANY + 2];
	struct lat_link_stats stats;
	struct lat_inbox_info info;
	struct lat_link_out *out;
	pid_t child = part(run_burst);

	memset(seen, 0, sizeof(seen));
	CHECK_EQ(party_open(&self, &out, 0), 0);
	do {
		sched_yield();
		lat_link_stats(self.link, &stats);
	} while (stats.ins < MANY);
	for (size_t i = 0; i < MANY + 1; i++) {
		int64_t got = recv_number(&info, UINT64_MAX);

		CHECK(got > 0 && got <= MANY + 1 && !seen[got]);
		seen[got] = true;
	}
	CHECK_EQ(send_number(out, 1), 0);
	lat_link_out_close(out);
	unite(child, 0);
}

TEST_MAIN

/*
 * A member whose library does not refuse what its right does not allow, and that writes into its ring what it likes: the receiving end refuses
 * it, cuts the channel, and has a record of who it was.
 */
#include <errno.h>
#include <stdio.h>

#include <lattice/cap.h>

#include "fastpath/link_impl.h"
#include "fastpath/sender.h"
#include "node/hostile_member_harness.h"

enum { LIMIT = 100, OVER = 200 };

struct play {
	struct scene s;
	struct channel c;
};

/* By a capability for messages of @rights, of at most LIMIT bytes. */
static void open_play(struct play *p, uint32_t rights)
{
	const struct lattice_cap_terms terms = {
		.dst = PID, .rights = rights, .max_msg_bytes = LIMIT, .bearer = true
	};
	struct lat_note n = { .kind = LAT_NOTE_OPEN, .src = 1, .dst = PID };
	int fds[LAT_NOTE_FDS];
	struct lattice_cap *cap;
	size_t count;

	open_scene(&p->s);
	CHECK_EQ(lattice_cap_grant(&cap, p->s.node, &terms), 0);
	CHECK_EQ(lat_capability_take(cap, &n.right), 0);
	lattice_cap_free(cap);
	n = ask(&p->s, n, LAT_NOTE_OPENED, fds, &count);
	CHECK_EQ(n.rc, 0);
	p->c = open_channel_by(&p->s, n.grant);
}

static void close_play(struct play *p)
{
	lat_link_dead(p->s.link, -ESHUTDOWN);
	lat_link_out_close(p->c.out);
	close_scene(&p->s);
}

static void send_bytes(struct play *p, size_t bytes)
{
	static const uint8_t data[OVER];

	CHECK_EQ(lat_sender_send(lat_link_out_sender(p->c.out), 3, data, bytes,
				 lat_clock_until(LATTICE_FOREVER)),
		 0);
}

static void too_long(struct play *p)
{
	send_bytes(p, OVER);
}

static void not_a_call(struct play *p)
{
	send_bytes(p, 4);
}

/* The second slot, before the first is announced: a number that is not the next. */
static void another_number(struct play *p)
{
	struct lat_ring_slot *slot = &p->s.link->own->l1[p->c.chan][1];

	slot->first.len = 4;
	slot->first.msg_seq = 9;
	atomic_store_explicit(&slot->seq, 2, memory_order_release);
	send_bytes(p, 4);
}

static int received(struct play *p)
{
	struct lattice_msg msg;
	uint8_t buf[OVER];

	return lattice_endpoint_recv(p->s.ep, &msg, buf, sizeof(buf), 0);
}

static int received_short(struct play *p)
{
	struct lattice_msg msg;
	uint8_t buf[4];

	return lattice_endpoint_recv(p->s.ep, &msg, buf, sizeof(buf), 0);
}

static int taken(struct play *p)
{
	struct lattice_hold hold;
	struct lattice_msg msg;
	int rc = lattice_endpoint_take(p->s.ep, &msg, &hold, 0, 0);

	if (rc == 0)
		lattice_endpoint_release(p->s.ep, &hold);
	return rc;
}

static int received_with_capability(struct play *p)
{
	struct lattice_cap *cap;
	struct lattice_msg msg;
	uint8_t buf[OVER];
	int rc = lattice_endpoint_recv_cap(p->s.ep, &msg, buf, sizeof(buf), &cap, 0);

	if (rc == 0)
		lattice_cap_free(cap);
	return rc;
}

static int (*const ways[])(struct play *p) = { received, received_short, taken, received_with_capability };

/* The record of it, at who received. */
static void expect_record(struct scene *s, const char *why, const char *act, const char *says)
{
	uint64_t deadline = lat_clock_monotonic_ns() + wait_ns, after = 0;
	char line[LATTICE_AUDIT_LINE_MAX], who[64];
	int rc;

	(void)snprintf(who, sizeof(who), " refused %s: uid %u gid %u process %d", act, (unsigned)getuid(),
		       (unsigned)getgid(), (int)getpid());
	while ((rc = lattice_node_audit(s->node, &after, false, line, sizeof(line))) == -ENOENT) {
		CHECK_ROW(why, lat_clock_monotonic_ns() < deadline);
		(void)poll(NULL, 0, 1);
	}
	CHECK_ROW(why, rc > 0);
	if (strstr(line, who) == NULL || strstr(line, says) == NULL)
		print_error("%s: '%s' or '%s' is not in: %s", why, who, says, line);
	CHECK(strstr(line, who) != NULL && strstr(line, says) != NULL);
	CHECK_EQ_ROW(why, lattice_node_audit(s->node, &after, false, line, sizeof(line)), -ENOENT);
}

enum {
	MAY_SEND = LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND,
	MAY_CALL = LATTICE_RIGHT_OPEN | LATTICE_RIGHT_CALL
};

static const struct {
	const char *why;
	void (*send)(struct play *p);
	uint32_t rights;
	int before; /* messages that are received */
	int rc;
	const char *says;
} rows[] = {
	{ "longer than its right allows", too_long, MAY_SEND, 0, -EMSGSIZE,
	  ", from pid 1 to pid 7: EMSGSIZE: a message was longer than it may send; the channel was cut" },
	{ "a message where it may call only", not_a_call, MAY_CALL, 0, -EACCES,
	  ", from pid 1 to pid 7: EACCES: a message was of a kind that it has no right to" },
	{ "a number that is not the next", another_number, MAY_SEND, 1, -EPROTO,
	  ", from pid 1 to pid 7: EPROTO: what it wrote broke a rule; the channel was cut" },
};

TEST(what_its_own_library_would_have_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(ways); i++) {
		const size_t row = i / ARRAY_LEN(ways), way = i % ARRAY_LEN(ways);
		uint64_t deadline = lat_clock_monotonic_ns() + wait_ns;
		struct lat_note n;
		struct play p;
		int rc, got = 0;

		open_play(&p, rows[row].rights);
		rows[row].send(&p);
		do {
			rc = ways[way](&p);
			got += rc == 0;
			CHECK_ROW(rows[row].why, rc == 0 || rc == -ENOMSG);
			CHECK_ROW(rows[row].why, lat_clock_monotonic_ns() < deadline);
		} while (stat_of(p.s.node, "audit.records") == 0);
		CHECK_EQ_ROW(rows[row].why, got, rows[row].before);
		n = next_note(&p.s, LAT_NOTE_CHAN_GONE);
		CHECK_EQ_ROW(rows[row].why, n.rc, rows[row].rc);
		CHECK_EQ_ROW(rows[row].why, n.number, rows[row].before);
		expect_record(&p.s, rows[row].why, "send", rows[row].says);
		check_honest(&p.s, rows[row].why);
		close_play(&p);
	}
}

TEST(a_rule_of_the_link_that_is_broken)
{
	struct scene s;

	open_scene(&s);
	CHECK_EQ(say(s.pair, (struct lat_note){ .kind = LAT_NOTE_CHAN_ACCEPT, .chan = 1 }, NULL, 0), 0);
	wait_stat(&s, "an acceptance of nothing", "links.broke", 1);
	expect_record(&s, "an acceptance of nothing", "stay", ": EPROTO: it broke a rule, and was dropped");
	check_honest(&s, "after that");
	close_scene(&s);
}

TEST_MAIN

/* What an attached node may do on another machine by a capability of that, and how it hears that it may no more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lattice/cap.h>

#include "node/node.h"
#include "node/town_harness.h"
#include "os/clock.h"

enum { SRC = 5, DST = 7, BADGE = 42 };

static const struct {
	const char *why;
	enum lattice_proto proto;
	bool to_member; /* the receiver is attached, too */
} ways[] = {
	{ "UDP, to a member", LATTICE_UDP, true },
	{ "UDP, to the host", LATTICE_UDP, false },
	{ "TCP, to a member", LATTICE_TCP, true },
	{ "TCP, to the host", LATTICE_TCP, false },
};

static struct lattice_cap_terms plain(void)
{
	return (struct lattice_cap_terms){
		.dst = DST, .rights = LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND, .badge = BADGE, .bearer = true
	};
}

static struct lattice_cap *grant(struct lattice_node *node, const struct lattice_cap_terms *terms)
{
	struct lattice_cap *cap;

	CHECK_EQ(lattice_cap_grant(&cap, node, terms), 0);
	return cap;
}

static void take_back(struct lattice_node *node, const struct lattice_cap *cap, struct lattice_cap_told *told)
{
	struct lattice_cap_info info;

	CHECK_EQ(lattice_cap_info(cap, &info), 0);
	CHECK_EQ(lattice_cap_revoke(node, info.slot, info.gen, told, SECONDS(60)), 0);
}

static int recv_hello(struct lattice_endpoint *ep, struct lattice_msg *msg, int64_t timeout_ns)
{
	char buf[16];

	return lattice_endpoint_recv(ep, msg, buf, sizeof(buf), timeout_ns);
}

/* Of three accepted, the receiver reads two; then it is revoked. */
TEST(a_capability_opens_and_ends)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct lattice_cap_terms terms = plain();
		struct lattice_channel *ch, *other;
		struct lattice_cap_told told;
		struct lattice_endpoint *ep;
		struct lattice_cap *cap;
		struct lattice_msg msg;
		uint64_t received = 9;
		struct town t;
		int rc;

		open_town(&t, ways[w].proto);
		CHECK_EQ(lattice_endpoint_open(&ep, ways[w].to_member ? t.b : t.hosts.b.node, DST), 0);
		terms.bearer = false;
		memcpy(terms.holder, t.hosts.a.id.fingerprint, sizeof(terms.holder));
		cap = grant(t.b, &terms);
		CHECK_EQ_ROW(ways[w].why, lattice_channel_open_cap(&ch, t.a, SRC, DST, 2, 0, cap), 0);
		CHECK_EQ(lattice_channel_open(&other, t.a, SRC + 1, DST, 2, 0), 0);
		for (int i = 0; i < 3; i++)
			CHECK_EQ_ROW(ways[w].why, lattice_channel_send(ch, &hello, SECONDS(60)), 0);
		CHECK_EQ(lattice_channel_flush(ch, SECONDS(60)), 0);
		for (int i = 0; i < 2; i++) {
			CHECK_EQ(recv_hello(ep, &msg, SECONDS(60)), 0);
			CHECK_EQ_ROW(ways[w].why, msg.badge, BADGE);
			CHECK_EQ(msg.source, SRC);
			CHECK_EQ(msg.node, 1);
		}
		take_back(t.b, cap, &told);
		CHECK_EQ_ROW(ways[w].why, told.channels, 1);
		CHECK_EQ_ROW(ways[w].why, told.told, 1);
		CHECK_EQ_ROW(ways[w].why, recv_hello(ep, &msg, 0), -ENOMSG);
		do
			rc = lattice_channel_send(ch, &hello, SECONDS(60));
		while (rc == 0);
		CHECK_EQ_ROW(ways[w].why, rc, -EKEYREVOKED);
		CHECK_EQ_ROW(ways[w].why, lattice_channel_flush(ch, SECONDS(60)), -EKEYREVOKED);
		(void)lattice_channel_sent(ch, &received);
		CHECK_EQ_ROW(ways[w].why, received, 2);
		rc = lattice_channel_send(ch, &hello, SECONDS(60));
		CHECK_EQ(rc, -EKEYREVOKED);
		expect_why(ch, rc, "was revoked");
		expect_why(ch, rc, "2 were received");
		/* What another channel of the same two goes by is its own. */
		CHECK_EQ(lattice_channel_send(other, &hello, SECONDS(60)), 0);
		CHECK_EQ(recv_hello(ep, &msg, SECONDS(60)), 0);
		CHECK_EQ(msg.badge, 0);
		CHECK_EQ(msg.source, SRC + 1);
		lattice_channel_close(other);
		lattice_channel_close(ch);
		lattice_cap_free(cap);
		lattice_endpoint_close(ep);
		close_town(&t);
	}
}

static void narrowed(struct lattice_cap **cap, const struct lattice_cap_terms *terms)
{
	struct lattice_cap *less;

	CHECK_EQ(lattice_cap_attenuate(&less, *cap, terms), 0);
	lattice_cap_free(*cap);
	*cap = less;
}

TEST(what_the_other_node_says_of_one)
{
	const struct {
		const char *why;
		struct lattice_cap_terms narrow; /* all zero: not */
		int32_t src, dst;
		bool revoked;
		int want;
		const char *words;
	} rows[] = {
		{ "good", { 0 }, SRC, DST, false, 0, NULL },
		{ "for another pid", { 0 }, SRC, DST + 1, false, -EACCES, "does not allow it" },
		{ "as another sender", { .src = SRC }, SRC + 1, DST, false, -EACCES, "does not allow it" },
		{ "another holder", { .holder = { 1 } }, SRC, DST, false, -EACCES, "does not allow it" },
		{ "expired", { .expires = 1000 }, SRC, DST, false, -EKEYEXPIRED, "has expired" },
		{ "revoked", { 0 }, SRC, DST, true, -EKEYREVOKED, "was revoked" },
		{ "not to open",
		  { .rights = LATTICE_RIGHT_SEND },
		  SRC,
		  DST,
		  false,
		  -EACCES,
		  "does not allow it" },
	};
	struct lattice_endpoint *ep, *next;
	struct town t;

	open_town(&t, LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&ep, t.b, DST), 0);
	CHECK_EQ(lattice_endpoint_open(&next, t.b, DST + 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const struct lattice_cap_terms nothing;
		struct lattice_cap_terms terms = plain();
		struct lattice_cap *cap = grant(t.b, &terms);
		struct lattice_channel *ch;
		int rc;

		if (memcmp(&rows[i].narrow, &nothing, sizeof(nothing)) != 0)
			narrowed(&cap, &rows[i].narrow);
		if (rows[i].revoked)
			take_back(t.b, cap, NULL);
		CHECK_EQ_ROW(rows[i].why,
			     lattice_channel_open_cap(&ch, t.a, rows[i].src, rows[i].dst, 2, 0, cap), 0);
		rc = lattice_channel_send(ch, &hello, SECONDS(60));
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		if (rc < 0)
			expect_why(ch, rc, rows[i].words);
		lattice_channel_close(ch);
		lattice_cap_free(cap);
	}
	lattice_endpoint_close(ep);
	lattice_endpoint_close(next);
	close_town(&t);
}

/* Its longest message is known here: the channel goes on. */
TEST(a_message_over_its_limit)
{
	struct lattice_cap_terms terms = plain();
	struct lattice_channel *ch;
	struct lattice_endpoint *ep;
	struct lattice_cap *cap;
	struct lattice_msg msg;
	struct town t;

	open_town(&t, LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&ep, t.b, DST), 0);
	terms.max_msg_bytes = 17; /* 12 and hello */
	cap = grant(t.b, &terms);
	CHECK_EQ(lattice_channel_open_cap(&ch, t.a, SRC, DST, 2, 0, cap), 0);
	CHECK_EQ(lattice_channel_send(ch, &(struct lattice_msg){ .data = "hello!", .len = 6 }, SECONDS(60)),
		 -EMSGSIZE);
	CHECK_EQ(lattice_channel_send(ch, &hello, SECONDS(60)), 0);
	CHECK_EQ(recv_hello(ep, &msg, SECONDS(60)), 0);
	lattice_channel_close(ch);
	lattice_cap_free(cap);
	lattice_endpoint_close(ep);
	close_town(&t);
}

TEST_MAIN

/* Capabilities that go with messages: within a process, between processes, between machines. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <lattice/cap.h>

#include "base/bytes.h"
#include "node/node.h"
#include "node/town_harness.h"
#include "os/clock.h"

enum { SRC = 5, DST = 7, STORE = 9, BADGE = 42, MANY = 40 };

enum where { HOST_A, MEMBER_A, OTHER_A, HOST_B, MEMBER_B };

static const struct {
	const char *why;
	enum lattice_proto proto;
	enum where from, to;
} ways[] = {
	{ "within a process", LATTICE_UDP, HOST_A, HOST_A },
	{ "between two that are attached", LATTICE_UDP, MEMBER_A, OTHER_A },
	{ "to who hosts", LATTICE_UDP, MEMBER_A, HOST_A },
	{ "from who hosts", LATTICE_UDP, HOST_A, MEMBER_A },
	{ "host to host, UDP", LATTICE_UDP, HOST_A, HOST_B },
	{ "host to host, TCP", LATTICE_TCP, HOST_A, HOST_B },
	{ "host to member", LATTICE_UDP, HOST_A, MEMBER_B },
	{ "member to host", LATTICE_UDP, MEMBER_A, HOST_B },
	{ "member to member, UDP", LATTICE_UDP, MEMBER_A, MEMBER_B },
	{ "member to member, TCP", LATTICE_TCP, MEMBER_A, MEMBER_B },
};

struct scene {
	struct town t;
	struct lattice_node *other, *from, *to;
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	struct lattice_cap *cap; /* of node 1, for anybody, with the right 'grant' */
	const char *why;
};

static struct lattice_node *node_at(const struct scene *s, enum where at)
{
	switch (at) {
	case HOST_A:
		return s->t.hosts.a.node;
	case MEMBER_A:
		return s->t.a;
	case OTHER_A:
		return s->other;
	case HOST_B:
		return s->t.hosts.b.node;
	default:
		return s->t.b;
	}
}

static struct lattice_cap *grant(struct lattice_node *node, uint32_t rights, bool bearer)
{
	const struct lattice_cap_terms terms = {
		.dst = STORE, .rights = rights, .badge = BADGE, .bearer = bearer, .holder = { !bearer }
	};
	struct lattice_cap *cap;

	CHECK_EQ(lattice_cap_grant(&cap, node, &terms), 0);
	return cap;
}

static void open_scene(struct scene *s, size_t way, uint32_t flags)
{
	bool away = ways[way].to >= HOST_B;

	s->why = ways[way].why;
	open_town(&s->t, ways[way].proto);
	s->other = attach_to(&s->t.hosts.a);
	s->from = node_at(s, ways[way].from);
	s->to = node_at(s, ways[way].to);
	CHECK_EQ_ROW(s->why, lattice_endpoint_open(&s->ep, s->to, DST), 0);
	CHECK_EQ_ROW(s->why, lattice_channel_open(&s->ch, s->from, SRC, DST, away ? 2 : 0, away ? flags : 0),
		     0);
	s->cap = grant(s->t.hosts.a.node, LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND | LATTICE_RIGHT_GRANT,
		       true);
}

static void close_scene(struct scene *s)
{
	lattice_cap_free(s->cap);
	lattice_channel_close(s->ch);
	lattice_endpoint_close(s->ep);
	lattice_node_close(s->other);
	close_town(&s->t);
}

static void expect_text(const struct lattice_cap *a, const struct lattice_cap *b, const char *why)
{
	char one[LATTICE_CAP_TEXT_MAX], two[LATTICE_CAP_TEXT_MAX];

	CHECK_ROW(why, lattice_cap_text(a, one, sizeof(one)) > 0);
	CHECK_ROW(why, lattice_cap_text(b, two, sizeof(two)) > 0);
	CHECK_ROW(why, strcmp(one, two) == 0);
}

/* The next message is number @i; with a capability like @want, or (NULL) none. */
static void expect_one(struct scene *s, uint32_t i, const struct lattice_cap *want)
{
	struct lattice_cap *got;
	struct lattice_msg msg;
	uint32_t number = 0;

	CHECK_EQ_ROW(s->why,
		     lattice_endpoint_recv_cap(s->ep, &msg, &number, sizeof(number), &got, SECONDS(60)), 0);
	CHECK_EQ_ROW(s->why, number, i);
	CHECK_EQ_ROW(s->why, msg.type, 3);
	CHECK_EQ_ROW(s->why, msg.source, SRC);
	CHECK_EQ_ROW(s->why, got != NULL, want != NULL);
	if (got != NULL)
		expect_text(got, want, s->why);
	lattice_cap_free(got);
}

static int send_one(struct scene *s, uint32_t i, const struct lattice_cap *cap, int64_t timeout_ns)
{
	const struct lattice_msg msg = { .type = 3, .data = &i, .len = sizeof(i) };

	return cap != NULL ? lattice_channel_send_cap(s->ch, &msg, cap, timeout_ns)
			   : lattice_channel_send(s->ch, &msg, timeout_ns);
}

TEST(goes_with_its_message)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct lattice_cap *less;
		struct scene s = { 0 };

		open_scene(&s, w, LATTICE_CHANNEL_TOKEN_FULL);
		CHECK_EQ(lattice_cap_attenuate(&less, s.cap,
					       &(struct lattice_cap_terms){ .src = 1,
									    .expires = 4000000000,
									    .max_msg_bytes = 99 }),
			 0);
		CHECK_EQ_ROW(s.why, send_one(&s, 1, NULL, SECONDS(60)), 0);
		CHECK_EQ_ROW(s.why, send_one(&s, 2, s.cap, SECONDS(60)), 0);
		CHECK_EQ_ROW(s.why, send_one(&s, 3, NULL, SECONDS(60)), 0);
		expect_one(&s, 1, NULL);
		expect_one(&s, 2, s.cap);
		CHECK_EQ_ROW(s.why, send_one(&s, 4, less, SECONDS(60)), 0);
		expect_one(&s, 3, NULL);
		expect_one(&s, 4, less);
		lattice_cap_free(less);
		close_scene(&s);
	}
}

static void *send_many(void *arg)
{
	struct scene *s = arg;

	for (uint32_t i = 0; i < MANY; i++)
		CHECK_EQ_ROW(s->why, send_one(s, i, i % 3 == 0 ? NULL : s->cap, SECONDS(60)), 0);
	return NULL;
}

/* Some are received without what goes with them, which is dropped, and only that. */
TEST(many_in_a_row_and_some_not_taken)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct scene s = { 0 };
		pthread_t thread;

		open_scene(&s, w, LATTICE_CHANNEL_TOKEN_FULL);
		CHECK_EQ(pthread_create(&thread, NULL, send_many, &s), 0);
		for (uint32_t i = 0; i < MANY; i++) {
			struct lattice_msg msg;
			uint32_t number = 0;

			if (i % 5 != 4) {
				expect_one(&s, i, i % 3 == 0 ? NULL : s.cap);
				continue;
			}
			CHECK_EQ_ROW(s.why,
				     lattice_endpoint_recv(s.ep, &msg, &number, sizeof(number), SECONDS(60)),
				     0);
			CHECK_EQ_ROW(s.why, number, i);
		}
		pthread_join(thread, NULL);
		CHECK_EQ_ROW(s.why, send_one(&s, MANY, s.cap, SECONDS(60)), 0); /* nobody takes it */
		close_scene(&s);
	}
}

TEST(what_is_not_handed_on)
{
	struct scene s = { 0 };
	struct lattice_cap *bearers, *named, *got;
	struct lattice_msg msg;
	int rc;

	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		open_scene(&s, w, LATTICE_CHANNEL_TOKEN_FULL);
		bearers = grant(s.t.hosts.a.node, LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND, true);
		named = grant(s.t.hosts.a.node, LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND, false);
		rc = send_one(&s, 1, bearers, SECONDS(60));
		CHECK_EQ_ROW(s.why, rc, -EACCES);
		expect_why(s.ch, rc, "'grant'");
		CHECK_EQ_ROW(s.why, send_one(&s, 1, named, SECONDS(60)),
			     0); /* no use to who is not its holder */
		expect_one(&s, 1, named);
		CHECK_EQ(lattice_channel_send_cap(s.ch, &hello, NULL, 0), -EINVAL);
		CHECK_EQ(lattice_channel_send_cap(NULL, &hello, named, 0), -EINVAL);
		CHECK_EQ(lattice_endpoint_recv_cap(s.ep, &msg, NULL, 0, NULL, 0), -EINVAL);
		CHECK_EQ(lattice_endpoint_recv_cap(s.ep, &msg, NULL, 0, &got, 0), -ENOMSG);
		lattice_cap_free(bearers);
		lattice_cap_free(named);
		close_scene(&s);
		if (ways[w].to < HOST_B)
			continue;
		open_scene(&s, w, 0);
		rc = send_one(&s, 1, s.cap, SECONDS(60));
		CHECK_EQ_ROW(s.why, rc, -EINVAL);
		expect_why(s.ch, rc, "LATTICE_CHANNEL_TOKEN_FULL");
		CHECK_EQ_ROW(s.why, send_one(&s, 1, NULL, SECONDS(60)), 0);
		expect_one(&s, 1, NULL);
		close_scene(&s);
	}
}

/* A buffer that is too short leaves it, and a longest message has room for it. */
TEST(short_buffers_and_long_messages)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		enum { LONG = 200000 };
		struct scene s = { 0 };
		struct lattice_cap *got;
		struct lattice_msg msg;
		uint8_t *data = calloc(1, LONG);
		char brief[2];

		open_scene(&s, w, LATTICE_CHANNEL_TOKEN_FULL);
		CHECK_EQ_ROW(s.why,
			     lattice_channel_send_cap(s.ch,
						      &(struct lattice_msg){ .data = data, .len = LONG },
						      s.cap, SECONDS(60)),
			     0);
		CHECK_EQ_ROW(s.why,
			     lattice_endpoint_recv_cap(s.ep, &msg, brief, sizeof(brief), &got, SECONDS(60)),
			     -EMSGSIZE);
		CHECK_ROW(s.why, got == NULL);
		CHECK_EQ(msg.len, LONG);
		CHECK_EQ_ROW(s.why, lattice_endpoint_recv_cap(s.ep, &msg, data, LONG, &got, SECONDS(60)), 0);
		CHECK_ROW(s.why, got != NULL);
		expect_text(got, s.cap, s.why);
		lattice_cap_free(got);
		free(data);
		close_scene(&s);
	}
}

/* Who gets it uses it, and cannot once it is revoked; nor can others by what names somebody else. */
TEST(what_was_got_opens_a_channel)
{
	struct lattice_endpoint *store;
	struct lattice_channel *ch;
	struct lattice_cap *got, *narrow;
	struct lattice_cap_info info;
	struct lattice_msg msg;
	struct scene s = { 0 };
	char buf[16];
	int rc;

	open_scene(&s, 9, LATTICE_CHANNEL_TOKEN_FULL);
	CHECK_EQ(lattice_endpoint_open(&store, s.t.a, STORE), 0);
	CHECK_EQ(lattice_node_connect(s.t.hosts.a.node, 2, SECONDS(60)), 0);
	CHECK_EQ(send_one(&s, 1, s.cap, SECONDS(60)), 0);
	CHECK_EQ(lattice_endpoint_recv_cap(s.ep, &msg, buf, sizeof(buf), &got, SECONDS(60)), 0);
	CHECK_EQ(lattice_cap_attenuate(&narrow, got, &(struct lattice_cap_terms){ .holder = { 1 } }), 0);
	CHECK_EQ(lattice_channel_open_cap(&ch, s.t.b, 3, STORE, 1, 0, narrow), 0);
	CHECK_EQ(lattice_channel_send(ch, &hello, SECONDS(60)), -EACCES);
	lattice_channel_close(ch);
	lattice_cap_free(narrow);
	CHECK_EQ(lattice_channel_open_cap(&ch, s.t.b, 3, STORE, 1, 0, got), 0);
	CHECK_EQ(lattice_channel_send(ch, &hello, SECONDS(60)), 0);
	CHECK_EQ(lattice_endpoint_recv(store, &msg, buf, sizeof(buf), SECONDS(60)), 0);
	CHECK_EQ(msg.badge, BADGE);
	CHECK_EQ(lattice_cap_info(got, &info), 0);
	CHECK_EQ(lattice_cap_revoke(s.t.hosts.a.node, info.slot, info.gen, NULL, SECONDS(60)), 0);
	do
		rc = lattice_channel_send(ch, &hello, SECONDS(60));
	while (rc == 0);
	CHECK_EQ(rc, -EKEYREVOKED);
	lattice_channel_close(ch);
	lattice_cap_free(got);
	lattice_endpoint_close(store);
	close_scene(&s);
}

TEST_MAIN

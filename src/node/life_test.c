/*
 * Channels by capabilities on one machine: within one node, between two that this process has on one socket, through another host. What the
 * right says is held; when it is revoked nothing is received any more, and who sends is told, with the last number.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "node/capability.h"
#include "node/grants.h"
#include "node/issuer.h"
#include "node/node.h"
#include "os/clock.h"

enum { PID = 7, BADGE = 99, MAX_MSG = 100 };
static const int64_t wait_ns = 60 * LAT_NS_PER_S; /* reached only when something is broken */

/* Where sender and receiver are. */
enum where { PRIVATE, HOSTED, ATTACHED, BETWEEN };

struct scene {
	struct lattice_node *host, *sender, *receiver;
	struct lattice_endpoint *ep;
	struct lattice_cap *cap;
	struct lat_cap_ref life;
};

static struct lattice_node *node_opened(enum lattice_host how)
{
	struct lattice_node *node;

	CHECK_EQ(lattice_node_open(&node, &(struct lattice_node_config){ .host = how }), 0);
	return node;
}

static struct lat_cap_desc wanted(void)
{
	struct lat_cap_desc want = { .rights = LAT_RIGHT_SEND | LAT_RIGHT_CALL | LAT_RIGHT_OPEN,
				     .src_pid = LAT_CAP_ANY_PID,
				     .dst_pid = PID,
				     .max_msg = MAX_MSG };

	lat_cap_holder_uid(want.holder, geteuid());
	return want;
}

static struct lattice_cap *minted(struct lattice_node *node, const struct lat_cap_desc *want,
				  struct lat_cap_ref *life)
{
	struct lattice_cap_info info;
	struct lat_cap_right right;
	struct lattice_cap *cap;

	CHECK_EQ(lat_grants_make(node->grants, NULL, NULL, NULL), 0);
	CHECK_EQ(lat_issuer_mint(lat_grants_issuer(node->grants), want, BADGE, LAT_CAP_UNLIMITED, &right), 0);
	CHECK_EQ(lat_capability_make(&cap, &right), 0);
	CHECK_EQ(lattice_cap_info(cap, &info), 0);
	*life = (struct lat_cap_ref){ info.slot, info.gen };
	lat_wipe(&right, sizeof(right));
	return cap;
}

static void open_scene(struct scene *s, enum where where)
{
	const struct lat_cap_desc want = wanted();

	*s = (struct scene){ 0 };
	s->host = node_opened(where == PRIVATE ? LATTICE_HOST_PRIVATE : LATTICE_HOST_AUTO);
	s->sender = where == PRIVATE || where == HOSTED ? s->host : node_opened(LATTICE_HOST_ATTACH);
	s->receiver = where == BETWEEN ? node_opened(LATTICE_HOST_ATTACH) : s->sender;
	CHECK_EQ(lattice_endpoint_open(&s->ep, s->receiver, PID), 0);
	s->cap = minted(s->host, &want, &s->life);
}

static void close_scene(struct scene *s)
{
	lattice_cap_free(s->cap);
	lattice_endpoint_close(s->ep);
	if (s->receiver != s->sender)
		lattice_node_close(s->receiver);
	if (s->sender != s->host)
		lattice_node_close(s->sender);
	lattice_node_close(s->host);
}

static int send_some(struct lattice_channel *ch, size_t len, int64_t timeout_ns)
{
	static const char data[MAX_MSG];
	const struct lattice_msg msg = { .type = 1, .data = data, .len = len };

	return lattice_channel_send(ch, &msg, timeout_ns);
}

static int recv_some(struct lattice_endpoint *ep, struct lattice_msg *msg, int64_t timeout_ns)
{
	static char buf[MAX_MSG];

	return lattice_endpoint_recv(ep, msg, buf, sizeof(buf), timeout_ns);
}

static const struct {
	const char *why;
	enum where where;
} places[] = {
	{ "within a node by itself", PRIVATE },
	{ "within the node that hosts", HOSTED },
	{ "within a node that is attached", ATTACHED },
	{ "between two", BETWEEN },
};

TEST(a_revocation_ends_a_channel)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		const char *why = places[i].why;
		struct lattice_channel *ch, *other;
		struct lattice_msg msg;
		struct scene s;
		uint64_t received;
		char text[512];
		int rc;

		open_scene(&s, places[i].where);
		CHECK_EQ_ROW(why, lattice_channel_open_cap(&ch, s.sender, 3, PID, 0, 0, s.cap), 0);
		for (int n = 0; n < 5; n++)
			CHECK_EQ_ROW(why, send_some(ch, 10, wait_ns), 0);
		for (int n = 0; n < 2; n++) {
			CHECK_EQ_ROW(why, recv_some(s.ep, &msg, wait_ns), 0);
			CHECK_EQ_ROW(why, msg.badge, BADGE);
			CHECK_EQ_ROW(why, msg.source, 3);
		}
		CHECK_EQ_ROW(why, send_some(ch, MAX_MSG - LAT_MSG_OVERHEAD, wait_ns), 0);
		CHECK_EQ_ROW(why, send_some(ch, MAX_MSG - LAT_MSG_OVERHEAD + 1, wait_ns), -EMSGSIZE);
		CHECK_EQ_ROW(why, lat_issuer_revoke(lat_grants_issuer(s.host->grants), s.life, NULL), 0);
		CHECK_EQ_ROW(why, recv_some(s.ep, &msg, 0), -ENOMSG);
		CHECK_EQ_ROW(why, send_some(ch, 10, 0), -EKEYREVOKED);
		rc = lattice_channel_flush(ch, wait_ns);
		CHECK_EQ_ROW(why, rc, -EKEYREVOKED);
		(void)lattice_explain(ch, rc, text, sizeof(text));
		CHECK_ROW(why, strstr(text, "of 6 messages 2 were received") != NULL);
		CHECK_EQ_ROW(why, lattice_channel_sent(ch, &received), 6);
		CHECK_EQ_ROW(why, received, 2);
		CHECK_EQ_ROW(why, lattice_channel_open_cap(&other, s.sender, 4, PID, 0, 0, s.cap),
			     -EKEYREVOKED);
		lattice_channel_close(ch);
		/* What needed no right is as it was. */
		CHECK_EQ_ROW(why, lattice_channel_open(&ch, s.sender, 3, PID, 0, 0), 0);
		CHECK_EQ_ROW(why, send_some(ch, 10, wait_ns), 0);
		CHECK_EQ_ROW(why, recv_some(s.ep, &msg, wait_ns), 0);
		CHECK_EQ_ROW(why, msg.badge, 0);
		lattice_channel_close(ch);
		close_scene(&s);
	}
}

/* The limit of who has not the right BULK is what it is between nodes. */
TEST(long_messages)
{
	static char data[LAT_CAP_SHORT_MAX];
	const struct lattice_msg longest = { .data = data, .len = LAT_CAP_SHORT_MAX - 12 },
				 longer = { .data = data, .len = LAT_CAP_SHORT_MAX - 11 };

	for (size_t p = 0; p < ARRAY_LEN(places); p++) {
		struct lat_cap_desc want = wanted();
		struct lattice_channel *ch;
		struct lat_cap_ref life;
		struct lattice_cap *cap;
		struct scene s;

		open_scene(&s, places[p].where);
		want.max_msg = 2 * LAT_CAP_SHORT_MAX;
		cap = minted(s.host, &want, &life);
		CHECK_EQ(lattice_channel_open_cap(&ch, s.sender, 3, PID, 0, 0, cap), 0);
		CHECK_EQ_ROW(places[p].why, lattice_channel_send(ch, &longer, 0), -EMSGSIZE);
		CHECK_EQ_ROW(places[p].why, lattice_channel_send(ch, &longest, wait_ns), 0);
		lattice_channel_close(ch);
		lattice_cap_free(cap);
		close_scene(&s);
	}
}

TEST(who_may_not)
{
	static const struct {
		const char *why;
		int32_t src, dst;
		bool others, stale, bearer;
		int want;
		bool mute;
	} rows[] = {
		{ "its holder", 3, PID, false, false, false, 0 },
		{ "without the right to send, or to call", 3, PID, false, false, false, -EACCES,
		  .mute = true },
		{ "another pid", 3, PID + 1, false, false, false, -EACCES },
		{ "another holder", 3, PID, true, false, false, -EACCES },
		{ "whoever has it", 3, PID, false, false, true, 0 },
		{ "its time is over", 3, PID, false, true, false, -EKEYEXPIRED },
	};

	for (size_t p = 0; p < ARRAY_LEN(places); p++) {
		struct lattice_endpoint *ep;
		struct scene s;

		open_scene(&s, places[p].where);
		CHECK_EQ(lattice_endpoint_open(&ep, s.receiver, PID + 1), 0);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct lat_cap_desc want = wanted();
			struct lattice_channel *ch;
			struct lat_cap_ref life;
			struct lattice_cap *cap;
			int rc;

			if (rows[i].others)
				lat_cap_holder_uid(want.holder, geteuid() + 1);
			if (rows[i].bearer)
				memset(want.holder, 0, sizeof(want.holder));
			if (rows[i].stale)
				want.not_after = lat_clock_wall_s() - 1;
			if (rows[i].mute)
				want.rights = LAT_RIGHT_OPEN | LAT_RIGHT_BULK;
			cap = minted(s.host, &want, &life);
			rc = lattice_channel_open_cap(&ch, s.sender, rows[i].src, rows[i].dst, 0, 0, cap);
			CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
			lattice_channel_close(ch);
			lattice_cap_free(cap);
		}
		lattice_endpoint_close(ep);
		close_scene(&s);
	}
}

/* Answers calls until the endpoint is closed. */
static void *answer_all(void *arg)
{
	const struct lattice_msg reply = { .data = "r", .len = 1 };
	struct lattice_msg msg;
	char buf[MAX_MSG];

	while (lattice_endpoint_recv(arg, &msg, buf, sizeof(buf), wait_ns) == 0 && msg.len > 0)
		if (msg.call != 0)
			CHECK_EQ(lattice_endpoint_reply(arg, &msg, &reply), 0);
	return NULL;
}

TEST(to_send_and_to_call_are_two_rights)
{
	static const struct {
		const char *why;
		uint16_t rights;
		int send, call;
	} rows[] = {
		{ "both", LAT_RIGHT_SEND | LAT_RIGHT_CALL, 0, 0 },
		{ "to send", LAT_RIGHT_SEND, 0, -EACCES },
		{ "to call", LAT_RIGHT_CALL, -EACCES, 0 },
	};
	const struct lattice_msg request = { .data = "q", .len = 1 };

	for (size_t p = 0; p < ARRAY_LEN(places); p++) {
		struct lattice_channel *plain;
		pthread_t thread;
		struct scene s;

		open_scene(&s, places[p].where);
		CHECK_EQ(pthread_create(&thread, NULL, answer_all, s.ep), 0);
		CHECK_EQ(lattice_channel_open(&plain, s.sender, 4, PID, 0, 0), 0);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct lattice_block block = { 0 };
			struct lat_cap_desc want = wanted();
			struct lattice_channel *ch;
			struct lattice_msg reply;
			struct lat_cap_ref life;
			struct lattice_cap *cap;
			char buf[8];

			want.rights = rows[i].rights | LAT_RIGHT_OPEN;
			cap = minted(s.host, &want, &life);
			CHECK_EQ(lattice_channel_open_cap(&ch, s.sender, 3, PID, 0, 0, cap), 0);
			for (int n = 0; n < 3; n++) {
				CHECK_EQ_ROW(rows[i].why, send_some(ch, 1, wait_ns), rows[i].send);
				CHECK_EQ_ROW(rows[i].why,
					     lattice_channel_call(ch, &request, &reply, buf, sizeof(buf),
								  wait_ns),
					     rows[i].call);
			}
			if (lattice_channel_loan(ch, 10, &block, wait_ns) == 0) {
				CHECK_EQ_ROW(rows[i].why, lattice_channel_publish(ch, &block, 1, 10, wait_ns),
					     rows[i].send);
				lattice_channel_discard(ch, &block);
			}
			lattice_channel_close(ch);
			lattice_cap_free(cap);
		}
		CHECK_EQ(send_some(plain, 0, wait_ns), 0); /* the last */
		CHECK_EQ(pthread_join(thread, NULL), 0);
		lattice_channel_close(plain);
		close_scene(&s);
	}
}

struct waiter {
	struct lattice_channel *ch;
	bool calls;
	pthread_t thread;
	int rc;
};

static void *wait_in(void *arg)
{
	struct waiter *w = arg;
	char buf[8];
	const struct lattice_msg request = { .data = "q", .len = 1 };
	struct lattice_msg reply;

	do
		w->rc = w->calls ? lattice_channel_call(w->ch, &request, &reply, buf, sizeof(buf),
							LATTICE_FOREVER)
				 : send_some(w->ch, 10, LATTICE_FOREVER);
	while (w->rc == 0);
	return NULL;
}

TEST(who_waits_is_told)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		for (int calls = 0; calls < 2; calls++) {
			struct waiter w = { .calls = calls != 0 };
			struct scene s;

			open_scene(&s, places[i].where);
			CHECK_EQ(lattice_channel_open_cap(&w.ch, s.sender, 3, PID, 0, 0, s.cap), 0);
			CHECK_EQ(pthread_create(&w.thread, NULL, wait_in, &w), 0);
			while (lattice_channel_sent(w.ch, NULL) == 0)
				sched_yield();
			CHECK_EQ(lat_issuer_revoke(lat_grants_issuer(s.host->grants), s.life, NULL), 0);
			CHECK_EQ(pthread_join(w.thread, NULL), 0);
			CHECK_EQ_ROW(places[i].why, w.rc, -EKEYREVOKED);
			lattice_channel_close(w.ch);
			close_scene(&s);
		}
	}
}

/* The next host knows none of the rights that were never on a disk: the channels end, and their senders are told why. */
TEST(another_host_that_does_not_know_it)
{
	static const enum where where[] = { ATTACHED, BETWEEN };

	for (size_t i = 0; i < ARRAY_LEN(where); i++) {
		struct lattice_channel *ch, *plain;
		struct lattice_msg msg;
		struct scene s;
		int rc;

		open_scene(&s, where[i]);
		lattice_node_close(s.sender);
		if (where[i] == ATTACHED)
			s.receiver = NULL;
		lattice_endpoint_close(s.ep);
		s.sender = node_opened(LATTICE_HOST_AUTO); /* which may host next */
		if (where[i] == ATTACHED)
			s.receiver = s.sender;
		CHECK_EQ(lattice_endpoint_open(&s.ep, s.receiver, PID), 0);
		CHECK_EQ(lattice_channel_open_cap(&ch, s.sender, 3, PID, 0, 0, s.cap), 0);
		CHECK_EQ(lattice_channel_open(&plain, s.sender, 4, PID, 0, 0), 0);
		CHECK_EQ(send_some(ch, 10, wait_ns), 0);
		CHECK_EQ(recv_some(s.ep, &msg, wait_ns), 0);
		lattice_node_close(s.host);
		s.host = s.sender;
		do {
			rc = send_some(ch, 10, wait_ns);
			if (rc == 0)
				(void)recv_some(s.ep, &msg, 0);
		} while (rc == 0);
		CHECK_EQ(rc, -EKEYREVOKED);
		while ((rc = recv_some(s.ep, &msg, 0)) == 0)
			;
		CHECK_EQ(send_some(plain, 10, wait_ns), 0); /* goes on */
		CHECK_EQ(recv_some(s.ep, &msg, wait_ns), 0);
		CHECK_EQ(msg.source, 4);
		lattice_channel_close(ch);
		lattice_channel_close(plain);
		close_scene(&s);
	}
}

TEST_MAIN

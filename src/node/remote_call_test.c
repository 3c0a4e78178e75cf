/* Calls from node to node: each has one reply, or the reason why there is none. */
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/test.h"
#include "node/pair_harness.h"

static const struct {
	const char *why;
	enum lattice_proto proto;
} ways[] = { { "UDP", LATTICE_UDP }, { "TCP", LATTICE_TCP } };

enum { CLIENT = 5, SERVER = 7, OTHER = 8, ECHO = 1, DOUBLE = 2, SILENT = 3, STOP = 4, LONG = 1 << 20 };

/* Answers until it is told to stop: the same bytes, or those twice, or nothing. */
static void *serve(void *arg)
{
	struct lattice_endpoint *ep = arg;
	static unsigned char buf[2 * LONG];
	struct lattice_msg msg;

	for (;;) {
		CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
		if (msg.type == STOP)
			return NULL;
		CHECK(msg.call != 0);
		if (msg.type == SILENT)
			continue;
		if (msg.type == DOUBLE) {
			memcpy(buf + msg.len, buf, msg.len);
			msg.len *= 2;
		}
		CHECK_EQ(lattice_endpoint_reply(ep, &msg,
						&(struct lattice_msg){ .type = msg.type + 100,
								       .data = buf,
								       .len = msg.len }),
			 0);
	}
}

struct served {
	struct pair p;
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	pthread_t server;
};

static void open_served(struct served *s, enum lattice_proto proto, bool serving)
{
	meet(&s->p, "127.0.0.1", proto);
	CHECK_EQ(lattice_endpoint_open(&s->ep, s->p.b.node, SERVER), 0);
	CHECK_EQ(lattice_channel_open(&s->ch, s->p.a.node, CLIENT, SERVER, 2, 0), 0);
	if (serving)
		CHECK_EQ(pthread_create(&s->server, NULL, serve, s->ep), 0);
}

static void close_served(struct served *s, bool serving)
{
	if (serving) {
		CHECK_EQ(lattice_channel_send(s->ch, &(struct lattice_msg){ .type = STOP }, SECONDS(20)), 0);
		CHECK_EQ(pthread_join(s->server, NULL), 0);
	}
	lattice_channel_close(s->ch);
	lattice_endpoint_close(s->ep);
	close_pair(&s->p);
}

static void fill(unsigned char *data, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (unsigned char)(i * 31 + i / 251 + seed);
}

TEST(replies_of_any_length)
{
	static const size_t lens[] = { 0, 1, 48, 49, 1200, 9000, 200000, LONG / 2 - 100 };
	static unsigned char data[LONG], buf[LONG];

	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct served s;
		struct lattice_msg reply;

		open_served(&s, ways[w].proto, true);
		for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
			const struct lattice_msg ask = { .type = DOUBLE, .data = data, .len = lens[i] };

			fill(data, lens[i], (unsigned int)i);
			memset(buf, 0, sizeof(buf));
			CHECK_EQ_ROW(ways[w].why,
				     lattice_channel_call(s.ch, &ask, &reply, buf, sizeof(buf), SECONDS(60)),
				     0);
			CHECK_EQ(reply.type, DOUBLE + 100);
			CHECK_EQ(reply.source, SERVER);
			CHECK_EQ(reply.len, 2 * lens[i]);
			CHECK_MEM(buf, data, lens[i]);
			CHECK_MEM(buf + lens[i], data, lens[i]);
		}
		/* A buffer that is too short: how long it would have to be. */
		CHECK_EQ(lattice_channel_call(
				 s.ch, &(struct lattice_msg){ .type = DOUBLE, .data = data, .len = 60 },
				 &reply, buf, 119, SECONDS(60)),
			 -EMSGSIZE);
		CHECK_EQ(reply.len, 120);
		close_served(&s, true);
	}
}

/* ---- many at a time ---- */

enum { CALLERS = 8, EACH = 200 };

static void *call_often(void *arg)
{
	struct lattice_channel *ch = arg;
	unsigned char data[300], buf[600];
	struct lattice_msg reply;

	for (unsigned int i = 0; i < EACH; i++) {
		const struct lattice_msg ask = { .type = ECHO, .data = data, .len = 4 + i % 296 };

		fill(data, sizeof(data), (unsigned int)(uintptr_t)&data + i);
		CHECK_EQ(lattice_channel_call(ch, &ask, &reply, buf, sizeof(buf), SECONDS(60)), 0);
		CHECK_EQ(reply.len, ask.len);
		CHECK_MEM(buf, data, ask.len);
	}
	return NULL;
}

TEST(many_callers_of_one_channel)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		pthread_t callers[CALLERS];
		struct served s;

		open_served(&s, ways[w].proto, true);
		for (int i = 0; i < CALLERS; i++)
			CHECK_EQ(pthread_create(&callers[i], NULL, call_often, s.ch), 0);
		for (int i = 0; i < CALLERS; i++)
			CHECK_EQ(pthread_join(callers[i], NULL), 0);
		CHECK_EQ(stat_of(s.p.a.node, "session.late_reply"), 0);
		CHECK_EQ(stat_of(s.p.b.node, "session.late_reply"), 0);
		close_served(&s, true);
	}
}

/* ---- why there is none ---- */

struct caller {
	struct lattice_channel *ch;
	int64_t timeout_ns;
	int rc;
};

static void *call_once(void *arg)
{
	struct caller *c = arg;
	struct lattice_msg reply;
	unsigned char buf[8];

	c->rc = lattice_channel_call(c->ch, &(struct lattice_msg){ .type = SILENT, .data = "x", .len = 1 },
				     &reply, buf, sizeof(buf), c->timeout_ns);
	return NULL;
}

static void close_endpoint(struct served *s)
{
	lattice_endpoint_close(s->ep);
	s->ep = NULL;
}

static void close_node(struct served *s)
{
	close_endpoint(s);
	lattice_node_close(s->p.b.node);
	s->p.b.node = NULL;
}

static void close_own(struct served *s)
{
	lattice_node_close(s->p.a.node);
	s->p.a.node = NULL;
}

static void remove_peer(struct served *s)
{
	CHECK_EQ(lattice_node_remove_peer(s->p.a.node, 2), 0);
}

static void wait(struct served *s)
{
	(void)s;
}

static const struct {
	const char *why;
	void (*happens)(struct served *s);
	int64_t timeout_ns;
	int rc;
} ends[] = {
	{ "the endpoint is closed", close_endpoint, LATTICE_FOREVER, -EOWNERDEAD },
	{ "its node is closed", close_node, LATTICE_FOREVER, -EOWNERDEAD },
	{ "the caller's node is closed", close_own, LATTICE_FOREVER, -ESHUTDOWN },
	{ "the peer is removed", remove_peer, LATTICE_FOREVER, -ENOKEY },
	{ "nobody answers", wait, LAT_NS_PER_S / 5, -ETIMEDOUT },
};

TEST(each_cause_has_its_code)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++)
		for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
			struct caller c = { .timeout_ns = ends[i].timeout_ns };
			struct lattice_msg msg;
			struct served s;
			pthread_t thread;
			char buf[8];

			open_served(&s, ways[w].proto, false);
			c.ch = s.ch;
			CHECK_EQ(pthread_create(&thread, NULL, call_once, &c), 0);
			CHECK_EQ(lattice_endpoint_recv(s.ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
			CHECK(msg.call != 0);
			ends[i].happens(&s);
			CHECK_EQ(pthread_join(thread, NULL), 0);
			CHECK_EQ_ROW(ends[i].why, c.rc, ends[i].rc);
			lattice_channel_close(s.ch);
			if (s.ep != NULL)
				lattice_endpoint_close(s.ep);
			close_pair(&s.p);
		}
}

/* ---- what a token allows ---- */

TEST(a_reply_is_one_and_to_its_caller)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct lattice_endpoint *other;
		struct caller c = { .timeout_ns = SECONDS(60) }, late = { .timeout_ns = LAT_NS_PER_S / 5 };
		struct lattice_msg msg, made_up, reply = { .type = 9 };
		struct served s;
		pthread_t thread;
		char buf[8];

		open_served(&s, ways[w].proto, false);
		CHECK_EQ(lattice_endpoint_open(&other, s.p.b.node, OTHER), 0);
		c.ch = late.ch = s.ch;
		CHECK_EQ(pthread_create(&thread, NULL, call_once, &c), 0);
		CHECK_EQ(lattice_endpoint_recv(s.ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
		CHECK_EQ(lattice_endpoint_reply(other, &msg, &reply), -EINVAL);
		made_up = msg;
		made_up.call += 1;
		CHECK_EQ(lattice_endpoint_reply(s.ep, &made_up, &reply), -EINVAL);
		made_up.call = msg.call + (UINT64_C(77) << 30);
		CHECK_EQ(lattice_endpoint_reply(s.ep, &made_up, &reply), -EALREADY);
		CHECK_EQ(lattice_endpoint_reply(s.ep, &msg, &reply), 0);
		CHECK_EQ(lattice_endpoint_reply(s.ep, &msg, &reply), -EALREADY);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(c.rc, 0);
		/* The caller gives up: who answers is told. */
		(void)call_once(&late);
		CHECK_EQ(late.rc, -ETIMEDOUT);
		CHECK_EQ(lattice_endpoint_recv(s.ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
		CHECK_EQ(lattice_endpoint_reply(s.ep, &msg, &reply), -EALREADY);
		/* The channel goes on. */
		CHECK_EQ(pthread_create(&thread, NULL, call_once, &c), 0);
		CHECK_EQ(lattice_endpoint_recv(s.ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
		CHECK_EQ(lattice_endpoint_reply(s.ep, &msg, &reply), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(c.rc, 0);
		lattice_endpoint_close(other);
		close_served(&s, false);
	}
}

TEST(a_lossy_channel_has_no_calls)
{
	struct served s;
	struct lattice_channel *lossy;
	struct lattice_msg reply;
	char why[512];
	int rc;

	open_served(&s, LATTICE_UDP, false);
	CHECK_EQ(lattice_channel_open(&lossy, s.p.a.node, 6, SERVER, 2, LATTICE_CHANNEL_LOSSY), 0);
	rc = lattice_channel_call(lossy, &(struct lattice_msg){ .type = 1 }, &reply, NULL, 0, SECONDS(20));
	CHECK_EQ(rc, -EOPNOTSUPP);
	(void)lattice_explain(lossy, rc, why, sizeof(why));
	CHECK(strstr(why, "lossy") != NULL);
	lattice_channel_close(lossy);
	close_served(&s, false);
}

TEST_MAIN

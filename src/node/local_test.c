/* Messages inside one node: the public calls, their limits and their errors. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include <lattice/lattice.h>

#include "base/test.h"

enum { BIG = (1 << 20) - 12 };

static struct lattice_node *open_node(void)
{
	struct lattice_node *node;

	CHECK_EQ(lattice_node_open(&node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE,
									 .node_id = 7 }),
		 0);
	return node;
}

static struct lattice_endpoint *open_endpoint(struct lattice_node *node, int32_t pid)
{
	struct lattice_endpoint *ep;

	CHECK_EQ(lattice_endpoint_open(&ep, node, pid), 0);
	return ep;
}

static struct lattice_channel *open_channel(struct lattice_node *node, int32_t src, int32_t dst)
{
	struct lattice_channel *ch;

	CHECK_EQ(lattice_channel_open(&ch, node, src, dst, 0, 0), 0);
	return ch;
}

TEST(node_configuration)
{
	static const struct {
		const char *why;
		struct lattice_node_config cfg;
		int want;
	} rows[] = {
		{ "nothing set", { 0 }, 0 },
		{ "a number of its own", { .node_id = 9 }, 0 },
		{ "the largest number", { .node_id = 0xfffffffe }, 0 },
		{ "the reserved number", { .node_id = 0xffffffff }, -EINVAL },
		{ "inside this process", { .host = LATTICE_HOST_PRIVATE, .node_id = 11 }, 0 },
		{ "no such host mode", { .host = (enum lattice_host)4 }, -EINVAL },
		{ "any port", { .port = LATTICE_PORT_ANY }, 0 },
		{ "a port below any", { .port = -2 }, -EINVAL },
		{ "the last port", { .port = 65535 }, 0 },
		{ "a port too far", { .port = 65536 }, -EINVAL },
		{ "the shortest message limit", { .max_msg_bytes = 68 }, 0 },
		{ "one byte less", { .max_msg_bytes = 67 }, -EINVAL },
		{ "the longest", { .max_msg_bytes = 8 << 20 }, 0 },
		{ "one byte more", { .max_msg_bytes = (8 << 20) + 1 }, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lattice_node *node;

		CHECK_EQ_ROW(rows[i].why, lattice_node_open(&node, &rows[i].cfg), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, node != NULL, rows[i].want == 0);
		if (rows[i].want == 0 && rows[i].cfg.node_id != 0)
			CHECK_EQ_ROW(rows[i].why, lattice_node_number(node), rows[i].cfg.node_id);
		if (rows[i].want == 0)
			CHECK_EQ_ROW(rows[i].why, lattice_node_number(node) != 0, true);
		lattice_node_close(node);
	}
	lattice_node_close(NULL);
}

TEST(endpoints)
{
	static const struct {
		const char *why;
		int32_t pid;
		int want;
	} rows[] = {
		{ "the least pid", 1, 0 },       { "the same again", 1, -EADDRINUSE },
		{ "the largest", INT32_MAX, 0 }, { "zero", 0, -EINVAL },
		{ "negative", -1, -EINVAL },
	};
	struct lattice_endpoint *ep[ARRAY_LEN(rows)];
	struct lattice_node *node = open_node();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ_ROW(rows[i].why, lattice_endpoint_open(&ep[i], node, rows[i].pid), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, ep[i] != NULL, rows[i].want == 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		lattice_endpoint_close(ep[i]);
	ep[0] = open_endpoint(node, 1); /* free again */
	lattice_endpoint_close(ep[0]);
	lattice_node_close(node);
}

TEST(channels)
{
	static const struct {
		const char *why;
		int32_t src, dst;
		lattice_node_id node;
		uint32_t flags;
		int want;
	} rows[] = {
		{ "to this node as 0", 1, 10, 0, 0, 0 },
		{ "the same by its number", 1, 10, 7, 0, -EEXIST },
		{ "from another pid", 2, 10, 7, 0, 0 },
		{ "to itself", 10, 10, 0, 0, 0 },
		{ "nobody receives", 1, 11, 0, 0, -ECONNREFUSED },
		{ "source 0", 0, 10, 0, 0, -EINVAL },
		{ "destination negative", 1, -10, 0, 0, -EINVAL },
		{ "lossy is for other nodes", 3, 10, 0, LATTICE_CHANNEL_LOSSY, -EINVAL },
		{ "with what is for this one, too", 3, 10, 0, LATTICE_CHANNEL_LOSSY | LATTICE_CHANNEL_SINGLE,
		  -EINVAL },
		{ "no such flag", 3, 10, 0, 8, -EINVAL },
		{ "unknown flag", 3, 10, 0, 64, -EINVAL },
		{ "another node without a network", 1, 10, 8, 0, -EOPNOTSUPP },
	};
	struct lattice_channel *ch[ARRAY_LEN(rows)];
	struct lattice_node *node = open_node();
	struct lattice_endpoint *ep = open_endpoint(node, 10);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ_ROW(rows[i].why,
			     lattice_channel_open(&ch[i], node, rows[i].src, rows[i].dst, rows[i].node,
						  rows[i].flags),
			     rows[i].want);
		CHECK_EQ_ROW(rows[i].why, ch[i] != NULL, rows[i].want == 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		lattice_channel_close(ch[i]);
	ch[0] = open_channel(node, 1, 10); /* free again */
	lattice_channel_close(ch[0]);
	lattice_endpoint_close(ep);
	lattice_node_close(node);
}

TEST(messages)
{
	static unsigned char out[BIG + 1], in[BIG + 1];
	static const struct {
		const char *why;
		size_t len;
		int want;
	} rows[] = {
		{ "no bytes", 0, 0 },
		{ "one", 1, 0 },
		{ "one slot", 48, 0 },
		{ "one more", 49, 0 },
		{ "a page", 4096, 0 },
		{ "the limit", BIG, 0 },
		{ "over it", BIG + 1, -EMSGSIZE },
	};
	struct lattice_node *node = open_node();
	struct lattice_endpoint *ep = open_endpoint(node, 10);
	struct lattice_channel *ch = open_channel(node, 5, 10);
	uint64_t seq = 0, received;
	char limit[64], text[256];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 31 + i / 251);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lattice_msg msg = { .type = (int32_t)i - 3, .data = out, .len = rows[i].len };

		CHECK_EQ_ROW(rows[i].why, lattice_channel_send(ch, &msg, 0), rows[i].want);
		if (rows[i].want < 0) {
			(void)snprintf(limit, sizeof(limit), "limit of %d bytes", BIG);
			(void)lattice_explain(ch, rows[i].want, text, sizeof(text));
			CHECK_ROW(text, strstr(text, limit) != NULL);
			continue;
		}
		seq++;
		msg = (struct lattice_msg){ 0 };
		CHECK_EQ_ROW(rows[i].why, lattice_endpoint_recv(ep, &msg, in, sizeof(in), 0), 0);
		CHECK_EQ_ROW(rows[i].why, msg.source, 5);
		CHECK_EQ_ROW(rows[i].why, msg.type, (int32_t)i - 3);
		CHECK_EQ_ROW(rows[i].why, msg.node, 0);
		CHECK_EQ_ROW(rows[i].why, msg.seq, seq);
		CHECK_EQ_ROW(rows[i].why, msg.len, rows[i].len);
		CHECK_EQ_ROW(rows[i].why, msg.data == in, true);
		CHECK_MEM_ROW(rows[i].why, in, out, rows[i].len);
	}
	CHECK_EQ(lattice_channel_sent(ch, &received), seq);
	CHECK_EQ(received, seq);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	lattice_node_close(node);
}

TEST(short_buffer_keeps_the_message)
{
	struct lattice_node *node = open_node();
	struct lattice_endpoint *ep = open_endpoint(node, 10);
	struct lattice_channel *ch = open_channel(node, 5, 10);
	struct lattice_msg msg = { .type = 1, .data = "twelve bytes", .len = 12 };
	char buf[12], text[200];

	CHECK_EQ(lattice_channel_send(ch, &msg, 0), 0);
	msg.len = 0;
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, 11, 0), -EMSGSIZE);
	CHECK_EQ(msg.len, 12);
	CHECK_EQ(lattice_explain(ep, -EMSGSIZE, text, sizeof(text)) > 0, true);
	CHECK_STR(text, "the next message has 12 bytes, the buffer 11 (EMSGSIZE)");
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), 0);
	CHECK_MEM(buf, "twelve bytes", 12);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	lattice_node_close(node);
}

static bool readable(const struct lattice_endpoint *ep)
{
	struct pollfd p = { .fd = lattice_endpoint_fd(ep), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

TEST(fd_is_level_triggered)
{
	struct lattice_node *node = open_node();
	struct lattice_endpoint *ep = open_endpoint(node, 10);
	struct lattice_channel *ch = open_channel(node, 5, 10);
	struct lattice_msg msg = { .type = 1 };
	char buf[8];

	(void)lattice_endpoint_fd(ep);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), -ENOMSG);
	CHECK_EQ(readable(ep), false);
	CHECK_EQ(lattice_channel_send(ch, &msg, 0), 0);
	CHECK_EQ(lattice_channel_send(ch, &msg, 0), 0);
	CHECK_EQ(readable(ep), true);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), 0);
	CHECK_EQ(readable(ep), true); /* one more is there */
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), 0);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), -ENOMSG);
	CHECK_EQ(readable(ep), false);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	lattice_node_close(node);
}

TEST(a_full_channel_and_its_end)
{
	struct lattice_node *node = open_node();
	struct lattice_endpoint *ep = open_endpoint(node, 10);
	struct lattice_channel *ch = open_channel(node, 5, 10);
	static unsigned char data[1000];
	struct lattice_msg msg = { .type = 1, .data = data, .len = sizeof(data) };
	uint64_t accepted = 0, received;
	char text[200];
	int rc;

	while ((rc = lattice_channel_send(ch, &msg, 0)) == 0)
		accepted++;
	CHECK_EQ(rc, -EAGAIN);
	CHECK_EQ(accepted > 1000, true);
	CHECK_EQ(lattice_channel_send(ch, &msg, 1000000), -ETIMEDOUT);
	CHECK_EQ(lattice_channel_sent(ch, &received), accepted);
	CHECK_EQ(received, 0);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, data, sizeof(data), 0), 0);
	CHECK_EQ(lattice_channel_send(ch, &msg, 0), 0);

	lattice_endpoint_close(ep);
	CHECK_EQ(lattice_channel_send(ch, &msg, 0), -EOWNERDEAD);
	CHECK_EQ(lattice_channel_flush(ch, LATTICE_FOREVER), -EOWNERDEAD);
	(void)lattice_explain(ch, -EOWNERDEAD, text, sizeof(text));
	CHECK_STR(text, "channel 5->10@0: the receiving endpoint was closed (EOWNERDEAD)");
	CHECK_EQ(lattice_channel_sent(ch, &received), accepted + 1);
	CHECK_EQ(received, 1);
	lattice_channel_close(ch);
	lattice_node_close(node);
}

TEST(handles_outlive_their_node)
{
	struct lattice_node *node = open_node();
	struct lattice_endpoint *ep = open_endpoint(node, 10), *late;
	struct lattice_channel *ch = open_channel(node, 5, 10);
	struct lattice_msg msg = { .type = 1 };
	char buf[8];

	late = ep;
	lattice_node_close(node);
	CHECK_EQ(lattice_endpoint_recv(late, &msg, buf, sizeof(buf), LATTICE_FOREVER), -ESHUTDOWN);
	CHECK_EQ(lattice_channel_send(ch, &msg, LATTICE_FOREVER), -ESHUTDOWN);
	CHECK_EQ(lattice_channel_flush(ch, LATTICE_FOREVER), -ESHUTDOWN);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
}

TEST(dependencies)
{
	struct lattice_node *node = open_node(), *other = open_node();
	struct lattice_endpoint *ep = open_endpoint(node, 10), *ep2 = open_endpoint(other, 10);
	struct lattice_channel *a = open_channel(node, 1, 10), *b = open_channel(node, 2, 10);
	struct lattice_channel *c = open_channel(node, 3, 10), *x = open_channel(other, 1, 10);
	char text[200];

	CHECK_EQ(lattice_channel_add_dep(a, b), 0);
	CHECK_EQ(lattice_channel_add_dep(b, c), 0);
	CHECK_EQ(lattice_channel_add_dep(a, b), 0); /* said before */
	CHECK_EQ(lattice_channel_add_dep(c, a), -ELOOP);
	(void)lattice_explain(c, -ELOOP, text, sizeof(text));
	CHECK_EQ(strstr(text, "1->10@0") != NULL && strstr(text, "3->10@0") != NULL, true);
	CHECK_EQ(lattice_channel_add_dep(a, a), -EINVAL);
	CHECK_EQ(lattice_channel_add_dep(a, x), -EINVAL);
	lattice_channel_close(b); /* its edges go with it */
	CHECK_EQ(lattice_channel_add_dep(c, a), 0);
	lattice_channel_close(a);
	lattice_channel_close(c);
	lattice_channel_close(x);
	lattice_endpoint_close(ep);
	lattice_endpoint_close(ep2);
	lattice_node_close(node);
	lattice_node_close(other);
}

enum { SENDERS = 4, EACH = 5000 };

struct sender {
	struct lattice_channel *ch;
	pthread_t thread;
	int rc;
};

static void *send_many(void *arg)
{
	struct sender *s = arg;

	for (uint32_t i = 0; i < EACH && s->rc == 0; i++) {
		struct lattice_msg msg = { .type = (int32_t)i, .data = &i, .len = sizeof(i) };

		s->rc = lattice_channel_send(s->ch, &msg, LATTICE_FOREVER);
	}
	return NULL;
}

/* Two senders on each of two channels; order holds per channel, nothing is lost or doubled. */
TEST(many_senders)
{
	struct lattice_node *node = open_node();
	struct lattice_endpoint *ep = open_endpoint(node, 10);
	struct lattice_channel *ch[2] = { open_channel(node, 1, 10), open_channel(node, 2, 10) };
	struct sender senders[SENDERS] = { 0 };
	uint64_t seq[3] = { 0 }, sum = 0;

	for (size_t i = 0; i < SENDERS; i++) {
		senders[i].ch = ch[i % 2];
		CHECK_EQ(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
	}
	for (int i = 0; i < SENDERS * EACH; i++) {
		struct lattice_msg msg;
		uint32_t value;

		CHECK_EQ(lattice_endpoint_recv(ep, &msg, &value, sizeof(value), LATTICE_FOREVER), 0);
		CHECK_EQ(msg.source == 1 || msg.source == 2, true);
		CHECK_EQ(msg.seq, ++seq[msg.source]);
		CHECK_EQ(msg.type, (int32_t)value);
		sum += value;
	}
	for (size_t i = 0; i < SENDERS; i++) {
		pthread_join(senders[i].thread, NULL);
		CHECK_EQ(senders[i].rc, 0);
	}
	CHECK_EQ(sum, (uint64_t)SENDERS * EACH * (EACH - 1) / 2);
	lattice_channel_close(ch[0]);
	lattice_channel_close(ch[1]);
	lattice_endpoint_close(ep);
	lattice_node_close(node);
}

struct receiver {
	struct lattice_endpoint *ep;
	pthread_t thread;
	int rc;
};

static void *receive_one(void *arg)
{
	struct receiver *r = arg;
	struct lattice_msg msg;
	char buf[8];

	r->rc = lattice_endpoint_recv(r->ep, &msg, buf, sizeof(buf), LATTICE_FOREVER);
	return NULL;
}

TEST(closing_wakes_who_blocks)
{
	static const char *const what[] = { "the endpoint closes", "the node closes" };

	for (int i = 0; i < 2; i++) {
		struct lattice_node *node = open_node();
		struct lattice_endpoint *ep = open_endpoint(node, 10);
		struct receiver r[3];

		for (size_t k = 0; k < ARRAY_LEN(r); k++) {
			r[k] = (struct receiver){ .ep = ep };
			CHECK_EQ_ROW(what[i], pthread_create(&r[k].thread, NULL, receive_one, &r[k]), 0);
		}
		for (uint64_t asleep = 0; asleep < ARRAY_LEN(r);) { /* until all are in it */
			struct lattice_stat stats[256];
			size_t n = lattice_node_stats(node, stats, ARRAY_LEN(stats));

			for (size_t k = 0; k < n && k < ARRAY_LEN(stats); k++)
				if (strcmp(stats[k].name, "recv.sleeps") == 0)
					asleep = stats[k].value;
		}
		if (i == 1)
			lattice_node_close(node);
		else
			lattice_endpoint_close(ep);
		for (size_t k = 0; k < ARRAY_LEN(r); k++) {
			pthread_join(r[k].thread, NULL);
			CHECK_EQ_ROW(what[i], r[k].rc, -ESHUTDOWN);
		}
		if (i == 1)
			lattice_endpoint_close(ep);
		else
			lattice_node_close(node);
	}
}

/* What is missing is a caller's bug, and is said so. */
TEST(nothing_where_something_must_be)
{
	struct lattice_node *node = open_node();
	struct lattice_endpoint *ep = open_endpoint(node, 10), *no_ep;
	struct lattice_channel *ch = open_channel(node, 5, 10), *no_ch;
	struct lattice_msg msg = { .len = 1 }, empty = { 0 };
	char buf[8], text[100];
	uint64_t number;
	const struct {
		const char *why;
		int got;
	} rows[] = {
		{ "no place for a node", lattice_node_open(NULL, NULL) },
		{ "no place for an endpoint", lattice_endpoint_open(NULL, node, 11) },
		{ "an endpoint of no node", lattice_endpoint_open(&no_ep, NULL, 11) },
		{ "no place for a channel", lattice_channel_open(NULL, node, 6, 10, 0, 0) },
		{ "a channel of no node", lattice_channel_open(&no_ch, NULL, 6, 10, 0, 0) },
		{ "sending on nothing", lattice_channel_send(NULL, &empty, 0) },
		{ "sending nothing", lattice_channel_send(ch, NULL, 0) },
		{ "sending a length without data", lattice_channel_send(ch, &msg, 0) },
		{ "flushing nothing", lattice_channel_flush(NULL, 0) },
		{ "no parent", lattice_channel_add_dep(NULL, ch) },
		{ "no child", lattice_channel_add_dep(ch, NULL) },
		{ "receiving from nothing", lattice_endpoint_recv(NULL, &msg, buf, sizeof(buf), 0) },
		{ "receiving no message", lattice_endpoint_recv(ep, NULL, buf, sizeof(buf), 0) },
		{ "receiving into nothing", lattice_endpoint_recv(ep, &msg, NULL, sizeof(buf), 0) },
		{ "no endpoint's descriptor", lattice_endpoint_fd(NULL) },
		{ "no node's turn", lattice_node_poll(NULL, 0) },
		{ "no node's peer", lattice_node_set_remote(NULL, 1, NULL, LATTICE_UDP) },
		{ "no node connects", lattice_node_connect(NULL, 1, 0) },
		{ "no node pings", lattice_node_ping(NULL, 1, &number, 0) },
		{ "no time of a ping", lattice_node_ping(node, 1, NULL, 0) },
		{ "no state of a peer", lattice_node_peer(node, 1, NULL) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, rows[i].got, -EINVAL);
	CHECK_EQ(lattice_channel_sent(NULL, &number), 0);
	CHECK_EQ(lattice_channel_sent(ch, NULL), 0);
	CHECK_EQ(lattice_node_stats(NULL, NULL, 5), 0);
	CHECK_EQ(lattice_node_stats(node, NULL, 5) > 0, true);
	CHECK_EQ(lattice_node_number(NULL), 0);
	CHECK_EQ(lattice_node_port(NULL), 0);
	lattice_channel_close(NULL);
	lattice_endpoint_close(NULL);
	/* An empty message needs neither data nor a buffer. */
	CHECK_EQ(lattice_channel_send(ch, &empty, 0), 0);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, NULL, 0, 0), 0);

	/* A sentence is of the last failure, not of an older one with the same number. */
	CHECK_EQ(lattice_endpoint_open(&no_ep, node, -4), -EINVAL);
	(void)lattice_explain(NULL, -EINVAL, text, sizeof(text));
	CHECK_STR(text, "pid -4 is not 1 or more (EINVAL)");
	CHECK_EQ(lattice_endpoint_open(&no_ep, NULL, 11), -EINVAL);
	(void)lattice_explain(NULL, -EINVAL, text, sizeof(text));
	CHECK_STR(text, "an argument is not valid (EINVAL)");
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	lattice_node_close(node);
}

TEST(explanations)
{
	static const struct {
		int rc;
		const char *name, *text;
	} rows[] = {
		{ 0, "0", "success" },
		{ 3, "0", "success" },
		{ -ETIMEDOUT, "ETIMEDOUT", "the time-out passed (ETIMEDOUT)" },
		{ -12345, "E?", "error 12345" },
	};
	char text[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_STR_ROW(rows[i].text, lattice_error_name(rows[i].rc), rows[i].name);
		CHECK_EQ_ROW(rows[i].text, lattice_explain(NULL, rows[i].rc, text, sizeof(text)),
			     (int)strlen(rows[i].text));
		CHECK_STR_ROW(rows[i].text, text, rows[i].text);
	}
	text[0] = 'x';
	CHECK_EQ(lattice_explain(NULL, -EINVAL, text, 0) > 0, true);
	CHECK_EQ(text[0], 'x');
	CHECK_EQ(lattice_explain(NULL, -EINVAL, text, 5) > 5, true);
	CHECK_EQ(strlen(text), 4);
}

TEST_MAIN

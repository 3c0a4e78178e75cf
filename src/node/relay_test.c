/* What attached nodes of two machines send each other. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "node/channel.h"
#include "node/town_harness.h"
#include "os/clock.h"

static const struct {
	const char *why;
	enum lattice_proto proto;
} ways[] = {
	{ "UDP", LATTICE_UDP },
	{ "TCP", LATTICE_TCP },
};

static uint32_t size_of(uint32_t i)
{
	static const uint32_t sizes[] = { 4, 40, 300, 5000, 100, 70000, 8, 1024 };

	return sizes[i % ARRAY_LEN(sizes)];
}

static void fill(uint8_t *buf, uint32_t i)
{
	memset(buf, (int)(i & 0xff), size_of(i));
	memcpy(buf, &i, sizeof(i));
}

enum { MESSAGES = 800, LONGEST = 70000 };

static void send_run(struct lattice_channel *ch, const char *why)
{
	uint8_t *buf = malloc(LONGEST);

	for (uint32_t i = 0; i < MESSAGES; i++) {
		fill(buf, i);
		CHECK_EQ_ROW(why,
			     lattice_channel_send(ch,
						  &(struct lattice_msg){ .type = (int32_t)i,
									 .data = buf,
									 .len = size_of(i) },
						  SECONDS(60)),
			     0);
	}
	free(buf);
}

static void recv_run(struct lattice_endpoint *ep, lattice_node_id node, const char *why)
{
	uint8_t *buf = malloc(LONGEST), *want = malloc(LONGEST);
	struct lattice_msg msg;

	for (uint32_t i = 0; i < MESSAGES; i++) {
		fill(want, i);
		CHECK_EQ_ROW(why, lattice_endpoint_recv(ep, &msg, buf, LONGEST, SECONDS(60)), 0);
		CHECK_EQ_ROW(why, msg.type, (int32_t)i);
		CHECK_EQ_ROW(why, msg.len, size_of(i));
		CHECK_EQ_ROW(why, memcmp(buf, want, msg.len), 0);
		CHECK_EQ_ROW(why, msg.node, node);
		CHECK_EQ_ROW(why, msg.source, 5);
	}
	free(buf);
	free(want);
}

struct sending {
	struct lattice_channel *ch;
	const char *why;
};

static void *send_all(void *arg)
{
	const struct sending *s = arg;

	send_run(s->ch, s->why);
	return NULL;
}

/* From whom to whom: an attached node, or the host itself. */
static const struct {
	const char *why;
	bool from_member, to_member;
} ends[] = {
	{ "member to member", true, true },
	{ "member to host", true, false },
	{ "host to member", false, true },
};

TEST(messages_arrive_in_order_and_once)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct town t;

		open_town(&t, ways[w].proto);
		for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
			struct lattice_node *from = ends[i].from_member ? t.a : t.hosts.a.node;
			struct lattice_node *to = ends[i].to_member ? t.b : t.hosts.b.node;
			struct sending s = { .why = ends[i].why };
			struct lattice_endpoint *ep;
			uint64_t received;
			pthread_t thread;

			CHECK_EQ_ROW(ways[w].why, lattice_endpoint_open(&ep, to, 7), 0);
			CHECK_EQ_ROW(ways[w].why, lattice_channel_open(&s.ch, from, 5, 7, 2, 0), 0);
			CHECK_EQ(pthread_create(&thread, NULL, send_all, &s), 0);
			recv_run(ep, 1, ends[i].why);
			pthread_join(thread, NULL);
			CHECK_EQ_ROW(ends[i].why, lattice_channel_flush(s.ch, SECONDS(60)), 0);
			CHECK_EQ_ROW(ends[i].why, lattice_channel_sent(s.ch, &received), MESSAGES);
			CHECK_EQ_ROW(ends[i].why, received, MESSAGES);
			lattice_channel_close(s.ch);
			lattice_endpoint_close(ep);
		}
		close_town(&t);
	}
}

/* ---- what goes wrong ---- */

/* Receives one, from pid 5 of node 1. */
static void expect_hello(struct lattice_endpoint *ep, const char *why)
{
	struct lattice_msg msg;
	char buf[16];

	CHECK_EQ_ROW(why, lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
	CHECK_EQ_ROW(why, msg.len, 5);
	CHECK_EQ_ROW(why, msg.node, 1);
}

TEST(errors_reach_the_member)
{
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	struct town t;
	int rc;

	open_town(&t, LATTICE_UDP);
	rc = lattice_channel_open(&ch, t.a, 5, 7, 9, 0);
	CHECK_EQ(rc, -ENOKEY);
	expect_why(NULL, rc, "node 9 is not known");
	rc = lattice_channel_open(&ch, t.b, 5, 7, 9, 0);
	CHECK_EQ(rc, -ENOKEY);
	rc = lattice_channel_open(&ch, t.b, 5, 7, 1, 0); /* B was not told where A is, and A has not called */
	CHECK_EQ(rc, -EDESTADDRREQ);

	CHECK_EQ(lattice_channel_open(&ch, t.a, 5, 7, 2, 0), 0);
	rc = lattice_channel_send(ch, &hello, SECONDS(60));
	CHECK_EQ(rc, -ECONNREFUSED);
	expect_why(ch, rc, "nobody receives as pid 7 there");
	lattice_channel_close(ch);

	CHECK_EQ(lattice_endpoint_open(&ep, t.b, 7), 0);
	CHECK_EQ(lattice_channel_open(&ch, t.a, 5, 7, 2, LATTICE_CHANNEL_TOKEN_FULL), 0);
	CHECK_EQ(lattice_channel_send(ch, &hello, SECONDS(60)), 0);
	expect_hello(ep, "every message with a token of its own");
	lattice_endpoint_close(ep);
	do
		rc = lattice_channel_send(ch, &hello, SECONDS(60));
	while (rc == 0);
	CHECK_EQ(rc, -EOWNERDEAD);
	expect_why(ch, rc, "the receiving endpoint was closed");
	lattice_channel_close(ch);
	close_town(&t);
}

TEST(nobody_is_there)
{
	struct lattice_channel *ch;
	struct town t;
	int rc;

	open_town(&t, LATTICE_TCP);
	close_side(&t.hosts.b);
	CHECK_EQ(lattice_channel_open(&ch, t.a, 5, 7, 2, 0), 0);
	CHECK_EQ(lattice_channel_send(ch, &hello, 0), -EAGAIN);
	rc = lattice_channel_send(ch, &hello, SECONDS(60));
	CHECK_EQ(rc, -ECONNREFUSED);
	expect_why(ch, rc, "nothing listens");
	lattice_channel_close(ch);
	lattice_node_close(t.a);
	lattice_node_close(t.b);
	close_side(&t.hosts.a);
}

TEST(who_hosts_has_no_network)
{
	struct lattice_node *host, *member;
	struct lattice_channel *ch;
	struct side place = { 0 };
	int rc;

	make_side(&place, 1);
	go_to(&place);
	CHECK_EQ(lattice_node_open(&host, NULL), 0);
	member = attach_to(&place);
	rc = lattice_channel_open(&ch, member, 5, 7, 2000000000, 0);
	CHECK_EQ(rc, -EOPNOTSUPP);
	expect_why(NULL, rc, "lattice node run");
	rc = lattice_node_connect(member, 2000000000, SECONDS(60));
	CHECK_EQ(rc, -EOPNOTSUPP);
	expect_why(member, rc, "lattice node run");
	lattice_node_close(member);
	lattice_node_close(host);
	close_side(&place);
}

TEST(the_host_goes)
{
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	struct town t;
	int rc;

	open_town(&t, LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&ep, t.b, 7), 0);
	CHECK_EQ(lattice_channel_open(&ch, t.a, 5, 7, 2, 0), 0);
	CHECK_EQ(lattice_channel_send(ch, &hello, SECONDS(60)), 0);
	CHECK_EQ(lattice_channel_flush(ch, SECONDS(60)), 0);
	close_side(&t.hosts.a);
	do
		rc = lattice_channel_send(ch, &hello, SECONDS(60));
	while (rc == 0);
	CHECK_EQ(rc, -EOWNERDEAD);
	expect_why(ch, rc, "the process that ran the network is gone");
	lattice_channel_close(ch);
	expect_hello(ep, "what was delivered is read");
	close_side(&t.hosts.b);
	lattice_node_close(t.a);
	lattice_node_close(t.b);
	lattice_endpoint_close(ep);
}

/* Until there is no room anywhere on the way: how many were accepted. */
static uint32_t fill_up(const struct town *t, struct lattice_channel *ch)
{
	static uint8_t data[40000];
	uint32_t n = 0;
	int rc;

	do {
		memcpy(data, &n, sizeof(n));
		/* The way is long: what is under way makes room for more. */
		rc = lattice_channel_send(ch, &(struct lattice_msg){ .data = data, .len = sizeof(data) },
					  LAT_NS_PER_S / 2);
		n += rc == 0;
		CHECK(rc == 0 || rc == -ETIMEDOUT);
	} while (rc == 0 || stat_of(t->hosts.a.node, "relay.full_out") == 0 ||
		 stat_of(t->hosts.b.node, "relay.full_in") == 0);
	return n;
}

static void drain(struct lattice_endpoint *ep, uint32_t count)
{
	static uint8_t buf[40000];
	struct lattice_msg msg;

	for (uint32_t i = 0; i < count; i++) {
		CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
		CHECK_EQ(memcmp(buf, &i, sizeof(i)), 0);
	}
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), -ENOMSG);
}

TEST(who_does_not_read_stalls_his_own_channel)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct lattice_endpoint *slow, *quick;
		struct lattice_channel *full, *other;
		uint64_t received;
		uint32_t count;
		struct town t;

		open_town(&t, ways[w].proto);
		CHECK_EQ(lattice_endpoint_open(&slow, t.b, 7), 0);
		CHECK_EQ(lattice_endpoint_open(&quick, t.b, 8), 0);
		CHECK_EQ(lattice_channel_open(&full, t.a, 5, 7, 2, 0), 0);
		CHECK_EQ(lattice_channel_open(&other, t.a, 5, 8, 2, 0), 0);
		count = fill_up(&t, full);
		for (int i = 0; i < 100; i++) {
			CHECK_EQ(lattice_channel_send(other, &hello, SECONDS(60)), 0);
			expect_hello(quick, ways[w].why);
		}
		CHECK_EQ(lattice_channel_flush(other, SECONDS(60)), 0);
		CHECK_EQ(lattice_channel_flush(full, 0), -EAGAIN);
		CHECK_EQ(lattice_channel_sent(full, &received), count);
		CHECK(received < count);
		drain(slow, count);
		CHECK_EQ(lattice_channel_flush(full, SECONDS(60)), 0);
		lattice_channel_close(full);
		lattice_channel_close(other);
		lattice_endpoint_close(slow);
		lattice_endpoint_close(quick);
		close_town(&t);
	}
}

/* The relay takes it, and the other node, which is not run, does not. */
TEST(a_flush_waits_for_the_other_node)
{
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	struct lattice_msg msg;
	uint64_t received = 1;
	struct town t;
	char buf[16];
	int rc;

	make_pair(&t.hosts);
	introduce(&t.hosts.a, &t.hosts.b);
	introduce(&t.hosts.b, &t.hosts.a);
	t.hosts.b.no_threads = true;
	go_to(&t.hosts.a);
	open_pair(&t.hosts);
	point(&t.hosts.a, &t.hosts.b, "127.0.0.1", LATTICE_UDP);
	t.a = attach_to(&t.hosts.a);
	CHECK_EQ(lattice_endpoint_open(&ep, t.hosts.b.node, 7), 0);
	CHECK_EQ(lattice_channel_open(&ch, t.a, 5, 7, 2, 0), 0);
	while ((rc = lattice_channel_send(ch, &hello, 0)) == -EAGAIN)
		CHECK_EQ(lattice_node_poll(t.hosts.b.node, LAT_NS_PER_MS), 0);
	CHECK_EQ(rc, 0);
	CHECK_EQ(lattice_channel_flush(ch, LAT_NS_PER_S / 10), -ETIMEDOUT);
	CHECK_EQ(lattice_channel_sent(ch, &received), 1);
	CHECK_EQ(received, 0);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
	while ((rc = lattice_channel_flush(ch, 0)) == -EAGAIN)
		CHECK_EQ(lattice_node_poll(t.hosts.b.node, LAT_NS_PER_MS), 0);
	CHECK_EQ(rc, 0);
	CHECK_EQ(lattice_channel_sent(ch, &received), 1);
	CHECK_EQ(received, 1);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	lattice_node_close(t.a);
	close_pair(&t.hosts);
}

enum { CHANNELS = 200 };

TEST(many_channels_at_once)
{
	static struct lattice_channel *ch[CHANNELS];
	static int seen[CHANNELS];
	struct lattice_endpoint *ep;
	struct lattice_msg msg;
	struct town t;
	char buf[16];

	open_town(&t, LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&ep, t.b, 7), 0);
	for (int i = 0; i < CHANNELS; i++)
		CHECK_EQ(lattice_channel_open(&ch[i], t.a, i + 1, 7, 2, 0), 0);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < CHANNELS; i++)
			CHECK_EQ(lattice_channel_send(ch[i], &hello, SECONDS(60)), 0);
	for (int i = 0; i < CHANNELS * 3; i++) {
		CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(60)), 0);
		seen[msg.source - 1]++;
	}
	CHECK_EQ(stat_of(t.hosts.a.node, "relay.out"), CHANNELS);
	CHECK_EQ(stat_of(t.hosts.b.node, "relay.in"), CHANNELS);
	CHECK_EQ(stat_of(t.b, "links"), 1);
	for (int i = 0; i < CHANNELS; i++) {
		CHECK_EQ(seen[i], 3);
		lattice_channel_close(ch[i]);
	}
	lattice_endpoint_close(ep);
	close_town(&t);
}

/* What one member's channels may hold is bounded; another's have room. */
TEST(a_member_has_so_many)
{
	struct lattice_channel *ch[64], *one;
	struct lattice_node *other;
	struct town t = { 0 };
	int n = 0, rc;

	make_pair(&t.hosts);
	t.hosts.a.max_msg = 8 << 20;
	introduce(&t.hosts.a, &t.hosts.b);
	go_to(&t.hosts.a);
	CHECK_EQ(open_side(&t.hosts.a), 0);
	CHECK_EQ(lattice_node_set_remote(t.hosts.a.node, 2, "127.0.0.1:9", LATTICE_UDP), 0);
	t.a = attach_to(&t.hosts.a);
	other = attach_to(&t.hosts.a);
	while ((rc = lattice_channel_open(&ch[n], t.a, n + 1, 7, 2, 0)) == 0)
		n++;
	CHECK_EQ(rc, -ENOBUFS);
	CHECK_EQ(n, 32); /* of twice 8 MiB in 512 */
	CHECK_EQ(stat_of(t.hosts.a.node, "relay.refused"), 1);
	CHECK_EQ(lattice_channel_open(&one, other, 1, 7, 2, 0), 0);
	lattice_channel_close(one);
	while (n > 0)
		lattice_channel_close(ch[--n]);
	while ((rc = lattice_channel_open(&one, t.a, 1, 7, 2, 0)) == -ENOBUFS)
		;
	CHECK_EQ(rc, 0);
	lattice_channel_close(one);
	lattice_node_close(other);
	lattice_node_close(t.a);
	close_side(&t.hosts.a);
	CHECK_EQ(nftw(t.hosts.b.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* A peer that restarts ends the channel, with the number of what it had; one that is opened then reaches the new one. */
TEST(the_other_node_restarts)
{
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	uint64_t received;
	struct town t;
	int rc;

	open_town(&t, LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&ep, t.b, 7), 0);
	CHECK_EQ(lattice_channel_open(&ch, t.a, 5, 7, 2, 0), 0);
	CHECK_EQ(lattice_channel_send(ch, &hello, SECONDS(60)), 0);
	CHECK_EQ(lattice_channel_flush(ch, SECONDS(60)), 0);
	expect_hello(ep, "before");
	lattice_endpoint_close(ep);
	lattice_node_close(t.b);
	lattice_node_close(t.hosts.b.node);
	do
		rc = lattice_channel_send(ch, &hello, SECONDS(60));
	while (rc == 0);
	CHECK(rc == -EOWNERDEAD || rc == -ECONNRESET);
	(void)lattice_channel_sent(ch, &received);
	CHECK_EQ(received, 1);
	lattice_channel_close(ch);
	go_to(&t.hosts.b);
	CHECK_EQ(open_side(&t.hosts.b), 0);
	point(&t.hosts.a, &t.hosts.b, "127.0.0.1", LATTICE_UDP);
	t.b = attach_to(&t.hosts.b);
	CHECK_EQ(lattice_endpoint_open(&ep, t.b, 7), 0);
	CHECK_EQ(lattice_channel_open(&ch, t.a, 5, 7, 2, 0), 0);
	CHECK_EQ(lattice_channel_send(ch, &hello, SECONDS(60)), 0);
	expect_hello(ep, "after");
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	close_town(&t);
}

/* One that is kept, as the short calls do, is opened again, once it has been said what was lost. */
TEST(a_kept_channel_is_opened_again)
{
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	struct town t;
	int rc;

	open_town(&t, LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&ep, t.b, 7), 0);
	CHECK_EQ(lattice_channel_open(&ch, t.a, 5, 7, 2, 0), 0);
	lat_channel_keep(ch);
	CHECK_EQ(lattice_channel_send(ch, &hello, SECONDS(60)), 0);
	CHECK_EQ(lattice_channel_flush(ch, SECONDS(60)), 0);
	lattice_endpoint_close(ep);
	CHECK_EQ(lattice_endpoint_open(&ep, t.b, 7), 0);
	/* It may have been sent before the end was known: then that is told once. */
	do
		rc = lattice_channel_send(ch, &hello, SECONDS(60));
	while (rc == -EOWNERDEAD || (rc == 0 && lattice_endpoint_recv(ep, &(struct lattice_msg){ 0 },
								      (char[16]){ 0 }, 16, 0) == -ENOMSG));
	CHECK_EQ(rc, 0);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	close_town(&t);
}

/* Memory that is lent goes the same way. */
TEST(lent_blocks_too)
{
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	struct lattice_block block;
	struct town t;

	open_town(&t, LATTICE_TCP);
	CHECK_EQ(lattice_endpoint_open(&ep, t.b, 7), 0);
	CHECK_EQ(lattice_channel_open(&ch, t.a, 5, 7, 2, 0), 0);
	CHECK_EQ(lattice_channel_loan(ch, 5, &block, SECONDS(60)), 0);
	memcpy(block.data, "hello", 5);
	CHECK_EQ(lattice_channel_publish(ch, &block, 3, 5, SECONDS(60)), 0);
	expect_hello(ep, "lent");
	CHECK_EQ(lattice_fastpath_stats(ch, (struct lattice_tier_stats[LATTICE_TIERS]){ 0 }), -EOPNOTSUPP);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	close_town(&t);
}

TEST(questions_about_other_nodes)
{
	struct lattice_peer_stats st = { 0 }, same;
	struct lattice_round_trip trip;
	uint64_t rtt = 0;
	struct town t;
	int rc;

	open_town(&t, LATTICE_UDP);
	CHECK_EQ(lattice_node_peer(t.a, 2, &st), 0);
	CHECK_EQ(st.up, false);
	CHECK_EQ(lattice_node_connect(t.a, 2, SECONDS(60)), 0);
	CHECK_EQ(lattice_node_ping(t.a, 2, &rtt, SECONDS(60)), 0);
	CHECK(rtt > 0);
	CHECK_EQ(lattice_node_peer(t.a, 2, &st), 0);
	CHECK_EQ(st.node, 2);
	CHECK_EQ(st.up, true);
	CHECK_EQ(st.initiator, true);
	CHECK_EQ(st.proto, LATTICE_UDP);
	CHECK_EQ(st.handshakes, 1);
	CHECK(st.handshake_ns > 0);
	CHECK(st.bytes_out > 0);
	CHECK_EQ(lattice_node_peer(t.hosts.a.node, 2, &same), 0);
	CHECK_EQ(strcmp(st.address, same.address), 0);
	CHECK_EQ(st.state, LATTICE_PEER_UP);
	CHECK_EQ(st.window_bytes > 0, true);
	CHECK_EQ(st.packet_max >= 1232, true);
	CHECK_EQ(lattice_node_round_trip(t.a, 2, &trip, SECONDS(60)), 0);
	CHECK_EQ(trip.queue_ns + trip.crypto_ns + trip.wire_ns, trip.rtt_ns);
	CHECK(trip.crypto_ns > 0);
	rc = lattice_node_ping(t.a, 9, &rtt, SECONDS(60));
	CHECK_EQ(rc, -ENOKEY);
	expect_why(t.a, rc, "node 9 is not known");
	CHECK_EQ(lattice_node_set_remote(t.a, 2, "127.0.0.1:1", LATTICE_UDP), -EOPNOTSUPP);
	close_town(&t);
}

TEST_MAIN

/*
 * Nodes whose TCP connections come and go: every row's two nodes rest at the same time, because a connection is closed only
 * when it was idle for LAT_TCP_IDLE_NS.
 */
#include <time.h>

#include "node/nodes_harness.h"

enum { ROUNDS = 2, BURST = 20 };

static const struct row {
	const char *why;
	enum lattice_proto a, b; /* as which each knows the other's address; 0: not */
	bool kept;               /* B opens a connection again when A closed its own */
} rows[] = {
	{ "A calls", LATTICE_TCP_TRANSIENT, 0, false },
	{ "each calls", LATTICE_TCP_TRANSIENT, LATTICE_TCP_TRANSIENT, false },
	{ "B keeps one", LATTICE_TCP_TRANSIENT, LATTICE_TCP, true },
};

struct pair {
	struct side a, b;
	struct lattice_channel *ab, *ba;
	struct lattice_endpoint *at_a, *at_b;
	int32_t sent;
};

static void know(const struct side *who, const struct side *whom, enum lattice_proto proto)
{
	struct lattice_peer p = { .node = whom->id.node, .proto = proto != 0 ? proto : LATTICE_TCP };

	memcpy(p.key, whom->id.key, sizeof(p.key));
	if (proto != 0)
		(void)snprintf(p.endpoint, sizeof(p.endpoint), "127.0.0.1:%u", lattice_node_port(whom->node));
	CHECK_EQ(lattice_node_add_peer(who->node, &p), 0);
}

static uint64_t stat_of(const struct side *s, const char *name)
{
	struct lattice_stat stats[256];
	size_t n = lattice_node_stats(s->node, stats, ARRAY_LEN(stats));

	for (size_t i = 0; i < n && i < ARRAY_LEN(stats); i++)
		if (strcmp(stats[i].name, name) == 0)
			return stats[i].value;
	CHECK(false);
	return 0;
}

/* False: not in a minute. */
static bool until_stat(const struct side *s, const char *name, uint64_t value)
{
	const struct timespec nap = { .tv_nsec = 20 * LAT_NS_PER_MS };

	for (int i = 0; i < 3000 && stat_of(s, name) < value; i++)
		(void)nanosleep(&nap, NULL);
	return stat_of(s, name) >= value;
}

static void send_burst(const char *why, struct lattice_channel *ch, int32_t after)
{
	static const char data[3000];

	for (int32_t i = 1; i <= BURST; i++) {
		const struct lattice_msg msg = { .type = after + i, .data = data, .len = sizeof(data) };

		CHECK_EQ_ROW(why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
	}
}

/* On a slow machine the connection may have been closed before all came: A opens it again, as B cannot everywhere. */
static void receive_burst(const char *why, struct lattice_endpoint *ep, int32_t after, const struct side *a)
{
	static char buf[3000];
	struct lattice_msg msg;
	uint64_t rtt;

	for (int32_t i = 1; i <= BURST; i++) {
		int rc = -ETIMEDOUT;

		for (int tries = 0; tries < 20 && rc == -ETIMEDOUT; tries++) {
			rc = lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(1));
			if (rc == -ETIMEDOUT)
				CHECK_EQ_ROW(why, lattice_node_ping(a->node, 2, &rtt, SECONDS(20)), 0);
		}
		CHECK_EQ_ROW(why, rc, 0);
		CHECK_EQ_ROW(why, msg.type, after + i);
		CHECK_EQ_ROW(why, msg.seq, (uint64_t)(after + i));
	}
}

static void check_up(const char *why, const struct side *s, lattice_node_id peer)
{
	struct lattice_peer_stats p;

	CHECK_EQ_ROW(why, lattice_node_peer(s->node, peer, &p), 0);
	CHECK_ROW(why, p.up);
	CHECK_EQ_ROW(why, p.proto, LATTICE_TCP);
}

static void open_row(struct pair *p, const struct row *row)
{
	make_side(&p->a, 1);
	make_side(&p->b, 2);
	open_side(&p->a, 0);
	open_side(&p->b, free_port());
	know(&p->a, &p->b, row->a);
	know(&p->b, &p->a, row->b);
	CHECK_EQ(lattice_endpoint_open(&p->at_a, p->a.node, 7), 0);
	CHECK_EQ(lattice_endpoint_open(&p->at_b, p->b.node, 7), 0);
	CHECK_EQ_ROW(row->why, lattice_node_connect(p->a.node, 2, SECONDS(20)), 0);
	CHECK_EQ(lattice_channel_open(&p->ab, p->a.node, 1, 7, 2, 0), 0);
	CHECK_EQ(lattice_channel_open(&p->ba, p->b.node, 1, 7, 1, 0), 0);
}

static void close_row(struct pair *p)
{
	lattice_channel_close(p->ab);
	lattice_channel_close(p->ba);
	lattice_endpoint_close(p->at_a);
	lattice_endpoint_close(p->at_b);
	close_side(&p->a);
	close_side(&p->b);
}

TEST(connections_that_come_and_go)
{
	struct pair p[ARRAY_LEN(rows)];
	struct lattice_packet packet;
	char buf[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		open_row(&p[i], &rows[i]);
	for (int32_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			const char *why = rows[i].why;

			/* A packet opens it the second time, a message the first; B answers. */
			if (round > 0)
				CHECK_EQ_ROW(why, side_send(&p[i].a, 2, "packet", 6), 0);
			send_burst(why, p[i].ab, round * BURST);
			receive_burst(why, p[i].at_b, round * BURST, &p[i].a);
			send_burst(why, p[i].ba, round * BURST);
			receive_burst(why, p[i].at_a, round * BURST, &p[i].a);
			if (round > 0) {
				CHECK_EQ_ROW(why, side_recv(&p[i].b, &packet, buf, sizeof(buf)), 0);
				CHECK_EQ_ROW(why, packet.len, 6);
			}
		}
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			CHECK_ROW(rows[i].why, until_stat(&p[i].a, "net.tcp_rested",
							  rows[i].kept ? 1 : (uint64_t)round + 1));
			if (rows[i].kept)
				CHECK_ROW(rows[i].why, until_stat(&p[i].a, "net.tcp_accepted", 1));
			/* Nobody is dead. */
			check_up(rows[i].why, &p[i].a, 2);
			check_up(rows[i].why, &p[i].b, 1);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_ROW(rows[i].why, stat_of(&p[i].a, "net.tcp_connected") >= (rows[i].kept ? 1 : ROUNDS));
		CHECK_ROW(rows[i].why, stat_of(&p[i].b, "net.tcp_accepted") >= (rows[i].kept ? 1 : ROUNDS));
		if (rows[i].b == 0) /* it had no need to, and no way */
			CHECK_EQ_ROW(rows[i].why, stat_of(&p[i].b, "net.tcp_connected"), 0);
		if (rows[i].b != 0) { /* who knows the way goes it */
			send_burst(rows[i].why, p[i].ba, ROUNDS * BURST);
			receive_burst(rows[i].why, p[i].at_a, ROUNDS * BURST, &p[i].a);
			CHECK_ROW(rows[i].why, stat_of(&p[i].b, "net.tcp_connected") >= 1);
		}
		close_row(&p[i]);
	}
}

/* From kept to transient and back, without another connection. */
TEST(a_path_becomes_transient_and_is_kept_again)
{
	struct pair p;
	const struct row row = { .why = "kept first", .a = LATTICE_TCP };

	open_row(&p, &row);
	CHECK_EQ(lattice_node_set_remote(p.a.node, 2, NULL, LATTICE_TCP_TRANSIENT), 0);
	send_burst("transient", p.ab, 0);
	receive_burst("transient", p.at_b, 0, &p.a);
	CHECK(until_stat(&p.a, "net.tcp_rested", 1));
	CHECK_EQ(lattice_node_set_remote(p.a.node, 2, NULL, LATTICE_TCP), 0);
	send_burst("kept again", p.ab, BURST);
	receive_burst("kept again", p.at_b, BURST, &p.a);
	CHECK(stat_of(&p.a, "net.tcp_connected") >= 2);
	CHECK_EQ(lattice_node_set_remote(p.a.node, 2, NULL, (enum lattice_proto)4), -EINVAL);
	close_row(&p);
}

TEST_MAIN

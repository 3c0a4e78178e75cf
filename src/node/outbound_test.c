/* Channels to other nodes: what their ends are called, and what they leave behind. */
#include "node/pair_harness.h"

TEST(a_channel_closed_before_it_opened_leaves_nothing)
{
	struct lattice_channel *ch;
	struct lattice_msg msg = { 0 };
	struct pair p;

	make_pair(&p);
	introduce(&p.a, &p.b); /* B does not know A, and is silent */
	open_pair(&p);
	point(&p.a, &p.b, "127.0.0.1", LATTICE_UDP);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(lattice_channel_open(&ch, p.a.node, 1, 20, 2, 0), 0);
		CHECK_EQ(lattice_channel_send(ch, &msg, 0), -EAGAIN);
		CHECK_EQ(stat_of(p.a.node, "send.remote_channels"), 1);
		lattice_channel_close(ch);
		CHECK_EQ(stat_of(p.a.node, "send.remote_channels"), 0);
	}
	close_pair(&p);
}

TEST(how_a_channel_ends)
{
	enum how { NOBODY, ENDPOINT, PEER, OURS };
	static const struct {
		const char *why;
		enum how how;
		int want;
		const char *text;
	} rows[] = {
		{ "nobody receives", NOBODY, -ECONNREFUSED,
		  "channel 1->20@2: nobody receives as pid 20 there. Start the receiver, then open the channel again (ECONNREFUSED)" },
		{ "the endpoint closes", ENDPOINT, -EOWNERDEAD,
		  "channel 1->20@2: the receiving endpoint was closed (EOWNERDEAD)" },
		{ "the peer closes", PEER, -EOWNERDEAD,
		  "channel 1->20@2: the receiving endpoint was closed (EOWNERDEAD)" },
		{ "our node closes", OURS, -ESHUTDOWN, "the node was closed (ESHUTDOWN)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lattice_msg msg = { .type = 1 }, got;
		struct lattice_endpoint *ep = NULL;
		struct lattice_channel *ch;
		char buf[8], text[200];
		struct pair p;
		int rc = 0;

		meet(&p, "127.0.0.1", LATTICE_UDP);
		if (rows[i].how != NOBODY)
			CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 20), 0);
		CHECK_EQ(lattice_channel_open(&ch, p.a.node, 1, 20, 2, 0), 0);
		if (rows[i].how != NOBODY) {
			CHECK_EQ_ROW(rows[i].why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
			CHECK_EQ_ROW(rows[i].why,
				     lattice_endpoint_recv(ep, &got, buf, sizeof(buf), SECONDS(20)), 0);
		}
		if (rows[i].how == ENDPOINT)
			lattice_endpoint_close(ep);
		if (rows[i].how == PEER)
			lattice_node_close(p.b.node);
		if (rows[i].how == OURS)
			lattice_node_close(p.a.node);
		while (rc == 0) /* until the news is here */
			rc = lattice_channel_send(ch, &msg, SECONDS(20));
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		(void)lattice_explain(ch, rc, text, sizeof(text));
		CHECK_STR_ROW(rows[i].why, text, rows[i].text);
		/* It does not wait for what cannot come; all that was accepted may have been received. */
		CHECK_EQ_ROW(rows[i].why, lattice_channel_flush(ch, LATTICE_FOREVER) <= 0, true);
		lattice_channel_close(ch);
		if (rows[i].how != ENDPOINT)
			lattice_endpoint_close(ep);
		if (rows[i].how == PEER)
			p.b.node = NULL;
		if (rows[i].how == OURS)
			p.a.node = NULL;
		close_pair(&p);
	}
}

/* What waits for others goes by itself, soon, and whoever runs the network himself sends it by running it. */
TEST(a_burst_leaves_nothing_behind)
{
	enum { BURST = 50 };
	static const struct {
		const char *why;
		enum lattice_proto proto;
		bool no_threads;
	} rows[] = {
		{ "UDP", LATTICE_UDP, false },
		{ "TCP", LATTICE_TCP, false },
		{ "UDP, the caller runs the network", LATTICE_UDP, true },
		{ "TCP, the caller runs the network", LATTICE_TCP, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lattice_endpoint *ep;
		struct lattice_channel *ch;
		struct pair p;

		make_pair(&p);
		p.a.no_threads = rows[i].no_threads;
		open_acquainted(&p, "127.0.0.1", rows[i].proto);
		CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 20), 0);
		CHECK_EQ_ROW(rows[i].why, lattice_channel_open(&ch, p.a.node, 1, 20, 2, 0), 0);
		for (int32_t k = 0; k < BURST; k++) {
			struct lattice_msg msg = { .type = k };

			CHECK_EQ_ROW(rows[i].why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
		}
		for (int32_t k = 0; k < BURST; k++) {
			struct lattice_msg got;
			int rc = lattice_endpoint_recv(ep, &got, NULL, 0,
						       rows[i].no_threads ? 0 : SECONDS(20));

			for (; rc == -ENOMSG && rows[i].no_threads;
			     rc = lattice_endpoint_recv(ep, &got, NULL, 0, 0))
				CHECK_EQ_ROW(rows[i].why, lattice_node_poll(p.a.node, LAT_NS_PER_MS), 0);
			CHECK_EQ_ROW(rows[i].why, rc, 0);
			CHECK_EQ_ROW(rows[i].why, got.type, k);
		}
		lattice_channel_close(ch);
		lattice_endpoint_close(ep);
		close_pair(&p);
	}
}

TEST_MAIN

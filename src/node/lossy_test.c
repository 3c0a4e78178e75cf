/* Lossy channels from node to node: what was lost is told with what arrives, wherever it is received. */
#include <stdlib.h>

#include "node/pair_harness.h"
#include "os/clock.h"

enum { TOTAL_MAX = 40000 };

static const struct {
	const char *why;
	enum lattice_proto proto;
	bool attached; /* received by a process that reaches others by way of the one with the network */
} rows[] = {
	{ "UDP", LATTICE_UDP, false },
	{ "UDP, to an attached process", LATTICE_UDP, true },
	{ "TCP", LATTICE_TCP, false },
	{ "TCP, to an attached process", LATTICE_TCP, true },
};

struct run {
	const char *why;
	struct lattice_channel *ch;
	struct lattice_endpoint *ep;
	uint32_t sent, received, highest;
	uint64_t lost;
	bool seen[TOTAL_MAX + 1];
};

static void send_one(struct run *r)
{
	static const uint8_t data[200];

	CHECK_ROW(r->why, r->sent < TOTAL_MAX);
	CHECK_EQ_ROW(r->why,
		     lattice_channel_send(r->ch,
					  &(struct lattice_msg){ .type = (int32_t)++r->sent,
								 .data = data,
								 .len = sizeof(data) },
					  SECONDS(20)),
		     0);
}

/* Messages come at most once each, and what is lost grows. */
static void receive_all(struct run *r, int64_t timeout_ns)
{
	struct lattice_msg msg;
	uint8_t buf[200];

	while (lattice_endpoint_recv(r->ep, &msg, buf, sizeof(buf), timeout_ns) == 0) {
		uint32_t number = (uint32_t)msg.type;

		CHECK_ROW(r->why, number >= 1 && number <= r->sent && !r->seen[number]);
		r->seen[number] = true;
		CHECK_EQ_ROW(r->why, msg.seq, ++r->received);
		CHECK_ROW(r->why, msg.lost >= r->lost);
		r->lost = msg.lost;
		r->highest = number > r->highest ? number : r->highest;
	}
}

static void until_all_is_known(struct run *r)
{
	uint64_t deadline = lat_clock_monotonic_ns() + (uint64_t)SECONDS(60);
	uint32_t least = r->sent + 1;

	do {
		CHECK_ROW(r->why, lat_clock_monotonic_ns() < deadline);
		send_one(r);
		receive_all(r, LAT_NS_PER_S / 50);
	} while (r->highest < least || r->received + r->lost != r->highest);
}

TEST(received_and_lost_add_up)
{
	struct run *r = malloc(sizeof(*r));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lattice_node *attached = NULL;
		struct pair p;
		char at[128];

		make_pair(&p);
		(void)snprintf(at, sizeof(at), "%s/node.sock", p.b.dir);
		CHECK_EQ(setenv("LATTICE_SOCKET", at, 1), 0);
		introduce(&p.a, &p.b);
		introduce(&p.b, &p.a);
		CHECK_EQ(open_side(&p.b), 0); /* who opens first hosts */
		CHECK_EQ(open_side(&p.a), 0);
		point(&p.a, &p.b, "127.0.0.1", rows[i].proto);
		if (rows[i].attached)
			CHECK_EQ_ROW(rows[i].why,
				     lattice_node_open(&attached,
						       &(struct lattice_node_config){
							       .host = LATTICE_HOST_ATTACH }),
				     0);
		*r = (struct run){ .why = rows[i].why };
		CHECK_EQ(lattice_endpoint_open(&r->ep, attached != NULL ? attached : p.b.node, 20), 0);
		CHECK_EQ(lattice_channel_open(&r->ch, p.a.node, 10, 20, 2,
					      LATTICE_CHANNEL_LOSSY | LATTICE_CHANNEL_TOKEN_FULL),
			 0);
		until_all_is_known(r);
		/* Nobody reads: at some time there is no room, here or there. */
		while (stat_of(p.a.node, "session.lossy_drop") + stat_of(p.b.node, "session.lossy_drop") == 0)
			send_one(r);
		until_all_is_known(r);
		CHECK_ROW(rows[i].why, r->lost > 0);
		lattice_channel_close(r->ch);
		lattice_endpoint_close(r->ep);
		lattice_node_close(attached);
		close_pair(&p);
	}
	free(r);
}

TEST_MAIN

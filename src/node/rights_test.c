/* Two nodes: what one gives, the other uses, until it is taken back. */
#include <pthread.h>
#include <sched.h>

#include <lattice/cap.h>

#include "cap/chain.h"
#include "node/capability.h"
#include "node/network.h"
#include "node/node.h"
#include "node/pair_harness.h"
#include "node/remote.h"
#include "os/clock.h"
#include "wire/control.h"

enum { DST = 20, BADGE = 42 };

struct given {
	struct pair p;
	struct lattice_endpoint *ep;
};

/* Node 2 has an endpoint. */
static struct given *open_given(enum lattice_proto proto)
{
	struct given *g = calloc(1, sizeof(*g));

	meet(&g->p, "127.0.0.1", proto);
	CHECK_EQ(lattice_endpoint_open(&g->ep, g->p.b.node, DST), 0);
	return g;
}

static void close_given(struct given *g)
{
	lattice_endpoint_close(g->ep);
	close_pair(&g->p);
	free(g);
}

static struct lat_cap_right grant(struct given *g)
{
	const struct lattice_cap_terms terms = {
		.dst = DST, .rights = LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND, .badge = BADGE, .bearer = true
	};
	struct lat_cap_right right;
	struct lattice_cap *cap;

	CHECK_EQ(lattice_cap_grant(&cap, g->p.b.node, &terms), 0);
	CHECK_EQ(lat_capability_take(cap, &right), 0);
	lattice_cap_free(cap);
	return right;
}

static int take_back(struct given *g, const struct lat_cap_right *right, struct lattice_cap_told *told)
{
	struct lat_cap_desc d;

	CHECK_EQ(lat_cap_desc_decode(&d, right->desc), 0);
	return lattice_cap_revoke(g->p.b.node, d.slot, d.gen, told, SECONDS(20));
}

static struct lat_outbound *open_by(struct given *g, int32_t src, const struct lat_cap_right *right)
{
	struct lat_outbound *o;

	CHECK_EQ(lat_outbound_open(&o, g->p.a.node->network, src, DST, 2, LAT_CFLAG_RELIABLE, right), 0);
	return o;
}

static int send_one(struct lat_outbound *o)
{
	return lat_outbound_send(o, 1, "x", 1, lat_clock_until(SECONDS(20)));
}

static int recv_one(struct given *g, struct lattice_msg *msg)
{
	char buf[8];

	return lattice_endpoint_recv(g->ep, msg, buf, sizeof(buf), 0);
}

TEST(revoked)
{
	for (int tcp = 0; tcp < 2; tcp++) {
		struct given *g = open_given(tcp ? LATTICE_TCP : LATTICE_UDP);
		struct lat_cap_right right = grant(g), kept = grant(g);
		struct lat_outbound *o = open_by(g, 3, &right), *other = open_by(g, 4, &kept);
		struct lattice_cap_told told;
		struct lattice_msg msg;
		uint64_t received;
		int rc;

		for (int i = 0; i < 5; i++)
			CHECK_EQ(send_one(o), 0);
		CHECK_EQ(lat_outbound_flush(o, lat_clock_until(SECONDS(20))), 0);
		CHECK_EQ(recv_one(g, &msg), 0);
		CHECK_EQ(msg.badge, BADGE);
		CHECK_EQ(msg.source, 3);
		CHECK_EQ(recv_one(g, &msg), 0);
		CHECK_EQ(take_back(g, &right, &told), 0);
		CHECK_EQ(told.ended, 1);
		CHECK_EQ(told.channels, 1);
		CHECK_EQ(told.told, 1);
		CHECK_EQ(told.nodes, 1);
		CHECK(told.ns > 0);
		CHECK_EQ(recv_one(g, &msg), -ENOMSG); /* three were there */
		do
			rc = send_one(o);
		while (rc == 0);
		CHECK_EQ(rc, -EKEYREVOKED);
		CHECK_EQ(lat_outbound_flush(o, 0), -EKEYREVOKED);
		CHECK(lat_outbound_sent(o, &received) >= 5);
		CHECK_EQ(received, 2);
		/* Again by the same: refused, by the same word. */
		lat_outbound_close(o);
		o = open_by(g, 3, &right);
		CHECK_EQ(send_one(o), -EKEYREVOKED);
		lat_outbound_close(o);
		CHECK_EQ(send_one(other), 0);
		CHECK_EQ(lat_outbound_flush(other, lat_clock_until(SECONDS(20))), 0);
		CHECK_EQ(recv_one(g, &msg), 0);
		CHECK_EQ(msg.source, 4);
		lat_outbound_close(other);
		close_given(g);
	}
}

static const struct {
	const char *why;
	struct lat_caveat caveat;
	int rc;
} rows[] = {
	{ "as it was given", { 0 }, 0 },
	{ "by another sender", { LAT_CAVEAT_SRC_PID, 4, { 9 } }, -EACCES },
	{ "by another node", { LAT_CAVEAT_HOLDER, 16, { 9 } }, -EACCES },
	{ "too late", { LAT_CAVEAT_NOT_AFTER, 8, { 9 } }, -EKEYEXPIRED },
	{ "not to open", { LAT_CAVEAT_RIGHTS, 2, { LAT_RIGHT_SEND } }, -EACCES },
	{ "nothing that long", { LAT_CAVEAT_MAX_MSG, 4, { 12 } }, -EMSGSIZE },
};

TEST(refused)
{
	struct given *g = open_given(LATTICE_UDP);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_cap_right right = grant(g);
		struct lat_outbound *o;

		if (rows[i].caveat.type != 0)
			CHECK_EQ(lat_cap_right_narrow(&right, &rows[i].caveat), 0);
		o = open_by(g, 3, &right);
		CHECK_EQ_ROW(rows[i].why, send_one(o), rows[i].rc);
		lat_outbound_close(o);
	}
	close_given(g);
}

/* The whole of it by the public calls: granted there, passed on as text, used here, and ended there. */
TEST(from_hand_to_hand)
{
	struct given *g = open_given(LATTICE_UDP);
	const struct lattice_cap_terms terms = {
		.dst = DST, .rights = LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND, .badge = BADGE, .bearer = true
	};
	struct lattice_msg msg = { .type = 1, .data = "x", .len = 1 };
	struct lattice_cap *cap;
	struct lattice_cap_info info;
	struct lattice_channel *ch;
	char text[LATTICE_CAP_TEXT_MAX], why[300];
	uint64_t received;
	int rc;

	CHECK_EQ(lattice_cap_grant(&cap, g->p.b.node, &terms), 0);
	CHECK(lattice_cap_text(cap, text, sizeof(text)) > 0);
	lattice_cap_free(cap);
	CHECK_EQ(lattice_cap_parse(&cap, text, strlen(text)), 0);
	CHECK_EQ(lattice_cap_info(cap, &info), 0);
	CHECK_EQ(lattice_channel_open_cap(&ch, g->p.a.node, 3, DST, info.node, 0, cap), 0);
	lattice_cap_free(cap);
	CHECK_EQ(lattice_channel_send(ch, &msg, SECONDS(20)), 0);
	CHECK_EQ(lattice_channel_flush(ch, SECONDS(20)), 0);
	CHECK_EQ(recv_one(g, &msg), 0);
	CHECK_EQ(msg.badge, BADGE);
	CHECK_EQ(lattice_cap_revoke(g->p.b.node, info.slot, info.gen, NULL, SECONDS(20)), 0);
	msg = (struct lattice_msg){ .type = 1, .data = "x", .len = 1 };
	do
		rc = lattice_channel_send(ch, &msg, SECONDS(20));
	while (rc == 0);
	CHECK_EQ(rc, -EKEYREVOKED);
	lattice_explain(ch, rc, why, sizeof(why));
	CHECK(strstr(why, "revoked") != NULL);
	(void)lattice_channel_sent(ch, &received);
	CHECK_EQ(received, 1);
	lattice_channel_close(ch);
	close_given(g);
}

/* Those that are opened again when they have ended show it again, and are told again. */
TEST(opened_again)
{
	struct given *g = open_given(LATTICE_UDP);
	struct lat_cap_right right = grant(g);
	struct lat_outbound *o = open_by(g, 3, &right);
	int rc;

	lat_outbound_keep(o);
	CHECK_EQ(send_one(o), 0);
	CHECK_EQ(lat_outbound_flush(o, lat_clock_until(SECONDS(20))), 0);
	lattice_endpoint_close(g->ep);
	CHECK_EQ(lattice_endpoint_open(&g->ep, g->p.b.node, DST), 0);
	do {
		rc = send_one(o);
		if (rc == 0)
			rc = lat_outbound_flush(o, lat_clock_until(SECONDS(20)));
	} while (rc == -EOWNERDEAD);
	CHECK_EQ(rc, 0);
	CHECK_EQ(take_back(g, &right, NULL), 0);
	do
		rc = send_one(o);
	while (rc == 0);
	CHECK_EQ(rc, -EKEYREVOKED);
	CHECK_EQ(send_one(o), -EKEYREVOKED);
	lat_outbound_close(o);
	close_given(g);
}

static void *revoke_and_wait(void *arg)
{
	struct lattice_cap_told told;
	struct given *g = arg;

	CHECK_EQ(lattice_cap_revoke(g->p.b.node, 0, 1, &told, LATTICE_FOREVER), 0);
	return NULL;
}

/* Nobody is told any more by a node that was closed. */
TEST(who_waits_for_senders_does_not_outwait_the_node)
{
	struct given *g = open_given(LATTICE_UDP);
	struct lat_cap_right right = grant(g);
	struct lat_outbound *o = open_by(g, 3, &right);
	struct lattice_cap_info info;
	pthread_t thread;

	CHECK_EQ(send_one(o), 0);
	CHECK_EQ(lat_outbound_flush(o, lat_clock_until(SECONDS(20))), 0);
	pthread_mutex_lock(&g->p.a.node->network->lock); /* it does not hear of it */
	CHECK_EQ(pthread_create(&thread, NULL, revoke_and_wait, g), 0);
	while (lattice_cap_next(g->p.b.node, -1, &info) == 0)
		(void)sched_yield();
	(void)lat_node_get(g->p.b.node);
	lattice_endpoint_close(g->ep);
	lattice_node_close(g->p.b.node);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	lat_node_put(g->p.b.node);
	pthread_mutex_unlock(&g->p.a.node->network->lock);
	lat_outbound_close(o);
	close_side(&g->p.a);
	CHECK_EQ(nftw(g->p.b.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(g);
}

TEST_MAIN

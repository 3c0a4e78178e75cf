/*
 * One message at a time by the public calls, which take a short way when they can: the same calls under a scheduler's hook take the long
 * one, and both must come to the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "fastpath/wait.h"

enum { STEPS = 20000, BUF = 1024 };

static uint64_t seed = 0x2545f4914f6cdd1d;

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

static const struct lattice_sched_hook far_hook = { .ctx = &seed };

struct way {
	const struct lattice_sched_hook *hook; /* NULL: the short one, when it can */
	struct lattice_endpoint *ep;
	struct lattice_channel *ch[2];
};

static void way_open(struct way *w, struct lattice_node *node, int32_t pid, bool single)
{
	CHECK_EQ(lattice_endpoint_open(&w->ep, node, pid), 0);
	CHECK_EQ(lattice_endpoint_tune(w->ep, &(struct lattice_tuning){ .single = single }), 0);
	for (int32_t i = 0; i < 2; i++)
		CHECK_EQ(lattice_channel_open(&w->ch[i], node, i + 1, pid, 0,
					      single ? LATTICE_CHANNEL_SINGLE : 0),
			 0);
}

static void way_close(struct way *w)
{
	lattice_channel_close(w->ch[0]);
	lattice_channel_close(w->ch[1]);
	lattice_endpoint_close(w->ep);
}

static int way_send(const struct way *w, int i, const struct lattice_msg *msg)
{
	int rc;

	(void)lat_wait_hook_set(w->hook);
	rc = lattice_channel_send(w->ch[i], msg, 0);
	(void)lat_wait_hook_set(NULL);
	return rc;
}

static int way_recv(const struct way *w, struct lattice_msg *msg, void *buf, size_t cap)
{
	int rc;

	memset(msg, 0, sizeof(*msg));
	(void)lat_wait_hook_set(w->hook);
	rc = lattice_endpoint_recv(w->ep, msg, buf, cap, 0);
	(void)lat_wait_hook_set(NULL);
	return rc;
}

static void compare(bool single, int channels)
{
	struct way way[2] = { { .hook = NULL }, { .hook = &far_hook } };
	struct lattice_node *node;
	unsigned char data[BUF];
	uint64_t got[2], sent;

	CHECK_EQ(lattice_node_open(&node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }), 0);
	way_open(&way[0], node, 10, single);
	way_open(&way[1], node, 11, single);
	for (int step = 0; step < STEPS; step++) {
		uint32_t len = draw(8) == 0 ? draw(BUF) : draw(64);
		int i = (int)draw((uint32_t)channels);
		bool send = draw(1000) < ((step / 1000) % 2 == 0 ? 560U : 440U);
		struct lattice_msg m[2] = { { .type = step, .data = data, .len = len } };
		unsigned char one[BUF], two[BUF];
		int rc;

		if (send) {
			for (uint32_t k = 0; k < len; k++)
				data[k] = (unsigned char)draw(256);
			rc = way_send(&way[0], i, &m[0]);
			CHECK_EQ(way_send(&way[1], i, &m[0]), rc);
			continue;
		}
		len = draw(4) == 0 ? draw(BUF) : BUF;
		memset(one, 0x5a, sizeof(one));
		memset(two, 0x5a, sizeof(two));
		rc = way_recv(&way[0], &m[0], one, len);
		CHECK_EQ(way_recv(&way[1], &m[1], two, len), rc);
		CHECK_EQ(m[0].len, m[1].len);
		if (rc < 0)
			continue;
		CHECK(m[0].data == one && m[1].data == two);
		m[0].data = m[1].data = NULL;
		CHECK_EQ(m[0].source, m[1].source);
		CHECK_EQ(m[0].type, m[1].type);
		CHECK_EQ(m[0].badge, m[1].badge);
		CHECK_EQ(m[0].node, m[1].node);
		CHECK_EQ(m[0].seq, m[1].seq);
		CHECK_EQ(m[0].call, m[1].call);
		CHECK_EQ(memcmp(one, two, sizeof(one)), 0); /* nothing behind the message either */
	}
	for (int i = 0; i < channels; i++) {
		sent = lattice_channel_sent(way[0].ch[i], &got[0]);
		CHECK_EQ(lattice_channel_sent(way[1].ch[i], &got[1]), sent);
		CHECK_EQ(got[0], got[1]);
	}
	way_close(&way[0]);
	way_close(&way[1]);
	lattice_node_close(node);
}

static int way_take(const struct way *w, struct lattice_msg *msg, struct lattice_hold *hold)
{
	int rc;

	memset(msg, 0, sizeof(*msg));
	(void)lat_wait_hook_set(w->hook);
	rc = lattice_endpoint_take(w->ep, msg, hold, 0, 0);
	(void)lat_wait_hook_set(NULL);
	return rc;
}

static int way_lend(const struct way *w, int type, size_t bytes, unsigned char fill)
{
	struct lattice_block block;
	int rc = lattice_channel_loan(w->ch[0], bytes, &block, 0);

	if (rc < 0)
		return rc;
	memset(block.data, fill, bytes);
	rc = lattice_channel_publish(w->ch[0], &block, type, bytes, 0);
	if (rc < 0)
		lattice_channel_discard(w->ch[0], &block);
	return rc;
}

/* What is lent, or sent, is taken, and released later in some order. */
static void compare_taken(bool single)
{
	static const size_t sizes[] = { 100, 1000, 1000, 30000 };
	struct way way[2] = { { .hook = NULL }, { .hook = &far_hook } };
	struct lattice_hold held[8][2];
	struct lattice_node *node;
	uint32_t count = 0;

	CHECK_EQ(lattice_node_open(&node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }), 0);
	way_open(&way[0], node, 10, single);
	way_open(&way[1], node, 11, single);
	for (int step = 0; step < STEPS; step++) {
		struct lattice_msg m[2] = { { .type = step, .data = "short", .len = 5 } };
		size_t bytes = sizes[draw(ARRAY_LEN(sizes))];
		uint32_t i = draw(ARRAY_LEN(held));
		int rc;

		switch (draw(8)) {
		case 0:
			rc = way_send(&way[0], 0, &m[0]);
			CHECK_EQ(way_send(&way[1], 0, &m[0]), rc);
			continue;
		case 1:
		case 2:
		case 3:
			rc = way_lend(&way[0], step, bytes, (unsigned char)step);
			CHECK_EQ(way_lend(&way[1], step, bytes, (unsigned char)step), rc);
			continue;
		default:
			break;
		}
		if (count == ARRAY_LEN(held) || (count > 0 && i < count)) {
			i = i % count;
			lattice_endpoint_release(way[0].ep, &held[i][0]);
			lattice_endpoint_release(way[1].ep, &held[i][1]);
			memcpy(held[i], held[--count], sizeof(held[i]));
			continue;
		}
		rc = way_take(&way[0], &m[0], &held[count][0]);
		CHECK_EQ(way_take(&way[1], &m[1], &held[count][1]), rc);
		if (rc < 0)
			continue;
		CHECK_EQ(m[0].len, m[1].len);
		CHECK_EQ(memcmp(m[0].data, m[1].data, m[0].len), 0);
		CHECK_EQ(held[count][0].block, held[count][1].block);
		count++;
		m[0].data = m[1].data = NULL;
		CHECK_EQ(m[0].source, m[1].source);
		CHECK_EQ(m[0].type, m[1].type);
		CHECK_EQ(m[0].badge, m[1].badge);
		CHECK_EQ(m[0].node, m[1].node);
		CHECK_EQ(m[0].seq, m[1].seq);
		CHECK_EQ(m[0].call, m[1].call);
	}
	while (count > 0) {
		lattice_endpoint_release(way[0].ep, &held[--count][0]);
		lattice_endpoint_release(way[1].ep, &held[count][1]);
	}
	way_close(&way[0]);
	way_close(&way[1]);
	lattice_node_close(node);
}

TEST(taken_near_and_far)
{
	compare_taken(true);
	compare_taken(false);
}

TEST(near_and_far)
{
	compare(true, 1);
	compare(false, 1);
}

TEST(near_and_far_by_two_channels)
{
	struct lattice_node *node;
	struct lattice_msg msg = { .type = 1 };
	unsigned char buf[BUF];
	uint32_t last[2] = { 0 };
	struct way w = { .hook = NULL };

	/* In turns or not, each channel's messages are in order, and none is left. */
	CHECK_EQ(lattice_node_open(&node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }), 0);
	way_open(&w, node, 10, true);
	for (int32_t step = 1; step <= STEPS; step++) {
		msg = (struct lattice_msg){ .type = step };
		CHECK_EQ(way_send(&w, (int)draw(2), &msg), 0);
		if (draw(40) != 0)
			continue;
		while (way_recv(&w, &msg, buf, sizeof(buf)) == 0) {
			CHECK((uint32_t)msg.type > last[msg.source - 1]);
			last[msg.source - 1] = (uint32_t)msg.type;
		}
	}
	way_close(&w);
	lattice_node_close(node);
}

TEST(short_ways_end_with_the_channel)
{
	struct lattice_msg msg = { .type = 1 };
	struct lattice_node *node;
	unsigned char buf[BUF];
	struct way w = { .hook = NULL };

	CHECK_EQ(lattice_node_open(&node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }), 0);
	way_open(&w, node, 10, true);
	for (int i = 0; i < 200; i++) {
		msg = (struct lattice_msg){ .type = i };
		CHECK_EQ(way_send(&w, 0, &msg), 0);
		if (i < 150)
			CHECK_EQ(way_recv(&w, &msg, buf, sizeof(buf)), 0);
	}
	lattice_channel_close(w.ch[0]); /* what it was given is still received, and nothing else */
	w.ch[0] = NULL;
	for (int i = 150; i < 200; i++) {
		CHECK_EQ(way_recv(&w, &msg, buf, sizeof(buf)), 0);
		CHECK_EQ(msg.type, i);
	}
	CHECK_EQ(way_recv(&w, &msg, buf, sizeof(buf)), -ENOMSG);
	lattice_endpoint_close(w.ep);
	w.ep = NULL;
	msg = (struct lattice_msg){ .type = 1 };
	CHECK_EQ(way_send(&w, 1, &msg), -EOWNERDEAD);
	lattice_channel_close(w.ch[1]);
	lattice_node_close(node);
}

/* A channel that always has a block lent to it must not keep what is told of others away. */
TEST(who_takes_hears_of_others)
{
	static const int64_t waits[] = { 0, LATTICE_FOREVER };

	for (size_t i = 0; i < 2 * ARRAY_LEN(waits); i++) {
		const struct lattice_node_config cfg = { .host = LATTICE_HOST_PRIVATE };
		const struct lattice_tuning tuning = { .wait = LATTICE_WAIT_SPIN, .single = i % 2 == 0 };
		const struct lattice_msg other = { .type = 2, .data = "x", .len = 1 };
		struct lattice_channel *busy, *quiet;
		struct lattice_endpoint *ep;
		struct lattice_msg msg = { 0 };
		struct lattice_hold hold;
		struct lattice_node *node;
		int takes = 0;

		CHECK_EQ(lattice_node_open(&node, &cfg), 0);
		CHECK_EQ(lattice_endpoint_open(&ep, node, 7), 0);
		CHECK_EQ(lattice_endpoint_tune(ep, &tuning), 0);
		CHECK_EQ(lattice_channel_open(&busy, node, 1, 7, 0, 0), 0);
		CHECK_EQ(lattice_channel_open(&quiet, node, 2, 7, 0, 0), 0);
		for (; takes < 100000 && msg.source != 2; takes++) {
			struct lattice_block block;

			CHECK_EQ(lattice_channel_loan(busy, 4096, &block, 0), 0);
			CHECK_EQ(lattice_channel_publish(busy, &block, 1, 4096, 0), 0);
			if (takes == 200)
				CHECK_EQ(lattice_channel_send(quiet, &other, 0), 0);
			CHECK_EQ(lattice_endpoint_take(ep, &msg, &hold, 0, waits[i / 2]), 0);
			lattice_endpoint_release(ep, &hold);
		}
		CHECK_EQ(msg.source, 2);
		CHECK(takes < 2000);
		lattice_channel_close(busy);
		lattice_channel_close(quiet);
		lattice_endpoint_close(ep);
		lattice_node_close(node);
	}
}

TEST_MAIN

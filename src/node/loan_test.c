/* Messages that are lent, published, taken and released: within a node and to another, and memory of the caller's. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "node/pair_harness.h"

enum { MIB = 1 << 20 };

struct local {
	struct lattice_node *node;
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
};

static void local_open(struct local *l)
{
	CHECK_EQ(lattice_node_open(&l->node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE,
									    .max_msg_bytes = 8 * MIB }),
		 0);
	CHECK_EQ(lattice_endpoint_open(&l->ep, l->node, 7), 0);
	CHECK_EQ(lattice_channel_open(&l->ch, l->node, 1, 7, 0, 0), 0);
}

static void local_close(struct local *l)
{
	lattice_channel_close(l->ch);
	lattice_endpoint_close(l->ep);
	lattice_node_close(l->node);
}

static uint64_t local_stat(struct local *l, const char *name)
{
	return stat_of(l->node, name);
}

/* The same program text sends to a pid of this node and of another, and takes. */
static void send_and_take(struct lattice_channel *ch, struct lattice_endpoint *ep, bool in_place)
{
	static const struct {
		const char *why;
		size_t lend, len;
	} rows[] = {
		{ "nothing", 0, 0 },
		{ "a byte", 1, 1 },
		{ "nothing of a loan", 100, 0 },
		{ "a part of it", 4096, 1000 },
		{ "all of it", 4096, 4096 },
		{ "much", 900000, 900000 },
	};
	struct lattice_block block;
	struct lattice_hold hold;
	struct lattice_msg msg;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const unsigned char *lent, *got;

		CHECK_EQ_ROW(rows[i].why, lattice_channel_loan(ch, rows[i].lend, &block, SECONDS(20)), 0);
		CHECK_EQ_ROW(rows[i].why, (uintptr_t)block.data % 64, 0);
		CHECK_EQ_ROW(rows[i].why, block.bytes, rows[i].lend);
		memset(block.data, (int)i + 1, rows[i].lend);
		lent = block.data;
		CHECK_EQ_ROW(rows[i].why,
			     lattice_channel_publish(ch, &block, (int)i, rows[i].len, SECONDS(20)), 0);
		CHECK_ROW(rows[i].why, block.data == NULL);
		CHECK_EQ_ROW(rows[i].why, lattice_endpoint_take(ep, &msg, &hold, 0, SECONDS(20)), 0);
		got = msg.data;
		CHECK_EQ_ROW(rows[i].why, msg.type, i);
		CHECK_EQ_ROW(rows[i].why, msg.len, rows[i].len);
		CHECK_ROW(rows[i].why, !in_place || got == lent);
		for (size_t k = 0; k < msg.len; k += 97)
			CHECK_EQ_ROW(rows[i].why, got[k], i + 1);
		lattice_endpoint_release(ep, &hold);
		lattice_endpoint_release(ep, &hold); /* cleared: fine */
	}
	CHECK_EQ(lattice_endpoint_take(ep, &msg, &hold, 0, 0), -ENOMSG);
}

TEST(within_a_node)
{
	struct local l;

	local_open(&l);
	send_and_take(l.ch, l.ep, true);
	CHECK_EQ(local_stat(&l, "tier.spill_hits"), 6);
	local_close(&l);
}

TEST(to_another_node)
{
	struct lattice_endpoint *ep;
	struct lattice_channel *ch;
	struct pair p;

	meet(&p, "127.0.0.1", LATTICE_TCP);
	CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 7), 0);
	CHECK_EQ(lattice_channel_open(&ch, p.a.node, 1, 7, 2, 0), 0);
	send_and_take(ch, ep, false);
	lattice_channel_close(ch);
	lattice_endpoint_close(ep);
	close_pair(&p);
}

TEST(everything_can_be_taken)
{
	static unsigned char data[600000];
	static const size_t lens[] = { 0, 5, 48, 49, 288, 289, 5000, 100000, sizeof(data) };
	struct lattice_hold hold[ARRAY_LEN(lens)];
	struct lattice_msg msg;
	struct local l;

	local_open(&l);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		memset(data, (int)i, lens[i]);
		CHECK_EQ(lattice_channel_send(l.ch, &(struct lattice_msg){ .data = data, .len = lens[i] }, 0),
			 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		const unsigned char *got;

		CHECK_EQ(lattice_endpoint_take(l.ep, &msg, &hold[i], 0, 0), 0);
		CHECK_EQ(msg.len, lens[i]);
		got = msg.data;
		CHECK(msg.len == 0 || (got[0] == (unsigned char)i && got[msg.len - 1] == (unsigned char)i));
	}
	for (size_t i = ARRAY_LEN(lens); i > 0; i--)
		lattice_endpoint_release(l.ep, &hold[i - 1]);
	local_close(&l);
}

TEST(limits_and_misuse)
{
	struct lattice_block block = { 0 }, blocks[8], copy;
	struct lattice_hold hold;
	struct lattice_msg msg;
	struct local l;

	local_open(&l);
	CHECK_EQ(lattice_channel_loan(NULL, 1, &block, 0), -EINVAL);
	CHECK_EQ(lattice_channel_loan(l.ch, 1, NULL, 0), -EINVAL);
	CHECK_EQ(lattice_channel_loan(l.ch, 8 * MIB, &block, 0), -EMSGSIZE); /* 12 bytes are the header's */
	CHECK_EQ(lattice_channel_publish(l.ch, &block, 0, 0, 0), -EINVAL);
	CHECK_EQ(lattice_channel_publish(l.ch, NULL, 0, 0, 0), -EINVAL);
	lattice_channel_discard(l.ch, &block);
	lattice_channel_discard(l.ch, NULL);
	lattice_channel_discard(NULL, &block);
	CHECK_EQ(lattice_endpoint_take(l.ep, &msg, NULL, 0, 0), -EINVAL);
	CHECK_EQ(lattice_endpoint_take(l.ep, NULL, &hold, 0, 0), -EINVAL);
	CHECK_EQ(lattice_endpoint_take(l.ep, &msg, &hold, 2, 0), -EINVAL);
	CHECK_EQ(lattice_endpoint_take(NULL, &msg, &hold, 0, 0), -EINVAL);
	lattice_endpoint_release(NULL, NULL);

	/* Eight of nearly 8 MiB are the 64 MiB there are. */
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		CHECK_EQ(lattice_channel_loan(l.ch, 8 * MIB - 64, &blocks[i], 0), 0);
	CHECK_EQ(lattice_channel_loan(l.ch, MIB, &block, 0), -EAGAIN);
	CHECK_EQ(lattice_channel_loan(l.ch, MIB, &block, 1), -ETIMEDOUT);
	lattice_channel_discard(l.ch, &blocks[3]);
	CHECK(blocks[3].data == NULL);
	CHECK_EQ(lattice_channel_loan(l.ch, MIB, &block, 0), 0);
	CHECK_EQ(lattice_channel_publish(l.ch, &block, 0, MIB + 1, 0), -EMSGSIZE);
	copy = block;
	CHECK_EQ(lattice_channel_publish(l.ch, &block, 0, MIB, 0), 0);
	CHECK_EQ(lattice_channel_publish(l.ch, &copy, 0, MIB, 0), -EINVAL); /* published */
	lattice_channel_discard(l.ch, &copy);
	CHECK_EQ(lattice_endpoint_take(l.ep, &msg, &hold, LATTICE_TAKE_SHARED, 0), 0);
	CHECK_EQ(msg.len, MIB);
	lattice_endpoint_release(l.ep, &hold);
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		lattice_channel_discard(l.ch, &blocks[i]);
	CHECK_EQ(local_stat(&l, "tier.spill_bytes"), 0);
	local_close(&l);
}

/* What is held keeps its bytes, whatever becomes of the sender. */
TEST(a_hold_outlives_the_channel)
{
	struct lattice_block block;
	struct lattice_hold hold;
	struct lattice_msg msg;
	struct local l;

	local_open(&l);
	CHECK_EQ(lattice_channel_loan(l.ch, MIB, &block, 0), 0);
	memset(block.data, 9, MIB);
	CHECK_EQ(lattice_channel_publish(l.ch, &block, 0, MIB, 0), 0);
	CHECK_EQ(lattice_endpoint_take(l.ep, &msg, &hold, 0, 0), 0);
	lattice_channel_close(l.ch);
	l.ch = NULL;
	CHECK_EQ(((const unsigned char *)msg.data)[MIB - 1], 9);
	lattice_endpoint_release(l.ep, &hold);
	local_close(&l);
}

struct waiting {
	struct lattice_channel *ch;
	struct lattice_block block;
	int rc;
};

static void *wait_for_a_loan(void *arg)
{
	struct waiting *w = arg;

	w->rc = lattice_channel_loan(w->ch, 8 * MIB - 64, &w->block, LATTICE_FOREVER);
	return NULL;
}

TEST(a_release_wakes_who_waits_for_a_loan)
{
	struct lattice_block block;
	struct lattice_hold hold[8];
	struct lattice_msg msg;
	struct waiting w;
	pthread_t thread;
	struct local l;

	local_open(&l);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(lattice_channel_loan(l.ch, 8 * MIB - 64, &block, 0), 0);
		CHECK_EQ(lattice_channel_publish(l.ch, &block, 0, 1, 0), 0);
		CHECK_EQ(lattice_endpoint_take(l.ep, &msg, &hold[i], 0, 0), 0);
	}
	for (int i = 0; i < 8; i++) {
		w = (struct waiting){ .ch = l.ch, .rc = 1 };
		CHECK_EQ(pthread_create(&thread, NULL, wait_for_a_loan, &w), 0);
		lattice_endpoint_release(l.ep, &hold[i]);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(w.rc, 0);
	}
	local_close(&l);
}

enum { HANDED = 4000, HANDED_BYTES = 1 * MIB };

struct held {
	struct lattice_hold hold;
	uint32_t number; /* what is written in it */
};

struct handed {
	struct local l;
	int pipe[2];
};

static void *lend_many(void *arg)
{
	struct handed *h = arg;
	struct lattice_block block;

	for (uint32_t i = 0; i < HANDED; i++) {
		CHECK_EQ(lattice_channel_loan(h->l.ch, HANDED_BYTES, &block, LATTICE_FOREVER), 0);
		memcpy(block.data, &i, sizeof(i));
		CHECK_EQ(lattice_channel_publish(h->l.ch, &block, 0, HANDED_BYTES, LATTICE_FOREVER), 0);
	}
	return NULL;
}

/* Never receives. */
static void *release_many(void *arg)
{
	struct handed *h = arg;
	struct held held;
	uint32_t now;

	while (read(h->pipe[0], &held, sizeof(held)) == (ssize_t)sizeof(held)) {
		memcpy(&now, held.hold.data, sizeof(now));
		CHECK_EQ(now, held.number);
		lattice_endpoint_release(h->l.ep, &held.hold);
	}
	return NULL;
}

/* Every block is lent again and again, and none while it is held: so none is given back twice, or not at all. */
TEST(another_thread_releases_what_the_only_receiver_takes)
{
	pthread_t lender, releaser;
	struct held held;
	struct lattice_msg msg;
	struct handed h;

	local_open(&h.l);
	CHECK_EQ(lattice_endpoint_tune(h.l.ep, &(struct lattice_tuning){ .single = true }), 0);
	CHECK_EQ(pipe(h.pipe), 0);
	CHECK_EQ(pthread_create(&lender, NULL, lend_many, &h), 0);
	CHECK_EQ(pthread_create(&releaser, NULL, release_many, &h), 0);
	for (uint32_t i = 0; i < HANDED; i++) {
		CHECK_EQ(lattice_endpoint_take(h.l.ep, &msg, &held.hold, 0, LATTICE_FOREVER), 0);
		memcpy(&held.number, msg.data, sizeof(held.number));
		CHECK_EQ(held.number, i);
		if (i % 3 == 0)
			lattice_endpoint_release(h.l.ep, &held.hold);
		else
			CHECK_EQ(write(h.pipe[1], &held, sizeof(held)), sizeof(held));
	}
	close(h.pipe[1]);
	CHECK_EQ(pthread_join(lender, NULL), 0);
	CHECK_EQ(pthread_join(releaser, NULL), 0);
	close(h.pipe[0]);
	CHECK_EQ(local_stat(&h.l, "tier.spill_bytes"), 0);
	local_close(&h.l);
}

TEST(counters)
{
	static unsigned char data[20000];
	struct lattice_tier_stats t[LATTICE_TIERS];
	struct lattice_msg msg = { .data = data };
	struct local l;
	int rc = 0;

	local_open(&l);
	CHECK_EQ(lattice_fastpath_stats(NULL, t), -EINVAL);
	CHECK_EQ(lattice_fastpath_stats(l.ch, NULL), -EINVAL);
	for (int i = 0; i < 70; i++)
		CHECK_EQ(lattice_channel_send(l.ch, &msg, 0), 0);
	msg.len = sizeof(data);
	CHECK_EQ(lattice_channel_send(l.ch, &msg, 0), 0);
	CHECK_EQ(lattice_fastpath_stats(l.ch, t), 0);
	CHECK_EQ(t[LATTICE_TIER_L1].hits, 64);
	CHECK_EQ(t[LATTICE_TIER_L1].spills, 6);
	CHECK_EQ(t[LATTICE_TIER_L1].used_bytes, 4096);
	CHECK_EQ(t[LATTICE_TIER_L1].bytes, 4096);
	CHECK(t[LATTICE_TIER_L2].hits >= 6 && t[LATTICE_TIER_L2].used_bytes > 0 &&
	      t[LATTICE_TIER_L2].bytes > 0);
	CHECK_EQ(t[LATTICE_TIER_L1].hits + t[LATTICE_TIER_L2].hits + t[LATTICE_TIER_L3].hits +
			 t[LATTICE_TIER_SPILL].hits,
		 71);
	CHECK_EQ(local_stat(&l, "tier.l1_hits"), 64);
	CHECK_EQ(local_stat(&l, "tier.l1_spills"), 6);
	while (rc == 0)
		rc = lattice_endpoint_recv(l.ep, &msg, data, sizeof(data), 0);
	CHECK_EQ(rc, -ENOMSG);
	CHECK_EQ(lattice_fastpath_stats(l.ch, t), 0);
	for (int i = 0; i < LATTICE_TIERS; i++)
		CHECK(i == LATTICE_TIER_SPILL || t[i].used_bytes == 0);
	lattice_channel_close(l.ch);
	l.ch = NULL;
	CHECK_EQ(local_stat(&l, "tier.l1_hits"), 64); /* the node keeps count */
	local_close(&l);
}

static int region_memfd(size_t bytes, unsigned int flags)
{
	int fd = memfd_create("region", MFD_CLOEXEC | flags);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

TEST(regions_that_cannot_be)
{
	static const struct {
		const char *why;
		uint64_t offset, bytes;
		unsigned int flags;
		int want;
	} rows[] = {
		{ "all of it", 0, 32 * MIB, MFD_ALLOW_SEALING, 0 },
		{ "a part of it", 4096, 16 * MIB, MFD_ALLOW_SEALING, 0 },
		{ "as long as the longest message", 0, 8 * MIB, MFD_ALLOW_SEALING, 0 },
		{ "shorter than that", 0, 8 * MIB - 4096, MFD_ALLOW_SEALING, -EINVAL },
		{ "nothing", 0, 0, MFD_ALLOW_SEALING, -EINVAL },
		{ "not whole pages", 0, 16 * MIB + 1, MFD_ALLOW_SEALING, -EINVAL },
		{ "not from a page on", 100, 16 * MIB, MFD_ALLOW_SEALING, -EINVAL },
		{ "past its end", 4096, 32 * MIB, MFD_ALLOW_SEALING, -EINVAL },
		{ "far past its end", 0, UINT64_C(1) << 50, MFD_ALLOW_SEALING, -EINVAL },
		{ "an end that is none", UINT64_MAX - 4095, 16 * MIB, MFD_ALLOW_SEALING, -EINVAL },
		{ "not to be sealed", 0, 16 * MIB, 0, -EPERM },
	};
	int pipes[2];
	struct local l;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd = region_memfd(32 * MIB, rows[i].flags);
		const struct lattice_message_region region = { fd, rows[i].offset, rows[i].bytes };

		local_open(&l);
		CHECK_EQ_ROW(rows[i].why, lattice_fastpath_set_message_region(l.ch, &region), rows[i].want);
		if (rows[i].want == 0) {
			CHECK_EQ_ROW(rows[i].why, lattice_fastpath_set_message_region(l.ch, &region), -EBUSY);
			CHECK_EQ_ROW(rows[i].why, ftruncate(fd, 0), -1); /* sealed */
		}
		local_close(&l);
		close(fd);
	}
	local_open(&l);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(lattice_fastpath_set_message_region(l.ch, &(struct lattice_message_region){ pipes[0], 0,
											     16 * MIB }),
		 -EPERM);
	CHECK_EQ(lattice_fastpath_set_message_region(l.ch,
						     &(struct lattice_message_region){ -1, 0, 16 * MIB }),
		 -EBADF);
	CHECK_EQ(lattice_fastpath_set_message_region(l.ch, NULL), -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	local_close(&l);
}

TEST(a_region_of_the_callers)
{
	const size_t bytes = 32 * MIB;
	int fd = region_memfd(bytes, MFD_ALLOW_SEALING);
	unsigned char *mine = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	const unsigned char *first = NULL;
	struct lattice_block block;
	struct lattice_hold hold;
	struct lattice_msg msg;
	struct local l;

	CHECK(mine != MAP_FAILED);
	local_open(&l);
	CHECK_EQ(lattice_fastpath_set_message_region(l.ch, &(struct lattice_message_region){ fd, MIB,
											     bytes - MIB }),
		 0);
	close(fd);
	for (int round = 0; round < 3; round++) {
		CHECK_EQ(lattice_channel_loan(l.ch, 100, &block, 0), 0);
		if (round == 0)
			first = block.data;
		memset(mine + MIB + ((unsigned char *)block.data - first), round + 1,
		       100); /* what a device would do */
		CHECK_EQ(lattice_channel_publish(l.ch, &block, 0, 100, 0), 0);
		CHECK_EQ(lattice_endpoint_take(l.ep, &msg, &hold, 0, 0), 0);
		CHECK_EQ(((const unsigned char *)msg.data)[99], round + 1);
		lattice_endpoint_release(l.ep, &hold);
	}
	/* Late is too late. */
	CHECK_EQ(lattice_channel_loan(l.ch, 100, &block, 0), 0);
	CHECK_EQ(lattice_fastpath_set_message_region(l.ch,
						     &(struct lattice_message_region){ 0, 0, 16 * MIB }) < 0,
		 true);
	local_close(&l);
	munmap(mine, bytes);
}

TEST_MAIN

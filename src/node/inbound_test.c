/* Peers that ask for much, and peers that lie: what they can make a node hold, and what their end leaves behind. */
#include "node/network.h"
#include "node/node.h"
#include "node/pair_harness.h"
#include "node/remote.h"
#include "session/machine.h"
#include "wire/limits.h"

enum { CHANNELS = 31 }; /* with the longest messages, that LAT_INBOUND_PEER_BYTES has room for */

TEST(sizes)
{
	static const struct {
		const char *why;
		uint32_t len_max;
		uint64_t spill, bytes;
	} rows[] = {
		{ "the shortest limit", 56, 128, 4096 + 131072 + 128 },
		{ "the default limit", LAT_MAX_MSG_DEFAULT - 12, 2 * LAT_MAX_MSG_DEFAULT,
		  4096 + 131072 + 2 * LAT_MAX_MSG_DEFAULT },
		{ "the longest", LAT_REASM_PEER_BYTES / 2 - 12, LAT_REASM_PEER_BYTES,
		  4096 + 131072 + LAT_REASM_PEER_BYTES },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_tiers_sizes sizes;

		lat_inbound_sizes(rows[i].len_max, &sizes);
		CHECK_EQ_ROW(rows[i].why, sizes.spill_bytes, rows[i].spill);
		CHECK_EQ_ROW(rows[i].why, lat_inbound_bytes(&sizes), rows[i].bytes);
	}
}

static struct lattice_channel *open_from(struct lattice_node *node, int32_t src)
{
	struct lattice_channel *ch;

	CHECK_EQ(lattice_channel_open(&ch, node, src, 20, 2, 0), 0);
	return ch;
}

TEST(a_peer_holds_so_many_bytes)
{
	struct lattice_channel *ch[CHANNELS], *over;
	struct lattice_endpoint *ep;
	struct lattice_msg msg = { .type = 1 };
	uint64_t each;
	char buf[8], text[200];
	struct pair p;

	make_pair(&p);
	p.b.max_msg = LAT_REASM_PEER_BYTES / 2;
	open_acquainted(&p, "127.0.0.1", LATTICE_UDP);
	CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 20), 0);
	each = lat_inbound_bytes(&p.b.node->network->inbound_sizes);
	CHECK_EQ(LAT_INBOUND_PEER_BYTES / each, CHANNELS);
	for (int32_t i = 0; i < CHANNELS; i++) {
		ch[i] = open_from(p.a.node, i + 1);
		CHECK_EQ(lattice_channel_send(ch[i], &msg, SECONDS(20)), 0);
	}
	CHECK_EQ(stat_of(p.b.node, "recv.remote_bytes"), CHANNELS * each);
	CHECK_EQ(stat_of(p.b.node, "recv.remote_refused"), 0);

	over = open_from(p.a.node, 99);
	CHECK_EQ(lattice_channel_send(over, &msg, SECONDS(20)), -ENOBUFS);
	(void)lattice_explain(over, -ENOBUFS, text, sizeof(text));
	CHECK_STR(text, "channel 99->20@2: node 2 has no room for more channels from this one (ENOBUFS)");
	lattice_channel_close(over);
	CHECK_EQ(stat_of(p.b.node, "recv.remote_refused"), 1);

	/* What a closed channel left unread counts. */
	CHECK_EQ(lattice_channel_flush(ch[0], SECONDS(20)), 0);
	lattice_channel_close(ch[0]);
	until_stat(&p, p.a.node, "send.remote_channels", CHANNELS - 1);
	over = open_from(p.a.node, 99);
	CHECK_EQ(lattice_channel_send(over, &msg, SECONDS(20)), -ENOBUFS);
	lattice_channel_close(over);
	for (int i = 0; i < CHANNELS; i++) {
		msg = (struct lattice_msg){ 0 };
		CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
	}
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), 0), -ENOMSG);
	CHECK_EQ(stat_of(p.b.node, "recv.remote_bytes"), (CHANNELS - 1) * each);
	over = open_from(p.a.node, 99);
	msg = (struct lattice_msg){ .type = 2 };
	CHECK_EQ(lattice_channel_send(over, &msg, SECONDS(20)), 0);
	CHECK_EQ(lattice_endpoint_recv(ep, &msg, buf, sizeof(buf), SECONDS(20)), 0);
	CHECK_EQ(msg.source, 99);

	lattice_channel_close(over);
	for (int i = 1; i < CHANNELS; i++)
		lattice_channel_close(ch[i]);
	lattice_endpoint_close(ep);
	CHECK_EQ(stat_of(p.b.node, "recv.remote_bytes"), 0);
	close_pair(&p);
}

/* From now on its messages bear another sender's pid. */
static void make_liar(struct lattice_node *node, int32_t src)
{
	struct lat_network *net = node->network;
	struct lat_chan *c;

	pthread_mutex_lock(&net->lock);
	for (c = ((struct lat_peer *)lat_idmap_get(&net->engine->peers, 2))->chans; c != NULL; c = c->next)
		if (!c->inbound && c->src_pid == src)
			((struct lat_chan_out *)c)->q.src_pid++;
	pthread_mutex_unlock(&net->lock);
}

/*
 * Three channels whose receiver does not read: B's channels are full, and its machine holds a message for each. One of them has a
 * lie in second place. When there is room again, the lie ends the session while B is at giving the others their turn.
 */
TEST(a_liar_among_channels_that_wait)
{
	enum { LEN = 60000, BLOCK = (LEN + LAT_BLOCK_UNIT - 1) / LAT_BLOCK_UNIT * LAT_BLOCK_UNIT };
	static unsigned char data[LEN];
	struct lattice_channel *ch[3];
	struct lattice_endpoint *ep;
	struct lattice_msg msg;
	struct pair p;
	size_t fit;

	for (int32_t liar = 1; liar <= 3; liar++) {
		meet(&p, "127.0.0.1", LATTICE_TCP);
		fit = p.b.node->network->inbound_sizes.spill_bytes / BLOCK;
		CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 20), 0);
		for (int32_t src = 1; src <= 3; src++) {
			ch[src - 1] = open_from(p.a.node, src);
			msg = (struct lattice_msg){ .data = data, .len = LEN };
			for (size_t i = 0; i < fit + 1; i++)
				CHECK_EQ(lattice_channel_send(ch[src - 1], &msg, SECONDS(20)), 0);
			CHECK_EQ(lattice_channel_flush(ch[src - 1], SECONDS(20)), 0);
		}
		make_liar(p.a.node, liar);
		CHECK_EQ(lattice_channel_send(ch[liar - 1], &msg, SECONDS(20)), 0);
		CHECK_EQ(lattice_channel_flush(ch[liar - 1], SECONDS(20)), 0);

		for (int i = 0; i < 6; i++) /* each in turn */
			CHECK_EQ(lattice_endpoint_recv(ep, &msg, data, LEN, SECONDS(20)), 0);
		CHECK_EQ(stat_of(p.b.node, "session.proto"), 1);
		/* What had been handed over before is still received, then nothing. */
		while (lattice_endpoint_recv(ep, &msg, data, LEN, 0) == 0)
			;
		CHECK_EQ(stat_of(p.b.node, "recv.remote_bytes"), 0);
		for (int i = 0; i < 3; i++)
			lattice_channel_close(ch[i]);
		lattice_endpoint_close(ep);
		close_pair(&p);
	}
}

TEST_MAIN

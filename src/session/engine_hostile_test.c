/* Who is not meant to be heard: wrong keys, noise, cut packets, floods. Nothing goes out, nothing is disturbed. */
#include "session/engine_harness.h"
#include "session/machine.h"

/* ---- keys that do not fit ---- */

/* Node 0 calls node 1; what each knows is told by the row. */
static const struct {
	const char *why;
	bool wrong_peer_key; /* 0 has another key for 1 */
	bool wrong_mesh;
	bool unknown; /* 1 does not know 0 */
	bool wrong_psk;
	bool wrong_number; /* 1 has 0's key under another number */
	bool up;
	bool answered; /* M2 gives away that 0's id is known; nothing else ever answers */
	enum lat_engine_counter counter;
} keys[] = {
	{ .why = "all fits", .up = true, .answered = true, .counter = LAT_COUNT_MAX },
	{ .why = "wrong key of the called", .wrong_peer_key = true, .counter = LAT_COUNT_MAC1 },
	{ .why = "wrong mesh key", .wrong_mesh = true, .counter = LAT_COUNT_MAC1 },
	{ .why = "unknown caller", .unknown = true, .counter = LAT_COUNT_UNKNOWN_ID },
	{ .why = "wrong psk", .wrong_psk = true, .answered = true, .counter = LAT_COUNT_MAX },
	{ .why = "wrong number", .wrong_number = true, .counter = LAT_COUNT_HS_PARAMS },
};

TEST(keys_that_do_not_fit)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		for (int tcp = 0; tcp < 2; tcp++) {
			const struct world_options o = { .proto = tcp ? LAT_PROTO_TCP : LAT_PROTO_UDP,
							 .mesh_key = { 0, keys[i].wrong_mesh } };
			struct world *w = world_open(2, 1, &o);
			struct lat_peer_config cfg = { .node = 2, .path = world_path(1, o.proto) };
			uint8_t other[32] = { 9 };

			CHECK_EQ(lat_engine_peer_remove(w->node[0].engine, w->now, 2), 0);
			CHECK_EQ(lat_engine_peer_remove(w->node[1].engine, w->now, 1), 0);
			memcpy(cfg.pk, w->node[1].pk, sizeof(cfg.pk));
			if (keys[i].wrong_peer_key)
				CHECK_EQ(lat_kem_keypair(cfg.pk, other), 0);
			CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), 0);
			cfg = (struct lat_peer_config){ .node = keys[i].wrong_number ? 3 : 1,
							.psk = { keys[i].wrong_psk } };
			memcpy(cfg.pk, w->node[0].pk, sizeof(cfg.pk));
			if (!keys[i].unknown)
				CHECK_EQ(lat_engine_peer_add(w->node[1].engine, &cfg), 0);
			world_connect(w, 0, 1);
			world_run(w, 5 * SEC);
			CHECK_EQ_ROW(keys[i].why, w->node[0].state[1] == LAT_PEER_UP, keys[i].up);
			CHECK_EQ_ROW(keys[i].why, w->node[1].sent_packets != 0, keys[i].answered);
			if (keys[i].counter != LAT_COUNT_MAX)
				CHECK_ROW(keys[i].why, world_count(w, 1, keys[i].counter) > 0);
			world_close(w);
		}
}

TEST(peers_that_cannot_be_added)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 1, &o);
	struct lat_peer_config cfg = { .node = 2 };
	uint8_t other[32] = { 9 };

	memcpy(cfg.pk, w->node[1].pk, sizeof(cfg.pk));
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EEXIST);
	cfg.node = 3;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EKEYREJECTED);
	memcpy(cfg.pk, w->node[0].pk, sizeof(cfg.pk));
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EINVAL);
	CHECK_EQ(lat_kem_keypair(cfg.pk, other), 0);
	cfg.node = 1;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EINVAL);
	cfg.node = 0;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EINVAL);
	cfg.node = 0xffffffff;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), -EINVAL);
	cfg.node = 3;
	CHECK_EQ(lat_engine_peer_add(w->node[0].engine, &cfg), 0);
	CHECK_EQ(lat_engine_peer_remove(w->node[0].engine, w->now, 3), 0);
	CHECK_EQ(lat_engine_peer_remove(w->node[0].engine, w->now, 3), -ENOKEY);
	world_close(w);
}

/* ---- noise beside a live session ---- */

enum { KEPT_MAX = 64 };

static struct {
	size_t count;
	struct {
		int to;
		size_t bytes;
		uint8_t data[LAT_UDP_BASE];
	} packet[KEPT_MAX];
} kept;

static bool keep_some(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	(void)w;
	(void)from;
	if (kept.count < KEPT_MAX && bytes <= LAT_UDP_BASE) {
		kept.packet[kept.count].to = to;
		kept.packet[kept.count].bytes = bytes;
		memcpy(kept.packet[kept.count++].data, packet, bytes);
	}
	return false;
}

static struct world *live_world(struct world_chan **c)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 5, &o);
	const int from = 0;

	kept.count = 0;
	w->filter = keep_some;
	*c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
	CHECK(world_pump(w, c, &from, 1, 10, 2000, 10 * SEC));
	w->filter = NULL;
	world_run(w, 100 * MS);
	return w;
}

static void still_well(struct world *w, struct world_chan *c, const char *why)
{
	const int from = 0;

	if (!world_pump(w, &c, &from, 1, c->sent + 10, 2000, 10 * SEC) ||
	    world_chan_at(w, 1, c)->got != c->sent || w->node[1].bad != 0 || w->node[0].ups[1] != 1 ||
	    world_info(w, 0, 1).handshakes != 1) {
		print_error("%s\n", why);
		world_dump(w);
		CHECK(false);
	}
}

/* Hands bytes to a node from a stranger's address. */
static void inject(struct world *w, int to, const uint8_t *data, size_t bytes, uint8_t last_addr)
{
	struct lat_path from = world_path(last_addr - 1, LAT_PROTO_UDP);
	uint8_t copy[2048];

	from.node = 0;
	memcpy(copy, data, bytes);
	(void)!lat_engine_packet(w->node[to].engine, w->now, &from, copy, bytes);
	world_tick(w, to);
}

TEST(random_bytes)
{
	struct world_chan *c;
	struct world *w = live_world(&c);
	uint64_t before = w->node[1].sent_packets, counted = 0, after = 0;
	uint8_t data[1400];

	for (int k = 0; k < LAT_COUNT_MAX; k++)
		counted += world_count(w, 1, (enum lat_engine_counter)k);
	for (int i = 0; i < 100000; i++) {
		size_t bytes = world_random(w) % sizeof(data);

		for (size_t k = 0; k < bytes && k < 64; k++)
			data[k] = (uint8_t)world_random(w);
		if (i % 4 != 0 && bytes >= 2) { /* past the first look */
			static const size_t lengths[8] = { 0,          LAT_M1_LEN, LAT_M2_LEN,
							   LAT_M3_LEN, LAT_M4_LEN, LAT_COOKIE_LEN };

			data[0] = (uint8_t)(i % 7 + 1);
			data[1] = LAT_LWP_VERSION;
			data[2] = data[3] = 0;
			if (lengths[data[0]] != 0)
				bytes = lengths[data[0]];
		}
		inject(w, 1, data, bytes, (uint8_t)(100 + i % 100));
	}
	for (int k = 0; k < LAT_COUNT_MAX; k++)
		after += world_count(w, 1, (enum lat_engine_counter)k);
	CHECK_EQ(w->node[1].sent_packets, before);
	CHECK_EQ(after - counted, 100000);
	still_well(w, c, "after random bytes");
	world_close(w);
}

TEST(every_truncation_and_replay_of_real_packets)
{
	struct world_chan *c;
	struct world *w = live_world(&c);
	uint64_t before;

	CHECK(kept.count > 10);
	for (size_t i = 0; i < kept.count; i++)
		for (size_t cut = 0; cut < kept.packet[i].bytes; cut++) {
			before = w->node[kept.packet[i].to].sent_packets;
			inject(w, kept.packet[i].to, kept.packet[i].data, cut, 200);
			CHECK_EQ(w->node[kept.packet[i].to].sent_packets, before);
		}
	still_well(w, c, "after truncations");
	/* Whole ones again: M1 gets the stored M2 or a new one, all else silence. */
	for (size_t i = 0; i < kept.count; i++) {
		uint64_t got = world_chan_at(w, 1, c)->got;

		before = w->node[kept.packet[i].to].sent_packets;
		inject(w, kept.packet[i].to, kept.packet[i].data, kept.packet[i].bytes, 200);
		if (kept.packet[i].data[0] != LAT_PKT_M1)
			CHECK_EQ(w->node[kept.packet[i].to].sent_packets, before);
		CHECK_EQ(world_chan_at(w, 1, c)->got, got);
	}
	still_well(w, c, "after replays");
	world_run(w, 30 * SEC);
	still_well(w, c, "after the half-open entries went");
	world_close(w);
}

TEST(one_bit_of_a_live_packet)
{
	struct world_chan *c;
	struct world *w = live_world(&c);

	for (size_t i = 0; i < kept.count; i++) {
		if (kept.packet[i].data[0] != LAT_PKT_DATA)
			continue;
		for (size_t bit = 0; bit < kept.packet[i].bytes * 8 && bit < 2000; bit++) {
			uint64_t before = w->node[kept.packet[i].to].sent_packets;
			uint8_t data[LAT_UDP_BASE];

			memcpy(data, kept.packet[i].data, kept.packet[i].bytes);
			data[bit / 8] ^= (uint8_t)(1U << bit % 8);
			inject(w, kept.packet[i].to, data, kept.packet[i].bytes, 200);
			CHECK_EQ(w->node[kept.packet[i].to].sent_packets, before);
		}
	}
	still_well(w, c, "after flipped bits");
	world_close(w);
}

/* ---- floods with a right mac1 and a known id ---- */

/* A third engine with node 1's peer's key makes hellos that are as good as an identity's can be without M3. */
static void flood(struct world *w, int hellos, uint64_t every, uint8_t first_addr, int addrs)
{
	struct lat_hs_public me, peer;
	const uint8_t mesh[32] = { 0 };
	const struct lat_hs_params p1 = { .ver_max = 1, .ver_min = 1, .node = 1 };

	lat_hs_public_init(&me, w->node[0].pk, mesh);
	lat_hs_public_init(&peer, w->node[1].pk, mesh);
	for (int i = 0; i < hellos; i++) {
		struct lat_hs_initiator_random rnd;
		struct lat_hs_initiator hs;
		uint8_t m1[LAT_M1_LEN];

		world_op_random(&w->node[0], &rnd, sizeof(rnd));
		CHECK_EQ(lat_hs_m1_make(&hs, m1, &me, &peer, mesh, &p1, (uint32_t)i + 1, &rnd), 0);
		inject(w, 1, m1, sizeof(m1), (uint8_t)(first_addr + i % addrs));
		world_run(w, every);
	}
}

TEST(hello_rate_of_one_address)
{
	struct world_chan *c;
	struct world *w = live_world(&c);

	/* A burst of 5, then 20 a second. */
	flood(w, 50, MS, 200, 1);
	CHECK(world_count(w, 1, LAT_COUNT_RATE) >= 40);
	still_well(w, c, "after a flood");
	world_close(w);
}

TEST(cookies_are_demanded)
{
	struct world_chan *c;
	struct world *w = live_world(&c);
	uint64_t m2 = w->packets_of_type[LAT_PKT_M2], cookies;

	/* Many addresses: four half-open entries of one identity, and then the fifth must show a cookie. */
	flood(w, 40, 10 * MS, 100, 40);
	CHECK_EQ(world_count(w, 1, LAT_COUNT_HALF_FULL), 36);
	CHECK_EQ(w->packets_of_type[LAT_PKT_M2], m2); /* those addresses are not in this world */
	still_well(w, c, "after a flood");
	/* An honest caller shows it and comes through: node 0, restarted, while the table is full. */
	cookies = w->packets_of_type[LAT_PKT_COOKIE];
	{
		const struct world_options o = { .proto = LAT_PROTO_UDP };

		world_restart(w, 0, &o);
	}
	world_connect(w, 0, 1);
	world_run(w, 3 * SEC);
	CHECK_EQ(w->node[0].state[1], LAT_PEER_UP);
	CHECK(w->packets_of_type[LAT_PKT_COOKIE] > cookies);
	world_close(w);
}

TEST(under_load_everybody_shows_a_cookie)
{
	struct world_chan *c;
	struct world *w = live_world(&c);
	const struct world_options o = { .proto = LAT_PROTO_UDP };

	flood(w, 230, MS, 50, 150);
	world_restart(w, 0, &o);
	world_connect(w, 0, 1);
	world_run(w, 2 * SEC);
	CHECK_EQ(w->node[0].state[1], LAT_PEER_UP);
	CHECK(w->packets_of_type[LAT_PKT_COOKIE] > 0);
	world_close(w);
}

/* ---- a member who breaks the rules ---- */

static struct lat_peer *peer_of(struct world *w, int i, int j)
{
	return lat_idmap_get(&w->node[i].engine->peers, world_node_number(j));
}

static const uint8_t zeros[64];

/* What node 0 writes into a packet of chan 0, or of its channel. */
typedef void (*write_fn)(struct lat_writer *w, struct lat_chan_out *co);

static void raw(struct lat_writer *w, uint8_t type, const void *body, size_t bytes)
{
	CHECK_EQ(lat_frame_encode(w, type, 0, body, bytes), 0);
}

static void unknown_frame(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, 0x33, "", 0);
}

static void unknown_skippable(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, 0x80 | 0x33, "x", 1);
}

static void reserved_frame(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, 0x0b, "12345678", 8);
}

static void short_body(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, LAT_FRAME_PING, "1234", 4);
}

static void past_the_end(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, LAT_FRAME_PAD, "1234", 4);
	lat_put_le16(w->buf + w->len - 4 - LAT_FRAME_HDR + LAT_FRAME_LEN, 5);
}

static void other_node(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	lat_put_le32(w->buf, 77);
}

static void ack_of_nothing(struct lat_writer *w, struct lat_chan_out *co)
{
	const struct lat_frame_ack ack = { .count = 1, .range = { { .lo = 1 << 20, .hi = 1 << 20 } } };

	(void)co;
	CHECK_EQ(lat_frame_ack_encode(w, &ack), 0);
}

static void ack_of_no_channel(struct lat_writer *w, struct lat_chan_out *co)
{
	const struct lat_frame_ack ack = { .chan = 999, .count = 1, .range = { { .lo = 1, .hi = 1 } } };

	(void)co;
	CHECK_EQ(lat_frame_ack_encode(w, &ack), 0);
}

static void message_on_control(struct lat_writer *w, struct lat_chan_out *co)
{
	const uint8_t token[LAT_WIRE_TOKEN] = { 0 };
	const struct lat_frame_msg m = {
		.seq = 1, .msg_len = 12, .len = 12, .token = token, .data = (const uint8_t *)"123456789012"
	};

	(void)co;
	CHECK_EQ(lat_frame_msg_encode(w, &m), 0);
}

static void control_on_channel(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	CHECK_EQ(lat_frame_ping_encode(w, 1), 0);
}

/* A message that the channel's own token covers, with the given pids and length. */
static void message(struct lat_writer *w, struct lat_chan_out *co, int32_t src, uint32_t len, uint64_t seq,
		    bool forge)
{
	const struct lat_token_key key = { .tk = co->c.secret->tk, .cflags = co->c.cflags };
	uint8_t body[256] = { 0 }, token[LAT_WIRE_TOKEN];
	const struct lat_frame_msg m = {
		.seq = seq, .msg_len = len, .len = len, .token = token, .data = body
	};

	lat_msg_pids_encode(body, src, co->c.dst_pid);
	lat_token_of_msg(token, &key, seq, body, len);
	token[0] ^= forge;
	CHECK_EQ(lat_frame_msg_encode(w, &m), 0);
}

static void lying_pid(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid + 1, 12, co->q.next_seq, false);
}

static void no_type(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 11, co->q.next_seq, false);
}

static void wrong_token(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 12, co->q.next_seq, true);
}

static void old_message(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 12, 1, true);
}

static void beyond_credit(struct lat_writer *w, struct lat_chan_out *co)
{
	const struct lat_frame_msg m = { .seq = co->q.next_seq,
					 .msg_len = LAT_MAX_MSG_DEFAULT,
					 .frag_off = LAT_MAX_MSG_DEFAULT - 64,
					 .len = 64,
					 .data = zeros };

	CHECK_EQ(lat_frame_msg_encode(w, &m), 0);
}

static void over_max_msg(struct lat_writer *w, struct lat_chan_out *co)
{
	const uint8_t token[LAT_WIRE_TOKEN] = { 0 };
	const struct lat_frame_msg m = { .seq = co->q.next_seq,
					 .msg_len = LAT_MAX_MSG_DEFAULT + 1,
					 .len = 64,
					 .token = token,
					 .data = zeros };

	CHECK_EQ(lat_frame_msg_encode(w, &m), 0);
}

static void closed_before_what_was_sent(struct lat_writer *w, struct lat_chan_out *co)
{
	const struct lat_frame_chan_close f = { .chan = co->c.num, .final_seq = 3 };

	CHECK_EQ(lat_frame_chan_close_encode(w, &f), 0);
}

static void open_without_proof(struct lat_writer *w, struct lat_chan_out *co)
{
	const struct lat_frame_chan_open f = {
		.req = 500, .src_pid = co->c.src_pid, .dst_pid = 7, .cflags = 1
	};

	CHECK_EQ(lat_frame_chan_open_encode(w, &f), 0);
}

static void open_with_capability(struct lat_writer *w, struct lat_chan_out *co)
{
	const struct lat_frame_chan_open f = {
		.req = 501, .src_pid = co->c.src_pid, .dst_pid = 7, .cflags = 1, .desc = { 1 }
	};

	CHECK_EQ(lat_frame_chan_open_encode(w, &f), 0);
}

enum outcome { NOTHING, SESSION_ENDS, CHANNEL_ENDS };
static const struct {
	const char *why;
	bool on_channel;
	write_fn write;
	enum outcome outcome;
	int err;
	enum lat_engine_counter counter;
} broken[] = {
	{ "unknown frame", false, unknown_frame, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "unknown frame to be skipped", false, unknown_skippable, NOTHING, 0, LAT_COUNT_MAX },
	{ "reserved frame", false, reserved_frame, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "short body", false, short_body, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "frame past the packet", false, past_the_end, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "other node's number", false, other_node, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "ACK of what was not sent", false, ack_of_nothing, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "ACK of an unknown channel", false, ack_of_no_channel, NOTHING, 0, LAT_COUNT_MAX },
	{ "message on the control channel", false, message_on_control, SESSION_ENDS, -EPROTO,
	  LAT_COUNT_PROTO },
	{ "control frame on a channel", true, control_on_channel, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "pid of somebody else", true, lying_pid, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "message without a type", true, no_type, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "wrong token", true, wrong_token, CHANNEL_ENDS, -EPERM, LAT_COUNT_TOKEN },
	{ "message that was delivered before", true, old_message, NOTHING, 0, LAT_COUNT_DUP_MSG },
	{ "beyond the credit", true, beyond_credit, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "longer than announced", true, over_max_msg, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "final_seq below what was sent", false, closed_before_what_was_sent, SESSION_ENDS, -EPROTO,
	  LAT_COUNT_PROTO },
	{ "CHAN_OPEN without a proof", false, open_without_proof, NOTHING, 0, LAT_COUNT_OPEN_REFUSED },
	{ "CHAN_OPEN with a capability", false, open_with_capability, NOTHING, 0, LAT_COUNT_OPEN_REFUSED },
};

TEST(rules_broken_inside_a_session)
{
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct world_chan *c, *in;
		struct world *w = live_world(&c);
		struct lat_session *s = peer_of(w, 0, 1)->slot[LAT_SLOT_CURRENT];
		struct lat_chan_out *co = lat_idmap_get(&w->node[0].engine->handles, c->handle);
		struct lat_out o;
		bool ended;

		in = world_chan_at(w, 1, c);
		CHECK_EQ(lat_out_begin(&o, s, broken[i].on_channel ? lat_session_tx_lane(s, co) : &s->tx), 0);
		broken[i].write(&o.w, co);
		o.eliciting = true;
		CHECK_EQ(lat_out_finish(&o, w->now), 0);
		world_run(w, 200 * MS);
		ended = broken[i].outcome != NOTHING;
		CHECK_EQ_ROW(broken[i].why, in->ended, ended);
		CHECK_EQ_ROW(broken[i].why, c->ended, ended);
		if (ended) {
			CHECK_EQ_ROW(broken[i].why, in->err, broken[i].err);
			CHECK_EQ_ROW(broken[i].why, c->err, broken[i].err);
			CHECK_EQ_ROW(broken[i].why, c->last_seq, 10);
		}
		CHECK_EQ_ROW(broken[i].why, in->got, 10);
		CHECK_EQ_ROW(broken[i].why, w->node[0].state[1],
			     broken[i].outcome == SESSION_ENDS ? LAT_PEER_DOWN : LAT_PEER_UP);
		if (broken[i].counter != LAT_COUNT_MAX)
			CHECK_EQ_ROW(broken[i].why, world_count(w, 1, broken[i].counter), 1);
		if (!ended)
			still_well(w, c, broken[i].why);
		if (broken[i].outcome == SESSION_ENDS) {
			/* The next handshake waits 5 s. */
			c = world_chan_open(w, 0, 1, 2, LAT_CFLAG_RELIABLE);
			world_run(w, 4 * SEC);
			CHECK_ROW(broken[i].why, !c->open);
			world_run(w, 2 * SEC);
			CHECK_ROW(broken[i].why, c->open);
		}
		world_close(w);
	}
}

TEST_MAIN

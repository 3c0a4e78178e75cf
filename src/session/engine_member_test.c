/* Members who break rules: they have every key, and a session. What they break ends; nobody else's does. */
#include "session/engine_harness.h"
#include "session/machine.h"

static struct lat_peer *peer_of(struct world *w, int i, int j)
{
	return lat_idmap_get(&w->node[i].engine->peers, world_node_number(j));
}

static const uint8_t zeros[64];

static struct world *live_world(struct world_chan **c)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 5, &o);
	const int from = 0;

	*c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
	CHECK(world_pump(w, c, &from, 1, 10, 2000, 10 * SEC));
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

static void closed_before_what_is_held(struct lat_writer *w, struct lat_chan_out *co)
{
	const struct lat_frame_chan_close f = { .chan = co->c.num, .final_seq = 10 };

	CHECK_EQ(lat_frame_chan_close_encode(w, &f), 0);
}

static void long_name(struct lat_writer *w, struct lat_chan_out *co)
{
	uint8_t body[5 + 65] = { [4] = 65 };

	(void)co;
	raw(w, LAT_FRAME_RESOLVE, body, sizeof(body));
}

static void name_past_the_frame(struct lat_writer *w, struct lat_chan_out *co)
{
	uint8_t body[5 + 3] = { [4] = 4 };

	(void)co;
	raw(w, LAT_FRAME_RESOLVE, body, sizeof(body));
}

static void resolved_not_zero(struct lat_writer *w, struct lat_chan_out *co)
{
	uint8_t body[12] = { [11] = 1 };

	(void)co;
	raw(w, LAT_FRAME_RESOLVED, body, sizeof(body));
}

static void probe_too_far(struct lat_writer *w, struct lat_chan_out *co)
{
	uint8_t body[24] = { [12] = 17 };

	(void)co;
	raw(w, LAT_FRAME_PROBE, body, sizeof(body));
}

static void probe(struct lat_writer *w, struct lat_chan_out *co)
{
	uint8_t body[24] = { [12] = 16 };

	(void)co;
	raw(w, LAT_FRAME_PROBE, body, sizeof(body));
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
	{ "RESOLVE of a long name", false, long_name, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "RESOLVE whose name is cut", false, name_past_the_frame, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "RESOLVED with something where zero belongs", false, resolved_not_zero, SESSION_ENDS, -EPROTO,
	  LAT_COUNT_PROTO },
	{ "PROBE after 17 hops", false, probe_too_far, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "PROBE", false, probe, NOTHING, 0, LAT_COUNT_MAX },
	{ "CHAN_OPEN without a proof", false, open_without_proof, NOTHING, 0, LAT_COUNT_OPEN_REFUSED },
	{ "CHAN_OPEN with a capability", false, open_with_capability, NOTHING, 0, LAT_COUNT_OPEN_REFUSED },
};

/* Node 0 sends one packet with what @write puts into it, on its channel or on control. */
static void say(struct world *w, struct world_chan *c, bool on_channel, write_fn write)
{
	struct lat_session *s = peer_of(w, 0, 1)->slot[LAT_SLOT_CURRENT];
	struct lat_chan_out *co = lat_idmap_get(&w->node[0].engine->handles, c->handle);
	struct lat_out o;

	CHECK_EQ(lat_out_begin(&o, s, on_channel ? lat_session_tx_lane(s, co) : &s->tx), 0);
	write(&o.w, co);
	o.eliciting = true;
	CHECK_EQ(lat_out_finish(&o, w->now), 0);
}

TEST(rules_broken_inside_a_session)
{
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct world_chan *c, *in;
		struct world *w = live_world(&c);
		bool ended;

		in = world_chan_at(w, 1, c);
		say(w, c, broken[i].on_channel, broken[i].write);
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

/* ---- what was held when the rule was broken ---- */

static void good_after_next(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 12, co->q.next_seq + 1, false);
}

static void lying_after_next(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid + 1, 12, co->q.next_seq + 1, false);
}

static void next_one(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 12, co->q.next_seq, false);
}

/* The message that breaks the rule is held until the one before it comes: the end does not wait for anybody to take it. */
TEST(broken_rule_of_a_message_that_was_held)
{
	struct world_chan *c, *in;
	struct world *w = live_world(&c);

	in = world_chan_at(w, 1, c);
	say(w, c, true, lying_after_next);
	world_run(w, 20 * MS);
	CHECK(!in->ended);
	say(w, c, true, next_one);
	world_run(w, 200 * MS);
	CHECK_EQ(in->got, 11);
	CHECK(in->ended);
	CHECK_EQ(in->err, -EPROTO);
	world_close(w);
}

/* The same, noticed when the application takes what waited. */
TEST(broken_rule_found_while_draining)
{
	struct world_chan *c, *in;
	struct world *w = live_world(&c);

	in = world_chan_at(w, 1, c);
	in->room = 0;
	say(w, c, true, next_one);
	world_run(w, 20 * MS);
	say(w, c, true, lying_after_next);
	world_run(w, 20 * MS);
	CHECK(in->wants_room);
	in->room = UINT64_MAX;
	lat_engine_drain(w->node[1].engine, w->now, in->handle);
	world_run(w, 200 * MS);
	CHECK_EQ(in->got, 11);
	CHECK(in->ended);
	CHECK_EQ(in->err, -EPROTO);
	world_close(w);
}

TEST(closed_before_what_was_acknowledged)
{
	struct world_chan *c;
	struct world *w = live_world(&c);

	say(w, c, true, good_after_next);
	say(w, c, false, closed_before_what_is_held);
	world_run(w, 200 * MS);
	CHECK_EQ(world_count(w, 1, LAT_COUNT_PROTO), 1);
	CHECK_EQ(world_chan_at(w, 1, c)->err, -EPROTO);
	world_close(w);
}

/* ---- the last numbers there are ---- */

static void last_number(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 12, UINT64_MAX, false);
}

TEST(last_sequence_number)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };

	for (int reliable = 0; reliable < 2; reliable++) {
		struct world *w = world_open(2, 5, &o);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, reliable ? LAT_CFLAG_RELIABLE : 0);

		world_run(w, SEC);
		CHECK(c->open);
		say(w, c, true, last_number);
		world_run(w, SEC);
		CHECK_EQ(world_count(w, 1, LAT_COUNT_PROTO), reliable);
		CHECK_EQ(world_chan_at(w, 1, c)->got, !reliable);
		world_close(w);
	}
}

/* ---- CHAN_ACK that names another channel's number ---- */

TEST(number_of_another_channel)
{
	struct world_chan *c, *d;
	struct world *w = live_world(&c);
	struct lat_peer *p = peer_of(w, 0, 1);
	struct lat_chan_out *a, *b;
	struct lat_frame_chan_ack f = { .cflags = LAT_CFLAG_RELIABLE, .next_seq = 1 };

	d = world_chan_open(w, 0, 1, 2, LAT_CFLAG_RELIABLE);
	world_run(w, 100 * MS);
	a = lat_idmap_get(&w->node[0].engine->handles, c->handle);
	b = lat_idmap_get(&w->node[0].engine->handles, d->handle);
	f.req = a->c.req;
	f.chan = b->c.num;
	CHECK_EQ(lat_chan_out_acked(p, p->slot[LAT_SLOT_CURRENT], &f), 0);
	world_tick(w, 0);
	world_run(w, 100 * MS);
	CHECK_ROW("the other channel is not closed by it", !world_chan_at(w, 1, d)->ended);
	still_well(w, c, "after a CHAN_ACK with another's number");
	world_close(w);
}

/* ---- a rule broken by one who does not read ---- */

/* The stream towards it is full, a packet is kept for it, and then it must be told to go: nothing is left behind. */
TEST(close_past_a_full_stream)
{
	const struct world_options o = { .proto = LAT_PROTO_TCP, .max_msg = 1 << 20 };
	struct world *w = world_open(2, 5, &o);
	struct world_chan *c[2] = { world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE),
				    world_chan_open(w, 1, 0, 2, LAT_CFLAG_RELIABLE) };
	struct world_chan *back = world_chan_open(w, 0, 1, 3, LAT_CFLAG_RELIABLE);
	const int from[2] = { 1, 1 };

	CHECK(world_pump(w, c, from, 2, 200, 100000, 60 * SEC));
	CHECK(back->open);
	for (int i = 0; i < 2; i++)
		while (peer_of(w, 1, 0)->stash == NULL && world_chan_send(w, 1, c[i], 100000) == 0)
			;
	CHECK(peer_of(w, 1, 0)->stash != NULL);
	w->stream[0][1].queued[1] += WORLD_STREAM_ROOM; /* not even a CLOSE has room */
	say(w, back, false, unknown_frame);
	{ /* it arrives before anything that was sent the other way */
		struct lat_airborne *p = NULL, *q;
		size_t at = 0;

		for (size_t i = 0; i < w->air.queued; i++) {
			q = w->air.queue[i];
			if (((struct world_packet *)q)->to == 1 && (p == NULL || lat_air_before(q, p)))
				p = w->air.queue[at = i];
		}
		CHECK(p != NULL);
		p->at = w->now;
		p->order = 0;
		lat_air_up(&w->air, at);
	}
	world_run(w, 5 * SEC);
	CHECK_EQ(world_count(w, 1, LAT_COUNT_PROTO), 1);
	world_close(w);
}

TEST_MAIN

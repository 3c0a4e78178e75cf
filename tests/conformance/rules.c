/* Rules that are broken inside a session: what is broken ends, and nothing else. */
#include "conformance.h"

#include "session/member_harness.h"

static const uint8_t zeros[64];

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

/* Two pieces of one message, of which the second says what it likes. */
static void pieces(struct lat_writer *w, struct lat_chan_out *co, uint32_t len, uint32_t other_len,
		   uint32_t off)
{
	const uint8_t token[LAT_WIRE_TOKEN] = { 0 };
	const struct lat_frame_msg first = {
		.seq = co->q.next_seq, .msg_len = len, .len = 64, .token = token, .data = zeros
	};
	const struct lat_frame_msg second = {
		.seq = co->q.next_seq, .msg_len = 192, .frag_off = 64, .len = 64, .data = zeros
	};
	uint8_t *body;

	CHECK_EQ(lat_frame_msg_encode(w, &first), 0);
	body = w->buf + w->len + LAT_FRAME_HDR;
	CHECK_EQ(lat_frame_msg_encode(w, &second), 0);
	lat_put_le32(body + LAT_MSG_LEN, other_len);
	lat_put_le32(body + LAT_MSG_FRAG_OFF, off);
}

static void pieces_of_two_lengths(struct lat_writer *w, struct lat_chan_out *co)
{
	pieces(w, co, 192, 256, 64);
}

static void piece_off_the_grid(struct lat_writer *w, struct lat_chan_out *co)
{
	pieces(w, co, 192, 192, 32);
}

static void piece_past_the_end(struct lat_writer *w, struct lat_chan_out *co)
{
	pieces(w, co, 96, 96, 64);
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
	{ "pieces of one message that say two lengths", true, pieces_of_two_lengths, SESSION_ENDS, -EPROTO,
	  LAT_COUNT_PROTO },
	{ "a piece off the grid", true, piece_off_the_grid, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
	{ "a piece past the end", true, piece_past_the_end, SESSION_ENDS, -EPROTO, LAT_COUNT_PROTO },
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

struct outcome_of {
	const struct world_chan *c, *in;
	enum lat_engine_counter counter;
};

/* The other has noticed, and both sides have heard of it; or, where nothing is to happen, a PING that was sent after it came back. */
static bool over(struct world *w, void *ctx)
{
	const struct outcome_of *o = ctx;

	(void)w;
	return o->c->ended && o->in->ended;
}

static bool ponged(struct world *w, void *ctx)
{
	(void)ctx;
	return w->node[0].last_pong == 77;
}

void broken_rules(const struct way *way)
{
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct world *w = way_open(way, 5, 0);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
		const int from = 0;
		struct outcome_of o = { .c = c };
		bool ends = broken[i].outcome != NOTHING;

		CHECK_ROW(way->why, world_pump(w, &c, &from, 1, 10, 2000, 60 * SEC));
		o.in = world_chan_at(w, 1, c);
		say(w, c, broken[i].on_channel, broken[i].write);
		if (!ends)
			CHECK_EQ(lat_engine_ping(w->node[0].engine, w->now, 2, 77), 0);
		world_tick(w, 0);
		CHECK_ROW(broken[i].why, way_until(w, ends ? over : ponged, &o));
		CHECK_EQ_ROW(broken[i].why, o.in->ended || c->ended, ends);
		if (ends) {
			CHECK_EQ_ROW(broken[i].why, o.in->err, broken[i].err);
			CHECK_EQ_ROW(broken[i].why, c->err, broken[i].err);
			CHECK_EQ_ROW(broken[i].why, c->last_seq, 10);
		}
		CHECK_EQ_ROW(broken[i].why, o.in->got, 10);
		CHECK_EQ_ROW(broken[i].why, w->node[0].state[1],
			     broken[i].outcome == SESSION_ENDS ? LAT_PEER_DOWN : LAT_PEER_UP);
		if (broken[i].counter != LAT_COUNT_MAX) {
			uint64_t count = world_count(w, 1, broken[i].counter);

			/* On a busy machine what is late is sent again, and is there already. */
			CHECK_ROW(broken[i].why, way->carrier == NULL ? count == 1 : count >= 1);
		}
		if (!ends) {
			CHECK_ROW(broken[i].why, world_pump(w, &c, &from, 1, 20, 2000, 60 * SEC));
			CHECK_EQ_ROW(broken[i].why, o.in->got, 20);
			CHECK_EQ_ROW(broken[i].why, world_info(w, 0, 1).handshakes, 1);
		}
		if (broken[i].outcome == SESSION_ENDS && way->carrier == NULL) {
			/* The next handshake waits 5 s. */
			c = world_chan_open(w, 0, 1, 2, LAT_CFLAG_RELIABLE);
			world_run(w, 4 * SEC);
			CHECK_ROW(broken[i].why, !c->open);
			world_run(w, 2 * SEC);
			CHECK_ROW(broken[i].why, c->open);
		}
		CHECK_EQ_ROW(broken[i].why, w->node[0].bad + w->node[1].bad, 0);
		world_close(w);
	}
}

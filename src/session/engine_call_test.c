/* Calls between engines: a reply, exactly one, or the reason why there is none; and peers that break their rules. */
#include "session/member_harness.h"

enum { HERE = 0, THERE = 1, CALLS = LAT_CFLAG_RELIABLE | LAT_CFLAG_REVERSE };

static struct world_options options(int tcp)
{
	return (struct world_options){ .proto = tcp ? LAT_PROTO_TCP : LAT_PROTO_UDP };
}

/* What a peer may, in place of what the harness allows. */
static struct lat_cap_right right_to(struct world *w, uint16_t rights)
{
	struct lat_cap_desc want = world_want();

	want.rights = LAT_RIGHT_OPEN | rights;
	return world_grant(w, THERE, &want);
}

static struct world_chan *open_calls(struct world *w, uint16_t rights)
{
	struct lat_cap_right right = right_to(w, rights);
	struct world_chan *c = world_chan_open_by(w, HERE, THERE, 3, CALLS, &right);

	world_run(w, SEC);
	CHECK(c->open);
	return c;
}

enum { BOTH = LAT_RIGHT_SEND | LAT_RIGHT_CALL | LAT_RIGHT_BULK };

TEST(each_call_has_its_reply)
{
	static const size_t sizes[] = { 0, 1, 48, 1200, 5000, 200000 };

	for (int tcp = 0; tcp < 2; tcp++) {
		const struct world_options o = options(tcp);
		struct world *w = world_open(2, 3, &o);
		struct world_chan *c = open_calls(w, BOTH), *in;
		struct world_call call[ARRAY_LEN(sizes)];

		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			CHECK_EQ(world_call(w, HERE, c, sizes[i], 0, &call[i]), 0);
		CHECK_EQ(world_chan_send(w, HERE, c, 77), 0); /* a message among them */
		world_run(w, 5 * SEC);
		in = world_chan_at(w, THERE, c);
		CHECK_EQ(in->calls, ARRAY_LEN(sizes));
		CHECK_EQ(in->got, ARRAY_LEN(sizes) + 1);
		for (size_t i = ARRAY_LEN(sizes); i-- > 0;) /* in another order */
			CHECK_EQ(world_reply(w, THERE, in, i + 1, sizes[ARRAY_LEN(sizes) - 1 - i]), 0);
		world_run(w, 5 * SEC);
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			CHECK(call[i].over);
			CHECK_EQ(call[i].err, 0);
			CHECK_EQ(call[i].type, (int32_t)(i + 1));
			CHECK_EQ(call[i].bytes, sizes[ARRAY_LEN(sizes) - 1 - i]);
		}
		CHECK_EQ(w->node[HERE].bad + w->node[THERE].bad, 0);
		CHECK_EQ(world_reply(w, THERE, in, 1, 1), -EALREADY);
		CHECK_EQ(world_reply(w, THERE, in, 99, 1), -EINVAL);
		CHECK_EQ(world_reply(w, THERE, in, 0, 1), -EINVAL);
		CHECK_EQ(world_count(w, THERE, LAT_COUNT_LATE_REPLY), 1);
		CHECK_EQ(lat_engine_chan_close(w->node[HERE].engine, w->now, c->handle), 0);
		world_tick(w, HERE);
		world_run(w, SEC);
		CHECK(c->ended && in->ended);
		CHECK_EQ(c->err, 0);
		world_close(w);
	}
}

TEST(many_at_a_time_and_no_more)
{
	static struct world_call call[LAT_OPENCALLS_MAX + 1];
	const struct world_options o = options(false);
	struct world *w = world_open(2, 3, &o);
	struct world_chan *c = open_calls(w, BOTH), *in;

	for (int i = 0; i < LAT_OPENCALLS_MAX; i++)
		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[i]), 0);
	CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[LAT_OPENCALLS_MAX]), -ENOBUFS);
	world_run(w, SEC);
	in = world_chan_at(w, THERE, c);
	CHECK_EQ(in->calls, WORLD_CALLS); /* the application's own limit */
	while (in->calls > 0) {
		CHECK_EQ(world_reply(w, THERE, in, in->call[0], 8), 0);
		lat_engine_drain(w->node[THERE].engine, w->now, in->handle);
		world_tick(w, THERE);
		world_run(w, MS);
	}
	world_run(w, SEC);
	for (int i = 0; i < LAT_OPENCALLS_MAX; i++)
		CHECK(call[i].over && call[i].err == 0);
	CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[0]), 0);
	CHECK_EQ(w->node[HERE].bad + w->node[THERE].bad, 0);
	world_close(w);
}

/* ---- why there is no reply ---- */

static void closes(struct world *w, struct world_chan *in)
{
	lat_engine_inbound_reset(w->node[THERE].engine, w->now, in->handle, LAT_CODE_ESHUTDOWN);
	world_tick(w, THERE);
}

static void revokes(struct world *w, struct world_chan *in)
{
	world_revoke(w, THERE, in->life);
}

static void restarts(struct world *w, struct world_chan *in)
{
	const struct world_options o = options(false);

	(void)in;
	world_restart(w, THERE, &o);
	world_connect(w, THERE, HERE);
}

static void dies(struct world *w, struct world_chan *in)
{
	(void)in;
	world_crash(w, THERE);
}

static void removes(struct world *w, struct world_chan *in)
{
	(void)in;
	CHECK_EQ(lat_engine_peer_remove(w->node[HERE].engine, w->now, world_node_number(THERE)), 0);
	world_tick(w, HERE);
}

static const struct {
	const char *why;
	void (*happens)(struct world *w, struct world_chan *in);
	int err;
} ends[] = {
	{ "the receiver closes", closes, -ESHUTDOWN },  { "its right is revoked", revokes, -EKEYREVOKED },
	{ "the peer restarts", restarts, -ECONNRESET }, { "the peer is gone", dies, -ECONNRESET },
	{ "the peer is removed", removes, -ENOKEY },
};

TEST(each_cause_has_its_reason)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		const struct world_options o = options(false);
		struct world *w = world_open(2, 3, &o);
		struct world_chan *c = open_calls(w, BOTH), *in;
		struct world_call call[2];

		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[0]), 0);
		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[1]), 0);
		world_run(w, SEC);
		in = world_chan_at(w, THERE, c);
		CHECK_EQ(world_reply(w, THERE, in, 1, 8), 0);
		world_run(w, SEC);
		ends[i].happens(w, in);
		world_run(w, 300 * SEC);
		CHECK_ROW(ends[i].why, call[0].over && call[0].err == 0);
		CHECK_ROW(ends[i].why, call[1].over);
		CHECK_EQ_ROW(ends[i].why, call[1].err, ends[i].err);
		CHECK_EQ_ROW(ends[i].why, c->err, ends[i].err);
		if (w->node[THERE].engine != NULL && in->used && in->handle != 0)
			CHECK_EQ_ROW(ends[i].why, world_reply(w, THERE, in, 2, 8), -EALREADY);
		CHECK_EQ_ROW(ends[i].why, w->node[HERE].bad, 0);
		world_close(w);
	}
}

/* Its packets to HERE are lost, but for control. */
static bool no_replies(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	struct lat_data_hdr hdr;

	(void)w;
	(void)to;
	return from == THERE && lat_data_hdr_decode(&hdr, packet, bytes) == 0 && hdr.chan != 0;
}

TEST(who_answers_and_goes_has_answered)
{
	for (int revoked = 0; revoked < 2; revoked++) {
		const struct world_options o = options(false);
		struct world *w = world_open(2, 3, &o);
		struct world_chan *c = open_calls(w, BOTH), *in;
		struct world_call call[2];

		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[0]), 0);
		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[1]), 0);
		world_run(w, SEC);
		in = world_chan_at(w, THERE, c);
		w->filter = no_replies; /* the reply is lost at first */
		CHECK_EQ(world_reply(w, THERE, in, 1, 5000), 0);
		if (revoked)
			revokes(w, in);
		else
			closes(w, in);
		world_run(w, 100 * MS);
		w->filter = NULL;
		CHECK_EQ(world_reply(w, THERE, in, 2, 8), -EALREADY);
		world_run(w, 10 * SEC);
		CHECK_EQ(call[0].err, revoked ? -EKEYREVOKED : 0);
		CHECK_EQ(call[1].err, revoked ? -EKEYREVOKED : -ESHUTDOWN);
		CHECK(c->ended);
		CHECK(!lat_engine_any_reset_unacked(w->node[THERE].engine));
		CHECK_EQ(w->node[HERE].bad, 0);
		world_close(w);
	}
}

TEST(a_call_that_is_given_up)
{
	const struct world_options o = options(false);
	struct world *w = world_open(2, 3, &o);
	struct world_chan *c = open_calls(w, BOTH), *in;
	struct world_call call[3];

	for (int i = 0; i < 3; i++)
		CHECK_EQ(world_call(w, HERE, c, 8, i == 2 ? 1000000 : 0, &call[i]), 0);
	world_run(w, 100 * MS);
	in = world_chan_at(w, THERE, c);
	/* The server hears of it; or has answered by then. */
	world_cancel(w, HERE, c, &call[0]);
	CHECK_EQ(world_reply(w, THERE, in, 2, 8), 0);
	world_cancel(w, HERE, c, &call[1]);
	world_run(w, 100 * MS);
	CHECK_EQ(world_reply(w, THERE, in, 1, 8), -EALREADY);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_LATE_REPLY), 1);
	CHECK_EQ(world_count(w, HERE, LAT_COUNT_LATE_REPLY), 1);
	CHECK(!call[0].over && !call[1].over);
	/* Its time is told with it: a reply that comes later is not even sent. */
	world_run(w, SEC);
	CHECK_EQ(world_reply(w, THERE, in, 3, 8), -EALREADY);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_LATE_REPLY), 2);
	world_cancel(w, HERE, c, &call[2]);
	CHECK_EQ(world_chan_send(w, HERE, c, 100), 0);
	world_run(w, SEC);
	CHECK_EQ(in->got, 4);
	CHECK_EQ(lat_engine_chan_unacked(w->node[HERE].engine, c->handle), 0);
	CHECK_EQ(w->node[HERE].bad + w->node[THERE].bad, 0);
	world_close(w);
}

/* ---- rights ---- */

static const struct {
	const char *why;
	uint16_t rights;
	int call, send; /* what becomes of each */
} may[] = {
	{ "both", LAT_RIGHT_SEND | LAT_RIGHT_CALL, 0, 0 },
	{ "to call only", LAT_RIGHT_CALL, 0, -EACCES },
};

TEST(calls_are_a_right_of_their_own)
{
	for (size_t i = 0; i < ARRAY_LEN(may); i++) {
		const struct world_options o = options(false);
		struct world *w = world_open(2, 3, &o);
		struct world_chan *c = open_calls(w, may[i].rights);
		struct world_call call;

		CHECK_EQ_ROW(may[i].why, world_call(w, HERE, c, 8, 0, &call), 0);
		world_run(w, SEC);
		CHECK_EQ_ROW(may[i].why, world_reply(w, THERE, world_chan_at(w, THERE, c), 1, 8), 0);
		world_run(w, SEC);
		CHECK_ROW(may[i].why, call.over && call.err == may[i].call);
		CHECK_EQ(world_chan_send(w, HERE, c, 8), 0);
		world_run(w, SEC);
		CHECK_EQ_ROW(may[i].why, c->err, may[i].send);
		world_close(w);
	}
}

TEST(who_may_only_send_may_not_call)
{
	const struct world_options o = options(false);
	struct world *w = world_open(2, 3, &o);
	struct world_chan *c = open_calls(w, LAT_RIGHT_SEND), *mine;
	struct world_call call;

	/* By a capability it is known here. */
	CHECK_EQ(world_call(w, HERE, c, 8, 0, &call), -EACCES);
	/* As who it is, there alone: one call is refused, and the channel stays. */
	mine = world_chan_open(w, HERE, THERE, 4, CALLS);
	world_run(w, SEC);
	CHECK_EQ(world_call(w, HERE, mine, 8, 0, &call), 0);
	world_run(w, SEC);
	CHECK(call.over);
	CHECK_EQ(call.err, -EACCES);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_OVER_RIGHT), 1);
	CHECK_EQ(world_chan_send(w, HERE, mine, 8), 0);
	world_run(w, SEC);
	CHECK_EQ(mine->err, 0);
	CHECK_EQ(world_chan_at(w, THERE, mine)->got, 1);
	CHECK_EQ(w->node[HERE].bad + w->node[THERE].bad, 0);
	world_close(w);
}

TEST(channels_without_calls)
{
	const struct world_options o = options(false);
	struct world *w = world_open(2, 3, &o);
	struct world_chan *plain = world_chan_open(w, HERE, THERE, 4, LAT_CFLAG_RELIABLE);
	struct world_chan *lossy = world_chan_open(w, HERE, THERE, 5, LAT_CFLAG_REVERSE);
	struct world_call call;

	world_run(w, SEC);
	CHECK_EQ(world_call(w, HERE, plain, 8, 0, &call), -EOPNOTSUPP);
	CHECK_EQ(lossy->err, -EACCES);
	CHECK_EQ(world_call(w, HERE, lossy, 8, 0, &call), -ENOENT);
	world_close(w);
}

/* ---- peers that break rules ---- */

/* One message of the channel's with what a call begins with, and @len bytes in all. */
static void call_message(struct lat_writer *w, struct lat_chan_out *co, uint8_t flags, uint64_t id,
			 uint8_t zero, uint32_t len)
{
	const struct lat_token_key key = { .tk = co->c.secret->tk,
					   .cflags = co->c.cflags,
					   .rights = co->rights };
	uint8_t body[256] = { 0 }, token[LAT_WIRE_TOKEN];
	const struct lat_frame_msg m = { .flags = flags,
					 .seq = co->q.next_seq,
					 .msg_len = len,
					 .len = len,
					 .token = token,
					 .data = body };

	lat_msg_pids_encode(body, co->c.src_pid, co->c.dst_pid);
	lat_msg_call_encode(body + LAT_PIDS_LEN, &(struct lat_msg_call){ .call_id = id });
	body[LAT_PIDS_LEN + 13] = zero;
	lat_put_le32(body + LAT_PIDS_LEN + LAT_CALL_LEN, (uint32_t)m.seq);
	lat_token_of_msg(token, &key, m.seq, body, len);
	CHECK_EQ(lat_frame_msg_encode(w, &m), 0);
}

enum { WHOLE = LAT_PIDS_LEN + LAT_CALL_LEN + 4, BARE = LAT_PIDS_LEN + LAT_CALL_LEN };

/* Two calls were made, and the first was answered. */
static const struct lie {
	const char *why;
	uint8_t flags;
	uint64_t id;
	uint8_t zero;
	uint32_t len;
	bool proto; /* the session is closed */
	int err;    /* of the channel */
} lies[] = {
	{ "the next call", LAT_MSG_CALL, 3, 0, WHOLE, false, 0 },
	{ "a call's number again", LAT_MSG_CALL, 2, 0, WHOLE, true, -EPROTO },
	{ "one that was answered, again", LAT_MSG_CALL, 1, 0, WHOLE, true, -EPROTO },
	{ "a number left out", LAT_MSG_CALL, 4, 0, WHOLE, true, -EPROTO },
	{ "number 0", LAT_MSG_CALL, 0, 0, WHOLE, true, -EPROTO },
	{ "a zero that is not", LAT_MSG_CALL, 3, 1, WHOLE, true, -EPROTO },
	{ "a call without a type", LAT_MSG_CALL, 3, 0, WHOLE - 1, true, -EPROTO },
	{ "a cut call", LAT_MSG_CALL, 3, 0, BARE - 1, true, -EPROTO },
	{ "the end of an open call", LAT_MSG_CANCEL, 2, 0, BARE, false, 0 },
	{ "the end of one that was answered", LAT_MSG_CANCEL, 1, 0, BARE, false, 0 },
	{ "the end of one that never was", LAT_MSG_CANCEL, 3, 0, BARE, true, -EPROTO },
	{ "the end of call 0", LAT_MSG_CANCEL, 0, 0, BARE, true, -EPROTO },
	{ "an end with more behind it", LAT_MSG_CANCEL, 2, 0, WHOLE, true, -EPROTO },
	{ "a cut end", LAT_MSG_CANCEL, 2, 0, BARE - 1, true, -EPROTO },
	{ "a reply on a channel of calls", LAT_MSG_REPLY, 2, 0, WHOLE, false, -EACCES },
	{ "a call and its end", LAT_MSG_CALL | LAT_MSG_CANCEL, 3, 0, WHOLE, false, -EACCES },
	{ "a call with a capability", LAT_MSG_CALL | LAT_MSG_CAPS, 3, 0, WHOLE, true, -EPROTO },
	{ "all at once", LAT_MSG_CALL | LAT_MSG_REPLY | LAT_MSG_CANCEL, 3, 0, WHOLE, false, -EACCES },
};

static const struct lie *lie;

static void tell_lie(struct lat_writer *w, struct lat_chan_out *co)
{
	call_message(w, co, lie->flags, lie->id, lie->zero, lie->len);
}

TEST(a_caller_that_breaks_rules)
{
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		const struct world_options o = options(false);
		struct world *w = world_open(2, 3, &o);
		struct world_chan *c = open_calls(w, BOTH);
		struct world_call call[2];

		lie = &lies[i];
		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[0]), 0);
		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[1]), 0);
		world_run(w, SEC);
		CHECK_EQ(world_reply(w, THERE, world_chan_at(w, THERE, c), 1, 8), 0);
		world_run(w, SEC);
		say(w, c, true, tell_lie);
		world_run(w, 100 * MS);
		CHECK_EQ_ROW(lie->why, world_count(w, THERE, LAT_COUNT_PROTO), lie->proto);
		CHECK_EQ_ROW(lie->why, c->err, lie->err);
		CHECK_ROW(lie->why, call[0].over && call[0].err == 0);
		CHECK_EQ_ROW(lie->why, call[1].over, lie->err != 0);
		world_close(w);
	}
}

/* The same from the one who answers: HERE and THERE have changed sides. */
static void say_back(struct world *w, struct world_chan *in, bool on_channel, write_fn write)
{
	struct lat_session *s = peer_of(w, THERE, HERE)->slot[LAT_SLOT_CURRENT];
	struct lat_chan *c = lat_idmap_get(&w->node[THERE].engine->handles, in->handle);
	struct lat_chan_out *back = (struct lat_chan_out *)c->pair;
	struct lat_out o;

	CHECK_EQ(lat_out_begin(&o, s, on_channel ? lat_session_tx_lane(s, back) : &s->tx), 0);
	write(&o.w, back);
	o.eliciting = true;
	CHECK_EQ(lat_out_finish(&o, w->now), 0);
}

/* Two calls were made, and the first was answered. */
static const struct answer {
	struct lie lie;
	enum lat_engine_counter counter;
} answers[] = {
	{ { "the second's", LAT_MSG_REPLY, 2, 0, WHOLE, false, 0 }, LAT_COUNT_MAX },
	{ { "another one to the first", LAT_MSG_REPLY, 1, 0, WHOLE, false, 0 }, LAT_COUNT_LATE_REPLY },
	{ { "to one that never was", LAT_MSG_REPLY, 3, 0, WHOLE, false, 0 }, LAT_COUNT_NO_CALL },
	{ { "to call 0", LAT_MSG_REPLY, 0, 0, WHOLE, false, 0 }, LAT_COUNT_NO_CALL },
	{ { "without a type", LAT_MSG_REPLY, 2, 0, WHOLE - 1, true, -EPROTO }, LAT_COUNT_MAX },
	{ { "cut", LAT_MSG_REPLY, 2, 0, BARE - 1, true, -EPROTO }, LAT_COUNT_MAX },
	{ { "a zero that is not", LAT_MSG_REPLY, 2, 1, WHOLE, true, -EPROTO }, LAT_COUNT_MAX },
	{ { "with a capability", LAT_MSG_REPLY | LAT_MSG_CAPS, 2, 0, WHOLE, true, -EPROTO }, LAT_COUNT_MAX },
	{ { "a message", 0, 2, 0, WHOLE, false, -EACCES }, LAT_COUNT_MAX },
	{ { "a call", LAT_MSG_CALL, 1, 0, WHOLE, false, -EACCES }, LAT_COUNT_MAX },
	{ { "an end", LAT_MSG_CANCEL, 1, 0, BARE, false, -EACCES }, LAT_COUNT_MAX },
};

TEST(an_answerer_that_breaks_rules)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct world_options o = options(false);
		struct world *w = world_open(2, 3, &o);
		struct world_chan *c = open_calls(w, BOTH), *in;
		struct world_call call[2];

		lie = &answers[i].lie;
		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[0]), 0);
		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[1]), 0);
		world_run(w, SEC);
		in = world_chan_at(w, THERE, c);
		CHECK_EQ(world_reply(w, THERE, in, 1, 8), 0);
		world_run(w, SEC);
		call[1].tag = 0; /* its bytes are none */
		say_back(w, in, true, tell_lie);
		world_run(w, 100 * MS);
		CHECK_EQ_ROW(lie->why, world_count(w, HERE, LAT_COUNT_PROTO), lie->proto);
		CHECK_EQ_ROW(lie->why, c->err, lie->err);
		CHECK_EQ_ROW(lie->why, call[1].over, lie->err != 0 || i == 0);
		CHECK_EQ_ROW(lie->why, call[1].err, lie->err);
		if (answers[i].counter != LAT_COUNT_MAX)
			CHECK_EQ_ROW(lie->why, world_count(w, HERE, answers[i].counter), 1);
		if (lie->err == -EACCES) /* both ends know */
			CHECK_ROW(lie->why, world_chan_at(w, THERE, c)->ended);
		world_close(w);
	}
}

TEST(a_reply_that_finds_no_room_is_given_again)
{
	struct world_options o = options(false);
	struct world_call call[3];
	struct world_chan *c, *in;
	struct world *w;

	o.sendq_max = 8192;
	w = world_open(2, 3, &o);
	c = open_calls(w, BOTH);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call[i]), 0);
	world_run(w, SEC);
	in = world_chan_at(w, THERE, c);
	w->faults.loss = 1000;
	CHECK_EQ(world_reply(w, THERE, in, 1, 5000), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(world_reply(w, THERE, in, 2, 5000), -EAGAIN);
	CHECK_EQ(world_reply(w, THERE, in, 3, 8), 0); /* for that there is */
	CHECK_EQ(world_reply(w, THERE, in, 2, 5000), -EAGAIN);
	CHECK(!call[0].over && !call[1].over && !call[2].over);
	w->faults.loss = 0;
	world_run(w, 10 * SEC);
	CHECK(call[0].over && !call[1].over && call[2].over);
	CHECK_EQ(world_reply(w, THERE, in, 2, 5000), 0);
	CHECK_EQ(world_reply(w, THERE, in, 2, 5000), -EALREADY);
	world_run(w, SEC);
	for (int i = 0; i < 3; i++)
		CHECK(call[i].over && call[i].err == 0);
	CHECK_EQ(call[1].bytes, 5000);
	CHECK_EQ(w->node[HERE].bad + w->node[THERE].bad, 0);
	world_close(w);
}

/* ---- what is said of a reverse channel's number ---- */

static void closes_back(struct lat_writer *w, struct lat_chan_out *back)
{
	CHECK_EQ(lat_frame_chan_close_encode(w, &(struct lat_frame_chan_close){ .chan = back->c.num }), 0);
}

static void resets_back(struct lat_writer *w, struct lat_chan_out *back)
{
	CHECK_EQ(lat_frame_chan_reset_encode(w, &(struct lat_frame_chan_reset){ .chan = back->c.num,
										.next_seq = 1 }),
		 0);
}

TEST(a_reverse_channel_has_no_life_of_its_own)
{
	static const write_fn says[] = { closes_back, resets_back };

	for (size_t i = 0; i < ARRAY_LEN(says); i++) {
		const struct world_options o = options(false);
		struct world *w = world_open(2, 3, &o);
		struct world_chan *c = open_calls(w, BOTH);
		struct world_call call;

		CHECK_EQ(world_call(w, HERE, c, 8, 0, &call), 0);
		world_run(w, SEC);
		say_back(w, world_chan_at(w, THERE, c), false, says[i]);
		world_run(w, 100 * MS);
		CHECK_EQ(world_count(w, HERE, LAT_COUNT_PROTO), 1);
		CHECK_EQ(call.err, -EPROTO);
		world_close(w);
	}
}

static void resets_ours(struct lat_writer *w, struct lat_chan_out *co)
{
	CHECK_EQ(lat_frame_chan_reset_encode(
			 w, &(struct lat_frame_chan_reset){ .chan = co->rev_num, .side = 1, .next_seq = 1 }),
		 0);
}

TEST(nor_for_who_calls)
{
	const struct world_options o = options(false);
	struct world *w = world_open(2, 3, &o);
	struct world_chan *c = open_calls(w, BOTH);
	struct world_call call;

	CHECK_EQ(world_call(w, HERE, c, 8, 0, &call), 0);
	world_run(w, SEC);
	say(w, c, false, resets_ours);
	world_run(w, 100 * MS);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_PROTO), 1);
	world_close(w);
}

/* The caller gives the number of a channel that it receives on. */
TEST(a_number_that_is_another_channels)
{
	const struct world_options o = options(false);
	struct world *w = world_open(2, 3, &o);
	struct world_chan *other = world_chan_open(w, THERE, HERE, 9, LAT_CFLAG_RELIABLE), *c;
	struct lat_chan_out *co;
	struct lat_chan *theirs;
	struct world_call call;

	world_run(w, SEC);
	theirs = lat_idmap_get(&w->node[HERE].engine->handles, world_chan_at(w, HERE, other)->handle);
	c = world_chan_open(w, HERE, THERE, 4, CALLS);
	co = lat_idmap_get(&w->node[HERE].engine->handles, c->handle);
	CHECK(co->rev_num != 0 || co->state == LAT_OUT_OPENING);
	world_run(w, SEC);
	((struct lat_chan_in *)lat_idmap_get(&w->node[THERE].engine->handles,
					     world_chan_at(w, THERE, c)->handle))
		->rev_num = theirs->num;
	CHECK_EQ(world_call(w, HERE, c, 8, 0, &call), 0);
	world_run(w, 100 * MS);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_PROTO), 1);
	CHECK_EQ(call.err, -EPROTO);
	CHECK(other->ended);
	world_close(w);
}

TEST(channels_come_and_go_and_nothing_is_kept)
{
	const struct world_options o = options(false);
	struct world *w = world_open(2, 3, &o);
	int secrets[2];

	world_connect(w, HERE, THERE);
	world_run(w, SEC);
	secrets[HERE] = w->node[HERE].secrets;
	secrets[THERE] = w->node[THERE].secrets;
	for (int i = 0; i < 100; i++) {
		struct world_chan *c = world_chan_open(w, HERE, THERE, 4, CALLS);
		struct world_call call;

		world_run(w, 100 * MS);
		if (i % 2 == 0)
			CHECK_EQ(world_call(w, HERE, c, 8, 0, &call), 0);
		world_run(w, 100 * MS);
		CHECK_EQ(lat_engine_chan_close(w->node[HERE].engine, w->now, c->handle), 0);
		world_tick(w, HERE);
		world_run(w, 100 * MS);
		CHECK(c->ended);
		world_chan_at(w, THERE, c)->used = false;
		c->used = false;
		CHECK_EQ(w->node[HERE].secrets, secrets[HERE]);
		CHECK_EQ(w->node[THERE].secrets, secrets[THERE]);
	}
	CHECK_EQ(peer_of(w, HERE, THERE)->nums_in.count, 0);
	CHECK_EQ(peer_of(w, THERE, HERE)->nums_out.count, 0);
	CHECK_EQ(peer_of(w, HERE, THERE)->busy_count, 0);
	CHECK_EQ(peer_of(w, THERE, HERE)->busy_count, 0);
	world_close(w);
}

TEST_MAIN

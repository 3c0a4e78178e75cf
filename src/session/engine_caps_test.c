/* Messages that bring a capability (PROTOCOL 6.3, CAPS): what is taken, and what ends a channel or a session. */
#include "cap/chain.h"
#include "session/member_harness.h"

enum {
	HERE = 0,
	THERE = 1,
	ISSUER = 2,
	SENT = 10, /* messages before those by hand */
	FULL = LAT_CFLAG_RELIABLE | LAT_CFLAG_TOKEN_FULL,
	FIRST = 64, /* bytes of a first fragment */
	LIST_MAX = 1 + 2 * (LAT_MSG_CAP_LEN - 1),
	BODY_MAX = LAT_PIDS_LEN + LIST_MAX + 4,
};

static struct world *open_world(int nodes, uint16_t cflags, struct world_chan **c)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(nodes, 5, &o);

	*c = world_chan_open(w, HERE, THERE, 3, cflags);
	world_run(w, 500 * MS);
	for (int i = 0; i < SENT; i++)
		CHECK_EQ(world_chan_send(w, HERE, *c, 8), 0);
	world_run(w, 500 * MS);
	CHECK_EQ(world_chan_at(w, THERE, *c)->got, SENT);
	return w;
}

static void narrow(struct lat_cap_right *r, struct lat_caveat c)
{
	CHECK_EQ(lat_cap_right_narrow(r, &c), 0);
}

/* Of another node, and for another: a receiver does not ask whose it is. */
static struct lat_cap_right some_right(uint8_t caveats)
{
	static const uint8_t root[LAT_CAP_KEY] = { 7 };
	const struct lat_cap_desc d = { .rights = LAT_RIGHT_OPEN,
					.node = 9,
					.dst_pid = 1,
					.src_pid = LAT_CAP_ANY_PID,
					.gen = 1,
					.max_msg = 9,
					.holder = { 1, 2, 3 } };
	struct lat_cap_right r;

	lat_cap_right_issue(&r, root, &d);
	for (uint8_t i = 0; i < caveats; i++)
		narrow(&r, lat_caveat_number(LAT_CAVEAT_RATE, 100u - i));
	return r;
}

static bool same(const struct lat_cap_right *a, const struct lat_cap_right *b)
{
	return a->caveat_count == b->caveat_count && memcmp(a->desc, b->desc, sizeof(a->desc)) == 0 &&
	       memcmp(a->caveats, b->caveats, (size_t)a->caveat_count * LAT_CAP_CAVEAT) == 0 &&
	       memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

/* ---- written by hand ---- */

enum shape { WHOLE, TWICE, IN_TWO, HALF, HALF_THEN_WHOLE, HALF_THEN_RUN, RUN };

static struct {
	uint8_t list[LIST_MAX];
	size_t bytes, cut; /* of the list; of the body, left out at its end */
	uint64_t ahead;    /* of the next number */
	enum shape shape;
	uint8_t flags, later_flags; /* of the first frame, of the second */
	bool other_bytes;           /* than those of the token */
} by_hand;

static void put_right(const struct lat_cap_right *r)
{
	const struct lat_msg_cap c = {
		.desc = r->desc, .caveats = r->caveats[0], .key = r->key, .caveat_count = r->caveat_count
	};

	memset(&by_hand, 0, sizeof(by_hand));
	by_hand.bytes = lat_msg_cap_encode(by_hand.list, &c);
	by_hand.flags = by_hand.later_flags = LAT_MSG_CAPS;
}

static void put(struct lat_writer *w, struct lat_frame_msg m, uint8_t flags, uint32_t off, uint32_t len)
{
	uint8_t *frame = w->buf + w->len;

	m.data += off;
	m.frag_off = off;
	m.token = off == 0 ? m.token : NULL;
	m.len = len;
	CHECK_EQ(lat_frame_msg_encode(w, &m), 0);
	frame[1] = flags;
}

/* The same body under two numbers. */
static void put_run(struct lat_writer *w, const struct lat_token_key *key, uint8_t flags, uint64_t seq,
		    const struct lat_bytes *body)
{
	const struct lat_bytes bodies[2] = { *body, *body };
	const size_t each = 2 + body->bytes;
	uint8_t run[28 + 2 * (2 + BODY_MAX)] = { 0 };

	lat_put_le64(run, seq);
	lat_put_le16(run + 8, 2);
	lat_token_of_run(run + 12, key, seq, bodies, 2);
	for (size_t i = 0; i < 2; i++) {
		lat_put_le16(run + 28 + i * each, (uint16_t)body->bytes);
		memcpy(run + 30 + i * each, body->data, body->bytes);
	}
	CHECK_EQ(lat_frame_encode(w, LAT_FRAME_MSGS, flags, run, 28 + 2 * each), 0);
}

/* One message: its list, a type, and nothing else. */
static void write_message(struct lat_writer *w, struct lat_chan_out *co)
{
	const struct lat_token_key key = { .tk = co->c.secret->tk,
					   .cflags = co->c.cflags,
					   .rights = co->rights };
	uint8_t body[BODY_MAX] = { 0 }, token[LAT_WIRE_TOKEN];
	const uint32_t len = (uint32_t)(LAT_PIDS_LEN + by_hand.bytes + 4 - by_hand.cut);
	const struct lat_bytes all = { body, len };
	const struct lat_frame_msg m = {
		.seq = co->q.next_seq + by_hand.ahead, .msg_len = len, .token = token, .data = body
	};

	lat_msg_pids_encode(body, co->c.src_pid, co->c.dst_pid);
	memcpy(body + LAT_PIDS_LEN, by_hand.list, by_hand.bytes);
	lat_put_le32(body + LAT_PIDS_LEN + by_hand.bytes, (uint32_t)m.seq);
	lat_token_of_msg(token, &key, m.seq, body, len);
	body[LAT_PIDS_LEN + 40] ^= by_hand.other_bytes;
	if (by_hand.shape == WHOLE || by_hand.shape == TWICE)
		put(w, m, by_hand.flags, 0, len);
	else if (by_hand.shape != RUN)
		put(w, m, by_hand.flags, 0, FIRST);
	if (by_hand.shape == IN_TWO)
		put(w, m, by_hand.later_flags, FIRST, len - FIRST);
	if (by_hand.shape == TWICE || by_hand.shape == HALF_THEN_WHOLE)
		put(w, m, by_hand.later_flags, 0, len);
	if (by_hand.shape == RUN || by_hand.shape == HALF_THEN_RUN)
		put_run(w, &key, by_hand.later_flags, m.seq, &all);
}

static void as_is(void)
{
}

static void none_in_it(void)
{
	by_hand.list[0] = 0;
}

static void two_in_it(void)
{
	by_hand.list[0] = 2;
	memcpy(by_hand.list + by_hand.bytes, by_hand.list + 1, by_hand.bytes - 1);
	by_hand.bytes += by_hand.bytes - 1;
}

static void nine_caveats(void)
{
	by_hand.list[1 + LAT_CAP_DESC] = LAT_CAP_CAVEATS_MAX + 1;
}

static void more_caveats_than_there_are(void)
{
	by_hand.list[1 + LAT_CAP_DESC]++;
}

static void one_byte_short(void)
{
	by_hand.cut = 5;
}

static void no_type(void)
{
	by_hand.cut = 1;
}

static void cut_in_the_descriptor(void)
{
	by_hand.bytes = 40;
}

static void only_a_count(void)
{
	by_hand.bytes = 1;
}

static void nothing(void)
{
	by_hand.bytes = 0;
	by_hand.cut = 4;
}

static void unknown_caveat(void)
{
	by_hand.list[2 + LAT_CAP_DESC] = 99;
}

static void caveat_of_a_wrong_size(void)
{
	by_hand.list[2 + LAT_CAP_DESC + 1]++;
}

static void unknown_version(void)
{
	by_hand.list[1] = 2;
}

static void plain_flag(void)
{
	by_hand.flags = 0;
}

static void in_two(void)
{
	by_hand.shape = IN_TWO;
}

static void only_the_first_says_so(void)
{
	by_hand.shape = IN_TWO;
	by_hand.later_flags = 0;
}

static void only_the_second_says_so(void)
{
	by_hand.shape = IN_TWO;
	by_hand.flags = 0;
}

static void half_of_it(void)
{
	by_hand.shape = HALF;
}

static void half_then_whole(void)
{
	by_hand.shape = HALF_THEN_WHOLE;
}

static void half_then_whole_of_bytes(void)
{
	by_hand.shape = HALF_THEN_WHOLE;
	by_hand.later_flags = 0;
}

static void half_then_run(void)
{
	by_hand.shape = HALF_THEN_RUN;
	by_hand.later_flags = 0;
}

static void in_a_run(void)
{
	by_hand.shape = RUN;
}

static void twice(void)
{
	by_hand.shape = TWICE;
}

static void twice_of_two_minds(void)
{
	by_hand.shape = TWICE;
	by_hand.later_flags = 0;
}

static void under_a_number_that_was(void)
{
	by_hand.ahead = (uint64_t)0 - 1;
}

static void ahead(void)
{
	by_hand.ahead = 1;
}

static void a_call(void)
{
	by_hand.flags |= LAT_MSG_CALL;
}

static void unknown_flag(void)
{
	by_hand.flags |= 16;
}

static void other_bytes(void)
{
	by_hand.other_bytes = true;
}

enum { GOT = 1, BROUGHT = 2 };

static const struct {
	const char *why;
	void (*change)(void);
	uint16_t cflags;
	uint8_t caveats;
	unsigned int got;
	int err;        /* of the channel, at both ends; -EPROTO: the session's */
	int dup, token; /* counted */
} rows[] = {
	{ "one", as_is, FULL, 0, GOT | BROUGHT, 0, 0, 0 },
	{ "one with eight caveats", as_is, FULL, 8, GOT | BROUGHT, 0, 0, 0 },
	{ "of which half comes", half_of_it, FULL, 2, 0, 0, 0, 0 },
	{ "before the one ahead of it", ahead, FULL, 2, 0, 0, 0, 0 },
	{ "in two fragments", in_two, FULL, 2, GOT | BROUGHT, 0, 0, 0 },
	{ "of which only the first says so", only_the_first_says_so, FULL, 2, 0, -EPROTO, 0, 0 },
	{ "of which only the second says so", only_the_second_says_so, FULL, 2, 0, -EPROTO, 0, 0 },
	{ "half, then whole", half_then_whole, FULL, 2, GOT | BROUGHT, 0, 0, 0 },
	{ "half, then whole, but bytes", half_then_whole_of_bytes, FULL, 2, 0, -EPROTO, 0, 0 },
	{ "half, then among a run's bytes", half_then_run, FULL, 2, 0, -EPROTO, 0, 0 },
	{ "in a run", in_a_run, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "twice", twice, FULL, 1, GOT | BROUGHT, 0, 1, 0 },
	{ "twice, then bytes", twice_of_two_minds, FULL, 1, GOT | BROUGHT, 0, 1, 0 },
	{ "under a number that was received", under_a_number_that_was, FULL, 1, 0, 0, 1, 0 },
	{ "on a channel without TOKEN_FULL", as_is, LAT_CFLAG_RELIABLE, 0, 0, -EPROTO, 0, 0 },
	{ "on a lossy channel", as_is, LAT_CFLAG_TOKEN_FULL, 1, GOT | BROUGHT, 0, 0, 0 },
	{ "on a lossy channel without TOKEN_FULL", as_is, 0, 1, 0, -EPROTO, 0, 0 },
	{ "not said to be one: bytes", plain_flag, FULL, 1, GOT, 0, 0, 0 },
	{ "none", none_in_it, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "two", two_in_it, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "two of eight caveats", two_in_it, FULL, 8, 0, -EPROTO, 0, 0 },
	{ "nine caveats", nine_caveats, FULL, 8, 0, -EPROTO, 0, 0 },
	{ "a caveat fewer than it says", more_caveats_than_there_are, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "cut in its key", one_byte_short, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "cut in its descriptor", cut_in_the_descriptor, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "cut in the message's type", no_type, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "a count alone", only_a_count, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "no byte of it", nothing, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "an unknown caveat", unknown_caveat, FULL, 1, 0, -EACCES, 0, 0 },
	{ "a caveat of a wrong size", caveat_of_a_wrong_size, FULL, 1, 0, -EACCES, 0, 0 },
	{ "an unknown version", unknown_version, FULL, 1, 0, -EACCES, 0, 0 },
	{ "and a call", a_call, FULL, 1, 0, -EACCES, 0, 0 },
	{ "and an unknown flag", unknown_flag, FULL, 1, 0, -EPROTO, 0, 0 },
	{ "that its token is not of", other_bytes, FULL, 1, 0, -EPERM, 0, 1 },
};

TEST(by_hand_rows)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_cap_right right = some_right(rows[i].caveats);
		struct world_chan *c, *in;
		struct world *w = open_world(2, rows[i].cflags, &c);
		bool brought = (rows[i].got & BROUGHT) != 0;

		in = world_chan_at(w, THERE, c);
		put_right(&right);
		rows[i].change();
		say(w, c, true, write_message);
		world_run(w, 500 * MS);
		CHECK_EQ_ROW(rows[i].why, in->got, SENT + ((rows[i].got & GOT) != 0));
		CHECK_EQ_ROW(rows[i].why, in->rights, brought);
		CHECK_ROW(rows[i].why, !brought || same(&in->right, &right));
		CHECK_EQ_ROW(rows[i].why, c->err, rows[i].err);
		CHECK_EQ_ROW(rows[i].why, in->err, rows[i].err);
		CHECK_EQ_ROW(rows[i].why, world_count(w, THERE, LAT_COUNT_PROTO), rows[i].err == -EPROTO);
		CHECK_EQ_ROW(rows[i].why, world_count(w, THERE, LAT_COUNT_DUP_MSG), rows[i].dup);
		CHECK_EQ_ROW(rows[i].why, world_count(w, THERE, LAT_COUNT_TOKEN), rows[i].token);
		world_close(w);
	}
}

/* ---- what is held ---- */

static size_t held(const struct world *w)
{
	return w->node[THERE].engine->budget.used;
}

/* Takes @count more. */
static void let_in(struct world *w, struct world_chan *in, uint64_t count)
{
	in->room = count;
	lat_engine_drain(w->node[THERE].engine, w->now, in->handle);
	world_tick(w, THERE);
	world_run(w, SEC);
}

/* A list whose message never becomes whole is held as long as its channel, or on a lossy one its time, and within the bounds of all messages. */
TEST(lists_that_never_become_whole)
{
	for (int reliable = 0; reliable < 2; reliable++) {
		const uint16_t cflags = (uint16_t)(LAT_CFLAG_TOKEN_FULL |
						   (reliable ? LAT_CFLAG_RELIABLE : 0));
		struct lat_cap_right right = some_right(8);
		struct world_chan *c, *in;
		struct world *w = open_world(2, cflags, &c);
		size_t before = held(w);

		in = world_chan_at(w, THERE, c);
		put_right(&right);
		by_hand.shape = HALF;
		for (by_hand.ahead = 0; by_hand.ahead < 4; by_hand.ahead++)
			say(w, c, true, write_message);
		world_run(w, 100 * MS);
		CHECK(held(w) > before);
		CHECK_EQ(in->got, SENT);
		if (reliable)
			lat_engine_inbound_reset(w->node[THERE].engine, w->now, in->handle, LAT_CODE_OK);
		world_run(w, 10 * SEC);
		CHECK(held(w) <= before);
		CHECK_EQ(in->rights, 0);
		CHECK_EQ(w->node[THERE].bad, 0);
		world_close(w);
	}
}

/* Credit counts the list like any bytes: who sends past it has broken a rule. What was within it is received. */
TEST(lists_beyond_the_credit)
{
	struct lat_cap_right right = some_right(8);
	struct world_chan *c, *in;
	struct world *w = open_world(2, FULL, &c);

	in = world_chan_at(w, THERE, c);
	in->room = 0;
	put_right(&right);
	for (by_hand.ahead = 0; !c->ended && by_hand.ahead < 10000; by_hand.ahead++) {
		say(w, c, true, write_message);
		world_run(w, MS);
	}
	CHECK_EQ(c->err, -EPROTO);
	CHECK(held(w) < 1 << 20);
	CHECK_EQ(in->rights, 0);
	let_in(w, in, UINT64_MAX);
	CHECK_EQ(in->err, -EPROTO);
	CHECK(in->rights > 4 && in->rights < by_hand.ahead);
	CHECK_EQ(w->node[THERE].bad, 0);
	world_close(w);
}

/* ---- sent by the call ---- */

static int send_cap(struct world *w, struct world_chan *c, const struct lat_cap_right *right, size_t bytes)
{
	static uint8_t data[1 << 17];
	int rc;

	world_fill(data, bytes, c->tag, c->sent + 1);
	rc = lat_engine_chan_send_cap(w->node[HERE].engine, w->now, c->handle, right, (int32_t)(c->sent + 1),
				      data, bytes, NULL);
	c->sent += rc == 0;
	world_tick(w, HERE);
	return rc;
}

/* Each comes with its own message, in order, also when nobody takes the one before for a while. */
TEST(while_the_one_before_is_not_taken)
{
	struct world_chan *c, *in;
	struct world *w = open_world(2, FULL, &c);
	struct lat_cap_right right[3] = { some_right(0), some_right(4), some_right(8) };

	in = world_chan_at(w, THERE, c);
	in->room = 0;
	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(send_cap(w, c, &right[i], 8 + 2000 * i), 0);
		CHECK_EQ(world_chan_send(w, HERE, c, 8), 0);
	}
	world_run(w, SEC);
	CHECK_EQ(in->got, SENT);
	for (size_t i = 0; i < 3; i++) {
		let_in(w, in, 1);
		CHECK_EQ(in->rights, i + 1);
		CHECK_EQ(in->got, SENT + 2 * i + 1);
		CHECK(same(&in->right, &right[i]));
		let_in(w, in, 1);
		CHECK_EQ(in->rights, i + 1);
		CHECK_EQ(in->got, SENT + 2 * i + 2);
	}
	CHECK_EQ(c->err, 0);
	CHECK_EQ(w->node[THERE].bad, 0);
	world_close(w);
}

/* Over a path that loses, doubles and reorders. */
TEST(sent_among_others)
{
	struct world_chan *c, *in;
	struct world *w = open_world(2, FULL, &c);
	struct lat_cap_right right = some_right(3);
	uint64_t brought = 0, until = w->now + 60 * SEC;

	in = world_chan_at(w, THERE, c);
	w->faults =
		(struct lat_faults){ .loss = 100, .dup = 50, .late = 100, .delay = 5 * MS, .jitter = 5 * MS };
	while (c->sent < SENT + 200 && w->now < until) {
		size_t bytes = c->sent % 2 == 0 ? 5000 : 8;
		bool brings = c->sent % 3 == 0;

		if ((brings ? send_cap(w, c, &right, bytes) : world_chan_send(w, HERE, c, bytes)) == 0)
			brought += brings;
		else
			world_run(w, 10 * MS);
	}
	world_run(w, 20 * SEC);
	CHECK_EQ(in->got, SENT + 200);
	CHECK_EQ(in->rights, brought);
	CHECK(same(&in->right, &right));
	CHECK_EQ(w->node[THERE].bad, 0);
	CHECK_EQ(c->err, 0);
	world_close(w);
}

/* The list counts for what the channel's own right says of lengths, at both ends. */
TEST(longer_than_it_may)
{
	const struct lat_cap_right right = some_right(1);
	const uint32_t list = 1 + LAT_CAP_DESC + 1 + LAT_CAP_CAVEAT + LAT_CAP_KEY, head = LAT_PIDS_LEN + 4;

	for (uint32_t spare = 0; spare < 2; spare++) {
		const struct world_options o = { .proto = LAT_PROTO_UDP };
		struct world *w = world_open(2, 5, &o);
		struct lat_cap_desc want = world_want();
		struct lat_cap_right opens;
		struct world_chan *c;

		want.max_msg = head + list + spare;
		opens = world_grant(w, THERE, &want);
		c = world_chan_open_by(w, HERE, THERE, 3, FULL, &opens);
		world_run(w, SEC);
		CHECK_EQ(send_cap(w, c, &right, spare + 1), -EMSGSIZE);
		CHECK_EQ(send_cap(w, c, &right, spare), 0);
		world_run(w, 100 * MS);
		CHECK_EQ(world_chan_at(w, THERE, c)->rights, 1);
		/* Who sends it all the same loses the channel. */
		put_right(&right);
		by_hand.bytes += spare + 1;
		say(w, c, true, write_message);
		world_run(w, 100 * MS);
		CHECK_EQ(c->err, -EMSGSIZE);
		CHECK_EQ(c->last_seq, 1);
		CHECK_EQ(world_count(w, THERE, LAT_COUNT_OVER_RIGHT), 1);
		world_close(w);
	}
}

TEST(what_is_not_sent)
{
	struct world_chan *c, *full;
	struct world *w = open_world(2, LAT_CFLAG_RELIABLE, &c);
	struct lat_cap_right right = some_right(1);

	full = world_chan_open(w, HERE, THERE, 4, FULL);
	world_run(w, SEC);
	CHECK_EQ(send_cap(w, c, &right, 8), -EINVAL);
	CHECK_EQ(send_cap(w, full, &right, 8), 0);
	right.caveats[0][0] = 99;
	CHECK_EQ(send_cap(w, full, &right, 8), -EACCES);
	right.caveats[0][0] = LAT_CAVEAT_RATE;
	right.desc[0] = 9;
	CHECK_EQ(send_cap(w, full, &right, 8), -EPROTO);
	CHECK_EQ(lat_engine_chan_close(w->node[HERE].engine, w->now, full->handle), 0);
	right = some_right(1);
	CHECK_EQ(send_cap(w, full, &right, 8), -ENOENT);
	world_close(w);
}

/* ---- what was brought is used ---- */

static void holder(struct world *w, struct lat_cap_right *r, int index)
{
	struct lat_hs_public pub;
	const uint8_t mesh[32] = { 0 };

	lat_hs_public_init(&pub, w->node[index].pk, mesh);
	narrow(r, lat_caveat_holder(pub.fp));
}

static void for_who_gets_it(struct world *w, struct lat_cap_right *r)
{
	holder(w, r, THERE);
}

static void for_who_hands_it_on(struct world *w, struct lat_cap_right *r)
{
	holder(w, r, HERE);
}

static void given(struct world *w, struct lat_cap_right *r)
{
	(void)w;
	narrow(r, lat_caveat_number(LAT_CAVEAT_MAX_MSG, 1000));
	narrow(r, lat_caveat_number(LAT_CAVEAT_RATE, 1000));
}

static void in_another_order(struct world *w, struct lat_cap_right *r)
{
	uint8_t first[LAT_CAP_CAVEAT];

	given(w, r);
	memcpy(first, r->caveats[0], sizeof(first));
	memcpy(r->caveats[0], r->caveats[1], sizeof(first));
	memcpy(r->caveats[1], first, sizeof(first));
}

static void one_of_them_twice(struct world *w, struct lat_cap_right *r)
{
	given(w, r);
	memcpy(r->caveats[r->caveat_count++], r->caveats[1], LAT_CAP_CAVEAT);
}

static void one_of_them_less(struct world *w, struct lat_cap_right *r)
{
	given(w, r);
	r->caveat_count--;
}

static void more_rights(struct world *w, struct lat_cap_right *r)
{
	given(w, r);
	r->desc[2] |= LAT_RIGHT_BULK;
}

static void another_key(struct world *w, struct lat_cap_right *r)
{
	given(w, r);
	r->key[0] ^= 1;
}

static void revoked(struct world *w, struct lat_cap_right *r)
{
	given(w, r);
	(void)world_revoke(w, ISSUER, world_life(r));
}

static void of_another_issuer(struct world *w, struct lat_cap_right *r)
{
	const struct lat_cap_desc want = world_want();

	*r = world_grant(w, HERE, &want);
}

static const struct {
	const char *why;
	void (*change)(struct world *w, struct lat_cap_right *r);
	int err;
} uses[] = {
	{ "with two caveats", given, 0 },
	{ "in another order", in_another_order, -EACCES },
	{ "one of them twice", one_of_them_twice, -EACCES },
	{ "one of them left out", one_of_them_less, -EACCES },
	{ "rights added", more_rights, -EACCES },
	{ "another key", another_key, -EACCES },
	{ "for who gets it", for_who_gets_it, 0 },
	{ "for who hands it on", for_who_hands_it_on, -EACCES },
	{ "of another issuer", of_another_issuer, -EACCES },
	{ "revoked", revoked, -EKEYREVOKED },
};

/* It comes as it was sent, whatever it says: its issuer judges who uses it. */
TEST(its_issuer_judges)
{
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		const struct lat_cap_desc want = world_want();
		struct world_chan *c, *in, *there;
		struct world *w = open_world(3, FULL, &c);
		struct lat_cap_right right;

		w->node[ISSUER].issuer->strangers_nothing = true;
		right = world_grant(w, ISSUER, &want);
		uses[i].change(w, &right);
		CHECK_EQ_ROW(uses[i].why, send_cap(w, c, &right, 8), 0);
		world_run(w, SEC);
		in = world_chan_at(w, THERE, c);
		CHECK_EQ_ROW(uses[i].why, in->rights, 1);
		CHECK_ROW(uses[i].why, same(&in->right, &right));
		there = world_chan_open_by(w, THERE, ISSUER, 3, LAT_CFLAG_RELIABLE, &in->right);
		world_run(w, 5 * SEC);
		CHECK_EQ_ROW(uses[i].why, there->err, uses[i].err);
		CHECK_EQ_ROW(uses[i].why, there->open, uses[i].err == 0);
		world_close(w);
	}
}

TEST_MAIN

/* Channels that are opened by capabilities: who may, what they may carry, and that they end when the capability does. */
#include "cap/chain.h"
#include "session/member_harness.h"

enum { HERE = 0, THERE = 1 };

static struct world *open_world(int nodes)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(nodes, 5, &o);

	w->node[THERE].issuer->strangers_nothing = true;
	return w;
}

/* ---- who may open ---- */

static void narrow(struct lat_cap_right *r, struct lat_caveat c)
{
	CHECK_EQ(lat_cap_right_narrow(r, &c), 0);
}

/* As lat_cap_right_narrow(), whatever the caveat says. */
static void append(struct lat_cap_right *r, const uint8_t caveat[LAT_CAP_CAVEAT])
{
	memcpy(r->caveats[r->caveat_count++], caveat, LAT_CAP_CAVEAT);
	lat_cap_key_next(r->key, r->key, caveat);
}

static void as_given(struct world *w, struct lat_cap_right *r)
{
	(void)w;
	(void)r;
}

static void wrong_key(struct world *w, struct lat_cap_right *r)
{
	(void)w;
	r->key[31] ^= 1;
}

static void more_rights(struct world *w, struct lat_cap_right *r)
{
	(void)w;
	r->desc[2] |= LAT_RIGHT_GRANT;
}

static void later_end(struct world *w, struct lat_cap_right *r)
{
	(void)w;
	narrow(r, lat_caveat_number(LAT_CAVEAT_NOT_AFTER, WORLD_UNIX_S));
	r->caveats[0][5] = 0xff;
}

static void narrowed(struct world *w, struct lat_cap_right *r)
{
	(void)w;
	narrow(r, lat_caveat_number(LAT_CAVEAT_MAX_MSG, 1000));
	narrow(r, lat_caveat_number(LAT_CAVEAT_SRC_PID, 3));
}

static void cut_off(struct world *w, struct lat_cap_right *r)
{
	narrowed(w, r);
	r->caveat_count--;
}

static void in_another_order(struct world *w, struct lat_cap_right *r)
{
	uint8_t first[LAT_CAP_CAVEAT];

	narrowed(w, r);
	memcpy(first, r->caveats[0], sizeof(first));
	memcpy(r->caveats[0], r->caveats[1], sizeof(first));
	memcpy(r->caveats[1], first, sizeof(first));
}

static void one_twice(struct world *w, struct lat_cap_right *r)
{
	narrowed(w, r);
	memcpy(r->caveats[2], r->caveats[1], LAT_CAP_CAVEAT);
	r->caveat_count++;
}

static void one_twice_rightly(struct world *w, struct lat_cap_right *r)
{
	narrowed(w, r);
	append(r, r->caveats[1]);
}

static void eight(struct world *w, struct lat_cap_right *r)
{
	narrowed(w, r);
	while (r->caveat_count < LAT_CAP_CAVEATS_MAX)
		narrow(r, lat_caveat_number(LAT_CAVEAT_RATE, 100));
}

/* What lat_engine_chan_open() does not take either goes by the claim itself: see forged_claims. */
static void other_sender(struct world *w, struct lat_cap_right *r)
{
	(void)w;
	narrow(r, lat_caveat_number(LAT_CAVEAT_SRC_PID, 4));
}

static void holder(struct world *w, struct lat_cap_right *r, int index)
{
	struct lat_hs_public pub;
	const uint8_t mesh[32] = { 0 };

	lat_hs_public_init(&pub, w->node[index].pk, mesh);
	narrow(r, lat_caveat_holder(pub.fp));
}

static void own_holder(struct world *w, struct lat_cap_right *r)
{
	holder(w, r, HERE);
}

static void other_holder(struct world *w, struct lat_cap_right *r)
{
	holder(w, r, 2);
}

static void no_open(struct world *w, struct lat_cap_right *r)
{
	(void)w;
	narrow(r, lat_caveat_number(LAT_CAVEAT_RIGHTS, LAT_RIGHT_SEND));
}

static void another_pid(struct world *w, struct lat_cap_right *r)
{
	struct lat_cap_desc want = world_want();

	want.dst_pid = 8;
	*r = world_grant(w, THERE, &want);
}

static void another_issuer(struct world *w, struct lat_cap_right *r)
{
	const struct lat_cap_desc want = world_want();

	*r = world_grant(w, 2, &want);
}

static void expired(struct world *w, struct lat_cap_right *r)
{
	(void)w;
	narrow(r, lat_caveat_number(LAT_CAVEAT_NOT_AFTER, WORLD_UNIX_S));
}

static void revoked(struct world *w, struct lat_cap_right *r)
{
	(void)world_revoke(w, THERE, world_life(r));
}

static void revoked_and_wrong_key(struct world *w, struct lat_cap_right *r)
{
	revoked(w, r);
	r->key[0] ^= 1;
}

/* A life below that of @r, and the caveat that asks for it. */
static struct lat_cap_ref child(struct world *w, struct lat_cap_right *r)
{
	struct lat_cap_desc want = world_want(), d;
	struct lat_cap_ref parent;

	want.rights |= LAT_RIGHT_GRANT;
	*r = world_grant(w, THERE, &want);
	parent = world_life(r);
	want.rights = LAT_RIGHT_OPEN | LAT_RIGHT_SEND;
	CHECK_EQ(lat_captable_mint(w->node[THERE].issuer->table, &parent, &want, 0, LAT_CAP_UNLIMITED, &d),
		 0);
	narrow(r, lat_caveat_slot(d.slot, d.gen));
	return (struct lat_cap_ref){ d.slot, d.gen };
}

static void living_child(struct world *w, struct lat_cap_right *r)
{
	(void)child(w, r);
}

static void dead_child(struct world *w, struct lat_cap_right *r)
{
	(void)world_revoke(w, THERE, child(w, r));
}

static void child_of_the_dead(struct world *w, struct lat_cap_right *r)
{
	(void)child(w, r);
	(void)world_revoke(w, THERE, world_life(r));
}

static void childs_brother(struct world *w, struct lat_cap_right *r)
{
	const struct lat_cap_desc want = world_want();
	struct lat_cap_right brother = world_grant(w, THERE, &want);
	struct lat_cap_ref life = world_life(&brother);

	(void)child(w, r);
	narrow(r, lat_caveat_slot(life.slot, life.gen));
}

static const struct {
	const char *why;
	void (*change)(struct world *w, struct lat_cap_right *r);
	int err;
	bool proved;
} opens[] = {
	{ "as it was given", as_given, 0, true },
	{ "a wrong key", wrong_key, -EACCES, false },
	{ "rights added", more_rights, -EACCES, false },
	{ "a caveat changed", later_end, -EACCES, false },
	{ "two caveats", narrowed, 0, true },
	{ "the last of them cut off", cut_off, -EACCES, false },
	{ "in another order", in_another_order, -EACCES, false },
	{ "one of them twice", one_twice, -EACCES, false },
	{ "one of them twice, in the chain too", one_twice_rightly, 0, true },
	{ "eight", eight, 0, true },
	{ "for another sender", other_sender, -EACCES, true },
	{ "for this node alone", own_holder, 0, true },
	{ "for another node", other_holder, -EACCES, true },
	{ "without the right to open", no_open, -EACCES, true },
	{ "to another pid", another_pid, -EACCES, true },
	{ "of another issuer", another_issuer, -EACCES, false },
	{ "expired", expired, -EKEYEXPIRED, true },
	{ "revoked", revoked, -EKEYREVOKED, true },
	{ "revoked, and that is told to no thief", revoked_and_wrong_key, -EACCES, false },
	{ "a child", living_child, 0, true },
	{ "a child that was revoked", dead_child, -EKEYREVOKED, true },
	{ "a child of what was revoked", child_of_the_dead, -EKEYREVOKED, true },
	{ "a life beside its own", childs_brother, -EACCES, true },
};

TEST(who_may_open)
{
	for (size_t i = 0; i < ARRAY_LEN(opens); i++) {
		struct world *w = open_world(3);
		const struct lat_cap_desc want = world_want();
		struct lat_cap_right right = world_grant(w, THERE, &want);
		struct world_chan *c;

		world_run(w, 2 * SEC); /* past the second in which a thing expires */
		opens[i].change(w, &right);
		c = world_chan_open_by(w, HERE, THERE, 3, LAT_CFLAG_RELIABLE, &right);
		world_run(w, 5 * SEC);
		CHECK_EQ_ROW(opens[i].why, c->err, opens[i].err);
		CHECK_EQ_ROW(opens[i].why, c->open, opens[i].err == 0);
		CHECK_EQ_ROW(opens[i].why, world_count(w, THERE, LAT_COUNT_PROOF), !opens[i].proved);
		if (c->open) {
			CHECK_ROW(opens[i].why, world_pump(w, &c, &(int){ HERE }, 1, 20, 900, 10 * SEC));
			CHECK_EQ_ROW(opens[i].why, world_chan_at(w, THERE, c)->got, 20);
			CHECK_EQ_ROW(opens[i].why, world_chan_at(w, THERE, c)->badge,
				     opens[i].change == living_child ? 0 : 42);
		}
		CHECK_EQ_ROW(opens[i].why, w->node[THERE].bad, 0);
		world_close(w);
	}
}

/* Every bit of a descriptor, of a caveat and of the key counts. */
TEST(every_bit)
{
	struct world *w = open_world(2);
	const struct lat_cap_desc want = world_want();
	struct lat_cap_right right = world_grant(w, THERE, &want);
	uint64_t refused = 0;

	narrowed(w, &right);
	for (size_t bit = 0; bit < 8 * (LAT_CAP_DESC + 2 * LAT_CAP_CAVEAT + LAT_CAP_KEY); bit++) {
		struct lat_cap_right r = right;
		size_t byte = bit / 8;
		uint8_t *at = byte < LAT_CAP_DESC ? &r.desc[byte]
			      : byte < LAT_CAP_DESC + 2 * LAT_CAP_CAVEAT
				      ? (uint8_t *)r.caveats + (byte - LAT_CAP_DESC)
				      : &r.key[byte - LAT_CAP_DESC - 2 * LAT_CAP_CAVEAT];
		struct lat_open_want ask = { .src_pid = 3, .dst_pid = 7, .cflags = 1, .right = &r };
		struct world_chan *c = world_chan_new(&w->node[HERE]);
		int rc;

		*at ^= (uint8_t)(1U << bit % 8);
		c->outbound = true;
		rc = lat_engine_chan_open(w->node[HERE].engine, w->now, 2, &ask, c, &c->handle);
		if (rc == 0) {
			world_tick(w, HERE);
			world_run(w, 30 * MS);
			CHECK_EQ(c->err, -EACCES);
			refused++;
		}
		c->used = false;
	}
	CHECK(refused > 8 * LAT_CAP_KEY);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_PROOF), refused);
	CHECK_EQ(peer_of(w, THERE, HERE)->in_count, 0);
	world_close(w);
}

/* ---- what lat_engine_chan_open() does not ask for: frames by hand ---- */

static struct {
	struct lat_frame_chan_open open;
	struct lat_cap_right right;
	void (*change)(struct lat_frame_chan_open *f, uint8_t k[LAT_CAP_KEY]);
	struct world *w;
	bool kept; /* the frame is written as it was */
} by_hand;

static void write_open(struct lat_writer *w, struct lat_chan_out *co)
{
	struct lat_frame_chan_open *f = &by_hand.open;
	const struct lat_session *s = peer_of(by_hand.w, HERE, THERE)->slot[LAT_SLOT_CURRENT];
	uint8_t k[LAT_CAP_KEY];

	(void)co;
	if (!by_hand.kept) {
		*f = (struct lat_frame_chan_open){ .req = 1000, .src_pid = 3, .dst_pid = 7, .cflags = 1 };
		memcpy(f->desc, by_hand.right.desc, sizeof(f->desc));
		memcpy(f->cav, by_hand.right.caveats, sizeof(f->cav));
		f->ncav = by_hand.right.caveat_count;
		memcpy(k, by_hand.right.key, sizeof(k));
		if (by_hand.change != NULL)
			by_hand.change(f, k);
		lat_cap_proof(f->proof, k, s->secret->sid, f->req, f->src_pid, f->dst_pid, f->nonce_s);
		if (by_hand.change != NULL)
			by_hand.change(f, NULL);
	}
	CHECK_EQ(lat_frame_chan_open_encode(w, f), 0);
}

/* With @k: before the proof is made. */
static void unknown_caveat(struct lat_frame_chan_open *f, uint8_t k[LAT_CAP_KEY])
{
	uint8_t caveat[LAT_CAP_CAVEAT] = { 99, 4, 0, 0, 1 };

	if (k == NULL)
		return;
	memcpy(f->cav, caveat, sizeof(caveat));
	f->ncav = 1;
	lat_cap_key_next(k, k, caveat);
}

static void caveat_of_no_size(struct lat_frame_chan_open *f, uint8_t k[LAT_CAP_KEY])
{
	uint8_t caveat[LAT_CAP_CAVEAT] = { LAT_CAVEAT_RATE, 8, 0, 0, 1 };

	if (k == NULL)
		return;
	memcpy(f->cav, caveat, sizeof(caveat));
	f->ncav = 1;
	lat_cap_key_next(k, k, caveat);
}

static void caveats_of_nothing(struct lat_frame_chan_open *f, uint8_t k[LAT_CAP_KEY])
{
	if (k == NULL)
		return;
	memset(f->desc, 0, sizeof(f->desc));
	f->ncav = 1;
	lat_grant_key(k, peer_of(by_hand.w, HERE, THERE)->slot[LAT_SLOT_CURRENT]->secret->sess);
}

static void proof_of_another_request(struct lat_frame_chan_open *f, uint8_t k[LAT_CAP_KEY])
{
	f->req += k == NULL;
}

static void proof_of_another_nonce(struct lat_frame_chan_open *f, uint8_t k[LAT_CAP_KEY])
{
	f->nonce_s[0] ^= k == NULL;
}

static void proof_of_another_sender(struct lat_frame_chan_open *f, uint8_t k[LAT_CAP_KEY])
{
	f->src_pid += k == NULL;
}

static void proof_by_identity(struct lat_frame_chan_open *f, uint8_t k[LAT_CAP_KEY])
{
	(void)f;
	if (k != NULL)
		lat_grant_key(k, peer_of(by_hand.w, HERE, THERE)->slot[LAT_SLOT_CURRENT]->secret->sess);
}

static const struct {
	const char *why;
	void (*change)(struct lat_frame_chan_open *f, uint8_t k[LAT_CAP_KEY]);
	bool proved, opened;
} frames[] = {
	{ "as it should be", NULL, true, true },
	{ "an unknown caveat in the chain", unknown_caveat, true, false },
	{ "a caveat of a wrong size in the chain", caveat_of_no_size, true, false },
	{ "caveats without a capability", caveats_of_nothing, false, false },
	{ "the proof of another request", proof_of_another_request, false, false },
	{ "the proof of another nonce", proof_of_another_nonce, false, false },
	{ "the proof of another sender", proof_of_another_sender, false, false },
	{ "the key of the session for that of the capability", proof_by_identity, false, false },
};

static struct world *by_hand_world(void)
{
	struct world *w = open_world(2);
	const struct lat_cap_desc want = world_want();

	by_hand.w = w;
	by_hand.kept = false;
	by_hand.right = world_grant(w, THERE, &want);
	world_connect(w, HERE, THERE);
	world_run(w, SEC);
	return w;
}

TEST(opens_by_hand)
{
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		struct world *w = by_hand_world();
		struct world_chan none = { 0 };

		by_hand.change = frames[i].change;
		say(w, &none, false, write_open);
		world_run(w, 50 * MS);
		CHECK_EQ_ROW(frames[i].why, world_count(w, THERE, LAT_COUNT_PROOF), !frames[i].proved);
		CHECK_EQ_ROW(frames[i].why, world_count(w, THERE, LAT_COUNT_OPEN_REFUSED), !frames[i].opened);
		CHECK_EQ_ROW(frames[i].why, world_count(w, THERE, LAT_COUNT_PROTO), 0);
		world_close(w);
	}
}

/* What was said in one session is worth nothing in the next, though it is the same peer that says it. */
TEST(a_proof_of_another_session)
{
	struct world *w = by_hand_world();
	struct world_chan none = { 0 };

	by_hand.change = NULL;
	say(w, &none, false, write_open);
	world_run(w, 50 * MS);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_OPEN_REFUSED), 0);
	by_hand.kept = true;
	by_hand.open.req++;
	say(w, &none, false, write_open);
	world_run(w, 50 * MS);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_PROOF), 1);
	by_hand.open.req--;
	peer_of(w, HERE, THERE)->want_rekey = true;
	lat_peer_touch(peer_of(w, HERE, THERE));
	world_tick(w, HERE);
	world_run(w, SEC);
	CHECK_EQ(world_info(w, HERE, THERE).handshakes, 2);
	lat_idmap_del(&peer_of(w, THERE, HERE)->reqs_in, by_hand.open.req);
	say(w, &none, false, write_open);
	world_run(w, 50 * MS);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_PROOF), 2);
	world_close(w);
}

/* ---- tokens ---- */

/* A channel of node 0 by a capability, ten messages on it. */
static struct world_chan *live(struct world *w, int32_t src, const struct lat_cap_right *right)
{
	struct world_chan *c = world_chan_open_by(w, HERE, THERE, src, LAT_CFLAG_RELIABLE, right);

	CHECK(world_pump(w, &c, &(int){ HERE }, 1, 10, 900, 10 * SEC));
	world_run(w, 100 * MS);
	return c;
}

enum { FORGE_RIGHTS, FORGE_OTHER_TK, FORGE_SEQ, FORGE_CFLAGS, FORGE_RIGHT, FORGES };
static struct {
	int how;
	const struct lat_chan_out *other;
} forge;

static void forged_message(struct lat_writer *w, struct lat_chan_out *co)
{
	struct lat_token_key key = { .tk = co->c.secret->tk, .cflags = co->c.cflags, .rights = co->rights };
	uint8_t body[12] = { 0 }, token[LAT_WIRE_TOKEN];
	uint64_t seq = co->q.next_seq;
	const struct lat_frame_msg m = {
		.seq = seq, .msg_len = sizeof(body), .len = sizeof(body), .token = token, .data = body
	};

	if (forge.how == FORGE_RIGHTS)
		key.rights |= LAT_RIGHT_CALL;
	if (forge.how == FORGE_OTHER_TK)
		key.tk = forge.other->c.secret->tk;
	if (forge.how == FORGE_CFLAGS)
		key.cflags ^= LAT_CFLAG_TOKEN_FULL;
	lat_msg_pids_encode(body, co->c.src_pid, co->c.dst_pid);
	lat_put_le32(body + 8, (uint32_t)seq);
	lat_token_of_msg(token, &key, seq + (forge.how == FORGE_SEQ), body, sizeof(body));
	CHECK_EQ(lat_frame_msg_encode(w, &m), 0);
}

TEST(tokens_of_something_else)
{
	static const char *const why[FORGES] = { "of other rights", "of another channel",
						 "of another sequence number", "of other flags",
						 "as it should be" };

	for (forge.how = 0; forge.how < FORGES; forge.how++) {
		struct world *w = open_world(2);
		const struct lat_cap_desc want = world_want();
		struct lat_cap_right right = world_grant(w, THERE, &want);
		struct world_chan *a = live(w, 3, &right), *b = live(w, 4, &right);
		bool good = forge.how == FORGE_RIGHT;

		forge.other = lat_idmap_get(&w->node[HERE].engine->handles, b->handle);
		say(w, a, true, forged_message);
		world_run(w, 100 * MS);
		CHECK_EQ_ROW(why[forge.how], world_count(w, THERE, LAT_COUNT_TOKEN), !good);
		CHECK_EQ_ROW(why[forge.how], world_chan_at(w, THERE, a)->got, 10 + good);
		CHECK_EQ_ROW(why[forge.how], a->err, good ? 0 : -EPERM);
		CHECK_EQ_ROW(why[forge.how], b->err, 0);
		world_close(w);
	}
}

/* ---- what a channel may carry ---- */

static void long_message(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 101, co->q.next_seq, false);
}

TEST(longer_than_it_may)
{
	struct world *w = open_world(2);
	struct lat_cap_desc want = world_want();
	struct lat_cap_right right;
	struct world_chan *c;

	want.max_msg = 100;
	right = world_grant(w, THERE, &want);
	c = world_chan_open_by(w, HERE, THERE, 3, LAT_CFLAG_RELIABLE, &right);
	world_run(w, SEC);
	CHECK_EQ(world_chan_send(w, HERE, c, 89), -EMSGSIZE);
	CHECK_EQ(world_chan_send(w, HERE, c, 88), 0);
	world_run(w, 100 * MS);
	CHECK_EQ(world_chan_at(w, THERE, c)->got, 1);
	/* Who sends it all the same loses the channel. */
	say(w, c, true, long_message);
	world_run(w, 100 * MS);
	CHECK_EQ(c->err, -EMSGSIZE);
	CHECK_EQ(c->last_seq, 1);
	CHECK_EQ(world_chan_at(w, THERE, c)->err, -EMSGSIZE);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_OVER_RIGHT), 1);
	world_close(w);
}

TEST(long_ones_are_a_right_of_their_own)
{
	for (int bulk = 0; bulk < 2; bulk++) {
		struct world *w = open_world(2);
		struct lat_cap_desc want = world_want();
		struct lat_cap_right right;
		struct world_chan *c;

		want.rights |= bulk ? LAT_RIGHT_BULK : 0;
		right = world_grant(w, THERE, &want);
		c = world_chan_open_by(w, HERE, THERE, 3, LAT_CFLAG_RELIABLE, &right);
		world_run(w, SEC);
		CHECK_EQ(world_chan_send(w, HERE, c, LAT_CAP_SHORT_MAX - 12), 0);
		CHECK_EQ(world_chan_send(w, HERE, c, LAT_CAP_SHORT_MAX - 11), bulk ? 0 : -EMSGSIZE);
		world_run(w, 5 * SEC);
		CHECK_EQ(world_chan_at(w, THERE, c)->got, 1 + bulk);
		world_close(w);
	}
}

TEST(no_right_to_send)
{
	struct world *w = open_world(2);
	struct lat_cap_desc want = world_want();
	struct lat_cap_right right;
	struct world_chan *c;

	want.rights = LAT_RIGHT_OPEN | LAT_RIGHT_CALL;
	right = world_grant(w, THERE, &want);
	c = world_chan_open_by(w, HERE, THERE, 3, LAT_CFLAG_RELIABLE, &right);
	world_run(w, SEC);
	CHECK(c->open);
	CHECK_EQ(world_chan_send(w, HERE, c, 1), 0);
	world_run(w, SEC);
	CHECK_EQ(c->err, -EACCES);
	CHECK_EQ(c->last_seq, 0);
	CHECK_EQ(world_chan_at(w, THERE, c)->got, 0);
	world_close(w);
}

/* A rate holds messages back, and loses none of them, not even when the sender has gone. */
TEST(rate)
{
	for (int end = 0; end < 3; end++) {
		struct world *w = open_world(2);
		struct lat_cap_desc want = world_want();
		struct lat_cap_right right;
		struct world_chan *c;
		uint64_t last = 0, begin;

		want.rate = 20;
		right = world_grant(w, THERE, &want);
		c = world_chan_open_by(w, HERE, THERE, 3, LAT_CFLAG_RELIABLE, &right);
		world_run(w, SEC);
		begin = w->now;
		for (int i = 0; i < 100; i++)
			CHECK_EQ(world_chan_send(w, HERE, c, 5), 0);
		world_run(w, 200 * MS);
		if (end == 1)
			CHECK_EQ(lat_engine_chan_close(w->node[HERE].engine, w->now, c->handle), 0);
		else if (end == 2)
			CHECK_EQ(lat_engine_peer_remove(w->node[THERE].engine, w->now, 1), 0);
		world_tick(w, HERE);
		world_tick(w, THERE);
		while (w->now < begin + 5 * SEC) {
			uint64_t got = world_chan_at(w, THERE, c)->got;

			world_run(w, 100 * MS);
			CHECK(got <= 20 + 20 * (w->now - begin) / SEC);
			CHECK(got >= last);
			last = got;
		}
		CHECK_EQ(world_chan_at(w, THERE, c)->got, 100);
		CHECK_EQ(world_chan_at(w, THERE, c)->ended, end != 0);
		CHECK_EQ(w->node[THERE].bad, 0);
		world_close(w);
	}
}

TEST(rate_of_a_lossy_channel)
{
	struct world *w = open_world(2);
	struct lat_cap_desc want = world_want();
	struct lat_cap_right right;
	struct world_chan *c, *in;

	want.rate = 20;
	right = world_grant(w, THERE, &want);
	c = world_chan_open_by(w, HERE, THERE, 3, 0, &right);
	world_run(w, SEC);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(world_chan_send(w, HERE, c, 5), 0);
		world_run(w, MS);
	}
	world_run(w, SEC);
	CHECK_EQ(world_chan_send(w, HERE, c, 5), 0);
	world_run(w, SEC);
	in = world_chan_at(w, THERE, c);
	CHECK(in->got >= 21 && in->got <= 24);
	CHECK_EQ(in->got + in->lost, 101);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_LOSSY_DROP), in->lost);
	world_close(w);
}

/* ---- the end ---- */

/* Nobody sends, and still both learn it in its second. */
TEST(expires_while_open)
{
	struct world *w = open_world(2);
	struct lat_cap_desc want = world_want();
	struct lat_cap_right right;
	struct world_chan *c;

	want.not_after = WORLD_UNIX_S + w->now / SEC + 10;
	right = world_grant(w, THERE, &want);
	c = live(w, 3, &right);
	world_run(w, 8 * SEC);
	CHECK(c->open);
	world_run(w, 4 * SEC);
	CHECK_EQ(c->err, -EKEYEXPIRED);
	CHECK_EQ(c->last_seq, 10);
	CHECK_EQ(world_chan_at(w, THERE, c)->err, -EKEYEXPIRED);
	CHECK_EQ(w->node[THERE].issuer->told, 0);
	world_close(w);
}

TEST(revoked_while_open)
{
	for (int tcp = 0; tcp < 2; tcp++) {
		const struct world_options o = { .proto = tcp ? LAT_PROTO_TCP : LAT_PROTO_UDP };
		struct world *w = world_open(2, 7, &o);
		const struct lat_cap_desc want = world_want();
		struct lat_cap_right right = world_grant(w, THERE, &want),
				     kept = world_grant(w, THERE, &want);
		struct world_chan *c = live(w, 3, &right), *d = live(w, 4, &right),
				  *other = live(w, 5, &kept), *identity = live(w, 6, NULL);
		uint64_t before;

		CHECK_EQ(world_chan_send(w, HERE, c, 5), 0); /* on its way when it is revoked */
		before = w->now;
		CHECK_EQ(world_revoke(w, THERE, world_life(&right)), 2);
		world_run(w, 2 * w->faults.delay + MS);
		CHECK_EQ(c->err, -EKEYREVOKED);
		CHECK_EQ(d->err, -EKEYREVOKED);
		CHECK_EQ(c->last_seq, 10);
		CHECK_EQ(world_chan_at(w, THERE, c)->got, 10);
		CHECK_EQ(world_chan_at(w, THERE, c)->err, -EKEYREVOKED);
		CHECK(w->now - before <= 2 * w->faults.delay + MS);
		CHECK(other->open);
		CHECK(identity->open);
		world_run(w, SEC);
		CHECK_EQ(w->node[THERE].issuer->told, 2);
		CHECK_EQ(w->node[THERE].bad, 0);
		CHECK(world_pump(w, &other, &(int){ HERE }, 1, 20, 900, 10 * SEC));
		/* And again: nothing is left to be ended. */
		CHECK_EQ(lat_engine_revoke(w->node[THERE].engine, w->now), 0);
		world_close(w);
	}
}

/* What was acknowledged, and waits for the receiver, is not taken any more. */
TEST(revoked_while_something_waits)
{
	for (int gone = 0; gone < 3; gone++) {
		struct world *w = open_world(2);
		const struct lat_cap_desc want = world_want();
		struct lat_cap_right right = world_grant(w, THERE, &want);
		struct world_chan *c = live(w, 3, &right), *in = world_chan_at(w, THERE, c);

		in->room = 2;
		for (int i = 0; i < 5; i++)
			CHECK_EQ(world_chan_send(w, HERE, c, 5), 0);
		world_run(w, 200 * MS);
		if (gone == 1) { /* the sender has closed, and does not wait */
			CHECK_EQ(lat_engine_peer_close(w->node[HERE].engine, w->now, 2, LAT_CODE_ESHUTDOWN),
				 0);
			world_tick(w, HERE);
			world_run(w, 200 * MS);
		} else if (gone == 2) { /* or is no peer any more */
			CHECK_EQ(lat_engine_peer_remove(w->node[THERE].engine, w->now, 1), 0);
			world_tick(w, THERE);
			world_run(w, 200 * MS);
		}
		CHECK_EQ(in->got, 12);
		CHECK(!in->ended);
		CHECK_EQ(world_revoke(w, THERE, world_life(&right)), gone == 0);
		in->room = UINT64_MAX;
		lat_engine_drain(w->node[THERE].engine, w->now, in->handle);
		world_tick(w, THERE);
		world_run(w, 200 * MS);
		CHECK_EQ(in->got, 12);
		CHECK_EQ(in->err, -EKEYREVOKED);
		if (gone == 0) {
			CHECK_EQ(c->err, -EKEYREVOKED);
			CHECK_EQ(c->last_seq, 12);
		}
		CHECK_EQ(peer_of(w, THERE, HERE) == NULL ? 0 : peer_of(w, THERE, HERE)->in_count, 0);
		world_close(w);
	}
}

/* The table says that it is over before the engine is told: the next message is not taken. */
TEST(revoked_before_the_engine_hears_of_it)
{
	for (uint16_t reliable = 0; reliable < 2; reliable++) {
		struct world *w = open_world(2);
		const struct lat_cap_desc want = world_want();
		struct lat_cap_right right = world_grant(w, THERE, &want);
		struct world_chan *c = world_chan_open_by(w, HERE, THERE, 3, reliable, &right);

		world_run(w, SEC);
		CHECK_EQ(world_chan_send(w, HERE, c, 5), 0);
		world_run(w, 100 * MS);
		CHECK_EQ(lat_captable_revoke(w->node[THERE].issuer->table, world_life(&right), NULL), 0);
		CHECK_EQ(world_chan_send(w, HERE, c, 5), 0);
		world_run(w, 100 * MS);
		CHECK_EQ(c->err, -EKEYREVOKED);
		CHECK_EQ(c->last_seq, 1);
		CHECK_EQ(world_chan_at(w, THERE, c)->got, 1);
		CHECK_EQ(world_chan_at(w, THERE, c)->err, -EKEYREVOKED);
		world_close(w);
	}
}

/* Its receiver may notice before lat_engine_revoke() comes, and give it up for a reason of its own. */
TEST(revoked_and_the_receiver_is_quicker)
{
	struct world *w = open_world(2);
	const struct lat_cap_desc want = world_want();
	struct lat_cap_right right = world_grant(w, THERE, &want);
	struct world_chan *c = live(w, 3, &right), *in = world_chan_at(w, THERE, c);

	CHECK_EQ(lat_captable_revoke(w->node[THERE].issuer->table, world_life(&right), NULL), 0);
	lat_engine_inbound_reset(w->node[THERE].engine, w->now, in->handle, LAT_CODE_ESHUTDOWN);
	world_tick(w, THERE);
	CHECK_EQ(lat_engine_revoke(w->node[THERE].engine, w->now), 1); /* it counts */
	CHECK_EQ(lat_engine_revoke(w->node[THERE].engine, w->now), 0);
	world_run(w, SEC);
	CHECK_EQ(c->err, -EKEYREVOKED);
	CHECK_EQ(c->last_seq, in->got);
	CHECK_EQ(w->node[THERE].issuer->told, 1);
	world_close(w);
}

/* Cut off while it was revoked: told when it is back, or, after too long, when it asks again. */
TEST(revoked_while_out_of_reach)
{
	static const struct {
		const char *why;
		uint64_t away_s;
		int err;
	} rows[] = {
		{ "a moment", 2, -EKEYREVOKED },
		{ "longer than a handshake", 40, -EKEYREVOKED },
		{ "longer than its channels are held", 200, -ECONNRESET },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = open_world(2);
		const struct lat_cap_desc want = world_want();
		struct lat_cap_right right = world_grant(w, THERE, &want);
		struct world_chan *c = live(w, 3, &right), *again;

		w->faults.loss = 1000;
		CHECK_EQ(world_chan_send(w, HERE, c, 5), 0);
		CHECK_EQ(world_revoke(w, THERE, world_life(&right)), 1);
		world_run(w, rows[i].away_s * SEC);
		w->faults.loss = 0;
		if (rows[i].err == -EKEYREVOKED)
			CHECK_EQ_ROW(rows[i].why, c->err, 0);
		world_connect(w, HERE, THERE);
		world_run(w, 130 * SEC); /* it may have to sit out a back-off */
		CHECK_EQ_ROW(rows[i].why, c->err, rows[i].err);
		CHECK_EQ_ROW(rows[i].why, c->last_seq, 10);
		again = world_chan_open_by(w, HERE, THERE, 3, LAT_CFLAG_RELIABLE, &right);
		world_run(w, 5 * SEC);
		CHECK_EQ_ROW(rows[i].why, again->err, -EKEYREVOKED);
		CHECK_EQ_ROW(rows[i].why, world_chan_at(w, THERE, c)->got, 10);
		world_close(w);
	}
}

/* The issuer's node is killed and starts again: what it revoked stays revoked, what it gave goes on. */
TEST(revoked_and_restarted)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = open_world(2);
	const struct lat_cap_desc want = world_want();
	struct lat_cap_right right = world_grant(w, THERE, &want), kept = world_grant(w, THERE, &want);
	struct world_chan *c = live(w, 3, &right), *again, *other;

	world_crash(w, THERE);
	(void)world_revoke(w, THERE, world_life(&right));
	world_boot(w, THERE, &o);
	CHECK_EQ(world_chan_send(w, HERE, c, 5), 0);
	world_run(w, 60 * SEC);
	CHECK_EQ(c->err, -ECONNRESET);
	again = world_chan_open_by(w, HERE, THERE, 3, LAT_CFLAG_RELIABLE, &right);
	other = world_chan_open_by(w, HERE, THERE, 4, LAT_CFLAG_RELIABLE, &kept);
	world_run(w, 5 * SEC);
	CHECK_EQ(again->err, -EKEYREVOKED);
	CHECK(other->open);
	world_close(w);
}

/* ---- by being who it is ---- */

TEST(what_a_peer_may_as_who_it_is)
{
	struct world *w = open_world(2);
	struct world_issuer *i = w->node[THERE].issuer;
	const struct lat_cap_desc want = world_want();
	struct lat_cap_right life = world_grant(w, THERE, &want);
	struct world_chan *c = world_chan_open(w, HERE, THERE, 3, LAT_CFLAG_RELIABLE);

	world_run(w, SEC);
	CHECK_EQ(c->err, -EACCES);
	CHECK_EQ(world_count(w, THERE, LAT_COUNT_PROOF), 0);
	i->strangers_nothing = false;
	i->identity = world_life(&life);
	c = live(w, 3, NULL);
	CHECK_EQ(i->asked.node, 1);
	CHECK_EQ(i->asked.src_pid, 3);
	CHECK_EQ(i->asked.dst_pid, 7);
	CHECK(i->asked.desc == NULL);
	CHECK_EQ(world_revoke(w, THERE, i->identity), 1);
	world_run(w, 100 * MS);
	CHECK_EQ(c->err, -EKEYREVOKED);
	CHECK_EQ(c->last_seq, 10);
	world_close(w);
}

TEST_MAIN

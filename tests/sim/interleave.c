/*
 * What a pair of engines does, and when two pairs are the same.
 *
 * Random bytes are a function of the node, the length asked for and how often it was asked for, so the order in which the two act
 * does not change what they draw. Each move takes a microsecond. Two pairs are the same when their pools are, and what their
 * engines hold; of times, what can matter (struct times), in tenths of a second.
 */
#include "interleave.h"

const char *const scene_names[SCENES] = { "either calls", "one calls", "cookies" };

static const uint64_t fnv_start = UINT64_C(0xcbf29ce484222325);
static const uint64_t give_up_ns = 26 * SEC; /* over HS_GIVEUP, HALF_LIFE and the first back-off */

static struct pair *the_pair; /* for the operations and the filter, which know the world alone */

static struct lat_peer *peer_of(const struct pair *p, int side)
{
	return lat_peer_find(p->w->node[side].engine, world_node_number(1 - side));
}

/* ---- surroundings ---- */

static void op_random(void *ctx, void *buf, size_t bytes)
{
	const struct world_node *n = ctx;
	struct { /* what the bytes are a function of */
		uint32_t node, bytes, draw, block;
	} from = { .node = (uint32_t)n->index, .bytes = (uint32_t)bytes };
	static const size_t kinds[DRAW_KINDS] = { 4, 24, 32, 64, sizeof(struct lat_hs_initiator_random) };
	uint8_t *out = buf;

	for (int i = 0; i < DRAW_KINDS; i++)
		if (kinds[i] == bytes)
			from.draw = ++the_pair->draws[n->index][i];
	for (; bytes > 0; from.block++) {
		uint8_t block[32];
		size_t part = bytes < sizeof(block) ? bytes : sizeof(block);

		lat_blake2b(block, sizeof(block), NULL, 0, &(struct lat_bytes){ &from, sizeof(from) }, 1);
		memcpy(out, block, part);
		out += part;
		bytes -= part;
	}
}

/* Of DATA the first of each session and direction is kept: it confirms. The rest is lost. */
static bool confirms(const struct pair *p, int from, const uint8_t *packet)
{
	for (size_t i = 0; i < p->pooled; i++)
		if (p->pool[i].from == from && p->pool[i].data[0] == LAT_PKT_DATA &&
		    memcmp(p->pool[i].data + 4, packet + 4, 4) == 0)
			return false;
	return true;
}

static void mix(uint64_t *h, const void *data, size_t bytes) /* FNV-1a */
{
	const uint8_t *p = data;

	for (size_t i = 0; i < bytes; i++)
		*h = (*h ^ p[i]) * UINT64_C(0x100000001b3);
}

static void mix_number(uint64_t *h, uint64_t n)
{
	mix(h, &n, sizeof(n));
}

static bool into_pool(struct world *w, int from, int to, const uint8_t *packet, size_t bytes)
{
	struct pair *p = the_pair;

	(void)w;
	for (size_t i = 0; i < p->pooled; i++)
		if (p->pool[i].from == from && p->pool[i].bytes == bytes &&
		    memcmp(p->pool[i].data, packet, bytes) == 0)
			return true;
	if (packet[0] == LAT_PKT_DATA && !confirms(p, from, packet))
		return true;
	if (p->pooled == POOL_MAX || bytes > POOL_BYTES) {
		p->left_out++;
		return true;
	}
	p->pool[p->pooled] =
		(struct pool_packet){ .from = from, .to = to, .bytes = bytes, .name = fnv_start };
	mix_number(&p->pool[p->pooled].name, (uint64_t)from);
	mix(&p->pool[p->pooled].name, packet, bytes);
	memcpy(p->pool[p->pooled++].data, packet, bytes);
	return true;
}

/* Whose index is gone: none comes twice, so it will never be more than counted. (An M2 is kept: to see that a new call refuses it.) */
static bool is_void(const struct pair *p, const struct pool_packet *packet)
{
	static const size_t at[] = {
		[LAT_PKT_M3] = LAT_M3_IDX_R, [LAT_PKT_M4] = LAT_M4_IDX_I, [LAT_PKT_COOKIE] = LAT_COOKIE_IDX_I
	};
	uint8_t type = packet->data[LAT_PKT_TYPE];

	return type < ARRAY_LEN(at) && at[type] != 0 &&
	       lat_idmap_get(&p->w->node[packet->to].engine->index, lat_get_le32(packet->data + at[type])) ==
		       NULL;
}

static void drop_void(struct pair *p)
{
	for (size_t i = 0; i < p->pooled;) {
		if (is_void(p, &p->pool[i]))
			p->pool[i] = p->pool[--p->pooled];
		else
			i++;
	}
}

void pair_open(struct pair *p, enum scene scene)
{
	static struct lat_engine_ops ops;

	*p = (struct pair){ .scene = scene, .o = { .proto = LAT_PROTO_UDP, .passive = scene == SCENE_ONE } };
	the_pair = p;
	p->w = world_open(2, 1, &p->o);
	p->w->filter = into_pool;
	ops = world_ops;
	ops.random = op_random;
	for (int i = 0; i < 2; i++)
		p->w->node[i].engine->ops = &ops;
}

/* ---- moves ---- */

size_t pair_moves(const struct pair *p, struct move *out, size_t max)
{
	size_t n = 0;
	bool wait = false;

	for (int i = 0; i < 2; i++) {
		const struct lat_peer *peer = peer_of(p, i);
		bool may_call = peer->call.proto != 0 || peer->slot[LAT_SLOT_CURRENT] != NULL;

		wait = wait || peer->attempt != NULL || peer->half_count != 0;
		if (peer->attempt == NULL && may_call && p->starts[i] < STARTS_MAX)
			out[n++] = (struct move){ MOVE_START, i };
		if (peer->attempt != NULL && peer->attempt->cookie_taken &&
		    peer->attempt->state == LAT_ATTEMPT_SENT1)
			out[n++] = (struct move){ MOVE_RETRY, i };
	}
	if (wait)
		out[n++] = (struct move){ MOVE_GIVE_UP, 0 };
	for (size_t i = 0; i < p->pooled && n < max; i++)
		out[n++] = (struct move){ MOVE_DELIVER, (int)i };
	return n;
}

static void start(struct pair *p, int side)
{
	struct lat_peer *peer = peer_of(p, side);

	p->starts[side]++;
	peer->attempt_after_ns = 0;
	if (peer->slot[LAT_SLOT_CURRENT] != NULL)
		peer->want_rekey = true;
	else
		peer->want_connect = true;
	lat_peer_touch(peer);
	world_tick(p->w, side);
}

static void deliver(struct pair *p, const struct pool_packet *sent)
{
	struct lat_path from = world_path(sent->from, LAT_PROTO_UDP);
	struct world_node *n = &p->w->node[sent->to];
	uint8_t packet[POOL_BYTES];

	from.node = 0;
	memcpy(packet, sent->data, sent->bytes);
	/* The rate of an address would only make the search lose packets that it may lose anyway. */
	memset(n->engine->rate, 0, sizeof(n->engine->rate));
	n->engine->m1_in_second = 0;
	n->engine->load_until_ns = p->scene == SCENE_COOKIE && sent->to == 1 ? UINT64_MAX : 0;
	(void)!lat_engine_packet(n->engine, world_time(n), &from, packet, sent->bytes);
	world_tick(p->w, sent->to);
}

static void pass_time(struct pair *p, uint64_t ns)
{
	p->w->now += ns;
	for (int i = 0; i < 2; i++)
		world_tick(p->w, i);
}

/* ---- what must hold ---- */

static void note_made(struct pair *p)
{
	for (int side = 0; side < 2; side++)
		for (int i = 0; i < LAT_SLOT_COUNT; i++) {
			const struct lat_session *s = peer_of(p, side)->slot[i];
			size_t at = 0;

			if (s == NULL || !s->initiator)
				continue;
			while (at < p->made_count && memcmp(p->made[at], s->secret->sid, LAT_SID) != 0)
				at++;
			if (at == p->made_count && at < SIDS_MAX)
				memcpy(p->made[p->made_count++], s->secret->sid, LAT_SID);
		}
}

static bool was_made(const struct pair *p, const struct lat_session *s)
{
	for (size_t i = 0; i < p->made_count; i++)
		if (memcmp(p->made[i], s->secret->sid, LAT_SID) == 0)
			return true;
	return p->made_count == SIDS_MAX;
}

/* Two that name each other, or bear one name, are one session: one key, and two ends of it. */
static const char *sessions_wrong(const struct lat_session *a, const struct lat_session *b)
{
	bool linked = a->idx_remote == b->idx_local && b->idx_remote == a->idx_local;
	bool same_sid = memcmp(a->secret->sid, b->secret->sid, LAT_SID) == 0;
	bool same_key = memcmp(a->secret->sess, b->secret->sess, LAT_HASH) == 0;

	if (linked && !same_key)
		return "two keys for one session";
	if (same_sid && !same_key)
		return "two keys under one name";
	if (same_key && (!linked || a->initiator == b->initiator))
		return "one key for two sessions";
	if (linked && memcmp(a->secret->tx.aead.subkey, b->secret->rx.aead.subkey,
			     sizeof(a->secret->tx.aead.subkey)) != 0)
		return "one end seals under what the other does not open";
	return NULL;
}

static const char *attempt_wrong(const struct pair *p, int side)
{
	const struct lat_attempt *a = peer_of(p, side)->attempt;
	const struct lat_owner *o;
	bool answered = false;

	if (a == NULL || a->state != LAT_ATTEMPT_SENT3)
		return NULL;
	for (size_t i = 0; i < p->pooled && !answered; i++)
		answered = p->pool[i].to == side && p->pool[i].data[LAT_PKT_TYPE] == LAT_PKT_M2 &&
			   lat_get_le32(p->pool[i].data + LAT_M2_IDX_I) == a->hs->idx_i &&
			   lat_get_le32(p->pool[i].data + LAT_M2_IDX_R) == a->hs->idx_r;
	if (!answered)
		return "a caller took the answer to another call";
	o = lat_idmap_get(&p->w->node[1 - side].engine->index, a->hs->idx_r);
	if (o == NULL || o->kind != LAT_OWNER_HALF || ((const struct lat_half *)o)->hs == NULL)
		return NULL;
	return memcmp(((const struct lat_half *)o)->hs->sym.ck, a->hs->sym.ck, LAT_HASH) != 0
		       ? "caller and called agree on nothing"
		       : NULL;
}

static const char *look(struct pair *p)
{
	const char *wrong = NULL;
	const struct lat_peer *peer[2] = { peer_of(p, 0), peer_of(p, 1) };

	note_made(p);
	for (int i = 0; i < LAT_SLOT_COUNT && wrong == NULL; i++)
		for (int j = 0; j < LAT_SLOT_COUNT && wrong == NULL; j++)
			if (peer[0]->slot[i] != NULL && peer[1]->slot[j] != NULL)
				wrong = sessions_wrong(peer[0]->slot[i], peer[1]->slot[j]);
	for (int i = 0; i < 2 && wrong == NULL; i++) {
		const struct lat_session *s = peer[i]->slot[LAT_SLOT_CURRENT];

		wrong = attempt_wrong(p, i);
		if (wrong == NULL && s != NULL && !s->initiator && !was_made(p, s))
			wrong = "the called uses a session that its caller never had";
	}
	return wrong;
}

void pair_move(struct pair *p, const struct move *m)
{
	bool had[2], stale = m->kind == MOVE_DELIVER && p->pool[m->which].data[0] == LAT_PKT_STALE;

	for (int i = 0; i < 2; i++)
		had[i] = peer_of(p, i)->slot[LAT_SLOT_CURRENT] != NULL;
	p->w->now += 1000;
	switch (m->kind) {
	case MOVE_START:
		start(p, m->which);
		break;
	case MOVE_RETRY:
		pass_time(p, peer_of(p, m->which)->attempt->retry_at_ns - p->w->now);
		break;
	case MOVE_GIVE_UP:
		pass_time(p, give_up_ns);
		break;
	case MOVE_DELIVER:
		deliver(p, &p->pool[m->which]);
		break;
	}
	p->wrong = look(p);
	for (int i = 0; i < 2 && p->wrong == NULL; i++)
		if (m->kind == MOVE_DELIVER && !stale && had[i] &&
		    peer_of(p, i)->slot[LAT_SLOT_CURRENT] == NULL)
			p->wrong = "a packet took away a live session";
	drop_void(p);
}

void pair_print_move(const struct pair *p, const struct move *m)
{
	static const char *const types[] = { "?", "M1", "M2", "M3", "M4", "COOKIE", "DATA", "STALE" };
	const struct pool_packet *packet = &p->pool[m->which];

	switch (m->kind) {
	case MOVE_START:
		print_error("  node %d starts a handshake\n", m->which + 1);
		break;
	case MOVE_RETRY:
		print_error("  node %d's timer\n", m->which + 1);
		break;
	case MOVE_GIVE_UP:
		print_error("  nothing for 26 s\n");
		break;
	case MOVE_DELIVER:
		print_error("  %s of node %d arrives (packet %d)\n", types[packet->data[0] & 7],
			    packet->from + 1, m->which + 1);
		break;
	}
}

/* ---- when two are the same ---- */

/* Of times only this counts: which of the hellos went out before which session was first heard in, and how old the rest are. */
struct times {
	uint64_t now, hello[32], opened[LAT_SLOT_COUNT];
	size_t hellos, opens;
};

static void add_hello(struct times *t, uint64_t at)
{
	if (t->hellos == ARRAY_LEN(t->hello))
		abort(); /* a CHECK would go on in this child */
	t->hello[t->hellos++] = at;
}

static void mix_hellos(uint64_t *h, const struct times *t)
{
	for (size_t i = 0; i < t->hellos; i++) {
		uint64_t before = 0;

		for (size_t j = 0; j < t->opens; j++)
			before += t->opened[j] < t->hello[i];
		mix_number(h, before);
	}
}

static void mix_age(uint64_t *h, const struct times *t, uint64_t at)
{
	mix_number(h, at == 0 || at == UINT64_MAX ? at : (t->now - at) / (100 * MS) + 1);
}

static void mix_session(uint64_t *h, struct times *t, const struct lat_session *s)
{
	const bool flags[] = { s->initiator,    s->opened,    s->loser,       s->want_params,
			       s->want_confirm, s->sent_data, s->half != NULL };

	mix(h, flags, sizeof(flags));
	mix(h, s->secret->sid, LAT_SID);
	mix_number(h, (uint64_t)s->idx_local << 32 | s->idx_remote);
	mix(h, &s->rx.replay, sizeof(s->rx.replay));
	mix_age(h, t, s->born_ns);
	add_hello(t, s->m1_ns);
	if (s->opened)
		t->opened[t->opens++] = s->first_open_ns;
}

uint64_t pair_side_name(const struct pair *p, int side)
{
	const struct lat_engine *e = p->w->node[side].engine;
	const struct lat_peer *peer = peer_of(p, side);
	struct times t = { .now = world_time(&p->w->node[side]) };
	uint64_t h = fnv_start;
	const struct lat_half *half;

	mix_number(&h, (uint64_t)p->starts[side]);
	mix_number(&h, (uint64_t)peer->state);
	mix_number(&h, (uint64_t)(peer->want_connect * 2 + peer->want_rekey));
	mix_number(&h,
		   peer->attempt_after_ns > t.now ? (peer->attempt_after_ns - t.now) / (100 * MS) + 1 : 0);
	mix_age(&h, &t, peer->await_since_ns);
	if (peer->attempt != NULL) {
		mix_number(&h, (uint64_t)peer->attempt->state);
		mix_number(&h, peer->attempt->cookie_taken);
		mix(&h, peer->attempt->packet, sizeof(peer->attempt->packet));
		mix_age(&h, &t, peer->attempt->start_ns);
		add_hello(&t, peer->attempt->start_ns);
	}
	for (half = e->halves; half != NULL; half = half->next) {
		mix_number(&h, (uint64_t)half->state);
		mix_number(&h, half->idx);
		mix(&h, half->dup, sizeof(half->dup));
		mix(&h, half->reply, sizeof(half->reply));
		mix_age(&h, &t, half->born_ns);
		add_hello(&t, half->born_ns);
	}
	for (int i = 0; i < LAT_SLOT_COUNT; i++) {
		mix_number(&h, (uint64_t)i);
		if (peer->slot[i] != NULL)
			mix_session(&h, &t, peer->slot[i]);
	}
	mix_hellos(&h, &t);
	return h;
}

uint64_t pair_ends_name(const struct pair *p)
{
	uint64_t h = pair_side_name(p, 0);

	mix_number(&h, pair_side_name(p, 1));
	return h == 0 ? 1 : h;
}

uint64_t pair_name(const struct pair *p)
{
	uint64_t name = 0, h;

	for (size_t i = 0; i < p->pooled; i++) /* as a set */
		name += p->pool[i].name;
	h = name;
	mix_number(&h, pair_ends_name(p));
	return h == 0 ? 1 : h;
}

/* ---- the network is good again ---- */

static bool same_key(const struct lat_session *a, const struct lat_session *b)
{
	return a != NULL && b != NULL && memcmp(a->secret->sess, b->secret->sess, LAT_HASH) == 0;
}

static bool one_session(const struct pair *p)
{
	const struct lat_session *a = peer_of(p, 0)->slot[LAT_SLOT_CURRENT],
				 *b = peer_of(p, 1)->slot[LAT_SLOT_CURRENT];

	return same_key(a, b) && a->opened && b->opened;
}

/* Each sends in a session that the other has. */
static bool both_heard(const struct pair *p)
{
	int heard = 0;

	for (int side = 0; side < 2; side++)
		for (int i = 0; i < LAT_SLOT_COUNT; i++)
			heard += same_key(peer_of(p, side)->slot[LAT_SLOT_CURRENT],
					  peer_of(p, 1 - side)->slot[i]);
	return heard == 2;
}

static bool send_one(struct pair *p, struct world_chan *const c[2])
{
	int got = 0;

	for (int i = 0; i < 2; i++) {
		const struct world_chan *in;

		if (c[i]->open && c[i]->sent == 0)
			(void)!world_chan_send(p->w, i, c[i], 40);
		in = world_chan_at(p->w, 1 - i, c[i]);
		got += in != NULL && in->got == 1;
	}
	return got == 2;
}

const char *pair_recovers(struct pair *p, bool *late)
{
	struct world *w = p->w;
	struct world_chan *c[2];
	bool sent = false;

	w->filter = NULL;
	for (int i = 0; i < 2; i++) {
		w->node[i].engine->load_until_ns = 0;
		c[i] = world_chan_open(w, i, 1 - i, 10 + i, LAT_CFLAG_RELIABLE);
	}
	for (int s = 0; s < RENEWED_S && p->wrong == NULL; s++) {
		world_run(w, SEC);
		if (!sent)
			sent = send_one(p, c);
		if (c[0]->ended || c[1]->ended || w->node[0].bad + w->node[1].bad != 0)
			return "a channel failed though the network is good";
		if (s >= GOOD_S && !sent)
			return "no message gets through though the network is good";
		if (s >= GOOD_S && !both_heard(p))
			return "an end sends what the other cannot open, though the network is good";
		*late = s >= GOOD_S;
		if (sent && one_session(p))
			return look(p);
	}
	return "each keeps a session of its own";
}

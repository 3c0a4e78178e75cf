#include "sim.h"

static bool up(const struct sim *s, const struct sim_flow *f)
{
	return !s->down[f->from] && !s->down[f->to];
}

void sim_fail(const struct sim *s, const char *what, int flow)
{
	print_error("seed %llu, %s, act %d (%s): %s, channel %d\nagain: make sim FIRST=%llu SEEDS=1\n",
		    (unsigned long long)s->seed, s->o.proto == LAT_PROTO_TCP ? "TCP" : "UDP", s->acts, s->act,
		    what, flow, (unsigned long long)s->seed);
	world_dump(s->w);
	CHECK(false);
}

/* Some right at its receiver, for a channel that is to be opened; a quarter of them are children. */
static struct lat_cap_right some_right(struct sim *s, struct sim_flow *f)
{
	struct world_issuer *i = s->w->node[f->to].issuer;
	struct lat_cap_desc want = world_want(), d;
	struct lat_cap_right right;
	struct lat_caveat slot;

	f->calls = world_random(s->w) % 4 != 0;
	want.rights |= LAT_RIGHT_BULK | LAT_RIGHT_GRANT | (f->calls ? LAT_RIGHT_CALL : 0);
	want.rate = world_random(s->w) % 8 == 0 ? 200 : 0;
	right = world_grant(s->w, f->to, &want);
	f->right = f->life = world_life(&right);
	if (world_random(s->w) % 4 == 0) {
		CHECK_EQ(lat_captable_mint(i->table, &f->right, &want, 0, LAT_CAP_UNLIMITED, &d), 0);
		f->life = (struct lat_cap_ref){ d.slot, d.gen };
		slot = lat_caveat_slot(d.slot, d.gen);
		CHECK_EQ(lat_cap_right_narrow(&right, &slot), 0);
	}
	return right;
}

static void open_flow(struct sim *s, int k)
{
	struct lat_cap_right right;
	bool by_right = world_random(s->w) % 2 == 0;

	struct sim_flow *f = &s->flow[k];
	int nodes = s->w->nodes;

	*f = (struct sim_flow){ .from = (int)(world_random(s->w) % (uint64_t)nodes) };
	f->to = (f->from + 1 + (int)(world_random(s->w) % (uint64_t)(nodes - 1))) % nodes;
	if (!up(s, f))
		return;
	if (by_right)
		right = some_right(s, f);
	f->out = world_chan_open_by(s->w, f->from, f->to, ++s->next_pid,
				    k == SIM_FLOWS - 1 ? 0 : LAT_CFLAG_RELIABLE | LAT_CFLAG_REVERSE,
				    by_right ? &right : NULL);
}

void sim_open(struct sim *s, uint64_t seed)
{
	*s = (struct sim){ .seed = seed, .act = "the beginning" };
	s->o.proto = seed % 4 == 0 ? LAT_PROTO_TCP : LAT_PROTO_UDP;
	s->o.max_msg = seed % 5 == 0 ? 400000 : 20000;
	s->w = world_open(seed % 3 == 0 ? 3 : 2, seed, &s->o);
	sim_calls_open(s);
	for (int k = 0; k < SIM_FLOWS; k++)
		open_flow(s, k);
}

void sim_close(struct sim *s)
{
	sim_calls_close(s);
	world_close(s->w);
}

/* ---- the oracle ---- */

static void check_running(const struct sim *s, int k, const struct world_chan *in)
{
	const struct world_chan *out = s->flow[k].out;

	if (in == NULL)
		return;
	if (in->got + in->lost > out->sent)
		sim_fail(s, "more received than sent", k);
	if (!out->lossy && in->skipped != sim_unheard(s, out, in->next_seq - 1))
		sim_fail(s, "out of order", k);
}

/* Revoked, while the sender had closed it already, or had lost its peer: it ended for that reason. */
static bool cut_unheard(const struct sim_flow *f, const struct world_chan *in)
{
	return f->revoked && in != NULL && in->err == -EKEYREVOKED && f->out->err != -EKEYREVOKED;
}

/* The sender was told of the end: it is true. */
static void check_ended(struct sim *s, int k)
{
	const struct sim_flow *f = &s->flow[k];
	const struct world_chan *out = f->out, *in;
	uint64_t told = out->err == 0 ? out->sent : out->last_seq;

	if (out->last_seq > out->sent)
		sim_fail(s, "the end tells of more than was sent", k);
	if (out->err == -EKEYREVOKED && !f->revoked)
		sim_fail(s, "its right lives", k);
	if (f->receiver_lost || out->lossy)
		return;
	sim_room(s, UINT64_MAX); /* what was acknowledged may still wait for room */
	in = world_chan_at(s->w, f->to, out);
	/* What waits for room when its right is revoked is received by nobody, and only EKEYREVOKED tells so. */
	told -= sim_unheard(s, out, told);
	if ((in == NULL ? 0 : in->got) < told && !cut_unheard(f, in))
		sim_fail(s, "the end tells of more than was received", k);
	if (out->err == 0 && !f->closing)
		sim_fail(s, "ended without a reason", k);
	if (out->err == -EKEYREVOKED && (in == NULL ? 0 : in->got) != told)
		sim_fail(s, "revoked, and not told what was received", k);
}

static void forget_ended(struct sim *s)
{
	for (int i = 0; i < s->w->nodes; i++)
		for (int c = 0; c < WORLD_CHANS; c++) {
			struct world_chan *chan = &s->w->node[i].chan[c];
			bool watched = false;

			for (int k = 0; k < SIM_FLOWS; k++)
				watched = watched || s->flow[k].out == chan ||
					  (s->flow[k].out != NULL && s->flow[k].out->tag == chan->tag);
			if (chan->ended && !watched)
				chan->used = false;
		}
}

void sim_check(struct sim *s)
{
	for (int i = 0; i < s->w->nodes; i++) {
		if (s->w->node[i].bad != 0)
			sim_fail(s, "a node received what it must not", i);
		if (!s->down[i] && (world_count(s->w, i, LAT_COUNT_PROTO) != 0 ||
				    world_count(s->w, i, LAT_COUNT_TOKEN) != 0))
			sim_fail(s, "a node took its peer for a liar", i);
	}
	sim_calls_check(s);
	for (int k = 0; k < SIM_FLOWS; k++) {
		struct sim_flow *f = &s->flow[k];

		if (f->out != NULL) {
			check_running(s, k, world_chan_at(s->w, f->to, f->out));
			if (!f->out->ended)
				continue;
			check_ended(s, k);
			if (f->right.gen != 0) /* its slot is used again, by another life */
				(void)!lat_captable_revoke(s->w->node[f->to].issuer->table, f->right, NULL);
		}
		open_flow(s, k);
	}
	forget_ended(s);
}

void sim_check_end(struct sim *s)
{
	for (int k = 0; k < SIM_FLOWS; k++) {
		const struct sim_flow *f = &s->flow[k];
		const struct world_chan *in = world_chan_at(s->w, f->to, f->out);

		if (f->revoked && !f->out->ended)
			sim_fail(s, "its right was revoked, and the sender was not told", k);
		if (f->out->ended || f->out->lossy)
			continue;
		if (f->out->sent > 0 &&
		    (in == NULL || in->got != f->out->sent - sim_unheard(s, f->out, f->out->sent)))
			sim_fail(s, "something is missing", k);
		if (lat_engine_chan_unacked(s->w->node[f->from].engine, f->out->handle) != 0)
			sim_fail(s, "not acknowledged", k);
		if (in != NULL && in->ended)
			sim_fail(s, "ended at one side only", k);
	}
}

/* ---- applications ---- */

void sim_revoke(struct sim *s)
{
	struct sim_flow *f = &s->flow[world_random(s->w) % SIM_FLOWS];
	struct lat_cap_ref which = world_random(s->w) % 2 == 0 ? f->right : f->life;
	struct world_node *n = &s->w->node[f->to];

	if (f->out == NULL || f->right.gen == 0 || f->revoked)
		return;
	f->revoked = true;
	CHECK_EQ(lat_captable_revoke(n->issuer->table, which, NULL), 0);
	if (n->engine == NULL)
		return;
	if (world_random(s->w) % 2 == 0)
		world_run(s->w, world_random(s->w) % (10 * MS));
	(void)lat_engine_revoke(n->engine, world_time(n));
	world_tick(s->w, f->to);
}

static size_t some_bytes(struct sim *s)
{
	uint64_t kind = world_random(s->w) % 16;

	if (kind == 0)
		return world_random(s->w) % (s->o.max_msg - 12);
	return kind < 5 ? 6000 : 40;
}

void sim_send(struct sim *s)
{
	for (int k = 0; k < SIM_FLOWS; k++) {
		const struct sim_flow *f = &s->flow[k];

		if (f->out == NULL || s->down[f->from])
			continue;
		for (uint64_t n = world_random(s->w) % 30; n > 0; n--)
			if (world_chan_send(s->w, f->from, f->out, some_bytes(s)) != 0)
				break;
	}
}

void sim_room(struct sim *s, uint64_t room)
{
	for (int i = 0; i < s->w->nodes; i++) {
		struct world_node *n = &s->w->node[i];

		n->room = room;
		for (int c = 0; c < WORLD_CHANS && n->engine != NULL; c++) {
			struct world_chan *chan = &n->chan[c];

			if (!chan->used || chan->outbound || chan->ended)
				continue;
			chan->room = room;
			lat_engine_drain(n->engine, world_time(n), chan->handle);
		}
		world_tick(s->w, i);
	}
}

void sim_crash(struct sim *s, int node)
{
	s->down[node] = true;
	world_crash(s->w, node);
	sim_calls_crash(s, node);
	for (int k = 0; k < SIM_FLOWS; k++) {
		if (s->flow[k].from == node) /* who sent on it is no more */
			s->flow[k].out = NULL;
		else if (s->flow[k].out != NULL && s->flow[k].to == node)
			s->flow[k].receiver_lost = s->flow[k].receiver_lost || s->flow[k].out->open;
	}
}

void sim_boot(struct sim *s, int node)
{
	s->down[node] = false;
	world_boot(s->w, node, &s->o);
	sim_calm(s);
	for (int j = 0; j < s->w->nodes; j++)
		if (j != node && !s->down[j])
			world_connect(s->w, node, j);
	world_run(s->w, 60 * SEC);
	sim_room(s, UINT64_MAX); /* what was acknowledged comes before the end */
	for (int k = 0; k < SIM_FLOWS; k++)
		if (s->flow[k].out != NULL && s->flow[k].receiver_lost && s->flow[k].to == node &&
		    !s->flow[k].out->ended)
			sim_fail(s, "the sender was not told of a restart", k);
	for (int j = 0; j < s->w->nodes; j++)
		for (int c = 0; c < WORLD_CHANS; c++) {
			const struct world_chan *in = &s->w->node[j].chan[c];

			if (in->used && !in->outbound && !in->ended &&
			    in->tag >> 32 == world_node_number(node) && !s->down[j])
				sim_fail(s, "the receiver was not told of a restart", j);
		}
}

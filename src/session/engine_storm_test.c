/*
 * Everything at once, from a seed: two or three engines, channels both ways, and at random moments loss, blackouts, cut
 * connections, long silences, slow receivers, restarts. An oracle watches that each reliable channel gets every message
 * once, in order, whole, or ends and says up to which it did. A seed that fails replays.
 */
#include "session/engine_harness.h"

enum { ACTS = 60, CHANS = 4 };

struct storm {
	struct world *w;
	struct world_options o;
	uint64_t seed;
	struct world_chan *c[CHANS];
	int from[CHANS], to[CHANS];
	int32_t next_pid;
	const char *act;
	int acts;
};

static void fail_storm(const struct storm *s, const char *what, int k)
{
	print_error("seed %llu, %s, act %d (%s): %s, channel %d\n", (unsigned long long)s->seed,
		    s->o.proto == LAT_PROTO_TCP ? "TCP" : "UDP", s->acts, s->act, what, k);
	world_dump(s->w);
	CHECK(false);
}

static void open_one(struct storm *s, int k)
{
	int a = (int)(world_random(s->w) % (uint64_t)s->w->nodes);
	int b = (a + 1 + (int)(world_random(s->w) % (uint64_t)(s->w->nodes - 1))) % s->w->nodes;

	s->from[k] = a;
	s->to[k] = b;
	s->c[k] = world_chan_open(s->w, a, b, ++s->next_pid, LAT_CFLAG_RELIABLE);
}

static void check_all(const struct storm *s)
{
	for (int i = 0; i < s->w->nodes; i++)
		if (s->w->node[i].bad != 0)
			fail_storm(s, "a node saw something wrong", i);
	for (int k = 0; k < CHANS; k++) {
		const struct world_chan *in = world_chan_at(s->w, s->to[k], s->c[k]);

		if (in != NULL && (in->skipped != 0 || in->got > s->c[k]->sent))
			fail_storm(s, "out of order", k);
	}
}

static void send_some(struct storm *s)
{
	for (int k = 0; k < CHANS; k++)
		for (uint64_t n = world_random(s->w) % 20; n > 0; n--)
			if (world_chan_send(s->w, s->from[k], s->c[k], world_random(s->w) % 3 ? 40 : 6000) !=
			    0)
				break;
}

static void drain_all(struct storm *s, uint64_t room)
{
	for (int i = 0; i < s->w->nodes; i++) {
		s->w->node[i].room = room;
		for (int k = 0; k < WORLD_CHANS; k++) {
			struct world_chan *c = &s->w->node[i].chan[k];

			if (!c->used || c->outbound || c->ended)
				continue;
			c->room = room;
			lat_engine_drain(s->w->node[i].engine, s->w->now, c->handle);
		}
		world_tick(s->w, i);
	}
}

static void forget_ended(struct storm *s)
{
	/* The test's table is small. */
	for (int i = 0; i < s->w->nodes; i++)
		for (int k = 0; k < WORLD_CHANS; k++) {
			struct world_chan *c = &s->w->node[i].chan[k];
			bool watched = false;

			for (int m = 0; m < CHANS; m++)
				watched = watched || s->c[m] == c ||
					  world_chan_at(s->w, s->to[m], s->c[m]) == c;
			if (c->ended && !watched)
				c->used = false;
		}
}

/* Whoever restarts has lost its channels; the others must be told of theirs. */
static void restart_one(struct storm *s)
{
	int i = (int)(world_random(s->w) % (uint64_t)s->w->nodes);
	const struct world_chan *in[CHANS];

	s->w->loss = 0;
	for (int k = 0; k < CHANS; k++)
		in[k] = world_chan_at(s->w, s->to[k], s->c[k]);
	world_restart(s->w, i, &s->o);
	for (int j = 0; j < s->w->nodes; j++)
		if (j != i)
			world_connect(s->w, i, j);
	world_run(s->w, 60 * SEC);
	drain_all(s, UINT64_MAX); /* what was acknowledged comes before the end */
	for (int k = 0; k < CHANS; k++) {
		if (s->from[k] == i && in[k] != NULL && (!in[k]->ended || in[k]->err != -ECONNRESET))
			fail_storm(s, "receiver not told of a restart", k);
		if (s->to[k] == i && in[k] != NULL && (!s->c[k]->ended || s->c[k]->err != -ECONNRESET))
			fail_storm(s, "sender not told of a restart", k);
		if (s->from[k] == i || s->c[k]->ended)
			open_one(s, k);
	}
}

static void act(struct storm *s)
{
	struct world *w = s->w;

	switch (world_random(w) % 12) {
	case 0:
		s->act = "loss";
		w->loss = (uint32_t)(world_random(w) % 300);
		break;
	case 1:
		s->act = "calm";
		w->loss = w->dup = w->corrupt = 0;
		w->jitter = 0;
		break;
	case 2:
		s->act = "reorder, double, corrupt";
		w->jitter = world_random(w) % (20 * MS);
		w->dup = 100;
		w->corrupt = 10;
		break;
	case 3:
		s->act = "blackout";
		w->loss = 1000;
		world_run(w, world_random(w) % (50 * SEC));
		w->loss = 0;
		break;
	case 4:
		s->act = "silence";
		world_run(w, world_random(w) % (400 * SEC));
		break;
	case 5:
	case 6:
		s->act = "cut";
		world_cut(w, 0, 1);
		break;
	case 7:
		s->act = "slow receivers";
		drain_all(s, world_random(w) % 10);
		break;
	case 8:
		s->act = "quick receivers";
		drain_all(s, UINT64_MAX);
		break;
	case 9:
		if (world_random(w) % 4 == 0) {
			s->act = "restart";
			restart_one(s);
		}
		break;
	case 10:
		s->act = "both call";
		lat_engine_peer_connect(w->node[0].engine, w->now, 2);
		lat_engine_peer_connect(w->node[1].engine, w->now, 1);
		world_tick(w, 0);
		world_tick(w, 1);
		break;
	default:
		s->act = "time";
		world_run(w, world_random(w) % SEC);
		break;
	}
}

static void storm(uint64_t seed, uint8_t proto)
{
	struct storm s = { .seed = seed, .o = { .proto = proto, .max_msg = 20000 } };

	s.w = world_open(seed % 3 == 0 ? 3 : 2, seed, &s.o);
	for (int k = 0; k < CHANS; k++)
		open_one(&s, k);
	for (s.acts = 0; s.acts < ACTS; s.acts++) {
		act(&s);
		send_some(&s);
		world_run(s.w, world_random(s.w) % (100 * MS));
		check_all(&s);
		forget_ended(&s);
	}
	/* The end: everything must arrive. */
	s.act = "the end";
	s.w->loss = s.w->dup = s.w->corrupt = 0;
	s.w->jitter = 0;
	drain_all(&s, UINT64_MAX);
	world_run(s.w, 60 * SEC);
	for (int k = 0; k < CHANS; k++) {
		const struct world_chan *in = world_chan_at(s.w, s.to[k], s.c[k]);

		if (s.c[k]->ended || (in != NULL && in->ended)) {
			/* Out of reach for longer than `hold`: both know, and the sender knows how far it came. */
			if (s.c[k]->err != -ECONNRESET || !s.c[k]->ended || (in != NULL && !in->ended) ||
			    (in != NULL && in->got < s.c[k]->last_seq))
				fail_storm(&s, "ended on one side, or without a reason", k);
			continue;
		}
		if (s.c[k]->sent > 0 && (in == NULL || in->got != s.c[k]->sent))
			fail_storm(&s, "something is missing", k);
		if (lat_engine_chan_unacked(s.w->node[s.from[k]].engine, s.c[k]->handle) != 0)
			fail_storm(&s, "not acknowledged", k);
	}
	world_close(s.w);
}

TEST(storms_over_udp)
{
	for (uint64_t seed = 1; seed <= world_seeds(8); seed++)
		storm(seed, LAT_PROTO_UDP);
}

TEST(storms_over_tcp)
{
	for (uint64_t seed = 1; seed <= world_seeds(8); seed++)
		storm(seed, LAT_PROTO_TCP);
}

TEST_MAIN

/* What may happen to a network and its nodes, drawn from the seed. */
#include "sim.h"

void sim_calm(struct sim *s)
{
	struct world *w = s->w;

	lat_weather_calm(&w->faults, &w->rng);
	for (int i = 0; i < w->nodes; i++)
		for (int j = 0; j < w->nodes; j++)
			w->pipe[i][j] = (struct lat_pipe){ 0 };
}

static uint64_t below(struct sim *s, uint64_t end)
{
	return world_random(s->w) % end;
}

static int any_node(struct sim *s)
{
	return (int)below(s, (uint64_t)s->w->nodes);
}

static void narrow(struct sim *s)
{
	struct lat_pipe *p = &s->w->pipe[any_node(s)][any_node(s)];

	p->rate = 50000 + below(s, 5000000);
	p->queue_max = 10000 + below(s, 200000);
}

static void blackout(struct sim *s)
{
	uint32_t before = s->w->faults.loss;

	s->w->faults.loss = 1000;
	world_run(s->w, below(s, 60 * SEC));
	s->w->faults.loss = before;
}

static void one_way(struct sim *s)
{
	struct lat_pipe *p = &s->w->pipe[any_node(s)][any_node(s)];

	p->black = true;
	world_run(s->w, below(s, 20 * SEC));
	p->black = false;
}

static void silence(struct sim *s)
{
	world_run(s->w, below(s, 400 * SEC));
}

static void clock_jump(struct sim *s)
{
	int i = any_node(s);

	/* It slept; what was sent to it meanwhile is there when it wakes. */
	s->w->node[i].skew += below(s, 4) == 0 ? below(s, 400 * SEC) : below(s, 20 * SEC);
	world_tick(s->w, i);
}

static void cut(struct sim *s)
{
	world_cut(s->w, 0, 1);
}

static void slow(struct sim *s)
{
	sim_room(s, below(s, 10));
}

static void quick(struct sim *s)
{
	sim_room(s, UINT64_MAX);
}

static void both_call(struct sim *s)
{
	if (s->down[0] || s->down[1])
		return;
	world_connect(s->w, 0, 1);
	world_connect(s->w, 1, 0);
}

static void crash(struct sim *s)
{
	int i = any_node(s);

	if (below(s, 3) != 0)
		return;
	if (!s->down[i])
		sim_crash(s, i);
	if (below(s, 2) == 0)
		world_run(s->w, below(s, 30 * SEC));
	sim_boot(s, i);
}

static void end_one(struct sim *s)
{
	struct sim_flow *f = &s->flow[below(s, SIM_FLOWS)];
	struct world_node *n = &s->w->node[f->from];

	if (f->out == NULL || n->engine == NULL || f->out->ended)
		return;
	(void)!lat_engine_chan_close(n->engine, world_time(n), f->out->handle);
	f->closing = true;
	world_tick(s->w, f->from);
}

static void some_time(struct sim *s)
{
	world_run(s->w, below(s, SEC));
}

static const struct {
	const char *name;
	void (*act)(struct sim *s);
	lat_weather_fn weather; /* instead: what lattice-chaos does too */
} acts[] = {
	{ "loss", .weather = lat_weather_loss },
	{ "bursts", .weather = lat_weather_bursts },
	{ "disorder", .weather = lat_weather_disorder },
	{ "damage", .weather = lat_weather_damage },
	{ "far away", .weather = lat_weather_far },
	{ "narrow", narrow },
	{ "blackout", blackout },
	{ "one way", one_way },
	{ "mtu", .weather = lat_weather_mtu },
	{ "silence", silence },
	{ "clock jump", clock_jump },
	{ "cut", cut },
	{ "cut", cut },
	{ "slow", slow },
	{ "quick", quick },
	{ "both call", both_call },
	{ "crash", crash },
	{ "end", end_one },
	{ "revoke", sim_revoke },
	{ "revoke", sim_revoke },
	{ "time", some_time },
	{ "time", some_time },
	{ "calm", sim_calm },
};

void sim_act(struct sim *s)
{
	size_t i = (size_t)below(s, ARRAY_LEN(acts));

	s->act = acts[i].name;
	if (acts[i].weather != NULL)
		acts[i].weather(&s->w->faults, &s->w->rng);
	else
		acts[i].act(s);
}

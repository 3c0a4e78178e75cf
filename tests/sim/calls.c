/* Calls in a storm: each is taken at most once, answered by who has it and to who made it, and over when its channel is. */
#include "sim.h"

enum { REPLY_MAX = 20000 };

static bool same_chan(const struct sim_call *c, const struct world_chan *chan)
{
	return chan != NULL && chan->used && chan->tag == c->call.tag;
}

/* The channel that it was made on, while the oracle watches that. */
static const struct sim_flow *flow_of(const struct sim *s, const struct sim_call *c)
{
	for (int k = 0; k < SIM_FLOWS; k++)
		if (same_chan(c, s->flow[k].out))
			return &s->flow[k];
	return NULL;
}

uint64_t sim_unheard(const struct sim *s, const struct world_chan *out, uint64_t upto)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < s->call_count; i++) {
		const struct sim_call *c = &s->calls[i];

		if (c->call.tag != out->tag)
			continue;
		count += c->forbidden && c->seq <= upto ? 1 : 0;
		count += c->cancel_seq != 0 && c->cancel_seq <= upto ? 1 : 0;
	}
	return count;
}

/* What is told of each request that is handed up. */
static void taken(void *ctx, struct world_chan *in, const struct lat_delivery *d)
{
	struct sim *s = ctx;
	struct sim_call *c = NULL;

	for (uint32_t i = 0; i < s->call_count && c == NULL; i++)
		if (s->calls[i].call.tag == in->tag && s->calls[i].call.id == d->call)
			c = &s->calls[i];
	if (c == NULL || d->seq != c->seq || c->forbidden)
		sim_fail(s, "a request that nobody made", 0);
	else if (c->in != NULL)
		sim_fail(s, "a request was handed up twice", 0);
	else
		c->in = in;
}

void sim_calls_open(struct sim *s)
{
	s->calls = calloc(SIM_CALLS, sizeof(*s->calls));
	CHECK(s->calls != NULL);
	s->w->called = taken;
	s->w->called_ctx = s;
}

void sim_calls_close(struct sim *s)
{
	free(s->calls);
}

/* ---- who calls ---- */

static bool call(struct sim *s, int k)
{
	struct sim_call *c = &s->calls[s->call_count];
	const struct sim_flow *f = &s->flow[k];
	uint32_t deadline_us = world_random(s->w) % 3 == 0 ? 1 + (uint32_t)(world_random(s->w) % 10000000)
							   : 0;
	int rc = world_call(s->w, f->from, f->out, world_random(s->w) % 4 == 0 ? 6000 : 40, deadline_us,
			    &c->call);

	if (rc == 0) {
		c->from = f->from;
		c->to = f->to;
		c->seq = f->out->sent;
		c->forbidden = !f->calls;
		c->due = deadline_us == 0 ? UINT64_MAX : s->w->now + deadline_us * (MS / 1000);
		s->call_count++;
		return true;
	}
	if (rc != -EAGAIN && rc != -ENOBUFS && !(rc == -EOPNOTSUPP && f->out->lossy) &&
	    !(rc == -ENOENT && (f->out->ended || f->closing)) &&
	    !(rc == -EACCES && f->right.gen != 0 && !f->calls))
		sim_fail(s, "a call was refused", k);
	return false;
}

void sim_call(struct sim *s)
{
	for (int k = 0; k < SIM_FLOWS; k++)
		if (s->flow[k].out != NULL && !s->down[s->flow[k].from])
			for (uint64_t n = world_random(s->w) % 6; n > 0 && s->call_count < SIM_CALLS; n--)
				if (!call(s, k))
					break;
}

static void give_up(struct sim *s, struct sim_call *c)
{
	const struct sim_flow *f = flow_of(s, c);

	if (f == NULL)
		return;
	if (f->closing) { /* nothing is said any more */
		lat_engine_call_cancel(s->w->node[c->from].engine, world_time(&s->w->node[c->from]),
				       f->out->handle, c->call.id);
	} else {
		world_cancel(s->w, c->from, f->out, &c->call);
		c->cancel_seq = f->out->sent;
	}
	c->call.over = c->done = true; /* whatever is said of it from now on is wrong */
}

/* Those whose time is over, and of others a share @of; 0: none. */
static void give_some_up(struct sim *s, uint64_t of)
{
	for (uint32_t i = 0; i < s->call_count; i++) {
		struct sim_call *c = &s->calls[i];

		if (!c->done && !c->call.over &&
		    (s->w->now >= c->due || (of != 0 && world_random(s->w) % of == 0)))
			give_up(s, c);
	}
}

void sim_calls_crash(struct sim *s, int node)
{
	for (uint32_t i = 0; i < s->call_count; i++)
		if (s->calls[i].from == node)
			s->calls[i].done = s->calls[i].call.over = true;
}

/* ---- who answers ---- */

/* Whether there is a call that it may be to. */
static void reply(struct sim *s, struct sim_call *c, size_t bytes)
{
	bool ended = c->in->ended;
	int rc = world_reply(s->w, c->to, c->in, c->call.id, bytes);

	if (rc == -EAGAIN || rc == -EALREADY)
		return;
	if (rc != 0)
		sim_fail(s, "a reply was refused", 0);
	if (c->answered)
		sim_fail(s, "a call was answered twice", 0);
	if (ended)
		sim_fail(s, "a call was answered on a channel that is over", 0);
	c->answered = true;
	c->answer_bytes = bytes;
}

/* To a call of the same channel that has not come yet. */
static void reply_to_none(struct sim *s, const struct sim_call *c)
{
	int rc = world_reply(s->w, c->to, c->in, c->in->asked + 1 + world_random(s->w) % 3, 40);

	if (rc != -EINVAL && rc != -EALREADY)
		sim_fail(s, "a call was answered that was not received", 0);
}

/* Some of those that were received, a share of @of. */
static void answer(struct sim *s, uint64_t of)
{
	for (uint32_t i = 0; i < s->call_count; i++) {
		struct sim_call *c = &s->calls[i];
		uint64_t kind = world_random(s->w) % of;

		if (s->w->node[c->to].engine == NULL || !same_chan(c, c->in) || c->in->outbound || kind > 2)
			continue;
		if (c->answered && kind != 1)
			continue;
		reply(s, c, world_random(s->w) % (world_random(s->w) % 4 == 0 ? REPLY_MAX / 2 : 64));
		if (kind == 2)
			reply_to_none(s, c);
	}
}

void sim_answer(struct sim *s)
{
	give_some_up(s, 64);
	answer(s, 16);
}

/* ---- the oracle ---- */

static void check_over(const struct sim *s, const struct sim_call *c, const struct sim_flow *f)
{
	if (c->call.err == 0 && (!c->answered || c->call.bytes != c->answer_bytes))
		sim_fail(s, "a reply that nobody gave", 0);
	if (c->call.err == 0 || f == NULL || f->out->ended || f->closing)
		return;
	if (c->call.err != -EACCES || !c->forbidden)
		sim_fail(s, "a call ended, and its channel did not", 0);
}

void sim_calls_check(struct sim *s)
{
	for (uint32_t i = 0; i < s->call_count; i++) {
		struct sim_call *c = &s->calls[i];
		const struct sim_flow *f = c->done ? NULL : flow_of(s, c);

		if (c->done)
			continue;
		if (c->call.over)
			check_over(s, c, f);
		else if (f == NULL || f->out->ended)
			sim_fail(s, "a call outlives its channel", 0);
		c->done = c->call.over;
	}
}

void sim_calls_end(struct sim *s)
{
	for (int i = 0; i < 20; i++) { /* each channel's 16 MiB of replies goes in turns */
		give_some_up(s, 0);
		answer(s, 1);
		world_run(s->w, 2 * SEC);
	}
	sim_check(s);
	for (uint32_t i = 0; i < s->call_count; i++)
		if (!s->calls[i].done)
			sim_fail(s, "a call has no end", 0);
}

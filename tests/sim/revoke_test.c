/*
 * Revoking against everything that a sender does, in virtual time: some channels by rights of their own send as fast as they can, some are just
 * being opened, closed, or wait for their receiver; at a random moment the right of each ends. The oracle: nothing is received after that,
 * every sender is told, soon where nothing is lost, and how much was received.
 */
#include "session/engine_harness.h"
#include "session/machine.h"

enum { HERE, THERE, FLOWS = 8, USUAL_RACES = 8000 };

struct race {
	struct world *w;
	struct lat_cap_right right[FLOWS];
	struct world_chan *out[FLOWS];
	uint64_t told, lost_races;
	int32_t pid;
};

static uint64_t below(struct race *r, uint64_t n)
{
	return world_random(r->w) % n;
}

static void open_all(struct race *r)
{
	struct lat_cap_desc want = world_want();

	want.rights |= LAT_RIGHT_BULK;
	r->w->node[THERE].room = below(r, 4) == 0 ? below(r, 20) : UINT64_MAX;
	for (int i = 0; i < FLOWS; i++) {
		r->right[i] = world_grant(r->w, THERE, &want);
		r->out[i] = world_chan_open_by(r->w, HERE, THERE, ++r->pid, i == 0 ? 0 : LAT_CFLAG_RELIABLE,
					       &r->right[i]);
	}
}

static void send_some(struct race *r)
{
	for (int i = 0; i < FLOWS; i++)
		for (uint64_t n = below(r, 8); n > 0; n--)
			if (world_chan_send(r->w, HERE, r->out[i], below(r, 100) == 0 ? 20000 : 20) != 0)
				break;
}

/* The moment of one. False: its sender has closed it. */
static bool revoke(struct race *r, int i)
{
	struct world_node *n = &r->w->node[THERE];
	bool closed = below(r, 16) == 0;

	if (closed)
		(void)!lat_engine_chan_close(r->w->node[HERE].engine, r->w->now, r->out[i]->handle);
	CHECK_EQ(lat_captable_revoke(n->issuer->table, world_life(&r->right[i]), NULL), 0);
	if (below(r, 2) == 0) /* the engine hears of it later */
		world_run(r->w, below(r, 2 * MS));
	(void)lat_engine_revoke(n->engine, world_time(n));
	world_tick(r->w, THERE);
	return !closed;
}

static void drain(struct race *r)
{
	struct world_node *n = &r->w->node[THERE];

	for (int c = 0; c < WORLD_CHANS; c++)
		if (n->chan[c].used && !n->chan[c].ended) {
			n->chan[c].room = UINT64_MAX;
			lat_engine_drain(n->engine, world_time(n), n->chan[c].handle);
		}
	world_tick(r->w, THERE);
}

static void check_told(struct race *r, int i, bool closed, bool at_once)
{
	const struct world_chan *out = r->out[i], *in = world_chan_at(r->w, THERE, out);
	uint64_t got = in == NULL ? 0 : in->got;

	if (!out->ended) {
		print_error("channel %d, %s: sent %llu, got %llu\n", i, at_once ? "calm" : "lossy",
			    (unsigned long long)out->sent, (unsigned long long)got);
		world_dump(r->w);
	}
	CHECK(out->ended);
	if (out->err != -EKEYREVOKED) /* it had closed, and all was received */
		CHECK(closed && out->err == 0);
	else if (!out->lossy)
		CHECK_EQ(out->last_seq, got);
	CHECK_EQ(r->w->node[THERE].bad, 0);
	r->told += out->err == -EKEYREVOKED;
	r->lost_races += got == out->sent;
}

static void forget_all(struct race *r)
{
	for (int i = 0; i < r->w->nodes; i++)
		for (int c = 0; c < WORLD_CHANS; c++)
			if (r->w->node[i].chan[c].ended)
				r->w->node[i].chan[c].used = false;
}

static void round_of(struct race *r, bool calm)
{
	struct world *w = r->w;
	bool open[FLOWS];

	w->faults.loss = calm ? 0 : 50;
	open_all(r);
	/* Some are revoked before CHAN_OPEN has arrived. */
	world_run(w, below(r, 4) == 0 ? below(r, 3 * MS) : 5 * MS + below(r, 3 * MS));
	for (uint64_t n = below(r, 4); n > 0; n--) {
		send_some(r);
		world_run(w, below(r, 2 * MS));
	}
	for (int i = 0; i < FLOWS; i++)
		open[i] = revoke(r, i);
	send_some(r);
	/* Beside the round trip there are what paces packets, and, where some were lost, what finds it. */
	world_run(w, calm ? 100 * MS : 10 * SEC);
	drain(r);
	for (int i = 0; i < FLOWS; i++)
		check_told(r, i, !open[i], calm);
	w->faults.loss = 0;
	world_run(w, 200 * MS); /* so many channels may be asked for in a second */
	forget_all(r);
}

static uint64_t number(const char *name, uint64_t usual)
{
	const char *env = getenv(name);

	return env == NULL ? usual : strtoull(env, NULL, 10);
}

TEST(races)
{
	uint64_t races = number("LATTICE_SIM_RACES", USUAL_RACES);

	for (int tcp = 0; tcp < 2; tcp++) {
		const struct world_options o = { .proto = tcp ? LAT_PROTO_TCP : LAT_PROTO_UDP };
		struct race r = { .w = world_open(2, 9, &o) };

		world_connect(r.w, HERE, THERE);
		world_run(r.w, SEC);
		for (uint64_t n = 0; n < races / 2; n += FLOWS)
			round_of(&r, n / FLOWS % 4 != 0);
		/* It would prove nothing, were it always too early or too late. */
		CHECK(r.told > races / 4);
		CHECK(r.lost_races < races / 3);
		print_message("%s: %llu told, of %llu\n", tcp ? "TCP" : "UDP", (unsigned long long)r.told,
			      (unsigned long long)races / 2);
		world_close(r.w);
	}
}

TEST_MAIN

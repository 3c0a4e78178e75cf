/*
 * Credit and fragments between two engines: a channel that nobody reads holds up no other of its peer, messages longer than
 * the memory for them go through on many channels at once, and what a peer can make us hold is bounded.
 */
#include "sim.h"

#include "session/machine.h"

enum { LONG_CHANS = 16, LONG_BYTES = 2000000 };

static const struct lat_budget *budget(const struct world *w, int at, int of)
{
	return &lat_peer_find(w->node[at].engine, world_node_number(of))->budget;
}

/* Virtual time until @count messages have been received on the channel, or SEC * 60. */
static uint64_t time_for(struct world *w, struct world_chan *c, uint64_t count, size_t bytes)
{
	uint64_t start = w->now;
	const struct world_chan *in = NULL;

	while (w->now < start + 60 * SEC && (in == NULL || in->got < count)) {
		while (c->sent < count && world_chan_send(w, 1, c, bytes) == 0)
			;
		world_run(w, MS);
		in = world_chan_at(w, 0, c);
	}
	return w->now - start;
}

TEST(a_slow_channel_holds_up_no_other)
{
	uint64_t alone = 0;

	for (int slow = 0; slow <= 3; slow += 3) {
		const struct world_options o = { .proto = LAT_PROTO_UDP };
		struct world *w = world_open(2, 11, &o);
		struct world_chan *quick, *stuck[3];
		uint64_t took;

		w->faults.delay = 10 * MS;
		for (int i = 0; i < slow; i++)
			stuck[i] = world_chan_open(w, 1, 0, 10 + i, LAT_CFLAG_RELIABLE);
		quick = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
		world_run(w, SEC);
		for (int i = 0; i < slow; i++) {
			world_chan_at(w, 0, stuck[i])->room = 0;
			while (world_chan_send(w, 1, stuck[i], 10000) == 0)
				;
		}
		world_run(w, 10 * SEC);
		took = time_for(w, quick, 1000, 5000);
		alone = slow == 0 ? took : alone;
		print_message("beside %d that are not read: %llu ms\n", slow,
			      (unsigned long long)(took / MS));
		CHECK(took <= alone * 11 / 10);
		for (int i = 0; i < slow; i++) {
			struct world_chan *in = world_chan_at(w, 0, stuck[i]);

			CHECK_EQ(in->got, 0);
			in->room = UINT64_MAX;
			lat_engine_drain(w->node[0].engine, w->now, in->handle);
			world_tick(w, 0);
		}
		world_run(w, 60 * SEC);
		for (int i = 0; i < slow; i++)
			CHECK_EQ(world_chan_at(w, 0, stuck[i])->got, stuck[i]->sent);
		CHECK_EQ(w->node[0].bad, 0);
		world_close(w);
	}
}

/* Short messages whose first is missing cost more than their bytes; nobody can make that more than three budgets. */
TEST(what_is_put_together_is_bounded)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP, .max_msg = 8 << 20 };
	struct world *w = world_open(2, 13, &o);
	struct world_chan *c[64];
	size_t most = 0;

	for (int i = 0; i < 64; i++)
		c[i] = world_chan_open(w, 1, 0, i + 1, i % 4 == 0 ? 0 : LAT_CFLAG_RELIABLE);
	world_run(w, SEC);
	w->node[0].room = 0;
	for (int i = 0; i < 64; i++)
		world_chan_at(w, 0, c[i])->room = 0;
	w->faults.loss = 100;
	for (int k = 0; k < 100; k++) {
		for (int i = 0; i < 64; i++)
			for (int n = 0; n < 20; n++)
				(void)!world_chan_send(w, 1, c[i], k % 10 == 0 ? 100000 : 1);
		world_run(w, 10 * MS);
		if (budget(w, 0, 1)->used > most)
			most = budget(w, 0, 1)->used;
	}
	print_message("at most %zu bytes held, of a budget of %zu\n", most, budget(w, 0, 1)->max);
	CHECK(most <= 3 * budget(w, 0, 1)->max);
	CHECK_EQ(w->node[0].bad, 0);
	world_close(w);
}

TEST_MAIN

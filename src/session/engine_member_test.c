/* Members who break rules: they have every key, and a session. What they break ends; nobody else's does. */
#include "session/member_harness.h"

static struct world *live_world(struct world_chan **c)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 5, &o);
	const int from = 0;

	*c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);
	CHECK(world_pump(w, c, &from, 1, 10, 2000, 10 * SEC));
	world_run(w, 100 * MS);
	return w;
}

static void still_well(struct world *w, struct world_chan *c, const char *why)
{
	const int from = 0;

	if (!world_pump(w, &c, &from, 1, c->sent + 10, 2000, 10 * SEC) ||
	    world_chan_at(w, 1, c)->got != c->sent || w->node[1].bad != 0 || w->node[0].ups[1] != 1 ||
	    world_info(w, 0, 1).handshakes != 1) {
		print_error("%s\n", why);
		world_dump(w);
		CHECK(false);
	}
}

static void unknown_frame(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, 0x33, "", 0);
}

static void closed_before_what_is_held(struct lat_writer *w, struct lat_chan_out *co)
{
	const struct lat_frame_chan_close f = { .chan = co->c.num, .final_seq = 10 };

	CHECK_EQ(lat_frame_chan_close_encode(w, &f), 0);
}

/* ---- what was held when the rule was broken ---- */

static void good_after_next(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 12, co->q.next_seq + 1, false);
}

static void lying_after_next(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid + 1, 12, co->q.next_seq + 1, false);
}

static void next_one(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 12, co->q.next_seq, false);
}

/* The message that breaks the rule is held until the one before it comes: the end does not wait for anybody to take it. */
TEST(broken_rule_of_a_message_that_was_held)
{
	struct world_chan *c, *in;
	struct world *w = live_world(&c);

	in = world_chan_at(w, 1, c);
	say(w, c, true, lying_after_next);
	world_run(w, 20 * MS);
	CHECK(!in->ended);
	say(w, c, true, next_one);
	world_run(w, 200 * MS);
	CHECK_EQ(in->got, 11);
	CHECK(in->ended);
	CHECK_EQ(in->err, -EPROTO);
	world_close(w);
}

/* The same, noticed when the application takes what waited. */
TEST(broken_rule_found_while_draining)
{
	struct world_chan *c, *in;
	struct world *w = live_world(&c);

	in = world_chan_at(w, 1, c);
	in->room = 0;
	say(w, c, true, next_one);
	world_run(w, 20 * MS);
	say(w, c, true, lying_after_next);
	world_run(w, 20 * MS);
	CHECK(in->wants_room);
	in->room = UINT64_MAX;
	lat_engine_drain(w->node[1].engine, w->now, in->handle);
	world_run(w, 200 * MS);
	CHECK_EQ(in->got, 11);
	CHECK(in->ended);
	CHECK_EQ(in->err, -EPROTO);
	world_close(w);
}

TEST(closed_before_what_was_acknowledged)
{
	struct world_chan *c;
	struct world *w = live_world(&c);

	say(w, c, true, good_after_next);
	say(w, c, false, closed_before_what_is_held);
	world_run(w, 200 * MS);
	CHECK_EQ(world_count(w, 1, LAT_COUNT_PROTO), 1);
	CHECK_EQ(world_chan_at(w, 1, c)->err, -EPROTO);
	world_close(w);
}

/* ---- the last numbers there are ---- */

static void last_number(struct lat_writer *w, struct lat_chan_out *co)
{
	message(w, co, co->c.src_pid, 12, UINT64_MAX, false);
}

TEST(last_sequence_number)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };

	for (int reliable = 0; reliable < 2; reliable++) {
		struct world *w = world_open(2, 5, &o);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, reliable ? LAT_CFLAG_RELIABLE : 0);

		world_run(w, SEC);
		CHECK(c->open);
		say(w, c, true, last_number);
		world_run(w, SEC);
		CHECK_EQ(world_count(w, 1, LAT_COUNT_PROTO), reliable);
		CHECK_EQ(world_chan_at(w, 1, c)->got, !reliable);
		world_close(w);
	}
}

/* ---- CHAN_ACK that names another channel's number ---- */

TEST(number_of_another_channel)
{
	struct world_chan *c, *d;
	struct world *w = live_world(&c);
	struct lat_peer *p = peer_of(w, 0, 1);
	struct lat_chan_out *a, *b;
	struct lat_frame_chan_ack f = { .cflags = LAT_CFLAG_RELIABLE, .next_seq = 1 };

	d = world_chan_open(w, 0, 1, 2, LAT_CFLAG_RELIABLE);
	world_run(w, 100 * MS);
	a = lat_idmap_get(&w->node[0].engine->handles, c->handle);
	b = lat_idmap_get(&w->node[0].engine->handles, d->handle);
	f.req = a->c.req;
	f.chan = b->c.num;
	CHECK_EQ(lat_chan_out_acked(p, p->slot[LAT_SLOT_CURRENT], &f), 0);
	world_tick(w, 0);
	world_run(w, 100 * MS);
	CHECK_ROW("the other channel is not closed by it", !world_chan_at(w, 1, d)->ended);
	still_well(w, c, "after a CHAN_ACK with another's number");
	world_close(w);
}

/* ---- a rule broken by one who does not read ---- */

/* The stream towards it is full, a packet is kept for it, and then it must be told to go: nothing is left behind. */
TEST(close_past_a_full_stream)
{
	const struct world_options o = { .proto = LAT_PROTO_TCP, .max_msg = 1 << 20 };
	struct world *w = world_open(2, 5, &o);
	struct world_chan *c[2] = { world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE),
				    world_chan_open(w, 1, 0, 2, LAT_CFLAG_RELIABLE) };
	struct world_chan *back = world_chan_open(w, 0, 1, 3, LAT_CFLAG_RELIABLE);
	const int from[2] = { 1, 1 };

	CHECK(world_pump(w, c, from, 2, 200, 100000, 60 * SEC));
	CHECK(back->open);
	for (int i = 0; i < 2; i++)
		while (peer_of(w, 1, 0)->stash == NULL && world_chan_send(w, 1, c[i], 100000) == 0)
			;
	CHECK(peer_of(w, 1, 0)->stash != NULL);
	w->stream[0][1].queued[1] += WORLD_STREAM_ROOM; /* not even a CLOSE has room */
	say(w, back, false, unknown_frame);
	{ /* it arrives before anything that was sent the other way */
		struct lat_airborne *p = NULL, *q;
		size_t at = 0;

		for (size_t i = 0; i < w->air.queued; i++) {
			q = w->air.queue[i];
			if (((struct world_packet *)q)->to == 1 && (p == NULL || lat_air_before(q, p)))
				p = w->air.queue[at = i];
		}
		CHECK(p != NULL);
		p->at = w->now;
		p->order = 0;
		lat_air_up(&w->air, at);
	}
	world_run(w, 5 * SEC);
	CHECK_EQ(world_count(w, 1, LAT_COUNT_PROTO), 1);
	world_close(w);
}

TEST_MAIN

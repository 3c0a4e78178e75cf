/* Services of another node: asked for, answered, and what of it is lost or wrong. */
#include "session/member_harness.h"

#define SIXTY_FOUR "abcdefghij-abcdefghij-abcdefghij-abcdefghij-abcdefghij-abcdefghi"

static const struct {
	const char *why, *name;
	int rc, err; /* of the call; of the answer */
	int32_t pid;
} names[] = {
	{ "there is one", "store", 0, 0, 701 },
	{ "there is none", "shop", 0, -ENOENT, 0 },
	{ "the longest name, of none", SIXTY_FOUR, 0, -ENOENT, 0 },
	{ "one that is not for us", "secret", 0, -ENOENT, 0 },
	{ "perhaps soon", "soon", 0, -EBUSY, 0 },
	{ "no name", "42", -EINVAL, 0, 0 },
	{ "too long a name", SIXTY_FOUR "x", -EINVAL, 0, 0 },
};

static int ask(struct world *w, uint32_t node, uint32_t req, const char *name)
{
	int rc = lat_engine_resolve(w->node[0].engine, w->now, node, req, name);

	world_tick(w, 0);
	return rc;
}

static struct world *met(uint8_t proto, uint64_t seed)
{
	const struct world_options o = { .proto = proto };
	struct world *w = world_open(2, seed, &o);

	world_connect(w, 0, 1);
	world_run(w, 1 * SEC);
	return w;
}

TEST(answers)
{
	for (uint8_t proto = LAT_PROTO_UDP; proto <= LAT_PROTO_TCP; proto++) {
		struct world *w = met(proto, proto);
		struct world_node *me = &w->node[0];

		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			uint64_t before = me->resolved;

			CHECK_EQ_ROW(names[i].why, ask(w, 2, (uint32_t)i, names[i].name), names[i].rc);
			world_run(w, 1 * SEC);
			CHECK_EQ_ROW(names[i].why, me->resolved - before, names[i].rc == 0);
			if (names[i].rc < 0)
				continue;
			CHECK_EQ_ROW(names[i].why, me->last_resolved.node, 2);
			CHECK_EQ_ROW(names[i].why, me->last_resolved.req, i);
			CHECK_EQ_ROW(names[i].why, me->last_resolved.err, names[i].err);
			CHECK_EQ_ROW(names[i].why, me->last_resolved.pid, names[i].pid);
		}
		CHECK_EQ(ask(w, 9, 1, "store"), -ENOKEY);
		world_close(w);
	}
}

TEST(without_a_session)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP };
	struct world *w = world_open(2, 3, &o);

	CHECK_EQ(ask(w, 2, 7, "store"), -EAGAIN);
	world_run(w, 1 * SEC);
	CHECK_EQ(w->node[0].ups[1], 1);
	CHECK_EQ(ask(w, 2, 7, "store"), 0);
	world_run(w, 1 * SEC);
	CHECK_EQ(w->node[0].last_resolved.pid, 701);
	world_close(w);
}

/* Question and answer are sent again until they have arrived; twice does not matter. */
TEST(what_is_lost_is_sent_again)
{
	enum { ASKED = 200 };
	struct world *w = met(LAT_PROTO_UDP, 4);

	w->faults.loss = 300;
	for (uint32_t i = 0; i < ASKED; i++) {
		CHECK_EQ(ask(w, 2, i, "store"), 0);
		world_run(w, 5 * MS);
	}
	world_run(w, 20 * SEC);
	for (uint32_t i = 0; i < ASKED; i++)
		CHECK(w->node[0].resolved_req[i]);
	world_close(w);
}

/* Who asks for too much is not answered all of it, and costs nobody else anything. */
TEST(more_than_are_answered)
{
	enum { ASKED = 3 * LAT_RESOLVES_PER_S };
	struct world *w = met(LAT_PROTO_UDP, 5);
	uint32_t taken = 0;

	for (uint32_t i = 0; i < ASKED; i++)
		taken += ask(w, 2, i, "store") == 0;
	CHECK_EQ(taken, ASKED);
	world_run(w, 1 * SEC);
	CHECK(w->node[1].asked >= LAT_RESOLVES_PER_S);
	CHECK(w->node[1].asked <= 2 * LAT_RESOLVES_PER_S);
	CHECK_EQ(w->node[0].resolved, w->node[1].asked);
	CHECK_EQ(w->node[0].ups[1], 1);
	world_close(w);
}

/* ---- who has a key and no manners ---- */

static void nothing(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, LAT_FRAME_RESOLVE, "\1\0\0\0\0", 5);
}

static void a_zero(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, LAT_FRAME_RESOLVE, "\1\0\0\0\7store\0x", 12);
}

static void cut_off(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, LAT_FRAME_RESOLVE, "\1\0\0\0\6store", 10);
}

static void unasked(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, LAT_FRAME_RESOLVED, "\1\0\0\0\7\0\0\0\0\0\0\0", 12);
}

static void pid_below_1(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, LAT_FRAME_RESOLVED, "\1\0\0\0\376\377\377\377\0\0\0\0", 12);
}

static void code_unknown(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, LAT_FRAME_RESOLVED, "\1\0\0\0\7\0\0\0\377\0\0\0", 12);
}

static void with_more(struct lat_writer *w, struct lat_chan_out *co)
{
	(void)co;
	raw(w, LAT_FRAME_RESOLVED, "\1\0\0\0\7\0\0\0\0\0\1\0", 12);
}

TEST(frames_by_hand)
{
	static const struct {
		const char *why;
		write_fn write;
		bool broken;         /* a rule: the session is closed */
		int err;             /* what node 1 hears, if that is an answer */
		uint64_t told, back; /* answers to node 1, and to node 0 */
	} rows[] = {
		{ "a question for nothing", nothing, false, 0, 0, 1 },
		{ "a name with a zero in it", a_zero, false, 0, 0, 1 },
		{ "a name past the frame's end", cut_off, true, 0, 0, 0 },
		{ "an answer that nobody asked for", unasked, false, 0, 1, 0 },
		{ "a pid that is none", pid_below_1, false, -EPROTO, 1, 0 },
		{ "a code that is none", code_unknown, false, -EPROTO, 1, 0 },
		{ "something in what is zero", with_more, true, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = met(LAT_PROTO_UDP, 60 + i);
		struct world_chan *c = world_chan_open(w, 0, 1, 1, LAT_CFLAG_RELIABLE);

		world_run(w, 1 * SEC);
		say(w, c, false, rows[i].write);
		world_run(w, 1 * SEC);
		CHECK_EQ_ROW(rows[i].why, w->node[1].downs[0], rows[i].broken);
		CHECK_EQ_ROW(rows[i].why, w->node[1].asked, 0);
		CHECK_EQ_ROW(rows[i].why, w->node[1].resolved, rows[i].told);
		CHECK_EQ_ROW(rows[i].why, w->node[1].last_resolved.err, rows[i].err);
		CHECK_EQ_ROW(rows[i].why, w->node[0].resolved, rows[i].back);
		if (rows[i].back != 0)
			CHECK_EQ_ROW(rows[i].why, w->node[0].last_resolved.err, -ENOENT);
		world_close(w);
	}
}

TEST_MAIN

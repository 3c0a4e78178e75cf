/*
 * A member that speaks the notes by itself, and wrongly: to a node that hosts, over the socket of a link. What it says harms nobody: the
 * link is cut and counted, or it is let pass, and an honest process goes on.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "fastpath/ring.h"
#include "node/graphrow.h"
#include "node/hostile_member_harness.h"
#include "os/eventfd.h"

enum { STEPS = 4 };

/* What goes with a note. */
enum with { NOTHING, SEGMENT, NO_SEGMENT };

static const struct row {
	const char *why;
	const char *counter; /* which goes up; NULL: the link stays */
	struct {
		struct lat_note n;
		enum with with;
	} say[STEPS];
	size_t short_by; /* bytes, of the last */
} rows[] = {
	{ "a channel before the segment",
	  "links.broke",
	  { { { .kind = LAT_NOTE_CHAN_OPEN, .src = 1, .dst = PID, .grant = 1 }, NOTHING } },
	  0 },
	{ "no segment", "links.broke", { { { .kind = LAT_NOTE_JOIN }, NO_SEGMENT } }, 0 },
	{ "two segments",
	  "links.broke",
	  { { { .kind = LAT_NOTE_JOIN }, SEGMENT }, { { .kind = LAT_NOTE_JOIN }, SEGMENT } },
	  0 },
	{ "an acceptance of nothing",
	  "links.broke",
	  { { { .kind = LAT_NOTE_JOIN }, SEGMENT }, { { .kind = LAT_NOTE_CHAN_ACCEPT }, NOTHING } },
	  0 },
	{ "a refusal of nothing",
	  "links.broke",
	  { { { .kind = LAT_NOTE_JOIN }, SEGMENT }, { { .kind = LAT_NOTE_CHAN_REFUSE, .rc = -1 }, NOTHING } },
	  0 },
	{ "the end of nothing",
	  "links.broke",
	  { { { .kind = LAT_NOTE_JOIN }, SEGMENT }, { { .kind = LAT_NOTE_CHAN_GONE }, NOTHING } },
	  0 },
	{ "a number that no channel has",
	  "links.broke",
	  { { { .kind = LAT_NOTE_JOIN }, SEGMENT },
	    { { .kind = LAT_NOTE_CHAN_OPEN, .chan = LAT_LINK_CHANS_MAX, .src = 1, .dst = PID, .grant = 1 },
	      NOTHING } },
	  0 },
	{ "a host's note",
	  "links.broke",
	  { { { .kind = LAT_NOTE_GRANT, .src = 1, .dst = PID, .grant = 1, .member = 1 }, NOTHING } },
	  0 },
	{ "half a note", "links.broke", { { { .kind = LAT_NOTE_HOSTED }, NOTHING } }, 40 },
	{ "more channels than may wait, then a rule broken",
	  "links.broke",
	  { { { .kind = LAT_NOTE_JOIN }, SEGMENT },
	    { { .kind = LAT_NOTE_CHAN_OPEN, .chan = 1, .src = 1, .dst = PID, .grant = 1 }, NOTHING },
	    { { .kind = LAT_NOTE_CHAN_OPEN, .chan = 2, .src = 1, .dst = PID, .grant = 2 }, NOTHING },
	    { { .kind = LAT_NOTE_CHAN_ACCEPT, .chan = 1 }, NOTHING } },
	  0 },
	{ "a right that is for the host to see",
	  "links.broke",
	  { { { .kind = LAT_NOTE_JOIN }, SEGMENT },
	    { { .kind = LAT_NOTE_CHAN_OPEN,
		.chan = 1,
		.src = 1,
		.dst = PID,
		.grant = 1,
		.right = { .desc = { 1 } } },
	      NOTHING } },
	  0 },
	{ "the close of nothing, which may have ended by itself",
	  NULL,
	  { { { .kind = LAT_NOTE_JOIN }, SEGMENT }, { { .kind = LAT_NOTE_CHAN_CLOSE, .chan = 3 }, NOTHING } },
	  0 },
	{ "what another node has received, of nothing",
	  NULL,
	  { { { .kind = LAT_NOTE_JOIN }, SEGMENT },
	    { { .kind = LAT_NOTE_CHAN_FAR, .chan = 3, .number = 9 }, NOTHING },
	    { { .kind = LAT_NOTE_CHAN_ASK, .chan = 3 }, NOTHING } },
	  0 },
	{ "another host", NULL, { { { .kind = LAT_NOTE_HOSTED }, NOTHING } }, 0 },
	{ "a goodbye without a reason that is one",
	  "links.died",
	  { { { .kind = LAT_NOTE_BYE, .rc = -1 }, NOTHING } },
	  0 },
};

static void play(struct scene *s, const struct row *row)
{
	for (size_t i = 0; i < STEPS && row->say[i].n.kind != 0; i++) {
		bool last = i + 1 == STEPS || row->say[i + 1].n.kind == 0;
		struct lat_note n = row->say[i].n;
		int fd = -1;

		n.version = LAT_NOTE_VERSION;
		if (row->say[i].with == SEGMENT)
			fd = dup(s->segment);
		else if (row->say[i].with == NO_SEGMENT)
			CHECK_EQ(lat_eventfd_open(&fd), 0);
		/* It may have hung up already. */
		(void)!lat_fdpass_send(s->pair, &n, sizeof(n) - (last ? row->short_by : 0), &fd, fd >= 0);
		if (fd >= 0)
			close(fd);
	}
}

TEST(rules_that_are_broken_over_a_link)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct lat_note n;
		int fds[LAT_NOTE_FDS];
		struct scene s;
		size_t count;

		open_scene(&s);
		play(&s, row);
		if (row->counter != NULL) {
			wait_stat(&s, row->why, row->counter, 1);
			while (hear(s.pair, &n, fds, &count) == 1) /* until it has hung up */
				lat_fdpass_close(fds, count);
		}
		check_honest(&s, row->why);
		CHECK_EQ_ROW(row->why, stat_of(s.node, "links.broke"),
			     row->counter != NULL && strcmp(row->counter, "links.broke") == 0);
		close_scene(&s);
	}
}

/* Its own channel is granted, and it asks for more than that. */
static const struct {
	const char *why;
	int32_t src, dst;
	uint32_t node, origin;
} lies[] = {
	{ "from another node", 1, PID, 0, 9 },  { "from this one, said aloud", 1, PID, 0, 1 },
	{ "to another node", 1, PID, 9, 0 },    { "from another pid", 2, PID, 0, 0 },
	{ "to another pid", 1, PID + 1, 0, 0 },
};

TEST(only_the_host_says_another_nodes_number)
{
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct lat_note n, open = { .kind = LAT_NOTE_CHAN_OPEN,
					    .src = lies[i].src,
					    .dst = lies[i].dst,
					    .node = lies[i].node,
					    .origin = lies[i].origin };
		int fds[LAT_NOTE_FDS];
		struct scene s;
		size_t count;

		open_scene(&s);
		CHECK_EQ(say(s.pair, (struct lat_note){ .kind = LAT_NOTE_JOIN }, &s.segment, 1), 0);
		open.grant = s.grant;
		CHECK_EQ(say(s.pair, open, NULL, 0), 0);
		wait_stat(&s, lies[i].why, "links.broke", 1);
		while (hear(s.pair, &n, fds, &count) == 1)
			lat_fdpass_close(fds, count);
		check_honest(&s, lies[i].why);
		/* The host takes no such word from it either. */
		CHECK_EQ(say(s.host,
			     (struct lat_note){
				     .kind = LAT_NOTE_OPEN, .token = 2, .src = 1, .dst = PID, .origin = 9 },
			     NULL, 0),
			 0);
		wait_stat(&s, lies[i].why, "host.dropped", 1);
		close_scene(&s);
	}
}

static void tell_row(struct scene *s, uint32_t token, const struct lat_graph_row *row, int64_t more)
{
	struct lat_note n = { .kind = LAT_NOTE_SHOWN, .token = token };
	struct lat_graph_rows made = { 0 };
	int fd;

	CHECK_EQ(lat_graph_rows_add(&made, row, 1), 0);
	CHECK_EQ(lat_graph_rows_pack(&made, &fd, &n.number), 0);
	n.number += (uint64_t)more;
	CHECK_EQ(say(s->host, n, &fd, 1), 0);
	lat_fdpass_close(&fd, 1);
	lat_graph_rows_free(&made);
}

static int count_rows(void *ctx, const struct lat_graph_row *row)
{
	uint32_t *kinds = ctx;

	if (row->kind < LAT_GRAPH_KINDS)
		kinds[row->kind]++;
	return 0;
}

/* It speaks of itself only, and what is no row ends it. */
TEST(what_a_member_tells_of_the_graph)
{
	static const struct {
		const char *why;
		struct lat_graph_row row;
		int64_t more;
		uint32_t waits, channels; /* of it in the picture, if it is not dropped */
		bool dropped;
	} tales[] = {
		{ "its own", { .kind = LAT_GRAPH_WAIT, .pid = { 500, PID } }, 0, 1, 0, false },
		{ "a wait of another's", { .kind = LAT_GRAPH_WAIT, .pid = { PID, 500 } }, 0, 0, 0, false },
		{ "a channel of another's",
		  { .kind = LAT_GRAPH_CHANNEL, .pid = { PID, 500 } },
		  0,
		  0,
		  0,
		  false },
		{ "a channel from another node, without the network",
		  { .kind = LAT_GRAPH_CHANNEL, .pid = { 500, PID }, .node = { 9, 0 } },
		  0,
		  0,
		  0,
		  false },
		{ "who receives", { .kind = LAT_GRAPH_PID, .pid = { 500 } }, 0, 0, 0, true },
		{ "more than there is",
		  { .kind = LAT_GRAPH_WAIT, .pid = { 500, PID } },
		  100 * (int64_t)sizeof(struct lat_graph_row),
		  0,
		  0,
		  true },
	};

	for (size_t i = 0; i < ARRAY_LEN(tales); i++) {
		const struct lat_graph_row early = { .kind = LAT_GRAPH_PID, .pid = { 500 } };
		uint32_t kinds[LAT_GRAPH_KINDS] = { 0 };
		int fds[LAT_NOTE_FDS];
		struct lat_note got;
		struct scene s;
		size_t count;

		open_scene(&s);
		tell_row(&s, 77, &early, 0); /* nobody asked */
		got = ask(&s, (struct lat_note){ .kind = LAT_NOTE_GRAPH }, LAT_NOTE_SHOW, fds, &count);
		tell_row(&s, got.token, &tales[i].row, tales[i].more);
		if (tales[i].dropped) {
			while (hear(s.host, &got, fds, &count) == 1)
				lat_fdpass_close(fds, count);
			wait_stat(&s, tales[i].why, "host.dropped", 1);
		} else {
			CHECK_EQ(hear(s.host, &got, fds, &count), 1);
			CHECK_EQ_ROW(tales[i].why, got.kind, LAT_NOTE_GRAPHED);
			CHECK_EQ_ROW(tales[i].why, got.rc, 0);
			CHECK_EQ(count, 1);
			CHECK_EQ(lat_graph_rows_unpack(fds[0], got.number, LAT_GRAPH_ROWS_MAX, count_rows,
						       kinds),
				 0);
			CHECK_EQ_ROW(tales[i].why, kinds[LAT_GRAPH_WAIT], tales[i].waits);
			CHECK_EQ_ROW(tales[i].why, kinds[LAT_GRAPH_CHANNEL], tales[i].channels);
			CHECK_EQ_ROW(tales[i].why, kinds[LAT_GRAPH_PROCESS], 2);
			CHECK_EQ_ROW(tales[i].why, kinds[LAT_GRAPH_PID], 1);
			lat_fdpass_close(fds, count);
		}
		check_honest(&s, tales[i].why);
		close_scene(&s);
	}
}

/* Nothing hostile: the honest side has no room for one more descriptor, and loses the channel that it was for, not the link. */
TEST(too_many_files_for_a_channels_memory)
{
	enum { BYTES = 128 * LAT_RING_SLOT };
	const struct lat_note extent = { .kind = LAT_NOTE_EXTENT, .tier = 1, .number = BYTES };
	struct lat_note open = { .kind = LAT_NOTE_CHAN_OPEN, .src = 1, .dst = PID }, n;
	struct rlimit was, none;
	int fds[LAT_NOTE_FDS];
	struct scene s;
	size_t count;

	open_scene(&s);
	CHECK_EQ(say(s.pair, (struct lat_note){ .kind = LAT_NOTE_JOIN }, &s.segment, 1), 0);
	open.grant = s.grant;
	CHECK_EQ(say(s.pair, open, NULL, 0), 0);
	do {
		CHECK_EQ(hear(s.pair, &n, fds, &count), 1);
		lat_fdpass_close(fds, count);
	} while (n.kind != LAT_NOTE_CHAN_ACCEPT);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = was.rlim_max };
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	CHECK_EQ(say(s.pair, extent, &s.segment, 1), 0);
	do {
		CHECK_EQ(hear(s.pair, &n, fds, &count), 1);
	} while (n.kind != LAT_NOTE_CHAN_GONE);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &was), 0);
	CHECK_EQ(n.rc, -ENOMEM);
	/* The link goes on: the next channel by it is refused only because its grant is one that was used. */
	CHECK_EQ(say(s.pair, open, NULL, 0), 0);
	CHECK_EQ(hear(s.pair, &n, fds, &count), 1);
	CHECK_EQ(n.kind, LAT_NOTE_CHAN_REFUSE);
	CHECK_EQ(stat_of(s.node, "links.broke") + stat_of(s.node, "links.died"), 0);
	close_scene(&s);
}

TEST(a_channel_to_an_endpoint_is_asked_nothing)
{
	struct lat_note open = { .kind = LAT_NOTE_CHAN_OPEN, .src = 1, .dst = PID }, n;
	int fds[LAT_NOTE_FDS];
	struct scene s;
	size_t count;

	open_scene(&s);
	CHECK_EQ(say(s.pair, (struct lat_note){ .kind = LAT_NOTE_JOIN }, &s.segment, 1), 0);
	open.grant = s.grant;
	CHECK_EQ(say(s.pair, open, NULL, 0), 0);
	do {
		CHECK_EQ(hear(s.pair, &n, fds, &count), 1);
		lat_fdpass_close(fds, count);
	} while (n.kind != LAT_NOTE_CHAN_ACCEPT);
	CHECK_EQ(say(s.pair, (struct lat_note){ .kind = LAT_NOTE_CHAN_ASK }, NULL, 0), 0);
	wait_stat(&s, "asked", "links.broke", 1);
	check_honest(&s, "after that");
	close_scene(&s);
}

struct opening {
	struct lattice_node *node;
	struct lattice_channel *ch;
	int rc;
};

static void *open_channel(void *arg)
{
	struct opening *o = arg;

	o->rc = lattice_channel_open(&o->ch, o->node, PID, PID + 1, 0, 0);
	return NULL;
}

static const struct {
	const char *why;
	int said, told;
} refusals[] = {
	{ "nobody receives", -ECONNREFUSED, -ECONNREFUSED },
	{ "may not", -EACCES, -EACCES },
	{ "too many", -ENOBUFS, -ENOBUFS },
	{ "no memory there", -ENOMEM, -ENOMEM },
	{ "again, for ever", -EAGAIN, -ECONNREFUSED },
	{ "what is said of other nodes", -ENOKEY, -ECONNREFUSED },
	{ "that it is still being thought about", -EINPROGRESS, -ECONNREFUSED },
	{ "what no open says", -EIO, -ECONNREFUSED },
};

/* It receives as a pid of its own, and says whatever it likes when that is sent to. */
TEST(a_refusal_is_one_that_is_documented)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct lat_note got, refuse = { .kind = LAT_NOTE_CHAN_REFUSE, .rc = refusals[i].said };
		struct opening o = { .rc = 1 };
		int fds[LAT_NOTE_FDS];
		pthread_t thread;
		struct scene s;
		size_t count;

		open_scene(&s);
		o.node = s.node;
		CHECK_EQ(say(s.pair, (struct lat_note){ .kind = LAT_NOTE_JOIN }, &s.segment, 1), 0);
		got = ask(&s, (struct lat_note){ .kind = LAT_NOTE_CLAIM, .dst = PID + 1 }, LAT_NOTE_CLAIMED,
			  fds, &count);
		CHECK_EQ(got.rc, 0);
		CHECK_EQ(pthread_create(&thread, NULL, open_channel, &o), 0);
		for (int tries = refusals[i].said == -EAGAIN ? 16 : 1; tries > 0; tries--) {
			do {
				CHECK_EQ_ROW(refusals[i].why, hear(s.pair, &got, fds, &count), 1);
				lat_fdpass_close(fds, count);
			} while (got.kind != LAT_NOTE_CHAN_OPEN);
			refuse.chan = got.chan;
			CHECK_EQ(say(s.pair, refuse, NULL, 0), 0);
		}
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ_ROW(refusals[i].why, o.rc, refusals[i].told);
		check_honest(&s, refusals[i].why);
		close_scene(&s);
	}
}

TEST(a_grant_is_for_one_channel)
{
	struct lat_note open = { .kind = LAT_NOTE_CHAN_OPEN, .src = 1, .dst = PID }, n;
	int fds[LAT_NOTE_FDS];
	struct scene s;
	size_t count;

	open_scene(&s);
	CHECK_EQ(say(s.pair, (struct lat_note){ .kind = LAT_NOTE_JOIN }, &s.segment, 1), 0);
	open.grant = s.grant;
	CHECK_EQ(say(s.pair, open, NULL, 0), 0);
	do {
		CHECK_EQ(hear(s.pair, &n, fds, &count), 1);
		lat_fdpass_close(fds, count);
	} while (n.kind == LAT_NOTE_JOIN);
	CHECK_EQ(n.kind, LAT_NOTE_CHAN_ACCEPT);
	open.chan = 1; /* used already: it waits for its grant, and is refused */
	CHECK_EQ(say(s.pair, open, NULL, 0), 0);
	CHECK_EQ(hear(s.pair, &n, fds, &count), 1);
	CHECK_EQ(n.kind, LAT_NOTE_CHAN_REFUSE);
	CHECK_EQ(n.chan, 1);
	CHECK_EQ(n.rc, -EAGAIN);
	open.chan = 0; /* that number is open */
	CHECK_EQ(say(s.pair, open, NULL, 0), 0);
	wait_stat(&s, "a number twice", "links.broke", 1);
	check_honest(&s, "after all that");
	close_scene(&s);
}

/* A right to one pid, or none where none is needed, does not keep a channel to another alive when the right to that is revoked. */
TEST(a_channel_lives_by_its_own_right)
{
	static const struct {
		const char *why;
		int32_t src, dst;
		uint32_t node;
		bool right;
	} renewals[] = { { "a right to another pid", 1, PID + 1, 0, true },
			 { "none, to another pid", 1, PID + 1, 0, false },
			 { "none, as another pid", 2, PID, 0, false },
			 { "none, on another node", 1, PID, 5, false } };

	for (size_t i = 0; i < ARRAY_LEN(renewals); i++) {
		struct lat_note open = { .kind = LAT_NOTE_CHAN_OPEN, .src = 1, .dst = PID },
				renew = { .kind = LAT_NOTE_RENEW,
					  .src = renewals[i].src,
					  .dst = renewals[i].dst,
					  .node = renewals[i].node },
				n = { .kind = LAT_NOTE_OPEN, .src = 1, .dst = PID };
		int fds[LAT_NOTE_FDS];
		struct lat_cap_desc d;
		struct scene s;
		size_t count;

		open_scene(&s);
		n.right = granted(&s, PID);
		CHECK_EQ(lat_cap_desc_decode(&d, n.right.desc), 0);
		n = ask(&s, n, LAT_NOTE_OPENED, fds, &count);
		CHECK_EQ_ROW(renewals[i].why, n.rc, 0);
		CHECK_ROW(renewals[i].why, n.life.gen != 0);
		open.grant = renew.grant = n.grant;
		renew.member = n.member;
		CHECK_EQ(say(s.pair, (struct lat_note){ .kind = LAT_NOTE_JOIN }, &s.segment, 1), 0);
		CHECK_EQ(say(s.pair, open, NULL, 0), 0);
		do {
			CHECK_EQ(hear(s.pair, &n, fds, &count), 1);
			lat_fdpass_close(fds, count);
		} while (n.kind == LAT_NOTE_JOIN);
		CHECK_EQ(n.kind, LAT_NOTE_CHAN_ACCEPT);
		if (renewals[i].right)
			renew.right = granted(&s, renewals[i].dst);
		CHECK_EQ(say(s.host, renew, NULL, 0), 0);
		do
			CHECK_EQ(hear(s.host, &n, fds, &count), 1);
		while (n.kind != LAT_NOTE_RENEWED);
		CHECK_EQ(lattice_cap_revoke(s.node, d.slot, d.gen, NULL, 0), 0);
		do
			CHECK_EQ_ROW(renewals[i].why, hear(s.pair, &n, fds, &count), 1);
		while (n.kind != LAT_NOTE_CHAN_GONE);
		CHECK_EQ_ROW(renewals[i].why, n.rc, -EKEYREVOKED);
		close_scene(&s);
	}
}

TEST_MAIN

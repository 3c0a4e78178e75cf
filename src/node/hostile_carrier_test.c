/*
 * A member that sends capabilities wrongly: by a real link and ring, with what goes with its messages left out, said twice, late, of another
 * number, changed. The note is the only thing that brings one, so all that it can do is to have no capability arrive, or one that its issuer
 * does not know, on its own channel.
 */
#include <errno.h>
#include <sys/socket.h>

#include <lattice/cap.h>

#include "fastpath/sender.h"
#include "node/hostile_member_harness.h"

enum { STORE = 9, OTHER_SRC = 2, RIGHTS = 2 };
enum { BROUGHT, NOTHING_CAME, SOMETHING_ELSE }; /* with a message */

/* ---- what is said of what goes with a message ---- */

static int say_nothing(struct lat_sender_mark *mark, uint64_t seq)
{
	(void)mark;
	(void)seq;
	return 0;
}

static void never_undone(struct lat_sender_mark *mark)
{
	(void)mark;
}

/* A message that something goes with, of which nothing is said. */
static void send_marked(struct channel *c)
{
	struct lat_sender_mark mark = { say_nothing, never_undone };

	CHECK_EQ(lat_sender_send_carry(lat_link_out_sender(c->out), 3, "1234", 4, &mark,
				       lat_clock_until(LATTICE_FOREVER)),
		 0);
}

static void send_plain(struct channel *c)
{
	CHECK_EQ(lat_sender_send(lat_link_out_sender(c->out), 3, "1234", 4, lat_clock_until(LATTICE_FOREVER)),
		 0);
}

/* The next message, from whom, and whether what came with it is one of @rights. -ENOMSG: there is none now. */
static int receive(struct scene *s, int64_t timeout_ns, int32_t *source, const struct lat_cap_right *rights,
		   size_t count)
{
	struct lat_cap_right came;
	struct lattice_cap *got;
	struct lattice_msg msg;
	char buf[8];
	int rc = lattice_endpoint_recv_cap(s->ep, &msg, buf, sizeof(buf), &got, timeout_ns);

	if (rc < 0)
		return rc;
	*source = msg.source;
	if (got == NULL)
		return NOTHING_CAME;
	CHECK_EQ(lat_capability_take(got, &came), 0);
	lattice_cap_free(got);
	for (size_t i = 0; i < count; i++)
		if (memcmp(came.desc, rights[i].desc, sizeof(came.desc)) == 0 &&
		    memcmp(came.key, rights[i].key, sizeof(came.key)) == 0)
			return BROUGHT;
	return SOMETHING_ELSE;
}

/* An honest process sends one with its message, and it is received, whatever else waits. */
static void check_honest_carrier(struct scene *s, const char *why)
{
	const struct lattice_cap_terms terms = { .dst = STORE,
						 .rights = LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND |
							   LATTICE_RIGHT_GRANT,
						 .bearer = true };
	const struct lattice_msg msg = { .type = 3, .data = "1234", .len = 4 };
	struct lat_cap_right right;
	struct lattice_channel *ch;
	struct lattice_node *other;
	struct lattice_cap *cap;
	int32_t source = 0;

	CHECK_EQ_ROW(why, lattice_cap_grant(&cap, s->node, &terms), 0);
	CHECK_EQ_ROW(why, lat_capability_take(cap, &right), 0);
	CHECK_EQ_ROW(why, lattice_node_open(&other, NULL), 0);
	CHECK_EQ_ROW(why, lattice_channel_open(&ch, other, OTHER_SRC, PID, 0, 0), 0);
	CHECK_EQ_ROW(why, lattice_channel_send_cap(ch, &msg, cap, LATTICE_FOREVER), 0);
	CHECK_EQ_ROW(why, receive(s, LATTICE_FOREVER, &source, &right, 1), 0);
	CHECK_EQ_ROW(why, source, OTHER_SRC);
	lattice_cap_free(cap);
	lattice_channel_close(ch);
	lattice_node_close(other);
}

/* ---- rows: what is said, and what comes of it ---- */

struct play {
	struct scene s;
	struct channel c;
	struct lat_cap_right rights[RIGHTS];
	size_t may_come; /* of them */
};

static void close_play(struct play *p)
{
	lat_link_dead(p->s.link, -ESHUTDOWN);
	lat_link_out_close(p->c.out);
	close_scene(&p->s);
}

static void say_carry(struct play *p, uint32_t chan, uint64_t seq, const struct lat_cap_right *right)
{
	const struct lat_note n = { .kind = LAT_NOTE_CARRY, .chan = chan, .number = seq, .right = *right };

	CHECK_EQ(say(p->s.pair, n, NULL, 0), 0);
}

static void in_order(struct play *p)
{
	say_carry(p, p->c.chan, 1, &p->rights[0]);
	send_marked(&p->c);
}

static void afterwards(struct play *p)
{
	send_marked(&p->c);
	say_carry(p, p->c.chan, 1, &p->rights[0]);
}

static void twice(struct play *p)
{
	say_carry(p, p->c.chan, 1, &p->rights[0]);
	say_carry(p, p->c.chan, 1, &p->rights[1]);
	send_marked(&p->c);
	p->may_come = 2;
}

static void of_another_number_first(struct play *p)
{
	say_carry(p, p->c.chan, UINT64_MAX, &p->rights[1]);
	say_carry(p, p->c.chan, 1, &p->rights[0]);
	send_marked(&p->c);
}

static void that_nobody_gave(struct play *p)
{
	p->rights[0].key[5] ^= 1;
	in_order(p);
}

static void of_a_plain_message(struct play *p)
{
	say_carry(p, p->c.chan, 1, &p->rights[0]);
	send_plain(&p->c);
}

static void never(struct play *p)
{
	send_marked(&p->c);
}

static void of_another_channel(struct play *p)
{
	say_carry(p, p->c.chan + 1, 1, &p->rights[0]);
	say_carry(p, LAT_LINK_CHANS_MAX + 5, 1, &p->rights[0]);
	send_marked(&p->c);
}

static void of_a_number_that_is_past(struct play *p)
{
	say_carry(p, p->c.chan, 0, &p->rights[0]);
	send_marked(&p->c);
}

static void of_a_number_to_come(struct play *p)
{
	say_carry(p, p->c.chan, 2, &p->rights[0]);
	send_marked(&p->c);
}

static void nine_caveats(struct play *p)
{
	p->rights[0].caveat_count = LAT_CAP_CAVEATS_MAX + 1;
	afterwards(p);
}

static void an_unknown_caveat(struct play *p)
{
	p->rights[0].caveat_count = 1;
	p->rights[0].caveats[0][0] = 99;
	afterwards(p);
}

static void an_unknown_version(struct play *p)
{
	p->rights[0].desc[0] = 2;
	afterwards(p);
}

static void none(struct play *p)
{
	p->rights[0] = (struct lat_cap_right){ 0 };
	afterwards(p);
}

static void a_cut_note(struct play *p)
{
	const struct lat_note n = { .version = LAT_NOTE_VERSION,
				    .kind = LAT_NOTE_CARRY,
				    .chan = p->c.chan,
				    .number = 1,
				    .right = p->rights[0] };

	send_marked(&p->c);
	CHECK_EQ(lat_fdpass_send(p->s.pair, &n, sizeof(n) - 20, NULL, 0), 0);
}

static void with_a_descriptor(struct play *p)
{
	const struct lat_note n = {
		.kind = LAT_NOTE_CARRY, .chan = p->c.chan, .number = 1, .right = p->rights[0]
	};

	send_marked(&p->c);
	CHECK_EQ(say(p->s.pair, n, &p->s.segment, 1), 0);
}

static const struct {
	const char *why;
	void (*play)(struct play *p);
	int got; /* of receive() */
	bool broke;
} rows[] = {
	{ "as the library says it", in_order, BROUGHT, false },
	{ "after the message", afterwards, BROUGHT, false },
	{ "twice: one of the two", twice, BROUGHT, false },
	{ "of another number, then rightly", of_another_number_first, BROUGHT, false },
	{ "that nobody gave: its issuer will say so", that_nobody_gave, BROUGHT, false },
	{ "of a message that says nothing of it", of_a_plain_message, NOTHING_CAME, false },
	{ "never", never, -ENOMSG, false },
	{ "of another channel, and of none", of_another_channel, -ENOMSG, false },
	{ "of a number that is past", of_a_number_that_is_past, -ENOMSG, false },
	{ "of a number to come", of_a_number_to_come, -ENOMSG, false },
	{ "of nine caveats", nine_caveats, NOTHING_CAME, true },
	{ "of an unknown caveat", an_unknown_caveat, NOTHING_CAME, true },
	{ "of an unknown version", an_unknown_version, NOTHING_CAME, true },
	{ "that is none", none, NOTHING_CAME, true },
	{ "in a note that is cut", a_cut_note, NOTHING_CAME, true },
	{ "with a descriptor", with_a_descriptor, NOTHING_CAME, true },
};

static void open_play(struct play *p)
{
	memset(p, 0, sizeof(*p));
	open_scene(&p->s);
	for (size_t i = 0; i < RIGHTS; i++)
		p->rights[i] = granted(&p->s, STORE);
	p->may_come = 1;
	p->c = open_channel_by(&p->s, p->s.grant);
}

/* Who breaks a rule of the notes loses the link; then what it had sent before is received, and nothing with it. */
TEST(what_goes_with_a_message)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int32_t source = 0;
		struct play p;

		open_play(&p);
		rows[i].play(&p);
		if (rows[i].broke)
			wait_stat(&p.s, rows[i].why, "links.broke", 1);
		if (rows[i].got == -ENOMSG) {
			check_honest_carrier(&p.s, rows[i].why);
			CHECK_EQ_ROW(rows[i].why, receive(&p.s, 0, &source, p.rights, p.may_come), -ENOMSG);
			/* As if it had sent nothing; the rightful note ends that. */
			say_carry(&p, p.c.chan, 1, &p.rights[1]);
			CHECK_EQ_ROW(rows[i].why, receive(&p.s, LATTICE_FOREVER, &source, &p.rights[1], 1),
				     BROUGHT);
			CHECK_EQ_ROW(rows[i].why, source, 1);
		} else {
			CHECK_EQ_ROW(rows[i].why,
				     receive(&p.s, LATTICE_FOREVER, &source, p.rights, p.may_come),
				     rows[i].got);
			CHECK_EQ_ROW(rows[i].why, source, 1);
			check_honest_carrier(&p.s, rows[i].why);
		}
		CHECK_EQ_ROW(rows[i].why, stat_of(p.s.node, "links.broke"), rows[i].broke);
		close_play(&p);
	}
}

/* ---- the end of a channel whose message waits for what never comes ---- */

static void closes_it(struct play *p)
{
	CHECK_EQ(say(p->s.pair, (struct lat_note){ .kind = LAT_NOTE_CHAN_CLOSE, .chan = p->c.chan }, NULL, 0),
		 0);
}

static void hangs_up(struct play *p)
{
	CHECK_EQ(shutdown(p->s.pair, SHUT_RDWR), 0);
	wait_stat(&p->s, "hung up", "links.died", 1);
}

static void says_goodbye(struct play *p)
{
	CHECK_EQ(say(p->s.pair, (struct lat_note){ .kind = LAT_NOTE_BYE, .rc = -ESHUTDOWN }, NULL, 0), 0);
	wait_stat(&p->s, "goodbye", "links.died", 1);
}

static const struct {
	const char *why;
	void (*end)(struct play *p);
} ends[] = { { "closed", closes_it }, { "hung up", hangs_up }, { "a goodbye", says_goodbye } };

/* It is received without. */
TEST(a_message_that_waits_when_its_channel_ends)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		int32_t source = 0;
		struct play p;

		open_play(&p);
		never(&p);
		check_honest_carrier(&p.s, ends[i].why);
		CHECK_EQ_ROW(ends[i].why, receive(&p.s, 0, &source, p.rights, p.may_come), -ENOMSG);
		ends[i].end(&p);
		CHECK_EQ_ROW(ends[i].why, receive(&p.s, LATTICE_FOREVER, &source, p.rights, p.may_come),
			     NOTHING_CAME);
		CHECK_EQ_ROW(ends[i].why, source, 1);
		check_honest_carrier(&p.s, ends[i].why);
		close_play(&p);
	}
}

/* Or never, if the right that it was sent by has ended. */
TEST(a_message_that_waits_when_its_right_is_revoked)
{
	struct lat_note n = { .kind = LAT_NOTE_OPEN, .src = 1, .dst = PID };
	int fds[LAT_NOTE_FDS];
	struct lat_cap_desc d;
	int32_t source = 0;
	size_t count;
	struct play p;

	memset(&p, 0, sizeof(p));
	open_scene(&p.s);
	n.right = granted(&p.s, PID);
	CHECK_EQ(lat_cap_desc_decode(&d, n.right.desc), 0);
	n = ask(&p.s, n, LAT_NOTE_OPENED, fds, &count);
	CHECK_EQ(n.rc, 0);
	p.c = open_channel_by(&p.s, n.grant);
	never(&p);
	check_honest_carrier(&p.s, "before");
	CHECK_EQ(lattice_cap_revoke(p.s.node, d.slot, d.gen, NULL, 0), 0);
	n = next_note(&p.s, LAT_NOTE_CHAN_GONE);
	CHECK_EQ(n.rc, -EKEYREVOKED);
	CHECK_EQ(n.number, 0);
	check_honest_carrier(&p.s, "after");
	CHECK_EQ(receive(&p.s, 0, &source, p.rights, p.may_come), -ENOMSG);
	close_play(&p);
}

TEST_MAIN

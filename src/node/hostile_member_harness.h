/*
 * For tests: a member that speaks the notes by itself, to a node that hosts, in the same process. It has met that node, and its end of their
 * link.
 */
#ifndef LAT_NODE_HOSTILE_MEMBER_HARNESS_H
#define LAT_NODE_HOSTILE_MEMBER_HARNESS_H

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "fastpath/link.h"
#include "node/capability.h"
#include "node/door.h"
#include "node/note.h"
#include "os/clock.h"
#include "os/fdpass.h"
#include "os/poll.h"

enum { PID = 7, STATS = 256 };

static const uint64_t wait_ns = (uint64_t)(60 * LAT_NS_PER_S); /* reached only when something is broken */

struct scene {
	struct lattice_node *node;
	struct lattice_endpoint *ep;
	struct lat_door door;
	int host, pair, bell; /* ours: to the host, and of the link */
	uint64_t victim, grant;
	struct lat_link *link; /* our side of it, for a segment that is one */
	int segment;
};

static inline uint64_t stat_of(struct lattice_node *node, const char *name)
{
	struct lattice_stat stats[STATS];
	size_t count = lattice_node_stats(node, stats, STATS);

	for (size_t i = 0; i < count && i < STATS; i++)
		if (strcmp(stats[i].name, name) == 0)
			return stats[i].value;
	return 0;
}

static inline int say(int fd, struct lat_note n, const int *fds, size_t count)
{
	n.version = LAT_NOTE_VERSION;
	return lat_fdpass_send(fd, &n, sizeof(n), fds, count);
}

/* The next note. 1, or 0 when the other has hung up. */
static inline int hear(int fd, struct lat_note *n, int *fds, size_t *count)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	for (;;) {
		ssize_t got;
		size_t room = LAT_NOTE_FDS;

		CHECK_EQ(lat_poll_until(&wait, 1, lat_clock_monotonic_ns() + wait_ns), 1);
		got = lat_fdpass_recv(fd, n, sizeof(*n), fds, &room);
		if (got == -EAGAIN)
			continue;
		*count = got > 0 ? room : 0;
		return got > 0;
	}
}

static inline struct lat_note ask(struct scene *s, struct lat_note n, enum lat_note_kind want, int *fds,
				  size_t *count)
{
	struct lat_note got;

	n.token = 1;
	CHECK_EQ(say(s->host, n, NULL, 0), 0);
	do {
		CHECK_EQ(hear(s->host, &got, fds, count), 1);
		if (got.kind != want)
			lat_fdpass_close(fds, *count);
	} while (got.kind != want);
	return got;
}

static inline void open_scene(struct scene *s)
{
	static uint64_t member = 1000;
	int fds[LAT_NOTE_FDS];
	struct lat_process host;
	struct lat_note got;
	size_t count;

	memset(s, 0, sizeof(*s));
	CHECK_EQ(lattice_node_open(&s->node, NULL), 0);
	CHECK_EQ(lattice_endpoint_open(&s->ep, s->node, PID), 0);
	CHECK_EQ(lat_door_find(&s->door), 0);
	CHECK_EQ(lat_door_knock(&s->door, &s->host, &host), 0);
	CHECK_EQ(say(s->host, (struct lat_note){ .kind = LAT_NOTE_HELLO, .member = ++member }, NULL, 0), 0);
	CHECK_EQ(hear(s->host, &got, fds, &count), 1);
	CHECK_EQ(got.kind, LAT_NOTE_WELCOME);
	CHECK_EQ(got.rc, 0);
	got = ask(s, (struct lat_note){ .kind = LAT_NOTE_OPEN, .src = 1, .dst = PID }, LAT_NOTE_OPENED, fds,
		  &count);
	CHECK_EQ(got.rc, 0);
	s->victim = got.member;
	s->grant = got.grant;
	got = ask(s, (struct lat_note){ .kind = LAT_NOTE_MEET, .member = s->victim }, LAT_NOTE_PEER, fds,
		  &count);
	CHECK_EQ(got.rc, 0);
	CHECK(count >= 2);
	s->pair = fds[0];
	s->bell = dup(fds[1]);
	CHECK_EQ(lat_link_open(&s->link,
			       &(struct lat_link_config){ .ops = &(struct lat_link_ops){ 0 },
							  .bell_fd = fds[1] },
			       &s->segment),
		 0);
	if (count > 2)
		close(fds[2]);
}

static inline void close_scene(struct scene *s)
{
	lat_link_close(s->link);
	close(s->segment);
	close(s->bell);
	close(s->pair);
	close(s->host);
	lat_door_leave(&s->door);
	lattice_endpoint_close(s->ep);
	lattice_node_close(s->node);
}

static inline void wait_stat(struct scene *s, const char *why, const char *name, uint64_t least)
{
	uint64_t deadline = lat_clock_monotonic_ns() + wait_ns;

	while (stat_of(s->node, name) < least) {
		CHECK_ROW(why, lat_clock_monotonic_ns() < deadline);
		(void)poll(NULL, 0, 1);
	}
}

/* An honest channel of another node of this process goes on as if nothing had been. */
static inline void check_honest(struct scene *s, const char *why)
{
	struct lattice_msg msg = { .type = 3, .data = "hello", .len = 5 };
	struct lattice_channel *ch;
	struct lattice_node *other;
	char buf[16];

	CHECK_EQ_ROW(why, lattice_node_open(&other, NULL), 0);
	CHECK_EQ_ROW(why, lattice_channel_open(&ch, other, 2, PID, 0, 0), 0);
	CHECK_EQ_ROW(why, lattice_channel_send(ch, &msg, LATTICE_FOREVER), 0);
	CHECK_EQ_ROW(why, lattice_endpoint_recv(s->ep, &msg, buf, sizeof(buf), LATTICE_FOREVER), 0);
	CHECK_EQ_ROW(why, msg.source, 2);
	lattice_channel_close(ch);
	lattice_node_close(other);
}

/* For anybody, to open a channel to @dst and send. */
static inline struct lat_cap_right granted(struct scene *s, int32_t dst)
{
	const struct lattice_cap_terms terms = { .dst = dst,
						 .rights = LATTICE_RIGHT_OPEN | LATTICE_RIGHT_SEND,
						 .bearer = true };
	struct lat_cap_right right;
	struct lattice_cap *cap;

	CHECK_EQ(lattice_cap_grant(&cap, s->node, &terms), 0);
	CHECK_EQ(lat_capability_take(cap, &right), 0);
	lattice_cap_free(cap);
	return right;
}

struct channel {
	struct lat_link_out *out;
	uint32_t chan;
};

static inline struct lat_note next_note(struct scene *s, enum lat_note_kind kind)
{
	int fds[LAT_NOTE_FDS];
	struct lat_note n;
	size_t count;

	do {
		CHECK_EQ(hear(s->pair, &n, fds, &count), 1);
		lat_fdpass_close(fds, count);
	} while (n.kind != kind);
	return n;
}

/* A channel by @grant, its ring and all, as the library would have it. */
static inline struct channel open_channel_by(struct scene *s, uint64_t grant)
{
	struct lat_note n, open = { .kind = LAT_NOTE_CHAN_OPEN, .src = 1, .dst = PID, .grant = grant };
	int fds[LAT_NOTE_FDS];
	struct channel c;
	size_t count;

	CHECK_EQ(say(s->pair, (struct lat_note){ .kind = LAT_NOTE_JOIN }, &s->segment, 1), 0);
	do {
		CHECK_EQ(hear(s->pair, &n, fds, &count), 1);
		if (n.kind != LAT_NOTE_JOIN)
			lat_fdpass_close(fds, count);
	} while (n.kind != LAT_NOTE_JOIN);
	CHECK_EQ(lat_link_join(s->link, fds, count), 0);
	CHECK_EQ(lat_link_out_open(&c.out, s->link, &(struct lat_link_out_config){ 0 }), 0);
	c.chan = open.chan = lat_link_out_chan(c.out);
	CHECK_EQ(say(s->pair, open, NULL, 0), 0);
	(void)next_note(s, LAT_NOTE_CHAN_ACCEPT);
	lat_link_out_accept(c.out);
	return c;
}

#endif

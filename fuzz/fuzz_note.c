/*
 * Notes over a Unix socket: input = from u8, then packets (notes.h), each sent with descriptors and received.
 *
 * (1) What is taken is what was sent, and keeps the rules of a note: its length, version, whom it is from, what every field of its
 *     kind can be, and zeros in all others. Everything else is refused.
 * (2) A descriptor that came is handed to the caller or closed: none is left, however the packet was wrong, nor more than fit.
 * (3) What is taken, sent on and taken again is the same.
 */
#include "notes.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "node/post.h"
#include "os/unixsock.h"
#include "os/watch.h"

enum { PACKETS_MAX = 40 };

/* Who says what, written down a second time. */
static bool may_say(enum lat_note_from from, uint16_t kind)
{
	switch (from) {
	case LAT_NOTE_FROM_MEMBER:
		return kind == LAT_NOTE_HELLO || kind == LAT_NOTE_CLAIM || kind == LAT_NOTE_UNCLAIM ||
		       kind == LAT_NOTE_OPEN || kind == LAT_NOTE_MEET || kind == LAT_NOTE_LIST ||
		       kind == LAT_NOTE_PROBE;
	case LAT_NOTE_FROM_HOST:
		return kind == LAT_NOTE_WELCOME || kind == LAT_NOTE_CLAIMED || kind == LAT_NOTE_LOST ||
		       kind == LAT_NOTE_OPENED || kind == LAT_NOTE_GRANT || kind == LAT_NOTE_PEER ||
		       kind == LAT_NOTE_LISTED || kind == LAT_NOTE_PROBED;
	default:
		return kind >= LAT_NOTE_JOIN && kind < LAT_NOTE_KINDS;
	}
}

static void check_taken(const struct lat_note *n, size_t fds, enum lat_note_from from)
{
	bool pids = n->kind == LAT_NOTE_OPEN || n->kind == LAT_NOTE_GRANT || n->kind == LAT_NOTE_CHAN_OPEN;

	FUZZ_REQUIRE(n->version == LAT_NOTE_VERSION && may_say(from, n->kind));
	FUZZ_REQUIRE(n->rc <= 0 && n->rc >= -4095 && n->process >= 0 && (n->life.gen != 0 || n->rights == 0));
	FUZZ_REQUIRE(pids ? n->src >= 1 && n->dst >= 1 : n->src == 0 && n->dst >= 0);
	FUZZ_REQUIRE(fds == 0 || n->kind == LAT_NOTE_PEER || n->kind == LAT_NOTE_JOIN ||
		     n->kind == LAT_NOTE_EXTENT || n->kind == LAT_NOTE_REPLIES);
	FUZZ_REQUIRE(n->chan == 0 || (n->kind >= LAT_NOTE_CHAN_OPEN && n->kind != LAT_NOTE_BYE &&
				      n->kind != LAT_NOTE_HOSTED));
	FUZZ_REQUIRE(n->counts[0] == 0 || n->kind == LAT_NOTE_PROBED);
	FUZZ_REQUIRE((n->ticket[0] == 0) || n->kind == LAT_NOTE_CLAIM || n->kind == LAT_NOTE_CLAIMED);
	if (n->kind == LAT_NOTE_HELLO || n->kind == LAT_NOTE_MEET || n->kind == LAT_NOTE_GRANT)
		FUZZ_REQUIRE(n->member != 0);
	if (n->kind == LAT_NOTE_PEER || n->kind == LAT_NOTE_OPENED)
		FUZZ_REQUIRE((n->member != 0) == (n->rc == 0));
	if (n->kind == LAT_NOTE_BYE || n->kind == LAT_NOTE_CHAN_REFUSE)
		FUZZ_REQUIRE(n->rc < 0);
	if (n->kind == LAT_NOTE_JOIN || n->kind == LAT_NOTE_REPLIES)
		FUZZ_REQUIRE(fds == 1);
}

static void send_on(struct lat_post *from, struct lat_post *to, const struct lat_note *n, const int *fds,
		    size_t count, enum lat_note_from who)
{
	struct lat_note out = *n, again;
	int got[LAT_NOTE_FDS];
	struct stat a, b;
	size_t came;

	FUZZ_REQUIRE(lat_post_send(from, &out, fds, count) == 0);
	FUZZ_REQUIRE(lat_post_recv(to, who, &again, got, &came) == 1);
	FUZZ_REQUIRE(memcmp(&again, n, sizeof(*n)) == 0 && came == count);
	for (size_t i = 0; i < came; i++)
		FUZZ_REQUIRE(fstat(fds[i], &a) == 0 && fstat(got[i], &b) == 0 && a.st_ino == b.st_ino &&
			     a.st_dev == b.st_dev && (fcntl(got[i], F_GETFD) & FD_CLOEXEC) != 0);
	lat_fdpass_close(got, came);
}

static void one_packet(int sock, struct lat_post *far, struct lat_post *near, struct fuzz_input *in,
		       enum lat_note_from from)
{
	int lowest = notes_lowest_fd(), fds[LAT_NOTE_FDS], rc;
	struct notes_packet p;
	struct lat_note n;
	size_t count;

	notes_take(&p, in);
	FUZZ_REQUIRE(notes_send(sock, &p) == 0);
	rc = lat_post_recv(near, from, &n, fds, &count);
	FUZZ_REQUIRE(rc == 1 || rc == -EPROTO);
	if (p.size != sizeof(n) || p.fds > LAT_NOTE_FDS)
		FUZZ_REQUIRE(rc < 0);
	if (rc == 1) {
		FUZZ_REQUIRE(memcmp(&n, p.bytes, sizeof(n)) == 0 && count == p.fds);
		check_taken(&n, count, from);
		send_on(far, near, &n, fds, count, from);
		lat_fdpass_close(fds, count);
	} else {
		FUZZ_REQUIRE(count == 0);
	}
	FUZZ_REQUIRE(notes_lowest_fd() == lowest);
	FUZZ_REQUIRE(lat_post_recv(near, from, &n, fds, &count) == 0 && count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, data + size };
	enum lat_note_from from = (enum lat_note_from)(fuzz_take(&in, 1) % 3);
	struct lat_post near, far;
	int pair[2], watch, lowest = notes_lowest_fd();

	FUZZ_REQUIRE(lat_watch_open(&watch) == 0 && lat_unixsock_pair(pair, true) == 0);
	FUZZ_REQUIRE(lat_post_open(&near, pair[0], watch, &near) == 0);
	FUZZ_REQUIRE(lat_post_open(&far, pair[1], watch, &far) == 0);
	for (int i = 0; i < PACKETS_MAX && fuzz_more(&in); i++)
		one_packet(pair[1], &far, &near, &in, from);
	lat_post_fini(&far);
	lat_post_fini(&near);
	lat_watch_close(watch);
	FUZZ_REQUIRE(notes_lowest_fd() == lowest);
	return 0;
}

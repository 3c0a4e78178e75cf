/* Notes that the other side does not read: they wait, in order, with their descriptors, and there is a bound. */
#include "node/post.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"
#include "os/fdpass.h"
#include "os/unixsock.h"
#include "os/watch.h"

static struct {
	int watch;
	struct lat_post a, b;
} t;

static void open_pair(void)
{
	int pair[2];

	CHECK_EQ(lat_watch_open(&t.watch), 0);
	CHECK_EQ(lat_unixsock_pair(pair, true), 0);
	CHECK_EQ(lat_post_open(&t.a, pair[0], t.watch, &t.a), 0);
	CHECK_EQ(lat_post_open(&t.b, pair[1], t.watch, &t.b), 0);
}

static void close_pair(void)
{
	lat_post_fini(&t.a);
	lat_post_fini(&t.b);
	lat_watch_close(t.watch);
}

static int say(uint32_t number)
{
	return lat_post_send(&t.a, &(struct lat_note){ .kind = LAT_NOTE_CHAN_ACCEPT, .chan = number }, NULL,
			     0);
}

/* What the other side hears: the number, or why not. */
static int heard(void)
{
	int fds[LAT_NOTE_FDS], rc;
	struct lat_note n;
	size_t count;

	rc = lat_post_recv(&t.b, LAT_NOTE_FROM_PEER, &n, fds, &count);
	CHECK_EQ(count, 0);
	return rc == 1 ? (int)n.chan : rc;
}

/* So many until the socket takes no more, and one waits. */
static uint32_t fill(void)
{
	uint32_t n = 0;

	while (t.a.queued == 0)
		CHECK_EQ(say(++n), 0);
	return n;
}

static bool writable(void)
{
	struct lat_watch_event events[4];
	size_t n = lat_watch_wait(t.watch, events, ARRAY_LEN(events), 0);

	for (size_t i = 0; i < n; i++)
		if (events[i].data == &t.a && events[i].out)
			return true;
	return false;
}

TEST(what_the_socket_does_not_take_waits_in_order)
{
	uint32_t said, next = 1;

	open_pair();
	said = fill();
	for (int i = 0; i < 100; i++)
		CHECK_EQ(say(++said), 0);
	CHECK(!writable());
	while (next <= said) {
		while (next <= said && heard() == (int)next)
			next++;
		if (writable())
			CHECK(!lat_post_flush(&t.a)); /* nobody was refused */
	}
	CHECK_EQ(t.a.queued, 0);
	CHECK_EQ(heard(), 0);
	CHECK(!writable()); /* nothing waits: nobody asks */
	close_pair();
}

TEST(as_many_as_may_wait)
{
	uint32_t said, n;
	int got;

	open_pair();
	said = fill();
	while (t.a.queued < LAT_POST_QUEUE_MAX)
		CHECK_EQ(say(++said), 0);
	CHECK_EQ(say(said + 1), -EAGAIN);
	for (n = 0; n<said; n += got> 0) {
		got = heard();
		CHECK(got == 0 || got == (int)n + 1);
		if (got == 0) {
			bool told = lat_post_flush(&t.a);

			CHECK_EQ(told, t.a.queued == 0); /* who was refused is told when all of it has gone */
		}
	}
	CHECK(!lat_post_flush(&t.a)); /* once */
	CHECK_EQ(say(said + 1), 0);
	CHECK_EQ(heard(), (int)said + 1);
	close_pair();
}

/* The one that is sent may be closed here while it waits. */
TEST(descriptors_wait_too)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), fds[LAT_NOTE_FDS], rc = 0;
	struct lat_note n = { .kind = LAT_NOTE_JOIN };
	struct stat was, is;
	uint32_t said;
	size_t count;

	open_pair();
	CHECK_EQ(fstat(fd, &was), 0);
	said = fill();
	CHECK_EQ(lat_post_send(&t.a, &n, &fd, 1), 0);
	close(fd);
	CHECK_EQ(lat_post_send(&t.a, &n, &fd, 1), -EBADF);
	for (uint32_t i = 0; i < said; i++) {
		int got = heard();

		CHECK(got >= 0);
		if (got == 0) {
			i--;
			(void)lat_post_flush(&t.a);
		}
	}
	while (rc == 0) {
		(void)lat_post_flush(&t.a);
		rc = lat_post_recv(&t.b, LAT_NOTE_FROM_PEER, &n, fds, &count);
	}
	CHECK_EQ(rc, 1);
	CHECK_EQ(n.kind, LAT_NOTE_JOIN);
	CHECK_EQ(count, 1);
	CHECK_EQ(fstat(fds[0], &is), 0);
	CHECK(was.st_ino == is.st_ino && was.st_rdev == is.st_rdev);
	lat_fdpass_close(fds, count);
	close_pair();
}

TEST(closed_with_something_waiting)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), last;
	struct lat_note n = { .kind = LAT_NOTE_JOIN };
	struct lat_post never = { 0 };

	open_pair();
	(void)fill();
	CHECK_EQ(lat_post_send(&t.a, &n, &fd, 1), 0);
	lat_post_close(&t.a);
	CHECK_EQ(t.a.queued, 0);
	CHECK_EQ(say(1), -EPIPE);
	CHECK(!lat_post_flush(&t.a));
	lat_post_close(&t.a); /* again is fine */
	while ((last = heard()) > 0)
		;
	CHECK_EQ(last, -EPIPE);
	close(fd);
	close_pair();
	lat_post_close(&never);
	lat_post_fini(&never);
	CHECK_EQ(lat_post_send(&never, &n, NULL, 0), -EPIPE);
}

TEST(the_other_side_is_gone_while_something_waits)
{
	open_pair();
	(void)fill();
	lat_post_close(&t.b);
	CHECK(!lat_post_flush(&t.a));
	CHECK_EQ(t.a.queued, 0); /* it is lost, as what the socket had */
	CHECK_EQ(say(1), -EPIPE);
	close_pair();
}

TEST(what_cannot_be_watched)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), watch;
	struct lat_post p;

	CHECK_EQ(lat_watch_open(&watch), 0);
	CHECK_EQ(lat_post_open(&p, fd, watch, &p), -EPERM);
	CHECK_EQ(fcntl(fd, F_GETFD), -1); /* it was taken over */
	lat_post_fini(&p);
	lat_watch_close(watch);
}

TEST_MAIN

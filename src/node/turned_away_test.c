/* A member that was attached, and that the next host turns away, says of itself what it said before. */
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "node/door.h"
#include "node/lives.h"
#include "node/note.h"
#include "os/clock.h"
#include "os/fdpass.h"
#include "os/poll.h"

enum { NUMBER = 5, ANOTHER = 77 };

static const uint64_t wait_ns = (uint64_t)(60 * LAT_NS_PER_S); /* reached only when something is broken */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void readable(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	CHECK_EQ(lat_poll_until(&wait, 1, lat_clock_monotonic_ns() + wait_ns), 1);
}

/* Whoever comes next is a member; what it is told. */
static int greet(const struct lat_door_held *held, int rc, uint32_t number)
{
	struct lat_note n, welcome = { .version = LAT_NOTE_VERSION,
				       .kind = LAT_NOTE_WELCOME,
				       .rc = rc,
				       .node = number,
				       .process = (int32_t)getpid() };
	struct lat_lives *page;
	int fds[LAT_NOTE_FDS], fd, page_fd;
	size_t count = LAT_NOTE_FDS;

	readable(held->sock.fd);
	fd = lat_unixsock_accept(&held->sock);
	CHECK(fd >= 0);
	readable(fd);
	CHECK_EQ(lat_fdpass_recv(fd, &n, sizeof(n), fds, &count), sizeof(n));
	CHECK_EQ(n.kind, LAT_NOTE_HELLO);
	CHECK_EQ(lat_lives_make(&page), 0);
	page_fd = lat_lives_fd(page);
	CHECK_EQ(lat_fdpass_send(fd, &welcome, sizeof(welcome), &page_fd, rc == 0 ? 1 : 0), 0);
	lat_lives_put(page);
	return fd;
}

static void *welcome(void *held)
{
	static int fd;

	fd = greet(held, 0, NUMBER);
	return &fd;
}

TEST(its_number_stays)
{
	char dir[] = "/tmp/lattice-test-XXXXXX", at[64];
	struct lattice_node_host host = { 0 };
	struct lattice_node *node, *member;
	struct lat_door_held held;
	struct lat_door door;
	pthread_t thread;
	pid_t holder;
	void *fd;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(at, sizeof(at), "%s/node.sock", dir);
	CHECK_EQ(setenv("LATTICE_SOCKET", at, 1), 0);
	CHECK_EQ(lat_door_find(&door), 0);
	CHECK_EQ(lat_door_take(&door, &held, &holder), 0);
	CHECK_EQ(pthread_create(&thread, NULL, welcome, &held), 0);
	CHECK_EQ(lattice_node_open(&node, NULL), 0);
	CHECK_EQ(pthread_join(thread, &fd), 0);
	CHECK_EQ(lattice_node_number(node), NUMBER);

	lat_unixsock_hang_up(*(int *)fd);
	lat_unixsock_hang_up(greet(&held, -ENOBUFS, ANOTHER));
	lat_door_give(&held, true); /* nobody hosts: now it does */
	for (uint64_t until = lat_clock_monotonic_ns() + wait_ns; !host.self;) {
		CHECK(lat_clock_monotonic_ns() < until);
		CHECK_EQ(lattice_node_host(node, &host), 0);
	}
	CHECK_EQ(lattice_node_open(&member, &(struct lattice_node_config){ .host = LATTICE_HOST_ATTACH }), 0);
	CHECK_EQ(lattice_node_number(member), NUMBER);
	lattice_node_close(member);
	lattice_node_close(node);
	lat_door_leave(&door);
	CHECK_EQ(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

TEST_MAIN

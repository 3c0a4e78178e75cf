/* Peers that a node is told about while it runs, those it has a fingerprint of only, and what stats.sock says of them. */
#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"

#define SECONDS(n) ((n)*LAT_NS_PER_S)

struct side {
	char dir[64];
	struct lattice_identity id;
	struct lattice_node *node;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void make_side(struct side *s, lattice_node_id node)
{
	s->node = NULL;
	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/lattice-test-XXXXXX");
	CHECK(mkdtemp(s->dir) != NULL);
	CHECK_EQ(lattice_state_keygen(s->dir, node, &s->id), 0);
}

static void open_side(struct side *s, bool no_threads)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_SELF,
						 .port = LATTICE_PORT_ANY,
						 .bind_host = "127.0.0.1",
						 .state_dir = s->dir,
						 .no_threads = no_threads,
						 .allow_unlocked_keys = true };

	CHECK_EQ(lattice_node_open(&s->node, &cfg), 0);
}

static void close_side(struct side *s)
{
	lattice_node_close(s->node);
	CHECK_EQ(nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct lattice_peer peer_of(const struct side *s)
{
	struct lattice_peer p = { .node = s->id.node, .proto = LATTICE_UDP };

	memcpy(p.key, s->id.key, sizeof(p.key));
	if (s->node != NULL)
		(void)snprintf(p.endpoint, sizeof(p.endpoint), "127.0.0.1:%u", lattice_node_port(s->node));
	return p;
}

static void check_says(const char *why, const void *handle, int rc, const char *part)
{
	char text[1024];

	(void)lattice_explain(handle, rc, text, sizeof(text));
	if (strstr(text, part) == NULL)
		print_error("it says: %s\nwithout: %s\n", text, part);
	CHECK_ROW(why, strstr(text, part) != NULL);
}

TEST(two_nodes_that_are_told_of_each_other_while_they_run)
{
	struct side a, b;
	struct lattice_peer of_a, of_b, back;
	uint64_t rtt = 0;

	make_side(&a, 1);
	make_side(&b, 2);
	open_side(&a, false);
	open_side(&b, false);
	of_a = peer_of(&a);
	of_a.endpoint[0] = '\0'; /* it calls */
	of_b = peer_of(&b);
	CHECK_EQ(lattice_node_ping(a.node, 2, &rtt, SECONDS(20)), -ENOKEY);
	CHECK_EQ(lattice_node_add_peer(a.node, &of_b), 0);
	CHECK_EQ(lattice_node_add_peer(b.node, &of_a), 0);
	for (int proto = LATTICE_UDP; proto <= LATTICE_TCP; proto++) {
		of_b.proto = (enum lattice_proto)proto; /* again: only the way changes */
		CHECK_EQ(lattice_node_add_peer(a.node, &of_b), 0);
		CHECK_EQ(lattice_node_ping(a.node, 2, &rtt, SECONDS(20)), 0);
	}
	CHECK(rtt > 0);
	CHECK_EQ(lattice_state_peer_get(a.dir, 2, &back), -ENOENT); /* nothing was written */
	close_side(&a);
	close_side(&b);
}

TEST(peers_that_cannot_be)
{
	struct side a, b, c;
	struct lattice_peer good, p;
	struct lattice_node *local;

	make_side(&a, 1);
	make_side(&b, 2);
	make_side(&c, 3);
	good = peer_of(&b);
	CHECK_EQ(lattice_node_open(&local, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }), 0);
	CHECK_EQ(lattice_node_add_peer(local, &good), -EOPNOTSUPP);
	lattice_node_close(local);
	CHECK_EQ(lattice_state_peer_add(a.dir, &good), 0);
	open_side(&a, false);

	p = peer_of(&a);
	CHECK_EQ(lattice_node_add_peer(a.node, &p), -EINVAL);
	check_says("ourselves", a.node, -EINVAL, "own");
	p = peer_of(&c);
	p.node = 2;
	CHECK_EQ(lattice_node_add_peer(a.node, &p), -EKEYREJECTED);
	check_says("another key", a.node, -EKEYREJECTED, "lattice id");
	p = good;
	p.node = 4;
	CHECK_EQ(lattice_node_add_peer(a.node, &p), -EEXIST);
	check_says("another number", a.node, -EEXIST, "one key has one number");
	p = peer_of(&c);
	memset(p.key, 0, sizeof(p.key));
	CHECK_EQ(lattice_node_add_peer(a.node, &p), -EINVAL);
	memcpy(p.fingerprint, c.id.fingerprint, sizeof(p.fingerprint));
	CHECK_EQ(lattice_node_add_peer(a.node, &p), -ENOKEY);
	check_says("no key", a.node, -ENOKEY, "lattice id --key");
	p = peer_of(&c);
	p.fingerprint[0] = (uint8_t)(c.id.fingerprint[0] ^ 1);
	CHECK_EQ(lattice_node_add_peer(a.node, &p), -EKEYREJECTED);
	p = peer_of(&c);
	(void)snprintf(p.endpoint, sizeof(p.endpoint), "nowhere");
	CHECK_EQ(lattice_node_add_peer(a.node, &p), -EINVAL);
	close_side(&a);
	close_side(&b);
	close_side(&c);
}

TEST(a_peer_by_its_fingerprint_alone)
{
	struct side a, b;
	struct lattice_peer pin;
	struct lattice_channel *ch;
	uint64_t rtt;

	make_side(&a, 1);
	make_side(&b, 2);
	pin = peer_of(&b);
	memset(pin.key, 0, sizeof(pin.key));
	memcpy(pin.fingerprint, b.id.fingerprint, sizeof(pin.fingerprint));
	CHECK_EQ(lattice_state_peer_add(a.dir, &pin), 0);
	open_side(&a, false);
	open_side(&b, false);
	CHECK_EQ(lattice_node_ping(a.node, 2, &rtt, 0), -ENOKEY);
	check_says("ping", a.node, -ENOKEY, "fingerprint is known, its key is missing");
	CHECK_EQ(lattice_channel_open(&ch, a.node, 1, 7, 2, 0), -ENOKEY);
	check_says("channel", NULL, -ENOKEY, "fingerprint is known, its key is missing");
	/* The key is what was pinned, or it is refused. */
	pin = peer_of(&a);
	pin.node = 2;
	CHECK_EQ(lattice_node_add_peer(a.node, &pin), -EKEYREJECTED);
	pin = peer_of(&b);
	CHECK_EQ(lattice_node_add_peer(a.node, &pin), 0);
	pin = peer_of(&a);
	CHECK_EQ(lattice_node_add_peer(b.node, &pin), 0);
	CHECK_EQ(lattice_node_ping(a.node, 2, &rtt, SECONDS(20)), 0);
	close_side(&a);
	close_side(&b);
}

struct waiter {
	struct lattice_node *node;
	int rc;
};

static void *wait_for_nobody(void *arg)
{
	struct waiter *w = arg;
	uint64_t rtt;

	w->rc = lattice_node_ping(w->node, 2, &rtt, LATTICE_FOREVER);
	return NULL;
}

/* Somebody waits for a peer that is silent: he is told, and finds no freed memory on his way out. */
TEST(a_node_that_is_closed_while_another_thread_waits_for_a_peer)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	struct waiter waiter;
	pthread_t thread;
	struct side a, silent;
	struct lattice_peer p;
	char packet[2048];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	make_side(&a, 1);
	make_side(&silent, 2);
	open_side(&a, false);
	p = peer_of(&silent);
	(void)snprintf(p.endpoint, sizeof(p.endpoint), "127.0.0.1:%u", ntohs(at.sin_port));
	CHECK_EQ(lattice_node_add_peer(a.node, &p), 0);
	waiter = (struct waiter){ .node = a.node };
	CHECK_EQ(pthread_create(&thread, NULL, wait_for_nobody, &waiter), 0);
	CHECK(recv(fd, packet, sizeof(packet), 0) > 0); /* it is in the call */
	lattice_node_close(a.node);
	a.node = NULL;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(waiter.rc, -ESHUTDOWN);
	close(fd);
	close_side(&a);
	close_side(&silent);
}

/* All that stats.sock of @dir says; "" when nobody is there. */
static size_t look(const char *dir, char *out, size_t max)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t got = 0;
	ssize_t n;

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/stats.sock", dir);
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		while (got + 1 < max && (n = read(fd, out + got, max - got - 1)) > 0)
			got += (size_t)n;
	out[got] = '\0';
	close(fd);
	return got;
}

TEST(what_the_window_shows)
{
	static char text[1 << 16];
	struct lattice_stat stats[256];
	struct lattice_peer peer;
	char line[128];
	struct side a, b, silent;
	size_t count;

	make_side(&a, 1);
	make_side(&b, 2);
	make_side(&silent, 3);
	peer = peer_of(&b);
	(void)snprintf(peer.name, sizeof(peer.name), "bob");
	CHECK_EQ(lattice_state_peer_add(a.dir, &peer), 0);
	CHECK_EQ(look(a.dir, text, sizeof(text)), 0);
	open_side(&a, false);
	peer = peer_of(&silent);
	peer.proto = LATTICE_TCP;
	CHECK_EQ(lattice_node_add_peer(a.node, &peer), 0);
	for (int i = 0; i < 20; i++) { /* as often as one likes */
		CHECK(look(a.dir, text, sizeof(text)) > 0);
		(void)snprintf(line, sizeof(line),
			       "{\"node\":1,\"port\":%u,\"process\":%d,\"version\":\"%s\"}\n",
			       lattice_node_port(a.node), (int)getpid(), lattice_version());
		CHECK_EQ(strncmp(text, line, strlen(line)), 0);
	}
	CHECK(strstr(text,
		     "\n{\"peer\":2,\"name\":\"bob\",\"endpoint\":\"\",\"transport\":\"udp\",\"key\":true,\"up\":false,") !=
	      NULL);
	CHECK(strstr(text, "\n{\"peer\":3,\"name\":\"\",") != NULL);
	count = lattice_node_stats(a.node, stats, ARRAY_LEN(stats));
	CHECK(count > 0 && count <= ARRAY_LEN(stats));
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(line, sizeof(line), "\n{\"counter\":\"%s\",\"value\":", stats[i].name);
		CHECK_ROW(stats[i].name, strstr(text, line) != NULL);
		/* JSON takes these texts as they are. */
		CHECK_EQ_ROW(stats[i].name, strpbrk(stats[i].text, "\"\\\n\t"), NULL);
	}
	CHECK_STR(text + strlen(text) - 3, "\"}\n");
	lattice_node_close(a.node);
	a.node = NULL;
	CHECK_EQ(look(a.dir, text, sizeof(text)), 0);
	(void)snprintf(line, sizeof(line), "%s/stats.sock", a.dir);
	CHECK_EQ(access(line, F_OK), -1);

	open_side(&a, true); /* who runs the network himself has no window */
	CHECK_EQ(look(a.dir, text, sizeof(text)), 0);
	close_side(&a);
	close_side(&b);
	close_side(&silent);
}

TEST(callers_who_stay_do_not_keep_a_node_open)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int callers[32];
	struct side a;

	make_side(&a, 1);
	open_side(&a, false);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/stats.sock", a.dir);
	for (size_t i = 0; i < ARRAY_LEN(callers); i++) {
		callers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(callers[i], (const struct sockaddr *)&at,
			      sizeof(at)); /* some are told to come later */
	}
	close_side(&a);
	for (size_t i = 0; i < ARRAY_LEN(callers); i++)
		close(callers[i]);
}

TEST_MAIN

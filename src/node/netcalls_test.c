/*
 * The driver's calls over real sockets. The default node is one for the process; where another process is wanted, this program
 * starts itself again with a part to play.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "net/nodeid.h"
#include "node/nodes_harness.h"

extern char **environ;

/* ---- before anything ---- */

static void ignore(void *ctx, const struct lattice_packet *packet)
{
	(void)ctx;
	(void)packet;
}

static void check_all(const char *why, int want)
{
	struct lattice_packet packet;
	char byte;

	CHECK_EQ_ROW(why, lattice_net_send(0, "x", 1), want);
	CHECK_EQ_ROW(why, lattice_net_recv(&packet, &byte, 1, 0), want);
	CHECK_EQ_ROW(why, lattice_net_add_remote(2, "127.0.0.1", 1, LATTICE_UDP), want);
	CHECK_EQ_ROW(why, lattice_net_set_recv_callback(ignore, NULL), want);
	CHECK_EQ_ROW(why, lattice_net_set_recv_callback(NULL, NULL), want);
	CHECK_EQ_ROW(why, lattice_net_reset(), want);
	CHECK_EQ_ROW(why, lattice_net_local_node(), 0);
	CHECK_EQ_ROW(why, lattice_net_port(), 0);
	CHECK_EQ_ROW(why, lattice_net_stats(NULL, 0), 0);
}

TEST(not_open_yet)
{
	check_all("before the first init", -ENOTCONN);
	CHECK_EQ(lattice_net_send(0, "x", 1), -ENOTCONN);
	CHECK(explained(-ENOTCONN, "lattice_net_init()"));
	lattice_net_shutdown();
	check_all("a shutdown of nothing", -ENOTCONN);
}

/* ---- opening ---- */

TEST(what_cannot_be_opened)
{
	static const struct {
		const char *why;
		struct lattice_net_config cfg;
		int want;
		const char *says;
	} rows[] = {
		{ "a reserved number", { .node_id = UINT32_MAX }, -EINVAL, "0xffffffff" },
		{ "a port too high", { .port = 65536 }, -EINVAL, "65536" },
		{ "a port below", { .port = -2 }, -EINVAL, "-2" },
		{ "no such policy", { .overflow = (enum lattice_overflow)2 }, -EINVAL, "overflow" },
		{ "a queue too long", { .max_queue = UINT32_MAX }, -EINVAL, "max_queue" },
		{ "a host that is a name", { .port = -1, .bind_host = "localhost" }, -EINVAL, "localhost" },
		{ "an address of somebody else",
		  { .port = -1, .bind_host = "192.0.2.1" },
		  -EADDRNOTAVAIL,
		  "192.0.2.1" },
		{ "a file as directory", { .port = -1, .state_dir = "/dev/null" }, -ENOTDIR, "/dev/null" },
		{ "an empty name", { .port = -1, .state_dir = "" }, -EINVAL, "empty" },
	};
	struct side a;

	make_side(&a, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lattice_net_config cfg = rows[i].cfg;
		int rc;

		cfg.allow_unlocked_keys = true;
		if (cfg.state_dir == NULL)
			cfg.state_dir = a.dir;
		rc = lattice_net_init(&cfg);
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		CHECK_ROW(rows[i].why, explained(rc, rows[i].says));
		CHECK_EQ_ROW(rows[i].why, lattice_net_local_node(), 0);
	}
	remove_dir(a.dir);
}

TEST(opened_twice_and_taken)
{
	struct side a, b;
	char text[300], pid[16];

	make_side(&a, 1);
	make_side(&b, 2);
	open_side(&b, 0);
	/* The port is another program's. */
	CHECK_EQ(lattice_net_init(&(struct lattice_net_config){ .port = lattice_node_port(b.node),
								.state_dir = a.dir,
								.allow_unlocked_keys = true }),
		 -EADDRINUSE);
	CHECK(explained(-EADDRINUSE, "another program has it"));
	/* The state directory is another node's. */
	CHECK_EQ(init_default(&b), -EBUSY);
	(void)lattice_explain(NULL, -EBUSY, text, sizeof(text));
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CHECK(strstr(text, pid) != NULL);

	CHECK_EQ(init_default(&a), 0);
	CHECK_EQ(lattice_net_local_node(), 1);
	CHECK(lattice_net_port() != 0);
	CHECK_EQ(init_default(&a), -EBUSY);
	CHECK(explained(-EBUSY, "lattice_net_shutdown()"));
	lattice_net_shutdown();
	lattice_net_shutdown();
	check_all("closed", -ESHUTDOWN);
	CHECK(explained(-ESHUTDOWN, "closed"));
	CHECK_EQ(init_default(&a), 0);
	close_side(&b);
	lattice_net_shutdown();
	remove_dir(a.dir);
}

TEST(the_number_is_this_machines_and_is_kept)
{
	struct side a = { .dir = "/tmp/lattice-test-XXXXXX" };
	lattice_node_id id;
	char path[96];
	FILE *f;

	CHECK(mkdtemp(a.dir) != NULL);
	CHECK_EQ(init_default(&a), 0);
	id = lattice_net_local_node();
	CHECK_EQ(id, lat_nodeid_local());
	lattice_net_shutdown();
	CHECK_EQ(init_default(&a), 0);
	CHECK_EQ(lattice_net_local_node(), id);
	lattice_net_shutdown();
	/* The one that is kept counts, not the machine's. */
	(void)snprintf(path, sizeof(path), "%s/node", a.dir);
	f = fopen(path, "w");
	CHECK(f != NULL && fputs("77\n", f) > 0 && fclose(f) == 0);
	CHECK_EQ(init_default(&a), 0);
	CHECK_EQ(lattice_net_local_node(), 77);
	lattice_net_shutdown();
	CHECK_EQ(lattice_net_init(&(struct lattice_net_config){ .node_id = 78,
								.port = LATTICE_PORT_ANY,
								.state_dir = a.dir,
								.allow_unlocked_keys = true }),
		 -EINVAL);
	remove_dir(a.dir);
}

/* ---- packets ---- */

TEST(packets_both_ways)
{
	static const size_t sizes[] = { 0, 1, 100, LATTICE_PACKET_MAX };
	uint8_t out[LATTICE_PACKET_MAX + 1], in[LATTICE_PACKET_MAX];
	struct lattice_packet packet;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7);
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct side a, b;

		meet(&a, &b, w);
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			CHECK_EQ_ROW(ways[w].why, lattice_net_send(2, out, sizes[i]), 0);
			CHECK_EQ_ROW(ways[w].why, side_recv(&b, &packet, in, sizeof(in)), 0);
			CHECK_EQ_ROW(ways[w].why, packet.node, 1);
			CHECK_EQ_ROW(ways[w].why, packet.len, sizes[i]);
			CHECK_MEM_ROW(ways[w].why, in, out, sizes[i]);
			CHECK_EQ_ROW(ways[w].why, side_send(&b, 1, out, sizes[i]), 0);
			CHECK_EQ_ROW(ways[w].why, lattice_net_recv(&packet, in, sizeof(in), SECONDS(20)), 0);
			CHECK_EQ_ROW(ways[w].why, packet.node, 2);
			CHECK_EQ_ROW(ways[w].why, packet.len, sizes[i]);
			CHECK_ROW(ways[w].why, packet.data == in);
		}
		CHECK_EQ_ROW(ways[w].why, lattice_net_send(2, out, sizeof(out)), -EMSGSIZE);
		CHECK_ROW(ways[w].why, explained(-EMSGSIZE, "1152"));
		part(&a, &b);
	}
}

TEST(to_ourselves)
{
	struct lattice_packet packet;
	char buf[8];
	struct side a;

	make_side(&a, 9);
	CHECK_EQ(init_default(&a), 0);
	CHECK_EQ(lattice_net_send(0, "zero", 4), 0);
	CHECK_EQ(lattice_net_send(9, "own", 3), 0);
	CHECK_EQ(lattice_net_recv(&packet, buf, 3, 0), -EMSGSIZE);
	CHECK_EQ(packet.len, 4);
	CHECK_EQ(lattice_net_recv(&packet, buf, sizeof(buf), 0), 0);
	CHECK_EQ(packet.node, 9);
	CHECK_MEM(buf, "zero", 4);
	CHECK_EQ(lattice_net_recv(&packet, buf, sizeof(buf), LATTICE_FOREVER), 0);
	CHECK_EQ(packet.len, 3);
	CHECK_EQ(lattice_net_recv(&packet, buf, sizeof(buf), 0), -ENOMSG);
	CHECK_EQ(lattice_net_recv(&packet, buf, sizeof(buf), 1000), -ETIMEDOUT);
	lattice_net_shutdown();
	remove_dir(a.dir);
}

TEST(a_noisy_peer_evicts_only_its_own)
{
	enum { MAX = 10, NOISE = 200 };
	static const struct {
		const char *why, *counter;
		enum lattice_overflow overflow;
		uint8_t first;
	} rows[] = {
		{ "the oldest give way", "packets.dropped_oldest", LATTICE_DROP_OLDEST, NOISE - MAX },
		{ "the newest are not let in", "packets.dropped_newest", LATTICE_DROP_NEWEST, 0 },
	};

	for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
		struct lattice_packet packet;
		struct side a, b, c;
		uint64_t rtt;
		uint8_t byte;

		make_side(&a, 1);
		make_side(&b, 2);
		make_side(&c, 3);
		introduce(&a, &b);
		introduce(&a, &c);
		introduce(&b, &a);
		introduce(&c, &a);
		open_side(&b, 0);
		open_side(&c, 0);
		CHECK_EQ(lattice_net_init(&(struct lattice_net_config){ .port = LATTICE_PORT_ANY,
									.state_dir = a.dir,
									.max_queue = MAX,
									.overflow = rows[r].overflow,
									.allow_unlocked_keys = true }),
			 0);
		/* TCP, so that none is lost on the way, and the answer to a ping comes after what was sent before it. */
		CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", lattice_node_port(b.node), LATTICE_TCP), 0);
		CHECK_EQ(lattice_net_add_remote(3, "127.0.0.1", lattice_node_port(c.node), LATTICE_TCP), 0);
		CHECK_EQ(lattice_net_send(2, "x", 1), 0);
		CHECK_EQ(lattice_net_send(3, "x", 1), 0);
		CHECK_EQ(side_recv(&b, &packet, &byte, 1), 0);
		CHECK_EQ(side_recv(&c, &packet, &byte, 1), 0);
		byte = 250;
		CHECK_EQ(side_send(&c, 1, &byte, 1), 0);
		CHECK_EQ(lattice_node_ping(c.node, 1, &rtt, SECONDS(20)), 0);
		for (uint32_t i = 0; i < NOISE; i++) {
			byte = (uint8_t)i;
			CHECK_EQ(side_send(&b, 1, &byte, 1), 0);
		}
		CHECK_EQ(lattice_node_ping(b.node, 1, &rtt, SECONDS(20)), 0);
		byte = 251;
		CHECK_EQ(side_send(&c, 1, &byte, 1), 0);
		CHECK_EQ(lattice_node_ping(c.node, 1, &rtt, SECONDS(20)), 0);

		CHECK_EQ_ROW(rows[r].why, default_stat("packets.received"), NOISE + 2);
		CHECK_EQ_ROW(rows[r].why, default_stat(rows[r].counter), NOISE - MAX);
		for (uint32_t i = 0; i < MAX + 2; i++) {
			bool quiet = i == 0 || i == 2; /* in turn */

			CHECK_EQ_ROW(rows[r].why, lattice_net_recv(&packet, &byte, 1, 0), 0);
			CHECK_EQ_ROW(rows[r].why, packet.node, quiet ? 3 : 2);
			CHECK_EQ_ROW(rows[r].why, byte,
				     i == 0   ? 250
				     : i == 2 ? 251
					      : rows[r].first + i - (i > 2 ? 2 : 1));
		}
		CHECK_EQ_ROW(rows[r].why, lattice_net_recv(&packet, &byte, 1, 0), -ENOMSG);
		CHECK_EQ_ROW(rows[r].why,
			     default_stat("packets.dropped_oldest") + default_stat("packets.dropped_newest"),
			     NOISE - MAX);
		shut_side(&c);
		remove_dir(c.dir);
		part(&a, &b);
	}
}

/* ---- peers and their addresses ---- */

TEST(adding_remotes)
{
	static const struct {
		const char *why;
		lattice_node_id node;
		const char *host;
		int port;
		enum lattice_proto proto;
		int want;
		const char *says;
	} rows[] = {
		{ "this node by 0", 0, "127.0.0.1", 1, LATTICE_UDP, -EINVAL, "this one" },
		{ "this node by its number", 1, "127.0.0.1", 1, LATTICE_UDP, -EINVAL, "this one" },
		{ "a number that nobody has", UINT32_MAX, "127.0.0.1", 1, LATTICE_UDP, -EINVAL,
		  "no node has" },
		{ "port 0", 2, "127.0.0.1", 0, LATTICE_UDP, -EINVAL, "port 0" },
		{ "a port too high", 2, "127.0.0.1", 65536, LATTICE_UDP, -EINVAL, "65536" },
		{ "no protocol", 2, "127.0.0.1", 1, (enum lattice_proto)0, -EINVAL, "protocol 0" },
		{ "no host", 2, NULL, 1, LATTICE_UDP, -EINVAL, "name" },
		{ "an empty host", 2, "", 1, LATTICE_UDP, -EINVAL, "name" },
		{ "an unknown node", 99, "127.0.0.1", 1, LATTICE_UDP, -ENOKEY, "node 99" },
		{ "a known one", 2, "127.0.0.1", 1, LATTICE_UDP, 0, NULL },
		{ "the same elsewhere", 2, "::1", 1, LATTICE_TCP, 0, NULL },
		{ "IPv6 in brackets", 2, "[::1]", 1, LATTICE_TCP, 0, NULL },
		{ "by name", 2, "localhost", 1, LATTICE_TCP, 0, NULL },
	};
	char long_name[400];
	struct side a, b;
	int rc;

	make_side(&a, 1);
	make_side(&b, 2);
	introduce(&a, &b);
	CHECK_EQ(init_default(&a), 0);
	CHECK_EQ(lattice_net_send(2, "x", 1), -EDESTADDRREQ);
	CHECK(explained(-EDESTADDRREQ, "node 2"));
	CHECK_EQ(lattice_net_send(99, "x", 1), -ENOKEY);
	CHECK(explained(-ENOKEY, "lattice peers add"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rc = lattice_net_add_remote(rows[i].node, rows[i].host, rows[i].port, rows[i].proto);
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		if (rows[i].says != NULL)
			CHECK_ROW(rows[i].why, explained(rc, rows[i].says));
	}
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	CHECK_EQ(lattice_net_add_remote(2, long_name, 1, LATTICE_UDP), -EINVAL);
	/* Where no name service answers, nobody can say that there is no such name. */
	rc = lattice_net_add_remote(2, "no-such-host.invalid", 1, LATTICE_UDP);
	CHECK(rc == -ENOENT || rc == -EAGAIN);
	CHECK(explained(rc, "no-such-host.invalid"));
	lattice_net_shutdown();
	remove_dir(a.dir);
	remove_dir(b.dir);
}

static void edit_peer(const struct side *s, lattice_node_id node, char from, const char *after)
{
	char path[96], text[8192];
	size_t length;
	char *at;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/peers/%u", s->dir, node);
	f = fopen(path, "r");
	CHECK(f != NULL);
	length = fread(text, 1, sizeof(text) - 1, f);
	text[length] = '\0';
	CHECK_EQ(fclose(f), 0);
	at = strstr(text, after);
	CHECK(at != NULL);
	at += strlen(after);
	if (from == 0)
		*at = *at == '0' ? '1' : '0'; /* another digit */
	else
		*at = from;
	f = fopen(path, "w");
	CHECK(f != NULL && fwrite(text, 1, length, f) == length && fclose(f) == 0);
}

TEST(peers_that_come_later)
{
	struct lattice_packet packet;
	struct side a, b;
	char byte;
	int rc;

	make_side(&a, 1);
	make_side(&b, 2);
	introduce(&b, &a);
	open_side(&b, 0);
	CHECK_EQ(init_default(&a), 0);
	CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", lattice_node_port(b.node), LATTICE_UDP), -ENOKEY);
	introduce(&a, &b);
	/* Its file was changed by hand. */
	edit_peer(&a, 2, 0, "fingerprint = ");
	rc = lattice_net_add_remote(2, "127.0.0.1", lattice_node_port(b.node), LATTICE_UDP);
	CHECK_EQ(rc, -EKEYREJECTED);
	CHECK(explained(rc, "fingerprint"));
	edit_peer(&a, 2, '!', "node = ");
	CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", lattice_node_port(b.node), LATTICE_UDP), -EBADMSG);
	CHECK_EQ(lattice_state_peer_remove(a.dir, 2), 0);
	introduce(&a, &b);
	CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", lattice_node_port(b.node), LATTICE_UDP), 0);
	CHECK_EQ(lattice_net_send(2, "x", 1), 0);
	CHECK_EQ(side_recv(&b, &packet, &byte, 1), 0);
	CHECK_EQ(packet.node, 1);
	part(&a, &b);
}

TEST(nobody_listens)
{
	struct side a, b;
	int rc;

	meet(&a, &b, 1);
	CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", free_port(), LATTICE_TCP), 0);
	rc = lattice_net_send(2, "x", 1);
	CHECK_EQ(rc, -ECONNREFUSED);
	CHECK(explained(rc, "nothing listens"));
	/* Back to where it is. A last try at the other place may still be on its way to us. */
	CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", lattice_node_port(b.node), LATTICE_TCP), 0);
	for (int i = 0; i < 20 && rc == -ECONNREFUSED; i++)
		rc = lattice_net_send(2, "x", 1);
	CHECK_EQ(rc, 0);
	part(&a, &b);
}

/* ---- ends and beginnings ---- */

static void exchange(const char *why, struct side *b)
{
	struct lattice_packet packet;
	char byte;

	CHECK_EQ_ROW(why, lattice_net_send(2, "a", 1), 0);
	CHECK_EQ_ROW(why, side_recv(b, &packet, &byte, 1), 0);
	CHECK_EQ_ROW(why, side_send(b, 1, "b", 1), 0);
	CHECK_EQ_ROW(why, lattice_net_recv(&packet, &byte, 1, SECONDS(20)), 0);
}

/* Until it arrives: the first may go to the one before, whose goodbye is not heard yet, and is lost with it. */
static void exchange_patiently(const char *why, struct side *b)
{
	struct lattice_packet packet;
	bool arrived = false;
	char byte;

	for (int i = 0; i < 200 && !arrived; i++) {
		int rc = lattice_net_send(2, "a", 1);

		CHECK_ROW(why, rc == 0 || rc == -ECONNREFUSED || rc == -EHOSTUNREACH || rc == -ETIMEDOUT);
		arrived = lat_packets_recv(b->packets, &packet, &byte, 1,
					   lat_clock_deadline(lat_clock_monotonic_ns(), LAT_NS_PER_S / 5)) ==
			  0;
	}
	CHECK_ROW(why, arrived);
	CHECK_EQ_ROW(why, side_send(b, 1, "b", 1), 0);
	CHECK_EQ_ROW(why, lattice_net_recv(&packet, &byte, 1, SECONDS(20)), 0);
}

TEST(a_peer_that_restarts)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct side a, b;
		int port;

		meet(&a, &b, w);
		port = lattice_node_port(b.node);
		for (int i = 0; i < 3; i++) {
			exchange_patiently(ways[w].why, &b);
			shut_side(&b);
			open_side(&b, port);
		}
		exchange_patiently(ways[w].why, &b);
		part(&a, &b);
	}
}

TEST(reset)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		struct lattice_packet packet;
		struct lattice_peer_stats stats;
		struct side a, b;
		char byte;

		meet(&a, &b, w);
		CHECK_EQ_ROW(ways[w].why, lattice_net_reset(), 0); /* of nothing */
		for (uint32_t i = 1; i <= 3; i++) {
			exchange(ways[w].why, &b);
			CHECK_EQ(lattice_net_send(0, "x", 1), 0);
			CHECK_EQ_ROW(ways[w].why, lattice_net_reset(), 0);
			CHECK_EQ_ROW(ways[w].why, lattice_net_recv(&packet, &byte, 1, 0), -ENOMSG);
			CHECK_EQ_ROW(ways[w].why, default_stat("packets.dropped_reset"), i);
		}
		exchange(ways[w].why, &b);
		CHECK_EQ(lattice_node_peer(b.node, 1, &stats), 0);
		CHECK_EQ_ROW(ways[w].why, stats.handshakes, 4); /* anew each time */
		part(&a, &b);
	}
}

struct call { /* one that waits, in a thread */
	pthread_t thread;
	atomic_bool begun;
	int rc;
};

static void *recv_forever(void *arg)
{
	struct call *c = arg;
	struct lattice_packet packet;
	char byte;

	atomic_store_explicit(&c->begun, true, memory_order_release);
	c->rc = lattice_net_recv(&packet, &byte, 1, LATTICE_FOREVER);
	return NULL;
}

static void *send_nowhere(void *arg)
{
	struct call *c = arg;

	atomic_store_explicit(&c->begun, true, memory_order_release);
	c->rc = lattice_net_send(2, "x", 1);
	return NULL;
}

static void start_call(struct call *c, void *(*fn)(void *arg))
{
	*c = (struct call){ 0 };
	CHECK_EQ(pthread_create(&c->thread, NULL, fn, c), 0);
	while (!atomic_load_explicit(&c->begun, memory_order_acquire))
		(void)sched_yield();
}

TEST(closing_while_others_wait)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(silent >= 0);
	CHECK_EQ(bind(silent, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_EQ(getsockname(silent, (struct sockaddr *)&at, &len), 0);
	for (int i = 0; i < 20; i++) {
		struct call receiving, sending;
		struct side a, b;

		meet(&a, &b, 0);
		CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", ntohs(at.sin_port), LATTICE_UDP), 0);
		start_call(&receiving, recv_forever);
		start_call(&sending, send_nowhere);
		lattice_net_shutdown();
		pthread_join(receiving.thread, NULL);
		pthread_join(sending.thread, NULL);
		CHECK_EQ(receiving.rc, -ESHUTDOWN);
		CHECK_EQ(sending.rc, -ESHUTDOWN);
		part(&a, &b);
	}
	close(silent);
}

/* ---- callbacks ---- */

struct back { /* what a callback did */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t count;
	int rc;
	bool hold;
};

/* Static where the callback may outlive the test that started it. */
#define NEW_BACK ((struct back){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER })

static void report(struct back *s, int rc)
{
	pthread_mutex_lock(&s->lock);
	s->count++;
	if (rc < 0)
		s->rc = rc;
	pthread_cond_broadcast(&s->changed);
	while (s->hold)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static void wait_reports(struct back *s, uint32_t count)
{
	pthread_mutex_lock(&s->lock);
	while (s->count < count)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static void let_go(struct back *s)
{
	pthread_mutex_lock(&s->lock);
	s->hold = false;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void echo(void *ctx, const struct lattice_packet *packet)
{
	report(ctx, lattice_net_send(packet->node, packet->data, packet->len));
}

TEST(a_callback_that_answers)
{
	for (size_t w = 0; w < 2; w++) {
		struct back s = NEW_BACK;
		struct lattice_packet packet;
		struct side a, b;
		char byte;

		meet(&a, &b, w);
		CHECK_EQ(lattice_net_set_recv_callback(echo, &s), 0);
		CHECK_EQ(lattice_net_send(2, "a", 1), 0);
		CHECK_EQ(side_recv(&b, &packet, &byte, 1), 0);
		for (int i = 0; i < 50; i++) {
			byte = (char)i;
			CHECK_EQ_ROW(ways[w].why, side_send(&b, 1, &byte, 1), 0);
			CHECK_EQ_ROW(ways[w].why, side_recv(&b, &packet, &byte, 1), 0);
			CHECK_EQ_ROW(ways[w].why, byte, i);
		}
		CHECK_EQ(lattice_net_recv(&packet, &byte, 1, 0), -EBUSY);
		CHECK(explained(-EBUSY, "callback"));
		CHECK_EQ(lattice_net_set_recv_callback(NULL, NULL), 0);
		CHECK_EQ(s.count, 50);
		CHECK_EQ(s.rc, 0);
		CHECK_EQ(side_send(&b, 1, &byte, 1), 0);
		CHECK_EQ(lattice_net_recv(&packet, &byte, 1, SECONDS(20)), 0);
		part(&a, &b);
	}
}

/* All that a callback might think of. */
static void call_back(void *ctx, const struct lattice_packet *packet)
{
	struct lattice_message m = { .m_type = 1 };
	struct lattice_packet other;
	char byte;
	int rc = 0;

	(void)packet;
	if (lattice_net_recv(&other, &byte, 1, LATTICE_FOREVER) != -EBUSY || lattice_net_init(NULL) != -EBUSY)
		rc = -EFAULT;
	if (rc == 0)
		rc = lattice_connect(1, 2, 0);
	if (rc == 0)
		rc = lattice_send(1, 2, &m, 0);
	if (rc == 0)
		rc = lattice_recv(2, &m, 0);
	if (rc == 0)
		rc = lattice_net_add_remote(2, "127.0.0.1", 9, LATTICE_UDP);
	if (rc == 0)
		rc = lattice_net_reset();
	if (rc == 0)
		rc = lattice_net_set_recv_callback(ignore, NULL);
	report(ctx, rc);
}

TEST(a_callback_that_calls_everything)
{
	struct back s = NEW_BACK;
	struct side a, b;

	meet(&a, &b, 0);
	CHECK_EQ(lattice_net_set_recv_callback(call_back, &s), 0);
	CHECK_EQ(lattice_net_send(0, "x", 1), 0);
	wait_reports(&s, 1);
	CHECK_EQ(s.rc, 0);
	part(&a, &b);
}

static void close_all(void *ctx, const struct lattice_packet *packet)
{
	(void)packet;
	lattice_net_shutdown();
	lattice_net_shutdown(); /* twice is fine here too */
	report(ctx,
	       lattice_net_send(0, "x", 1) == -ESHUTDOWN && lattice_net_init(NULL) == -EBUSY ? 0 : -EFAULT);
}

TEST(a_callback_that_shuts_down)
{
	static struct back backs[20];

	for (int i = 0; i < (int)ARRAY_LEN(backs); i++) {
		struct back *s = &backs[i];
		struct call waiting;
		struct side a, b;
		int rc;

		*s = NEW_BACK;
		meet(&a, &b, 0);
		s->hold = i % 2 == 1;
		CHECK_EQ(lattice_net_set_recv_callback(close_all, s), 0);
		CHECK_EQ(lattice_net_send(0, "x", 1), 0);
		CHECK((rc = lattice_net_send(0, "y", 1)) == 0 || rc == -ESHUTDOWN); /* never handed to it */
		wait_reports(s, 1);
		if (s->hold) { /* it does not return: who else shuts down need not wait for it */
			start_call(&waiting, send_nowhere);
			pthread_join(waiting.thread, NULL);
			CHECK_EQ(waiting.rc, -ESHUTDOWN);
			if (i == 1)
				lattice_net_shutdown();
			let_go(s);
		}
		CHECK_EQ(init_default(&a), 0); /* waits for the rest */
		CHECK_EQ(s->count, 1);
		CHECK_EQ(s->rc, 0);
		part(&a, &b);
	}
}

/* One that stays away is left to itself, and what it calls then finds nothing open: not the next node. */
static void stay(void *ctx, const struct lattice_packet *packet)
{
	struct back *s = ctx;

	(void)packet;
	report(s, 0); /* held here */
	report(s, lattice_net_send(0, "x", 1) == -ESHUTDOWN ? 0 : -EFAULT);
	lattice_net_shutdown();
	report(s, 0);
}

TEST(a_callback_that_does_not_return)
{
	static struct back s;
	struct side a, b;

	s = NEW_BACK;
	meet(&a, &b, 0);
	s.hold = true;
	CHECK_EQ(lattice_net_set_recv_callback(stay, &s), 0);
	CHECK_EQ(lattice_net_send(0, "x", 1), 0);
	wait_reports(&s, 1);
	lattice_net_shutdown();
	CHECK_EQ(init_default(&a), 0);
	let_go(&s);
	wait_reports(&s, 3);
	CHECK_EQ(s.rc, 0);
	CHECK_EQ(lattice_net_local_node(), 1);
	part(&a, &b);
}

/* ---- many threads ---- */

struct racer {
	pthread_t thread;
	atomic_bool *stop;
	const struct side *side;
	uint16_t port;
	int kind, rc;
};

static bool allowed(int rc)
{
	static const int known[] = { 0,       -ESHUTDOWN,    -ETIMEDOUT,    -ENOMSG,      -EBUSY,
				     -EAGAIN, -ECONNREFUSED, -EHOSTUNREACH, -EDESTADDRREQ };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (rc == known[i])
			return true;
	return false;
}

static void count_one(void *ctx, const struct lattice_packet *packet)
{
	(void)packet;
	(void)atomic_fetch_add_explicit((_Atomic(uint64_t) *)ctx, 1, memory_order_relaxed);
}

static void *race(void *arg)
{
	static _Atomic(uint64_t) received;
	struct racer *r = arg;
	struct lattice_packet packet;
	char byte;

	for (uint32_t i = 0; !atomic_load_explicit(r->stop, memory_order_acquire) && r->rc == 0; i++) {
		int rc = 0;

		switch (r->kind) {
		case 0:
		case 1:
			rc = lattice_net_add_remote(2, r->kind == 0 ? "127.0.0.1" : "::1", r->port,
						    i % 2 == 0 ? LATTICE_TCP : LATTICE_UDP);
			break;
		case 2:
		case 3:
			rc = lattice_net_send(2, &i, sizeof(i));
			break;
		case 4:
			rc = lattice_net_recv(&packet, &byte, 1, 0);
			rc = rc == -EMSGSIZE ? 0 : rc;
			break;
		case 5:
			rc = lattice_net_set_recv_callback(i % 2 == 0 ? count_one : NULL, &received);
			break;
		case 6:
			rc = lattice_net_send(0, &i, sizeof(i));
			break;
		default:
			rc = lattice_net_reset();
			(void)lattice_net_stats(NULL, 0);
			break;
		}
		if (!allowed(rc))
			r->rc = rc;
	}
	return NULL;
}

TEST(racing)
{
	struct racer r[8];
	atomic_bool stop = false;
	struct side a, b;

	meet(&a, &b, 0);
	for (int i = 0; i < (int)ARRAY_LEN(r); i++) {
		r[i] = (struct racer){ .stop = &stop, .kind = i, .port = lattice_node_port(b.node) };
		CHECK_EQ(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
	}
	for (int i = 0; i < 10; i++) {
		lattice_net_shutdown();
		CHECK_EQ(init_default(&a), 0);
		CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", lattice_node_port(b.node), LATTICE_UDP), 0);
	}
	atomic_store_explicit(&stop, true, memory_order_release);
	lattice_net_shutdown(); /* nobody waits any more */
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		pthread_join(r[i].thread, NULL);
		CHECK_EQ(r[i].rc, 0);
	}
	part(&a, &b);
}

static void *open_and_close(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; i < 10; i++) {
		int rc = init_default(r->side);

		if (rc != 0 && rc != -EBUSY)
			r->rc = rc;
		lattice_net_shutdown();
	}
	return NULL;
}

TEST(many_open_and_close)
{
	struct racer r[4];
	struct side a;

	make_side(&a, 1);
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		r[i] = (struct racer){ .side = &a };
		CHECK_EQ(pthread_create(&r[i].thread, NULL, open_and_close, &r[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		pthread_join(r[i].thread, NULL);
		CHECK_EQ(r[i].rc, 0);
	}
	CHECK_EQ(lattice_net_local_node(), 0);
	remove_dir(a.dir);
}

/* ---- fork ---- */

TEST(a_forked_child_has_no_node)
{
	struct side a, b;
	int status = -1;
	pid_t child;

	meet(&a, &b, 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		struct lattice_message m = { 0 };
		struct lattice_packet packet;
		const int rc[] = {
			lattice_net_init(NULL),
			lattice_net_send(2, "x", 1),
			lattice_net_recv(&packet, NULL, 0, 0),
			lattice_net_add_remote(2, "127.0.0.1", 1, LATTICE_UDP),
			lattice_net_set_recv_callback(ignore, NULL),
			lattice_net_reset(),
			lattice_listen(1),
			lattice_connect(1, 2, 0),
			lattice_send(1, 2, &m, 0),
			lattice_recv(1, &m, 0),
			lattice_poll_network(),
		};
		char text[200];

		lattice_net_shutdown(); /* nothing of the parent's */
		for (size_t i = 0; i < ARRAY_LEN(rc); i++)
			if (rc[i] != -EPERM)
				_exit(1 + (int)i);
		(void)lattice_explain(NULL, -EPERM, text, sizeof(text));
		_exit(lattice_net_local_node() == 0 && lattice_net_port() == 0 &&
				      lattice_channel_between(1, 2) == NULL && strstr(text, "fork") != NULL
			      ? 0
			      : 100);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
	exchange("the parent's goes on", &b);
	part(&a, &b);
}

/* ---- what travels ---- */

struct relay { /* between two UDP sockets of ours, each of which one node knows as the other */
	pthread_t thread;
	int fd[2];
	int port[2];
	struct sockaddr_in to[2]; /* where what comes in at the other is sent on to */
	int end[2];               /* a pipe */
	uint32_t packets, plain;
};

static int relay_socket(int *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static const char secret_text[] = "the words that nobody else may read";

static void *run_relay(void *arg)
{
	struct relay *r = arg;
	struct pollfd fds[3] = { { .fd = r->fd[0], .events = POLLIN },
				 { .fd = r->fd[1], .events = POLLIN },
				 { .fd = r->end[0], .events = POLLIN } };
	char packet[2048];

	while (poll(fds, 3, -1) > 0 && fds[2].revents == 0) {
		for (int i = 0; i < 2; i++) {
			ssize_t n = fds[i].revents != 0 ? recv(r->fd[i], packet, sizeof(packet), MSG_DONTWAIT)
							: -1;

			if (n < 0)
				continue;
			r->packets++;
			if (memmem(packet, (size_t)n, secret_text, sizeof(secret_text) - 1) != NULL)
				r->plain++;
			(void)!sendto(r->fd[!i], packet, (size_t)n, 0, (struct sockaddr *)&r->to[i],
				      sizeof(r->to[i]));
		}
	}
	return NULL;
}

TEST(what_is_captured_is_not_what_was_sent)
{
	struct lattice_packet packet;
	struct relay r = { 0 };
	struct side a, b;
	char buf[64];

	meet(&a, &b, 0);
	for (int i = 0; i < 2; i++) {
		r.fd[i] = relay_socket(&r.port[i]);
		r.to[i] = (struct sockaddr_in){ .sin_family = AF_INET,
						.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	}
	/* A sends to the first socket, which B sees as coming from the second. */
	r.to[0].sin_port = htons(lattice_node_port(b.node));
	r.to[1].sin_port = htons(lattice_net_port());
	CHECK_EQ(pipe(r.end), 0);
	CHECK_EQ(pthread_create(&r.thread, NULL, run_relay, &r), 0);
	CHECK_EQ(lattice_net_add_remote(2, "127.0.0.1", r.port[0], LATTICE_UDP), 0);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(lattice_net_send(2, secret_text, sizeof(secret_text)), 0);
		CHECK_EQ(side_recv(&b, &packet, buf, sizeof(buf)), 0);
		CHECK_EQ(packet.len, sizeof(secret_text));
		CHECK_MEM(buf, secret_text, sizeof(secret_text));
	}
	CHECK_EQ(close(r.end[1]), 0);
	pthread_join(r.thread, NULL);
	CHECK(r.packets >= 4 + 5); /* the handshake, and ours */
	CHECK_EQ(r.plain, 0);
	close(r.end[0]);
	close(r.fd[0]);
	close(r.fd[1]);
	part(&a, &b);
}

/* ---- other processes ---- */

struct child {
	pid_t pid;
	int out; /* what it says */
};

static void start_child(struct child *c, const char *role, const char *dir, int port)
{
	posix_spawn_file_actions_t files;
	char port_text[16];
	char *argv[] = { (char *)(uintptr_t) "netcalls_test", (char *)(uintptr_t)role, (char *)(uintptr_t)dir,
			 port_text, NULL };
	int out[2];

	(void)snprintf(port_text, sizeof(port_text), "%d", port);
	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
	CHECK_EQ(posix_spawn(&c->pid, "/proc/self/exe", &files, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&files);
	close(out[1]);
	c->out = out[0];
}

/* The next byte it says, or -1 when none comes in @ms. */
static int hear(const struct child *c, int ms)
{
	struct pollfd fd = { .fd = c->out, .events = POLLIN };
	char byte;

	if (poll(&fd, 1, ms) != 1 || read(c->out, &byte, 1) != 1)
		return -1;
	return (unsigned char)byte;
}

static int end_child(struct child *c, int signal)
{
	int status = -1;

	if (signal != 0)
		(void)kill(c->pid, signal);
	(void)waitpid(c->pid, &status, 0);
	close(c->out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int say(char c)
{
	return write(STDOUT_FILENO, &c, 1) == 1 ? 0 : 1;
}

/* A node that says what it is sent, until it is killed: one letter of each packet, and of each message to pid 2. */
static void say_packet(void *ctx, const struct lattice_packet *packet)
{
	(void)ctx;
	if (packet->len > 0)
		(void)say(*(const char *)packet->data);
}

static int be_peer(const char *dir, int port)
{
	struct lattice_message m;
	int rc = lattice_net_init(
		&(struct lattice_net_config){ .port = port, .state_dir = dir, .allow_unlocked_keys = true });

	if (rc == 0)
		rc = lattice_net_set_recv_callback(say_packet, NULL);
	if (rc == 0)
		rc = lattice_listen(2);
	if (rc != 0 || say('!') != 0)
		return 1;
	for (;;) {
		rc = lattice_recv(2, &m, 0);
		if (rc == 0)
			rc = say((char)m.m_type);
		if (rc != 0 && rc != -ETIMEDOUT)
			return 1;
	}
}

/* Sends until it arrives: a packet is no promise, and may go to the one who died. */
static void send_until_heard(const char *why, const struct child *c, char what)
{
	int got = -1;

	for (int i = 0; i < 200 && got != what; i++) {
		int rc = lattice_net_send(2, &what, 1);

		CHECK_ROW(why, rc == 0 || rc == -ECONNREFUSED || rc == -ETIMEDOUT || rc == -EHOSTUNREACH);
		got = hear(c, 100);
	}
	CHECK_EQ_ROW(why, got, what);
}

static void message_until_heard(const char *why, const struct child *c, char what)
{
	struct lattice_message m = { .m_type = what };
	int rc = 0, got = -1;

	/* -ECONNRESET, once, if the one who died had not taken what it was sent. */
	for (int i = 0; i < 20; i++) {
		rc = lattice_send(1, 2, &m, 0);
		if (rc != -ECONNRESET && rc != -EOWNERDEAD)
			break;
	}
	CHECK_EQ_ROW(why, rc, 0);
	do {
		got = hear(c, 60000);
	} while (got >= 'A' && got <= 'Z'); /* late packets */
	CHECK_EQ_ROW(why, got, what);
}

TEST(a_peer_that_is_killed)
{
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		int port = free_port();
		struct child c;
		struct side a, b;

		make_side(&a, 1);
		make_side(&b, 2);
		introduce(&a, &b);
		introduce(&b, &a);
		CHECK_EQ(init_default(&a), 0);
		CHECK_EQ(lattice_net_add_remote(2, ways[w].host, port, ways[w].proto), 0);
		start_child(&c, "peer", b.dir, port);
		CHECK_EQ_ROW(ways[w].why, hear(&c, 60000), '!');
		CHECK_EQ(lattice_connect(1, 2, 2), 0);
		send_until_heard(ways[w].why, &c, 'A');
		message_until_heard(ways[w].why, &c, 'a');
		CHECK_EQ_ROW(ways[w].why, lattice_channel_flush(lattice_channel_between(1, 2), SECONDS(20)),
			     0);
		(void)end_child(&c, SIGKILL);
		start_child(&c, "peer", b.dir, port);
		CHECK_EQ_ROW(ways[w].why, hear(&c, 60000), '!');
		send_until_heard(ways[w].why, &c, 'B');
		message_until_heard(ways[w].why, &c, 'b');
		(void)end_child(&c, SIGKILL);
		lattice_net_shutdown();
		remove_dir(a.dir);
		remove_dir(b.dir);
	}
}

/* In a mount of our own: a directory that is read-only, and one whose disk is full. 77: this machine does not let us. */
static int open_on(const char *dir, int want, const char *says)
{
	int rc = lattice_net_init(&(struct lattice_net_config){
		.port = LATTICE_PORT_ANY, .state_dir = dir, .allow_unlocked_keys = true });

	if (rc == want && explained(rc, says) && lattice_net_local_node() == 0)
		return 0;
	print_error("%s: got %d, want %d\n", dir, rc, want);
	return 1;
}

static int fill(const char *dir)
{
	static const char zeros[4096];
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/full", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	return close(fd);
}

static int be_on_bad_disks(const char *dir)
{
	char path[128];
	int wrong;

	(void)snprintf(path, sizeof(path), "%s/full", dir);
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", dir, "tmpfs", 0, "size=64k") != 0)
		return 77;
	if (fill(dir) != 0)
		return 1;
	wrong = open_on(dir, -ENOSPC, dir);
	if (unlink(path) != 0 || mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
		return 77;
	return wrong + open_on(dir, -EROFS, dir);
}

TEST(bad_disks)
{
	char dir[] = "/tmp/lattice-test-XXXXXX";
	struct child c;
	int status;

	CHECK(mkdtemp(dir) != NULL);
	start_child(&c, "disks", dir, 0);
	status = end_child(&c, 0);
	remove_dir(dir);
	if (status == 77)
		TEST_SKIP("no right to mount anything");
	CHECK_EQ(status, 0);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "peer") == 0)
		return be_peer(argv[2], (int)strtol(argv[3], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "disks") == 0)
		return be_on_bad_disks(argv[2]);
	return _cmocka_run_group_tests(__FILE__, check_cases, check_case_count, NULL, NULL);
}

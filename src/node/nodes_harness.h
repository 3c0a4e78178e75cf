/*
 * For tests: nodes with state directories of their own that know each other, in this process. The default node is one of them;
 * the others have queues of packets, as it has.
 */
#ifndef LAT_NODE_NODES_HARNESS_H
#define LAT_NODE_NODES_HARNESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "node/default.h"
#include "node/network.h"
#include "node/node.h"
#include "node/packets.h"
#include "os/clock.h"

#define SECONDS(n) ((n)*LAT_NS_PER_S)

struct side {
	char dir[64];
	struct lattice_identity id;
	struct lattice_node *node;
	struct lat_packets *packets;
};

static const struct {
	const char *why, *host;
	enum lattice_proto proto;
} ways[] = {
	{ "UDP over IPv4", "127.0.0.1", LATTICE_UDP },
	{ "TCP over IPv4", "127.0.0.1", LATTICE_TCP },
	{ "UDP over IPv6", "::1", LATTICE_UDP },
	{ "TCP over IPv6", "::1", LATTICE_TCP },
};

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void remove_dir(const char *dir)
{
	CHECK_EQ(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* A state directory; @node 0: this machine's number. */
static inline void make_side(struct side *s, lattice_node_id node)
{
	*s = (struct side){ .dir = "/tmp/lattice-test-XXXXXX" };
	CHECK(mkdtemp(s->dir) != NULL);
	CHECK_EQ(lattice_state_keygen(s->dir, node, &s->id), 0);
}

static inline void introduce(const struct side *to, const struct side *peer)
{
	struct lattice_peer p = { .node = peer->id.node, .proto = LATTICE_UDP };

	memcpy(p.key, peer->id.key, sizeof(p.key));
	CHECK_EQ(lattice_state_peer_add(to->dir, &p), 0);
}

/* Whether nobody has it. */
static inline bool port_is_free(int port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	int tcp = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    udp = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_free = bind(tcp, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		       bind(udp, (struct sockaddr *)&at, sizeof(at)) == 0;

	close(tcp);
	close(udp);
	return is_free;
}

/* A port that nobody listens at, and that the kernel gives to nobody who asks for any: it may be used again and again. */
static inline int free_port(void)
{
	static int last;

	if (last == 0)
		last = (int)getpid() * 16;
	for (int i = 0; i < 20000; i++) {
		int port = 10000 + last++ % 20000;

		if (port_is_free(port))
			return port;
	}
	CHECK(false);
	return 0;
}

/* Opens the side as a node of its own. @port 0: any. */
static inline void open_side(struct side *s, int port)
{
	struct lattice_node_config cfg = {
		.host = LATTICE_HOST_SELF,
		.port = port != 0 ? port : LATTICE_PORT_ANY,
		.state_dir = s->dir,
		.allow_unlocked_keys = true,
	};

	CHECK_EQ(lat_packets_open(&s->packets, &(struct lat_packets_config){ .max_queue = 100000 }), 0);
	CHECK_EQ(lat_node_open(&s->node, &cfg, s->packets), 0);
}

/* Closes the node, keeps the directory. */
static inline void shut_side(struct side *s)
{
	lattice_node_close(s->node);
	lat_packets_close(s->packets);
	s->node = NULL;
	s->packets = NULL;
}

static inline void close_side(struct side *s)
{
	shut_side(s);
	remove_dir(s->dir);
}

/* The default node on the side's directory. */
static inline int init_default(const struct side *s)
{
	return lattice_net_init(&(struct lattice_net_config){
		.port = LATTICE_PORT_ANY,
		.state_dir = s->dir,
		.allow_unlocked_keys = true,
	});
}

/* The default node is @a with number 1, @b has number 2, they know each other, and @a where @b is. */
static inline void meet(struct side *a, struct side *b, size_t way)
{
	make_side(a, 1);
	make_side(b, 2);
	introduce(a, b);
	introduce(b, a);
	open_side(b, free_port());
	CHECK_EQ_ROW(ways[way].why, init_default(a), 0);
	CHECK_EQ_ROW(ways[way].why,
		     lattice_net_add_remote(2, ways[way].host, lattice_node_port(b->node), ways[way].proto),
		     0);
}

static inline void part(struct side *a, struct side *b)
{
	lattice_net_shutdown();
	if (b->node != NULL)
		shut_side(b);
	remove_dir(a->dir);
	remove_dir(b->dir);
}

static inline uint64_t default_stat(const char *name)
{
	struct lattice_stat stats[256];
	size_t n = lattice_net_stats(stats, ARRAY_LEN(stats));

	CHECK(n <= ARRAY_LEN(stats));
	for (size_t i = 0; i < n; i++)
		if (strcmp(stats[i].name, name) == 0)
			return stats[i].value;
	print_error("no counter %s\n", name);
	CHECK(false);
	return 0;
}

/* Whether the sentence for the thread's last error of a call without a handle has @part in it. */
static inline bool explained(int rc, const char *part_of_it)
{
	char text[1024];

	(void)lattice_explain(NULL, rc, text, sizeof(text));
	if (strstr(text, part_of_it) != NULL)
		return true;
	print_error("'%s' is not in: %s\n", part_of_it, text);
	return false;
}

/* What the other side's internals say in the public calls' words. */
static inline int side_send(struct side *s, lattice_node_id to, const void *data, size_t bytes)
{
	return lat_network_net_send(s->node->network, to, data, bytes,
				    lat_clock_deadline(lat_clock_monotonic_ns(), SECONDS(20)));
}

static inline int side_recv(struct side *s, struct lattice_packet *packet, void *buf, size_t bytes)
{
	return lat_packets_recv(s->packets, packet, buf, bytes,
				lat_clock_deadline(lat_clock_monotonic_ns(), SECONDS(20)));
}

/* Until @node has answered the default node: what was open to one before it has ended then. */
static inline void until_answered(const char *why, lattice_node_id node)
{
	struct lat_default *d;
	uint64_t rtt;
	int rc = -ETIMEDOUT;

	CHECK_EQ_ROW(why, lat_default_get(&d, LAT_DEFAULT_NETWORK), 0);
	for (int i = 0; i < 100 && rc != 0; i++)
		rc = lattice_node_ping(d->node, node, &rtt, LAT_NS_PER_S / 2);
	lat_default_put(d);
	CHECK_EQ_ROW(why, rc, 0);
}

#endif

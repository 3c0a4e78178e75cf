/*
 * What the tests of whole nodes share: two nodes over real sockets on loopback, with a state directory each. For test files only.
 */
#ifndef LAT_NODE_PAIR_HARNESS_H
#define LAT_NODE_PAIR_HARNESS_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/test.h"

#define SECONDS(n) ((n)*LAT_NS_PER_S)

/* What a test wants different, it changes before open_pair(). */
struct side {
	char dir[64];
	struct lattice_identity id;
	uint32_t max_msg;
	bool no_threads;
	struct lattice_node *node;
};
struct pair {
	struct side a, b;
};

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void make_side(struct side *s, lattice_node_id node)
{
	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/lattice-test-XXXXXX");
	CHECK_EQ(mkdtemp(s->dir) != NULL, true);
	CHECK_EQ(lattice_state_keygen(s->dir, node, &s->id), 0);
}

static inline void introduce(const struct side *to, const struct side *peer)
{
	struct lattice_peer p = { .node = peer->id.node, .proto = LATTICE_UDP };

	memcpy(p.key, peer->id.key, sizeof(p.key));
	CHECK_EQ(lattice_state_peer_add(to->dir, &p), 0);
}

/* Two strangers, A with number 1 and B with 2. */
static inline void make_pair(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	make_side(&p->a, 1);
	make_side(&p->b, 2);
}

static inline int open_side(struct side *s)
{
	return lattice_node_open(&s->node, &(struct lattice_node_config){
						   .host = LATTICE_HOST_SELF,
						   .port = LATTICE_PORT_ANY,
						   .state_dir = s->dir,
						   .max_msg_bytes = s->max_msg,
						   .no_threads = s->no_threads,
						   .allow_unlocked_keys = true,
					   });
}

static inline void open_pair(struct pair *p)
{
	CHECK_EQ(open_side(&p->a), 0);
	CHECK_EQ(open_side(&p->b), 0);
}

static inline void point(const struct side *from, const struct side *to, const char *host,
			 enum lattice_proto proto)
{
	char at[64];

	(void)snprintf(at, sizeof(at), "%s:%u", host, lattice_node_port(to->node));
	CHECK_EQ(lattice_node_set_remote(from->node, to->id.node, at, proto), 0);
}

static inline void close_side(struct side *s)
{
	lattice_node_close(s->node);
	s->node = NULL;
	CHECK_EQ(nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void close_pair(struct pair *p)
{
	close_side(&p->a);
	close_side(&p->b);
}

/* Of an acquainted pair: open, and A knows where B is. */
static inline void open_acquainted(struct pair *p, const char *host, enum lattice_proto proto)
{
	introduce(&p->a, &p->b);
	introduce(&p->b, &p->a);
	open_pair(p);
	point(&p->a, &p->b, host, proto);
}

static inline void meet(struct pair *p, const char *host, enum lattice_proto proto)
{
	make_pair(p);
	open_acquainted(p, host, proto);
}

static inline uint64_t stat_of(struct lattice_node *node, const char *name)
{
	struct lattice_stat stats[256];
	size_t n = lattice_node_stats(node, stats, ARRAY_LEN(stats));

	CHECK_EQ(n <= ARRAY_LEN(stats), true);
	for (size_t i = 0; i < n; i++)
		if (strcmp(stats[i].name, name) == 0)
			return stats[i].value;
	print_error("no counter %s\n", name);
	CHECK_EQ(false, true);
	return 0;
}

/* Until a counter has a value: each look costs a round trip to node 2, in which both sides work. */
static inline void until_stat(const struct pair *p, struct lattice_node *node, const char *name,
			      uint64_t value)
{
	uint64_t rtt;

	while (stat_of(node, name) != value)
		CHECK_EQ(lattice_node_ping(p->a.node, 2, &rtt, SECONDS(20)), 0);
}

#endif

/*
 * For tests: two machines in one process. On each a node with a network that hosts, and a node that is attached to it. What the attached
 * ones send each other goes through both hosts.
 */
#ifndef LAT_NODE_TOWN_HARNESS_H
#define LAT_NODE_TOWN_HARNESS_H

#include <stdlib.h>

#include "node/pair_harness.h"

struct town {
	struct pair hosts;
	struct lattice_node *a, *b; /* attached, to A and to B */
};

static const struct lattice_msg hello = { .type = 3, .data = "hello", .len = 5 };

/* Where those of @s meet. */
static inline void go_to(const struct side *s)
{
	char at[128];

	(void)snprintf(at, sizeof(at), "%s/node.sock", s->dir);
	CHECK_EQ(setenv("LATTICE_SOCKET", at, 1), 0);
}

static inline struct lattice_node *attach_to(const struct side *s)
{
	static const struct lattice_node_config cfg = { .host = LATTICE_HOST_ATTACH };
	struct lattice_node *node;

	go_to(s);
	CHECK_EQ(lattice_node_open(&node, &cfg), 0);
	return node;
}

static inline void open_town(struct town *t, enum lattice_proto proto)
{
	make_pair(&t->hosts);
	introduce(&t->hosts.a, &t->hosts.b);
	introduce(&t->hosts.b, &t->hosts.a);
	go_to(&t->hosts.a);
	CHECK_EQ(open_side(&t->hosts.a), 0);
	go_to(&t->hosts.b);
	CHECK_EQ(open_side(&t->hosts.b), 0);
	point(&t->hosts.a, &t->hosts.b, "127.0.0.1", proto);
	t->a = attach_to(&t->hosts.a);
	t->b = attach_to(&t->hosts.b);
}

static inline void close_town(struct town *t)
{
	lattice_node_close(t->a);
	lattice_node_close(t->b);
	close_pair(&t->hosts);
}

static inline void expect_why(const void *handle, int rc, const char *words)
{
	char text[400];

	(void)lattice_explain(handle, rc, text, sizeof(text));
	if (strstr(text, words) == NULL)
		print_error("'%s' is not in: %s\n", words, text);
	CHECK(strstr(text, words) != NULL);
}

#endif

/* The short calls' tables: what is joined, and where an answer goes. */
#include <errno.h>

#include <lattice/lattice.h>

#include "base/test.h"
#include "node/node.h"
#include "node/routes.h"

static struct lat_routes *open_routes(struct lattice_node **node)
{
	struct lat_routes *r;

	CHECK_EQ(lattice_node_open(node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE,
									.node_id = 5,
									.max_msg_bytes = 68 }),
		 0);
	CHECK_EQ(lat_routes_open(&r, *node), 0);
	(void)lat_node_get(*node);
	return r;
}

static void close_routes(struct lat_routes *r, struct lattice_node *node)
{
	lattice_node_close(node);
	lat_routes_close(r);
	lat_node_put(node);
}

TEST(joining)
{
	struct lattice_node *node;
	struct lat_routes *r = open_routes(&node);
	struct lat_way way;

	CHECK_EQ(lat_routes_connect(r, 0, 1, 0), -EINVAL);
	CHECK_EQ(lat_routes_connect(r, 1, -1, 0), -EINVAL);
	CHECK_EQ(lat_routes_listen(r, 0), -EINVAL);
	CHECK_EQ(lat_routes_connect(r, 1, 2, 7), -EOPNOTSUPP);
	CHECK(lat_routes_joined(r, 1, 2) == NULL);
	CHECK_EQ(lat_routes_get(r, 1, 2, &way), -ENOTCONN);
	CHECK_EQ(lat_routes_get(r, 1, 0, &way), -EINVAL);
	CHECK_EQ(lat_routes_connect(r, 1, 2, 5), 0); /* our own number */
	CHECK_EQ(lat_routes_connect(r, 1, 2, 0), 0);
	CHECK_EQ(lat_routes_connect(r, 2, 1, 0), 0);
	CHECK_EQ(lat_routes_connect(r, 1, 2, 7), -EEXIST);
	CHECK_EQ(lat_routes_connect(r, 3, 3, 0), 0); /* to itself */
	CHECK(lat_routes_joined(r, 1, 2) != NULL && lat_routes_joined(r, 1, 2) != lat_routes_joined(r, 2, 1));
	CHECK_EQ(lat_routes_get(r, 1, 2, &way), 0);
	CHECK(way.ch == lat_routes_joined(r, 1, 2));
	lat_routes_put(r, &way);
	CHECK_EQ(lat_routes_listen(r, 4), 0);
	CHECK_EQ(lat_routes_listen(r, 4), 0);
	close_routes(r, node);
}

TEST(answers_are_forgotten_in_the_order_of_hearing)
{
	struct lattice_node *node;
	struct lat_routes *r = open_routes(&node);
	struct lat_way way, kept;

	/* Pid 2 receives, so an answer to it finds its way; to the others nobody listens. */
	CHECK_EQ(lat_routes_listen(r, 2), 0);
	lat_routes_heard(r, 1, 2, 0);
	CHECK_EQ(lat_routes_get(r, 1, 2, &way), 0);
	lat_routes_put(r, &way);
	lat_routes_heard(r, 1, 0, 0);
	CHECK_EQ(lat_routes_get(r, 1, 0, &way), -EINVAL);
	for (int32_t i = 0; i < LAT_ANSWERS_KEPT - 1; i++)
		lat_routes_heard(r, 1, 100 + i, 0);
	CHECK_EQ(lat_routes_get(r, 1, 100, &way), -ECONNREFUSED);
	CHECK_EQ(lat_routes_get(r, 1, 2, &kept), 0); /* and held */
	lat_routes_heard(r, 1, 5000, 0);
	CHECK_EQ(lat_routes_get(r, 1, 100, &way), -ENOTCONN); /* in its place */
	CHECK_EQ(lat_routes_get(r, 1, 101, &way), -ECONNREFUSED);
	lat_routes_put(r, &kept);
	lat_routes_heard(r, 1, 101, 0); /* once more */
	lat_routes_heard(r, 1, 5001, 0);
	CHECK_EQ(lat_routes_get(r, 1, 2, &way), -ENOTCONN);
	lat_routes_heard(r, 1, 5002, 0);
	CHECK_EQ(lat_routes_get(r, 1, 102, &way), -ENOTCONN);
	CHECK_EQ(lat_routes_get(r, 1, 101, &way), -ECONNREFUSED);
	close_routes(r, node);
}

TEST(of_several_nodes_the_last_is_answered)
{
	struct lattice_node *node;
	struct lat_routes *r = open_routes(&node);
	struct lat_way way;

	CHECK_EQ(lat_routes_connect(r, 1, 2, LATTICE_ANY_NODE), -EDESTADDRREQ);
	CHECK_EQ(lat_routes_listen(r, 2), 0);
	lat_routes_heard(r, 1, 2, 7);
	CHECK_EQ(lat_routes_get(r, 1, 2, &way), -EOPNOTSUPP); /* node 7, and there is no network */
	CHECK_EQ(lat_routes_connect(r, 1, 2, LATTICE_ANY_NODE), -EOPNOTSUPP);
	lat_routes_heard(r, 1, 2, 0);
	CHECK_EQ(lat_routes_get(r, 1, 2, &way), 0);
	lat_routes_put(r, &way);
	lat_routes_heard(r, 1, 2, 7);
	CHECK_EQ(lat_routes_get(r, 1, 2, &way), -EOPNOTSUPP);
	lat_routes_heard(r, 9, 2, 0);
	CHECK_EQ(lat_routes_connect(r, 1, 2, LATTICE_ANY_NODE),
		 0); /* the channel of the answers becomes the joined one */
	CHECK(lat_routes_joined(r, 1, 2) == way.ch);
	/* A pair's nodes are forgotten with it. */
	for (int32_t i = 0; i < LAT_ANSWERS_KEPT; i++)
		lat_routes_heard(r, 3, 100 + i, (lattice_node_id)(i % 3));
	CHECK_EQ(lat_routes_get(r, 9, 2, &way), -ENOTCONN);
	for (int32_t i = 0; i < 5 * LAT_ANSWERS_KEPT; i++)
		lat_routes_heard(r, 3, 7, (lattice_node_id)i + 10);
	CHECK_EQ(lat_routes_get(r, 3, 7, &way), -EOPNOTSUPP);
	CHECK_EQ(lat_routes_get(r, 3, 100 + LAT_ANSWERS_KEPT - 1, &way), -ENOTCONN);
	close_routes(r, node);
}

TEST_MAIN

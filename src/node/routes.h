/*
 * What the short calls know of a node: which pids receive, which are joined, and from where a pid was last written to, so that it
 * can answer. The last is bounded, because peers choose the pids they write from: what was heard from longest ago is forgotten.
 *
 * Locks: one of its own, before the network's. It is not held while a call waits.
 */
#ifndef LAT_NODE_ROUTES_H
#define LAT_NODE_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include <lattice/types.h>

#include "base/util.h"

enum { LAT_ANSWERS_KEPT = 1024 }; /* pairs of pids, and node, that an answer finds its way for */

struct lat_routes;
struct lattice_channel;
struct lattice_node;

/* 0, -ENOMEM. The node is the caller's, and is closed before the routes. */
LAT_MUST_CHECK int lat_routes_open(struct lat_routes **out, struct lattice_node *node);
/* Closes all channels and endpoints. Nobody is in a call. NULL is fine. */
void lat_routes_close(struct lat_routes *r);

/* As lattice_listen() and lattice_connect(), with sentences for the handle NULL. */
LAT_MUST_CHECK int lat_routes_listen(struct lat_routes *r, int32_t pid);
LAT_MUST_CHECK int lat_routes_connect(struct lat_routes *r, int32_t src, int32_t dst, lattice_node_id node);

/* The joined channel, or NULL. It stays until close. */
struct lattice_channel *lat_routes_joined(struct lat_routes *r, int32_t src, int32_t dst);

/* A way from @src to @dst: the joined channel, or else that of an answer, which stays while it is held. */
struct lat_way {
	struct lattice_channel *ch;
	struct lat_answer *answer; /* NULL: joined */
};
/* 0, -ENOTCONN, or as lattice_channel_open(), with a sentence. */
LAT_MUST_CHECK int lat_routes_get(struct lat_routes *r, int32_t src, int32_t dst, struct lat_way *out);
void lat_routes_put(struct lat_routes *r, const struct lat_way *way);

/* @pid received a message of @source on @node (0: this one). Where there is no memory, it is as if it had not. */
void lat_routes_heard(struct lat_routes *r, int32_t pid, int32_t source, lattice_node_id node);

#endif

/*
 * The node: the pid table, the dependency graph, and the network when there is one. Handles (endpoints, channels) hold
 * references, so that a call on one after lattice_node_close() finds a closed node instead of freed memory.
 */
#ifndef LAT_NODE_NODE_H
#define LAT_NODE_NODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lattice/node.h>

#include "base/util.h"

enum {
	LAT_ENDPOINTS_MAX = 65536, /* per node */
	LAT_MSG_OVERHEAD = 12,     /* of a message on the wire: two pids and the type */
	LAT_MSG_LIMIT_MIN = 68,    /* of max_msg_bytes: the specification's message fits */
};

struct lat_channels;
struct lat_dag;
struct lat_network;
struct lattice_endpoint;

struct lattice_node {
	pthread_mutex_t lock; /* of the three below; the network's lock is never taken while this is held */
	struct lattice_endpoint *endpoints; /* uthash by pid */
	struct lat_channels *channels;
	struct lat_dag *deps; /* its vertices are channels' handles */

	struct lat_network *network; /* NULL: local only. Set once at open */
	lattice_node_id id;
	uint32_t len_max; /* bytes of data that a message carries */
	bool no_threads;
	atomic_bool closed;
	_Atomic(uint32_t) refs;
};

struct lattice_node *lat_node_get(struct lattice_node *node);
void lat_node_put(struct lattice_node *node);

/* -ESHUTDOWN with a sentence once the node is closed, else 0. */
int lat_node_check(const struct lattice_node *node, const void *handle) LAT_MUST_CHECK;

/* The caller runs the network (no_threads): one turn, at most until @deadline_ns of CLOCK_MONOTONIC. 0 or -ETIMEDOUT. */
int lat_node_turn(struct lattice_node *node, uint64_t deadline_ns) LAT_MUST_CHECK;

#endif

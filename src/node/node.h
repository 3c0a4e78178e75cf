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

enum { LAT_ENDPOINTS_MAX = 65536 }; /* per node */

struct lat_channels;
struct lat_network;
struct lat_packets;
struct lat_work;
struct lattice_endpoint;

struct lattice_node {
	pthread_mutex_t lock; /* of the three below; the network's lock is never taken while this is held */
	struct lattice_endpoint *endpoints; /* uthash by pid */
	struct lat_channels *channels;
	struct lat_work *work; /* its items are channels' handles */

	struct lat_packets *packets; /* where NET frames go; NULL: nowhere. Set once at open, its owner's */
	struct lat_network *network; /* NULL: local only. Set once at open */
	lattice_node_id id;
	uint32_t max_msg;
	bool no_threads;
	atomic_bool closed;
	_Atomic(uint32_t) refs;
};

/* As lattice_node_open(); @packets gets the NET frames that peers send, and must outlive the node. NULL: they are dropped. */
int lat_node_open(struct lattice_node **out, const struct lattice_node_config *cfg,
		  struct lat_packets *packets) LAT_MUST_CHECK;

struct lattice_node *lat_node_get(struct lattice_node *node);
void lat_node_put(struct lattice_node *node);

/* -ESHUTDOWN with a sentence once the node is closed, else 0. */
int lat_node_check(const struct lattice_node *node, const void *handle) LAT_MUST_CHECK;

/* The sentence for @handle about a failed talk to @peer; returns @rc. The node has a network. */
int lat_peer_why(const struct lattice_node *node, const void *handle, lattice_node_id peer, int rc);

/* The caller runs the network (no_threads): one turn, at most until @deadline_ns of CLOCK_MONOTONIC. 0 or -ETIMEDOUT. */
int lat_node_turn(struct lattice_node *node, uint64_t deadline_ns) LAT_MUST_CHECK;

#endif

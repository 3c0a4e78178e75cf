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

#include <lattice/fastpath.h>
#include <lattice/node.h>

#include "base/util.h"
#include "os/fork.h"
#include "fastpath/tiers.h"
#include "node/waitq.h"

enum {
	LAT_ENDPOINTS_MAX = 65536, /* per node */
	LAT_MSG_OVERHEAD = 12,     /* of a message on the wire: two pids and the type */
	LAT_MSG_LIMIT_MIN = 68,    /* of max_msg_bytes: the specification's message fits */
};

struct lat_attach;
struct lat_audit;
struct lat_judge;
struct lat_channels;
struct lat_grants;
struct lat_standing;
struct lat_network;
struct lat_packets;
struct lat_probes;
struct lat_relays;
struct lat_work;
struct lattice_endpoint;

struct lattice_node {
	pthread_mutex_t lock; /* of the six below; the network's lock is never taken while this is held */
	struct lattice_endpoint *endpoints; /* uthash by pid */
	struct lattice_endpoint *services;  /* those of them with a name, by that */
	struct lat_channels *channels;
	struct lat_work *work;                       /* its items are channels' handles */
	struct lat_waitq work_ended;                 /* some of it, perhaps */
	struct lat_tier_stats past_tiers[LAT_TIERS]; /* of channels that are closed */
	struct lattice_handoff_stats past_handoffs;  /* the same */

	struct lat_packets *packets; /* where NET frames go; NULL: nowhere. Set once at open, its owner's */
	struct lat_network *network; /* NULL: local only. Set once at open */
	/* What members reach other nodes by, and ask of them. NULL: they do not. Set before attach. */
	struct lat_relays *relays;
	struct lat_probes *probes;
	_Atomic(struct lat_attach *)
		attach; /* NULL: inside this process only. Set once at open, the network's threads look on */
	struct lat_grants *grants;     /* its capabilities. Set once at open */
	atomic_bool elsewhere;         /* it should host, and another process does */
	struct lat_judge *judge;       /* set once at open */
	struct lat_audit *audit;       /* the same: refusals */
	struct lat_standing *standing; /* the same: what the policy grants */
	char *policy_file;             /* NULL: none */
	char *audit_file;              /* where the configuration says that refusals go; NULL: it does not */
	bool audit_json;
	lattice_node_id id;
	uint32_t len_max;    /* bytes of data that a message carries */
	uint32_t generation; /* of the process that opened it (os/fork.h) */
	bool no_threads;
	atomic_bool closed;
	_Atomic(uint32_t) refs; /* the opener's, one of each handle, and of each call on the node itself */
};

/* What a policy that was read again has ended. */
struct lat_node_cut {
	uint32_t processes; /* that were attached */
	uint32_t pids;      /* that were received as, of other processes */
	uint32_t grants; /* what somebody was allowed on channels, each with all of those that went by it */
};
/* As lattice_node_reload(). */
int lat_node_reload(struct lattice_node *node, struct lat_node_cut *cut) LAT_MUST_CHECK;

struct lat_policy_audit;
/*
 * Refusals go where the node's configuration says, or else @said (NULL: nothing is said), opened anew. As lat_audit_log_to().
 */
int lat_node_audit_to(struct lattice_node *node, const struct lat_policy_audit *said) LAT_MUST_CHECK;

/* As lattice_node_open(); @packets gets the NET frames that peers send, and must outlive the node. NULL: they are dropped. */
int lat_node_open(struct lattice_node **out, const struct lattice_node_config *cfg,
		  struct lat_packets *packets) LAT_MUST_CHECK;

/* NULL: none. */
static inline struct lat_attach *lat_node_attach(const struct lattice_node *node)
{
	return atomic_load_explicit(&node->attach, memory_order_acquire);
}

struct lattice_node *lat_node_get(struct lattice_node *node);
void lat_node_put(struct lattice_node *node);

/*
 * A forked child has the memory of a node, but neither its threads nor its keys, and its locks as they were at that moment: it may
 * touch nothing. Without a sentence, for calls that return no error.
 */
static inline bool lat_node_foreign(const struct lattice_node *node)
{
	return node->generation != lat_fork_generation();
}

/* The sentence for a node that may not be used, and why. */
int lat_node_refuse(const struct lattice_node *node, const void *handle) LAT_MUST_CHECK;

/* What lat_node_check() looks at. */
static inline bool lat_node_usable(const struct lattice_node *node)
{
	return !lat_node_foreign(node) && !atomic_load_explicit(&node->closed, memory_order_acquire);
}

/* With sentences: -EPERM in a forked child, -ESHUTDOWN once the node is closed, else 0. */
static inline int LAT_MUST_CHECK lat_node_check(const struct lattice_node *node, const void *handle)
{
	return lat_node_usable(node) ? 0 : lat_node_refuse(node, handle);
}

/* The first of the two only. */
static inline int LAT_MUST_CHECK lat_node_check_ours(const struct lattice_node *node, const void *handle)
{
	return lat_node_foreign(node) ? lat_node_refuse(node, handle) : 0;
}

/* The sentence for @handle about a failed talk to @peer; returns @rc. The node has a network. */
int lat_peer_why(const struct lattice_node *node, const void *handle, lattice_node_id peer, int rc);

#endif

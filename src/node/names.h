/*
 * Services: which pid a name stands for, on this node and, by RESOLVE and RESOLVED (PROTOCOL 5), on others. Who has the names is the
 * host's table (claims.h); a process knows those of its own endpoints itself.
 *
 * A question to another node is asked again each second until its answer comes, because what was acknowledged may be lost with the
 * other node's process. The answer says no more than "no" to who may not open a channel there.
 */
#ifndef LAT_NODE_NAMES_H
#define LAT_NODE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include <lattice/types.h>

#include "base/util.h"

struct lat_network;
struct lattice_node;

/* A question that is under way, on its caller's stack. */
struct lat_question;

/* The sentence for what is no name; -EINVAL. */
int lat_names_why(const void *handle, const char *name);

/* Which service of this node @pid is, in this process or another that it hosts for; "": none. The network's lock may be held. */
void lat_names_of(struct lattice_node *node, int32_t pid, char name[LATTICE_SERVICE_MAX + 1]);

/*
 * Asks @peer. *pid: the answer. 0, -ENOENT (there is no such service, or none for us), -ETIMEDOUT, or as
 * lat_network_connect().
 */
LAT_MUST_CHECK int lat_network_resolve(struct lat_network *net, lattice_node_id peer, const char *name,
				       int32_t *pid, int64_t timeout_ns);

/* What the machine calls (struct lat_engine_ops), ctx being the network. */
int lat_names_on_resolve(void *ctx, uint32_t node, const char *name, int32_t *pid);
void lat_names_on_resolved(void *ctx, uint32_t node, uint32_t req, int err, int32_t pid);

#endif

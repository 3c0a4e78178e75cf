/* Endpoints: a pid with an inbox. */
#ifndef LAT_NODE_ENDPOINT_H
#define LAT_NODE_ENDPOINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lattice/endpoint.h>

#include "base/table.h"
#include "base/util.h"

struct lat_inbox;
struct lat_inbox_hold;
struct lat_stats;
struct lattice_node;

struct lattice_endpoint {
	struct lattice_node *node;
	struct lat_inbox *inbox; /* closed with the last reference */
	int32_t pid;
	char name[LATTICE_SERVICE_MAX + 1]; /* "": no service */
	bool open;                          /* in the node's table; its lock */
	atomic_bool lost;                   /* another process has the pid now */
	bool single;                        /* lattice_tuning */
	_Atomic(uint32_t) refs;
	UT_hash_handle hh, hh_name; /* the second: of those with a name */
};

/* Where a message goes: to a buffer, or (@hold) it stays where it is. */
struct lat_endpoint_place {
	void *buf;
	size_t bytes;
	struct lat_inbox_hold *hold;
	bool shared;
	struct lat_carry **carry; /* NULL: what goes with it is not asked for */
};

/* Receives, whatever it takes: as lattice_endpoint_recv(), or lattice_endpoint_take(). The arguments are checked. */
int lat_endpoint_receive(struct lattice_endpoint *ep, struct lattice_msg *msg,
			 const struct lat_endpoint_place *to, int64_t timeout_ns);

/* The endpoint that receives as @pid, with a reference, or NULL. */
struct lattice_endpoint *lat_endpoint_find(struct lattice_node *node, int32_t pid);
void lat_endpoint_put(struct lattice_endpoint *ep);
/* The pid of this process's endpoint that is the service @name; 0: none is. */
int32_t lat_endpoint_named(struct lattice_node *node, const char *name);
/*
 * In the inbox's turn, for a call that goes on after it: whoever waits for the turn may be closing the endpoint. true: it is kept until
 * lat_endpoint_put().
 */
LAT_MUST_CHECK bool lat_endpoint_keep_locked(struct lattice_endpoint *ep, int64_t timeout_ns, bool single);

/* Another process receives as @pid from now on: the endpoint that did is ended. No lock is held. */
void lat_endpoint_lost(struct lattice_node *node, int32_t pid);

/* The node closes: receivers return, senders are told; the handles stay the callers'. */
void lat_endpoints_shutdown(struct lattice_node *node);
void lat_endpoints_stats(struct lattice_node *node, struct lat_stats *s);

#endif

/*
 * The process's default node: opened by lattice_net_init(), or without the network by the first call of <lattice/ipc.h> that
 * needs one, closed by lattice_net_shutdown(). Every call holds a reference while it is at work, so a shutdown may come at any time.
 *
 *   NONE --> OPENING --> OPEN --> CLOSING --> CLOSED
 *                ^                               |     lattice_net_init() only: a thread that comes too late for the old
 *                '-------------------------------'     node must not open a new one by it
 *
 * The process's lock is outermost: nothing else is taken under it.
 */
#ifndef LAT_NODE_DEFAULT_H
#define LAT_NODE_DEFAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lattice/net.h>

#include "base/util.h"

struct lat_packets;
struct lat_routes;
struct lattice_node;

struct lat_default {
	struct lattice_node *node;
	struct lat_packets *packets; /* NULL: without the network */
	struct lat_routes *routes;
	char *state_dir; /* NULL: without the network */
	bool deferred;   /* its callback closed it: done when that has returned. The process's lock */
	_Atomic(uint32_t) refs;
};

/* As lattice_net_init(); @cfg is not NULL. */
LAT_MUST_CHECK int lat_default_open(const struct lattice_net_config *cfg);

enum lat_default_need {
	LAT_DEFAULT_OPEN,    /* one that is open, with or without the network */
	LAT_DEFAULT_NETWORK, /* one with the network */
	LAT_DEFAULT_MAKE,    /* one without the network is opened, if there never was one */
};

/*
 * A reference. 0, or with a sentence for the handle NULL: -ENOTCONN (none, or none with the network), -ESHUTDOWN, -EPERM (a forked
 * child), or as lattice_node_open().
 */
LAT_MUST_CHECK int lat_default_get(struct lat_default **out, enum lat_default_need need);
void lat_default_put(struct lat_default *d);

/* As lattice_net_shutdown(). */
void lat_default_shutdown(void);

#endif

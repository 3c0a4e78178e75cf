/*
 * Probes: what a member asks of another node through the process with the network: a session with it, a ping, what is known of it, which pid a service is there.
 * One thread for each that waits, at that process.
 */
#ifndef LAT_NODE_PROBE_H
#define LAT_NODE_PROBE_H

#include <stdint.h>

#include <lattice/node.h>

#include "base/util.h"
#include "node/note.h"

struct lat_attach;
struct lat_probes;
struct lattice_node;

enum {
	LAT_PROBES_MAX = 64,       /* under way, of a node; others than its own user's half of it */
	LAT_PROBES_USER_MAX = 16,  /* and of one such user */
	LAT_PROBES_MEMBER_MAX = 4, /* and of one member */
};
#define LAT_PROBE_WAIT_NS (2 * LAT_NS_PER_S) /* the longest one; who wants to wait longer asks again */

/* What is asked for: PROBE's flags. */
enum lat_note_probe {
	LAT_PROBE_STATS,
	LAT_PROBE_CONNECT,
	LAT_PROBE_PING,
	LAT_PROBE_RESOLVE, /* which pid a service there is */
};

/* ---- asking: a node without a network, that is attached ---- */

/*
 * Until @deadline_ns of CLOCK_MONOTONIC. *trip (PING) and *out may be NULL. As lattice_node_ping(); -EOPNOTSUPP: who hosts has no
 * network; -ENOBUFS: LAT_PROBES_*.
 */
LAT_MUST_CHECK int lat_probe(struct lat_attach *a, lattice_node_id peer, enum lat_note_probe what,
			     struct lattice_round_trip *trip, struct lattice_peer_stats *out,
			     uint64_t deadline_ns);

/* The same for a service of @peer's: as lattice_node_resolve(). */
LAT_MUST_CHECK int lat_probe_resolve(struct lat_attach *a, lattice_node_id peer, const char *name,
				     int32_t *pid, uint64_t deadline_ns);

/* ---- answering: a node with a network ---- */

/* 0, -ENOMEM. */
LAT_MUST_CHECK int lat_probes_open(struct lat_probes **out, struct lattice_node *node);
/* The network is shut down: what is under way ends. NULL is fine. */
void lat_probes_shutdown(struct lat_probes *ps);
/* NULL is fine. */
void lat_probes_close(struct lat_probes *ps);
/*
 * PROBE of @member's, which is a process of @uid's: PROBED is told to it later (lat_attach_tell()), if this is 0; or -ENOBUFS, -EOPNOTSUPP (@ps is NULL), -ENOMEM,
 * -EAGAIN. The host's lock is held.
 */
LAT_MUST_CHECK int lat_probes_begin(struct lat_probes *ps, uint64_t member, uint32_t uid,
				    const struct lat_note *n);

#endif

/* A sending channel's handle, for the files that share it. */
#ifndef LAT_NODE_CHANNEL_H
#define LAT_NODE_CHANNEL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <lattice/channel.h>
#include <lattice/fastpath.h>

#include "graph/channels.h"

struct lat_chan;
struct lat_chan_right;
struct lat_far;
struct lat_lane;
struct lat_outbound;
struct lat_sender;
struct lat_stats;
struct lattice_node;

struct lattice_channel {
	struct lattice_node *node;
	struct lat_channels_key key; /* who sends to whom; node 0: this one */
	uint64_t handle;             /* in the node's table and dependency graph; 0: not in them */
	lattice_work_fn work;        /* the node's lock; NULL: none */
	void *work_ctx;
	struct lat_chan *local; /* one of these four: to this process, to another, */
	struct lat_lane *lane;
	struct lat_outbound *remote; /* to another node, from the process with the network, */
	struct lat_far *far;         /* and from others */
	struct lat_sender *sender;   /* of the first two; NULL: it leads to another node */
	struct lattice_cap *cap;     /* what it was opened by, to be shown again; NULL: nothing */
	struct lat_chan_right *
		right; /* the life of that, of one within this process; its own until its memory goes. NULL: none */
	bool carries;            /* to another node: capabilities may go with messages */
	bool no_sends, no_calls; /* what the right that it was opened by does not allow */
	atomic_bool ready;       /* which of them does not change any more */
};

/* Sends on one to another node. */
int lat_channel_send_away(const struct lattice_channel *ch, int32_t type, const void *data, size_t bytes,
			  uint64_t deadline_ns);
/* For the calls that send, in other files. The sentence for one that failed; the inbox's words in ours. */
int lat_channel_why(const struct lattice_channel *ch, int rc);
int lat_channel_local_rc(int rc);
/* The sending end on this machine, or NULL: it leads to another node. */
struct lat_sender *lat_channel_sender(const struct lattice_channel *ch);

/* What its tiers have counted counts for the node when it is gone. Under the node's lock. */
void lat_channel_leave_tiers_locked(const struct lattice_channel *ch);
/* The same of its hand-offs. */
void lat_channel_leave_handoffs_locked(const struct lattice_channel *ch);
/* The sums of all channels to this node. */
void lat_channels_tier_stats(struct lattice_node *node, struct lat_stats *s);
void lat_channels_handoff_stats(struct lattice_node *node, struct lat_stats *s);

/* Hand-offs on each channel within this process: how many rows; they are the caller's to free. */
struct lat_handoff_row {
	int32_t src, dst;
	struct lattice_handoff_stats stats;
};
size_t lat_channels_handoffs(struct lattice_node *node, struct lat_handoff_row **rows);

/* From now on a send on one that has ended opens it again (see lat_outbound_keep()). One to this node ends with the node. */
void lat_channel_keep(struct lattice_channel *ch);

/*
 * Takes it out of the dependency graph, where it is in it. What was pending on it fails, and nothing runs. The node's lock is not
 * held.
 */
void lat_channel_leave_work(struct lattice_channel *ch);

#endif

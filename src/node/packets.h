/*
 * Received packets of the driver's calls: a bounded queue for each peer, so that a noisy one evicts only its own, taken from in
 * turn, by receivers or by a callback on a thread of its own.
 *
 * Locks: one of its own, under which nothing else is taken; packets are put under the network's. The callback runs under none.
 */
#ifndef LAT_NODE_PACKETS_H
#define LAT_NODE_PACKETS_H

#include <stddef.h>
#include <stdint.h>

#include <lattice/net.h>

#include "base/util.h"

struct lat_packets;
struct lat_stats;

struct lat_packets_config {
	uint32_t max_queue; /* packets of a peer */
	enum lattice_overflow overflow;
	/*
	 * Keep @ctx, and with it the packets, while the callback's thread runs: start is called before it begins, ended by it
	 * as its last act, under no lock (or when it could not begin). Both may be NULL.
	 */
	void (*start)(void *ctx);
	void (*ended)(void *ctx);
	void *ctx;
};

/* 0, -ENOMEM. */
LAT_MUST_CHECK int lat_packets_open(struct lat_packets **out, const struct lat_packets_config *cfg);
/* Frees. The callback's thread has ended, or calls this itself in ended. NULL is fine. */
void lat_packets_close(struct lat_packets *p);

/* Queues a copy, or drops one by the rule. Does not block. */
void lat_packets_put(struct lat_packets *p, lattice_node_id node, const void *data, size_t bytes);

/* As lattice_net_recv(), @deadline_ns of CLOCK_MONOTONIC, 0: does not wait. Without a sentence. Also -ENOMEM, -EMFILE, -ENFILE. */
LAT_MUST_CHECK int lat_packets_recv(struct lat_packets *p, struct lattice_packet *packet, void *buf,
				    size_t bytes, uint64_t deadline_ns);

/* As lattice_net_set_recv_callback(), without a sentence. Also -ENOMEM, -EMFILE, -ENFILE. */
LAT_MUST_CHECK int lat_packets_callback(struct lat_packets *p, lattice_net_recv_fn fn, void *ctx);

/* Whose callback the calling thread runs; NULL: nobody's. */
const struct lat_packets *lat_packets_calling(void);

/* Drops all that is queued. */
void lat_packets_clear(struct lat_packets *p);
/* Drops what is queued of @node, which is a peer no more, and its queue. */
void lat_packets_forget(struct lat_packets *p, lattice_node_id node);
/* Nothing is received any more: who waits returns -ESHUTDOWN, no callback begins. Does not block; any number of times. */
void lat_packets_shutdown(struct lat_packets *p);
/*
 * After shutdown: waits until the callback's thread has ended, at most until @deadline_ns of CLOCK_MONOTONIC; one that has not
 * by then is left to itself. Once. Not from that thread, which calls leave instead.
 */
void lat_packets_join(struct lat_packets *p, uint64_t deadline_ns);
/* In ended: nobody will join this thread. It counts as any other from now on. */
void lat_packets_leave(struct lat_packets *p);

void lat_packets_stats(struct lat_packets *p, struct lat_stats *s);

#endif

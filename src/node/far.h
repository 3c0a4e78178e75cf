/*
 * Channels to other nodes by way of the process that hosts with a network (relay.h): the member's end, a lane to that process. What
 * lat_outbound is to a node with a network of its own, with the same calls.
 */
#ifndef LAT_NODE_FAR_H
#define LAT_NODE_FAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct lat_call;
struct lat_cap_right;
struct lat_far;
struct lat_lane;
struct lat_links;
struct lat_lane_to;

/*
 * 0, or with a sentence for the handle NULL
 *   -EOPNOTSUPP   who hosts has no network
 *   -ENOKEY       it does not know that node
 *   -EDESTADDRREQ no address is known there
 *   -ENOBUFS      it has as many channels to other nodes, or to that one, from this process as there may be
 *   -EACCES       another member receives as the source's pid
 *   -ETIMEDOUT    who hosts does not answer
 *   -ESHUTDOWN, -ENOMEM, -EMFILE, -ENFILE
 */
LAT_MUST_CHECK int lat_far_open(struct lat_far **out, struct lat_links *ls, const struct lat_lane_to *to,
				uint32_t len_max, bool single);
/* As lat_outbound_send(), lat_outbound_flush(), lat_outbound_keep() and lat_outbound_sent(). */
LAT_MUST_CHECK int lat_far_send(struct lat_far *f, int32_t type, const void *data, size_t bytes,
				uint64_t deadline_ns);
/* As lat_outbound_send_cap(). */
LAT_MUST_CHECK int lat_far_send_carry(struct lat_far *f, int32_t type, const void *data, size_t bytes,
				      const struct lat_cap_right *right, uint64_t deadline_ns);
/* As lat_outbound_ask(). */
LAT_MUST_CHECK int lat_far_call(struct lat_far *f, struct lat_call *call, uint64_t deadline_ns);
LAT_MUST_CHECK int lat_far_flush(struct lat_far *f, uint64_t deadline_ns);
void lat_far_keep(struct lat_far *f);
uint64_t lat_far_sent(struct lat_far *f, uint64_t *received);
/* NULL is fine. */
void lat_far_close(struct lat_far *f);

/* How it ended, if it has: for sentences. */
enum lat_far_end {
	LAT_FAR_GOES_ON,
	LAT_FAR_TOLD, /* the other node, or who hosts, said why */
	LAT_FAR_CUT,  /* the process that hosted is gone */
};
enum lat_far_end lat_far_ended(struct lat_far *f);

/* What the other node has received, as last heard; asks, for the next time. */
uint64_t lat_far_received(struct lat_lane *lane);

#endif

/*
 * Links to the other members of this machine's node (fastpath/link.h), and the channels over them: lanes. A link is made when the first
 * channel between two members is opened, and ends with either.
 */
#ifndef LAT_NODE_LINKS_H
#define LAT_NODE_LINKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "node/note.h"

struct lat_attach;
struct lat_call;
struct lat_lane;
struct lat_link_out_config;
struct lat_links;
struct lat_lives;
struct lat_sender;
struct lat_stats;
struct lattice_node;

enum {
	LAT_LINKS_MAX = 4096,     /* of one node */
	LAT_LINKS_PEER_MAX = 4,   /* to one member: two may ask for each other at once */
	LAT_GRANTS_MAX = 4096,    /* that nobody has used yet */
	LAT_LINK_PARKED_MAX = 64, /* channels of one link whose grant is still on its way */
};

/* 0, -ENOMEM. */
LAT_MUST_CHECK int lat_links_open(struct lat_links **out, struct lat_attach *a, struct lattice_node *node);
/* Cuts all; what was published before is still received. The attach thread is gone. NULL is fine, and so is twice. */
void lat_links_shutdown(struct lat_links *ls);
/* NULL is fine. */
void lat_links_close(struct lat_links *ls);

/* ---- the attach thread ---- */

/* GRANT: a channel that will come. */
void lat_links_grant(struct lat_links *ls, const struct lat_note *n);
/* PEER: a member to have a link with. @fds become the links'. 0, or why not. */
LAT_MUST_CHECK int lat_links_meet(struct lat_links *ls, const struct lat_note *n, const int *fds,
				  size_t count);
/* REVOKED: what was opened by that life ends, and who waits is told. */
void lat_links_revoked(struct lat_links *ls, struct lat_cap_ref life);
/* RENEWED of a channel with another member: it has another life, or, with an errno, none any more. */
void lat_links_renewed(struct lat_links *ls, const struct lat_note *n);
/* What has no life of @lives by now ends. */
void lat_links_unrenewed(struct lat_links *ls, const struct lat_lives *lives);
/* Attached again, to another host: peers are told. */
void lat_links_hosted(struct lat_links *ls);
/* What is due. When to come again: CLOCK_MONOTONIC, UINT64_MAX never. */
uint64_t lat_links_turn(struct lat_links *ls);

/* ---- lanes ---- */

/*
 * Opens a channel to the member that receives as @dst, making the link if there is none, by @right, or (NULL) for who this process is.
 * Waits for the host, and for the other.
 * 0, or with a sentence for the handle NULL
 *   -ECONNREFUSED nobody receives as @dst on this machine, or its process hangs up each time
 *   -EACCES       another member receives as @src; or this user may not; or @right is no good for it
 *   -EKEYREVOKED, -EKEYEXPIRED  @right was revoked; its time, or its uses, are over
 *   -ENOBUFS      too many channels between the two, or to that endpoint
 *   -ETIMEDOUT    the host, or the other process, does not answer
 *   -EPROTO       the other process broke a rule
 *   -ESHUTDOWN, -ENOMEM, -EMFILE, -ENFILE
 */
LAT_MUST_CHECK int lat_lane_open(struct lat_lane **out, struct lat_links *ls, int32_t src, int32_t dst,
				 const struct lat_cap_right *right, const struct lat_link_out_config *cfg);
/* Of what it was opened by: enum lat_right; 0: all that a channel has. */
uint32_t lat_lane_rights(const struct lat_lane *lane);
/* Sends RENEW, @n but for member and grant, for one that has a life. The links' lock is not held. */
void lat_lane_renew(struct lat_lane *lane, struct lat_note *n);
/* As lat_sender_send() and lat_sender_flush(); -EPIPE: the endpoint was closed, -EOWNERDEAD: its process is gone. */
LAT_MUST_CHECK int lat_lane_send(struct lat_lane *lane, int32_t type, const void *data, size_t bytes,
				 uint64_t deadline_ns);
/* With @right, which goes with the message; waits until what went with one before was received, as for room. */
LAT_MUST_CHECK int lat_lane_send_carry(struct lat_lane *lane, int32_t type, const void *data, size_t bytes,
				       const struct lat_cap_right *right, uint64_t deadline_ns);
LAT_MUST_CHECK int lat_lane_flush(struct lat_lane *lane, uint64_t deadline_ns);
/* As lat_link_call(), with those two. */
LAT_MUST_CHECK int lat_lane_call(struct lat_lane *lane, struct lat_call *call, uint64_t deadline_ns);
uint64_t lat_lane_sent(struct lat_lane *lane, uint64_t *received);
/* What loans, and tells of the tiers (fastpath/sender.h). As long as @lane is open. */
struct lat_sender *lat_lane_sender(struct lat_lane *lane);
/* What was accepted is still received. Nobody is in a call on it. NULL is fine. */
void lat_lane_close(struct lat_lane *lane);

void lat_links_stats(struct lat_links *ls, struct lat_stats *s);

#endif

/*
 * The rights that channels are opened by: a channel within this process asks who issues, asks again when that is another process, and
 * ends with its right. Between processes lanes.c and intakes.c do the same.
 */
#ifndef LAT_NODE_CHANNEL_RIGHT_H
#define LAT_NODE_CHANNEL_RIGHT_H

#include <stdint.h>

#include "base/util.h"
#include "cap/table.h"

struct lat_chan_config;
struct lat_lives;
struct lat_note;
struct lattice_channel;
struct lattice_node;

/*
 * Within this process: asks who issues whether @ch's capability opens it, and puts what that said into *cfg, which is then opened, or (forget)
 * is not. With sentences: -EACCES, -EKEYREVOKED, -EKEYEXPIRED; and -ENOMEM, or as lat_attach_ask().
 */
LAT_MUST_CHECK int lat_channel_right_open(struct lattice_channel *ch, struct lat_chan_config *cfg);
void lat_channel_right_forget(struct lattice_channel *ch);
/* The sentence for a capability that opens no channel; returns @rc. */
int lat_channel_right_why(const void *handle, int rc, int32_t src, int32_t dst);

/* @rights of enum lat_right (0: all) are what @ch was opened by: what they do not allow is refused here, and by the receiver. */
void lat_channel_right_hold(struct lattice_channel *ch, uint32_t rights);
/* The sentence for that; -EACCES. */
int lat_channel_right_refuses(const struct lattice_channel *ch, const char *what);

/*
 * A life has ended, whoever issues it: of this node's channels, those that were opened by it end, and who waits on one is told. It was ended
 * already when its word changed; this only tells. No lock is held.
 */
void lat_node_life_ended(struct lattice_node *node, struct lat_cap_ref life);

/*
 * After the host, and with it the issuer, is another (LOCAL 15): each channel that this node opened by a right shows it again; what was said of
 * one within this node; what has no life of @lives by now ends. The attach thread.
 */
void lat_node_renew(struct lattice_node *node);
void lat_node_renewed(struct lattice_node *node, const struct lat_note *n);
void lat_node_unrenewed(struct lattice_node *node, const struct lat_lives *lives);

#endif

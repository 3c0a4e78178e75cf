/* Channel keys (PROTOCOL section 4) and sealing and opening one DATA packet under them (section 5). */
#ifndef LAT_SESSION_KEYS_H
#define LAT_SESSION_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "crypto/hash.h"

struct lat_chan_key { /* secret */
	struct lat_aead aead;
};

struct lat_chan_key_input {
	uint8_t dir; /* 0: sent by the session's initiator, 1: by its responder */
	uint16_t chan;
	int32_t src_pid, dst_pid; /* 0, 0 on chan 0 */
	const uint8_t *bind;      /* 32 bytes; zeros on chan 0 */
};

/* key_prefix: NULL, or 48 bytes for key || prefix (tests). */
void lat_chan_key_derive(struct lat_chan_key *out, const uint8_t sess[LAT_HASH],
			 const struct lat_chan_key_input *in, uint8_t *key_prefix);
/* k of a grant by identity: Expand(sess, "lwp1 grant", 32) (section 6.2). */
void lat_grant_key(uint8_t out[32], const uint8_t sess[LAT_HASH]);

/*
 * packet: LAT_DATA_HDR bytes for the header, then @bytes of plaintext (local_node and frames) already in
 * place, then room for the tag. Writes the header, seals in place, returns the packet's length.
 */
size_t lat_data_seal(const struct lat_chan_key *key, uint8_t *packet, uint16_t chan, uint32_t idx,
		     uint64_t counter, size_t bytes);
/* Opens in place: plaintext at packet + LAT_DATA_HDR. Its length, or -EBADMSG. */
int64_t lat_data_open(const struct lat_chan_key *key, uint8_t *packet, size_t bytes, uint64_t counter);

#endif

/* Tokens over real message bodies (PROTOCOL 6.3): digest and lengths on top of cap/chain.h. */
#ifndef LAT_SESSION_TOKEN_H
#define LAT_SESSION_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "cap/chain.h"
#include "crypto/hash.h"
#include "wire/message.h"

/* What every token of one channel is made under. tk is secret and not owned. */
struct lat_token_key {
	const uint8_t *tk; /* 32 bytes */
	uint16_t cflags;   /* of the channel; the token takes the low byte. TOKEN_FULL: it covers the bytes */
	uint16_t rights;   /* 0 for a grant by identity */
};

/* @body: the whole body, pids included. */
void lat_token_of_msg(uint8_t out[LAT_WIRE_TOKEN], const struct lat_token_key *k, uint64_t seq,
		      const uint8_t *body, uint32_t bytes);

/* Bodies of consecutive messages, in order. */
void lat_token_of_run(uint8_t out[LAT_WIRE_TOKEN], const struct lat_token_key *k, uint64_t first_seq,
		      const struct lat_bytes *bodies, uint16_t count);

/* 0, or -EPERM: wrong token. In constant time. */
LAT_MUST_CHECK int lat_token_check_msg(const struct lat_token_key *k, uint64_t seq, const uint8_t *body,
				       uint32_t bytes, const uint8_t token[LAT_WIRE_TOKEN]);
/* The whole run as it arrived. 0, -EPERM, or -ENOMEM (only with TOKEN_FULL). */
LAT_MUST_CHECK int lat_token_check_run(const struct lat_token_key *k, const struct lat_frame_msgs *run);

#endif

/*
 * The capability chain (PROTOCOL 6.1, 6.2): a 64-byte descriptor, up to 8 caveats, and a key that each
 * caveat hashes onward, so that whoever holds it can only narrow it.
 *
 * Pure functions: no table, no clock, no allocation; any number of threads. Keys, proofs and tokens that a peer sent
 * are compared by the caller, with lat_equal_ct; keys are wiped by whoever holds them.
 */
#ifndef LAT_CAP_CHAIN_H
#define LAT_CAP_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LAT_CAP_DESC = 64,
	LAT_CAP_CAVEAT = 24,
	LAT_CAP_CAVEATS_MAX = 8,
	LAT_CAP_KEY = 32,
	LAT_CAP_HOLDER = 16,
	LAT_CAP_CAVEAT_VALUE_MAX = 20,
	LAT_CAP_ANY_PID = -1, /* in src_pid */
	LAT_TOKEN = 16,
	LAT_CAP_SHORT_MAX = 65536, /* longest message without the right BULK */
};

/* The value 8 is reserved: carried, and ignored. */
enum lat_right {
	LAT_RIGHT_SEND = 1,
	LAT_RIGHT_OPEN = 2,
	LAT_RIGHT_GRANT = 4,
	LAT_RIGHT_BULK = 16,
	LAT_RIGHT_CALL = 32,
	LAT_RIGHT_GRANT_REPLY = 64,
	LAT_RIGHT_LISTEN = 128,
	LAT_RIGHT_RECEIVE = 256,
};

enum lat_caveat_type {
	LAT_CAVEAT_RIGHTS = 1,    /* u16, and-mask */
	LAT_CAVEAT_NOT_AFTER = 2, /* u64, min */
	LAT_CAVEAT_MAX_MSG = 3,   /* u32, min */
	LAT_CAVEAT_RATE = 4,      /* u32, min */
	LAT_CAVEAT_SRC_PID = 5,   /* i32, equal */
	LAT_CAVEAT_HOLDER = 6,    /* id[16], equal */
	LAT_CAVEAT_SLOT = 7,      /* u32 slot, u32 gen: must be live too */
};

struct lat_cap_desc { /* host order; see lat_cap_desc_encode for the bytes */
	uint16_t rights;
	uint32_t node;
	int32_t dst_pid;
	int32_t src_pid; /* -1: any */
	uint32_t slot, gen;
	uint64_t cap_id;
	uint64_t not_after; /* unix seconds, 0 none */
	uint32_t max_msg;
	uint32_t rate;                  /* messages a second, 0 none */
	uint8_t holder[LAT_CAP_HOLDER]; /* all zero: bearer */
};

struct lat_caveat {
	uint8_t type, size; /* size <= 20; unused bytes of value are zero */
	uint8_t value[LAT_CAP_CAVEAT_VALUE_MAX];
};

void lat_cap_desc_encode(uint8_t out[LAT_CAP_DESC], const struct lat_cap_desc *d);
/* 0, or -EPROTO with *d untouched: the version is not 1, or the zero field is not zero. */
int lat_cap_desc_decode(struct lat_cap_desc *d, const uint8_t in[LAT_CAP_DESC]);
/* Writes @c's size bytes of value and zeros after them, whatever lies there in @c. */
void lat_caveat_encode(uint8_t out[LAT_CAP_CAVEAT], const struct lat_caveat *c);
/* 0, or -EACCES with *c untouched: unknown type, wrong size for its type, nonzero padding. */
int lat_caveat_decode(struct lat_caveat *c, const uint8_t in[LAT_CAP_CAVEAT]);

/* k_0 = HMAC(K_root, "lwp1 cap" || desc). */
void lat_cap_key_root(uint8_t k[LAT_CAP_KEY], const uint8_t root[LAT_CAP_KEY],
		      const uint8_t desc[LAT_CAP_DESC]);
/* k_{i+1} = HMAC(k_i, "lwp1 cav" || caveat). out may equal in. */
void lat_cap_key_next(uint8_t out[LAT_CAP_KEY], const uint8_t in[LAT_CAP_KEY],
		      const uint8_t caveat[LAT_CAP_CAVEAT]);
/*
 * All of it: k_n of @count encoded caveats, one after another. 0, or -EACCES with @k untouched: count > 8. Does not
 * look into the caveats.
 */
int lat_cap_key_chain(uint8_t k[LAT_CAP_KEY], const uint8_t root[LAT_CAP_KEY],
		      const uint8_t desc[LAT_CAP_DESC], const uint8_t *caveats, size_t count);
/*
 * What is left of the descriptor's own limits after the caveats. Rights are and-ed; NOT_AFTER, MAX_MSG and RATE take
 * the least, where a NOT_AFTER or a RATE of 0 is no limit, in a caveat as in the descriptor; SRC_PID and HOLDER set
 * what was open and must equal what was set. SLOT changes nothing: whether a slot lives is the issuer's question.
 * 0, or -EACCES with *d untouched: more than 8, an unknown type or size, a pid or holder that contradicts an earlier
 * one, a SRC_PID of -1 or an all-zero HOLDER (nobody can be that, and neither may widen).
 */
int lat_cap_narrow(struct lat_cap_desc *d, const struct lat_caveat *caveats, size_t count);
/* The longest message (msg_len) by both. @max_msg: 0, no limit of its own. */
uint32_t lat_cap_msg_max(uint16_t rights, uint32_t max_msg);

/* Whether who has @p may have @want made of it: @p has the right GRANT, and all that @want allows. Their holders may be any. */
bool lat_cap_is_within(const struct lat_cap_desc *p, const struct lat_cap_desc *want);

/* Both ends of a channel compute the same context; sender = the side whose data flows on it (PROTOCOL 6.2). */
struct lat_chan_ctx {
	uint8_t nonce_s[16], nonce_r[16];
	int32_t src_pid, dst_pid;
	uint8_t id_sender[16], id_receiver[16];
};
/* Shows that the opener holds k for this session, request and pair of pids. proof = HMAC(k, "lwp1 open" || sid || req || src_pid || dst_pid || nonce_s) */
void lat_cap_proof(uint8_t out[32], const uint8_t k[LAT_CAP_KEY], const uint8_t sid[16], uint32_t req,
		   int32_t src_pid, int32_t dst_pid, const uint8_t nonce_s[16]);
/* The token key and what goes into the channel's AEAD keys. tk = HMAC(k, "lwp1 tok" || ctx), bind = HMAC(k, "lwp1 bind" || ctx) */
void lat_cap_channel_keys(uint8_t tk[32], uint8_t bind[32], const uint8_t k[LAT_CAP_KEY],
			  const struct lat_chan_ctx *ctx);

/*
 * The token of one message ("LTK1") or of a run ("LTK2"): PROTOCOL 6.3. @msg_len and @total count the 8 bytes of pids
 * of each body. @digest: zeros unless TOKEN_FULL.
 */
void lat_token_msg(uint8_t out[LAT_TOKEN], const uint8_t tk[32], uint8_t cflags, uint16_t rights,
		   uint64_t seq, uint32_t msg_len, const uint8_t digest[32]);
void lat_token_run(uint8_t out[LAT_TOKEN], const uint8_t tk[32], uint8_t cflags, uint16_t rights,
		   uint64_t first_seq, uint16_t count, uint32_t total, const uint8_t digest[32]);

#endif

/*
 * The four-packet handshake (PROTOCOL section 3) as pure functions over bytes: no clock, no socket, no
 * table. Random bytes are handed in. A function that fails leaves its state as it was before the packet, so
 * a forged packet changes nothing; its output buffers may hold ciphertext. The states hold secrets: keep
 * them in the key arena and wipe them.
 *
 *   I  m1_make ............ m2_open_m3_make ............ m4_open -> result
 *   R  mac1_check, m1_open, m2_make ... m3_open_m4_make -> result
 *
 * Errors are all of one kind to a caller, drop: -EBADMSG is a packet that is not authentic, not for this
 * state's indices, or holds a key or ciphertext that X-Wing refuses; -EPROTO one that is authentic and
 * carries a flag that this version refuses (section 9). Versions and node numbers in the parameters are for
 * the caller to compare.
 */
#ifndef LAT_SESSION_HANDSHAKE_H
#define LAT_SESSION_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"
#include "crypto/kem.h"
#include "wire/packet.h"

enum { LAT_ID = 16, LAT_FP = 32, LAT_SID = 16 };

/* A public key with everything derived from it. Public: may live anywhere. */
struct lat_hs_public {
	uint8_t pk[LAT_KEM_PK];
	uint8_t fp[LAT_FP];           /* B2(32, -, "lwp1 node key" || pk) */
	uint8_t km[LAT_HASH];         /* B2(32, mesh_key, "lwp1 mac1" || pk) */
	uint8_t cookie_key[LAT_HASH]; /* B2(32, mesh_key, "lwp1 cookie" || pk) */
};
/* Derives the rest from @pk. A node's id is fp[0..16). */
void lat_hs_public_init(struct lat_hs_public *p, const uint8_t pk[LAT_KEM_PK], const uint8_t mesh_key[32]);

/* Symmetric state, secret. */
struct lat_hs_sym {
	uint8_t ck[LAT_HASH], h[LAT_HASH];
};

/* What both sides end with, secret: fits one arena slot together with nothing else. */
struct lat_hs_result {
	uint8_t sess[LAT_HASH];
	uint8_t sid[LAT_SID];
	uint8_t h[LAT_HASH];
	/* initiator: R's, out of p4; responder: zero, it comes in PARAMS */
	uint8_t peer_stale_token[LAT_WIRE_STALE_TOKEN];
	struct lat_hs_params peer; /* p2 at I, p3 at R */
};

/* ---- Initiator ---- */
struct lat_hs_initiator { /* secret, <= LAT_ARENA_SLOT */
	struct lat_hs_sym sym;
	uint8_t e_seed[LAT_KEM_SEED];
	uint32_t idx_i, idx_r;
	struct lat_hs_params peer; /* p2, once M2 opened */
};
struct lat_hs_initiator_random {
	uint8_t e_seed[LAT_KEM_SEED];
	uint8_t enc_seed[LAT_KEM_ENC_SEED]; /* for ct_R */
};

/*
 * Makes M1 with mac1 and mac2 zero. @e_m: half of the ephemeral public key, which is not sent before M3, and which would cost a
 * key's making to have again. @p1's boot_id, udp_max and max_msg are not sent. 0, or -EBADMSG: the peer's key does not encapsulate.
 */
int lat_hs_m1_make(struct lat_hs_initiator *hs, uint8_t m1[LAT_M1_LEN], uint8_t e_m[LAT_WIRE_EM],
		   const struct lat_hs_public *me, const struct lat_hs_public *peer,
		   const uint8_t mesh_key[32], const struct lat_hs_params *p1, uint32_t idx_i,
		   const struct lat_hs_initiator_random *rnd);
/* Sets mac2 of a made M1 from a cookie. */
void lat_hs_m1_set_mac2(uint8_t m1[LAT_M1_LEN], const uint8_t cookie[16]);
/* Opens M2 and makes M3; hs->peer and hs->idx_r are set. @e_m: of M1. @key: our own. 0, -EBADMSG, -EPROTO. */
int lat_hs_m2_open_m3_make(struct lat_hs_initiator *hs, const uint8_t m2[LAT_M2_LEN], uint8_t m3[LAT_M3_LEN],
			   const uint8_t e_m[LAT_WIRE_EM], const struct lat_kem_key *key,
			   const uint8_t psk[32], const struct lat_hs_params *p3);
/* Opens M4 and derives; *hs is wiped. 0, or -EBADMSG. */
int lat_hs_m4_open(struct lat_hs_initiator *hs, const uint8_t m4[LAT_M4_LEN], struct lat_hs_result *out);

/* ---- Responder ---- */
struct lat_hs_responder { /* secret, <= LAT_ARENA_SLOT */
	struct lat_hs_sym sym;
	uint8_t e_x[LAT_KEM_PK_X];
	uint32_t idx_i, idx_r;
};

/* mac1 right? The only work done for somebody who does not know our key and mesh key. */
int lat_hs_mac1_check(const struct lat_hs_public *me, const uint8_t m1[LAT_M1_LEN]); /* 0 or -EBADMSG */
int lat_hs_mac2_check(const uint8_t m1[LAT_M1_LEN], const uint8_t cookie[16]);       /* 0 or -EBADMSG */
/*
 * Decaps and opens box1: who claims to call, as yet unproven. mac1 must have been checked. *hs need not be
 * set before.
 * 0, -EBADMSG, -EPROTO.
 */
int lat_hs_m1_open(struct lat_hs_responder *hs, const uint8_t m1[LAT_M1_LEN], const struct lat_hs_public *me,
		   const struct lat_kem_key *key, const uint8_t mesh_key[32], uint8_t id_i[LAT_ID],
		   struct lat_hs_params *p1);
/* Makes M2 for the peer found by id. 0, or -EBADMSG: the peer's key does not encapsulate. */
int lat_hs_m2_make(struct lat_hs_responder *hs, uint8_t m2[LAT_M2_LEN], const struct lat_hs_public *peer,
		   const uint8_t psk[32], const struct lat_hs_params *p2, uint32_t idx_r,
		   const uint8_t salt_r[8], const uint8_t enc_seed[LAT_KEM_ENC_SEED]);
/*
 * Opens M3 (the initiator is authenticated here), makes M4, derives; hs->sym is wiped. @stale_token: of
 * idx_r, it goes into M4. 0, -EBADMSG, -EPROTO.
 */
int lat_hs_m3_open_m4_make(struct lat_hs_responder *hs, const uint8_t m3[LAT_M3_LEN], uint8_t m4[LAT_M4_LEN],
			   const uint8_t stale_token[LAT_WIRE_STALE_TOKEN],
			   const uint8_t enc_seed[LAT_KEM_ENC_SEED], struct lat_hs_result *out);

/* B2(16, B2(32, seed, "lwp1 stale"), idx): PROTOCOL 8.4. */
void lat_hs_stale_token(uint8_t out[LAT_WIRE_STALE_TOKEN], const uint8_t seed[LAT_KEM_SEED], uint32_t idx);

/* ---- Cookie (section 3) ---- */
void lat_hs_cookie(uint8_t cookie[16], const uint8_t secret[32], uint8_t family, const uint8_t *addr,
		   size_t addr_bytes, uint16_t port);
void lat_hs_cookie_make(uint8_t packet[LAT_COOKIE_LEN], const struct lat_hs_public *me,
			const uint8_t m1[LAT_M1_LEN], const uint8_t nonce[24], const uint8_t cookie[16]);
/* 0, or -EBADMSG: not for this M1. */
int lat_hs_cookie_open(uint8_t cookie[16], const struct lat_hs_public *peer,
		       const uint8_t packet[LAT_COOKIE_LEN], const uint8_t m1[LAT_M1_LEN]);

#endif

/*
 * The seven packets, as bytes (PROTOCOL section 2). Integers little-endian. A box is ciphertext followed by
 * its 16-byte tag; making and opening boxes is the session's work, here are only form, offsets and the
 * fields outside them.
 *
 *   M1      0 type  1 ver  2 zero u16  4 idx_I u32  8 e_x[32]  40 ct_R[1120]  1160 box1[40]
 *           1200 mac1[16]  1216 mac2[16]
 *   M2      0 type  1 ver  2 zero u16  4 idx_R u32  8 idx_I u32  12 salt_R[8]  20 box2a[1136]  1156 box2b[40]
 *   M3      0 type  1 ver  2 zero u16  4 idx_R u32  8 box3[1224]
 *   M4      0 type  1 ver  2 zero u16  4 idx_I u32  8 box4a[1136]  1144 box4b[32]
 *   COOKIE  0 type  1 ver  2 zero u16  4 idx_I u32  8 nonce[24]  32 box[32]
 *   STALE   0 type  1 ver  2 zero u16  4 idx u32    8 token[16]
 *   DATA    0 type  1 ver  2 chan u16  4 idx u32    8 counter u64  16 ciphertext[n]  tag[16]
 *
 * An index is a random nonzero number chosen by the side that will receive with it.
 */
#ifndef LAT_WIRE_PACKET_H
#define LAT_WIRE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/limits.h"

enum lat_pkt {
	LAT_PKT_M1 = 0x01, /* HELLO, initiator to responder */
	LAT_PKT_M2 = 0x02, /* REPLY */
	LAT_PKT_M3 = 0x03, /* CONFIRM */
	LAT_PKT_M4 = 0x04, /* FINISH */
	LAT_PKT_COOKIE = 0x05,
	LAT_PKT_DATA = 0x06,
	LAT_PKT_STALE = 0x07,
};

/*
 * Offsets and lengths. Those of one packet carry its name; *_LEN is the whole packet, *_HDR what is in
 * clear.
 */
enum {
	LAT_PKT_TYPE = 0,
	LAT_PKT_VER = 1,
	LAT_PKT_MIN_LEN = 24, /* the shortest packet there is */

	LAT_WIRE_KEM_PK = 1216, /* ML-KEM-768 key, then X25519 key */
	LAT_WIRE_KEM_CT = 1120,
	LAT_WIRE_EM = 1184, /* e_m: the ML-KEM part of the ephemeral key */
	LAT_WIRE_EX = 32,   /* e_x: its X25519 part */
	LAT_WIRE_ID = 16,
	LAT_WIRE_TAG = 16,
	LAT_WIRE_MAC = 16,
	LAT_WIRE_COOKIE = 16,
	LAT_WIRE_SALT = 8,
	LAT_WIRE_NONCE = 24,
	LAT_WIRE_STALE_TOKEN = 16,
	LAT_WIRE_P1 = 8,
	LAT_WIRE_P23 = 24,
	LAT_WIRE_P4 = LAT_WIRE_STALE_TOKEN,

	LAT_M1_ZERO = 2,
	LAT_M1_IDX_I = 4,
	LAT_M1_HDR = 8,
	LAT_M1_EX = 8,
	LAT_M1_CT_R = 40, /* [0..40) is hashed before ct_R */
	LAT_M1_BOX1 = LAT_M1_CT_R + LAT_WIRE_KEM_CT,
	LAT_M1_BOX1_LEN = LAT_WIRE_ID + LAT_WIRE_P1 + LAT_WIRE_TAG, /* id_I || p1 */
	LAT_M1_MAC1 = LAT_M1_BOX1 + LAT_M1_BOX1_LEN,                /* mac1 covers [0..MAC1) */
	LAT_M1_MAC2 = LAT_M1_MAC1 + LAT_WIRE_MAC,                   /* mac2 covers [0..MAC2) */
	LAT_M1_LEN = LAT_M1_MAC2 + LAT_WIRE_MAC,

	LAT_M2_ZERO = 2,
	LAT_M2_IDX_R = 4,
	LAT_M2_IDX_I = 8,
	LAT_M2_SALT_R = 12,
	LAT_M2_HDR = 20,
	LAT_M2_BOX2A = 20,
	LAT_M2_BOX2A_LEN = LAT_WIRE_KEM_CT + LAT_WIRE_TAG, /* ct_I */
	LAT_M2_BOX2B = LAT_M2_BOX2A + LAT_M2_BOX2A_LEN,
	LAT_M2_BOX2B_LEN = LAT_WIRE_P23 + LAT_WIRE_TAG, /* p2 */
	LAT_M2_LEN = LAT_M2_BOX2B + LAT_M2_BOX2B_LEN,

	LAT_M3_ZERO = 2,
	LAT_M3_IDX_R = 4,
	LAT_M3_HDR = 8,
	LAT_M3_BOX3 = 8,
	LAT_M3_BOX3_LEN = LAT_WIRE_EM + LAT_WIRE_P23 + LAT_WIRE_TAG, /* e_m || p3 */
	LAT_M3_LEN = LAT_M3_BOX3 + LAT_M3_BOX3_LEN,

	LAT_M4_ZERO = 2,
	LAT_M4_IDX_I = 4,
	LAT_M4_HDR = 8,
	LAT_M4_BOX4A = 8,
	LAT_M4_BOX4A_LEN = LAT_WIRE_KEM_CT + LAT_WIRE_TAG, /* ct_E */
	LAT_M4_BOX4B = LAT_M4_BOX4A + LAT_M4_BOX4A_LEN,
	LAT_M4_BOX4B_LEN = LAT_WIRE_P4 + LAT_WIRE_TAG, /* p4 */
	LAT_M4_LEN = LAT_M4_BOX4B + LAT_M4_BOX4B_LEN,

	LAT_COOKIE_ZERO = 2,
	LAT_COOKIE_IDX_I = 4,
	LAT_COOKIE_NONCE = 8,
	LAT_COOKIE_HDR = 32,
	LAT_COOKIE_BOX = 32,
	LAT_COOKIE_BOX_LEN = LAT_WIRE_COOKIE + LAT_WIRE_TAG,
	LAT_COOKIE_LEN = LAT_COOKIE_BOX + LAT_COOKIE_BOX_LEN,

	LAT_STALE_ZERO = 2,
	LAT_STALE_IDX = 4,
	LAT_STALE_TOKEN = 8,
	LAT_STALE_LEN = LAT_STALE_TOKEN + LAT_WIRE_STALE_TOKEN,

	LAT_DATA_CHAN = 2,
	LAT_DATA_IDX = 4,
	LAT_DATA_COUNTER = 8,
	LAT_DATA_HDR = 16,     /* the AEAD's associated data */
	LAT_DATA_NODE_LEN = 4, /* local_node, first in every plaintext */
	LAT_DATA_MIN_LEN = LAT_DATA_HDR + LAT_DATA_NODE_LEN + LAT_WIRE_TAG,
	LAT_DATA_OVERHEAD = LAT_DATA_HDR + LAT_WIRE_TAG, /* packet length - plaintext length */
};

/*
 * The packet's type, or -EPROTO: unknown type or version, a length that is not the type's own (DATA: 36 to
 * 65535), a header zero field that is not zero, an index of 0. Form only: nothing here is authentic.
 */
LAT_MUST_CHECK int lat_packet_type(const uint8_t *buf, size_t len);

/* Is it one of the seven? */
bool lat_packet_type_known(uint8_t type);

struct lat_m1_hdr {
	uint32_t idx_i;
};
struct lat_m2_hdr {
	uint32_t idx_r, idx_i;
	uint8_t salt_r[LAT_WIRE_SALT];
};
struct lat_m3_hdr {
	uint32_t idx_r;
};
struct lat_m4_hdr {
	uint32_t idx_i;
};
struct lat_cookie_hdr {
	uint32_t idx_i;
	uint8_t nonce[LAT_WIRE_NONCE];
};
struct lat_stale {
	uint32_t idx; /* the unknown index, echoed */
	uint8_t token[LAT_WIRE_STALE_TOKEN];
};
struct lat_data_hdr {
	uint16_t chan; /* 0: control */
	uint32_t idx;
	uint64_t counter; /* AEAD nonce and replay sequence, from 0 */
};

/* Each encode writes the packet's clear header, type and version included, and nothing behind it. */
void lat_m1_hdr_encode(uint8_t out[static LAT_M1_HDR], const struct lat_m1_hdr *h);
void lat_m2_hdr_encode(uint8_t out[static LAT_M2_HDR], const struct lat_m2_hdr *h);
void lat_m3_hdr_encode(uint8_t out[static LAT_M3_HDR], const struct lat_m3_hdr *h);
void lat_m4_hdr_encode(uint8_t out[static LAT_M4_HDR], const struct lat_m4_hdr *h);
void lat_cookie_hdr_encode(uint8_t out[static LAT_COOKIE_HDR], const struct lat_cookie_hdr *h);
void lat_stale_encode(uint8_t out[static LAT_STALE_LEN], const struct lat_stale *s);
void lat_data_hdr_encode(uint8_t out[static LAT_DATA_HDR], const struct lat_data_hdr *h);

/*
 * Each decode takes the whole packet: 0, or -EPROTO with *h untouched when lat_packet_type() is not this
 * packet's.
 */
LAT_MUST_CHECK int lat_m1_hdr_decode(struct lat_m1_hdr *h, const uint8_t *buf, size_t len);
LAT_MUST_CHECK int lat_m2_hdr_decode(struct lat_m2_hdr *h, const uint8_t *buf, size_t len);
LAT_MUST_CHECK int lat_m3_hdr_decode(struct lat_m3_hdr *h, const uint8_t *buf, size_t len);
LAT_MUST_CHECK int lat_m4_hdr_decode(struct lat_m4_hdr *h, const uint8_t *buf, size_t len);
LAT_MUST_CHECK int lat_cookie_hdr_decode(struct lat_cookie_hdr *h, const uint8_t *buf, size_t len);
LAT_MUST_CHECK int lat_stale_decode(struct lat_stale *s, const uint8_t *buf, size_t len);
LAT_MUST_CHECK int lat_data_hdr_decode(struct lat_data_hdr *h, const uint8_t *buf, size_t len);

/*
 * What the two sides tell each other inside the boxes.
 *
 *   p1       0 ver_max u8  1 ver_min u8  2 flags u16  4 node u32
 *   p2 = p3  0 ver_max u8  1 ver_min u8  2 flags u16  4 node u32  8 boot_id u64
 *            16 udp_max u16  18 zero u16  20 max_msg u32
 *
 * Flags are 0 in version 1: unknown bits below 0x100 are to be ignored, those above are refused (PROTOCOL 9).
 */
enum { LAT_HS_FLAGS_IGNORED = 0xff };

struct lat_hs_params {
	uint8_t ver_max, ver_min;
	uint16_t flags;
	uint32_t node;
	uint64_t boot_id; /* this and the rest: not in p1 */
	uint16_t udp_max; /* bytes of UDP payload */
	uint32_t max_msg; /* body bytes */
};

void lat_hs_p1_encode(uint8_t out[static LAT_WIRE_P1], const struct lat_hs_params *p);
void lat_hs_p23_encode(uint8_t out[static LAT_WIRE_P23], const struct lat_hs_params *p);

/* 0, or -EPROTO with *p untouched: a flag of 0x100 or above. boot_id, udp_max and max_msg become 0. */
LAT_MUST_CHECK int lat_hs_p1_decode(struct lat_hs_params *p, const uint8_t in[static LAT_WIRE_P1]);
/* 0, or -EPROTO with *p untouched: a flag of 0x100 or above, or the zero field is not. */
LAT_MUST_CHECK int lat_hs_p23_decode(struct lat_hs_params *p, const uint8_t in[static LAT_WIRE_P23]);

#endif

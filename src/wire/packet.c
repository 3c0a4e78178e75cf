#include "wire/packet.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"

static_assert((int)LAT_M1_LEN == (int)LAT_UDP_BASE && (int)LAT_M3_LEN == (int)LAT_UDP_BASE,
	      "a handshake packet is one base datagram");
static_assert(LAT_M2_LEN == 1196 && LAT_M4_LEN == 1176, "each reply is shorter than what it answers");
static_assert(LAT_COOKIE_LEN == 64 && LAT_STALE_LEN == LAT_PKT_MIN_LEN, "PROTOCOL section 2");
static_assert(LAT_DATA_MIN_LEN == 36 && LAT_STALE_LEN < LAT_DATA_MIN_LEN, "STALE never amplifies");
static_assert(LAT_M1_BOX1 == 1160 && LAT_M1_MAC1 == 1200 && LAT_M1_MAC2 == 1216, "PROTOCOL section 2");
static_assert(LAT_M2_BOX2B == 1156 && LAT_M4_BOX4B == 1144, "PROTOCOL section 2");
static_assert(LAT_WIRE_EM + LAT_WIRE_EX == LAT_WIRE_KEM_PK, "e_pk travels in two parts");

enum { PKT_ZERO = 2, PKT_IDX = 4 }; /* in every packet; DATA has its channel at 2 */

static const struct {
	uint16_t min, max;
	bool zero;       /* bytes 2 and 3 */
	uint8_t idx_end; /* indices lie at [4, idx_end) */
} pkt_form[] = {
	[LAT_PKT_M1] = { LAT_M1_LEN, LAT_M1_LEN, true, 8 },
	[LAT_PKT_M2] = { LAT_M2_LEN, LAT_M2_LEN, true, 12 },
	[LAT_PKT_M3] = { LAT_M3_LEN, LAT_M3_LEN, true, 8 },
	[LAT_PKT_M4] = { LAT_M4_LEN, LAT_M4_LEN, true, 8 },
	[LAT_PKT_COOKIE] = { LAT_COOKIE_LEN, LAT_COOKIE_LEN, true, 8 },
	[LAT_PKT_DATA] = { LAT_DATA_MIN_LEN, LAT_TCP_MAX_PKT, false, 8 },
	[LAT_PKT_STALE] = { LAT_STALE_LEN, LAT_STALE_LEN, true, 8 },
};

bool lat_packet_type_known(uint8_t type)
{
	return type < ARRAY_LEN(pkt_form) && pkt_form[type].max != 0;
}

int lat_packet_type(const uint8_t *buf, size_t len)
{
	uint8_t type;

	if (len < LAT_PKT_MIN_LEN || buf[LAT_PKT_VER] != LAT_LWP_VERSION)
		return -EPROTO;
	type = buf[LAT_PKT_TYPE];
	if (!lat_packet_type_known(type) || len < pkt_form[type].min || len > pkt_form[type].max)
		return -EPROTO;
	if (pkt_form[type].zero && lat_get_le16(buf + PKT_ZERO) != 0)
		return -EPROTO;
	for (size_t at = PKT_IDX; at < pkt_form[type].idx_end; at += 4)
		if (lat_get_le32(buf + at) == 0)
			return -EPROTO;
	return type;
}

/* The first 8 bytes of every packet. */
static void put_start(uint8_t *out, enum lat_pkt type, uint16_t chan, uint32_t idx)
{
	out[LAT_PKT_TYPE] = (uint8_t)type;
	out[LAT_PKT_VER] = LAT_LWP_VERSION;
	lat_put_le16(out + PKT_ZERO, chan);
	lat_put_le32(out + PKT_IDX, idx);
}

void lat_m1_hdr_encode(uint8_t out[static LAT_M1_HDR], const struct lat_m1_hdr *h)
{
	put_start(out, LAT_PKT_M1, 0, h->idx_i);
}

int lat_m1_hdr_decode(struct lat_m1_hdr *h, const uint8_t *buf, size_t len)
{
	if (lat_packet_type(buf, len) != LAT_PKT_M1)
		return -EPROTO;
	h->idx_i = lat_get_le32(buf + LAT_M1_IDX_I);
	return 0;
}

void lat_m2_hdr_encode(uint8_t out[static LAT_M2_HDR], const struct lat_m2_hdr *h)
{
	put_start(out, LAT_PKT_M2, 0, h->idx_r);
	lat_put_le32(out + LAT_M2_IDX_I, h->idx_i);
	memcpy(out + LAT_M2_SALT_R, h->salt_r, sizeof(h->salt_r));
}

int lat_m2_hdr_decode(struct lat_m2_hdr *h, const uint8_t *buf, size_t len)
{
	if (lat_packet_type(buf, len) != LAT_PKT_M2)
		return -EPROTO;
	h->idx_r = lat_get_le32(buf + LAT_M2_IDX_R);
	h->idx_i = lat_get_le32(buf + LAT_M2_IDX_I);
	memcpy(h->salt_r, buf + LAT_M2_SALT_R, sizeof(h->salt_r));
	return 0;
}

void lat_m3_hdr_encode(uint8_t out[static LAT_M3_HDR], const struct lat_m3_hdr *h)
{
	put_start(out, LAT_PKT_M3, 0, h->idx_r);
}

int lat_m3_hdr_decode(struct lat_m3_hdr *h, const uint8_t *buf, size_t len)
{
	if (lat_packet_type(buf, len) != LAT_PKT_M3)
		return -EPROTO;
	h->idx_r = lat_get_le32(buf + LAT_M3_IDX_R);
	return 0;
}

void lat_m4_hdr_encode(uint8_t out[static LAT_M4_HDR], const struct lat_m4_hdr *h)
{
	put_start(out, LAT_PKT_M4, 0, h->idx_i);
}

int lat_m4_hdr_decode(struct lat_m4_hdr *h, const uint8_t *buf, size_t len)
{
	if (lat_packet_type(buf, len) != LAT_PKT_M4)
		return -EPROTO;
	h->idx_i = lat_get_le32(buf + LAT_M4_IDX_I);
	return 0;
}

void lat_cookie_hdr_encode(uint8_t out[static LAT_COOKIE_HDR], const struct lat_cookie_hdr *h)
{
	put_start(out, LAT_PKT_COOKIE, 0, h->idx_i);
	memcpy(out + LAT_COOKIE_NONCE, h->nonce, sizeof(h->nonce));
}

int lat_cookie_hdr_decode(struct lat_cookie_hdr *h, const uint8_t *buf, size_t len)
{
	if (lat_packet_type(buf, len) != LAT_PKT_COOKIE)
		return -EPROTO;
	h->idx_i = lat_get_le32(buf + LAT_COOKIE_IDX_I);
	memcpy(h->nonce, buf + LAT_COOKIE_NONCE, sizeof(h->nonce));
	return 0;
}

void lat_stale_encode(uint8_t out[static LAT_STALE_LEN], const struct lat_stale *s)
{
	put_start(out, LAT_PKT_STALE, 0, s->idx);
	memcpy(out + LAT_STALE_TOKEN, s->token, sizeof(s->token));
}

int lat_stale_decode(struct lat_stale *s, const uint8_t *buf, size_t len)
{
	if (lat_packet_type(buf, len) != LAT_PKT_STALE)
		return -EPROTO;
	s->idx = lat_get_le32(buf + LAT_STALE_IDX);
	memcpy(s->token, buf + LAT_STALE_TOKEN, sizeof(s->token));
	return 0;
}

void lat_data_hdr_encode(uint8_t out[static LAT_DATA_HDR], const struct lat_data_hdr *h)
{
	put_start(out, LAT_PKT_DATA, h->chan, h->idx);
	lat_put_le64(out + LAT_DATA_COUNTER, h->counter);
}

int lat_data_hdr_decode(struct lat_data_hdr *h, const uint8_t *buf, size_t len)
{
	if (lat_packet_type(buf, len) != LAT_PKT_DATA)
		return -EPROTO;
	h->chan = lat_get_le16(buf + LAT_DATA_CHAN);
	h->idx = lat_get_le32(buf + LAT_DATA_IDX);
	h->counter = lat_get_le64(buf + LAT_DATA_COUNTER);
	return 0;
}

/* p1, p2 and p3: offsets as pictured in the header. */
enum {
	P_VER_MAX = 0,
	P_VER_MIN = 1,
	P_FLAGS = 2,
	P_NODE = 4,
	P_BOOT_ID = 8,
	P_UDP_MAX = 16,
	P_ZERO = 18,
	P_MAX_MSG = 20,
};

void lat_hs_p1_encode(uint8_t out[static LAT_WIRE_P1], const struct lat_hs_params *p)
{
	out[P_VER_MAX] = p->ver_max;
	out[P_VER_MIN] = p->ver_min;
	lat_put_le16(out + P_FLAGS, p->flags);
	lat_put_le32(out + P_NODE, p->node);
}

int lat_hs_p1_decode(struct lat_hs_params *p, const uint8_t in[static LAT_WIRE_P1])
{
	uint16_t flags = lat_get_le16(in + P_FLAGS);

	if ((flags & ~LAT_HS_FLAGS_IGNORED) != 0)
		return -EPROTO;
	*p = (struct lat_hs_params){
		.ver_max = in[P_VER_MAX],
		.ver_min = in[P_VER_MIN],
		.flags = flags,
		.node = lat_get_le32(in + P_NODE),
	};
	return 0;
}

void lat_hs_p23_encode(uint8_t out[static LAT_WIRE_P23], const struct lat_hs_params *p)
{
	lat_hs_p1_encode(out, p);
	lat_put_le64(out + P_BOOT_ID, p->boot_id);
	lat_put_le16(out + P_UDP_MAX, p->udp_max);
	lat_put_le16(out + P_ZERO, 0);
	lat_put_le32(out + P_MAX_MSG, p->max_msg);
}

int lat_hs_p23_decode(struct lat_hs_params *p, const uint8_t in[static LAT_WIRE_P23])
{
	struct lat_hs_params got;

	if (lat_hs_p1_decode(&got, in) < 0 || lat_get_le16(in + P_ZERO) != 0)
		return -EPROTO;
	got.boot_id = lat_get_le64(in + P_BOOT_ID);
	got.udp_max = lat_get_le16(in + P_UDP_MAX);
	got.max_msg = lat_get_le32(in + P_MAX_MSG);
	*p = got;
	return 0;
}

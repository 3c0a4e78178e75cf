#include <errno.h>

#include "base/bytes.h"
#include "base/test.h"
#include "vectors/lwp1_kat.h"
#include "wire/packet.h"
#include "wire/test_bytes.h"

/* A well-formed packet of @type, @len bytes, indices 1 and 2, the rest 0xa5. On the heap, exactly. */
static uint8_t *packet(uint8_t type, size_t len)
{
	uint8_t *p = (uint8_t *)malloc(len);

	CHECK(p != NULL);
	memset(p, 0xa5, len);
	if (len > 0)
		p[0] = type;
	if (len > 1)
		p[1] = 1;
	if (len >= 4 && type != LAT_PKT_DATA)
		lat_put_le16(p + 2, 0);
	if (len >= 8)
		lat_put_le32(p + 4, 1);
	return p;
}

static const struct {
	const char *why;
	uint8_t type;
	size_t len;
	int want;
} length_rows[] = {
	{ "nothing at all", LAT_PKT_DATA, 0, -EPROTO },
	{ "one byte", LAT_PKT_M1, 1, -EPROTO },
	{ "M1", LAT_PKT_M1, 1232, LAT_PKT_M1 },
	{ "M1, one byte short", LAT_PKT_M1, 1231, -EPROTO },
	{ "M1, one byte more", LAT_PKT_M1, 1233, -EPROTO },
	{ "M2", LAT_PKT_M2, 1196, LAT_PKT_M2 },
	{ "M2, one byte short", LAT_PKT_M2, 1195, -EPROTO },
	{ "M2, one byte more", LAT_PKT_M2, 1197, -EPROTO },
	{ "M3", LAT_PKT_M3, 1232, LAT_PKT_M3 },
	{ "M3, one byte short", LAT_PKT_M3, 1231, -EPROTO },
	{ "M3, one byte more", LAT_PKT_M3, 1233, -EPROTO },
	{ "M4", LAT_PKT_M4, 1176, LAT_PKT_M4 },
	{ "M4, one byte short", LAT_PKT_M4, 1175, -EPROTO },
	{ "M4, one byte more", LAT_PKT_M4, 1177, -EPROTO },
	{ "COOKIE", LAT_PKT_COOKIE, 64, LAT_PKT_COOKIE },
	{ "COOKIE, one byte short", LAT_PKT_COOKIE, 63, -EPROTO },
	{ "COOKIE, one byte more", LAT_PKT_COOKIE, 65, -EPROTO },
	{ "STALE", LAT_PKT_STALE, 24, LAT_PKT_STALE },
	{ "STALE, one byte short", LAT_PKT_STALE, 23, -EPROTO },
	{ "STALE, one byte more", LAT_PKT_STALE, 25, -EPROTO },
	{ "DATA, empty", LAT_PKT_DATA, 36, LAT_PKT_DATA },
	{ "DATA, one byte short", LAT_PKT_DATA, 35, -EPROTO },
	{ "DATA, longest", LAT_PKT_DATA, 65535, LAT_PKT_DATA },
	{ "DATA, longer than TCP carries", LAT_PKT_DATA, 65536, -EPROTO },
	{ "type 0", 0, 1232, -EPROTO },
	{ "type 8", 8, 1232, -EPROTO },
	{ "type 255", 255, 1232, -EPROTO },
};

TEST(type_and_length)
{
	for (size_t i = 0; i < ARRAY_LEN(length_rows); i++) {
		uint8_t *p = packet(length_rows[i].type, length_rows[i].len);

		CHECK_EQ_ROW(length_rows[i].why, lat_packet_type(p, length_rows[i].len), length_rows[i].want);
		free(p);
	}
}

TEST(every_shorter_packet_is_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(length_rows); i++) {
		if (length_rows[i].want < 0 || length_rows[i].len > 2000)
			continue;
		for (size_t len = 0; len < length_rows[i].len; len++) {
			uint8_t *p = packet(length_rows[i].type, len);

			CHECK_EQ_ROW(length_rows[i].why, lat_packet_type(p, len), -EPROTO);
			free(p);
		}
	}
}

TEST(known_types)
{
	for (unsigned type = 0; type < 256; type++)
		CHECK_EQ(lat_packet_type_known((uint8_t)type), type >= 1 && type <= 7);
}

static const struct {
	const char *why;
	uint8_t type;
	size_t len, at;
	uint32_t value; /* over the u32 at @at */
	int want;
} field_rows[] = {
	{ "M1 zero field", LAT_PKT_M1, 1232, 0, 0x00010101, -EPROTO },
	{ "M1 zero field, high byte", LAT_PKT_M1, 1232, 0, 0x01000101, -EPROTO },
	{ "M2 zero field", LAT_PKT_M2, 1196, 0, 0x00010102, -EPROTO },
	{ "M3 zero field", LAT_PKT_M3, 1232, 0, 0x00010103, -EPROTO },
	{ "M4 zero field", LAT_PKT_M4, 1176, 0, 0x00010104, -EPROTO },
	{ "COOKIE zero field", LAT_PKT_COOKIE, 64, 0, 0x00010105, -EPROTO },
	{ "STALE zero field", LAT_PKT_STALE, 24, 0, 0x00010107, -EPROTO },
	{ "DATA has its channel there", LAT_PKT_DATA, 36, 0, 0xffff0106, LAT_PKT_DATA },
	{ "version 0", LAT_PKT_M1, 1232, 0, 0x00000001, -EPROTO },
	{ "version 2", LAT_PKT_M1, 1232, 0, 0x00000201, -EPROTO },
	{ "DATA of version 2", LAT_PKT_DATA, 36, 0, 0x00000206, -EPROTO },
	{ "M1 index 0", LAT_PKT_M1, 1232, 4, 0, -EPROTO },
	{ "M1 greatest index", LAT_PKT_M1, 1232, 4, UINT32_MAX, LAT_PKT_M1 },
	{ "M2 idx_R 0", LAT_PKT_M2, 1196, 4, 0, -EPROTO },
	{ "M2 idx_I 0", LAT_PKT_M2, 1196, 8, 0, -EPROTO },
	{ "M3: what follows the index may be 0", LAT_PKT_M3, 1232, 8, 0, LAT_PKT_M3 },
	{ "M3 index 0", LAT_PKT_M3, 1232, 4, 0, -EPROTO },
	{ "M4 index 0", LAT_PKT_M4, 1176, 4, 0, -EPROTO },
	{ "COOKIE index 0", LAT_PKT_COOKIE, 64, 4, 0, -EPROTO },
	{ "STALE index 0", LAT_PKT_STALE, 24, 4, 0, -EPROTO },
	{ "DATA index 0", LAT_PKT_DATA, 36, 4, 0, -EPROTO },
};

TEST(header_fields)
{
	for (size_t i = 0; i < ARRAY_LEN(field_rows); i++) {
		uint8_t *p = packet(field_rows[i].type, field_rows[i].len);

		lat_put_le32(p + field_rows[i].at, field_rows[i].value);
		CHECK_EQ_ROW(field_rows[i].why, lat_packet_type(p, field_rows[i].len), field_rows[i].want);
		free(p);
	}
}

TEST(cookie_bytes)
{
	struct lat_cookie_hdr in = { .idx_i = 0x11223344 }, out;
	uint8_t p[LAT_COOKIE_LEN] = { 0 }, want[LAT_COOKIE_HDR];

	for (size_t i = 0; i < sizeof(in.nonce); i++)
		in.nonce[i] = (uint8_t)(i + 1);
	lat_cookie_hdr_encode(p, &in);
	(void)hex_bytes(want, sizeof(want),
			"05010000 44332211 0102030405060708090a0b0c0d0e0f101112131415161718");
	CHECK_MEM(p, want, sizeof(want));
	CHECK_EQ(lat_cookie_hdr_decode(&out, p, sizeof(p)), 0);
	CHECK_EQ(out.idx_i, in.idx_i);
	CHECK_MEM(out.nonce, in.nonce, sizeof(in.nonce));
}

TEST(stale_bytes)
{
	struct lat_stale in = { .idx = 0xfffefdfc, .token = { 1, 2, 3, [15] = 9 } }, out;
	uint8_t p[LAT_STALE_LEN], want[LAT_STALE_LEN];

	lat_stale_encode(p, &in);
	(void)hex_bytes(want, sizeof(want), "07010000 fcfdfeff 01020300000000000000000000000009");
	CHECK_MEM(p, want, sizeof(want));
	CHECK_EQ(lat_stale_decode(&out, p, sizeof(p)), 0);
	CHECK_EQ(out.idx, in.idx);
	CHECK_MEM(out.token, in.token, sizeof(in.token));
}

TEST(data_bytes)
{
	struct lat_data_hdr in = { .chan = 0xfffe, .idx = 0xa1b2c3d4, .counter = 0x0102030405060708 }, out;
	uint8_t p[LAT_DATA_MIN_LEN] = { 0 }, want[LAT_DATA_HDR];

	lat_data_hdr_encode(p, &in);
	(void)hex_bytes(want, sizeof(want), "0601 feff d4c3b2a1 0807060504030201");
	CHECK_MEM(p, want, sizeof(want));
	CHECK_EQ(lat_data_hdr_decode(&out, p, sizeof(p)), 0);
	CHECK_EQ(out.chan, in.chan);
	CHECK_EQ(out.idx, in.idx);
	CHECK_EQ(out.counter, in.counter);
}

/* Each header decodes from its own packet alone, and a refusal leaves the output as it was. */
TEST(a_header_takes_its_own_type_only)
{
	for (uint8_t type = LAT_PKT_M1; type <= LAT_PKT_STALE; type++) {
		size_t len = 0;
		uint8_t *p;
		union {
			struct lat_m1_hdr m1;
			struct lat_m2_hdr m2;
			struct lat_m3_hdr m3;
			struct lat_m4_hdr m4;
			struct lat_cookie_hdr cookie;
			struct lat_stale stale;
			struct lat_data_hdr data;
			uint8_t bytes[64];
		} u, before;

		for (size_t i = 0; i < ARRAY_LEN(length_rows) && len == 0; i++)
			if (length_rows[i].want == type)
				len = length_rows[i].len;
		p = packet(type, len);
		memset(&u, 0x5a, sizeof(u));
		before = u;
		CHECK_EQ(lat_m1_hdr_decode(&u.m1, p, len), type == LAT_PKT_M1 ? 0 : -EPROTO);
		CHECK(type == LAT_PKT_M1 || memcmp(&u, &before, sizeof(u)) == 0);
		u = before;
		CHECK_EQ(lat_m2_hdr_decode(&u.m2, p, len), type == LAT_PKT_M2 ? 0 : -EPROTO);
		CHECK(type == LAT_PKT_M2 || memcmp(&u, &before, sizeof(u)) == 0);
		u = before;
		CHECK_EQ(lat_m3_hdr_decode(&u.m3, p, len), type == LAT_PKT_M3 ? 0 : -EPROTO);
		CHECK(type == LAT_PKT_M3 || memcmp(&u, &before, sizeof(u)) == 0);
		u = before;
		CHECK_EQ(lat_m4_hdr_decode(&u.m4, p, len), type == LAT_PKT_M4 ? 0 : -EPROTO);
		CHECK(type == LAT_PKT_M4 || memcmp(&u, &before, sizeof(u)) == 0);
		u = before;
		CHECK_EQ(lat_cookie_hdr_decode(&u.cookie, p, len), type == LAT_PKT_COOKIE ? 0 : -EPROTO);
		CHECK(type == LAT_PKT_COOKIE || memcmp(&u, &before, sizeof(u)) == 0);
		u = before;
		CHECK_EQ(lat_data_hdr_decode(&u.data, p, len), type == LAT_PKT_DATA ? 0 : -EPROTO);
		CHECK(type == LAT_PKT_DATA || memcmp(&u, &before, sizeof(u)) == 0);
		u = before;
		CHECK_EQ(lat_stale_decode(&u.stale, p, len), type == LAT_PKT_STALE ? 0 : -EPROTO);
		CHECK(type == LAT_PKT_STALE || memcmp(&u, &before, sizeof(u)) == 0);
		free(p);
	}
}

TEST(known_answers_headers)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *k = lat_kats[i];
		struct lat_m1_hdr m1;
		struct lat_m2_hdr m2;
		struct lat_m3_hdr m3;
		struct lat_m4_hdr m4;
		uint8_t hdr[LAT_M2_HDR];

		CHECK_EQ_ROW(k->name, sizeof(k->M1), LAT_M1_LEN);
		CHECK_EQ_ROW(k->name, sizeof(k->M2), LAT_M2_LEN);
		CHECK_EQ_ROW(k->name, sizeof(k->M3), LAT_M3_LEN);
		CHECK_EQ_ROW(k->name, sizeof(k->M4), LAT_M4_LEN);

		CHECK_EQ_ROW(k->name, lat_m1_hdr_decode(&m1, k->M1, sizeof(k->M1)), 0);
		CHECK_EQ_ROW(k->name, m1.idx_i, k->idx_I);
		lat_m1_hdr_encode(hdr, &m1);
		CHECK_MEM_ROW(k->name, hdr, k->M1, LAT_M1_HDR);

		CHECK_EQ_ROW(k->name, lat_m2_hdr_decode(&m2, k->M2, sizeof(k->M2)), 0);
		CHECK_EQ_ROW(k->name, m2.idx_r, k->idx_R);
		CHECK_EQ_ROW(k->name, m2.idx_i, k->idx_I);
		CHECK_MEM_ROW(k->name, m2.salt_r, k->salt_R, sizeof(k->salt_R));
		lat_m2_hdr_encode(hdr, &m2);
		CHECK_MEM_ROW(k->name, hdr, k->M2, LAT_M2_HDR);

		CHECK_EQ_ROW(k->name, lat_m3_hdr_decode(&m3, k->M3, sizeof(k->M3)), 0);
		CHECK_EQ_ROW(k->name, m3.idx_r, k->idx_R);
		lat_m3_hdr_encode(hdr, &m3);
		CHECK_MEM_ROW(k->name, hdr, k->M3, LAT_M3_HDR);

		CHECK_EQ_ROW(k->name, lat_m4_hdr_decode(&m4, k->M4, sizeof(k->M4)), 0);
		CHECK_EQ_ROW(k->name, m4.idx_i, k->idx_I);
		lat_m4_hdr_encode(hdr, &m4);
		CHECK_MEM_ROW(k->name, hdr, k->M4, LAT_M4_HDR);
	}
}

TEST(known_answers_data)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *k = lat_kats[i];

		for (size_t j = 0; j < ARRAY_LEN(k->messages); j++) {
			const struct lat_kat_bytes *p = &k->messages[j].packet;
			struct lat_data_hdr h;
			uint8_t again[LAT_DATA_HDR];

			CHECK_EQ_ROW(k->name, lat_data_hdr_decode(&h, p->data, p->len), 0);
			CHECK_EQ_ROW(k->name, h.chan, k->chan.chan);
			CHECK_EQ_ROW(k->name, h.idx, k->idx_R);
			CHECK_EQ_ROW(k->name, h.counter, k->messages[j].counter);
			CHECK_EQ_ROW(k->name, p->len, k->messages[j].plaintext.len + LAT_DATA_OVERHEAD);
			lat_data_hdr_encode(again, &h);
			CHECK_MEM_ROW(k->name, again, p->data, sizeof(again));
		}
	}
}

TEST(known_answers_params)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *k = lat_kats[i];
		struct lat_hs_params p = { .boot_id = 1, .udp_max = 1, .max_msg = 1 };
		uint8_t again[LAT_WIRE_P23];

		CHECK_EQ_ROW(k->name, lat_hs_p1_decode(&p, k->p1), 0);
		CHECK_EQ_ROW(k->name, p.ver_max, LAT_LWP_VERSION);
		CHECK_EQ_ROW(k->name, p.ver_min, LAT_LWP_VERSION);
		CHECK_EQ_ROW(k->name, p.flags, 0);
		CHECK_EQ_ROW(k->name, p.node, 5);
		CHECK_EQ_ROW(k->name, p.boot_id + p.udp_max + p.max_msg, 0);
		lat_hs_p1_encode(again, &p);
		CHECK_MEM_ROW(k->name, again, k->p1, sizeof(k->p1));

		CHECK_EQ_ROW(k->name, lat_hs_p23_decode(&p, k->p2), 0);
		CHECK_EQ_ROW(k->name, p.node, 1);
		CHECK_EQ_ROW(k->name, p.boot_id, 0x1111);
		CHECK_EQ_ROW(k->name, p.udp_max, LAT_UDP_BASE);
		CHECK_EQ_ROW(k->name, p.max_msg, LAT_MAX_MSG_DEFAULT);
		lat_hs_p23_encode(again, &p);
		CHECK_MEM_ROW(k->name, again, k->p2, sizeof(k->p2));

		CHECK_EQ_ROW(k->name, lat_hs_p23_decode(&p, k->p3), 0);
		CHECK_EQ_ROW(k->name, p.node, 5);
		CHECK_EQ_ROW(k->name, p.boot_id, 0x2222);
		lat_hs_p23_encode(again, &p);
		CHECK_MEM_ROW(k->name, again, k->p3, sizeof(k->p3));
	}
}

static const struct {
	const char *why;
	size_t at;
	uint8_t value;
	int p1, p23;
} param_rows[] = {
	{ "as it is", 0, 1, 0, 0 },
	{ "a flag to be ignored", 2, 0x80, 0, 0 },
	{ "all flags to be ignored", 2, 0xff, 0, 0 },
	{ "the first flag to be refused", 3, 0x01, -EPROTO, -EPROTO },
	{ "the last flag to be refused", 3, 0x80, -EPROTO, -EPROTO },
	{ "zero field", 18, 1, 0, -EPROTO },
	{ "zero field, high byte", 19, 1, 0, -EPROTO },
	{ "beside the zero field", 17, 1, 0, 0 },
};

TEST(params)
{
	for (size_t i = 0; i < ARRAY_LEN(param_rows); i++) {
		uint8_t *p23 = exact(lat_kat_plain.p2, LAT_WIRE_P23);
		uint8_t *p1, again[LAT_WIRE_P23];
		struct lat_hs_params out = { .node = 77 };

		p23[param_rows[i].at] = param_rows[i].value;
		p1 = exact(p23, LAT_WIRE_P1);
		CHECK_EQ_ROW(param_rows[i].why, lat_hs_p1_decode(&out, p1), param_rows[i].p1);
		CHECK_EQ_ROW(param_rows[i].why, out.node, param_rows[i].p1 < 0 ? 77 : 1);
		out.node = 77;
		CHECK_EQ_ROW(param_rows[i].why, lat_hs_p23_decode(&out, p23), param_rows[i].p23);
		CHECK_EQ_ROW(param_rows[i].why, out.node, param_rows[i].p23 < 0 ? 77 : 1);
		if (param_rows[i].p23 == 0) {
			lat_hs_p23_encode(again, &out);
			CHECK_MEM_ROW(param_rows[i].why, again, p23, sizeof(again));
		}
		free(p1);
		free(p23);
	}
}

TEST_MAIN

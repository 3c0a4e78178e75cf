/*
 * The first look at a datagram: input = the datagram.
 *
 * (1) Nothing outside [data, data + size) is read.
 * (2) Exactly the decoder of the type that lat_packet_type() names accepts it.
 * (3) What decodes encodes to the same clear header.
 * (4) The input's first bytes, as p1 and as p2, decode and encode to the same, or leave the output alone.
 */
#include "fuzz.h"

#include <string.h>

#include "wire/packet.h"

static void check_header(int want, int type, int rc, const uint8_t *again, const uint8_t *data, size_t len)
{
	FUZZ_REQUIRE((rc == 0) == (want == type));
	if (rc == 0)
		FUZZ_REQUIRE(memcmp(again, data, len) == 0);
}

static void check_params(const uint8_t *data, size_t size)
{
	static const struct lat_hs_params untouched = { .node = 0x5a5a5a5a, .max_msg = 7 };
	struct lat_hs_params p = untouched;
	uint8_t again[LAT_WIRE_P23];

	if (size < LAT_WIRE_P1)
		return;
	if (lat_hs_p1_decode(&p, data) == 0) {
		lat_hs_p1_encode(again, &p);
		FUZZ_REQUIRE(memcmp(again, data, LAT_WIRE_P1) == 0);
		FUZZ_REQUIRE(p.boot_id == 0 && p.udp_max == 0 && p.max_msg == 0);
	} else {
		FUZZ_REQUIRE(p.node == untouched.node && p.max_msg == untouched.max_msg);
	}
	if (size < LAT_WIRE_P23)
		return;
	p = untouched;
	if (lat_hs_p23_decode(&p, data) == 0) {
		lat_hs_p23_encode(again, &p);
		FUZZ_REQUIRE(memcmp(again, data, LAT_WIRE_P23) == 0);
	} else {
		FUZZ_REQUIRE(p.node == untouched.node && p.max_msg == untouched.max_msg);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int type = lat_packet_type(data, size);
	uint8_t again[LAT_STALE_LEN > LAT_COOKIE_HDR ? LAT_STALE_LEN : LAT_COOKIE_HDR];
	struct lat_m1_hdr m1 = { 0 };
	struct lat_m2_hdr m2 = { 0 };
	struct lat_m3_hdr m3 = { 0 };
	struct lat_m4_hdr m4 = { 0 };
	struct lat_cookie_hdr cookie = { 0 };
	struct lat_stale stale = { 0 };
	struct lat_data_hdr data_hdr = { 0 };
	int rc;

	FUZZ_REQUIRE(type < 0 || (size >= LAT_PKT_MIN_LEN && type == data[0] && data[1] == LAT_LWP_VERSION));

	rc = lat_m1_hdr_decode(&m1, data, size);
	lat_m1_hdr_encode(again, &m1);
	check_header(LAT_PKT_M1, type, rc, again, data, LAT_M1_HDR);
	rc = lat_m2_hdr_decode(&m2, data, size);
	lat_m2_hdr_encode(again, &m2);
	check_header(LAT_PKT_M2, type, rc, again, data, LAT_M2_HDR);
	rc = lat_m3_hdr_decode(&m3, data, size);
	lat_m3_hdr_encode(again, &m3);
	check_header(LAT_PKT_M3, type, rc, again, data, LAT_M3_HDR);
	rc = lat_m4_hdr_decode(&m4, data, size);
	lat_m4_hdr_encode(again, &m4);
	check_header(LAT_PKT_M4, type, rc, again, data, LAT_M4_HDR);
	rc = lat_cookie_hdr_decode(&cookie, data, size);
	lat_cookie_hdr_encode(again, &cookie);
	check_header(LAT_PKT_COOKIE, type, rc, again, data, LAT_COOKIE_HDR);
	rc = lat_stale_decode(&stale, data, size);
	lat_stale_encode(again, &stale);
	check_header(LAT_PKT_STALE, type, rc, again, data, LAT_STALE_LEN);
	rc = lat_data_hdr_decode(&data_hdr, data, size);
	lat_data_hdr_encode(again, &data_hdr);
	check_header(LAT_PKT_DATA, type, rc, again, data, LAT_DATA_HDR);

	check_params(data, size);
	return 0;
}

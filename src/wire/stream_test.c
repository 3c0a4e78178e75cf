#include <errno.h>

#include "base/bytes.h"
#include "base/test.h"
#include "wire/stream.h"
#include "wire/test_bytes.h"

enum { STREAM_MAX = 3 * LAT_STREAM_BUF };

/* Appends one packet of @len bytes with its prefix; what follows the type tells packets apart. */
static size_t put_packet(uint8_t *at, uint8_t type, size_t len, uint8_t fill)
{
	CHECK_EQ(lat_stream_prefix_encode(at, len), 0);
	memset(at + LAT_STREAM_PREFIX, fill, len);
	at[LAT_STREAM_PREFIX] = type;
	return LAT_STREAM_PREFIX + len;
}

/* Feeds one piece, copied to the heap so that reading past it is seen. Adds the packets' bytes to @got. */
static int feed(struct lat_stream *s, const uint8_t *bytes, size_t len, uint8_t *got, size_t *got_len,
		size_t *packets)
{
	uint8_t *piece = exact(bytes, len), *in = piece, *pkt;
	size_t pkt_len;
	int rc;

	while ((rc = lat_stream_next(s, &in, &len, &pkt, &pkt_len)) == 1) {
		memcpy(got + *got_len, pkt, pkt_len);
		memset(pkt, 0xee, pkt_len); /* it is ours to write */
		*got_len += pkt_len;
		(*packets)++;
	}
	if (rc == 0)
		CHECK_EQ(len, 0);
	free(piece);
	return rc;
}

/* Three short packets; the same bytes without prefixes. */
static size_t short_stream(uint8_t *bytes, uint8_t *want, size_t *want_len)
{
	static const struct {
		uint8_t type, fill;
		size_t len;
	} packets[] = { { LAT_PKT_STALE, 1, 24 }, { LAT_PKT_DATA, 2, 36 }, { LAT_PKT_COOKIE, 3, 64 } };
	size_t len = 0;

	*want_len = 0;
	for (size_t i = 0; i < ARRAY_LEN(packets); i++) {
		size_t n = put_packet(bytes + len, packets[i].type, packets[i].len, packets[i].fill);

		memcpy(want + *want_len, bytes + len + LAT_STREAM_PREFIX, packets[i].len);
		*want_len += packets[i].len;
		len += n;
	}
	return len;
}

TEST(any_two_cuts)
{
	uint8_t bytes[256], want[256], got[256], buf[128];
	size_t want_len, len = short_stream(bytes, want, &want_len);

	for (size_t i = 0; i <= len; i++) {
		for (size_t j = i; j <= len; j++) {
			struct lat_stream s;
			size_t got_len = 0, packets = 0;

			lat_stream_init(&s, buf, sizeof(buf));
			CHECK_EQ(feed(&s, bytes, i, got, &got_len, &packets), 0);
			CHECK_EQ(feed(&s, bytes + i, j - i, got, &got_len, &packets), 0);
			CHECK_EQ(feed(&s, bytes + j, len - j, got, &got_len, &packets), 0);
			CHECK_EQ(packets, 3);
			CHECK_EQ(got_len, want_len);
			CHECK_MEM(got, want, want_len);
		}
	}
}

TEST(pieces_of_one_length)
{
	uint8_t bytes[256], want[256], got[256], buf[128];
	size_t want_len, len = short_stream(bytes, want, &want_len);

	for (size_t step = 1; step <= len; step++) {
		struct lat_stream s;
		size_t got_len = 0, packets = 0;

		lat_stream_init(&s, buf, sizeof(buf));
		for (size_t at = 0; at < len; at += step) {
			size_t n = len - at < step ? len - at : step;

			CHECK_EQ(feed(&s, bytes + at, n, got, &got_len, &packets), 0);
		}
		CHECK_EQ(packets, 3);
		CHECK_EQ(got_len, want_len);
		CHECK_MEM(got, want, want_len);
	}
}

TEST(longest_packets)
{
	uint8_t *bytes = malloc(STREAM_MAX), *got = malloc(STREAM_MAX), *buf = malloc(LAT_STREAM_BUF);
	static const size_t cuts[] = { 1, 2, 3, 4, 1000, 65536, 65537, 65538, 65539, 65540, 2 * 65537 };
	size_t len = 0;

	CHECK(bytes != NULL && got != NULL && buf != NULL);
	for (uint8_t i = 0; i < 3; i++)
		len += put_packet(bytes + len, LAT_PKT_DATA, LAT_TCP_MAX_PKT, i);
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		struct lat_stream s;
		size_t got_len = 0, packets = 0;

		lat_stream_init(&s, buf, LAT_STREAM_BUF);
		CHECK_EQ(feed(&s, bytes, cuts[i], got, &got_len, &packets), 0);
		CHECK_EQ(feed(&s, bytes + cuts[i], len - cuts[i], got, &got_len, &packets), 0);
		CHECK_EQ(packets, 3);
		CHECK_EQ(got_len, 3 * LAT_TCP_MAX_PKT);
		CHECK_EQ(got[1], 0);
		CHECK_EQ(got[2 * LAT_TCP_MAX_PKT - 1], 1);
		CHECK_EQ(got[3 * LAT_TCP_MAX_PKT - 1], 2);
	}
	free(bytes);
	free(got);
	free(buf);
}

TEST(a_whole_packet_is_not_copied)
{
	uint8_t bytes[256], buf[128] = { 0 }, before[128] = { 0 }, *in = bytes, *pkt;
	uint8_t want[256];
	size_t want_len, len = short_stream(bytes, want, &want_len), pkt_len;
	struct lat_stream s;

	lat_stream_init(&s, buf, sizeof(buf));
	CHECK_EQ(lat_stream_next(&s, &in, &len, &pkt, &pkt_len), 1);
	CHECK(pkt == bytes + 2);
	CHECK_EQ(pkt_len, 24);
	CHECK(in == bytes + 26);
	CHECK_EQ(lat_stream_next(&s, &in, &len, &pkt, &pkt_len), 1);
	CHECK(pkt == bytes + 28);
	CHECK_EQ(lat_stream_next(&s, &in, &len, &pkt, &pkt_len), 1); /* up to the last byte of the piece */
	CHECK(pkt == bytes + 66);
	CHECK_EQ(len, 0);
	CHECK_MEM(buf, before, sizeof(buf));
}

/* Length prefix and type by themselves: how soon a wrong one is noticed, and both sides of each limit. */
static const struct {
	const char *why, *hex;
	size_t cap;
	int want;
} head_rows[] = {
	{ "nothing yet", "", 100, 0 },
	{ "half a length", "17", 100, 0 },
	{ "shortest packet", "1800", 100, 0 },
	{ "one byte shorter", "1700", 100, -EPROTO },
	{ "length 0", "0000", 100, -EPROTO },
	{ "type 0", "180000", 100, -EPROTO },
	{ "type 1", "180001", 100, 0 },
	{ "type 7", "180007", 100, 0 },
	{ "type 8", "180008", 100, -EPROTO },
	{ "type 255", "1800ff", 100, -EPROTO },
	{ "as long as the buffer", "620006", 100, 0 },
	{ "longer than the buffer", "6300", 100, -EMSGSIZE },
	{ "longer than the buffer, type 8", "630008", 100, -EPROTO },
	{ "longest packet", "ffff06", LAT_STREAM_BUF, 0 },
	{ "longest packet, smaller buffer", "ffff06", LAT_STREAM_BUF - 1, -EMSGSIZE },
};

TEST(head)
{
	uint8_t *buf = malloc(LAT_STREAM_BUF);

	CHECK(buf != NULL);
	for (size_t i = 0; i < ARRAY_LEN(head_rows); i++) {
		uint8_t bytes[8], got[8], *in = bytes, *pkt;
		size_t len = hex_bytes(bytes, sizeof(bytes), head_rows[i].hex);
		size_t got_len = 0, packets = 0, pkt_len;
		struct lat_stream s;
		int rc = 0;

		lat_stream_init(&s, buf, head_rows[i].cap);
		CHECK_EQ_ROW(head_rows[i].why, feed(&s, bytes, len, got, &got_len, &packets),
			     head_rows[i].want);
		if (head_rows[i].want < 0) { /* for good */
			len = 0;
			CHECK_EQ_ROW(head_rows[i].why, lat_stream_next(&s, &in, &len, &pkt, &pkt_len),
				     head_rows[i].want);
		}
		len = hex_bytes(bytes, sizeof(bytes), head_rows[i].hex);
		lat_stream_init(&s, buf, head_rows[i].cap);
		for (size_t at = 0; at < len && rc == 0; at++)
			rc = feed(&s, bytes + at, 1, got, &got_len, &packets);
		/* Byte by byte a length over the buffer is seen before the type is: refused all the same. */
		CHECK_EQ_ROW(head_rows[i].why, rc < 0, head_rows[i].want < 0);
		CHECK_EQ_ROW(head_rows[i].why, packets, 0);
	}
	free(buf);
}

TEST(a_long_packet_is_refused_wherever_it_lies)
{
	uint8_t bytes[256], got[256], buf[64];
	size_t len = put_packet(bytes, LAT_PKT_STALE, 24, 1), got_len = 0, packets = 0;
	struct lat_stream s;

	len += put_packet(bytes + len, LAT_PKT_COOKIE, 64, 1);
	lat_stream_init(&s, buf, sizeof(buf));
	CHECK_EQ(feed(&s, bytes, len, got, &got_len, &packets), -EMSGSIZE);
	CHECK_EQ(packets, 1);
}

TEST(good_packets_before_a_bad_one)
{
	uint8_t bytes[256], want[256], got[256], buf[128];
	size_t want_len, len = short_stream(bytes, want, &want_len);

	bytes[len++] = 24;
	bytes[len++] = 0;
	bytes[len++] = 9;
	for (size_t cut = 0; cut <= len; cut++) {
		struct lat_stream s;
		size_t got_len = 0, packets = 0;
		int rc;

		lat_stream_init(&s, buf, sizeof(buf));
		rc = feed(&s, bytes, cut, got, &got_len, &packets);
		CHECK_EQ(rc, cut < len ? 0 : -EPROTO);
		CHECK_EQ(feed(&s, bytes + cut, len - cut, got, &got_len, &packets), -EPROTO);
		CHECK_EQ(packets, 3);
		CHECK_MEM(got, want, want_len);
	}
}

TEST(move_to_a_bigger_buffer)
{
	uint8_t bytes[256], want[256], got[256];
	size_t want_len, len = short_stream(bytes, want, &want_len);

	for (size_t cut = 0; cut <= len; cut++) {
		uint8_t *small = malloc(66), *big = malloc(100);
		struct lat_stream s;
		size_t got_len = 0, packets = 0;

		lat_stream_init(&s, small, 66);
		CHECK_EQ(feed(&s, bytes, cut, got, &got_len, &packets), 0);
		CHECK_EQ(lat_stream_move(&s, big, 100), 0);
		free(small);
		CHECK_EQ(feed(&s, bytes + cut, len - cut, got, &got_len, &packets), 0);
		CHECK_EQ(packets, 3);
		CHECK_EQ(got_len, want_len);
		CHECK_MEM(got, want, want_len);
		free(big);
	}
}

TEST(move_to_one_too_small)
{
	uint8_t bytes[128], got[128], buf[66], other[65];
	size_t len = put_packet(bytes, LAT_PKT_COOKIE, 64, 1), got_len = 0, packets = 0;
	struct lat_stream s;

	lat_stream_init(&s, buf, sizeof(buf));
	CHECK_EQ(feed(&s, bytes, 10, got, &got_len, &packets), 0);
	CHECK_EQ(lat_stream_move(&s, other, sizeof(other)), -EMSGSIZE);
	CHECK_EQ(feed(&s, bytes + 10, len - 10, got, &got_len, &packets), 0);
	CHECK_EQ(packets, 1);
	CHECK_EQ(lat_stream_move(&s, other, sizeof(other)), 0);
}

static const struct {
	const char *why;
	size_t len;
	int want;
} prefix_rows[] = {
	{ "shortest", 24, 0 },
	{ "one byte shorter", 23, -EMSGSIZE },
	{ "nothing", 0, -EMSGSIZE },
	{ "longest", 65535, 0 },
	{ "one byte longer", 65536, -EMSGSIZE },
	{ "16 bits more", 65536 + 24, -EMSGSIZE },
};

TEST(prefix)
{
	for (size_t i = 0; i < ARRAY_LEN(prefix_rows); i++) {
		uint8_t out[2] = { 0xaa, 0xbb };

		CHECK_EQ_ROW(prefix_rows[i].why, lat_stream_prefix_encode(out, prefix_rows[i].len),
			     prefix_rows[i].want);
		CHECK_EQ_ROW(prefix_rows[i].why, lat_get_le16(out),
			     prefix_rows[i].want < 0 ? 0xbbaa : prefix_rows[i].len);
	}
}

TEST_MAIN

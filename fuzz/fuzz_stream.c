/*
 * A TCP connection's bytes in pieces: input = n u8 || n piece lengths u8 || bytes. The bytes are cut by the
 * lengths, over and over (0 means 256), and once not at all.
 *
 * (1) Nothing outside a piece or the buffer is touched.
 * (2) The cuts change neither the packets nor whether the stream is refused.
 * (3) A packet has 24..65535 bytes and a known type.
 * (4) Packets put back behind their prefixes are the bytes that came.
 * (5) Once refused, always refused.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/stream.h"

enum { CAP = 600 }; /* small, so that packets over the buffer are found too */

struct outcome {
	uint64_t sum; /* over the packets' lengths and bytes */
	size_t packets, bytes;
	int rc;
};

static void take(struct outcome *o, const uint8_t *pkt, size_t len)
{
	FUZZ_REQUIRE(len >= LAT_PKT_MIN_LEN && len + LAT_STREAM_PREFIX <= CAP);
	FUZZ_REQUIRE(lat_packet_type_known(pkt[0]));
	o->packets++;
	o->bytes += LAT_STREAM_PREFIX + len;
	o->sum = o->sum * 1099511628211U + len;
	for (size_t i = 0; i < len; i++)
		o->sum = (o->sum ^ pkt[i]) * 1099511628211U;
}

static struct outcome split(const uint8_t *cuts, size_t n, const uint8_t *bytes, size_t size)
{
	struct outcome o = { 0 };
	struct lat_stream s;
	uint8_t *buf = malloc(CAP), *in, *pkt;
	size_t len, pkt_len, turn = 0;

	FUZZ_REQUIRE(buf != NULL);
	lat_stream_init(&s, buf, CAP);
	for (size_t at = 0; at < size && o.rc == 0; at += len) {
		size_t left;
		uint8_t *piece;

		len = n == 0 ? size : cuts[turn++ % n];
		len = len == 0 ? 256 : len;
		left = len = len < size - at ? len : size - at;
		in = piece = malloc(len);
		FUZZ_REQUIRE(piece != NULL);
		memcpy(piece, bytes + at, len);
		while ((o.rc = lat_stream_next(&s, &in, &left, &pkt, &pkt_len)) == 1) {
			const uint8_t *came = bytes + o.bytes;
			uint8_t prefix[LAT_STREAM_PREFIX];

			FUZZ_REQUIRE(lat_stream_prefix_encode(prefix, pkt_len) == 0);
			FUZZ_REQUIRE(memcmp(prefix, came, sizeof(prefix)) == 0);
			FUZZ_REQUIRE(memcmp(pkt, came + sizeof(prefix), pkt_len) == 0);
			take(&o, pkt, pkt_len);
			memset(pkt, 0xee, pkt_len);
		}
		FUZZ_REQUIRE(o.rc < 0 || left == 0);
		if (o.rc < 0)
			FUZZ_REQUIRE(lat_stream_next(&s, &in, &left, &pkt, &pkt_len) == o.rc);
		free(piece);
	}
	free(buf);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome cut, whole;
	size_t n;

	if (size < 1 || size - 1 < data[0])
		return 0;
	n = data[0];
	cut = split(data + 1, n, data + 1 + n, size - 1 - n);
	whole = split(NULL, 0, data + 1 + n, size - 1 - n);
	FUZZ_REQUIRE(cut.packets == whole.packets && cut.bytes == whole.bytes && cut.sum == whole.sum);
	FUZZ_REQUIRE((cut.rc < 0) == (whole.rc < 0));
	return 0;
}

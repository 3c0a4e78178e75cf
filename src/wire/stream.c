#include "wire/stream.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

enum { STREAM_HEAD = LAT_STREAM_PREFIX + 1 }; /* length and type: what the checks need */

/* The length prefix and the type behind it, as far as @have bytes show them. 0, -EPROTO or -EMSGSIZE. */
static int head_check(size_t cap, const uint8_t *p, size_t have)
{
	if (have < LAT_STREAM_PREFIX)
		return 0;
	if (lat_get_le16(p) < LAT_PKT_MIN_LEN)
		return -EPROTO;
	if (have >= STREAM_HEAD && !lat_packet_type_known(p[LAT_STREAM_PREFIX]))
		return -EPROTO;
	/*
	 * Also for a packet that lies whole in its piece: what is taken must not depend on where it was cut.
	 */
	return LAT_STREAM_PREFIX + (size_t)lat_get_le16(p) > cap ? -EMSGSIZE : 0;
}

void lat_stream_init(struct lat_stream *s, uint8_t *buf, size_t cap)
{
	*s = (struct lat_stream){ .buf = buf, .cap = cap };
}

int lat_stream_move(struct lat_stream *s, uint8_t *buf, size_t cap)
{
	size_t held = s->whole ? 0 : s->held;

	if (held > cap || head_check(cap, s->buf, held) < 0)
		return -EMSGSIZE;
	if (held > 0)
		memmove(buf, s->buf, held);
	s->buf = buf;
	s->cap = cap;
	s->held = held;
	s->whole = false;
	return 0;
}

int lat_stream_next(struct lat_stream *s, uint8_t **in, size_t *len, uint8_t **pkt, size_t *pkt_len)
{
	if (s->error != 0)
		return s->error;
	if (s->whole) {
		s->held = 0;
		s->whole = false;
	}

	if (s->held == 0 && *len >= STREAM_HEAD) {
		size_t n = lat_get_le16(*in);

		s->error = head_check(s->cap, *in, *len);
		if (s->error != 0)
			return s->error;
		if (*len >= LAT_STREAM_PREFIX + n) {
			*pkt = *in + LAT_STREAM_PREFIX;
			*pkt_len = n;
			*in += LAT_STREAM_PREFIX + n;
			*len -= LAT_STREAM_PREFIX + n;
			return 1;
		}
	}

	for (;;) {
		bool headed = s->held >= STREAM_HEAD;
		size_t want = headed ? LAT_STREAM_PREFIX + (size_t)lat_get_le16(s->buf) : STREAM_HEAD;
		size_t take = want - s->held < *len ? want - s->held : *len;

		if (take > 0)
			memcpy(s->buf + s->held, *in, take);
		s->held += take;
		*in += take;
		*len -= take;
		s->error = head_check(s->cap, s->buf, s->held);
		if (s->error != 0)
			return s->error;
		if (s->held < want)
			return 0;
		if (headed) {
			s->whole = true;
			*pkt = s->buf + LAT_STREAM_PREFIX;
			*pkt_len = want - LAT_STREAM_PREFIX;
			return 1;
		}
	}
}

int lat_stream_prefix_encode(uint8_t out[static LAT_STREAM_PREFIX], size_t pkt_len)
{
	if (pkt_len < LAT_PKT_MIN_LEN || pkt_len > LAT_TCP_MAX_PKT)
		return -EMSGSIZE;
	lat_put_le16(out, (uint16_t)pkt_len);
	return 0;
}

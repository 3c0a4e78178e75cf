/*
 * TCP framing (PROTOCOL section 7): each packet is preceded by its length.
 *
 *   0 len u16 (24..65535)   2 packet[len]
 *
 * The splitter takes the bytes of one connection in pieces cut anywhere. A packet that lies whole in a
 * piece is handed out where it lies; only one that is cut by the end of a piece is copied, into the buffer
 * of the caller's.
 */
#ifndef LAT_WIRE_STREAM_H
#define LAT_WIRE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/limits.h"
#include "wire/packet.h"

enum {
	LAT_STREAM_PREFIX = 2,
	LAT_STREAM_BUF = LAT_STREAM_PREFIX + LAT_TCP_MAX_PKT, /* takes any packet */
};

struct lat_stream {
	uint8_t *buf; /* the caller's; holds a cut packet, its prefix included */
	size_t cap, held;
	bool whole; /* buf's packet was handed out: empty it at the next call */
	int error;  /* sticks */
};

/*
 * @buf stays the caller's and must outlive the splitter. cap is the memory one connection may cost:
 * LAT_STREAM_BUF, or LAT_TCP_UNAUTH_BYTES before the peer has proven itself; at least 3.
 */
void lat_stream_init(struct lat_stream *s, uint8_t *buf, size_t cap);

/*
 * Moves what is held to a bigger buffer. 0, or -EMSGSIZE when it does not fit. A packet handed out before
 * is void.
 */
LAT_MUST_CHECK int lat_stream_move(struct lat_stream *s, uint8_t *buf, size_t cap);

/*
 * Takes bytes from the front of *in (moving it, and lowering *len) until it has a packet.
 * 1 with *pkt, *pkt_len (24..65535, type known, nothing else checked), writable, in *in's or the splitter's
 *   buffer: valid until the next call on @s or until the caller reuses its own piece, so call again with
 *   what is left of *in;
 * 0 when *in is used up;
 * -EPROTO for a length below 24 or an unknown type, -EMSGSIZE for a packet that can never fit @cap. Both
 *   stick: close the connection, silently. They come as early as the bytes show them.
 */
LAT_MUST_CHECK int lat_stream_next(struct lat_stream *s, uint8_t **in, size_t *len, uint8_t **pkt,
				   size_t *pkt_len);

/* Writes the length before a packet. 0, or -EMSGSIZE (below 24 or over 65535) with nothing written. */
LAT_MUST_CHECK int lat_stream_prefix_encode(uint8_t out[static LAT_STREAM_PREFIX], size_t pkt_len);

#endif

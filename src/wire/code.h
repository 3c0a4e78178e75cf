/* The error codes that travel in frames, and their errnos (PROTOCOL 8.5). */
#ifndef LAT_WIRE_CODE_H
#define LAT_WIRE_CODE_H

#include <stdint.h>

enum lat_code {
	LAT_CODE_OK = 0,
	LAT_CODE_EPROTO = 1,
	LAT_CODE_EACCES = 2,
	LAT_CODE_EPERM = 3,    /* wrong token */
	LAT_CODE_EREVOKED = 4, /* -EKEYREVOKED */
	LAT_CODE_EEXPIRED = 5, /* -EKEYEXPIRED */
	LAT_CODE_ENOBUFS = 6,
	LAT_CODE_EBUSY = 7,
	LAT_CODE_EMSGSIZE = 8,
	LAT_CODE_ECONNRESET = 9,
	LAT_CODE_ESHUTDOWN = 10,
	LAT_CODE_EDEADLK = 11,      /* rank */
	LAT_CODE_ECONNREFUSED = 12, /* nobody listens */
	LAT_CODE_EOPNOTSUPP = 13,   /* no calls where that pid is */
	LAT_CODE_COUNT
};

/* 0 for OK, else a negative errno; -EPROTO for a code this version does not know. */
int lat_code_to_errno(uint16_t code);

/*
 * The code that tells a peer about @rc, 0 or a negative errno. -ENOMEM becomes ENOBUFS; an errno without a
 * code becomes ECONNRESET, never EPROTO: what went wrong on this side is not the peer's mistake.
 */
uint16_t lat_code_from_errno(int rc);

#endif

/*
 * Bodies of all frames but MSG and MSGS (PROTOCOL section 5). Integers little-endian, i32 two's complement.
 *
 *   PING        0 token u64
 *   PONG        0 token u64   8 queue_ns u32   12 crypto_ns u32
 *   ACK         0 chan u16  2 n u16  4 delay_us u32  8 largest u64  16 first u32  20 n x (gap u32, len u32)
 *   PARAMS      0 stale_token[16]  16 max_chan u32  20 rcv_mem u32
 *   CHAN_OPEN   0 req u32  4 src_pid i32  8 dst_pid i32  12 cflags u16  14 ncav u8  15 zero u8  16 rank u32
 *               20 rev_chan u16  22 zero u16  24 nonce_s[16]  40 desc[64]  104 cav[24 ncav]  then proof[32]
 *   CHAN_ACK    0 req u32  4 chan u16  6 cflags u16  8 credit u64  16 next_seq u64  24 nonce_r[16]
 *   CHAN_NAK    0 req u32  4 code u16  6 zero u16
 *   CREDIT      0 chan u16  2 zero u16  4 zero u32  8 limit u64
 *   CHAN_CLOSE  0 chan u16  2 code u16  4 zero u32  8 final_seq u64
 *   CHAN_RESET  0 chan u16  2 code u16  4 side u8  5 zero[3]  8 next_seq u64
 *   CLOSE       0 code u16  2 zero u16
 *   NET         the bytes
 *   RESOLVE     0 req u32  4 n u8  5 name[n]
 *   RESOLVED    0 req u32  4 pid i32  8 code u16  10 zero u16
 *   PROBE       0 initiator u32  4 wait u64  12 hops u8  13 zero[3]  16 waiting i32  20 blocked_on i32
 *
 * Every encode appends one frame: 0; -EMSGSIZE when it does not fit; -EINVAL when the values are none that
 * the decode would take. Nothing is written on failure. Every decode takes a frame of its own type: 0, or
 * -EPROTO (a body too short, a zero field that is not, a value out of range) with *out untouched; bytes
 * behind a fixed body are ignored, and so are the flags.
 */
#ifndef LAT_WIRE_CONTROL_H
#define LAT_WIRE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/code.h"
#include "wire/frame.h"
#include "wire/limits.h"

enum {
	LAT_BODY_PING = 8,
	LAT_BODY_PONG = 16,
	LAT_BODY_ACK = 20, /* without the n further ranges */
	LAT_BODY_ACK_RANGE = 8,
	LAT_BODY_PARAMS = 24,
	LAT_BODY_CHAN_OPEN = 136, /* without caveats; exact, unlike the others */
	LAT_BODY_CHAN_ACK = 40,
	LAT_BODY_CHAN_NAK = 8,
	LAT_BODY_CREDIT = 16,
	LAT_BODY_CHAN_CLOSE = 16,
	LAT_BODY_CHAN_RESET = 16,
	LAT_BODY_CLOSE = 4,
	LAT_BODY_RESOLVE = 5, /* without the name */
	LAT_BODY_RESOLVED = 12,
	LAT_BODY_PROBE = 24,
	LAT_WIRE_CHAN_NONCE = 16,
	LAT_WIRE_DESC = 64,
	LAT_WIRE_CAVEAT = 24,
	LAT_WIRE_PROOF = 32,
};

LAT_MUST_CHECK int lat_frame_ping_encode(struct lat_writer *w, uint64_t token);
LAT_MUST_CHECK int lat_frame_ping_decode(uint64_t *token, const struct lat_frame *f);

struct lat_frame_pong {
	uint64_t token;     /* the PING's */
	uint32_t queue_ns;  /* from the PING's arrival until it was answered, but for */
	uint32_t crypto_ns; /* opening it */
};
LAT_MUST_CHECK int lat_frame_pong_encode(struct lat_writer *w, const struct lat_frame_pong *pong);
LAT_MUST_CHECK int lat_frame_pong_decode(struct lat_frame_pong *pong, const struct lat_frame *f);

struct lat_range {
	uint64_t lo, hi; /* both inclusive */
};

/* Ranges fall: range[0].hi is the largest counter, and range[i + 1].hi < range[i].lo - 1. */
struct lat_frame_ack {
	uint16_t chan;
	uint16_t count; /* 1..LAT_MAX_RANGES */
	uint32_t delay_us;
	struct lat_range range[LAT_MAX_RANGES];
};

/* -EINVAL too when a range or a gap is longer than 32 bits hold. Where room is short, lower count. */
LAT_MUST_CHECK int lat_frame_ack_encode(struct lat_writer *w, const struct lat_frame_ack *a);
/* -EPROTO too for n over 31, a range or gap of 0, or a range below counter 0. */
LAT_MUST_CHECK int lat_frame_ack_decode(struct lat_frame_ack *out, const struct lat_frame *f);

struct lat_frame_params {
	uint8_t stale_token[16];
	uint32_t max_chan;
	uint32_t rcv_mem; /* bytes */
};
LAT_MUST_CHECK int lat_frame_params_encode(struct lat_writer *w, const struct lat_frame_params *p);
LAT_MUST_CHECK int lat_frame_params_decode(struct lat_frame_params *out, const struct lat_frame *f);

enum lat_cflag {
	LAT_CFLAG_RELIABLE = 1,
	LAT_CFLAG_TOKEN_FULL = 2,
	LAT_CFLAG_TCP_ONLY = 4,
	LAT_CFLAG_REVERSE = 8, /* with a channel back, rev_chan, for replies */
	LAT_CFLAG_ALL = 15,
};

struct lat_frame_chan_open {
	uint32_t req;
	int32_t src_pid, dst_pid;
	uint16_t cflags;   /* enum lat_cflag: bits */
	uint8_t ncav;      /* 0..LAT_MAX_CAVEATS */
	uint32_t rank;     /* 0: undeclared */
	uint16_t rev_chan; /* nonzero exactly with LAT_CFLAG_REVERSE */
	uint8_t nonce_s[LAT_WIRE_CHAN_NONCE];
	uint8_t desc[LAT_WIRE_DESC]; /* encoded; all zero: grant by identity */
	/* The first ncav, encoded; after decode the rest is zero. */
	uint8_t cav[LAT_MAX_CAVEATS * LAT_WIRE_CAVEAT];
	uint8_t proof[LAT_WIRE_PROOF];
};
LAT_MUST_CHECK int lat_frame_chan_open_encode(struct lat_writer *w, const struct lat_frame_chan_open *o);
/*
 * -EPROTO too when the body is not exactly 136 + 24 ncav bytes. -EACCES: more than 8 caveats or an unknown
 * cflag; the body is well-formed otherwise and the request is to be refused under
 * lat_frame_chan_open_req().
 */
LAT_MUST_CHECK int lat_frame_chan_open_decode(struct lat_frame_chan_open *out, const struct lat_frame *f);
/* The request number of a CHAN_OPEN whose decode gave 0 or -EACCES. */
uint32_t lat_frame_chan_open_req(const struct lat_frame *f);

/*
 * Channel numbers in CHAN_ACK, CREDIT, CHAN_CLOSE and CHAN_RESET are 1..65535; 0 is -EINVAL, on receipt
 * -EPROTO.
 */
struct lat_frame_chan_ack {
	uint32_t req;
	uint16_t chan;
	uint16_t cflags;
	uint64_t credit; /* bytes of the message stream, from its start */
	uint64_t next_seq;
	uint8_t nonce_r[LAT_WIRE_CHAN_NONCE];
};
LAT_MUST_CHECK int lat_frame_chan_ack_encode(struct lat_writer *w, const struct lat_frame_chan_ack *a);
LAT_MUST_CHECK int lat_frame_chan_ack_decode(struct lat_frame_chan_ack *out, const struct lat_frame *f);

struct lat_frame_chan_nak {
	uint32_t req;
	uint16_t code; /* enum lat_code, perhaps unknown */
};
LAT_MUST_CHECK int lat_frame_chan_nak_encode(struct lat_writer *w, const struct lat_frame_chan_nak *n);
LAT_MUST_CHECK int lat_frame_chan_nak_decode(struct lat_frame_chan_nak *out, const struct lat_frame *f);

struct lat_frame_credit {
	uint16_t chan;
	uint64_t limit; /* cumulative body bytes; only grows */
};
LAT_MUST_CHECK int lat_frame_credit_encode(struct lat_writer *w, const struct lat_frame_credit *c);
LAT_MUST_CHECK int lat_frame_credit_decode(struct lat_frame_credit *out, const struct lat_frame *f);

struct lat_frame_chan_close { /* from the data sender */
	uint16_t chan;
	uint16_t code;
	uint64_t final_seq;
};
LAT_MUST_CHECK int lat_frame_chan_close_encode(struct lat_writer *w, const struct lat_frame_chan_close *c);
LAT_MUST_CHECK int lat_frame_chan_close_decode(struct lat_frame_chan_close *out, const struct lat_frame *f);

struct lat_frame_chan_reset {
	uint16_t chan;
	uint16_t code;
	uint8_t side; /* 1: the number was given out by the frame's sender, 0: by its receiver */
	/* From the data receiver the next it expects, from the data sender the next it would have sent. */
	uint64_t next_seq;
};
LAT_MUST_CHECK int lat_frame_chan_reset_encode(struct lat_writer *w, const struct lat_frame_chan_reset *r);
LAT_MUST_CHECK int lat_frame_chan_reset_decode(struct lat_frame_chan_reset *out, const struct lat_frame *f);

LAT_MUST_CHECK int lat_frame_close_encode(struct lat_writer *w, uint16_t code);
LAT_MUST_CHECK int lat_frame_close_decode(uint16_t *code, const struct lat_frame *f);

/* On receipt NET is just f->body, f->len. */
LAT_MUST_CHECK int lat_frame_net_encode(struct lat_writer *w, const void *data, size_t len);

struct lat_frame_resolve {
	uint32_t req;
	uint8_t len;         /* 0..LAT_MAX_RESOLVE_NAME */
	const uint8_t *name; /* no final zero; after decode: into the frame */
};
LAT_MUST_CHECK int lat_frame_resolve_encode(struct lat_writer *w, const struct lat_frame_resolve *r);
LAT_MUST_CHECK int lat_frame_resolve_decode(struct lat_frame_resolve *out, const struct lat_frame *f);

struct lat_frame_resolved {
	uint32_t req;
	int32_t pid;
	uint16_t code;
};
LAT_MUST_CHECK int lat_frame_resolved_encode(struct lat_writer *w, const struct lat_frame_resolved *r);
LAT_MUST_CHECK int lat_frame_resolved_decode(struct lat_frame_resolved *out, const struct lat_frame *f);

struct lat_frame_probe {
	uint32_t initiator; /* node */
	uint64_t wait;
	uint8_t hops;                /* 0..LAT_MAX_PROBE_HOPS */
	int32_t waiting, blocked_on; /* pids */
};
LAT_MUST_CHECK int lat_frame_probe_encode(struct lat_writer *w, const struct lat_frame_probe *p);
LAT_MUST_CHECK int lat_frame_probe_decode(struct lat_frame_probe *out, const struct lat_frame *f);

#endif

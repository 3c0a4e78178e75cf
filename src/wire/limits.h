/*
 * Every constant of the wire protocol, in one place (PROTOCOL section 0). What fits an int is an enum;
 * times, always in nanoseconds of CLOCK_BOOTTIME, and other 64-bit values are macros with their unit in the
 * name.
 */
#ifndef LAT_WIRE_LIMITS_H
#define LAT_WIRE_LIMITS_H

#include <stdint.h>

#include "base/util.h"

/* Sizes in bytes unless the name says otherwise. */
enum {
	LAT_LWP_VERSION = 1,

	LAT_UDP_BASE = 1232, /* UDP payload that every path carries: 1280 - 40 - 8 */
	LAT_UDP_MAX = 65507,
	LAT_UDP_SEARCH_MAX = 8952, /* the longest that is looked for: jumbo frames */
	LAT_TCP_MAX_PKT = 65535,

	LAT_WINDOW_RING_BITS = 8192,
	LAT_WINDOW_USABLE = 8128, /* one 64-bit word is always being recycled */

	LAT_MAX_MSG_DEFAULT = 1 << 20, /* body bytes, the two pids included */
	LAT_MAX_MSG_HARD = 1 << 30,
	LAT_UNIT = 64,       /* fragment granularity */
	LAT_MAX_CHAN = 4096, /* open channels per peer and direction */
	LAT_MAX_CAVEATS = 8,
	LAT_MAX_RANGES = 32, /* per ACK, the first one included */
	LAT_MAX_RESOLVE_NAME = 64,
	LAT_MAX_PROBE_HOPS = 16,

	LAT_HALF_MAX_SOURCE = 4, /* half-open handshakes per (peer, source IP) */
	LAT_HALF_MAX_PEER = 64,
	LAT_HALF_MAX_ALL = 1024,
	LAT_HALF_COOKIE_OVER = 4, /* a peer with more half-open entries must show a cookie */

	LAT_HS_RATE_PER_S = 20, /* M1s per source IP (IPv6: per /64) */
	LAT_HS_RATE_BURST = 5,
	LAT_UNDER_LOAD_QUEUED = 32,    /* this many queued M1s, or */
	LAT_UNDER_LOAD_PER_S = 200,    /* more M1s a second than this */
	LAT_COOKIE_RATE_PER_S = 30000, /* answered; the rest is dropped */
	LAT_COOKIE_RATE_BURST = 500,

	LAT_REASM_PEER_BYTES = 16 << 20,
	LAT_REASM_ALL_BYTES = 256 << 20,
	LAT_REASM_OPEN_MAX = 4, /* unreliable: partial messages per channel */

	LAT_CREDIT_MIN_BYTES = 2 << 10, /* a reliable channel's limit is at least consumed + this */
	LAT_CREDIT_WINDOW_BYTES = 256 << 10,
	LAT_CREDIT_WINDOW_MAX_BYTES = 4 << 20, /* where round trip and rate ask for it */
	LAT_SEQ_WINDOW = 256,                  /* unreliable: replay window over seq, in messages */
	LAT_TOKEN_FAILS_MAX = 8,               /* unreliable: wrong tokens before CHAN_RESET */

	LAT_ACK_EVERY = 10,      /* an ACK at every 10th ack-eliciting packet, but at every */
	LAT_ACK_EVERY_EARLY = 2, /* 2nd among the first LAT_ACK_EARLY_PKTS and after a gap */
	LAT_ACK_EARLY_PKTS = 100,
	LAT_ACK_EVERY_TCP_BYTES = 64 << 10,

	LAT_DEAD_PTOS = 8, /* PTOs without any packet: the session is dead */
	LAT_CWND_START_PKTS = 10,
	LAT_CWND_MIN_PKTS = 2,
	LAT_PMTU_PROBE_FAILS = 3, /* probe timeouts in a row: back to LAT_UDP_BASE */
	LAT_PMTU_CROWDED_SHIFT_MAX = 9,

	LAT_TCP_UNAUTH_CONNS = 64,
	LAT_TCP_UNAUTH_BYTES = 4096, /* each */

	LAT_CHAN_OPEN_RATE_PER_S = 50, /* per peer */
	LAT_CHAN_OPEN_BURST = 200,
	LAT_STALE_RATE_ADDR_PER_S = 1,
	LAT_STALE_RATE_ALL_PER_S = 10,

	LAT_TIMER_JITTER_PERCENT = 25, /* of HS_RETRY, to either side */
};

/* Values of 64 bits. */
#define LAT_REKEY_AFTER_PACKETS  (UINT64_C(1) << 40) /* per channel key */
#define LAT_REJECT_AFTER_PACKETS (UINT64_C(1) << 48)
#define LAT_AEAD_FAIL_REKEY      (UINT64_C(1) << 20) /* per session */
#define LAT_AEAD_FAIL_KILL       (UINT64_C(1) << 32)

/* Times. Ages of a session run from when a side derives its keys, HALF_LIFE from M1. */
#ifndef LAT_REKEY_AFTER_TIME_INITIATOR_NS /* a test may be built with shorter ones (tests/chaos) */
#define LAT_REKEY_AFTER_TIME_INITIATOR_NS (120 * LAT_NS_PER_S)
#define LAT_REKEY_AFTER_TIME_RESPONDER_NS (130 * LAT_NS_PER_S)
#endif
#define LAT_REJECT_AFTER_TIME_NS      (180 * LAT_NS_PER_S)
#define LAT_ERASE_ALL_NS              (540 * LAT_NS_PER_S)  /* without a new session */
#define LAT_HS_RETRY_NS               (250 * LAT_NS_PER_MS) /* doubles */
#define LAT_HS_RETRY_CAP_NS           (1 * LAT_NS_PER_S)
#define LAT_HS_GIVEUP_NS              (20 * LAT_NS_PER_S)
#define LAT_HS_BACKOFF_NS             (5 * LAT_NS_PER_S) /* after giving up; doubles */
#define LAT_HS_BACKOFF_CAP_NS         (60 * LAT_NS_PER_S)
#define LAT_HS_AFTER_EPROTO_NS        (5 * LAT_NS_PER_S)
#define LAT_HALF_LIFE_NS              (20 * LAT_NS_PER_S)
#define LAT_HALF_REPLACE_AGE_NS       (1 * LAT_NS_PER_S) /* a half-open entry this old may be replaced */
#define LAT_COOKIE_SECRET_AGE_NS      (120 * LAT_NS_PER_S)
#define LAT_COOKIE_SECRET_PREVIOUS_NS (120 * LAT_NS_PER_S) /* the old one is good so much longer */
#define LAT_COOKIE_VALID_NS           (115 * LAT_NS_PER_S)
#define LAT_UNDER_LOAD_HOLD_NS        (1 * LAT_NS_PER_S)
#define LAT_KEEPALIVE_NS              (10 * LAT_NS_PER_S) /* default, configurable per peer */
#define LAT_KEEPALIVE_MIN_NS          (20 * LAT_NS_PER_MS)
#define LAT_DEAD_NS                   (15 * LAT_NS_PER_S) /* default, configurable per peer */
#define LAT_DEAD_MIN_NS               (50 * LAT_NS_PER_MS)
#define LAT_HOLD_NS                   (90 * LAT_NS_PER_S) /* default; queues outlive their peer */
#define LAT_REASM_TIME_NS             (2 * LAT_NS_PER_S)
#define LAT_ACK_DELAY_NS              (5 * LAT_NS_PER_MS)
#define LAT_ACK_DELAY_TCP_NS          (25 * LAT_NS_PER_MS)
#define LAT_ACK_AFTER_GAP_NS          (1 * LAT_NS_PER_S) /* so long LAT_ACK_EVERY_EARLY holds */
#define LAT_RTT_FIRST_NS              (100 * LAT_NS_PER_MS)
#define LAT_RTTVAR_MIN_NS             (1 * LAT_NS_PER_MS)  /* least 4 rttvar in a PTO */
#define LAT_CLOSE_MIN_NS              (50 * LAT_NS_PER_MS) /* CLOSE is repeated for max(3 PTO, this) */
#define LAT_PMTU_RAISE_NS             (600 * LAT_NS_PER_S) /* until a longer path maximum is looked for again, */
#define LAT_PMTU_AGAIN_NS \
	(10 * LAT_NS_PER_S) /* after a fall to LAT_UDP_BASE, and the first time; then doubled */
#define LAT_PMTU_CROWDED_NS \
	(100 * LAT_NS_PER_MS) /* after a probe was lost beside others; doubled each time */
#define LAT_CHAN_REUSE_NS     (2 * LAT_REJECT_AFTER_TIME_NS)
#define LAT_TCP_UNAUTH_NS     (5 * LAT_NS_PER_S)
#define LAT_TCP_REOPEN_NS     (100 * LAT_NS_PER_MS) /* after a first try at once; doubles */
#define LAT_TCP_REOPEN_CAP_NS (5 * LAT_NS_PER_S)
#define LAT_TCP_IDLE_NS       (5 * LAT_NS_PER_S) /* so long a transient one stays without traffic */

/* Node numbers that nobody has; a hash that gives one of them maps to 1 (PROTOCOL 1). */
#define LAT_NODE_NONE     UINT32_C(0)
#define LAT_NODE_RESERVED UINT32_C(0xffffffff)

#endif

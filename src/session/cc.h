/*
 * Congestion control of one peer, behind a table of operations (PROTOCOL section 7): how many bytes may be in flight, and
 * how evenly they are sent. Pure: time comes in as a parameter. Lossy messages count as well as reliable ones.
 */
#ifndef LAT_SESSION_CC_H
#define LAT_SESSION_CC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/limits.h"

/* What an ACK newly acknowledged. Send times are those of lat_recovery_stamp(): no two packets of a peer share one. */
struct lat_cc_ack {
	size_t bytes;
	uint64_t sent_ns;   /* when the newest of them was sent */
	uint64_t newest_ns; /* when the last packet of all was sent */
	uint64_t rtt_ns;    /* the round trip just measured; 0: none was */
	uint64_t srtt_ns;
	bool limited; /* it was the window, or the pace, that kept more from being sent */
};

struct lat_cc {
	const struct lat_cc_ops *ops;
	size_t window;         /* bytes that may be in flight */
	size_t packet_bytes;   /* of a full packet, at present; the engine's to set */
	uint32_t pace_percent; /* of window / srtt: the rate to send at; 0: as fast as the window allows */
};

struct lat_cc_ops {
	const char *name;
	/* A fresh one, for packets of that many bytes. NULL: no memory. close() frees it. */
	struct lat_cc *(*open)(size_t packet_bytes);
	void (*close)(struct lat_cc *cc);
	void (*acked)(struct lat_cc *cc, uint64_t now, const struct lat_cc_ack *ack);
	/*
	 * Packets were lost, the last of them sent at @sent_ns; @newest_ns: when the last packet of all was sent. @persistent:
	 * nothing got through for so long that what was known of the path is worth nothing.
	 */
	void (*lost)(struct lat_cc *cc, uint64_t sent_ns, uint64_t newest_ns, bool persistent);
	/* What was last told as lost had only been late, all of it. */
	void (*undo)(struct lat_cc *cc);
	/* Nothing was in flight for longer than a probe time-out, and now something is to be sent. */
	void (*idle)(struct lat_cc *cc);
};

/* RFC 9438, with the slow start of RFC 9406. */
extern const struct lat_cc_ops lat_cc_cubic;

#endif

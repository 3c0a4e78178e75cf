/*
 * What was sent in the packets of one (session, channel) and is not yet acknowledged (PROTOCOL section 7).
 * A record per packet, by counter; each remembers its resendable frames. An acknowledgement hands every
 * record out once; a loss hands it out once as lost, and a late acknowledgement of it still counts. Knows
 * no timer: the caller says what is lost. Memory is bounded by LAT_SENT_MAX packets.
 */
#ifndef LAT_SESSION_SENT_H
#define LAT_SESSION_SENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/control.h"

enum {
	LAT_SENT_MAX =
		1 << 16, /* packets from the oldest outstanding to the newest, per (session, channel) */
	LAT_SENT_FRAMES_MAX = 64, /* resendable frames in one packet */
};

enum lat_sent_kind {
	LAT_SENT_FRAGMENT, /* of a message: MSG */
	LAT_SENT_RUN,      /* of whole messages: MSGS */
	LAT_SENT_CONTROL,  /* a frame kept as bytes */
};

/* One resendable frame. In a record handed to a callback, valid during the call only. */
struct lat_sent_frame {
	uint8_t kind;   /* enum lat_sent_kind */
	uint8_t type;   /* CONTROL: frame type */
	uint8_t flags;  /* CONTROL: frame flags */
	uint16_t count; /* RUN: messages */
	/* FRAGMENT: of its message; RUN: of the first message; CONTROL: not looked at, the caller's */
	uint64_t seq;
	uint32_t off;        /* FRAGMENT: first byte; CONTROL: not looked at, the caller's */
	uint32_t len;        /* FRAGMENT, CONTROL: bytes */
	const uint8_t *body; /* CONTROL: the frame's body, copied by lat_sent_add() */
};

struct lat_sent_record {
	uint64_t counter;
	uint64_t time_ns; /* when it was sent */
	uint32_t bytes;   /* of the packet */
	bool eliciting;
	bool lost; /* was handed out as lost before: its bytes are no longer in flight */
	uint16_t count;
	const struct lat_sent_frame *frames; /* [count] */
};

/* Must not call into the same lat_sent. */
typedef void (*lat_sent_fn)(void *ctx, const struct lat_sent_record *rec);

struct lat_sent_slot;

struct lat_sent {
	struct lat_sent_slot *ring; /* NULL until the first packet */
	uint32_t ring_mask;
	uint64_t base, next;   /* counters [base, next) have a slot; next: the next one to be used */
	uint64_t first_flying; /* no counter below it is in flight */
	uint64_t flying;       /* ack-eliciting packets neither acknowledged nor lost */
	uint64_t flying_bytes;
	uint64_t acked_end; /* the largest counter acknowledged + 1; 0: none */
};

void lat_sent_init(struct lat_sent *s);
/* Forgets everything; no callback. */
void lat_sent_fini(struct lat_sent *s);

/* The counter of the next packet. It is used up by lat_sent_add() alone. */
static inline uint64_t lat_sent_counter(const struct lat_sent *s)
{
	return s->next;
}

/*
 * Can one more packet with resendable frames be remembered? Ask before building it. 0, -ENOBUFS
 * (LAT_SENT_MAX: the oldest outstanding one must be acknowledged or lost first), -ENOMEM.
 */
LAT_MUST_CHECK int lat_sent_reserve(struct lat_sent *s);

/*
 * The packet lat_sent_counter() was sealed. Frames and the bodies of control frames are copied. A packet
 * that is not ack-eliciting has no frames and is only counted. Counters are used up even on failure, so a
 * nonce never repeats.
 * 0, or -ENOMEM, -ENOBUFS: it is not remembered (it will count as neither flying nor lost; the caller still
 * has the frames), -EINVAL: more than LAT_SENT_FRAMES_MAX frames.
 */
LAT_MUST_CHECK int lat_sent_add(struct lat_sent *s, uint64_t now, uint32_t bytes, bool eliciting,
				const struct lat_sent_frame *frames, size_t count);

/*
 * The peer says which arrived: ranges of an ACK frame, falling. @fn gets every ack-eliciting record newly
 * acknowledged, once, largest range first, rising within a range. Returns how many, or -EPROTO (a counter
 * never sent) with nothing done.
 */
LAT_MUST_CHECK int64_t lat_sent_ack(struct lat_sent *s, const struct lat_range *ranges, size_t count,
				    lat_sent_fn fn, void *ctx);

/*
 * Declares lost what is in flight, was sent at @before or earlier and has a counter below @below
 * (UINT64_MAX: any). @fn gets each, rising. Returns how many. All of it, for a new session: (UINT64_MAX,
 * UINT64_MAX).
 */
size_t lat_sent_lose(struct lat_sent *s, uint64_t before, uint64_t below, lat_sent_fn fn, void *ctx);

/* @fn gets the oldest packet in flight, which stays in flight. False: none is. */
bool lat_sent_probe(struct lat_sent *s, lat_sent_fn fn, void *ctx);

/* When the oldest packet in flight was sent; UINT64_MAX: none is. */
uint64_t lat_sent_oldest(struct lat_sent *s);

#endif

/*
 * Notes: what the processes of one machine tell each other about pids and channels, each one packet over a SEQPACKET socket
 * with the descriptors that go with it. A member is a node that is attached; the host is who has the door (door.h).
 *
 *   member                      host                              member
 *   HELLO member node     -->
 *                         <--   WELCOME rc node process fd        (the page of lives, lives.h)
 *   CLAIM dst ticket name -->                                   (name: none, or of a service; base/name.h)
 *                         <--   CLAIMED rc dst ticket process name
 *                         <--   LOST dst                          (somebody with a ticket had it before)
 *   OPEN src dst node right  -->   GRANT member grant src dst node origin number life  -->
 *                         <--   OPENED rc member grant number(longest message) life (node: of dst; who reaches it is granted, relay.h)
 *   RENEW member grant src dst node right  -->   RENEWED rc member grant src dst life   -->
 *                         <--   RENEWED rc member grant src dst life (of a channel that an earlier host has granted)
 *                         <--   REVOKED life                      (it has ended)
 *   RESOLVE name          -->
 *                         <--   RESOLVED rc number(pid)           (which pid the service is)
 *   MEET member           -->   PEER member process fds     -->
 *                         <--   PEER member process fds           (once for each two)
 *   LIST number(after)    -->
 *                         <--   LISTED rc number(pid) process name (the next pid that somebody receives as; -EAGAIN: ask on from there)
 *   PROBE node flags number(timeout) name -->                     (of another node: enum lat_note_probe; name: of a service there)
 *                         <--   PROBED rc tier(protocol) number(round trip, or pid) counts
 *   ISSUE flags ...       -->                                     (of a capability: issue.h)
 *                         <--   ISSUED rc ...
 *   GRAPH                 -->                                     (what there is on the node: graphrow.h)
 *                         <--   SHOW                              (to each member, its own too)
 *   SHOWN rc number(bytes) fd  -->                                (no fd: nothing)
 *                         <--   GRAPHED rc number(bytes) fd
 *
 * and between two members, over the socket pair that PEER brought (fastpath/link.h says what these are about):
 *   JOIN fd               <->   JOIN fd
 *   CHAN_OPEN chan grant src dst node origin flags number(longest message) right  -->   (right: node's, for a channel to it)
 *                         <--   CHAN_ACCEPT chan, or CHAN_REFUSE chan rc
 *   EXTENT chan tier number(bytes) fd  -->
 *                         <--   REPLIES chan number(bytes) fd     (once, at the first long reply to a call)
 *   CARRY chan number(of its message) right  -->                  (a capability that goes with it)
 *   CHAN_CLOSE chan       -->
 *                         <--   CHAN_GONE chan rc number(last received)
 *   CHAN_ASK chan number(known) -->                               (of a channel to another node: what it has received)
 *                         <--   CHAN_FAR chan rc number(received) (rc: 0 it is open there, else why not now)
 *   HOSTED                <->                                     (attached again, to another host)
 *   BYE rc                <->                                     (and hangs up: why)
 *
 * life: the right that a channel is opened by lives as long as the page says so; with it come the badge and the limits.
 *
 * All fields are the machine's own byte order: nobody else ever sees them.
 */
#ifndef LAT_NODE_NOTE_H
#define LAT_NODE_NOTE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "base/util.h"
#include "cap/right.h"
#include "cap/table.h"

enum {
	LAT_NOTE_VERSION = 10,
	LAT_NOTE_FDS = 3,
	LAT_NOTE_TICKET = 32,
	LAT_NOTE_COUNTS = 42,
	LAT_NOTE_NAME = 72
};
static_assert((int)LAT_NOTE_NAME > (int)LAT_SERVICE_MAX, "a name, and its end");

enum lat_note_kind {
	LAT_NOTE_HELLO = 1,
	LAT_NOTE_WELCOME,
	LAT_NOTE_CLAIM,
	LAT_NOTE_CLAIMED,
	LAT_NOTE_UNCLAIM,
	LAT_NOTE_LOST,
	LAT_NOTE_OPEN,
	LAT_NOTE_OPENED,
	LAT_NOTE_GRANT,
	LAT_NOTE_MEET,
	LAT_NOTE_PEER,
	LAT_NOTE_LIST,
	LAT_NOTE_LISTED,
	LAT_NOTE_PROBE,
	LAT_NOTE_PROBED,
	LAT_NOTE_JOIN,
	LAT_NOTE_CHAN_OPEN,
	LAT_NOTE_CHAN_ACCEPT,
	LAT_NOTE_CHAN_REFUSE,
	LAT_NOTE_EXTENT,
	LAT_NOTE_CHAN_CLOSE,
	LAT_NOTE_CHAN_GONE,
	LAT_NOTE_CHAN_ASK,
	LAT_NOTE_CHAN_FAR,
	LAT_NOTE_HOSTED,
	LAT_NOTE_BYE,
	LAT_NOTE_REPLIES,
	LAT_NOTE_ISSUE,
	LAT_NOTE_ISSUED,
	LAT_NOTE_RESOLVE,
	LAT_NOTE_RESOLVED,
	LAT_NOTE_RENEW,
	LAT_NOTE_RENEWED,
	LAT_NOTE_REVOKED,
	LAT_NOTE_CARRY,
	LAT_NOTE_GRAPH,
	LAT_NOTE_SHOW,
	LAT_NOTE_SHOWN,
	LAT_NOTE_GRAPHED,
	LAT_NOTE_KINDS,
};

/* A field that its kind does not name is zero. */
struct lat_note {
	uint16_t version, kind;
	uint32_t token;   /* of the call that it makes or answers; 0: of none */
	int32_t rc;       /* 0 or a negative errno */
	int32_t src, dst; /* pids, 1 or more */
	uint32_t node;    /* of dst; 0: not said, or this one */
	uint32_t origin;  /* the same of src */
	uint32_t chan, tier;
	int32_t process; /* pid of the operating system, 0: not known */
	uint32_t
		flags; /* enum lattice_channel_flag; of PROBE, enum lat_note_probe; of ISSUE, enum lat_note_issue */
	uint32_t rights; /* enum lat_right, of what a channel is opened by; 0: all that a channel has */
	struct lat_cap_ref life; /* of the right that a channel is opened by; {0, 0}: it needs none */
	uint32_t badge, rate;    /* what goes with it: messages a second, 0: any */
	uint64_t member;         /* a number that a member chose at random, and keeps from host to host */
	uint64_t grant;
	uint64_t number;
	uint8_t ticket[LAT_NOTE_TICKET]; /* all zero: none */
	char name[LAT_NOTE_NAME];        /* a service's, and zeros to the end; empty: none */
	struct lat_cap_right right;      /* that is shown; all zero: none. A secret */
	uint8_t spare_bytes[7];
	uint64_t counts[LAT_NOTE_COUNTS];
};

/* Whether @n shows a right. */
bool lat_note_has_right(const struct lat_note *n);

/* Whom a note is from. */
enum lat_note_from { LAT_NOTE_FROM_MEMBER, LAT_NOTE_FROM_HOST, LAT_NOTE_FROM_PEER };

/*
 * Whether the @bytes that came as @n, with @fds descriptors, are a note that @from may send: its length, version, kind, each
 * field, and that the rest is zero. 0, -EPROTO.
 */
LAT_MUST_CHECK int lat_note_check(const struct lat_note *n, size_t bytes, size_t fds,
				  enum lat_note_from from);

#endif

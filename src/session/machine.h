/*
 * The nouns of the protocol machine and what its files do for each other. Private to the files behind engine.h: a
 * peer has at most one attempt (it calls), half-open entries (it is called), three session slots, and channels. A
 * session has lanes: one per channel and direction that was used in it, with counters and keys of its own. Channels
 * outlive sessions, lanes do not.
 *
 * Who frees what: nothing that can be reached from a packet being processed is freed under it. Channels that are over
 * are buried (lat_chan_bury) and freed at the peer's next turn; sessions are erased only where the caller stops looking
 * at them.
 */
#ifndef LAT_SESSION_MACHINE_H
#define LAT_SESSION_MACHINE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/budget.h"
#include "session/channum.h"
#include "session/due.h"
#include "session/engine.h"
#include "session/handshake.h"
#include "session/idmap.h"
#include "session/keys.h"
#include "session/opencalls.h"
#include "session/pmtu.h"
#include "session/ranges.h"
#include "session/recovery.h"
#include "session/reasm.h"
#include "session/replay.h"
#include "session/sendq.h"
#include "session/sent.h"
#include "wire/control.h"
#include "wire/limits.h"
#include "wire/message.h"
#include "wire/packet.h"

enum {
	LAT_PLACES = 4, /* key places of a peer's sessions: three slots, and one being replaced */
	LAT_RATE_BUCKETS = 1024,
	LAT_PINGS_MAX = 16,
	LAT_PONGS_MAX = 16,
	LAT_ANSWERS_MAX = LAT_MAX_CHAN, /* control frames that belong to no channel, waiting */
	/* We ask for channels a little slower than a peer may refuse us for (section 6.2). */
	LAT_ASK_RATE_PER_S = LAT_CHAN_OPEN_RATE_PER_S * 9 / 10,
	LAT_ASK_BURST = LAT_CHAN_OPEN_BURST * 9 / 10,
	LAT_RESOLVES_PER_S = 1000,    /* of a peer that are answered; the rest it asks for again */
	LAT_STALE_LOOKS_PER_S = 1000, /* for the peer that a STALE, or DATA of no session, comes from */
	LAT_CLOSES_MAX = 2,           /* of TCP connections in a row on which nothing opened (section 7) */
	LAT_FLIGHT_TCP_BYTES = 4 << 20,
};

/* What a packet's index leads to. First member of each of the three. */
enum lat_owner_kind { LAT_OWNER_ATTEMPT, LAT_OWNER_HALF, LAT_OWNER_SESSION };
struct lat_owner {
	enum lat_owner_kind kind;
};

/* ------------------------------------------------------------------------------------------------ lanes */

/* What we send on one channel in one session. */
struct lat_tx_lane {
	struct lat_session *session;
	struct lat_chan_out *chan; /* NULL: control */
	uint16_t num;
	const struct lat_chan_key *key;
	struct lat_sent sent;
	bool flying;                                   /* listed, so perhaps */
	struct lat_tx_lane *prev, *next;               /* session->tx_lanes */
	struct lat_tx_lane *flying_prev, *flying_next; /* session->flying */
};

/* What we receive on one. */
struct lat_rx_lane {
	struct lat_session *session;
	struct lat_chan_in *chan; /* NULL: control */
	uint16_t num;
	const struct lat_chan_key *key;
	struct lat_replay replay;
	struct lat_ranges ranges;
	uint64_t gap_until_ns; /* ACKs come denser until then */
	bool ack_listed;
	struct lat_rx_lane *prev, *next;         /* session->rx_lanes */
	struct lat_rx_lane *ack_prev, *ack_next; /* session->acks */
};

/* ------------------------------------------------------------------------------------------------ session */

struct lat_session_secret { /* one arena slot */
	uint8_t sess[LAT_HASH];
	uint8_t sid[LAT_SID];
	struct lat_chan_key tx, rx; /* control channel */
};

enum lat_slot { LAT_SLOT_PREVIOUS, LAT_SLOT_CURRENT, LAT_SLOT_NEXT, LAT_SLOT_COUNT };

struct lat_session {
	struct lat_owner owner;
	struct lat_peer *peer;
	uint32_t idx_local, idx_remote;
	bool initiator;
	bool opened; /* a DATA has opened under it */
	bool loser;  /* of two crossed handshakes: needs no confirmation */
	uint8_t place;
	uint64_t serial; /* never reused */
	uint64_t born_ns, m1_ns, first_open_ns;
	struct lat_session_secret *secret;
	struct lat_tx_lane tx;
	struct lat_rx_lane rx;
	struct lat_tx_lane *tx_lanes;
	struct lat_rx_lane *rx_lanes;
	struct lat_tx_lane *flying; /* those with packets in flight */
	struct lat_rx_lane *acks;   /* those with something to acknowledge */
	uint64_t ack_due_ns;        /* UINT64_MAX: nothing is */
	uint64_t open_fails;
	uint64_t boot_id;
	uint16_t udp_max;
	uint32_t max_msg;
	bool want_params, want_confirm, sent_data, want_keepalive;
	uint64_t confirm_at_ns, confirm_retry_ns;
	bool peer_stale_known;
	uint8_t peer_stale[LAT_WIRE_STALE_TOKEN];
	struct lat_path path; /* where its handshake came from or went to */
	struct lat_half *half;
};

/* ------------------------------------------------------------------------------------------------ handshakes */

enum lat_attempt_state { LAT_ATTEMPT_IDLE, LAT_ATTEMPT_SENT1, LAT_ATTEMPT_SENT3, LAT_ATTEMPT_STATES };
enum lat_attempt_event {
	LAT_ATTEMPT_EV_START,
	LAT_ATTEMPT_EV_TIMER,
	LAT_ATTEMPT_EV_COOKIE,
	LAT_ATTEMPT_EV_M2,
	LAT_ATTEMPT_EV_M4,
	LAT_ATTEMPT_EV_GIVEUP,
	LAT_ATTEMPT_EVENTS
};

struct lat_attempt {
	struct lat_owner owner;
	struct lat_peer *peer;
	enum lat_attempt_state state;
	uint32_t idx;                /* ours; 0: a session has it */
	struct lat_hs_initiator *hs; /* arena slot */
	uint64_t start_ns, giveup_ns, retry_at_ns, retry_ns;
	bool unsent;       /* the transport did not take it yet */
	bool cookie_taken; /* once per M1 */
	bool cookie_set;
	int err; /* last of the transport's */
	struct lat_path path;
	uint8_t packet[LAT_M1_LEN]; /* M1 in SENT1, M3 in SENT3 */
	uint8_t e_m[LAT_WIRE_EM];   /* public: for M3 */
};
static_assert(LAT_M1_LEN == LAT_M3_LEN, "one buffer for both");

enum lat_half_state { LAT_HALF_WAIT3, LAT_HALF_SENT4 };

struct lat_half {
	struct lat_owner owner;
	enum lat_half_state state;
	uint8_t dup[16]; /* of H(M1[0..1216)) */
	uint8_t m3_hash[16];
	struct lat_hs_responder *hs; /* arena slot; NULL in SENT4 */
	struct lat_peer *peer;
	struct lat_path from;
	uint64_t born_ns;
	uint32_t idx;
	struct lat_session *session;  /* in SENT4 */
	struct lat_half *prev, *next; /* engine->halves, by age */
	uint8_t reply[LAT_M2_LEN];    /* M2, then M4 */
};

/* ------------------------------------------------------------------------------------------------ channels */

struct lat_chan_secret { /* one arena slot */
	uint8_t tk[32];
	uint8_t bind[32];
	struct lat_chan_key key[LAT_PLACES];
};

enum lat_want {
	LAT_WANT_OPEN = 1,
	LAT_WANT_CLOSE = 2,
	LAT_WANT_ACK = 4,
	LAT_WANT_CREDIT = 8,
	LAT_WANT_RESET = 16,
};

struct lat_bucket { /* tokens that fill with time */
	uint64_t at_ns;
	uint32_t milli; /* thousandths of a token */
};

/* What both directions have. First member of both. */
struct lat_chan {
	struct lat_peer *peer;
	uint32_t handle;
	bool inbound, buried, listed;
	bool reverse;          /* replies go by it */
	struct lat_chan *pair; /* its reverse channel, NULL until there was a call; of that, its channel */
	uint8_t want;          /* enum lat_want: control frames to be sent */
	uint16_t num;          /* 0: none yet */
	uint16_t cflags;
	int32_t src_pid, dst_pid;
	uint32_t req;
	uint64_t open_serial; /* session in which it was asked for */
	struct lat_chan_secret *secret;
	void *user;
	struct lat_chan *prev, *next;           /* peer->chans, then peer->buried */
	struct lat_chan *todo_prev, *todo_next; /* peer->todo while want != 0 */
};

enum lat_out_state { LAT_OUT_OPENING, LAT_OUT_OPEN, LAT_OUT_CLOSING, LAT_OUT_RESET, LAT_OUT_DONE };

/* What a channel is asked for with. */
struct lat_claim {
	uint8_t desc[LAT_WIRE_DESC];
	uint8_t caveats[LAT_MAX_CAVEATS * LAT_WIRE_CAVEAT];
	uint8_t caveat_count;
};

struct lat_chan_out {
	struct lat_chan c;
	enum lat_out_state state;
	struct lat_sendq q;
	bool q_init, starved, ready, busy;
	uint8_t nonce_s[LAT_WIRE_CHAN_NONCE];
	struct lat_claim *claim;    /* OPENING, unless as who we are; its key waits where tk will be */
	uint16_t rights;            /* of its tokens; 0 as who we are */
	uint32_t max_msg;           /* by its right; UINT32_MAX as who we are */
	uint16_t rev_num;           /* kept for its reverse channel; 0: none was asked for */
	struct lat_opencalls calls; /* made */
	struct lat_tx_lane *lane[LAT_PLACES];
	struct lat_chan_out *ready_prev, *ready_next; /* peer->ready */
};

/*
 * RESET: CHAN_RESET is on its way. GONE: the peer knows of it no more, but what was acknowledged is still handed up.
 * Buried when neither the wire nor the application has anything to do with it.
 */
enum lat_in_state { LAT_IN_OPEN, LAT_IN_RESET, LAT_IN_GONE, LAT_IN_DONE };

struct lat_chan_in {
	struct lat_chan c;
	enum lat_in_state state;
	struct lat_reasm reasm;
	bool blocked; /* deliver() had no room */
	bool final_known, credit_waits;
	bool told;     /* the application knows that it is over */
	bool draining; /* it will, when it has taken what was acknowledged */
	int end_err;
	uint32_t after; /* a handle: the one of the same pids before it, which was draining; 0: none */
	uint8_t bad_tokens;
	uint16_t reset_code;
	bool counted; /* by lat_engine_revoke() */
	uint64_t final_seq;
	uint64_t missed_seen, given_up_seen; /* of reasm's counts, already counted */
	uint64_t no_room;                    /* lossy messages that deliver() did not take */
	uint8_t nonce_r[LAT_WIRE_CHAN_NONCE];
	struct lat_open_grant grant;
	uint16_t rights;            /* of its tokens; 0 by identity */
	uint16_t rev_num;           /* of its reverse channel; 0: it has none */
	bool reset_waits;           /* RESET: until what was replied has arrived */
	struct lat_opencalls calls; /* to be answered */
	struct lat_bucket rate;
	uint64_t offer_at_ns; /* what waits for the rate may be offered then; UINT64_MAX: nothing does */
	struct lat_rx_lane *lane[LAT_PLACES];
	struct lat_chan_in *credit_prev, *credit_next; /* peer->credit_waiters */
};

/* A control frame that belongs to no channel: CHAN_NAK, or CHAN_CLOSE of a number that we did not want, RESOLVE, RESOLVED. */
struct lat_answer {
	uint8_t type;
	uint8_t len;
	uint8_t body[LAT_BODY_RESOLVE + LAT_MAX_RESOLVE_NAME];
};

/* ------------------------------------------------------------------------------------------------ peer */

struct lat_ping {
	uint64_t token;
	uint64_t asked_ns;             /* 0: of our own */
	uint64_t sealed_ns;            /* when that began; 0: not yet */
	uint64_t crypto_ns, handed_ns; /* sealing it; when the transport had it */
	bool sent, internal;
};

struct lat_pong {
	uint64_t token, came_ns;
	uint64_t crypto_ns; /* opening it */
};

struct lat_peer {
	struct lat_engine *engine;
	uint32_t node;
	struct lat_hs_public pub;
	uint8_t *psk;         /* arena slot */
	struct lat_path call; /* as configured; proto 0: none */
	struct lat_path path; /* where it is reached now */
	struct lat_path good; /* last address a handshake completed from */
	uint32_t proven_conn; /* TCP: a DATA opened on it */
	struct lat_due due;   /* in engine->dues */
	bool touched;
	struct lat_peer *touched_next;
	struct lat_peer *prev, *next; /* engine->peer_list; leaving: engine->leaving */
	bool leaving;                 /* removed: only what was acknowledged to it is still handed up */

	enum lat_peer_state state;
	int err;
	bool want_connect, want_rekey;
	struct lat_attempt *attempt;
	uint64_t attempt_after_ns, backoff_ns;
	uint64_t down_since_ns;
	bool held_out; /* it was down for longer than `hold`: nothing old is a reason to call it */
	uint32_t half_count;
	struct lat_session *slot[LAT_SLOT_COUNT];
	uint8_t places;
	bool boot_known;
	uint64_t boot_id;
	uint64_t own_boot_id; /* what it is told */
	uint32_t max_msg;     /* what it takes, from its last handshake; 0: not known yet */

	/* CLOSE being repeated: its session is in slot CURRENT, and no other is left. */
	bool closing;
	uint64_t close_until_ns, close_at_ns;
	uint16_t close_code;

	/* delivery */
	bool conn_down; /* TCP: wait for lat_engine_conn_up(), or */
	uint64_t conn_retry_ns;
	bool unconnected; /* TCP: nothing was taken by a connection since the last one went */
	bool blocked;     /* transmit() said -EAGAIN */
	uint32_t closes_in_a_row;
	uint8_t *stash; /* the packet that it did not take */
	size_t stash_bytes;
	struct lat_recovery rec;
	struct lat_pmtu pmtu;
	bool look_for_losses;    /* something was acknowledged */
	uint64_t await_since_ns; /* sent ack-eliciting, heard nothing since; 0: not waiting */
	uint64_t owe_since_ns;   /* heard ack-eliciting, sent nothing since; 0: not owing */
	uint64_t heard_ns;       /* something of its session, or asked for it */

	struct lat_ping pings[LAT_PINGS_MAX];
	struct lat_pong pongs[LAT_PONGS_MAX];
	uint32_t ping_count, pong_count;
	struct lat_answer *answers; /* [LAT_ANSWERS_MAX], NULL until needed */
	uint32_t answer_count;

	/* channels */
	struct lat_chan *chans, *buried, *todo;
	struct lat_chan_out *ready;
	uint32_t out_count, in_count, busy_count;
	uint32_t after_count; /* those that wait for one before them */
	uint32_t next_req;
	struct lat_idmap reqs_in;  /* req -> chan_in, newest session */
	struct lat_idmap reqs_out; /* req -> chan_out waiting for an answer */
	struct lat_numtab nums_in, nums_out;
	struct lat_channum numbers;
	struct lat_budget budget;
	struct lat_bucket open_rate;    /* of the peer's CHAN_OPENs */
	struct lat_bucket ask_rate;     /* of ours */
	struct lat_bucket resolve_rate; /* of its questions for services */
	uint64_t ask_at_ns;             /* 0: none is waiting for the rate */
	uint64_t stale_sent_ns;
	uint64_t rights_due_ns; /* no rate and no expiry asks for anything before */
	uint64_t
		lossy_due_ns; /* nothing of a lossy channel is given up before; UINT64_MAX: there is nothing */

	struct lat_chan_in *credit_waiters;         /* wait for memory, first come first served */
	struct lat_peer *hungry_prev, *hungry_next; /* engine->hungry while there are any */

	uint64_t handshake_ns, handshakes, rekeys;
	uint64_t packets_in, packets_out, bytes_in, bytes_out;
	uint64_t messages_in, messages_out, message_bytes_in, message_bytes_out;
	uint64_t counters[LAT_COUNT_MAX];
};

/* ------------------------------------------------------------------------------------------------ engine */

struct lat_engine_secret { /* one arena slot */
	uint8_t mesh_key[32];
	uint8_t cookie[2][32]; /* now, and before */
	uint8_t source_key[32];
};

struct lat_engine {
	const struct lat_engine_ops *ops;
	void *ctx;
	uint32_t node;
	uint64_t
		boot_id; /* one more for each goodbye that we say: should a peer not hear it, the next handshake tells */
	uint64_t now; /* of the call being served, or of the last one */
	uint64_t
		open_ns; /* opening the packet that is being looked at took, if it is one of the control channel */
	const struct lat_kem_key *key;
	struct lat_engine_secret *secret;
	struct lat_hs_public me;
	uint32_t max_msg;
	uint16_t udp_max;
	size_t sendq_max;
	const struct lat_cc_ops *cc;

	struct lat_idmap index, peers, handles;
	struct lat_peer *peer_list, *touched, *leaving;
	struct lat_dues dues;
	uint32_t next_handle;
	uint64_t next_serial;

	struct lat_half *halves;
	uint32_t half_count;
	uint64_t half_dup[LAT_HALF_MAX_ALL * 2]; /* first 8 bytes of each entry's dup, for the search */
	struct lat_half *half_at[LAT_HALF_MAX_ALL * 2];
	struct lat_bucket rate[LAT_RATE_BUCKETS];
	uint64_t m1_second_ns, load_until_ns;
	uint32_t m1_in_second;
	uint64_t cookie_born_ns;
	struct lat_bucket cookie_rate, stale_rate, stale_look_rate;

	struct lat_budget budget;
	struct lat_peer *hungry; /* those with channels that wait for memory; each gets one in turn */

	uint64_t counters[LAT_COUNT_MAX];
	uint8_t packet[LAT_DATA_HDR + LAT_TCP_MAX_PKT]; /* under construction */
};

static inline void lat_count(struct lat_engine *e, enum lat_engine_counter c)
{
	e->counters[c]++;
}

/* What is about a peer counts there, too. */
static inline void lat_peer_count(struct lat_peer *p, enum lat_engine_counter c)
{
	p->engine->counters[c]++;
	p->counters[c]++;
}

static inline uint64_t lat_engine_clock(const struct lat_engine *e)
{
	return e->ops->clock(e->ctx);
}

/* ---- engine.c ---- */
/* Somebody wants to send: is there a way? 0 with a live session, -EAGAIN while one is made, -EDESTADDRREQ. */
int lat_peer_want_session(struct lat_peer *p);
void lat_peer_touch(struct lat_peer *p); /* it has something to do at the next tick */
uint32_t lat_engine_idx(struct lat_engine *e, struct lat_owner *owner);    /* a fresh index; 0: no memory */
uint32_t lat_engine_handle(struct lat_engine *e, struct lat_chan *c);      /* a fresh handle; 0: none left */
struct lat_peer *lat_peer_find(const struct lat_engine *e, uint32_t node); /* NULL: no such peer */
void lat_engine_peer_free(struct lat_peer *p);                             /* one that is leaving */
struct lat_peer *lat_engine_peer_by_id(struct lat_engine *e, const uint8_t id[LAT_ID]);
uint64_t lat_engine_jitter(struct lat_engine *e, uint64_t ns); /* +-25 % */
/* Takes one token. False: none there. */
bool lat_bucket_take(struct lat_bucket *b, uint64_t now, uint32_t per_s, uint32_t burst);
int lat_engine_reply(struct lat_engine *e, const struct lat_path *to, const uint8_t *packet, size_t bytes);

/* ---- attempt.c ---- */
/* Starts a handshake with the peer. 0, -EBUSY: one is going on, -EDESTADDRREQ, -ENOMEM, -ENOBUFS (arena), -EBADMSG. */
int lat_attempt_start(struct lat_peer *p, uint64_t now);
void lat_attempt_run(struct lat_peer *p, uint64_t now);
uint64_t lat_attempt_due(const struct lat_peer *p);
/* A COOKIE, M2 or M4 for it. */
void lat_attempt_packet(struct lat_attempt *a, uint64_t now, const struct lat_path *from, int type,
			const uint8_t *packet);
/* Transport came back: what was not taken, or may be lost with a connection, goes out again. */
void lat_attempt_resend(struct lat_attempt *a, uint64_t now);
void lat_attempt_drop(struct lat_peer *p);
void lat_hs_own_params(const struct lat_peer *p, struct lat_hs_params *out);
/* The peer's parameters against its configuration (section 9). 0 or -EPROTO. */
int lat_hs_check_params(const struct lat_peer *p, const struct lat_hs_params *params);

/* ---- half.c ---- */
/* 0, or -EPROTO: over TCP, close. */
int lat_half_m1(struct lat_engine *e, uint64_t now, const struct lat_path *from, const uint8_t *m1);
int lat_half_m3(struct lat_half *h, uint64_t now, const struct lat_path *from, const uint8_t *m3);
/* Frees; a session that is not promoted goes with it. */
void lat_half_drop(struct lat_half *h);
void lat_half_drop_peer(struct lat_peer *p);
/* Erases what is past HALF_LIFE; when the next is due. */
uint64_t lat_half_expire(struct lat_engine *e, uint64_t now);

/* ---- session.c ---- */
/* A new session out of a finished handshake; it owns index @idx, which leads to @owner until the session is put. */
int lat_session_new(struct lat_session **out, struct lat_peer *p, uint64_t now, const struct lat_hs_result *r,
		    bool initiator, uint32_t idx_local, uint32_t idx_remote);
/* Wipes and frees with its lanes, and empties its slot. What is unacknowledged in it is queued again. */
void lat_session_erase(struct lat_session *s);
/* Queues again what is unacknowledged in it. */
void lat_session_requeue(struct lat_session *s);
bool lat_session_may_send(const struct lat_session *s);
/* The lane of a channel in a session, made when first used. NULL: no memory. */
struct lat_tx_lane *lat_session_tx_lane(struct lat_session *s, struct lat_chan_out *co);
/* One DATA packet. 0, or -EPROTO as lat_engine_packet(). */
int lat_session_data(struct lat_session *s, uint64_t now, const struct lat_path *from,
		     const struct lat_data_hdr *hdr, uint8_t *packet, size_t bytes);

/* ---- frames.c ---- */
enum lat_frames_end {
	LAT_FRAMES_OK,
	LAT_FRAMES_GONE,     /* the session is erased: do not touch it */
	LAT_FRAMES_NO_MEMORY /* do not acknowledge */
};
/* The frames of an opened packet; *eliciting says whether it asks for an ACK. enum lat_frames_end, or -EPROTO. */
int lat_frames_process(struct lat_rx_lane *lane, uint64_t now, const uint8_t *plain, size_t bytes,
		       bool *eliciting);

/* ---- ack.c ---- */
void lat_ack_note(struct lat_rx_lane *lane, uint64_t now, uint64_t counter, size_t bytes, bool eliciting);
/* Appends ACK frames of the session to the packet under construction. */
struct lat_out;
void lat_ack_append(struct lat_out *o, uint64_t now);
/* 0, or -EPROTO. */
int lat_ack_process(struct lat_session *s, uint64_t now, const struct lat_frame_ack *ack);
/* Every frame of the record is acknowledged. */
void lat_ack_record(struct lat_tx_lane *lane, const struct lat_sent_record *rec);

/* ---- loss.c ---- */
/* Finds what is lost, sends probes, over UDP; when to look again. */
uint64_t lat_loss_run(struct lat_peer *p, uint64_t now);
/* The lane has something in flight. */
void lat_loss_watch(struct lat_tx_lane *lane);
void lat_loss_unwatch(struct lat_tx_lane *lane);
/* Callback of lat_sent: every frame of the record is to be sent again, and it is no more in flight. ctx: its lane. */
void lat_loss_record(void *ctx, const struct lat_sent_record *rec);

/* ---- out.c: building packets ---- */
struct lat_out {
	struct lat_session *session;
	struct lat_tx_lane *lane;
	struct lat_writer w;
	size_t refs;
	bool eliciting;
	bool real;  /* something that somebody asked for: keeps the session from idling away (section 4) */
	bool timed; /* it has a PING whose time is measured */
	struct lat_sent_frame ref[LAT_SENT_FRAMES_MAX];
};
/* 0, -ENOBUFS, -ENOMEM, -EOVERFLOW (the key is used up). */
int lat_out_begin(struct lat_out *o, struct lat_session *s, struct lat_tx_lane *lane);
bool lat_out_empty(const struct lat_out *o);
/* The longest packet that the session sends now, and how many bytes may be unacknowledged. */
size_t lat_out_packet_max(const struct lat_session *s);
size_t lat_out_window(const struct lat_peer *p);
/* Notes a frame just written as resendable; body NULL: it is made anew when it is lost. */
void lat_out_note(struct lat_out *o, uint8_t type, uint64_t seq, uint32_t off, const void *body,
		  uint32_t len);
bool lat_out_full(const struct lat_out *o);
/* Seals, remembers, transmits. 0, -EAGAIN (kept, will be sent), or the transport's error (as if lost). */
int lat_out_finish(struct lat_out *o, uint64_t now);
/* Sends all that may be sent now. */
void lat_out_flush(struct lat_peer *p, uint64_t now);
int lat_out_close(struct lat_session *s, uint64_t now, uint16_t code);
int lat_out_net(struct lat_peer *p, uint64_t now, const void *data, size_t bytes);
/* Something that asks for an ACK, if nothing else is to be sent. */
void lat_out_probe(struct lat_peer *p);
/* A PING to be sent. The oldest is forgotten when too many wait for their answer. */
void lat_out_ping(struct lat_peer *p, uint64_t token, bool internal);
bool lat_out_answer(struct lat_peer *p, uint8_t type, const void *body, size_t len);

/* ---- resolve.c ---- */
/* RESOLVE and RESOLVED. 0, -EPROTO. */
int lat_resolve_asked(struct lat_session *s, uint64_t now, const struct lat_frame *f);
int lat_resolve_answered(struct lat_session *s, const struct lat_frame *f);

/* ---- peer.c ---- */
int lat_peer_new(struct lat_peer **out, struct lat_engine *e, const struct lat_peer_config *cfg);
void lat_peer_free(struct lat_peer *p);
/* Everything that is due; returns the next time. */
uint64_t lat_peer_run(struct lat_peer *p, uint64_t now);
void lat_peer_state_set(struct lat_peer *p, enum lat_peer_state state, int err);
/* Our handshake is finished. */
void lat_peer_session_made(struct lat_peer *p, uint64_t now, struct lat_session *s);
/* The peer's handshake is finished, not confirmed. */
void lat_peer_session_next(struct lat_peer *p, struct lat_session *s);
/* First DATA opened in it. */
void lat_peer_session_opened(struct lat_peer *p, uint64_t now, struct lat_session *s);
/* Ends sessions and attempt, not channels. */
void lat_peer_sessions_end(struct lat_peer *p);
/* Ends all channels, here only: the peer knows, or has lost them. */
void lat_peer_chans_end(struct lat_peer *p, int err, bool opening_too, bool drain);
/* Section 8.3. */
void lat_peer_close_start(struct lat_peer *p, uint64_t now, uint16_t code);
void lat_peer_close_received(struct lat_peer *p, uint64_t now, struct lat_session *s, uint16_t code);
void lat_peer_closing_packet(struct lat_peer *p, uint64_t now);
void lat_peer_stale(struct lat_engine *e, uint64_t now, const struct lat_path *from, const uint8_t *packet,
		    size_t bytes);
/* Answers STALE to DATA of an unknown index where section 8.4 allows. */
void lat_peer_stale_answer(struct lat_engine *e, uint64_t now, const struct lat_path *from, uint32_t idx);

/* ---- chan.c: what both directions share ---- */
void lat_chan_want(struct lat_chan *c, uint8_t want);
void lat_chan_unwant(struct lat_chan *c, uint8_t want);
/* Over: no look-up finds it any more; freed at the peer's next turn. */
void lat_chan_bury(struct lat_chan *c);
/* The half of it that the peer sees: its number and its request. */
void lat_chan_detach(struct lat_chan *c);
void lat_chan_reap(struct lat_peer *p);
struct lat_chan *lat_chan_find(const struct lat_engine *e, uint32_t handle);

/* ---- chan_out.c ---- */
int lat_chan_out_new(struct lat_chan_out **out, struct lat_peer *p, const struct lat_open_want *want,
		     void *user);
void lat_chan_out_free(struct lat_chan_out *co);
/* Writes what it wants to say. False: no room in this packet. */
bool lat_chan_out_control(struct lat_chan_out *co, struct lat_out *o);
/* Fills a packet with its messages. */
void lat_chan_out_data(struct lat_chan_out *co, struct lat_out *o);
/* After anything changed: is it ready, is it busy, is it time to close? */
void lat_chan_out_update(struct lat_chan_out *co);
int lat_chan_out_acked(struct lat_peer *p, struct lat_session *s, const struct lat_frame_chan_ack *f);
int lat_chan_out_naked(struct lat_peer *p, const struct lat_frame_chan_nak *f);
int lat_chan_out_credit(struct lat_peer *p, const struct lat_frame_credit *f);
void lat_chan_out_reset(struct lat_chan_out *co, uint16_t code, uint64_t next_seq);
void lat_chan_out_end(struct lat_chan_out *co, int err, uint64_t last_seq);
/* The same for both, and the peer is told by CHAN_RESET, whenever it can be reached again. */
void lat_chan_out_abandon(struct lat_chan_out *co, int err);
void lat_chan_in_abandon(struct lat_chan_in *ci, uint16_t code, bool drain);
/* The session in which it was asked for is over: asks again. */
void lat_chan_out_reopen(struct lat_chan_out *co);
/* May have room again after an acknowledgement. */
void lat_chan_out_room(struct lat_chan_out *co);

/* ---- chan_in.c: their life ---- */
int lat_chan_in_open(struct lat_session *s, uint64_t now, const struct lat_frame *f);
void lat_chan_in_free(struct lat_chan_in *ci);
bool lat_chan_in_control(struct lat_chan_in *ci, struct lat_out *o);
/* What was acknowledged has been taken: now the application learns of the end. */
void lat_chan_in_drained(struct lat_chan_in *ci);
/* Ends it when the last message before a CHAN_CLOSE was taken. */
void lat_chan_in_end_if_final(struct lat_chan_in *ci);
/* Counts what a lossy channel has missed since the last time. */
void lat_chan_in_count_lossy(struct lat_chan_in *ci);
int lat_chan_in_close(struct lat_peer *p, const struct lat_frame_chan_close *f);
/* We end it: CHAN_RESET. */
void lat_chan_in_reset(struct lat_chan_in *ci, uint16_t code);
void lat_chan_in_end(struct lat_chan_in *ci, int err, bool drain);
/* Nothing that was replied is on its way any more. */
void lat_chan_in_replied(struct lat_chan_in *ci);
/* Its CHAN_RESET has arrived. */
void lat_chan_in_reset_acked(struct lat_chan_in *ci);
void lat_chan_in_credit_retry(struct lat_engine *e);

/* ---- chan_right.c: what they were opened with ---- */
/* k_n of what a CHAN_OPEN shows, and whether its proof is right. @k is to be wiped in any case. */
bool lat_chan_in_proof(const struct lat_session *s, const struct lat_frame_chan_open *f,
		       uint8_t k[LAT_CAP_KEY]);
/* The node hears that a proof was wrong. */
void lat_chan_in_tell_wrong(const struct lat_session *s, const struct lat_frame_chan_open *f);
/* 0, or the code to refuse with. */
uint16_t lat_chan_in_admit(struct lat_chan_in *ci, const struct lat_frame_chan_open *f,
			   struct lat_open_ask *ask);
/* Whether the life that it was opened by has ended. */
bool lat_chan_in_dead(const struct lat_chan_in *ci);
/*
 * May a message of @msg_len, of the kind that needs @right, be handed up now? 0; -EAGAIN: later, the rate (lat_chan_in_run_rights() will offer it); -EKEYREVOKED,
 * -EKEYEXPIRED, -EACCES, -EMSGSIZE: never.
 */
int lat_chan_in_may(struct lat_chan_in *ci, uint16_t right, uint32_t msg_len);
/* It was not taken after all. */
void lat_chan_in_unspend(struct lat_chan_in *ci);
/* It was opened: watches over its expiry. */
void lat_chan_in_watch(struct lat_chan_in *ci);
/* Offers what waited for its rate, ends what has expired; when to come again. -EPROTO in *rc as lat_chan_in_offer(). */
uint64_t lat_chan_in_run_rights(struct lat_peer *p, uint64_t now, int *rc);

/* ---- chan_call.c: calls, and the reverse channels for their replies ---- */
/* The channel's reverse channel is over with it; is freed with it. Nothing happens if it has none. */
void lat_chan_reverse_end(struct lat_chan *c);
void lat_chan_reverse_free(struct lat_chan *c);
/* Whether something that was replied has not arrived. */
bool lat_chan_replies_wait(const struct lat_chan_in *ci);
/* The channel is over: so are its calls, by the same reason. */
void lat_chan_calls_fail(struct lat_chan_out *co, int err);
/* A REPLY came on the reverse channel @ci. 0, -EPROTO. */
int lat_chan_call_replied(struct lat_chan_in *ci, const struct lat_msg_body *m);
/* A CALL is next: @d is to say so. 0, -EPROTO; -ENOBUFS: it cannot be answered. Then, if it was taken (@rc 0) or refused: */
int lat_chan_call_due(struct lat_chan_in *ci, const struct lat_msg_body *m, struct lat_delivery *d);
void lat_chan_call_taken(struct lat_chan_in *ci, const struct lat_delivery *d, int rc);
/* A CANCEL. 0, -EPROTO. */
int lat_chan_call_cancelled(struct lat_chan_in *ci, const struct lat_msg_body *m);

/* ---- chan_take.c: their messages ---- */
/* 0, -EPROTO, -ENOMEM. */
int lat_chan_in_msg(struct lat_chan_in *ci, uint64_t now, const struct lat_frame *f);
int lat_chan_in_msgs(struct lat_chan_in *ci, uint64_t now, const struct lat_frame *f);
/* Offers what waits. 0 or -EPROTO. */
int lat_chan_in_offer(struct lat_chan_in *ci);
/* Whether one before it has not handed everything up. */
bool lat_chan_in_waits(const struct lat_chan_in *ci);
/* Those of the peer that need not wait any more: what they hold is offered. 0, or -EPROTO as from there. */
int lat_chan_in_release(struct lat_peer *p);
uint64_t lat_chan_in_expire(struct lat_peer *p, uint64_t now);

#endif

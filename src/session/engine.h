/*
 * The protocol machine of one node: peers, handshakes, sessions, channels, delivery. No socket and no clock inside, no
 * thread and no lock: the caller (room node) serialises all calls on one engine, hands time in and packets in and out
 * through a table of functions. With the same calls and the same random bytes it does the same things.
 *
 * Time is nanoseconds of CLOCK_BOOTTIME. Node numbers name peers. Channels are named by handles that are never reused
 * within an engine's life.
 */
#ifndef LAT_SESSION_ENGINE_H
#define LAT_SESSION_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cap/right.h"
#include "cap/table.h"
#include "crypto/kem.h"
#include "session/cc.h"
#include "session/handshake.h"
#include "wire/code.h"
#include "wire/path.h"

struct lat_engine;

enum lat_peer_state { LAT_PEER_IDLE, LAT_PEER_CONNECTING, LAT_PEER_UP, LAT_PEER_DOWN };

/* A message as it is handed up. The bytes are valid during the call only. */
struct lat_delivery {
	uint32_t node;
	int32_t src_pid, dst_pid;
	uint64_t seq;
	uint64_t lost;       /* on a lossy channel: how many of its messages are known to be lost, so far */
	int32_t type;        /* first 4 bytes of the payload (ARCHITECTURE 4) */
	const uint8_t *data; /* the rest */
	size_t bytes;
	const struct lat_cap_right
		*right;         /* that goes with it; NULL: none. A secret, valid during the call only */
	uint64_t call;          /* not 0: a call, by this number of its channel: lat_engine_call_reply() */
	uint64_t call_until_ns; /* it is to be answered before; UINT64_MAX: whenever */
};

/* One that is handed in. The bytes are copied. */
struct lat_engine_msg {
	int32_t type;
	const void *data;
	size_t bytes;
};

/* Who asks for a channel to a pid of ours, and with what. The bytes are valid during the call only. */
struct lat_open_ask {
	uint32_t node;
	const uint8_t *id; /* LAT_CAP_HOLDER bytes: who its handshake showed it to be */
	int32_t src_pid, dst_pid;
	/* A capability whose key it has shown to hold, as it came: nothing of it is checked. NULL: it asks as who it is. */
	const uint8_t *desc;
	const uint8_t *caveats; /* one after another */
	size_t caveat_count;
};

/* What the channel may carry, and for how long. */
struct lat_open_grant {
	struct lat_cap_ref life; /* it ends with that; {0, 0}: with nothing */
	uint16_t rights;         /* enum lat_right, after all caveats */
	uint32_t badge;
	uint32_t max_msg;   /* longest msg_len; 0: the engine's */
	uint32_t rate;      /* messages a second; 0: any */
	uint64_t not_after; /* unix seconds; 0: for ever */
};

/* Where the time of a PING went. What is not in the queue's or the crypto's was on the wire, the sealing of the PONG there included. */
struct lat_round_trip {
	uint64_t rtt_ns; /* from lat_engine_ping() until the PONG was opened */
	uint64_t
		queue_ns; /* until it was sealed; handing it over; there, from its arrival until it was answered; the PONG's until it was opened */
	uint64_t crypto_ns; /* sealing and opening it, opening the PONG */
};

/*
 * What the machine asks of its surroundings. Every slot but keylog and proof_wrong must be set. None may call back into the engine, none may block.
 */
struct lat_engine_ops {
	/* Fills @buf with random bytes. */
	void (*random)(void *ctx, void *buf, size_t bytes);
	/* One zeroed slot of LAT_SECRET_SLOT bytes in the key arena, or NULL. put wipes. */
	void *(*secret_get)(void *ctx);
	void (*secret_put)(void *ctx, void *slot);
	/*
	 * Sends one packet, whole or not at all. 0; -EAGAIN: no room now, lat_engine_writable() will be called;
	 * any other negative errno: this path does not work now (-ECONNREFUSED, -EHOSTUNREACH, ...). @to->node is 0
	 * for somebody not yet authenticated.
	 */
	int (*transmit)(void *ctx, const struct lat_path *to, const uint8_t *packet, size_t bytes);
	/* A packet from @from has proved to be @node's: a TCP connection may be kept and used for that node. */
	void (*path_proven)(void *ctx, const struct lat_path *from, uint32_t node);
	/*
	 * Nothing has come from the peer for LAT_DEAD_NS though something was due: should a TCP connection be what it went by,
	 * that is to be replaced. lat_engine_conn_down() and lat_engine_conn_up() tell of it, as always.
	 */
	void (*path_silent)(void *ctx, uint32_t node);
	/* The peer changed state. err: 0, or why it is down (-EHOSTUNREACH, -ECONNREFUSED, -EPROTO, ...). */
	void (*peer_state)(void *ctx, uint32_t node, enum lat_peer_state state, int err);
	/* The key of a capability of ours: 0, or -EACCES: we never gave it. It proves nothing about what is in it. */
	int (*cap_key)(void *ctx, const uint8_t desc[LAT_CAP_DESC], const uint8_t *caveats, size_t count,
		       uint8_t k[LAT_CAP_KEY]);
	/* What that allows, or a peer by being who it is: 0 with *out set, -EACCES, -EKEYREVOKED, -EKEYEXPIRED. */
	int (*cap_admit)(void *ctx, const struct lat_open_ask *ask, struct lat_open_grant *out);
	/* Somebody's proof is wrong, so that nothing it asked for was looked at. NULL: nobody wants to know. */
	void (*proof_wrong)(void *ctx, const struct lat_open_ask *ask);
	/* Whether that has not ended; asked for each message of a channel that has one. */
	bool (*cap_live)(void *ctx, struct lat_cap_ref life);
	/*
	 * The life of the reliable channel is over. What deliver() took and nobody has received is not received any more: the number of
	 * the last message that was, of @taken. inbound_ended(-EKEYREVOKED) follows.
	 */
	uint64_t (*inbound_cut)(void *ctx, void *user, uint64_t taken);
	/* Unix time in seconds: capabilities expire by it, nothing else. */
	uint64_t (*wall_s)(void *ctx);
	/* The peer knows that a channel from it, ended by lat_engine_revoke(), is over. */
	void (*revoked_told)(void *ctx, uint32_t node, struct lat_cap_ref life);
	/*
	 * The peer opens a channel to a pid of ours, as it may. Returns LAT_CODE_OK and sets *user (given back in deliver
	 * and inbound_ended), or the code to refuse with (LAT_CODE_ECONNREFUSED: nobody listens, LAT_CODE_ENOBUFS).
	 */
	int (*inbound_open)(void *ctx, uint32_t handle, const struct lat_open_ask *ask,
			    const struct lat_open_grant *grant, uint16_t cflags, void **user);
	/*
	 * A message, in order. 0 taken; -EAGAIN no room (reliable: offered again after lat_engine_drain(); lossy:
	 * dropped and counted). A call: what else there is a code for, too (-EOPNOTSUPP), which its caller is told.
	 */
	int (*deliver)(void *ctx, void *user, const struct lat_delivery *msg);
	/*
	 * The inbound channel is over, once, and after all that was acknowledged to the peer was taken: if something of
	 * it waits for room, the end waits with it for lat_engine_drain(). err: 0 closed by the sender; -ECONNRESET the
	 * peer restarted, or was out of reach for longer than the hold (90 s); -ENOKEY it was removed; -EPERM wrong token;
	 * -EACCES a kind of message that is not carried, or that it has no right to; -EMSGSIZE over what it may;
	 * -EKEYREVOKED, -EKEYEXPIRED what it was opened with has ended, and nothing that waits is taken any more; else what CLOSE or CHAN_RESET said (-ESHUTDOWN, -EPROTO, ...).
	 */
	void (*inbound_ended)(void *ctx, void *user, int err);
	/*
	 * Our outbound channel opened, once; or is over, once, opened or not. err: 0 closed, all of it received;
	 * -ECONNREFUSED, -EACCES, -EKEYREVOKED, -EKEYEXPIRED, -ENOBUFS, ... refused; -EHOSTUNREACH never opened, the peer was out of reach for
	 * longer than the hold; -ECONNRESET the same once it was open, or the peer restarted; -ENOKEY it was removed; else what CLOSE or
	 * CHAN_RESET said. last_seq: the last sequence that the receiver said it took, or else acknowledged.
	 */
	void (*outbound_opened)(void *ctx, void *user);
	void (*outbound_ended)(void *ctx, void *user, int err, uint64_t last_seq);
	/* A send that got -EAGAIN may be tried again; also called whenever the last unacknowledged message was acknowledged. */
	void (*outbound_room)(void *ctx, void *user);
	/*
	 * A call (lat_engine_call()) is over, once: err 0 with its reply, or why there is none: what its channel ended with, -EACCES (no
	 * right to call), -EOPNOTSUPP (no calls where that pid is), or another that the peer chose. reply NULL with err.
	 */
	void (*call_over)(void *ctx, void *user, int err, const struct lat_delivery *reply);
	/* A NET frame arrived. */
	void (*net_frame)(void *ctx, uint32_t node, const uint8_t *data, size_t bytes);
	/* A PONG that answers lat_engine_ping(). */
	void (*pong)(void *ctx, uint32_t node, uint64_t token, const struct lat_round_trip *trip);
	/*
	 * The peer asks which pid the service @name of ours is. 0 and *pid; -ENOENT or -EACCES (it is told neither from the other),
	 * or -EBUSY: this cannot be said yet.
	 */
	int (*resolve)(void *ctx, uint32_t node, const char *name, int32_t *pid);
	/* The answer to lat_engine_resolve(). err: 0 and @pid, or as above; -EPROTO: one of a wrong form. */
	void (*resolved)(void *ctx, uint32_t node, uint32_t req, int err, int32_t pid);
	/* The time now, by the clock that the calls' times are of: what a PING waits for is measured inside of calls, too. */
	uint64_t (*clock)(void *ctx);
	/* NULL but for debugging: the key of DATA packets with this index and channel number, when it is made. */
	void (*keylog)(void *ctx, uint32_t idx, uint16_t chan, const uint8_t subkey[32]);
};

enum { LAT_SECRET_SLOT = 256 };

struct lat_engine_config {
	uint32_t node;                 /* our number */
	uint64_t boot_id;              /* random, once per process start */
	uint8_t pk[LAT_KEM_PK];        /* our public key */
	const struct lat_kem_key *key; /* its secret, in the key arena; must outlive the engine */
	uint8_t mesh_key[32];
	uint32_t max_msg;            /* longest message (msg_len) in bytes; 0 = LAT_MAX_MSG_DEFAULT */
	uint16_t udp_max;            /* largest UDP payload we take; 0 = LAT_UDP_SEARCH_MAX */
	uint32_t sendq_max;          /* bytes held per outbound channel; 0 = 2 * max_msg */
	const struct lat_cc_ops *cc; /* congestion control over UDP; NULL: CUBIC */
};

struct lat_peer_config {
	uint32_t node;
	uint8_t pk[LAT_KEM_PK];
	uint8_t psk[32];
	struct lat_path path; /* proto 0: we never call it, it calls us; node must equal .node */
};

/* Why something was dropped or refused, counted. X(ID, name, sentence) */
#define LAT_ENGINE_COUNTERS(X)                                                                         \
	X(FORM, "session.form", "packet with a wrong type, version or length")                         \
	X(MAC1, "session.mac1", "hello from somebody without our key or the mesh key")                 \
	X(RATE, "session.rate", "hello over the rate of its address")                                  \
	X(M1_OPEN, "session.m1_open", "hello that does not open")                                      \
	X(UNKNOWN_ID, "session.unknown_id", "hello of an unknown identity")                            \
	X(HALF_FULL, "session.half_full", "hello refused, half-open table full")                       \
	X(HS_OPEN, "session.hs_open", "handshake packet that does not open")                           \
	X(HS_STATE, "session.hs_state", "handshake packet in no state for it")                         \
	X(HS_PARAMS, "session.hs_params", "peer's version or node number differs from the configured") \
	X(IDX, "session.idx", "data for an unknown session")                                           \
	X(CHAN, "session.chan", "data for an unknown channel")                                         \
	X(REPLAY, "session.replay", "data seen before or too old")                                     \
	X(DATA_OPEN, "session.data_open", "data that does not open")                                   \
	X(PROTO, "session.proto", "peer broke a rule, session closed")                                 \
	X(TOKEN, "session.token", "message with a wrong token")                                        \
	X(DUP_MSG, "session.dup_msg", "message fragment already held")                                 \
	X(LOSSY_DROP, "session.lossy_drop", "lossy message dropped, no room")                          \
	X(LOSSY_GAP, "session.lossy_gap", "lossy messages that never came")                            \
	X(REASM_DROP, "session.reasm_drop", "message fragment dropped, no memory")                     \
	X(OPEN_REFUSED, "session.open_refused", "channel open refused")                                \
	X(PROOF, "session.proof", "channel open without the key of its capability")                    \
	X(ENDED_RIGHT, "session.ended_right", "channel cut: its right was revoked or has expired")     \
	X(OVER_RIGHT, "session.over_right", "message that its channel has no right to")                \
	X(LATE_REPLY, "session.late_reply", "reply to a call that was over, dropped")                  \
	X(NO_CALL, "session.no_call", "reply to a call that was never made, dropped")                  \
	X(SECRETS, "session.secrets", "key arena full")                                                \
	X(RESENT, "session.resent", "frames sent again")                                               \
	X(LOST, "session.lost", "packets that counted as lost")                                        \
	X(SPURIOUS, "session.spurious", "packets that counted as lost and were only late")             \
	X(PTO, "session.pto", "probes for an acknowledgement that did not come")

enum lat_engine_counter {
#define LAT_COUNTER_ENUM(id, name, text) LAT_COUNT_##id,
	LAT_ENGINE_COUNTERS(LAT_COUNTER_ENUM)
#undef LAT_COUNTER_ENUM
		LAT_COUNT_MAX
};

struct lat_peer_info {
	enum lat_peer_state state;
	int err; /* why it is down */
	struct lat_path path;
	uint64_t handshake_ns; /* first M1 to finished, of the last handshake */
	uint64_t session_age_ns;
	uint64_t srtt_ns, min_rtt_ns; /* 0 unknown */
	uint64_t handshakes, rekeys;
	uint64_t packets_in, packets_out, bytes_in, bytes_out;
	uint64_t messages_in, messages_out, message_bytes_in, message_bytes_out; /* handed up; accepted */
	uint32_t packet_max; /* longest one that is sent */
	uint64_t window_bytes, flight_bytes;
	bool initiator;
	bool closing; /* it was told goodbye and has not heard it yet */
	uint8_t sid[LAT_SID];
	uint64_t counters[LAT_COUNT_MAX]; /* those of the engine's that are about this peer */
};

/* 0, -ENOMEM, -EINVAL. The engine copies the configuration but for the key. ops and ctx must outlive it. */
int lat_engine_open(struct lat_engine **out, const struct lat_engine_config *cfg,
		    const struct lat_engine_ops *ops, void *ctx, uint64_t now);
/* Wipes. Sends nothing: call lat_engine_peer_close() before, where a goodbye is wanted. No ops but secret_put are called. */
void lat_engine_close(struct lat_engine *e);

/* ---- peers ---- */
/* 0, -EEXIST, -EINVAL (our own node, a reserved number, our own key), -EKEYREJECTED (key known under another number), -ENOBUFS. */
int lat_engine_peer_add(struct lat_engine *e, const struct lat_peer_config *cfg);
/* Changes where the peer is called, from the next handshake on. 0, or -ENOKEY: no such peer. */
int lat_engine_peer_path(struct lat_engine *e, uint32_t node, const struct lat_path *path);
/*
 * Says goodbye once, wipes its keys and forgets it: channels end with -ENOKEY, and its number and key may be added again. What was
 * acknowledged to it and waits for room is still delivered. 0, or -ENOKEY.
 */
int lat_engine_peer_remove(struct lat_engine *e, uint64_t now, uint32_t node);
/* Starts a handshake unless there is a live session. 0, -ENOKEY, -EDESTADDRREQ: no path. */
int lat_engine_peer_connect(struct lat_engine *e, uint64_t now, uint32_t node);
/*
 * Sends CLOSE, and again for a while, and ends the peer's sessions and channels; its side does the same (section 8.3).
 * After LAT_CODE_EPROTO the peer is down with -EPROTO and not called for 5 s. 0, or -ENOKEY.
 */
int lat_engine_peer_close(struct lat_engine *e, uint64_t now, uint32_t node, enum lat_code code);
/* Whether our id is smaller than the peer's, compared as bytes (sections 3, 7). false for an unknown peer. */
bool lat_engine_smaller_id(const struct lat_engine *e, uint32_t node);
/* 0, or -ENOKEY with *out untouched. */
int lat_engine_peer_info(const struct lat_engine *e, uint64_t now, uint32_t node, struct lat_peer_info *out);

/* ---- events in ---- */
/*
 * One packet (without the TCP length prefix). The buffer is overwritten (opened in place). 0: handled, or dropped and
 * counted; -EPROTO: over TCP this connection must be closed (section 7). Over UDP the result does not matter.
 */
int lat_engine_packet(struct lat_engine *e, uint64_t now, const struct lat_path *from, uint8_t *packet,
		      size_t bytes);
/* Runs what is due; returns when to be called next (UINT64_MAX: not before the next event). Call after every other call. */
uint64_t lat_engine_tick(struct lat_engine *e, uint64_t now);
/* transmit() towards @node has room again: what it refused with -EAGAIN goes first. */
void lat_engine_writable(struct lat_engine *e, uint64_t now, uint32_t node);
/*
 * The TCP connection of @node came up / is gone: what was sent and is unacknowledged is sent again. err: why gone.
 * Without a conn_up the engine tries transmit() again after 1 s, so that a driver that opens on demand is asked to.
 */
void lat_engine_conn_up(struct lat_engine *e, uint64_t now, uint32_t node);
void lat_engine_conn_down(struct lat_engine *e, uint64_t now, uint32_t node, int err);
/*
 * Whether nothing is due to the peer or from it, and its path is one of a transient TCP connection: then that may be closed, or need
 * not be opened again, without lat_engine_conn_down(); the next transmit() is where another is wanted.
 */
bool lat_engine_peer_rest(struct lat_engine *e, uint32_t node);

/* ---- ping, services, driver frames ---- */
/*
 * 0: pong() follows, unless PING or PONG is lost; -ENOKEY; -EDESTADDRREQ; -EAGAIN: no session yet, one is being made.
 * At most 16 wait for their answer, the oldest is forgotten first.
 */
int lat_engine_ping(struct lat_engine *e, uint64_t now, uint32_t node, uint64_t token);
/*
 * Asks which pid the service @name (base/name.h) is there. 0: resolved() follows with @req, unless the peer restarts meanwhile, or is
 * asked for too much at once: ask again. -ENOKEY; -EDESTADDRREQ; -EINVAL: that is no name; -EAGAIN: no session yet, one is being made, or no room.
 */
int lat_engine_resolve(struct lat_engine *e, uint64_t now, uint32_t node, uint32_t req, const char *name);
/*
 * Never sent again. 0; -ENOKEY; -EMSGSIZE: does not fit one packet; -EAGAIN: no room, or no session yet: one is being
 * made where the peer can be called.
 */
int lat_engine_net_send(struct lat_engine *e, uint64_t now, uint32_t node, const void *data, size_t bytes);

/* ---- outbound channels ---- */
struct lat_open_want {
	int32_t src_pid, dst_pid;
	uint16_t cflags; /* enum lat_cflag; REVERSE: calls may be made on it, if it is reliable */
	/* What it is opened with; copied. NULL: as who we are. Whether it is meant for this peer and these pids, the peer says. */
	const struct lat_cap_right *right;
};
/*
 * Starts a session if needed. 0: outbound_opened() or outbound_ended() follows;
 * -ENOKEY; -EINVAL: other cflags; -EPROTO, -EACCES: a right that is none (lat_cap_right_allows()); -ENOBUFS: 4096 channels to this
 * peer are open, or the key arena is full; -ENOMEM.
 */
int lat_engine_chan_open(struct lat_engine *e, uint64_t now, uint32_t node, const struct lat_open_want *want,
			 void *user, uint32_t *handle);
/*
 * Accepts one message, or not: 0 accepted (*seq its number, seq may be NULL); -EAGAIN not open yet or no room,
 * outbound_room() follows; -EMSGSIZE, by the right that it was opened with, too; -ENOENT no such channel (it has ended).
 */
int lat_engine_chan_send(struct lat_engine *e, uint64_t now, uint32_t handle, int32_t type, const void *data,
			 size_t bytes, uint64_t *seq);
/*
 * The same with @right, which goes with the message: only on channels with TOKEN_FULL, else -EINVAL; -EPROTO, -EACCES: a right that is none
 * (lat_cap_right_allows()).
 */
int lat_engine_chan_send_cap(struct lat_engine *e, uint64_t now, uint32_t handle,
			     const struct lat_cap_right *right, int32_t type, const void *data, size_t bytes,
			     uint64_t *seq);
/*
 * Ends it after what was accepted is received (CHAN_CLOSE with final_seq); outbound_ended(0) when that is acknowledged,
 * at once if it has not opened yet. 0, or -ENOENT.
 */
int lat_engine_chan_close(struct lat_engine *e, uint64_t now, uint32_t handle);
/*
 * Makes a call on a channel with LAT_CFLAG_REVERSE: the request goes the way of other messages. @deadline_us: what is left of its
 * time, 0: no end; the caller looks at its clock himself. As lat_engine_chan_send(), and with 0 call_over(@user) follows, unless
 * it is cancelled by *id; -EOPNOTSUPP: no calls on this channel; -EACCES: the right that it was opened with does not allow it;
 * -ENOBUFS: 1024 calls are open on it, or the key arena or the peer's memory is full.
 */
int lat_engine_call(struct lat_engine *e, uint64_t now, uint32_t handle, const struct lat_engine_msg *request,
		    uint32_t deadline_us, void *user, uint64_t *id);
/* The caller gives up: call_over() is not called, and who answers is told. One that is over is fine. */
void lat_engine_call_cancel(struct lat_engine *e, uint64_t now, uint32_t handle, uint64_t id);

/* How many messages were accepted, calls and what cancels them among them; 0 for an unknown handle. */
uint64_t lat_engine_chan_accepted(const struct lat_engine *e, uint32_t handle);
/* Messages accepted and not yet acknowledged; 0 for an unknown handle. */
uint64_t lat_engine_chan_unacked(const struct lat_engine *e, uint32_t handle);

/* ---- inbound channels ---- */
/* What inbound_open() gave; NULL: it is over. *last, unless NULL: the number of its last call. */
void *lat_engine_inbound_user(const struct lat_engine *e, uint32_t handle, uint64_t *last);
/* The receiver has room again: offers what waits. */
void lat_engine_drain(struct lat_engine *e, uint64_t now, uint32_t handle);
/*
 * Answers call @id of an inbound channel. 0: it goes back, and the call is over; -EALREADY: it was over, or is by now: dropped, and counted;
 * -EINVAL: there was no such call; and with the call still open -EAGAIN: no room now; -EMSGSIZE: longer than the peer takes.
 */
int lat_engine_call_reply(struct lat_engine *e, uint64_t now, uint32_t handle, uint64_t id,
			  const struct lat_engine_msg *reply);
/*
 * We receive no more: CHAN_RESET with @code, which tells the sender the last sequence that deliver() took. Nothing is
 * delivered after the return, and inbound_ended() is not called. If the life that it was opened by has ended, that is the reason.
 */
void lat_engine_inbound_reset(struct lat_engine *e, uint64_t now, uint32_t handle, enum lat_code code);
/* Whether a peer with a session has not acknowledged that we receive no more: after CLOSE it could not learn how far we came. */
bool lat_engine_any_reset_unacked(const struct lat_engine *e);

/*
 * Lives have ended: each channel of one is over, here and, by CHAN_RESET with the last sequence that was received, there. Nothing of
 * it is delivered after the return. Who is out of reach learns it when it is back, revoked_told() says when. How many channels whose sender
 * has to be told.
 */
uint32_t lat_engine_revoke(struct lat_engine *e, uint64_t now);

uint64_t lat_engine_counter(const struct lat_engine *e, enum lat_engine_counter c);
const char *lat_engine_counter_text(enum lat_engine_counter c);
const char *lat_engine_counter_name(enum lat_engine_counter c);

#endif

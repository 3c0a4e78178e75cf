/*
 * A node: one participant in the network. It holds the endpoints (receiving pids), the channels and, when it is asked to, the
 * network: sockets, sessions, I/O threads. The processes of one machine and user share one node without asking for it: each pid is
 * received by one of them, and a channel leads to whichever that is.
 */
#ifndef LATTICE_NODE_H
#define LATTICE_NODE_H

#include <stdbool.h>

#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lattice_node;

enum lattice_host {
	LATTICE_HOST_AUTO =
		0, /* part of the node that runs on this machine for this user; if none does, of one that
				  * this process hosts: no network, no identity key */
	LATTICE_HOST_SELF = 1,    /* with the network, in this process; other processes attach to it */
	LATTICE_HOST_PRIVATE = 2, /* inside this process only: no network, no socket, no thread */
	LATTICE_HOST_ATTACH = 3   /* part of the node that runs; -ECONNREFUSED if none does */
};

#define LATTICE_PORT_DEFAULT 15000
#define LATTICE_PORT_ANY     (-1) /* the kernel chooses; lattice_node_port() tells */

/* All zero is a good configuration. */
struct lattice_node_config {
	enum lattice_host host;
	lattice_node_id
		node_id; /* 0: the one kept in the state directory, else derived from this machine (and kept); with
			   * LATTICE_HOST_AUTO that of the node which runs, and if another is wanted here that is -EINVAL */
	int port;        /* UDP and TCP; 0: LATTICE_PORT_DEFAULT */
	const char *bind_host; /* a literal address; NULL: all */
	const char *state_dir; /* NULL: $LATTICE_STATE_DIR, else as lattice_state_dir() says */
	uint32_t
		max_msg_bytes; /* longest message, here and to other nodes, its 12 bytes of pids and type included:
				 * 68 to 8 MiB; 0: 1 MiB */
	bool no_threads; /* the caller runs the network by lattice_node_poll(); and no process attaches, this one neither */
	bool allow_unlocked_keys; /* go on when the kernel refuses to lock the keys' memory */
	/*
	 * With LATTICE_HOST_SELF: who else may attach to this node, listen, and send, by user, group and peer (lattice(1) has its form).
	 * NULL: no other user may anything, and every peer may send to every pid.
	 */
	const char *policy_file;
	/*
	 * Where what is refused is written, a line each: a file, "stderr" or "none"; NULL: where the policy says, or nowhere. The file is made
	 * with mode 0600, only added to, and opened anew by lattice_node_reload(): move it away first.
	 */
	const char *audit_file;
	bool audit_json; /* each line of that is a JSON object */
};

/**
 * Opens a node in this process, or attaches to the one that runs.
 *
 * Processes meet at a socket: $LATTICE_SOCKET, else $XDG_RUNTIME_DIR/lattice/node.sock, else, for root, /run/lattice/node.sock;
 * else, or when these cannot be made, /tmp/lattice-UID/node.sock. Who takes the lock beside it hosts. With LATTICE_HOST_AUTO
 * this process attaches to who hosts, or hosts; when the host ends, however that happens, one of the others takes over, and what
 * they receive as and the channels between them stay. If who hosts has a network, the others reach other nodes through it, and are
 * reached. Only processes of the same user meet, unless who hosts has a policy that lets others in. A container shares the directory of the
 * socket, not the socket.
 *
 * With LATTICE_HOST_SELF: hosts, if nobody does (else it says so by log and by the counter local.elsewhere, and goes on); takes the state directory (one node at a time), makes an identity in it at first use, loads
 * the peers, binds UDP and TCP, starts the I/O thread.
 *
 * @param out  the node; NULL on failure
 * @param cfg  NULL for the defaults; copied
 *
 * Threads: any. Blocks for file and key work (a millisecond), while peers' host names are resolved, and until who hosts has
 * answered, 10 s at most.
 * @return 0, or
 *   -EBUSY        another node has this state directory; lattice_explain() names its pid
 *   -ECONNREFUSED LATTICE_HOST_ATTACH, and no process hosts
 *   -ETIMEDOUT    the process that hosts does not answer (it was stopped?); lattice_explain() names it
 *   -EADDRINUSE   the port is taken
 *   -EADDRNOTAVAIL, -EAFNOSUPPORT   bind_host is not an address of this machine
 *   -EACCES       the port may not be bound; the state directory cannot be read or written, or others may read its secrets; the
 *                 socket's directory cannot be used; the policy cannot be read, or others may write it; who hosts does not let
 *                 this user in
 *   -EBADMSG      a file in the state directory is damaged, or the policy has a mistake; lattice_explain() names it and the line
 *   -EKEYREJECTED two peers have one key, or a peer's file has a key that is not the one of its fingerprint
 *   -EPERM        the keys' memory cannot be locked (RLIMIT_MEMLOCK) and allow_unlocked_keys is false, or getrandom(2) is
 *                 forbidden; or the socket's directory, or one on the way to it, belongs to another user, or everybody may
 *                 replace what is in it
 *   -ELOOP        a symbolic link on the way to the socket's directory belongs to another user
 *   -ENOSYS       the kernel has no getrandom(2), or cannot keep memory out of dumps and children
 *   -EINVAL       a value of the configuration, a number that is not the one kept in the state directory, or not that of the
 *                 node which runs, or a peer with this node's own number or key; or $LATTICE_SOCKET is no path of a socket
 *   -EEXIST       what has the name of the socket, or of the lock or the key beside it, is another file; it is left as it is
 *   -ENOENT       no state directory is named, and there is no HOME to put one into
 *   -EAGAIN       no thread to be had
 *   -ENOTDIR      something on the way to the socket's directory is none
 *   -ENOMEM, -ENOBUFS (more peers than keys can be kept for, or too many processes), -EMFILE, -ENFILE, -ENAMETOOLONG, -ENOSPC, -EROFS, -EIO
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_open(struct lattice_node **out,
						   const struct lattice_node_config *cfg);

/**
 * Closes the node: says goodbye to peers, ends all its channels and endpoints, stops its thread, wipes its keys. Waits at most 2 s
 * for what was accepted to be received, and for those who send to it to hear how much was. Calls under way in other threads return -ESHUTDOWN. Handles of its endpoints and channels
 * stay valid until each is closed, but every call on them returns -ESHUTDOWN; while there is one, so does every call on
 * @node, which is otherwise gone. If this process hosted for others, one of them takes over. NULL is fine.
 *
 * Threads: one closes, once; not from a log callback.
 */
LATTICE_API void lattice_node_close(struct lattice_node *node);

/**
 * Reads the policy_file of this node again. What it still allows goes on; what it does not any more ends. With a mistake in it nothing
 * changes. The file that refusals are written to is opened anew.
 *
 * Threads: any. Blocks for file work.
 * @return 0, -EBADMSG (a mistake; lattice_explain() names the line and what would be right), -EACCES (it cannot be read, or others
 *   may write it), -ENOENT, -EFBIG, -ENOBUFS (more rules than there may be), -EOPNOTSUPP (the node was opened without a policy, and without an
 *   audit_file), -EINVAL,
 *   -ESHUTDOWN, -EPERM, -EIO, -ELOOP, -EMFILE, -ENFILE, -ENOMEM
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_reload(struct lattice_node *node);

enum { LATTICE_AUDIT_LINE_MAX = 2048 };

/**
 * What this node refused, of what it decides (in the process that hosts, or reaches other nodes): who, what, by which capability, and
 * why. The last 256 records are kept. A user, or peer, gets 16, then one each 4 s; all together 128, then two a second; what is
 * left out of somebody's is counted, and told as a record of its own.
 *
 * @param after  in: the number of the last record that was read, at first 0; out: that of this one
 * @param json   an object, else text; either way one line with its newline, in which what others chose can do nothing
 * @param buf    room for @bytes; LATTICE_AUDIT_LINE_MAX are enough
 *
 * Threads: any. Does not block.
 * @return the length of the line; -ENOENT (no more), -ENOBUFS (@bytes are too few), -EINVAL, -ESHUTDOWN, -EPERM
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_audit(struct lattice_node *node, uint64_t *after, bool json,
						    char *buf, size_t bytes);

/**
 * A descriptor to poll(2): readable once there is a record, until lattice_node_audit() has returned -ENOENT. For one reader. It is the node's:
 * neither read nor closed by the caller, and gone with the node.
 * @return the descriptor, or -EINVAL, -ESHUTDOWN, -EPERM, -EMFILE, -ENFILE, -ENOMEM
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_audit_fd(struct lattice_node *node);

enum { LATTICE_SOCKET_PATH_MAX = 4096 };

/* Where this machine's processes meet. */
struct lattice_node_host {
	int32_t process; /* the one that hosts; 0: none at the moment, or one of another pid namespace */
	bool self;       /* it is this one */
	char socket[LATTICE_SOCKET_PATH_MAX];
};

/* 0, -EOPNOTSUPP (a node by itself: LATTICE_HOST_PRIVATE, no_threads, or one that could not host), -ESHUTDOWN, -EINVAL, -EPERM. */
LATTICE_API LATTICE_MUST_USE int lattice_node_host(struct lattice_node *node, struct lattice_node_host *out);

struct lattice_receiver {
	int32_t pid;
	int32_t process;                    /* as in struct lattice_node_host */
	char name[LATTICE_SERVICE_MAX + 1]; /* the service that it is; "": none */
};

/**
 * Who receives on this node: the smallest pid above @after, and its process. Asks who hosts, 5 s at most.
 * @return 0, -ENOENT (there is none), -EOPNOTSUPP (as lattice_node_host()), -ETIMEDOUT (who hosts does not answer), -ESHUTDOWN,
 *   -EINVAL, -EPERM, -ENOMEM, -EMFILE, -ENFILE
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_receiver(struct lattice_node *node, int32_t after,
						       struct lattice_receiver *out);

/**
 * Which pid a service is, for lattice_channel_open(). On another node that is asked for over an authenticated session, and answered
 * only to who may open a channel to it.
 *
 * @param name        as of lattice_endpoint_open_name()
 * @param node_id     0 or this node's number: this node
 * @param pid         where the answer goes
 * @param timeout_ns  longest wait for another node, more than 0; of this one who hosts is asked, 5 s at most
 *
 * Threads: any.
 * @return 0, or
 *   -ENOENT     there is no such service, or none that this node may send to
 *   -EACCES     this user may not send to it
 *   -ETIMEDOUT  who hosts, or the other node, does not answer
 *   -EINVAL     that is no name, or timeout_ns is 0
 *   -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -ENOKEY, -EDESTADDRREQ, -EPROTO, -EOPNOTSUPP, -ENOBUFS, -EAGAIN  as
 *     lattice_node_connect()
 *   -ESHUTDOWN, -EPERM, -ENOMEM, -EMFILE, -ENFILE
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_resolve(struct lattice_node *node, const char *name,
						      lattice_node_id node_id, int32_t *pid,
						      int64_t timeout_ns);

/* This node's number; 0 for NULL. */
LATTICE_API lattice_node_id lattice_node_number(const struct lattice_node *node);

/* The bound UDP and TCP port; 0 for NULL and without a network. */
LATTICE_API uint16_t lattice_node_port(const struct lattice_node *node);

/**
 * With no_threads: one turn of network work, waiting at most @timeout_ns for something to happen. With I/O threads: nothing to
 * do, returns 0 at once. Work is also what was sent to other nodes and waits to share a packet: of messages that follow each other
 * the first goes at once, later ones may stay until a turn, or a call that waits. With 0 it asks the kernel as little as it can,
 * for callers that poll.
 *
 * Threads: any; several share the work.
 * @return 0 (also when nothing happened), or -ESHUTDOWN
 */
LATTICE_API int lattice_node_poll(struct lattice_node *node, int64_t timeout_ns);

/**
 * Says where a peer is reached, for this run; its key must be known (lattice_state_peer_add). @endpoint is "host:port"
 * or "[v6]:port"; NULL keeps the address that was configured or said here last, and changes @proto only.
 *
 * Blocks while the name is resolved.
 * @return 0, -ENOKEY (no key known for @peer), -EINVAL (form of @endpoint, or @proto), -ENOENT (the name does not resolve),
 *   -EAGAIN (it cannot be resolved now), -EDESTADDRREQ (no address known to keep), -EOPNOTSUPP (a node without network),
 *   -ESHUTDOWN, -ENOMEM
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_set_remote(struct lattice_node *node, lattice_node_id peer,
							 const char *endpoint, enum lattice_proto proto);

struct lattice_peer;

/**
 * Lets the node know a peer (<lattice/state.h>) for this run; nothing is written. Of one that it knows by the same key,
 * the endpoint and the transport are changed, when there is an endpoint.
 *
 * Blocks while the endpoint's name is resolved.
 * @return 0, -EINVAL (a number, name, endpoint, transport or key of a wrong form; our own number or key), -EEXIST (the key
 *   belongs to another number), -EKEYREJECTED (the number is bound to another key, or the key is not the one of the
 *   fingerprint), -ENOKEY (a fingerprint without a key), -ENOENT (the endpoint's name does not resolve), -EAGAIN (it cannot
 *   be resolved now), -ENOBUFS (too many peers), -ENOMEM, -EOPNOTSUPP (a node without network), -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_add_peer(struct lattice_node *node,
						       const struct lattice_peer *peer);

/**
 * Forgets a peer for this run; nothing is written ('lattice peers remove' is about the state directory, and the next start). Says
 * goodbye once, waiting for no answer; ends its session and its channels, closes its connection, wipes its keys and drops its
 * packets that wait (counted). From now on it is a stranger, as if it had never been known.
 *
 * Who waits in a call about it returns -ENOKEY, as later calls do. Channels to it are over with -ENOKEY, and
 * lattice_channel_sent() says what of them arrived. What it sent and was acknowledged to it is still received. It may be added
 * again, with the same key or another.
 *
 * Threads: any. Does not block.
 * @return 0, -ENOKEY (no such peer), -EOPNOTSUPP (a node without network), -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_remove_peer(struct lattice_node *node, lattice_node_id peer);

/**
 * Makes sure that there is a session with @peer, waiting at most @timeout_ns for the handshake.
 * @return 0, -ETIMEDOUT, -EHOSTUNREACH (does not answer: wrong address, or it does not know our key, or we have not the
 *   key it has), -ENETUNREACH (this machine has no way to it), -ECONNREFUSED (TCP: nobody listens), -ENOKEY, -EDESTADDRREQ
 *   (no address known), -EPROTO (version or node number differ from the configured), -EOPNOTSUPP (there is no network, here or in
 *   the process that hosts), -ESHUTDOWN; when that process is asked: -ENOBUFS (by too many, or 4 times by this one), -ENOMEM, -EAGAIN
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_connect(struct lattice_node *node, lattice_node_id peer,
						      int64_t timeout_ns);

/**
 * One authenticated round trip to @peer's I/O thread. What gets no answer is asked again each second.
 * @param rtt_ns  the time from the question that was answered to its answer
 * @return 0, or as lattice_node_connect()
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_ping(struct lattice_node *node, lattice_node_id peer,
						   uint64_t *rtt_ns, int64_t timeout_ns);

/* Where the time of a round trip went. */
struct lattice_round_trip {
	/* From when it was asked for until the answer was opened; the sum of the other three. */
	uint64_t rtt_ns;
	/*
	 * Waiting, here and there, for locks, threads, the congestion window: until the question is sealed and the driver has it, until
	 * it is answered there, and until the answer, read from its socket, is opened.
	 */
	uint64_t queue_ns;
	/* Sealing and opening the question, and opening the answer. */
	uint64_t crypto_ns;
	/* All else: both kernels and the network, sealing the answer, and what a packet waits in the driver. */
	uint64_t wire_ns;
};

/**
 * As lattice_node_ping(), and says where the time went. What the peer was busy with it says itself: believe that as far as you believe
 * the peer.
 * @return as lattice_node_ping()
 */
LATTICE_API LATTICE_MUST_USE int lattice_node_round_trip(struct lattice_node *node, lattice_node_id peer,
							 struct lattice_round_trip *out, int64_t timeout_ns);

enum lattice_peer_state {
	LATTICE_PEER_IDLE,       /* no session, and none is wanted */
	LATTICE_PEER_CONNECTING, /* one is being made */
	LATTICE_PEER_UP,
	LATTICE_PEER_DOWN,   /* it did not answer: lattice_peer_stats.err */
	LATTICE_PEER_CLOSING /* it is being told goodbye */
};

/* "idle", "connecting", "up", "down", "closing". */
LATTICE_API const char *lattice_peer_state_name(enum lattice_peer_state state);

/* Why something of a peer's was dropped. */
enum lattice_drop {
	LATTICE_DROP_REPLAY,  /* packets that came before, or far too late */
	LATTICE_DROP_FORGED,  /* packets that do not open under the session's keys */
	LATTICE_DROP_CHANNEL, /* packets of channels that are over, or sessions that are */
	LATTICE_DROP_TOKEN,   /* messages with a wrong token */
	LATTICE_DROP_DOUBLE,  /* pieces of messages that were here already */
	LATTICE_DROP_MEMORY,  /* pieces of messages, for want of memory, or because the rest never came */
	LATTICE_DROP_ROOM, /* messages of lossy channels, for which there was no room here: on arrival, or to be sent */
	LATTICE_DROP_MISSING, /* messages of lossy channels that never came */
	LATTICE_DROP_REFUSED, /* channels that it asked for in vain */
	LATTICE_DROP_RULE,    /* sessions, because it broke a rule */
	LATTICE_DROP_COUNT
};

/* "replay", "forged", ...; "" for no such cause. */
LATTICE_API const char *lattice_drop_name(enum lattice_drop cause);

#define LATTICE_ADDRESS_MAX 64

/* The state of one peer, as lattice_node_peer() saw it. Counts are since it became known. */
struct lattice_peer_stats {
	lattice_node_id node;
	bool up;                  /* state is LATTICE_PEER_UP */
	bool initiator;           /* this side called */
	enum lattice_proto proto; /* LATTICE_UDP or LATTICE_TCP, transient or not */
	uint64_t handshake_ns;    /* first packet to finished, of the last handshake */
	uint64_t session_age_ns;
	uint64_t rtt_ns; /* smoothed; 0 unknown */
	uint64_t handshakes;
	uint64_t packets_in, packets_out, bytes_in, bytes_out;

	enum lattice_peer_state state;
	int err;                           /* down: why, a negative errno */
	char address[LATTICE_ADDRESS_MAX]; /* where it is reached, "192.0.2.2:15000"; "" not known */
	/* Longest packet that is sent to it now, in bytes of UDP or TCP payload; 0 without a session. */
	uint32_t packet_max;
	uint64_t rtt_min_ns;                 /* shortest on this path; 0 unknown */
	uint64_t window_bytes, flight_bytes; /* how much may be unacknowledged, and how much is */
	uint64_t rekeys;                     /* of the handshakes, those that renewed a session */
	uint64_t messages_in, messages_out;  /* taken for receivers here; accepted to be sent */
	uint64_t message_bytes_in, message_bytes_out;
	uint64_t lost, late; /* packets that counted as lost; of those, that were only late */
	uint64_t resent;     /* pieces of messages sent again */
	uint64_t probes;     /* times that an acknowledgement did not come, and was asked for */
	uint64_t dropped[LATTICE_DROP_COUNT];
};

/* 0, -ENOKEY, -EOPNOTSUPP, -ESHUTDOWN; when who hosts is asked: -ETIMEDOUT, -ENOBUFS, -ENOMEM, -EAGAIN. */
LATTICE_API LATTICE_MUST_USE int lattice_node_peer(struct lattice_node *node, lattice_node_id peer,
						   struct lattice_peer_stats *out);

/* One counter. The name is stable ("net.tcp_accepted", "session.replay"); the text is a phrase for people. */
struct lattice_stat {
	const char *name;
	const char *text;
	uint64_t value;
};

/**
 * Reads the node's counters. Never carries keys.
 * @param out  room for @max counters; NULL: none
 * @return how many counters there are (may be more than @max; only @max are written)
 */
LATTICE_API size_t lattice_node_stats(struct lattice_node *node, struct lattice_stat *out, size_t max);

/* The library's version, "0.1.0". */
LATTICE_API const char *lattice_version(void);

#ifdef __cplusplus
}
#endif

#endif

/*
 * The network driver, as the specification has it: the process's default node with the network. Packets are bytes between
 * nodes, `[local_node | data]`, sealed and authenticated by the session like everything else; no pid, no channel, no
 * promise of delivery. Messages are in <lattice/ipc.h> and <lattice/channel.h>.
 *
 * The default node is opened by lattice_net_init(), or, without the network, by the first lattice_listen() or lattice_connect()
 * of <lattice/ipc.h>. lattice_net_shutdown() closes it; after that every call returns -ESHUTDOWN until lattice_net_init() opens
 * a new one.
 *
 * Errors: negative errno, and lattice_explain(NULL, rc, ...) has the sentence that belongs to the thread's last one.
 *
 * Threads: every call from any thread, and while others are in lattice_net_shutdown(): they return -ESHUTDOWN. None of
 * them may be used in a signal handler, nor in a child after fork while the parent has a default node (-EPERM).
 */
#ifndef LATTICE_NET_H
#define LATTICE_NET_H

#include <stdbool.h>

#include <lattice/node.h>
#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What gives way when a peer's queue of received packets is full. */
enum lattice_overflow { LATTICE_DROP_OLDEST = 0, LATTICE_DROP_NEWEST = 1 };

enum {
	LATTICE_MAX_QUEUE_DEFAULT = 256,
	LATTICE_PACKET_MAX = 1152 /* data bytes of one packet: what every path carries */
};

/* All zero is a good configuration. */
struct lattice_net_config {
	lattice_node_id node_id; /* 0: the one kept in the state directory, else derived from this machine */
	int port;                /* UDP and TCP, IPv4 and IPv6; 0: LATTICE_PORT_DEFAULT, LATTICE_PORT_ANY */
	uint32_t max_queue;      /* packets waiting per peer; 0: LATTICE_MAX_QUEUE_DEFAULT; at most 2^20 */
	enum lattice_overflow overflow;
	const char *state_dir;    /* NULL: lattice_state_dir() */
	const char *bind_host;    /* a literal address; NULL: all */
	bool allow_unlocked_keys; /* go on when the kernel refuses to lock the keys' memory */
};

/* A received packet. */
struct lattice_packet {
	lattice_node_id node; /* who sent it: authenticated */
	const void *data;
	size_t len;
};

/**
 * Opens the default node with the network: identity, peers, sockets, I/O thread. While another thread closes the one before, it
 * waits for that.
 * @param cfg  NULL for the defaults; copied
 * @return 0, -EBUSY (the default node is open already, with or without the network, or is being closed by a callback that has not
 *   returned; another process has the state directory; or the caller is a receive callback), -EINVAL (max_queue, overflow), -EPERM
 *   (a forked child), or as lattice_node_open()
 */
LATTICE_API LATTICE_MUST_USE int lattice_net_init(const struct lattice_net_config *cfg);

/**
 * Says where @node is reached, for as long as the default node is open. Its key must be in the state directory
 * (`lattice peers add`); one that was added since lattice_net_init() is found. Again for the same node: it is called at the new
 * place from now on.
 * @param host   a name or a literal address, v4 or v6; with several addresses the first is used
 * @param proto  LATTICE_TCP: a connection is kept and reopened by itself; LATTICE_TCP_TRANSIENT: one is opened when there is something
 *               to send, and closed when it is idle; LATTICE_UDP
 *
 * Blocks while the name is resolved.
 * @return 0, -ENOKEY (no key in the state directory, or only a fingerprint), -EKEYREJECTED (its file holds a key that is not the
 *   one of its fingerprint), -EINVAL (host, port, proto, our own number), -ENOENT (the name does not resolve), -EAGAIN (it
 *   cannot be resolved now), -EBADMSG, -EACCES (its file is damaged, or may not be read), -EEXIST (its key is another node's),
 *   -ENOBUFS, -ENOMEM, -ENOTCONN (no lattice_net_init()), -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_net_add_remote(lattice_node_id node, const char *host, int port,
							enum lattice_proto proto);

/**
 * Forgets @node for as long as the default node is open, as lattice_node_remove_peer() does: its packets that wait are dropped
 * (counted), and pids that are joined to some there stay joined, but sending to them returns -ENOKEY. The state directory is
 * left as it is, so lattice_net_add_remote() gets to know it again, by the key that is there then.
 * @return 0, -ENOKEY (no such peer), -ENOTCONN (no lattice_net_init()), -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_net_remove_remote(lattice_node_id node);

/**
 * Hands received packets to @fn instead of queueing them, each once; what is queued already comes first. NULL: queue again.
 *
 * @fn runs on a thread of the library's own, one packet at a time, under no lock: it may block (then packets queue) and call the library,
 * lattice_net_shutdown() too. packet->data is valid during the call. When this returns (unless it is called by the callback
 * itself) the callback before is not running any more, so it blocks while that does.
 * @return 0, -ENOTCONN (no lattice_net_init()), -ESHUTDOWN (then the callback before may still be running), -EAGAIN (no thread
 *   to be had)
 */
typedef void (*lattice_net_recv_fn)(void *ctx, const struct lattice_packet *packet);
LATTICE_API int lattice_net_set_recv_callback(lattice_net_recv_fn fn, void *ctx);

/**
 * Sends one packet to @node, making a session and a connection when there is none: it waits for that and for room, at most 5 s.
 * A connection that broke is opened again and the packet sent by the new one.
 * @param node  0 or our own number: to ourselves, into the queue from which lattice_net_recv() takes
 * @return 0 sent (no promise that it arrives), or
 *   -EINVAL        a length without data
 *   -EMSGSIZE      over LATTICE_PACKET_MAX
 *   -ENOKEY        no key is known for @node
 *   -EDESTADDRREQ  no address is known for @node
 *   -ECONNREFUSED  nothing listens at its address (TCP)
 *   -EHOSTUNREACH, -ETIMEDOUT  it does not answer
 *   -EPROTO        its version or number differ from the configured
 *   -EMFILE, -ENFILE, -ENOMEM  it has to wait and cannot
 *   -ENOTCONN      no lattice_net_init()
 *   -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_net_send(lattice_node_id node, const void *data, size_t bytes);

/**
 * Takes the oldest packet of some peer, peers in turn.
 * @param packet      filled in; packet->data is @buf
 * @param timeout_ns  longest wait; 0 does not wait
 * @return 0, -ENOMSG (nothing there and timeout_ns 0), -ETIMEDOUT, -EMSGSIZE (longer than @bytes: packet->len says how long; it
 *   stays), -EINVAL (no packet, or a length without a buffer), -EBUSY (a callback is set), -ENOTCONN (no lattice_net_init()), -ESHUTDOWN, -EMFILE, -ENFILE, -ENOMEM (it has to
 *   wait and cannot)
 */
LATTICE_API LATTICE_MUST_USE int lattice_net_recv(struct lattice_packet *packet, void *buf, size_t bytes,
						  int64_t timeout_ns);

/**
 * Ends every session and connection and begins anew: queues are emptied (counted as drops), peers and their addresses stay, the next send
 * shakes hands again. Channels end with -ECONNRESET, here and there. Blocks until the peers have heard of it, at most a second.
 * @return 0, -ENOTCONN (no lattice_net_init()), -ESHUTDOWN
 */
LATTICE_API int lattice_net_reset(void);

/**
 * Closes the default node, with the network and all its pids, in bounded time: at most 2 s for what was accepted to be received, and,
 * at the same time, for a callback that is running to return; one that does not is left to itself. Whoever blocks in a call
 * returns -ESHUTDOWN. Twice is fine; the second waits for the first. Channels of lattice_channel_between() are gone.
 *
 * A callback may call it: then it returns at once and the rest happens when the callback has returned, or another thread calls
 * this too.
 */
LATTICE_API void lattice_net_shutdown(void);

/* The number of the default node; 0 when none is open. */
LATTICE_API lattice_node_id lattice_net_local_node(void);

/* The port that the default node is bound to, UDP and TCP; 0 without lattice_net_init(). */
LATTICE_API uint16_t lattice_net_port(void);

/*
 * The default node's counters, as lattice_node_stats(): among them "packets.received", "packets.taken", and for each cause
 * "packets.dropped_oldest", "_newest", "_memory", "_reset", "_removed", "_closed". None when it is not open.
 */
LATTICE_API size_t lattice_net_stats(struct lattice_stat *out, size_t max);

#ifdef __cplusplus
}
#endif

#endif

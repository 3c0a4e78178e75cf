/*
 * The network driver: UDP and TCP sockets on one port, IPv4 and IPv6, connections and their life, framing.
 * It moves packets and knows nothing of what is in them (PROTOCOL section 7).
 *
 * One I/O thread (or the caller, by lat_driver_turn()) reads; any thread sends. The driver's lock is never held while
 * an operation of struct lat_driver_ops runs, so those may take their own lock and call lat_driver_send() under it.
 */
#ifndef LAT_NET_DRIVER_H
#define LAT_NET_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/path.h"

struct lat_driver;

/*
 * All are called on the I/O thread (or in lat_driver_turn()), one at a time, without a lock held. None may block for
 * long. Every slot must be set. Any call on the driver is allowed within but shutdown, close and turn.
 */
struct lat_driver_ops {
	/*
	 * One packet; @packet may be written to, and is the driver's again on return. from->conn names the TCP connection it
	 * came by, from->node whose it has proved to be, or 0. 0, or -EPROTO: close this TCP connection (over UDP the result
	 * does not matter). Over UDP any datagram comes here; over TCP only frames of 24 bytes and more and of a known type.
	 */
	int (*packet)(void *ctx, const struct lat_path *from, uint8_t *packet, size_t bytes);
	/*
	 * The TCP connection kept for @node came up: the one we opened is connected, or the one it opened has proved to be its. A
	 * second one without conn_down between has replaced the first. What was sent by the old one may be lost.
	 * One that we opened is a stranger's to the other side until something proves us there, and is bounded like one: send
	 * something at once, and let the first packet be of LAT_TCP_UNAUTH_BYTES - 2 at most.
	 */
	void (*conn_up)(void *ctx, uint32_t node);
	/*
	 * The one kept for @node went away, or an attempt to open it failed. err: -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH
	 * and others of connect(2); -ETIMEDOUT (no answer, nothing proved in time, or no progress for LAT_DEAD_NS);
	 * -ECONNRESET (also: the peer closed it), -EPIPE; -EPROTO (bad framing, or the packet operation said so);
	 * -ECONNABORTED (it has proved to be another node's). Where an address is known it is opened again by itself, a
	 * transient one unless lat_driver_rest() says here that it need not be.
	 */
	void (*conn_down)(void *ctx, uint32_t node, int err);
	/* lat_driver_send() towards @node has room again after -EAGAIN; also after each conn_up. node 0: UDP, any. */
	void (*writable)(void *ctx, uint32_t node);
	/*
	 * For LAT_TCP_IDLE_NS nothing has gone either way by the connection that we opened to @node, and its path is transient:
	 * lat_driver_rest() closes it, if nothing is due. Said again each time that so long has passed.
	 */
	void (*idle)(void *ctx, uint32_t node);
	/*
	 * Timers. Returns when to be called next (CLOCK_BOOTTIME ns, UINT64_MAX never). Called once at the start, when that
	 * time or one of lat_driver_wake() has come, and after every turn in which other operations ran: possibly too early, never late.
	 */
	uint64_t (*tick)(void *ctx);
};

struct lat_driver_config {
	uint16_t port;            /* 0: the kernel chooses one, the same for all sockets */
	const char *bind_host;    /* NULL: all addresses, v4 and v6; else one literal address */
	bool no_udp, no_tcp;      /* leave a transport out */
	bool no_thread;           /* the caller runs lat_driver_turn() */
	uint32_t tcp_queue_bytes; /* per connection; 0 = 1 MiB; at least one frame of the longest packet */
	uint64_t unauth_ns;       /* to connect, and then to prove something; 0 = LAT_TCP_UNAUTH_NS */
	uint64_t idle_ns;         /* before idle is said; 0 = LAT_TCP_IDLE_NS */
	uint64_t stall_ns;        /* a write without progress ends the connection; 0 = LAT_DEAD_NS */
};

enum { LAT_DRIVER_KEPT_MAX = 4096 }; /* nodes that TCP connections are kept for */

enum lat_driver_counter {
	LAT_NET_UDP_IN,
	LAT_NET_UDP_OUT,
	LAT_NET_UDP_ERROR, /* the kernel refused to send or receive */
	LAT_NET_UDP_TRUNCATED,
	LAT_NET_UDP_NO_GSO, /* sockets on which the kernel refused to cut one buffer into datagrams: they go one by one */
	LAT_NET_TCP_IN,
	LAT_NET_TCP_OUT,
	LAT_NET_TCP_ACCEPTED,
	LAT_NET_TCP_CONNECTED,
	LAT_NET_TCP_CONNECT_FAILED,
	LAT_NET_TCP_UNAUTH_FULL,  /* refused: LAT_TCP_UNAUTH_CONNS unproven connections */
	LAT_NET_TCP_UNAUTH_TIME,  /* closed: proved nothing within LAT_TCP_UNAUTH_NS */
	LAT_NET_TCP_UNAUTH_BYTES, /* closed: proved nothing within LAT_TCP_UNAUTH_BYTES */
	LAT_NET_TCP_FRAMING,      /* closed: bad length or type */
	LAT_NET_TCP_STALLED,      /* closed: no progress for LAT_DEAD_NS */
	LAT_NET_TCP_RESTED,       /* transient, closed by us: nothing was due */
	LAT_NET_TCP_QUEUE_FULL,   /* sends that got -EAGAIN for it */
	LAT_NET_COUNTERS
};

/*
 * Binds, listens and starts the I/O thread: operations may run before this returns. @cfg is copied; @ops and @ctx must
 * outlive the driver. Where the kernel has no IPv6,
 * v4 alone is bound. *out is NULL on failure. 0, or
 *   -EADDRINUSE     the port is taken (port 0: none was free on all sockets, several times in a row)
 *   -EACCES         a port below 1024 without the right to it
 *   -EADDRNOTAVAIL  bind_host is not an address of this machine
 *   -EAFNOSUPPORT   bind_host is IPv6 and the kernel has none
 *   -EINVAL         both transports left out, bind_host not a literal address, or an operation is missing
 *   -ENOMEM, -EMFILE, -ENFILE, -EAGAIN (no thread to be had)
 */
LAT_MUST_CHECK int lat_driver_open(struct lat_driver **out, const struct lat_driver_config *cfg,
				   const struct lat_driver_ops *ops, void *ctx);
/*
 * Ends the traffic: joins the I/O thread, hands the kernel what is queued as far as it takes that at once, and closes all
 * sockets, in bounded time. Every send that has begun is over on return, later ones get -ESHUTDOWN, no operation runs any
 * more. The driver remains, for threads that still send. Twice is fine. Not from within an op, nor under a lock that an op takes.
 */
void lat_driver_shutdown(struct lat_driver *d);
/* Shuts down and frees. No other call on @d may begin any more. NULL is fine. */
void lat_driver_close(struct lat_driver *d);
/* The port of all sockets, host order. Stays after shutdown. */
uint16_t lat_driver_port(const struct lat_driver *d);

/*
 * Sends one packet, whole or not at all; never blocks. UDP: to @to's address. TCP with to->conn: on that
 * connection; with conn 0: on the connection kept for to->node, and when there is none, one to @to's address is begun
 * and -EAGAIN returned (conn_up then writable follow, or conn_down). A node's last address given here is the one that its
 * connection is opened to again: at once, though no two good ones within 100 ms, then after 100 ms, doubling up to 5 s, until
 * lat_driver_forget().
 * Over TCP 0 means queued: what a connection holds when it fails is lost, and nothing of it reaches the next one.
 * 0, or
 *   -EAGAIN        no room, or no connection yet: the writable operation follows. A connection that has not proved to
 *                  be a node's holds LAT_TCP_UNAUTH_BYTES, and has no node that writable could name
 *   -ENOTCONN      to->conn is gone; or there is none for to->node, and no address of it is known
 *   -EMSGSIZE      too long: for UDP (LAT_UDP_MAX, or the interface), for TCP_MAX_PKT; TCP: also below 24 bytes
 *   -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -EACCES, -EPERM  UDP: the kernel's own refusal
 *   -EAFNOSUPPORT  no socket of that transport or family here, or UDP without an address
 *   -EINVAL        no such transport, or TCP with neither connection nor node
 *   -ENOBUFS       connections are kept for LAT_DRIVER_KEPT_MAX nodes already
 *   -ENOMEM, -ESHUTDOWN
 */
LAT_MUST_CHECK int lat_driver_send(struct lat_driver *d, const struct lat_path *to, const uint8_t *packet,
				   size_t bytes);

/*
 * As lat_driver_send(), but the packet may wait for others to the same place until lat_driver_flush(), so that all go by one
 * system call. Over UDP, what the kernel then refuses is lost, as on the way, and counted;
 * one that is longer than all before goes at once, so that -EMSGSIZE is told.
 */
LAT_MUST_CHECK int lat_driver_post(struct lat_driver *d, const struct lat_path *to, const uint8_t *packet,
				   size_t bytes);
/* What is posted goes out. Any thread. */
void lat_driver_flush(struct lat_driver *d);

/*
 * Connection @conn has proved to be @node's: it is no longer bounded as a stranger's. If another live connection is kept
 * for @node, @prefer says whether this one replaces it (section 7: the one opened by the smaller id); of two opened by
 * one side the newer is kept, whatever @prefer says, and one that is still connecting always loses. The loser is closed
 * without conn_down. conn_up follows when @conn is a new one for @node. Repeating it, or a connection that is gone: nothing.
 */
void lat_driver_conn_prove(struct lat_driver *d, uint32_t conn, uint32_t node, bool prefer);
/* Whether we opened @conn; false when it is gone. */
bool lat_driver_conn_outgoing(struct lat_driver *d, uint32_t conn);
/*
 * Nothing comes by the connection kept for @node any more: ends it, as one that failed with -ETIMEDOUT, and so opens it again
 * where an address is known. None, or one that is still connecting: nothing.
 */
void lat_driver_renew(struct lat_driver *d, uint32_t node);
/*
 * Nothing is due to @node or from it: the transient connection that we opened to it is closed, without conn_down, and none is opened
 * before the next lat_driver_send(). What the peer sent before it saw the end is still handed out. A connection that is no
 * transient one, or that it opened: nothing.
 */
void lat_driver_rest(struct lat_driver *d, uint32_t node);
/*
 * Closes what is kept for @node and forgets it and its address, without conn_down. What is queued goes to the kernel as far as it
 * takes that at once.
 */
void lat_driver_forget(struct lat_driver *d, uint32_t node);

/* Timers changed: tick no later than @when. Any thread. */
void lat_driver_wake(struct lat_driver *d, uint64_t when);
/*
 * One I/O turn of the caller's (no_thread only), waiting at most @timeout_ns for something to do (negative: no limit), rounded up to a
 * millisecond. Any thread, one at a time. 0, -EBUSY: the I/O thread or another thread does that, or -ESHUTDOWN.
 */
LAT_MUST_CHECK int lat_driver_turn(struct lat_driver *d, int64_t timeout_ns);

/*
 * Readable while lat_driver_turn() has something to do, due timers included (no_thread only). The driver's own: do not read,
 * change or close it; it goes with lat_driver_close().
 */
int lat_driver_fd(const struct lat_driver *d);

/* Read live, from any thread. */
uint64_t lat_driver_counter(const struct lat_driver *d, enum lat_driver_counter c);
/* "net.tcp_accepted": without spaces; NULL for no counter. */
const char *lat_driver_counter_name(enum lat_driver_counter c);
/* A phrase for people; NULL for no counter. */
const char *lat_driver_counter_text(enum lat_driver_counter c);

#endif

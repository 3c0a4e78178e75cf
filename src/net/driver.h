/*
 * The network driver: UDP and TCP sockets on one port, IPv4 and IPv6, connections and their life, framing.
 * It moves packets and knows nothing of what is in them.
 *
 * One I/O thread (or the caller, by lat_driver_turn()) reads; any thread sends. The driver's lock is never held while
 * an operation of struct lat_driver_ops runs, so those may take their own lock and call lat_driver_send() under it.
 */
#ifndef LAT_NET_DRIVER_H
#define LAT_NET_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/path.h"

struct lat_driver;

/* All are called on the I/O thread (or in lat_driver_turn()), without a lock held. None may block for long. */
struct lat_driver_ops {
	/* One packet; @packet may be written to. 0, or -EPROTO: close this TCP connection. */
	int (*packet)(void *ctx, const struct lat_path *from, uint8_t *packet, size_t bytes);
	/* The TCP connection kept for @node came up, or went away (err: why). */
	void (*conn_up)(void *ctx, uint32_t node);
	void (*conn_down)(void *ctx, uint32_t node, int err);
	/* lat_driver_send() towards @node has room again after -EAGAIN. node 0: UDP, any. */
	void (*writable)(void *ctx, uint32_t node);
	/* Timers. Returns when to be called next (CLOCK_BOOTTIME ns, UINT64_MAX never). */
	uint64_t (*tick)(void *ctx);
};

struct lat_driver_config {
	uint16_t port; /* 0: the kernel chooses one, the same for all sockets */
	const char *bind_host; /* NULL: all addresses, v4 and v6; else one literal address */
	bool no_udp, no_tcp; /* leave a transport out */
	bool no_thread; /* the caller runs lat_driver_turn() */
	uint32_t tcp_queue_bytes; /* per connection; 0 = 1 MiB */
};

enum lat_driver_counter {
	LAT_NET_UDP_IN, LAT_NET_UDP_OUT, LAT_NET_UDP_ERROR, LAT_NET_UDP_TRUNCATED,
	LAT_NET_TCP_IN, LAT_NET_TCP_OUT, LAT_NET_TCP_ACCEPTED, LAT_NET_TCP_CONNECTED, LAT_NET_TCP_CONNECT_FAILED,
	LAT_NET_TCP_UNAUTH_FULL, /* refused: LAT_TCP_UNAUTH_CONNS unproven connections */
	LAT_NET_TCP_UNAUTH_TIME, /* closed: proved nothing within LAT_TCP_UNAUTH_NS */
	LAT_NET_TCP_UNAUTH_BYTES, /* closed: proved nothing within LAT_TCP_UNAUTH_BYTES */
	LAT_NET_TCP_FRAMING, /* closed: bad length or type */
	LAT_NET_TCP_STALLED, /* closed: no progress for LAT_DEAD_NS */
	LAT_NET_TCP_QUEUE_FULL,
	LAT_NET_COUNTERS
};

/* 0, -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -EINVAL, -ENOMEM, -EMFILE. Where the kernel has no IPv6, v4 alone is bound. */
int lat_driver_open(struct lat_driver **out, const struct lat_driver_config *cfg, const struct lat_driver_ops *ops,
                    void *ctx);
/* Wakes and joins the I/O thread, closes everything, in bounded time. Not from within an op. NULL is fine. */
void lat_driver_close(struct lat_driver *d);
uint16_t lat_driver_port(const struct lat_driver *d);

/*
 * Sends one packet, whole or not at all; never blocks. UDP: to @to's address. TCP with to->conn: on that
 * connection; with conn 0: on the connection kept for to->node, and when there is none, one to @to's address is begun
 * and -EAGAIN returned (conn_up then writable follow, or conn_down).
 * 0, -EAGAIN, -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -ENOTCONN (to->conn is gone), -EMSGSIZE, -ESHUTDOWN.
 */
int lat_driver_send(struct lat_driver *d, const struct lat_path *to, const uint8_t *packet, size_t bytes);

/*
 * Connection @conn has proved to be @node's: it is no longer bounded as a stranger's. If another live connection is kept
 * for @node, @prefer says whether this one replaces it (section 7: the one opened by the smaller id; of two opened by
 * one node, the newer); the loser is closed without conn_down.
 */
void lat_driver_conn_prove(struct lat_driver *d, uint32_t conn, uint32_t node, bool prefer);
/* Whether we opened @conn. */
bool lat_driver_conn_outgoing(struct lat_driver *d, uint32_t conn);
/* Closes what is kept for @node and forgets it. */
void lat_driver_forget(struct lat_driver *d, uint32_t node);

/* Timers changed: tick no later than @when. Any thread. */
void lat_driver_wake(struct lat_driver *d, uint64_t when);
/* One I/O turn of the caller's, waiting at most @timeout_ns (no_thread only). 0, or -EBUSY: the I/O thread does that. */
int lat_driver_turn(struct lat_driver *d, int64_t timeout_ns);

uint64_t lat_driver_counter(const struct lat_driver *d, enum lat_driver_counter c);
const char *lat_driver_counter_name(enum lat_driver_counter c);

#endif

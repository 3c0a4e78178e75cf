/* The UDP sockets of a driver: packets in and out, one datagram each. */
#ifndef LAT_NET_UDP_H
#define LAT_NET_UDP_H

#include <stddef.h>
#include <stdint.h>

#include "net/io.h"
#include "net/sock.h"

enum { LAT_UDP_BATCH = 16 }; /* datagrams read by one system call */

struct lat_udp {
	struct lat_io *io;
	int fd[LAT_SOCK_FAMILIES]; /* -1: none */
	uint8_t *buf;              /* LAT_UDP_BATCH pieces of LAT_IO_BUF; the I/O thread's */
};

/* Makes it empty: fini is allowed from here on. */
void lat_udp_init(struct lat_udp *u, struct lat_io *io);
void lat_udp_fini(struct lat_udp *u);

/* Watches a socket of lat_sock_bind() that becomes ours, also on failure. 0, -ENOMEM, -ENOSPC. */
LAT_MUST_CHECK int lat_udp_adopt(struct lat_udp *u, int family, int fd);

/* As lat_driver_send(), for UDP. Any thread, no lock. */
LAT_MUST_CHECK int lat_udp_send(struct lat_udp *u, const struct lat_path *to, const uint8_t *packet,
				size_t bytes);

/* The I/O thread: what epoll says of socket @family. Calls the packet and writable operations. */
void lat_udp_event(struct lat_udp *u, uint32_t family, uint32_t events);

#endif

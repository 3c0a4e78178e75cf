/*
 * The UDP sockets of a driver: packets in and out, one datagram each, several by one system call: those that are posted wait for a
 * flush, and what the kernel gathered (GRO) is read at once.
 */
#ifndef LAT_NET_UDP_H
#define LAT_NET_UDP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/batch.h"
#include "net/io.h"
#include "net/sock.h"

struct lat_udp_in;

struct lat_udp {
	struct lat_io *io;
	int fd[LAT_SOCK_FAMILIES]; /* -1: none */
	struct lat_udp_in *in;     /* the I/O thread's */
	/* What is posted. */
	pthread_mutex_t lock;
	struct lat_batch out;
	size_t carried;              /* the longest that the kernel took; what is longer is not posted */
	bool no_room;                /* it waits until the kernel has some */
	bool gso[LAT_SOCK_FAMILIES]; /* many by one buffer: not refused yet */
};

/* Makes it empty: fini is allowed from here on. 0 or -ENOMEM. */
LAT_MUST_CHECK int lat_udp_init(struct lat_udp *u, struct lat_io *io);
void lat_udp_fini(struct lat_udp *u);

/* Watches a socket of lat_sock_bind() that becomes ours, also on failure. 0, -ENOMEM, -ENOSPC. */
LAT_MUST_CHECK int lat_udp_adopt(struct lat_udp *u, int family, int fd);

/* As lat_driver_send(), for UDP. Any thread, no lock. */
LAT_MUST_CHECK int lat_udp_send(struct lat_udp *u, const struct lat_path *to, const uint8_t *packet,
				size_t bytes);

/* As lat_driver_post() and lat_driver_flush(), for UDP. */
LAT_MUST_CHECK int lat_udp_post(struct lat_udp *u, const struct lat_path *to, const uint8_t *packet,
				size_t bytes);
void lat_udp_flush(struct lat_udp *u);

/* The I/O thread: reads whatever there is, without asking epoll. Whether there was something. */
bool lat_udp_look(struct lat_udp *u);
/* The I/O thread: what epoll says of socket @family. Calls the packet and writable operations. */
void lat_udp_event(struct lat_udp *u, uint32_t family, uint32_t events);

#endif

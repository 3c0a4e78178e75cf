/* Socket addresses as paths and back, and what every socket of ours has set. The only file that knows sockaddr layouts. */
#ifndef LAT_NET_SOCK_H
#define LAT_NET_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/util.h"
#include "wire/path.h"

/* The two families, as indices of the arrays that hold one socket each. */
enum { LAT_SOCK_V4, LAT_SOCK_V6, LAT_SOCK_FAMILIES };

/* Fills family, port, addr and scope of @out (conn and node 0). 0, or -EAFNOSUPPORT with *out untouched. */
LAT_MUST_CHECK int lat_sock_addr_decode(struct lat_path *out, uint8_t proto,
					const struct sockaddr_storage *in);
/* The address of @path for bind, connect or sendto. Its length, or -EAFNOSUPPORT: the path has no address. */
LAT_MUST_CHECK int lat_sock_addr_encode(struct sockaddr_storage *out, const struct lat_path *path);

/* LAT_SOCK_V4 or LAT_SOCK_V6 of a path that has an address. */
int lat_sock_index(const struct lat_path *path);

/* A literal address (a link-local one with %interface) as a path of @proto. 0, or -EINVAL: it is not one. */
LAT_MUST_CHECK int lat_sock_literal(struct lat_path *out, const char *text, uint16_t port, uint8_t proto);

/*
 * An own socket bound to @local: non-blocking, closed on exec, IPv6 kept apart from IPv4. TCP: may take over a port in
 * TIME_WAIT and listens. UDP: DF set and the kernel's idea of the path maximum ignored, because anybody can forge the
 * ICMP message behind it (PROTOCOL section 7). The descriptor, or -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -EAFNOSUPPORT,
 * -EMFILE, -ENFILE, -ENOMEM.
 */
LAT_MUST_CHECK int lat_sock_bind(const struct lat_path *local);
/* The port that a bound socket has, host order; 0 when the kernel does not tell. */
uint16_t lat_sock_port(int fd);

/*
 * A non-blocking socket that connects to @to, from the address of @from when that is of the same family. @dead_ns: how
 * long what was sent may stay unacknowledged. The descriptor (watch it for writability, then lat_sock_connected()), or
 * the negative errno of socket(2), bind(2) or connect(2).
 */
LAT_MUST_CHECK int lat_sock_connect(const struct lat_path *to, const struct lat_path *from, uint64_t dead_ns);
/* How that ended: 0 connected, else why not. Once. */
LAT_MUST_CHECK int lat_sock_connected(int fd);
/* What every TCP connection has set, accepted or opened. Hints: a kernel that refuses one is not an error. */
void lat_sock_tune_tcp(int fd, uint64_t dead_ns);

#endif

/* Names to addresses: "host:port" taken apart, and the system's resolver asked. */
#ifndef LAT_NET_RESOLVE_H
#define LAT_NET_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "wire/path.h"

enum { LAT_HOST_TEXT = 256 }; /* any host name or literal address fits, the final zero included */

/*
 * The addresses of @host, in the resolver's order of preference, as paths of @proto (LAT_PROTO_*) to @port; conn and
 * node are 0. @host: a name, or a literal address, IPv6 without brackets.
 *
 * Asks the system's resolver and may block for many seconds: never call it on the I/O thread or under a lock.
 * The number found (1..max), with that many of @out written, or
 *   -ENOENT        nobody of that name, or it has no address
 *   -EAGAIN        the name service does not answer now; later it may
 *   -EIO           the name service failed for good
 *   -EINVAL        @host NULL, empty or too long, @port 0, no such @proto, or @max 0
 *   -ENOMEM, or another negative errno of the resolver's own system calls
 */
LAT_MUST_CHECK int lat_resolve(const char *host, uint16_t port, uint8_t proto, struct lat_path *out,
			       size_t max);

/*
 * "host:port" or "[v6]:port". An IPv6 address needs the brackets, or nobody could tell its end from the port. 0, or -EINVAL
 * with @host and *port untouched: no such form, no host, a host of LAT_HOST_TEXT or more bytes, or a port outside 1..65535.
 */
LAT_MUST_CHECK int lat_endpoint_parse(const char *text, char host[static LAT_HOST_TEXT], uint16_t *port);

#endif

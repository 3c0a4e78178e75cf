/*
 * Where a packet came from, or is to go: pure data, so that the rooms without sockets can remember an
 * address, compare it and hand it back to the driver.
 */
#ifndef LAT_WIRE_PATH_H
#define LAT_WIRE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAT_PROTO_UDP = 1, LAT_PROTO_TCP = 2 };

enum { LAT_PATH_TEXT = 96 }; /* any path as text fits, the final zero included */

struct lat_path {
	uint8_t proto;    /* LAT_PROTO_*; 0: no path */
	uint8_t family;   /* 4 or 6; 0: no address, only @node */
	uint16_t port;    /* host order */
	uint8_t addr[16]; /* network order; IPv4 uses the first 4 */
	uint32_t scope;   /* interface index of a link-local IPv6 address, else 0 */
	uint32_t conn;    /* TCP connection, never reused in a process run; 0: whichever reaches @node */
	uint32_t node;    /* peer that is meant or, where known, that sent */
	bool transient;   /* TCP: a connection opened to there is closed when it is idle (LAT_TCP_IDLE_NS) */
};

/*
 * The same way there and back. UDP: protocol, address, scope and port; conn and node say nothing. TCP: the
 * same connection, or for two without one, the same node. Two empty paths are equal.
 */
bool lat_path_equal(const struct lat_path *a, const struct lat_path *b);

/*
 * The same source as limits count it: address without port or protocol, IPv6 by its /64 (and scope). Call
 * lat_path_unmap() on what a dual-stack socket gives, or all of IPv4 is one source. False without an address.
 */
bool lat_path_same_source(const struct lat_path *a, const struct lat_path *b);

/* Turns an IPv4-mapped IPv6 address (::ffff:a.b.c.d) into IPv4; leaves every other path as it is. */
void lat_path_unmap(struct lat_path *p);

/*
 * "udp 127.0.0.1:15000", "tcp [::1]:15001", "tcp node 7" for messages. Always ends in a zero, cut to @size
 * (> 0). Returns @out.
 */
const char *lat_path_format(const struct lat_path *p, char *out, size_t size);

#endif

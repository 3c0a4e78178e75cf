/*
 * A node number for a machine that was given none: always the same on the same machine, different on most others. It
 * is a name and proves nothing; whoever needs it to be unique configures it.
 */
#ifndef LAT_NET_NODEID_H
#define LAT_NET_NODEID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct lat_nodeid_if {
	uint32_t index; /* the kernel's interface index */
	bool active, loopback;
	bool has_mac, has_v4;
	uint8_t mac[6];
	uint8_t v4[4]; /* network order */
};

enum { LAT_NODEID_IFS = 64 }; /* interfaces looked at */

/*
 * FNV-1a, 32 bits, over the MAC address of the interface with the smallest index that is active, no loopback and has a MAC or an
 * IPv4 address; over its IPv4 address when it has no MAC; over the bytes of @hostname when there is no such interface. The two
 * numbers nobody has (0 and 0xffffffff) become 1. Pure.
 */
uint32_t lat_nodeid_hash(const struct lat_nodeid_if *ifs, size_t count, const char *hostname);

/*
 * The interfaces of this machine, by index. "Active" is up with a carrier (IFF_UP and IFF_RUNNING). The number written
 * (0..max), or a negative errno of getifaddrs(3).
 */
LAT_MUST_CHECK int lat_nodeid_interfaces(struct lat_nodeid_if *out, size_t max);

/* The number of this machine. Never fails: what cannot be read counts as not there. */
uint32_t lat_nodeid_local(void);

#endif

#include "wire/path.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { IPV4_LEN = 4, IPV6_LEN = 16, IPV6_NET_LEN = 8 }; /* a /64 is what one IPv6 subscriber has */

static bool same_address(const struct lat_path *a, const struct lat_path *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == 4)
		return memcmp(a->addr, b->addr, IPV4_LEN) == 0;
	if (a->family == 6)
		return memcmp(a->addr, b->addr, IPV6_LEN) == 0 && a->scope == b->scope;
	return true;
}

bool lat_path_equal(const struct lat_path *a, const struct lat_path *b)
{
	if (a->proto != b->proto)
		return false;
	if (a->proto == LAT_PROTO_UDP)
		return a->port == b->port && same_address(a, b);
	if (a->proto == LAT_PROTO_TCP)
		return a->conn == b->conn && (a->conn != 0 || a->node == b->node);
	return true;
}

bool lat_path_same_source(const struct lat_path *a, const struct lat_path *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == 4)
		return memcmp(a->addr, b->addr, IPV4_LEN) == 0;
	if (a->family == 6)
		return memcmp(a->addr, b->addr, IPV6_NET_LEN) == 0 && a->scope == b->scope;
	return false;
}

void lat_path_unmap(struct lat_path *p)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (p->family != 6 || memcmp(p->addr, mapped, sizeof(mapped)) != 0)
		return;
	p->family = 4;
	p->scope = 0;
	memmove(p->addr, p->addr + sizeof(mapped), IPV4_LEN);
	memset(p->addr + IPV4_LEN, 0, sizeof(p->addr) - IPV4_LEN);
}

const char *lat_path_format(const struct lat_path *p, char *out, size_t size)
{
	const char *proto = p->proto == LAT_PROTO_UDP ? "udp" : p->proto == LAT_PROTO_TCP ? "tcp" : "no path";
	char text[INET6_ADDRSTRLEN] = "";

	if (p->proto != LAT_PROTO_UDP && p->proto != LAT_PROTO_TCP) {
		snprintf(out, size, "%s", proto);
	} else if (p->family == 4) {
		(void)inet_ntop(AF_INET, p->addr, text, sizeof(text));
		snprintf(out, size, "%s %s:%u", proto, text, (unsigned)p->port);
	} else if (p->family == 6) {
		(void)inet_ntop(AF_INET6, p->addr, text, sizeof(text));
		if (p->scope != 0)
			snprintf(out, size, "%s [%s%%%u]:%u", proto, text, (unsigned)p->scope,
				 (unsigned)p->port);
		else
			snprintf(out, size, "%s [%s]:%u", proto, text, (unsigned)p->port);
	} else {
		snprintf(out, size, "%s node %u", proto, (unsigned)p->node);
	}
	return out;
}

#include "net/nodeid.h"

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <string.h>
#include <unistd.h>

#include "wire/limits.h"

static uint32_t fnv1a(const uint8_t *bytes, size_t count)
{
	uint32_t h = UINT32_C(2166136261);

	for (size_t i = 0; i < count; i++)
		h = (h ^ bytes[i]) * UINT32_C(16777619);
	return h;
}

uint32_t lat_nodeid_hash(const struct lat_nodeid_if *ifs, size_t count, const char *hostname)
{
	const struct lat_nodeid_if *first = NULL;
	uint32_t h;

	for (size_t i = 0; i < count; i++) {
		const struct lat_nodeid_if *f = &ifs[i];

		if (f->active && !f->loopback && (f->has_mac || f->has_v4) &&
		    (first == NULL || f->index < first->index))
			first = f;
	}
	if (first == NULL)
		h = fnv1a((const uint8_t *)hostname, strlen(hostname));
	else if (first->has_mac)
		h = fnv1a(first->mac, sizeof(first->mac));
	else
		h = fnv1a(first->v4, sizeof(first->v4));
	return h == LAT_NODE_NONE || h == LAT_NODE_RESERVED ? 1 : h;
}

static struct lat_nodeid_if *slot(struct lat_nodeid_if *out, size_t max, int *count, uint32_t index)
{
	for (int i = 0; i < *count; i++)
		if (out[i].index == index)
			return &out[i];
	if ((size_t)*count >= max || *count == INT_MAX)
		return NULL;
	out[*count] = (struct lat_nodeid_if){ .index = index };
	return &out[(*count)++];
}

static void learn(struct lat_nodeid_if *f, const struct ifaddrs *ifa)
{
	static const uint8_t none[6];

	f->active = (ifa->ifa_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	f->loopback = (ifa->ifa_flags & IFF_LOOPBACK) != 0;
	if (ifa->ifa_addr == NULL)
		return;
	if (ifa->ifa_addr->sa_family == AF_PACKET) {
		struct sockaddr_ll ll;

		memcpy(&ll, ifa->ifa_addr, sizeof(ll));
		/* A tunnel has no address of this length, or one of zeros. */
		if (ll.sll_halen == sizeof(f->mac) && memcmp(ll.sll_addr, none, sizeof(none)) != 0) {
			memcpy(f->mac, ll.sll_addr, sizeof(f->mac));
			f->has_mac = true;
		}
	} else if (ifa->ifa_addr->sa_family == AF_INET && !f->has_v4) {
		struct sockaddr_in in;

		memcpy(&in, ifa->ifa_addr, sizeof(in));
		memcpy(f->v4, &in.sin_addr, sizeof(f->v4));
		f->has_v4 = true;
	}
}

int lat_nodeid_interfaces(struct lat_nodeid_if *out, size_t max)
{
	struct ifaddrs *all = NULL;
	int count = 0;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (const struct ifaddrs *ifa = all; ifa != NULL; ifa = ifa->ifa_next) {
		uint32_t index = if_nametoindex(ifa->ifa_name);
		struct lat_nodeid_if *f = index == 0 ? NULL : slot(out, max, &count, index);

		if (f != NULL)
			learn(f, ifa);
	}
	freeifaddrs(all);
	return count;
}

uint32_t lat_nodeid_local(void)
{
	struct lat_nodeid_if ifs[LAT_NODEID_IFS] = { 0 };
	char name[HOST_NAME_MAX + 1] = "";
	int count = lat_nodeid_interfaces(ifs, ARRAY_LEN(ifs));

	if (gethostname(name, sizeof(name)) < 0)
		name[0] = '\0';
	name[sizeof(name) - 1] = '\0';
	return lat_nodeid_hash(ifs, count < 0 ? 0 : (size_t)count, name);
}

#include "net/sock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

/* Asked for, not demanded: the kernel cuts it to net.core.rmem_max. A burst of 1232-byte packets must fit. */
enum { UDP_BUFFER_BYTES = 2 << 20, TCP_BACKLOG = 128 };

int lat_sock_addr_decode(struct lat_path *out, uint8_t proto, const struct sockaddr_storage *in)
{
	struct lat_path p = { .proto = proto };

	if (in->ss_family == AF_INET) {
		struct sockaddr_in a;

		memcpy(&a, in, sizeof(a));
		p.family = 4;
		p.port = ntohs(a.sin_port);
		memcpy(p.addr, &a.sin_addr, 4);
	} else if (in->ss_family == AF_INET6) {
		struct sockaddr_in6 a;

		memcpy(&a, in, sizeof(a));
		p.family = 6;
		p.port = ntohs(a.sin6_port);
		memcpy(p.addr, &a.sin6_addr, 16);
		/* The kernel fills the scope in for other addresses too; there it would only make equal paths differ. */
		p.scope = IN6_IS_ADDR_LINKLOCAL(&a.sin6_addr) ? a.sin6_scope_id : 0;
	} else {
		return -EAFNOSUPPORT;
	}
	*out = p;
	return 0;
}

int lat_sock_addr_encode(struct sockaddr_storage *out, const struct lat_path *path)
{
	memset(out, 0, sizeof(*out));
	if (path->family == 4) {
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(path->port) };

		memcpy(&a.sin_addr, path->addr, 4);
		memcpy(out, &a, sizeof(a));
		return (int)sizeof(a);
	}
	if (path->family == 6) {
		struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(path->port) };

		memcpy(&a.sin6_addr, path->addr, 16);
		a.sin6_scope_id = path->scope;
		memcpy(out, &a, sizeof(a));
		return (int)sizeof(a);
	}
	return -EAFNOSUPPORT;
}

int lat_sock_index(const struct lat_path *path)
{
	return path->family == 6 ? LAT_SOCK_V6 : LAT_SOCK_V4;
}

int lat_sock_literal(struct lat_path *out, const char *text, uint16_t port, uint8_t proto)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_DGRAM };
	struct sockaddr_storage addr = { 0 };
	struct addrinfo *found = NULL;
	struct lat_path path;
	int rc = -EINVAL;

	if (getaddrinfo(text, NULL, &hints, &found) != 0)
		return -EINVAL;
	if (found->ai_addrlen <= sizeof(addr)) {
		memcpy(&addr, found->ai_addr, found->ai_addrlen);
		rc = lat_sock_addr_decode(&path, proto, &addr) < 0 ? -EINVAL : 0;
	}
	freeaddrinfo(found);
	if (rc == 0) {
		path.port = port;
		*out = path;
	}
	return rc;
}

/* For options that are hints. */
static void set(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

static int must_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_udp(int fd, int domain)
{
	int rc;

	set(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER_BYTES);
	set(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER_BYTES);
	set(fd, IPPROTO_UDP, UDP_GRO, 1); /* where the kernel gathers datagrams, they come gathered */
	if (domain == AF_INET)
		return must_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	rc = must_set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
	if (rc == 0)
		rc = must_set(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
	return rc;
}

int lat_sock_bind(const struct lat_path *local)
{
	struct sockaddr_storage addr;
	int bytes = lat_sock_addr_encode(&addr, local);
	bool tcp = local->proto == LAT_PROTO_TCP;
	int domain = local->family == 6 ? AF_INET6 : AF_INET;
	int fd, rc = 0;

	if (bytes < 0)
		return bytes;
	fd = socket(domain, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (domain == AF_INET6)
		rc = must_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	/* Never on UDP: there it would let another process of ours bind the same port and take the packets. */
	if (rc == 0)
		rc = tcp ? must_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) : set_udp(fd, domain);
	if (rc == 0 && bind(fd, (const struct sockaddr *)&addr, (socklen_t)bytes) < 0)
		rc = -errno;
	if (rc == 0 && tcp && listen(fd, TCP_BACKLOG) < 0)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

uint16_t lat_sock_port(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t bytes = sizeof(addr);
	struct lat_path path;

	if (getsockname(fd, (struct sockaddr *)&addr, &bytes) < 0 ||
	    lat_sock_addr_decode(&path, LAT_PROTO_UDP, &addr) < 0)
		return 0;
	return path.port;
}

void lat_sock_tune_tcp(int fd, uint64_t dead_ns)
{
	uint64_t ms = dead_ns / (uint64_t)LAT_NS_PER_MS;

	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	/* What the peer's kernel does not acknowledge counts as no progress too: a machine that lost its power says nothing. */
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ms == 0 ? 1 : ms > INT32_MAX ? INT32_MAX : (int)ms);
}

int lat_sock_connect(const struct lat_path *to, const struct lat_path *from, uint64_t dead_ns)
{
	struct sockaddr_storage addr;
	int bytes = lat_sock_addr_encode(&addr, to);
	int fd, rc = 0;

	if (bytes < 0)
		return bytes;
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	lat_sock_tune_tcp(fd, dead_ns);
	if (from->family == to->family) {
		struct sockaddr_storage own;
		struct lat_path any_port = *from;
		int own_bytes;

		any_port.port = 0;
		own_bytes = lat_sock_addr_encode(&own, &any_port);
		set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		if (own_bytes < 0 || bind(fd, (const struct sockaddr *)&own, (socklen_t)own_bytes) < 0)
			rc = own_bytes < 0 ? own_bytes : -errno;
	}
	if (rc == 0 && connect(fd, (const struct sockaddr *)&addr, (socklen_t)bytes) < 0 &&
	    errno != EINPROGRESS)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

int lat_sock_connected(int fd)
{
	struct sockaddr_storage own = { 0 }, peer = { 0 };
	socklen_t own_bytes = sizeof(own), peer_bytes = sizeof(peer), bytes = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &bytes) < 0)
		return -errno;
	if (err != 0)
		return -err;
	if (getsockname(fd, (struct sockaddr *)&own, &own_bytes) < 0 ||
	    getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) < 0)
		return -errno;
	/*
	 * To a port of this machine's that nobody listens on, and that the kernel picked as our own: TCP then connects
	 * the socket to itself, which is nobody.
	 */
	if (own_bytes == peer_bytes && memcmp(&own, &peer, own_bytes) == 0)
		return -ECONNREFUSED;
	return 0;
}

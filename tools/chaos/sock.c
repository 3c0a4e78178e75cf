#include "sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 8 << 20, BACKLOG = 64 };

bool chaos_place_parse(struct chaos_place *out, const char *text)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t length;

	if (colon == NULL)
		return false;
	length = (size_t)(colon - text);
	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (memchr(text, ':', length) != NULL) {
		return false;
	}
	if (length == 0 || length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return false;
	memcpy(&out->addr, found->ai_addr, found->ai_addrlen);
	out->bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

const char *chaos_place_text(const struct sockaddr_storage *addr, char out[static 64])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (addr->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;

		(void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		(void)snprintf(out, 64, "[%s]:%u", host, ntohs(v6->sin6_port));
	} else {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;

		(void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		(void)snprintf(out, 64, "%s:%u", host, ntohs(v4->sin_port));
	}
	return out;
}

static int failed(int fd, const char *what, const struct chaos_place *place)
{
	char text[64];

	chaos_say("%s %s: %s", what, chaos_place_text(&place->addr, text), strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int open_at(const struct chaos_place *place, int type)
{
	return socket(place->addr.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int chaos_sock_udp(const struct chaos_place *place, bool bound)
{
	const int bytes = BUFFER;
	int fd = open_at(place, SOCK_DGRAM);

	if (fd < 0)
		return failed(fd, "no socket for", place);
	/* What is dropped shall be dropped by us; as far as the limits go. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (bound && bind(fd, (const struct sockaddr *)&place->addr, place->bytes) < 0)
		return failed(fd, "cannot listen on", place);
	if (!bound && connect(fd, (const struct sockaddr *)&place->addr, place->bytes) < 0)
		return failed(fd, "no way to", place);
	return fd;
}

int chaos_sock_listen(const struct chaos_place *place)
{
	const int on = 1;
	int fd = open_at(place, SOCK_STREAM);

	if (fd < 0)
		return failed(fd, "no socket for", place);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&place->addr, place->bytes) < 0 || listen(fd, BACKLOG) < 0)
		return failed(fd, "cannot listen on", place);
	return fd;
}

int chaos_sock_connect(const struct chaos_place *place)
{
	int fd = open_at(place, SOCK_STREAM);

	if (fd < 0)
		return failed(fd, "no socket for", place);
	if (connect(fd, (const struct sockaddr *)&place->addr, place->bytes) < 0 && errno != EINPROGRESS)
		return failed(fd, "no way to", place);
	chaos_sock_eager(fd);
	return fd;
}

void chaos_sock_eager(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void chaos_sock_reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void chaos_sock_ready(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t bytes = sizeof(addr);
	char text[64];

	(void)getsockname(fd, (struct sockaddr *)&addr, &bytes);
	chaos_say("listens on %s", chaos_place_text(&addr, text));
}

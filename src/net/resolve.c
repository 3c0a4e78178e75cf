#include "net/resolve.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <string.h>

#include "net/sock.h"

static int resolver_errno(int code)
{
	static const struct {
		int code, rc;
	} known[] = {
		{ EAI_NONAME, -ENOENT }, { EAI_NODATA, -ENOENT }, { EAI_ADDRFAMILY, -ENOENT },
		{ EAI_AGAIN, -EAGAIN },  { EAI_MEMORY, -ENOMEM },
	};
	int saved = errno;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].code == code)
			return known[i].rc;
	return code == EAI_SYSTEM && saved > 0 ? -saved : -EIO;
}

int lat_resolve(const char *host, uint16_t port, uint8_t proto, struct lat_path *out, size_t max)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC };
	struct addrinfo *found = NULL;
	int count = 0, rc;

	if (host == NULL || host[0] == '\0' || strnlen(host, LAT_HOST_TEXT) == LAT_HOST_TEXT || port == 0 ||
	    max == 0 || (proto != LAT_PROTO_UDP && proto != LAT_PROTO_TCP))
		return -EINVAL;
	hints.ai_socktype = proto == LAT_PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	rc = getaddrinfo(host, NULL, &hints, &found);
	if (rc != 0)
		return resolver_errno(rc);
	for (const struct addrinfo *ai = found; ai != NULL && (size_t)count < max && count < INT_MAX;
	     ai = ai->ai_next) {
		struct sockaddr_storage addr = { 0 };
		struct lat_path path;

		if (ai->ai_addrlen <= sizeof(addr))
			memcpy(&addr, ai->ai_addr, ai->ai_addrlen);
		if (lat_sock_addr_decode(&path, proto, &addr) == 0) { /* what was too long has no family */
			path.port = port;
			out[count++] = path;
		}
	}
	freeaddrinfo(found);
	return count == 0 ? -ENOENT : count;
}

int lat_endpoint_parse(const char *text, char host[static LAT_HOST_TEXT], uint16_t *port)
{
	const char *from, *end, *digits;
	uint32_t number = 0;

	if (text == NULL)
		return -EINVAL;
	if (text[0] == '[') {
		from = text + 1;
		end = strchr(from, ']');
		if (end == NULL || end[1] != ':')
			return -EINVAL;
		digits = end + 2;
	} else {
		from = text;
		end = strchr(from, ':');
		if (end == NULL || strpbrk(from, "[]") != NULL)
			return -EINVAL;
		digits = end + 1;
	}
	if (end == from || end - from >= LAT_HOST_TEXT || digits[0] == '\0')
		return -EINVAL;
	for (; *digits != '\0'; digits++) {
		if (*digits < '0' || *digits > '9')
			return -EINVAL;
		number = number * 10 + (uint32_t)(*digits - '0');
		if (number > UINT16_MAX)
			return -EINVAL;
	}
	if (number == 0)
		return -EINVAL;
	memcpy(host, from, (size_t)(end - from));
	host[end - from] = '\0';
	*port = (uint16_t)number;
	return 0;
}

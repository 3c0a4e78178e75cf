#include "net/resolve.h"

#include <errno.h>

#include "base/test.h"

static const char long_host[] =
	"h123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
	"h123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
	"h1234567890123456789012345678901234567890123456789012345678901234567890123:15000";

static const struct {
	const char *why, *text;
	int want;
	const char *host;
	uint16_t port;
} endpoints[] = {
	{ "a name", "node.example:15000", 0, "node.example", 15000 },
	{ "an IPv4 address", "127.0.0.1:1", 0, "127.0.0.1", 1 },
	{ "the greatest port", "h:65535", 0, "h", 65535 },
	{ "one more", "h:65536", -EINVAL, NULL, 0 },
	{ "a port that wraps", "h:4294967297", -EINVAL, NULL, 0 },
	{ "port 0", "h:0", -EINVAL, NULL, 0 },
	{ "leading zeros", "h:00080", 0, "h", 80 },
	{ "no digits", "h:", -EINVAL, NULL, 0 },
	{ "a sign", "h:+80", -EINVAL, NULL, 0 },
	{ "a space", "h: 80", -EINVAL, NULL, 0 },
	{ "no port", "h", -EINVAL, NULL, 0 },
	{ "no host", ":80", -EINVAL, NULL, 0 },
	{ "nothing", "", -EINVAL, NULL, 0 },
	{ "no text", NULL, -EINVAL, NULL, 0 },
	{ "IPv6", "[::1]:15001", 0, "::1", 15001 },
	{ "IPv6 with its interface", "[fe80::1%eth0]:2", 0, "fe80::1%eth0", 2 },
	{ "IPv6 without brackets", "::1:15001", -EINVAL, NULL, 0 },
	{ "IPv6 without a port", "[::1]", -EINVAL, NULL, 0 },
	{ "an open bracket", "[::1:15001", -EINVAL, NULL, 0 },
	{ "empty brackets", "[]:15001", -EINVAL, NULL, 0 },
	{ "something after the bracket", "[::1]x:15001", -EINVAL, NULL, 0 },
	{ "a bracket inside a name", "a]b:1", -EINVAL, NULL, 0 },
	{ "host of LAT_HOST_TEXT - 1", long_host + 1, 0, NULL, 15000 },
	{ "host of LAT_HOST_TEXT", long_host, -EINVAL, NULL, 0 },
};

TEST(endpoint)
{
	CHECK_EQ(strchr(long_host, ':') - long_host, LAT_HOST_TEXT);
	for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
		char host[LAT_HOST_TEXT] = "untouched";
		uint16_t port = 9;

		CHECK_EQ_ROW(endpoints[i].why, lat_endpoint_parse(endpoints[i].text, host, &port),
			     endpoints[i].want);
		if (endpoints[i].want < 0) {
			CHECK_STR_ROW(endpoints[i].why, host, "untouched");
			CHECK_EQ_ROW(endpoints[i].why, port, 9);
		} else {
			if (endpoints[i].host != NULL)
				CHECK_STR_ROW(endpoints[i].why, host, endpoints[i].host);
			CHECK_EQ_ROW(endpoints[i].why, port, endpoints[i].port);
		}
	}
}

static const struct {
	const char *why, *host;
	uint16_t port;
	uint8_t proto;
	int want;
	const char *text;
} literals[] = {
	{ "IPv4", "127.0.0.1", 15000, LAT_PROTO_UDP, 1, "udp 127.0.0.1:15000" },
	{ "IPv6", "::1", 15001, LAT_PROTO_TCP, 1, "tcp [::1]:15001" },
	{ "port 0", "127.0.0.1", 0, LAT_PROTO_UDP, -EINVAL, NULL },
	{ "no protocol", "127.0.0.1", 1, 0, -EINVAL, NULL },
	{ "empty", "", 1, LAT_PROTO_UDP, -EINVAL, NULL },
	{ "no host", NULL, 1, LAT_PROTO_UDP, -EINVAL, NULL },
	{ "too long", long_host, 1, LAT_PROTO_UDP, -EINVAL, NULL },
};

TEST(literal)
{
	for (size_t i = 0; i < ARRAY_LEN(literals); i++) {
		struct lat_path out[4];
		char text[LAT_PATH_TEXT];

		CHECK_EQ_ROW(literals[i].why,
			     lat_resolve(literals[i].host, literals[i].port, literals[i].proto, out,
					 ARRAY_LEN(out)),
			     literals[i].want);
		if (literals[i].want > 0)
			CHECK_STR_ROW(literals[i].why, lat_path_format(&out[0], text, sizeof(text)),
				      literals[i].text);
	}
}

TEST(names)
{
	struct lat_path out[4];
	int found = lat_resolve("localhost", 7, LAT_PROTO_UDP, out, ARRAY_LEN(out));
	int rc;

	CHECK(found >= 1);
	for (int i = 0; i < found; i++)
		CHECK_EQ(out[i].port, 7);
	CHECK_EQ(lat_resolve("localhost", 7, LAT_PROTO_UDP, out, 1), 1);
	CHECK_EQ(lat_resolve("localhost", 7, LAT_PROTO_UDP, out, 0), -EINVAL);
	/* Reserved never to exist; without a name server nobody can say so. */
	rc = lat_resolve("nobody.invalid", 7, LAT_PROTO_UDP, out, 1);
	CHECK(rc == -ENOENT || rc == -EAGAIN);
}

TEST_MAIN

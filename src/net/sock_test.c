#include "net/sock.h"

#include "net/driver_harness.h"

static const struct {
	const char *why, *text;
	int want;
	uint8_t family;
	uint32_t scope;
} literals[] = {
	{ "IPv4", "127.0.0.1", 0, 4, 0 },
	{ "IPv6", "::1", 0, 6, 0 },
	{ "link-local with its interface", "fe80::1%lo", 0, 6, 1 },
	{ "a name is no literal", "localhost", -EINVAL, 0, 0 },
	{ "empty", "", -EINVAL, 0, 0 },
	{ "brackets belong to an endpoint", "[::1]", -EINVAL, 0, 0 },
};

TEST(literal)
{
	for (size_t i = 0; i < ARRAY_LEN(literals); i++) {
		struct lat_path path = { 0 }, back;
		struct sockaddr_storage addr;

		CHECK_EQ_ROW(literals[i].why, lat_sock_literal(&path, literals[i].text, 7, LAT_PROTO_UDP),
			     literals[i].want);
		CHECK_EQ_ROW(literals[i].why, path.family, literals[i].family);
		if (literals[i].want < 0)
			continue;
		CHECK_EQ_ROW(literals[i].why, path.port, 7);
		CHECK_EQ_ROW(literals[i].why, path.scope, literals[i].scope);
		CHECK_ROW(literals[i].why, lat_sock_addr_encode(&addr, &path) > 0);
		CHECK_EQ_ROW(literals[i].why, lat_sock_addr_decode(&back, LAT_PROTO_UDP, &addr), 0);
		CHECK_ROW(literals[i].why, lat_path_equal(&path, &back));
	}
}

TEST(no_address)
{
	struct lat_path none = { .proto = LAT_PROTO_TCP, .node = 7 }, out = { .port = 9 };
	struct sockaddr_storage addr = { .ss_family = AF_UNIX };

	CHECK_EQ(lat_sock_addr_encode(&addr, &none), -EAFNOSUPPORT);
	addr.ss_family = AF_UNIX;
	CHECK_EQ(lat_sock_addr_decode(&out, LAT_PROTO_TCP, &addr), -EAFNOSUPPORT);
	CHECK_EQ(out.port, 9);
	CHECK_EQ(lat_sock_bind(&none), -EAFNOSUPPORT);
}

/* The address of a machine elsewhere (of the block kept for documentation). */
TEST(not_ours)
{
	struct lat_path path;

	CHECK_EQ(lat_sock_literal(&path, "192.0.2.1", 0, LAT_PROTO_UDP), 0);
	CHECK_EQ(lat_sock_bind(&path), -EADDRNOTAVAIL);
}

/* Larger than an interface's maximum is refused, not cut into fragments. */
TEST(do_not_fragment)
{
	static uint8_t packet[65507];
	struct lat_path local = loopback(LAT_PROTO_UDP, 4, 0);
	struct sockaddr_storage to;
	int fd = lat_sock_bind(&local), value = -1, bytes;
	socklen_t value_bytes = sizeof(value);

	CHECK(fd >= 0);
	CHECK_EQ(getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &value_bytes), 0);
	CHECK_EQ(value, IP_PMTUDISC_PROBE);
	local.port = lat_sock_port(fd);
	bytes = lat_sock_addr_encode(&to, &local);
	CHECK_EQ(sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, (socklen_t)bytes), 65507);
	close(fd);
}

/* A connection to itself is nobody: made on purpose here, by accident when the kernel picks the port called as our own. */
TEST(self)
{
	struct lat_path local = loopback(LAT_PROTO_TCP, 4, 0);
	struct sockaddr_storage addr;
	int bytes = lat_sock_addr_encode(&addr, &local);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&addr, (socklen_t)bytes), 0);
	local.port = lat_sock_port(fd);
	bytes = lat_sock_addr_encode(&addr, &local);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, (socklen_t)bytes), 0);
	CHECK_EQ(lat_sock_connected(fd), -ECONNREFUSED);
	close(fd);
}

TEST_MAIN

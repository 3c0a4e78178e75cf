#include <arpa/inet.h>

#include "base/test.h"
#include "wire/path.h"

static struct lat_path path(uint8_t proto, const char *addr, uint16_t port)
{
	struct lat_path p = { .proto = proto, .port = port };

	if (addr == NULL)
		return p;
	p.family = strchr(addr, ':') == NULL ? 4 : 6;
	CHECK_EQ(inet_pton(p.family == 4 ? AF_INET : AF_INET6, addr, p.addr), 1);
	return p;
}

static const struct {
	const char *why, *a, *b;
	uint16_t a_port, b_port;
	bool equal, same_source;
} udp_rows[] = {
	{ "itself", "10.0.0.1", "10.0.0.1", 1, 1, true, true },
	{ "another port", "10.0.0.1", "10.0.0.1", 1, 2, false, true },
	{ "the neighbour", "10.0.0.1", "10.0.0.2", 1, 1, false, false },
	{ "IPv6 itself", "2001:db8::1", "2001:db8::1", 1, 1, true, true },
	{ "IPv6 in one /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", 1, 1, false, true },
	{ "IPv6 in the next /64", "2001:db8:0:1::1", "2001:db8:0:2::1", 1, 1, false, false },
	{ "IPv4 is not its bytes as IPv6", "32.1.13.184", "2001:db8::", 1, 1, false, false },
};

TEST(udp)
{
	for (size_t i = 0; i < ARRAY_LEN(udp_rows); i++) {
		const char *why = udp_rows[i].why;
		struct lat_path a = path(LAT_PROTO_UDP, udp_rows[i].a, udp_rows[i].a_port);
		struct lat_path b = path(LAT_PROTO_UDP, udp_rows[i].b, udp_rows[i].b_port);

		b.node = 7; /* known of one, not yet of the other: the same path */
		CHECK_EQ_ROW(why, lat_path_equal(&a, &b), udp_rows[i].equal);
		CHECK_EQ_ROW(why, lat_path_equal(&b, &a), udp_rows[i].equal);
		CHECK_EQ_ROW(why, lat_path_same_source(&a, &b), udp_rows[i].same_source);
		b.proto = LAT_PROTO_TCP;
		CHECK_EQ_ROW(why, lat_path_equal(&a, &b), false);
		CHECK_EQ_ROW(why, lat_path_same_source(&a, &b), udp_rows[i].same_source);
	}
}

TEST(ipv4_ignores_what_lies_behind)
{
	struct lat_path a = path(LAT_PROTO_UDP, "10.0.0.1", 1), b = a;

	b.addr[4] = 1;
	b.scope = 3;
	CHECK(lat_path_equal(&a, &b));
	CHECK(lat_path_same_source(&a, &b));
}

TEST(link_local_has_a_scope)
{
	struct lat_path a = path(LAT_PROTO_UDP, "fe80::1", 1), b = a;

	a.scope = 1;
	b.scope = 2;
	CHECK(!lat_path_equal(&a, &b));
	CHECK(!lat_path_same_source(&a, &b));
	b.scope = 1;
	CHECK(lat_path_equal(&a, &b));
	CHECK(lat_path_same_source(&a, &b));
}

static const struct {
	const char *why;
	uint32_t a_conn, a_node, b_conn, b_node;
	bool equal;
} tcp_rows[] = {
	{ "one connection", 5, 0, 5, 7, true },
	{ "two connections", 5, 7, 6, 7, false },
	{ "any connection to one node", 0, 7, 0, 7, true },
	{ "any connection to two nodes", 0, 7, 0, 8, false },
	{ "any and one", 0, 7, 5, 7, false },
};

TEST(tcp)
{
	for (size_t i = 0; i < ARRAY_LEN(tcp_rows); i++) {
		struct lat_path a = path(LAT_PROTO_TCP, "10.0.0.1", 1), b = a;

		a.conn = tcp_rows[i].a_conn;
		a.node = tcp_rows[i].a_node;
		b.conn = tcp_rows[i].b_conn;
		b.node = tcp_rows[i].b_node;
		CHECK_EQ_ROW(tcp_rows[i].why, lat_path_equal(&a, &b), tcp_rows[i].equal);
		CHECK_EQ_ROW(tcp_rows[i].why, lat_path_equal(&b, &a), tcp_rows[i].equal);
	}
}

TEST(empty)
{
	struct lat_path a = { 0 }, b = { .port = 1 };

	CHECK(lat_path_equal(&a, &b));
	CHECK(!lat_path_same_source(&a, &a));
	a = path(LAT_PROTO_UDP, NULL, 0);
	CHECK(!lat_path_same_source(&a, &a));
}

TEST(unmap)
{
	struct lat_path p = path(LAT_PROTO_UDP, "::ffff:10.0.0.1", 1),
			four = path(LAT_PROTO_UDP, "10.0.0.1", 1);
	struct lat_path kept = path(LAT_PROTO_UDP, "::fffe:10.0.0.1", 1), as_was = kept;

	p.scope = 9;
	lat_path_unmap(&p);
	CHECK_EQ(p.family, 4);
	CHECK_MEM(p.addr, four.addr, sizeof(p.addr));
	CHECK_EQ(p.scope, 0);
	lat_path_unmap(&kept);
	CHECK_MEM(&kept, &as_was, sizeof(kept));
	lat_path_unmap(&four);
	CHECK_EQ(four.family, 4);
}

TEST(text)
{
	char out[LAT_PATH_TEXT];
	struct lat_path p = path(LAT_PROTO_UDP, "127.0.0.1", 15000);

	CHECK_STR(lat_path_format(&p, out, sizeof(out)), "udp 127.0.0.1:15000");
	p = path(LAT_PROTO_TCP, "::1", 15001);
	CHECK_STR(lat_path_format(&p, out, sizeof(out)), "tcp [::1]:15001");
	p = path(LAT_PROTO_UDP, "fe80::1", 1);
	p.scope = 4;
	CHECK_STR(lat_path_format(&p, out, sizeof(out)), "udp [fe80::1%4]:1");
	p = (struct lat_path){ .proto = LAT_PROTO_TCP, .node = 7 };
	CHECK_STR(lat_path_format(&p, out, sizeof(out)), "tcp node 7");
	p = (struct lat_path){ 0 };
	CHECK_STR(lat_path_format(&p, out, sizeof(out)), "no path");
}

TEST(text_fits_and_is_cut)
{
	struct lat_path p = path(LAT_PROTO_UDP, "1111:2222:3333:4444:5555:6666:7777:8888", UINT16_MAX);
	char out[LAT_PATH_TEXT];
	char *five = malloc(5);

	CHECK(five != NULL);
	p.scope = UINT32_MAX;
	CHECK_STR(lat_path_format(&p, out, sizeof(out)),
		  "udp [1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535");
	CHECK_STR(lat_path_format(&p, five, 5), "udp ");
	CHECK_STR(lat_path_format(&p, five, 1), "");
	free(five);
}

TEST_MAIN

#include "net/nodeid.h"

#include "base/test.h"

#define MAC .has_mac = true, .mac
#define V4  .has_v4 = true, .v4

/* The hashes are those of FNV-1a's published test cases where the input is one of them. */
static const struct {
	const char *why;
	struct lat_nodeid_if ifs[3];
	size_t count;
	const char *hostname;
	uint32_t want;
} rows[] = {
	{ "no interface: the host name", { { 0 } }, 0, "foobar", 0xbf9cf968 },
	{ "no interface and no name", { { 0 } }, 0, "", 0x811c9dc5 },
	{ "the MAC address",
	  { { .index = 2, .active = true, MAC = { 'f', 'o', 'o', 'b', 'a', 'r' } } },
	  1,
	  "a",
	  0xbf9cf968 },
	{ "the MAC before the IPv4 address",
	  { { .index = 2, .active = true, MAC = { 'f', 'o', 'o', 'b', 'a', 'r' }, V4 = { 1, 2, 3, 4 } } },
	  1,
	  "a",
	  0xbf9cf968 },
	{ "loopback does not count",
	  { { .index = 1, .active = true, .loopback = true, V4 = { 127, 0, 0, 1 } } },
	  1,
	  "a",
	  0xe40c292c },
	{ "nor what is down",
	  { { .index = 2, .active = false, MAC = { 2, 2, 2, 2, 2, 2 } } },
	  1,
	  "a",
	  0xe40c292c },
	{ "nor what has no address at all", { { .index = 2, .active = true } }, 1, "a", 0xe40c292c },
	{ "the smallest index, in whatever order they come",
	  { { .index = 7, .active = true, MAC = { 9, 9, 9, 9, 9, 9 } },
	    { .index = 3, .active = true, MAC = { 'f', 'o', 'o', 'b', 'a', 'r' } },
	    { .index = 5, .active = true, MAC = { 8, 8, 8, 8, 8, 8 } } },
	  3,
	  "a",
	  0xbf9cf968 },
	{ "no MAC: the IPv4 address",
	  { { .index = 2, .active = true, V4 = { 'f', 'o', 'o', 'b' } } },
	  1,
	  "a",
	  0x3f5076ef },
	/* Found by search: inputs that hash to the two reserved numbers. */
	{ "0 becomes 1", { { .index = 2, .active = true, V4 = { 0xcc, 0x24, 0x31, 0xc4 } } }, 1, "a", 1 },
	{ "0xffffffff becomes 1",
	  { { .index = 2, .active = true, MAC = { 0xe0, 0xf9, 0x67, 0x00, 0x00, 0x02 } } },
	  1,
	  "a",
	  1 },
};

TEST(hash)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lat_nodeid_hash(rows[i].ifs, rows[i].count, rows[i].hostname),
			     rows[i].want);
}

TEST(this_machine)
{
	struct lat_nodeid_if ifs[LAT_NODEID_IFS], one;
	int count = lat_nodeid_interfaces(ifs, ARRAY_LEN(ifs));
	uint32_t id = lat_nodeid_local();

	CHECK(count >= 0);
	for (int i = 0; i < count; i++) {
		CHECK(ifs[i].index != 0);
		for (int j = 0; j < i; j++)
			CHECK(ifs[i].index != ifs[j].index);
	}
	CHECK(lat_nodeid_interfaces(&one, 1) <= 1);
	CHECK(id != 0 && id != 0xffffffff);
	CHECK_EQ(lat_nodeid_local(), id);
}

TEST_MAIN

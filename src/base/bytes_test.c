/* Byte order: each width, each edge, unaligned, and that nothing beside the value is touched. */
#include "base/bytes.h"

#include "base/test.h"

static const struct {
	const char *why;
	uint64_t value;
	uint8_t bytes[8];
} rows[] = {
	{ "zero", 0, { 0 } },
	{ "one", 1, { 1 } },
	{ "each byte in its place", 0x0807060504030201, { 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ "largest of 16 bits", 0xffff, { 0xff, 0xff } },
	{ "one past 16 bits", 0x10000, { 0, 0, 1 } },
	{ "largest of 32 bits", 0xffffffff, { 0xff, 0xff, 0xff, 0xff } },
	{ "one past 32 bits", 0x100000000, { 0, 0, 0, 0, 1 } },
	{ "top bit of 16", 0x8000, { 0, 0x80 } },
	{ "top bit of 32", 0x80000000, { 0, 0, 0, 0x80 } },
	{ "top bit of 64", 0x8000000000000000, { 0, 0, 0, 0, 0, 0, 0, 0x80 } },
	{ "largest of 64 bits", UINT64_MAX, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
};

TEST(put_and_get_agree_with_the_bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t at = 1; at <= 8; at++) { /* every alignment, with a byte in front */
			uint8_t buf[24], want[24];

			memset(buf, 0x5a, sizeof(buf));
			memset(want, 0x5a, sizeof(want));
			lat_put_le64(buf + at, rows[i].value);
			memcpy(want + at, rows[i].bytes, 8);
			CHECK_MEM_ROW(rows[i].why, buf, want, sizeof(buf));
			CHECK_ROW(rows[i].why, lat_get_le64(buf + at) == rows[i].value);

			memset(buf, 0x5a, sizeof(buf));
			memset(want, 0x5a, sizeof(want));
			lat_put_le32(buf + at, (uint32_t)rows[i].value);
			memcpy(want + at, rows[i].bytes, 4);
			CHECK_MEM_ROW(rows[i].why, buf, want, sizeof(buf));
			CHECK_ROW(rows[i].why, lat_get_le32(buf + at) == (uint32_t)rows[i].value);

			memset(buf, 0x5a, sizeof(buf));
			memset(want, 0x5a, sizeof(want));
			lat_put_le16(buf + at, (uint16_t)rows[i].value);
			memcpy(want + at, rows[i].bytes, 2);
			CHECK_MEM_ROW(rows[i].why, buf, want, sizeof(buf));
			CHECK_ROW(rows[i].why, lat_get_le16(buf + at) == (uint16_t)rows[i].value);
		}
	}
}

TEST_MAIN

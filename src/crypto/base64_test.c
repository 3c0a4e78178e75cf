/* Base64: RFC 4648's own rows, and everything that is nearly it. */
#include "crypto/base64.h"

#include <errno.h>

#include "base/test.h"

static const struct {
	const char *why, *bytes, *text;
} rfc4648[] = {
	{ "nothing", "", "" },
	{ "one byte", "f", "Zg==" },
	{ "two bytes", "fo", "Zm8=" },
	{ "three bytes", "foo", "Zm9v" },
	{ "four bytes", "foob", "Zm9vYg==" },
	{ "five bytes", "fooba", "Zm9vYmE=" },
	{ "six bytes", "foobar", "Zm9vYmFy" },
};

TEST(published_rows)
{
	for (size_t i = 0; i < ARRAY_LEN(rfc4648); i++) {
		size_t bytes = strlen(rfc4648[i].bytes);
		char text[16];
		uint8_t back[16];

		lat_base64_encode(text, (const uint8_t *)rfc4648[i].bytes, bytes);
		CHECK_STR_ROW(rfc4648[i].why, text, rfc4648[i].text);
		CHECK_EQ_ROW(rfc4648[i].why, lat_base64_decode(back, bytes, text, strlen(text)), 0);
		CHECK_MEM_ROW(rfc4648[i].why, back, rfc4648[i].bytes, bytes);
	}
}

static const struct {
	const char *why, *text;
	size_t bytes;
} refused[] = {
	{ "a byte less than there are", "Zm9v", 2 },
	{ "a byte more than there are", "Zm8=", 3 },
	{ "no padding", "Zg", 1 },
	{ "half the padding", "Zg=", 1 },
	{ "padding where a digit should be", "Zg==", 2 },
	{ "a digit where padding should be", "Zm9v", 1 },
	{ "bits that no byte needs", "Zh==", 1 },
	{ "bits that no byte needs, two bytes", "Zm9=", 2 },
	{ "the other alphabet", "-_-_", 3 },
	{ "white space inside", "Zm 9", 3 },
	{ "a line's end", "Zm9\n", 3 },
	{ "a byte outside ASCII", "Zm9\xff", 3 },
	{ "longer than is ever decoded", "Zm9v", LAT_BASE64_BYTES_MAX + 1 },
};

TEST(anything_else_is_refused_and_writes_nothing)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		uint8_t out[8];
		static const uint8_t before[8] = { 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5 };

		memcpy(out, before, sizeof(out));
		CHECK_EQ_ROW(refused[i].why,
			     lat_base64_decode(out, refused[i].bytes, refused[i].text,
					       strlen(refused[i].text)),
			     -EBADMSG);
		CHECK_MEM_ROW(refused[i].why, out, before, sizeof(out));
	}
}

TEST(every_byte_value_and_the_longest)
{
	static uint8_t in[LAT_BASE64_BYTES_MAX], back[LAT_BASE64_BYTES_MAX];
	static char text[LAT_BASE64_LEN(LAT_BASE64_BYTES_MAX) + 1];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7 + i / 256);
	lat_base64_encode(text, in, sizeof(in));
	CHECK_EQ(strlen(text), LAT_BASE64_LEN(sizeof(in)));
	CHECK_EQ(lat_base64_decode(back, sizeof(back), text, strlen(text)), 0);
	CHECK_MEM(back, in, sizeof(in));
}

TEST_MAIN

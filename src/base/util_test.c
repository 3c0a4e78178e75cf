/* Wiping and constant-time equality. */
#include "base/util.h"

#include "base/test.h"

TEST(wipe_zeroes_exactly_its_range)
{
	for (size_t bytes = 0; bytes <= 70; bytes++) {
		uint8_t buf[80], want[80];

		memset(buf, 0xa5, sizeof(buf));
		memset(want, 0xa5, sizeof(want));
		memset(want + 5, 0, bytes);
		lat_wipe(buf + 5, bytes);
		CHECK_MEM(buf, want, sizeof(buf));
	}
	lat_wipe(NULL, 0);
}

TEST(every_single_bit_makes_a_difference)
{
	uint8_t a[33], b[33];

	for (size_t i = 0; i < sizeof(a); i++)
		a[i] = b[i] = (uint8_t)(i * 7);
	CHECK(lat_equal_ct(a, b, sizeof(a)));
	for (size_t bit = 0; bit < sizeof(a) * 8; bit++) {
		b[bit / 8] = (uint8_t)(b[bit / 8] ^ (1u << bit % 8));
		CHECK(!lat_equal_ct(a, b, sizeof(a)));
		CHECK(lat_equal_ct(a, b, bit / 8)); /* the differing byte is one past the end */
		b[bit / 8] = a[bit / 8];
	}
}

TEST(nothing_equals_nothing)
{
	CHECK(lat_equal_ct(NULL, NULL, 0));
	CHECK(lat_equal_ct("a", "b", 0));
}

TEST_MAIN

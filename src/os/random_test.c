/* Random bytes: all of the buffer, nothing beside it, never twice the same. */
#include "os/random.h"

#include "base/test.h"

TEST(available)
{
	CHECK_EQ(lat_random_check(), 0);
}

TEST(fills_exactly_its_range)
{
	static const size_t sizes[] = { 0, 1, 32, 255, 256, 257, 4096, 100000 };
	static uint8_t buf[100002];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint8_t any = 0;

		memset(buf, 0, sizeof(buf));
		lat_random(buf + 1, sizes[i]);
		CHECK_EQ(buf[0], 0);
		CHECK_EQ(buf[sizes[i] + 1], 0);
		for (size_t at = 1; sizes[i] >= 32 && at + 32 <= sizes[i] + 1;
		     at += 32) { /* 2^-256 to be zeros */
			any = 0;
			for (size_t b = 0; b < 32; b++)
				any |= buf[at + b];
			CHECK_NE(any, 0);
		}
	}
}

TEST(two_draws_differ)
{
	uint8_t a[32], b[32];

	lat_random(a, sizeof(a));
	lat_random(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
}

TEST_MAIN

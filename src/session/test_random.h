/*
 * Numbers for property tests: the same seed gives the same run. Each test runs a few fixed seeds and names
 * the one that failed; LAT_TEST_SEED=n runs that one alone.
 */
#ifndef LAT_SESSION_TEST_RANDOM_H
#define LAT_SESSION_TEST_RANDOM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct test_random {
	uint64_t state;
	char why[32]; /* "seed 7", for the row of a CHECK */
};

/* The seed of run @i of @count; false when there are no more. */
static inline bool test_random_init(struct test_random *r, uint64_t i, uint64_t count)
{
	const char *wanted = getenv("LAT_TEST_SEED");
	uint64_t seed = i + 1;

	if (wanted != NULL) {
		seed = strtoull(wanted, NULL, 0);
		count = 1;
	}
	r->state = seed;
	snprintf(r->why, sizeof(r->why), "seed %llu", (unsigned long long)seed);
	return i < count;
}

static inline uint64_t test_random_u64(struct test_random *r) /* splitmix64 */
{
	uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0..n-1 */
static inline uint32_t test_random_below(struct test_random *r, uint32_t n)
{
	return (uint32_t)(test_random_u64(r) % n);
}

static inline bool test_random_chance(struct test_random *r, uint32_t percent)
{
	return test_random_below(r, 100) < percent;
}

#endif

/*
 * What every fuzz target includes. A target is one function over one input: no clock, no randomness,
 * nothing kept between inputs. Its head states its properties; FUZZ_REQUIRE holds them and ends the program
 * loudly.
 */
#ifndef LAT_FUZZ_FUZZ_H
#define LAT_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FUZZ_REQUIRE(cond)                                                                        \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
			__builtin_trap();                                                         \
		}                                                                                 \
	} while (0)

/* What is left of an input that is read from its front. */
struct fuzz_input {
	const uint8_t *at, *end;
};

/* The next number, of @bytes (at most 8) little-endian bytes; what is not there is zero. */
static inline uint64_t fuzz_take(struct fuzz_input *in, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes && in->at < in->end; i++)
		v |= (uint64_t)*in->at++ << 8 * i;
	return v;
}

/* The next @bytes, or as many as there are, copied to @out. How many. */
static inline size_t fuzz_take_bytes(struct fuzz_input *in, void *out, size_t bytes)
{
	if (bytes > (size_t)(in->end - in->at))
		bytes = (size_t)(in->end - in->at);
	if (bytes > 0)
		memcpy(out, in->at, bytes);
	in->at += bytes;
	return bytes;
}

static inline bool fuzz_more(const struct fuzz_input *in)
{
	return in->at < in->end;
}

/* The same byte everywhere: for memory that has to be untouched afterwards. */
static inline bool fuzz_all(const void *at, int byte, size_t bytes)
{
	const uint8_t *p = at;

	return bytes == 0 || (p[0] == (uint8_t)byte && memcmp(p, p + 1, bytes - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

/*
 * What every fuzz target includes. A target is one function over one input: no clock, no randomness,
 * nothing kept between inputs. Its head states its properties; FUZZ_REQUIRE holds them and ends the program
 * loudly.
 */
#ifndef LAT_FUZZ_FUZZ_H
#define LAT_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_REQUIRE(cond)                \
	do {                              \
		if (!(cond))              \
			__builtin_trap(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

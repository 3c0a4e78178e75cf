/* For this room's tests only: bytes from hexadecimal text, and copies whose end a sanitizer guards. */
#ifndef LAT_WIRE_TEST_BYTES_H
#define LAT_WIRE_TEST_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A copy on the heap of exactly @len bytes, so that reading one too many is seen. free() it. */
static inline uint8_t *exact(const void *bytes, size_t len)
{
	uint8_t *p = (uint8_t *)malloc(len);

	if (p != NULL && len > 0)
		memcpy(p, bytes, len);
	return p;
}

static inline uint8_t hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Lower-case hexadecimal, spaces anywhere between bytes. Returns how many bytes, at most @cap. */
static inline size_t hex_bytes(uint8_t *out, size_t cap, const char *hex)
{
	size_t n = 0;

	for (; n < cap && hex[0] != '\0' && (hex[0] == ' ' || hex[1] != '\0'); hex++) {
		if (*hex == ' ')
			continue;
		out[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
		hex++;
	}
	return n;
}

#endif

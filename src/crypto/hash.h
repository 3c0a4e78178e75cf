/*
 * H = SHA-256, HMAC-SHA-256, HKDF-SHA-256 (RFC 5869), BLAKE2b of n bytes: PROTOCOL section 0.
 *
 * Every input that is a concatenation comes in parts, so nobody builds it in a buffer. Outputs may overlap
 * inputs: they are written last (lat_hkdf_expand's may not overlap its own). Nothing here fails, allocates or
 * blocks; any number of threads. Sizes out of range are the caller's bug.
 */
#ifndef LAT_CRYPTO_HASH_H
#define LAT_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { LAT_HASH = 32, LAT_MAC16 = 16, LAT_B2_MAX = 64, LAT_HKDF_MAX = 255 * LAT_HASH };

struct lat_bytes { /* one piece of an input that is the concatenation of several; data may be NULL with 0 bytes */
	const void *data;
	size_t bytes;
};

void lat_sha256(uint8_t out[LAT_HASH], const struct lat_bytes *parts, size_t count);
/* A shorter key is the same key with zeros appended (RFC 2104); the protocol has none that is longer. */
void lat_hmac(uint8_t out[LAT_HASH], const uint8_t key[LAT_HASH], const struct lat_bytes *parts,
	      size_t count);
/* Extract(salt, ikm) = HMAC(salt, ikm); both 32 bytes wherever the protocol uses it. */
void lat_hkdf_extract(uint8_t prk[LAT_HASH], const uint8_t salt[LAT_HASH], const uint8_t ikm[LAT_HASH]);
/* @bytes <= LAT_HKDF_MAX. The info is the concatenation of the parts. */
void lat_hkdf_expand(uint8_t *out, size_t bytes, const uint8_t prk[LAT_HASH], const struct lat_bytes *info,
		     size_t count);
/* BLAKE2b, 1..64 bytes out; key NULL (then key_bytes is 0) or key_bytes <= 64. */
void lat_blake2b(uint8_t *out, size_t out_bytes, const void *key, size_t key_bytes,
		 const struct lat_bytes *parts, size_t count);

#endif

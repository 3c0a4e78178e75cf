/* H = SHA-256, HMAC-SHA-256, HKDF-SHA-256 (RFC 5869), BLAKE2b of n bytes: PROTOCOL section 0. */
#ifndef LAT_CRYPTO_HASH_H
#define LAT_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { LAT_HASH = 32, LAT_MAC16 = 16, LAT_B2_MAX = 64 };

struct lat_bytes { /* one piece of an input that is the concatenation of several */
	const void *data;
	size_t bytes;
};

void lat_sha256(uint8_t out[LAT_HASH], const struct lat_bytes *parts, size_t count);
void lat_hmac(uint8_t out[LAT_HASH], const uint8_t key[LAT_HASH], const struct lat_bytes *parts, size_t count);
/* Extract(salt, ikm) = HMAC(salt, ikm); both 32 bytes wherever the protocol uses it. */
void lat_hkdf_extract(uint8_t prk[LAT_HASH], const uint8_t salt[LAT_HASH], const uint8_t ikm[LAT_HASH]);
/* @bytes <= 255 * 32. The info is the concatenation of the parts. */
void lat_hkdf_expand(uint8_t *out, size_t bytes, const uint8_t prk[LAT_HASH], const struct lat_bytes *info, size_t count);
/* BLAKE2b, 1..64 bytes out; key NULL or key_bytes <= 64. */
void lat_blake2b(uint8_t *out, size_t out_bytes, const void *key, size_t key_bytes, const struct lat_bytes *parts,
                 size_t count);

#endif

/* Hashes and what is built from them, over libsodium. Every state is wiped: most of them held a key. */
#include "crypto/hash.h"

#include <string.h>

#include <sodium.h>

#include "base/util.h"

static_assert(LAT_HASH == crypto_hash_sha256_BYTES && LAT_HASH == crypto_auth_hmacsha256_BYTES, "SHA-256");
static_assert(LAT_B2_MAX == crypto_generichash_blake2b_BYTES_MAX, "BLAKE2b");

void lat_sha256(uint8_t out[LAT_HASH], const struct lat_bytes *parts, size_t count)
{
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	for (size_t i = 0; i < count; i++)
		crypto_hash_sha256_update(&state, parts[i].data, parts[i].bytes);
	crypto_hash_sha256_final(&state, out);
	lat_wipe(&state, sizeof(state));
}

void lat_hmac(uint8_t out[LAT_HASH], const uint8_t key[LAT_HASH], const struct lat_bytes *parts, size_t count)
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, LAT_HASH);
	for (size_t i = 0; i < count; i++)
		crypto_auth_hmacsha256_update(&state, parts[i].data, parts[i].bytes);
	crypto_auth_hmacsha256_final(&state, out);
	lat_wipe(&state, sizeof(state));
}

void lat_hkdf_extract(uint8_t prk[LAT_HASH], const uint8_t salt[LAT_HASH], const uint8_t ikm[LAT_HASH])
{
	lat_hmac(prk, salt, &(struct lat_bytes){ ikm, LAT_HASH }, 1);
}

void lat_hkdf_expand(uint8_t *out, size_t bytes, const uint8_t prk[LAT_HASH], const struct lat_bytes *info,
		     size_t count)
{
	crypto_auth_hmacsha256_state state;
	uint8_t block[LAT_HASH], number = 0;
	size_t done = 0;

	LAT_ASSERT(bytes <= LAT_HKDF_MAX);
	while (done < bytes) { /* T(n) = HMAC(prk, T(n-1) || info || n) */
		size_t n = bytes - done < LAT_HASH ? bytes - done : LAT_HASH;

		crypto_auth_hmacsha256_init(&state, prk, LAT_HASH);
		if (number > 0)
			crypto_auth_hmacsha256_update(&state, block, sizeof(block));
		for (size_t i = 0; i < count; i++)
			crypto_auth_hmacsha256_update(&state, info[i].data, info[i].bytes);
		number++;
		crypto_auth_hmacsha256_update(&state, &number, 1);
		crypto_auth_hmacsha256_final(&state, block);
		memcpy(out + done, block, n);
		done += n;
	}
	lat_wipe(&state, sizeof(state));
	lat_wipe(block, sizeof(block));
}

void lat_blake2b(uint8_t *out, size_t out_bytes, const void *key, size_t key_bytes,
		 const struct lat_bytes *parts, size_t count)
{
	crypto_generichash_blake2b_state state;

	LAT_ASSERT(out_bytes >= 1 && out_bytes <= LAT_B2_MAX && key_bytes <= LAT_B2_MAX);
	LAT_ASSERT(key != NULL || key_bytes == 0);
	(void)crypto_generichash_blake2b_init(&state, key, key_bytes, out_bytes);
	for (size_t i = 0; i < count; i++)
		(void)crypto_generichash_blake2b_update(&state, parts[i].data, parts[i].bytes);
	(void)crypto_generichash_blake2b_final(&state, out, out_bytes);
	lat_wipe(&state, sizeof(state));
}

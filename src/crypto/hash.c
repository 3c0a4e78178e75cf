/* Hashes and what is built from them, over sha256.h and libsodium. Every state is wiped: most of them held a key. */
#include "crypto/hash.h"

#include <string.h>

#include <sodium.h>

#include "base/util.h"
#include "crypto/sha256.h"

enum { HMAC_BLOCK = 64 };

static_assert(LAT_HASH == crypto_hash_sha256_BYTES, "SHA-256");
static_assert(LAT_B2_MAX == crypto_generichash_blake2b_BYTES_MAX, "BLAKE2b");

void lat_sha256(uint8_t out[LAT_HASH], const struct lat_bytes *parts, size_t count)
{
	lat_sha256_state state;

	lat_sha256_init(&state);
	for (size_t i = 0; i < count; i++)
		lat_sha256_update(&state, parts[i].data, parts[i].bytes);
	lat_sha256_final(&state, out);
	lat_wipe(&state, sizeof(state));
}

/* HMAC (RFC 2104): H(key ^ opad || H(key ^ ipad || input)). */
struct hmac {
	lat_sha256_state inner;
	uint8_t pad[HMAC_BLOCK];
};

static void hmac_init(struct hmac *m, const uint8_t key[LAT_HASH])
{
	memset(m->pad, 0x36, sizeof(m->pad));
	for (size_t i = 0; i < LAT_HASH; i++)
		m->pad[i] ^= key[i];
	lat_sha256_init(&m->inner);
	lat_sha256_update(&m->inner, m->pad, sizeof(m->pad));
}

static void hmac_final(struct hmac *m, uint8_t out[LAT_HASH])
{
	uint8_t digest[LAT_HASH];

	lat_sha256_final(&m->inner, digest);
	for (size_t i = 0; i < sizeof(m->pad); i++)
		m->pad[i] ^= 0x36 ^ 0x5c;
	lat_sha256_init(&m->inner);
	lat_sha256_update(&m->inner, m->pad, sizeof(m->pad));
	lat_sha256_update(&m->inner, digest, sizeof(digest));
	lat_sha256_final(&m->inner, out);
	lat_wipe(digest, sizeof(digest));
	lat_wipe(m, sizeof(*m));
}

void lat_hmac(uint8_t out[LAT_HASH], const uint8_t key[LAT_HASH], const struct lat_bytes *parts, size_t count)
{
	struct hmac m;

	hmac_init(&m, key);
	for (size_t i = 0; i < count; i++)
		lat_sha256_update(&m.inner, parts[i].data, parts[i].bytes);
	hmac_final(&m, out);
}

void lat_hkdf_extract(uint8_t prk[LAT_HASH], const uint8_t salt[LAT_HASH], const uint8_t ikm[LAT_HASH])
{
	lat_hmac(prk, salt, &(struct lat_bytes){ ikm, LAT_HASH }, 1);
}

void lat_hkdf_expand(uint8_t *out, size_t bytes, const uint8_t prk[LAT_HASH], const struct lat_bytes *info,
		     size_t count)
{
	struct hmac m;
	uint8_t block[LAT_HASH], number = 0;
	size_t done = 0;

	LAT_ASSERT(bytes <= LAT_HKDF_MAX);
	while (done < bytes) { /* T(n) = HMAC(prk, T(n-1) || info || n) */
		size_t n = bytes - done < LAT_HASH ? bytes - done : LAT_HASH;

		hmac_init(&m, prk);
		if (number > 0)
			lat_sha256_update(&m.inner, block, sizeof(block));
		for (size_t i = 0; i < count; i++)
			lat_sha256_update(&m.inner, info[i].data, info[i].bytes);
		number++;
		lat_sha256_update(&m.inner, &number, 1);
		hmac_final(&m, block);
		memcpy(out + done, block, n);
		done += n;
	}
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

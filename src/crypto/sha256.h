/*
 * SHA-256 in pieces: by OpenSSL's libcrypto where that was there when this was built, because it uses the processor's own
 * instructions, else by libsodium. Internal to the room. Whoever made a state wipes it.
 */
#ifndef LAT_CRYPTO_SHA256_H
#define LAT_CRYPTO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#ifdef LAT_LIBCRYPTO

/* Deprecated in favour of EVP, which allocates; these work on a state of ours. */
#ifndef OPENSSL_SUPPRESS_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED
#endif
#include <openssl/sha.h>

typedef SHA256_CTX lat_sha256_state;

static inline void lat_sha256_init(lat_sha256_state *s)
{
	(void)SHA256_Init(s);
}

static inline void lat_sha256_update(lat_sha256_state *s, const void *data, size_t bytes)
{
	(void)SHA256_Update(s, data, bytes);
}

static inline void lat_sha256_final(lat_sha256_state *s, uint8_t out[32])
{
	(void)SHA256_Final(out, s);
}

#else

#include <sodium.h>

typedef crypto_hash_sha256_state lat_sha256_state;

static inline void lat_sha256_init(lat_sha256_state *s)
{
	(void)crypto_hash_sha256_init(s);
}

static inline void lat_sha256_update(lat_sha256_state *s, const void *data, size_t bytes)
{
	(void)crypto_hash_sha256_update(s, data, bytes);
}

static inline void lat_sha256_final(lat_sha256_state *s, uint8_t out[32])
{
	(void)crypto_hash_sha256_final(s, out);
}

#endif

#endif

/*
 * XChaCha20-Poly1305 with the subkey cached (PROTOCOL section 4): HChaCha20(key, prefix) is computed once per key, then
 * each packet is ChaCha20-Poly1305-IETF under it with nonce 0^4 || counter, which are the same bytes as
 * XChaCha20-Poly1305 under key with nonce prefix || counter.
 *
 * Any number of threads may use one struct lat_aead once it is made; nothing blocks or allocates. Whoever made
 * one wipes it.
 */
#ifndef LAT_CRYPTO_AEAD_H
#define LAT_CRYPTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

enum { LAT_AEAD_KEY = 32, LAT_AEAD_PREFIX = 16, LAT_AEAD_NONCE = 24, LAT_AEAD_TAG = 16 };

struct lat_aead { /* secret */
	uint8_t subkey[LAT_AEAD_KEY];
};

/*
 * Must be called before anything in this room (sodium_init: it picks the processor's best code). Again is
 * harmless, from any thread. 0, or -ENOSYS when the library is unusable.
 */
int lat_crypto_init(void);

void lat_aead_init(struct lat_aead *a, const uint8_t key[LAT_AEAD_KEY],
		   const uint8_t prefix[LAT_AEAD_PREFIX]);

/*
 * out: @bytes of ciphertext then the tag, so bytes + LAT_AEAD_TAG; out may equal @plain, other overlaps may not be.
 * The caller never uses a @counter twice under one key: nothing here can know.
 */
void lat_aead_seal(const struct lat_aead *a, uint64_t counter, const void *ad, size_t ad_bytes,
		   const void *plain, size_t bytes, uint8_t *out);

/*
 * @bytes counts the tag. out: bytes - LAT_AEAD_TAG of plaintext; out may equal @sealed. 0, or -EBADMSG
 * (too short or not authentic) with nothing of the plaintext in out: too short leaves it alone, else its
 * bytes - LAT_AEAD_TAG bytes are zeros. So opening in place cannot be tried again under another key.
 */
int lat_aead_open(const struct lat_aead *a, uint64_t counter, const void *ad, size_t ad_bytes,
		  const uint8_t *sealed, size_t bytes, void *out);

/* The plain 24-byte-nonce form, for handshake boxes and cookies. Same rules. */
void lat_xaead_seal(const uint8_t key[LAT_AEAD_KEY], const uint8_t nonce[LAT_AEAD_NONCE], const void *ad,
		    size_t ad_bytes, const void *plain, size_t bytes, uint8_t *out);
int lat_xaead_open(const uint8_t key[LAT_AEAD_KEY], const uint8_t nonce[LAT_AEAD_NONCE], const void *ad,
		   size_t ad_bytes, const uint8_t *sealed, size_t bytes, void *out);

#endif

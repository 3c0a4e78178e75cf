/* Sealing and opening, over libsodium, and over libcrypto where that is faster (evp.h). */
#include "crypto/aead.h"

#include <errno.h>

#include <sodium.h>

#include "base/bytes.h"
#include "base/util.h"
#include "crypto/evp.h"

static_assert(LAT_AEAD_KEY == crypto_core_hchacha20_OUTPUTBYTES, "the subkey is a ChaCha20 key");
static_assert(LAT_AEAD_PREFIX == crypto_core_hchacha20_INPUTBYTES, "the prefix is HChaCha20's input");
static_assert(LAT_AEAD_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "XChaCha20's nonce");
static_assert(LAT_AEAD_TAG == crypto_aead_chacha20poly1305_ietf_ABYTES &&
		      LAT_AEAD_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES,
	      "Poly1305's tag");

enum {
	IETF_NONCE = crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
	DEPTH = 2048, /* of the stack that sealing and opening use, where compilers put keys for want of registers */
};

int lat_crypto_init(void)
{
	return sodium_init() < 0 ? -ENOSYS : 0;
}

void lat_aead_init(struct lat_aead *a, const uint8_t key[LAT_AEAD_KEY], const uint8_t prefix[LAT_AEAD_PREFIX])
{
	(void)crypto_core_hchacha20(a->subkey, prefix, key, NULL);
	sodium_stackzero(DEPTH);
}

/* 0^4 || counter: what is left of the 24-byte nonce once its prefix has gone into the subkey. */
static void nonce_encode(uint8_t out[IETF_NONCE], uint64_t counter)
{
	lat_put_le32(out, 0);
	lat_put_le64(out + 4, counter);
}

void lat_aead_seal(const struct lat_aead *a, uint64_t counter, const void *ad, size_t ad_bytes,
		   const void *plain, size_t bytes, uint8_t *out)
{
	uint8_t nonce[IETF_NONCE];

	nonce_encode(nonce, counter);
	if (bytes < LAT_EVP_LEAST || lat_evp_seal(&(struct lat_evp_job){ .key = a->subkey,
									 .nonce = nonce,
									 .ad = ad,
									 .ad_bytes = ad_bytes,
									 .in = plain,
									 .bytes = bytes,
									 .out = out }) < 0)
		(void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, bytes, ad, ad_bytes, NULL,
								nonce, a->subkey);
	sodium_stackzero(DEPTH);
}

int lat_aead_open(const struct lat_aead *a, uint64_t counter, const void *ad, size_t ad_bytes,
		  const uint8_t *sealed, size_t bytes, void *out)
{
	uint8_t nonce[IETF_NONCE];
	int rc = -ENOSYS;

	if (bytes < LAT_AEAD_TAG)
		return -EBADMSG;
	nonce_encode(nonce, counter);
	if (bytes - LAT_AEAD_TAG >= LAT_EVP_LEAST)
		rc = lat_evp_open(&(struct lat_evp_job){ .key = a->subkey,
							 .nonce = nonce,
							 .ad = ad,
							 .ad_bytes = ad_bytes,
							 .in = sealed,
							 .bytes = bytes - LAT_AEAD_TAG,
							 .out = out });
	if (rc == -ENOSYS)
		rc = crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, bytes, ad, ad_bytes,
							       nonce, a->subkey) == 0
			     ? 0
			     : -EBADMSG;
	sodium_stackzero(DEPTH);
	return rc;
}

void lat_xaead_seal(const uint8_t key[LAT_AEAD_KEY], const uint8_t nonce[LAT_AEAD_NONCE], const void *ad,
		    size_t ad_bytes, const void *plain, size_t bytes, uint8_t *out)
{
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain, bytes, ad, ad_bytes, NULL, nonce,
							 key);
}

int lat_xaead_open(const uint8_t key[LAT_AEAD_KEY], const uint8_t nonce[LAT_AEAD_NONCE], const void *ad,
		   size_t ad_bytes, const uint8_t *sealed, size_t bytes, void *out)
{
	if (bytes < LAT_AEAD_TAG)
		return -EBADMSG;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, bytes, ad, ad_bytes, nonce,
						       key) != 0)
		return -EBADMSG;
	return 0;
}

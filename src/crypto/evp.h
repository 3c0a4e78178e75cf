/*
 * ChaCha20-Poly1305 by OpenSSL's libcrypto, for what is long enough to be worth it: the same bytes as by libsodium, up to three times
 * as fast. Internal to the room. Where libcrypto was not there when this was built, there is nothing of it.
 */
#ifndef LAT_CRYPTO_EVP_H
#define LAT_CRYPTO_EVP_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum { LAT_EVP_LEAST = 2048 }; /* bytes of plaintext: below that, setting it up costs what it saves */

struct lat_evp_job {                /* one packet */
	const uint8_t *key, *nonce; /* 32 and 12 bytes */
	const void *ad;
	size_t ad_bytes;
	const uint8_t *in;
	size_t bytes; /* of plaintext; the tag's 16 follow the ciphertext */
	uint8_t *out; /* may be @in */
};

#ifdef LAT_LIBCRYPTO

/* As lat_aead_seal() and lat_aead_open(). 0, -EBADMSG (open only), or -ENOSYS: nothing was done, it must be done otherwise. */
LAT_MUST_CHECK int lat_evp_seal(const struct lat_evp_job *job);
LAT_MUST_CHECK int lat_evp_open(const struct lat_evp_job *job);

#else

LAT_MUST_CHECK static inline int lat_evp_seal(const struct lat_evp_job *job)
{
	(void)job;
	return -ENOSYS;
}

LAT_MUST_CHECK static inline int lat_evp_open(const struct lat_evp_job *job)
{
	(void)job;
	return -ENOSYS;
}

#endif

#endif

/* X-Wing over libsodium. Results are made beside the caller's buffers, so a refusal leaves those alone. */
#include "crypto/kem.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "base/util.h"

static_assert(LAT_KEM_PK == crypto_kem_xwing_PUBLICKEYBYTES && LAT_KEM_PK == LAT_KEM_PK_M + LAT_KEM_PK_X,
	      "pk");
static_assert(LAT_KEM_SEED == crypto_kem_xwing_SEEDBYTES && LAT_KEM_SEED == crypto_kem_xwing_SECRETKEYBYTES,
	      "the secret key is its seed");
static_assert(LAT_KEM_CT == crypto_kem_xwing_CIPHERTEXTBYTES &&
		      LAT_KEM_SS == crypto_kem_xwing_SHAREDSECRETBYTES,
	      "ct");

int lat_kem_keypair(uint8_t pk[LAT_KEM_PK], const uint8_t seed[LAT_KEM_SEED])
{
	uint8_t made[LAT_KEM_PK], sk[LAT_KEM_SEED];
	int rc = 0;

	if (crypto_kem_xwing_seed_keypair(made, sk, seed) != 0)
		rc = -EINVAL;
	else
		memcpy(pk, made, sizeof(made));
	lat_wipe(sk, sizeof(sk));
	return rc;
}

int lat_kem_encaps(uint8_t ct[LAT_KEM_CT], uint8_t ss[LAT_KEM_SS], const uint8_t pk[LAT_KEM_PK],
		   const uint8_t enc_seed[LAT_KEM_ENC_SEED])
{
	uint8_t made_ct[LAT_KEM_CT], made_ss[LAT_KEM_SS];
	int rc = 0;

	if (crypto_kem_xwing_enc_deterministic(made_ct, made_ss, pk, enc_seed) != 0) {
		rc = -EBADMSG;
	} else {
		memcpy(ct, made_ct, sizeof(made_ct));
		memcpy(ss, made_ss, sizeof(made_ss));
	}
	lat_wipe(made_ss, sizeof(made_ss));
	return rc;
}

int lat_kem_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT], const uint8_t seed[LAT_KEM_SEED])
{
	uint8_t made[LAT_KEM_SS];
	int rc = 0;

	if (crypto_kem_xwing_dec(made, ct, seed) != 0)
		rc = -EBADMSG;
	else
		memcpy(ss, made, sizeof(made));
	lat_wipe(made, sizeof(made));
	return rc;
}

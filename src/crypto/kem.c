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
static_assert(LAT_KEM_SK_M == crypto_kem_mlkem768_SECRETKEYBYTES &&
		      LAT_KEM_CT == crypto_kem_mlkem768_CIPHERTEXTBYTES + crypto_scalarmult_BYTES &&
		      LAT_KEM_PK_M == crypto_kem_mlkem768_PUBLICKEYBYTES,
	      "X-Wing is these two");

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

/* draft-connolly-cfrg-xwing-kem, expandDecapsulationKey() */
int lat_kem_key_init(struct lat_kem_key *key, const uint8_t seed[LAT_KEM_SEED])
{
	uint8_t expanded[crypto_kem_mlkem768_SEEDBYTES + LAT_KEM_PK_X], pk_m[LAT_KEM_PK_M];
	struct lat_kem_key made;
	int rc = 0;

	memcpy(made.seed, seed, sizeof(made.seed));
	if (crypto_xof_shake256(expanded, sizeof(expanded), seed, LAT_KEM_SEED) != 0 ||
	    crypto_kem_mlkem768_seed_keypair(pk_m, made.m, expanded) != 0)
		rc = -EINVAL;
	memcpy(made.x, expanded + crypto_kem_mlkem768_SEEDBYTES, sizeof(made.x));
	if (rc == 0 && crypto_scalarmult_base(made.pk_x, made.x) != 0)
		rc = -EINVAL;
	if (rc == 0)
		*key = made;
	lat_wipe(&made, sizeof(made));
	lat_wipe(expanded, sizeof(expanded));
	return rc;
}

/* Its Decapsulate(), and Combiner() */
int lat_kem_key_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT], const struct lat_kem_key *key)
{
	static const uint8_t label[6] = { '\\', '.', '/', '/', '^', '\\' };
	const uint8_t *ct_x = ct + crypto_kem_mlkem768_CIPHERTEXTBYTES;
	uint8_t ss_m[LAT_KEM_SS], ss_x[LAT_KEM_SS];
	crypto_hash_sha3256_state st;
	int rc = -EBADMSG;

	if (crypto_kem_mlkem768_dec(ss_m, ct, key->m) == 0 && crypto_scalarmult(ss_x, key->x, ct_x) == 0 &&
	    crypto_hash_sha3256_init(&st) == 0 && crypto_hash_sha3256_update(&st, ss_m, sizeof(ss_m)) == 0 &&
	    crypto_hash_sha3256_update(&st, ss_x, sizeof(ss_x)) == 0 &&
	    crypto_hash_sha3256_update(&st, ct_x, LAT_KEM_PK_X) == 0 &&
	    crypto_hash_sha3256_update(&st, key->pk_x, sizeof(key->pk_x)) == 0 &&
	    crypto_hash_sha3256_update(&st, label, sizeof(label)) == 0 &&
	    crypto_hash_sha3256_final(&st, ss) == 0)
		rc = 0;
	lat_wipe(&st, sizeof(st));
	lat_wipe(ss_m, sizeof(ss_m));
	lat_wipe(ss_x, sizeof(ss_x));
	return rc;
}

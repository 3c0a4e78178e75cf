/*
 * X-Wing (ML-KEM-768 + X25519), also named MLKEM768-X25519: the only key exchange there is.
 *
 * Deterministic: randomness comes in as a seed, which the caller takes from lat_random and wipes. Outputs are
 * untouched on failure and may overlap inputs. Any number of threads; nothing blocks or allocates.
 */
#ifndef LAT_CRYPTO_KEM_H
#define LAT_CRYPTO_KEM_H

#include <stdint.h>

enum {
	LAT_KEM_PK = 1216, /* ML-KEM-768 ek 1184 || X25519 32 */
	LAT_KEM_PK_M = 1184,
	LAT_KEM_PK_X = 32,
	LAT_KEM_SK_M = 2400,
	LAT_KEM_SEED = 32, /* the secret key is its seed */
	LAT_KEM_CT = 1120,
	LAT_KEM_SS = 32,
	LAT_KEM_ENC_SEED = 64,
};

/* The public key of the secret key @seed. 0, or -EINVAL: the library refused the seed (none is known to be). */
int lat_kem_keypair(uint8_t pk[LAT_KEM_PK], const uint8_t seed[LAT_KEM_SEED]);
/* Encapsulates to @pk with the randomness @enc_seed. 0, or -EBADMSG: bad key encoding or an all-zero X25519 result. */
int lat_kem_encaps(uint8_t ct[LAT_KEM_CT], uint8_t ss[LAT_KEM_SS], const uint8_t pk[LAT_KEM_PK],
		   const uint8_t enc_seed[LAT_KEM_ENC_SEED]);
/*
 * 0, or -EBADMSG: an all-zero X25519 result. A ciphertext that was not made for this key is no error here: it gives
 * another secret (implicit rejection), and the first tag made with it will not verify.
 */
int lat_kem_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT], const uint8_t seed[LAT_KEM_SEED]);

/* A secret key that is used again and again, with what follows from its seed; all of it secret. */
struct lat_kem_key {
	uint8_t seed[LAT_KEM_SEED];
	uint8_t m[LAT_KEM_SK_M], x[LAT_KEM_PK_X], pk_x[LAT_KEM_PK_X];
};
/* Whatever the seed is. It may lie in @key. 0, or -EINVAL as lat_kem_keypair(). */
int lat_kem_key_init(struct lat_kem_key *key, const uint8_t seed[LAT_KEM_SEED]);
/* As lat_kem_decaps() of its seed, in two thirds of the time. */
int lat_kem_key_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT], const struct lat_kem_key *key);

#endif

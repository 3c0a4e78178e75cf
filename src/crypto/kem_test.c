/* X-Wing: published vectors, round trip, refusals, and the protocol's known answers. */
#include "crypto/kem.h"

#include <errno.h>

#include <sodium.h>

#include "base/test.h"
#include "crypto/hash.h"
#include "vectors/lwp1_kat.h"

static void unhex(uint8_t *out, size_t bytes, const char *hex)
{
	size_t got = 0;

	if (sodium_hex2bin(out, bytes, hex, strlen(hex), NULL, &got, NULL) != 0 || got != bytes)
		fail_msg("bad hex in a row");
}

/*
 * The first two vectors of draft-connolly-cfrg-xwing-kem (from version 06 on, with the final ML-KEM). pk and ct are
 * long: here are their first 16 bytes as published and the SHA-256 of the whole. ss hashes ct's and pk's X25519 halves in.
 */
static const struct {
	const char *why;
	const char *seed, *eseed, *pk, *pk_hash, *ct, *ct_hash, *ss;
} rows[] = {
	{ "draft vector 1", "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
	  "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2"
	  "35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2",
	  "e2236b35a8c24b39b10aa1323a96a919",
	  "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb",
	  "b83aa828d4d62b9a83ceffe1d3d3bb1e",
	  "17cd532d657e44c897ca6583e548a5424fc70bf54f99515a4d2bcf99e3469f33",
	  "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384" },
	{ "draft vector 2", "badfd6dfaac359a5efbb7bcc4b59d538df9a04302e10c8bc1cbf1a0b3a5120ea",
	  "17cda7cfad765f5623474d368ccca8af0007cd9f5e4c849f167a580b14aabdef"
	  "aee7eef47cb0fca9767be1fda69419dfb927e9df07348b196691abaeb580b32d",
	  "0333285fa253661508c9fb444852caa4",
	  "c42ba5f8430d7d2c83739338203819f090e8303ce9c8b02107c272bfa5376916",
	  "c93beb22326705699bbc3d1d0aa6339b",
	  "1661ea86d608a1924ba30840cb0a65f13ae051e3aec9cf0f064efc0bc92f2154",
	  "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150" },
};

TEST(matches_the_published_vectors)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t seed[LAT_KEM_SEED], eseed[LAT_KEM_ENC_SEED], want[32], hash[32];
		uint8_t pk[LAT_KEM_PK], ct[LAT_KEM_CT], ss[LAT_KEM_SS], back[LAT_KEM_SS];
		struct lat_kem_key key;

		unhex(seed, sizeof(seed), rows[i].seed);
		unhex(eseed, sizeof(eseed), rows[i].eseed);
		CHECK_EQ_ROW(rows[i].why, lat_kem_keypair(pk, seed), 0);
		unhex(want, 16, rows[i].pk);
		CHECK_MEM_ROW(rows[i].why, pk, want, 16);
		unhex(want, 32, rows[i].pk_hash);
		lat_sha256(hash, &(struct lat_bytes){ pk, sizeof(pk) }, 1);
		CHECK_MEM_ROW(rows[i].why, hash, want, 32);

		CHECK_EQ_ROW(rows[i].why, lat_kem_encaps(ct, ss, pk, eseed), 0);
		unhex(want, 16, rows[i].ct);
		CHECK_MEM_ROW(rows[i].why, ct, want, 16);
		unhex(want, 32, rows[i].ct_hash);
		lat_sha256(hash, &(struct lat_bytes){ ct, sizeof(ct) }, 1);
		CHECK_MEM_ROW(rows[i].why, hash, want, 32);
		unhex(want, 32, rows[i].ss);
		CHECK_MEM_ROW(rows[i].why, ss, want, 32);
		CHECK_EQ_ROW(rows[i].why, lat_kem_decaps(back, ct, seed), 0);
		CHECK_MEM_ROW(rows[i].why, back, want, 32);
		CHECK_EQ_ROW(rows[i].why, lat_kem_key_init(&key, seed), 0);
		memset(back, 0, sizeof(back));
		CHECK_EQ_ROW(rows[i].why, lat_kem_key_decaps(back, ct, &key), 0);
		CHECK_MEM_ROW(rows[i].why, back, want, 32);
	}
}

/* ct_R is in the clear in M1, and the fingerprints cover both public keys (PROTOCOL sections 1, 3). */
TEST(matches_the_known_answers)
{
	enum { M1_EX = 8, M1_CT = 40 };

	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *k = lat_kats[i];
		uint8_t pk[LAT_KEM_PK], ct[LAT_KEM_CT], ss[LAT_KEM_SS], back[LAT_KEM_SS], fp[32];

		CHECK_EQ_ROW(k->name, lat_kem_keypair(pk, k->seed_E), 0);
		CHECK_MEM_ROW(k->name, pk + LAT_KEM_PK_M, k->M1 + M1_EX, LAT_KEM_PK_X);
		CHECK_EQ_ROW(k->name, lat_kem_keypair(pk, k->seed_I), 0);
		lat_blake2b(fp, 32, NULL, 0,
			    (struct lat_bytes[]){ { "lwp1 node key", 13 }, { pk, sizeof(pk) } }, 2);
		CHECK_MEM_ROW(k->name, fp, k->fp_I, 32);
		CHECK_EQ_ROW(k->name, lat_kem_keypair(pk, k->seed_R), 0);
		lat_blake2b(fp, 32, NULL, 0,
			    (struct lat_bytes[]){ { "lwp1 node key", 13 }, { pk, sizeof(pk) } }, 2);
		CHECK_MEM_ROW(k->name, fp, k->fp_R, 32);
		CHECK_EQ_ROW(k->name, lat_kem_encaps(ct, ss, pk, k->eseed_ct_R), 0);
		CHECK_MEM_ROW(k->name, ct, k->M1 + M1_CT, sizeof(ct));
		CHECK_EQ_ROW(k->name, lat_kem_decaps(back, ct, k->seed_R), 0);
		CHECK_MEM_ROW(k->name, back, ss, sizeof(ss));
	}
}

/* One half of a bad key or ciphertext is enough, and nothing is written. */
TEST(bad_encodings_are_refused)
{
	static const struct {
		const char *why;
		size_t from, bytes;
		uint8_t fill;
	} bad[] = {
		{ "ML-KEM coefficients over the modulus", 0, LAT_KEM_PK_M - 32, 0xff },
		{ "one ML-KEM coefficient over the modulus", 0, 2, 0xff },
		{ "X25519 point of order 1", LAT_KEM_PK_M, LAT_KEM_PK_X, 0 },
	};
	uint8_t seed[LAT_KEM_SEED] = { 1 }, eseed[LAT_KEM_ENC_SEED] = { 2 }, good[LAT_KEM_PK], pk[LAT_KEM_PK];
	uint8_t ct[LAT_KEM_CT], ss[LAT_KEM_SS], ct_was[LAT_KEM_CT], ss_was[LAT_KEM_SS];
	struct lat_kem_key key;

	CHECK_EQ(lat_kem_keypair(good, seed), 0);
	memset(ct, 0x5a, sizeof(ct));
	memset(ss, 0x5a, sizeof(ss));
	memcpy(ct_was, ct, sizeof(ct));
	memcpy(ss_was, ss, sizeof(ss));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memcpy(pk, good, sizeof(pk));
		memset(pk + bad[i].from, bad[i].fill, bad[i].bytes);
		CHECK_EQ_ROW(bad[i].why, lat_kem_encaps(ct, ss, pk, eseed), -EBADMSG);
		CHECK_MEM_ROW(bad[i].why, ct, ct_was, sizeof(ct));
		CHECK_MEM_ROW(bad[i].why, ss, ss_was, sizeof(ss));
	}
	CHECK_EQ(lat_kem_encaps(ct, ss, good, eseed), 0);
	memset(ct + LAT_KEM_CT - 32, 0, 32);
	memcpy(ss, ss_was, sizeof(ss));
	CHECK_EQ(lat_kem_decaps(ss, ct, seed), -EBADMSG);
	CHECK_MEM(ss, ss_was, sizeof(ss));
	CHECK_EQ(lat_kem_key_init(&key, seed), 0);
	CHECK_EQ(lat_kem_key_decaps(ss, ct, &key), -EBADMSG);
	CHECK_MEM(ss, ss_was, sizeof(ss));
}

TEST(a_changed_ciphertext_gives_another_secret)
{
	uint8_t seed[LAT_KEM_SEED] = { 1 }, eseed[LAT_KEM_ENC_SEED] = { 2 }, pk[LAT_KEM_PK], ct[LAT_KEM_CT];
	uint8_t ss[LAT_KEM_SS], back[LAT_KEM_SS], by_key[LAT_KEM_SS];
	struct lat_kem_key key;

	memcpy(key.seed, seed, sizeof(seed)); /* it may lie there already */
	CHECK_EQ(lat_kem_key_init(&key, key.seed), 0);
	CHECK_MEM(key.seed, seed, sizeof(seed));
	CHECK_EQ(lat_kem_keypair(pk, seed), 0);
	CHECK_MEM(key.pk_x, pk + LAT_KEM_PK_M, LAT_KEM_PK_X);
	CHECK_EQ(lat_kem_encaps(ct, ss, pk, eseed), 0);
	for (size_t at = 0; at < sizeof(ct); at += 111) {
		ct[at] ^= 1;
		CHECK_EQ(lat_kem_decaps(back, ct, seed), 0);
		CHECK(memcmp(back, ss, sizeof(ss)) != 0);
		CHECK_EQ(lat_kem_key_decaps(by_key, ct, &key), 0);
		CHECK_MEM(by_key, back, sizeof(back));
		ct[at] ^= 1;
	}
	CHECK_EQ(lat_kem_decaps(back, ct, seed), 0);
	CHECK_MEM(back, ss, sizeof(ss));
}

TEST_MAIN

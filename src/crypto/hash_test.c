/* Hashes against their published vectors, and that parts are a concatenation. */
#include "crypto/hash.h"

#include <sodium.h>

#include "base/test.h"
#include "crypto/aead.h"

static size_t unhex(uint8_t *out, size_t max, const char *hex)
{
	size_t bytes = 0;

	if (sodium_hex2bin(out, max, hex, strlen(hex), NULL, &bytes, NULL) != 0)
		fail_msg("bad hex in a row");
	return bytes;
}

/* RFC 4231. Keys over one block are hashed first (RFC 2104); shorter ones are padded with zeros. */
static const struct {
	const char *why;
	const char *key, *data, *mac;
} hmac_rows[] = {
	{ "RFC 4231 case 1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ "RFC 4231 case 2: a short key", "4a656665",
	  "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ "RFC 4231 case 3", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
	  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
	{ "RFC 4231 case 4", "0102030405060708090a0b0c0d0e0f10111213141516171819",
	  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	{ "RFC 4231 case 5: 16 bytes are given", "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
	  "546573742057697468205472756e636174696f6e", "a3b6167473100ee06e0c796c2955552b" },
};

TEST(hmac_matches_rfc_4231)
{
	for (size_t i = 0; i < ARRAY_LEN(hmac_rows); i++) {
		uint8_t key[32] = { 0 }, data[64], want[32], got[32];
		size_t data_bytes = unhex(data, sizeof(data), hmac_rows[i].data);
		size_t want_bytes = unhex(want, sizeof(want), hmac_rows[i].mac);

		unhex(key, sizeof(key), hmac_rows[i].key);
		lat_hmac(got, key, &(struct lat_bytes){ data, data_bytes }, 1);
		CHECK_MEM_ROW(hmac_rows[i].why, got, want, want_bytes);
	}
}

TEST(hmac_matches_rfc_4231_with_long_keys)
{
	static const struct {
		const char *why, *data, *mac;
	} rows[] = {
		{ "case 6", "Test Using Larger Than Block-Size Key - Hash Key First",
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
		{ "case 7",
		  "This is a test using a larger than block-size key and a larger than block-size data. The key "
		  "needs to be hashed before being used by the HMAC algorithm.",
		  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
	};
	uint8_t long_key[131], key[32], want[32], got[32];

	memset(long_key, 0xaa, sizeof(long_key));
	lat_sha256(key, &(struct lat_bytes){ long_key, sizeof(long_key) }, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unhex(want, sizeof(want), rows[i].mac);
		lat_hmac(got, key, &(struct lat_bytes){ rows[i].data, strlen(rows[i].data) }, 1);
		CHECK_MEM_ROW(rows[i].why, got, want, sizeof(want));
	}
}

/* RFC 5869 appendix A. Its salts and inputs have other lengths than ours, so PRK comes from lat_hmac. */
static const struct {
	const char *why;
	const char *ikm, *salt, *info, *prk, *okm;
} hkdf_rows[] = {
	{ "RFC 5869 A.1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
	  "f0f1f2f3f4f5f6f7f8f9", "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
	  "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865" },
	{ "RFC 5869 A.2: from its PRK, over several blocks", NULL, NULL,
	  "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1"
	  "e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	  "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
	  "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da32"
	  "75600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87" },
	{ "RFC 5869 A.3: no salt, no info", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
	  "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
	  "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8" },
};

TEST(hkdf_matches_rfc_5869)
{
	for (size_t i = 0; i < ARRAY_LEN(hkdf_rows); i++) {
		const char *why = hkdf_rows[i].why;
		uint8_t prk[32], got_prk[32], info[96], want[96], got[96];
		size_t info_bytes = unhex(info, sizeof(info), hkdf_rows[i].info);
		size_t want_bytes = unhex(want, sizeof(want), hkdf_rows[i].okm);

		unhex(prk, sizeof(prk), hkdf_rows[i].prk);
		if (hkdf_rows[i].ikm != NULL) {
			uint8_t salt[32] = { 0 }, ikm[32];
			size_t ikm_bytes = unhex(ikm, sizeof(ikm), hkdf_rows[i].ikm);

			unhex(salt, sizeof(salt), hkdf_rows[i].salt);
			lat_hmac(got_prk, salt, &(struct lat_bytes){ ikm, ikm_bytes }, 1);
			CHECK_MEM_ROW(why, got_prk, prk, sizeof(prk));
		}
		for (size_t bytes = 0; bytes <= want_bytes; bytes++) { /* every shorter output is a prefix */
			memset(got, 0x5a, sizeof(got));
			lat_hkdf_expand(got, bytes, prk, &(struct lat_bytes){ info, info_bytes }, 1);
			CHECK_MEM_ROW(why, got, want, bytes);
			CHECK_EQ_ROW(why, bytes < sizeof(got) ? got[bytes] : 0x5a, 0x5a);
		}
	}
}

TEST(extract_and_expand_agree_with_libsodium)
{
	uint8_t salt[32], ikm[32], prk[32], want[32], got_long[LAT_HKDF_MAX], want_long[LAT_HKDF_MAX];

	for (size_t i = 0; i < sizeof(salt); i++) {
		salt[i] = (uint8_t)i;
		ikm[i] = (uint8_t)(200 - i);
	}
	lat_hkdf_extract(prk, salt, ikm);
	CHECK_EQ(crypto_kdf_hkdf_sha256_extract(want, salt, sizeof(salt), ikm, sizeof(ikm)), 0);
	CHECK_MEM(prk, want, sizeof(want));
	lat_hkdf_expand(got_long, sizeof(got_long), prk, &(struct lat_bytes){ "info", 4 }, 1);
	CHECK_EQ(crypto_kdf_hkdf_sha256_expand(want_long, sizeof(want_long), "info", 4, prk), 0);
	CHECK_MEM(got_long, want_long, sizeof(want_long));
}

TEST(sha256_and_blake2b_match_their_standards)
{
	uint8_t want[64], got[64];

	unhex(want, sizeof(want), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	lat_sha256(got, &(struct lat_bytes){ "abc", 3 }, 1); /* FIPS 180-4 */
	CHECK_MEM(got, want, 32);
	unhex(want, sizeof(want), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	lat_sha256(got, NULL, 0);
	CHECK_MEM(got, want, 32);
	unhex(want, sizeof(want),
	      "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
	      "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
	lat_blake2b(got, 64, NULL, 0, &(struct lat_bytes){ "abc", 3 }, 1); /* RFC 7693 appendix A */
	CHECK_MEM(got, want, 64);
}

TEST(blake2b_depends_on_key_and_length)
{
	uint8_t keyed[32], plain[32], shorter[16], want[32], key[64];

	memset(key, 7, sizeof(key));
	lat_blake2b(plain, 32, NULL, 0, &(struct lat_bytes){ "x", 1 }, 1);
	lat_blake2b(keyed, 32, key, 64, &(struct lat_bytes){ "x", 1 }, 1);
	lat_blake2b(shorter, 16, key, 64, &(struct lat_bytes){ "x", 1 }, 1);
	CHECK(memcmp(plain, keyed, 32) != 0);
	CHECK(memcmp(shorter, keyed, 16) != 0);
	CHECK_EQ(crypto_generichash_blake2b(want, 32, (const uint8_t *)"x", 1, key, 64), 0);
	CHECK_MEM(keyed, want, 32);
	lat_blake2b(plain, 1, NULL, 0, NULL, 0); /* the least output */
}

/* Whatever the cuts, the parts are one input. */
TEST(parts_are_a_concatenation)
{
	uint8_t text[200], key[32], whole[4][32], cut[4][32];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 3);
	memset(key, 9, sizeof(key));
	for (size_t at = 0; at <= sizeof(text); at++) {
		const struct lat_bytes one = { text, sizeof(text) };
		const struct lat_bytes parts[] = { { text, at },
						   { NULL, 0 },
						   { text + at, sizeof(text) - at } };

		lat_sha256(whole[0], &one, 1);
		lat_hmac(whole[1], key, &one, 1);
		lat_hkdf_expand(whole[2], 32, key, &one, 1);
		lat_blake2b(whole[3], 32, key, 32, &one, 1);
		lat_sha256(cut[0], parts, ARRAY_LEN(parts));
		lat_hmac(cut[1], key, parts, ARRAY_LEN(parts));
		lat_hkdf_expand(cut[2], 32, key, parts, ARRAY_LEN(parts));
		lat_blake2b(cut[3], 32, key, 32, parts, ARRAY_LEN(parts));
		CHECK_MEM(cut, whole, sizeof(whole));
	}
}

TEST(output_may_be_the_key)
{
	uint8_t key[32], want[32];

	CHECK_EQ(lat_crypto_init(), 0);
	memset(key, 3, sizeof(key));
	lat_hmac(want, key, &(struct lat_bytes){ "x", 1 }, 1);
	lat_hmac(key, key, &(struct lat_bytes){ "x", 1 }, 1);
	CHECK_MEM(key, want, sizeof(want));
}

TEST_MAIN

/* The cached-subkey form equals XChaCha20-Poly1305; every bit counts; in place works. */
#include "crypto/aead.h"

#include <errno.h>

#include <sodium.h>

#include "base/bytes.h"
#include "base/test.h"
#include "crypto/evp.h"
#include "vectors/lwp1_kat.h"

static void unhex(uint8_t *out, size_t bytes, const char *hex)
{
	size_t got = 0;

	if (sodium_hex2bin(out, bytes, hex, strlen(hex), NULL, &got, NULL) != 0 || got != bytes)
		fail_msg("bad hex in a row");
}

TEST(init_may_be_repeated)
{
	CHECK_EQ(lat_crypto_init(), 0);
	CHECK_EQ(lat_crypto_init(), 0);
}

/* draft-irtf-cfrg-xchacha-03, 2.2.1 */
TEST(subkey_matches_the_hchacha20_vector)
{
	uint8_t key[32], prefix[16], want[32];
	struct lat_aead a;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	unhex(prefix, sizeof(prefix), "000000090000004a0000000031415927");
	unhex(want, sizeof(want), "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc");
	lat_aead_init(&a, key, prefix);
	CHECK_MEM(a.subkey, want, sizeof(want));
}

/* draft-irtf-cfrg-xchacha-03, A.3.1 */
TEST(xaead_matches_the_published_vector)
{
	static const char plain[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
		"the future, sunscreen would be it.";
	enum { PLAIN = sizeof(plain) - 1 };
	uint8_t key[32], nonce[24], ad[12], want[PLAIN + LAT_AEAD_TAG], got[PLAIN + LAT_AEAD_TAG],
		back[PLAIN];
	struct lat_aead a;

	unhex(key, sizeof(key), "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
	unhex(nonce, sizeof(nonce), "404142434445464748494a4b4c4d4e4f5051525354555657");
	unhex(ad, sizeof(ad), "50515253c0c1c2c3c4c5c6c7");
	unhex(want, sizeof(want),
	      "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
	      "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
	      "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
	      "21f9664c97637da9768812f615c68b13b52e"
	      "c0875924c1c7987947deafd8780acf49");
	lat_xaead_seal(key, nonce, ad, sizeof(ad), plain, PLAIN, got);
	CHECK_MEM(got, want, sizeof(want));
	CHECK_EQ(lat_xaead_open(key, nonce, ad, sizeof(ad), got, sizeof(got), back), 0);
	CHECK_MEM(back, plain, PLAIN);

	/* The nonce's last 8 bytes, as our counter. */
	lat_aead_init(&a, key, nonce);
	memset(got, 0, sizeof(got));
	lat_aead_seal(&a, lat_get_le64(nonce + 16), ad, sizeof(ad), plain, PLAIN, got);
	CHECK_MEM(got, want, sizeof(want));
}

/* PROTOCOL section 4's equivalence, around every block edge and for edge counters. */
TEST(cached_subkey_equals_xchacha)
{
	static const uint64_t counters[] = { 0,         1, 0xffffffff, 0x100000000, (UINT64_C(1) << 48) - 1,
					     UINT64_MAX };
	static uint8_t plain[3000], one[3000 + LAT_AEAD_TAG], two[3000 + LAT_AEAD_TAG];
	uint8_t key[32], nonce[24], ad[40];
	struct lat_aead a;

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 5 + 1);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i + 100);
	memset(ad, 0x77, sizeof(ad));
	memset(nonce, 0x31, 16);
	lat_aead_init(&a, key, nonce);
	for (size_t bytes = 0; bytes <= sizeof(plain); bytes += bytes < 300 ? 1 : 97) {
		uint64_t counter = counters[bytes % ARRAY_LEN(counters)];
		size_t ad_bytes = bytes % (sizeof(ad) + 1);

		lat_put_le64(nonce + 16, counter);
		lat_aead_seal(&a, counter, ad, ad_bytes, plain, bytes, one);
		lat_xaead_seal(key, nonce, ad, ad_bytes, plain, bytes, two);
		CHECK_MEM(one, two, bytes + LAT_AEAD_TAG);
		CHECK_EQ(lat_aead_open(&a, counter, ad, ad_bytes, two, bytes + LAT_AEAD_TAG, two), 0);
		CHECK_MEM(two, plain, bytes);
		CHECK_EQ(lat_xaead_open(key, nonce, ad, ad_bytes, one, bytes + LAT_AEAD_TAG, one), 0);
		CHECK_MEM(one, plain, bytes);
	}
}

TEST(in_place_equals_apart)
{
	for (size_t bytes = 0; bytes <= 200; bytes++) {
		uint8_t key[32] = { 1 }, prefix[16] = { 2 }, plain[200], apart[216], same[216];
		struct lat_aead a;

		for (size_t i = 0; i < sizeof(plain); i++)
			plain[i] = (uint8_t)i;
		lat_aead_init(&a, key, prefix);
		memcpy(same, plain, sizeof(plain));
		lat_aead_seal(&a, 9, "ad", 2, plain, bytes, apart);
		lat_aead_seal(&a, 9, "ad", 2, same, bytes, same);
		CHECK_MEM(same, apart, bytes + LAT_AEAD_TAG);
		CHECK_EQ(lat_aead_open(&a, 9, "ad", 2, same, bytes + LAT_AEAD_TAG, same), 0);
		CHECK_MEM(same, plain, bytes);
	}
}

/* On both sides of where another library takes over: the same bytes, in place too; changed ones are refused and leave zeros. */
TEST(long_ones)
{
	static const size_t lens[] = { LAT_EVP_LEAST - 1, LAT_EVP_LEAST, LAT_EVP_LEAST + 1, 65000 };
	static uint8_t plain[65000], want[65000 + LAT_AEAD_TAG], got[65000 + LAT_AEAD_TAG];
	static const uint8_t zeros[65000];
	uint8_t key[32] = { 3 }, nonce[24] = { 4 }, ad[16] = { 5 };
	struct lat_aead a;

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 3 + i / 251);
	lat_put_le64(nonce + 16, 77);
	lat_aead_init(&a, key, nonce);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		size_t bytes = lens[i], sealed = bytes + LAT_AEAD_TAG;

		lat_xaead_seal(key, nonce, ad, sizeof(ad), plain, bytes, want);
		memcpy(got, plain, bytes);
		lat_aead_seal(&a, 77, ad, sizeof(ad), got, bytes, got);
		CHECK_MEM(got, want, sealed);
		CHECK_EQ(lat_aead_open(&a, 77, ad, sizeof(ad), got, sealed, got), 0);
		CHECK_MEM(got, plain, bytes);
		for (size_t at = 0; at < sealed; at += sealed / 7) {
			memcpy(got, want, sealed);
			got[at] ^= 1;
			CHECK_EQ(lat_aead_open(&a, 77, ad, sizeof(ad), got, sealed, got), -EBADMSG);
			CHECK_MEM(got, zeros, bytes);
		}
		CHECK_EQ(lat_aead_open(&a, 78, ad, sizeof(ad), want, sealed, got), -EBADMSG);
		ad[0] ^= 1;
		CHECK_EQ(lat_aead_open(&a, 77, ad, sizeof(ad), want, sealed, got), -EBADMSG);
		ad[0] ^= 1;
	}
}

/* 0 when refused and no plaintext shows. */
static int refused(const struct lat_aead *a, uint64_t counter, const uint8_t *ad, const uint8_t *sealed,
		   size_t bytes)
{
	static const uint8_t zeros[64];
	uint8_t out[64] = { 0 };

	if (lat_aead_open(a, counter, ad, 16, sealed, bytes, out) != -EBADMSG)
		return 1;
	return memcmp(out, zeros, sizeof(out));
}

TEST(every_changed_bit_is_refused)
{
	uint8_t key[32] = { 5 }, prefix[16] = { 6 }, ad[16] = { 7 }, plain[33], sealed[33 + LAT_AEAD_TAG],
		out[33];
	struct lat_aead a, other;

	memset(plain, 0x42, sizeof(plain));
	lat_aead_init(&a, key, prefix);
	lat_aead_seal(&a, 3, ad, sizeof(ad), plain, sizeof(plain), sealed);
	for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_EQ(refused(&a, 3, ad, sealed, sizeof(sealed)), 0);
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < sizeof(ad) * 8; bit++) {
		ad[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_EQ(refused(&a, 3, ad, sealed, sizeof(sealed)), 0);
		ad[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (unsigned bit = 0; bit < 64; bit++)
		CHECK_EQ(refused(&a, 3 ^ UINT64_C(1) << bit, ad, sealed, sizeof(sealed)), 0);
	for (size_t bit = 0; bit < sizeof(key) * 8; bit++) {
		key[bit / 8] ^= (uint8_t)(1u << bit % 8);
		lat_aead_init(&other, key, prefix);
		CHECK_EQ(refused(&other, 3, ad, sealed, sizeof(sealed)), 0);
		key[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < sizeof(prefix) * 8; bit++) {
		prefix[bit / 8] ^= (uint8_t)(1u << bit % 8);
		lat_aead_init(&other, key, prefix);
		CHECK_EQ(refused(&other, 3, ad, sealed, sizeof(sealed)), 0);
		prefix[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bytes = 0; bytes < sizeof(sealed); bytes++) /* cut anywhere */
		CHECK_EQ(refused(&a, 3, ad, sealed, bytes), 0);
	CHECK_EQ(lat_aead_open(&a, 3, ad, sizeof(ad), sealed, sizeof(sealed), out), 0);
	CHECK_MEM(out, plain, sizeof(plain));
}

TEST(xaead_refuses_short_and_changed)
{
	uint8_t key[32] = { 5 }, nonce[24] = { 6 }, sealed[3 + LAT_AEAD_TAG], out[3] = { 9, 9, 9 };
	static const uint8_t zeros[3];

	lat_xaead_seal(key, nonce, NULL, 0, "abc", 3, sealed);
	for (size_t bytes = 0; bytes < LAT_AEAD_TAG; bytes++)
		CHECK_EQ(lat_xaead_open(key, nonce, NULL, 0, sealed, bytes, out), -EBADMSG);
	for (size_t bit = 0; bit < sizeof(nonce) * 8; bit++) {
		nonce[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_EQ(lat_xaead_open(key, nonce, NULL, 0, sealed, sizeof(sealed), out), -EBADMSG);
		CHECK_MEM(out, zeros, sizeof(out));
		nonce[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK_EQ(lat_xaead_open(key, nonce, NULL, 0, sealed, sizeof(sealed), out), 0);
	CHECK_MEM(out, "abc", 3);
}

/* The protocol's own packets: subkey from key and prefix, the header as associated data. */
TEST(packets_match_the_known_answers)
{
	enum { HEADER = 16 };

	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *k = lat_kats[i];
		struct lat_aead a;
		uint8_t buf[256];

		lat_aead_init(&a, k->chan.key, k->chan.prefix);
		CHECK_MEM_ROW(k->name, a.subkey, k->chan.subkey, sizeof(a.subkey));
		for (size_t m = 0; m < k->messages_count; m++) {
			const struct lat_kat_bytes *plain = &k->messages[m].plaintext;
			const struct lat_kat_bytes *packet = &k->messages[m].packet;

			CHECK_EQ_ROW(k->name, packet->len, HEADER + plain->len + LAT_AEAD_TAG);
			lat_aead_seal(&a, k->messages[m].counter, packet->data, HEADER, plain->data,
				      plain->len, buf);
			CHECK_MEM_ROW(k->name, buf, packet->data + HEADER, packet->len - HEADER);
		}
		for (size_t r = 0; r < k->runs_count; r++) {
			const struct lat_kat_bytes *plain = &k->runs[r].plaintext;
			const struct lat_kat_bytes *packet = &k->runs[r].packet;

			CHECK_EQ_ROW(k->name,
				     lat_aead_open(&a, k->runs[r].counter, packet->data, HEADER,
						   packet->data + HEADER, packet->len - HEADER, buf),
				     0);
			CHECK_MEM_ROW(k->name, buf, plain->data, plain->len);
		}
	}
}

TEST_MAIN

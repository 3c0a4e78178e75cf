/*
 * Cryptography alone: a message of 64 KiB sealed in packets of the size that UDP or TCP carries, and what a handshake takes of
 * both sides in X-Wing, by libsodium.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "limits/net.h"

enum {
	MESSAGE = 64 << 10,
	HEADER = 16,
	TAG = crypto_aead_chacha20poly1305_ietf_ABYTES,
	UDP_PLAIN = 1200,
	TCP_PLAIN = 64 << 10,
	KEYPAIRS = 2,
	ENCAPS = 3,
	DECAPS = 3,
	HANDSHAKES = 4,
};

static int enter(struct bench_side *side)
{
	(void)side;
	return sodium_init() < 0 ? -ENOSYS : 0;
}

static int seal_near(struct bench_side *side, uint64_t n)
{
	static const unsigned char key[crypto_aead_chacha20poly1305_ietf_KEYBYTES] = { 1, 2, 3 };
	static unsigned char plain[TCP_PLAIN], sealed[TCP_PLAIN + TAG];
	unsigned char nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = { 0 }, header[HEADER] = { 0 };
	uint64_t counter = 0;

	for (; n > 0; n--) {
		size_t left = MESSAGE;

		while (left > 0) {
			size_t len = left < side->subject->arg ? left : side->subject->arg;

			counter++;
			memcpy(nonce + 4, &counter, sizeof(counter));
			(void)crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, plain, len, header,
									sizeof(header), NULL, nonce, key);
			left -= len;
		}
	}
	return 0;
}

static uint64_t cpu_ns(void)
{
	struct timespec used;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Nanoseconds of CPU of a handshake: HANDSHAKES of them, however long that takes. */
static int handshake_near(struct bench_side *side, uint64_t n)
{
	unsigned char seed[crypto_kem_xwing_SEEDBYTES] = { 1 }, pk[crypto_kem_xwing_PUBLICKEYBYTES],
		      sk[crypto_kem_xwing_SECRETKEYBYTES], ct[crypto_kem_xwing_CIPHERTEXTBYTES],
		      ss[crypto_kem_xwing_SHAREDSECRETBYTES];
	uint64_t before = cpu_ns();
	int rc = 0;

	(void)n;
	for (int i = 0; i < HANDSHAKES && rc == 0; i++) {
		for (int k = 0; k < KEYPAIRS && rc == 0; k++)
			rc = crypto_kem_xwing_seed_keypair(pk, sk, seed);
		for (int k = 0; k < ENCAPS && rc == 0; k++)
			rc = crypto_kem_xwing_enc(ct, ss, pk);
		for (int k = 0; k < DECAPS && rc == 0; k++)
			rc = crypto_kem_xwing_dec(ss, ct, sk);
	}
	side->figure = (double)(cpu_ns() - before) / HANDSHAKES;
	return rc == 0 ? 0 : -EIO;
}

#define SEAL(name_, what_, bytes_)                                                                          \
	{                                                                                                   \
		.name = (name_), .what = (what_), .kind = BENCH_RATE, .with = BENCH_ALONE, .arg = (bytes_), \
		.bytes = MESSAGE, .enter = enter, .near = seal_near                                         \
	}

const struct bench_subject limit_seal_udp = SEAL("seal-1200", "64 KiB sealed, 1200 B a packet, one core",
						 UDP_PLAIN);
const struct bench_subject limit_seal_tcp = SEAL("seal-64k", "64 KiB sealed, in one packet, one core",
						 TCP_PLAIN);
const struct bench_subject limit_handshake = {
	.name = "x-wing",
	.what = "X-Wing of a handshake: 2 keys, 3 enc, 3 dec",
	.kind = BENCH_FIGURE,
	.with = BENCH_ALONE,
	.unit = "ns",
	.enter = enter,
	.near = handshake_near,
};

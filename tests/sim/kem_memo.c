/*
 * X-Wing remembers: its calls are functions of their arguments, and a search asks for the same ones again and again. The
 * linker puts these before the real ones. What is remembered lies in memory that forked children share; one runs at a time.
 */
#include <sys/mman.h>

#include "crypto/hash.h"
#include "crypto/kem.h"
#include "interleave.h"

enum { MEMO_MAX = 1 << 16, MEMO_TRIES = 8 };

enum call { CALL_NONE, CALL_KEYPAIR, CALL_ENCAPS, CALL_DECAPS };

struct memo {
	enum call call;
	uint8_t key[16];
	int rc;
	uint8_t out[LAT_KEM_PK]; /* the longer output */
	uint8_t ss[LAT_KEM_SS];
};
static_assert((int)LAT_KEM_CT <= (int)LAT_KEM_PK, "a ciphertext fits");

static struct memo *memos;

int __real_lat_kem_keypair(uint8_t pk[LAT_KEM_PK], const uint8_t seed[LAT_KEM_SEED]);
int __real_lat_kem_encaps(uint8_t ct[LAT_KEM_CT], uint8_t ss[LAT_KEM_SS], const uint8_t pk[LAT_KEM_PK],
			  const uint8_t enc_seed[LAT_KEM_ENC_SEED]);
int __real_lat_kem_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT],
			  const uint8_t seed[LAT_KEM_SEED]);
int __real_lat_kem_key_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT],
			      const struct lat_kem_key *key);
int __wrap_lat_kem_keypair(uint8_t pk[LAT_KEM_PK], const uint8_t seed[LAT_KEM_SEED]);
int __wrap_lat_kem_encaps(uint8_t ct[LAT_KEM_CT], uint8_t ss[LAT_KEM_SS], const uint8_t pk[LAT_KEM_PK],
			  const uint8_t enc_seed[LAT_KEM_ENC_SEED]);
int __wrap_lat_kem_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT],
			  const uint8_t seed[LAT_KEM_SEED]);
int __wrap_lat_kem_key_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT],
			      const struct lat_kem_key *key);

__attribute__((constructor)) static void memo_open(void)
{
	memos = mmap(NULL, MEMO_MAX * sizeof(*memos), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memos == MAP_FAILED)
		abort();
}

/* The entry, or where it belongs. When its places are taken, the last one makes room. */
static struct memo *look_up(enum call call, const uint8_t *a, size_t a_bytes, const uint8_t *b,
			    size_t b_bytes, bool *there)
{
	uint8_t key[16];
	struct memo *m = NULL;

	lat_blake2b(key, sizeof(key), NULL, 0, (struct lat_bytes[]){ { a, a_bytes }, { b, b_bytes } }, 2);
	for (size_t i = 0; i < MEMO_TRIES; i++) {
		m = &memos[(lat_get_le32(key) + i) % MEMO_MAX];
		*there = m->call == call && memcmp(m->key, key, sizeof(key)) == 0;
		if (*there || m->call == CALL_NONE)
			break;
	}
	memcpy(m->key, key, sizeof(key));
	return m;
}

int __wrap_lat_kem_keypair(uint8_t pk[LAT_KEM_PK], const uint8_t seed[LAT_KEM_SEED])
{
	bool there;
	struct memo *m = look_up(CALL_KEYPAIR, seed, LAT_KEM_SEED, NULL, 0, &there);

	if (!there) {
		m->rc = __real_lat_kem_keypair(m->out, seed);
		m->call = CALL_KEYPAIR;
	}
	if (m->rc == 0)
		memcpy(pk, m->out, LAT_KEM_PK);
	return m->rc;
}

int __wrap_lat_kem_encaps(uint8_t ct[LAT_KEM_CT], uint8_t ss[LAT_KEM_SS], const uint8_t pk[LAT_KEM_PK],
			  const uint8_t enc_seed[LAT_KEM_ENC_SEED])
{
	bool there;
	struct memo *m = look_up(CALL_ENCAPS, pk, LAT_KEM_PK, enc_seed, LAT_KEM_ENC_SEED, &there);

	if (!there) {
		m->rc = __real_lat_kem_encaps(m->out, m->ss, pk, enc_seed);
		m->call = CALL_ENCAPS;
	}
	if (m->rc == 0) {
		memcpy(ct, m->out, LAT_KEM_CT);
		memcpy(ss, m->ss, LAT_KEM_SS);
	}
	return m->rc;
}

int __wrap_lat_kem_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT],
			  const uint8_t seed[LAT_KEM_SEED])
{
	bool there;
	struct memo *m = look_up(CALL_DECAPS, ct, LAT_KEM_CT, seed, LAT_KEM_SEED, &there);

	if (!there) {
		m->rc = __real_lat_kem_decaps(m->ss, ct, seed);
		m->call = CALL_DECAPS;
	}
	if (m->rc == 0)
		memcpy(ss, m->ss, LAT_KEM_SS);
	return m->rc;
}

int __wrap_lat_kem_key_decaps(uint8_t ss[LAT_KEM_SS], const uint8_t ct[LAT_KEM_CT],
			      const struct lat_kem_key *key)
{
	bool there;
	struct memo *m = look_up(CALL_DECAPS, ct, LAT_KEM_CT, key->seed, LAT_KEM_SEED, &there);

	if (!there) {
		m->rc = __real_lat_kem_key_decaps(m->ss, ct, key);
		m->call = CALL_DECAPS;
	}
	if (m->rc == 0)
		memcpy(ss, m->ss, LAT_KEM_SS);
	return m->rc;
}

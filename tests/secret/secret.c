/*
 * Everything that is done with a secret, with the secrets marked as undefined for valgrind's memcheck: it then reports every branch
 * and every address that depends on one (secret_test.py counts those in our code).
 *
 *   secret fine           what the library does
 *   secret memcmp|branch  a deliberate mistake
 *
 * What may be known by its time is marked as defined again where it becomes so: public keys, packets on their way, whether a tag or
 * a mac was right, and what a tag that was right covers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>
#include <valgrind/memcheck.h>

#include "base/bytes.h"
#include "cap/chain.h"
#include "crypto/aead.h"
#include "crypto/kem.h"
#include "session/handshake.h"
#include "session/keys.h"
#include "session/token.h"
#include "wire/packet.h"

#define SECRET(thing) (void)VALGRIND_MAKE_MEM_UNDEFINED(&(thing), sizeof(thing))
#define KNOWN(thing)  (void)VALGRIND_MAKE_MEM_DEFINED(&(thing), sizeof(thing))

/* ---- what becomes known: the linker puts these before the real ones ---- */

bool __real_lat_equal_ct(const void *a, const void *b, size_t bytes);
bool __wrap_lat_equal_ct(const void *a, const void *b, size_t bytes);
bool __wrap_lat_equal_ct(const void *a, const void *b, size_t bytes)
{
	bool equal = __real_lat_equal_ct(a, b, bytes);

	KNOWN(equal);
	return equal;
}

#define KNOWN_RESULT(name, parameters, arguments) \
	int __real_##name parameters;             \
	int __wrap_##name parameters;             \
	int __wrap_##name parameters              \
	{                                         \
		int rc = __real_##name arguments; \
                                                  \
		KNOWN(rc);                        \
		return rc;                        \
	}
KNOWN_RESULT(crypto_kem_xwing_seed_keypair, (unsigned char *pk, unsigned char *sk, const unsigned char *seed),
	     (pk, sk, seed))
KNOWN_RESULT(crypto_kem_xwing_enc_deterministic,
	     (unsigned char *ct, unsigned char *ss, const unsigned char *pk, const unsigned char *seed),
	     (ct, ss, pk, seed))
KNOWN_RESULT(crypto_kem_xwing_dec, (unsigned char *ss, const unsigned char *ct, const unsigned char *sk),
	     (ss, ct, sk))
KNOWN_RESULT(crypto_kem_mlkem768_seed_keypair,
	     (unsigned char *pk, unsigned char *sk, const unsigned char *seed), (pk, sk, seed))
KNOWN_RESULT(crypto_kem_mlkem768_dec, (unsigned char *ss, const unsigned char *ct, const unsigned char *sk),
	     (ss, ct, sk))
KNOWN_RESULT(crypto_scalarmult, (unsigned char *q, const unsigned char *n, const unsigned char *p), (q, n, p))

/* What was opened is authentic, and no secret to who goes by it. */
#define OPENS(name)                                                                                          \
	int __real_##name(unsigned char *m, unsigned long long *m_bytes, unsigned char *none,                \
			  const unsigned char *c, unsigned long long c_bytes, const unsigned char *ad,       \
			  unsigned long long ad_bytes, const unsigned char *nonce,                           \
			  const unsigned char *key);                                                         \
	int __wrap_##name(unsigned char *m, unsigned long long *m_bytes, unsigned char *none,                \
			  const unsigned char *c, unsigned long long c_bytes, const unsigned char *ad,       \
			  unsigned long long ad_bytes, const unsigned char *nonce,                           \
			  const unsigned char *key);                                                         \
	int __wrap_##name(unsigned char *m, unsigned long long *m_bytes, unsigned char *none,                \
			  const unsigned char *c, unsigned long long c_bytes, const unsigned char *ad,       \
			  unsigned long long ad_bytes, const unsigned char *nonce, const unsigned char *key) \
	{                                                                                                    \
		int rc = __real_##name(m, m_bytes, none, c, c_bytes, ad, ad_bytes, nonce, key);              \
                                                                                                             \
		KNOWN(rc);                                                                                   \
		(void)VALGRIND_MAKE_MEM_DEFINED(m, c_bytes - LAT_AEAD_TAG);                                  \
		return rc;                                                                                   \
	}
OPENS(crypto_aead_xchacha20poly1305_ietf_decrypt)
OPENS(crypto_aead_chacha20poly1305_ietf_decrypt)

/* ---- the uses ---- */

struct end {
	struct lat_kem_key key;
	uint8_t pk[LAT_KEM_PK];
	struct lat_hs_public pub;
	struct lat_hs_params params;
};

static uint8_t mesh_key[32], psk[32];
static int failed;

static void must(const char *what, int rc)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%s: %d\n", what, rc);
	failed = 1;
}

static void make_end(struct end *e, uint8_t fill)
{
	memset(e->key.seed, fill, sizeof(e->key.seed));
	SECRET(e->key.seed);
	must("key", lat_kem_key_init(&e->key, e->key.seed));
	must("keypair", lat_kem_keypair(e->pk, e->key.seed));
	KNOWN(e->pk);
	lat_hs_public_init(&e->pub, e->pk, mesh_key); /* its km and cookie key are secret: the mesh key is */
	e->params = (struct lat_hs_params){ .ver_max = 1, .ver_min = 1, .node = fill };
}

static void cookies(const struct end *r, uint8_t m1[LAT_M1_LEN])
{
	uint8_t secret[32] = { 5 }, cookie[16], opened[16], packet[LAT_COOKIE_LEN];
	const uint8_t nonce[24] = { 6 }, addr[4] = { 10, 0, 0, 1 };

	SECRET(secret);
	lat_hs_cookie(cookie, secret, 4, addr, sizeof(addr), 7);
	lat_hs_cookie_make(packet, &r->pub, m1, nonce, cookie);
	KNOWN(packet);
	must("cookie", lat_hs_cookie_open(opened, &r->pub, packet, m1));
	lat_hs_m1_set_mac2(m1, cookie);
	KNOWN(*(uint8_t(*)[LAT_M1_LEN])m1);
	must("mac2", lat_hs_mac2_check(m1, cookie));
	m1[LAT_M1_MAC2] ^= 1;
	must("wrong mac2", lat_hs_mac2_check(m1, cookie) == -EBADMSG ? 0 : -1);
}

static void handshake(const struct end *i, const struct end *r, struct lat_hs_result *at_i,
		      struct lat_hs_result *at_r)
{
	struct lat_hs_initiator_random rnd = { { 1 }, { 2 } };
	struct lat_hs_initiator hs_i;
	struct lat_hs_responder hs_r;
	struct lat_hs_params p1;
	uint8_t m1[LAT_M1_LEN], m2[LAT_M2_LEN], m3[LAT_M3_LEN], m4[LAT_M4_LEN], id[LAT_ID],
		enc[2][64] = { { 3 }, { 4 } };
	uint8_t stale[LAT_WIRE_STALE_TOKEN], e_m[LAT_WIRE_EM];
	const uint8_t salt[8] = { 9 };

	SECRET(rnd);
	SECRET(enc);
	must("M1", lat_hs_m1_make(&hs_i, m1, e_m, &i->pub, &r->pub, mesh_key, &i->params, 1, &rnd));
	KNOWN(m1);
	KNOWN(e_m);
	must("mac1", lat_hs_mac1_check(&r->pub, m1));
	cookies(r, m1);
	must("M1 opens", lat_hs_m1_open(&hs_r, m1, &r->pub, &r->key, mesh_key, id, &p1));
	SECRET(id); /* who calls is told to nobody else */
	must("id", lat_equal_ct(id, i->pub.fp, LAT_ID) ? 0 : -1);
	must("M2", lat_hs_m2_make(&hs_r, m2, &i->pub, psk, &r->params, 2, salt, enc[0]));
	KNOWN(m2);
	must("M2 opens", lat_hs_m2_open_m3_make(&hs_i, m2, m3, e_m, &i->key, psk, &i->params));
	KNOWN(m3);
	lat_hs_stale_token(stale, r->key.seed, 2);
	must("M3 opens", lat_hs_m3_open_m4_make(&hs_r, m3, m4, stale, enc[1], at_r));
	KNOWN(m4);
	m4[LAT_M4_BOX4B] ^= 1;
	must("forged M4", lat_hs_m4_open(&hs_i, m4, at_i) == -EBADMSG ? 0 : -1);
	m4[LAT_M4_BOX4B] ^= 1;
	must("M4 opens", lat_hs_m4_open(&hs_i, m4, at_i));
	must("stale", lat_equal_ct(at_i->peer_stale_token, stale, sizeof(stale)) ? 0 : -1);
}

static void data(const struct lat_hs_result *at_i, const struct lat_hs_result *at_r, const uint8_t bind[32],
		 size_t bytes)
{
	static uint8_t packet[LAT_DATA_HDR + 4096 + 16];
	const struct lat_chan_key_input in = { .chan = 3, .src_pid = 5, .dst_pid = 7, .bind = bind };
	struct lat_chan_key out, back;
	size_t length;

	lat_chan_key_derive(&out, at_i->sess, &in, NULL);
	lat_chan_key_derive(&back, at_r->sess, &in, NULL);
	memset(packet, 0x33, sizeof(packet));
	(void)VALGRIND_MAKE_MEM_UNDEFINED(packet + LAT_DATA_HDR, bytes);
	length = lat_data_seal(&out, packet, 3, 4, 1, bytes);
	(void)VALGRIND_MAKE_MEM_DEFINED(packet, length);
	must("DATA opens", lat_data_open(&back, packet, length, 1) == (int64_t)bytes ? 0 : -1);
	must("DATA opens once", lat_data_open(&back, packet, length, 2) == -EBADMSG ? 0 : -1);
}

static void capabilities(const struct lat_hs_result *at_i, uint8_t bind[32])
{
	uint8_t root[32] = { 8 }, k[32], proof[32], again[32], tk[32], token[LAT_TOKEN], grant[32];
	const uint8_t desc[LAT_CAP_DESC] = { 1 }, caveats[2 * LAT_CAP_CAVEAT] = { 1 }, body[40] = { 2 };
	const struct lat_chan_ctx ctx = { .src_pid = 5, .dst_pid = 7 };
	const struct lat_token_key key = { .tk = tk, .cflags = 3 };

	SECRET(root);
	must("chain", lat_cap_key_chain(k, root, desc, caveats, 2));
	lat_cap_proof(proof, k, at_i->sid, 1, 5, 7, ctx.nonce_s);
	lat_cap_proof(again, k, at_i->sid, 1, 5, 7, ctx.nonce_s);
	must("proof", lat_equal_ct(proof, again, sizeof(proof)) ? 0 : -1);
	lat_grant_key(grant, at_i->sess);
	lat_cap_channel_keys(tk, bind, grant, &ctx);
	lat_token_of_msg(token, &key, 1, body, sizeof(body));
	must("token", lat_token_check_msg(&key, 1, body, sizeof(body), token));
	must("wrong token", lat_token_check_msg(&key, 2, body, sizeof(body), token) == -EPERM ? 0 : -1);
}

static void fine(void)
{
	static struct end i, r;
	struct lat_hs_result at_i, at_r;
	uint8_t bind[32];

	memset(mesh_key, 0x11, sizeof(mesh_key));
	memset(psk, 0x22, sizeof(psk));
	SECRET(mesh_key);
	SECRET(psk);
	make_end(&i, 1);
	make_end(&r, 2);
	handshake(&i, &r, &at_i, &at_r);
	must("one session", lat_equal_ct(at_i.sess, at_r.sess, sizeof(at_i.sess)) ? 0 : -1);
	capabilities(&at_i, bind);
	data(&at_i, &at_r, bind, 60);
}

/* ---- mistakes ---- */

static int by_memcmp(void)
{
	uint8_t mac[16] = { 1 }, given[16] = { 1 };

	SECRET(mac);
	return memcmp(mac, given, sizeof(mac)) == 0 ? 1 : 2;
}

static int by_branch(void)
{
	uint8_t key[16] = { 1 };

	SECRET(key);
	if (key[3] > 7)
		fprintf(stderr, "above\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	must("libsodium", lat_crypto_init());
	if (strcmp(what, "memcmp") == 0)
		fprintf(stderr, "%d\n", by_memcmp());
	else if (strcmp(what, "branch") == 0)
		(void)by_branch();
	else
		fine();
	return failed;
}

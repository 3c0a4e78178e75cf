/*
 * The four packets, step by step as the table of PROTOCOL section 3 has them. Every function works on a
 * copy of the symmetric state and on locals, and writes its results in one place at the end, when nothing
 * can fail any more.
 */
#include "session/handshake.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "crypto/aead.h"
#include "session/fault.h"

static_assert((int)LAT_WIRE_KEM_PK == (int)LAT_KEM_PK && (int)LAT_WIRE_KEM_CT == (int)LAT_KEM_CT &&
		      (int)LAT_WIRE_EM == (int)LAT_KEM_PK_M && (int)LAT_WIRE_EX == (int)LAT_KEM_PK_X,
	      "the packets carry X-Wing");
static_assert((int)LAT_WIRE_ID == (int)LAT_ID && (int)LAT_WIRE_TAG == (int)LAT_AEAD_TAG, "sizes agree");
static_assert(sizeof(struct lat_hs_initiator) <= 256 && sizeof(struct lat_hs_responder) <= 256 &&
		      sizeof(struct lat_hs_result) <= 256,
	      "each state fits one slot of the key arena");

static const char suite_name[] = "Lattice LWP1 X-Wing XChaCha20-Poly1305 SHA-256";
static const uint8_t zero_nonce[LAT_AEAD_NONCE];

/* A label without its final zero, as one piece of an input. */
#define LABEL(text)                      \
	{                                \
		(text), sizeof(text) - 1 \
	}

/* ---------------------------------------------------------------------------------------- symmetric state */

static void mix_hash(struct lat_hs_sym *s, const void *data, size_t bytes)
{
	uint8_t h[LAT_HASH];

	lat_sha256(h, (struct lat_bytes[]){ { s->h, LAT_HASH }, { data, bytes } }, 2);
	memcpy(s->h, h, LAT_HASH);
}

static void mix_key(struct lat_hs_sym *s, const uint8_t input[LAT_HASH])
{
	uint8_t ck[LAT_HASH];

	lat_hkdf_extract(ck, s->ck, input);
	memcpy(s->ck, ck, LAT_HASH);
	lat_wipe(ck, sizeof(ck));
}

static void sym_init(struct lat_hs_sym *s, const uint8_t mesh_key[32], const uint8_t pk_r[LAT_KEM_PK])
{
	lat_sha256(s->h, &(struct lat_bytes)LABEL(suite_name), 1);
	lat_hkdf_extract(s->ck, s->h, mesh_key);
	mix_hash(s, pk_r, LAT_KEM_PK);
}

static void box_key(uint8_t k[LAT_AEAD_KEY], const struct lat_hs_sym *s)
{
	lat_hkdf_expand(k, LAT_AEAD_KEY, s->ck,
			(struct lat_bytes[]){ LABEL("lwp1 hs seal"), { s->h, LAT_HASH } }, 2);
}

/* @out: @bytes and a tag. The nonce may be zero: the key is used once, it depends on the whole transcript. */
static void box_seal(struct lat_hs_sym *s, const uint8_t *plain, size_t bytes, uint8_t *out)
{
	uint8_t k[LAT_AEAD_KEY];

	box_key(k, s);
	lat_xaead_seal(k, zero_nonce, s->h, LAT_HASH, plain, bytes, out);
	mix_hash(s, out, bytes + LAT_AEAD_TAG);
	lat_wipe(k, sizeof(k));
}

/* @bytes counts the tag. 0, or -EBADMSG with the state as it was. */
static int box_open(struct lat_hs_sym *s, const uint8_t *box, size_t bytes, uint8_t *plain)
{
	uint8_t k[LAT_AEAD_KEY];
	int rc;

	box_key(k, s);
	rc = lat_xaead_open(k, zero_nonce, s->h, LAT_HASH, box, bytes, plain);
	if (rc == 0)
		mix_hash(s, box, bytes);
	lat_wipe(k, sizeof(k));
	return rc == 0 ? 0 : -EBADMSG;
}

/* With our own key, or with one that is used once. */
static int mix_decaps(struct lat_hs_sym *s, const uint8_t ct[LAT_KEM_CT], const struct lat_kem_key *key,
		      const uint8_t *e_seed)
{
	uint8_t ss[LAT_KEM_SS];
	int rc = key != NULL ? lat_kem_key_decaps(ss, ct, key) : lat_kem_decaps(ss, ct, e_seed);

	if (rc == 0)
		mix_key(s, ss);
	lat_wipe(ss, sizeof(ss));
	return rc == 0 ? 0 : -EBADMSG;
}

static void derive(struct lat_hs_result *out, const struct lat_hs_sym *s, const struct lat_hs_params *peer)
{
	lat_hkdf_extract(out->sess, s->h, s->ck);
	lat_hkdf_expand(out->sid, LAT_SID, out->sess, &(struct lat_bytes)LABEL("lwp1 sid"), 1);
	memcpy(out->h, s->h, LAT_HASH);
	out->peer = *peer;
}

/* ------------------------------------------------------------------------------------------ public keys */

static void keyed_by_mesh(uint8_t out[LAT_HASH], const uint8_t mesh_key[32], const char *label,
			  size_t label_bytes, const uint8_t pk[LAT_KEM_PK])
{
	lat_blake2b(out, LAT_HASH, mesh_key, 32,
		    (struct lat_bytes[]){ { label, label_bytes }, { pk, LAT_KEM_PK } }, 2);
}

void lat_hs_public_init(struct lat_hs_public *p, const uint8_t pk[LAT_KEM_PK], const uint8_t mesh_key[32])
{
	static const char mac1[] = "lwp1 mac1", cookie[] = "lwp1 cookie";

	memmove(p->pk, pk, LAT_KEM_PK);
	lat_blake2b(p->fp, LAT_FP, NULL, 0,
		    (struct lat_bytes[]){ LABEL("lwp1 node key"), { p->pk, LAT_KEM_PK } }, 2);
	keyed_by_mesh(p->km, mesh_key, mac1, sizeof(mac1) - 1, p->pk);
	keyed_by_mesh(p->cookie_key, mesh_key, cookie, sizeof(cookie) - 1, p->pk);
}

/* -------------------------------------------------------------------------------------------- initiator */

int lat_hs_m1_make(struct lat_hs_initiator *hs, uint8_t m1[LAT_M1_LEN], uint8_t e_m[LAT_WIRE_EM],
		   const struct lat_hs_public *me, const struct lat_hs_public *peer,
		   const uint8_t mesh_key[32], const struct lat_hs_params *p1, uint32_t idx_i,
		   const struct lat_hs_initiator_random *rnd)
{
	struct lat_hs_initiator next = { .idx_i = idx_i };
	uint8_t e_pk[LAT_KEM_PK], ss[LAT_KEM_SS], plain[LAT_WIRE_ID + LAT_WIRE_P1];
	uint8_t ct[LAT_KEM_CT];
	int rc = -EBADMSG;

	if (lat_kem_keypair(e_pk, rnd->e_seed) != 0 || lat_kem_encaps(ct, ss, peer->pk, rnd->enc_seed) != 0)
		goto out;
	memcpy(next.e_seed, rnd->e_seed, LAT_KEM_SEED);

	lat_m1_hdr_encode(m1, &(struct lat_m1_hdr){ .idx_i = idx_i });
	memcpy(m1 + LAT_M1_EX, e_pk + LAT_KEM_PK_M, LAT_KEM_PK_X);
	memcpy(m1 + LAT_M1_CT_R, ct, LAT_KEM_CT);

	sym_init(&next.sym, mesh_key, peer->pk);
	mix_hash(&next.sym, m1, LAT_M1_CT_R);
	mix_hash(&next.sym, m1 + LAT_M1_CT_R, LAT_KEM_CT);
	mix_key(&next.sym, ss);
	memcpy(plain, me->fp, LAT_WIRE_ID);
	lat_hs_p1_encode(plain + LAT_WIRE_ID, p1);
	box_seal(&next.sym, plain, sizeof(plain), m1 + LAT_M1_BOX1);
	mix_hash(&next.sym, me->pk, LAT_KEM_PK);

	lat_blake2b(m1 + LAT_M1_MAC1, LAT_WIRE_MAC, peer->km, LAT_HASH,
		    &(struct lat_bytes){ m1, LAT_M1_MAC1 }, 1);
	memset(m1 + LAT_M1_MAC2, 0, LAT_WIRE_MAC);
	memcpy(e_m, e_pk, LAT_WIRE_EM);
	*hs = next;
	rc = 0;
out:
	lat_wipe(&next, sizeof(next));
	lat_wipe(ss, sizeof(ss));
	return rc;
}

int lat_hs_m2_open_m3_make(struct lat_hs_initiator *hs, const uint8_t m2[LAT_M2_LEN], uint8_t m3[LAT_M3_LEN],
			   const uint8_t e_m[LAT_WIRE_EM], const struct lat_kem_key *key,
			   const uint8_t psk[32], const struct lat_hs_params *p3)
{
	struct lat_hs_initiator next = *hs;
	struct lat_m2_hdr hdr;
	uint8_t ct[LAT_KEM_CT], p2[LAT_WIRE_P23], plain[LAT_WIRE_EM + LAT_WIRE_P23];
	int rc = -EBADMSG;

	if (lat_m2_hdr_decode(&hdr, m2, LAT_M2_LEN) != 0 || hdr.idx_i != hs->idx_i)
		goto out;
	mix_hash(&next.sym, m2, LAT_M2_HDR);
	if (box_open(&next.sym, m2 + LAT_M2_BOX2A, LAT_M2_BOX2A_LEN, ct) != 0 ||
	    mix_decaps(&next.sym, ct, key, NULL) != 0)
		goto out;
	mix_key(&next.sym, psk);
	if (box_open(&next.sym, m2 + LAT_M2_BOX2B, LAT_M2_BOX2B_LEN, p2) != 0)
		goto out;
	rc = lat_hs_p23_decode(&next.peer, p2);
	if (rc != 0)
		goto out;
	next.idx_r = hdr.idx_r;

	lat_m3_hdr_encode(m3, &(struct lat_m3_hdr){ .idx_r = hdr.idx_r });
	mix_hash(&next.sym, m3, LAT_M3_HDR);
	memcpy(plain, e_m, LAT_WIRE_EM);
	lat_hs_p23_encode(plain + LAT_WIRE_EM, p3);
	box_seal(&next.sym, plain, sizeof(plain), m3 + LAT_M3_BOX3);
	*hs = next;
out:
	lat_wipe(&next, sizeof(next));
	lat_wipe(ct, sizeof(ct));
	return rc;
}

int lat_hs_m4_open(struct lat_hs_initiator *hs, const uint8_t m4[LAT_M4_LEN], struct lat_hs_result *out)
{
	struct lat_hs_sym sym = hs->sym;
	struct lat_m4_hdr hdr;
	uint8_t ct[LAT_KEM_CT], p4[LAT_WIRE_P4];
	int rc = -EBADMSG;

	if (lat_fault(LAT_FAULT_M4_SKIPPED))
		goto made;
	if (lat_m4_hdr_decode(&hdr, m4, LAT_M4_LEN) != 0 || hdr.idx_i != hs->idx_i)
		goto out;
	mix_hash(&sym, m4, LAT_M4_HDR);
	if (box_open(&sym, m4 + LAT_M4_BOX4A, LAT_M4_BOX4A_LEN, ct) != 0 ||
	    mix_decaps(&sym, ct, NULL, hs->e_seed) != 0 ||
	    box_open(&sym, m4 + LAT_M4_BOX4B, LAT_M4_BOX4B_LEN, p4) != 0)
		goto out;
	memcpy(out->peer_stale_token, p4, LAT_WIRE_STALE_TOKEN);
made:
	derive(out, &sym, &hs->peer);
	lat_wipe(hs, sizeof(*hs));
	rc = 0;
out:
	lat_wipe(&sym, sizeof(sym));
	lat_wipe(ct, sizeof(ct));
	lat_wipe(p4, sizeof(p4));
	return rc;
}

/* -------------------------------------------------------------------------------------------- responder */

int lat_hs_m1_open(struct lat_hs_responder *hs, const uint8_t m1[LAT_M1_LEN], const struct lat_hs_public *me,
		   const struct lat_kem_key *key, const uint8_t mesh_key[32], uint8_t id_i[LAT_ID],
		   struct lat_hs_params *p1)
{
	struct lat_hs_responder next = { 0 };
	struct lat_hs_params params;
	struct lat_m1_hdr hdr;
	uint8_t plain[LAT_WIRE_ID + LAT_WIRE_P1];
	int rc = -EBADMSG;

	if (lat_m1_hdr_decode(&hdr, m1, LAT_M1_LEN) != 0)
		goto out;
	next.idx_i = hdr.idx_i;
	memcpy(next.e_x, m1 + LAT_M1_EX, LAT_KEM_PK_X);

	sym_init(&next.sym, mesh_key, me->pk);
	mix_hash(&next.sym, m1, LAT_M1_CT_R);
	mix_hash(&next.sym, m1 + LAT_M1_CT_R, LAT_KEM_CT);
	if (mix_decaps(&next.sym, m1 + LAT_M1_CT_R, key, NULL) != 0 ||
	    box_open(&next.sym, m1 + LAT_M1_BOX1, LAT_M1_BOX1_LEN, plain) != 0)
		goto out;
	rc = lat_hs_p1_decode(&params, plain + LAT_WIRE_ID);
	if (rc != 0)
		goto out;
	*hs = next;
	*p1 = params;
	memcpy(id_i, plain, LAT_ID);
out:
	lat_wipe(&next, sizeof(next));
	return rc;
}

int lat_hs_m2_make(struct lat_hs_responder *hs, uint8_t m2[LAT_M2_LEN], const struct lat_hs_public *peer,
		   const uint8_t psk[32], const struct lat_hs_params *p2, uint32_t idx_r,
		   const uint8_t salt_r[8], const uint8_t enc_seed[LAT_KEM_ENC_SEED])
{
	struct lat_hs_responder next = *hs;
	struct lat_m2_hdr hdr = { .idx_r = idx_r, .idx_i = hs->idx_i };
	uint8_t ct[LAT_KEM_CT], ss[LAT_KEM_SS], plain[LAT_WIRE_P23];
	int rc = -EBADMSG;

	if (lat_kem_encaps(ct, ss, peer->pk, enc_seed) != 0)
		goto out;
	next.idx_r = idx_r;
	memcpy(hdr.salt_r, salt_r, LAT_WIRE_SALT);

	mix_hash(&next.sym, peer->pk, LAT_KEM_PK); /* the last step of M1, once the peer is found */
	lat_m2_hdr_encode(m2, &hdr);
	mix_hash(&next.sym, m2, LAT_M2_HDR);
	box_seal(&next.sym, ct, LAT_KEM_CT, m2 + LAT_M2_BOX2A);
	mix_key(&next.sym, ss);
	mix_key(&next.sym, psk);
	lat_hs_p23_encode(plain, p2);
	box_seal(&next.sym, plain, sizeof(plain), m2 + LAT_M2_BOX2B);
	*hs = next;
	rc = 0;
out:
	lat_wipe(&next, sizeof(next));
	lat_wipe(ss, sizeof(ss));
	lat_wipe(ct, sizeof(ct));
	return rc;
}

int lat_hs_m3_open_m4_make(struct lat_hs_responder *hs, const uint8_t m3[LAT_M3_LEN], uint8_t m4[LAT_M4_LEN],
			   const uint8_t stale_token[LAT_WIRE_STALE_TOKEN],
			   const uint8_t enc_seed[LAT_KEM_ENC_SEED], struct lat_hs_result *out)
{
	struct lat_hs_sym sym = hs->sym;
	struct lat_hs_params peer;
	struct lat_m3_hdr hdr;
	uint8_t plain[LAT_WIRE_EM + LAT_WIRE_P23], e_pk[LAT_KEM_PK], ct[LAT_KEM_CT], ss[LAT_KEM_SS];
	int rc = -EBADMSG;

	if (lat_m3_hdr_decode(&hdr, m3, LAT_M3_LEN) != 0 || hdr.idx_r != hs->idx_r)
		goto out;
	mix_hash(&sym, m3, LAT_M3_HDR);
	if (box_open(&sym, m3 + LAT_M3_BOX3, LAT_M3_BOX3_LEN, plain) != 0)
		goto out;
	memcpy(e_pk, plain, LAT_WIRE_EM);
	memcpy(e_pk + LAT_WIRE_EM, hs->e_x, LAT_KEM_PK_X);
	rc = lat_hs_p23_decode(&peer, plain + LAT_WIRE_EM);
	if (rc != 0)
		goto out;
	if (lat_kem_encaps(ct, ss, e_pk, enc_seed) != 0) {
		rc = -EBADMSG;
		goto out;
	}

	lat_m4_hdr_encode(m4, &(struct lat_m4_hdr){ .idx_i = hs->idx_i });
	mix_hash(&sym, m4, LAT_M4_HDR);
	box_seal(&sym, ct, LAT_KEM_CT, m4 + LAT_M4_BOX4A);
	mix_key(&sym, ss);
	box_seal(&sym, stale_token, LAT_WIRE_P4, m4 + LAT_M4_BOX4B);
	derive(out, &sym, &peer);
	memset(out->peer_stale_token, 0, LAT_WIRE_STALE_TOKEN); /* comes later, in PARAMS */
	lat_wipe(&hs->sym, sizeof(hs->sym));
out:
	lat_wipe(&sym, sizeof(sym));
	lat_wipe(ss, sizeof(ss));
	lat_wipe(ct, sizeof(ct));
	lat_wipe(plain, sizeof(plain));
	return rc;
}

/* ----------------------------------------------------------------------------------- macs, cookie, stale */

int lat_hs_mac1_check(const struct lat_hs_public *me, const uint8_t m1[LAT_M1_LEN])
{
	uint8_t mac[LAT_WIRE_MAC];

	lat_blake2b(mac, LAT_WIRE_MAC, me->km, LAT_HASH, &(struct lat_bytes){ m1, LAT_M1_MAC1 }, 1);
	return lat_equal_ct(mac, m1 + LAT_M1_MAC1, LAT_WIRE_MAC) ? 0 : -EBADMSG;
}

static void mac2(uint8_t mac[LAT_WIRE_MAC], const uint8_t m1[LAT_M1_LEN],
		 const uint8_t cookie[LAT_WIRE_COOKIE])
{
	lat_blake2b(mac, LAT_WIRE_MAC, cookie, LAT_WIRE_COOKIE, &(struct lat_bytes){ m1, LAT_M1_MAC2 }, 1);
}

void lat_hs_m1_set_mac2(uint8_t m1[LAT_M1_LEN], const uint8_t cookie[LAT_WIRE_COOKIE])
{
	mac2(m1 + LAT_M1_MAC2, m1, cookie);
}

int lat_hs_mac2_check(const uint8_t m1[LAT_M1_LEN], const uint8_t cookie[LAT_WIRE_COOKIE])
{
	uint8_t mac[LAT_WIRE_MAC];

	mac2(mac, m1, cookie);
	return lat_equal_ct(mac, m1 + LAT_M1_MAC2, LAT_WIRE_MAC) ? 0 : -EBADMSG;
}

void lat_hs_cookie(uint8_t cookie[LAT_WIRE_COOKIE], const uint8_t secret[32], uint8_t family,
		   const uint8_t *addr, size_t addr_bytes, uint16_t port)
{
	uint8_t le_port[2];

	lat_put_le16(le_port, port);
	lat_blake2b(cookie, LAT_WIRE_COOKIE, secret, 32,
		    (struct lat_bytes[]){
			    { &family, 1 }, { addr, addr_bytes }, { le_port, sizeof(le_port) } },
		    3);
}

void lat_hs_cookie_make(uint8_t packet[LAT_COOKIE_LEN], const struct lat_hs_public *me,
			const uint8_t m1[LAT_M1_LEN], const uint8_t nonce[LAT_WIRE_NONCE],
			const uint8_t cookie[LAT_WIRE_COOKIE])
{
	struct lat_cookie_hdr hdr = { .idx_i = lat_get_le32(m1 + LAT_M1_IDX_I) };

	memcpy(hdr.nonce, nonce, LAT_WIRE_NONCE);
	lat_cookie_hdr_encode(packet, &hdr);
	lat_xaead_seal(me->cookie_key, nonce, m1 + LAT_M1_MAC1, LAT_WIRE_MAC, cookie, LAT_WIRE_COOKIE,
		       packet + LAT_COOKIE_BOX);
}

int lat_hs_cookie_open(uint8_t cookie[LAT_WIRE_COOKIE], const struct lat_hs_public *peer,
		       const uint8_t packet[LAT_COOKIE_LEN], const uint8_t m1[LAT_M1_LEN])
{
	struct lat_cookie_hdr hdr;
	uint8_t plain[LAT_WIRE_COOKIE];

	if (lat_cookie_hdr_decode(&hdr, packet, LAT_COOKIE_LEN) != 0 ||
	    hdr.idx_i != lat_get_le32(m1 + LAT_M1_IDX_I) ||
	    lat_xaead_open(peer->cookie_key, hdr.nonce, m1 + LAT_M1_MAC1, LAT_WIRE_MAC,
			   packet + LAT_COOKIE_BOX, LAT_COOKIE_BOX_LEN, plain) != 0)
		return -EBADMSG;
	memcpy(cookie, plain, LAT_WIRE_COOKIE);
	return 0;
}

void lat_hs_stale_token(uint8_t out[LAT_WIRE_STALE_TOKEN], const uint8_t seed[LAT_KEM_SEED], uint32_t idx)
{
	uint8_t key[LAT_HASH], le_idx[4];

	lat_put_le32(le_idx, idx);
	lat_blake2b(key, LAT_HASH, seed, LAT_KEM_SEED, &(struct lat_bytes)LABEL("lwp1 stale"), 1);
	lat_blake2b(out, LAT_WIRE_STALE_TOKEN, key, LAT_HASH, &(struct lat_bytes){ le_idx, sizeof(le_idx) },
		    1);
	lat_wipe(key, sizeof(key));
}

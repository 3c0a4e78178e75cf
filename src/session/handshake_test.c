/* What the handshake refuses, and that a refusal leaves no trace. What it makes: handshake_kat_test.c. */
#include "session/handshake.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/test.h"
#include "crypto/aead.h"

/* Two nodes and one handshake between them, stopped wherever a test wants. */
struct pair {
	uint8_t seed_i[LAT_KEM_SEED], seed_r[LAT_KEM_SEED];
	uint8_t mesh_i[32], mesh_r[32], psk_i[32], psk_r[32];
	struct lat_hs_public i_pub, r_pub;   /* as each side knows itself */
	struct lat_hs_public r_at_i, i_at_r; /* as the other side knows it */
	struct lat_hs_params p1, p2, p3;
	struct lat_hs_initiator i;
	struct lat_hs_responder r;
	uint8_t m1[LAT_M1_LEN], m2[LAT_M2_LEN], m3[LAT_M3_LEN], m4[LAT_M4_LEN];
	uint8_t e_m[LAT_WIRE_EM];
	uint8_t stale[LAT_WIRE_STALE_TOKEN];
	uint8_t fresh; /* varies the randomness of an attempt */
	struct lat_hs_result res_i, res_r;
};

enum { IDX_I = 0x11223344, IDX_R = 0x55667788 };

static void fill(uint8_t *p, size_t bytes, uint8_t with)
{
	for (size_t k = 0; k < bytes; k++)
		p[k] = (uint8_t)(with + 3 * k);
}

static const struct lat_kem_key *key_of(const uint8_t seed[32])
{
	static struct lat_kem_key key;

	CHECK_EQ(lat_kem_key_init(&key, seed), 0);
	return &key;
}

static void public_of(struct lat_hs_public *pub, const uint8_t seed[32], const uint8_t mesh[32])
{
	uint8_t pk[LAT_KEM_PK];

	CHECK_EQ(lat_kem_keypair(pk, seed), 0);
	lat_hs_public_init(pub, pk, mesh);
}

static void set_up(struct pair *p)
{
	CHECK_EQ(lat_crypto_init(), 0);
	memset(p, 0, sizeof(*p));
	fill(p->seed_i, sizeof(p->seed_i), 1);
	fill(p->seed_r, sizeof(p->seed_r), 2);
	fill(p->stale, sizeof(p->stale), 3);
	public_of(&p->i_pub, p->seed_i, p->mesh_i);
	public_of(&p->r_pub, p->seed_r, p->mesh_r);
	p->r_at_i = p->r_pub;
	p->i_at_r = p->i_pub;
	p->p1 = (struct lat_hs_params){ .ver_max = 1, .ver_min = 1, .node = 5 };
	p->p3 = (struct lat_hs_params){
		.ver_max = 1, .ver_min = 1, .node = 5, .boot_id = 55, .udp_max = 1232, .max_msg = 1 << 20
	};
	p->p2 = p->p3;
	p->p2.node = 1;
}

static int do_m1_make(struct pair *p)
{
	struct lat_hs_initiator_random rnd;

	fill(rnd.e_seed, sizeof(rnd.e_seed), (uint8_t)(10 + p->fresh));
	fill(rnd.enc_seed, sizeof(rnd.enc_seed), (uint8_t)(20 + p->fresh));
	return lat_hs_m1_make(&p->i, p->m1, p->e_m, &p->i_pub, &p->r_at_i, p->mesh_i, &p->p1, IDX_I, &rnd);
}

static int do_m1_open(struct pair *p)
{
	struct lat_hs_params p1;
	uint8_t id[LAT_ID];
	int rc = lat_hs_m1_open(&p->r, p->m1, &p->r_pub, key_of(p->seed_r), p->mesh_r, id, &p1);

	if (rc == 0)
		CHECK_MEM(id, p->i_pub.fp, LAT_ID);
	return rc;
}

static int do_m2_make(struct pair *p)
{
	uint8_t salt[8], enc[LAT_KEM_ENC_SEED];

	fill(salt, sizeof(salt), (uint8_t)(30 + p->fresh));
	fill(enc, sizeof(enc), (uint8_t)(40 + p->fresh));
	return lat_hs_m2_make(&p->r, p->m2, &p->i_at_r, p->psk_r, &p->p2, IDX_R, salt, enc);
}

static int do_m2_open(struct pair *p)
{
	return lat_hs_m2_open_m3_make(&p->i, p->m2, p->m3, p->e_m, key_of(p->seed_i), p->psk_i, &p->p3);
}

static int do_m3_open(struct pair *p)
{
	uint8_t enc[LAT_KEM_ENC_SEED];

	fill(enc, sizeof(enc), (uint8_t)(50 + p->fresh));
	return lat_hs_m3_open_m4_make(&p->r, p->m3, p->m4, p->stale, enc, &p->res_r);
}

static int do_m4_open(struct pair *p)
{
	return lat_hs_m4_open(&p->i, p->m4, &p->res_i);
}

static int do_mac1(struct pair *p)
{
	return lat_hs_mac1_check(&p->r_pub, p->m1);
}

enum step { MAKE1, MAC1, OPEN1, MAKE2, OPEN2, OPEN3, OPEN4, STEPS };

static int (*const steps[STEPS])(struct pair *p) = {
	[MAKE1] = do_m1_make, [MAC1] = do_mac1,     [OPEN1] = do_m1_open, [MAKE2] = do_m2_make,
	[OPEN2] = do_m2_open, [OPEN3] = do_m3_open, [OPEN4] = do_m4_open,
};

/* Runs up to, not including, @end. */
static void run_to(struct pair *p, enum step end)
{
	for (enum step s = MAKE1; s < end; s++)
		CHECK_EQ(steps[s](p), 0);
}

TEST(both_ends_agree)
{
	struct pair p;

	set_up(&p);
	run_to(&p, STEPS);
	CHECK_MEM(p.res_i.sess, p.res_r.sess, LAT_HASH);
	CHECK_MEM(p.res_i.sid, p.res_r.sid, LAT_SID);
	CHECK_MEM(p.res_i.h, p.res_r.h, LAT_HASH);
	CHECK_MEM(p.res_i.peer_stale_token, p.stale, sizeof(p.stale));
	CHECK_EQ(p.res_i.peer.node, 1);
	CHECK_EQ(p.res_r.peer.node, 5);
}

/* -------------------------------------------------------------------------------------- mismatched ends */

static void other_psk_i(struct pair *p)
{
	p->psk_i[31] = 1;
}

static void other_psk_r(struct pair *p)
{
	p->psk_r[0] = 0x80;
}

static void same_psk(struct pair *p)
{
	fill(p->psk_i, 32, 9);
	fill(p->psk_r, 32, 9);
}

static void other_mesh_r(struct pair *p)
{
	p->mesh_r[31] = 1;
	public_of(&p->r_pub, p->seed_r, p->mesh_r);
}

static void same_mesh(struct pair *p)
{
	other_mesh_r(p);
	memcpy(p->mesh_i, p->mesh_r, 32);
	public_of(&p->i_pub, p->seed_i, p->mesh_i);
	p->r_at_i = p->r_pub;
	p->i_at_r = p->i_pub;
}

/* mac1 as of the right mesh, everything behind it under another. */
static void other_mesh_right_mac1(struct pair *p)
{
	p->mesh_r[31] = 1;
}

static void other_responder(struct pair *p)
{
	uint8_t seed[32];

	fill(seed, sizeof(seed), 77);
	public_of(&p->r_at_i, seed, p->mesh_i);
}

/* mac1 made for the real responder, the rest for another key. */
static void other_responder_right_mac1(struct pair *p)
{
	other_responder(p);
	memcpy(p->r_at_i.km, p->r_pub.km, LAT_HASH);
}

static void other_initiator(struct pair *p)
{
	uint8_t seed[32];

	fill(seed, sizeof(seed), 78);
	public_of(&p->i_at_r, seed, p->mesh_r);
}

/* An impostor: knows the initiator's public key, not its seed. */
static void impostor(struct pair *p)
{
	fill(p->seed_i, sizeof(p->seed_i), 79);
}

/* The responder's address is held by somebody without its seed. */
static void false_responder(struct pair *p)
{
	fill(p->seed_r, sizeof(p->seed_r), 80);
}

static void flag_ignored(struct pair *p)
{
	p->p1.flags = p->p2.flags = p->p3.flags = 0x00ff;
}

static void flag_refused_p1(struct pair *p)
{
	p->p1.flags = 0x0100;
}

static void flag_refused_p2(struct pair *p)
{
	p->p2.flags = 0x8000;
}

static void flag_refused_p3(struct pair *p)
{
	p->p3.flags = 0x0100;
}

static void zero_x25519_of_responder(struct pair *p)
{
	memset(p->r_at_i.pk + LAT_KEM_PK_M, 0, LAT_KEM_PK_X);
}

static void zero_x25519_of_initiator(struct pair *p)
{
	memset(p->i_at_r.pk + LAT_KEM_PK_M, 0, LAT_KEM_PK_X);
}

static void bad_mlkem_of_responder(struct pair *p)
{
	memset(p->r_at_i.pk, 0xff, LAT_KEM_PK_M);
}

static const struct {
	const char *why;
	void (*change)(struct pair *p);
	enum step fails; /* STEPS: none */
	int rc;
} mismatches[] = {
	{ "psk only at the initiator", other_psk_i, OPEN2, -EBADMSG },
	{ "psk only at the responder", other_psk_r, OPEN2, -EBADMSG },
	{ "the same psk", same_psk, STEPS, 0 },
	{ "another mesh key: silence at mac1", other_mesh_r, MAC1, -EBADMSG },
	{ "the same mesh key", same_mesh, STEPS, 0 },
	{ "another mesh key behind a right mac1", other_mesh_right_mac1, OPEN1, -EBADMSG },
	{ "calling another key: silence at mac1", other_responder, MAC1, -EBADMSG },
	{ "another key behind a right mac1", other_responder_right_mac1, OPEN1, -EBADMSG },
	{ "answering another key", other_initiator, OPEN2, -EBADMSG },
	{ "an initiator without the seed it claims", impostor, OPEN2, -EBADMSG },
	{ "a responder without its seed", false_responder, OPEN1, -EBADMSG },
	{ "unknown flags below 0x100", flag_ignored, STEPS, 0 },
	{ "unknown flag in p1", flag_refused_p1, OPEN1, -EPROTO },
	{ "unknown flag in p2", flag_refused_p2, OPEN2, -EPROTO },
	{ "unknown flag in p3", flag_refused_p3, OPEN3, -EPROTO },
	{ "all-zero X25519 result at the initiator", zero_x25519_of_responder, MAKE1, -EBADMSG },
	{ "all-zero X25519 result at the responder", zero_x25519_of_initiator, MAKE2, -EBADMSG },
	{ "badly encoded ML-KEM key", bad_mlkem_of_responder, MAKE1, -EBADMSG },
};

TEST(mismatched_ends_stop_at_the_right_step)
{
	for (size_t k = 0; k < ARRAY_LEN(mismatches); k++) {
		struct pair p, before;
		enum step s;
		int rc = 0;

		set_up(&p);
		mismatches[k].change(&p);
		for (s = MAKE1; s < STEPS; s++) {
			before = p;
			rc = steps[s](&p);
			if (rc != 0)
				break;
		}
		CHECK_EQ_ROW(mismatches[k].why, s, mismatches[k].fails);
		CHECK_EQ_ROW(mismatches[k].why, rc, mismatches[k].rc);
		if (rc != 0) {
			CHECK_MEM_ROW(mismatches[k].why, &p.i, &before.i, sizeof(p.i));
			CHECK_MEM_ROW(mismatches[k].why, &p.r, &before.r, sizeof(p.r));
		}
	}
}

/* ------------------------------------------------------------------------------------------- every bit */

static void flip(uint8_t *packet, size_t bit)
{
	packet[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

/*
 * All bits of a packet: each must be refused by @open, with the states as before; then the packet itself is
 * taken.
 */
static void flip_all(struct pair *p, uint8_t *packet, size_t bytes, size_t step, enum step open)
{
	struct lat_hs_initiator i = p->i;
	struct lat_hs_responder r = p->r;

	for (size_t bit = 0; bit < bytes * 8; bit += step) {
		flip(packet, bit);
		CHECK_NE(steps[open](p), 0);
		CHECK_MEM(&p->i, &i, sizeof(i));
		CHECK_MEM(&p->r, &r, sizeof(r));
		flip(packet, bit);
	}
	CHECK_EQ(steps[open](p), 0);
}

TEST(every_bit_of_m1_counts)
{
	struct pair p;

	set_up(&p);
	run_to(&p, MAC1);
	flip_all(&p, p.m1, LAT_M1_MAC2, 1, MAC1);
}

static int mac1_again_then_open(struct pair *p)
{
	uint8_t real[LAT_WIRE_MAC];
	int rc;

	memcpy(real, p->m1 + LAT_M1_MAC1, sizeof(real));
	lat_blake2b(p->m1 + LAT_M1_MAC1, LAT_WIRE_MAC, p->r_pub.km, LAT_HASH,
		    &(struct lat_bytes){ p->m1, LAT_M1_MAC1 }, 1);
	CHECK_EQ(do_mac1(p), 0);
	rc = do_m1_open(p);
	memcpy(p->m1 + LAT_M1_MAC1, real, sizeof(real));
	return rc;
}

/*
 * Somebody who can make mac1 (it proves no more than knowing the public key) still cannot change what it
 * covers.
 */
TEST(m1_behind_a_right_mac1_is_still_sealed)
{
	struct lat_hs_responder r = { 0 };
	struct pair p;

	set_up(&p);
	run_to(&p, OPEN1);
	for (size_t bit = 0; bit < LAT_M1_MAC1 * 8u; bit += bit < LAT_M1_CT_R * 8u ? 1 : 11) {
		flip(p.m1, bit);
		CHECK_NE(mac1_again_then_open(&p), 0);
		CHECK_MEM(&p.r, &r, sizeof(r));
		flip(p.m1, bit);
	}
	CHECK_EQ(mac1_again_then_open(&p), 0);
}

TEST(every_bit_of_m2_counts)
{
	struct pair p;

	set_up(&p);
	run_to(&p, OPEN2);
	flip_all(&p, p.m2, LAT_M2_LEN, 1, OPEN2);
}

TEST(every_bit_of_m3_counts)
{
	struct pair p;

	set_up(&p);
	run_to(&p, OPEN3);
	flip_all(&p, p.m3, LAT_M3_LEN, 1, OPEN3);
}

TEST(every_bit_of_m4_counts)
{
	struct pair p;

	set_up(&p);
	run_to(&p, OPEN4);
	flip_all(&p, p.m4, LAT_M4_LEN, 1, OPEN4);
}

/* ----------------------------------------------------------------------------- packets of other attempts */

/* Two attempts between the same nodes under the same indices: only the randomness differs. */
TEST(a_packet_serves_one_attempt)
{
	static const struct {
		const char *why;
		enum step open;
	} rows[] = {
		{ "M2 of another attempt", OPEN2 },
		{ "M3 of another attempt", OPEN3 },
		{ "M4 of another attempt", OPEN4 },
	};
	struct pair p, other;

	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		set_up(&p);
		set_up(&other);
		other.fresh = 1;
		run_to(&p, rows[k].open);
		run_to(&other, rows[k].open);
		memcpy(p.m2, other.m2, sizeof(p.m2));
		memcpy(p.m3, other.m3, sizeof(p.m3));
		memcpy(p.m4, other.m4, sizeof(p.m4));
		CHECK_EQ_ROW(rows[k].why, steps[rows[k].open](&p), -EBADMSG);
		CHECK_EQ_ROW(rows[k].why, steps[rows[k].open](&other), 0);
	}
}

/* The responder answers the same M1 twice, with fresh randomness: one M3 fits one of them. */
TEST(a_replayed_m1_gives_an_attempt_that_leads_nowhere)
{
	struct pair p, again;

	set_up(&p);
	run_to(&p, OPEN2);
	again = p;
	again.fresh = 1;
	CHECK_EQ(do_m1_open(&again), 0);
	CHECK_EQ(do_m2_make(&again), 0);
	CHECK_EQ(do_m2_open(&p), 0);
	memcpy(again.m3, p.m3, sizeof(p.m3));
	CHECK_EQ(do_m3_open(&again), -EBADMSG);
	CHECK_EQ(do_m3_open(&p), 0);
}

TEST(roles_cannot_be_swapped)
{
	struct lat_hs_params p1;
	uint8_t id[LAT_ID];
	struct pair p, q;

	set_up(&p);
	run_to(&p, OPEN2);
	CHECK_EQ_ROW("own M1 comes back", lat_hs_mac1_check(&p.i_pub, p.m1), -EBADMSG);
	q = p;
	CHECK_EQ_ROW("own M1 comes back",
		     lat_hs_m1_open(&q.r, p.m1, &p.i_pub, key_of(p.seed_i), p.mesh_i, id, &p1), -EBADMSG);
	q = p;
	memcpy(q.m2, p.m1, LAT_M2_LEN);
	CHECK_EQ_ROW("M1 as M2", do_m2_open(&q), -EBADMSG);
	q = p;
	memcpy(q.m3, p.m1, LAT_M3_LEN);
	CHECK_EQ_ROW("M1 as M3", do_m3_open(&q), -EBADMSG);

	CHECK_EQ(do_m2_open(&p), 0);
	q = p;
	memcpy(q.m4, p.m3, LAT_M4_LEN);
	CHECK_EQ_ROW("own M3 as M4", do_m4_open(&q), -EBADMSG);
	q = p;
	CHECK_EQ_ROW("M2 again after M3 was made", do_m2_open(&q), -EBADMSG);

	CHECK_EQ(do_m3_open(&p), 0);
	q = p;
	CHECK_EQ_ROW("M3 again after M4 was made", do_m3_open(&q), -EBADMSG);
	CHECK_EQ(do_m4_open(&p), 0);
	CHECK_EQ_ROW("M4 again", do_m4_open(&p), -EBADMSG);
}

/* ------------------------------------------------------------------------------------- cookies, tokens */

TEST(cookie_opens_for_its_m1_alone)
{
	uint8_t packet[LAT_COOKIE_LEN], nonce[LAT_WIRE_NONCE], cookie[16], got[16], other_m1[LAT_M1_LEN];
	struct pair p;

	set_up(&p);
	run_to(&p, MAC1);
	memcpy(other_m1, p.m1, sizeof(other_m1));
	p.fresh = 1;
	CHECK_EQ(do_m1_make(&p), 0);
	fill(nonce, sizeof(nonce), 60);
	fill(cookie, sizeof(cookie), 61);
	lat_hs_cookie_make(packet, &p.r_pub, p.m1, nonce, cookie);

	memset(got, 0, sizeof(got));
	CHECK_EQ_ROW("another M1, the same index", lat_hs_cookie_open(got, &p.r_at_i, packet, other_m1),
		     -EBADMSG);
	CHECK_EQ_ROW("another responder", lat_hs_cookie_open(got, &p.i_pub, packet, p.m1), -EBADMSG);
	for (size_t bit = 0; bit < LAT_COOKIE_LEN * 8u; bit++) {
		flip(packet, bit);
		CHECK_EQ(lat_hs_cookie_open(got, &p.r_at_i, packet, p.m1), -EBADMSG);
		flip(packet, bit);
	}
	CHECK_MEM(got, (uint8_t[16]){ 0 }, 16);
	CHECK_EQ(lat_hs_cookie_open(got, &p.r_at_i, packet, p.m1), 0);
	CHECK_MEM(got, cookie, 16);

	CHECK_EQ_ROW("mac2 still zero", lat_hs_mac2_check(p.m1, cookie), -EBADMSG);
	lat_hs_m1_set_mac2(p.m1, cookie);
	CHECK_EQ_ROW("mac2 set", lat_hs_mac2_check(p.m1, cookie), 0);
	CHECK_EQ_ROW("mac1 is not touched by it", do_mac1(&p), 0);
	cookie[0] ^= 1;
	CHECK_EQ_ROW("another cookie", lat_hs_mac2_check(p.m1, cookie), -EBADMSG);
}

TEST(cookie_binds_the_address)
{
	static const uint8_t v4[4] = { 10, 0, 0, 1 }, v4b[4] = { 10, 0, 0, 2 }, v6[16] = { 10, 0, 0, 1 };
	static const struct {
		const char *why;
		uint8_t secret, family;
		const uint8_t *addr;
		size_t bytes;
		uint16_t port;
		bool same;
	} rows[] = {
		{ "the same", 1, 4, v4, 4, 9000, true },
		{ "other secret", 2, 4, v4, 4, 9000, false },
		{ "other address", 1, 4, v4b, 4, 9000, false },
		{ "other family", 1, 6, v6, 16, 9000, false },
		{ "other port", 1, 4, v4, 4, 9001, false },
		{ "port's bytes swapped", 1, 4, v4, 4, 0x2823, false },
	};
	uint8_t secret[32] = { 1 }, first[16], other[16];

	CHECK_EQ(lat_crypto_init(), 0);
	lat_hs_cookie(first, secret, 4, v4, 4, 9000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		secret[0] = rows[i].secret;
		lat_hs_cookie(other, secret, rows[i].family, rows[i].addr, rows[i].bytes, rows[i].port);
		CHECK_EQ_ROW(rows[i].why, memcmp(first, other, 16) == 0, rows[i].same);
	}
}

TEST(stale_token_is_of_one_seed_and_index)
{
	uint8_t seed[32] = { 1 }, a[16], b[16];

	CHECK_EQ(lat_crypto_init(), 0);
	lat_hs_stale_token(a, seed, 1);
	lat_hs_stale_token(b, seed, 1);
	CHECK_MEM(a, b, 16);
	lat_hs_stale_token(b, seed, 0x01000000);
	CHECK(memcmp(a, b, 16) != 0);
	seed[31] = 1;
	lat_hs_stale_token(b, seed, 1);
	CHECK(memcmp(a, b, 16) != 0);
}

TEST_MAIN

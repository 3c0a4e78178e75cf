/* The chain: bytes and keys against the known answers, what decoding refuses, and that nothing ever widens. */
#include "cap/chain.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/test.h"
#include "crypto/hash.h"
#include "vectors/lwp1_kat.h"

static struct lat_caveat caveat(uint8_t type, uint8_t size, uint64_t number)
{
	struct lat_caveat c = { .type = type, .size = size };
	uint8_t le[8];

	lat_put_le64(le, number);
	memcpy(c.value, le, sizeof(le));
	return c;
}

static struct lat_caveat holder(uint8_t fill)
{
	struct lat_caveat c = { .type = LAT_CAVEAT_HOLDER, .size = LAT_CAP_HOLDER };

	memset(c.value, fill, LAT_CAP_HOLDER);
	return c;
}

TEST(keys_match_the_known_answers)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];
		uint8_t k[LAT_CAP_KEY];

		lat_cap_key_root(k, kat->cap.K_root, kat->cap.desc);
		CHECK_MEM_ROW(kat->name, k, kat->cap.k[0], sizeof(k));
		CHECK_EQ_ROW(kat->name, kat->cap.k_count, kat->cap.caveats_count + 1);
		for (size_t c = 0; c < kat->cap.caveats_count; c++) {
			lat_cap_key_next(k, k, kat->cap.caveats[c]);
			CHECK_MEM_ROW(kat->name, k, kat->cap.k[c + 1], sizeof(k));
		}
		for (size_t c = 0; c <= kat->cap.caveats_count; c++) {
			CHECK_EQ_ROW(kat->name,
				     lat_cap_key_chain(k, kat->cap.K_root, kat->cap.desc, kat->cap.caveats[0],
						       c),
				     0);
			CHECK_MEM_ROW(kat->name, k, kat->cap.k[c], sizeof(k));
		}
	}
}

/* The descriptor of the known answers, field by field. */
TEST(descriptor_matches_the_known_answers)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];
		uint8_t bytes[LAT_CAP_DESC];
		struct lat_cap_desc d;

		CHECK_EQ_ROW(kat->name, lat_cap_desc_decode(&d, kat->cap.desc), 0);
		CHECK_EQ(d.rights, 11);
		CHECK_EQ(d.node, 1);
		CHECK_EQ(d.dst_pid, 10);
		CHECK_EQ(d.src_pid, 5);
		CHECK_EQ(d.slot, 7);
		CHECK_EQ(d.gen, 3);
		CHECK_EQ(d.cap_id, 42);
		CHECK_EQ(d.not_after, 0);
		CHECK_EQ(d.max_msg, 65536);
		CHECK_EQ(d.rate, 0);
		CHECK_MEM(d.holder, kat->fp_I, LAT_CAP_HOLDER);
		lat_cap_desc_encode(bytes, &d);
		CHECK_MEM_ROW(kat->name, bytes, kat->cap.desc, sizeof(bytes));
	}
}

TEST(descriptor_keeps_every_bit)
{
	const struct lat_cap_desc d = {
		.rights = 0xfedc,
		.node = 0x81828384,
		.dst_pid = INT32_MIN,
		.src_pid = LAT_CAP_ANY_PID,
		.slot = UINT32_MAX,
		.gen = 0x91929394,
		.cap_id = 0xa1a2a3a4a5a6a7a8,
		.not_after = UINT64_MAX,
		.max_msg = 0xb1b2b3b4,
		.rate = 0xc1c2c3c4,
		.holder = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
	};
	uint8_t bytes[LAT_CAP_DESC], again[LAT_CAP_DESC];
	struct lat_cap_desc back;

	lat_cap_desc_encode(bytes, &d);
	CHECK_EQ(lat_cap_desc_decode(&back, bytes), 0);
	lat_cap_desc_encode(again, &back);
	CHECK_MEM(again, bytes, sizeof(bytes));
	CHECK_EQ(back.dst_pid, INT32_MIN);
	CHECK_EQ(back.src_pid, -1);
	CHECK(back.cap_id == d.cap_id && back.not_after == d.not_after);
}

TEST(descriptor_refusals)
{
	static const struct {
		const char *why;
		size_t at;
		uint8_t value;
	} rows[] = {
		{ "version 0, as in a grant by identity", 0, 0 },
		{ "version 2", 0, 2 },
		{ "zero byte is not", 1, 1 },
		{ "zero byte's top bit", 1, 0x80 },
	};
	struct lat_cap_desc d, was;
	uint8_t bytes[LAT_CAP_DESC];

	memset(&d, 0x5a, sizeof(d));
	memcpy(&was, &d, sizeof(d));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		memcpy(bytes, lat_kat_plain.cap.desc, sizeof(bytes));
		bytes[rows[i].at] = rows[i].value;
		CHECK_EQ_ROW(rows[i].why, lat_cap_desc_decode(&d, bytes), -EPROTO);
		CHECK_MEM_ROW(rows[i].why, &d, &was, sizeof(d));
	}
}

TEST(caveat_matches_the_known_answers)
{
	const struct lat_kat *kat = &lat_kat_plain;
	struct lat_caveat c, made = caveat(LAT_CAVEAT_RIGHTS, 2, 3);
	uint8_t bytes[LAT_CAP_CAVEAT];

	CHECK_EQ(lat_caveat_decode(&c, kat->cap.caveats[0]), 0);
	CHECK_EQ(c.type, LAT_CAVEAT_RIGHTS);
	CHECK_EQ(lat_get_le16(c.value), 3);
	lat_caveat_encode(bytes, &made);
	CHECK_MEM(bytes, kat->cap.caveats[0], sizeof(bytes));
	memset(made.value + made.size, 0xff,
	       sizeof(made.value) - made.size); /* encoding zeroes what is unused */
	lat_caveat_encode(bytes, &made);
	CHECK_MEM(bytes, kat->cap.caveats[0], sizeof(bytes));
}

/* Every type, every size: one size is right; each padding byte must be zero. */
TEST(caveat_refusals)
{
	static const uint8_t right_size[256] = {
		[1] = 2, [2] = 8, [3] = 4, [4] = 4, [5] = 4, [6] = 16, [7] = 8
	};
	struct lat_caveat c;

	for (unsigned type = 0; type < 256; type++) {
		for (unsigned size = 0; size < 256; size++) {
			uint8_t in[LAT_CAP_CAVEAT] = { (uint8_t)type, (uint8_t)size };
			bool good = right_size[type] != 0 && size == right_size[type];

			memset(&c, 0x5a, sizeof(c));
			CHECK_EQ(lat_caveat_decode(&c, in), good ? 0 : -EACCES);
			CHECK_EQ(c.type, good ? type : 0x5a);
			for (size_t at = 2; at < sizeof(in) && good; at++) {
				bool padding = at < 4 || at >= 4 + size;

				in[at] = 0x80;
				CHECK_EQ(lat_caveat_decode(&c, in), padding ? -EACCES : 0);
				in[at] = 0;
			}
		}
	}
}

TEST(the_chain_has_an_end)
{
	static const uint8_t caveats[(LAT_CAP_CAVEATS_MAX + 1) * LAT_CAP_CAVEAT];
	const struct lat_caveat many[LAT_CAP_CAVEATS_MAX + 1] = {
		{ LAT_CAVEAT_RIGHTS, 2, { 1 } }, { LAT_CAVEAT_RIGHTS, 2, { 1 } },
		{ LAT_CAVEAT_RIGHTS, 2, { 1 } }, { LAT_CAVEAT_RIGHTS, 2, { 1 } },
		{ LAT_CAVEAT_RIGHTS, 2, { 1 } }, { LAT_CAVEAT_RIGHTS, 2, { 1 } },
		{ LAT_CAVEAT_RIGHTS, 2, { 1 } }, { LAT_CAVEAT_RIGHTS, 2, { 1 } },
		{ LAT_CAVEAT_RIGHTS, 2, { 1 } },
	};
	const uint8_t *root = lat_kat_plain.cap.K_root, *desc = lat_kat_plain.cap.desc;
	struct lat_cap_desc d = { .rights = 3 };
	uint8_t k[LAT_CAP_KEY], was[LAT_CAP_KEY];

	CHECK_EQ(lat_cap_key_chain(k, root, desc, caveats, LAT_CAP_CAVEATS_MAX), 0);
	memcpy(was, k, sizeof(k));
	CHECK_EQ(lat_cap_key_chain(k, root, desc, caveats, LAT_CAP_CAVEATS_MAX + 1), -EACCES);
	CHECK_MEM(k, was, sizeof(k));
	CHECK_EQ(lat_cap_narrow(&d, many, LAT_CAP_CAVEATS_MAX + 1), -EACCES);
	CHECK_EQ(d.rights, 3);
	CHECK_EQ(lat_cap_narrow(&d, many, LAT_CAP_CAVEATS_MAX), 0);
	CHECK_EQ(d.rights, 1);
	CHECK_EQ(lat_cap_key_chain(k, root, desc, NULL, 0), 0);
	CHECK_MEM(k, lat_kat_plain.cap.k[0], sizeof(k));
	CHECK_EQ(lat_cap_narrow(&d, NULL, 0), 0);
}

TEST(narrowing)
{
	const struct {
		const char *why;
		struct lat_caveat c;
		int rc;
		struct lat_cap_desc from, to;
	} rows[] = {
		{ "rights are and-ed", caveat(1, 2, 6), 0, { .rights = 3 }, { .rights = 2 } },
		{ "rights are never added", caveat(1, 2, 0xffff), 0, { .rights = 3 }, { .rights = 3 } },
		{ "expiry where there was none", caveat(2, 8, 9), 0, { .not_after = 0 }, { .not_after = 9 } },
		{ "an earlier expiry", caveat(2, 8, 9), 0, { .not_after = 10 }, { .not_after = 9 } },
		{ "a later expiry", caveat(2, 8, 11), 0, { .not_after = 10 }, { .not_after = 10 } },
		{ "no expiry does not lift one",
		  caveat(2, 8, 0),
		  0,
		  { .not_after = 10 },
		  { .not_after = 10 } },
		{ "a smaller message", caveat(3, 4, 9), 0, { .max_msg = 10 }, { .max_msg = 9 } },
		{ "a larger message", caveat(3, 4, 11), 0, { .max_msg = 10 }, { .max_msg = 10 } },
		{ "no message at all", caveat(3, 4, 0), 0, { .max_msg = 10 }, { .max_msg = 0 } },
		{ "nothing is not lifted", caveat(3, 4, 11), 0, { .max_msg = 0 }, { .max_msg = 0 } },
		{ "a rate where there was none", caveat(4, 4, 9), 0, { .rate = 0 }, { .rate = 9 } },
		{ "a lower rate", caveat(4, 4, 9), 0, { .rate = 10 }, { .rate = 9 } },
		{ "a higher rate", caveat(4, 4, 11), 0, { .rate = 10 }, { .rate = 10 } },
		{ "no rate does not lift one", caveat(4, 4, 0), 0, { .rate = 10 }, { .rate = 10 } },
		{ "a pid where any was good", caveat(5, 4, 7), 0, { .src_pid = -1 }, { .src_pid = 7 } },
		{ "the same pid", caveat(5, 4, 7), 0, { .src_pid = 7 }, { .src_pid = 7 } },
		{ "another pid", caveat(5, 4, 8), -EACCES, { .src_pid = 7 }, { .src_pid = 7 } },
		{ "any pid does not lift one",
		  caveat(5, 4, 0xffffffff),
		  -EACCES,
		  { .src_pid = 7 },
		  { .src_pid = 7 } },
		{ "any pid is nobody",
		  caveat(5, 4, 0xffffffff),
		  -EACCES,
		  { .src_pid = -1 },
		  { .src_pid = -1 } },
		{ "bearer bound to a holder", holder(0), -EACCES, { .rights = 1 }, { .rights = 1 } },
		{ "a slot changes nothing", caveat(7, 8, 1), 0, { .rights = 1 }, { .rights = 1 } },
		{ "unknown type 0", caveat(0, 0, 0), -EACCES, { .rights = 1 }, { .rights = 1 } },
		{ "unknown type 8", caveat(8, 4, 0), -EACCES, { .rights = 1 }, { .rights = 1 } },
		{ "wrong size", caveat(1, 4, 0), -EACCES, { .rights = 1 }, { .rights = 1 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_cap_desc d = rows[i].from;
		uint8_t got[LAT_CAP_DESC], want[LAT_CAP_DESC];

		CHECK_EQ_ROW(rows[i].why, lat_cap_narrow(&d, &rows[i].c, 1), rows[i].rc);
		lat_cap_desc_encode(got, &d);
		lat_cap_desc_encode(want, &rows[i].to);
		CHECK_MEM_ROW(rows[i].why, got, want, sizeof(got));
	}
}

TEST(holders_bind_once)
{
	const struct lat_caveat same[] = { holder(7), holder(7) }, other[] = { holder(7), holder(8) };
	struct lat_cap_desc d = { .rights = 1 };
	uint8_t zeros[LAT_CAP_HOLDER] = { 0 };

	CHECK_EQ(lat_cap_narrow(&d, other, 2), -EACCES);
	CHECK_MEM(d.holder, zeros, sizeof(zeros)); /* the first caveat was not kept either */
	CHECK_EQ(lat_cap_narrow(&d, same, 2), 0);
	CHECK_MEM(d.holder, same[0].value, LAT_CAP_HOLDER);
	CHECK_EQ(lat_cap_narrow(&d, &other[1], 1), -EACCES);
	CHECK_EQ(lat_cap_narrow(&d, &(struct lat_caveat){ LAT_CAVEAT_HOLDER, 16, { 0 } }, 1), -EACCES);
	CHECK_MEM(d.holder, same[0].value, LAT_CAP_HOLDER);
}

TEST(opening_matches_the_known_answers)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];
		const uint8_t *k = kat->cap.k[kat->cap.k_count - 1];
		struct lat_chan_ctx ctx = { .src_pid = kat->cap.src_pid, .dst_pid = kat->cap.dst_pid };
		uint8_t proof[32], tk[32], bind[32];

		lat_cap_proof(proof, k, kat->sid, kat->cap.req, kat->cap.src_pid, kat->cap.dst_pid,
			      kat->cap.nonce_s);
		CHECK_MEM_ROW(kat->name, proof, kat->cap.open_proof, sizeof(proof));
		memcpy(ctx.nonce_s, kat->cap.nonce_s, 16);
		memcpy(ctx.nonce_r, kat->cap.nonce_r, 16);
		memcpy(ctx.id_sender, kat->fp_I, 16);
		memcpy(ctx.id_receiver, kat->fp_R, 16);
		lat_cap_channel_keys(tk, bind, k, &ctx);
		CHECK_MEM_ROW(kat->name, tk, kat->cap.tk, sizeof(tk));
		CHECK_MEM_ROW(kat->name, bind, kat->cap.bind, sizeof(bind));
	}
}

/* The other way: R sends, so ids, pids and nonces change places, and k comes from the session. */
TEST(grant_by_identity_matches_the_known_answers)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];
		struct lat_chan_ctx ctx = { .src_pid = kat->cap.dst_pid, .dst_pid = kat->cap.src_pid };
		uint8_t k[32], proof[32], tk[32], bind[32];

		lat_hkdf_expand(k, sizeof(k), kat->sess, &(struct lat_bytes){ "lwp1 grant", 10 }, 1);
		CHECK_MEM_ROW(kat->name, k, kat->grant.k, sizeof(k));
		memcpy(ctx.nonce_s, kat->cap.nonce_r, 16);
		memcpy(ctx.nonce_r, kat->cap.nonce_s, 16);
		memcpy(ctx.id_sender, kat->fp_R, 16);
		memcpy(ctx.id_receiver, kat->fp_I, 16);
		lat_cap_proof(proof, k, kat->sid, kat->grant.req, ctx.src_pid, ctx.dst_pid, ctx.nonce_s);
		CHECK_MEM_ROW(kat->name, proof, kat->grant.open_proof, sizeof(proof));
		lat_cap_channel_keys(tk, bind, k, &ctx);
		CHECK_MEM_ROW(kat->name, tk, kat->grant.tk, sizeof(tk));
		CHECK_MEM_ROW(kat->name, bind, kat->grant.bind, sizeof(bind));
	}
}

TEST(message_tokens_match_the_known_answers)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];

		for (size_t m = 0; m < kat->messages_count; m++) {
			uint32_t msg_len = (uint32_t)(8 + kat->messages[m].payload.len);
			uint8_t got[LAT_TOKEN], whole[32];

			lat_token_msg(got, kat->cap.tk, kat->messages[m].cflags, kat->messages[m].rights,
				      kat->messages[m].seq, msg_len, kat->messages[m].digest);
			CHECK_MEM_ROW(kat->name, got, kat->messages[m].token, sizeof(got));
			lat_hmac(whole, kat->cap.tk, &(struct lat_bytes){ kat->messages[m].token_input, 52 },
				 1);
			CHECK_MEM_ROW(kat->name, got, whole, sizeof(got));
		}
	}
}

TEST(run_tokens_match_the_known_answers)
{
	enum { TOKEN_FULL = 2, RIGHTS = 3 };

	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];

		for (size_t r = 0; r < kat->runs_count; r++) {
			struct lat_bytes bodies[2 * ARRAY_LEN(kat->runs[0].payloads)];
			uint8_t pids[8], digest[32] = { 0 }, got[LAT_TOKEN];
			size_t count = kat->runs[r].payloads_count;
			uint32_t total = 0;

			lat_put_le32(pids, (uint32_t)kat->cap.src_pid);
			lat_put_le32(pids + 4, (uint32_t)kat->cap.dst_pid);
			for (size_t p = 0; p < count; p++) {
				const struct lat_kat_bytes *payload = &kat->runs[r].payloads[p];

				bodies[2 * p] = (struct lat_bytes){ pids, sizeof(pids) };
				bodies[2 * p + 1] = (struct lat_bytes){ payload->data, payload->len };
				total += (uint32_t)(sizeof(pids) + payload->len);
			}
			if (kat->runs[r].cflags & TOKEN_FULL)
				lat_blake2b(digest, sizeof(digest), NULL, 0, bodies, 2 * count);
			lat_token_run(got, kat->cap.tk, kat->runs[r].cflags, RIGHTS, kat->runs[r].first_seq,
				      (uint16_t)count, total, digest);
			CHECK_MEM_ROW(kat->name, got, kat->runs[r].token, sizeof(got));
		}
	}
}

/* A token says all that it covers: one changed bit of any of it is another token. */
TEST(tokens_cover_every_field)
{
	const uint8_t *tk = lat_kat_plain.cap.tk;
	uint8_t digest[32] = { 0 }, other_digest[32] = { [31] = 1 }, other_tk[32], base[LAT_TOKEN],
		got[LAT_TOKEN];

	memcpy(other_tk, tk, sizeof(other_tk));
	other_tk[0] ^= 1;
	lat_token_msg(base, tk, 1, 3, 5, 21, digest);
	const struct {
		const char *why;
		const uint8_t *tk;
		uint8_t cflags;
		uint16_t rights;
		uint64_t seq;
		uint32_t msg_len;
		const uint8_t *digest;
	} rows[] = {
		{ "key", other_tk, 1, 3, 5, 21, digest },
		{ "flags", tk, 3, 3, 5, 21, digest },
		{ "rights", tk, 1, 2, 5, 21, digest },
		{ "rights, high byte", tk, 1, 0x103, 5, 21, digest },
		{ "sequence", tk, 1, 3, 6, 21, digest },
		{ "sequence, top byte", tk, 1, 3, 5 + (UINT64_C(1) << 56), 21, digest },
		{ "length", tk, 1, 3, 5, 22, digest },
		{ "digest", tk, 1, 3, 5, 21, other_digest },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		lat_token_msg(got, rows[i].tk, rows[i].cflags, rows[i].rights, rows[i].seq, rows[i].msg_len,
			      rows[i].digest);
		CHECK_ROW(rows[i].why, memcmp(got, base, sizeof(got)) != 0);
	}
	lat_token_run(got, tk, 1, 3, 5, 2, 21, digest);
	CHECK(memcmp(got, base, sizeof(got)) != 0);
	lat_token_run(base, tk, 1, 3, 5, 3, 21, digest);
	CHECK(memcmp(got, base, sizeof(got)) != 0);
}

/* Bound to the session, the request, the pids, the nonce, and the direction. */
TEST(proofs_and_keys_cover_every_field)
{
	const struct lat_kat *kat = &lat_kat_plain;
	struct lat_chan_ctx ctx = { { 1 }, { 2 }, 3, 4, { 5 }, { 6 } },
			    swapped = { { 1 }, { 2 }, 3, 4, { 6 }, { 5 } };
	uint8_t base[32], got[32], tk[2][32], bind[2][32], sid[16], nonce[16] = { 9 };
	const uint8_t *k = kat->cap.k[1];

	memcpy(sid, kat->sid, sizeof(sid));
	lat_cap_proof(base, k, sid, 1, 5, 10, nonce);
	lat_cap_proof(got, k, sid, 2, 5, 10, nonce);
	CHECK(memcmp(got, base, 32) != 0);
	lat_cap_proof(got, k, sid, 1, 10, 5, nonce);
	CHECK(memcmp(got, base, 32) != 0);
	nonce[0] ^= 1;
	lat_cap_proof(got, k, sid, 1, 5, 10, nonce);
	CHECK(memcmp(got, base, 32) != 0);
	nonce[0] ^= 1;
	sid[15] ^= 1;
	lat_cap_proof(got, k, sid, 1, 5, 10, nonce);
	CHECK(memcmp(got, base, 32) != 0);

	lat_cap_channel_keys(tk[0], bind[0], k, &ctx);
	CHECK(memcmp(tk[0], bind[0], 32) != 0);
	lat_cap_channel_keys(tk[1], bind[1], k, &swapped);
	CHECK(memcmp(tk[0], tk[1], 32) != 0 && memcmp(bind[0], bind[1], 32) != 0);
}

TEST_MAIN

/* The handshake, the keys and the sealed messages against the known answers, bit by bit, from both sides. */
#include "session/handshake.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/test.h"
#include "session/keys.h"
#include "session/sendq.h"
#include "session/token.h"
#include "vectors/lwp1_kat.h"
#include "wire/frame.h"
#include "wire/message.h"

/* Both ends of the handshake that the known answers describe, with what they ended with. */
struct both {
	struct lat_hs_public pub_i, pub_r;
	struct lat_hs_initiator i;
	struct lat_hs_responder r;
	uint8_t m1[LAT_M1_LEN], m2[LAT_M2_LEN], m3[LAT_M3_LEN], m4[LAT_M4_LEN];
	uint8_t e_m[LAT_WIRE_EM];
	struct lat_hs_result res_i, res_r;
};

static void public_of(struct lat_hs_public *pub, const struct lat_kat *kat, const uint8_t seed[32])
{
	uint8_t pk[LAT_KEM_PK];

	CHECK_EQ_ROW(kat->name, lat_kem_keypair(pk, seed), 0);
	lat_hs_public_init(pub, pk, kat->mesh_key);
}

static void run(struct both *b, const struct lat_kat *kat)
{
	struct lat_hs_initiator_random rnd;
	struct lat_hs_params p1, p2, p3, seen;
	struct lat_kem_key key_i, key_r;
	uint8_t id[LAT_ID];

	memset(b, 0, sizeof(*b));
	CHECK_EQ(lat_crypto_init(), 0);
	CHECK_EQ(lat_kem_key_init(&key_i, kat->seed_I), 0);
	CHECK_EQ(lat_kem_key_init(&key_r, kat->seed_R), 0);
	public_of(&b->pub_i, kat, kat->seed_I);
	public_of(&b->pub_r, kat, kat->seed_R);
	memcpy(rnd.e_seed, kat->seed_E, sizeof(rnd.e_seed));
	memcpy(rnd.enc_seed, kat->eseed_ct_R, sizeof(rnd.enc_seed));
	CHECK_EQ(lat_hs_p1_decode(&p1, kat->p1), 0);
	CHECK_EQ(lat_hs_p23_decode(&p2, kat->p2), 0);
	CHECK_EQ(lat_hs_p23_decode(&p3, kat->p3), 0);

	CHECK_EQ_ROW(kat->name,
		     lat_hs_m1_make(&b->i, b->m1, b->e_m, &b->pub_i, &b->pub_r, kat->mesh_key, &p1,
				    kat->idx_I, &rnd),
		     0);
	CHECK_EQ_ROW(kat->name, lat_hs_mac1_check(&b->pub_r, b->m1), 0);
	CHECK_EQ_ROW(kat->name, lat_hs_m1_open(&b->r, b->m1, &b->pub_r, &key_r, kat->mesh_key, id, &seen), 0);
	CHECK_MEM_ROW(kat->name, id, kat->fp_I, LAT_ID);
	CHECK_EQ_ROW(kat->name, seen.node, p1.node);
	CHECK_EQ_ROW(kat->name,
		     lat_hs_m2_make(&b->r, b->m2, &b->pub_i, kat->psk, &p2, kat->idx_R, kat->salt_R,
				    kat->eseed_ct_I),
		     0);
	CHECK_EQ_ROW(kat->name, lat_hs_m2_open_m3_make(&b->i, b->m2, b->m3, b->e_m, &key_i, kat->psk, &p3),
		     0);
	CHECK_EQ_ROW(kat->name, b->i.idx_r, kat->idx_R);
	CHECK_EQ_ROW(kat->name,
		     lat_hs_m3_open_m4_make(&b->r, b->m3, b->m4, kat->p4, kat->eseed_ct_E, &b->res_r), 0);
	CHECK_EQ_ROW(kat->name, lat_hs_m4_open(&b->i, b->m4, &b->res_i), 0);
}

TEST(packets_match)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];
		uint8_t m1[LAT_M1_LEN];
		struct both b;

		run(&b, kat);
		CHECK_MEM_ROW(kat->name, b.pub_i.fp, kat->fp_I, LAT_FP);
		CHECK_MEM_ROW(kat->name, b.pub_r.fp, kat->fp_R, LAT_FP);
		CHECK_MEM_ROW(kat->name, b.m1, kat->M1, LAT_M1_LEN);
		CHECK_MEM_ROW(kat->name, b.m2, kat->M2, LAT_M2_LEN);
		CHECK_MEM_ROW(kat->name, b.m3, kat->M3, LAT_M3_LEN);
		CHECK_MEM_ROW(kat->name, b.m4, kat->M4, LAT_M4_LEN);

		memcpy(m1, b.m1, sizeof(m1));
		lat_hs_m1_set_mac2(m1, kat->cookie);
		CHECK_MEM_ROW(kat->name, m1 + LAT_M1_MAC2, kat->mac2_with_cookie, LAT_WIRE_MAC);
		CHECK_EQ_ROW(kat->name, lat_hs_mac2_check(m1, kat->cookie), 0);
		CHECK_EQ_ROW(kat->name, lat_hs_mac2_check(b.m1, kat->cookie), -EBADMSG);
	}
}

TEST(results_match)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];
		const struct lat_hs_result *res[2];
		uint8_t sess[LAT_HASH], stale[LAT_WIRE_STALE_TOKEN];
		struct both b;

		run(&b, kat);
		res[0] = &b.res_i;
		res[1] = &b.res_r;
		for (size_t side = 0; side < 2; side++) {
			CHECK_MEM_ROW(kat->name, res[side]->h, kat->h, LAT_HASH);
			CHECK_MEM_ROW(kat->name, res[side]->sess, kat->sess, LAT_HASH);
			CHECK_MEM_ROW(kat->name, res[side]->sid, kat->sid, LAT_SID);
		}
		/* ck itself is erased; it is what turns h into sess. */
		lat_hkdf_extract(sess, kat->h, kat->ck);
		CHECK_MEM_ROW(kat->name, sess, kat->sess, LAT_HASH);
		CHECK_MEM_ROW(kat->name, b.res_i.peer_stale_token, kat->p4, LAT_WIRE_P4);
		lat_hs_stale_token(stale, kat->seed_R, kat->idx_R);
		CHECK_MEM_ROW(kat->name, stale, kat->p4, LAT_WIRE_P4);
		CHECK_EQ_ROW(kat->name, b.res_i.peer.node, lat_get_le32(kat->p2 + 4));
		CHECK_EQ_ROW(kat->name, b.res_r.peer.node, lat_get_le32(kat->p3 + 4));
		CHECK_EQ_ROW(kat->name, b.res_r.peer.boot_id, lat_get_le64(kat->p3 + 8));
	}
}

TEST(secrets_of_a_finished_handshake_are_erased)
{
	static const uint8_t zero[sizeof(struct lat_hs_initiator)];
	struct both b;

	run(&b, &lat_kat_plain);
	CHECK_MEM(&b.i, zero, sizeof(b.i));
	CHECK_MEM(&b.r.sym, zero, sizeof(b.r.sym));
}

TEST(control_and_channel_keys_match)
{
	static const uint8_t zero[32];

	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];
		struct lat_chan_key key;
		uint8_t okm[48], grant[32];

		lat_chan_key_derive(&key, kat->sess, &(struct lat_chan_key_input){ .dir = 0, .bind = zero },
				    okm);
		CHECK_MEM_ROW(kat->name, okm, kat->control_key_dir0, 32);
		CHECK_MEM_ROW(kat->name, okm + 32, kat->control_prefix_dir0, 16);

		lat_chan_key_derive(&key, kat->sess,
				    &(struct lat_chan_key_input){ .dir = kat->chan.dir,
								  .chan = kat->chan.chan,
								  .src_pid = kat->cap.src_pid,
								  .dst_pid = kat->cap.dst_pid,
								  .bind = kat->cap.bind },
				    okm);
		CHECK_MEM_ROW(kat->name, okm, kat->chan.key, 32);
		CHECK_MEM_ROW(kat->name, okm + 32, kat->chan.prefix, 16);
		CHECK_MEM_ROW(kat->name, key.aead.subkey, kat->chan.subkey, 32);

		lat_grant_key(grant, kat->sess);
		CHECK_MEM_ROW(kat->name, grant, kat->grant.k, 32);
		lat_chan_key_derive(&key, kat->sess,
				    &(struct lat_chan_key_input){ .dir = 1,
								  .chan = 9,
								  .src_pid = kat->cap.dst_pid,
								  .dst_pid = kat->cap.src_pid,
								  .bind = kat->grant.bind },
				    okm);
		CHECK_MEM_ROW(kat->name, okm, kat->grant.key, 32);
		CHECK_MEM_ROW(kat->name, okm + 32, kat->grant.prefix, 16);
	}
}

static struct lat_chan_key chan_key(const struct lat_kat *kat)
{
	struct lat_chan_key key;

	lat_chan_key_derive(&key, kat->sess,
			    &(struct lat_chan_key_input){ .dir = kat->chan.dir,
							  .chan = kat->chan.chan,
							  .src_pid = kat->cap.src_pid,
							  .dst_pid = kat->cap.dst_pid,
							  .bind = kat->cap.bind },
			    NULL);
	return key;
}

/* Opens one known packet and gives its only frame. */
static void open_one(struct lat_frame *f, uint8_t *buf, const struct lat_kat *kat,
		     const struct lat_kat_bytes *packet, const struct lat_kat_bytes *plaintext,
		     uint64_t counter)
{
	struct lat_chan_key key = chan_key(kat);
	struct lat_data_hdr hdr;
	struct lat_frame_cursor cur;
	uint32_t node;

	memcpy(buf, packet->data, packet->len);
	CHECK_EQ_ROW(kat->name, lat_data_hdr_decode(&hdr, buf, packet->len), 0);
	CHECK_EQ_ROW(kat->name, hdr.chan, kat->chan.chan);
	CHECK_EQ_ROW(kat->name, hdr.idx, kat->idx_R);
	CHECK_EQ_ROW(kat->name, hdr.counter, counter);
	CHECK_EQ_ROW(kat->name, lat_data_open(&key, buf, packet->len, hdr.counter), (int64_t)plaintext->len);
	CHECK_MEM_ROW(kat->name, buf + LAT_DATA_HDR, plaintext->data, plaintext->len);
	CHECK_EQ_ROW(kat->name, lat_frame_cursor_init(&cur, &node, buf + LAT_DATA_HDR, plaintext->len), 0);
	CHECK_EQ_ROW(kat->name, node, lat_get_le32(kat->p1 + 4));
	CHECK_EQ_ROW(kat->name, lat_frame_next(&cur, f), 1);
	CHECK_EQ_ROW(kat->name, lat_frame_check(f, kat->chan.chan), 1);
	CHECK_EQ_ROW(kat->name, cur.pos == cur.end, true);
}

TEST(messages_open_and_their_tokens_hold)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];

		for (size_t k = 0; k < kat->messages_count; k++) {
			struct lat_token_key tkey = { .tk = kat->cap.tk,
						      .cflags = kat->messages[k].cflags,
						      .rights = kat->messages[k].rights };
			uint8_t buf[512], wrong[LAT_WIRE_TOKEN];
			struct lat_frame_msg m;
			struct lat_msg_body body;
			struct lat_frame f;

			open_one(&f, buf, kat, &kat->messages[k].packet, &kat->messages[k].plaintext,
				 kat->messages[k].counter);
			CHECK_EQ_ROW(kat->name, lat_frame_msg_decode(&m, &f), 0);
			CHECK_EQ_ROW(kat->name, m.seq, kat->messages[k].seq);
			CHECK_EQ_ROW(kat->name, m.len, m.msg_len);
			CHECK_MEM_ROW(kat->name, m.token, kat->messages[k].token, LAT_WIRE_TOKEN);
			CHECK_EQ_ROW(kat->name, lat_token_check_msg(&tkey, m.seq, m.data, m.len, m.token), 0);
			CHECK_EQ_ROW(kat->name, lat_token_check_msg(&tkey, m.seq + 1, m.data, m.len, m.token),
				     -EPERM);
			memcpy(wrong, m.token, sizeof(wrong));
			wrong[15] ^= 0x80;
			CHECK_EQ_ROW(kat->name, lat_token_check_msg(&tkey, m.seq, m.data, m.len, wrong),
				     -EPERM);
			CHECK_EQ_ROW(kat->name, lat_msg_body_decode(&body, m.data, m.len), 0);
			CHECK_EQ_ROW(kat->name, body.src_pid, kat->cap.src_pid);
			CHECK_EQ_ROW(kat->name, body.dst_pid, kat->cap.dst_pid);
			CHECK_EQ_ROW(kat->name, body.len, kat->messages[k].payload.len);
			CHECK_MEM_ROW(kat->name, body.payload, kat->messages[k].payload.data, body.len);
		}
	}
}

TEST(runs_open_and_their_tokens_hold)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];

		for (size_t k = 0; k < kat->runs_count; k++) {
			struct lat_token_key tkey = { .tk = kat->cap.tk,
						      .cflags = kat->runs[k].cflags,
						      .rights = kat->messages[0].rights };
			uint8_t buf[512];
			const uint8_t *body;
			struct lat_frame_msgs run_of;
			struct lat_frame f;
			size_t pos = 0, at = 0;
			uint16_t bytes;

			open_one(&f, buf, kat, &kat->runs[k].packet, &kat->runs[k].plaintext,
				 kat->runs[k].counter);
			CHECK_EQ_ROW(kat->name, lat_frame_msgs_decode(&run_of, &f), 0);
			CHECK_EQ_ROW(kat->name, run_of.first_seq, kat->runs[k].first_seq);
			CHECK_MEM_ROW(kat->name, run_of.token, kat->runs[k].token, LAT_WIRE_TOKEN);
			CHECK_EQ_ROW(kat->name, lat_token_check_run(&tkey, &run_of), 0);
			tkey.cflags ^= LAT_CFLAG_TOKEN_FULL;
			CHECK_EQ_ROW(kat->name, lat_token_check_run(&tkey, &run_of), -EPERM);
			while (lat_frame_msgs_next(&run_of, &pos, &body, &bytes) == 1) {
				const struct lat_kat_bytes *want = &kat->runs[k].payloads[at++];

				CHECK_EQ_ROW(kat->name, bytes, LAT_PIDS_LEN + want->len);
				CHECK_MEM_ROW(kat->name, body + LAT_PIDS_LEN, want->data, want->len);
			}
			CHECK_EQ_ROW(kat->name, at, kat->runs[k].payloads_count);
		}
	}
}

/* Our own frame writers and sealing give the known packets, from the payloads alone. */
TEST(messages_and_runs_seal_to_the_known_packets)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *kat = lat_kats[i];
		struct lat_chan_key key = chan_key(kat);

		for (size_t k = 0; k < kat->messages_count; k++) {
			struct lat_token_key tkey = { .tk = kat->cap.tk,
						      .cflags = kat->messages[k].cflags,
						      .rights = kat->messages[k].rights };
			uint8_t buf[512], body[128], token[LAT_WIRE_TOKEN];
			uint32_t len = (uint32_t)(LAT_PIDS_LEN + kat->messages[k].payload.len);
			struct lat_writer w;

			lat_msg_pids_encode(body, kat->cap.src_pid, kat->cap.dst_pid);
			memcpy(body + LAT_PIDS_LEN, kat->messages[k].payload.data,
			       kat->messages[k].payload.len);
			lat_token_of_msg(token, &tkey, kat->messages[k].seq, body, len);
			CHECK_EQ(lat_writer_init(&w, buf + LAT_DATA_HDR, sizeof(buf) - LAT_DATA_OVERHEAD,
						 lat_get_le32(kat->messages[k].plaintext.data)),
				 0);
			CHECK_EQ(lat_frame_msg_encode(&w,
						      &(struct lat_frame_msg){ .seq = kat->messages[k].seq,
									       .msg_len = len,
									       .len = len,
									       .token = token,
									       .data = body }),
				 0);
			CHECK_EQ_ROW(kat->name,
				     lat_data_seal(&key, buf, kat->chan.chan, kat->idx_R,
						   kat->messages[k].counter, w.len),
				     kat->messages[k].packet.len);
			CHECK_MEM_ROW(kat->name, buf, kat->messages[k].packet.data,
				      kat->messages[k].packet.len);
		}
		for (size_t k = 0; k < kat->runs_count; k++) {
			struct lat_token_key tkey = { .tk = kat->cap.tk,
						      .cflags = kat->runs[k].cflags,
						      .rights = kat->messages[0].rights };
			struct lat_bytes bodies[8];
			uint8_t buf[512], store[8][64], token[LAT_WIRE_TOKEN], *to;
			struct lat_msgs_builder b;
			struct lat_writer w;

			CHECK_EQ(lat_writer_init(&w, buf + LAT_DATA_HDR, sizeof(buf) - LAT_DATA_OVERHEAD,
						 lat_get_le32(kat->runs[k].plaintext.data)),
				 0);
			CHECK_EQ(lat_msgs_builder_init(&b, &w, 0, kat->runs[k].first_seq), 0);
			for (size_t n = 0; n < kat->runs[k].payloads_count; n++) {
				const struct lat_kat_bytes *p = &kat->runs[k].payloads[n];

				lat_msg_pids_encode(store[n], kat->cap.src_pid, kat->cap.dst_pid);
				memcpy(store[n] + LAT_PIDS_LEN, p->data, p->len);
				bodies[n] = (struct lat_bytes){ store[n], LAT_PIDS_LEN + p->len };
				CHECK_EQ(lat_msgs_builder_reserve(&b, bodies[n].bytes, &to), 0);
				memcpy(to, store[n], bodies[n].bytes);
			}
			lat_token_of_run(token, &tkey, kat->runs[k].first_seq, bodies,
					 (uint16_t)kat->runs[k].payloads_count);
			CHECK_EQ(lat_msgs_builder_finish(&b, token), 0);
			CHECK_EQ_ROW(kat->name,
				     lat_data_seal(&key, buf, kat->chan.chan, kat->idx_R,
						   kat->runs[k].counter, w.len),
				     kat->runs[k].packet.len);
			CHECK_MEM_ROW(kat->name, buf, kat->runs[k].packet.data, kat->runs[k].packet.len);
		}
	}
}

TEST_MAIN

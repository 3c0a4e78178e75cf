#include <errno.h>

#include "base/bytes.h"
#include "base/test.h"
#include "vectors/lwp1_kat.h"
#include "wire/message.h"
#include "wire/packet.h"
#include "wire/roundtrip.h"
#include "wire/test_bytes.h"

static const uint8_t token[LAT_WIRE_TOKEN] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* A MSG by its numbers, @len data bytes. */
static const struct {
	const char *why;
	uint8_t flags;
	uint64_t seq;
	uint32_t msg_len, frag_off, len;
	int want;
} msg_rows[] = {
	{ "whole", 0, 1, 100, 0, 100, 0 },
	{ "pids alone", 0, 1, 8, 0, 8, 0 },
	{ "shorter than the pids", 0, 1, 7, 0, 7, -EPROTO },
	{ "empty message", 0, 1, 0, 0, 0, -EPROTO },
	{ "seq 0", 0, 0, 100, 0, 100, -EPROTO },
	{ "greatest seq", 0, UINT64_MAX, 100, 0, 100, 0 },
	{ "all flags", 15, 1, 100, 0, 100, 0 },
	{ "unknown flag", 16, 1, 100, 0, 100, -EPROTO },
	{ "last unknown flag", 128, 1, 100, 0, 100, -EPROTO },
	{ "no data", 0, 1, 100, 0, 0, -EPROTO },
	{ "first fragment, one unit", 0, 1, 100, 0, 64, 0 },
	{ "first fragment, one byte less than a unit", 0, 1, 100, 0, 63, -EPROTO },
	{ "first fragment, one byte more", 0, 1, 100, 0, 65, -EPROTO },
	{ "one byte before the end", 0, 1, 100, 0, 99, -EPROTO },
	{ "one byte past the end", 0, 1, 100, 0, 101, -EPROTO },
	{ "a unit past the end", 0, 1, 100, 0, 128, -EPROTO },
	{ "last fragment", 0, 1, 100, 64, 36, 0 },
	{ "last fragment, short", 0, 1, 100, 64, 35, -EPROTO },
	{ "last fragment, long", 0, 1, 100, 64, 37, -EPROTO },
	{ "last fragment, a whole unit", 0, 1, 128, 64, 64, 0 },
	{ "last fragment of one byte", 0, 1, 65, 64, 1, 0 },
	{ "no data in a later one", 0, 1, 100, 64, 0, -EPROTO },
	{ "middle fragment", 0, 1, 1000, 64, 128, 0 },
	{ "off the grid by 1", 0, 1, 1000, 65, 64, -EPROTO },
	{ "off the grid by 63", 0, 1, 1000, 63, 64, -EPROTO },
	{ "begins at the end", 0, 1, 128, 128, 64, -EPROTO },
	{ "begins past the end", 0, 1, 128, 192, 64, -EPROTO },
	{ "longest message", 0, 1, 1U << 30, (1U << 30) - 64, 64, 0 },
	{ "longer than any", 0, 1, (1U << 30) + 1, 0, 64, -EPROTO },
	{ "greatest numbers", 0, 1, UINT32_MAX, UINT32_MAX - 63, 63, -EPROTO },
};

static uint8_t *msg_body(size_t i, size_t *len)
{
	bool first = msg_rows[i].frag_off == 0;
	size_t hdr = first ? LAT_MSG_HDR_FIRST : LAT_MSG_HDR_LATER;
	uint8_t *b = malloc(hdr + msg_rows[i].len);

	CHECK(b != NULL);
	lat_put_le64(b, msg_rows[i].seq);
	lat_put_le32(b + 8, msg_rows[i].msg_len);
	lat_put_le32(b + 12, msg_rows[i].frag_off);
	if (first)
		memcpy(b + 16, token, sizeof(token));
	for (size_t j = 0; j < msg_rows[i].len; j++)
		b[hdr + j] = (uint8_t)j;
	*len = hdr + msg_rows[i].len;
	return b;
}

TEST(msg)
{
	for (size_t i = 0; i < ARRAY_LEN(msg_rows); i++) {
		const char *why = msg_rows[i].why;
		size_t len;
		uint8_t *b = msg_body(i, &len);
		uint8_t out[2048];
		struct lat_frame f = {
			.type = LAT_FRAME_MSG, .flags = msg_rows[i].flags, .len = (uint16_t)len, .body = b
		};
		struct lat_frame_msg m = { .seq = 77 };
		struct lat_writer w = { .buf = out, .cap = sizeof(out) };

		CHECK_EQ_ROW(why, lat_frame_msg_decode(&m, &f), msg_rows[i].want);
		if (msg_rows[i].want < 0) {
			CHECK_EQ_ROW(why, m.seq, 77);
			m = (struct lat_frame_msg){ .flags = msg_rows[i].flags,
						    .seq = msg_rows[i].seq,
						    .msg_len = msg_rows[i].msg_len,
						    .frag_off = msg_rows[i].frag_off,
						    .len = msg_rows[i].len,
						    .token = token,
						    .data = b };
			CHECK_EQ_ROW(why, lat_frame_msg_encode(&w, &m), -EINVAL);
			CHECK_EQ_ROW(why, w.len, 0);
		} else {
			CHECK_EQ_ROW(why, m.flags, msg_rows[i].flags);
			CHECK_EQ_ROW(why, m.seq, msg_rows[i].seq);
			CHECK_EQ_ROW(why, m.msg_len, msg_rows[i].msg_len);
			CHECK_EQ_ROW(why, m.frag_off, msg_rows[i].frag_off);
			CHECK_EQ_ROW(why, m.len, msg_rows[i].len);
			CHECK_EQ_ROW(why, m.token != NULL, m.frag_off == 0);
			CHECK_EQ_ROW(why, m.data[m.len - 1], (uint8_t)(m.len - 1));
			CHECK_EQ_ROW(why, lat_frame_msg_encode(&w, &m), 0);
			CHECK_EQ_ROW(why, w.len, 4 + len);
			CHECK_EQ_ROW(why, out[0], LAT_FRAME_MSG);
			CHECK_EQ_ROW(why, out[1], f.flags);
			CHECK_MEM_ROW(why, out + 4, b, len);
		}
		free(b);
	}
}

TEST(msg_cut_short)
{
	for (size_t i = 0; i < ARRAY_LEN(msg_rows); i++) {
		size_t whole, hdr = msg_rows[i].frag_off == 0 ? LAT_MSG_HDR_FIRST : LAT_MSG_HDR_LATER;
		uint8_t *b = msg_body(i, &whole);

		for (size_t len = 0; msg_rows[i].want == 0 && len < whole; len++) {
			uint8_t *cut = exact(b, len);
			struct lat_frame f = { .type = LAT_FRAME_MSG,
					       .flags = msg_rows[i].flags,
					       .len = (uint16_t)len,
					       .body = cut };
			struct lat_frame_msg m;
			bool on_grid = len > hdr && (len - hdr) % LAT_UNIT == 0;

			/* a shorter fragment is one too, when it ends on the grid */
			CHECK_EQ_ROW(msg_rows[i].why, lat_frame_msg_decode(&m, &f), on_grid ? 0 : -EPROTO);
			free(cut);
		}
		free(b);
	}
}

TEST(msg_needs_its_token)
{
	uint8_t out[256], data[8] = { 0 };
	struct lat_writer w = { .buf = out, .cap = sizeof(out) };
	struct lat_frame_msg m = { .seq = 1, .msg_len = 8, .len = 8, .data = data };

	CHECK_EQ(lat_frame_msg_encode(&w, &m), -EINVAL);
	CHECK_EQ(w.len, 0);
	m.token = token;
	CHECK_EQ(lat_frame_msg_encode(&w, &m), 0);
}

TEST(msg_no_room)
{
	uint8_t data[64] = { 0 };
	struct lat_frame_msg m = { .seq = 1, .msg_len = 64, .len = 64, .data = data, .token = token };

	for (size_t cap = 0; cap < 4 + 32 + 64; cap++) {
		uint8_t *out = calloc(1, cap), *before = calloc(1, cap);
		struct lat_writer w = { .buf = out, .cap = cap };

		CHECK_EQ(lat_frame_msg_encode(&w, &m), -EMSGSIZE);
		CHECK_EQ(w.len, 0);
		CHECK(cap == 0 || memcmp(out, before, cap) == 0);
		free(out);
		free(before);
	}
}

static const struct {
	const char *why;
	size_t room;
	uint32_t msg_len, frag_off, want;
} fit_rows[] = {
	{ "first fragment in a base datagram", LAT_UDP_BASE - LAT_DATA_OVERHEAD - 4, 1 << 20, 0, 1152 },
	{ "later fragment in a base datagram", LAT_UDP_BASE - LAT_DATA_OVERHEAD - 4, 1 << 20, 1152, 1152 },
	{ "header alone", 4 + 32, 100, 0, 0 },
	{ "less than the header", 3, 100, 0, 0 },
	{ "nothing", 0, 100, 0, 0 },
	{ "one byte short of a unit", 4 + 32 + 63, 100, 0, 0 },
	{ "a unit", 4 + 32 + 64, 100, 0, 64 },
	{ "one byte short of the whole", 4 + 32 + 99, 100, 0, 64 },
	{ "the whole", 4 + 32 + 100, 100, 0, 100 },
	{ "more than the whole", 4000, 100, 0, 100 },
	{ "the rest", 4 + 16 + 36, 100, 64, 36 },
	{ "one byte short of the rest", 4 + 16 + 35, 100, 64, 0 },
	{ "one byte", 4 + 16 + 1, 65, 64, 1 },
	{ "a frame has 16 bits of length", 1 << 20, 1 << 20, 0, 65472 },
	{ "and so for a later one", 1 << 20, 1 << 20, 64, 65472 },
};

TEST(msg_fit)
{
	for (size_t i = 0; i < ARRAY_LEN(fit_rows); i++) {
		uint32_t fit = lat_frame_msg_fit(fit_rows[i].room, fit_rows[i].msg_len, fit_rows[i].frag_off);
		uint8_t *out = malloc(fit_rows[i].room);
		struct lat_writer w = { .buf = out, .cap = fit_rows[i].room };
		struct lat_frame_msg m = { .seq = 1,
					   .msg_len = fit_rows[i].msg_len,
					   .frag_off = fit_rows[i].frag_off,
					   .len = fit,
					   .token = token };
		uint8_t *data;

		CHECK_EQ_ROW(fit_rows[i].why, fit, fit_rows[i].want);
		if (fit > 0)
			CHECK_EQ_ROW(fit_rows[i].why, lat_frame_msg_reserve(&w, &m, &data), 0);
		free(out);
	}
}

#define B8    "0800 0500000006000000 "
#define TOKEN "0102030405060708090a0b0c0d0e0f10 "
#define SEQ1  "0100000000000000 "

static const struct {
	const char *why;
	uint8_t flags;
	const char *hex;
	int want;
	uint16_t count;
	uint32_t total;
} msgs_rows[] = {
	{ "two", 0, SEQ1 "0200 0000" TOKEN B8 B8, 0, 2, 16 },
	{ "three of different lengths", 0,
	  SEQ1 "0300 0000" TOKEN "0a00 0500000006000000aabb" B8 "0900 050000000600000077", 0, 3, 27 },
	{ "one", 0, SEQ1 "0100 0000" TOKEN B8, -EPROTO, 0, 0 },
	{ "none", 0, SEQ1 "0000 0000" TOKEN, -EPROTO, 0, 0 },
	{ "two said, one there", 0, SEQ1 "0200 0000" TOKEN B8, -EPROTO, 0, 0 },
	{ "two said, three there", 0, SEQ1 "0200 0000" TOKEN B8 B8 B8, -EPROTO, 0, 0 },
	{ "a byte left over", 0, SEQ1 "0200 0000" TOKEN B8 B8 "00", -EPROTO, 0, 0 },
	{ "a length left over", 0, SEQ1 "0200 0000" TOKEN B8 B8 "0000", -EPROTO, 0, 0 },
	{ "half a length", 0, SEQ1 "0200 0000" TOKEN B8 "08", -EPROTO, 0, 0 },
	{ "a body of 7", 0, SEQ1 "0200 0000" TOKEN B8 "0700 05000000060000", -EPROTO, 0, 0 },
	{ "a body of 0", 0, SEQ1 "0200 0000" TOKEN B8 "0000", -EPROTO, 0, 0 },
	{ "a body past the frame", 0, SEQ1 "0200 0000" TOKEN B8 "0900 0500000006000000", -EPROTO, 0, 0 },
	{ "a body far past the frame", 0, SEQ1 "0200 0000" TOKEN B8 "ffff 0500000006000000", -EPROTO, 0, 0 },
	{ "zero field", 0, SEQ1 "0200 0100" TOKEN B8 B8, -EPROTO, 0, 0 },
	{ "zero field, high byte", 0, SEQ1 "0200 0001" TOKEN B8 B8, -EPROTO, 0, 0 },
	{ "first_seq 0", 0, "0000000000000000 0200 0000" TOKEN B8 B8, -EPROTO, 0, 0 },
	{ "last seqs there are", 0, "feffffffffffffff 0200 0000" TOKEN B8 B8, 0, 2, 16 },
	{ "past the last seq", 0, "ffffffffffffffff 0200 0000" TOKEN B8 B8, -EPROTO, 0, 0 },
	{ "all flags", 7, SEQ1 "0200 0000" TOKEN B8 B8, 0, 2, 16 },
	{ "CAPS is for MSG only", 8, SEQ1 "0200 0000" TOKEN B8 B8, -EPROTO, 0, 0 },
	{ "unknown flag", 16, SEQ1 "0200 0000" TOKEN B8 B8, -EPROTO, 0, 0 },
};

TEST(msgs)
{
	for (size_t i = 0; i < ARRAY_LEN(msgs_rows); i++) {
		const char *why = msgs_rows[i].why;
		uint8_t bytes[256], out[256];
		size_t len = hex_bytes(bytes, sizeof(bytes), msgs_rows[i].hex), pos = 0;
		uint8_t *b = exact(bytes, len);
		struct lat_frame f = {
			.type = LAT_FRAME_MSGS, .flags = msgs_rows[i].flags, .len = (uint16_t)len, .body = b
		};
		struct lat_frame_msgs m = { .first_seq = 77 };
		struct lat_writer w = { .buf = out, .cap = sizeof(out) };
		const uint8_t *body;
		uint16_t body_len, count = 0;
		uint32_t total = 0;

		CHECK_EQ_ROW(why, lat_frame_msgs_decode(&m, &f), msgs_rows[i].want);
		CHECK_EQ_ROW(why, roundtrip_frame(&w, &f), msgs_rows[i].want);
		if (msgs_rows[i].want < 0) {
			CHECK_EQ_ROW(why, m.first_seq, 77);
			CHECK_EQ_ROW(why, w.len, 0);
		} else {
			CHECK_EQ_ROW(why, m.count, msgs_rows[i].count);
			CHECK_EQ_ROW(why, m.total, msgs_rows[i].total);
			CHECK_MEM_ROW(why, m.token, token, sizeof(token));
			while (lat_frame_msgs_next(&m, &pos, &body, &body_len) == 1) {
				CHECK_EQ_ROW(why, lat_get_le32(body), 5);
				count++;
				total += body_len;
			}
			CHECK_EQ_ROW(why, count, m.count);
			CHECK_EQ_ROW(why, total, m.total);
			CHECK_EQ_ROW(why, w.len, 4 + len);
			CHECK_EQ_ROW(why, out[1], f.flags);
			CHECK_MEM_ROW(why, out + 4, b, len);
		}
		free(b);
	}
}

TEST(msgs_cut_short)
{
	for (size_t i = 0; i < ARRAY_LEN(msgs_rows); i++) {
		uint8_t bytes[256];
		size_t whole = hex_bytes(bytes, sizeof(bytes), msgs_rows[i].hex);

		for (size_t len = 0; len < whole; len++) {
			uint8_t *cut = exact(bytes, len);
			struct lat_frame f = { .type = LAT_FRAME_MSGS, .len = (uint16_t)len, .body = cut };
			struct lat_frame_msgs m;
			int rc = lat_frame_msgs_decode(&m, &f);

			if (msgs_rows[i].want == 0)
				CHECK_EQ_ROW(msgs_rows[i].why, rc, -EPROTO);
			free(cut);
		}
	}
}

TEST(builder_fills_a_writer)
{
	/* local_node, then room for a MSGS of exactly two bodies of 8 */
	enum { CAP = 4 + 4 + LAT_MSGS_HDR + 2 * (2 + 8) };
	uint8_t out[CAP];
	struct lat_writer w;
	struct lat_msgs_builder b;
	uint8_t *body;

	CHECK_EQ(lat_writer_init(&w, out, sizeof(out), 1), 0);
	CHECK_EQ(lat_msgs_builder_init(&b, &w, 0, 0), -EINVAL);
	CHECK_EQ(lat_msgs_builder_init(&b, &w, LAT_MSG_CAPS, 1), -EINVAL);
	CHECK_EQ(w.len, 4);
	CHECK_EQ(lat_msgs_builder_init(&b, &w, 0, 1), 0);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 7, &body), -EINVAL);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 8, &body), 0);
	memset(body, 1, 8);
	CHECK_EQ(lat_msgs_builder_finish(&b, token), -EINVAL);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 9, &body), -EMSGSIZE);
	CHECK_EQ(lat_msgs_builder_reserve(&b, SIZE_MAX, &body), -EMSGSIZE);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 8, &body), 0);
	memset(body, 2, 8);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 8, &body), -EMSGSIZE);
	CHECK_EQ(b.count, 2);
	CHECK_EQ(b.total, 16);
	CHECK_EQ(lat_msgs_builder_finish(&b, token), 0);
	CHECK_EQ(w.len, CAP);
	lat_msgs_builder_cancel(&b);
	CHECK_EQ(w.len, 4);
	w.cap = 4 + 4 + LAT_MSGS_HDR - 1;
	CHECK_EQ(lat_msgs_builder_init(&b, &w, 0, 1), -EMSGSIZE);
	CHECK_EQ(w.len, 4);
}

TEST(builder_ends_at_the_last_seq_and_at_16_bits)
{
	size_t cap = 1 << 17;
	uint8_t *out = malloc(cap), *body;
	struct lat_writer w = { .buf = out, .cap = cap };
	struct lat_msgs_builder b;
	struct lat_frame_msgs m;
	struct lat_frame f;

	CHECK(out != NULL);
	CHECK_EQ(lat_msgs_builder_init(&b, &w, 0, UINT64_MAX - 1), 0);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 8, &body), 0);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 8, &body), 0);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 8, &body), -EINVAL);
	lat_msgs_builder_cancel(&b);

	CHECK_EQ(lat_msgs_builder_init(&b, &w, 0, 1), 0);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 60000, &body), 0);
	memset(body, 1, 60000);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 65535 - LAT_MSGS_HDR - 2 - 60000 - 2 + 1, &body), -EMSGSIZE);
	CHECK_EQ(lat_msgs_builder_reserve(&b, 65535 - LAT_MSGS_HDR - 2 - 60000 - 2, &body), 0);
	memset(body, 2, 65535 - LAT_MSGS_HDR - 2 - 60000 - 2);
	CHECK_EQ(lat_msgs_builder_finish(&b, token), 0);
	CHECK_EQ(w.len, 4 + 65535);
	f = (struct lat_frame){ .type = LAT_FRAME_MSGS, .len = 65535, .body = out + 4 };
	CHECK_EQ(lat_frame_msgs_decode(&m, &f), 0);
	free(out);
}

TEST(body_of_a_message)
{
	uint8_t bytes[LAT_PIDS_LEN + 3], want[LAT_PIDS_LEN];
	struct lat_msg_body out = { .len = 77 };

	(void)hex_bytes(want, sizeof(want), "05000000 feffffff");
	lat_msg_pids_encode(bytes, 5, -2);
	CHECK_MEM(bytes, want, sizeof(want));
	for (size_t len = 0; len < LAT_PIDS_LEN; len++) {
		uint8_t *cut = exact(bytes, len);

		CHECK_EQ(lat_msg_body_decode(&out, cut, len), -EPROTO);
		CHECK_EQ(out.len, 77);
		free(cut);
	}
	CHECK_EQ(lat_msg_body_decode(&out, bytes, LAT_PIDS_LEN), 0);
	CHECK_EQ(out.len, 0);
	CHECK_EQ(lat_msg_body_decode(&out, bytes, sizeof(bytes)), 0);
	CHECK_EQ(out.src_pid, 5);
	CHECK_EQ(out.dst_pid, -2);
	CHECK_EQ(out.len, 3);
	CHECK(out.payload == bytes + 8);
}

TEST(head_of_a_call)
{
	struct lat_msg_call in = { .call_id = 0x0807060504030201, .deadline_us = 0x0c0b0a09, .prio = 13 },
			    out;
	uint8_t bytes[LAT_CALL_LEN], want[LAT_CALL_LEN];

	(void)hex_bytes(want, sizeof(want), "0102030405060708090a0b0c0d000000");
	lat_msg_call_encode(bytes, &in);
	CHECK_MEM(bytes, want, sizeof(want));
	CHECK_EQ(lat_msg_call_decode(&out, bytes, sizeof(bytes)), 0);
	CHECK_EQ(out.call_id, in.call_id);
	CHECK_EQ(out.deadline_us, in.deadline_us);
	CHECK_EQ(out.prio, in.prio);
	for (size_t len = 0; len < LAT_CALL_LEN; len++) {
		uint8_t *cut = exact(bytes, len);

		CHECK_EQ(lat_msg_call_decode(&out, cut, len), -EPROTO);
		free(cut);
	}
	for (size_t at = 13; at < LAT_CALL_LEN; at++) {
		bytes[at] = 1;
		CHECK_EQ(lat_msg_call_decode(&out, bytes, sizeof(bytes)), -EPROTO);
		bytes[at] = 0;
	}
}

/* Builds the plaintext that the known answers seal, and takes it apart again. */
TEST(known_answers_msg)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *k = lat_kats[i];

		for (size_t j = 0; j < k->messages_count; j++) {
			const struct lat_kat_bytes *want = &k->messages[j].plaintext;
			const struct lat_kat_bytes *payload = &k->messages[j].payload;
			uint8_t out[256], *data;
			struct lat_writer w;
			struct lat_frame_cursor c;
			struct lat_frame f;
			struct lat_frame_msg m = { .seq = k->messages[j].seq,
						   .msg_len = (uint32_t)(LAT_PIDS_LEN + payload->len),
						   .len = (uint32_t)(LAT_PIDS_LEN + payload->len),
						   .token = k->messages[j].token };
			struct lat_msg_body body;
			uint32_t node;

			CHECK_EQ_ROW(k->name, lat_writer_init(&w, out, sizeof(out), 5), 0);
			CHECK_EQ_ROW(k->name, lat_frame_msg_reserve(&w, &m, &data), 0);
			lat_msg_pids_encode(data, k->cap.src_pid, k->cap.dst_pid);
			memcpy(data + LAT_PIDS_LEN, payload->data, payload->len);
			CHECK_EQ_ROW(k->name, w.len, want->len);
			CHECK_MEM_ROW(k->name, out, want->data, want->len);

			CHECK_EQ_ROW(k->name, lat_frame_cursor_init(&c, &node, want->data, want->len), 0);
			CHECK_EQ_ROW(k->name, node, 5);
			CHECK_EQ_ROW(k->name, lat_frame_next(&c, &f), 1);
			CHECK_EQ_ROW(k->name, lat_frame_check(&f, k->chan.chan), 1);
			CHECK_EQ_ROW(k->name, lat_frame_msg_decode(&m, &f), 0);
			CHECK_EQ_ROW(k->name, m.seq, k->messages[j].seq);
			CHECK_MEM_ROW(k->name, m.token, k->messages[j].token, LAT_WIRE_TOKEN);
			CHECK_EQ_ROW(k->name, lat_msg_body_decode(&body, m.data, m.len), 0);
			CHECK_EQ_ROW(k->name, body.src_pid, k->cap.src_pid);
			CHECK_EQ_ROW(k->name, body.dst_pid, k->cap.dst_pid);
			CHECK_EQ_ROW(k->name, body.len, payload->len);
			CHECK_MEM_ROW(k->name, body.payload, payload->data, payload->len);
			CHECK_EQ_ROW(k->name, lat_frame_next(&c, &f), 0);
		}
	}
}

TEST(known_answers_msgs)
{
	for (size_t i = 0; i < ARRAY_LEN(lat_kats); i++) {
		const struct lat_kat *k = lat_kats[i];

		for (size_t j = 0; j < k->runs_count; j++) {
			const struct lat_kat_bytes *want = &k->runs[j].plaintext;
			uint8_t out[256], *room;
			struct lat_writer w;
			struct lat_msgs_builder b;
			struct lat_frame_cursor c;
			struct lat_frame f;
			struct lat_frame_msgs m;
			uint32_t node;

			CHECK_EQ_ROW(k->name, lat_writer_init(&w, out, sizeof(out), 5), 0);
			CHECK_EQ_ROW(k->name, lat_msgs_builder_init(&b, &w, 0, k->runs[j].first_seq), 0);
			for (size_t n = 0; n < k->runs[j].payloads_count; n++) {
				const struct lat_kat_bytes *p = &k->runs[j].payloads[n];

				CHECK_EQ_ROW(k->name,
					     lat_msgs_builder_reserve(&b, LAT_PIDS_LEN + p->len, &room), 0);
				lat_msg_pids_encode(room, k->cap.src_pid, k->cap.dst_pid);
				if (p->len > 0)
					memcpy(room + LAT_PIDS_LEN, p->data, p->len);
			}
			CHECK_EQ_ROW(k->name, b.total, lat_get_le32(k->runs[j].token_input + 18));
			CHECK_EQ_ROW(k->name, lat_msgs_builder_finish(&b, k->runs[j].token), 0);
			CHECK_EQ_ROW(k->name, w.len, want->len);
			CHECK_MEM_ROW(k->name, out, want->data, want->len);

			CHECK_EQ_ROW(k->name, lat_frame_cursor_init(&c, &node, want->data, want->len), 0);
			CHECK_EQ_ROW(k->name, lat_frame_next(&c, &f), 1);
			CHECK_EQ_ROW(k->name, lat_frame_msgs_decode(&m, &f), 0);
			CHECK_EQ_ROW(k->name, m.first_seq, k->runs[j].first_seq);
			CHECK_EQ_ROW(k->name, m.count, k->runs[j].payloads_count);
			CHECK_EQ_ROW(k->name, m.total, b.total);
		}
	}
}

TEST_MAIN

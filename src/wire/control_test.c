#include <errno.h>

#include "base/bytes.h"
#include "base/test.h"
#include "vectors/lwp1_kat.h"
#include "wire/control.h"
#include "wire/roundtrip.h"
#include "wire/test_bytes.h"

#define NONCE "000102030405060708090a0b0c0d0e0f "
#define Z16   "00000000000000000000000000000000 "
#define Z64   Z16 Z16 Z16 Z16
#define CAV   "010200000300000000000000000000000000000000000000 "
#define PROOF NONCE NONCE
/* req 7, pids 5 -> -6 */
#define OPEN "07000000 05000000 faffffff "

/* A body; it is taken and encodes to the same bytes, or it is refused with @want. */
static const struct {
	const char *why;
	uint8_t type;
	const char *hex;
	int want;
} rows[] = {
	{ "PING", LAT_FRAME_PING, "0102030405060708", 0 },
	{ "PONG", LAT_FRAME_PONG, "ffffffffffffffff 01000000 ffffffff", 0 },

	{ "ACK of one", LAT_FRAME_ACK, "0100 0000 05000000 0900000000000000 01000000", 0 },
	{ "ACK down to 0", LAT_FRAME_ACK, "0100 0000 05000000 0900000000000000 0a000000", 0 },
	{ "ACK below 0", LAT_FRAME_ACK, "0100 0000 05000000 0900000000000000 0b000000", -EPROTO },
	{ "ACK of none", LAT_FRAME_ACK, "0100 0000 05000000 0900000000000000 00000000", -EPROTO },
	{ "ACK of counter 0", LAT_FRAME_ACK, "0000 0000 00000000 0000000000000000 01000000", 0 },
	{ "ACK of the greatest counter and length", LAT_FRAME_ACK,
	  "0000 0000 ffffffff ffffffffffffffff ffffffff", 0 },
	{ "ACK of the greatest length below 0", LAT_FRAME_ACK, "0000 0000 00000000 fdffffff00000000 ffffffff",
	  -EPROTO },
	{ "ACK of the greatest length down to 0", LAT_FRAME_ACK,
	  "0000 0000 00000000 feffffff00000000 ffffffff", 0 },
	{ "ACK with a range", LAT_FRAME_ACK, "0100 0100 00000000 0900000000000000 05000000 01000000 02000000",
	  0 },
	{ "ACK, gap reaches to counter 0", LAT_FRAME_ACK,
	  "0100 0100 00000000 0900000000000000 05000000 04000000 01000000", 0 },
	{ "ACK, gap reaches below", LAT_FRAME_ACK,
	  "0100 0100 00000000 0900000000000000 05000000 05000000 01000000", -EPROTO },
	{ "ACK, gap far below", LAT_FRAME_ACK,
	  "0100 0100 00000000 0900000000000000 05000000 ffffffff 01000000", -EPROTO },
	{ "ACK, second range below 0", LAT_FRAME_ACK,
	  "0100 0100 00000000 0900000000000000 05000000 04000000 02000000", -EPROTO },
	{ "ACK, gap 0", LAT_FRAME_ACK, "0100 0100 00000000 0900000000000000 05000000 00000000 01000000",
	  -EPROTO },
	{ "ACK, empty range", LAT_FRAME_ACK, "0100 0100 00000000 0900000000000000 05000000 01000000 00000000",
	  -EPROTO },
	{ "ACK, range after counter 0", LAT_FRAME_ACK,
	  "0100 0100 00000000 0900000000000000 0a000000 01000000 01000000", -EPROTO },
	{ "ACK, n past the body", LAT_FRAME_ACK,
	  "0100 0200 00000000 0900000000000000 05000000 01000000 01000000", -EPROTO },

	{ "PARAMS", LAT_FRAME_PARAMS, NONCE "00100000 00000001", 0 },

	{ "CHAN_OPEN", LAT_FRAME_CHAN_OPEN, OPEN "0100 00 00 09000000 0000 0000" NONCE Z64 PROOF, 0 },
	{ "CHAN_OPEN with a caveat", LAT_FRAME_CHAN_OPEN,
	  OPEN "0100 01 00 09000000 0000 0000" NONCE Z64 CAV PROOF, 0 },
	{ "CHAN_OPEN with 8", LAT_FRAME_CHAN_OPEN,
	  OPEN "0100 08 00 09000000 0000 0000" NONCE Z64 CAV CAV CAV CAV CAV CAV CAV CAV PROOF, 0 },
	{ "CHAN_OPEN with 9", LAT_FRAME_CHAN_OPEN,
	  OPEN "0100 09 00 09000000 0000 0000" NONCE Z64 CAV CAV CAV CAV CAV CAV CAV CAV CAV PROOF, -EACCES },
	{ "CHAN_OPEN with 9 said and 8 there", LAT_FRAME_CHAN_OPEN,
	  OPEN "0100 09 00 09000000 0000 0000" NONCE Z64 CAV CAV CAV CAV CAV CAV CAV CAV PROOF, -EPROTO },
	{ "CHAN_OPEN with 1 said and none there", LAT_FRAME_CHAN_OPEN,
	  OPEN "0100 01 00 09000000 0000 0000" NONCE Z64 PROOF, -EPROTO },
	{ "CHAN_OPEN, one byte more", LAT_FRAME_CHAN_OPEN,
	  OPEN "0100 00 00 09000000 0000 0000" NONCE Z64 PROOF "00", -EPROTO },
	{ "CHAN_OPEN, first zero", LAT_FRAME_CHAN_OPEN, OPEN "0100 00 01 09000000 0000 0000" NONCE Z64 PROOF,
	  -EPROTO },
	{ "CHAN_OPEN, second zero", LAT_FRAME_CHAN_OPEN, OPEN "0100 00 00 09000000 0000 0100" NONCE Z64 PROOF,
	  -EPROTO },
	{ "CHAN_OPEN, second zero, high byte", LAT_FRAME_CHAN_OPEN,
	  OPEN "0100 00 00 09000000 0000 0001" NONCE Z64 PROOF, -EPROTO },
	{ "CHAN_OPEN, all cflags", LAT_FRAME_CHAN_OPEN, OPEN "0f00 00 00 00000000 0300 0000" NONCE Z64 PROOF,
	  0 },
	{ "CHAN_OPEN, unknown cflag", LAT_FRAME_CHAN_OPEN,
	  OPEN "1100 00 00 00000000 0000 0000" NONCE Z64 PROOF, -EACCES },
	{ "CHAN_OPEN, last unknown cflag", LAT_FRAME_CHAN_OPEN,
	  OPEN "0180 00 00 00000000 0000 0000" NONCE Z64 PROOF, -EACCES },
	{ "CHAN_OPEN, a way back without a number", LAT_FRAME_CHAN_OPEN,
	  OPEN "0900 00 00 00000000 0000 0000" NONCE Z64 PROOF, -EPROTO },
	{ "CHAN_OPEN, a number without a way back", LAT_FRAME_CHAN_OPEN,
	  OPEN "0100 00 00 00000000 0300 0000" NONCE Z64 PROOF, -EPROTO },

	{ "CHAN_ACK", LAT_FRAME_CHAN_ACK, "07000000 0300 0100 0008000000000000 0100000000000000" NONCE, 0 },
	{ "CHAN_ACK, last channel", LAT_FRAME_CHAN_ACK,
	  "07000000 ffff 0100 0008000000000000 0100000000000000" NONCE, 0 },
	{ "CHAN_ACK, control channel", LAT_FRAME_CHAN_ACK,
	  "07000000 0000 0100 0008000000000000 0100000000000000" NONCE, -EPROTO },

	{ "CHAN_NAK", LAT_FRAME_CHAN_NAK, "07000000 0200 0000", 0 },
	{ "CHAN_NAK, zero", LAT_FRAME_CHAN_NAK, "07000000 0200 0001", -EPROTO },

	{ "CREDIT", LAT_FRAME_CREDIT, "0300 0000 00000000 ffffffffffffffff", 0 },
	{ "CREDIT, control channel", LAT_FRAME_CREDIT, "0000 0000 00000000 0100000000000000", -EPROTO },
	{ "CREDIT, first zero", LAT_FRAME_CREDIT, "0300 0100 00000000 0100000000000000", -EPROTO },
	{ "CREDIT, last zero", LAT_FRAME_CREDIT, "0300 0000 00000001 0100000000000000", -EPROTO },

	{ "CHAN_CLOSE", LAT_FRAME_CHAN_CLOSE, "0300 0900 00000000 0102030405060708", 0 },
	{ "CHAN_CLOSE, control channel", LAT_FRAME_CHAN_CLOSE, "0000 0900 00000000 0102030405060708",
	  -EPROTO },
	{ "CHAN_CLOSE, first zero", LAT_FRAME_CHAN_CLOSE, "0300 0900 01000000 0102030405060708", -EPROTO },
	{ "CHAN_CLOSE, last zero", LAT_FRAME_CHAN_CLOSE, "0300 0900 00000001 0102030405060708", -EPROTO },

	{ "CHAN_RESET, yours", LAT_FRAME_CHAN_RESET, "0300 0400 00 000000 0102030405060708", 0 },
	{ "CHAN_RESET, mine", LAT_FRAME_CHAN_RESET, "0300 0400 01 000000 0102030405060708", 0 },
	{ "CHAN_RESET, nobody's", LAT_FRAME_CHAN_RESET, "0300 0400 02 000000 0102030405060708", -EPROTO },
	{ "CHAN_RESET, control channel", LAT_FRAME_CHAN_RESET, "0000 0400 01 000000 0102030405060708",
	  -EPROTO },
	{ "CHAN_RESET, first zero", LAT_FRAME_CHAN_RESET, "0300 0400 01 010000 0102030405060708", -EPROTO },
	{ "CHAN_RESET, last zero", LAT_FRAME_CHAN_RESET, "0300 0400 01 000001 0102030405060708", -EPROTO },

	{ "CLOSE", LAT_FRAME_CLOSE, "0a00 0000", 0 },
	{ "CLOSE, code of a later version", LAT_FRAME_CLOSE, "ffff 0000", 0 },
	{ "CLOSE, zero", LAT_FRAME_CLOSE, "0a00 0001", -EPROTO },

	{ "NET", LAT_FRAME_NET, "616263", 0 },
	{ "NET of nothing", LAT_FRAME_NET, "", 0 },
	{ "PAD", LAT_FRAME_PAD, "000000", 0 },

	{ "RESOLVE", LAT_FRAME_RESOLVE, "09000000 03 616263", 0 },
	{ "RESOLVE of nothing", LAT_FRAME_RESOLVE, "09000000 00", 0 },
	{ "RESOLVE, longest name", LAT_FRAME_RESOLVE, "09000000 40" PROOF PROOF, 0 },
	{ "RESOLVE, a name of 65", LAT_FRAME_RESOLVE, "09000000 41" PROOF PROOF "61", -EPROTO },
	{ "RESOLVE, name past the body", LAT_FRAME_RESOLVE, "09000000 04 616263", -EPROTO },
	{ "RESOLVED", LAT_FRAME_RESOLVED, "09000000 feffffff 0c00 0000", 0 },
	{ "RESOLVED, zero", LAT_FRAME_RESOLVED, "09000000 feffffff 0c00 0100", -EPROTO },

	{ "PROBE", LAT_FRAME_PROBE, "05000000 0102030405060708 10 000000 feffffff 07000000", 0 },
	{ "PROBE, 17 hops", LAT_FRAME_PROBE, "05000000 0102030405060708 11 000000 feffffff 07000000",
	  -EPROTO },
	{ "PROBE, first zero", LAT_FRAME_PROBE, "05000000 0102030405060708 10 010000 feffffff 07000000",
	  -EPROTO },
	{ "PROBE, last zero", LAT_FRAME_PROBE, "05000000 0102030405060708 10 000001 feffffff 07000000",
	  -EPROTO },
};

enum { ROOM = 1024 };

static int again(struct lat_writer *w, uint8_t type, const uint8_t *body, size_t len)
{
	struct lat_frame f = { .type = type, .flags = 0, .len = (uint16_t)len, .body = body };
	int rc = lat_frame_check(&f, 0);

	return rc == 1 ? roundtrip_frame(w, &f) : rc;
}

TEST(bytes_and_back)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t bytes[ROOM], out[ROOM];
		size_t len = hex_bytes(bytes, sizeof(bytes), rows[i].hex);
		uint8_t *body = exact(bytes, len);
		struct lat_writer w = { .buf = out, .cap = sizeof(out) };

		CHECK_EQ_ROW(rows[i].why, again(&w, rows[i].type, body, len), rows[i].want);
		CHECK_EQ_ROW(rows[i].why, w.len, rows[i].want == 0 ? 4 + len : 0);
		if (rows[i].want == 0) {
			CHECK_EQ_ROW(rows[i].why, out[0], rows[i].type);
			CHECK_EQ_ROW(rows[i].why, out[1], 0);
			CHECK_EQ_ROW(rows[i].why, lat_get_le16(out + 2), len);
			CHECK_MEM_ROW(rows[i].why, out + 4, body, len);
		}
		free(body);
	}
}

TEST(every_shorter_body_is_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t bytes[ROOM], out[ROOM];
		size_t whole = hex_bytes(bytes, sizeof(bytes), rows[i].hex);

		if (rows[i].want != 0 || rows[i].type == LAT_FRAME_NET || rows[i].type == LAT_FRAME_PAD)
			continue;
		for (size_t len = 0; len < whole; len++) {
			uint8_t *body = exact(bytes, len);
			struct lat_frame f = { .type = rows[i].type, .len = (uint16_t)len, .body = body };
			struct lat_writer w = { .buf = out, .cap = sizeof(out) };

			CHECK_EQ_ROW(rows[i].why, again(&w, rows[i].type, body, len), -EPROTO);
			/* decode refuses by itself too, without lat_frame_check() before it */
			CHECK_EQ_ROW(rows[i].why, roundtrip_frame(&w, &f), -EPROTO);
			free(body);
		}
	}
}

TEST(bytes_behind_a_body_are_ignored)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t bytes[ROOM], out[ROOM];
		size_t len = hex_bytes(bytes, sizeof(bytes), rows[i].hex);
		struct lat_writer w = { .buf = out, .cap = sizeof(out) };
		uint8_t *body;

		if (rows[i].want != 0 || !roundtrip_tail_ignored(rows[i].type))
			continue;
		memset(bytes + len, 0xee, 3);
		body = exact(bytes, len + 3);
		CHECK_EQ_ROW(rows[i].why, again(&w, rows[i].type, body, len + 3), 0);
		CHECK_EQ_ROW(rows[i].why, w.len, 4 + len);
		CHECK_MEM_ROW(rows[i].why, out + 4, body, len);
		free(body);
	}
}

TEST(any_changed_byte_is_kept_or_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t bytes[ROOM], out[ROOM];
		size_t len = hex_bytes(bytes, sizeof(bytes), rows[i].hex);

		if (rows[i].type == LAT_FRAME_PAD)
			continue;
		for (size_t bit = 0; bit < 8 * len; bit++) {
			struct lat_writer w = { .buf = out, .cap = sizeof(out) };
			uint8_t *body = exact(bytes, len);

			body[bit / 8] ^= (uint8_t)(1U << bit % 8);
			if (again(&w, rows[i].type, body, len) == 0) {
				CHECK_ROW(rows[i].why, w.len <= 4 + len);
				CHECK_MEM_ROW(rows[i].why, out + 4, body, w.len - 4);
			} else {
				CHECK_EQ_ROW(rows[i].why, w.len, 0);
			}
			free(body);
		}
	}
}

TEST(no_room_writes_nothing)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t bytes[ROOM];
		size_t len = hex_bytes(bytes, sizeof(bytes), rows[i].hex);

		if (rows[i].want != 0)
			continue;
		for (size_t room = 0; room < 4 + len; room++) {
			uint8_t *out = calloc(1, room + 2), *before = calloc(1, room + 2);
			struct lat_writer w = { .buf = out, .cap = room + 2, .len = 2 };

			CHECK(out != NULL && before != NULL);
			CHECK_EQ_ROW(rows[i].why, again(&w, rows[i].type, bytes, len), -EMSGSIZE);
			CHECK_EQ_ROW(rows[i].why, w.len, 2);
			CHECK_MEM_ROW(rows[i].why, out, before, room + 2);
			free(out);
			free(before);
		}
	}
}

/* The frame that row @why describes; bytes must outlive it. */
static struct lat_frame row_frame(const char *why, uint8_t bytes[static ROOM])
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].why, why) == 0)
			return (struct lat_frame){ .type = rows[i].type,
						   .len = (uint16_t)hex_bytes(bytes, ROOM, rows[i].hex),
						   .body = bytes };
	CHECK_STR(why, "a row");
	return (struct lat_frame){ 0 };
}

TEST(ack_fields)
{
	uint8_t bytes[ROOM];
	struct lat_frame f = row_frame("ACK with a range", bytes);
	struct lat_frame_ack a;

	CHECK_EQ(lat_frame_ack_decode(&a, &f), 0);
	CHECK_EQ(a.chan, 1);
	CHECK_EQ(a.count, 2);
	CHECK_EQ(a.delay_us, 0);
	CHECK_EQ(a.range[0].hi, 9);
	CHECK_EQ(a.range[0].lo, 5);
	CHECK_EQ(a.range[1].hi, 3);
	CHECK_EQ(a.range[1].lo, 2);
	f = row_frame("ACK of the greatest counter and length", bytes);
	CHECK_EQ(lat_frame_ack_decode(&a, &f), 0);
	CHECK_EQ(a.delay_us, UINT32_MAX);
	CHECK(a.range[0].hi == UINT64_MAX);
	CHECK(a.range[0].lo == UINT64_MAX - UINT32_MAX + 1);
}

TEST(ack_of_32_ranges)
{
	struct lat_frame_ack in = { .chan = 2, .count = LAT_MAX_RANGES }, out;
	uint8_t buf[ROOM];
	struct lat_writer w = { .buf = buf, .cap = sizeof(buf) };
	struct lat_frame f;

	for (size_t i = 0; i < LAT_MAX_RANGES; i++)
		in.range[i] = (struct lat_range){ .lo = 1000 - 10 * i, .hi = 1000 - 10 * i + i % 5 };
	CHECK_EQ(lat_frame_ack_encode(&w, &in), 0);
	CHECK_EQ(w.len, 4 + LAT_BODY_ACK + 31 * LAT_BODY_ACK_RANGE);
	f = (struct lat_frame){ .type = LAT_FRAME_ACK, .len = (uint16_t)(w.len - 4), .body = buf + 4 };
	CHECK_EQ(lat_frame_ack_decode(&out, &f), 0);
	CHECK_EQ(out.count, LAT_MAX_RANGES);
	CHECK_MEM(out.range, in.range, sizeof(in.range));

	/* one more, with its bytes there */
	lat_put_le16(buf + 4 + 2, LAT_MAX_RANGES);
	lat_put_le32(buf + w.len, 1);
	lat_put_le32(buf + w.len + 4, 1);
	f.len = (uint16_t)(f.len + LAT_BODY_ACK_RANGE);
	out.chan = 77;
	CHECK_EQ(lat_frame_ack_decode(&out, &f), -EPROTO);
	CHECK_EQ(out.chan, 77);
}

static const struct {
	const char *why;
	uint16_t count;
	struct lat_range range[2];
	int want;
} ack_rows[] = {
	{ "one", 1, { { 5, 5 } }, 0 },
	{ "none", 0, { { 5, 5 } }, -EINVAL },
	{ "33", LAT_MAX_RANGES + 1, { { 5, 5 } }, -EINVAL },
	{ "upside down", 1, { { 6, 5 } }, -EINVAL },
	{ "longest", 1, { { 1, UINT32_MAX } }, 0 },
	{ "longer than 32 bits", 1, { { 0, UINT32_MAX } }, -EINVAL },
	{ "all there is", 1, { { 0, UINT64_MAX } }, -EINVAL },
	{ "two, one counter apart", 2, { { 5, 6 }, { 3, 3 } }, 0 },
	{ "two that touch", 2, { { 5, 6 }, { 3, 4 } }, -EINVAL },
	{ "two that overlap", 2, { { 5, 6 }, { 3, 5 } }, -EINVAL },
	{ "rising", 2, { { 3, 3 }, { 5, 6 } }, -EINVAL },
	{ "longest gap", 2, { { UINT64_C(0x100000000), UINT64_C(0x100000000) }, { 0, 0 } }, 0 },
	{ "gap longer than 32 bits",
	  2,
	  { { UINT64_C(0x100000001), UINT64_C(0x100000001) }, { 0, 0 } },
	  -EINVAL },
	{ "second upside down", 2, { { 9, 9 }, { 7, 6 } }, -EINVAL },
};

TEST(ack_encode)
{
	for (size_t i = 0; i < ARRAY_LEN(ack_rows); i++) {
		struct lat_frame_ack in = { .count = ack_rows[i].count }, out;
		uint8_t buf[64];
		struct lat_writer w = { .buf = buf, .cap = sizeof(buf) };
		struct lat_frame f = { .type = LAT_FRAME_ACK, .body = buf + 4 };

		in.range[0] = ack_rows[i].range[0];
		in.range[1] = ack_rows[i].range[1];
		CHECK_EQ_ROW(ack_rows[i].why, lat_frame_ack_encode(&w, &in), ack_rows[i].want);
		if (ack_rows[i].want < 0) {
			CHECK_EQ_ROW(ack_rows[i].why, w.len, 0);
			continue;
		}
		f.len = (uint16_t)(w.len - 4);
		CHECK_EQ_ROW(ack_rows[i].why, lat_frame_ack_decode(&out, &f), 0);
		CHECK_EQ_ROW(ack_rows[i].why, out.count, in.count);
		CHECK_MEM_ROW(ack_rows[i].why, out.range, in.range, in.count * sizeof(in.range[0]));
	}
}

TEST(chan_open_fields)
{
	uint8_t bytes[ROOM], cav[LAT_WIRE_CAVEAT], nonce[LAT_WIRE_CHAN_NONCE], proof[LAT_WIRE_PROOF];
	uint8_t none[LAT_MAX_CAVEATS * LAT_WIRE_CAVEAT] = { 0 };
	struct lat_frame f = row_frame("CHAN_OPEN with a caveat", bytes);
	struct lat_frame_chan_open o;

	(void)hex_bytes(cav, sizeof(cav), CAV);
	(void)hex_bytes(nonce, sizeof(nonce), NONCE);
	(void)hex_bytes(proof, sizeof(proof), PROOF);
	CHECK_EQ(lat_frame_chan_open_decode(&o, &f), 0);
	CHECK_EQ(lat_frame_chan_open_req(&f), 7);
	CHECK_EQ(o.req, 7);
	CHECK_EQ(o.src_pid, 5);
	CHECK_EQ(o.dst_pid, -6);
	CHECK_EQ(o.cflags, LAT_CFLAG_RELIABLE);
	CHECK_EQ(o.ncav, 1);
	CHECK_EQ(o.rank, 9);
	CHECK_EQ(o.rev_chan, 0);
	CHECK_MEM(o.nonce_s, nonce, sizeof(nonce));
	CHECK_MEM(o.cav, cav, sizeof(cav));
	CHECK_MEM(o.cav + sizeof(cav), none, sizeof(none) - sizeof(cav));
	CHECK_MEM(o.proof, proof, sizeof(proof));

	f = row_frame("CHAN_OPEN with 9", bytes);
	o.req = 77;
	CHECK_EQ(lat_frame_chan_open_decode(&o, &f), -EACCES);
	CHECK_EQ(o.req, 77);
	CHECK_EQ(lat_frame_chan_open_req(&f), 7);
}

TEST(other_fields)
{
	uint8_t bytes[ROOM];
	struct lat_frame f;
	struct lat_frame_params params;
	struct lat_frame_chan_ack chan_ack;
	struct lat_frame_chan_nak nak;
	struct lat_frame_credit credit;
	struct lat_frame_chan_close chan_close;
	struct lat_frame_chan_reset reset;
	struct lat_frame_resolve resolve;
	struct lat_frame_resolved resolved;
	struct lat_frame_probe probe;
	struct lat_frame_pong pong;
	uint64_t token;
	uint16_t code;

	f = row_frame("PING", bytes);
	CHECK_EQ(lat_frame_ping_decode(&token, &f), 0);
	CHECK_EQ(token, 0x0807060504030201);
	f = row_frame("PONG", bytes);
	CHECK_EQ(lat_frame_pong_decode(&pong, &f), 0);
	CHECK_EQ(pong.token, UINT64_MAX);
	CHECK_EQ(pong.queue_ns, 1);
	CHECK_EQ(pong.crypto_ns, UINT32_MAX);
	f = row_frame("PARAMS", bytes);
	CHECK_EQ(lat_frame_params_decode(&params, &f), 0);
	CHECK_MEM(params.stale_token, bytes, 16);
	CHECK_EQ(params.max_chan, LAT_MAX_CHAN);
	CHECK_EQ(params.rcv_mem, LAT_REASM_PEER_BYTES);
	f = row_frame("CHAN_ACK", bytes);
	CHECK_EQ(lat_frame_chan_ack_decode(&chan_ack, &f), 0);
	CHECK_EQ(chan_ack.req, 7);
	CHECK_EQ(chan_ack.chan, 3);
	CHECK_EQ(chan_ack.cflags, LAT_CFLAG_RELIABLE);
	CHECK_EQ(chan_ack.credit, LAT_CREDIT_MIN_BYTES);
	CHECK_EQ(chan_ack.next_seq, 1);
	CHECK_MEM(chan_ack.nonce_r, bytes + 24, 16);
	f = row_frame("CHAN_NAK", bytes);
	CHECK_EQ(lat_frame_chan_nak_decode(&nak, &f), 0);
	CHECK_EQ(nak.req, 7);
	CHECK_EQ(nak.code, LAT_CODE_EACCES);
	f = row_frame("CREDIT", bytes);
	CHECK_EQ(lat_frame_credit_decode(&credit, &f), 0);
	CHECK_EQ(credit.chan, 3);
	CHECK(credit.limit == UINT64_MAX);
	f = row_frame("CHAN_CLOSE", bytes);
	CHECK_EQ(lat_frame_chan_close_decode(&chan_close, &f), 0);
	CHECK_EQ(chan_close.chan, 3);
	CHECK_EQ(chan_close.code, LAT_CODE_ECONNRESET);
	CHECK_EQ(chan_close.final_seq, 0x0807060504030201);
	f = row_frame("CHAN_RESET, mine", bytes);
	CHECK_EQ(lat_frame_chan_reset_decode(&reset, &f), 0);
	CHECK_EQ(reset.chan, 3);
	CHECK_EQ(reset.code, LAT_CODE_EREVOKED);
	CHECK_EQ(reset.side, 1);
	CHECK_EQ(reset.next_seq, 0x0807060504030201);
	f = row_frame("CLOSE", bytes);
	CHECK_EQ(lat_frame_close_decode(&code, &f), 0);
	CHECK_EQ(code, LAT_CODE_ESHUTDOWN);
	f = row_frame("RESOLVE", bytes);
	CHECK_EQ(lat_frame_resolve_decode(&resolve, &f), 0);
	CHECK_EQ(resolve.req, 9);
	CHECK_EQ(resolve.len, 3);
	CHECK_MEM(resolve.name, "abc", 3);
	f = row_frame("RESOLVED", bytes);
	CHECK_EQ(lat_frame_resolved_decode(&resolved, &f), 0);
	CHECK_EQ(resolved.req, 9);
	CHECK_EQ(resolved.pid, -2);
	CHECK_EQ(resolved.code, LAT_CODE_ECONNREFUSED);
	f = row_frame("PROBE", bytes);
	CHECK_EQ(lat_frame_probe_decode(&probe, &f), 0);
	CHECK_EQ(probe.initiator, 5);
	CHECK_EQ(probe.wait, 0x0807060504030201);
	CHECK_EQ(probe.hops, LAT_MAX_PROBE_HOPS);
	CHECK_EQ(probe.waiting, -2);
	CHECK_EQ(probe.blocked_on, 7);
}

TEST(encode_refuses_what_decode_would)
{
	uint8_t buf[ROOM];
	struct lat_writer w = { .buf = buf, .cap = sizeof(buf) };
	struct lat_frame_chan_open o = { .ncav = LAT_MAX_CAVEATS + 1 };

	CHECK_EQ(lat_frame_chan_open_encode(&w, &o), -EINVAL);
	o = (struct lat_frame_chan_open){ .cflags = 16 };
	CHECK_EQ(lat_frame_chan_open_encode(&w, &o), -EINVAL);
	o = (struct lat_frame_chan_open){ .cflags = LAT_CFLAG_REVERSE };
	CHECK_EQ(lat_frame_chan_open_encode(&w, &o), -EINVAL);
	o = (struct lat_frame_chan_open){ .rev_chan = 1 };
	CHECK_EQ(lat_frame_chan_open_encode(&w, &o), -EINVAL);
	CHECK_EQ(lat_frame_chan_ack_encode(&w, &(struct lat_frame_chan_ack){ 0 }), -EINVAL);
	CHECK_EQ(lat_frame_credit_encode(&w, &(struct lat_frame_credit){ 0 }), -EINVAL);
	CHECK_EQ(lat_frame_chan_close_encode(&w, &(struct lat_frame_chan_close){ 0 }), -EINVAL);
	CHECK_EQ(lat_frame_chan_reset_encode(&w, &(struct lat_frame_chan_reset){ 0 }), -EINVAL);
	CHECK_EQ(lat_frame_chan_reset_encode(&w, &(struct lat_frame_chan_reset){ .chan = 1, .side = 2 }),
		 -EINVAL);
	CHECK_EQ(lat_frame_resolve_encode(&w, &(struct lat_frame_resolve){ .len = 65 }), -EINVAL);
	CHECK_EQ(lat_frame_probe_encode(&w, &(struct lat_frame_probe){ .hops = 17 }), -EINVAL);
	CHECK_EQ(w.len, 0);
}

/* What an issuer and its caveat look like in a CHAN_OPEN: the known answers' descriptor, caveat and proof. */
TEST(known_answer_chan_open)
{
	const struct lat_kat *k = &lat_kat_plain;
	struct lat_frame_chan_open in = { .req = k->cap.req,
					  .src_pid = k->cap.src_pid,
					  .dst_pid = k->cap.dst_pid,
					  .cflags = LAT_CFLAG_RELIABLE,
					  .ncav = 1 },
				   out;
	uint8_t buf[ROOM];
	struct lat_writer w = { .buf = buf, .cap = sizeof(buf) };
	struct lat_frame f = { .type = LAT_FRAME_CHAN_OPEN, .body = buf + 4 };

	memcpy(in.nonce_s, k->cap.nonce_s, sizeof(in.nonce_s));
	memcpy(in.desc, k->cap.desc, sizeof(in.desc));
	memcpy(in.cav, k->cap.caveats, sizeof(k->cap.caveats));
	memcpy(in.proof, k->cap.open_proof, sizeof(in.proof));
	CHECK_EQ(lat_frame_chan_open_encode(&w, &in), 0);
	f.len = (uint16_t)(w.len - 4);
	CHECK_EQ(f.len, 136 + 24);
	CHECK_MEM(buf + 4 + 104, k->cap.caveats, 24);
	CHECK_MEM(buf + 4 + 128, k->cap.open_proof, 32);
	CHECK_EQ(lat_frame_chan_open_decode(&out, &f), 0);
	CHECK_MEM(out.desc, k->cap.desc, 64);
	CHECK_EQ(out.src_pid, k->cap.src_pid);
	CHECK_EQ(out.dst_pid, k->cap.dst_pid);
}

TEST_MAIN

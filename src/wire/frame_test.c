#include <errno.h>

#include "base/test.h"
#include "wire/frame.h"
#include "wire/test_bytes.h"

static const struct {
	const char *why, *hex; /* a plaintext */
	int start;
	int count; /* frames, then @end */
	int end;
} walk_rows[] = {
	{ "empty", "", -EPROTO, 0, 0 },
	{ "half a node", "010000", -EPROTO, 0, 0 },
	{ "node only: keepalive", "01000000", 0, 0, 0 },
	{ "one empty PAD", "01000000 00000000", 0, 1, 0 },
	{ "one byte of a header", "01000000 00", 0, 0, -EPROTO },
	{ "three bytes of a header", "01000000 000000", 0, 0, -EPROTO },
	{ "body of 2", "01000000 00000200 aabb", 0, 1, 0 },
	{ "body one byte short", "01000000 00000200 aa", 0, 0, -EPROTO },
	{ "body with no bytes", "01000000 00000100", 0, 0, -EPROTO },
	{ "length far past the end", "01000000 0000ffff aabb", 0, 0, -EPROTO },
	{ "two frames", "01000000 00000100 aa 7f010000", 0, 2, 0 },
	{ "a good one, then a bad one", "01000000 00000100 aa 7f010100", 0, 1, -EPROTO },
	{ "a good one, then a stray byte", "01000000 00000100 aa 7f", 0, 1, -EPROTO },
};

TEST(walk)
{
	for (size_t i = 0; i < ARRAY_LEN(walk_rows); i++) {
		const char *why = walk_rows[i].why;
		uint8_t bytes[64];
		size_t len = hex_bytes(bytes, sizeof(bytes), walk_rows[i].hex);
		uint8_t *plain = exact(bytes, len);
		struct lat_frame_cursor c = { 0 };
		struct lat_frame f;
		uint32_t node = 77;
		int count = 0, rc;

		rc = lat_frame_cursor_init(&c, &node, plain, len);
		CHECK_EQ_ROW(why, rc, walk_rows[i].start);
		CHECK_EQ_ROW(why, node, rc < 0 ? 77 : 1);
		if (rc == 0) {
			while ((rc = lat_frame_next(&c, &f)) == 1)
				count++;
			CHECK_EQ_ROW(why, count, walk_rows[i].count);
			CHECK_EQ_ROW(why, rc, walk_rows[i].end);
			CHECK_EQ_ROW(why, lat_frame_next(&c, &f), walk_rows[i].end); /* it stays so */
		}
		free(plain);
	}
}

TEST(fields)
{
	uint8_t plain[16];
	size_t len = hex_bytes(plain, sizeof(plain), "fefdfcfb 21090300 010203");
	struct lat_frame_cursor c;
	struct lat_frame f;
	uint32_t node;

	CHECK_EQ(lat_frame_cursor_init(&c, &node, plain, len), 0);
	CHECK_EQ(node, 0xfbfcfdfe);
	CHECK_EQ(lat_frame_next(&c, &f), 1);
	CHECK_EQ(f.type, LAT_FRAME_MSGS);
	CHECK_EQ(f.flags, 9);
	CHECK_EQ(f.len, 3);
	CHECK(f.body == plain + 8);
	CHECK_EQ(lat_frame_next(&c, &f), 0);
}

TEST(longest_body)
{
	size_t len = 4 + 4 + 65535;
	uint8_t *plain = malloc(len);
	struct lat_writer w;
	struct lat_frame_cursor c;
	struct lat_frame f;
	uint32_t node;
	uint8_t *body;

	CHECK(plain != NULL);
	CHECK_EQ(lat_writer_init(&w, plain, len, 3), 0);
	CHECK_EQ(lat_frame_reserve(&w, LAT_FRAME_NET, 0, 65536, &body), -EMSGSIZE);
	CHECK_EQ(lat_frame_reserve(&w, LAT_FRAME_NET, 0, SIZE_MAX, &body), -EMSGSIZE);
	CHECK_EQ(w.len, 4);
	CHECK_EQ(lat_frame_reserve(&w, LAT_FRAME_NET, 0, 65535, &body), 0);
	CHECK_EQ(lat_writer_room(&w), 0);
	memset(body, 1, 65535);
	CHECK_EQ(lat_frame_cursor_init(&c, &node, plain, len), 0);
	CHECK_EQ(lat_frame_next(&c, &f), 1);
	CHECK_EQ(f.len, 65535);
	CHECK_EQ(f.body[65534], 1);
	CHECK_EQ(lat_frame_next(&c, &f), 0);
	free(plain);
}

/* type, on chan 0, on chan 1 with a body that is long enough; the shortest body */
static const struct {
	const char *why;
	uint8_t type;
	int control, channel;
	uint16_t body_min;
	bool eliciting;
	enum lat_frame_resend resend;
} rule_rows[] = {
	{ "PAD", 0x00, 1, 1, 0, false, LAT_RESEND_NEVER },
	{ "PING", 0x01, 1, -EPROTO, 8, true, LAT_RESEND_NEVER },
	{ "PONG", 0x02, 1, -EPROTO, 16, false, LAT_RESEND_NEVER },
	{ "ACK", 0x03, 1, 1, 20, false, LAT_RESEND_NEVER },
	{ "PARAMS", 0x04, 1, -EPROTO, 24, true, LAT_RESEND_ALWAYS },
	{ "CHAN_OPEN", 0x05, 1, -EPROTO, 136, true, LAT_RESEND_ALWAYS },
	{ "CHAN_ACK", 0x06, 1, -EPROTO, 40, true, LAT_RESEND_ALWAYS },
	{ "CHAN_NAK", 0x07, 1, -EPROTO, 8, true, LAT_RESEND_ALWAYS },
	{ "CREDIT", 0x08, 1, 1, 16, true, LAT_RESEND_ALWAYS },
	{ "CHAN_CLOSE", 0x09, 1, -EPROTO, 16, true, LAT_RESEND_ALWAYS },
	{ "CHAN_RESET", 0x0a, 1, -EPROTO, 16, true, LAT_RESEND_ALWAYS },
	{ "CLOSE", 0x0d, 1, -EPROTO, 4, true, LAT_RESEND_ALWAYS },
	{ "NET", 0x0e, 1, -EPROTO, 0, true, LAT_RESEND_UNWRITTEN },
	{ "RESOLVE", 0x10, 1, -EPROTO, 5, true, LAT_RESEND_ALWAYS },
	{ "RESOLVED", 0x11, 1, -EPROTO, 12, true, LAT_RESEND_ALWAYS },
	{ "PROBE", 0x12, 1, -EPROTO, 24, true, LAT_RESEND_NEVER },
	{ "MSG", 0x20, -EPROTO, 1, 16, true, LAT_RESEND_RELIABLE },
	{ "MSGS", 0x21, -EPROTO, 1, 28, true, LAT_RESEND_RELIABLE },
};

TEST(rules)
{
	size_t known = 0;

	for (size_t i = 0; i < ARRAY_LEN(rule_rows); i++) {
		const struct lat_frame_rule *r = lat_frame_rule(rule_rows[i].type);
		struct lat_frame f = { .type = rule_rows[i].type, .len = rule_rows[i].body_min };
		const char *why = rule_rows[i].why;

		CHECK_ROW(why, r != NULL);
		CHECK_STR_ROW(why, r->name, why);
		CHECK_EQ_ROW(why, r->eliciting, rule_rows[i].eliciting);
		CHECK_EQ_ROW(why, r->resend, rule_rows[i].resend);
		CHECK_EQ_ROW(why, lat_frame_check(&f, 0), rule_rows[i].control);
		CHECK_EQ_ROW(why, lat_frame_check(&f, 1), rule_rows[i].channel);
		CHECK_EQ_ROW(why, lat_frame_check(&f, UINT16_MAX), rule_rows[i].channel);
		f.len = UINT16_MAX;
		CHECK_EQ_ROW(why, lat_frame_check(&f, 0), rule_rows[i].control);
		if (rule_rows[i].body_min > 0) {
			f.len = (uint16_t)(rule_rows[i].body_min - 1);
			CHECK_EQ_ROW(why, lat_frame_check(&f, 0), -EPROTO);
			CHECK_EQ_ROW(why, lat_frame_check(&f, 1), -EPROTO);
		}
	}
	for (unsigned type = 0; type < 256; type++)
		known += lat_frame_rule((uint8_t)type) != NULL;
	CHECK_EQ(known, ARRAY_LEN(rule_rows));
}

static const struct {
	const char *why;
	uint8_t type;
	int want;
} unknown_rows[] = {
	{ "reserved for a path challenge", 0x0b, -EPROTO },
	{ "reserved for its response", 0x0c, -EPROTO },
	{ "a hole in the table", 0x0f, -EPROTO },
	{ "a hole between control and messages", 0x13, -EPROTO },
	{ "past the table", 0x22, -EPROTO },
	{ "the last to be refused", 0x7f, -EPROTO },
	{ "the first to be skipped", 0x80, 0 },
	{ "a known type with the bit is not that type", 0x80 | LAT_FRAME_MSG, 0 },
	{ "the last to be skipped", 0xff, 0 },
};

TEST(unknown)
{
	for (size_t i = 0; i < ARRAY_LEN(unknown_rows); i++) {
		struct lat_frame f = { .type = unknown_rows[i].type };

		CHECK_EQ_ROW(unknown_rows[i].why, lat_frame_check(&f, 0), unknown_rows[i].want);
		CHECK_EQ_ROW(unknown_rows[i].why, lat_frame_check(&f, 1), unknown_rows[i].want);
	}
}

TEST(writer)
{
	uint8_t buf[16], want[16];
	struct lat_writer w = { .cap = 77 };
	size_t len;

	CHECK_EQ(lat_writer_init(&w, buf, 3, 1), -EMSGSIZE);
	CHECK_EQ(w.cap, 77);
	CHECK_EQ(lat_writer_init(&w, buf, sizeof(buf), 0x01020304), 0);
	CHECK_EQ(lat_frame_encode(&w, LAT_FRAME_NET, 5, "abc", 3), 0);
	CHECK_EQ(lat_frame_pad_encode(&w, 1), 0);
	len = hex_bytes(want, sizeof(want), "04030201 0e050300 616263 00000100 00");
	CHECK_EQ(w.len, len);
	CHECK_MEM(buf, want, len);
}

TEST(writer_full)
{
	for (size_t cap = 4; cap < 11; cap++) {
		uint8_t *buf = calloc(1, cap), *before = calloc(1, cap);
		struct lat_writer w;

		CHECK(buf != NULL && before != NULL);
		CHECK_EQ(lat_writer_init(&w, buf, cap, 0), 0);
		CHECK_EQ(lat_frame_encode(&w, 1, 1, "abc", 3), -EMSGSIZE);
		CHECK_EQ(lat_frame_pad_encode(&w, 3), -EMSGSIZE);
		CHECK_EQ(w.len, 4);
		CHECK_MEM(buf, before, cap);
		CHECK_EQ(lat_frame_encode(&w, 1, 1, NULL, 0), cap < 8 ? -EMSGSIZE : 0);
		free(buf);
		free(before);
	}
}

TEST_MAIN

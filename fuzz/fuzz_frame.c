/*
 * The plaintext of a DATA packet: input = chan u8 || plaintext.
 *
 * (1) Nothing outside the plaintext is read; every body lies inside it.
 * (2) The walk ends, and takes every byte unless it is refused.
 * (3) What decodes encodes to the same bytes, but for what is ignored: a tail, flags, a PAD's contents.
 * (4) An encoder that is one byte short of room writes nothing.
 * (5) Decoded values keep their promises: ACK ranges fall and lie apart, a fragment lies inside its message
 *     and on the grid, a run has its count of bodies.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "wire/control.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/roundtrip.h"

static void check_ack(const struct lat_frame *f)
{
	struct lat_frame_ack a;

	if (lat_frame_ack_decode(&a, f) < 0)
		return;
	FUZZ_REQUIRE(a.count >= 1 && a.count <= LAT_MAX_RANGES);
	for (size_t i = 0; i < a.count; i++) {
		FUZZ_REQUIRE(a.range[i].lo <= a.range[i].hi);
		FUZZ_REQUIRE(i == 0 || a.range[i].hi < a.range[i - 1].lo - 1);
	}
}

static void check_msg(const struct lat_frame *f)
{
	struct lat_frame_msg m;

	if (lat_frame_msg_decode(&m, f) < 0)
		return;
	FUZZ_REQUIRE(m.seq != 0 && m.len != 0 && m.msg_len <= LAT_MAX_MSG_HARD);
	FUZZ_REQUIRE(m.frag_off % LAT_UNIT == 0 && (uint64_t)m.frag_off + m.len <= m.msg_len);
	FUZZ_REQUIRE(m.len % LAT_UNIT == 0 || m.frag_off + m.len == m.msg_len);
	FUZZ_REQUIRE((m.frag_off == 0) == (m.token != NULL));
	FUZZ_REQUIRE(m.data >= f->body && m.data + m.len == f->body + f->len);
	FUZZ_REQUIRE(lat_frame_msg_fit((size_t)LAT_FRAME_HDR + f->len, m.msg_len, m.frag_off) == m.len);
}

static void check_msgs(const struct lat_frame *f)
{
	struct lat_frame_msgs m;
	const uint8_t *body;
	size_t pos = 0;
	uint32_t count = 0, total = 0;
	uint16_t len;
	int rc;

	if (lat_frame_msgs_decode(&m, f) < 0)
		return;
	while ((rc = lat_frame_msgs_next(&m, &pos, &body, &len)) == 1) {
		FUZZ_REQUIRE(len >= LAT_PIDS_LEN && body + len <= f->body + f->len);
		count++;
		total += len;
	}
	FUZZ_REQUIRE(rc == 0 && count == m.count && count >= 2 && total == m.total);
}

static void check_roundtrip(const struct lat_frame *f)
{
	size_t whole = LAT_FRAME_HDR + (size_t)f->len;
	uint8_t *out = malloc(whole);
	struct lat_writer w = { .buf = out, .cap = whole };

	if (out == NULL)
		return;
	if (roundtrip_frame(&w, f) == 0) {
		size_t again = w.len - LAT_FRAME_HDR;

		FUZZ_REQUIRE(out[LAT_FRAME_TYPE] == f->type);
		FUZZ_REQUIRE(w.len == whole || roundtrip_tail_ignored(f->type));
		if (f->type != LAT_FRAME_PAD && again > 0)
			FUZZ_REQUIRE(memcmp(out + LAT_FRAME_HDR, f->body, again) == 0);
		w = (struct lat_writer){ .buf = out, .cap = w.len - 1 };
		FUZZ_REQUIRE(roundtrip_frame(&w, f) == -EMSGSIZE && w.len == 0);
	} else {
		FUZZ_REQUIRE(w.len == 0);
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lat_frame_cursor c;
	struct lat_frame f;
	const uint8_t *at;
	uint32_t node;
	int rc;

	if (size < 1 || lat_frame_cursor_init(&c, &node, data + 1, size - 1) < 0)
		return 0;
	at = data + 1 + 4;
	while ((rc = lat_frame_next(&c, &f)) == 1) {
		FUZZ_REQUIRE(f.body == at + LAT_FRAME_HDR && f.body + f.len <= data + size);
		at = f.body + f.len;
		rc = lat_frame_check(&f, data[0]);
		if (rc < 0)
			return 0;
		if (rc == 0)
			continue;
		if (f.type == LAT_FRAME_ACK)
			check_ack(&f);
		else if (f.type == LAT_FRAME_MSG)
			check_msg(&f);
		else if (f.type == LAT_FRAME_MSGS)
			check_msgs(&f);
		check_roundtrip(&f);
	}
	FUZZ_REQUIRE(rc < 0 || at == data + size);
	return 0;
}

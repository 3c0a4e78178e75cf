#include "session/sendq.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/test.h"
#include "crypto/aead.h"
#include "vectors/lwp1_kat.h"
#include "wire/packet.h"

static const uint8_t tk[32] = "token key";
static const struct lat_token_key tkey = { .tk = tk, .cflags = 1, .rights = 3 };

static uint8_t data[1 << 16];

/* One packet of @room bytes of plaintext under construction. */
struct packet {
	uint8_t buf[70000];
	struct lat_writer w;
};

static void start(struct packet *p, size_t room)
{
	CHECK_EQ(lat_writer_init(&p->w, p->buf, room, 5), 0);
}

static void push(struct lat_sendq *q, size_t body_bytes)
{
	CHECK_EQ(lat_sendq_push(q, 77, data, body_bytes - 12, NULL), 0);
}

static int take(struct lat_sendq *q, struct packet *p, struct lat_sent_frame *ref)
{
	memset(ref, 0xee, sizeof(*ref));
	return lat_sendq_take(q, &tkey, &p->w, ref);
}

enum { BASE = LAT_UDP_BASE - LAT_DATA_OVERHEAD }; /* plaintext of a base datagram */

TEST(known_message_comes_out)
{
	/* The known payload "hello lattice", of which the first 4 bytes are the type. */
	const struct lat_kat *kat = &lat_kat_plain;
	const struct lat_kat_bytes *payload = &kat->messages[0].payload;
	const struct lat_token_key key = { .tk = kat->cap.tk,
					   .cflags = kat->messages[0].cflags,
					   .rights = kat->messages[0].rights };
	struct lat_sent_frame ref;
	static struct packet p;
	struct lat_sendq q;
	uint64_t seq;

	CHECK_EQ(lat_crypto_init(), 0);
	lat_sendq_init(&q, true, kat->cap.src_pid, kat->cap.dst_pid, 1 << 16);
	lat_sendq_credit(&q, 2048);
	CHECK_EQ(lat_sendq_push(&q, (int32_t)lat_get_le32(payload->data), payload->data + 4, payload->len - 4,
				&seq),
		 0);
	CHECK_EQ(seq, 1);
	start(&p, BASE);
	CHECK_EQ(lat_sendq_take(&q, &key, &p.w, &ref), 1);
	CHECK_EQ(p.w.len, kat->messages[0].plaintext.len);
	CHECK_MEM(p.buf, kat->messages[0].plaintext.data, p.w.len);
	CHECK_EQ(ref.kind, LAT_SENT_FRAGMENT);
	CHECK_EQ(ref.seq, 1);
	CHECK_EQ(ref.len, 21);
	lat_sendq_fini(&q);
}

static const struct {
	const char *why;
	size_t bodies[6]; /* lengths, pids and type included */
	uint64_t limit;
	size_t room;
	int want;
	enum lat_sent_kind kind;
	uint32_t len;   /* of a fragment */
	uint16_t count; /* of a run */
} firsts[] = {
	{ "one message", { 100 }, 2048, BASE, 1, LAT_SENT_FRAGMENT, 100, 0 },
	{ "two share a run", { 100, 50 }, 2048, BASE, 1, LAT_SENT_RUN, 0, 2 },
	{ "all that wait", { 20, 20, 20, 20, 20, 20 }, 2048, BASE, 1, LAT_SENT_RUN, 0, 6 },
	{ "a run ends at the limit", { 100, 100, 100 }, 299, BASE, 1, LAT_SENT_RUN, 0, 2 },
	{ "and reaches it", { 100, 100, 100 }, 300, BASE, 1, LAT_SENT_RUN, 0, 3 },
	{ "a run ends with the room", { 500, 500, 500 }, 9999, BASE, 1, LAT_SENT_RUN, 0, 2 },
	{ "no run of one", { 500, 900 }, 9999, BASE, 1, LAT_SENT_FRAGMENT, 500, 0 },
	{ "first fragment of a long one", { 5000 }, 9999, BASE, 1, LAT_SENT_FRAGMENT, 1152, 0 },
	{ "largest that is one fragment", { 1152 }, 9999, BASE, 1, LAT_SENT_FRAGMENT, 1152, 0 },
	{ "no credit", { 100 }, 0, BASE, 0, 0, 0, 0 },
	{ "less than a unit of credit", { 100 }, 63, BASE, 0, 0, 0, 0 },
	{ "a unit of credit", { 100 }, 64, BASE, 1, LAT_SENT_FRAGMENT, 64, 0 },
	{ "one short of the end", { 100 }, 99, BASE, 1, LAT_SENT_FRAGMENT, 64, 0 },
	{ "credit to the end", { 100 }, 100, BASE, 1, LAT_SENT_FRAGMENT, 100, 0 },
	{ "short message, little room", { 100 }, 2048, 4 + 4 + 32 + 100, 1, LAT_SENT_FRAGMENT, 100, 0 },
	{ "is not cut for one byte less", { 100 }, 2048, 4 + 4 + 32 + 99, 0, 0, 0, 0 },
	{ "a long one is cut", { 5000 }, 9999, 4 + 4 + 32 + 127, 1, LAT_SENT_FRAGMENT, 64, 0 },
	{ "but not for less than a unit", { 5000 }, 9999, 4 + 4 + 32 + 63, 0, 0, 0, 0 },
};

TEST(first_frame)
{
	CHECK_EQ(lat_crypto_init(), 0);
	for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
		struct lat_sent_frame ref;
		static struct packet p;
		struct lat_sendq q;

		lat_sendq_init(&q, true, 1, 2, 1 << 20);
		lat_sendq_credit(&q, firsts[i].limit);
		for (size_t k = 0; k < ARRAY_LEN(firsts[i].bodies) && firsts[i].bodies[k] != 0; k++)
			push(&q, firsts[i].bodies[k]);
		CHECK_EQ_ROW(firsts[i].why, lat_sendq_blocked(&q), firsts[i].limit < 64);
		start(&p, firsts[i].room);
		CHECK_EQ_ROW(firsts[i].why, take(&q, &p, &ref), firsts[i].want);
		if (firsts[i].want == 0) {
			CHECK_EQ_ROW(firsts[i].why, p.w.len, LAT_DATA_NODE_LEN);
		} else {
			CHECK_EQ_ROW(firsts[i].why, ref.kind, firsts[i].kind);
			CHECK_EQ_ROW(firsts[i].why, ref.seq, 1);
			if (ref.kind == LAT_SENT_FRAGMENT)
				CHECK_EQ_ROW(firsts[i].why, ref.len, firsts[i].len);
			else
				CHECK_EQ_ROW(firsts[i].why, ref.count, firsts[i].count);
		}
		lat_sendq_fini(&q);
	}
}

TEST(a_long_message_goes_in_fragments_and_is_freed_when_all_are_acknowledged)
{
	struct lat_sent_frame ref[8];
	static struct packet p;
	struct lat_sendq q;
	uint32_t off = 0;

	lat_sendq_init(&q, true, 1, 2, 1 << 20);
	lat_sendq_credit(&q, 1 << 20);
	push(&q, 4000);
	for (int i = 0; i < 4; i++) {
		start(&p, BASE);
		CHECK_EQ(take(&q, &p, &ref[i]), 1);
		CHECK_EQ(ref[i].off, off);
		off += ref[i].len;
	}
	CHECK_EQ(off, 4000);
	start(&p, BASE);
	CHECK_EQ(take(&q, &p, &ref[4]), 0);
	CHECK(!lat_sendq_ready(&q) && !lat_sendq_blocked(&q));
	CHECK_EQ(lat_sendq_unacked(&q), 1);

	lat_sendq_acked(&q, &ref[3]);
	lat_sendq_acked(&q, &ref[0]);
	lat_sendq_acked(&q, &ref[0]);
	lat_sendq_lost(&q, &ref[0]); /* acknowledged: nothing to send again */
	CHECK(!lat_sendq_ready(&q));
	lat_sendq_lost(&q, &ref[1]);
	lat_sendq_lost(&q, &ref[1]);
	start(&p, BASE);
	CHECK_EQ(take(&q, &p, &ref[4]), 1);
	CHECK_EQ(ref[4].off, ref[1].off);
	CHECK_EQ(ref[4].len, 1152);
	lat_sendq_acked(&q, &ref[1]); /* late, the first copy */
	CHECK_EQ(lat_sendq_unacked(&q), 1);
	CHECK_EQ(lat_sendq_acked_seq(&q), 0);
	lat_sendq_acked(&q, &ref[2]);
	CHECK_EQ(lat_sendq_unacked(&q), 0);
	CHECK_EQ(lat_sendq_acked_seq(&q), 1);
	CHECK_EQ(q.bytes_held, 0);
	lat_sendq_acked(&q, &ref[4]); /* of a message long gone */
	lat_sendq_lost(&q, &ref[4]);
	CHECK(!lat_sendq_ready(&q));
	lat_sendq_fini(&q);
}

TEST(requeue_sends_what_is_unacknowledged_again)
{
	struct lat_sent_frame run, ref;
	static struct packet p;
	struct lat_sendq q;

	lat_sendq_init(&q, true, 1, 2, 1 << 20);
	lat_sendq_credit(&q, 1 << 20);
	for (int i = 0; i < 4; i++)
		push(&q, 100);
	start(&p, BASE);
	CHECK_EQ(take(&q, &p, &run), 1);
	CHECK_EQ(run.count, 4);
	ref = (struct lat_sent_frame){ .kind = LAT_SENT_RUN, .seq = 2, .count = 1 };
	lat_sendq_acked(&q, &ref);
	CHECK_EQ(lat_sendq_unacked(&q), 3);
	CHECK_EQ(lat_sendq_acked_seq(&q), 0);
	lat_sendq_requeue(&q);
	start(&p, BASE);
	CHECK_EQ(take(&q, &p, &ref), 1); /* 1 alone, because 2 is gone */
	CHECK_EQ(ref.kind, LAT_SENT_FRAGMENT);
	CHECK_EQ(ref.seq, 1);
	CHECK_EQ(take(&q, &p, &ref), 1);
	CHECK_EQ(ref.kind, LAT_SENT_RUN);
	CHECK_EQ(ref.seq, 3);
	CHECK_EQ(ref.count, 2);
	lat_sendq_acked(&q, &run);
	CHECK_EQ(lat_sendq_unacked(&q), 0);
	CHECK_EQ(lat_sendq_acked_seq(&q), 4);
	lat_sendq_fini(&q);
}

TEST(bytes_are_bounded)
{
	struct lat_sendq q;
	uint64_t seq = 0;
	int rc;

	lat_sendq_init(&q, true, 1, 2, 1000);
	CHECK_EQ_ROW("any message when nothing is held", lat_sendq_push(&q, 0, data, 5000, &seq), 0);
	CHECK_EQ_ROW("then none", lat_sendq_push(&q, 0, data, 0, &seq), -EAGAIN);
	CHECK_EQ(seq, 1);
	CHECK_EQ_ROW("too long for the protocol",
		     lat_sendq_push(&q, 0, data, (size_t)LAT_MAX_MSG_HARD - 11, &seq), -EMSGSIZE);
	lat_sendq_fini(&q);

	lat_sendq_init(&q, true, 1, 2, 1000);
	do
		rc = lat_sendq_push(&q, 0, NULL, 0, &seq);
	while (rc == 0);
	CHECK_EQ(rc, -EAGAIN);
	CHECK_EQ_ROW("empty messages cost too", seq, 1000 / (12 + LAT_SENDQ_MSG_COST));
	lat_sendq_fini(&q);
}

TEST(lossy_messages_are_gone_when_sent)
{
	struct lat_sent_frame ref;
	static struct packet p;
	struct lat_sendq q;

	lat_sendq_init(&q, false, 1, 2, 1 << 20);
	push(&q, 100);
	push(&q, 100);
	push(&q, 3000);
	push(&q, 200);
	start(&p, BASE);
	CHECK_EQ(take(&q, &p, &ref), 1);
	CHECK_EQ(ref.kind, LAT_SENT_RUN);
	CHECK_EQ(lat_sendq_unacked(&q), 2);
	lat_sendq_lost(&q, &ref);
	lat_sendq_requeue(&q);
	start(&p, BASE);
	CHECK_EQ(take(&q, &p, &ref), 1);
	CHECK_EQ(ref.seq, 3);
	CHECK_EQ(ref.off, 0);
	CHECK_ROW("the oldest that is not half sent", lat_sendq_drop_oldest(&q));
	CHECK_ROW("there is no other", !lat_sendq_drop_oldest(&q));
	for (int i = 0; i < 2; i++) {
		start(&p, BASE);
		CHECK_EQ(take(&q, &p, &ref), 1);
		CHECK_EQ(ref.seq, 3);
	}
	CHECK_EQ(lat_sendq_unacked(&q), 0);
	CHECK_EQ(q.bytes_held, 0);
	CHECK_EQ(q.need_units, 0);
	lat_sendq_fini(&q);
}

/* Every token that leaves is right, with the bytes covered and without. */
TEST(tokens_hold)
{
	for (uint16_t cflags = 1; cflags <= 3; cflags += 2) {
		const struct lat_token_key key = { .tk = tk, .cflags = cflags, .rights = 3 };
		struct lat_frame_cursor cur;
		struct lat_sent_frame ref;
		struct lat_frame_msgs run;
		struct lat_frame_msg msg;
		static struct packet p;
		struct lat_frame f;
		struct lat_sendq q;
		uint32_t node;

		lat_sendq_init(&q, true, 1, 2, 1 << 20);
		lat_sendq_credit(&q, 1 << 20);
		push(&q, 100);
		push(&q, 200);
		start(&p, BASE);
		CHECK_EQ(lat_sendq_take(&q, &key, &p.w, &ref), 1);
		push(&q, 500);
		CHECK_EQ(lat_sendq_take(&q, &key, &p.w, &ref), 1);
		CHECK_EQ(lat_frame_cursor_init(&cur, &node, p.buf, p.w.len), 0);
		CHECK_EQ(lat_frame_next(&cur, &f), 1);
		CHECK_EQ(lat_frame_msgs_decode(&run, &f), 0);
		CHECK_EQ(lat_token_check_run(&key, &run), 0);
		CHECK_EQ(lat_frame_next(&cur, &f), 1);
		CHECK_EQ(lat_frame_msg_decode(&msg, &f), 0);
		CHECK_EQ(lat_token_check_msg(&key, msg.seq, msg.data, msg.len, msg.token), 0);
		p.buf[p.w.len - 1] ^= 1;
		CHECK_EQ(lat_token_check_msg(&key, msg.seq, msg.data, msg.len, msg.token),
			 cflags == 3 ? -EPERM : 0);
		lat_sendq_fini(&q);
	}
}

TEST_MAIN

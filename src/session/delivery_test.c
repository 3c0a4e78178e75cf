/*
 * The parts of delivery joined as the machine joins them: sendq -> packets -> a net that loses, doubles and
 * reorders -> reasm, with ranges, sent and credit closing the loop. Reliable: every message arrives once,
 * in order, with its bytes and a right token, whatever the net does. Lossy: none arrives twice or damaged.
 */
#include <errno.h>

#include "base/bytes.h"
#include "base/test.h"
#include "crypto/aead.h"
#include "session/ranges.h"
#include "session/reasm.h"
#include "session/replay.h"
#include "session/sendq.h"
#include "session/sent.h"
#include "session/test_random.h"
#include "session/token.h"
#include "wire/packet.h"

enum { PACKETS = 64, PACKET_MAX = 4096, MSG_MAX = 20000 };

struct packet {
	uint64_t counter;
	size_t bytes;
	bool in_use;
	uint8_t plain[PACKET_MAX];
};

struct world {
	struct test_random rnd;
	struct lat_token_key key;
	uint8_t tk[32];
	struct lat_budget peer, all;
	bool reliable;
	/* sender */
	struct lat_sendq q;
	struct lat_sent sent;
	uint64_t now;
	/*
	 * the net: packets one way; acknowledgements and credit the other, here without loss of order but
	 * with loss
	 */
	struct packet net[PACKETS];
	/* receiver */
	struct lat_replay window;
	struct lat_ranges ranges;
	struct lat_reasm in;
	uint64_t accepted, delivered, highest;
	bool seen[4000];
};

static struct world w;

/* What message @seq holds: its length and bytes follow from its number. */
static uint32_t msg_bytes(uint64_t seq)
{
	uint64_t h = seq * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	return h % 10 == 0 ? (uint32_t)(h % MSG_MAX) : (uint32_t)(h % 300);
}

static uint8_t msg_byte(uint64_t seq, uint32_t i)
{
	return (uint8_t)(seq * 31 + i + i / 256);
}

static void push_some(uint64_t total)
{
	static uint8_t data[MSG_MAX];

	while (w.accepted < total && test_random_chance(&w.rnd, 80)) {
		uint64_t seq = w.accepted + 1, got = 0;
		int rc;

		for (uint32_t i = 0; i < msg_bytes(seq); i++)
			data[i] = msg_byte(seq, i);
		rc = lat_sendq_push(&w.q, (int32_t)seq, data, msg_bytes(seq), &got);
		if (rc == -EAGAIN)
			return;
		CHECK_EQ_ROW(w.rnd.why, rc, 0);
		CHECK_EQ_ROW(w.rnd.why, got, seq);
		w.accepted++;
	}
}

static void put_on_net(const struct packet *p)
{
	struct packet *slot = &w.net[test_random_below(&w.rnd, PACKETS)];

	*slot = *p; /* what was there is lost */
	slot->in_use = true;
}

/* Builds packets until there is nothing to send or enough is in flight. */
static void send_some(void)
{
	while (w.sent.flying < 20 && lat_sendq_ready(&w.q)) {
		struct packet p = { .counter = lat_sent_counter(&w.sent), .in_use = true };
		struct lat_sent_frame refs[LAT_SENT_FRAMES_MAX];
		struct lat_writer out;
		size_t count = 0, room = 1196;

		if (test_random_chance(&w.rnd, 10))
			room = 200 + test_random_below(&w.rnd, PACKET_MAX - 200);
		CHECK_EQ_ROW(w.rnd.why, lat_sent_reserve(&w.sent), 0);
		CHECK_EQ(lat_writer_init(&out, p.plain, room, 5), 0);
		while (count < LAT_SENT_FRAMES_MAX && lat_sendq_take(&w.q, &w.key, &out, &refs[count]) == 1)
			count++;
		if (count == 0)
			continue; /* a room too small for what is next: the next one is bigger */
		p.bytes = out.len;
		CHECK_EQ_ROW(w.rnd.why,
			     lat_sent_add(&w.sent, w.now, (uint32_t)p.bytes, true, refs,
					  w.reliable ? count : 0),
			     0);
		if (test_random_chance(&w.rnd, 85))
			put_on_net(&p);
		if (test_random_chance(&w.rnd, 10))
			put_on_net(&p);
	}
}

static void deliver(uint64_t seq, const uint8_t *body, uint32_t bytes)
{
	CHECK_EQ_ROW(w.rnd.why, bytes, msg_bytes(seq) + 12);
	CHECK_EQ_ROW(w.rnd.why, lat_get_le32(body + 8), (uint32_t)seq);
	for (uint32_t i = 0; i < msg_bytes(seq); i++)
		CHECK_ROW(w.rnd.why, body[12 + i] == msg_byte(seq, i));
	if (w.reliable)
		CHECK_EQ_ROW(w.rnd.why, seq, w.delivered + 1);
	CHECK_ROW(w.rnd.why, !w.seen[seq]);
	w.seen[seq] = true;
	w.delivered++;
}

static void take_piece(const struct lat_reasm_frag *f)
{
	struct lat_reasm_msg *m;
	int rc = lat_reasm_check(&w.in, f);

	if (rc == -EALREADY)
		return;
	CHECK_EQ_ROW(w.rnd.why, rc, 0);
	if (f->off == 0 && f->len == f->msg_len && (!w.reliable || f->seq == w.in.next)) {
		if (!f->verified)
			CHECK_EQ_ROW(w.rnd.why,
				     lat_token_check_msg(&w.key, f->seq, f->data, f->len, f->token), 0);
		deliver(f->seq, f->data, f->len);
		lat_reasm_pass(&w.in, f->seq, f->msg_len);
		return;
	}
	rc = lat_reasm_add(&w.in, w.now, f);
	CHECK_ROW(w.rnd.why, rc == 0 || rc == 1);
	if (rc == 1) {
		m = lat_reasm_find(&w.in, f->seq);
		if (!m->verified)
			CHECK_EQ_ROW(w.rnd.why,
				     lat_token_check_msg(&w.key, m->seq, m->body, m->msg_len, m->token), 0);
		if (!w.reliable) {
			deliver(m->seq, m->body, m->msg_len);
			lat_reasm_consume(&w.in, m->seq);
		}
	}
}

static void take_frame(const struct lat_frame *f)
{
	const uint8_t *body;
	struct lat_frame_msgs run;
	struct lat_frame_msg msg;
	uint16_t bytes;
	size_t pos = 0;

	CHECK_EQ_ROW(w.rnd.why, lat_frame_check(f, 1), 1);
	if (f->type == LAT_FRAME_MSG) {
		CHECK_EQ_ROW(w.rnd.why, lat_frame_msg_decode(&msg, f), 0);
		take_piece(&(struct lat_reasm_frag){ .seq = msg.seq,
						     .msg_len = msg.msg_len,
						     .off = msg.frag_off,
						     .len = msg.len,
						     .data = msg.data,
						     .token = msg.token });
		return;
	}
	CHECK_EQ_ROW(w.rnd.why, f->type, LAT_FRAME_MSGS);
	CHECK_EQ_ROW(w.rnd.why, lat_frame_msgs_decode(&run, f), 0);
	CHECK_EQ_ROW(w.rnd.why, lat_token_check_run(&w.key, &run), 0);
	for (uint64_t seq = run.first_seq; lat_frame_msgs_next(&run, &pos, &body, &bytes) == 1; seq++)
		take_piece(&(struct lat_reasm_frag){
			.seq = seq, .msg_len = bytes, .len = bytes, .data = body, .verified = true });
}

static void hand_up(void)
{
	const struct lat_reasm_msg *m;

	while ((m = lat_reasm_head(&w.in)) != NULL && test_random_chance(&w.rnd, 90)) {
		deliver(m->seq, m->body, m->msg_len);
		lat_reasm_consume(&w.in, m->seq);
	}
}

static void arrive(struct packet *p)
{
	struct lat_frame_cursor cur;
	struct lat_frame f;
	uint32_t node;

	p->in_use = false;
	if (lat_replay_check(&w.window, p->counter) != 0)
		return;
	lat_replay_mark(&w.window, p->counter);
	lat_ranges_add(&w.ranges, p->counter, w.now, p->bytes, true);
	CHECK_EQ(lat_frame_cursor_init(&cur, &node, p->plain, p->bytes), 0);
	while (lat_frame_next(&cur, &f) == 1)
		take_frame(&f);
	hand_up();
}

static void on_acked(void *ctx, const struct lat_sent_record *rec)
{
	(void)ctx;
	for (uint16_t i = 0; i < rec->count; i++)
		lat_sendq_acked(&w.q, &rec->frames[i]);
}

static void on_lost(void *ctx, const struct lat_sent_record *rec)
{
	(void)ctx;
	for (uint16_t i = 0; i < rec->count; i++)
		lat_sendq_lost(&w.q, &rec->frames[i]);
}

static void answer(void)
{
	struct lat_frame_ack ack;
	uint64_t limit;

	if (lat_reasm_credit_due(&w.in) && lat_reasm_credit_raise(&w.in, 0, 0, &limit) == 0)
		lat_sendq_credit(&w.q, limit);
	if (!lat_ranges_pending(&w.ranges) || lat_ranges_ack(&w.ranges, 1, w.now, &ack) != 0)
		return;
	lat_ranges_sent(&w.ranges);
	if (test_random_chance(&w.rnd, 20))
		return; /* the acknowledgement is lost */
	CHECK_ROW(w.rnd.why, lat_sent_ack(&w.sent, ack.range, ack.count, on_acked, NULL) >= 0);
	if (test_random_chance(&w.rnd, 30) && ack.range[0].hi > 100)
		lat_ranges_forget_below(&w.ranges, ack.range[0].hi - 60);
}

/*
 * A new session: new counters, new window; what is unacknowledged goes again. Packets of the old one are
 * void.
 */
static void new_session(void)
{
	lat_sent_lose(&w.sent, UINT64_MAX, UINT64_MAX, on_lost, NULL);
	lat_sendq_requeue(&w.q);
	lat_sent_fini(&w.sent);
	lat_sent_init(&w.sent);
	lat_replay_init(&w.window);
	lat_ranges_init(&w.ranges);
	for (size_t i = 0; i < PACKETS; i++)
		w.net[i].in_use = false;
}

static void world_open(uint64_t bytes_max, uint16_t cflags)
{
	w.reliable = (cflags & LAT_CFLAG_RELIABLE) != 0;
	w.key = (struct lat_token_key){ .tk = w.tk, .cflags = cflags };
	w.peer.max = 1 << 20;
	w.all.max = 4 << 20;
	lat_sendq_init(&w.q, w.reliable, 5, 10, bytes_max);
	lat_sent_init(&w.sent);
	lat_replay_init(&w.window);
	lat_ranges_init(&w.ranges);
	CHECK_EQ(lat_reasm_init(&w.in, w.reliable, LAT_MAX_MSG_DEFAULT,
				(struct lat_budgets){ &w.peer, &w.all }),
		 0);
	lat_sendq_credit(&w.q, LAT_CREDIT_MIN_BYTES);
}

static void world_close(void)
{
	lat_sent_fini(&w.sent);
	lat_sendq_fini(&w.q);
	lat_reasm_fini(&w.in);
	CHECK_EQ_ROW(w.rnd.why, w.peer.used, 0);
	CHECK_EQ_ROW(w.rnd.why, w.all.used, 0);
}

static void turn(uint64_t total)
{
	w.now += 1000;
	push_some(total);
	send_some();
	for (size_t n = 0; n < 12; n++) {
		struct packet *p = &w.net[test_random_below(&w.rnd, PACKETS)];

		if (p->in_use)
			arrive(p);
	}
	hand_up();
	answer();
	if (w.now > 20000)
		lat_sent_lose(&w.sent, w.now - 20000, UINT64_MAX, on_lost, NULL);
}

TEST(reliable_delivers_all_in_order_once)
{
	enum { TOTAL = 600, TURNS = 60000 };

	CHECK_EQ(lat_crypto_init(), 0);
	memset(&w, 0, sizeof(w));
	for (uint64_t i = 0; test_random_init(&w.rnd, i, 12); i++) {
		int turns = 0;

		world_open(i % 3 == 0 ? 4000 : 200000, i % 2 == 0 ? 1 : 3);
		while ((w.delivered < TOTAL || lat_sendq_unacked(&w.q) > 0) && turns++ < TURNS) {
			turn(TOTAL);
			if (i % 4 == 1 && test_random_chance(&w.rnd, 1))
				new_session();
			CHECK_ROW(w.rnd.why, w.q.held <= w.accepted - lat_sendq_acked_seq(&w.q));
		}
		CHECK_EQ_ROW(w.rnd.why, w.delivered, TOTAL);
		CHECK_EQ_ROW(w.rnd.why, lat_sendq_unacked(&w.q), 0);
		CHECK_EQ_ROW(w.rnd.why, w.q.bytes_held, 0);
		CHECK_EQ_ROW(w.rnd.why, w.q.need_units, 0);
		CHECK_EQ_ROW(w.rnd.why, w.in.held, 0);
		world_close();
		memset(&w, 0, sizeof(w));
	}
}

TEST(lossy_delivers_some_once)
{
	enum { TOTAL = 3000, TURNS = 3000 };

	CHECK_EQ(lat_crypto_init(), 0);
	memset(&w, 0, sizeof(w));
	for (uint64_t i = 0; test_random_init(&w.rnd, i, 6); i++) {
		world_open(100000, i % 2 == 0 ? 0 : 2);
		for (int turns = 0; turns < TURNS; turns++) {
			turn(TOTAL);
			lat_reasm_expire(&w.in, w.now * 1000);
		}
		CHECK_EQ_ROW(w.rnd.why, w.accepted, TOTAL);
		CHECK_EQ_ROW(w.rnd.why, lat_sendq_unacked(&w.q), 0);
		CHECK_ROW(w.rnd.why, w.delivered > TOTAL / 3 && w.delivered < TOTAL);
		world_close();
		memset(&w, 0, sizeof(w));
	}
}

TEST_MAIN

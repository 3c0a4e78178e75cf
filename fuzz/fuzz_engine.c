/*
 * A peer with all keys against the protocol machine. The input is a list of deeds: frames sealed rightly into DATA
 * packets of any of the three sessions, well-made channels, messages and acknowledgements with chosen numbers, what the
 * application here does, and time.
 *
 * (1) No crash, no undefined behaviour, nothing left when all is taken down.
 * (2) Memory is bounded: what is charged never exceeds what 6.4 lets a peer stretch it to.
 * (3) A broken rule ends the session, and every channel of that peer that has nothing left to be taken.
 * (4) The other peer's session goes on: its message arrives at the end.
 * (5) A reliable channel's messages come in order, each once; nothing comes after its end.
 * (6) Nothing comes of a capability that was revoked, and nothing longer than it allows.
 * (7) A capability that comes with a message is one, whole, and came on a channel that covers every byte.
 * (8) What this node sends is well-formed. It never asks to be called again at once.
 */
#include "engine.h"

#include "cap/chain.h"
#include "session/token.h"

enum { PLAIN_MAX = 4096, MSG_BYTES_MAX = 2048, DEEDS_MAX = 400 };

static struct fuzz_engine f;
static uint64_t counter; /* of the packets handed in: rising, over all sessions and channels */
static uint8_t packet[LAT_DATA_HDR + PLAIN_MAX + LAT_DATA_OVERHEAD];

static uint32_t take(struct fuzz_input *in, size_t bytes)
{
	return (uint32_t)fuzz_take(in, bytes);
}

static struct lat_peer *hostile(void)
{
	return fuzz_peer(&f, HOSTILE);
}

/* Any session there is, the one in slot @which first. */
static struct lat_session *session(uint32_t which)
{
	struct lat_peer *p = hostile();

	for (uint32_t i = 0; i < LAT_SLOT_COUNT; i++)
		if (p->slot[(which + LAT_SLOT_CURRENT + i) % LAT_SLOT_COUNT] != NULL)
			return p->slot[(which + LAT_SLOT_CURRENT + i) % LAT_SLOT_COUNT];
	return NULL;
}

/* The @which-th channel of a direction; NULL: there is none. */
static struct lat_chan *channel(uint32_t which, bool inbound, bool numbered)
{
	struct lat_chan *c, *found = NULL;
	uint32_t n = 0;

	for (int round = 0; round < 2; round++) {
		for (c = hostile()->chans; c != NULL; c = c->next) {
			if (c->inbound != inbound || (c->num == 0 && numbered))
				continue;
			if (round == 1 && n-- == 0)
				return c;
			n += round == 0;
			found = c;
		}
		if (n == 0)
			return NULL;
		if (round == 0)
			n = which % n;
	}
	return found;
}

static struct lat_writer begin(void)
{
	struct lat_writer w;

	FUZZ_REQUIRE(lat_writer_init(&w, packet + LAT_DATA_HDR, PLAIN_MAX, HOSTILE) == 0);
	return w;
}

static void deliver(struct lat_session *s, const struct lat_chan *c, const struct lat_writer *w)
{
	uint64_t broken = lat_engine_counter(f.e, LAT_COUNT_PROTO);
	const struct lat_peer *p = hostile();
	bool closing = p->closing; /* what was opened since then is for the session to come */

	(void)!fuzz_deliver(&f, s, c, counter++, packet, w->len);
	if (lat_engine_counter(f.e, LAT_COUNT_PROTO) == broken || closing)
		return;
	FUZZ_REQUIRE(p->closing || p->slot[LAT_SLOT_CURRENT] == NULL);
	FUZZ_REQUIRE(p->slot[LAT_SLOT_NEXT] == NULL && p->slot[LAT_SLOT_PREVIOUS] == NULL);
	for (int i = 0; i < FUZZ_CHANS; i++)
		FUZZ_REQUIRE(!f.chan[i].used || f.chan[i].node != HOSTILE || (f.chan[i].inbound && f.full));
}

/* ---- deeds of the peer ---- */

static void raw_frames(struct fuzz_input *in)
{
	uint32_t how = take(in, 1), len = take(in, 2) % (PLAIN_MAX - LAT_DATA_NODE_LEN);
	struct lat_session *s = session(how & 3);
	const struct lat_chan *c = (how & 4) != 0 ? channel(how >> 4, true, true) : NULL;
	struct lat_writer w = begin();

	w.len += fuzz_take_bytes(in, w.buf + w.len, len);
	if ((how & 8) != 0 && w.len > 5)
		w.buf[0] ^= (uint8_t)(how >> 4); /* another node's number, perhaps */
	if (s != NULL)
		deliver(s, c, &w);
}

static void open_channel(struct fuzz_input *in)
{
	uint32_t how = take(in, 1);
	struct lat_session *s = session(how & 3);
	struct lat_frame_chan_open o = { .src_pid = (int32_t)take(in, 1),
					 .dst_pid = (int32_t)(how >> 2 & 15),
					 .cflags = (uint16_t)take(in, 1),
					 .req = take(in, 1) };
	uint8_t k[LAT_CAP_KEY];
	struct lat_writer w = begin();

	if (s == NULL)
		return;
	if ((o.cflags & LAT_CFLAG_REVERSE) != 0)
		o.rev_chan = 5;
	if ((how & 64) != 0) { /* by a capability, with limits of its own */
		uint32_t limits = take(in, 3);
		const struct lat_cap_desc d = { .rights = (uint16_t)(limits & 63),
						.gen = limits >> 6 & 7,
						.rate = limits >> 9 & 3,
						.max_msg = (limits >> 11 & 7) * 100,
						.not_after = limits >> 14 };

		lat_cap_desc_encode(o.desc, &d);
		o.ncav = (uint8_t)(limits >> 20);
		memcpy(k, o.desc, sizeof(k));
	} else {
		lat_grant_key(k, s->secret->sess);
	}
	lat_cap_proof(o.proof, k, s->secret->sid, o.req, o.src_pid, o.dst_pid, o.nonce_s);
	o.proof[0] ^= (uint8_t)(how >> 7);
	if (lat_frame_chan_open_encode(&w, &o) == 0)
		deliver(s, NULL, &w);
}

/* The body's pids are right, or not. */
static void make_body(const struct lat_chan *c, uint8_t *body, uint32_t lie)
{
	lat_msg_pids_encode(body, c->src_pid + (int32_t)(lie == 7), c->dst_pid);
}

static uint64_t near_next(const struct lat_chan *c, uint32_t v)
{
	const struct lat_reasm *r = &((const struct lat_chan_in *)c)->reasm;
	uint64_t next = r->reliable ? r->next : r->highest + 1;

	if (v == 255)
		return UINT64_MAX;
	return next + v > 16 ? next + v - 16 : 1;
}

/* A fragment of the message @body, of a chosen number, with a token that is right or not. */
static void fragment(struct fuzz_input *in, const struct lat_chan *c, uint32_t how, uint32_t lie,
		     uint8_t flags, const uint8_t *body, uint32_t msg_len, uint32_t body_max)
{
	struct lat_session *s = session(how & 3);
	struct lat_frame_msg m = { .msg_len = msg_len, .flags = flags };
	uint32_t off = take(in, 2) * LAT_UNIT, len = take(in, 2) % MSG_BYTES_MAX;
	uint8_t token[LAT_WIRE_TOKEN] = { 0 };
	struct lat_writer w = begin();

	if (s == NULL)
		return;
	m.seq = near_next(c, take(in, 1));
	m.frag_off = m.msg_len == 0 ? 0 : off % m.msg_len / LAT_UNIT * LAT_UNIT;
	m.len = len < m.msg_len - m.frag_off ? len / LAT_UNIT * LAT_UNIT : m.msg_len - m.frag_off;
	if (m.len > MSG_BYTES_MAX)
		m.len = MSG_BYTES_MAX;
	if (m.msg_len >= LAT_PIDS_LEN && m.msg_len <= body_max) {
		const struct lat_token_key key = { .tk = c->secret->tk, .cflags = c->cflags };

		lat_token_of_msg(token, &key, m.seq, body, m.msg_len);
	}
	token[0] ^= lie == 8;
	m.token = token;
	m.data = body + m.frag_off;
	if (lat_frame_msg_encode(&w, &m) == 0)
		deliver(s, c, &w);
}

static void message(struct fuzz_input *in)
{
	static uint8_t body[LAT_MAX_MSG_DEFAULT];
	uint32_t how = take(in, 1), lie = take(in, 1) & 15;
	const struct lat_chan *c = channel(how >> 2, true, true);
	uint32_t msg_len = take(in, 3) % (LAT_MAX_MSG_DEFAULT + 64);

	if (c == NULL)
		return;
	if (msg_len >= LAT_PIDS_LEN && msg_len <= sizeof(body)) {
		memset(body, 0, msg_len);
		make_body(c, body, lie);
	}
	fragment(in, c, how, lie, lie == 9 ? (uint8_t)LAT_MSG_CALL : 0, body, msg_len, sizeof(body));
}

/* The same with a capability before its type, or what is almost one: cut anywhere, a byte changed, without the flag. */
static void message_that_brings(struct fuzz_input *in)
{
	static uint8_t body[LAT_PIDS_LEN + LAT_MSG_CAP_LEN + 4 + 256];
	uint8_t desc[LAT_CAP_DESC], caveats[LAT_CAP_CAVEATS_MAX][LAT_CAP_CAVEAT] = { { 0 } },
				    key[LAT_CAP_KEY] = { 7 };
	const struct lat_cap_desc d = {
		.rights = LAT_RIGHT_OPEN | LAT_RIGHT_SEND, .node = 9, .dst_pid = 1, .gen = 1
	};
	uint32_t how = take(in, 1), lie = take(in, 1), what = take(in, 1), at = take(in, 1);
	const struct lat_chan *c = channel(how >> 2, true, true);
	struct lat_msg_cap list = {
		.desc = desc, .caveats = caveats[0], .key = key, .caveat_count = what & 7
	};
	uint32_t len = LAT_PIDS_LEN;

	if (c == NULL)
		return;
	lat_cap_desc_encode(desc, &d);
	for (uint8_t i = 0; i < list.caveat_count; i++) {
		const struct lat_caveat caveat = lat_caveat_number(LAT_CAVEAT_RATE, 100u + i);

		lat_caveat_encode(caveats[i], &caveat);
	}
	memset(body, 0, sizeof(body));
	make_body(c, body, lie & 15);
	len += (uint32_t)lat_msg_cap_encode(body + len, &list) + 4 + (what & 8) * 16;
	if ((what & 16) != 0)
		body[LAT_PIDS_LEN + at] ^= (uint8_t)(lie >> 4 | 1);
	if ((what & 32) != 0)
		len -= at < len - LAT_PIDS_LEN ? at : 0;
	fragment(in, c, how, lie & 15, (what & 192) == 192 ? 0 : (uint8_t)LAT_MSG_CAPS, body, len,
		 sizeof(body));
}

static void run_of_messages(struct fuzz_input *in)
{
	uint32_t how = take(in, 1), lie = take(in, 1) & 15, count = take(in, 1) % 40, len = take(in, 1);
	const struct lat_chan *c = channel(how >> 2, true, true);
	struct lat_session *s = session(how & 3);
	struct lat_writer w = begin();
	struct lat_bytes bodies[40];
	struct lat_msgs_builder b;
	struct lat_token_key key;
	uint8_t token[LAT_WIRE_TOKEN], *body;
	uint64_t first;
	uint16_t done = 0;

	if (c == NULL || s == NULL)
		return;
	first = near_next(c, take(in, 1));
	if (lat_msgs_builder_init(&b, &w, 0, first) != 0)
		return;
	while (done < count && lat_msgs_builder_reserve(&b, LAT_PIDS_LEN + len, &body) == 0) {
		memset(body, 0, LAT_PIDS_LEN + len);
		make_body(c, body, lie);
		bodies[done++] = (struct lat_bytes){ body, LAT_PIDS_LEN + len };
	}
	key = (struct lat_token_key){ .tk = c->secret->tk, .cflags = c->cflags };
	lat_token_of_run(token, &key, first, bodies, done);
	token[0] ^= lie == 8;
	if (lat_msgs_builder_finish(&b, token) == 0)
		deliver(s, c, &w);
}

static void grant_channel(struct fuzz_input *in)
{
	uint32_t how = take(in, 1);
	struct lat_chan *c = channel(how >> 2, false, false);
	struct lat_session *s = session(how & 3);
	struct lat_frame_chan_ack a = { .chan = (uint16_t)(take(in, 1) + 1),
					.credit = take(in, 3),
					.next_seq = 1 };
	struct lat_writer w = begin();

	if (c == NULL || s == NULL)
		return;
	a.req = c->req;
	a.cflags = c->cflags;
	if (a.chan == 256) {
		if (lat_frame_chan_nak_encode(&w, &(struct lat_frame_chan_nak){ .req = c->req, .code = 2 }) ==
		    0)
			deliver(s, NULL, &w);
	} else if (lat_frame_chan_ack_encode(&w, &a) == 0)
		deliver(s, NULL, &w);
}

/* Of control, or of a channel of ours: everything, or from the newest down to some. */
static void acknowledge(struct fuzz_input *in)
{
	uint32_t how = take(in, 1), back = take(in, 1), count = take(in, 2);
	const struct lat_chan_out *co = (const struct lat_chan_out *)channel(how >> 3, false, true);
	struct lat_session *s = session(how & 3);
	struct lat_frame_ack a = { .count = 1 };
	struct lat_writer w = begin();
	uint64_t next;

	if (s == NULL)
		return;
	next = s->tx.sent.next;
	if ((how & 4) != 0 && co != NULL && co->lane[s->place] != NULL) {
		a.chan = co->c.num;
		next = co->lane[s->place]->sent.next;
	}
	if (next + (back == 255) <= back % 255)
		return;
	a.range[0].hi = next - 1 - back % 255 + (back == 255);
	a.range[0].lo = a.range[0].hi > count ? a.range[0].hi - count : 0;
	if (lat_frame_ack_encode(&w, &a) == 0)
		deliver(s, NULL, &w);
}

static void channel_word(struct fuzz_input *in)
{
	uint32_t how = take(in, 1), value = take(in, 4);
	bool inbound = (how & 4) != 0;
	const struct lat_chan *c = channel(how >> 5, inbound, true);
	struct lat_session *s = session(how & 3);
	struct lat_writer w = begin();
	int rc;

	if (c == NULL || s == NULL)
		return;
	switch (how >> 3 & 3) {
	case 0:
		rc = lat_frame_credit_encode(&w,
					     &(struct lat_frame_credit){ .chan = c->num, .limit = value });
		break;
	case 1:
		rc = lat_frame_chan_close_encode(&w, &(struct lat_frame_chan_close){
							     .chan = c->num, .final_seq = value % 64 });
		break;
	default:
		rc = lat_frame_chan_reset_encode(&w, &(struct lat_frame_chan_reset){
							     .chan = c->num,
							     .code = (uint16_t)(value >> 16),
							     .side = !inbound,
							     .next_seq = value % 64 });
		break;
	}
	if (rc == 0)
		deliver(s, NULL, &w);
}

static void new_session(struct fuzz_input *in)
{
	uint32_t how = take(in, 1);
	struct lat_writer w = begin();
	struct lat_session *s;

	if (hostile()->closing)
		return;
	lat_attempt_drop(hostile());
	s = fuzz_session(&f, HOSTILE, (how & 1) != 0, (how & 6) == 6 ? how : 1);
	if ((how & 8) != 0)
		deliver(s, NULL, &w);
}

/* ---- deeds of the application and of the network here ---- */

static void application(struct fuzz_input *in)
{
	static uint8_t data[100000];
	static const struct lat_cap_right right = { .desc = { 1, 0, LAT_RIGHT_OPEN | LAT_RIGHT_SEND },
						    .key = { 5 } };
	uint32_t how = take(in, 1), value = take(in, 2);
	struct lat_chan *in_chan = channel(value, true, false), *out_chan = channel(value, false, false);
	struct fuzz_chan *c;

	switch (how % 8) {
	case 0:
		c = fuzz_chan_new(&f);
		if (c == NULL)
			break;
		c->node = HOSTILE;
		if (lat_engine_chan_open(f.e, f.now, HOSTILE,
					 &(struct lat_open_want){ .src_pid = (int32_t)value,
								  .dst_pid = 7,
								  .cflags = (uint16_t)(how >> 3 & 3),
								  .right = (how & 32) != 0 ? &right : NULL },
					 c, &c->handle) < 0)
			*c = (struct fuzz_chan){ 0 };
		break;
	case 1:
		for (uint32_t i = 0; out_chan != NULL && i < how >> 3; i++) {
			bool brings = (value & 1) != 0 && i == 0;

			(void)!(brings ? lat_engine_chan_send_cap(f.e, f.now, out_chan->handle, &right, 1,
								  data, value, NULL)
				       : lat_engine_chan_send(f.e, f.now, out_chan->handle, 1, data, value,
							      NULL));
		}
		break;
	case 2:
		if (out_chan != NULL)
			(void)!lat_engine_chan_close(f.e, f.now, out_chan->handle);
		break;
	case 3:
		f.full = (how & 8) != 0;
		for (int i = 0; !f.full && i < FUZZ_CHANS; i++)
			if (f.chan[i].used && f.chan[i].inbound)
				lat_engine_drain(f.e, f.now, f.chan[i].handle);
		break;
	case 4:
		c = in_chan == NULL ? NULL : in_chan->user;
		if (c == NULL || !c->used || c->handle != in_chan->handle)
			break;
		lat_engine_inbound_reset(f.e, f.now, c->handle, LAT_CODE_ESHUTDOWN);
		*c = (struct fuzz_chan){ 0 };
		break;
	case 5:
		if ((how & 8) == 0) {
			(void)!lat_engine_ping(f.e, f.now, HOSTILE, value);
			break;
		}
		f.revoked++;
		(void)lat_engine_revoke(f.e, f.now);
		break;
	case 6:
		(void)!lat_engine_net_send(f.e, f.now, HOSTILE, data, value % 2000);
		break;
	default:
		(void)!lat_engine_peer_close(f.e, f.now, HOSTILE, (enum lat_code)(value % 13));
		break;
	}
}

static void network(struct fuzz_input *in)
{
	uint32_t how = take(in, 1);

	switch (how % 4) {
	case 0:
		f.transmit_rc = (how & 4) != 0 ? -EAGAIN : (how & 8) != 0 ? -ECONNREFUSED : 0;
		break;
	case 1:
		lat_engine_conn_down(f.e, f.now, HOSTILE, -ECONNRESET);
		break;
	case 2:
		f.transmit_rc = 0;
		lat_engine_conn_up(f.e, f.now, HOSTILE);
		break;
	default:
		f.transmit_rc = 0;
		lat_engine_writable(f.e, f.now, HOSTILE);
		break;
	}
}

static void time_passes(struct fuzz_input *in)
{
	uint32_t ms = take(in, 2);

	f.now += (ms & 0x8000) != 0 ? (ms & 0x7fff) * (uint64_t)LAT_NS_PER_S / 100 : ms * FUZZ_MS / 16;
}

/* ---- the peer that keeps the rules ---- */

static void honest_open(struct lat_session *s)
{
	struct lat_frame_chan_open o = { .req = 1, .src_pid = 3, .dst_pid = 4, .cflags = LAT_CFLAG_RELIABLE };
	struct lat_writer w;
	uint8_t k[LAT_CAP_KEY];

	FUZZ_REQUIRE(lat_writer_init(&w, packet + LAT_DATA_HDR, PLAIN_MAX, HONEST) == 0);
	lat_grant_key(k, s->secret->sess);
	lat_cap_proof(o.proof, k, s->secret->sid, o.req, o.src_pid, o.dst_pid, o.nonce_s);
	FUZZ_REQUIRE(lat_frame_chan_open_encode(&w, &o) == 0);
	(void)!fuzz_deliver(&f, s, NULL, counter++, packet, w.len);
}

/* Its message arrives, and its session is the one it had, unless nothing was heard of it for too long. */
static void honest_sends(uint64_t serial, uint64_t born)
{
	struct lat_peer *p = fuzz_peer(&f, HONEST);
	struct lat_session *s = p->slot[LAT_SLOT_CURRENT];
	const struct lat_chan *c;
	struct lat_token_key key;
	uint8_t body[12] = { 0 }, token[LAT_WIRE_TOKEN];
	struct lat_frame_msg m = { .seq = 1, .msg_len = 12, .len = 12, .token = token, .data = body };
	struct lat_writer w;

	if (f.now - born >= (uint64_t)LAT_HOLD_NS)
		return;
	FUZZ_REQUIRE(s != NULL && s->serial == serial && !p->closing);
	for (c = p->chans; c != NULL && !c->inbound; c = c->next)
		;
	FUZZ_REQUIRE(c != NULL);
	key = (struct lat_token_key){ .tk = c->secret->tk, .cflags = c->cflags };
	lat_msg_pids_encode(body, c->src_pid, c->dst_pid);
	lat_token_of_msg(token, &key, 1, body, sizeof(body));
	FUZZ_REQUIRE(lat_writer_init(&w, packet + LAT_DATA_HDR, PLAIN_MAX, HONEST) == 0);
	FUZZ_REQUIRE(lat_frame_msg_encode(&w, &m) == 0);
	(void)!fuzz_deliver(&f, s, c, counter++, packet, w.len);
	FUZZ_REQUIRE(f.delivered[HONEST] == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const deeds[])(struct fuzz_input * in) = {
		time_passes, raw_frames,   open_channel, message,     run_of_messages, grant_channel,
		acknowledge, channel_word, new_session,  application, network,         message_that_brings,
	};
	struct fuzz_input in = { data, data + size };
	struct lat_session *s;
	uint64_t serial, born;
	uint32_t how;

	if (size < 2)
		return 0;
	how = take(&in, 1);
	fuzz_open(&f, (how & 1) != 0 ? LAT_PROTO_TCP : LAT_PROTO_UDP, 0);
	if ((how & 2) != 0)
		hostile()->budget.max = 100000; /* soon used up */
	counter = 0;
	(void)fuzz_session(&f, HOSTILE, true, 1);
	s = fuzz_session(&f, HONEST, true, 1);
	serial = s->serial;
	born = f.now;
	honest_open(s);
	fuzz_tick(&f);
	for (int i = 0; i < DEEDS_MAX && fuzz_more(&in); i++) {
		const struct lat_budget *b = &hostile()->budget;

		deeds[take(&in, 1) % ARRAY_LEN(deeds)](&in);
		FUZZ_REQUIRE(b->used <= 3 * b->max && f.e->budget.used >= b->used);
		fuzz_tick(&f);
	}
	honest_sends(serial, born);
	fuzz_close(&f);
	return 0;
}

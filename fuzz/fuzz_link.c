/*
 * A link whose other side is the input: its segment, its doorbell, the memory that it adds, what its owner tells of its words. Deeds
 * are of both: ours open, send, receive, take, call, answer and end; theirs write what they like, where they may.
 *
 * (1) Nothing is read or written but the segments, the memory that came, and the caller's buffer, of which no more than was said.
 * (2) A channel's messages are received in the order of their numbers, each once, and none after it was gone; it is gone once, or closed.
 * (3) Who was told of a lie (-EPROTO) by a sending end hears nothing else from it.
 * (4) An honest channel into the same inbox delivers, within as many turns as the liar has messages.
 * (5) Every call comes back, and says what it may say.
 * (6) Nothing is left: no descriptor, and no memory of the peer's nor for it.
 */
#include "notes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "fastpath/channel.h"
#include "fastpath/link.h"
#include "fastpath/link_calls.h"
#include "fastpath/link_seg.h"
#include "os/memfd.h"
#include "os/poke.h"

enum {
	CHANS = 3,
	HOLDS = 4,
	CALLS = 4,
	MAPS = 4,
	DEEDS_MAX = 200,
	ROUNDS_MAX = 20000, /* of receiving, at the end */
	RING_SLOTS = 16,
	SPILL = 16 << 10,
	BUF = 64 << 10,
	EDGE = 64
};

struct in_end {
	struct lat_link_in *in;
	bool open, gone;
	bool closed;   /* by us, and it drains */
	uint64_t seq;  /* of the last message that we know of */
	uint64_t turn; /* in which it was gone */
};

struct out_end {
	struct lat_link_out *out;
	bool accepted, ended, poisoned;
};

static struct {
	struct lat_link *link;
	struct lat_inbox *inbox;
	struct lat_chan *honest;
	bool got_honest;
	uint64_t turn; /* calls that receive */
	struct in_end in[CHANS];
	struct out_end out[CHANS];
	struct lat_inbox_hold hold[HOLDS];
	bool held[HOLDS];
	uint64_t call[CALLS];
	size_t calls;
	int broken;          /* 0, or what the link said of the peer */
	int transmit;        /* what its owner says to what is to be told */
	struct lat_seg *own; /* theirs */
	const struct lat_seg *peer;
	int bell;
	uint32_t *map[MAPS]; /* memory that they added */
	size_t map_bytes[MAPS], maps;
} t;
static unsigned char buf[BUF + EDGE];

static int op_extend(void *user, const struct lat_link_extent *x, int fd)
{
	(void)user;
	FUZZ_REQUIRE((x->bytes == 0) == (fd < 0));
	return t.transmit;
}

static int op_replies(void *user, uint32_t chan, uint64_t bytes, int fd)
{
	(void)user;
	FUZZ_REQUIRE(chan < LAT_LINK_CHANS_MAX && bytes > 0 && fd >= 0);
	return t.transmit;
}

static void op_broken(void *user, int why)
{
	(void)user;
	FUZZ_REQUIRE(t.broken == 0 && (why == -EPROTO || why == -EOWNERDEAD));
	t.broken = why;
}

static void op_gone(void *user, int why)
{
	struct in_end *e = user;

	FUZZ_REQUIRE(e->open && !e->gone);
	FUZZ_REQUIRE(why == 0 || why == -EPROTO || why == -ESHUTDOWN || why == -ENOMEM || why == -EOWNERDEAD);
	e->gone = true;
	e->turn = t.turn;
	if (!e->closed) {
		uint64_t received = lat_link_in_received(e->in); /* the last one may be on its way to us */

		FUZZ_REQUIRE(received == e->seq || received == e->seq + 1);
		FUZZ_REQUIRE(!lat_link_in_close(e->in));
	}
	e->open = false;
}

/* ---- ours ---- */

static void in_open(struct fuzz_input *in)
{
	static const struct lat_link_in_config none;
	uint32_t chan = (uint32_t)fuzz_take(in, 1);
	struct in_end *e = &t.in[chan % CHANS];
	struct lat_link_in_config cfg = none;
	struct lat_link_in *other = NULL;
	int rc;

	if (chan >= 240) { /* none, or one that is open */
		chan = chan == 240 && e->open && !e->closed ? chan % CHANS
		       : chan == 240                        ? UINT32_MAX
							    : LAT_LINK_CHANS_MAX;
		rc = lat_link_in_open(&other, t.link, chan, t.inbox, &cfg);
		FUZZ_REQUIRE(rc == -EPROTO || (t.broken != 0 && rc == t.broken) || rc == -ESHUTDOWN ||
			     rc == -EOWNERDEAD);
		return;
	}
	if (e->open)
		return;
	*e = (struct in_end){ .open = true };
	cfg.user = e;
	cfg.gone = op_gone;
	cfg.from = (struct lat_inbox_from){ .pid = (int32_t)(chan % CHANS) + 1 };
	rc = lat_link_in_open(&e->in, t.link, chan % CHANS, t.inbox, &cfg);
	if (rc < 0) {
		FUZZ_REQUIRE(!e->gone);
		e->open = false;
	}
}

static void in_over(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);
	struct in_end *e = &t.in[how % CHANS];

	if (!e->open || e->closed)
		return;
	if ((how & 0x80) != 0) {
		lat_link_in_end(e->in);
		return;
	}
	e->closed = true;
	if (lat_link_in_close(e->in))
		e->open = false;
}

static void out_open(struct fuzz_input *in)
{
	static const struct lat_tiers_sizes sizes = { .slots = { 0, RING_SLOTS, 2 * RING_SLOTS },
						      .spill_bytes = SPILL };
	uint32_t how = (uint32_t)fuzz_take(in, 1);
	struct out_end *o = &t.out[how % CHANS];
	const struct lat_link_out_config cfg = { .single = (how & 0x80) != 0, .sizes = &sizes };
	int rc;

	if (o->out != NULL)
		return;
	rc = lat_link_out_open(&o->out, t.link, &cfg);
	if (rc < 0)
		return;
	FUZZ_REQUIRE(lat_link_out_chan(o->out) < LAT_LINK_CHANS_MAX);
	*o = (struct out_end){ .out = o->out };
	if ((how & 0x40) == 0) {
		lat_link_out_accept(o->out);
		o->accepted = true;
	}
}

static void out_over(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);
	struct out_end *o = &t.out[how % CHANS];

	if (o->out == NULL)
		return;
	if ((how & 0x80) != 0) {
		lat_link_out_close(o->out);
		*o = (struct out_end){ 0 };
	} else if (!o->ended) {
		o->ended = (how & 0x40) != 0;
		lat_link_out_end(o->out, o->ended ? 0 : -EPIPE);
	}
}

static void out_said(struct out_end *o, int rc)
{
	FUZZ_REQUIRE(rc == 0 || rc == -EAGAIN || rc == -ETIMEDOUT || rc == -EMSGSIZE || rc == -EPROTO ||
		     rc == -ENOMEM || rc == -EPIPE || rc == -EOWNERDEAD || rc == -ESHUTDOWN ||
		     rc == -ENOBUFS || rc == -EINVAL);
	if (o->poisoned)
		FUZZ_REQUIRE(rc != 0 && rc != -EAGAIN);
}

static struct out_end *sending(uint32_t which)
{
	struct out_end *o = &t.out[which % CHANS];

	return o->out != NULL && o->accepted && !o->ended ? o : NULL;
}

static void out_send(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), len = (uint32_t)fuzz_take(in, 2) % (SPILL + 64);
	struct out_end *o = sending(how);
	struct lat_sender_loan loan;
	struct lat_sender *s;
	int rc;

	if (o == NULL)
		return;
	s = lat_link_out_sender(o->out);
	if ((how & 0x80) == 0) {
		rc = lat_sender_send(s, (int32_t)len, buf, len, (how & 0x10) != 0);
		out_said(o, rc);
		o->poisoned = o->poisoned || rc == -EPROTO;
		return;
	}
	rc = lat_sender_loan(s, len, &loan, 0);
	out_said(o, rc);
	if (rc < 0)
		return;
	FUZZ_REQUIRE(loan.bytes >= len);
	memset(loan.data, 7, len);
	if ((how & 0x40) != 0 || lat_sender_publish(s, 1, &loan, len, 0) < 0)
		lat_sender_discard(s, &loan);
}

static void out_wait(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);
	struct out_end *o = sending(how);
	struct lat_tier_stats tiers[LAT_TIERS];
	uint64_t received, sent;

	if (o == NULL)
		return;
	out_said(&(struct out_end){ 0 }, lat_sender_flush(lat_link_out_sender(o->out), (how & 0x80) != 0));
	sent = lat_sender_sent(lat_link_out_sender(o->out), &received);
	FUZZ_REQUIRE(received <= sent);
	lat_sender_tiers(lat_link_out_sender(o->out), tiers);
	if ((how & 0x40) != 0)
		FUZZ_REQUIRE(lat_sender_room_fd(lat_link_out_sender(o->out)) >= 0);
}

static void out_call(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);
	struct lat_call call = { .data = "ask", .len = 3, .buf = buf, .cap = fuzz_take(in, 1) * 8 };
	struct out_end *o = sending(how);

	if (o == NULL)
		return;
	memset(buf, 0xee, call.cap + EDGE);
	out_said(o, lat_link_call(o->out, &call, 1));
	FUZZ_REQUIRE(fuzz_all(buf + call.cap, 0xee, EDGE));
}

/* What was received: whose, which, and how long. */
static void received(const struct lat_inbox_info *info)
{
	struct in_end *e = info->user;

	if (e == NULL) {
		FUZZ_REQUIRE(info->from.pid == 99 && info->type == 5 && info->len == 6 && !t.got_honest);
		t.got_honest = true;
		return;
	}
	FUZZ_REQUIRE(info->from.pid == (int32_t)(e - t.in) + 1);
	FUZZ_REQUIRE(info->seq == e->seq + 1 && (!e->gone || e->turn == t.turn));
	e->seq = info->seq;
	if (info->call != 0)
		t.call[t.calls++ % CALLS] = info->call;
}

static int receive(size_t cap)
{
	struct lat_inbox_info info;
	int rc;

	memset(buf + cap, 0xee, EDGE);
	t.turn++;
	rc = lat_inbox_recv(t.inbox, buf, cap, &info, 0);
	FUZZ_REQUIRE(rc == 0 || rc == -ENOMSG || rc == -EMSGSIZE);
	FUZZ_REQUIRE(fuzz_all(buf + cap, 0xee, EDGE));
	FUZZ_REQUIRE(rc == -ENOMSG || (rc == 0) == (info.len <= cap));
	if (rc == 0)
		received(&info);
	return rc;
}

static void in_recv(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);

	(void)receive((how & 1) != 0 ? how : BUF);
}

static void in_take(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);
	struct lat_inbox_info info;
	unsigned char sum = 0;
	size_t i = how % HOLDS;
	int rc;

	if (t.held[i]) {
		lat_inbox_release(t.inbox, &t.hold[i]);
		t.held[i] = false;
		return;
	}
	t.turn++;
	rc = lat_inbox_take(t.inbox, &t.hold[i], (how & 0x80) != 0, &info, 0);
	FUZZ_REQUIRE(rc == 0 || rc == -ENOMSG || rc == -ENOMEM);
	if (rc < 0)
		return;
	t.held[i] = true;
	for (size_t k = 0; k < info.len; k++)
		sum ^= ((const unsigned char *)t.hold[i].data)[k];
	*(volatile unsigned char *)&sum = sum;
	received(&info);
}

static void in_reply(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), len = (uint32_t)fuzz_take(in, 2) % 4096;
	int rc;

	if (t.calls == 0)
		return;
	rc = lat_inbox_reply(t.inbox, t.call[how % (t.calls < CALLS ? t.calls : CALLS)], 1, buf, len);
	FUZZ_REQUIRE(rc == 0 || rc == -EALREADY || rc == -EINVAL || rc == -ENOMEM);
}

static void link_word(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);
	struct lat_link_stats s;

	switch (how % 8) {
	case 0:
		lat_link_dead(t.link, (how & 0x80) != 0 ? -EPROTO : -EOWNERDEAD);
		break;
	case 1:
		lat_link_retry(t.link);
		break;
	case 2:
		t.transmit = (how & 0x80) != 0 ? -EAGAIN : (how & 0x40) != 0 ? -EPIPE : 0;
		break;
	case 3:
		FUZZ_REQUIRE(lat_inbox_fd(t.inbox) >= 0);
		break;
	default:
		lat_link_stats(t.link, &s);
		FUZZ_REQUIRE(s.outs <= CHANS && s.ins <= CHANS + HOLDS &&
			     s.extent_bytes <= (UINT64_C(1) << 27));
		break;
	}
}

/* ---- theirs ---- */

static uint32_t load(const _Atomic(uint32_t) *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

/* The last slot that we sent. */
static uint32_t sent_on(uint32_t chan)
{
	uint32_t sent = 0;

	for (size_t i = 0; i < LAT_TIERS_L1_SLOTS; i++)
		if (load(&t.peer->l1[chan][i].seq) > sent)
			sent = load(&t.peer->l1[chan][i].seq);
	return sent;
}

/* A number that could be right, or any. */
static uint32_t number(uint32_t chan, struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), by = (how & 7) - 3;

	switch (how >> 3 & 7) {
	case 0:
		return (uint32_t)fuzz_take(in, 4);
	case 1:
		return load(&t.peer->rx[chan].words.received) + by;
	case 2:
		return load(&t.peer->rx[chan].back.head[0]) + by;
	case 3:
		return sent_on(chan) + by;
	case 4:
		return LAT_RING_NOTE | LAT_RING_NOTE_LEN;
	default:
		return (uint32_t)fuzz_take(in, 1);
	}
}

static void put(void *words, size_t bytes, uint32_t chan, struct fuzz_input *in)
{
	_Atomic(uint32_t) *w = words;
	size_t at = fuzz_take(in, 2) % (bytes / 4);

	atomic_store_explicit(&w[at], number(chan, in), memory_order_relaxed);
}

static void lie_word(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), chan = how % CHANS;

	switch (how >> 4 & 7) {
	case 0:
		put(&t.own->tx[chan], sizeof(t.own->tx[chan]), chan, in);
		break;
	case 1:
		put(&t.own->rx[chan], sizeof(t.own->rx[chan]), chan, in);
		break;
	case 2:
		put(t.own->l1[chan], sizeof(t.own->l1[chan]), chan, in);
		break;
	case 3:
		put(&t.own->asked[chan], sizeof(t.own->asked[chan]), chan, in);
		break;
	case 4:
		put(t.own->replies[chan], sizeof(t.own->replies[chan]), chan, in);
		break;
	case 5:
		put(t.own->log, sizeof(t.own->log), chan, in);
		break;
	case 6:
		put(t.own, offsetof(struct lat_seg, log), chan, in);
		break;
	default:
		if (t.maps > 0)
			put(t.map[how % t.maps], t.map_bytes[how % t.maps], chan, in);
		break;
	}
}

/* A message at the place where we look, as it should be but for what is said in it. */
static void lie_message(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), chan = how % CHANS, words[4];
	uint32_t taken = load(&t.peer->rx[chan].back.head[0]);
	struct lat_ring_slot *s = &t.own->l1[chan][taken % LAT_TIERS_L1_SLOTS];

	s->first.len = (how & 8) != 0 ? number(chan, in) : how;
	s->first.msg_seq = (how & 0x10) != 0 ? number(chan, in) : load(&t.peer->rx[chan].words.received) + 1;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		words[i] = (how & 0x20) != 0 ? number(chan, in) : i == 0;
	memcpy(s->first.data, words, sizeof(words));
	if ((how & 0x40) != 0) { /* and it is a call */
		uint32_t call = load(&t.own->asked[chan].done[taken % LAT_SEG_CALLS]);

		atomic_store_explicit(&t.own->asked[chan].at[call % LAT_SEG_CALLS], s->first.msg_seq,
				      memory_order_relaxed);
		atomic_store_explicit(&t.own->tx[chan].asks, 1, memory_order_relaxed);
	}
	atomic_store_explicit(&s->seq, taken + 1, memory_order_release);
}

static void lie_ring(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), count = (uint32_t)fuzz_take(in, 1);
	uint32_t rung = load(&t.own->rung);

	for (uint32_t i = 0; i < count % 16; i++, rung++) {
		uint32_t entry = (how & 0x80) != 0
					 ? number(how % CHANS, in)
					 : rung / LAT_SEG_LOG << 15 | how % CHANS << 1 | (how >> 6 & 1);

		atomic_store_explicit(&t.own->log[rung % LAT_SEG_LOG], entry, memory_order_relaxed);
	}
	atomic_store_explicit(&t.own->rung, rung + (count >> 4) * LAT_SEG_LOG / 4, memory_order_release);
	if ((how & 0x20) != 0)
		lat_poke(t.bell);
	if ((how & 0x1f) == 0x1f)
		(void)shutdown(t.bell, SHUT_RDWR);
}

/* What we sent is taken, and replies to what we asked are there. */
static void lie_reply(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), chan = how % CHANS, i = how >> 2 & 3;
	struct lat_seg_reply *line = &t.own->replies[chan][i];
	uint32_t sent = sent_on(chan);

	atomic_store_explicit(&t.own->rx[chan].back.head[0], (how & 0x80) != 0 ? number(chan, in) : sent,
			      memory_order_relaxed);
	atomic_store_explicit(&t.own->rx[chan].words.received, (how & 0x40) != 0 ? number(chan, in) : sent,
			      memory_order_relaxed);
	atomic_store_explicit(&line->len, number(chan, in), memory_order_relaxed);
	atomic_store_explicit(&line->where, (uint32_t)fuzz_take(in, 1) % 5, memory_order_relaxed);
	if ((how & 0x20) != 0)
		atomic_store_explicit(&line->at, number(chan, in), memory_order_relaxed);
	atomic_store_explicit(&line->number, i + ((how & 0x10) != 0 ? LAT_SEG_CALLS : 0),
			      memory_order_release);
}

/* Memory, or what is none. */
static int some_fd(uint32_t how, size_t bytes)
{
	void *map;
	int fd;

	switch (how & 7) {
	case 0:
		return eventfd(0, EFD_CLOEXEC);
	case 1: /* not sealed */
		fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		FUZZ_REQUIRE(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
		return fd;
	default:
		FUZZ_REQUIRE(lat_memfd_create(&fd, &map, bytes, "fuzz") == 0);
		if (t.maps < MAPS) {
			t.map[t.maps] = map;
			t.map_bytes[t.maps++] = bytes;
		} else {
			lat_memfd_unmap(map, bytes);
		}
		return fd;
	}
}

static void lie_memory(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1), chan = (uint32_t)fuzz_take(in, 1), what = how >> 3 & 3;
	size_t bytes = (size_t)4096 << (how >> 5 & 1), count = what == 3 ? 0 : what == 2 ? 2 : 1;
	struct lat_link_extent x = { .chan = chan < 240 ? chan % CHANS : chan * 1000,
				     .tier = (uint32_t)fuzz_take(in, 1) % 5,
				     .bytes = (how & 0x40) != 0 ? fuzz_take(in, 8) : bytes };
	int fds[2], rc;

	for (size_t i = 0; i < count; i++)
		fds[i] = some_fd(how, bytes);
	if ((how & 0x80) != 0)
		rc = lat_link_replies(t.link, x.chan, x.bytes, fds, count);
	else
		rc = lat_link_extend(t.link, &x, fds, count);
	FUZZ_REQUIRE(rc == 0 || rc == -EPROTO || rc == -EPERM);
	FUZZ_REQUIRE(rc < 0 || count < 2);
	if (rc == 0 && count == 1) { /* and says that it is in use */
		struct lat_tiers_front *front = &t.own->tx[x.chan % CHANS].front;

		if (x.tier > 0 && x.tier < LAT_TIERS)
			atomic_store_explicit(&front->made[x.tier - 1], 1 + (how & 1), memory_order_relaxed);
		(void)atomic_fetch_add_explicit(&front->epoch, 1, memory_order_release);
	}
}

/* ---- life ---- */

static void open_all(void)
{
	static const struct lat_link_ops ops = { .extend = op_extend,
						 .replies = op_replies,
						 .broken = op_broken };
	const struct lat_chan_config honest = { .from = { .pid = 99 } };
	struct lat_link_config cfg = { .ops = &ops };
	int bell[2], fd, theirs;

	memset(&t, 0, sizeof(t));
	FUZZ_REQUIRE(lat_poke_pair(bell) == 0);
	cfg.bell_fd = bell[0];
	t.bell = bell[1];
	FUZZ_REQUIRE(lat_link_open(&t.link, &cfg, &fd) == 0);
	FUZZ_REQUIRE(lat_seg_open(&t.own, LAT_SEG_EXPEDITED, &theirs) == 0);
	FUZZ_REQUIRE(lat_seg_join(&t.peer, fd) == 0);
	FUZZ_REQUIRE(lat_link_join(t.link, &theirs, 1) == 0);
	lat_memfd_close(fd);
	FUZZ_REQUIRE(lat_inbox_open(&t.inbox) == 0);
	FUZZ_REQUIRE(lat_chan_open(&t.honest, t.inbox, &honest) == 0);
}

static void honest_arrives(void)
{
	FUZZ_REQUIRE(lat_chan_send(t.honest, 5, "honest", 6, 0) == 0);
	for (int i = 0; !t.got_honest; i++) {
		FUZZ_REQUIRE(i < ROUNDS_MAX);
		FUZZ_REQUIRE(receive(BUF) != -EMSGSIZE); /* none that came is longer */
	}
}

static void close_all(void)
{
	struct lat_link_stats s;

	for (size_t i = 0; i < HOLDS; i++)
		if (t.held[i])
			lat_inbox_release(t.inbox, &t.hold[i]);
	for (size_t i = 0; i < CHANS; i++)
		lat_link_out_close(t.out[i].out);
	lat_link_dead(t.link, -EOWNERDEAD);
	for (int i = 0; receive(BUF) == 0; i++)
		FUZZ_REQUIRE(i < ROUNDS_MAX);
	for (size_t i = 0; i < CHANS; i++)
		if (t.in[i].open && !t.in[i].closed) {
			t.in[i].closed = true;
			t.in[i].open = !lat_link_in_close(t.in[i].in);
		}
	lat_link_stats(t.link, &s);
	lat_chan_close(t.honest);
	lat_inbox_shutdown(t.inbox);
	for (size_t i = 0; i < CHANS; i++)
		FUZZ_REQUIRE(!t.in[i].open);
	lat_link_stats(t.link, &s);
	FUZZ_REQUIRE(s.outs == 0 && s.ins == 0 && s.extents == 0 && s.extent_bytes == 0);
	lat_link_close(t.link);
	lat_inbox_close(t.inbox);
	lat_seg_close(t.own);
	lat_seg_close(t.peer);
	for (size_t i = 0; i < t.maps; i++)
		lat_memfd_unmap(t.map[i], t.map_bytes[i]);
	close(t.bell);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const deeds[])(struct fuzz_input * in) = {
		in_open, in_over,  out_open,  out_over, out_send,    out_wait, out_call,  in_recv,
		in_take, in_reply, link_word, lie_word, lie_message, lie_ring, lie_reply, lie_memory,
	};
	struct fuzz_input in = { data, data + size };
	int lowest = notes_lowest_fd();

	open_all();
	for (int i = 0; i < DEEDS_MAX && fuzz_more(&in); i++) {
		deeds[fuzz_take(&in, 1) % ARRAY_LEN(deeds)](&in);
		if (t.broken != 0)
			lat_link_dead(t.link, t.broken);
	}
	honest_arrives();
	close_all();
	FUZZ_REQUIRE(notes_lowest_fd() == lowest);
	return 0;
}

/* Messages that arrive: put together, checked, handed up in order (PROTOCOL 6.3 and 6.4). */
#include "session/machine.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/bytes.h"
#include "base/util.h"
#include "session/fault.h"

static const uint64_t expire_every_ns = 50 * (uint64_t)LAT_NS_PER_MS;

static struct lat_token_key token_key(const struct lat_chan_in *ci)
{
	return (struct lat_token_key){ .tk = ci->c.secret->tk, .cflags = ci->c.cflags, .rights = ci->rights };
}

/* 6.3: at once on a reliable channel, at the 8th on a lossy one. */
static void wrong_token(struct lat_chan_in *ci)
{
	lat_peer_count(ci->c.peer, LAT_COUNT_TOKEN);
	if (ci->reasm.reliable || ++ci->bad_tokens >= LAT_TOKEN_FAILS_MAX)
		lat_chan_in_abandon(ci, LAT_CODE_EPERM, false);
}

/* Whether that says of a message that its channel has no right to it, or no means for its reply: not now, but for ever. */
static bool forbidden(int rc)
{
	return rc == -EKEYREVOKED || rc == -EKEYEXPIRED || rc == -EACCES || rc == -EMSGSIZE || rc == -ENOBUFS;
}

/* 6.3: what has ended ends the channel; a message that is too much on a lossy one is dropped. */
static void no_right(struct lat_chan_in *ci, int rc)
{
	bool over = rc == -EKEYREVOKED || rc == -EKEYEXPIRED;

	if (rc != -ENOBUFS)
		lat_peer_count(ci->c.peer, over ? LAT_COUNT_ENDED_RIGHT : LAT_COUNT_OVER_RIGHT);
	if (over || ci->reasm.reliable)
		lat_chan_in_abandon(ci, lat_code_from_errno(rc), false);
	else
		ci->no_room++;
}

/* The kinds of messages that come on it. */
static bool carries(const struct lat_chan_in *ci, uint8_t flags)
{
	if (ci->c.reverse)
		return flags == LAT_MSG_REPLY;
	return flags == 0 || flags == LAT_MSG_CAPS ||
	       (ci->rev_num != 0 && (flags == LAT_MSG_CALL || flags == LAT_MSG_CANCEL));
}

/* To the receiver, if it may be. As hand_up(). */
static int give(struct lat_chan_in *ci, struct lat_delivery *d, const struct lat_msg_body *m, bool call,
		uint32_t bytes)
{
	struct lat_engine *e = ci->c.peer->engine;
	struct lat_peer *p = ci->c.peer;
	int rc = lat_chan_in_may(ci, call ? LAT_RIGHT_CALL : LAT_RIGHT_SEND, bytes), due;

	if (rc < 0 && !(call && rc == -EACCES))
		return rc;
	due = call ? lat_chan_call_due(ci, m, d) : 0;
	if (due < 0)
		return due;
	if (rc == 0) {
		rc = e->ops->deliver(e->ctx, ci->c.user, d);
		if (rc < 0)
			lat_chan_in_unspend(ci);
	} else {
		lat_peer_count(p, LAT_COUNT_OVER_RIGHT);
	}
	if (rc == 0) {
		p->messages_in++;
		p->message_bytes_in += d->bytes;
	}
	if (!call || rc == -EAGAIN)
		return rc;
	lat_chan_call_taken(ci, d, rc); /* who may not call, or where there are no calls, is told so */
	return 0;
}

/*
 * Takes what goes with a message off its payload. 0; -EPROTO: it is cut, or too much; -EACCES: of no known version, or with a caveat that is
 * none.
 */
static int take_right(struct lat_cap_right *right, struct lat_msg_body *m)
{
	struct lat_cap_desc allows;
	struct lat_msg_cap c;
	int len = lat_msg_cap_decode(&c, m->payload, m->len);

	if (len < 0)
		return -EPROTO;
	*right = (struct lat_cap_right){ .caveat_count = c.caveat_count };
	memcpy(right->desc, c.desc, sizeof(right->desc));
	memcpy(right->caveats, c.caveats, (size_t)c.caveat_count * LAT_CAP_CAVEAT);
	memcpy(right->key, c.key, sizeof(right->key));
	m->payload += len;
	m->len -= (size_t)len;
	return lat_cap_right_allows(right, &allows) < 0 ? -EACCES : 0;
}

/* A message of a channel, or the call that it is. As hand_up(). */
static int hand_on(struct lat_chan_in *ci, uint64_t seq, const struct lat_msg_body *m, bool call,
		   const struct lat_cap_right *right, uint32_t bytes)
{
	const size_t head = call ? LAT_CALL_LEN : 0;
	struct lat_delivery d;

	if (m->len < head + 4)
		return -EPROTO;
	d = (struct lat_delivery){
		.node = ci->c.peer->node,
		.src_pid = m->src_pid,
		.dst_pid = m->dst_pid,
		.seq = seq,
		.lost = ci->reasm.missed + ci->reasm.given_up + ci->no_room,
		.type = (int32_t)lat_get_le32(m->payload + head),
		.data = m->payload + head + 4,
		.bytes = m->len - head - 4,
		.right = right,
	};
	return give(ci, &d, m, call, bytes);
}

/*
 * Hands one message up. 0: taken; -EAGAIN: no room, or its rate; -EPROTO: not of this channel's pids, or shorter than a message's
 * type, or than what @flags say is in it; else forbidden().
 */
static int hand_up(struct lat_chan_in *ci, uint64_t seq, uint8_t flags, const uint8_t *body, uint32_t bytes)
{
	struct lat_cap_right right;
	struct lat_msg_body m;
	int rc;

	if (lat_msg_body_decode(&m, body, bytes) < 0 || m.src_pid != ci->c.src_pid ||
	    m.dst_pid != ci->c.dst_pid)
		return -EPROTO;
	if (ci->c.reverse)
		return lat_chan_call_replied(ci, &m);
	if (flags == LAT_MSG_CANCEL)
		return lat_chan_call_cancelled(ci, &m);
	if (flags != LAT_MSG_CAPS)
		return hand_on(ci, seq, &m, flags == LAT_MSG_CALL, NULL, bytes);
	rc = take_right(&right, &m);
	if (rc == 0)
		rc = hand_on(ci, seq, &m, false, &right, bytes);
	lat_wipe(&right, sizeof(right));
	return rc;
}

void lat_chan_in_count_lossy(struct lat_chan_in *ci)
{
	struct lat_peer *p = ci->c.peer;
	uint64_t missed = ci->reasm.missed - ci->missed_seen,
		 given_up = ci->reasm.given_up - ci->given_up_seen;

	p->engine->counters[LAT_COUNT_LOSSY_GAP] += missed;
	p->counters[LAT_COUNT_LOSSY_GAP] += missed;
	p->engine->counters[LAT_COUNT_REASM_DROP] += given_up;
	p->counters[LAT_COUNT_REASM_DROP] += given_up;
	ci->missed_seen = ci->reasm.missed;
	ci->given_up_seen = ci->reasm.given_up;
}

/* What is missing is looked at again in its time. */
static void watch_lossy(struct lat_chan_in *ci)
{
	struct lat_peer *p = ci->c.peer;

	lat_chan_in_count_lossy(ci);
	if (ci->reasm.holes > 0 && ci->reasm.holes_to == 0) {
		uint64_t due = lat_reasm_expire(&ci->reasm, p->engine->now);

		p->lossy_due_ns = due < p->lossy_due_ns ? due : p->lossy_due_ns;
	}
}

static void drop_lossy(struct lat_chan_in *ci)
{
	ci->no_room++;
	lat_peer_count(ci->c.peer, LAT_COUNT_LOSSY_DROP);
}

static void after_messages(struct lat_chan_in *ci)
{
	if (ci->state != LAT_IN_OPEN)
		return;
	if (!ci->reasm.reliable)
		watch_lossy(ci);
	else if (!ci->credit_waits && lat_reasm_credit_due(&ci->reasm))
		lat_chan_want(&ci->c, LAT_WANT_CREDIT);
	lat_chan_in_end_if_final(ci);
}

static int offer_head(struct lat_chan_in *ci, struct lat_reasm_msg *m)
{
	const struct lat_token_key key = token_key(ci);
	int rc;

	if (!m->verified) {
		if (!m->has_token || lat_token_check_msg(&key, m->seq, m->body, m->msg_len, m->token) < 0) {
			wrong_token(ci);
			return -EPERM;
		}
		m->verified = true;
	}
	rc = hand_up(ci, m->seq, m->flags, m->body, m->msg_len);
	if (rc == 0)
		lat_reasm_consume(&ci->reasm, m->seq);
	if (forbidden(rc))
		no_right(ci, rc);
	return rc;
}

int lat_chan_in_offer(struct lat_chan_in *ci)
{
	struct lat_reasm_msg *m;
	int rc = 0;

	if (lat_chan_in_waits(ci))
		return 0;
	ci->blocked = false;
	while (rc == 0 && !ci->told && ci->reasm.reliable && (m = lat_reasm_head(&ci->reasm)) != NULL)
		rc = offer_head(ci, m);
	ci->blocked = rc == -EAGAIN;
	if (ci->draining && rc != -EAGAIN) { /* that was all */
		lat_chan_in_drained(ci);
		return 0;
	}
	if (rc == -EPROTO) { /* the session is about to end, and nobody will ask for the lie again */
		lat_chan_in_abandon(ci, LAT_CODE_EPROTO, false);
		return rc;
	}
	after_messages(ci);
	return 0;
}

int lat_chan_in_release(struct lat_peer *p)
{
	struct lat_chan *c, *tmp;
	int rc = 0;

	if (p->after_count == 0)
		return 0;
	DL_FOREACH_SAFE(p->chans, c, tmp) {
		struct lat_chan_in *ci = (struct lat_chan_in *)c;

		if (rc < 0 || !c->inbound || ci->after == 0 || lat_chan_in_waits(ci))
			continue;
		ci->after = 0;
		p->after_count--;
		rc = lat_chan_in_offer(ci);
	}
	return rc;
}

/* A whole message that is next needs no memory: from the packet to the receiver. 1: done with; 0: keep it. */
static int pass_through(struct lat_chan_in *ci, struct lat_reasm_frag *f)
{
	const struct lat_token_key key = token_key(ci);
	int rc;

	if (f->off != 0 || f->len != f->msg_len || ci->blocked ||
	    (ci->reasm.reliable && f->seq != ci->reasm.next && !lat_fault(LAT_FAULT_ORDER)))
		return 0;
	if (!f->verified && lat_token_check_msg(&key, f->seq, f->data, f->len, f->token) < 0) {
		wrong_token(ci);
		return 1;
	}
	f->verified = true;
	rc = hand_up(ci, f->seq, f->flags, f->data, f->len);
	if (rc == -EPROTO)
		return rc;
	if (forbidden(rc)) {
		no_right(ci, rc);
		if (ci->state != LAT_IN_OPEN)
			return 1;
	} else if (rc < 0 && ci->reasm.reliable) {
		ci->blocked = true;
		return 0;
	} else if (rc < 0) {
		drop_lossy(ci);
	}
	lat_reasm_pass(&ci->reasm, f->seq, f->msg_len);
	return 1;
}

/* A lossy message that became whole. */
static int take_lossy(struct lat_chan_in *ci, uint64_t seq)
{
	struct lat_reasm_msg *m = lat_reasm_find(&ci->reasm, seq);
	int rc = m == NULL ? -EPROTO : offer_head(ci, m);

	if (rc == 0 || rc == -EPROTO)
		return rc;
	if (rc == -EAGAIN)
		drop_lossy(ci);
	if (ci->state == LAT_IN_OPEN)
		lat_reasm_consume(&ci->reasm, seq);
	return 0;
}

static int take(struct lat_chan_in *ci, uint64_t now, struct lat_reasm_frag *f)
{
	int rc = lat_reasm_check(&ci->reasm, f);

	if (rc == -EALREADY) {
		lat_peer_count(ci->c.peer, LAT_COUNT_DUP_MSG);
		if (lat_fault(LAT_FAULT_DUPLICATE) && f->len == f->msg_len)
			(void)!hand_up(ci, f->seq, f->flags, f->data, f->len);
		return 0;
	}
	if (rc < 0)
		return -EPROTO;
	rc = pass_through(ci, f);
	if (rc < 0)
		return rc;
	if (rc == 1)
		return lat_reasm_head(&ci->reasm) != NULL ? lat_chan_in_offer(ci) : 0;
	rc = lat_reasm_add(&ci->reasm, now, f);
	switch (rc) {
	case 1:
		if (!ci->reasm.reliable)
			return take_lossy(ci, f->seq);
		return ci->blocked ? 0 : lat_chan_in_offer(ci);
	case 0:
		if (!ci->reasm.reliable && now + (uint64_t)LAT_REASM_TIME_NS < ci->c.peer->lossy_due_ns)
			ci->c.peer->lossy_due_ns = now + (uint64_t)LAT_REASM_TIME_NS;
		return 0;
	case -EALREADY:
		lat_peer_count(ci->c.peer, LAT_COUNT_DUP_MSG);
		return 0;
	case -ENOBUFS:
		lat_peer_count(ci->c.peer, LAT_COUNT_REASM_DROP);
		return 0;
	case -ENOMEM:
		lat_peer_count(ci->c.peer, LAT_COUNT_REASM_DROP);
		return ci->reasm.reliable ? rc : 0;
	default:
		return -EPROTO;
	}
}

int lat_chan_in_msg(struct lat_chan_in *ci, uint64_t now, const struct lat_frame *f)
{
	struct lat_frame_msg m;
	struct lat_reasm_frag frag;
	int rc = lat_frame_msg_decode(&m, f);

	if (rc < 0)
		return rc;
	if (ci->state != LAT_IN_OPEN)
		return 0;
	if ((m.flags & LAT_MSG_CAPS) != 0 && (ci->c.cflags & LAT_CFLAG_TOKEN_FULL) == 0)
		return -EPROTO;
	if (!carries(ci, m.flags)) {
		lat_chan_in_abandon(ci, LAT_CODE_EACCES, true);
		return 0;
	}
	frag = (struct lat_reasm_frag){ .seq = m.seq,
					.msg_len = m.msg_len,
					.off = m.frag_off,
					.len = m.len,
					.data = m.data,
					.token = m.token,
					.flags = m.flags };
	rc = take(ci, now, &frag);
	after_messages(ci);
	return rc;
}

int lat_chan_in_msgs(struct lat_chan_in *ci, uint64_t now, const struct lat_frame *f)
{
	const struct lat_token_key key = token_key(ci);
	struct lat_frame_msgs run;
	const uint8_t *body;
	uint16_t len;
	size_t pos = 0;
	uint64_t seq;
	int rc = lat_frame_msgs_decode(&run, f);

	if (rc < 0)
		return rc;
	if (ci->state != LAT_IN_OPEN)
		return 0;
	if (!carries(ci, run.flags)) {
		lat_chan_in_abandon(ci, LAT_CODE_EACCES, true);
		return 0;
	}
	rc = lat_token_check_run(&key, &run);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		wrong_token(ci);
		return 0;
	}
	seq = run.first_seq;
	while (rc == 0 && ci->state == LAT_IN_OPEN && lat_frame_msgs_next(&run, &pos, &body, &len) == 1) {
		struct lat_reasm_frag frag = { .seq = seq++,
					       .msg_len = len,
					       .len = len,
					       .data = body,
					       .verified = true,
					       .flags = run.flags };

		rc = take(ci, now, &frag);
	}
	after_messages(ci);
	return rc;
}

uint64_t lat_chan_in_expire(struct lat_peer *p, uint64_t now)
{
	struct lat_chan *c;
	uint64_t due = UINT64_MAX;

	if (now < p->lossy_due_ns)
		return p->lossy_due_ns;
	DL_FOREACH(p->chans, c) {
		struct lat_chan_in *ci = (struct lat_chan_in *)c;
		uint64_t next;

		if (!c->inbound || ci->state != LAT_IN_OPEN || ci->reasm.reliable)
			continue;
		next = lat_reasm_expire(&ci->reasm, now);
		lat_chan_in_count_lossy(ci);
		due = next < due ? next : due;
	}
	/* A peer with many channels is not looked through for each of its messages. */
	if (due != UINT64_MAX && due < now + expire_every_ns)
		due = now + expire_every_ns;
	p->lossy_due_ns = due;
	return due;
}

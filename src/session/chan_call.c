/*
 * Calls (PROTOCOL 6.5). A call is a message of the channel that is remembered at both ends until it is over: where it was made by who
 * waits, where it is answered by its number, which is the right to one reply. Replies come back on the reverse channel, which has the
 * channel's keys and its life: it is made at the first call, is no channel of the peer's lists, and is freed with its channel.
 */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/bytes.h"
#include "base/util.h"
#include "session/fault.h"

enum { TYPE_LEN = 4 };

/* ---- the reverse channel ---- */

void lat_chan_reverse_end(struct lat_chan *c)
{
	struct lat_chan *r = c->pair;

	if (r == NULL || r->buried)
		return;
	lat_chan_detach(r);
	lat_idmap_del(&r->peer->engine->handles, r->handle);
	if (r->inbound) {
		((struct lat_chan_in *)r)->state = LAT_IN_DONE;
	} else {
		((struct lat_chan_out *)r)->state = LAT_OUT_DONE;
		lat_chan_out_update((struct lat_chan_out *)r);
	}
	r->buried = true;
}

void lat_chan_reverse_free(struct lat_chan *c)
{
	struct lat_chan *r = c->pair;

	if (r == NULL)
		return;
	c->pair = NULL;
	if (r->inbound)
		lat_chan_in_free((struct lat_chan_in *)r);
	else
		lat_chan_out_free((struct lat_chan_out *)r);
}

/* What both ends of it begin with. 0, or -ENOBUFS, -ENOMEM: freed by lat_chan_reverse_free() all the same. */
static int reverse_init(struct lat_chan *r, struct lat_chan *c, uint16_t num)
{
	struct lat_engine *e = c->peer->engine;

	c->pair = r;
	r->pair = c;
	r->peer = c->peer;
	r->reverse = true;
	r->inbound = !c->inbound;
	r->cflags = c->cflags;
	r->src_pid = c->dst_pid;
	r->dst_pid = c->src_pid;
	r->secret = e->ops->secret_get(e->ctx);
	if (r->secret == NULL) {
		lat_count(e, LAT_COUNT_SECRETS);
		return -ENOBUFS;
	}
	memcpy(r->secret->tk, c->secret->tk, sizeof(r->secret->tk));
	memcpy(r->secret->bind, c->secret->bind, sizeof(r->secret->bind));
	r->handle = lat_engine_handle(e, r);
	if (r->handle == 0)
		return -ENOBUFS;
	if (lat_numtab_put(r->inbound ? &r->peer->nums_in : &r->peer->nums_out, num, r) < 0) {
		lat_idmap_del(&e->handles, r->handle);
		return -ENOMEM;
	}
	r->num = num;
	return 0;
}

/* Where calls are made: replies come in on it. 0, -ENOBUFS, -ENOMEM. */
static int reverse_in(struct lat_chan_out *co)
{
	struct lat_peer *p = co->c.peer;
	struct lat_chan_in *ci;
	int rc;

	if (co->c.pair != NULL)
		return 0;
	ci = calloc(1, sizeof(*ci));
	if (ci == NULL)
		return -ENOMEM;
	ci->rights = co->rights;
	ci->offer_at_ns = UINT64_MAX;
	rc = lat_reasm_init(&ci->reasm, true, p->engine->max_msg,
			    (struct lat_budgets){ &p->budget, &p->engine->budget });
	if (rc < 0) {
		free(ci);
		return rc;
	}
	rc = reverse_init(&ci->c, &co->c, co->rev_num);
	if (rc < 0)
		lat_chan_reverse_free(&co->c);
	return rc;
}

/* Where they are answered. 0, -ENOBUFS, -ENOMEM; -EPROTO: the number that the peer gave is another channel's. */
static int reverse_out(struct lat_chan_in *ci)
{
	struct lat_peer *p = ci->c.peer;
	struct lat_chan_out *co;
	int rc;

	if (ci->c.pair != NULL)
		return 0;
	if (lat_numtab_get(&p->nums_out, ci->rev_num) != NULL)
		return -EPROTO;
	co = calloc(1, sizeof(*co));
	if (co == NULL)
		return -ENOMEM;
	co->rights = ci->rights;
	co->max_msg = UINT32_MAX;
	rc = reverse_init(&co->c, &ci->c, ci->rev_num);
	if (rc < 0) {
		lat_chan_reverse_free(&ci->c);
		return rc;
	}
	lat_sendq_init(&co->q, true, co->c.src_pid, co->c.dst_pid, p->engine->sendq_max);
	co->q_init = true;
	(void)lat_sendq_credit(&co->q, LAT_CREDIT_MIN_BYTES);
	co->state = LAT_OUT_OPEN;
	return 0;
}

bool lat_chan_replies_wait(const struct lat_chan_in *ci)
{
	const struct lat_chan_out *co = (const struct lat_chan_out *)ci->c.pair;

	return co != NULL && co->state == LAT_OUT_OPEN && lat_sendq_unacked(&co->q) > 0;
}

/* ---- where they are made ---- */

static void over(struct lat_chan_out *co, struct lat_opencall *call, int err,
		 const struct lat_delivery *reply)
{
	struct lat_engine *e = co->c.peer->engine;
	void *user = call->user;

	lat_opencalls_remove(&co->calls, call);
	e->ops->call_over(e->ctx, user, err, reply);
}

void lat_chan_calls_fail(struct lat_chan_out *co, int err)
{
	while (co->calls.count > 0 && !lat_fault(LAT_FAULT_CALL_LEFT))
		over(co, &co->calls.at[0], err == 0 ? -ESHUTDOWN : err, NULL);
	lat_opencalls_fini(&co->calls);
}

static struct lat_chan_out *find_out(const struct lat_engine *e, uint32_t handle)
{
	struct lat_chan *c = lat_chan_find(e, handle);

	return c != NULL && !c->inbound && !c->reverse ? (struct lat_chan_out *)c : NULL;
}

static uint32_t msg_max(const struct lat_chan_out *co)
{
	const struct lat_peer *p = co->c.peer;
	uint32_t max = p->max_msg != 0 ? p->max_msg : p->engine->max_msg;

	return max < co->max_msg ? max : co->max_msg;
}

/* One message of kind @flags. Without @m it is nothing but the call's head, for which there is always room. As lat_sendq_push(). */
static int push(struct lat_chan_out *co, uint8_t flags, const struct lat_msg_call *call,
		const struct lat_engine_msg *m)
{
	uint8_t before[LAT_CALL_LEN];
	const struct lat_sendq_head head = {
		.flags = flags, .bare = m == NULL, .force = m == NULL, .before = { before, sizeof(before) }
	};
	int rc;

	if (m != NULL &&
	    (m->bytes > msg_max(co) || m->bytes + LAT_PIDS_LEN + LAT_CALL_LEN + TYPE_LEN > msg_max(co)))
		return -EMSGSIZE;
	lat_msg_call_encode(before, call);
	rc = lat_sendq_push_head(&co->q, &head, m == NULL ? 0 : m->type, m == NULL ? NULL : m->data,
				 m == NULL ? 0 : m->bytes, NULL);
	if (rc == 0) {
		co->c.peer->messages_out++;
		co->c.peer->message_bytes_out += m == NULL ? 0 : m->bytes;
		lat_chan_out_update(co);
		lat_peer_touch(co->c.peer);
	}
	return rc;
}

int lat_engine_call(struct lat_engine *e, uint64_t now, uint32_t handle, const struct lat_engine_msg *request,
		    uint32_t deadline_us, void *user, uint64_t *id)
{
	struct lat_chan_out *co = find_out(e, handle);
	struct lat_msg_call call = { .deadline_us = deadline_us };
	int rc;

	if (co == NULL || co->state == LAT_OUT_CLOSING || co->state == LAT_OUT_RESET)
		return -ENOENT;
	e->now = now;
	if (co->state == LAT_OUT_OPENING) {
		co->starved = true;
		return -EAGAIN;
	}
	if (co->rev_num == 0)
		return -EOPNOTSUPP;
	if (co->rights != 0 && (co->rights & LAT_RIGHT_CALL) == 0)
		return -EACCES;
	rc = reverse_in(co);
	if (rc == 0)
		rc = lat_opencalls_reserve(&co->calls);
	if (rc < 0)
		return rc;
	call.call_id = co->calls.last + 1;
	rc = push(co, LAT_MSG_CALL, &call, request);
	if (rc == -EAGAIN || rc == -ENOMEM) {
		co->starved = true;
		return -EAGAIN;
	}
	if (rc < 0)
		return rc;
	*id = lat_opencalls_add(&co->calls, UINT64_MAX, user);
	lat_chan_out_update(co);
	return 0;
}

void lat_engine_call_cancel(struct lat_engine *e, uint64_t now, uint32_t handle, uint64_t id)
{
	struct lat_chan_out *co = find_out(e, handle);
	struct lat_opencall *call = co == NULL ? NULL : lat_opencalls_find(&co->calls, id);

	if (call == NULL)
		return;
	e->now = now;
	if (!lat_fault(LAT_FAULT_DEAF_CANCEL))
		lat_opencalls_remove(&co->calls, call);
	/* Should there be no memory, who answers finds out by the deadline, or by the answer that nobody takes. */
	if (co->state == LAT_OUT_OPEN)
		(void)!push(co, LAT_MSG_CANCEL, &(struct lat_msg_call){ .call_id = id }, NULL);
	lat_chan_out_update(co);
}

int lat_chan_call_replied(struct lat_chan_in *ci, const struct lat_msg_body *m)
{
	struct lat_chan_out *co = (struct lat_chan_out *)ci->c.pair;
	struct lat_peer *p = ci->c.peer;
	struct lat_opencall *call;
	struct lat_delivery d;
	struct lat_msg_call h;

	if (lat_msg_call_decode(&h, m->payload, m->len) < 0 ||
	    (h.code == 0 ? m->len < LAT_CALL_LEN + TYPE_LEN : m->len != LAT_CALL_LEN))
		return -EPROTO;
	call = lat_opencalls_find(&co->calls, h.call_id);
	if (lat_fault(LAT_FAULT_REPLY_OTHER) && call != NULL)
		call = &co->calls.at[0];
	if (call == NULL) {
		lat_peer_count(p, h.call_id == 0 || h.call_id > co->calls.last ? LAT_COUNT_NO_CALL
									       : LAT_COUNT_LATE_REPLY);
		return 0;
	}
	d = (struct lat_delivery){
		.node = p->node,
		.src_pid = m->src_pid,
		.dst_pid = m->dst_pid,
	};
	if (h.code == 0) {
		d.type = (int32_t)lat_get_le32(m->payload + LAT_CALL_LEN);
		d.data = m->payload + LAT_CALL_LEN + TYPE_LEN;
		d.bytes = m->len - LAT_CALL_LEN - TYPE_LEN;
		p->messages_in++;
		p->message_bytes_in += d.bytes;
	}
	over(co, call,
	     h.code == 0 ? 0 : lat_code_to_errno(h.code > UINT16_MAX ? UINT16_MAX : (uint16_t)h.code),
	     h.code == 0 ? &d : NULL);
	lat_chan_out_update(co);
	return 0;
}

/* ---- where they are answered ---- */

int lat_chan_call_due(struct lat_chan_in *ci, const struct lat_msg_body *m, struct lat_delivery *d)
{
	struct lat_msg_call h;
	int rc;

	if (lat_msg_call_decode(&h, m->payload, m->len) < 0 || h.call_id != ci->calls.last + 1 ||
	    m->len < LAT_CALL_LEN + TYPE_LEN)
		return -EPROTO;
	rc = reverse_out(ci);
	if (rc == 0) {
		rc = lat_opencalls_reserve(&ci->calls);
		rc = rc == -ENOBUFS ? -EPROTO : rc; /* it has been told how many there may be */
	}
	if (rc < 0)
		return rc == -ENOMEM ? -ENOBUFS : rc;
	d->call = h.call_id;
	d->call_until_ns = h.deadline_us == 0 ? UINT64_MAX
					      : ci->c.peer->engine->now +
							(uint64_t)h.deadline_us * (LAT_NS_PER_S / 1000000);
	return 0;
}

void lat_chan_call_taken(struct lat_chan_in *ci, const struct lat_delivery *d, int rc)
{
	const struct lat_msg_call why = { .call_id = d->call, .code = lat_code_from_errno(rc) };

	if (rc == 0)
		(void)lat_opencalls_add(&ci->calls, d->call_until_ns, NULL);
	else
		ci->calls.last++;
	if (rc < 0)
		(void)!push((struct lat_chan_out *)ci->c.pair, LAT_MSG_REPLY, &why, NULL);
}

int lat_chan_call_cancelled(struct lat_chan_in *ci, const struct lat_msg_body *m)
{
	struct lat_opencall *call;
	struct lat_msg_call h;

	if (lat_msg_call_decode(&h, m->payload, m->len) < 0 || m->len != LAT_CALL_LEN || h.call_id == 0 ||
	    h.call_id > ci->calls.last)
		return -EPROTO;
	call = lat_opencalls_find(&ci->calls, h.call_id);
	if (call != NULL) /* else it was answered meanwhile */
		lat_opencalls_remove(&ci->calls, call);
	return 0;
}

int lat_engine_call_reply(struct lat_engine *e, uint64_t now, uint32_t handle, uint64_t id,
			  const struct lat_engine_msg *reply)
{
	struct lat_chan *c = lat_chan_find(e, handle);
	struct lat_chan_in *ci = (struct lat_chan_in *)c;
	struct lat_opencall *call;
	int rc = -EALREADY;

	e->now = now;
	if (c == NULL || !c->inbound || c->reverse || ci->state != LAT_IN_OPEN || lat_chan_in_dead(ci)) {
		lat_count(e, LAT_COUNT_LATE_REPLY);
		return -EALREADY;
	}
	if (id == 0 || id > ci->calls.last)
		return -EINVAL;
	call = lat_opencalls_find(&ci->calls, id);
	if (call != NULL && now < call->deadline_ns)
		rc = push((struct lat_chan_out *)c->pair, LAT_MSG_REPLY,
			  &(struct lat_msg_call){ .call_id = id }, reply);
	if (rc == -EALREADY)
		lat_peer_count(c->peer, LAT_COUNT_LATE_REPLY);
	if (call != NULL && (rc == -EALREADY || (rc == 0 && !lat_fault(LAT_FAULT_REPLY_TWICE))))
		lat_opencalls_remove(&ci->calls, call);
	return rc == -ENOMEM ? -EAGAIN : rc;
}

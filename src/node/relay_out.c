/*
 * A member's channel to another node, at the process with the network: taken out of an inbox of its own, sent on.
 *
 * References: the table's, and one of the intake that feeds it. It is over when nothing comes any more (the member has closed it, or is
 * gone) and all that came was sent on; or when the other node has ended it, which ends the member's end by way of the inbox.
 */
#include <errno.h>
#include <stdlib.h>

#include <lattice/channel.h>

#include "fastpath/inbox.h"
#include "node/carried.h"
#include "node/network.h"
#include "node/node.h"
#include "node/pair.h"
#include "node/refusal.h"
#include "node/relay_impl.h"
#include "node/remote.h"
#include "os/watch.h"

enum { TURN_MESSAGES = 64 };

struct lat_relay_out {
	struct lat_relay relay;
	struct lat_outbound_watch watch;
	struct lat_outbound *o;
	struct lat_pair *pair; /* a reference */
	uint32_t chan;
	int32_t src, dst;
	uint32_t node;
	uint64_t bytes; /* counted for the member */
	struct lat_inbox *inbox;
	int fd; /* the inbox's */
	_Atomic(uint32_t) refs;

	/* The thread's. */
	struct lat_inbox_hold hold; /* data NULL: none. It could not be sent on yet */
	struct lat_inbox_info info;
	struct lat_carry *carry; /* what goes with it; NULL: nothing */
	struct lat_relay_asks asks;
	bool watching; /* it has begun to be told of changes */
	bool blocked;  /* the inbox is not watched */
	int told;      /* what the member was told last of the way there; -EAGAIN: nothing */

	/* The relays' lock's. */
	bool left, asked, call;
	uint64_t known;
	int why; /* ended by the other node */
	uint64_t received;
};

static struct lat_relay_out *of_relay(struct lat_relay *relay)
{
	return (struct lat_relay_out *)relay;
}

static void put(struct lat_relay_out *r)
{
	if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	lat_inbox_close(r->inbox);
	lat_pair_put(r->pair);
	free(r);
}

static void drop_hold(struct lat_relay_out *r)
{
	if (r->hold.data != NULL)
		lat_inbox_release(r->inbox, &r->hold);
	r->hold = (struct lat_inbox_hold){ 0 };
	lat_carry_drop(r->carry);
	r->carry = NULL;
}

/* ---- the thread ---- */

/* The next message into hold. 0, or why not. */
static int take(struct lat_relay_out *r)
{
	/* The engine copies it once, whole, and reads nothing in it: it may change meanwhile, as any message may before it is sent. */
	return lat_inbox_take_carry(r->inbox, &r->hold, true, &r->info, &r->carry, 0);
}

static int send_on(struct lat_relay_out *r)
{
	struct lat_cap_right right;
	int rc;

	if (r->info.call != 0 && r->carry == NULL)
		return lat_relay_ask_pass(&r->asks, r->info.call,
					  &(struct lat_engine_msg){ r->info.type, r->hold.data,
								    r->info.len });
	if (r->carry == NULL)
		return lat_outbound_send(r->o, r->info.type, r->hold.data, r->info.len, 0);
	rc = lat_carried_look(r->carry, &right);
	if (rc == 0)
		rc = lat_outbound_send_cap(r->o, r->info.type, r->hold.data, r->info.len, &right, 0);
	lat_wipe(&right, sizeof(right));
	return rc;
}

/* It is over there: whoever still sends is told why. */
static void end(struct lat_relay_out *r, int why, uint64_t received)
{
	pthread_mutex_lock(&r->relay.rs->lock);
	r->why = why;
	r->received = received;
	pthread_mutex_unlock(&r->relay.rs->lock);
	drop_hold(r);
	lat_watch_remove(r->relay.rs->watch, r->fd);
	lat_inbox_shutdown(r->inbox);
}

static void pass_on(struct lat_relay_out *r)
{
	struct lat_relays *rs = r->relay.rs;

	for (int i = 0; i < TURN_MESSAGES; i++) {
		int rc = r->hold.data == NULL ? take(r) : 0;

		if (rc < 0)
			break;
		rc = send_on(r);
		if (rc == -EAGAIN) {
			if (!r->blocked) {
				lat_watch_change(rs->watch, r->fd, false, false, &r->relay);
				lat_relay_count(&rs->full_out, 1);
			}
			r->blocked = true;
			return;
		}
		if (rc == -EMSGSIZE ||
		    rc == -EINVAL) { /* over what its right or its flags allow, as the member knows */
			lat_refusal_sender(rs->node->audit, &r->pair->who, LAT_AUDIT_SEND, r->src, r->dst,
					   r->node, rc);
			end(r, rc, r->received);
		}
		if (rc < 0) /* it has ended, and its turn comes for that */
			return;
		drop_hold(r);
		lat_relay_count(&rs->passed_out, 1);
	}
	if (r->blocked)
		lat_watch_change(rs->watch, r->fd, true, false, &r->relay);
	r->blocked = false;
}

/* What the member is to know of the other node. */
static void tell(struct lat_relay_out *r, const struct lat_outbound_state *st, bool asked, uint64_t known)
{
	struct lat_note n = {
		.kind = LAT_NOTE_CHAN_FAR, .chan = r->chan, .rc = st->rc, .number = st->received
	};

	if (st->rc == -EAGAIN || (st->rc == r->told && (!asked || st->received <= known)))
		return;
	pthread_mutex_lock(&r->relay.rs->lock);
	if (r->known == known)
		r->asked = false; /* before it is told: it may ask again at once */
	pthread_mutex_unlock(&r->relay.rs->lock);
	if (lat_intake_tell(r->pair, r->chan, r, &n))
		r->told = st->rc;
}

/* Its first turn: from now on others name it to the thread. */
static void begin(struct lat_relay_out *r)
{
	int rc = lat_watch_add(r->relay.rs->watch, r->fd, false, &r->relay);

	r->watching = true;
	lat_outbound_watch(r->o, &r->watch);
	if (rc < 0)
		end(r, -ENOBUFS, 0);
}

static void turn(struct lat_relay *relay)
{
	struct lat_relay_out *r = of_relay(relay);
	struct lat_relays *rs = relay->rs;
	struct lat_outbound_state st;
	uint64_t known;
	bool left, asked, call;

	pthread_mutex_lock(&rs->lock);
	left = r->left;
	asked = r->asked;
	known = r->known;
	call = r->call;
	r->call = false;
	pthread_mutex_unlock(&rs->lock);
	if (!r->watching)
		begin(r);
	if (call && r->told != 0) {
		r->told = -EAGAIN;
		lat_outbound_call(r->o);
	}
	lat_outbound_look(r->o, asked ? known : UINT64_MAX, &st);
	if (st.over && r->why == 0) {
		end(r, st.rc == -ESHUTDOWN ? -EPIPE : st.rc, st.received);
	} else if (!st.over && r->why == 0) {
		pthread_mutex_lock(&rs->lock);
		r->received = st.received;
		pthread_mutex_unlock(&rs->lock);
		tell(r, &st, asked, known);
		pass_on(r);
	}
	relay->over = left && r->hold.data == NULL;
}

static void stop(struct lat_relay *relay)
{
	struct lat_relay_out *r = of_relay(relay);
	struct lat_outbound_state st;

	lat_outbound_look(r->o, UINT64_MAX, &st);
	if (r->why == 0)
		end(r, -EPIPE, st.received); /* who ran the network is gone (LAT_FAR_CUT) */
}

static void release(struct lat_relay *relay)
{
	struct lat_relay_out *r = of_relay(relay);
	struct lat_relays *rs = relay->rs;

	lat_watch_remove(rs->watch, r->fd);
	lat_relay_asks_end(&r->asks);
	lat_outbound_close(r->o); /* what was sent on is still delivered */
	lat_inbox_shutdown(r->inbox);
	pthread_mutex_lock(&rs->lock);
	r->pair->relayed -= r->bytes;
	pthread_mutex_unlock(&rs->lock);
	(void)atomic_fetch_sub_explicit(&rs->outs, 1, memory_order_relaxed);
	put(r);
}

/* ---- what others call ---- */

static void changed(struct lat_outbound_watch *w)
{
	struct lat_relay_out *r = (struct lat_relay_out *)((char *)w - offsetof(struct lat_relay_out, watch));

	lat_relay_queue(&r->relay);
}

void lat_relay_start(struct lat_relay_out *r)
{
	if (r != NULL)
		lat_relay_queue(&r->relay);
}

void lat_relay_ask(struct lat_relay_out *r, uint64_t known)
{
	pthread_mutex_lock(&r->relay.rs->lock);
	r->asked = r->call = true;
	r->known = known;
	lat_relay_queue_locked(&r->relay);
	pthread_mutex_unlock(&r->relay.rs->lock);
}

void lat_relay_verdict(struct lat_relay_out *r, struct lat_note *n)
{
	pthread_mutex_lock(&r->relay.rs->lock);
	if (r->why != 0)
		n->rc = r->why;
	n->number = r->received;
	pthread_mutex_unlock(&r->relay.rs->lock);
}

void lat_relay_left(struct lat_relay_out *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->relay.rs->lock);
	r->left = true;
	lat_relay_queue_locked(&r->relay);
	pthread_mutex_unlock(&r->relay.rs->lock);
	put(r);
}

uint32_t lat_relay_node(const struct lat_relay_out *r)
{
	return r->node;
}

struct lat_inbox *lat_relay_inbox(const struct lat_relay_out *r)
{
	return r->inbox;
}

/* Into the table, with what it may hold counted. 0, -ENOBUFS, -ENETUNREACH. */
static int enter(struct lat_relays *rs, struct lat_relay_out *r)
{
	int rc = 0;

	pthread_mutex_lock(&rs->lock);
	if (r->pair->relayed + r->bytes > LAT_RELAY_MEMBER_BYTES) {
		lat_relay_count(&rs->refused, 1);
		rc = -ENOBUFS;
	}
	if (rc == 0)
		rc = lat_relay_enter_locked(rs, &r->relay);
	if (rc == 0)
		r->pair->relayed += r->bytes;
	pthread_mutex_unlock(&rs->lock);
	if (rc == 0)
		lat_relay_count(&rs->outs, 1);
	return rc == -ESHUTDOWN ? -ENETUNREACH : rc;
}

static int prepare(struct lat_relays *rs, struct lat_relay_out *r, const struct lat_note *n)
{
	int rc = lat_inbox_open(&r->inbox);

	if (rc < 0)
		return rc;
	r->fd = lat_inbox_fd(r->inbox);
	if (r->fd < 0)
		return r->fd;
	rc = lat_outbound_open(&r->o, rs->node->network, n->src, n->dst, n->node,
			       lat_outbound_cflags(n->flags), lat_note_has_right(n) ? &n->right : NULL);
	r->asks = (struct lat_relay_asks){ .net = rs->node->network, .o = r->o, .inbox = r->inbox };
	return rc == -EPROTO ? -EACCES : rc;
}

int lat_relay_out_open(struct lat_relay_out **out, struct lat_relays *rs, struct lat_pair *p,
		       const struct lat_note *n)
{
	struct lat_relay_out *r;
	int rc;

	*out = NULL;
	if (rs == NULL)
		return -ENETUNREACH;
	if ((n->flags & ~(uint32_t)LAT_OUTBOUND_FLAGS) != 0)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->relay = (struct lat_relay){ .turn = turn, .stop = stop, .release = release };
	r->watch.changed = changed;
	r->pair = lat_pair_get(p);
	r->chan = n->chan;
	r->src = n->src;
	r->dst = n->dst;
	r->node = n->node;
	r->bytes = ((uint64_t)rs->node->len_max + LAT_MSG_OVERHEAD) * 2;
	r->fd = -1;
	r->told = -EAGAIN;
	atomic_init(&r->refs, 2);
	rc = prepare(rs, r, n);
	if (rc == 0)
		rc = enter(rs, r);
	if (rc == 0) {
		*out = r;
		return 0;
	}
	lat_outbound_close(r->o);
	atomic_store_explicit(&r->refs, 1, memory_order_relaxed); /* nobody else has seen it */
	put(r);
	return rc == -ESHUTDOWN ? -ENETUNREACH : rc;
}

/* Channels to other nodes. All state is guarded by the network's lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fastpath/call.h"
#include "node/network.h"
#include "node/remote.h"
#include "node/stats.h"
#include "os/clock.h"
#include "wire/control.h"

enum state { OPENING, OPEN, ENDED };

/* A call that waits for its reply, on the caller's stack. */
struct asker {
	struct lat_outbound_asked asked; /* first */
	struct lat_call *call;
	struct lat_waitq over_wait;
	bool over;
	int rc;
};

struct lat_outbound {
	struct lat_network *net;
	struct lat_outbound *next;
	struct lat_waitq room;            /* senders and flushers */
	struct lat_outbound_asked *asked; /* all of them */
	uint32_t node, handle;
	int32_t src, dst;
	uint16_t cflags;
	struct lat_cap_right *right; /* NULL: as who this node is. Its key is zeros, and lies in */
	uint8_t *right_key;          /* the arena */
	enum state state;
	bool keep;                        /* opened again when it has ended */
	bool told;                        /* ENDED: that something was lost */
	bool orphan;                      /* the owner let go */
	bool full;                        /* the last send found no room */
	int err;                          /* ENDED: what calls return */
	struct lat_outbound_watch *watch; /* who relays on it; NULL: nobody */
	uint64_t wanted;                  /* acknowledgements above this are told; UINT64_MAX: none */
	uint64_t sent, received;          /* messages and calls */
	uint64_t given_up;                /* how many more only said that a call was */
};

static void forget(struct lat_outbound *o)
{
	struct lat_outbound **at = &o->net->outbound;

	while (*at != NULL && *at != o)
		at = &(*at)->next;
	if (*at != NULL)
		*at = o->next;
	if (o->right_key != NULL)
		o->net->ops.secret_put(o->net, o->right_key);
	free(o->right);
	free(o);
}

/*
 * The machine's reason in the words of lattice_channel_send(). The code behind it is the peer's to choose, so whatever it is, it
 * becomes one of those. -ESHUTDOWN is said of a receiver that closes, also by a node's goodbye; our own is said here.
 */
static int reason(const struct lat_network *net, int err)
{
	switch (err) {
	case -EACCES:
	case -EBUSY:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -EKEYEXPIRED:
	case -EKEYREVOKED:
	case -EMSGSIZE:
	case -ENOBUFS:
	case -ENOKEY:
	case -EOPNOTSUPP:
		return err;
	case -ESHUTDOWN:
		return net->closing ? -ESHUTDOWN : -EOWNERDEAD;
	case 0: /* we closed it */
		return -ESHUTDOWN;
	default:
		return -EPROTO;
	}
}

static void tell(const struct lat_outbound *o)
{
	if (o->watch != NULL)
		o->watch->changed(o->watch);
}

static void forget_call(const struct lat_outbound_asked *a)
{
	struct lat_outbound_asked **at = &a->o->asked;

	while (*at != NULL && *at != a)
		at = &(*at)->next;
	if (*at != NULL)
		*at = a->next;
}

static void call_over(struct lat_outbound_asked *a, int rc, const struct lat_delivery *reply)
{
	forget_call(a);
	a->over(a, rc, reply);
}

static void end(struct lat_outbound *o, int err)
{
	o->state = ENDED;
	o->err = reason(o->net, err);
	while (o->asked != NULL)
		call_over(o->asked, o->err, NULL);
	tell(o);
	lat_waitq_wake(&o->room);
	lat_waitq_wake(&o->net->changed); /* shutdown waits for acknowledgements */
}

uint16_t lat_outbound_cflags(uint32_t flags)
{
	uint16_t cflags = 0;

	if ((flags & LATTICE_CHANNEL_LOSSY) == 0)
		cflags |= LAT_CFLAG_RELIABLE | LAT_CFLAG_REVERSE;
	if ((flags & LATTICE_CHANNEL_TOKEN_FULL) != 0)
		cflags |= LAT_CFLAG_TOKEN_FULL;
	return cflags;
}

/* Inside begin and end. */
static int keep_right(struct lat_outbound *o, const struct lat_cap_right *right)
{
	if (right == NULL)
		return 0;
	o->right = malloc(sizeof(*o->right));
	o->right_key = o->net->ops.secret_get(o->net);
	if (o->right == NULL || o->right_key == NULL)
		return o->right == NULL ? -ENOMEM : -ENOBUFS;
	*o->right = *right;
	lat_wipe(o->right->key, sizeof(o->right->key));
	memcpy(o->right_key, right->key, sizeof(right->key));
	return 0;
}

/* Inside begin and end. */
static int ask(struct lat_outbound *o, uint64_t now)
{
	struct lat_open_want want = { .src_pid = o->src, .dst_pid = o->dst, .cflags = o->cflags };
	struct lat_cap_right right;
	/* -EDESTADDRREQ: who has no address and is not here */
	int rc = lat_engine_peer_connect(o->net->engine, now, o->node);

	if (rc < 0)
		return rc;
	if (o->right != NULL) {
		right = *o->right;
		memcpy(right.key, o->right_key, sizeof(right.key));
		want.right = &right;
	}
	rc = lat_engine_chan_open(o->net->engine, now, o->node, &want, o, &o->handle);
	if (o->right != NULL)
		lat_wipe(right.key, sizeof(right.key));
	return rc;
}

int lat_outbound_open(struct lat_outbound **out, struct lat_network *net, int32_t src, int32_t dst,
		      uint32_t node, uint16_t cflags, const struct lat_cap_right *right)
{
	struct lat_outbound *o = calloc(1, sizeof(*o));
	uint64_t now;
	int rc;

	if (o == NULL)
		return -ENOMEM;
	o->net = net;
	o->node = node;
	o->src = src;
	o->dst = dst;
	o->cflags = cflags;
	o->wanted = UINT64_MAX;
	rc = lat_network_begin(net, &now);
	if (rc < 0) {
		free(o);
		return rc;
	}
	o->next = net->outbound;
	net->outbound = o;
	rc = keep_right(o, right);
	if (rc == 0)
		rc = ask(o, now);
	if (rc < 0)
		forget(o);
	else
		*out = o;
	lat_network_end(net);
	return rc;
}

/* The peer went, or has just come back: opened again, the channel may well work. */
static bool may_pass(int err)
{
	return err == -EOWNERDEAD || err == -ECONNRESET || err == -EHOSTUNREACH;
}

/* Inside begin and end. 0: it is being opened again. */
static int reopen(struct lat_outbound *o, uint64_t now)
{
	int rc;

	if (o->received < o->sent && !o->told) {
		o->told = true;
		return o->err;
	}
	rc = ask(o, now);
	if (rc < 0)
		return rc;
	o->state = OPENING;
	o->err = 0;
	o->told = false;
	o->sent = o->received = o->given_up = 0;
	return 0;
}

/*
 * Sleeps until something changes. 0: look again, or what the call is to return; the reason, when meanwhile the peer turned out not
 * to answer.
 */
static int wait_room(struct lat_outbound *o, uint64_t deadline_ns)
{
	struct lat_engine *e = o->net->engine;
	struct lat_peer_info info;
	int rc;

	if (deadline_ns == 0)
		return -EAGAIN;
	(void)lat_engine_peer_connect(e, lat_network_now(),
				      o->node); /* one that is down is called once more */
	rc = lat_network_wait(o->net, &o->room, deadline_ns);
	if (rc == 0 && lat_engine_peer_info(e, lat_network_now(), o->node, &info) == 0 &&
	    info.state == LAT_PEER_DOWN)
		rc = lat_network_reason(info.err);
	return rc;
}

int lat_outbound_send(struct lat_outbound *o, int32_t type, const void *data, size_t bytes,
		      uint64_t deadline_ns)
{
	return lat_outbound_send_cap(o, type, data, bytes, NULL, deadline_ns);
}

/* To the machine. @right goes with it; NULL: nothing does. */
static int hand_on(struct lat_outbound *o, uint64_t now, int32_t type, const void *data, size_t bytes,
		   const struct lat_cap_right *right, uint64_t *seq)
{
	struct lat_engine *e = o->net->engine;

	return right == NULL ? lat_engine_chan_send(e, now, o->handle, type, data, bytes, seq)
			     : lat_engine_chan_send_cap(e, now, o->handle, right, type, data, bytes, seq);
}

int lat_outbound_send_cap(struct lat_outbound *o, int32_t type, const void *data, size_t bytes,
			  const struct lat_cap_right *right, uint64_t deadline_ns)
{
	uint64_t now, seq = 0;
	bool once = true;
	int rc = lat_network_begin_held(o->net, &now);

	if (rc < 0)
		return rc;
	for (;;) {
		if (o->state == ENDED && o->keep && (once || may_pass(o->err))) {
			once = false;
			rc = reopen(o, now);
			if (rc < 0)
				break;
		}
		rc = o->state == ENDED ? o->err : hand_on(o, now, type, data, bytes, right, &seq);
		if (rc == 0)
			o->sent++;
		o->full = rc == -EAGAIN;
		if (rc != -EAGAIN)
			break;
		rc = wait_room(o, deadline_ns);
		if (rc < 0)
			break;
		now = lat_network_now();
	}
	/* What is sent while nothing is on its way goes at once. */
	if (rc == 0 && lat_engine_chan_unacked(o->net->engine, o->handle) > 1)
		lat_network_end_held(o->net, now, bytes);
	else
		lat_network_end(o->net);
	return rc;
}

/* What is left until @deadline_ns, as a call tells it; 0: more than it can tell, or no end. */
static uint32_t left_us(uint64_t deadline_ns)
{
	uint64_t now = lat_clock_monotonic_ns(),
		 left = deadline_ns > now ? (deadline_ns - now) / (LAT_NS_PER_S / 1000000) : 0;

	if (deadline_ns == UINT64_MAX || left > UINT32_MAX)
		return 0;
	return left == 0 ? 1 : (uint32_t)left;
}

/* Inside begin and end. As lat_engine_call(), and what of the channel follows from it. */
static int make_call(struct lat_outbound *o, uint64_t now, const struct lat_engine_msg *request,
		     uint32_t deadline_us, struct lat_outbound_asked *a)
{
	int rc = o->state == ENDED
			 ? o->err
			 : lat_engine_call(o->net->engine, now, o->handle, request, deadline_us, a, &a->id);

	o->full = rc == -EAGAIN;
	if (rc < 0)
		return rc;
	o->sent++;
	a->o = o;
	a->next = o->asked;
	o->asked = a;
	return 0;
}

int lat_outbound_ask_begin(struct lat_outbound *o, uint64_t now, const struct lat_engine_msg *request,
			   struct lat_outbound_asked *a)
{
	return make_call(o, now, request, 0, a);
}

void lat_outbound_ask_give_up(struct lat_outbound_asked *a)
{
	struct lat_outbound *o = a->o;

	forget_call(a);
	if (o->net->engine == NULL || o->state == ENDED)
		return;
	lat_engine_call_cancel(o->net->engine, lat_network_now(), o->handle, a->id);
	o->given_up = lat_engine_chan_accepted(o->net->engine, o->handle) - o->sent;
}

static void asker_over(struct lat_outbound_asked *asked, int rc, const struct lat_delivery *reply)
{
	struct asker *a = (struct asker *)asked;
	struct lat_call *call = a->call;

	a->over = true;
	a->rc = rc;
	lat_waitq_wake(&a->over_wait);
	if (reply == NULL)
		return;
	call->reply_type = reply->type;
	call->reply_len = (uint32_t)reply->bytes;
	if (reply->bytes > call->cap)
		a->rc = -EMSGSIZE;
	else if (reply->bytes > 0)
		memcpy(call->buf, reply->data, reply->bytes);
}

int lat_outbound_ask(struct lat_outbound *o, struct lat_call *call, uint64_t deadline_ns)
{
	const struct lat_engine_msg request = { call->type, call->data, call->len };
	struct asker a = { .asked.over = asker_over, .call = call };
	uint64_t now;
	int rc = lat_network_begin(o->net, &now);

	if (rc < 0)
		return rc;
	while ((rc = make_call(o, now, &request, left_us(deadline_ns), &a.asked)) == -EAGAIN) {
		rc = wait_room(o, deadline_ns);
		if (rc < 0)
			break;
		now = lat_network_now();
	}
	while (rc == 0 && !a.over)
		rc = lat_network_wait(o->net, &a.over_wait, deadline_ns);
	if (a.asked.o != NULL && !a.over)
		lat_outbound_ask_give_up(&a.asked);
	lat_network_end(o->net);
	return a.over ? a.rc : rc;
}

int lat_outbound_flush(struct lat_outbound *o, uint64_t deadline_ns)
{
	uint64_t now;
	int rc = lat_network_begin(o->net, &now);

	if (rc < 0)
		return rc;
	while (rc == 0 && o->state != ENDED && lat_engine_chan_unacked(o->net->engine, o->handle) > 0)
		rc = wait_room(o, deadline_ns);
	/* What was received meanwhile was, whatever became of the peer. */
	if (o->state == ENDED)
		rc = o->received < o->sent ? o->err : 0;
	else if (rc < 0 && o->net->engine != NULL && lat_engine_chan_unacked(o->net->engine, o->handle) == 0)
		rc = 0;
	lat_network_end(o->net);
	return rc;
}

/* Inside begin and end. */
static uint64_t received(const struct lat_outbound *o)
{
	return o->state == ENDED || o->net->engine == NULL
		       ? o->received
		       : o->sent - lat_engine_chan_unacked(o->net->engine, o->handle);
}

void lat_outbound_watch(struct lat_outbound *o, struct lat_outbound_watch *w)
{
	pthread_mutex_lock(&o->net->lock);
	o->watch = w;
	pthread_mutex_unlock(&o->net->lock);
}

void lat_outbound_look(struct lat_outbound *o, uint64_t wanted, struct lat_outbound_state *out)
{
	struct lat_peer_info info;

	pthread_mutex_lock(&o->net->lock);
	*out = (struct lat_outbound_state){ .received = received(o), .over = o->state == ENDED };
	if (o->state == ENDED)
		out->rc = o->err;
	else if (o->state == OPENING)
		out->rc = -EAGAIN;
	if (o->state == OPENING && o->net->engine != NULL &&
	    lat_engine_peer_info(o->net->engine, lat_network_now(), o->node, &info) == 0 &&
	    info.state == LAT_PEER_DOWN)
		out->rc = lat_network_reason(info.err);
	o->wanted = out->received > wanted ? UINT64_MAX : wanted;
	if (o->wanted != UINT64_MAX)
		o->net->acks_wanted = true;
	pthread_mutex_unlock(&o->net->lock);
}

void lat_outbound_call(struct lat_outbound *o)
{
	uint64_t now;

	if (lat_network_begin(o->net, &now) < 0)
		return;
	if (o->state != ENDED)
		(void)lat_engine_peer_connect(o->net->engine, now, o->node);
	lat_network_end(o->net);
}

void lat_outbound_acked(struct lat_network *net)
{
	bool wanted = false;

	for (const struct lat_outbound *o = net->acks_wanted ? net->outbound : NULL; o != NULL; o = o->next) {
		if (o->watch == NULL || o->wanted == UINT64_MAX)
			continue;
		wanted = true;
		if (received(o) > o->wanted)
			tell(o);
	}
	net->acks_wanted = wanted;
}

void lat_outbound_keep(struct lat_outbound *o)
{
	pthread_mutex_lock(&o->net->lock);
	o->keep = true;
	pthread_mutex_unlock(&o->net->lock);
}

uint64_t lat_outbound_sent(struct lat_outbound *o, uint64_t *received)
{
	uint64_t sent;

	pthread_mutex_lock(&o->net->lock);
	sent = o->sent;
	if (received != NULL && o->state != ENDED && o->net->engine != NULL)
		*received = sent - lat_engine_chan_unacked(o->net->engine, o->handle);
	else if (received != NULL)
		*received = o->received;
	pthread_mutex_unlock(&o->net->lock);
	return sent;
}

void lat_outbound_close(struct lat_outbound *o)
{
	struct lat_network *net;
	uint64_t now;

	if (o == NULL)
		return;
	net = o->net;
	lat_outbound_watch(o, NULL);
	if (lat_network_begin(net, &now) < 0) {
		pthread_mutex_lock(&net->lock);
		forget(o); /* the machine is gone and will not end it */
		pthread_mutex_unlock(&net->lock);
		return;
	}
	if (o->state == ENDED) {
		forget(o);
	} else {
		o->orphan =
			true; /* first: one that has not opened yet ends, and frees itself, within the call */
		if (lat_engine_chan_close(net->engine, now, o->handle) < 0)
			forget(o);
	}
	lat_network_end(net);
}

bool lat_outbound_any_unacked(const struct lat_network *net)
{
	for (const struct lat_outbound *o = net->outbound; o != NULL; o = o->next)
		if (o->state == OPEN && lat_engine_chan_unacked(net->engine, o->handle) > 0)
			return true;
	return false;
}

void lat_outbound_stats(struct lat_network *net, struct lat_stats *s)
{
	uint64_t channels = 0;

	for (const struct lat_outbound *o = net->outbound; o != NULL; o = o->next)
		channels++;
	lat_stats_put(s, "send.remote_channels",
		      "channels to other nodes, closed ones that still deliver too", channels);
}

void lat_outbound_wake(struct lat_network *net, uint32_t node)
{
	for (struct lat_outbound *o = net->outbound; o != NULL; o = o->next)
		if (o->node == node) {
			lat_waitq_wake(&o->room);
			tell(o);
		}
}

void lat_outbound_end_all(struct lat_network *net)
{
	struct lat_outbound *next;

	for (struct lat_outbound *o = net->outbound; o != NULL; o = next) {
		next = o->next;
		if (o->orphan)
			forget(o);
		else if (o->state != ENDED)
			end(o, 0);
	}
}

void lat_outbound_on_opened(void *ctx, void *user)
{
	struct lat_outbound *o = user;

	(void)ctx;
	o->state = OPEN;
	lat_waitq_wake(&o->room);
	tell(o);
}

/* How many of the first @seq were no messages of the program's. Where that is not known, no message counts that may not have come. */
static uint64_t heard_up(const struct lat_outbound *o, uint64_t seq)
{
	return o->given_up < seq ? o->given_up : seq;
}

void lat_outbound_on_ended(void *ctx, void *user, int err, uint64_t last_seq)
{
	struct lat_outbound *o = user;

	(void)ctx;
	o->received = last_seq - heard_up(o, last_seq);
	end(o, err);
	if (o->orphan)
		forget(o);
}

void lat_outbound_on_room(void *ctx, void *user)
{
	struct lat_outbound *o = user;

	(void)ctx;
	lat_waitq_wake(&o->room);
	lat_waitq_wake(&o->net->changed);
	if (o->full || received(o) > o->wanted)
		tell(o);
}

void lat_outbound_on_call_over(void *ctx, void *user, int err, const struct lat_delivery *reply)
{
	call_over(user, reply == NULL ? reason(ctx, err) : 0, reply);
}

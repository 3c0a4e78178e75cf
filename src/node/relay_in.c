/*
 * A channel from another node to a pid of a member's, at the process with the network: the engine hands messages to a lane.
 *
 * Opening it waits for the member (the link, its answer), so it goes stage by stage, each woken by a waiter in the queue of what it waits
 * for. Until it is open, and while the member has no room, the engine keeps the messages and gives no credit.
 */
#include <errno.h>
#include <stdlib.h>

#include "fastpath/sender.h"
#include "node/attach.h"
#include "node/grants.h"
#include "node/lane.h"
#include "node/links.h"
#include "node/network.h"
#include "node/node.h"
#include "node/relay_impl.h"
#include "node/remote.h"
#include "os/watch.h"

enum { TRIES = 64 };

enum stage { STARTING, MEETING, JOINING, ASKED, OPEN };

struct lat_relay_in {
	struct lat_relay relay;
	struct lat_relay_in_config cfg;
	struct lat_waiter waiter;

	/* The thread's. */
	enum stage stage;
	int tries;
	struct lat_note grant; /* kind 0: to be got anew */
	struct lat_attach_call call;
	struct lat_pair *pair;     /* a reference; JOINING and on */
	struct lat_lane *lane;     /* ASKED and on; OPEN: the network's lock, too */
	struct lat_relay_ear *ear; /* OPEN */

	/* The network's lock's. */
	struct lat_inbound *in; /* NULL: the other node sends no more */
	bool open;              /* the lane */
	int room_fd;            /* the lane's, watched; -1: not needed so far */
	bool starving;          /* the engine waits for room */
	int broken;             /* there is no way to wait for room */
};

static struct lat_relay_in *of_relay(struct lat_relay *relay)
{
	return (struct lat_relay_in *)relay;
}

static void woken(struct lat_waiter *w)
{
	struct lat_relay_in *r = (struct lat_relay_in *)((char *)w - offsetof(struct lat_relay_in, waiter));

	lat_relay_queue(&r->relay);
}

static struct lat_attach *attach_of(const struct lat_relay_in *r)
{
	return lat_node_attach(r->relay.rs->node);
}

static bool ended(struct lat_relay_in *r)
{
	struct lat_network *net = r->relay.rs->node->network;
	bool is;

	pthread_mutex_lock(&net->lock);
	is = r->in == NULL;
	pthread_mutex_unlock(&net->lock);
	return is;
}

/* ---- opening, stage by stage: the thread. 1 go on, 0 wait, or why it cannot be ---- */

static void forget_lane(struct lat_relay_in *r)
{
	pthread_mutex_lock(&r->lane->pair->ls->lock);
	lat_waitq_remove(&r->lane->changed, &r->waiter);
	pthread_mutex_unlock(&r->lane->pair->ls->lock);
	lat_lane_close(r->lane);
	r->lane = NULL;
}

/* Others waited to meet somebody, too. */
static void met(struct lat_relay_in *r)
{
	r->stage = STARTING;
	r->relay.rs->meeting = false;
	lat_relay_queue_all(r->relay.rs);
}

/* What is under way of a stage is given up. */
static void retreat(struct lat_relay_in *r)
{
	if (r->stage == MEETING) {
		(void)lat_attach_end(attach_of(r), &r->call, &r->waiter, true);
		met(r);
	}
	if (r->stage == JOINING) {
		pthread_mutex_lock(&r->pair->ls->lock);
		lat_waitq_remove(&r->pair->changed, &r->waiter);
		pthread_mutex_unlock(&r->pair->ls->lock);
	}
	if (r->lane != NULL)
		forget_lane(r);
	if (r->pair != NULL)
		lat_pair_put(r->pair);
	r->pair = NULL;
	r->stage = STARTING;
}

static int again(struct lat_relay_in *r)
{
	retreat(r);
	r->grant.kind = 0;
	return ++r->tries < TRIES ? 1 : -ECONNREFUSED;
}

static int bring(struct lat_relay_in *r)
{
	int rc;

	r->grant = (struct lat_note){ .src = r->cfg.src,
				      .dst = r->cfg.dst,
				      .origin = r->cfg.origin,
				      .life = r->cfg.life,
				      .badge = r->cfg.badge,
				      .rate = r->cfg.rate };
	rc = lat_attach_bring(attach_of(r), &r->grant);
	r->grant.kind = rc == 0 ? LAT_NOTE_GRANT : 0;
	return rc;
}

static int start(struct lat_relay_in *r)
{
	int rc = r->grant.kind == 0 ? bring(r) : 0;

	if (rc < 0)
		return rc;
	r->pair = lat_pair_find(lat_attach_links(attach_of(r)), r->grant.member);
	if (r->pair != NULL) {
		pthread_mutex_lock(&r->pair->ls->lock);
		lat_waitq_add(&r->pair->changed, &r->waiter);
		pthread_mutex_unlock(&r->pair->ls->lock);
		r->stage = JOINING;
		return 1;
	}
	if (r->relay.rs->meeting) /* it may be about the same: two links would be made */
		return 0;
	r->relay.rs->meeting = true;
	r->call.note = (struct lat_note){ .kind = LAT_NOTE_MEET, .member = r->grant.member };
	r->stage = MEETING;
	lat_attach_begin(attach_of(r), &r->call, &r->waiter);
	return 0;
}

static int meet(struct lat_relay_in *r)
{
	if (!lat_attach_end(attach_of(r), &r->call, &r->waiter, false))
		return 0;
	met(r);
	if (r->call.note.rc == 0)
		return ++r->tries < TRIES ? 1 : -ECONNREFUSED;
	return r->call.note.rc == -ECONNREFUSED ? again(r) : r->call.note.rc;
}

static int join(struct lat_relay_in *r)
{
	const struct lat_lane_to to = { .src = r->cfg.src, .dst = r->cfg.dst, .origin = r->cfg.origin };
	const struct lat_link_out_config cfg = {
		.len_max = r->relay.rs->node->len_max,
		.sizes = &r->relay.rs->node->network->inbound_sizes,
	};
	struct lat_lane_grant grant = { .grant = r->grant.grant, .life = r->cfg.life };
	struct lat_pair *p = r->pair;
	enum lat_pair_state state;
	int rc;

	pthread_mutex_lock(&p->ls->lock);
	state = p->state;
	if (state == LAT_PAIR_JOINED)
		lat_waitq_remove(&p->changed, &r->waiter);
	pthread_mutex_unlock(&p->ls->lock);
	if (state != LAT_PAIR_JOINED)
		return state == LAT_PAIR_JOINING ? 0 : again(r);
	r->stage = ASKED;
	rc = grant.life.gen != 0 ? lat_grants_lives(r->relay.rs->node->grants, &grant.lives) : 0;
	if (rc < 0)
		return rc;
	rc = lat_lane_ask(&r->lane, p, &to, &grant, &cfg);
	if (rc < 0)
		return rc == -EAGAIN ? again(r) : rc;
	pthread_mutex_lock(&p->ls->lock);
	lat_waitq_add(&r->lane->changed, &r->waiter);
	pthread_mutex_unlock(&p->ls->lock);
	return 1;
}

static int await(struct lat_relay_in *r)
{
	struct lat_network *net = r->relay.rs->node->network;
	uint64_t now;
	int rc;

	pthread_mutex_lock(&r->pair->ls->lock);
	rc = lat_lane_answer_locked(r->lane);
	pthread_mutex_unlock(&r->pair->ls->lock);
	if (rc == -EINPROGRESS)
		return 0;
	if (rc < 0)
		return rc == -EAGAIN ? again(r) : rc;
	r->stage = OPEN;
	rc = lat_relay_ear_get(&r->ear, r->relay.rs, r->lane);
	if (rc < 0)
		return rc;
	if (lat_network_begin(net, &now) < 0)
		return 1;
	r->open = true;
	if (r->in != NULL)
		lat_inbound_drain(r->in, now);
	lat_network_end(net);
	return 1;
}

/* ---- open ---- */

/* The network's lock is held. */
static void set_starving(struct lat_relay_in *r, bool is)
{
	if (r->starving == is)
		return;
	r->starving = is;
	lat_relay_ear_full(r->ear, is);
	lat_watch_change(r->relay.rs->watch, r->room_fd, is, false, &r->relay);
	if (is)
		lat_relay_count(&r->relay.rs->full_in, 1);
}

/* The same. From now on it is told of room. */
static void hunger(struct lat_relay_in *r)
{
	int rc;

	if (r->room_fd < 0) {
		r->room_fd = lat_sender_room_fd(lat_lane_sender(r->lane));
		rc = r->room_fd < 0 ? r->room_fd
				    : lat_watch_add(r->relay.rs->watch, r->room_fd, false, &r->relay);
		if (rc < 0) {
			r->room_fd = -1;
			r->broken = rc;
			lat_relay_queue(&r->relay);
			return;
		}
	}
	set_starving(r, true);
}

static int pass_in(struct lat_relay_in *r, const struct lat_delivery *msg)
{
	return msg->right != NULL
		       ? lat_lane_send_carry(r->lane, msg->type, msg->data, msg->bytes, msg->right, 0)
		       : lat_lane_send(r->lane, msg->type, msg->data, msg->bytes, 0);
}

int lat_relay_in_deliver(struct lat_relay_in *r, const struct lat_delivery *msg)
{
	int rc;

	if (!r->open)
		return -EAGAIN;
	lat_sender_set_lost(lat_lane_sender(r->lane), msg->lost);
	rc = pass_in(r, msg);
	if (rc == -EAGAIN) {
		hunger(r);
		rc = pass_in(r, msg); /* which makes the descriptor true */
	}
	if (rc == 0)
		lat_relay_count(&r->relay.rs->passed_in, 1);
	return rc == 0 ? 0 : -EAGAIN; /* other errors: it is gone, and the refusal on its way */
}

static void feed(struct lat_relay_in *r)
{
	struct lat_network *net = r->relay.rs->node->network;
	uint64_t now;

	if (lat_network_begin(net, &now) < 0)
		return;
	if (r->starving) {
		set_starving(r, false);
		if (r->in != NULL)
			lat_inbound_drain(r->in, now);
	}
	lat_network_end(net);
}

/* Messages go to the member until it or the other node has ended it. 0, or why it is over: -ESHUTDOWN the member's end is gone. */
static int serve(struct lat_relay_in *r)
{
	bool gone;
	int rc;

	pthread_mutex_lock(&r->pair->ls->lock);
	gone = r->lane->gone;
	pthread_mutex_unlock(&r->pair->ls->lock);
	if (gone)
		return -ESHUTDOWN;
	pthread_mutex_lock(&r->relay.rs->node->network->lock);
	rc = r->broken;
	pthread_mutex_unlock(&r->relay.rs->node->network->lock);
	if (rc < 0)
		return rc;
	feed(r);
	if (ended(r))
		lat_lane_finish(r->lane); /* over when the member has taken all */
	return 0;
}

/* ---- turns ---- */

static enum lat_code code_of(int why)
{
	switch (why) {
	case -ESHUTDOWN:
		return LAT_CODE_ESHUTDOWN;
	case -ECONNREFUSED:
	case -EACCES:
	case -EPROTO:
		return LAT_CODE_ECONNREFUSED;
	default:
		return LAT_CODE_ENOBUFS;
	}
}

static void finish(struct lat_relay_in *r, int why)
{
	struct lat_network *net = r->relay.rs->node->network;
	uint64_t now;

	if (lat_network_begin(net, &now) == 0) {
		set_starving(r, false);
		if (r->in != NULL)
			lat_inbound_refuse(r->in, now, code_of(why));
		r->in = NULL;
		r->open = false;
		lat_network_end(net);
	} else {
		set_starving(r, false); /* the network is shut down: nobody else is at it */
	}
	lat_relay_ear_put(r->ear);
	r->ear = NULL;
	if (r->room_fd >= 0)
		lat_watch_remove(r->relay.rs->watch, r->room_fd);
	r->room_fd = -1;
	retreat(r);
	r->relay.over = true;
}

static void turn(struct lat_relay *relay)
{
	static int (*const stages[])(struct lat_relay_in * r) = {
		[STARTING] = start, [MEETING] = meet, [JOINING] = join, [ASKED] = await, [OPEN] = serve,
	};
	struct lat_relay_in *r = of_relay(relay);
	int rc = r->stage != OPEN && ended(r) ? -ESHUTDOWN : 1;

	while (rc == 1)
		rc = stages[r->stage](r);
	if (rc < 0)
		finish(r, rc);
}

static void stop(struct lat_relay *relay)
{
	finish(of_relay(relay), -ESHUTDOWN);
}

static void release(struct lat_relay *relay)
{
	struct lat_relay_in *r = of_relay(relay);

	(void)atomic_fetch_sub_explicit(&relay->rs->ins, 1, memory_order_relaxed);
	r->cfg.freed(r->cfg.user);
	free(r);
}

/* ---- what the inbound calls: the network's lock is held ---- */

int lat_relay_in_open(struct lat_relay_in **out, struct lat_relays *rs, const struct lat_relay_in_config *cfg)
{
	struct lat_relay_in *r = calloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	if (r == NULL)
		return -ENOMEM;
	r->relay = (struct lat_relay){ .rs = rs, .turn = turn, .stop = stop, .release = release };
	r->cfg = *cfg;
	r->in = cfg->in;
	r->waiter.wake = woken;
	r->room_fd = -1;
	rc = bring(r);
	if (rc == 0) {
		pthread_mutex_lock(&rs->lock);
		rc = lat_relay_enter_locked(rs, &r->relay);
		if (rc == 0)
			lat_relay_queue_locked(&r->relay);
		pthread_mutex_unlock(&rs->lock);
	}
	if (rc < 0) {
		free(r);
		return rc == -ESHUTDOWN ? -ECONNREFUSED : rc;
	}
	lat_relay_count(&rs->ins, 1);
	*out = r;
	return 0;
}

uint64_t lat_relay_in_received(const struct lat_relay_in *r)
{
	uint64_t received = 0;

	if (r->open)
		(void)lat_lane_sent(r->lane, &received); /* its end's word, if that has come */
	return received;
}

void lat_relay_in_end(struct lat_relay_in *r)
{
	r->in = NULL;
	lat_relay_queue(&r->relay);
}

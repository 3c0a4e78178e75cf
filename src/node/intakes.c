/*
 * Intakes: the receiving ends of channels from other members.
 *
 * What ends one (its sender's CLOSE, the inbox, the link's death) is told by gone, on any thread. References: one until gone, and one of
 * the attach thread while it is at work on it. The last one frees the end, and only then is the other told, because its number
 * may be used again at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "node/carried.h"
#include "node/endpoint.h"
#include "node/lives.h"
#include "node/node.h"
#include "node/pair.h"
#include "node/refusal.h"
#include "node/relay.h"

struct lat_intake {
	struct lat_pair *pair; /* a reference */
	struct lat_link_in *in;
	struct lat_relay_out *relay; /* it leads on to another node; NULL: to an endpoint. A reference */
	uint32_t chan;
	uint64_t grant;
	int32_t src, dst;
	uint32_t badge;
	struct lat_cap_ref life; /* of the right that it was opened by */
	struct lat_lives *lives; /* the page of that; NULL: it needs none. A reference */
	struct lat_intake *next; /* of those to be ended */

	/* The lock's. */
	uint32_t refs;
	bool over;   /* gone was called */
	bool closed; /* CLOSE came */
	int why;
	UT_hash_handle hh;
};

/* The lock is held, and released. */
static void put_locked(struct lat_intake *in)
{
	struct lat_note n = { .kind = LAT_NOTE_CHAN_GONE, .chan = in->chan };
	struct lat_pair *p = in->pair;

	if (--in->refs > 0) {
		pthread_mutex_unlock(&p->ls->lock);
		return;
	}
	pthread_mutex_unlock(&p->ls->lock);
	n.rc = in->why == -ESHUTDOWN ? -EPIPE : in->why;
	n.number = lat_link_in_received(in->in);
	if (in->relay != NULL)
		lat_relay_verdict(in->relay, &n);
	(void)lat_link_in_close(in->in);
	pthread_mutex_lock(&p->ls->lock);
	HASH_DEL(p->intakes, in); /* before the other opens that number again */
	lat_pair_tell(p, &n);
	pthread_mutex_unlock(&p->ls->lock);
	lat_relay_left(in->relay);
	(void)atomic_fetch_sub_explicit(&p->ls->intakes, 1, memory_order_relaxed);
	lat_lives_put(in->lives);
	lat_pair_put(p);
	free(in);
}

static void on_gone(void *user, int why)
{
	struct lat_intake *in = user;

	/* Its library would not have sent it. */
	if (why == -EMSGSIZE || why == -EACCES || why == -EPROTO)
		lat_refusal_sender(in->pair->ls->node->audit, &in->pair->who, LAT_AUDIT_SEND, in->src,
				   in->dst, in->relay != NULL ? lat_relay_node(in->relay) : 0, why);
	pthread_mutex_lock(&in->pair->ls->lock);
	in->over = true;
	in->why = why;
	put_locked(in);
}

static struct lat_intake *find_locked(const struct lat_pair *p, uint32_t chan)
{
	struct lat_intake *in;

	HASH_FIND(hh, p->intakes, &chan, sizeof(chan), in);
	return in;
}

bool lat_intake_exists(struct lat_pair *p, uint32_t chan)
{
	bool is;

	pthread_mutex_lock(&p->ls->lock);
	is = find_locked(p, chan) != NULL;
	pthread_mutex_unlock(&p->ls->lock);
	return is;
}

static void refuse(struct lat_pair *p, uint32_t chan, int rc)
{
	lat_pair_tell(p, &(struct lat_note){ .kind = LAT_NOTE_CHAN_REFUSE, .chan = chan, .rc = rc });
}

/* Into the pair's table, with references for gone and for the caller. */
static int enter(struct lat_intake *in)
{
	struct lat_links *ls = in->pair->ls;
	int rc;

	pthread_mutex_lock(&ls->lock);
	HASH_ADD(hh, in->pair->intakes, chan, sizeof(in->chan), in);
	rc = in->hh.tbl != NULL ? 0 : -ENOMEM;
	pthread_mutex_unlock(&ls->lock);
	in->refs = 2;
	return rc;
}

/* It never came to be. */
static void drop(struct lat_intake *in, bool entered)
{
	struct lat_links *ls = in->pair->ls;

	if (entered) {
		pthread_mutex_lock(&ls->lock);
		HASH_DEL(in->pair->intakes, in);
		pthread_mutex_unlock(&ls->lock);
	}
	(void)atomic_fetch_sub_explicit(&ls->intakes, 1, memory_order_relaxed);
	lat_relay_left(in->relay);
	lat_lives_put(in->lives);
	lat_pair_put(in->pair);
	free(in);
}

/* @relay's reference goes with the intake. */
static int open_into(struct lat_pair *p, const struct lat_note *granted, uint32_t chan,
		     struct lat_inbox *inbox, struct lat_relay_out *relay)
{
	struct lat_intake *in = calloc(1, sizeof(*in));
	struct lat_link_in_config cfg = {
		.from = { .pid = granted->src, .node = granted->origin, .badge = granted->badge },
		.user = in,
		.gone = on_gone,
		.len_max = (uint32_t)granted->number,
	};
	int rc;

	if (in == NULL) {
		lat_relay_left(relay);
		return -ENOMEM;
	}
	in->relay = relay;
	in->pair = lat_pair_get(p);
	in->chan = chan;
	in->grant = granted->grant;
	in->src = granted->src;
	in->dst = granted->dst;
	in->badge = granted->badge;
	in->life = granted->life;
	if (in->life.gen != 0)
		in->lives = lat_attach_lives(p->ls->attach);
	cfg.life = lat_lives_of(in->lives, in->life);
	cfg.no_calls = granted->rights != 0 && (granted->rights & LAT_RIGHT_CALL) == 0;
	cfg.only_calls = granted->rights != 0 && (granted->rights & LAT_RIGHT_SEND) == 0;
	(void)atomic_fetch_add_explicit(&p->ls->intakes, 1, memory_order_relaxed);
	rc = enter(in);
	if (rc < 0) {
		drop(in, false);
		return rc;
	}
	rc = lat_link_in_open(&in->in, p->link, chan, inbox, &cfg);
	if (rc < 0) {
		drop(in, true);
		return rc;
	}
	pthread_mutex_lock(&p->ls->lock);
	lat_pair_tell(p, &(struct lat_note){ .kind = LAT_NOTE_CHAN_ACCEPT, .chan = chan });
	lat_relay_start(relay);
	put_locked(in); /* if it is gone already, the other is told after this */
	return 0;
}

/* One that leads on to another node. */
static int open_relay(struct lat_pair *p, const struct lat_note *n, const struct lat_note *granted)
{
	struct lat_relay_out *relay;
	int rc = lat_relay_out_open(&relay, p->ls->node->relays, p, n);

	if (rc == 0)
		return open_into(p, granted, n->chan, lat_relay_inbox(relay), relay);
	refuse(p, n->chan, rc);
	return 0;
}

static int open_endpoint(struct lat_pair *p, const struct lat_note *n, const struct lat_note *granted)
{
	struct lattice_endpoint *ep = lat_endpoint_find(p->ls->node, n->dst);
	int rc = ep != NULL ? open_into(p, granted, n->chan, ep->inbox, NULL) : -ESHUTDOWN;

	if (ep != NULL)
		lat_endpoint_put(ep);
	return rc;
}

int lat_intake_open(struct lat_pair *p, const struct lat_note *n, const struct lat_note *granted)
{
	int rc = n->node != 0 ? open_relay(p, n, granted) : open_endpoint(p, n, granted);

	switch (rc) {
	case 0:
		return 0;
	case -EPROTO:
	case -ENOTCONN:
		return -EPROTO;
	case -ESHUTDOWN: /* the endpoint was closed since it was granted */
		refuse(p, n->chan, -ECONNREFUSED);
		return 0;
	default:
		refuse(p, n->chan, rc == -EOWNERDEAD ? -ECONNREFUSED : -ENOBUFS);
		return 0;
	}
}

/* One that is not there has ended by itself, and GONE is on its way. */
int lat_intake_close(struct lat_pair *p, const struct lat_note *n)
{
	struct lat_intake *in;

	pthread_mutex_lock(&p->ls->lock);
	in = find_locked(p, n->chan);
	if (in == NULL || in->refs == 0 || in->over) {
		pthread_mutex_unlock(&p->ls->lock);
		return 0;
	}
	if (in->closed) {
		pthread_mutex_unlock(&p->ls->lock);
		return -EPROTO;
	}
	in->closed = true;
	in->refs++;
	pthread_mutex_unlock(&p->ls->lock);
	lat_link_in_end(in->in);
	pthread_mutex_lock(&p->ls->lock);
	put_locked(in);
	return 0;
}

/* ---- lives ---- */

/* One more of those to be ended, with a reference. The lock is held. */
static struct lat_intake *end_locked(struct lat_intake *in, struct lat_intake *list)
{
	if (in->refs == 0 || in->over)
		return list;
	in->refs++;
	in->next = list;
	return in;
}

struct lat_intake *lat_intakes_of_life_locked(struct lat_pair *p, struct lat_cap_ref life,
					      struct lat_intake *list)
{
	struct lat_intake *in, *next;

	HASH_ITER(hh, p->intakes, in, next)
		if (in->life.slot == life.slot && in->life.gen == life.gen)
			list = end_locked(in, list);
	return list;
}

struct lat_intake *lat_intakes_unrenewed_locked(struct lat_pair *p, const struct lat_lives *lives,
						struct lat_intake *list)
{
	struct lat_intake *in, *next;

	HASH_ITER(hh, p->intakes, in, next)
		if (in->life.gen != 0 && in->lives != lives)
			list = end_locked(in, list);
	return list;
}

/* It has a life of @lives from now on, unless its own has ended. The lock is held. */
static void renew_locked(struct lat_intake *in, struct lat_cap_ref life, struct lat_lives *lives)
{
	struct lat_lives *old = in->lives;

	if (!lat_link_in_set_life(in->in, lat_lives_of(lives, life)))
		return;
	in->life = life;
	in->lives = life.gen != 0 && lives != NULL ? lat_lives_get(lives) : NULL;
	lat_lives_put(old);
}

struct lat_intake *lat_intake_renewed_locked(struct lat_pair *p, const struct lat_note *n,
					     struct lat_lives *lives, struct lat_intake *list)
{
	struct lat_intake *in, *next;

	HASH_ITER(hh, p->intakes, in, next) {
		if (in->grant != n->grant || in->life.gen == 0 || in->refs == 0 || in->over)
			continue;
		if (in->src != n->src || in->dst != n->dst || in->lives == lives)
			continue; /* judged for another channel, or by nobody new */
		if (n->rc < 0)
			list = end_locked(in, list);
		else if (in->badge == n->badge)
			renew_locked(in, n->life, lives);
	}
	return list;
}

void lat_intakes_end(struct lat_intake *list)
{
	struct lat_intake *in;

	while ((in = list) != NULL) {
		list = in->next;
		lat_link_in_revoke(in->in);
		pthread_mutex_lock(&in->pair->ls->lock);
		put_locked(in);
	}
}

/* One that is not there has ended by itself. */
int lat_intake_carry(struct lat_pair *p, const struct lat_note *n)
{
	struct lat_cap_desc allows;
	struct lat_intake *in;
	struct lat_carry *c;
	int rc;

	if (lat_cap_right_allows(&n->right, &allows) < 0)
		return -EPROTO;
	rc = lat_carried_make(&c, &n->right);
	if (rc < 0) /* without it the message would wait for ever */
		return rc;
	c->seq = n->number;
	pthread_mutex_lock(&p->ls->lock);
	in = find_locked(p, n->chan);
	if (in == NULL || in->refs == 0 || in->over) {
		pthread_mutex_unlock(&p->ls->lock);
		lat_carry_drop(c);
		return 0;
	}
	in->refs++;
	pthread_mutex_unlock(&p->ls->lock);
	lat_link_in_carry(in->in, c);
	pthread_mutex_lock(&p->ls->lock);
	put_locked(in);
	return 0;
}

int lat_intake_ask(struct lat_pair *p, const struct lat_note *n)
{
	const struct lat_intake *in;
	int rc = 0;

	pthread_mutex_lock(&p->ls->lock);
	in = find_locked(p, n->chan);
	if (in != NULL && in->relay == NULL)
		rc = -EPROTO;
	else if (in != NULL)
		lat_relay_ask(in->relay, n->number);
	pthread_mutex_unlock(&p->ls->lock);
	return rc;
}

bool lat_intake_tell(struct lat_pair *p, uint32_t chan, const struct lat_relay_out *relay, struct lat_note *n)
{
	const struct lat_intake *in;
	bool is;

	pthread_mutex_lock(&p->ls->lock);
	in = find_locked(p, chan); /* its number may be another's by now */
	is = in != NULL && in->relay == relay && in->refs > 0;
	if (is)
		lat_pair_tell(p, n);
	pthread_mutex_unlock(&p->ls->lock);
	return is;
}

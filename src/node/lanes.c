/*
 * Lanes: the sending ends of channels to other members.
 *
 * The other has heard of a lane that is in its pair's table. Such a one is freed by the attach thread, once the other says that its
 * end is gone too, or the pair is dead; unless its owner still has it, who frees it then.
 */
#include <errno.h>
#include <stdlib.h>

#include "fastpath/link_calls.h"
#include "fastpath/sender.h"
#include "node/carried.h"
#include "node/channel_right.h"
#include "node/explain.h"
#include "node/far.h"
#include "node/lane.h"
#include "node/lives.h"
#include "node/pair.h"
#include "os/clock.h"

enum { TRIES = 16 };

static void lane_free(struct lat_lane *lane)
{
	(void)atomic_fetch_sub_explicit(&lane->pair->ls->lanes, 1, memory_order_relaxed);
	lat_link_out_close(lane->out);
	lat_lives_put(lane->lives);
	lat_pair_put(lane->pair);
	free(lane);
}

/* The lock is held. */
static struct lat_lane *find_locked(const struct lat_pair *p, uint32_t chan)
{
	struct lat_lane *lane;

	HASH_FIND(hh, p->lanes, &chan, sizeof(chan), lane);
	return lane;
}

/* Out of the table. true: nobody has it, it is the caller's to free. The lock is held. */
static bool leave_locked(struct lat_lane *lane)
{
	HASH_DEL(lane->pair->lanes, lane);
	lane->gone = true;
	lat_waitq_wake(&lane->changed);
	return !lane->owned;
}

/* ---- what the other says: the attach thread ---- */

int lat_lane_accepted(struct lat_pair *p, const struct lat_note *n)
{
	struct lat_lane *lane;

	pthread_mutex_lock(&p->ls->lock);
	lane = find_locked(p, n->chan);
	if (lane == NULL || lane->state != LANE_ASKED) {
		pthread_mutex_unlock(&p->ls->lock);
		return -EPROTO;
	}
	pthread_mutex_unlock(&p->ls->lock);
	lat_link_out_accept(lane->out); /* only this thread frees it */
	pthread_mutex_lock(&p->ls->lock);
	lane->state = LANE_OPEN;
	if (lane->owned) {
		lat_waitq_wake(&lane->changed);
		pthread_mutex_unlock(&p->ls->lock);
		return 0;
	}
	pthread_mutex_unlock(&p->ls->lock); /* who asked has given up */
	lat_link_out_end(lane->out, 0);
	lat_pair_tell(p, &(struct lat_note){ .kind = LAT_NOTE_CHAN_CLOSE, .chan = n->chan });
	return 0;
}

/* Why it was refused: another process says it, and may say anything. What the public header names, or to be tried again. */
static int refusal(const struct lat_lane *lane, int rc)
{
	switch (rc) {
	case -EAGAIN:
	case -EACCES:
	case -EKEYREVOKED:
	case -ENOBUFS:
	case -ENOMEM:
		return rc;
	case -EDESTADDRREQ:
	case -EINVAL:
	case -ENETUNREACH:
	case -ENOKEY:
		return lane->far ? rc : -ECONNREFUSED;
	default:
		return -ECONNREFUSED;
	}
}

int lat_lane_refused(struct lat_pair *p, const struct lat_note *n)
{
	struct lat_lane *lane;
	bool ours;

	pthread_mutex_lock(&p->ls->lock);
	lane = find_locked(p, n->chan);
	if (lane == NULL || lane->state != LANE_ASKED) {
		pthread_mutex_unlock(&p->ls->lock);
		return -EPROTO;
	}
	lane->state = LANE_REFUSED;
	lane->rc = refusal(lane, n->rc);
	ours = leave_locked(lane);
	pthread_mutex_unlock(&p->ls->lock);
	if (ours)
		lane_free(lane);
	return 0;
}

/* What senders are told: of all errors there are, those that the public header names. */
static int reason(const struct lat_lane *lane, int rc)
{
	switch (rc) {
	case -EBUSY:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -EKEYEXPIRED:
	case -ENOBUFS:
	case -ENOKEY:
		return lane->far ? rc : -EPIPE;
	case -EACCES:
	case -EMSGSIZE:
	case -EPROTO:
	case -EKEYREVOKED:
	case -EOWNERDEAD:
		return rc;
	default:
		return -EPIPE;
	}
}

int lat_lane_gone(struct lat_pair *p, const struct lat_note *n)
{
	struct lat_lane *lane;
	bool ours;

	pthread_mutex_lock(&p->ls->lock);
	lane = find_locked(p, n->chan);
	pthread_mutex_unlock(&p->ls->lock);
	if (lane == NULL || lane->state != LANE_OPEN) /* only this thread changes it */
		return -EPROTO;
	atomic_store_explicit(&lane->received, n->number < UINT64_MAX ? n->number + 1 : n->number,
			      memory_order_release);
	lat_link_out_end(lane->out, reason(lane, n->rc));
	pthread_mutex_lock(&p->ls->lock);
	ours = leave_locked(lane);
	pthread_mutex_unlock(&p->ls->lock);
	if (ours)
		lane_free(lane);
	return 0;
}

void lat_lanes_end(struct lat_pair *p)
{
	struct lat_lane *lane, *next, *free_list = NULL;

	pthread_mutex_lock(&p->ls->lock);
	HASH_ITER(hh, p->lanes, lane, next) {
		if (leave_locked(lane)) {
			lane->hh.next = free_list;
			free_list = lane;
		}
	}
	pthread_mutex_unlock(&p->ls->lock);
	while ((lane = free_list) != NULL) {
		free_list = lane->hh.next;
		lane_free(lane);
	}
}

/* ---- opening ---- */

/* Into the table, and the other is asked. 0, or -EAGAIN: the pair is dead. */
static int ask_locked(struct lat_lane *lane, struct lat_note *n)
{
	struct lat_pair *p = lane->pair;

	if (p->state == LAT_PAIR_DEAD)
		return -EAGAIN;
	HASH_ADD(hh, p->lanes, chan, sizeof(lane->chan), lane);
	if (lane->hh.tbl == NULL)
		return -ENOMEM;
	lane->owned = true;
	lane->gone = false;
	lat_pair_tell(p, n);
	return 0;
}

int lat_lane_ask(struct lat_lane **out, struct lat_pair *p, const struct lat_lane_to *to,
		 const struct lat_lane_grant *grant, const struct lat_link_out_config *cfg)
{
	struct lat_link_out_config with_life = *cfg;
	struct lat_note n = { .kind = LAT_NOTE_CHAN_OPEN,
			      .grant = grant->grant,
			      .src = to->src,
			      .dst = to->dst,
			      .node = to->node,
			      .origin = to->origin,
			      .flags = to->flags,
			      .number = cfg->len_max };
	struct lat_lane *lane = calloc(1, sizeof(*lane));
	int rc;

	*out = NULL;
	if (lane == NULL)
		return -ENOMEM;
	lane->pair = lat_pair_get(p);
	lane->far = to->node != 0;
	lane->grant = grant->grant;
	lane->life = grant->life;
	lane->rights = grant->rights;
	lane->lives = grant->lives != NULL ? lat_lives_get(grant->lives) : NULL;
	with_life.life = lat_lives_of(grant->lives, grant->life);
	(void)atomic_fetch_add_explicit(&p->ls->lanes, 1, memory_order_relaxed);
	rc = lat_link_out_open(&lane->out, p->link, &with_life);
	if (rc < 0) {
		lane_free(lane);
		return rc == -ENOBUFS || rc == -ENOMEM ? rc : -EAGAIN;
	}
	lane->chan = n.chan = lat_link_out_chan(lane->out);
	if (lane->far && to->right != NULL)
		n.right = *to->right;
	pthread_mutex_lock(&p->ls->lock);
	rc = ask_locked(lane, &n);
	pthread_mutex_unlock(&p->ls->lock);
	lat_wipe(&n.right, sizeof(n.right));
	if (rc < 0)
		lane_free(lane);
	else
		*out = lane;
	return rc;
}

int lat_lane_answer_locked(const struct lat_lane *lane)
{
	if (lane->gone) /* refused, the pair is dead, or it was accepted and is over already */
		return lane->state == LANE_REFUSED ? lane->rc : -EAGAIN;
	return lane->state == LANE_OPEN ? 0 : -EINPROGRESS;
}

/* Asks for the channel that the host has granted. 0, -EAGAIN (try again from the beginning), or why not. */
static int lane_over(struct lat_lane **out, struct lat_pair *p, const struct lat_lane_to *to,
		     const struct lat_lane_grant *grant, const struct lat_link_out_config *cfg,
		     uint64_t deadline_ns)
{
	struct lat_lane *lane;
	int answer, rc = lat_lane_ask(&lane, p, to, grant, cfg);
	bool gone;

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&p->ls->lock);
	while ((answer = lat_lane_answer_locked(lane)) == -EINPROGRESS && rc == 0)
		rc = lat_waitq_wait(&lane->changed, &p->ls->lock, deadline_ns);
	if (answer == 0) {
		pthread_mutex_unlock(&p->ls->lock);
		*out = lane;
		return 0;
	}
	if (answer != -EINPROGRESS)
		rc = answer;
	lane->owned = false;
	gone = lane->gone; /* else it gave up: what the other says later is the attach thread's */
	pthread_mutex_unlock(&p->ls->lock);
	if (gone)
		lane_free(lane);
	return rc;
}

static int try_open(struct lat_lane **out, struct lat_links *ls, const struct lat_lane_to *to,
		    struct lat_link_out_config cfg, uint64_t deadline_ns)
{
	struct lat_note ask = { .kind = LAT_NOTE_OPEN, .src = to->src, .dst = to->dst, .node = to->node };
	struct lat_lane_grant grant = { 0 };
	struct lat_pair *p;
	int rc;

	if (to->right != NULL && to->node == 0) /* another node's is for who relays to it */
		ask.right = *to->right;
	rc = lat_attach_ask_open(ls->attach, &ask, &grant.lives, deadline_ns);
	lat_wipe(&ask.right, sizeof(ask.right));
	if (rc == 0)
		rc = ask.rc;
	if (rc == 0 && ask.number != 0 && cfg.len_max > ask.number)
		cfg.len_max = (uint32_t)ask.number;
	if (rc == 0)
		rc = lat_pair_with(&p, ls, ask.member, deadline_ns);
	if (rc == 0) {
		grant.grant = ask.grant;
		grant.life = ask.life;
		grant.rights = ask.rights;
		rc = lane_over(out, p, to, &grant, &cfg, deadline_ns);
		lat_pair_put(p);
	}
	lat_lives_put(grant.lives);
	return rc;
}

int lat_lane_try(struct lat_lane **out, struct lat_links *ls, const struct lat_lane_to *to,
		 const struct lat_link_out_config *cfg)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), LAT_ATTACH_PATIENCE_NS);
	int rc = -EAGAIN;

	*out = NULL;
	for (int i = 0; i < TRIES && rc == -EAGAIN; i++)
		rc = try_open(out, ls, to, *cfg, deadline);
	return rc;
}

int lat_lane_open(struct lat_lane **out, struct lat_links *ls, int32_t src, int32_t dst,
		  const struct lat_cap_right *right, const struct lat_link_out_config *cfg)
{
	int rc = lat_lane_try(out, ls, &(struct lat_lane_to){ .src = src, .dst = dst, .right = right }, cfg);

	switch (rc) {
	case -EAGAIN:
		return lat_why(
			NULL, -ECONNREFUSED,
			"the process that receives as pid %d hangs up: it ends, or has too many open files",
			dst);
	case -ECONNREFUSED:
		return lat_why(NULL, -ECONNREFUSED,
			       "nobody receives as pid %d on this machine: open its endpoint first", dst);
	case -EKEYREVOKED:
	case -EKEYEXPIRED:
		return lat_channel_right_why(NULL, rc, src, dst);
	case -EACCES:
		if (right != NULL)
			return lat_channel_right_why(NULL, rc, src, dst);
		return lat_why(
			NULL, rc,
			"this user may not send to pid %d, unless a line of the node's policy allows it; or not as "
			"pid %d, which is another's",
			dst, src);
	case -ENOBUFS:
		return lat_why(NULL, rc, "there are too many channels to the process that receives as pid %d",
			       dst);
	case -ETIMEDOUT:
		return lat_why(
			NULL, rc,
			"the process that receives as pid %d, or the one that hosts the node, does not "
			"answer: is it stopped?",
			dst);
	case -ESHUTDOWN:
		return lat_why(NULL, rc, "the node was closed");
	default:
		return rc;
	}
}

/* ---- lives ---- */

void lat_lanes_revoked_locked(struct lat_pair *p, struct lat_cap_ref life)
{
	struct lat_lane *lane, *next;

	HASH_ITER(hh, p->lanes, lane, next)
		if (lane->state == LANE_OPEN && lane->life.slot == life.slot && lane->life.gen == life.gen)
			lat_sender_room(lat_link_out_sender(lane->out));
}

void lat_lane_renewed_locked(struct lat_pair *p, const struct lat_note *n, struct lat_lives *lives)
{
	struct lat_lane *lane, *next;

	HASH_ITER(hh, p->lanes, lane, next) {
		struct lat_lives *old = lane->lives;

		if (lane->state != LANE_OPEN || lane->grant != n->grant || lane->life.gen == 0 || n->rc < 0 ||
		    !lat_sender_set_life(lat_link_out_sender(lane->out), lat_lives_of(lives, n->life)))
			continue;
		lane->life = n->life;
		lane->lives = n->life.gen != 0 && lives != NULL ? lat_lives_get(lives) : NULL;
		lat_lives_put(old);
	}
}

void lat_lane_renew(struct lat_lane *lane, struct lat_note *n)
{
	struct lat_links *ls = lane->pair->ls;
	bool needs;

	pthread_mutex_lock(&ls->lock);
	needs = lane->life.gen != 0;
	pthread_mutex_unlock(&ls->lock);
	if (!needs)
		return;
	n->member = lane->pair->member;
	n->grant = lane->grant;
	lat_attach_say(ls->attach, n);
}

/* ---- using ---- */

uint32_t lat_lane_rights(const struct lat_lane *lane)
{
	return lane->rights;
}

struct lat_sender *lat_lane_sender(struct lat_lane *lane)
{
	return lat_link_out_sender(lane->out);
}

int lat_lane_send(struct lat_lane *lane, int32_t type, const void *data, size_t bytes, uint64_t deadline_ns)
{
	return lat_sender_send(lat_link_out_sender(lane->out), type, data, bytes, deadline_ns);
}

int lat_lane_send_carry(struct lat_lane *lane, int32_t type, const void *data, size_t bytes,
			const struct lat_cap_right *right, uint64_t deadline_ns)
{
	struct lat_carried_note n;

	lat_carried_note_init(&n, lane->pair, lane->chan, right);
	return lat_sender_send_carry(lat_link_out_sender(lane->out), type, data, bytes, &n.mark, deadline_ns);
}

int lat_lane_call(struct lat_lane *lane, struct lat_call *call, uint64_t deadline_ns)
{
	return lat_link_call(lane->out, call, deadline_ns);
}

int lat_lane_flush(struct lat_lane *lane, uint64_t deadline_ns)
{
	return lat_sender_flush(lat_link_out_sender(lane->out), deadline_ns);
}

uint64_t lat_lane_sent(struct lat_lane *lane, uint64_t *received)
{
	uint64_t sent = lat_sender_sent(lat_link_out_sender(lane->out), received);
	uint64_t told = atomic_load_explicit(&lane->received, memory_order_acquire);

	/* Compared here and not when it came: a sender counts a message after the other may have received it. */
	if (received != NULL && told != 0)
		*received = told - 1 < sent ? told - 1 : sent;
	else if (received != NULL && lane->far)
		*received = lat_far_received(lane);
	return sent;
}

void lat_lane_finish(struct lat_lane *lane)
{
	struct lat_pair *p = lane->pair;

	lat_link_out_end(lane->out, 0);
	pthread_mutex_lock(&p->ls->lock);
	if (!lane->gone && !lane->finished)
		lat_pair_tell(p, &(struct lat_note){ .kind = LAT_NOTE_CHAN_CLOSE, .chan = lane->chan });
	lane->finished = true;
	pthread_mutex_unlock(&p->ls->lock);
}

void lat_lane_close(struct lat_lane *lane)
{
	struct lat_links *ls;
	bool gone;

	if (lane == NULL)
		return;
	ls = lane->pair->ls;
	pthread_mutex_lock(&ls->lock);
	if (lane->state == LANE_ASKED && !lane->gone) { /* the answer ends it */
		lane->owned = false;
		pthread_mutex_unlock(&ls->lock);
		return;
	}
	pthread_mutex_unlock(&ls->lock);
	lat_lane_finish(lane);
	pthread_mutex_lock(&ls->lock);
	gone = lane->gone;
	lane->owned = false; /* if it is not gone, it is the attach thread's from here on */
	pthread_mutex_unlock(&ls->lock);
	if (gone)
		lane_free(lane);
}

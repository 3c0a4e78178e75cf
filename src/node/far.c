/*
 * A channel may be opened again on a new lane (lat_far_keep()) while others still send on the one before: so each call holds the lane
 * that it uses.
 */
#include "node/far.h"

#include <errno.h>
#include <stdlib.h>

#include "fastpath/sender.h"
#include "node/explain.h"
#include "node/lane.h"
#include "wire/message.h"

struct way { /* a lane, and who uses it */
	struct lat_lane *lane;
	uint32_t refs;
	bool told; /* that something was lost on it */
};

struct lat_far {
	struct lat_links *ls;
	struct lat_lane_to to;
	struct lat_link_out_config cfg;

	pthread_mutex_t lock; /* of what follows; nothing else is taken under it */
	struct way *way;
	bool keep, opening;
};

static struct way *way_get(struct lat_far *f)
{
	struct way *w;

	pthread_mutex_lock(&f->lock);
	w = f->way;
	w->refs++;
	pthread_mutex_unlock(&f->lock);
	return w;
}

static void way_put(struct lat_far *f, struct way *w)
{
	bool last;

	pthread_mutex_lock(&f->lock);
	last = --w->refs == 0;
	pthread_mutex_unlock(&f->lock);
	if (!last)
		return;
	lat_lane_close(w->lane);
	free(w);
}

/* ---- what is heard of the other node ---- */

int lat_far_heard(struct lat_pair *p, const struct lat_note *n)
{
	struct lat_lane *lane;
	int rc = 0;

	pthread_mutex_lock(&p->ls->lock);
	HASH_FIND(hh, p->lanes, &n->chan, sizeof(n->chan), lane);
	if (lane != NULL && !lane->far)
		rc = -EPROTO;
	if (lane != NULL && lane->far) {
		lane->asked = false;
		lane->far_rc = n->rc;
		if (n->number > lane->far_got)
			lane->far_got = n->number;
		if (n->rc == 0)
			atomic_store_explicit(&lane->far_open, true, memory_order_release);
		lat_waitq_wake(&lane->changed);
	}
	pthread_mutex_unlock(&p->ls->lock);
	return rc;
}

/* The links' lock is held. */
static void ask_locked(struct lat_lane *lane)
{
	struct lat_note n = { .kind = LAT_NOTE_CHAN_ASK, .chan = lane->chan, .number = lane->far_got };

	if (lane->asked || lane->gone)
		return;
	lane->asked = true;
	lat_pair_tell(lane->pair, &n);
}

uint64_t lat_far_received(struct lat_lane *lane)
{
	uint64_t got;

	pthread_mutex_lock(&lane->pair->ls->lock);
	got = lane->far_got;
	if (got < lat_sender_sent(lat_lane_sender(lane), NULL))
		ask_locked(lane);
	pthread_mutex_unlock(&lane->pair->ls->lock);
	return got;
}

/* ---- opening ---- */

static int open_way(struct lat_far *f, struct way **out)
{
	struct way *w = calloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return -ENOMEM;
	rc = lat_lane_try(&w->lane, f->ls, &f->to, &f->cfg);
	if (rc < 0) {
		free(w);
		return rc;
	}
	w->refs = 1;
	*out = w;
	return 0;
}

static int open_why(const struct lat_far *f, int rc)
{
	lattice_node_id node = f->to.node;

	switch (rc) {
	case -ENETUNREACH:
		return lat_why(NULL, -EOPNOTSUPP, "pid %d@%u is on another node, and " LAT_HINT_NO_NETWORK,
			       f->to.dst, node);
	case -ENOKEY:
		return lat_why(NULL, rc, LAT_HINT_UNKNOWN, node);
	case -EDESTADDRREQ:
		return lat_why(
			NULL, rc,
			"no address is known for node %u: give one with 'lattice peers add --at HOST:PORT', and "
			"start this machine's node again",
			node);
	case -ENOBUFS:
		return lat_why(
			NULL, rc,
			"there are as many channels to other nodes, from this process or to node %u, as "
			"there may be",
			node);
	case -EACCES:
		return lat_why(
			NULL, rc,
			"this user may not send to node %u, unless a line 'reach = ...' of the policy allows it; or not "
			"as pid %d, which is another's",
			node, f->to.src);
	case -ECONNREFUSED:
	case -EAGAIN:
	case -ETIMEDOUT:
		return lat_why(NULL, -ETIMEDOUT,
			       "the process that runs this machine's node does not answer: is it stopped?");
	case -ESHUTDOWN:
		return lat_why(NULL, rc, "the node was closed");
	default:
		return rc;
	}
}

int lat_far_open(struct lat_far **out, struct lat_links *ls, const struct lat_lane_to *to, uint32_t len_max,
		 bool single)
{
	struct lat_far *f = calloc(1, sizeof(*f));
	int rc;

	*out = NULL;
	if (f == NULL)
		return -ENOMEM;
	pthread_mutex_init(&f->lock, NULL);
	f->ls = ls;
	f->to = *to;
	f->cfg = (struct lat_link_out_config){ .len_max = len_max, .single = single };
	rc = open_way(f, &f->way);
	f->to.right = NULL; /* the caller's. What is opened by one is not kept */
	if (rc < 0) {
		rc = open_why(f, rc);
		lat_far_close(f);
		return rc;
	}
	*out = f;
	return 0;
}

/* In place of @old, which has ended. 0; -EAGAIN: another is at it. */
static int reopen(struct lat_far *f, const struct way *old)
{
	struct way *w = NULL, *before = NULL;
	int rc;

	pthread_mutex_lock(&f->lock);
	if (f->way != old || f->opening) {
		rc = f->opening ? -EAGAIN : 0;
		pthread_mutex_unlock(&f->lock);
		return rc;
	}
	f->opening = true;
	pthread_mutex_unlock(&f->lock);
	rc = open_way(f, &w);
	pthread_mutex_lock(&f->lock);
	f->opening = false;
	if (rc == 0) {
		before = f->way;
		f->way = w;
	}
	pthread_mutex_unlock(&f->lock);
	if (before != NULL)
		way_put(f, before);
	return rc < 0 ? open_why(f, rc) : 0;
}

/* ---- sending ---- */

/* Waits until the other node has opened it. 0: it has, or it is over, which a send tells; why not. */
static int wait_open(struct lat_lane *lane, uint64_t deadline_ns)
{
	pthread_mutex_t *lock = &lane->pair->ls->lock;
	int rc = 0;

	if (atomic_load_explicit(&lane->far_open, memory_order_acquire))
		return 0;
	pthread_mutex_lock(lock);
	lane->far_rc = 0;
	while (!atomic_load_explicit(&lane->far_open, memory_order_relaxed) && !lane->gone && rc == 0) {
		ask_locked(lane);
		rc = deadline_ns == 0 ? -EAGAIN : lat_waitq_wait(&lane->changed, lock, deadline_ns);
		if (lane->far_rc < 0)
			rc = lane->far_rc;
	}
	if (lane->gone || atomic_load_explicit(&lane->far_open, memory_order_relaxed))
		rc = 0;
	pthread_mutex_unlock(lock);
	return rc;
}

/* What ended the lane, in the words of lattice_channel_send(). */
static int words(int rc)
{
	return rc == -EPIPE ? -EOWNERDEAD : rc;
}

/* @right goes with it; NULL: nothing does. */
static int send_on(const struct way *w, int32_t type, const void *data, size_t bytes,
		   const struct lat_cap_right *right, uint64_t deadline_ns)
{
	int rc = wait_open(w->lane, deadline_ns);

	if (rc < 0)
		return rc;
	if (right != NULL && bytes + LAT_MSG_CAP_LEN > lat_lane_sender(w->lane)->len_max)
		return -EMSGSIZE;
	rc = right != NULL ? lat_lane_send_carry(w->lane, type, data, bytes, right, deadline_ns)
			   : lat_lane_send(w->lane, type, data, bytes, deadline_ns);
	return words(rc);
}

/* The lane has ended, or is about to: what a send said tells. */
static bool is_over(const struct way *w, int rc)
{
	switch (rc) {
	case 0:
	case -EAGAIN:
	case -ETIMEDOUT:
	case -EMSGSIZE:
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -ESHUTDOWN:
		return false;
	default:
		/* Why the node is out of reach now is said of one that has not opened. */
		return lat_sender_dead(lat_lane_sender(w->lane)) != 0;
	}
}

/* true: messages were lost on it, and nobody has been told. */
static bool is_loss(struct lat_far *f, struct way *w)
{
	uint64_t received = 0, sent = lat_lane_sent(w->lane, &received);
	bool loss;

	pthread_mutex_lock(&f->lock);
	loss = received < sent && !w->told;
	w->told = true;
	pthread_mutex_unlock(&f->lock);
	return loss;
}

int lat_far_send(struct lat_far *f, int32_t type, const void *data, size_t bytes, uint64_t deadline_ns)
{
	return lat_far_send_carry(f, type, data, bytes, NULL, deadline_ns);
}

int lat_far_send_carry(struct lat_far *f, int32_t type, const void *data, size_t bytes,
		       const struct lat_cap_right *right, uint64_t deadline_ns)
{
	bool once = true;

	for (;;) {
		struct way *w = way_get(f);
		int rc = send_on(w, type, data, bytes, right, deadline_ns);
		bool again = once && f->keep && is_over(w, rc) && !is_loss(f, w);

		if (again) {
			int opened = reopen(f, w);

			once = false;
			again = opened == 0;
			if (opened < 0 && opened != -EAGAIN)
				rc = opened;
		}
		way_put(f, w);
		if (!again)
			return rc;
	}
}

int lat_far_call(struct lat_far *f, struct lat_call *call, uint64_t deadline_ns)
{
	struct way *w = way_get(f);
	int rc = wait_open(w->lane, deadline_ns);

	if (rc == 0)
		rc = words(lat_lane_call(w->lane, call, deadline_ns));
	way_put(f, w);
	return rc;
}

int lat_far_flush(struct lat_far *f, uint64_t deadline_ns)
{
	struct way *w = way_get(f);
	struct lat_lane *lane = w->lane;
	uint64_t sent = lat_sender_sent(lat_lane_sender(lane), NULL), received = 0;
	pthread_mutex_t *lock = &lane->pair->ls->lock;
	bool gone;
	int rc = 0;

	pthread_mutex_lock(lock);
	while ((lane->far_got < sent || lat_sender_dead(lat_lane_sender(lane)) != 0) && !lane->gone &&
	       rc == 0) {
		ask_locked(lane);
		rc = deadline_ns == 0 ? -EAGAIN : lat_waitq_wait(&lane->changed, lock, deadline_ns);
	}
	gone = lane->gone;
	if (!gone && lane->far_got >= sent)
		rc = 0;
	pthread_mutex_unlock(lock);
	if (gone) { /* its end says what arrived: what a right had sent may be less than what was acknowledged */
		(void)lat_lane_sent(lane, &received);
		rc = received >= sent ? 0 : words(lat_sender_dead(lat_lane_sender(lane)));
	}
	way_put(f, w);
	return rc;
}

void lat_far_keep(struct lat_far *f)
{
	pthread_mutex_lock(&f->lock);
	f->keep = true;
	pthread_mutex_unlock(&f->lock);
}

uint64_t lat_far_sent(struct lat_far *f, uint64_t *received)
{
	struct way *w = way_get(f);
	uint64_t sent = lat_lane_sent(w->lane, received);

	way_put(f, w);
	return sent;
}

enum lat_far_end lat_far_ended(struct lat_far *f)
{
	struct way *w = way_get(f);
	struct lat_lane *lane = w->lane;
	enum lat_far_end how = LAT_FAR_GOES_ON;
	int why;

	pthread_mutex_lock(&lane->pair->ls->lock);
	why = lat_sender_dead(lat_lane_sender(lane));
	if (why == -EPIPE || (why != 0 && atomic_load_explicit(&lane->received, memory_order_relaxed) == 0))
		how = LAT_FAR_CUT;
	else if (why != 0)
		how = LAT_FAR_TOLD;
	pthread_mutex_unlock(&lane->pair->ls->lock);
	way_put(f, w);
	return how;
}

void lat_far_close(struct lat_far *f)
{
	if (f == NULL)
		return;
	if (f->way != NULL)
		way_put(f, f->way);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

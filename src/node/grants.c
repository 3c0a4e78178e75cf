/* One request is a struct, whether it comes from a call here or as a note; the thread that works for members does what a call does. */
#include "node/grants.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>

#include "node/attach.h"
#include "node/channel_right.h"
#include "node/issue.h"
#include "node/issuer.h"
#include "node/lives.h"
#include "node/network.h"
#include "node/node.h"
#include "node/refusal.h"
#include "node/stats.h"
#include "node/waitq.h"
#include "os/clock.h"
#include "os/thread.h"

/* What a member asked for. */
struct ask {
	struct lat_grants_asker who;
	uint32_t token;
	struct lat_issue_request request;
	struct ask *next;
};

/* One that took place. */
struct revocation {
	uint64_t id; /* 0: none */
	uint64_t began_ns;
	struct lat_cap_ref *lives;
	size_t life_count, life_room;
	lattice_node_id *nodes; /* that were told */
	struct lattice_cap_told told;
};

struct lat_grants {
	struct lattice_node *node;
	_Atomic(struct lat_issuer *) issuer;
	_Atomic(uint64_t) made, ended;
	struct lat_lives *lives;  /* NULL: not made; then it does not change */
	pthread_mutex_t making;   /* of these two */
	pthread_mutex_t revoking; /* one at a time; taken before the issuer's and the network's */

	pthread_mutex_t lock; /* of what follows; nothing is taken under it */
	struct revocation revocations[LAT_GRANTS_REVOCATIONS];
	struct revocation *under_way;
	pthread_t revoker; /* whose lives those are that end now */
	uint64_t last_id;
	struct lat_waitq told;
	struct ask *first, **last;
	uint32_t waiting;
	struct lat_waitq asked;
	struct lat_thread thread;
	bool closed;
};

/* ---- revocations: the lock is held ---- */

static struct revocation *begin_locked(struct lat_grants *g, uint64_t now)
{
	struct revocation *r = &g->revocations[++g->last_id % LAT_GRANTS_REVOCATIONS];

	free(r->lives);
	free(r->nodes);
	*r = (struct revocation){ .id = g->last_id, .began_ns = now };
	g->under_way = r;
	g->revoker = pthread_self();
	return r;
}

static const struct revocation *find_locked(const struct lat_grants *g, uint64_t id)
{
	const struct revocation *r = &g->revocations[id % LAT_GRANTS_REVOCATIONS];

	return id != 0 && r->id == id ? r : NULL;
}

static bool has_life(const struct revocation *r, struct lat_cap_ref life)
{
	for (size_t i = 0; i < r->life_count; i++)
		if (r->lives[i].slot == life.slot && r->lives[i].gen == life.gen)
			return true;
	return false;
}

static void add_node(struct revocation *r, lattice_node_id node)
{
	if (r->nodes == NULL)
		r->nodes = calloc(LAT_GRANTS_REVOCATION_NODES, sizeof(*r->nodes));
	if (r->nodes == NULL || r->told.nodes == LAT_GRANTS_REVOCATION_NODES)
		return;
	for (uint32_t i = 0; i < r->told.nodes; i++)
		if (r->nodes[i] == node)
			return;
	r->nodes[r->told.nodes++] = node;
}

void lat_grants_told(struct lat_grants *g, lattice_node_id node, struct lat_cap_ref life)
{
	uint64_t now = lat_clock_monotonic_ns();

	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < LAT_GRANTS_REVOCATIONS; i++) {
		struct revocation *r = &g->revocations[i];

		if (r->id == 0 || !has_life(r, life))
			continue;
		r->told.told++;
		r->told.ns = now - r->began_ns;
		add_node(r, node);
		lat_waitq_wake(&g->told);
		break;
	}
	pthread_mutex_unlock(&g->lock);
}

/* The issuer says that a life is over. Those that expired and made room belong to no revocation. */
static void remember_ended(struct lat_grants *g, struct lat_cap_ref life)
{
	struct revocation *r;

	pthread_mutex_lock(&g->lock);
	r = g->under_way;
	if (r != NULL && pthread_equal(g->revoker, pthread_self())) {
		if (r->life_count == r->life_room) {
			size_t room = r->life_room * 2 + 16;
			struct lat_cap_ref *more = realloc(r->lives, room * sizeof(*more));

			if (more != NULL) {
				r->lives = more;
				r->life_room = room;
			}
		}
		if (r->life_count < r->life_room)
			r->lives[r->life_count++] = life;
	}
	pthread_mutex_unlock(&g->lock);
}

/* Its word has changed, so nothing is received any more; who waits does not see that by himself. */
static void on_ended(void *ctx, struct lat_cap_ref life)
{
	struct lat_grants *g = ctx;

	remember_ended(g, life);
	lat_node_life_ended(g->node, life);
	if (lat_node_attach(g->node) != NULL)
		lat_attach_revoked(lat_node_attach(g->node), life);
}

/* ---- doing what is asked ---- */

static int end_those(struct lat_issuer *iss, const struct lat_issue_request *q, uint32_t *count)
{
	switch (q->what) {
	case LAT_ISSUE_REVOKE:
		return lat_issuer_revoke(iss, (struct lat_cap_ref){ q->want.slot, q->want.gen }, count);
	case LAT_ISSUE_REVOKE_SHOWN:
		return lat_issuer_revoke_shown(iss, &q->parent, count);
	default:
		return lat_issuer_revoke_holder(iss, q->want.holder, count);
	}
}

static int end_lives(struct lat_grants *g, struct lat_issuer *iss, const struct lat_issue_request *q,
		     struct lat_issue_answer *out)
{
	struct revocation *r;
	uint32_t count = 0, channels = 0;
	int rc;

	pthread_mutex_lock(&g->revoking);
	pthread_mutex_lock(&g->lock);
	r = begin_locked(g, lat_clock_monotonic_ns());
	pthread_mutex_unlock(&g->lock);
	rc = end_those(iss, q, &count);
	if (g->node->network != NULL)
		channels = lat_network_revoked(g->node->network);
	pthread_mutex_lock(&g->lock);
	r->told.channels += channels;
	if (r->told.channels < r->told.told) /* some knew before that was asked */
		r->told.channels = r->told.told;
	g->under_way = NULL;
	r->told.ended = count;
	(void)atomic_fetch_add_explicit(&g->ended, count, memory_order_relaxed);
	if (r->told.told == 0)
		r->told.ns = lat_clock_monotonic_ns() - r->began_ns;
	out->told = r->told;
	out->revocation = r->id;
	pthread_mutex_unlock(&g->lock);
	pthread_mutex_unlock(&g->revoking);
	return rc;
}

static int told(struct lat_grants *g, uint64_t id, struct lat_issue_answer *out)
{
	const struct revocation *r;

	pthread_mutex_lock(&g->lock);
	r = find_locked(g, id);
	if (r != NULL)
		out->told = r->told;
	pthread_mutex_unlock(&g->lock);
	out->revocation = id;
	return r != NULL ? 0 : -ENOENT;
}

static int make_right(struct lat_grants *g, struct lat_issuer *iss, const struct lat_grants_asker *who,
		      const struct lat_issue_request *q, struct lat_issue_answer *out)
{
	struct lat_cap_desc want = q->want;
	uint8_t holder[LAT_CAP_HOLDER];

	if (want.max_msg == 0 && q->what == LAT_ISSUE_GRANT)
		want.max_msg = g->node->len_max + LAT_MSG_OVERHEAD;
	if (q->what == LAT_ISSUE_GRANT)
		return lat_issuer_mint(iss, &want, q->badge, q->uses, &out->right);
	if (!who->owner && q->badge != 0) /* receivers know whom they hear by it */
		return -EACCES;
	lat_cap_holder_uid(holder, who->uid);
	return lat_issuer_derive(iss, &q->parent, holder, &want, q->badge, q->uses, lat_clock_wall_s(),
				 &out->right);
}

int lat_grants_do(struct lat_grants *g, const struct lat_grants_asker *who, const struct lat_issue_request *q,
		  struct lat_issue_answer *out)
{
	struct lat_issuer *iss = lat_grants_issuer(g);
	int rc = 0;

	*out = (struct lat_issue_answer){ .revocation = 0 };
	if (!who->owner && q->what != LAT_ISSUE_DERIVE)
		return -EACCES;
	if (iss == NULL && q->what == LAT_ISSUE_GRANT)
		rc = lat_grants_make(g, NULL, NULL, &iss);
	if (rc < 0)
		return rc;
	switch (q->what) {
	case LAT_ISSUE_GRANT:
	case LAT_ISSUE_DERIVE:
		rc = iss != NULL ? make_right(g, iss, who, q, out) : -EACCES;
		if (rc == 0)
			(void)atomic_fetch_add_explicit(&g->made, 1, memory_order_relaxed);
		return rc;
	case LAT_ISSUE_REVOKE:
		return iss != NULL ? end_lives(g, iss, q, out) : -EKEYREVOKED;
	case LAT_ISSUE_REVOKE_SHOWN:
		return iss != NULL ? end_lives(g, iss, q, out) : -EBADMSG;
	case LAT_ISSUE_REVOKE_HOLDER:
		return iss != NULL ? end_lives(g, iss, q, out) : 0;
	case LAT_ISSUE_TOLD:
		return told(g, q->number, out);
	default:
		return iss != NULL && q->number <= UINT32_MAX &&
				       lat_issuer_next(iss, (int64_t)q->number - 1, &out->entry)
			       ? 0
			       : -ENOENT;
	}
}

int lat_grants_wait_told(struct lat_grants *g, uint64_t revocation, uint64_t deadline_ns,
			 struct lattice_cap_told *out)
{
	const struct revocation *r;
	int rc = 0;

	pthread_mutex_lock(&g->lock);
	while ((r = find_locked(g, revocation)) != NULL) {
		*out = r->told;
		if (r->told.told >= r->told.channels || rc < 0 || g->closed)
			break;
		rc = lat_waitq_wait(&g->told, &g->lock, deadline_ns);
	}
	pthread_mutex_unlock(&g->lock);
	return rc == -ETIMEDOUT ? 0 : rc;
}

/* ---- for members ---- */

static struct ask *take_locked(struct lat_grants *g)
{
	struct ask *a;

	while (g->first == NULL && !g->closed)
		(void)!lat_waitq_wait(&g->asked, &g->lock, UINT64_MAX);
	a = g->closed ? NULL : g->first;
	if (a == NULL)
		return NULL;
	g->first = a->next;
	if (g->first == NULL)
		g->last = &g->first;
	g->waiting--;
	return a;
}

/* That one is not there any more to be revoked is none. */
static bool is_refusal(const struct ask *a, int rc)
{
	return rc == -EACCES ||
	       (a->request.what == LAT_ISSUE_DERIVE && (rc == -EKEYREVOKED || rc == -EKEYEXPIRED));
}

static void run(void *arg)
{
	struct lat_grants *g = arg;
	struct lat_issue_answer answer;
	struct ask *a;

	for (;;) {
		struct lat_note n;
		int rc;

		pthread_mutex_lock(&g->lock);
		a = take_locked(g);
		pthread_mutex_unlock(&g->lock);
		if (a == NULL)
			return;
		rc = lat_grants_do(g, &a->who, &a->request, &answer);
		if (is_refusal(a, rc))
			lat_refusal_issue(g->node->audit, a->who.uid, a->who.gid, a->who.process,
					  (int)a->request.what, rc);
		lat_issue_put_answer(&n, &answer, rc);
		n.token = a->token;
		lat_attach_tell(lat_node_attach(g->node), a->who.member, &n);
		lat_wipe(&n, sizeof(n));
		lat_wipe(&answer, sizeof(answer));
		lat_wipe(a, sizeof(*a));
		free(a);
	}
}

/* Of another user all the members count as one: he must not keep the owner from revoking. */
static bool is_of_the_same(const struct lat_grants_asker *a, const struct lat_grants_asker *b)
{
	return a->owner == b->owner && (a->owner ? a->member == b->member : a->uid == b->uid);
}

int lat_grants_ask(struct lat_grants *g, const struct lat_grants_asker *who, const struct lat_note *n)
{
	struct ask *a = calloc(1, sizeof(*a));
	uint32_t its = 0;
	int rc;

	if (a == NULL)
		return -ENOMEM;
	a->who = *who;
	a->token = n->token;
	rc = lat_issue_get_request(&a->request, n);
	pthread_mutex_lock(&g->lock);
	for (const struct ask *other = g->first; other != NULL; other = other->next)
		its += is_of_the_same(&other->who, who);
	if (its == LAT_GRANTS_MEMBER_MAX ||
	    g->waiting >= (who->owner ? LAT_GRANTS_WAITING_MAX : LAT_GRANTS_WAITING_MAX / 2))
		rc = -ENOBUFS;
	if (g->closed)
		rc = -ESHUTDOWN;
	if (rc == 0 && !g->thread.started)
		rc = lat_thread_start(&g->thread, "lattice-issuer", run, g);
	if (rc == 0) {
		*g->last = a;
		g->last = &a->next;
		g->waiting++;
		lat_waitq_wake(&g->asked);
	}
	pthread_mutex_unlock(&g->lock);
	if (rc < 0) {
		lat_wipe(a, sizeof(*a));
		free(a);
	}
	return rc;
}

void lat_grants_stats(struct lat_grants *g, struct lat_stats *s)
{
	struct lat_issuer *iss = lat_grants_issuer(g);

	lat_stats_put(s, "cap.live", "capabilities, and grants by the policy, that live",
		      iss != NULL ? lat_issuer_count(iss) : 0);
	lat_stats_put(s, "cap.made", "capabilities made since the node was opened",
		      atomic_load_explicit(&g->made, memory_order_relaxed));
	lat_stats_put(s, "cap.ended", "capabilities ended by being revoked, since then",
		      atomic_load_explicit(&g->ended, memory_order_relaxed));
}

/* ---- life ---- */

int lat_grants_open(struct lat_grants **out, struct lattice_node *node)
{
	struct lat_grants *g = calloc(1, sizeof(*g));

	*out = g;
	if (g == NULL)
		return -ENOMEM;
	pthread_mutex_init(&g->lock, NULL);
	pthread_mutex_init(&g->making, NULL);
	pthread_mutex_init(&g->revoking, NULL);
	g->node = node;
	g->last = &g->first;
	return 0;
}

static int make_lives_locked(struct lat_grants *g)
{
	return g->lives == NULL ? lat_lives_make(&g->lives) : 0;
}

int lat_grants_lives(struct lat_grants *g, struct lat_lives **out)
{
	int rc;

	pthread_mutex_lock(&g->making);
	rc = make_lives_locked(g);
	*out = g->lives;
	pthread_mutex_unlock(&g->making);
	return rc;
}

static int make_locked(struct lat_grants *g, const char *path, const uint8_t *id, struct lat_issuer **out)
{
	struct lat_issuer_config cfg = {
		.node = g->node->id, .path = path, .id = id, .ended = on_ended, .ctx = g
	};
	int rc = g->closed ? -ESHUTDOWN : make_lives_locked(g);

	if (rc < 0)
		return rc;
	cfg.lives = lat_lives_words(g->lives);
	return lat_issuer_open(out, &cfg);
}

int lat_grants_make(struct lat_grants *g, const char *path, const uint8_t *id, struct lat_issuer **out)
{
	struct lat_issuer *iss;
	int rc = 0;

	pthread_mutex_lock(&g->making);
	iss = lat_grants_issuer(g);
	if (iss == NULL)
		rc = make_locked(g, path, id, &iss);
	if (rc == 0) {
		atomic_store_explicit(&g->issuer, iss, memory_order_release);
		if (out != NULL)
			*out = iss;
	}
	pthread_mutex_unlock(&g->making);
	return rc;
}

struct lat_issuer *lat_grants_issuer(const struct lat_grants *g)
{
	return atomic_load_explicit(&g->issuer, memory_order_acquire);
}

void lat_grants_shutdown(struct lat_grants *g)
{
	struct lat_issuer *iss;

	if (g == NULL)
		return;
	pthread_mutex_lock(&g->making); /* so that none is made after this */
	pthread_mutex_lock(&g->lock);
	g->closed = true;
	lat_waitq_wake(&g->asked);
	lat_waitq_wake(&g->told);
	pthread_mutex_unlock(&g->lock);
	pthread_mutex_unlock(&g->making);
	lat_thread_join(&g->thread);
	iss = lat_grants_issuer(g);
	if (iss != NULL)
		lat_issuer_shutdown(iss);
}

void lat_grants_close(struct lat_grants *g)
{
	struct ask *a;

	if (g == NULL)
		return;
	while ((a = g->first) != NULL) {
		g->first = a->next;
		lat_wipe(a, sizeof(*a));
		free(a);
	}
	for (size_t i = 0; i < LAT_GRANTS_REVOCATIONS; i++) {
		free(g->revocations[i].lives);
		free(g->revocations[i].nodes);
	}
	lat_issuer_close(lat_grants_issuer(g));
	lat_lives_put(g->lives);
	pthread_mutex_destroy(&g->lock);
	pthread_mutex_destroy(&g->making);
	pthread_mutex_destroy(&g->revoking);
	free(g);
}

/* Making and ending links, and the notes that go over them. */
#include <errno.h>
#include <stdlib.h>

#include <lattice/error.h>

#include "base/log.h"
#include "fastpath/link_calls.h"
#include "node/capability.h"
#include "node/lives.h"
#include "node/node.h"
#include "node/pair.h"
#include "node/refusal.h"
#include "node/stats.h"
#include "os/clock.h"
#include "os/fdpass.h"
#include "os/process.h"
#include "os/watch.h"

enum { TURN_NOTES = 64 };

/* How long a channel's grant may take longer than its opening, and a grant lies unused. */
static const uint64_t grant_wait_ns = (uint64_t)(5 * LAT_NS_PER_S);

struct lat_grant {
	struct lat_grant *next;
	uint64_t member, came_ns;
	struct lat_note note;
};

struct lat_parked { /* a channel whose grant is on its way */
	struct lat_parked *next;
	struct lat_note note;      /* without the right that it shows, which is */
	struct lattice_cap *right; /* NULL: none */
	uint64_t came_ns;
};

static void count(_Atomic(uint64_t) *counter)
{
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- pairs ---- */

struct lat_pair *lat_pair_get(struct lat_pair *p)
{
	(void)atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void lat_pair_put(struct lat_pair *p)
{
	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	lat_link_close(p->link);
	lat_post_fini(&p->post);
	lat_process_forget(p->pidfd);
	(void)atomic_fetch_sub_explicit(&p->ls->alive, 1, memory_order_relaxed);
	free(p);
}

static void doom(struct lat_pair *p, int why)
{
	int none = 0;

	if (atomic_compare_exchange_strong_explicit(&p->broken, &none, why, memory_order_relaxed,
						    memory_order_relaxed))
		lat_attach_poke(p->ls->attach);
}

void lat_pair_tell(struct lat_pair *p, struct lat_note *n)
{
	int rc = lat_post_send(&p->post, n, NULL, 0);

	if (rc < 0 && rc != -EPIPE)
		doom(p, rc);
}

static int on_extend(void *user, const struct lat_link_extent *x, int fd)
{
	struct lat_pair *p = user;
	struct lat_note n = { .kind = LAT_NOTE_EXTENT, .chan = x->chan, .tier = x->tier, .number = x->bytes };

	return lat_post_send(&p->post, &n, &fd, fd >= 0 ? 1 : 0);
}

static int on_replies(void *user, uint32_t chan, uint64_t bytes, int fd)
{
	struct lat_pair *p = user;
	struct lat_note n = { .kind = LAT_NOTE_REPLIES, .chan = chan, .number = bytes };

	return lat_post_send(&p->post, &n, &fd, 1);
}

static void on_broken(void *user, int why)
{
	doom(user, why);
}

static const struct lat_link_ops link_ops = { .extend = on_extend,
					      .replies = on_replies,
					      .broken = on_broken };

static void parked_free(struct lat_parked *one)
{
	lattice_cap_free(one->right);
	free(one);
}

static void unpark_all_locked(struct lat_pair *p)
{
	struct lat_parked *one;

	while ((one = p->parked) != NULL) {
		p->parked = one->next;
		parked_free(one);
	}
	p->parked_count = 0;
}

/* The attach thread: @why is what senders are told; a rule that was broken is counted and logged. */
static void end(struct lat_pair *p, int why)
{
	struct lat_links *ls = p->ls;

	pthread_mutex_lock(&ls->lock);
	if (p->state == LAT_PAIR_DEAD) {
		pthread_mutex_unlock(&ls->lock);
		return;
	}
	p->state = LAT_PAIR_DEAD;
	*p->at = p->next;
	if (p->next != NULL)
		p->next->at = p->at;
	ls->pair_count--;
	p->next = ls->dead;
	ls->dead = p;
	unpark_all_locked(p);
	lat_waitq_wake(&p->changed);
	pthread_mutex_unlock(&ls->lock);

	if (why == -EOWNERDEAD || why == -ESHUTDOWN || why == -ECONNRESET) {
		count(&ls->died);
	} else {
		count(&ls->broke);
		if (why == -EPROTO || why == -EPERM)
			lat_refusal_sender(ls->node->audit, &p->who, LAT_AUDIT_STAY, 0, 0, 0, why);
		lat_log(LAT_LOG_WARN, "local: the link to process %d is cut: %s", (int)p->who.process,
			why == -EPROTO || why == -EPERM ? "a rule was broken" : lattice_error_name(why));
		why = why == -EPROTO || why == -EPERM ? -EPROTO : -ECONNRESET;
	}
	if (why == -ECONNRESET || why == -EPROTO)
		lat_pair_tell(p, &(struct lat_note){ .kind = LAT_NOTE_BYE, .rc = why });
	lat_post_close(&p->post);
	if (p->pidfd >= 0)
		lat_watch_remove(lat_attach_watch(ls->attach), p->pidfd);
	lat_link_dead(p->link, why);
	lat_lanes_end(p);
}

/* ---- grants ---- */

/* Takes out the grant that @n asks for. 0, -ENOENT (there is none), -EPROTO (it is another channel's). The lock is held. */
static int use_locked(struct lat_links *ls, uint64_t member, const struct lat_note *n,
		      struct lat_note *granted)
{
	for (struct lat_grant **at = &ls->grants; *at != NULL; at = &(*at)->next) {
		struct lat_grant *g = *at;

		if (g->member != member || g->note.grant != n->grant)
			continue;
		if (g->note.src != n->src || g->note.dst != n->dst || g->note.node != n->node ||
		    g->note.origin != n->origin)
			return -EPROTO;
		*granted = g->note;
		*at = g->next;
		if (*at == NULL)
			ls->grants_end = at;
		ls->grant_count--;
		free(g);
		return 0;
	}
	return -ENOENT;
}

int lat_grant_use(struct lat_pair *p, const struct lat_note *n, struct lat_note *granted)
{
	int rc;

	pthread_mutex_lock(&p->ls->lock);
	rc = use_locked(p->ls, p->member, n, granted);
	pthread_mutex_unlock(&p->ls->lock);
	return rc;
}

static void drop_oldest_locked(struct lat_links *ls)
{
	struct lat_grant *g = ls->grants;

	ls->grants = g->next;
	if (ls->grants == NULL)
		ls->grants_end = &ls->grants;
	ls->grant_count--;
	free(g);
}

/* The parked note of that grant, taken out; NULL: none. The lock is held. */
static struct lat_parked *unpark_locked(struct lat_pair *p, uint64_t grant)
{
	for (struct lat_parked **at = &p->parked; *at != NULL; at = &(*at)->next) {
		struct lat_parked *one = *at;

		if (one->note.grant != grant)
			continue;
		*at = one->next;
		p->parked_count--;
		return one;
	}
	return NULL;
}

static int park(struct lat_pair *p, const struct lat_note *n)
{
	struct lat_parked *one = calloc(1, sizeof(*one));

	if (one == NULL)
		return -ENOMEM;
	one->note = *n;
	lat_wipe(&one->note.right, sizeof(one->note.right));
	if (lat_note_has_right(n) && lat_capability_make(&one->right, &n->right) < 0) {
		free(one);
		return -ENOMEM;
	}
	one->came_ns = lat_clock_monotonic_ns();
	pthread_mutex_lock(&p->ls->lock);
	if (p->parked_count == LAT_LINK_PARKED_MAX) {
		pthread_mutex_unlock(&p->ls->lock);
		parked_free(one);
		return -EAGAIN;
	}
	one->next = p->parked;
	p->parked = one;
	p->parked_count++;
	pthread_mutex_unlock(&p->ls->lock);
	return 0;
}

static void refuse(struct lat_pair *p, uint32_t chan, int rc)
{
	lat_pair_tell(p, &(struct lat_note){ .kind = LAT_NOTE_CHAN_REFUSE, .chan = chan, .rc = rc });
}

void lat_links_grant(struct lat_links *ls, const struct lat_note *n)
{
	struct lat_grant *g = calloc(1, sizeof(*g));
	uint64_t now = lat_clock_monotonic_ns();
	struct lat_parked *parked = NULL;
	struct lat_note granted;
	struct lat_pair *p;

	if (g == NULL)
		return; /* who was granted is refused */
	*g = (struct lat_grant){ .member = n->member, .came_ns = now, .note = *n };
	pthread_mutex_lock(&ls->lock);
	while (ls->grants != NULL &&
	       (ls->grant_count >= LAT_GRANTS_MAX || now - ls->grants->came_ns > 2 * grant_wait_ns))
		drop_oldest_locked(ls);
	*ls->grants_end = g;
	ls->grants_end = &g->next;
	ls->grant_count++;
	for (p = ls->pairs; p != NULL && parked == NULL; p = parked != NULL ? p : p->next)
		if (p->member == n->member)
			parked = unpark_locked(p, n->grant);
	pthread_mutex_unlock(&ls->lock);
	if (parked == NULL)
		return;
	if (lat_grant_use(p, &parked->note, &granted) == 0) {
		int rc = parked->right != NULL ? lat_capability_take(parked->right, &parked->note.right) : 0;

		if (rc == 0)
			rc = lat_intake_open(p, &parked->note, &granted);
		lat_wipe(&parked->note.right, sizeof(parked->note.right));
		if (rc < 0)
			end(p, rc);
	} else {
		end(p, -EPROTO);
	}
	parked_free(parked);
}

/* ---- what the other says ---- */

static int on_join(struct lat_pair *p, const int *fds, size_t fd_count)
{
	int rc = lat_link_join(p->link, fds, fd_count);

	if (rc < 0)
		return rc == -EBUSY ? -EPROTO : rc;
	pthread_mutex_lock(&p->ls->lock);
	p->state = LAT_PAIR_JOINED;
	lat_waitq_wake(&p->changed);
	pthread_mutex_unlock(&p->ls->lock);
	return 0;
}

static int on_open(struct lat_pair *p, const struct lat_note *n)
{
	struct lat_note granted;
	int rc;

	if (p->state != LAT_PAIR_JOINED || n->chan >= LAT_LINK_CHANS_MAX || lat_intake_exists(p, n->chan))
		return -EPROTO;
	if (n->node == 0 && lat_note_has_right(n)) /* those of this node are for its host */
		return -EPROTO;
	rc = lat_grant_use(p, n, &granted);
	if (rc != -ENOENT)
		return rc == 0 ? lat_intake_open(p, n, &granted) : rc;
	rc = park(p, n);
	if (rc < 0)
		refuse(p, n->chan, rc);
	return 0;
}

static int on_note(struct lat_pair *p, const struct lat_note *n, const int *fds, size_t fd_count)
{
	const struct lat_link_extent x = { .chan = n->chan, .tier = n->tier, .bytes = n->number };

	switch (n->kind) {
	case LAT_NOTE_JOIN:
		return on_join(p, fds, fd_count);
	case LAT_NOTE_CHAN_OPEN:
		return on_open(p, n);
	case LAT_NOTE_CHAN_ACCEPT:
		return lat_lane_accepted(p, n);
	case LAT_NOTE_CHAN_REFUSE:
		return lat_lane_refused(p, n);
	case LAT_NOTE_CHAN_CLOSE:
		return lat_intake_close(p, n);
	case LAT_NOTE_CHAN_GONE:
		return lat_lane_gone(p, n);
	case LAT_NOTE_CHAN_ASK:
		return lat_intake_ask(p, n);
	case LAT_NOTE_CARRY:
		return lat_intake_carry(p, n);
	case LAT_NOTE_CHAN_FAR:
		return lat_far_heard(p, n);
	case LAT_NOTE_EXTENT:
		return lat_link_extend(p->link, &x, fds, fd_count);
	case LAT_NOTE_REPLIES:
		return lat_link_replies(p->link, n->chan, n->number, fds, fd_count);
	case LAT_NOTE_BYE:
		return n->rc == -EPROTO ? -EPROTO : -ECONNRESET;
	default:
		pthread_mutex_lock(&p->ls->lock);
		p->hosted_ns = lat_clock_monotonic_ns();
		pthread_mutex_unlock(&p->ls->lock);
		return 0;
	}
}

/* At most @max notes: 0 there may be more, 1 there are none now, or why the pair is over. */
static int hear(struct lat_pair *p, int max)
{
	for (int i = 0; i < max; i++) {
		int fds[LAT_NOTE_FDS], rc;
		struct lat_note n;
		size_t fd_count;

		rc = lat_post_recv(&p->post, LAT_NOTE_FROM_PEER, &n, fds, &fd_count);
		if (rc == 0)
			return 1;
		if (rc > 0)
			rc = on_note(p, &n, fds, fd_count);
		else if (rc == -EMFILE &&
			 n.kind == LAT_NOTE_EXTENT) { /* one channel's memory is no reason to end all */
			lat_link_extent_lost(p->link, n.chan);
			rc = 0;
		}
		lat_wipe(&n.right, sizeof(n.right)); /* a channel to another node may show one */
		if (rc < 0)
			return rc == -EPIPE ? -EOWNERDEAD : rc;
	}
	return 0;
}

static void notes_ready(void *owner, bool in, bool out)
{
	struct lat_pair *p = owner;
	int rc = 0;

	if (p->state == LAT_PAIR_DEAD)
		return;
	if (out && lat_post_flush(&p->post))
		lat_link_retry(p->link);
	if (in)
		rc = hear(p, TURN_NOTES);
	if (rc < 0)
		end(p, rc);
}

/* It may have left words, which end with -EPIPE unless a child holds its socket. */
static void process_ended(void *owner, bool in, bool out)
{
	struct lat_pair *p = owner;
	int rc = 0;

	(void)in;
	(void)out;
	if (p->state == LAT_PAIR_DEAD)
		return;
	rc = hear(p, LAT_POST_QUEUE_MAX);
	end(p, rc < 0 ? rc : -EOWNERDEAD);
}

/* ---- meeting ---- */

static uint32_t with_member_locked(const struct lat_links *ls, uint64_t member)
{
	uint32_t n = 0;

	for (const struct lat_pair *p = ls->pairs; p != NULL; p = p->next)
		n += p->member == member;
	return n;
}

static int make_link(struct lat_pair *p, int bell)
{
	const struct lat_link_config cfg = { .ops = &link_ops, .user = p, .bell_fd = bell };
	struct lat_note join = { .kind = LAT_NOTE_JOIN };
	int segment, rc = lat_link_open(&p->link, &cfg, &segment);

	if (rc < 0) {
		lat_fdpass_close(&bell, 1);
		return rc;
	}
	rc = lat_post_send(&p->post, &join, &segment, 1);
	lat_fdpass_close(&segment, 1);
	return rc;
}

int lat_links_meet(struct lat_links *ls, const struct lat_note *n, const int *fds, size_t fd_count)
{
	struct lat_pair *p = calloc(1, sizeof(*p));
	int watch = lat_attach_watch(ls->attach), rc;

	pthread_mutex_lock(&ls->lock);
	rc = p == NULL                                                           ? -ENOMEM
	     : ls->pair_count >= LAT_LINKS_MAX                                   ? -ENOBUFS
	     : with_member_locked(ls, n->member) >= (uint32_t)LAT_LINKS_PEER_MAX ? -ENOBUFS
										 : 0;
	pthread_mutex_unlock(&ls->lock);
	if (rc < 0) {
		lat_fdpass_close(fds, fd_count);
		free(p);
		return rc;
	}
	p->ls = ls;
	count(&ls->alive);
	p->member = n->member;
	p->who = (struct lat_audit_who){ .uid = (uint32_t)(n->number >> 32),
					 .gid = (uint32_t)n->number,
					 .process = n->process };
	p->pidfd = fd_count > 2 ? fds[2] : -1;
	p->notes_tag = (struct lat_attach_tag){ notes_ready, p };
	p->process_tag = (struct lat_attach_tag){ process_ended, p };
	atomic_init(&p->refs, 1);
	rc = lat_post_open(&p->post, fds[0], watch, &p->notes_tag);
	if (rc < 0)
		lat_fdpass_close(fds + 1, 1);
	else
		rc = make_link(p, fds[1]);
	if (rc == 0 && p->pidfd >= 0)
		rc = lat_watch_add(watch, p->pidfd, false, &p->process_tag);
	if (rc < 0) {
		lat_pair_put(p);
		return rc;
	}
	pthread_mutex_lock(&ls->lock);
	p->next = ls->pairs;
	p->at = &ls->pairs;
	if (p->next != NULL)
		p->next->at = &p->next;
	ls->pairs = p;
	ls->pair_count++;
	pthread_mutex_unlock(&ls->lock);
	count(&ls->made);
	return 0;
}

/* One that is there; the lock is held. */
static struct lat_pair *find_locked(const struct lat_links *ls, uint64_t member)
{
	struct lat_pair *p = ls->pairs;

	while (p != NULL && p->member != member)
		p = p->next;
	return p;
}

struct lat_pair *lat_pair_find(struct lat_links *ls, uint64_t member)
{
	struct lat_pair *p;

	pthread_mutex_lock(&ls->lock);
	p = find_locked(ls, member);
	if (p != NULL)
		(void)lat_pair_get(p);
	pthread_mutex_unlock(&ls->lock);
	return p;
}

int lat_pair_with(struct lat_pair **out, struct lat_links *ls, uint64_t member, uint64_t deadline_ns)
{
	struct lat_pair *p;
	int rc = 0;

	pthread_mutex_lock(&ls->lock);
	p = find_locked(ls, member);
	if (p == NULL) {
		struct lat_note n = { .kind = LAT_NOTE_MEET, .member = member };

		pthread_mutex_unlock(&ls->lock);
		rc = lat_attach_ask(ls->attach, &n, deadline_ns);
		if (rc == 0)
			rc = n.rc;
		if (rc < 0)
			return rc == -ECONNREFUSED || rc == -EPIPE ? -EAGAIN : rc;
		pthread_mutex_lock(&ls->lock);
		p = find_locked(ls, member);
		rc = p == NULL ? -EAGAIN : 0;
	}
	if (p != NULL) {
		(void)lat_pair_get(p);
		while (p->state == LAT_PAIR_JOINING && rc == 0)
			rc = lat_waitq_wait(&p->changed, &ls->lock, deadline_ns);
		if (p->state == LAT_PAIR_DEAD)
			rc = -EAGAIN;
		else if (p->state == LAT_PAIR_JOINED)
			rc = 0;
	}
	pthread_mutex_unlock(&ls->lock);
	if (rc == 0)
		*out = p;
	else if (p != NULL)
		lat_pair_put(p);
	return rc;
}

/* ---- lives ---- */

void lat_links_revoked(struct lat_links *ls, struct lat_cap_ref life)
{
	struct lat_intake *ended = NULL;

	pthread_mutex_lock(&ls->lock);
	for (struct lat_pair *p = ls->pairs; p != NULL; p = p->next) {
		lat_lanes_revoked_locked(p, life);
		ended = lat_intakes_of_life_locked(p, life, ended);
	}
	pthread_mutex_unlock(&ls->lock);
	lat_intakes_end(ended);
}

void lat_links_renewed(struct lat_links *ls, const struct lat_note *n)
{
	struct lat_lives *lives = lat_attach_lives(ls->attach);
	struct lat_intake *ended = NULL;

	pthread_mutex_lock(&ls->lock);
	for (struct lat_pair *p = ls->pairs; p != NULL; p = p->next) {
		if (p->member != n->member)
			continue;
		lat_lane_renewed_locked(p, n, lives);
		ended = lat_intake_renewed_locked(p, n, lives, ended);
	}
	pthread_mutex_unlock(&ls->lock);
	lat_intakes_end(ended);
	lat_lives_put(lives);
}

void lat_links_unrenewed(struct lat_links *ls, const struct lat_lives *lives)
{
	struct lat_intake *ended = NULL;

	pthread_mutex_lock(&ls->lock);
	for (struct lat_pair *p = ls->pairs; p != NULL; p = p->next)
		ended = lat_intakes_unrenewed_locked(p, lives, ended);
	pthread_mutex_unlock(&ls->lock);
	lat_intakes_end(ended);
}

/* ---- the turn ---- */

void lat_links_hosted(struct lat_links *ls)
{
	pthread_mutex_lock(&ls->lock);
	for (struct lat_pair *p = ls->pairs; p != NULL; p = p->next)
		lat_pair_tell(p, &(struct lat_note){ .kind = LAT_NOTE_HOSTED });
	pthread_mutex_unlock(&ls->lock);
}

/* Refuses what waited for its grant in vain. When the next one has. */
static uint64_t expire_parked_locked(struct lat_pair *p, uint64_t now)
{
	struct lat_parked **at = &p->parked;
	uint64_t next = UINT64_MAX;

	while (*at != NULL) {
		struct lat_parked *one = *at;

		if (now - one->came_ns < grant_wait_ns) {
			if (one->came_ns + grant_wait_ns < next)
				next = one->came_ns + grant_wait_ns;
			at = &one->next;
			continue;
		}
		refuse(p, one->note.chan, -EAGAIN);
		*at = one->next;
		p->parked_count--;
		parked_free(one);
	}
	return next;
}

/*
 * What is to be ended: a pair that is broken; and (LOCAL 15) one that neither side has a host for, for as long as it takes to
 * find one. *why.
 */
static struct lat_pair *find_doomed_locked(struct lat_links *ls, uint64_t now, uint64_t lost_ns, int *why)
{
	for (struct lat_pair *p = ls->pairs; p != NULL; p = p->next) {
		*why = atomic_load_explicit(&p->broken, memory_order_relaxed);
		if (*why == -EPIPE)
			*why = -EOWNERDEAD;
		if (*why == 0 && lost_ns != 0 && p->hosted_ns < lost_ns &&
		    now - lost_ns >= (uint64_t)LAT_ATTACH_PATIENCE_NS)
			*why = -ECONNRESET;
		if (*why != 0)
			return p;
	}
	return NULL;
}

static void bury(struct lat_links *ls)
{
	struct lat_pair *p;

	while ((p = ls->dead) != NULL) {
		ls->dead = p->next;
		lat_pair_put(p);
	}
}

uint64_t lat_links_turn(struct lat_links *ls)
{
	uint64_t now = lat_clock_monotonic_ns(), next = UINT64_MAX, lost_ns = lat_attach_lost_ns(ls->attach);
	struct lat_pair *p;
	int why;

	bury(ls);
	pthread_mutex_lock(&ls->lock);
	while ((p = find_doomed_locked(ls, now, lost_ns, &why)) != NULL) {
		pthread_mutex_unlock(&ls->lock);
		end(p, why);
		pthread_mutex_lock(&ls->lock);
	}
	for (p = ls->pairs; p != NULL; p = p->next) {
		uint64_t at = expire_parked_locked(p, now);

		next = at < next ? at : next;
		at = lost_ns + (uint64_t)LAT_ATTACH_PATIENCE_NS;
		if (lost_ns != 0 && p->hosted_ns < lost_ns && at < next)
			next = at;
	}
	pthread_mutex_unlock(&ls->lock);
	return next;
}

/* ---- life ---- */

int lat_links_open(struct lat_links **out, struct lat_attach *a, struct lattice_node *node)
{
	struct lat_links *ls = calloc(1, sizeof(*ls));

	*out = ls;
	if (ls == NULL)
		return -ENOMEM;
	pthread_mutex_init(&ls->lock, NULL);
	ls->attach = a;
	ls->node = node;
	ls->grants_end = &ls->grants;
	return 0;
}

void lat_links_shutdown(struct lat_links *ls)
{
	if (ls == NULL)
		return;
	while (ls->pairs != NULL) /* only the attach thread, which is gone, made any */
		end(ls->pairs, -ESHUTDOWN);
	bury(ls);
}

void lat_links_close(struct lat_links *ls)
{
	if (ls == NULL)
		return;
	while (ls->grants != NULL)
		drop_oldest_locked(ls);
	pthread_mutex_destroy(&ls->lock);
	free(ls);
}

void lat_links_stats(struct lat_links *ls, struct lat_stats *s)
{
	struct lat_link_stats sum = { 0 };

	pthread_mutex_lock(&ls->lock);
	for (struct lat_pair *p = ls->pairs; p != NULL; p = p->next) {
		struct lat_link_stats one;

		lat_link_stats(p->link, &one);
		sum.rung += one.rung;
		sum.woken += one.woken;
		sum.extents += one.extents;
		sum.extent_bytes += one.extent_bytes;
	}
	pthread_mutex_unlock(&ls->lock);
	lat_stats_put(s, "links", "links to other processes of this machine",
		      atomic_load_explicit(&ls->alive, memory_order_relaxed));
	lat_stats_put(s, "links.made", "links made", atomic_load_explicit(&ls->made, memory_order_relaxed));
	lat_stats_put(s, "links.died", "links whose other process, or end, is gone",
		      atomic_load_explicit(&ls->died, memory_order_relaxed));
	lat_stats_put(s, "links.broke", "links cut because the other process broke a rule, or did not read",
		      atomic_load_explicit(&ls->broke, memory_order_relaxed));
	lat_stats_put(s, "links.out", "channels to other processes",
		      atomic_load_explicit(&ls->lanes, memory_order_relaxed));
	lat_stats_put(s, "links.in", "channels from other processes",
		      atomic_load_explicit(&ls->intakes, memory_order_relaxed));
	lat_stats_put(s, "links.rung", "times another process was told of a message or of room", sum.rung);
	lat_stats_put(s, "links.woken", "of those, times it was asleep", sum.woken);
	lat_stats_put(s, "links.extents", "pieces of memory beside the links' own, of both sides",
		      sum.extents);
	lat_stats_put(s, "links.extent_bytes", "bytes of those", sum.extent_bytes);
}

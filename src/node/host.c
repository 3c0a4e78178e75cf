/*
 * One thread, and under the lock others that bring channels from other nodes; counters are read by anybody. A member that is to go is taken out of the tables
 * at once and freed after the turn: another event of the turn may be its.
 */
#include "node/host.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>

#include "base/log.h"
#include "base/table.h"
#include "node/claims.h"
#include "node/grants.h"
#include "node/issuer.h"
#include "node/judge.h"
#include "node/lives.h"
#include "node/node.h"
#include "node/post.h"
#include "node/probe.h"
#include "node/stats.h"
#include "os/clock.h"
#include "os/eventfd.h"
#include "os/fdpass.h"
#include "os/random.h"
#include "os/thread.h"
#include "os/watch.h"

enum {
	EVENTS = 64,
	TURN_NOTES = 64, /* of one member, then the others have their turn */
	TURN_ACCEPTS = 16,
};

static const uint64_t pause_ns = (uint64_t)LAT_NS_PER_S; /* when no more can be accepted */

struct member;

/* What the watch tells of. */
struct tag {
	enum { TAG_STOP, TAG_DOOR, TAG_NOTES, TAG_PROCESS } what;
	struct member *member;
};

struct member {
	struct lat_post post;
	struct lat_credentials cred;
	struct tag notes, process;
	int pidfd; /* -1: none */
	bool greeted, gone;
	struct member *next, **at; /* all of them */
	struct member *dead;       /* next of those to be freed */
	UT_hash_handle hh;         /* by number: those that have said HELLO */
};

/* A channel to a pid, or a question for a service, whose member has not come back from the host before. */
struct waiting {
	struct waiting *next;
	struct member *member;
	struct lat_note note;
};

struct lat_host {
	pthread_mutex_t lock; /* of all but the counters: the thread at work, lat_host_bring() */
	struct lat_door_held door;
	struct lat_claims *claims;
	struct member *all, *greeted, *dead;
	lattice_node_id number;
	uint64_t uplink;
	uint32_t uplink_len_max;
	struct lat_probes *probes;
	struct lat_grants *grants;
	struct lat_lives *lives;
	uint32_t strangers, waiting_count;
	struct waiting *waiting;
	uint64_t grace_ns;  /* until then pids may be claimed again; 0: over */
	uint64_t resume_ns; /* when to accept again; UINT64_MAX: it does */
	int watch, stop;
	struct tag stop_tag, door_tag;
	struct lat_thread thread;
	_Atomic(uint64_t) members, pids, introduced, refused, broke, lost;
};

static void count(_Atomic(uint64_t) *counter)
{
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- members ---- */

static void update_counts(struct lat_host *h)
{
	atomic_store_explicit(&h->members, HASH_COUNT(h->greeted), memory_order_relaxed);
	atomic_store_explicit(&h->pids, lat_claims_count(h->claims), memory_order_relaxed);
}

static void waiting_free(struct waiting *w)
{
	lat_wipe(&w->note.right, sizeof(w->note.right));
	free(w);
}

static void forget_waiting(struct lat_host *h, const struct member *m)
{
	struct waiting **at = &h->waiting;

	while (*at != NULL) {
		struct waiting *w = *at;

		if (w->member != m) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		h->waiting_count--;
		waiting_free(w);
	}
}

static void dismiss(struct lat_host *h, struct member *m)
{
	if (m->gone)
		return;
	m->gone = true;
	forget_waiting(h, m);
	if (m->greeted) {
		HASH_DEL(h->greeted, m);
		lat_claims_give_all(h->claims, m->cred.member);
	} else {
		h->strangers--;
	}
	*m->at = m->next;
	if (m->next != NULL)
		m->next->at = m->at;
	lat_post_close(&m->post);
	if (m->pidfd >= 0)
		lat_watch_remove(h->watch, m->pidfd);
	m->dead = h->dead;
	h->dead = m;
	update_counts(h);
}

static void free_dead(struct lat_host *h)
{
	struct member *m;

	while ((m = h->dead) != NULL) {
		h->dead = m->dead;
		lat_process_forget(m->pidfd);
		lat_post_fini(&m->post);
		free(m->cred.groups);
		free(m);
	}
}

/* The peer broke a rule, or does not read. */
static void drop(struct lat_host *h, struct member *m, int rc)
{
	if (m->gone)
		return;
	count(&h->broke);
	lat_log(LAT_LOG_WARN, "host: process %d is dropped: %s", (int)m->cred.process.pid,
		rc == -EPROTO ? "it broke a rule" : lattice_error_name(rc));
	dismiss(h, m);
}

static int tell(struct lat_host *h, struct member *m, struct lat_note *n)
{
	int rc = lat_post_send(&m->post, n, NULL, 0);

	if (rc < 0 && rc != -EPIPE)
		drop(h, m, rc);
	return rc;
}

static struct member *find(struct lat_host *h, uint64_t id)
{
	struct member *m;

	HASH_FIND(hh, h->greeted, &id, sizeof(id), m);
	return m;
}

/* So that one user cannot keep out the others. */
static bool user_has_enough(const struct lat_host *h, const struct lat_credentials *who)
{
	uint32_t n = 0;

	if (who->process.uid == geteuid())
		return false;
	for (const struct member *m = h->all; m != NULL; m = m->next)
		n += m->greeted && m->cred.process.uid == who->process.uid;
	return n >= LAT_HOST_USER_MAX;
}

/* ---- what members say ---- */

static int on_hello(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_WELCOME, .node = h->number, .process = (int32_t)getpid() };
	int page = lat_lives_fd(h->lives), rc;

	if (m->greeted)
		return -EPROTO;
	m->cred.member = in->member;
	out.rc = lat_claims_may(h->claims, &m->cred, LAT_ACT_ATTACH, 0, "");
	if (out.rc == 0 && find(h, in->member) != NULL)
		out.rc = -EEXIST;
	if (out.rc == 0 && (HASH_COUNT(h->greeted) == LAT_HOST_MEMBERS_MAX || user_has_enough(h, &m->cred)))
		out.rc = -ENOBUFS;
	if (out.rc == 0) {
		HASH_ADD(hh, h->greeted, cred.member, sizeof(m->cred.member), m);
		m->greeted = m->hh.tbl != NULL;
		if (!m->greeted)
			out.rc = -ENOMEM;
	}
	if (out.rc == 0)
		h->strangers--;
	else
		count(&h->refused);
	rc = lat_post_send(&m->post, &out, &page, out.rc == 0 ? 1 : 0);
	if (rc < 0 && rc != -EPIPE)
		drop(h, m, rc);
	else if (out.rc < 0)
		dismiss(h, m);
	return 0;
}

static void on_open(struct lat_host *h, struct member *m, const struct lat_note *in);
static void on_resolve(struct lat_host *h, struct member *m, const struct lat_note *in);

static bool waits_for(const struct waiting *w, const struct lat_note *claim)
{
	return w->note.kind == LAT_NOTE_OPEN ? w->note.dst == claim->dst
					     : strcmp(w->note.name, claim->name) == 0;
}

/* Those who waited for what is claimed; NULL: all. */
static void go_on(struct lat_host *h, const struct lat_note *claim)
{
	struct waiting **at = &h->waiting, *due = NULL, *w;

	while ((w = *at) != NULL) {
		if (claim != NULL && !waits_for(w, claim)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		h->waiting_count--;
		w->next = due;
		due = w;
	}
	while ((w = due) != NULL) {
		due = w->next;
		if (!w->member->gone)
			(w->note.kind == LAT_NOTE_OPEN ? on_open : on_resolve)(h, w->member, &w->note);
		waiting_free(w);
	}
}

/* true: it waits for its pid, or name, to be claimed. */
static bool wait_for_claim(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct waiting *w;

	if (h->grace_ns == 0 || h->waiting_count == LAT_HOST_WAITING_MAX)
		return false;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return false;
	*w = (struct waiting){ .next = h->waiting, .member = m, .note = *in };
	h->waiting = w;
	h->waiting_count++;
	return true;
}

static void on_claim(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_CLAIMED, .token = in->token, .dst = in->dst };
	struct lat_claims_holder losers[2];

	memcpy(out.ticket, in->ticket, sizeof(out.ticket));
	memcpy(out.name, in->name, sizeof(out.name));
	out.rc = lat_claims_take(h->claims, &m->cred, in->dst, in->name, out.ticket, lat_clock_monotonic_ns(),
				 losers);
	for (size_t i = 0; i < ARRAY_LEN(losers); i++) {
		struct member *other = losers[i].member != 0 ? find(h, losers[i].member) : NULL;

		if (other == NULL)
			continue;
		out.process = (int32_t)other->cred.process.pid;
		if (out.rc < 0)
			continue;
		count(&h->lost);
		(void)tell(h, other, &(struct lat_note){ .kind = LAT_NOTE_LOST, .dst = losers[i].pid });
	}
	if (out.rc < 0)
		memset(out.ticket, 0, sizeof(out.ticket));
	if (out.rc == -EACCES)
		count(&h->refused);
	(void)tell(h, m, &out);
	if (out.rc == 0)
		go_on(h, in);
}

static void on_resolve(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_RESOLVED, .token = in->token };
	int32_t pid = lat_claims_named(h->claims, in->name);

	out.rc = lat_claims_may(h->claims, &m->cred, LAT_ACT_RESOLVE, pid, in->name);
	if (out.rc == 0 && pid == 0) {
		if (wait_for_claim(h, m, in))
			return;
		out.rc = -ENOENT;
	}
	if (out.rc == -EACCES)
		count(&h->refused);
	if (out.rc == 0)
		out.number = (uint64_t)pid;
	(void)tell(h, m, &out);
}

int lat_host_named(struct lat_host *h, const char *name, int32_t *pid)
{
	int32_t is;
	bool grace;

	pthread_mutex_lock(&h->lock);
	is = lat_claims_named(h->claims, name);
	grace = h->grace_ns != 0;
	pthread_mutex_unlock(&h->lock);
	if (is == 0)
		return grace ? -EBUSY : -ENOENT;
	*pid = is;
	return 0;
}

void lat_host_name_of(struct lat_host *h, int32_t pid, char name[LAT_SERVICE_MAX + 1])
{
	pthread_mutex_lock(&h->lock);
	(void)snprintf(name, LAT_SERVICE_MAX + 1, "%s", lat_claims_name(h->claims, pid));
	pthread_mutex_unlock(&h->lock);
}

static int may_open(const struct lat_host *h, const struct member *m, const struct lat_note *in)
{
	return in->node != 0 ? lat_claims_may(h->claims, &m->cred, LAT_ACT_REACH, (int32_t)in->node, "")
			     : lat_claims_may(h->claims, &m->cred, LAT_ACT_OPEN, in->dst, "");
}

/*
 * Whether a channel is opened for @m, by the right that is shown or for who it is, and what goes with it. 0, -EACCES, -EKEYREVOKED,
 * -EKEYEXPIRED, or why a use of the right could not be kept.
 */
static int judge_open(const struct lat_host *h, const struct member *m, const struct lat_note *in,
		      struct lat_admission *may)
{
	struct lat_issuer *issuer = h->grants != NULL ? lat_grants_issuer(h->grants) : NULL;
	uint8_t holder[LAT_CAP_HOLDER];
	int rc = lat_claims_may(h->claims, &m->cred, LAT_ACT_SEND, in->src, "");

	*may = (struct lat_admission){ .max_msg = UINT32_MAX };
	if (rc < 0)
		return rc;
	if (!lat_note_has_right(in))
		return may_open(h, m, in);
	if (in->node != 0 || issuer == NULL) /* another node's, which decides; or none was given out here */
		return -EACCES;
	lat_cap_holder_uid(holder, m->cred.process.uid);
	return lat_issuer_present_sender(issuer, &in->right, holder, in->src, in->dst, lat_clock_wall_s(),
					 may);
}

/* 0: any length. */
static uint64_t len_max_of(const struct lat_admission *may, uint64_t else_max)
{
	uint64_t len = may->max_msg > LAT_MSG_OVERHEAD ? may->max_msg - LAT_MSG_OVERHEAD : 1;

	if (may->max_msg == UINT32_MAX)
		return else_max;
	return else_max != 0 && else_max < len ? else_max : len;
}

/* The receiver hears who comes before the sender hears that it may. */
static void on_open(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note grant = { .kind = LAT_NOTE_GRANT,
				  .member = m->cred.member,
				  .src = in->src,
				  .dst = in->dst,
				  .node = in->node };
	struct lat_note out = { .kind = LAT_NOTE_OPENED, .token = in->token };
	uint64_t holder = in->node != 0 ? h->uplink : lat_claims_holder(h->claims, in->dst);
	struct member *other = holder != 0 ? find(h, holder) : NULL;
	struct lat_admission may;

	if (in->node == 0 && other == NULL && (lat_note_has_right(in) || may_open(h, m, in) == 0) &&
	    wait_for_claim(h, m, in))
		return;
	while (grant.grant == 0)
		lat_random(&grant.grant, sizeof(grant.grant));
	out.rc = in->node != 0 && h->uplink == 0 ? -ENETUNREACH : judge_open(h, m, in, &may);
	/* Whether somebody is there is told to those who may send to him. Within itself a member asks for the right alone. */
	if (out.rc == 0 && (other == NULL || (other == m && !lat_note_has_right(in))))
		out.rc = -ECONNREFUSED;
	if (out.rc == -EACCES)
		count(&h->refused);
	if (out.rc == 0) {
		grant.number = len_max_of(&may, 0);
		grant.life = out.life = may.life;
		grant.badge = out.badge = may.badge;
		grant.rate = out.rate = may.rate;
		if (other != m && tell(h, other, &grant) < 0)
			out = (struct lat_note){ .kind = out.kind, .token = out.token, .rc = -ECONNREFUSED };
	}
	if (out.rc == 0) {
		out.member = holder;
		out.grant = grant.grant;
		out.number = len_max_of(&may, in->node != 0 ? h->uplink_len_max : 0);
	}
	(void)tell(h, m, &out);
}

/*
 * One that an earlier host granted to @m: the right is shown again, and both ends hear what it is now. Whose it is they know by the
 * grant's number, and that it comes from @m.
 */
static void on_renew(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_RENEWED,
				.member = in->member,
				.grant = in->grant,
				.src = in->src,
				.dst = in->dst };
	struct member *other = find(h, in->member);
	struct lat_admission may;

	out.rc = in->node == 0 ? judge_open(h, m, in, &may) : -EACCES; /* those have no life here */
	if (out.rc == -EACCES)
		count(&h->refused);
	if (out.rc == 0) {
		out.life = may.life;
		out.badge = may.badge;
		out.rate = may.rate;
	}
	(void)tell(h, m, &out);
	out.member = m->cred.member;
	if (other != NULL && other != m)
		(void)tell(h, other, &out);
}

void lat_host_revoked(struct lat_host *h, struct lat_cap_ref life)
{
	struct member *m, *next;

	pthread_mutex_lock(&h->lock);
	for (m = h->all; m != NULL; m = next) {
		next = m->next; /* who does not read is dropped */
		if (m->greeted)
			(void)tell(h, m, &(struct lat_note){ .kind = LAT_NOTE_REVOKED, .life = life });
	}
	pthread_mutex_unlock(&h->lock);
}

int lat_host_bring(struct lat_host *h, struct lat_note *n)
{
	struct lat_note grant = { .kind = LAT_NOTE_GRANT,
				  .member = h->uplink,
				  .src = n->src,
				  .dst = n->dst,
				  .origin = n->origin,
				  .number = n->number,
				  .life = n->life,
				  .badge = n->badge,
				  .rate = n->rate };
	struct member *other;
	uint64_t holder;
	int rc;

	while (grant.grant == 0)
		lat_random(&grant.grant, sizeof(grant.grant));
	pthread_mutex_lock(&h->lock);
	holder = lat_claims_holder(h->claims, n->dst);
	other = holder != 0 && holder != h->uplink ? find(h, holder) : NULL;
	rc = other == NULL || tell(h, other, &grant) < 0 ? -ECONNREFUSED : 0;
	pthread_mutex_unlock(&h->lock);
	n->member = holder;
	n->grant = grant.grant;
	return rc;
}

/* A pair of sockets for notes and one for the bell: an end of each to each, with what tells of the other's end. */
static int introduce(struct lat_host *h, struct member *to, struct member *who, uint32_t token, int notes,
		     int bell)
{
	const int fds[LAT_NOTE_FDS] = { notes, bell, who->pidfd };
	struct lat_note out = { .kind = LAT_NOTE_PEER,
				.token = token,
				.member = who->cred.member,
				.process = (int32_t)who->cred.process.pid };
	int rc = lat_post_send(&to->post, &out, fds, who->pidfd >= 0 ? 3 : 2);

	if (rc < 0 && rc != -EPIPE && rc != -EMFILE && rc != -ENFILE && rc != -ENOMEM && rc != -ETOOMANYREFS)
		drop(h, to, rc);
	return rc;
}

static void on_meet(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note failed = { .kind = LAT_NOTE_PEER, .token = in->token };
	struct member *other = find(h, in->member);
	int notes[2], bell[2], rc = other != NULL && other != m ? 0 : -ECONNREFUSED;

	if (rc == 0)
		rc = lat_unixsock_pair(notes, true);
	if (rc == 0) {
		rc = lat_unixsock_pair(bell, false);
		if (rc < 0)
			lat_fdpass_close(notes, 2);
	}
	if (rc == 0) {
		rc = introduce(h, other, m, 0, notes[0], bell[0]);
		if (rc == 0)
			rc = introduce(h, m, other, in->token, notes[1], bell[1]);
		lat_fdpass_close(notes, 2);
		lat_fdpass_close(bell, 2);
	}
	if (rc == 0) {
		count(&h->introduced);
		return;
	}
	failed.rc = rc == -EPIPE ? -ECONNREFUSED : rc;
	(void)tell(h, m, &failed);
}

static void on_list(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_LISTED, .token = in->token, .rc = -ENOENT };
	uint64_t holder = 0;
	int32_t pid = in->number < INT32_MAX ? (int32_t)in->number : 0;
	const struct member *other;

	/* What one may neither send to nor receives as is none of one's business. */
	do
		pid = in->number < INT32_MAX ? lat_claims_next(h->claims, pid, &holder) : 0;
	while (pid != 0 && holder != m->cred.member &&
	       lat_claims_may(h->claims, &m->cred, LAT_ACT_OPEN, pid, "") < 0);
	other = holder != 0 ? find(h, holder) : NULL;
	if (other != NULL) {
		out.rc = 0;
		out.number = (uint64_t)pid;
		out.process = (int32_t)other->cred.process.pid;
		(void)snprintf(out.name, sizeof(out.name), "%s", lat_claims_name(h->claims, pid));
	}
	(void)tell(h, m, &out);
}

static void on_probe(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_PROBED, .token = in->token };

	out.rc = lat_claims_may(h->claims, &m->cred, LAT_ACT_REACH, (int32_t)in->node, "");
	if (out.rc == 0)
		out.rc = lat_probes_begin(h->probes, m->cred.member, in);
	if (out.rc < 0)
		(void)tell(h, m, &out);
}

static void on_issue(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	const struct lat_grants_asker who = {
		.member = m->cred.member,
		.uid = (uint32_t)m->cred.process.uid,
		.owner = lat_claims_may(h->claims, &m->cred, LAT_ACT_ISSUE, 0, "") == 0,
	};
	struct lat_note out = { .kind = LAT_NOTE_ISSUED, .token = in->token };

	out.rc = h->grants != NULL ? lat_grants_ask(h->grants, &who, in) : -EACCES;
	if (out.rc < 0)
		(void)tell(h, m, &out);
}

void lat_host_tell(struct lat_host *h, uint64_t member, struct lat_note *n)
{
	struct member *m;

	pthread_mutex_lock(&h->lock);
	m = find(h, member);
	if (m != NULL)
		(void)tell(h, m, n);
	pthread_mutex_unlock(&h->lock);
}

static int on_note(struct lat_host *h, struct member *m, const struct lat_note *n)
{
	if (!m->greeted && n->kind != LAT_NOTE_HELLO)
		return -EPROTO;
	switch (n->kind) {
	case LAT_NOTE_HELLO:
		return on_hello(h, m, n);
	case LAT_NOTE_CLAIM:
		on_claim(h, m, n);
		return 0;
	case LAT_NOTE_UNCLAIM:
		lat_claims_give(h->claims, m->cred.member, n->dst);
		return 0;
	case LAT_NOTE_OPEN:
		on_open(h, m, n);
		return 0;
	case LAT_NOTE_RESOLVE:
		on_resolve(h, m, n);
		return 0;
	case LAT_NOTE_RENEW:
		on_renew(h, m, n);
		return 0;
	case LAT_NOTE_LIST:
		on_list(h, m, n);
		return 0;
	case LAT_NOTE_PROBE:
		on_probe(h, m, n);
		return 0;
	case LAT_NOTE_ISSUE:
		on_issue(h, m, n);
		return 0;
	default:
		on_meet(h, m, n);
		return 0;
	}
}

static void hear(struct lat_host *h, struct member *m)
{
	for (int i = 0; i < TURN_NOTES && !m->gone; i++) {
		int fds[LAT_NOTE_FDS], rc;
		struct lat_note n;
		size_t fd_count;

		rc = lat_post_recv(&m->post, LAT_NOTE_FROM_MEMBER, &n, fds, &fd_count);
		if (rc == 0)
			break;
		if (rc > 0)
			rc = on_note(h, m, &n); /* no note of a member's brings a descriptor */
		lat_wipe(&n, sizeof(n));        /* it may have brought a capability */
		if (rc == -EPIPE)
			dismiss(h, m);
		else if (rc < 0)
			drop(h, m, rc);
	}
	update_counts(h);
}

/* ---- a policy that has changed ---- */

/* Takes what @m may not receive as any more. */
static void take_back(struct lat_host *h, struct member *m)
{
	uint64_t holder;

	for (int32_t pid = 0; (pid = lat_claims_next(h->claims, pid, &holder)) != 0;) {
		if (holder != m->cred.member || lat_claims_may(h->claims, &m->cred, LAT_ACT_RECEIVE, pid,
							       lat_claims_name(h->claims, pid)) == 0)
			continue;
		lat_claims_give(h->claims, holder, pid);
		count(&h->refused);
		if (tell(h, m, &(struct lat_note){ .kind = LAT_NOTE_LOST, .dst = pid }) < 0)
			return;
	}
}

void lat_host_judge(struct lat_host *h)
{
	struct member *next;

	pthread_mutex_lock(&h->lock);
	for (struct member *m = h->all; m != NULL; m = next) {
		next = m->next;
		if (!m->greeted)
			continue;
		if (lat_claims_may(h->claims, &m->cred, LAT_ACT_ATTACH, 0, "") == 0) {
			take_back(h, m);
			continue;
		}
		lat_log(LAT_LOG_INFO, "host: process %d may not be attached any more",
			(int)m->cred.process.pid);
		count(&h->refused);
		dismiss(h, m);
	}
	update_counts(h);
	pthread_mutex_unlock(&h->lock);
}

/* ---- who comes ---- */

static uint32_t strangers_of(const struct lat_host *h, uid_t uid)
{
	uint32_t n = 0;

	for (const struct member *m = h->all; m != NULL; m = m->next)
		n += !m->greeted && m->cred.process.uid == uid;
	return n;
}

/* Whoever connects and says nothing makes room for those who come after: the oldest of the user who has the most such. */
static void drop_stranger(struct lat_host *h)
{
	struct member *oldest = NULL;
	uint32_t most = 0;

	for (struct member *m = h->all; m != NULL; m = m->next) {
		uint32_t n = m->greeted ? 0 : strangers_of(h, m->cred.process.uid);

		if (n == 0 || n < most)
			continue;
		most = n;
		oldest = m; /* new ones are put first */
	}
	if (oldest != NULL)
		drop(h, oldest, -ETIMEDOUT);
}

static int admit(struct lat_host *h, int fd)
{
	struct member *m = calloc(1, sizeof(*m));
	int rc = m != NULL ? lat_process_of_peer(fd, &m->cred.process) : -ENOMEM;

	if (rc == 0 && m->cred.process.uid != geteuid())
		rc = lat_process_groups_of_peer(fd, &m->cred.groups, &m->cred.group_count);
	if (rc < 0) {
		lat_unixsock_hang_up(fd);
		free(m);
		return rc;
	}
	m->pidfd = -1;
	m->notes = (struct tag){ TAG_NOTES, m };
	m->process = (struct tag){ TAG_PROCESS, m };
	rc = lat_process_watch_peer(&m->pidfd, fd);
	if (rc == 0)
		rc = lat_watch_add(h->watch, m->pidfd, false, &m->process);
	if (rc == -ESRCH || rc == -ENOSYS)
		rc = 0; /* the socket tells of its end as well */
	if (rc == 0)
		rc = lat_post_open(&m->post, fd, h->watch, &m->notes);
	else
		lat_unixsock_hang_up(fd);
	if (rc < 0) {
		lat_process_forget(m->pidfd);
		lat_post_fini(&m->post);
		free(m->cred.groups);
		free(m);
		return rc;
	}
	m->next = h->all;
	m->at = &h->all;
	if (m->next != NULL)
		m->next->at = &m->next;
	h->all = m;
	h->strangers++;
	if (h->strangers > LAT_HOST_STRANGERS_MAX)
		drop_stranger(h);
	return 0;
}

static void accept_some(struct lat_host *h)
{
	int rc = 0;

	for (int i = 0; i < TURN_ACCEPTS && rc == 0; i++) {
		int fd = lat_unixsock_accept(&h->door.sock);

		if (fd == -EAGAIN)
			return;
		rc = fd < 0 ? fd : admit(h, fd);
	}
	if (rc == 0)
		return;
	if (h->strangers > 0 && (rc == -EMFILE || rc == -ENFILE)) {
		drop_stranger(h); /* and the next turn has its descriptors */
		return;
	}
	/* No descriptors, no memory: the socket stays readable, so it is not looked at for a while. */
	lat_watch_change(h->watch, h->door.sock.fd, false, false, &h->door_tag);
	h->resume_ns = lat_clock_deadline(lat_clock_monotonic_ns(), (int64_t)pause_ns);
}

/* ---- life ---- */

/* One turn. false: it was the last. */
static bool turn_locked(struct lat_host *h, const struct lat_watch_event *events, size_t n)
{
	if (h->grace_ns != 0 && lat_clock_monotonic_ns() >= h->grace_ns) {
		h->grace_ns = 0;
		go_on(h, NULL);
	}
	if (h->resume_ns != UINT64_MAX && lat_clock_monotonic_ns() >= h->resume_ns) {
		h->resume_ns = UINT64_MAX;
		lat_watch_change(h->watch, h->door.sock.fd, true, false, &h->door_tag);
	}
	for (size_t i = 0; i < n; i++) {
		const struct tag *tag = events[i].data;

		switch (tag->what) {
		case TAG_STOP:
			return false;
		case TAG_DOOR:
			accept_some(h);
			break;
		case TAG_NOTES:
			if (events[i].out && !tag->member->gone)
				(void)lat_post_flush(&tag->member->post);
			if (events[i].in && !tag->member->gone)
				hear(h, tag->member);
			break;
		case TAG_PROCESS: /* a child may hold its sockets open */
			dismiss(h, tag->member);
			break;
		}
	}
	free_dead(h);
	return true;
}

static void run(void *arg)
{
	struct lat_watch_event events[EVENTS];
	struct lat_host *h = arg;
	bool more = true;

	while (more) {
		uint64_t next = h->grace_ns != 0 && h->grace_ns < h->resume_ns ? h->grace_ns : h->resume_ns;
		size_t n = lat_watch_wait(h->watch, events, EVENTS, next);

		pthread_mutex_lock(&h->lock);
		more = turn_locked(h, events, n);
		pthread_mutex_unlock(&h->lock);
	}
}

int lat_host_open(struct lat_host **out, const struct lat_door *door, const struct lat_host_config *cfg,
		  pid_t *holder)
{
	struct lat_host *h = calloc(1, sizeof(*h));
	int rc;

	*out = NULL;
	if (h == NULL)
		return -ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	h->number = cfg->number;
	h->uplink = cfg->uplink;
	h->uplink_len_max = cfg->uplink_len_max;
	h->probes = cfg->probes;
	h->grants = cfg->grants;
	h->lives = lat_lives_get(cfg->lives);
	h->watch = h->stop = -1;
	h->resume_ns = UINT64_MAX;
	h->stop_tag.what = TAG_STOP;
	h->door_tag.what = TAG_DOOR;
	rc = lat_door_take(door, &h->door, holder);
	if (rc < 0) {
		lat_lives_put(h->lives);
		pthread_mutex_destroy(&h->lock);
		free(h);
		return rc;
	}
	if (cfg->again || h->door.after)
		h->grace_ns = lat_clock_deadline(lat_clock_monotonic_ns(), LAT_HOST_GRACE_NS);
	rc = cfg->judge != NULL && lat_judge_is_policed(cfg->judge) ? lat_unixsock_let_in(&h->door.sock) : 0;
	if (rc == 0)
		rc = lat_claims_open(&h->claims, h->door.key, geteuid(), lat_clock_monotonic_ns());
	if (rc == 0)
		lat_claims_set_judge(h->claims, cfg->judge);
	if (rc == 0)
		rc = lat_watch_open(&h->watch);
	if (rc == 0)
		rc = lat_eventfd_open(&h->stop);
	if (rc == 0)
		rc = lat_watch_add(h->watch, h->stop, false, &h->stop_tag);
	if (rc == 0)
		rc = lat_watch_add(h->watch, h->door.sock.fd, false, &h->door_tag);
	if (rc == 0)
		rc = lat_thread_start(&h->thread, "lattice-host", run, h);
	if (rc < 0) {
		lat_host_close(h);
		return rc;
	}
	lat_log(LAT_LOG_INFO, "host: node %u at %s", cfg->number, door->path);
	*out = h;
	return 0;
}

/* Another process receives here, and will claim its pids again of the next host. */
static bool is_awaited(struct lat_host *h)
{
	uint64_t holder;

	for (int32_t pid = 0; (pid = lat_claims_next(h->claims, pid, &holder)) != 0;) {
		const struct member *m = find(h, holder);

		if (m != NULL && m->cred.process.pid != getpid())
			return true;
	}
	return false;
}

void lat_host_close(struct lat_host *h)
{
	if (h == NULL)
		return;
	if (h->stop >= 0)
		lat_eventfd_signal(h->stop);
	lat_thread_join(&h->thread);
	/* The door first: who is told and looks for another finds it free. */
	lat_door_give(&h->door, h->claims != NULL && is_awaited(h));
	while (h->all != NULL)
		dismiss(h, h->all);
	free_dead(h);
	lat_claims_close(h->claims);
	lat_watch_close(h->watch);
	lat_eventfd_close(h->stop);
	lat_lives_put(h->lives);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void lat_host_stats(struct lat_host *h, struct lat_stats *s)
{
	const struct {
		const char *name, *text;
		const _Atomic(uint64_t) *value;
	} rows[] = {
		{ "host.members", "nodes of processes attached here", &h->members },
		{ "host.pids", "pids they receive as", &h->pids },
		{ "host.introduced", "times two of them were introduced to each other", &h->introduced },
		{ "host.refused", "requests of processes that may not", &h->refused },
		{ "host.dropped", "processes dropped: they broke a rule, or did not read", &h->broke },
		{ "host.lost", "pids given back to whom an earlier host had given them", &h->lost },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		lat_stats_put(s, rows[i].name, rows[i].text,
			      atomic_load_explicit(rows[i].value, memory_order_relaxed));
}

/*
 * One thread, and under the lock others that bring channels from other nodes; counters are read by anybody. A member that is to go is taken out of the tables
 * at once and freed after the turn: another event of the turn may be its.
 */
#include "node/host_impl.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>

#include "base/log.h"
#include "node/grants.h"
#include "node/issuer.h"
#include "node/judge.h"
#include "node/lives.h"
#include "node/node.h"
#include "node/probe.h"
#include "node/refusal.h"
#include "node/stats.h"
#include "os/clock.h"
#include "os/eventfd.h"
#include "os/fdpass.h"
#include "os/random.h"
#include "os/watch.h"

enum {
	EVENTS = 64,
	TURN_NOTES = 64, /* of one member, then the others have their turn */
	TURN_ACCEPTS = 16,
	LIST_LOOKS = 64, /* at pids that are not the asker's business, for one LIST */
};

static const uint64_t pause_ns = (uint64_t)LAT_NS_PER_S; /* when no more can be accepted */

void lat_host_refused(struct lat_host *h, const struct member *m, enum lat_audit_act act,
		      const struct lat_note *in, int rc)
{
	lat_host_count(&h->refused);
	lat_refusal_member(h->audit, h->grants != NULL ? lat_grants_issuer(h->grants) : NULL, &m->cred, act,
			   in, rc);
}

/* ---- members ---- */

static void update_counts(struct lat_host *h)
{
	atomic_store_explicit(&h->members, HASH_COUNT(h->greeted), memory_order_relaxed);
	atomic_store_explicit(&h->pids, lat_claims_count(h->claims), memory_order_relaxed);
}

static void dismiss(struct lat_host *h, struct member *m)
{
	if (m->gone)
		return;
	m->gone = true;
	lat_host_forget_waiting(h, m);
	lat_host_graph_without(h, m, false);
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
void lat_host_drop(struct lat_host *h, struct member *m, int rc)
{
	if (m->gone)
		return;
	lat_host_count(&h->broke);
	if (rc == -EPROTO || rc == -ETIMEDOUT)
		lat_refusal_member(h->audit, NULL, &m->cred, LAT_AUDIT_STAY, NULL, rc);
	lat_log(LAT_LOG_WARN, "host: process %d is dropped: %s", (int)m->cred.process.pid,
		rc == -EPROTO ? "it broke a rule" : lattice_error_name(rc));
	dismiss(h, m);
}

int lat_host_say(struct lat_host *h, struct member *m, struct lat_note *n)
{
	int rc = lat_post_send(&m->post, n, NULL, 0);

	if (rc < 0 && rc != -EPIPE)
		lat_host_drop(h, m, rc);
	return rc;
}

struct member *lat_host_member(struct lat_host *h, uint64_t id)
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
	if (out.rc == 0 && lat_host_member(h, in->member) != NULL)
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
		lat_host_refused(h, m, LAT_AUDIT_ATTACH, NULL, out.rc);
	rc = lat_post_send(&m->post, &out, &page, out.rc == 0 ? 1 : 0);
	if (rc < 0 && rc != -EPIPE)
		lat_host_drop(h, m, rc);
	else if (out.rc < 0)
		dismiss(h, m);
	return 0;
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
		struct member *other = losers[i].member != 0 ? lat_host_member(h, losers[i].member) : NULL;

		if (other == NULL)
			continue;
		out.process = (int32_t)other->cred.process.pid;
		if (out.rc < 0)
			continue;
		lat_host_count(&h->lost);
		(void)lat_host_say(h, other,
				   &(struct lat_note){ .kind = LAT_NOTE_LOST, .dst = losers[i].pid });
	}
	if (out.rc < 0)
		memset(out.ticket, 0, sizeof(out.ticket));
	if (out.rc == -EACCES)
		lat_host_refused(h, m, LAT_AUDIT_LISTEN, in, out.rc);
	(void)lat_host_say(h, m, &out);
	if (out.rc == 0)
		lat_host_go_on(h, in);
}

void lat_host_on_resolve(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_RESOLVED, .token = in->token };
	int32_t pid = lat_claims_named(h->claims, in->name);

	out.rc = lat_claims_may(h->claims, &m->cred, LAT_ACT_RESOLVE, pid, in->name);
	if (out.rc == 0 && pid == 0) {
		if (lat_host_wait_for_claim(h, m, in))
			return;
		out.rc = -ENOENT;
	}
	if (out.rc == -EACCES)
		lat_host_refused(h, m, LAT_AUDIT_RESOLVE, in, out.rc);
	if (out.rc == 0)
		out.number = (uint64_t)pid;
	(void)lat_host_say(h, m, &out);
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

void lat_host_revoked(struct lat_host *h, struct lat_cap_ref life)
{
	struct member *m, *next;

	pthread_mutex_lock(&h->lock);
	for (m = h->all; m != NULL; m = next) {
		next = m->next; /* who does not read is dropped */
		if (m->greeted)
			(void)lat_host_say(h, m,
					   &(struct lat_note){ .kind = LAT_NOTE_REVOKED, .life = life });
	}
	pthread_mutex_unlock(&h->lock);
}

static void on_list(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_LISTED, .token = in->token, .rc = -ENOENT };
	uint64_t holder = 0;
	int32_t pid = in->number < INT32_MAX ? (int32_t)in->number : 0;
	const struct member *other;
	uint32_t looks = 0;

	/* What one may neither send to nor receives as is none of one's business. */
	do
		pid = in->number < INT32_MAX ? lat_claims_next(h->claims, pid, &holder) : 0;
	while (pid != 0 && holder != m->cred.member &&
	       lat_claims_may(h->claims, &m->cred, LAT_ACT_OPEN, pid, "") < 0 && ++looks < LIST_LOOKS);
	if (looks == LIST_LOOKS) { /* the others have their turn: it asks on from there */
		out.rc = -EAGAIN;
		out.number = (uint64_t)pid;
		(void)lat_host_say(h, m, &out);
		return;
	}
	other = holder != 0 ? lat_host_member(h, holder) : NULL;
	if (other != NULL) {
		out.rc = 0;
		out.number = (uint64_t)pid;
		out.process = (int32_t)other->cred.process.pid;
		(void)snprintf(out.name, sizeof(out.name), "%s", lat_claims_name(h->claims, pid));
	}
	(void)lat_host_say(h, m, &out);
}

static void on_probe(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	struct lat_note out = { .kind = LAT_NOTE_PROBED, .token = in->token };

	out.rc = lat_claims_may(h->claims, &m->cred, LAT_ACT_REACH, (int32_t)in->node, "");
	if (out.rc < 0)
		lat_host_refused(h, m, LAT_AUDIT_REACH, in, out.rc);
	if (out.rc == 0)
		out.rc = lat_probes_begin(h->probes, m->cred.member, (uint32_t)m->cred.process.uid, in);
	if (out.rc < 0)
		(void)lat_host_say(h, m, &out);
}

static void on_issue(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	const struct lat_grants_asker who = {
		.member = m->cred.member,
		.uid = (uint32_t)m->cred.process.uid,
		.gid = (uint32_t)m->cred.process.gid,
		.process = (int32_t)m->cred.process.pid,
		.owner = lat_claims_may(h->claims, &m->cred, LAT_ACT_ISSUE, 0, "") == 0,
	};
	struct lat_note out = { .kind = LAT_NOTE_ISSUED, .token = in->token };

	out.rc = h->grants != NULL ? lat_grants_ask(h->grants, &who, in) : -EACCES;
	if (out.rc == -ENOBUFS || out.rc == -EACCES)
		lat_refusal_issue(h->audit, who.uid, who.gid, who.process, (int)in->flags, out.rc);
	if (out.rc < 0)
		(void)lat_host_say(h, m, &out);
}

void lat_host_tell(struct lat_host *h, uint64_t member, struct lat_note *n)
{
	struct member *m;

	pthread_mutex_lock(&h->lock);
	m = lat_host_member(h, member);
	if (m != NULL)
		(void)lat_host_say(h, m, n);
	pthread_mutex_unlock(&h->lock);
}

static int on_note(struct lat_host *h, struct member *m, const struct lat_note *n, const int *fds,
		   size_t fd_count)
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
		lat_host_on_open(h, m, n);
		return 0;
	case LAT_NOTE_RESOLVE:
		lat_host_on_resolve(h, m, n);
		return 0;
	case LAT_NOTE_RENEW:
		lat_host_on_renew(h, m, n);
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
	case LAT_NOTE_GRAPH:
		lat_host_on_graph(h, m, n);
		return 0;
	case LAT_NOTE_SHOWN:
		lat_host_on_shown(h, m, n, fds, fd_count);
		return 0;
	default:
		lat_host_on_meet(h, m, n);
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
		if (rc > 0) {
			rc = on_note(h, m, &n, fds, fd_count);
			lat_fdpass_close(fds, fd_count);
		} else if (rc == -EMFILE && n.kind == LAT_NOTE_SHOWN) { /* no fault of its */
			lat_host_graph_without(h, m, true);
			rc = 0;
		}
		lat_wipe(&n, sizeof(n)); /* it may have brought a capability */
		if (rc == -EPIPE)
			dismiss(h, m);
		else if (rc < 0)
			lat_host_drop(h, m, rc);
	}
	update_counts(h);
}

/* ---- a policy that has changed ---- */

/* Takes what its members may not receive as any more. */
static void take_back(struct lat_host *h, struct lat_node_cut *cut)
{
	uint64_t holder;

	for (int32_t pid = 0; (pid = lat_claims_next(h->claims, pid, &holder)) != 0;) {
		struct member *m = lat_host_member(h, holder);

		if (m == NULL || lat_claims_may(h->claims, &m->cred, LAT_ACT_RECEIVE, pid,
						lat_claims_name(h->claims, pid)) == 0)
			continue;
		lat_claims_give(h->claims, holder, pid);
		cut->pids++;
		lat_host_refused(h, m, LAT_AUDIT_STAY, &(struct lat_note){ .dst = pid }, -EACCES);
		(void)lat_host_say(h, m, &(struct lat_note){ .kind = LAT_NOTE_LOST, .dst = pid });
	}
}

void lat_host_judge(struct lat_host *h, struct lat_node_cut *cut)
{
	struct member *next;

	pthread_mutex_lock(&h->lock);
	for (struct member *m = h->all; m != NULL; m = next) {
		next = m->next;
		if (!m->greeted || lat_claims_may(h->claims, &m->cred, LAT_ACT_ATTACH, 0, "") == 0)
			continue;
		lat_log(LAT_LOG_INFO, "host: process %d may not be attached any more",
			(int)m->cred.process.pid);
		lat_host_refused(h, m, LAT_AUDIT_STAY, NULL, -EACCES);
		cut->processes++;
		dismiss(h, m);
	}
	take_back(h, cut);
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
		lat_host_drop(h, oldest, -ETIMEDOUT);
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
		lat_host_go_on(h, NULL);
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
	lat_host_graph_turn(h);
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
		uint64_t graph = lat_host_graph_due(h);
		size_t n = lat_watch_wait(h->watch, events, EVENTS, graph < next ? graph : next);

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
	h->standing = cfg->standing;
	h->lives = lat_lives_get(cfg->lives);
	h->audit = cfg->audit;
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
		const struct member *m = lat_host_member(h, holder);

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
	lat_graph_rows_free(&h->graph.rows);
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

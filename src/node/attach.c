/*
 * The thread alone connects, hears the host and hosts. Others send to the host and wait for its answers, under the lock. What must be
 * called without the lock (links, endpoints) is called by the thread between notes.
 */
#include "node/attach.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/node.h>

#include "base/log.h"
#include "base/table.h"
#include "node/channel_right.h"
#include "node/door.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/grants.h"
#include "node/graphrow.h"
#include "node/host.h"
#include "node/links.h"
#include "node/lives.h"
#include "node/node.h"
#include "node/post.h"
#include "node/stats.h"
#include "node/waitq.h"
#include "os/clock.h"
#include "os/eventfd.h"
#include "os/fdpass.h"
#include "os/random.h"
#include "os/thread.h"
#include "os/watch.h"

enum { EVENTS = 64, TURN_NOTES = 64 };

/* Between two looks for a host: soon at first, because the next one takes a moment to begin; then seldom. */
static const uint64_t retry_first_ns = (uint64_t)LAT_NS_PER_MS, retry_last_ns = (uint64_t)LAT_NS_PER_S;

enum state {
	LOOKING,  /* for a host */
	GREETING, /* connected, HELLO is sent */
	UP,
};

struct held { /* a pid that is ours */
	int32_t pid;
	char name[LAT_NOTE_NAME];
	uint8_t ticket[LAT_NOTE_TICKET];
	UT_hash_handle hh;
};

struct lat_attach {
	struct lat_attach_config cfg;
	struct lat_door door;
	struct lat_links *links;
	uint64_t member;
	int watch, stop, poke;
	struct lat_thread thread;
	struct lat_attach_tag stop_tag, poke_tag, notes_tag, process_tag;

	/* The thread's. */
	struct lat_host *hosting; /* set and read by others under the lock */
	int host_pidfd;
	uint64_t
		renew_ns; /* when what an earlier host let open, and this one has not, ends; UINT64_MAX: it is done */
	uint64_t next_ns,
		retry_ns; /* when to look again, or to stop waiting for the WELCOME; the pause before that */
	bool stopping;

	pthread_mutex_t lock;
	enum state state;
	struct lat_post post; /* to the host */
	struct lat_process host_process;
	struct lat_attach_call *calls;
	struct held *held;
	struct lat_waitq changed; /* state, failed */
	struct lat_lives *lives;  /* the host's page: the newest that came; NULL: none yet */
	uint32_t token;
	lattice_node_id number;
	int failed; /* before it was UP for the first time: why it never will be */
	pid_t holder;
	bool was_up, closed;
	bool stuck; /* the host does not read */
	uint64_t lost_ns;
	_Atomic(uint64_t) attached, hosted, pids_lost;
};

static uint64_t after(uint64_t ns)
{
	return lat_clock_deadline(lat_clock_monotonic_ns(), (int64_t)ns);
}

static void count(_Atomic(uint64_t) *counter)
{
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- to the host: the lock is held ---- */

/* What cannot be sent now is sent again to the next host: this one does not read, and is given up. */
static void send_with_locked(struct lat_attach *a, struct lat_note *n, const int *fds, size_t count_fds)
{
	int rc = lat_post_send(&a->post, n, fds, count_fds);

	if (rc < 0 && rc != -EPIPE) {
		lat_log(LAT_LOG_WARN, "local: the host does not read (%s)", lattice_error_name(rc));
		a->stuck = true;
		lat_attach_poke(a);
	}
}

static void send_locked(struct lat_attach *a, struct lat_note *n)
{
	send_with_locked(a, n, NULL, 0);
}

static void send_claim_locked(struct lat_attach *a, const struct held *held)
{
	struct lat_note n = { .kind = LAT_NOTE_CLAIM, .dst = held->pid };

	memcpy(n.ticket, held->ticket, sizeof(n.ticket));
	memcpy(n.name, held->name, sizeof(n.name));
	send_locked(a, &n);
}

static void unclaim_locked(struct lat_attach *a, int32_t pid)
{
	if (a->state == UP)
		send_locked(a, &(struct lat_note){ .kind = LAT_NOTE_UNCLAIM, .dst = pid });
}

static struct held *find_locked(const struct lat_attach *a, int32_t pid)
{
	struct held *held;

	HASH_FIND(hh, a->held, &pid, sizeof(pid), held);
	return held;
}

static void forget_locked(struct lat_attach *a, int32_t pid)
{
	struct held *held = find_locked(a, pid);

	if (held == NULL)
		return;
	HASH_DEL(a->held, held);
	free(held);
}

/* ---- what the host says: the thread ---- */

/* Before the first time it is told to who opens; later it is tried again. */
static void fail_locked(struct lat_attach *a, int rc)
{
	if (!a->was_up && a->failed == 0)
		a->failed = rc;
	lat_waitq_wake(&a->changed);
}

static void lose_host(struct lat_attach *a)
{
	pthread_mutex_lock(&a->lock);
	lat_post_fini(&a->post);
	if (a->host_pidfd >= 0)
		lat_watch_remove(a->watch, a->host_pidfd);
	lat_process_forget(a->host_pidfd);
	a->host_pidfd = -1;
	a->stuck = false;
	if (a->state == UP) {
		lat_log(LAT_LOG_INFO, "local: the host, process %d, is gone", (int)a->host_process.pid);
		a->lost_ns = lat_clock_monotonic_ns();
		a->retry_ns = retry_first_ns;
		a->next_ns = 0;
	} else {
		a->next_ns = after(a->retry_ns);
		a->retry_ns = a->retry_ns * 2 < retry_last_ns ? a->retry_ns * 2 : retry_last_ns;
	}
	a->state = LOOKING;
	pthread_mutex_unlock(&a->lock);
}

static int on_welcome(struct lat_attach *a, const struct lat_note *n, const int *fds, size_t count_fds)
{
	struct lat_lives *lives = NULL, *old;
	struct held *held, *next;
	bool again = false;
	int rc = n->rc;

	if (a->state != GREETING) {
		lat_fdpass_close(fds, count_fds);
		return -EPROTO;
	}
	if (rc == 0 && !a->was_up && a->cfg.number_wanted && n->node != a->cfg.number)
		rc = -EINVAL;
	if (rc == 0)
		rc = lat_lives_join(&lives, fds[0]);
	lat_fdpass_close(fds, count_fds);
	pthread_mutex_lock(&a->lock);
	if (rc < 0) {
		if (!a->was_up) /* who opens is told; who was here before keeps what it said of itself */
			a->number = n->node;
		fail_locked(a, rc);
		pthread_mutex_unlock(&a->lock);
		return rc;
	}
	if (a->was_up && n->node != a->number)
		lat_log(LAT_LOG_WARN, "local: the new host's node is number %u, and this one stays %u",
			n->node, a->number);
	else
		a->number = n->node;
	again = a->was_up;
	a->was_up = true;
	old = a->lives;
	a->lives = lives;
	a->lost_ns = 0;
	a->state = UP;
	a->retry_ns = retry_first_ns;
	a->next_ns = UINT64_MAX;
	HASH_ITER(hh, a->held, held, next)
		send_claim_locked(a, held);
	for (struct lat_attach_call *c = a->calls; c != NULL; c = c->next)
		if (!c->done)
			send_locked(a, &c->note);
	lat_waitq_wake(&a->changed);
	pthread_mutex_unlock(&a->lock);
	lat_lives_put(old);
	count(&a->attached);
	if (again)
		lat_links_hosted(a->links);
	if (again) {
		a->renew_ns = after((uint64_t)LAT_ATTACH_PATIENCE_NS);
		lat_node_renew(a->cfg.node);
	}
	return 0;
}

/* The answer to a call, if it still waits, who may keep what comes with it (@fd, NULL: nothing). The lock is held. */
static bool answer_locked(struct lat_attach *a, const struct lat_note *n, int *fd)
{
	for (struct lat_attach_call *c = a->calls; c != NULL; c = c->next) {
		if (c->done || c->note.token != n->token)
			continue;
		lat_wipe(&c->note.right, sizeof(c->note.right));
		c->note = *n;
		c->done = true;
		if (c->wants_fd && fd != NULL) {
			c->fd = *fd;
			*fd = -1;
		}
		if (c->wants_lives && n->life.gen != 0 && a->lives != NULL)
			c->lives = lat_lives_get(a->lives);
		lat_waitq_wake(&c->answered);
		return true;
	}
	return false;
}

static int hold_locked(struct lat_attach *a, const struct lat_note *n)
{
	struct held *held = find_locked(a, n->dst);

	if (held == NULL) {
		held = calloc(1, sizeof(*held));
		if (held == NULL)
			return -ENOMEM;
		held->pid = n->dst;
		HASH_ADD(hh, a->held, pid, sizeof(held->pid), held);
		if (held->hh.tbl == NULL) {
			free(held);
			return -ENOMEM;
		}
	}
	memcpy(held->ticket, n->ticket, sizeof(held->ticket));
	memcpy(held->name, n->name, sizeof(held->name));
	return 0;
}

static void lost_pid(struct lat_attach *a, int32_t pid, const char *why)
{
	count(&a->pids_lost);
	lat_log(LAT_LOG_WARN, "local: pid %d is another process's now: %s", pid, why);
	lat_endpoint_lost(a->cfg.node, pid);
}

/* Of a call (token), or of a pid that we had at an earlier host. */
static void on_claimed(struct lat_attach *a, const struct lat_note *n)
{
	struct lat_note said = *n;
	bool lost = false;

	pthread_mutex_lock(&a->lock);
	if (n->token == 0) {
		struct held *held = find_locked(a, n->dst);

		if (held != NULL && n->rc == 0)
			memcpy(held->ticket, n->ticket, sizeof(held->ticket));
		lost = held != NULL && n->rc != 0;
		if (lost)
			forget_locked(a, n->dst);
	} else {
		if (n->rc == 0)
			said.rc = hold_locked(a, n);
		if ((!answer_locked(a, &said, NULL) || said.rc < 0) &&
		    n->rc == 0) { /* nobody waits for it any more */
			forget_locked(a, n->dst);
			unclaim_locked(a, n->dst);
		}
	}
	pthread_mutex_unlock(&a->lock);
	if (lost)
		lost_pid(a, n->dst, lattice_error_name(n->rc));
}

static void on_lost(struct lat_attach *a, const struct lat_note *n)
{
	bool lost;

	pthread_mutex_lock(&a->lock);
	lost = find_locked(a, n->dst) != NULL;
	forget_locked(a, n->dst);
	pthread_mutex_unlock(&a->lock);
	if (lost)
		lost_pid(a, n->dst, "it had it at the last host");
}

static void on_answer(struct lat_attach *a, const struct lat_note *n)
{
	pthread_mutex_lock(&a->lock);
	(void)answer_locked(a, n, NULL);
	pthread_mutex_unlock(&a->lock);
}

static void on_graphed(struct lat_attach *a, const struct lat_note *n, const int *fds, size_t count_fds)
{
	int fd = count_fds > 0 ? fds[0] : -1;

	pthread_mutex_lock(&a->lock);
	(void)answer_locked(a, n, &fd);
	pthread_mutex_unlock(&a->lock);
	lat_fdpass_close(&fd, fd >= 0);
}

/* Our part of the node's graph. */
static void on_show(struct lat_attach *a, const struct lat_note *n)
{
	struct lat_note out = { .kind = LAT_NOTE_SHOWN, .token = n->token };
	struct lat_graph_rows rows = { 0 };
	int fd = -1;

	out.rc = lat_graph_tell(a->cfg.node, &rows);
	if (out.rc == 0)
		out.rc = lat_graph_rows_pack(&rows, &fd, &out.number);
	lat_graph_rows_free(&rows);
	pthread_mutex_lock(&a->lock);
	send_with_locked(a, &out, &fd, fd >= 0);
	pthread_mutex_unlock(&a->lock);
	lat_fdpass_close(&fd, fd >= 0);
}

static int on_note(struct lat_attach *a, const struct lat_note *n, const int *fds, size_t count_fds)
{
	struct lat_note said;

	if (a->state != UP && n->kind != LAT_NOTE_WELCOME)
		return -EPROTO;
	switch (n->kind) {
	case LAT_NOTE_WELCOME:
		return on_welcome(a, n, fds, count_fds);
	case LAT_NOTE_REVOKED:
		lat_links_revoked(a->links, n->life);
		lat_node_life_ended(a->cfg.node, n->life);
		return 0;
	case LAT_NOTE_RENEWED:
		if (n->member == a->member)
			lat_node_renewed(a->cfg.node, n);
		else
			lat_links_renewed(a->links, n);
		return 0;
	case LAT_NOTE_SHOW:
		on_show(a, n);
		return 0;
	case LAT_NOTE_GRAPHED:
		on_graphed(a, n, fds, count_fds);
		return 0;
	case LAT_NOTE_CLAIMED:
		on_claimed(a, n);
		return 0;
	case LAT_NOTE_LOST:
		on_lost(a, n);
		return 0;
	case LAT_NOTE_GRANT:
		lat_links_grant(a->links, n);
		return 0;
	case LAT_NOTE_PEER:
		said = *n;
		if (n->rc == 0)
			said.rc = lat_links_meet(a->links, n, fds, count_fds);
		if (n->token != 0)
			on_answer(a, &said);
		return 0;
	default:
		on_answer(a, n);
		return 0;
	}
}

/*
 * What a note brought is lost. There is no link with the process of a PEER, or no picture. Whoever asked for it is told, and so is the other
 * end of a link, by the hang-up.
 */
static void descriptors_missed(struct lat_attach *a, struct lat_note *n)
{
	lat_log(LAT_LOG_WARN, "local: %s: too many open files",
		n->kind == LAT_NOTE_PEER ? "no link with another process" : "no picture of the graph");
	if (n->token == 0)
		return;
	n->rc = -EMFILE;
	on_answer(a, n);
}

static void hear_host(void *owner, bool in, bool out)
{
	struct lat_attach *a = owner;
	int rc = 1;

	if (a->post.last == NULL) /* an event of one that was lost in this turn */
		return;
	if (out)
		(void)lat_post_flush(&a->post);
	for (int i = 0; in && i < TURN_NOTES && rc == 1; i++) {
		int fds[LAT_NOTE_FDS];
		struct lat_note n;
		size_t fd_count;

		rc = lat_post_recv(&a->post, LAT_NOTE_FROM_HOST, &n, fds, &fd_count);
		if (rc == 1) {
			int handled = on_note(a, &n, fds, fd_count);

			if (handled < 0)
				rc = handled;
		} else if (rc == -EMFILE && (n.kind == LAT_NOTE_PEER || n.kind == LAT_NOTE_GRAPHED)) {
			descriptors_missed(a, &n);
			rc = 1;
		}
		lat_wipe(&n, sizeof(n)); /* it may have brought a capability */
	}
	if (rc < 0)
		lose_host(a);
}

static void host_died(void *owner, bool in, bool out)
{
	(void)in;
	(void)out;
	lose_host(owner);
}

/* ---- finding a host, or becoming it: the thread ---- */

static int host_ourselves(struct lat_attach *a)
{
	struct lat_host_config cfg = {
		.number = a->number,
		.again = a->was_up,
		.uplink = a->cfg.node->network != NULL ? a->member : 0,
		.uplink_len_max = a->cfg.node->len_max,
		.judge = a->cfg.node->judge,
		.probes = a->cfg.node->probes,
		.grants = a->cfg.node->grants,
		.standing = a->cfg.node->standing,
		.audit = a->cfg.node->audit,
	};
	struct lat_host *host;
	pid_t holder = 0;
	int rc = lat_grants_lives(a->cfg.node->grants, &cfg.lives);

	if (rc < 0)
		return rc;
	rc = lat_host_open(&host, &a->door, &cfg, &holder);
	if (rc == -ENOENT && lat_door_find_again(&a->door) == 0) /* its directory was removed */
		rc = lat_host_open(&host, &a->door, &cfg, &holder);
	pthread_mutex_lock(&a->lock);
	if (rc == 0)
		a->hosting = host;
	a->holder = holder;
	pthread_mutex_unlock(&a->lock);
	if (rc == 0)
		count(&a->hosted);
	return rc;
}

static int greet(struct lat_attach *a, int fd, const struct lat_process *host)
{
	struct lat_note hello = { .kind = LAT_NOTE_HELLO, .member = a->member };
	int rc = lat_process_watch_peer(&a->host_pidfd, fd);

	if (rc < 0)
		a->host_pidfd = -1; /* the socket tells of its end as well */
	else if (lat_watch_add(a->watch, a->host_pidfd, false, &a->process_tag) < 0)
		lat_log(LAT_LOG_WARN, "local: the host's process cannot be watched");
	pthread_mutex_lock(&a->lock);
	rc = lat_post_open(&a->post, fd, a->watch, &a->notes_tag);
	if (rc == 0)
		rc = lat_post_send(&a->post, &hello, NULL, 0);
	a->host_process = *host;
	a->state = GREETING;
	a->next_ns = after((uint64_t)LAT_ATTACH_PATIENCE_NS);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

/* What is so for longer than a host takes to begin or to end. */
static bool lasting(int rc)
{
	switch (rc) {
	case -EBUSY: /* somebody has the lock, and will listen */
	case -ENOENT:
	case -ECONNREFUSED: /* nobody listens, and somebody will have the lock */
	case -EAGAIN:
	case -EPIPE:
	case -ESRCH:
		return false;
	default:
		return true;
	}
}

static void look(struct lat_attach *a)
{
	int fd, rc = a->hosting != NULL || a->cfg.never_host ? 0 : host_ourselves(a);
	bool theirs = (rc == -EACCES || rc == -EROFS) && !a->cfg.must_host; /* another user's place */
	struct lat_process process;

	if (rc == 0 || theirs || (rc == -EBUSY && !a->cfg.must_host)) {
		int knocked = lat_door_knock(&a->door, &fd, &process);

		if (knocked == 0)
			knocked = greet(a, fd, &process);
		if (knocked == 0)
			return;
		if (!theirs || lasting(knocked))
			rc = knocked;
	} else if (rc == -EBUSY) {
		pthread_mutex_lock(&a->lock);
		fail_locked(a, rc);
		pthread_mutex_unlock(&a->lock);
	}
	if (lasting(rc) || (a->cfg.never_host && (rc == -ENOENT || rc == -ECONNREFUSED))) {
		pthread_mutex_lock(&a->lock);
		fail_locked(a, rc == -ENOENT ? -ECONNREFUSED : rc);
		pthread_mutex_unlock(&a->lock);
	}
	lose_host(a);
}

/* ---- the thread ---- */

static void on_stop(void *owner, bool in, bool out)
{
	struct lat_attach *a = owner;

	(void)in;
	(void)out;
	a->stopping = true;
}

static void on_poke(void *owner, bool in, bool out)
{
	struct lat_attach *a = owner;
	bool stuck;

	(void)in;
	(void)out;
	lat_eventfd_clear(a->poke);
	pthread_mutex_lock(&a->lock);
	stuck = a->stuck;
	pthread_mutex_unlock(&a->lock);
	if (stuck)
		lose_host(a);
}

/* The time to be given another life is over (LOCAL 15). */
static void end_unrenewed(struct lat_attach *a)
{
	a->renew_ns = UINT64_MAX;
	lat_links_unrenewed(a->links, a->lives); /* which only this thread changes */
	lat_node_unrenewed(a->cfg.node, a->lives);
}

static void run(void *arg)
{
	struct lat_watch_event events[EVENTS];
	struct lat_attach *a = arg;

	while (!a->stopping) {
		uint64_t links_ns = lat_links_turn(a->links), next_ns;
		size_t n;

		if (a->renew_ns != UINT64_MAX && lat_clock_monotonic_ns() >= a->renew_ns)
			end_unrenewed(a);

		if (a->next_ns != UINT64_MAX && lat_clock_monotonic_ns() >= a->next_ns) {
			if (a->state == LOOKING) {
				look(a);
			} else { /* it accepts, and does not answer */
				pthread_mutex_lock(&a->lock);
				fail_locked(a, -ETIMEDOUT);
				pthread_mutex_unlock(&a->lock);
				lose_host(a);
			}
		}
		next_ns = a->next_ns < links_ns ? a->next_ns : links_ns;
		n = lat_watch_wait(a->watch, events, EVENTS, next_ns < a->renew_ns ? next_ns : a->renew_ns);
		for (size_t i = 0; i < n && !a->stopping; i++) {
			const struct lat_attach_tag *tag = events[i].data;

			tag->ready(tag->owner, events[i].in, events[i].out);
		}
	}
}

/* ---- life ---- */

static int prepare(struct lat_attach *a)
{
	int rc = lat_door_find(&a->door);

	if (rc < 0)
		return rc;
	while (a->member == 0)
		lat_random(&a->member, sizeof(a->member));
	rc = lat_watch_open(&a->watch);
	if (rc == 0)
		rc = lat_eventfd_open(&a->stop);
	if (rc == 0)
		rc = lat_eventfd_open(&a->poke);
	if (rc == 0)
		rc = lat_watch_add(a->watch, a->stop, false, &a->stop_tag);
	if (rc == 0)
		rc = lat_watch_add(a->watch, a->poke, false, &a->poke_tag);
	if (rc == 0)
		rc = lat_links_open(&a->links, a, a->cfg.node);
	if (rc == 0)
		rc = lat_thread_start(&a->thread, "lattice-local", run, a);
	return rc;
}

/* Waits until it is attached, or never will be. */
static int settle(struct lat_attach *a, lattice_node_id *number)
{
	uint64_t deadline = after((uint64_t)LAT_ATTACH_PATIENCE_NS * 2);
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	while (!a->was_up && a->failed == 0 && rc == 0)
		rc = lat_waitq_wait(&a->changed, &a->lock, deadline);
	if (a->failed != 0)
		rc = a->failed;
	if (rc == 0)
		*number = a->number;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static int open_why(const struct lat_attach *a, int rc)
{
	int process = (int)(a->host_process.pid != 0 ? a->host_process.pid : a->holder);

	switch (rc) {
	case -EBUSY:
		return lat_why(NULL, rc, "process %d hosts at %s", process, a->door.path);
	case -ECONNREFUSED:
		return lat_why(NULL, rc, "nobody hosts at %s", a->door.path);
	case -EEXIST:
		return lat_why(
			NULL, rc,
			"%s, or the .lock or .key beside it, is a file of something else: LATTICE_SOCKET "
			"names a socket, to be made",
			a->door.path);
	case -EINVAL:
		return lat_why(NULL, rc, "the node at %s is number %u, not %u", a->door.path, a->number,
			       a->cfg.number);
	case -EPERM:
		return lat_why(NULL, rc, "%s belongs to another user", a->door.path);
	case -EACCES:
		if (process == 0)
			return lat_why(
				NULL, rc,
				"this user may not use %s, or the lock or key beside it: a node lets other "
				"users in by a policy, 'lattice node run -c'",
				a->door.path);
		return lat_why(
			NULL, rc,
			"process %d, which hosts at %s, does not let this user in: a line of its policy would",
			process, a->door.path);
	case -ETIMEDOUT:
		if (process == 0)
			return lat_why(NULL, rc, "nobody answers at %s, nor can this process host there",
				       a->door.path);
		return lat_why(NULL, rc, "process %d, which hosts at %s, does not answer: is it stopped?",
			       process, a->door.path);
	case -ENOBUFS:
		return lat_why(NULL, rc, "there are too many processes at %s", a->door.path);
	default:
		return lat_why(NULL, rc, "%s: %s", a->door.path, lattice_error_name(rc));
	}
}

int lat_attach_open(struct lat_attach **out, const struct lat_attach_config *cfg, lattice_node_id *number)
{
	struct lat_attach *a = calloc(1, sizeof(*a));
	int rc;

	*out = NULL;
	if (a == NULL)
		return -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	a->cfg = *cfg;
	a->number = cfg->number;
	a->door.dir = a->watch = a->stop = a->poke = a->host_pidfd = -1;
	a->retry_ns = retry_first_ns;
	a->renew_ns = UINT64_MAX;
	a->stop_tag = (struct lat_attach_tag){ on_stop, a };
	a->poke_tag = (struct lat_attach_tag){ on_poke, a };
	a->notes_tag = (struct lat_attach_tag){ hear_host, a };
	a->process_tag = (struct lat_attach_tag){ host_died, a };
	rc = prepare(a);
	if (rc == 0) {
		rc = settle(a, number);
		if (rc < 0) {
			lat_attach_shutdown(a);
			rc = open_why(a, rc);
		}
	}
	if (rc < 0) {
		lat_attach_shutdown(a);
		lat_attach_free(a);
		return rc;
	}
	*out = a;
	return 0;
}

void lat_attach_shutdown(struct lat_attach *a)
{
	struct lat_host *hosting;

	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	a->closed = true;
	for (struct lat_attach_call *c = a->calls; c != NULL; c = c->next)
		lat_waitq_wake(&c->answered);
	pthread_mutex_unlock(&a->lock);
	if (a->stop >= 0)
		lat_eventfd_signal(a->stop);
	lat_thread_join(&a->thread);
	lat_links_shutdown(a->links);
	pthread_mutex_lock(&a->lock);
	a->state = LOOKING;
	lat_post_fini(&a->post);
	hosting = a->hosting;
	a->hosting = NULL;
	pthread_mutex_unlock(&a->lock);
	lat_host_close(hosting);
}

void lat_attach_free(struct lat_attach *a)
{
	struct held *held, *next;

	if (a == NULL)
		return;
	lat_links_close(a->links);
	HASH_ITER(hh, a->held, held, next) {
		HASH_DEL(a->held, held); /* NOLINT(clang-analyzer-unix.Malloc): its neighbours live */
		free(held);
	}
	lat_process_forget(a->host_pidfd);
	lat_watch_close(a->watch);
	lat_eventfd_close(a->stop);
	lat_eventfd_close(a->poke);
	lat_door_leave(&a->door);
	lat_lives_put(a->lives);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* ---- calls ---- */

static void begin_locked(struct lat_attach *a, struct lat_attach_call *call)
{
	if (++a->token == 0)
		a->token = 1;
	call->note.token = a->token;
	call->done = false;
	call->next = a->calls;
	a->calls = call;
	if (a->state == UP && !a->closed)
		send_locked(a, &call->note);
}

static void end_locked(struct lat_attach *a, const struct lat_attach_call *call)
{
	struct lat_attach_call **at = &a->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
}

void lat_attach_begin(struct lat_attach *a, struct lat_attach_call *call, struct lat_waiter *w)
{
	pthread_mutex_lock(&a->lock);
	lat_waitq_add(&call->answered, w);
	begin_locked(a, call);
	pthread_mutex_unlock(&a->lock);
}

bool lat_attach_end(struct lat_attach *a, struct lat_attach_call *call, struct lat_waiter *w, bool give_up)
{
	bool done;

	pthread_mutex_lock(&a->lock);
	done = call->done;
	if (done || give_up) {
		end_locked(a, call);
		lat_waitq_remove(&call->answered, w);
	}
	pthread_mutex_unlock(&a->lock);
	return done;
}

/* Begins it, and waits for the answer. */
static int await(struct lat_attach *a, struct lat_attach_call *call, uint64_t deadline_ns)
{
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	begin_locked(a, call);
	while (!call->done && !a->closed && rc == 0)
		rc = lat_waitq_wait(&call->answered, &a->lock, deadline_ns);
	if (call->done)
		rc = 0;
	else if (a->closed)
		rc = -ESHUTDOWN;
	end_locked(a, call);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

int lat_attach_graph(struct lat_attach *a, int *fd, uint64_t *bytes, uint64_t deadline_ns)
{
	struct lat_attach_call call = { .note = { .kind = LAT_NOTE_GRAPH }, .wants_fd = true, .fd = -1 };
	int rc = await(a, &call, deadline_ns);

	if (rc == 0)
		rc = call.note.rc;
	*fd = call.fd;
	*bytes = call.note.kind == LAT_NOTE_GRAPHED ? call.note.number : 0;
	return rc;
}

int lat_attach_ask_open(struct lat_attach *a, struct lat_note *n, struct lat_lives **lives,
			uint64_t deadline_ns)
{
	struct lat_attach_call call = { .note = *n, .wants_lives = lives != NULL };
	int rc = await(a, &call, deadline_ns);

	if (rc == 0)
		*n = call.note;
	lat_wipe(&call.note, sizeof(call.note));
	if (lives != NULL)
		*lives = call.lives;
	return rc;
}

int lat_attach_ask(struct lat_attach *a, struct lat_note *n, uint64_t deadline_ns)
{
	return lat_attach_ask_open(a, n, NULL, deadline_ns);
}

struct lat_lives *lat_attach_lives(struct lat_attach *a)
{
	struct lat_lives *lives;

	pthread_mutex_lock(&a->lock);
	lives = a->lives != NULL ? lat_lives_get(a->lives) : NULL;
	pthread_mutex_unlock(&a->lock);
	return lives;
}

void lat_attach_say(struct lat_attach *a, struct lat_note *n)
{
	pthread_mutex_lock(&a->lock);
	if (a->state == UP && !a->closed)
		send_locked(a, n);
	pthread_mutex_unlock(&a->lock);
}

void lat_attach_renew_own(struct lat_attach *a, struct lat_note *n)
{
	n->member = n->grant = a->member;
	lat_attach_say(a, n);
}

void lat_attach_revoked(struct lat_attach *a, struct lat_cap_ref life)
{
	pthread_mutex_lock(&a->lock);
	if (a->hosting != NULL)
		lat_host_revoked(a->hosting, life);
	pthread_mutex_unlock(&a->lock);
}

void lat_attach_tell(struct lat_attach *a, uint64_t member, struct lat_note *n)
{
	pthread_mutex_lock(&a->lock);
	if (a->hosting != NULL)
		lat_host_tell(a->hosting, member, n);
	pthread_mutex_unlock(&a->lock);
}

void lat_attach_judge(struct lat_attach *a, struct lat_node_cut *cut)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	if (a->hosting != NULL)
		lat_host_judge(a->hosting, cut);
	pthread_mutex_unlock(&a->lock);
}

int lat_attach_bring(struct lat_attach *a, struct lat_note *n)
{
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = a->hosting != NULL ? lat_host_bring(a->hosting, n) : -ECONNREFUSED;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

int lat_attach_resolve(struct lat_attach *a, const char *name, int32_t *pid, uint64_t deadline_ns)
{
	struct lat_note n = { .kind = LAT_NOTE_RESOLVE };
	int rc;

	(void)snprintf(n.name, sizeof(n.name), "%s", name);
	rc = lat_attach_ask(a, &n, deadline_ns);
	if (rc == 0)
		rc = n.rc;
	if (rc == 0)
		*pid = (int32_t)n.number;
	return rc;
}

int lat_attach_named(struct lat_attach *a, const char *name, int32_t *pid)
{
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = a->hosting != NULL ? lat_host_named(a->hosting, name, pid) : -ENOENT;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

void lat_attach_name_of(struct lat_attach *a, int32_t pid, char name[LAT_SERVICE_MAX + 1])
{
	name[0] = '\0';
	pthread_mutex_lock(&a->lock);
	if (a->hosting != NULL)
		lat_host_name_of(a->hosting, pid, name);
	pthread_mutex_unlock(&a->lock);
}

int lat_attach_claim(struct lat_attach *a, int32_t pid, const char *name)
{
	struct lat_note n = { .kind = LAT_NOTE_CLAIM, .dst = pid };
	int rc;

	(void)snprintf(n.name, sizeof(n.name), "%s", name);
	rc = lat_attach_ask(a, &n, after((uint64_t)LAT_ATTACH_PATIENCE_NS));
	if (rc == 0)
		rc = n.rc;
	switch (rc) {
	case -EADDRINUSE:
		return lat_why(NULL, rc, "process %d receives as pid %d already", n.process, pid);
	case -EEXIST:
		return lat_why(NULL, rc, "process %d is the service '%s' already", n.process, name);
	case -EACCES:
		if (name[0] != '\0')
			return lat_why(
				NULL, rc,
				"this user may not be the service '%s', unless a line of the node's policy says "
				"'listen'",
				name);
		return lat_why(
			NULL, rc,
			"this user may not receive as pid %d, unless a line of the node's policy says 'listen'",
			pid);
	case -ENOBUFS:
		return lat_why(NULL, rc, "the node has its %d endpoints already", LAT_CLAIMS_MAX);
	case -ETIMEDOUT:
		return lat_why(NULL, rc, "nobody hosts at %s, or who does does not answer", a->door.path);
	case -ESHUTDOWN:
		return lat_why(NULL, rc, "the node was closed");
	default:
		return rc;
	}
}

void lat_attach_unclaim(struct lat_attach *a, int32_t pid)
{
	pthread_mutex_lock(&a->lock);
	if (find_locked(a, pid) != NULL) {
		forget_locked(a, pid);
		unclaim_locked(a, pid);
	}
	pthread_mutex_unlock(&a->lock);
}

int lat_attach_host(struct lat_attach *a, struct lattice_node_host *out)
{
	*out = (struct lattice_node_host){ 0 };
	(void)snprintf(out->socket, sizeof(out->socket), "%s", a->door.path);
	pthread_mutex_lock(&a->lock);
	out->process = a->state == UP ? (int32_t)a->host_process.pid : 0;
	out->self = a->hosting != NULL;
	pthread_mutex_unlock(&a->lock);
	return 0;
}

int lat_attach_receiver(struct lat_attach *a, int32_t after, struct lattice_receiver *out)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), LAT_ATTACH_PATIENCE_NS);
	struct lat_note n = { .number = (uint64_t)(after > 0 ? after : 0) };
	int rc;

	do { /* -EAGAIN: it has looked up to there */
		n = (struct lat_note){ .kind = LAT_NOTE_LIST, .number = n.number };
		rc = lat_attach_ask(a, &n, deadline);
		if (rc == 0)
			rc = n.rc;
	} while (rc == -EAGAIN && n.number > 0);
	if (rc == 0)
		*out = (struct lattice_receiver){ .pid = (int32_t)n.number, .process = n.process };
	if (rc == 0)
		memcpy(out->name, n.name, sizeof(out->name)); /* its end is there: lat_note_check() */
	return rc;
}

struct lat_links *lat_attach_links(struct lat_attach *a)
{
	return a->links;
}

int lat_attach_watch(const struct lat_attach *a)
{
	return a->watch;
}

void lat_attach_poke(struct lat_attach *a)
{
	lat_eventfd_signal(a->poke);
}

uint64_t lat_attach_lost_ns(struct lat_attach *a)
{
	uint64_t lost;

	pthread_mutex_lock(&a->lock);
	lost = a->lost_ns;
	pthread_mutex_unlock(&a->lock);
	return lost;
}

void lat_attach_stats(struct lat_attach *a, struct lat_stats *s)
{
	lat_stats_put(s, "local.attached", "times it was attached to a host of this machine's node",
		      atomic_load_explicit(&a->attached, memory_order_relaxed));
	lat_stats_put(s, "local.hosted", "times this process became that host",
		      atomic_load_explicit(&a->hosted, memory_order_relaxed));
	lat_stats_put(s, "local.pids_lost", "pids that another process has taken from this one",
		      atomic_load_explicit(&a->pids_lost, memory_order_relaxed));
	pthread_mutex_lock(&a->lock);
	lat_stats_put(s, "local.up", "1: it is attached now", a->state == UP);
	if (a->hosting != NULL)
		lat_host_stats(a->hosting, s);
	pthread_mutex_unlock(&a->lock);
	lat_links_stats(a->links, s);
}

/* Receiving: the public calls on an endpoint. */
#include "node/channel.h"
#include "node/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "fastpath/inbox_fast.h"
#include "node/attach.h"
#include "node/explain.h"
#include "node/names.h"
#include "node/network.h"
#include "node/node.h"
#include "node/remote.h"
#include "node/stats.h"
#include "os/clock.h"
#include "sched/park.h"

enum { PIDS_TRIED = 16 }; /* of a service's that may have any */

static struct lattice_endpoint *endpoint_get(struct lattice_endpoint *ep)
{
	(void)atomic_fetch_add_explicit(&ep->refs, 1, memory_order_relaxed);
	return ep;
}

bool lat_endpoint_keep_locked(struct lattice_endpoint *ep, int64_t timeout_ns, bool single)
{
	if (ep->inbox->closed || (single && timeout_ns == 0)) /* who agreed to that does not close it now */
		return false;
	(void)endpoint_get(ep);
	return true;
}

void lat_endpoint_put(struct lattice_endpoint *ep)
{
	if (atomic_fetch_sub_explicit(&ep->refs, 1, memory_order_acq_rel) != 1)
		return;
	lat_inbox_close(ep->inbox);
	lat_node_put(ep->node);
	free(ep);
}

struct lattice_endpoint *lat_endpoint_find(struct lattice_node *node, int32_t pid)
{
	struct lattice_endpoint *ep;

	pthread_mutex_lock(&node->lock);
	HASH_FIND(hh, node->endpoints, &pid, sizeof(pid), ep);
	if (ep != NULL)
		(void)endpoint_get(ep);
	pthread_mutex_unlock(&node->lock);
	return ep;
}

static struct lattice_endpoint *find_named_locked(const struct lattice_node *node, const char *name)
{
	struct lattice_endpoint *ep;

	HASH_FIND_BYHASHVALUE(hh_name, node->services, name, strlen(name), lat_name_hash(name), ep);
	return ep;
}

int32_t lat_endpoint_named(struct lattice_node *node, const char *name)
{
	const struct lattice_endpoint *ep;
	int32_t pid;

	pthread_mutex_lock(&node->lock);
	ep = find_named_locked(node, name);
	pid = ep != NULL ? ep->pid : 0;
	pthread_mutex_unlock(&node->lock);
	return pid;
}

static void enter_name_locked(struct lattice_endpoint *ep)
{
	if (ep->name[0] == '\0')
		return;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh_name, ep->node->services, ep->name, strlen(ep->name),
				    lat_name_hash(ep->name), ep);
	if (ep->hh_name.tbl != NULL)
		return;
	HASH_DEL(ep->node->endpoints, ep);
	ep->open = false;
}

/* Puts it into the node's tables. */
static int enter(struct lattice_endpoint *ep)
{
	struct lattice_node *node = ep->node;
	struct lattice_endpoint *other;
	int rc = 0;

	pthread_mutex_lock(&node->lock);
	HASH_FIND(hh, node->endpoints, &ep->pid, sizeof(ep->pid), other);
	if (ep->name[0] != '\0' && find_named_locked(node, ep->name) != NULL) {
		rc = lat_why(NULL, -EEXIST, "this process is the service '%s' already", ep->name);
	} else if (other != NULL) {
		rc = lat_why(NULL, -EADDRINUSE, "pid %d has an endpoint on this node already", ep->pid);
	} else if (HASH_COUNT(node->endpoints) >= LAT_ENDPOINTS_MAX) {
		rc = lat_why(NULL, -ENOBUFS, "the node has its %d endpoints already", LAT_ENDPOINTS_MAX);
	} else if (atomic_load_explicit(&node->closed, memory_order_acquire)) {
		rc = lat_why(NULL, -ESHUTDOWN, "the node was closed");
	} else {
		HASH_ADD(hh, node->endpoints, pid, sizeof(ep->pid), ep);
		ep->open = ep->hh.tbl != NULL;
		if (ep->open)
			enter_name_locked(ep);
		if (!ep->open)
			rc = -ENOMEM;
	}
	pthread_mutex_unlock(&node->lock);
	return rc;
}

/* Takes it out of the tables; false if it was. */
static bool leave(struct lattice_endpoint *ep)
{
	struct lattice_node *node = ep->node;
	bool was;

	pthread_mutex_lock(&node->lock);
	was = ep->open;
	if (was)
		HASH_DEL(node->endpoints, ep);
	if (was && ep->name[0] != '\0')
		HASH_DELETE(hh_name, node->services, ep);
	ep->open = false;
	pthread_mutex_unlock(&node->lock);
	return was;
}

static void keep(void *owner)
{
	(void)endpoint_get(owner);
}

static void drop(void *owner)
{
	lat_endpoint_put(owner);
}

static int open_as(struct lattice_endpoint **out, struct lattice_node *node, int32_t pid, const char *name)
{
	struct lattice_endpoint *ep = calloc(1, sizeof(*ep));
	int rc;

	if (ep == NULL)
		return -ENOMEM;
	ep->node = lat_node_get(node);
	ep->pid = pid;
	(void)snprintf(ep->name, sizeof(ep->name), "%s", name);
	atomic_init(&ep->refs, 1);
	rc = lat_inbox_open(&ep->inbox);
	if (rc == 0) {
		lat_inbox_set_owner(ep->inbox, keep, drop, ep);
		lat_inbox_set_pid(ep->inbox, pid);
		rc = enter(ep);
	}
	if (rc == 0 && lat_node_attach(node) != NULL) {
		rc = lat_attach_claim(lat_node_attach(node), pid, name);
		if (rc < 0)
			(void)leave(ep);
	}
	if (rc < 0) {
		lat_endpoint_put(ep);
		return rc;
	}
	*out = ep;
	return 0;
}

static int open_begin(struct lattice_endpoint **out, const struct lattice_node *node)
{
	lat_why_forget();
	if (out == NULL)
		return -EINVAL;
	*out = NULL;
	return node != NULL ? lat_node_check(node, NULL) : -EINVAL;
}

int lattice_endpoint_open(struct lattice_endpoint **out, struct lattice_node *node, int32_t pid)
{
	int rc = open_begin(out, node);

	if (rc < 0)
		return rc;
	if (pid < 1)
		return lat_why(NULL, -EINVAL, "pid %d is not 1 or more", pid);
	return open_as(out, node, pid, "");
}

int lattice_endpoint_open_name(struct lattice_endpoint **out, struct lattice_node *node, const char *name,
			       int32_t pid)
{
	int rc = open_begin(out, node);

	if (rc < 0)
		return rc;
	if (name == NULL || !lat_name_valid(name, LATTICE_SERVICE_MAX))
		return lat_names_why(NULL, name);
	if (pid < 0)
		return lat_why(NULL, -EINVAL, "pid %d is not 1 or more, nor 0 for the one of the name", pid);
	if (pid > 0)
		rc = open_as(out, node, pid, name);
	else
		for (unsigned int i = 0; i == 0 || (rc == -EADDRINUSE && i < PIDS_TRIED); i++)
			rc = open_as(out, node, lat_service_pid(name, i), name);
	return rc;
}

int32_t lattice_endpoint_pid(const struct lattice_endpoint *ep)
{
	return ep != NULL ? ep->pid : 0;
}

void lattice_endpoint_close(struct lattice_endpoint *ep)
{
	if (ep == NULL || lat_node_foreign(ep->node))
		return;
	if (leave(ep) && lat_node_attach(ep->node) != NULL)
		lat_attach_unclaim(lat_node_attach(ep->node), ep->pid);
	if (ep->node->network != NULL)
		lat_inbound_reset_to(ep->node->network, ep);
	lat_inbox_shutdown(ep->inbox);
	lat_endpoint_put(ep);
}

void lat_endpoint_lost(struct lattice_node *node, int32_t pid)
{
	struct lattice_endpoint *ep = lat_endpoint_find(node, pid);

	if (ep == NULL)
		return;
	atomic_store_explicit(&ep->lost, true, memory_order_release);
	(void)leave(ep);
	lat_inbox_shutdown(ep->inbox);
	lat_endpoint_put(ep);
}

void lat_endpoints_shutdown(struct lattice_node *node)
{
	struct lattice_endpoint *ep, *next;

	pthread_mutex_lock(&node->lock);
	HASH_ITER(hh, node->endpoints, ep, next)
		lat_inbox_shutdown(ep->inbox);
	pthread_mutex_unlock(&node->lock);
}

/*
 * Inline, like what it calls, because it is where tasks switch (fastpath/inbox_fast.h). A task of our own scheduler, in whose hands
 * messages are put here, does not even go by way of the hook.
 */
LAT_FAST_INLINE int from_inbox(struct lattice_endpoint *ep, const struct lat_endpoint_place *to,
			       struct lat_inbox_info *info, uint64_t deadline)
{
	struct lat_inbox_take take = { .buf = to->buf,
				       .cap = to->bytes,
				       .hold = to->hold,
				       .shared = to->shared,
				       .info = info,
				       .carry = to->carry };
	struct lattice_sched *s = lat_sched_of_thread;
	struct lat_flow_wait w;
	int waited;

	if (s == NULL || s->current == NULL || deadline == 0 ||
	    atomic_load_explicit(&ep->inbox->flows.home, memory_order_relaxed) != &s->hook)
		return lat_inbox_receive_fast(ep->inbox, &take, deadline);
	lat_inbox_note_server(ep->inbox);
	lat_flow_wait_init(&w, &take, s->current);
	waited = lat_flows_rest(ep->inbox, &w, s, lat_sched_wait_now, deadline);
	return w.handed ? 0 : lat_flows_receive(ep->inbox, &take, &w, waited, deadline);
}

/* The caller runs the network: waits for a message and for packets together. */
static int from_inbox_turning(struct lattice_endpoint *ep, const struct lat_endpoint_place *to,
			      struct lat_inbox_info *info, uint64_t deadline)
{
	int rc = from_inbox(ep, to, info, 0);

	while (rc == -ENOMSG && deadline != 0) {
		int fd = lat_inbox_fd(ep->inbox);
		int turned = fd < 0 ? fd : lat_network_turn(ep->node->network, fd, deadline);

		rc = from_inbox(ep, to, info, 0);
		if (rc == -ENOMSG && turned < 0)
			return turned;
	}
	return rc;
}

/* What a receive came to, told. */
static int received(struct lattice_endpoint *ep, struct lattice_msg *msg, const struct lat_endpoint_place *to,
		    const struct lat_inbox_info *info, int rc)
{
	if (rc == 0 && info->from.node != 0 &&
	    ep->node->network != NULL) /* else it came by a member that has one */
		lat_inbound_taken(ep->node->network);
	if (rc == 0)
		*msg = (struct lattice_msg){
			.source = info->from.pid,
			.type = info->type,
			.badge = info->from.badge,
			.node = (lattice_node_id)info->from.node,
			.seq = info->seq,
			.data = to->hold != NULL ? to->hold->data : to->buf,
			.len = info->len,
			.call = info->call,
			.lost = info->lost,
		};
	if (rc == -EMSGSIZE) {
		msg->len = info->len;
		(void)lat_why(ep, rc, "the next message has %u bytes, the buffer %zu", info->len, to->bytes);
	}
	if (rc == -ESHUTDOWN && atomic_load_explicit(&ep->lost, memory_order_acquire))
		(void)lat_why(ep, rc, "pid %d is another process's now, which had it at an earlier host",
			      ep->pid);
	else if (rc == -ESHUTDOWN)
		(void)lat_why(ep, rc, "the endpoint or its node was closed");
	return rc;
}

int lat_endpoint_receive(struct lattice_endpoint *ep, struct lattice_msg *msg,
			 const struct lat_endpoint_place *to, int64_t timeout_ns)
{
	struct lattice_node *node = ep->node;
	struct lat_inbox_info info;
	uint64_t deadline;
	bool held;
	int rc = lat_node_check_ours(node, ep);

	if (rc < 0)
		return rc;
	lat_sched_point();
	deadline = lat_clock_until(timeout_ns);
	/* It may be closed meanwhile. Where tasks of this thread wait, the inbox keeps it. */
	held = (!ep->single || deadline != 0) && !(deadline != 0 && lat_flows_at_home(&ep->inbox->flows));
	if (held)
		(void)endpoint_get(ep);
	if (node->no_threads && node->network != NULL)
		rc = from_inbox_turning(ep, to, &info, deadline);
	else
		rc = from_inbox(ep, to, &info, deadline);
	rc = received(ep, msg, to, &info, rc);
	if (held)
		lat_endpoint_put(ep);
	return rc;
}

int lattice_endpoint_tune(struct lattice_endpoint *ep, const struct lattice_tuning *tuning)
{
	static const enum lat_wait_policy policies[] = {
		[LATTICE_WAIT_AUTO] = LAT_WAIT_AUTO,
		[LATTICE_WAIT_SPIN] = LAT_WAIT_SPIN,
		[LATTICE_WAIT_PARK] = LAT_WAIT_PARK,
		[LATTICE_WAIT_HANDOFF] = LAT_WAIT_HANDOFF,
	};
	int rc;

	if (ep == NULL || tuning == NULL || (unsigned int)tuning->wait >= ARRAY_LEN(policies))
		return lat_why(ep, -EINVAL, "no endpoint, or no way to wait");
	rc = lat_node_check(ep->node, ep);
	if (rc < 0)
		return rc;
	ep->single = tuning->single;
	lat_inbox_tune(ep->inbox, &(struct lat_inbox_tuning){ .wait = policies[tuning->wait],
							      .single = tuning->single });
	return 0;
}

/* lattice_endpoint_recv(), whatever it takes. */
static int __attribute__((noinline))
recv_far(struct lattice_endpoint *ep, struct lattice_msg *msg, void *buf, size_t bytes, int64_t timeout_ns)
{
	const struct lat_endpoint_place to = { .buf = buf, .bytes = bytes };

	if (ep == NULL || msg == NULL || (buf == NULL && bytes > 0))
		return lat_why(ep, -EINVAL, "no endpoint, no message to fill in, or no buffer");
	return lat_endpoint_receive(ep, msg, &to, timeout_ns);
}

/* As lat_inbox_take_near_locked(). */
LAT_FAST_INLINE bool take_near_locked(struct lat_inbox *inbox, struct lattice_msg *msg, void *buf,
				      size_t bytes, bool shorter, bool *settle)
{
	const struct lat_inbox_source *src = inbox->next;
	struct lat_ring_msg m;

	if (!lat_inbox_take_near_locked(inbox, buf, bytes, shorter, &m, settle))
		return false;
	msg->source = src->from.pid;
	msg->type = m.type;
	msg->badge = src->from.badge;
	msg->node = 0;
	msg->seq = src->seq;
	msg->data = buf;
	msg->len = m.len;
	msg->call = 0;
	msg->lost = 0;
	return true;
}

/* In the turn of one receiver, or (not @single) of one of several, which it ends: a message that is there, or soon comes. */
static int __attribute__((noinline)) recv_near_end(struct lattice_endpoint *ep, struct lattice_msg *msg,
						   void *buf, size_t bytes, int64_t timeout_ns, bool single)
{
	struct lat_inbox *inbox = ep->inbox;
	bool got = false, keep, settle;
	int rc;

	if (!lat_inbox_told_locked(inbox))
		got = take_near_locked(inbox, msg, buf, bytes, false, &settle) ||
		      (timeout_ns != 0 && lat_inbox_poll_near_locked(inbox) &&
		       take_near_locked(inbox, msg, buf, bytes, false, &settle));
	if (got && settle)
		lat_inbox_settle_locked(inbox, &msg->call);
	keep = !got && lat_endpoint_keep_locked(ep, timeout_ns, single);
	lat_turn_end_as(&inbox->turn, single);
	if (got)
		return 0;
	rc = recv_far(ep, msg, buf, bytes, timeout_ns);
	if (keep)
		lat_endpoint_put(ep);
	return rc;
}

/* Where several threads may receive. */
static int __attribute__((noinline))
recv_shared(struct lattice_endpoint *ep, struct lattice_msg *msg, void *buf, size_t bytes, int64_t timeout_ns)
{
	if (!lat_turn_try_as(&ep->inbox->turn, false))
		return recv_far(ep, msg, buf, bytes, timeout_ns);
	return recv_near_end(ep, msg, buf, bytes, timeout_ns, false);
}

static int __attribute__((noinline)) settle_end(struct lat_inbox *inbox, uint64_t *call)
{
	lat_inbox_settle_locked(inbox, call);
	lat_turn_end_as(&inbox->turn, true);
	return 0;
}

/*
 * By a thread: the usual case first, without a call. Who is not known as the one that receives here has to make itself
 * known. No reference is needed: in its turn, which it does not give up before it has the message, the inbox stays, and after it nothing
 * is touched.
 */
static int __attribute__((noinline))
recv_thread(struct lattice_endpoint *ep, struct lattice_msg *msg, void *buf, size_t bytes, int64_t timeout_ns)
{
	struct lat_inbox *inbox;
	bool settle;

	if (ep == NULL || msg == NULL || (buf == NULL && bytes > 0) || lat_node_foreign(ep->node) ||
	    !lat_inbox_is_server(ep->inbox))
		return recv_far(ep, msg, buf, bytes, timeout_ns);
	inbox = ep->inbox;
	if (!lat_turn_is_single(&inbox->turn))
		return recv_shared(ep, msg, buf, bytes, timeout_ns);
	if (!lat_turn_try_as(&inbox->turn, true))
		return recv_far(ep, msg, buf, bytes, timeout_ns);
	if (inbox->stats.messages % LAT_BELL_EVERY == 0 ||
	    !take_near_locked(inbox, msg, buf, bytes, true, &settle))
		return recv_near_end(ep, msg, buf, bytes, timeout_ns, true);
	if (LAT_UNLIKELY(settle))
		return settle_end(inbox, &msg->call);
	lat_turn_end_as(&inbox->turn, true);
	return 0;
}

#ifdef LAT_TASKS_PARK

/* A parked receiver goes on: a message was handed to it by way of its take, or it was woken. */
static int rest_over(void *task)
{
	struct lattice_task *self = task;
	struct lat_park *p = &self->park;
	struct lattice_endpoint *ep = p->in;
	const struct lat_endpoint_place to = { .buf = p->take.buf, .bytes = p->take.cap };
	int rc = 0;

	p->now = false;
	if (!p->wait.handed) {
		lat_turn_begin(&ep->inbox->flows.turn);
		lat_flows_unlist(&ep->inbox->flows, &p->wait);
		lat_turn_end(&ep->inbox->flows.turn);
		rc = lat_flows_receive(ep->inbox, &p->take, &p->wait, self->rc, self->deadline_ns);
	}
	return received(ep, p->msg, &to, &p->info, rc);
}

/*
 * A task of our own scheduler that finds the inbox as it left it: as lat_flows_rest(), but parked. It calls nothing, so that it keeps
 * nothing; what is rare goes the ordinary way.
 */
LAT_FAST_INLINE int recv_parked(struct lattice_endpoint *ep, struct lattice_msg *msg, void *buf, size_t bytes,
				int64_t timeout_ns, uint64_t deadline)
{
	struct lattice_sched *s = lat_sched_of_thread;
	struct lattice_task *self;
	struct lat_inbox *inbox;
	struct lat_flows *f;
	uint64_t server;

	if (s == NULL || ep == NULL || msg == NULL || buf == NULL)
		return recv_far(ep, msg, buf, bytes, timeout_ns);
	inbox = ep->inbox;
	f = &inbox->flows;
	self = s->current;
	if (!lat_flows_near(f, &s->hook) || self == NULL || !lat_task_may_park(s, self))
		return recv_far(ep, msg, buf, bytes, timeout_ns);
	server = atomic_load_explicit(&inbox->server, memory_order_relaxed);
	if ((server != self->park.wait.waiter && server != LAT_SERVERS_MANY) ||
	    !lat_turn_try_single(&f->turn))
		return recv_far(ep, msg, buf, bytes, timeout_ns);
	if (f->closed || f->bells || atomic_load_explicit(&inbox->armed, memory_order_relaxed) == 0) {
		lat_turn_end_single(&f->turn);
		return recv_far(ep, msg, buf, bytes, timeout_ns);
	}
	f->inside++;
	self->park.wait.handed = false;
	lat_flows_list(f, &self->park.wait);
	lat_turn_end_single(&f->turn);
	self->park.in = ep;
	self->park.msg = msg;
	self->park.take.buf = buf;
	self->park.take.cap = bytes;
	lat_task_put_to_park(s, self, deadline);
	return lat_task_park(s, self, rest_over);
}

static __attribute__((noinline)) int recv_until(struct lattice_endpoint *ep, struct lattice_msg *msg,
						void *buf, size_t bytes, int64_t timeout_ns)
{
	return timeout_ns == 0 ? recv_far(ep, msg, buf, bytes, 0)
			       : recv_parked(ep, msg, buf, bytes, timeout_ns, lat_clock_until(timeout_ns));
}

int lattice_endpoint_recv(struct lattice_endpoint *ep, struct lattice_msg *msg, void *buf, size_t bytes,
			  int64_t timeout_ns)
{
	if (lat_wait_hook == NULL)
		return recv_thread(ep, msg, buf, bytes, timeout_ns);
	if (timeout_ns >= 0)
		return recv_until(ep, msg, buf, bytes, timeout_ns);
	return recv_parked(ep, msg, buf, bytes, timeout_ns, UINT64_MAX);
}

#else

int lattice_endpoint_recv(struct lattice_endpoint *ep, struct lattice_msg *msg, void *buf, size_t bytes,
			  int64_t timeout_ns)
{
	if (lat_wait_hook == NULL)
		return recv_thread(ep, msg, buf, bytes, timeout_ns);
	return recv_far(ep, msg, buf, bytes, timeout_ns);
}

#endif

int lattice_endpoint_fd(const struct lattice_endpoint *ep)
{
	int rc = ep != NULL ? lat_node_check_ours(ep->node, ep) : -EINVAL;

	return rc < 0 ? rc : lat_inbox_fd(ep->inbox);
}

void lat_endpoints_stats(struct lattice_node *node, struct lat_stats *s)
{
	uint64_t endpoints = 0, sources = 0, messages = 0, bytes = 0, sleeps = 0, signals = 0, poisoned = 0;
	uint64_t late = 0;
	struct lattice_endpoint *ep, *next;

	pthread_mutex_lock(&node->lock);
	HASH_ITER(hh, node->endpoints, ep, next) {
		struct lat_calls_stats calls;
		struct lat_inbox_stats st;

		lat_inbox_stats(ep->inbox, &st);
		lat_inbox_calls_stats(ep->inbox, &calls);
		late += calls.late;
		endpoints++;
		sources += st.sources;
		messages += st.messages;
		bytes += st.bytes;
		sleeps += st.sleeps;
		signals += st.signals;
		poisoned += st.poisoned;
	}
	pthread_mutex_unlock(&node->lock);
	lat_stats_put(s, "endpoints", "endpoints open", endpoints);
	lat_stats_put(s, "recv.channels", "channels that lead to them", sources);
	lat_stats_put(s, "recv.messages", "messages received by them", messages);
	lat_stats_put(s, "recv.bytes", "bytes of those messages", bytes);
	lat_stats_put(s, "recv.sleeps", "times a receiver went to sleep", sleeps);
	lat_stats_put(s, "recv.wakes", "times one had to be woken", signals);
	lat_stats_put(s, "recv.poisoned", "channels closed because their sender lied", poisoned);
	lat_stats_put(s, "calls.late", "replies whose caller had given up, had one, or was gone", late);
}

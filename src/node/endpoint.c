/* Receiving: the public calls on an endpoint. */
#include "node/channel.h"
#include "node/endpoint.h"

#include <errno.h>
#include <stdlib.h>

#include "fastpath/inbox_fast.h"
#include "node/attach.h"
#include "node/explain.h"
#include "node/network.h"
#include "node/node.h"
#include "node/remote.h"
#include "node/stats.h"
#include "os/clock.h"
#include "sched/switch.h"

static struct lattice_endpoint *endpoint_get(struct lattice_endpoint *ep)
{
	(void)atomic_fetch_add_explicit(&ep->refs, 1, memory_order_relaxed);
	return ep;
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

/* Puts it into the node's table. */
static int enter(struct lattice_endpoint *ep)
{
	struct lattice_node *node = ep->node;
	struct lattice_endpoint *other;
	int rc = 0;

	pthread_mutex_lock(&node->lock);
	HASH_FIND(hh, node->endpoints, &ep->pid, sizeof(ep->pid), other);
	if (other != NULL) {
		rc = lat_why(NULL, -EADDRINUSE, "pid %d has an endpoint on this node already", ep->pid);
	} else if (HASH_COUNT(node->endpoints) >= LAT_ENDPOINTS_MAX) {
		rc = lat_why(NULL, -ENOBUFS, "the node has its %d endpoints already", LAT_ENDPOINTS_MAX);
	} else if (atomic_load_explicit(&node->closed, memory_order_acquire)) {
		rc = lat_why(NULL, -ESHUTDOWN, "the node was closed");
	} else {
		HASH_ADD(hh, node->endpoints, pid, sizeof(ep->pid), ep);
		ep->open = ep->hh.tbl != NULL;
		if (!ep->open)
			rc = -ENOMEM;
	}
	pthread_mutex_unlock(&node->lock);
	return rc;
}

/* Takes it out of the table; false if it was. */
static bool leave(struct lattice_endpoint *ep)
{
	struct lattice_node *node = ep->node;
	bool was;

	pthread_mutex_lock(&node->lock);
	was = ep->open;
	if (was)
		HASH_DEL(node->endpoints, ep);
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

int lattice_endpoint_open(struct lattice_endpoint **out, struct lattice_node *node, int32_t pid)
{
	struct lattice_endpoint *ep;
	int rc;

	lat_why_forget();
	if (out == NULL)
		return -EINVAL;
	*out = NULL;
	if (node == NULL)
		return -EINVAL;
	if (pid < 1)
		return lat_why(NULL, -EINVAL, "pid %d is not 1 or more", pid);
	rc = lat_node_check(node, NULL);
	if (rc < 0)
		return rc;
	ep = calloc(1, sizeof(*ep));
	if (ep == NULL)
		return -ENOMEM;
	ep->node = lat_node_get(node);
	ep->pid = pid;
	atomic_init(&ep->refs, 1);
	rc = lat_inbox_open(&ep->inbox);
	if (rc == 0) {
		lat_inbox_set_owner(ep->inbox, keep, drop, ep);
		rc = enter(ep);
	}
	if (rc == 0 && lat_node_attach(node) != NULL) {
		rc = lat_attach_claim(lat_node_attach(node), pid);
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

void lattice_endpoint_close(struct lattice_endpoint *ep)
{
	if (ep == NULL || lat_node_foreign(ep->node))
		return;
	if (leave(ep) && lat_node_attach(ep->node) != NULL)
		lat_attach_unclaim(lat_node_attach(ep->node), ep->pid);
	if (ep->node->network != NULL)
		lat_inbound_reset_all(ep->node->network, ep);
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

/* Where a message goes: to a buffer, or (@hold) it stays where it is. */
struct place {
	void *buf;
	size_t bytes;
	struct lat_inbox_hold *hold;
	bool shared;
};

/*
 * Inline, like what it calls, because it is where tasks switch (fastpath/inbox_fast.h). A task of our own scheduler, in whose hands
 * messages are put here, does not even go by way of the hook.
 */
LAT_FAST_INLINE int from_inbox(struct lattice_endpoint *ep, const struct place *to,
			       struct lat_inbox_info *info, uint64_t deadline)
{
	struct lat_inbox_take take = {
		.buf = to->buf, .cap = to->bytes, .hold = to->hold, .shared = to->shared, .info = info
	};
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
static int from_inbox_turning(struct lattice_endpoint *ep, const struct place *to,
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

LAT_FAST_INLINE int receive(struct lattice_endpoint *ep, struct lattice_msg *msg, const struct place *to,
			    int64_t timeout_ns)
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
	if (rc == 0 && info.from.node != 0)
		lat_inbound_taken(node->network);
	if (rc == 0)
		*msg = (struct lattice_msg){
			.source = info.from.pid,
			.type = info.type,
			.badge = info.from.badge,
			.node = (lattice_node_id)info.from.node,
			.seq = info.seq,
			.data = to->hold != NULL ? to->hold->data : to->buf,
			.len = info.len,
			.call = info.call,
		};
	if (rc == -EMSGSIZE) {
		msg->len = info.len;
		(void)lat_why(ep, rc, "the next message has %u bytes, the buffer %zu", info.len, to->bytes);
	}
	if (rc == -ESHUTDOWN && atomic_load_explicit(&ep->lost, memory_order_acquire))
		(void)lat_why(ep, rc, "pid %d is another process's now, which had it at an earlier host",
			      ep->pid);
	else if (rc == -ESHUTDOWN)
		(void)lat_why(ep, rc, "the endpoint or its node was closed");
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

int lattice_endpoint_recv(struct lattice_endpoint *ep, struct lattice_msg *msg, void *buf, size_t bytes,
			  int64_t timeout_ns)
{
	const struct place to = { .buf = buf, .bytes = bytes };

	if (ep == NULL || msg == NULL || (buf == NULL && bytes > 0))
		return lat_why(ep, -EINVAL, "no endpoint, no message to fill in, or no buffer");
	return receive(ep, msg, &to, timeout_ns);
}

int lattice_endpoint_take(struct lattice_endpoint *ep, struct lattice_msg *msg, struct lattice_hold *hold,
			  uint32_t flags, int64_t timeout_ns)
{
	struct lat_inbox_hold held = { 0 };
	const struct place to = { .hold = &held, .shared = (flags & LATTICE_TAKE_SHARED) != 0 };
	int rc;

	if (ep == NULL || msg == NULL || hold == NULL || (flags & ~(uint32_t)LATTICE_TAKE_SHARED) != 0)
		return lat_why(ep, -EINVAL, "no endpoint, no message or hold to fill in, or unknown flags");
	rc = receive(ep, msg, &to, timeout_ns);
	if (rc == 0)
		*hold = (struct lattice_hold){ .data = held.data, .source = held.src, .block = held.block };
	return rc;
}

void lattice_endpoint_release(struct lattice_endpoint *ep, struct lattice_hold *hold)
{
	struct lat_inbox_hold held;

	if (ep == NULL || hold == NULL || hold->data == NULL || lat_node_foreign(ep->node))
		return;
	held = (struct lat_inbox_hold){ .data = hold->data, .src = hold->source, .block = hold->block };
	*hold = (struct lattice_hold){ 0 };
	lat_inbox_release(&held);
	if (ep->node->network != NULL)
		lat_inbound_taken(ep->node->network);
}

int lattice_endpoint_fd(const struct lattice_endpoint *ep)
{
	int rc = ep != NULL ? lat_node_check_ours(ep->node, ep) : -EINVAL;

	return rc < 0 ? rc : lat_inbox_fd(ep->inbox);
}

void lat_endpoints_stats(struct lattice_node *node, struct lat_stats *s)
{
	uint64_t endpoints = 0, sources = 0, messages = 0, bytes = 0, sleeps = 0, signals = 0, poisoned = 0;
	struct lattice_endpoint *ep, *next;

	pthread_mutex_lock(&node->lock);
	HASH_ITER(hh, node->endpoints, ep, next) {
		struct lat_inbox_stats st;

		lat_inbox_stats(ep->inbox, &st);
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
}

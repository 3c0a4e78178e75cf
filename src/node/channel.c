/* Sending: the public calls on a channel, to this node or to another. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fastpath/channel.h"
#include "fastpath/link.h"
#include "fastpath/sender_fast.h"
#include "fastpath/wait.h"
#include "graph/work.h"
#include "node/attach.h"
#include "node/capability.h"
#include "node/channel.h"
#include "node/channel_right.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/far.h"
#include "node/lane.h"
#include "node/links.h"
#include "node/network.h"
#include "node/node.h"
#include "node/remote.h"
#include "sched/point.h"
#include "os/clock.h"
#include "wire/path.h"

enum {
	REMOTE_FLAGS = LAT_OUTBOUND_FLAGS,
	ALL_FLAGS = REMOTE_FLAGS | LATTICE_CHANNEL_SINGLE,
};

/* Into the node's table, as a vertex of the dependency graph. */
static int enter(struct lattice_channel *ch)
{
	struct lattice_node *node = ch->node;
	char name[LAT_DAG_NAME];
	int rc;

	(void)snprintf(name, sizeof(name), "%d->%d@%u", ch->key.src, ch->key.dst, ch->key.node);
	pthread_mutex_lock(&node->lock);
	rc = lat_channels_insert(node->channels, &ch->key, ch, &ch->handle);
	if (rc == 0) {
		rc = lat_work_add(node->work, ch->handle, name);
		if (rc < 0) {
			(void)lat_channels_remove(node->channels, ch->handle);
			ch->handle = 0;
		}
	}
	pthread_mutex_unlock(&node->lock);
	if (rc == -EEXIST)
		return lat_why(NULL, rc, "a channel from pid %d to pid %d@%u is open on this node already",
			       ch->key.src, ch->key.dst, ch->key.node);
	if (rc == -ENOBUFS)
		return lat_why(NULL, rc, "the node has its %d channels already", LAT_CHANNELS_DEFAULT);
	return rc;
}

static void leave(struct lattice_channel *ch)
{
	struct lattice_node *node = ch->node;

	if (ch->handle == 0)
		return;
	lat_channel_leave_work(ch);
	pthread_mutex_lock(&node->lock);
	lat_channel_leave_tiers_locked(ch);
	lat_channel_leave_handoffs_locked(ch);
	(void)lat_channels_remove(node->channels, ch->handle);
	pthread_mutex_unlock(&node->lock);
}

static int open_lane(struct lattice_channel *ch, const struct lat_link_out_config *cfg)
{
	struct lat_cap_right right;
	int rc = ch->cap != NULL ? lat_capability_take(ch->cap, &right) : 0;

	if (rc == 0)
		rc = lat_lane_open(&ch->lane, lat_attach_links(lat_node_attach(ch->node)), ch->key.src,
				   ch->key.dst, ch->cap != NULL ? &right : NULL, cfg);
	lat_wipe(&right, sizeof(right));
	return rc;
}

static int open_local(struct lattice_channel *ch, uint32_t flags)
{
	struct lattice_endpoint *ep = lat_endpoint_find(ch->node, ch->key.dst);
	struct lat_chan_config cfg = {
		.len_max = ch->node->len_max,
		.single = (flags & LATTICE_CHANNEL_SINGLE) != 0,
		.from = { .pid = ch->key.src },
	};
	int rc;

	if (ep == NULL && lat_node_attach(ch->node) != NULL)
		return open_lane(ch, &(struct lat_link_out_config){ .len_max = cfg.len_max,
								    .single = cfg.single });
	if (ep == NULL)
		return lat_why(NULL, -ECONNREFUSED,
			       "nobody receives as pid %d on this node: open its endpoint first",
			       ch->key.dst);
	rc = ch->cap != NULL ? lat_channel_right_open(ch, &cfg) : 0;
	if (rc == 0)
		rc = lat_chan_open(&ch->local, ep->inbox, &cfg);
	if (ch->local == NULL)
		lat_channel_right_forget(ch);
	lat_endpoint_put(ep);
	if (rc != -ESHUTDOWN)
		return rc;
	rc = lat_node_check(ch->node, NULL);
	return rc < 0 ? rc
		      : lat_why(NULL, -ECONNREFUSED, "the endpoint of pid %d was just closed", ch->key.dst);
}

/* The longest message that @right allows, without its pids and type. */
static int right_len_max(const struct lat_cap_right *right, uint32_t *len_max)
{
	struct lat_cap_desc allows;
	int rc = lat_cap_right_allows(right, &allows);
	uint32_t max = rc == 0 ? lat_cap_msg_max(allows.rights, allows.max_msg) : UINT32_MAX;

	if (max < *len_max + LAT_MSG_OVERHEAD)
		*len_max = max > LAT_MSG_OVERHEAD ? max - LAT_MSG_OVERHEAD : 1;
	return rc;
}

static int open_far(struct lattice_channel *ch, uint32_t flags, const struct lat_cap_right *right)
{
	const struct lat_lane_to to = { .src = ch->key.src,
					.dst = ch->key.dst,
					.node = ch->key.node,
					.flags = flags & REMOTE_FLAGS,
					.right = right };
	uint32_t len_max = ch->node->len_max;
	int rc = right != NULL ? right_len_max(right, &len_max) : 0;

	return rc < 0 ? rc
		      : lat_far_open(&ch->far, lat_attach_links(lat_node_attach(ch->node)), &to, len_max,
				     (flags & LATTICE_CHANNEL_SINGLE) != 0);
}

static int open_remote(struct lattice_channel *ch, uint32_t flags)
{
	struct lat_cap_right right = { 0 };
	int rc;

	if (ch->node->network == NULL && lat_node_attach(ch->node) != NULL) {
		rc = ch->cap != NULL ? lat_capability_take(ch->cap, &right) : 0;
		if (rc == 0)
			rc = open_far(ch, flags, ch->cap != NULL ? &right : NULL);
		lat_wipe(&right, sizeof(right));
		return rc;
	}
	if (ch->node->network == NULL)
		return lat_why(
			NULL, -EOPNOTSUPP,
			"pid %d@%u is on another node, and this one has no network: open it with LATTICE_HOST_SELF",
			ch->key.dst, ch->key.node);
	rc = ch->cap != NULL ? lat_capability_take(ch->cap, &right) : 0;
	if (rc == 0)
		rc = lat_outbound_open(&ch->remote, ch->node->network, ch->key.src, ch->key.dst, ch->key.node,
				       lat_outbound_cflags(flags), ch->cap != NULL ? &right : NULL);
	lat_wipe(&right, sizeof(right));
	if (rc == -EACCES || rc == -EPROTO)
		return lat_why(
			NULL, -EACCES,
			"the capability is for another channel than from pid %d to pid %d of node %u: 'lattice cap "
			"show' tells what it is for",
			ch->key.src, ch->key.dst, ch->key.node);
	if (rc == -ENOKEY)
		return lat_network_key_why(ch->node->network, NULL, ch->key.node);
	if (rc == -EDESTADDRREQ)
		return lat_why(
			NULL, rc,
			"no address is known for node %u: give one with 'lattice peers add --at HOST:PORT'",
			ch->key.node);
	if (rc == -ENOBUFS)
		return lat_why(NULL, rc, "node %u has as many channels from this one as there may be",
			       ch->key.node);
	return rc;
}

/* A copy, so that the caller's may be freed. */
static int keep_cap(struct lattice_channel *ch, const struct lattice_cap *cap)
{
	struct lat_cap_right right;
	int rc = lat_capability_take(cap, &right);

	if (rc == 0)
		rc = lat_capability_make(&ch->cap, &right);
	lat_wipe(&right, sizeof(right));
	return rc;
}

/* @cap: NULL for who this process is. */
static int open_channel(struct lattice_channel **out, struct lattice_node *node, int32_t src, int32_t dst,
			lattice_node_id node_id, uint32_t flags, const struct lattice_cap *cap)
{
	struct lattice_channel *ch;
	int rc;

	lat_why_forget();
	if (out == NULL)
		return -EINVAL;
	*out = NULL;
	if (node == NULL)
		return -EINVAL;
	if (src < 1 || dst < 1)
		return lat_why(NULL, -EINVAL, "pid %d is not 1 or more", src < 1 ? src : dst);
	if (node_id == node->id)
		node_id = 0;
	if ((flags & ~(uint32_t)ALL_FLAGS) != 0 || ((flags & REMOTE_FLAGS) != 0 && node_id == 0))
		return lat_why(NULL, -EINVAL, "flags %#x: unknown, or for channels to other nodes only",
			       flags);
	rc = lat_node_check(node, NULL);
	if (rc < 0)
		return rc;
	ch = calloc(1, sizeof(*ch));
	if (ch == NULL)
		return -ENOMEM;
	ch->node = lat_node_get(node);
	ch->key = (struct lat_channels_key){ .src = src, .dst = dst, .node = node_id };
	rc = cap != NULL ? keep_cap(ch, cap) : 0;
	if (rc == 0)
		rc = enter(ch);
	if (rc == 0)
		rc = node_id == 0 ? open_local(ch, flags) : open_remote(ch, flags);
	if (rc < 0) {
		lattice_channel_close(ch);
		return rc; /* NOLINT(clang-analyzer-unix.Malloc): it is closed, this is no forked child */
	}
	if (ch->lane != NULL)
		lat_channel_right_hold(ch, lat_lane_rights(ch->lane));
	if (!ch->no_sends) /* else the short way is closed */
		ch->sender = lat_channel_sender(ch);
	ch->carries = (flags & LATTICE_CHANNEL_TOKEN_FULL) != 0 && (flags & LATTICE_CHANNEL_LOSSY) == 0;
	atomic_store_explicit(&ch->ready, true, memory_order_release);
	*out = ch;
	return 0;
}

int lattice_channel_open(struct lattice_channel **out, struct lattice_node *node, int32_t src, int32_t dst,
			 lattice_node_id node_id, uint32_t flags)
{
	return open_channel(out, node, src, dst, node_id, flags, NULL);
}

int lattice_channel_open_cap(struct lattice_channel **out, struct lattice_node *node, int32_t src,
			     int32_t dst, lattice_node_id node_id, uint32_t flags,
			     const struct lattice_cap *cap)
{
	if (out != NULL)
		*out = NULL;
	if (out == NULL || node == NULL || cap == NULL)
		return -EINVAL;
	return open_channel(out, node, src, dst, node_id, flags, cap);
}

void lattice_channel_close(struct lattice_channel *ch)
{
	if (ch == NULL || lat_node_foreign(ch->node))
		return;
	leave(ch);
	lat_chan_close(ch->local);
	lat_lane_close(ch->lane);
	lat_outbound_close(ch->remote);
	lat_far_close(ch->far);
	lattice_cap_free(ch->cap);
	lat_node_put(ch->node);
	free(ch);
}

/* What the right allows is known to the receiver's side alone, if that is another node. */
static int too_long_why(const struct lattice_channel *ch)
{
	return lat_why(
		ch, -EMSGSIZE,
		"channel %d->%d: the message is over the limit of %u bytes, or over that of the right that "
		"the channel was opened by: 'bulk' for more than 64 KiB, 'size' in a line of the policy, "
		"'longest' in 'lattice cap show'",
		ch->key.src, ch->key.dst, ch->node->len_max);
}

/* The same, for a channel to another process. */
static int lane_why(const struct lattice_channel *ch, int rc)
{
	int32_t src = ch->key.src, dst = ch->key.dst;

	switch (rc) {
	case -EMSGSIZE:
		return too_long_why(ch);
	case -EPROTO:
		return lat_why(ch, rc, "channel %d->%d: the receiving process broke a rule", src, dst);
	case -ETIMEDOUT:
		return lat_why(ch, rc, "channel %d->%d: the receiver made no room in time", src, dst);
	case -ECONNRESET:
		return lat_why(
			ch, rc,
			"channel %d->%d: neither process has had a host for %d s, or the other does not read",
			src, dst, (int)(LAT_ATTACH_PATIENCE_NS / LAT_NS_PER_S));
	case -EOWNERDEAD:
		return lat_why(ch, rc,
			       "channel %d->%d: the receiving endpoint was closed, or its process is gone",
			       src, dst);
	default:
		return rc;
	}
}

/* The last number is the receiver's last word once a flush has said so. */
static int revoked_why(const struct lattice_channel *ch)
{
	uint64_t received = 0, sent = lattice_channel_sent(ch, &received);

	return lat_why(
		ch, -EKEYREVOKED,
		"channel %d->%d@%u: the right that it was opened by was revoked; of %" PRIu64
		" messages %" PRIu64
		" were received. Ask the node's owner for another ('lattice cap grant'), then open the "
		"channel again",
		ch->key.src, ch->key.dst, ch->key.node, sent, received);
}

int lat_channel_why(const struct lattice_channel *ch, int rc)
{
	int32_t src = ch->key.src, dst = ch->key.dst;
	lattice_node_id node = ch->key.node;
	char where[LAT_PATH_TEXT + 8] = "";
	bool up = false;

	if (rc == -EOWNERDEAD && ch->far != NULL && lat_far_ended(ch->far) == LAT_FAR_CUT)
		return lat_why(ch, rc, "channel %d->%d@%u: the process that ran the network is gone", src,
			       dst, node);
	if (rc == -EKEYREVOKED && atomic_load_explicit(&ch->ready, memory_order_acquire))
		return revoked_why(ch);
	if (rc == -ESHUTDOWN || atomic_load_explicit(&ch->node->closed, memory_order_acquire))
		return lat_why(ch, -ESHUTDOWN, "channel %d->%d@%u: the channel or its node was closed", src,
			       dst, node);
	if (ch->lane != NULL)
		return lane_why(ch, rc);
	if (ch->remote != NULL)
		up = lat_network_where(ch->node->network, node, where, sizeof(where));
	else if (ch->far != NULL)
		up = lat_far_ended(ch->far) == LAT_FAR_TOLD;
	switch (rc) {
	case -EMSGSIZE:
		return too_long_why(ch);
	case -ECONNREFUSED:
		if (up)
			return lat_why(
				ch, rc,
				"channel %d->%d@%u: nobody receives as pid %d there. Start the receiver, then "
				"open the channel again",
				src, dst, node, dst);
		return lat_why(ch, rc, "channel %d->%d@%u: nothing listens%s. " LAT_HINT_PORT, src, dst, node,
			       where);
	case -EACCES:
		return lat_why(ch, rc, "channel %d->%d@%u: node %u does not allow it", src, dst, node, node);
	case -EKEYREVOKED:
		return lat_why(
			ch, rc,
			"channel %d->%d@%u: node %u has revoked what the channel was opened with. "
			"lattice_channel_sent() says what arrived before; ask its owner for another right",
			src, dst, node, node);
	case -EKEYEXPIRED:
		return lat_why(ch, rc,
			       "channel %d->%d@%u: what the channel was opened with has expired at node %u. "
			       "Ask its owner for another right",
			       src, dst, node, node);
	case -EBUSY:
		return lat_why(
			ch, rc,
			"channel %d->%d@%u: node %u was asked for too many channels at once: open it again later",
			src, dst, node, node);
	case -ENOBUFS:
		return lat_why(ch, rc,
			       "channel %d->%d@%u: node %u has no room for more channels from this one", src,
			       dst, node, node);
	case -ENOKEY:
		return lat_why(
			ch, rc,
			"channel %d->%d@%u: node %u was removed here. When it has been added again, open the "
			"channel again",
			src, dst, node, node);
	case -EPROTO:
		return lat_why(ch, rc, "channel %d->%d@%u: node %u broke a rule, or says that this one did",
			       src, dst, node, node);
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
		if (node == 0)
			return lat_why(ch, rc, "channel %d->%d: the receiver made no room in time", src, dst);
		return lat_why(
			ch, rc,
			"channel %d->%d@%u: node %u does not answer%s, or makes no room. " LAT_HINT_SILENT,
			src, dst, node, node, where, node);
	case -ECONNRESET:
		return lat_why(ch, rc, "channel %d->%d@%u: node %u restarted, or was out of reach too long",
			       src, dst, node, node);
	case -EOWNERDEAD:
		return lat_why(ch, rc, "channel %d->%d@%u: the receiving endpoint was closed", src, dst,
			       node);
	default:
		return rc;
	}
}

int lat_channel_local_rc(int rc)
{
	switch (rc) {
	case -EPIPE:
		return -EOWNERDEAD;
	case -ENOTRECOVERABLE: /* something wrote over the memory */
		return -EPROTO;
	default:
		return rc;
	}
}

int lat_channel_send_away(const struct lattice_channel *ch, int32_t type, const void *data, size_t bytes,
			  uint64_t deadline_ns)
{
	return ch->far != NULL ? lat_far_send(ch->far, type, data, bytes, deadline_ns)
			       : lat_outbound_send(ch->remote, type, data, bytes, deadline_ns);
}

/* lattice_channel_send(), whatever it takes. */
static int __attribute__((noinline))
send_far(struct lattice_channel *ch, const struct lattice_msg *msg, int64_t timeout_ns)
{
	int rc;

	if (ch == NULL || msg == NULL || (msg->data == NULL && msg->len > 0))
		return lat_why(ch, -EINVAL, "no channel, no message, or a length without data");
	rc = lat_node_check(ch->node, ch);
	if (rc < 0)
		return rc;
	lat_sched_point();
	if (ch->no_sends)
		return lat_channel_right_refuses(ch, "messages, only calls");
	if (ch->local != NULL)
		rc = lat_channel_local_rc(lat_chan_send(ch->local, msg->type, msg->data, msg->len,
							lat_clock_until(timeout_ns)));
	else if (ch->lane != NULL)
		rc = lat_channel_local_rc(
			lat_lane_send(ch->lane, msg->type, msg->data, msg->len, lat_clock_until(timeout_ns)));
	else
		rc = lat_channel_send_away(ch, msg->type, msg->data, msg->len, lat_clock_until(timeout_ns));
	return rc < 0 && rc != -EAGAIN ? lat_channel_why(ch, rc) : rc;
}

static int __attribute__((noinline))
send_near(struct lattice_channel *ch, const struct lattice_msg *msg, int64_t timeout_ns)
{
	if (lat_sender_send_near(ch->sender, msg->type, msg->data, msg->len) == 0)
		return 0;
	return send_far(ch, msg, timeout_ns);
}

/* The usual case first, without a call; but a task may hand the message off instead. */
int lattice_channel_send(struct lattice_channel *ch, const struct lattice_msg *msg, int64_t timeout_ns)
{
	if (ch == NULL || msg == NULL || (msg->data == NULL && msg->len > 0) || ch->sender == NULL ||
	    lat_wait_hook != NULL || !lat_node_usable(ch->node))
		return send_far(ch, msg, timeout_ns);
	if (!lat_sender_sends_short(ch->sender, msg->len))
		return send_near(ch, msg, timeout_ns);
	switch (lat_sender_send_short(ch->sender, msg->type, msg->data, msg->len)) {
	case LAT_NEAR_DONE:
		return 0;
	case LAT_NEAR_COLD:
		return lat_sender_announce_end(ch->sender);
	default:
		return send_far(ch, msg, timeout_ns);
	}
}

int lattice_channel_flush(struct lattice_channel *ch, int64_t timeout_ns)
{
	int rc = ch != NULL ? lat_node_check(ch->node, ch) : -EINVAL;

	if (rc < 0)
		return rc;
	if (ch->local != NULL)
		rc = lat_channel_local_rc(lat_chan_flush(ch->local, lat_clock_until(timeout_ns)));
	else if (ch->lane != NULL)
		rc = lat_channel_local_rc(lat_lane_flush(ch->lane, lat_clock_until(timeout_ns)));
	else if (ch->far != NULL)
		rc = lat_far_flush(ch->far, lat_clock_until(timeout_ns));
	else
		rc = lat_outbound_flush(ch->remote, lat_clock_until(timeout_ns));
	return rc < 0 && rc != -EAGAIN ? lat_channel_why(ch, rc) : rc;
}

uint64_t lattice_channel_sent(const struct lattice_channel *ch, uint64_t *received)
{
	if (ch == NULL || lat_node_foreign(ch->node))
		return 0;
	if (ch->local != NULL)
		return lat_chan_sent(ch->local, received);
	if (ch->lane != NULL)
		return lat_lane_sent(ch->lane, received);
	if (ch->far != NULL)
		return lat_far_sent(ch->far, received);
	return lat_outbound_sent(ch->remote, received);
}

void lat_channel_keep(struct lattice_channel *ch)
{
	if (ch->remote != NULL)
		lat_outbound_keep(ch->remote);
	if (ch->far != NULL)
		lat_far_keep(ch->far);
}

/* Capabilities in messages: what is carried, and the public calls. */
#include "node/carried.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/cap.h>
#include <lattice/channel.h>
#include <lattice/endpoint.h>

#include "fastpath/channel.h"
#include "node/capability.h"
#include "node/channel.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/far.h"
#include "node/links.h"
#include "node/node.h"
#include "node/pair.h"
#include "node/remote.h"
#include "os/clock.h"
#include "sched/point.h"

struct carried {
	struct lat_carry carry; /* first */
	struct lattice_cap *cap;
};

static void drop(struct lat_carry *c)
{
	lattice_cap_free(lat_carried_take(c));
}

int lat_carried_make(struct lat_carry **out, const struct lat_cap_right *right)
{
	struct carried *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL)
		return -ENOMEM;
	rc = lat_capability_make(&c->cap, right);
	if (rc < 0) {
		free(c);
		return rc;
	}
	c->carry.drop = drop;
	*out = &c->carry;
	return 0;
}

struct lattice_cap *lat_carried_take(struct lat_carry *c)
{
	struct carried *it = (struct carried *)c;
	struct lattice_cap *cap;

	if (c == NULL)
		return NULL;
	cap = it->cap;
	free(it);
	return cap;
}

int lat_carried_look(const struct lat_carry *c, struct lat_cap_right *out)
{
	return lat_capability_take(((const struct carried *)c)->cap, out);
}

/* ---- to another process ---- */

static int note_put(struct lat_sender_mark *mark, uint64_t seq)
{
	const struct lat_carried_note *c = (const struct lat_carried_note *)mark;
	struct lat_note n = { .kind = LAT_NOTE_CARRY, .chan = c->chan, .number = seq, .right = *c->right };

	lat_pair_tell(c->pair, &n); /* if it cannot be told, the pair ends, and the channel with it */
	lat_wipe(&n.right, sizeof(n.right));
	return 0;
}

/* What is there under that number now is not looked at: the message that has it carries nothing, or brings its own. */
static void note_undo(struct lat_sender_mark *mark)
{
	(void)mark;
}

void lat_carried_note_init(struct lat_carried_note *n, struct lat_pair *p, uint32_t chan,
			   const struct lat_cap_right *right)
{
	*n = (struct lat_carried_note){
		.mark = { note_put, note_undo }, .pair = p, .chan = chan, .right = right
	};
}

/* ---- the public calls ---- */

/* A bearer's is whoever's has it: only who may grant hands it on. One that names its holder is of use to no other. */
static int may_hand_on(const struct lattice_channel *ch, const struct lattice_cap *cap)
{
	struct lattice_cap_info info = { 0 };
	int rc = lattice_cap_info(cap, &info);

	if (rc == 0 && info.bearer && (info.rights & LATTICE_RIGHT_GRANT) == 0)
		return lat_why(
			ch, -EACCES,
			"the capability is a bearer's and has not the right 'grant', so it is not handed on: name its holder "
			"(lattice_cap_attenuate), or ask who gave it for one that may be");
	return rc;
}

static int send_local(struct lattice_channel *ch, const struct lattice_msg *msg,
		      const struct lat_cap_right *right, uint64_t deadline_ns)
{
	struct lat_carry *c;
	int rc = lat_carried_make(&c, right);

	if (rc < 0)
		return rc;
	rc = lat_chan_send_carry(ch->local, msg->type, msg->data, msg->len, c, deadline_ns);
	if (rc < 0)
		lat_carry_drop(c);
	return lat_channel_local_rc(rc);
}

static int send_away(struct lattice_channel *ch, const struct lattice_msg *msg,
		     const struct lat_cap_right *right, uint64_t deadline_ns)
{
	if (!ch->carries)
		return lat_why(
			ch, -EINVAL,
			"channel %d->%d@%u: capabilities go to other nodes by channels that were opened with "
			"LATTICE_CHANNEL_TOKEN_FULL, and not LATTICE_CHANNEL_LOSSY",
			ch->key.src, ch->key.dst, ch->key.node);
	if (ch->far != NULL)
		return lat_far_send_carry(ch->far, msg->type, msg->data, msg->len, right, deadline_ns);
	return lat_outbound_send_cap(ch->remote, msg->type, msg->data, msg->len, right, deadline_ns);
}

static int send_by(struct lattice_channel *ch, const struct lattice_msg *msg,
		   const struct lat_cap_right *right, uint64_t deadline_ns)
{
	if (ch->local != NULL)
		return send_local(ch, msg, right, deadline_ns);
	if (ch->lane != NULL)
		return lat_channel_local_rc(
			lat_lane_send_carry(ch->lane, msg->type, msg->data, msg->len, right, deadline_ns));
	return send_away(ch, msg, right, deadline_ns);
}

int lattice_channel_send_cap(struct lattice_channel *ch, const struct lattice_msg *msg,
			     const struct lattice_cap *cap, int64_t timeout_ns)
{
	struct lat_cap_right right;
	int rc;

	if (ch == NULL || msg == NULL || cap == NULL || (msg->data == NULL && msg->len > 0))
		return lat_why(ch, -EINVAL,
			       "no channel, no message, no capability, or a length without data");
	rc = lat_node_check(ch->node, ch);
	if (rc == 0)
		rc = may_hand_on(ch, cap);
	if (rc < 0)
		return rc;
	lat_sched_point();
	rc = lat_capability_take(cap, &right);
	if (rc == 0)
		rc = send_by(ch, msg, &right, lat_clock_until(timeout_ns));
	lat_wipe(&right, sizeof(right));
	if (rc == -EINVAL || rc == -EPERM || rc == -EAGAIN || rc >= 0)
		return rc;
	return lat_channel_why(ch, rc);
}

int lattice_endpoint_recv_cap(struct lattice_endpoint *ep, struct lattice_msg *msg, void *buf, size_t bytes,
			      struct lattice_cap **cap, int64_t timeout_ns)
{
	struct lat_carry *carry = NULL;
	const struct lat_endpoint_place to = { .buf = buf, .bytes = bytes, .carry = &carry };
	int rc;

	if (cap != NULL)
		*cap = NULL;
	if (ep == NULL || msg == NULL || cap == NULL || (buf == NULL && bytes > 0))
		return lat_why(ep, -EINVAL,
			       "no endpoint, nowhere for a message or a capability, or no buffer");
	rc = lat_endpoint_receive(ep, msg, &to, timeout_ns);
	*cap = lat_carried_take(carry);
	return rc;
}

#include "node/channel_right.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fastpath/channel.h"
#include "node/attach.h"
#include "node/capability.h"
#include "node/channel.h"
#include "node/explain.h"
#include "node/grants.h"
#include "node/issuer.h"
#include "node/links.h"
#include "node/lives.h"
#include "node/node.h"
#include "os/clock.h"

/* The life of a channel within this process, which goes with its memory. */
struct lat_chan_right {
	struct lat_cap_ref life; /* the node's lock, once it is open */
	struct lat_lives *lives; /* the same. A reference */
};

int lat_channel_right_why(const void *handle, int rc, int32_t src, int32_t dst)
{
	switch (rc) {
	case -EKEYREVOKED:
		return lat_why(handle, rc,
			       "channel %d->%d: the capability was revoked. Ask the node's owner for another "
			       "('lattice cap grant')",
			       src, dst);
	case -EKEYEXPIRED:
		return lat_why(
			handle, rc,
			"channel %d->%d: the capability's time, or its uses, are over. Ask the node's owner "
			"for another ('lattice cap grant')",
			src, dst);
	case -EACCES:
		return lat_why(
			handle, rc,
			"channel %d->%d: the capability is not this node's, not this user's, or not for this "
			"channel: 'lattice cap show' tells what it is for",
			src, dst);
	default:
		return rc;
	}
}

void lat_channel_right_hold(struct lattice_channel *ch, uint32_t rights)
{
	ch->no_sends = rights != 0 && (rights & LAT_RIGHT_SEND) == 0;
	ch->no_calls = rights != 0 && (rights & LAT_RIGHT_CALL) == 0;
}

int lat_channel_right_refuses(const struct lattice_channel *ch, const char *what)
{
	return lat_why(
		ch, -EACCES,
		"channel %d->%d: the right that it was opened by allows no %s: 'lattice cap show', or the node's "
		"policy, tells what it allows",
		ch->key.src, ch->key.dst, what);
}

/* This node issues: nobody else is to be asked. */
static int present(struct lattice_channel *ch, const struct lat_cap_right *right, struct lat_admission *may)
{
	struct lat_issuer *issuer = lat_grants_issuer(ch->node->grants);
	uint8_t holder[LAT_CAP_HOLDER];
	struct lat_lives *lives;
	int rc = issuer != NULL ? lat_grants_lives(ch->node->grants, &lives) : -EACCES;

	if (rc < 0)
		return rc;
	lat_cap_holder_uid(holder, geteuid());
	rc = lat_issuer_present_sender(issuer, right, holder, ch->key.src, ch->key.dst, lat_clock_wall_s(),
				       may);
	if (rc == 0 && may->life.gen != 0)
		ch->right->lives = lat_lives_get(lives);
	return rc;
}

/* The host is asked; it has the issuer. */
static int ask(struct lattice_channel *ch, const struct lat_cap_right *right, struct lat_admission *may)
{
	struct lat_note n = {
		.kind = LAT_NOTE_OPEN, .src = ch->key.src, .dst = ch->key.dst, .right = *right
	};
	int rc = lat_attach_ask_open(lat_node_attach(ch->node), &n, &ch->right->lives,
				     lat_clock_deadline(lat_clock_monotonic_ns(), LAT_ATTACH_PATIENCE_NS));

	lat_wipe(&n.right, sizeof(n.right));
	if (rc == 0)
		rc = n.rc;
	if (rc == 0)
		*may = (struct lat_admission){ .life = n.life,
					       .rights = n.rights,
					       .badge = n.badge,
					       .max_msg = n.number != 0
								  ? (uint32_t)n.number + LAT_MSG_OVERHEAD
								  : UINT32_MAX,
					       .rate = n.rate };
	return rc;
}

static void right_freed(void *user)
{
	struct lat_chan_right *r = user;

	lat_lives_put(r->lives);
	free(r);
}

int lat_channel_right_open(struct lattice_channel *ch, struct lat_chan_config *cfg)
{
	struct lat_admission may = { 0 };
	struct lat_cap_right right;
	int rc;

	ch->right = calloc(1, sizeof(*ch->right));
	if (ch->right == NULL)
		return -ENOMEM;
	rc = lat_capability_take(ch->cap, &right);
	if (rc == 0)
		rc = lat_node_attach(ch->node) != NULL ? ask(ch, &right, &may) : present(ch, &right, &may);
	lat_wipe(&right, sizeof(right));
	if (rc < 0)
		return lat_channel_right_why(NULL, rc, ch->key.src, ch->key.dst);
	ch->right->life = may.life;
	lat_channel_right_hold(ch, may.rights);
	cfg->life = lat_lives_of(ch->right->lives, may.life);
	cfg->from.badge = may.badge;
	if (may.max_msg < cfg->len_max + LAT_MSG_OVERHEAD)
		cfg->len_max = may.max_msg > LAT_MSG_OVERHEAD ? may.max_msg - LAT_MSG_OVERHEAD : 1;
	cfg->user = ch->right;
	cfg->freed = right_freed;
	return 0;
}

void lat_channel_right_forget(struct lattice_channel *ch)
{
	if (ch->right != NULL)
		right_freed(ch->right);
	ch->right = NULL;
}

/* ---- under the node's lock: it is not closed meanwhile ---- */

/* Opened by a right, within this process. */
static bool has_right(const struct lattice_channel *ch)
{
	return atomic_load_explicit(&ch->ready, memory_order_acquire) && ch->local != NULL &&
	       ch->right != NULL && ch->right->life.gen != 0;
}

static int life_ended(void *ctx, uint64_t handle, const struct lat_channels_key *key, void *channel)
{
	const struct lat_cap_ref *life = ctx;
	struct lattice_channel *ch = channel;

	(void)handle;
	(void)key;
	if (has_right(ch) && ch->right->life.slot == life->slot && ch->right->life.gen == life->gen)
		lat_chan_revoke(ch->local);
	return 0;
}

void lat_node_life_ended(struct lattice_node *node, struct lat_cap_ref life)
{
	pthread_mutex_lock(&node->lock);
	(void)lat_channels_each(node->channels, life_ended, &life);
	pthread_mutex_unlock(&node->lock);
}

static int renew(void *ctx, uint64_t handle, const struct lat_channels_key *key, void *channel)
{
	struct lat_note n = { .kind = LAT_NOTE_RENEW, .src = key->src, .dst = key->dst };
	struct lattice_channel *ch = channel;

	(void)ctx;
	(void)handle;
	if (!atomic_load_explicit(&ch->ready, memory_order_acquire) ||
	    (ch->cap != NULL && lat_capability_take(ch->cap, &n.right) < 0))
		return 0;
	if (has_right(ch))
		lat_attach_renew_own(lat_node_attach(ch->node), &n);
	else if (ch->lane != NULL)
		lat_lane_renew(ch->lane, &n);
	lat_wipe(&n.right, sizeof(n.right));
	return 0;
}

void lat_node_renew(struct lattice_node *node)
{
	pthread_mutex_lock(&node->lock);
	(void)lat_channels_each(node->channels, renew, NULL);
	pthread_mutex_unlock(&node->lock);
}

static void renewed(struct lattice_channel *ch, const struct lat_note *n)
{
	struct lat_lives *lives = lat_attach_lives(lat_node_attach(ch->node));

	if (n->rc < 0) {
		lat_chan_revoke(ch->local);
	} else if (lat_chan_set_life(ch->local, lat_lives_of(lives, n->life))) {
		lat_lives_put(ch->right->lives);
		ch->right->life = n->life;
		ch->right->lives = lives;
		return;
	}
	lat_lives_put(lives);
}

void lat_node_renewed(struct lattice_node *node, const struct lat_note *n)
{
	const struct lat_channels_key key = { .src = n->src, .dst = n->dst };
	struct lattice_channel *ch;

	pthread_mutex_lock(&node->lock);
	ch = lat_channels_find_key(node->channels, &key);
	if (ch != NULL && has_right(ch))
		renewed(ch, n);
	pthread_mutex_unlock(&node->lock);
}

static int end_unrenewed(void *ctx, uint64_t handle, const struct lat_channels_key *key, void *channel)
{
	struct lattice_channel *ch = channel;

	(void)handle;
	(void)key;
	if (has_right(ch) && ch->right->lives != ctx)
		lat_chan_revoke(ch->local);
	return 0;
}

void lat_node_unrenewed(struct lattice_node *node, const struct lat_lives *lives)
{
	pthread_mutex_lock(&node->lock);
	(void)lat_channels_each(node->channels, end_unrenewed, (void *)(uintptr_t)lives);
	pthread_mutex_unlock(&node->lock);
}

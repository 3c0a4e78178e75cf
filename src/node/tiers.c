/* What is public of a channel's tiers: their counters, and memory of the caller's in place of their own. */
#include <errno.h>

#include <lattice/fastpath.h>

#include "fastpath/channel.h"
#include "fastpath/sender.h"
#include "node/channel.h"
#include "node/explain.h"
#include "node/links.h"
#include "node/node.h"
#include "node/stats.h"

static_assert((int)LATTICE_TIERS == (int)LAT_TIERS && (int)LATTICE_TIER_SPILL == (int)LAT_TIER_SPILL,
	      "the tiers have the same order inside");

struct lat_sender *lat_channel_sender(const struct lattice_channel *ch)
{
	if (ch->local != NULL)
		return lat_chan_sender(ch->local);
	return ch->lane != NULL ? lat_lane_sender(ch->lane) : NULL;
}

static int tiers_check(const struct lattice_channel *ch)
{
	int rc = lat_node_check(ch->node, ch);

	if (rc == 0 && lat_channel_sender(ch) == NULL)
		return lat_why(ch, -EOPNOTSUPP, "channel %d->%d@%u leads to another node: it has no tiers",
			       ch->key.src, ch->key.dst, ch->key.node);
	return rc;
}

int lattice_fastpath_stats(const struct lattice_channel *ch, struct lattice_tier_stats out[LATTICE_TIERS])
{
	struct lat_tier_stats tiers[LAT_TIERS];
	int rc = ch == NULL || out == NULL ? -EINVAL : tiers_check(ch);

	if (rc < 0)
		return rc;
	lat_sender_tiers(lat_channel_sender(ch), tiers);
	for (size_t i = 0; i < LAT_TIERS; i++)
		out[i] = (struct lattice_tier_stats){ .hits = tiers[i].hits,
						      .spills = tiers[i].spills,
						      .used_bytes = tiers[i].used,
						      .bytes = tiers[i].bytes };
	return 0;
}

int lattice_fastpath_set_message_region(struct lattice_channel *ch,
					const struct lattice_message_region *region)
{
	int rc = ch == NULL || region == NULL ? -EINVAL : tiers_check(ch);

	if (rc < 0)
		return rc;
	if (ch->local == NULL)
		return lat_why(ch, -EOPNOTSUPP,
			       "channel %d->%d leads to another process: its region cannot be set",
			       ch->key.src, ch->key.dst);
	rc = lat_chan_set_region(ch->local, region->memfd, region->offset, region->bytes);
	switch (rc) {
	case -EINVAL:
		return lat_why(
			ch, rc,
			"the region is not of whole pages within the memfd, or shorter than the longest message");
	case -EBUSY:
		return lat_why(ch, rc, "the channel has blocks already, or a region");
	case -EPERM:
		return lat_why(ch, rc,
			       "the descriptor is not of a memfd that can be sealed (MFD_ALLOW_SEALING)");
	default:
		return rc;
	}
}

static void add(struct lat_tier_stats sum[LAT_TIERS], const struct lattice_channel *ch)
{
	struct lat_tier_stats tiers[LAT_TIERS];

	lat_sender_tiers(lat_channel_sender(ch), tiers);
	for (size_t i = 0; i < LAT_TIERS; i++) {
		sum[i].hits += tiers[i].hits;
		sum[i].spills += tiers[i].spills;
		sum[i].used += tiers[i].used;
		sum[i].bytes += tiers[i].bytes;
	}
}

void lat_channel_leave_tiers_locked(const struct lattice_channel *ch)
{
	struct lat_tier_stats last[LAT_TIERS] = { 0 };

	if (lat_channel_sender(ch) == NULL)
		return;
	add(last, ch);
	for (size_t i = 0; i < LAT_TIERS; i++) {
		ch->node->past_tiers[i].hits += last[i].hits;
		ch->node->past_tiers[i].spills += last[i].spills;
	}
}

static int add_one(void *ctx, uint64_t handle, const struct lat_channels_key *key, void *channel)
{
	const struct lattice_channel *ch = channel;

	(void)handle;
	(void)key;
	if (atomic_load_explicit(&ch->ready, memory_order_acquire) && lat_channel_sender(ch) != NULL)
		add(ctx, ch);
	return 0;
}

void lat_channels_tier_stats(struct lattice_node *node, struct lat_stats *s)
{
	struct lat_tier_stats sum[LAT_TIERS];

	pthread_mutex_lock(&node->lock);
	for (size_t i = 0; i < LAT_TIERS; i++)
		sum[i] = node->past_tiers[i];
	(void)lat_channels_each(node->channels, add_one, sum);
	pthread_mutex_unlock(&node->lock);
	lat_stats_put(s, "tier.l1_hits", "messages to this node that went into L1", sum[LAT_TIER_L1].hits);
	lat_stats_put(s, "tier.l2_hits", "into L2", sum[LAT_TIER_L2].hits);
	lat_stats_put(s, "tier.l3_hits", "into L3", sum[LAT_TIER_L3].hits);
	lat_stats_put(s, "tier.spill_hits", "into blocks", sum[LAT_TIER_SPILL].hits);
	lat_stats_put(s, "tier.l1_spills", "those that fit L1, but it was full", sum[LAT_TIER_L1].spills);
	lat_stats_put(s, "tier.l2_spills", "that fit L2, but it was full", sum[LAT_TIER_L2].spills);
	lat_stats_put(s, "tier.l3_spills", "that fit L3, but it was full", sum[LAT_TIER_L3].spills);
	lat_stats_put(s, "tier.l1_bytes", "of L1 in use now", sum[LAT_TIER_L1].used);
	lat_stats_put(s, "tier.l2_bytes", "of L2 in use now", sum[LAT_TIER_L2].used);
	lat_stats_put(s, "tier.l3_bytes", "of L3 in use now", sum[LAT_TIER_L3].used);
	lat_stats_put(s, "tier.spill_bytes", "of blocks in use now", sum[LAT_TIER_SPILL].used);
}

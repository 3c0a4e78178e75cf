/* What is public of hand-offs: doing one, and why others were not done. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <lattice/fastpath.h>

#include "fastpath/channel.h"
#include "fastpath/execute.h"
#include "node/channel.h"
#include "node/channel_right.h"
#include "node/explain.h"
#include "node/node.h"
#include "node/stats.h"
#include "sched/point.h"

static_assert((int)LATTICE_CONDITIONS == (int)LAT_CONDITIONS &&
		      (int)LATTICE_P5_WAITING == (int)LAT_P5_WAITING &&
		      (int)LATTICE_P9_SCHEDULER == (int)LAT_P9_SCHEDULER,
	      "the conditions have the same numbers inside");

static const char *const texts[LAT_CONDITIONS] = {
	[LAT_P1_NO_CAPABILITY] = "a capability travelled in it",
	[LAT_P2_FITS] = "it was over 48 bytes, or the receiver's buffer was too short, or is one for taking",
	[LAT_P3_HEALTHY] = "the channel had ended",
	[LAT_P4_RIGHT] = "the capability was not for this, or not current",
	[LAT_P5_WAITING] = "no task waited there to receive",
	[LAT_P6_PRIORITY] = "the task that waited has a lower priority than the sender, or was just woken",
	[LAT_P7_DOMAIN] = "the sender was no task, or its scheduler cannot switch",
	[LAT_P8_FIRST] = "others were queued before it",
	[LAT_P9_SCHEDULER] = "the receivers are tasks of another scheduler",
};

const char *lattice_condition_text(int condition)
{
	return condition < 0 || condition >= LAT_CONDITIONS ? "" : texts[condition];
}

static int local_check(const struct lattice_channel *ch)
{
	int rc = lat_node_check(ch->node, ch);

	if (rc == 0 && ch->local == NULL)
		return lat_why(ch, -EOPNOTSUPP, "channel %d->%d@%u leads to another process or node",
			       ch->key.src, ch->key.dst, ch->key.node);
	return rc;
}

/*
 * A thread without tasks is spared the counting: what it sent is the rest of all. Numbers that are read one after the other may be
 * off by what is going on.
 */
static void read_counts(const struct lattice_channel *ch, struct lattice_handoff_stats *out)
{
	struct lat_execute_stats counts;
	uint64_t known;

	lat_chan_execute_stats(ch->local, &counts);
	known = lat_chan_published(ch->local);
	out->handed = counts.handed;
	for (size_t i = 0; i < LAT_CONDITIONS; i++) {
		out->refused[i] = counts.refused[i];
		known = known > counts.refused[i] ? known - counts.refused[i] : 0;
	}
	out->refused[LAT_P7_DOMAIN] += known;
}

int lattice_fastpath_handoffs(const struct lattice_channel *ch, struct lattice_handoff_stats *out)
{
	int rc = ch == NULL || out == NULL ? -EINVAL : local_check(ch);

	if (rc == 0)
		read_counts(ch, out);
	return rc;
}

int lattice_fastpath_execute(struct lattice_channel *ch, const struct lattice_msg *msg)
{
	enum lat_condition why = LAT_P7_DOMAIN;
	int rc;

	if (ch == NULL || msg == NULL || (msg->data == NULL && msg->len > 0))
		return lat_why(ch, -EINVAL, "no channel, no message, or a length without data");
	rc = local_check(ch);
	if (rc < 0)
		return rc;
	if (ch->no_sends)
		return lat_channel_right_refuses(ch, "messages, only calls");
	lat_sched_point();
	rc = lat_chan_execute(ch->local, msg->type, msg->data, msg->len, &why);
	if (rc == -EAGAIN)
		return lat_why(ch, rc, "not handed off, because %s", lattice_condition_text((int)why));
	return rc;
}

/* --- of a node ---------------------------------------------------------------------------------- */

static void add(struct lattice_handoff_stats *sum, const struct lattice_channel *ch)
{
	struct lattice_handoff_stats one;

	read_counts(ch, &one);
	sum->handed += one.handed;
	for (size_t i = 0; i < LAT_CONDITIONS; i++)
		sum->refused[i] += one.refused[i];
}

void lat_channel_leave_handoffs_locked(const struct lattice_channel *ch)
{
	if (ch->local != NULL)
		add(&ch->node->past_handoffs, ch);
}

static bool is_local(const struct lattice_channel *ch)
{
	return atomic_load_explicit(&ch->ready, memory_order_acquire) && ch->local != NULL;
}

static int add_one(void *ctx, uint64_t handle, const struct lat_channels_key *key, void *channel)
{
	(void)handle;
	(void)key;
	if (is_local(channel))
		add(ctx, channel);
	return 0;
}

void lat_channels_handoff_stats(struct lattice_node *node, struct lat_stats *s)
{
	static const char *const names[LAT_CONDITIONS] = {
		"handoff.p1", "handoff.p2", "handoff.p3", "handoff.p4", "handoff.p5",
		"handoff.p6", "handoff.p7", "handoff.p8", "handoff.p9",
	};
	struct lattice_handoff_stats sum;

	pthread_mutex_lock(&node->lock);
	sum = node->past_handoffs;
	(void)lat_channels_each(node->channels, add_one, &sum);
	pthread_mutex_unlock(&node->lock);
	lat_stats_put(s, "handoff.done", "messages and calls handed off to a task that waited", sum.handed);
	for (size_t i = 0; i < LAT_CONDITIONS; i++)
		lat_stats_put(s, names[i], texts[i], sum.refused[i]);
}

struct list {
	struct lat_handoff_row *rows;
	size_t count, max;
};

static int list_one(void *ctx, uint64_t handle, const struct lat_channels_key *key, void *channel)
{
	struct list *l = ctx;

	(void)handle;
	if (!is_local(channel))
		return 0;
	if (l->count == l->max)
		return 1;
	l->rows[l->count] = (struct lat_handoff_row){ .src = key->src, .dst = key->dst };
	read_counts(channel, &l->rows[l->count].stats);
	l->count++;
	return 0;
}

size_t lat_channels_handoffs(struct lattice_node *node, struct lat_handoff_row **rows)
{
	struct list l;

	pthread_mutex_lock(&node->lock);
	l = (struct list){ .max = lat_channels_count(node->channels) };
	l.rows = calloc(l.max > 0 ? l.max : 1, sizeof(*l.rows));
	if (l.rows != NULL)
		(void)lat_channels_each(node->channels, list_one, &l);
	pthread_mutex_unlock(&node->lock);
	*rows = l.rows;
	return l.count;
}

/* What this process knows of a node's graph: its channels, who waits in it, the rings that were refused in it, what comes before what. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fastpath/call.h"
#include "fastpath/link_calls.h"
#include "graph/dag.h"
#include "graph/work.h"
#include "node/channel.h"
#include "node/endpoint.h"
#include "node/graphrow.h"
#include "node/lane.h"
#include "node/network.h"
#include "node/node.h"
#include "node/remote.h"
#include "sync/waitrings.h"

enum { CALLS_MAX = 65536, WAITS_MAX = 4096 };

struct telling {
	struct lattice_node *node;
	struct lat_graph_rows *out;
	uintptr_t *calls; /* that a call waits on, sorted; one for each call */
	size_t call_count;
	const struct lat_channels_key *before; /* the channel whose children are told */
	int rc;
};

static void tell(struct telling *t, const struct lat_graph_row *row)
{
	if (t->rc == 0)
		t->rc = lat_graph_rows_add(t->out, row, LAT_GRAPH_MEMBER_ROWS);
}

/* ---- channels, under the node's lock ---- */

static int compare(const void *a, const void *b)
{
	const uintptr_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void find_calls_locked(struct telling *t)
{
	for (const struct lattice_endpoint *ep = t->node->endpoints; ep != NULL; ep = ep->hh.next)
		t->call_count += lat_calls_open(ep->inbox, t->calls + t->call_count,
						CALLS_MAX - t->call_count);
	qsort(t->calls, t->call_count, sizeof(t->calls[0]), compare);
}

static uint32_t calls_on(const struct telling *t, const struct lat_chan *chan)
{
	size_t low = 0, high = t->call_count;
	uint32_t count = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->calls[middle] < (uintptr_t)chan)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < t->call_count && t->calls[low] == (uintptr_t)chan; low++)
		count++;
	return count;
}

static void tell_child(void *ctx, uint64_t child)
{
	struct telling *t = ctx;
	const struct lattice_channel *ch = lat_channels_find(t->node->channels, child);

	if (ch != NULL)
		tell(t, &(struct lat_graph_row){
				.kind = LAT_GRAPH_ORDER,
				.pid = { t->before->src, t->before->dst, ch->key.src, ch->key.dst },
				.node = { 0, t->before->node, 0, ch->key.node } });
}

static int tell_channel(void *ctx, uint64_t handle, const struct lat_channels_key *key, void *channel)
{
	const struct lattice_channel *ch = channel;
	struct telling *t = ctx;
	struct lat_graph_row row = { .kind = LAT_GRAPH_CHANNEL,
				     .pid = { key->src, key->dst },
				     .node = { 0, key->node } };

	if (!atomic_load_explicit(&ch->ready, memory_order_acquire))
		return 0;
	if (ch->local != NULL)
		row.count = calls_on(t, ch->local);
	else if (ch->lane != NULL)
		row.count = lat_link_calls_open(ch->lane->out);
	tell(t, &row);
	t->before = key;
	lat_dag_each_child(lat_work_dag(t->node->work), handle, tell_child, t);
	return t->rc;
}

static void tell_channels(struct telling *t)
{
	t->calls = calloc(CALLS_MAX, sizeof(t->calls[0]));
	if (t->calls == NULL) {
		t->rc = -ENOMEM;
		return;
	}
	pthread_mutex_lock(&t->node->lock);
	find_calls_locked(t);
	(void)lat_channels_each(t->node->channels, tell_channel, t);
	pthread_mutex_unlock(&t->node->lock);
	free(t->calls);
}

static void tell_inbound(void *ctx, uint32_t origin, int32_t src, int32_t dst)
{
	tell(ctx, &(struct lat_graph_row){
			  .kind = LAT_GRAPH_CHANNEL, .pid = { src, dst }, .node = { origin, 0 } });
}

/* ---- who waits ---- */

/* By pids: who has none is shown by the channel that it calls on, or not at all. */
static void tell_waits(struct telling *t)
{
	struct lat_wait_row *waits = calloc(WAITS_MAX, sizeof(*waits));
	size_t count;

	if (waits == NULL) {
		t->rc = -ENOMEM;
		return;
	}
	count = lat_waitgraph_list(waits, WAITS_MAX);
	for (size_t i = 0; i < count; i++)
		if (waits[i].pid != 0 && waits[i].on_pid != 0)
			tell(t, &(struct lat_graph_row){ .kind = LAT_GRAPH_WAIT,
							 .pid = { waits[i].pid, waits[i].on_pid } });
	free(waits);
}

static void tell_rings(struct telling *t)
{
	struct lat_waitring rings[LAT_WAITRINGS_KEPT];
	size_t count = lat_waitrings_list(rings, LAT_WAITRINGS_KEPT);

	static_assert((int)LAT_GRAPH_PIDS == (int)LAT_WAIT_PATH_MAX,
		      "a ring's row has room for what is told of it");
	for (size_t i = 0; i < count; i++) {
		struct lat_graph_row row = { .kind = LAT_GRAPH_RING,
					     .count = rings[i].path.count,
					     .total = rings[i].path.total,
					     .times = rings[i].times };

		for (uint32_t k = 0; k < row.count; k++)
			row.pid[k] = rings[i].path.at[k].pid;
		tell(t, &row);
	}
}

int lat_graph_tell(struct lattice_node *node, struct lat_graph_rows *out)
{
	struct telling t = { .node = node, .out = out };

	tell_waits(&t);
	tell_rings(&t);
	tell_channels(&t);
	if (node->network != NULL)
		lat_inbound_each(node->network, tell_inbound, &t);
	return t.rc;
}

int lat_graph_tell_all(struct lattice_node *node, struct lat_graph_rows *out)
{
	struct telling t = { .node = node, .out = out };

	tell(&t, &(struct lat_graph_row){
			 .kind = LAT_GRAPH_PROCESS, .uid = (uint32_t)geteuid(), .gid = (uint32_t)getegid() });
	pthread_mutex_lock(&node->lock);
	for (const struct lattice_endpoint *ep = node->endpoints; ep != NULL; ep = ep->hh.next) {
		struct lat_graph_row row = { .kind = LAT_GRAPH_PID, .pid = { ep->pid } };

		(void)snprintf(row.name, sizeof(row.name), "%s", ep->name);
		tell(&t, &row);
	}
	pthread_mutex_unlock(&node->lock);
	if (t.rc == 0)
		t.rc = lat_graph_tell(node, out);
	for (size_t i = 0; i < out->count; i++)
		out->rows[i].process = (int32_t)getpid();
	return t.rc;
}

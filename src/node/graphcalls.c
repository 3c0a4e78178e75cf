/* The public calls about the graph: rows become arrays, sorted, each thing once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/graph.h>

#include "base/why.h"
#include "node/attach.h"
#include "node/graphrow.h"
#include "node/node.h"
#include "os/clock.h"
#include "os/memfd.h"

struct made {
	struct lattice_graph graph; /* first */
	struct lattice_graph_process *processes;
	struct lattice_graph_pid *pids;
	struct lattice_graph_channel *channels;
	struct lattice_graph_wait *waits;
	struct lattice_graph_ring *rings;
	struct lattice_graph_order *orders;
};

void lattice_graph_free(struct lattice_graph *graph)
{
	struct made *m = (struct made *)graph;

	if (m == NULL)
		return;
	free(m->processes);
	free(m->pids);
	free(m->channels);
	free(m->waits);
	free(m->rings);
	free(m->orders);
	free(m);
}

/* What is shown first. */
static const uint8_t first[LAT_GRAPH_KINDS] = {
	[LAT_GRAPH_PROCESS] = 0, [LAT_GRAPH_PID] = 1,   [LAT_GRAPH_CHANNEL] = 2, [LAT_GRAPH_WAIT] = 3,
	[LAT_GRAPH_RING] = 4,    [LAT_GRAPH_ORDER] = 5, [LAT_GRAPH_CUT] = 6
};

/* By kind, pids, nodes, process. */
static int compare(const void *left, const void *right)
{
	const struct lat_graph_row *a = left, *b = right;

	if (a->kind != b->kind)
		return first[a->kind] < first[b->kind] ? -1 : 1;
	for (size_t i = 0; i < LAT_GRAPH_PIDS; i++) {
		if (i < ARRAY_LEN(a->node) && a->node[i] != b->node[i])
			return a->node[i] < b->node[i] ? -1 : 1;
		if (a->pid[i] != b->pid[i])
			return a->pid[i] < b->pid[i] ? -1 : 1;
	}
	return a->process != b->process ? (a->process < b->process ? -1 : 1) : 0;
}

/* Two nodes of one process tell the same of what is the process's. */
static bool is_again(const struct lat_graph_row *a, const struct lat_graph_row *b)
{
	return a->kind != LAT_GRAPH_CHANNEL && compare(a, b) == 0;
}

static int add_row(void *ctx, const struct lat_graph_row *row)
{
	return row->kind < LAT_GRAPH_KINDS ? lat_graph_rows_add(ctx, row, LAT_GRAPH_ROWS_MAX + 1) : -EPROTO;
}

static void sort(struct lat_graph_rows *rows)
{
	size_t kept = 0;

	if (rows->count == 0)
		return;
	qsort(rows->rows, rows->count, sizeof(rows->rows[0]), compare);
	for (size_t i = 1; i < rows->count; i++) {
		if (!is_again(&rows->rows[kept], &rows->rows[i]))
			rows->rows[++kept] = rows->rows[i];
		else
			rows->rows[kept].silent |= rows->rows[i].silent;
	}
	rows->count = kept + 1;
}

static void put(struct made *m, const struct lat_graph_row *r)
{
	struct lattice_graph *g = &m->graph;
	struct lattice_graph_ring *ring;

	switch (r->kind) {
	case LAT_GRAPH_PROCESS:
		m->processes[g->process_count++] = (struct lattice_graph_process){
			.process = r->process, .uid = r->uid, .gid = r->gid, .silent = r->silent != 0
		};
		break;
	case LAT_GRAPH_PID:
		m->pids[g->pid_count] = (struct lattice_graph_pid){ .pid = r->pid[0], .process = r->process };
		memcpy(m->pids[g->pid_count++].name, r->name, LATTICE_SERVICE_MAX); /* zeros follow */
		break;
	case LAT_GRAPH_CHANNEL:
		m->channels[g->channel_count++] = (struct lattice_graph_channel){ .src = r->pid[0],
										  .dst = r->pid[1],
										  .src_node = r->node[0],
										  .dst_node = r->node[1],
										  .process = r->process,
										  .calls = r->count };
		break;
	case LAT_GRAPH_WAIT:
		m->waits[g->wait_count++] = (struct lattice_graph_wait){ .pid = r->pid[0],
									 .on = r->pid[1],
									 .process = r->process };
		break;
	case LAT_GRAPH_RING:
		ring = &m->rings[g->ring_count++];
		*ring = (struct lattice_graph_ring){ .count = r->count < LATTICE_GRAPH_RING_MAX
								      ? r->count
								      : LATTICE_GRAPH_RING_MAX,
						     .total = r->total,
						     .times = r->times,
						     .process = r->process };
		memcpy(ring->pid, r->pid, sizeof(ring->pid));
		break;
	case LAT_GRAPH_ORDER:
		m->orders[g->order_count++] =
			(struct lattice_graph_order){ .first = { r->pid[0], r->pid[1], r->node[1] },
						      .then = { r->pid[2], r->pid[3], r->node[3] },
						      .process = r->process };
		break;
	default:
		g->cut = true;
		break;
	}
}

static int make(struct lattice_graph **out, lattice_node_id node, struct lat_graph_rows *rows)
{
	size_t count[LAT_GRAPH_KINDS] = { 0 };
	struct made *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	sort(rows);
	for (size_t i = 0; i < rows->count; i++)
		count[rows->rows[i].kind]++;
	m->processes = calloc(count[LAT_GRAPH_PROCESS] + 1, sizeof(*m->processes));
	m->pids = calloc(count[LAT_GRAPH_PID] + 1, sizeof(*m->pids));
	m->channels = calloc(count[LAT_GRAPH_CHANNEL] + 1, sizeof(*m->channels));
	m->waits = calloc(count[LAT_GRAPH_WAIT] + 1, sizeof(*m->waits));
	m->rings = calloc(count[LAT_GRAPH_RING] + 1, sizeof(*m->rings));
	m->orders = calloc(count[LAT_GRAPH_ORDER] + 1, sizeof(*m->orders));
	if (m->processes == NULL || m->pids == NULL || m->channels == NULL || m->waits == NULL ||
	    m->rings == NULL || m->orders == NULL) {
		lattice_graph_free(&m->graph);
		return -ENOMEM;
	}
	m->graph.node = node;
	m->graph.cut = rows->cut;
	for (size_t i = 0; i < rows->count; i++)
		put(m, &rows->rows[i]);
	m->graph.processes = m->processes;
	m->graph.pids = m->pids;
	m->graph.channels = m->channels;
	m->graph.waits = m->waits;
	m->graph.rings = m->rings;
	m->graph.orders = m->orders;
	*out = &m->graph;
	return 0;
}

static int ask(struct lat_attach *a, struct lat_graph_rows *rows, int64_t timeout_ns)
{
	uint64_t bytes = 0;
	int fd = -1, rc = lat_attach_graph(a, &fd, &bytes, lat_clock_until(timeout_ns));

	if (rc == 0 && fd >= 0)
		rc = lat_graph_rows_unpack(fd, bytes, LAT_GRAPH_ROWS_MAX + 1, add_row, rows);
	lat_memfd_close(fd);
	return rc;
}

static int read_why(const struct lattice_node *node, int rc)
{
	switch (rc) {
	case -EACCES:
		return lat_why(node, rc,
			       "the graph is told to the user of the process that hosts, and to root");
	case -ETIMEDOUT:
		return lat_why(node, rc, "the process that hosts does not answer: is it stopped?");
	case -ENOBUFS:
		return lat_why(node, rc, "too many wait for the graph");
	case -EPROTO:
	case -EPERM:
		return lat_why(node, -EPROTO, "what the process that hosts sent is no graph");
	default:
		return rc;
	}
}

int lattice_graph_read(struct lattice_graph **out, struct lattice_node *node, int64_t timeout_ns)
{
	struct lat_graph_rows rows = { 0 };
	struct lat_attach *a;
	int rc;

	lat_why_forget();
	if (out == NULL)
		return -EINVAL;
	*out = NULL;
	if (node == NULL)
		return -EINVAL;
	rc = lat_node_check(node, node);
	if (rc < 0)
		return rc;
	(void)lat_node_get(node);
	a = lat_node_attach(node);
	rc = a != NULL ? ask(a, &rows, timeout_ns) : lat_graph_tell_all(node, &rows);
	if (rc == 0)
		rc = make(out, lattice_node_number(node), &rows);
	else
		rc = read_why(node, rc);
	lat_graph_rows_free(&rows);
	lat_node_put(node);
	return rc;
}

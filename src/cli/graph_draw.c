/* A node's graph for programs: JSON, and what graphviz draws. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/graph.h"
#include "cli/json.h"

/* ---- JSON ---- */

static const char *comma(size_t i)
{
	return i == 0 ? "" : ",";
}

static void json_end(FILE *to, const char *name, const struct lattice_graph_end *e)
{
	fprintf(to, "\"%s\":{\"src\":%" PRId32 ",\"dst\":%" PRId32 ",\"dst_node\":%" PRIu32 "}", name, e->src,
		e->dst, e->dst_node);
}

void cli_graph_json(FILE *to, const struct lattice_graph *g)
{
	fprintf(to, "{\"node\":%" PRIu32 ",\"cut\":%s,\"processes\":[", g->node, g->cut ? "true" : "false");
	for (size_t i = 0; i < g->process_count; i++)
		fprintf(to,
			"%s{\"process\":%" PRId32 ",\"uid\":%" PRIu32 ",\"gid\":%" PRIu32 ",\"silent\":%s}",
			comma(i), g->processes[i].process, g->processes[i].uid, g->processes[i].gid,
			g->processes[i].silent ? "true" : "false");
	fprintf(to, "],\"pids\":[");
	for (size_t i = 0; i < g->pid_count; i++) {
		fprintf(to, "%s{\"pid\":%" PRId32 ",\"process\":%" PRId32 ",\"name\":", comma(i),
			g->pids[i].pid, g->pids[i].process);
		cli_json_text(to, g->pids[i].name);
		fputc('}', to);
	}
	fprintf(to, "],\"channels\":[");
	for (size_t i = 0; i < g->channel_count; i++) {
		const struct lattice_graph_channel *c = &g->channels[i];

		fprintf(to,
			"%s{\"src\":%" PRId32 ",\"src_node\":%" PRIu32 ",\"dst\":%" PRId32
			",\"dst_node\":%" PRIu32 ",\"process\":%" PRId32 ",\"calls\":%" PRIu32 "}",
			comma(i), c->src, c->src_node, c->dst, c->dst_node, c->process, c->calls);
	}
	fprintf(to, "],\"waits\":[");
	for (size_t i = 0; i < g->wait_count; i++)
		fprintf(to, "%s{\"pid\":%" PRId32 ",\"on\":%" PRId32 ",\"process\":%" PRId32 "}", comma(i),
			g->waits[i].pid, g->waits[i].on, g->waits[i].process);
	fprintf(to, "],\"refused\":[");
	for (size_t i = 0; i < g->ring_count; i++) {
		const struct lattice_graph_ring *r = &g->rings[i];

		fprintf(to, "%s{\"ring\":[", comma(i));
		for (uint32_t k = 0; k < r->count; k++)
			fprintf(to, "%s%" PRId32, comma(k), r->pid[k]);
		fprintf(to, "],\"total\":%" PRIu32 ",\"times\":%" PRIu64 ",\"process\":%" PRId32 "}",
			r->total, r->times, r->process);
	}
	fprintf(to, "],\"orders\":[");
	for (size_t i = 0; i < g->order_count; i++) {
		fprintf(to, "%s{", comma(i));
		json_end(to, "first", &g->orders[i].first);
		fputc(',', to);
		json_end(to, "then", &g->orders[i].then);
		fprintf(to, ",\"process\":%" PRId32 "}", g->orders[i].process);
	}
	fprintf(to, "]}\n");
}

/* ---- graphviz ---- */

/* A vertex's name there; a label of @name. Services' names need no escape. */
static void dot_vertex(FILE *to, lattice_node_id node, int32_t pid)
{
	fprintf(to, "\"%" PRId32 "@%" PRIu32 "\"", pid, node);
}

static void dot_label(FILE *to, const struct lattice_graph *g, lattice_node_id node, int32_t pid,
		      const char *indent, const char *how)
{
	char name[CLI_VERTEX_MAX];

	fprintf(to, "%s", indent);
	dot_vertex(to, node, pid);
	fprintf(to, " [label=\"%s\"%s];\n", cli_vertex(name, g, node, pid), how);
}

/* The receivers of each process in a box; whoever only sends, and other nodes' pids, outside. */
static void dot_vertices(FILE *to, const struct lattice_graph *g)
{
	for (size_t i = 0; i < g->process_count; i++) {
		const struct lattice_graph_process *p = &g->processes[i];
		bool begun = false;

		for (size_t k = 0; k < g->pid_count; k++) {
			if (g->pids[k].process != p->process)
				continue;
			if (!begun)
				fprintf(to,
					"\tsubgraph \"cluster_%zu\" {\n\t\tlabel=\"process %" PRId32
					"%s\"; color=gray; fontcolor=gray40;\n",
					i, p->process, p->silent ? " (does not answer)" : "");
			begun = true;
			dot_label(to, g, 0, g->pids[k].pid, "\t\t", "");
		}
		if (begun)
			fprintf(to, "\t}\n");
	}
	for (size_t i = 0; i < g->channel_count; i++) {
		const struct lattice_graph_channel *c = &g->channels[i];

		if (c->src_node != 0 || cli_receiver(g, c->src) == NULL)
			dot_label(to, g, c->src_node, c->src, "\t", ", style=\"rounded,dashed\"");
		if (c->dst_node != 0)
			dot_label(to, g, c->dst_node, c->dst, "\t", ", style=\"rounded,dashed\"");
	}
}

struct arrow {
	int32_t from, to;
};

static int compare(const void *left, const void *right)
{
	const struct arrow *a = left, *b = right;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a->to > b->to) - (a->to < b->to);
}

/* The arrows of the rings that were refused, in order. */
static size_t find_refused(struct arrow *arrows, const struct lattice_graph *g)
{
	size_t count = 0;

	for (size_t i = 0; i < g->ring_count; i++) {
		const struct lattice_graph_ring *r = &g->rings[i];

		for (uint32_t k = 0; k < r->count; k++)
			if (k + 1 < r->count || r->total == r->count)
				arrows[count++] = (struct arrow){ r->pid[k], r->pid[(k + 1) % r->count] };
	}
	if (count > 0)
		qsort(arrows, count, sizeof(arrows[0]), compare);
	return count;
}

/* How often a call on that channel would have closed a ring. */
static uint64_t times_refused(const struct lattice_graph *g, const struct lattice_graph_channel *c)
{
	uint64_t times = 0;

	for (size_t i = 0; i < g->ring_count; i++)
		if (g->rings[i].count > 1 && g->rings[i].pid[0] == c->src && g->rings[i].pid[1] == c->dst)
			times += g->rings[i].times;
	return times;
}

static void dot_channel(FILE *to, const struct lattice_graph *g, const struct lattice_graph_channel *c,
			const struct arrow *refused, size_t count)
{
	const struct arrow is = { c->src, c->dst };
	bool here = c->src_node == 0 && c->dst_node == 0;
	uint64_t times = here ? times_refused(g, c) : 0;

	fprintf(to, "\t");
	dot_vertex(to, c->src_node, c->src);
	fprintf(to, " -> ");
	dot_vertex(to, c->dst_node, c->dst);
	if (times == 1)
		fprintf(to, " [color=red, fontcolor=red, penwidth=2, style=dashed, label=\"refused\"]");
	else if (times > 1)
		fprintf(to,
			" [color=red, fontcolor=red, penwidth=2, style=dashed, label=\"refused %" PRIu64
			" times\"]",
			times);
	else if (here && count > 0 && bsearch(&is, refused, count, sizeof(is), compare) != NULL)
		fprintf(to, " [color=red, penwidth=2]");
	else if (c->calls > 0)
		fprintf(to, " [color=blue, fontcolor=blue, label=\"%" PRIu32 "\"]", c->calls);
	fprintf(to, ";\n");
}

static void dot_arrows(FILE *to, const struct lattice_graph *g, const struct arrow *refused, size_t count)
{
	for (size_t i = 0; i < g->channel_count; i++)
		dot_channel(to, g, &g->channels[i], refused, count);
	for (size_t i = 0; i < g->wait_count; i++) {
		fprintf(to, "\t");
		dot_vertex(to, 0, g->waits[i].pid);
		fprintf(to, " -> ");
		dot_vertex(to, 0, g->waits[i].on);
		fprintf(to, " [color=blue, style=dashed, constraint=false, arrowhead=empty];\n");
	}
}

void cli_graph_dot(FILE *to, const struct lattice_graph *g)
{
	struct arrow *refused = calloc(g->ring_count * LATTICE_GRAPH_RING_MAX + 1, sizeof(*refused));

	fprintf(to,
		"digraph lattice {\n\tlabel=\"node %" PRIu32
		"\"; rankdir=LR; fontname=\"sans-serif\";\n\tnode [shape=box, style=rounded, "
		"fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\", color=gray40];\n",
		g->node);
	dot_vertices(to, g);
	dot_arrows(to, g, refused, refused != NULL ? find_refused(refused, g) : 0);
	fprintf(to, "}\n");
	free(refused);
}

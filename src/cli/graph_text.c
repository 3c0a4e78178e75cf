/* A node's graph as a tree. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/graph.h"

static int by_pid(const void *key, const void *at)
{
	const int32_t *pid = key;
	const struct lattice_graph_pid *p = at;

	return (*pid > p->pid) - (*pid < p->pid);
}

const struct lattice_graph_pid *cli_receiver(const struct lattice_graph *g, int32_t pid)
{
	return g->pid_count > 0 ? bsearch(&pid, g->pids, g->pid_count, sizeof(g->pids[0]), by_pid) : NULL;
}

const char *cli_vertex(char out[CLI_VERTEX_MAX], const struct lattice_graph *g, lattice_node_id node,
		       int32_t pid)
{
	const struct lattice_graph_pid *p = node == 0 ? cli_receiver(g, pid) : NULL;

	if (node != 0)
		(void)snprintf(out, CLI_VERTEX_MAX, "%" PRId32 "@%" PRIu32, pid, node);
	else if (p != NULL && p->name[0] != '\0')
		(void)snprintf(out, CLI_VERTEX_MAX, "%s (%" PRId32 ")", p->name, pid);
	else if (pid != 0)
		(void)snprintf(out, CLI_VERTEX_MAX, "%" PRId32, pid);
	else
		(void)snprintf(out, CLI_VERTEX_MAX, "a thread without a pid");
	return out;
}

/* What is printed under a process, in its order: who receives (to 0), and each channel after its source. */
struct leaf {
	int32_t process, src, dst;
	lattice_node_id src_node, dst_node;
	uint32_t calls;
};

static int compare(const void *left, const void *right)
{
	const struct leaf *a = left, *b = right;

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->src_node != b->src_node)
		return a->src_node < b->src_node ? -1 : 1;
	if (a->src != b->src)
		return a->src < b->src ? -1 : 1;
	if (a->dst_node != b->dst_node)
		return a->dst_node < b->dst_node ? -1 : 1;
	return (a->dst > b->dst) - (a->dst < b->dst);
}

static size_t make_leaves(struct leaf *leaves, const struct lattice_graph *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->pid_count; i++)
		leaves[n++] = (struct leaf){ .process = g->pids[i].process, .src = g->pids[i].pid };
	for (size_t i = 0; i < g->channel_count; i++)
		leaves[n++] = (struct leaf){ .process = g->channels[i].process,
					     .src = g->channels[i].src,
					     .dst = g->channels[i].dst,
					     .src_node = g->channels[i].src_node,
					     .dst_node = g->channels[i].dst_node,
					     .calls = g->channels[i].calls };
	qsort(leaves, n, sizeof(leaves[0]), compare);
	return n;
}

/* The leaves of one process. Several channels of the same ends are one line. */
static void print_leaves(FILE *to, const struct lattice_graph *g, const struct leaf *leaves, size_t count)
{
	char name[CLI_VERTEX_MAX];

	for (size_t i = 0; i < count;) {
		const struct leaf *l = &leaves[i];
		uint32_t calls = 0;
		size_t same = i;

		if (i == 0 || l[-1].src != l->src || l[-1].src_node != l->src_node)
			fprintf(to, "  %s\n", cli_vertex(name, g, l->src_node, l->src));
		for (; same < count && compare(l, &leaves[same]) == 0; same++)
			calls += leaves[same].calls;
		if (l->dst != 0) {
			fprintf(to, "    -> %s", cli_vertex(name, g, l->dst_node, l->dst));
			if (same - i > 1)
				fprintf(to, ", by %zu channels", same - i);
			if (calls > 0)
				fprintf(to, ", %" PRIu32 " call%s", calls, calls == 1 ? " waits" : "s wait");
			fputc('\n', to);
		}
		i = same;
	}
}

static void print_processes(FILE *to, const struct lattice_graph *g)
{
	struct leaf *leaves = calloc(g->pid_count + g->channel_count + 1, sizeof(*leaves));
	size_t count, at = 0;

	if (leaves == NULL) {
		fprintf(to, "  (there is no memory to show more)\n");
		return;
	}
	count = make_leaves(leaves, g);
	for (size_t i = 0; i < g->process_count; i++) {
		const struct lattice_graph_process *p = &g->processes[i];
		size_t first;

		while (at < count && leaves[at].process < p->process) /* of one that is not told */
			at++;
		for (first = at; at < count && leaves[at].process == p->process;)
			at++;
		if (first == at && !p->silent)
			continue; /* it only looks, as this one */
		fprintf(to, "process %" PRId32, p->process);
		if (p->uid != geteuid())
			fprintf(to, " of user %" PRIu32, p->uid);
		fprintf(to, "%s\n", p->silent ? ", which does not answer: is it stopped?" : "");
		print_leaves(to, g, leaves + first, at - first);
	}
	free(leaves);
}

static void print_ring(FILE *to, const struct lattice_graph *g, const struct lattice_graph_ring *r)
{
	char name[CLI_VERTEX_MAX];

	for (uint32_t i = 0; i < r->count; i++)
		fprintf(to, "%s -> ", cli_vertex(name, g, 0, r->pid[i]));
	if (r->total > r->count)
		fprintf(to, "%" PRIu32 " more -> ", r->total - r->count);
	fputs(cli_vertex(name, g, 0, r->pid[0]), to);
	if (r->times > 1)
		fprintf(to, ", %" PRIu64 " times", r->times);
}

static void print_end(FILE *to, const struct lattice_graph *g, const struct lattice_graph_end *e)
{
	char src[CLI_VERTEX_MAX], dst[CLI_VERTEX_MAX];

	fprintf(to, "%s -> %s", cli_vertex(src, g, 0, e->src), cli_vertex(dst, g, e->dst_node, e->dst));
}

void cli_graph_text(FILE *to, const struct lattice_graph *g, bool colour)
{
	char name[CLI_VERTEX_MAX], on[CLI_VERTEX_MAX];

	fprintf(to, "node %" PRIu32 "\n", g->node);
	print_processes(to, g);
	if (g->wait_count > 0)
		fprintf(to, "who waits\n");
	for (size_t i = 0; i < g->wait_count; i++)
		fprintf(to, "  %s waits for %s\n", cli_vertex(name, g, 0, g->waits[i].pid),
			cli_vertex(on, g, 0, g->waits[i].on));
	if (g->ring_count > 0)
		fprintf(to, "refused, because nobody would ever have gone on\n");
	for (size_t i = 0; i < g->ring_count; i++) {
		fputs(colour ? "  \033[31m" : "  ", to);
		print_ring(to, g, &g->rings[i]);
		fputs(colour ? "\033[0m\n" : "\n", to);
	}
	if (g->order_count > 0)
		fprintf(to, "whose work comes first\n");
	for (size_t i = 0; i < g->order_count; i++) {
		fputs("  ", to);
		print_end(to, g, &g->orders[i].first);
		fputs(", before ", to);
		print_end(to, g, &g->orders[i].then);
		fputc('\n', to);
	}
	if (g->cut)
		fprintf(to, "there is more, which is left out\n");
}

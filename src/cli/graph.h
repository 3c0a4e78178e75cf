/* A node's graph as people and programs see it. */
#ifndef LAT_CLI_GRAPH_H
#define LAT_CLI_GRAPH_H

#include <stdio.h>

#include <lattice/graph.h>

/* Who receives as @pid on this node; NULL: nobody. */
const struct lattice_graph_pid *cli_receiver(const struct lattice_graph *g, int32_t pid);

/* "orders (2)", "2", or "2@9" of another node. */
enum { CLI_VERTEX_MAX = LATTICE_SERVICE_MAX + 32 };
const char *cli_vertex(char out[CLI_VERTEX_MAX], const struct lattice_graph *g, lattice_node_id node,
		       int32_t pid);

/* A tree: processes, who receives in them, whom they send to; then who waits, what was refused, what comes before what. */
void cli_graph_text(FILE *to, const struct lattice_graph *g, bool colour);
/* One object, on one line. */
void cli_graph_json(FILE *to, const struct lattice_graph *g);
/* For graphviz: a box for each process, calls that wait and rings that were refused in colour. */
void cli_graph_dot(FILE *to, const struct lattice_graph *g);

#endif

/*
 * A directed graph that stays acyclic: vertices with a number and a name, edges from a parent to the child
 * that depends on it. An edge that would close a cycle is refused, and the cycle named. Bounded. No
 * recursion, and no allocation in a search.
 *
 * Threads: the caller lets one call in at a time.
 */
#ifndef LAT_GRAPH_DAG_H
#define LAT_GRAPH_DAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum {
	LAT_DAG_NAME = 32,     /* bytes of a name with its NUL; a longer one is cut */
	LAT_DAG_PATH_MAX = 16, /* vertices of a path that are told */
	LAT_DAG_VERTICES_DEFAULT = 65536,
	LAT_DAG_EDGES_DEFAULT = 262144,
};

struct lat_dag;

struct lat_dag_limits {
	uint32_t vertices_max; /* 0: LAT_DAG_VERTICES_DEFAULT */
	uint32_t edges_max;    /* 0: LAT_DAG_EDGES_DEFAULT */
};

/*
 * A way along edges, first to last. For a refused edge parent -> child: from child to parent, the way that
 * exists already. If it is longer than LAT_DAG_PATH_MAX, the middle is left out: count vertices are told,
 * total has it.
 */
struct lat_dag_path {
	struct {
		uint64_t id;
		char name[LAT_DAG_NAME];
	} at[LAT_DAG_PATH_MAX];
	uint32_t count, total;
};

/* @limits NULL: the defaults. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_dag_open(struct lat_dag **out, const struct lat_dag_limits *limits);
/* NULL is fine. */
void lat_dag_close(struct lat_dag *dag);

/* 0, -EEXIST, -ENOBUFS (vertices_max), -ENOMEM. @name NULL: "". */
LAT_MUST_CHECK int lat_dag_add(struct lat_dag *dag, uint64_t id, const char *name);
/* Removes a vertex and every edge at it. 0, -ENOENT. */
int lat_dag_remove(struct lat_dag *dag, uint64_t id);
bool lat_dag_has(const struct lat_dag *dag, uint64_t id);

/*
 * Adds the edge @parent -> @child.
 * 0, or
 *   -ELOOP    it would close a cycle (also parent == child): *path, if not NULL, is the way from child to
 *             parent
 *   -EEXIST   it is there
 *   -ENOENT   a vertex is not
 *   -ENOBUFS  edges_max
 *   -ENOMEM
 * Time: what can be reached from @child, at most.
 */
LAT_MUST_CHECK int lat_dag_add_dep(struct lat_dag *dag, uint64_t parent, uint64_t child,
				   struct lat_dag_path *path);
/* 0, -ENOENT: no such edge. */
int lat_dag_remove_dep(struct lat_dag *dag, uint64_t parent, uint64_t child);
bool lat_dag_has_dep(const struct lat_dag *dag, uint64_t parent, uint64_t child);

/* How many edges lead to @id from parents: 0 for a vertex that depends on nothing, and for none. */
uint32_t lat_dag_parent_count(const struct lat_dag *dag, uint64_t id);
/* Calls @fn for each child of @id (of which it must not add or remove edges). */
void lat_dag_each_child(const struct lat_dag *dag, uint64_t id, void (*fn)(void *ctx, uint64_t child),
			void *ctx);
/* As that, for each parent. */
void lat_dag_each_parent(const struct lat_dag *dag, uint64_t id, void (*fn)(void *ctx, uint64_t parent),
			 void *ctx);

uint32_t lat_dag_vertices(const struct lat_dag *dag);
uint32_t lat_dag_edges(const struct lat_dag *dag);

/* "a(1) -> b(2) -> ... -> c(9)", always ended with a NUL if @bytes > 0. The length it has, as snprintf. */
int lat_dag_path_format(const struct lat_dag_path *path, char *buf, size_t bytes);

#endif

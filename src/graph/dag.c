/*
 * Vertices in a hash table; an edge lies in two lists, of its parent's children and of its child's parents. A
 * search is breadth first over links in the vertices themselves, so it needs neither stack nor memory; a
 * number per search tells which vertices it has seen.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/dag.h"
#include "base/table.h"

struct edge {
	struct vertex *parent, *child;
	struct edge *next_child, **at_child;   /* in the parent's list; at: what points here */
	struct edge *next_parent, **at_parent; /* in the child's */
};

struct vertex {
	uint64_t id;
	UT_hash_handle hh;
	struct edge *children, *parents;
	uint32_t parent_count;
	char name[LAT_DAG_NAME];
	uint64_t seen;       /* number of the last search that came here */
	struct vertex *from; /* which came from there */
	struct vertex *next; /* and looks at this one next */
};

struct lat_dag {
	struct vertex *table;
	struct lat_dag_limits limits;
	uint32_t vertices, edges;
	uint64_t searches;
};

static struct vertex *find(const struct lat_dag *dag, uint64_t id)
{
	struct vertex *v;

	HASH_FIND(hh, dag->table, &id, sizeof(id), v);
	return v;
}

/* By the parents: a vertex depends on few, though many may depend on it. */
static struct edge *find_edge(const struct vertex *parent, const struct vertex *child)
{
	struct edge *e = child->parents;

	while (e != NULL && e->parent != parent)
		e = e->next_parent;
	return e;
}

static void unlink_edge(struct lat_dag *dag, struct edge *e)
{
	*e->at_child = e->next_child;
	if (e->next_child != NULL)
		e->next_child->at_child = e->at_child;
	*e->at_parent = e->next_parent;
	if (e->next_parent != NULL)
		e->next_parent->at_parent = e->at_parent;
	e->child->parent_count--;
	dag->edges--;
	free(e);
}

int lat_dag_open(struct lat_dag **out, const struct lat_dag_limits *limits)
{
	struct lat_dag *dag = calloc(1, sizeof(*dag));

	*out = NULL;
	if (dag == NULL)
		return -ENOMEM;
	if (limits != NULL)
		dag->limits = *limits;
	if (dag->limits.vertices_max == 0)
		dag->limits.vertices_max = LAT_DAG_VERTICES_DEFAULT;
	if (dag->limits.edges_max == 0)
		dag->limits.edges_max = LAT_DAG_EDGES_DEFAULT;
	*out = dag;
	return 0;
}

void lat_dag_close(struct lat_dag *dag)
{
	struct vertex *v;

	if (dag == NULL)
		return;
	v = dag->table;
	HASH_CLEAR(hh, dag->table); /* the vertices stay, and stay in a row */
	while (v != NULL) {
		struct vertex *next = v->hh.next;
		struct edge *e = v->children;

		while (e != NULL) {
			struct edge *after = e->next_child;

			free(e);
			e = after;
		}
		free(v);
		v = next;
	}
	free(dag);
}

int lat_dag_add(struct lat_dag *dag, uint64_t id, const char *name)
{
	struct vertex *v;

	if (find(dag, id) != NULL)
		return -EEXIST;
	if (dag->vertices == dag->limits.vertices_max)
		return -ENOBUFS;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	v->id = id;
	if (name != NULL)
		memcpy(v->name, name, strnlen(name, sizeof(v->name) - 1));
	HASH_ADD(hh, dag->table, id, sizeof(v->id), v);
	if (v->hh.tbl == NULL) {
		free(v);
		return -ENOMEM;
	}
	dag->vertices++;
	return 0;
}

int lat_dag_remove(struct lat_dag *dag, uint64_t id)
{
	struct vertex *v = find(dag, id);

	if (v == NULL)
		return -ENOENT;
	for (struct edge *e = v->children, *next; e != NULL; e = next) {
		next = e->next_child;
		unlink_edge(dag, e);
	}
	for (struct edge *e = v->parents, *next; e != NULL; e = next) {
		next = e->next_parent;
		unlink_edge(dag, e);
	}
	HASH_DEL(dag->table, v);
	dag->vertices--;
	free(v);
	return 0;
}

bool lat_dag_has(const struct lat_dag *dag, uint64_t id)
{
	return find(dag, id) != NULL;
}

/* Whether @to can be reached from @from; the way back is in ->from. */
static bool search(struct lat_dag *dag, struct vertex *from, const struct vertex *to)
{
	struct vertex *last = from;

	dag->searches++;
	from->seen = dag->searches;
	from->from = NULL;
	from->next = NULL;
	for (struct vertex *v = from; v != NULL; v = v->next) {
		if (v == to)
			return true;
		for (struct edge *e = v->children; e != NULL; e = e->next_child) {
			if (e->child->seen == dag->searches)
				continue;
			e->child->seen = dag->searches;
			e->child->from = v;
			e->child->next = NULL;
			last->next = e->child;
			last = e->child;
		}
	}
	return false;
}

/*
 * The way that search() found to @to. Of one that is too long, the first vertex and the last ones are told.
 */
static void tell_path(const struct vertex *to, struct lat_dag_path *path)
{
	uint32_t total = 0, left_out, at;

	for (const struct vertex *v = to; v != NULL; v = v->from)
		total++;
	path->total = at = total;
	path->count = total < LAT_DAG_PATH_MAX ? total : LAT_DAG_PATH_MAX;
	left_out = total - path->count;
	for (const struct vertex *v = to; v != NULL; v = v->from) {
		uint32_t place;

		at--;
		if (at > 0 && at <= left_out)
			continue;
		place = at == 0 ? 0 : at - left_out;
		path->at[place].id = v->id;
		memcpy(path->at[place].name, v->name, sizeof(v->name));
	}
}

int lat_dag_add_dep(struct lat_dag *dag, uint64_t parent, uint64_t child, struct lat_dag_path *path)
{
	struct vertex *p = find(dag, parent), *c = find(dag, child);
	struct edge *e;

	if (p == NULL || c == NULL)
		return -ENOENT;
	if (find_edge(p, c) != NULL)
		return -EEXIST;
	if (search(dag, c, p)) {
		if (path != NULL)
			tell_path(p, path);
		return -ELOOP;
	}
	if (dag->edges == dag->limits.edges_max)
		return -ENOBUFS;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	e->parent = p;
	e->child = c;
	e->at_child = &p->children;
	e->next_child = p->children;
	if (e->next_child != NULL)
		e->next_child->at_child = &e->next_child;
	p->children = e;
	e->at_parent = &c->parents;
	e->next_parent = c->parents;
	if (e->next_parent != NULL)
		e->next_parent->at_parent = &e->next_parent;
	c->parents = e;
	c->parent_count++;
	dag->edges++;
	return 0;
}

int lat_dag_remove_dep(struct lat_dag *dag, uint64_t parent, uint64_t child)
{
	struct vertex *p = find(dag, parent), *c = find(dag, child);
	struct edge *e = p != NULL && c != NULL ? find_edge(p, c) : NULL;

	if (e == NULL)
		return -ENOENT;
	unlink_edge(dag, e);
	return 0;
}

bool lat_dag_has_dep(const struct lat_dag *dag, uint64_t parent, uint64_t child)
{
	const struct vertex *p = find(dag, parent), *c = find(dag, child);

	return p != NULL && c != NULL && find_edge(p, c) != NULL;
}

uint32_t lat_dag_parent_count(const struct lat_dag *dag, uint64_t id)
{
	const struct vertex *v = find(dag, id);

	return v == NULL ? 0 : v->parent_count;
}

void lat_dag_each_child(const struct lat_dag *dag, uint64_t id, void (*fn)(void *ctx, uint64_t child),
			void *ctx)
{
	const struct vertex *v = find(dag, id);

	for (const struct edge *e = v == NULL ? NULL : v->children; e != NULL; e = e->next_child)
		fn(ctx, e->child->id);
}

void lat_dag_each_parent(const struct lat_dag *dag, uint64_t id, void (*fn)(void *ctx, uint64_t parent),
			 void *ctx)
{
	const struct vertex *v = find(dag, id);

	for (const struct edge *e = v == NULL ? NULL : v->parents; e != NULL; e = e->next_parent)
		fn(ctx, e->parent->id);
}

uint32_t lat_dag_vertices(const struct lat_dag *dag)
{
	return dag->vertices;
}

uint32_t lat_dag_edges(const struct lat_dag *dag)
{
	return dag->edges;
}

int lat_dag_path_format(const struct lat_dag_path *path, char *buf, size_t bytes)
{
	size_t len = 0;

	if (bytes > 0)
		buf[0] = 0;
	for (uint32_t i = 0; i < path->count; i++) {
		const char *gap = i == 0 ? "" : i == 1 && path->total > path->count ? " -> ... -> " : " -> ";
		int n = snprintf(len < bytes ? buf + len : NULL, len < bytes ? bytes - len : 0, "%s%s(%llu)",
				 gap, path->at[i].name, (unsigned long long)path->at[i].id);

		if (n < 0)
			return n;
		len += (size_t)n;
	}
	return (int)len;
}

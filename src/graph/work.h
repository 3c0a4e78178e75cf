/*
 * Work that runs in the order of a dependency graph. What is submitted runs once, when everything that it depends on was
 * submitted and has come to an end.
 *
 *            submit             parents done             taken              fn returned
 *   IDLE ------------> PENDING --------------> READY -----------> RUNNING -------------> DONE
 *                         |  a parent failed                                              |
 *                         '---------------------------> DONE, with its reason             |
 *                         ^                                                               |
 *                         '------------------------- submit, again -----------------------'
 *
 * An item that has no work of its own needs no submission: it is done while all of its parents are, and has failed while one
 * of them has. No call recurses, and none but add and add_dep needs memory.
 *
 * What became ready goes on the queue of the caller whose call made it so, who runs it: lat_work_next(), the work without any
 * lock, lat_work_done(), until there is no next. Of several that are ready there, those of the highest priority run first, and of
 * these the longest ready.
 *
 * Threads: the caller lets one call in at a time.
 */
#ifndef LAT_GRAPH_WORK_H
#define LAT_GRAPH_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "graph/dag.h"

struct lat_work;
struct lat_work_item;

enum { LAT_WORK_PRIORITIES = 8, LAT_WORK_PRIORITY_DEFAULT = 3 };

struct lat_work_queue { /* all zero is empty; may not move while it is not, or something of it runs */
	struct lat_work_item *first[LAT_WORK_PRIORITIES];
	uint32_t ready; /* bit p: first[p] is there */
	uint64_t waits; /* the item that what it runs now waits for; 0: none */
};

enum lat_work_state { LAT_WORK_IDLE, LAT_WORK_PENDING, LAT_WORK_READY, LAT_WORK_RUNNING, LAT_WORK_DONE };

/* The graph is its own. @limits as in lat_dag_open(). 0, -ENOMEM. */
LAT_MUST_CHECK int lat_work_open(struct lat_work **out, const struct lat_dag_limits *limits);
/* No queue is used any more. NULL is fine. */
void lat_work_close(struct lat_work *w);

/* Adds an item, which has no work and depends on nothing. As lat_dag_add(). */
LAT_MUST_CHECK int lat_work_add(struct lat_work *w, uint64_t id, const char *name);
/*
 * Takes it and its edges out. What is pending on it, while it is not done, fails with -ESHUTDOWN. When it is running,
 * lat_work_done() will find nothing to do.
 */
void lat_work_remove(struct lat_work *w, uint64_t id, struct lat_work_queue *q);

/* As lat_dag_add_dep(). What is ready or running already is not held back by a new parent. */
LAT_MUST_CHECK int lat_work_add_dep(struct lat_work *w, uint64_t parent, uint64_t child,
				    struct lat_dag_path *path, struct lat_work_queue *q);

/* As lat_dag_remove_dep(). What was held back, or had failed, by @parent alone is so no more; work that failed is not run. */
LAT_MUST_CHECK int lat_work_remove_dep(struct lat_work *w, uint64_t parent, uint64_t child,
				       struct lat_work_queue *q);

/* Says whether it has work of its own: IDLE, if it had none. 0, -EALREADY (submitted and not done), -ENOENT. */
LAT_MUST_CHECK int lat_work_set(struct lat_work *w, uint64_t id, bool has, struct lat_work_queue *q);

/*
 * 0 (pending, or on @q), a parent's failure, -EALREADY (submitted and not done), -ENOENT. Without work of its own: 0, or why
 * it has failed.
 */
LAT_MUST_CHECK int lat_work_submit(struct lat_work *w, uint64_t id, struct lat_work_queue *q);

/* 0 to LAT_WORK_PRIORITIES - 1. One that is ready goes behind the others of its new priority. -ENOENT. */
LAT_MUST_CHECK int lat_work_set_priority(struct lat_work *w, uint64_t id, uint32_t priority);

/* The next of @q to run. False: none. */
bool lat_work_next(struct lat_work_queue *q, uint64_t *id);
/* It ran: @rc is 0, or a negative errno by which it failed. */
void lat_work_done(struct lat_work *w, uint64_t id, int rc, struct lat_work_queue *q);

/* *rc (may be NULL): of one that is DONE. An unknown one is IDLE. */
enum lat_work_state lat_work_state(const struct lat_work *w, uint64_t id, int *rc);

/* How often it has come to an end, and how the last time; for who waits for it. false: there is no such item. */
bool lat_work_ends(const struct lat_work *w, uint64_t id, uint64_t *ends, int *rc);

/*
 * Whether @id cannot come to an end before what @q runs now does: it is that, or on that queue, or depends on something of the
 * kind, or on what another queue runs, which waits for something of the kind.
 */
bool lat_work_needs(struct lat_work *w, uint64_t id, const struct lat_work_queue *q);

const char *lat_work_state_name(enum lat_work_state state);
uint32_t lat_work_priority(const struct lat_work *w, uint64_t id);
/* The graph that it goes by, to be read. */
const struct lat_dag *lat_work_dag(const struct lat_work *w);

#endif

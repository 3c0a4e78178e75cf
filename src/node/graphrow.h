/*
 * What is told of a node's graph, a row each: by each process of its own part, to who hosts (SHOWN); by who hosts of all of it, to who asked
 * (GRAPHED). Rows go from process to process in a memfd, and are checked and copied before they are believed.
 */
#ifndef LAT_NODE_GRAPHROW_H
#define LAT_NODE_GRAPHROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "node/note.h"

enum {
	LAT_GRAPH_PIDS = 8,            /* of a ring, that are told */
	LAT_GRAPH_MEMBER_ROWS = 16384, /* of one process */
	LAT_GRAPH_ROWS_MAX = 131072,   /* of an answer; more are left out, and it says so */
};

enum lat_graph_kind {
	LAT_GRAPH_CHANNEL, /* from pid[0] of node[0] to pid[1] of node[1], count calls on it wait */
	LAT_GRAPH_WAIT,    /* pid[0] waits for pid[1] */
	LAT_GRAPH_RING, /* was refused, times: pid[0] would have waited for pid[1], which waited for ..., count told of total */
	LAT_GRAPH_ORDER, /* channel 0 to 1 comes before channel 2 to 3 */
	LAT_GRAPH_MEMBER_KINDS,
	LAT_GRAPH_PID = LAT_GRAPH_MEMBER_KINDS, /* somebody receives as pid[0], as the service name */
	LAT_GRAPH_PROCESS,                      /* of user uid and group gid */
	LAT_GRAPH_CUT,                          /* not all is told */
	LAT_GRAPH_KINDS
};

/* A field that its kind does not name is zero. */
struct lat_graph_row {
	uint32_t kind;
	int32_t process; /* the operating system's number of whose it is; 0: not known */
	int32_t pid[LAT_GRAPH_PIDS];
	uint32_t node[4]; /* of the first pids; 0: this one */
	uint32_t count, total;
	uint64_t times;
	uint32_t uid, gid;
	uint32_t silent; /* of a process: 1, it has not told */
	uint32_t spare;
	char name[LAT_NOTE_NAME];
};

struct lat_graph_rows { /* all zero is empty */
	struct lat_graph_row *rows;
	size_t count, room;
	bool cut; /* there was one more than might be */
};

/* 0 (also when there are @max: it is left out), -ENOMEM. */
LAT_MUST_CHECK int lat_graph_rows_add(struct lat_graph_rows *r, const struct lat_graph_row *row, size_t max);
void lat_graph_rows_free(struct lat_graph_rows *r);

/* A memfd of them, the caller's, and how many bytes; -1 and 0 when there are none. 0, -ENOMEM, -EMFILE, -ENFILE. */
LAT_MUST_CHECK int lat_graph_rows_pack(const struct lat_graph_rows *r, int *fd, uint64_t *bytes);
/*
 * Gives each row of such a memfd, copied, to @fn, until that is not 0, which is returned. @fd stays the caller's. 0, -EPROTO (it is
 * none), -EPERM (it could change its size), -ENOMEM.
 */
LAT_MUST_CHECK int lat_graph_rows_unpack(int fd, uint64_t bytes, size_t max,
					 int (*fn)(void *ctx, const struct lat_graph_row *row), void *ctx);

/* Whether a process may tell that of its own: kind and pids are such, and the rest is zero. */
bool lat_graph_row_is_members(const struct lat_graph_row *row);

struct lattice_node;
/* What there is in this process of @node. 0, -ENOMEM. No lock is held. */
LAT_MUST_CHECK int lat_graph_tell(struct lattice_node *node, struct lat_graph_rows *out);
/* Also who receives in this process, and the process itself: what who hosts would add, for a node that has none. */
LAT_MUST_CHECK int lat_graph_tell_all(struct lattice_node *node, struct lat_graph_rows *out);

#endif

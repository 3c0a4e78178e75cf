/* What there is on a node, to be looked at: who receives, the channels between them, who waits for whom, what was refused. */
#ifndef LATTICE_GRAPH_H
#define LATTICE_GRAPH_H

#include <stdbool.h>

#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lattice_node;

struct lattice_graph_process {
	int32_t process; /* of the operating system; 0: one of another pid namespace */
	uint32_t uid, gid;
	bool silent; /* it did not tell its part in time (it is stopped?): its channels and waits are missing */
};

/* Somebody receives as it. */
struct lattice_graph_pid {
	int32_t pid;
	int32_t process;
	char name[LATTICE_SERVICE_MAX + 1]; /* the service that it is; "": none */
};

struct lattice_graph_channel {
	int32_t src, dst;
	lattice_node_id src_node, dst_node; /* 0: this one */
	int32_t process;                    /* that sends; of one from another node, that has the network */
	uint32_t calls; /* calls on it that wait for their reply; to another node: not known, 0 */
};

/* A task or thread waits for another: in a call, or in lattice_sched_block_on(). They are called by the pids that they receive as. */
struct lattice_graph_wait {
	int32_t pid, on;
	int32_t process;
};

enum { LATTICE_GRAPH_RING_MAX = 8 };

/* A wait that was refused (-EDEADLK): pid[0] would have waited for pid[1], which waited for pid[2], ..., which waited for pid[0]. */
struct lattice_graph_ring {
	int32_t pid[LATTICE_GRAPH_RING_MAX]; /* 0: a thread that receives as none */
	uint32_t count, total;               /* told, of so many */
	uint64_t times;                      /* that it was refused */
	int32_t process;
};

/* lattice_channel_add_dep(): the work of one channel comes before that of another. */
struct lattice_graph_order {
	struct lattice_graph_end {
		int32_t src, dst;
		lattice_node_id dst_node;
	} first, then;
	int32_t process;
};

/* All of it in the order of numbers. What is in several processes was told by them one after the other. */
struct lattice_graph {
	lattice_node_id node;
	bool cut; /* there is more than is told: 131072 rows, or 16384 of one process */
	size_t process_count, pid_count, channel_count, wait_count, ring_count, order_count;
	const struct lattice_graph_process *processes;
	const struct lattice_graph_pid *pids;
	const struct lattice_graph_channel *channels;
	const struct lattice_graph_wait *waits;
	const struct lattice_graph_ring *rings; /* of each process the last 16 different ones */
	const struct lattice_graph_order *orders;
};

/**
 * Reads the graph of @node: of all processes that are attached to it, if others can be. Each tells its own part; what a process says of
 * others is left out. A process that does not answer within half a second is shown as silent.
 *
 * @param out         the graph, to be freed by lattice_graph_free(); NULL on failure
 * @param timeout_ns  longest wait for who hosts
 *
 * Threads: any. Begins 50 times a second at most; who asks oftener waits.
 * @return 0, or
 *   -EACCES     only the user of the process that hosts, and root, are told
 *   -ETIMEDOUT  who hosts does not answer
 *   -ENOBUFS    64 others wait for the next one
 *   -EPROTO     what came was no graph
 *   -ENOMEM, -EMFILE, -ENFILE, -EINVAL, -ESHUTDOWN, -EPERM
 */
LATTICE_API LATTICE_MUST_USE int lattice_graph_read(struct lattice_graph **out, struct lattice_node *node,
						    int64_t timeout_ns);

/* NULL is fine. */
LATTICE_API void lattice_graph_free(struct lattice_graph *graph);

#ifdef __cplusplus
}
#endif

#endif

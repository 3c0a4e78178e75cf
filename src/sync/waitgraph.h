/*
 * Who waits for whom. A flow of control (a thread or a task) waits for one other at a time, so the graph is a set of
 * chains, and a wait that would close one into a ring is refused: nobody in it could ever go on.
 *
 * Who does not wait pays nothing, and a wait for somebody on the same thread who waits for nobody is one store.
 */
#ifndef LAT_SYNC_WAITGRAPH_H
#define LAT_SYNC_WAITGRAPH_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum {
	LAT_WAITERS_MAX = 1 << 20, /* flows at a time */
	LAT_WAIT_PATH_MAX = 8,     /* flows of a ring that are told */
};

/* A flow. Its memory is used again, but stays a flow's, so one that has ended may still be looked at. */
struct lat_waits {
	alignas(LAT_CACHELINE) _Atomic(uint64_t) on; /* the id of whom it waits for; 0: nobody */
	_Atomic(uint64_t) id;                        /* 0: it has ended */
	_Atomic(int32_t) pid;                        /* for people */
	uint64_t last_id;
	struct lat_waits *next_free;
};

/* Going along the chain from the one that was to wait, back to it. */
struct lat_wait_path {
	struct {
		int32_t pid;
		uint32_t number; /* tells flows of one pid apart */
	} at[LAT_WAIT_PATH_MAX];
	uint32_t count, total; /* told; in the ring */
};

/* A flow that waits for nobody. @pid 0: none. 0, -ENOMEM, -ENOBUFS (LAT_WAITERS_MAX). Any thread. */
LAT_MUST_CHECK int lat_waits_open(struct lat_waits **out, int32_t pid);
/* It ends: who waits for it waits for nobody in the graph. NULL is fine. Any thread. */
void lat_waits_close(struct lat_waits *w);

/* For people: who has no pid yet is called by this one. By the flow itself. */
static inline void lat_waits_name(struct lat_waits *w, int32_t pid)
{
	if (atomic_load_explicit(&w->pid, memory_order_relaxed) == 0)
		atomic_store_explicit(&w->pid, pid, memory_order_relaxed);
}

/* The flow that runs on this thread: a scheduler sets it to its tasks. NULL: the thread itself, which has had no need of one yet. */
extern _Thread_local struct lat_waits *lat_waits_current __attribute__((tls_model("initial-exec")));

/* Makes the calling thread's own, which ends with it, the current one. NULL: there is no memory for one, or it is unknown. */
struct lat_waits *lat_waits_of_thread(void);

static inline struct lat_waits *lat_waits_self(void)
{
	return lat_waits_current != NULL ? lat_waits_current : lat_waits_of_thread();
}

/* Whether the flow of that id has not ended. Any thread. */
bool lat_waits_is_alive(uint64_t id);

/*
 * The calling thread runs flows that the graph does not know, so it is none itself (@unknown), or is again one (not @unknown).
 */
void lat_waits_thread_unknown(bool unknown);

static inline uint64_t lat_waits_id(const struct lat_waits *w)
{
	return atomic_load_explicit(&w->id, memory_order_relaxed);
}

/*
 * From now on @w waits for the flow @on (an id; of one that has ended: for nobody), instead of whom it waited for. By @w
 * itself, or while it cannot run. 0, or -EDEADLK: @on waits, through however many others, for @w; *path (may be NULL)
 * says how, and @w waits for whom it did.
 */
LAT_MUST_CHECK int lat_waitgraph_add(struct lat_waits *w, uint64_t on, struct lat_wait_path *path);

/*
 * The same where it cannot close a ring: @on waits for nobody, and belongs to the calling thread: it is that thread itself,
 * or one of its tasks. Without a lock.
 */
static inline void lat_waitgraph_add_idle(struct lat_waits *w, uint64_t on)
{
	atomic_store_explicit(&w->on, on, memory_order_release);
}

/* @w waits for nobody. By itself or by whoever ends its wait, before anybody can learn that it is over. */
static inline void lat_waitgraph_remove(struct lat_waits *w)
{
	atomic_store_explicit(&w->on, 0, memory_order_release);
}

/* One that waits, to be shown. */
struct lat_wait_row {
	int32_t pid, on_pid;        /* 0: none */
	uint32_t number, on_number; /* on_number 0: for whoever will receive its call */
};

/* Who waits now, @max at most, as they are found: one after the other. How many. */
size_t lat_waitgraph_list(struct lat_wait_row *rows, size_t max);

/* "pid 1 waits for pid 2, which waits for pid 1". The length it has, as snprintf does. */
int lat_wait_path_text(const struct lat_wait_path *path, char *buf, size_t bytes);

#endif

/*
 * Why a ring is always seen, although lat_waitgraph_add_idle() takes no lock. Call the edges that it makes light, the others
 * heavy. A light edge X -> Y is made by Y's thread while Y has no edge out; so Y's next edge out is younger, and made by the
 * same thread. A ring of light edges alone would be younger than itself. So each has a heavy edge; of its heavy edges take
 * the youngest, the moment it is made, under the lock. The other heavy ones were made under that lock before. Each chain of
 * light edges leads to a heavy edge that its thread made after them: either an earlier one, and giving back the lock
 * published them, or this one, and then it is this thread that made them. So the walk sees the whole ring.
 *
 * An edge is taken away without the lock too. By its own flow or by who ends its wait: whoever learns from either that the
 * wait is over sees that the edge is gone.
 *
 * Edges are ids and not pointers, and a flow's memory is only ever used for another flow, so a walk may come to one that
 * has ended: its id differs then, and the walk ends there.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "sync/waitgraph.h"
#include "sync/waitrings.h"

enum { CHUNK = 64, CHUNKS = LAT_WAITERS_MAX / CHUNK };

static struct {
	pthread_mutex_t lock;
	struct lat_waits *chunks[CHUNKS]; /* never given back */
	struct lat_waits *free;
	uint32_t made;
} graph = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* id: life << 32 | number, from 1 */
static uint32_t number_of(uint64_t id)
{
	return (uint32_t)id;
}

static struct lat_waits *find_locked(uint64_t id)
{
	uint32_t index = number_of(id) - 1;
	struct lat_waits *w;

	if (id == 0 || index >= graph.made)
		return NULL;
	w = &graph.chunks[index / CHUNK][index % CHUNK];
	return lat_waits_id(w) == id ? w : NULL;
}

static struct lat_waits *make_locked(void)
{
	uint32_t index = graph.made;
	struct lat_waits *w;

	if (index % CHUNK == 0) {
		struct lat_waits *chunk = aligned_alloc(alignof(struct lat_waits), CHUNK * sizeof(*chunk));

		if (chunk == NULL)
			return NULL;
		graph.chunks[index / CHUNK] = chunk;
	}
	w = &graph.chunks[index / CHUNK][index % CHUNK];
	*w = (struct lat_waits){ .last_id = index + 1 };
	graph.made++;
	return w;
}

int lat_waits_open(struct lat_waits **out, int32_t pid)
{
	struct lat_waits *w = NULL;
	int rc = 0;

	pthread_mutex_lock(&graph.lock);
	if (graph.free != NULL) {
		w = graph.free;
		graph.free = w->next_free;
	} else if (graph.made == LAT_WAITERS_MAX) {
		rc = -ENOBUFS;
	} else {
		w = make_locked();
		rc = w == NULL ? -ENOMEM : 0;
	}
	if (w != NULL) {
		w->last_id += UINT64_C(1) << 32;
		atomic_store_explicit(&w->pid, pid, memory_order_relaxed);
		atomic_store_explicit(&w->on, 0, memory_order_relaxed);
		atomic_store_explicit(&w->id, w->last_id, memory_order_relaxed);
	}
	pthread_mutex_unlock(&graph.lock);
	*out = w;
	return rc;
}

void lat_waits_close(struct lat_waits *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&graph.lock);
	atomic_store_explicit(&w->id, 0, memory_order_relaxed);
	atomic_store_explicit(&w->on, 0, memory_order_relaxed);
	w->next_free = graph.free;
	graph.free = w;
	pthread_mutex_unlock(&graph.lock);
}

/* --- threads' own ------------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key;
_Thread_local struct lat_waits *lat_waits_current;
static _Thread_local bool thread_unknown;

static void thread_ends(void *w)
{
	lat_waits_current = NULL;
	lat_waits_close(w);
}

static void make_key(void)
{
	have_key = pthread_key_create(&key, thread_ends) == 0;
}

struct lat_waits *lat_waits_of_thread(void)
{
	struct lat_waits *w;

	if (thread_unknown)
		return NULL;
	pthread_once(&once, make_key);
	if (!have_key || lat_waits_open(&w, 0) < 0)
		return NULL;
	if (pthread_setspecific(key, w) != 0) {
		lat_waits_close(w);
		return NULL;
	}
	lat_waits_current = w;
	return w;
}

void lat_waits_thread_unknown(bool unknown)
{
	if (unknown && lat_waits_current != NULL) {
		(void)pthread_setspecific(key, NULL); /* it had a value, so this cannot fail */
		thread_ends(lat_waits_current);
	}
	thread_unknown = unknown;
}

bool lat_waits_is_alive(uint64_t id)
{
	bool alive;

	pthread_mutex_lock(&graph.lock);
	alive = find_locked(id) != NULL;
	pthread_mutex_unlock(&graph.lock);
	return alive;
}

/* --- edges -------------------------------------------------------------------------------------- */

static void tell_locked(const struct lat_waits *w, uint64_t on, struct lat_wait_path *path)
{
	const struct lat_waits *at = w;

	*path = (struct lat_wait_path){ 0 };
	do {
		if (path->count < LAT_WAIT_PATH_MAX) {
			path->at[path->count].pid = atomic_load_explicit(&at->pid, memory_order_relaxed);
			path->at[path->count].number = number_of(lat_waits_id(at));
			path->count++;
		}
		path->total++;
		at = find_locked(at == w ? on : atomic_load_explicit(&at->on, memory_order_relaxed));
	} while (at != NULL && at != w);
}

int lat_waitgraph_add(struct lat_waits *w, uint64_t on, struct lat_wait_path *path)
{
	const struct lat_waits *at;
	struct lat_wait_path ring;
	uint32_t steps = 0;
	int rc = 0;

	pthread_mutex_lock(&graph.lock);
	/* A wait that ends while we walk can lead us anywhere, for a moment even in a ring that does not hold @w. */
	for (at = find_locked(on); at != NULL && at != w && steps <= graph.made; steps++)
		at = find_locked(atomic_load_explicit(&at->on, memory_order_acquire));
	if (at == w) {
		rc = -EDEADLK;
		tell_locked(w, on, &ring);
	} else {
		atomic_store_explicit(&w->on, on, memory_order_release);
	}
	pthread_mutex_unlock(&graph.lock);
	if (rc < 0) {
		lat_waitrings_put(&ring);
		if (path != NULL)
			*path = ring;
	}
	return rc;
}

size_t lat_waitgraph_list(struct lat_wait_row *rows, size_t max)
{
	size_t count = 0;

	pthread_mutex_lock(&graph.lock);
	for (uint32_t i = 0; i < graph.made && count < max; i++) {
		const struct lat_waits *w = &graph.chunks[i / CHUNK][i % CHUNK], *to;
		uint64_t on = atomic_load_explicit(&w->on, memory_order_acquire), id = lat_waits_id(w);

		if (on == 0 || id == 0)
			continue;
		to = find_locked(on);
		rows[count++] = (struct lat_wait_row){
			.pid = atomic_load_explicit(&w->pid, memory_order_relaxed),
			.number = number_of(id),
			.on_pid = to == NULL ? 0 : atomic_load_explicit(&to->pid, memory_order_relaxed),
			.on_number = to == NULL ? 0 : number_of(on),
		};
	}
	pthread_mutex_unlock(&graph.lock);
	return count;
}

/* --- for people --------------------------------------------------------------------------------- */

static int name(const struct lat_wait_path *path, uint32_t i, char *buf, size_t bytes)
{
	if (path->at[i].pid != 0)
		return snprintf(buf, bytes, "pid %d", path->at[i].pid);
	return snprintf(buf, bytes, "thread or task %u without a pid", path->at[i].number);
}

/* As snprintf() into what is left of the buffer, where len bytes of text are. */
__attribute__((format(printf, 4, 5))) static void append(char *buf, size_t bytes, size_t *len,
							 const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(*len < bytes ? buf + *len : NULL, *len < bytes ? bytes - *len : 0, fmt, ap);
	va_end(ap);
	*len += n > 0 ? (size_t)n : 0;
}

int lat_wait_path_text(const struct lat_wait_path *path, char *buf, size_t bytes)
{
	size_t len = 0;

	for (uint32_t i = 0; i <= path->count; i++) {
		char who[48];

		(void)name(path, i < path->count ? i : 0, who, sizeof(who));
		if (i == path->count && path->total > path->count)
			append(buf, bytes, &len, ", and so on, %u in all, back to %s", path->total, who);
		else
			append(buf, bytes, &len, "%s%s",
			       i == 0   ? ""
			       : i == 1 ? " waits for "
					: ", which waits for ",
			       who);
	}
	return (int)len;
}

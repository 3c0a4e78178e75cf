/*
 * Packets that are on their way, the one that arrives first in front: a heap by time, and of one time by the order in which
 * they were sent. For the simulated network of the engine's tests and for lattice-chaos.
 */
#ifndef LAT_BASE_AIRBORNE_HARNESS_H
#define LAT_BASE_AIRBORNE_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The first member of a packet. */
struct lat_airborne {
	uint64_t at, order;
};

struct lat_air {
	struct lat_airborne **queue; /* queue[0] is the next */
	size_t queued, cap;
	uint64_t order;
};

static inline bool lat_air_before(const struct lat_airborne *a, const struct lat_airborne *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

/* The one at @i has become earlier. */
static inline void lat_air_up(struct lat_air *a, size_t i)
{
	struct lat_airborne *p = a->queue[i];

	for (; i > 0 && lat_air_before(p, a->queue[(i - 1) / 2]); i = (i - 1) / 2)
		a->queue[i] = a->queue[(i - 1) / 2];
	a->queue[i] = p;
}

static inline void lat_air_down(struct lat_air *a, size_t i)
{
	struct lat_airborne *p = a->queue[i];

	for (size_t child; (child = 2 * i + 1) < a->queued; i = child) {
		if (child + 1 < a->queued && lat_air_before(a->queue[child + 1], a->queue[child]))
			child++;
		if (!lat_air_before(a->queue[child], p))
			break;
		a->queue[i] = a->queue[child];
	}
	a->queue[i] = p;
}

/* @p, whose `at` is set, is the air's now. false: no memory, and it is not. */
static inline bool lat_air_add(struct lat_air *a, struct lat_airborne *p)
{
	if (a->queued == a->cap) {
		size_t cap = a->cap == 0 ? 64 : 2 * a->cap;
		struct lat_airborne **more = realloc(a->queue, cap * sizeof(struct lat_airborne *));

		if (more == NULL)
			return false;
		a->queue = more;
		a->cap = cap;
	}
	p->order = ++a->order;
	a->queue[a->queued++] = p;
	lat_air_up(a, a->queued - 1);
	return true;
}

/* Takes the next one off, for the caller to free. There must be one. */
static inline struct lat_airborne *lat_air_next(struct lat_air *a)
{
	struct lat_airborne *p = a->queue[0];

	a->queue[0] = a->queue[--a->queued];
	if (a->queued > 0)
		lat_air_down(a, 0);
	return p;
}

/* When the next one arrives; UINT64_MAX: none is on its way. */
static inline uint64_t lat_air_at(const struct lat_air *a)
{
	return a->queued > 0 ? a->queue[0]->at : UINT64_MAX;
}

/* Takes off those of which @gone says so; it may free them or keep them. */
static inline void lat_air_remove(struct lat_air *a, bool (*gone)(struct lat_airborne *p, void *ctx),
				  void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->queued; i++)
		if (!gone(a->queue[i], ctx))
			a->queue[kept++] = a->queue[i];
	a->queued = kept;
	for (size_t i = kept / 2; i-- > 0;)
		lat_air_down(a, i);
}

static inline void lat_air_fini(struct lat_air *a)
{
	while (a->queued > 0)
		free(lat_air_next(a));
	free(a->queue);
	a->queue = NULL;
	a->cap = 0;
}

#endif

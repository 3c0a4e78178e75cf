/*
 * Memory that a peer can make us hold, counted before it is allocated (PROTOCOL 6.4). Every charge goes to
 * two accounts, the peer's and everybody's, or to neither. Not atomic: the engine's caller serialises.
 */
#ifndef LAT_SESSION_BUDGET_H
#define LAT_SESSION_BUDGET_H

#include <errno.h>
#include <stddef.h>

#include "base/util.h"

struct lat_budget {
	size_t used, max; /* bytes */
};

struct lat_budgets {
	struct lat_budget *peer, *all;
};

/* 0, or -ENOBUFS with nothing charged. */
LAT_MUST_CHECK static inline int lat_budget_charge(struct lat_budgets b, size_t bytes)
{
	if (b.peer->used > b.peer->max || bytes > b.peer->max - b.peer->used || b.all->used > b.all->max ||
	    bytes > b.all->max - b.all->used)
		return -ENOBUFS;
	b.peer->used += bytes;
	b.all->used += bytes;
	return 0;
}

/*
 * The same, but only @times the limits count: for bookkeeping in proportion to what was already granted. Nothing more
 * is granted until all is below the limits again. 0, or -ENOBUFS with nothing charged.
 */
LAT_MUST_CHECK static inline int lat_budget_stretch(struct lat_budgets b, size_t bytes, size_t times)
{
	if (b.peer->used + bytes > b.peer->max * times || b.all->used + bytes > b.all->max * times)
		return -ENOBUFS;
	b.peer->used += bytes;
	b.all->used += bytes;
	return 0;
}

static inline void lat_budget_release(struct lat_budgets b, size_t bytes)
{
	b.peer->used -= bytes;
	b.all->used -= bytes;
}

#endif

/* How a room's counters become rows of lattice_node_stats(). */
#ifndef LAT_NODE_STATS_H
#define LAT_NODE_STATS_H

#include <lattice/node.h>

struct lat_stats { /* where the rows go; counts on past the caller's room */
	struct lattice_stat *out;
	size_t max, count;
};

static inline void lat_stats_put(struct lat_stats *s, const char *name, const char *text, uint64_t value)
{
	if (s->count < s->max)
		s->out[s->count] = (struct lattice_stat){ .name = name, .text = text, .value = value };
	s->count++;
}

#endif

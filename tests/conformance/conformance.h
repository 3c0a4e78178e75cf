/*
 * One suite for every way that packets go between two engines: the simulated network in virtual time, datagrams and streams, and real
 * sockets over loopback, UDP and TCP. A row is a function that is run on each of them.
 */
#ifndef LAT_CONFORMANCE_H
#define LAT_CONFORMANCE_H

#include "session/engine_harness.h"

extern const struct world_carrier conformance_sockets;

struct way {
	const char *why;
	uint8_t proto;
	const struct world_carrier *carrier; /* NULL: simulated */
};

static inline struct world *way_open(const struct way *way, uint64_t seed, uint32_t max_msg)
{
	const struct world_options o = { .proto = way->proto, .carrier = way->carrier, .max_msg = max_msg };

	return world_open(2, seed, &o);
}

/* Runs until @holds, for a minute at most. */
static inline bool way_until(struct world *w, bool (*holds)(struct world *w, void *ctx), void *ctx)
{
	uint64_t end = w->now + 60 * SEC;

	while (!holds(w, ctx)) {
		if (w->now >= end)
			return false;
		world_run(w, MS);
	}
	return true;
}

/* rules.c */
void broken_rules(const struct way *way);

#endif

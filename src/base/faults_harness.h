/*
 * What may happen to packets on their way, drawn from a seed: for the simulated network of the engine's tests, and for
 * lattice-chaos, which does it to real ones. Pure: time comes in as a parameter, randomness as the generator's state.
 *
 * A pipe is one direction between two places. A packet is lost (alone, or in a burst that goes on until one packet is not),
 * doubled, held back, damaged, cut off, or too long; before a bottleneck it waits in a queue, or is dropped.
 */
#ifndef LAT_BASE_FAULTS_HARNESS_H
#define LAT_BASE_FAULTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct lat_faults {
	uint64_t delay, jitter; /* ns; jitter: up to so much more, each packet its own */
	uint64_t late_by;       /* ns that a late packet comes later; 0: ten times the delay */
	uint32_t loss, dup, corrupt, truncate, late; /* packets of 1000 */
	uint32_t burst_in,
		burst_out; /* of 1000: a packet that is lost with those after it, until one of them is not */
	size_t mtu;        /* longer ones vanish; 0: none is too long */
	bool mtu_lies;     /* and now and then the sender is told so of one that is not longer */
};

struct lat_pipe {
	struct lat_pipe *through; /* another one whose rate and queue it shares; NULL: its own */
	bool black;               /* nothing gets through */
	bool in_burst;
	uint64_t rate; /* bytes a second; 0: any */
	size_t queue_max;
	uint64_t free_at; /* when what waits has been sent */
	size_t queued_max;
	uint64_t bytes, dropped; /* sent on; packets that found the queue full */
};

static inline uint64_t lat_faults_random(uint64_t *rng)
{
	uint64_t z = (*rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline bool lat_faults_chance(uint64_t *rng, uint32_t of_1000)
{
	return of_1000 != 0 && lat_faults_random(rng) % 1000 < of_1000;
}

/* When the pipe has let it through; UINT64_MAX: its queue was full. */
static inline uint64_t lat_pipe_squeeze(struct lat_pipe *p, uint64_t now, size_t bytes)
{
	const uint64_t s = (uint64_t)LAT_NS_PER_S;
	uint64_t start;
	size_t waits;

	if (p->through != NULL)
		p = p->through;
	if (p->rate == 0)
		return now;
	start = p->free_at > now ? p->free_at : now;
	waits = (size_t)((start - now) * p->rate / s) + bytes;
	if (waits > p->queue_max) {
		p->dropped++;
		return UINT64_MAX;
	}
	if (waits > p->queued_max)
		p->queued_max = waits;
	p->bytes += bytes;
	p->free_at = start + bytes * s / p->rate;
	return p->free_at;
}

enum lat_fate_kind {
	LAT_FATE_ARRIVES,
	LAT_FATE_LOST,
	LAT_FATE_BURST,
	LAT_FATE_BLACK,
	LAT_FATE_FULL,     /* the pipe's queue was */
	LAT_FATE_TOO_LONG, /* over the MTU */
};

/* What becomes of one copy of a packet. */
struct lat_fate {
	enum lat_fate_kind kind;
	uint64_t at; /* when it arrives */
	bool late;
	size_t kept;    /* bytes of it */
	bool flipped;   /* one bit: */
	size_t flip_at; /* the byte, and */
	uint8_t flip;   /* what it is xored with */
};

static inline enum lat_fate_kind lat_pipe_loses(struct lat_pipe *p, const struct lat_faults *f, uint64_t *rng)
{
	p->in_burst = p->in_burst ? !lat_faults_chance(rng, f->burst_out)
				  : lat_faults_chance(rng, f->burst_in);
	if (p->black)
		return LAT_FATE_BLACK;
	if (p->in_burst)
		return LAT_FATE_BURST;
	return lat_faults_chance(rng, f->loss) ? LAT_FATE_LOST : LAT_FATE_ARRIVES;
}

/* How many of a packet are sent. Each copy has a fate of its own. */
static inline int lat_faults_copies(const struct lat_faults *f, uint64_t *rng)
{
	return 1 + lat_faults_chance(rng, f->dup);
}

static inline struct lat_fate lat_faults_fate(const struct lat_faults *f, struct lat_pipe *p, uint64_t *rng,
					      uint64_t now, size_t bytes)
{
	struct lat_fate fate = { .at = lat_pipe_squeeze(p, now, bytes), .kept = bytes };

	if (fate.at == UINT64_MAX) {
		fate.kind = LAT_FATE_FULL;
		return fate;
	}
	fate.at += f->delay + (f->jitter == 0 ? 0 : lat_faults_random(rng) % f->jitter);
	fate.kind = lat_pipe_loses(p, f, rng);
	if (fate.kind == LAT_FATE_ARRIVES && f->mtu != 0 && bytes > f->mtu)
		fate.kind = LAT_FATE_TOO_LONG;
	if (fate.kind != LAT_FATE_ARRIVES)
		return fate;
	fate.late = lat_faults_chance(rng, f->late);
	if (fate.late)
		fate.at += f->late_by != 0 ? f->late_by : 10 * f->delay;
	if (bytes > 0 && lat_faults_chance(rng, f->truncate))
		fate.kept = lat_faults_random(rng) % bytes;
	fate.flipped = fate.kept > 0 && lat_faults_chance(rng, f->corrupt);
	if (fate.flipped) {
		fate.flip_at = lat_faults_random(rng) % fate.kept;
		fate.flip = (uint8_t)(1U << lat_faults_random(rng) % 8);
	}
	return fate;
}

/* ---- weather: the faults change ---- */

static inline void lat_weather_loss(struct lat_faults *f, uint64_t *rng)
{
	f->loss = (uint32_t)(lat_faults_random(rng) % 300);
}

static inline void lat_weather_bursts(struct lat_faults *f, uint64_t *rng)
{
	f->burst_in = (uint32_t)(1 + lat_faults_random(rng) % 20);
	f->burst_out = (uint32_t)(20 + lat_faults_random(rng) % 200); /* 5 to 50 packets */
}

static inline void lat_weather_disorder(struct lat_faults *f, uint64_t *rng)
{
	f->jitter = lat_faults_random(rng) % (20 * (uint64_t)LAT_NS_PER_MS);
	f->late = (uint32_t)(lat_faults_random(rng) % 50);
	f->dup = 100;
}

static inline void lat_weather_damage(struct lat_faults *f, uint64_t *rng)
{
	f->corrupt = 10;
	f->truncate = (uint32_t)(lat_faults_random(rng) % 30);
}

static inline void lat_weather_far(struct lat_faults *f, uint64_t *rng)
{
	f->delay = (uint64_t)LAT_NS_PER_MS + lat_faults_random(rng) % (150 * (uint64_t)LAT_NS_PER_MS);
}

static inline void lat_weather_mtu(struct lat_faults *f, uint64_t *rng)
{
	static const size_t mtus[] = { 1232, 1400, 1452, 1472, 8952, 65507 };

	f->mtu = mtus[lat_faults_random(rng) % ARRAY_LEN(mtus)];
	f->mtu_lies = lat_faults_random(rng) % 2 == 0;
}

/* All well again: a near place, and datagrams as long as on most paths. */
static inline void lat_weather_calm(struct lat_faults *f, uint64_t *rng)
{
	(void)rng;
	*f = (struct lat_faults){ .delay = (uint64_t)LAT_NS_PER_MS, .mtu = 1472, .late_by = f->late_by };
}

typedef void (*lat_weather_fn)(struct lat_faults *f, uint64_t *rng);

/* The next thing that happens to a network which is left to the weather. */
static inline void lat_weather_change(struct lat_faults *f, uint64_t *rng)
{
	static const lat_weather_fn weather[] = { lat_weather_loss,     lat_weather_bursts,
						  lat_weather_disorder, lat_weather_damage,
						  lat_weather_far,      lat_weather_mtu,
						  lat_weather_calm };

	weather[lat_faults_random(rng) % ARRAY_LEN(weather)](f, rng);
}

#endif

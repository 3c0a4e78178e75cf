/* The way from one side to the other: what befalls a packet, and when what changes. */
#include "chaos.h"

#include <string.h>

/* Nothing came for so long: what was wrong for a moment is well again. */
static const uint64_t burst_quiet_ns = 100 * (uint64_t)LAT_NS_PER_MS;

uint64_t chaos_schedule(struct chaos *c)
{
	uint64_t next = UINT64_MAX, until = 0;
	bool turned;

	if (c->began == 0)
		return next;
	for (size_t i = 0; i < c->o.blackouts; i++) {
		uint64_t from = c->began + c->o.blackout[i].at, to = from + c->o.blackout[i].length;

		if (c->now < from && from < next)
			next = from;
		else if (c->now >= from && c->now < to && to > until)
			until = to;
	}
	if (until != 0 && until < next)
		next = until;
	turned = c->black != (until != 0);
	c->black = until != 0;
	c->black_until = until;
	if (turned && c->relay->darken != NULL)
		c->relay->darken(c);
	if (c->o.mtu_cut != 0 && c->now >= c->began + c->o.mtu_cut_at)
		c->faults.mtu = c->o.mtu_cut;
	else if (c->o.mtu_cut != 0 && c->began + c->o.mtu_cut_at < next)
		next = c->began + c->o.mtu_cut_at;
	return next;
}

void chaos_begin(struct chaos *c)
{
	if (c->began != 0)
		return;
	c->began = c->now;
	if (c->o.weather_every != 0)
		c->weather_at = c->now + c->o.weather_every;
	if (c->o.strike_every != 0)
		c->strike_at = c->now + c->o.strike_every;
	(void)chaos_schedule(c);
}

void chaos_free(struct chaos *c, struct chaos_packet *p)
{
	c->air_bytes -= p->bytes;
	free(p);
}

bool chaos_send_at(struct chaos *c, int way, void *whose, const uint8_t *data, size_t bytes, uint64_t at)
{
	struct chaos_packet *p = malloc(sizeof(*p) + bytes);

	if (p == NULL)
		return false;
	*p = (struct chaos_packet){ .fly.at = at, .way = way, .whose = whose, .bytes = bytes };
	if (bytes > 0)
		memcpy(p->data, data, bytes);
	if (!lat_air_add(&c->air, &p->fly)) {
		free(p);
		return false;
	}
	c->air_bytes += bytes;
	return true;
}

static void copy(struct chaos *c, int way, void *whose, size_t bytes, const struct lat_faults *f)
{
	struct chaos_counts *n = &c->counts[way];
	struct lat_fate fate = lat_faults_fate(f, &c->pipe[way], &c->rng, c->now, bytes);
	uint8_t *flipped = &c->buf[fate.flip_at];

	if (fate.kind == LAT_FATE_ARRIVES && c->air_bytes + bytes > CHAOS_AIR_MAX)
		fate.kind = LAT_FATE_FULL;
	n->lost += fate.kind == LAT_FATE_LOST;
	n->burst += fate.kind == LAT_FATE_BURST;
	n->black += fate.kind == LAT_FATE_BLACK;
	n->full += fate.kind == LAT_FATE_FULL;
	n->long_ += fate.kind == LAT_FATE_TOO_LONG;
	if (fate.kind != LAT_FATE_ARRIVES)
		return;
	n->late += fate.late;
	n->truncated += fate.kept < bytes;
	n->corrupted += fate.flipped;
	if (fate.flipped)
		*flipped ^= fate.flip;
	n->full += !chaos_send_at(c, way, whose, c->buf, fate.kept, fate.at);
	if (fate.flipped) /* the other copy is whole */
		*flipped ^= fate.flip;
}

void chaos_send(struct chaos *c, int way, void *whose, size_t bytes)
{
	const struct lat_faults only_far = { .delay = c->faults.delay, .jitter = c->faults.jitter };
	const struct lat_faults *f = c->o.way[way] ? &c->faults : &only_far;
	struct chaos_counts *n = &c->counts[way];
	int copies;

	chaos_begin(c);
	/* Who sends less and less would never see the end of it. */
	if (c->now > c->last[way] + burst_quiet_ns)
		c->pipe[way].in_burst = false;
	c->last[way] = c->now;
	c->pipe[way].black = c->black && c->o.way[way];
	n->packets++;
	n->bytes += bytes;
	copies = lat_faults_copies(f, &c->rng);
	n->doubled += copies > 1;
	for (; copies > 0; copies--)
		copy(c, way, whose, bytes, f);
}

struct dropped {
	struct chaos *c;
	const void *whose;
};

static bool is_dropped(struct lat_airborne *fly, void *ctx)
{
	struct chaos_packet *p = (struct chaos_packet *)fly;
	const struct dropped *d = ctx;

	if (p->whose != d->whose)
		return false;
	chaos_free(d->c, p);
	return true;
}

void chaos_drop(struct chaos *c, const void *whose)
{
	struct dropped d = { .c = c, .whose = whose };

	lat_air_remove(&c->air, is_dropped, &d);
}

/*
 * CUBIC (RFC 9438) with HyStart++ (RFC 9406). Windows are bytes, times milliseconds inside the cubic function; the names
 * are the RFCs'.
 *
 *     W_cubic(t) = C (t - K)^3 + W_max      C = 0.4 packets / s^3
 *     K = cbrt((W_max - cwnd) / C)          beta = 0.7
 */
#include "session/cc.h"

#include <stdlib.h>

#include "base/util.h"

enum {
	CSS_GROWTH = 4, /* a quarter of slow start */
	CSS_ROUNDS = 5,
	HYSTART_SAMPLES = 8,
};

static const uint64_t hystart_min_ns = 4 * (uint64_t)LAT_NS_PER_MS;
static const uint64_t hystart_max_ns = 16 * (uint64_t)LAT_NS_PER_MS;

/* What one loss takes away and undo gives back. */
struct growth {
	size_t window, threshold, w_max;
	uint64_t epoch_ns; /* when growth began after the last loss; 0: not yet */
	uint64_t k_ms;
	size_t origin; /* W_cubic(K) */
	size_t w_est;  /* what Reno would have */
	size_t w_prior;
};

struct cubic {
	struct lat_cc cc;
	struct growth g, before;
	uint64_t cut_ns; /* what was sent until then was sent before the window was last cut */
	uint64_t acked_ns;
	/* HyStart++ */
	uint64_t round_ns; /* the round ends when something sent after it is acknowledged */
	uint64_t round_min_ns, last_min_ns, css_base_ns;
	uint32_t samples, css_rounds;
	bool css;
};

static struct cubic *cubic_of(struct lat_cc *cc)
{
	return (struct cubic *)cc;
}

static size_t window_min(const struct cubic *c)
{
	return LAT_CWND_MIN_PKTS * c->cc.packet_bytes;
}

static bool slow_start(const struct cubic *c)
{
	return c->g.window < c->g.threshold;
}

/* The window that the engine goes by. */
static void publish(struct cubic *c)
{
	c->cc.window = c->g.window;
	c->cc.pace_percent = slow_start(c) ? 200 : 125;
}

static struct lat_cc *cubic_open(size_t packet_bytes)
{
	struct cubic *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->cc.ops = &lat_cc_cubic;
	c->cc.packet_bytes = packet_bytes;
	c->g.window = LAT_CWND_START_PKTS * packet_bytes;
	c->g.threshold = SIZE_MAX;
	c->before = c->g;
	c->round_min_ns = c->last_min_ns = UINT64_MAX;
	publish(c);
	return &c->cc;
}

static void cubic_close(struct lat_cc *cc)
{
	free(cc);
}

/* ---- slow start ---- */

static void round_over(struct cubic *c, const struct lat_cc_ack *ack)
{
	c->round_ns = ack->newest_ns;
	c->last_min_ns = c->round_min_ns;
	c->round_min_ns = UINT64_MAX;
	c->samples = 0;
	if (c->css && ++c->css_rounds >= CSS_ROUNDS)
		c->g.threshold = c->g.window; /* the queue is real */
}

/* Round trips that grow tell of a queue before it overflows. */
static void hystart(struct cubic *c, const struct lat_cc_ack *ack)
{
	uint64_t rise;

	if (ack->rtt_ns != 0) {
		c->samples++;
		if (ack->rtt_ns < c->round_min_ns)
			c->round_min_ns = ack->rtt_ns;
	}
	if (c->samples >= HYSTART_SAMPLES && c->last_min_ns != UINT64_MAX && c->round_min_ns != UINT64_MAX) {
		rise = c->last_min_ns / 8;
		rise = rise < hystart_min_ns ? hystart_min_ns : rise > hystart_max_ns ? hystart_max_ns : rise;
		if (!c->css && c->round_min_ns >= c->last_min_ns + rise) {
			c->css = true;
			c->css_base_ns = c->round_min_ns;
			c->css_rounds = 0;
		} else if (c->css && c->round_min_ns < c->css_base_ns) {
			c->css = false; /* it was something else */
		}
	}
	if (ack->sent_ns > c->round_ns)
		round_over(c, ack);
}

/* ---- congestion avoidance ---- */

static uint64_t cube_root(uint64_t n)
{
	uint64_t lo = 0, hi = UINT64_C(1) << 21;

	while (lo + 1 < hi) {
		uint64_t mid = (lo + hi) / 2;

		if (mid * mid * mid <= n)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static void epoch_begin(struct cubic *c, uint64_t now)
{
	struct growth *g = &c->g;

	g->epoch_ns = now;
	g->w_est = g->window;
	g->k_ms = 0;
	g->origin = g->window;
	if (g->w_max > g->window) {
		/* K^3 = gap / C, in ms^3: 10^9 / 0.4 of them to a packet */
		uint64_t packets_milli = (uint64_t)(g->w_max - g->window) * 1000 / c->cc.packet_bytes;

		g->k_ms = cube_root(packets_milli * UINT64_C(2500000));
		g->origin = g->w_max;
	}
}

/* W_cubic at @t_ms after the epoch began. */
static size_t w_cubic(const struct cubic *c, uint64_t t_ms)
{
	bool above = t_ms >= c->g.k_ms;
	uint64_t d = above ? t_ms - c->g.k_ms : c->g.k_ms - t_ms, bytes;

	if (d > UINT64_C(1) << 20) /* a quarter of an hour */
		d = UINT64_C(1) << 20;
	bytes = d * d * d / 1000000 * c->cc.packet_bytes / 2500;
	if (above)
		return c->g.origin + (size_t)bytes;
	return bytes < c->g.origin ? c->g.origin - (size_t)bytes : 0;
}

static void avoid(struct cubic *c, uint64_t now, const struct lat_cc_ack *ack)
{
	struct growth *g = &c->g;
	uint64_t t;
	size_t target, add;

	if (g->epoch_ns == 0)
		epoch_begin(c, now);
	t = now - g->epoch_ns;
	target = w_cubic(c, (t + ack->srtt_ns) / (uint64_t)LAT_NS_PER_MS);
	if (target > g->window + g->window / 2)
		target = g->window + g->window / 2;
	/* alpha = 3 (1 - beta) / (1 + beta) until Reno would be where it was */
	add = (size_t)((uint64_t)c->cc.packet_bytes * ack->bytes / g->window);
	g->w_est += g->w_est < g->w_prior ? add * 53 / 100 : add;
	if (w_cubic(c, t / (uint64_t)LAT_NS_PER_MS) < g->w_est) {
		if (g->w_est > g->window)
			g->window = g->w_est;
	} else if (target > g->window) {
		g->window += (size_t)((uint64_t)(target - g->window) * ack->bytes / g->window);
	}
}

static void cubic_acked(struct lat_cc *cc, uint64_t now, const struct lat_cc_ack *ack)
{
	struct cubic *c = cubic_of(cc);
	uint64_t since = now - c->acked_ns;

	c->acked_ns = now;
	if (ack->sent_ns <= c->cut_ns)
		return; /* still about the time before the cut */
	if (!ack->limited) {
		if (c->g.epoch_ns != 0) /* time in which nobody wanted more does not count */
			c->g.epoch_ns += since;
		return;
	}
	if (slow_start(c)) {
		hystart(c, ack);
		c->g.window += c->css ? ack->bytes / CSS_GROWTH : ack->bytes;
		if (c->g.window > c->g.threshold)
			c->g.window = c->g.threshold;
	} else {
		avoid(c, now, ack);
	}
	publish(c);
}

/* ---- losses ---- */

static void cubic_lost(struct lat_cc *cc, uint64_t sent_ns, uint64_t newest_ns, bool persistent)
{
	struct cubic *c = cubic_of(cc);
	struct growth *g = &c->g;

	if (sent_ns > c->cut_ns) { /* once a round trip */
		c->before = *g;
		g->w_prior = g->window;
		/* Less than last time: somebody else wants room (fast convergence). */
		g->w_max = g->window < g->w_max ? g->window * 17 / 20 : g->window;
		g->threshold = g->window * 7 / 10;
		if (g->threshold < window_min(c))
			g->threshold = window_min(c);
		g->window = g->threshold;
		g->epoch_ns = 0;
		c->cut_ns = newest_ns;
	}
	if (persistent) {
		g->window = window_min(c);
		g->epoch_ns = 0;
		c->before = *g;
	}
	publish(c);
}

static void cubic_undo(struct lat_cc *cc)
{
	struct cubic *c = cubic_of(cc);

	if (c->before.window <= c->g.window)
		return;
	c->g = c->before;
	publish(c);
}

static void cubic_idle(struct lat_cc *cc)
{
	struct cubic *c = cubic_of(cc);
	size_t start = LAT_CWND_START_PKTS * c->cc.packet_bytes;

	c->g.epoch_ns = 0;
	if (c->g.window > start)
		c->g.window = start;
	publish(c);
}

const struct lat_cc_ops lat_cc_cubic = {
	.name = "cubic",
	.open = cubic_open,
	.close = cubic_close,
	.acked = cubic_acked,
	.lost = cubic_lost,
	.undo = cubic_undo,
	.idle = cubic_idle,
};

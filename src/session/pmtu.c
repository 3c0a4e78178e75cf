#include "session/pmtu.h"

#include "base/util.h"
#include "wire/limits.h"

/* Ethernet with IPv6 and a tunnel, with IPv6, with IPv4, and the same with jumbo frames. */
static const uint16_t steps[] = { 1432, 1452, 1472, 8932, 8952 };

void lat_pmtu_init(struct lat_pmtu *m)
{
	*m = (struct lat_pmtu){ .now = LAT_UDP_BASE,
				.most = LAT_UDP_BASE,
				.pause_ns = (uint64_t)LAT_PMTU_AGAIN_NS };
}

void lat_pmtu_limit(struct lat_pmtu *m, uint16_t udp_max)
{
	m->most = udp_max;
	if (m->now > udp_max && m->now > LAT_UDP_BASE)
		m->now = udp_max > LAT_UDP_BASE ? udp_max : LAT_UDP_BASE;
}

void lat_pmtu_used(struct lat_pmtu *m, uint64_t now)
{
	m->used = m->used || now >= m->at_ns;
}

static uint16_t step_after(const struct lat_pmtu *m)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (steps[i] > m->now && steps[i] <= m->most)
			return steps[i];
	return 0;
}

uint16_t lat_pmtu_next(struct lat_pmtu *m, uint64_t now)
{
	if (!m->used || m->probe != 0 || now < m->at_ns)
		return 0;
	m->probe = step_after(m);
	m->used = m->probe != 0;
	return m->probe;
}

void lat_pmtu_probe_acked(struct lat_pmtu *m, uint16_t bytes)
{
	if (bytes == m->probe) {
		m->probe = 0;
		m->tries = 0;
		m->crowded = 0;
	}
	if (bytes > m->now && bytes <= m->most) {
		m->now = bytes;
		m->pause_ns = (uint64_t)LAT_PMTU_AGAIN_NS;
	}
	m->silent = 0;
}

static void pause(struct lat_pmtu *m, uint64_t until)
{
	m->probe = 0;
	m->tries = 0;
	m->crowded = 0;
	m->silent = 0;
	m->used = false;
	m->at_ns = until;
}

/* What was tried does not get through: each time it is longer until it is tried again. */
static void pause_longer(struct lat_pmtu *m, uint64_t now)
{
	pause(m, now + m->pause_ns);
	m->pause_ns *= 2;
	if (m->pause_ns > (uint64_t)LAT_PMTU_RAISE_NS)
		m->pause_ns = (uint64_t)LAT_PMTU_RAISE_NS;
}

void lat_pmtu_others_lost(struct lat_pmtu *m, uint64_t now)
{
	m->crowded_ns = now;
}

void lat_pmtu_probe_lost(struct lat_pmtu *m, uint64_t now, uint16_t bytes, uint64_t near_ns)
{
	if (bytes != m->probe)
		return;
	m->probe = 0;
	if (m->crowded_ns != 0 && now - m->crowded_ns <= near_ns) {
		m->used = false;
		m->at_ns = now + ((uint64_t)LAT_PMTU_CROWDED_NS << m->crowded);
		if (m->crowded < LAT_PMTU_CROWDED_SHIFT_MAX)
			m->crowded++;
	} else if (++m->tries >= LAT_PMTU_PROBE_FAILS) {
		pause_longer(m, now);
	}
}

void lat_pmtu_probe_forgotten(struct lat_pmtu *m)
{
	m->probe = 0;
}

void lat_pmtu_acked(struct lat_pmtu *m, size_t bytes)
{
	if (bytes > LAT_UDP_BASE)
		m->silent = 0;
}

static void fall_back(struct lat_pmtu *m, uint64_t now)
{
	m->now = LAT_UDP_BASE;
	pause(m, now + (uint64_t)LAT_PMTU_AGAIN_NS);
}

void lat_pmtu_silent(struct lat_pmtu *m, uint64_t now)
{
	if (m->now > LAT_UDP_BASE && ++m->silent >= LAT_PMTU_PROBE_FAILS)
		fall_back(m, now);
}

void lat_pmtu_refused(struct lat_pmtu *m, uint64_t now, size_t bytes)
{
	if (bytes <= LAT_UDP_BASE)
		return; /* every path carries that */
	if (bytes > m->now)
		pause_longer(m, now);
	else
		fall_back(m, now);
}

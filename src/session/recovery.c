#include "session/recovery.h"

#include <errno.h>

enum {
	PERSISTENT_PTOS = 3, /* nothing got through for so long: RFC 9002, 7.6 */
	REORDER_KEEPS = 16,  /* cuts that a widened window outlives */
	REORDER_MAX = 16,
	PTO_SHIFT_MAX = 6,
	PACE_AHEAD_BYTES = 64 << 10, /* at most so much at once, and */
	PACE_BEHIND_BYTES =
		64 << 10, /* so much more, or a quarter of the window, when the time for it has gone by */
};

static const uint64_t pace_ahead_ns = (uint64_t)LAT_NS_PER_MS;
/* Nobody's timers are so late while they run. */
static const uint64_t slept_min_ns = (uint64_t)LAT_NS_PER_S;
/* Nobody's timers pace what is back before they fire. */
static const uint64_t pace_rtt_min_ns = (uint64_t)LAT_NS_PER_MS;

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void begin(struct lat_recovery *r)
{
	*r = (struct lat_recovery){ .cc = r->cc,
				    .flight_bytes = r->flight_bytes,
				    .stamp_ns = r->stamp_ns,
				    .eliciting_ns = r->eliciting_ns,
				    .lost_at_ns = UINT64_MAX,
				    .pto_at_ns = r->pto_at_ns,
				    .reorder = 1 };
}

int lat_recovery_init(struct lat_recovery *r, const struct lat_cc_ops *ops, size_t packet_bytes)
{
	*r = (struct lat_recovery){ .cc = ops->open(packet_bytes), .pto_at_ns = UINT64_MAX };
	begin(r);
	return r->cc == NULL ? -ENOMEM : 0;
}

void lat_recovery_fini(struct lat_recovery *r)
{
	if (r->cc != NULL)
		r->cc->ops->close(r->cc);
	r->cc = NULL;
}

void lat_recovery_restart(struct lat_recovery *r)
{
	struct lat_cc *fresh = r->cc->ops->open(r->cc->packet_bytes);

	if (fresh != NULL) {
		r->cc->ops->close(r->cc);
		r->cc = fresh;
	}
	begin(r);
}

/* ---- sending ---- */

uint64_t lat_recovery_stamp(struct lat_recovery *r, uint64_t now)
{
	r->stamp_ns = now > r->stamp_ns ? now : r->stamp_ns + 1;
	return r->stamp_ns;
}

/* How long @bytes take at the rate allowed; 0: nothing is known of a rate. */
static uint64_t pace_of(const struct lat_recovery *r, size_t bytes)
{
	if (r->cc->pace_percent == 0 || r->srtt_ns < pace_rtt_min_ns)
		return 0;
	return bytes * (r->srtt_ns / r->cc->pace_percent) * 100 / r->cc->window;
}

void lat_recovery_sent(struct lat_recovery *r, uint64_t now, size_t bytes)
{
	/* Timers fire late: that much is made up for, and not more. */
	uint64_t behind = min64(pace_of(r, PACE_BEHIND_BYTES), pace_of(r, r->cc->window / 4));

	if (r->flight_bytes == 0) {
		if (r->eliciting_ns != 0 && now > r->eliciting_ns + lat_recovery_pto(r))
			r->cc->ops->idle(r->cc);
		r->pto_at_ns = now + lat_recovery_pto(r);
	}
	r->eliciting_ns = now;
	r->flight_bytes += bytes;
	if (r->probes > 0)
		r->probes--;
	if (r->pace_ns + behind < now)
		r->pace_ns = now - behind;
	r->pace_ns += pace_of(r, bytes);
}

bool lat_recovery_may_send(struct lat_recovery *r, uint64_t now)
{
	uint64_t ahead = min64(pace_ahead_ns, pace_of(r, PACE_AHEAD_BYTES));

	r->paced = false;
	if (r->probes > 0)
		return true;
	r->limited = true;
	if (r->flight_bytes >= r->cc->window)
		return false;
	r->paced = r->pace_ns > now + ahead;
	if (r->paced)
		return false;
	r->limited = false;
	return true;
}

uint64_t lat_recovery_pace_at(const struct lat_recovery *r)
{
	return r->paced ? r->pace_ns : UINT64_MAX;
}

/* ---- round trips ---- */

void lat_recovery_woken(struct lat_recovery *r, uint64_t now)
{
	if (r->pto_at_ns != UINT64_MAX && now > r->pto_at_ns && now - r->pto_at_ns > slept_min_ns)
		r->slept_ns = r->stamp_ns;
}

uint64_t lat_recovery_rtt(struct lat_recovery *r, uint64_t rtt, uint64_t delay)
{
	uint64_t diff;

	delay = min64(delay, 2 * (uint64_t)LAT_ACK_DELAY_NS);
	rtt = rtt > delay ? rtt - delay : 1;
	if (r->min_rtt_ns == 0 || rtt < r->min_rtt_ns)
		r->min_rtt_ns = rtt;
	if (r->srtt_ns == 0) {
		r->srtt_ns = rtt;
		r->rttvar_ns = rtt / 2;
		return rtt;
	}
	diff = rtt > r->srtt_ns ? rtt - r->srtt_ns : r->srtt_ns - rtt;
	r->rttvar_ns = (3 * r->rttvar_ns + diff) / 4;
	r->srtt_ns = (7 * r->srtt_ns + rtt) / 8;
	return rtt;
}

/* ---- losses by time ---- */

void lat_recovery_acked(struct lat_recovery *r, uint64_t now, uint64_t lo, uint64_t hi)
{
	r->acked_lo_ns = lo;
	if (hi <= r->newest_ns)
		return;
	r->newest_ns = hi;
	if (hi > r->slept_ns)
		r->rtt_ns = now > hi ? now - hi : 1;
	else if (r->rtt_ns == 0)
		r->rtt_ns = (uint64_t)LAT_RTT_FIRST_NS;
}

/* How much later than its successors a packet may be. The last round trip bounds it too: the way may have become shorter. */
static uint64_t reorder_window(const struct lat_recovery *r)
{
	uint64_t rtt = r->srtt_ns != 0 ? min64(r->srtt_ns, r->rtt_ns) : r->rtt_ns;

	return min64(rtt / 4 * r->reorder, rtt);
}

uint64_t lat_recovery_lost_before(const struct lat_recovery *r, uint64_t now)
{
	uint64_t late = r->rtt_ns + reorder_window(r);

	if (r->newest_ns == 0 || now < late)
		return 0;
	return min64(now - late, r->newest_ns - 1);
}

uint64_t lat_recovery_lost_at(const struct lat_recovery *r, uint64_t sent_ns)
{
	return sent_ns < r->newest_ns ? sent_ns + r->rtt_ns + reorder_window(r) : UINT64_MAX;
}

static uint64_t pto_base(const struct lat_recovery *r, uint64_t delay)
{
	uint64_t srtt = r->srtt_ns != 0 ? r->srtt_ns : (uint64_t)LAT_RTT_FIRST_NS;
	uint64_t var = r->srtt_ns != 0 ? 4 * r->rttvar_ns : 0;

	return srtt + (var < (uint64_t)LAT_RTTVAR_MIN_NS ? (uint64_t)LAT_RTTVAR_MIN_NS : var) + delay;
}

void lat_recovery_lost(struct lat_recovery *r, uint64_t lo, uint64_t hi, size_t count)
{
	bool hole = r->acked_lo_ns < lo || r->acked_lo_ns > hi;
	bool persistent = hole && r->srtt_ns != 0 &&
			  hi - lo > PERSISTENT_PTOS * pto_base(r, (uint64_t)LAT_ACK_DELAY_NS);

	if (hi > r->cut_hi_ns) {
		r->cut_lo_ns = lo;
		r->cut_hi_ns = r->stamp_ns;
		r->cut_lost = r->cut_late = 0;
		if (++r->in_order >= REORDER_KEEPS) {
			r->reorder = 1;
			r->in_order = 0;
		}
	}
	r->cut_lost += count;
	r->cc->ops->lost(r->cc, hi, r->stamp_ns, persistent);
}

void lat_recovery_late(struct lat_recovery *r, uint64_t now, uint64_t sent_ns)
{
	r->in_order = 0;
	if (now - r->widened_ns > r->srtt_ns && r->reorder < REORDER_MAX) {
		r->reorder++;
		r->widened_ns = now;
	}
	if (sent_ns < r->cut_lo_ns || sent_ns > r->cut_hi_ns || ++r->cut_late != r->cut_lost)
		return;
	r->cut_lost = r->cut_late = 0;
	r->cc->ops->undo(r->cc);
}

/* ---- probes ---- */

uint64_t lat_recovery_pto(const struct lat_recovery *r)
{
	return pto_base(r, 2 * (uint64_t)LAT_ACK_DELAY_NS)
	       << (r->pto_count < PTO_SHIFT_MAX ? r->pto_count : PTO_SHIFT_MAX);
}

void lat_recovery_rearm(struct lat_recovery *r, uint64_t now)
{
	r->pto_at_ns = r->flight_bytes == 0 ? UINT64_MAX : now + lat_recovery_pto(r);
}

void lat_recovery_heard(struct lat_recovery *r, uint64_t now)
{
	if (r->pto_count == 0)
		return;
	r->pto_count = 0;
	if (r->pto_at_ns != UINT64_MAX)
		r->pto_at_ns = min64(r->pto_at_ns, now + lat_recovery_pto(r));
}

#include "session/ranges.h"

#include <errno.h>
#include <string.h>

#include "session/fault.h"

void lat_ranges_init(struct lat_ranges *r)
{
	memset(r, 0, sizeof(*r));
}

static void range_insert(struct lat_ranges *r, uint32_t at, uint64_t counter)
{
	if (at == LAT_MAX_RANGES)
		return; /* older than all we have room for */
	if (r->count == LAT_MAX_RANGES)
		r->count--;
	memmove(&r->range[at + 1], &r->range[at], (r->count - at) * sizeof(r->range[0]));
	r->range[at] = (struct lat_range){ .lo = counter, .hi = counter };
	r->count++;
}

static void range_remove(struct lat_ranges *r, uint32_t at)
{
	r->count--;
	memmove(&r->range[at], &r->range[at + 1], (r->count - at) * sizeof(r->range[0]));
}

/* True when it was not there. */
static bool remember(struct lat_ranges *r, uint64_t counter)
{
	uint32_t i = 0;

	/* The first range that is not wholly above the counter, nor next to it from above only. */
	while (i < r->count && r->range[i].lo > counter && r->range[i].lo - 1 != counter)
		i++;
	if (i < r->count && r->range[i].lo <= counter && counter <= r->range[i].hi)
		return false;
	if (i < r->count && r->range[i].lo - 1 == counter && r->range[i].lo != 0) {
		r->range[i].lo = counter;
		if (i + 1 < r->count && r->range[i + 1].hi + 1 == counter) {
			r->range[i].lo = r->range[i + 1].lo;
			range_remove(r, i + 1);
		}
		return true;
	}
	if (i < r->count && r->range[i].hi + 1 == counter) {
		r->range[i].hi = counter;
		return true;
	}
	range_insert(r, i, counter);
	return true;
}

bool lat_ranges_add(struct lat_ranges *r, uint64_t counter, uint64_t now, size_t bytes, bool eliciting)
{
	bool newest = r->count == 0 || counter > r->range[0].hi;
	bool fresh = false;

	/*
	 * In order and without a hole is the ordinary case; everything else the peer wants to hear of
	 * early.
	 */
	if (r->count == 0 ? counter != r->floor : counter != r->range[0].hi + 1)
		r->gap = true;
	if (newest)
		r->largest_ns = now;
	if (counter >= r->floor)
		fresh = remember(r, counter);
	if (eliciting) {
		if (r->eliciting == 0)
			r->first_ns = now;
		r->eliciting++;
		r->eliciting_bytes += bytes;
		r->eliciting_all++;
	}
	return fresh;
}

int lat_ranges_ack(const struct lat_ranges *r, uint16_t chan, uint64_t now, struct lat_frame_ack *ack)
{
	uint64_t age_us;

	if (r->count == 0)
		return -ENOENT;
	age_us = now > r->largest_ns ? (now - r->largest_ns) / (uint64_t)LAT_NS_PER_US : 0;
	ack->chan = chan;
	ack->delay_us = age_us > UINT32_MAX ? UINT32_MAX : (uint32_t)age_us;
	ack->count = 0;
	for (uint32_t i = 0; i < r->count; i++) {
		struct lat_range range = r->range[i];
		bool cut = range.hi - range.lo >= UINT32_MAX;

		/* Lengths and gaps are 32 bits on the wire. What is cut off was said long ago. */
		if (i > 0 && r->range[i - 1].lo - range.hi - 1 > UINT32_MAX)
			break;
		if (cut)
			range.lo = range.hi - (UINT32_MAX - 1);
		if (lat_fault(LAT_FAULT_ACK_TOO_FAR) && i == 0)
			range.hi++;
		ack->range[ack->count++] = range;
		if (cut)
			break;
	}
	return 0;
}

void lat_ranges_sent(struct lat_ranges *r)
{
	r->eliciting = 0;
	r->eliciting_bytes = 0;
	r->gap = false;
}

void lat_ranges_forget_below(struct lat_ranges *r, uint64_t floor)
{
	if (floor <= r->floor)
		return;
	r->floor = floor;
	/*
	 * The largest range stays: an ACK cannot be empty, and its largest counter is what round trips are
	 * measured by.
	 */
	while (r->count > 1 && r->range[r->count - 1].hi < floor)
		r->count--;
	if (r->count > 1 && r->range[r->count - 1].lo < floor)
		r->range[r->count - 1].lo = floor;
}

/*
 * A ring of slots indexed by counter, [base, next). A slot is FREE (acknowledged, never ack-eliciting, or not
 * remembered), FLYING or LOST. A LOST one keeps its frames, because a late acknowledgement spares sending
 * them again, but gives way when the ring is full. FLYING is never entered again, so first_flying only
 * moves up.
 *
 * A FREE slot knows how many behind it are FREE as well, and whoever walks over some tells them all how far it
 * came: a peer that acknowledges the same packets again and again, while the oldest keeps the ring long, does
 * not make us look at each of them again.
 */
#include "session/sent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RING_FIRST = 64, RING_KEEPS_LOST = 1024 };

enum slot_state { SLOT_FREE, SLOT_FLYING, SLOT_LOST };

struct lat_sent_slot {
	uint64_t time_ns;
	union {
		uint32_t bytes; /* FLYING, LOST: of the packet */
		uint32_t skip;  /* FREE: so many counters behind it are FREE too, at least */
	};
	uint16_t count;
	uint8_t state;               /* enum slot_state */
	struct lat_sent_frame one;   /* the frames when it is one without a body: the ordinary case */
	struct lat_sent_frame *many; /* else: the frames, then their bodies; NULL: see one */
};

void lat_sent_init(struct lat_sent *s)
{
	memset(s, 0, sizeof(*s));
}

static struct lat_sent_slot *slot_of(const struct lat_sent *s, uint64_t counter)
{
	return &s->ring[counter & s->ring_mask];
}

static void slot_free(struct lat_sent_slot *slot)
{
	free(slot->many);
	slot->many = NULL;
	slot->count = 0;
	slot->skip = 0;
	slot->state = SLOT_FREE;
}

void lat_sent_fini(struct lat_sent *s)
{
	for (uint64_t c = s->base; c < s->next; c++)
		slot_free(slot_of(s, c));
	free(s->ring);
	lat_sent_init(s);
}

/* Lets go of slots at the low end that nobody will ask for. */
static void trim(struct lat_sent *s, bool lost_too)
{
	while (s->base < s->next) {
		struct lat_sent_slot *slot = slot_of(s, s->base);

		if (slot->state == SLOT_FLYING || (slot->state == SLOT_LOST && !lost_too))
			break;
		slot_free(slot);
		s->base++;
	}
	if (s->first_flying < s->base)
		s->first_flying = s->base;
}

static int grow(struct lat_sent *s)
{
	uint32_t size = s->ring == NULL ? RING_FIRST : (s->ring_mask + 1) * 2;
	struct lat_sent_slot *ring;

	if (size > LAT_SENT_MAX)
		return -ENOBUFS;
	ring = calloc(size, sizeof(*ring));
	if (ring == NULL)
		return -ENOMEM;
	for (uint64_t c = s->base; c < s->next; c++)
		ring[c & (size - 1)] = *slot_of(s, c);
	free(s->ring);
	s->ring = ring;
	s->ring_mask = size - 1;
	return 0;
}

static bool ring_full(const struct lat_sent *s)
{
	return s->ring == NULL || s->next - s->base > s->ring_mask;
}

int lat_sent_reserve(struct lat_sent *s)
{
	if (!ring_full(s))
		return 0;
	if (s->ring != NULL)
		trim(s, s->ring_mask + 1 >= RING_KEEPS_LOST);
	return ring_full(s) ? grow(s) : 0;
}

/* 0 with the slot's frames set, or -ENOMEM. */
static int keep_frames(struct lat_sent_slot *slot, const struct lat_sent_frame *frames, size_t count)
{
	size_t bytes = count * sizeof(*frames);
	uint8_t *body;

	slot->many = NULL;
	slot->count = 0;
	if (count == 1 && frames[0].kind != LAT_SENT_CONTROL) {
		slot->one = frames[0];
		slot->one.body = NULL;
		slot->count = 1;
		return 0;
	}
	if (count == 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		bytes += frames[i].kind == LAT_SENT_CONTROL ? frames[i].len : 0;
	slot->many = malloc(bytes);
	if (slot->many == NULL)
		return -ENOMEM;
	body = (uint8_t *)(slot->many + count);
	for (size_t i = 0; i < count; i++) {
		slot->many[i] = frames[i];
		slot->many[i].body = NULL;
		if (frames[i].kind != LAT_SENT_CONTROL)
			continue;
		slot->many[i].body = body;
		if (frames[i].len > 0)
			memcpy(body, frames[i].body, frames[i].len);
		body += frames[i].len;
	}
	slot->count = (uint16_t)count;
	return 0;
}

static void forget_oldest(struct lat_sent *s)
{
	struct lat_sent_slot *slot = slot_of(s, s->base);

	if (slot->state == SLOT_FLYING) {
		s->flying--;
		s->flying_bytes -= slot->bytes;
	}
	slot_free(slot);
	s->base++;
	trim(s, false);
}

int lat_sent_add(struct lat_sent *s, uint64_t now, uint32_t bytes, bool eliciting,
		 const struct lat_sent_frame *frames, size_t count)
{
	struct lat_sent_slot *slot;
	int rc = count > LAT_SENT_FRAMES_MAX ? -EINVAL : 0;
	int room = lat_sent_reserve(s);

	/*
	 * Whatever goes wrong, the counter is used up: it may have been a nonce already. Without a slot for
	 * it the oldest record makes way.
	 */
	if (room != 0 && s->ring == NULL) {
		s->base = s->first_flying = ++s->next;
		return room;
	}
	if (room != 0)
		forget_oldest(s);
	slot = slot_of(s, s->next);
	memset(slot, 0, sizeof(*slot));
	s->next++;
	if (room != 0 || rc != 0)
		return room != 0 ? room : rc;
	if (!eliciting)
		return 0;
	rc = keep_frames(slot, frames, count);
	if (rc != 0)
		return rc;
	slot->time_ns = now;
	slot->bytes = bytes;
	slot->state = SLOT_FLYING;
	s->flying++;
	s->flying_bytes += bytes;
	return 0;
}

static struct lat_sent_record record_of(const struct lat_sent_slot *slot, uint64_t counter)
{
	return (struct lat_sent_record){
		.counter = counter,
		.time_ns = slot->time_ns,
		.bytes = slot->bytes,
		.eliciting = true,
		.lost = slot->state == SLOT_LOST,
		.count = slot->count,
		.frames = slot->many != NULL ? slot->many : &slot->one,
	};
}

/* The first counter from @c on, below @end, whose slot is not FREE; @end or more: there is none. */
static uint64_t next_held(struct lat_sent *s, uint64_t c, uint64_t end)
{
	uint64_t to = c;

	while (to < end && slot_of(s, to)->state == SLOT_FREE)
		to += UINT64_C(1) + slot_of(s, to)->skip;
	for (uint64_t step; c < to; c += step) {
		struct lat_sent_slot *slot = slot_of(s, c);

		step = UINT64_C(1) + slot->skip;
		slot->skip = (uint32_t)(to - c - 1);
	}
	return to;
}

static int64_t ack_range(struct lat_sent *s, const struct lat_range *range, lat_sent_fn fn, void *ctx)
{
	uint64_t from = range->lo > s->base ? range->lo : s->base;
	int64_t found = 0;

	for (uint64_t c = next_held(s, from, range->hi + 1); c <= range->hi;
	     c = next_held(s, c + 1, range->hi + 1)) {
		struct lat_sent_slot *slot = slot_of(s, c);
		struct lat_sent_record rec = record_of(slot, c);

		if (slot->state == SLOT_FLYING) {
			s->flying--;
			s->flying_bytes -= slot->bytes;
		}
		found++;
		if (fn != NULL)
			fn(ctx, &rec);
		slot_free(slot);
	}
	return found;
}

int64_t lat_sent_ack(struct lat_sent *s, const struct lat_range *ranges, size_t count, lat_sent_fn fn,
		     void *ctx)
{
	int64_t found = 0;

	for (size_t i = 0; i < count; i++) {
		if (ranges[i].hi >= s->next || ranges[i].lo > ranges[i].hi)
			return -EPROTO;
	}
	for (size_t i = 0; i < count; i++) {
		found += ack_range(s, &ranges[i], fn, ctx);
		if (ranges[i].hi + 1 > s->acked_end)
			s->acked_end = ranges[i].hi + 1;
	}
	trim(s, false);
	return found;
}

size_t lat_sent_lose(struct lat_sent *s, uint64_t before, uint64_t below, lat_sent_fn fn, void *ctx)
{
	uint64_t end = below < s->next ? below : s->next;
	size_t found = 0;

	for (uint64_t c = s->first_flying; c < end; c++) {
		struct lat_sent_slot *slot = slot_of(s, c);
		struct lat_sent_record rec = record_of(slot, c);

		if (slot->state != SLOT_FLYING)
			continue;
		if (slot->time_ns > before)
			break; /* those behind it were sent later */
		slot->state = SLOT_LOST;
		s->flying--;
		s->flying_bytes -= slot->bytes;
		found++;
		if (fn != NULL)
			fn(ctx, &rec);
	}
	return found;
}

uint64_t lat_sent_oldest(struct lat_sent *s)
{
	while (s->first_flying < s->next && slot_of(s, s->first_flying)->state != SLOT_FLYING)
		s->first_flying++;
	return s->first_flying < s->next ? slot_of(s, s->first_flying)->time_ns : UINT64_MAX;
}

bool lat_sent_probe(struct lat_sent *s, lat_sent_fn fn, void *ctx)
{
	struct lat_sent_record rec;

	if (lat_sent_oldest(s) == UINT64_MAX)
		return false;
	rec = record_of(slot_of(s, s->first_flying), s->first_flying);
	fn(ctx, &rec);
	return true;
}

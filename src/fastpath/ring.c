/*
 * Publishing into and consuming from a ring. Two edges order everything:
 *   [P] first slot's seq store, release  -> [C] its load, acquire : every slot of the message is visible
 *   [c] head store, release              -> [p] head load, acquire: the slots may be written again
 * The numbers of the following slots are stored relaxed, under [P]. A producer that dies before [P] has
 * published nothing.
 *
 * All arithmetic on slot numbers is modulo 2^32 and by difference. Slot n lies at index (n - 1) modulo the
 * count; it is full when it holds n, and empty when it still holds n - count, or 0 in a ring that was never
 * written there.
 */
#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "fastpath/ring_fast.h"

#define RING_MAGIC (UINT32_C(0x4c520000) | LAT_RING_VERSION)

struct tx_seg {
	alignas(LAT_CACHELINE) _Atomic(uint32_t) magic; /* published last */
	uint32_t count;
	uint32_t start;
};

struct rx_seg {
	alignas(LAT_CACHELINE) _Atomic(uint32_t) magic; /* published last */
	uint32_t count;
	alignas(LAT_CACHELINE) _Atomic(uint32_t) head; /* number of the last slot released */
};

static_assert(sizeof(struct lat_ring_slot) == LAT_RING_SLOT, "a slot is one cache line");
static_assert(sizeof(struct tx_seg) == LAT_CACHELINE, "the slots begin on a cache line");
static_assert(sizeof(struct rx_seg) == 2 * LAT_CACHELINE, "the head has a line of its own");
static_assert((int)LAT_RING_NOTE_LEN % 4 == 0, "lat_ring_publish_note()");
static_assert(offsetof(struct lat_ring_slot, first.len) == sizeof(uint32_t), "lat_ring_tell()");
static_assert((int)LAT_RING_SLOT == (int)LAT_CACHELINE, "one message, one line");

static bool count_valid(uint32_t count)
{
	return count >= LAT_RING_SLOTS_MIN && count <= LAT_RING_SLOTS_MAX && (count & (count - 1)) == 0;
}

size_t lat_ring_tx_bytes(uint32_t slots)
{
	return count_valid(slots) ? sizeof(struct tx_seg) + (size_t)slots * LAT_RING_SLOT : 0;
}

size_t lat_ring_rx_bytes(void)
{
	return sizeof(struct rx_seg);
}

uint32_t lat_ring_len_max(uint32_t slots)
{
	return LAT_RING_FIRST_DATA + (slots - 1) * LAT_RING_NEXT_DATA;
}

uint32_t lat_ring_slots_for(uint32_t len)
{
	uint32_t slots = LAT_RING_SLOTS_DEFAULT;

	while (slots <= LAT_RING_SLOTS_MAX && lat_ring_len_max(slots / 2) < len)
		slots *= 2;
	return slots <= LAT_RING_SLOTS_MAX ? slots : 0;
}

void lat_ring_tx_over(struct lat_ring_tx *tx, struct lat_ring_slot *slots, uint32_t count, uint32_t start,
		      const _Atomic(uint32_t) *head)
{
	/* A zeroed slot is an empty one, except where the number 0 comes to lie. */
	if (start + count < start)
		atomic_store_explicit(&slots[count - 1].seq, 0 - count, memory_order_relaxed);
	tx->slots = slots;
	tx->peer_head = head;
	tx->count = count;
	tx->mask = count - 1;
	atomic_store_explicit(&tx->sent, start, memory_order_relaxed);
	tx->head = start;
	tx->poisoned = false;
}

void lat_ring_rx_over(struct lat_ring_rx *rx, const struct lat_ring_slot *slots, uint32_t count,
		      uint32_t start, _Atomic(uint32_t) *head)
{
	*rx = (struct lat_ring_rx){
		.slots = slots, .head = head, .count = count, .mask = count - 1, .taken = start
	};
}

int lat_ring_tx_init(struct lat_ring_tx *tx, void *seg, size_t bytes, uint32_t slots, uint32_t start)
{
	struct tx_seg *s = seg;
	struct lat_ring_slot *slot = (struct lat_ring_slot *)(s + 1);

	if (!count_valid(slots) || bytes < lat_ring_tx_bytes(slots))
		return -EINVAL;
	lat_ring_tx_over(tx, slot, slots, start, NULL);
	s->count = slots;
	s->start = start;
	atomic_store_explicit(&s->magic, RING_MAGIC, memory_order_release);
	return 0;
}

int lat_ring_rx_init(struct lat_ring_rx *rx, void *seg, size_t bytes, const void *peer, size_t peer_bytes)
{
	const struct tx_seg *p = peer;
	struct rx_seg *s = seg;
	uint32_t magic, count, start;

	if (bytes < sizeof(*s))
		return -EINVAL;
	if (peer_bytes < sizeof(*p))
		return -EPROTO;
	magic = atomic_load_explicit(&p->magic, memory_order_acquire);
	if (magic == 0)
		return -EAGAIN;
	count = lat_ring_load(&p->count);
	start = lat_ring_load(&p->start);
	if (magic != RING_MAGIC || !count_valid(count) || peer_bytes < lat_ring_tx_bytes(count))
		return -EPROTO;
	s->count = count;
	atomic_store_explicit(&s->head, start, memory_order_relaxed);
	atomic_store_explicit(&s->magic, RING_MAGIC, memory_order_release);
	lat_ring_rx_over(rx, (const struct lat_ring_slot *)(p + 1), count, start, &s->head);
	return 0;
}

int lat_ring_tx_attach(struct lat_ring_tx *tx, const void *peer, size_t peer_bytes)
{
	const struct rx_seg *p = peer;
	uint32_t magic;

	if (peer_bytes < sizeof(*p))
		return -EPROTO;
	magic = atomic_load_explicit(&p->magic, memory_order_acquire);
	if (magic == 0)
		return -EAGAIN;
	if (magic != RING_MAGIC || lat_ring_load(&p->count) != tx->count)
		return -EPROTO;
	tx->peer_head = &p->head;
	return 0;
}

static uint32_t sent_of(const struct lat_ring_tx *tx)
{
	return atomic_load_explicit(&tx->sent, memory_order_relaxed);
}

void lat_ring_tx_poison(struct lat_ring_tx *tx)
{
	tx->poisoned = true;
	tx->head = sent_of(tx) - tx->count; /* it is full for good: lat_ring_publish_near() */
}

/* 0, or -EPROTO when the head is outside [last seen, sent]. */
static int head_refresh(struct lat_ring_tx *tx)
{
	uint32_t head;

	if (tx->peer_head == NULL)
		return 0;
	head = atomic_load_explicit(tx->peer_head, memory_order_acquire); /* [p] */
	if (head - tx->head > sent_of(tx) - tx->head) {
		lat_ring_tx_poison(tx);
		return -EPROTO;
	}
	tx->head = head;
	return 0;
}

static struct lat_ring_slot *tx_slot(const struct lat_ring_tx *tx, uint32_t number)
{
	return &tx->slots[(number - 1) & tx->mask];
}

static const struct lat_ring_slot *rx_slot(const struct lat_ring_rx *rx, uint32_t number)
{
	return &rx->slots[(number - 1) & rx->mask];
}

/* It looks full: looks again. 0, -EAGAIN, -EPROTO. */
static int look_for_room(struct lat_ring_tx *tx, uint32_t need)
{
	int rc = head_refresh(tx);

	if (rc < 0)
		return rc;
	return tx->count - (sent_of(tx) - tx->head) < need ? -EAGAIN : 0;
}

/* The slots after the first, which is told of last. There is room. */
static void fill_rest(struct lat_ring_tx *tx, const void *data, uint32_t len)
{
	const unsigned char *bytes = data;
	uint32_t number = sent_of(tx) + 2;

	for (uint32_t at = LAT_RING_FIRST_DATA; at < len; at += LAT_RING_NEXT_DATA, number++) {
		struct lat_ring_slot *slot = tx_slot(tx, number);

		lat_ring_move(slot->next, bytes + at,
			      len - at < LAT_RING_NEXT_DATA ? len - at : LAT_RING_NEXT_DATA);
		atomic_store_explicit(&slot->seq, number, memory_order_relaxed);
	}
}

bool lat_ring_publish_long(struct lat_ring_tx *tx, int32_t type, uint32_t seq, const void *data, uint32_t len)
{
	uint32_t sent = sent_of(tx), need = lat_ring_slots(len);
	struct lat_ring_slot *first = tx_slot(tx, sent + 1);

	if (tx->count - (sent - tx->head) < need)
		return false;
	fill_rest(tx, data, len);
	lat_ring_move_full(first->first.data, data);
	lat_ring_tell(tx, first, type, seq, len, sent, need);
	return true;
}

static void publish_note(struct lat_ring_tx *tx, int32_t type, uint32_t seq, const void *data)
{
	uint32_t note[LAT_RING_NOTE_LEN / 4];

	memcpy(note, data, sizeof(note));
	(void)lat_ring_publish_note(tx, type, seq, note);
}

int lat_ring_publish(struct lat_ring_tx *tx, int32_t type, uint32_t seq, const void *data, uint32_t word)
{
	uint32_t need = lat_ring_slots(word & ~LAT_RING_NOTE);

	if (tx->poisoned)
		return -EPROTO;
	if (need > tx->count)
		return -EMSGSIZE;
	if (tx->count - (sent_of(tx) - tx->head) < need) {
		int rc = look_for_room(tx, need);

		if (rc < 0)
			return rc;
	}
	if ((word & LAT_RING_NOTE) != 0)
		publish_note(tx, type, seq, data);
	else if (need > 2)
		(void)lat_ring_publish_long(tx, type, seq, data, word);
	else
		(void)lat_ring_publish_near(tx, type, seq, data, word);
	return 0;
}

uint32_t lat_ring_used(struct lat_ring_tx *tx)
{
	if (tx->poisoned || head_refresh(tx) < 0)
		return tx->count;
	return sent_of(tx) - tx->head;
}

static int poison(struct lat_ring_rx *rx)
{
	rx->poisoned = true;
	return -EPROTO;
}

/* Of a length word that cannot be: more slots than there are. */
static bool len_valid(const struct lat_ring_rx *rx, uint32_t word)
{
	return lat_ring_slots(word) <= rx->count || word == (LAT_RING_NOTE | LAT_RING_NOTE_LEN);
}

int lat_ring_peek(struct lat_ring_rx *rx, struct lat_ring_msg *msg)
{
	uint32_t want = rx->taken + 1;
	const struct lat_ring_slot *slot = rx_slot(rx, want);
	uint32_t seq, len;

	if (rx->poisoned)
		return -EPROTO;
	seq = lat_ring_head(slot, &len);
	if (seq != want)
		return seq == want - rx->count || seq == 0 ? -ENOMSG : poison(rx);
	if (!len_valid(rx, len))
		return poison(rx);
	*msg = (struct lat_ring_msg){ .type = (int32_t)lat_ring_load((const uint32_t *)&slot->first.type),
				      .seq = lat_ring_load(&slot->first.msg_seq),
				      .len = len };
	return 0;
}

/*
 * Bytes are only moved here, nothing is decided by them; @m is private, so its length is still the one that
 * was checked.
 */
int lat_ring_copy(struct lat_ring_rx *rx, const struct lat_ring_msg *m, void *buf)
{
	uint32_t len = m->len & ~LAT_RING_NOTE;
	const struct lat_ring_slot *first = rx_slot(rx, rx->taken + 1);

	if (len <= LAT_RING_FIRST_DATA) {
		lat_ring_move(buf, first->first.data, len);
		return 0;
	}
	lat_ring_move_full(buf, first->first.data);
	return lat_ring_copy_rest(rx, buf, len);
}

int lat_ring_copy_rest(struct lat_ring_rx *rx, void *buf, uint32_t len)
{
	unsigned char *bytes = buf;
	uint32_t number = rx->taken + 2;

	for (uint32_t at = LAT_RING_FIRST_DATA; at < len; at += LAT_RING_NEXT_DATA, number++) {
		const struct lat_ring_slot *slot = rx_slot(rx, number);

		if (atomic_load_explicit(&slot->seq, memory_order_relaxed) != number)
			return poison(rx);
		lat_ring_move(bytes + at, slot->next,
			      len - at < LAT_RING_NEXT_DATA ? len - at : LAT_RING_NEXT_DATA);
	}
	return 0;
}

void lat_ring_release(struct lat_ring_rx *rx, const struct lat_ring_msg *m)
{
	rx->taken += lat_ring_slots(m->len & ~LAT_RING_NOTE);
	atomic_store_explicit(rx->head, rx->taken, memory_order_release); /* [c] */
}

int lat_ring_consume(struct lat_ring_rx *rx, void *buf, size_t cap, struct lat_ring_msg *msg)
{
	struct lat_ring_msg m;
	int rc;

	rc = lat_ring_peek(rx, &m);
	if (rc < 0)
		return rc;
	if ((m.len & ~LAT_RING_NOTE) > cap) {
		*msg = m;
		return -EMSGSIZE;
	}
	rc = lat_ring_copy(rx, &m, buf);
	if (rc < 0)
		return rc;
	lat_ring_release(rx, &m);
	*msg = m;
	return 0;
}

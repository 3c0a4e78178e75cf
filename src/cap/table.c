/* Slots, each with its present life, in a tree; and the records of what changes. */
#include "cap/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/hash.h"

/*
 * Record. Each is tied to the one before it, so none can be left out, doubled or moved.
 *    0      1         4        8        16             20            24          28
 *   +------+---------+--------+--------+--------------+-------------+-----------+------+
 *   | kind | zero[3] | slot32 | number | parent slot32| parent gen32| badge u32 | zero |
 *   +------+---------+--------+--------+--------------+-------------+-----------+------+
 *    32         40       44         48         112
 *   +----------+--------+----------+----------+---------+
 *   | uses u64 | gen32  | zero u32 | desc[64] | mac[16] |
 *   +----------+--------+----------+----------+---------+
 * mac = HMAC(K, "lwp1 capt" || node || the mac before, or zeros || the record up to here)[0..16)
 */
enum {
	REC_KIND = 0,
	REC_SLOT = 4,
	REC_NUMBER = 8,
	REC_PARENT_SLOT = 16,
	REC_PARENT_GEN = 20,
	REC_BADGE = 24,
	REC_USES = 32,
	REC_GEN = 40,
	REC_DESC = 48,
	REC_MAC = REC_DESC + LAT_CAP_DESC,
};
static_assert(REC_MAC + LAT_MAC16 == LAT_CAPTABLE_RECORD, "the mac ends the record");

enum kind {
	KIND_MINT = 1, /* a life begins */
	KIND_END = 2,  /* it and all below it end */
	KIND_USES = 3, /* so many are left */
	KIND_GEN = 4,  /* a slot that nobody lives in has had lives up to gen */
};

enum { USES_KEPT = 64 }; /* at a time */

enum { NONE = -1 };

static const uint16_t all_rights = LAT_RIGHT_SEND | LAT_RIGHT_OPEN | LAT_RIGHT_GRANT | LAT_RIGHT_BULK |
				   LAT_RIGHT_CALL | LAT_RIGHT_GRANT_REPLY | LAT_RIGHT_LISTEN |
				   LAT_RIGHT_RECEIVE;

struct slot {
	uint32_t gen;          /* the present life's or, if it has ended, the last one's; 0: there was none */
	int32_t parent, child; /* slots; only of those that live */
	int32_t before, next;  /* among the parent's children */
	uint32_t below;        /* those that live and were made of it, of those, and so on */
	uint64_t uses_kept;    /* at most entry.uses: what the journal says is left */
	bool end_owed;         /* it has ended, and the journal could not be told */
	struct lat_cap_entry entry;
};

struct lat_captable {
	struct slot *slots;
	_Atomic(uint32_t) *lives, *own_lives; /* the generation that lives in the slot, 0: none */
	uint32_t node, slots_max, count;
	uint32_t owed;          /* slots with end_owed */
	uint32_t look_from;     /* for a free slot: the longest unused come first, more or less */
	uint64_t number;        /* of the next record */
	uint8_t mac[LAT_MAC16]; /* of the last */
	uint8_t key[LAT_CAP_KEY];
	struct lat_captable_ops ops;
	void *ctx;
};

/* ---- records ---- */

static void record_mac(uint8_t out[LAT_MAC16], const struct lat_captable *t, const uint8_t last[LAT_MAC16],
		       const uint8_t *record)
{
	static const char label[] = { 'l', 'w', 'p', '1', ' ', 'c', 'a', 'p', 't' };
	uint8_t node[4], mac[LAT_HASH];
	const struct lat_bytes parts[] = {
		{ label, sizeof(label) }, { node, sizeof(node) }, { last, LAT_MAC16 }, { record, REC_MAC }
	};

	lat_put_le32(node, t->node);
	lat_hmac(mac, t->key, parts, ARRAY_LEN(parts));
	memcpy(out, mac, LAT_MAC16);
}

static void encode(const struct lat_captable *t, uint8_t out[LAT_CAPTABLE_RECORD], enum kind kind,
		   const struct lat_cap_entry *e, uint64_t number, const uint8_t last[LAT_MAC16])
{
	memset(out, 0, LAT_CAPTABLE_RECORD);
	out[REC_KIND] = (uint8_t)kind;
	lat_put_le32(out + REC_SLOT, e->desc.slot);
	lat_put_le64(out + REC_NUMBER, number);
	lat_put_le32(out + REC_PARENT_SLOT, e->parent.slot);
	lat_put_le32(out + REC_PARENT_GEN, e->parent.gen);
	lat_put_le32(out + REC_BADGE, e->badge);
	lat_put_le64(out + REC_USES, e->uses);
	lat_put_le32(out + REC_GEN, e->desc.gen);
	lat_cap_desc_encode(out + REC_DESC, &e->desc);
	record_mac(out + REC_MAC, t, last, out);
}

/* Said to the journal; or not at all, then the next has its number. */
static int keep_one(struct lat_captable *t, enum kind kind, const struct lat_cap_entry *e)
{
	uint8_t record[LAT_CAPTABLE_RECORD];
	int rc;

	encode(t, record, kind, e, t->number, t->mac);
	rc = t->ops.keep(t->ctx, record);
	if (rc < 0)
		return rc;
	t->number++;
	memcpy(t->mac, record + REC_MAC, LAT_MAC16);
	return 0;
}

/* What is owed goes first: the journal has those lives still, and knows no other in their slots. */
static int keep(struct lat_captable *t, enum kind kind, const struct lat_cap_entry *e)
{
	if (t->ops.keep == NULL || e->transient)
		return 0;
	for (uint32_t i = 0; t->owed > 0 && i < t->slots_max; i++) {
		struct slot *s = &t->slots[i];
		int rc;

		if (!s->end_owed)
			continue;
		rc = keep_one(t, KIND_END, &s->entry);
		if (rc < 0)
			return rc;
		s->end_owed = false;
		t->owed--;
	}
	return keep_one(t, kind, e);
}

/* ---- opening ---- */

int lat_captable_open(struct lat_captable **out, uint32_t node, uint32_t slots_max, _Atomic(uint32_t) *lives,
		      const uint8_t key[LAT_CAP_KEY], const struct lat_captable_ops *ops, void *ctx)
{
	struct lat_captable *t;

	*out = NULL;
	if (slots_max == 0)
		slots_max = LAT_CAPTABLE_DEFAULT;
	if (slots_max > LAT_CAPTABLE_MAX)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->slots = calloc(slots_max, sizeof(*t->slots));
	t->own_lives = lives == NULL ? calloc(slots_max, sizeof(*t->own_lives)) : NULL;
	t->lives = lives == NULL ? t->own_lives : lives;
	if (t->slots == NULL || t->lives == NULL) {
		lat_captable_close(t);
		return -ENOMEM;
	}
	t->node = node;
	t->slots_max = slots_max;
	memcpy(t->key, key, sizeof(t->key));
	t->ops = *ops;
	t->ctx = ctx;
	*out = t;
	return 0;
}

void lat_captable_close(struct lat_captable *t)
{
	if (t == NULL)
		return;
	lat_wipe(t->key, sizeof(t->key));
	free(t->own_lives);
	free(t->slots);
	free(t);
}

/* ---- the tree of lives ---- */

const _Atomic(uint32_t) *lat_captable_lives(const struct lat_captable *t)
{
	return t->lives;
}

bool lat_captable_live(const struct lat_captable *t, struct lat_cap_ref ref)
{
	return ref.slot < t->slots_max && ref.gen != 0 &&
	       atomic_load_explicit(&t->lives[ref.slot], memory_order_acquire) == ref.gen;
}

static bool is_taken(const struct lat_captable *t, uint32_t slot)
{
	return atomic_load_explicit(&t->lives[slot], memory_order_relaxed) != 0;
}

/* Of all that @s was made of. */
static void count_below(struct lat_captable *t, const struct slot *s, uint32_t more, uint32_t less)
{
	for (int32_t at = s->parent; at != NONE; at = t->slots[at].parent)
		t->slots[at].below += more - less;
}

static bool may_have_more(const struct lat_captable *t, uint32_t slot)
{
	for (int32_t at = (int32_t)slot; at != NONE; at = t->slots[at].parent)
		if (t->slots[at].below >= LAT_CAPTABLE_BELOW_MAX)
			return false;
	return true;
}

/* What e says begins to live. Cannot fail. */
static void begin(struct lat_captable *t, const struct lat_cap_entry *e)
{
	struct slot *s = &t->slots[e->desc.slot];

	*s = (struct slot){ .gen = e->desc.gen,
			    .parent = e->parent.gen != 0 ? (int32_t)e->parent.slot : NONE,
			    .child = NONE,
			    .before = NONE,
			    .next = NONE,
			    .uses_kept = e->uses,
			    .entry = *e };
	if (s->parent != NONE) {
		s->next = t->slots[s->parent].child;
		t->slots[s->parent].child = (int32_t)e->desc.slot;
		if (s->next != NONE)
			t->slots[s->next].before = (int32_t)e->desc.slot;
	}
	t->count++;
	count_below(t, s, 1, 0);
	atomic_store_explicit(&t->lives[e->desc.slot], s->gen, memory_order_release);
}

static void unlink_from_parent(struct lat_captable *t, const struct slot *s)
{
	if (s->before != NONE)
		t->slots[s->before].next = s->next;
	else if (s->parent != NONE)
		t->slots[s->parent].child = s->next;
	if (s->next != NONE)
		t->slots[s->next].before = s->before;
}

/* All of them first, so that none works while others are being closed; only then is anybody told. How many. */
static uint32_t end(struct lat_captable *t, uint32_t slot)
{
	int32_t first = (int32_t)slot, last = first;
	uint32_t count = 0;

	unlink_from_parent(t, &t->slots[slot]);
	t->slots[slot].next = NONE;
	/* A list that each appends its children to. */
	for (int32_t at = first; at != NONE; at = t->slots[at].next) {
		atomic_store_explicit(&t->lives[at], 0, memory_order_seq_cst);
		t->slots[last].next = t->slots[at].child;
		while (t->slots[last].next != NONE)
			last = t->slots[last].next;
		count++;
	}
	t->count -= count;
	count_below(t, &t->slots[slot], 0, count);
	for (int32_t at = first; at != NONE; at = t->slots[at].next)
		if (t->ops.ended != NULL)
			t->ops.ended(t->ctx, &t->slots[at].entry);
	return count;
}

/* ---- what the issuer does ---- */

/*
 * -ENOBUFS: each slot is taken, or has had all its lives. A transient one is not put where the journal has still to hear of an end:
 * that is said before the next that is kept, and of this slot's last life.
 */
static int find_slot(struct lat_captable *t, bool transient, uint32_t *slot)
{
	for (uint32_t i = 0; i < t->slots_max; i++) {
		uint32_t at = (t->look_from + i) % t->slots_max;

		if (!is_taken(t, at) && t->slots[at].gen < UINT32_MAX &&
		    !(transient && t->slots[at].end_owed)) {
			t->look_from = at + 1;
			*slot = at;
			return 0;
		}
	}
	return -ENOBUFS;
}

static int mint(struct lat_captable *t, const struct lat_cap_ref *parent, struct lat_cap_entry e,
		struct lat_cap_desc *out)
{
	const struct lat_cap_desc *want = &e.desc;
	uint32_t slot;
	int rc;

	if (want->rights == 0 || (want->rights & ~all_rights) != 0 || want->max_msg == 0 || e.uses == 0 ||
	    (e.transient && (want->rights & LAT_RIGHT_GRANT) != 0))
		return -EINVAL;
	if (parent != NULL) {
		if (!lat_captable_live(t, *parent))
			return -EKEYREVOKED;
		if (!lat_cap_is_within(&t->slots[parent->slot].entry.desc, want))
			return -EACCES;
		if (!may_have_more(t, parent->slot))
			return -ENOBUFS;
		e.parent = *parent;
	}
	rc = find_slot(t, e.transient, &slot);
	if (rc < 0)
		return rc;
	e.desc.node = t->node;
	e.desc.slot = slot;
	e.desc.gen = t->slots[slot].gen + 1;
	e.desc.cap_id = (uint64_t)slot << 32 | e.desc.gen;
	rc = keep(t, KIND_MINT, &e);
	if (rc < 0)
		return rc;
	begin(t, &e);
	*out = e.desc;
	return 0;
}

int lat_captable_mint(struct lat_captable *t, const struct lat_cap_ref *parent,
		      const struct lat_cap_desc *want, uint32_t badge, uint64_t uses,
		      struct lat_cap_desc *out)
{
	return mint(t, parent, (struct lat_cap_entry){ .desc = *want, .badge = badge, .uses = uses }, out);
}

int lat_captable_mint_transient(struct lat_captable *t, const struct lat_cap_desc *want, uint32_t badge,
				struct lat_cap_desc *out)
{
	return mint(t, NULL,
		    (struct lat_cap_entry){
			    .desc = *want, .badge = badge, .uses = LAT_CAP_UNLIMITED, .transient = true },
		    out);
}

int lat_captable_get(const struct lat_captable *t, struct lat_cap_ref ref, struct lat_cap_entry *out)
{
	if (!lat_captable_live(t, ref))
		return -EKEYREVOKED;
	*out = t->slots[ref.slot].entry;
	return 0;
}

/* Some uses are taken out of the journal in advance. */
static int keep_uses(struct lat_captable *t, struct slot *s)
{
	struct lat_cap_entry less = s->entry;
	int rc;

	less.uses -= less.uses < USES_KEPT ? less.uses : USES_KEPT;
	rc = keep(t, KIND_USES, &less);
	if (rc == 0)
		s->uses_kept = less.uses;
	return rc;
}

int lat_captable_use(struct lat_captable *t, struct lat_cap_ref ref)
{
	int rc;

	if (!lat_captable_live(t, ref))
		return -EKEYREVOKED;
	for (int32_t at = (int32_t)ref.slot; at != NONE; at = t->slots[at].parent)
		if (t->slots[at].entry.uses == 0)
			return -EKEYEXPIRED;
	for (int32_t at = (int32_t)ref.slot; at != NONE; at = t->slots[at].parent) {
		struct slot *s = &t->slots[at];

		if (s->entry.uses != LAT_CAP_UNLIMITED && s->entry.uses == s->uses_kept) {
			rc = keep_uses(t, s);
			if (rc < 0)
				return rc;
		}
	}
	for (int32_t at = (int32_t)ref.slot; at != NONE; at = t->slots[at].parent)
		if (t->slots[at].entry.uses != LAT_CAP_UNLIMITED)
			t->slots[at].entry.uses--;
	return 0;
}

int lat_captable_revoke(struct lat_captable *t, struct lat_cap_ref ref, uint32_t *count)
{
	uint32_t ended;
	int rc;

	if (!lat_captable_live(t, ref))
		return -EKEYREVOKED;
	rc = keep(t, KIND_END, &t->slots[ref.slot].entry);
	ended = end(t, ref.slot);
	t->slots[ref.slot].end_owed = rc < 0;
	t->owed += rc < 0;
	if (count != NULL)
		*count = ended;
	return rc;
}

bool lat_captable_next(const struct lat_captable *t, int64_t after, struct lat_cap_entry *out)
{
	for (int64_t at = after < 0 ? 0 : after + 1; at < t->slots_max; at++)
		if (is_taken(t, (uint32_t)at)) {
			*out = t->slots[at].entry;
			return true;
		}
	return false;
}

uint32_t lat_captable_count(const struct lat_captable *t)
{
	return t->count;
}

/* ---- the journal ---- */

/* A record that the mac says is ours may still come from a table of another size. */
static int apply(struct lat_captable *t, enum kind kind, const struct lat_cap_entry *e)
{
	const struct lat_cap_ref self = { e->desc.slot, e->desc.gen };
	struct slot *s;

	if (self.slot >= t->slots_max || self.gen == 0)
		return -EBADMSG;
	s = &t->slots[self.slot];
	switch (kind) {
	case KIND_MINT:
		if (is_taken(t, self.slot) || self.gen <= s->gen ||
		    (e->parent.gen != 0 && !lat_captable_live(t, e->parent)))
			return -EBADMSG;
		begin(t, e);
		return 0;
	case KIND_END:
		/* One that was owed may have ended with what it was made of. */
		if (self.gen != s->gen)
			return -EBADMSG;
		if (is_taken(t, self.slot))
			(void)end(t, self.slot);
		return 0;
	case KIND_USES:
		if (!lat_captable_live(t, self))
			return -EBADMSG;
		s->entry.uses = s->uses_kept = e->uses;
		return 0;
	case KIND_GEN:
		if (is_taken(t, self.slot) || self.gen <= s->gen)
			return -EBADMSG;
		s->gen = self.gen;
		return 0;
	default:
		return -EBADMSG;
	}
}

int lat_captable_replay(struct lat_captable *t, const uint8_t record[LAT_CAPTABLE_RECORD])
{
	struct lat_cap_entry e = {
		.parent = { lat_get_le32(record + REC_PARENT_SLOT), lat_get_le32(record + REC_PARENT_GEN) },
		.badge = lat_get_le32(record + REC_BADGE),
		.uses = lat_get_le64(record + REC_USES),
	};
	uint8_t mac[LAT_MAC16];
	int rc;

	record_mac(mac, t, t->mac, record);
	if (!lat_equal_ct(mac, record + REC_MAC, sizeof(mac)) ||
	    lat_get_le64(record + REC_NUMBER) != t->number ||
	    lat_cap_desc_decode(&e.desc, record + REC_DESC) < 0)
		return -EBADMSG;
	rc = apply(t, (enum kind)record[REC_KIND], &e);
	if (rc < 0)
		return rc;
	t->number++;
	memcpy(t->mac, mac, sizeof(mac));
	return 0;
}

/* One slot's part of a snapshot. */
struct snapshot {
	int (*keep)(void *ctx, const uint8_t *record);
	void *ctx;
	uint64_t number;
	uint8_t mac[LAT_MAC16];
};

static int snap(const struct lat_captable *t, struct snapshot *to, enum kind kind,
		const struct lat_cap_entry *e)
{
	uint8_t record[LAT_CAPTABLE_RECORD];

	encode(t, record, kind, e, to->number++, to->mac);
	memcpy(to->mac, record + REC_MAC, sizeof(to->mac));
	return to->keep(to->ctx, record);
}

/* A tree, parents before their children, without a stack: down, along, and up again. */
static int snap_tree(const struct lat_captable *t, struct snapshot *to, int32_t root)
{
	int32_t at = root;

	for (;;) {
		const struct slot *s = &t->slots[at];
		struct lat_cap_entry e = s->entry;
		int rc;

		e.uses = s->uses_kept;
		rc = snap(t, to, KIND_MINT, &e);
		if (rc < 0)
			return rc;
		if (s->child != NONE) {
			at = s->child;
			continue;
		}
		while (at != root && t->slots[at].next == NONE)
			at = t->slots[at].parent;
		if (at == root)
			return 0;
		at = t->slots[at].next;
	}
}

int lat_captable_snapshot(struct lat_captable *t, int (*keep_it)(void *ctx, const uint8_t *record), void *ctx)
{
	struct snapshot to = { .keep = keep_it, .ctx = ctx };
	int rc = 0;

	for (uint32_t i = 0; i < t->slots_max && rc == 0; i++) {
		const struct slot *s = &t->slots[i];
		const struct lat_cap_entry gone = {
			.desc = { .slot = i, .gen = s->gen, .src_pid = LAT_CAP_ANY_PID }
		};

		if (!is_taken(t, i) && s->gen != 0)
			rc = snap(t, &to, KIND_GEN, &gone);
		else if (is_taken(t, i) && s->parent == NONE && !s->entry.transient)
			rc = snap_tree(t, &to, (int32_t)i);
		else if (is_taken(t, i) && s->entry.transient)
			rc = snap(t, &to, KIND_GEN, &gone);
	}
	if (rc == 0)
		rc = keep_it(ctx, NULL);
	if (rc < 0)
		return rc;
	t->number = to.number;
	memcpy(t->mac, to.mac, sizeof(t->mac));
	for (uint32_t i = 0; t->owed > 0 && i < t->slots_max; i++)
		t->slots[i].end_owed = false;
	t->owed = 0;
	return 0;
}
